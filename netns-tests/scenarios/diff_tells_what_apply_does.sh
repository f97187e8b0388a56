#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `diff` and `apply --dry-run` say what `apply` then does, word by word, and change nothing, also where
# nothing is yet. An apply that finds nothing to do writes nothing. What others have done to routes,
# rules, filters, nexthops and pins shows in `diff`, and `repair` says the same, does it, and has nothing
# to do the second time. What `save` prints makes no difference.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
program=$(program_copy program)

state() {
	cat <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		apps: {it: {exe: $program}, other: {uid: 4321}}
		sets: {ports: {type: port, elements: [22, 80-90]}}
		tunnels:
		  blue: {mode: gre, local: $A4, remote: $B4, key: $1}
		  red:  {mode: vxlan, local: "$A6", remote: "$B6", vni: 7}
		routes:
		  - {to: $B_NET4, tunnel: blue, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: red, src: "$A_IN6", metric: 5}
		  - {to: default, tunnel: blue, app: other}
		  - {to: 10.77.0.0/16, nexthops: [{tunnel: blue, weight: 2}, {tunnel: red}]}
		  - {to: 10.78.0.0/16, tunnel: blue, hook: "xmit,out", from: 10.8.0.0/16}
		rules:
		  low:  {prio: 10, match: {app: it, dir: out}, action: {dscp: $2}}
		  some: {prio: 20, match: {proto: tcp, dport: "@ports"}, action: {mark: "0x10/0xff", verdict: accept}}
		  rate: {prio: 30, match: {proto: udp, dport: 9999}, action: {police: 10mbit, burst: 64kb}}
	YAML
}
state 1 8 >"$WORK/one.yaml"
state 2 10 | sed '/10\.78/d; /rate:/d' >"$WORK/two.yaml"

# What stands in the kernel and in files, as other tools show it: ids of programs, and inodes of pins, too.
picture() {
	for family in -4 -6; do
		in_ns a ip -d "$family" route show table all proto 201
		in_ns a ip "$family" rule show
	done
	in_ns a ip -d nexthop show
	in_ns a tc filter show dev a0 ingress
	in_ns a tc filter show dev a0 egress
	in_ns a tc qdisc show dev a0
	in_ns a ip -o link show
	(cd "$WORK" && find bpf state ! -path "*/${NOTED:-none}" -printf '%p %i %s %T@\n' | sort)
}

# acts VERB WORDS: what it prints of acts; in $WORK/acts.
acts() {
	expect_status "$1" cv a "${@:2}"
	cp "$WORK/out" "$WORK/acts"
}

# unchanged WHAT CMD...: fails if CMD changes anything.
unchanged() {
	picture >"$WORK/before"
	"${@:2}"
	picture >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >"$WORK/changes" || fail "$1 changed something: $(<"$WORK/changes")"
}

# same_acts WHAT: fails unless the acts are those of $WORK/expected, whatever their order.
same_acts() {
	diff <(sort "$WORK/expected") <(sort "$WORK/acts") >"$WORK/changes" || fail "$1: $(<"$WORK/changes")$(printf "\n%s\n" "--- expected" "$(<"$WORK/expected")" "--- got" "$(<"$WORK/acts")")"
}

# applies FILE: diff, dry run and apply say the same; behind it nothing is different.
applies() {
	unchanged "diff" acts 4 diff "$1"
	cp "$WORK/acts" "$WORK/expected"
	[[ -s $WORK/expected ]] || fail "no difference to $1"
	unchanged "apply --dry-run" acts 0 apply "$1" --dry-run
	same_acts "apply --dry-run"
	expect_status 4 cv a -v diff "$1"
	# What an apply leaves of the rules from before is there when it is done.
	grep '^[-+~] ' "$WORK/out" | grep -v ' of rules from before: ' >"$WORK/expected" || :
	expect_status 0 cv a -v apply "$1"
	grep '^[-+~] ' "$WORK/err" | grep -v ' of rules from before: ' >"$WORK/acts" || :
	same_acts "apply"
	unchanged "diff" acts 0 diff "$1"
	expect_equal "" "$(<"$WORK/acts")" "differences behind apply"
	unchanged "an apply without a difference" expect_status 0 cv a apply "$1"
	cv a save >"$WORK/saved.yaml"
	unchanged "diff of what save prints" acts 0 diff "$WORK/saved.yaml"
}

title "from nothing, to another state, and back"
applies "$WORK/one.yaml"
applies "$WORK/two.yaml"
applies "$WORK/one.yaml"

title "to one without apps, whose hooks go, and back"
# With a gate in between: the map of gates is there from then on.
sed "s/other: {uid: 4321}/&, third: {uid: 4999, gate: true}/" "$WORK/one.yaml" >"$WORK/gated.yaml"
expect_status 0 cv a apply "$WORK/gated.yaml"
expect_status 0 cv a apply "$WORK/one.yaml"
sed '/^apps:/d; /app: /d' "$WORK/one.yaml" >"$WORK/none.yaml"
applies "$WORK/none.yaml"
applies "$WORK/one.yaml"

title "what came by single commands goes with the file that was applied before"
expect_status 0 cv a rule add extra match dst 192.0.2.77 action dscp 3
acts 4 diff "$WORK/one.yaml"
expect_equal "- rule extra" "$(grep rule "$WORK/acts")" "the difference of rules"
expect_status 0 cv a apply "$WORK/one.yaml"
expect_equal "" "$(cv a save | grep extra || :)" "the rule"
{ echo "# a comment"; cat "$WORK/one.yaml"; } >"$WORK/commented.yaml"
# Which file it was is noted, so that it is quicker the next time.
NOTED=stamp unchanged "an apply of a file with one more comment" expect_status 0 cv a apply "$WORK/commented.yaml"
unchanged "the same once more" expect_status 0 cv a apply "$WORK/commented.yaml"

title "-j has an object for each, -v the commands of other tools"
expect_status 4 cv a -j diff "$WORK/two.yaml"
expect_equal '["act","command","file","inner","line","name","object","what"]' \
	"$(jq -c 'map(keys) | add | unique' "$WORK/out")" "keys"
expect_equal '["add","change","del"]' "$(jq -c 'map(.act) | unique + ["add"] | unique' "$WORK/out")" "acts"
expect_equal true "$(jq 'any(.object == "rule" and .name == "rate" and .act == "del")' "$WORK/out")" "the rule that goes"
expect_status 4 cv a -v diff "$WORK/two.yaml"
expect_line '^    ip route (del|replace) 10\.78\.0\.0/16' "$WORK/out"

# damaged WHAT LINE CMD...: what CMD does shows in diff as LINE (a regex); repair says the same and mends it.
damaged() {
	local what=$1 line=$2
	shift 2
	title "$what"
	"$@" || fail "$what: $*"
	unchanged "diff" acts 4 diff "$WORK/one.yaml"
	grep -Eq -- "$line" "$WORK/acts" || fail "$what: no line '$line': $(<"$WORK/acts")"
	cp "$WORK/acts" "$WORK/expected"
	acts 0 repair
	same_acts "repair"
	acts 0 diff "$WORK/one.yaml"
	expect_equal "" "$(<"$WORK/acts")" "differences behind repair"
	unchanged "a second repair" acts 0 repair
	expect_equal "" "$(<"$WORK/acts")" "what a second repair does"
}

kernel() { in_ns a "$@"; }
damaged "a route was deleted" "^\+ route $B_NET4 " kernel ip route del "$B_NET4"
damaged "a route of IPv6 was deleted" "^\+ route $B_NET6 " kernel ip -6 route del "$B_NET6"
change_route() {
	local dev
	dev=$(kernel ip -j route show 10.78.0.0/16 | jq -r '.[0].dev')
	kernel ip route replace 10.78.0.0/16 dev "$dev" mtu 1300 proto 201
}
damaged "a route was replaced by one without programs" "^[~+] route 10\.78\.0\.0/16 " change_route
give_metric() {
	local route
	route=$(kernel ip route show 10.77.0.0/16 | sed 's/ *$//; q' | grep -o '^10.77.0.0/16 nhid [0-9]*')
	# shellcheck disable=SC2086 # words
	kernel ip route replace $route proto 201 mtu "$(kernel ip -j route show 10.77.0.0/16 | jq '.[0].metrics[0].mtu')" advmss 500
}
damaged "a route was given another metric" '^~ route 10\.77\.0\.0/16 table 254: other metrics 1 -> none$' give_metric
damaged "ip rules were deleted" "^\+ ip rule " kernel ip rule del pref "$(kernel ip -j rule | jq '[.[] | select(.fwmark) | .priority][0]')"
damaged "all nexthops were flushed" "^\+ nexthop " kernel ip nexthop flush
damaged "a filter was deleted" "^\+ dev a0 egress" kernel tc filter del dev a0 egress
damaged "clsact was deleted" "^\+ (qdisc|dev) a0" kernel tc qdisc del dev a0 clsact
damaged "a program of a tunnel was unpinned" "^[+~] (program|tunnel) " rm "$WORK/bpf/v1/$(cv_json a status | jq -r .instance)/tunnels/blue/xmit"

title "a state that the kernel refuses is told by --dry-run, with its place"
sed "s/local: $A4/local: 192.0.2.99/" "$WORK/one.yaml" >"$WORK/wrong.yaml"
unchanged "a refused dry run" expect_status 2 cv a apply "$WORK/wrong.yaml" --dry-run
expect_line "wrong.yaml:[0-9]+:[0-9]+: error: " "$WORK/err"
