#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Somebody removes pins of maps, one after the other, or those of the whole host: `status` says so, and
# `repair` pins the same maps again, which the programs still have, so that counters go on and packets of
# an app keep their way. What is not to be found is made anew. `down` works all the same.

# shellcheck source=netns-tests/lib.sh
. "$(dirname "$0")/../lib.sh"

topology_sites
plain_routes_del a b
program=$(program_copy program)
apply_tunnel b blue "mode: gre, local: $B4, remote: $A4, allow: ['0.0.0.0/0', '::/0']"
apply_state a <<-YAML
	devices: {a0: {}}
	apps: {it: {exe: $program}}
	tunnels: {blue: {mode: gre, local: $A4, remote: $B4, allow: ["0.0.0.0/0", "::/0"]}}
	routes:
	  - {to: $B_NET4, tunnel: blue, src: $A_IN4, app: it}
	  - {to: "$B_NET6", tunnel: blue, src: "$A_IN6"}
	rules: {its: {match: {app: it, dir: out}, action: {verdict: next}}}
YAML
echo_server b server /usr/bin/python3 7000

talk() {
	in_ns a "$program" "$TOOLS/traffic.py" udp 2 "$B_IN4,$B_IN6" --port 7000 --timeout 0.3 >"$WORK/talk" 2>&1
}
talk || fail "nothing works to begin with: $(<"$WORK/talk")"
instance=$(cv_json a status | jq -r .instance)
map_ids() {
	local pin
	find "$WORK"/bpf/v1/{host,"$instance"}/maps -type f -printf '%P\n' | sort |
		while read -r pin; do
			printf '%s ' "$pin"
			bpftool -j map show pinned "$(find "$WORK"/bpf/v1/{host,"$instance"}/maps -name "$pin" -type f)" | jq .id
		done
}
its_packets() { cv_json a rule show its | jq '.[0].packets'; }

title "each map of the instance, and of the host"
map_ids >"$WORK/ids"
packets=$(its_packets)
mapfile -t pins < <(find "$WORK"/bpf/v1/{host,"$instance"}/maps -type f ! -name cv_meta ! -name cv_devs)
((${#pins[@]} > 25)) || fail "only ${#pins[@]} pins"
for pin in "${pins[@]}"; do
	rm "$pin"
	case ${pin##*/} in
	# With these two there is nothing to be compared.
	cv_owners | cv_events)
		prints "map ${pin##*/}: its pin is gone: 'culvert repair'" cv a status || fail "status does not name ${pin##*/}"
		expect_status 4 cv a diff "$WORK/a.yaml"
		expect_line "^\+ map ${pin##*/}: its pin was gone\$" "$WORK/out"
		;;
	esac
	expect_status 0 cv a repair
	# The kernel empties a map of programs that has no pin.
	[[ $pin == *_progs ]] ||
		expect_equal "" "$(grep -v " ${pin##*/}: its pin was gone\$" "$WORK/out" || :)" "what else the repair without ${pin##*/} did"
done
# Nobody has what only stands by for what the state has not; it is made when it is needed.
map_ids | diff "$WORK/ids" - | grep -Ev 'cv_(gates|.*_progs)|^[0-9]|^---' >"$WORK/other" || :
expect_equal "" "$(<"$WORK/other")" "maps that are other ones now"
talk || fail "nothing works with the pins: $(<"$WORK/talk")"
(($(its_packets) > packets)) || fail "the rule does not count on: $packets, then $(its_packets)"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the last repair does"

title "all of the host at once"
rm -r "$WORK/bpf/v1/host"
expect_status 0 cv a repair
expect_line '^\+ map cv_owners: its pin was gone$' "$WORK/out"
expect_line '^\+ hook cv_sock_create$' "$WORK/out"
packets=$(its_packets)
talk || fail "nothing works without what the host had: $(<"$WORK/talk")"
(($(its_packets) > packets)) || fail "the app is not known any more"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the second repair does"

title "a map that no program has"
rm "$WORK/bpf/v1/$instance/maps/cv_devs"
expect_status 0 cv a repair
talk || fail "nothing works with other maps: $(<"$WORK/talk")"
expect_status 0 cv a repair
expect_equal "" "$(<"$WORK/out")" "what the second repair does"

title "down"
rm "$WORK/bpf/v1/$instance/maps/cv_allowed"
expect_status 0 cv a down
expect_equal "" "$(in_ns a ip route show table all proto 201)$(find "$WORK/bpf" -path "*$instance*")" "what down leaves"
