#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The access state of a backend, as an iSCSI host and an NVMe/TCP host are told of it.
# machine: --kernel 6.12 --memory 1536
load lib

setup() {
	clean_slate
	ram_disks
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "both": { "type": "ramdisk", "size": "16MiB", "access_state": "optimized",
		      "alua_groups": { "far": { "tg_pt_gp_id": 7, "access_state": "non-optimized", "ports": [ "2" ] } } },
		    "alone": { "type": "block", "device": "/dev/ram0", "access_state": "optimized" }
		  },
		  "subsystems": { "$NQN:s1": {
		    "allow_any_host": true, "namespaces": { "1": { "backend": "both" }, "2": { "backend": "alone" } }
		  } },
		  "ports": {
		    "1": { "trtype": "tcp", "traddr": "127.0.0.1", "subsystems": [ "$NQN:s1" ] },
		    "2": { "trtype": "tcp", "traddr": "127.0.0.1", "trsvcid": "4421", "subsystems": [ "$NQN:s1" ] }
		  },
		  "targets": { "iscsi": { "$IQN:t1": { "tpgs": { "1": {
		    "authentication": false,
		    "portals": { "$ISCSI_PORTAL": {} },
		    "luns": { "0": { "backend": "both" }, "1": { "backend": "both", "alua_group": "far" } },
		    "acls": { "$INITIATOR": { "mapped_luns": { "0": { "lun": 0 }, "1": { "lun": 1 } } } }
		  } } } } }
		}
	END
	status 0 nvmetctl apply "$W/doc.json"
}

teardown() {
	leave_clean
}

# ana_states NSID: what the host has been told of its paths to the namespace, in the order of the ports.
ana_states() {
	local path nsid portal
	for path in /sys/class/nvme/nvme*/nvme*c*n*; do
		read -r nsid <"$path/nsid"
		read -r portal <"${path%/*}/address"
		[ "$nsid" != "$1" ] || echo "$portal $(cat "$path/ana_state")"
	done | sort | sed 's/.* //' | paste -sd ' '
}

# alua_state DISK GROUP: what REPORT TARGET PORT GROUPS says of it, as a number.
alua_state() {
	scsi_settle "$1"
	sg_rtpg "$1" | sed -n "/target port group id : $2 /,/asymmetric access state/s/.*asymmetric access state : //p" | cut -d' ' -f1
}

write_some() {	# DISK
	dd if=/dev/urandom of="$1" bs=4k count=1 oflag=direct status=none
}

@test "set once, a state is told to hosts of both worlds, stops their I/O, and lets it go on, without a connection lost" {
	local scsi nvme waiting
	iscsi_login "$IQN:t1" >&2
	scsi=$(iscsi_disk "$IQN:t1" 0)
	connect "$NQN:s1" >&2
	nvme=$(host_disk "$NQN:s1" 1)
	write_some "$scsi"
	write_some "$nvme"
	connection_watch
	# Neither would do without consent.
	status 6 nvmetctl set backends/both access_state=unavailable
	[ "$(ana_states 1)" = optimized ]
	status 0 nvmetctl set backends/both access_state=unavailable --disrupt
	until_equal inaccessible ana_states 1
	[ "$(alua_state "$scsi" 0xffff)" = 0x03 ]
	[ "$(ana_states 2)" = optimized ]
	nvme ana-log /dev/nvme0 >"$W/ana"
	grep -B 1 -P 'nsid\t:\t1$' "$W/ana" | grep inaccessible
	run ! write_some "$scsi"
	dd if=/dev/zero of="$nvme" bs=4k count=1 oflag=direct status=none 3>&- &
	waiting=$!
	until_true in_kernel "$waiting" blkdev
	# The daemon itself has the disk of the bridge at all times.
	status 0 nvmetctl status --verify
	lacks Drift
	status 0 nvmetctl set backends/both access_state=optimized
	wait "$waiting"
	until_equal optimized ana_states 1
	[ "$(alua_state "$scsi" 0xffff)" = 0x00 ]
	write_some "$scsi"
	[ "$(since_mark | grep -cE '[Rr]econnect|error recovery|Removing ctrl')" = 0 ]
}

@test "ports and LUNs of a group have the group's state, and a backend of NVMe hosts alone has one without the SCSI target" {
	local scsi other
	iscsi_login "$IQN:t1" >&2
	scsi=$(iscsi_disk "$IQN:t1" 1)
	other=$(iscsi_disk "$IQN:t1" 0)
	connect "$NQN:s1" >&2
	connect "$NQN:s1" -s 4421 >&2
	host_disk "$NQN:s1" 1
	until_equal "optimized non-optimized" ana_states 1
	[ "$(alua_state "$scsi" 0x7)" = 0x01 ]
	status 0 nvmetctl set backends/both/alua_groups/far access_state=offline --disrupt
	until_equal "optimized persistent-loss" ana_states 1
	[ "$(alua_state "$other" 0x7)" = 0x0e ]
	[ "$(alua_state "$other" 0xffff)" = 0x00 ]
	# 2: not ready
	run -2 scsi_settle "$scsi"
	status 0 nvmetctl set backends/alone access_state=standby --disrupt
	until_equal "inaccessible inaccessible" ana_states 2
	status 0 nvmetctl create backends/alone/alua_groups/near ports=2
	until_equal "inaccessible optimized" ana_states 2
	[ -z "$(find "$TARGET/core" -path '*/alone')" ]
	write_some "$(host_disk "$NQN:s1" 2)"
	kernel_writes nvmetctl apply <(nvmetctl save -) >"$W/writes"
	nothing_in "$W/writes"
}
