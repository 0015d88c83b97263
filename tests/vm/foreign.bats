#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What others made in the kernel, what others changed there, and what they hold on to.
load lib

setup() {
	clean_slate
	ram_disks
	nvmetctl export /dev/ram0 --nvme "$NQN:own" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name r0
}

teardown() {
	remove_foreign
	leave_clean
}

# As somebody would by hand, or with another tool.
make_foreign() {
	mkdir "$CFS/hosts/$NQN:guest" "$CFS/subsystems/$NQN:other" "$CFS/subsystems/$NQN:other/namespaces/7" $CFS/ports/9
	ln -s "$CFS/hosts/$NQN:guest" "$CFS/subsystems/$NQN:other/allowed_hosts/"
	echo /dev/ram5 >"$CFS/subsystems/$NQN:other/namespaces/7/device_path"
	echo 1 >"$CFS/subsystems/$NQN:other/namespaces/7/enable"
	echo tcp >$CFS/ports/9/addr_trtype
	echo ipv4 >$CFS/ports/9/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/9/addr_traddr
	echo 4999 >$CFS/ports/9/addr_trsvcid
	ln -s "$CFS/subsystems/$NQN:other" $CFS/ports/9/subsystems/
}

remove_foreign() {
	rm -f "$CFS/ports/9/subsystems/$NQN:other" "$CFS/subsystems/$NQN:other/allowed_hosts/$NQN:guest"
	rmdir "$CFS/subsystems/$NQN:other/namespaces/7" "$CFS/subsystems/$NQN:other" $CFS/ports/9 "$CFS/hosts/$NQN:guest" 2>/dev/null || :
}

foreign_part() {
	dump | grep -E "^(./)?(hosts/$NQN:guest|subsystems/$NQN:other|ports/9)/"
}

@test "what others made is shown and never touched, not by apply, clear, reconcile or a restart" {
	make_foreign
	foreign_part >"$W/foreign"
	status 0 nvmetctl status --verify
	contains "Foreign" "hosts/$NQN:guest" "subsystems/$NQN:other" "subsystems/$NQN:other/namespaces/7" "ports/9"
	nvmetctl save "$W/doc.json"
	run ! grep -q -e other -e guest "$W/doc.json"
	status 0 nvmetctl apply "$W/doc.json"
	status 0 nvmetctl reconcile
	status 0 nvmetctl clear
	daemon stop
	daemon start
	status 0 nvmetctl restore
	foreign_part >"$W/after"
	same "$W/foreign" "$W/after"
}

@test "a clash with what others made is an error that names it, and changes nothing" {
	make_foreign
	dump >"$W/before"
	status 1 nvmetctl create ports/9 trtype=tcp traddr=127.0.0.1 trsvcid=5000 create "hosts/$NQN:new"
	contains "ports/9: exists in the kernel, but was not made by nvmetctl"
	status 1 nvmetctl create "subsystems/$NQN:other"
	contains "subsystems/$NQN:other: exists in the kernel, but was not made by nvmetctl"
	# An address that another's port listens at.
	status 1 nvmetctl create ports/2 trtype=tcp traddr=127.0.0.1 trsvcid=4999 subsystems="$NQN:own"
	contains "in use already" "4999"
	dump >"$W/after"
	same "$W/before" "$W/after"
}

@test "adopt takes over what others made without a kernel write; then it is kept, changed and removed like all else" {
	make_foreign
	dump >"$W/before"
	kernel_writes nvmetctl adopt "hosts/$NQN:guest" "subsystems/$NQN:other" ports/9 >"$W/writes"
	nothing_in "$W/writes"
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status --verify
	lacks oreign rift
	nvmetctl save "$W/doc.json"
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	status 0 nvmetctl clear
	[ -z "$(exported)" ]
	status 0 nvmetctl restore "$W/doc.json"
	dump >"$W/after"
	same "$W/before" "$W/after"
}

@test "what others change in owned objects is shown attribute by attribute, and reconcile repairs it" {
	local s=subsystems/$NQN:own
	nvmetctl create "hosts/$NQN:h" set "$s" "allowed_hosts+=$NQN:h" create ports/1/referrals/r trtype=tcp traddr=192.0.2.1 \
		create ports/1/ana_groups/1 ana_state=non-optimized
	dump >"$W/before"
	echo 7 >"$CFS/$s/attr_cntlid_min"
	echo Changed >"$CFS/$s/attr_model"
	echo 0 >"$CFS/$s/namespaces/1/enable"
	rm "$CFS/$s/allowed_hosts/$NQN:h"
	rmdir $CFS/ports/1/referrals/r
	echo inaccessible >$CFS/ports/1/ana_groups/1/ana_state
	status 0 nvmetctl status --verify
	contains "Drift"
	grep -qE "^$s +cntlid_min +1 +7 *$" <<<"$output"
	grep -qE "^$s +model +Linux +Changed *$" <<<"$output"
	grep -qE "^$s/namespaces/1 +enable +1 +0 *$" <<<"$output"
	grep -qE "^$s/allowed_hosts/$NQN:h .*" <<<"$output"
	grep -qE "^ports/1/referrals/r .*" <<<"$output"
	# The model takes a while to repair: hosts would have to go where it is made anew.
	status 0 nvmetctl reconcile --disrupt --destroy
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status --verify
	lacks rift
}

@test "what the kernel refuses to remove is a debt: exit status 4, shown with the reason, gone once the reason is" {
	local s=subsystems/$NQN:own
	# Another's port serves our subsystem.
	mkdir $CFS/ports/9
	echo loop >$CFS/ports/9/addr_trtype
	modprobe nvme-loop
	ln -s "$CFS/$s" "$CFS/ports/9/subsystems/$NQN:own"
	status 4 nvmetctl clear --disrupt
	contains "$s: could not be removed yet" "something that nvmetctl did not make refers to it"
	[ -d "$CFS/$s" ]
	status 4 nvmetctl status
	contains "Removals that are owed" "$s"
	# Also over a restart.
	daemon stop
	daemon start
	status 4 nvmetctl status
	contains "Removals that are owed" "$s"
	rm "$CFS/ports/9/subsystems/$NQN:own"
	until_equal 0 owed
	[ ! -e "$CFS/$s" ]
	status 0 nvmetctl status
	lacks owed
	rmdir $CFS/ports/9
}

owed() {
	nvmetctl status --json | jq '.debts | length'
}
