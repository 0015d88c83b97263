# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# kill -9 of the daemon at calls that it or a worker makes to the kernel or to its own files (tests/vm/kill-at.c), and what the next daemon makes
# of it. tests/vm/kill.bats takes a few points, tests/long/kill.bats many.

setup() {
	clean_slate
	ram_disks
	ORDER=$W/order LOG=$W/calls
	mkdir "$W/bin"
	cat >"$W/bin/nvmetd" <<-END
		#!/bin/sh
		exec "$TOP/build/release/tests/vm/kill-at" "$ORDER" "$LOG" "$(type -P nvmetd)" "\$@"
	END
	chmod +x "$W/bin/nvmetd"
	printf 'expedite = 0;\n' >/etc/nvmetctl/nvmetd.conf
	daemon stop
	start_traced
	make_foreign
	make_before
	nvmetctl save "$W/before.json"
	dump >"$W/before"
	registrations >"$W/registrations"
	grep -q "$INITIATOR" "$W/registrations"
	change
	dump >"$W/after"
	restore_before
	dump >"$W/is"
	same "$W/before" "$W/is"
}

teardown() {
	rm -f "$ORDER"
	remove_foreign
	leave_clean
	rm -f /etc/nvmetctl/nvmetd.conf $DBROOT/pr/aptpl_*
	daemon stop
	daemon start
}

start_traced() {
	PATH=$W/bin:$PATH daemon start
}

# What somebody else exports, by both protocols.
make_foreign() {
	local n=$CFS/subsystems/$NQN:foreign
	mkdir "$CFS/hosts/$NQN:foreign" "$n" "$n/namespaces/7" $CFS/ports/9
	ln -s "$CFS/hosts/$NQN:foreign" "$n/allowed_hosts/"
	echo /dev/ram5 >"$n/namespaces/7/device_path"
	echo 1 >"$n/namespaces/7/enable"
	echo tcp >$CFS/ports/9/addr_trtype
	echo ipv4 >$CFS/ports/9/addr_adrfam
	echo 127.0.0.1 >$CFS/ports/9/addr_traddr
	echo 4999 >$CFS/ports/9/addr_trsvcid
	ln -s "$n" $CFS/ports/9/subsystems/
	lio_ramdisk 77 foreign 1 77777777-7777-4777-8777-777777777777
	ISCSI_PORTAL=127.0.0.1:3299 lio_target $IQN:foreign rd_mcp_77/foreign
}

remove_foreign() {
	local n=$CFS/subsystems/$NQN:foreign tpg=$TARGET/iscsi/$IQN:foreign/tpgt_1
	rm -f "$CFS/ports/9/subsystems/$NQN:foreign" "$n/allowed_hosts/$NQN:foreign"
	rmdir "$n/namespaces/7" "$n" $CFS/ports/9 "$CFS/hosts/$NQN:foreign"
	echo 0 >"$tpg/enable"
	rm "$tpg/lun/lun_0/storage"
	rmdir "$tpg/lun/lun_0" "$tpg/np/127.0.0.1:3299" "$tpg" "${tpg%/*}" $TARGET/core/rd_mcp_77/foreign $TARGET/core/rd_mcp_77
}

# Something of each kind, and a host's registration that is to outlive a loss of power.
make_before() {
	local disk
	nvmetctl create "hosts/$NQN:h0" \
		create backends/b0 type=block device=/dev/ram0 \
		create backends/disk type=ramdisk size=1MiB uuid=11111111-1111-4111-8111-111111111111 \
			vpd_unit_serial=11111111-1111-4111-8111-111111111111 \
		create "subsystems/$NQN:s0" serial=old allowed_hosts="$NQN:h0" \
		create "subsystems/$NQN:s0/namespaces/1" backend=b0 \
		create "subsystems/$NQN:s0/namespaces/2" backend=disk \
		create ports/1 trtype=tcp traddr=127.0.0.1 trsvcid=4420 subsystems="$NQN:s0" \
		create ports/1/ana_groups/2 ana_state=non-optimized \
		create "targets/iscsi/$IQN:t0" create "targets/iscsi/$IQN:t0/tpgs/1" authentication=0 rtpi=100 \
		create "targets/iscsi/$IQN:t0/tpgs/1/luns/0" backend=disk \
		create "targets/iscsi/$IQN:t0/tpgs/1/portals/$ISCSI_PORTAL" \
		create "targets/iscsi/$IQN:t0/tpgs/1/acls/$INITIATOR" \
		create "targets/iscsi/$IQN:t0/tpgs/1/acls/$INITIATOR/mapped_luns/0" lun=0
	iscsi_login "$IQN:t0" >/dev/null
	disk=$(iscsi_disk "$IQN:t0" 0)
	pr_register "$disk" 0xabc -Z
	pr_reserve "$disk" 0xabc 5
	iscsi_logout "$IQN:t0" >/dev/null
}

# Of each kind something made, changed and removed; a port and a target with another address.
change() {
	nvmetctl --disrupt --destroy create "hosts/$NQN:h1" \
		create backends/b1 type=block device=/dev/ram1 uuid=33333333-3333-4333-8333-333333333333 \
		create backends/new type=ramdisk size=1MiB uuid=22222222-2222-4222-8222-222222222222 \
			vpd_unit_serial=22222222-2222-4222-8222-222222222222 \
		create "subsystems/$NQN:s1" serial=new allowed_hosts="$NQN:h1" \
		create "subsystems/$NQN:s1/namespaces/1" backend=b1 \
		create "subsystems/$NQN:s1/namespaces/2" backend=new \
		set "subsystems/$NQN:s0" "allowed_hosts-=$NQN:h0" cntlid_max=1000 \
		delete "subsystems/$NQN:s0/namespaces/1" delete backends/b0 \
		delete "hosts/$NQN:h0" \
		delete ports/1/ana_groups/2 \
		create ports/1/referrals/r trtype=tcp traddr=192.0.2.9 \
		set ports/1 trsvcid=4421 "subsystems+=$NQN:s1" \
		create "targets/iscsi/$IQN:t0/tpgs/1/luns/1" backend=new \
		delete "targets/iscsi/$IQN:t0/tpgs/1/portals/$ISCSI_PORTAL" \
		create "targets/iscsi/$IQN:t0/tpgs/1/portals/127.0.0.1:3261" \
		create "targets/iscsi/$IQN:t1" create "targets/iscsi/$IQN:t1/tpgs/1" authentication=0 rtpi=101 \
		create "targets/iscsi/$IQN:t1/tpgs/1/luns/0" backend=new
}

restore_before() {
	nvmetctl --disrupt --destroy apply "$W/before.json"
}

# What the kernel has of them, and what it has written for the next boot.
registrations() {
	local file
	for file in $TARGET/core/*/*/pr/res_pr_registered_i_pts $TARGET/core/*/*/pr/res_pr_type $DBROOT/pr/aptpl_11111111-*; do
		echo "$file:"
		tr -d '\0' <"$file"
	done
}

# Its own files, by their form alone: each record's checksum, a document that is one, and nothing beside them.
files_are_whole() {
	local others line
	others=$(find /etc/nvmetctl /var/lib/nvmetctl -type f ! -path /etc/nvmetctl/config.json ! -path /etc/nvmetctl/nvmetd.conf \
		! -path '/etc/nvmetctl/secrets/*.key' ! -path /var/lib/nvmetctl/journal ! -path '/var/lib/nvmetctl/generations/*[0-9].json')
	[ -z "$others" ] || {
		echo "left behind: $others" >&2
		return 1
	}
	find /etc/nvmetctl /var/lib/nvmetctl -name '*.json' -exec jq empty {} +
	[ -z "$(tail -c 1 /var/lib/nvmetctl/journal | tr -d '\n')" ]
	# The last ones; those before them were looked at before.
	while IFS= read -r line; do
		jq empty <<<"${line:9}"
		[ "${line:0:8}" = "$(printf %s "${line:9}" | gzip | tail -c 8 | od -An -tx4 -N4 | tr -d ' ')" ]
	done < <(tail -n 3 /var/lib/nvmetctl/journal)
}

dies() {	# COMMAND…: the daemon is killed meanwhile; 9: it was not
	run "$@"
	rm -f "$ORDER"
	grep -qx killed "$LOG" || return 9
	# Its process has ended by now, or does so at once.
	until [ -e /run/nvmetd.status ]; do
		sleep 0.1
	done
}

# Whether the record that commits was on disk when it was killed: "no", "yes", or "perhaps" when it was being written.
committed() {
	awk '/ \/var\/lib\/nvmetctl\/journal$/ && / write / { begun = NR }
	     begun && / sync / && / \/var\/lib\/nvmetctl\/journal$/ { synced = NR }
	     END { print !begun ? "no" : synced && NR > synced + 1 ? "yes" : "perhaps" }' "$LOG"
}

# kill_at N before|after [N before|after]: of the change, and then of the start that follows it. Status 9: there are not so many calls.
kill_at() {
	local was=before known ended=0
	rm -f "$LOG"
	echo "$1 $2" >"$ORDER"
	dies change || ended=$?
	if [ "$ended" -eq 9 ]; then
		restore_before
		return 9
	fi
	known=$(committed)
	grep -v killed "$LOG" | tail -n 1 >"$W/last"
	if [ $# -gt 2 ]; then
		rm -f "$LOG"
		echo "$3 $4" >"$ORDER"
		dies start_traced || ended=$?
	fi
	[ $# -gt 2 ] && [ "$ended" -eq 9 ] || start_traced
	dump >"$W/is"
	if cmp -s "$W/after" "$W/is"; then
		was=after
	else
		same "$W/before" "$W/is"
	fi
	case $known in
	no) [ $was = before ] ;;
	yes) [ $was = after ] ;;
	esac || {
		echo "the change was committed: $known; and the kernel is as $was" >&2
		return 1
	}
	registrations >"$W/registrations.is"
	[ $was = after ] || same "$W/registrations" "$W/registrations.is"
	grep -q "$INITIATOR" "$W/registrations.is"
	files_are_whole
	nothing_owed
	[ $was = before ] || restore_before
	echo "$1 $2, ${3:+start $3, }as $was: $(cat "$W/last")" >>"$W/points"
	[ ! -d "${NVMETCTL_SHARE:-}" ] || cp "$W/points" "$NVMETCTL_SHARE/kill.points"
}

nothing_owed() {
	[ "$(nvmetctl status --json | jq -c '[.debts // [], .drift // [], .failed // []] | add')" = '[]' ]
}

# kill_everywhere POINTS: so many points, spread over all calls that the change makes, before and after them in turns; each third start is killed too.
kill_everywhere() {
	local points=$1 calls i k n when
	rm -f "$LOG"
	echo "0 before" >"$ORDER"
	change
	rm "$ORDER"
	calls=$(wc -l <"$LOG")
	restore_before
	[ "$calls" -gt 50 ]
	for ((k = 0; k < points; k++)); do
		# Not in order, so that the first ones are spread as well.
		i=$((k * 73 % points))
		n=$((i * calls / points + 1))
		when=$([ $((k % 2)) = 0 ] && echo before || echo after)
		if [ $((k % 3)) = 2 ]; then
			kill_at "$n" "$when" $((k % 23 + 1)) before
		else
			kill_at "$n" "$when"
		fi || {
			echo "that was the daemon killed $when call $n of $calls: $(cat "$W/last")" >&2
			cat "$W/calls" >&2
			tail -n 20 /run/nvmetd.log >&2
			return 1
		}
	done
	dump >"$W/is"
	same "$W/before" "$W/is"
	echo "# $points points of $calls calls: $(grep -c ', as before:' "$W/points") times as before, $(grep -c ', as after:' "$W/points") as after" >&3
}
