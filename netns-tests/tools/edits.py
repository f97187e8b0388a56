#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random small changes of rules and sets, one command or short batch each, compared with a list that is
changed here.

  edits.py change SEED STEPS FILE KILLS -- CULVERT...   makes that many changes by running CULVERT..., some of
                                    which are killed on their way and then repaired; leaves in FILE
                                    the state as it should be then. Prints how many there were, and how many
                                    left the other rules alone.
  edits.py send SEED COUNT IFACE    sends packets that rules of `change` may match
"""

import random
import socket
import struct
import subprocess
import sys

HEAD = """devices:
  e0: {ingress: true, egress: true}
apps:
  one: {comm: one}
  two: {comm: two}
tunnels:
  blue: {mode: gre, local: 192.0.2.1, remote: 198.51.100.1}
sets:
"""
PREFIXES = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0", "192.0.2.0/24")
LONG = "80,443,8000-8010,9000,10000-20000"


class State:
    """What the rules and sets should be; a dict keeps the order of adding."""

    def __init__(self, chance):
        self.chance = chance
        self.sets = {"ports": ("port", "80,443"), "nets": ("prefix", "10.1.0.0/16,192.0.2.0/24")}
        self.rules = {}

    def copy(self):
        other = State(self.chance)
        other.sets, other.rules = dict(self.sets), dict(self.rules)
        return other

    def text(self):
        lines = [HEAD]
        for name, (kind, elements) in self.sets.items():
            lines.append(f"  {name}: {{type: {kind}, elements: [{elements}]}}\n")
        lines.append("rules:\n")
        for name, (prio, match, action) in self.rules.items():
            words = [f"prio: {prio}"] if prio is not None else []
            for group, pairs in (("match", match), ("action", action)):
                inner = ", ".join(f'{word}: "{value}"' for word, value in pairs)
                words.append(f"{group}: {{{inner}}}")
            lines.append(f"  {name}: {{{', '.join(words)}}}\n")
        return "".join(lines)

    def random_match(self):
        chance = self.chance
        match = []
        if chance.random() < 0.3:
            match.append(("dir", chance.choice(("in", "out"))))
        if chance.random() < 0.15:
            match.append(("app", chance.choice(("one", "two", "any", "none"))))
        if chance.random() < 0.5:
            match.append(("src", chance.choice(PREFIXES + ("@nets", "not 10.1.2.0/24"))))
        if chance.random() < 0.3:
            match.append(("dst", chance.choice(PREFIXES + ("@nets", "10.1.0.0/16,10.3.0.0/16"))))
        if chance.random() < 0.6:
            match.append(("proto", chance.choice(("tcp", "udp"))))
            ports = ("80", "1000-2000", "@ports", "not 80,443", "5,6,7", LONG)
            match.append(("dport", chance.choice(ports)))
            if match[-2][1] == "tcp" and chance.random() < 0.2:
                match.append(("tcp-flags", "syn/syn+ack"))
        if chance.random() < 0.1:
            match.append(("dscp", chance.choice(("0", "8", "46"))))
        return match

    def random_rule(self):
        chance = self.chance
        match = self.random_match()
        action = []
        if chance.random() < 0.3:
            action.append(("mark", f"{chance.randrange(1, 16)}/15"))
        if chance.random() < 0.3:
            action.append(("dscp", str(chance.randrange(0, 64))))
        if chance.random() < 0.15:
            action.append(("police", f"{chance.randrange(1, 100)}gbit"))
        verdict = chance.choice(("accept", "drop", "continue", "continue", None))
        if verdict:
            action.append(("verdict", verdict))
        prio = chance.choice((None, 1, 10, 10, 20, 1000, 4000000000))
        return prio, match, action

    def random_change(self):
        """One command, whose effect is made here, too."""
        chance = self.chance
        kind = chance.choice(("add", "add", "replace", "replace", "del", "set"))
        if len(self.rules) > 60:
            kind = chance.choice(("del", "replace"))
        if kind == "set":
            name = chance.choice(sorted(self.sets))
            if name == "ports":
                elements = ",".join(str(chance.randrange(1, 3000)) for _ in range(chance.randrange(1, 9)))
            else:
                elements = ",".join(chance.sample(PREFIXES, chance.randrange(1, 4)))
            self.sets[name] = (self.sets[name][0], elements)
            return ["set", "replace", name, "type", self.sets[name][0], "elements", elements]
        free = [f"r{i}" for i in range(80) if f"r{i}" not in self.rules]
        if kind == "add" or not self.rules:
            name = chance.choice(free)
            kind = "add"
        else:
            name = chance.choice(sorted(self.rules))
        if kind == "del":
            del self.rules[name]
            return ["rule", "del", name]
        prio, match, action = self.random_rule()
        if kind == "replace" and chance.random() < 0.5:
            prio = self.rules[name][0]
        self.rules[name] = (prio, match, action)
        words = ["rule", kind, name]
        if prio is not None:
            words += ["prio", str(prio)]
        for group, pairs in (("match", match), ("action", action)):
            words += [group] if pairs else []
            for word, value in pairs:
                if word == "verdict":
                    words.append(value)
                else:
                    words += [word] + (value.split(" ", 1) if value.startswith("not ") else [value])
        return words


def quote(word):
    return f"'{word}'"


def run(command, words, **options):
    return subprocess.run(command + words, capture_output=True, text=True, check=False, **options)


def check(command, state, what):
    """Fails unless text and kernel have that state."""
    done = run(command, ["diff", "-"], input=state.text())
    if done.returncode:
        print(state.text(), file=sys.stderr)
        sys.exit(f"diff after {what}: status {done.returncode}: {done.stdout}{done.stderr}")


def kill_on_the_way(command, words, chance):
    """Ends a change somewhere, and brings back a whole state."""
    child = subprocess.Popen(
        command + words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        child.wait(timeout=chance.random() * 0.03)
    except subprocess.TimeoutExpired:
        child.kill()
    child.wait()
    done = run(command, ["-q", "repair"])
    if done.returncode:
        sys.exit(f"repair: status {done.returncode}: {done.stderr}")


def saved_rules(command):
    return run(command, ["save"]).stdout


def change(seed, steps, path, kills, command):
    chance = random.Random(seed)
    state = State(chance)
    for number in range(5):
        state.rules[f"r{number}"] = state.random_rule()
    done = run(command, ["apply", "-"], input=state.text())
    if done.returncode:
        sys.exit(f"apply: {done.stderr}")
    alone = 0
    killed = {chance.randrange(steps) for _ in range(kills)}
    for step in range(steps):
        before = state.copy()
        commands = [state.random_change() for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        if not state.rules:
            state = before
            continue
        if len(commands) == 1:
            words = ["-v"] + commands[0]
            if step in killed:
                text = saved_rules(command)
                kill_on_the_way(command, words, chance)
                state = before if saved_rules(command) == text else state
                check(command, state, f"{words}, killed")
                continue
            done = run(command, words)
        else:
            batch = "".join(" ".join(map(quote, words)) + "\n" for words in commands)
            done = run(command, ["-v", "-batch", "-"], input=batch)
        if done.returncode:
            sys.exit(f"{commands}: status {done.returncode}: {done.stderr}")
        alone += "not looked at" in done.stderr
        if step % 10 == 0:
            check(command, state, str(commands))
    check(command, state, "all")
    with open(path, "w", encoding="ascii") as file:
        file.write(state.text())
    print(steps, alone)


def send(seed, count, interface):
    """Ethernet frames to everybody's address, without checksums: rules do not ask for them."""
    chance = random.Random(seed)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    addresses = ("10.1.2.3", "10.1.2.4", "10.1.9.9", "10.3.0.1", "10.9.9.9", "192.0.2.77", "203.0.113.9")
    for _ in range(count):
        proto = chance.choice((6, 17))
        port = chance.choice((5, 6, 80, 81, 443, 1500, 8005, 9000, 15000, chance.randrange(1, 3000)))
        if proto == 6:
            flags = chance.choice((0x02, 0x10, 0x12))
            rest = struct.pack("!HHIIBBHHH", 4000, port, 1, 1, 0x50, flags, 1000, 0, 0)
        else:
            rest = struct.pack("!HHHH", 4000, port, 8, 0)
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, chance.choice((0, 32, 184)), 20 + len(rest), 0, 0, 64, proto, 0,
            socket.inet_aton(chance.choice(addresses)), socket.inet_aton(chance.choice(addresses)),
        )
        sock.send(b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + header + rest)


if sys.argv[1] == "send":
    send(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    at = sys.argv.index("--")
    change(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), sys.argv[at + 1 :])
