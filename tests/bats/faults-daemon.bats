# SPDX-License-Identifier: Apache-2.0
#
# Bad luck of the daemon itself. Of what takes long, tests/long/faults.bats does the whole.

load faults

@test "whenever the daemon is killed: the next one finds or makes all as before, or after the commit as wanted, and then writes no more" {
	drive dying-daemon
}

@test "a call that hangs is named, others go on, its job can be abandoned, a stop does not wait for it; released, all is well" {
	drive hanging-calls
}
