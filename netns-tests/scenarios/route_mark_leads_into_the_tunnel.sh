#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A rule with route-mark lets forwarded packets of a subnet take the tunnel of an app, and only them.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
apply_state b <<YAML
devices: {b0: {ingress: true}}
tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}, a1: {ingress: true}}
apps: {backup: {exe: /usr/bin/nobody-runs-this}}
tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}
routes: [{to: default, tunnel: blue, app: backup}]
rules:
  subnet: {match: {dir: in, dev: a1, src: $HA4/32}, action: {route-mark: backup}}
YAML
tx() { cv_json a tunnel show | jq '.[0].tx_packets'; }
pings() { in_ns ha /usr/bin/python3 "$TOOLS/traffic.py" ping 5 "$1"; }

title "what the subnet sends takes the tunnel"
pings "$HB4" || fail "no answer through the tunnel"
expect_equal 5 "$(tx)" "packets in the tunnel"

title "what others send does not"
pings "$HB6" || fail "no answer in the clear"
in_ns a /usr/bin/python3 "$TOOLS/traffic.py" ping 3 "$HB4" || fail "no answer to a itself"
expect_equal 5 "$(tx)" "packets in the tunnel"

title "without the rule nothing does"
expect_status 0 cv a rule del subnet
pings "$HB4" || fail "no answer in the clear"
expect_equal 5 "$(tx)" "packets in the tunnel"

title "what leaves is routed already"
expect_status 1 cv a rule add subnet match dir out dev a1 action route-mark backup
expect_line 'rule subnet: route-mark: what leaves is routed already; add dir in to match' "$WORK/err"
