#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A culvert of the next map ABI takes over what this one has made, on `repair` and on any change, while
# packets flow: none is lost, nothing of the old one is left. The other way it is refused with both
# versions named, and nothing changes. Pins that are lost with their bpffs are made anew likewise, and
# `down` takes away what they were made for.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

NEXT=$(dirname "$CULVERT")/next/culvert
[[ -x $NEXT ]] || fail "$NEXT is not built: make check-scenarios builds it"
topology_sites
plain_routes_del a b
program=$(program_copy program)

# next NS WORDS...: cv of the version to come.
next() { CULVERT=$NEXT cv "$@"; }

state() {
	cat <<-YAML
		devices: {a0: {ingress: true, egress: true}}
		apps: {it: {exe: $program}, other: {uid: 4321}}
		tunnels: {blue: {mode: gre, local: $A4, remote: $B4, key: 1}}
		routes:
		  - {to: $B_NET4, tunnel: blue, src: $A_IN4}
		  - {to: "$B_NET6", tunnel: blue, src: "$A_IN6"}
		  - {to: default, tunnel: blue, app: other}
		rules: {low: {prio: $1, match: {app: it, dir: out}, action: {dscp: 8}}}
	YAML
}

stream_start() {
	start_in a stream "$program" "$TOOLS/traffic.py" udp 3000 "$B_IN4,$B_IN6" --port 7000
	STREAM=$STARTED
}
stream_ends() { wait "$STREAM" || fail "$1: packets were lost: $(tail -n 3 "$WORK/stream.log")"; }

pins() { (cd "$WORK/bpf" && find v* -type f | sed "s/ns-[0-9]*/ns/" | sort); }

apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, key: 1"
echo_server b server "$program" 7000
state 10 | apply_state a

title "the next version refuses to read what it can take over, and names both"
expect_status 2 next a status
expect_line "map ABI 1, this is .* with map ABI 2; 'culvert repair' takes it over" "$WORK/err"
expect_equal 1 "$(cv_json a status | jq .abi)" "the ABI of what runs"

title "repair takes it over under traffic"
stream_start
expect_status 0 next a repair
expect_line "^\+ app it" "$WORK/out"
expect_line "taken over from map ABI 1" "$WORK/err"
stream_ends "taking over"
instance=$(CULVERT=$NEXT cv_json a status | jq -r .instance)
[[ ! -e $WORK/bpf/v1/$instance ]] || fail "pins of the old version are left"
expect_equal "culvert/2/xmit/blue" \
	"$(in_ns a ip route show table all proto 201 | grep -o 'culvert/[0-9]*/[a-z]*/[a-z]*' | sort -u)" \
	"programs of routes"
expect_equal '[]' "$(CULVERT=$NEXT cv_json a status | jq -c '[.problems[] | select(test("gone|lost|missing|not attached"))]')" \
	"problems"
expect_status 0 next a repair
expect_equal "" "$(<"$WORK/out")" "what a second repair does"

title "the old version refuses, and changes nothing"
pins >"$WORK/pins"
for words in status repair down "apply $WORK/a.yaml" "rule del low"; do
	# shellcheck disable=SC2086 # words
	expect_status 2 cv a $words
	expect_line "map ABI 2, this is .* with map ABI 1" "$WORK/err"
done
expect_equal "$(<"$WORK/pins")" "$(pins)" "pins after refusals"

title "the other namespace is still the old version's, and any change takes it over"
expect_equal 1 "$(cv_json b status | jq .abi)" "ABI at b"
stream_start
expect_status 0 next b tunnel replace blue mode gre local "$B4" remote "$A4" key 1 ttl 33
stream_ends "taking over by a change"
expect_equal 2 "$(CULVERT=$NEXT cv_json b status | jq .abi)" "ABI at b"
[[ ! -e $WORK/bpf/v1 ]] || fail "of the old version something is left: $(find "$WORK/bpf/v1")"

title "pins that are lost are made anew; until then nothing leaves a tunnel's route in the clear"
pins >"$WORK/pins"
umount "$WORK/bpf"
mount -t bpf bpf "$WORK/bpf"
plain() { in_ns r nft -j list counters table netdev plain | jq '[.nftables[].counter? // empty | .packets] | add'; }
in_ns r nft -f - <<-NFT
	table netdev plain {
		counter inner4 {}
		counter inner6 {}
		chain in {
			type filter hook ingress device ra priority 0
			ip daddr $B_IN4 counter name inner4
			ip6 daddr $B_IN6 counter name inner6
		}
	}
NFT
in_ns a "$program" "$TOOLS/traffic.py" udp 5 "$B_IN4,$B_IN6" --port 7000 >"$WORK/lost" 2>&1 || :
expect_equal 0 "$(plain)" "packets in the clear"
CULVERT=$NEXT cv a status >"$WORK/status"
expect_line "pins are gone" "$WORK/status"
expect_status 0 next a repair
expect_status 0 next b repair
in_ns a "$program" "$TOOLS/traffic.py" udp 100 "$B_IN4,$B_IN6" --port 7000 >"$WORK/talk" 2>&1 ||
	fail "after repair: $(tail -n 3 "$WORK/talk")"
expect_equal "$(<"$WORK/pins")" "$(pins)" "pins after repair"
for site in a b; do
	expect_status 0 next "$site" repair
	expect_equal "" "$(<"$WORK/out")" "what a second repair at $site does"
done

title "and without them down takes everything away"
umount "$WORK/bpf"
mount -t bpf bpf "$WORK/bpf"
for site in a b; do
	expect_status 0 next "$site" down
	expect_equal '[]' "$(in_ns "$site" ip -j route show table all proto 201)" "routes at $site"
	expect_equal "" "$(in_ns "$site" tc filter show dev "${site}0" ingress)" "filters at $site"
	expect_equal "" "$(in_ns "$site" tc qdisc show dev "${site}0" clsact)" "clsact at $site"
done
expect_equal "" "$(find "$WORK/state" -mindepth 1)" "state files"
