#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A state file with a fault, or one that the system cannot take, is refused with the file's line,
# the exit status of cli.md and no change at all: what was applied before goes on working.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)

# The state before, in the six lines that the bad files begin with.
good="devices: {a0: {ingress: true, egress: true}}
apps: {client: {exe: $client}}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4, key: 42}
routes:
  - {to: $B_NET4, tunnel: blue, app: client, src: $A_IN4}"
apply_state a <<<"$good"
apply_state b <<YAML
devices: {b0: {ingress: true, egress: true}}
tunnels:
  blue: {mode: gre, local: $B4, remote: $A4, key: 42}
YAML

# What must stay as it is. Counters move, so they are left out.
picture() {
	cv_json a status | jq -S '{generation, devices, apps, tunnels, routes, rules}'
	expect_status 0 cv a save
	cat "$WORK/out"
	in_ns a ip rule show
	in_ns a ip -6 rule show
	in_ns a ip route show table all
	in_ns a ip -6 route show table all
	in_ns a tc filter show dev a0 ingress
	in_ns a tc filter show dev a0 egress
}
# Two pings, encapsulated.
works() {
	local before after
	before=$(cv_json a tunnel show blue | jq '.[0].tx_packets')
	in_ns a "$client" "$TOOLS/traffic.py" ping 2 "$B_IN4" >/dev/null || fail "no answer after: $1"
	after=$(cv_json a tunnel show blue | jq '.[0].tx_packets')
	expect_equal 2 $((after - before)) "encapsulated pings after: $1"
}
# Somebody else's route, in the way of the last bad file.
in_ns a ip route add 192.168.0.0/24 via 192.0.2.254 table 77
works "apply"
picture >"$WORK/before"

# refused STATUS LINE:COL REGEX WHAT: the file on stdin is refused with that status, with a message
# for that place (a regular expression) that matches REGEX, and nothing has changed.
refused() {
	title "$4"
	cat >"$WORK/bad.yaml"
	expect_status "$1" cv a apply "$WORK/bad.yaml"
	expect_line "^$WORK/bad.yaml:$2: error: .*$3" "$WORK/err"
	picture >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >&2 || fail "$4: the state has changed"
	works "$4"
}

refused 1 '7:1' 'tunels' "unknown key" <<YAML
$good
tunels: {}
YAML
refused 1 '8:[0-9]+' 'verdict|dopr' "unknown word" <<YAML
$good
rules:
  r: {match: {proto: udp}, action: {verdict: dopr}}
YAML
refused 1 '8:[0-9]+' '10\.9\.1\.1/16' "host bits set" <<YAML
$good
rules:
  r: {match: {dst: 10.9.1.1/16}, action: {verdict: drop}}
YAML
refused 1 '8:[0-9]+' '10\.9\.0\.0/33' "bad prefix" <<YAML
$good
rules:
  r: {match: {dst: 10.9.0.0/33}, action: {verdict: drop}}
YAML
refused 1 '7:1' 'routes' "duplicate key" <<YAML
$good
routes: []
YAML
refused 1 '7:[0-9]+' '' "wrong type" <<YAML
$good
rules: [1, 2]
YAML
refused 1 '6:[0-9]+' 'green' "a tunnel that is not there" <<YAML
${good/tunnel: blue/tunnel: green}
YAML
refused 1 '4:[0-9]+' 'mtu' "mtu too small" <<YAML
${good/key: 42/mtu: 60}
YAML
refused 1 '4:[0-9]+' '' "tunnel with ends of two families" <<YAML
${good/remote: $B4/remote: \"$B6\"}
YAML
refused 1 '8:[0-9]+' '' "unquoted IPv6" <<YAML
$good
rules:
  r: {match: {dst: ::1}, action: {verdict: drop}}
YAML
refused '1|2' '1:[0-9]+' 'nosuch0' "unknown device" <<YAML
${good/a0:/nosuch0:}
YAML
refused 2 '8:[0-9]+' '192\.168\.0\.0/24' "the kernel refuses: a route of somebody else is there" <<YAML
$good
  - {to: 203.0.113.0/24, tunnel: blue}
  - {to: 192.168.0.0/24, tunnel: blue, table: 77}
YAML

# Packets that met the rule.
seen() { cv_json a rule show seen | jq '.[0].packets'; }
cat >"$WORK/rules.yaml" <<YAML
$good
rules:
  seen: {match: {dir: out, dst: $B4, proto: gre}, action: {verdict: next}}
YAML
expect_status 0 cv a apply "$WORK/rules.yaml"
picture >"$WORK/before"
packets=$(seen)
refused 2 '7:[0-9]+' '192\.168\.0\.0/24' "rules that were put in are taken out, the old ones are back" <<YAML
$good
  - {to: 192.168.0.0/24, tunnel: blue, table: 77}
rules:
  other: {match: {dir: out}, action: {verdict: drop}}
YAML
expect_equal 2 $(($(seen) - packets)) "pings that the old rule has seen"
expect_status 0 cv a apply "$WORK/a.yaml"

title "several faults of one file come in one run"
cat >"$WORK/bad.yaml" <<YAML
$good
rules:
  r: {match: {dst: 10.9.0.0/33, nonsense: 1}, action: {verdict: dopr}}
YAML
expect_status 1 cv a apply "$WORK/bad.yaml"
(($(grep -c "^$WORK/bad.yaml:8:[0-9]*: error: " "$WORK/err") >= 3)) || fail "$(<"$WORK/err")"

title "check says the same without root's help"
expect_status 1 "$CULVERT" check "$WORK/bad.yaml"
expect_status 0 "$CULVERT" check "$WORK/a.yaml"

title "a file that is not there"
expect_status 1 cv a apply "$WORK/no-such-file.yaml"
expect_line 'no-such-file.yaml' "$WORK/err"
works "all of it"

# by_hand: the command line of `cv a`, to be run by something else than this shell.
by_hand="$CULVERT --bpffs $WORK/bpf --state $WORK/state --cgroup $CGROUP -n a"

title "a missing capability is named"
for capability in cap_net_admin cap_sys_admin; do
	expect_status 5 capsh --drop="$capability" -- -c "$by_hand apply $WORK/a.yaml"
	expect_line "${capability^^}" "$WORK/err"
done
works "a missing capability"

title "no cgroup2: the hooks that are there stay, new ones are refused"
mapfile -t mounts < <(awk '$3 == "cgroup2" { print $2 }' /proc/mounts)
expect_status 0 unshare --mount sh -c "umount -l ${mounts[*]}; ${by_hand/--cgroup $CGROUP/} apply $WORK/a.yaml"
cv a down
pins=$(find "$WORK/bpf" | sort)
expect_status 2 unshare --mount sh -c "umount -l ${mounts[*]}; ${by_hand/--cgroup $CGROUP/} apply $WORK/a.yaml"
expect_line 'cgroup2: not mounted' "$WORK/err"
expect_equal "$pins" "$(find "$WORK/bpf" | sort)" "pins after the refused apply"
