#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What an SCTP sender hands down in large packets gets through tunnels of three kinds, with IPv4 and
# IPv6 inside, byte for byte and with right checksums.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

BYTES=$((1 << 20))

program=$(program_copy program)
"$program" -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)' \
	2>/dev/null || skip "this kernel has no SCTP"
topology_sites

# One tunnel each, with its own overlay addresses.
tunnels=(gre4 vxlan4 ipip6)

# state LOCAL4 LOCAL6 REMOTE4 REMOTE6 HERE THERE DEV
state() {
	local n=10 name
	printf 'devices:\n  %s: {ingress: true, egress: true}\ntunnels:\n' "$7"
	printf '  gre4: {mode: gre, local: %s, remote: %s}\n' "$1" "$3"
	printf '  vxlan4: {mode: vxlan, vni: 1, local: %s, remote: %s}\n' "$1" "$3"
	printf '  ipip6: {mode: ipip, local: "%s", remote: "%s"}\nroutes:\n' "$2" "$4"
	for name in "${tunnels[@]}"; do
		n=$((n + 1))
		printf '  - {to: 10.%s.%s.1/32, tunnel: %s, src: 10.%s.%s.1}\n' "$6" $n "$name" "$5" $n
		printf '  - {to: "fd00:%s:%s::1/128", tunnel: %s, src: "fd00:%s:%s::1"}\n' \
			"$6" $n "$name" "$5" $n
	done
}
n=10
for name in "${tunnels[@]}"; do
	n=$((n + 1))
	address a lo "10.8.$n.1/32" "fd00:8:$n::1/128"
	address b lo "10.9.$n.1/32" "fd00:9:$n::1/128"
done
state "$A4" "$A6" "$B4" "$B6" 8 9 a0 | apply_state a
state "$B4" "$B6" "$A4" "$A6" 9 8 b0 | apply_state b
offloads_off a a0
offloads_off b b0

n=10
for name in "${tunnels[@]}"; do
	n=$((n + 1))
	for addr in 10.9.$n.1 fd00:9:$n::1; do
		title "$name to $addr"
		start_in b sink "$program" "$TOOLS/traffic.py" sink 9000 --sctp
		sink=$STARTED
		wait_for 100 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
		before=$(cv_json a tunnel show "$name" | jq '.[0].tx_segments')
		capture_start r ra "$WORK/frames.pcap"
		sent=$(in_ns a timeout 100 "$program" "$TOOLS/traffic.py" send "$addr" 9000 "$BYTES" --sctp) ||
			fail "sending to $addr"
		wait "$sink" || fail "sink: $(<"$WORK/sink.log")"
		capture_stop "$WORK/frames.pcap"
		expect_equal "$sent" "$(tail -n 1 "$WORK/sink.log")" "sha256 and length at $addr"
		after=$(cv_json a tunnel show "$name" | jq '.[0].tx_segments')
		((after - before > BYTES / 2 / 1500)) || fail "only $((after - before)) segments"
		expect_tshark_clean "$WORK/frames.pcap"
		expect_equal 1 "$(tshark -n -r "$WORK/frames.pcap" -d udp.port==4789,vxlan \
			-o 'sctp.checksum:CRC 32c' -T fields -e sctp.checksum.status 2>/dev/null |
			sort -u | tr -d '\n')" "states of the SCTP checksums"
	done
done
