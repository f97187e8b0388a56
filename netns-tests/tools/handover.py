#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets that go from one program to another, for tests of whose packets are whose.

Run by copies of the interpreter: each is a program. What serves a connection or a datagram answers
with the name of its executable; `ask` prints these names. NEXT is the other program.

Servers, on a port, by TCP and UDP, IPv4 and IPv6; they print READY:
  serve PORT [--threads|--fork|--null] [--mptcp] [--reuseport]
                       serves by itself: in threads, in forked processes, with accept(fd, NULL, NULL)
  prefork NEXT PORT [--null]    listens, and starts NEXT, which accepts
  accept NEXT PORT     accepts, and starts NEXT for each connection
  pass NEXT PORT       accepts, and passes each connection to NEXT over a unix socket
  lend NEXT PORT       passes the listening sockets to NEXT over a unix socket
  activate NEXT PORT   becomes NEXT when somebody comes
  work FD...           what NEXT then is: serves sockets that it has inherited
  receive FD           or those that it gets over that unix socket

Clients; each sends a datagram to each address and a few bytes through a connection to it:
  call PORT ADDR... [--mptcp|--thread|--fork|--uid N]     uid: sockets are made before it changes
  become NEXT PORT ADDR... --made|--used|--tcp|--udp      makes such sockets, then becomes NEXT
  give NEXT PORT ADDR... --tcp|--udp   connects sockets and passes them to NEXT over a unix socket
                              (tcp, udp: connected ones)
  say FD...                   what NEXT then is: sends through sockets that it has inherited,
  say-received FD             or gets over that unix socket
  ask COUNT PORT ADDR... [--mptcp]    prints: tcp|udp FAMILY LOCAL-PORT NAME for each answer
"""

import argparse
import ctypes
import os
import select
import socket
import subprocess
import sys
import threading

IPPROTO_MPTCP = 262
ANSWER = 3000  # bytes: more than one segment
DISCARD = 9  # port that no case uses
FAMILIES = (socket.AF_INET, socket.AF_INET6)
LIBC = ctypes.CDLL(None, use_errno=True)


def own_name():
    return os.path.basename(os.readlink("/proc/self/exe")).replace(" (deleted)", "")


def command(program, *words):
    """The command line of this script run by another program."""
    return [program, os.path.abspath(__file__), *(str(word) for word in words)]


def family_of(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


# ---- servers ----


def listen(port, proto=0, is_shared=False):
    """The four sockets of a server."""
    sockets = []
    for family in FAMILIES:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = socket.socket(family, kind, proto if kind == socket.SOCK_STREAM else 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            sockets.append(sock)
    return sockets


def answer():
    return own_name().encode().ljust(ANSWER, b".")


def serve_connection(conn):
    conn.recv(100)
    conn.sendall(answer())
    conn.close()


def serve_datagram(sock):
    sender = sock.recvfrom(100)[1]
    sock.sendto(answer()[:100], sender)


def accept_null(sock):
    """accept(fd, NULL, NULL): Python's own asks for the address."""
    fd = LIBC.accept(sock.fileno(), None, None)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "accept")
    return socket.socket(fileno=fd)


def serve_in_process(conn):
    """As a forking server does."""
    if os.fork() == 0:
        serve_connection(conn)
        os._exit(0)
    conn.close()
    os.wait()


def serve_in_thread(conn):
    threading.Thread(target=serve_connection, args=(conn,)).start()


def accept_address(sock):
    return sock.accept()[0]


def loop(sockets, accept=accept_address, serve=serve_connection):
    while True:
        for sock in select.select(sockets, [], [])[0]:
            if sock.type == socket.SOCK_STREAM:
                serve(accept(sock))
            else:
                serve_datagram(sock)


def inherit(sockets):
    """Lets a program that is started have them; returns their descriptors."""
    for sock in sockets:
        os.set_inheritable(sock.fileno(), True)
    return [sock.fileno() for sock in sockets]


def start(program, sockets, *words):
    return subprocess.Popen(
        command(program, *words), pass_fds=[sock.fileno() for sock in sockets]
    )


def ready():
    print("READY", flush=True)


def run_serve(args):
    sockets = listen(args.port, IPPROTO_MPTCP if args.mptcp else 0, args.reuseport)
    ready()
    serve = serve_connection
    if args.threads:
        serve = serve_in_thread
    if args.fork:
        serve = serve_in_process
    loop(sockets, accept_null if args.null else accept_address, serve)


def run_prefork(args):
    sockets = listen(args.port)
    words = ["--null"] if args.null else []
    start(args.next, sockets, "work", *(sock.fileno() for sock in sockets), *words).wait()


def run_work(args):
    ready()
    loop([socket.socket(fileno=fd) for fd in args.fd], accept_null if args.null else accept_address)


def run_accept(args):
    sockets = listen(args.port)
    ready()

    def serve(conn):
        start(args.next, [conn], "serve-one", conn.fileno()).wait()
        conn.close()

    loop(sockets, serve=serve)


def run_serve_one(args):
    serve_connection(socket.socket(fileno=args.fd))


def run_pass(args):
    sockets = listen(args.port)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start(args.next, [far], "receive", far.fileno())

    def serve(conn):
        socket.send_fds(near, [b"c"], [conn.fileno()])
        conn.close()

    loop(sockets, serve=serve)


def run_lend(args):
    sockets = listen(args.port)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start(args.next, [far], "receive", far.fileno())
    socket.send_fds(near, [b"l"], [sock.fileno() for sock in sockets])
    child.wait()


def run_receive(args):
    channel = socket.socket(fileno=args.fd)
    ready()
    while True:
        what, fds, _, _ = socket.recv_fds(channel, 1, 16)
        if not what:
            return
        sockets = [socket.socket(fileno=fd) for fd in fds]
        if what == b"l":
            loop(sockets)
        serve_connection(sockets[0])


def run_activate(args):
    sockets = listen(args.port)
    ready()
    select.select(sockets, [], [])
    os.execv(args.next, command(args.next, "work", *inherit(sockets)))


# ---- clients ----


def made(addrs, proto=0):
    """Pairs of a datagram socket and a stream socket, with the address that they are for."""
    return [
        (
            socket.socket(family_of(addr), socket.SOCK_DGRAM),
            socket.socket(family_of(addr), socket.SOCK_STREAM, proto),
            addr,
        )
        for addr in addrs
    ]


def say(pairs, port):
    """Through sockets that are not connected yet."""
    text = own_name().encode()
    for datagrams, stream, addr in pairs:
        datagrams.sendto(text, (addr, port))
        stream.connect((addr, port))
        stream.sendall(text)
        stream.close()


def run_call(args):
    pairs = made(args.addrs, IPPROTO_MPTCP if args.mptcp else 0)
    if args.uid:
        os.setgroups([])
        os.setuid(args.uid)
    if args.thread:
        thread = threading.Thread(target=say, args=(pairs, args.port))
        thread.start()
        thread.join()
    elif args.fork:
        if os.fork() == 0:
            say(pairs, args.port)
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    else:
        say(pairs, args.port)


def connected(args):
    """Sockets of one kind, each connected to its address."""
    sockets = []
    for addr in args.addrs:
        kind = socket.SOCK_STREAM if args.tcp else socket.SOCK_DGRAM
        sock = socket.socket(family_of(addr), kind)
        sock.connect((addr, args.port))
        sockets.append(sock)
    return sockets


def run_become(args):
    if args.tcp or args.udp:
        sockets = connected(args)
        os.execv(args.next, command(args.next, "say", *inherit(sockets)))
    pairs = made(args.addrs)
    if args.used:
        for datagrams, _, addr in pairs:
            datagrams.sendto(b"before", (addr, DISCARD))
    sockets = [sock for datagrams, stream, _ in pairs for sock in (datagrams, stream)]
    words = ["--to", args.port, *args.addrs]
    os.execv(args.next, command(args.next, "say", *inherit(sockets), *words))


def say_connected(sockets):
    """Twice, of which TCP makes one segment or two."""
    for sock in sockets:
        sock.send(own_name().encode())
        sock.send(own_name().encode())
        sock.close()


def run_say(args):
    sockets = [socket.socket(fileno=fd) for fd in args.fd]
    if not args.to:
        return say_connected(sockets)
    port, *addrs = args.to
    return say(zip(sockets[::2], sockets[1::2], addrs), int(port))


def run_give(args):
    sockets = connected(args)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start(args.next, [far], "say-received", far.fileno())
    socket.send_fds(near, [b"s"], [sock.fileno() for sock in sockets])
    for sock in sockets:
        sock.close()
    sys.exit(child.wait())


def run_say_received(args):
    fds = socket.recv_fds(socket.socket(fileno=args.fd), 1, 16)[1]
    say_connected([socket.socket(fileno=fd) for fd in fds])


def receive_all(sock):
    data = b""
    while part := sock.recv(1 << 16):
        data += part
    return data


def ask_one(kind, proto, addr, port):
    with socket.socket(family_of(addr), kind, proto) as sock:
        sock.settimeout(10)
        sock.connect((addr, port))
        sock.sendall(b"who")
        data = receive_all(sock) if kind == socket.SOCK_STREAM else sock.recv(1 << 16)
        if kind == socket.SOCK_STREAM and len(data) != ANSWER:
            raise SystemExit("handover.py: %d bytes came from %s" % (len(data), addr))
        name = data.rstrip(b".").decode()
        family = 6 if ":" in addr else 4
        transport = "tcp" if kind == socket.SOCK_STREAM else "udp"
        print(transport, family, sock.getsockname()[1], name, flush=True)


def run_ask(args):
    for _ in range(args.count):
        for addr in args.addrs:
            ask_one(socket.SOCK_STREAM, IPPROTO_MPTCP if args.mptcp else 0, addr, args.port)
            if not args.tcp:
                ask_one(socket.SOCK_DGRAM, 0, addr, args.port)


def parser_of_modes():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    for name, words in {
        "serve": "port:int --threads --fork --null --mptcp --reuseport",
        "prefork": "next:str port:int --null",
        "accept": "next:str port:int",
        "pass": "next:str port:int",
        "lend": "next:str port:int",
        "activate": "next:str port:int",
        "serve-one": "fd:int",
        "work": "fd:int+ --null",
        "receive": "fd:int",
        "call": "port:int addrs:str+ --mptcp --thread --fork --uid:int",
        "become": "next:str port:int addrs:str+ --made --used --tcp --udp",
        "give": "next:str port:int addrs:str+ --tcp --udp",
        "say": "fd:int+ --to:str+",
        "say-received": "fd:int",
        "ask": "count:int port:int addrs:str+ --mptcp --tcp",
    }.items():
        mode = modes.add_parser(name)
        for word in words.split():
            option, _, kind = word.partition(":")
            if not kind:
                mode.add_argument(option, action="store_true")
                continue
            many = {"nargs": "+"} if kind.endswith("+") else {}
            mode.add_argument(option, type={"int": int, "str": str}[kind.rstrip("+")], **many)
    return parser


def main():
    args = parser_of_modes().parse_args()
    globals()["run_" + args.mode.replace("-", "_")](args)


if __name__ == "__main__":
    main()
