#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Routes with programs that somebody made with ip use culvert's tunnels and show up in `route show`,
# with what can be known of their programs: any table, both families, several nexthops, nexthop
# objects, other people's programs. culvert never changes or deletes one.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
ip -n a route del "$B_NET4"
ip -n a -6 route del "$B_NET6"
apply_state b <<YAML
devices: {b0: {ingress: true}}
tunnels:
  blue:  {mode: gre, local: $B4, remote: $A4, key: 1}
  green: {mode: gre, local: "$B6", remote: "$A6", key: 2}
YAML
expect_status 0 cv a dev add a0
expect_status 0 cv a tunnel add blue mode gre local "$A4" remote "$B4" key 1
expect_status 0 cv a tunnel add green mode gre local "$A6" remote "$B6" key 2
pins=$WORK/bpf/v1/$(cv_json a status | jq -r .instance)/xmit
mtu=$(cv_json a tunnel show green | jq '.[0].mtu')

prog() { bpftool -j prog show pinned "$1" | jq -c '[.id, .tag]'; }
foreign() { cv_json a route show | jq -c "map(select(.foreign)) | $1"; }
# All routes and nexthop objects but those of culvert's own devices.
dump() {
	{
		in_ns a ip -d route show table all
		in_ns a ip -d -6 route show table all
		in_ns a ip -d nexthop show
	} | sed '/dev culvert-/d'
}

title "by hand, with no culvert command after tunnel add: both families through a tunnel"
in_ns a ip route add "$B_NET4" encap bpf xmit pinned "$pins/blue" mtu "$mtu" dev a0 src "$A_IN4"
in_ns a ip -6 route add "$B_NET6" encap bpf xmit pinned "$pins/green" mtu "$mtu" dev a0 src "$A_IN6"
expect_status 0 in_ns a ping -n -c 3 -i 0.05 -W 1 "$B_IN4"
expect_status 0 in_ns a ping -n -c 3 -i 0.05 -W 1 "$B_IN6"
cv_json a tunnel show | expect_json 'map([.name, .tx_packets])' '[["blue", 3], ["green", 3]]' "packets"

title "they are shown with tunnel, program and tag"
expect_equal "[[\"$B_NET4\",\"blue\",\"a0\",$mtu,\"xmit\"],[\"$B_NET6\",\"green\",\"a0\",$mtu,\"xmit\"]]" \
	"$(foreign 'map([.to, .tunnel, .dev, .mtu, .hook])')" "route show"
expect_equal "[$(prog "$pins/blue"),$(prog "$pins/green")]" "$(foreign 'map([.prog_id, .tag])')" "programs"
expect_equal "$(cv_json a route show | jq -c 'map(.generation > 0)')" "[true,true]" "generations"
expect_status 0 cv a route
expect_line "^$B_NET4 +blue +- +main +a0 +$mtu +xmit +[0-9]+ +[0-9]+ +foreign" "$WORK/out"

title "other tables, several nexthops, nexthop objects, a program that is nobody's"
cat >"$WORK/pass.c" <<'C'
#include <linux/bpf.h>
__attribute__((section("lwt_out"), used)) int pass(struct __sk_buff *skb)
{
	return BPF_OK;
}
char _license[] __attribute__((section("license"), used)) = "GPL";
C
clang -target bpf -O2 -g -idirafter "/usr/include/$(gcc -print-multiarch)" -c "$WORK/pass.c" \
	-o "$WORK/pass.o"
bpftool prog load "$WORK/pass.o" "$WORK/bpf/other" type lwt_out
in_ns a ip route add 10.61.0.0/16 encap bpf out pinned "$WORK/bpf/other" via 192.0.2.254
in_ns a ip route add 10.62.0.0/16 table 77 metric 9 encap bpf xmit pinned "$pins/blue" dev a0
in_ns a ip route add 10.63.0.0/16 nexthop encap bpf xmit pinned "$pins/blue" dev a0 weight 2 \
	nexthop via 192.0.2.254 dev a0 weight 5
in_ns a ip -6 route add fd00:64::/32 \
	nexthop encap bpf xmit pinned "$pins/blue" via 2001:db8:1::ff dev a0 weight 1 \
	nexthop encap bpf xmit pinned "$pins/green" via 2001:db8:1::fe dev a0 weight 3
in_ns a ip nexthop add id 5 dev a0 encap bpf xmit pinned "$pins/green"
in_ns a ip nexthop add id 6 dev a0 encap bpf xmit pinned "$pins/blue"
in_ns a ip nexthop add id 7 group 5,4/6
in_ns a ip route add 10.65.0.0/16 nhid 7
in_ns a ip route add 10.66.0.0/16 nhid 6
in_ns a ip nexthop add id 8 via 192.0.2.254 dev a0
in_ns a ip route add 10.67.0.0/16 nhid 8
at() { cv_json a route show | jq -c --arg to "$1" '.[] | select(.to == $to) | '"$2"; }
expect_equal '[null,"out",null,null,null,true]' \
	"$(at 10.61.0.0/16 '[.tunnel, .hook, .prog_id, .tag, .generation, .foreign]')" "a foreign program"
expect_equal '["other"]' "$(at 10.61.0.0/16 '[.programs[].name | split(":")[0]]')" "its name"
expect_equal '["blue",77,9]' "$(at 10.62.0.0/16 '[.tunnel, .table, .metric]')" "another table"
expect_equal '[null,[["blue",2],[null,5]]]' \
	"$(at 10.63.0.0/16 '[.tunnel, (.nexthops | map([.tunnel, .weight]))]')" \
	"several nexthops, one of them with a program"
expect_equal '[null,[["blue",1],["green",3]]]' \
	"$(at fd00:64::/32 '[.tunnel, (.nexthops | map([.tunnel, .weight]))]')" "several nexthops, IPv6"
expect_equal '[7,[[5,"green",4],[6,"blue",1]]]' \
	"$(at 10.65.0.0/16 '[.nhid, (.nexthops | map([.id, .tunnel, .weight]))]')" "a nexthop group"
expect_equal '[6,[[6,"blue"]]]' \
	"$(at 10.66.0.0/16 '[.nhid, (.nexthops | map([.id, .tunnel]))]')" "a nexthop object"
expect_equal "" "$(at 10.67.0.0/16 .to)" "a route without a program"

title "with nexthops not repeated in the routes, the same"
before=$(foreign 'map(del(.metric))')
in_ns a sh -c 'echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode'
expect_equal "$before" "$(foreign 'map(del(.metric))')" "route show"
in_ns a sh -c 'echo 1 >/proc/sys/net/ipv4/nexthop_compat_mode'

title "culvert's own come and go beside them; a foreign one is never replaced or deleted"
before=$(dump)
expect_status 2 cv a route add "$B_NET4" tunnel green
expect_line 'there is one already in table 254, not culvert' "$WORK/err"
expect_status 2 cv a route del "$B_NET4"
expect_status 0 cv a route add 10.70.0.0/16 nexthop tunnel blue nexthop tunnel green
expect_status 0 cv a route replace 10.70.0.0/16 tunnel blue hook xmit,out
expect_status 0 cv a route del 10.70.0.0/16
expect_equal "$before" "$(dump)" "routes and nexthop objects"

title "they outlive the instance, and say that their tunnel is gone"
expect_status 0 cv a down
expect_equal "$before" "$(dump)" "routes and nexthop objects"
expect_status 1 in_ns a ping -n -c 1 -W 0.4 "$B_IN4"
expect_equal "[null,null]" "$(at "$B_NET4" '[.tunnel, .prog_id]')" "route show"
