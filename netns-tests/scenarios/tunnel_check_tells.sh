#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `tunnel check` passes where packets of every kind get through and back, and names what is wrong
# where they do not: a blocked port, one way only, a path that is narrower than the mtu says, another
# key, an allow list that is too narrow, spoilt checksums, lost GSO packets, ECN that is cleared.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_framings

# to NAME: the address at b behind the tunnel of that name.
to() {
	local n=11 name
	for name in "${FRAMINGS[@]}"; do
		[[ $name == "$1" ]] && break
		n=$((n + 1))
	done
	printf '10.9.%s.1\n' "$n"
}

# passes NS NAME [WORDS...]: every step of the check is ok, and a culvert answered.
passes() {
	local ns=$1
	shift
	expect_status 0 cv "$ns" -j tunnel check "$@"
	expect_json '[.tunnel, .peer, ([.steps[].verdict] | unique)]' \
		"[\"$1\", \"culvert\", [\"ok\"]]" "check of $1 from $ns" <"$WORK/out"
}

# tells NAME STEP THERE BACK TEXT: the check of a tunnel from a fails at that step of IPv4, is lost on
# those ways, and says so.
tells() {
	expect_status 4 cv a -j tunnel check "$1" to "$(to "$1")"
	expect_json ".steps[] | select(.step == \"$2\") | [.verdict, .there, .back] | map(. // \"null\")" \
		"[\"failed\", \"$3\", \"$4\"]" "$1: $2" <"$WORK/out"
	[[ $(jq -r ".steps[] | select(.step == \"$2\").reason" "$WORK/out") == *"$5"* ]] ||
		fail "$1: $2 does not say '$5': $(jq -c '.steps[]' "$WORK/out")"
}

# failed_steps: of the last check, "STEP STEP ...".
failed_steps() { jq -r '[.steps[] | select(.verdict == "failed").step] | join(" ")' "$WORK/out"; }

# filter RULE...: the router does that with packets on their way; heal takes it away.
filter() {
	in_ns r nft -f - <<-NFT
		table inet fault {
			chain passing { type filter hook forward priority 0; $1; }
			chain own { type filter hook output priority 0; ${2:-}; }
		}
	NFT
}
heal() { in_ns r nft delete table inet fault; }

# replaced NS NAME WORDS...: the tunnel with other words.
replaced() {
	local ns=$1 name=$2 local=$A4 remote=$B4
	shift 2
	[[ $ns == a ]] || local=$B4 remote=$A4
	expect_status 0 cv "$ns" tunnel replace "$name" local "$local" remote "$remote" "$@"
}

title "every framing passes, from both ends, both families inside"
for name in "${FRAMINGS[@]}"; do
	passes a "$name"
	expect_json '[.steps[] | "\(.family) \(.step)"] | length' 16 "steps of $name" <"$WORK/out"
	passes b "$name"
done
expect_json '[.[] | select(.probes == 0 or .drops != {}).name]' '[]' \
	"tunnels of b that answered nothing, or refused" < <(cv_json b tunnel show)

title "and as frames of a wire"
offloads_off a a0
offloads_off b b0
offloads_off r ra rb
for name in "${FRAMINGS[@]}"; do passes a "$name"; done

title "to and from an address; the text says the same"
passes a gre-4 to "$(to gre-4)" from 10.8.11.1 timeout 2
expect_json '[.steps[].family] | unique' '[4]' "families" <"$WORK/out"
expect_status 0 cv a tunnel check gre-4
expect_line '^INSIDE +STEP +BYTES +THERE +BACK +VERDICT +REASON' "$WORK/out"
expect_line '^IPv4 +tcp-64k +65536 +ok +ok +ok +-$' "$WORK/out"

title "over a route of an app, whose mark only its own sockets have"
expect_status 0 cv a app add nobody exe /bin/true
expect_status 0 cv a route add 10.99.0.0/16 tunnel gre-4 app nobody src 10.8.11.1
passes a gre-4 to 10.99.0.1

title "a route into two tunnels: only the one that the kernel chose is proven"
expect_status 0 cv a route add 10.98.0.0/16 src 10.8.11.1 nexthop tunnel gre-4 nexthop tunnel ipip-4
for name in gre-4 ipip-4; do
	expect_status 0 cv a -j tunnel check "$name" to 10.98.0.1
	jq -r '.steps[0].verdict' "$WORK/out"
done | sort >"$WORK/verdicts"
expect_equal $'ok\nunproven' "$(<"$WORK/verdicts")" "the small packet's verdicts"

title "what cannot be tried is an error"
expect_status 2 cv a tunnel check nosuch
expect_line 'tunnel nosuch: there is none' "$WORK/err"
expect_status 2 cv a tunnel check gre-4 to "$(to ipip-4)"
expect_line 'is not routed into it' "$WORK/err"
expect_status 2 cv a tunnel check gre-4 to 203.0.113.1
expect_line 'is not routed into it' "$WORK/err"
expect_status 1 cv a tunnel check
expect_status 1 cv a tunnel check gre-4 too 10.9.11.1
expect_status 1 cv a tunnel check gre-4 to 10.9.11.1 from fd00:8:11::1
expect_status 1 cv a tunnel check gre-4 timeout 0
expect_status 0 cv a tunnel add idle mode gre local "$A4" remote "$B4" key 7
expect_status 2 cv a tunnel check idle
expect_line 'no route leads into it' "$WORK/err"

title "a UDP port that is blocked, silently and not"
filter "udp dport 4789 drop"
tells vxlan-4 small unproven unproven "UDP port 4789 is blocked"
tells vxlan-6 small unproven unproven "UDP port 4789 is blocked"
passes a geneve-4
heal
filter "udp dport 4789 reject with icmpx type admin-prohibited"
tells vxlan-4 small failed unproven '192.0.2.254 says "administratively prohibited"'
heal

title "one way only"
filter "meta l4proto gre iif rb drop"
tells gre-4 small unproven unproven "IP protocol 47 (gre) is blocked"
expect_json .peer null "who answers" <"$WORK/out"
ip -n b route add 10.8.11.1/32 via 198.51.100.254
tells gre-4 small ok failed "one way only: 10.9.11.1 answers pings, but not through the tunnel"
ip -n b route del 10.8.11.1/32
heal
filter "iif rb oif ra drop"
tells gre-4 small unproven unproven "$B4 itself answers no pings either"
heal
passes a gre-4

title "a path narrower than the tunnel's mtu, there and back, told by routers and not"
ip -n r link set rb mtu 1400
filter "" "icmp type destination-unreachable drop"
tells gre-4 mtu failed unproven "lost on the way there: at most 1376 bytes pass, the tunnel's mtu is 1476"
expect_equal "mtu-1 mtu tcp-64k udp-segment fragment" "$(failed_steps)" "steps that failed"
heal
tells gre-4 mtu failed unproven '192.0.2.254 says "fragmentation needed, mtu 1400"'
tells gre-6 mtu failed unproven '2001:db8:1::ff says "packet too big, mtu 1400"'
ip -n r link set rb mtu 1500
filter "" "icmp type destination-unreachable drop"
ip -n r route add "$A4/32" dev ra mtu lock 1300
tells gre-4 mtu ok failed "lost on the way back: at most 1276 bytes pass"
ip -n r route del "$A4/32"
heal
in_ns a ip route flush cache
in_ns b ip route flush cache
passes a gre-4

title "a route into the tunnel whose mtu is larger than the tunnel's"
instance=$(cv_json a status | jq -r .instance)
in_ns a ip route add 10.9.11.1/32 encap bpf xmit \
	pinned "$WORK/bpf/v1/$instance/tunnels/gre-4/xmit" dev a0 src 10.8.11.1
tells gre-4 mtu+1 null null "sent, though the tunnel's mtu is 1476"
ip -n a route del 10.9.11.1/32

title "another key, another network, none"
replaced b key-4 mode gre key 1
tells key-4 small failed unproven "it has another key or vni than this one (here: key 4294967295)"
expect_json .peer '"culvert"' "who answers" <"$WORK/out"
replaced b key-4 mode gre key 4294967295
passes a key-4
replaced b vxlan-4 mode vxlan vni 5
tells vxlan-4 small failed unproven "(here: vni 16777215)"
replaced b vxlan-4 mode vxlan vni 16777215
passes a vxlan-4

title "an allow list that is too narrow, there and here"
replaced b ipip-4 mode ipip allow 10.7.0.0/16
tells ipip-4 small failed ok "inner source 10.8.15.1 is not in the allow list of its tunnel"
expect_json 'map(select(.name == "ipip-4").drops | has("decap_source"))' '[true]' "counted at b" \
	< <(cv_json b tunnel show)
replaced b ipip-4 mode ipip
replaced a ipip-4 mode ipip allow 10.7.0.0/16
tells ipip-4 small ok failed "decap_source: inner source not in the tunnel's allow list"
replaced a ipip-4 mode ipip
passes a ipip-4

title "checksums that something on the way spoils"
# The checksum of a datagram in an IPv4 packet in GRE over IPv4.
filter "iif ra meta l4proto gre @nh,400,16 set 0xbeef"
tells gre-4 small unproven unproven "had a wrong checksum"
heal
passes a gre-4

title "the ECN field of the outer header is cleared"
filter "iif ra ip protocol gre ip ecn set not-ect"
tells gre-4 ecn-ce failed unproven "the outer header arrived without its ECN mark"
expect_equal ecn-ce "$(failed_steps)" "steps that failed"
heal

title "GSO packets are lost, single ones are not"
for dev in a:a0 b:b0; do
	in_ns "${dev%:*}" ethtool -K "${dev#*:}" tx on tso on gso on >/dev/null
done
filter "iif ra meta length > 1500 drop"
tells ipip-4 tcp-64k unproven unproven "GSO packets (several segments in one) are lost"
expect_equal tcp-64k "$(failed_steps)" "steps that failed"
heal
passes a ipip-4

title "an end that does not answer probes is proven by pings, as far as that goes"
replaced b gue-4 mode gue probe off
expect_status 0 cv a -j tunnel check gue-4 to "$(to gue-4)"
expect_json '[.peer, (.steps | map({(.step): .verdict}) | add)]' '["other", {"small": "ok",
	"mtu-1": "ok", "mtu": "ok", "mtu+1": "ok", "tcp-64k": "unproven", "udp-segment": "unproven",
	"ecn-ce": "unproven", "fragment": "ok"}]' "check of an end with probe off" <"$WORK/out"
