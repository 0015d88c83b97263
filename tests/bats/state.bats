# SPDX-License-Identifier: Apache-2.0
#
# The daemon's own files when something is wrong with them while it runs.

load lib

setup() { start_all; }

teardown() {
	[ -z "${OLD_PID:-}" ] || kill -KILL "$OLD_PID" || true
	stop_all
}

hosts() {
	manager Status | python3 -c 'import json, sys; print(json.load(sys.stdin)["objects"]["hosts"])'
}

create_host() {
	manager Change 'a(ssa(sss))a{sv}' 1 create "hosts/nqn.2026-11.org.example:h$1" 0 0 | field outcome
}

@test "a snapshot that cannot be written is told, keeps nothing waiting, and costs nothing that was committed" {
	local i shouts

	printf 'journal_fold_bytes = 4096;\n' >"$T/nvmetd.conf"
	stop_nvmetd
	start_nvmetd
	# Nothing can be renamed over a folder that is not empty.
	rm -f "$T/etc/config.json"
	mkdir -p "$T/etc/config.json/in-the-way"
	for i in {1..60}; do
		[ "$(create_host "$i")" = done ]
	done
	[ "$(stat -c %s "$T/lib/journal")" -gt 4096 ]
	shouts=$(manager Status | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["shouts"]))')
	[ "$shouts" -ge 1 ]
	[ "$shouts" -lt 5 ]
	stop_nvmetd
	start_nvmetd
	[ "$(hosts)" = 60 ]
}

@test "a commit that cannot be written is taken back in the kernel, and the next one goes on" {
	[ "$(create_host 1)" = done ]
	mv "$T/lib/journal" "$T/lib/journal.kept"
	mkdir "$T/lib/journal"
	[ "$(create_host 2)" = failed ]
	kernel read nvmet/hosts/nqn.2026-11.org.example:h1/dhchap_hash
	run kernel list nvmet/hosts
	[[ "$output" == *":h1"* && "$output" != *":h2"* ]]
	rmdir "$T/lib/journal"
	mv "$T/lib/journal.kept" "$T/lib/journal"
	[ "$(create_host 3)" = done ]
	kill_nvmetd
	start_nvmetd
	[ "$(hosts)" = 2 ]
}

# In the place of an earlier daemon's worker that was killed in the middle of a call and that the kernel does not let go: its file, locked.
begin_old_worker() {
	mkfifo "$T/old"
	python3 -c '
import fcntl, os, struct, sys, time
with open("%s/workers/%d" % (sys.argv[1], os.getpid()), "wb") as page:
    fcntl.flock(page, fcntl.LOCK_EX)
    page.write(struct.pack("=IIQ512s1024s1024s?7x", 3, 0, 1, b"write the journal", b"", b"append", True))
    page.flush()
    open(sys.argv[2], "w").close()
    time.sleep(1000)' "$T/run" "$T/old" 3>&- &
	OLD_PID=$!
	read -r _ <"$T/old" || true
}

end_old_worker() {
	kill -KILL "$OLD_PID"
	wait "$OLD_PID" || true
	OLD_PID=
}

waits_for_old_worker() {
	until grep -q "worker $OLD_PID of an earlier nvmetd has not ended yet (write the journal)" "$T/nvmetd.log"; do
		kill -0 "$NVMETD_PID"
		kill -0 "$READY_PID"
		sleep 0.05
	done
}

@test "a start reads nothing before an old worker has ended that may still write, and then knows what that has written" {
	local size

	[ "$(create_host 1)" = done ]
	size=$(stat -c %s "$T/lib/journal")
	[ "$(create_host 2)" = done ]
	kill_nvmetd
	tail -c "+$((size + 1))" "$T/lib/journal" >"$T/line"
	truncate -s "$size" "$T/lib/journal"
	begin_old_worker
	begin_nvmetd
	waits_for_old_worker
	cat "$T/line" >>"$T/lib/journal"
	end_old_worker
	await_nvmetd
	[ "$(hosts)" = 2 ]
}

@test "a daemon that waits for an old worker can be stopped" {
	kill_nvmetd
	begin_old_worker
	begin_nvmetd
	waits_for_old_worker
	stop_nvmetd
	kill "$READY_PID"
	end_old_worker
	start_nvmetd
}
