#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# export and unexport for iSCSI with a real initiator at the other end, and what nvmetctl-features(7) says that hosts see.
# machine: --kernel 6.12
# long machine: --kernel 7
load lib

PRINTED=$IQN:t1

setup() {
	clean_slate
	ram_disks
	modprobe nvme-tcp
	iscsi_host
}

teardown() {
	leave_clean
}

# log_in: does what export printed for an initiator, as it stands.
log_in() {
	local lines
	lines=$(grep '^iscsiadm' <<<"$output")
	[ "$(wc -l <<<"$lines")" = 2 ]
	bash -e -c "$lines" >/dev/null
}

put() {	# DISK: 16 MiB of $W/data
	head -c 16M /dev/urandom >"$W/data"
	dd if="$W/data" of="$1" bs=1M oflag=direct status=none
}

has() {	# DISK: what is in $W/data
	cmp -n 16777216 "$W/data" <(contents "$1")
}

@test "export --iscsi in one line, the printed lines as they stand, unexport: nothing is left, the data stays" {
	local disk
	status 0 nvmetctl export /dev/ram0 --iscsi "$PRINTED" --initiator "$INITIATOR" --portal 127.0.0.1
	log_in
	disk=$(iscsi_disk "$PRINTED" 0)
	put "$disk"
	[ "$(scsi_serial "$disk")" = "$(nvmetctl show backends/ram0 | awk '$1 == "uuid" { print $2 }')" ]
	status 6 nvmetctl unexport ram0
	contains "needs --disrupt"
	iscsi_logout >/dev/null
	status 0 nvmetctl unexport ram0
	[ -z "$(exported)" ]
	has /dev/ram0
}

@test "an initiator that export did not name is not let in, and one with a secret needs it" {
	status 0 nvmetctl export /dev/ram0 --iscsi "$PRINTED" --initiator "$IQN:other" --portal 127.0.0.1
	status 24 iscsi_login "$PRINTED"
	(umask 077 && mkdir -p /etc/nvmetctl/secrets && echo secretsecret >/etc/nvmetctl/secrets/joe)
	status 0 nvmetctl export ram0 --iscsi "$PRINTED" --initiator "$INITIATOR" --chap-user joe --chap-password-file joe
	status 24 iscsi_login "$PRINTED"
	status 24 iscsi_login "$PRINTED" joe wrongwrongwrong
	status 0 iscsi_login "$PRINTED" joe secretsecret
	iscsi_disk "$PRINTED" 0
}

@test "a disk that NVMe hosts have becomes an initiator's too by a second line: both read what the other wrote, and see one size and identity" {
	local nvme scsi
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1 --any-host >/dev/null
	status 0 nvmetctl export /dev/ram0 --iscsi "$PRINTED" --any-initiator --portal 127.0.0.1
	log_in
	connect "$NQN:s1"
	nvme=$(host_disk "$NQN:s1" 1)
	scsi=$(iscsi_disk "$PRINTED" 0)
	put "$nvme"
	has "$scsi"
	put "$scsi"
	has "$nvme"
	[ "$(blockdev --getsize64 "$nvme")" = "$(blockdev --getsize64 "$scsi")" ]
	[ "$(cat "/sys/class/block/${nvme##*/}/uuid")" = "$(scsi_serial "$scsi")" ]
	status 0 nvmetctl show backends/ram0
	contains "subsystems/$NQN:s1/namespaces/1" "ports/1" "targets/iscsi/$PRINTED/tpgs/1/luns/0" "portals/127.0.0.1:3260"
	status 0 nvmetctl show
	lacks loopback naa. foreign drift
}

# A ramdisk by both: NVME and SCSI are what hosts see.
ramdisk_for_both() {	# [ATTR=VALUE…]
	local target=targets/iscsi/$PRINTED
	status 0 nvmetctl create backends/ram type=ramdisk size=32MiB "$@" \
		create "subsystems/$NQN:s1" allow_any_host=true create "subsystems/$NQN:s1/namespaces/1" backend=ram \
		create ports/1 trtype=tcp traddr=127.0.0.1 "subsystems=$NQN:s1" \
		create "$target" create "$target/tpgs/1" authentication=0 generate_node_acls=1 demo_mode_write_protect=0 \
		create "$target/tpgs/1/luns/0" backend=ram create "$target/tpgs/1/portals/$ISCSI_PORTAL"
	iscsi_login "$PRINTED" >/dev/null
	connect "$NQN:s1"
	NVME=$(host_disk "$NQN:s1" 1)
	SCSI=$(iscsi_disk "$PRINTED" 0)
}

queue() {	# DISK ATTRIBUTE
	cat "/sys/class/block/${1##*/}/queue/$2"
}

@test "features: block size, vendor, product, revision and rotation of a shared backend, as each side sees them" {
	ramdisk_for_both block_size=4096 emulate_write_cache=true vendor_id=ACME product_id=Disk revision=7
	[ "$(queue "$SCSI" logical_block_size):$(queue "$NVME" logical_block_size)" = 4096:4096 ]
	status 0 sg_inq "$SCSI"
	contains ACME Disk
	status 0 nvme id-ctrl "$NVME"
	lacks ACME
	contains "vwc       : 0x1"
	[ "$(queue "$SCSI" write_cache)" = "write back" ]
	[ "$(queue "$SCSI" rotational):$(queue "$NVME" rotational)" = 0:0 ]
}

@test "features: that there is no write cache is told to NVMe hosts by Linux 7 only; they may deallocate what cannot be given back" {
	local told="write through"
	ramdisk_for_both
	[[ $(uname -r) == 7.* ]] || told="write back"
	[ "$(queue "$SCSI" write_cache):$(queue "$NVME" write_cache)" = "write through:$told" ]
	[ "$(queue "$SCSI" discard_max_bytes)" = 0 ]
	[ "$(queue "$NVME" discard_max_bytes)" -gt 0 ]
	put "$NVME"
	status 0 blkdiscard "$NVME"
	has "$NVME"
	status 0 nvme write-zeroes "$NVME" -s 0 -c 7
	cmp -n 4096 /dev/zero <(contents "$NVME")
}

@test "features: protection information reaches neither an initiator by TCP nor a namespace" {
	ramdisk_for_both pi_prot_type=1
	status 0 sg_readcap -l "$SCSI"
	contains "prot_en=0"
	status 0 nvme id-ns "$NVME"
	contains "dpc     : 0" "ms:0"
	put "$SCSI"
	has "$NVME"
}

@test "features: with emulate_pr off no reservation is taken" {
	ramdisk_for_both emulate_pr=false
	scsi_settle "$SCSI"
	status 9 sg_persist -n -o -G -S 0xabc "$SCSI"
}

@test "features: a reservation stops NVMe hosts with Internal Error, do not retry: all of them are one initiator without a registration" {
	ramdisk_for_both emulate_write_cache=true
	put "$NVME"
	pr_register "$SCSI" 0xabc
	pr_reserve "$SCSI" 0xabc 1
	run nvme write "$NVME" -s 0 -c 7 -z 4096 -d /dev/zero
	[ "$status" -ne 0 ]
	contains "0x6006"
	run nvme write-zeroes "$NVME" -s 0 -c 7
	[ "$status" -ne 0 ]
	has "$NVME"
	pr_release "$SCSI" 0xabc 1
	pr_reserve "$SCSI" 0xabc 3
	run nvme read "$NVME" -s 0 -c 7 -z 4096
	[ "$status" -ne 0 ]
	contains "0x6006"
	run nvme flush "$NVME"
	[ "$status" -ne 0 ]
	contains "0x6006"
	pr_release "$SCSI" 0xabc 3
	has "$NVME"
}

@test "features: what is changed while hosts are there reaches the NVMe side too: unmapping and the write cache" {
	local bridge
	nvmetctl -q export "$W/image" --size 32MiB --create --name image --nvme "$NQN:s1" --port tcp:127.0.0.1 --any-host --iscsi "$PRINTED" \
		--any-initiator --portal 127.0.0.1 >/dev/null
	connect "$NQN:s1"
	NVME=$(host_disk "$NQN:s1" 1)
	bridge=$(loopback_disk "$(echo /sys/kernel/config/target/loopback/naa.3*/tpgt_1)" 0)
	put "$NVME"
	blkdiscard "$NVME"
	has "$NVME"
	[ "$(queue "$bridge" discard_max_bytes):$(queue "$bridge" write_cache)" = "0:write through" ]
	status 0 nvmetctl set backends/image emulate_tpu=true emulate_write_cache=true
	[ "$(queue "$bridge" write_cache)" = "write back" ]
	# A disk of Linux 7 that could not unmap when it was found does not learn it.
	if [[ $(uname -r) == 7.* ]]; then
		[ "$(queue "$bridge" discard_max_bytes)" -eq 0 ]
		return
	fi
	[ "$(queue "$bridge" discard_max_bytes)" -gt 0 ]
	blkdiscard "$NVME"
	cmp -n 33554432 /dev/zero "$W/image"
	[ "$(stat -c %b "$W/image")" = 0 ]
}
