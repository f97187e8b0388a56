#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An app with `gate` sends nothing while it has no live route: not on sockets that it had open, not
# when it is started at the very moment at which it gets a route, not when that is broken off. Its
# sockets are not told, and go on when the gate opens. Other programs pass.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
program=$(program_copy program)
other=$(program_copy other)
TO=$B_IN4,$B_IN6
SLOWNESS=${CULVERT_TEST_SLOWNESS:-1}
ROUNDS=$((100 / SLOWNESS))

apply_state b <<-YAML
	devices: {b0: {ingress: true}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4, key: 42}}
YAML
# Port 7000: who talks to it is the app. Port 7100: who does not.
echo_server b server /usr/bin/python3 7000 7100
# The app listens, too, since before it is one.
echo_server a listener "$program" 7200

closed() {
	cat <<-YAML
		devices: {a0: {ingress: true}}
		apps: {app: {exe: $program, gate: true}}
	YAML
}
tunnel() { printf 'tunnels: {blue: {mode: gre, local: %s, remote: %s, key: 42}}\n' "$A4" "$B4"; }
routed() {
	closed
	tunnel
	cat <<-YAML
		routes:
		  - {to: $B_NET4, tunnel: blue, app: app, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: app, src: "$A_IN6"}
	YAML
}
closed >"$WORK/closed.yaml"
{ closed && tunnel; } >"$WORK/unrouted.yaml"
routed >"$WORK/routed.yaml"

# traffic PROGRAM KIND COUNT PORT WORDS...
traffic() { in_ns a "$1" "$TOOLS/traffic.py" "$2" "$3" "$TO" --port "$4" "${@:5}"; }

# expect_held KIND COUNT: all of that fail, and none is told why.
expect_held() {
	expect_status 1 traffic "$program" "$1" "$2" 7000 --timeout 0.2
	expect_line "^$1: $2 of $2 failed" "$WORK/out"
	expect_equal '' "$(sed 1d "$WORK/out" | grep -v ': timed out')" "errors that $1 meets"
}

# True if the gate is as wanted.
gate_is() { cv_json a app show app | jq -e ".[0] | .gate and .held == $1" >/dev/null; }
held_packets() { cv_json a app show app | jq '.[0].held_packets'; }

# A connection of it that is open, and on which it sends when the fifo "send" is opened.
mkfifo "$WORK/send"
start_in a early "$program" -c "import socket
sock = socket.create_connection(('$B_IN4', 7000))
print('READY', flush=True)
open('$WORK/send').read()
sock.sendall(b'x')
sock.recv(1)"
early=$STARTED
wait_for 10 grep -qx READY "$WORK/early.log" || fail "no connection: $(<"$WORK/early.log")"
# Another one, that its process leaves to the kernel with what it has sent. A slow machine must not be
# too late for it.
in_ns a sysctl -q net.ipv4.tcp_orphan_retries=14
mkfifo "$WORK/leave"
start_in a orphan "$program" -c "import socket
sock = socket.create_connection(('$B_IN4', 7000))
print(sock.getsockname()[1], flush=True)
open('$WORK/leave').read()
sock.sendall(b'x')"
orphan=$STARTED
wait_for 10 grep -q . "$WORK/orphan.log" || fail "no connection to leave"

capture_start r ra "$WORK/all.pcap" src host "$A4" or src host "$A_IN4" or src host "$A_IN6"

title "without a route nothing of it leaves"
expect_status 0 cv a apply "$WORK/closed.yaml"
gate_is true || fail "the gate is open"
: >"$WORK/send"
: >"$WORK/leave"
wait "$orphan" || fail "$(<"$WORK/orphan.log")"
for kind in tcp udp udpc; do expect_held $kind 4; done
expect_status 1 traffic "$program" ping 4 0 --timeout 0.2
# call WORDS...: b connects to the app.
call() { in_ns b /usr/bin/python3 "$TOOLS/traffic.py" "$1" 4 "$A_IN4,$A_IN6" --port 7200 "${@:2}"; }
expect_status 1 call tcp --timeout 0.2
expect_line '^tcp: 4 of 4 failed' "$WORK/out"
expect_status 1 call udp --timeout 0.2
expect_line '^udp: 4 of 4 failed' "$WORK/out"
(($(held_packets) >= 16)) || fail "$(held_packets) packets were counted"
(($(drops a gate) >= 16)) || fail "$(drops a gate) packets have the reason 'gate'"

title "TCP does not give up soon"
expect_status 1 traffic "$program" tcp 1 7000 --timeout 9
expect_equal "  $B_IN4: 64 bytes: timed out (1 times)" "$(sed 1d "$WORK/out")" "how a connection fails"

title "another program passes"
for kind in tcp udp udpc ping; do traffic "$other" $kind 4 7100 || fail "$kind does not pass"; done

title "what tries meanwhile goes on when it gets a route"
traffic "$program" tcp 2 7000 --timeout 20 >"$WORK/patient" 2>&1 &
patient=$!
before=$(held_packets)
more_is_held() { (($(held_packets) > before)); }
wait_for 5 more_is_held || fail "no SYN is held back"
expect_status 0 cv a apply "$WORK/routed.yaml"
gate_is false || fail "the gate is closed"
table=$(in_ns a ip -j rule show | jq -r '[.[] | select(.fwmark)][0].table')
wait "$patient" || fail "the connections did not go on: $(<"$WORK/patient")"
wait "$early" || fail "the connection that was open did not go on: $(<"$WORK/early.log")"
for kind in tcp udp udpc ping; do traffic "$program" $kind 4 7000 || fail "$kind does not pass"; done
for kind in tcp udp; do call $kind || fail "$kind to it does not pass"; done

title "it is started at the moment at which it gets a route, $ROUNDS times; now and then also the tunnel is new"
for ((round = 0; round < ROUNDS; round++)); do
	((round % 10)) && before=unrouted || before=closed
	expect_status 0 cv a apply "$WORK/$before.yaml"
	traffic "$program" tcp 2 7000 --timeout 0.1 --retry 20 >"$WORK/tcp" 2>&1 &
	tcp=$!
	traffic "$program" udp 2 7000 --timeout 0.05 --retry 20 >"$WORK/udp" 2>&1 &
	udp=$!
	expect_status 0 cv a apply "$WORK/routed.yaml"
	wait $tcp || fail "round $round: $(<"$WORK/tcp")"
	wait $udp || fail "round $round: $(<"$WORK/udp")"
done

title "apply that fails leaves the gate closed"
expect_status 0 cv a apply "$WORK/unrouted.yaml"
# What the route is to be is there already: that is found when it is added.
in_ns a ip route add "$B_NET4" via 192.0.2.254 table "$table"
expect_status 2 cv a apply "$WORK/routed.yaml"
in_ns a ip route del "$B_NET4" table "$table"
gate_is true || fail "the gate is open"
expect_held udp 4

title "apply that is killed lets nothing through, and repair brings it to an end"
killed() {
	timeout -s KILL "$1" "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" \
		-n a apply "$WORK/routed.yaml"
}
for ((ms = 4 * SLOWNESS; ms <= 120 * SLOWNESS; ms += 4 * SLOWNESS * (SLOWNESS > 1 ? 3 : 1))); do
	traffic "$program" udp 2 7000 --timeout 0.02 --retry 0.1 >"$WORK/udp" 2>&1 &
	udp=$!
	{ killed "$((ms / 1000)).$(printf %03d $((ms % 1000)))" || :; } >"$WORK/killed" 2>&1
	wait $udp || :
	expect_status 0 cv a repair
	expect_status 0 cv a apply "$WORK/unrouted.yaml"
	gate_is true || fail "the gate is open"
done
expect_status 0 cv a apply "$WORK/routed.yaml"
traffic "$program" tcp 4 7000 || fail "it does not pass after all that"

title "on the wire"
capture_stop "$WORK/all.pcap"
frames_read "$WORK/all.pcap" --strict --offload
of=$WORK/all.pcap
# A reset for a connection that is no more is the kernel's, not the app's.
not_ours='packet.flags == "R"'
! kernel_before 6.2 "SYN-ACKs of IPv6, which no hook on cgroups sees" ||
	not_ours+=' or packet.flags == "SA" and packet.family == 6'
expect_equal "" "$(frames_query "$of" '.[] | select(plain and ('"$not_ours"' | not) and (packet.dport == 7000 or packet.sport == 7200)) |
	.outer | "\(.proto) \(.src) \(.sport) \(.dst) \(.dport) \(.flags)"')" "plain packets of the app"
(($(frames_count "$of" "encapsulated and packet.sport == $(<"$WORK/orphan.log")") > 0)) ||
	fail "what a closed connection had sent is not in the tunnel"
for family in 4 6; do
	is="packet.family == $family"
	expect_equal 2 "$(frames_count "$of" "plain and $is and (packet.type == 8 or packet.type == 128)")" \
		"plain IPv$family pings"
	syns=$(frames_distinct "$of" "encapsulated and $is and packet.flags == \"S\"" packet.sport)
	((syns >= ROUNDS + 5)) || fail "$syns IPv$family connections in the tunnel"
done

title "without gate, and without culvert, it passes"
closed | sed 's/, gate: true//' >"$WORK/open.yaml"
expect_status 0 cv a apply "$WORK/closed.yaml"
expect_status 0 cv a apply "$WORK/open.yaml"
traffic "$program" tcp 4 7000 || fail "it does not pass without gate"
expect_equal '' "$(bpftool -j cgroup show "$CGROUP" | jq -r '.[] | select(.name == "cv_gate") | .id')" \
	"the hook, with no gate closed"
expect_status 0 cv a apply "$WORK/closed.yaml"
expect_held udp 2
expect_status 0 cv a down
traffic "$program" udp 4 7000 || fail "it does not pass without culvert"
