# SPDX-License-Identifier: Apache-2.0
#
# Backends in groups of logical units: the kernel lets them from one group into another, and back into none only with the group
# (tests/conformance/target.calls).

load lib

setup() { start_all; }
teardown() { stop_all; }

# document GROUPS [ATTRIBUTES]: a ramdisk and such groups, in $T/doc.json.
document() {
	printf '{ "version": 1, "lu_groups": { %s }, "backends": { "vol0": { "type": "ramdisk", "size": "1MiB"%s } } }\n' "$1" "${2:+, $2}" \
		>"$T/doc.json"
}

members() {	# GROUP
	kernel dump | sed -n "s|^f target/core/alua/lu_gps/$1/members = ||p"
}

@test "a backend goes from one group to another that is made for it" {
	document '"g": {}' '"lu_group": "g"'
	ends 0 nvmetctl apply "$T/doc.json"
	[[ $(members g) == rd_mcp_*/vol0 ]]
	document '"g": {}, "h": {}' '"lu_group": "h"'
	kernel fault delay=200 verb=m path='*/lu_gps/h'
	ends 0 nvmetctl apply "$T/doc.json"
	[[ $(members h) == rd_mcp_*/vol0 ]]
	[ -z "$(members g)" ]
}

@test "a backend is in no group when its group is deleted" {
	document '"g": {}' '"lu_group": "g"'
	ends 0 nvmetctl apply "$T/doc.json"
	document ''
	ends 0 nvmetctl apply "$T/doc.json"
	[[ $(members default_lu_gp) == rd_mcp_*/vol0 ]]
	[ -z "$(kernel dump | grep '^d target/core/alua/lu_gps/g$')" ]
	[ "$(nvmetctl save - | grep -c lu_group)" = 0 ]
}

@test "a backend that is to leave a group that stays is refused, and nothing is changed" {
	document '"g": {}' '"lu_group": "g"'
	ends 0 nvmetctl apply "$T/doc.json"
	kernel dump >"$T/before"
	document '"g": {}'
	ends 1 nvmetctl apply "$T/doc.json"
	complains "$T/doc.json:1:65: backends/vol0: lu_group: cannot be left out again: the kernel lets a backend into another group, and out of g\
 only when that is deleted"
	diff -u "$T/before" <(kernel dump)
}

@test "a LUN goes to an ALUA group that is made for it" {
	local lun=target/iscsi/iqn.2026-11.org.example:t/tpgt_1/lun/lun_0

	lun_document() {	# GROUPS [ATTRIBUTES]
		printf '{ "version": 1, "backends": { "vol0": { "type": "ramdisk", "size": "1MiB", "alua_groups": { %s } } }, "targets": { "iscsi": {
			"iqn.2026-11.org.example:t": { "tpgs": { "1": { "luns": { "0": { "backend": "vol0"%s } } } } } } } }\n' "$1" "${2:+, $2}" >"$T/doc.json"
	}

	lun_document ''
	ends 0 nvmetctl apply "$T/doc.json"
	kernel fault delay=200 verb=m path='*/alua/ag'
	lun_document '"ag": { "access_state": "standby" }' '"alua_group": "ag"'
	ends 0 nvmetctl apply "$T/doc.json"
	kernel dump | grep "^f $lun/alua_tg_pt_gp = TG Port Alias: ag\\\\n.*State: Standby"
}
