#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# After `down` nothing of culvert is left: programs, maps, links, pins, filters, the qdisc that it
# made, routes, rules, cgroup attachments. What others put there stays as it was. The same holds
# for what a deleted network namespace leaves behind, cleared away by a `down` elsewhere.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
client=$(program_copy client)

# a0: somebody has clsact and a filter there. a1: nobody has. ($1: namespace, $2: its devices)
state() {
	local dev
	printf 'devices:\n'
	for dev in $2; do printf '  %s: {ingress: true, egress: true}\n' "$dev"; done
	cat <<-YAML
		apps:
		  client: {exe: $client}
		tunnels:
		  blue: {mode: gre, local: $3, remote: $4, key: 7}
		  six: {mode: ipip, local: "$5", remote: "$6"}
		routes:
		  - {to: $7, tunnel: blue, app: client}
		  - {to: "$8", tunnel: six, app: client}
		  - {to: 203.0.113.0/24, tunnel: blue}
		rules:
		  low: {prio: 10, match: {app: client, dir: out}, action: {mark: 5, dscp: 8}}
	YAML
}
state_a() { state a "a0 a1" "$A4" "$B4" "$A6" "$B6" "$B_NET4" "$B_NET6"; }
state_b() { state b "b0" "$B4" "$A4" "$B6" "$A6" "$A_NET4" "$A_NET6"; }

# All of a namespace's network configuration that culvert could have changed.
configuration() {
	local direction dev
	in_ns "$1" ip -4 rule show
	in_ns "$1" ip -6 rule show
	in_ns "$1" ip -4 route show table all
	in_ns "$1" ip -6 route show table all
	in_ns "$1" tc qdisc show
	for dev in $2; do
		for direction in ingress egress; do
			in_ns "$1" tc filter show dev "$dev" "$direction"
		done
	done
	in_ns "$1" sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|ipv6|core)\.' |
		grep -vE 'random|stat|\.neigh\.|_seed|inuse|mem|uuid|nr_open' || :
}

# Fails unless nothing of culvert is left in the kernel; $1: list of ids.
expect_nothing_left() {
	wait_for 10 ids_are_gone "$1" || fail "still there: $(ids_are_gone "$1")"
	expect_equal "" "$(find "$WORK/bpf" -type f)" "pins"
	expect_equal "[]" "$(bpftool -j cgroup show "$CGROUP" | jq -sc flatten)" "cgroup attachments"
}

title "somebody else uses clsact of a0"
in_ns a tc qdisc add dev a0 clsact
in_ns a tc filter add dev a0 egress prio 7 bpf da bytecode '1,6 0 0 4294967295'
in_ns a tc filter add dev a0 ingress prio 9999 bpf da bytecode '1,6 0 0 4294967295'
configuration a "a0 a1" >"$WORK/a.before"
configuration b "b0" >"$WORK/b.before"

for round in 1 2; do
	title "apply and down, time $round"
	state_a | apply_state a
	state_b | apply_state b
	in_ns a "$client" "$TOOLS/traffic.py" ping 4 "$B_IN4,$B_IN6" >/dev/null ||
		fail "the tunnels do not work"
	culvert_ids a b >"$WORK/ids.$round"
	(($(wc -l <"$WORK/ids.$round") > 5)) || fail "too few ids: $(<"$WORK/ids.$round")"
	prints 'culvert:egress' in_ns a tc filter show dev a0 egress || fail "no filter on a0"
	prints 'culvert:ingress' in_ns a tc filter show dev a1 ingress || fail "no filter on a1"
	prints fwmark in_ns a ip rule show || fail "no ip rule"

	expect_status 0 cv a down
	configuration a "a0 a1" >"$WORK/a.after"
	diff "$WORK/a.before" "$WORK/a.after" >&2 || fail "down left something in a, or took too much"
	# b is another instance, and goes on.
	prints 'culvert:ingress' in_ns b tc filter show dev b0 ingress || fail "b lost its filter"
	expect_status 0 cv b status
	expect_status 0 cv b down
	configuration b "b0" >"$WORK/b.after"
	diff "$WORK/b.before" "$WORK/b.after" >&2 || fail "down left something in b"
	expect_nothing_left "$WORK/ids.$round"
done

title "down where nothing is: no error, no change"
expect_status 0 cv a down

title "a filter that came to a1 later keeps clsact, and itself"
state_a | apply_state a
in_ns a tc filter add dev a1 egress prio 7 bpf da bytecode '1,6 0 0 4294967295'
expect_status 0 cv a down
prints 'pref 7 bpf' in_ns a tc filter show dev a1 egress || fail "the foreign filter is gone"
! prints culvert in_ns a tc filter show dev a1 egress || fail "culvert's filter is left"
in_ns a tc qdisc del dev a1 clsact

title "a namespace is deleted; down elsewhere clears the rest away"
state_a | apply_state a
state_b | apply_state b
culvert_ids a b >"$WORK/ids.deleted"
ip netns del a
expect_status 0 cv b down
expect_nothing_left "$WORK/ids.deleted"
