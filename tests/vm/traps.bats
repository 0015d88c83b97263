#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --memory 1536
# The traps of nvmet, each twice: that the kernel has it (by hand, nvmetd looks on), and that nvmetd does not fall in. Those that ruin the
# kernel are in files of their own; these have a machine of their own, since much here is done that could hang.
load lib
load isolation

setup() {
	clean_slate
	ram_disks 4
	BARE=
}

teardown() {
	resume_all
	if [ -n "$BARE" ]; then
		nvme disconnect-all >/dev/null 2>&1 || :
		remove_all
	fi
	leave_clean
	! mountpoint -q /mnt || umount /mnt
	dmsetup remove_all 2>/dev/null || :
}

# ---- by hand ----

by_hand() {
	BARE=yes
	modprobe -a nvmet nvmet-tcp nvme-tcp
	S=$CFS/subsystems/$NQN:s1
}

make_subsystem() {	# NQN [DEVICE]: that every host may connect to, with namespace 1 on the device
	mkdir "$CFS/subsystems/$1"
	echo 1 >"$CFS/subsystems/$1/attr_allow_any_host"
	[ -z "${2:-}" ] || make_namespace "$1" 1 "$2"
}

make_namespace() {	# NQN NSID DEVICE
	mkdir "$CFS/subsystems/$1/namespaces/$2"
	echo "$3" >"$CFS/subsystems/$1/namespaces/$2/device_path"
	echo 1 >"$CFS/subsystems/$1/namespaces/$2/enable"
}

make_port() {	# NQN…: port 1, serving them
	mkdir $CFS/ports/1
	echo tcp >$CFS/ports/1/addr_trtype
	echo ipv4 >$CFS/ports/1/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/1/addr_traddr
	echo 4420 >$CFS/ports/1/addr_trsvcid
	for nqn; do
		ln -s "$CFS/subsystems/$nqn" "$CFS/ports/1/subsystems/$nqn"
	done
}

# ---- by nvmetd ----

serve() {	# DEVICE [ATTRIBUTE…]: namespace 1 of s1, on port 1, to all hosts
	local device=$1
	shift
	status 0 nvmetctl create backends/b1 type=block device="$device" \
		create "subsystems/$NQN:s1" allow_any_host=true "$@" create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1"
}

@test "trap 1: in the kernel, disabling a namespace whose I/O stands still holds up every other enable" {
	local device disable enable
	by_hand
	device=$(slow_disk slow /dev/ram0)
	make_subsystem "$NQN:s1" "$device"
	make_subsystem "$NQN:s2"
	make_port "$NQN:s1"
	connect "$NQN:s1"
	hanging_read "$(host_disk "$NQN:s1" 1)" slow
	echo 0 >"$S/namespaces/1/enable" 3>&- &
	disable=$!
	until_true in_kernel $disable nvmet_ns_disable
	(make_namespace "$NQN:s2" 1 /dev/ram1) 3>&- &
	enable=$!
	until_true in_kernel $enable nvmet_ns_enable
	dmsetup resume slow
	wait $disable $enable $READER
}

@test "trap 1: nvmetd disables no namespace whose I/O stands still" {
	local device
	device=$(slow_disk slow /dev/ram0)
	serve "$device"
	connect "$NQN:s1"
	hanging_read "$(host_disk "$NQN:s1" 1)" slow
	status 1 nvmetctl set "subsystems/$NQN:s1/namespaces/1" enable=false --disrupt
	contains "suspended"
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/enable")" = 1 ]
	dmsetup resume slow
	wait $READER
	status 0 nvmetctl set "subsystems/$NQN:s1/namespaces/1" enable=false --disrupt
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/enable")" = 0 ]
}

@test "trap 1: while nvmetd removes a namespace whose I/O stands still, all else goes on" {
	local device
	device=$(slow_disk slow /dev/ram0)
	serve "$device"
	connect "$NQN:s1"
	hanging_read "$(host_disk "$NQN:s1" 1)" slow
	status 0 nvmetctl delete "subsystems/$NQN:s1/namespaces/1" --disrupt --no-wait
	until_true worker_is_in nvmet_ns_disable
	status 0 nvmetctl create backends/b2 type=block device=/dev/ram1 create "subsystems/$NQN:s2" \
		create "subsystems/$NQN:s2/namespaces/1" backend=b2 set ports/1 subsystems+="$NQN:s2"
	status 0 nvmetctl show
	# Whoever looked for the namespace itself now would hang as well.
	until_true worker_is_in nvmet_ns_disable
	dmsetup resume slow
	until_true [ ! -e "$CFS/subsystems/$NQN:s1/namespaces/1" ]
	wait $READER || :
}

@test "trap 2: a namespace that hosts addressed while it was disabled is gone after nvmetd removed it, and its NSID free" {
	local ctrl
	serve /dev/ram0
	ctrl=$(connect "$NQN:s1")
	status 0 nvmetctl create backends/b2 type=block device=/dev/ram1 \
		create "subsystems/$NQN:s1/namespaces/2" backend=b2 enable=false
	nvme id-ns "/dev/$ctrl" -n 2 >&2 || :
	nvme id-ns "/dev/$ctrl" -n 2 >&2 || :
	status 0 nvmetctl set "subsystems/$NQN:s1/namespaces/2" enable=true
	host_disk "$NQN:s1" 2
	status 0 nvmetctl delete "subsystems/$NQN:s1/namespaces/2" --disrupt
	until_true gone "$NQN:s1" 2
	# Were it served on, the kernel would refuse this with EBUSY.
	status 0 nvmetctl create backends/b3 type=block device=/dev/ram2 create "subsystems/$NQN:s1/namespaces/2" backend=b3
	host_disk "$NQN:s1" 2
}

gone() {	# NQN NSID
	[ -z "$(find_host_disk "$1" "$2")" ]
}

@test "trap 3: nvmetd takes over no buffered namespace without a device, and enables none" {
	by_hand
	make_subsystem "$NQN:s1"
	mkdir "$S/namespaces/1"
	echo 1 >"$S/namespaces/1/buffered_io"
	run nvmetctl adopt
	[ "$status" -ne 0 ]
	contains "namespaces/1" "names no device"
	[ "$(cat "$S/namespaces/1/enable")" = 0 ]
}

@test "trap 3: nvmetd writes the path of a buffered namespace before it enables it" {
	local calls
	truncate -s 16M "$W/image"
	calls=$(kernel_writes nvmetctl create backends/f type=file path="$W/image" buffered_io=true \
		create "subsystems/$NQN:s1" create "subsystems/$NQN:s1/namespaces/1" backend=f)
	[ "$(grep -o '/namespaces/1/[a-z_]*' <<<"$calls" | grep -E 'device_path|enable' | uniq | tr '\n' ' ')" = \
		'/namespaces/1/device_path /namespaces/1/enable ' ]
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/enable")" = 1 ]
}

@test "trap 6: in the kernel, one write is one value: the first 4095 bytes of a longer one, and an empty one is an error" {
	by_hand
	make_subsystem "$NQN:s1"
	mkdir "$S/namespaces/1"
	python3 - "$S/namespaces/1/device_path" <<-'END'
		import errno, os, sys
		value = b"/" + b"a" * 4999
		fd = os.open(sys.argv[1], os.O_WRONLY)
		n = os.write(fd, value)
		assert n == 4095, n
		# What a loop that writes all would do next.
		os.write(fd, value[n:])
		with open(sys.argv[1]) as f:
		    text = f.read()
		assert text == "a" * 905 + "\n", text
		try:
		    os.write(fd, b"")
		    assert False
		except OSError as e:
		    assert e.errno == errno.EFAULT, e
	END
}

@test "trap 6: nvmetd writes each value once and whole, none that is too long, and none that is empty" {
	local calls
	calls=$(kernel_writes nvmetctl create "hosts/$HOSTNQN" set nvmet discovery_nqn="$NQN:discovery" \
		create backends/b1 type=block device=/dev/ram0 create "subsystems/$NQN:s1" allowed_hosts="$HOSTNQN" model=other \
		create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1" create ports/1/referrals/r trtype=tcp traddr=192.0.2.1)
	calls=$(grep -F 'write(' <<<"$calls")
	[ "$(wc -l <<<"$calls")" -gt 12 ]
	# Of each file one, and none of which the kernel took less than a value: a newline is all that it may leave over.
	[ -z "$(grep -o '</sys/[^>]*>' <<<"$calls" | sort | uniq -d | tee /dev/stderr)" ]
	run ! grep -E '"", 0\)' <<<"$calls"
	[ "$(cat $CFS/discovery_nqn)" = "$NQN:discovery" ]
	status 3 nvmetctl create backends/long type=block device="/dev/$(printf '%04100d' 0)"
	contains "at most 4000 bytes"
	status 0 nvmetctl set nvmet discovery_nqn=
	[ "$(cat $CFS/discovery_nqn)" = nqn.2014-08.org.nvmexpress.discovery ]
}

@test "trap 7: in the kernel, a file that stays open goes on showing what it showed first" {
	by_hand
	make_subsystem "$NQN:s1"
	python3 - "$S/attr_model" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		before = os.pread(fd, 100, 0)
		with open(sys.argv[1], "w") as f:
		    f.write("other\n")
		assert os.pread(fd, 100, 0) == before != b"other\n"
		assert open(sys.argv[1], "rb").read() == b"other\n"
	END
}

@test "trap 7: nvmetd sees what others changed since it read it first" {
	serve /dev/ram0
	status 0 nvmetctl reconcile --dry-run
	echo 7 >"$CFS/subsystems/$NQN:s1/attr_cntlid_min"
	status 0 nvmetctl reconcile --dry-run
	contains attr_cntlid_min
	status 0 nvmetctl reconcile
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_cntlid_min")" = 1 ]
	echo 8 >"$CFS/subsystems/$NQN:s1/attr_cntlid_min"
	status 0 nvmetctl reconcile
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_cntlid_min")" = 1 ]
}

@test "trap 8: in the kernel, a subsystem's identity is fixed by the first host that asks for it, for ever" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	make_port "$NQN:s1"
	echo first >"$S/attr_serial"
	connect "$NQN:s1"
	nvme disconnect-all >&2
	for attribute in serial=x model=x firmware=x ieee_oui=0x1 version=1.4; do
		write_fails EINVAL "$S/attr_${attribute%=*}" "${attribute#*=}"
	done
}

@test "trap 8: nvmetd changes the identity of a subsystem that hosts have seen by making it anew, with consent" {
	local uuid
	serve /dev/ram0 serial=first
	connect "$NQN:s1"
	host_disk "$NQN:s1" 1
	uuid=$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_uuid")
	status 6 nvmetctl set "subsystems/$NQN:s1" serial=second model=other firmware=fw2 ieee_oui=0x1 version=1.4
	contains "identity" "--destroy"
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_serial")" = "$(printf '%-20s' first)" ]
	status 0 nvmetctl set "subsystems/$NQN:s1" serial=second model=other firmware=fw2 ieee_oui=0x1 version=1.4 --destroy --disrupt
	nvme disconnect-all >&2
	ctrl=$(connect "$NQN:s1")
	[ "$(tr -d ' ' <"/sys/class/nvme/$ctrl/serial")" = second ]
	[ "$(sed 's/ *$//' "/sys/class/nvme/$ctrl/model")" = other ]
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_uuid")" = "$uuid" ]
}

controllers_made() {
	since_mark | grep -c 'creating nvm controller'
}

@test "trap 9: in the kernel, writing the same number of queues again drops every controller" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	make_port "$NQN:s1"
	connect "$NQN:s1"
	connection_watch
	cat "$S/attr_qid_max" >"$S/attr_qid_max"
	until_true reconnected
}

reconnected() {
	[ "$(controllers_made)" -ge 1 ]
}

@test "trap 9: nvmetd writes no number of queues that is the same, and says what a new one does" {
	local calls
	serve /dev/ram0 qid_max=64
	connect "$NQN:s1"
	connection_watch
	nvmetctl save "$W/doc.json"
	calls=$(
		kernel_writes nvmetctl apply "$W/doc.json"
		kernel_writes nvmetctl reconcile
		kernel_writes nvmetctl set "subsystems/$NQN:s1" qid_max=64 cntlid_min=5
	)
	[[ $calls == *cntlid_min* && $calls != *qid_max* ]]
	connections_undisturbed
	status 6 nvmetctl set "subsystems/$NQN:s1" qid_max=32
	contains disconnect
	connections_undisturbed
	status 0 nvmetctl set "subsystems/$NQN:s1" qid_max=32 --disrupt
	until_true reconnected
}

@test "trap 10: in the kernel, a host that is no longer allowed stays connected" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	echo 0 >"$S/attr_allow_any_host"
	mkdir "$CFS/hosts/$HOSTNQN"
	ln -s "$CFS/hosts/$HOSTNQN" "$S/allowed_hosts/$HOSTNQN"
	make_port "$NQN:s1"
	connect "$NQN:s1" --hostnqn "$HOSTNQN"
	rm "$S/allowed_hosts/$HOSTNQN"
	dd if="$(host_disk "$NQN:s1" 1)" of=/dev/null bs=4k count=1 iflag=direct
	run ! nvme connect -t tcp -a 127.0.0.1 -s 4420 -n "$NQN:s1" --hostnqn "$HOSTNQN" --duplicate-connect
}

@test "trap 10: nvmetd warns that such a host stays connected, and with --revoke ends that" {
	local ctrl
	status 0 nvmetctl create backends/b1 type=block device=/dev/ram0 create "hosts/$HOSTNQN" \
		create "subsystems/$NQN:s1" allowed_hosts="$HOSTNQN" create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		create ports/1 trtype=tcp traddr=127.0.0.1 subsystems="$NQN:s1"
	ctrl=$(connect "$NQN:s1" --hostnqn "$HOSTNQN" --ctrl-loss-tmo 1)
	host_disk "$NQN:s1" 1
	status 0 nvmetctl set "subsystems/$NQN:s1" allowed_hosts=
	contains "keeps the connections that it has" "--revoke"
	[ "$(cat "/sys/class/nvme/$ctrl/state")" = live ]
	status 0 nvmetctl set "subsystems/$NQN:s1" allowed_hosts="$HOSTNQN"
	status 6 nvmetctl set "subsystems/$NQN:s1" allowed_hosts= --revoke
	contains disconnect
	[ -e "$CFS/subsystems/$NQN:s1/allowed_hosts/$HOSTNQN" ]
	[ "$(cat "/sys/class/nvme/$ctrl/state")" = live ]
	status 0 nvmetctl set "subsystems/$NQN:s1" allowed_hosts= --revoke --disrupt
	until_true [ ! -e "/sys/class/nvme/$ctrl" ]
}

@test "trap 11: in the kernel, a port that serves takes no address, has chosen its parameters, and forgets its security with its transport" {
	by_hand
	make_subsystem "$NQN:s1"
	make_port
	echo tls1.3 >$CFS/ports/1/addr_tsas
	[ "$(cat $CFS/ports/1/addr_treq)" = required ]
	echo tcp >$CFS/ports/1/addr_trtype
	[ "$(cat $CFS/ports/1/addr_tsas)" = none ]
	echo required >$CFS/ports/1/addr_treq
	echo none >$CFS/ports/1/addr_tsas
	[ "$(cat $CFS/ports/1/addr_treq)" = 'not specified' ]
	[ "$(cat $CFS/ports/1/param_inline_data_size)" = -1 ]
	ln -s "$CFS/subsystems/$NQN:s1" $CFS/ports/1/subsystems/s1
	write_fails EACCES $CFS/ports/1/addr_traddr 127.0.0.2
	rm $CFS/ports/1/subsystems/s1
	[ "$(cat $CFS/ports/1/param_inline_data_size)" = 16384 ]
	[ "$(cat $CFS/ports/1/param_max_queue_size)" = 1024 ]
}

@test "trap 11: nvmetd gives a port that serves another address with consent, and finds nothing to do afterwards" {
	serve /dev/ram0
	connect "$NQN:s1"
	status 6 nvmetctl set ports/1 traddr=127.0.0.2 treq=required
	contains disconnect
	[ "$(cat $CFS/ports/1/addr_traddr)" = 127.0.0.1 ]
	status 0 nvmetctl set ports/1 traddr=127.0.0.2 tsas=tls1.3 'treq=not required' --disrupt
	[ "$(cat $CFS/ports/1/addr_traddr) $(cat $CFS/ports/1/addr_tsas) $(cat $CFS/ports/1/addr_treq)" = \
		'127.0.0.2 tls1.3 not required' ]
	[ -z "$(kernel_writes nvmetctl reconcile)" ]
	status 0 nvmetctl set ports/1 tsas= treq= --disrupt
	[ "$(cat $CFS/ports/1/addr_tsas) $(cat $CFS/ports/1/addr_treq)" = 'none not specified' ]
	[ -z "$(kernel_writes nvmetctl reconcile)" ]
	nvme disconnect-all >&2
	connect "$NQN:s1" -a 127.0.0.2
	host_disk "$NQN:s1" 1
}

@test "trap 12: in the kernel, 1, 01 and 0x1 are three namespaces of one NSID" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	for name in 01 0x1; do
		mkdir "$S/namespaces/$name"
		echo /dev/ram1 >"$S/namespaces/$name/device_path"
		write_fails EBUSY "$S/namespaces/$name/enable" 1
	done
	mkdir $CFS/ports/1 $CFS/ports/01
}

@test "trap 12: nvmetd takes numbers in one spelling alone, and names the other one when it stands in the way" {
	status 3 nvmetctl create backends/b1 type=block device=/dev/ram0 create "subsystems/$NQN:s1" \
		create "subsystems/$NQN:s1/namespaces/01" backend=b1
	contains 01
	status 3 nvmetctl create ports/0x1 trtype=loop
	status 0 nvmetctl create backends/b1 type=block device=/dev/ram0 create "subsystems/$NQN:s1"
	make_namespace "$NQN:s1" 01 /dev/ram1
	status 1 nvmetctl create "subsystems/$NQN:s1/namespaces/1" backend=b1
	contains "namespaces/1" "another spelling"
	run nvmetctl adopt
	[ "$status" -ne 0 ]
	contains 01
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/01/enable")" = 1 ]
	echo 0 >"$CFS/subsystems/$NQN:s1/namespaces/01/enable"
	rmdir "$CFS/subsystems/$NQN:s1/namespaces/01"
	status 0 nvmetctl create "subsystems/$NQN:s1/namespaces/1" backend=b1
}

@test "trap 13: in the kernel, ANA group 128 becomes 0" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	echo 128 >"$S/namespaces/1/ana_grpid"
	[ "$(cat "$S/namespaces/1/ana_grpid")" = 0 ]
}

@test "trap 13: nvmetd takes ANA groups from 1 to 127" {
	serve /dev/ram0
	status 3 nvmetctl set "subsystems/$NQN:s1/namespaces/1" ana_grpid=128
	contains "from 1 to 127"
	status 3 nvmetctl create ports/1/ana_groups/128
	contains 128
	status 0 nvmetctl create ports/1/ana_groups/127 set "subsystems/$NQN:s1/namespaces/1" ana_grpid=127
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/ana_grpid")" = 127 ]
}

@test "trap 14: in the kernel, two subsystems with names of more than 223 bytes are one to hosts" {
	local long
	by_hand
	long=$NQN:$(printf '%0222d' 0)
	long=${long:0:223}
	make_subsystem "${long}1"
	make_subsystem "${long}2"
	make_port "${long}1" "${long}2"
	nvme discover -t tcp -a 127.0.0.1 -s 4420 >"$W/log"
	[ "$(grep -c "^subnqn: *$long\$" "$W/log")" = 2 ]
}

@test "trap 14: nvmetd takes no longer name, nor takes one over" {
	local long
	long=$NQN:$(printf '%0222d' 0)
	status 3 nvmetctl create "subsystems/${long:0:224}"
	contains 223
	status 3 nvmetctl create "hosts/${long:0:224}"
	status 0 nvmetctl create "subsystems/${long:0:223}"
	make_subsystem "${long:0:224}"
	run nvmetctl adopt
	[ "$status" -ne 0 ]
	rmdir "$CFS/subsystems/${long:0:224}"
}

@test "trap 15: in the kernel, serial number, NGUID, version and OUI read otherwise than they were written" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	echo 0 >"$S/namespaces/1/enable"
	echo abc >"$S/attr_serial"
	[ "$(cat "$S/attr_serial")" = 'abc                 ' ]
	echo 1.4.0 >"$S/attr_version"
	[ "$(cat "$S/attr_version")" = 1.4 ]
	echo 255 >"$S/attr_ieee_oui"
	[ "$(cat "$S/attr_ieee_oui")" = 0x0000ff ]
	echo 00112233445566778899AABBCCDDEEFF >"$S/namespaces/1/device_nguid"
	[ "$(cat "$S/namespaces/1/device_nguid")" = 00112233-4455-6677-8899-aabbccddeeff ]
	echo AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE >"$S/namespaces/1/device_uuid"
	[ "$(cat "$S/namespaces/1/device_uuid")" = aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee ]
}

@test "trap 15: nvmetd takes all these spellings, and finds nothing to do afterwards" {
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": { "b1": { "type": "block", "device": "/dev/ram0", "uuid": "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
		                        "nguid": "00112233445566778899AABBCCDDEEFF" } },
		  "subsystems": { "$NQN:s1": { "serial": "abc", "version": "1.4.0", "ieee_oui": 255,
		                               "namespaces": { "1": { "backend": "b1" } } } }
		}
	END
	status 0 nvmetctl apply "$W/doc.json"
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/device_nguid")" = 00112233-4455-6677-8899-aabbccddeeff ]
	[ -z "$(kernel_writes nvmetctl apply "$W/doc.json" | tee /dev/stderr)" ]
	[ -z "$(kernel_writes nvmetctl reconcile | tee /dev/stderr)" ]
}

@test "trap 16: in the kernel, a subsystem and a namespace made again are others" {
	local before
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	before=$(cat "$S/attr_serial" "$S/namespaces/1/device_uuid")
	rmdir "$S/namespaces/1" "$S"
	make_subsystem "$NQN:s1" /dev/ram0
	run ! diff <(echo "$before" | head -n 1) "$S/attr_serial"
	run ! diff <(echo "$before" | tail -n 1) "$S/namespaces/1/device_uuid"
}

@test "trap 16: what nvmetd makes again has the identity that it had" {
	serve /dev/ram0
	nvmetctl save "$W/doc.json"
	dump >"$W/before"
	status 0 nvmetctl clear
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/after"
	same "$W/before" "$W/after"
	grep -q device_uuid "$W/before"
}

mounted_disk() {	# /dev/ram0 on /mnt
	modprobe ext4
	mkfs.ext2 -q /dev/ram0
	mount -t ext4 /dev/ram0 /mnt
}

@test "trap 17: in the kernel, a disk that is mounted, or that another device is made of, can be exported" {
	by_hand
	mounted_disk
	dmsetup create holder --table '0 2048 linear /dev/ram1 0'
	make_subsystem "$NQN:s1" /dev/ram0
	make_namespace "$NQN:s1" 2 /dev/ram1
	make_namespace "$NQN:s1" 3 /dev/ram1
	[ "$(cat "$S"/namespaces/[123]/enable)" = $'1\n1\n1' ]
}

@test "trap 17: nvmetd exports none of these and says who has them" {
	mounted_disk
	dmsetup create holder --table '0 2048 linear /dev/ram1 0'
	status 0 nvmetctl create "subsystems/$NQN:s1"
	status 1 nvmetctl create backends/b type=block device=/dev/ram0 create "subsystems/$NQN:s1/namespaces/1" backend=b
	contains "mounted on /mnt"
	status 1 nvmetctl create backends/b type=block device=/dev/ram1 create "subsystems/$NQN:s1/namespaces/1" backend=b
	contains "held by"
	status 3 nvmetctl create backends/b type=block device=/dev/ram2 create backends/c type=block device=/dev/ram2
	contains "backends/"
	[ -z "$(ls "$CFS/subsystems/$NQN:s1/namespaces")" ]
}

block_size() {	# of what the host has
	cat "/sys/block/$(basename "$(host_disk "$NQN:s1" 1)")/queue/logical_block_size"
}

@test "trap 18: in the kernel, buffered_io gives a disk other blocks" {
	by_hand
	make_subsystem "$NQN:s1" /dev/ram0
	make_port "$NQN:s1"
	connect "$NQN:s1"
	[ "$(block_size)" = 512 ]
	nvme disconnect-all >&2
	echo 0 >"$S/namespaces/1/enable"
	echo 1 >"$S/namespaces/1/buffered_io"
	echo 1 >"$S/namespaces/1/enable"
	connect "$NQN:s1"
	[ "$(block_size)" = 4096 ]
}

@test "trap 18: nvmetd changes buffered_io only where losing the disk's geometry was consented to, connected or not" {
	serve /dev/ram0
	status 6 nvmetctl set backends/b1 buffered_io=true
	contains "geometry" "--destroy"
	status 6 nvmetctl set backends/b1 buffered_io=true --disrupt
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/buffered_io")" = 0 ]
	status 0 nvmetctl set backends/b1 buffered_io=true --destroy
	[ "$(cat "$CFS/subsystems/$NQN:s1/namespaces/1/buffered_io")" = 1 ]
	connect "$NQN:s1"
	[ "$(block_size)" = 4096 ]
}
