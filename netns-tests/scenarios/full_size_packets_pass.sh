#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# No full-size packet vanishes: the route carries the MTU that is left inside the tunnel. A local
# sender gets EMSGSIZE, a forwarded one "fragmentation needed" or "packet too big"; what may be
# fragmented is, inside the tunnel; and TCP runs.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
MTU=1476 # 1500 less 20 bytes of IPv4 and 4 of GRE

plain_routes_del a b
apply_tunnel a blue "mode: gre, local: $A4, remote: $B4"
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4"

title "what is shown is what the routes carry"
expect_equal "$MTU" "$(cv_json a tunnel show blue | jq '.[0].mtu')" "mtu of the tunnel"
for net in "$B_NET4" "$B_NET6"; do
	family=-4
	[[ $net != *:* ]] || family=-6
	expect_equal "$MTU" "$(in_ns a ip "$family" -j route show "$net" |
		jq '.[0].metrics[0].mtu')" "mtu of the route to $net"
done

# ping_size NS SIZE ADDR: one ping of an IP packet of SIZE bytes that must not be fragmented; its
# output is in $WORK/out.
ping_size() {
	local header=28
	[[ $3 != *:* ]] || header=48
	in_ns "$1" ping -n -c 1 -W 2 -M "do" -s $(($2 - header)) "$3" >"$WORK/out" 2>&1
}

# Both ways of being told, on each family.
for pair in "a $B_IN4" "a $B_IN6" "ha $HB4" "ha $HB6"; do
	read -r ns addr <<<"$pair"
	title "$ns to $addr: $MTU bytes pass, $((MTU + 1)) are answered with the limit"
	ping_size "$ns" "$MTU" "$addr" || fail "$MTU bytes do not pass: $(<"$WORK/out")"
	if ping_size "$ns" $((MTU + 1)) "$addr"; then
		fail "$((MTU + 1)) bytes pass: are they encapsulated?"
	fi
	expect_line "mtu ?[=:] ?$MTU" "$WORK/out"
done

# fragments NS ADDR COUNT: a ping of 3000 bytes that may be fragmented; fails unless it comes back,
# and all that the wire saw was fragments in whole outer packets, COUNT in both directions.
fragments() {
	local file=$WORK/fragments.pcap is="encapsulated and .inner.fragment"
	capture_start r ra "$file"
	in_ns "$1" ping -n -c 1 -W 2 -M dont -s 3000 "$2" >"$WORK/out" || fail "3000 bytes do not pass"
	capture_stop "$file"
	frames_read "$file" --strict --offload
	expect_equal "$3" "$(frames_count "$file" "$is")" "fragments, there and back"
	expect_equal 0 "$(frames_count "$file" ".outer.fragment or .len > $MTU + 38")" "outer fragments"
}
# hb does not know the MTU of the path: two of its three fragments are divided again.
for ping in "a $B_IN4 6" "a $B_IN6 6" "ha $HB4 8"; do
	read -r ns addr count <<<"$ping"
	title "$ns to $addr: what may be fragmented is, before it is encapsulated"
	fragments "$ns" "$addr" "$count"
done

for fresh in yes no; do
	title "TCP, local and forwarded; path MTU known beforehand: $fresh"
	# A black hole for full-size packets would take minutes.
	transfer a b $((8 << 20)) "$B_IN4" "$B_IN6"
	transfer ha hb $((8 << 20)) "$HB4" "$HB6"
	# The second round starts from nothing learnt.
	in_ns ha ip route flush cache
	in_ns ha ip -6 route flush cache
done
