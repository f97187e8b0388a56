#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules change while packets pass, some in place and all at once: each packet meets one version as a
# whole, none meets no rule, counters of rules that stay go on, and the memory of what is gone is given
# back.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
VERSIONS=40

# state_of VERSION: DSCP is the version, whichever of two rules sets it: one among the first, or the last
# of all. Those between them are others in each version, and how many they are, too.
state_of() {
	local i
	printf 'devices: {a0: {egress: true}}\nrules:\n'
	printf '  first: {prio: 1, match: {dir: out, proto: udp, sport: 6001}, action: {dscp: %d}}\n' "$1"
	for ((i = 0; i < 40 + $1 % 7 * 100; i++)); do
		printf '  v%d-%d: {prio: 2, match: {dir: out, proto: udp, dst: 10.9.%d.0/24, dport: %d}, action: {dscp: 62}}\n' \
			"$1" "$i" $((i % 200 + 7)) $((8000 + i + $1))
	done
	printf '  last: {prio: 9, match: {dir: out, proto: udp}, action: {dscp: %d}}\n' "$1"
}

# change_to VERSION: a few rules change, in one transaction.
change_to() {
	printf '%s\n' \
		"rule replace first prio 1 match dir out proto udp sport 6001 action dscp $1" \
		"rule add x$1 prio 3 match dir out proto udp dport 9$1 action dscp 61" \
		"rule replace last prio 9 match dir out proto udp action dscp $1" >"$WORK/batch"
	cv a -batch "$WORK/batch"
}

rule_packets() { cv_json a rule show "$1" | jq '.[0].packets'; }
# Ids of the arrays that hold images of this instance.
images() {
	bpftool -j map dump pinned "$WORK"/bpf/v1/ns-*/maps/cv_rules |
		jq -r '.[].value | "0x" + (map(ltrimstr("0x")) | reverse | add)' | sort -u
}
# True if the arrays of images that there were once are gone, but for those that are read now.
others_are_gone() {
	local id
	while read -r id; do
		! bpftool map show id "$id" >/dev/null 2>&1 || return 1
	done < <(comm -23 <(sort -u "$WORK/images") <(images))
}
has_counted() { (($(rule_packets first) > $1)); }

title "packets of two sources pass"
state_of 1 >"$WORK/state.yaml"
cv a apply "$WORK/state.yaml"
expect_equal 1 "$(images | wc -l)" "images"
start_in b receive /usr/bin/python3 "$TOOLS/versions.py" receive "$B_IN4" 7001
receiver=$STARTED
wait_for 10 grep -q listening "$WORK/receive.log" || fail "nobody listens"
start_in a send /usr/bin/python3 "$TOOLS/versions.py" send "$B_IN4" 7001
sender=$STARTED
wait_for 10 has_counted 500 || fail "no packets"

title "rules change $VERSIONS times, by turns all of them and a few"
for ((version = 2; version <= VERSIONS; version++)); do
	before=$(rule_packets first)
	if ((version % 2)); then
		state_of "$version" >"$WORK/state.yaml"
		cv a apply "$WORK/state.yaml"
	else
		change_to "$version"
	fi
	images >>"$WORK/images"
	wait_for 10 has_counted "$before" || fail "version $version: the counter of a rule that stays does not go on"
done
stop "$sender"
stop "$receiver"
counted=$(rule_packets first)
tail -n 1 "$WORK/receive.log" >"$WORK/seen.json"
expect_json '.versions' "[$(seq -s, 1 "$VERSIONS")]" "versions that packets met, in their order" <"$WORK/seen.json"
expect_json '.back' 0 "packets that met an older version than one before them" <"$WORK/seen.json"
received=$(jq '.received' "$WORK/seen.json")
((counted >= received / 2)) || fail "rule first counted $counted packets, half of $received arrived"

title "what was replaced is gone"
expect_equal 1 "$(images | wc -l)" "images"
replaced=$(sort -u "$WORK/images" | wc -l)
((replaced >= VERSIONS / 4)) || fail "there were $replaced images"
wait_for 10 others_are_gone || fail "arrays of images are left: $(sort -u "$WORK/images" | paste -sd' ')"

title "nothing changes: nothing is written"
word() { bpftool -j map dump pinned "$WORK"/bpf/v1/ns-*/maps/cv_live | jq -c '.[0].value'; }
before=$(word)
cv a apply "$WORK/state.yaml"
cv a apply "$WORK/state.yaml"
after=$(word)
cv a repair
expect_equal "$after" "$(word)" "the live word after a repair of what is right"
[[ $before != "$after" ]] || fail "the live word did not tell the change before"

title "status tells of rules, and of some that are missing"
of_image() { cv_json a status | jq -c '[.rules, .image.rules, .image.bytes > 0, .image.steps > 0, .problems]'; }
count=$(cv_json a rule show | jq length)
expect_equal "[$count,$count,true,true,[]]" "$(of_image)" "status"
# No rules, as far as packets go.
bpftool map update pinned "$WORK"/bpf/v1/ns-*/maps/cv_live key 0 0 0 0 value 0 0 0 0 0 0 0 0
expect_json '.problems' "[\"0 of $count rules are in the kernel: 'culvert repair'\"]" \
	"problems without rules in the kernel" < <(cv_json a status)
cv a repair
expect_equal "[$count,$count,true,true,[]]" "$(of_image)" "status after a repair"
