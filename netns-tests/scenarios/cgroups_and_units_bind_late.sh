#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An app selected by a cgroup or a systemd unit need not be there when the state is applied, and may
# go and come again: who runs in it is the app, from its first packet on. What lies below belongs to
# it. A unit is one only where the system's units are: a user's own of the same name is not.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
caller=$(c_program caller)
# Paths of selectors begin at the mount, wherever the hooks are attached.
base=${CGROUP#"$(cgroup2_mount)"}

# in_cgroup PATH CMD...: runs CMD in that cgroup, below the test's own.
# shellcheck disable=SC2016 # the script's own parameters
printf '#!/bin/sh\necho 0 >"%s/$1/cgroup.procs" && shift && exec "$@"\n' "$CGROUP" >"$WORK/bin/in_cgroup"
chmod +x "$WORK/bin/in_cgroup"
in_cgroup=$WORK/bin/in_cgroup

# cgroup_in OWNER TEXT PATH: a case of a program in that cgroup, which is made if it is not there.
cgroup_in() {
	mkdir -p "$CGROUP/$3"
	call "$1" "$2" "$in_cgroup" "$3" "$caller"
}

# state APP=WORDS...: applies a state with these apps.
state() {
	local app names=()
	title "$*"
	{
		printf 'devices: {a0: {}}\napps:\n'
		for app; do
			printf '  %s: {%s}\n' "${app%%=*}" "${app#*=}"
			names+=("${app%%=*}")
		done
		owner_rules "${names[@]}"
	} | apply_state a
}

cases_begin

state "one=cgroup: $base/late"
[[ ! -e $CGROUP/late ]] || fail "$CGROUP/late is there"
cgroup_in none "beside it" other
cgroup_in one "a cgroup that was made later" late
resident stays "$in_cgroup" late "$caller"
resident_call one "a process that stays in it" stays
cgroup_in one "a cgroup below it" late/deeper/deepest
cgroup_in none "one whose name only begins so" late2
cgroup_in none "one of that name elsewhere" other/late
kill "$STARTED"
wait "$STARTED" || :
cgroup_remove "$CGROUP/late"
cgroup_in one "removed and made again" late

title "a process that moves"
resident mover "$in_cgroup" other "$caller"
mover=$STARTED
resident_call none "before it moves in" mover
printf '%s\n' "$mover" >"$CGROUP/late/cgroup.procs"
resident_call one "after it moved in" mover
printf '%s\n' "$mover" >"$CGROUP/other/cgroup.procs"
resident_call none "after it moved out" mover

state "one=cgroup: $base/late" "two=cgroup: $base/late/deeper"
cgroup_in one "the outer of two" late
cgroup_in two "the inner of two" late/deeper
cgroup_in two "below the inner of two" late/deeper/deepest

state "one=unit: web.service" "two=unit: app.slice"
cgroup_in one "a unit that was started later" web.service
cgroup_in one "what a unit made below itself" web.service/worker
cgroup_in none "a unit whose name only ends so" other-web.service
cgroup_in one "a unit in another slice" system.slice/web.service
cgroup_in two "a slice" app.slice
cgroup_in two "a unit in a slice" app.slice/db.service
cgroup_in one "the unit before its slice" app.slice/web.service
cgroup_in none "a user's own unit of that name" user.slice/user@1000.service/web.service
cgroup_in none "a user's own slice of that name" user.slice/user@1000.service/app.slice/db.service
cgroup_in none "a container's unit of that name" docker/web.service
cgroup_remove "$CGROUP/web.service"
cgroup_in one "a unit that was restarted" web.service
resident main "$in_cgroup" web.service "$caller"
expect_status 0 cv a repair
resident_call one "a unit that runs over a repair" main

cases_judge
