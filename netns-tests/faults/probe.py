# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What becomes of packets: the only thing that users see of a state.

Datagrams leave a namespace and are looked at on the wire of its peer; datagrams in tunnels come from the
peer. What becomes of each is a tuple of texts, the same for the same state.
"""
import ctypes
import ipaddress
import os
import re
import select
import socket
import struct
import subprocess
import time

ETH_P_ALL = 3
CLONE_NEWNET = 0x40000000
MARKER = 7
PATIENCE_SECONDS = 2
LOST = ("lost", "", "")
PROBE = re.compile(rb"probe:(\d+):(\d+):")
libc = ctypes.CDLL(None, use_errno=True)

# Run by the process of an app: a new socket for each datagram.
SPEAKER = """
import socket, sys
for line in sys.stdin:
    addr, port, text = line.split()
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.sendto(text.encode(), (addr, int(port)))
    except OSError:
        pass
    s.close()
    print("sent", flush=True)
"""


def in_netns(path, make):
    """What make() returns in another network namespace."""
    ours, theirs = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(path, os.O_RDONLY)
    assert not libc.setns(theirs, CLONE_NEWNET)
    try:
        return make()
    finally:
        assert not libc.setns(ours, CLONE_NEWNET)
        os.close(ours)
        os.close(theirs)


# ---- packets to send ----

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(src, dst, proto, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + socket.inet_pton(
        socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def framed(mode, number, inner):
    """Protocol and payload of an outer packet."""
    if mode == "ipip":
        return 4, inner
    if mode == "gre":
        return 47, struct.pack("!HHI", 0x2000, 0x800, number) + inner
    if mode == "gue":
        return 17, udp(40000, 6080, struct.pack("!BBH", 0, 4, 0) + inner)
    ether = bytes.fromhex("020000000001" "020000000002" "0800")
    return 17, udp(40000, 4789, struct.pack("!II", 0x08000000, number << 8) + ether + inner)


# ---- packets that arrive ----

def ip_parts(packet):
    """Source, destination, protocol, traffic class and payload of an IP packet."""
    if packet[0] >> 4 == 4:
        length = (packet[0] & 15) * 4
        return (str(ipaddress.ip_address(packet[12:16])), str(ipaddress.ip_address(packet[16:20])), packet[9],
                packet[1], packet[length:])
    return (str(ipaddress.ip_address(packet[8:24])), str(ipaddress.ip_address(packet[24:40])), packet[6],
            struct.unpack("!H", packet[:2])[0] >> 4 & 255, packet[40:])


def net_of(addr):
    """Remotes of one tunnel share a network: which of them it is may differ."""
    return str(ipaddress.ip_network(addr + ("/64" if ":" in addr else "/24"), strict=False))


def unframe(proto, payload):
    """The framing in words, and the inner packet; None if it is none."""
    if proto in (4, 41):
        return "ipip", payload
    if proto == 47:
        return "gre %d" % struct.unpack("!I", payload[4:8]), payload[8:]
    dport = struct.unpack("!H", payload[2:4])[0] if proto == 17 else 0
    if dport == 6080:
        return "gue", payload[12:]
    if dport == 4789:
        return "vxlan %d" % (struct.unpack("!I", payload[12:16])[0] >> 8), payload[30:]
    return None


def frame_outcome(frame):
    """Number and round of a probe, and what became of it; None of other frames."""
    ether_type = struct.unpack("!H", frame[12:14])[0]
    probe = PROBE.search(frame)
    if ether_type not in (0x800, 0x86DD) or not probe:
        return None
    number = tuple(map(int, probe.groups()))
    src, dst, proto, tos, payload = ip_parts(frame[14:])
    framing = unframe(proto, payload)
    if not framing:
        return number, ("plain", "", str(tos))
    return number, ("%s %s %s" % (framing[0], src, net_of(dst)), "outer %d" % tos,
                    str(ip_parts(framing[1])[3]))


class Speaker:
    """A process of an app."""

    def __init__(self, program, uid):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [program, "-c", SPEAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=uid)

    def send(self, addr, port, text):
        self.process.stdin.write("%s %d %s\n" % (addr, port, text))
        self.process.stdin.flush()
        self.process.stdout.readline()


def send(addr, port, text):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(text.encode(), (addr, port))
        except OSError:
            pass


class Prober:
    """out: (name, speaker or None, address, port); back: (name, device, mode, number, from, to)."""

    INNER = "10.200.0.1"
    PORT = 7777

    def __init__(self, peer, wires, out, back):
        """wires: device of ours -> device of the peer."""
        self.out, self.back, self.round = out, back, 0
        self.macs = {dev: self.mac(dev) for dev in wires}
        self.wires = {dev: in_netns(peer, lambda far=far: self.wire(far)) for dev, far in wires.items()}
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listener.bind(("0.0.0.0", self.PORT))
        self.listener.setblocking(False)

    @staticmethod
    def mac(dev):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as asker:
            asker.bind((dev, 0))
            return asker.getsockname()[4]

    @staticmethod
    def wire(dev):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        wire.bind((dev, 0))
        wire.setblocking(False)
        return wire

    def received(self, sockets, is_last):
        """What the sockets have until is_last() says that it was the last."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            ready, _, _ = select.select(sockets, [], [], end - time.monotonic())
            for one in ready:
                data = one.recv(65536)
                yield data
                if is_last(data):
                    return

    def outward(self):
        """Outcomes of what leaves, by name."""
        outcomes = {name: LOST for name, *_ in self.out}
        end = b"probe:%d:%d:" % (len(self.out), self.round)
        for number, (_, speaker, addr, port) in enumerate(self.out):
            text = "probe:%d:%d:" % (number, self.round)
            (speaker.send if speaker else send)(addr, port, text)
        send("10.250.0.9", MARKER, end.decode())
        for frame in self.received(list(self.wires.values()), lambda data: end in data):
            outcome = frame_outcome(frame)
            if outcome and outcome[0][1] == self.round and outcome[0][0] < len(self.out):
                outcomes[self.out[outcome[0][0]][0]] = outcome[1]
        return outcomes

    def frame(self, dev, outer):
        kind = 0x86DD if outer[0] >> 4 == 6 else 0x800
        return self.macs[dev] + bytes.fromhex("020000000009") + struct.pack("!H", kind) + outer

    def inward(self):
        """Outcomes of what arrives in tunnels, by name."""
        outcomes = {name: LOST for name, *_ in self.back}
        for number, (_, dev, mode, tunnel_number, src, dst) in enumerate(self.back):
            inner = ipv4("10.10.0.9", self.INNER, 17, udp(9, self.PORT, b"%d:%d" % (number, self.round)))
            proto, payload = framed(mode, tunnel_number, inner)
            outer = (ipv6 if ":" in src else ipv4)(src, dst, proto, payload)
            self.wires[dev].send(self.frame(dev, outer))
        end = b"end:%d" % self.round
        plain = ipv4("192.0.2.2", "192.0.2.1", 17, udp(9, self.PORT, end))
        for dev, wire in self.wires.items():
            wire.send(self.frame(dev, plain))
        left = [len(self.wires)]

        def is_last(data):
            left[0] -= data == end
            return left[0] == 0
        for data in self.received([self.listener], is_last):
            number, _, round_ = data.partition(b":")
            if number.isdigit() and int(round_) == self.round:
                outcomes[self.back[int(number)][0]] = ("arrived", "", "")
        return outcomes

    def drain(self):
        for one in [*self.wires.values(), self.listener]:
            try:
                while True:
                    one.recv(65536)
            except BlockingIOError:
                pass

    def outcomes(self):
        self.round += 1
        self.drain()
        return {**self.outward(), **self.inward()}
