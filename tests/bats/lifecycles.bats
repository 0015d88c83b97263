# SPDX-License-Identifier: Apache-2.0

load lifecycles

@test "64 clients at once, each with a subsystem of its own on a port that all share: none fails, and nothing is lost or left" {
	live_at_once 2
}
