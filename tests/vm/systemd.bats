#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The installed service, under systemd.
# machine: --systemd
load lib
load isolation

setup() {
	clean_slate
	ram_disks
	modprobe nvme-tcp
	systemctl is-active nvmetd.service || systemctl start nvmetd.service
}

teardown() {
	leave_clean
}

main_pid() {
	systemctl show -P MainPID nvmetd.service
}

@test "the unit is of type notify, enabled and active, and its status says which generation is in force" {
	[ "$(systemctl show -P Type nvmetd.service)" = notify ]
	systemctl is-enabled nvmetd.service
	systemctl is-active nvmetd.service
	status 0 systemctl show -P StatusText nvmetd.service
	contains "Generation"
	[ "$(readlink "/proc/$(main_pid)/exe")" = /usr/sbin/nvmetd ] || [ "$(readlink "/proc/$(main_pid)/exe")" = /usr/bin/nvmetd ]
}

@test "restart and stop of the service leave exports and the host's I/O alone; D-Bus activation starts it again" {
	local pid
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	connect "$NQN:s1"
	dump >"$W/before"
	io_begin "$(host_disk "$NQN:s1" 1)"
	connection_watch
	pid=$(main_pid)
	systemctl restart nvmetd.service
	[ "$(main_pid)" != "$pid" ]
	dump >"$W/after"
	same "$W/before" "$W/after"
	systemctl stop nvmetd.service
	dump >"$W/after"
	same "$W/before" "$W/after"
	run ! systemctl is-active nvmetd.service
	# Whoever asks gets an answer: the bus starts it.
	status 0 nvmetctl show
	contains "$NQN:s1"
	systemctl is-active nvmetd.service
	dump >"$W/after"
	same "$W/before" "$W/after"
	io_end
	connections_undisturbed
}

@test "killed, the service is started again by systemd, and nothing has changed" {
	local pid
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	dump >"$W/before"
	pid=$(main_pid)
	kill -KILL "$pid"
	until_equal active_again active_again "$pid"
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status --verify
}

# Makes and takes away one object after the other; a line for each that was made. What fails is somebody else's to judge.
load_with() {	# NAME
	local n
	for ((n = 1; ; n++)); do
		nvmetctl -q create "subsystems/$NQN:$1-$n" allow_any_host=true create "subsystems/$NQN:$1-$n/namespaces/1" backend="$1" || continue
		echo "$n"
		nvmetctl -q delete "subsystems/$NQN:$1-$n" --recursive || :
	done >"$W/made.$1" 2>"$W/complaints.$1"
}

@test "a bus that is restarted or dies under load takes nothing with it: the service is back and answers, jobs are done or taken back" {
	local loads=() name how pid made
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	nvmetctl -q create backends/a type=block device=/dev/ram1 create backends/b type=ramdisk size=4MiB
	connect "$NQN:s1"
	dump >"$W/before"
	nvmetctl show --json >"$W/document"
	io_begin "$(host_disk "$NQN:s1" 1)"
	connection_watch
	for name in a b; do
		load_with "$name" 3>&- &
		loads+=($!)
	done
	for how in restart "kill --signal=KILL" restart; do
		made=$(cat "$W"/made.* | wc -l)
		until_more_than "$made" eval 'cat "$W"/made.* | wc -l'
		pid=$(main_pid)
		systemctl $how dbus.service
		until_equal active_again active_again "$pid"
		status 0 nvmetctl show
	done
	made=$(cat "$W"/made.* | wc -l)
	until_more_than "$made" eval 'cat "$W"/made.* | wc -l'
	kill "${loads[@]}"
	wait "${loads[@]}" || :
	until_true no_job_runs
	# What a client had made and could not take away any more.
	for name in "$CFS/subsystems/$NQN":[ab]-*; do
		[ ! -d "$name" ] || status 0 nvmetctl delete "subsystems/${name##*/}" --recursive
	done
	status 0 nvmetctl status --verify
	dump >"$W/after"
	same "$W/before" "$W/after"
	nvmetctl show --json >"$W/document.after"
	same <(jq 'del(.generation)' "$W/document") <(jq 'del(.generation)' "$W/document.after")
	io_end
	connections_undisturbed
}

@test "restarted while a removal hangs, the service is there at once and knows what the old worker is in, which does nothing further; when the device is back, all is done" {
	echo 'stuck_seconds = 1;' >/etc/nvmetctl/nvmetd.conf
	systemctl restart nvmetd.service
	serve_slow
	hang_removal
	until_true stuck_says "/namespaces/1: remove"
	watch_worker
	systemctl restart nvmetd.service
	status 4 nvmetctl status
	stuck_says "^subsystems/$NQN:slow/namespaces/1: remove *rmdir .* nvmet_ns_disable *[0-9]* *$OLD"
	cycle_nvme
	worker_is_in nvmet_ns_disable
	resume_all
	until_true nothing_owed
	[ ! -e "$CFS/subsystems/$NQN:slow/namespaces/1" ]
	old_worker_ended
	rm /etc/nvmetctl/nvmetd.conf
	systemctl restart nvmetd.service
}

active_again() {	# PID it had
	[ "$(main_pid)" != "$1" ] && systemctl -q is-active nvmetd.service && echo active_again
}
