#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SCSI targets on a real kernel, with a real iSCSI host.
# machine: --kernel 6.12 --memory 1536
# long machine: --kernel 7 --memory 1536
load lib

setup() {
	clean_slate
	ram_disks 2
	truncate -s 16M "$W/image"
	mkdir -p -m 700 /etc/nvmetctl/secrets
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "disk": { "type": "block", "device": "/dev/ram0" },
		    "image": { "type": "file", "path": "$W/image", "vendor_id": "Example" },
		    "ram": { "type": "ramdisk", "size": "16MiB" }
		  },
		  "targets": { "iscsi": { "$IQN:t1": { "tpgs": { "1": {
		    "authentication": false,
		    "portals": { "$ISCSI_PORTAL": {} },
		    "luns": { "0": { "backend": "disk" }, "1": { "backend": "image" }, "7": { "backend": "ram" } },
		    "acls": { "$INITIATOR": { "mapped_luns": { "0": { "lun": 0 }, "1": { "lun": 1 }, "2": { "lun": 7 } } } }
		  } } } } }
		}
	END
}

teardown() {
	leave_clean
}

# storage BACKEND: its folder in the kernel, found there by the name that it has there.
storage() {
	echo $TARGET/core/*/"$1"
}

set_acl() {	# ATTRIBUTE=VALUE…
	nvmetctl set "targets/iscsi/$IQN:t1/tpgs/1/acls/$INITIATOR" "$@" --disrupt
}

@test "apply, log in, data both ways, a second apply and a restart that write nothing, save, clear, restore, save" {
	local lun disk
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	nvmetctl save "$W/saved"
	iscsi_login $IQN:t1 >&2
	for lun in 0 1 2; do
		disk=$(iscsi_disk $IQN:t1 $lun)
		head -c 16M /dev/urandom >"$W/data$lun"
		dd if="$W/data$lun" of="$disk" bs=1M oflag=direct status=none
	done
	for lun in 0 1 2; do
		cmp "$W/data$lun" <(contents "$(iscsi_disk $IQN:t1 $lun)")
	done
	cmp "$W/data0" <(contents /dev/ram0)
	cmp "$W/data1" <(contents "$W/image")
	[ "$(iscsi_luns $IQN:t1 | paste -s -d ' ')" = '0 1 2' ]

	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	daemon stop
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"
	cmp "$W/data2" <(contents "$(iscsi_disk $IQN:t1 2)")

	iscsi_logout
	status 0 nvmetctl clear --disrupt --destroy
	[ -z "$(exported)" ]
	status 0 nvmetctl restore "$W/saved"
	dump >"$W/after"
	same "$W/before" "$W/after"
	nvmetctl save "$W/saved2"
	cmp "$W/saved" "$W/saved2"
}

@test "a host is let in by its ACL alone, and without one where the portal group says so, to read or to write" {
	local disk
	status 0 nvmetctl apply "$W/doc.json"
	status 0 nvmetctl delete "targets/iscsi/$IQN:t1/tpgs/1/acls/$INITIATOR" --recursive --disrupt
	status 24 iscsi_login $IQN:t1
	status 0 nvmetctl set "targets/iscsi/$IQN:t1/tpgs/1" generate_node_acls=true --disrupt
	iscsi_login $IQN:t1 >&2
	disk=$(iscsi_disk $IQN:t1 7)
	run ! dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct
	cmp -n 4096 /dev/zero "$disk"
	iscsi_logout
	# The kernel remembers what such a host was given, until its portal group is gone.
	status 0 nvmetctl delete targets/iscsi/$IQN:t1 --recursive --disrupt
	sed -i 's/"authentication": false/&, "generate_node_acls": true, "demo_mode_write_protect": false/' "$W/doc.json"
	status 0 nvmetctl apply "$W/doc.json"
	status 0 nvmetctl delete "targets/iscsi/$IQN:t1/tpgs/1/acls/$INITIATOR" --recursive --disrupt
	iscsi_login $IQN:t1 >&2
	dd if=/dev/zero of="$(iscsi_disk $IQN:t1 7)" bs=4k count=1 oflag=direct status=none
}

@test "a mapped LUN that is write protected can be read and not written, until it is not" {
	local disk mapped=targets/iscsi/$IQN:t1/tpgs/1/acls/$INITIATOR/mapped_luns/2
	sed -i 's/"2": { "lun": 7 }/"2": { "lun": 7, "write_protect": true }/' "$W/doc.json"
	status 0 nvmetctl apply "$W/doc.json"
	iscsi_login $IQN:t1 >&2
	disk=$(iscsi_disk $IQN:t1 2)
	[ "$(cat "/sys/block/${disk#/dev/}/ro")" = 1 ]
	cmp -n 4096 /dev/zero "$disk"
	run ! sg_raw -s 512 -i /dev/zero "$disk" 2a 00 00 00 00 00 00 00 01 00
	status 0 nvmetctl set "$mapped" write_protect=false --disrupt
	iscsi_logout
	iscsi_login $IQN:t1 >&2
	dd if=/dev/zero of="$(iscsi_disk $IQN:t1 2)" bs=4k count=1 oflag=direct status=none
}

@test "CHAP by ACL: the right secret lets a host in, a wrong one and none do not, and the target proves itself to a host that asks" {
	password joe secretsecret
	password t1 mutualmutual
	sed -i 's/"authentication": false/"authentication": true/
		s/"acls": { "[^"]*": {/& "userid": "joe", "password": { "file": "joe" },/' "$W/doc.json"
	status 0 nvmetctl apply "$W/doc.json"
	status 24 iscsi_login $IQN:t1
	status 24 iscsi_login $IQN:t1 joe wrongwrongwrong
	status 24 iscsi_login $IQN:t1 bob secretsecret
	status 0 iscsi_login $IQN:t1 joe secretsecret
	iscsi_logout
	status 0 set_acl userid_mutual=target password_mutual=file:t1
	status 19 iscsi_login $IQN:t1 joe secretsecret target wrongwrongwrong
	status 0 iscsi_login $IQN:t1 joe secretsecret target mutualmutual
	iscsi_logout
	nvmetctl save "$W/saved"
	run ! grep -r -e secretsecret -e mutualmutual "$W/saved" /run/nvmetd.log /etc/nvmetctl/config.json /var/lib/nvmetctl
	status 0 nvmetctl clear --disrupt --destroy
	status 0 nvmetctl restore "$W/saved"
	status 24 iscsi_login $IQN:t1 joe wrongwrongwrong
	status 0 iscsi_login $IQN:t1 joe secretsecret target mutualmutual
}

@test "CHAP by portal group, for hosts without an ACL of their own" {
	password any anyanyanyany
	sed -i 's/"authentication": false/"generate_node_acls": true, "userid": "any", "password": { "file": "any" }/; /"acls"/d;
		s/\("luns": .* } }\),$/\1/' "$W/doc.json"
	status 0 nvmetctl apply "$W/doc.json"
	status 24 iscsi_login $IQN:t1
	status 24 iscsi_login $IQN:t1 any wrongwrongwrong
	status 0 iscsi_login $IQN:t1 any anyanyanyany
}

@test "CHAP for discovery: targets are told of to those alone who know the secret, and to all again when it is gone" {
	password finder findfindfind
	status 0 nvmetctl apply "$W/doc.json"
	status 0 iscsi_discover
	contains $IQN:t1
	status 0 nvmetctl set targets/iscsi discovery_userid=finder discovery_password=file:finder enforce_discovery_auth=true
	run iscsi_discover
	[ "$status" -ne 0 ]
	run iscsi_discover finder wrongwrongwrong
	[ "$status" -ne 0 ]
	status 0 iscsi_discover finder findfindfind
	contains $IQN:t1
	# The kernel keeps all that when the folder goes: who makes it again must not find it.
	status 0 nvmetctl clear --disrupt --destroy
	[ -z "$(exported)" ]
	status 0 nvmetctl apply "$W/doc.json"
	[ "$(cat $TARGET/iscsi/discovery_auth/enforce_discovery_auth)" = 0 ]
	run ! grep -r finder $TARGET/iscsi/discovery_auth
	status 0 iscsi_discover
	contains $IQN:t1
}

@test "what goes wrong while a target is made leaves nothing behind" {
	local listener
	python3 - "$W/listens" 3>&- <<-'END' &
		import socket, sys
		s = socket.create_server(("127.0.0.1", 3260))
		open(sys.argv[1], "w").close()
		s.accept()
	END
	listener=$!
	until_true test -e "$W/listens"
	status 0 nvmetctl create backends/other type=ramdisk size=1MiB create targets/iscsi/$IQN:other
	dump >"$W/before"
	status 1 nvmetctl apply "$W/doc.json" --merge
	contains "tpgs/1/portals/$ISCSI_PORTAL"
	kill $listener
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl apply "$W/doc.json" --merge
}

@test "identity of a disk: serial number and NAA are those of the backend's uuid, and what was asked of it reaches the host" {
	local uuid disk
	status 0 nvmetctl apply "$W/doc.json"
	uuid=$(nvmetctl show backends/image --json | jq -r '.. | .uuid? // empty')
	iscsi_login $IQN:t1 >&2
	disk=$(iscsi_disk $IQN:t1 1)
	[ "$(scsi_serial "$disk")" = "$uuid" ]
	[[ $(scsi_naa "$disk") = 6001405$(tr -d - <<<"$uuid" | head -c 25) ]]
	sg_inq "$disk" | grep -q 'Vendor identification: Example'
	[ "$(cat "$(storage image)/wwn/vendor_id")" = Example ]
}
