#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sends packets that no honest sender makes. Loading scapy takes half a second, so one process sends
all of a test's.

  inject.py IFACE MAC

Reads lines "COUNT EXPRESSION" and sends the packet, or each packet of the list, COUNT times in a
frame to MAC; answers "sent", or with the error. The expression has the names below, all of scapy,
and the addresses of the test topology (A4, B_IN6 ...) from the environment.
"""

import itertools
import logging
import os
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position,wildcard-import,unused-wildcard-import
from scapy.all import *  # noqa: E402,F403

A4, B4, A6, B6 = (os.environ[name] for name in ("A4", "B4", "A6", "B6"))
A_IN4, B_IN4, A_IN6, B_IN6 = (os.environ[name] for name in ("A_IN4", "B_IN4", "A_IN6", "B_IN6"))
TO_PORT = 7000

inner4 = IP(src=B_IN4, dst=A_IN4) / UDP(sport=6000, dport=TO_PORT) / b"inner"
inner6 = IPv6(src=B_IN6, dst=A_IN6) / UDP(sport=6000, dport=TO_PORT) / b"inner"
stranger4 = IP(src="10.99.0.1", dst=A_IN4) / UDP(sport=6000, dport=TO_PORT)
stranger6 = IPv6(src="fd00:99::1", dst=A_IN6) / UDP(sport=6000, dport=TO_PORT)


def gre(src=B4, dst=A4, inner=inner4, proto=0x0800, options=(), flags=0, frag=0, tos=0, **header):
    """A packet in GRE over IPv4."""
    outer = IP(src=src, dst=dst, options=list(options), flags=flags, frag=frag, tos=tos, proto=47)
    return outer / GRE(proto=proto, **header) / inner


def in_udp(port, payload, src=B4, length=None, **header):
    """Whatever bytes or packet in UDP, over the family of src, without a checksum."""
    outer = IPv6(src=src, dst=A6, **header) if ":" in src else IP(src=src, dst=A4, **header)
    return outer / UDP(sport=50000, dport=port, chksum=0, len=length) / payload


def frame(inner=inner4):
    """An Ethernet frame as stands inside vxlan and geneve."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / inner


def vxlan(vni, inner=None, flags=0x08, port=4789, **udp):
    header = struct.pack("!B3xI", flags, vni << 8)
    return in_udp(port, header + bytes(frame() if inner is None else inner), **udp)


def geneve(vni, inner=None, first=0, flags=0, options=b"", proto=0x6558, **udp):
    """first: version and, made from options, their length."""
    header = struct.pack("!BBHI", first | len(options) // 4, flags, proto, vni << 8) + options
    return in_udp(6081, header + bytes(frame() if inner is None else inner), **udp)


def gue(inner=inner4, first=0, proto=4, flags=0, **udp):
    return in_udp(6080, struct.pack("!BBH", first, proto, flags) + bytes(inner), **udp)


def srv6(sid, segments_left=0, inner=inner4, proto=4, src=B6):
    """A packet behind a routing header with two segments, sent to sid."""
    header = IPv6ExtHdrSegmentRouting(addresses=[sid, "2001:db8:f::1"], segleft=segments_left, nh=proto)
    return IPv6(src=src, dst=sid) / header / inner


def ecn_table(outer_tos, inner_tos):
    """All 16 pairs of ECN fields beside the given bits, as "OUTER INNER", in gre and in vxlan."""
    packets = []
    for outer, inner in itertools.product(range(4), range(4)):
        data = UDP(dport=TO_PORT) / (b"%d %d" % (outer, inner))
        inside4 = IP(src=B_IN4, dst=A_IN4, tos=inner_tos | inner, ttl=9) / data
        inside6 = IPv6(src=B_IN6, dst=A_IN6, tc=inner_tos | inner, hlim=9) / data
        packets.append(gre(tos=outer_tos | outer, inner=inside4))
        packets.append(vxlan(7, frame(inside6), src=B6, tc=outer_tos | outer))
    return packets


def main():
    interface, mac = sys.argv[1:]
    sock = conf.L2socket(iface=interface)
    for line in sys.stdin:
        count, expression = line.split(" ", 1)
        try:
            packets = eval(expression)  # pylint: disable=eval-used
            for packet in packets if isinstance(packets, list) else [packets]:
                for _ in range(int(count)):
                    sock.send(Ether(dst=mac) / packet)
            print("sent", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            print(repr(error), flush=True)


if __name__ == "__main__":
    main()
