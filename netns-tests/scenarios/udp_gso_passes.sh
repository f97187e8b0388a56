#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What UDP_SEGMENT senders write gets through every tunnel mode, with IPv4 and IPv6 outside and
# inside, from here and from a host behind, also as the aggregate that GRO makes of wire-size
# datagrams: every datagram as it was sent, and nothing outside the tunnel. Where the pair of
# devices that it takes is broken, that is said, nothing leaks, and repair mends it.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
program=$(program_copy program)
A_SID=2001:db8:1::51d B_SID=2001:db8:2::51d
address a a0 "$A_SID/64"
address b b0 "$B_SID/64"
expect_reachable a "$B_SID"

# One tunnel each, with its own overlay addresses 10.8.N.1 and 10.9.N.1; the last of a name is the
# outer family. Tunnel 1 of each family also carries the hosts' networks, 10.8.1.0 and 10.9.1.0.
tunnels=(gre4 key4 ipip4 gue4 fou4 vxlan4 geneve4 gre6 key6 ipip6 gue6 fou6 vxlan6 geneve6 srv6)

# state LOCAL4 LOCAL6 REMOTE4 REMOTE6 HERE THERE DEV SID SEGMENT
state() {
	local n=10 name words
	printf 'devices:\n  %s: {ingress: true, egress: true}\ntunnels:\n' "$7"
	for name in "${tunnels[@]}"; do
		words="mode: ${name%[46]}"
		case $name in
		key?) words='mode: gre, key: 4294967295' ;;
		vxlan? | geneve?) words+=', vni: 4711' ;;
		srv6) words="mode: srv6, sid: \"$8\", segments: [\"$9\"]" ;;
		esac
		case $name in
		*4) words+=", local: $1, remote: $3" ;;
		*6) words+=", local: \"$2\", remote: \"$4\"" ;;
		esac
		printf '  %s: {%s}\n' "$name" "$words"
	done
	printf 'routes:\n'
	for name in "${tunnels[@]}"; do
		n=$((n + 1))
		printf '  - {to: 10.%s.%s.1/32, tunnel: %s, src: 10.%s.%s.1}\n' "$6" $n "$name" "$5" $n
		printf '  - {to: "fd00:%s:%s::1/128", tunnel: %s, src: "fd00:%s:%s::1"}\n' \
			"$6" $n "$name" "$5" $n
	done
	printf '  - {to: 10.%s.1.0/24, tunnel: vxlan4}\n  - {to: "fd00:%s:1::/48", tunnel: gre6}\n' \
		"$6" "$6"
}
n=10
for name in "${tunnels[@]}"; do
	n=$((n + 1))
	address a lo "10.8.$n.1/32" "fd00:8:$n::1/128"
	address b lo "10.9.$n.1/32" "fd00:9:$n::1/128"
done
state "$A4" "$A6" "$B4" "$B6" 8 9 a0 "$A_SID" "$B_SID" | apply_state a
expect_equal "" "$(grep -v udp6zerocsumrx "$WORK/err" || :)" "warnings of apply"
state "$B4" "$B6" "$A4" "$A6" 9 8 b0 "$B_SID" "$A_SID" | apply_state b

# segments FROM TO ADDR DATAGRAMS WORDS...: fails unless every datagram arrives as it was sent.
segments() {
	local sink sent
	start_in "$2" datagrams "$program" "$TOOLS/traffic.py" datagrams 9000 "$4"
	sink=$STARTED
	wait_for 10 grep -qx READY "$WORK/datagrams.log" || fail "sink: $(<"$WORK/datagrams.log")"
	sent=$(in_ns "$1" timeout 60 "$program" "$TOOLS/traffic.py" segments "$3" 9000 "${@:5}") ||
		fail "sending to $3"
	wait "$sink" || fail "sink: $(<"$WORK/datagrams.log")"
	expect_equal "$sent" "$(tail -n 1 "$WORK/datagrams.log")" "sha256 and length at $3"
}

# counted NAME: packets and segments that tunnel NAME has sent.
counted() { cv_json a tunnel show "$1" | jq -r '.[0] | "\(.tx_packets) \(.tx_segments)"'; }

# All tunnels, both inner families.
segments_all() {
	local n=10 name family tunnel before after
	for name in "${tunnels[@]}"; do
		n=$((n + 1))
		title "$1: $name"
		capture_start r ra "$WORK/frames.pcap"
		read -r -a before <<<"$(counted "$name")"
		for addr in "10.9.$n.1" "fd00:9:$n::1"; do
			segments a b "$addr" 100 4 --parts 25
		done
		read -r -a after <<<"$(counted "$name")"
		capture_stop "$WORK/frames.pcap"
		# As many segments as datagrams, and nothing else in the tunnel.
		expect_equal "200 200" "$((after[0] - before[0])) $((after[1] - before[1]))" \
			"packets and segments counted"
		# shellcheck disable=SC2086 # none or one word
		frames_read "$WORK/frames.pcap" --strict $2
		tunnel=${name%[46]}
		[[ $tunnel != key ]] || tunnel=gre
		[[ $tunnel != srv ]] || tunnel=srv6
		expect_equal 0 "$(frames_count "$WORK/frames.pcap" plain)" "plain packets"
		for family in 4 6; do
			expect_equal 100 "$(frames_count "$WORK/frames.pcap" 'encapsulated and
				.tunnel == "'"$tunnel"'" and .outer.family == '"${name: -1}"' and
				.inner.family == '"$family"' and .inner.dport == 9000')" "IPv$family on the wire"
			[[ $tunnel =~ gre|ipip|srv ]] || expect_equal 1 "$(frames_distinct \
				"$WORK/frames.pcap" ".inner.dport == 9000 and .inner.family == $family" \
				.outer.sport)" "outer ports of one IPv$family flow"
		done
		[[ -n $2 ]] || expect_tshark_clean "$WORK/frames.pcap"
	done
}

segments_all "a device that segments" --offload
offloads_off a a0
offloads_off b b0
segments_all "a device that segments nothing" ""

title "as many datagrams as one write may have, and as small"
segments a b 10.9.11.1 128 2 --parts 64 --size 9

# forwarded TITLE LEAST MOST: 200 datagrams from a host behind a to one behind b, of which at least
# and at most so many were segmented here.
forwarded() {
	local before after tunnel addr made
	for tunnel in vxlan4 gre6; do
		addr=$HB4
		[[ $tunnel == vxlan4 ]] || addr=$HB6
		title "forwarded, $1: $tunnel"
		read -r -a before <<<"$(counted "$tunnel")"
		segments ha hb "$addr" 200 5
		read -r -a after <<<"$(counted "$tunnel")"
		expect_equal 200 "$((after[0] - before[0]))" "datagrams in the tunnel"
		made=$((after[1] - before[1]))
		((made >= $2 && made <= $3)) || fail "$made of them segments, expected $2 to $3"
	done
}
forwarded "a packet that the host segments later" 200 200
in_ns ha ethtool -K ha0 tx-udp-segmentation off >/dev/null
forwarded "datagrams as on a wire" 0 0
in_ns a ethtool -K a1 gro on rx-udp-gro-forwarding on >/dev/null
forwarded "an aggregate" 100 200
if in_ns a ethtool -K a1 rx-udp-gro-forwarding off rx-gro-list on >/dev/null; then
	forwarded "an aggregate that is a list" 100 200
fi

title "the pair is shown, and what is broken is said"
problem='large packets of UDP_SEGMENT and SCTP senders'
expect_json '.segment' '{"in": "culvert-seg", "out": "culvert-out"}' "status" \
	<<<"$(cv_json a status)"
prints "$problem" cv a status && fail "a problem without a cause"

# refused WHAT: nothing gets through or out, status says so, repair mends it.
refused() {
	title "$1"
	prints "$problem" cv a status || fail "status does not say it: $(cv a status)"
	capture_start r ra "$WORK/frames.pcap"
	! in_ns a timeout 20 "$program" "$TOOLS/traffic.py" segments 10.9.11.1 9000 1 --timeout 0.3 \
		>"$WORK/out" 2>&1 || fail "the datagrams got through"
	capture_stop "$WORK/frames.pcap"
	frames_read "$WORK/frames.pcap" --strict
	expect_equal 0 "$(frames_count "$WORK/frames.pcap" 'packet.dport == 9000')" "packets sent"
	expect_status 0 cv a repair
	prints "$problem" cv a status && fail "repair has not mended it"
	segments a b 10.9.11.1 40 1
}
in_ns a tc filter del dev culvert-out ingress
refused "without the filter"
in_ns a ip link set culvert-seg down
refused "with one end down"
in_ns a sh -c 'echo 0 >/proc/sys/net/ipv4/conf/culvert-out/forwarding'
counted_before=$(drops a segment_route)
refused "where routes may not be asked for"
expect_equal 40 "$(($(drops a segment_route) - counted_before))" "segments counted as segment_route"
ip -n a link del culvert-seg
refused "without the pair"

title "names that are taken: a warning, the packets are counted, all else works"
expect_status 0 cv a down
in_ns a ip link show culvert-seg >/dev/null 2>&1 && fail "down leaves culvert-seg"
ip -n a link add culvert-out type veth peer name taken
state "$A4" "$A6" "$B4" "$B6" 8 9 a0 "$A_SID" "$B_SID" | apply_state a
expect_line 'warning: .*UDP_SEGMENT and SCTP .*culvert-out.*File exists' "$WORK/err"
refused=$(drops a encap_gso)
! in_ns a timeout 20 "$program" "$TOOLS/traffic.py" segments 10.9.11.1 9000 1 >"$WORK/out" 2>&1 ||
	fail "the datagrams got through"
expect_line 'PermissionError' "$WORK/out"
expect_equal 1 "$(($(drops a encap_gso) - refused))" "packets counted as encap_gso"
expect_status 0 in_ns a ping -n -c 1 -W 2 10.9.11.1
expect_status 0 cv a down
expect_equal "a0 a1 culvert-out lo taken" "$(in_ns a ip -j link show | jq -r '[.[].ifname] | sort | join(" ")')" \
	"devices that are left"
