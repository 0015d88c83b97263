#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What nvmetctl does, shown to a person: ./dev demo runs this in the test machine, ./dev demo --native on this one. It exports a disk and
# a file as target.json says, uses them as a host does, fails to apply broken.json while that host writes, and restores what was cleared;
# then it serves a ramdisk and a file to NVMe and iSCSI at once, as both.json says.
#
# After $ stands a command that was run, indented what it printed, after ok what was then looked up: not in the words of nvmetctl, but at
# the host's disk, in the kernel's configuration, in the storage behind it. The first thing that is not so ends it.
set -euo pipefail

here=$(dirname "$0")
place=/var/lib/nvmetctl-demo	# named in the documents
nvmet=/sys/kernel/config/nvmet
lio=/sys/kernel/config/target
database=nqn.2026-11.org.example:database
archive=nqn.2026-11.org.example:archive
both=nqn.2026-11.org.example:both
target=iqn.2026-11.org.example:both
port1='-t tcp -a 127.0.0.1 -s 4420'
port2='-t tcp -a 127.0.0.1 -s 4421'
port3='-t tcp -a 127.0.0.1 -s 4422'
node="-I nvmetctl-demo -T $target -p 127.0.0.1:3260"
host='--hostnqn=nqn.2026-11.org.example:host'
stranger='--hostnqn=nqn.2026-11.org.example:stranger'
work='' output='' status=0 checked=0 disk='' image='' fio='' iscsid=''

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
	[ -z "$(find "$nvmet"/{subsystems,ports,hosts} -mindepth 1)" ] && [ -z "$(find $lio/core/*_* $lio/*/*[:.]* -maxdepth 0 2>/dev/null)" ]
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
	nvme disconnect -n $both || :
	iscsiadm -m node $node -u || :
	iscsiadm -m node $node -o delete || :
	iscsiadm -m iface -I nvmetctl-demo -o delete || :
	[ -z "$iscsid" ] || iscsiadm -k 0 || :
	nvmetctl clear --disrupt --destroy || :
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

# The iSCSI host: an interface with an initiator name of its own leaves that of the machine alone.
iscsi_host() {
	modprobe -a iscsi_tcp sd_mod sg
	if ! pgrep -x iscsid >/dev/null; then
		mkdir -p /run/lock/iscsi
		iscsid
		iscsid=ours
	fi
	iscsiadm -m iface -I nvmetctl-demo -o new
	iscsiadm -m iface -I nvmetctl-demo -o update -n iface.initiatorname -v iqn.2026-11.org.example:demo
} >/dev/null

session() {	# of the iSCSI host with the target, in sysfs
	grep -lx $target /sys/class/iscsi_session/*/targetname | xargs -r dirname
}

lun_disk() {	# LUN: the host's disk; it appears a moment after the login
	local path
	for _ in {1..300}; do
		for path in "$(session)"/device/target*/*:"$1"/block/*; do
			if [ -b "/dev/${path##*/}" ]; then
				echo "/dev/${path##*/}"
				return
			fi
		done
		sleep 0.1
	done
	die "the iSCSI host got no disk for LUN $1"
}

# back DISK: the host has logged in again, by itself, and has heard from the disk what has happened since, which that says before it does anything.
back() {
	for _ in {1..600}; do
		if [ "$(<"$(session)/state")" = LOGGED_IN ] && sg_turs "$1" >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}

write_one() {	# TO: 8 MiB of noise, which stay in $work/noise
	head -c 8M /dev/urandom >"$work/noise"
	dd if="$work/noise" of="$1" bs=1M oflag=direct status=none
}

read_other() {	# FROM: it is the same noise
	cmp -n $((8 << 20)) "$work/noise" <(dd if="$1" bs=1M count=8 iflag=direct status=none)
}

serve_both() {
	local n scsi nvme what
	title "To both worlds at once: a ramdisk and a file, each an iSCSI LUN and an NVMe namespace"
	run "nvmetctl apply --merge $here/both.json"
	ok "all of it was made" ended 0
	run "nvmetctl show backends/memory"
	iscsi_host
	iscsiadm -m node $node -o new >/dev/null
	run "iscsiadm -m node $node --login"
	ok "the iSCSI host is logged in" ended 0
	connect "$port3" $both
	for n in 1 2; do
		[ $n = 1 ] && what="ramdisk" || what="file"
		scsi=$(lun_disk $n)
		nvme=$(disk_of $both $n)
		write_one "$scsi"
		ok "what the iSCSI host wrote to the $what, as $scsi, the NVMe host reads, as $nvme, byte for byte" read_other "$nvme"
		write_one "$nvme"
		ok "and the other way round" read_other "$scsi"
	done
}

reserve() {
	local scsi nvme
	title "A reservation of the iSCSI host keeps the NVMe host from writing, also after all was cleared and restored"
	scsi=$(lun_disk 2)
	nvme=$(disk_of $both 2)
	run "sg_persist -n --out --register --param-sark=0xabcd --param-aptpl $scsi"
	run "sg_persist -n --out --reserve --param-rk=0xabcd --prout-type=1 $scsi"
	ok "the iSCSI host has a Write Exclusive reservation of the file" ended 0
	run "dd if=/dev/zero of=$nvme bs=4k count=1 oflag=direct status=none"
	ok "the NVMe host cannot write" ended 1 "Input/output error"
	ok "and what it read before is there still" read_other "$nvme"
	run "nvmetctl save $place/saved.json"
	run "nvme disconnect -n $database; nvme disconnect -n $archive; nvme disconnect -n $both"
	run "nvmetctl clear --disrupt --destroy"
	ok "the kernel exports nothing any more, to neither world" exports_nothing
	run "nvmetctl restore $place/saved.json"
	ok "all is exported again" ended 0
	connect "$port3" $both
	ok "the iSCSI host has come back by itself" back "$scsi"
	nvme=$(disk_of $both 2)
	run "dd if=/dev/zero of=$nvme bs=4k count=1 oflag=direct status=none"
	ok "the NVMe host still cannot write" ended 1 "Input/output error"
	run "sg_persist -n --out --release --param-rk=0xabcd --prout-type=1 $scsi"
	ok "the iSCSI host, whose reservation it still is, releases it" ended 0
	write_one "$nvme"
	ok "now the NVMe host's writes go on, and the iSCSI host reads them" read_other "$scsi"
}

set_up
export_them
use_them
fail_to_change
save_and_restore
serve_both
reserve
printf '\n%s\n' "${green}All of it is true:$plain $checked things looked up in $SECONDS s. The documents and this script are in $here."
