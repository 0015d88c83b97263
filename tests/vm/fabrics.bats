#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --memory 1536
#
# Fabrics that a kernel sets up though there is no hardware for them: fc, sbp, and srpt with RDMA over lo. Nobody logs in. qla2xxx takes the
# names of adapters alone, and xen-pvscsi a machine under Xen: of those the errors.
load lib

setup() {
	clean_slate
	ram_disks
}

teardown() {
	leave_clean
	rdma link delete rxe0 2>/dev/null || :
}

# A document with a target of each, an ACL and a mapped LUN.
write_document() {
	local guid=$1
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "a": { "type": "block", "device": "/dev/ram0" },
		    "b": { "type": "ramdisk", "size": "4MiB" }
		  },
		  "targets": {
		    "fc": { "21:00:00:24:ff:31:4c:48": { "tpgs": { "1": {
		      "luns": { "0": { "backend": "a" }, "3": { "backend": "b" } },
		      "acls": { "21:00:00:24:ff:31:4c:4a": { "tag": "left", "node_name": "20:00:00:24:ff:31:4c:4a", "mapped_luns": { "0": { "lun": 3, "write_protect": true } } } } } } } },
		    "sbp": { "0123456789abcdef": { "tpgs": { "1": {
		      "directory_id": "00a0b8", "mgt_orb_timeout": 20, "max_logins_per_lun": 2,
		      "luns": { "0": { "backend": "a" } },
		      "acls": { "0123456789abcde0": { "mapped_luns": { "0": { "lun": 0 } } } } } } } },
		    "srpt": { "rdma_cm_port": 5000, "$guid": { "tpgs": { "1": {
		      "srp_sq_size": 256, "use_srq": true,
		      "luns": { "0": { "backend": "b" } },
		      "acls": { "0x00000000000000000200000000000001": { "mapped_luns": { "2": { "lun": 0 } } } } } } } }
		  }
		}
	END
}

@test "targets of fc, sbp and srpt are made, left alone by who asks again and by a daemon that starts, and go without a trace" {
	local target=/sys/kernel/config/target guid

	modprobe rdma_rxe
	rdma link add rxe0 type rxe netdev lo
	guid=$(cat /sys/class/infiniband/rxe0/node_guid)
	write_document "$guid"
	status 0 nvmetctl apply "$W/doc.json"
	[ "$(cat $target/fc/21:00:00:24:ff:31:4c:48/tpgt_1/acls/21:00:00:24:ff:31:4c:4a/lun_0/write_protect)" = 1 ]
	[ "$(cat $target/sbp/0123456789abcdef/tpgt_1/directory_id)" = 00a0b8 ]
	[ "$(cat $target/sbp/0123456789abcdef/tpgt_1/enable)" = 1 ]
	[ "$(cat "$target/srpt/$guid/tpgt_1/attrib/srp_sq_size")" = 256 ]
	[ "$(cat "$target/srpt/$guid/tpgt_1/enable")" = 1 ]
	[ "$(cat $target/srpt/discovery_auth/rdma_cm_port)" = 5000 ]

	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	status 0 nvmetctl status --verify
	lacks Drift
	daemon stop
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"

	dump >"$W/full"
	nvmetctl save "$W/saved"
	status 0 nvmetctl clear --disrupt --destroy
	[ -z "$(exported)" ]
	status 0 nvmetctl restore "$W/saved"
	dump | same "$W/full" -
}

@test "of a fabric that this machine cannot have, the error says whether it is the module or the port" {
	dump >"$W/before"
	status 1 nvmetctl create targets/xen-pvscsi create targets/xen-pvscsi/naa.5001405c0ffee003
	contains "targets/xen-pvscsi: the module xen-scsiback cannot be loaded: No such device"
	status 1 nvmetctl create targets/qla2xxx create targets/qla2xxx/21:00:00:24:ff:31:4c:48
	contains "targets/qla2xxx/21:00:00:24:ff:31:4c:48: this machine has no target port of that name"
	dump | same "$W/before" -
}
