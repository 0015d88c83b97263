#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# isolation.sh [CASE…]: inside the machine (./dev bench isolation), how long a life takes beside something that hangs: the table of
# docs/benchmarks.md. Cases: removal many open program; all of them if none is said.
#
# A cycle: a subsystem and an iSCSI target are made, linked to the port at which the hung ones are, found by a host that connects, written and
# read, unlinked and deleted, and show and status are asked. ROUNDS of them before something hangs, as many while it does. MANY: how many devices
# hang at once.
set -euo pipefail

. "$(dirname "$0")/lib.bash"
. "$TOP/tests/vm/isolation.bash"
rounds=${ROUNDS:-20}
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
	rm -f "$times/$1"
	for ((i = 0; i < rounds; i++)); do
		start=$(microseconds)
		cycle >/run/bench/out 2>&1 || { echo "bench: a cycle failed:" >&2; tail -n 5 /run/bench/out >&2; exit 1; }
		echo $(($(microseconds) - start)) >>"$times/$1"
	done
}

cell() {	# FILE
	local least median most
	read -r least median most < <(spread "$times/$1")
	echo "$median ms ($least–$most)"
}

row() {	# WHAT
	local without with
	without=$(median $times/without)
	with=$(median $times/with)
	echo "| $1 | $(stuck_calls) | $(cell without) | $(cell with) | $(awk -v a="$with" -v b="$without" 'BEGIN { printf "%.2f", a / b }') |" \
		"$(awk -v b="$without" 'BEGIN { printf "%.0f ms", (1.5 * b + 20000) / 1000 }') |"
}

beside() {	# WHAT COMMAND…: the command makes it hang, the cycles are beside it
	local what=$1
	shift
	measure without
	"$@" >/run/bench/out 2>&1
	until_more_than 0 stuck_calls
	measure with
	row "$what"
}

case_removal() {
	beside "a namespace's device, its removal under way" hang_removal
	dmsetup resume slow
}

case_many() {
	serve_many "$many" >/run/bench/out 2>&1
	beside "$many namespaces' devices, the removal of all under way" hang_many "$many"
	resume_all
}

case_open() {
	beside "the open of a backing file" hang_open
	dmsetup resume open
}

case_program() {
	beside "a program behind a user backend, the bridge to it being made" hang_program
	end_user_programs
	user_program test/silent
}

mkdir -p $times $W
ram_disks
serve_slow
measure warm
echo "| what hangs | calls that do not come back | a cycle without | with | ratio | allowed |"
echo "|---|---|---|---|---|---|"
[ $# -gt 0 ] || set -- removal many open program
for part; do
	"case_$part"
	until_true nothing_owed
done
