#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A thousand tunnels come with one change and have one program, to which a stub of each leads. Where
# that program is gone, their packets are dropped and counted, and none goes out as it is; `diff`
# tells, and `repair` mends it. Applied again, nothing changes.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

TUNNELS=1000 OURS=777

# state LOCAL REMOTE TO DEV SRC: as many tunnels, told apart by their keys, and a route into one.
state() {
	local n
	printf 'devices:\n  %s: {ingress: true, egress: true}\ntunnels:\n' "$4"
	for ((n = 1; n <= TUNNELS; n++)); do
		printf '  t%d: {mode: gre, local: %s, remote: %s, key: %d}\n' "$n" "$1" "$2" "$n"
	done
	printf 'routes:\n  - {to: %s, tunnel: t%d, src: %s}\n' "$3" "$OURS" "$5"
}

topology_sites
plain_routes_del a b
state "$A4" "$B4" "$B_NET4" a0 "$A_IN4" >"$WORK/a.yaml"
state "$B4" "$A4" "$A_NET4" b0 "$B_IN4" >"$WORK/b.yaml"
expect_status 0 cv b apply "$WORK/b.yaml"

title "diff tells what apply does"
expect_status 4 cv a diff "$WORK/a.yaml"
expect_equal "$TUNNELS" "$(grep -c '^+ tunnel t' "$WORK/out")" "tunnels that diff tells of"
expect_status 0 cv a apply "$WORK/a.yaml"
expect_status 0 cv a diff "$WORK/a.yaml"
expect_reachable a "$B_IN4"
expect_equal "t$OURS" "$(cv_json a tunnel show | jq -r '.[] | select(.tx_packets > 0).name')" \
	"tunnels that carry packets"

title "one program, and a stub for each"
pins=$WORK/bpf/v1/$(cv_json a status | jq -r .instance)
# ids PIN...: ids of pinned programs, one a line.
ids() {
	local pin
	for pin; do bpftool -j prog show pinned "$pin"; done | jq .id
}
expect_equal "$TUNNELS" "$(find "$pins/tunnels" -name xmit | wc -l)" "pins of xmit"
ids "$pins"/tunnels/*/xmit >"$WORK/stubs"
expect_equal "$TUNNELS" "$(sort -u "$WORK/stubs" | wc -l)" "stubs"
expect_equal "cv_xmit_$(cv_json a tunnel show t$OURS | jq '.[0].id')" \
	"$(bpftool -j prog show pinned "$pins/tunnels/t$OURS/xmit" | jq -r .name)" "name of a stub"

title "applied again nothing changes"
expect_status 0 cv a apply "$WORK/a.yaml"
expect_equal "$(<"$WORK/stubs")" "$(ids "$pins"/tunnels/*/xmit)" "stubs"

title "without the program nothing leaves"
bpftool map delete pinned "$pins/maps/cv_xmit_progs" key 0 0 0 0
capture_start a a0 "$WORK/wire.pcap" "host $B_IN4 or ip proto 47"
! in_ns a ping -n -c 3 -i 0.1 -W 0.2 "$B_IN4" >"$WORK/ping" 2>&1 || fail "a ping through no program"
capture_stop "$WORK/wire.pcap"
expect_equal "" "$(tcpdump -n -r "$WORK/wire.pcap" 2>/dev/null)" "packets on the wire"
expect_equal 3 "$(drops a no_program)" "packets dropped for it"
expect_status 4 cv a diff "$WORK/a.yaml"
expect_equal "+ program cv_xmit" "$(<"$WORK/out")" "what diff tells"
expect_status 0 cv a repair
expect_reachable a "$B_IN4"
expect_equal "$(<"$WORK/stubs")" "$(ids "$pins"/tunnels/*/xmit)" "stubs"

title "a pin that somebody has replaced is noticed, and mended"
# expect_mended WHAT: diff tells of WHAT, repair mends it, and then nothing is left to tell.
expect_mended() {
	expect_status 4 cv a diff "$WORK/a.yaml"
	expect_equal "$1" "$(<"$WORK/out")" "what diff tells"
	expect_status 0 cv a repair
	expect_status 0 cv a diff "$WORK/a.yaml"
	expect_reachable a "$B_IN4"
}
# replace PIN OTHER: pins what is pinned at OTHER in its place.
replace() {
	rm "$pins/$1"
	bpftool prog pin pinned "$pins/$2" "$pins/$1"
}
replace "tunnels/t$OURS/xmit" tunnels/t3/xmit
expect_mended "~ tunnel t$OURS: program
~ route $B_NET4 table 254: xmit culvert/1/xmit/t$OURS/1 -> culvert/1/xmit/t$OURS/3"
replace xmit/t4 tunnels/t3/xmit
expect_mended "+ program xmit of tunnel t4"
replace tunnels/t5/xmit progs/cv_xmit
replace xmit/t5 progs/cv_xmit
expect_mended "~ tunnel t5: program"
# The same program under both names, but not as one file: nothing to mend.
replace xmit/t6 tunnels/t6/xmit
expect_status 0 cv a diff "$WORK/a.yaml"
rm "$pins/xmit/t7" "$pins/tunnels/t8/xmit"
expect_mended "~ tunnel t8: program"
expect_equal "$(stat -c %i "$pins"/tunnels/t{3,4,5,7,8,$OURS}/xmit)" \
	"$(stat -c %i "$pins"/xmit/t{3,4,5,7,8,$OURS})" "both names are of one file"
# A program on hook in that is not a stub of ours is not looked at; one that is goes, for no route asks.
bpftool prog pin pinned "$pins/tunnels/t9/xmit" "$pins/tunnels/t9/in"
expect_status 0 cv a diff "$WORK/a.yaml"

title "what goes takes its stub along"
expect_status 0 cv a tunnel del t1
expect_equal "$((TUNNELS - 1))" "$(find "$pins/tunnels" -name xmit | wc -l)" "pins of xmit"
expect_equal "$((TUNNELS - 1))" "$(find "$pins/xmit" -type f | wc -l)" "pins for routes by hand"
expect_status 0 cv a down
[[ ! -e $pins ]] || fail "left: $(find "$pins" | head)"
