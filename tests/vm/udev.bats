#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The udev rule: what is in disks that nvmetd makes for itself is nobody's business on this machine.
# machine: --systemd
load lib

BRIDGE=naa.35d1f0c8eaaaabbb
PERSONS=naa.5001405d1f0c8eaa

setup() {
	W=$(mktemp -d /tmp/test.XXXXXX)
	lio_ramdisk 1 bridged 16 5d1f0c8e-aaaa-bbbb-cccc-000000000001
	lio_ramdisk 2 persons 16 77777777-aaaa-bbbb-cccc-000000000001
}

teardown() {
	udevadm settle
	remove_all_scsi
	rm -rf "$W"
}

property() {	# DISK NAME
	udevadm info --query=property --property="$2" --value "$1"
}

watched() {	# DISK: udev looks at it again when someone wrote to it
	[ -L "/run/udev/watch/b$(lsblk -dno MAJ:MIN "$1" | tr -d ' ')" ]
}

@test "the disk of a bridge, and its partitions, are not probed, named, watched, mounted or assembled; a person's loopback disk is" {
	local bridge persons
	bridge=$(lio_bridge $BRIDGE rd_mcp_1/bridged)
	persons=$(lio_bridge $PERSONS rd_mcp_2/persons)
	partition "$bridge"
	partition "$persons"
	udevadm settle
	mkfs.ext2 -q -L found "${bridge}1"
	mkfs.ext2 -q -L found "${persons}1"
	udevadm trigger --action=change --settle "$bridge" "${bridge}1" "$persons" "${persons}1"
	# The witness that there was something to be found.
	[ "$(property "${persons}1" ID_FS_TYPE)" = ext2 ]
	[ -n "$(property "$persons" DEVLINKS)" ]
	[ -z "$(property "$persons" SYSTEMD_READY)" ]
	[ -z "$(property "$persons" DM_MULTIPATH_DEVICE_PATH)" ]
	watched "$persons"
	for disk in "$bridge" "${bridge}1"; do
		[ "$(property "$disk" SYSTEMD_READY)" = 0 ]
		[ "$(property "$disk" UDISKS_IGNORE)" = 1 ]
		[ "$(property "$disk" DM_MULTIPATH_DEVICE_PATH)" = 0 ]
		[ -z "$(property "$disk" ID_FS_TYPE)$(property "$disk" ID_PART_TABLE_TYPE)$(property "$disk" DEVLINKS)" ]
		run ! watched "$disk"
	done
	status 0 systemctl list-units --all --plain --no-legend 'dev-sd*.device'
	contains "dev-${persons#/dev/}.device"
	lacks "dev-${bridge#/dev/}"
}
