#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# With no culvert command after `tunnel add`, stock ip and tc make routes into the tunnel and take
# packets out of it by what culvert pinned; and the object files that are installed load with them
# and share culvert's maps.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
OBJECTS=$TREE/build/bpf
SIZES=(1 100 1373 1448 1449 1473 3000 65507)
expect_status 0 cv a tunnel add blue mode gre local "$A4" remote "$B4" key 5
expect_status 0 cv b tunnel add blue mode gre local "$B4" remote "$A4" key 5
mtu=$(cv_json a tunnel show blue | jq '.[0].mtu')

# instance NS: the directory of that namespace's pins.
instance() { printf '%s/v1/%s' "$WORK/bpf" "$(cv_json "$1" status | jq -r .instance)"; }
A_PINS=$(instance a) B_PINS=$(instance b)

title "routes and filters by hand, of pinned programs"
in_ns a ip route add "$B_NET4" encap bpf xmit pinned "$A_PINS/tunnels/blue/xmit" dev a0 mtu "$mtu" src "$A_IN4"
in_ns a ip -6 route add "$B_NET6" encap bpf xmit pinned "$A_PINS/tunnels/blue/xmit" dev a0 mtu "$mtu" src "$A_IN6"
in_ns b ip route add "$A_NET4" encap bpf xmit pinned "$B_PINS/tunnels/blue/xmit" dev b0 mtu "$mtu" src "$B_IN4"
in_ns b ip -6 route add "$A_NET6" encap bpf xmit pinned "$B_PINS/tunnels/blue/xmit" dev b0 mtu "$mtu" src "$B_IN6"
in_ns a tc qdisc add dev a0 clsact
in_ns b tc qdisc add dev b0 clsact
in_ns a tc filter add dev a0 ingress bpf da object-pinned "$A_PINS/progs/cv_cls_ingress"
in_ns b tc filter add dev b0 ingress bpf da object-pinned "$B_PINS/progs/cv_cls_ingress"
exchange "${SIZES[@]}"

title "the installed object, loaded by tc, decapsulates by culvert's maps"
in_ns a tc filter del dev a0 ingress
TC_BPF_MNT=$A_PINS in_ns a tc filter add dev a0 ingress bpf da obj "$OBJECTS/classify.bpf.o" sec tc
exchange "${SIZES[@]}"
# maps_of PROGRAM: what it uses, but for the constants that every program has of its own.
maps_of() {
	bpftool -j prog show id "$1" | jq '.map_ids[]' | while read -r id; do
		bpftool -j map show id "$id" | jq -r 'select(.name | test("rodata|bss") | not) | "\(.name) \(.id)"'
	done | sort
}
pinned=$(bpftool -j prog show pinned "$A_PINS/progs/cv_cls_ingress" | jq .id)
loaded=$(in_ns a tc -j filter show dev a0 ingress | jq '.[].options // {} | .prog.id // empty')
[[ $pinned != "$loaded" ]] || fail "tc did not load the object"
expect_equal "$(maps_of "$pinned")" "$(maps_of "$loaded")" "maps of the program that tc loaded"

title "the installed object, loaded by ip, is of no tunnel, and says so"
TC_BPF_MNT=$A_PINS in_ns a ip route add 10.77.0.0/16 \
	encap bpf xmit obj "$OBJECTS/tunnel.bpf.o" section lwt_xmit dev a0
! in_ns a ping -n -c 1 -W 0.2 10.77.0.1 >"$WORK/out" 2>&1 || fail "a ping through no tunnel"
expect_equal 1 "$(drops a no_tunnel)" "packets into no tunnel"

title "down leaves no pins; what was made by hand stays"
expect_status 0 cv a down
[[ ! -e $A_PINS ]] || fail "left: $(find "$A_PINS")"
prints "cv_cls_ingress" in_ns a tc filter show dev a0 ingress || fail "the filter is gone"
prints "encap bpf" in_ns a ip route show "$B_NET4" || fail "the route is gone"
