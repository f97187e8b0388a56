#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A batch is the command line's own words, one command a line. All its changes come together or not
# at all, and an error names the line; what the kernel refuses names the line that asked for it.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites

batch=$WORK/batch
save() { cv a save; }

title "a batch is applied"
cat >"$batch" <<-BATCH
	# comments and empty lines are allowed

	dev add a0
	tunnel add blue mode gre local $A4 remote $B4 key 42   # as are comments behind a command
	app add batch comm 'two words'
	route add 10.9.0.0/16 tunnel blue app batch
	rule add low prio 10 match app batch dir out action dscp cs1
BATCH
cv a -batch "$batch"
expect_equal '["low"]' "$(cv a -j rule show | jq -c 'map(.name)')" "rules after the batch"
expect_equal 1 "$(cv a -j route show | jq length)" "routes after the batch"
before=$(save)

title "a wrong word in the last line: nothing of the batch is applied"
printf 'rule del low\ntunnel add red mode ipip local %s remote %s\nrule add x match dprt 23 action drop\n' \
	"$A4" "$B4" >"$batch"
expect_status 1 cv a -batch "$batch"
expect_line "$batch:3" "$WORK/err"
expect_line 'did you mean "dport"' "$WORK/err"
expect_equal "$before" "$(save)" "state after the refused batch"

title "the kernel refuses a line: nothing of the batch is applied, the line is named"
in_ns a ip route add 198.51.100.0/24 dev a0 table 77
printf 'rule del low\nroute add 198.51.100.0/24 tunnel blue table 77\n' >"$batch"
expect_status 2 cv a -batch "$batch"
expect_line "$batch:2" "$WORK/err"
expect_equal "$before" "$(save)" "state after the batch that failed"
expect_equal '["low"]' "$(cv a -j rule show | jq -c 'map(.name)')" "rules after the batch that failed"

title "an error is one JSON object with file and line"
expect_status 2 cv a -j -batch "$batch"
expect_equal "[\"EEXIST\",\"$batch\",2]" "$(jq -c '.error | [.code, .file, .line]' "$WORK/err")" "error"

title "objects in use, twice, or not there"
expect_status 2 cv a tunnel del blue
expect_line 'in use by route 10.9.0.0/16' "$WORK/err"
expect_status 2 cv a tunnel add blue mode gre local "$A4" remote "$B4"
expect_line 'tunnel replace' "$WORK/err"
expect_status 2 cv a rule del nosuch
expect_equal "$before" "$(save)" "state after refused commands"
