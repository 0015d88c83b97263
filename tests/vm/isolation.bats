#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Something hangs in the kernel, and everybody else works on. How fast they are meanwhile is measured by ./dev bench isolation.
# machine: --kernel 6.12 --memory 1536
# long machine: --kernel 7 --memory 1536
load lib
load isolation

setup() {
	clean_slate
	ram_disks
	# What hangs is to be noticed soon.
	settings 'stuck_seconds = 1;'
}

teardown() {
	resume_all
	leave_clean
	dmsetup remove_all 2>/dev/null || :
	settings
}

@test "while a namespace's device hangs and its removal with it, others are made, used and deleted on the same port; status names it; abandoned, it is a debt; resumed, it is done" {
	serve_slow
	hang_removal
	cycle
	until_true stuck_says "^subsystems/$NQN:slow/namespaces/1: remove *rmdir .* nvmet_ns_disable *[0-9]"
	status 0 nvmetctl jobs cancel "$(running_job)"
	status 4 nvmetctl status
	contains "which was abandoned" nvmet_ns_disable
	cycle
	kernel_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true nothing_owed
	[ ! -e "$CFS/subsystems/$NQN:slow/namespaces/1" ]
}

@test "while more devices hang than there are workers, in removals of one job, others are made, used and deleted; resumed, all is done" {
	settings 'workers = 4;' 'stuck_seconds = 2;'
	serve_slow
	serve_many 10
	hang_many 10
	until_more_than 3 removals_in_kernel
	cycle_nvme
	until_equal 10 stuck_calls
	cycle
	[ "$(removals_in_kernel)" = 10 ]
	resume_all
	until_true nothing_owed
	[ -z "$(find "$CFS/subsystems/" -path '*:m*/namespaces/*' -prune)" ]
}

# The old worker and what it does from now on.
watch_worker() {
	OLD=$(nvmetctl status --json | jq '.stuck[0].pid')
	strace -f -y -qqq -p "$OLD" -o "$W/old" 2>"$W/old.err" 3>&- 4>&- &
	TRACER=$!
	until_true traced -p "$OLD"
}

@test "killed, and stopped, while a removal hangs, the daemon comes back at once, knows what hangs and goes on with all else; the old worker does nothing further" {
	serve_slow
	hang_removal
	until_true stuck_says "/namespaces/1: remove"
	watch_worker
	run daemon kill
	daemon start
	until_true stuck_says "^subsystems/$NQN:slow/namespaces/1: remove *rmdir .* nvmet_ns_disable *[0-9]* *$OLD"
	cycle_nvme
	daemon stop
	daemon start
	until_true stuck_says "^subsystems/$NQN:slow/namespaces/1: remove *rmdir .* nvmet_ns_disable *[0-9]* *$OLD"
	status 0 nvmetctl set "subsystems/$NQN:slow" serial=other --no-wait
	until_true waits_for_earlier
	# Who reads the whole does not wait there.
	status 0 nvmetctl status --verify
	contains "/namespaces/1: remove"
	cycle_nvme
	kernel_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true [ ! -e "/proc/$OLD" ]
	until_true nothing_owed
	end_trace
	[ ! -e "$CFS/subsystems/$NQN:slow/namespaces/1" ]
	# It ended with the call that it was in, and made no other one.
	[[ $(<"$W/old") = *"+++ killed by SIGKILL +++" ]]
	[ -z "$(configfs_calls "$W/old")" ]
}

waits_for_earlier() {
	nvmetctl jobs | grep -q "an earlier nvmetd began"
}
