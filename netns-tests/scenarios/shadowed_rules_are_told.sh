#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules that no packet ever meets, since others before them match all its packets: `check` and `apply`
# warn with both places, `rule show -v` names both.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites

state=$WORK/shadowed.yaml
cat >"$state" <<-'STATE'
	devices:
	  a0: {egress: true}
	rules:
	  narrow: {prio: 20, match: {dst: 10.9.1.0/24, proto: udp}, action: {verdict: drop}}
	  wide: {prio: 10, match: {dst: 10.9.0.0/16}, action: {verdict: accept}}
	  other: {prio: 30, match: {dst: 10.8.0.0/16}, action: {verdict: accept}}
STATE

title "check and apply warn"
for verb in check apply; do
	expect_status 0 cv a "$verb" "$state"
	expect_line "^$state:4:3: warning: rule narrow: never matches: rule wide \($state:5:3\) before it" "$WORK/err"
done

title "rule show -v names them"
cv a -v rule show >"$WORK/out"
expect_line '^rule narrow: never matches: rule wide before it matches all its packets$' "$WORK/out"
cv a rule show >"$WORK/out"
! grep -q 'never matches' "$WORK/out" || fail "rule show says it without -v"
cv a -v rule show other >"$WORK/out"
! grep -q 'never matches' "$WORK/out" || fail "rule show other tells of another one"

title "mended, nothing is said"
cv a rule replace wide prio 40 match dst 10.9.0.0/16 action accept
cv a -v rule show >"$WORK/out"
! grep -q 'never matches' "$WORK/out" || fail "a rule that is met is told of"
