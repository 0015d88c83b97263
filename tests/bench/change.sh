#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# change.sh [N…]: inside the machine (./dev bench change), what one change costs beside N subsystems with 4 namespaces each, all on one port; 10, 100
# and 1000 if not said. Prints the tables of docs/benchmarks.md.
#
# A command is timed whole, from exec to exit, ROUNDS times; the kinds take turns, so that a slow moment of the host meets all of them.
# "help" asks nobody: it is what starting a program costs. "ask" is a call that the daemon answers without looking at an object. Written is
# what strace sees nvmetd and its workers write into files, by folder; memory is the kernel's word about nvmetd's largest.
set -euo pipefail

. "$(dirname "$0")/lib.bash"
rounds=${ROUNDS:-9}
files=/run/bench
subsystem=subsystems/nqn.2026-11.org.example:s5
kinds=(help ask dry-run set show export unexport)

command_of() {	# KIND ROUND: the words in the array words
	case $1 in
	help) words=(help ana_grpid) ;;
	ask) words=(capabilities) ;;
	set) words=(set "$subsystem/namespaces/1" "ana_grpid=$((2 + $2))") ;;
	dry-run) words=(set "$subsystem/namespaces/1" "ana_grpid=$((2 + $2))" --dry-run) ;;
	show) words=(show "$subsystem") ;;
	export) words=(export "$files/extra" --size 64KiB --create --nvme nqn.2026-11.org.example:extra --port tcp:127.0.0.1 --any-host) ;;
	unexport) words=(unexport "$files/extra") ;;
	esac
}

document() {	# N
	awk -v n="$1" -v files="$files" 'BEGIN {
		printf "{\"version\":1,\"backends\":{"
		for (i = 0; i < n; i++)
			for (k = 1; k <= 4; k++)
				printf "%s\"b%d-%d\":{\"type\":\"file\",\"path\":\"%s/%d-%d\",\"size\":\"64KiB\",\"create\":true}", (i + k > 1 ? "," : ""), i, k, files, i, k
		printf "},\"subsystems\":{"
		for (i = 0; i < n; i++) {
			printf "%s\"nqn.2026-11.org.example:s%d\":{\"allow_any_host\":true,\"namespaces\":{", (i ? "," : ""), i
			for (k = 1; k <= 4; k++)
				printf "%s\"%d\":{\"backend\":\"b%d-%d\"}", (k > 1 ? "," : ""), k, i, k
			printf "}}"
		}
		printf "},\"ports\":{\"1\":{\"trtype\":\"tcp\",\"traddr\":\"127.0.0.1\",\"subsystems\":["
		for (i = 0; i < n; i++)
			printf "%s\"nqn.2026-11.org.example:s%d\"", (i ? "," : ""), i
		printf "]}}}\n"
	}'
}

# Bytes that one command has written, as "DISK LEDGER".
written() {	# COMMAND…
	trace -s 0 -e trace=write,writev,pwrite64,pwritev
	run "$@"
	end_trace
	awk '
		{ n = $NF }
		/<\/(etc\/nvmetctl|var\/lib\/nvmetctl)\// { disk += n }
		/<\/run\/nvmetd\// { ledger += n }
		END { print disk + 0, ledger + 0 }
	' "$W/trace"
}

measure() {	# N
	local n=$1 kind round words took times=/run/bench.times
	rm -rf $times
	mkdir $times
	document "$n" >/run/bench.json
	timed nvmetctl restore /run/bench.json
	echo "$took" >$times/restore
	for ((round = 0; round < rounds; round++)); do
		for kind in "${kinds[@]}"; do
			command_of "$kind" "$round"
			timed nvmetctl "${words[@]}"
			echo "$took" >>"$times/$kind"
		done
	done
	for kind in "${kinds[@]}"; do
		command_of "$kind" "$round"
		read -r least median most < <(spread "$times/$kind")
		printf '%5d  %-9s %6d  %6d – %d\n' "$n" "$kind" "$median" "$least" "$most"
	done
	for kind in set dry-run export; do
		command_of "$kind" "$round"
		read -r disk ledger < <(written nvmetctl "${words[@]}")
		printf '%5d  %-9s writes %d bytes to disk, %d to the ledger in memory\n' "$n" "$kind" "$disk" "$ledger"
	done
	timed nvmetctl clear --disrupt
	echo "$took" >$times/clear
	printf '%5d  restore %d ms, clear %d ms, nvmetd at most %d KiB\n' "$n" "$(($(<$times/restore) / 1000))" "$((took / 1000))" \
		"$(peak_memory)"
}

[ $# -gt 0 ] || set -- 10 100 1000
mkdir -p $files
mount -t tmpfs -o size=75% bench $files
echo "kernel $(uname -r), $(date -u +%F), $(nproc) processors, $rounds rounds"
echo "    N  command   median ms  range"
for n; do
	# Each in a daemon that has not seen the larger ones.
	fresh_daemon
	measure "$n"
done
