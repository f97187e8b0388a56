#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each selector of an app, alone: a process that it fits is in the tunnel, another is not; with netns, a
# rule at the router's end of the cable meets it. Together all must hold. What does not exist yet is
# nobody. Of several apps the most specific one wins.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
special=$(program_copy special)
ordinary=$(program_copy ordinary)
echo_server b echo "$(program_copy server)" 7000
inside=${CGROUP#"$(cgroup2_mount)"}/inside.slice
mkdir -p "$CGROUP/inside.slice/deeper.slice/told.service" "$CGROUP/outside"
# Any user may run the copies.
chmod 755 "$WORK" "$WORK/bin"

apply_state b <<-YAML
	devices: {b0: {}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML

# packets APP: how many packets the rule of that app met.
packets() { cv_json a rule show | jq --arg app "$1" '.[] | select(.name == $app) | .packets'; }

# talk CMD...: a client run by CMD; all of its packets to 10.9.0.1 and fd00:9::1 are counted.
talk() {
	in_ns a "$@" "$TOOLS/traffic.py" udp 4 "$B_IN4,$B_IN6" --port 7000 || fail "no answer: $*"
}

# forget NS: takes everything off a namespace but the socket hooks, which take long to load.
forget() { echo 'apps: {nobody: {uid: 4000000000}}' | apply_state "$1"; }

# selects SELECTOR FITTING OTHER: app "it" with that selector; two commands (words), one that fits
# (empty: nobody does) and one that does not.
selects() {
	local selector=$1 fits=$2 other=$3 sent
	title "$selector"
	apply_state a <<-YAML
		devices: {a0: {}}
		apps: {it: {$selector}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}
		routes:
		  - {to: $B_NET4, tunnel: blue, app: it, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: it, src: "$A_IN6"}
		rules: {it: {match: {app: it, dir: out}, action: {dscp: cs1}}}
	YAML
	# shellcheck disable=SC2086 # a command is words
	talk $other
	expect_equal 0 "$(packets it)" "packets of another program, $selector"
	expect_equal 0 "$(cv_json a tunnel show blue | jq '.[0].tx_packets')" "in the tunnel, $selector"
	if [[ -z $fits ]]; then
		forget a
		return 0
	fi
	# shellcheck disable=SC2086
	talk $fits
	sent=$(packets it)
	((sent >= 4)) || fail "$selector: $sent packets of the program that fits"
	expect_equal "$sent" "$(cv_json a tunnel show blue | jq '.[0].tx_packets')" "in the tunnel, $selector"
	forget a
}

# in_cgroup DIR CMD...: runs CMD in that cgroup.
# shellcheck disable=SC2016 # the script's own parameters
printf '#!/bin/sh\necho 0 >"$1/cgroup.procs"; shift; exec "$@"\n' >"$WORK/bin/in_cgroup"
chmod +x "$WORK/bin/in_cgroup"
in_cgroup=$WORK/bin/in_cgroup

# start CMD...: runs CMD as a child of the interpreter.
printf 'import subprocess, sys\nsys.exit(subprocess.call(sys.argv[1:]))\n' >"$WORK/bin/start"
start=$WORK/bin/start
told=$CGROUP/inside.slice/deeper.slice/told.service

selects "exe: $special" "$special" "$ordinary"
selects "exe: '$WORK/*/[q-t]?ecial'" "$special" "$ordinary"
selects "parent-exe: $special" "$special $start $ordinary $start /usr/bin/env $ordinary" "$ordinary $start $ordinary"
selects "parent-exe: $special" "" "$special"
selects "unit: told" "$in_cgroup $told $ordinary" "$in_cgroup $CGROUP/outside $ordinary"
selects "comm: special" "$special" "$ordinary"
selects "uid: 1000-1005" "setpriv --reuid 1003 --clear-groups $special" "setpriv --reuid 1006 --clear-groups $special"
selects "gid: 1000" "setpriv --regid 1000 --clear-groups $special" "$special"
selects "cgroup: $inside" "$in_cgroup $CGROUP/inside.slice $ordinary" "$in_cgroup $CGROUP/outside $ordinary"
selects "cgroup: $inside" "$in_cgroup $CGROUP/inside.slice/deeper.slice $ordinary" "$in_cgroup $CGROUP $ordinary"
selects "exe: $special, uid: 1000" "setpriv --reuid 1000 --clear-groups $special" "setpriv --reuid 1000 --clear-groups $ordinary"
selects "exe: $special, uid: 1000" "setpriv --reuid 1000 --clear-groups $special" "$special"
selects "cgroup: /no/such/cgroup" "" "$ordinary"
selects "exe: /no/such/program" "" "$ordinary"

title "sockets in another network namespace"
# selects_elsewhere SELECTOR FITTING OTHER: app "it" of the router; two programs that run at a.
selects_elsewhere() {
	apply_state r <<-YAML
		devices: {ra: {ingress: true}}
		apps: {it: {$1}}
		rules: {it: {match: {app: it, dir: in}, action: {verdict: next}}}
	YAML
	talk "$3"
	expect_equal 0 "$(cv_json r rule show it | jq '.[0].packets')" "packets of another program, $1"
	talk "$2"
	expect_equal 4 "$(cv_json r rule show it | jq '.[0].packets')" "packets of the program that fits, $1"
	forget r
}
selects_elsewhere "netns: a, exe: $special" "$special" "$ordinary"
selects_elsewhere "netns: any, comm: special" "$special" "$ordinary"
selects_elsewhere "netns: /run/netns/a, gid: 0, exe: '$WORK/bin/s*'" "$special" "$ordinary"

title "the most specific one: each app for a program that all before it fit, too"
caller=$(c_program caller)
for name in apart outside bin/any bin/better bin/best; do cp "$caller" "$WORK/$name"; done
OWNER_DSCP=([none]=1 [named]=2 [wheel]=3 [user]=4 [root]=5 [child]=6 [cgroup]=7 [below]=8 [unit]=9
	[glob]=10 [longer]=11 [path]=12 [pinned]=13)
{
	cat <<-YAML
		devices: {a0: {}}
		apps:
		  named: {comm: outside}
		  wheel: {gid: 0}
		  user: {uid: 0-99}
		  root: {uid: 0}
		  child: {parent-exe: $special}
		  cgroup: {cgroup: $inside}
		  below: {cgroup: $inside/deeper.slice}
		  unit: {unit: told}
		  glob: {exe: "$WORK/bin/*"}
		  longer: {exe: "$WORK/bin/be*"}
		  path: {exe: $WORK/bin/best}
		  pinned: {exe: $WORK/bin/best, exe-sha256: $(sha256sum <"$caller" | cut -d' ' -f1)}
	YAML
	owner_rules named wheel user root child cgroup below unit glob longer path pinned
} | apply_state a
cases_begin
call none "none" setpriv --reuid 1000 --regid 1000 --clear-groups "$WORK/apart"
call named "comm" setpriv --reuid 1000 --regid 1000 --clear-groups "$WORK/outside"
call wheel "gid" setpriv --reuid 1000 --clear-groups "$WORK/outside"
call user "uid, a range" setpriv --reuid 99 --clear-groups "$WORK/outside"
call root "uid" "$WORK/outside"
call child "parent-exe" "$special" "$start" "$WORK/outside"
call cgroup "cgroup" "$in_cgroup" "$CGROUP/inside.slice" "$special" "$start" "$WORK/outside"
call below "cgroup below it" "$in_cgroup" "$CGROUP/inside.slice/deeper.slice" "$special" "$start" "$WORK/outside"
call unit "unit" "$in_cgroup" "$told" "$special" "$start" "$WORK/outside"
call glob "exe, a glob" "$in_cgroup" "$told" "$special" "$start" "$WORK/bin/any"
call longer "a glob with more text" "$in_cgroup" "$told" "$special" "$start" "$WORK/bin/better"
call pinned "exe with exe-sha256" "$in_cgroup" "$told" "$special" "$start" "$WORK/bin/best"
cp "$caller" "$WORK/best"
mv "$WORK/best" "$WORK/bin/best"
call path "exe" "$in_cgroup" "$told" "$special" "$start" "$WORK/bin/best"
cases_judge
