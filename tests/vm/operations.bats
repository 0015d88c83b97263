#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What workers do beside configfs itself for SCSI targets, each operation by itself: disks of loopback targets, SCSI addresses, dbroot, registrations,
# secrets of CHAP, and what they refuse because the kernel does not.
# long machine: --kernel 6.12 --bare
# long machine: --kernel 7 --bare
# long machine: --kernel 6.1 --bare
load lib

SERIAL=5d1f0c8e-aaaa-bbbb-cccc-000000000001
NAA=naa.35d1f0c8eaaaabbb
LOOPBACK=target/loopback/$NAA/tpgt_1
CONFIG=/sys/kernel/config

setup() {
	W=$(mktemp -d /tmp/test.XXXXXX)
}

teardown() {
	nvme disconnect-all >/dev/null 2>&1 || :
	! pgrep -x iscsid >/dev/null || iscsi_logout >/dev/null 2>&1 || :
	[ ! -d $CFS ] || remove_all
	remove_all_scsi
	modprobe -qr scsi_debug || :
	rm -rf "$W" $DBROOT /etc/nvmetctl /run/nvmetd/restored
}

# A loopback target whose LUN still lacks its link.
loopback_without_disk() {
	lio_ramdisk 1 ram 16 $SERIAL
	mkdir -p "$CONFIG/$LOOPBACK"
	echo $NAA >"$CONFIG/$LOOPBACK/nexus"
	mkdir "$CONFIG/$LOOPBACK/lun/lun_0"
}

@test "a disk is waited for, opens at once, and is gone when the LUN is; a LUN that is not linked is told at once" {
	local disk
	loopback_without_disk
	status 1 operation "find disk" $LOOPBACK 0
	contains ENOENT
	status 1 operation "wait for disk" $LOOPBACK 0
	contains ENXIO "did not answer"
	ln -s "$TARGET/core/rd_mcp_1/ram" "$CONFIG/$LOOPBACK/lun/lun_0/storage"
	disk=$(operation "wait for disk" $LOOPBACK 0)
	[ "$(blockdev --getsize64 "$disk")" -eq 16777216 ]
	[ "$disk" = "$(loopback_disk "$CONFIG/$LOOPBACK" 0)" ]
	[ "$(operation "find disk" $LOOPBACK 0)" = "$disk" ]
	rm "$CONFIG/$LOOPBACK/lun/lun_0/storage"
	status 1 operation "find disk" $LOOPBACK 0
	contains ENOENT "there is none"
}

@test "a disk that opened once opens each time: ten of them, each read as soon as it was waited for" {
	local i naa disk
	for i in {10..19}; do
		lio_ramdisk "$i" ram 1 "$i$SERIAL"
		naa=naa.30000000000000$i
		mkdir -p "$TARGET/loopback/$naa/tpgt_1"
		echo "$naa" >"$TARGET/loopback/$naa/tpgt_1/nexus"
		lio_lun "$TARGET/loopback/$naa/tpgt_1" 0 "rd_mcp_$i/ram"
		disk=$(operation "wait for disk" "target/loopback/$naa/tpgt_1" 0)
		dd if="$disk" of=/dev/null bs=4096 count=1 status=none
	done
}

@test "a target without a nexus, of which no disk would ever come, is told" {
	lio_ramdisk 1 ram 16 $SERIAL
	mkdir -p "$CONFIG/$LOOPBACK"
	status 1 operation "wait for disk" $LOOPBACK 0
	contains ENODEV "has no nexus"
}

@test "a ramdisk is a namespace by the disk of its loopback target, and a host writes into it" {
	local disk
	modprobe -a nvmet nvmet-tcp
	lio_ramdisk 1 ram 16 $SERIAL
	disk=$(lio_bridge $NAA rd_mcp_1/ram)
	mkdir -p "$CFS/subsystems/$NQN:s1/namespaces/1" $CFS/ports/1
	echo 1 >"$CFS/subsystems/$NQN:s1/attr_allow_any_host"
	operation "write disk" "nvmet/subsystems/$NQN:s1/namespaces/1/device_path" $LOOPBACK
	[ "$(<"$CFS/subsystems/$NQN:s1/namespaces/1/device_path")" = "$disk" ]
	operation write "nvmet/subsystems/$NQN:s1/namespaces/1/enable" 1
	echo tcp >$CFS/ports/1/addr_trtype
	echo ipv4 >$CFS/ports/1/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/1/addr_traddr
	echo 4420 >$CFS/ports/1/addr_trsvcid
	ln -s "$CFS/subsystems/$NQN:s1" "$CFS/ports/1/subsystems/s1"
	connect "$NQN:s1" >/dev/null
	head -c 1048576 /dev/urandom >"$W/data"
	dd if="$W/data" of="$(host_disk "$NQN:s1" 1)" bs=1M oflag=direct conv=fsync status=none
	dd if="$disk" bs=1M count=1 iflag=direct status=none | cmp - "$W/data"
}

@test "a file that grew is a larger disk after a rescan, and only its size is changed in a storage object that is enabled" {
	local disk file=$W/image
	truncate -s 16M "$file"
	modprobe -a target_core_mod tcm_loop sd_mod
	mkdir -p $TARGET/core/fileio_1/image
	operation write target/core/fileio_1/image/control "fd_dev_name=$file,fd_dev_size=16777216"
	operation write target/core/fileio_1/image/enable 1
	disk=$(lio_bridge $NAA fileio_1/image)
	[ "$(blockdev --getsize64 "$disk")" -eq 16777216 ]
	truncate -s 32M "$file"
	operation write target/core/fileio_1/image/control fd_dev_size=33554432
	[ "$(blockdev --getsize64 "$disk")" -eq 16777216 ]
	operation "rescan disk" $LOOPBACK 0
	[ "$(blockdev --getsize64 "$disk")" -eq 33554432 ]
	status 1 operation write target/core/fileio_1/image/control fd_dev_name=/etc/passwd
	contains "EBUSY: \"fd_dev_name\""
	grep -q "File: $file " $TARGET/core/fileio_1/image/info
}

@test "an enabled ramdisk's pages are not written again, which the kernel takes and has no memory for" {
	lio_ramdisk 1 ram 16 $SERIAL
	status 1 operation write target/core/rd_mcp_1/ram/control rd_pages=8192
	contains "EBUSY: \"rd_pages\" is not changed"
	grep -q 'PAGES/PAGE_SIZE: 4096\*' $TARGET/core/rd_mcp_1/ram/info
	# The kernel itself does not refuse it.
	echo rd_pages=8192 >$TARGET/core/rd_mcp_1/ram/control
	grep -q 'PAGES/PAGE_SIZE: 8192\*' $TARGET/core/rd_mcp_1/ram/info
}

@test "trap 4: nvmetd leaves no storage object without an LU group, however the word is spelled; without its own it has the default one" {
	local word
	lio_ramdisk 1 ram 16 $SERIAL
	mkdir $TARGET/core/alua/lu_gps/group
	echo 3 >$TARGET/core/alua/lu_gps/group/lu_gp_id
	operation write target/core/rd_mcp_1/ram/alua_lu_gp group
	for word in NULL ' NULL' $'NULL\t' $'NULL\n'; do
		status 1 operation write target/core/rd_mcp_1/ram/alua_lu_gp "$word"
		contains "EINVAL" "remove its group"
	done
	grep -q 'Alias: group' $TARGET/core/rd_mcp_1/ram/alua_lu_gp
	# By its name the kernel does not find it.
	status 1 operation write target/core/rd_mcp_1/ram/alua_lu_gp default_lu_gp
	contains ENODEV
	operation rmdir target/core/alua/lu_gps/group
	grep -q 'Alias: default_lu_gp' $TARGET/core/rd_mcp_1/ram/alua_lu_gp
}

@test "a SCSI device is passed through by its path alone; what is none is told" {
	local disk
	modprobe scsi_debug dev_size_mb=8
	modprobe -a sd_mod target_core_mod tcm_loop
	until_equal yes eval 'grep -qs scsi_debug /sys/class/scsi_host/*/proc_name && ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block >/dev/null 2>&1 && echo yes'
	disk=/dev/$(ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/* | sed 's/.*\///')
	mkdir -p $TARGET/core/pscsi_1/passed
	operation "write SCSI address" target/core/pscsi_1/passed "$disk"
	operation write target/core/pscsi_1/passed/enable 1
	[ "$(<$TARGET/core/pscsi_1/passed/udev_path)" = "$disk" ]
	grep -q "Vendor: Linux" $TARGET/core/pscsi_1/passed/info
	[ "$(blockdev --getsize64 "$(lio_bridge $NAA pscsi_1/passed)")" -eq 8388608 ]
	status 1 operation "write SCSI address" target/core/pscsi_1/passed /dev/null
	contains "ENODEV: /dev/null is not a SCSI device"
	status 1 operation "write SCSI address" target/core/pscsi_1/passed /dev/nothing
	contains "ENOENT: /dev/nothing does not exist"
}

@test "who holds a device is named: a mount, swap, a device on top, a storage object, and any of these of a partition or of the whole disk" {
	local disk
	ram_disks
	refused_because /dev/ram0 0
	mkfs.ext2 -q /dev/ram0
	mkdir "$W/mnt"
	mount /dev/ram0 "$W/mnt"
	refused_because /dev/ram0 1 "/dev/ram0 is mounted on $W/mnt"
	umount "$W/mnt"
	mkswap -q /dev/ram1
	swapon /dev/ram1
	refused_because /dev/ram1 1 "/dev/ram1 is used as swap"
	swapoff /dev/ram1
	dmsetup create top --table '0 2048 linear /dev/ram2 0'
	refused_because /dev/ram2 1 "/dev/ram2 is held by /dev/mapper/top"
	dmsetup remove top
	modprobe target_core_mod
	mkdir -p $TARGET/core/iblock_1/ram
	echo udev_path=/dev/ram3 >$TARGET/core/iblock_1/ram/control
	echo 1 >$TARGET/core/iblock_1/ram/enable
	refused_because /dev/ram3 1 "/dev/ram3 is held by the storage object target/core/iblock_1/ram"
	disk=$(loop_disk "$W/image" 8M --partscan)
	partition "$disk"
	mkfs.ext2 -q "${disk}p1"
	mount "${disk}p1" "$W/mnt"
	refused_because "$disk" 1 "$disk is in use: its partition ${disk}p1 is mounted on $W/mnt"
	umount "$W/mnt"
	dmsetup create top --table "0 8192 linear $disk 0"
	refused_because "${disk}p1" 1 "${disk}p1 is in use: the disk that it is a partition of is held by /dev/mapper/top"
	dmsetup remove top
	losetup -d "$disk"
}

refused_because() {	# DEVICE STATUS [TEXT]
	status "$2" operation probe "$1"
	[ $# -lt 3 ] || contains "EBUSY: $3"
}

@test "trap 22: nvmetd makes the folders that registrations need, once, for root alone" {
	modprobe target_core_mod
	rm -rf $DBROOT
	operation "make folders of dbroot" -
	[ "$(stat -c '%a %F' $DBROOT $DBROOT/pr $DBROOT/alua | sort -u)" = "700 directory" ]
	chmod 750 $DBROOT/pr
	operation "make folders of dbroot" -
	[ "$(stat -c %a $DBROOT/pr)" = 750 ]
}

# A ramdisk for one host, so that its registrations come into force before the target lets it in.
guarded_target() {	# WITH…: what is done between enabling the storage object and linking it
	local tpg=$TARGET/iscsi/$IQN:t1/tpgt_1
	lio_ramdisk 1 ram 16 $SERIAL
	"$@"
	mkdir -p "$tpg"
	echo 1 >"$tpg/rtpi" 2>/dev/null || :
	echo 0 >"$tpg/attrib/authentication"
	lio_lun "$tpg" 0 rd_mcp_1/ram
	lio_acl "$tpg" "$INITIATOR" 0
	mkdir "$tpg/np/$ISCSI_PORTAL"
}

restored() {	# NUMBER
	[ "$(operation "restore registrations" target/core/rd_mcp_1/ram $SERIAL)" = "$1" ]
	[ "$1" = 0 ] || status 1 operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
	[ "$1" = 0 ] || contains EUNATCH "is not in force"
}

@test "trap 22: nvmetd gives a storage object made again its registrations, also of the type that is bad octal, and they are in force before the target is enabled" {
	local disk type
	modprobe target_core_mod
	operation "make folders of dbroot" -
	for type in 5 8; do
		guarded_target restored 0
		operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
		echo 1 >"$TARGET/iscsi/$IQN:t1/tpgt_1/enable"
		iscsi_login "$IQN:t1"
		disk=$(iscsi_disk "$IQN:t1" 0)
		pr_register "$disk" 0xabc -Z
		pr_reserve "$disk" 0xabc $type
		operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
		cat $TARGET/core/rd_mcp_1/ram/pr/res_{holder,pr_type} >"$W/before"
		iscsi_logout
		remove_all_scsi
		guarded_target restored 1
		operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
		cat $TARGET/core/rd_mcp_1/ram/pr/res_{holder,pr_type} >"$W/after"
		same "$W/before" "$W/after"
		remove_all_scsi
		rm $DBROOT/pr/aptpl_$SERIAL
	done
}

@test "a registration whose ACL has gone for good holds nobody up; one whose target is still to come does" {
	local disk tpg=$TARGET/iscsi/$IQN:t1/tpgt_1
	modprobe target_core_mod
	operation "make folders of dbroot" -
	guarded_target restored 0
	echo 1 >"$tpg/enable"
	iscsi_login "$IQN:t1"
	disk=$(iscsi_disk "$IQN:t1" 0)
	pr_register "$disk" 0xabc -Z
	pr_reserve "$disk" 0xabc 5
	iscsi_logout
	# The kernel takes the registration along, and leaves the file as it is.
	rm "$tpg/acls/$INITIATOR/lun_0/lun"
	grep -qx None $TARGET/core/rd_mcp_1/ram/pr/res_pr_registered_i_pts
	grep -qa "initiator_node=$INITIATOR" $DBROOT/pr/aptpl_$SERIAL
	operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
	remove_all_scsi
	guarded_target restored 1
	rm "$tpg/acls/$INITIATOR/lun_0/lun"
	rmdir "$tpg/acls/$INITIATOR/lun_0"
	status 1 operation "check registrations" target/core/rd_mcp_1/ram $SERIAL
	contains "EUNATCH: the registration of iSCSI $INITIATOR"
	operation "check registrations" target/core/rd_mcp_1/ram "$SERIAL"$'\n'"targets/iscsi/$IQN:t1/tpgs/1"
}

@test "a file of registrations that is damaged restores none, and is named with the line" {
	lio_ramdisk 1 ram 16 $SERIAL
	printf 'PR_REG_START: 0\ninitiator_fabric=iSCSI\ninitiator_no' >$DBROOT/pr/aptpl_$SERIAL
	status 1 operation "restore registrations" target/core/rd_mcp_1/ram $SERIAL
	contains "EINVAL: pr/aptpl_$SERIAL:3: "
	printf 'No Registrations or Reservations\0' >$DBROOT/pr/aptpl_$SERIAL
	[ "$(operation "restore registrations" target/core/rd_mcp_1/ram $SERIAL)" = 0 ]
	rm $DBROOT/pr/aptpl_$SERIAL
	ln -s /etc/passwd $DBROOT/pr/aptpl_$SERIAL
	status 1 operation "restore registrations" target/core/rd_mcp_1/ram $SERIAL
	contains ELOOP
}

@test "a secret of CHAP is hidden, written as it is, and cleared so that the kernel knows of none" {
	local folder
	(umask 077 && mkdir -p /etc/nvmetctl/secrets && echo topsecret >/etc/nvmetctl/secrets/joe)
	modprobe -a target_core_mod iscsi_target_mod
	mkdir -p "$TARGET/iscsi/$IQN:t1/tpgt_1/acls/$INITIATOR"
	for folder in target/iscsi/discovery_auth "target/iscsi/$IQN:t1/tpgt_1/auth" "target/iscsi/$IQN:t1/tpgt_1/acls/$INITIATOR/auth"; do
		echo -n joe >"$CONFIG/$folder/userid_mutual"
		operation "write secret" "$folder/password_mutual" file:joe
		[ "$(stat -c %a "$CONFIG/$folder/password_mutual")" = 600 ]
		[ "$(<"$CONFIG/$folder/password_mutual")" = topsecret ]
		# The kernel says so when it knows both.
		[ "$(<"$CONFIG/$folder/authenticate_target")" = 1 ]
		operation "write secret" "$folder/password_mutual" ''
		[ "$(<"$CONFIG/$folder/authenticate_target")" = 0 ]
		run ! grep -q topsecret "$CONFIG/$folder/password_mutual"
	done
}

@test "of the target tree everything is told but counters and buttons, whatever the kernel says of a file" {
	lio_ramdisk 1 ram 16 $SERIAL
	lio_bridge $NAA rd_mcp_1/ram >/dev/null
	lio_target "$IQN:t1" rd_mcp_1/ram
	echo -n topsecret >"$TARGET/iscsi/$IQN:t1/tpgt_1/auth/password"
	echo -n NULL >"$TARGET/iscsi/$IQN:t1/tpgt_1/auth/password_mutual"
	mkdir -p $TARGET/loopback/naa.3000000000000001/tpgt_1 "$TARGET/iscsi/$IQN:t1/tpgt_1/acls/$INITIATOR"
	operation scan target >"$W/scan"
	status 1 grep -E '^. .*(statistics|action)' "$W/scan"
	grep -qx "l loopback/$NAA/tpgt_1/lun/lun_0/storage target/core/rd_mcp_1/ram" "$W/scan"
	grep -qx 'x core/rd_mcp_1/ram/control' "$W/scan"
	# Of secrets whether there is one.
	grep -qx "s iscsi/$IQN:t1/tpgt_1/auth/password set" "$W/scan"
	grep -qx "s iscsi/$IQN:t1/tpgt_1/auth/password_mutual unset" "$W/scan"
	grep -qx "s iscsi/$IQN:t1/tpgt_1/acls/$INITIATOR/auth/password unset" "$W/scan"
	grep -qx "s iscsi/discovery_auth/password_mutual unset" "$W/scan"
	run ! grep topsecret "$W/scan"
	# Without a nexus: ENODEV.
	grep -qx 'x loopback/naa.3000000000000001/tpgt_1/nexus' "$W/scan"
	grep -qx "d iscsi/$IQN:t1/tpgt_1/np/$ISCSI_PORTAL" "$W/scan"
}
