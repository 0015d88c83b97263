# SPDX-License-Identifier: Apache-2.0
#
# The fabrics that the machine of the tests has no hardware for, over the fake kernel: qla2xxx, srpt, fc, sbp and xen-pvscsi. What of them real
# kernels do without hardware is in tests/vm/fabrics.bats.

load lib

setup() { make_work_dir; start_bus; }
teardown() { stop_all; }

begin() {
	start_kernel --log "$T/kernel.calls"
	kernel load target_core_mod
	kernel hardware qla2xxx 21:00:00:24:ff:31:4c:48
	kernel hardware srpt 0xfe80000000000000f4521403007be211
	kernel hardware xen-pvscsi
	start_nvmetd
}

# Both trees, but for how many plugins' folders there ever were.
trees() {
	kernel dump | grep -v /hba_info
}

holds() {	# LINE…: the kernel's dump has them
	local line

	for line; do
		kernel dump | grep -qxFe "$line" || { echo "missing: $line"; kernel dump | grep target/; return 1; }
	done
}

# goes_round FABRIC WWN TAG [ACL]: all that its targets have is made, is what was asked for, is left alone by who asks again and by a daemon
# that starts, and goes without a trace.
goes_round() {
	local fabric=$1 wwn=$2 acl=${4:-} group=targets/$1/$2/tpgs/$3 folder=target/$1/$2/tpgt_$3 acls=()

	begin
	ends 0 nvmetctl create backends/b type=block device=/dev/vdb
	trees >"$T/empty"
	[ -z "$acl" ] || acls=(create "$group/acls/$acl" create "$group/acls/$acl/mapped_luns/5" lun=0 write_protect=true)
	ends 0 nvmetctl create "targets/$fabric" create "targets/$fabric/$wwn" create "$group" create "$group/luns/0" backend=b "${acls[@]}"
	storage=$(kernel dump | sed -n 's,^d \(target/core/iblock_[0-9]*/b\)$,\1,p')
	holds "d $folder/lun/lun_0"
	kernel dump | grep -q "^l $folder/lun/lun_0/.* -> $storage$"
	if [ -n "$acl" ]; then
		holds "d $folder/acls/$acl/lun_5" "f $folder/acls/$acl/lun_5/write_protect = 1"
		kernel dump | grep -q "^l $folder/acls/$acl/lun_5/.* -> $folder/lun/lun_0$"
	fi

	nvmetctl save "$T/saved"
	writes_nothing ends 0 nvmetctl apply "$T/saved"
	stop_nvmetd
	writes_nothing start_nvmetd
	writes_nothing ends 0 nvmetctl reconcile
	ends 0 nvmetctl status --verify
	! grep Drift "$T/out" || return 1

	# Once more from nothing, and as it was.
	trees >"$T/full"
	ends 0 nvmetctl clear --disrupt --destroy
	! kernel dump | grep -E "target/$fabric|target/core/iblock" || return 1
	ends 0 nvmetctl restore "$T/saved"
	diff -u "$T/full" <(trees)
	ends 0 nvmetctl delete --disrupt --recursive "targets/$fabric"
	diff -u "$T/empty" <(trees)
}

@test "qla2xxx: targets, LUNs and ACLs are made and go; whom no ACL names is not let in, though the kernel would" {
	goes_round qla2xxx 21:00:00:24:ff:31:4c:48 1 21:00:00:24:ff:31:4c:4a
	ends 0 nvmetctl create targets/qla2xxx create targets/qla2xxx/21:00:00:24:ff:31:4c:48 \
		create targets/qla2xxx/21:00:00:24:ff:31:4c:48/tpgs/1
	holds 'f target/qla2xxx/21:00:00:24:ff:31:4c:48/tpgt_1/attrib/generate_node_acls = 0' \
		'f target/qla2xxx/21:00:00:24:ff:31:4c:48/tpgt_1/enable = 1'
	# It is closed before it is opened.
	kernel_log=$(grep -n 'generate_node_acls = 0\|tpgt_1/enable = 1' "$T/kernel.calls" | tail -n 2)
	[[ $kernel_log == *generate_node_acls*enable* ]]
	ends 0 nvmetctl set targets/qla2xxx/21:00:00:24:ff:31:4c:48/tpgs/1 generate_node_acls=true fabric_prot_type=1
	holds 'f target/qla2xxx/21:00:00:24:ff:31:4c:48/tpgt_1/attrib/generate_node_acls = 1' \
		'f target/qla2xxx/21:00:00:24:ff:31:4c:48/tpgt_1/attrib/fabric_prot_type = 1'
}

@test "srpt: targets, LUNs and ACLs are made and go; attributes reach the kernel" {
	goes_round srpt 0xfe80000000000000f4521403007be211 1 0xfe80000000000000f4521403007be212
	ends 0 nvmetctl create targets/srpt rdma_cm_port=5000 create targets/srpt/0xfe80000000000000f4521403007be211 \
		create targets/srpt/0xfe80000000000000f4521403007be211/tpgs/1 srp_sq_size=128 use_srq=true
	holds 'f target/srpt/discovery_auth/rdma_cm_port = 5000' \
		'f target/srpt/0xfe80000000000000f4521403007be211/tpgt_1/attrib/srp_sq_size = 128' \
		'f target/srpt/0xfe80000000000000f4521403007be211/tpgt_1/attrib/use_srq = 1' \
		'f target/srpt/0xfe80000000000000f4521403007be211/tpgt_1/enable = 1'
}

@test "fc: targets, LUNs and ACLs are made and go; there is nothing to enable" {
	goes_round fc 21:00:00:24:ff:31:4c:49 1 21:00:00:24:ff:31:4c:4a
	! grep 'target/fc/.*/enable' "$T/kernel.calls" || return 1
	ends 0 nvmetctl create targets/fc create targets/fc/21:00:00:24:ff:31:4c:49 create targets/fc/21:00:00:24:ff:31:4c:49/tpgs/1 \
		create targets/fc/21:00:00:24:ff:31:4c:49/tpgs/1/acls/21:00:00:24:ff:31:4c:4a node_name=20:00:00:24:ff:31:4c:4a
	holds 'f target/fc/21:00:00:24:ff:31:4c:49/tpgt_1/acls/21:00:00:24:ff:31:4c:4a/node_name = 20:00:00:24:ff:31:4c:4a'
	nvmetctl save "$T/saved"
	writes_nothing ends 0 nvmetctl apply "$T/saved"
}

@test "sbp: targets, LUNs and ACLs are made and go; the directory is written before the unit is enabled" {
	goes_round sbp 0123456789abcdef 1 0123456789abcde0
	ends 0 nvmetctl create targets/sbp create targets/sbp/0123456789abcdef \
		create targets/sbp/0123456789abcdef/tpgs/1 directory_id=00a0b8 max_logins_per_lun=3 \
		create targets/sbp/0123456789abcdef/tpgs/1/luns/0 backend=b
	holds 'f target/sbp/0123456789abcdef/tpgt_1/directory_id = 00a0b8' \
		'f target/sbp/0123456789abcdef/tpgt_1/attrib/max_logins_per_lun = 3'
	order=$(grep -n 'directory_id\|tpgt_1/enable = 1' "$T/kernel.calls" | tail -n 2)
	[[ $order == *directory_id*enable* ]]
	# Which the kernel takes only while it is disabled.
	ends 0 nvmetctl set --disrupt --destroy targets/sbp/0123456789abcdef/tpgs/1 directory_id=implicit
	holds 'f target/sbp/0123456789abcdef/tpgt_1/directory_id = implicit' 'f target/sbp/0123456789abcdef/tpgt_1/enable = 1'
}

@test "xen-pvscsi: targets and LUNs are made with a nexus, and go" {
	goes_round xen-pvscsi naa.5001405c0ffee003 0
	grep -q 'target/xen-pvscsi/naa.5001405c0ffee003/tpgt_0/nexus = naa.5001405c0ffee003' "$T/kernel.calls"
}

@test "names that a fabric's ports or initiators cannot have are refused, with the form that they have" {
	local path form

	while read -r path form; do
		printf '{ "version": 1, "targets": %s }' "$path" >"$T/doc.json"
		ends 3 nvmetctl check "$T/doc.json"
		grep -qF "$form" "$T/err" || { cat "$T/err"; return 1; }
	done <<-'END'
		{"qla2xxx":{"21000024ff314c48":{}}} is no name of a target of fabric qla2xxx: the port's WWPN, xx:xx:xx:xx:xx:xx:xx:xx
		{"qla2xxx":{"21:00:00:24:FF:31:4C:48":{}}} is no name of a target of fabric qla2xxx
		{"qla2xxx":{"21:00:00:24:ff:31:4c:48":{"tpgs":{"2":{}}}}} must be tpgs/1: targets of fabric qla2xxx have no other portal group
		{"fc":{"21:00:00:24:ff:31:4c":{}}} is no name of a target of fabric fc: the port's WWPN
		{"fc":{"21:00:00:24:ff:31:4c:48":{"tpgs":{"0":{}}}}} must be tpgs/1
		{"fc":{"21:00:00:24:ff:31:4c:48":{"tpgs":{"1":{"acls":{"iqn.2026-11.org.example:c":{}}}}}}} is no name of an initiator of fabric fc
		{"fc":{"21:00:00:24:ff:31:4c:48":{"tpgs":{"1":{"acls":{"21:00:00:24:ff:31:4c:4a":{"node_name":"20:00:00:24:FF:31:4c:4a"}}}}}}} node_name: 20:00:00:24:FF:31:4c:4a is no world wide name
		{"sbp":{"0123456789abcdef":{"tpgs":{"1":{}}}}} enable: must be false as long as there is no LUN
		{"srpt":{"fe80000000000000f4521403007be211":{}}} is no name of a target of fabric srpt: the port's GUID, xxxx:xxxx:xxxx:xxxx, or GID
		{"sbp":{"01:23:45:67:89:ab:cd:ef":{}}} is no name of a target of fabric sbp: a GUID, 16 hexadecimal digits
		{"sbp":{"0123456789abcdef":{"tpgs":{"1":{},"2":{}}}}} has 2 portal groups; targets of fabric sbp have one
		{"xen-pvscsi":{"eui.0123456789abcdef":{}}} is no name of a target of fabric xen-pvscsi: naa. with 16 or 32
		{"xen-pvscsi":{"naa.5001405c0ffee003":{"tpgs":{"0":{"acls":{"naa.5001405c0ffee004":{}}}}}}} is nothing that fabric xen-pvscsi has
		{"xen-pvscsi":{"naa.5001405c0ffee003":{"tpgs":{"0":{"nexus":"iqn.2026-11.org.example:x"}}}}} must begin with naa.
		{"srpt":{"0xfe80000000000000f4521403007be211":{"tpgs":{"1":{"portals":{"192.0.2.1:3260":{}}}}}}} portals are those of iscsi
		{"tcm_fc":{"21:00:00:24:ff:31:4c:48":{}}} is no fabric: iscsi, loopback, vhost, qla2xxx, srpt, fc, sbp or xen-pvscsi
	END
}

@test "of a fabric whose module is missing, or does not load, the error names the module, and nothing is left" {
	local fabric wwn said

	start_kernel --without TCM_QLA2XXX --without INFINIBAND_SRPT --without TCM_FC --without SBP_TARGET
	kernel load target_core_mod
	start_nvmetd
	trees >"$T/empty"
	while read -r fabric wwn said; do
		ends 1 nvmetctl create "targets/$fabric" create "targets/$fabric/$wwn"
		grep -q "^nvmetctl: targets/$fabric: $said$" "$T/err" || { cat "$T/err"; return 1; }
		diff -u "$T/empty" <(trees)
	done <<-'END'
		qla2xxx 21:00:00:24:ff:31:4c:48 this kernel has no module tcm_qla2xxx
		srpt 0xfe80000000000000f4521403007be211 this kernel has no module ib_srpt
		fc 21:00:00:24:ff:31:4c:49 this kernel has no module tcm_fc
		sbp 0123456789abcdef this kernel has no module sbp_target
		xen-pvscsi naa.5001405c0ffee003 the module xen-scsiback cannot be loaded: No such device
	END
}

@test "a port that the machine does not have is told as such, and its fabric is left as it was" {
	begin
	ends 0 nvmetctl create targets/qla2xxx
	ends 1 nvmetctl create targets/qla2xxx/21:00:00:24:ff:31:4c:77
	grep -q 'this machine has no target port of that name, or the fabric does not take it' "$T/err"
	holds 'd target/qla2xxx'
}
