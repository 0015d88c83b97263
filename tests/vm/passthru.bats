#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --nvme 32M
#
# A subsystem that passes commands to an NVMe controller of the machine, one on the PCI bus, with a real host.
load lib

setup() {
	clean_slate
	modprobe nvme
	LOCAL=$(basename /sys/bus/pci/devices/*/nvme/nvme*)
	until_true test -b "/dev/${LOCAL}n1"
}

teardown() {
	! mountpoint -q "$W/mnt" || umount "$W/mnt"
	leave_clean
	modprobe -r nvme
}

passed() {
	status 0 nvmetctl export "/dev/$LOCAL" --name own --nvme "$NQN:s" --any-host --port tcp:127.0.0.1
}

@test "hosts find the controller's own disk and identity, and what they write is on it; it outlives the daemon and goes without a trace" {
	local disk tree="$CFS/subsystems/$NQN:s/passthru"

	passed
	[ "$(cat "$tree/enable")" = 1 ]
	[ "$(cat "$tree/device_path")" = "/dev/$LOCAL" ]
	connect "$NQN:s"
	disk=$(host_disk "$NQN:s" 1)
	[ "$disk" != "/dev/${LOCAL}n1" ]
	[ "$(nvme id-ctrl "$disk" -o json | jq -r '.sn, .mn')" = "$(nvme id-ctrl "/dev/$LOCAL" -o json | jq -r '.sn, .mn')" ]
	head -c 1M /dev/urandom >"$W/data"
	dd if="$W/data" of="$disk" bs=64k oflag=direct status=none
	dd if="/dev/${LOCAL}n1" bs=64k count=16 iflag=direct status=none | cmp - "$W/data"

	nvmetctl save "$W/saved"
	kernel_writes nvmetctl apply "$W/saved" >"$W/writes"
	nothing_in "$W/writes"
	connection_watch
	daemon stop
	dd if="$disk" bs=64k count=16 iflag=direct status=none | cmp - "$W/data"
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"
	connections_undisturbed

	dump >"$W/before"
	status 6 nvmetctl unexport backends/own
	dump | same "$W/before" -
	status 0 nvmetctl unexport backends/own --disrupt
	[ -z "$(exported)" ]
	[ -b "/dev/${LOCAL}n1" ]
}

@test "a controller with a disk that is mounted here, a disk, and one that is not there are refused, and nothing is made" {
	dump >"$W/before"
	mkdir "$W/mnt"
	mkfs.ext4 -q "/dev/${LOCAL}n1"
	mount "/dev/${LOCAL}n1" "$W/mnt"
	status 1 nvmetctl export "/dev/$LOCAL" --nvme "$NQN:s" --any-host
	contains "/dev/$LOCAL is in use: its disk /dev/${LOCAL}n1 is mounted on $W/mnt"
	dump | same "$W/before" -
	umount "$W/mnt"

	status 1 nvmetctl create backends/own type=nvme-passthru "device=/dev/${LOCAL}n1" create "subsystems/$NQN:s" backend=own
	contains "/dev/${LOCAL}n1 is no NVMe controller, as /dev/nvme0 is"
	status 1 nvmetctl create backends/own type=nvme-passthru device=/dev/nvme99 create "subsystems/$NQN:s" backend=own
	contains "/dev/nvme99 does not exist"
	dump | same "$W/before" -
	passed
}

@test "what is passed on by someone else is adopted as it is, and enabled again when it was disabled behind the back of the daemon" {
	mkdir -p "$CFS/subsystems/$NQN:s"
	echo "/dev/$LOCAL" >"$CFS/subsystems/$NQN:s/passthru/device_path"
	echo 1 >"$CFS/subsystems/$NQN:s/passthru/enable"
	daemon stop
	daemon start
	kernel_writes nvmetctl adopt >"$W/writes"
	nothing_in "$W/writes"
	status 0 nvmetctl show "backends/$LOCAL"
	contains nvme-passthru "/dev/$LOCAL"
	echo 0 >"$CFS/subsystems/$NQN:s/passthru/enable"
	status 0 nvmetctl reconcile
	[ "$(cat "$CFS/subsystems/$NQN:s/passthru/enable")" = 1 ]
}
