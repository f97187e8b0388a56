#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# hook in: a middle router puts what it receives into a tunnel before it forwards it, with IPv4 and
# IPv6 outside and inside. Where the kernel would drop it (an outer IPv4 source of this host) the
# route is refused with the reason, and works as soon as it can. What that hook cannot do is done on
# xmit: oversized packets are answered or fragmented, hop counts that run out are answered. A route
# that is removed takes the traffic with it, and `unreachable` keeps it from going in the clear.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# An outer source that is not an address of a, in a's network: answers are not expected.
NONLOCAL4=192.0.2.77 NONLOCAL6=2001:db8:1::77

topology_hosts
program=$(program_copy program)
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"

# tunnels LOCAL REMOTE: the tunnels of a or b, of which nonlocal ones need a sender's side in a.
tunnels() {
	cat <<-YAML
	tunnels:
	  gre4:   {mode: gre, local: $A4, remote: $B4, key: 4}
	  gre6:   {mode: gre, local: "$A6", remote: "$B6", key: 6}
	  vxlan6: {mode: vxlan, local: "$A6", remote: "$B6", vni: 6}
	  ipip6:  {mode: ipip, local: "$A6", remote: "$B6"}
	  far4:   {mode: gre, local: $NONLOCAL4, nonlocal: true, remote: $B4, key: 44}
	  far6:   {mode: gre, local: "$NONLOCAL6", nonlocal: true, remote: "$B6", key: 66}
	YAML
}
apply_state b <<YAML
devices: {b0: {ingress: true}}
tunnels:
  gre4:   {mode: gre, local: $B4, remote: $A4, key: 4}
  gre6:   {mode: gre, local: "$B6", remote: "$A6", key: 6}
  vxlan6: {mode: vxlan, local: "$B6", remote: "$A6", vni: 6}
  ipip6:  {mode: ipip, local: "$B6", remote: "$A6"}
  far4:   {mode: gre, local: $B4, remote: $NONLOCAL4, key: 44}
  far6:   {mode: gre, local: "$B6", remote: "$NONLOCAL6", key: 66}
YAML

# state TUNNEL HOOK: routes of a to b's networks through it.
state() {
	{
		printf 'devices: {a0: {ingress: true}}\n'
		tunnels
		printf 'routes:\n'
		printf '  - {to: %s, tunnel: %s, hook: [%s]}\n' "$B_NET4" "$1" "$2"
		printf '  - {to: "%s", tunnel: %s, hook: [%s]}\n' "$B_NET6" "$1" "$2"
	} | apply_state a
}

# inner_ttls: hop counts of the echo requests inside, as they are on the wire.
inner_ttls() {
	frames_read "$WORK/in.pcap"
	jq -c '[.[] | select(.inner != null) | .inner.ttl] | unique' "$WORK/in.pcap.json"
}

title "an outer IPv4 source of this host: the kernel would drop each packet, so it is refused"
{
	printf 'devices: {a0: {ingress: true}}\n'
	tunnels
	printf 'routes: [{to: %s, tunnel: gre4, hook: in}]\n' "$B_NET4"
} >"$WORK/refused.yaml"
expect_status 2 cv a apply "$WORK/refused.yaml"
expect_line 'hook in: the kernel drops what came in with 192.0.2.1 of this host as source' "$WORK/err"
expect_line 'hook xmit carries forwarded packets too; or .* set net.ipv4.conf.a0.accept_local' "$WORK/err"
expect_equal "[]" "$(in_ns a ip -j route show table all proto 201 | jq -c .)" "routes"

title "a strict reverse path filter would, too"
in_ns a sh -c 'echo 1 >/proc/sys/net/ipv4/conf/a0/rp_filter'
ip -n a route add "$NONLOCAL4/32" via "$HA4" dev a1
sed -i 's/tunnel: gre4, hook/tunnel: far4, hook/' "$WORK/refused.yaml"
expect_status 2 cv a apply "$WORK/refused.yaml"
expect_line 'hook in: rp_filter drops what came in on a0 with source 192.0.2.77' "$WORK/err"
ip -n a route del "$NONLOCAL4/32"
in_ns a sh -c 'echo 0 >/proc/sys/net/ipv4/conf/a0/rp_filter'

for tunnel in gre6 vxlan6 ipip6 far4 far6; do
	title "$tunnel: encapsulated on the way in"
	state "$tunnel" in
	capture_start r ra "$WORK/in.pcap" "(src $A4 or src $A6 or src $NONLOCAL4 or src $NONLOCAL6) and not icmp6"
	for addr in "$HB4" "$HB6"; do
		expect_status 0 in_ns ha ping -n -c 3 -i 0.05 -W 1 "$addr"
	done
	capture_stop "$WORK/in.pcap"
	# The kernel's forwarding, which lowers it, comes behind this hook.
	[[ $tunnel == vxlan6 ]] || expect_equal "[64]" "$(inner_ttls)" "$tunnel: hop counts inside"
	((6 == $(cv_json a tunnel show "$tunnel" | jq '.[0].tx_packets'))) ||
		fail "$tunnel: not 6 packets: $(cv_json a tunnel show "$tunnel")"

	title "$tunnel: what this host sends, and full-size streams of others, arrive too"
	for addr in "$HB4" "$HB6"; do
		expect_status 0 in_ns a ping -n -c 1 -W 1 "$addr"
		start_in hb sink "$program" "$TOOLS/traffic.py" sink 9000
		sink=$STARTED
		wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
		sent=$(in_ns ha timeout 20 "$program" "$TOOLS/traffic.py" send "$addr" 9000 $((8 << 20))) ||
			fail "TCP through $tunnel to $addr does not get through"
		wait "$sink" || fail "sink: $(<"$WORK/sink.log")"
		expect_equal "$sent" "$(tail -n 1 "$WORK/sink.log")" "sha256 and length"
	done
	in_ns ha ip route flush cache
	in_ns ha ip -6 route flush cache
	mtu=$(cv_json a tunnel show "$tunnel" | jq '.[0].mtu')

	title "$tunnel: $mtu bytes pass, one more is answered with the limit, or fragmented"
	expect_status 0 in_ns ha ping -n -c 1 -W 1 -M "do" -s $((mtu - 28)) "$HB4"
	expect_status 1 in_ns ha ping -n -c 1 -W 1 -M "do" -s $((mtu - 27)) "$HB4"
	expect_line "mtu ?[=:] ?$mtu" "$WORK/out"
	in_ns ha ip route flush cache
	expect_status 0 in_ns ha ping -n -c 1 -W 1 -M dont -s 3000 "$HB4"
	expect_status 1 in_ns ha ping -n -c 1 -W 1 -M "do" -s $((mtu - 47)) "$HB6"
	expect_line "mtu ?[=:] ?$mtu" "$WORK/out"

	title "$tunnel: a hop count that runs out is answered"
	expect_status 1 in_ns ha ping -n -c 1 -W 1 -t 1 "$HB4"
	expect_line 'From 10.8.1.1 .*Time to live exceeded' "$WORK/out"
	expect_equal 0 "$(cv_json a tunnel show "$tunnel" | jq '[.[0].drops[]] | add // 0')" "drops"
done

title "with accept_local, an outer source of this host works"
in_ns a sh -c 'echo 1 >/proc/sys/net/ipv4/conf/a0/accept_local'
state gre4 in
capture_start r ra "$WORK/in.pcap" "proto gre and src $A4"
expect_status 0 in_ns ha ping -n -c 3 -i 0.05 -W 1 "$HB4"
expect_status 0 in_ns ha ping -n -c 3 -i 0.05 -W 1 "$HB6"
capture_stop "$WORK/in.pcap"
expect_equal "[64]" "$(inner_ttls)" "hop counts inside"

title "on xmit, behind the forwarding, the hop count is one less"
state gre4 xmit
capture_start r ra "$WORK/in.pcap" "proto gre and src $A4"
expect_status 0 in_ns ha ping -n -c 3 -i 0.05 -W 1 "$HB4"
expect_status 0 in_ns ha ping -n -c 3 -i 0.05 -W 1 "$HB6"
capture_stop "$WORK/in.pcap"
expect_equal "[63]" "$(inner_ttls)" "hop counts inside"

title "two routers that send a packet to each other, on the way in: it dies"
in_ns b sh -c 'echo 1 >/proc/sys/net/ipv4/conf/b0/accept_local'
state gre4 in
ip -n b route del "$A_NET4"
expect_status 0 cv b route add 10.9.66.0/24 tunnel gre4 hook in
before=$(cv_json a tunnel show gre4 | jq '.[0].tx_packets')
expect_status 1 in_ns ha ping -n -c 1 -W 1 10.9.66.1
after=$(cv_json a tunnel show gre4 | jq '.[0].tx_packets')
((after - before > 10 && after - before < 64)) || fail "went round $((after - before)) times"
expect_status 0 cv b route del 10.9.66.0/24
ip -n b route add "$A_NET4" via 198.51.100.254 src "$B_IN4"

for hook in xmit in; do
	title "$hook: without the route nothing gets through, and unreachable keeps it so"
	state gre6 "$hook"
	ip -n a route add unreachable "$B_NET4" metric 4000
	ip -n a -6 route add unreachable "$B_NET6" metric 4000
	expect_status 0 in_ns ha ping -n -c 1 -W 1 "$HB4"
	expect_status 0 in_ns ha ping -n -c 1 -W 1 "$HB6"
	expect_status 0 cv a route del "$B_NET4"
	expect_status 0 cv a route del "$B_NET6"
	expect_status 1 in_ns ha ping -n -c 1 -W 1 "$HB4"
	expect_line 'Destination Host Unreachable' "$WORK/out"
	expect_status 1 in_ns ha ping -n -c 1 -W 1 "$HB6"
	expect_status 0 cv a route add "$B_NET4" tunnel gre6 hook "$hook"
	expect_status 0 in_ns ha ping -n -c 1 -W 1 "$HB4"
	ip -n a route del unreachable "$B_NET4" metric 4000
	ip -n a -6 route del unreachable "$B_NET6" metric 4000
done
