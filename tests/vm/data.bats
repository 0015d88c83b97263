#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The main job: from one document to disks that a host writes and reads.
load lib

setup() {
	clean_slate
	ram_disks
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "disk": { "type": "block", "device": "/dev/ram0" },
		    "image": { "type": "file", "path": "$W/image", "size": "16MiB", "create": true }
		  },
		  "hosts": { "$HOSTNQN": {} },
		  "subsystems": {
		    "$NQN:s1": {
		      "allowed_hosts": [ "$HOSTNQN" ],
		      "namespaces": { "1": { "backend": "disk" }, "2": { "backend": "image" } }
		    }
		  },
		  "ports": { "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$NQN:s1" ] } }
		}
	END
	head -c 16M /dev/urandom >"$W/data"
}

teardown() {
	leave_clean
}

@test "what a host writes over TCP is in the backing device and file, byte for byte, and the other way round" {
	status 0 nvmetctl apply "$W/doc.json"
	connect "$NQN:s1"
	local nsid disk store
	for nsid in 1 2; do
		[ $nsid = 1 ] && store=/dev/ram0 || store=$W/image
		disk=$(host_disk "$NQN:s1" $nsid)
		run ! cmp -s "$W/data" <(contents "$store")
		dd if="$W/data" of="$disk" bs=1M oflag=direct status=none
		cmp "$W/data" <(contents "$store")
		head -c 16M /dev/urandom >"$W/other"
		dd if="$W/other" of="$store" bs=1M oflag=direct conv=notrunc status=none
		cmp "$W/other" <(contents "$disk")
	done
}

@test "what fio writes through two namespaces at once it also finds again" {
	status 0 nvmetctl apply "$W/doc.json"
	connect "$NQN:s1"
	fio --name=verify --filename="$(host_disk "$NQN:s1" 1):$(host_disk "$NQN:s1" 2)" --rw=randrw --bs=4k --size=16M --direct=1 \
		--ioengine=libaio --iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 >"$W/fio" || {
		cat "$W/fio" >&2
		false
	}
}

@test "a second apply of the same document makes no kernel write at all" {
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/first"
	# So the witness sees what there is to see.
	grep -q "mkdir.*$NQN:s1" "$W/first"
	grep -q "symlink.*$NQN:s1" "$W/first"
	grep -q 'write(.*/enable>' "$W/first"
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/second"
	nothing_in "$W/second"
}

@test "stopping nvmetd leaves exports and connections alone; it starts again without a kernel write and knows its own" {
	status 0 nvmetctl apply "$W/doc.json"
	connect "$NQN:s1"
	dump >"$W/before"
	connection_watch
	io_begin "$(host_disk "$NQN:s1" 1)"
	daemon stop
	dump >"$W/stopped"
	same "$W/before" "$W/stopped"
	kernel_writes_of_start >"$W/writes"
	io_end
	nothing_in "$W/writes"
	dump >"$W/after"
	same "$W/before" "$W/after"
	connections_undisturbed
	status 0 nvmetctl status --verify
	lacks foreign drift
	status 0 nvmetctl diff "$W/doc.json"
	contains "othing to change"
}

@test "killed with SIGKILL, nvmetd leaves exports and connections alone; started again it makes no kernel write" {
	status 0 nvmetctl apply "$W/doc.json"
	connect "$NQN:s1"
	dump >"$W/before"
	connection_watch
	io_begin "$(host_disk "$NQN:s1" 1)"
	run daemon kill
	dump >"$W/killed"
	same "$W/before" "$W/killed"
	kernel_writes_of_start >"$W/writes"
	io_end
	nothing_in "$W/writes"
	dump >"$W/after"
	same "$W/before" "$W/after"
	connections_undisturbed
	status 0 nvmetctl diff "$W/doc.json"
	contains "othing to change"
}
