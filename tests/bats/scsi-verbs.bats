# SPDX-License-Identifier: Apache-2.0
#
# The SCSI side of the command line: export, unexport, show and help.

load lib

nqn=nqn.2026-11.org.example:s1
iqn=iqn.2026-11.org.example:t1
client=iqn.2026-11.org.example:client
other=iqn.2026-11.org.example:other
target=targets/iscsi/$iqn
group=$target/tpgs/1

setup() { make_work_dir; }
teardown() { stop_all; }

# begin [FILE]: the daemon, with a document as its saved state.
begin() {
	[ $# = 0 ] || install -D -m 600 "$1" "$T/etc/config.json"
	start_bus
	start_kernel
	start_nvmetd
}

# exported: a document with one disk on both sides, and another for initiators alone.
exported() {
	cat >"$T/exported.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "vol0": { "type": "block", "device": "/dev/vdb" },
		    "vol1": { "type": "block", "device": "/dev/vdc" }
		  },
		  "subsystems": { "$nqn": { "allow_any_host": true, "namespaces": { "1": { "backend": "vol0" } } } },
		  "ports": { "1": { "trtype": "tcp", "traddr": "192.0.2.1", "trsvcid": "4420", "subsystems": [ "$nqn" ] } },
		  "targets": { "iscsi": { "$iqn": { "tpgs": { "1": {
		    "portals": { "192.0.2.1:3260": {}, "[2001:db8::1]:3260": {} },
		    "luns": { "0": { "backend": "vol0" }, "1": { "backend": "vol1" } },
		    "acls": { "$client": { "userid": "joe", "password": { "file": "joe" },
		                           "mapped_luns": { "0": { "lun": 0 }, "7": { "lun": 1, "write_protect": true } } } }
		  } } } } }
		}
	END
	begin "$T/exported.json"
}

# plans STATUS COMMAND…: a dry run of it; made and removed say what it would make and take away.
plans() {
	local expected=$1

	shift
	ends "$expected" "$@" --dry-run
	complains
	[[ "$(tail -n 1 "$T/out")" == *"dry run, nothing was done." ]]
}

# goes PATH…: exactly these objects are what a dry run of unexport would take away.
goes() {
	python3 -c 'import json, sys; print(*sorted(json.load(open(sys.argv[1]))["deletions"]), sep="\n")' "$T/out" >"$T/deletions"
	diff -u <(printf '%s\n' "$@" | LC_ALL=C sort) "$T/deletions"
}

# without PATTERN: nothing like it was printed.
without() {
	if grep -e "$1" "$T/out"; then
		echo "is not wanted"
		return 1
	fi
}

# writes FILE = VALUE…: the plan holds these writes.
writes() {
	local line

	for line; do
		grep -Fqx "          write $line" "$T/out" || { echo "missing: $line"; cat "$T/out"; return 1; }
	done
}

# ---- export ----

@test "export --iscsi: one line makes target, portal group, LUN, portal and ACL, with the LUN mapped" {
	begin
	plans 0 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client
	grep -q "^8 created, 0 changed, 0 removed" "$T/out"
	writes "target/iscsi/$iqn/tpgt_1/attrib/authentication = 0"
	plans 0 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client --initiator $other --portal 192.0.2.1 --portal '[2001:db8::1]:3261'
	grep -q "^11 created, 0 changed, 0 removed" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/np/192.0.2.1:3260$" "$T/out"
	grep -qF "target/iscsi/$iqn/tpgt_1/np/[2001:db8::1]:3261" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/acls/$other/lun_0$" "$T/out"
}

@test "export --iscsi: any initiator is let in to write, without authentication unless it is asked for" {
	begin
	plans 0 nvmetctl export /dev/vdb --iscsi $iqn --any-initiator
	writes "target/iscsi/$iqn/tpgt_1/attrib/authentication = 0" "target/iscsi/$iqn/tpgt_1/attrib/generate_node_acls = 1" \
		"target/iscsi/$iqn/tpgt_1/attrib/demo_mode_write_protect = 0"
	without "/acls/"
	install -d -m 700 "$T/etc/secrets"
	(umask 077 && printf 'a secret of its own' >"$T/etc/secrets/joe")
	plans 0 nvmetctl export /dev/vdb --iscsi $iqn --any-initiator --chap-user joe --chap-password-file joe
	writes "target/iscsi/$iqn/tpgt_1/auth/userid = joe"
	without "authentication"
	without "a secret of its own"
}

@test "export --nvme and --iscsi in one line: one backend for both" {
	begin
	plans 0 nvmetctl export /dev/vdb --nvme $nqn --any-host --port tcp:192.0.2.1 --iscsi $iqn --initiator $client
	grep -q "^11 created, 0 changed, 0 removed" "$T/out"
}

@test "export: what is there already stays, and the initiator's lines are said again" {
	exported
	ends 0 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client --portal 192.0.2.1:3260
	complains
	prints "It is exported like that already." "iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260" "iscsiadm -m node -T $iqn --login"
	# The same address in another way, and a backend by its name; a number of the LUN's own is no other LUN.
	ends 0 nvmetctl export vol1 --iscsi $iqn --portal '2001:0db8:0::1' --lun 1
	prints "It is exported like that already." "iscsiadm -m discovery -t sendtargets -p '[2001:db8::1]:3260'" \
		"iscsiadm -m node -T $iqn --login"
	ends 0 nvmetctl export backends/vol0 --nvme $nqn --iscsi $iqn --chap-user joe --chap-password-file joe --initiator $client
	prints "It is exported like that already." "nvme connect -t tcp -a 192.0.2.1 -s 4420 -n $nqn" \
		"iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260" "iscsiadm -m node -T $iqn --login" \
		"The initiator needs, in its iscsid.conf, node.session.auth.authmethod = CHAP, node.session.auth.username = joe, and the secret as node.session.auth.password."
}

@test "export --iscsi: a new LUN gets the next free number, and is mapped to those who may log in already" {
	exported
	plans 0 nvmetctl export /dev/vdd --iscsi $iqn
	grep -q "^3 created, 0 changed, 0 removed" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/lun/lun_2$" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/acls/$client/lun_2$" "$T/out"
	# Who is named is the only one.
	plans 0 nvmetctl export /dev/vdd --iscsi $iqn --lun 7 --initiator $other --chap-user moe --chap-password-file moe
	grep -q "^4 created, 0 changed, 0 removed" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/acls/$other/lun_7$" "$T/out"
	without "acls/$client"
	# A number that the initiator has for another LUN is not taken.
	plans 0 nvmetctl export /dev/vdd --iscsi $iqn --lun 7
	grep -q "target/iscsi/$iqn/tpgt_1/acls/$client/lun_1$" "$T/out"
}

@test "export --iscsi: one more initiator or portal is added to what is there" {
	exported
	plans 0 nvmetctl export vol1 --iscsi $iqn --initiator $other --portal 198.51.100.1:3261 --chap-user moe --chap-password-file moe
	grep -q "^3 created, 0 changed, 0 removed" "$T/out"
	grep -q "target/iscsi/$iqn/tpgt_1/acls/$other/lun_1$" "$T/out"
}

@test "export: what the line lacks or has too much of" {
	begin
	ends 2 nvmetctl export /dev/vdb
	complains "export: --nvme NQN or --iscsi IQN is missing: the subsystem or target to export in"
	ends 2 nvmetctl export /dev/vdb --nvme $nqn --initiator $client
	complains "export: --portal, --initiator, --any-initiator, --lun and --chap-… go with --iscsi IQN"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --host $nqn
	complains "export: --port, --host, --any-host and --nsid go with --nvme NQN"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --any-initiator --initiator $client
	complains "export: --any-initiator and --initiator exclude each other"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client --chap-user joe
	complains "export: --chap-user and --chap-password-file go together"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --chap-user joe --chap-password-file joe
	complains "export: --chap-user needs --initiator IQN or --any-initiator: who is to know the secret"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --any-initiator --chap-user joe --chap-password-file /tmp/joe
	complains "export: --chap-password-file takes the name of a file below nvmetd's folder of secrets, not a path: /tmp/joe"
	ends 2 nvmetctl export /dev/vdb --iscsi $iqn --portal 192.0.2.1:99999
	complains "export: --portal takes ADDRESS[:PORT], as 192.0.2.1:3260 or [2001:db8::1]:3260, not 192.0.2.1:99999"
	ends 1 nvmetctl export backends/gone --iscsi $iqn
	complains "backends/gone: there is no such object"
}

# ---- unexport ----

@test "unexport: takes the LUNs away with what maps them, and what is empty then" {
	exported
	nvmetctl unexport vol1 --dry-run --json >"$T/out"
	goes backends/vol1 $group/acls/$client/mapped_luns/7 $group/luns/1
	nvmetctl unexport /dev/vdb --dry-run --json >"$T/out"
	goes backends/vol0 subsystems/$nqn subsystems/$nqn/namespaces/1 ports/1 $group/acls/$client/mapped_luns/0 $group/luns/0
}

# alone [FABRIC-ATTRIBUTE]: one target of one LUN.
alone() {
	cat >"$T/alone.json" <<-END
		{
		  "version": 1,
		  "backends": { "vol1": { "type": "block", "device": "/dev/vdc" } },
		  "targets": { "iscsi": { ${1:-} "$iqn": { "tpgs": { "1": { "authentication": false,
		    "portals": { "192.0.2.1:3260": {} }, "luns": { "0": { "backend": "vol1" } },
		    "acls": { "$client": { "mapped_luns": { "0": { "lun": 0 } } } }
		  } } } } }
		}
	END
	begin "$T/alone.json"
}

@test "unexport: a target goes with its last LUN, and its fabric with it" {
	alone
	nvmetctl unexport vol1 --dry-run --json >"$T/out"
	goes backends/vol1 targets/iscsi $target $group $group/luns/0 $group/portals/192.0.2.1:3260 $group/acls/$client \
		$group/acls/$client/mapped_luns/0
}

@test "unexport: a fabric with attributes of its own stays" {
	alone '"discovery_userid": "d", "discovery_password": { "file": "d" },'
	nvmetctl unexport vol1 --dry-run --json >"$T/out"
	goes backends/vol1 $target $group $group/luns/0 $group/portals/192.0.2.1:3260 $group/acls/$client \
		$group/acls/$client/mapped_luns/0
}

# ---- both, in the kernel ----

# kernel_has PATTERN…: patterns of grep, for whole lines of its dump. kernel_lacks PATTERN…: none of them.
kernel_has() {
	local pattern

	kernel dump >"$T/dump"
	for pattern; do
		grep -qxe "$pattern" "$T/dump" || { echo "missing: $pattern"; cat "$T/dump"; return 1; }
	done
}

kernel_lacks() {
	local pattern

	kernel dump >"$T/dump"
	for pattern; do
		if grep -xe "$pattern" "$T/dump"; then
			echo "is not wanted"
			return 1
		fi
	done
}

@test "export --iscsi and unexport: what was made is in the kernel, and gone" {
	begin
	ends 0 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client --portal 192.0.2.1
	complains
	[ "$(tail -n 2 "$T/out")" = "iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260
iscsiadm -m node -T $iqn --login" ]
	kernel_has "d target/iscsi/$iqn/tpgt_1/np/192.0.2.1:3260" "f target/iscsi/$iqn/tpgt_1/enable = 1" \
		"l target/iscsi/$iqn/tpgt_1/lun/lun_0/[^ ]* -> target/core/iblock_[0-9]*/vdb" \
		"l target/iscsi/$iqn/tpgt_1/acls/$client/lun_0/[^ ]* -> target/iscsi/$iqn/tpgt_1/lun/lun_0"
	ends 0 nvmetctl export vdb --iscsi $iqn --initiator $client
	[ "$(head -n 1 "$T/out")" = "It is exported like that already." ]
	ends 0 nvmetctl unexport /dev/vdb
	complains
	kernel_lacks "d target/iscsi" "d target/core/iblock.*" "d nvmet/.*/.*"
	nvmetctl show | grep -q "^Nothing is configured"
}

@test "export --nvme and --iscsi: one shared backend, whose bridge no user sees" {
	begin
	ends 0 nvmetctl export /dev/vdb --nvme $nqn --any-host --port tcp:192.0.2.1 --iscsi $iqn --any-initiator
	complains
	kernel_has "f nvmet/subsystems/$nqn/namespaces/1/enable = 1" "d target/loopback/naa.3[0-9a-f]*" "f target/iscsi/$iqn/tpgt_1/enable = 1"
	[ "$(grep -cx 'd target/core/iblock_[0-9]*/vdb' "$T/dump")" = 1 ]
	nvmetctl status --verify >"$T/out"
	without Foreign
	without Drift
	ends 0 nvmetctl show
	without loopback
	without naa
	ends 0 nvmetctl show targets
	without loopback
	ends 0 nvmetctl show --json
	without loopback
	without bridge
	ends 0 nvmetctl unexport vdb
	kernel_lacks "d target/iscsi" "d target/loopback" "d target/core/iblock.*" "d nvmet/subsystems/.*"
}

@test "set: what the bridge of a backend tells of itself is read anew when a feature changes, and only then" {
	begin
	nvmetctl export "$T/image" --size 8MiB --create --nvme $nqn --any-host --iscsi $iqn --any-initiator
	ends 0 nvmetctl set backends/image emulate_write_cache=true --dry-run
	[ "$(grep -c "rescan.*target/loopback/naa" "$T/out")" = 1 ]
	ends 0 nvmetctl set backends/image emulate_write_cache=true
	complains
	ends 0 nvmetctl set backends/image emulate_write_cache=true --dry-run
	without rescan
	nvmetctl delete subsystems/$nqn --recursive
	ends 0 nvmetctl set backends/image emulate_write_cache=false --dry-run
	without rescan
}

@test "set: what the kernel takes only while nothing exports a backend is refused before it is asked, and says who does" {
	begin
	nvmetctl export /dev/vdb --iscsi $iqn --any-initiator
	kernel dump >"$T/before"
	for dry in --dry-run ""; do
		# shellcheck disable=SC2086
		ends 1 nvmetctl set backends/vdb vendor_id=ACME $dry --destroy
		complains "backends/vdb: vendor_id: cannot be changed while $group/luns/0 exports it; delete what exports it first"
	done
	diff -u "$T/before" <(kernel dump)
	nvmetctl create backends/vdc type=block device=/dev/vdc data_path=shared
	ends 0 nvmetctl set backends/vdc vendor_id=ACME create $group/luns/1 backend=vdc --destroy
	complains
	kernel_has "f target/core/iblock_[0-9]*/vdc/wwn/vendor_id = ACME" "l target/iscsi/$iqn/tpgt_1/lun/lun_1/[^ ]* -> .*/vdc"
}

@test "export: an NVMe export and, by a second line, iSCSI on the same device" {
	begin
	nvmetctl export /dev/vdb --nvme $nqn --any-host
	kernel_has "f nvmet/subsystems/$nqn/namespaces/1/device_path = /dev/vdb"
	ends 0 nvmetctl export /dev/vdb --iscsi $iqn --any-initiator
	complains
	[ "$(nvmetctl show backends --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["backends"]))')" = 1 ]
	kernel_has "d target/loopback/naa.3[0-9a-f]*" "f target/iscsi/$iqn/tpgt_1/enable = 1"
	kernel_lacks "f nvmet/subsystems/$nqn/namespaces/1/device_path = /dev/vdb"
}

@test "export --chap-…: the secret goes from its file to the kernel, and is printed by nobody" {
	begin
	install -d -m 700 "$T/etc/secrets"
	(umask 077 && echo a-secret-of-its-own >"$T/etc/secrets/joe")
	ends 0 nvmetctl export /dev/vdb --iscsi $iqn --initiator $client --chap-user joe --chap-password-file joe
	complains
	without a-secret
	kernel_has "f target/iscsi/$iqn/tpgt_1/acls/$client/auth/userid = joe" "f target/iscsi/$iqn/tpgt_1/attrib/authentication = 1"
	grep -q "acls/$client/auth/password.* = a-secret-of-its-own" "$T/dump"
	# Who comes later without a secret could not log in.
	ends 3 nvmetctl export vdb --iscsi $iqn --initiator $other
	grep -q "^nvmetctl: $group/acls/$other: userid: is missing, and the portal group asks for authentication" "$T/err"
}

# ---- show ----

# columns: what is shown, but for STATE and what follows it.
columns() {
	local at

	at=$(head -n 1 "$T/out" | awk '{ print index($0, "STATE") }')
	if [ "$at" = 0 ]; then cat "$T/out"; else cut -c "-$((at - 1))" "$T/out"; fi | sed 's/ *$//'
}

@test "show: targets stand in the tree down to mapped LUNs, and backends with who uses them" {
	exported
	LC_ALL=C ends 0 nvmetctl show
	columns >"$T/columns"
	diff -u - "$T/columns" <<-END
		OBJECT                                                             WHAT
		backends
		|-vol0                                                             block /dev/vdb
		| |-used by subsystems/$nqn/namespaces/1     ports/1
		| \`-used by $group/luns/0 portals/192.0.2.1:3260,portals/[2001:db8::1]:3260
		\`-vol1                                                             block /dev/vdc
		  \`-used by $group/luns/1 portals/192.0.2.1:3260,portals/[2001:db8::1]:3260
		subsystems
		\`-$nqn                                       any host
		  \`-namespaces/1                                                   backends/vol0
		ports
		\`-1                                                                tcp 192.0.2.1:4420
		  \`-serves subsystems/$nqn
		targets
		\`-iscsi
		  \`-$iqn
		    \`-tpgs/1                                                       1 initiator
		      |-luns/0                                                     backends/vol0
		      |-luns/1                                                     backends/vol1
		      |-portals/192.0.2.1:3260
		      |-portals/[2001:db8::1]:3260
		      \`-acls/$client                        CHAP as joe
		        |-mapped_luns/0                                            luns/0
		        \`-mapped_luns/7                                            luns/1, read only
	END
}

@test "show: a backend says who uses it, through what and for whom; so do the table and JSON" {
	exported
	ends 0 nvmetctl show backends/vol0
	sed -n '/^USED BY/,$p' "$T/out" >"$T/users"
	diff -u - "$T/users" <<-END
		USED BY                                                THROUGH                                           FOR
		subsystems/$nqn/namespaces/1     ports/1                                           any
		$group/luns/0 portals/192.0.2.1:3260,portals/[2001:db8::1]:3260 $client
	END
	ends 0 nvmetctl show backends
	grep -q "USED_BY" "$T/out"
	grep -qE "^vol1 .* $group/luns/1( |$)" "$T/out"
	nvmetctl show backends/vol0 --json >"$T/vol0.json"
	python3 - "$T/vol0.json" <<-END
		import json, sys
		used_by = json.load(open(sys.argv[1]))["used_by"]
		assert used_by == {"backends/vol0": [
		    {"object": "subsystems/$nqn/namespaces/1", "through": ["ports/1"], "hosts": [], "any_host": True},
		    {"object": "$group/luns/0", "hosts": ["$client"],
		     "through": ["$group/portals/192.0.2.1:3260", "$group/portals/[2001:db8::1]:3260"]}]}, used_by
	END
	nvmetctl create backends/idle type=block device=/dev/vdd
	ends 0 nvmetctl show backends/idle
	without "USED BY"
	ends 0 nvmetctl show backends/idle --json
	without used_by
	# A part that holds no backend has none.
	ends 0 nvmetctl show ports/1 --json
	without used_by
}

@test "show: who uses a backend may stand in a document and means nothing there" {
	printf '{ "version": 1, "used_by": { "backends/x": [] } }' >"$T/used.json"
	ends 0 nvmetctl check "$T/used.json"
	complains
	exported
	ends 0 nvmetctl save -
	without used_by
}

@test "show: fabrics, targets, portal groups and what is below are tables and attributes" {
	exported
	ends 0 nvmetctl show targets/iscsi
	grep -qE "^$iqn( |$)" "$T/out"
	ends 0 nvmetctl show $group/acls
	columns >"$T/columns"
	diff -u - "$T/columns" <<-END
		NAME                           USERID PASSWORD
		$client joe    file:joe
	END
	ends 0 nvmetctl show $group/acls/$client
	grep -qx "password *file:joe" "$T/out"
	grep -qx "$group/acls/$client/mapped_luns" "$T/out"
	ends 0 nvmetctl show $group/luns/0
	grep -qx "backend *vol0" "$T/out"
	ends 0 nvmetctl show backends/vol0/alua_groups
	prints "There are no backends/vol0/alua_groups."
	ends 3 nvmetctl show backends/vol0/bridge
	complains 'backends/vol0/bridge: there is no "bridge" here, but alua_groups'
}

# ---- help ----

@test "help: for each kind and attribute of the SCSI side, of several kinds where several have it" {
	local word

	for word in target lu_groups alua_groups targets fabric tpgs "target portal group" luns portals acls mapped_luns \
		emulate_tpu authentication userid dbroot lu_group access_state write_protect MaxConnections; do
		ends 0 nvmetctl help "$word"
		complains
		[ -s "$T/out" ]
	done
	ends 0 nvmetctl help authentication
	grep -qx "authentication of a target portal group: true or false" "$T/out"
	grep -q "^authentication of an ACL: " "$T/out"
	nvmetctl help dev_config | grep -qx "    only of type user"
	ends 2 nvmetctl help bridge
}
