#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed at some of the calls of a change; tests/long/kill.bats has 200 of them.
# long machine: --kernel 6.12 --memory 1536
load lib
load kill

@test "whenever the daemon is killed, the next one leaves the kernel as before the change or as after it, and nothing else is touched" {
	kill_everywhere 4
}
