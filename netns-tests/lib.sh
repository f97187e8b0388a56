# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Sourced as the first thing by every scenario, by scripts/bench and by scripts/demo. Sourcing it
# starts the script anew in its own mount, network and process namespaces and its own cgroup, so
# that a test sees nothing of the host, and nothing of it outlives it, however it ends: with the
# first process of the process namespace all others die, and with them the namespaces go.
# V=1 shows the commands. Exit status: 0 passed, 1 failed, 77 skipped (reason on the last line).

set -euo pipefail

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$TREE/netns-tests/tools
CULVERT=${CULVERT:-$TREE/build/culvert}
V=${V:-}

# Underlay and overlay of topology_sites; tests write these names, not numbers.
A4=192.0.2.1 B4=198.51.100.1 A6=2001:db8:1::1 B6=2001:db8:2::1
A_IN4=10.8.0.1 B_IN4=10.9.0.1 A_IN6=fd00:8::1 B_IN6=fd00:9::1
A_NET4=10.8.0.0/16 B_NET4=10.9.0.0/16 A_NET6=fd00:8::/32 B_NET6=fd00:9::/32
HA4=10.8.1.2 HB4=10.9.1.2 HA6=fd00:8:1::2 HB6=fd00:9:1::2
export A4 B4 A6 B6 A_IN4 B_IN4 A_IN6 B_IN6 A_NET4 B_NET4 A_NET6 B_NET6 HA4 HB4 HA6 HB6

# ---- messages and ends ----

# A heading of the transcript.
title() { printf '# %s\n' "$*"; }

# A line of the transcript that is there with V=1 only; goes where the script's own stderr goes.
trace() { [[ -z $V ]] || printf '%s\n' "$*" >&3; }

# Ends the test: it found a fault.
fail() {
	printf 'FAILED: %s\n' "$*" >&2
	local frame=0 where
	while where=$(caller "$frame") && ((frame < 8)); do
		printf '    at %s\n' "$where" >&2
		frame=$((frame + 1))
	done
	exit 1
}

# Ends the test: this machine cannot run it.
skip() {
	printf 'skip: %s\n' "$*"
	exit 77
}

# ---- isolation ----

# Prints the mount point of the cgroup2 hierarchy.
cgroup2_mount() { awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts; }

# Removes a cgroup with all below it; its processes have died or are dying.
cgroup_remove() {
	local try
	for ((try = 0; try < 100; try++)); do
		[[ -d $1 ]] || return 0
		find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || read -rt 0.02 <> <(:) || :
	done
	printf 'cgroup %s could not be removed\n' "$1" >&2
}

# Removes the cgroups of test runs that were killed.
cgroup_remove_orphans() {
	local dir pid
	for dir in "$1"/culvert_test-*; do
		pid=${dir##*-} pid=${pid%.slice}
		[[ ! -d $dir || -d /proc/$pid ]] || cgroup_remove "$dir"
	done
}

# First run of the script: starts it again inside, waits, clears away the cgroup, and ends.
isolate_outside() {
	local mount child status=0
	((EUID == 0)) || fail "must be run as root"
	mount=$(cgroup2_mount)
	[[ -n $mount ]] || skip "no cgroup2 hierarchy is mounted"
	cgroup_remove_orphans "$mount"
	# A slice: systemd's units can be played below it.
	export CGROUP=$mount/culvert_test-$$.slice
	mkdir "$CGROUP"
	# Killing this shell kills unshare, killing unshare kills the first process inside.
	CULVERT_TEST_INSIDE=1 setpriv --pdeathsig KILL \
		unshare --mount --net --pid --fork --kill-child=KILL --mount-proc \
		--propagation private bash "$0" "$@" &
	child=$!
	# shellcheck disable=SC2064 # $child is meant to be expanded now
	trap "kill -KILL $child 2>/dev/null || :" INT TERM HUP
	wait "$child" || status=$?
	trap '' INT TERM HUP
	# A wait that a signal broke off: the child is dead or dying.
	wait "$child" 2>/dev/null || :
	cgroup_remove "$CGROUP"
	exit "$status"
}

# Second run: a private /run (named namespaces, culvert's defaults) and work directory.
isolate_inside() {
	unset CULVERT_TEST_INSIDE
	# The first process of a process namespace has no default actions for signals.
	trap 'exit 143' INT TERM HUP
	mount -t tmpfs -o mode=755 tmpfs /run
	WORK=/run/work
	mkdir -p /run/netns "$WORK"/{bpf,state,bin}
	export WORK
	printf '0\n' >"$CGROUP/cgroup.procs"
	ip link set lo up
}

# ---- waiting and running ----

# Runs CMD until it succeeds, at most SECONDS; the only place where a test sleeps. An emulated
# machine gets CULVERT_TEST_SLOWNESS times as long.
wait_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * ${CULVERT_TEST_SLOWNESS:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.02
	done
}

# Runs CMD in the named network namespace; the mounts stay as they are (unlike `ip netns exec`).
in_ns() {
	local ns=$1
	shift
	trace "[$ns]\$ $*"
	nsenter --net="/run/netns/$ns" -- "$@"
}

# Runs culvert on the named network namespace, with the test's own directories.
cv() {
	local ns=$1
	shift
	trace "\$ culvert -n $ns $*"
	"$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n "$ns" "$@"
}

# expect_status N CMD...: fails unless CMD exits with status N (or one of N|M); its output is in $WORK/out and $WORK/err.
expect_status() {
	local want=$1 got=0
	shift
	"$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	if [[ -n $V ]]; then cat "$WORK/out" "$WORK/err" >&3; fi
	[[ $got =~ ^($want)$ ]] && return 0
	printf '%s\n' "--- stdout" "$(<"$WORK/out")" "--- stderr" "$(<"$WORK/err")" >&2
	fail "exit status $got, expected $want: $*"
}

# Fails unless the two texts are equal.
expect_equal() {
	[[ $1 == "$2" ]] && return 0
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") >&2 || :
	fail "$3: expected '$1', got '$2'"
}

# Fails unless the jq filter FILTER of the JSON on stdin gives the JSON WANT, keys in any order.
expect_json() {
	local filter=$1 want got
	want=$(jq -Sc . <<<"$2")
	got=$(jq -Sc "$filter") || fail "$3: no JSON, or none that '$filter' can read"
	expect_equal "$want" "$got" "$3"
}

# prints TEXT CMD...: true if the output of CMD contains TEXT. (In `CMD | grep -q`, grep ends before
# CMD does, and with pipefail the answer is then sometimes wrong.)
prints() {
	local output
	output=$("${@:2}") || return 1
	[[ $output == *"$1"* ]]
}

# Fails unless the file (an output or a message) has a line that matches the extended regex.
expect_line() {
	grep -Eq -- "$1" "$2" && return 0
	printf '%s\n' "--- $2" "$(<"$2")" >&2
	fail "no line matches '$1'"
}

# start_in NS NAME CMD...: starts CMD in the background in a namespace, output in $WORK/NAME.log.
# Its process id is then in $STARTED.
start_in() {
	local ns=$1 log=$WORK/$2.log
	shift 2
	trace "[$ns]\$ $* &"
	: >"$log"
	nsenter --net="/run/netns/$ns" -- "$@" >>"$log" 2>&1 </dev/null &
	STARTED=$!
}

# Ends a process that start_in started, and waits for it.
stop() {
	kill "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

# A copy of the Python interpreter under another name: another executable to select by `exe`.
# $2, if given, is the executable to copy.
program_copy() {
	local source=${2:-/usr/bin/python3}
	cp -L -- "$(readlink -f "$source")" "$WORK/bin/$1"
	printf '%s\n' "$WORK/bin/$1"
}

# Starts a TCP and UDP echo server NAME in a namespace, run by PROGRAM, on the given ports.
echo_server() {
	local ns=$1 name=$2 program=$3
	shift 3
	start_in "$ns" "$name" "$program" "$TOOLS/traffic.py" server "$@"
	wait_for 10 grep -qx READY "$WORK/$name.log" || fail "server $name: $(<"$WORK/$name.log")"
}

# The arguments with commas between them.
joined() { (IFS=, && printf '%s' "$*"); }

# transfer FROM TO BYTES ADDR...: fails unless random bytes that FROM sends by TCP to the addresses,
# one after another, arrive at TO as they were sent.
transfer() {
	local from=$1 to=$2 bytes=$3 sink addrs
	shift 3
	addrs=$(joined "$@")
	start_in "$to" sink /usr/bin/python3 "$TOOLS/traffic.py" sink 9000 --count "$#"
	sink=$STARTED
	wait_for 10 grep -qx READY "$WORK/sink.log" || fail "sink: $(<"$WORK/sink.log")"
	in_ns "$from" timeout 120 /usr/bin/python3 "$TOOLS/traffic.py" send "$addrs" 9000 "$bytes" \
		>"$WORK/sent" || fail "sending $bytes bytes to $addrs; $(wc -l <"$WORK/sent") were sent"
	wait "$sink" || fail "sink: $(<"$WORK/sink.log")"
	expect_equal "$(<"$WORK/sent")" "$(sed 1d "$WORK/sink.log")" "sha256 and length at $addrs"
}

# inject_start NS IF TO-NS TO-IF: starts the sender of packets that inject gives it.
inject_start() {
	local mac
	mac=$(ip -n "$3" -j link show "$4" | jq -r '.[0].address')
	coproc INJECTOR { in_ns "$1" /usr/bin/python3 "$TOOLS/inject.py" "$2" "$mac" 2>&1; }
}

# inject COUNT EXPRESSION: sends the packets of an expression of inject.py.
inject() {
	local answer
	printf '%s %s\n' "$1" "$(tr '\n\t' '  ' <<<"$2")" >&"${INJECTOR[1]}"
	read -rt 20 answer <&"${INJECTOR[0]}" || answer="no answer"
	[[ $answer == sent ]] || fail "inject.py: $answer: $2"
}

# exchange SIZE...: pings, EXCHANGE_BYTES (8 MB) by TCP and echoed datagrams of these sizes between
# the overlay addresses of a and b, both families, begun by either end; fails unless all arrive,
# through tunnels of a.
exchange() {
	local bytes=${EXCHANGE_BYTES:-$((8 << 20))} before after tx rx tx_then rx_then
	before=$(tunnel_bytes)
	in_ns a /usr/bin/python3 "$TOOLS/traffic.py" ping 4 "$B_IN4,$B_IN6" || fail "pings from a"
	in_ns b /usr/bin/python3 "$TOOLS/traffic.py" ping 4 "$A_IN4,$A_IN6" || fail "pings from b"
	transfer a b "$bytes" "$B_IN4" "$B_IN6"
	transfer b a "$bytes" "$A_IN4" "$A_IN6"
	echo_server b echo-b /usr/bin/python3 7000
	in_ns a /usr/bin/python3 "$TOOLS/traffic.py" udp $((2 * $#)) "$B_IN4,$B_IN6" \
		--size "$(joined "$@")" --timeout 2 || fail "datagrams from a"
	stop "$STARTED"
	after=$(tunnel_bytes)
	read -r tx rx tx_then rx_then <<<"$before $after"
	((tx_then - tx > 2 * bytes && rx_then - rx > 2 * bytes)) ||
		fail "$((2 * bytes)) bytes each way, and the tunnels had $((tx_then - tx)) and $((rx_then - rx)) bytes"
}
tunnel_bytes() { cv_json a tunnel show | jq -r '[map(.tx_bytes), map(.rx_bytes)] | map(add) | @tsv'; }

# kernel_tells TRACEPOINT HOOK TEXT: false, and says so, if the kernel has not the tracepoint that a case
# needs; status of site a, which has apps, must then say that the hook is missing.
kernel_tells() {
	grep -q " __traceiter_$1\$" /proc/kallsyms && return 0
	prints "socket hook $2: refused by the kernel" cv_json a status ||
		fail "no tracepoint $1, and status does not say that $2 is missing"
	printf 'skip %s: no tracepoint %s\n' "$3" "$1"
	return 1
}

# kernel_before VERSION TEXT: true, and says that TEXT is left out, if the kernel is older, which cannot
# be told in another way.
kernel_before() {
	local running
	running=$(uname -r)
	[[ $(printf '%s\n' "$1" "${running%%[!0-9.]*}" | sort -V | head -n 1) != "$1" ]] || return 1
	printf 'skip %s: Linux before %s\n' "$2" "$1"
}

# ---- network ----

# Makes a named network namespace: lo up, no duplicate address detection, pings for everybody.
netns_add() {
	local ns
	for ns; do
		ip netns add "$ns"
		# shellcheck disable=SC2016 # expanded by the inner shell
		nsenter --net="/run/netns/$ns" -- sh -c '
			for conf in all default; do
				echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad
				echo 0 >/proc/sys/net/ipv6/conf/$conf/dad_transmits
				echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_ra
				echo 0 >/proc/sys/net/ipv6/conf/$conf/router_solicitations
				echo 0 >/proc/sys/net/ipv4/conf/$conf/rp_filter
			done
			echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
			ip link set lo up'
	done
}

# Turns IPv4 and IPv6 forwarding on.
netns_forward() {
	in_ns "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# veth_pair NS1 IF1 NS2 IF2: a cable between two namespaces, both ends up.
veth_pair() {
	ip link add name "$2" netns "$1" type veth peer name "$4" netns "$3"
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

# address NS IF ADDR/BITS...: adds addresses, usable at once.
address() {
	local ns=$1 dev=$2 addr
	shift 2
	for addr; do
		if [[ $addr == *:* ]]; then
			ip -n "$ns" addr add "$addr" dev "$dev" nodad
		else
			ip -n "$ns" addr add "$addr" dev "$dev"
		fi
	done
}

# Site `a`, router `r`, site `b`. The overlay addresses on lo of a and b also have plain routes
# over r, so that what does not take a tunnel arrives in the clear.
#
#   [a a0]--[ra r rb]--[b0 b]
topology_sites() {
	title "site a - router r - site b"
	netns_add a r b
	veth_pair a a0 r ra
	veth_pair b b0 r rb
	address a a0 "$A4/24" "$A6/64"
	address r ra 192.0.2.254/24 2001:db8:1::ff/64
	address r rb 198.51.100.254/24 2001:db8:2::ff/64
	address b b0 "$B4/24" "$B6/64"
	address a lo "$A_IN4/32" "$A_IN6/128"
	address b lo "$B_IN4/32" "$B_IN6/128"
	netns_forward r

	ip -n a route add default via 192.0.2.254
	ip -n a route add default via 2001:db8:1::ff dev a0
	ip -n a route add "$B_NET4" via 192.0.2.254 src "$A_IN4"
	ip -n a route add "$B_NET6" via 2001:db8:1::ff dev a0 src "$A_IN6"
	ip -n b route add default via 198.51.100.254
	ip -n b route add default via 2001:db8:2::ff dev b0
	ip -n b route add "$A_NET4" via 198.51.100.254 src "$B_IN4"
	ip -n b route add "$A_NET6" via 2001:db8:2::ff dev b0 src "$B_IN6"
	ip -n r route add "$A_NET4" via "$A4"
	ip -n r route add "$A_NET6" via "$A6" dev ra
	ip -n r route add "$B_NET4" via "$B4"
	ip -n r route add "$B_NET6" via "$B6" dev rb
	expect_reachable a "$B4" "$B6" "$B_IN4" "$B_IN6"
}

# Removes the plain routes to the overlay of the other site, so that a tunnel's can take their place.
plain_routes_del() {
	local ns
	for ns; do
		if [[ $ns == a ]]; then set -- "$B_NET4" "$B_NET6"; else set -- "$A_NET4" "$A_NET6"; fi
		ip -n "$ns" route del "$1"
		ip -n "$ns" route del "$2"
	done
}

# topology_sites with hosts `ha` behind a and `hb` behind b, for forwarded traffic.
#
#   [ha ha0]--[a1 a a0]--[ra r rb]--[b0 b b1]--[hb0 hb]
topology_hosts() {
	topology_sites
	title "host ha behind a, host hb behind b"
	netns_add ha hb
	netns_forward a
	netns_forward b
	veth_pair a a1 ha ha0
	veth_pair b b1 hb hb0
	address a a1 10.8.1.1/24 fd00:8:1::1/64
	address b b1 10.9.1.1/24 fd00:9:1::1/64
	address ha ha0 "$HA4/24" "$HA6/64"
	address hb hb0 "$HB4/24" "$HB6/64"
	ip -n ha route add default via 10.8.1.1
	ip -n ha route add default via fd00:8:1::1 dev ha0
	ip -n hb route add default via 10.9.1.1
	ip -n hb route add default via fd00:9:1::1 dev hb0
	expect_reachable ha "$HB4" "$HB6"
}

# framing_words NAME: the words of a framing, as in a state file; the family outside is its last
# character.
framing_words() {
	case $1 in
	key-*) printf 'mode: gre, key: 4294967295' ;;
	gue1-*) printf 'mode: gue, variant: 1, dport: 6082' ;;
	vxlan-* | geneve-*) printf 'mode: %s, vni: 16777215' "${1%-?}" ;;
	*) printf 'mode: %s' "${1%-?}" ;;
	esac
}

# framing_state SITE HERE4 THERE4 HERE6 THERE6 DEV: the state of one site with all framings. What
# arrives by srv6 has an address of its own, HERE6 followed by 5: it is told by it from ipip.
framing_state() {
	local here=$1 there=$((17 - $1)) name n=10
	printf 'devices: {%s: {ingress: true, egress: true}}\ntunnels:\n' "$6"
	for name in "${FRAMINGS[@]}"; do
		printf '  %s: {%s, ' "$name" "$(framing_words "$name")"
		case $name in
		srv6-*) printf 'local: "%s", remote: "%s", sid: "%s5", segments: ["%s5"]}\n' "$4" "$5" "$4" "$5" ;;
		*-4) printf 'local: %s, remote: %s}\n' "$2" "$3" ;;
		*-6) printf 'local: "%s", remote: "%s"}\n' "$4" "$5" ;;
		esac
	done
	printf 'routes:\n'
	for name in "${FRAMINGS[@]}"; do
		n=$((n + 1))
		printf '  - {to: 10.%s.%s.0/24, tunnel: %s, src: 10.%s.%s.1}\n' "$there" $n "$name" "$here" $n
		printf '  - {to: "fd00:%s:%s::/64", tunnel: %s, src: "fd00:%s:%s::1"}\n' \
			"$there" $n "$name" "$here" $n
	done
}

# topology_hosts with a tunnel of every framing between a and b, each with overlay addresses of its
# own: 10.8.N.1 and fd00:8:N::1 on a, .2 and ::2 on ha, the same with 9 on b and hb. The first of
# FRAMINGS has N 11.
topology_framings() {
	local n site
	FRAMINGS=({gre,key,ipip,gue,gue1,fou,vxlan,geneve}-{4,6} srv6-6)
	topology_hosts
	title "tunnels: ${FRAMINGS[*]}"
	for site in "a ha 8 9" "b hb 9 8"; do
		# shellcheck disable=SC2086 # words
		set -- $site
		for ((n = 11; n < 11 + ${#FRAMINGS[@]}; n++)); do
			printf '%s\n' "addr add 10.$3.$n.1/32 dev lo" "addr add fd00:$3:$n::1/128 dev lo nodad" \
				"route add 10.$3.$n.2 via 10.$3.1.2" "route add fd00:$3:$n::2 via fd00:$3:1::2" >&4
			printf '%s\n' "addr add 10.$3.$n.2/32 dev lo" "addr add fd00:$3:$n::2/128 dev lo nodad" \
				"route add 10.$4.$n.0/24 via 10.$3.1.1 src 10.$3.$n.2" \
				"route add fd00:$4:$n::/64 via fd00:$3:1::1 src fd00:$3:$n::2" >&5
		done 4>"$WORK/batch" 5>"$WORK/batch-host"
		ip -n "$1" -batch "$WORK/batch"
		ip -n "$2" -batch "$WORK/batch-host"
	done
	address a a0 "${A6}5/64"
	address b b0 "${B6}5/64"
	framing_state 8 "$A4" "$B4" "$A6" "$B6" a0 | apply_state a
	framing_state 9 "$B4" "$A4" "$B6" "$A6" b0 | apply_state b
}

# framing_addrs HOST: all addresses of FRAMINGS at site b, on itself (1) or the host behind it (2).
framing_addrs() {
	local n
	for ((n = 11; n < 11 + ${#FRAMINGS[@]}; n++)); do
		printf '10.9.%s.%s\nfd00:9:%s::%s\n' "$n" "$1" "$n" "$1"
	done
}

# expect_reachable NS ADDR...: waits until the addresses answer pings; neighbours are then known.
expect_reachable() {
	local ns=$1 addr
	shift
	for addr; do
		wait_for 5 in_ns "$ns" ping -n -c 1 -W 1 "$addr" || fail "$ns cannot reach $addr"
	done
}

# offloads_off NS IF...: what leaves the device are the frames of a wire, checksums and all.
offloads_off() {
	local ns=$1 dev
	shift
	for dev; do
		in_ns "$ns" ethtool -K "$dev" tx off tso off gso off gro off >/dev/null 2>&1 ||
			skip "ethtool cannot turn offloads off"
	done
}

# ---- captures ----

declare -A CAPTURE_PID=()

# capture_start NS IF FILE [FILTER]: captures into a pcap file; returns when it is capturing.
capture_start() {
	local ns=$1 dev=$2 file=$3
	start_in "$ns" "capture-${file##*/}" tcpdump -i "$dev" -Z root -n -s 0 -B 65536 -U \
		-w "$file" "${@:4}"
	CAPTURE_PID[$file]=$STARTED
	wait_for 10 grep -q 'listening on' "$WORK/capture-${file##*/}.log" ||
		fail "tcpdump: $(<"$WORK/capture-${file##*/}.log")"
}

# True if tcpdump has written all that its filter has let through so far.
capture_is_drained() {
	local counts captured received dropped
	kill -USR1 "$1"
	# Its answer: "1 packet captured, 2 packets received by filter, 0 packets dropped by kernel".
	counts=$(tr ',\n' '  ' <"$2" | sed -nE \
		's/.*[^0-9]([0-9]+) packets? captured +([0-9]+) packets? received.* ([0-9]+) packets? dropped.*/\1 \2 \3/p')
	[[ -n $counts ]] || return 1
	read -r captured received dropped <<<"$counts"
	((captured + dropped == received))
}

# capture_start_at_once NS IF FILE [FILTER]: the same; every packet is in the file as soon as it came.
# For that the ring of the kernel has a slot as long as the longest packet for each: of 256 KiB, which is
# the default, it would have room for 256 packets only.
capture_start_at_once() { capture_start "$1" "$2" "$3" --immediate-mode -s 9000 "${@:4}"; }

# capture_stop FILE: waits until all packets are in the file, then ends that capture; fails if
# the capture lost any.
capture_stop() {
	local file=$1 log=$WORK/capture-${1##*/}.log pid=${CAPTURE_PID[$1]}
	wait_for 20 capture_is_drained "$pid" "$log" || fail "tcpdump still writes: $(tail -n 3 "$log")"
	: >"$log"
	kill -INT "$pid"
	wait "$pid" || :
	unset "CAPTURE_PID[$file]"
	grep -q '^0 packets dropped by kernel' "$log" ||
		fail "the capture lost packets: $(tail -n 3 "$log")"
}

# frames_read FILE [--strict] [--offload]: reads a pcap file for frames_count; fails if packets have
# faults (all kinds with --strict, see frames.py).
frames_read() {
	/usr/bin/python3 "$TOOLS/frames.py" "${@:2}" "$1" >"$1.json" || fail "faults in ${1##*/}"
}

# frames_query FILE FILTER: what a jq filter makes of the list of packets of a file that frames_read
# has read. `encapsulated` is an overlay packet in a tunnel, `plain` one without; `packet` is the
# overlay packet itself, in a tunnel or not.
frames_query() {
	jq -r --arg overlay '^(10\.[89]\.|fd00:[89]:)' "
		def packet: .inner // .outer;
		def overlay: packet.dst | test(\$overlay);
		def encapsulated: .inner != null and overlay;
		def plain: .inner == null and overlay;
		$2" "$1.json"
}

# frames_count FILE CONDITION: how many packets fulfil a condition of frames_query.
frames_count() { frames_query "$1" "[.[] | select($2)] | length"; }

# frames_values FILE CONDITION FIELD: the values that FIELD of such packets has, one a line, sorted.
frames_values() { frames_query "$1" "[.[] | select($2) | $3] | unique | .[]"; }

# frames_distinct FILE CONDITION FIELD: how many values.
frames_distinct() { frames_query "$1" "[.[] | select($2) | $3] | unique | length"; }

# arrivals_mirror NS IF: copies of what comes in by IF leave by the device `arrivals` of NS, as the
# classifier has left them, so that a capture there shows what rules have written.
arrivals_mirror() {
	ip -n "$1" link add arrivals type veth peer name arrivals-end
	ip -n "$1" link set arrivals up
	ip -n "$1" link set arrivals-end up
	in_ns "$1" nft -f - <<-NFT
		table netdev arrivals {
			chain copy {
				type filter hook ingress device "$2" priority 0
				dup to "arrivals"
			}
		}
	NFT
}

# Fails if tshark finds a malformed packet or a wrong length or checksum in FILE. What TCP and UDP
# carry is data, but in tunnels: random bytes now and then look like some protocol, and then like a
# malformed one. Linux sends a TCP checksum of 0 as 0xffff; frames_read checks that it is right.
expect_tshark_clean() {
	local bad
	bad=$(tshark -n -r "$1" -d tcp.port==1-65535,data -d udp.port==1-65535,data \
		-d udp.port==4789,vxlan -d udp.port==6081,geneve \
		-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
		-o udp.check_checksum:TRUE -o tcp.analyze_sequence_numbers:FALSE -Y \
		'not tcp.checksum.ffff and not udp.checksum.zero and
		(_ws.malformed or _ws.expert.severity == error or ip.checksum.status == 0 or
		tcp.checksum.status == 0 or udp.checksum.status == 0 or icmp.checksum.status == 0 or
		icmpv6.checksum.status == 0)' 2>"$WORK/tshark.err") ||
		fail "tshark: $(tail -n 3 "$WORK/tshark.err")"
	[[ -z $bad ]] || fail "tshark: faults in ${1##*/}: $(head -n 5 <<<"$bad")"
}

# ---- whose packets ----
#
# Cases of one table, on topology_sites: in each a program at site a says who it is, on a port of its
# own (tools/caller.c); a rule for each app writes a DSCP of its own, and a capture at the router tells
# whom every packet was taken for (tools/whose.py).

declare -A OWNER_DSCP=([none]=1 [one]=11 [two]=12 [three]=13 [four]=14)
CALL_PORT=20000 CALL_TO=("$B4" "$B6")

# c_program NAME [AS]: builds a program of tools/, linked statically so that it starts at once.
c_program() {
	"${CC:-cc}" -O2 -D_GNU_SOURCE -static -o "$WORK/bin/${2:-$1}" "$TOOLS/$1.c"
	printf '%s\n' "$WORK/bin/${2:-$1}"
}

# owner_rules APP...: the rules of a state file that write the DSCP of each app, and that of none.
owner_rules() {
	local app
	printf 'rules:\n'
	for app in "$@" none; do
		printf '  is-%s: {match: {app: %s, dir: out}, action: {dscp: %s}}\n' \
			"$app" "$app" "${OWNER_DSCP[$app]}"
	done
}

# Starts to listen at site b, and to capture.
cases_begin() {
	: >"$WORK/cases"
	: >"$WORK/answers"
	start_in b calls "$(c_program sink)" $((CALL_PORT + 1)) 100
	wait_for 10 grep -qx READY "$WORK/calls.log" || fail "sink: $(<"$WORK/calls.log")"
	capture_start r ra "$WORK/cases.pcap" "src host $A4 or src host $A6"
}

# call_case OWNER TEXT: one more case, on port CALL_PORT. OWNER is whose its packets must be, or
# OWNER1>OWNER2, where a SYN is the first one's, and the second's what is sent later. CALL_KIND: stream
# or datagram, if it says so by that alone.
call_case() {
	CALL_PORT=$((CALL_PORT + 1))
	printf '%s\t%s\t%s\t%s\t%s\n' "${CALL_KIND:-call}" "$CALL_PORT" "${1%>*}" "${1#*>}" "$2" >>"$WORK/cases"
}

# call OWNER TEXT CMD...: a case in which CMD, given a port and addresses, says who it is.
call() {
	call_case "$1" "$2"
	in_ns a "${@:3}" "$CALL_PORT" "${CALL_TO[@]}" || fail "$2: ${*:3}"
}

# resident NAME CMD...: starts CMD, a caller that stays and says who it is when asked. Its process id
# is then in $STARTED.
resident() {
	mkfifo "$WORK/$1.ask"
	nsenter --net=/run/netns/a -- "${@:2}" - "${CALL_TO[@]}" \
		0<>"$WORK/$1.ask" >"$WORK/$1.said" 2>&1 &
	STARTED=$!
	wait_for 10 grep -qx READY "$WORK/$1.said" || fail "$*: $(<"$WORK/$1.said")"
}

# resident_call OWNER TEXT NAME: a case in which that resident speaks.
resident_call() {
	call_case "$1" "$2"
	printf '%s\n' "$CALL_PORT" 1<>"$WORK/$3.ask"
	wait_for 10 grep -qx "$CALL_PORT" "$WORK/$3.said" || fail "$2: $(<"$WORK/$3.said")"
}

# Ends the capture, prints the table, and fails if in one case a packet was taken for another's.
cases_judge() {
	local name owners=()
	for name in "${!OWNER_DSCP[@]}"; do owners+=("$name=${OWNER_DSCP[$name]}"); done
	capture_stop "$WORK/cases.pcap"
	frames_read "$WORK/cases.pcap"
	/usr/bin/python3 "$TOOLS/whose.py" "$WORK/cases.pcap.json" "$WORK/cases" "$WORK/answers" \
		"${owners[@]}" || fail "packets were taken for another's"
}

# Applies the state file on stdin in a namespace; it stays in $WORK/NS.yaml.
apply_state() {
	cat >"$WORK/$1.yaml"
	expect_status 0 cv "$1" apply "$WORK/$1.yaml"
}

# apply_tunnel SITE NAME WORDS: the state of site a or b with one tunnel, WORDS as in a state file,
# that carries both families to the other site.
apply_tunnel() {
	local there=("$B_NET4" "$B_NET6") here=("$A_IN4" "$A_IN6")
	[[ $1 == a ]] || there=("$A_NET4" "$A_NET6") here=("$B_IN4" "$B_IN6")
	apply_state "$1" <<-YAML
		devices: {${1}0: {ingress: true, egress: true}}
		tunnels: {$2: {$3}}
		routes:
		  - {to: ${there[0]}, tunnel: $2, src: ${here[0]}}
		  - {to: "${there[1]}", tunnel: $2, src: "${here[1]}"}
	YAML
}

# The JSON that culvert answers with on stdout; fails unless it exits with status 0.
cv_json() {
	local ns=$1
	shift
	cv "$ns" -j "$@" || fail "culvert -n $ns -j $*: exit status $?"
}

# drops NS REASON: packets counted under a reason, for its tunnels and for none.
drops() {
	{
		cv_json "$1" tunnel show
		cv_json "$1" status
	} | jq -s --arg reason "$2" '[.[0][].drops[$reason], (.[1].drops // {})[$reason]] | add // 0'
}

# culvert_ids NS...: the kernel's ids of what culvert holds for this test: "prog 5", "map 7" or
# "link 9", one a line. By id, not by name: another instance of the host has the same names.
culvert_ids() {
	local pin kind ns
	{
		while read -r pin; do
			for kind in prog map link; do
				bpftool -j "$kind" show pinned "$pin" 2>/dev/null |
					jq -r --arg kind "$kind" 'if type == "array" then .[] else . end |
						select(.id) | "\($kind) \(.id)",
						((.map_ids // [])[] | "map \(.)"),
						(select(.prog_id) | "prog \(.prog_id)")' || :
			done
		done < <(find "$WORK/bpf" -type f)
		bpftool -j cgroup show "$CGROUP" | jq -r '.[]? | "prog \(.id)"'
		for ns; do
			in_ns "$ns" bpftool -j net show | jq -r '.[].tc[]? |
				select(.name // "" | test("culvert|^cv_")) | "prog \(.id)"'
			cv_json "$ns" route show | jq -r '.[] | select(.prog_id > 0) | "prog \(.prog_id)"'
		done
	} | sort -u
}

# ids_are_gone FILE: true if none of the ids that culvert_ids wrote there is in the kernel any more;
# prints those that are. Waiting for it is right: the kernel frees after a grace period.
ids_are_gone() {
	local kind id left=0
	while read -r kind id; do
		! bpftool "$kind" show id "$id" 2>/dev/null || left=1
	done <"$1"
	return "$left"
}

exec 3>&2
if [[ -z ${CULVERT_TEST_INSIDE:-} ]]; then
	isolate_outside "$@"
fi
isolate_inside
