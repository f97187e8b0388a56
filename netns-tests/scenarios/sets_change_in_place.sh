#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules ask sets by name, plain and negated. A set is replaced, by elements and by files, while 5,000
# datagrams a second go by: each of them meets two sets that are swapped as they were before the swap or
# behind it, none is lost, and the rules' counters go on. A set of 100,000 prefixes does its work, and
# stays what it is when its file has gone. What is wrong is refused, and the rules go on.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
echo_server b server "$(program_copy server)" 7001 7002 7003
TO=$B_IN4,$B_IN6

# udp PORT COUNT: datagrams from a and their echoes, half of each IPv6.
udp() { in_ns a "$client" "$TOOLS/traffic.py" udp "$2" "$TO" --port "$1" --timeout 1; }
passes() { udp "$@" || fail "port $1 is not answered"; }
blocked() { ! udp "$@" || fail "port $1 is answered"; }

# rule_packets NS NAME: what the rule has counted.
rule_packets() { cv_json "$1" rule show | jq --arg name "$2" '.[] | select(.name == $name).packets'; }
# ranges NS NAME: of the set, as the kernel has it.
ranges() { cv_json "$1" set show | jq --arg name "$2" '.[] | select(.name == $name).ranges'; }

title "a set that no rule asks yet"
echo 7001,7003 >"$WORK/early"
expect_status 0 cv a dev add a0
expect_status 0 cv a set add early type port file "$WORK/early"
expect_equal 2 "$(ranges a early)" "ranges of a set without rules"
rm "$WORK/early"
expect_status 0 cv a rule add early match dir out proto udp dport @early action drop
blocked 7001 4
passes 7002 4
expect_status 0 cv a rule del early
expect_equal 2 "$(ranges a early)" "ranges of a set without rules again"
expect_status 0 cv a down

title "a source in a set of prefixes, of elements and of a file"
printf '%s\n' '# nobody yet' '203.0.113.0/24, 2001:db8:ffff::/48' >"$WORK/blocked"
apply_state b <<YAML
devices: {b0: {ingress: true, egress: true}}
sets:
  blocked: {type: prefix, elements: 203.0.113.128/25, file: $WORK/blocked}
rules:
  no-blocked: {prio: 10, match: {dir: in, src: "@blocked"}, action: {verdict: drop}}
YAML
expect_equal 2 "$(ranges b blocked)" "ranges of blocked"
passes 7001 4
printf '%s/32\n' "$A_IN4" >>"$WORK/blocked"
passes 7001 4 # the file alone changes nothing
expect_status 0 cv b set replace blocked type prefix file "$WORK/blocked"
! in_ns a ping -n -c 1 -W 1 -I "$A_IN4" "$B_IN4" >/dev/null || fail "a blocked source is answered"
in_ns a ping -n -c 1 -W 5 -I "$A4" "$B4" >/dev/null || fail "another source is not answered"
in_ns a ping -n -c 1 -W 5 "$B_IN6" >/dev/null || fail "IPv6 is not answered"
expect_status 0 cv b set replace blocked type prefix elements "$A_IN6,$A_NET4"
blocked 7001 4
expect_equal 5 "$(rule_packets b no-blocked)" "packets of no-blocked"
expect_status 0 cv b set replace blocked type prefix
passes 7001 4
expect_equal 5 "$(rule_packets b no-blocked)" "packets of no-blocked with an empty set"
expect_json . '[{"name": "blocked", "type": "prefix", "elements": [], "file": null, "ranges": 0}]' \
	"set show" < <(cv_json b set show)

title "a port that is not in a set"
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
sets:
  ports: {type: port, elements: [7001, 7003-7999]}
rules:
  others: {prio: 10, match: {dir: out, proto: udp, dport: not @ports}, action: {dscp: 8}}
YAML
capture_start r ra "$WORK/not.pcap" 'udp or icmp or icmp6'
passes 7001 4
passes 7002 4
in_ns a ping -n -c 1 -W 5 "$B_IN4" >/dev/null || fail "no ping"
capture_stop "$WORK/not.pcap"
frames_read "$WORK/not.pcap"
of=$WORK/not.pcap
expect_equal 4 "$(frames_count "$of" 'plain and packet.dport == 7001 and packet.dscp == 0')" "in the set"
expect_equal 4 "$(frames_count "$of" 'plain and packet.dport == 7002 and packet.dscp == 8')" "not in it"
expect_equal 0 "$(frames_count "$of" 'plain and packet.dport == null and packet.dscp != 0')" \
	"without ports, and taken as not in the set"
expect_equal 4 "$(rule_packets a others)" "packets of others"

title "two sets are swapped under traffic"
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
sets:
  x: {type: port, elements: 9100}
  y: {type: port, elements: 9101}
rules:
  first:  {prio: 10, match: {dir: out, proto: udp, dport: "@x"}, action: {dscp: 8}}
  second: {prio: 20, match: {dir: out, proto: udp, dport: "@y"}, action: {dscp: 16}}
YAML
echo 9100 >"$WORK/here"
echo 9101 >"$WORK/there"
start_in b receiver /usr/bin/python3 "$TOOLS/stream.py" receive 9100
receiver=$STARTED
wait_for 10 grep -qx READY "$WORK/receiver.log" || fail "$(<"$WORK/receiver.log")"
capture_start r ra "$WORK/swap.pcap" 'udp dst port 9100'
start_in a sender /usr/bin/python3 "$TOOLS/stream.py" send "$B_IN4" 9100 5000
sender=$STARTED
for ((i = 0; i < 25; i++)); do
	cv a -batch - <<-BATCH || fail "the sets were not swapped"
		set replace x type port elements 9101
		set replace y type port file $WORK/here
	BATCH
	cv a -batch - <<-BATCH || fail "the sets were not swapped back"
		set replace x type port file $WORK/here
		set replace y type port elements 9101
	BATCH
done
kill "$sender"
wait "$sender" || fail "the sender: $(<"$WORK/sender.log")"
wait "$receiver" || fail "the receiver: $(<"$WORK/receiver.log")"
capture_stop "$WORK/swap.pcap"
result=$(tail -n 1 "$WORK/receiver.log")
title "$result"
expect_equal '[0,0]' "$(jq -c '[.lost, .twice]' <<<"$result")" "datagrams lost and twice"
frames_read "$WORK/swap.pcap"
of=$WORK/swap.pcap
sent=$(($(jq .sent <<<"$result") + 5)) # it ends with five that say how many there were
expect_equal "$sent" "$(frames_count "$of" true)" "datagrams on the wire"
expect_equal "8 16" "$(frames_values "$of" true packet.dscp | tr '\n' ' ' | sed 's/ $//')" \
	"DSCP of what was sent: that of one rule or of the other"
expect_equal "$(frames_count "$of" 'packet.dscp == 8') $(frames_count "$of" 'packet.dscp == 16')" \
	"$(rule_packets a first) $(rule_packets a second)" "packets of the two rules, all swaps together"

title "100,000 prefixes"
/usr/bin/python3 - "$WORK/large" "$A_IN4" "$A_IN6" <<'PYTHON'
import random, sys
random.seed(5)
with open(sys.argv[1], "w") as out:
    for _ in range(50000):
        out.write("%d.%d.%d.0/24\n" % tuple(random.randrange(20, 224) for _ in range(3)))
    for _ in range(49998):
        out.write("2001:db8:%x:%x::/64\n" % (random.randrange(256, 65536), random.randrange(65536)))
    print(sys.argv[2] + "/32", sys.argv[3] + "/128 # both of a", sep="\n", file=out)
PYTHON
begin=${EPOCHREALTIME/[.,]/}
expect_status 0 cv b set replace blocked type prefix file "$WORK/large"
took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
title "loaded in $took ms"
((took < 5000 * ${CULVERT_TEST_SLOWNESS:-1})) || fail "100,000 prefixes took $took ms"
(($(ranges b blocked) > 90000)) || fail "blocked has $(ranges b blocked) ranges"
blocked 7001 4
in_ns a ping -n -c 1 -W 5 -I "$A4" "$B4" >/dev/null || fail "another source is not answered"

title "the set stays when its file has gone"
mv "$WORK/large" "$WORK/gone"
expect_status 0 cv b rule add other prio 20 match dir in proto udp dport 7003 action drop
blocked 7001 4
expect_status 0 cv b rule del other
blocked 7001 4
expect_status 1 cv b repair
expect_line "set blocked: file $WORK/large: No such file or directory" "$WORK/err"
mv "$WORK/gone" "$WORK/large"
sed -i "/^$A_IN4/d; /^$A_IN6/d" "$WORK/large"
expect_status 0 cv b repair
passes 7001 4

title "a change that fails behind the sets is undone, sets of files included"
printf '%s\n' "$A_IN4" "$A_IN6" >"$WORK/two"
expect_status 0 cv b set replace blocked type prefix file "$WORK/two"
blocked 7001 4
in_ns b ip route add 192.168.0.0/24 via 198.51.100.254 table 77
: >"$WORK/two"
expect_status 2 cv b -batch - <<BATCH
tunnel add blue mode gre local $B4 remote $A4
set replace blocked type prefix file $WORK/two
route add 192.168.0.0/24 tunnel blue table 77
BATCH
expect_equal 2 "$(ranges b blocked)" "ranges of blocked behind the failure"
blocked 7001 4
expect_status 0 cv b repair
passes 7001 4

title "what is wrong is refused, and the rules go on"
printf '%s\n' 10.1.0.0/16 '10.2.0.1/16, 10.3.0.0/16' 10.4.0.0/33 >"$WORK/wrong"
expect_status 1 cv b set replace blocked type prefix file "$WORK/wrong"
expect_line "^$WORK/wrong:2:1: error: set blocked \"10.2.0.1/16\": has host bits set" "$WORK/err"
expect_line "^$WORK/wrong:3:1: error: set blocked \"10.4.0.0/33\": not a prefix" "$WORK/err"
expect_status 1 cv b -j set replace blocked type prefix file "$WORK/wrong"
expect_json '[.errors[] | [.file, .line]]' "[[\"$WORK/wrong\", 2], [\"$WORK/wrong\", 3]]" "errors" <"$WORK/err"
expect_status 1 cv b set replace blocked type port elements 90-80
expect_line 'the range is inverted' "$WORK/err"
expect_status 1 cv b set replace blocked type port elements 80
expect_line 'rule no-blocked: src asks set blocked, whose type is port' "$WORK/err"
expect_status 2 cv b set del blocked
expect_line 'set blocked: in use by rule no-blocked; delete that first' "$WORK/err"
expect_status 1 cv b rule add wrong match src @nothing action drop
expect_line 'rule wrong: there is no set nothing' "$WORK/err"
expect_status 2 cv b set add blocked type prefix
expect_line "set blocked: exists; use 'set replace' or delete it" "$WORK/err"
passes 7001 4
expect_status 0 cv b rule del no-blocked
expect_status 0 cv b set del blocked
expect_equal '[]' "$(cv_json b set show)" "sets that are left"
