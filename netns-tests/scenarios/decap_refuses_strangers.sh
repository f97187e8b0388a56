#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a tunnel does not expect is not taken out of it: another sender, another key, fragments,
# GRE flags, a foreign inner source, a cut-off inner packet. Each is counted under its reason. A
# right packet is taken out, also if its outer header has IP options.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
apply_state a <<YAML
devices:
  a0: {ingress: true, egress: true}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4, key: 42, allow: [$B_NET4, "$B_NET6"]}
  six:  {mode: ipip, local: "$A6", remote: "$B6", allow: [$B_NET4, "$B_NET6"]}
YAML
# Counts whatever arrives inside: datagrams from the overlay to port 7000.
in_ns a nft -f - <<'NFT'
table inet arrivals {
	counter inner { }
	chain input {
		type filter hook prerouting priority -300;
		udp dport 7000 counter name inner
	}
}
NFT
arrived() { in_ns a nft -j list counter inet arrivals inner | jq '[.nftables[].counter.packets // empty][0]'; }
taken_out() { cv_json a tunnel show | jq 'map(.rx_packets) | add'; }

# inject COUNT EXPRESSION: sends the scapy packet COUNT times from r to a, as frames.
MAC=$(ip -n a -j link show a0 | jq -r '.[0].address')
inject() {
	in_ns r /usr/bin/python3 - "$1" "$MAC" "$2" <<-PYTHON
		import sys, logging
		logging.getLogger("scapy").setLevel(logging.ERROR)
		from scapy.all import *
		A4, B4, A6, B6 = "$A4", "$B4", "$A6", "$B6"
		inner4 = IP(src="$B_IN4", dst="$A_IN4") / UDP(sport=6000, dport=7000) / b"inner"
		inner6 = IPv6(src="$B_IN6", dst="$A_IN6") / UDP(sport=6000, dport=7000) / b"inner"
		def gre(src=B4, dst=A4, inner=inner4, proto=0x0800, options=[], flags=0, frag=0, **header):
		    outer = IP(src=src, dst=dst, options=options, flags=flags, frag=frag, proto=47)
		    return outer / GRE(proto=proto, **header) / inner
		packet = Ether(dst=sys.argv[2]) / eval("(" + sys.argv[3] + ")")
		sendp([packet] * int(sys.argv[1]), iface="ra", verbose=False)
	PYTHON
}

# refused REASON COUNT PACKET WHAT: fails unless they are counted there, and none comes through.
refused() {
	local before_drops before_arrived before_taken
	title "$4"
	before_drops=$(drops a "$1") before_arrived=$(arrived) before_taken=$(taken_out)
	inject "$2" "$3"
	wait_for 5 counted "$1" $((before_drops + $2)) ||
		fail "$4: $1 is $(drops a "$1"), was $before_drops, $2 were sent; $(cv_json a tunnel show)"
	expect_equal "$before_arrived" "$(arrived)" "$4: inner packets that arrived"
	expect_equal "$before_taken" "$(taken_out)" "$4: rx_packets"
}
counted() { [[ $(drops a "$1") == "$2" ]]; }

# accepted COUNT PACKET WHAT: fails unless they come out of the tunnel.
accepted() {
	local before_arrived before_taken
	title "$3"
	before_arrived=$(arrived) before_taken=$(taken_out)
	inject "$1" "$2"
	wait_for 5 came_out $((before_arrived + $1)) ||
		fail "$3: $(arrived) arrived, was $before_arrived; $(cv_json a tunnel show)"
	expect_equal $((before_taken + $1)) "$(taken_out)" "$3: rx_packets"
}
came_out() { [[ $(arrived) == "$1" ]]; }

accepted 3 'gre(key_present=1, key=42)' "the peer, the key: taken out"
accepted 3 'gre(key_present=1, key=42, inner=inner6, proto=0x86dd)' "IPv6 inside: taken out"
accepted 3 'IPv6(src=B6, dst=A6, nh=4) / inner4' "ipip over IPv6: taken out"
accepted 3 'gre(key_present=1, key=42, options=[IPOption(b"\x01\x01\x01\x00")])' \
	"outer IP options: taken out as a whole"

refused decap_peer 4 'gre(src="203.0.113.9", key_present=1, key=42)' "another sender"
refused decap_peer 2 'IPv6(src="2001:db8:9::9", dst=A6, nh=41) / inner6' "another sender, IPv6"
refused decap_key 5 'gre(key_present=1, key=43)' "another key"
refused decap_key 6 'gre()' "no key"
refused decap_fragment 7 'gre(key_present=1, key=42, flags="MF")' "first fragment"
refused decap_fragment 3 'gre(key_present=1, key=42, frag=64)' "later fragment"
refused decap_gre_flags 4 'gre(key_present=1, key=42, seqnum_present=1, seqence_number=1)' \
	"GRE sequence number"
refused decap_gre_flags 3 'gre(key_present=1, key=42, chksum_present=1)' "GRE checksum"
refused decap_gre_flags 2 'gre(key_present=1, key=42, version=1)' "GRE version 1"
refused decap_header 3 'gre(key_present=1, key=42, proto=0x6558)' "Ethernet in GRE"
refused decap_header 2 'IP(src=B4, dst=A4, proto=47) / b"\x20\x00\x08"' "GRE header cut off"
refused decap_source 5 'gre(key_present=1, key=42, inner=IP(src="10.99.0.1", dst="'"$A_IN4"'") /
	UDP(dport=7000))' "an inner source outside the allow list"
refused decap_source 2 'IPv6(src=B6, dst=A6, nh=41) / IPv6(src="fd00:99::1", dst="'"$A_IN6"'") /
	UDP(dport=7000)' "an inner source outside the allow list, IPv6"
refused decap_inner 4 'gre(key_present=1, key=42, inner=b"")' "nothing inside"
refused decap_inner 3 'gre(key_present=1, key=42, inner=bytes(inner4)[:24])' "inner packet cut off"
refused decap_inner 2 'gre(key_present=1, key=42, inner=inner6)' "IPv6 inside, GRE says IPv4"

title "the peer still comes through"
accepted 2 'gre(key_present=1, key=42)' "the peer, the key: taken out"
