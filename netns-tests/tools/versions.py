#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Datagrams whose DSCP says which version of the rules they met.

    versions.py send ADDR PORT      sends from the source ports 6001 and 6002 in turn until it is ended
    versions.py receive ADDR PORT   when it is ended, prints what came as one JSON object: received,
                                    versions (DSCPs in the order in which they were first seen), and
                                    back (datagrams with another DSCP than the last new one)

Both stay on one CPU, so that what is sent first comes first.
"""

import json
import os
import signal
import socket
import sys
import threading

BURST = 64
PAUSE_SECONDS = 0.002


def send(addr, port):
    pace = threading.Event()  # that never comes: both CPUs have other things to do
    sockets = []
    for source in (6001, 6002):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", source))
        sock.connect((addr, port))
        sockets.append(sock)
    while True:
        for number in range(BURST):
            try:
                sockets[number % 2].send(b"version")
            except ConnectionRefusedError:
                pass
        pace.wait(PAUSE_SECONDS)


def receive(addr, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((addr, port))
    seen = {"received": 0, "versions": [], "back": 0}

    def end(*_):
        print(json.dumps(seen), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print("listening", file=sys.stderr, flush=True)
    while True:
        _, messages, _, _ = sock.recvmsg(64, 64)
        dscp = messages[0][2][0] >> 2
        seen["received"] += 1
        if dscp not in seen["versions"]:
            seen["versions"].append(dscp)
        elif dscp != seen["versions"][-1]:
            seen["back"] += 1


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    {"send": send, "receive": receive}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
