#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A state may name devices that are not there yet, by name or by pattern; `repair` attaches them when
# they are. What culvert did to devices is known also when its bpffs was unmounted, so that `repair` and
# `down` take away what is culvert's, and nothing else.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

netns_add a z
link() { veth_pair a "$1" z "$1-z"; }
attached() { cv_json a dev show | jq -c "map(select(.ingress and .egress) | .dev) | sort"; }
problems() { cv_json a status | jq -c .problems; }
prios() { in_ns a tc -j filter show dev "$1" ingress | jq -c '[.[] | select(.options.handle) | .pref]'; }

title "what is not optional must be there"
printf 'devices: {eth0: {}}\n' >"$WORK/eth0.yaml"
expect_status 2 cv a apply "$WORK/eth0.yaml"
expect_line '^hint: with .optional. it need not be there$' "$WORK/err"

title "what is optional, and patterns: an exact name counts, then the first pattern"
apply_state a <<-YAML
	devices:
	  up0:      {optional: true, prio: 10}
	  "ve*":    {prio: 20}
	  vex:      {optional: true, prio: 30}
	  "v[ef]*": {prio: 40, ingress: true, egress: true}
	rules:
	  later:  {match: {dir: out, dev: up0, proto: icmp}, action: {verdict: drop}}
	  others: {match: {dir: out, dev: ve7, proto: udp}, action: {redirect: vf1}}
YAML
expect_equal '[]' "$(attached)" "devices before there are any"
cv_json a dev show | expect_json 'map([.dev, .ifindex, .exists, .optional, .pattern, .prio])' \
	'[["up0",0,false,true,null,10],["ve*",0,false,true,"ve*",20],["vex",0,false,true,null,30],
	["v[ef]*",0,false,true,"v[ef]*",40]]' "dev show"
expect_status 0 cv a dev
expect_line '^up0 +absent +no +no +clsact +10 ' "$WORK/out"
expect_equal '["rule others: device vf1, which it redirects to, does not exist"]' "$(problems)" "problems"
expect_status 2 cv a rule add nowhere match dev eth0 action drop
for dev in up0 ve1 ve2 vex vf1 other0; do link "$dev"; done
address a up0 192.0.2.1/24
address z up0-z 192.0.2.2/24
expect_reachable a 192.0.2.2
in_ns a ip tuntap add dev ve-tun mode tun 2>/dev/null || printf 'skip a device without Ethernet: no tun\n'
in_ns a tc qdisc add dev vf1 clsact
in_ns a tc filter add dev vf1 ingress prio 40 u32 match u32 0 1
expect_status 0 cv a -q repair
expect_line 'warning: dev vf1: ingress prio 40 has somebody else.s filters, u32: left out of v\[ef\]\*' "$WORK/err"
expect_equal '["up0","ve1","ve2","vex"]' "$(attached)" "devices that can be had"
in_ns a tc qdisc del dev vf1 clsact
! in_ns a ping -n -c 1 -W 1 192.0.2.2 >"$WORK/ping" 2>&1 || fail "the rule does not know its device"
expect_status 4 cv a diff "$WORK/a.yaml"
expect_status 0 cv a repair
expect_equal '["up0","ve1","ve2","vex","vf1"]' "$(attached)" "devices that came"
expect_equal "[10] [20] [20] [30] [40]" "$(for dev in up0 ve1 ve2 vex vf1; do prios "$dev"; done | paste -sd ' ')" "prios"
expect_equal "" "$(in_ns a tc qdisc show dev other0 clsact)" "a device that nobody named"
! in_ns a ping -n -c 1 -W 1 192.0.2.2 >"$WORK/ping" 2>&1 || fail "the rule does not know its device"
expect_equal '[]' "$(problems)" "problems"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the second repair does"
cv_json a dev show ve1 | expect_json 'map([.dev, .pattern])' '[["ve1","ve*"]]' "dev show of one"

title "the pair that large packets are segmented on is nobody's pattern"
apply_state a <<-YAML
	devices: {"*": {}}
	tunnels: {blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.2, allow: [10.0.0.0/8]}}
YAML
expect_equal '["lo","other0","up0","ve1","ve2","vex","vf1"]' "$(attached)" "devices of *"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "repair with a tunnel"

expect_status 0 cv a tunnel del blue

title "what is said of a device is said of those of a pattern"
expect_status 0 cv a rule add slow match dir out dev ve2 action pace 1mbit
prints "rule slow: pace has no effect on dev ve2, whose qdisc is not fq" problems ||
	fail "no problem of a pace on ve2: $(problems)"
expect_status 0 cv a rule del slow

title "devices that go, and come with another ifindex"
ip -n a link del ve1
ip -n a link del up0
link up0
expect_status 0 cv a repair
expect_line '^[+] dev up0 ingress$' "$WORK/out"
expect_equal '["lo","other0","up0","ve2","vex","vf1"]' "$(attached)" "devices that are left"
[[ $(<"$WORK"/state/ns-*/ledger) != *" ve1 "* ]] || fail "the ledger knows a device that is gone"

title "a device gets another name"
ip -n a link set vex down
ip -n a link set vex name wan
ip -n a link set wan up
expect_status 0 cv a repair
expect_status 0 cv a dev del '*'
for dev in wan ve2 other0; do
	expect_equal "" "$(in_ns a tc qdisc show dev "$dev" clsact)" "clsact of $dev, which is culvert's"
done

title "the bpffs is unmounted: the ledger in the state folder knows"
in_ns a tc qdisc add dev other0 clsact
apply_state a <<-YAML
	devices: {other0: {prio: 7, handle: 77, src-valid-mark: true}, ve2: {}, vf1: {}}
YAML
mount_id() { awk -v at="$WORK/bpf" '$5 == at { id = $1 } END { print id }' /proc/self/mountinfo; }
umount -l "$WORK/bpf"
expect_equal '"its pins are gone, the bpffs was unmounted: '\''culvert repair'\'' makes them anew"' \
	"$(cv_json a status | jq '.problems[0]')" "problems without pins"
expect_status 0 cv a dev del vf1
expect_equal "" "$(in_ns a tc qdisc show dev vf1 clsact)" "clsact of a device that was left out"
expect_equal '["other0","ve2"]' "$(attached)" "devices after repair"
expect_equal '[7]' "$(prios other0)" "filters of other0"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what repair has left to do"
umount -l "$WORK/bpf"
expect_status 0 cv a down
expect_equal "" "$(in_ns a tc qdisc show dev ve2 clsact)" "clsact of ve2, after down"
prints clsact in_ns a tc qdisc show dev other0 || fail "somebody else's clsact is gone"
expect_equal "[]" "$(prios other0)" "filters of other0, after down"
expect_equal 0 "$(in_ns a cat /proc/sys/net/ipv4/conf/other0/src_valid_mark)" "src_valid_mark, after down"

title "with the state folder lost as well, what has our names is found"
apply_state a <<<"devices: {ve2: {}, vf1: {prio: 9, handle: 0x99}}"
umount -l "$WORK/bpf"
rm -r "$WORK"/state/ns-*
apply_state a <<<"devices: {lo: {}}"
expect_equal '[100] [9]' "$(prios ve2) $(prios vf1)" "filters that nobody knows of, after apply"
expect_status 0 cv a repair
expect_line '^- dev vf1 ingress: prio 9 handle 0x99$' "$WORK/out"
expect_equal '[] []' "$(prios ve2) $(prios vf1)" "filters that nobody knows of, after repair"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the second repair does"

title "another bpffs hides the first: links that live on are found"
printf 'devices: {ve2: {tcx: true}, vf1: {}}\n' >"$WORK/tcx.yaml"
if cv a apply "$WORK/tcx.yaml" 2>"$WORK/err"; then
	links() { find "$WORK/bpf" -path '*/links/ingress-*' -exec bpftool -j link show pinned {} \; | jq .id; }
	link=$(links)
	mount -t bpf none "$WORK/bpf"
	expect_status 0 cv a repair
	expect_line "^- dev ve2 ingress tcx: link $link\$" "$WORK/out"
	[[ $(links) != "$link" ]] || fail "the link stayed"
	expect_equal '["ve2","vf1"]' "$(attached)" "devices behind the other mount"
	cv_json a status | expect_json .foreign '[]' "programs that nobody knows of"
	expect_status 0 cv a repair
	expect_equal "" "$(<"$WORK/out")" "what the second repair does"
	expect_status 0 cv a down
	umount "$WORK/bpf" 2>/dev/null || :
else
	expect_line "this kernel has no tcx" "$WORK/err"
	printf 'skip links: no tcx\n'
fi
