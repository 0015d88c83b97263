#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What backends that both worlds share rest on: that the kernel can do it. All of it is made by hand; nvmetd looks on.
# long machine: --kernel 6.12
# long machine: --kernel 7
load lib

SERIAL=5d1f0c8e-aaaa-4bbb-8ccc-0123456789ab

setup() {
	clean_slate
	modprobe -a nvmet nvmet-tcp nvme-tcp
	rm -rf $DBROOT
}

teardown() {
	nvme disconnect-all >/dev/null 2>&1 || :
	iscsi_logout >/dev/null 2>&1 || :
	remove_all
	leave_clean
}

# One ramdisk of 32 MiB: LUN 0 of an iSCSI target, and namespace 1 on a disk of a loopback target. NVME and SCSI are what hosts see.
both() {
	lio_ramdisk 7 ram 32 $SERIAL
	lio_target $IQN:t1 rd_mcp_7/ram
	BRIDGE=$(lio_bridge naa.35d1f0c8eaaaa4bb rd_mcp_7/ram)
	nvmet_over "$BRIDGE"
	iscsi_login $IQN:t1 >/dev/null
	SCSI=$(iscsi_disk $IQN:t1 0)
	connect "$NQN:s1"
	NVME=$(host_disk "$NQN:s1" 1)
}

nvmet_over() {	# DEVICE
	local subsystem=$CFS/subsystems/$NQN:s1
	mkdir "$subsystem" "$subsystem/namespaces/1" $CFS/ports/1
	echo 1 >"$subsystem/attr_allow_any_host"
	echo "$1" >"$subsystem/namespaces/1/device_path"
	echo 1 >"$subsystem/namespaces/1/enable"
	echo tcp >$CFS/ports/1/addr_trtype
	echo ipv4 >$CFS/ports/1/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/1/addr_traddr
	echo 4420 >$CFS/ports/1/addr_trsvcid
	ln -s "$subsystem" $CFS/ports/1/subsystems/
}

write_all() {	# FROM DISK
	dd if="$1" of="$2" bs=1M oflag=direct status=none
}

@test "what a host writes to a LUN is what another reads from the namespace on the same storage, and the other way round" {
	both
	head -c 32M /dev/urandom >"$W/data"
	write_all "$W/data" "$SCSI"
	cmp "$W/data" <(contents "$NVME")
	head -c 32M /dev/urandom >"$W/data"
	write_all "$W/data" "$NVME"
	cmp "$W/data" <(contents "$SCSI")
	[ "$(scsi_serial "$SCSI")" = $SERIAL ]
	[ "$(scsi_naa "$SCSI")" = 60014055d1f0c8eaaaa4bbb8ccc01234 ]
	[ "$(cat "/sys/class/block/${BRIDGE#/dev/}/device/wwid")" = naa.60014055d1f0c8eaaaa4bbb8ccc01234 ]
	[ "$(iscsi_luns $IQN:t1)" = 0 ]
}

@test "a Write Exclusive reservation of an iSCSI host stops an NVMe host's writes but not its reads, until it is released" {
	both
	head -c 4K /dev/urandom >"$W/data"
	write_all "$W/data" "$NVME"
	pr_register "$SCSI" 0xabcd
	pr_reserve "$SCSI" 0xabcd 1
	[ "$(pr_keys "$SCSI")" = 0xabcd ]
	[ "$(pr_holder "$SCSI")" = '0xabcd Write Exclusive' ]
	status 1 write_all /dev/zero "$NVME"
	contains "Input/output error"
	write_all "$W/data" "$SCSI"
	cmp -n 4096 "$W/data" <(contents "$NVME")
	pr_release "$SCSI" 0xabcd 1
	[ "$(pr_holder "$SCSI")" = '' ]
	head -c 4K /dev/urandom >"$W/data"
	write_all "$W/data" "$NVME"
	cmp -n 4096 "$W/data" <(contents "$SCSI")
}

@test "a reservation that outlives a power loss is there again when the storage was removed, made anew, and its registrations written back" {
	local tpg=$TARGET/iscsi/$IQN:t1/tpgt_1 storage=$TARGET/core/rd_mcp_7/ram disk
	lio_ramdisk 7 ram 32 $SERIAL
	lio_target $IQN:t1 rd_mcp_7/ram
	lio_acl $tpg $INITIATOR 0
	iscsi_login $IQN:t1 >/dev/null
	disk=$(iscsi_disk $IQN:t1 0)
	pr_register "$disk" 0xabcd -Z
	pr_reserve "$disk" 0xabcd 1
	dump_scsi >"$W/before"
	remove_all_scsi
	[ -z "$(exported)" ]

	lio_ramdisk 7 ram 32 $SERIAL
	lio_registrations $SERIAL rd_mcp_7/ram
	lio_target $IQN:t1 rd_mcp_7/ram
	grep -qx None $storage/pr/res_pr_registered_i_pts
	lio_acl $tpg $INITIATOR 0
	grep -q 'Key: 0x000000000000abcd' $storage/pr/res_pr_registered_i_pts
	dump_scsi >"$W/after"
	same "$W/before" "$W/after"
	# And it is the same host's, who need not register again.
	iscsi_back $IQN:t1
	[ "$(pr_holder "$disk")" = '0xabcd Write Exclusive' ]
	pr_release "$disk" 0xabcd 1
	[ "$(pr_holder "$disk")" = '' ]
}

@test "CHAP of an iSCSI host: one way and both ways, right and wrong, for a target and for its discovery" {
	local tpg=$TARGET/iscsi/$IQN:t1/tpgt_1 acl
	lio_ramdisk 7 ram 32 $SERIAL
	lio_target $IQN:t1 rd_mcp_7/ram
	lio_acl $tpg $INITIATOR 0
	acl=$tpg/acls/$INITIATOR
	echo 1 >$tpg/attrib/authentication
	printf joe >"$acl/auth/userid"
	printf secretsecret >"$acl/auth/password"
	status 24 iscsi_login $IQN:t1
	status 24 iscsi_login $IQN:t1 joe wrongwrongwrong
	status 0 iscsi_login $IQN:t1 joe secretsecret
	iscsi_logout
	printf target >"$acl/auth/userid_mutual"
	printf mutualmutual >"$acl/auth/password_mutual"
	# A host that does not ask is let in still; one that asks wants the right answer.
	status 19 iscsi_login $IQN:t1 joe secretsecret target wrongwrongwrong
	status 0 iscsi_login $IQN:t1 joe secretsecret target mutualmutual
	iscsi_logout

	status 0 iscsi_discover
	contains "$IQN:t1"
	printf finder >$TARGET/iscsi/discovery_auth/userid
	printf findfindfind >$TARGET/iscsi/discovery_auth/password
	echo 1 >$TARGET/iscsi/discovery_auth/enforce_discovery_auth
	run iscsi_discover
	[ "$status" -ne 0 ]
	lacks "$IQN:t1"
	run iscsi_discover finder wrongwrongwrong
	[ "$status" -ne 0 ]
	status 0 iscsi_discover finder findfindfind
	contains "$IQN:t1"
	# All this is the module's, not the folder's: it would outlive the folder.
	remove_all_scsi
	mkdir $TARGET/iscsi
	[ "$(cat $TARGET/iscsi/discovery_auth/enforce_discovery_auth)" = 1 ]
	[ "$(cat $TARGET/iscsi/discovery_auth/userid)" = finder ]
	echo 0 >$TARGET/iscsi/discovery_auth/enforce_discovery_auth
}
