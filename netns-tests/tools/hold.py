#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets that are opened once and held, for tests of what becomes of them later.

Run by a copy of the interpreter, as traffic.py. Commands come on stdin, one a line, and each is
answered by one line. Standard library only.

  hold.py kinds COUNT ADDR[,ADDR...] [--port P] [--listen Q]
        opens COUNT sockets of each kind to each address, where an echo server is on port P (MPTCP
        falls back to TCP there), and
        listens on port Q of every address of its own; uses all once; prints READY.
        use:        sends on each socket and waits for the answer
        accept N:   accepts the N connections that wait, and uses all from then on
        Answers: "KIND N, KIND N, ..." when all came back, else what did not.
  hold.py peer COUNT ADDR[,ADDR...] --port P
        connects COUNT times to each address, prints READY and sends back what it gets.
        ask:        sends on each connection; answers "asked" when the other end's kernel has it all
  hold.py many UDP TCP
        UDP datagram sockets and TCP connections to itself (two sockets each); prints READY.
"""

import argparse
import fcntl
import os
import resource
import selectors
import socket
import struct
import sys
import termios
import time

from traffic import CHUNK, addresses, checksum, family_of, listen_on, receive_exactly

PAYLOAD = b"held since before"
ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
ICMP = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
IPPROTO_MPTCP = 262
TIMEOUT_SECONDS = 5.0


class Held:
    """A socket with how to use it."""

    def __init__(self, sock, where):
        sock.settimeout(TIMEOUT_SECONDS)
        self.sock, self.where = sock, where


class Tcp(Held):
    kind = "tcp"

    def use(self):
        self.sock.sendall(PAYLOAD)
        return receive_exactly(self.sock, len(PAYLOAD)) == PAYLOAD


class Accepted(Tcp):
    """Those that were asked something have the question to read before the answer; it is the same."""

    kind = "accepted"


class Udp(Held):
    kind = "udp"

    def use(self):
        self.sock.sendto(PAYLOAD, self.where)
        return self.sock.recvfrom(CHUNK)[0] == PAYLOAD


class UdpConnected(Held):
    kind = "udpc"

    def use(self):
        self.sock.send(PAYLOAD)
        return self.sock.recv(CHUNK) == PAYLOAD


class Ping(Held):
    kind = "ping"

    def use(self):
        request, reply = ECHO[self.sock.family]
        head = struct.pack("!HH", os.getpid() & 0xFFFF, self.sock.fileno())
        csum = 0
        if self.sock.family == socket.AF_INET:
            csum = checksum(struct.pack("!BBH", request, 0, 0) + head + PAYLOAD)
        self.sock.sendto(struct.pack("!BBH", request, 0, csum) + head + PAYLOAD, self.where)
        while True:
            data = self.sock.recv(CHUNK)
            if self.sock.type == socket.SOCK_RAW and self.sock.family == socket.AF_INET:
                data = data[(data[0] & 15) * 4 :]
            # A raw socket gets those of the others, too.
            same = self.sock.type == socket.SOCK_DGRAM or data[4:8] == head
            if data[0] == reply and same:
                return data[8:] == PAYLOAD


class Raw(Ping):
    kind = "raw"


class Mptcp(Tcp):
    kind = "mptcp"


def connected(kind, addr, port, proto=0):
    sock = socket.socket(family_of(addr), kind, proto)
    sock.connect((addr, port))
    return sock


def open_kinds(addr, port):
    family = family_of(addr)
    yield Tcp(connected(socket.SOCK_STREAM, addr, port), None)
    if os.path.exists("/proc/sys/net/mptcp"):
        yield Mptcp(connected(socket.SOCK_STREAM, addr, port, IPPROTO_MPTCP), None)
    yield Udp(socket.socket(family, socket.SOCK_DGRAM), (addr, port))
    yield UdpConnected(connected(socket.SOCK_DGRAM, addr, port), None)
    yield Ping(socket.socket(family, socket.SOCK_DGRAM, ICMP[family]), (addr, 0))
    yield Raw(socket.socket(family, socket.SOCK_RAW, ICMP[family]), (addr, 0))


def use_all(held):
    counts, faults = {}, []
    for one in held:
        try:
            if one.use():
                counts[one.kind] = counts.get(one.kind, 0) + 1
            else:
                faults.append("%s: wrong answer" % one.kind)
        except OSError as error:
            faults.append("%s: %s" % (one.kind, error))
    return "; ".join(faults) or ", ".join("%s %d" % item for item in sorted(counts.items()))


def accept(listeners, count):
    events = selectors.DefaultSelector()
    for listener in listeners:
        events.register(listener, selectors.EVENT_READ)
    while count:
        for entry, _ in events.select(TIMEOUT_SECONDS):
            yield Accepted(entry.fileobj.accept()[0], None)
            count -= 1
            if not count:
                return


def run_kinds(args):
    listeners = [
        listen_on(family, socket.SOCK_STREAM, args.listen)
        for family in (socket.AF_INET, socket.AF_INET6)
        if args.listen
    ]
    held = []
    for addr in args.to:
        for _ in range(args.count):
            held.extend(open_kinds(addr, args.port))
    use_all(held)
    print("READY", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "accept":
            held.extend(accept(listeners, int(words[1])))
        print(use_all(held), flush=True)


def unacknowledged(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def ask_all(connections):
    for sock in connections:
        sock.sendall(PAYLOAD)
    end = time.monotonic() + TIMEOUT_SECONDS
    while any(unacknowledged(sock) for sock in connections):
        if time.monotonic() > end:
            return "not acknowledged"
        os.sched_yield()
    return "asked"


def run_peer(args):
    events = selectors.DefaultSelector()
    connections = [
        connected(socket.SOCK_STREAM, addr, args.port)
        for addr in args.to
        for _ in range(args.count)
    ]
    for readable in connections + [sys.stdin]:
        events.register(readable, selectors.EVENT_READ)
    print("READY", flush=True)
    while True:
        for entry, _ in events.select():
            if entry.fileobj is sys.stdin:
                sys.stdin.readline()
                print(ask_all(connections), flush=True)
                continue
            data = entry.fileobj.recv(CHUNK)
            if not data:
                return
            entry.fileobj.sendall(data)


def run_many(args):
    limit = max(resource.getrlimit(resource.RLIMIT_NOFILE)[1], args.udp + 2 * args.tcp + 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(args.udp)]
    listener = listen_on(socket.AF_INET, socket.SOCK_STREAM, 0)
    for _ in range(args.tcp):
        held.append(connected(socket.SOCK_STREAM, "127.0.0.1", listener.getsockname()[1]))
        held.append(listener.accept()[0])
    print("READY", flush=True)
    sys.stdin.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in ("kinds", "peer"):
        one = modes.add_parser(mode)
        one.add_argument("count", type=int)
        one.add_argument("to", type=addresses)
        one.add_argument("--port", type=int, default=7000)
        one.add_argument("--listen", type=int, default=0)
    many = modes.add_parser("many")
    many.add_argument("udp", type=int)
    many.add_argument("tcp", type=int)
    args = parser.parse_args()
    {"kinds": run_kinds, "peer": run_peer, "many": run_many}[args.mode](args)


if __name__ == "__main__":
    main()
