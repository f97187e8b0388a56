#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Applies that alternate between two states, with other tunnels, routes, rules, apps and devices, while
# 20,000 datagrams a second and 20 TCP connections go through them: none is lost, comes twice or takes
# another way than one of the two states has, and no connection breaks. Behind them there are as many
# programs and maps as before, and as large.
# APPLIES=1000 netns-tests/run applies_lose_no_packet: so many, in place of 30.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

APPLIES=${APPLIES:-30}
RATE=20000
BUILD=${CULVERT_BUILD:-$TREE/build}

topology_sites
netns_add spare
veth_pair a a1 spare s1
endure=$(program_copy endure "$BUILD/endure")
for n in 1 2 3 4 5 6 7; do address b lo "10.9.$n.1/32" "fd00:9:$n::1/128"; done

# What came by which tunnel is told by a DSCP that site b writes.
declare -A DSCP=([gre1]=1 [gre2]=2 [gue1]=3 [gue2]=4 [vxlan1]=5 [vxlan2]=6 [ipip1]=7 [six1]=8 [six2]=9)
declare -A WORDS=([gre1]="mode: gre, key: 1" [gre2]="mode: gre, key: 2" [gue1]="mode: gue"
	[gue2]="mode: gue, dport: 6082" [vxlan1]="mode: vxlan, vni: 7" [vxlan2]="mode: vxlan, vni: 8"
	[ipip1]="mode: ipip" [six1]="mode: gre, key: 3" [six2]="mode: geneve, vni: 9")

# ends NAME HERE4 THERE4 HERE6 THERE6
ends() {
	if [[ $1 == six* ]]; then
		printf '%s, local: "%s", remote: "%s"' "${WORDS[$1]}" "$4" "$5"
	else
		printf '%s, local: %s, remote: %s' "${WORDS[$1]}" "$2" "$3"
	fi
}

{
	printf 'devices: {b0: {ingress: true}}\ntunnels:\n'
	for name in "${!WORDS[@]}"; do printf '  %s: {%s}\n' "$name" "$(ends "$name" "$B4" "$A4" "$B6" "$A6")"; done
	printf 'rules:\n'
	for name in "${!WORDS[@]}"; do
		printf '  %s: {match: {dir: in, tunnel: %s}, action: {dscp: %s}}\n' "$name" "$name" "${DSCP[$name]}"
	done
} | apply_state b

# state DEVICES GRE GUE VXLAN IPIP SIX APP LEAVING CROSSING: a state of site a. A tunnel goes by its place, not by
# how it is: some change in place, others come and go with their name. LEAVING and CROSSING are tunnels of
# routes: one leaves a tunnel that changes, one goes from one such tunnel to another.
state() {
	printf 'devices: {%s}\napps: {%s: {exe: %s}}\ntunnels:\n' "$1" "$7" "$endure"
	printf '  %s: {%s}\n' "$2" "$(ends "$2" "$A4" "$B4" "$A6" "$B6")" \
		place-gue "$(ends "$3" "$A4" "$B4" "$A6" "$B6")" place-vxlan "$(ends "$4" "$A4" "$B4" "$A6" "$B6")" \
		ipip1 "$(ends ipip1 "$A4" "$B4" "$A6" "$B6")" "$6" "$(ends "$6" "$A4" "$B4" "$A6" "$B6")"
	cat <<-YAML
		routes:
		  - {to: 10.9.1.0/24, tunnel: $2, src: $A_IN4}
		  - {to: 10.9.2.0/24, tunnel: place-gue, src: $A_IN4}
		  - {to: 10.9.3.0/24, nexthops: [{tunnel: $5}], src: $A_IN4}
		  - {to: "fd00:9:1::/48", tunnel: $6, src: "$A_IN6"}
		  - {to: 10.9.4.0/24, tunnel: place-vxlan, src: $A_IN4, app: $7}
		  - {to: 10.9.5.0/24, tunnel: ipip1, src: $A_IN4}
		  - {to: 10.9.6.0/24, tunnel: $8, src: $A_IN4}
		  - {to: 10.9.7.0/24, tunnel: $9, src: $A_IN4}
		rules:
		  $7: {prio: ${#2}, match: {app: $7, dir: out}, action: {mark: 0x${#1}}}
		  none-$2: {prio: 100, match: {dir: out, dst: 203.0.113.0/24}, action: {verdict: drop}}
	YAML
}
state "a0: {ingress: true, egress: true}" gre1 gue1 vxlan1 ipip1 six1 app1 place-gue place-vxlan >"$WORK/first.yaml"
state "a0: {ingress: true, egress: true}, a1: {egress: true}" gre2 gue2 vxlan2 gre2 six2 app2 ipip1 place-gue >"$WORK/second.yaml"
cat >"$WORK/flows" <<-FLOWS
	10.9.1.1 ${DSCP[gre1]} ${DSCP[gre2]}
	10.9.2.1 ${DSCP[gue1]} ${DSCP[gue2]}
	10.9.3.1 ${DSCP[ipip1]} ${DSCP[gre2]}
	fd00:9:1::1 ${DSCP[six1]} ${DSCP[six2]}
	10.9.4.1 ${DSCP[vxlan1]} ${DSCP[vxlan2]}
	10.9.5.1 ${DSCP[ipip1]} ${DSCP[ipip1]}
	10.9.6.1 ${DSCP[gue1]} ${DSCP[ipip1]}
	10.9.7.1 ${DSCP[vxlan1]} ${DSCP[gue2]}
FLOWS

command=("$CULVERT" -q --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n a)
# Notes the ids of all that is made.
noted=(/usr/bin/env LD_PRELOAD="$BUILD/fault.so" FAULT_IDS="$WORK/ids" "${command[@]}")

# Of what was made, how much is there: programs, maps, links, and bytes of the maps.
held() {
	local kind id bytes=0 count=0 size
	while read -r kind id; do
		size=$(bpftool -j "$kind" show id "$id" 2>/dev/null | jq -r '.bytes_memlock // 0') || size=
		[[ -n $size ]] || continue
		[[ $kind != map ]] || bytes=$((bytes + size))
		count=$((count + 1))
	done < <(sort -u "$WORK/ids")
	printf '%d objects, maps of %d bytes' "$count" "$bytes"
}
held_is() { [[ $(held) == "$1" ]]; }

apply() { expect_status 0 "${noted[@]}" apply "$WORK/$1.yaml"; }
apply first
apply second
apply first
before=$(held)
title "$before; $APPLIES applies"
in_ns a "$endure" "$((APPLIES / 2 * 2))" "$RATE" b "$WORK/flows" "$WORK/first.yaml" "$WORK/second.yaml" "${noted[@]}" \
	>"$WORK/said" 2>"$WORK/err" || fail "$(cat "$WORK/said" "$WORK/err")"
title "$(<"$WORK/said")"
expect_json '{lost, twice, misrouted, broken, failed}' \
	'{"lost": 0, "twice": 0, "misrouted": 0, "broken": 0, "failed": 0}' "what became of the traffic" <"$WORK/said"
(($(jq .sent "$WORK/said") > RATE)) || fail "there was hardly any traffic"
wait_for 10 held_is "$before" || fail "there were $before, now $(held)"
