# SPDX-License-Identifier: Apache-2.0
#
# Backends of type nvme-passthru, over the fake kernel: what a subsystem that names one is in the kernel. That two of them exclude each other,
# and namespaces, is among tests/samples/bad; bad luck is in tests/fault.

load lib

n=nqn.2026-11.org.example:s1
s=subsystems/$n
host=nqn.2026-11.org.example:client

setup() { start_all; }
teardown() { stop_all; }

holds() {	# LINE…: the kernel's dump has them
	local line

	for line; do
		kernel dump | grep -qxFe "$line" || { echo "missing: $line"; kernel dump; return 1; }
	done
}

# lacks PATTERN FILE: no line of it is like that, or it is shown.
lacks() {
	! grep -E "$1" "$2" || return 1
}

# gone PATTERN: the kernel's dump has nothing like it.
gone() {
	kernel dump >"$T/dump"
	lacks "$1" "$T/dump"
}

made() {
	ends 0 nvmetctl create backends/c0 type=nvme-passthru device=/dev/nvme0 create $s backend=c0 allow_any_host=true \
		create ports/1 trtype=tcp traddr=192.0.2.1 subsystems=$n
}

@test "a subsystem that names the backend passes commands on to its controller, and hosts connect" {
	made
	holds "f nvmet/$s/passthru/device_path = /dev/nvme0" "f nvmet/$s/passthru/enable = 1"
	kernel connect 1 $n $host
	ends 0 nvmetctl show $s
	grep -q '^backend  *c0' "$T/out"
	ends 0 nvmetctl show
	grep -q "$n *passes commands to backends/c0" "$T/out"
	ends 0 nvmetctl show --json backends/c0
	python3 - "$T/out" <<-END
		import json, sys
		users = json.load(open(sys.argv[1]))["used_by"]["backends/c0"]
		assert users == [{"object": "$s", "through": ["ports/1"], "hosts": [], "any_host": True}], users
	END
	# It has nothing of what a disk has.
	nvmetctl save "$T/saved"
	lacks '"(uuid|nguid|storage_object|vpd_unit_serial)"' "$T/saved"
}

@test "what is applied a second time, or was there when the daemon started, writes nothing" {
	made
	nvmetctl save "$T/saved"
	writes_nothing ends 0 nvmetctl apply "$T/saved"
	stop_nvmetd
	writes_nothing start_nvmetd
	writes_nothing ends 0 nvmetctl reconcile
	stop_nvmetd
	start_nvmetd
	holds "f nvmet/$s/passthru/enable = 1"
	ends 0 nvmetctl status
}

@test "another controller takes consent, since it is another disk; a device that the backend is given, too" {
	made
	kernel connect 1 $n $host
	ends 0 nvmetctl create backends/c1 type=nvme-passthru device=/dev/nvme1
	ends 6 nvmetctl set $s backend=c1
	holds "f nvmet/$s/passthru/device_path = /dev/nvme0"
	ends 0 nvmetctl set $s backend=c1 --disrupt --destroy
	holds "f nvmet/$s/passthru/device_path = /dev/nvme1" "f nvmet/$s/passthru/enable = 1"
	kernel add /dev/nvme7 type=n
	ends 6 nvmetctl set backends/c1 device=/dev/nvme7
	ends 0 nvmetctl set backends/c1 device=/dev/nvme7 --disrupt --destroy
	holds "f nvmet/$s/passthru/device_path = /dev/nvme7" "f nvmet/$s/passthru/enable = 1"
}

@test "two subsystems exchange their controllers in one transaction" {
	local n2=nqn.2026-11.org.example:s2

	made
	ends 0 nvmetctl create backends/c1 type=nvme-passthru device=/dev/nvme1 create subsystems/$n2 backend=c1
	ends 0 nvmetctl set $s backend=c1 set subsystems/$n2 backend=c0 --disrupt --destroy
	holds "f nvmet/$s/passthru/device_path = /dev/nvme1" "f nvmet/$s/passthru/enable = 1" \
		"f nvmet/subsystems/$n2/passthru/device_path = /dev/nvme0" "f nvmet/subsystems/$n2/passthru/enable = 1"
}

@test "namespaces take the controller's place, and give it back, in one transaction each" {
	made
	ends 0 nvmetctl create backends/d type=block device=/dev/vdb
	ends 0 nvmetctl set $s backend= create $s/namespaces/1 backend=d --disrupt --destroy
	holds "f nvmet/$s/passthru/enable = 0" "f nvmet/$s/namespaces/1/enable = 1"
	ends 0 nvmetctl set $s backend=c0 delete $s/namespaces/1 --disrupt --destroy
	holds "f nvmet/$s/passthru/enable = 1"
	gone namespaces/1
}

@test "a controller that is missing, is none, or whose disk is mounted here, is told, and nothing is made" {
	kernel add /dev/nvme5 type=n 'holder=in use: its disk /dev/nvme5n1 is mounted on /srv'
	kernel dump >"$T/before"
	for try in '/dev/nvme4 does not exist' '/dev/vdb is no NVMe controller, as /dev/nvme0 is' \
		'/dev/nvme5 is in use: its disk /dev/nvme5n1 is mounted on /srv'; do
		ends 1 nvmetctl create backends/c0 type=nvme-passthru device="${try%% *}" create $s backend=c0
		grep -q "^nvmetctl: $s: passthru_path: $try" "$T/err" || { cat "$T/err"; return 1; }
		diff -u "$T/before" <(kernel dump)
	done
	ends 0 nvmetctl show --json
	lacks c0 "$T/out"
}

@test "the backend stays as long as the subsystem names it; both go, and the kernel holds nothing" {
	made
	ends 1 nvmetctl delete backends/c0
	grep -q "$s" "$T/err"
	ends 0 nvmetctl delete --disrupt ports/1 delete $s delete backends/c0
	gone 'subsystems/.|ports/.'
}

@test "what someone else passes on is shown and adopted with a backend of its own, and nothing is written" {
	kernel load nvmet
	kernel mkdir nvmet/$s
	kernel write nvmet/$s/passthru/device_path /dev/nvme1
	kernel write nvmet/$s/passthru/enable 1
	stop_nvmetd
	start_nvmetd
	ends 0 nvmetctl show
	grep -q "$n *passes commands to /dev/nvme1 *foreign" "$T/out" || { cat "$T/out"; return 1; }
	writes_nothing ends 0 nvmetctl adopt
	ends 0 nvmetctl show $s
	grep -q '^backend  *nvme1' "$T/out"
	ends 0 nvmetctl show backends/nvme1
	grep -q '^type  *nvme-passthru' "$T/out"
	grep -q '^device  */dev/nvme1' "$T/out"
	writes_nothing ends 0 nvmetctl reconcile
	# It is ours now.
	ends 0 nvmetctl clear --disrupt --destroy
	gone 'subsystems/.'
}

@test "export and unexport take a controller by its device; no nsid goes with it" {
	ends 0 nvmetctl export /dev/nvme1 --nvme $n --port tcp:192.0.2.1
	holds "f nvmet/$s/passthru/device_path = /dev/nvme1" "f nvmet/$s/passthru/enable = 1"
	ends 0 nvmetctl export backends/nvme1 --nvme $n --port tcp:192.0.2.1
	grep -qx 'It is exported like that already.' "$T/out"
	ends 2 nvmetctl export backends/nvme1 --nvme $n --nsid 7
	ends 0 nvmetctl unexport backends/nvme1 --disrupt
	gone 'subsystems/.|ports/.'
	ends 0 nvmetctl show backends
	lacks nvme1 "$T/out"
}

@test "drift of the passthrough is seen, and repaired" {
	made
	kernel write nvmet/$s/passthru/enable 0
	ends 0 nvmetctl status --verify
	grep -q 'passthru_enable' "$T/out" || { cat "$T/out"; return 1; }
	ends 0 nvmetctl reconcile
	holds "f nvmet/$s/passthru/enable = 1"
}

@test "on a kernel without passthrough, the feature and what it needs are named" {
	stop_nvmetd
	stop_kernel
	rm -f "$T/kernel.ready"
	start_kernel --without NVME_TARGET_PASSTHRU
	start_nvmetd
	ends 1 nvmetctl create backends/c0 type=nvme-passthru device=/dev/nvme0 create $s backend=c0
	complains "$s: passthru_path: NVMe passthrough is not in this kernel: it needs CONFIG_NVME_TARGET_PASSTHRU" \
		"what had been begun was rolled back; the kernel is as it was before"
	ends 0 nvmetctl create $s backend=
	ends 0 nvmetctl create backends/c0 type=nvme-passthru device=/dev/nvme0
	ends 1 nvmetctl set $s backend=c0
	grep -q 'NVMe passthrough is not in this kernel: it needs CONFIG_NVME_TARGET_PASSTHRU' "$T/err"
	ends 0 nvmetctl delete $s
}
