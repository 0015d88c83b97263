#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --bare --expect-kernel-warning --memory 1536
# long machine: --kernel 7 --bare --expect-kernel-warning --memory 1536
# After this trap the kernel's target can no longer be relied on, so it has the machine for itself.
load lib

@test "trap 4: in the kernel, a storage object that was taken out of its LU group by NULL is an oops at the next change of its ALUA state" {
	local storage=$TARGET/core/rd_mcp_7/ram
	echo 0 >/proc/sys/kernel/panic_on_oops
	lio_ramdisk 7 ram 16 5d1f0c8e-aaaa-4bbb-8ccc-0123456789ab
	mkdir $storage/alua/g
	echo 5 >$storage/alua/g/tg_pt_gp_id
	echo 1 >$storage/alua/g/alua_access_state
	run ! grep -q 'BUG:' <(dmesg)
	# There is no other way out of one: the name of the default group is not taken.
	write_fails ENODEV $storage/alua_lu_gp default_lu_gp
	echo NULL >$storage/alua_lu_gp
	run ! bash -c "echo 0 >$storage/alua/g/alua_access_state"
	dmesg | grep -q 'BUG: kernel NULL pointer dereference'
}
