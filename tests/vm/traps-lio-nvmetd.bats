#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --memory 1536
# The traps of the SCSI target (traps-lio.bats shows that the kernel has them): that nvmetd does not fall in.
load lib

SERIAL=5d1f0c8e-aaaa-4bbb-8ccc-0123456789ab

setup() {
	clean_slate
	T1=targets/iscsi/$IQN:t1
}

teardown() {
	[ ! -e $TCMU_PARAMETERS/reset_netlink ] || free_tcmu
	leave_clean
}

served() {	# [ATTRIBUTE…]: a ramdisk as LUN 0 of t1, which one host may use
	status 0 nvmetctl create backends/ram type=ramdisk size=16MiB uuid=$SERIAL storage_object=rd_mcp_7/ram "$@" \
		create "$T1" create "$T1/tpgs/1" authentication=false create "$T1/tpgs/1/luns/0" backend=ram \
		create "$T1/tpgs/1/portals/$ISCSI_PORTAL" \
		create "$T1/tpgs/1/acls/$INITIATOR" create "$T1/tpgs/1/acls/$INITIATOR/mapped_luns/0" lun=0
}

waits_in() {	# FUNCTION: some process, in the kernel
	cat /proc/[0-9]*/stack 2>/dev/null | grep -q "$1"
}

@test "trap 5: nvmetd waits for a program's answer only where it is told to; then status names it, all else goes on, and nothing is left" {
	modprobe target_core_user
	tcmu_replies 1
	status 0 nvmetctl create backends/quick type=user size=1MiB dev_config=test/none
	status 0 nvmetctl delete backends/quick --destroy
	status 0 nvmetctl create backends/slow type=user size=1MiB dev_config=test/none storage_object=user_9/slow nl_reply_supported=1 --no-wait
	until_true waits_in tcmu_netlink_event
	served
	iscsi_login $IQN:t1 >&2
	dd if=/dev/zero of="$(iscsi_disk $IQN:t1 0)" bs=1M count=1 oflag=direct status=none
	iscsi_logout >&2
	status 0 nvmetctl delete "$T1" --recursive --disrupt
	status 0 nvmetctl delete backends/ram --destroy
	until_true stuck_says backends/slow
	free_tcmu
	until_true no_job_runs
	[ ! -e $TARGET/core/user_9 ]
	tcmu_replies 0
}

@test "trap 12: nvmetd takes numbers of LUNs, portal groups and HBAs in one spelling alone, and takes over no other" {
	served
	status 3 nvmetctl create "$T1/tpgs/01"
	contains 01
	status 3 nvmetctl create "$T1/tpgs/1/luns/00" backend=ram
	contains 00
	status 3 nvmetctl create backends/other type=ramdisk size=16MiB storage_object=rd_mcp_07/other
	contains rd_mcp_07
	mkdir $TARGET/iscsi/$IQN:t1/tpgt_1/lun/lun_00
	run nvmetctl adopt
	[ "$status" -ne 0 ]
	contains 00
	rmdir $TARGET/iscsi/$IQN:t1/tpgt_1/lun/lun_00
}

@test "trap 14: nvmetd takes no name of an initiator that the kernel would cut" {
	local long
	long=$IQN:$(printf '%0230d' 0)
	served
	status 3 nvmetctl create "$T1/tpgs/1/acls/${long:0:224}"
	contains 223
	status 0 nvmetctl create "$T1/tpgs/1/acls/${long:0:223}"
	[ -d "$TARGET/iscsi/$IQN:t1/tpgt_1/acls/${long:0:223}" ]
}

@test "trap 15: what reads otherwise than it was written is nothing to do for nvmetd" {
	served
	status 0 nvmetctl create backends/ram/alua_groups/g alua_access_type=implicit access_state=standby \
		set "$T1/tpgs/1/luns/0" alua_group=g --disrupt
	nvmetctl save "$W/doc.json"
	[ "$(cat $TARGET/core/rd_mcp_7/ram/wwn/vpd_unit_serial)" = "T10 VPD Unit Serial Number: $SERIAL" ]
	[ "$(cat $TARGET/core/rd_mcp_7/ram/alua/g/alua_access_type)" = Implicit ]
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	kernel_writes nvmetctl reconcile >"$W/writes"
	nothing_in "$W/writes"
}

@test "trap 21: what enabling a storage object sets is what was asked for when nvmetd is done, and what cannot be changed later is refused with who exports it" {
	served block_size=4096 queue_depth=64 emulate_tas=false
	[ "$(cat $TARGET/core/rd_mcp_7/ram/attrib/block_size)" = 4096 ]
	[ "$(cat $TARGET/core/rd_mcp_7/ram/attrib/queue_depth)" = 64 ]
	[ "$(cat $TARGET/core/rd_mcp_7/ram/attrib/emulate_tas)" = 0 ]
	run nvmetctl set backends/ram block_size=512 --disrupt --destroy
	[ "$status" -ne 0 ]
	contains block_size "$T1/tpgs/1/luns/0"
	[ "$(cat $TARGET/core/rd_mcp_7/ram/attrib/block_size)" = 4096 ]
}

@test "trap 4: nvmetd leaves no storage object without an LU group, and its ALUA state can be changed" {
	served
	status 0 nvmetctl create lu_groups/g create backends/other type=ramdisk size=16MiB lu_group=g storage_object=rd_mcp_8/other \
		create backends/other/alua_groups/a access_state=standby
	grep -q 'LU Group Alias: g$' $TARGET/core/rd_mcp_8/other/alua_lu_gp
	grep -q 'LU Group Alias: default_lu_gp$' $TARGET/core/rd_mcp_7/ram/alua_lu_gp
	status 0 nvmetctl set backends/other/alua_groups/a access_state=optimized --disrupt
}

@test "trap 22: nvmetd makes the folders that registrations need before anybody can register" {
	rm -rf $DBROOT
	served
	[ "$(stat -c %a $DBROOT/pr $DBROOT/alua | tr '\n' ' ')" = '700 700 ' ]
	iscsi_login $IQN:t1 >&2
	pr_register "$(iscsi_disk $IQN:t1 0)" 0xabcd -Z
	[ -s $DBROOT/pr/aptpl_$SERIAL ]
	iscsi_logout >&2
}

@test "trap 23: nvmetd gives a portal group its number for good, and a LUN that is another backend's now its mapped LUNs back" {
	local rtpi
	served
	rtpi=$(cat $TARGET/iscsi/$IQN:t1/tpgt_1/rtpi)
	status 0 nvmetctl set "$T1/tpgs/1" enable=false --disrupt
	status 0 nvmetctl create targets/iscsi/$IQN:t2 create targets/iscsi/$IQN:t2/tpgs/1
	status 0 nvmetctl set "$T1/tpgs/1" enable=true
	[ "$(cat $TARGET/iscsi/$IQN:t1/tpgt_1/rtpi)" = "$rtpi" ]
	status 0 nvmetctl create backends/other type=ramdisk size=8MiB set "$T1/tpgs/1/luns/0" backend=other --disrupt --destroy
	iscsi_login $IQN:t1 >&2
	[ "$(blockdev --getsize64 "$(iscsi_disk $IQN:t1 0)")" = 8388608 ]
	iscsi_logout >&2
}

@test "trap 24: nvmetd has the kernel hurry while it removes much of the SCSI target, and not afterwards" {
	local i words=()
	for i in {1..20}; do
		words+=(create "backends/r$i" type=ramdisk size=1MiB)
	done
	status 0 nvmetctl "${words[@]}"
	trace -e trace=openat,write
	status 0 nvmetctl clear --destroy --disrupt
	# Nobody waits for it to be put back.
	until_equal 0 cat /sys/kernel/rcu_expedited
	end_trace
	[ "$(grep -Eo 'rcu_expedited>, "[01]' "$W/trace" | grep -o '.$' | paste -sd ' ')" = "1 0" ]
}

@test "trap 19: nvmetd says what may keep a portal from listening, and tells of an address that no interface has" {
	local listener pid
	served
	lacks "no interface of this machine"
	exec {listener}< <(exec python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 3299))
print("listening", flush=True)
s.accept()' 3>&-)
	pid=$!
	read -r _ <&"$listener"
	status 1 nvmetctl create "$T1/tpgs/1/portals/127.0.0.1:3299"
	contains "portals/127.0.0.1:3299" "in use already, by another portal or program"
	kill "$pid"
	[ ! -e "$TARGET/iscsi/$IQN:t1/tpgt_1/np/127.0.0.1:3299" ]
	status 0 nvmetctl create "$T1/tpgs/1/portals/192.0.2.7:3260"
	contains "warning: $T1/tpgs/1/portals/192.0.2.7:3260: no interface of this machine has the address 192.0.2.7"
	ip address add 192.0.2.7/32 dev lo
	ISCSI_PORTAL=192.0.2.7:3260 run iscsi_discover
	ip address delete 192.0.2.7/32 dev lo
	contains "192.0.2.7:3260,1 $IQN:t1"
}

@test "trap 20: nvmetd writes secrets without an end of line, write protection behind the link, the nexus before it, and no path that would be cut" {
	local acl=$TARGET/iscsi/$IQN:t1/tpgt_1/acls/$INITIATOR
	served
	truncate -s 1M "$W/a,b"
	status 3 nvmetctl create backends/cut type=file path="$W/a,b" data_path=shared
	contains "backends/cut: path"
	password joe secretsecret
	status 0 nvmetctl set "$T1/tpgs/1/acls/$INITIATOR" userid=joe password=file:joe \
		set "$T1/tpgs/1/acls/$INITIATOR/mapped_luns/0" write_protect=true
	printf 'joe\n' | cmp - "$acl/auth/userid"
	printf 'secretsecret\n' | cmp - "$acl/auth/password"
	[ "$(cat "$acl/lun_0/write_protect")" = 1 ]
	status 0 nvmetctl create targets/loopback/naa.5001405000000001 create targets/loopback/naa.5001405000000001/tpgs/1 \
		create targets/loopback/naa.5001405000000001/tpgs/1/luns/0 backend=ram
	loopback_disk $TARGET/loopback/naa.5001405000000001/tpgt_1 0
}
