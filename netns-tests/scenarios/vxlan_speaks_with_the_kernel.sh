#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A vxlan tunnel of a, and the kernel's own vxlan device on b, understand each other: both families
# outside and inside, both directions, with segmentation by the device and by the stack.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
SIZES=(1 100 1372 1373 1402 1403 1472 3000 65506 65507)
ip -n b link add vx0 type vxlan id 1 dstport 4789 remote "$A4" 2>"$WORK/err" ||
	skip "this kernel has no vxlan device: $(<"$WORK/err")"
ip -n b link del vx0

# device LOCAL REMOTE MTU [WORDS]: the kernel's device, which carries both families; its MAC is in
# $MAC. It asks nobody for MAC addresses: a has no device that would answer.
device() {
	ip -n b link add vx0 mtu "$3" type vxlan id 77 dstport 4789 local "$1" remote "$2" "${@:4}"
	ip -n b link set vx0 arp off up
	ip -n b route add "$A_NET4" dev vx0 src "$B_IN4"
	ip -n b route add "$A_NET6" dev vx0 src "$B_IN6"
	MAC=$(ip -n b -j link show vx0 | jq -r '.[0].address')
}

for wire in no yes; do
	title "IPv4 outside; segmentation by the stack: $wire"
	device "$B4" "$A4" 1450
	apply_tunnel a blue "mode: vxlan, vni: 77, local: $A4, remote: $B4, inner-dmac: \"$MAC\""
	exchange "${SIZES[@]}"
	ip -n b link del vx0

	title "IPv6 outside; segmentation by the stack: $wire"
	device "$B6" "$A6" 1430 udp6zerocsumrx
	apply_tunnel a blue "mode: vxlan, vni: 77, local: \"$A6\", remote: \"$B6\", inner-dmac: \"$MAC\""
	exchange "${SIZES[@]}"
	ip -n b link del vx0

	offloads_off a a0
	offloads_off b b0
done

title "the device sends a checksum over IPv4 and none over IPv6"
device "$B4" "$A4" 1450 udpcsum
apply_tunnel a blue "mode: vxlan, vni: 77, local: $A4, remote: $B4, inner-dmac: \"$MAC\""
exchange "${SIZES[@]}"
ip -n b link del vx0
device "$B6" "$A6" 1430 udp6zerocsumrx udp6zerocsumtx
apply_tunnel a blue "mode: vxlan, vni: 77, local: \"$A6\", remote: \"$B6\", inner-dmac: \"$MAC\""
exchange "${SIZES[@]}"
