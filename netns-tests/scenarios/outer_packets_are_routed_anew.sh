#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An encapsulated packet goes where the outer header is routed, not where the route into the tunnel
# points: over another device, into the other family, by an ip rule for its mark, to another router
# when the routing changes. Where that leads nowhere nothing gets out in the clear and nothing
# breaks, and it works again as soon as there is a way.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
# A second cable between a and r, and a device of a that leads nowhere.
veth_pair a a2 r ra2
address a a2 203.0.113.1/24 2001:db8:3::1/64
address r ra2 203.0.113.254/24 2001:db8:3::ff/64
ip -n a link add name stub type veth peer name stub-peer
ip -n a link set stub up
ip -n a link set stub-peer up
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"
# Anything of the overlay that comes from a in the clear.
in_ns r nft -f - <<-NFT
	table inet clear {
		counter leaked { }
		chain in {
			type filter hook prerouting priority -300;
			iifname { "ra", "ra2" } ip daddr $B_NET4 counter name leaked
			iifname { "ra", "ra2" } ip6 daddr $B_NET6 counter name leaked
		}
	}
NFT
leaked() { in_ns r nft -j list counter inet clear leaked | jq '[.nftables[].counter.packets // empty][0]'; }

apply_state b <<YAML
devices: {b0: {ingress: true}}
tunnels:
  four: {mode: gre, local: $B4, remote: $A4, key: 4}
  six:  {mode: gre, local: "$B6", remote: "$A6", key: 6}
YAML

# state TUNNEL DEV: both families go through it; the route points at DEV.
state() {
	apply_state a <<-YAML
	devices: {a0: {ingress: true}}
	tunnels:
	  four: {mode: gre, local: $A4, remote: $B4, key: 4}
	  six:  {mode: gre, local: "$A6", remote: "$B6", key: 6}
	routes:
	  - {to: $B_NET4, tunnel: $1, dev: $2, src: $A_IN4}
	  - {to: "$B_NET6", tunnel: $1, dev: $2, src: "$A_IN6"}
	YAML
}

# arrives DEV FILTER: pings arrive, and the outer packets left by DEV.
arrives() {
	local addr
	capture_start a "$1" "$WORK/outer.pcap" "$2"
	for addr in "$B_IN4" "$B_IN6"; do
		expect_status 0 in_ns a ping -n -c 2 -i 0.05 -W 1 "$addr"
	done
	capture_stop "$WORK/outer.pcap"
	frames_read "$WORK/outer.pcap"
	expect_equal 4 "$(frames_count "$WORK/outer.pcap" encapsulated)" "packets in the tunnel on $1"
}
fails() {
	local addr
	for addr in "$B_IN4" "$B_IN6"; do
		expect_status '1|2' in_ns a ping -n -c 2 -i 0.05 -W 0.4 "$addr"
	done
}

for tunnel in four six; do
	outer="src $A4 or src $A6"
	for dev in a0 stub; do
		title "tunnel $tunnel, the route points at $dev: out by a0"
		state "$tunnel" "$dev"
		arrives a0 "$outer"
	done

	title "tunnel $tunnel: the way to the remote moves to a2"
	ip -n a route add "$B4/32" via 203.0.113.254
	ip -n a -6 route add "$B6/128" via 2001:db8:3::ff dev a2
	arrives a2 "$outer"

	title "tunnel $tunnel: it is unreachable"
	ip -n a route replace unreachable "$B4/32"
	ip -n a -6 route del "$B6/128"
	ip -n a -6 route add unreachable "$B6/128"
	fails
	ip -n a route del unreachable "$B4/32"
	ip -n a -6 route del unreachable "$B6/128"
	arrives a0 "$outer"

	title "tunnel $tunnel: an ip rule for the mark of what is encapsulated"
	ip -n a route add default via 203.0.113.254 table 99
	ip -n a -6 route add default via 2001:db8:3::ff dev a2 table 99
	in_ns a ip rule add pref 50 fwmark 0x7f000000/0x7f000000 table 99
	in_ns a ip -6 rule add pref 50 fwmark 0x7f000000/0x7f000000 table 99
	arrives a2 "$outer"
	in_ns a ip rule del pref 50
	in_ns a ip -6 rule del pref 50
	ip -n a route flush table 99
	ip -n a -6 route flush table 99
done

title "the device of the way out goes down and comes back"
state four stub
ip -n a link set a0 down
fails
ip -n a link set a0 up
address a a0 "$A6/64"
ip -n a route replace default via 192.0.2.254
ip -n a -6 route replace default via 2001:db8:1::ff dev a0
arrives a0 "src $A4"

title "no packet of the overlay left in the clear"
expect_equal 0 "$(leaked)" "packets"
expect_equal 0 "$(cv_json a tunnel show | jq '[.[].drops | .encap_failed // 0, .loop // 0] | add')" "drops"
