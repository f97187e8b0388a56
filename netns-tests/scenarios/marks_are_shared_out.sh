#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Before culvert uses bits of packet marks it looks for others that use them: ip rules, nftables,
# iptables and tc. A real collision is refused with its place and changes nothing, unless the state
# says that the bits are shared; whoever only wants those bits to be zero is told of and let be.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

for tool in ip{,6}tables-{legacy,nft}; do
	command -v "$tool" >/dev/null || skip "no $tool"
done
topology_sites
client=$(program_copy client)

# state [OPTIONS]: one routed app, with an options line in front if one is given.
state() {
	printf '%s\n' "${1-}" "devices: {a0: {ingress: true, egress: true}}" \
		"apps: {client: {exe: $client}}" \
		"tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}" \
		"routes: [{to: $B_NET4, tunnel: blue, app: client, src: $A_IN4}]"
}
state >"$WORK/state.yaml"

# What must stay as it is.
picture() {
	find "$WORK/bpf" "$WORK/state" | sort
	in_ns a ip rule show
	in_ns a ip route show table all
	in_ns a tc qdisc show
}

# marks_line REGEX: fails unless a user that status of a lists, as COLLIDES PLACE: NOTE, is like that.
marks_line() {
	cv_json a status >"$WORK/status"
	jq -r '.marks[] | "\(.collides) \(.place): \(.note)"' "$WORK/status" >"$WORK/marks"
	expect_line "$1" "$WORK/marks"
}

# colliding CHECK: makes one collision after another, and calls CHECK BITS PLACE for each.
colliding() {
	local check=$1 kind hook bits rule family at tool=() words=()
	in_ns a ip rule add pref 900 fwmark 0x3000000/0xff000000 table 99
	"$check" 0x3000000 'ip rule 900 \(IPv4\): fwmark 0x3000000/0xff000000'
	in_ns a ip rule del pref 900
	in_ns a ip -6 rule add pref 901 fwmark 0x6d6f6c65 table 99
	"$check" 0x6d000000 'ip rule 901 \(IPv6\): fwmark 0x6d6f6c65/0xffffffff'
	in_ns a ip -6 rule del pref 901

	while IFS='|' read -r kind hook bits rule; do
		trace "nft rule: $rule"
		in_ns a nft -f - <<<"$(chain "$kind" "$hook" "$rule")"
		"$check" "$bits" 'nft table inet x chain y rule handle [0-9]+'
		in_ns a nft delete table inet x
	done <<-'RULES'
		filter|input|0x1000000|meta mark 0x1000000 accept
		filter|input|0x1000000|meta mark & 0x1000000 == 0x1000000 accept
		filter|input|0x2000000|meta mark != 0x2000000 accept
		filter|input|0x3000000|meta mark { 0x1000000, 0x2000000 } accept
		filter|input|0x7f000000|meta mark > 0x10 ip daddr 192.0.2.9 accept
		filter|input|0xf000000|ip saddr . meta mark { 192.0.2.1 . 0xf000000 } accept
		filter|input|0x1000000|meta mark vmap { 0x1000000 : accept }
		filter|postrouting|0x4000000|meta mark set meta mark | 0x4000000
		filter|postrouting|0x1000000|meta mark set ip saddr map { 192.0.2.1 : 0x1000000 }
		filter|postrouting|0x1000000|meta mark set numgen inc mod 2 offset 16777216
		filter|forward|0x6d000000|meta mark set 0x6d6f6c65
		route|output|0x7f000000|meta mark set 0x1
		filter|output|0x7f000000|meta mark set ct mark
		filter|output|0x1000000|meta mark set meta mark & 0xfeffffff
	RULES
	# A chain may be called from wherever its table has hooks.
	in_ns a nft 'table inet x { chain y { meta mark set 0x1; }
		chain z { type route hook output priority 0; jump y; }; }'
	"$check" 0x7f000000 'nft table inet x chain y rule handle [0-9]+'
	in_ns a nft delete table inet x

	for family in '' 6; do
		for kind in legacy nft; do
			tool=("ip${family}tables-$kind" -t mangle)
			at="ip${family}tables table mangle chain OUTPUT rule 2"
			[[ $kind == legacy ]] || at="nft table ip$family mangle chain OUTPUT rule handle [0-9]+"
			in_ns a "${tool[@]}" -A OUTPUT -p tcp -j ACCEPT
			while read -ra words; do
				in_ns a "${tool[@]}" -A OUTPUT "${words[@]:1}"
				"$check" "${words[0]}" "$at"
				in_ns a "${tool[@]}" -D OUTPUT "${words[@]:1}"
			done <<-'RULES'
				0x1000000 -m mark --mark 0x1000000/0x1000000
				0x7f000000 -j MARK --set-mark 0x1
				0x2000000 -j MARK --or-mark 0x2000000
				0x7f000000 -j CONNMARK --restore-mark
				0x4000000 -j CONNMARK --restore-mark --nfmask 0x4000000 --ctmask 0x4000000
			RULES
			in_ns a "${tool[@]}" -F
			in_ns a "${tool[@]}" -N other
			in_ns a "${tool[@]}" -A other -j MARK --set-mark 1
			"$check" 0x7f000000 "${at%% chain*} chain other rule (1|handle [0-9]+)"
			in_ns a "${tool[@]}" -F
			in_ns a "${tool[@]}" -X
		done
	done

	in_ns a tc qdisc replace dev a0 clsact
	in_ns a tc qdisc replace dev a0 root handle 5: prio 2>/dev/null || :
	tc_case 0x1000000 'egress pref 7 handle 0x1000000 fw' egress prio 7 handle 0x1000000 fw action ok
	tc_case 0x2000000 'ingress pref 8 handle 0x80000800 u32' \
		ingress prio 8 protocol ip u32 match mark 0x2000000 0x2000000 action ok
	tc_case 0x3000000 'egress pref 9 handle 0x80000800 skbedit' \
		egress prio 9 protocol ip u32 match u32 0 0 action skbedit mark 0x3000000/0xff000000
	tc_case 0x5000000 'parent 5: pref 3 handle 0x5000000 fw' \
		parent 5: prio 3 handle 0x5000000 fw classid 5:1
	in_ns a tc qdisc del dev a0 root 2>/dev/null || :
}

# tc_case BITS PLACE WORDS...: a filter on a0, if this kernel has that kind and action.
tc_case() {
	local bits=$1 place=$2
	shift 2
	local filter=("${@:1:3}")
	[[ $1 != parent ]] || filter=("${@:1:4}")
	if in_ns a tc filter add dev a0 "$@" 2>/dev/null; then
		"$check" "$bits" "tc filter dev a0 $place"
		in_ns a tc filter del dev a0 "${filter[@]}"
	else
		title "  this kernel has no tc filter $*"
	fi
}

# chain TYPE HOOK RULE: a table of nft with that one rule.
chain() { printf 'table inet x {\nchain y {\ntype %s hook %s priority 0;\n%s\n}\n}\n' "$@"; }

# The state is refused, naming bits and place, and nothing changes.
is_refused() {
	local before
	before=$(picture)
	expect_status 2 cv a apply "$WORK/state.yaml"
	expect_line "mark-mask 0x7f000000: bits $1 are used by $2 too" "$WORK/err"
	expect_line "mark-shared: true" "$WORK/err"
	expect_equal "$before" "$(picture)" "what was there before the refusal because of $2"
}

# status lists it, and says that it is a problem.
is_a_problem() {
	marks_line "^true $2: "
	jq -r '.problems[]' "$WORK/status" >"$WORK/problems"
	expect_line "^mark-mask 0x7f000000: bits $1 are used by $2 too" "$WORK/problems"
}

title "nobody else: the map has culvert's marks only"
expect_status 0 cv a apply "$WORK/state.yaml"
cv_json a status | expect_json .marks '[
	{"bits": "0x7f000000", "user": "culvert", "place": "0x1000000: app client", "how": "writes",
	 "collides": false, "note": ""},
	{"bits": "0x7f000000", "user": "culvert", "place": "0x7f000000: in a tunnel already",
	 "how": "writes", "collides": false, "note": ""}]' "marks of a state alone"
expect_equal "" "$(in_ns a cat /proc/net/ip_tables_names /proc/net/ip6_tables_names)" \
	"tables of iptables that were made by looking"

title "who comes later is a problem, and does not stop what runs: repair, other changes, down"
in_ns a ip rule add pref 900 fwmark 0x3000000/0xff000000 table 99
marks_line '^true ip rule 900'
expect_status 0 cv a repair
expect_status 0 cv a apply "$WORK/state.yaml"
expect_status 0 cv a route add 10.50.0.0/16 tunnel blue
expect_status 0 cv a rule add low match proto udp action dscp 8
expect_status 2 cv a tunnel add green mode ipip local "$A4" remote "$B4"
expect_line "mark-mask 0x7f000000: bits 0x3000000 are used by ip rule 900" "$WORK/err"
expect_status 0 cv a route del "$B_NET4" app client
expect_status 0 cv a down
in_ns a ip rule del pref 900

title "whoever collides is named, with place, before anything changes"
colliding is_refused

title "the place of the mask in the file is named too"
in_ns a ip rule add pref 900 fwmark 0x30000/0xff0000 table 99
state "options: {mark-mask: 0x00ff0000}" >"$WORK/masked.yaml"
expect_status 2 cv a apply "$WORK/masked.yaml"
expect_line "^$WORK/masked.yaml:1:22: error: mark-mask 0xff0000: bits 0x30000 are used by ip rule 900 \(IPv4\)" \
	"$WORK/err"
in_ns a ip rule del pref 900

title "with mark-shared: true it goes on, and status says what is wrong"
in_ns a ip rule add pref 900 fwmark 0x3000000/0xff000000 table 99
state "options: {mark-shared: true}" | apply_state a
expect_status 0 cv a save
expect_line '^options: \{mark-shared: true\}$' "$WORK/out"
title "  and taking the word back is refused"
expect_status 2 cv a apply "$WORK/state.yaml"
in_ns a ip rule del pref 900
colliding is_a_problem
expect_status 0 cv a down

title "who leaves the bits alone, or only wants them to be zero, is not in the way"
in_ns a ip rule add pref 5210 fwmark 0x80000/0xff0000 table 99
in_ns a ip rule add pref 902 not fwmark 0xca6c table 99
in_ns a nft -f - <<-'NFT'
	table inet x {
		set s {
			type mark; flags interval; elements = { 0x100-0x1ff, 0x400 }
		}
		chain in {
			type filter hook input priority 0
			meta mark & 0xff0000 == 0x80000 accept
			meta mark 0x10-0x20 accept
			meta mark < 0x100 accept
			meta mark { 0x1, 0x2 } accept
			meta mark @s accept
			meta mark != 0 accept
			meta mark 0x1 ip daddr 1.2.3.4 accept
		}
		chain out {
			type route hook output priority 0
			meta mark set meta mark & 0xffff3fff ^ 0x4000
			ct mark set meta mark
		}
		chain pre {
			type filter hook prerouting priority 0
			meta mark set ct mark
		}
		chain post {
			type filter hook postrouting priority 0
			meta mark set 0x1
		}
	}
NFT
for tool in iptables-legacy ip6tables-legacy; do
	in_ns a "$tool" -t mangle -A OUTPUT -m mark ! --mark 0xca6c -j MARK --set-xmark 0x40000/0xff0000
	in_ns a "$tool" -t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff0000 --ctmask 0xff0000
	in_ns a "$tool" -t mangle -A OUTPUT -j CONNMARK --save-mark
done
expect_status 0 cv a apply "$WORK/state.yaml"
cv_json a status | jq -r '.marks[] | select(.user != "culvert") |
	"\(.bits) \(.how) \(.place | sub("handle [0-9]+$"; "handle N")): \(.note)"' >"$WORK/got"
cat >"$WORK/want" <<-'LINES'
	0xffffffff matches ip rule 902 (IPv4): not fwmark 0xca6c/0xffffffff: packets with culvert's marks match
	0xff0000 matches ip rule 5210 (IPv4): fwmark 0x80000/0xff0000: 
	0xff0000 matches nft table inet x chain in rule handle N: 
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks do not match
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks do not match
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks do not match
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks do not match
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks match
	0xffffffff matches nft table inet x chain in rule handle N: packets with culvert's marks do not match
	0xc000 writes nft table inet x chain out rule handle N: 
	0xffffffff writes nft table inet x chain pre rule handle N: overwrites culvert's bits where they do not count
	0xffffffff writes nft table inet x chain post rule handle N: overwrites culvert's bits where they do not count
	0xff0000 writes iptables table mangle chain PREROUTING rule 1: 
	0xff0000 writes iptables table mangle chain OUTPUT rule 1: 
	0xffffffff matches iptables table mangle chain OUTPUT rule 1: packets with culvert's marks match
	0xff0000 writes ip6tables table mangle chain PREROUTING rule 1: 
	0xff0000 writes ip6tables table mangle chain OUTPUT rule 1: 
	0xffffffff matches ip6tables table mangle chain OUTPUT rule 1: packets with culvert's marks match
LINES
expect_equal "$(<"$WORK/want")" "$(<"$WORK/got")" "users that are harmless"
expect_status 0 cv a status
expect_line "^MARK BITS +USER +HOW +WHERE +NOTE$" "$WORK/out"
expect_line "^0x7f000000 +culvert +writes +0x1000000: app client$" "$WORK/out"
expect_line "^0x00ff0000 +ip rule +matches +ip rule 5210 \(IPv4\): fwmark 0x80000/0xff0000$" "$WORK/out"

title "  but what restores marks on arrival is, for replies that must keep theirs"
sed 's/egress: true/&, src-valid-mark: true/' "$WORK/state.yaml" >"$WORK/arriving.yaml"
expect_status 2 cv a apply "$WORK/arriving.yaml"
expect_line 'bits 0x7f000000 are used by nft table inet x chain pre' "$WORK/err"
