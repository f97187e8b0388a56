# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is changed, asked for or repaired while faults come, and the packets that tell of it."""
import collections

# Files of states; those of a folder NAME.d belong to NAME.yaml. Their names in capital letters are words of
# commands.
STATES = ("old.yaml", "new.yaml", "rich.yaml", "rich.d/rules.yaml", "richer.yaml", "richer.d/rules.yaml")

# What stands before: the state applied (None: nothing), and what a shell does to it. Then a command of culvert
# and its standard input. is_look: it only tells. is_next: it is the culvert of the map ABI to come.
Case = collections.namedtuple("Case", "before damage words text is_look is_next", defaults=(None, False, False))


def change(before, words, text=None, damage=""):
    return Case(before, damage, words, text)


def damaged(before, *commands):
    return Case(before, "; ".join(commands), "repair")


def look(words, text=None):
    return Case("RICH", "", words, text, is_look=True)


# More than are looked at one by one.
MANY = ",".join("10.%d.%d.0/24" % (128 + n // 256, n % 256) for n in range(4000))

CASES = {
    "apply-new": change(None, "apply OLD"),
    "change": change("OLD", "apply NEW"),
    "change-back": change("NEW", "apply OLD"),
    "down": change("OLD", "down"),
    "rich-new": change(None, "apply RICH"),
    "rich-change": change("RICH", "apply RICHER"),
    "rich-back": change("RICHER", "apply RICH"),
    "rich-other": change("OLD", "apply RICHER"),
    "rich-down": change("RICHER", "down"),
    "rule-add": change("OLD", "rule add more prio 2 match dir out dst 10.90.0.9 proto udp dport 5000 action dscp 30"),
    "rule-del": change("OLD", "rule del dscp"),
    "rule-replace": change("RICH", "rule replace send prio 24 match dir out dst 10.91.1.0/24 action dscp 7"),
    "tunnel-replace": change("OLD", "tunnel replace gre mode gre local 192.0.2.1 remote 198.18.21.1 key 3"),
    "tunnel-add": change("OLD", "tunnel add gre2 mode gre local 192.0.2.1 remote 198.18.22.1 key 9"),
    "tunnel-del": change("RICHER", "tunnel del spare"),
    "route-add": change("OLD", "route add 10.90.0.0/24 tunnel gre"),
    "route-del": change("OLD", "route del 10.11.0.0/16"),
    "route-app": change("RICH", "route replace default tunnel key app roam"),
    "guard-del": change("OLD", "route del 10.13.0.0/16"),
    "dev-add": change("OLD", "dev add s1 ingress"),
    "dev-del": change("NEW", "dev del s1"),
    "dev-tcx": change("OLD", "dev add s1 ingress egress tcx"),
    "app-add": change("OLD", "app add three uid 4103"),
    "app-replace": change("RICH", "app replace roam uid 4103 comm python3"),
    "app-del": change("NEW", "app del two"),
    "peer-add": change("OLD", "peer add 10.30.9.0/24 remote 198.18.19.1 tunnel peers"),
    "peer-del": change("NEW", "peer del 10.31.0.0/24 tunnel peers"),
    "set-replace": change("OLD", "set replace blocked type prefix elements 10.90.0.0/24"),
    "set-add": change("RICH", "set add wide type prefix elements " + MANY),
    "set-grow": change("RICH", "set replace blocked type prefix elements 10.90.2.0/24," + MANY),
    "batch": change("OLD", "-batch -", "tunnel add blue mode gre local 192.0.2.1 remote 198.18.25.1 key 25\n"
                    "route replace 10.10.0.0/16 tunnel blue\nrule del rate\n"
                    "rule add late prio 40 match dir out dst 10.90.4.0/24 action drop\n"),
    "rich-batch": change("RICH", "-batch -", "set replace blocked type prefix elements 10.90.1.0/24\n"
                         "dev del s1\ndev add s1 egress\napp add new comm nobody\n"
                         "tunnel add blue mode geneve vni 3 local 192.0.2.1 remote 198.18.25.1\n"
                         "route add default tunnel blue app new\nroute del 10.42.0.0/16\n"
                         "rule replace send match dir out dst 10.91.1.0/24 action drop\n"),
    "apply-confirm": change("OLD", "apply NEW --confirm 600"),
    "confirm": change("OLD", "confirm", damage="$CV apply $NEW --confirm 600"),
    "roll-back": change("OLD", "confirm --rollback", damage="$CV apply $NEW --confirm 600"),
    "takeover": Case("OLD", "", "apply OLD", is_next=True),
    "takeover-repair": Case("RICH", "", "repair", is_next=True),
    "repair": damaged("OLD", "tc filter del dev s0 ingress", "tc qdisc del dev s0 clsact", "ip route flush proto 201",
                      "ip rule del pref 3000", "ip rule del pref 3000"),
    "repair-rules": damaged("RICH", "ip rule flush protocol 201", "ip -6 rule flush protocol 201"),
    "repair-flush": damaged("RICH", "ip route flush table all proto 201", "ip -6 route flush table all proto 201",
                            "ip nexthop flush proto 201"),
    "repair-pins": damaged("RICH", "rm -rf $WORK/bpf/v1/*/progs", "rm -rf $WORK/bpf/v1/*/tunnels"),
    "repair-maps": damaged("RICH", "rm -rf $WORK/bpf/v1"),
    "repair-filter": damaged("RICH", "tc filter replace dev s0 ingress prio 100 handle 0xc1 bpf da bytecode "
                             "'1,6 0 0 4294967295'"),
    "repair-dev": damaged("RICH", "ip link set s0 down", "ip link set s0 up", "ip route add default via 192.0.2.2",
                          "ip route add 203.0.113.0/24 via 192.0.2.2 proto static",
                          "ip -6 addr add 2001:db8:1::1/64 dev s0 nodad",
                          "ip -6 route add default via 2001:db8:1::2 dev s0", "ip -6 neigh add 2001:db8:1::2 "
                          "lladdr 02:00:00:00:00:09 dev s0", "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:09 dev s0"),
    "look-status": look("-j status"),
    "look-diff": look("diff RICHER"),
    "look-same": look("diff RICH"),
    "look-save": look("save"),
    "look-devices": look("-j dev"),
    "look-apps": look("-j app"),
    "look-tunnels": look("-j tunnel"),
    "look-routes": look("-j route"),
    "look-rules": look("-j rule"),
    "look-sets": look("-j set"),
    "look-explain": look("-j explain dir out src 192.0.2.1 dst 10.90.0.9 proto udp sport 9 dport 5000"),
    "look-dry": look("apply RICHER --dry-run"),
}

# Of every kind one.
QUICK = ("rich-change", "rule-add", "batch", "down", "route-app", "confirm", "repair-pins", "look-save")


def outward(one, two, three):
    """Packets that leave: (name, whose, to, port)."""
    return [("gre", None, "10.10.0.9", 5000), ("moved", None, "10.11.0.9", 5000),
            ("remotes", None, "10.20.0.9", 5000), ("peer", None, "10.30.0.9", 5000),
            ("app uid", one, "10.50.0.9", 5000), ("app exe", two, "10.60.0.9", 5000),
            ("six", None, "fd00:10::9", 5000), ("guard", None, "10.13.0.9", 5000),
            ("drop", None, "10.90.0.9", 5001), ("dscp", None, "10.90.0.9", 5000),
            ("set 1", None, "10.90.1.9", 5000), ("set 2", None, "10.90.2.9", 5000),
            ("rate", None, "10.90.3.9", 5000), ("late", None, "10.90.4.9", 5000),
            ("roams", three, "10.99.0.9", 5000), ("roams six", three, "fd00:99::9", 5000),
            ("redirected", None, "10.91.1.9", 5000), ("continued", None, "10.91.2.9", 5000),
            ("accepted", None, "10.91.3.9", 5000), ("routed six", None, "fd00:42::9", 5000)]


# Packets that come in tunnels: (name, by which device, mode, number, from, to).
BACK = [
    ("from gre 1", "s0", "gre", 1, "198.18.1.1", "192.0.2.1"),
    ("from gre 2", "s0", "gre", 2, "198.18.11.1", "192.0.2.1"),
    ("from gre 5", "s0", "gre", 5, "198.18.5.1", "192.0.2.1"),
    ("from gre 6", "s0", "gre", 6, "198.18.15.1", "192.0.2.1"),
    ("from gre 7", "s0", "gre", 7, "198.18.31.1", "192.0.2.1"),
    ("from gre by s1", "s1", "gre", 2, "198.18.11.1", "192.0.2.1"),
    ("from gre 7 by s1", "s1", "gre", 7, "198.18.31.1", "192.0.2.1"),
    ("from many", "s0", "gue", 0, "198.18.2.1", "192.0.2.1"),
    ("from many later", "s0", "gue", 0, "198.18.12.3", "192.0.2.1"),
    ("from fan", "s0", "gue", 0, "198.18.32.7", "192.0.2.1"),
    ("from peer", "s0", "ipip", 0, "198.18.3.1", "192.0.2.1"),
    ("from peer later", "s0", "ipip", 0, "198.18.14.1", "192.0.2.1"),
    ("from six", "s0", "vxlan", 7, "2001:db8:2::1", "2001:db8:1::1"),
    ("from six later", "s0", "vxlan", 8, "2001:db8:3::1", "2001:db8:1::1")]
