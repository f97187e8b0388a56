#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The JSON Schema that `culvert schema` prints, in the hands of another program: it takes every example
# of the documents, and what `culvert check` takes; it refuses what check refuses for a key, a value or
# something missing.

# shellcheck source=netns-tests/lib.sh
. "${LIB:-$(dirname "$0")/../lib.sh}"

/usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null || skip "no python3-jsonschema or python3-yaml"
cd "$WORK"
"$CULVERT" schema >schema.json

# validate FILE...: what the validator says.
validate() { "$TOOLS/schema.py" schema.json "$@"; }

title "the examples of the documents"
# blocks FILE N BEGIN: the N-th block whose first line is BEGIN.
blocks() {
	awk -v want="$2" -v begin="$3" '
		/^```/ { open = !open; on = 0; if (open && $0 ~ "^" begin) on = ++n == want; next }
		on' "$1"
}
count=0
# examples FILE BEGIN: checks all of them.
examples() {
	for ((i = 1; ; i++)); do
		blocks "$1" "$i" "$2" >example.yaml
		[[ -s example.yaml ]] || break
		"$CULVERT" check example.yaml
		expect_equal "" "$(validate example.yaml)" "$1, state file $i"
		count=$((count + 1))
	done
}
examples "$TREE/docs/culvert.yaml.5.scd" '```'
examples "$TREE/README.md" '```yaml'
((count > 8)) || fail "only $count examples found"
"$CULVERT" check "$TREE/docs/examples/culvert.yaml"
expect_equal "" "$(validate "$TREE"/docs/examples/culvert.yaml "$TREE"/docs/examples/culvert.d/*.yaml)" "docs/examples"

# Files, one a line, \n for a newline.
each_file() {
	local line
	while IFS= read -r line; do
		[[ -z $line ]] && continue
		printf '%b' "$line\n" >"$1"
		"$2" "$1" "$line"
	done
}

title "what both take"
good() {
	expect_status 0 "$CULVERT" check "$1"
	expect_equal "" "$(validate "$1")" "schema: $2"
}
each_file good.yaml good <<'END'
{}
devices:\napps:\ntunnels:\npeers:\nroutes:\nsets:\nrules:\noptions:
devices: {eth0: , "eth1": {}, 7: {ingress: yes, egress: "no"}, a.b: {prio: 0x10}}
devices: {"veth*": {tcx: true, before: 12}, eth0: {tcx: on, last: yes, optional: true}, eth1: {handle: 0xc2}}
options: {mark-mask: 0x30, mark-shared: on, flow-cache: false}
apps: {a: {uid: 5}, b: {uid: 5-9}, c: {comm: 007}, d: {unit: nginx.service}, e: {cgroup: a/b}, f: {netns: any}, 7: {comm: "a b"}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: "192.0.2.7,192.0.2.8", weight: [1, 2], ecn: off, df: off, ttl: inherit, dscp: ef, mtu: auto}}
tunnels: {a: {mode: vxlan, vni: 7, local: 2001:db8::1, remote: [2001:db8::2], mss: 1200, inner-smac: "02:00:5e:00:53:01"}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: peers}}\npeers: [{to: default, remote: 192.0.2.7, tunnel: a}]
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}}\nroutes: [{to: 10.0.0.1, tunnel: a, table: main, hook: "xmit,out"}, {to: "::/0", nexthops: [{tunnel: a}], metric: 0}]
routes: [{to: 10.0.0.0/8, via: 192.0.2.9, hook: [in], from: "10.0.0.0/8,192.0.2.0/24", from-mark: 1, policy: drop}]
sets: {p: {type: port, elements: "1-5,9"}, q: {type: mark, elements: [0x10-0x1f, 7]}, none: {type: len, elements: []}}\nrules: {r: {match: {proto: udp, dport: "@p", sport: not @p}}}
rules: {r: {prio: 0, match: {proto: tcp, dport: [80, 8000-8999], sport: "not 1,2"}, action: {mark: 0x10/0xff, priority: "1:30"}}, s: , t: {match: , action: }}
rules: {r: {match: {dir: out, family: 4, dscp: ef, ecn: ect0, len: 0-99, fragment: no}, action: {police: 1.5mbit, burst: 32kb, per: source, sample: 1/100, pace: 8000, verdict: continue}}}
rules: {r: {match: {proto: icmpv6, icmp-type: echo-request, icmp-code: 0}}, s: {match: {proto: 6, tcp-flags: syn/syn+ack}}, t: {match: {ethertype: 0x806, vlan: not 7}}}
END

title "what both refuse"
bad() {
	expect_status 1 "$CULVERT" check "$1" 2>/dev/null
	[[ -n $(validate "$1") ]] || fail "the schema takes $2"
}
each_file bad.yaml bad <<'END'
device: {eth0: }
[]
text
devices: [eth0]
devices: {eth0: {ingres: true}}
devices: {eth0: {ingress: maybe}}
devices: {eth0: {prio: 65536}}
devices: {eth0: {prio: 0}}
devices: {eth0: {handle: 65536}}
devices: {eth0: {tcx: 1}}
devices: {an-interface-of-17: }
devices: {a/b: }
options: {mark-mask: all}
options: {mark-sharing: true}
apps: {a b: {exe: /x}}
apps: {a: {exe: curl}}
apps: {a: {exe: /x, exe-sha256: 12}}
apps: {a: {uid: root}}
apps: {a: {uid: [1, 2]}}
apps: {a: /usr/bin/curl}
tunnels: {a: {mode: gre, local: 192.0.2.1}}
tunnels: {a: {mode: gre, remote: 192.0.2.1}}
tunnels: {a: {local: 192.0.2.2, remote: 192.0.2.1}}
tunnels: {a: }
tunnels: {a: {mode: grep, local: 192.0.2.1, remote: 192.0.2.7}}
tunnels: {a: {mode: gre, local: 192.0.2.256, remote: 192.0.2.7}}
tunnels: {a: {mode: gre, local: eth0, remote: 192.0.2.7}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: [192.0.2.7, peers]}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: []}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, key: -1}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, key: 4294967296}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, ttl: 256}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, df: maybe}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, allow: 10.0.0.0/33}}
tunnels: {a: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, allow: [default]}}
tunnels: {a: {mode: vxlan, vni: 1, local: 192.0.2.1, remote: 192.0.2.7, inner-smac: 02-00-5e-00-53-01}}
peers: [{to: 10.0.0.0/8, tunnel: a}]
peers: {to: 10.0.0.0/8}
routes: {10.0.0.0/8: {tunnel: a}}
routes: [{tunnel: a}]
routes: [{to: everywhere, tunnel: a}]
routes: [{to: 10.0.0.0/8, tunnel: {name: a}}]
routes: [{to: 10.0.0.0/8, nexthops: [{weight: 3}]}]
routes: [{to: 10.0.0.0/8, nexthops: {tunnel: a}}]
routes: [{to: 10.0.0.0/8, tunnel: a, hook: forward}]
routes: [10.0.0.0/8]
sets: {s: {elements: 5}}
sets: {s: {type: ports}}
sets: {s: {type: port, file: blocked}}
rules: {r: {prio: first}}
rules: {r: {matches: {}}}
rules: {r: {match: {protocol: tcp}}}
rules: {r: {match: []}}
rules: {r: {match: {proto: tpc}}}
rules: {r: {match: {proto: tcp, dport: http}}}
rules: {r: {match: {proto: tcp, dport: "@"}}}
rules: {r: {match: {proto: tcp, dport: {from: 1, to: 5}}}}
rules: {r: {match: {family: 5}}}
rules: {r: {match: {dir: inout}}}
rules: {r: {match: {src: localhost}}}
rules: {r: {match: {family: not 4}}}
rules: {r: {match: {dscp: 64}}}
rules: {r: {match: {vlan: 4096}}}
rules: {r: {match: {ethertype: arpa}}}
rules: {r: {action: {verdict: reject}}}
rules: {r: {action: {drop: true}}}
rules: {r: {action: {police: fast}}}
rules: {r: {action: {burst: 32kib}}}
rules: {r: {action: {sample: 100}}}
rules: {r: {action: {priority: high}}}
rules: {r: {action: {mark: red}}}
END
