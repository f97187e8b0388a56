#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules do what they say: mark, priority, DSCP, drop, accept (ends the tc chain) and next (goes on
# to the next filter); the first match by prio wins, and each rule counts what it matched.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
other=$(program_copy other)
server=$(program_copy server)
TO=$B_IN4,$B_IN6
echo_server b server "$server" 7001 7002 7003 7004 7005 7006 7007 7008
DEVICES='devices: {a0: {ingress: true, egress: true}}'

# udp PROGRAM PORT COUNT: datagrams of a program and their echoes, half of each IPv6.
udp() { in_ns a "$1" "$TOOLS/traffic.py" udp "$3" "$TO" --port "$2" --timeout 1; }
passes() { udp "$@" || fail "port $2 is not answered"; }
blocked() { ! udp "$@" || fail "port $2 is answered"; }

# rule_packets NAME: what the rule has counted.
rule_packets() { cv_json a rule show | jq --arg name "$1" '.[] | select(.name == $name).packets'; }

title "mark on the way in, seen by nftables"
apply_state a <<YAML
$DEVICES
rules:
  in: {prio: 10, match: {dir: in, proto: udp, sport: 7001}, action: {mark: 0x5}}
YAML
in_ns a nft -f - <<'NFT'
table inet seen {
	counter marked { }
	chain input {
		type filter hook input priority 0;
		meta mark & 0xff == 0x5 counter name marked
	}
}
NFT
passes "$client" 7001 10
passes "$client" 7002 4
expect_equal 10 "$(in_ns a nft -j list counter inet seen marked |
	jq '[.nftables[].counter.packets // empty][0]')" "marked packets"
expect_equal 10 "$(rule_packets in)" "packets of rule in"

title "mark on the way out, seen by the next tc filter, which drops what is marked"
apply_state a <<YAML
$DEVICES
rules:
  out: {prio: 10, match: {dir: out, proto: udp, dport: 7001}, action: {mark: 0x5, verdict: next}}
YAML
# ld mark; and 0xff; if 5 return TC_ACT_SHOT else TC_ACT_UNSPEC
in_ns a tc filter add dev a0 egress prio 5000 handle 1 bpf da bytecode \
	'5,32 0 0 4294963220,84 0 0 255,21 0 1 5,6 0 0 2,6 0 0 4294967295'
blocked "$client" 7001 2
passes "$client" 7002 4
in_ns a tc filter del dev a0 egress prio 5000

title "priority chooses the HTB class"
in_ns a tc qdisc add dev a0 root handle 1: htb default 30
in_ns a tc class add dev a0 parent 1: classid 1:20 htb rate 1gbit
in_ns a tc class add dev a0 parent 1: classid 1:30 htb rate 1gbit
apply_state a <<YAML
$DEVICES
apps:
  client: {exe: $client}
rules:
  low: {prio: 10, match: {app: client, dir: out, proto: udp}, action: {priority: "1:20"}}
YAML
class_packets() {
	in_ns a tc -s class show dev a0 | awk -v class="$1" \
		'$1 == "class" { found = $3 == class } found && $1 == "Sent" { print $4 }'
}
passes "$client" 7001 10
expect_equal 10 "$(class_packets 1:20)" "packets in class 1:20"
passes "$other" 7001 6
expect_equal 10 "$(class_packets 1:20)" "packets in class 1:20 after another program's"
expect_equal 10 "$(rule_packets low)" "packets of rule low"
in_ns a tc qdisc del dev a0 root

title "DSCP, with right checksums"
offloads_off a a0
offloads_off b b0
apply_state a <<YAML
$DEVICES
apps:
  client: {exe: $client}
rules:
  cs1: {prio: 10, match: {app: client, dir: out}, action: {dscp: 8}}
YAML
capture_start r ra "$WORK/dscp.pcap"
passes "$client" 7001 10
in_ns a "$client" "$TOOLS/traffic.py" tcp 10 "$TO" --port 7001 || fail "tcp does not pass"
passes "$other" 7002 10
capture_stop "$WORK/dscp.pcap"
frames_read "$WORK/dscp.pcap" --strict
of=$WORK/dscp.pcap
from_a='(packet.proto == 6 or packet.proto == 17) and packet.dport'
for family in 4 6; do
	is="plain and packet.family == $family"
	expect_equal 5 "$(frames_count "$of" "$is and packet.proto == 17 and $from_a == 7001 and
		packet.dscp == 8")" "IPv$family datagrams with DSCP 8"
	expect_equal 5 "$(frames_count "$of" "$is and packet.flags == \"S\" and packet.dscp == 8")" \
		"IPv$family SYNs with DSCP 8"
done
expect_equal 0 "$(frames_count "$of" "plain and $from_a == 7001 and packet.dscp != 8")" \
	"packets of the client with another DSCP"
expect_equal 0 "$(frames_count "$of" "plain and $from_a == 7002 and packet.dscp != 0")" \
	"packets of another program with a DSCP"
expect_tshark_clean "$of"

title "drop; the first match by prio wins; accept ends the chain, next does not"
apply_state a <<YAML
$DEVICES
rules:
  last:   {prio: 90, match: {proto: udp, dport: 7000-7999}, action: {verdict: drop}}
  first:  {prio: 10, match: {dir: out, proto: udp, dport: 7001}, action: {verdict: next}}
  second: {prio: 20, match: {dir: out, proto: udp, dport: 7001-7002}, action: {verdict: accept}}
YAML
passes "$client" 7001 4
passes "$client" 7002 6
blocked "$client" 7003 2
expect_equal "4 6 2" "$(rule_packets first) $(rule_packets second) $(rule_packets last)" \
	"packets of the three rules"
# A foreign filter behind culvert's drops all UDP that reaches it: IPv4 or IPv6, protocol 17.
in_ns a tc filter add dev a0 egress prio 5000 handle 1 bpf da bytecode \
	'9,40 0 0 12,21 0 2 2048,48 0 0 23,5 0 0 2,21 0 3 34525,48 0 0 20,21 0 1 17,6 0 0 2,6 0 0 4294967295'
passes "$client" 7002 6
blocked "$client" 7001 2
blocked "$client" 7003 2
in_ns a tc filter del dev a0 egress prio 5000
passes "$client" 7001 4

title "rules are shown in the order in which they are asked"
expect_equal '["first","second","last"]' "$(cv_json a rule show | jq -c 'map(.name)')" "rule show"
