# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests that let tests/fault/concurrent put kernel calls in order: it starts and ends the fake kernel and the daemon itself.

load "${BASH_SOURCE[0]%/*}/faults"

setup() {
	[ ! -d /dev/shm ] || export TMPDIR=/dev/shm
	make_work_dir
	# Nobody has to wait for a worker, and nothing that is held back counts as stuck.
	printf 'workers = 16;\nremovers = 16;\nreaders = 4;\nstuck_seconds = 3600;\nexpedite = 0;\n' >"$T/nvmetd.conf"
	start_bus
}

at_once() {	# PROPERTY SEED COUNT
	"$BUILD_DIR/tests/fault/concurrent" "$T" "$@"
}
