#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Traffic for the tests: echo servers and clients, and a random byte stream.

Run by a copy of the interpreter, so that the copy is the executable that an `app` selects. Every
operation of a client opens a socket of its own, so that each has a first packet. Standard library
only. Exit status 0: all came back as sent; 1: some did not, the count is printed.

  traffic.py server PORT...                       TCP and UDP echo, IPv4 and IPv6; prints READY
  traffic.py tcp|udp|udpc|ping N ADDR[,ADDR...] [--port P] [--size B] ...
                                                  udp: sendto(); udpc: connect() and send();
                                                  --size A,B,...: every size to every address
  traffic.py datagrams PORT COUNT                 prints READY; takes COUNT datagrams and prints
                                                  sha256 and length of all, in the order they were sent
  traffic.py segments ADDR PORT WRITES [--size B] [--parts N]
                                                  each write is N datagrams of B bytes, less in the
                                                  last one (UDP_SEGMENT); prints: sha256 bytes
  traffic.py sink PORT [--count N] [--sctp]       prints READY, then per connection: sha256 bytes
  traffic.py send ADDR[,ADDR...] PORT BYTES [--seed N] [--sctp]
                                                  prints per connection, in order: sha256 bytes
"""

import argparse
import hashlib
import os
import random
import selectors
import socket
import struct
import sys
import time

CHUNK = 1 << 16
UDP_SEGMENT = 103
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 64 << 20
NUMBER = struct.Struct("!Q")  # begins each datagram


def family_of(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def listen_on(family, kind, port, proto=0):
    sock = socket.socket(family, kind, proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(256)
    return sock


def serve(ports):
    events = selectors.DefaultSelector()
    for port in ports:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = listen_on(family, kind, port)
                role = "listener" if kind == socket.SOCK_STREAM else "udp"
                events.register(sock, selectors.EVENT_READ, role)
    print("READY", flush=True)
    while True:
        for entry, _ in events.select():
            sock = entry.fileobj
            if entry.data == "listener":
                events.register(sock.accept()[0], selectors.EVENT_READ, "tcp")
            elif entry.data == "udp":
                try:
                    sock.sendto(*sock.recvfrom(CHUNK))
                except OSError:
                    pass  # the answer's destination is gone
            else:
                try:
                    data = sock.recv(CHUNK)
                    if data:
                        sock.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    events.unregister(sock)
                    sock.close()


def payload_of(number, size):
    """Bytes that differ from those of any other operation of any other process."""
    return random.Random(os.getpid() << 32 | number).randbytes(size)


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def one_tcp(sock, where, payload):
    sock.connect(where)
    sock.sendall(payload)
    return receive_exactly(sock, len(payload)) == payload


def one_udp(sock, where, payload):
    sock.sendto(payload, where)
    data, sender = sock.recvfrom(CHUNK)
    return data == payload and sender[:2] == where[:2]


def one_udp_connected(sock, where, payload):
    sock.connect(where)
    sock.send(payload)
    return sock.recv(CHUNK) == payload


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ping_socket(family):
    """A datagram ping socket, or a raw one where this user may not have the former."""
    proto = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, proto)
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, proto)


def one_ping(sock, where, payload):
    v6 = sock.family == socket.AF_INET6
    request, reply = (128, 129) if v6 else (8, 0)
    ident = os.getpid() & 0xFFFF
    body = struct.pack("!HH", ident, 1) + payload
    csum = 0 if v6 else checksum(struct.pack("!BBH", request, 0, 0) + body)
    sock.sendto(struct.pack("!BBH", request, 0, csum) + body, where)
    end = time.monotonic() + sock.gettimeout()
    while time.monotonic() < end:
        data, sender = sock.recvfrom(CHUNK)
        if sock.type == socket.SOCK_RAW and not v6:
            data = data[(data[0] & 15) * 4 :]
        if data[0] == reply and data[8:] == payload and sender[0] == where[0]:
            return True
    return False


def run_operation(args, number):
    """What went wrong with one operation, None if nothing did."""
    one = {"tcp": one_tcp, "udp": one_udp, "udpc": one_udp_connected, "ping": one_ping}[args.mode]
    kind = socket.SOCK_STREAM if args.mode == "tcp" else socket.SOCK_DGRAM
    addr = args.to[number % len(args.to)]
    size = args.size[number // len(args.to) % len(args.size)]
    family = family_of(addr)
    port = 0 if args.mode == "ping" else args.port
    try:
        with ping_socket(family) if args.mode == "ping" else socket.socket(family, kind) as sock:
            sock.settimeout(args.timeout)
            for source in args.bind:
                if family_of(source) == family:
                    sock.bind((source, 0))
            ok = one(sock, (addr, port), payload_of(number, size))
    except OSError as error:
        return "%s: %d bytes: %s" % (addr, size, error)
    return None if ok else "%s: wrong answer" % addr


def run_client(args):
    failures = []
    for number in range(args.count):
        fault = run_operation(args, number)
        end = time.monotonic() + args.retry
        while fault and time.monotonic() < end:
            fault = run_operation(args, number)
        if fault:
            failures.append(fault)
        if len(failures) >= args.give_up:
            break
    print("%s: %d of %d failed" % (args.mode, len(failures), args.count))
    for text in sorted(set(failures)):
        print("  %s (%d times)" % (text, failures.count(text)))
    return 1 if failures else 0


def stream_proto(args):
    return socket.IPPROTO_SCTP if args.sctp else socket.IPPROTO_TCP


def run_sink(args):
    listeners = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        listeners.register(
            listen_on(family, socket.SOCK_STREAM, args.port, stream_proto(args)),
            selectors.EVENT_READ,
        )
    print("READY", flush=True)
    for _ in range(args.count):
        conn = listeners.select()[0][0].fileobj.accept()[0]
        conn.settimeout(60)
        digest, size = hashlib.sha256(), 0
        while True:
            data = conn.recv(1 << 20)
            if not data:
                break
            digest.update(data)
            size += len(data)
        conn.close()
        print(digest.hexdigest(), size, flush=True)
    return 0


def run_send(args):
    for number, addr in enumerate(args.to):
        source = random.Random(args.seed + number)
        digest, left = hashlib.sha256(), args.bytes
        with socket.socket(family_of(addr), socket.SOCK_STREAM, stream_proto(args)) as sock:
            sock.settimeout(60)
            sock.connect((addr, args.port))
            while left:
                data = source.randbytes(min(left, CHUNK))
                digest.update(data)
                sock.sendall(data)
                left -= len(data)
            sock.shutdown(socket.SHUT_WR)
            if not args.sctp:  # whose sockets read nothing after a shutdown
                sock.recv(1)  # the receiver closes when it has everything
        print(digest.hexdigest(), args.bytes, flush=True)
    return 0


def run_datagrams(args):
    events = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        sock = listen_on(family, socket.SOCK_DGRAM, args.port)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        events.register(sock, selectors.EVENT_READ)
    print("READY", flush=True)
    received = []
    while len(received) < args.count:
        ready = events.select(timeout=args.timeout)
        if not ready:
            print("%d of %d datagrams came" % (len(received), args.count))
            return 1
        data, sender = ready[0][0].fileobj.recvfrom(CHUNK)
        received.append(data)
        ready[0][0].fileobj.sendto(data[: NUMBER.size], sender)  # what the sender waits for
    received.sort(key=lambda data: NUMBER.unpack_from(data))
    every = b"".join(received)
    print(hashlib.sha256(every).hexdigest(), len(every), flush=True)
    return 0


def run_segments(args):
    """No more than one write is on its way: nothing is lost in a queue."""
    source = random.Random(args.seed)
    digest, total, number = hashlib.sha256(), 0, 0
    with socket.socket(family_of(args.addr), socket.SOCK_DGRAM) as sock:
        sock.settimeout(args.timeout)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, args.size)
        sock.connect((args.addr, args.port))
        for _ in range(args.writes):
            data = b""
            for part in range(args.parts):
                size = args.size if part + 1 < args.parts else max(NUMBER.size, args.size // 3)
                data += NUMBER.pack(number) + source.randbytes(size - NUMBER.size)
                number += 1
            sock.send(data)
            for _ in range(args.parts):
                sock.recv(CHUNK)
            digest.update(data)
            total += len(data)
    print(digest.hexdigest(), total)
    return 0


def addresses(text):
    return text.split(",")


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    server = modes.add_parser("server")
    server.add_argument("ports", type=int, nargs="+")
    for mode in ("tcp", "udp", "udpc", "ping"):
        client = modes.add_parser(mode)
        client.add_argument("count", type=int)
        client.add_argument("to", type=addresses)
        client.add_argument("--port", type=int, default=7000)
        client.add_argument("--bind", type=addresses, default=[])
        client.add_argument("--size", type=numbers, default=[64])
        client.add_argument("--timeout", type=float, default=5.0, help="seconds for one operation")
        client.add_argument(
            "--retry", type=float, default=0.0, help="seconds of trying anew with another socket"
        )
        client.add_argument("--give-up", type=int, default=8, help="stop after so many failures")
    sink = modes.add_parser("sink")
    sink.add_argument("port", type=int)
    sink.add_argument("--count", type=int, default=1)
    sink.add_argument("--sctp", action="store_true")
    send = modes.add_parser("send")
    send.add_argument("to", type=addresses)
    send.add_argument("port", type=int)
    send.add_argument("bytes", type=int)
    send.add_argument("--seed", type=int, default=1)
    send.add_argument("--sctp", action="store_true")
    datagrams = modes.add_parser("datagrams")
    datagrams.add_argument("port", type=int)
    datagrams.add_argument("count", type=int)
    datagrams.add_argument("--timeout", type=float, default=10.0)
    segments = modes.add_parser("segments")
    segments.add_argument("addr")
    segments.add_argument("port", type=int)
    segments.add_argument("writes", type=int)
    segments.add_argument("--size", type=int, default=1200)
    segments.add_argument("--parts", type=int, default=40)
    segments.add_argument("--seed", type=int, default=1)
    segments.add_argument("--timeout", type=float, default=5.0)
    args = parser.parse_args()
    if args.mode == "server":
        return serve(args.ports)
    others = {
        "datagrams": run_datagrams,
        "segments": run_segments,
        "sink": run_sink,
        "send": run_send,
    }
    return others.get(args.mode, run_client)(args)


if __name__ == "__main__":
    sys.exit(main())
