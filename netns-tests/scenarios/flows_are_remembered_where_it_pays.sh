#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# With many rules each CPU remembers what rule a flow met; a change of a rule is heeded by the next
# packet all the same, and a state can turn it off.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
# many RULES OPTIONS: applies a state with so many rules of ten ports each, and one for pings.
many() {
	{
		printf 'options: {%s}\ndevices: {a0: {}}\nrules:\n' "$2"
		for ((i = 0; i < $1; i++)); do
			printf '  r%s: {match: {dir: out, proto: udp, dport: [' $i
			seq -s , $((10000 + 20 * i)) 2 $((10018 + 20 * i)) | tr '\n' ']'
			printf '}, action: {verdict: drop}}\n'
		done
		printf '  last: {prio: 2000, match: {dir: out, proto: icmp}, action: {verdict: next}}\n'
	} >"$WORK/a.yaml"
	cv a apply "$WORK/a.yaml"
}
# Numbers from lists of their bytes, the lowest first, on stdin.
numbers() { jq -r 'map(ltrimstr("0x")) | reverse | join("")' | sed 's/^/16#/'; }
cache_ids() {
	bpftool -j map dump pinned "$(echo "$WORK"/bpf/v1/ns-*/maps/cv_caches)" | jq -c '.[].value' |
		numbers
}
caches() { cache_ids | wc -l; }
# Packets that were remembered, on all CPUs: the second number of each cache.
hits() {
	local id sum=0
	for id in $(cache_ids); do
		sum=$((sum + $(bpftool -j map dump id $((id)) | jq -c '.[0].value[8:16]' | numbers)))
	done
	printf '%s\n' "$sum"
}
pings() { in_ns a taskset -c 0 /usr/bin/python3 "$TOOLS/traffic.py" ping 5 "$B_IN4" --timeout 1 >/dev/null; }
counted() { cv_json a rule show last | jq '.[0].packets'; }

title "few rules: nothing is remembered"
many 3 ""
expect_equal 0 "$(caches)" "caches"
pings || fail "pings are not answered"

title "many rules: every CPU has a cache, and packets of a flow are remembered"
many 210 ""
expect_equal "$(getconf _NPROCESSORS_CONF)" "$(caches)" "caches"
pings || fail "pings are not answered"
expect_equal 10 "$(counted)" "packets of the rule, with those before"
expect_equal 4 "$(hits)" "packets that were remembered"

title "a rule that changes is heeded by the next packet"
cv a rule replace last prio 2000 match dir out proto icmp action drop
! pings || fail "pings are answered"
cv a rule replace last prio 2000 match dir out proto icmp action next
pings || fail "pings are not answered again"

title "a state turns it off"
many 210 "flow-cache: off"
expect_equal 0 "$(caches)" "caches"
pings || fail "pings are not answered"
