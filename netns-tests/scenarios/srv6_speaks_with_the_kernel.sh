#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A srv6 tunnel of a, and the kernel's own seg6 routes on b, understand each other: IPv4 and IPv6
# inside, both directions; also through a kernel router that is the first of two segments, which two
# srv6 tunnels of ours then use as well.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
# Where packets arrive to be taken out. The kernel's ends know one family each, ours both.
A_SID=2001:db8:a::1 B_SID=2001:db8:b::1 B_SID4=2001:db8:b::4 B_SID6=2001:db8:b::6
VIA=2001:db8:c::1 # a segment of r

ip -n r route add 2001:db8:a::/48 via "$A6" dev ra
ip -n r route add 2001:db8:b::/48 via "$B6" dev rb
ip -n r route add "$VIA" encap seg6local action End dev ra 2>"$WORK/err" ||
	skip "this kernel has no SRv6: $(<"$WORK/err")"
in_ns b sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/seg6_enabled
	echo 1 >/proc/sys/net/ipv6/conf/b0/seg6_enabled'
netns_forward b

# kernel_end SEGMENTS: b is the kernel's: what it sends visits these segments.
kernel_end() {
	ip -n b sr tunsrc set "$B6"
	ip -n b route replace "$A_NET4" encap seg6 mode encap segs "$1" dev b0 mtu 1400 src "$B_IN4"
	ip -n b route replace "$A_NET6" encap seg6 mode encap segs "$1" dev b0 mtu 1400 src "$B_IN6"
	ip -n b route replace "$B_SID4" encap seg6local action End.DX4 nh4 0.0.0.0 dev b0
	ip -n b route replace "$B_SID6" encap seg6local action End.DT6 table 255 dev b0
}

# our_end BEFORE: two tunnels of a, since the kernel's ends take one family each; what they send
# visits the segments BEFORE first.
our_end() {
	apply_state a <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		tunnels:
		  four: {mode: srv6, local: "$A6", remote: "$B6", sid: "$A_SID", segments: [$1"$B_SID4"]}
		  six:  {mode: srv6, local: "$A6", remote: "$B6", sid: "${A_SID}1", segments: [$1"$B_SID6"]}
		routes:
		  - {to: $B_NET4, tunnel: four, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: six, src: "$A_IN6"}
	YAML
}

# chain_start, expect_chained: fails unless both ends send packets to r that have another segment to go, whose
# headers are right.
chain_start() {
	capture_start r ra "$WORK/from-a.pcap" src host "$A6" and ip6 proto 43
	capture_start r rb "$WORK/from-b.pcap" src host "$B6" and ip6 proto 43
}
expect_chained() {
	local file
	for file in "$WORK/from-a.pcap" "$WORK/from-b.pcap"; do
		capture_stop "$file"
		frames_read "$file" --strict "$@"
		(($(frames_count "$file" 'encapsulated and .tunnel == "srv6"') > 100)) ||
			fail "no traffic in ${file##*/}"
		expect_equal "$VIA 1" "$(frames_values "$file" encapsulated '"\(.outer.dst) \(.outer.segments_left)"')" \
			"segments in ${file##*/}"
	done
}

EXCHANGE_BYTES=$((2 << 20)) # most of it is captured
SIZES=(1 100 1250 1251 1252)
for offload in --offload ""; do
	title "a to the kernel's end and back; frames: ${offload:-of a wire}"
	kernel_end "$A_SID"
	our_end ""
	exchange "${SIZES[@]}"

	title "the same, through a segment of r"
	kernel_end "$VIA,$A_SID"
	our_end "\"$VIA\", "
	chain_start
	exchange "${SIZES[@]}"
	expect_chained ${offload:+"$offload"}
	offloads_off a a0
	offloads_off b b0
done
expect_tshark_clean "$WORK/from-a.pcap"

title "what the kernel encapsulates first and then fragments is refused, with a reason"
! in_ns b /usr/bin/python3 "$TOOLS/traffic.py" udp 1 "$A_IN4" --size 3000 --timeout 0.2 >"$WORK/out" ||
	fail "fragments of outer packets were taken out"
(($(drops a decap_fragment) > 0)) || fail "not counted: $(cv_json a tunnel show)"

title "both ends are ours, with a segment of r between them"
plain_routes_del b
ip -n b route del "$B_SID6"
apply_tunnel a blue "mode: srv6, local: \"$A6\", remote: \"$B6\", sid: \"$A_SID\", segments: [\"$VIA\", \"$B_SID\"]"
apply_tunnel b blue "mode: srv6, local: \"$B6\", remote: \"$A6\", sid: \"$B_SID\", segments: [\"$VIA\", \"$A_SID\"]"
chain_start
exchange "${SIZES[@]}" 1500 3000 65507
expect_chained
