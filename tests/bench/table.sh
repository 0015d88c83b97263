#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# table.sh [PART…]: inside the machine (./dev bench), nvmetctl against nvmetcli, targetctl and the floor: rows of the tables of
# docs/benchmarks.md. Parts: nvme iscsi both add unchanged memory curve expedite; all of them if none is said. And processor, in a
# machine whose clock counts instructions.
#
# A command is timed whole, from exec to exit, ROUNDS times, with nvmetd running; the kinds take turns, so that a slow moment of the host
# meets all of them. Each cell is the median of them, and the smallest and largest. The floor has the number of threads that was best when
# each was tried once, with or without rcu_expedited (e), and no program to start: it says itself how long its calls took.
set -euo pipefail

. "$(dirname "$0")/lib.bash"
rounds=${ROUNDS:-5}
floor=$TOP/build/release/tests/bench/floor
peers=$TOP/build/peers
made=/run/bench/made times=/run/bench/times
# Python would write into the tree, in which it cannot keep anything here.
export PYTHONDONTWRITEBYTECODE=1

nvmetctl_restore() { run nvmetctl restore "$made/$1/nvmetctl.json"; }
nvmetctl_clear() { run nvmetctl clear --disrupt --destroy; }
nvmetcli_restore() { run nvmetcli restore "$made/$1/nvmetcli.json"; }
nvmetcli_clear() { run nvmetcli clear; }
targetctl_restore() { run targetctl restore "$made/$1/targetctl.json"; }
# What targetctl clear does; that itself fails in rtslib 2.2.3, for it is called with an argument that it does not take.
targetctl_clear() { run python3 -c 'import rtslib_fb; rtslib_fb.RTSRoot().clear_existing(confirm=True)'; }

# note FILE COMMAND…: times it.
note() {
	local file=$times/$1 took start
	shift
	start=$(microseconds)
	"$@"
	took=$(($(microseconds) - start))
	echo "$took" >>"$file"
}

note_floor() {	# FILE OPTIONS LIST
	# shellcheck disable=SC2086
	"$floor" $2 "$3" >/run/bench.floor || exit 1
	cat /run/bench.floor >>"$times/$1"
}

configuration() {	# NAME SUBSYSTEMS NAMESPACES PORTS TARGETS
	"$TOP/tests/bench/configuration.py" "$made/$1" "${@:2}"
}

begin() {	# of a part: without old times, and without anything exported
	rm -rf $times
	mkdir -p $times $made
	[ -z "$(exported)" ] || nvmetctl_clear
	loaded=
}

milliseconds() {	# FILE: a cell
	local least median most
	read -r least median most < <(spread "$times/$1")
	[ "$(wc -l <"$times/$1")" -gt 1 ] && echo "$median ms ($least–$most)" || echo "$median ms"
}

ratio() {	# FILE FILE
	awk -v a="$(median "$times/$1")" -v b="$(median "$times/$2")" 'BEGIN { r = a / b; printf(r < 10 ? "%.2f" : "%.0f", r) }'
}

# How many threads are best for a list, and whether expedited: best_make and best_remove are options for the floor. From many to few, until
# fewer are clearly worse.
find_best() {	# NAME
	local threads least_make='' least_remove='' make remove expedited remove_now
	for threads in 64 32 16 8 4 2 1; do
		remove_now=
		for expedited in '' '-e '; do
			make=$("$floor" $threads "$made/$1/make")
			remove=$("$floor" $expedited$threads "$made/$1/remove")
			if [ "$make" -lt "${least_make:-$((make + 1))}" ]; then
				least_make=$make best_make=$threads
			fi
			if [ "$remove" -lt "${least_remove:-$((remove + 1))}" ]; then
				least_remove=$remove best_remove=$expedited$threads
			fi
			[ "$remove" -ge "${remove_now:-$((remove + 1))}" ] || remove_now=$remove
		done
		[ "$make" -le $((least_make * 3)) ] && [ "$remove_now" -le $((least_remove * 3)) ] || break
	done
}

race_row() {	# VERB WHAT PEER-GOAL THREADS FLOOR-GOAL
	echo "| $1 $2 | $(milliseconds "$1") | $(milliseconds "peer-$1") | $(ratio "peer-$1" "$1") | $3 |" \
		"$(milliseconds "floor-$1") | $4 | $(ratio "$1" "floor-$1") | $5 |"
}

race() {	# NAME PEER: runs it; best_make and best_remove are set
	local round
	find_best "$1"
	for ((round = 0; round < rounds; round++)); do
		note restore nvmetctl_restore "$1"
		note clear nvmetctl_clear
		note peer-restore "${2}_restore" "$1"
		note peer-clear "${2}_clear"
		# targetctl leaves the folder of the fabric.
		[ ! -d $TARGET/iscsi ] || rmdir $TARGET/iscsi
		note_floor floor-restore "$best_make" "$made/$1/make"
		note_floor floor-clear "$best_remove" "$made/$1/remove"
	done
	echo
	echo "| work | nvmetctl | $2 | $2 to nvmetctl | goal | floor | threads | nvmetctl to floor | goal |"
	echo "|---|---|---|---|---|---|---|---|---|"
}

part_nvme() {
	begin
	configuration nvme 200 4 4 0
	race nvme nvmetcli
	race_row restore "200 subsystems × 4 namespaces, 4 ports" "≥ 10" "$best_make" "≤ 2"
	race_row clear "of the same" "≥ 30" "$best_remove" "≤ 2"
}

part_iscsi() {
	begin
	configuration iscsi 0 0 0 200
	race iscsi targetctl
	race_row restore "200 iSCSI targets, a LUN and an ACL each" "≥ 50" "$best_make" "≤ 2"
	race_row clear "of the same" "≥ 10" "$best_remove" "≤ 1.5"
}

part_both() {
	local round name verb longer
	begin
	configuration nvme 200 4 4 0
	configuration iscsi 0 0 0 200
	configuration both 200 4 4 200
	for ((round = 0; round < rounds; round++)); do
		for name in nvme iscsi both; do
			note $name-restore nvmetctl_restore $name
			note $name-clear nvmetctl_clear
		done
	done
	echo
	echo "| nvmetctl | 200 × 4 alone | 200 targets alone | both at once | to the longer | goal |"
	echo "|---|---|---|---|---|---|"
	for verb in restore clear; do
		longer=nvme
		[ "$(median $times/iscsi-$verb)" -lt "$(median $times/nvme-$verb)" ] || longer=iscsi
		echo "| $verb | $(milliseconds nvme-$verb) | $(milliseconds iscsi-$verb) | $(milliseconds both-$verb) |" \
			"$(ratio both-$verb $longer-$verb) | ≤ 1.3 |"
	done
}

# 1,000 subsystems with 4 namespaces each, made by nvmetctl; the time of that is in $times/thousand.
thousand() {
	[ "${loaded:-}" != thousand ] || return 0
	configuration thousand 1000 4 1 0
	note thousand nvmetctl_restore thousand
	loaded=thousand
}

add_one() {	# FILE: the namespace's backend is there already, as nvmetcli needs none
	truncate -s 64K /run/bench/extra
	run nvmetctl create backends/extra type=file path=/run/bench/extra
	note "$1" run nvmetctl create "subsystems/$NQN:s0/namespaces/9" backend=extra
	run nvmetctl delete "subsystems/$NQN:s0/namespaces/9" --disrupt
	run nvmetctl delete backends/extra
}

part_add() {
	local round
	begin
	configuration one 1 1 1 0
	nvmetctl_restore one
	for ((round = 0; round < rounds; round++)); do
		add_one add-few
	done
	nvmetctl_clear
	thousand
	for ((round = 0; round < rounds; round++)); do
		add_one add-many
		note peer-add run nvmetcli "/subsystems/$NQN:s1/namespaces" create 9
		rmdir "$CFS/subsystems/$NQN:s1/namespaces/9"
	done
	echo
	echo "| add a namespace | nvmetctl, 1 × 1 there | nvmetctl, 1,000 × 4 there | many to few | goal | nvmetcli create, 1,000 × 4 there | nvmetctl to nvmetcli | goal |"
	echo "|---|---|---|---|---|---|---|---|"
	echo "| | $(milliseconds add-few) | $(milliseconds add-many) | $(ratio add-many add-few) | ≤ 3 | $(milliseconds peer-add) |" \
		"$(ratio add-many peer-add) | < 0.05 |"
}

part_unchanged() {
	local round
	[ "${loaded:-}" = thousand ] || begin
	thousand
	for ((round = 0; round < rounds; round++)); do
		note unchanged run nvmetctl apply "$made/thousand/nvmetctl.json"
	done
	echo
	echo "| 1,000 × 4 | restore | apply, unchanged | to the restore | goal | kernel writes | goal |"
	echo "|---|---|---|---|---|---|---|"
	echo "| | $(milliseconds thousand) | $(milliseconds unchanged) | $(ratio unchanged thousand) | < 0.05 |" \
		"$(kernel_writes nvmetctl apply "$made/thousand/nvmetctl.json" | wc -l) | 0 |"
}

curve() {	# N…
	local n round first='' grown
	begin
	echo
	echo "| N × 1 | restore | floor | to the floor | goal | clear | nvmetd's peak |"
	echo "|---|---|---|---|---|---|---|"
	for n; do
		rm -rf ${times:?}/* ${made:?}/*
		configuration n "$n" 1 1 0
		fresh_daemon
		# More threads than a few only get into each other's way when they make (DESIGN's and part nvme's measurement).
		for ((round = 0; round < rounds; round++)); do
			note restore nvmetctl_restore n
			[ $round -gt 0 ] || memory=$(peak_memory)
			note clear nvmetctl_clear
			note_floor floor 2 "$made/n/make"
			note_floor floor-clear 64 "$made/n/remove"
		done
		grown=$(ratio restore floor)
		echo "| $n | $(milliseconds restore) | $(milliseconds floor) | $grown | ${first:+≤ $first} | $(milliseconds clear) | $((memory / 1024)) MiB |"
		first=${first:-$grown}
	done
}

part_curve() {
	curve ${CURVE:-10 100 1000 10000}
}

part_memory() {
	begin
	configuration n 10000 1 1 0
	fresh_daemon
	note restore nvmetctl_restore n
	echo
	echo "| nvmetd's peak memory while 10,000 × 1 are restored | goal |"
	echo "|---|---|"
	echo "| $(awk -v k="$(peak_memory)" 'BEGIN { printf "%.1f", k / 1024 }') MiB | < 64 MiB |"
	nvmetctl_clear
}

# The setting alone: all else is the same, and the daemon a new one each time.
part_expedite() {
	local round setting
	begin
	configuration iscsi 0 0 0 200
	for ((round = 0; round < rounds; round++)); do
		for setting in off on; do
			[ $setting = on ] || echo 'expedite = 0;' >/etc/nvmetctl/nvmetd.conf
			fresh_daemon
			nvmetctl_restore iscsi
			note "$setting" nvmetctl_clear
			rm -f /etc/nvmetctl/nvmetd.conf
		done
	done
	fresh_daemon
	echo
	echo "| clear 200 iSCSI targets | expedite = 0 | by default | 0 to the default |"
	echo "|---|---|---|---|"
	echo "| | $(milliseconds off) | $(milliseconds on) | $(ratio off on) |"
}

# What processors did so far, in milliseconds: all of them, and nvmetd.
busy() { awk '/^cpu / { print 10 * ($2 + $3 + $4 + $7 + $8) }' /proc/stat; }
nvmetd_busy() { awk '{ print 10 * ($14 + $15) }' "/proc/$(</run/nvmetd.pid)/stat"; }

spend() {	# COMMAND…: sets spent, and of that by_nvmetd
	local all own
	all=$(busy) own=$(nvmetd_busy)
	"$@"
	spent=$(($(busy) - all)) by_nvmetd=$(($(nvmetd_busy) - own))
}

part_processor() {
	local round name peer what
	local -A ours own theirs
	begin
	configuration nvme 200 4 4 0
	configuration iscsi 0 0 0 200
	echo
	echo "| processor time of | nvmetctl, all of it | of that nvmetd | the other | the other to nvmetctl |"
	echo "|---|---|---|---|---|"
	for name in nvme iscsi; do
		peer=nvmetcli
		[ $name = nvme ] || peer=targetctl
		# In the first round programs and modules are loaded.
		for round in 1 2; do
			for what in restore clear; do
				spend "nvmetctl_$what" $name
				ours[$what]=$spent own[$what]=$by_nvmetd
			done
			for what in restore clear; do
				spend "${peer}_$what" $name
				theirs[$what]=$spent
			done
			[ ! -d $TARGET/iscsi ] || rmdir $TARGET/iscsi
		done
		for what in restore clear; do
			echo "| $name $what | ${ours[$what]} ms | ${own[$what]} ms | $peer ${theirs[$what]} ms |" \
				"$(awk -v a="${theirs[$what]}" -v b="${ours[$what]}" 'BEGIN { printf "%.2f |", a / b }')"
		done
	done
}

mkdir -p /run/bench
mount -t tmpfs -o size=75%,nr_inodes=0 bench /run/bench
[ ! -d "$peers/usr" ] || export PYTHONPATH=$peers/usr/lib/python3/dist-packages PATH=$peers/usr/bin:$PATH
modprobe -a nvmet nvmet-tcp target_core_mod target_core_file iscsi_target_mod
[ $# -gt 0 ] || set -- nvme iscsi both add unchanged memory curve expedite
for part; do
	case $part in
	nvme | iscsi | both | add | unchanged | memory | curve | expedite | processor) ;;
	*) echo "bench: no part $part" >&2; exit 2 ;;
	esac
done
echo "kernel $(uname -r), $(date -u +%F), $(nproc) processors, $rounds rounds; $(paste -s -d ',' "$peers/versions" | sed 's/,/, /g')"
for part; do
	"part_$part"
done
