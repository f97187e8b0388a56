#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands that change something wait for each other, say for whom, and give up after a time; the lock
# dies with its holder. Those that only read wait for nobody, and what they print is of one state.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
state="devices: {a0: {ingress: true, egress: true}}
tunnels:
  blue: {mode: gre, local: $A4, remote: $B4, key: 42}
routes:
  - {to: $B_NET4, tunnel: blue, src: $A_IN4}"
plain_routes_del a b

# background NAME CMD...: runs it in the background; its exit status is then in $WORK/NAME.status.
background() {
	local name=$1
	shift
	{
		local status=0
		"$@" >"$WORK/$name.out" 2>"$WORK/$name.err" || status=$?
		echo "$status" >"$WORK/$name.status"
	} 5>&- &
}
# all_ended NAME...: fails unless each exited with status 0.
all_ended() {
	local name
	wait
	for name; do
		[[ $(<"$WORK/$name.status") == 0 ]] ||
			fail "$name: exit status $(<"$WORK/$name.status"): $(<"$WORK/$name.err")"
	done
}
# A line for each mount of the bpffs.
mounts() { awk -v dir="$WORK/bpf" '$2 == dir' /proc/mounts; }

title "the first commands come at the same time: one mount, one instance"
names=()
for ((i = 0; i < 8; i++)); do
	background "first$i" cv a app add "first$i" exe "/opt/first$i"
	names+=("first$i")
done
all_ended "${names[@]}"
expect_equal 1 "$(mounts | wc -l)" "mounts of the bpffs"
cv_json a app show | expect_json 'map(.name) | sort' '["first0","first1","first2","first3","first4","first5","first6","first7"]' "apps"

title "the last one goes while others come"
names=()
for ((i = 0; i < 6; i++)); do
	background "down$i" cv a down
	background "come$i" cv a app add "come$i" exe "/opt/come$i"
	names+=("down$i" "come$i")
done
all_ended "${names[@]}"
(($(mounts | wc -l) <= 1)) || fail "mounted more than once: $(mounts)"
expect_status 0 cv a down
expect_equal "" "$(mounts)" "mounts behind down"
expect_equal "" "$(find "$WORK/bpf" -mindepth 1)" "what lies in the folder of the bpffs"

title "what somebody else has pinned keeps the mount"
expect_status 0 cv a app add first exe /opt/first
bpftool map create "$WORK/bpf/theirs" type array key 4 value 4 entries 1 name theirs || fail "bpftool map create"
expect_status 0 cv a down
expect_equal theirs "$(find "$WORK/bpf" -mindepth 1 ! -name '*.debug' -printf '%f\n')" "what lies in the bpffs"
rm "$WORK/bpf/theirs"
expect_status 0 cv a app add first exe /opt/first
expect_status 0 cv a down
expect_equal "" "$(mounts)" "mounts when nobody needs it"

title "50 commands at once"
apply_state a <<<"$state"
apply_state b <<-YAML
	devices: {b0: {ingress: true, egress: true}}
	tunnels:
	  blue: {mode: gre, local: $B4, remote: $A4, key: 42}
	routes:
	  - {to: $A_NET4, tunnel: blue, src: $B_IN4}
YAML
names=()
for ((i = 0; i < 10; i++)); do
	background "rule$i" cv a rule add "rule$i" match proto udp dport $((1000 + i)) action dscp 8
	background "app$i" cv a app add "app$i" exe "/opt/app$i"
	background "set$i" cv a set add "set$i" type port elements "$((i + 1))"
	background "status$i" cv a -j status
	background "show$i" cv a -j rule show
	names+=("rule$i" "app$i" "set$i" "status$i" "show$i")
done
all_ended "${names[@]}"
cv_json a status | expect_json '[.rules, .apps, .sets, .image.rules, (.problems | map(select(test("does not exist") | not)))]' \
	'[10, 10, 10, 10, ["tunnel blue: no allow list, any inner source is accepted"]]' "what the 50 have left"
for ((i = 0; i < 10; i++)); do
	# Whatever state it met: rules of the list are in the kernel too, in their order of prio and name.
	jq -e 'map(.packets != null) | all' "$WORK/show$i.out" >/dev/null || fail "$(<"$WORK/show$i.out")"
	jq -e '.image.rules == .rules or any(.problems[]; test("may be of two states"))' "$WORK/status$i.out" >/dev/null ||
		fail "status $i is of two states: $(<"$WORK/status$i.out")"
done
expect_equal "" "$(grep -l interrupted "$WORK"/*.err || :)" "who takes a change at work for an interrupted one"
in_ns a /usr/bin/python3 "$TOOLS/traffic.py" ping 2 "$B_IN4" >/dev/null || fail "no answer"

# hold NAME: a batch that has the lock and waits for its next line, which is written to fd 5.
hold() {
	rm -f "$WORK/lines"
	mkfifo "$WORK/lines"
	"$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n a -batch "$WORK/lines" \
		>"$WORK/$1.log" 2>&1 &
	HOLDER=$!
	exec 5>"$WORK/lines"
	echo "app add $1 exe /opt/$1" >&5
	wait_for 5 grep -q "FLOCK.* WRITE $HOLDER " /proc/locks || fail "the batch has no lock"
}

title "readers read while somebody changes something, even if he is stopped"
hold one
kill -STOP "$HOLDER"
cv_json a status | expect_json '.writer | [.pid, .stopped]' "[$HOLDER, true]" "who changes something"
begin=${EPOCHREALTIME/[.,]/}
for verb in "rule show" "tunnel show" "status" "save" "explain src $A_IN4 dst $B_IN4"; do
	# shellcheck disable=SC2086 # words
	expect_status 0 timeout 3 "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n a $verb
done
took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
((took < 3000)) || fail "five readers took $took ms"

title "who changes something waits, says for whom, and gives up"
expect_status 2 cv a --wait 0 app add two exe /opt/two
expect_line "pid $HOLDER changes something" "$WORK/err"
expect_status 2 cv a --wait 2 app add two exe /opt/two
expect_line "^culvert: waits for pid $HOLDER: '.*-batch $WORK/lines', which is stopped" "$WORK/err"
expect_line "pid $HOLDER changes something.*still after 2 s: '.*-batch.*kill -CONT $HOLDER" "$WORK/err"
cv_json a status | expect_json .apps 10 "apps after the command that gave up"

title "the lock dies with its holder"
background three cv a app add three exe /opt/three
wait_for 5 grep -q 'waits for pid' "$WORK/three.err" || fail "the third does not wait: $(<"$WORK/three.err")"
begin=${EPOCHREALTIME/[.,]/}
kill -KILL "$HOLDER"
exec 5>&-
wait_for 5 test -s "$WORK/three.status" || fail "the third does not go on"
took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
((took < 1000)) || fail "the third went on after $took ms"
all_ended three
cv_json a status | expect_json .apps 11 "apps: what the killed batch wanted is not there"

title "who waits comes before the time is over"
hold four
background five cv a --wait 20 app add five exe /opt/five
wait_for 5 grep -q 'waits for pid' "$WORK/five.err" || fail "the fifth does not wait"
exec 5>&-
all_ended five
cv_json a app show | expect_json 'map(.name) | [any(. == "four"), any(. == "five")]' '[true, true]' "apps"
