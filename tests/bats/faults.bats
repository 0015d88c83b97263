# SPDX-License-Identifier: Apache-2.0
#
# Bad luck: for every kernel call of a set of transactions over a configuration with every kind of object (tests/fault/scenarios.c), it
# goes wrong. tests/fault/driver is what moves and compares; it takes the kernel's dump for the truth.

load lib

setup() {
	[ ! -d /dev/shm ] || export TMPDIR=/dev/shm
	make_work_dir
	mkdir -m 700 "$T/etc/secrets"
	(
		umask 077
		echo 'DHHC-1:00:VWEMbN3OdZJRr3b9mhM7YOu7hvM0EoCVjHtSJbLAHLgvTb3F:' >"$T/etc/secrets/h2.key"
		echo 'DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:' >"$T/etc/secrets/other.key"
	)
	# One worker, so that calls come in the same order each time.
	printf 'workers = 1;\nreaders = 1;\nstuck_seconds = 1;\n' >"$T/nvmetd.conf"
	start_bus
}

teardown() {
	local status=0

	assert_clean_log "$T/nvmetd.log" || status=1
	assert_clean_log "$T/kernel.log" || status=1
	stop_bus
	rm -rf "$T"
	return "$status"
}

drive() {
	"$BUILD_DIR/tests/fault/driver" "$T" "$@"
}

@test "whichever kernel call fails: all is as before, or the report names what is not; and then the same succeeds" {
	drive failing-calls
}

@test "when from some call on nothing works any more, the report names exactly what is left; and then all of it is made good" {
	drive failing-kernel
}

@test "whichever call a worker dies in, before or after its effect: the transaction is rolled back or done" {
	drive dying-workers
}

@test "whenever the daemon is killed: the next one finds or makes all as before, or after the commit as wanted, and then writes no more" {
	drive dying-daemon
}

@test "a call that hangs is named, others go on, its job can be abandoned, a stop does not wait for it; released, all is well" {
	drive hanging-calls
}

@test "what is applied differs in nothing from its document, and applied again changes nothing" {
	drive repeating
}
