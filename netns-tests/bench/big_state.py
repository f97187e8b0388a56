#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints a state file with many of everything, always the same for the same arguments.

    big_state.py [--devices N] [--tunnels N] [--apps N] [--routes N] [--rules N] [--rule-file FILE]

Devices are veth pairs: N / 2 of `pA`, their other ends `pB`, named v0a, v0b, v1a ... Tunnels take turns
in their modes and the family outside, every tenth has several remotes or peers. Apps are told by their
executable, by a cgroup and by a user, a third each; the first hundred of them have a route of their own.
Routes are half IPv4, half IPv6; every twentieth has two nexthops. FILE has rules as `ruleset STYLE COUNT
both state` prints them; of --rules, those that are not from there ask for apps, tunnels and devices.
"""
import argparse
import sys

MODES = ("ipip", "gre", "gue", "fou", "vxlan", "geneve", "srv6")
LOCAL4, LOCAL6 = "192.0.2.1", "2001:db8:1::1"
ROUTED_APPS = 100
HOPS_EVERY = 20


def devices(count):
    yield "devices:"
    for n in range(count):
        yield "  v%d%s: {ingress: true, egress: true}" % (n // 2, "ab"[n % 2])


def app_words(n):
    if n % 3 == 0:
        return "exe: /opt/app%d/bin/app%d" % (n, n)
    if n % 3 == 1:
        return "cgroup: /app%d.slice" % n
    return "uid: %d" % (100000 + n)


def apps(count):
    yield "apps:"
    for n in range(count):
        yield "  app%d: {%s}" % (n, app_words(n))


def remote(n, six):
    """An address for each tunnel; `n` up to some ten thousand."""
    return "2001:db8:2::%x" % (n + 1) if six else "198.18.%d.%d" % (n // 250, n % 250 + 1)


def is_six(n):
    return MODES[n % len(MODES)] == "srv6" or n // len(MODES) % 2 == 1


def has_peers(n):
    return n % 20 == 10 and MODES[n % len(MODES)] != "srv6"


def tunnel_words(n):
    mode, six = MODES[n % len(MODES)], is_six(n)
    yield "mode: %s" % mode
    yield 'local: "%s"' % (LOCAL6 if six else LOCAL4)
    if has_peers(n):
        yield "remote: peers"
    elif n % 20 == 0 and mode != "srv6":
        yield 'remote: ["%s", "%s"]' % (remote(n, six), remote(n + 10000, six))
    else:
        yield 'remote: "%s"' % remote(n, six)
    if mode == "srv6":
        yield 'segments: ["fc00:%x::1"], sid: "fc01:%x::1"' % (n + 1, n + 1)
    if mode == "gre":
        yield "key: %d" % n
    if mode in ("vxlan", "geneve"):
        yield "vni: %d" % (n + 1)
    if n % 4 == 0:
        yield "allow: [10.%d.%d.0/24]" % (n // 250, n % 250)


def tunnels(count):
    yield "tunnels:"
    for n in range(count):
        yield "  tun%d: {%s}" % (n, ", ".join(tunnel_words(n)))
    yield "peers:"
    for n in filter(has_peers, range(count)):
        for peer in range(4):
            yield '  - {to: "10.%d.%d.0/24", remote: "%s", tunnel: tun%d}' % (
                128 + peer, n % 250, remote(20000 + 4 * n + peer, is_six(n)), n)


def prefix(n, six):
    return "fd00:%x:%x::/64" % (n >> 16, n & 0xFFFF) if six else "10.%d.%d.0/24" % (n >> 8, n & 255)


def routes(count, tunnel_count, app_count):
    yield "routes:"
    for n in range(min(ROUTED_APPS, app_count, count)):
        yield "  - {to: 10.0.0.0/8, tunnel: tun%d, app: app%d}" % (n % tunnel_count, n)
    for n in range(ROUTED_APPS, count):
        to, tunnel = prefix(n // 2, n % 2 == 1), n % tunnel_count
        if n % HOPS_EVERY == 0:
            yield '  - {to: "%s", nexthops: [{tunnel: tun%d}, {tunnel: tun%d}]}' % (
                to, tunnel, (tunnel + 1) % tunnel_count)
        else:
            yield '  - {to: "%s", tunnel: tun%d}' % (to, tunnel)


def own_rule(n, args):
    match = ("app: app%d, dir: out" % (n % args.apps), "tunnel: tun%d, dir: in" % (n % args.tunnels),
             "dev: v%da, dir: in" % (n % (args.devices // 2)))[n % 3]
    return "  own%d: {match: {%s, proto: tcp, dport: %d}, action: {dscp: %d}}" % (
        n, match, n % 50000 + 1, n % 64)


def rules(args):
    """Those of FILE come last: one of them may match what all others do."""
    drawn = []
    if args.rule_file:
        with open(args.rule_file) as file:
            drawn = [line.rstrip("\n") for line in file if line.startswith("  r")][:args.rules]
    yield "rules:"
    for n in range(args.rules - len(drawn)):
        yield own_rule(n, args)
    yield from drawn


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("devices", 200), ("tunnels", 1000), ("apps", 1000), ("routes", 10000),
                        ("rules", 100000)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--rule-file")
    args = parser.parse_args()
    for part in (devices(args.devices), apps(args.apps), tunnels(args.tunnels),
                 routes(args.routes, args.tunnels, args.apps), rules(args)):
        sys.stdout.writelines(line + "\n" for line in part)


main()
