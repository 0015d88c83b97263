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
