#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The main job in short, on the other kernels.
# machine: --kernel 6.1
# machine: --kernel 7
load lib

setup() {
	clean_slate
	ram_disks
	modprobe nvme-tcp
	truncate -s 16M "$W/image"
	cat >"$W/doc.json" <<-END
		{
		  "version": 1,
		  "backends": {
		    "disk": { "type": "block", "device": "/dev/ram0" },
		    "image": { "type": "file", "path": "$W/image", "buffered_io": true },
		    "more": { "type": "block", "device": "/dev/ram1" }
		  },
		  "hosts": { "$HOSTNQN": {}, "$NQN:h": {} },
		  "subsystems": {
		    "$NQN:s1": {
		      "allowed_hosts": [ "$HOSTNQN", "$NQN:h" ], "serial": "SN 1", "model": "Example", "version": "1.4.0",
		      "cntlid_min": 3, "cntlid_max": 300, "qid_max": 16,
		      "namespaces": { "1": { "backend": "disk" }, "2": { "backend": "image", "ana_grpid": 2 } }
		    },
		    "$NQN:s2": { "allow_any_host": true, "namespaces": { "5": { "backend": "more", "enable": false } } }
		  },
		  "ports": {
		    "1": {
		      "trtype": "tcp", "traddr": "127.0.0.1", "inline_data_size": 4096, "subsystems": [ "$NQN:s1", "$NQN:s2" ],
		      "referrals": { "r": { "trtype": "tcp", "traddr": "192.0.2.1", "portid": 3 } },
		      "ana_groups": { "2": { "ana_state": "non-optimized" } }
		    },
		    "2": { "trtype": "tcp", "traddr": "::1", "trsvcid": "4421" }
		  }
		}
	END
}

teardown() {
	leave_clean
}

@test "apply, connect, data both ways, a change that fails, a second apply, restart, save, clear, restore, save" {
	local disk nsid store gone
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	nvmetctl save "$W/saved"
	connect "$NQN:s1"
	connection_watch
	for nsid in 1 2; do
		[ $nsid = 1 ] && store=/dev/ram0 || store=$W/image
		disk=$(host_disk "$NQN:s1" $nsid)
		head -c 16M /dev/urandom >"$W/data"
		dd if="$W/data" of="$disk" bs=1M oflag=direct status=none
		cmp "$W/data" <(contents "$store")
		cmp "$W/data" <(contents "$disk")
	done
	io_begin "$(host_disk "$NQN:s1" 1)"
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	nothing_in "$W/writes"
	status 1 nvmetctl create backends/x type=block device=/dev/ram2 create "subsystems/$NQN:s1/namespaces/3" backend=x \
		create ports/3 trtype=tcp traddr=203.0.113.1 subsystems="$NQN:s1"
	contains "not an address of this machine"
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 6 nvmetctl delete "subsystems/$NQN:s1/namespaces/1"
	daemon stop
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"
	status 0 nvmetctl create backends/x type=block device=/dev/ram2 create "subsystems/$NQN:s1/namespaces/3" backend=x
	gone=$(host_disk "$NQN:s1" 3)
	status 0 nvmetctl delete "subsystems/$NQN:s1/namespaces/3" delete backends/x --disrupt
	io_end
	connections_undisturbed "${gone#/dev/}"
	nvme disconnect-all
	status 0 nvmetctl clear --disrupt
	[ -z "$(exported)" ]
	status 0 nvmetctl restore "$W/saved"
	dump >"$W/after"
	same "$W/before" "$W/after"
	nvmetctl save "$W/saved2"
	cmp "$W/saved" "$W/saved2"
}

@test "an attribute that the kernel lacks is an error that names the feature and what it needs" {
	local release
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	release=$(uname -r)
	case $release in
	6.1.*)
		status 1 nvmetctl set "hosts/$NQN:h" dhchap_hash="hmac(sha384)"
		contains "hosts/$NQN:h: dhchap_hash" "CONFIG_NVME_TARGET_AUTH"
		status 1 nvmetctl set "subsystems/$NQN:s2" ieee_oui=0x525400
		contains "ieee_oui: an IEEE OUI of one's own is not in this kernel: it needs Linux 6.2"
		;;
	7.*)
		status 0 nvmetctl set "subsystems/$NQN:s2" vendor_id=0x1af4
		[ "$(cat "$CFS/subsystems/$NQN:s2/attr_vendor_id")" = 0x1af4 ]
		status 0 nvmetctl set "subsystems/$NQN:s2" vendor_id=
		;;
	esac
	dump >"$W/after"
	same "$W/before" "$W/after"
}
