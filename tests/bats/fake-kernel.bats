# SPDX-License-Identifier: Apache-2.0
#
# What tests rely on in the fake kernel beside that it does what kernels do (which tests/conformance shows): numbers, faults, calls
# that hang and what waits behind them, order, hosts.

load lib

setup() {
	LATER=()
	make_work_dir
	kernel_with
}

teardown() {
	stop_kernel
	rm -rf "$T"
}

kernel_with() {	# OPTION…
	start_kernel --loaded --log "$T/calls" "$@"
}

other_kernel() {	# OPTION…
	stop_kernel
	rm -f "$T/kernel.ready" "$T/calls"
	kernel_with "$@"
}

call() {	# VERB PATH [VALUE]
	python3 "$BATS_TEST_DIRNAME/fake-call.py" "$T/kernel" "$@"
}

# In the background; what it came to is left in $T/NAME when it is over.
call_later() {	# NAME VERB PATH [VALUE]
	local name=$1

	shift
	{ call "$@" >"$T/$name.part" && mv "$T/$name.part" "$T/$name"; } 3>&- &
	LATER+=($!)
}

all_done() {	# of call_later
	wait "${LATER[@]}"
	LATER=()
}

a_namespace() {	# NQN
	kernel mkdir "nvmet/subsystems/$1"
	kernel mkdir "nvmet/subsystems/$1/namespaces/1"
	kernel write "nvmet/subsystems/$1/namespaces/1/device_path" /dev/vdb
	kernel write "nvmet/subsystems/$1/namespaces/1/enable" 1
}

a_port() {	# ID SUBSYSTEM
	kernel mkdir "nvmet/ports/$1"
	kernel write "nvmet/ports/$1/addr_trtype" tcp
	kernel write "nvmet/ports/$1/addr_adrfam" ipv4
	kernel write "nvmet/ports/$1/addr_traddr" 192.0.2.1
	kernel write "nvmet/ports/$1/addr_trsvcid" "442$1"
	kernel link "nvmet/ports/$1/subsystems/$2" "nvmet/subsystems/$2"
}

@test "calls are counted, and what is said to the kernel itself is not" {
	call m nvmet/hosts/a
	call w nvmet/hosts/a/dhchap_hash 'hmac(sha512)'
	call R nvmet/hosts/a/dhchap_hash
	call L nvmet/hosts
	kernel mkdir nvmet/hosts/b
	[ "$(kernel count)" = $'calls 4\nchanges 2\nwrites 1' ]
}

@test "a dump is whole, or too long and then fails and keeps nobody waiting" {
	local lines
	many_hosts 0 1200
	lines=$(kernel dump | wc -l)
	kernel mkdir nvmet/hosts/one
	[ "$(kernel dump | wc -l)" -gt "$lines" ]
	many_hosts 1200 3500
	! timeout 60 nvmetfake --control "$T/kernel" dump >"$T/out" 2>"$T/err" || return 1
	[ ! -s "$T/out" ]
	grep -qE 'dump: (EMSGSIZE|ENOBUFS|the answer has)' "$T/err"
}

many_hosts() {	# FROM TO
	python3 - "$T/kernel" "$@" <<-'END'
		import socket, struct, sys
		with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
		    s.connect(sys.argv[1])
		    for n in range(int(sys.argv[2]), int(sys.argv[3])):
		        path = b"nvmet/hosts/%0200d" % n
		        s.send(b"m" + struct.pack("<I", len(path)) + path + struct.pack("<I", 0))
		        assert s.recv(1 << 10) == bytes(4)
	END
}

@test "the log has each call with its numbers and what it came to, and no secret" {
	call m nvmet/hosts/a
	call R nvmet/hosts/a/none
	call w nvmet/hosts/a/dhchap_key DHHC-1:00:secret:
	[ "$(<"$T/calls")" = $'1 1 m nvmet/hosts/a\n2 0 R nvmet/hosts/a/none : ENOENT\n3 2 w nvmet/hosts/a/dhchap_key = ***' ]
}

@test "the n-th call fails, or the n-th change, or the n-th that matches" {
	kernel fault EIO nth=2
	[ "$(call L nvmet/hosts)" = '' ]
	[ "$(call L nvmet)" = EIO ]
	kernel fault ENOSPC nth=2 of=changes
	call m nvmet/hosts/a
	call L nvmet/hosts
	[ "$(call m nvmet/hosts/b)" = ENOSPC ]
	[ "$(call m nvmet/hosts/b)" = '' ]
	kernel fault EPERM verb=m 'path=nvmet/sub*'
	call m nvmet/hosts/c
	[ "$(call L nvmet/subsystems)" = '' ]
	[ "$(call m nvmet/subsystems/s)" = EPERM ]
	[ "$(kernel list nvmet/subsystems)" = '' ]
	[ "$(kernel faults)" = '' ]
}

@test "a fault can go on until it is disarmed" {
	kernel fault EIO nth=2 verb=m always
	[ "$(call m nvmet/hosts/a)" = '' ]
	[ "$(call m nvmet/hosts/b)" = EIO ]
	[ "$(call m nvmet/hosts/c)" = EIO ]
	[ "$(kernel faults)" = 'EIO nth=1 of=all verb=m always' ]
	kernel disarm
	[ "$(call m nvmet/hosts/d)" = '' ]
}

@test "a fault that makes no sense is refused" {
	for words in ENOTHING 'EIO nth=0' 'EIO of=none' 'EIO now' 'delay=x' 'hang verb=mr'; do
		# shellcheck disable=SC2086
		run kernel fault $words
		[ "$status" = 1 ]
	done
	[ "$(kernel faults)" = '' ]
}

@test "a call that hangs is done when it is released, and fails if it is released so" {
	kernel fault hang verb=m
	kernel fault hang verb=m
	call_later a m nvmet/hosts/a
	call_later b m nvmet/subsystems/b
	kernel wait hung 2
	[ "$(kernel list nvmet/hosts)$(kernel list nvmet/subsystems)" = '' ]
	[ "$(kernel hung | cut -d ' ' -f 2- | sort)" = $'m nvmet/hosts/a\nm nvmet/subsystems/b' ]
	[ ! -e "$T/a" ] && [ ! -e "$T/b" ]
	kernel release "$(kernel hung | awk '$3 ~ /hosts/ { print $1 }')"
	kernel release "$(kernel hung | awk '{ print $1 }')" ENODEV
	all_done
	[ "$(<"$T/a")" = '' ]
	[ "$(<"$T/b")" = ENODEV ]
	[ "$(kernel list nvmet/hosts)" = 'd a' ]
	[ "$(kernel list nvmet/subsystems)" = '' ]
	run kernel release 99
	[ "$status" = 1 ]
}

@test "a call that hangs outlives its client, and is done all the same" {
	local client

	kernel fault hang verb=m
	python3 "$BATS_TEST_DIRNAME/fake-call.py" "$T/kernel" m nvmet/hosts/a 3>&- &
	client=$!
	kernel wait hung 1
	kill -KILL "$client"
	wait "$client" || true
	[ "$(kernel hung)" = '1 m nvmet/hosts/a (its client has left)' ]
	[ "$(kernel list nvmet/hosts)" = '' ]
	kernel release all
	[ "$(kernel list nvmet/hosts)" = 'd a' ]
}

@test "a client is killed before its call is done, or after" {
	local status=0

	kernel fault kill-before verb=m
	python3 "$BATS_TEST_DIRNAME/fake-call.py" "$T/kernel" m nvmet/hosts/a || status=$?
	[ "$status" = 137 ]
	[ "$(kernel list nvmet/hosts)" = '' ]
	kernel fault kill-after verb=m
	status=0
	python3 "$BATS_TEST_DIRNAME/fake-call.py" "$T/kernel" m nvmet/hosts/a || status=$?
	[ "$status" = 137 ]
	[ "$(kernel list nvmet/hosts)" = 'd a' ]
}

@test "a call that comes late lets others pass" {
	kernel fault delay=2000 verb=m
	call_later late m nvmet/hosts/late
	kernel wait calls 1
	[ "$(call m nvmet/subsystems/s)" = '' ]
	all_done
	[ "$(cut -d ' ' -f 1,4 "$T/calls")" = $'2 nvmet/subsystems/s\n1 nvmet/hosts/late' ]
}

@test "behind a namespace that hangs when it is disabled, all wait that need the target's configuration" {
	a_namespace s
	a_namespace t
	kernel mkdir nvmet/ports/1
	kernel mkdir nvmet/hosts/h
	kernel fault hang 'path=*/enable'
	call_later disable w nvmet/subsystems/s/namespaces/1/enable 0
	kernel wait hung 1
	call_later enable w nvmet/subsystems/t/namespaces/1/enable 0
	call_later allow l nvmet/subsystems/t/allowed_hosts/h nvmet/hosts/h
	call_later key R nvmet/hosts/h/dhchap_key
	kernel wait calls 4
	[ "$(call m nvmet/subsystems/u)" = '' ]
	[ "$(call r nvmet/subsystems/u)" = '' ]
	[ "$(call w nvmet/ports/1/addr_trtype tcp)" = '' ]
	[ "$(call w nvmet/subsystems/s/namespaces/1/ana_grpid 2)" = '' ]
	[ "$(call w nvmet/subsystems/t/attr_pi_enable 1)" = '' ]
	[ "$(call R nvmet/subsystems/s/namespaces/1/enable)" = 1 ]
	[ "$(call L nvmet/subsystems/s/namespaces)" = 'd 1' ]
	[ "$(kernel hung | grep -c 'waits for a lock')" = 3 ]
	kernel release all
	all_done
	[ "$(kernel read nvmet/subsystems/t/namespaces/1/enable)" = 0 ]
}

@test "behind a namespace that hangs when it is removed, only its folder waits" {
	a_namespace s
	a_namespace t
	kernel fault hang verb=r
	call_later remove r nvmet/subsystems/s/namespaces/1
	kernel wait hung 1
	call_later list L nvmet/subsystems/s/namespaces
	call_later make m nvmet/subsystems/s/namespaces/2
	kernel wait calls 3
	[ "$(call r nvmet/subsystems/t/namespaces/1)" = '' ]
	[ "$(call m nvmet/subsystems/u)" = '' ]
	[ "$(call w nvmet/subsystems/s/attr_model M)" = '' ]
	[ ! -e "$T/list" ] && [ ! -e "$T/make" ]
	kernel release all
	all_done
	[ "$(kernel list nvmet/subsystems/s/namespaces)" = 'd 2' ]
}

@test "an object does not go while one of its attributes is at work" {
	kernel mkdir nvmet/hosts/h
	kernel fault hang verb=w
	call_later write w nvmet/hosts/h/dhchap_hash 'hmac(sha512)'
	kernel wait hung 1
	call_later remove r nvmet/hosts/h
	kernel wait calls 2
	call_later read R nvmet/hosts/h/dhchap_hash
	kernel wait calls 3
	[ "$(kernel list nvmet/hosts)" = 'd h' ]
	kernel release all
	all_done
	[ "$(<"$T/write")$(<"$T/remove")" = '' ]
	[ "$(<"$T/read")" = ENOENT ]
}

# ORDER is that of calls that do not exclude each other and are all let go at once.
order_with() {	# SEED
	other_kernel --seed "$1"
	for i in 1 2 3 4 5 6; do
		kernel mkdir "nvmet/ports/$i"
	done
	kernel fault hang always
	for i in 1 2 3 4 5 6; do
		call_later "$i" m "nvmet/ports/$i/referrals/r"
		kernel wait hung "$i"
	done
	kernel disarm
	kernel release all
	all_done
	ORDER=$(cut -d ' ' -f 1 "$T/calls" | paste -sd ' ')
}

@test "with a seed, calls that meet are done in an order of its own, the same each time" {
	local first

	order_with 7
	first=$ORDER
	[ "$(tr ' ' '\n' <<<"$first" | sort -n | paste -sd ' ')" = '1 2 3 4 5 6' ]
	order_with 7
	[ "$ORDER" = "$first" ]
	order_with 8
	[ "$ORDER" != "$first" ]
}

@test "hosts that are connected leave when the kernel drops them, and only then" {
	a_namespace s
	kernel write nvmet/subsystems/s/attr_allow_any_host 1
	a_port 1 s
	run kernel connect 1 none nqn.h
	[ "$status" = 1 ]
	kernel connect 1 s nqn.h
	call w nvmet/subsystems/s/namespaces/1/enable 0
	call w nvmet/subsystems/s/attr_allow_any_host 0
	[ "$(kernel hosts)" = '1 s nqn.h' ]
	run kernel connect 1 s nqn.i
	[ "$status" = 1 ]
	call w nvmet/subsystems/s/attr_qid_max 128
	[ "$(kernel hosts)" = '' ]
	kernel write nvmet/subsystems/s/attr_allow_any_host 1
	kernel connect 1 s nqn.h
	call u nvmet/ports/1/subsystems/s
	[ "$(kernel hosts)" = '' ]
	[ "$(kernel listeners)" = '' ]
}

@test "a namespace that a host met while it was disabled goes on being exported when it is removed" {
	a_namespace s
	call w nvmet/subsystems/s/namespaces/1/enable 0
	kernel command s 1
	call w nvmet/subsystems/s/namespaces/1/enable 1
	[ "$(call r nvmet/subsystems/s/namespaces/1)" = '' ]
	[ "$(call m nvmet/subsystems/s/namespaces/1)" = '' ]
	call w nvmet/subsystems/s/namespaces/1/device_path /dev/vdb
	[ "$(call w nvmet/subsystems/s/namespaces/1/enable 1)" = EBUSY ]

	other_kernel --release 7
	a_namespace s
	call w nvmet/subsystems/s/namespaces/1/enable 0
	kernel command s 1
	call w nvmet/subsystems/s/namespaces/1/enable 1
	call r nvmet/subsystems/s/namespaces/1
	a_namespace t
	call m nvmet/subsystems/s/namespaces/1
	call w nvmet/subsystems/s/namespaces/1/device_path /dev/vdb
	[ "$(call w nvmet/subsystems/s/namespaces/1/enable 1)" = '' ]
}

@test "a kernel can be built without something" {
	[ "$(call m nvmet/hosts/h)" = '' ]
	[ "$(call R nvmet/hosts/h/dhchap_hash)" = 'hmac(sha256)' ]
	other_kernel --without NVME_TARGET_AUTH
	[ "$(call m nvmet/hosts/h)" = '' ]
	[ "$(call R nvmet/hosts/h/dhchap_hash)" = ENOENT ]
	[ "$(kernel list nvmet/hosts/h)" = '' ]
}

@test "nothing is there before the module is" {
	stop_kernel
	rm -f "$T/kernel.ready"
	start_kernel
	[ "$(call L nvmet)" = ENOENT ]
	[ "$(call m nvmet/hosts/h)" = ENOENT ]
	[ "$(call M nvmet-none)" = ENOENT ]
	[ "$(call M nvmet)" = '' ]
	[ "$(call m nvmet/hosts/h)" = '' ]
}

@test "a packet that makes no sense is refused" {
	[ "$(call raw 6d)" = EBADMSG ]
	[ "$(call raw 6dffffffff)" = EBADMSG ]
	[ "$(call raw 6d00000000ffffffff61)" = EBADMSG ]
	[ "$(call raw 6d000000000000000000)" = EBADMSG ]
	[ "$(call Z nvmet)" = ENOSYS ]
	[ "$(call m '')" = EINVAL ]
	[ "$(call m nvmet/hosts/h)" = '' ]
}

@test "what it is told and does not understand is refused" {
	run kernel nothing
	[ "$status" = 1 ] && [[ "$output" == *ENOSYS ]]
	run kernel mkdir
	[ "$status" = 1 ] && [[ "$output" == *EINVAL ]]
	run kernel write nvmet/hosts
	[ "$status" = 1 ] && [[ "$output" == *EINVAL ]]
	run nvmetfake --control "$T/none" count
	[ "$status" = 2 ]
	run nvmetfake
	[ "$status" = 2 ]
	run nvmetfake --release x "$T/other"
	[ "$status" = 2 ]
}

# ---- the SCSI target ----

iqn=iqn.2026-11.org.example:t
initiator=iqn.2026-11.org.example:i
acl=target/iscsi/$iqn/tpgt_1/acls/$initiator
ram=target/core/rd_mcp_0/ram

a_ramdisk() {
	kernel load target_core_mod
	kernel mkdir target/core/rd_mcp_0
	kernel mkdir $ram
	kernel write $ram/wwn/vpd_unit_serial s1
	kernel write $ram/control rd_pages=256
	kernel write $ram/enable 1
}

a_mapped_lun() {
	local folder

	for folder in target/iscsi target/iscsi/$iqn target/iscsi/$iqn/tpgt_1 target/iscsi/$iqn/tpgt_1/lun/lun_0 $acl $acl/lun_0; do
		kernel mkdir "$folder"
	done
	kernel link target/iscsi/$iqn/tpgt_1/lun/lun_0/ram $ram
	kernel link $acl/lun_0/lun target/iscsi/$iqn/tpgt_1/lun/lun_0
}

@test "a LUN of a loopback target with a nexus is a disk of the machine, with an address, for as long as it is linked" {
	local tpgt=target/loopback/naa.1/tpgt_1

	a_ramdisk
	for folder in target/loopback target/loopback/naa.1 $tpgt $tpgt/lun/lun_2; do
		kernel mkdir "$folder"
	done
	kernel write $tpgt/nexus naa.2
	[ "$(call D $tpgt 2)" = ENOENT ]
	kernel link $tpgt/lun/lun_2/ram $ram
	[ "$(call D $tpgt 2)" = /dev/sda ]
	[ "$(call H /dev/sda)" = 0:0:1:2 ]
	[ "$(call H /dev/vdb)" = ENODEV ]
	kernel backing | grep -qx 'b 1048576 /dev/sda'
	kernel unlink $tpgt/lun/lun_2/ram
	[ "$(call D $tpgt 2)" = ENOENT ]
	[ "$(call S $tpgt 2)" = ENOENT ]
	[ "$(kernel backing | grep -c /dev/sd)" = 0 ]
}

@test "an initiator registers, and what is kept of it restores it in a target that is made anew" {
	local kept

	a_ramdisk
	a_mapped_lun
	[ "$(call G '')" = '' ]
	[ "$(call G pr)" = '' ]
	[ "$(call G pr)" = EEXIST ]
	kernel register $acl/lun_0 0x1234 type=5 aptpl
	kernel read $ram/pr/res_holder | grep -qx "SPC-3 Reservation: iSCSI Initiator: $initiator"
	kept=$(call F pr/aptpl_s1 | tr -d '\0')
	grep -qx 'sa_res_key=4660' <<<"$kept"
	grep -qx 'res_type=05' <<<"$kept"
	kernel unlink $acl/lun_0/lun
	[ "$(kernel read $ram/pr/res_pr_registered_i_pts | tail -n 1)" = None ]
	kernel unlink target/iscsi/$iqn/tpgt_1/lun/lun_0/ram
	call w $ram/pr/res_aptpl_metadata "$kept"
	kernel link target/iscsi/$iqn/tpgt_1/lun/lun_0/ram $ram
	[ "$(kernel read $ram/pr/res_pr_registered_i_pts | tail -n 1)" = None ]
	kernel link $acl/lun_0/lun target/iscsi/$iqn/tpgt_1/lun/lun_0
	kernel read $ram/pr/res_pr_registered_i_pts | grep -q "^iSCSI Node: $initiator Key: 0x0000000000001234 "
}

@test "a registration that cannot be kept for want of a folder is in force, and one without aptpl empties the file" {
	a_ramdisk
	a_mapped_lun
	! kernel register $acl/lun_0 1 aptpl || return 1
	kernel read $ram/pr/res_pr_registered_i_pts | grep -q "Key: 0x0000000000000001"
	call G ''
	call G pr
	kernel mkdir $acl/lun_1
	kernel link $acl/lun_1/lun target/iscsi/$iqn/tpgt_1/lun/lun_0
	kernel register $acl/lun_1 2
	call F pr/aptpl_s1 | grep -q '^No Registrations or Reservations$'
	[ "$(kernel read $ram/pr/res_aptpl_active)" = "APTPL Bit Status: Disabled" ]
}

@test "files can be given contents, and ports and what modules look for to the machine" {
	kernel load target_core_mod
	kernel content /var/target/pr/aptpl_x 'PR_REG_START: 0\nPR_REG_END: 0\n'
	[ "$(call F pr/aptpl_x)" = $'PR_REG_START: 0\nPR_REG_END: 0' ]
	kernel load tcm_qla2xxx
	kernel mkdir target/qla2xxx
	! kernel mkdir target/qla2xxx/21:00:00:24:ff:31:4c:48 || return 1
	kernel hardware qla2xxx 21:00:00:24:ff:31:4c:48
	kernel mkdir target/qla2xxx/21:00:00:24:ff:31:4c:48
	! kernel load xen-scsiback || return 1
	kernel hardware xen-pvscsi
	kernel load xen-scsiback
	kernel mkdir target/xen-pvscsi
}

@test "a device that a storage object has is held by it" {
	kernel load target_core_mod
	kernel mkdir target/core/iblock_0
	kernel mkdir target/core/iblock_0/b
	kernel write target/core/iblock_0/b/control udev_path=/dev/vdb
	kernel write target/core/iblock_0/b/enable 1
	[[ $(call P /dev/vdb 2) == *" held by the storage object target/core/iblock_0/b" ]]
	kernel rmdir target/core/iblock_0/b
	[[ $(call P /dev/vdb 2) != *held* ]]
}

@test "the log holds no secret of the SCSI target" {
	kernel load target_core_mod
	kernel mkdir target/iscsi
	call w target/iscsi/discovery_auth/password topsecret
	call w target/iscsi/discovery_auth/userid joe
	grep -q 'discovery_auth/password = \*\*\*$' "$T/calls"
	grep -q 'discovery_auth/userid = joe$' "$T/calls"
	! grep topsecret "$T/calls" || return 1
}
