#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User backends (tcmu): with a program that answers, and with one that never does.
# machine: --kernel 6.12 --memory 1536
# long machine: --kernel 7 --memory 1536
load lib

setup() {
	clean_slate
	ram_disks 2
	modprobe nvme-tcp
}

teardown() {
	leave_clean
	end_user_programs
}

serve() {	# BACKEND [ATTRIBUTE…]: a namespace of s1, and LUN 0 of t1
	local backend=$1
	shift
	status 0 nvmetctl create "backends/$backend" type=user size=16MiB dev_config="test/$backend" "$@" \
		create "subsystems/$NQN:s1" allow_any_host=true create "subsystems/$NQN:s1/namespaces/1" backend="$backend" \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1" \
		create targets/iscsi/$IQN:t1 create targets/iscsi/$IQN:t1/tpgs/1 authentication=false generate_node_acls=true \
		demo_mode_write_protect=false create targets/iscsi/$IQN:t1/tpgs/1/luns/0 backend="$backend" \
		create "targets/iscsi/$IQN:t1/tpgs/1/portals/$ISCSI_PORTAL"
}

@test "a backend of a program that answers is a LUN and a namespace at once: one disk, one set of data, one reservation" {
	local scsi nvme uuid
	user_program test/answers
	serve answers
	iscsi_login $IQN:t1 >&2
	connect "$NQN:s1" >&2
	scsi=$(iscsi_disk $IQN:t1 0)
	nvme=$(host_disk "$NQN:s1" 1)
	uuid=$(nvmetctl show backends/answers --json | jq -r '.. | .uuid? // empty')
	[ "$(scsi_serial "$scsi")" = "$uuid" ]
	[ "$(cat "/sys/block/${nvme#/dev/}/uuid")" = "$uuid" ]
	[ "$(blockdev --getsize64 "$nvme")" = 16777216 ]
	head -c 16M /dev/urandom >"$W/data"
	dd if="$W/data" of="$scsi" bs=1M oflag=direct status=none
	cmp "$W/data" <(contents "$nvme")
	head -c 16M /dev/urandom >"$W/data"
	dd if="$W/data" of="$nvme" bs=1M oflag=direct status=none
	cmp "$W/data" <(contents "$scsi")
	pr_register "$scsi" 0xabcd
	pr_reserve "$scsi" 0xabcd 1
	status 1 dd if=/dev/zero of="$nvme" bs=1M count=1 oflag=direct
	contains "Input/output error"
	cmp "$W/data" <(contents "$scsi")
	pr_release "$scsi" 0xabcd 1
	dd if=/dev/zero of="$nvme" bs=1M count=1 oflag=direct status=none
}

@test "a program that never answers fails its own backend alone, when its time for a command is over, and leaves nothing" {
	user_program test/silent --silent
	dump >"$W/before"
	status 1 nvmetctl create backends/silent type=user size=16MiB dev_config=test/silent cmd_time_out=1 \
		create "subsystems/$NQN:s1" create "subsystems/$NQN:s1/namespaces/1" backend=silent
	contains backends/silent "did not answer"
	dump >"$W/after"
	same "$W/before" "$W/after"
}

held_up() {	# a worker, in the kernel's question what is behind the bridge's LUN
	cat /proc/[0-9]*/stack 2>/dev/null | grep -q tcm_loop_port_link
}

@test "while a program that may take any time never answers, all else goes on, bridges too; status names it; when it answers at last, the job is done" {
	status 0 nvmetctl create backends/d type=block device=/dev/ram0 create "subsystems/$NQN:s0" create "subsystems/$NQN:s0/namespaces/1" backend=d \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s0"
	user_program test/silent --silent
	status 0 nvmetctl create backends/silent type=user size=16MiB dev_config=test/silent cmd_time_out=0 \
		create "subsystems/$NQN:s1" create "subsystems/$NQN:s1/namespaces/1" backend=silent set ports/1 subsystems+="$NQN:s1" --no-wait
	until_true held_up
	user_program test/other
	status 0 nvmetctl create backends/other type=user size=16MiB dev_config=test/other \
		create "subsystems/$NQN:s2" allow_any_host=true create "subsystems/$NQN:s2/namespaces/1" backend=other \
		set ports/1 subsystems+="$NQN:s2" create targets/iscsi/$IQN:t2 create targets/iscsi/$IQN:t2/tpgs/1 authentication=false \
		generate_node_acls=true demo_mode_write_protect=false create targets/iscsi/$IQN:t2/tpgs/1/luns/0 backend=other \
		create "targets/iscsi/$IQN:t2/tpgs/1/portals/$ISCSI_PORTAL"
	connect "$NQN:s2" >&2
	iscsi_login $IQN:t2 >&2
	head -c 1M /dev/urandom >"$W/data"
	dd if="$W/data" of="$(iscsi_disk $IQN:t2 0)" bs=1M oflag=direct status=none
	cmp -n 1048576 "$W/data" <(contents "$(host_disk "$NQN:s2" 1)")
	iscsi_logout >&2
	nvme disconnect-all >&2
	status 0 nvmetctl show
	contains "$NQN:s2"
	status 0 nvmetctl delete targets/iscsi/$IQN:t2 delete "subsystems/$NQN:s2" delete backends/other --recursive --disrupt --destroy
	[ ! -e "$CFS/subsystems/$NQN:s2" ]
	until_true stuck_says "^backends/silent/bridge: make"
	held_up
	end_user_programs
	user_program test/silent
	until_true no_job_runs
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/enable")" = 1 ]
	status 0 nvmetctl status
}
