# SPDX-License-Identifier: Apache-2.0

load ../bats/lifecycles

@test "64 clients at once, each with a subsystem of its own on a port that all share, 100 times: none fails, and nothing is lost or left" {
	live_at_once 100
}
