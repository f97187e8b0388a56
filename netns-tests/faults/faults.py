#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Breaks changes off at each of their system calls, and looks at what is left: see run."""
import argparse
import collections
import os
import random
import subprocess
import sys
import time

import look
import probe
from cases import BACK, CASES, QUICK, STATES, outward

HERE = os.path.dirname(os.path.abspath(__file__))
WORK, CGROUP, CULVERT = os.environ["WORK"], os.environ["CGROUP"], os.environ["CULVERT"]
SHIM = os.environ["FAULT_SHIM"]
NEXT = os.path.dirname(CULVERT) + "/next/culvert"  # of the map ABI to come
CLIENT = WORK + "/bin/client"
IDS = WORK + "/ids"
LOG = WORK + "/calls"

ERRNOS = {"ENOMEM": 12, "EINTR": 4, "ENOSPC": 28, "EPERM": 1, "EBUSY": 16, "EAGAIN": 11, "EIO": 5, "EMFILE": 24,
          "EACCES": 13, "ENOBUFS": 105}
CHANGE_ERRNOS = ("ENOMEM", "EINTR", "ENOSPC", "EPERM", "EBUSY", "EAGAIN", "EIO")
# With what calls that only look can fail though what they look for is there.
LOOK_ERRNOS = {
    "open-read": ("ENOMEM", "EMFILE", "EACCES", "EINTR"), "read": ("EIO", "ENOMEM", "EINTR"),
    "recv": ("ENOBUFS", "ENOMEM", "EINTR", "EAGAIN"), "socket": ("EMFILE", "ENOBUFS", "EPERM"),
    "netlink:get": ("ENOBUFS", "ENOMEM", "EPERM", "EINTR"), "getdents": ("EIO", "ENOMEM"),
    "flock": ("EINTR", "ENOMEM"), "bpf": ("EPERM", "ENOMEM", "EMFILE", "EINTR"), "": ("ENOMEM", "EACCES", "EIO")}
OK, WRONG, REFUSED, LEFT, DIFFERENT, FORBIDDEN = 0, 1, 2, 3, 4, 5
KILLED = -9

# Calls that only this process sees: dying behind them is dying before the next one.
PRIVATE = ("bpf:map-create", "bpf:iterator", "bpf:prog-load", "bpf:btf-load", "bpf:map-freeze", "setsockopt", "setns",
           "mmap")
KINDS = [(calls, what) for calls in ("changes", "reads", "memory")
         for what in ("fail", "rest", "refuse", "after", "kill", "killed", "cut", "torn")]
ASKS = "netlink:"
RUN_OF_CALLS = 8  # so many of the same name, one after the other, and more are a loop of which some are tried

Point = collections.namedtuple("Point", "calls what number errno name")


class Bench:
    """One culvert, its namespace, and how it is run."""

    def __init__(self):
        self.files = {}
        for path in sorted(STATES):
            copy = "%s/%s" % (WORK, path)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            with open("%s/%s" % (HERE, path), encoding="ascii") as file:
                text = file.read()
            with open(copy, "w", encoding="ascii") as file:
                file.write(text.replace("CLIENT", CLIENT).replace("CGROUP", "/" + os.path.basename(CGROUP)))
            self.files[path.partition(".")[0].upper()] = copy
        self.options = ["--bpffs", WORK + "/bpf", "--state", WORK + "/state", "--cgroup", CGROUP]
        tools = [[tool, *self.options] for tool in (CULVERT, NEXT)]
        self.looker = look.Looker(WORK, CGROUP, ("s0", "s1"), tools)
        speakers = [probe.Speaker("/usr/bin/python3", 4101), probe.Speaker(CLIENT, 4102),
                    probe.Speaker("/usr/bin/python3", 4103)]
        self.prober = probe.Prober("/run/netns/p", {"s0": "p0", "s1": "p1"}, outward(*speakers), BACK)

    def culvert(self, words, text=None, tool=CULVERT, **fault):
        """Runs culvert, with a fault in it or none; FAULT_AT=0 counts only."""
        words = [self.files.get(word, word) for word in words.split()]
        env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_IDS=IDS, **{k: str(v) for k, v in fault.items()})
        return subprocess.run([tool, *self.options, *words], env=env, input=text, capture_output=True, text=True,
                              check=False, timeout=120, stdin=None if text else subprocess.DEVNULL)

    def must(self, words, text=None, tool=CULVERT):
        done = self.culvert(words, text, tool)
        if done.returncode:
            raise Failure("%s: exit status %d: %s" % (words, done.returncode, done.stderr.strip()))
        return done

    def shell(self, text):
        """What other tools do; $CV is culvert, $NEXT the one to come, and capital names are state files."""
        commands = {"CV": " ".join([CULVERT, *self.options]), "NEXT": " ".join([NEXT, *self.options]), **self.files}
        subprocess.run(text, shell=True, check=False, capture_output=True, env=dict(os.environ, **commands))

    def recover(self):
        """Takes everything away behind a failure, so that the next point begins as others do."""
        self.shell("while [ $(grep -c ' %s/bpf ' /proc/mounts) -gt 1 ]; do umount %s/bpf || exit; done" % (
            WORK, WORK))
        self.shell("$CV confirm; $CV down || $NEXT down; $CV down")

    def whole(self):
        """All that can be looked at: objects, and what becomes of packets."""
        outcomes = self.prober.outcomes()
        picture = self.looker.picture()
        picture["packets"] = ["%s: %s" % (name, " ".join(what)) for name, what in sorted(outcomes.items())]
        return picture


class Failure(Exception):
    """What is not as it should be, in one line."""


class Run:
    """One case: its two states, its calls, and its points."""

    def __init__(self, bench, name, kinds):
        self.bench, self.name, self.case = bench, name, CASES[name]
        self.tool = NEXT if self.case.is_next else CULVERT
        self.calls, self.said = {}, None
        self.start()
        self.outcomes = [bench.prober.outcomes()]
        self.old = bench.whole()
        for kind in kinds:
            if self.calls and not self.case.is_look:
                self.restart()
            self.calls[kind] = self.count(kind)
        self.outcomes.append(bench.prober.outcomes())
        self.new = bench.whole()
        self.hear()

    def start(self):
        """To the state before, whatever stands."""
        if self.case.is_next:
            self.bench.must("down", tool=NEXT)
        self.bench.shell("$CV confirm")
        if self.case.before:
            self.bench.must("apply " + self.case.before)
        else:
            self.bench.must("down")
        self.bench.shell(self.case.damage)

    def restart(self):
        """To the state before; what stands may be one of the two already."""
        self.start()
        here = self.bench.whole()
        if here != self.old:
            raise Failure("back at the beginning: %s" % told(self.old, here))

    def hear(self):
        """Notes what a command that only looks says, as counters are now."""
        if self.case.is_look:
            self.said = self.bench.culvert(self.case.words, self.case.text)

    def count(self, calls):
        """(number, name, result) of each counted call of the command, which is carried out."""
        if os.path.exists(LOG):
            os.unlink(LOG)
        done = self.bench.culvert(self.case.words, self.case.text, self.tool, FAULT_CALLS=calls, FAULT_LOG=LOG)
        if done.returncode not in (OK, DIFFERENT if self.case.is_look else OK):
            raise Failure("%s without a fault: exit status %d: %s" % (self.name, done.returncode, done.stderr))
        if not os.path.exists(LOG):
            return []
        with open(LOG, encoding="ascii") as file:
            return [(int(n), name, int(ret)) for n, name, ret in map(str.split, file)]

    # ---- points ----

    def change_points(self, errnos):
        calls = self.calls.get("changes", [])
        points = [("kill", 1, "ENOMEM", calls[0][1])] if calls else []
        for number, name, ret in calls:
            codes = [CHANGE_ERRNOS[(number + k) % len(CHANGE_ERRNOS)] for k in range(len(CHANGE_ERRNOS))]
            outlives = ret >= 0 and not name.startswith(PRIVATE)
            points += [("fail", number, code, name) for code in codes[:errnos]]
            points.append(("rest", number, codes[2], name))
            if name.startswith(ASKS):
                points.append(("refuse", number, codes[1], name))
            if outlives:
                points.append(("killed", number, "ENOMEM", name))
                points.append(("after", number, codes[3], name))
        return [Point("changes", *point) for point in points]

    def look_points(self, rng, errnos):
        points = []
        for number, name, ret in thinned(self.calls.get("reads", []), rng):
            codes = LOOK_ERRNOS.get(name) or LOOK_ERRNOS.get(name.partition(":")[0]) or LOOK_ERRNOS[""]
            codes = [codes[(number + k) % len(codes)] for k in range(len(codes))]
            points += [("fail", number, code, name) for code in codes[:errnos]]
            points.append(("rest", number, codes[0], name))
            if name.startswith(ASKS):
                points.append(("refuse", number, "ENOMEM", name))
            if name == "recv":
                points += [("torn", number, "EINTR", name), ("after", number, "ENOBUFS", name)]
            if name == "read" and ret > 1:
                points.append(("cut", number, "EINTR", name))
        return [Point("reads", *point) for point in points]

    def memory_points(self):
        return [Point("memory", what, number, "ENOMEM", name)
                for number, name, _ in self.calls.get("memory", []) for what in ("fail", "rest")]

    def points(self, rng, errnos, share):
        """What is to be tried: of each kind of call and fault the first ones, then more of what there is."""
        groups = collections.defaultdict(list)
        for point in self.change_points(errnos) + self.look_points(rng, errnos) + self.memory_points():
            groups[point.calls, point.what, point.name].append(point)
        for group in groups.values():
            rng.shuffle(group)
        order = list(groups.values())
        rng.shuffle(order)
        points = [group[n] for n in range(max(map(len, order))) for group in order if n < len(group)]
        return points[:max(1, int(len(points) * share))]

    def try_point(self, point):
        """One point from beginning to end; raises Failure."""
        if os.path.exists(LOG):
            os.unlink(LOG)
        done = self.bench.culvert(
            self.case.words, self.case.text, self.tool, FAULT_CALLS=point.calls, FAULT_AT=point.number,
            FAULT_DO=point.what, FAULT_ERRNO=ERRNOS[point.errno], FAULT_LOG=LOG)
        status = done.returncode
        if self.case.is_look:
            return self.judge_look(done)
        if faulty_call() == "none" and status == OK:
            self.expect(self.bench.whole(), self.new, "exit status 0")
            return "ended before it came so far"
        if point.what in ("kill", "killed"):
            if status != KILLED:
                raise Failure("not killed: exit status %d: %s" % (status, last_line(done.stderr)))
            return self.judge_death()
        if status < 0 or status not in (OK, WRONG, REFUSED, LEFT, FORBIDDEN):
            raise Failure("exit status %d: %s" % (status, last_line(done.stderr)))
        return self.judge_error(status, done.stderr)

    def judge_look(self, done):
        """It says what it says at other times, or that it cannot."""
        if done.returncode in (WRONG, REFUSED, FORBIDDEN):
            if not done.stderr.strip():
                raise Failure("exit status %d without a word" % done.returncode)
            return "could not be told"
        if done.returncode != self.said.returncode:
            raise Failure("exit status %d: %s" % (done.returncode, last_line(done.stderr)))
        if done.stdout != self.said.stdout:
            lines = look.differences({"said": self.said.stdout.splitlines()}, {"said": done.stdout.splitlines()})
            raise Failure("exit status %d, but %s" % (done.returncode, "; ".join(lines[:3])[:600]))
        return "told all the same"

    def judge_error(self, status, text):
        here = self.bench.whole()
        if status == OK and "noted as interrupted" in text:
            self.mend("new")
            return "done, and its end to be mended"
        if status == OK and not self.case.before and "are dropped at tunnels" in text:
            # What cannot be had for large packets is warned of; what there was must not go for that.
            self.mend("new")
            return "done in part and said so"
        if status == OK:
            self.expect(here, self.new, "exit status 0")
            return "done all the same"
        if not text.strip():
            raise Failure("exit status %d without a word" % status)
        if status in (WRONG, REFUSED, FORBIDDEN):
            # Undoing is converging on the state, which is what repair does, and takes it over.
            if not (self.case.words == "repair" or self.case.is_next) or here != self.new:
                self.expect(here, self.old, "exit status %d (%s)" % (status, last_line(text)))
            warned = self.status() if self.case.before else ""
            if "interrupted" in warned:
                raise Failure("exit status %d, and status warns: %s" % (status, last_line(warned)))
            return "undone"
        if self.case.words != "down" and "left" not in text:
            raise Failure("exit status 3, but what is left? %s" % last_line(text))
        self.mend(None)
        return "left and said so"

    def status(self):
        """What status says and warns of; of another version's state that it is one."""
        said = self.bench.culvert("status", tool=self.tool)
        words = said.stdout + said.stderr
        if said.returncode and not (self.case.is_next and "takes it over" in words):
            raise Failure("status: exit status %d: %s" % (said.returncode, last_line(words)))
        return words

    def judge_death(self):
        self.expect_traffic()
        words = self.status()
        here = self.bench.whole()
        if "takes it over" in words:
            self.mend(None)
            return "killed and mended"
        if "interrupted" not in words:
            if self.is_all_but_gone(here):
                self.mend(None)
                return "killed and mended"
            if here not in (self.old, self.new):
                raise Failure("killed, status tells of no interruption, and it is neither state: %s" %
                              self.nearest(here))
            return "killed, nothing to mend"
        self.mend("old" if "the old state works" in words else "new")
        return "killed and mended"

    def is_all_but_gone(self, here):
        """True if there is nothing more than files of a change that nobody has to confirm any more."""
        return any(differ and all(line.startswith("state: + confirm-") for line in differ)
                   for differ in (look.differences(state, here) for state in (self.old, self.new)))

    def mend(self, which):
        """repair leads to the state that is said to stand, and a second one has nothing to do."""
        self.bench.must("repair", tool=self.tool)
        here = self.bench.whole()
        if which and self.case.words == "repair":
            which = "new" # the state of both is one, and before it was damaged
        if which:
            self.expect(here, self.old if which == "old" else self.new, "repaired to the %s state" % which)
        elif here not in (self.old, self.new):
            raise Failure("repaired to neither state: %s" % self.nearest(here))
        again = self.bench.must("-j repair", tool=self.tool).stdout.strip()
        if again not in ("", "[]"):
            raise Failure("a second repair did something: %s" % again[:200])
        said = self.status()
        if "interrupted" in said:
            raise Failure("repaired, and status still warns: %s" % last_line(said))

    # ---- expectations ----

    def expect(self, here, wanted, when):
        if here != wanted:
            other = " (it is the other state)" if here in (self.old, self.new) else ""
            raise Failure("%s%s: %s" % (when, other, told(wanted, here)))

    def nearest(self, here):
        return min((told(self.old, here), told(self.new, here)), key=len)

    def expect_traffic(self):
        """Each packet goes the old way or the new one, and is changed as by the old or the new rules."""
        for name, outcome in self.bench.prober.outcomes().items():
            before, after = (outcomes[name] for outcomes in self.outcomes)
            # A packet may go the old way by the new rules: then its class stands in another header.
            classes = {word for part in (*before[1:], *after[1:]) for word in part.split()}
            if (outcome != probe.LOST and outcome[0] in (before[0], after[0]) and
                    all(word in classes for part in outcome[1:] for word in part.split())):
                continue
            if outcome in (before, after):
                continue
            raise Failure("probe %s: %s, before it was %s, behind it %s" % (
                name, " ".join(outcome), " ".join(before), " ".join(after)))


def thinned(calls, rng):
    """The calls; of long rows of calls of one name only some."""
    rows = []
    for call in calls:
        if not rows or rows[-1][-1][1] != call[1]:
            rows.append([])
        rows[-1].append(call)
    for row in rows:
        yield from row if len(row) <= RUN_OF_CALLS else rng.sample(row, RUN_OF_CALLS)


def told(wanted, here):
    lines = look.differences(wanted, here)
    return "; ".join(lines[:4]) + ("; and %d more" % (len(lines) - 4) if len(lines) > 4 else "")


def last_line(text):
    return (text.strip().splitlines() or ["(nothing)"])[-1]


def faulty_call():
    """Name of the call that was the last fault."""
    if not os.path.exists(LOG):
        return "none"
    with open(LOG, encoding="ascii") as file:
        names = [row.split()[1] for row in file if row.endswith(" fault\n")]
    return names[0] if names else "none"


def note_left():
    """Writes what was made and is still in the kernel to a file; it may be gone in a moment."""
    with open(IDS, encoding="ascii") as file:
        made = sorted({tuple(row.split()) for row in file})
    with open(IDS + ".left", "w", encoding="ascii") as file:
        file.writelines("%s %s\n" % one for one in made if look.id_exists(one[0], int(one[1])))


class Table:
    """What came out, by case and kind of fault."""

    def __init__(self):
        self.counts = collections.Counter()
        self.results = collections.Counter()
        self.failures = []

    def note(self, case, point, result):
        self.counts[case, point.calls, point.what] += 1
        self.results[result] += 1

    def fail(self, case, point, text):
        self.note(case, point, "failed")
        self.failures.append((case, point.calls))
        print("FAILED --point %s:%s:%d:%s:%s (%s): %s" % (
            case, point.what, point.number, point.errno, point.calls, faulty_call(), text), flush=True)

    def sum(self, **wanted):
        """How many points there were of that case, calls or what."""
        return sum(n for key, n in self.counts.items()
                   if all(dict(zip(("case", "calls", "what"), key))[k] == v for k, v in wanted.items()))

    def show(self):
        heads = [(calls, what) for calls, what in KINDS if self.sum(calls=calls, what=what)]
        print("%-16s" % "" + "".join("%8s" % calls for calls, _ in heads))
        print("%-16s" % "points" + "".join("%8s" % what for _, what in heads) + "  failed")
        for case in CASES:
            if self.sum(case=case):
                cells = [self.sum(case=case, calls=calls, what=what) for calls, what in heads]
                print("%-16s" % case + "".join("%8d" % n for n in cells) +
                      "%8d" % sum(failed == case for failed, _ in self.failures))
        for result, count in sorted(self.results.items()):
            print("%6d %s" % (count, result))
        print("%6d points, %d cases" % (self.sum(), len({case for case, _, _ in self.counts})))


def try_and_note(run, name, point, table):
    try:
        if not run.case.is_look:
            run.restart()
        table.note(name, point, run.try_point(point))
    except (Failure, subprocess.TimeoutExpired) as failure:
        table.fail(name, point, failure)
        run.bench.recover()
        if run.case.is_look:
            run.start()
            run.hear()


def run_case(bench, name, args, table, end):
    rng = random.Random(args.seed)
    kinds = [kind for kind in args.calls or ("changes", "reads", "memory")
             if not CASES[name].is_look or kind != "changes"]
    if not kinds:
        return
    run = Run(bench, name, kinds)
    for tried, point in enumerate(run.points(rng, args.errnos, args.share)):
        if tried and time.monotonic() > end:
            break
        try_and_note(run, name, point, table)
    if run.case.is_look:
        run.expect(bench.whole(), run.old, "only looked at")
    if run.case.is_next:
        bench.must("down", tool=NEXT)
    print("%-16s %d points" % (name, table.sum(case=name)), flush=True)


def run_point(bench, text, table):
    name, what, number, errno, *calls = text.split(":")
    kind = (calls or ["changes"])[0]
    run = Run(bench, name, [kind])
    call = next((c[1] for c in run.calls[kind] if c[0] == int(number)), "?")
    print("%s of %d calls: %s" % (number, len(run.calls[kind]), call))
    try_and_note(run, name, Point(kind, what, int(number), errno, call), table)


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--calls", action="append", choices=("changes", "reads", "memory"))
    parser.add_argument("--point", action="append", default=[])
    parser.add_argument("--share", type=float, default=1)
    parser.add_argument("--errnos", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def main():
    args = parse_arguments()
    bench, table = Bench(), Table()
    for state in ("OLD", "RICH"):
        bench.must("apply " + state)
    bench.must("down")
    nothing = bench.whole()
    begin = time.monotonic()
    for text in args.point:
        run_point(bench, text, table)
    names = [] if args.point else args.case or (QUICK if args.quick else list(CASES))
    for n, name in enumerate(names):
        share = begin + args.seconds * (n + 1) / len(names)
        try:
            run_case(bench, name, args, table, share)
        except Failure as failure:
            table.fail(name, Point("changes", "fail", 0, "ENOMEM", ""), "without a fault: %s" % failure)
            bench.recover()
    bench.must("down")
    rest = bench.whole()
    note_left()
    if rest != nothing:
        table.results["failed"] += 1
        print("FAILED: down left something: %s" % told(nothing, rest))
    table.show()
    sys.exit(1 if table.results["failed"] else 0)


main()
