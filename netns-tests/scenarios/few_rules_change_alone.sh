#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A command that changes single rules looks at no others. After hundreds of random changes, some of
# them killed on their way, text and kernel have what an apply of it all makes anew: the same text, the
# same rules in the same order, and the same packets meet them.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

SEED=${SEED:-$RANDOM}
STEPS=${STEPS:-300}

for ns in a b; do
	netns_add "$ns"
	veth_pair "$ns" e0 "$ns" p0
	address "$ns" e0 192.0.2.1/24
	ip -n "$ns" route add 198.51.100.0/24 dev e0
done

title "random changes, seed $SEED"
read -r steps alone <<<"$(/usr/bin/python3 "$TOOLS/edits.py" change "$SEED" "$STEPS" "$WORK/state.yaml" \
	$((STEPS / 10)) -- "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n a)"
[[ -n $alone ]] || fail "the changes did not come to their end (SEED=$SEED)"
# Those with lists that become sets of their own are made with all others.
((alone * 3 > steps)) || fail "of $steps changes only $alone left the other rules alone"

title "an apply of it all makes the same"
cv b apply "$WORK/state.yaml" 2>"$WORK/err" || fail "apply: $(<"$WORK/err")"
expect_equal "$(cv b save)" "$(cv a save)" "state"
rules_of() { cv "$1" -j rule show | jq -c 'map({name, prio})'; }
expect_equal "$(rules_of b)" "$(rules_of a)" "rules in their order"

title "the same packets meet them"
counted() { cv "$1" -j rule show | jq -c 'map({key: .name, value: .packets}) | from_entries'; }
before=$(counted a)
for ns in a b; do
	in_ns "$ns" /usr/bin/python3 "$TOOLS/edits.py" send "$SEED" 4000 p0
done
all_counted() { [[ $(counted b | jq 'add // 0') -ge $1 ]]; }
wait_for 5 all_counted 100 || fail "rules counted no packets"
expect_equal "$(counted b | jq -S .)" \
	"$(jq -S --argjson before "$before" 'with_entries(.value -= $before[.key])' <<<"$(counted a)")" \
	"packets by rule"

title "what is refused is said as ever"
cv a rule add first prio 5 match proto tcp action drop
expect_status 2 cv a rule add first prio 5
expect_line 'rule first: exists' "$WORK/err"
expect_status 2 cv a rule del nosuch
expect_line 'rule nosuch: there is none' "$WORK/err"
expect_status 1 cv a rule add two match app nobody
expect_line 'there is no app nobody' "$WORK/err"
expect_status 2 cv a rule add two match dev nothing9
expect_line 'there is no device nothing9' "$WORK/err"

title "what somebody else wrote is not taken for what was applied"
sed -i 's/^  first: .*/  first: {prio: 7, action: {verdict: accept}}/' "$WORK"/state/ns-*/state.yaml
expect_status 0 cv a -v rule add three prio 9 action accept
! grep -q 'not looked at' "$WORK/err" || fail "the text was changed, and the stamp taken for good"
expect_equal 7 "$(cv a -j rule show first | jq '.[0].prio')" "prio of the rule that was changed by hand"
# The random changes may have filled an image: then one more builds it anew, and that after it finds room.
alone() {
	expect_status 0 cv a -v rule add "$1" prio 9 action accept
	grep -qE 'rules: 1 changed and [0-9]+ not looked at' "$WORK/err"
}
alone four || alone five || fail "the text is whose it was, and its stamp is not believed"
