#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Sockets that a program had open before `apply` made it an app: every further packet of theirs
# takes the tunnel, of connections that it had begun, accepted or not accepted yet, of datagram,
# ping and raw sockets. Another program's stay as they are. When the app goes, its sockets are
# again as they were, and work.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
program=$(program_copy program)
other=$(program_copy other)
COUNT=4
BOTH=$((2 * COUNT)) # sockets of a kind, in both families

apply_state b <<-YAML
	devices: {b0: {ingress: true}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4, key: 42}}
YAML
echo_server b server /usr/bin/python3 7000 7100

# hold NS NAME PROGRAM WORDS...: starts hold.py; tell and answer talk to it.
declare -A TO=() FROM=()
hold() {
	local ns=$1 name=$2
	shift 2
	mkfifo "$WORK/$name.in" "$WORK/$name.out"
	# shellcheck disable=SC1083,SC2086,SC2093 # shellcheck does not know {NAME[INDEX]}<>
	exec {TO[$name]}<>"$WORK/$name.in" {FROM[$name]}<>"$WORK/$name.out"
	in_ns "$ns" "$1" "$TOOLS/hold.py" "${@:2}" <"$WORK/$name.in" >"$WORK/$name.out" 2>&1 &
	answer "$name" READY
}
tell() { printf '%s\n' "$2" >&"${TO[$1]}"; }
# answer NAME TEXT: fails unless that is what it says next.
answer() {
	local line
	read -rt 60 line <&"${FROM[$1]}" || line="no answer"
	expect_equal "$2" "$line" "what $1 says"
}
# use COMMAND KINDS: both programs use their sockets; the first prints KINDS.
use() {
	tell program "$1"
	answer program "$2"
	tell other use
	answer other "$ALL"
}
ALL="ping $BOTH, raw $BOTH, tcp $BOTH, udp $BOTH, udpc $BOTH"
CONNECTIONS=$COUNT # that a program has begun, in one family
if [[ -d /proc/sys/net/mptcp ]]; then
	ALL="mptcp $BOTH, $ALL"
	CONNECTIONS=$((2 * COUNT))
fi

title "sockets are opened, and used once"
hold a program "$program" kinds $COUNT "$B_IN4,$B_IN6" --port 7000 --listen 7300
hold a other "$other" kinds $COUNT "$B_IN4,$B_IN6" --port 7100
# peer NAME: b connects to the program.
peer() { hold b "$1" /usr/bin/python3 peer $COUNT "$A_IN4,$A_IN6" --port 7300; }
peer accepted
use "accept $BOTH" "accepted $BOTH, $ALL"
peer waiting

# capture NAME CMD...: captures what leaves a while CMD runs.
capture() {
	of=$WORK/$1.pcap
	capture_start r ra "$of" src host "$A4" or src host "$A_IN4" or src host "$A_IN6"
	"${@:2}"
	capture_stop "$of"
	frames_read "$of" --strict --offload
}
# How many sockets of a have a mark.
marked() { in_ns a ss -Hntuwae | grep -c fwmark || :; }

# What the program sends, and what the other one does: their ports tell TCP and UDP, echo requests
# are told by being there twice.
ours='(packet.dport == 7000 or packet.sport == 7300)'
theirs='packet.dport == 7100'
request='(packet.type == 8 or packet.type == 128)'

# expect_taken FILE ACCEPTED: all that the program sends is in the tunnel, all of the other is not.
expect_taken() {
	local family is
	expect_equal 0 "$(frames_count "$1" "plain and $ours")" "plain packets of the program"
	expect_equal 0 "$(frames_count "$1" "encapsulated and $theirs")" "tunnelled packets of the other"
	for family in 4 6; do
		is="encapsulated and packet.family == $family"
		expect_equal $CONNECTIONS "$(frames_distinct "$1" "$is and packet.proto == 6 and packet.dport == 7000" \
			packet.sport)" "IPv$family connections in the tunnel"
		expect_equal "$2" "$(frames_distinct "$1" "$is and packet.proto == 6 and packet.sport == 7300" \
			packet.dport)" "accepted IPv$family connections in the tunnel"
		expect_equal $BOTH "$(frames_count "$1" "$is and packet.proto == 17 and packet.dport == 7000")" \
			"IPv$family datagrams in the tunnel"
		expect_equal $BOTH "$(frames_count "$1" "$is and $request")" "IPv$family pings in the tunnel"
		is="plain and packet.family == $family"
		expect_equal $CONNECTIONS "$(frames_distinct "$1" "$is and packet.proto == 6 and $theirs" \
			packet.sport)" "plain IPv$family connections"
		expect_equal $BOTH "$(frames_count "$1" "$is and packet.proto == 17 and $theirs")" \
			"plain IPv$family datagrams"
		expect_equal $BOTH "$(frames_count "$1" "$is and $request")" "plain IPv$family pings"
	done
}

# expect_plain FILE: nothing is in the tunnel, and no socket has a mark.
expect_plain() {
	expect_equal 0 "$(frames_count "$1" '.tunnel != null')" "packets in the tunnel"
	(($(frames_count "$1" "plain and $ours") > 0)) || fail "nothing was sent"
	expect_equal 0 "$(marked)" "sockets with a mark"
}

state() {
	cat <<-YAML
		devices: {a0: {ingress: true}}
		apps: {program: {exe: $program}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4, key: 42}}
		routes:
		  - {to: $B_NET4, tunnel: blue, app: program, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: program, src: "$A_IN6"}
	YAML
}

title "apply takes over connections that wait to be accepted: what they get is acknowledged so"
state | apply_state a
ask() {
	tell waiting ask
	answer waiting asked
}
capture asked ask
expect_equal 0 "$(frames_count "$of" "plain and $ours")" "plain packets of the program"
expect_equal $BOTH "$(frames_distinct "$of" "encapsulated and packet.sport == 7300" \
	"[packet.family, packet.dport]")" "connections in the tunnel"

title "and all that it had opened"
capture taken use "accept $BOTH" "accepted $((2 * BOTH)), $ALL"
expect_taken "$of" "$BOTH"

title "repair changes nothing about them"
expect_status 0 cv a repair
capture repaired use use "accepted $((2 * BOTH)), $ALL"
expect_taken "$of" "$BOTH"

title "the app goes"
state | sed '/- {to/d; s/^routes:/routes: []/; s/^apps:.*/apps: {}/' | apply_state a
capture gone use use "accepted $((2 * BOTH)), $ALL"
expect_plain "$of"

title "it comes back"
state | apply_state a
capture back use use "accepted $((2 * BOTH)), $ALL"
expect_taken "$of" "$BOTH"

title "its routes go, it stays"
state | sed '/- {to/d; s/^routes:/routes: []/' | apply_state a
capture unrouted use use "accepted $((2 * BOTH)), $ALL"
expect_plain "$of"

title "it is routed again, then all of culvert goes"
state | apply_state a
expect_status 0 cv a down
capture down use use "accepted $((2 * BOTH)), $ALL"
expect_plain "$of"

title "10,000 sockets: each has its record"
state | sed '/- {to/d; s/^routes:/routes: []/; s/^apps:.*/apps: {}/' | apply_state a
hold a many "$program" many 5000 2500
before=$EPOCHREALTIME
state | apply_state a
trace "apply took $(((${EPOCHREALTIME/[.,]/} - ${before/[.,]/}) / 1000)) ms"
# Those of the first part are there, too, with their listeners; that they were used is still known.
# An MPTCP connection has a record, and its flow another.
first=$((2 * BOTH * (CONNECTIONS / COUNT) - BOTH + 4 * BOTH + 2 * BOTH + 2))
cv_json a app show program | expect_json '.[0] | [.sockets, (.sources | add), .sources.backfill >= 10001]' \
	"[$((10001 + first)), $((10001 + first)), true]" "sockets of the program"
cv_json a status | expect_json '.sources.backfill >= 10001' true "owners known by a backfill"
expect_status 0 cv a -s status
expect_line '^owners known on this host: .*backfill [0-9]+' "$WORK/out"
