#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a tunnel does not expect is not taken out of it: another sender, another key, VNI or port,
# fragments, unknown flags, critical options, segments left, a foreign inner source, a cut-off inner
# packet. Each is counted under its reason, and goes on or is dropped as the reason says. A right
# packet is taken out, also if its outer header has options.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
SID=2001:db8:1::5
ALLOW="allow: [$B_NET4, \"$B_NET6\"]"
apply_state a <<YAML
devices:
  a0: {ingress: true, egress: true}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4, key: 42, $ALLOW}
  six:  {mode: ipip, local: "$A6", remote: "$B6", $ALLOW}
  gue:  {mode: gue, local: $A4, remote: $B4, $ALLOW}
  fou:  {mode: fou, local: $A4, remote: $B4, $ALLOW}
  vx:   {mode: vxlan, local: $A4, remote: $B4, vni: 100, $ALLOW}
  vx6:  {mode: vxlan, local: "$A6", remote: "$B6", vni: 100, $ALLOW}
  gen:  {mode: geneve, local: $A4, remote: $B4, vni: 200, $ALLOW}
  seg:  {mode: srv6, local: "$A6", remote: "$B6", sid: "$SID", $ALLOW}
YAML
# Counts what arrives inside, datagrams to port 7000, and what arrives outside: it went on.
in_ns a nft -f - <<NFT
table inet arrivals {
	counter inner { }
	counter outer { }
	chain input {
		type filter hook prerouting priority -300;
		udp dport 7000 counter name inner
		ip daddr $A4 counter name outer
		ip6 daddr { $A6, $SID } meta l4proto != icmpv6 counter name outer
	}
}
NFT
inject_start r ra a a0
counter() { in_ns a nft -j list counter inet arrivals "$1" | jq '[.nftables[].counter.packets // empty][0]'; }
taken_out() { cv_json a tunnel show | jq 'map(.rx_packets) | add'; }

# refused REASON COUNT PACKET WHAT: fails unless they are counted there, none comes through, and
# the outer packets go on or do not.
refused() {
	local before_drops before_inner before_outer before_taken gone_on=$2
	title "$4"
	case $1 in
	decap_inner | decap_source | decap_ecn) gone_on=0 ;;
	esac
	before_drops=$(drops a "$1") before_taken=$(taken_out)
	before_inner=$(counter inner) before_outer=$(counter outer)
	inject "$2" "$3"
	wait_for 5 counted "$1" $((before_drops + $2)) ||
		fail "$4: $1 is $(drops a "$1"), was $before_drops, $2 were sent; $(cv_json a tunnel show)"
	expect_equal "$before_inner" "$(counter inner)" "$4: inner packets that arrived"
	expect_equal $((before_outer + gone_on)) "$(counter outer)" "$4: outer packets that went on"
	expect_equal "$before_taken" "$(taken_out)" "$4: rx_packets"
}
counted() { [[ $(drops a "$1") == "$2" ]]; }

# accepted COUNT PACKET WHAT: fails unless they come out of the tunnel.
accepted() {
	local before_inner before_outer before_taken
	title "$3"
	before_inner=$(counter inner) before_outer=$(counter outer) before_taken=$(taken_out)
	inject "$1" "$2"
	wait_for 5 came_out $((before_inner + $1)) ||
		fail "$3: $(counter inner) arrived, was $before_inner; $(cv_json a tunnel show)"
	expect_equal $((before_taken + $1)) "$(taken_out)" "$3: rx_packets"
	expect_equal "$before_outer" "$(counter outer)" "$3: outer packets that went on"
}
came_out() { [[ $(counter inner) == "$1" ]]; }

accepted 3 'gre(key_present=1, key=42)' "the peer, the key: taken out"
accepted 3 'gre(key_present=1, key=42, inner=inner6, proto=0x86dd)' "IPv6 inside: taken out"
accepted 3 'IPv6(src=B6, dst=A6, nh=4) / inner4' "ipip over IPv6: taken out"
accepted 3 'gre(key_present=1, key=42, options=[IPOption(b"\x01\x01\x01\x00")])' \
	"outer IP options: taken out as a whole"
accepted 3 'IPv6(src=B6, dst=A6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"1234")], nh=41) / inner6' \
	"outer destination options: taken out as a whole"
accepted 2 'gue()' "gue: taken out"
accepted 2 'gue(inner6, proto=41)' "gue, IPv6 inside: taken out"
accepted 2 'in_udp(6080, inner6)' "gue variant 1: taken out, whichever variant is sent"
accepted 2 'in_udp(5555, inner4)' "fou: taken out"
accepted 2 'vxlan(100)' "vxlan: taken out"
accepted 2 'vxlan(100, frame(inner6), src=B6)' "vxlan over IPv6, no checksum: taken out"
accepted 2 'geneve(200)' "geneve: taken out"
accepted 2 'geneve(200, options=b"\x01\x02\x03\x01abcd")' "geneve, an option that is not critical: taken out"
accepted 2 "srv6('$SID')" "srv6, the last segment: taken out"
accepted 2 "IPv6(src=B6, dst='$SID', nh=41) / inner6" "srv6 without a routing header: taken out"

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
refused decap_source 5 'gre(key_present=1, key=42, inner=stranger4)' \
	"an inner source outside the allow list"
refused decap_source 2 'IPv6(src=B6, dst=A6, nh=41) / stranger6' \
	"an inner source outside the allow list, IPv6"
refused decap_inner 4 'gre(key_present=1, key=42, inner=b"")' "nothing inside"
refused decap_inner 3 'gre(key_present=1, key=42, inner=bytes(inner4)[:24])' "inner packet cut off"
refused decap_inner 2 'gre(key_present=1, key=42, inner=inner6)' "IPv6 inside, GRE says IPv4"

refused decap_peer 2 'gue(src="203.0.113.9")' "gue: another sender"
refused decap_gue 2 'gue(first=0x20)' "gue: control message"
refused decap_gue 2 'gue(first=0x01, inner=b"\0\0\0\0" + bytes(inner4))' "gue: optional fields"
refused decap_gue 2 'gue(first=0x80)' "gue: variant 2"
refused decap_gue 2 'gue(flags=1)' "gue: flags"
refused decap_header 2 'gue(proto=17)' "gue: neither IPv4 nor IPv6"
refused decap_header 2 'in_udp(6080, b"\0\x04")' "gue: header cut off"
refused decap_source 2 'gue(stranger4)' "gue: an inner source outside the allow list"

refused decap_peer 2 'in_udp(5555, inner4, src="203.0.113.9")' "fou: another sender"
refused decap_header 2 'in_udp(5555, b"\x50" + bytes(inner4)[1:])' "fou: IP version 5"
refused decap_header 2 'in_udp(5555, b"")' "fou: nothing inside"
refused decap_header 2 'in_udp(5555, inner4, length=200)' "fou: UDP length beyond the packet"
refused decap_header 2 'in_udp(5555, inner4, length=7)' "fou: UDP length below its header"

refused decap_peer 2 'vxlan(100, src="203.0.113.9")' "vxlan: another sender"
refused decap_key 2 'vxlan(101)' "vxlan: another VNI"
refused decap_key 2 'vxlan(101, src=B6)' "vxlan over IPv6: another VNI"
refused decap_vxlan 2 'vxlan(100, flags=0)' "vxlan without a VNI"
refused decap_vxlan 2 'vxlan(100, flags=0x0c)' "vxlan: unknown flags"
refused decap_header 2 'in_udp(4789, b"\x08\0\0\0")' "vxlan: header cut off"
refused decap_inner 2 'vxlan(100, frame(ARP()))' "vxlan: ARP inside"
refused decap_source 2 'vxlan(100, frame(stranger4))' "vxlan: an inner source outside the allow list"

refused decap_peer 2 'geneve(200, src="203.0.113.9")' "geneve: another sender"
refused decap_key 2 'geneve(201)' "geneve: another VNI"
refused decap_geneve 2 'geneve(200, flags=0x40, options=b"\x01\x02\x83\x01abcd")' \
	"geneve: critical option"
refused decap_geneve 2 'geneve(200, flags=0x80)' "geneve: control message"
refused decap_geneve 2 'geneve(200, first=0x40)' "geneve: version 1"
refused decap_header 2 'in_udp(6081, b"\0\0\x65\x58")' "geneve: header cut off"
refused decap_inner 2 'geneve(200, frame(ARP()))' "geneve: ARP inside"
refused decap_source 2 'geneve(200, frame(stranger6))' "geneve: an inner source outside the allow list"

refused decap_peer 2 "srv6('$SID', src='2001:db8:9::9')" "srv6: another sender"
refused decap_routing 2 "srv6('$SID', segments_left=1)" "srv6: a segment left"
refused decap_source 2 "srv6('$SID', inner=stranger4)" "srv6: an inner source outside the allow list"
refused decap_inner 2 "srv6('$SID', inner=inner6)" "srv6: IPv6 inside, the header says IPv4"

went_on() { [[ $(counter outer) == "$1" ]]; }
title "another UDP port is nobody's"
before=$(cv_json a tunnel show) outer=$(counter outer)
inject 3 'vxlan(100, port=4790)'
wait_for 5 went_on $((outer + 3)) || fail "$(counter outer) packets went on, $outer before"
expect_equal "$before" "$(cv_json a tunnel show)" "tunnel show"

title "the peer still comes through"
accepted 2 'gre(key_present=1, key=42)' "the peer, the key: taken out"
