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

veth_pair a d0 r d1
tcx=', tcx: true'
kernel_before 6.6 "a device with tcx" && tcx=
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, key: 42"
apply_state a <<-YAML
	devices: {a0: {ingress: true, egress: true}, d0: {ingress: true$tcx}}
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

ip -n a link add side type veth peer name side-end
expect_status '0|2' cv a dev add side tcx # without tcx: not

# as GROUP CMD...: culvert at site a by somebody who has no capability, in that group.
as() {
	in_ns a setpriv --reuid 65534 --regid 65534 --groups "$1" --inh-caps=-all --bounding-set=-all --no-new-privs \
		"$WORK/bin/culvert" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" "${@:2}"
}
# What does not change by itself: seconds go by.
steady() { jq -S 'walk(if type == "object" then del(.last_hit) else . end) | (.marks? // empty) |= map(select(.how != "unknown")) | (.problems? // empty) |= map(select(test("cannot be seen") | not))'; }
# Nobody sends any more: counters stay. Who else uses marks is the only thing that takes a capability.
title "members read what root reads"
for words in "dev show" "app show" "tunnel show" "peer show" "route show" "set show" "rule show" "status"; do
	# shellcheck disable=SC2086 # words
	cv_json a $words | steady >"$WORK/root"
	# shellcheck disable=SC2086 # words
	as 4711 -j $words 2>"$WORK/err" | steady >"$WORK/member" ||
		fail "$words: $(<"$WORK/err")"
	diff "$WORK/root" "$WORK/member" || fail "$words: what a member reads is not what root reads"
	expect_equal "" "$(<"$WORK/err")" "$words: messages"
done
expect_equal "$(cv a save)" "$(as 4711 save)" "save"
cv_json a rule show | expect_json 'map(.packets != null) | all' true "counters"
as 4711 -j status | jq -r '.marks[] | select(.how == "unknown") | .note' >"$WORK/notes"
expect_line 'nftables: Operation not permitted' "$WORK/notes"
as 4711 status >"$WORK/out"
expect_line 'tcx cannot be seen without CAP_NET_ADMIN' "$WORK/out"
expect_status 0 as 4711 explain src "$A_IN4" dst "$B_IN4" proto tcp sport 1 dport 2
expect_line 'owner .*not known.*CAP_BPF' "$WORK/out"
expect_line 'blue' "$WORK/out"
expect_status 0 as 4711 explain src "$A_IN6" dst "$B_IN6" app program
expect_line 'blue' "$WORK/out"

title "what a change makes anew can be read, too"
expect_status 0 cv a rule add new prio 1 match proto udp action dscp 10
expect_status 0 cv a tunnel add green mode gre local "$A4" remote 198.51.100.10 key 50
expect_status 0 cv a app add other exe /bin/true
for noun in rule tunnel app; do
	# shellcheck disable=SC2086 # words
	expect_equal "$(cv a -j $noun show | steady)" "$(as 4711 -j $noun show | steady)" "$noun behind a change"
done
# Maps that nothing reads any more have no pin.
pins() { find "$WORK"/bpf/v1/ns-*/inner -type f | wc -l; }
before=$(pins)
for ((i = 0; i < 5; i++)); do
	expect_status 0 cv a app replace other exe "/bin/true$i"
	expect_status 0 cv a rule replace new prio 1 match proto udp action dscp $((10 + i))
done
expect_equal "$before" "$(pins)" "pins of maps in maps"

title "members change nothing"
for words in "rule del new" "apply $WORK/a.yaml" "repair" "down" "confirm" "apply $WORK/a.yaml --confirm 5"; do
	# shellcheck disable=SC2086 # words
	expect_status 5 as 4711 $words
	expect_line 'not permitted: CAP_NET_ADMIN is missing' "$WORK/err"
done
for pin in "$WORK"/bpf/v1/ns-*/maps/cv_meta "$WORK"/bpf/v1/host/links/*; do
	expect_status 1 in_ns a setpriv --reuid 65534 --regid 65534 --groups 4711 --inh-caps=-all --bounding-set=-all \
		bash -c "echo >'$pin' || rm '$pin'"
	[[ -e $pin ]] || fail "$pin is gone"
done
expect_status 5 as 4711 diff "$WORK/a.yaml"
expect_line 'not permitted: CAP_NET_ADMIN is missing' "$WORK/err"
expect_status 5 as 4711 tunnel check blue
expect_line 'CAP_NET_RAW' "$WORK/err"
expect_status 5 as 4711 -n a status
expect_line 'CAP_SYS_ADMIN' "$WORK/err"

title "others read nothing"
for words in "rule show" "status" "save"; do
	# shellcheck disable=SC2086 # words
	expect_status 5 as 65534 $words
	expect_line 'group culvert' "$WORK/err"
done

title "without the group nobody else reads"
expect_status 0 cv a down
: >"$WORK/group" # in its place: it is mounted
expect_status 0 cv a apply "$WORK/a.yaml"
expect_status 5 as 4711 rule show
[[ ! -e $WORK/bpf/v1/$(cv_json a status | jq -r .instance)/inner ]] || fail "maps are pinned for nobody"

# without CAPABILITY[,...] CMD...: culvert at site a by root without these.
without() {
	in_ns a setpriv --inh-caps="-${1//,/,-}" --bounding-set="-${1//,/,-}" \
		"$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" "${@:2}"
}
title "root without CAP_SYS_ADMIN: where the bpffs is mounted"
expect_status 5 without sys_admin rule add new match proto udp action dscp 10
expect_line 'CAP_SYS_ADMIN is missing, needed for opening maps by id' "$WORK/err"
expect_status 0 cv a down
expect_status 0 without sys_admin apply "$WORK/a.yaml"
expect_status 0 without sys_admin rule add new match proto udp action dscp 10
expect_status 0 without sys_admin tunnel add green mode gre local "$A4" remote 198.51.100.10 key 50
expect_status 0 without sys_admin rule replace new match proto udp action dscp 11
expect_status 0 without sys_admin app add other exe /bin/true
in_ns a ip route flush table all proto 201
expect_status 0 without sys_admin repair
expect_line '^\+ route' "$WORK/out"
in_ns a "$program" "$TOOLS/traffic.py" ping 2 "$B_IN4" >/dev/null || fail "no traffic"
for words in "rule show" "tunnel show" "app show" "status"; do
	# shellcheck disable=SC2086 # words
	expect_equal "$(cv a -j $words | steady)" "$(without sys_admin -j $words | steady)" "$words"
done
expect_status 0 without sys_admin down

title "three capabilities, and no other"
three=-all,+net_admin,+bpf,+perfmon
only_three=(setpriv --inh-caps="$three" --bounding-set="$three"
	"$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP")
expect_status 0 in_ns a "${only_three[@]}" apply "$WORK/a.yaml"
echo_server b echo /usr/bin/python3 7000
in_ns a "$program" "$TOOLS/traffic.py" udp 2 "$B_IN4,$B_IN6" --port 7000 >/dev/null || fail "no traffic"
cv_json a rule show low | expect_json '.[0].packets > 0' true "packets of the app"
stop "$STARTED"
expect_equal "$(cv a -j status | steady)" "$(in_ns a "${only_three[@]}" -j status | steady)" "status"
expect_status 0 in_ns a "${only_three[@]}" diff "$WORK/a.yaml"
expect_status 0 in_ns a "${only_three[@]}" apply "$WORK/a.yaml" --dry-run
rm "$WORK"/bpf/v1/"$(cv_json a status | jq -r .instance)"/maps/cv_allowed
expect_status 5 in_ns a "${only_three[@]}" repair
expect_line "map cv_allowed: its pin is gone, and to find it CAP_SYS_ADMIN is missing; run 'culvert repair' as root" "$WORK/err"
expect_status 0 cv a repair
expect_status 0 in_ns a "${only_three[@]}" down

title "what is missing is named"
for capability in net_admin bpf perfmon; do
	expect_status 5 without "$capability,sys_admin" apply "$WORK/a.yaml"
	expect_line "CAP_${capability^^} is missing" "$WORK/err"
done
expect_status 0 cv b down
expect_status 5 without sys_admin apply "$WORK/a.yaml"
expect_line 'CAP_SYS_ADMIN is missing, needed for mounting the bpffs' "$WORK/err"
