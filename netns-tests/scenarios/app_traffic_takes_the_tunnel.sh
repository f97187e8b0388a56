#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# All packets of a selected program take the tunnel, from the first SYN or datagram of each socket
# on, and so do a selected server's, its SYN-ACKs included. Another program's packets to the same
# destination do not.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
server=$(program_copy server)
other=$(program_copy other)
TO=$B_IN4,$B_IN6

# state LOCAL REMOTE APP EXE NET4 NET6 SRC4 SRC6: what a site applies; both differ in these only.
state() {
	cat <<-YAML
		devices:
		  $9: {ingress: true, egress: true}
		apps:
		  $3: {exe: $4}
		tunnels:
		  blue: {mode: gre, local: $1, remote: $2, key: 42}
		routes:
		  - {to: $5, tunnel: blue, app: $3, src: $7}
		  - {to: "$6", tunnel: blue, app: $3, src: "$8"}
	YAML
}
state "$A4" "$B4" client "$client" "$B_NET4" "$B_NET6" "$A_IN4" "$A_IN6" a0 | apply_state a
state "$B4" "$A4" server "$server" "$A_NET4" "$A_NET6" "$B_IN4" "$B_IN6" b0 | apply_state b

# Port 7000: the selected server. Port 7100: one that is not.
echo_server b selected "$server" 7000
echo_server b unselected "$other" 7100

# traffic PROGRAM PORT: 500 TCP connections, 200 + 200 UDP sockets, 40 pings, half of each IPv6.
traffic() {
	local kind
	for kind in "tcp 500" "udp 200" "udpc 200"; do
		# shellcheck disable=SC2086 # two words
		in_ns a "$1" "$TOOLS/traffic.py" $kind "$TO" --port "$2" || fail "$kind does not pass"
	done
	in_ns a "$1" "$TOOLS/traffic.py" ping 40 "$TO" || fail "pings do not pass"
}

title "the selected program talks to the selected server"
capture_start r ra "$WORK/selected.pcap"
traffic "$client" 7000
capture_stop "$WORK/selected.pcap"
frames_read "$WORK/selected.pcap" --strict --offload
of=$WORK/selected.pcap

# The answers to pings come from the kernel, which no program selects; they may be plain.
no_echo_reply='(packet.type != 0 and packet.type != 129)'
expect_equal 0 "$(frames_count "$of" "plain and $no_echo_reply")" "plain packets"
for family in 4 6; do
	is="encapsulated and packet.family == $family"
	expect_equal 250 "$(frames_distinct "$of" "$is and packet.flags == \"S\"" packet.sport)" \
		"IPv$family connections with an encapsulated SYN"
	expect_equal 250 "$(frames_distinct "$of" "$is and packet.flags == \"SA\"" packet.dport)" \
		"IPv$family connections with an encapsulated SYN-ACK"
	expect_equal 200 "$(frames_count "$of" "$is and packet.proto == 17 and packet.dport == 7000")" \
		"encapsulated IPv$family datagrams to the server"
	expect_equal 200 "$(frames_count "$of" "$is and packet.proto == 17 and packet.sport == 7000")" \
		"encapsulated IPv$family datagrams from the server"
	expect_equal 20 "$(frames_count "$of" "$is and (packet.type == 8 or packet.type == 128)")" \
		"encapsulated IPv$family pings"
done
expect_equal 0 "$(frames_count "$of" 'encapsulated and (.tunnel != "gre" or .key != 42 or
	([.outer.src, .outer.dst] | sort) != (["'"$A4"'", "'"$B4"'"] | sort))')" \
	"packets in another tunnel"

title "the counters say the same"
sent=$(frames_count "$of" "encapsulated and .outer.src == \"$A4\"")
got=$(cv_json a tunnel show blue | jq '.[0].tx_packets')
# A capture on the wire sees segments where the program saw one large packet.
((got > 0 && got <= sent)) || fail "tx_packets $got, $sent on the wire"
expect_equal "$got" "$(cv_json b tunnel show blue | jq '.[0].rx_packets')" "rx_packets of b"

title "another program talks to another server"
capture_start r ra "$WORK/other.pcap"
traffic "$other" 7100
capture_stop "$WORK/other.pcap"
frames_read "$WORK/other.pcap" --strict --offload
of=$WORK/other.pcap
expect_equal 0 "$(frames_count "$of" '.tunnel != null')" "encapsulated packets"
expect_equal 500 "$(frames_distinct "$of" 'plain and packet.flags == "S"' '[packet.family, packet.sport]')" \
	"plain connections"

title "another program talks to the selected server: its answers take the tunnel, SYN-ACKs first"
capture_start r ra "$WORK/answers.pcap"
in_ns a "$other" "$TOOLS/traffic.py" tcp 100 "$TO" --port 7000 || fail "tcp does not pass"
capture_stop "$WORK/answers.pcap"
frames_read "$WORK/answers.pcap" --strict --offload
of=$WORK/answers.pcap
expect_equal 100 "$(frames_distinct "$of" 'encapsulated and packet.flags == "SA"' \
	'[packet.family, packet.dport]')" "encapsulated SYN-ACKs"
expect_equal 0 "$(frames_count "$of" 'plain and packet.sport == 7000')" "plain answers"
expect_equal 0 "$(frames_count "$of" 'encapsulated and packet.dport == 7000')" \
	"encapsulated packets of the other program"
