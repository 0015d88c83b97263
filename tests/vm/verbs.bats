#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The verbs of every day, with a real host at the other end: export and unexport, clear and restore, history and rollback.
load lib

setup() {
	clean_slate
	ram_disks
	modprobe nvme-tcp
}

teardown() {
	leave_clean
}

@test "export in one line, the printed nvme connect line as it stands, unexport: the kernel is as it was, the data stays" {
	local line disk
	dump >"$W/before"
	head -c 16M /dev/urandom >"$W/data"
	status 0 nvmetctl export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	line=$(grep '^nvme connect' <<<"$output")
	[ "$(wc -l <<<"$line")" = 1 ]
	bash -c "$line"
	disk=$(host_disk "$NQN:s1" 1)
	dd if="$W/data" of="$disk" bs=1M oflag=direct status=none
	status 6 nvmetctl unexport /dev/ram0
	contains "needs --disrupt"
	nvme disconnect -n "$NQN:s1" >/dev/null
	until_equal '' controllers
	status 0 nvmetctl unexport /dev/ram0
	dump >"$W/after"
	same "$W/before" "$W/after"
	cmp "$W/data" <(contents /dev/ram0)
}

controllers() {
	ls /sys/class/nvme
}

@test "export of a new file and of a second one into the same subsystem and port; unexport takes what nothing else uses" {
	status 0 nvmetctl export "$W/one" --size 16MiB --create --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --port "tcp:[::1]:4420" \
		--host "$HOSTNQN"
	[ "$(grep -c '^nvme connect' <<<"$output")" = 2 ]
	bash -c "$(grep '^nvme connect.*::1' <<<"$output")"
	host_disk "$NQN:s1" 1
	dump >"$W/before"
	connection_watch
	status 0 nvmetctl export "$W/two" --size 16MiB --create --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --nsid 7
	host_disk "$NQN:s1" 7
	status 0 nvmetctl unexport "$W/two" --disrupt
	connections_undisturbed
	dump >"$W/after"
	same "$W/before" "$W/after"
	[ -e "$W/two" ]
}

@test "clear keeps what was there: restore without a file brings it back, with the same identities" {
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --any-host
	dump >"$W/before"
	status 0 nvmetctl clear
	[ -z "$(exported)" ]
	status 0 nvmetctl restore
	dump >"$W/after"
	same "$W/before" "$W/after"
}

@test "history lists what save kept, rollback goes back to it, through restarts of nvmetd" {
	local first second
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --any-host
	first=$(nvmetctl save --name one --json | jq .generation)
	dump >"$W/one"
	nvmetctl -q export /dev/ram1 --nvme "$NQN:s2" --port tcp:127.0.0.1:4421 --any-host
	second=$(nvmetctl save --name two --json | jq .generation)
	dump >"$W/two"
	daemon stop
	daemon start
	status 0 nvmetctl history
	grep -qE "^$first .* one *$" <<<"$output"
	grep -qE "^$second .* two *$" <<<"$output"
	status 0 nvmetctl rollback "$first"
	dump >"$W/after"
	same "$W/one" "$W/after"
	status 0 nvmetctl rollback "$second"
	dump >"$W/after"
	same "$W/two" "$W/after"
	status 1 nvmetctl rollback 99999
	contains "generation 99999"
}

@test "a host that is taken from allowed_hosts stays connected, with a warning; with --revoke and consent it is gone" {
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	connect "$NQN:s1"
	host_disk "$NQN:s1" 1
	connection_watch
	status 0 nvmetctl set "subsystems/$NQN:s1" allowed_hosts=
	contains "warning"
	connections_undisturbed
	status 0 nvmetctl set "subsystems/$NQN:s1" "allowed_hosts=$HOSTNQN"
	status 6 nvmetctl set "subsystems/$NQN:s1" allowed_hosts= --revoke
	status 0 nvmetctl set "subsystems/$NQN:s1" allowed_hosts= --revoke --disrupt
	until_more_than 0 reconnects
}

reconnects() {
	since_mark | grep -cE 'nvme nvme[0-9]+: .*(econnect|error recovery|failed)'
}
