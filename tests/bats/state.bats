# SPDX-License-Identifier: Apache-2.0
#
# The daemon's own files when something is wrong with them while it runs.

load lib

setup() { start_all; }
teardown() { stop_all; }

create_host() {
	manager Change 'a(ssa(sss))a{sv}' 1 create "hosts/nqn.2026-11.org.example:h$1" 0 0 | field outcome
}

@test "a snapshot that cannot be written is told, keeps nothing waiting, and costs nothing that was committed" {
	local i shouts

	printf 'journal_fold_bytes = 4096;\n' >"$T/nvmetd.conf"
	stop_nvmetd
	start_nvmetd
	# Nothing can be renamed over a folder that is not empty.
	rm -f "$T/etc/config.json"
	mkdir -p "$T/etc/config.json/in-the-way"
	for i in {1..60}; do
		[ "$(create_host "$i")" = done ]
	done
	[ "$(stat -c %s "$T/lib/journal")" -gt 4096 ]
	shouts=$(manager Status | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["shouts"]))')
	[ "$shouts" -ge 1 ]
	[ "$shouts" -lt 5 ]
	stop_nvmetd
	start_nvmetd
	[ "$(manager Status | python3 -c 'import json,sys; print(json.load(sys.stdin)["objects"]["hosts"])')" = 60 ]
}

@test "a commit that cannot be written is taken back in the kernel, and the next one goes on" {
	[ "$(create_host 1)" = done ]
	mv "$T/lib/journal" "$T/lib/journal.kept"
	mkdir "$T/lib/journal"
	[ "$(create_host 2)" = failed ]
	kernel read nvmet/hosts/nqn.2026-11.org.example:h1/dhchap_hash
	run kernel list nvmet/hosts
	[[ "$output" == *":h1"* && "$output" != *":h2"* ]]
	rmdir "$T/lib/journal"
	mv "$T/lib/journal.kept" "$T/lib/journal"
	[ "$(create_host 3)" = done ]
	kill_nvmetd
	start_nvmetd
	[ "$(manager Status | python3 -c 'import json,sys; print(json.load(sys.stdin)["objects"]["hosts"])')" = 2 ]
}
