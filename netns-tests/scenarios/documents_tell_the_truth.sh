#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The worked example of README.md does what README.md says: its state files are applied, each of its
# commands is run, and prints what stands there (counters, ids and checksums may differ). The example
# program of docs/maps.md is built, loaded and attached as that page says, and so are routes and
# filters by hand. The state files of culvert.yaml.5 pass `culvert check`.

# shellcheck source=netns-tests/lib.sh
. "${LIB:-$(dirname "$0")/../lib.sh}"
DOCS=${DOCS:-$TREE}

# Two hosts and a router, as the document has them.
netns_add a r b
veth_pair a eth0 r ra
veth_pair b eth0 r rb
address a eth0 192.0.2.1/24
address b eth0 198.51.100.1/24
address r ra 192.0.2.254/24
address r rb 198.51.100.254/24
address a lo 10.8.0.1/32
address b lo 10.9.0.1/32
netns_forward r
ip -n a route add default via 192.0.2.254
ip -n b route add default via 198.51.100.254
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || { mkdir -p /run/bpf; }

# culvert with its default folders, which are private here; the hooks go to the test's cgroup.
printf '#!/bin/sh\nexec %s --cgroup %s "$@"\n' "$CULVERT" "$CGROUP" >"$WORK/bin/culvert"
chmod +x "$WORK/bin/culvert"
PATH=$WORK/bin:$PATH
cd "$WORK"

# yaml N FILE: the N-th yaml block.
yaml() { awk -v want="$1" '/^```yaml/ { n++; on = n == want; next } /^```/ { on = 0 } on' "$DOCS/README.md" >"$2"; }
yaml 1 a.yaml
yaml 2 b.yaml
yaml 3 apps.yaml
yaml 4 more.yaml
expect_status 0 culvert check apps.yaml
expect_status 0 culvert check more.yaml
mkdir www
head -c 400 /dev/zero >www/index.html
start_in b web python3 -m http.server --directory www 80
listens() { [[ -n $(in_ns b ss -Hltn "sport = :80") ]]; }
wait_for 10 listens || fail "no web server"

# state_file N FILE: the N-th of culvert.yaml.5.
state_file() { awk -v want="$1" '/^```/ { if (!on) n++; on = !on; next } on && n == want' "$DOCS/docs/culvert.yaml.5.scd" >"$2"; }
for ((i = 1; ; i++)); do
	state_file "$i" example.yaml
	[[ -s example.yaml ]] || break
	expect_status 0 culvert check example.yaml
done
((i > 3)) || fail "culvert.yaml.5: only $((i - 1)) state files found"

# What may differ from run to run.
plain() {
	sed -E 's/[0-9]+\/[0-9]+( |$)/N\/N\1/g; s/ns-[0-9]+/ns-N/; s/ id [0-9]+ / id N /; s/(name cv_cls_egress).*/\1/
		s/after [0-9]+ ms|after [0-9]+ milliseconds/after N/; s/ +/ /g; s/[ \t]+$//' |
		awk '/^RULE /{ rules = 1 } rules && /^(no-telnet|fetch-low) / { $(NF - 1) = $NF = "N" } { print }'
}

title "the commands of README.md"
site='' want='' got='' count=0
finish() {
	[[ -z $site ]] || expect_equal "$(plain <<<"$want")" "$(plain <<<"$got")" "$command"
	site='' want=''
}
while IFS= read -r line; do
	if [[ $line =~ ^([ab])#\ (.*) ]]; then
		finish
		site=${BASH_REMATCH[1]} command=${BASH_REMATCH[2]}
		got=$(in_ns "$site" bash -c "$command" 2>&1 </dev/null) || :
		count=$((count + 1))
	else
		want+=${want:+$'\n'}$line
	fi
done < <(awk '/^```/ { on = !on; if (!on) print "#END"; next } on' "$DOCS/README.md" |
	awk '/^[ab]# / { on = 1 } /^#END/ { on = 0; next } on')
finish
((count > 12)) || fail "only $count commands found"

title "the example of docs/maps.md"
in_ns b culvert apply b.yaml
in_ns a culvert apply a.yaml
awk '/^```/ { on = !on; next } on' "$DOCS/docs/maps.md" >maps.commands
(cd "$DOCS" && eval "$(sed -n '/^clang/,/owner.bpf.o$/p' "$WORK/maps.commands" | sed "s|-o owner|-o $WORK/owner|")")
instance=$(in_ns a culvert -j status | jq -r .instance)
sed -n "/prio 200 .*owner.bpf.o/{s/INSTANCE/$instance/;p}" maps.commands >attach
in_ns a bash -e attach
in_ns a curl -s -o /dev/null http://10.9.0.1/
in_ns a bpftool -j map dump name traffic_by_user |
	jq -e '[.[] | (.formatted // .) | select(.key.app == 1)] | length > 0' >/dev/null || fail "no packet of app 1 was counted: $(in_ns a bpftool -j map dump name traffic_by_user | cut -c1-900)"
expect_json '[.foreign[].prio]' '[200]' "foreign filters" < <(in_ns a culvert -j status)
grep '^tc filter del' maps.commands >detach
in_ns a bash -e detach

title "completion of names"
# shellcheck disable=SC2016 # expanded by the inner shell
expect_equal "blue" "$(in_ns a bash -c '. "$0"; COMP_WORDS=(culvert tunnel del ""); COMP_CWORD=3; _culvert
	echo "${COMPREPLY[*]}"' "$DOCS/docs/culvert.bash")" "completed tunnels"
in_ns a culvert down

title "stock ip and tc, as docs/maps.md says"
in_ns a culvert tunnel add blue mode gre local 192.0.2.1 remote 198.51.100.1 key 42
instance=$(in_ns a culvert -j status | jq -r .instance)
sed "s/INSTANCE/$instance/; s/NAME/blue/; s|/usr/local/lib/culvert/bpf|$TREE/build/bpf|" maps.commands >by-hand
sed -n '/^ip route add/,/^tc filter add.* egress/p' by-hand >attach
in_ns a bash -e attach
pings() { in_ns a ping -n -c 1 -W 1 -I 10.8.0.1 10.9.0.1; }
# counted SENT RECEIVED: packets put into the tunnel and taken out of it.
counted() { expect_json '.[0] | [.tx_packets, .rx_packets]' "[$1, $2]" "packets of blue" < <(in_ns a culvert -j tunnel show); }
pings >/dev/null || fail "no ping through a route and filters made by hand"
counted 1 1
in_ns a tc qdisc del dev eth0 clsact
! pings >/dev/null || fail "the answer was taken out without a filter"
in_ns a tc qdisc add dev eth0 clsact
sed -n '/^TC_BPF_MNT.*classify/p' by-hand >attach
in_ns a bash -e attach
pings >/dev/null || fail "no ping through the installed object"
counted 3 2
in_ns a culvert down
in_ns b culvert down
