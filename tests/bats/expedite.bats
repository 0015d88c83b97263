# SPDX-License-Identifier: Apache-2.0
#
# The kernel's grace periods are expedited while much of the SCSI target is removed, and only then.

load lib

setup() {
	make_work_dir
	start_bus
	start_kernel --log "$T/calls"
	start_nvmetd
	python3 - >"$T/doc.json" <<-END
		import json
		print(json.dumps({"version": 1,
		    "backends": {f"b{n}": {"type": "block", "device": f"/dev/vd{chr(ord('b') + n)}"} for n in range(12)},
		    "targets": {"iscsi": {f"iqn.2026-11.org.example:t{n}": {"tpgs": {"1": {"luns": {"0": {"backend": f"b{n}"}}}}} for n in range(12)}}}))
	END
	nvmetctl apply "$T/doc.json"
}

teardown() {
	kernel release all
	stop_all
}

switched() {	# what was written to it so far
	sed -n 's/^[0-9]* [0-9]* T rcu_expedited = //p' "$T/calls" | tr '\n' ' '
}

# until_switched WORDS: nobody waits for it to be put back, so it comes a moment after a command has ended.
until_switched() {
	local i

	for ((i = 0; i < 300; i++)); do
		[ "$(switched)" != "$1" ] || return 0
		sleep 0.1
	done
	echo "it was switched $(switched)" >&2
	return 1
}

is_expedited() {	# 0|1
	[ "$(kernel tuned rcu_expedited)" = "$1" ]
}

@test "clearing many targets expedites grace periods and puts that back; making them and removing one do not" {
	[ -z "$(switched)" ]
	nvmetctl delete --recursive targets/iscsi/iqn.2026-11.org.example:t1
	[ -z "$(switched)" ]
	nvmetctl clear
	until_switched "1 0 "
	is_expedited 0
}

@test "who has it set already keeps it" {
	kernel tune rcu_expedited 1
	nvmetctl clear
	[ -z "$(switched)" ]
	is_expedited 1
}

@test "a daemon that is killed meanwhile leaves it to the next one to put it back" {
	kernel fault hang verb=r path='target/core/iblock_*/b3'
	nvmetctl clear --no-wait
	kernel wait hung 1
	until_switched "1 "
	kill_nvmetd
	start_nvmetd
	is_expedited 0
	[ ! -e "$T/run/expedited" ]
}

@test "what hangs does not keep it up" {
	stop_nvmetd
	echo 'stuck_seconds = 1;' >"$T/nvmetd.conf"
	start_nvmetd
	kernel fault hang verb=r path='target/core/iblock_*/b3'
	nvmetctl clear --no-wait
	kernel wait hung 1
	until_switched "1 0 "
	nvmetctl status >"$T/status" || true
	grep -q '^Stuck in the kernel' "$T/status"
}

@test "expedite = 0 leaves the kernel's setting alone" {
	stop_nvmetd
	echo 'expedite = 0;' >"$T/nvmetd.conf"
	start_nvmetd
	nvmetctl clear
	[ -z "$(switched)" ]
}

@test "a job is done whether the kernel takes it, refuses it or never comes back from it" {
	kernel fault EIO verb=T path=rcu_expedited
	nvmetctl clear
	until_switched "1 : EIO 0 "
	grep -q "/sys/kernel/rcu_expedited cannot be set: Input/output error" "$T/nvmetd.log"
	nvmetctl apply "$T/doc.json"
	kernel fault hang verb=T path=rcu_expedited
	nvmetctl clear
	kernel wait hung 1
	nvmetctl status
	kernel release all
	until_switched "1 : EIO 0 1 0 "
	is_expedited 0
}
