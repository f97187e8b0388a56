#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Several remotes: flows are spread by weight, all packets of a flow go to one remote, and when one
# of them goes, only its flows move; when it comes back, they return.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a
FLOWS=200
PACKETS=3
# Nobody need answer: the router sees where outer packets go.
in_ns r nft -f - <<'NFT'
table inet sink {
	chain forward {
		type filter hook forward priority 0;
		ip protocol gre drop
		ip6 nexthdr gre drop
	}
}
NFT

# remotes FAMILY NUMBER...
remotes() {
	local base=198.51.100.10 number out=()
	[[ $1 == 4 ]] || base=2001:db8:2::10
	for number in "${@:2}"; do
		out+=("$base$number")
	done
	joined "${out[@]}"
}

# set_remotes WEIGHTS NUMBER...: the tunnels to these remotes, over IPv4 and over IPv6.
set_remotes() {
	expect_status 0 cv a tunnel replace four mode gre local "$A4" remote "$(remotes 4 "${@:2}")" weight "$1"
	expect_status 0 cv a tunnel replace six mode gre local "$A6" remote "$(remotes 6 "${@:2}")" weight "$1"
}

# where FILE: sends FLOWS flows of each family, PACKETS packets each, from a; writes "FAMILY PORT
# REMOTE" into FILE, a line for each flow.
where() {
	capture_start r ra "$WORK/flows.pcap" src host "$A4" or src host "$A6"
	in_ns a /usr/bin/python3 - "$FLOWS" "$PACKETS" "$B_IN4" "$B_IN6" <<-'PYTHON'
		import socket, sys
		flows, packets = int(sys.argv[1]), int(sys.argv[2])
		for addr in sys.argv[3:]:
		    for port in range(20000, 20000 + flows):
		        with socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM) as sock:
		            sock.bind(("", port))
		            for _ in range(packets):
		                sock.sendto(b"flow", (addr, 9))
	PYTHON
	capture_stop "$WORK/flows.pcap"
	frames_read "$WORK/flows.pcap" --strict --offload
	expect_equal $((2 * FLOWS * PACKETS)) "$(frames_count "$WORK/flows.pcap" encapsulated)" "packets"
	frames_values "$WORK/flows.pcap" encapsulated \
		'"\(.inner.family) \(.inner.sport) \(.outer.dst)"' >"$1"
	# A flow with two remotes would have two lines.
	expect_equal $((2 * FLOWS)) "$(wc -l <"$1")" "flows, each with one remote"
}

# share FILE FAMILY NUMBER: how many flows of that family go to that remote.
share() { grep -c " $(remotes "$2" "$3")\$" "$1" || :; }

# expect_share FILE NUMBER LEAST MOST: of the flows of each family, in percent.
expect_share() {
	local family percent
	for family in 4 6; do
		percent=$(($(share "$1" "$family" "$2") * 100 / FLOWS))
		(($3 <= percent && percent <= $4)) ||
			fail "remote $2 has $percent % of the flows of tunnel IPv$family, not $3 to $4: $(cut -d ' ' -f 3 "$1" | sort | uniq -c)"
	done
}

# expect_moved BEFORE AFTER NUMBER: just the flows of that remote have another one.
expect_moved() {
	expect_equal "$(grep -Ev " ($(remotes 4 "$3")|$(remotes 6 "$3"))\$" "$1")" \
		"$(grep -Fxf "$1" "$2")" "flows that kept their remote"
}

apply_state a <<YAML
devices: {a0: {ingress: true, egress: true}}
tunnels:
  four: {mode: gre, local: $A4, remote: [$(remotes 4 1 2 3)]}
  six:  {mode: gre, local: "$A6", remote: [$(remotes 6 1 2 3 | sed 's/[^,]*/"&"/g')]}
routes:
  - {to: $B_NET4, tunnel: four, src: $A_IN4}
  - {to: "$B_NET6", tunnel: six, src: "$A_IN6"}
YAML

title "three remotes: a third each"
where "$WORK/thirds"
for number in 1 2 3; do
	expect_share "$WORK/thirds" "$number" 22 45
done
title "weights 2, 1 and 1"
set_remotes 2,1,1 1 2 3
where "$WORK/weighted"
expect_share "$WORK/weighted" 1 39 61
expect_share "$WORK/weighted" 2 15 35
expect_share "$WORK/weighted" 3 15 35
title "without the second, only its flows move"
set_remotes 2,1 1 3
where "$WORK/without"
expect_moved "$WORK/weighted" "$WORK/without" 2
title "the order does not matter, and it comes back to its flows"
set_remotes 1,1,2 3 2 1
where "$WORK/again"
expect_equal "$(<"$WORK/weighted")" "$(<"$WORK/again")" "flows and remotes"
title "a fourth takes flows from all, and none moves between the others"
set_remotes 2,1,1,1 1 2 3 4
where "$WORK/four"
expect_moved "$WORK/four" "$WORK/weighted" 4
expect_share "$WORK/four" 4 10 32
