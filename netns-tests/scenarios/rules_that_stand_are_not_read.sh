#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A file of many rules that is what is applied is neither read nor compiled: what the kernel holds is compared
# with what it held, byte for byte. Whatever changed meanwhile, in the kernel or in what names stand for, is
# found and put right as ever. Of a file that differs in a few rules these are put in, with the same result.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

COUNT=2500 # fewer are always read

for ns in a b; do
	netns_add "$ns"
	veth_pair "$ns" e0 "$ns" p0
	veth_pair "$ns" e1 "$ns" p1
	veth_pair "$ns" away "$ns" p2
	address "$ns" e0 192.0.2.1/24
done
{
	cat <<-YAML
		devices: {e0: {ingress: true, egress: true}}
		apps: {web: {uid: 4711}}
		tunnels: {blue: {mode: ipip, local: 192.0.2.1, remote: 192.0.2.2}}
		routes: [{to: 10.9.0.0/16, tunnel: blue}]
		rules:
		  of-device: {match: {dev: e1}, action: {dscp: 1}}
		  to-device: {match: {dst: 10.1.1.1/32}, action: {redirect: away}}
		  of-app: {match: {app: web, dir: out}, action: {dscp: 2}}
		  of-tunnel: {match: {tunnel: blue}, action: {dscp: 3}}
	YAML
	for ((i = 0; i < COUNT; i++)); do
		echo "  rule$i: {match: {dst: 10.$((i / 256)).$((i % 256)).0/24, proto: tcp, dport: $i}, action: {mark: $((i + 1))}}"
	done
} >"$WORK/state.yaml"

# Whether the command found that without reading the rules.
glances() {
	expect_status "$@"
	grep -q 'their image is what it was, and none was read' "$WORK/err"
}

# stands: nothing is to be done, which is seen at a glance.
stands() {
	glances 0 cv a -v apply "$WORK/state.yaml" || fail "apply read the rules"
	glances 0 cv a -v diff "$WORK/state.yaml" || fail "diff read the rules"
	expect_equal "" "$(<"$WORK/out")" "diff"
	glances 0 cv a -v repair || fail "repair read the rules"
	expect_equal "" "$(<"$WORK/out")" "repair"
}

# is_found WHAT: the change, which diff tells of, is put right by an apply, or by a repair.
is_found() {
	glances 4 cv a -v diff "$WORK/state.yaml" && fail "$1: nothing was found"
	expect_line "$2" "$WORK/out"
	"${@:3}" || fail "${*:3}"
	expect_status 0 cv a diff "$WORK/state.yaml"
	stands
}

apply() { cv a apply "$WORK/state.yaml"; }
repair() { cv a -q repair; }

title "what stands is not read"
expect_status 0 apply
stands
expect_equal "$((COUNT + 4))" "$(cv_json a rule show | jq length)" "rules"

title "a route that is gone is found"
ip -n a route del 10.9.0.0/16
is_found route '^\+ route 10.9.0.0/16' apply
ip -n a route del 10.9.0.0/16
is_found route '^\+ route 10.9.0.0/16' repair

title "a device that became another one is found"
renew() { in_ns a sh -c "ip link del $1; $2"; }
renew e1 "ip link add e1 type veth peer name p1"
is_found "device of a rule" '^~ rule of-device: match' apply
renew away "ip link add away type veth peer name p2"
is_found "device to redirect to" '^~ rule to-device: redirect #[0-9]+ -> away' repair

title "a byte of a rule in the kernel is found"
image_ids() {
	bpftool -j map dump pinned "$WORK"/bpf/v1/ns-*/maps/cv_rules |
		jq -r '.[].value | reverse | map(ltrimstr("0x")) | "0x" + add'
}
mapfile -t ids < <(image_ids)
((${#ids[@]} > 0)) || fail "no arrays of rules"
/usr/bin/python3 "$TOOLS/scratch.py" rule1234 "${ids[@]}"
is_found "another name" '^\+ rule rule1234' apply
mapfile -t ids < <(image_ids)
/usr/bin/python3 "$TOOLS/scratch.py" rule2000 "${ids[@]}"
is_found "another name" '^\+ rule rule2000' repair

title "other rules are read, and those that follow stand again"
expect_status 0 cv a rule add one prio 7 match dst 10.2.3.4 action dscp 3
glances 4 cv a -v diff "$WORK/state.yaml" && fail "a rule too many was not seen"
expect_line '^- rule one$' "$WORK/out"
glances 0 cv a -v repair && fail "after a single change there is nothing to compare with"
glances 0 cv a -v repair || fail "what a repair found stands is read again"
expect_status 0 apply
stands

title "an error has its place"
in_ns a ip link del away
expect_status 2 apply
expect_line "state.yaml:7:3: error: rule to-device: there is no device away" "$WORK/err"
veth_pair a away a p2
expect_status 0 apply
stands

# is_as_anew: what came of single rules is what an apply of it all to something else makes.
rules_of() { cv "$1" -j rule show | jq -c 'map(del(.packets, .bytes, .last_hit))'; }
is_as_anew() {
	expect_status 0 apply
	stands
	expect_status 0 cv b apply "$WORK/state.yaml"
	expect_equal "$(cv b save)" "$(cv a save)" "state after $1"
	expect_equal "$(rules_of b)" "$(rules_of a)" "rules after $1"
}
# A rule of the file, a line for each.
line() { echo "  $1: {prio: ${2:-2000}, match: {dst: ${3:-10.200.0.1/32}}, action: {dscp: 7}}"; }

title "a few other rules are put in alone"
{ line more1 && line more2 900; } >>"$WORK/state.yaml"
is_as_anew "two more"
sed -i "s|^  rule7: .*|$(line rule7 5)|" "$WORK/state.yaml"
is_as_anew "one that moved"
sed -i -e "/^  rule9: /d; /^  more1: /d; s|^  rule11: .*|$(line rule11 '' 10.9.9.9/32)|" "$WORK/state.yaml"
line more3 >>"$WORK/state.yaml"
is_as_anew "some that went and came"
sed -i "/^  rule20: /i\\$(line between)" "$WORK/state.yaml"
is_as_anew "one between others"
line last >>"$WORK/state.yaml"
ip -n a route del 10.9.0.0/16
is_as_anew "one more, with a route gone"
expect_line 'encap' <(ip -n a route show 10.9.0.0/16)

title "a fault among them is told as ever"
cp "$WORK/state.yaml" "$WORK/good.yaml"
line bad '' 10.0.0.0/33 >>"$WORK/state.yaml"
expect_status 1 apply
expect_line "state.yaml:$(wc -l <"$WORK/state.yaml"):[0-9]+: error: dst \"10.0.0.0/33\"" "$WORK/err"
{ cat "$WORK/good.yaml" && line last; } >"$WORK/state.yaml"
expect_status 1 apply
expect_line "state.yaml:$(wc -l <"$WORK/state.yaml"):3: error: duplicate key \"last\"" "$WORK/err"
{ cat "$WORK/good.yaml" && echo "  bad: {match: {dev: nothing9}, action: {dscp: 3}}"; } >"$WORK/state.yaml"
expect_status 2 apply
expect_line "state.yaml:$(wc -l <"$WORK/state.yaml"):3: error: rule bad: there is no device nothing9" "$WORK/err"
cp "$WORK/good.yaml" "$WORK/state.yaml"
stands

title "what a file of a set holds is looked at each time"
echo 10.7.0.0/16 >"$WORK/elements"
sed -i "s|^rules:|sets: {nets: {type: prefix, file: $WORK/elements}}\nrules:|" "$WORK/state.yaml"
expect_status 0 apply
echo 10.8.0.0/16 >"$WORK/elements"
expect_status 4 cv a diff "$WORK/state.yaml"
expect_line '^~ set nets' "$WORK/out"
