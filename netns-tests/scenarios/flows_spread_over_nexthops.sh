#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A route with several tunnels spreads its flows over them by weight, each flow through one, as
# kernel nexthop objects; they come and go with the route, also when something fails, and nobody
# else's is touched. A nexthop object that was made by hand can be used, too.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

FLOWS=400 HALF=200

topology_hosts
in_ns a sh -c 'echo 1 >/proc/sys/net/ipv4/fib_multipath_hash_policy
	echo 1 >/proc/sys/net/ipv6/fib_multipath_hash_policy'
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"
apply_state b <<YAML
devices: {b0: {ingress: true, egress: true}}
tunnels:
  one: {mode: gre, local: $B4, remote: $A4, key: 1}
  two: {mode: gre, local: $B4, remote: $A4, key: 2}
YAML

nexthops() { in_ns a ip -j nexthop show | jq -c 'map(.id)'; }
bpf_routes() { in_ns a ip -j route show proto 201 | jq -c 'map(.dst)'; }

# flows: $FLOWS flows of 3 datagrams each from ha, captured on the wire.
flows() {
	capture_start r ra "$WORK/flows.pcap" "proto gre and src $A4"
	in_ns ha /usr/bin/python3 - "$HB4" "$HB6" "$FLOWS" <<-'PYTHON'
		import socket, sys
		for addr in sys.argv[1:3]:
		    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
		    for flow in range(int(sys.argv[3]) // 2):
		        with socket.socket(family, socket.SOCK_DGRAM) as sock:
		            sock.bind(("", 20000 + flow))
		            for _ in range(3):
		                sock.sendto(b"x" * 20, (addr, 9))
	PYTHON
	capture_stop "$WORK/flows.pcap"
	frames_read "$WORK/flows.pcap"
}

# datagrams: the condition for those of flows().
datagrams() { frames_count "$WORK/flows.pcap" "encapsulated and packet.dport == 9 and ($1)"; }
ways() { frames_distinct "$WORK/flows.pcap" "encapsulated and packet.dport == 9 and ($1)" "[packet.family, packet.sport, .key]"; }

title "two tunnels, 1 to 3"
expect_status 0 cv a dev add a0
expect_status 0 cv a tunnel add one mode gre local "$A4" remote "$B4" key 1
expect_status 0 cv a tunnel add two mode gre local "$A4" remote "$B4" key 2
expect_status 0 cv a route add "$B_NET4" nexthop tunnel one nexthop tunnel two weight 3
expect_status 0 cv a route add "$B_NET6" nexthop tunnel one weight 1 nexthop tunnel two weight 3
expect_status 0 in_ns ha ping -n -c 2 -i 0.05 -W 1 "$HB4"
expect_status 0 in_ns ha ping -n -c 2 -i 0.05 -W 1 "$HB6"
flows
expect_equal $((3 * FLOWS)) "$(datagrams true)" "datagrams in the tunnels"
expect_equal "$FLOWS" "$(ways true)" "flows times the tunnels that each took"
for family in 4 6; do
	first=$(ways ".key == 1 and packet.family == $family")
	((first * 20 >= HALF * 3 && first * 20 <= HALF * 7)) ||
		fail "IPv$family: $first of $HALF flows took the tunnel of weight 1"
done

title "route show has the ways"
cv_json a route show "$B_NET4" | expect_json '.[0] |
	[.tunnel, .foreign, .hook, .mtu, (.nexthops | map([.tunnel, .weight, .dev]))]' \
	'[null, false, "xmit", 1472, [["one", 1, "a0"], ["two", 3, "a0"]]]' "route show"
cv_json a route show | expect_json '[.[].nexthops[] | .prog_id > 0 and .generation > 0] | all' \
	true "program ids"
expect_equal "$(nexthops)" "$(cv_json a route show | jq -c '[.[] | (.nexthops[].id), .nhid] | unique')" \
	"ids of all nexthop objects"

title "the same again changes nothing; the state file has the same words"
before=$(nexthops)
expect_status 0 cv a save
cp "$WORK/out" "$WORK/saved.yaml"
expect_line "{to: $B_NET4, nexthops: \[{tunnel: one}, {tunnel: two, weight: 3}\]}" "$WORK/saved.yaml"
expect_status 0 cv a apply "$WORK/saved.yaml"
expect_equal "$before" "$(nexthops)" "nexthop objects"

title "the weights change; no datagram is lost, and unused objects go"
expect_status 0 cv a route replace "$B_NET4" nexthop tunnel one weight 3 nexthop tunnel two
flows
expect_equal $((3 * FLOWS)) "$(datagrams true)" "datagrams in the tunnels"
first=$(ways ".key == 1 and packet.family == 4")
((first * 100 >= HALF * 65)) || fail "$first of $HALF flows took the tunnel of weight 3"
expect_equal "$(nexthops)" "$(cv_json a route show | jq -c '[.[] | (.nexthops[].id), .nhid] | unique')" \
	"ids of all nexthop objects"

title "a change that fails leaves all as it was"
before=$(nexthops)
ip -n a route add 10.99.0.0/16 via 192.0.2.254
expect_status 2 cv a -batch /dev/stdin <<-BATCH
	route replace $B_NET4 nexthop tunnel two weight 7 nexthop tunnel one weight 2
	route add 10.99.0.0/16 tunnel one
BATCH
expect_equal "$before" "$(nexthops)" "nexthop objects"
expect_equal "[[3,1]]" "$(cv_json a route show "$B_NET4" | jq -c 'map(.nexthops | map(.weight))')" "weights"
expect_status 0 in_ns ha ping -n -c 2 -i 0.05 -W 1 "$HB4"

title "a meter on each way, one count"
expect_status 0 cv a route replace "$B_NET4" hook xmit,out nexthop tunnel one nexthop tunnel two
flows
expect_equal $((3 * HALF)) "$(cv_json a route show "$B_NET4" | jq '.[0].packets')" "packets counted"

title "one way back to a plain tunnel: no object is left for it"
expect_status 0 cv a route replace "$B_NET4" tunnel one
expect_status 0 cv a route del "$B_NET6"
expect_equal "[]" "$(nexthops)" "nexthop objects"
expect_status 0 in_ns ha ping -n -c 2 -i 0.05 -W 1 "$HB4"

title "nexthop objects made by hand: used, shown, not touched"
pins=$WORK/bpf/v1/$(cv_json a status | jq -r .instance)/xmit
in_ns a ip nexthop add id 5 dev a0 encap bpf xmit pinned "$pins/two"
in_ns a ip nexthop add id 6 dev a0 encap bpf xmit pinned "$pins/one"
in_ns a ip nexthop add id 7 group 5,2/6
expect_status 2 cv a route replace "$B_NET4" nhid 77
expect_line 'nexthop 77: there is none' "$WORK/err"
expect_status 0 cv a route replace "$B_NET4" nhid 7
flows
expect_equal $((3 * HALF)) "$(datagrams 'packet.family == 4')" "datagrams in the tunnels"
cv_json a route show "$B_NET4" | expect_json '.[0] | [.nhid, .foreign, (.nexthops | map([.id, .tunnel, .weight]))]' \
	'[7, false, [[5, "two", 2], [6, "one", 1]]]' "route show"
expect_status 0 cv a route del "$B_NET4"
expect_equal "[5,6,7]" "$(nexthops)" "nexthop objects"

title "one of ours that somebody else's route uses stays until that route goes"
expect_status 0 cv a route replace "$B_NET4" nexthop tunnel one nexthop tunnel two
id=$(cv_json a route show "$B_NET4" | jq '.[0].nhid')
in_ns a ip route add 10.55.0.0/16 nhid "$id"
expect_status 0 cv a route del "$B_NET4"
expect_equal '["10.55.0.0/16"]' "$(in_ns a ip -j route show 10.55.0.0/16 | jq -c 'map(.dst)')" "the route"
in_ns a ip route del 10.55.0.0/16
expect_status 0 cv a down
expect_equal "[5,6,7]" "$(nexthops)" "nexthop objects"
expect_equal "[]" "$(bpf_routes)" "routes"
