#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# isolation.sh [CASE…]: inside the machine (./dev bench isolation), how long a life takes beside something that hangs: the table of
# docs/benchmarks.md. Cases: removal many open program; all of them if none is said.
#
# A cycle: a subsystem and an iSCSI target are made, linked to the port at which the hung ones are, found by a host that connects, written and
# read, unlinked and deleted, and show and status are asked. BLOCK of them before something hangs and as many while it does, then it is mended;
# again and again, until there are ROUNDS of each, so that what else the machine has to do hits both alike. MANY: how many devices hang at once.
set -euo pipefail

. "$(dirname "$0")/lib.bash"
. "$TOP/tests/vm/isolation.bash"
rounds=${ROUNDS:-20}
block=${BLOCK:-5}
many=${MANY:-200}
times=/run/bench/times

# As bats has it, on which the helpers of the tests are built.
# shellcheck disable=SC2034
run() {
	status=0
	output=$("$@" 2>&1) || status=$?
}

measure() {	# FILE
	local i start
	for ((i = 0; i < block; i++)); do
		start=$(microseconds)
		quietly cycle
		echo $(($(microseconds) - start)) >>"$times/$1"
	done
}

# What fails in it ends all, by errexit, which an || here would turn off.
quietly() {	# COMMAND…
	doing=$*
	"$@" >/run/bench/out 2>&1
	doing=
}

complain() {
	[ -z "${doing:-}" ] || { echo "bench: $doing failed:"; tail -n 5 /run/bench/out; } >&$stderr
}

cell() {	# FILE
	local least median most
	read -r least median most < <(spread "$times/$1")
	echo "$median ms ($least–$most)"
}

row() {	# WHAT CALLS
	local without with
	without=$(median $times/without)
	with=$(median $times/with)
	echo "| $1 | $2 | $(cell without) | $(cell with) | $(awk -v a="$with" -v b="$without" 'BEGIN { printf "%.2f", a / b }') |" \
		"$(awk -v b="$without" 'BEGIN { printf "%.0f ms", (1.5 * b + 20000) / 1000 }') |"
}

beside() {	# CALLS CASE WHAT: as many calls of hang_CASE do not come back
	local done_rounds
	rm -f $times/with $times/without
	for ((done_rounds = 0; done_rounds < rounds; done_rounds += block)); do
		measure without
		quietly "hang_$2"
		quietly until_equal "$1" stuck_calls
		measure with
		quietly until_equal "$1" stuck_calls
		quietly "mend_$2"
	done
	row "$3" "$1"
}

case_removal() {
	beside 1 removal "a namespace's device, its removal under way"
}

case_many() {
	quietly serve_many "$many"
	beside "$many" many "$many namespaces' devices, the removal of all under way"
}

case_open() {
	quietly serve_file
	beside 1 open "the open of a backing file"
}

case_program() {
	beside 1 program "a program behind a user backend, the bridge to it being made"
}

exec {stderr}>&2
trap complain EXIT
mkdir -p $times $W
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
ram_disks
settings 'stuck_seconds = 2;'
quietly serve_slow
measure warm
echo "| what hangs | calls that do not come back | a cycle without | with | ratio | allowed |"
echo "|---|---|---|---|---|---|"
[ $# -gt 0 ] || set -- removal many open program
for part; do
	"case_$part"
done
