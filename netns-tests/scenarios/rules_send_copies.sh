#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Packets go to other devices and to whoever looks: a mirrored packet is the same byte for byte and goes
# on, a redirected one reaches the neighbour that is resolved for it, a device that is gone drops and
# counts, 'monitor' shows what rules sample. Rules that continue are all applied.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
TO=$B_IN4,$B_IN6
echo_server b server /usr/bin/python3 7001 7002
DEVICES='devices: {a0: {ingress: true, egress: true}}'
udp() { in_ns a "$client" "$TOOLS/traffic.py" udp "$2" "$TO" --port "$1" --timeout 1; }
rule_packets() { cv_json a rule show | jq --arg name "$1" '.[] | select(.name == $name).packets'; }

# frames FILE [FILTER]: the frames of a capture, one a line in hexadecimal.
frames() {
	tcpdump -nn -xx -r "$@" 2>/dev/null |
		awk '/^\t0x/ { for (i = 2; i <= NF; i++) line = line $i; next } { if (line) print line; line = "" }
			END { if (line) print line }'
}

title "mirror: the same bytes, and the packet goes on"
in_ns a ip link add copies type veth peer name watcher
in_ns a ip link set copies up
in_ns a ip link set watcher up
offloads_off a a0
apply_state a <<YAML
$DEVICES
rules:
  copy: {match: {dir: out, proto: udp, dport: 7001}, action: {dscp: 46, mirror: copies}}
YAML
capture_start r ra "$WORK/sent.pcap" "udp dst port 7001"
capture_start a watcher "$WORK/copied.pcap" "udp dst port 7001"
udp 7001 20 || fail "port 7001 is not answered"
udp 7002 4 || fail "port 7002 is not answered"
capture_stop "$WORK/sent.pcap"
capture_stop "$WORK/copied.pcap"
expect_equal 20 "$(frames "$WORK/sent.pcap" | wc -l)" "frames that were sent"
expect_equal "$(frames "$WORK/sent.pcap")" "$(frames "$WORK/copied.pcap")" "copies"

title "redirect to the neighbour behind another device"
netns_add s
veth_pair a side0 s side1
address a side0 10.77.0.1/24
address s side1 10.77.0.2/24
address s lo 10.99.0.5/32
ip -n s route add default via 10.77.0.1 src 10.99.0.5
ip -n a route add 10.99.0.0/16 via 192.0.2.254
ip -n a route add 10.99.0.0/16 via 10.77.0.2 dev side0 metric 5000
echo_server s aside /usr/bin/python3 7001
aside() { in_ns a "$client" "$TOOLS/traffic.py" udp 6 10.99.0.5 --port 7001 --timeout 1; }
! aside || fail "10.99.0.5 is answered without a rule"
apply_state a <<YAML
$DEVICES
rules:
  aside: {match: {dir: out, dev: a0, dst: 10.99.0.0/16}, action: {redirect: side0, neigh: true}}
YAML
aside || fail "10.99.0.5 is not answered"
expect_equal 6 "$(rule_packets aside)" "packets of rule aside"
# Of what has a tag in the frame no neighbour is resolved: it goes as it is, and is not lost.
capture_start s side1 "$WORK/tagged.pcap" "vlan"
inject_start a a0 r ra
inject 3 'Dot1Q(vlan=5) / IP(src=A4, dst="10.99.0.5") / UDP(sport=6000, dport=7001) / b"tagged"'
capture_stop "$WORK/tagged.pcap"
expect_equal 3 "$(frames "$WORK/tagged.pcap" | wc -l)" "tagged frames that were redirected"
expect_status 0 cv a rule replace aside match dir out dev a0 dst 10.99.0.0/16 action redirect side0
capture_start s side1 "$WORK/plain.pcap" "udp dst port 7001"
! aside || fail "answered, though the Ethernet address is the router's"
capture_stop "$WORK/plain.pcap"
mac=$(ip -n r -j link show ra | jq -r '.[0].address' | tr -d :)
expect_equal "$mac" "$(frames "$WORK/plain.pcap" | cut -c 1-12 | sort -u)" "where it is sent to as it is"

title "a device that is gone"
ip -n a link del side0
! aside || fail "10.99.0.5 is answered"
(($(drops a redirect_gone) > 0)) || fail "nothing is counted as redirect_gone"
expect_json '[.problems[] | select(test("side0"))]' \
	'["rule aside: device side0, which it redirects to, does not exist"]' problems < <(cv_json a status)
expect_status 0 cv a rule del aside
expect_status 2 cv a rule add more match dir out action mirror side0
expect_line 'rule more: there is no device side0' "$WORK/err"

title "monitor"
apply_state a <<YAML
$DEVICES
apps: {client: {exe: $client}}
rules:
  look: {match: {dir: out, proto: udp, dport: 7001}, action: {mark: 0x5, sample: 1/1}}
  else: {match: {dir: out, proto: udp, dport: 7002}, action: {sample: 1/1}}
YAML
udp 7001 2 || fail "port 7001 is not answered"
start_in a monitor "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" \
	-j monitor rule look count 10
monitor=$STARTED
monitor_reads() { grep -q ":$(stat -c %i "$(echo "$WORK"/bpf/v1/ns-*/maps)") " /proc/locks; }
wait_for 10 monitor_reads || fail "monitor: $(<"$WORK/monitor.log")"
expect_status 2 cv a monitor count 1
expect_line 'monitor: another one reads the events of this instance' "$WORK/err"
udp 7002 4 || fail "port 7002 is not answered"
udp 7001 10 || fail "port 7001 is not answered"
wait_for 10 eval "! kill -0 $monitor 2>/dev/null" || fail "monitor does not end: $(<"$WORK/monitor.log")"
expect_json '[., inputs] | map({rule, dir, dev, app, mark, proto, dport}) | unique' \
	'[{"rule":"look","dir":"out","dev":"a0","app":"client","mark":"0x5","proto":17,"dport":7001}]' \
	"events" <"$WORK/monitor.log"
expect_equal 10 "$(wc -l <"$WORK/monitor.log")" "events"
expect_equal 12 "$(rule_packets look)" "packets of rule look"

title "rules that continue are all applied, and later ones see what they did"
apply_state a <<YAML
$DEVICES
rules:
  first:  {prio: 1, match: {dir: out, proto: udp}, action: {mark: 0x10, verdict: continue}}
  second: {prio: 2, match: {dir: out, mark: 0x10, dport: 7001, proto: udp}, action: {dscp: 8, verdict: continue}}
  third:  {prio: 3, match: {dir: out, dscp: 8}, action: {mark: 0x20/0x20}}
  fourth: {prio: 4, match: {dir: out, proto: udp}, action: {verdict: drop}}
YAML
udp 7001 4 || fail "port 7001 is not answered"
! udp 7002 2 || fail "port 7002 is answered"
expect_equal "6 4 4 2" \
	"$(rule_packets first) $(rule_packets second) $(rule_packets third) $(rule_packets fourth)" \
	"packets of the four rules"
