# SPDX-License-Identifier: Apache-2.0
#
# Reservations that outlive their storage object: the host that had one has it again before anyone is let in, by either protocol.

bats_require_minimum_version 1.5.0
load lib

IQN=iqn.2026-11.org.example:t1
CLIENT=iqn.2026-11.org.example:client
TPG=target/iscsi/$IQN/tpgt_1
NAMESPACE=nvmet/subsystems/nqn.2026-11.org.example:s1/namespaces/1

setup() {
	start_all
	cat >"$T/document.json" <<-END
		{ "version": 1,
		  "backends": { "ram0": { "type": "ramdisk", "size": "16MiB" } },
		  "subsystems": { "nqn.2026-11.org.example:s1": { "allow_any_host": true, "namespaces": { "1": { "backend": "ram0" } } } },
		  "ports": { "1": { "trtype": "tcp", "traddr": "192.0.2.1", "trsvcid": "4420", "subsystems": [ "nqn.2026-11.org.example:s1" ] } },
		  "targets": { "iscsi": { "$IQN": { "tpgs": { "1": { "authentication": false, "portals": { "192.0.2.1:3260": {} },
		    "luns": { "0": { "backend": "ram0" } }, "acls": { "$CLIENT": { "mapped_luns": { "0": { "lun": 0 } } } } } } } } } }
	END
	nvmetctl -q apply "$T/document.json"
	kernel register "$TPG/acls/$CLIENT/lun_0" 0x1234 type=8 aptpl
	nvmetctl -q save "$T/saved.json"
	nvmetctl -q clear --disrupt --destroy
}

teardown() { stop_all; }

# Both ways in, and the reservation.
state() {
	kernel dump | sed -nE "s,^f $TPG/enable = ,iscsi ,p; s,^f $NAMESPACE/enable = ,nvme ,p; s,^f target/core/.*/pr/res_holder = ,,p" | sort
}

@test "a reservation is there again after clear and restore" {
	nvmetctl -q restore "$T/saved.json"
	[ "$(state)" = "SPC-3 Reservation: iSCSI Initiator: $CLIENT
iscsi 1
nvme 1" ]
}

@test "while the host that has a reservation cannot be let in nobody is, and then all are" {
	kernel fault EINVAL verb=m path='*/acls/*' always
	run -5 --separate-stderr nvmetctl restore "$T/saved.json"
	[ "$(state)" = "No SPC-3 Reservation holder
iscsi 0" ]
	[[ $(nvmetctl status) == *"acls/$CLIENT"*"the fabric does not take the initiator's name"* ]]
	kernel disarm
	nvmetctl -q reconcile
	[ "$(state)" = "SPC-3 Reservation: iSCSI Initiator: $CLIENT
iscsi 1
nvme 1" ]
}

@test "who registered and has no ACL any more holds nobody up" {
	python3 - "$T/saved.json" <<-'END'
		import json, sys
		with open(sys.argv[1]) as f:
		    document = json.load(f)
		for target in document["targets"]["iscsi"].values():
		    if isinstance(target, dict):
		        del target["tpgs"]["1"]["acls"]
		with open(sys.argv[1], "w") as f:
		    json.dump(document, f)
	END
	nvmetctl -q restore "$T/saved.json"
	[ "$(state)" = "No SPC-3 Reservation holder
iscsi 1
nvme 1" ]
}
