#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Judges whom packets were taken for: a table of cases, exit status 1 if one of them is wrong.

  whose.py FRAMES CASES ANSWERS OWNER=DSCP...

FRAMES: what frames.py made of a capture in which a rule of each app had written its DSCP.
CASES, a line each, with tabs between:
  call PORT SYN REST TEXT     of a client that said who it is to PORT, by a datagram and a connection
                              in each family: whose its SYNs are, and its datagrams, data and FINs
  stream, datagram            the same by connections alone, by datagrams alone
  serve PORT SYN REST TEXT    of a server on PORT. SYN and REST are pairs WHO:WHOSE, with commas
                              between: who answered, and whose the packets were; SYN-ACKs may have
                              fewer pairs
ANSWERS: who answered, a line each: PORT tcp|udp FAMILY PORT-OF-THE-CLIENT NAME.

ACKs without data are not judged: between a SYN and the first use of the socket the kernel sends
them for a process that it has not seen yet.
"""

import collections
import json
import sys

TCP, UDP = 6, 17
CONNECTION = 4  # packets, at least


class Judge:
    def __init__(self, frames, owners, answers):
        self.names = {dscp: name for name, dscp in owners.items()}
        self.answers = answers
        self.calls = collections.defaultdict(list)
        self.replies = collections.defaultdict(list)
        for packet in (frame["outer"] for frame in frames if "outer" in frame):
            self.calls[packet["dport"]].append(packet)
            self.replies[packet["sport"]].append(packet)

    def owner(self, packet):
        return self.names.get(packet["dscp"], "dscp-%d" % packet["dscp"])

    def flow(self, packet):
        transport = "tcp" if packet["proto"] == TCP else "udp"
        return packet["sport"], transport, packet["family"], packet["dport"]

    def pair(self, packet):
        return "%s:%s" % (self.answers.get(self.flow(packet), "?"), self.owner(packet))

    @staticmethod
    def parted(packets, name):
        """What `name` says of SYNs, and of datagrams, data and FINs."""
        syn = {name(packet) for packet in packets if "S" in (packet["flags"] or "")}
        rest = {
            name(packet)
            for packet in packets
            if packet["flags"] is None or set("PF") & set(packet["flags"])
        }
        return syn, rest

    def call(self, port, syn, rest, kinds=(TCP, UDP)):
        packets = self.calls[port]
        seen = self.parted(packets, self.owner)
        count = collections.Counter((packet["family"], packet["proto"]) for packet in packets)
        least = {(family, kind): 1 if kind == UDP else CONNECTION for family in (4, 6) for kind in kinds}
        is_whole = least.keys() == count.keys() and all(count[key] >= least[key] for key in least)
        if TCP not in kinds:
            syn = set()
        return len(packets), seen, is_whole and seen == (syn, rest)

    def stream(self, port, syn, rest):
        return self.call(port, syn, rest, (TCP,))

    def datagram(self, port, syn, rest):
        return self.call(port, syn, rest, (UDP,))

    def serve(self, port, syn, rest):
        packets = self.replies[port]
        seen = self.parted(packets, self.pair)
        asked = {flow for flow in self.answers if flow[0] == port}
        is_whole = asked and asked == {self.flow(packet) for packet in packets}
        return len(packets), seen, bool(is_whole and seen[0] and seen[0] <= syn and seen[1] == rest)


def joined(owners):
    syn, rest = (",".join(sorted(names)) or "-" for names in owners)
    return rest if syn == rest else "%s > %s" % (syn, rest)


def read_answers(path):
    answers = {}
    with open(path) as file:
        for line in file:
            port, transport, family, client, name = line.split()
            answers[int(port), transport, int(family), int(client)] = name
    return answers


def main():
    frames_path, cases_path, answers_path, *owners = sys.argv[1:]
    with open(frames_path) as file:
        frames = json.load(file)
    owners = {name: int(dscp) for name, dscp in (word.split("=") for word in owners)}
    judge = Judge(frames, owners, read_answers(answers_path))
    wrong = 0
    with open(cases_path) as file:
        cases = [line.rstrip("\n").split("\t") for line in file]
    print("%-56s %7s  %s" % ("case: SYN > rest, who:whose of servers", "packets", "whose they are"))
    for kind, port, syn, rest, text in cases:
        wanted = set(syn.split(",")), set(rest.split(","))
        packets, seen, is_right = getattr(judge, kind)(int(port), *wanted)
        verdict = joined(seen) if is_right else "%s WRONG, not %s" % (joined(seen), joined(wanted))
        print("%-56s %7d  %s" % (text, packets, verdict))
        wrong += not is_right
    print("%d of %d cases are wrong" % (wrong, len(cases)))
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
