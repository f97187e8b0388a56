#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# 64 MB of random bytes by TCP arrive as they were sent through gre, gre with key and ipip, each
# with IPv4 and IPv6 outside and inside, as GSO packets and as frames of a wire; and those frames
# decode without an error, lengths and checksums included.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

BYTES=$((64 << 20))
CAPTURED_BYTES=$((2 << 20))

topology_sites
program=$(program_copy program)

# One tunnel each, with its own pair of overlay addresses: 10.8.N.1 and 10.9.N.1.
tunnels=(gre4 key4 ipip4 gre6 key6 ipip6)

# state LOCAL4 LOCAL6 REMOTE4 REMOTE6 HERE THERE DEV: HERE and THERE are 8 and 9, or 9 and 8.
state() {
	local n=10 name outer
	printf 'devices:\n  %s: {ingress: true, egress: true}\ntunnels:\n' "$7"
	for name in "${tunnels[@]}"; do
		case $name in
		*4) outer="local: $1, remote: $3" ;;
		*6) outer="local: \"$2\", remote: \"$4\"" ;;
		esac
		case $name in
		gre?) printf '  %s: {mode: gre, %s}\n' "$name" "$outer" ;;
		key?) printf '  %s: {mode: gre, %s, key: 4294967295}\n' "$name" "$outer" ;;
		ipip?) printf '  %s: {mode: ipip, %s}\n' "$name" "$outer" ;;
		esac
	done
	printf 'routes:\n'
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

# transfer ADDR BYTES SEED: fails unless what arrives is what was sent.
transfer() {
	local sink sent
	start_in b sink "$program" "$TOOLS/traffic.py" sink 9000
	sink=$STARTED
	wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
	sent=$(in_ns a timeout 60 "$program" "$TOOLS/traffic.py" send "$1" 9000 "$2" --seed "$3") ||
		fail "sending $2 bytes to $1"
	wait "$sink" || fail "sink: $(<"$WORK/sink.log")"
	expect_equal "$sent" "$(tail -n 1 "$WORK/sink.log")" "sha256 and length at $1"
}

# All tunnels, both inner families.
transfer_all() {
	local n=10 name family addr tunnel before after
	for name in "${tunnels[@]}"; do
		n=$((n + 1))
		for family in 4 6; do
			addr=10.9.$n.1
			[[ $family == 4 ]] || addr=fd00:9:$n::1
			title "$1: $name, IPv$family inside"
			before=$(cv_json a tunnel show "$name" | jq '.[0].tx_bytes')
			transfer "$addr" "$BYTES" "$n"
			after=$(cv_json a tunnel show "$name" | jq '.[0].tx_bytes')
			((after - before >= BYTES)) || fail "only $((after - before)) bytes in $name"

			capture_start r ra "$WORK/frames.pcap"
			transfer "$addr" "$CAPTURED_BYTES" "$((n + 100))"
			capture_stop "$WORK/frames.pcap"
			# shellcheck disable=SC2086 # none or one word
			frames_read "$WORK/frames.pcap" --strict $2
			tunnel=gre
			[[ $name != ipip* ]] || tunnel=ipip
			expect_equal 0 "$(frames_count "$WORK/frames.pcap" plain)" "plain packets"
			expect_equal 0 "$(frames_count "$WORK/frames.pcap" \
				"encapsulated and (.tunnel != \"$tunnel\" or .inner.family != $family or
				.outer.family != ${name: -1})")" "packets in another framing"
			if [[ -z $2 ]]; then
				expect_equal 0 "$(frames_count "$WORK/frames.pcap" '.len > 1514')" \
					"frames too long for the wire"
				expect_tshark_clean "$WORK/frames.pcap"
			fi
		done
	done
}

transfer_all "segmentation by the device" --offload
offloads_off a a0
offloads_off b b0
transfer_all "segmentation by the stack" ""
