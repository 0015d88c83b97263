#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What nvmetd says that a change of ANA does to hosts, and what it does.
load lib

setup() {
	clean_slate
	ram_disks
}

teardown() {
	leave_clean
}

# What the host knows of its way to the namespace.
path_state() {
	cat /sys/block/nvme*c*n1/ana_state
}

state_becomes() {	# STATE
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(path_state)" != "$1" ] || return 0
		sleep 0.1
	done
	echo "the host says '$(path_state)', not '$1'" >&2
	return 1
}

@test "of ANA, what leaves a namespace without service is said to make it vanish, and needs consent; what serves it otherwise does not" {
	status 0 nvmetctl create backends/b1 type=block device=/dev/ram0 create "subsystems/$NQN:s1" allow_any_host=true \
		create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1" create ports/1/ana_groups/2 ana_state=non-optimized
	connect "$NQN:s1"
	host_disk "$NQN:s1" 1
	state_becomes optimized
	status 0 nvmetctl set "subsystems/$NQN:s1/namespaces/1" ana_grpid=2
	state_becomes non-optimized
	status 6 nvmetctl set "subsystems/$NQN:s1/namespaces/1" ana_grpid=3
	contains "device vanishes" "--disrupt"
	status 6 nvmetctl set ports/1/ana_groups/2 ana_state=inaccessible
	contains "device vanishes" "--disrupt"
	state_becomes non-optimized
	status 0 nvmetctl set ports/1/ana_groups/2 ana_state=inaccessible --disrupt
	state_becomes inaccessible
	status 0 nvmetctl set ports/1/ana_groups/2 ana_state=optimized
	state_becomes optimized
}
