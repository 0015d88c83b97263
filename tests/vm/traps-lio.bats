#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# long machine: --kernel 6.12 --memory 1536
# long machine: --kernel 7 --memory 1536
# The traps of the SCSI target that do not ruin the kernel: that it has them, by hand, while nvmetd looks on.
load lib

SERIAL=5d1f0c8e-aaaa-4bbb-8ccc-0123456789ab

setup() {
	clean_slate
	ram_disks 2
	rm -rf $DBROOT
	modprobe -a target_core_mod iscsi_target_mod tcm_loop
	TPG=$TARGET/iscsi/$IQN:t1/tpgt_1
	RAM=$TARGET/core/rd_mcp_7/ram
}

teardown() {
	[ ! -e $TCMU_PARAMETERS/reset_netlink ] || free_tcmu
	iscsi_logout >/dev/null 2>&1 || :
	remove_all
	leave_clean
}

served() {	# one ramdisk as LUN 0 of an iSCSI target
	lio_ramdisk 7 ram 16 $SERIAL
	lio_target $IQN:t1 rd_mcp_7/ram
}

control() {	# STORAGE TEXT
	printf %s "$2" >"$1/control"
}

# ---- tcmu ----

user_storage() {	# NAME [KEY…]: a user backend that nobody handles, not enabled
	modprobe target_core_user
	mkdir -p $TARGET/core/user_3
	mkdir "$TARGET/core/user_3/$1"
	control "$TARGET/core/user_3/$1" "dev_config=none/$1,dev_size=1048576"
	[ $# -lt 2 ] || control "$TARGET/core/user_3/$1" "$2"
}

@test "trap 5: in the kernel, once anybody said that he answers events, enabling a user backend waits for ever, and no signal ends it" {
	local writer
	user_storage a
	tcmu_replies 1
	bash -c "echo 1 >$TARGET/core/user_3/a/enable" 2>/dev/null 3>&- &
	writer=$!
	until_true in_kernel $writer tcmu
	kill -KILL $writer
	in_kernel $writer tcmu
	free_tcmu
	run wait $writer
	[ "$status" -ne 0 ]
	# Who said that he expects no reply waits for none.
	user_storage b nl_reply_supported=-1
	echo 1 >$TARGET/core/user_3/b/enable
	rmdir $TARGET/core/user_3/b
	tcmu_replies 0
}

@test "trap 5: in the kernel, a removal of a user backend that stands still holds up the folder of its HBA, and nothing else" {
	local remover reader
	user_storage a
	echo 1 >$TARGET/core/user_3/a/enable
	# A removal stands still when somebody hears of it, and said that he would answer.
	tcmu_replies 1
	echo 1 >$TARGET/core/user_3/a/attrib/nl_reply_supported
	listen_to_tcmu
	rmdir $TARGET/core/user_3/a 3>&- &
	remover=$!
	until_true in_kernel $remover tcmu
	ls $TARGET/core/user_3 >/dev/null 3>&- &
	reader=$!
	until_true in_kernel $reader configfs_dir_open
	lio_ramdisk 7 ram 16 $SERIAL
	rmdir $RAM ${RAM%/*}
	in_kernel $remover tcmu
	free_tcmu
	kill $LISTENER
	wait $remover
	wait $reader
	tcmu_replies 0
}

listen_to_tcmu() {
	python3 - "$W/listens" 3>&- <<-'END' &
		import socket, struct, sys
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
		s.bind((0, 0))
		body = struct.pack("BBH", 3, 1, 0) + struct.pack("HH", 13, 2) + b"TCM-USER\0\0\0\0"
		s.send(struct.pack("IHHII", 16 + len(body), 16, 5, 1, 0) + body)
		reply = s.recv(65536)
		group = reply.index(struct.pack("HH", 11, 1) + b"config\0")
		near = reply[group - 8:group + 20]
		number = near.index(struct.pack("HH", 8, 2))
		s.setsockopt(270, 1, struct.unpack("I", near[number + 4:number + 8])[0])
		open(sys.argv[1], "w").close()
		while True:
		    s.recv(65536)
	END
	LISTENER=$!
	until_true test -e "$W/listens"
}

@test "trap 12: in the kernel, lun_0 and lun_00 are two LUNs, and iblock_0 and iblock_00 two HBAs" {
	served
	mkdir $TARGET/core/rd_mcp_07 $TPG/lun/lun_00
	ln -s $RAM $TPG/lun/lun_00/storage
	[ -d $TARGET/core/rd_mcp_7 ]
	iscsi_login $IQN:t1 >/dev/null
	[ "$(iscsi_luns $IQN:t1)" = 0 ]
}

@test "trap 14: in the kernel, names of initiators are cut after 223 bytes: two of them are one" {
	local long
	long=$IQN:$(printf '%0230d' 0)
	served
	mkdir "$TPG/acls/${long:0:223}" "$TPG/acls/${long:0:224}"
	[ "$(cat "$TPG/acls/${long:0:224}/info")" = "No active iSCSI Session for Initiator Endpoint: ${long:0:223}" ]
	[ "$(cat "$TPG/acls/${long:0:223}/info")" = "No active iSCSI Session for Initiator Endpoint: ${long:0:223}" ]
}

@test "trap 15: in the kernel, serial number and ALUA group read otherwise than they were written" {
	served
	[ "$(cat $RAM/wwn/vpd_unit_serial)" = "T10 VPD Unit Serial Number: $SERIAL" ]
	mkdir $RAM/alua/g
	[ "$(cat $RAM/alua/g/tg_pt_gp_id)" = '' ]
	echo 5 >$RAM/alua/g/tg_pt_gp_id
	write_fails EINVAL $RAM/alua/g/tg_pt_gp_id 6
	echo 1 >$RAM/alua/g/alua_access_type
	[ "$(cat $RAM/alua/g/alua_access_type)" = Implicit ]
	echo 1 >$RAM/alua/g/alua_access_status
	[ "$(cat $RAM/alua/g/alua_access_status)" = 'Altered by Explicit STPG' ]
	echo g >$TPG/lun/lun_0/alua_tg_pt_gp
	[ "$(wc -l <$TPG/lun/lun_0/alua_tg_pt_gp)" -gt 1 ]
	echo default_tg_pt_gp >$TPG/lun/lun_0/alua_tg_pt_gp
}

@test "trap 19: in the kernel, every portal that fails is EINVAL, and an address that no interface has is none that fails" {
	served
	mkdir $TPG/np/192.0.2.7:3260
	mkdir $TARGET/iscsi/$IQN:t2 $TARGET/iscsi/$IQN:t2/tpgt_1 $TARGET/iscsi/$IQN:t1/tpgt_2
	python3 - $TARGET/iscsi/$IQN:t1/tpgt_2/np/127.0.0.1:3260 $TPG/np/nonsense $TPG/np/127.0.0.1:x <<-'END'
		import errno, os, sys
		for name in sys.argv[1:]:
		    try:
		        os.mkdir(name)
		        sys.exit(name + " could be made")
		    except OSError as e:
		        if e.errno != errno.EINVAL:
		            sys.exit(f"{name}: {errno.errorcode[e.errno]}")
	END
}

@test "trap 20: in the kernel, misspelt keys are no error, a comma ends a path, names keep their newline" {
	modprobe target_core_file
	mkdir -p $TARGET/core/fileio_4/f
	control $TARGET/core/fileio_4/f "fd_dev_nam=$W/image,fd_dev_siz=4096"
	write_fails EINVAL $TARGET/core/fileio_4/f/enable 1
	control $TARGET/core/fileio_4/f "fd_dev_name=$W/with,comma,fd_dev_size=1048576"
	echo 1 >$TARGET/core/fileio_4/f/enable
	[ -e "$W/with" ]
	[ ! -e "$W/with,comma" ]
	served
	echo joe >$TPG/auth/userid
	[ "$(cat $TPG/auth/userid | wc -l)" = 2 ]
	printf joe >$TPG/auth/userid
	[ "$(cat $TPG/auth/userid | wc -l)" = 1 ]
}

@test "trap 20: in the kernel, write protection before the link is lost, and a nexus after it makes no disk" {
	local loop=$TARGET/loopback/naa.35d1f0c8eaaaa4bb
	served
	mkdir $TPG/acls/$INITIATOR $TPG/acls/$INITIATOR/lun_0
	echo 1 >$TPG/acls/$INITIATOR/lun_0/write_protect
	ln -s $TPG/lun/lun_0 $TPG/acls/$INITIATOR/lun_0/lun
	[ "$(cat $TPG/acls/$INITIATOR/lun_0/write_protect)" = 0 ]
	mkdir -p $TARGET/loopback
	mkdir $loop $loop/tpgt_1
	lio_lun $loop/tpgt_1 0 rd_mcp_7/ram
	echo ${loop##*/} >$loop/tpgt_1/nexus
	[ ! -e "/sys/class/scsi_device/$(cat $loop/tpgt_1/address):0" ]
}

@test "trap 21: in the kernel, a storage object is enabled once and for all, which sets what was set before, and once exported it takes little" {
	mkdir $TARGET/core/rd_mcp_7 $RAM
	control $RAM rd_pages=4096
	echo 4096 >$RAM/attrib/block_size
	echo 1 >$RAM/enable
	[ "$(cat $RAM/attrib/block_size)" = 512 ]
	write_fails EEXIST $RAM/enable 1
	write_fails EINVAL $RAM/enable 0
	echo 4096 >$RAM/attrib/block_size
	echo $SERIAL >$RAM/wwn/vpd_unit_serial
	lio_target $IQN:t1 rd_mcp_7/ram
	write_fails EINVAL $RAM/attrib/block_size 512
	write_fails EINVAL $RAM/wwn/vpd_unit_serial other
	write_fails EINVAL $RAM/attrib/emulate_tas 0
	[ "$(cat $RAM/attrib/block_size)" = 4096 ]
}

@test "trap 22: in the kernel, without its folder a registration fails and holds nevertheless, dbroot is fixed, and the type 08 cannot be written back" {
	local disk registration
	served
	rm -r $DBROOT
	iscsi_login $IQN:t1 >/dev/null
	disk=$(iscsi_disk $IQN:t1 0)
	run pr_register "$disk" 0xabcd
	[ "$status" -ne 0 ]
	[ "$(pr_keys "$disk")" = 0xabcd ]
	iscsi_logout
	mkdir "$W/root"
	write_fails EINVAL $TARGET/dbroot "$W/root"$'\n'
	remove_all
	lio_ramdisk 7 ram 16 $SERIAL
	registration="initiator_fabric=iSCSI,initiator_node=$INITIATOR,sa_res_key=1,res_holder=1,mapped_lun=0"
	registration+=",target_fabric=iSCSI,target_node=$IQN:t1,tpgt=1,target_lun=0"
	write_fails EINVAL $RAM/pr/res_aptpl_metadata "$registration,res_type=08"
	printf %s "$registration,res_type=8" >$RAM/pr/res_aptpl_metadata
}

@test "trap 23: in the kernel, mapped LUNs do not come to life again with their LUN, and relative port ids go by the order of enabling" {
	local other=$TARGET/iscsi/$IQN:t2/tpgt_1
	served
	lio_acl $TPG $INITIATOR 0
	rm $TPG/lun/lun_0/storage
	ln -s $RAM $TPG/lun/lun_0/storage
	iscsi_login $IQN:t1 >/dev/null
	[ "$(iscsi_luns $IQN:t1)" = '' ]
	[ -L $TPG/acls/$INITIATOR/lun_0/lun ]
	iscsi_logout
	mkdir $TARGET/iscsi/$IQN:t2 $other
	echo 0 >$TPG/enable
	echo 1 >$other/enable
	echo 1 >$TPG/enable
	[ $(($(cat $TPG/rtpi))) -gt $(($(cat $other/rtpi))) ]
	echo 0 >$TPG/enable
	echo 0 >$other/enable
	echo 1 >$TPG/enable
	echo 1 >$other/enable
	[ $(($(cat $TPG/rtpi))) -lt $(($(cat $other/rtpi))) ]
}
