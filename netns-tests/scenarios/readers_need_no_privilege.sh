#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Members of the group culvert read everything without any capability, and change nothing; others read
# nothing. What a command needs and has not is named.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
program=$(program_copy program)
plain_routes_del a b
cp /etc/group "$WORK/group"
sed -i '/^culvert:/d' "$WORK/group"
echo 'culvert:x:4711:' >>"$WORK/group"
mount --bind "$WORK/group" /etc/group
install -m 755 "$CULVERT" "$WORK/bin/culvert"

apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, key: 42"
apply_state a <<-YAML
	devices: {a0: {ingress: true, egress: true}}
	apps: {program: {exe: $program}}
	sets:
	  ports: {type: port, elements: [80, 443]}
	tunnels:
	  blue: {mode: gre, local: $A4, remote: $B4, key: 42}
	  many: {mode: gre, local: $A4, remote: [198.51.100.7, 198.51.100.8], key: 43}
	  hub: {mode: gre, local: $A4, remote: peers, key: 44}
	peers:
	  - {to: 10.20.0.0/16, remote: 198.51.100.9, tunnel: hub}
	routes:
	  - {to: $B_NET4, tunnel: blue, src: $A_IN4}
	  - {to: $B_NET6, tunnel: blue, app: program, src: "$A_IN6"}
	  - {to: 10.20.0.0/16, tunnel: hub}
	rules:
	  web: {match: {proto: tcp, dport: "@ports"}, action: {dscp: 8}}
	  low: {match: {app: program, dir: out}, action: {dscp: 9}}
YAML
in_ns a "$program" "$TOOLS/traffic.py" ping 2 "$B_IN4" >/dev/null || fail "no traffic"

# as GROUP CMD...: culvert at site a by somebody who has no capability, in that group.
as() {
	in_ns a setpriv --reuid 65534 --regid 65534 --groups "$1" --inh-caps=-all --bounding-set=-all --no-new-privs \
		"$WORK/bin/culvert" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" "${@:2}"
}
# Nobody sends any more: counters stay.
for words in "dev show" "app show" "tunnel show" "peer show" "route show" "set show" "rule show" "status"; do
	# shellcheck disable=SC2086 # words
	cv_json a $words | jq -S . >"$WORK/root"
	# shellcheck disable=SC2086 # words
	as 4711 -j $words 2>"$WORK/err" | jq -S . >"$WORK/member" || fail "$words: $(<"$WORK/err")"
	diff "$WORK/root" "$WORK/member" || :
	expect_equal "" "$(<"$WORK/err")" "$words: messages"
done
