#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What fails in the kernel: a clear text, exit status 1, the same tree as before, and a connected host that notices nothing.
load lib

setup() {
	clean_slate
	ram_disks
	nvmetctl export /dev/ram0 --nvme "$NQN:live" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name live
	connect "$NQN:live"
	dump >"$W/before"
	nvmetctl save "$W/saved"
	connection_watch
	io_begin "$(host_disk "$NQN:live" 1)"
}

teardown() {
	[ ! -e /etc/modprobe.d/refused.conf ] || have_modules
	leave_clean
}

# fails_cleanly TEXT EDIT…: the edits fail with TEXT, and nothing is left of them.
fails_cleanly() {
	local text=$1
	shift
	status 1 nvmetctl "$@"
	contains "$text"
	dump >"$W/after"
	same "$W/before" "$W/after"
	nvmetctl save "$W/saved.after"
	same "$W/saved" "$W/saved.after"
}

# All that a change can bring, so that there is something to roll back.
much() {
	echo create "hosts/$NQN:h1" \
		create "backends/b1" type=block device=/dev/ram1 \
		create "subsystems/$NQN:new" allowed_hosts="$NQN:h1" serial=new model=New \
		create "subsystems/$NQN:new/namespaces/1" backend=b1 \
		create ports/2 trtype=tcp traddr=127.0.0.1 trsvcid=4430 subsystems="$NQN:new" \
		create ports/2/ana_groups/3 create ports/2/referrals/r trtype=tcp traddr=192.0.2.9 \
		set ports/1 subsystems+="$NQN:new" \
		set "subsystems/$NQN:live" "allowed_hosts+=$NQN:h1" cntlid_max=1000
}

@test "a missing device, file, address or feature, an address in use and a read-only disk: text, rollback, host undisturbed" {
	local holder
	fails_cleanly "namespaces/2: device_path: /dev/nosuch does not exist" $(much) \
		create backends/bad type=block device=/dev/nosuch create "subsystems/$NQN:live/namespaces/2" backend=bad
	fails_cleanly "namespaces/2: device_path: $W/nosuch does not exist" $(much) \
		create backends/bad type=file path="$W/nosuch" create "subsystems/$NQN:live/namespaces/2" backend=bad
	fails_cleanly "the port's address is not an address of this machine" $(much) \
		create backends/new type=file path="$W/made" size=1MiB create=1 create "subsystems/$NQN:live/namespaces/2" backend=new \
		create ports/3 trtype=tcp traddr=203.0.113.1 subsystems="$NQN:new"
	# The file that was made for it is gone as well.
	[ ! -e "$W/made" ]
	fails_cleanly "vendor_id: a PCI vendor id of one's own is not in this kernel: it needs Linux 6.14" $(much) \
		set "subsystems/$NQN:live" vendor_id=0x1af4
	fails_cleanly "it needs Linux 6.13" $(much) \
		create backends/new type=block device=/dev/ram2 create "subsystems/$NQN:live/namespaces/2" backend=new resv_enable=1

	blockdev --setro /dev/ram2
	fails_cleanly "/dev/ram2 is read-only" $(much) \
		create backends/ro type=block device=/dev/ram2 create "subsystems/$NQN:live/namespaces/2" backend=ro
	blockdev --setrw /dev/ram2

	exec {holder}< <(exec python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 4431))
print("listening", flush=True)
s.accept()' 3>&-)
	local pid=$!
	read -r _ <&"$holder"
	fails_cleanly "the port's address is in use already, by another port or program" $(much) \
		create ports/3 trtype=tcp traddr=127.0.0.1 trsvcid=4431 subsystems="$NQN:new"
	kill "$pid"
	io_end
	connections_undisturbed
}

@test "a document that is broken in one place is refused as a whole by apply; restore makes the rest and says what it left out" {
	jq '.backends.bad = { type: "block", device: "/dev/nosuch" } | .backends.good = { type: "block", device: "/dev/ram1" } |
		.subsystems["'"$NQN"':live"].namespaces += { "2": { backend: "bad" }, "3": { backend: "good" } }' \
		"$W/saved" >"$W/doc.json"
	status 1 nvmetctl apply "$W/doc.json"
	contains "namespaces/2: device_path: /dev/nosuch does not exist"
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 5 nvmetctl restore "$W/doc.json"
	contains "namespaces/2: device_path: /dev/nosuch does not exist"
	[ -e "$CFS/subsystems/$NQN:live/namespaces/3" ]
	[ ! -e "$CFS/subsystems/$NQN:live/namespaces/2" ]
	status 4 nvmetctl status
	contains "Could not be made" "subsystems/$NQN:live/namespaces/2" "/dev/nosuch does not exist"
	# What is missing comes, and then it can be made.
	truncate -s 16M "$W/later"
	ln -s "$(loop_disk "$W/later" 16M)" /dev/nosuch
	status 0 nvmetctl reconcile
	[ "$(cat "$CFS/subsystems/$NQN:live/namespaces/2/enable")" = 1 ]
	status 0 nvmetctl status
	io_end
	connections_undisturbed
	status 0 nvmetctl clear --disrupt
	losetup -d "$(readlink /dev/nosuch)"
	rm /dev/nosuch
}

@test "a device that is mounted, or that another namespace has, is refused with the reason" {
	mkdir "$W/mnt"
	local disk
	disk=$(loop_disk "$W/fs.raw" 32M)
	mkfs.ext4 -q "$disk"
	mount "$disk" "$W/mnt"
	fails_cleanly "is mounted on $W/mnt" create backends/fs type=block device="$disk" create "subsystems/$NQN:live/namespaces/2" backend=fs
	umount "$W/mnt"
	losetup -d "$disk"
	status 3 nvmetctl create backends/again type=block device=/dev/ram0 create "subsystems/$NQN:live/namespaces/2" backend=again
	contains "/dev/ram0"
	dump >"$W/after"
	same "$W/before" "$W/after"
	io_end
	connections_undisturbed
}

# refuse_modules NAME…: modprobe.d says that they are not to be loaded, and tcm_loop is not there at all. have_modules: that is over.
refuse_modules() {
	modprobe -r "$@" tcm_loop
	printf 'install %s /bin/false\n' "$@" >/etc/modprobe.d/refused.conf
	mount -t tmpfs tmpfs "$(dirname "$(modinfo -F filename tcm_loop)")"
}

have_modules() {
	umount "/lib/modules/$(uname -r)/kernel/drivers/target/loopback"
	rm /etc/modprobe.d/refused.conf
}

@test "a module that cannot be loaded is named with the reason, harms nothing else, and is loaded when it can be" {
	local refused=(nvmet_rdma iscsi_target_mod target_core_user) rule='cannot be loaded: modprobe.d has an install rule for it'
	mkdir -p /etc/modprobe.d
	refuse_modules "${refused[@]}"
	# The tree of the SCSI target is the kernel's, and stays once it is there.
	modprobe target_core_mod
	dump >"$W/before"
	fails_cleanly "ports/3: trtype: the module nvmet-rdma $rule" $(much) create ports/3 trtype=rdma traddr=192.0.2.1
	fails_cleanly "targets/iscsi: the module iscsi_target_mod $rule" $(much) create "targets/iscsi/$IQN:t1"
	fails_cleanly "backends/u: type: the module target_core_user $rule" $(much) \
		create backends/u type=user size=4MiB dev_config="file/$W/u" data_path=shared
	fails_cleanly "this kernel has no module tcm_loop" $(much) \
		create backends/r type=ramdisk size=4MiB create "subsystems/$NQN:live/namespaces/2" backend=r

	jq '.backends += { r: { type: "ramdisk", size: "4MiB" }, b: { type: "block", device: "/dev/ram1" } } |
		.subsystems["'"$NQN"':live"].namespaces += { "2": { backend: "r" }, "3": { backend: "b" } } |
		.ports += { "3": { trtype: "rdma", traddr: "192.0.2.1" }, "4": { trtype: "tcp", traddr: "127.0.0.2" } } |
		.targets = { iscsi: { "'"$IQN"':t1": { tpgs: { "1": {} } } } }' "$W/saved" >"$W/doc.json"
	status 5 nvmetctl restore "$W/doc.json"
	contains "ports/3: trtype: the module nvmet-rdma" "targets/iscsi: the module iscsi_target_mod" "this kernel has no module tcm_loop"
	[ -d "$CFS/ports/4" ]
	[ -d "$CFS/subsystems/$NQN:live/namespaces/3" ]
	[ ! -e "$CFS/ports/3" ]
	[ ! -e "$CFS/subsystems/$NQN:live/namespaces/2" ]
	status 4 nvmetctl status
	contains "Could not be made"

	# Workers that have looked in vain are alive still, and look again.
	have_modules
	status 0 nvmetctl reconcile
	[ -d "$CFS/ports/3" ]
	[ "$(cat "$CFS/subsystems/$NQN:live/namespaces/2/enable")" = 1 ]
	[ -d "$TARGET/iscsi/$IQN:t1/tpgt_1" ]
	status 0 nvmetctl status
	io_end
	connections_undisturbed
}
