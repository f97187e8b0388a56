#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Says what is in a pcap file, as JSON for jq: one object for every IP packet.

  frames.py [--strict [--offload]] FILE

  {"n": 3, "len": 108, "outer": IP, "tunnel": MODE|null, "key": 42|null, "inner": IP|null}
  MODE: ipip, gre, gue, fou, vxlan, geneve or srv6; the UDP ones are known by UDP_TUNNELS. key: of
        GRE, or the VNI.
  IP: {"family", "src", "dst", "proto", "dscp", "ecn", "ttl", "sport", "dport", "type", "flags",
       "fragment", "segments_left", "mss"}; ports of TCP and UDP, type of ICMP, flags ("S", "SA")
       and maximum segment size of TCP, segments_left of a routing header, else null.

--strict checks lengths and the IP, TCP, UDP and ICMP checksums, outside and inside; faults go to
stderr and the exit status is then 1. --offload also takes a TCP or UDP checksum that the device
was to complete (it then holds the sum of the pseudo-header). Parses with struct, not scapy, which
needs about a millisecond for a packet: tests look at 50,000.
"""

import argparse
import ipaddress
import json
import struct
import sys

TCP, UDP, ICMP, ICMP6, IPIP, IPV6, GRE = 6, 17, 1, 58, 4, 41, 47
EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options
ROUTING, FRAGMENT = 43, 44
ETHERNET_IN_GENEVE = 0x6558
UDP_TUNNELS = {6080: "gue", 6082: "gue", 5555: "fou", 4789: "vxlan", 6081: "geneve"}
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101
ETHERNET_MIN = 60


class Fault(Exception):
    """A packet that does not decode."""


def ones_sum(data):
    """The one's complement sum, 1..0xffff (0 only for no bits set)."""
    if len(data) % 2:
        data += b"\0"
    value = int.from_bytes(data, "big")
    return 0 if value == 0 else (value % 0xFFFF or 0xFFFF)


def read_pcap(data):
    """Yields (number, bytes on the wire, bytes captured, link type)."""
    magic = data[:4]
    if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        order = "<"
    elif magic in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        order = ">"
    else:
        raise SystemExit("frames.py: not a pcap file")
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    if link not in (LINKTYPE_ETHERNET, LINKTYPE_RAW):
        raise SystemExit("frames.py: link type %d is not supported" % link)
    pos, number = 24, 0
    record = struct.Struct(order + "IIII")
    while pos + 16 <= len(data):
        _, _, captured, wire = record.unpack_from(data, pos)
        pos += 16
        if pos + captured > len(data):
            break  # still being written
        number += 1
        yield number, wire, data[pos : pos + captured], link
        pos += captured


def ip_of_frame(frame, link):
    """The IP packet in a frame, with its padding, or None."""
    if link == LINKTYPE_RAW:
        return frame
    offset = 12
    while True:
        if len(frame) < offset + 2:
            return None
        kind = (frame[offset] << 8) | frame[offset + 1]
        if kind in (0x8100, 0x88A8):
            offset += 4
        elif kind in ETHERTYPE.values():
            return frame[offset + 2 :]
        else:
            return None


class Checker:
    """Checks lengths and checksums, or lets them be."""

    def __init__(self, strict, offload):
        self.strict = strict
        self.offload = offload

    def require(self, is_right, text):
        if self.strict and not is_right:
            raise Fault(text)

    def transport(self, name, segment, at, pseudo, may_be_zero=False):
        """The checksum field at `at` of segment, given the bytes of the pseudo-header."""
        if not self.strict:
            return
        field = (segment[at] << 8) | segment[at + 1]
        if may_be_zero and field == 0:
            return
        if ones_sum(pseudo + segment) == 0xFFFF:
            return
        # CHECKSUM_PARTIAL; a packet still to be segmented may leave its length out.
        for base in (pseudo, pseudo[:-8] + bytes(4) + pseudo[-4:], pseudo[:-4] + pseudo[-2:]):
            if self.offload and ones_sum(base) == field:
                return
        raise Fault("%s checksum 0x%04x is wrong" % (name, field))


TCP_FLAGS = "FSRPAUEC"


def mss_of(options):
    """The value of the maximum segment size option, or None."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if options[at] == 2 and at + 4 <= len(options):
            return (options[at + 2] << 8) | options[at + 3]
        at += options[at + 1]
    return None


def parse_transport(info, segment, src, dst, check):
    proto = info["proto"]
    pseudo = src + dst + struct.pack("!II", len(segment), proto)
    if proto == TCP:
        if len(segment) < 20:
            raise Fault("TCP header cut off")
        info["sport"], info["dport"] = struct.unpack_from("!HH", segment)
        bits = segment[13]
        info["flags"] = "".join(c for i, c in enumerate(TCP_FLAGS) if bits & (1 << i))
        offset = (segment[12] >> 4) * 4
        check.require(20 <= offset <= len(segment), "TCP data offset")
        info["mss"] = mss_of(segment[20:offset])
        check.transport("TCP", segment, 16, pseudo)
    elif proto == UDP:
        if len(segment) < 8:
            raise Fault("UDP header cut off")
        info["sport"], info["dport"], length, _ = struct.unpack_from("!HHHH", segment)
        check.require(length == len(segment), "UDP length %d of %d" % (length, len(segment)))
        # RFC 768; RFC 6935 for tunnels over IPv6.
        may_be_zero = info["family"] == 4 or info["dport"] in UDP_TUNNELS
        check.transport("UDP", segment, 6, pseudo, may_be_zero)
    elif proto in (ICMP, ICMP6):
        if len(segment) < 4:
            raise Fault("ICMP header cut off")
        info["type"] = segment[0]
        check.transport("ICMP", segment, 2, pseudo if proto == ICMP6 else b"")


IP_KEYS = (
    *("family", "src", "dst", "proto", "dscp", "ecn", "ttl"),
    *("sport", "dport", "type", "flags", "mss", "segments_left"),
)


def parse_ip(packet, check, padded):
    """Returns (info, payload) of an IP packet; padded: bytes may follow it."""
    if len(packet) < 20:
        raise Fault("IP header cut off")
    version = packet[0] >> 4
    info = dict.fromkeys(IP_KEYS)
    info["fragment"] = False
    info["family"] = version
    later_fragment = False
    if version == 4:
        header = (packet[0] & 15) * 4
        total, fragment = struct.unpack_from("!2xH2xH", packet)
        check.require(20 <= header <= total, "IPv4 header length %d" % header)
        traffic_class = packet[1]
        info["ttl"], info["proto"] = packet[8], packet[9]
        src, dst = packet[12:16], packet[16:20]
        check.require(ones_sum(packet[:header]) == 0xFFFF, "IPv4 header checksum")
        info["fragment"] = bool(fragment & 0x3FFF)
        later_fragment = bool(fragment & 0x1FFF)
    elif version == 6:
        if len(packet) < 40:
            raise Fault("IPv6 header cut off")
        total = 40 + ((packet[4] << 8) | packet[5])
        traffic_class = ((packet[0] & 15) << 4) | (packet[1] >> 4)
        info["ttl"], proto = packet[7], packet[6]
        src, dst = packet[8:24], packet[24:40]
        header = 40
        while proto in EXTENSIONS or proto == FRAGMENT:
            if len(packet) < header + 8:
                raise Fault("IPv6 extension header cut off")
            if proto == FRAGMENT:
                info["fragment"] = True
                later_fragment = bool(((packet[header + 2] << 8) | packet[header + 3]) & 0xFFF8)
                size = 8
            else:
                size = (packet[header + 1] + 1) * 8
                if proto == ROUTING:
                    info["segments_left"] = packet[header + 3]
            proto = packet[header]
            header += size
        info["proto"] = proto
    else:
        raise Fault("IP version %d" % version)
    info["dscp"], info["ecn"] = traffic_class >> 2, traffic_class & 3
    info["src"], info["dst"] = (str(ipaddress.ip_address(part)) for part in (src, dst))
    if total > len(packet):
        raise Fault("IP length %d, only %d there" % (total, len(packet)))
    check.require(padded or total == len(packet), "IP length %d of %d" % (total, len(packet)))
    payload = packet[header:total]
    if not info["fragment"]:
        parse_transport(info, payload, src, dst, check)
    elif not later_fragment and info["proto"] in (TCP, UDP) and len(payload) >= 4:
        info["sport"], info["dport"] = struct.unpack_from("!HH", payload)
    return info, payload


def version_of(packet):
    return packet[0] >> 4 if packet else None


def in_ethernet(frame, check):
    """The IP packet in a frame inside a tunnel."""
    if len(frame) < 14:
        raise Fault("inner Ethernet header cut off")
    kind = (frame[12] << 8) | frame[13]
    check.require(ETHERTYPE.get(version_of(frame[14:])) == kind, "inner Ethernet 0x%04x" % kind)
    return frame[14:]


def parse_udp_tunnel(tunnel, payload, check):
    """Returns (tunnel, key, inner packet) of what stands behind a UDP header."""
    if tunnel == "fou" or (tunnel == "gue" and payload and payload[0] >> 6 == 1):
        return tunnel, None, payload
    if len(payload) < (4 if tunnel == "gue" else 8):
        raise Fault("%s header cut off" % tunnel)
    if tunnel == "gue":
        check.require(payload[0] == 0 and payload[2:4] == b"\0\0", "GUE version or flags")
        check.require(
            {IPIP: 4, IPV6: 6}.get(payload[1]) == version_of(payload[4:]), "GUE protocol"
        )
        return tunnel, None, payload[4:]
    vni = int.from_bytes(payload[4:7], "big")
    if tunnel == "vxlan":
        check.require(payload[:4] == b"\x08\0\0\0" and payload[7] == 0, "VXLAN flags")
    else:
        check.require(payload[:2] == b"\0\0" and payload[7] == 0, "Geneve flags or options")
        kind = (payload[2] << 8) | payload[3]
        check.require(kind == ETHERNET_IN_GENEVE, "Geneve protocol 0x%04x" % kind)
    return tunnel, vni, in_ethernet(payload[8:], check)


def parse_gre(payload, check):
    """Returns (tunnel, key, inner packet) of what stands behind an IP header."""
    if len(payload) < 4:
        raise Fault("GRE header cut off")
    flags, kind = struct.unpack_from("!HH", payload)
    if flags & ~0x2000:
        return "gre", None, None  # other flags: not one of ours, not looked into
    header, key = 4, None
    if flags & 0x2000:
        if len(payload) < 8:
            raise Fault("GRE key cut off")
        header, key = 8, struct.unpack_from("!I", payload, 4)[0]
    inner = payload[header:]
    check.require(ETHERTYPE.get(version_of(inner)) == kind, "GRE protocol 0x%04x" % kind)
    return "gre", key, inner


def parse_tunnel(outer, payload, check):
    """Returns (tunnel, key, inner packet) of an outer packet, (None, None, None) if it has none."""
    proto = outer["proto"]
    if outer["fragment"]:
        return None, None, None
    if proto == GRE:
        return parse_gre(payload, check)
    if proto == UDP and outer["dport"] in UDP_TUNNELS:
        return parse_udp_tunnel(UDP_TUNNELS[outer["dport"]], payload[8:], check)
    if proto not in (IPIP, IPV6):
        return None, None, None
    if version_of(payload) != (4 if proto == IPIP else 6):
        raise Fault("IP protocol %d with another version inside" % proto)
    return "ipip" if outer["segments_left"] is None else "srv6", None, payload


def parse(number, wire, packet, check, padded):
    outer, payload = parse_ip(packet, check, padded)
    tunnel, key, inner_packet = parse_tunnel(outer, payload, check)
    inner = parse_ip(inner_packet, check, False)[0] if inner_packet is not None else None
    return {
        "n": number,
        "len": wire,
        "outer": outer,
        "tunnel": tunnel,
        "key": key,
        "inner": inner,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--strict", action="store_true")
    options.add_argument("--offload", action="store_true")
    options.add_argument("file")
    args = options.parse_args()
    check = Checker(args.strict, args.offload)
    with open(args.file, "rb") as file:
        data = file.read()
    lines, faults = [], 0
    for number, wire, frame, link in read_pcap(data):
        packet = ip_of_frame(frame, link)
        if packet is None:
            continue
        try:
            if wire != len(frame):
                raise Fault("only %d of %d bytes captured" % (len(frame), wire))
            entry = parse(number, wire, packet, check, len(frame) <= ETHERNET_MIN)
        except Fault as fault:
            faults += 1
            entry = {"n": number, "len": wire, "fault": str(fault)}
            if faults <= 20:
                print("frame %d: %s" % (number, fault), file=sys.stderr)
        lines.append(json.dumps(entry))
    sys.stdout.write("[" + ",\n".join(lines) + "]\n")
    if faults and args.strict:
        print("%d of %d packets have faults" % (faults, len(lines)), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
