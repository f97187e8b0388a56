#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `culvert watch` puts back at once what others take away: traffic flows again within a second. It sleeps
# while nothing happens, its own changes do not wake it, and it does not fight for ever.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
program=$(program_copy program)
netns_add c
veth_pair a d0 r d1
plain_routes_del a b
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, key: 42"
apply_state a <<-YAML
	devices: {a0: {ingress: true, egress: true}, d0: {ingress: true}}
	apps:
	  program: {exe: $program}
	  inner: {exe: /opt/inner, netns: c}
	tunnels: {blue: {mode: gre, local: $A4, remote: $B4, key: 42}}
	routes:
	  - {to: $B_NET4, tunnel: blue, src: $A_IN4}
	  - {to: $B_NET6, tunnel: blue, app: program, src: "$A_IN6"}
YAML

# A service manager: what it is told comes into a file.
cat >"$WORK/manager.py" <<'PY'
import socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
while True:
    print(manager.recv(4096).decode(), flush=True)
PY
start_in a manager /usr/bin/python3 -u "$WORK/manager.py" "$WORK/manager"
wait_for 5 test -S "$WORK/manager" || fail "manager"
start_in a watch env NOTIFY_SOCKET="$WORK/manager" WATCHDOG_USEC=30000000 \
	"$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" watch
watch=$STARTED
wait_for 10 grep -qx READY=1 "$WORK/manager.log" || fail "watch: $(<"$WORK/watch.log")"

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
# works [4|6]: traffic of a family goes through the tunnel; that of IPv6 is the app's.
works() {
	local to=$B_IN4
	[[ ${1:-4} == 4 ]] || to=$B_IN6
	in_ns a "$program" "$TOOLS/traffic.py" ping 1 "$to" --timeout 0.2
}
# ticks: what the processor has done for it, in clock ticks.
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$watch/stat"; }
# It is asleep, and nothing is left for it to do.
rests() {
	local before
	before=$(ticks)
	sleep_for 300
	[[ $before == "$(ticks)" ]]
}
has_come() { (($(now_ms) >= $1)); }
sleep_for() { wait_for 20 has_come $(($(now_ms) + $1)); }
wait_for 20 works 4 || fail "IPv4 before"
wait_for 20 works 6 || fail "IPv6 before"
wait_for 20 rests || fail "watch does not come to rest: $(<"$WORK/watch.log")"

# mended FAMILY TEXT LINE: traffic flows again within a second, and a line of what was done matches LINE.
mended() {
	local begin took
	begin=$(now_ms)
	wait_for 10 works "$1" || fail "$2: no traffic: $(<"$WORK/watch.log")"
	took=$(($(now_ms) - begin))
	wait_for 5 grep -Eq -- "$3" "$WORK/watch.log" || fail "$2: no line '$3': $(<"$WORK/watch.log")"
	printf '%s: %s ms\n' "$2" "$took"
	((took < 1000 * ${CULVERT_TEST_SLOWNESS:-1})) || fail "$2: $took ms"
	wait_for 20 rests || fail "$2: it does not come to rest"
	: >"$WORK/watch.log"
}

title "routes are flushed by protocol"
ip -n a route flush table all proto 201
mended 4 "routes" '^\+ route 10\.9\.0\.0/16'

title "ip rules are wiped"
ip -n a -6 rule show | sed -n 's/^\([0-9]*\):.*lookup 7864.*/\1/p' >"$WORK/prios"
[[ -s $WORK/prios ]] || fail "no ip rules of an app"
while read -r prio; do
	ip -n a -6 rule del prio "$prio"
done <"$WORK/prios"
mended 6 "ip rules" '^\+ ip rule'

title "the qdisc with the filters is deleted"
in_ns a tc qdisc del dev a0 clsact
mended 4 "filters" '^\+ .*a0'

title "a device is deleted and made again"
ip -n a link del d0
wait_for 5 grep -q 'd0' "$WORK/watch.log" || fail "nothing was said of d0"
expect_equal 1 "$(grep -c 'No such device' "$WORK/watch.log")" "complaints about d0"
veth_pair a d0 r d1
has_filter() { prints culvert:ingress in_ns a tc filter show dev d0 ingress; }
begin=$(now_ms)
wait_for 10 has_filter || fail "no filter on d0: $(<"$WORK/watch.log")"
took=$(($(now_ms) - begin))
((took < 1000 * ${CULVERT_TEST_SLOWNESS:-1})) || fail "d0: $took ms"
wait_for 20 rests || fail "it does not come to rest"

title "a network namespace is made anew"
: >"$WORK/watch.log"
ip netns del c
netns_add c
wait_for 5 grep -Eq '^[~+] .*app' "$WORK/watch.log" || fail "inner: $(<"$WORK/watch.log")"
wait_for 20 rests || fail "it does not come to rest"

title "nothing happens: no work"
sleep_for 1500 # what may have been incomplete was looked at twice
before=$(ticks)
sleep_for 3000
expect_equal "$before" "$(ticks)" "clock ticks in three seconds"

title "what culvert itself changes needs no repair"
: >"$WORK/watch.log"
expect_status 0 cv a rule add other match dst "$B4" action dscp 8
expect_status 0 cv a rule del other
wait_for 20 rests || fail "it does not come to rest"
expect_equal "" "$(<"$WORK/watch.log")" "what watch says of others' commands"

title "somebody takes the route away again and again"
: >"$WORK/watch.log"
mkfifo "$WORK/foe"
start_in a foe ip -force -batch "$WORK/foe"
foe=$STARTED
exec 5>"$WORK/foe"
end=$(($(now_ms) + 8000))
while (($(now_ms) < end)); do
	echo "route del $B_NET4 proto 201" >&5
	sleep_for 40
done
repairs=$(grep -c '^+ route' "$WORK/watch.log")
((repairs >= 4 && repairs <= 9)) || fail "$repairs repairs in 8 s: $(<"$WORK/watch.log")"
expect_line "'\\+ route 10\\.9.*' is undone again and again, by process $foe \\(ip\\): the next repair comes [1248] s later" "$WORK/watch.log"
exec 5>&-
wait "$foe" || :
wait_for 10 works 4 || fail "not mended when the other one is gone"

title "what is taken down stays down"
expect_status 0 cv a down
wait_for 20 rests || fail "it does not come to rest"
expect_equal "" "$(ip -n a route show table all proto 201)" "routes"
expect_status 0 cv a apply "$WORK/a.yaml"
wait_for 20 rests || fail "it does not come to rest"
ip -n a route flush table all proto 201
mended 4 "routes of a new instance" '^\+ route 10\.9\.0\.0/16'

title "its end"
kill -TERM "$watch"
status=0
wait "$watch" || status=$?
expect_equal 0 "$status" "exit status of watch"
wait_for 5 grep -qx STOPPING=1 "$WORK/manager.log" || fail "the manager was not told"
expect_line '^STATUS=.*repairs' "$WORK/manager.log"
