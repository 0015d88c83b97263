#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Something hangs in the kernel, and everybody else works on. How fast they are meanwhile is measured by ./dev bench isolation.
# What takes longer is in isolation-more.bats.
# machine: --kernel 6.12 --cpus 2 --memory 1536
# long machine: --kernel 7 --cpus 2 --memory 1536
load lib
load isolation

setup() {
	isolation_begin
}

teardown() {
	isolation_end
}

@test "while a namespace's device hangs and its removal with it, others are made, used and deleted on the same port; status names it; abandoned, it is a debt; resumed, it is done" {
	serve_slow
	hang_removal
	cycle
	until_true stuck_says "^subsystems/$NQN:slow/namespaces/1: remove *rmdir .* nvmet_ns_disable *[0-9]"
	status 0 nvmetctl jobs cancel "$(running_job)"
	status 4 nvmetctl status
	contains "which was abandoned" nvmet_ns_disable
	cycle_nvme
	worker_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true nothing_owed
	[ ! -e "$CFS/subsystems/$NQN:slow/namespaces/1" ]
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
	# Nor does what waits for a chance to pay what is owed.
	until_equal 1 workers_held
	worker_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true nothing_owed
	[ ! -e "$CFS/subsystems/$NQN:slow/namespaces/1" ]
	old_worker_ended
}

waits_for_earlier() {
	nvmetctl jobs | grep -q "an earlier nvmetd began"
}

@test "a port that is to go while a controller cannot be taken down holds up no other port: its removal is owed, and is done when the device is back" {
	serve_slow
	hang_removal
	status 4 nvmetctl delete ports/1 --disrupt
	contains "stands still"
	[ -d $CFS/ports/1 ]
	status 0 nvmetctl create ports/2 trtype=tcp traddr=127.0.0.1 trsvcid=4421
	worker_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true [ ! -e $CFS/ports/1 ]
	until_true nothing_owed
}
