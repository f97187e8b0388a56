#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Changes of every kind whose system calls fail, or whose process is killed: the old or the new state
# works, the next command says which, and `repair` brings it back whole. A sample of what
# netns-tests/faults/run tries.
exec "$(dirname "${BASH_SOURCE[0]}")/../faults/run"
