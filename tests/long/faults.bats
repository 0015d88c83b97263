# SPDX-License-Identifier: Apache-2.0
#
# Bad luck, all of it: every call, each way in which it can go wrong, with one worker and with several.

load ../bats/faults

export FAULT_ALL=1

both() {
	drive "$1"
	teardown
	setup
	printf 'workers = 4;\nremovers = 4;\nreaders = 2;\nstuck_seconds = 1;\nexpedite = 0;\n' >"$T/nvmetd.conf"
	drive "$1"
}

@test "every call fails" { both failing-calls; }
@test "everything fails from every call on" { both failing-kernel; }
@test "every call of reading fails too" { both failing-reads; }
@test "everything fails from every call on, of reading too" { both silent-kernel; }
@test "a worker dies in every call" { both dying-workers; }
@test "the daemon is killed in every call, which is done or fails" { both dying-daemon; }
@test "the first call hangs, the last, and one in the middle" { both hanging-calls; }

@test "memory runs out at every allocation of libcfg" {
	"$BUILD_DIR/tests/unit/test-no-memory"
}
