#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `culvert repair` brings back what others took away, follows the underlay's MTU, does nothing the
# second time, and moves to the programs of another build without losing a packet.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
program=$(program_copy program)

# state LOCAL REMOTE TO TO6 DEV SRC SRC6
state() {
	cat <<-END
		devices:
		  $5: {ingress: true, egress: true}
		tunnels:
		  blue: {mode: gre, local: $1, remote: $2, key: 1}
		routes:
		  - {to: $3, tunnel: blue, src: $6}
		  - {to: "$4", tunnel: blue, src: "$7", metric: 1}
	END
}
ip -n a route del "$B_NET4"
ip -n b route del "$A_NET4"
state "$A4" "$B4" "$B_NET4" "$B_NET6" a0 "$A_IN4" "$A_IN6" | apply_state a
state "$B4" "$A4" "$A_NET4" "$A_NET6" b0 "$B_IN4" "$B_IN6" | apply_state b
echo_server b server "$program" 7000

talk() { in_ns a "$program" "$TOOLS/traffic.py" udp 20 "$B_IN4,$B_IN6" --port 7000 >"$WORK/talk" 2>&1; }

# What the kernel holds for us, as the stock tools show it.
kernel() {
	in_ns a ip -j -d route show table all proto 201 | jq -Sc 'map(del(.flags))'
	in_ns a ip -j -d -6 route show table all proto 201 | jq -Sc 'map(del(.flags))'
	in_ns a tc -j filter show dev a0 ingress | jq -Sc .
	in_ns a tc -j filter show dev a0 egress | jq -Sc .
}

talk || fail "the tunnel does not work to begin with: $(<"$WORK/talk")"
kernel >"$WORK/before"

title "routes and filters that others took away"
ip -n a route flush proto 201
ip -n a -6 route flush proto 201
in_ns a tc qdisc del dev a0 clsact
expect_equal '[]' "$(in_ns a ip -j route show proto 201)" "routes after the flush"
expect_status 0 cv a repair
expect_equal "$(<"$WORK/before")" "$(kernel)" "what the kernel holds after repair"
talk || fail "the tunnel does not work after repair: $(<"$WORK/talk")"

title "the second time nothing is left to do"
expect_status 0 cv a repair
expect_equal "$(<"$WORK/before")" "$(kernel)" "what the kernel holds after the second repair"

title "mtu auto follows the underlay"
mtu=$(cv_json a tunnel show blue | jq '.[0].mtu')
ip -n a link set a0 mtu 1400
expect_status 0 cv a repair
expect_equal "$((mtu - 100))" "$(cv_json a tunnel show blue | jq '.[0].mtu')" "mtu of the tunnel"
expect_equal "$((mtu - 100))" "$(in_ns a ip -j route show "$B_NET4" | jq '.[0].metrics[0].mtu')" \
	"mtu of the route"
ip -n a link set a0 mtu 1500
expect_status 0 cv a repair
expect_equal "$(<"$WORK/before")" "$(kernel)" "what the kernel holds with the old mtu"

title "programs of another build give way under traffic"
meta=$(find "$WORK/bpf" -path "*$(cv_json a status | jq -r .instance)/maps/cv_meta")
# The text of the build begins behind four words and two cookies.
mapfile -t bytes < <(bpftool -j map lookup pinned "$meta" key 0 0 0 0 | jq -r '.value[]')
bytes[32]=0x39
bpftool map update pinned "$meta" key 0 0 0 0 value "${bytes[@]}"
# shared: the program that all tunnels share, as it is pinned and as their stubs find it.
shared() {
	bpftool -j prog show pinned "${meta%/maps/*}/progs/cv_xmit" | jq .id
	bpftool -j map dump pinned "${meta%/*}/cv_xmit_progs" | jq -c '.[0].value'
}
ids=$(cv_json a route show | jq -c 'map(.prog_id)') before=$(shared)
filter=$(in_ns a tc -j filter show dev a0 ingress | jq '[.[].options.prog.id // empty][0]')
start_in a stream "$program" "$TOOLS/traffic.py" udp 3000 "$B_IN4,$B_IN6" --port 7000
stream=$STARTED
expect_status 0 cv a repair
wait "$stream" || fail "packets were lost: $(tail -n 3 "$WORK/stream.log")"
expect_equal "$ids" "$(cv_json a route show | jq -c 'map(.prog_id)')" "stubs of the routes"
for line in 1 2; do
	[[ $(shared | sed -n ${line}p) != "$(sed -n ${line}p <<<"$before")" ]] || fail "the shared program stayed"
done
[[ $(in_ns a tc -j filter show dev a0 ingress | jq '[.[].options.prog.id // empty][0]') != "$filter" ]] ||
	fail "the filter's program stayed"
expect_equal 1 "$(in_ns a ip -j route show proto 201 | jq length)" "IPv4 routes"
talk || fail "the tunnel does not work after the upgrade: $(<"$WORK/talk")"

title "a bpffs that was lost is made anew, with other programs for the routes"
umount -l "$WORK/bpf"
expect_status 0 cv a repair
expect_status 0 cv b repair
wait_for 5 talk || fail "the tunnel does not work: $(<"$WORK/talk")"
expect_equal 1 "$(in_ns a ip -j route show proto 201 | jq length)" "IPv4 routes"
title "files of sets are read anew"
echo 10.5.0.0/16 >"$WORK/elements"
expect_status 0 cv a set add listed type prefix file "$WORK/elements"
expect_status 0 cv a repair
rm "$WORK/elements"
expect_status 1 cv a repair
