# SPDX-License-Identifier: Apache-2.0
#
# Much is restored in parts, each committed by itself (daemon/parts.c): that it comes to the same, and what of it stays. The number of a kernel's HBA
# counts how many there were since its module was loaded.

load lib

# One backend that a LUN and a namespace share, so that these go together; the rest each with one of its own. Serials, uuids and
# numbers are in it, so that two machines come to the same.
document() {
	python3 - >"$T/doc.json" <<-'END'
		import json
		nqn = "nqn.2026-11.org.example:s"
		host = "nqn.2026-11.org.example:host"
		n = 200
		uuid = lambda i: "00000000-0000-4000-8000-%012x" % i
		backends = {f"f{i}": {"type": "file", "path": f"/srv/f{i}", "size": "64KiB", "create": True, "uuid": uuid(i), "nguid": uuid(i)} for i in range(n)}
		backends["both"] = {"type": "ramdisk", "size": "64KiB", "uuid": uuid(n), "nguid": uuid(n), "vpd_unit_serial": uuid(n), "storage_object": "rd_mcp_0/both"}
		backends["unused"] = {"type": "file", "path": "/srv/unused", "size": "64KiB", "create": True, "uuid": uuid(n + 1), "nguid": uuid(n + 1)}
		subsystems = {f"{nqn}{i}": {"serial": f"serial{i}", "allowed_hosts": [host], "namespaces": {"1": {"backend": f"f{i}"}}} for i in range(n)}
		subsystems[f"{nqn}0"]["namespaces"]["2"] = {"backend": "both"}
		address = {"trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1"}
		print(json.dumps({
		    "version": 1, "backends": backends, "hosts": {host: {}}, "subsystems": subsystems,
		    "ports": {"1": address | {"trsvcid": "4420", "subsystems": sorted(subsystems)},
		              "2": address | {"trsvcid": "4421", "subsystems": [f"{nqn}{i}" for i in range(0, n, 2)]},
		              "3": address | {"trsvcid": "4422"}},
		    "targets": {"iscsi": {"iqn.2026-11.org.example:t": {"tpgs": {"1": {"rtpi": 1, "luns": {"0": {"backend": "both"}}, "portals": {"127.0.0.1:3260": {}}}}}}},
		}))
	END
}

setup() {
	start_all
	document
}

teardown() {
	kernel disarm || true
	kernel release all || true
	stop_all
}

# The configuration without what says when it was made.
configuration() {
	nvmetctl show --json | python3 -c '
import json, sys
doc = json.load(sys.stdin)
doc.pop("generation", None)
print(json.dumps(doc, indent=1, sort_keys=True))'
}

generation() {
	nvmetctl show --json | python3 -c 'import json, sys; print(json.load(sys.stdin).get("generation", 0))'
}

@test "in parts it comes to what one commit comes to, in the configuration and in the kernel, and no write is missing" {
	nvmetctl apply "$T/doc.json"
	[ "$(generation)" = 1 ]
	configuration >"$T/whole.json"
	kernel dump | grep -v /hba_info >"$T/whole.dump"
	nvmetctl clear --destroy >"$T/out"
	nvmetctl restore "$T/doc.json" >"$T/out"
	grep -q "^$(python3 -c 'print(200 * 3 + 1 + 2 + 1 + 3 + 5)') created, 0 changed, 0 removed " "$T/out"
	[ "$(generation)" -gt 3 ]
	diff -u "$T/whole.json" <(configuration)
	diff -u "$T/whole.dump" <(kernel dump | grep -v /hba_info)
	writes_nothing nvmetctl apply "$T/doc.json"
	kill_nvmetd
	start_nvmetd
	diff -u "$T/whole.json" <(configuration)
	ends 0 nvmetctl status
}

@test "what cannot be made costs itself alone, in whatever part it is" {
	kernel fault EIO verb=m "path=nvmet/subsystems/nqn.2026-11.org.example:s7"
	kernel fault EIO verb=m "path=nvmet/subsystems/nqn.2026-11.org.example:s190"
	ends 5 nvmetctl restore "$T/doc.json"
	[ "$(kernel dump | grep -c '^d nvmet/subsystems/[^/]*$')" = 198 ]
	grep -q 'subsystems/nqn.2026-11.org.example:s190: ' "$T/err"
	kernel disarm
	ends 0 nvmetctl reconcile
	[ "$(kernel dump | grep -c '^d nvmet/subsystems/[^/]*$')" = 200 ]
}

# Steps of a plan so large share errands (daemon/run.c).
@test "of many steps that go together one fails: an apply takes all of them back" {
	kernel dump >"$T/before"
	kernel fault EIO verb=m "path=nvmet/subsystems/nqn.2026-11.org.example:s107"
	ends 1 nvmetctl apply "$T/doc.json"
	grep -q 'subsystems/nqn.2026-11.org.example:s107: ' "$T/err"
	kernel disarm
	kernel dump | grep '^d nvmet/.*/.*/' | diff - <(grep '^d nvmet/.*/.*/' "$T/before")
	ends 0 nvmetctl status
}

@test "cancelled in a later part: the parts before stay, the rest can be restored later" {
	local job

	kernel fault hang verb=m "path=nvmet/subsystems/nqn.2026-11.org.example:s20"
	nvmetctl restore "$T/doc.json" >"$T/out" 2>"$T/err" 3>&- &
	job=$!
	kernel wait hung 1
	busctl --timeout=60 call org.nvmetctl1 "/org/nvmetctl1/job/$(nvmetctl jobs --json | python3 -c '
import json, sys
print(*(j["job"] for j in json.load(sys.stdin) if j["act"] == "restore"))')" org.nvmetctl1.Job Cancel
	kernel release all
	wait "$job" && return 1
	cat "$T/err"
	grep -q 'objects of the document were not restored' "$T/err"
	ends 0 nvmetctl status
	writes_nothing nvmetctl reconcile
	ends 0 nvmetctl restore "$T/doc.json"
	[ "$(kernel dump | grep -c '^d nvmet/subsystems/[^/]*$')" = 200 ]
}
