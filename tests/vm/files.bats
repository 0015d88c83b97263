#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What can stand behind a namespace of type file.
load lib

setup() {
	clean_slate
}

teardown() {
	leave_clean
	rm -f /srv/nvmetctl-image
}

@test "a file on overlayfs is refused, since no host could use it" {
	[ "$(stat -f -c %T /srv)" = overlayfs ]
	truncate -s 4M /srv/nvmetctl-image
	dump >"$W/before"
	status 1 nvmetctl export /srv/nvmetctl-image --nvme "$NQN:s" --any-host
	contains "/srv/nvmetctl-image is on overlayfs"
	dump | diff "$W/before" -
	# That is so: what the kernel makes of such a file is a disk of blocks of one byte.
	mkdir "$CFS/subsystems/$NQN:raw" "$CFS/subsystems/$NQN:raw/namespaces/1" "$CFS/ports/77"
	printf /srv/nvmetctl-image >"$CFS/subsystems/$NQN:raw/namespaces/1/device_path"
	echo 1 >"$CFS/subsystems/$NQN:raw/namespaces/1/enable"
	echo 1 >"$CFS/subsystems/$NQN:raw/attr_allow_any_host"
	echo loop >"$CFS/ports/77/addr_trtype"
	ln -s "$CFS/subsystems/$NQN:raw" "$CFS/ports/77/subsystems/"
	modprobe nvme-loop
	nvme connect -t loop -n "$NQN:raw" --hostnqn="$HOSTNQN"
	nvme id-ns /dev/nvme0 -n 1 -o json | jq -e '.lbafs[0].ds == 0'
	nvme disconnect -n "$NQN:raw"
	rm "$CFS/ports/77/subsystems/$NQN:raw"
	rmdir "$CFS/ports/77" "$CFS/subsystems/$NQN:raw/namespaces/1" "$CFS/subsystems/$NQN:raw"
}
