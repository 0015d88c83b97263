#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A configuration with every kind of object and nearly every attribute that kernel 6.12 has, there and back.
load lib

setup_file() {
	# Addresses, an RDMA device, and transports: they stay until the machine ends.
	ip link add d0 type dummy
	ip address add 192.0.2.1/24 dev d0
	ip address add 2001:db8::1/64 dev d0 nodad
	ip link set d0 up
	modprobe -a rdma_rxe null_blk loop nvmet-fc
	rdma link add rxe0 type rxe netdev d0
}

setup() {
	clean_slate
	ram_disks
	LOOP=$(loop_disk "$W/loop.raw" 16M)
	truncate -s 16M "$W/old.raw"
	secret host2.key
	secret host2.ctrl
	everything >"$W/doc.json"
}

teardown() {
	leave_clean
	losetup -d "$LOOP"
	rm -f /etc/nvmetctl/secrets/host2.*
}

everything() {
	cat <<-END
	{
	  "version": 1,
	  "nvmet": { "discovery_nqn": "$NQN:discovery" },
	  "backends": {
	    "loop": { "type": "block", "device": "$LOOP", "buffered_io": true },
	    "new": { "type": "file", "path": "$W/new.raw", "size": "16MiB", "create": true, "buffered_io": true },
	    "null": { "type": "block", "device": "/dev/nullb0" },
	    "old": { "type": "file", "path": "$W/old.raw" },
	    "ram": { "type": "block", "device": "/dev/ram0", "uuid": "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81",
	             "nguid": "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a82" },
	    "spare": { "type": "block", "device": "/dev/ram1" }
	  },
	  "hosts": {
	    "$HOSTNQN": {},
	    "$NQN:client": { "dhchap_key": { "file": "host2.key" }, "dhchap_ctrl_key": { "file": "host2.ctrl" },
	                     "dhchap_hash": "hmac(sha384)", "dhchap_dhgroup": "ffdhe2048" },
	    "$NQN:spare": {}
	  },
	  "subsystems": {
	    "$NQN:any": { "allow_any_host": true, "namespaces": { "1": { "backend": "old", "enable": false } } },
	    "$NQN:full": {
	      "allowed_hosts": [ "$HOSTNQN", "$NQN:client" ],
	      "version": "1.4", "serial": "SN 0001", "model": "Example Disk", "firmware": "1.0-b", "ieee_oui": "0x525400",
	      "cntlid_min": 10, "cntlid_max": 1000, "qid_max": 8, "pi_enable": true,
	      "namespaces": {
	        "1": { "backend": "ram", "ana_grpid": 2 },
	        "2": { "backend": "new" },
	        "10": { "backend": "loop", "ana_grpid": 10 },
	        "1024": { "backend": "null" }
	      }
	    },
	    "$NQN:passed": { "passthru_admin_timeout": 30, "passthru_io_timeout": 60,
	                     "passthru_clear_ids": 1 }
	  },
	  "ports": {
	    "1": {
	      "trtype": "tcp", "traddr": "127.0.0.1", "inline_data_size": 8192, "max_queue_size": 128,
	      "subsystems": [ "$NQN:any", "$NQN:full" ],
	      "referrals": {
	        "b": { "trtype": "tcp", "adrfam": "ipv6", "traddr": "2001:db8::2", "trsvcid": "4420", "treq": "required",
	               "portid": 7, "enable": false },
	        "c": { "trtype": "rdma", "traddr": "192.0.2.7", "trsvcid": "4421" }
	      },
	      "ana_groups": { "1": { "ana_state": "non-optimized" }, "2": { "ana_state": "inaccessible" }, "10": {} }
	    },
	    "2": { "trtype": "tcp", "traddr": "2001:db8::1", "trsvcid": "8009", "tsas": "tls1.3", "treq": "required",
	           "subsystems": [ "$NQN:passed" ] },
	    "3": { "trtype": "rdma", "traddr": "192.0.2.1", "pi_enable": true, "subsystems": [ "$NQN:full" ] },
	    "4": { "trtype": "loop", "subsystems": [ "$NQN:any", "$NQN:full", "$NQN:passed" ] },
	    "5": { "trtype": "fc", "traddr": "nn-0x1000000044001123:pn-0x2000000055001123" },
	    "65535": { "trtype": "tcp", "traddr": "0.0.0.0", "trsvcid": "1234" }
	  }
	}
	END
}

@test "save, clear, restore, save: the same bytes, and the same tree in the kernel" {
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/tree1"
	grep -q "^ports/3/subsystems/$NQN:full -> " "$W/tree1"
	nvmetctl save "$W/saved1"
	# Who is connected over RDMA cannot be seen, so it takes consent.
	status 0 nvmetctl clear --disrupt
	[ -z "$(exported)" ]
	[ "$(cat $CFS/discovery_nqn)" = nqn.2014-08.org.nvmexpress.discovery ]
	status 0 nvmetctl restore "$W/saved1"
	dump >"$W/tree2"
	nvmetctl save "$W/saved2"
	cmp "$W/saved1" "$W/saved2"
	same "$W/tree1" "$W/tree2"
}

@test "of every kind of object, a second apply, an apply of what was saved and a reconcile write nothing" {
	local what
	status 0 nvmetctl apply "$W/doc.json"
	nvmetctl save "$W/saved"
	kernel_writes nvmetctl apply "$W/doc.json" >"$W/writes"
	kernel_writes nvmetctl apply "$W/saved" >>"$W/writes"
	kernel_writes nvmetctl reconcile >>"$W/writes"
	nothing_in "$W/writes"
}

@test "every kind of object survives a restart of nvmetd without a kernel write" {
	status 0 nvmetctl apply "$W/doc.json"
	dump >"$W/before"
	daemon stop
	kernel_writes_of_start >"$W/writes"
	nothing_in "$W/writes"
	dump >"$W/after"
	same "$W/before" "$W/after"
	status 0 nvmetctl status --verify
	lacks oreign rift
}

@test "every kind of object comes back by rollback after it was changed and removed" {
	status 0 nvmetctl apply "$W/doc.json"
	nvmetctl save --name kept
	local number
	number=$(nvmetctl history --json | jq -r '.[] | select(.label == "kept") | .generation')
	dump >"$W/before"
	# New serial numbers and addresses, objects gone, others new.
	status 0 nvmetctl --disrupt --destroy \
		set "subsystems/$NQN:full" serial=other model=Other qid_max=4 allowed_hosts-="$NQN:client" \
		set ports/1 trsvcid=4422 \
		delete ports/1/ana_groups/10 \
		delete "subsystems/$NQN:full/namespaces/10" \
		delete ports/4 \
		delete ports/2 \
		delete "subsystems/$NQN:passed" \
		set nvmet discovery_nqn= \
		set ports/1/referrals/b enable=1 portid=8 \
		set backends/ram device=/dev/ram2 \
		create ports/6 trtype=tcp traddr=127.0.0.1 trsvcid=4423 subsystems="$NQN:any"
	dump >"$W/changed"
	run ! diff -q "$W/before" "$W/changed"
	status 0 nvmetctl rollback "$number" --disrupt --destroy
	dump >"$W/after"
	same "$W/before" "$W/after"
}
