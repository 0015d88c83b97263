#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --bare --expect-kernel-warning --memory 1536
# long machine: --kernel 7 --bare --expect-kernel-warning --memory 1536
# After this trap the kernel's nvmet can no longer be used, so it has the machine for itself.
load lib

@test "trap 3: in the kernel 6.12, enabling a buffered namespace without a device is an oops, and nvmet hangs for good; in 7 it is refused" {
	local s=$CFS/subsystems/$NQN:s1 other
	echo 0 >/proc/sys/kernel/panic_on_oops
	modprobe nvmet
	mkdir "$s" "$s/namespaces/1"
	echo 1 >"$s/namespaces/1/buffered_io"
	case $(uname -r) in
	6.12.*)
		run ! bash -c "echo 1 >'$s/namespaces/1/enable'"
		dmesg | grep -q 'BUG: kernel NULL pointer dereference'
		# Whoever it was died with the lock that all the others want.
		bash -c "echo 1 >'$s/attr_allow_any_host'" >/dev/null 2>&1 3>&- &
		other=$!
		until_waits_for_ever $other
		;;
	*)
		run bash -c "echo 1 >'$s/namespaces/1/enable'"
		[ "$status" -ne 0 ]
		run ! grep -q 'BUG:' <(dmesg)
		echo 1 >"$s/attr_allow_any_host"
		rmdir "$s/namespaces/1" "$s"
		;;
	esac
}

until_waits_for_ever() {	# PID: in the kernel, and no signal ends that
	local i
	for ((i = 0; i < 600; i++)); do
		if grep -q '^State:[[:space:]]*D' "/proc/$1/status" && grep -q allow_any_host_store "/proc/$1/stack"; then
			kill -KILL "$1"
			grep -q '^State:[[:space:]]*D' "/proc/$1/status"
			return
		fi
		sleep 0.1
	done
	cat "/proc/$1/stack" >&2
	return 1
}
