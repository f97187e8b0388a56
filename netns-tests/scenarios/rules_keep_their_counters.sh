#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a rule has counted, and when it was last met, stays with its name whatever changes around it;
# a rule that comes begins at zero, also with the counters of one that went.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
server=$(program_copy server)
echo_server b server "$server" 7001 7002

passes() { in_ns a "$client" "$TOOLS/traffic.py" udp "$2" "$B_IN4" --port "$1" --timeout 1 ||
	fail "port $1 is not answered"; }
# shown: name, packets, whether it was ever met, of all rules.
shown() { cv_json a rule show | jq -c 'map([.name, .packets, .last_hit != null])'; }
last_hit() { cv_json a rule show "$1" | jq '.[0].last_hit'; }
has_idled() { (($(last_hit "$1") >= $2)); }

title "a rule that no packet met was never hit"
cv a dev add a0
cv a rule add one prio 10 match dir out proto udp dport 7001 action next
cv a rule add two prio 20 match dir out proto udp dport 7002 action next
expect_equal '[["one",0,false],["two",0,false]]' "$(shown)" "rules without packets"
expect_equal null "$(last_hit one)" "last hit"
cv a -s rule show one >"$WORK/table"
expect_line '^RULE .* LAST HIT$' "$WORK/table"
expect_line '^one .* never$' "$WORK/table"

title "packets are counted, and the last one is remembered"
passes 7001 5
passes 7002 3
expect_equal '[["one",5,true],["two",3,true]]' "$(shown)" "rules with packets"
wait_for 10 has_idled one 1 || fail "the time since the last packet stands still"
passes 7001 1
expect_equal 0 "$(last_hit one)" "seconds since a packet that just came"
cv a -s rule show one >"$WORK/table"
expect_line '^one .* [01]s ago$' "$WORK/table"

title "other rules come, go and change: counters stay"
cv a rule add zero prio 5 match dir out proto udp dport 9 action next
cv a rule replace two prio 1 match dir out proto udp dport 7002 action dscp 8
expect_equal '[["two",3,true],["zero",0,false],["one",6,true]]' "$(shown)" "rules after changes"
cv a rule del zero
expect_equal '[["two",3,true],["one",6,true]]' "$(shown)" "rules after one went"

title "who comes in the place of another begins at zero"
cv a rule del one
cv a rule add one prio 10 match dir out proto udp dport 7001 action next
expect_equal '[["two",3,true],["one",0,false]]' "$(shown)" "a rule that was away"
passes 7001 2
passes 7002 1
cv a rule del one
cv a rule add one prio 10 match dir out proto udp dport 7001 action next
passes 7002 1
expect_equal '[["two",5,true],["one",0,false]]' "$(shown)" "a rule that was away while others were met"
printf '%s\n' "rule del two" "rule add new prio 1 match dir out proto udp dport 7002 action next" \
	>"$WORK/batch"
cv a -batch "$WORK/batch"
expect_equal '[["new",0,false],["one",0,false]]' "$(shown)" "a rule in the place of another"

title "a rule behind a thousand others keeps its counters, too"
for ((i = 0; i < 1100; i++)); do
	printf 'rule add r%d prio 100 match dir in proto udp dport %d action next\n' "$i" $((10000 + i))
done >"$WORK/batch"
cv a -batch "$WORK/batch"
cv a rule add late prio 5 match dir out proto udp dport 7001 action next
passes 7001 2
cv a rule add last prio 300 match dir out proto udp dport 9 action next
expect_json 'map([.packets, .last_hit != null])' '[[2, true]]' "a rule that came after a thousand" \
	< <(cv_json a rule show late)
