#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# One route and one tunnel with `remote peers`: the longest prefix of the inner destination says
# which remote a packet goes to, in both families; what no peer has is dropped and counted. All
# remotes may answer through the tunnel. A change of peers loses no packet, also among 100,000.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# Sites b, c and d behind router r. Each of them has all inner addresses, so that the one that gets
# a packet answers it, and counts it.
title "a - router r - b, c, d"
declare -A REMOTE=([b]=198.51.100.1 [c]=198.51.101.1 [d]=198.51.102.1)
declare -A REMOTE6=([b]=2001:db8:2::1 [c]=2001:db8:3::1 [d]=2001:db8:4::1)
INNER4=(10.60.0.1 10.60.2.1 10.60.2.129 10.61.0.1)
INNER6=(fd60::1 fd60:0:2::1 fd60:0:2::8000:1 fd61::1)
netns_add a r "${!REMOTE[@]}"
netns_forward r
veth_pair a a0 r ra
address a a0 "$A4/24" "$A6/64"
address a lo "$A_IN4/32" "$A_IN6/128"
address r ra 192.0.2.254/24 2001:db8:1::ff/64
ip -n a route add default via 192.0.2.254
ip -n a route add default via 2001:db8:1::ff dev a0
for site in "${!REMOTE[@]}"; do
	veth_pair "$site" "${site}0" r "r$site"
	address "$site" "${site}0" "${REMOTE[$site]}/24" "${REMOTE6[$site]}/64"
	address r "r$site" "${REMOTE[$site]%.*}.254/24" "${REMOTE6[$site]%1}ff/64"
	address "$site" lo "${INNER4[@]/%//32}" "${INNER6[@]/%//128}"
	ip -n "$site" route add default via "${REMOTE[$site]%.*}.254"
	ip -n "$site" route add default via "${REMOTE6[$site]%1}ff" dev "${site}0"
	expect_reachable a "${REMOTE[$site]}" "${REMOTE6[$site]}"
done

# received SITE: packets that were taken out of the tunnel there.
received() { cv_json "$1" tunnel show | jq '[.[].rx_packets] | add'; }

# expect_goes ADDR SITE: a ping to ADDR is answered through the tunnel, and it is SITE that got it.
expect_goes() {
	local site got="" before
	declare -A before
	for site in "${!REMOTE[@]}"; do before[$site]=$(received "$site"); done
	in_ns a ping -n -c 1 -W 5 "$1" >/dev/null || fail "no answer from $1"
	for site in "${!REMOTE[@]}"; do
		(("$(received "$site")" == before[$site])) || got+=$site
	done
	expect_equal "$2" "$got" "who got the packet to $1"
}

# expect_dropped ADDR: a ping to ADDR is dropped, since no peer has it.
expect_dropped() {
	local before
	before=$(drops a no_peer)
	! in_ns a ping -n -c 1 -W 1 "$1" >/dev/null 2>&1 || fail "$1 was reached"
	(($(drops a no_peer) > before)) || fail "no packet to $1 was counted as no_peer"
}

# expect_segments_go ADDR SITE: what one UDP_SEGMENT write makes, all arrives at SITE.
expect_segments_go() {
	local before
	before=$(received "$2")
	in_ns a /usr/bin/python3 - "$1" <<-PYTHON
		import socket, sys
		SOL_UDP, UDP_SEGMENT = 17, 103
		address = socket.getaddrinfo(sys.argv[1], 9, type=socket.SOCK_DGRAM)[0]
		sock = socket.socket(*address[:3])
		sock.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
		sock.sendto(bytes(8000), address[4])
	PYTHON
	arrived() { (($(received "$2") >= $1 + 8)); }
	wait_for 5 arrived "$before" "$2" || fail "segments to $1: $(($(received "$2") - before)) of 8"
}

for family in 4 6; do
	if ((family == 4)); then
		local_addr=$A4
		declare -n remote=REMOTE
	else
		local_addr=$A6
		declare -n remote=REMOTE6
	fi

	title "IPv$family outside: the longest prefix decides"
	for site in "${!REMOTE[@]}"; do
		apply_state "$site" <<-YAML
			devices: {${site}0: {ingress: true, egress: true}}
			tunnels:
			  back: {mode: gre, local: "${remote[$site]}", remote: "$local_addr", key: 9}
			routes:
			  - {to: "$A_IN4/32", tunnel: back}
			  - {to: "$A_IN6/128", tunnel: back}
		YAML
	done
	apply_state a <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		tunnels:
		  many: {mode: gre, local: "$local_addr", remote: peers, key: 9}
		peers:
		  - {to: 10.60.0.0/16, remote: "${remote[b]}", tunnel: many}
		  - {to: 10.60.2.0/24, remote: "${remote[c]}", tunnel: many}
		  - {to: 10.60.2.128/25, remote: "${remote[d]}", tunnel: many}
		  - {to: "fd60::/32", remote: "${remote[d]}", tunnel: many}
		  - {to: "fd60:0:2::/48", remote: "${remote[c]}", tunnel: many}
		  - {to: "fd60:0:2::8000:0/100", remote: "${remote[b]}", tunnel: many}
		routes:
		  - {to: 10.60.0.0/15, tunnel: many, src: $A_IN4}
		  - {to: "fd60::/15", tunnel: many, src: "$A_IN6"}
	YAML
	expect_goes 10.60.0.1 b
	expect_goes 10.60.2.1 c
	expect_goes 10.60.2.129 d
	expect_goes fd60::1 d
	expect_goes fd60:0:2::1 c
	expect_goes fd60:0:2::8000:1 b
	expect_segments_go 10.60.2.1 c
	expect_segments_go fd60::1 d
	expect_dropped 10.61.0.1
	expect_dropped fd61::1
	expect_equal 2 "$(cv_json a route show | jq length)" "routes"

	title "IPv$family outside: what goes leaves its place to what encloses it"
	expect_status 0 cv a peer del 10.60.2.128/25
	expect_status 0 cv a peer del fd60:0:2::/48
	expect_goes 10.60.2.129 c
	expect_goes fd60:0:2::1 d
	expect_goes fd60:0:2::8000:1 b
	expect_status 0 cv a peer replace 10.60.2.0/24 remote "${remote[d]}" tunnel many
	expect_goes 10.60.2.1 d
	expect_status 0 cv a peer add default remote "${remote[b]}" tunnel many
	expect_goes 10.61.0.1 b
	expect_goes fd61::1 b
	expect_status 0 cv a peer del default tunnel many
	expect_dropped fd61::1
	expect_status 0 cv a down
done

title "the commands"
apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
tunnels:
  many: {mode: gre, local: $A4, remote: peers, key: 9}
  more: {mode: gre, local: $A4, remote: peers, key: 10}
  one: {mode: gre, local: $A4, remote: ${REMOTE[b]}}
routes:
  - {to: 10.60.0.0/15, tunnel: many, src: $A_IN4}
YAML
for site in "${!REMOTE[@]}"; do
	expect_status 0 cv "$site" tunnel replace back mode gre local "${REMOTE[$site]}" remote "$A4" key 9
done
expect_status 0 cv a peer add 10.60.0.0/16 remote "${REMOTE[b]}" tunnel many
expect_status 0 cv a peer add 10.60.0.0/16 remote "${REMOTE[c]}" tunnel more
expect_status 0 cv a peer add fd60::/32 remote "${REMOTE[d]}" tunnel many
cv_json a peer show 10.60.0.0/16 | expect_json . '[
	{"to": "10.60.0.0/16", "remote": "'"${REMOTE[b]}"'", "tunnel": "many"},
	{"to": "10.60.0.0/16", "remote": "'"${REMOTE[c]}"'", "tunnel": "more"}]' "peer show PREFIX"
expect_status 0 cv a peer
expect_line '^TO +REMOTE +TUNNEL$' "$WORK/out"
expect_line "^fd60::/32 +${REMOTE[d]} +many\$" "$WORK/out"
expect_goes 10.60.0.1 b

title "what makes no sense is refused, and nothing changes"
before=$(cv a save)
expect_refused() {
	local status=$1 text=$2
	shift 2
	expect_status "$status" cv a "$@"
	expect_line "$text" "$WORK/err"
	expect_equal "$before" "$(cv a save)" "state after '$*'"
}
expect_refused 1 'tunnel one has remotes of its own' peer add 10.9.0.0/16 remote "${REMOTE[b]}" tunnel one
expect_refused 1 'there is no tunnel none' peer add 10.9.0.0/16 remote "${REMOTE[b]}" tunnel none
expect_refused 1 'host bits' peer add 10.9.0.1/16 remote "${REMOTE[b]}" tunnel many
expect_refused 1 'same address as local' peer add 10.9.0.0/16 remote "$A4" tunnel many
expect_refused 1 'remote is IPv6' peer add 10.9.0.0/16 remote "${REMOTE6[b]}" tunnel many
expect_refused 1 'no remote' peer add 10.9.0.0/16 tunnel many
expect_refused 2 'exists; use .peer replace.' peer add 10.60.0.0/16 remote "${REMOTE[c]}" tunnel many
expect_refused 2 'several tunnels have one; add tunnel NAME' peer del 10.60.0.0/16
expect_refused 2 'there is none' peer del 10.9.0.0/16
expect_refused 2 'in use by peer 10.60.0.0/16' tunnel del more
expect_refused 1 'peer 10.60.0.0/16: tunnel more has remotes' \
	tunnel replace more mode gre local "$A4" remote "${REMOTE[b]}" key 10
expect_refused 2 'remote 10.60.7.7 is routed into a tunnel itself' \
	peer add 10.9.0.0/16 remote 10.60.7.7 tunnel more
ip -n a route add unreachable 203.0.113.0/24
expect_refused 2 'remote 203.0.113.9 is not reachable' \
	peer add 10.9.0.0/16 remote 203.0.113.9 tunnel many
expect_refused 2 "remote ${REMOTE[c]} of tunnel more would be routed into tunnel many" \
	route add "${REMOTE[c]}/32" tunnel many

title "100,000 peers more, in one batch"
/usr/bin/python3 - >"$WORK/batch" <<-PYTHON
	import random
	random.seed(1)
	seen = set()
	while len(seen) < 100000:
	    if random.random() < 0.3:
	        bits = random.choice((32, 40, 44, 48, 48, 56, 64))
	        number = 0x24 << 120 | random.getrandbits(120)
	        groups = number >> (128 - bits) << (128 - bits)
	        to = ":".join("%x" % (groups >> at & 0xffff) for at in range(112, -1, -16))
	    else:
	        bits = random.choice((16, 18, 20, 22, 24, 24, 24, 26, 28))
	        number = random.randrange(20, 120) << 24 | random.getrandbits(24)
	        number = number >> (32 - bits) << (32 - bits)
	        to = ".".join(str(number >> at & 255) for at in (24, 16, 8, 0))
	    if (to, bits) in seen:
	        continue
	    seen.add((to, bits))
	    n = len(seen)
	    print("peer add %s/%d remote 198.%d.%d.%d tunnel many" %
	          (to, bits, 18 + (n >> 16), n >> 8 & 255, n & 255))
PYTHON
# elapsed CMD...: runs it and prints how many milliseconds it took.
elapsed() {
	local start=${EPOCHREALTIME/[.,]/}
	"$@" || fail "exit status $?: $*"
	printf '%s' "$(((${EPOCHREALTIME/[.,]/} - start) / 1000))"
}
took=$(elapsed cv a -batch "$WORK/batch")
printf '# the batch took %s ms\n' "$took"
((took < 20000)) || fail "the batch took $took ms"
expect_equal 100003 "$(cv_json a peer show | jq length)" "peers"
expect_goes 10.60.0.1 b
took=$(elapsed cv a peer add 10.60.2.0/24 remote "${REMOTE[c]}" tunnel many)
printf '# one more took %s ms\n' "$took"
((took < 5000)) || fail "one more took $took ms"
expect_goes 10.60.2.1 c
expect_goes 10.60.0.1 b

title "changes among them lose no packet"
before_c=$(received c) before_d=$(received d)
start_in a ping ping -n -i 0.005 -q 10.60.2.1
for site in d c d c d c; do
	expect_status 0 cv a peer replace 10.60.2.0/24 remote "${REMOTE[$site]}" tunnel many
done
kill -INT "$STARTED"
wait "$STARTED" || :
expect_line '^[1-9][0-9]+ packets transmitted, [0-9]+ received, 0% packet loss' "$WORK/ping.log"
(($(received c) > before_c && $(received d) > before_d)) || fail "not both got their share"

title "what was saved is what can be applied; without peers there is nothing left of them"
cv a save >"$WORK/saved.yaml"
expect_status 0 cv a check "$WORK/saved.yaml"
expect_status 0 cv a down
expect_status 0 cv a apply "$WORK/saved.yaml"
expect_goes 10.60.2.1 c
sed -i '/^peers:/,$ { /^peers:/d; /^  - {to: .*remote:/d }' "$WORK/saved.yaml"
expect_status 0 cv a apply "$WORK/saved.yaml"
expect_equal 0 "$(cv_json a peer show | jq length)" "peers"
expect_dropped 10.60.0.1
