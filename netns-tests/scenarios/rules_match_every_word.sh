#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Every word of a match, plain and with not, takes just the frames that it says: of all frames below as
# many are counted as are named, and of those that are named all. What a frame has none of is taken by
# neither form.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

title "a sender and a device"
netns_add s d
veth_pair s s0 d d0
# What the kernel of the sender has to say must not be counted.
in_ns s sh -c 'echo 1 >/proc/sys/net/ipv6/conf/s0/disable_ipv6'
inject_start s s0 d d0

declare -A frame=(
	[syn]='IP(src="10.1.0.1", dst="10.2.0.1", tos=0xb8)/TCP(sport=1000, dport=80, flags="S")'
	[ack]='IP(src="10.1.0.1", dst="10.2.0.1", tos=0x02)/TCP(sport=1000, dport=443, flags="A")'
	[synack]='IP(src="10.1.9.1", dst="10.2.0.1", tos=0x03)/TCP(sport=80, dport=1000, flags="SA")'
	[long]='IP(src="10.3.0.1", dst="10.2.0.1")/UDP(sport=53, dport=9000)/bytes(972)'
	[first]='IP(src="10.1.0.1", dst="10.4.0.1", flags="MF", id=7)/UDP(sport=53, dport=9000, len=1008)/bytes(400)'
	[later]='IP(src="10.1.0.1", dst="10.4.0.1", frag=51, id=7, proto=17)/bytes(592)'
	[echo]='IP(src="10.1.0.1", dst="10.2.0.1")/ICMP(type=8)'
	[error]='IP(src="10.9.0.1", dst="10.1.0.1")/ICMP(type=3, code=4)/IP(src="10.1.0.1", dst="10.2.0.9")/UDP(sport=700, dport=701)'
	[syn6]='IPv6(src="2001:db8:1::1", dst="2001:db8:2::1", fl=9, tc=0x2e)/TCP(sport=1000, dport=80, flags="S")'
	[udp6]='IPv6(src="2001:db8:1::1", dst="2001:db8:2::1")/UDP(sport=53, dport=9000)/bytes(32)'
	[behind6]='IPv6(src="2001:db8:1::1", dst="2001:db8:2::1", fl=10)/IPv6ExtHdrDestOpt()/UDP(sport=53, dport=80)'
	[echo6]='IPv6(src="2001:db8:1::1", dst="2001:db8:2::1")/ICMPv6EchoRequest()'
	[vlan7]='Dot1Q(vlan=7)/IP(src="10.1.0.1", dst="10.2.0.1")/UDP(sport=53, dport=9000)'
	[vlan9]='Dot1AD(vlan=9)/Dot1Q(vlan=7)/IPv6(src="2001:db8:1::1", dst="2001:db8:2::1")/TCP(dport=80, flags="SA")'
	[arp]='ARP()'
	[arp7]='Dot1Q(vlan=7)/ARP()'
)
ip4="syn ack synack long first later echo error vlan7"
ip6="syn6 udp6 behind6 echo6 vlan9"
tcp="syn ack synack syn6 vlan9"
udp="long first later udp6 behind6 vlan7"
all="$ip4 $ip6 arp arp7"

# but NAMES...: all IP frames without these.
but() {
	local name
	for name in $ip4 $ip6; do [[ " $* " == *" $name "* ]] || printf '%s ' "$name"; done
}

# list NAMES...: an expression of inject.py.
list() {
	local name
	for name; do printf '%s, ' "${frame[$name]}"; done
}

counted() { cv_json d rule show r | jq '.[0].packets'; }

# takes WORDS NAMES: the rule with that match takes just the frames of these names.
takes() {
	local before names
	read -ra names <<<"$2"
	# shellcheck disable=SC2086 # words
	expect_status 0 cv d rule replace r match dir in $1 action next
	before=$(counted)
	# shellcheck disable=SC2086 # names
	inject 1 "[$(list $all)]"
	expect_equal "${#names[@]}" "$(($(counted) - before))" "frames that \"$1\" takes of all"
	((${#names[@]})) || return 0
	inject 1 "[$(list "${names[@]}")]"
	expect_equal "$((2 * ${#names[@]}))" "$(($(counted) - before))" "frames that \"$1\" takes of $2"
}

expect_status 0 cv d dev add d0 ingress
expect_status 0 cv d app add other uid 4242
for set in 'nets type prefix elements 10.1.0.0/16,2001:db8::/32' 'web type port elements 80,443' \
	'protos type proto elements tcp,icmp' 'ef type dscp elements ef' 'small type len elements 0-100' \
	'tags type vlan elements 7-8' 'zero type mark elements 0'; do
	# shellcheck disable=SC2086 # words
	expect_status 0 cv d set add $set
done

title "addresses, protocols, ports"
takes "" "$ip4 $ip6"
takes "family 6" "$ip6"
takes "src 10.1.0.1,10.3.0.0/16" "syn ack long first later echo vlan7"
takes "src not 10.1.0.0/16,2001:db8::/32" "long error"
takes "src not 10.1.0.0/16 family 4" "long error"
takes "dst @nets" "error $ip6"
takes "dst not @nets" "syn ack synack long first later echo vlan7"
takes "proto tcp" "$tcp"
takes "proto not tcp" "$(but syn ack synack syn6 vlan9)"
takes "proto @protos" "$tcp echo error"
takes "proto tcp dport 80,443" "syn ack syn6 vlan9"
takes "proto tcp dport not 80,443" "synack"
takes "proto tcp sport not 0-999" "syn ack syn6"
takes "proto udp dport 9000" "long first udp6 vlan7"
takes "proto udp dport not 1-8999" "long first udp6 vlan7"
takes "proto @protos dport @web" "syn ack syn6 vlan9"
takes "proto tcp dport not @web" "synack"

title "headers"
takes "dscp ef" "syn"
takes "dscp not ef family 4" "ack synack long first later echo error vlan7"
takes "dscp @ef" "syn"
takes "ecn ect0,ce" "ack synack syn6"
takes "ecn not not-ect" "ack synack syn6"
takes "len 1000" "long"
takes "len 61-999" "$(but syn ack synack long echo error syn6 behind6 echo6 vlan7 vlan9)"
takes "len not 0-100" "long first later"
takes "len @small" "$(but long first later)"
takes "fragment yes" "first later"
takes "fragment no proto udp" "long udp6 behind6 vlan7"
takes "flow-label 9" "syn6"
takes "flow-label not 9" "udp6 behind6 echo6 vlan9"
takes "proto tcp tcp-flags syn/syn+ack" "syn syn6"
takes "proto tcp tcp-flags not syn/syn+ack" "ack synack vlan9"
takes "proto icmp icmp-type echo-request" "echo"
takes "proto icmpv6 icmp-type echo-request icmp-code 0" "echo6"
takes "proto icmp icmp-type not echo-request" "error"
takes "proto icmp icmp-code 4" "error"

title "what quotes, and what is quoted"
takes "quoted" "error"
takes "quoted dst 10.2.0.9 proto udp sport 700" "error"
takes "quoted proto not udp" ""
takes "quoted src 10.9.0.1" ""

title "what stands before the packet, and beside it"
takes "vlan 7" "vlan7"
takes "vlan not 7" "vlan9"
takes "vlan 1-6,9" "vlan9"
takes "vlan @tags" "vlan7"
takes "ethertype arp" "arp arp7"
takes "ethertype arp vlan 7" "arp7"
takes "ethertype not arp" "$ip4 $ip6"
takes "ethertype not ip" "$ip6 arp arp7"
takes "ethertype ipv6" "$ip6"
takes "dev d0 ethertype arp" "arp arp7"
takes "dev not d0" ""
takes "dev not lo mark 0 app none" "$ip4 $ip6"
takes "mark not 0" ""
takes "mark @zero proto udp" "$udp"
takes "app not other proto udp" "$udp"
