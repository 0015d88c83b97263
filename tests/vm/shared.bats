#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One backend for both worlds: an iSCSI LUN and an NVMe/TCP namespace at once, with real hosts.
# machine: --kernel 6.12 --memory 1536
# machine: --kernel 7 --memory 1536
load lib

setup() {
	clean_slate
	ram_disks 2
	modprobe nvme-tcp
	truncate -s 16M "$W/image"
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "image": { "type": "file", "path": "$W/image" },
		    "ram": { "type": "ramdisk", "size": "16MiB" }
		  },
		  "subsystems": { "$NQN:s1": {
		    "allow_any_host": true, "namespaces": { "1": { "backend": "image" }, "2": { "backend": "ram" } }
		  } },
		  "ports": { "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$NQN:s1" ] } },
		  "targets": { "iscsi": { "$IQN:t1": { "tpgs": { "1": {
		    "authentication": false,
		    "portals": { "$ISCSI_PORTAL": {} },
		    "luns": { "1": { "backend": "image" }, "2": { "backend": "ram" } },
		    "acls": { "$INITIATOR": { "mapped_luns": { "1": { "lun": 1 }, "2": { "lun": 2 } } } }
		  } } } } }
		}
	END
}

teardown() {
	leave_clean
}

both_hosts() {
	iscsi_login $IQN:t1 >&2
	connect "$NQN:s1" >&2
}

write_all() {	# FROM DISK
	dd if="$1" of="$2" bs=1M oflag=direct status=none
}

storage() {	# BACKEND: its folder in the kernel
	echo $TARGET/core/*/"$1"
}

@test "data written by one host is read by the other byte for byte, a second apply and a restart write nothing, and all comes back" {
	local n scsi nvme
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	nvmetctl save "$W/saved"
	both_hosts
	for n in 1 2; do
		scsi=$(iscsi_disk $IQN:t1 $n)
		nvme=$(host_disk "$NQN:s1" $n)
		head -c 16M /dev/urandom >"$W/data"
		write_all "$W/data" "$scsi"
		cmp "$W/data" <(contents "$nvme")
		head -c 16M /dev/urandom >"$W/data"
		write_all "$W/data" "$nvme"
		cmp "$W/data" <(contents "$scsi")
	done
	connection_watch
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	daemon stop
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"
	connections_undisturbed
	iscsi_logout
	nvme disconnect-all
	status 0 nvmetctl clear --disrupt --destroy
	[ -z "$(exported)" ]
	[ -z "$(ls -d /sys/devices/tcm_loop_0/tcm_loop_adapter_* 2>/dev/null)" ]
	status 0 nvmetctl restore "$W/saved"
	nvmetctl save "$W/saved2"
	cmp "$W/saved" "$W/saved2"
	# But for the letters of the disks in between.
	dump | sed 's|device_path:/dev/sd.*|device_path:a disk|' >"$W/after"
	sed -i 's|device_path:/dev/sd.*|device_path:a disk|' "$W/before"
	same "$W/before" "$W/after"
}

@test "a disk is the same disk in both worlds: uuid, size and block size" {
	local n scsi nvme uuid name bridge
	status 0 nvmetctl apply "$W/doc.json"
	both_hosts
	for n in 1 2; do
		[ $n = 1 ] && name=image || name=ram
		scsi=$(iscsi_disk $IQN:t1 $n)
		nvme=$(host_disk "$NQN:s1" $n)
		uuid=$(nvmetctl show "backends/$name" --json | jq -r '.. | .uuid? // empty')
		[ -n "$uuid" ]
		[ "$(scsi_serial "$scsi")" = "$uuid" ]
		[ "$(scsi_naa "$scsi")" = "6001405$(tr -d - <<<"$uuid" | head -c 25)" ]
		[ "$(cat "/sys/block/${nvme#/dev/}/uuid")" = "$uuid" ]
		[ "$(blockdev --getsize64 "$scsi")" = 16777216 ]
		[ "$(blockdev --getsize64 "$nvme")" = 16777216 ]
		[ "$(blockdev --getss "$scsi")" = "$(blockdev --getss "$nvme")" ]
		# As bridge_queue of nvmetd.conf says.
		bridge=$(<"$CFS/subsystems/$NQN:s1/namespaces/$n/device_path")
		[ "$(cat "/sys/block/${bridge#/dev/}"/device/../../scsi_host/host*/can_queue)" = 128 ]
	done
}

@test "an iSCSI host's Write Exclusive reservation stops an NVMe host's writes; release lets them go on" {
	local n scsi nvme
	status 0 nvmetctl apply "$W/doc.json"
	both_hosts
	head -c 1M /dev/urandom >"$W/data"
	for n in 1 2; do
		scsi=$(iscsi_disk $IQN:t1 $n)
		nvme=$(host_disk "$NQN:s1" $n)
		write_all "$W/data" "$nvme"
		pr_register "$scsi" 0xabcd
		pr_reserve "$scsi" 0xabcd 1
		status 1 write_all /dev/zero "$nvme"
		contains "Input/output error"
		cmp -n 1048576 "$W/data" <(contents "$nvme")
		pr_release "$scsi" 0xabcd 1
		write_all "$W/data" "$nvme"
	done
}

@test "a reservation that outlives a power loss is held by the same host after save, clear and restore, and stops NVMe writes from the first" {
	local n scsi nvme name
	status 0 nvmetctl apply "$W/doc.json"
	both_hosts
	for n in 1 2; do
		scsi=$(iscsi_disk $IQN:t1 $n)
		pr_register "$scsi" 0xabcd -Z
		pr_reserve "$scsi" 0xabcd 1
	done
	dump_scsi | grep /pr/ >"$W/before"
	nvmetctl save "$W/saved"
	nvme disconnect-all
	status 0 nvmetctl clear --disrupt --destroy
	[ -z "$(exported)" ]
	status 0 nvmetctl restore "$W/saved"
	dump_scsi | grep /pr/ >"$W/after"
	same "$W/before" "$W/after"
	connect "$NQN:s1"
	iscsi_back $IQN:t1
	for n in 1 2; do
		scsi=$(iscsi_disk $IQN:t1 $n)
		nvme=$(host_disk "$NQN:s1" $n)
		status 1 write_all /dev/zero "$nvme"
		[ "$(pr_holder "$scsi")" = '0xabcd Write Exclusive' ]
		head -c 1M /dev/urandom >"$W/data"
		write_all "$W/data" "$scsi"
		cmp -n 1048576 "$W/data" <(contents "$nvme")
		pr_release "$scsi" 0xabcd 1
		write_all "$W/data" "$nvme"
	done
}

@test "a backend that NVMe hosts use gets a LUN only with consent; they keep controller, identity and geometry, and the way back is the same" {
	local disk size uuid
	status 0 nvmetctl create backends/d type=block device=/dev/ram0 \
		create "subsystems/$NQN:s1" allow_any_host=true create "subsystems/$NQN:s1/namespaces/1" backend=d \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1"
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_path")" = /dev/ram0 ]
	connect "$NQN:s1"
	disk=$(host_disk "$NQN:s1" 1)
	uuid=$(cat "/sys/block/${disk#/dev/}/uuid")
	size=$(blockdev --getsize64 "$disk")
	head -c 1M /dev/urandom >"$W/data"
	write_all "$W/data" "$disk"
	connection_watch
	set -- create targets/iscsi/$IQN:t1 create targets/iscsi/$IQN:t1/tpgs/1 authentication=false \
		create targets/iscsi/$IQN:t1/tpgs/1/luns/0 backend=d
	dump >"$W/before"
	status 6 nvmetctl "$@"
	contains vanishes --disrupt
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl "$@" --disrupt
	[[ $(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_path") = /dev/sd* ]]
	same_disk
	status 6 nvmetctl delete targets/iscsi/$IQN:t1 --recursive
	status 0 nvmetctl delete targets/iscsi/$IQN:t1 --recursive --disrupt
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_path")" = /dev/ram0 ]
	same_disk
	connections_undisturbed "${disk#/dev/}"
}

same_disk() {	# as disk, uuid, size, $W/data say
	local now
	now=$(host_disk "$NQN:s1" 1)
	until_true test -e "/sys/block/${now#/dev/}/uuid"
	[ "$(cat "/sys/block/${now#/dev/}/uuid")" = "$uuid" ]
	[ "$(blockdev --getsize64 "$now")" = "$size" ]
	cmp -n 1048576 "$W/data" <(contents "$now")
}

@test "a vhost target, and a person's own loopback target, stand beside bridges, and show tells them apart" {
	local naa=naa.5001405000000001 disk
	modprobe vhost_scsi
	status 0 nvmetctl apply "$W/doc.json"
	status 0 nvmetctl create "targets/vhost/$naa" create "targets/vhost/$naa/tpgs/1" create "targets/vhost/$naa/tpgs/1/luns/0" backend=ram \
		create "targets/loopback/$naa" create "targets/loopback/$naa/tpgs/1" create "targets/loopback/$naa/tpgs/1/luns/3" backend=ram
	[ -L "$(echo $TARGET/vhost/$naa/tpgt_1/lun/lun_0/*am)" ]
	disk=$(loopback_disk $TARGET/loopback/$naa/tpgt_1 3)
	connect "$NQN:s1"
	head -c 16M /dev/urandom >"$W/data"
	write_all "$W/data" "$disk"
	cmp "$W/data" <(contents "$(host_disk "$NQN:s1" 2)")
	status 0 nvmetctl show
	contains "targets" "loopback" "vhost" "$naa" "luns/3"
	lacks naa.3
	[ "$(ls $TARGET/loopback | grep -c '^naa\.3')" = 2 ]
	status 0 nvmetctl delete "targets/loopback/$naa" delete "targets/vhost/$naa" --recursive --disrupt
	[ "$(ls $TARGET/loopback | grep -c '^naa\.')" = 2 ]
	[ ! -e $TARGET/vhost/$naa ]
}

@test "reservations of NVMe are refused on a backend that both worlds share, with the reason" {
	sed -i 's/"2": { "backend": "ram" } }$/"2": { "backend": "ram", "resv_enable": true } }/' "$W/doc.json"
	grep -q resv_enable "$W/doc.json"
	status 3 nvmetctl check "$W/doc.json"
	contains "namespaces/2" resv_enable SCSI
}
