# SPDX-License-Identifier: Apache-2.0
#
# Jobs on the bus while they run: that they can be cancelled, and how far they are. What hangs in the fake kernel keeps them there.

load lib

nqn=nqn.2026-11.org.example
change='a(ssa(sss))a{sv}'

setup() {
	LATER=()
	start_all
}

teardown() {
	kernel disarm
	kernel release all
	stop_all
}

# In the background; the report is in $T/NAME when it has come.
later() {	# NAME METHOD [SIGNATURE ARGUMENT…]
	local name=$1

	shift
	{ manager "$@" >"$T/$name.part" && mv "$T/$name.part" "$T/$name"; } 3>&- &
	LATER+=($!)
}

all_done() {
	wait "${LATER[@]}"
	LATER=()
}

outcome() {	# NAME of later
	field outcome <"$T/$1"
}

# The number of the one that runs.
running() {
	manager Jobs | python3 -c '
import json, sys
jobs = json.load(sys.stdin)
print(*(j["job"] for j in (jobs["jobs"] if isinstance(jobs, dict) else jobs) if j["state"] not in ("done", "failed")))'
}

@test "a job that is cancelled is rolled back" {
	local job

	kernel dump >"$T/before"
	kernel fault hang verb=m "path=nvmet/subsystems/$nqn:s"
	later create Change "$change" 2 create "subsystems/$nqn:s" 0 create "subsystems/$nqn:t" 0 0
	kernel wait hung 1
	job=$(running)
	busctl --timeout=60 call org.nvmetctl1 "/org/nvmetctl1/job/$job" org.nvmetctl1.Job Cancel
	kernel release all
	all_done
	cat "$T/create"
	[ "$(outcome create)" = failed ]
	grep -q cancelled "$T/create"
	kernel dump | diff "$T/before" -
	# It has ended.
	run busctl --timeout=60 call org.nvmetctl1 "/org/nvmetctl1/job/$job" org.nvmetctl1.Job Cancel
	[ "$status" = 1 ]
}

@test "a job says on the bus how far it is" {
	local watch job

	mkfifo "$T/watching"
	bus-client watch "/org/nvmetctl1 JobNew" "/org/nvmetctl1 JobRemoved" >"$T/watching" 3>&- &
	watch=$!
	exec 5<"$T/watching"
	read -r _ <&5
	kernel fault hang verb=m "path=nvmet/subsystems/$nqn:t"
	later create Change "$change" 2 create "subsystems/$nqn:s" 0 create "subsystems/$nqn:t" 0 0
	kernel wait hung 1
	job=$(running)
	[ "$(property "/org/nvmetctl1/job/$job" Job State)" = 's "running"' ]
	[ "$(property "/org/nvmetctl1/job/$job" Job StepsTotal)" = 't 2' ]
	# The other one may still be under way.
	until [ "$(property "/org/nvmetctl1/job/$job" Job StepsDone)" = 't 1' ]; do sleep 0.05; done
	[[ "$(property "/org/nvmetctl1/job/$job" Job Step)" == *"subsystems/$nqn:t"* ]]
	kernel release all
	all_done
	cat <&5 >"$T/signals"
	exec 5<&-
	wait "$watch"
	[ "$(property "/org/nvmetctl1/job/$job" Job StepsDone)" = 't 2' ]
	grep -q "^/org/nvmetctl1/job/$job PropertiesChanged" "$T/signals"
}
