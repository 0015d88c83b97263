#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What ./dev vm promises to whoever calls it. Runs outside the machine; each test boots one.

setup() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	cd "$BATS_TEST_TMPDIR"
}

# Leaves out, err and status.
boot() {
	status=0
	"$top/dev" vm "$@" >out 2>err || status=$?
}

@test "stdout and stderr come out apart, the exit status is the command's, and its words arrive as they were" {
	boot --bare --timeout 120 -- sh -c 'echo "<$1>"; echo "$2" >&2; exit 7' sh 'two  words' "it's"
	[ "$status" -eq 7 ]
	[ "$(<out)" = '<two  words>' ]
	[ "$(<err)" = "it's" ]
}

@test "the command finds its folder, its disks and the share, and changes nothing of the host's" {
	mkdir share folder
	cd folder
	NVMETCTL_GREETING='good day' boot --bare --timeout 120 --disk 8M --disk 16M --share ../share -- bash -ec '
		pwd
		blockdev --getsize64 /dev/vda /dev/vdb
		echo "$NVMETCTL_GREETING" >"$NVMETCTL_SHARE/greeting"
		touch "'"$top"'/made-in-the-machine" /etc/made-in-the-machine
		ls "'"$top"'/made-in-the-machine"'
	cat err
	[ "$status" -eq 0 ]
	[ "$(<out)" = "$PWD"$'\n8388608\n16777216\n'"$top/made-in-the-machine" ]
	[ "$(<../share/greeting)" = 'good day' ]
	[ ! -e "$top/made-in-the-machine" ]
	[ ! -e /etc/made-in-the-machine ]
}

@test "a command that does not end is ended: 124, and the end of the console" {
	boot --bare --timeout 40 -- sh -c 'echo began; sleep 1000'
	[ "$status" -eq 124 ]
	[ "$(<out)" = began ]
	grep -q 'not done after 40 seconds' err
}

@test "a machine that dies says so: 125, and the end of the console" {
	boot --bare --timeout 120 -- sh -c 'echo c >/proc/sysrq-trigger; sleep 1000'
	[ "$status" -eq 125 ]
	grep -q 'the machine died' err
	grep -q 'sysrq triggered crash' err
}

@test "a warning of the kernel fails the run, unless it is expected" {
	boot --bare --timeout 120 -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at nvmet" >/dev/kmsg'
	[ "$status" -eq 1 ]
	grep -q 'the kernel warned' err
	grep -q 'WARNING: CPU: 0 PID: 1 at nvmet' err
	boot --bare --timeout 120 --expect-kernel-warning -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at nvmet" >/dev/kmsg'
	[ "$status" -eq 0 ]
}
