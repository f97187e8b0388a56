#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A steady stream of numbered datagrams, and who counts them.

  stream.py receive PORT             prints READY; when the stream has ended and nothing has come
                                     for a second: {"sent", "lost", "twice", "late"} as JSON
  stream.py send ADDR PORT RATE      RATE a second until SIGTERM, then says how many there were
"""

import json
import signal
import socket
import struct
import sys
import threading
import time

NUMBER = struct.Struct("!QQ")  # number, and in the last datagrams how many there were, else 0
BUFFER = 64 << 20
MOST = 1 << 24
TICK = 0.001
SO_RCVBUFFORCE = 33


def receive(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    sock.bind(("::", port))
    print("READY", flush=True)
    seen, count = bytearray(MOST), {"sent": 0, "lost": 0, "twice": 0, "late": 0}
    newest, buffer = -1, bytearray(2048)
    while True:
        try:
            sock.recv_into(buffer)
        except TimeoutError:
            break
        number, sent = NUMBER.unpack_from(buffer)
        if sent:
            count["sent"] = sent
            sock.settimeout(1)
            continue
        count["twice"] += seen[number]
        count["late"] += number < newest
        seen[number] = 1
        newest = max(newest, number)
    count["lost"] = count["sent"] - sum(seen)
    print(json.dumps(count), flush=True)


def send(addr, port, rate):
    sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((addr, port))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    number, begin = 0, time.monotonic()
    while not stopped.wait(TICK):
        for number in range(number, int((time.monotonic() - begin) * rate)):
            sock.send(NUMBER.pack(number, 0) + bytes(100))
            number += 1
    for _ in range(5):
        sock.send(NUMBER.pack(0, number))


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
