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

HERE = os.path.dirname(os.path.abspath(__file__))
WORK, CGROUP, CULVERT = os.environ["WORK"], os.environ["CGROUP"], os.environ["CULVERT"]
SHIM = os.environ["FAULT_SHIM"]
CLIENT = WORK + "/bin/client"
IDS = WORK + "/ids"
LOG = WORK + "/calls"

ERRNOS = {"ENOMEM": 12, "EINTR": 4, "ENOSPC": 28, "EPERM": 1, "EBUSY": 16, "EAGAIN": 11, "EIO": 5}
OK, REFUSED, LEFT, FORBIDDEN = 0, 2, 3, 5
KILLED = -9

# Calls that only this process sees: dying behind them is dying before the next one.
PRIVATE = ("bpf:map-create", "bpf:iterator", "bpf:prog-load", "bpf:btf-load", "bpf:map-freeze", "setsockopt", "setns",
           "mmap", "call:", "bpf:1", "bpf:3", "bpf:4", "bpf:7", "bpf:0")

# name: the state before (None: nothing), what is damaged before, the command, its standard input
Case = collections.namedtuple("Case", "before damage words text")
CASES = {
    "apply-new": Case(None, "", "apply OLD", None),
    "change": Case("OLD", "", "apply NEW", None),
    "change-back": Case("NEW", "", "apply OLD", None),
    "down": Case("OLD", "", "down", None),
    "rule-add": Case("OLD", "", "rule add more prio 2 match dir out dst 10.90.0.9 proto udp dport 5000 "
                     "action dscp 30", None),
    "rule-del": Case("OLD", "", "rule del dscp", None),
    "tunnel-replace": Case("OLD", "", "tunnel replace gre mode gre local 192.0.2.1 remote 198.18.21.1 key 3",
                           None),
    "tunnel-add": Case("OLD", "", "tunnel add gre2 mode gre local 192.0.2.1 remote 198.18.22.1 key 9", None),
    "route-add": Case("OLD", "", "route add 10.90.0.0/24 tunnel gre", None),
    "route-del": Case("OLD", "", "route del 10.11.0.0/16", None),
    "dev-add": Case("OLD", "", "dev add s1 ingress", None),
    "dev-del": Case("NEW", "", "dev del s1", None),
    "app-add": Case("OLD", "", "app add three uid 4103", None),
    "peer-add": Case("OLD", "", "peer add 10.30.9.0/24 remote 198.18.19.1 tunnel peers", None),
    "set-replace": Case("OLD", "", "set replace blocked type prefix elements 10.90.0.0/24", None),
    "batch": Case("OLD", "", "-batch -", "tunnel add blue mode gre local 192.0.2.1 remote 198.18.25.1 key 25\n"
                  "route replace 10.10.0.0/16 tunnel blue\nrule del rate\n"
                  "rule add late prio 40 match dir out dst 10.90.4.0/24 action drop\n"),
    "repair": Case("OLD", "tc filter del dev s0 ingress; tc qdisc del dev s0 clsact; ip route flush proto 201;"
                   " ip rule del pref 3000; ip rule del pref 3000", "repair", None),
}


def shell(text):
    subprocess.run(text, shell=True, check=False, capture_output=True)


class Bench:
    """One culvert, its namespace, and how it is run."""

    def __init__(self):
        self.files = {}
        for name in ("OLD", "NEW"):
            self.files[name] = "%s/%s.yaml" % (WORK, name.lower())
            with open("%s/%s.yaml" % (HERE, name.lower()), encoding="ascii") as file:
                text = file.read()
            with open(self.files[name], "w", encoding="ascii") as file:
                file.write(text.replace("CLIENT", CLIENT))
        self.looker = look.Looker(WORK, CGROUP, ("s0", "s1"))
        one, two = probe.Speaker("/usr/bin/python3", 4101), probe.Speaker(CLIENT, 4102)
        self.prober = probe.Prober("/run/netns/p", {"s0": "p0", "s1": "p1"}, [
            ("gre", None, "10.10.0.9", 5000), ("moved", None, "10.11.0.9", 5000),
            ("remotes", None, "10.20.0.9", 5000), ("peer", None, "10.30.0.9", 5000),
            ("app uid", one, "10.50.0.9", 5000), ("app exe", two, "10.60.0.9", 5000),
            ("six", None, "fd00:10::9", 5000), ("guard", None, "10.13.0.9", 5000),
            ("drop", None, "10.90.0.9", 5001), ("dscp", None, "10.90.0.9", 5000),
            ("set 1", None, "10.90.1.9", 5000), ("set 2", None, "10.90.2.9", 5000),
            ("rate", None, "10.90.3.9", 5000), ("late", None, "10.90.4.9", 5000)], [
                ("from gre 1", "s0", "gre", 1, "198.18.1.1", "192.0.2.1"),
                ("from gre 2", "s0", "gre", 2, "198.18.11.1", "192.0.2.1"),
                ("from gre 5", "s0", "gre", 5, "198.18.5.1", "192.0.2.1"),
                ("from gre 6", "s0", "gre", 6, "198.18.15.1", "192.0.2.1"),
                ("from gre by s1", "s1", "gre", 2, "198.18.11.1", "192.0.2.1"),
                ("from many", "s0", "gue", 0, "198.18.2.1", "192.0.2.1"),
                ("from many later", "s0", "gue", 0, "198.18.12.3", "192.0.2.1"),
                ("from peer", "s0", "ipip", 0, "198.18.3.1", "192.0.2.1"),
                ("from peer later", "s0", "ipip", 0, "198.18.14.1", "192.0.2.1"),
                ("from six", "s0", "vxlan", 7, "2001:db8:2::1", "2001:db8:1::1"),
                ("from six later", "s0", "vxlan", 8, "2001:db8:3::1", "2001:db8:1::1")])

    def culvert(self, words, text=None, **fault):
        """Runs culvert, with a fault in it or none; FAULT_AT=0 counts only."""
        words = [self.files.get(word, word) for word in words.split()]
        env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_IDS=IDS, **{k: str(v) for k, v in fault.items()})
        return subprocess.run([CULVERT, "--bpffs", WORK + "/bpf", "--state", WORK + "/state", "--cgroup", CGROUP,
                               *words], env=env, input=text, capture_output=True, text=True, check=False,
                              timeout=120, stdin=None if text else subprocess.DEVNULL)

    def must(self, words, text=None):
        done = self.culvert(words, text)
        if done.returncode:
            raise Failure("%s: exit status %d: %s" % (words, done.returncode, done.stderr.strip()))
        return done

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

    def __init__(self, bench, name):
        self.bench, self.name, self.case = bench, name, CASES[name]
        self.start()
        self.outcomes = [bench.prober.outcomes()]
        self.old = bench.whole()
        self.calls = self.count("changes")
        self.outcomes.append(bench.prober.outcomes())
        self.new = bench.whole()
        self.standing = None

    def start(self):
        """To the state before, whatever stands."""
        if self.case.before:
            self.bench.must("apply " + self.case.before)
        else:
            self.bench.must("down")
        shell(self.case.damage)

    def restart(self):
        """To the state before; what stands may be one of the two already."""
        self.start()
        here = self.bench.whole()
        if here != self.old:
            raise Failure("back at the beginning: %s" % told(self.old, here))

    def count(self, calls):
        """(number, name, result) of each counted call of the command, which is carried out."""
        if os.path.exists(LOG):
            os.unlink(LOG)
        done = self.bench.culvert(self.case.words, self.case.text, FAULT_CALLS=calls, FAULT_LOG=LOG)
        if done.returncode:
            raise Failure("%s without a fault: exit status %d: %s" % (self.name, done.returncode, done.stderr))
        with open(LOG, encoding="ascii") as file:
            return [(int(n), name, int(ret)) for n, name, ret in map(str.split, file)]

    # ---- points ----

    def points(self, rng, errnos, share):
        """What is to be tried: (what, number, errno, name of the call)."""
        all_points = [("kill", 1, "ENOMEM", self.calls[0][1])]
        codes = list(ERRNOS)
        for number, name, ret in self.calls:
            if ret >= 0 and not name.startswith(PRIVATE):
                all_points.append(("killed", number, "ENOMEM", name))
            for k in range(errnos):
                all_points.append(("fail", number, codes[(number + k) % len(codes)], name))
            all_points.append(("rest", number, codes[(number + 2) % len(codes)], name))
            if ret >= 0 and not name.startswith(PRIVATE):
                all_points.append(("after", number, codes[(number + 3) % len(codes)], name))
        rng.shuffle(all_points)
        return all_points[:max(1, int(len(all_points) * share))]

    def try_point(self, what, number, errno, calls="changes"):
        """One point from beginning to end; raises Failure."""
        if os.path.exists(LOG):
            os.unlink(LOG)
        done = self.bench.culvert(self.case.words, self.case.text, FAULT_CALLS=calls, FAULT_AT=number,
                                  FAULT_DO=what, FAULT_ERRNO=ERRNOS[errno], FAULT_LOG=LOG)
        status = done.returncode
        if what in ("kill", "killed"):
            if status != KILLED:
                raise Failure("not killed: exit status %d: %s" % (status, last_line(done.stderr)))
            return self.judge_death()
        if status < 0 or status not in (OK, REFUSED, LEFT, FORBIDDEN):
            raise Failure("exit status %d: %s" % (status, last_line(done.stderr)))
        return self.judge_error(status, done.stderr)

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
        if status in (REFUSED, FORBIDDEN):
            # Undoing is converging on the state, which is what repair does.
            if self.name != "repair" or here != self.new:
                self.expect(here, self.old, "exit status %d (%s)" % (status, last_line(text)))
            warned = self.bench.must("status").stderr if self.case.before else ""
            if "interrupted" in warned:
                raise Failure("exit status %d, and status warns: %s" % (status, last_line(warned)))
            return "undone"
        if self.name != "down" and "left" not in text:
            raise Failure("exit status 3, but what is left? %s" % last_line(text))
        self.mend(None)
        return "left and said so"

    def judge_death(self):
        self.expect_traffic()
        said = self.bench.must("status")
        words = said.stdout + said.stderr
        here = self.bench.whole()
        if "interrupted" not in words:
            if here not in (self.old, self.new):
                raise Failure("killed, status tells of no interruption, and it is neither state: %s" %
                              self.nearest(here))
            return "killed, nothing to mend"
        self.mend("old" if "the old state works" in words else "new")
        return "killed and mended"

    def mend(self, which):
        """repair leads to the state that is said to stand, and a second one has nothing to do."""
        self.bench.must("repair")
        here = self.bench.whole()
        if which and self.name == "repair":
            which = "new" # the state of both is one, and before it was damaged
        if which:
            self.expect(here, self.old if which == "old" else self.new, "repaired to the %s state" % which)
        elif here not in (self.old, self.new):
            raise Failure("repaired to neither state: %s" % self.nearest(here))
        again = self.bench.must("-j repair").stdout.strip()
        if again not in ("", "[]"):
            raise Failure("a second repair did something: %s" % again[:200])
        said = self.bench.must("status").stderr
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
            if outcome != probe.LOST and all(part in pair for part, *pair in zip(outcome, before, after)):
                continue
            if outcome in (before, after):
                continue
            raise Failure("probe %s: %s, before it was %s, behind it %s" % (
                name, " ".join(outcome), " ".join(before), " ".join(after)))


def told(wanted, here):
    lines = look.differences(wanted, here)
    return "; ".join(lines[:4]) + ("; and %d more" % (len(lines) - 4) if len(lines) > 4 else "")


def last_line(text):
    return (text.strip().splitlines() or ["(nothing)"])[-1]


def faulty_call():
    """Name of the call that was the last fault."""
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

    def note(self, case, what, result):
        self.counts[case, what] += 1
        self.results[result] += 1

    def fail(self, case, point, text):
        self.counts[case, point[0]] += 1
        self.counts[case, point[0], "failed"] += 1
        self.results["failed"] += 1
        self.failures.append("%s:%s:%d:%s" % (case, *point[:3]))
        print("FAILED --point %s (%s): %s" % (self.failures[-1], faulty_call(), text), flush=True)

    def show(self):
        kinds = ("fail", "rest", "after", "kill", "killed")
        print("%-16s" % "points (failed)" + "".join("%14s" % kind for kind in kinds))
        for case in CASES:
            if any(self.counts[case, kind] for kind in kinds):
                print("%-16s" % case + "".join("%14s" % (
                    "%d (%d)" % (self.counts[case, kind], self.counts[case, kind, "failed"])) for kind in kinds))
        for result, count in sorted(self.results.items()):
            print("%6d %s" % (count, result))


def run_case(bench, name, args, table, end):
    rng = random.Random(args.seed)
    run = Run(bench, name)
    for tried, point in enumerate(run.points(rng, args.errnos, args.share)):
        if tried and time.monotonic() > end:
            return
        try:
            run.restart()
            table.note(name, point[0], run.try_point(*point[:3]))
        except (Failure, subprocess.TimeoutExpired) as failure:
            table.fail(name, point, failure)
            bench.must("down")


def run_point(bench, text, table):
    name, what, number, errno = text.split(":")
    run = Run(bench, name)
    call = next((c[1] for c in run.calls if c[0] == int(number)), "?")
    point = (what, int(number), errno, call)
    print("%s of %d calls: %s" % (number, len(run.calls), call))
    try:
        run.restart()
        table.note(name, what, run.try_point(*point[:3]))
    except Failure as failure:
        table.fail(name, point, failure)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--point", action="append", default=[])
    parser.add_argument("--share", type=float, default=1)
    parser.add_argument("--errnos", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bench, table = Bench(), Table()
    bench.must("apply OLD")
    bench.must("down")
    nothing = bench.whole()
    begin = time.monotonic()
    for text in args.point:
        run_point(bench, text, table)
    names = [] if args.point else args.case or list(CASES)
    for n, name in enumerate(names):
        share = begin + args.seconds * (n + 1) / len(names)
        try:
            run_case(bench, name, args, table, share)
        except Failure as failure:
            table.fail(name, ("fail", 0, "ENOMEM", "without a fault"), failure)
    bench.must("down")
    rest = bench.whole()
    note_left()
    if rest != nothing:
        table.results["failed"] += 1
        print("FAILED: down left something: %s" % told(nothing, rest))
    table.show()
    sys.exit(1 if table.results["failed"] else 0)


main()
