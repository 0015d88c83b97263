#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The installed service, under systemd.
# machine: --systemd
load lib

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

active_again() {	# PID it had
	[ "$(main_pid)" != "$1" ] && systemctl -q is-active nvmetd.service && echo active_again
}
