#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed at 200 of the calls of a change (or at NVMETCTL_KILL_POINTS), and at some of those of the start after it.
# machine: --kernel 6.12 --memory 1536 --timeout 7200
load ../vm/lib
load ../vm/kill

@test "whenever the daemon is killed, the next one leaves the kernel as before the change or as after it, and nothing else is touched" {
	kill_everywhere "${NVMETCTL_KILL_POINTS:-200}"
}
