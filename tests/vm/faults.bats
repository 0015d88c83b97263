#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# System calls of the workers that fail one after the other. The fake kernel tries them all (tests/fault); this is a real one's sample.
# long machine: --kernel 6.12
load lib

setup() {
	clean_slate
	ram_disks
	# One worker, so that the k-th call of a process is the k-th call.
	printf 'workers = 1;\nremovers = 1;\nreaders = 1;\nexpedite = 0;\n' >/etc/nvmetctl/nvmetd.conf
	daemon stop
	daemon start
	nvmetctl create "hosts/$NQN:h0" \
		create backends/b0 type=block device=/dev/ram0 \
		create "subsystems/$NQN:s0" serial=old allowed_hosts="$NQN:h0" \
		create "subsystems/$NQN:s0/namespaces/1" backend=b0 \
		create ports/1 trtype=tcp traddr=127.0.0.1 trsvcid=4420 subsystems="$NQN:s0" \
		create ports/1/ana_groups/2 ana_state=non-optimized
	nvmetctl save "$W/before.json"
	change
	dump >"$W/after"
	restore_before
	dump >"$W/before"
}

teardown() {
	leave_clean
	rm -f /etc/nvmetctl/nvmetd.conf
	daemon stop
	daemon start
}

# Something of each kind made, changed and removed, and a port at another address.
change() {
	nvmetctl --disrupt --destroy create "hosts/$NQN:h1" \
		create backends/b1 type=block device=/dev/ram1 uuid=11111111-1111-4111-8111-111111111111 \
		create "subsystems/$NQN:s1" serial=new allowed_hosts="$NQN:h1" \
		create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		set "subsystems/$NQN:s0" "allowed_hosts-=$NQN:h0" cntlid_max=1000 \
		delete "hosts/$NQN:h0" \
		delete ports/1/ana_groups/2 \
		create ports/1/referrals/r trtype=tcp traddr=192.0.2.9 \
		set ports/1 trsvcid=4421 "subsystems+=$NQN:s1"
}

restore_before() {
	nvmetctl --disrupt --destroy apply "$W/before.json"
}

# Its status is looked at, so that it goes on after what fails unless it says otherwise.
# fails OPTION…: with the fault that these options of strace lay, the change is taken back, or done with a debt that is then paid. Status 9:
# no call met the fault, and it is done.
fails() {
	trace "$@"
	run change
	end_trace
	dump >"$W/is"
	if ! grep -q INJECTED "$W/trace"; then
		same "$W/after" "$W/is" && return 9
	fi
	case $status in
	1) same "$W/before" "$W/is" ;;
	4) status 0 nvmetctl --disrupt --destroy reconcile && dump >"$W/is" && same "$W/after" "$W/is" && restore_before ;;
	*) printf 'ended with status %s: %s\n' "$status" "$output" >&2
	   return 1 ;;
	esac
}

# each CALL: its first, second, … each fails once.
each() {
	local k result=0
	for ((k = 1; ; k++)); do
		result=0
		fails -e "trace=$1" -e "inject=$1:error=EIO:when=$k" || result=$?
		[ "$result" -ne 9 ] || break
		[ "$result" -eq 0 ] || {
			echo "that was with $1 number $k" >&2
			return 1
		}
	done
	# So there were some.
	[ "$k" -gt 2 ]
	restore_before
}

@test "whichever object cannot be made: the tree of before, and then all of it" {
	each mkdirat
}

@test "whichever link cannot be made: the tree of before, and then all of it" {
	each symlinkat
}

@test "whichever object or link cannot be removed: the tree of before, or a debt that is paid; and then all of it" {
	each unlinkat
}

@test "whichever attribute cannot be written: the tree of before, and then all of it" {
	local file
	for file in "subsystems/$NQN:s1/attr_serial" "subsystems/$NQN:s1/namespaces/1/device_path" \
		"subsystems/$NQN:s1/namespaces/1/enable" "subsystems/$NQN:s0/attr_cntlid_max" ports/1/addr_trsvcid \
		ports/1/referrals/r/enable; do
		fails -e trace=write -e inject=write:error=EIO:when=1 -P "$CFS/$file" || {
			echo "that was with $file" >&2
			return 1
		}
	done
	status 0 change
	dump >"$W/is"
	same "$W/after" "$W/is"
}
