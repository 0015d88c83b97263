# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests in which 64 clients at once lead subsystems of their own through their lives, on one port (tests/fault/lifecycles.c).

load "${BASH_SOURCE[0]%/*}/lib"

CLIENTS=64

setup() {
	local i

	start_all
	for ((i = 0; i < CLIENTS; i++)); do
		kernel add "/srv/file$i" type=f size=1MiB
	done
	nvmetctl create ports/1 trtype=tcp traddr=192.0.2.1 trsvcid=4420
	# What a port says of itself once it has served.
	"$BUILD_DIR/tests/fault/lifecycles" 1 1 /srv/file
}

teardown() { stop_all; }

# Afterwards tree, model and what a next daemon finds are as before.
live_at_once() {	# ROUNDS
	kernel dump >"$T/before"
	nvmetctl save - | grep -v '"generation"' >"$T/before.json"
	"$BUILD_DIR/tests/fault/lifecycles" $CLIENTS "$1" /srv/file
	kernel dump | diff -u "$T/before" -
	nvmetctl save - | grep -v '"generation"' | diff -u "$T/before.json" -
	kill_nvmetd
	start_nvmetd
	nvmetctl save - | grep -v '"generation"' | diff -u "$T/before.json" -
	kernel dump | diff -u "$T/before" -
}
