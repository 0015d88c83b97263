#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A host at work while everything around its disk changes.
load lib

setup() {
	clean_slate
	ram_disks
}

teardown() {
	leave_clean
}

# A command line that makes ten namespaces of a subsystem, from NSID on, each on a file of its own.
make_ten() {	# SUBSYSTEM NSID
	local i words=()
	for ((i = $2; i < $2 + 10; i++)); do
		words+=(create "backends/${1##*:}-$i" type=file path="$W/${1##*:}-$i" size=1MiB create=1
			create "subsystems/$1/namespaces/$i" backend="${1##*:}-$i")
	done
	nvmetctl -q "${words[@]}"
}

delete_ten() {
	local i words=()
	for ((i = $2; i < $2 + 10; i++)); do
		words+=(delete "subsystems/$1/namespaces/$i" delete "backends/${1##*:}-$i")
	done
	nvmetctl -q "${words[@]}" --disrupt
}

namespaces() {	# SUBSYSTEM: how many the kernel has
	find "$CFS/subsystems/$1/namespaces" -mindepth 1 -maxdepth 1 | wc -l
}

@test "fio on one namespace for 30 s, 100 others of its subsystem and 100 of another one made and deleted: no error, no reconnect" {
	local round first second begun=$SECONDS controllers
	nvmetctl export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name r0
	nvmetctl export /dev/ram1 --nvme "$NQN:s2" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name r1
	connect "$NQN:s1"
	io_begin "$(host_disk "$NQN:s1" 1)"
	connection_watch
	controllers=$(ls /sys/class/nvme)
	for ((round = 0; round < 10; round++)); do
		make_ten "$NQN:s1" $((round * 10 + 2)) &
		first=$!
		make_ten "$NQN:s2" $((round * 10 + 2)) &
		second=$!
		wait "$first"
		wait "$second"
		[ "$(namespaces "$NQN:s1")" = 11 ]
		[ "$(namespaces "$NQN:s2")" = 11 ]
		delete_ten "$NQN:s1" $((round * 10 + 2)) &
		first=$!
		delete_ten "$NQN:s2" $((round * 10 + 2)) &
		second=$!
		wait "$first"
		wait "$second"
		[ "$(namespaces "$NQN:s1")" = 1 ]
		[ "$(namespaces "$NQN:s2")" = 1 ]
	done
	if [ $((SECONDS - begun)) -lt 30 ]; then
		sleep $((30 - (SECONDS - begun)))
	fi
	io_end
	connections_undisturbed
	[ "$(ls /sys/class/nvme)" = "$controllers" ]
	[ "$(cat "/sys/class/nvme/$controllers/state")" = live ]
}
