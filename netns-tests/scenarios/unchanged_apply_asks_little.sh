#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A state of many things that is applied again is compared with the kernel by few system calls, none of
# which changes anything; and what is asked for together is answered as if it were asked one by one: the
# MTU of each tunnel is that of the way to its remote, also where ICMP told another one of that remote.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

TUNNELS=280 ROUTES=600
BIG=$(dirname "$0")/../bench/big_state.py

netns_add a z
veth_pair a v0a z z0
veth_pair a v0b z z1
address a v0a 192.0.2.1/24 2001:db8:1::1/64
address z z0 192.0.2.254/24 2001:db8:1::fe/64
for ((n = 1; n < 10; n++)); do
	veth_pair a "v${n}a" a "v${n}b"
done
in_ns a ip route add default via 192.0.2.254
in_ns a ip -6 route add default via 2001:db8:1::fe dev v0a
python3 "$BIG" --devices 20 --tunnels "$TUNNELS" --apps 90 --routes "$ROUTES" --rules 100 >"$WORK/big.yaml"
# An executable that is there is asked for, too.
cp "$(command -v sleep)" "$WORK/worker"
sed -i "s|exe: /opt/app3/bin/app3|exe: $WORK/worker|" "$WORK/big.yaml"
expect_status 0 cv a apply "$WORK/big.yaml"

title "each tunnel has the MTU of the way to its remote"
# room: of each tunnel name and MTU.
room() { cv_json a tunnel show | jq -r '.[] | "\(.name) \(.mtu)"' | sort; }
room >"$WORK/before"
expect_equal "$TUNNELS" "$(wc -l <"$WORK/before")" "tunnels"
# One by the route itself, one because ICMP said so of its remote; all others as before.
remote() { cv_json a tunnel show "$1" | jq -r '.[0].remote[0]'; }
by_route=tun7 by_icmp=tun8 by_route4=tun1
[[ $(remote $by_route) == *:* && $(remote $by_icmp) == *:* && $(remote $by_route4) == *.* ]] ||
	fail "families of tunnels: $(remote $by_route) $(remote $by_icmp) $(remote $by_route4)"
in_ns a ip -6 route add "$(remote $by_route)" via 2001:db8:1::fe dev v0a mtu 1400
in_ns a ip route add "$(remote $by_route4)" via 192.0.2.254 mtu 1380
# A packet that is too big on the other side of z.
veth_pair z y0 a y1
in_ns z ip link set y0 mtu 1300
in_ns z sysctl -qw net.ipv6.conf.all.forwarding=1
in_ns z ip -6 address add 2001:db8:9::1/64 dev y0 nodad
in_ns z ip -6 route add "$(remote $by_icmp)" via 2001:db8:9::2 dev y0
in_ns z ip -6 neighbour add 2001:db8:9::2 lladdr 02:00:00:00:00:09 dev y0
knows() { prints "mtu 1300" in_ns a ip -6 route get "$(remote $by_icmp)"; }
in_ns a ping -n -c 1 -W 1 -s 1400 -M "do" "$(remote $by_icmp)" >"$WORK/ping" 2>&1 || :
wait_for 5 knows
expect_status 0 cv a apply "$WORK/big.yaml"
room >"$WORK/after"
expect_equal "$by_route4 120
$by_route 100
$by_icmp 200" "$(join "$WORK/before" "$WORK/after" | awk '$2 != $3 {print $1, $2 - $3}')" \
	"tunnels that changed, and by how much"

title "what is gone is found among many"
# Three of them: of each family one, and one in the table of an app.
cv_json a route show >"$WORK/routes"
gone() { jq -r "[.[] | select($1)][0] | \"\(.to) table \(.table)\"" "$WORK/routes"; }
gone4=$(gone '.app == null and (.to | contains(":") | not) and .nexthops == []')
gone6=$(gone '.app == null and (.to | contains(":")) and .nexthops == []')
gone_app=$(gone '.app == "app7"')
# shellcheck disable=SC2086 # prefix and table
for route in "$gone4" "$gone_app"; do in_ns a ip route del $route proto 201; done
# shellcheck disable=SC2086
in_ns a ip -6 route del $gone6 proto 201
cv_json a status | expect_json '[.problems[] | select(endswith("gone from the kernel"))] | sort' \
	"$(jq -n '[$ARGS.positional[] | "route \(.): gone from the kernel"] | sort' \
		--args "${gone4% table *}" "${gone6% table *}" "${gone_app% table *}")" "problems"
expect_status 0 cv a repair
cv_json a status | expect_json '[.problems[] | select(endswith("gone from the kernel"))]' '[]' "problems"

title "applied again it takes few calls, and none that writes"
if ! command -v strace >/dev/null; then
	echo "skip strace: how many system calls"
	exit 0
fi
strace -f -v -o "$WORK/calls" "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" \
	--cgroup "$CGROUP" -n a apply "$WORK/big.yaml" >"$WORK/out" 2>"$WORK/err" ||
	fail "apply: $(<"$WORK/err")"
# calls PATTERN: how many of that kind.
calls() { grep -Ec -- "$1" "$WORK/calls" || :; }
expect_equal 0 "$(calls 'bpf\(BPF_(PROG_LOAD|BTF_LOAD|MAP_CREATE|MAP_UPDATE|MAP_DELETE|OBJ_PIN|LINK_UPDATE)')" \
	"calls that load or write"
expect_equal 0 "$(calls 'RTM_(NEW|DEL)[A-Z]+, nlmsg_flags=NLM_F_REQUEST')" "requests that change routes or filters"
expect_equal 0 "$(calls '(rename|unlink|link)(at)?2?\(.*= 0$')" "files that change"
# at_most N PATTERN WHAT
at_most() { (($(calls "$2") <= $1)) || fail "$3: $(calls "$2"), more than $1"; }
at_most $((TUNNELS + 220)) 'bpf\(BPF_OBJ_GET,' "pins that are opened"
at_most 2 'RTM_GETROUTE, nlmsg_flags=NLM_F_REQUEST\|NLM_F_DUMP.*protocol=0xc9' "lists of our routes"
at_most $((40 + TUNNELS / 10)) 'send(to|msg)\(.*RTM_GETROUTE' "calls that ask for ways"
at_most 5 'openat\(.*/proc/self/mountinfo' "readings of all mounts"
