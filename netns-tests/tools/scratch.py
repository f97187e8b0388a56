#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changes a byte of what packets look rules up in: of the first of the maps in whose memory the text stands,
its last character.

    scratch.py TEXT MAP-ID...
"""

import ctypes
import mmap
import os
import platform
import sys

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_MAP_GET_FD_BY_ID = 14


def open_map(number):
    """The file descriptor of the map with that id."""
    attr = ctypes.create_string_buffer(number.to_bytes(4, sys.byteorder), 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(BPF, BPF_MAP_GET_FD_BY_ID, attr, len(attr))
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"map {number}")
    return fd


def value_size(fd):
    """How many bytes there are behind a key of it."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
        facts = dict(line.split(":\t") for line in lines)
    return int(facts["value_size"])


def main():
    """Takes the first one."""
    text, ids = sys.argv[1].encode(), sys.argv[2:]
    for number in ids:
        fd = open_map(int(number, 0))
        with mmap.mmap(fd, value_size(fd)) as memory:
            at = memory.find(text)
            if at >= 0:
                memory[at + len(text) - 1] ^= 1
                return
        os.close(fd)
    sys.exit(f"{sys.argv[1]}: in none of them")


if __name__ == "__main__":
    main()
