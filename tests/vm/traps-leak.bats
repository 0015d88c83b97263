#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --bare --expect-kernel-warning
# long machine: --kernel 6.1 --bare --expect-kernel-warning
# long machine: --kernel 7 --bare --expect-kernel-warning
# What the kernel loses in this trap does not come back, and at the end it warns of it.
load lib

leaks() {	# this kernel
	case $(uname -r) in 6.1.* | 6.12.*) return 0 ;; esac
	return 1
}

@test "trap 2: in the kernel up to 6.12, a namespace that a host addressed while it was disabled is served on after its removal; in 7 not" {
	local s=$CFS/subsystems/$NQN:s1 ctrl enabled=0
	modprobe -a nvmet nvmet-tcp nvme-tcp brd
	mkdir "$s" "$s/namespaces/1" $CFS/ports/1
	echo 1 >"$s/attr_allow_any_host"
	echo tcp >$CFS/ports/1/addr_trtype
	echo ipv4 >$CFS/ports/1/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/1/addr_traddr
	echo 4420 >$CFS/ports/1/addr_trsvcid
	ln -s "$s" $CFS/ports/1/subsystems/s1
	ctrl=$(connect "$NQN:s1")
	# It fails, as it should.
	run ! nvme read "/dev/$ctrl" --namespace-id=1 --start-block=0 --block-count=0 --data-size=512 --data="$BATS_TEST_TMPDIR/data"
	nvme get-feature "/dev/$ctrl" --namespace-id=1 --feature-id=0x84 >&2 || :
	nvme id-ns "/dev/$ctrl" --namespace-id=1 >&2 || :
	echo /dev/ram0 >"$s/namespaces/1/device_path"
	echo 1 >"$s/namespaces/1/enable"
	rmdir "$s/namespaces/1"
	mkdir "$s/namespaces/1"
	echo /dev/ram1 >"$s/namespaces/1/device_path"
	echo 1 >"$s/namespaces/1/enable" || enabled=$?
	if leaks; then
		[ "$enabled" -ne 0 ]
		# The one that was removed.
		nvme id-ns "/dev/$ctrl" --namespace-id=1
	else
		[ "$enabled" -eq 0 ]
	fi
}
