# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for what is measured in the machine. Times are in microseconds until they are printed.

# The witnesses of the tests: dump, kernel_writes. There is no bats here.
bats_require_minimum_version() { :; }
BATS_TEST_DIRNAME=$(cd "$(dirname "${BASH_SOURCE[0]}")/../vm" && pwd)
. "$BATS_TEST_DIRNAME/lib.bash"
W=/run/bench

microseconds() {
	echo "${EPOCHREALTIME/[.,]/}"
}

run() {	# COMMAND…: what it says is of interest only if it fails
	local status=0
	"$@" >/run/bench.out 2>&1 || status=$?
	[ "$status" -eq 0 ] || { echo "bench: status $status of: $*" >&2; tail -n 5 /run/bench.out >&2; exit 1; }
}

timed() {	# COMMAND…: its microseconds in took
	local start
	start=$(microseconds)
	run "$@"
	took=$(($(microseconds) - start))
}

# Smallest, median, largest of the lines of a file, in milliseconds.
spread() {
	sort -n "$1" | awk '{ v[NR] = $1 / 1000 } END { printf "%.0f %.0f %.0f\n", v[1], v[int((NR + 1) / 2)], v[NR] }'
}

median() {	# FILE: in microseconds
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# A daemon that has seen nothing yet.
fresh_daemon() {
	daemon stop
	rm -rf /etc/nvmetctl/config.json /var/lib/nvmetctl/*
	daemon start
}

peak_memory() {	# of nvmetd, in KiB
	awk '/VmHWM/ { print $2 }' "/proc/$(</run/nvmetd.pid)/status"
}
