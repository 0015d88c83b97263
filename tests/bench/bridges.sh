#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bridges.sh [N…]: inside the machine (./dev bench bridges), what it costs to reach backends by bridges: N ramdisks with a namespace each, as
# shared backends, beside the same ramdisks without namespaces; then fio on one block device, direct and shared. Prints the tables of
# docs/benchmarks.md.
#
# Memory is what the kernel says is left (MemAvailable), after caches were dropped. A bridge's own is the difference between with and without.
set -euo pipefail

nqn=nqn.2026-11.org.example:bench

document() {	# N NAMESPACES(1|0)
	awk -v n="$1" -v namespaces="$2" -v nqn=$nqn 'BEGIN {
		printf "{\"version\":1,\"backends\":{"
		for (i = 1; i <= n; i++)
			printf "%s\"r%d\":{\"type\":\"ramdisk\",\"size\":\"64KiB\"}", (i > 1 ? "," : ""), i
		printf "},\"subsystems\":{"
		for (i = 1; namespaces && i <= n; i++)
			printf "%s\"%s%d\":{\"allow_any_host\":true,\"namespaces\":{\"1\":{\"backend\":\"r%d\"}}}", (i > 1 ? "," : ""), nqn, i, i
		printf "}}\n"
	}'
}

available() {	# KiB
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/MemAvailable/ { print $2 }' /proc/meminfo
}

milliseconds() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

run() {	# COMMAND…: its milliseconds in took
	local start
	start=$(milliseconds)
	"$@" >/run/bench.out 2>&1 || { tail -n 5 /run/bench.out >&2; exit 1; }
	took=$(($(milliseconds) - start))
}

price() {	# N
	local before without with
	before=$(available)
	document "$1" 0 >/run/bench.json
	run nvmetctl apply /run/bench.json
	local made=$took
	without=$((before - $(available)))
	run nvmetctl clear --destroy
	before=$(available)
	document "$1" 1 >/run/bench.json
	run nvmetctl apply /run/bench.json
	local bridged=$took
	with=$((before - $(available)))
	run nvmetctl clear --destroy
	printf '%5d  without: made %d ms, %d KiB   with: made %d ms, %d KiB, cleared %d ms   a bridge: %d KiB, %d ms\n' "$1" "$made" "$without" \
		"$bridged" "$with" "$took" $(((with - without) / $1)) $(((bridged - made) / $1))
}

disk_of_host() {
	local disk
	for disk in /sys/block/nvme*n*; do
		[ -b "/dev/${disk##*/}" ] && [ "$(<"$disk/device/subsysnqn")" = $nqn ] && echo "/dev/${disk##*/}" && return
	done 2>/dev/null
}

throughput() {	# direct|shared
	local disk='' i
	run nvmetctl apply --disrupt /dev/stdin <<-END
		{ "version": 1, "backends": { "d": { "type": "block", "device": "/dev/ram0", "data_path": "$1" } },
		  "subsystems": { "$nqn": { "allow_any_host": true, "namespaces": { "1": { "backend": "d" } } } },
		  "ports": { "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$nqn" ] } } }
	END
	nvme connect -t tcp -a 127.0.0.1 -s 4420 -n $nqn >/dev/null 2>&1
	for ((i = 0; i < 100 && ${#disk} == 0; i++)); do
		disk=$(disk_of_host) || :
		sleep 0.1
	done
	for mode in randread:4k randwrite:4k read:128k write:128k; do
		fio --name=x --filename="$disk" --rw="${mode%:*}" --bs="${mode#*:}" --iodepth=16 --ioengine=libaio --direct=1 --runtime=10 \
			--time_based --output-format=terse 2>/dev/null |
			awk -F';' -v way="$1" -v mode="$mode" '{ printf "%-6s  %-13s %8d KiB/s\n", way, mode, $7 + $48 }'
	done
	nvme disconnect -n $nqn >/dev/null
	run nvmetctl clear --disrupt --destroy
}

[ $# -gt 0 ] || set -- 10 200 1000
modprobe nvme-tcp
modprobe brd rd_nr=1 rd_size=262144
echo "kernel $(uname -r), $(date -u +%F), $(nproc) processors"
# What is loaded for the first of them is nobody's price.
document 1 1 >/run/bench.json
run nvmetctl apply /run/bench.json
run nvmetctl clear --destroy
for n; do
	price "$n"
done
throughput direct
throughput shared
