#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What nvmetctl does, shown to a person: ./dev demo runs this in the test machine, ./dev demo --native on this one. It exports a disk and
# a file as target.json says, uses them as a host does, fails to apply broken.json while that host writes, and restores what was cleared.
#
# After $ stands a command that was run, indented what it printed, after ok what was then looked up: not in the words of nvmetctl, but at
# the host's disk, in the kernel's configuration, in the storage behind it. The first thing that is not so ends it.
set -euo pipefail

here=$(dirname "$0")
place=/var/lib/nvmetctl-demo	# named in the documents
nvmet=/sys/kernel/config/nvmet
database=nqn.2026-11.org.example:database
archive=nqn.2026-11.org.example:archive
port1='-t tcp -a 127.0.0.1 -s 4420'
port2='-t tcp -a 127.0.0.1 -s 4421'
host='--hostnqn=nqn.2026-11.org.example:host'
stranger='--hostnqn=nqn.2026-11.org.example:stranger'
work='' output='' status=0 checked=0 disk='' image='' fio=''

bold='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

die() {
	echo "${red}demo: $*$plain" >&2
	exit 1
}

title() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

run() {	# COMMAND-LINE: shown, run, and what it printed; that and its exit status are for the ok after it
	echo "  $bold\$ $1$plain"
	status=0
	output=$(eval "$1" 2>&1) || status=$?
	[ -z "$output" ] || sed 's/[[:space:]]*$//; s/^/    /' <<<"$output"
}

ok() {	# SENTENCE COMMAND…: what holds if the command succeeds
	local sentence=$1
	shift
	if ! "$@" >"$work/ok" 2>&1; then
		echo "  ${red}NO  $sentence$plain"
		cat "$work/ok" >&2
		die "this is not so: $sentence"
	fi
	echo "  ${green}ok${plain}  $sentence"
	checked=$((checked + 1))
}

ended() {	# STATUS [TEXT…]: so the last run ended, and each text is in what it printed
	local text
	[ "$status" -eq "$1" ] || { echo "exit status $status instead of $1"; return 1; }
	for text in "${@:2}"; do
		[[ $output == *"$text"* ]] || { echo "it did not print '$text'"; return 1; }
	done
}

silent() {
	ended 1 && [ -z "$output" ]
}

# All that the kernel exports: each folder, link and value.
kernel_config() {
	local file
	find "$nvmet" -type d -o -type l -printf '%p -> %l\n' | sort
	find "$nvmet" -type f -perm /u+r | sort | while read -r file; do
		echo "$file: $(<"$file")"
	done 2>&1
}

exports_nothing() {
	[ -z "$(find "$nvmet"/{subsystems,ports,hosts} -mindepth 1)" ]
}

disk_of() {	# NQN NSID: the host's disk; it appears a moment after the connect
	local path
	for _ in {1..300}; do
		for path in /sys/class/nvme-subsystem/*/nvme*n*; do
			if [ -e "$path/nsid" ] && [ "$(<"$path/nsid")" = "$2" ] && [ "$(<"$path/../subsysnqn")" = "$1" ] &&
				[ -b "/dev/${path##*/}" ]; then
				echo "/dev/${path##*/}"
				return
			fi
		done
		sleep 0.1
	done
	die "the host got no disk for namespace $2 of $1"
}

identity() {	# DISK: by what a host knows it again
	cat "/sys/block/${1#/dev/}"/{uuid,nguid}
}

content() {	# DISK
	dd if="$1" iflag=direct bs=1M count=8 status=none | sha256sum
}

write_and_verify=(fio --name=demo --direct=1 --ioengine=libaio --iodepth=4 --bs=64k --size=8M --rw=randwrite
	--verify=crc32c --verify_fatal=1 --do_verify=1)

completed() {	# DISK: how many reads and writes
	awk '{ print $1 + $5 }' "/sys/block/${1#/dev/}/stat"
}

goes_on() {	# DISK: more of them
	local before
	before=$(completed "$1")
	for _ in {1..300}; do
		[ "$(completed "$1")" -le "$before" ] || return 0
		sleep 0.1
	done
	return 1
}

end_fio() {	# which, ended by a signal, has 128 as its good status, and still says what went wrong before
	local status=0
	kill "$fio"
	wait "$fio" || status=$?
	cat "$work/fio"
	[ "$status" -eq 128 ] && grep -q 'err= 0' "$work/fio"
}

# The host's ends of its connections to port 1: one that was broken and made again has another number.
connections() {
	ss -tnH state established 'dport = :4420' | awk '{ print $3 }' | sort
}

connect() {	# PORT NQN
	run "nvme connect $1 -n $2 $host"
	ok "the host is connected" ended 0
}

set_up() {
	[ "$(id -u)" = 0 ] || die "it takes root"
	nvmetctl capabilities --json >/dev/null || die "nvmetd does not answer; start it"
	[ "$(nvmetctl show --json | jq '[.[] | objects | length] | add // 0')" = 0 ] ||
		die "nvmetd exports something here, and the demo ends with a clear; run it where nothing is lost"
	modprobe -a nvmet-tcp nvme-tcp
	exports_nothing || die "something is exported that is not nvmetd's; run it where nothing is in its way"
	mkdir "$place" || die "an earlier run was cut off; look into $place and remove it"
	trap clean_up EXIT
	work=$(mktemp -d)
	# nvmet takes the block size of a file from its inode, and those of overlayfs have none.
	[ "$(stat -f -c %T $place)" != overlayfs ] || mount -t tmpfs demo $place
	if [ -n "${NVMETCTL_DEMO_DISK:-}" ]; then
		ln -s "$NVMETCTL_DEMO_DISK" "$place/disk"
	else
		modprobe loop
		truncate -s 64M "$place/disk.raw"
		ln -s "$(losetup --find --show "$place/disk.raw")" "$place/disk"
	fi
}

clean_up() {
	local status=$? pid
	for pid in $(jobs -p); do
		kill "$pid" || :
	done
	nvme disconnect -n $database || :
	nvme disconnect -n $archive || :
	nvmetctl clear --disrupt || :
	[ ! -e "$place/disk.raw" ] || losetup -d "$(readlink "$place/disk")"
	umount $place || :
	rm -rf "$place" "$work"
	exit $status
} >/dev/null 2>&1

export_them() {
	title "One document becomes a target: a disk and a file, two subsystems, two TCP ports, one host that may connect"
	run "nvmetctl apply $here/target.json"
	ok "the kernel exports the disk as namespace 1 of the database" \
		grep -qx $place/disk $nvmet/subsystems/$database/namespaces/1/device_path
	ok "the file was made, with its 64 MiB, and is namespace 7 of the archive" \
		test "$(stat -c %s "$(<$nvmet/subsystems/$archive/namespaces/7/device_path)")" -eq $((64 << 20))
	run "nvmetctl show"
	ok "that is all of it, as a tree" ended 0 $database $archive 127.0.0.1:4420 127.0.0.1:4421
}

use_them() {
	title "A host finds and uses them, with nvme-cli and fio; another host finds nothing"
	run "nvme discover $port2 $host | grep subnqn"
	ok "the host discovers both subsystems" ended 0 $database $archive
	run "nvme discover $port2 $stranger | grep -F org.example"
	ok "a host that is not allowed discovers none" silent
	connect "$port1" $database
	connect "$port2" $archive
	disk=$(disk_of $database 1)
	image=$(disk_of $archive 7)
	run "nvme list | cut -c-22,45-65,107-"
	ok "the host has two new disks" ended 0 "$disk" "$image"
	ok "fio writes 8 MiB to $disk, reads them back and verifies each block" "${write_and_verify[@]}" --filename="$disk"
	ok "the disk behind it holds them, byte for byte" cmp -n $((8 << 20)) "$disk" $place/disk
	ok "fio does the same with $image" "${write_and_verify[@]}" --filename="$image"
	ok "the file behind it holds them, byte for byte" cmp -n $((8 << 20)) "$image" $place/image
}

fail_to_change() {
	title "A change with one broken item, while the host writes: all of it is taken back, and the host notices nothing"
	kernel_config >"$work/before"
	connections >"$work/connections"
	"${write_and_verify[@]}" --filename="$disk" --time_based --runtime=600 >"$work/fio" 2>&1 &
	fio=$!
	ok "fio writes to $disk and verifies, again and again" goes_on "$disk"
	run "nvmetctl apply --merge $here/broken.json"
	ok "port 3 has an address that this machine has not; with exit status 1 all was taken back" ended 1 ports/3 192.0.2.99
	ok "the kernel exports exactly what it did before" cmp "$work/before" <(kernel_config)
	ok "fio goes on" goes_on "$disk"
	ok "fio, told to end, has had no error" end_fio
	ok "the host kept its connections, it did not connect again" cmp "$work/connections" <(connections)
}

save_and_restore() {
	local identity content
	title "Saved, cleared, restored: the same disks with the same data"
	identity=$(identity "$disk"; identity "$image")
	content=$(content "$disk"; content "$image")
	run "nvmetctl save $place/saved.json"
	ok "the document has what makes the disks what they are: the disk's uuid" \
		test "$(jq -r .backends.disk.uuid $place/saved.json)" = "$(cat "/sys/block/${disk#/dev/}/uuid")"
	run "nvmetctl clear"
	ok "what would harm a connected host takes consent; without it nothing happens" ended 6 --disrupt
	ok "so the kernel still exports what it did" cmp "$work/before" <(kernel_config)
	run "nvme disconnect -n $database"
	run "nvme disconnect -n $archive"
	run "nvmetctl clear"
	ok "the kernel exports nothing any more" exports_nothing
	run "nvmetctl restore $place/saved.json"
	ok "the kernel exports exactly what it did before" cmp "$work/before" <(kernel_config)
	connect "$port1" $database
	connect "$port2" $archive
	disk=$(disk_of $database 1)
	image=$(disk_of $archive 7)
	ok "the host knows its disks again, by uuid and nguid" test "$identity" = "$(identity "$disk"; identity "$image")"
	ok "the data is still there, 8 MiB on each" test "$content" = "$(content "$disk"; content "$image")"
}

set_up
export_them
use_them
fail_to_change
save_and_restore
printf '\n%s\n' "${green}All of it is true:$plain $checked things looked up in $SECONDS s. The documents and this script are in $here."
