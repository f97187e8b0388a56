#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The files of the folder beside a state file are part of it for check, apply and diff; what the kernel
# refuses is told with the line of the file that asked for it; what is saved makes no difference.

# shellcheck source=netns-tests/lib.sh
. "${LIB:-$(dirname "$0")/../lib.sh}"

netns_add a b
veth_pair a eth0 b eth0
address a eth0 192.0.2.1/24
address b eth0 192.0.2.7/24
printf '#!/bin/sh\nexec %s --cgroup %s "$@"\n' "$CULVERT" "$CGROUP" >"$WORK/bin/culvert"
chmod +x "$WORK/bin/culvert"
PATH=$WORK/bin:$PATH
cd "$WORK" || exit
mkdir culvert.d

cat >culvert.yaml <<'END'
devices: {eth0: }
routes:
  - {to: 10.8.0.0/16, tunnel: blue}
END
cat >culvert.d/10-tunnels.yaml <<'END'
tunnels:
  blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}
routes:
  - {to: 10.9.0.0/16, tunnel: blue}
END
cat >culvert.d/20-rules.yaml <<'END'
rules:
  no-telnet: {match: {dir: in, proto: tcp, dport: 23}, action: {verdict: drop}}
END

title "all files are one state"
in_ns a culvert check culvert.yaml
in_ns a culvert apply culvert.yaml
expect_json '[.routes, .tunnels, .rules, .devices]' '[2, 1, 1, 1]' "objects" < <(in_ns a culvert -j status)
expect_status 0 in_ns a culvert diff culvert.yaml
expect_equal "" "$(<out)" "diff of what is applied"

title "a file less is a difference"
mv culvert.d/20-rules.yaml 20-rules.yaml
expect_status 4 in_ns a culvert diff culvert.yaml
mv 20-rules.yaml culvert.d/20-rules.yaml

title "what is saved makes no difference"
in_ns a culvert save >saved.yaml
expect_status 0 in_ns a culvert diff saved.yaml
in_ns a culvert apply saved.yaml
expect_equal "$(<saved.yaml)" "$(in_ns a culvert save)" "saved again"

title "refusals name the right file"
printf 'routes:\n  # not there\n  - {to: 10.7.0.0/16, tunnel: blue, dev: eth7}\n' >culvert.d/30-more.yaml
expect_status 2 in_ns a culvert apply culvert.yaml
expect_line '^culvert[.]d/30-more[.]yaml:3:10: error: ' err
expect_line '^    - [{]to: 10[.]7[.]0[.]0/16, tunnel: blue, dev: eth7[}]$|^      - [{]to: 10[.]7' err
printf 'devices: {eth0: }\n' >culvert.d/30-more.yaml
expect_status 1 in_ns a culvert apply culvert.yaml
expect_line '^culvert[.]d/30-more[.]yaml:1:11: error: dev eth0: given twice, first at culvert[.]yaml:1:11$' err
expect_equal "$(<saved.yaml)" "$(in_ns a culvert save)" "after refusals"
in_ns a culvert down
