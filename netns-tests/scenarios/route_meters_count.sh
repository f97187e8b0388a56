#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A route's meter (hook out) counts exactly what a capture sees, packets, bytes and lengths, on a
# route into a tunnel and on an ordinary one, for forwarded packets and for this host's own; its
# guard drops; hook in counts what was received only.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
offloads_off ha ha0
offloads_off a a0 a1
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"
apply_state b <<YAML
devices: {b0: {ingress: true, egress: true}}
tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML

MAC=$(ip -n a -j link show a0 | jq -r '.[0].address')

# state WORDS4 WORDS6: the routes of a.
state() {
	apply_state a <<-YAML
	devices: {a0: {ingress: true, egress: true}}
	tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}
	routes:
	  - {to: $B_NET4, $1}
	  - {to: "$B_NET6", $2}
	YAML
}

# traffic NS: packets of many lengths, both families; answers come back another way.
traffic() {
	local size addr
	for addr in "$HB4" "$HB6"; do
		for size in 8 36 99 100 400 996 1300; do
			in_ns "$1" ping -n -q -c 3 -i 0.02 -W 1 -s "$size" "$addr" >"$WORK/out" ||
				fail "$size bytes from $1 to $addr: $(<"$WORK/out")"
		done
	done
}

# The buckets that are not empty, as the meter and as the captured lengths have them.
metered() {
	cv_json a route show "$1" | jq -c '.[0] |
		[.packets, .bytes, [.lengths[] | select(.packets > 0) | [.min, .packets]]]'
}
captured() {
	jq -c --arg net "$1" '[.[] | (.inner // .outer) as $p |
			select($p.dst | startswith($net)) | $p.bytes] |
		[length, add // 0, (map(if . < 64 then 0 else (. | log2 | floor | exp2) end) | group_by(.) |
			map([.[0], length]))]' "$WORK/wire.pcap.json"
}

# lengths FILE: adds the length of each IP packet, as it was before it was put into the tunnel.
lengths() {
	jq '[.[] | .inner as $inner | if $inner then .inner.bytes = .len - 14 - 24
		else .outer.bytes = .len - 14 end]' "$WORK/wire.pcap.json" >"$WORK/lengths.json"
	mv "$WORK/lengths.json" "$WORK/wire.pcap.json"
}

# compare NS WHAT: traffic from NS; meter and capture agree.
compare() {
	local net
	title "$2"
	capture_start a a0 "$WORK/wire.pcap" "ether src $MAC"
	traffic "$1"
	capture_stop "$WORK/wire.pcap"
	frames_read "$WORK/wire.pcap"
	lengths
	expect_equal "$(captured 10.9.)" "$(metered "$B_NET4")" "$2: IPv4 packets, bytes, lengths"
	expect_equal "$(captured fd00:9)" "$(metered "$B_NET6")" "$2: IPv6 packets, bytes, lengths"
	for net in "$B_NET4" "$B_NET6"; do
		expect_equal 21 "$(cv_json a route show "$net" | jq '.[0].packets')" "packets to $net"
	done
}

state "tunnel: blue, src: $A_IN4, hook: [xmit, out]" "tunnel: blue, src: \"$A_IN6\", hook: [xmit, out]"
compare ha "a route into a tunnel, forwarded"
state "tunnel: blue, src: $A_IN4, hook: [xmit, out], metric: 5" \
	"tunnel: blue, src: \"$A_IN6\", hook: [xmit, out], metric: 5"
compare a "a route into a tunnel, this host's own"
state "hook: out, via: 192.0.2.254" "hook: out, via: \"2001:db8:1::ff\", dev: a0"
compare ha "an ordinary route, forwarded"
state "hook: out, via: 192.0.2.254, src: $A_IN4, metric: 7" \
	"hook: out, via: \"2001:db8:1::ff\", dev: a0, src: \"$A_IN6\", metric: 7"
compare a "an ordinary route, this host's own"
before=$(metered "$B_NET4")
expect_status 0 cv a apply "$WORK/a.yaml"
expect_equal "$before" "$(metered "$B_NET4")" "the meter after the same state was applied again"

title "-s says it in words"
expect_status 0 cv a -s route show "$B_NET4"
expect_line "^$B_NET4: 21 packets, [0-9]+ bytes; 0 dropped$" "$WORK/out"
expect_line '^  64-127 bytes: [0-9]+$' "$WORK/out"

title "on the way out, a guard drops by source"
state "tunnel: blue, src: $A_IN4, hook: [xmit, out], from: 10.8.1.0/24" \
	"tunnel: blue, src: \"$A_IN6\", hook: [xmit, out], from: \"fd00:8:1::/48\", policy: drop"
in_ns ha ping -n -q -c 2 -i 0.02 -W 1 "$HB4" >"$WORK/out" || fail "$(<"$WORK/out")"
! in_ns a ping -n -q -c 2 -i 0.02 -W 0.4 "$HB4" >"$WORK/out" || fail "not dropped"
! in_ns ha ping -n -q -c 2 -i 0.02 -W 0.4 "$HB6" >"$WORK/out" || fail "not dropped, IPv6"
in_ns a ping -n -q -c 2 -i 0.02 -W 1 "$HB6" >"$WORK/out" || fail "$(<"$WORK/out")"
cv_json a route show | expect_json 'map([.packets, .dropped])' '[[2, 2], [2, 2]]' "passed and dropped"

title "in and out: received packets are judged, all that go out are counted"
state "hook: [in, out], via: 192.0.2.254, from: 10.77.0.0/16, src: $A_IN4" \
	"hook: [in, out], via: \"2001:db8:1::ff\", dev: a0, src: \"$A_IN6\""
! in_ns ha ping -n -q -c 2 -i 0.02 -W 0.4 "$HB4" >"$WORK/out" || fail "not dropped"
in_ns a ping -n -q -c 2 -i 0.02 -W 1 "$HB4" >"$WORK/out" || fail "$(<"$WORK/out")"
in_ns ha ping -n -q -c 2 -i 0.02 -W 1 "$HB6" >"$WORK/out" || fail "$(<"$WORK/out")"
cv_json a route show | expect_json 'map([.hook, .packets, .dropped])' \
	'[["in,out", 2, 2], ["in,out", 2, 0]]' "passed and dropped"

title "the program's name is another one whenever the program is: IPv4 replace takes effect"
state "hook: out, via: 192.0.2.254, policy: drop, src: $A_IN4" \
	"hook: out, via: \"2001:db8:1::ff\", dev: a0, src: \"$A_IN6\""
! in_ns a ping -n -q -c 2 -i 0.02 -W 0.4 "$HB4" >"$WORK/out" || fail "the old program still runs"
