#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `mss` on one end lowers what SYN and SYN-ACK of forwarded connections announce, in both directions
# and both families, with a right checksum, and never raises it.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
plain_routes_del a b
echo_server ha server-a /usr/bin/python3 7000
echo_server hb server-b /usr/bin/python3 7000

# announced FILE: "FLAGS FAMILY MSS" of its SYNs and SYN-ACKs.
announced() {
	frames_values "$1" '(packet.flags // "") | test("S")' \
		'"\(packet.flags) IPv\(packet.family) \(packet.mss)"'
}

# expect_mss WANT4 WANT6 [OPTION]: connections from ha to hb and from hb to ha; a's own end lowers
# all four messages to that, seen behind it: those to hb by r, those to ha by ha.
expect_mss() {
	local want file
	want=$(printf '%s\n' "S IPv4 $1" "S IPv6 $2" "SA IPv4 $1" "SA IPv6 $2")
	capture_start r ra "$WORK/to-hb.pcap" src host "$A4" or src host "$A6"
	capture_start ha ha0 "$WORK/to-ha.pcap" dst host "$HA4" or dst host "$HA6"
	in_ns ha /usr/bin/python3 "$TOOLS/traffic.py" tcp 2 "$HB4,$HB6" || fail "ha does not reach hb"
	in_ns hb /usr/bin/python3 "$TOOLS/traffic.py" tcp 2 "$HA4,$HA6" || fail "hb does not reach ha"
	for file in "$WORK/to-hb.pcap" "$WORK/to-ha.pcap"; do
		capture_stop "$file"
		frames_read "$file" --strict "${@:3}"
		expect_equal "$want" "$(announced "$file")" "${file##*/}"
	done
}

GRE4="mode: gre, local: $A4, remote: $B4"
VXLAN6="mode: vxlan, vni: 5, local: \"$A6\", remote: \"$B6\""
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4"

title "off: what the hosts announce"
apply_tunnel a blue "$GRE4"
expect_mss 1460 1440 --offload
title "auto: 1476 less the headers of IP and TCP"
apply_tunnel a blue "$GRE4, mss: auto"
expect_mss 1436 1416 --offload
transfer ha hb $((1 << 20)) "$HB4" "$HB6"

title "checksums, without offloads"
offloads_off ha ha0
offloads_off hb hb0
offloads_off a a0 a1
offloads_off b b0 b1
expect_mss 1436 1416
title "a number"
apply_tunnel a blue "$GRE4, mss: 1300"
expect_mss 1300 1300
title "vxlan over IPv6: 1430 less the headers"
apply_tunnel b blue "mode: vxlan, vni: 5, local: \"$B6\", remote: \"$A6\""
apply_tunnel a blue "$VXLAN6, mss: auto"
expect_mss 1390 1370

title "a smaller one stays"
for ns in ha hb; do
	gateway=10.8.1.1 gateway6=fd00:8:1::1
	[[ $ns == ha ]] || gateway=10.9.1.1 gateway6=fd00:9:1::1
	ip -n "$ns" route replace default via "$gateway" advmss 1000
	ip -n "$ns" -6 route replace default via "$gateway6" dev "${ns}0" advmss 1010
done
expect_mss 1000 1010
