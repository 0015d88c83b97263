# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for tests of the whole daemon: a bus of its own, a fake kernel, nvmetd, all in the test's temporary folder. Run by
# tests/bats/run, which sets BUILD_DIR and sees to it that we are uid 0 (of a user namespace, if need be).
#
#	start_all	bus, fake kernel, daemon
#	stop_all	ends what runs, and fails on anything a sanitizer or the daemon complained about
#
# Nothing here sleeps to wait: the bus prints its address, the fake kernel that it listens, the daemon says READY=1.

: "${BUILD_DIR:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
export PATH="$BUILD_DIR:$BUILD_DIR/tests/fake-kernel:$BUILD_DIR/tests/bats:$PATH"

# Sockets have short names; bats' own folders do not.
make_work_dir() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/nvmetctl.XXXXXX")
	mkdir "$T/etc" "$T/lib" "$T/run" "$T/dev"
}

start_bus() {
	cat >"$T/bus.conf" <<-END
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
			"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		  <type>system</type>
		  <listen>unix:path=$T/bus</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow user="*"/>
		    <allow own="*"/>
		    <allow send_type="method_call"/>
		    <allow send_type="signal"/>
		    <allow send_requested_reply="true" send_type="method_return"/>
		    <allow send_requested_reply="true" send_type="error"/>
		    <allow receive_type="method_call"/>
		    <allow receive_type="method_return"/>
		    <allow receive_type="error"/>
		    <allow receive_type="signal"/>
		  </policy>
		</busconfig>
	END
	mkfifo "$T/bus.address"
	dbus-daemon --config-file="$T/bus.conf" --nofork --nosyslog --print-address >"$T/bus.address" 2>"$T/bus.log" 3>&- &
	BUS_PID=$!
	read -r DBUS_SYSTEM_BUS_ADDRESS <"$T/bus.address"
	export DBUS_SYSTEM_BUS_ADDRESS
}

# Ends a background process and hands on its status.
end_process() {
	local pid=$1 signal=$2 status=0

	kill -"$signal" "$pid" 2>/dev/null || true
	wait "$pid" || status=$?
	return "$status"
}

stop_bus() {
	[ -n "${BUS_PID:-}" ] || return 0
	end_process "$BUS_PID" TERM || true
	BUS_PID=
}

# What a process wrote that no test should see.
assert_clean_log() {
	local log=$1

	[ -e "$log" ] || return 0
	if grep -qE 'Sanitizer|runtime error:|Assertion' "$log"; then
		cat "$log" >&2
		return 1
	fi
}

start_kernel() {
	mkfifo "$T/kernel.ready"
	setpriv --pdeathsig TERM nvmetfake "$@" "$T/kernel" >"$T/kernel.ready" 2>"$T/kernel.log" 3>&- &
	KERNEL_PID=$!
	read -r _ <"$T/kernel.ready"
}

# kernel COMMAND…: tells the fake kernel something, see tests/fake-kernel/README.md.
kernel() {
	nvmetfake --control "$T/kernel" "$@"
}

stop_kernel() {
	[ -n "${KERNEL_PID:-}" ] || return 0
	end_process "$KERNEL_PID" TERM || true
	KERNEL_PID=
	assert_clean_log "$T/kernel.log"
}

# Further options are for nvmetd. Comes back when it is ready; fails when it ends instead.
start_nvmetd() {
	begin_nvmetd "$@"
	await_nvmetd
}

# The same in two parts; the second one fails with the daemon's status.
begin_nvmetd() {
	rm -f "$T/listening"
	mkfifo "$T/listening"
	await-ready "$T/notify" >"$T/listening" 3>&- &
	READY_PID=$!
	read -r _ <"$T/listening"
	NOTIFY_SOCKET="$T/notify" nvmetd --config "$T/nvmetd.conf" --config-dir "$T/etc" --state-dir "$T/lib" \
		--run-dir "$T/run" --kernel "fake:$T/kernel" "$@" >>"$T/nvmetd.log" 2>&1 3>&- &
	NVMETD_PID=$!
}

await_nvmetd() {
	local ended status=0

	wait -n -p ended "$READY_PID" "$NVMETD_PID" || status=$?
	[ "$ended" = "$READY_PID" ] && [ "$status" = 0 ] && return 0
	kill "$READY_PID" 2>/dev/null || true
	echo "nvmetd did not get ready (status $status):" >&2
	cat "$T/nvmetd.log" >&2
	return $((status ? status : 1))
}

# Ends as systemd would end it; anything but a clean end is a failure.
stop_nvmetd() {
	[ -n "${NVMETD_PID:-}" ] || return 0
	end_process "$NVMETD_PID" TERM || {
		echo "nvmetd ended with status $?:" >&2
		cat "$T/nvmetd.log" >&2
		NVMETD_PID=
		return 1
	}
	NVMETD_PID=
	assert_clean_log "$T/nvmetd.log"
}

# As a crash would end it.
kill_nvmetd() {
	end_process "$NVMETD_PID" KILL || true
	NVMETD_PID=
}

start_all() {
	make_work_dir
	start_bus
	start_kernel
	start_nvmetd
}

stop_all() {
	local status=0

	stop_nvmetd || status=1
	stop_kernel || status=1
	stop_bus
	rm -rf "$T"
	return "$status"
}

# manager METHOD [SIGNATURE ARGUMENT…]: the one value that a method of the manager answers with.
manager() {
	local method=$1

	shift
	busctl --timeout=60 --json=short call org.nvmetctl1 /org/nvmetctl1 org.nvmetctl1.Manager "$method" "$@" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0])'
}

# field NAME: of the JSON object on standard input; lists and objects as JSON, nothing for what is absent.
field() {
	python3 -c '
import json, sys
value = json.load(sys.stdin).get(sys.argv[1])
if value is not None:
    print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

# property PATH INTERFACE NAME: as busctl prints it, "s \"text\"".
property() {
	busctl --timeout=60 get-property org.nvmetctl1 "$1" "org.nvmetctl1.$2" "$3"
}

# ends STATUS COMMAND…: runs it with nothing to read, and it ends so; what it printed is in $T/out and $T/err.
ends() {
	local expected=$1 got=0

	shift
	"$@" >"$T/out" 2>"$T/err" </dev/null || got=$?
	[ "$got" = "$expected" ] || {
		echo "status $got, not $expected: $*"
		cat "$T/out" "$T/err"
		return 1
	}
}

# prints LINE…, complains LINE…: what ended so has printed exactly these lines, or complained of them in nvmetctl's name. Without a line: nothing.
prints() {
	diff -u <([ $# = 0 ] || printf '%s\n' "$@") "$T/out"
}

complains() {
	diff -u <([ $# = 0 ] || printf 'nvmetctl: %s\n' "$@") "$T/err"
}

# writes_nothing COMMAND…: nor makes or removes anything. That a daemon loads modules when it starts is no matter.
writes_nothing() {
	kernel count | grep writes >"$T/count"
	kernel dump >"$T/before"
	"$@"
	diff -u "$T/count" <(kernel count | grep writes)
	diff -u "$T/before" <(kernel dump)
}
