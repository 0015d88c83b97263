# SPDX-License-Identifier: Apache-2.0
#
# Each row of the table of exit statuses in nvmetctl(8), and what becomes of a change whose caller is not there to hear of it.

load lib

samples=$BATS_TEST_DIRNAME/../samples
n1=nqn.2026-11.org.example:s1
s1=subsystems/$n1
s2=subsystems/nqn.2026-11.org.example:s2

setup() { start_all; }
teardown() { stop_all; }

@test "0: all done" {
	ends 0 nvmetctl create $s1
	complains
}

@test "1: failed; what was begun was rolled back" {
	kernel dump >"$T/before"
	kernel fault EIO verb=w "path=*/attr_cntlid_max"
	ends 1 nvmetctl create $s1 cntlid_max=7 create $s2
	[ "$(wc -l <"$T/err")" = 2 ]
	grep -q "^nvmetctl: $s1: cntlid_max: " "$T/err"
	grep -qx "nvmetctl: what had been begun was rolled back; the kernel is as it was before" "$T/err"
	prints
	diff -u "$T/before" <(kernel dump)
	# What was not begun need not be rolled back.
	ends 1 nvmetctl delete $s1
	complains "$s1: does not exist"
}

@test "2: wrong usage" {
	local line

	while read -r line; do
		# shellcheck disable=SC2086
		ends 2 nvmetctl $line
		[ "$(wc -l <"$T/err")" = 1 ] || [ -z "$line" ]
	done <<-'END'

		frob
		--frob
		-x
		show --merge
		show a b
		apply
		apply file --generation
		apply file --generation=0
		apply file --json=yes
		set
		set ports/1
		set ports/1 trtype
		delete ports/1 trtype=tcp
		create ports/1 create
		diff a b
		export /dev/vdb
		export /dev/vdb --nvme n --port tcp:
		export /dev/vdb --nvme n --port tcp:[::1
		export /dev/vdb --nvme n --any-host --host h
		export /dev/vdb --nvme n --create
		rollback x
		jobs frob
		jobs cancel x
		help frob
	END
	ends 2 nvmetctl show --merge
	complains "show: --merge is not for this verb; see nvmetctl help show"
	ends 2 nvmetctl frob
	complains "there is no verb frob; see nvmetctl help"
	ends 2 nvmetctl set
	complains "set: usage: nvmetctl set PATH ATTR=VALUE… [VERB PATH …]…"
}

@test "3: invalid configuration" {
	ends 3 nvmetctl create ports/1 trtype=tcp traddr=x
	ends 3 nvmetctl apply "$samples/bad/dangling.json"
}

@test "4: done, but something is owed, which goes when the reason does" {
	nvmetctl create $s1
	kernel fault EBUSY always verb=r "path=nvmet/subsystems/$n1"
	ends 4 nvmetctl delete $s1
	grep -q "^nvmetctl: $s1: could not be removed yet: " "$T/err"
	grep -q "^0 created, 0 changed, 1 removed" "$T/out"
	ends 4 nvmetctl status
	grep -qE "^$s1 +" "$T/out"
	kernel disarm
	ends 0 nvmetctl reconcile
	ends 0 nvmetctl status
	! kernel dump | grep -q "$n1"
}

@test "5: partly done: of several objects some failed" {
	cat >"$T/two.json" <<-END
		{ "version": 1,
		  "backends": { "gone": { "type": "block", "device": "/dev/none" } },
		  "subsystems": { "$n1": { "namespaces": { "1": { "backend": "gone" } } }, "${s2#*/}": {} } }
	END
	ends 5 nvmetctl restore "$T/two.json"
	grep -q "^nvmetctl: .*$s1/namespaces/1: .*/dev/none" "$T/err"
	kernel dump | grep -qx "d nvmet/$s2"
	ends 4 nvmetctl status
	kernel add /dev/none
	ends 0 nvmetctl reconcile
	kernel dump | grep -qx "d nvmet/$s1/namespaces/1"
}

@test "5: partly done: what was done could not be printed" {
	ends 5 sh -c "nvmetctl create $s1 >/dev/full"
	complains "standard output: cannot be written: No space left on device; the change itself is done"
	kernel dump | grep -qx "d nvmet/$s1"
	ends 5 sh -c "nvmetctl create $s2 >&-"
	complains "standard output: cannot be written: Bad file descriptor; the change itself is done"
	kernel dump | grep -qx "d nvmet/$s2"
	ends 1 sh -c "nvmetctl show >/dev/full"
	complains "standard output: cannot be written: No space left on device"
	ends 1 sh -c "nvmetctl show >&-"
	ends 1 sh -c "nvmetctl delete $s1 --dry-run >/dev/full"
	kernel dump | grep -qx "d nvmet/$s1"
}

@test "6: no daemon, and what to do about it" {
	stop_nvmetd
	ends 6 nvmetctl show
	grep -q "^nvmetctl: nvmetd does not run; start it with systemctl start nvmetd" "$T/err"
	[ "$(wc -l <"$T/err")" = 1 ]
	ends 6 nvmetctl create $s1
	ends 0 nvmetctl check "$samples/small.json"
	ends 0 nvmetctl diff --offline "$samples/small.json" "$samples/everything.json"
	ends 0 nvmetctl help
}

@test "6: no bus" {
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/none ends 6 nvmetctl show
	complains "the system bus cannot be reached, and with it nvmetd: No such file or directory"
}

@test "6: the daemon ends before it answers" {
	kernel fault hang verb=m "path=nvmet/$s1"
	nvmetctl create $s1 >"$T/out" 2>"$T/err" 3>&- &
	local pid=$! status=0

	kernel wait hung 1
	kill_nvmetd
	wait $pid || status=$?
	[ "$status" = 6 ]
	complains "nvmetd ended before it answered; what it had begun it completes or takes back at its next start, see nvmetctl status then"
	kernel release all
	start_nvmetd
}

@test "6: no permission to change, while looking is for everybody" {
	chmod 711 "$T"
	setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || skip "there is only one uid here"
	ends 0 setpriv --reuid=65534 --regid=65534 --clear-groups nvmetctl show
	ends 6 setpriv --reuid=65534 --regid=65534 --clear-groups nvmetctl create $s1
	complains "create: permission denied: only root may do this"
	ends 6 setpriv --reuid=65534 --regid=65534 --clear-groups nvmetctl apply "$samples/small.json"
	complains "apply: permission denied: only root may do this"
}

@test "6: consent missing; nothing was changed, and what it would harm is listed" {
	nvmetctl create $s1 model=A create $s2 model=A
	kernel dump >"$T/before"
	ends 6 nvmetctl set $s1 model=B set $s2 model=B
	prints
	[ "$(wc -l <"$T/err")" = 3 ]
	grep -q "^nvmetctl: $s1: .*: identity or geometry is lost; needs --destroy$" "$T/err"
	grep -q "^nvmetctl: $s2: .*: identity or geometry is lost; needs --destroy$" "$T/err"
	[ "$(tail -n 1 "$T/err")" = "nvmetctl: nothing was changed: consent is missing" ]
	diff -u "$T/before" <(kernel dump)
	# Consent may be for some of it only, and of the right kind.
	ends 6 nvmetctl set $s1 model=B set $s2 model=B --destroy=$s1
	ends 6 nvmetctl set $s1 model=B --disrupt
	diff -u "$T/before" <(kernel dump)
	ends 0 nvmetctl set $s1 model=B --destroy=$s1
	ends 0 nvmetctl set $s2 model=B --destroy
}

@test "7: conflict" {
	nvmetctl create $s1
	nvmetctl set $s1 cntlid_max=100
	ends 7 nvmetctl set $s1 cntlid_max=200 --generation 1
	complains "$s1: has changed since generation 1 (in 2)"
	ends 7 nvmetctl set $s1 cntlid_max=200 --generation 9
	complains "was made from generation 9, but this machine is at 2"
	ends 7 nvmetctl set $s1 cntlid_max=200 --plan 0000000000000000
}

# ---- when nobody waits ----

@test "a change whose caller is interrupted goes on, and its number is told" {
	local pid status=0 job

	kernel fault hang verb=m "path=nvmet/$s1"
	# A shell lets what it starts in the background ignore the signal.
	python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp("nvmetctl", sys.argv[1:])' \
		nvmetctl create $s1 >"$T/out" 2>"$T/err" 3>&- &
	pid=$!
	kernel wait hung 1
	kill -INT $pid
	wait $pid || status=$?
	[ "$status" = 130 ]
	job=$(sed -n 's/^nvmetctl: interrupted; job \([0-9]*\) goes on: .*/\1/p' "$T/err")
	nvmetctl jobs --json | python3 -c "
import json, sys
assert [j['state'] for j in json.load(sys.stdin) if j['job'] == $job] == ['running']"
	kernel release all
	# The next one about the same object comes behind it.
	ends 1 nvmetctl create $s1
	complains "$s1: exists already; use set to change it"
	kernel dump | grep -qx "d nvmet/$s1"
}

@test "--no-wait: the job goes on, and jobs cancel takes it back" {
	local job

	kernel dump >"$T/before"
	kernel fault hang verb=m "path=nvmet/$s1"
	ends 0 nvmetctl create $s2 create $s1 --no-wait
	job=$(sed -n 's/^job \([0-9]*\) goes on in the background; see nvmetctl jobs$/\1/p' "$T/out")
	kernel wait hung 1
	ends 0 nvmetctl jobs cancel "$job"
	kernel release all
	ends 0 nvmetctl reconcile
	diff -u "$T/before" <(kernel dump)
	nvmetctl jobs | grep -qE "^$job +change +failed +failed "
	ends 1 nvmetctl jobs cancel "$job"
	complains "job $job has ended already"
	ends 1 nvmetctl jobs cancel 9999
	complains "there is no job 9999"
}
