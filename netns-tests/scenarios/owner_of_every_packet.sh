#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Whose a packet is, for every kind of packet and in both directions. Rules write another DSCP for
# each owner, and captures of the wire and behind the classifier of a tell it of every packet that a
# and b exchange: none may be another's or nobody's.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
client=$(program_copy client)
server=$(program_copy server)
TO=$B4,$B6
declare -A DSCP=([client]=11 [server]=12 [other]=13 [none]=14 [unasked]=0)

# owner_rules [MATCH]: rules that write the DSCP of the owner, for packets that meet MATCH, too.
owner_rules() {
	cat <<-YAML
		apps:
		  client: {exe: $client}
		  server: {exe: $server}
		rules:
		  client: {prio: 1, match: {app: client${1:+, $1}}, action: {dscp: ${DSCP[client]}}}
		  server: {prio: 2, match: {app: server${1:+, $1}}, action: {dscp: ${DSCP[server]}}}
		  other:  {prio: 3, match: {app: any${1:+, $1}}, action: {dscp: ${DSCP[other]}}}
		  none:   {prio: 4, match: {app: none${1:+, $1}}, action: {dscp: ${DSCP[none]}}}
	YAML
}

# ask_owners [MATCH]: makes a write the owner into what leaves and what comes in.
ask_owners() {
	{
		printf 'devices: {a0: {ingress: true, egress: true}}\n'
		owner_rules "$@"
	} | apply_state a
}

# Frames of a wire: no segmentation or reassembly that would join several packets in one.
offloads_off a a0
offloads_off r ra rb
offloads_off b b0
arrivals_mirror a a0
ask_owners
echo_server a server "$server" 7100
echo_server b echo /usr/bin/python3 7000

# carries FILE FROM TO COUNT OWNER: fails unless at least COUNT packets go from FROM to TO, and all
# carry the DSCP of OWNER. OWNER "-": none may be there.
carries() {
	local where=".outer.src == \"$2\" and .outer.dst == \"$3\"" got
	got=$(frames_count "$1" "$where")
	if [[ $5 == - ]]; then
		expect_equal 0 "$got" "$kind: packets from $2 to $3"
		return 0
	fi
	((got >= $4)) || fail "$kind: $got packets from $2 to $3, expected $4 or more"
	expect_equal "${DSCP[$5]}" "$(frames_values "$1" "$where" .outer.dscp)" \
		"$kind: DSCP of packets from $2 to $3"
}

# kind NAME COUNT[/COUNT-IN] OUT IN CMD...: CMD makes a send COUNT packets or more to b in each family,
# and b as many, or COUNT-IN. Those that leave a must be OUT's, those that come to it IN's.
kind() {
	local kind=$1 count=$2 out=$3 in=$4
	shift 4
	title "$kind"
	capture_start_at_once r ra "$WORK/out.pcap"
	capture_start_at_once a arrivals "$WORK/in.pcap"
	"$@" || fail "$kind: $*"
	capture_stop "$WORK/out.pcap"
	capture_stop "$WORK/in.pcap"
	frames_read "$WORK/out.pcap"
	frames_read "$WORK/in.pcap"
	carries "$WORK/out.pcap" "$A4" "$B4" "${count%/*}" "$out"
	carries "$WORK/out.pcap" "$A6" "$B6" "${count%/*}" "$out"
	carries "$WORK/in.pcap" "$B4" "$A4" "${count#*/}" "$in"
	carries "$WORK/in.pcap" "$B6" "$A6" "${count#*/}" "$in"
}

# has out|in COUNT CONDITION: fails unless just so many packets that left a or came to it are like that.
has() {
	local from="$A4|$A6"
	[[ $1 == out ]] || from="$B4|$B6"
	expect_equal "$2" "$(frames_count "$WORK/$1.pcap" "(.outer.src | test(\"^($from)\$\")) and ($3)")" \
		"packets with $3"
}

# The programs: of a, selected by apps; and of b, unknown to a.
traffic() { in_ns a "$client" "$TOOLS/traffic.py" "$@" --port 7000; }
from_b() { in_ns b /usr/bin/python3 "$TOOLS/traffic.py" "$1" "$2" "$A4,$A6" --port "${@:3}"; }
kinds() { in_ns a "$client" "$TOOLS/kinds.py" "$@"; }
both() { "$1" "$2" "$B4" "${@:3}" && "$1" "$2" "$B6" "${@:3}"; }

# ---- TCP ----

kind "TCP, a connects" 8 client client traffic tcp 4 "$TO"
has out 4 '.outer.flags == "S"'
has in 4 '.outer.flags == "SA"'
kind "TCP, a accepts" 8 server server from_b tcp 4 7100
has out 4 '.outer.flags == "SA"'
has in 4 '.outer.flags == "S"'
in_ns a sysctl -qw net.ipv4.tcp_syncookies=2
kind "TCP, a accepts with SYN cookies" 8 server server from_b tcp 4 7100
has out 4 '.outer.flags == "SA"'
in_ns a sysctl -qw net.ipv4.tcp_syncookies=1
kind "TCP, a resets" 3 client client both kinds reset 7000
has out 2 '.outer.flags // "" | test("R")'

# Closes first on a, then lets b send once more into what is in TIME_WAIT.
inject_start b b0 r rb
stray() {
	local port4 port6
	port4=$(kinds first "$B4" 7000)
	port6=$(kinds first "$B6" 7000)
	wait_for 5 prints "TIME-WAIT" in_ns a ss -Htan "sport = :$port4"
	wait_for 5 prints "TIME-WAIT" in_ns a ss -Htan "sport = :$port6"
	inject 1 "[IP(src=B4, dst=A4) / TCP(sport=7000, dport=$port4, flags='PA', seq=1) / b'stray',
		IPv6(src=B6, dst=A6) / TCP(sport=7000, dport=$port6, flags='PA', seq=1) / b'stray']"
	stray="(.outer.sport == $port4 or .outer.sport == $port6)"
}
kind "TCP in TIME_WAIT" 5 client client stray
# After the ACK of b's FIN, that of the stray segment.
last=$(frames_query "$WORK/out.pcap" "[.[] | select($stray) | .outer.flags] | .[-2:] | join(\" \")")
expect_equal "A A" "$last" "the last packets of a"

kind "TCP to a closed port of a" 1 none none eval '! from_b tcp 2 9 --timeout 1 >/dev/null'
has out 2 '.outer.flags == "RA"'
kind "MPTCP, a connects" 4 client client both kinds mptcp 7000
start_in a mptcp "$server" "$TOOLS/kinds.py" mptcp-server 7200
wait_for 10 grep -qx READY "$WORK/mptcp.log" || fail "MPTCP server: $(<"$WORK/mptcp.log")"
mptcp_to_a() {
	local addr
	for addr in "$A4" "$A6"; do
		in_ns b /usr/bin/python3 "$TOOLS/kinds.py" mptcp "$addr" 7200 || return 1
	done
}
kind "MPTCP, a accepts" 4 server server mptcp_to_a

# ---- UDP ----

kind "UDP, not connected" 4 client client traffic udp 8 "$TO"
kind "UDP, connected" 4 client client traffic udpc 8 "$TO"
kind "UDP, a answers" 4 server server from_b udp 8 7100
kind "UDP in fragments" 8 client client traffic udp 4 "$TO" --size 5000
has out 16 '.outer.fragment'
has in 16 '.outer.fragment'
kind "UDP in fragments, a answers" 8 server server from_b udp 4 7100 --size 5000
has in 16 '.outer.fragment'
kind "UDP to a closed port of a" 1 none none eval '! from_b udpc 2 9 --timeout 1 >/dev/null'
has out 2 '.outer.type == 3 or .outer.type == 1'

title "UDP, sixteen sockets of two programs share a port"
pids=()
for program in client server; do
	start_in a "group-$program" "$WORK/bin/$program" "$TOOLS/kinds.py" group 7300 8
	pids+=("$STARTED")
	wait_for 10 grep -qx READY "$WORK/group-$program.log" || fail "$(<"$WORK/group-$program.log")"
done
capture_start_at_once r ra "$WORK/out.pcap"
capture_start_at_once a arrivals "$WORK/in.pcap"
in_ns b /usr/bin/python3 "$TOOLS/kinds.py" spread "$A4" 7300 100
in_ns b /usr/bin/python3 "$TOOLS/kinds.py" spread "$A6" 7300 100
for pid in "${pids[@]}"; do stop "$pid"; done
for way in in out; do
	capture_stop "$WORK/$way.pcap"
	frames_read "$WORK/$way.pcap"
	for program in client server; do
		received=$(tail -n 1 "$WORK/group-$program.log")
		((received > 0)) || fail "nothing came to $program"
		has "$way" "$received" "(.outer.dport == 7300 or .outer.sport == 7300) and
			.outer.dscp == ${DSCP[$program]}"
	done
	has "$way" 200 ".outer.dport == 7300 or .outer.sport == 7300"
done

# ---- neither ----

kind "pings of a" 4 client client traffic ping 8 "$TO"
kind "pings of a in fragments" 8 client client traffic ping 4 "$TO" --size 5000
has out 16 '.outer.fragment'
has in 16 '.outer.fragment'
ask_owners "dir: in"
kind "pings of a, while no rule is about what leaves" 4 unasked client traffic ping 8 "$TO"
ask_owners
kind "pings of b" 4 none none in_ns b /usr/bin/python3 "$TOOLS/traffic.py" ping 8 "$A4,$A6"
kind "raw sockets of a" 16/1 client none both kinds raw
has out 32 '.outer.fragment'
mac=$(ip -n r -j link show ra | jq -r '.[0].address')
frames() { kinds frame a0 "$mac" "$A4" "$B4" 7000 "$@" && kinds frame a0 "$mac" "$A6" "$B6" 7000 "$@"; }

# No hook runs when a packet socket is made: who has it is known from its first frame on, where the
# kernel tells that one was sent.
frames_of_a() {
	kind=$1
	title "$kind"
	shift
	capture_start_at_once r ra "$WORK/out.pcap"
	frames "$@" || fail "$kind"
	capture_stop "$WORK/out.pcap"
	frames_read "$WORK/out.pcap"
	for addr in "$A4" "$A6"; do
		got=$(frames_query "$WORK/out.pcap" \
			"[.[].outer | select(.src == \"$addr\" and .dport == 7000) | .dscp] | join(\" \")")
		expect_equal "${DSCP[none]} ${DSCP[client]} ${DSCP[client]} ${DSCP[client]}" "$got" \
			"$kind: DSCP of the frames from $addr"
	done
}
if kernel_tells sock_send_length cv_sock_send "AF_PACKET sockets of a"; then
	frames_of_a "AF_PACKET sockets of a"
	frames_of_a "AF_PACKET sockets of a, behind a VLAN tag" 7
fi

title "VLAN-tagged packets that come to a"
capture_start_at_once a arrivals "$WORK/in.pcap"
mac=$(ip -n a -j link show a0 | jq -r '.[0].address')
in_ns r /usr/bin/python3 "$TOOLS/kinds.py" frame ra "$mac" "$B4" "$A4" 7100 7
in_ns r /usr/bin/python3 "$TOOLS/kinds.py" frame ra "$mac" "$B6" "$A6" 7100 7
capture_stop "$WORK/in.pcap"
frames_read "$WORK/in.pcap"
kind="behind a VLAN tag"
carries "$WORK/in.pcap" "$B4" "$A4" 4 server
carries "$WORK/in.pcap" "$B6" "$A6" 4 server

# ---- what nobody here owns ----

title "what the kernel of a sends by itself to its neighbours"
ip -n a neigh flush dev a0
capture_start_at_once r ra "$WORK/out.pcap"
expect_reachable a 192.0.2.254 2001:db8:1::ff
capture_stop "$WORK/out.pcap"
frames_read "$WORK/out.pcap"
expect_equal "${DSCP[none]}" "$(frames_values "$WORK/out.pcap" \
	'(.outer.type == 135 or .outer.type == 136) and .outer.dscp != 0' .outer.dscp)" \
	"DSCP of neighbour discovery"

title "what r forwards, though programs of r listen on the same ports"
cv a down
{
	printf 'devices: {ra: {ingress: true, egress: true}, rb: {ingress: true, egress: true}}\n'
	owner_rules
} | apply_state r
echo_server r router "$server" 7000
in_ns b sysctl -qw net.ipv4.tcp_syncookies=2
capture_start_at_once b b0 "$WORK/b.pcap"
capture_start_at_once a a0 "$WORK/a.pcap"
traffic tcp 4 "$TO"
traffic udp 8 "$TO"
traffic udp 4 "$TO" --size 5000
for file in "$WORK/a.pcap" "$WORK/b.pcap"; do
	capture_stop "$file"
	frames_read "$file"
done
kind="forwarded by r"
carries "$WORK/b.pcap" "$A4" "$B4" 20 none
carries "$WORK/b.pcap" "$A6" "$B6" 20 none
carries "$WORK/a.pcap" "$B4" "$A4" 20 none
carries "$WORK/a.pcap" "$B6" "$A6" 20 none
kind="for r itself"
capture_start_at_once a a0 "$WORK/a.pcap"
in_ns a /usr/bin/python3 "$TOOLS/traffic.py" udp 4 "192.0.2.254,2001:db8:1::ff" --port 7000
capture_stop "$WORK/a.pcap"
frames_read "$WORK/a.pcap"
carries "$WORK/a.pcap" 192.0.2.254 "$A4" 2 server
carries "$WORK/a.pcap" 2001:db8:1::ff "$A6" 2 server
