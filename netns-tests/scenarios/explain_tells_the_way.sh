#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What `culvert explain` says of a packet is what then happens to it: on the wire behind the tunnel
# or plain, to the remote and with the key and DSCP that it named, or not at all where it said that
# the packet is dropped.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
server=$(program_copy server)
other=$(program_copy other)
address b b0 198.51.100.2/24 198.51.100.3/24

apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
apps:
  client: {exe: $client}
  server: {exe: $server}
tunnels:
  blue:  {mode: gre, local: $A4, remote: $B4, key: 42, allow: [$B_NET4]}
  six:   {mode: vxlan, local: "$A6", remote: "$B6", vni: 7, dscp: 12, ttl: 33}
  red:   {mode: ipip, local: $A4, remote: $B4}
  green: {mode: fou, local: $A4, remote: peers}
  many:  {mode: gue, local: $A4, remote: [198.51.100.2, 198.51.100.3]}
peers:
  - {to: 10.9.64.0/24, remote: 198.51.100.2, tunnel: green}
  - {to: 10.9.64.128/25, remote: 198.51.100.3, tunnel: green}
routes:
  - {to: $B_NET4, tunnel: blue, app: client, src: $A_IN4}
  - {to: "$B_NET6", tunnel: six, app: client, src: "$A_IN6"}
  - {to: 10.9.32.0/24, tunnel: red, src: $A_IN4}
  - {to: 10.9.64.0/22, tunnel: green, src: $A_IN4}
  - {to: 10.9.80.0/24, tunnel: many, src: $A_IN4}
  - {to: 10.9.96.0/24, tunnel: red, src: $A_IN4, hook: "xmit,out", from-mark: 0x5}
rules:
  no-9:    {prio: 10, match: {dir: out, proto: udp, dport: 7009}, action: {verdict: drop}}
  in-no-9: {prio: 11, match: {dir: in, app: server, proto: udp, dport: 7009}, action: {verdict: drop}}
  in-mark: {prio: 12, match: {dir: in, proto: udp, dport: 7008}, action: {mark: 0x7, dscp: 3}}
  low:     {prio: 20, match: {dir: out, app: client}, action: {dscp: 8, priority: "1:20", verdict: accept}}
YAML
ip -n a route add unreachable 10.9.112.0/24

# A socket that waits: connected, and SIGUSR1 makes it send one byte.
cat >"$WORK/hold.py" <<'PYTHON'
import signal, socket, sys
kind, src, sport, dst, dport = sys.argv[1:6]
sock = socket.socket(socket.AF_INET6 if ":" in src else socket.AF_INET,
                     socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM,
                     socket.IPPROTO_ICMP if kind == "ping" else 0)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if len(sys.argv) > 6:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(sys.argv[6], 0))
sock.bind((src, int(sport)))
try:
    sock.connect((dst, int(dport)))
except OSError:
    pass
def send(*_):
    try:
        sock.sendto(b"x", (dst, int(dport))) if kind == "udp" else sock.send(b"x")
    except OSError:
        pass
    print("SENT", flush=True)
signal.signal(signal.SIGUSR1, send)
print("READY", flush=True)
while True:
    signal.pause()
PYTHON

# explain WORDS...: the answer, in $WORK/said.
explain() {
	trace "$(cv a explain "$@")"
	cv_json a explain "$@" >"$WORK/said"
}
# said FILTER WANT: what the answer must say.
said() { expect_json "$1" "$2" "explain: $1" <"$WORK/said"; }

# Ports of the next socket, and its destination port by it.
SPORT=5000
declare -A DPORT=()

# says NAME PROGRAM SRC DST DPORT [MARK]: explains the datagram of a socket of a program, then has it
# sent. as_was_said looks for it later.
says() {
	local pid log
	title "$1"
	SPORT=$((SPORT + 1))
	log=$WORK/socket-$SPORT.log
	DPORT[$SPORT]=$5
	start_in a "socket-$SPORT" "$2" "$WORK/hold.py" udp "$3" "$SPORT" "$4" "${@:5}"
	pid=$STARTED
	wait_for 10 grep -qx READY "$log" || fail "$(<"$log")"
	explain proto udp src "$3" sport "$SPORT" dst "$4" dport "$5"
	cp "$WORK/said" "$WORK/said-$SPORT"
	kill -USR1 "$pid"
	wait_for 5 grep -qx SENT "$log" || fail "nothing was sent"
	stop "$pid"
}

# as_was_said SPORT: fails unless what was captured of that socket is what was said.
as_was_said() {
	jq -e --slurpfile said "$WORK/said-$1" --argjson sport "$1" --argjson dport "${DPORT[$1]}" '
		def packet: .inner // .outer;
		$said[0] as $said | map(select(packet.sport == $sport and packet.dport == $dport)) |
		if $said.drop then length == 0
		elif $said.tunnel then length == 1 and (.[0] |
			.tunnel == $said.outer.mode and .outer.src == $said.outer.local and
			([.outer.dst] - $said.outer.remote == []) and .outer.dscp == $said.dscp and
			.outer.proto == $said.outer.proto and .key == $said.outer.key)
		else length == 1 and (.[0] | .tunnel == null and .outer.dscp == $said.dscp)
		end' "$WORK/sent.pcap.json" >/dev/null ||
		fail "said: $(<"$WORK/said-$1"); seen: $(jq -c "map(select((.inner // .outer).sport == $1))" \
			"$WORK/sent.pcap.json")"
}

capture_start r ra "$WORK/sent.pcap"

says "a routed app: into its tunnel, rules are asked of the outer packet" \
	"$client" "$A_IN4" "$B_IN4" 7000
said '[.app, .exact, .tunnel, .outer.mode, .outer.local, .outer.remote, .outer.key, .rule, .verdict,
	.dscp, .priority, .drop]' \
	'["client", true, "blue", "gre", "'"$A4"'", ["'"$B4"'"], 42, "low", "accept", 8, "1:20", null]'
said '[.route.to, .route.ip_rule, .route.dev, .mtu == .route.mtu, .outer.route.via]' \
	'["'"$B_NET4"'", 3000, "a0", true, "192.0.2.254"]'
said '[.owner_source] - ["create", "connect"]' '[]'

says "the same in IPv6, by VXLAN over IPv6" "$client" "$A_IN6" "$B_IN6" 7000
said '[.app, .tunnel, .outer.mode, .outer.dport, .outer.key, .outer.dscp, .dscp]' \
	'["client", "six", "vxlan", 4789, 7, 12, 8]'

says "another program: plain" "$other" "$A_IN4" "$B_IN4" 7000
said '[.app, .tunnel, .outer, .rule, .route.to, .route.table]' \
	'[null, null, null, null, "'"$B_NET4"'", 254]'

says "an app without a route: plain, and known" "$server" "$A_IN4" "$B_IN4" 7000
said '[.app, .tunnel]' '["server", null]'

says "a rule drops it before the tunnel" "$client" "$A_IN4" "$B_IN4" 7009
said '[.encap.rule, .outer, .drop.reason, .drop.where]' \
	'["no-9", null, "rule_drop", "rule no-9"]'

says "a rule drops it at the device" "$other" "$A_IN4" "$B_IN4" 7009
said '[.encap, .egress.rule, .verdict, .drop.reason]' '[null, "no-9", "drop", "rule_drop"]'

says "a tunnel by destination, for everybody" "$other" "$A_IN4" 10.9.32.7 7000
said '[.app, .tunnel, .outer.mode, .outer.proto]' '[null, "red", "ipip", 4]'

says "the peer with the longest prefix" "$other" "$A_IN4" 10.9.64.200 7000
said '[.tunnel, .outer.remote]' '["green", ["198.51.100.3"]]'

says "the other peer" "$other" "$A_IN4" 10.9.64.100 7000
said '.outer.remote' '["198.51.100.2"]'

says "no peer has the destination" "$other" "$A_IN4" 10.9.65.1 7000
said '[.tunnel, .drop.reason]' '["green", "no_peer"]'

says "several remotes: one of them, by flow" "$other" "$A_IN4" 10.9.80.1 7000
said '.outer.remote | sort' '["198.51.100.2", "198.51.100.3"]'

says "the guard of a route refuses it" "$other" "$A_IN4" 10.9.96.1 7000
said '[.tunnel, .route.guard, .drop.reason, .drop.where]' \
	'["red", true, "guard", "route 10.9.96.0/24"]'

says "the guard lets a socket with the mark pass" "$other" "$A_IN4" 10.9.96.1 7000 0x5
said '[.tunnel, .route.guard, .route.mark, .mark, .drop]' '["red", true, 5, 2130706437, null]'

says "no route" "$other" "$A_IN4" 10.9.112.1 7000
said '[.route, .drop.reason]' '[null, "no_route"]'

title "all of them were sent, or not, as was said"
in_ns a ping -n -c 1 -W 2 "$B4" >/dev/null || fail "no answer from b"
capture_stop "$WORK/sent.pcap"
frames_read "$WORK/sent.pcap"
for sport in "${!DPORT[@]}"; do as_was_said "$sport"; done

title "a listener of a routed app answers through the tunnel, before anybody has connected"
echo_server a answers "$client" 7100
explain dir out proto tcp src "$A_IN4" sport 7100 dst "$B_IN4" dport 40000
said '[.app, .owner_source, .socket, .tunnel]' '["client", "listener", true, "blue"]'
capture_start r ra "$WORK/answer.pcap"
in_ns b timeout 5 /usr/bin/python3 "$TOOLS/traffic.py" tcp 1 "$A_IN4" --port 7100 --timeout 1 \
	>/dev/null && fail "b has no tunnel, and is answered"
capture_stop "$WORK/answer.pcap"
frames_read "$WORK/answer.pcap"
(($(frames_count "$WORK/answer.pcap" 'encapsulated and packet.flags == "SA" and .key == 42') > 0)) ||
	fail "no SYN-ACK in the tunnel"
stop "$STARTED"

# socket_of PROGRAM KIND SRC SPORT DST DPORT: opens a socket, which stays until it is stopped.
socket_of() {
	start_in a held "$1" "$WORK/hold.py" "${@:2}"
	wait_for 10 grep -qx READY "$WORK/held.log" || fail "$(<"$WORK/held.log")"
}

title "a connection, while it is open and when it was closed"
echo_server b echo /usr/bin/python3 7200
ECHO=$STARTED
socket_of "$server" tcp "$A_IN4" 4998 "$B_IN4" 7200
explain proto tcp src "$A_IN4" sport 4998 dst "$B_IN4" dport 7200
said '[.app, .exact, .socket]' '["server", true, true]'
explain proto tcp src "$B_IN4" sport 7200 dst "$A_IN4" dport 4998 dir in dev a0
said '[.app, .exact, .route.local]' '["server", true, true]'
explain pid "$(jq .pid "$WORK/said")" src "$A_IN4" dst "$B_IN4"
said '[.app, .socket]' '["server", true]'
stop "$STARTED"
closes() { prints TIME-WAIT in_ns a ss -Htan "sport = :4998"; }
wait_for 10 closes || fail "the connection does not close"
explain proto tcp src "$A_IN4" sport 4998 dst "$B_IN4" dport 7200
said '[.app, .owner_source, .exact]' '["server", "cookie", false]'
stop "$ECHO"

title "a ping socket"
socket_of "$client" ping "$A_IN4" 0 "$B_IN4" 0
explain proto icmp src "$A_IN4" dst "$B_IN4"
said '[.app, .tunnel]' '["client", "blue"]'
stop "$STARTED"

title "packets that arrive: whose they are, and what rules do"
echo_server a serves "$server" 7008 7009
explain dir in dev a0 proto udp src "$B_IN4" sport 4000 dst "$A_IN4" dport 7009
said '[.app, .ingress.rule, .drop.reason]' '["server", "in-no-9", "rule_drop"]'
in_ns b /usr/bin/python3 "$TOOLS/traffic.py" udp 1 "$A_IN4" --port 7009 --timeout 1 >/dev/null &&
	fail "port 7009 is answered"
explain dir in dev a0 proto udp src "$B_IN4" sport 4000 dst "$A_IN4" dport 7008
said '[.app, .rule, .mark, .dscp, .route.local, .drop]' '["server", "in-mark", 7, 3, true, null]'
in_ns b /usr/bin/python3 "$TOOLS/traffic.py" udp 1 "$A_IN4" --port 7008 --timeout 1 >/dev/null ||
	fail "port 7008 is not answered"
stop "$STARTED"

explain dir in dev a0 tunnel blue proto udp src 10.77.0.1 dst "$A_IN4" dport 7008
said '[.ingress, .drop.reason, .drop.where]' '[null, "decap_source", "tunnel blue"]'

title "without a socket"
explain proto udp src "$A_IN4" sport 4999 dst "$B_IN4" dport 7000
said '[.app, .owner_source, .socket, .tunnel]' '[null, "none", false, null]'
cv a explain proto udp src "$A_IN4" sport 4999 dst "$B_IN4" dport 7000 >"$WORK/out"
expect_line '^owner +none: no socket with that tuple is open$' "$WORK/out"
explain app client src "$A_IN4" dst "$B_IN4"
said '[.app, .owner_source, .tunnel, .outer.key]' '["client", "given", "blue", 42]'

title "sizes, and what another host sent"
explain app client src "$A_IN4" dst "$B_IN4" len 1501
said '[.too_large, .drop]' '[true, null]'
explain src 10.77.0.1 dst 10.9.32.1
said '[.forwarded, .app, .tunnel, .drop]' '[true, null, "red", null]'
explain src 10.77.0.1 dst "$B_IN4" len 1501
said '[.forwarded, .drop.reason]' '[true, "mtu"]'

title "rules that go on, and what few rules ask"
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
rules:
  marks:  {prio: 1, match: {dir: in, dport: 80-90, proto: tcp}, action: {mark: 0x5, dscp: 8, verdict: continue}}
  marked: {prio: 2, match: {dir: in, mark: 0x5, proto: tcp, tcp-flags: syn/syn+ack}, action: {priority: "1:7", verdict: continue}}
  vlan:   {prio: 3, match: {dir: in, vlan: 7, dscp: 8}, action: {verdict: accept}}
  ce:     {prio: 4, match: {dir: in, ecn: ce, fragment: no}, action: {verdict: drop}}
  label:  {prio: 5, match: {dir: in, flow-label: 9}, action: {verdict: drop}}
  echo:   {prio: 6, match: {dir: in, proto: icmp, icmp-type: echo-request, icmp-code: 0}, action: {verdict: drop}}
YAML
in="dir in dev a0 src $B_IN4 dst $A_IN4"
went='[.rule, .verdict, .mark, .dscp, .priority]'
# shellcheck disable=SC2086 # words
explain $in proto tcp dport 80 tcp-flags syn
said "$went" '["marked", "next", 5, 8, "1:7"]'
# shellcheck disable=SC2086 # words
explain $in proto tcp dport 80 tcp-flags syn+ack
said "$went" '["marks", "next", 5, 8, null]'
# shellcheck disable=SC2086 # words
explain $in proto tcp dport 80 tcp-flags syn vlan 7
said "$went" '["vlan", "accept", 5, 8, "1:7"]'
# shellcheck disable=SC2086 # words
explain $in proto tcp dport 91 tcp-flags syn vlan 7
said "$went" '[null, "next", 0, 0, null]'
# shellcheck disable=SC2086 # words
explain $in proto udp ecn ce
said .drop.where '"rule ce"'
# shellcheck disable=SC2086 # words
explain $in proto udp ecn ce fragment yes
said .drop null
# shellcheck disable=SC2086 # words
explain $in proto icmp icmp-type echo-request
said .drop.where '"rule echo"'
# shellcheck disable=SC2086 # words
explain $in proto icmp icmp-type echo-reply
said .drop null
explain dir in dev a0 src "$B_IN6" dst "$A_IN6" flow-label 9
said .drop.where '"rule label"'

title "wrong words"
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN4" proto udp tcp-flags syn
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN4" proto icmpv6 icmp-type 1
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN4" flow-label 9
expect_status 1 cv a explain src "$A_IN4"
expect_line 'dst: not given' "$WORK/err"
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN6"
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN4" dport 80
expect_status 1 cv a explain src "$A_IN4" dst "$B_IN4" tunnel blue
expect_status 1 cv a explain srcc "$A_IN4"
expect_line 'did you mean "src"' "$WORK/err"
expect_status 2 cv a explain src "$A_IN4" dst "$B_IN4" app nobody
expect_status 2 cv a explain dir in src "$B_IN4" dst "$A_IN4" tunnel nobody
expect_status 2 cv b explain src "$B_IN4" dst "$A_IN4"
