#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kinds of packets that traffic.py does not send. Run by a copy of the interpreter, as that one is.

  kinds.py reset ADDR PORT             TCP echo, then a close that sends RST
  kinds.py first ADDR PORT             TCP echo, closed by this end first; prints its port
  kinds.py mptcp ADDR PORT             MPTCP echo
  kinds.py mptcp-server PORT           prints READY; MPTCP echo, both families
  kinds.py raw ADDR                    5000 bytes by a raw socket, protocol 253
  kinds.py frame IFACE MAC SRC DST PORT [TAG]
                                       UDP by an AF_PACKET socket to MAC, behind a VLAN tag
  kinds.py spread ADDR PORT COUNT      datagrams that are answered, each from a socket of its own
  kinds.py group PORT COUNT            prints READY; that many sockets share the UDP port. At
                                       SIGTERM: how many datagrams they received
  kinds.py same PORT ADDR4 ADDR6 GO    prints READY, waits for a writer of the fifo GO, then TCP and UDP
                                       echo with both, from source ports that are always the same
"""

import ipaddress
import selectors
import signal
import socket
import struct
import sys

IPPROTO_MPTCP = 262
TEXT = b"whose is it"
TIMES = 4  # for what has no answer


def family_of(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def echo(addr, port, proto=0):
    sock = socket.socket(family_of(addr), socket.SOCK_STREAM, proto)
    sock.settimeout(5)
    sock.connect((addr, int(port)))
    sock.sendall(TEXT)
    assert sock.recv(len(TEXT), socket.MSG_WAITALL) == TEXT
    return sock


def reset(addr, port):
    sock = echo(addr, port)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def first(addr, port):
    sock = echo(addr, port)
    local = sock.getsockname()[1]
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""  # the other end has closed, too
    print(local)


def mptcp(addr, port):
    sock = echo(addr, port, IPPROTO_MPTCP)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""


def mptcp_server(port):
    events = selectors.DefaultSelector()
    for family, addr in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        sock = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((addr, int(port)))
        sock.listen()
        events.register(sock, selectors.EVENT_READ)
    print("READY", flush=True)
    while True:
        for entry, _ in events.select():
            with entry.fileobj.accept()[0] as conn:
                while data := conn.recv(1 << 16):
                    conn.sendall(data)


def raw(addr):
    sock = socket.socket(family_of(addr), socket.SOCK_RAW, 253)
    for _ in range(TIMES):
        sock.sendto(TEXT.ljust(5000), (addr, 0))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(src, dst, port):
    """A UDP packet with its IP header; over IPv4 the datagram has no checksum."""
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    size = 8 + len(TEXT) + 1
    if src.version == 6:
        head = struct.pack("!IHBB", 6 << 28, size, 17, 64) + src.packed + dst.packed
        pseudo = src.packed + dst.packed + struct.pack("!II", size, 17)
        body = struct.pack("!HHHH", port, port, size, 0) + TEXT + b"\0"
        return head + struct.pack("!HHHH", port, port, size, checksum(pseudo + body)) + body[8:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, 17, 0) + src.packed + dst.packed
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + struct.pack("!HHHH", port, port, size, 0) + TEXT + b"\0"


def frame(iface, mac, src, dst, port, tag=None):
    kind = struct.pack("!H", 0x86DD if ":" in src else 0x0800)
    if tag:
        kind = struct.pack("!HH", 0x8100, int(tag)) + kind
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((iface, 0))
    hardware = bytes.fromhex(mac.replace(":", ""))
    for _ in range(TIMES):
        sock.send(hardware + sock.getsockname()[4] + kind + datagram(src, dst, int(port)))


def spread(addr, port, count):
    for _ in range(int(count)):
        with socket.socket(family_of(addr), socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(TEXT, (addr, int(port)))
            assert sock.recv(len(TEXT)) == TEXT


def group(port, count):
    events = selectors.DefaultSelector()
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("::", int(port)))
        events.register(sock, selectors.EVENT_READ)
    received = 0

    def end(*_):
        print(received, flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("READY", flush=True)
    while True:
        for entry, _ in events.select():
            data, sender = entry.fileobj.recvfrom(1 << 16)
            received += 1
            entry.fileobj.sendto(data, sender)


def same(port, addr4, addr6, go):
    print("READY", flush=True)
    with open(go, encoding="ascii"):  # waits for who opens it for writing
        pass
    for number in range(10):
        for addr in (addr4, addr6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(family_of(addr), kind) as sock:
                    sock.settimeout(5)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family_of(addr) == socket.AF_INET6:
                        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sock.bind(("", 40000 + number))
                    sock.connect((addr, int(port)))
                    for _ in range(5):
                        sock.send(TEXT.ljust(5000))
                        assert len(receive(sock, 5000)) == 5000


def receive(sock, size):
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


KINDS = {
    "reset": reset,
    "first": first,
    "mptcp": mptcp,
    "mptcp-server": mptcp_server,
    "raw": raw,
    "frame": frame,
    "spread": spread,
    "group": group,
    "same": same,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](*sys.argv[2:])
