#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each selector of an app, alone: a process that it fits is in the tunnel, another is not. Together
# all must hold. What does not exist yet is nobody. Of several apps the most specific one wins.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
special=$(program_copy special)
ordinary=$(program_copy ordinary)
echo_server b echo "$(program_copy server)" 7000
mount_point=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
inside=${CGROUP#"$mount_point"}/inside
mkdir -p "$CGROUP/inside/deeper" "$CGROUP/outside"
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
		cv a down
		return 0
	fi
	# shellcheck disable=SC2086
	talk $fits
	sent=$(packets it)
	((sent >= 4)) || fail "$selector: $sent packets of the program that fits"
	expect_equal "$sent" "$(cv_json a tunnel show blue | jq '.[0].tx_packets')" "in the tunnel, $selector"
	cv a down
}

# in_cgroup DIR CMD...: runs CMD in that cgroup.
# shellcheck disable=SC2016 # the script's own parameters
printf '#!/bin/sh\necho 0 >"$1/cgroup.procs"; shift; exec "$@"\n' >"$WORK/bin/in_cgroup"
chmod +x "$WORK/bin/in_cgroup"
in_cgroup=$WORK/bin/in_cgroup

selects "exe: $special" "$special" "$ordinary"
selects "comm: special" "$special" "$ordinary"
selects "uid: 1000-1005" "setpriv --reuid 1003 --clear-groups $special" "setpriv --reuid 1006 --clear-groups $special"
selects "gid: 1000" "setpriv --regid 1000 --clear-groups $special" "$special"
selects "cgroup: $inside" "$in_cgroup $CGROUP/inside $ordinary" "$in_cgroup $CGROUP/outside $ordinary"
selects "cgroup: $inside" "$in_cgroup $CGROUP/inside/deeper $ordinary" "$in_cgroup $CGROUP $ordinary"
selects "exe: $special, uid: 1000" "setpriv --reuid 1000 --clear-groups $special" "setpriv --reuid 1000 --clear-groups $ordinary"
selects "exe: $special, uid: 1000" "setpriv --reuid 1000 --clear-groups $special" "$special"
selects "cgroup: /no/such/cgroup" "" "$ordinary"
selects "exe: /no/such/program" "" "$ordinary"

title "exe before cgroup before uid"
apply_state a <<-YAML
	devices: {a0: {}}
	apps:
	  user:    {uid: 0}
	  group:   {cgroup: $inside}
	  program: {exe: $special}
	rules:
	  user:    {match: {app: user, dir: out}, action: {verdict: next}}
	  group:   {match: {app: group, dir: out}, action: {verdict: next}}
	  program: {match: {app: program, dir: out}, action: {verdict: next}}
YAML
talk "$in_cgroup" "$CGROUP/inside" "$special"
expect_equal '0 0' "$(packets user) $(packets group)" "packets of less specific apps"
talk "$in_cgroup" "$CGROUP/inside" "$ordinary"
expect_equal 0 "$(packets user)" "packets of the least specific app"
talk "$ordinary"
for app in user group program; do
	(($(packets "$app") >= 4)) || fail "no packets of app $app"
done
