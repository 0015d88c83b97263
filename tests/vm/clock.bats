#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The time of day is set, forward and back, while the daemon works. The clock of the machine is right again after each test.
# machine: --kernel 6.12 --memory 1536
load lib

setup() {
	clean_slate
	set_clock_right
	printf 'generation_interval = 3;\n' >/etc/nvmetctl/nvmetd.conf
	daemon stop
	daemon start
}

teardown() {
	kill -CONT $(daemon_pids)
	set_clock_right
	leave_clean
	rm /etc/nvmetctl/nvmetd.conf
	daemon stop
	daemon start
}

# The clock of the machine beside that which nobody sets.
set_clock_right() {
	local uptime
	read -r uptime _ </proc/uptime
	: "${BOOTED:=$(($(date +%s) - ${uptime%.*}))}"
	date -s "@$((BOOTED + ${uptime%.*}))" >/dev/null
}

kept() {
	nvmetctl history --json | jq length
}

one_more_is_kept() {	# NUMBER: so many were there
	nvmetctl -q create "hosts/$NQN:h$SRANDOM"
	[ "$(kept)" -gt "$1" ]
}

@test "with the clock years back or ahead, generations are kept as before, in their order, and can be gone back to after a restart" {
	local year before first
	nvmetctl -q create "hosts/$NQN:first"
	nvmetctl save
	first=$(nvmetctl history --json | jq '.[0].generation')
	for year in 2016 2036 2025; do
		before=$(kept)
		date -s "$year-05-06 07:08:09" >/dev/null
		until_true one_more_is_kept "$before"
	done
	[ "$(nvmetctl history --json | jq 'map(.generation) == (map(.generation) | sort | reverse)')" = true ]
	nvmetctl show --json >"$W/before"
	date -s "2019-01-01 00:00:00" >/dev/null
	daemon kill || :
	daemon start
	nvmetctl show --json >"$W/after"
	same "$W/before" "$W/after"
	before=$(kept)
	# The newest is from the future now.
	until_true one_more_is_kept "$before"
	status 0 nvmetctl rollback "$first"
	[ "$(ls $CFS/hosts)" = "$NQN:first" ]
	status 0 nvmetctl status --verify
}

@test "a job during which the clock is set back for years goes on, and has ended after it began" {
	local workers
	nvmetctl -q create "hosts/$NQN:h1"
	# Nothing can be done meanwhile.
	workers=$(daemon_pids | grep -vx "$(</run/nvmetd.pid)")
	kill -STOP $workers
	nvmetctl create "hosts/$NQN:h2" --no-wait
	date -s "2036-01-01 00:00:00" >/dev/null
	nvmetctl create "hosts/$NQN:h3" --no-wait
	date -s "2016-01-01 00:00:00" >/dev/null
	status 0 nvmetctl jobs
	kill -CONT $workers
	until_true no_job_runs
	[ "$(nvmetctl jobs --json | jq 'all(.outcome == "done" and .ended >= .started and .ended - .started < 3600)')" = true ]
	[ -d "$CFS/hosts/$NQN:h2" ]
	[ -d "$CFS/hosts/$NQN:h3" ]
	status 0 nvmetctl status --verify
}
