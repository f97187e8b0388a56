#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Four executables, started in turns as fast as the machine can, their process ids used again and
# again: each process sends one datagram and makes one connection, and is gone. Every packet is the
# executable's that sent it, and none is without an owner. SWARM=100000 for as many processes.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
SWARM=${SWARM:-$((8000 / ${CULVERT_TEST_SLOWNESS:-1}))}
APPS=(one two three four)
PORT=7000 # caller1 takes port 7001, and so on

topology_sites
swarm=$(c_program swarm)
sink=$(c_program sink)
programs=()
for number in 1 2 3 4; do
	programs+=("$(c_program caller "caller$number")")
done
{
	printf 'devices: {a0: {}}\napps:\n'
	for number in 1 2 3 4; do
		printf '  %s: {exe: %s}\n' "${APPS[number - 1]}" "${programs[number - 1]}"
	done
	owner_rules "${APPS[@]}"
} | apply_state a

title "$SWARM processes"
# What all packets of every 64th connection were taken for; the sink sees the first of all.
capture_start r ra "$WORK/sample.pcap" "(src host $A4 and tcp and tcp[0:2] & 0x3f == 0) or
	(src host $A6 and ip6 proto 6 and ip6[40:2] & 0x3f == 0)"
start_in b sink "$sink" $((PORT + 1)) 4 $((2 * SWARM))
sink_pid=$STARTED
wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
in_ns a "$swarm" "$SWARM" 8 "$PORT" "$B4,$B6" "${programs[@]}" || fail "the swarm"
wait "$sink_pid" || fail "sink: $(<"$WORK/sink.log")"
capture_stop "$WORK/sample.pcap"

title "datagrams and SYNs: protocol, family, port, DSCP, how many"
for proto in "udp 4" "udp 6" "tcp 4" "tcp 6"; do
	for number in 1 2 3 4; do
		printf '%s %s %s %s\n' "$proto" $((PORT + number)) "${OWNER_DSCP[${APPS[number - 1]}]}" $((SWARM / 8))
	done
done | sort >"$WORK/expected"
sed 1d "$WORK/sink.log" | sort | tee "$WORK/seen"
expect_equal "$(<"$WORK/expected")" "$(<"$WORK/seen")" "datagrams and connections"

title "all packets of every 64th connection"
frames_read "$WORK/sample.pcap"
sample=$(frames_query "$WORK/sample.pcap" 'group_by(.outer.dport)[] | [.[].outer] |
	"\(.[0].dport) \(map(.dscp) | unique | map(tostring) | join(",")) \(length) packets, \(
		map([.family, .sport]) | unique | length) connections"')
printf '%s\n' "$sample"
expect_equal "7001 11
7002 12
7003 13
7004 14" "$(cut -d' ' -f1,2 <<<"$sample")" "ports and DSCPs"
