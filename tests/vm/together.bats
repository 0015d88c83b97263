#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Several callers at once. Processes of the daemon are stopped to hold a change where it is.
# machine: --kernel 6.12 --cpus 2 --memory 1536
load lib

setup() {
	clean_slate
	ram_disks
	nvmetctl export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name r0
}

teardown() {
	signal_workers CONT
	leave_clean
}

# The fork server as well, so that there are no others.
signal_workers() {	# SIGNAL
	kill "-$1" $(pgrep '^nvmetd: ')
}

@test "of two changes of one subsystem one waits, neither is lost; who looks waits for none" {
	local first second
	signal_workers STOP
	nvmetctl set "subsystems/$NQN:s1" cntlid_min=5 >"$W/first" 2>&1 3>&- &
	first=$!
	until_equal reading nvmetctl_state
	nvmetctl set "subsystems/$NQN:s1" cntlid_max=500 >"$W/second" 2>&1 3>&- &
	second=$!
	until_equal "reading waiting" nvmetctl_state
	status 0 nvmetctl jobs
	contains "subsystems/$NQN:s1"
	# All that looks answers, though nothing moves.
	status 0 nvmetctl show
	contains "$NQN:s1"
	status 0 nvmetctl status
	status 0 nvmetctl show "subsystems/$NQN:s1" --json
	status 0 nvmetctl history
	nvmetctl save "$W/doc"
	signal_workers CONT
	wait "$first"
	wait "$second"
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_cntlid_min")" = 5 ]
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_cntlid_max")" = 500 ]
	status 0 nvmetctl show "subsystems/$NQN:s1"
	grep -q 'cntlid_min *5' <<<"$output"
	grep -q 'cntlid_max *500' <<<"$output"
}

# States of the jobs that have not ended.
nvmetctl_state() {
	nvmetctl jobs --json | jq -r '[.[] | select(.state != "done" and .state != "failed") | .state] | join(" ")'
}

@test "twenty callers at once: all that they asked for is there" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		nvmetctl -q create "hosts/$NQN:h$i" set "subsystems/$NQN:s1" "allowed_hosts+=$NQN:h$i" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(find "$CFS/subsystems/$NQN:s1/allowed_hosts" -type l | wc -l)" = 21 ]
	[ "$(nvmetctl show "subsystems/$NQN:s1" --json | jq '[.. | .allowed_hosts? // empty | length] | max')" = 21 ]
}

# LIVES says how often.
@test "64 clients at once, each with a subsystem of its own on a port that all share: none fails, and nothing is lost or left in the kernel" {
	local i
	for i in {0..63}; do
		truncate -s 1M "$W/file$i"
	done
	find "$CFS" | sort >"$W/before"
	"$TOP/build/release/tests/fault/lifecycles" 64 "${LIVES:-1}" "$W/file" "${CFS%/nvmet}"
	find "$CFS" | sort | diff -u "$W/before" -
	status 0 nvmetctl status
	[ "$(nvmetctl save - | jq '[(.subsystems, .backends, .hosts) | length] | join(" ")')" = '"1 1 1"' ]
}
