#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# 1000 replaces of tunnel parameters and of the route's program while TCP and 20,000 datagrams a
# second go through the tunnels, both families and both directions: none is lost, none comes twice.
# A key is changed on one end a second after the other, with an overlap: none is lost either, and
# the old key is then refused.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
ROUNDS=170 # of 6: two tunnels' parameters, and twice the programs of two routes
RATE=10000 # each of two streams

# state SITE TUNNEL4 TUNNEL6 [KEY-WORDS]: three tunnels, and which of them carry the two families.
state() {
	local here4=$A4 there4=$B4 here6=$A6 there6=$B6 to=("$B_NET4" "$B_NET6") from=("$A_IN4" "$A_IN6")
	[[ $1 == a ]] || {
		here4=$B4 there4=$A4 here6=$B6 there6=$A6
		to=("$A_NET4" "$A_NET6") from=("$B_IN4" "$B_IN6")
	}
	cat <<-YAML
		devices: {${1}0: {ingress: true, egress: true}}
		tunnels:
		  blue: {mode: gre, local: $here4, remote: $there4, key: 1}
		  red:  {mode: vxlan, local: "$here6", remote: "$there6", vni: 1}
		  gray: {mode: ipip, local: $here4, remote: $there4}
		routes:
		  - {to: ${to[0]}, tunnel: $2, src: ${from[0]}}
		  - {to: "${to[1]}", tunnel: $3, src: "${from[1]}"}
	YAML
}

# streams_start: one over IPv4 from a to b, one over IPv6 from b to a.
streams_start() {
	local spec from to addr
	SENDERS=() RECEIVERS=()
	for spec in "a b $B_IN4" "b a $A_IN6"; do
		read -r from to addr <<<"$spec"
		start_in "$to" "stream-$to" /usr/bin/python3 "$TOOLS/stream.py" receive 9100
		RECEIVERS+=("$STARTED")
		wait_for 10 grep -qx READY "$WORK/stream-$to.log" || fail "$(<"$WORK/stream-$to.log")"
		start_in "$from" "send-$from" /usr/bin/python3 "$TOOLS/stream.py" send "$addr" 9100 "$RATE"
		SENDERS+=("$STARTED")
	done
}

# streams_stop LEAST: fails unless all that was sent has come, once, and it was LEAST or more.
streams_stop() {
	local site sent
	kill "${SENDERS[@]}"
	wait "${SENDERS[@]}" || fail "a sender: $(cat "$WORK"/send-?.log)"
	wait "${RECEIVERS[@]}" || fail "a receiver: $(cat "$WORK"/stream-?.log)"
	for site in b a; do
		sent=$(tail -n 1 "$WORK/stream-$site.log")
		title "to $site: $sent"
		expect_equal '[0,0]' "$(jq -c '[.lost, .twice]' <<<"$sent")" "datagrams lost and twice, to $site"
		(($(jq .sent <<<"$sent") >= $1)) || fail "a stream of $sent is none"
	done
}

sent_packets() { cv_json a tunnel show | jq 'map(.tx_packets) | add'; }
sent_more_than() { (($(sent_packets) >= $1)); }

# Transfers follow one another until the file is gone.
transfers() {
	while [[ -e $WORK/transfers ]]; do
		transfer a b $((16 << 20)) "$B_IN4" "$B_IN6"
		echo one >>"$WORK/transferred"
	done
}

state a blue red >"$WORK/straight.yaml"
state a red gray >"$WORK/crossed.yaml"
apply_state a <"$WORK/straight.yaml"
state b blue red | apply_state b

title "$((ROUNDS * 4)) replaces of routes' programs and $((ROUNDS * 2)) of tunnel parameters"
touch "$WORK/transfers"
transfers &
transfers=$!
streams_start
wait_for 10 sent_more_than "$RATE" || fail "no stream"
for ((i = 0; i < ROUNDS; i++)); do
	cv a tunnel replace blue mode gre local "$A4" remote "$B4" key 1 \
		ttl $((i % 200 + 50)) dscp $((i % 64))
	cv a apply "$WORK/crossed.yaml"
	cv a tunnel replace red mode vxlan local "$A6" remote "$B6" vni 1 \
		ttl $((i % 200 + 50)) mtu $((1300 + i % 100))
	cv a apply "$WORK/straight.yaml"
done
rm "$WORK/transfers"
wait "$transfers" || fail "TCP does not get through"
[[ -s $WORK/transferred ]] || fail "no TCP transfer came to its end"
streams_stop $((4 * RATE))

title "a key is changed, with an overlap of 4 seconds, on a a second before b"
inject_start r ra a a0
streams_start
sent=$(sent_packets)
wait_for 10 sent_more_than $((sent + RATE)) || fail "no stream"
cv a tunnel replace blue mode gre local "$A4" remote "$B4" key 2 overlap 4
sent=$(sent_packets)
wait_for 10 sent_more_than $((sent + RATE)) || fail "no stream"
cv b tunnel replace blue mode gre local "$B4" remote "$A4" key 2 overlap 4
refused() { inject 1 'gre(key_present=1, key=1)' && (($(drops a decap_key) > 0)); }
! refused || fail "the old key is refused at once"
wait_for 10 refused || fail "the old key is still accepted"
streams_stop "$RATE"
