#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Somebody else's program reads the owner records: the example of docs/maps.md, which stock tc loads
# and which finds culvert's maps by their names, gives each packet that is captured behind it to the
# app that sent it, those of SYN-ACKs, of closed connections and in the tunnel too.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
plain=$(program_copy plain)
routed=$(program_copy routed)
server=$(program_copy server)
nobody=$(program_copy nobody)
# Far ports tell the clients apart on the wire, a near one the server.
PLAIN=7000 ROUTED=7001 NOBODY=7002 LATE=7003 SERVER=7100

title "two clients, one of them routed, and a server; nobody asks for a fourth program"
apply_state a <<-YAML
	devices: {a0: {}}
	apps: {plain: {exe: $plain}, routed: {exe: $routed}, server: {exe: $server}}
	tunnels: {blue: {mode: gre, local: $A4, remote: $B4}}
	routes:
	  - {to: $B_NET4, tunnel: blue, app: routed, src: $A_IN4}
	  - {to: "$B_NET6", tunnel: blue, app: routed, src: "$A_IN6"}
YAML
apply_state b <<-YAML
	devices: {b0: {}}
	tunnels: {blue: {mode: gre, local: $B4, remote: $A4}}
YAML
echo_server b echo /usr/bin/python3 $PLAIN $ROUTED $NOBODY
echo_server a server "$server" $SERVER

title "the example, loaded by stock tc"
clang -target bpf -mcpu=v3 -O2 -g -I "$TREE/bpf" -idirafter "/usr/include/$(gcc -print-multiarch)" \
	-c "$TREE/docs/examples/owner.bpf.c" -o "$WORK/owner.bpf.o"
pins=$WORK/bpf/v1/$(cv_json a status | jq -r .instance)
maps() { ls "$pins/maps" "$WORK/bpf/v1/host/maps"; }
before=$(maps)
TC_BPF_MNT=$pins in_ns a tc filter add dev a0 egress prio 200 bpf da obj "$WORK/owner.bpf.o" sec tc
expect_equal "$before" "$(maps)" "maps after tc loaded the example"
program=$(in_ns a tc -j filter show dev a0 egress | jq '.[] | select(.pref == 200) | .options.prog.id // empty')
for id in $(bpftool -j prog show id "$program" | jq '.map_ids[]'); do
	[[ $(bpftool -j map show id "$id" | jq -r .name) == traffic_by_user ]] && counts=$id
done

title "traffic"
capture_start a a0 "$WORK/a0.pcap"
client() { in_ns a "$1" "$TOOLS/traffic.py" "$2" 6 "$B_IN4,$B_IN6" --port "$3" || fail "no answer: $1 $2"; }
for kind in tcp udp udpc; do
	client "$plain" $kind $PLAIN
	client "$routed" $kind $ROUTED
	client "$nobody" $kind $NOBODY
	in_ns b /usr/bin/python3 "$TOOLS/traffic.py" $kind 6 "$A_IN4,$A_IN6" --port $SERVER ||
		fail "no answer of the server"
done

title "a far end that closes late: the last ACK comes from what is left of the socket"
start_in b sink /usr/bin/python3 "$TOOLS/traffic.py" sink $LATE --count 4
sink=$STARTED
wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
kill -STOP "$sink"
for program in "$plain" "$routed"; do
	in_ns a "$program" -c "import socket
for addr in '$B_IN4', '$B_IN6':
	socket.create_connection((addr, $LATE)).close()"
done
# sockets STATE COUNT: true if so many of a's to that port are in that state.
sockets() { (($(in_ns a ss -Htn state "$1" "dport = :$LATE" | wc -l) == $2)); }
wait_for 5 sockets fin-wait-2 4 || fail "not half closed: $(in_ns a ss -tn)"
kill -CONT "$sink"
wait "$sink"
wait_for 5 sockets time-wait 4 || fail "not closed: $(in_ns a ss -tn)"
capture_stop "$WORK/a0.pcap"
frames_read "$WORK/a0.pcap"

# counted NAME [SOURCE]: packets that the example gave to that app, of those with that number of enum
# cv_owner_source.
counted() {
	local app=0
	[[ $1 == none ]] || app=$(cv_json a app show "$1" | jq '.[0].id')
	bpftool -j map dump id "$counts" | jq --argjson app "$app" --argjson source "${2:-null}" '
		[.[].formatted | select(.key.app == $app and ($source == null or .key.source == $source)) |
			.values[].value.packets] | add // 0'
}
# sent CONDITION: packets that left a0, by what stands in them.
sent() { frames_count "$WORK/a0.pcap" "(packet.src | test(\"^(10\\\\.8|fd00:8)\")) and ($1)"; }

title "each packet has the owner that it has on the wire"
late="packet.dport==$LATE and"
closed=2 # last ACKs of an app, from TIME_WAIT
! kernel_before 6.13 "ACKs from TIME_WAIT, which have no socket" || closed=0
for row in "plain packet.dport==$PLAIN or $late encapsulated==false" \
	"routed packet.dport==$ROUTED or $late encapsulated" "server packet.sport==$SERVER"; do
	read -r app condition <<<"$row"
	packets=$(sent "$condition")
	[[ $app == server ]] || packets=$((packets - 2 + closed))
	((packets > 30)) || fail "$app sent $packets packets"
	expect_equal "$packets" "$(counted "$app")" "packets of $app"
	printf '%-8s %s packets\n' "$app" "$packets"
done
expect_equal "$(sent "packet.dport==$ROUTED")" "$(sent "packet.dport==$ROUTED and encapsulated")" \
	"packets of the routed app in the tunnel"
(($(counted none) >= $(sent "packet.dport==$NOBODY"))) || fail "packets of no app have one"

title "how they are known"
LISTENER=7 COOKIE=9
expect_equal "$(sent "packet.sport==$SERVER and packet.flags==\"SA\"")" 6 "SYN-ACKs of the server"
(($(counted server $LISTENER) >= 6)) || fail "SYN-ACKs that are not the listener's"
for app in plain routed; do
	expect_equal $closed "$(counted $app $COOKIE)" "packets of closed connections of $app"
done
