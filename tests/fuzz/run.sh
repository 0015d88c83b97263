#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh MINUTES [TARGET…]: ./dev fuzz; that many minutes for each target, all if none is named. What it learns is kept in
# build/fuzz/corpus. An input that makes a target fail is kept as build/fuzz/found/TARGET-…, and ends the run of that target; once it is
# fixed, the input belongs into tests/fuzz/seeds/TARGET under a name that says what it was, where ./dev check tries it for ever.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:?is where the targets were built}
seconds=$(($1 * 60))
shift
if [ $# -eq 0 ]; then
	for name in "$here"/fuzz-*.c; do
		name=${name##*/fuzz-}
		set -- "$@" "${name%.c}"
	done
fi

# What works on files makes them where that costs little.
[ ! -w /dev/shm ] || export TMPDIR=${TMPDIR:-/dev/shm}

failed=''
mkdir -p "$build/found"
for name; do
	corpus=$build/corpus/$name
	mkdir -p "$corpus"
	more=()
	[ "$name" != document ] || more=("$here/../samples" "$here/../samples/bad")
	log=$build/found/$name.log
	printf '%-10s ' "$name"
	if nice "$build/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/found/$name-" "$corpus" "$here/seeds/$name" "${more[@]}" >"$log" 2>&1; then
		awk '/stat::number_of_executed_units/ { n = $2 } /^#.* cov: / { cov = $4 } END { print n " inputs, coverage " cov }' "$log"
	else
		failed=yes
		echo "FAILED; the end of $log:"
		tail -n 25 "$log"
	fi
done
[ -z "$failed" ]
