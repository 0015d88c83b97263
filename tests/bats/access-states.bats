# SPDX-License-Identifier: Apache-2.0
#
# The access state of a backend, which is set once and is an ALUA state for initiators and an ANA state for hosts. What holds is what the fake
# kernel dumps.

load lib

nqn=nqn.2026-11.org.example:s1
iqn=iqn.2026-11.org.example:t1
lun=target/iscsi/$iqn/tpgt_1/lun

setup() {
	start_all
	cat >"$T/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "both": { "type": "ramdisk", "size": "1MiB" },
		    "alone": { "type": "block", "device": "/dev/vdb" }
		  },
		  "subsystems": { "$nqn": { "allow_any_host": true,
		    "namespaces": { "1": { "backend": "both" }, "2": { "backend": "alone" } } } },
		  "ports": {
		    "1": { "trtype": "tcp", "traddr": "192.0.2.1", "subsystems": [ "$nqn" ] },
		    "2": { "trtype": "tcp", "traddr": "192.0.2.2", "subsystems": [ "$nqn" ] }
		  },
		  "targets": { "iscsi": { "$iqn": { "tpgs": { "1": { "luns": { "0": { "backend": "both" }, "1": { "backend": "both" } } } } } } }
		}
	END
	ends 0 nvmetctl apply "$T/doc.json"
}

teardown() { stop_all; }

# writes_in_order FIRST SECOND: so the plan has them.
writes_in_order() {
	local first second

	first=$(grep -nF "$1" "$T/out" | cut -d: -f1)
	second=$(grep -nF "$2" "$T/out" | cut -d: -f1)
	[ "$first" -lt "$second" ] || { cat "$T/out" >&2; return 1; }
}

# lun_is N GROUP STATE: what initiators are told.
lun_is() {
	kernel dump | grep "^f $lun/lun_$1/alua_tg_pt_gp = TG Port Alias: $2\\\\n.*Primary Access State: $3\\\\n"
}

# groups: the ANA groups of all ports but the kernel's own, and the namespaces', as "1/2 inaccessible" and "namespace 1 in 2".
groups() {
	kernel dump | sed -nE -e 's|^f nvmet/ports/([0-9]+)/ana_groups/([0-9]+)/ana_state = (.*)|\1/\2 \3|p' \
		-e 's|^f nvmet/subsystems/.*/namespaces/([0-9]+)/ana_grpid = (.*)|namespace \1 in \2|p' | grep -v '/1 optimized'
}

# hosts_see LINE…
hosts_see() {
	diff -u <(printf '%s\n' "$@") <(groups)
}

# alua_groups: those of storage objects that do not come by themselves.
alua_groups() {
	kernel dump | sed -n 's|^d target/core/.*/alua/\([^/]*\)$|\1|p' | grep -v -e default_tg_pt_gp -e '^lu_gps$'
}

@test "an access state is set once, and LUNs and namespaces have it" {
	ends 0 nvmetctl set backends/both access_state=standby
	lun_is 0 access_state Standby
	lun_is 1 access_state Standby
	hosts_see "1/2 inaccessible" "2/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
	ends 0 nvmetctl set backends/both access_state=non-optimized
	lun_is 0 access_state Active/NonOptimized
	hosts_see "1/2 non-optimized" "2/2 non-optimized" "namespace 1 in 2" "namespace 2 in 1"
}

@test "each access state is what the two standards call it" {
	local state alua ana

	while read -r state alua ana; do
		ends 0 nvmetctl set backends/both "access_state=$state"
		lun_is 0 access_state "$alua"
		hosts_see "1/2 $ana" "2/2 $ana" "namespace 1 in 2" "namespace 2 in 1"
	done <<-END
		optimized Active/Optimized optimized
		non-optimized Active/NonOptimized non-optimized
		standby Standby inaccessible
		unavailable Unavailable inaccessible
		offline Offline persistent-loss
		transitioning Transitioning change
	END
}

@test "the disk by which hosts reach a shared backend stays in the group that serves" {
	ends 0 nvmetctl set backends/both access_state=unavailable
	kernel dump | grep -E '^f target/loopback/naa.3.*/alua_tg_pt_gp = TG Port Alias: default_tg_pt_gp\\n.*State: Active/Optimized'
}

@test "the LUNs of an offline group are offline themselves, before it and until after it" {
	local offline="$lun/lun_0/alua_tg_pt_offline"

	ends 0 nvmetctl set backends/both access_state=optimized
	ends 0 nvmetctl set backends/both access_state=offline --dry-run
	writes_in_order "$offline = 1" "/alua_access_state = 14"
	ends 0 nvmetctl set backends/both access_state=offline
	kernel dump | grep "^f $offline = 1"
	ends 0 nvmetctl set backends/both access_state=standby --dry-run
	writes_in_order "/alua_access_state = 2" "$offline = 0"
	ends 0 nvmetctl set backends/both access_state=standby
	kernel dump | grep "^f $offline = 0"
	ends 0 nvmetctl create backends/both/alua_groups/far access_state=optimized
	ends 0 nvmetctl set "targets/iscsi/$iqn/tpgs/1/luns/0" alua_group=far
	ends 0 nvmetctl set backends/both/alua_groups/far access_state=offline
	kernel dump | grep "^f $offline = 1"
	kernel dump | grep "^f $lun/lun_1/alua_tg_pt_offline = 0"
}

@test "a group of ports, of SCSI and of NVMe, has a state of its own" {
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl create backends/both/alua_groups/near access_state=optimized ports=2
	ends 0 nvmetctl set "targets/iscsi/$iqn/tpgs/1/luns/1" alua_group=near
	lun_is 0 access_state Standby
	lun_is 1 near Active/Optimized
	hosts_see "1/2 inaccessible" "2/2 optimized" "namespace 1 in 2" "namespace 2 in 1"
	ends 0 nvmetctl set backends/both/alua_groups/near ports+=1 ports-=2
	hosts_see "1/2 optimized" "2/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
	ends 1 nvmetctl delete ports/1
	grep -q 'is used by backends/both/alua_groups/near' "$T/err"
	ends 0 nvmetctl delete backends/both/alua_groups/near --recursive
	lun_is 1 access_state Standby
	hosts_see "1/2 inaccessible" "2/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
}

@test "a backend that only hosts have stays a direct one, in an ANA group that no other has" {
	ends 0 nvmetctl set backends/both access_state=optimized
	ends 0 nvmetctl set backends/alone access_state=unavailable
	ends 0 nvmetctl create backends/alone/alua_groups/near ports=1
	hosts_see "1/2 optimized" "1/3 optimized" "2/2 optimized" "2/3 inaccessible" "namespace 1 in 2" "namespace 2 in 3"
	[ "$(alua_groups)" = access_state ]
	kernel dump | grep '/namespaces/2/device_path = /dev/vdb$'
}

@test "a second apply writes nothing, nor does a daemon that starts" {
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl create backends/both/alua_groups/near ports=2
	ends 0 nvmetctl save "$T/saved.json"
	kernel count >"$T/count"
	kernel dump >"$T/before"
	ends 0 nvmetctl apply "$T/saved.json"
	stop_nvmetd
	start_nvmetd
	ends 0 nvmetctl status --verify
	diff -u <(grep writes "$T/count") <(kernel count | grep writes)
	diff -u "$T/before" <(kernel dump)
}

# steady: without what the kernel numbers by itself, and lists in the order of.
steady() {
	grep -v -e /members -e /hba_info
}

@test "what is saved and restored has the same states and the same numbers" {
	ends 0 nvmetctl set backends/alone access_state=offline
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl save "$T/saved.json"
	kernel dump >"$T/before"
	ends 0 nvmetctl clear --destroy
	[ -z "$(groups)$(alua_groups)" ]
	ends 0 nvmetctl restore "$T/saved.json"
	diff -u <(steady <"$T/before") <(kernel dump | steady)
}

@test "the groups go with the last that is in them, and with the state" {
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl set ports/2 subsystems-=$nqn
	hosts_see "1/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
	ends 0 nvmetctl set ports/2 subsystems+=$nqn
	hosts_see "1/2 inaccessible" "2/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
	ends 0 nvmetctl delete "subsystems/$nqn/namespaces/1"
	hosts_see "namespace 2 in 1"
	ends 0 nvmetctl delete "targets/iscsi/$iqn/tpgs/1/luns/0"
	lun_is 1 access_state Standby
	ends 0 nvmetctl create "subsystems/$nqn/namespaces/7" backend=both
	hosts_see "1/2 inaccessible" "2/2 inaccessible" "namespace 2 in 1" "namespace 7 in 2"
	ends 0 nvmetctl set backends/both access_state=
	hosts_see "namespace 2 in 1" "namespace 7 in 1"
	lun_is 1 default_tg_pt_gp Active/Optimized
	[ -z "$(alua_groups)" ]
}

@test "a port goes, with the groups that it had for the states of backends" {
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl delete ports/2
	hosts_see "1/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
}

@test "groups and bridges are nobody's but the backend's: neither foreign nor adopted, and groups are missed when somebody takes one away" {
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl status --verify --json
	[ "$(field foreign <"$T/out")" = "[]" ]
	[ "$(nvmetctl show --json | grep -c -e foreign -e ana_groups)" = 0 ]
	ends 0 nvmetctl adopt
	[ "$(nvmetctl save - | grep -c -e ana_groups -e alua_groups -e loopback)" = 0 ]
	kernel write nvmet/ports/1/ana_groups/2/ana_state optimized
	kernel rmdir nvmet/ports/2/ana_groups/2
	ends 0 nvmetctl status --verify
	grep -q 'ports/1/ana_groups/2.*ana_state *inaccessible *optimized' "$T/out"
	ends 0 nvmetctl reconcile
	hosts_see "1/2 inaccessible" "2/2 inaccessible" "namespace 1 in 2" "namespace 2 in 1"
}

@test "a state that takes the blocks from hosts is told as such, of those whose subsystem has them; one that gives them back is not" {
	ends 0 nvmetctl create subsystems/${nqn}x allow_any_host=true
	ends 0 nvmetctl set ports/1 subsystems+=${nqn}x
	ends 0 nvmetctl set backends/both access_state=optimized
	ends 0 nvmetctl set backends/both access_state=standby --dry-run
	grep 'effect: backends/both/alua_groups/access_state: device vanishes' "$T/out" "$T/err"
	ends 0 nvmetctl set backends/both access_state=standby --dry-run --json
	field effects <"$T/out" | grep '"object": "ports/1/ana_groups/2".*"affects": \["ports/1/subsystems/'$nqn'"\]'
	ends 0 nvmetctl set backends/both access_state=standby
	ends 0 nvmetctl set backends/both access_state=non-optimized --dry-run --json
	[ -z "$(field effects <"$T/out")" ]
	ends 0 nvmetctl set backends/both access_state= --dry-run --json
	[ -z "$(field effects <"$T/out")" ]
}
