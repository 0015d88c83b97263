# SPDX-License-Identifier: Apache-2.0

load lib

setup() { start_all; }
teardown() { stop_all; }

# One object of each kind: only then does the daemon show all interfaces.
document='{
	"version": 1,
	"nvmet": { "discovery_nqn": "nqn.2026-11.org.example:discovery" },
	"backends": { "b": { "type": "file", "path": "@dir@/b.raw", "size": "1MiB", "create": true } },
	"hosts": { "nqn.2026-11.org.example:host": {} },
	"subsystems": { "nqn.2026-11.org.example:s": { "namespaces": { "1": { "backend": "b" } } } },
	"ports": { "1": { "trtype": "loop",
		"referrals": { "r": { "trtype": "tcp", "traddr": "192.0.2.9" } },
		"ana_groups": { "2": { "ana_state": "optimized" } } } }
}'

@test "the daemon is what org.nvmetctl1.xml says" {
	local path n=0

	[ "$(manager Apply 'sa{sv}' "${document/@dir@/$T}" 0 | field outcome)" = done ]
	manager Clear 'a{sv}' 1 dry_run b true
	for path in /org/nvmetctl1 /org/nvmetctl1/job/1 \
		$(busctl --list tree org.nvmetctl1 | grep '^/org/nvmetctl1/obj/'); do
		n=$((n + 1))
		busctl introspect --xml-interface org.nvmetctl1 "$path" >"$T/$n.xml"
	done
	python3 "$BATS_TEST_DIRNAME/introspection.py" "$BATS_TEST_DIRNAME/../../dbus/org.nvmetctl1.xml" "$T"/*.xml
}

@test "the comparison sees what differs" {
	local xml="$BATS_TEST_DIRNAME/../../dbus/org.nvmetctl1.xml" n=0 path

	for path in /org/nvmetctl1 /org/nvmetctl1/job/1; do
		n=$((n + 1))
		busctl introspect --xml-interface org.nvmetctl1 "$path" >"$T/$n.xml"
	done
	sed -e 's/<property name="Generation" type="t"/<property name="Generation" type="u"/' \
		-e 's/<method name="Verify">/<method name="Verified">/' \
		-e 's/Step: what is under way/what is under way/' "$xml" >"$T/reference"
	run python3 "$BATS_TEST_DIRNAME/introspection.py" "$T/reference" "$T"/*.xml
	[ "$status" = 1 ]
	[[ "$output" == *"org.nvmetctl1.Manager.Generation: ('u',"* ]]
	[[ "$output" == *"org.nvmetctl1.Manager.Verify: is missing in the reference"* ]]
	[[ "$output" == *"org.nvmetctl1.Manager.Verified: is in the reference, but the daemon has no such method"* ]]
	[[ "$output" == *"org.nvmetctl1.Job.Step: its comment does not begin with its name"* ]]
	[[ "$output" == *"org.nvmetctl1.Port: is in the reference, but no object has it"* ]]
}
