# SPDX-License-Identifier: Apache-2.0

load lib

setup() { make_work_dir; }
teardown() { stop_all; }

@test "the daemon is what org.nvmetctl1.xml says" {
	local path n=0

	# One object of each kind: only then does the daemon show all interfaces. What cannot be restored is in the model all the same.
	install -D -m 600 "$BATS_TEST_DIRNAME/../samples/everything.json" "$T/etc/config.json"
	start_bus
	start_kernel
	start_nvmetd
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

	start_bus
	start_kernel
	start_nvmetd
	manager Clear 'a{sv}' 1 dry_run b true
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
