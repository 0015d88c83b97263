#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hours of everything at once, NVMETCTL_SOAK_MINUTES (60) of them in minutes, by soak.py, while two hosts write and verify on exports that
# nobody touches. NVMETCTL_SOAK_SEED repeats a run's choices, though not how they meet.
# machine: --kernel 6.12 --memory 2048
load ../vm/lib

IO=()

setup() {
	clean_slate
	daemon stop
	# Full soon, so that what grows beside it is seen.
	echo 'job_history = 10;' >/etc/nvmetctl/nvmetd.conf
	# Small, so that it can be filled.
	mount -t tmpfs -o size=2M,mode=700 tmpfs /var/lib/nvmetctl
	daemon start
	ram_disks
	modprobe dm-mod
	local n
	for n in 0 1 2; do
		dmsetup create "soak$n" --table "0 32768 linear /dev/ram$((n + 2)) 0"
		[ -b "/dev/dm-$n" ]
	done
	modprobe sd_mod
	modprobe scsi_debug dev_size_mb=8
	until_true scsi_debug_disk >/dev/null
	ln -s "$(scsi_debug_disk)" /dev/soak-disk
	ip link add d0 type dummy
	ip address add 192.0.2.1/24 dev d0
	ip link set d0 up
}

teardown() {
	[ ${#IO[@]} -eq 0 ] || kill -KILL "${IO[@]}" 2>/dev/null || :
	leave_clean
	dmsetup remove soak0 soak1 soak2
	rm /dev/soak-disk
	modprobe -r scsi_debug
	ip link del d0
	daemon stop
	umount /var/lib/nvmetctl
	rm /etc/nvmetctl/nvmetd.conf
	daemon start
}

scsi_debug_disk() {
	local disk model
	for disk in /sys/block/sd*; do
		if read -r model <"$disk/device/model" && [ "${model%% *}" = scsi_debug ] && [ -b "/dev/${disk##*/}" ]; then
			echo "/dev/${disk##*/}"
			return
		fi
	done
	return 1
}

# Writes and reads back for ever; what does not read as it was written ends it.
verified_io() {	# NAME DISK
	(
		cd "$W" && exec fio --name="$1" --filename="$2" --rw=randwrite --bs=4k --size=8M --direct=1 --ioengine=libaio --iodepth=2 \
			--verify=crc32c --verify_backlog=128 --verify_fatal=1 --time_based --runtime=86400 --rate_iops=10 >"$W/fio.$1" 2>&1 3>&-
	) &
	IO+=($!)
}

end_io() {
	local pid ended
	for pid in "${IO[@]}"; do
		kill -TERM "$pid"
		ended=0
		wait "$pid" || ended=$?
		[ "$ended" -eq 128 ] || break
	done
	IO=()
	for name in nvme iscsi; do
		if [ "$ended" -ne 128 ] || ! grep -q 'err= 0' "$W/fio.$name" || ! grep -q 'read: IOPS' "$W/fio.$name"; then
			cat "$W"/fio.* >&2
			return 1
		fi
	done
}

@test "whatever is done beside it, and whatever goes wrong: hosts read what they wrote, the kernel is as the model says, and the daemon does not grow" {
	local minutes=${NVMETCTL_SOAK_MINUTES:-60} seed=${NVMETCTL_SOAK_SEED:-$RANDOM} ended
	status 0 nvmetctl create backends/base0 type=block device=/dev/ram0 create backends/base1 type=block device=/dev/ram1 \
		create backends/disk type=block device=/dev/soak-disk create "hosts/$HOSTNQN" \
		create "subsystems/$NQN:base" "allowed_hosts=$HOSTNQN" create "subsystems/$NQN:base/namespaces/1" backend=base0 \
		create "subsystems/$NQN:base/namespaces/7" backend=disk \
		create ports/1 trtype=tcp traddr=127.0.0.1 "subsystems=$NQN:base" \
		create ports/2 trtype=tcp traddr=192.0.2.1 trsvcid=4421 "subsystems=$NQN:base" \
		create "targets/iscsi/$IQN:base" create "targets/iscsi/$IQN:base/tpgs/1" authentication=false \
		create "targets/iscsi/$IQN:base/tpgs/1/portals/$ISCSI_PORTAL" create "targets/iscsi/$IQN:base/tpgs/1/luns/0" backend=base1 \
		create "targets/iscsi/$IQN:base/tpgs/1/acls/$INITIATOR" create "targets/iscsi/$IQN:base/tpgs/1/acls/$INITIATOR/mapped_luns/0" lun=0
	connect "$NQN:base"
	iscsi_login "$IQN:base"
	verified_io nvme "$(host_disk "$NQN:base" 1)"
	verified_io iscsi "$(iscsi_disk "$IQN:base" 0)"
	connection_watch
	mkdir "$W/soak"
	# For whoever looks on, and for the log.
	echo "# $minutes minutes, seed $seed" >&3
	"$TOP/tests/long/soak.py" $((minutes * 60)) "$seed" "$W/soak" 2>&1 3>&- | tee "${NVMETCTL_SHARE:-$W}/soak.log"
	ended=${PIPESTATUS[0]}
	[ -z "${NVMETCTL_SHARE:-}" ] || cp /run/nvmetd.log "$NVMETCTL_SHARE/soak.nvmetd.log"
	[ "$ended" -eq 0 ]
	end_io
	[ -z "$(since_mark | grep -E 'BUG:|WARNING:|Oops|hung task|blocked for more than' | tee /dev/stderr)" ]
}
