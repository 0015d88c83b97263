# SPDX-License-Identifier: Apache-2.0

load lib

setup() { start_all; }
teardown() { stop_all; }

t1=iqn.2026-11.org.example:t1
i1=iqn.2026-11.org.example:client

# has PATH TEXT…: files of the kernel below PATH, as "FILE = TEXT".
has() {
	local path=$1 line

	shift
	kernel dump >"$T/dump"
	for line; do
		grep -qxF "f $path/$line" "$T/dump" || {
			echo "$path has no $line:" >&2
			grep -F "f $path/${line%% = *}" "$T/dump" >&2
			return 1
		}
	done
}

# A document with every kind of object below a target, whose secrets are there.
write_document() {
	install -d -m 700 "$T/etc/secrets"
	umask 077
	printf client-secret-1 >"$T/etc/secrets/client.chap"
	printf target-secret-1 >"$T/etc/secrets/target.chap"
	cat >"$T/doc.json" <<-END
		{ "version": 1,
		  "lu_groups": { "site": { "lu_gp_id": 5 } },
		  "backends": {
		    "ram": { "type": "ramdisk", "size": "1MiB", "storage_object": "rd_mcp_7/ram", "vendor_id": "EXAMPLE", "product_id": "Disk 1",
		             "revision": "1.0", "company_id": "0x525400", "block_size": 4096, "queue_depth": 64, "emulate_ua_intlck_ctrl": 1,
		             "emulate_tas": false, "emulate_caw": false, "enforce_pr_isids": false, "force_pr_aptpl": true,
		             "lu_group": "site",
		             "alua_groups": { "far": { "tg_pt_gp_id": 9, "alua_access_type": "implicit", "nonop_delay_msecs": 50,
		                                       "preferred": true, "access_state": "standby" } } },
		    "prog": { "type": "user", "size": "2MiB", "dev_config": "file//srv/x", "storage_object": "user_8/prog", "hw_block_size": 4096,
		              "hw_max_sectors": 64, "max_data_area_mb": 16, "data_pages_per_blk": 2, "cmd_ring_size_mb": 4, "cmd_time_out": 5,
		              "qfull_time_out": 7, "tmr_notification": true }
		  },
		  "targets": { "iscsi": { "$t1": { "cmd_completion_affinity": -2, "tpgs": { "1": {
		      "rtpi": 300, "login_timeout": 30, "default_cmdsn_depth": 32, "MaxConnections": 2, "InitialR2T": "No",
		      "TargetAlias": "first target", "HeaderDigest": "None",
		      "portals": { "192.0.2.1:3260": {}, "[2001:db8::1]:3260": {} },
		      "luns": { "0": { "backend": "ram", "alua_group": "far" }, "3": { "backend": "prog" } },
		      "acls": { "$i1": { "userid": "joe", "password": { "file": "client.chap" }, "userid_mutual": "t", "password_mutual":
		                { "file": "target.chap" }, "nopin_timeout": 5, "dataout_timeout": 10, "cmdsn_depth": 16, "tag": "lab",
		                "mapped_luns": { "0": { "lun": 0, "write_protect": true }, "7": { "lun": 3 } } } } } } } } } }
	END
}

@test "what a document says of backends, targets and ACLs stands in the kernel's files, and is nothing to do again" {
	local ram=target/core/rd_mcp_7/ram prog=target/core/user_8/prog tpg=target/iscsi/$t1/tpgt_1

	write_document
	nvmetctl apply "$T/doc.json"
	has target/core/alua/lu_gps/site "lu_gp_id = 5"
	has $ram "enable = 1" "wwn/vendor_id = EXAMPLE" "wwn/product_id = Disk 1" "wwn/revision = 1.0" "wwn/company_id = 0x525400" \
		"attrib/block_size = 4096" "attrib/queue_depth = 64" "attrib/emulate_ua_intlck_ctrl = 1" "attrib/emulate_tas = 0" \
		"attrib/emulate_caw = 0" "attrib/enforce_pr_isids = 0" "attrib/force_pr_aptpl = 1"
	has $ram/alua/far "tg_pt_gp_id = 9" "alua_access_type = Implicit" "nonop_delay_msecs = 50" "preferred = 1" "alua_access_state = 2"
	grep -qF "f $ram/alua_lu_gp = LU Group Alias: site" "$T/dump"
	has $prog "enable = 1" "attrib/hw_block_size = 4096" "attrib/hw_max_sectors = 64" "attrib/max_data_area_mb = 16" \
		"attrib/data_pages_per_blk = 2" "attrib/cmd_ring_size_mb = 4" "attrib/nl_reply_supported = -1" "attrib/cmd_time_out = 5" \
		"attrib/qfull_time_out = 7" "attrib/tmr_notification = 1" "attrib/dev_size = 2097152" "attrib/dev_config = file//srv/x"
	has target/iscsi/$t1 "param/cmd_completion_affinity = -2"
	has $tpg "enable = 1" "rtpi = 0x12c" "attrib/login_timeout = 30" "attrib/default_cmdsn_depth = 32" "param/MaxConnections = 2" \
		"param/InitialR2T = No" "param/TargetAlias = first target" "param/HeaderDigest = None"
	has $tpg/acls/$i1 "auth/userid = joe" "auth/userid_mutual = t" "attrib/nopin_timeout = 5" "attrib/dataout_timeout = 10" \
		"cmdsn_depth = 16" "tag = lab" "lun_0/write_protect = 1" "lun_7/write_protect = 0"
	kernel count >"$T/before"
	nvmetctl apply "$T/doc.json" >"$T/out"
	diff <(grep -v calls "$T/before") <(kernel count | grep -v calls)
}

@test "what is set and left out again is the kernel's default again" {
	local tpg=target/iscsi/$t1/tpgt_1

	write_document
	nvmetctl apply "$T/doc.json"
	nvmetctl set backends/ram emulate_caw=true
	nvmetctl set targets/iscsi/$t1/tpgs/1/luns/0 alua_group= --disrupt
	nvmetctl set targets/iscsi/$t1/tpgs/1 login_timeout= MaxConnections= --disrupt
	nvmetctl set targets/iscsi/$t1/tpgs/1/acls/$i1 tag= nopin_timeout= --disrupt
	nvmetctl set targets/iscsi/$t1/tpgs/1/acls/$i1/mapped_luns/0 write_protect= --disrupt
	has target/core/rd_mcp_7/ram "attrib/emulate_caw = 1"
	has $tpg "attrib/login_timeout = 15" "param/MaxConnections = 1"
	has $tpg/acls/$i1 "attrib/nopin_timeout = 15" "lun_0/write_protect = 0"
	! grep -qF "f $tpg/acls/$i1/tag = lab" "$T/dump"
}

@test "a backend leaves a group of logical units for another one or with it, which is all that the kernel can do" {
	local ram=target/core/rd_mcp_7/ram

	write_document
	nvmetctl apply "$T/doc.json"
	ends 1 nvmetctl set backends/ram lu_group=
	complains "backends/ram: lu_group: cannot be left out again: the kernel lets a backend into another group, and out of site only when that is deleted"
	nvmetctl create lu_groups/other lu_gp_id=6
	nvmetctl set backends/ram lu_group=other
	kernel dump | grep -qF "f $ram/alua_lu_gp = LU Group Alias: other"
	ends 1 nvmetctl delete lu_groups/other
	nvmetctl delete lu_groups/other --recursive
	kernel dump | grep -qF "f $ram/alua_lu_gp = LU Group Alias: default_lu_gp"
	ends 0 nvmetctl status --verify
}
