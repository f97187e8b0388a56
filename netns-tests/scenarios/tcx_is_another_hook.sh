#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Attached by tcx, rules do what they do on clsact. Between the two, and from one place of the chain to
# another, a device is moved under traffic without losing a packet. A new program is put in without a
# new link. What goes comes back by `repair`, and nothing is left by `down`. A kernel without tcx refuses
# it before anything is done.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
mkdir "$WORK/foreign"
mount -t bpf none "$WORK/foreign"
"${CC:-cc}" -O2 -D_GNU_SOURCE -o "$WORK/bin/tcx" "$TOOLS/tcx.c" -lbpf
printf 'devices: {a0: {tcx: true}}\n' >"$WORK/plain.yaml"
if ! in_ns a "$WORK/bin/tcx" ingress a0 last probe -1 "$WORK/foreign/probe"; then
	expect_status 2 cv a apply "$WORK/plain.yaml"
	expect_line "dev a0: this kernel has no tcx" "$WORK/err"
	skip "no tcx; it was refused"
fi
rm "$WORK/foreign/probe"

# Datagrams of which so many must come back.
echo_server b server /usr/bin/python3 7001 7002 7003 7004
datagrams() {
	in_ns a /usr/bin/python3 "$TOOLS/traffic.py" udp 4 "$B4,$B6" --port "$1" --timeout 0.5 \
		>"$WORK/datagrams" 2>&1
}
passes() { datagrams "$1" || fail "to port $1: $(tail -n 2 "$WORK/datagrams")"; }
blocked() { ! datagrams "$1" || fail "to port $1, what was to be held back came"; }

# What every hook has to do alike. Behind us all UDP is dropped: IPv4 or IPv6, protocol 17.
veth_pair a s0 a s1
DROP_UDP='9,40 0 0 12,21 0 2 2048,48 0 0 23,5 0 0 2,21 0 3 34525,48 0 0 20,21 0 1 17,6 0 0 2,6 0 0 4294967295'
for hook in "tcx: true" "prio: 100"; do
	title "verdicts with $hook"
	apply_state a <<-YAML
		devices: {a0: {$hook}}
		rules:
		  drops:     {match: {dir: out, proto: udp, dport: 7003}, action: {verdict: drop}}
		  accepts:   {match: {dir: out, proto: udp, dport: 7002}, action: {verdict: accept}}
		  goes-on:   {match: {dir: out, proto: udp, dport: 7001}, action: {verdict: next}}
		  redirects: {match: {dir: out, proto: udp, dport: 7004}, action: {redirect: s0}}
	YAML
	for port in 7001 7002; do passes "$port"; done
	in_ns a tc qdisc add dev a0 clsact 2>/dev/null || :
	in_ns a tc filter add dev a0 egress prio 5000 handle 1 bpf da bytecode "$DROP_UDP"
	capture_start a s1 "$WORK/redirected.pcap" udp
	passes 7002
	for port in 7001 7003 7004; do blocked "$port"; done
	capture_stop "$WORK/redirected.pcap"
	(($(tcpdump -nr "$WORK/redirected.pcap" dst port 7004 2>/dev/null | wc -l) >= 4)) ||
		fail "nothing was redirected"
	cv_json a rule show | expect_json 'map(.packets > 0)' '[true, true, true, true]' "rules that were met"
	in_ns a tc filter del dev a0 egress prio 5000
done
cv_json a status | expect_json .problems '[]' "problems"

title "what arrives is decapsulated, and a rule tells out of which tunnel"
plain_routes_del a b
tunnelled() {
	cat <<-YAML
		devices: {${1}0: {$2}}
		tunnels: {blue: {mode: gre, local: $3, remote: $4, allow: ["0.0.0.0/0", "::/0"]}}
		routes:
		  - {to: $5, tunnel: blue, src: $6}
		  - {to: "$7", tunnel: blue, src: "$8"}
		rules: {out-of-blue: {match: {dir: in, tunnel: blue, proto: udp}, action: {verdict: next}}}
	YAML
}
site_a() { tunnelled a "$1" "$A4" "$B4" "$B_NET4" "$A_IN4" "$B_NET6" "$A_IN6"; }
tunnelled b "tcx: true" "$B4" "$A4" "$A_NET4" "$B_IN4" "$A_NET6" "$B_IN6" | apply_state b
site_a "tcx: true" | apply_state a
exchange 100 1400
prints clsact in_ns a tc qdisc show dev a0 || fail "a clsact qdisc of somebody else is gone"
in_ns a tc qdisc del dev a0 clsact
(($(cv_json b rule show | jq '.[0].packets') > 0)) || fail "the rule does not know the tunnel"

# streams_start and streams_stop: 5000 datagrams a second to both sites, none of which may be lost.
streams_start() {
	local from to addr
	SENDERS=() RECEIVERS=()
	while read -r from to addr; do
		start_in "$to" "stream-$to" /usr/bin/python3 "$TOOLS/stream.py" receive 9100
		RECEIVERS+=("$STARTED")
		wait_for 10 grep -qx READY "$WORK/stream-$to.log" || fail "$(<"$WORK/stream-$to.log")"
		start_in "$from" "send-$from" /usr/bin/python3 "$TOOLS/stream.py" send "$addr" 9100 5000
		SENDERS+=("$STARTED")
	done <<<"a b $B_IN4
b a $A_IN6"
	wait_for 10 has_sent 1000 || fail "no stream"
}
has_sent() { (($(cv_json a tunnel show | jq '.[0].tx_packets') >= SENT + $1)); }
streams_stop() {
	local site
	wait_for 10 has_sent 5000 || fail "no stream"
	kill "${SENDERS[@]}"
	wait "${SENDERS[@]}" || fail "a sender: $(cat "$WORK"/send-?.log)"
	wait "${RECEIVERS[@]}" || fail "a receiver: $(cat "$WORK"/stream-?.log)"
	for site in b a; do
		title "to $site: $(tail -n 1 "$WORK/stream-$site.log")"
		expect_equal '[0,0]' "$(tail -n 1 "$WORK/stream-$site.log" | jq -c '[.lost, .twice]')" \
			"datagrams lost and twice, to $site"
	done
}

title "from one hook to the other and back, 20 times, under traffic"
site_a "tcx: true" >"$WORK/tcx.yaml"
site_a "prio: 7, handle: 9" >"$WORK/clsact.yaml"
# The kernel itself loses packets while a clsact qdisc comes; ours then stays as long as the device.
cv a apply "$WORK/clsact.yaml"
cv a apply "$WORK/tcx.yaml"
SENT=$(cv_json a tunnel show | jq '.[0].tx_packets')
streams_start
for ((i = 0; i < 20; i++)); do
	cv a apply "$WORK/clsact.yaml"
	cv a apply "$WORK/tcx.yaml"
done
streams_stop
# The chain of a0's ingress, as names: foreign programs, and "ours".
chain() {
	cv_json a status | jq -r '[.foreign[] | select(.hook == "tcx" and .dir == "in")] |
		[(.[] | select(.position == "before").name), "ours",
		(.[] | select(.position == "after").name)] | join(" ")'
}
# The id of one, and of our link.
prog_id() { cv_json a status | jq -r --arg name "$1" '.foreign[] | select(.name == $name).prog_id'; }
link_id() { bpftool -j link show pinned "$(find "$WORK/bpf" -path "*$(cv_json a status | jq -r .instance)/links/ingress-*")" | jq .id; }

title "places among others, under traffic"
in_ns a "$WORK/bin/tcx" ingress a0 last early -1 "$WORK/foreign/early"
in_ns a "$WORK/bin/tcx" ingress a0 last late -1 "$WORK/foreign/late"
expect_equal "ours early late" "$(chain)" "the chain, before we are moved"
SENT=$(cv_json a tunnel show | jq '.[0].tx_packets')
streams_start
while read -r words want; do
	site_a "tcx: true, egress: true, ingress: true, ${words/=/: }" >"$WORK/place.yaml"
	expect_status 0 cv a apply "$WORK/place.yaml"
	expect_equal "$want" "$(chain)" "the chain with $words"
	expect_status 0 cv a diff "$WORK/place.yaml"
	link=$(link_id)
	expect_status 0 cv a repair
	expect_equal "$link" "$(link_id)" "link after repair, with $words"
done <<-PLACES
	last=true early late ours
	first=true ours early late
	after=early early ours late
	before=early ours early late
	after=$WORK/foreign/late early late ours
	before=$(prog_id late) early ours late
PLACES
streams_stop
expect_status 2 cv a apply /dev/stdin <<<"devices: {a0: {tcx: true}, s0: {tcx: true, before: nobody}}"
expect_line "dev s0: ingress: tcx has no program or link nobody to stand before" "$WORK/err"

title "another build's program in the same link; a link that went comes back; down"
meta=$(find "$WORK/bpf" -path "*$(cv_json a status | jq -r .instance)/maps/cv_meta")
mapfile -t bytes < <(bpftool -j map lookup pinned "$meta" key 0 0 0 0 | jq -r '.value[]')
bytes[32]=0x39
bpftool map update pinned "$meta" key 0 0 0 0 value "${bytes[@]}"
links=$(dirname "$(dirname "$meta")")/links
ours() { bpftool -j link show pinned "$links"/ingress-* | jq -c "$1"; }
link=$(ours .id) program=$(ours .prog_id)
SENT=$(cv_json a tunnel show | jq '.[0].tx_packets')
streams_start
expect_status 0 cv a repair
streams_stop
expect_equal "$link" "$(ours .id)" "link after another build"
[[ $(ours .prog_id) != "$program" ]] || fail "the program of the link stayed"
rm "$links"/ingress-*
cv_json a status | expect_json .problems '["dev a0: its ingress link on tcx is gone"]' "problems"
expect_status 0 cv a repair
expect_line '^[+] dev a0 ingress tcx$' "$WORK/out"
exchange 100
bpftool link detach pinned "$links/egress-$(cv_json a dev show a0 | jq '.[0].ifindex')"
expect_status 0 cv a repair
expect_line '^[+] dev a0 egress tcx$' "$WORK/out"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the second repair does"
ours "\"link \\(.id)\"" | jq -r . >"$WORK/ids"
expect_status 0 cv a down
expect_equal "" "$(in_ns a tc qdisc show dev a0 clsact)" "our clsact qdisc"
wait_for 10 ids_are_gone "$WORK/ids" || fail "still there: $(ids_are_gone "$WORK/ids")"
