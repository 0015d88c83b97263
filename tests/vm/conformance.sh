#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# conformance.sh [--record nvmet|target]: that the machine's kernel does what tests/conformance expects of its release, in TAP, a plan for each
# of its targets; or writes down what it does, to be expected from now on.
#
# machine: --kernel 6.12 --bare --cpus 2
# long machine: --kernel 6.1 --bare --cpus 2
# long machine: --kernel 7 --bare --cpus 2
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top/tests/conformance"

release=$(uname -r)
case $release in
6.1.*) expected=6.1 ;;
6.12.*) expected=6.12 ;;
7.*) expected=7 ;;
*)
	echo "Bail out! nothing is expected of $release"
	exit 1
	;;
esac

dir=/run/conformance
mkdir -p $dir/direct $dir/ram /var/target
modprobe -a nvme-tcp nvmet loop dummy sd_mod
ip link add conformance type dummy
ip addr add 192.0.2.1/32 dev conformance
ip link set conformance up
truncate -s 64M $dir/1 $dir/2 $dir/3 $dir/4
disk=$(losetup -f --show $dir/1)
disk_two=$(losetup -f --show $dir/2)
read_only=$(losetup -r -f --show $dir/3)
mounted=$(losetup -f --show $dir/4)
mkfs.ext4 -q -b 4096 "$mounted"
mount "$mounted" $dir/direct
mount -t ramfs none $dir/ram
truncate -s 1M $dir/direct/file $dir/ram/file

status=0
play() {	# nvmet|target [EXPECTED]
	"$top/build/release/tests/conformance/conformance" --root "$1" --set DISK="$disk" --set DISK_TWO="$disk_two" --set READ_ONLY="$read_only" \
		--set MOUNTED="$mounted" --set CONTROLLER=/dev/nvme0 --set CHAR=/dev/null --set MISSING=$dir/direct/missing \
		--set FILE=$dir/direct/file --set NEW_FILE=$dir/direct/new --set NO_DIRECT=$dir/ram/file --set FOLDER=$dir \
		--set ADDRESS=192.0.2.1 --host ./real-host configfs "$1.calls" ${2:+"$2"} || status=$?
}

if [ "${1:-}" = --record ]; then
	play "$2"
else
	play nvmet "nvmet-$expected.expected"
	play target "target-$expected.expected"
fi

umount $dir/direct $dir/ram
losetup -d "$disk" "$disk_two" "$read_only" "$mounted"
ip link del conformance
rm -r $dir
exit "$status"
