#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A route's guard on the way in lets through what it says, by the tunnel that a packet came out of,
# by its source and by its mark, for forwarded and for delivered packets; what it refuses is dropped
# and counted, on the route and under a reason. A tc_index that another namespace wrote is not
# believed.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

SERVICE4=10.9.7.7 SERVICE6=fd00:9:7::7

topology_hosts
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"
apply_state a <<YAML
devices:
  a0: {ingress: true, egress: true}
tunnels:
  blue:  {mode: gre, local: $A4, remote: $B4, key: 1}
  green: {mode: vxlan, local: $A4, remote: $B4, vni: 2}
YAML

# guard VERDICT WORDS: the state of b with a guard of these words on every route that has one.
guard() {
	title "guard: ${1:-none}"
	apply_state b <<-YAML
	devices:
	  b0: {ingress: true, egress: true}
	tunnels:
	  blue:  {mode: gre, local: $B4, remote: $A4, key: 1}
	  green: {mode: vxlan, local: $B4, remote: $A4, vni: 2}
	routes:
	  - {to: $HB4/32, hook: in, dev: b1$1}
	  - {to: "$HB6/128", hook: in, dev: b1$2}
	  - {to: $SERVICE4/32, hook: in, type: local$1}
	  - {to: "$SERVICE6/128", hook: in, type: local$2}
	rules:
	  mark-green: {match: {dir: in, tunnel: green}, action: {mark: 0x20/0xf0}}
	YAML
}

# through TUNNEL: what a sends to b goes through this one.
through() {
	expect_status 0 cv a route replace "$B_NET4" tunnel "$1"
	expect_status 0 cv a route replace "$B_NET6" tunnel "$1"
}

count() { cv_json b route show "$1" | jq ".[0].$2"; }

# pings NS PASSED ADDR...: three pings to each get through, or none; the route and the reason count.
pings() {
	local ns=$1 passed=$2 addr bits packets dropped reason answered
	shift 2
	for addr; do
		bits=32
		[[ $addr != *:* ]] || bits=128
		packets=$(count "$addr/$bits" packets) dropped=$(count "$addr/$bits" dropped)
		reason=$(drops b guard)
		answered=$(in_ns "$ns" ping -n -c 3 -i 0.05 -W 0.4 "$addr" |
			sed -nE 's/.* ([0-9]+) received.*/\1/p') || :
		expect_equal "$passed" "$answered" "answers from $addr to $ns"
		expect_equal $((packets + passed)) "$(count "$addr/$bits" packets)" "packets of $addr"
		expect_equal $((dropped + 3 - passed)) "$(count "$addr/$bits" dropped)" "dropped of $addr"
		expect_equal $((reason + 3 - passed)) "$(drops b guard)" "reason guard"
	done
}
ALL=("$HB4" "$HB6" "$SERVICE4" "$SERVICE6")

guard "" ""
through blue
pings ha 3 "${ALL[@]}"

guard ", from-tunnel: blue" ", from-tunnel: blue"
pings ha 3 "${ALL[@]}"
title "what this host itself sends there meets no guard, and leaves the others' way open"
expect_status 0 in_ns b ping -n -c 1 -W 1 "$HB4"
expect_status 0 in_ns b ping -n -c 1 -W 1 "$HB6"
pings ha 3 "${ALL[@]}"
through green
pings ha 0 "${ALL[@]}"

guard ", from-tunnel: blue, policy: drop" ", from-tunnel: blue, policy: drop"
pings ha 3 "${ALL[@]}"
through blue
pings ha 0 "${ALL[@]}"

guard ", from: [10.77.0.0/16, $HA4/32]" ", from: [\"fd00:77::/32\", \"$HA6/128\"]"
pings ha 3 "${ALL[@]}"
pings a 0 "$HB4" "$SERVICE4" "$HB6" "$SERVICE6"

guard ", from: 10.8.1.0/24, policy: drop" ", from: \"fd00:8:1::/48\", policy: drop"
pings ha 0 "${ALL[@]}"

guard ", from: 10.8.0.0/13" ", from: \"fd00:8::/29\""
pings ha 3 "${ALL[@]}"

guard ", from-mark: 0x20/0xf0" ", from-mark: 0x20/0xf0"
pings ha 0 "${ALL[@]}"
through green
pings ha 3 "${ALL[@]}"

guard ", from-tunnel: green, from: 10.77.0.0/16" ", from-tunnel: green, from: \"fd00:77::/32\""
pings ha 0 "${ALL[@]}"

guard ", policy: drop" ", policy: drop"
pings ha 0 "${ALL[@]}"

title "a tunnel's id that another namespace wrote to tc_index is not believed"
guard ", from-tunnel: blue" ", from-tunnel: blue"
id=$(cv_json b tunnel show blue | jq '.[0].id')
ip -n a route add "$HB4/32" via 192.0.2.254
in_ns r tc qdisc add dev rb clsact
cat >"$WORK/forge.c" <<C
#include <linux/bpf.h>
__attribute__((section("tc"), used)) int forge(struct __sk_buff *skb)
{
	skb->tc_index = $id;
	return -1;
}
char _license[] __attribute__((section("license"), used)) = "GPL";
C
clang -target bpf -O2 -g -idirafter "/usr/include/$(gcc -print-multiarch)" -c "$WORK/forge.c" \
	-o "$WORK/forge.o"
in_ns r tc filter add dev rb egress bpf da obj "$WORK/forge.o" sec tc
pings ha 0 "$HB4"
title "... nor on a device where nothing is taken out"
expect_status 0 cv b dev del b0
expect_status 0 cv b dev add b0 egress
pings ha 0 "$HB4"

title "IPv4 in another table: refused with the reason"
expect_status 2 cv b route add 10.9.3.0/24 hook in dev b1 table 77
expect_line 'hook in: in a table other than main the kernel may discard' "$WORK/err"

title "an address of a device has a route already: refused, and the old guards stay"
expect_status 2 cv b route add "$B4/32" hook in type local
expect_line 'there is one already in table 255' "$WORK/err"
expect_equal 4 "$(cv_json b route show | jq length)" "routes"

title "nothing is left"
expect_status 0 cv b down
expect_equal "[]" "$(in_ns b ip -j route show table all proto 201 | jq -c .)" "routes"
expect_equal "[]" "$(in_ns b ip -j rule show | jq -c 'map(select(.protocol == "201"))')" "rules"
