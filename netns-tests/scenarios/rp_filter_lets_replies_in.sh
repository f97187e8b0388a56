#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Replies to a routed app come out of the tunnel on a device over which main does not lead back to
# them. A strict rp_filter drops them, and status says so; with src-valid-mark they get in, and the
# sysctl is as it was when nobody asks for it any more. Forwarded packets never follow an app's table.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_hosts
title "what is not tunnelled goes over a second cable, there and back"
veth_pair a a2 r rc
address a a2 203.0.113.1/24
address r rc 203.0.113.254/24
ip -n a route replace "$B_NET4" via 203.0.113.254 dev a2 src "$A_IN4"
ip -n r route replace "$A_NET4" via 203.0.113.1 dev rc
expect_reachable ha "$HB4"

client=$(program_copy client)
TO=$B_IN4,$B_IN6
# The state of a; $1: words of a0 beside the usual ones.
state() {
	cat <<-YAML
		options: {mark-shared: true}
		devices: {a0: {ingress: true, egress: true${1-}}}
		apps: {client: {exe: $client}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4, allow: [$B_NET4, "$B_NET6"]}}
		routes:
		  - {to: $B_NET4, tunnel: blue, app: client, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, app: client, src: "$A_IN6"}
	YAML
}
plain_routes_del b
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4"
echo_server b echo /usr/bin/python3 7000

# setting DEV NAME [VALUE]: reads, or sets, a setting of a.
setting() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns a sh -c 'cd /proc/sys/net/ipv4/conf/$0; [ -z "$2" ] || echo "$2" >"$1"; cat "$1"' "$1" "$2" "${3-}"
}
# Packets that rp_filter dropped in a.
filtered() { in_ns a nstat -asz TcpExtIPReversePathFilter | awk '/Filter/ { print $2 }'; }
# problem [REGEX]: fails unless rp_filter is a problem in status, of that kind; without one: none. What
# the kernel has not is another matter.
problem() {
	cv_json a status | jq -r '.problems[] | select(contains("refused by the kernel") | not)' >"$WORK/problems"
	if [[ -n ${1-} ]]; then
		expect_line "^dev a0: rp_filter is strict and replies to app $1" "$WORK/problems"
	else
		expect_equal "" "$(<"$WORK/problems")" "problems"
	fi
}
no_way="client through tunnel blue have no way back; add 'src-valid-mark' to the dev$"
# Whether a client's traffic of a kind reaches an address and comes back.
reaches() { in_ns a "$client" "$TOOLS/traffic.py" "$1" 4 "$2" --port 7000 --timeout 1 >/dev/null 2>&1; }

title "loose and off: all is well, and nothing is set"
state | apply_state a
for value in 0 2; do
	setting a0 rp_filter $value >/dev/null
	reaches tcp "$TO" || fail "tcp with rp_filter $value"
	problem
done
expect_equal 0 "$(setting a0 src_valid_mark)" "src_valid_mark without consent"

title "strict: replies over IPv4 are dropped, and status says so"
setting a0 rp_filter 1 >/dev/null
problem "$no_way"
before=$(filtered)
! reaches tcp "$B_IN4" || fail "tcp passes a strict rp_filter"
! reaches udp "$B_IN4" || fail "udp passes a strict rp_filter"
((before < $(filtered))) || fail "rp_filter dropped nothing"
reaches tcp "$B_IN6" || fail "tcp over IPv6"
title "strict for all devices is the same"
setting a0 rp_filter 0 >/dev/null
setting all rp_filter 1 >/dev/null
problem "$no_way"
! reaches tcp "$B_IN4" || fail "tcp passes a strict rp_filter for all"
setting all rp_filter 0 >/dev/null
setting a0 rp_filter 1 >/dev/null

title "with consent they get in: TCP, UDP, pings"
state ", src-valid-mark: true" | apply_state a
expect_equal 1 "$(setting a0 src_valid_mark)" "src_valid_mark with consent"
problem
before=$(filtered) tunnelled=$(cv_json a tunnel show | jq '.[0].rx_packets')
for kind in tcp udp udpc ping; do
	reaches $kind "$TO" || fail "$kind with src-valid-mark"
done
expect_equal "$before" "$(filtered)" "packets that rp_filter dropped"
((tunnelled < $(cv_json a tunnel show | jq '.[0].rx_packets'))) || fail "nothing came by the tunnel"
expect_status 0 cv a save
expect_line '^  a0: \{ingress: true, egress: true, src-valid-mark: true\}$' "$WORK/out"

title "somebody sets it back: status says so, repair sets it"
setting a0 src_valid_mark 0 >/dev/null
problem "client through tunnel blue have no way back; its src_valid_mark was set back to 0"
expect_status 0 cv a repair
expect_equal 1 "$(setting a0 src_valid_mark)" "src_valid_mark after repair"
problem

title "a second app in the same tunnel, whose replies cannot have its mark"
ip -n a route add 10.77.0.0/24 via 203.0.113.254 dev a2
expect_status 0 cv a app add other exe "$(program_copy other)"
expect_status 0 cv a route add 10.77.0.0/24 tunnel blue app other
problem "other through tunnel blue have no way back; they get the mark of another app"
reaches tcp "$B_IN4" || fail "tcp of the first app"
expect_status 0 cv a route del 10.77.0.0/24 app other
expect_status 0 cv a app del other

title "the word goes, the device goes, all goes: the setting is what it was"
state | apply_state a
expect_equal 0 "$(setting a0 src_valid_mark)" "src_valid_mark without the word"
state ", src-valid-mark: true" | apply_state a
expect_status 0 cv a dev del a0
expect_equal 0 "$(setting a0 src_valid_mark)" "src_valid_mark after dev del"
expect_status 0 cv a dev add a0 src-valid-mark
expect_equal 1 "$(setting a0 src_valid_mark)" "src_valid_mark after dev add"
reaches tcp "$TO" || fail "tcp after dev add"
expect_status 0 cv a down
expect_equal 0 "$(setting a0 src_valid_mark)" "src_valid_mark after down"
title "one that was set before stays set"
setting a0 src_valid_mark 1 >/dev/null
state ", src-valid-mark: true" | apply_state a
reaches tcp "$TO" || fail "tcp with a setting of somebody else's"
expect_status 0 cv a down
expect_equal 1 "$(setting a0 src_valid_mark)" "somebody else's src_valid_mark after down"
setting a0 src_valid_mark 0 >/dev/null
title "what fails leaves it alone"
state ", src-valid-mark: true" | sed 's|^routes:$|&\n  - {to: 10.99.0.0/16, tunnel: blue, table: 77}|' >"$WORK/bad.yaml"
ip -n a route add 10.99.0.0/16 via 203.0.113.254 table 77
expect_status 2 cv a apply "$WORK/bad.yaml"
expect_equal 0 "$(setting a0 src_valid_mark)" "src_valid_mark after a refused apply"

title "forwarded packets with the app's mark do not follow its table"
state ", src-valid-mark: true" | apply_state a
setting a0 rp_filter 0 >/dev/null
mark=$(cv_json a app show | jq '.[0].mark')
in_ns a nft "table inet x { chain pre { type filter hook prerouting priority 0;
	iifname a1 counter meta mark set $mark; }; }"
before=$(cv_json a tunnel show | jq '.[0].tx_packets')
in_ns ha /usr/bin/python3 "$TOOLS/traffic.py" ping 4 "$HB4,$HB6" >"$WORK/pings" || fail "forwarded pings: $(<"$WORK/pings")"
marked=$(in_ns a nft -j list chain inet x pre | jq '[.. | .counter? // empty | .packets] | add')
((marked >= 4)) || fail "$marked forwarded packets were marked"
expect_equal "$before" "$(cv_json a tunnel show | jq '.[0].tx_packets')" "forwarded packets in the tunnel"
