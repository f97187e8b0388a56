#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A router of the underlay with a smaller MTU says so to the outer source, and no socket of ours
# would hear it: `tunnel show` has it then, and the next apply lowers the MTU of the routes. What
# is about no packet of ours is not believed, and nobody can make the tunnel useless.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
inject_start r ra a a0
PATH_MTU=1400

shown() { cv_json a tunnel show | jq -c '.[0] | [.mtu, .path_mtu]'; }
shows() { [[ $(shown) == "$1" ]]; }

# ping_size SIZE ADDR [SECONDS]: one ping of an IP packet of SIZE bytes that must not be fragmented.
ping_size() {
	local header=28
	[[ $2 != *:* ]] || header=48
	in_ns a ping -n -c 1 -W "${3:-2}" -M "do" -s $(($1 - header)) "$2" >"$WORK/out" 2>&1
}

# learns NAME WORDS LOCAL REMOTE HEADERS: fails unless the tunnel of a comes to know the path.
learns() {
	local before=$((1500 - $5)) after=$((PATH_MTU - $5)) words="$2, local: \"$3\", remote: \"$4\"" addr
	title "$words: from $before to $after"
	apply_tunnel a "$1" "$words"
	apply_tunnel b "$1" "$2, local: \"$4\", remote: \"$3\""
	expect_equal "[$before,null]" "$(shown)" "mtu and path_mtu at first"
	ping_size "$before" "$B_IN4" || fail "$before bytes do not pass: $(<"$WORK/out")"

	ip -n r link set rb mtu "$PATH_MTU"
	! ping_size "$before" "$B_IN4" 0.2 || fail "$before bytes pass"
	wait_for 2 shows "[$before,$PATH_MTU]" || fail "tunnel show has $(shown)"

	apply_tunnel a "$1" "$words"
	expect_equal "[$after,$PATH_MTU]" "$(shown)" "mtu and path_mtu after apply"
	for addr in "$B_IN4" "$B_IN6"; do
		! ping_size $((after + 1)) "$addr" 0.2 || fail "$((after + 1)) bytes pass"
		expect_line "mtu ?[=:] ?$after" "$WORK/out"
		ping_size "$after" "$addr" || fail "$after bytes do not pass: $(<"$WORK/out")"
	done

	ip -n r link set rb mtu 1500
}

learns gre "mode: gre" "$A4" "$B4" 24
learns vxlan "mode: vxlan, vni: 9" "$A4" "$B4" 50
learns gre6 "mode: gre" "$A6" "$B6" 44
learns srv6 "mode: srv6" "$A6" "$B6" 64

title "messages about packets that are not ours, and with an MTU that would stop IPv6"
apply_tunnel a blue "mode: gre, local: $A4, remote: $B4"
inject 1 '[IP(src="192.0.2.254", dst=A4) / ICMP(type=3, code=4, nexthopmtu=1000) / quoted
	for quoted in (IP(src=A4, dst="203.0.113.7") / GRE(), IP(src=B4, dst=A4) / GRE(), IP(src=A4, dst=B4) / UDP())]'
inject 1 'IP(src="192.0.2.254", dst=A4) / ICMP(type=3, code=1, nexthopmtu=1000) / IP(src=A4, dst=B4) / GRE()'
expect_equal "[1476,null]" "$(shown)" "mtu and path_mtu"
inject 1 'IP(src="192.0.2.254", dst=A4) / ICMP(type=3, code=4, nexthopmtu=68) / IP(src=A4, dst=B4) / GRE()'
wait_for 2 shows "[1476,68]" || fail "tunnel show has $(shown)"
apply_tunnel a blue "mode: gre, local: $A4, remote: $B4"
expect_equal "[1280,68]" "$(shown)" "mtu and path_mtu after apply"
