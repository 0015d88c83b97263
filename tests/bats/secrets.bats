# SPDX-License-Identifier: Apache-2.0
#
# A secret that is given inline is moved to a file of its own, and stands nowhere else: not in what is printed, not in the state, not
# in a log, not where any user can read it.

load lib

secret='DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:'
core=ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n
host=nqn.2026-11.org.example:h

setup() {
	start_all
	printf '{"version":1,"hosts":{"%s":{"dhchap_key":"%s"}}}\n' $host $secret >"$T/document.json"
}

teardown() { stop_all; }

# The command line and the environment of every process there is.
command_lines() {
	local process

	for process in /proc/[0-9]*; do
		tr '\0' ' ' <"$process/cmdline" || true
		tr '\0' ' ' <"$process/environ" || true
	done 2>/dev/null
}

# nowhere FILE|FOLDER…: does not stand in any of them.
nowhere() {
	run grep -rlF $core "$@"
	[ "$status" = 1 ] || { echo "a secret stands in: $output"; return 1; }
}

@test "a secret in a document goes to a file that is root's alone, and to the kernel's file, closed first" {
	ends 0 nvmetctl apply "$T/document.json"
	[ "$(grep -rlF $core "$T/etc")" = "$(echo "$T"/etc/secrets/*)" ]
	[ "$(stat -c %a:%u "$T"/etc/secrets/*)" = 600:0 ]
	[ "$(stat -c %a:%u "$T/etc/secrets")" = 700:0 ]
	kernel dump | grep -Fqx "f nvmet/hosts/$host/dhchap_key (0600) = $secret"
}

@test "a secret is printed by no verb" {
	local verb

	{
		nvmetctl check "$T/document.json"
		nvmetctl check "$T/document.json" --json
		nvmetctl diff "$T/document.json"
		nvmetctl apply "$T/document.json" --dry-run --json
		nvmetctl apply "$T/document.json"
		nvmetctl apply "$T/document.json" --json
		for verb in show "show --json" "show hosts" "show hosts/$host --defaults" "save -" save status "status --verify --json" \
			"jobs --json" "history --json" "clear --dry-run" "clear --dry-run --json" reconcile; do
			# shellcheck disable=SC2086
			nvmetctl $verb
		done
		nvmetctl save "$T/saved.json"
		nvmetctl diff --offline --json "$T/document.json" "$T/saved.json"
		nvmetctl clear
		nvmetctl restore "$T/saved.json"
		nvmetctl restore "$T/document.json" --json
	} >"$T/printed" 2>&1
	grep -q dhchap_key "$T/printed"
	nowhere "$T/printed" "$T/saved.json"
	kernel dump | grep -Fq $secret
}

@test "a secret stands in no log, state, journal or command line, also while it is written and when that fails" {
	kernel fault hang verb=w "path=*/dhchap_key"
	nvmetctl apply "$T/document.json" >"$T/out" 2>"$T/err" 3>&- &
	local pid=$!

	kernel wait hung 1
	command_lines >"$T/lines"
	grep -q "nvmetctl apply" "$T/lines"
	nvmetctl jobs --json >"$T/jobs"
	nvmetctl status --json >"$T/status"
	kernel release all EIO
	wait $pid && return 1
	nowhere "$T/lines" "$T/out" "$T/err" "$T/jobs" "$T/status" "$T/run" "$T/lib" "$T/nvmetd.log"
	nvmetctl apply "$T/document.json"
	stop_nvmetd
	nowhere "$T/run" "$T/lib" "$T/etc/config.json" "$T/nvmetd.log"
	# All that is written is for root alone.
	[ -z "$(find "$T/etc" "$T/lib" "$T/run" -type f -perm /077)" ]
	start_nvmetd
	kernel dump | grep -Fq $secret
}

@test "a secret on the command line is refused and not repeated" {
	ends 3 nvmetctl create hosts/$host dhchap_key=$secret
	complains "hosts/$host: dhchap_key: must be file:NAME (a file below the folder of secrets) or credential:NAME"
	nowhere "$T/out" "$T/err" "$T/nvmetd.log" "$T/lib" "$T/run" "$T/etc"
}

@test "a secret on the command line does not stay visible while nvmetctl runs" {
	local reached nvmetctl

	# A bus that never says a word: whoever has reached it has read its command line long before.
	mkfifo "$T/reached"
	python3 - "$T/silent" >"$T/reached" 3>&- <<-'END' &
		import signal, socket, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(sys.argv[1])
		listener.listen()
		print("listening", flush=True)
		client = listener.accept()
		print("reached", flush=True)
		signal.pause()
	END
	bus=$!
	exec 5<"$T/reached"
	read -r reached <&5
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/silent nvmetctl create hosts/$host dhchap_key=$secret >"$T/out" 2>"$T/err" 3>&- 5<&- &
	nvmetctl=$!
	read -r reached <&5
	exec 5<&-
	[ "$reached" = reached ]
	command_lines >"$T/lines"
	kill $bus $nvmetctl
	wait $bus $nvmetctl || true
	grep -q "nvmetctl create hosts/$host" "$T/lines"
	nowhere "$T/lines" "$T/out" "$T/err"
}

@test "a secret that is none is not repeated either" {
	local broken

	for broken in "${secret%:}" "${secret/ia6z/ia7z}" "DHHC-1:09:$core:" "x$core"; do
		printf '{"version":1,"hosts":{"%s":{"dhchap_key":"%s"}}}\n' $host "$broken" >"$T/broken.json"
		ends 3 nvmetctl check "$T/broken.json"
		nowhere "$T/out" "$T/err"
		ends 3 nvmetctl apply "$T/broken.json"
		nowhere "$T/out" "$T/err" "$T/nvmetd.log" "$T/lib" "$T/run" "$T/etc"
	done
	[ ! -e "$T/etc/secrets" ] || [ -z "$(ls "$T/etc/secrets")" ]
}

@test "a secret by reference, from the folder of secrets" {
	mkdir -m 700 -p "$T/etc/secrets"
	(umask 077 && echo $secret >"$T/etc/secrets/mine.key")
	ends 0 nvmetctl create hosts/$host dhchap_key=file:mine.key
	kernel dump | grep -Fqx "f nvmet/hosts/$host/dhchap_key (0600) = $secret"
	nvmetctl show hosts/$host --json | tr -d '[:space:]' | grep -Fq '"dhchap_key":{"file":"mine.key"}'
	ends 1 nvmetctl set hosts/$host dhchap_key=file:other.key
	grep -q "^nvmetctl: hosts/$host: dhchap_key: .*/secrets/other.key cannot be opened: No such file or directory$" "$T/err"
	ends 3 nvmetctl set hosts/$host dhchap_key=file:../../etc/shadow
	kernel dump | grep -Fqx "f nvmet/hosts/$host/dhchap_key (0600) = $secret"
}

@test "a secret of an adopted host is kept: it goes on holding, and nobody is shown it" {
	kernel mkdir nvmet/hosts/$host
	kernel write nvmet/hosts/$host/dhchap_key $secret
	nvmetctl adopt hosts/$host >"$T/out" 2>"$T/err"
	[ "$(cat "$T"/etc/secrets/*)" = $secret ]
	[ "$(stat -c %a:%u "$T"/etc/secrets/*)" = 600:0 ]
	! grep -F $core "$T/out" "$T/err"
	nvmetctl status --verify >"$T/out"
	! grep -q Drift "$T/out"
	nvmetctl reconcile
	stop_nvmetd
	start_nvmetd
	kernel dump | grep -Fqx "f nvmet/hosts/$host/dhchap_key (0600) = $secret"
}
