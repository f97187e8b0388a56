#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A socket is the process's that uses it, whoever made it: prefork servers, sockets that were passed
# on, inherited, or made before exec; threads, other users, MPTCP, SO_REUSEPORT. Until the process that accepts a
# connection is known, its packets are those of who listens. Routed by app, not one leaves plain.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
chmod 755 "$WORK" "$WORK/bin"
one=$(program_copy one)
two=$(program_copy two)
other=$(program_copy other)
setuid=$(c_program caller setuid)
chmod u+s "$setuid"
handover=$TOOLS/handover.py
SERVER_PORT=21000 ASK_TO=("$A4" "$A6")
{
	printf 'devices: {a0: {}}\napps:\n'
	printf '  %s: {%s}\n' one "exe: $one" two "exe: $two" three "uid: 1001" four "exe: $setuid"
	owner_rules one two three four
} | apply_state a

# server_start CMD...: starts a server at site a on port SERVER_PORT.
server_start() {
	start_in a "server-$SERVER_PORT" "$@"
	wait_for 20 grep -qE '^READY|^Listening on' "$WORK/server-$SERVER_PORT.log" ||
		fail "$*: $(<"$WORK/server-$SERVER_PORT.log")"
}

# ask WORDS...: asks that server from site b; who answered goes to $WORK/answers.
ask() {
	in_ns b timeout 60 /usr/bin/python3 "$handover" ask 6 "$SERVER_PORT" "${ASK_TO[@]}" "$@" \
		>"$WORK/asked" || fail "no answer: $(<"$WORK/server-$SERVER_PORT.log")"
	sed "s/^/$SERVER_PORT /" "$WORK/asked" >>"$WORK/answers"
}

# server_case SYN DATA TEXT MODE...: a case of the table. MODE is one of handover.py, run by app one.
# SYN: who answered, and whose the SYN-ACKs were: two:one. DATA: the same of data, FINs and datagrams.
server_case() {
	server_case_add "${@:1:3}"
	server_start "$one" "$handover" "${@:4}" "$SERVER_PORT"
	ask
}

# server_case_add SYN DATA TEXT: notes a case; its port is then SERVER_PORT.
server_case_add() {
	SERVER_PORT=$((SERVER_PORT + 1))
	printf 'serve\t%s\t%s\t%s\t%s\n' "$SERVER_PORT" "$1" "$2" "$3" >>"$WORK/cases"
}

title "servers and clients"
cases_begin
server_case one:one one:one "one process" serve
server_case one:one one:one "threads" serve --threads
server_case one:one one:one "accept, fork" serve --fork
server_case two:one two:two "prefork: another program accepts" prefork "$two"
if kernel_tells sock_recv_length cv_sock_recv "accept without an address, connections that are passed on"; then
	server_case two:one two:two "prefork: it accepts and asks for no address" prefork "$two" --null
	server_case two:one one:one,two:two "accept, then another program is started" accept "$two"
	server_case two:one one:one,two:two "connections are passed on" pass "$two"
fi
server_case two:one,two:two two:two "listening sockets are passed on" lend "$two"
server_case two:one,two:two two:two "another program once somebody comes" activate "$two"
if [[ -n $(type -P systemd-socket-activate) ]]; then
	server_case_add two:none,two:two two:two "systemd-socket-activate"
	server_start systemd-socket-activate -l "[::]:$SERVER_PORT" "$two" "$handover" work 3
	ask --tcp
fi
server_case one:one one:one "MPTCP, asked by TCP" serve --mptcp
server_case_add one:one one:one "MPTCP"
server_start "$one" "$handover" serve --mptcp "$SERVER_PORT"
ask --mptcp
server_case_add one:one,two:two one:one,two:two "two programs on one port"
server_start "$one" "$handover" serve --reuseport "$SERVER_PORT"
server_start "$two" "$handover" serve --reuseport "$SERVER_PORT"
wait_for 20 prints 8 sh -c "nsenter --net=/run/netns/a ss -Hlntu sport = :$SERVER_PORT | wc -l" || fail "not all listen"
for _ in 1 2 3 4; do ask; done

call one "a client" "$one" "$handover" call
call one "a thread of it" "$one" "$handover" call --thread
call one "a process that it forked" "$one" "$handover" call --fork
call one "MPTCP, to a server that has none" "$one" "$handover" call --mptcp
call two "sockets made, then another program" "$one" "$handover" become "$two" --made
call two "sockets used, then another program" "$one" "$handover" become "$two" --used
if kernel_tells tcp_sendmsg_locked cv_tcp_send "connections that change hands before anything is received"; then
	CALL_KIND=stream call "one>two" "connected, then another program" "$one" "$handover" become "$two" --tcp
	CALL_KIND=stream call "one>two" "connected, then passed on" "$one" "$handover" give "$two" --tcp
fi
# The kernel tells of a datagram that was sent through a connected socket when it is gone.
if kernel_tells sock_send_length cv_sock_send "connected UDP that changes hands"; then
	CALL_KIND=datagram call "one,two" "connected UDP, then another program" "$one" "$handover" become "$two" --udp
	CALL_KIND=datagram call "one,two" "connected UDP, then passed on" "$one" "$handover" give "$two" --udp
fi
call three "sockets made, then another user" "$other" "$handover" call --uid 1001
call three "another user, then sockets" setpriv --reuid 1001 --clear-groups "$other" "$handover" call
call none "nobody" "$other" "$handover" call
call four "a setuid program" setpriv --reuid 1001 --clear-groups "$setuid"

cases_judge

# ---- and routed ----

apply_state b <<-YAML
	devices: {b0: {}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML
ASK_TO=("$A_IN4" "$A_IN6") CALL_TO=("$B_IN4" "$B_IN6")
from_a=".outer.src == \"$A_IN4\" or .outer.src == \"$A_IN6\""

# routed EXE: app `it` of these executables goes through the tunnel; capture begins.
routed() {
	apply_state a <<-YAML
		devices: {a0: {}}
		apps: {it: {exe: "$1"}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}
		routes:
		  - {to: $B_NET4, tunnel: blue, app: it, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: it, src: "$A_IN6"}
	YAML
	capture_start r ra "$WORK/routed.pcap" tcp or udp or ip6 proto 6 or ip6 proto 17 or ip proto gre
	PORTS=()
}

# server MODE...: a server of app one is asked at its overlay addresses.
server() {
	server_next
	server_start "$one" "$handover" "$@" "$SERVER_PORT"
	ask
}

# server_next: its port is then SERVER_PORT.
server_next() {
	SERVER_PORT=$((SERVER_PORT + 1))
	PORTS+=("$SERVER_PORT")
}

# expect_tunnel CONDITION WHAT: packets from a that fulfil it are there on each port, and all of them
# are in the tunnel.
expect_tunnel() {
	capture_stop "$WORK/routed.pcap"
	frames_read "$WORK/routed.pcap"
	expect_equal "" "$(frames_values "$WORK/routed.pcap" "plain and ($from_a) and ($1)" \
		'"\(.outer.proto) \(.outer.sport) \(.outer.dport) \(.outer.flags)"')" "plain $2"
	expect_equal "$(printf '%s\n' "${PORTS[@]}" | sort)" "$(frames_values "$WORK/routed.pcap" \
		"encapsulated and .outer.src == \"$A4\" and ($1)" \
		'packet.sport, packet.dport | select(. > 20000 and . < 22000)' | sort)" "ports of encapsulated $2"
}

title "routed: all of them"
routed "$WORK/bin/[ot][nw][eo]"
for mode in serve "serve --threads" "serve --fork" "prefork $two" "prefork $two --null" "accept $two" \
	"pass $two" "lend $two" "activate $two" "serve --mptcp"; do
	# shellcheck disable=SC2086 # words
	server $mode
done
server_next
server_start "$one" "$handover" serve --mptcp "$SERVER_PORT"
ask --mptcp
for words in "call" "call --thread" "call --fork" "call --mptcp" "become $two --made" "become $two --used"; do
	# shellcheck disable=SC2086
	call one "$words" "$one" "$handover" $words
	PORTS+=("$CALL_PORT")
done
expect_tunnel true "packets"

title "routed: only the program that accepts"
routed "$two"
modes=("prefork $two" "lend $two")
kernel_tells sock_recv_length cv_sock_recv "connections that are passed on" &&
	modes+=("prefork $two --null" "accept $two" "pass $two")
for mode in "${modes[@]}"; do
	# shellcheck disable=SC2086
	server $mode
done
expect_tunnel 'packet.flags // "" | test("[PF]")' "data of connections"
