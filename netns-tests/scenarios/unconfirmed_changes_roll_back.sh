#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is applied with --confirm is rolled back at the time given unless `confirm` comes, whatever happens
# meanwhile to the terminal, to the processes that watch over it, or to other commands; and nothing is left of it.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, key: 42"
apply_tunnel a blue "mode: gre, local: $A4, remote: $B4, key: 42"
# The bad change: what is asked of site b through the tunnel is dropped, and the route of IPv6 is gone.
sed '/fd00/d' "$WORK/a.yaml" >"$WORK/cut.yaml"
cat >>"$WORK/cut.yaml" <<-YAML
	rules:
	  cut: {match: {dst: $B4, dir: out}, action: {verdict: drop}}
YAML
state_file=$(grep -l "local: $A4" "$WORK"/state/ns-*/state.yaml)

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
# has_passed MS: since the change was made.
has_passed() { (($(now_ms) > BEGIN + $1)); }
sentries() { pgrep -f -- ' confirm --sentry' || :; }
sentries_are() { [[ $(sentries | wc -l) == "$1" ]]; }
answers() { in_ns a /usr/bin/python3 "$TOOLS/traffic.py" ping 1 "$B_IN4" >/dev/null 2>&1; }
picture() {
	cv_json a save
	cv_json a status | jq -S '{devices, apps, tunnels, routes, rules, confirm}'
	in_ns a ip rule show
	in_ns a ip route show
	in_ns a ip -6 route show
	in_ns a tc filter show dev a0 egress | grep -o 'pref .*direct-action'
}
is_former() { cmp -s "$WORK/former" "$state_file"; }
cp "$state_file" "$WORK/former"
picture >"$WORK/before"
answers || fail "the former state does not work"

# cut SECONDS: applies the bad change.
cut() {
	expect_status 0 cv a apply "$WORK/cut.yaml" --confirm "$1"
	BEGIN=$(now_ms) SECONDS_GIVEN=$1
	expect_line "^culvert: rolled back in $1 s, at [0-9:]*, unless 'culvert -n a confirm' comes before\$" "$WORK/err"
	is_cut
}
# The new state works.
is_cut() {
	cv_json a status | expect_json '[.rules, .routes, .confirm.by, (.confirm.deadline_seconds > 0), .confirm.failed]' \
		'[1, 1, "root", true, null]' "status before the deadline"
	sentries_are 2 || fail "sentries: $(sentries)"
	! answers || fail "the change does nothing"
}
# nothing_is_left TEXT: neither processes nor files.
nothing_is_left() {
	wait_for 2 sentries_are 0 || fail "$1: still there: $(ps -o pid,stat,args -p "$(sentries | paste -sd,)")"
	expect_equal "" "$(find "$WORK/state" -name 'confirm-*')" "$1: files"
}
# rolled_back TEXT [MS [WITHIN]]: fails unless the former state is there again at the deadline, or MS after
# it, within a second, or WITHIN milliseconds.
rolled_back() {
	local due=$((BEGIN + SECONDS_GIVEN * 1000 + ${2:-0})) at
	wait_for $((SECONDS_GIVEN + 12)) is_former || fail "$1: not rolled back: $(cv a status)"
	at=$(stat -c %.3Y "$state_file") at=${at/[.,]/}
	((at > due - 100 && at < due + ${3:-1000})) || fail "$1: rolled back $((at - due)) ms after the deadline"
	nothing_is_left "$1"
	printf '%s: %s ms after the deadline\n' "$1" $((at - due))
	picture >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >&2 || fail "$1: it is not the former state"
	answers || fail "$1: no traffic"
}

title "nobody confirms"
cut 2
expect_status 0 cv a status
expect_line "^to be confirmed within [12] s, or it is rolled back: 'apply .*' of root\$" "$WORK/out"
rolled_back "nobody confirms"
expect_status 2 cv a confirm
expect_line 'no change is to be confirmed' "$WORK/err"

title "the terminal is gone"
cat >"$WORK/terminal.py" <<'PY'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "-c", '"$@"; read line', "shell", *sys.argv[1:]])
said = b""
while b"comes before" not in said:
    said += os.read(terminal, 4096)
os.close(terminal)
_, status = os.waitpid(pid, 0)
sys.exit(0 if os.WIFSIGNALED(status) else "the shell lives on")
PY
in_ns a /usr/bin/python3 "$WORK/terminal.py" "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -n a \
	apply "$WORK/cut.yaml" --confirm 2 || fail "terminal"
BEGIN=$(now_ms) SECONDS_GIVEN=2
is_cut
rolled_back "terminal gone"

# by_batch SECONDS: a batch makes the change, and waits for its next line with the lock in hand; its process
# id is in $STARTED.
by_batch() {
	rm -f "$WORK/lines"
	mkfifo "$WORK/lines"
	start_in a batch "$CULVERT" --bpffs "$WORK/bpf" --state "$WORK/state" --cgroup "$CGROUP" -batch "$WORK/lines"
	exec 5>"$WORK/lines"
	printf '%s\n' "apply $WORK/cut.yaml --confirm $1" "rule show" >&5
	wait_for 5 grep -q 'comes before' "$WORK/batch.log" || fail "batch: $(<"$WORK/batch.log")"
	BEGIN=$(now_ms) SECONDS_GIVEN=$1
	is_cut
}
title "the process that made the change is killed"
by_batch 2
kill -KILL "$STARTED"
exec 5>&-
rolled_back "its process killed"

title "it is stopped, with the lock in hand, until after the deadline"
by_batch 1
kill -STOP "$STARTED"
wait_for 5 has_passed 2000
! is_former || fail "rolled back in the middle of another change"
expect_status 2 cv a --wait 0 confirm
exec 5>&-
kill -CONT "$STARTED"
rolled_back "its process stopped" $(($(now_ms) - BEGIN - 1000))

title "one sentry after the other is killed"
cut 9
for ((i = 0; i < 3; i++)); do
	mapfile -t pids < <(sentries)
	kill -KILL "${pids[i % 2]}"
	wait_for 2 sentries_are 2 || fail "no sentry came in place of ${pids[i % 2]}: $(sentries)"
done
rolled_back "sentries killed"

title "one sentry is stopped"
cut 2
mapfile -t pids < <(sentries)
kill -STOP "${pids[0]}"
wait_for 5 is_former || fail "not rolled back beside a stopped sentry"
kill -CONT "${pids[0]}"
rolled_back "one sentry stopped"

title "both are stopped until after the deadline, as in a machine that sleeps"
cut 1
mapfile -t pids < <(sentries)
kill -STOP "${pids[@]}"
wait_for 5 has_passed 1700
! is_former || fail "rolled back by whom?"
continued=$(now_ms)
kill -CONT "${pids[@]}"
rolled_back "both stopped" $((continued - BEGIN - 1000))

title "both are stopped, and go on before the deadline"
cut 3
mapfile -t pids < <(sentries)
kill -STOP "${pids[@]}"
wait_for 5 has_passed 1000
kill -CONT "${pids[@]}"
rolled_back "both stopped for a second"

title "both are killed at once: the next command does it"
cut 1
mapfile -t pids < <(sentries)
kill -STOP "${pids[@]}"
kill -KILL "${pids[@]}"
wait_for 5 has_passed 2200
! is_former || fail "rolled back by whom?"
expect_status 0 cv a rule show
expect_line "'apply .*' was not confirmed: rolled back" "$WORK/err"
is_former || fail "the next command, which reads, does not roll back"
nothing_is_left "both killed"

title "confirmed in time"
cut 2
expect_status 2 cv a rule add other match dst "$B4" action dscp 8
expect_line "a change of root is to be confirmed until [0-9:]+, in [12] s: 'apply .*'; 'culvert confirm' keeps it" "$WORK/err"
expect_status 2 cv a apply "$WORK/a.yaml"
expect_status '0|4' cv a diff "$WORK/a.yaml"
expect_status 0 cv a repair
expect_status 0 cv a confirm
nothing_is_left "confirmed"
expect_status 2 cv a confirm
wait_for 5 has_passed 2500
cv_json a status | expect_json '[.rules, .confirm]' '[1, null]' "behind the deadline of what was confirmed"
expect_status 0 cv a apply "$WORK/a.yaml"

title "taken back by hand"
cut 30
expect_status 0 cv a confirm --rollback
is_former || fail "--rollback does not roll back"
nothing_is_left "--rollback"

title "a refused change, and one that changes nothing, leave nothing to be confirmed"
sed 's/a0:/nosuch0:/' "$WORK/cut.yaml" >"$WORK/bad.yaml"
expect_status 2 cv a apply "$WORK/bad.yaml" --confirm 30
nothing_is_left "refused"
expect_status 0 cv a apply "$WORK/a.yaml" --confirm 30
nothing_is_left "the same"
expect_status 1 cv a apply "$WORK/cut.yaml" --confirm
expect_status 1 cv a apply "$WORK/cut.yaml" --confirm 0

title "whoever made it died before its turn: nothing is to be confirmed"
cut 30
cp "$WORK/former" "$state_file"
cv_json a status | expect_json .confirm null "status"
expect_status 0 cv a repair
nothing_is_left "before the turn"
expect_status 0 cv a apply "$WORK/a.yaml"
answers || fail "no traffic"

title "an empty state, too"
printf 'rules: {}\n' >"$WORK/empty.yaml"
expect_status 0 cv a apply "$WORK/empty.yaml" --confirm 2
BEGIN=$(now_ms) SECONDS_GIVEN=2
[[ ! -e $state_file ]] || fail "an empty state has a file"
# All programs are loaded anew for it.
rolled_back "an empty state" 0 10000

title "what cannot be rolled back stays to be seen"
ip -n a link add d0 type veth peer name d0-end
sed 's/^devices: {/&d0: {ingress: true}, /' "$WORK/a.yaml" >"$WORK/more.yaml"
expect_status 0 cv a apply "$WORK/more.yaml"
expect_status 0 cv a apply "$WORK/cut.yaml" --confirm 1
ip -n a link del d0
failed() { cv_json a status | jq -e '.confirm.failed // "" | test("d0")'; }
wait_for 5 failed || fail "$(cv a status)"
wait_for 2 sentries_are 0 || fail "sentries: $(sentries)"
expect_status 2 cv a apply "$WORK/a.yaml"
expect_line "could not be rolled back: .*d0.*'culvert confirm' keeps it" "$WORK/err"
expect_status 2 cv a confirm --rollback
ip -n a link add d0 type veth peer name d0-end
expect_status 0 cv a confirm --rollback
cv_json a dev show | expect_json 'map(.dev) | sort' '["a0", "d0"]' "devices when it could be rolled back"
nothing_is_left "rolled back at last"

title "it is tried again as long as not even the failure can be written"
mount -t tmpfs -o size=1m tmpfs "$WORK/state"
expect_status 0 cv a repair
expect_status 0 cv a apply "$WORK/a.yaml"
state_file=$(grep -l "local: $A4" "$WORK"/state/ns-*/state.yaml)
cp "$state_file" "$WORK/former"
expect_status 0 cv a apply "$WORK/cut.yaml" --confirm 1
BEGIN=$(now_ms)
mount -o remount,ro "$WORK/state"
wait_for 5 has_passed 2500
! is_former || fail "rolled back in files that cannot be written"
mount -o remount,rw "$WORK/state"
wait_for 5 is_former || fail "not rolled back when it can be written: $(cv a status)"
nothing_is_left "it can be written again"

title "down takes all of it away"
expect_status 0 cv a apply "$WORK/cut.yaml" --confirm 30
expect_status 0 cv a down
nothing_is_left "down"
