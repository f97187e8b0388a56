# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What stands in the kernel and in the file system, without asking culvert.

A picture is a dictionary of lists of lines, such that two states that do the same have the same picture:
numbers that depend on what was there before (ids, generations, marks) are left out.
"""
import ctypes
import json
import os
import re
import socket
import subprocess
import time

APP_TABLE = 0xC0000  # tables of apps begin here; their numbers go by mark
GENERATION = re.compile(r"(culvert/\d+/[^/]+/[^/]+)/\d+")
GUARD = re.compile(r"@\d+")
SYSCTLS = ("rp_filter", "src_valid_mark", "accept_local")

PASSING = re.compile(r"progs/cv_guard_(in|out)$|maps/cv_gates$|^v1/ns-\d*/links$|/stamp$|^(maps|progs)\.debug$")

SYS_BPF = 321
BPF_GET_FD_BY_ID = {"prog": 13, "map": 14, "link": 30}
BPF_OBJ_GET_INFO_BY_FD = 15
BPF_PROG_QUERY = 16
TCX = {"ingress": 46, "egress": 47}
HOOKS_GO_SECONDS = 5
PROG_NAME_AT = 64  # in struct bpf_prog_info
libc = ctypes.CDLL(None, use_errno=True)


def run(*words, text=None):
    return subprocess.run(words, input=text, capture_output=True, text=True, check=False).stdout


def documents(text):
    """The JSON documents that stand one behind another in a text."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        document, at = decoder.raw_decode(text, at)
        yield document


def line(value):
    return GUARD.sub("@", GENERATION.sub(r"\1/N", json.dumps(value, sort_keys=True)))


def without(value, *keys):
    return {key: entry for key, entry in value.items() if key not in keys}


def nexthop_lines(nexthops):
    """Text of each nexthop object by id; groups by their members."""
    single = {hop["id"]: line(without(hop, "id")) for hop in nexthops if "group" not in hop}
    texts = dict(single)
    for hop in nexthops:
        if "group" in hop:
            members = sorted(single.get(way["id"], "?") + str(way.get("weight", 1)) for way in hop["group"])
            texts[hop["id"]] = line([without(hop, "id", "group"), members])
    return texts


def route_line(route, nexthops):
    route = without(route, "cache", "nh_info")
    if "nhid" in route:
        route["nexthops"] = []
        route["nhid"] = nexthops.get(route["nhid"], "?")
    if route.get("table", "").isdigit() and int(route["table"]) >= APP_TABLE:
        route["table"] = "app"
    return line(route)


def rule_line(rule):
    if rule.get("protocol") in ("201", "culvert"):
        rule = without(rule, "fwmark")
        rule["table"] = "app" if rule.get("table", "").isdigit() else rule.get("table")
    return line(rule)


def filter_line(dev, side, entry):
    options = without(entry.get("options", {}), "prog", "jited")
    return line([dev, side, entry.get("pref"), entry.get("kind"), options])


def tree(root):
    """Names of all files and folders below root, links with where they lead. What only guards, gates and
    tcx need is there from the first of them on; `stamp` only saves time; in each bpffs the kernel has two files."""
    names = []
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(folder, name)
            text = os.path.relpath(path, root)
            if os.path.islink(path):
                text += " -> " + os.readlink(path)
            if not PASSING.search(text):
                names.append(re.sub(r"guards/\d+", "guards/N", text))
    return sorted(names)


class Looker:
    """Pictures of the network namespace that this process is in."""

    def __init__(self, work, cgroup, devices, tools):
        self.work, self.cgroup, self.devices, self.tools = work, cgroup, devices, tools

    def network(self):
        picture = {}
        for family in "46":
            rules, routes, nexthops = documents(run(
                "ip", "-" + family, "-j", "-d", "-batch", "-",
                text="rule show\nroute show table all\nnexthop show\n"))
            hops = nexthop_lines(nexthops)
            picture["rules" + family] = sorted(map(rule_line, rules))
            picture["routes" + family] = sorted(
                route_line(route, hops) for route in routes if route.get("type") != "anycast")
            picture["nexthops" + family] = sorted(hops.values())
        links = json.loads(run("ip", "-j", "link", "show"))
        picture["links"] = sorted(link["ifname"] + (" up" if "UP" in link["flags"] else "") for link in links)
        return picture

    def filters(self):
        asked = [(dev, side) for dev in self.devices for side in ("ingress", "egress")]
        words = ["filter show dev %s %s\n" % pair for pair in asked]
        answers = list(documents(run("tc", "-j", "-batch", "-", text="qdisc show\n" + "".join(words))))
        lines = [filter_line(*pair, entry) for pair, entries in zip(asked, answers[1:])
                 for entry in entries if entry.get("options")]
        qdiscs = [line([entry["dev"], entry["kind"]]) for entry in answers[0]]
        return {"filters": sorted(lines), "qdiscs": sorted(qdiscs)}

    def saved(self):
        """The applied state in the words of a tool that can read it: lines that a file had may stay as they were."""
        texts = (run(*tool, "-q", "save") for tool in self.tools)
        return next(filter(None, texts), None)

    def files(self):
        # Whether single rules can be changed without looking at the others is no part of the state.
        kept = [path for path in tree(self.work + "/state") if not path.endswith("/stamp")]
        picture = {"pins": tree(self.work + "/bpf"), "state": kept, "applied": [], "sysctls": []}
        for folder, _, files in os.walk(self.work + "/state"):
            if "state.yaml" in files:
                with open(folder + "/state.yaml", encoding="utf-8") as file:
                    picture["applied"] = (self.saved() or file.read()).splitlines()
        for dev in sorted(os.listdir("/proc/sys/net/ipv4/conf")):
            for name in SYSCTLS:
                with open("/proc/sys/net/ipv4/conf/%s/%s" % (dev, name), encoding="ascii") as file:
                    picture["sysctls"].append("%s.%s=%s" % (dev, name, file.read().strip()))
        return picture

    def tcx(self):
        return ["tcx %s %s %s" % (dev, side, " ".join(map(name_of_program, programs_on(dev, kind))))
                for dev in self.devices for side, kind in TCX.items()]

    def hooks(self):
        """What is attached. A hook whose link has lost its pin is taken off by the kernel in its own time."""
        end = time.monotonic() + HOOKS_GO_SECONDS
        while True:
            answers = documents(run("bpftool", "-j", "cgroup", "show", self.cgroup))
            entries = [entry for entries in answers for entry in entries]
            pins = {os.path.basename(name) for name in tree(self.work + "/bpf") if "/links/" in name}
            going = [entry for entry in entries if entry["name"].startswith("cv_") and
                     not any(pin.startswith(entry["name"]) for pin in pins)]
            if not going or time.monotonic() > end:
                return {"hooks": sorted(entry["attach_type"] + " " + entry["name"] for entry in entries)}

    def picture(self):
        return {**self.network(), **self.filters(), **self.files(), **self.hooks(), "tcx": self.tcx()}


def differences(a, b):
    """Lines that say in what two pictures differ."""
    lines = []
    for key in a:
        gone, come = [list(x) for x in (a[key], b[key])]
        for entry in a[key]:
            if entry in come:
                come.remove(entry)
                gone.remove(entry)
        lines += ["%s: - %s" % (key, entry) for entry in gone] + ["%s: + %s" % (key, entry) for entry in come]
    return lines


def bpf(command, attr):
    return libc.syscall(SYS_BPF, command, attr, ctypes.sizeof(attr))


def programs_on(dev, kind):
    """Ids of the programs on a tcx hook, in their order."""
    ids = (ctypes.c_uint32 * 16)()
    attr = (ctypes.c_uint64 * 8)(socket.if_nametoindex(dev) | kind << 32, 0, ctypes.addressof(ids), len(ids))
    return [number for number in ids if number] if not bpf(BPF_PROG_QUERY, attr) else []


def name_of_program(number):
    descriptor = descriptor_of("prog", number)
    if descriptor < 0:
        return "gone"
    info = ctypes.create_string_buffer(256)
    attr = (ctypes.c_uint64 * 4)(descriptor | len(info) << 32, ctypes.addressof(info))
    bpf(BPF_OBJ_GET_INFO_BY_FD, attr)
    os.close(descriptor)
    return info.raw[PROG_NAME_AT:PROG_NAME_AT + 16].partition(b"\0")[0].decode()


def descriptor_of(kind, number):
    return bpf(BPF_GET_FD_BY_ID[kind], (ctypes.c_uint32 * 32)(number))


def id_exists(kind, number):
    """Whether the kernel still has a program, map or link of that id."""
    descriptor = descriptor_of(kind, number)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True
