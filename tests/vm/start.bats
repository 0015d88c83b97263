#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A start that cannot restore everything at once.
load lib

setup() {
	clean_slate
	ram_disks
	truncate -s 4M "$W/image"
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "bad": { "type": "file", "path": "$W/image", "size": "4MiB", "create": true },
		    "good": { "type": "block", "device": "/dev/ram0" },
		    "beside": { "type": "block", "device": "/dev/ram1" }
		  },
		  "subsystems": {
		    "$NQN:bad": {
		      "allow_any_host": true, "namespaces": { "1": { "backend": "bad" }, "2": { "backend": "beside" } }
		    },
		    "$NQN:good": { "allow_any_host": true, "namespaces": { "1": { "backend": "good" } } }
		  },
		  "ports": { "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$NQN:bad", "$NQN:good" ] } }
		}
	END
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	daemon stop
	remove_all
}

teardown() {
	leave_clean
}

@test "a file that is missing at the start costs its namespace alone, and no other is made in its place" {
	mv "$W/image" "$W/elsewhere"
	daemon start
	status 4 nvmetctl status
	contains "subsystems/$NQN:bad/namespaces/1" "$W/image does not exist"
	[ ! -e "$W/image" ]
	connect "$NQN:bad"
	host_disk "$NQN:bad" 2
	[ ! -e "$CFS/subsystems/$NQN:bad/namespaces/1" ]

	mv "$W/elsewhere" "$W/image"
	status 0 nvmetctl reconcile
	host_disk "$NQN:bad" 1
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status
}
