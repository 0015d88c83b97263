# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is done to others while something hangs, and the things that hang: for isolation*.bats, which see that it works, and for ./dev bench
# isolation, which measures how long it takes.

# setup and teardown of the tests. What hangs is to be noticed soon.
isolation_begin() {
	clean_slate
	ram_disks
	settings 'stuck_seconds = 1;'
}

isolation_end() {
	resume_all
	! mountpoint -q "$W/disk" || umount "$W/disk" || :
	leave_clean
	dmsetup remove_all 2>/dev/null || :
	settings
}

# slow_disk NAME DEVICE [SECTOR SECTORS]: a device whose I/O can be made to stand still; prints it.
slow_disk() {
	dmsetup create "$1" --table "0 ${4:-$(blockdev --getsz "$2")} linear $2 ${3:-0}" >&2
	dmsetup mknodes >/dev/null 2>&1 || :
	echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"
}

in_flight() {	# HOSTDISK
	local reads
	read -r reads _ <"/sys/block/${1##*/}/inflight"
	[ "$reads" -gt 0 ]
}

# hanging_read HOSTDISK NAME: a read of the host that is now with the target's device, which stands still.
hanging_read() {
	dmsetup suspend --noflush --nolockfs "$2"
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none 3>&- 4>&- &
	# shellcheck disable=SC2034
	READER=$!
	until_true in_flight "$1"
}

kernel_is_in() {	# FUNCTION: some process
	cat /proc/[0-9]*/stack 2>/dev/null | grep -q "$1"
}

# What the cycles are beside: port 1, which the disk that will hang is served at as well.
serve_slow() {
	status 0 nvmetctl create backends/slow type=block device="$(slow_disk slow /dev/ram0)" \
		create "subsystems/$NQN:slow" allow_any_host=true create "subsystems/$NQN:slow/namespaces/1" backend=slow \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:slow"
}

# The namespace's device hangs with a read of a host in flight, and its removal is under way.
hang_removal() {
	connect "$NQN:slow" >&2
	hanging_read "$(host_disk "$NQN:slow" 1)" slow
	status 0 nvmetctl delete "subsystems/$NQN:slow/namespaces/1" --disrupt --no-wait
	until_true kernel_is_in nvmet_ns_disable
}

# serve_many N: as many disks that will hang, each the namespace of a subsystem, and each with a host.
serve_many() {
	local i words=()
	for ((i = 0; i < $1; i++)); do
		words+=(create "backends/m$i" type=block device="$(slow_disk "m$i" /dev/ram2 $((i * 64)) 64)"
			create "subsystems/$NQN:m$i" allow_any_host=true create "subsystems/$NQN:m$i/namespaces/1" backend="m$i"
			set ports/1 subsystems+="$NQN:m$i")
	done
	status 0 nvmetctl "${words[@]}"
	for ((i = 0; i < $1; i++)); do
		connect "$NQN:m$i" --nr-io-queues=1 >&2
	done
}

# hang_many N: all of them hang, and the removal of all is asked for at once, by one job.
hang_many() {
	local i words=()
	for ((i = 0; i < $1; i++)); do
		hanging_read "$(host_disk "$NQN:m$i" 1)" "m$i"
		words+=(delete "subsystems/$NQN:m$i/namespaces/1")
	done
	status 0 nvmetctl "${words[@]}" --disrupt --no-wait
}

stuck_calls() {	# how many status tells of
	nvmetctl status --json | jq '.stuck | length'
}

removals_in_kernel() {
	cat /proc/[0-9]*/stack 2>/dev/null | grep -c nvmet_ns_disable
}

# A file on a file system whose device hangs, and of which nothing is in memory: who opens the file waits there.
hang_open() {
	modprobe ext4
	mkfs.ext4 -q "$(slow_disk open /dev/ram3)"
	mkdir "$W/disk"
	mount "/dev/dm-$(dmsetup info -c --noheadings -o minor open)" "$W/disk"
	truncate -s 4M "$W/disk/image"
	umount "$W/disk"
	mount "/dev/dm-$(dmsetup info -c --noheadings -o minor open)" "$W/disk"
	dmsetup suspend --noflush --nolockfs open
	status 0 nvmetctl create backends/open type=file path="$W/disk/image" create "subsystems/$NQN:open" \
		create "subsystems/$NQN:open/namespaces/1" backend=open --no-wait
}

# A program that takes commands and answers none, which may take any time: the bridge to its backend is being made.
hang_program() {
	user_program test/silent --silent
	status 0 nvmetctl create backends/silent type=user size=16MiB dev_config=test/silent cmd_time_out=0 \
		create "subsystems/$NQN:silent" create "subsystems/$NQN:silent/namespaces/1" backend=silent --no-wait
	until_true kernel_is_in tcm_loop_port_link
}

running_job() {
	nvmetctl jobs --json | jq -r '[.[] | select(.outcome == null)] | first | .job'
}

nothing_owed() {	# nor stuck, and no job runs
	[ "$(nvmetctl status --json | jq -c '[.jobs, .stuck, .debts, .failed] | map(length)')" = '[0,0,0,0]' ]
}

# settings [LINE…]: the daemon's, which is started anew for that.
settings() {
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@" >/etc/nvmetctl/nvmetd.conf
	else
		rm -f /etc/nvmetctl/nvmetd.conf
	fi
	daemon stop
	daemon start
}

resume_all() {
	[ ! -e /dev/mapper/control ] || dmsetup ls 2>/dev/null | while read -r name _; do
		[ "$name" = No ] || dmsetup resume "$name"
	done
}

# ---- a cycle ----

# Its subsystem is made, linked to port 1, used by a host that connects, unlinked and deleted.
cycle_nvme() {
	local disk
	status 0 nvmetctl create backends/cn type=block device=/dev/ram1 create "subsystems/$NQN:cycle" allow_any_host=true \
		create "subsystems/$NQN:cycle/namespaces/1" backend=cn
	status 0 nvmetctl set ports/1 subsystems+="$NQN:cycle"
	connect "$NQN:cycle" >&2
	disk=$(host_disk "$NQN:cycle" 1)
	write_and_compare "$disk"
	nvme disconnect -n "$NQN:cycle" >&2
	status 0 nvmetctl set ports/1 subsystems-="$NQN:cycle" --disrupt
	status 0 nvmetctl delete "subsystems/$NQN:cycle" --recursive delete backends/cn
	[ ! -e "$CFS/subsystems/$NQN:cycle" ]
}

cycle_iscsi() {
	status 0 nvmetctl create backends/ci type=ramdisk size=1MiB \
		create targets/iscsi/$IQN:cycle create targets/iscsi/$IQN:cycle/tpgs/1 authentication=false generate_node_acls=true \
		demo_mode_write_protect=false create targets/iscsi/$IQN:cycle/tpgs/1/luns/0 backend=ci \
		create "targets/iscsi/$IQN:cycle/tpgs/1/portals/$ISCSI_PORTAL"
	iscsi_login $IQN:cycle >&2
	write_and_compare "$(iscsi_disk $IQN:cycle 0)"
	iscsi_logout $IQN:cycle >&2
	status 0 nvmetctl delete targets/iscsi/$IQN:cycle delete backends/ci --recursive --disrupt --destroy
	[ ! -e "$TARGET/iscsi/$IQN:cycle" ]
}

write_and_compare() {	# DISK
	head -c 64K /dev/urandom >"$W/data"
	dd if="$W/data" of="$1" bs=64K oflag=direct status=none
	cmp "$W/data" <(dd if="$1" bs=64K count=1 iflag=direct status=none)
}

look() {
	status 0 nvmetctl show ports/1
	contains "$NQN:slow"
	run nvmetctl status
	[ "$status" -eq 0 ] || [ "$status" -eq 4 ]
}

cycle() {
	cycle_nvme
	cycle_iscsi
	look
}
