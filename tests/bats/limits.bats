# SPDX-License-Identifier: Apache-2.0
#
# Where the system has no more to give: room in each of the daemon's folders, one that can be written to at all, descriptors, processes. Whatever
# is asked meanwhile is done, or refused with what was lacking and where, and then nothing of it is left; what was told is so after a kill; and
# when the lack is over, the same daemon goes on. tests/unit/test-power-loss has each single write of the store, test-pool-death what a
# worker is without its file.

load lib

NQN=nqn.2026-11.org.example

setup() {
	make_work_dir
	mount -t tmpfs -o size=2M,mode=700 tmpfs "$T/lib" 2>/dev/null || skip "nothing can be mounted here"
	mount -t tmpfs -o size=512k,mode=700 tmpfs "$T/etc"
	mount -t tmpfs -o size=512k,mode=700 tmpfs "$T/run"
	start_bus
	start_kernel
	start_nvmetd
	ends 0 nvmetctl create "hosts/$NQN:first"
}

teardown() {
	local status=0

	[ -z "${TRACER:-}" ] || end_process "$TRACER" INT || true
	rm -f "$T"/*/filler
	stop_nvmetd || status=1
	stop_kernel || status=1
	stop_bus
	umount "$T"/{lib,etc,run} || true
	rm -rf "$T"
	return "$status"
}

# fill FOLDER PAGES: all of its room but so much.
fill() {
	! dd if=/dev/zero of="$1/filler" bs=4k status=none 2>/dev/null
	truncate -s "-$(($2 * 4096))" "$1/filler"
}

# many NAME: a change that takes some pages in the journal and in the ledger.
many() {
	local n

	for n in {1..60}; do
		printf 'create hosts/%s:%s-%0180d-%d ' $NQN "$1" 0 "$n"
	done
}

# Done, or refused for lack of room in that folder and without any effect; counts both.
done_or_refused() {	# FOLDER COMMAND…
	local folder=$1 got=0
	shift

	kernel dump >"$T/before"
	"$@" >"$T/out" 2>"$T/err" || got=$?
	if [ "$got" = 0 ]; then
		DONE=$((DONE + 1))
		return
	fi
	[ "$got" = 1 ]
	grep -q "$folder/.*: No space left on device" "$T/err"
	diff -u "$T/before" <(kernel dump)
	REFUSED=$((REFUSED + 1))
}

# The next daemon finds all as it is, with as little room.
same_after_kill() {
	kernel dump >"$T/before"
	kill_nvmetd
	start_nvmetd
	diff -u "$T/before" <(kernel dump)
}

@test "at whichever page the disk of the journal gets full: a change is done or refused, what was told is so after a kill, and then there is room" {
	local pages DONE=0 REFUSED=0

	for pages in 0 1 2 3 4 5 6 8; do
		fill "$T/lib" $pages
		done_or_refused "$T/lib" nvmetctl $(many "a$pages")
		done_or_refused "$T/lib" nvmetctl save
		same_after_kill
		rm "$T/lib/filler"
		ends 0 nvmetctl $(many "b$pages")
		ends 0 nvmetctl save
		ends 0 nvmetctl status
	done
	[ $DONE -gt 0 ]
	[ $REFUSED -gt 0 ]
}

@test "a journal that fills its disk is folded, which makes room; without room for that a change is refused, what was told is so after a kill, and with room on either disk all goes on" {
	local n DONE=0 REFUSED=0

	stop_nvmetd
	echo 'journal_fold_bytes = "256MiB";' >"$T/nvmetd.conf"
	mount -o remount,size=64k "$T/lib"
	fill "$T/etc" 0
	start_nvmetd
	until [ $REFUSED = 1 ]; do
		done_or_refused "$T/lib" nvmetctl $(many "a$DONE")
	done
	[ $DONE -gt 0 ]
	mount -o remount,size=96k "$T/lib"
	ends 0 nvmetctl $(many b)
	until [ $REFUSED = 2 ]; do
		done_or_refused "$T/lib" nvmetctl $(many "c$DONE")
	done
	same_after_kill
	done_or_refused "$T/lib" nvmetctl $(many e)
	[ $REFUSED = 3 ]
	rm "$T/etc/filler"
	# More than the disk of the journal holds.
	for n in {1..10}; do
		ends 0 nvmetctl $(many "d$n")
	done
	same_after_kill
	ends 0 nvmetctl status
}

@test "at whichever page the disk of the ledger gets full: the same, and nothing is begun that is not noted" {
	local pages DONE=0 REFUSED=0

	for pages in 0 1 2 3 4 5 6 8; do
		fill "$T/run" $pages
		done_or_refused "$T/run" nvmetctl $(many "a$pages")
		rm "$T/run/filler"
		same_after_kill
		ends 0 nvmetctl $(many "b$pages")
		ends 0 nvmetctl status
	done
	[ $DONE -gt 0 ]
	[ $REFUSED -gt 0 ]
}

@test "at whichever page the disk of the configuration gets full: secrets are stored or refused, and a stop without a snapshot loses nothing" {
	local pages DONE=0 REFUSED=0

	for pages in 0 1 2 4; do
		fill "$T/etc" $pages
		echo "{\"version\":1,\"hosts\":{\"$NQN:s$pages\":{\"dhchap_key\":\"DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:\"}}}" \
			>"$T/document.json"
		done_or_refused "$T/etc" nvmetctl apply --merge "$T/document.json"
		ends 0 nvmetctl $(many "a$pages")
		kernel dump >"$T/before"
		stop_nvmetd
		start_nvmetd
		diff -u "$T/before" <(kernel dump)
		rm "$T/etc/filler"
		ends 0 nvmetctl apply --merge "$T/document.json"
	done
	[ $DONE -gt 0 ]
	[ $REFUSED -gt 0 ]
}

@test "a daemon without room in the folder of the run says so, and goes on when there is some" {
	kernel dump >"$T/before"
	kill_nvmetd
	rm "$T"/run/workers/*
	fill "$T/run" 0
	start_nvmetd
	ends 1 nvmetctl create "hosts/$NQN:second"
	grep -q "$T/run/.*: No space left on device" "$T/err"
	diff -u "$T/before" <(kernel dump)
	rm "$T/run/filler"
	ends 0 nvmetctl create "hosts/$NQN:second"
	ends 0 nvmetctl status
}

# ---- nothing can be written to ----

@test "a read-only disk of the journal or the configuration: a change is refused, what is read is so, also after a kill; made writable, all goes on" {
	local folder

	for folder in lib etc; do
		mount -o remount,ro "$T/$folder"
		kernel dump >"$T/before"
		if [ $folder = lib ]; then
			ends 1 nvmetctl create "hosts/$NQN:in-$folder"
			grep -q "$T/lib/journal.* cannot be .*: Read-only file system" "$T/err"
		else
			ends 0 nvmetctl create "hosts/$NQN:in-$folder"
			kernel dump >"$T/before"
		fi
		kill_nvmetd
		start_nvmetd
		diff -u "$T/before" <(kernel dump)
		stop_nvmetd
		start_nvmetd
		diff -u "$T/before" <(kernel dump)
		mount -o remount,rw "$T/$folder"
		ends 0 nvmetctl create "hosts/$NQN:after-$folder"
		ends 0 nvmetctl status
	done
}

@test "a daemon that cannot write its ledger does not start, and says why" {
	kernel dump >"$T/before"
	kill_nvmetd
	# Its workers let go of their files when they have ended.
	until mount -o remount,ro "$T/run" 2>/dev/null; do
		sleep 0.05
	done
	! start_nvmetd
	wait "$NVMETD_PID" && false || [ $? = 1 ]
	grep -q "$T/run/ledger.*: Read-only file system" "$T/nvmetd.log"
	mount -o remount,rw "$T/run"
	start_nvmetd
	diff -u "$T/before" <(kernel dump)
}

# ---- no descriptors, no processes ----

# With so many descriptors, when it starts.
nvmetd() {
	exec prlimit "--nofile=${DESCRIPTORS:-1024}" -- "$BUILD_DIR/nvmetd" "$@"
}

fork_server() {
	tr -d ' ' <"/proc/$NVMETD_PID/task/$NVMETD_PID/children"
}

workers() {
	cat "/proc/$(fork_server)/task"/*/children
}

kill_workers() {
	local pid
	for pid in $(workers); do
		kill -KILL "$pid"
	done
}

# Each of these is done, or says what it lacks and has no effect.
descriptor_or_none() {	# COMMAND…
	local got=0

	kernel dump >"$T/before"
	timeout 60 "$@" >"$T/out" 2>"$T/err" </dev/null || got=$?
	[ $got != 0 ] || return 0
	[ $got = 1 ]
	grep -q 'Too many open files' "$T/err"
	diff -u "$T/before" <(kernel dump)
	REFUSED=$((REFUSED + 1))
}

@test "with whatever number of descriptors: a daemon starts and serves, or says what it lacks and ends or refuses" {
	local got served=0 REFUSED=0
	stop_nvmetd
	for DESCRIPTORS in {5..100}; do
		got=0
		: >"$T/nvmetd.log"
		begin_nvmetd
		await_nvmetd || got=$?
		if [ $got != 0 ]; then
			[ $got = 1 ]
			grep -q 'Too many open files' "$T/nvmetd.log"
			continue
		fi
		got=$REFUSED
		descriptor_or_none nvmetctl create "hosts/$NQN:with-$DESCRIPTORS"
		stop_nvmetd
		[ $got = $REFUSED ] || continue
		[ $((served++)) -lt 2 ] || break
	done
	[ $served -gt 0 ]
}

# The lowest number that is free.
next_descriptor() {	# PID
	local fd=0

	while [ -e "/proc/$1/fd/$fd" ]; do
		fd=$((fd + 1))
	done
	echo "$fd"
}

@test "without descriptors in the daemon, the fork server or the workers: what is asked is done or refused, and once there are some all goes on" {
	local who pid spare REFUSED=0 n=0

	echo "{\"version\":1,\"hosts\":{\"$NQN:merged\":{}}}" >"$T/document.json"
	for who in "$NVMETD_PID" "$(fork_server)" workers; do
		# The daemon leaves some free for what messages bring.
		for spare in $([ "$who" = "$NVMETD_PID" ] && echo {22..27} || echo {0..4}); do
			for pid in $([ $who = workers ] && workers || echo $who); do
				prlimit --pid "$pid" "--nofile=$(($(next_descriptor "$pid") + spare)):"
			done
			[ $who = workers ] || kill_workers
			descriptor_or_none nvmetctl create "hosts/$NQN:lacking-$((n++))"
			descriptor_or_none nvmetctl apply --merge "$T/document.json"
			descriptor_or_none nvmetctl status
			descriptor_or_none nvmetctl show --json
			for pid in $NVMETD_PID $(fork_server) $(workers); do
				prlimit --pid "$pid" --nofile=1024:
			done
			ends 0 nvmetctl apply --merge "$T/document.json"
			ends 0 nvmetctl delete "hosts/$NQN:merged"
			ends 0 nvmetctl create "hosts/$NQN:then-$n"
			ends 0 nvmetctl status
		done
	done
	[ $REFUSED -gt 0 ]
}

@test "when there is no room even for what a message brings, the daemon says why the bus is lost, and the next one has all" {
	echo '{"version":1}' >"$T/document.json"
	kernel dump >"$T/before"
	prlimit --pid "$NVMETD_PID" "--nofile=$(next_descriptor "$NVMETD_PID"):"
	ends 6 nvmetctl apply --merge "$T/document.json"
	wait "$NVMETD_PID" && false || [ $? = 1 ]
	grep -q 'the connection to the system bus has ended: .*descriptors for which there was no room; starting again is the only way$' "$T/nvmetd.log"
	start_nvmetd
	diff -u "$T/before" <(kernel dump)
	ends 0 nvmetctl apply --merge "$T/document.json"
}

@test "when no process can be made, a change is refused, and once one can all goes on" {
	strace -p "$(fork_server)" -e inject=clone,clone3,fork,vfork:error=EAGAIN -o "$T/strace" 2>"$T/strace.err" 3>&- &
	TRACER=$!
	until grep -qs attached "$T/strace.err"; do
		kill -0 "$TRACER"
		sleep 0.05
	done
	kill_workers
	kernel dump >"$T/before"
	ends 1 nvmetctl create "hosts/$NQN:second"
	grep -q "^nvmetctl: hosts/$NQN:second: .*no worker process can be made: Resource temporarily unavailable$" "$T/err"
	diff -u "$T/before" <(kernel dump)
	end_process "$TRACER" INT || true
	TRACER=
	ends 0 nvmetctl create "hosts/$NQN:second"
	ends 0 nvmetctl status
}
