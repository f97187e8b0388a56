#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The socket hooks stand beside other people's programs on the same cgroup, which stay and run. A
# cgroup that was deleted and made again gets them back by `repair`. Those of another build are
# replaced while a selected program opens sockets, and none of its packets leaves plain. What only
# some apps ask for is attached only while they do; `down` leaves nothing.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
server=$(program_copy server)
TO=$B_IN4,$B_IN6
base=$CGROUP

# state SELECTOR...: what site a applies: an app, routed.
state() {
	cat <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		apps: {it: {$(joined "$@")}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4, allow: [$B_NET4, "$B_NET6"]}}
		routes:
		  - {to: $B_NET4, tunnel: blue, app: it, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: it, src: "$A_IN6"}
	YAML
}
apply_state b <<-YAML
	devices: {b0: {ingress: true, egress: true}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML

# client NUMBER [PORT [KIND]]: opens so many sockets of each kind from the cgroup in $CGROUP.
client() {
	(
		echo 0 >"$CGROUP/cgroup.procs"
		for kind in ${3:-tcp udp udpc}; do
			in_ns a "$client" "$TOOLS/traffic.py" "$kind" "$1" "$TO" --port "${2:-7000}" || exit 1
		done
	) || fail "the client gets no answers"
}
tunnelled() { cv_json a tunnel show blue | jq '.[0].tx_packets'; }

# What is attached to a cgroup, by id; ours have names that begin with cv_.
attached() {
	bpftool -j cgroup show "$CGROUP" | jq -c --argjson ours "$1" \
		-s '[flatten[] | select((.name | startswith("cv_")) == $ours) | .id] | sort'
}
hook() { bpftool -j link show pinned "$WORK/bpf/v1/host/links/$1" | jq "$2"; }
has_hook() { [[ -e $WORK/bpf/v1/host/links/$1 ]]; }

# How often each foreign program ran, one a line, as bytes.
foreign_runs() { bpftool -j map dump pinned "$WORK/foreign/$1" | jq -r '.[].value | join("")'; }

# foreign_run_all PORT NAME...: fails unless each program of these runs when a server is started on
# that port, and a client talks to it.
foreign_run_all() {
	local port=$1 name
	shift
	for name; do foreign_runs "$name" >"$WORK/$name.runs"; done
	echo_server b "server-$port" "$server" "$port"
	client 4 "$port"
	stop "$STARTED"
	for name; do
		foreign_runs "$name" | paste - "$WORK/$name.runs" >"$WORK/runs"
		expect_equal "" "$(awk '$1 == $2 { print NR - 1 }' "$WORK/runs")" "programs of $name that did not run"
	done
}

mkdir "$WORK/foreign"
mount -t bpf none "$WORK/foreign"
foreign=$WORK/bin/foreign
"${CC:-cc}" -O2 -D_GNU_SOURCE -o "$foreign" "$TOOLS/foreign.c" -lbpf
echo_server b server "$server" 7000

title "others have attached programs of the same kinds, and attach more later"
"$foreign" "$CGROUP" "$WORK/foreign/early"
early=$(attached false)
state "exe: $client" | apply_state a
expect_equal "$early" "$(attached false)" "foreign programs, after ours were attached"
"$foreign" "$CGROUP" "$WORK/foreign/late"
both=$(attached false)
foreign_run_all 7001 early late
(($(tunnelled) > 0)) || fail "our own hooks do not run"
expect_status 0 cv a repair
expect_status 0 cv a down
expect_equal "$both" "$(attached false)" "foreign programs, after down"
expect_equal '[]' "$(attached true)" "our programs, after down"
foreign_run_all 7002 early late

title "a cgroup is deleted and made again"
CGROUP=$base/hooked
mkdir "$CGROUP"
state "exe: $client" | apply_state a
client 2
sent=$(tunnelled)
((sent > 0)) || fail "our hooks do not run in a cgroup of their own"
rmdir "$CGROUP"
mkdir "$CGROUP"
client 2
expect_equal "$sent" "$(tunnelled)" "packets in the tunnel, without hooks"
cv_json a status | expect_json '[.problems[] | select(startswith("socket hook cv_connect4: not attached"))] | length' \
	1 "problems"
expect_status 0 cv a repair
client 2
(($(tunnelled) > sent)) || fail "repair does not attach the hooks again"
cv_json a status | expect_json '[.problems[] | select(contains("not attached"))]' '[]' "problems after repair"

title "hooks of another build are replaced while sockets are opened"
host=$WORK/bpf/v1/host/maps/cv_host
capture_start r ra "$WORK/plain.pcap" "src host $A_IN4 or src host $A_IN6"
sent=$(tunnelled)
(
	# Sockets that only their birth can mark in time.
	while [[ ! -e $WORK/enough ]]; do client 500 7000 udp >/dev/null; done
) &
clients=$!
for round in 1 2; do
	programs=$(attached true)
	link=$(hook cv_connect4 .id)
	# The text of the build ends the struct.
	mapfile -t bytes < <(bpftool -j map lookup pinned "$host" key 0 0 0 0 | jq -r '.value[]')
	bytes[-32]=0x39
	bpftool map update pinned "$host" key 0 0 0 0 value "${bytes[@]}"
	expect_status 0 cv a repair
	expect_equal "$link" "$(hook cv_connect4 .id)" "link of connect4, round $round"
	expect_equal "$(jq length <<<"$programs")" "$(attached true | jq length)" "programs, round $round"
	expect_equal '[]' "$(jq -nc --argjson old "$programs" --argjson new "$(attached true)" \
		'$old - ($old - $new)')" "programs that were not replaced, round $round"
done
touch "$WORK/enough"
wait "$clients" || fail "the client was disturbed"
capture_stop "$WORK/plain.pcap"
expect_equal 0 "$(tcpdump -nr "$WORK/plain.pcap" 2>/dev/null | wc -l)" "plain packets of the client"
(($(tunnelled) - sent >= 500)) || fail "too few packets to tell: $(($(tunnelled) - sent))"

title "hooks that only some apps ask for"
! has_hook cv_task_exec || fail "descent is followed, and nobody asks"
state "exe: $client" "parent-exe: $BASH" | apply_state a
has_hook cv_task_exec || fail "descent is not followed"
client 2
state "exe: $client" | apply_state a
! has_hook cv_task_exec || fail "descent is still followed"

title "down"
culvert_ids a >"$WORK/ids"
(($(grep -c link "$WORK/ids") >= 13)) || fail "too few links: $(<"$WORK/ids")"
expect_status 0 cv a down
expect_status 0 cv b down
wait_for 10 ids_are_gone "$WORK/ids" || fail "still there: $(ids_are_gone "$WORK/ids")"
expect_equal '[]' "$(attached true)" "our programs"
