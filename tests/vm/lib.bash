# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for tests in the machine, where nvmetd runs over a real kernel. A test that changes something begins and ends with nothing
# exported: setup calls clean_slate, teardown leave_clean.
#
# Witnesses do not go by the daemon's word: dump reads configfs itself, kernel_writes listens to the system calls of the daemon and its
# workers, connection_watch counts what the kernel's log says of hosts.

bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
CFS=/sys/kernel/config/nvmet
NQN=nqn.2026-11.org.example
HOSTNQN=nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001
. "$TOP/tests/vm/scsi.bash"

# ---- the daemon ----

# Nothing that goes on after a test may hold the descriptors at whose end bats waits: 3, and in teardown 4 as well.
daemon() {	# start [OPTION…] | stop | kill
	"$TOP/tests/machine/daemon" "$@" 3>&- 4>&-
}

# status STATUS COMMAND…: runs it, as bats' run does, and fails with what it said if it ends otherwise. stderr is in $output too.
status() {
	local expected=$1
	shift
	run "$@"
	if [ "$status" -ne "$expected" ]; then
		printf '%s\nended with status %s, expected %s, and said:\n%s\n' "$*" "$status" "$expected" "$output" >&2
		return 1
	fi
}

contains() {	# TEXT…: each of them is in $output
	local text
	for text; do
		if [[ $output != *"$text"* ]]; then
			printf 'it says nothing of "%s":\n%s\n' "$text" "$output" >&2
			return 1
		fi
	done
}

nothing_in() {	# FILE: it is empty, or what is in it is shown
	[ ! -s "$1" ] || {
		cat "$1" >&2
		return 1
	}
}

# secret NAME: a file of that name with a key, as a configuration refers to it.
secret() {
	mkdir -p -m 700 /etc/nvmetctl/secrets
	(umask 077 && nvme gen-dhchap-key -n "$NQN:client" >"/etc/nvmetctl/secrets/$1")
}

lacks() {	# TEXT…: none of them is in $output
	local text
	for text; do
		if [[ $output == *"$text"* ]]; then
			printf 'it speaks of "%s":\n%s\n' "$text" "$output" >&2
			return 1
		fi
	done
}

# until_equal TEXT COMMAND…, until_more_than NUMBER COMMAND…: waits for what happens by itself and soon, and is not announced.
until_equal() {
	local expected=$1 end=$((SECONDS + 60)) found
	shift
	while [ $SECONDS -lt $end ]; do
		found=$("$@") || :
		[ "$found" != "$expected" ] || return 0
		sleep 0.1
	done
	echo "$* says \"$found\" still, not \"$expected\"" >&2
	return 1
}

until_more_than() {
	local least=$1 end=$((SECONDS + 60)) found
	shift
	while [ $SECONDS -lt $end ]; do
		found=$("$@") || :
		[ "${found:-0}" -le "$least" ] || return 0
		sleep 0.1
	done
	echo "$* says \"$found\" still" >&2
	return 1
}

until_true() {	# COMMAND…: the same of a command that succeeds
	local i
	for ((i = 0; i < 600; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "never became true: $*" >&2
	return 1
}

until_found() {	# COMMAND…: the same of one that says nothing as long as it finds nothing; prints what it says
	local i found
	for ((i = 0; i < 200; i++)); do
		found=$("$@") || :
		if [ -n "$found" ]; then
			echo "$found"
			return
		fi
		sleep 0.1
	done
	echo "found nothing: $*" >&2
	return 1
}

in_kernel() {	# PID FUNCTION: it sleeps there, and no signal wakes it
	grep -qs '^State:[[:space:]]*D' "/proc/$1/status" && grep -qs "$2" "/proc/$1/stack"
}

stuck_says() {	# TEXT: status names it among the calls that do not come back
	nvmetctl status | sed -n '/^Stuck in the kernel/,/^$/p' | grep -q "$1"
}

no_job_runs() {
	[ "$(nvmetctl jobs --json | jq '[.[] | select(.outcome == null)] | length')" = 0 ]
}

# write_fails ERRNO FILE VALUE
write_fails() {
	local name
	name=$(python3 - "$2" "$3" <<-'END'
		import errno, os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY)
		try:
		    os.write(fd, sys.argv[2].encode())
		except OSError as e:
		    print(errno.errorcode[e.errno])
	END
	)
	[ "$name" = "$1" ] || {
		echo "write of '$3' to $2: ${name:-success}, expected $1" >&2
		return 1
	}
}

# ---- clean before, clean after ----

clean_slate() {
	W=$(mktemp -d /tmp/test.XXXXXX)
	[ "$(exported)" = '' ] || {
		echo "something was left from before:" >&2
		exported >&2
		return 1
	}
}

exported() {	# objects and links in configfs, a line each
	[ ! -d $CFS ] || find $CFS/hosts $CFS/subsystems $CFS/ports -mindepth 1 -maxdepth 1
	exported_by_scsi
}

leave_clean() {
	[ -z "${IO_PID:-}" ] || kill -KILL "$IO_PID" 2>/dev/null || :
	nvme disconnect-all >/dev/null 2>&1 || :
	! pgrep -x iscsid >/dev/null || iscsi_logout >/dev/null 2>&1 || :
	if ! nvmetctl clear --disrupt --destroy >"$W/clear" 2>&1 || [ -n "$(exported)" ]; then
		cat "$W/clear" >&2
		exported >&2
		tail -n 20 /run/nvmetd.log >&2
		remove_all
		return 1
	fi
	rm -rf "$W"
}

# By hand, so that one test that failed does not fail the others.
remove_all() {
	rm -f $CFS/ports/*/subsystems/*
	rmdir $CFS/ports/*/referrals/* $CFS/ports/*/ana_groups/[2-9]* $CFS/ports/*/ana_groups/1?* $CFS/ports/* 2>/dev/null || :
	rm -f $CFS/subsystems/*/allowed_hosts/*
	rmdir $CFS/subsystems/*/namespaces/* $CFS/subsystems/* $CFS/hosts/* 2>/dev/null || :
	remove_all_scsi
}

# ---- devices ----

# /dev/ram0 to 7, of 16 MiB, with whatever is in them.
ram_disks() {
	[ -b /dev/ram0 ] || modprobe brd rd_nr=8 rd_size=16384
}

# What is on it, past the page cache: nvmet does not write through that of a block device.
contents() {	# DEVICE|FILE
	local direct=
	[ ! -b "$1" ] || direct=iflag=direct
	dd if="$1" bs=1M $direct status=none
}

# loop_disk FILE SIZE [OPTION…]: a loop device over a new file; prints it.
loop_disk() {
	local file=$1
	modprobe loop
	truncate -s "$2" "$file"
	shift 2
	losetup --find --show "$@" "$file"
}

# One partition from 1 MiB on, of 2 MiB.
partition() {	# DISK
	printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\20\0\0' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
	blockdev --rereadpt "$1"
}

# ---- witnesses ----

# What stands in nvmet's part of configfs, sorted: of each folder and link, and of each file its mode and what is in it; then what stands in
# target/, in the same way. It knows nothing of nvmetctl, and of the kernel only what cannot be read back; left out, by name:
#	revalidate_size	can only be written
dump() {
	(
		cd $CFS
		LC_ALL=C
		{
			find . -mindepth 1 -type d -printf '%P/\n' -o -type l -printf '%P -> %l\n' -o -type f -printf '%P (%m)\n'
			grep -r --exclude=revalidate_size '' .
		} | sort
	)
	dump_scsi
}

same() {	# FILE FILE: says what differs
	diff -u "$1" "$2" >&2
}

# The processes of the daemon: itself, the fork server, workers.
daemon_pids() {
	pgrep '^nvmetd'
}

# trace OPTION…: strace with these options looks at the daemon, its fork server and all workers until end_trace; $W/trace is its log.
trace() {
	local pid attach=()
	for pid in $(daemon_pids); do
		attach+=(-p "$pid")
	done
	rm -f "$W/trace"
	strace -f -y -qqq "$@" -o "$W/trace" "${attach[@]}" 2>"$W/trace.err" 3>&- &
	TRACER=$!
	until traced "${attach[@]}"; do
		if ! kill -0 "$TRACER"; then
			cat "$W/trace.err" >&2
			return 1
		fi
		sleep 0.05
	done
}

end_trace() {
	kill -INT "$TRACER" 2>/dev/null || :
	wait "$TRACER" || :
}

# kernel_writes COMMAND…: prints what nvmetd and its workers do to configfs meanwhile that could change it, a system call a line.
kernel_writes() {
	trace -e "trace=$CHANGING_CALLS"
	if ! "$@" >"$W/traced" 2>&1; then
		echo "$* failed:" >&2
		cat "$W/traced" >&2
		end_trace
		return 1
	fi
	end_trace
	configfs_calls "$W/trace"
}

# The same of a daemon from its first breath until it is ready.
kernel_writes_of_start() {
	local log=$W/trace real
	real=$(type -P nvmetd)
	rm -f "$log"
	mkdir -p "$W/bin"
	cat >"$W/bin/nvmetd" <<-END
		#!/bin/sh
		exec strace -I 2 -D -f -y -qq -e signal=none -e trace=$CHANGING_CALLS -o $log $real "\$@"
	END
	chmod +x "$W/bin/nvmetd"
	PATH=$W/bin:$PATH daemon start
	# So somebody was listening.
	grep -q mkdir "$log"
	configfs_calls "$log"
	# Who comes next with a tracer of its own finds nobody there.
	kill -INT "$(tracer_of_daemon)"
	until_equal 0 tracer_of_daemon
}

tracer_of_daemon() {
	awk '/^TracerPid:/ { print $2 }' "/proc/$(</run/nvmetd.pid)/status"
}

CHANGING_CALLS=write,writev,pwrite64,pwritev,pwritev2,sendfile,splice,copy_file_range,ftruncate,truncate
CHANGING_CALLS+=,mkdir,mkdirat,rmdir,unlink,unlinkat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,chmod,fchmod,fchmodat
CHANGING_CALLS+=,chown,fchown,fchownat

configfs_calls() {	# FILE of strace
	grep -F -e /sys/kernel/config "$1" || :
}

traced() {	# -p PID…: all of them are, but for workers that had nothing to do and ended
	local pid line found
	for pid; do
		[ "$pid" != -p ] && [ -e "/proc/$pid" ] || continue
		found=
		while read -r line; do
			case $line in TracerPid:*[1-9]*) found=yes; break ;; esac
		done <"/proc/$pid/status"
		[ -n "$found" ] || return 1
	done
}

# connection_watch: notes how far the kernel's log is. connections_undisturbed: nothing since then about a connection that was lost,
# made again, or an I/O that failed. A disk that was taken away on purpose may be named: the host may still be reading its partitions.
connection_watch() {
	echo "test: mark $BATS_TEST_NUMBER.$SRANDOM" | tee /dev/kmsg >"$W/mark"
}

since_mark() {
	dmesg | sed "1,/$(cat "$W/mark")/d"
}

connections_undisturbed() {	# [DISK]
	if since_mark | grep -v "I/O error on dev ${1-no disk}," | grep -E '[Rr]econnect|error recovery|nvme nvme[0-9]+: .*timeout|Removing ctrl|failed to connect|keep-alive|I/O error|creating nvm controller' >&2; then
		return 1
	fi
}

# ---- the host ----

# connect NQN [OPTION…]: over TCP to 127.0.0.1:4420 unless the options say otherwise; prints the name of the controller.
connect() {
	local nqn=$1 before now
	shift
	modprobe nvme-tcp
	before=" $(echo /sys/class/nvme/nvme*) "
	nvme connect -t tcp -a 127.0.0.1 -s 4420 -n "$nqn" "$@" >&2 || return
	for now in /sys/class/nvme/nvme*; do
		case $before in *" $now "*) ;; *) echo "${now##*/}" ;; esac
	done
}

# host_disk NQN NSID: the host's block device of a namespace, once it is there.
host_disk() {
	until_found find_host_disk "$1" "$2"
}

first_disk() {	# /sys/…/DISK…: the first of them that has a block device, which it prints
	local disk
	for disk; do
		if [ -b "/dev/${disk##*/}" ]; then
			echo "/dev/${disk##*/}"
			return
		fi
	done
}

find_host_disk() {
	local disk nsid nqn
	for disk in /sys/block/nvme*; do
		if [ -e "$disk/nsid" ] && read -r nsid <"$disk/nsid" && [ "$nsid" = "$2" ] &&
			read -r nqn <"$disk/device/subsysnqn" && [ "$nqn" = "$1" ] && [ -b "/dev/${disk##*/}" ]; then
			echo "/dev/${disk##*/}"
			return
		fi
	done 2>/dev/null
}

# io_begin DISK…: fio reads and writes there until io_end, which fails if any of it failed. The disks hold rubbish afterwards.
io_begin() {
	local disks
	disks=$(IFS=:; echo "$*")
	(
		cd "$W" && exec fio --name=io --filename="$disks" --rw=randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
			--time_based --runtime=3600 --exec_prerun="touch $W/io.running" >"$W/fio" 2>&1 3>&-
	) &
	IO_PID=$!
	until [ -e "$W/io.running" ]; do
		if ! kill -0 "$IO_PID"; then
			cat "$W/fio" >&2
			return 1
		fi
		sleep 0.1
	done
	rm "$W/io.running"
}

io_end() {
	local ended=0
	kill -TERM "$IO_PID"
	wait "$IO_PID" || ended=$?
	IO_PID=
	# 128: it was interrupted, which is how it is meant to end.
	if [ "$ended" -ne 128 ] || ! grep -q 'err= 0' "$W/fio" || ! grep -q 'write: IOPS' "$W/fio"; then
		echo "fio ended with $ended:" >&2
		cat "$W/fio" >&2
		return 1
	fi
}
