#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Random bytes arrive as they were sent through every mode, with IPv4 and IPv6 outside and inside,
# local and forwarded. By TCP as GSO packets, as frames of a wire, and put together again by the
# receiver (GRO); by UDP in datagrams of 1 to 65507 bytes, those beyond the MTU in fragments. The
# frames decode without an error, lengths and checksums included.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_framings
mapfile -t on_b < <(framing_addrs 1)
mapfile -t on_hb < <(framing_addrs 2)

# expect_tunnelled BEFORE BYTES: fails unless each tunnel of a has sent so much since sent_bytes.
sent_bytes() { cv_json a tunnel show | jq 'map({key: .name, value: .tx_bytes}) | from_entries'; }
expect_tunnelled() {
	expect_json "with_entries(select(.value - ($1)[.key] < $2))" '{}' \
		"tunnels through which less than $2 bytes went" < <(sent_bytes)
}

# "N MODE OUTER-FAMILY INNER-FAMILY" for every framing, N being the third part of its addresses.
framings() {
	local n=10 name family words
	for name in "${FRAMINGS[@]}"; do
		n=$((n + 1))
		read -r _ words <<<"$(framing_words "$name" | tr -d ,)"
		for family in 4 6; do
			printf '%s\n' "$n ${words%% *} ${name: -1} $family"
		done
	done
}

# captured WHAT [OPTION]: 1 MB through each framing, seen on the wire by r.
captured() {
	local file=$WORK/frames.pcap
	title "captured: $1"
	capture_start r ra "$file"
	transfer a b $((1 << 20)) "${on_b[@]}"
	capture_stop "$file"
	frames_read "$file" --strict "${@:2}"
	expect_equal 0 "$(frames_count "$file" plain)" "plain packets"
	expect_equal "$(framings)" "$(frames_values "$file" encapsulated \
		'"\(.inner.dst | gsub("^[^.:]*[.:][89][.:]|[.:].*"; "")) \(.tunnel) \(.outer.family) \(.inner.family)"')" \
		"framings seen"
}

# One byte to the most that IPv4 can carry. Between 1378 and 1452 the datagrams of one mode or
# another begin to need a fragment more.
SIZES=(1 2 3 4 7 8 9 20 63 64 65 127 255 256 512 576 1000 1200 1232 1280 1378 1379 1398 1399 1402
	1403 1412 1413 1422 1423 1444 1445 1448 1449 1452 1453 1472 1500 2000 2900 4096 8192 9000
	16384 32767 32768 50000 65506 65507)

# datagrams FROM TO-ADDR...: each size to each address and back.
datagrams() {
	local from=$1
	shift
	in_ns "$from" /usr/bin/python3 "$TOOLS/traffic.py" udp $((${#SIZES[@]} * $#)) "$(joined "$@")" \
		--size "$(joined "${SIZES[@]}")" || fail "datagrams from $from"
}
echo_server b server /usr/bin/python3 7000
echo_server hb server-hb /usr/bin/python3 7000

title "64 MB through each, segmentation by the device"
before=$(sent_bytes)
transfer a b $((64 << 20)) "${on_b[@]}"
expect_tunnelled "$before" $((128 << 20))
captured "packets before segmentation" --offload

title "datagrams of ${#SIZES[@]} sizes through each"
datagrams a "${on_b[@]}"

title "8 MB forwarded through each"
before=$(sent_bytes)
transfer ha hb $((8 << 20)) "${on_hb[@]}"
expect_tunnelled "$before" $((16 << 20))

title "8 MB through each, segmentation by the stack"
offloads_off a a0
offloads_off b b0
transfer a b $((8 << 20)) "${on_b[@]}"
captured "frames of a wire"
expect_equal 0 "$(frames_count "$WORK/frames.pcap" '.len > 1514')" "frames too long for the wire"
expect_tshark_clean "$WORK/frames.pcap"

title "datagrams of ${#SIZES[@]} sizes forwarded through each"
# By TCP, ha has found out the MTU of the paths. hb learns it from echoes that are lost.
in_ns ha /usr/bin/python3 "$TOOLS/traffic.py" udp "${#on_hb[@]}" "$(joined "${on_hb[@]}")" \
	--size 1472 --timeout 0.05 --give-up "${#on_hb[@]}" >"$WORK/out" || :
datagrams ha "${on_hb[@]}"

title "8 MB through each, put together again by the receiver; the same forwarded"
offloads_off r rb # the kernel lets a veth do GRO only behind one without segmentation
in_ns b ethtool -K b0 gro on
received() { cv_json b tunnel show gre-4 | jq '.[0] | [.rx_packets, .rx_bytes] | @tsv' -r; }
read -r packets bytes < <(received)
transfer a b $((8 << 20)) "${on_b[@]}"
read -r packets_then bytes_then < <(received)
(((bytes_then - bytes) / (packets_then - packets) > 3000)) || fail "nothing was put together by GRO"
transfer ha hb $((8 << 20)) "${on_hb[@]}"
