#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is wrong with an app is told in one line, with the exit status of cli.md, and changes nothing.
# What is not there yet is a warning: it may come.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
netns_add a b
sha256=$(sha256sum </dev/null | cut -d' ' -f1)
link=$WORK/bin/link
program=$(program_copy program /usr/bin/env)
ln -s "$program" "$link"
printf '#!/bin/sh\n' >"$WORK/bin/script"
chmod +x "$WORK/bin/script"

# The state that must stay.
cv a app add first exe "$program" gid 7
picture() { cv_json a status | jq -c .generation && cv a app show && cv a save; }
picture >"$WORK/before"

# says STATUS WORDS MESSAGE: `app add` of these words ends with that status and says just that.
says() {
	local words
	read -ra words <<<"$2"
	expect_status "$1" cv a app add "${words[@]}"
	expect_equal "$3" "$(<"$WORK/err")" "app add $2"
}
refused() {
	says "$1" "$2" "culvert: app $3"
	picture >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >&2 || fail "app add $2: the state has changed"
}
warned() {
	says 0 "$1" "culvert: warning: app ${1%% *}: $2"
	cv a app del "${1%% *}"
}

title "wrong words"
NO_SELECTOR="no selector, it would be every program; give exe, parent-exe, unit, cgroup, uid, gid, comm or netns"
refused 1 "it" "it: $NO_SELECTOR"
refused 1 "it gate" "it: $NO_SELECTOR"
refused 1 "any uid 0" "any: the word has a meaning of its own in rules; give it another name"
refused 1 "it exe curl" 'it: exe "curl": not an absolute path; as /usr/bin/curl'
refused 1 "it exe /usr/../bin/x" 'it: exe "/usr/../bin/x": has a component ".."; as /usr/bin/curl'
refused 1 "it exe /usr/bin/" 'it: exe "/usr/bin/": the path of a directory; as /usr/bin/curl'
refused 1 "it exe /usr/[b/c" 'it: exe "/usr/[b/c": a "[" of the glob is not closed; [[] stands for the character itself'
refused 1 "it parent-exe /usr/*" 'it: parent-exe "/usr/*": a glob; it is the path of one executable; only exe can be a glob'
refused 1 "it exe-sha256 12" 'it: exe-sha256 "12": not 64 hexadecimal digits; as sha256sum prints them'
refused 1 "it uid 0 exe-sha256 $sha256" "it: exe-sha256 without exe; give exe PATH too"
refused 1 "it exe /x* exe-sha256 $sha256" "it: exe-sha256: exe /x* is many files; give the path of one file"
refused 1 "it unit a/b" 'it: unit "a/b": not the name of a systemd unit; as nginx.service or user.slice; a path is for cgroup'
refused 1 "it unit a.socket" "it: unit a.socket: not a kind of unit that processes are in; NAME.service, NAME.scope or NAME.slice"
refused 1 "it cgroup /a/../.." 'it: cgroup "/a/../..": not a path below the cgroup2 mount; as /system.slice/nginx.service'
refused 1 "it uid root" 'it: uid "root": not a number or range from 0 to 4294967294'
refused 1 "it gid 9-5" 'it: gid "9-5": the range is inverted; 5-9'
refused 1 "it comm a234567890123456" 'it: comm "a234567890123456": not a process name of 1 to 15 characters; the kernel keeps no more: see /proc/PID/comm'
refused 1 "it netns x/y" 'it: netns "x/y": not a network namespace; a name below /run/netns, a path as /proc/PID/ns/net, or any'
refused 1 "it netns any gate" "it: netns: its packets are held back in their own network namespace; leave netns out, or gate it there: culvert -n NETNS"
refused 1 "it exe $program gid 5-9 exf" 'it: unknown word "exf"; did you mean "exe"?'

title "two that could be one process"
EQUAL="equally specific, and a process can be both"
refused 1 "it exe $program gid 7" "first and app it: $EQUAL; give one of them a selector more"
refused 2 "it exe $link gid 7" "first and app it: $EQUAL; links followed, both have exe $program [EINVAL]"

title "what the system has not"
refused 2 "first uid 0" "first: exists; use 'app replace' or delete it [EEXIST]"
refused 2 "it exe /usr/bin" "it: exe /usr/bin is not a file; give the path of the program itself [EINVAL]"
refused 2 "it exe /dev/null" "it: exe /dev/null is not a file; give the path of the program itself [EINVAL]"
refused 2 "it exe $WORK/bin/script exe-sha256 $sha256" \
	"it: exe-sha256: $WORK/bin/script is a script; only of a program itself can it be told what runs [EINVAL]"
cv b app add outer netns any
refused 2 "it netns any" \
	"it: netns: instance $(cv_json b status | jq -r .instance) has such apps already; one instance of a host can have them [EBUSY]"
cv b down

title "what may come"
warned "it exe /no/such" "exe /no/such does not exist; the app is nobody until it does"
warned "it unit no-such" "unit no-such.service does not run; the app is nobody until it does"
warned "it cgroup /no/such" "cgroup /no/such does not exist; the app is nobody until it does"
warned "it netns no-such" "netns no-such does not exist; the app is nobody until it does and the state is applied again"
warned "it exe $program exe-sha256 $sha256" \
	"exe-sha256: the contents of $program differ; the app is nobody until they do not and the state is applied again"

title "more than there may be"
# apps COUNT SUFFIX: a state file with so many.
apps() { printf 'apps:\n' && seq "$1" | sed "s|.*|  a&: {exe: /no/such&$2}|"; }
apps 1025 "" >"$WORK/many.yaml"
expect_status 1 cv a apply "$WORK/many.yaml"
expect_equal "$WORK/many.yaml:1026:3: error: 1025 apps: more than the 1024 that one instance holds" \
	"$(head -n 1 "$WORK/err")" "1025 apps"
apps 65 "*/x" >"$WORK/globs.yaml"
expect_status 1 cv a apply "$WORK/globs.yaml"
expect_equal "$WORK/globs.yaml:66:3: error: 65 apps with a glob: more than the 64 that one instance holds" \
	"$(head -n 1 "$WORK/err")" "65 globs"
sed -i '$d' "$WORK/many.yaml" "$WORK/globs.yaml"
expect_status 0 "$CULVERT" check "$WORK/many.yaml"
expect_status 0 "$CULVERT" check "$WORK/globs.yaml"

title "faults of a file stand at their places, all of them"
cat >"$WORK/bad.yaml" <<-'YAML'
	apps:
	  one: {exe: curl, unit: a b, netns: ""}
	  two: {gate: perhaps}
	  three: {gate: true}
YAML
expect_status 1 cv a apply "$WORK/bad.yaml"
expect_equal '2:14: error: exe "curl": not an absolute path
2:26: error: unit "a b": not the name of a systemd unit
2:38: error: netns: has no value
3:15: error: gate "perhaps": not one of false, true, off, on, no, yes
4:3: error: app three: no selector, it would be every program' \
	"$(sed -n "s|^$WORK/bad.yaml:||p" "$WORK/err")" "faults"

title "a hook that the kernel refuses"
# Somebody who wants a cgroup for himself alone keeps others' programs of that kind out of it.
mkdir "$CGROUP/alone"
hook=$(bpftool -j link show pinned "$WORK/bpf/v1/host/links/cv_connect4" | jq .prog_id)
bpftool cgroup attach "$CGROUP/alone" connect4 id "$hook"
elsewhere=("$CULVERT" --bpffs "$WORK/bpf2" --state "$WORK/state2" -n b)
expect_status 2 "${elsewhere[@]}" --cgroup "$CGROUP/alone" app add it uid 0
expect_equal "culvert: socket hook cv_connect4: refused by the kernel: Operation not permitted; without it who connects is not known before data is sent; -v shows what the kernel says of it [EPERM]" \
	"$(<"$WORK/err")" "a hook that is refused"
expect_equal 1 "$(bpftool -j cgroup show "$CGROUP/alone" | jq length)" "programs in that cgroup"

title "no cgroup2, and a folder that is none"
expect_status 2 "${elsewhere[@]}" --cgroup "$WORK/bin" app add it uid 0
expect_equal "culvert: cgroup $WORK/bin: not in a cgroup2 mount [EINVAL]" "$(<"$WORK/err")" "no cgroup"
mapfile -t mounts < <(awk '$3 == "cgroup2" { print $2 }' /proc/mounts)
expect_status 2 unshare --mount sh -c "umount -l ${mounts[*]}; ${elsewhere[*]} app add it uid 0"
expect_line '^culvert: cgroup2: not mounted; apps need the socket hooks of a cgroup; mount it: ' "$WORK/err"
expect_equal "" "$(find "$WORK/bpf2" -type f)" "pins after the refused apps"
