#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Owners and network namespaces. Two of them that have the same addresses and connections with the
# same ports at the same time are never mixed up; and a host knows the packets of its containers by
# apps with `netns`, at its end of their cables and behind a bridge, and its own by the others.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

one=$(program_copy one)
two=$(program_copy two)
declare -A DSCP=([one]=11 [two]=12 [none]=14)

# owned FILE CONDITION DSCP COUNT WHAT: fails unless at least COUNT packets fulfil CONDITION and all
# have that DSCP.
owned() {
	local got
	got=$(frames_count "$1" "$2")
	((got >= $4)) || fail "$5: $got packets, expected $4 or more"
	expect_equal "$3" "$(frames_values "$1" "$2" .outer.dscp)" "$5: DSCP"
}

title "two namespaces with the same addresses, the same ports, and other programs"
for n in 1 2; do
	netns_add "x$n" "y$n"
	veth_pair "x$n" x0 "y$n" y0
	address "x$n" x0 192.0.2.1/24 2001:db8:1::1/64
	address "y$n" y0 192.0.2.2/24 2001:db8:1::2/64
	offloads_off "x$n" x0
	offloads_off "y$n" y0
	arrivals_mirror "x$n" x0
	expect_reachable "x$n" 192.0.2.2 2001:db8:1::2
	echo_server "y$n" "echo$n" /usr/bin/python3 7000
done
# The ids of apps are given in the order of the file: here each is the other's.
for order in "1 one two" "2 two one"; do
	read -r n first second <<<"$order"
	apply_state "x$n" <<-YAML
		devices: {x0: {ingress: true, egress: true}}
		apps:
		  $first: {exe: $WORK/bin/$first}
		  $second: {exe: $WORK/bin/$second}
		rules:
		  one:  {prio: 1, match: {app: one}, action: {dscp: ${DSCP[one]}}}
		  two:  {prio: 2, match: {app: two}, action: {dscp: ${DSCP[two]}}}
		  none: {prio: 3, match: {app: none}, action: {dscp: ${DSCP[none]}}}
	YAML
done
expect_equal "1 1" "$(cv_json x1 app show one | jq '.[0].id') $(cv_json x2 app show two | jq '.[0].id')" \
	"ids of two apps"

# talk NS PROGRAM: TCP, UDP and fragments from ports that are the same in every namespace, begun when
# the fifo "go" is opened.
talk() {
	start_in "$1" "talk-$1" "$2" "$TOOLS/kinds.py" same 7000 192.0.2.2 2001:db8:1::2 "$WORK/go"
	TALKING+=("$STARTED")
}
files=()
for n in 1 2; do
	files+=("$WORK/y$n.pcap" "$WORK/x$n.pcap")
	capture_start_at_once "y$n" y0 "$WORK/y$n.pcap"
	capture_start_at_once "x$n" arrivals "$WORK/x$n.pcap"
done
TALKING=()
mkfifo "$WORK/go"
talk x1 "$one"
talk x2 "$two"
wait_for 10 grep -qx READY "$WORK/talk-x1.log" || fail "$(<"$WORK/talk-x1.log")"
wait_for 10 grep -qx READY "$WORK/talk-x2.log" || fail "$(<"$WORK/talk-x2.log")"
exec 9>"$WORK/go"
for pid in "${TALKING[@]}"; do wait "$pid" || fail "$(cat "$WORK"/talk-*.log)"; done
for file in "${files[@]}"; do
	capture_stop "$file"
	frames_read "$file"
done
flows() { frames_query "$1" '[.[].outer | select(.sport) | [.src, .sport, .dst, .dport]] | unique | .[] | @csv'; }
expect_equal "$(flows "$WORK/y1.pcap")" "$(flows "$WORK/y2.pcap")" "connections of both"
for family in 4 6; do
	for n in 1 2; do
		program=one
		((n == 1)) || program=two
		is=".outer.family == $family and (.outer.proto == 6 or .outer.proto == 17)"
		owned "$WORK/y$n.pcap" "$is and .outer.ttl == 64 and (.outer.src | test(\"1\$\"))" \
			"${DSCP[$program]}" 100 "sent by $program, IPv$family"
		owned "$WORK/x$n.pcap" "$is and (.outer.dst | test(\"1\$\"))" \
			"${DSCP[$program]}" 100 "received by $program, IPv$family"
	done
done
cv x1 down
cv x2 down

title "a host h with a routed container c, a bridged one d, and others outside"
#
#   [c c0]--[hc h ho]--[o0 o]
#   [d d0]--[hd h hp]--[p0 p]      hd and hp are ports of a bridge
#
netns_add h c d o p
netns_forward h
veth_pair h hc c c0
veth_pair h ho o o0
veth_pair h hd d d0
veth_pair h hp p p0
ip -n h link add bridge type bridge
ip -n h link set hd master bridge
ip -n h link set hp master bridge
ip -n h link set bridge up
# With it a bridge hands packets to the netfilter of IP, which takes the socket off them.
for family in ip ip6; do
	file=/proc/sys/net/bridge/bridge-nf-call-${family}tables
	in_ns h sh -c "[ ! -e $file ] || echo 0 >$file"
done
address h hc 10.1.0.254/24 fd01::ff/64
address h ho 10.2.0.254/24 fd02::ff/64
address c c0 10.1.0.1/24 fd01::1/64
address o o0 10.2.0.1/24 fd02::1/64
address d d0 10.3.0.1/24 fd03::1/64
address p p0 10.3.0.2/24 fd03::2/64
for ns in c o; do
	ip -n "$ns" route add default via "10.$([[ $ns == c ]] && echo 1 || echo 2).0.254"
	ip -n "$ns" route add default via "fd0$([[ $ns == c ]] && echo 1 || echo 2)::ff"
done
offloads_off c c0
offloads_off d d0
offloads_off h hc ho hd hp
expect_reachable c 10.2.0.1 fd02::1
expect_reachable d 10.3.0.2 fd03::2
DSCP+=([box]=15 [ours]=16)
apply_state h <<YAML
devices: {hc: {}, ho: {}, hp: {}}
apps:
  box:  {netns: c}
  side: {netns: d}
  one:  {exe: $one, netns: any}
  ours: {exe: $two}
rules:
  one:       {prio: 1, match: {dev: hc, dir: in, app: one}, action: {dscp: ${DSCP[one]}}}
  box:       {prio: 2, match: {dev: hc, dir: in, app: box}, action: {dscp: ${DSCP[box]}}}
  none:      {prio: 3, match: {dev: hc, dir: in, app: none}, action: {dscp: ${DSCP[none]}}}
  side:      {prio: 4, match: {dev: hp, dir: out, app: side}, action: {dscp: ${DSCP[box]}}}
  side-one:  {prio: 5, match: {dev: hp, dir: out, app: one}, action: {dscp: ${DSCP[one]}}}
  side-none: {prio: 6, match: {dev: hp, dir: out, app: none}, action: {dscp: ${DSCP[none]}}}
  ours:      {prio: 7, match: {dev: ho, dir: out, app: ours}, action: {dscp: ${DSCP[ours]}}}
YAML
echo_server o echo-o /usr/bin/python3 7000
echo_server p echo-p /usr/bin/python3 7000
echo_server c echo-c "$one" 7100

# seen NS IF OWNER FROM4 FROM6 CMD...: CMD sends from both addresses; all that arrives from them at
# that device must be OWNER's.
seen() {
	local file=$WORK/seen.pcap what="${*:6}"
	capture_start_at_once "$1" "$2" "$file"
	"${@:6}" || fail "$what"
	capture_stop "$file"
	frames_read "$file"
	owned "$file" ".outer.src == \"$4\"" "$3" 8 "$what, IPv4"
	owned "$file" ".outer.src == \"$5\"" "$3" 8 "$what, IPv6"
}
talk="$TOOLS/traffic.py"
outside=10.2.0.1,fd02::1
beside=10.3.0.2,fd03::2
for mode in tcp udp ping; do
	title "$mode"
	words=("$mode" 16)
	seen o o0 "${DSCP[box]}" 10.1.0.1 fd01::1 in_ns c "$two" "$talk" "${words[@]}" "$outside"
	seen o o0 "${DSCP[one]}" 10.1.0.1 fd01::1 in_ns c "$one" "$talk" "${words[@]}" "$outside"
	seen p p0 "${DSCP[box]}" 10.3.0.1 fd03::1 in_ns d "$two" "$talk" "${words[@]}" "$beside"
	seen p p0 "${DSCP[one]}" 10.3.0.1 fd03::1 in_ns d "$one" "$talk" "${words[@]}" "$beside"
	seen o o0 "${DSCP[ours]}" 10.2.0.254 fd02::ff in_ns h "$two" "$talk" "${words[@]}" "$outside"
	seen o o0 0 10.2.0.254 fd02::ff in_ns h "$one" "$talk" "${words[@]}" "$outside"
done
title "what a container answers: its program, or its kernel"
seen o o0 "${DSCP[one]}" 10.1.0.1 fd01::1 in_ns o /usr/bin/python3 "$talk" tcp 8 10.1.0.1,fd01::1 --port 7100
seen o o0 "${DSCP[one]}" 10.1.0.1 fd01::1 in_ns o /usr/bin/python3 "$talk" udp 16 10.1.0.1,fd01::1 --port 7100
seen o o0 "${DSCP[none]}" 10.1.0.1 fd01::1 in_ns o /usr/bin/python3 "$talk" ping 16 10.1.0.1,fd01::1
