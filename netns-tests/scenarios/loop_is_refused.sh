#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A tunnel whose outer packets would be routed into a tunnel again is refused when it is
# configured, and nothing changes. Where the routing changes later, behind culvert's back, packets
# are dropped and counted instead of going round.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)

# refused WHAT: the state file on stdin is refused, names its line, and leaves nothing.
refused() {
	local status=0
	title "$1"
	cat >"$WORK/loop.yaml"
	cv a apply "$WORK/loop.yaml" >"$WORK/out" 2>"$WORK/err" || status=$?
	((status == 1 || status == 2)) || fail "exit status $status: $(<"$WORK/err")"
	expect_line "^$WORK/loop.yaml:[0-9]+:[0-9]+: error: " "$WORK/err"
	expect_equal "[]" "$(in_ns a ip -j route show table all proto 201 | jq -c .)" "routes"
	expect_equal "[]" "$(cv_json a tunnel show | jq -c .)" "tunnels"
}

refused "a route through the tunnel that covers its own remote" <<YAML
devices: {a0: {ingress: true, egress: true}}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4}
routes:
  - {to: 198.51.100.0/24, tunnel: blue}
YAML
refused "the same with IPv6" <<YAML
devices: {a0: {ingress: true, egress: true}}
tunnels:
  six: {mode: ipip, local: "$A6", remote: "$B6"}
routes:
  - {to: "2001:db8:2::/64", tunnel: six}
YAML
refused "two tunnels, each through the other" <<YAML
devices: {a0: {ingress: true, egress: true}}
tunnels:
  blue:  {mode: gre, local: $A4, remote: $B4}
  green: {mode: gre, local: $A4, remote: 203.0.113.1}
routes:
  - {to: $B4/32, tunnel: green}
  - {to: 203.0.113.1/32, tunnel: blue}
YAML

title "the default route of one program may go through a tunnel"
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
apps:
  client: {exe: $client}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4}
routes:
  - {to: default, tunnel: blue, app: client, src: $A_IN4}
YAML
apply_state b <<YAML
devices: {b0: {ingress: true, egress: true}}
tunnels:
  blue: {mode: gre, local: $B4, remote: $A4}
YAML
in_ns a "$client" "$TOOLS/traffic.py" ping 2 "$B_IN4" || fail "the tunnel does not work"
sent=$(cv_json a tunnel show blue | jq '.[0].tx_packets')
((sent == 2)) || fail "tx_packets is $sent after 2 pings"
expect_equal 0 "$(drops a loop)" "loop drops"

title "the route to the remote is led into the tunnel by hand: dropped, counted, no harm"
table=$(cv_json a route show | jq '.[0].table')
in_ns a ip rule add pref 100 to "$B4" table "$table"
if in_ns a timeout 20 "$client" "$TOOLS/traffic.py" ping 1 "$B_IN4"; then
	fail "a ping came through a tunnel inside itself"
fi
(($(drops a loop) >= 1)) || fail "not counted: $(cv_json a tunnel show)"
in_ns a ip rule del pref 100
in_ns a "$client" "$TOOLS/traffic.py" ping 2 "$B_IN4" || fail "the tunnel does not work any more"
