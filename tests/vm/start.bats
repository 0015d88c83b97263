#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A start that cannot restore everything at once.
load lib

setup() {
	clean_slate
	ram_disks
	mkdir "$W/frozen"
	mkfs.ext4 -q /dev/ram1
	mount /dev/ram1 "$W/frozen"
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "hangs": { "type": "file", "path": "$W/frozen/image", "size": "4MiB", "create": true },
		    "works": { "type": "block", "device": "/dev/ram0" }
		  },
		  "subsystems": {
		    "$NQN:hangs": { "allow_any_host": true, "namespaces": { "1": { "backend": "hangs" } } },
		    "$NQN:works": { "allow_any_host": true, "namespaces": { "1": { "backend": "works" } } }
		  },
		  "ports": { "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$NQN:hangs", "$NQN:works" ] } }
		}
	END
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	daemon stop
	remove_all
	echo 'stuck_seconds = 2;' >/etc/nvmetctl/nvmetd.conf
}

teardown() {
	fsfreeze --unfreeze "$W/frozen" 2>/dev/null || :
	umount "$W/frozen"
	rm -f /etc/nvmetctl/nvmetd.conf
	leave_clean
	daemon stop
	daemon start
}

@test "a file system that hangs holds up neither the start nor the restoring of the rest" {
	fsfreeze --freeze "$W/frozen"
	daemon start
	connect "$NQN:works"
	host_disk "$NQN:works" 1
	status 0 nvmetctl status
	contains "$NQN:hangs/namespaces/1: probe its device" "$W/frozen/image"
	[ ! -e "$CFS/ports/1/subsystems/$NQN:hangs" ]

	fsfreeze --unfreeze "$W/frozen"
	until [ -e "$CFS/ports/1/subsystems/$NQN:hangs" ]; do sleep 0.1; done
	connect "$NQN:hangs"
	host_disk "$NQN:hangs" 1
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status
	[[ $output != *Stuck* && $output != *Drift* ]]
}
