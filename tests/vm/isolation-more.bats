#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Something hangs in the kernel, and everybody else works on: the cases of isolation.bats that take longer.
# long machine: --kernel 6.12 --cpus 2 --memory 1536
# long machine: --kernel 7 --cpus 2 --memory 1536
load lib
load isolation

setup() {
	isolation_begin
}

teardown() {
	isolation_end
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

@test "while the open of a backing file hangs, all else goes on; status names it; when it opens at last, the job is done" {
	serve_slow
	hang_open
	until_true stuck_says "^subsystems/$NQN:open/namespaces/1: probe its device *probe $W/disk/image "
	cycle_nvme
	dmsetup resume open
	until_true no_job_runs
	[ "$(cat "$CFS/subsystems/$NQN:open/namespaces/1/enable")" = 1 ]
	status 0 nvmetctl delete "subsystems/$NQN:open" --recursive delete backends/open
	umount "$W/disk"
}
