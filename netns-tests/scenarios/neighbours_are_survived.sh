#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Other tools flush, replace, delete and add what stands beside culvert's filters. `status` says who
# keeps packets from it, `repair` brings back what is its own and leaves alone what is not, or names
# what it cannot live with; done twice, it has nothing to do the second time. Packets tell.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
mkdir "$WORK/foreign"
mount -t bpf none "$WORK/foreign"
"${CC:-cc}" -O2 -D_GNU_SOURCE -o "$WORK/bin/tcx" "$TOOLS/tcx.c" -lbpf

apply_state a <<-YAML
	devices: {a0: {}}
	tunnels: {blue: {mode: gre, local: $A4, remote: $B4, allow: ["0.0.0.0/0", "::/0"]}}
	routes:
	  - {to: $B_NET4, tunnel: blue, src: $A_IN4}
	  - {to: "$B_NET6", tunnel: blue, src: "$A_IN6"}
	rules: {leaves: {match: {dir: out}, action: {verdict: next}}}
YAML
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, allow: ['0.0.0.0/0', '::/0']"
echo_server b server /usr/bin/python3 7000

# What arrives is taken out of the tunnel, what leaves meets the rules.
arrives() {
	in_ns a /usr/bin/python3 "$TOOLS/traffic.py" udp 4 "$B_IN4,$B_IN6" --port 7000 --timeout 0.3 \
		>"$WORK/arrives" 2>&1
}
rule_packets() { cv_json a rule show | jq '.[0].packets'; }
leaves() {
	local before
	before=$(rule_packets)
	in_ns a ping -n -c 1 -W 1 "$B4" >/dev/null || return 1
	(($(rule_packets) > before))
}
works() {
	arrives || fail "$1: nothing arrives: $(tail -n 3 "$WORK/arrives")"
	leaves || fail "$1: what leaves meets no rule"
}
problems() { cv_json a status | jq -r '.problems[]'; }
expect_problem() { prints "$1" problems || fail "no problem '$1': $(problems)"; }

# repaired TEXT ACT: repair does it (a line of its output), all works, and a second one does nothing.
repaired() {
	expect_status 0 cv a repair
	expect_line "$2" "$WORK/out"
	works "$1"
	expect_status 0 cv a repair
	expect_equal "" "$(<"$WORK/out")" "$1: what the second repair does"
	expect_equal "" "$(problems)" "$1: problems"
}
tc_a() { in_ns a tc "$@"; }
# Goes on with every packet; stands for a program of another tool.
NEXT='1,6 0 0 4294967295'
works "to begin with"
expect_equal "" "$(problems)" "problems to begin with"

title "flushes the qdisc"
tc_a qdisc del dev a0 clsact
! arrives || fail "what was flushed still works"
! leaves || fail "what was flushed still works"
expect_problem "dev a0: its ingress filter is gone"
repaired "after the flush" '^[+] qdisc a0 clsact$'

title "replaces our filter by its own"
tc_a filter replace dev a0 ingress prio 100 handle 0xc1 bpf da bytecode "$NEXT"
! arrives || fail "what was replaced still works"
expect_status 4 cv a diff "$WORK/a.yaml"
expect_line '^~ dev a0 ingress: was replaced by filter ' "$WORK/out"
repaired "after the replacement" '^~ dev a0 ingress: was replaced'

title "adds its own beside ours, at our prio, and deletes ours"
tc_a filter add dev a0 egress prio 100 handle 5 bpf da bytecode "$NEXT"
tc_a filter del dev a0 egress prio 100 handle 0xc1 bpf
! leaves || fail "what was deleted still works"
repaired "after the deletion" '^[+] dev a0 egress$'
prints 'handle 0x5' tc_a filter show dev a0 egress || fail "the other tool's filter is gone"
tc_a filter del dev a0 egress prio 100 handle 5 bpf

title "takes our prio for another kind of filter"
tc_a filter del dev a0 ingress prio 100
tc_a filter add dev a0 ingress prio 100 u32 match u32 0 1
expect_status 2 cv a repair
expect_line "dev a0: ingress prio 100 has somebody else's filters, u32" "$WORK/err"
tc_a filter del dev a0 ingress prio 100
repaired "after the conflict" '^[+] dev a0 ingress$'

title "makes clsact anew, with filters that several devices share"
tc_a qdisc del dev a0 clsact
tc_a qdisc add dev a0 egress_block 22 clsact
expect_status 2 cv a repair
expect_line "dev a0: its clsact has a block that devices share; give tcx, or replace it" "$WORK/err"
prints 'egress_block 22' tc_a qdisc show dev a0 || fail "the other tool's clsact is gone"
tc_a qdisc del dev a0 clsact
repaired "after the shared clsact" '^[+] qdisc a0 clsact$'

title "puts a route of its own in place of ours"
ip -n a route replace "$B_NET4" via 192.0.2.254
for time in first second; do
	expect_status 2 cv a repair
	expect_line "^culvert: route $B_NET4: there is one already in table 254, not culvert's .*; give another metric M, or delete it [[]EEXIST[]]\$" "$WORK/err"
	expect_equal 1 "$(grep -c . "$WORK/err")" "lines of the $time repair that meets a conflict"
done
prints "$B_NET4 via 192.0.2.254" ip -n a route show "$B_NET4" || fail "the other tool's route is gone"
ip -n a route del "$B_NET4"
repaired "after the route" "^[+] route $B_NET4 "

# ahead TEXT ENDS PROBLEM CMD...: CMD puts something ahead of us, which is listed so, and reported
# (PROBLEM empty: not). It ends with a deletion by hand, and all is well.
expect_ahead() {
	cv_json a status | jq -c '[.foreign[] | select(.dir == "in") | [.hook, .position, .ends_chain]]' >"$WORK/ahead"
	expect_equal "$1" "$(<"$WORK/ahead")" "$2"
	if [[ -n $3 ]]; then expect_problem "$3"; else expect_equal "" "$(problems)" "$2: problems"; fi
}
title "ends the chain ahead of us"
ip -n a link add side type veth peer name side-end
ip -n a link set side up
ip -n a link set side-end up
# stands ENDS FILTER...: a filter of another tool, and whether packets end there. Not every kernel has all.
stands() {
	local ends=$1 problem=
	shift
	tc_a filter add dev a0 ingress prio 1 "$@" 2>"$WORK/tc.err" || {
		grep -Eq 'not found|Failed to load' "$WORK/tc.err" || fail "$*: $(<"$WORK/tc.err")"
		printf 'skip %s: not on this kernel\n' "$*"
		return
	}
	if [[ $ends == yes ]]; then
		problem="dev a0 ingress: all packets end at the filter "
		! arrives || fail "$*: what nothing comes to still works"
	else
		works "$*"
	fi
	expect_ahead "[[\"clsact\",\"before\",\"$ends\"]]" "$*" "$problem"
	tc_a filter del dev a0 ingress prio 1
	works "without $*"
	expect_equal "" "$(problems)" "problems without $*"
}
stands yes bpf da bytecode '1,6 0 0 0'
stands yes bpf da bytecode '1,6 0 0 2'
stands no bpf da bytecode "$NEXT"
# Drops what has a mark: one way ends, the other goes on.
stands maybe bpf da bytecode '4,32 0 0 4294963220,21 0 1 77,6 0 0 2,6 0 0 4294967295'
stands yes u32 match u32 0 0 action mirred egress redirect dev side
stands maybe protocol ip u32 match ip dst 203.0.113.1 action mirred egress redirect dev side
stands yes matchall action ok
stands no matchall action continue
stands no matchall action mirred egress mirror dev side continue
stands maybe protocol ip flower dst_ip 203.0.113.1 action drop
if in_ns a "$WORK/bin/tcx" ingress a0 last passer 0 "$WORK/foreign/passer"; then
	! arrives || fail "what nothing comes to still works"
	expect_ahead '[["tcx","before","yes"]]' "tcx" "dev a0 ingress: all packets end at tcx program passer with id"
	rm "$WORK/foreign/passer"
	works "without the program on tcx"
	in_ns a "$WORK/bin/tcx" ingress a0 last looker -1 "$WORK/foreign/looker"
	expect_ahead '[["tcx","before","no"]]' "tcx" ""
	works "a program on tcx that goes on"
	rm "$WORK/foreign/looker"
fi
expect_equal "" "$(problems)" "problems when all of them are gone"

title "waits behind us for what a rule of ours accepts"
tc_a filter add dev a0 egress prio 5000 handle 1 bpf da bytecode \
	'6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 1,6 0 0 2,6 0 0 4294967295'
! in_ns a ping -n -c 1 -W 1 "$B4" >/dev/null 2>&1 || fail "the filter behind does not drop pings"
expect_equal "" "$(problems)" "problems without such a rule"
cv a rule add greedy prio 1 match dir out proto icmp action accept
expect_problem "dev a0 egress: what rule greedy accepts does not come to the filter bpf"
in_ns a ping -n -c 1 -W 1 "$B4" >/dev/null || fail "what was accepted came to the filter behind"
tc_a filter del dev a0 egress prio 5000
cv a rule del greedy

title "takes away pins"
rm "$WORK"/bpf/v1/ns-*/progs/cv_cls_*
tc_a filter del dev a0 ingress prio 100
expect_status 0 cv a repair
works "after the pins of programs went"
expect_status 0 cv b repair
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "pins: what the second repair does"

title "deletes the device and makes it again"
ip -n a link del a0
expect_problem "dev a0: does not exist"
expect_status 2 cv a repair
expect_line "dev a0: No such device" "$WORK/err"
veth_pair a a0 r ra
address a a0 "$A4/24" "$A6/64"
address r ra 192.0.2.254/24 2001:db8:1::ff/64
ip -n a route add default via 192.0.2.254
ip -n a route add default via 2001:db8:1::ff dev a0
ip -n r route add "$A_NET4" via "$A4"
ip -n r route add "$A_NET6" via "$A6" dev ra
expect_reachable a "$B4"
! arrives || fail "the tunnel works without its device"
repaired "with the new device" '^[+] qdisc a0 clsact$'

title "down leaves what others have"
tc_a filter add dev a0 ingress prio 7 handle 1 bpf da bytecode "$NEXT"
expect_status 0 cv a down
prints 'pref 7 bpf' tc_a filter show dev a0 ingress || fail "the other tool's filter is gone"
! prints culvert tc_a filter show dev a0 ingress || fail "a filter of ours is left"
