#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What would disturb connected hosts takes consent; what was planned can be handed back; who is late gets a conflict.
load lib

setup() {
	clean_slate
	ram_disks
	nvmetctl export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN" --name r0
	nvmetctl create backends/r1 type=block device=/dev/ram1 create "subsystems/$NQN:s1/namespaces/2" backend=r1
	dump >"$W/before"
}

teardown() {
	leave_clean
}

unchanged() {
	dump >"$W/after"
	same "$W/before" "$W/after"
}

# refused TEXT VERB…: exit status 6 and the text, and the same as a dry run says what would be; nothing has changed.
refused() {
	local text=$1
	shift
	status 6 nvmetctl "$@"
	contains "$text" "needs --d" "nothing was changed"
	status 0 nvmetctl "$@" --dry-run
	contains "needs --d" "dry run, nothing was done"
	unchanged
}

@test "what would disconnect a connected host is refused with the list, and done with --disrupt" {
	connect "$NQN:s1"
	io_begin "$(host_disk "$NQN:s1" 1)"
	connection_watch
	refused "ports/1/subsystems/$NQN:s1: stop serving: disconnect" set ports/1 subsystems=
	refused "ports/1: stop serving: disconnect" set ports/1 trsvcid=4421
	refused "subsystems/$NQN:s1: change: disconnect" set "subsystems/$NQN:s1" qid_max=4
	refused "namespaces/2: remove: device vanishes" delete "subsystems/$NQN:s1/namespaces/2"
	refused "namespaces/2: change: device vanishes" set "subsystems/$NQN:s1/namespaces/2" enable=0
	refused "namespaces/2: change: identity or geometry is lost" set backends/r1 device=/dev/ram2
	refused "ports/1/subsystems/$NQN:s1: stop serving: disconnect" clear
	# Consent for something else is none.
	refused "namespaces/2: remove: device vanishes" delete "subsystems/$NQN:s1/namespaces/2" --disrupt=ports/1
	# What disturbs nobody goes through.
	status 0 nvmetctl create "hosts/$NQN:h" set "subsystems/$NQN:s1" "allowed_hosts+=$NQN:h" cntlid_max=1000
	io_end
	connections_undisturbed

	status 0 nvmetctl delete "subsystems/$NQN:s1/namespaces/2" --disrupt="subsystems/$NQN:s1/namespaces/2"
	[ ! -e "$CFS/subsystems/$NQN:s1/namespaces/2" ]
	status 0 nvmetctl set ports/1 trsvcid=4421 --disrupt
	[ "$(cat $CFS/ports/1/addr_trsvcid)" = 4421 ]
	since_mark | grep -q 'nvme nvme[0-9]*: .*econnect'
}

@test "without a connected host the same changes need no consent; what loses a disk's identity always needs --destroy" {
	status 0 nvmetctl set ports/1 trsvcid=4421
	status 0 nvmetctl set ports/1 trsvcid=4420
	status 0 nvmetctl set "subsystems/$NQN:s1" qid_max=4
	status 0 nvmetctl set "subsystems/$NQN:s1" qid_max=
	status 0 nvmetctl set "subsystems/$NQN:s1/namespaces/2" enable=0
	status 0 nvmetctl set "subsystems/$NQN:s1/namespaces/2" enable=1
	unchanged
	refused "needs --destroy" set backends/r1 device=/dev/ram2
	refused "needs --destroy" set "subsystems/$NQN:s1" serial=other
	status 6 nvmetctl set "subsystems/$NQN:s1" serial=other --disrupt
	status 0 nvmetctl set "subsystems/$NQN:s1" serial=other --destroy="subsystems/$NQN:s1"
	[ "$(cat "$CFS/subsystems/$NQN:s1/attr_serial")" = "other               " ]
}

@test "diff and a dry run show effects and the plan's hash; the plan is done when it is handed back, and no other one" {
	local hash other
	nvmetctl save "$W/doc.json"
	jq ".ports[\"1\"].trsvcid = \"4421\"" "$W/doc.json" >"$W/new.json"
	connect "$NQN:s1"
	status 0 nvmetctl diff "$W/new.json"
	contains "ports/1: stop serving  (hosts: disconnect)" "write nvmet/ports/1/addr_trsvcid = 4421" \
		"effect: ports/1: disconnect, hosts are connected, needs --disrupt"
	hash=$(sed -n 's/^plan //p' <<<"$output")
	unchanged
	status 0 nvmetctl set ports/1 trsvcid=4422 --dry-run
	other=$(sed -n 's/^plan //p' <<<"$output")
	[ -n "$other" ] && [ "$other" != "$hash" ]
	status 7 nvmetctl apply "$W/new.json" --plan "$other" --disrupt
	unchanged
	# The hash is no consent.
	status 6 nvmetctl apply "$W/new.json" --plan "$hash"
	unchanged
	status 0 nvmetctl apply "$W/new.json" --plan "$hash" --disrupt
	[ "$(cat $CFS/ports/1/addr_trsvcid)" = 4421 ]
	# Once it is done there is another plan.
	status 7 nvmetctl apply "$W/new.json" --plan "$hash" --disrupt
}

@test "a change that names an old generation is a conflict where its objects have changed since, and only there" {
	local old
	old=$(nvmetctl status --json | jq .generation)
	nvmetctl show --json >"$W/state.json"
	status 0 nvmetctl set "subsystems/$NQN:s1" cntlid_max=1000
	dump >"$W/before"
	status 7 nvmetctl set "subsystems/$NQN:s1" cntlid_max=2000 --generation "$old"
	contains "subsystems/$NQN:s1" "has changed since generation $old"
	status 7 nvmetctl apply "$W/state.json"
	contains "subsystems/$NQN:s1" "has changed since generation $old"
	unchanged
	status 0 nvmetctl create "hosts/$NQN:h" --generation "$old"
	nvmetctl show --json >"$W/state.json"
	status 0 nvmetctl apply "$W/state.json"
}
