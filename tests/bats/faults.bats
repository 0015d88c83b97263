# SPDX-License-Identifier: Apache-2.0
#
# Bad luck in the kernel and its workers. Of what takes long, tests/long/faults.bats does the whole.

load faults

@test "whichever kernel call fails: all is as before, or the report names what is not; and then the same succeeds" {
	drive failing-calls
}

@test "when from some call on nothing works any more, the report names exactly what is left; and then all of it is made good" {
	drive failing-kernel
}

@test "when from some call on the kernel cannot be read either, all that may be left is named; and then all of it is made good" {
	drive silent-kernel
}

@test "what cannot be read is not taken for unset" {
	drive failing-reads
}

@test "whichever call a worker dies in, before or after its effect: the transaction is rolled back or done" {
	drive dying-workers
}

@test "what is applied differs in nothing from its document, and applied again changes nothing" {
	drive repeating
}
