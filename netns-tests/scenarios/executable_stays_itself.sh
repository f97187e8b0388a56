#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An app selected by its executable is that one, and stays it: upgraded while it runs, under another
# name, deleted, behind an overlay, as a script, by a pattern, by its content. What only looks like
# it is not: the same name elsewhere, or the same path in somebody's own mounts.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"
topology_sites
chmod 755 "$WORK" "$WORK/bin"
caller=$(c_program caller)
swarm=$(c_program swarm)
cases_begin

# put PATH: another program with the same manners, put into place as a package manager does.
put() {
	mkdir -p "${1%/*}"
	cp "$caller" "$1.new"
	# Other content, the same program.
	printf '%s' "$RANDOM" >>"$1.new"
	mv "$1.new" "$1"
}

# select_exe WORDS: the state with app `one`, selected by these words of a state file.
select_exe() {
	title "$1"
	{
		printf 'devices: {a0: {}}\napps: {one: {%s}}\n' "$1"
		owner_rules one
	} | apply_state a
}

app=$WORK/bin/app
put "$app"
put "$WORK/bin/other"
ln -s app "$WORK/bin/link"

select_exe "exe: $app"
resident old "$app"
call one "itself" "$app"
call one "by a symbolic link" "$WORK/bin/link"
call none "another program" "$WORK/bin/other"
resident_call one "that stays" old
ln "$app" "$WORK/bin/hard"
call one "by a hard link" "$WORK/bin/hard"
touch "$WORK/bin/bound"
mount --bind "$app" "$WORK/bin/bound"
call one "by a bind mount of the file" "$WORK/bin/bound"
mkdir "$WORK/bin/tree"
mount --bind "$WORK/bin" "$WORK/bin/tree"
call one "by a bind mount of its folder" "$WORK/bin/tree/app"
umount "$WORK/bin/bound" "$WORK/bin/tree"

title "upgraded by rename, a hundred times while it is started all the time"
call_case one "started while it is upgraded"
in_ns a "$swarm" 2000 4 "$CALL_PORT" "$B4,$B6" "$app" >"$WORK/swarm.log" 2>&1 &
pid=$!
upgrades=0
while kill -0 "$pid" 2>/dev/null; do
	put "$app"
	upgrades=$((upgrades + 1))
done
wait "$pid" || fail "swarm: $(<"$WORK/swarm.log")"
((upgrades > 20 / ${CULVERT_TEST_SLOWNESS:-1})) || fail "$upgrades upgrades"
call one "after that" "$app"
resident_call one "from before it" old
resident newer "$app"
put "$app"
resident_call one "from between two upgrades" newer
cp "$WORK/bin/other" "$app.new"
mv "$app.new" "$app"
call one "another file put there" "$app"
resident gone "$app"
rm "$app"
resident_call one "deleted while it runs" gone
resident_call one "deleted, from before the upgrades" old
put "$app"
call one "and put there again" "$app"
mv "$app" "$app.old"
put "$app"
resident moved "$app.old"
call one "a new one in place of one that was moved away" "$app"
rm "$app.old"

title "in other mount namespaces"
# Many services have such a namespace of systemd.
call one "in a mount namespace of the host's users" unshare --mount "$app"
# What anybody may do with no rights at all: a path of his own choice.
# shellcheck disable=SC2016 # the inner shell's
call none "the same path in a mount of somebody's own" setpriv --reuid 1000 --clear-groups \
	unshare --user --map-root-user --mount sh -c 'caller=$1 app=$2; shift 2
		exec 8<"$caller"; mount -t tmpfs none "${app%/*}" && cat <&8 >"$app" && chmod 755 "$app" && exec "$app" "$@"' \
	sh "$caller" "$app"
mkdir -p "$WORK/jail/old"
put "$WORK/jail$app"
call none "the same path below another root" chroot "$WORK/jail" "$app"
# shellcheck disable=SC2016
call none "the same path in a container" unshare --mount sh -c 'jail=$1; shift
	mount --bind "$jail" "$jail" && cd "$jail" && pivot_root . old && exec "$@"' sh "$WORK/jail" "$app"
put "$WORK/elsewhere/app"
call none "the same name in another folder" "$WORK/elsewhere/app"
# shellcheck disable=SC2016
call none "another program that calls itself so" bash -c 'exec -a "$0" "$@"' "$app" "$WORK/bin/other"

title "an overlay"
mkdir -p "$WORK"/overlay/{lower,upper,work,merged}
put "$WORK/overlay/lower/app"
mount -t overlay overlay -o "lowerdir=$WORK/overlay/lower,upperdir=$WORK/overlay/upper,workdir=$WORK/overlay/work" \
	"$WORK/overlay/merged"
select_exe "exe: $WORK/overlay/merged/app"
call one "from the lower layer" "$WORK/overlay/merged/app"
resident below "$WORK/overlay/merged/app"
put "$WORK/overlay/merged/app"
call one "from the upper layer" "$WORK/overlay/merged/app"
resident_call one "from the lower layer, from before" below

select_exe "exe: $WORK/bin/link"
call one "a symbolic link selected, its program started" "$app"
call one "a symbolic link selected and started" "$WORK/bin/link"
call none "another program" "$WORK/bin/other"

script=$WORK/bin/script.py
put "$WORK/bin/interpreter"
for name in script.py other.py; do
	printf '#!%s\n' "$WORK/bin/interpreter" >"$WORK/bin/$name"
	chmod 755 "$WORK/bin/$name"
done
has_task_storage=
if cv a app replace one exe "$script" 2>"$WORK/err"; then
	has_task_storage=yes
	select_exe "exe: $script"
	call one "a script" "$script"
	call one "a script by a name that is no whole path" env -C "$WORK/bin" ./script.py
	ln -s script.py "$WORK/bin/script-link"
	# The kernel tells by what name it was called, not what that leads to.
	call none "a script by a symbolic link that was not selected" "$WORK/bin/script-link"
	call none "another script of that interpreter" "$WORK/bin/other.py"
	call none "the interpreter alone" "$WORK/bin/interpreter"
	resident run "$script"
	resident_call one "a script that stays" run
	cp "$script" "$script.new"
	mv "$script.new" "$script"
	call one "a script after an upgrade" "$script"
	put "$WORK/bin/interpreter"
	call one "a script after an upgrade of the interpreter" "$script"
	resident_call one "a script, from before the upgrades" run

	select_exe "exe: $WORK/bin/script-link"
	call one "a symbolic link to a script selected and started" "$WORK/bin/script-link"
	call one "a symbolic link to a script selected, the script started" "$script"
	printf '#!/usr/bin/env interpreter\n' >"$WORK/bin/wanted"
	printf '#!/usr/bin/env interpreter\n' >"$WORK/bin/unwanted"
	chmod 755 "$WORK/bin/wanted" "$WORK/bin/unwanted"
	select_exe "exe: $WORK/bin/wanted"
	call one "a script by env" env PATH="$WORK/bin:$PATH" "$WORK/bin/wanted"
	call none "another script by env" env PATH="$WORK/bin:$PATH" "$WORK/bin/unwanted"
else
	expect_line "script: which script a process runs cannot be told on this kernel" "$WORK/err"
	echo "skip scripts: this kernel cannot tell them"
fi

select_exe "exe: $WORK/bin/tool-*"
put "$WORK/bin/tool-alpha"
put "$WORK/bin/deeper/tool-beta"
call one "a pattern" "$WORK/bin/tool-alpha"
call none "a pattern does not reach into folders" "$WORK/bin/deeper/tool-beta"
call none "what is not like the pattern" "$WORK/bin/other"
resident pattern "$WORK/bin/tool-alpha"
rm "$WORK/bin/tool-alpha"
resident_call one "a pattern, deleted while it runs" pattern
select_exe "exe: $WORK/**/tool-*"
call one "a pattern that reaches into folders" "$WORK/bin/deeper/tool-beta"

put "$app"
cp "$app" "$WORK/right"
select_exe "exe: $app, exe-sha256: $(sha256sum <"$app" | cut -d' ' -f1)"
call one "the content that was asked for" "$app"
resident checked "$app"
resident_call one "the same, by a process that stays" checked
put "$app"
call none "other content at that path" "$app"
# Its file's time of change is another since that was removed: it is known because it was before.
right_content="the right content, from before"
[[ -z $has_task_storage ]] || resident_call one "$right_content" checked
expect_status 0 cv a repair
call none "other content after a repair" "$app"
cp "$WORK/right" "$app.new"
mv "$app.new" "$app"
expect_status 0 cv a repair
call one "the right content is back after a repair" "$app"
printf more >>"$app"
call none "content that was changed in place" "$app"

cases_judge
