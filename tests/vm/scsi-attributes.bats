#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# long machine: --kernel 6.12
# long machine: --kernel 6.1
# long machine: --kernel 7
# Every attribute of the table that the SCSI target has against the kernel: it takes another value, has it, is left alone while that is
# wanted, and those whose default is a constant are put back when it is wanted no longer. What there is to go through is asked of the table.
load lib

ROWS=$TOP/build/release/tests/vm/rows

# Kinds, an object of each in the base document, its folder in the kernel, and its type or fabric. Backends once for each type that can be made here; what is
# set on them has no LUN, since with one the kernel takes little.
PLACES=(
	"backends|backends/ram|core/rd_mcp_1/ram|ramdisk"
	"backends|backends/img|core/fileio_2/img|file"
	"backends|backends/prog|core/user_3/prog|user"
	"alua_groups|backends/lun/alua_groups/far|core/rd_mcp_4/lun/alua/far|ramdisk"
	"targets|targets/iscsi|iscsi|iscsi"
	"|targets/iscsi/$IQN:t|iscsi/$IQN:t|iscsi"
	"tpgs|targets/iscsi/$IQN:t/tpgs/1|iscsi/$IQN:t/tpgt_1|iscsi"
	"luns|targets/iscsi/$IQN:t/tpgs/1/luns/0|iscsi/$IQN:t/tpgt_1/lun/lun_0|iscsi"
	"acls|targets/iscsi/$IQN:t/tpgs/1/acls/$INITIATOR|iscsi/$IQN:t/tpgt_1/acls/$INITIATOR|iscsi"
	"mapped_luns|targets/iscsi/$IQN:t/tpgs/1/acls/$INITIATOR/mapped_luns/0|iscsi/$IQN:t/tpgt_1/acls/$INITIATOR/lun_0|iscsi"
	"tpgs|targets/loopback/naa.5000000000000001/tpgs/1|loopback/naa.5000000000000001/tpgt_1|loopback"
	"tpgs|targets/vhost/naa.5000000000000002/tpgs/1|vhost/naa.5000000000000002/tpgt_1|vhost"
	"tpgs|targets/sbp/0123456789abcdef/tpgs/1|sbp/0123456789abcdef/tpgt_1|sbp"
)

setup() {
	clean_slate
	cat >"$W/base.json" <<-END
		{ "version": 1,
		  "backends": {
		    "ram": { "type": "ramdisk", "size": "1MiB", "data_path": "shared", "storage_object": "rd_mcp_1/ram" },
		    "img": { "type": "file", "path": "$W/img", "size": "1MiB", "create": true, "data_path": "shared",
		             "storage_object": "fileio_2/img" },
		    "prog": { "type": "user", "size": "1MiB", "dev_config": "none/x", "storage_object": "user_3/prog" },
		    "lun": { "type": "ramdisk", "size": "1MiB", "storage_object": "rd_mcp_4/lun", "alua_groups": { "far": {}, "near": {} } } },
		  "targets": {
		    "iscsi": { "$IQN:t": { "tpgs": { "1": { "rtpi": 1, "luns": { "0": { "backend": "lun" } },
		      "acls": { "$INITIATOR": { "userid": "joe", "password": { "file": "joe" },
		                                "mapped_luns": { "0": { "lun": 0 } } } } } } } },
		    "loopback": { "naa.5000000000000001": { "tpgs": { "1": {} } } },
		    "vhost": { "naa.5000000000000002": { "tpgs": { "1": {} } } },
		    "sbp": { "0123456789abcdef": { "tpgs": { "1": { "rtpi": 2, "enable": false } } } } } }
	END
	mkdir -p -m 700 /etc/nvmetctl/secrets
	(umask 077 && printf joes-secret-12 >/etc/nvmetctl/secrets/joe)
}

teardown() {
	leave_clean
	rm -rf /etc/nvmetctl/secrets
}

# What to set: the table's own suggestion, but where the value must fit to others or mean something; nothing where it cannot be tried here.
assignment() {	# PLACE NAME SUGGESTION
	case ${1##*/}.$2 in
	# The kernel has one value of it, or tells what somebody else did last. Out of a group of units no way leads but to another.
	*.emulate_rest_reord | *.IFMark* | *.OFMark* | *.alua_access_status | *.alua_tg_pt_status | *.lu_group) ;;
	# Follows another.
	*.AuthMethod) ;;
	# With a secret, which other tests have.
	*.discovery_* | *.enforce_discovery_auth | *.userid* | *.password*) ;;
	# The kernel takes one value, or has another attribute decide.
	*.emulate_dpo | *.emulate_fua_read | *.product_id) ;;
	# Its handler is asked, and there is none.
	prog.emulate_write_cache) ;;
	# Memory cannot be given back.
	ram.emulate_tpu | ram.emulate_tpws | ram.unmap_zeroes_data) ;;
	# The state goes by them.
	far.alua_support_standby) ;;
	far.access_state) echo access_state=standby ;;
	far.alua_access_type) echo alua_access_type=implicit ;;
	# Without LUNs that cannot be enabled.
	1.enable) [[ $1 == */sbp/* ]] || echo "$2=$3" ;;
	*.cpus_allowed_list) echo cpus_allowed_list=0 ;;
	*.HeaderDigest | *.DataDigest) echo "$2=None" ;;
	*.TargetAlias) echo TargetAlias=other ;;
	*.rtpi) [[ $1 == */sbp/* ]] && echo rtpi=8 || echo rtpi=7 ;;
	*.block_size) echo block_size=1024 ;;
	*.directory_id) echo directory_id=00a1b2 ;;
	*.alua_group) echo alua_group=near ;;
	*) echo "$2=$3" ;;
	esac
}

# rows_of KIND FOLDER VARIANT: those whose file is there.
rows_of() {
	local kind name file rest
	while IFS='|' read -r kind name file rest; do
		[ "$kind" != "$1" ] || [ ! -e "$TARGET/$2/$file" ] || echo "$name|$file|$rest"
	done < <("$ROWS" of "$3")
}

kernel_value() {	# KIND NAME FILE
	"$ROWS" canonical "$1" "$2" <"$3"
}

# Of those that go back by themselves.
constants() {
	local kind place folder variant name file source rest
	while IFS='|' read -r kind place folder variant; do
		while IFS='|' read -r name file source rest; do
			[ "$source" != constant ] || echo "$place $name $(kernel_value "$kind" "$name" "$TARGET/$folder/$file")"
		done < <(rows_of "$kind" "$folder" "$variant")
	done < <(printf '%s\n' "${PLACES[@]}")
}

set_and_check() {	# KIND PLACE FOLDER VARIANT
	local name file source default other edit is n wrong=0
	local -a edits files
	while IFS='|' read -r name file source default other; do
		edit=$(assignment "$2" "$name" "$other")
		[ -n "$edit" ] || continue
		edits+=("$edit")
		files+=("$file")
	done < <(rows_of "$1" "$3" "$4")
	[ ${#edits[@]} -gt 0 ] || return 1
	status 0 nvmetctl set "$2" "${edits[@]}" --disrupt --destroy || return 1
	for ((n = 0; n < ${#edits[@]}; n++)); do
		is=$(kernel_value "$1" "${edits[n]%%=*}" "$TARGET/$3/${files[n]}")
		[ "$is" = "${edits[n]#*=}" ] || {
			echo "$2 ${edits[n]}: the kernel has '$is'" >&2
			wrong=1
		}
	done
	return $wrong
}

@test "every attribute of a SCSI target takes another value, is then left alone, and goes back when it is wanted no longer" {
	local kind place folder variant before n=0 wrong=0
	status 0 nvmetctl apply "$W/base.json"
	before=$(constants)
	while IFS='|' read -r kind place folder variant; do
		set_and_check "$kind" "$place" "$folder" "$variant" || wrong=1
		n=$((n + 1))
	done < <(printf '%s\n' "${PLACES[@]}")
	[ $n = ${#PLACES[@]} ]
	[ $wrong = 0 ]
	nvmetctl save "$W/now.json"
	[ -z "$(kernel_writes nvmetctl apply "$W/now.json" | tee /dev/stderr)" ]
	[ -z "$(kernel_writes nvmetctl reconcile | tee /dev/stderr)" ]
	status 0 nvmetctl apply "$W/base.json" --disrupt --destroy
	diff <(echo "$before") <(constants) >&2
}

@test "of a feature that the kernel lacks the error says which it is and what it needs, and all stays as it was" {
	local kind place folder variant edit n=0
	status 0 nvmetctl apply "$W/base.json"
	dump >"$W/before"
	while IFS='|' read -r kind place folder variant; do
		while read -r edit; do
			status 1 nvmetctl set "$place" "$edit" --disrupt --destroy
			[[ $output =~ :\ "${edit%%=*}:"\ .*\ is\ not\ in\ this\ kernel:\ it\ needs\ Linux\ [67]\.[0-9] ]] || {
				echo "$output" >&2
				false
			}
			n=$((n + 1))
		done < <(edits_lacking "$kind" "$folder" "$variant")
	done < <(printf '%s\n' "${PLACES[@]}")
	[ $n -gt 0 ] || skip "kernel $(uname -r) lacks nothing"
	dump >"$W/after"
	same "$W/before" "$W/after"
}

# Without those that an older kernel chooses by itself.
edits_lacking() {	# KIND FOLDER VARIANT
	local kind name file source default other
	while IFS='|' read -r kind name file source default other; do
		[ "$kind" != "$1" ] || [ -e "$TARGET/$2/$file" ] || [ "$source" = generated ] || echo "$name=$other"
	done < <("$ROWS" of "$3")
}
