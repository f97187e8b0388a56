#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Policed rates hold on the wire within 3 %, for UDP and TCP, and a rate can be changed while traffic
# goes on; apps and sources have rates of their own; what is above is counted as such; what measured for
# rules that are gone is gone, too. A pace that nobody heeds is told.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
other=$(program_copy other)
offloads_off a a0
DEVICES='devices: {a0: {ingress: true, egress: true}}'

# Datagrams to port 7001 of b, some megabytes a second.
cat >"$WORK/flood.py" <<'PY'
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for _ in range(20):
        sock.sendto(b"x" * 1400, (sys.argv[1], 7001))
    time.sleep(0.004)
PY
flood() { in_ns a /usr/bin/python3 "$WORK/flood.py" "$B_IN4" "$1"; }

# bits_ps FILE: what was on the wire a second, Ethernet headers included, without the first two seconds, in
# which the burst passes.
bits_ps() {
	tcpdump -nn -tt -e -r "$1" 2>/dev/null | awk 'match($0, /, length [0-9]+:/) {
		len = substr($0, RSTART + 9, RLENGTH - 10)
		if (!first) first = $1
		if (from) sum += len
		else if ($1 > first + 2) from = $1
		last = $1
	} END { printf "%d\n", sum * 8 / (last - from) }'
}

# near RATE GOT WHAT: fails unless GOT is within 3 % of RATE.
near() {
	printf '%s: %s bit/s of %s\n' "$3" "$2" "$1"
	(($2 * 100 >= $1 * 97 && $2 * 100 <= $1 * 103)) || fail "$3: $2 bit/s, and not $1"
}

# police PROTO RATE BURST: the state with one rule that polices what leaves to b.
police() {
	apply_state a <<-YAML
		$DEVICES
		rules:
		  limit: {match: {dir: out, dst: $B_IN4, proto: $1}, action: {police: $2, burst: $3}}
	YAML
}

title "UDP"
start_in b sink /usr/bin/python3 -c 'import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 7001))
print("READY", flush=True)
while sock.recv(2000): pass'
wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
police udp 8mbit 512kb
capture_start r ra "$WORK/udp.pcap" "udp port 7001"
flood 9
capture_stop "$WORK/udp.pcap"
near 8000000 "$(bits_ps "$WORK/udp.pcap")" "UDP"
(($(drops a police) > 0)) || fail "nothing is counted as police"

title "another rate, while traffic goes on"
start_in a flood /usr/bin/python3 "$WORK/flood.py" "$B_IN4" 1000
flood=$STARTED
police udp 4mbit 512kb
capture_start r ra "$WORK/slower.pcap" "udp port 7001"
# 8 s of it.
is_long() { (($(stat -c %s "$WORK/slower.pcap") > 4000000)); }
wait_for 30 is_long || fail "hardly anything passes"
stop "$flood"
capture_stop "$WORK/slower.pcap"
near 4000000 "$(bits_ps "$WORK/slower.pcap")" "UDP at another rate"

title "TCP"
police tcp 8mbit 512kb
start_in b tcp iperf3 -s -1 -p 7002 --forceflush
wait_for 10 grep -q listening "$WORK/tcp.log" || fail "iperf3: $(<"$WORK/tcp.log")"
capture_start r ra "$WORK/tcp.pcap" "src host $A_IN4 and tcp port 7002"
in_ns a iperf3 -c "$B_IN4" -p 7002 -t 10 -P 3 >"$WORK/iperf" 2>&1 || fail "iperf3: $(<"$WORK/iperf")"
capture_stop "$WORK/tcp.pcap"
near 8000000 "$(bits_ps "$WORK/tcp.pcap")" "TCP"

title "apps and sources have rates of their own"
apply_state a <<YAML
$DEVICES
apps: {client: {exe: $client}, other: {exe: $other}}
rules:
  apps: {match: {dir: out, proto: udp, dport: 7003}, action: {police: 8kbit, burst: 2500b, per: app}}
  sources: {match: {dir: out, proto: udp, dport: 7004}, action: {police: 8kbit, burst: 2500b, per: source}}
YAML
# ten PROGRAM PORT SOURCE: ten frames of 1042 bytes at once, of which the burst holds two.
ten() {
	in_ns a "$1" - "$B_IN4" "$2" "$3" <<-'PY'
		import socket, sys
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sock.bind((sys.argv[3], 0))
		for _ in range(10):
		    sock.sendto(b"x" * 1000, (sys.argv[1], int(sys.argv[2])))
	PY
}
# passed PORT SOURCE: how many of them were on the wire.
passed() { tcpdump -nn -r "$WORK/own.pcap" "src host $2 and udp dst port $1" 2>/dev/null | wc -l; }
before=$(drops a police)
capture_start r ra "$WORK/own.pcap" udp
ten "$client" 7003 "$A_IN4"
ten "$other" 7003 "$A4"
ten "$client" 7004 "$A_IN4"
ten "$client" 7004 "$A4"
capture_stop "$WORK/own.pcap"
for port in 7003 7004; do
	expect_equal "2 2" "$(passed "$port" "$A_IN4") $(passed "$port" "$A4")" "datagrams to port $port"
done
expect_equal 32 $(($(drops a police) - before)) "datagrams above the rates"

title "a rate that nobody measures any more is forgotten"
meters() { bpftool -j map dump pinned "$(echo "$WORK"/bpf/v1/ns-*/maps/cv_meters)" | jq length; }
police udp 8mbit 512kb
ten "$client" 7001 "$A_IN4"
expect_equal 1 "$(meters)" "meters of the rule"
expect_status 0 cv a rule replace limit match dir out action mark 1
expect_equal 0 "$(meters)" "meters without a rule"

title "a pace without fq is told"
expect_status 0 cv a rule replace limit match dir out action pace 10mbit
text="rule limit: pace has no effect on dev a0, whose qdisc is not fq; 'tc qdisc replace dev a0 root fq'"
expect_line "$text" "$WORK/err"
cv_json a status | jq -e --arg text "$text" '.problems | index($text)' >/dev/null ||
	fail "status does not name the pace"
expect_status 0 cv a rule replace limit match dir out action pace 20mbit
! grep -q "no effect" "$WORK/err" || fail "told twice"

title "with fq the pace is kept"
if in_ns a tc qdisc replace dev a0 root fq 2>/dev/null; then
	expect_status 0 cv a rule replace limit match dir out proto udp action pace 8mbit
	expect_json '[.problems[] | select(test("pace"))]' '[]' "problems" < <(cv_json a status)
	capture_start r ra "$WORK/pace.pcap" "udp port 7001"
	flood 8
	capture_stop "$WORK/pace.pcap"
	near 8000000 "$(bits_ps "$WORK/pace.pcap")" "UDP that is paced"
else
	printf 'skip %s\n' "a pace on the wire: this kernel has no fq"
fi
