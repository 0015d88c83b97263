# SPDX-License-Identifier: Apache-2.0
#
# The daemon on a real bus. What needs no bus daemon is in tests/unit/test-dbus*.c.

load lib

setup() { start_all; }
teardown() { stop_all; }

nqn=nqn.2026-11.org.example:s1
object=/org/nvmetctl1/obj/subsystems/nqn_2e2026_2d11_2eorg_2eexample_3as1

# Whoever is behind the unique name of nobody. Without a second uid (in a user namespace) there is nobody.
as_nobody() {
	chmod 711 "$T"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

@test "anybody may look, uid 0 alone may change" {
	[ "$(manager Status | field started)" = true ]
	as_nobody true 2>/dev/null || skip "there is only one uid here"
	as_nobody busctl call org.nvmetctl1 /org/nvmetctl1 org.nvmetctl1.Manager Status
	run as_nobody busctl call org.nvmetctl1 /org/nvmetctl1 org.nvmetctl1.Manager Clear 'a{sv}' 0
	[ "$status" = 1 ]
	[ "$output" = "Call failed: Clear: only the superuser may do this" ]
	run as_nobody busctl call org.nvmetctl1 /org/nvmetctl1/job/1 org.nvmetctl1.Job Cancel
	[ "$output" = "Call failed: Cancel: only the superuser may do this" ]
}

@test "an error has a name, and says which object" {
	run dbus-send --system --print-reply --dest=org.nvmetctl1 /org/nvmetctl1 org.nvmetctl1.Manager.Dump \
		string:ports/9 boolean:false
	[ "$status" = 1 ]
	[ "$output" = "Error org.nvmetctl1.Error.NotFound: ports/9: there is no such object" ]
}

@test "what is applied is seen as objects, and what is changed as signals" {
	local document="{\"version\":1,\"subsystems\":{\"$nqn\":{\"model\":\"M\"}}}" watch

	[ "$(manager Apply 'sa{sv}' "$document" 0 | field outcome)" = done ]
	[ "$(property "$object" Object Path)" = "s \"subsystems/$nqn\"" ]
	[ "$(property "$object" Object State)" = 's "up"' ]
	[ "$(property "$object" Subsystem Model)" = 's "M"' ]

	mkfifo "$T/watching"
	bus-client watch "$object PropertiesChanged" "/org/nvmetctl1 Committed" "/org/nvmetctl1 JobRemoved" \
		>"$T/watching" 3>&- &
	watch=$!
	exec 5<"$T/watching"
	read -r _ <&5
	manager Change 'a(ssa(sss))a{sv}' 1 set "subsystems/$nqn" 1 allow_any_host = true 0 | field outcome
	cat <&5 >"$T/signals"
	exec 5<&-
	wait "$watch"
	[ "$(property "$object" Subsystem AllowAnyHost)" = 'b true' ]
	grep -qx "$object PropertiesChanged" "$T/signals"
}

@test "the object manager lists each object once" {
	manager Apply 'sa{sv}' "{\"version\":1,\"subsystems\":{\"$nqn\":{}},\"ports\":{\"1\":{\"trtype\":\"loop\"}}}" 0
	run busctl --json=short call org.nvmetctl1 /org/nvmetctl1 org.freedesktop.DBus.ObjectManager GetManagedObjects
	[ "$status" = 0 ]
	[ "$(python3 -c 'import json,sys; print(*sorted(json.load(sys.stdin)["data"][0]))' <<<"$output")" = \
		"/org/nvmetctl1/obj/ports/_31 $object" ]
}

@test "a bad document is an error with its place, and nothing happens" {
	local before

	before=$(manager Status | field generation)
	run busctl call org.nvmetctl1 /org/nvmetctl1 org.nvmetctl1.Manager Apply 'sa{sv}' \
		'{"version":1,"prots":{}}' 1 name s my.json
	[ "$status" = 1 ]
	[[ "$output" == "Call failed: my.json:1:"*prots* ]]
	[ "$(manager Status | field generation)" = "$before" ]
}

@test "what validation refuses is a report" {
	local report

	report=$(manager Apply 'sa{sv}' "{\"version\":1,\"ports\":{\"1\":{\"trtype\":\"loop\",\"subsystems\":[\"$nqn\"]}}}" 0)
	[ "$(field outcome <<<"$report")" = invalid ]
	[[ "$(field errors <<<"$report")" == *ports/1*subsystems* ]]
}

@test "a job can be asked about when it has ended" {
	local answer path

	answer=$(manager Change 'a(ssa(sss))a{sv}' 1 create "subsystems/$nqn" 0 1 wait b false)
	path=$(field path <<<"$answer")
	# The next job on the same object waits for the first one.
	manager Change 'a(ssa(sss))a{sv}' 1 set "subsystems/$nqn" 1 model = M 0
	[ "$(property "$path" Job State)" = 's "done"' ]
	[ "$(property "$path" Job Outcome)" = 's "done"' ]
	[[ "$(property "$path" Job Caller)" == 's "uid 0, busctl['*']"' ]]
	run busctl get-property org.nvmetctl1 /org/nvmetctl1/job/99999 org.nvmetctl1.Job State
	[ "$status" = 1 ]
}

@test "calls of a client that is not known yet keep their order" {
	[ "$(bus-client order 50)" = ascending ]
}

@test "a caller that leaves does not end its job" {
	local i

	bus-client leave "$T/left.raw"
	# Nobody is told of its end.
	for ((i = 0; i < 300; i++)); do
		! manager Show sb backends/left false >"$T/left" 2>&1 || break
		sleep 0.1
	done
	grep -q left.raw "$T/left"
}

peak() {	# kB that the daemon ever had
	awk '/VmHWM/ { print $2 }' "/proc/$NVMETD_PID/status"
}

@test "clients that flood and read neither answers nor signals, one or many, harm nobody" {
	local floods=() before after n i

	# What AddressSanitizer keeps of freed memory would count as the daemon's.
	stop_nvmetd
	ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=1" start_nvmetd
	manager Status
	before=$(peak)
	mkfifo "$T/flooding"
	exec 5<>"$T/flooding"
	for n in 20000 $(printf '2000 %.0s' {1..16}); do
		bus-client flood "$n" >&5 3>&- &
		floods+=($!)
	done
	# Others are served meanwhile, and what they do is signalled to all who do not read.
	[ "$(bus-client order 50)" = ascending ]
	[ "$(manager Status | field started)" = true ]
	for i in "${floods[@]}"; do
		read -r _ <&5
	done
	[ "$(bus-client order 50)" = ascending ]
	[ "$(manager Status | field started)" = true ]
	after=$(peak)
	kill "${floods[@]}"
	wait "${floods[@]}" || true
	exec 5<&-
	# The answers, 52,000 of about 700 bytes, and the signals to 17 clients would be more than that.
	echo "$before kB before, at most $after kB after"
	[ "$((after - before))" -lt 32768 ]
	[ "$(manager Status | field started)" = true ]
}

@test "secrets are not shown" {
	local secret='DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:'
	local document="{\"version\":1,\"hosts\":{\"nqn.2026-11.org.example:h\":{\"dhchap_key\":\"$secret\"}}}"

	manager Apply 'sa{sv}' "$document" 0 | field outcome
	{
		manager Dump sb "" false
		manager Show sb "" true
		manager Status
		manager Jobs
		busctl --json=short call org.nvmetctl1 /org/nvmetctl1 org.freedesktop.DBus.ObjectManager GetManagedObjects
	} >"$T/seen"
	grep -q dhchap_key "$T/seen"
	grep -q DhchapKey "$T/seen"
	! grep -q ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n "$T/seen" "$T/nvmetd.log"
}

@test "without its bus the daemon ends, and says so by its status" {
	local status=0

	stop_bus
	wait "$NVMETD_PID" || status=$?
	NVMETD_PID=
	[ "$status" != 0 ]
	assert_clean_log "$T/nvmetd.log"
}
