#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the outer IP header takes from the inner one and gives back: ECN by RFC 6040 in both
# directions, the drop of its table included; DSCP inherited, fixed and uniform (RFC 2983); TTL fixed
# and inherited, and that of a forwarded packet lowered by one.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
plain_routes_del a
inject_start r ra a a0

# state DSCP TTL ECN: two tunnels on a, which has to carry both families to b; b answers in kind.
state() {
	local words="dscp: $1, ttl: $2, ecn: $3"
	apply_state a <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		tunnels:
		  four: {mode: gre, local: $A4, remote: $B4, $words}
		  six: {mode: vxlan, vni: 7, local: "$A6", remote: "$B6", $words}
		routes:
		  - {to: $B_NET4, tunnel: six, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: four, src: "$A_IN6"}
	YAML
	apply_state b <<-YAML
		devices: {b0: {ingress: true, egress: true}}
		tunnels:
		  four: {mode: gre, local: $B4, remote: $A4, $words}
		  six: {mode: vxlan, vni: 7, local: "$B6", remote: "$A6", $words}
	YAML
}

start_in a receive /usr/bin/python3 "$TOOLS/receive.py" 7000
wait_for 10 grep -qx READY "$WORK/receive.log" || fail "receive.py: $(<"$WORK/receive.log")"

# ---- arrival ----

# arrivals OUTER INNER WANTED: sends the table with these bits of DSCP beside the ECN fields, once
# in each tunnel; fails unless just the lines WANTED arrive, "OUTER INNER DSCP ECN TTL".
arrivals() {
	: >"$WORK/receive.log"
	inject 1 "ecn_table($1, $2)"
	wait_for 5 received $((2 * $(wc -l <<<"$3"))) || :
	expect_equal "$(sort <<<"$3"$'\n'"$3")" "$(sort "$WORK/receive.log")" "what arrives of the table"
}
received() { (($(wc -l <"$WORK/receive.log") >= $1)); }

# table DSCP ROW...: lines for arrivals; a row is the ECN fields that an outer field leaves the inner
# fields 0 to 3 with, x for a drop.
table() {
	local dscp=$1 outer=0 inner row
	shift
	for row; do
		for inner in 0 1 2 3; do
			[[ ${row:inner:1} == x ]] || printf '%s\n' "$outer $inner $dscp ${row:inner:1} 9"
		done
		outer=$((outer + 1))
	done
}

title "RFC 6040 section 4.2: the table of decapsulation"
state inherit 64 on
arrivals 0 0 "$(table 0 0123 0113 0123 x333)"
expect_equal 2 "$(drops a decap_ecn)" "decap_ecn: CE outside, no ECN inside"
arrivals 0x48 0x28 "$(table 10 0123 0113 0123 x333)"
title "ecn off: what is outside does not matter"
state inherit 64 off
arrivals 0 0x28 "$(table 10 0123 0123 0123 0123)"
title "dscp uniform: DSCP comes from outside, ECN by the table"
state uniform 64 on
arrivals 0x48 0x28 "$(table 18 0123 0113 0123 x333)"
title "dscp fixed: that outside does not matter"
state 46 64 on
arrivals 0x48 0x28 "$(table 10 0123 0113 0123 x333)"

# ---- departure ----

# departures WANTED TTL: pings with TTL from a and ha, with every ECN field and DSCP 10; fails unless
# the outer headers are the lines WANTED, "FROM ECN-OUTSIDE ECN-INSIDE DSCP TTL-OUTSIDE TTL-INSIDE".
departures() {
	local file=$WORK/departures.pcap ecn ns to
	capture_start r ra "$file"
	for ecn in 0 1 2 3; do
		for to in "a $B_IN4" "a $B_IN6" "ha $HB4" "ha $HB6"; do
			read -r ns to <<<"$to"
			in_ns "$ns" ping -n -c 1 -W 2 -t "$2" -Q $((0x28 | ecn)) "$to" >"$WORK/out" || :
		done
	done
	capture_stop "$file"
	frames_read "$file" --strict
	expect_equal "$1" "$(frames_values "$file" \
		'encapsulated and (.inner.type == 8 or .inner.type == 128)' \
		'"\(.inner.dst | if test("[:.]1[:.]") then "ha" else "a" end) \(.outer.ecn) \(.inner.ecn) \(.outer.dscp) \(.outer.ttl) \(.inner.ttl)"')" \
		"outer headers"
	expect_equal 16 "$(frames_count "$file" \
		'encapsulated and (.inner.type == 8 or .inner.type == 128)')" "pings in a tunnel"
}
# lines ECN-OUTSIDE DSCP TTL-OF-A TTL-OF-HA TTL: `same` for ECN means as inside.
lines() {
	local ecn outer
	for ecn in 0 1 2 3; do
		outer=$1
		[[ $1 != same ]] || outer=$ecn
		printf '%s\n' "a $outer $ecn $2 $3 $5" "ha $outer $ecn $2 $4 $(($5 - 1))"
	done | sort
}

title "RFC 6040 section 4.1: ECN goes outwards; DSCP inherited, TTL fixed"
state inherit 77 on
departures "$(lines same 10 77 77 33)" 33
title "ecn off; DSCP fixed; TTL inherited, lowered once on the way through a"
state 46 inherit off
departures "$(lines 0 46 33 32 33)" 33
title "dscp uniform"
state uniform inherit on
departures "$(lines same 10 33 32 33)" 33
