#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Something hangs in the kernel, and everybody else works on: the cases of isolation.bats that take longer.
# long machine: --kernel 6.12 --memory 1536
# long machine: --kernel 7 --memory 1536
load lib
load isolation

setup() {
	isolation_begin
}

teardown() {
	isolation_end
}

@test "while 200 devices hang, more than there are workers, others are made, used and deleted; status names all; abandoned, they are debts; resumed, all is done" {
	serve_slow
	serve_many 200
	hang_many
	cycle
	until_equal 200 stuck_calls
	[ "$(nvmetctl status --json | jq -r '.stuck[].what' | sort -u | grep -c "^subsystems/$NQN:m[0-9]*/namespaces/1: remove")" = 200 ]
	status 0 nvmetctl jobs cancel "$(running_job)"
	status 4 nvmetctl status
	contains "which was abandoned"
	[ "$(nvmetctl status --json | jq '.debts | length')" = 200 ]
	cycle_nvme
	[ "$(removals_in_kernel)" = 200 ]
	resume_all
	until_true nothing_owed
	[ -z "$(find "$CFS/subsystems/" -path '*:m*/namespaces/*' -prune)" ]
}

@test "while the open of a backing file hangs, all else goes on; status names it; when it opens at last, the job is done" {
	serve_slow
	serve_file
	hang_open
	until_true stuck_says "^subsystems/$NQN:open/namespaces/1: probe its device *probe $W/disk/image "
	cycle
	worker_is_in ext4_
	dmsetup resume open
	until_true no_job_runs
	[ "$(cat "$CFS/subsystems/$NQN:open/namespaces/1/enable")" = 1 ]
	status 0 nvmetctl delete "subsystems/$NQN:open" --recursive delete backends/open
	umount "$W/disk"
}

@test "a job that hangs at the open of a backing file ends when it is cancelled; when the file opens at last, what it had made goes" {
	serve_slow
	serve_file
	hang_open
	until_true stuck_says "^subsystems/$NQN:open/namespaces/1: probe its device *probe $W/disk/image "
	status 0 nvmetctl jobs cancel "$(running_job)"
	until_true no_job_runs
	status 4 nvmetctl status
	contains "which was cancelled; the kernel has not come back from a call of it"
	[ "$(nvmetctl status --json | jq -c '[.debts[].object | select(endswith(":open/namespaces/1"))] | length')" = 1 ]
	cycle
	worker_is_in ext4_
	dmsetup resume open
	until_true nothing_owed
	[ ! -e "$CFS/subsystems/$NQN:open" ]
	umount "$W/disk"
}

@test "while a program behind a user backend never answers, others are made, used and deleted; status names it; when it answers, the job is done" {
	modprobe target_core_user
	serve_slow
	hang_program
	until_true stuck_says "^backends/silent/bridge: make"
	cycle
	worker_is_in tcm_loop_port_link
	mend_program
	until_true nothing_owed
}

@test "beside what an earlier daemon's worker is in, reconcile repairs all else and clear takes all else away; resumed, the rest goes without a command" {
	local max=$CFS/subsystems/$NQN:other/attr_cntlid_max
	serve_slow
	status 0 nvmetctl create "subsystems/$NQN:other" cntlid_max=100
	hang_removal
	until_true stuck_says "/namespaces/1: remove"
	daemon stop
	daemon start
	echo 200 >"$max"
	status 4 nvmetctl reconcile
	contains "/namespaces/1: the kernel does not come back"
	[ "$(cat "$max")" = 100 ]
	status 4 nvmetctl clear --disrupt
	contains "subsystems/$NQN:slow: could not be removed yet"
	[ "$(echo $CFS/subsystems/*)" = "$CFS/subsystems/$NQN:slow" ]
	worker_is_in nvmet_ns_disable
	resume_all
	until_true nothing_owed
	[ -z "$(exported)" ]
}
