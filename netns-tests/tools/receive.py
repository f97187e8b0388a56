#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints what arrives by UDP: receive.py PORT. READY, then for each datagram a line of its payload,
which is text, and the DSCP, the ECN field and the TTL of its IP header."""

import selectors
import socket
import struct
import sys

IP_RECVTTL, IP_RECVTOS, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS = 12, 13, 51, 66


def listen(family, port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    sock.bind(("", port))
    return sock


def number(data):
    """The kernel gives the IPv4 TOS as a byte, the others as integers."""
    return data[0] if len(data) == 1 else struct.unpack("i", data)[0]


def main():
    events = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        events.register(listen(family, int(sys.argv[1])), selectors.EVENT_READ)
    print("READY", flush=True)
    while True:
        for entry, _ in events.select():
            data, control, _, _ = entry.fileobj.recvmsg(1 << 16, 256)
            fields = {kind: number(value) for _, kind, value in control}
            tos = fields.get(socket.IP_TOS, fields.get(socket.IPV6_TCLASS, 0))
            ttl = fields.get(socket.IP_TTL, fields.get(socket.IPV6_HOPLIMIT))
            print(data.decode(), tos >> 2, tos & 3, ttl, flush=True)


if __name__ == "__main__":
    main()
