#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# culvert on one side, the kernel's own tunnel devices on the other: mode, outer family and inner
# family, one cell each. In a cell pings, full-size packets that must not be fragmented, 4 MB of
# TCP each way compared by hash, and datagrams whole and in fragments pass; the outer TTL is the
# one asked for, the inner one stays as it was, and culvert refuses nothing.
#
#   netns-tests/vm/interop.sh [REGEX]      only the cells whose names match
#
# One line a cell; exit status 1 if one failed.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ONLY=${1:-.}
BYTES=$((4 << 20))
OUTER_TTL=77   # of culvert; another one does not get past b0
DEVICE_TTL=66  # of the device; must not show up inside
DEVICE=t0
A_MAC=02:00:00:00:00:0a B_MAC=02:00:00:00:00:0b
VNI=4242
# What leads to a, and, through B_END or not, to b in srv6. Routes of a cell have a protocol number.
A_SID=2001:db8:a::1 B_SID=2001:db8:b::1 B_END=2001:db8:b::e
ROUTES=99

#   [a a0]--[b0 b], b with the device
B4=192.0.2.2 B6=2001:db8:1::2
netns_add a b
veth_pair a a0 b b0
address a a0 "$A4/24" "$A6/64"
address b b0 "$B4/24" "$B6/64"
address a lo "$A_IN4/32" "$A_IN6/128"
address b lo "$B_IN4/32" "$B_IN6/128"
ip -n a route add 2001:db8:b::/48 via "$B6" dev a0
expect_reachable a "$B4" "$B6"
tc -n b qdisc add dev b0 clsact
tc -n b filter add dev b0 ingress pref 1 protocol ip flower src_ip "$A4" ip_ttl "$OUTER_TTL" action pass
tc -n b filter add dev b0 ingress pref 2 protocol ip flower src_ip "$A4" action drop
tc -n b filter add dev b0 ingress pref 3 protocol ipv6 flower src_ip "$A6" ip_ttl "$OUTER_TTL" action pass
# Neighbour discovery.
tc -n b filter add dev b0 ingress pref 4 protocol ipv6 flower src_ip "$A6" ip_ttl 255 action pass
tc -n b filter add dev b0 ingress pref 5 protocol ipv6 flower src_ip "$A6" action drop

program=$(program_copy program)
echo_server a echo-a "$program" 7000
echo_server b echo-b "$program" 7000

# Two sinks for all cells: to start one takes longer than a transfer.
declare -A SINK=()
sinks_start() {
	local ns
	for ns in a b; do
		[[ -z ${SINK[$ns]:-} ]] || stop "${SINK[$ns]}"
		start_in "$ns" "sink-$ns" "$program" "$TOOLS/traffic.py" sink 9000 --count 1000
		SINK[$ns]=$STARTED
	done
	for ns in a b; do
		wait_for 30 grep -qx READY "$WORK/sink-$ns.log" || fail "sink: $(<"$WORK/sink-$ns.log")"
	done
}
sinks_start

# ---- the device's side ----
#
# Each makes $DEVICE in b for $outer and $inner; $near and $far are its addresses.

device() {
	ip -n b link add name "$DEVICE" type "$@" >"$WORK/out" 2>&1 && return 0
	! prints 'Unknown device type' cat "$WORK/out" || skip "this kernel has no device of type $1"
	fail "ip link add type $*: $(<"$WORK/out")"
}

# What carries IP as such: one kind of device for each pair of families. $@: words for all.
ip_device() {
	case $outer$inner in
	44) device ipip local "$near" remote "$far" ttl "$DEVICE_TTL" "$@" ;;
	46) device sit local "$near" remote "$far" ttl "$DEVICE_TTL" "$@" ;;
	64) device ip6tnl mode ipip6 local "$near" remote "$far" hoplimit "$DEVICE_TTL" "$@" ;;
	66) device ip6tnl mode ip6ip6 local "$near" remote "$far" hoplimit "$DEVICE_TTL" "$@" ;;
	esac
}

device_ipip() {
	if [[ $outer == 6 ]]; then
		ip_device encaplimit none
	else
		ip_device
	fi
}

# With the tunnel encapsulation limit of RFC 2473, a destination option, which is the default.
device_ipip_limit() { ip_device; }

device_gre() {
	if [[ $outer == 6 ]]; then
		device ip6gre local "$near" remote "$far" hoplimit "$DEVICE_TTL" encaplimit none "$@"
	else
		device gre local "$near" remote "$far" ttl "$DEVICE_TTL" "$@"
	fi
}

# encap_device KIND PORT [csum]: IP in UDP; fou_port says what the port takes.
encap_device() {
	local words=(encap "$1" encap-sport auto encap-dport "$2")
	case ${3:-no}$outer in
	no4) words+=(noencap-csum) ;;
	no6) words+=(noencap-udp6-csum encaplimit none) ;;
	csum4) words+=(encap-csum) ;;
	csum6) words+=(encap-udp6-csum encaplimit none) ;;
	esac
	ip_device "${words[@]}"
}

fou_port() {
	local port=$1
	shift
	modprobe -a fou fou6 2>/dev/null || skip "this kernel has no fou"
	ip "-$outer" -n b fou add port "$port" "$@"
}

device_fou() {
	fou_port 5555 ipproto "$([[ $inner == 4 ]] && echo 4 || echo 41)"
	encap_device fou 5555 "$@"
}

device_gue0() {
	fou_port 6080 gue
	encap_device gue 6080 "$@"
}

# Variant 1 is an IP packet right behind the UDP header: what fou sends.
device_gue1() {
	fou_port 6080 gue
	encap_device fou 6080
}

# Nobody answers ARP in the tunnel; and the device sends nothing of its own, from a source that is
# not allowed.
ethernet_neighbours() {
	ip -n b link set "$DEVICE" address "$B_MAC" addrgenmode none
	ip -n b neigh add "$A_IN4" lladdr "$A_MAC" dev "$DEVICE" nud permanent
	ip -n b neigh add "$A_IN6" lladdr "$A_MAC" dev "$DEVICE" nud permanent
}

# device_vxlan [csum]
device_vxlan() {
	local words=(noudpcsum)
	[[ $outer == 4 ]] || words=(udp6zerocsumtx udp6zerocsumrx)
	case ${1:-}$outer in
	csum4) words=(udpcsum) ;;
	csum6) words=(noudp6zerocsumtx udp6zerocsumrx) ;;
	esac
	device vxlan id "$VNI" local "$near" remote "$far" dstport "${2:-4789}" \
		ttl "$DEVICE_TTL" "${words[@]}"
	ethernet_neighbours
}

device_geneve() {
	local words=(noudpcsum)
	[[ $outer == 4 ]] || words=(udp6zerocsumtx udp6zerocsumrx)
	case ${1:-}$outer in
	csum4) words=(udpcsum) ;;
	csum6) words=(noudp6zerocsumtx udp6zerocsumrx) ;;
	esac
	device geneve id "$VNI" remote "$far" dstport "${2:-6081}" ttl "$DEVICE_TTL" "${words[@]}"
	ethernet_neighbours
}

# No device: routes to a's segment, and from the segments that a goes through.
device_srv6() {
	local route=(ip -n b -6 route add proto "$ROUTES" dev b0)
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns b sh -c 'for conf in all b0; do echo 1 >/proc/sys/net/ipv6/conf/$conf/seg6_enabled; done' ||
		skip "this kernel has no srv6"
	ip -n b sr tunsrc set "$B6"
	"${route[@]}" "$A_SID/128" via "$A6"
	"${route[@]}" "$B_END/128" encap seg6local action End
	if [[ $inner == 4 ]]; then
		"${route[@]}" "$B_SID/128" encap seg6local action End.DX4 nh4 "$B_IN4"
	else
		"${route[@]}" "$B_SID/128" encap seg6local action End.DT6 table local
	fi
	# This route puts its header in front of the whole datagram and fragments that packet, which
	# culvert leaves alone.
	large=1300
	carrier=(encap seg6 mode encap segs "$A_SID" dev b0 proto "$ROUTES")
}

# ---- a cell ----

# Routes in b, through the device, with the MTU that culvert says is left.
connect() {
	local net=$A_NET4 source=$B_IN4
	[[ $inner == 4 ]] || net=$A_NET6 source=$B_IN6
	if [[ ${carrier[0]} == dev ]]; then
		ip -n b link set "$DEVICE" mtu "$mtu" up
	fi
	ip -n b route add "$net" "${carrier[@]}" src "$source"
}

# sums NS: how many lines the sink there has printed.
sums() { wc -l <"$WORK/sink-$1.log"; }
has_sums() { (($(sums "$1") == $2)); }

# transfer FROM TO ADDR: TCP; what arrives must be what was sent.
transfer() {
	local before sent
	before=$(sums "$2")
	sent=$(in_ns "$1" timeout 60 "$program" "$TOOLS/traffic.py" send "$3" 9000 "$BYTES") ||
		fail "TCP from $1 to $2 does not get through"
	wait_for 20 has_sums "$2" $((before + 1)) || fail "sink: $(<"$WORK/sink-$2.log")"
	expect_equal "$sent" "$(tail -n 1 "$WORK/sink-$2.log")" "sha256 and length from $1 to $2"
}

# pings FROM ADDR: small ones with the TTL that the other side gave them, and one of full size.
pings() {
	local header=28
	[[ $inner == 4 ]] || header=48
	expect_status 0 in_ns "$1" ping -n -c 2 -i 0.2 -W 3 "$2"
	expect_line 'ttl=64 ' "$WORK/out"
	expect_status 0 in_ns "$1" ping -n -c 1 -W 3 -M "do" -s $((mtu - header)) "$2"
}

# run_cell MODE-WORDS DEVICE-COMMAND [BYTES]: with $outer and $inner; the words are of the state
# file; the device puts BYTES more in front than culvert does.
run_cell() {
	local near=$B4 far=$A4 to_a=$A_IN4 to_b=$B_IN4 net=$B_NET4 mtu
	local carrier=(dev "$DEVICE") large=4000
	[[ $outer == 4 ]] || near=$B6 far=$A6
	[[ $inner == 4 ]] || to_a=$A_IN6 to_b=$B_IN6 net=$B_NET6
	$2
	apply_state a <<-YAML
		devices:
		  a0: {ingress: true, egress: true}
		tunnels:
		  t: {local: "$far", remote: "$near", ttl: $OUTER_TTL, allow: [$B_NET4, "$B_NET6"], $1}
		routes:
		  - {to: "$net", tunnel: t, src: "$to_a"}
	YAML
	# What the device needs on top comes off its MTU.
	mtu=$(($(cv_json a tunnel show | jq '.[0].mtu') - ${3:-0}))
	connect
	pings a "$to_b"
	pings b "$to_a"
	transfer a b "$to_b"
	transfer b a "$to_a"
	in_ns a "$program" "$TOOLS/traffic.py" udp 5 "$to_b" --size 1000 || fail "datagrams"
	in_ns b "$program" "$TOOLS/traffic.py" udp 2 "$to_a" --size "$large" ||
		fail "datagrams in fragments: $(cv_json a tunnel show | jq -c '.[0].drops')"
	cv_json a tunnel show | expect_json '.[0].drops' '{}' "refused packets"
}

# Takes away what a cell made, whatever became of it.
clear_cell() {
	local family port
	expect_status 0 cv a down
	ip -n b link del "$DEVICE" 2>/dev/null || :
	ip -n b route flush proto "$ROUTES"
	ip -n b -6 route flush proto "$ROUTES"
	for family in 4 6; do
		for port in 5555 6080; do
			ip "-$family" -n b fou del port "$port" 2>/dev/null || :
		done
	done
}

# cell NAME OUTER INNER MODE-WORDS DEVICE-COMMAND [BYTES]
cells=0 failed=0 passed=0
cell() {
	local name="$1, IPv$3 in IPv$2" outer=$2 inner=$3 status=0 begin=$SECONDS
	[[ $name =~ $ONLY ]] || return 0
	cells=$((cells + 1))
	# In a subshell of its own, and not in a condition: there `set -e` would not hold.
	set +e
	(
		set -e
		run_cell "${@:4}"
	) >"$WORK/cell.log" 2>&1
	status=$?
	set -e
	clear_cell
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok %s (%d s)\n' "$name" $((SECONDS - begin))
		;;
	77) printf 'skip %s: %s\n' "$name" "$(sed -n 's/^skip: //p' "$WORK/cell.log")" ;;
	*)
		failed=$((failed + 1))
		printf 'FAIL %s\n' "$name"
		sed 's/^/    /' "$WORK/cell.log"
		sinks_start
		;;
	esac
}

# all_pairs NAME MODE-WORDS DEVICE-COMMAND: all pairs of families.
all_pairs() {
	local outer_family inner_family
	for outer_family in 4 6; do
		for inner_family in 4 6; do
			cell "$1" "$outer_family" "$inner_family" "$2" "$3"
		done
	done
}

# ---- the table ----

macs="inner-smac: '$A_MAC', inner-dmac: '$B_MAC'"

all_pairs "ipip" "mode: ipip" device_ipip
cell "ipip with an encapsulation limit" 6 4 "mode: ipip" device_ipip_limit 8
cell "ipip with an encapsulation limit" 6 6 "mode: ipip" device_ipip_limit 8
all_pairs "gre" "mode: gre" device_gre
all_pairs "gre with a key" "mode: gre, key: 4294967295" "device_gre key 255.255.255.255"
all_pairs "fou" "mode: fou" device_fou
all_pairs "fou with checksums" "mode: fou" "device_fou csum"
all_pairs "gue variant 0" "mode: gue" device_gue0
all_pairs "gue variant 1" "mode: gue, variant: 1" device_gue1
all_pairs "vxlan" "mode: vxlan, vni: $VNI, $macs" device_vxlan
all_pairs "vxlan with checksums, another port" "mode: vxlan, vni: $VNI, dport: 8472, $macs" \
	"device_vxlan csum 8472"
all_pairs "geneve" "mode: geneve, vni: $VNI, $macs" device_geneve
for inner_family in 4 6; do
	cell "srv6" 6 "$inner_family" "mode: srv6, segments: \"$B_SID\", sid: \"$A_SID\"" device_srv6
	cell "srv6 with two segments" 6 "$inner_family" \
		"mode: srv6, segments: [\"$B_END\", \"$B_SID\"], sid: \"$A_SID\"" device_srv6
done

printf '%d of %d cells passed, %d failed\n' "$passed" "$cells" "$failed"
((failed == 0))
