# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests that let tests/fault/driver play: it starts and ends the fake kernel and the daemon itself.
#
# The driver takes transactions over a configuration with every kind of object (tests/fault/scenarios.c), and lets each of their kernel
# calls go wrong. What it takes for the truth is the kernel's dump.

load "${BASH_SOURCE[0]%/*}/lib"

setup() {
	[ ! -d /dev/shm ] || export TMPDIR=/dev/shm
	make_work_dir
	mkdir -m 700 "$T/etc/secrets"
	(
		umask 077
		echo 'DHHC-1:00:VWEMbN3OdZJRr3b9mhM7YOu7hvM0EoCVjHtSJbLAHLgvTb3F:' >"$T/etc/secrets/h2.key"
		echo 'DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:' >"$T/etc/secrets/other.key"
	)
	# With one worker calls come in the same order each time; RCU is expedited beside a job, not by it.
	printf 'workers = 1;\nremovers = 1;\nreaders = 1;\nstuck_seconds = 1;\nexpedite = 0;\n' >"$T/nvmetd.conf"
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
