# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is done to others while something hangs, and the things that hang: for isolation*.bats, which see that it works, and for ./dev bench
# isolation, which measures how long it takes.

# setup and teardown of the tests. What hangs is to be noticed soon, and by nvmetd: the kernel need not warn of it.
isolation_begin() {
	clean_slate
	echo 0 >/proc/sys/kernel/hung_task_timeout_secs
	ram_disks
	settings 'stuck_seconds = 1;'
}

isolation_end() {
	resume_all
	! mountpoint -q "$W/disk" || umount "$W/disk" || :
	leave_clean
	dmsetup remove_all 2>/dev/null || :
	settings
	echo 120 >/proc/sys/kernel/hung_task_timeout_secs
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

workers_in() {	# FUNCTION: how many workers, an earlier daemon's as well, are in that one of the kernel's
	local pid
	for pid in $(daemon_pids); do
		cat "/proc/$pid/stack"
	done 2>/dev/null | grep -c "\<$1"
}

workers_held() {	# how many no signal would wake
	local pid
	for pid in $(daemon_pids); do
		cat "/proc/$pid/status"
	done 2>/dev/null | grep -c '^State:[[:space:]]*D'
}

worker_is_in() {	# FUNCTION
	[ "$(workers_in "$1")" -gt 0 ]
}

# What the cycles are beside: port 1, which the disk that will hang is served at as well, and a host that has it.
serve_slow() {
	status 0 nvmetctl create backends/slow type=block device="$(slow_disk slow /dev/ram0)" \
		create "subsystems/$NQN:slow" allow_any_host=true create "subsystems/$NQN:slow/namespaces/1" backend=slow \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:slow"
	connect "$NQN:slow" >&2
}

# The namespace's device hangs with a read of a host in flight, and its removal is under way.
hang_removal() {
	hanging_read "$(host_disk "$NQN:slow" 1)" slow
	status 0 nvmetctl delete "subsystems/$NQN:slow/namespaces/1" --disrupt --no-wait
	until_true worker_is_in nvmet_ns_disable
}

# As before hang_removal. A namespace that is made while its subsystem is served has a past (kernel-abi 2.5), by which its removal is owed.
mend_removal() {
	resume_all
	until_true nothing_owed
	nvme disconnect -n "$NQN:slow" >&2
	status 0 nvmetctl set ports/1 subsystems-="$NQN:slow" --disrupt
	status 0 nvmetctl create "subsystems/$NQN:slow/namespaces/1" backend=slow set ports/1 subsystems+="$NQN:slow"
	connect "$NQN:slow" >&2
}

# serve_many N: as many disks that will hang, each the namespace of a subsystem, and each with a host, which is patient: what gives up after 30 s, and
# comes again, keeps one of the 256 workers of the kernel's nvmet-wq each time, without which nobody can connect.
serve_many() {
	local i disks='' words=()
	MANY=$1
	for ((i = 0; i < MANY; i++)); do
		disks+="m$i,,,rw,0 64 linear /dev/ram2 $((i * 64));"
		words+=(create "backends/m$i" type=block device="/dev/mapper/m$i" create "subsystems/$NQN:m$i" allow_any_host=true
			create "subsystems/$NQN:m$i/namespaces/1" backend="m$i" set ports/1 "subsystems+=$NQN:m$i")
	done
	dmsetup create --concise "${disks%;}"
	dmsetup mknodes >/dev/null 2>&1 || :
	status 0 nvmetctl "${words[@]}"
	modprobe nvme-tcp
	connect_many
}

connect_many() {
	local i
	echo 3600 >/sys/module/nvme_core/parameters/io_timeout
	for ((i = 0; i < MANY; i++)); do
		echo "transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=$NQN:m$i,nr_io_queues=1,queue_size=16" >/dev/nvme-fabrics
	done
	echo 30 >/sys/module/nvme_core/parameters/io_timeout
}

# All of them hang, each with a read of its host in flight, and the removal of all is asked for at once, by one job.
hang_many() {
	local disk i words=()
	until_equal "$MANY" eval 'disks_of_many | wc -l'
	# shellcheck disable=SC2046
	dmsetup suspend --noflush --nolockfs $(many_names)
	for disk in $(disks_of_many); do
		dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct status=none 3>&- 4>&- &
	done
	until_equal "$MANY" reads_of_many
	for ((i = 0; i < MANY; i++)); do
		words+=(delete "subsystems/$NQN:m$i/namespaces/1")
	done
	status 0 nvmetctl "${words[@]}" --disrupt --no-wait
	until_equal "$MANY" removals_in_kernel
}

many_names() {
	local i
	for ((i = 0; i < MANY; i++)); do
		echo "m$i"
	done
}

mend_many() {
	local i controller nqn unlink=() words=()
	resume_all
	until_true nothing_owed
	for controller in /sys/class/nvme/nvme*; do
		read -r nqn <"$controller/subsysnqn"
		[[ $nqn != "$NQN":m* ]] || echo 1 >"$controller/delete_controller"
	done
	for ((i = 0; i < MANY; i++)); do
		unlink+=("subsystems-=$NQN:m$i")
		words+=(create "subsystems/$NQN:m$i/namespaces/1" backend="m$i" set ports/1 "subsystems+=$NQN:m$i")
	done
	status 0 nvmetctl set ports/1 "${unlink[@]}" --disrupt
	status 0 nvmetctl "${words[@]}"
	connect_many
}

disks_of_many() {	# as the host has them
	local disk nqn
	for disk in /sys/block/nvme*; do
		if read -r nqn <"$disk/device/subsysnqn" && [[ $nqn = "$NQN":m* ]] && [ -b "/dev/${disk##*/}" ]; then
			echo "${disk##*/}"
		fi
	done 2>/dev/null
}

reads_of_many() {
	local disk reads sum=0
	for disk in $(disks_of_many); do
		read -r reads _ <"/sys/block/$disk/inflight"
		sum=$((sum + reads))
	done
	echo "$sum"
}

stuck_calls() {	# how many status tells of
	nvmetctl status --json | jq '.stuck | length'
}

removals_in_kernel() {
	workers_in nvmet_ns_disable
}

# A file on a file system of its own, at $W/disk.
serve_file() {
	modprobe ext4
	mkfs.ext4 -q "$(slow_disk open /dev/ram3)"
	mkdir "$W/disk"
	mount "$(disk_of_file)" "$W/disk"
	truncate -s 4M "$W/disk/image"
}

disk_of_file() {
	echo "/dev/dm-$(dmsetup info -c --noheadings -o minor open)"
}

# The file system's device hangs, and nothing of the file is in memory: who opens it waits there.
hang_open() {
	umount "$W/disk"
	mount "$(disk_of_file)" "$W/disk"
	dmsetup suspend --noflush --nolockfs open
	status 0 nvmetctl create backends/open type=file path="$W/disk/image" create "subsystems/$NQN:open" \
		create "subsystems/$NQN:open/namespaces/1" backend=open --no-wait
	until_true worker_is_in ext4_
}

mend_open() {
	dmsetup resume open
	until_true no_job_runs
	status 0 nvmetctl delete "subsystems/$NQN:open" --recursive delete backends/open
}

# A program that takes commands and answers none, which may take any time: the bridge to its backend is being made.
hang_program() {
	user_program test/silent --silent
	status 0 nvmetctl create backends/silent type=user size=16MiB dev_config=test/silent cmd_time_out=0 \
		create "subsystems/$NQN:silent" create "subsystems/$NQN:silent/namespaces/1" backend=silent --no-wait
	until_true worker_is_in tcm_loop_port_link
}

# Another one takes its place, which answers.
mend_program() {
	end_user_programs
	user_program test/silent
	until_true no_job_runs
	[ "$(cat "$CFS/subsystems/$NQN:silent/namespaces/1/enable")" = 1 ]
	status 0 nvmetctl delete "subsystems/$NQN:silent" --recursive delete backends/silent
	end_user_programs
}

# The worker that is stuck, and what it does from now on.
watch_worker() {
	OLD=$(nvmetctl status --json | jq '.stuck[0].pid')
	strace -f -y -qqq -p "$OLD" -o "$W/old" 2>"$W/old.err" 3>&- 4>&- &
	TRACER=$!
	until_true traced -p "$OLD"
}

# It ended with the call that it was in, and made no other one.
old_worker_ended() {
	until_true [ ! -e "/proc/$OLD" ]
	end_trace
	[[ $(<"$W/old") = *"+++ killed by SIGKILL +++" ]]
	[ -z "$(configfs_calls "$W/old")" ]
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
	local names
	names=$([ ! -e /dev/mapper/control ] || dmsetup ls 2>/dev/null | sed -n 's/\t.*//p')
	# shellcheck disable=SC2086
	[ -z "$names" ] || dmsetup resume $names
}

# ---- a cycle ----

# Its subsystem is made, linked to port 1, used by a host that connects, unlinked and deleted.
cycle_nvme() {
	local disk
	status 0 nvmetctl create backends/cn type=block device=/dev/ram1 create "subsystems/$NQN:cycle" allow_any_host=true \
		create "subsystems/$NQN:cycle/namespaces/1" backend=cn
	status 0 nvmetctl set ports/1 subsystems+="$NQN:cycle"
	disk=$(disk_at "$(connect "$NQN:cycle")")
	write_and_compare "$disk"
	nvme disconnect -n "$NQN:cycle" >&2
	status 0 nvmetctl set ports/1 subsystems-="$NQN:cycle" --disrupt
	status 0 nvmetctl delete "subsystems/$NQN:cycle" --recursive delete backends/cn
	[ ! -e "$CFS/subsystems/$NQN:cycle" ]
}

disk_at() {	# CONTROLLER: its first disk, once it is there, however many others there are
	until_found find_disk_at "$1"
}

find_disk_at() {
	local of
	of=$(echo /sys/class/nvme-subsystem/*/"$1")
	first_disk "${of%/*}"/nvme*n1
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
