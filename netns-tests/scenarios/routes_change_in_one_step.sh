#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Routes, ip rules and nexthop objects change together, in one system call. `diff` names each of them
# with ip's command for it and changes nothing; what somebody changed by hand is put right; what is
# somebody else's stays, and is named if it is in the way. A refusal among 10,000 undoes all.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ip netns add a
in_ns a ip link set lo up
in_ns a ip link add a0 type veth peer name b0
for dev in a0 b0; do
	# No addresses that come by themselves.
	in_ns a ip link set "$dev" addrgenmode none
	in_ns a ip link set "$dev" up
done
in_ns a ip addr add "$A4/24" dev a0
in_ns a ip addr add "$A6/64" dev a0 nodad
in_ns a ip route add 198.51.100.0/24 via 192.0.2.254
in_ns a ip -6 route add 2001:db8:2::/64 via 2001:db8:1::fe

# Everything that ip shows, byte for byte; but for what the kernel adds for culvert's own devices.
picture() {
	local family
	for family in -4 -6; do
		in_ns a ip -j "$family" route show table all |
			jq -c '.[] | select((.dev // "") | startswith("culvert-") | not)'
		in_ns a ip -j "$family" rule show
	done
	in_ns a ip -j nexthop show
}

write_state() {
	cat >"$WORK/a.yaml" <<YAML
devices: {a0: {}}
apps: {client: {uid: 4711}}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4, key: 1, mtu: 1400}
  red: {mode: gre, local: $A4, remote: $B4, key: 2, mtu: 1400}
routes:
  - {to: $B_NET4, tunnel: blue}
  - {to: "$B_NET6", tunnel: blue}
  - {to: default, tunnel: red, app: client}
  - {to: 10.77.0.0/16, nexthops: [{tunnel: blue, weight: 2}, {tunnel: red}]}
YAML
}

# diff_says LINE...: the acts on routes, rules and nexthops that `diff` tells, sorted.
diff_says() {
	local want status=4
	want=$(printf '%s\n' "$@" | sort)
	(($# > 0)) || status=0 want=
	picture >"$WORK/look.before"
	expect_status "$status" cv a diff "$WORK/a.yaml"
	grep -E '^[-+~] (route|ip rule|nexthop) ' "$WORK/out" | sort >"$WORK/acts" || :
	picture | diff - "$WORK/look.before" >&2 || fail "diff has changed something"
	expect_equal "$want" "$(<"$WORK/acts")" "acts that diff tells"
}

title "diff tells what will be made, and makes nothing"
write_state
mark=$((16#1000000))
hex=$(printf '0x%x' $mark)
diff_says "+ route $B_NET4 table 254" "+ route $B_NET6 table 254 metric 1024" \
	"+ route 0.0.0.0/0 table 786433" "+ route ::/0 table 786433 metric 1024" \
	"+ ip rule IPv4 pref 3000 fwmark $hex/0x7f000000 iif lo lookup 786433" \
	"+ ip rule IPv6 pref 3000 fwmark $hex/0x7f000000 iif lo lookup 786433" \
	"+ nexthop 3235774464" "+ nexthop 3235774465" "+ nexthop 3235774466" \
	"+ route 10.77.0.0/16 table 254"
expect_status 0 cv a apply "$WORK/a.yaml"
diff_says
expect_status 0 cv a -v apply "$WORK/a.yaml"
expect_equal "" "$(<"$WORK/out")" "acts of an apply that changes nothing"

title "the command of each act does the same"
# command_of REGEX: the command below the act whose line matches.
command_of() { awk -v act="$1" 'found { print; exit } $0 ~ act { found = 1 }' "$WORK/out"; }
in_ns a ip route show "$B_NET4" >"$WORK/one"
in_ns a ip route del "$B_NET4"
expect_status 4 cv a -v diff "$WORK/a.yaml"
read -ra words < <(command_of "^[+] route $B_NET4")
expect_equal "ip route add $B_NET4 table 254 protocol 201 dev a0 mtu 1400 encap bpf xmit pinned" \
	"${words[*]:0:${#words[@]}-1}" "the command"
in_ns a "${words[@]}"
in_ns a ip route show "$B_NET4" | sed 's/blue:\[\*fsobj\]/NAME/' >"$WORK/by-hand"
sed 's,culvert/[^ ]*,NAME,' "$WORK/one" | diff - "$WORK/by-hand" || fail "another route"
in_ns a ip route del "$B_NET4"
expect_status 0 cv a repair

title "what somebody changed by hand is told, and put right"
picture >"$WORK/before"
in_ns a ip route show table 786433 >"$WORK/app"
pin=$(find "$WORK/bpf" -path '*/xmit/red')
in_ns a ip route change "$B_NET4" dev a0 mtu 1300 proto 201 encap bpf xmit pinned "$pin" src "$A4"
in_ns a ip -6 route change "$B_NET6" via 2001:db8:1::fe dev a0 mtu 1400 proto 201
in_ns a ip rule del pref 3000
write_state
expect_status 4 cv a diff "$WORK/a.yaml"
expect_line "^~ route $B_NET4 table 254: src $A4 -> none, mtu 1300 -> 1400, xmit red:\\[\\*fsobj\\] -> culvert/" "$WORK/out"
expect_line "^~ route $B_NET6 table 254 metric 1024: via 2001:db8:1::fe -> none, xmit none -> culvert/" "$WORK/out"
expect_line "^[+] ip rule IPv4 pref 3000 " "$WORK/out"
expect_equal 3 "$(wc -l <"$WORK/out")" "acts"
expect_status 0 cv a repair
expect_equal 3 "$(grep -cE '^[~+] (route|ip rule) ' "$WORK/out")" "acts of the repair"
picture | cmp - "$WORK/before" || fail "not as it was before"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "acts of the second repair"

title "a nexthop group that was changed is left, and another one made"
group=$(in_ns a ip -j route show 10.77.0.0/16 | jq '.[0].nhid')
members=$(in_ns a ip -j nexthop show id "$group" | jq -r '[.[0].group[].id] | join("/")')
in_ns a ip nexthop replace id "$group" group "$members" protocol 201
expect_status 4 cv a diff "$WORK/a.yaml"
expect_line "^~ route 10.77.0.0/16 table 254: nhid $group -> " "$WORK/out"
expect_line "^- nexthop $group\$" "$WORK/out"
expect_status 0 cv a repair
expect_equal '[1,2]' "$(in_ns a ip -j nexthop show id "$(in_ns a ip -j route show 10.77.0.0/16 |
	jq '.[0].nhid')" | jq -c '.[0].group | map(.weight // 1) | sort')" "weights"
diff_says

title "somebody else's route in the way is named, also before anything is done"
in_ns a ip route add 10.78.0.0/16 dev b0 proto static
picture >"$WORK/before"
sed -i '$a\  - {to: 10.78.0.0/16, tunnel: blue}' "$WORK/a.yaml"
for verb in diff "apply --dry-run" apply; do
	# shellcheck disable=SC2086 # two words
	expect_status 2 cv a $verb "$WORK/a.yaml"
	expect_line "^$WORK/a.yaml:11:10: error: route 10.78.0.0/16: there is one already in table 254, not culvert's \\(dev b0 protocol 4\\)" "$WORK/err"
	picture | cmp - "$WORK/before" || fail "$verb has changed something"
done
in_ns a ip route del 10.78.0.0/16 dev b0

title "a route that was put before ours in its place is not replaced"
expect_status 0 cv a apply "$WORK/a.yaml"
in_ns a ip route prepend 10.78.0.0/16 via 192.0.2.254 dev a0 proto static
picture >"$WORK/before"
expect_status 2 cv a apply - < <(sed 's/mtu: 1400/mtu: 1390/' "$WORK/a.yaml")
expect_line 'route 10.78.0.0/16: there is one already in table 254.*via 192.0.2.254 dev a0 protocol 4' "$WORK/err"
picture | cmp - "$WORK/before" || fail "something has changed"
in_ns a ip route del 10.78.0.0/16 via 192.0.2.254 dev a0

title "somebody else's ip rule that is the same is named"
cv a down
for family in -4 -6; do
	in_ns a ip "$family" rule add pref 3000 fwmark "$hex/0x7f000000" iif lo lookup 786433 protocol static
done
picture >"$WORK/before"
(printf 'options: {mark-shared: true}\n' && cat "$WORK/a.yaml") >"$WORK/shared.yaml"
expect_status 2 cv a apply "$WORK/shared.yaml"
expect_line "IPv4 rule 3000: .*: File exists.* protocol 4" "$WORK/err"
picture | cmp - "$WORK/before" || fail "something has changed"
in_ns a ip -4 rule del pref 3000
in_ns a ip -6 rule del pref 3000

title "one refusal among 10,000 changes nothing"
many() { # many TUNNEL: a state with 10,000 routes into it
	sed '/^routes:/q' "$WORK/a.yaml"
	for ((n = 0; n < 10000; n++)); do
		if ((n % 2)); then
			printf '  - {to: 10.%d.%d.0/24, tunnel: %s}\n' $((n / 256)) $((n % 256)) "$1"
		else
			printf '  - {to: "fd00:9:%x::/48", tunnel: %s}\n' "$n" "$1"
		fi
	done
}
many blue >"$WORK/blue.yaml"
many red >"$WORK/red.yaml"
expect_status 0 cv a apply "$WORK/blue.yaml"
expect_equal 10000 "$( (in_ns a ip route show proto 201 && in_ns a ip -6 route show proto 201) | wc -l)" "routes"
# In the way of the last but one, which only the kernel knows: added with the others, not replaced.
in_ns a ip route add 203.0.113.0/24 dev b0
picture >"$WORK/before"
(
	sed '$d' "$WORK/red.yaml"
	printf '  - {to: 203.0.113.0/24, tunnel: red}\n'
	tail -n 1 "$WORK/red.yaml"
) >"$WORK/bad.yaml"
expect_status 2 cv a apply "$WORK/bad.yaml"
expect_line "^$WORK/bad.yaml:10006:10: error: route 203.0.113.0/24: there is one already in table 254, not culvert's \\(dev b0 protocol 3\\)" "$WORK/err"
picture | cmp - "$WORK/before" || fail "something has changed"
in_ns a ip route del 203.0.113.0/24
# What the kernel itself refuses: a source that is no address of this host.
(
	sed '$d' "$WORK/red.yaml"
	printf '  - {to: 203.0.113.0/24, tunnel: red, src: 203.0.113.7}\n'
	tail -n 1 "$WORK/red.yaml"
) >"$WORK/bad.yaml"
picture >"$WORK/before"
expect_status 2 cv a apply "$WORK/bad.yaml"
expect_line "^$WORK/bad.yaml:10006:10: error: route 203.0.113.0/24 in table 254: add: Invalid argument \\(kernel: Invalid prefsrc address\\)" "$WORK/err"
picture | cmp - "$WORK/before" || fail "something has changed"

title "all of them change in one system call, and go in one"
# sends_of VERB FILE: how many of the calls that send to netlink are larger than a page.
sends_of() {
	strace -f -e trace=sendto,sendmsg -o "$WORK/calls" "$CULVERT" --bpffs "$WORK/bpf" \
		--state "$WORK/state" --cgroup "$CGROUP" -n a "$@" >"$WORK/out" 2>"$WORK/err" ||
		fail "$*: $(<"$WORK/err")"
	awk '$NF > 4096' "$WORK/calls" | wc -l
}
if command -v strace >/dev/null; then
	expect_equal 1 "$(sends_of apply "$WORK/red.yaml")" "large calls of the change"
	expect_equal 10000 "$(in_ns a ip -d route show proto 201 table 254 |
		cat - <(in_ns a ip -d -6 route show proto 201 table 254) | grep -c xmit/red/)" "routes into red"
	expect_equal 0 "$(sends_of apply "$WORK/red.yaml")" "large calls of a change of nothing"
	expect_equal 1 "$(sends_of apply "$WORK/a.yaml")" "large calls when they go"
else
	echo "skip strace: is one system call"
	expect_status 0 cv a apply "$WORK/red.yaml"
	expect_status 0 cv a apply "$WORK/a.yaml"
fi
diff_says

title "where few files can be open, it takes some calls more"
{
	printf 'devices: {a0: {}}\ntunnels:\n'
	for ((n = 1; n <= 150; n++)); do
		printf '  t%d: {mode: gre, local: %s, remote: %s, key: %d}\n' "$n" "$A4" "$B4" "$n"
	done
	printf 'routes:\n'
	for ((n = 1; n <= 150; n++)); do
		printf '  - {to: 10.5.%d.0/24, tunnel: t%d}\n' "$n" "$n"
	done
} >"$WORK/a.yaml"
expect_status 0 prlimit --nofile=100:100 "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" \
	--cgroup "$CGROUP" -n a apply "$WORK/a.yaml"
expect_equal 150 "$(in_ns a ip route show proto 201 | wc -l)" "routes"
diff_says

cv a down
expect_equal "" "$(in_ns a ip route show table all proto 201)" "routes that are left"
expect_equal "[]" "$(in_ns a ip -j nexthop show)" "nexthops that are left"
