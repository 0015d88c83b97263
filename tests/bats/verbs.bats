# SPDX-License-Identifier: Apache-2.0
#
# What each verb of nvmetctl does and says, over the fake kernel; what it ends with is in exit-status.bats.

load lib

samples=$BATS_TEST_DIRNAME/../samples
n1=nqn.2026-11.org.example:s1
n2=nqn.2026-11.org.example:s2
s1=subsystems/$n1
s2=subsystems/$n2
host=nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6
other=nqn.2026-11.org.example:other

setup() { start_all; }
teardown() { stop_all; }

# lacks PATTERN…: the kernel holds nothing like it; holds PATTERN…: and it does. Patterns of grep, for whole lines of its dump.
lacks() {
	local pattern

	for pattern; do
		! kernel dump | grep -xe "$pattern" || return 1
	done
}

holds() {
	local pattern

	for pattern; do
		kernel dump | grep -qxe "$pattern" || { echo "missing: $pattern"; kernel dump; return 1; }
	done
}

# reports LINE…: as prints, but for how many calls of the kernel it took.
reports() {
	sed -i 's/ with [0-9]* kernel operations\?//' "$T/out"
	prints "$@"
}

# unchanged COMMAND…: neither the kernel nor the saved state is touched by it.
unchanged() {
	kernel dump >"$T/before"
	kernel count >"$T/count"
	nvmetctl save - >"$T/before.json"
	"$@"
	diff -u "$T/before" <(kernel dump)
	diff -u <(grep -v calls "$T/count") <(kernel count | grep -v calls)
	diff -u "$T/before.json" <(nvmetctl save -)
}

# ---- export, unexport ----

@test "export: one line makes all of the common case, and prints the line for the client" {
	ends 0 nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1:4420 --host $host
	complains
	reports "5 created, 0 changed, 0 removed; generation 1." \
		"nvme connect -t tcp -a 192.0.2.1 -s 4420 -n $n1 --hostnqn=$host"
	holds "l nvmet/ports/1/subsystems/$n1 -> nvmet/subsystems/$n1" "f nvmet/subsystems/$n1/namespaces/1/enable = 1" \
		"f nvmet/subsystems/$n1/namespaces/1/device_path = /dev/vdb" \
		"l nvmet/subsystems/$n1/allowed_hosts/$host -> nvmet/hosts/$host"
	kernel connect 1 $n1 $host
	run kernel connect 1 $n1 $other
	[ "$status" != 0 ]
}

@test "export: the same line again changes nothing, and says the client's line again" {
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --host $host
	unchanged ends 0 nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1:4420 --host $host
	prints "It is exported like that already." "nvme connect -t tcp -a 192.0.2.1 -s 4420 -n $n1 --hostnqn=$host"
}

@test "export: one more port and host are added to what is there" {
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --host $host
	ends 0 nvmetctl export /dev/vdb --nvme $n1 --port 'tcp:[2001:db8::1]:4421' --host $host --host $other
	reports "2 created, 1 changed, 0 removed; generation 2." \
		"nvme connect -t tcp -a 192.0.2.1 -s 4420 -n $n1 --hostnqn=$host" \
		"nvme connect -t tcp -a 192.0.2.1 -s 4420 -n $n1 --hostnqn=$other" \
		"nvme connect -t tcp -a 2001:db8::1 -s 4421 -n $n1 --hostnqn=$host" \
		"nvme connect -t tcp -a 2001:db8::1 -s 4421 -n $n1 --hostnqn=$other"
	# The same address, written in another way.
	ends 0 nvmetctl export /dev/vdb --nvme $n1 --port 'tcp:[2001:0db8:0::1]:4421'
	[ "$(head -n 1 "$T/out")" = "It is exported like that already." ]
}

@test "export: a file is made where it is missing; name and number can be chosen" {
	cd "$T"
	ends 0 nvmetctl export ./disk.img --nvme $n1 --size 8MiB --create --name vol --nsid 7 --any-host
	reports "3 created, 0 changed, 0 removed; generation 1." \
		"No port serves it yet: nvmetctl export … --port TRTYPE:ADDRESS[:SERVICE] adds one."
	ends 0 nvmetctl show backends/vol
	grep -qx "path *$T/disk.img" "$T/out"
	holds "f nvmet/subsystems/$n1/namespaces/7/device_path = $T/disk.img"
	ends 1 nvmetctl export /srv/nothing.img --nvme $n1
	grep -qx "nvmetctl: $s1/namespaces/1: device_path: /srv/nothing.img does not exist" "$T/err"
}

@test "export: what it prints is safe to paste, whatever the name" {
	local odd="nqn.2026-11.org.example:a'b;\$(c)"

	nvmetctl export /dev/vdb --nvme "$odd" --port tcp:192.0.2.1 --any-host >"$T/out"
	nvme() { printf '%s\n' "$@"; }
	eval "$(grep '^nvme connect' "$T/out")" >"$T/words"
	grep -Fqx -e "$odd" "$T/words"
	[ "$(wc -l <"$T/words")" = 9 ]
}

@test "export: an existing backend goes into another subsystem only when it has left the first" {
	nvmetctl export /dev/vdb --nvme $n1 --name vol
	ends 3 nvmetctl export backends/vol --nvme $n2
	complains "backends/vol: is exported twice, by $s1/namespaces/1 and $s2/namespaces/1; a device can stand behind one namespace"
	nvmetctl delete $s1/namespaces/1
	ends 0 nvmetctl export backends/vol --nvme $n2
	ends 1 nvmetctl export backends/gone --nvme $n2
	complains "backends/gone: there is no such object"
}

@test "unexport: undoes export, where nothing else uses it" {
	kernel dump >"$T/empty"
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --host $host
	nvmetctl export /dev/vdc --nvme $n1
	nvmetctl export /dev/vdd --nvme $n2 --port tcp:192.0.2.1 --host $other
	ends 0 nvmetctl unexport /dev/vdb
	reports "removed $s1/namespaces/1" "removed backends/vdb" "0 created, 0 changed, 2 removed; generation 4."
	ends 0 nvmetctl unexport backends/vdc
	holds "l nvmet/ports/1/subsystems/$n2 -> nvmet/subsystems/$n2" "d nvmet/hosts/$other"
	lacks "d nvmet/subsystems/$n1" "d nvmet/hosts/$host"
	ends 0 nvmetctl unexport /dev/vdd
	# The module for the port stays loaded.
	diff -u <(grep -v ^m "$T/empty") <(kernel dump | grep -v ^m)
	ends 1 nvmetctl unexport /dev/vdd
	complains "/dev/vdd: is not exported: no backend uses it"
}

# ---- show ----

@test "show: the whole is a tree, a collection a table, an object its attributes" {
	ends 0 nvmetctl show
	prints "Nothing is configured. Try: nvmetctl export DEVICE --nvme NQN --port tcp:ADDRESS --host HOSTNQN"
	nvmetctl export /dev/vdb --nvme $n1 --port 'tcp:[2001:db8::1]' --host $host
	nvmetctl set $s1 serial=S1 --destroy
	LC_ALL=C ends 0 nvmetctl show
	prints "OBJECT                                                                 WHAT" \
		"backends" \
		'`-vdb                                                                  block /dev/vdb' \
		"  \`-used by $s1/namespaces/1         ports/1" \
		"hosts" \
		"\`-$host" \
		"subsystems" \
		"\`-$n1                                           1 host" \
		"  \`-namespaces/1                                                       backends/vdb" \
		"ports" \
		'`-1                                                                    tcp [2001:db8::1]:4420' \
		"  \`-serves $s1"
	ends 0 nvmetctl show ports
	prints "NAME TRTYPE ADRFAM TRADDR      TRSVCID SUBSYSTEMS" "1    tcp    ipv6   2001:db8::1 4420    $n1"
	ends 0 nvmetctl show $s1
	prints "$s1" "allowed_hosts $host" "serial        S1" "" "$s1/namespaces" "NAME BACKEND" "1    vdb"
	ends 0 nvmetctl show ports/1/referrals
	prints "There are no ports/1/referrals."
	ends 0 nvmetctl show hosts/$host
	prints "hosts/$host" "all attributes are at their defaults"
	ends 0 nvmetctl show nvmet
	prints "nvmet" "all attributes are at their defaults"
	nvmetctl show $s1 --defaults | grep -qx "qid_max *128"
}

@test "show: what is not there, and what no path can be" {
	ends 1 nvmetctl show $s1
	complains "$s1: there is no such object"
	ends 3 nvmetctl show prots/1
	complains 'prots/1: there is no "prots" here, but nvmet, target, lu_groups, backends, hosts, subsystems, ports, targets'
	ends 2 nvmetctl show $'ports/\xff'
	complains "show: ports/"$'\xff'": is not UTF-8 text"
}

@test "show: what somebody else made is foreign, whatever its name" {
	kernel mkdir nvmet/subsystems/theirs
	kernel mkdir $'nvmet/subsystems/a\x1b[2Jb'
	nvmetctl status --verify
	ends 0 nvmetctl show
	grep -qE "theirs +no host allowed +foreign" "$T/out"
	! grep -q $'\x1b' "$T/out"
	ends 0 nvmetctl show subsystems/theirs
	grep -qx "state *foreign" "$T/out"
	[ "$(nvmetctl show --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["subsystems"]["theirs"]["state"])')" = foreign ]
}

# ---- create, set, delete ----

@test "create, set, delete: several edits of one line are one transaction" {
	ends 0 nvmetctl create backends/a type=block device=/dev/vdb create $s1 allow_any_host=true \
		create $s1/namespaces/1 backend=a create ports/1 trtype=tcp traddr=192.0.2.1 subsystems=$n1
	grep -q "^4 created, 0 changed, 0 removed" "$T/out"
	unchanged ends 1 nvmetctl set $s1 cntlid_max=100 create hosts/$host delete ports/9
	complains "edit 3: ports/9: does not exist"
	ends 0 nvmetctl set $s1 cntlid_max=100 create hosts/$host delete ports/1
	reports "removed ports/1" "1 created, 1 changed, 1 removed; generation 2."
	holds "f nvmet/subsystems/$n1/attr_cntlid_max = 100" "d nvmet/hosts/$host"
}

@test "create, set: all problems of a line at once, numbered when there are several edits" {
	unchanged ends 3 nvmetctl create ports/1 trtype=tcpp traddr=x create $s1 qid_max=0 serial=
	complains 'edit 1: ports/1: trtype: must be one of: tcp, rdma, fc, loop, pci, not "tcpp"' \
		'edit 2: '$s1': qid_max: must be a number from 1 to 128, not "0"'
	ends 3 nvmetctl create $s1 qid_max=0
	complains "$s1: qid_max: must be a number from 1 to 128, not \"0\""
	ends 3 nvmetctl create $s1 qid_maxx=0
	grep -q "^nvmetctl: $s1: a subsystem has no attribute qid_maxx; it has: allow_any_host," "$T/err"
	ends 1 nvmetctl set $s1 qid_max=1
	complains "$s1: does not exist; use create to make it"
	nvmetctl create $s1
	ends 1 nvmetctl create $s1
	complains "$s1: exists already; use set to change it"
}

@test "set: += and -= edit a list, = replaces it, and an empty value is the default" {
	nvmetctl create hosts/$host create hosts/$other create $s1 allowed_hosts=$host
	nvmetctl set $s1 allowed_hosts+=$other
	holds "l nvmet/subsystems/$n1/allowed_hosts/$host -> .*" "l nvmet/subsystems/$n1/allowed_hosts/$other -> .*"
	nvmetctl set $s1 allowed_hosts-=$host
	lacks "l nvmet/subsystems/$n1/allowed_hosts/$host -> .*"
	ends 1 nvmetctl set $s1 allowed_hosts-=$host
	complains "$s1: allowed_hosts: does not hold $host"
	nvmetctl set $s1 allowed_hosts=$other,$host
	holds "l nvmet/subsystems/$n1/allowed_hosts/$host -> .*" "l nvmet/subsystems/$n1/allowed_hosts/$other -> .*"
	nvmetctl set $s1 allowed_hosts=
	lacks "l nvmet/subsystems/$n1/allowed_hosts/.*"
	nvmetctl set $s1 cntlid_max=9
	nvmetctl set $s1 cntlid_max=
	holds "f nvmet/subsystems/$n1/attr_cntlid_max = 65519"
	ends 3 nvmetctl set $s1 cntlid_max+=9
	complains "$s1: cntlid_max: is no list; use ="
}

@test "delete: refuses what is used or has something below it, and lists that; --recursive takes it too" {
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --host $host
	unchanged ends 1 nvmetctl delete $s1
	complains "$s1: is used by ports/1 and has below it $s1/namespaces/1; --recursive takes them too"
	unchanged ends 1 nvmetctl delete hosts/$host
	complains "hosts/$host: is used by $s1; --recursive takes them too"
	ends 0 nvmetctl delete $s1 --recursive
	lacks "d nvmet/subsystems/$n1" "l .*"
	holds "d nvmet/ports/1" "d nvmet/hosts/$host"
	[ "$(nvmetctl show backends/vdb | tail -n +2 | awk '$1 == "device" { print $2 }')" = /dev/vdb ]
}

# ---- plans ----

@test "--dry-run: shows the plan and changes nothing; --plan then does just that" {
	local verb plan

	nvmetctl export /dev/vdd --nvme $n2 --port tcp:192.0.2.1 --host $host
	nvmetctl save "$T/saved.json"
	for verb in "create ports/2 trtype=loop" "set $s2 cntlid_max=7" "delete ports/1 --recursive" "export /dev/vdc --nvme $n1" \
		"unexport /dev/vdd" clear "rollback 1" "apply $samples/small.json" "restore $samples/small.json" reconcile adopt; do
		# shellcheck disable=SC2086
		unchanged ends 0 nvmetctl $verb --dry-run
		[[ "$(tail -n 1 "$T/out")" == *"dry run, nothing was done." || "$(cat "$T/out")" == "Nothing to change; generation 1." ]]
	done
	unchanged ends 0 nvmetctl delete ports/1 --dry-run
	plan=$(awk '/^plan / { print $2 }' "$T/out")
	unchanged ends 7 nvmetctl delete ports/1 --plan 0123456789abcdef
	ends 0 nvmetctl delete ports/1 --plan "$plan"
	# Also where names are made up for what is new.
	unchanged ends 0 nvmetctl diff "$samples/small.json" --merge
	plan=$(awk '/^plan / { print $2 }' "$T/out")
	ends 0 nvmetctl apply "$samples/small.json" --merge --plan "$plan"
}

@test "--plan: identities that the shown plan made up are those that are then made, of a document, of edits and of an export" {
	local verb plan uuid

	for verb in "apply $samples/small.json" "create backends/x type=block device=/dev/vdc create $s1/namespaces/9 backend=x" \
		"export /dev/vdd --nvme $n2 --any-host"; do
		# shellcheck disable=SC2086
		ends 0 nvmetctl $verb --dry-run
		plan=$(awk '/^plan / { print $2 }' "$T/out")
		uuid=$(sed -n 's/.*device_uuid = //p' "$T/out")
		[ -n "$uuid" ]
		# shellcheck disable=SC2086
		ends 0 nvmetctl $verb --plan "$plan"
		kernel dump | grep -q "device_uuid.*$uuid"
	done
}

# ---- documents ----

@test "apply: what is owned becomes what the document says; --merge only adds and changes" {
	nvmetctl export /dev/vdc --nvme $n2 --port tcp:192.0.2.2 --any-host
	ends 0 nvmetctl apply "$samples/small.json" --merge
	holds "d nvmet/subsystems/$n1" "d nvmet/subsystems/$n2"
	ends 0 nvmetctl apply "$samples/small.json"
	complains
	[ "$(grep -c "^removed " "$T/out")" = 3 ]
	lacks "d nvmet/subsystems/$n2"
	unchanged ends 0 nvmetctl apply "$samples/small.json"
	prints "Nothing to change; generation 3."
	ends 0 nvmetctl diff "$samples/small.json"
	prints "Nothing to change; generation 3."
}

@test "save, clear, restore, save: the same bytes, and the same kernel" {
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --host $host
	kernel dump >"$T/before"
	ends 0 nvmetctl save "$T/a.json"
	prints
	[ "$(stat -c %a "$T/a.json")" = 600 ]
	ends 0 nvmetctl clear
	[ "$(grep -c "^removed " "$T/out")" = 5 ]
	ends 0 nvmetctl restore "$T/a.json"
	diff -u "$T/before" <(kernel dump)
	nvmetctl save - | diff -u <(grep -v '"generation"' "$T/a.json") <(grep -v '"generation"' -)
	# Without a file: what was kept before it was cleared.
	nvmetctl clear -q
	ends 0 nvmetctl restore
	diff -u "$T/before" <(kernel dump)
}

@test "save: never over what is no file, and names what cannot be written" {
	ends 1 nvmetctl save /dev/null
	complains "/dev/null: is not a regular file; - is standard output"
	[ -c /dev/null ]
	ends 1 nvmetctl save "$T/no/such.json"
	complains "$T/no/such.json: cannot be written: No such file or directory"
	ends 2 nvmetctl save "$T/x.json" --name monday
}

@test "save, history, rollback: a state with a name, and back to it" {
	nvmetctl create $s1 cntlid_max=100
	ends 0 nvmetctl save --name monday
	prints "The present state is kept as generation 1."
	nvmetctl set $s1 cntlid_max=200
	ends 0 nvmetctl history
	grep -qE "^1 .* 1 +monday$" "$T/out"
	ends 0 nvmetctl rollback 1
	holds "f nvmet/subsystems/$n1/attr_cntlid_max = 100"
	unchanged ends 1 nvmetctl rollback 77
	grep -q "^nvmetctl: generation 77 cannot be read:" "$T/err"
	[ "$(wc -l <"$T/err")" = 1 ]
	ends 2 nvmetctl rollback monday
}

@test "a document that names its generation is refused when what it touches has changed since" {
	nvmetctl create $s1 cntlid_max=100 create $s2
	nvmetctl show --json >"$T/a.json"
	nvmetctl set $s1 cntlid_max=200
	sed 's/"cntlid_max": 100/"cntlid_max": 300/' "$T/a.json" >"$T/b.json"
	unchanged ends 7 nvmetctl apply "$T/b.json"
	[[ "$(cat "$T/err")" == "nvmetctl: $T/b.json:"*": $s1: has changed since generation 1 (in 2)" ]]
	# What has not changed may be.
	ends 0 nvmetctl set $s2 cntlid_max=5 --generation 1
	ends 7 nvmetctl set $s1 cntlid_max=5 --generation 1
	complains "$s1: has changed since generation 1 (in 2)"
}

# ---- others' work ----

@test "reconcile: what somebody changed is drift, told attribute by attribute, and repaired" {
	nvmetctl create $s1 cntlid_max=100
	kernel write nvmet/subsystems/$n1/attr_cntlid_max 200
	ends 0 nvmetctl status --verify
	grep -qxE "$s1 +cntlid_max +100 +200" "$T/out"
	LC_ALL=C nvmetctl show | grep -q "drift: cntlid_max is 200, not 100"
	ends 0 nvmetctl reconcile $s1
	holds "f nvmet/subsystems/$n1/attr_cntlid_max = 100"
	nvmetctl status --verify
	! nvmetctl status | grep -q Drift
	ends 1 nvmetctl reconcile $s2
	complains "$s2: there is no such object in the configuration"
}

@test "adopt: what somebody made is left alone, and taken over as it is when asked for" {
	kernel mkdir nvmet/subsystems/$n1
	kernel write nvmet/subsystems/$n1/attr_cntlid_max 200
	nvmetctl status --verify | grep -qx "$s1"
	ends 1 nvmetctl create $s1
	grep -q "^nvmetctl: $s1: exists in the kernel, but was not made by nvmetctl" "$T/err"
	nvmetctl create $s2
	nvmetctl clear -q
	holds "d nvmet/subsystems/$n1"
	kernel dump >"$T/before"
	ends 0 nvmetctl adopt $s1
	diff -u "$T/before" <(kernel dump)
	[ "$(nvmetctl show $s1 | awk '$1 == "cntlid_max" { print $2 }')" = 200 ]
	nvmetctl clear -q
	lacks "d nvmet/subsystems/$n1"
}

# ---- looking ----

@test "status: counts in words, and the generation" {
	ends 0 nvmetctl status
	prints "generation 0, kernel $(nvmetctl status --json | field release)" "nothing is configured"
	nvmetctl apply "$samples/small.json"
	ends 0 nvmetctl status
	[ "$(sed -n 2p "$T/out")" = "1 backend, 1 subsystem, 1 namespace, 1 port" ]
	[ "$(wc -l <"$T/out")" = 2 ]
}

@test "--json: whatever is read or reported is JSON" {
	local verb

	nvmetctl apply "$samples/small.json"
	nvmetctl save
	for verb in show "show ports" "show ports/1 --defaults" status "status --verify" jobs history capabilities \
		"check $samples/small.json" "diff $samples/small.json" "apply $samples/small.json" "set $s1 cntlid_max=7" \
		"clear --dry-run" reconcile save; do
		# shellcheck disable=SC2086
		ends 0 nvmetctl $verb --json
		complains
		python3 -m json.tool <"$T/out" >/dev/null
	done
	ends 1 nvmetctl create $s1 --json
	[ "$(field outcome <"$T/out")" = failed ]
	[[ "$(field errors <"$T/out")" == *"exists already"* ]]
}

@test "help: for each verb, kind and attribute, from their tables" {
	local word

	for word in $(nvmetctl help | awk '/^  [a-z]/ { print $1 }') backends hosts subsystem namespaces port referrals ana_groups nvmet \
		qid_max dhchap_key trsvcid; do
		ends 0 nvmetctl help "$word"
		complains
		[ -s "$T/out" ]
	done
	nvmetctl help qid_max | grep -qx "    default: 128"
	nvmetctl help allow_any_host | grep -qx "    default: false"
	ends 0 nvmetctl --help
	ends 0 nvmetctl --version
	ends 2 nvmetctl help qidmax
	complains "help: qidmax is no verb, kind of object or attribute"
}

@test "-q: problems only" {
	ends 0 nvmetctl create $s1 -q
	prints
	complains
}

# ---- another machine ----

# An ssh that stays here: what sd-bus has it start there is a bridge to the bus.
stub_ssh() {
	command -v systemd-stdio-bridge >/dev/null || skip "there is no systemd-stdio-bridge"
	mkdir "$T/bin"
	cat >"$T/bin/ssh" <<-'END'
		#!/bin/sh
		case $* in
		*"root@target systemd-stdio-bridge"*) exec systemd-stdio-bridge -p "$DBUS_SYSTEM_BUS_ADDRESS" ;;
		*) exit 255 ;;
		esac
	END
	chmod +x "$T/bin/ssh"
	PATH=$T/bin:$PATH
}

@test "-H: the daemon of another machine is asked by ssh, with documents of this one" {
	stub_ssh
	ends 0 nvmetctl -H root@target apply "$samples/small.json"
	complains
	diff -u <(nvmetctl show) <(nvmetctl -H root@target show)
	diff -u <(nvmetctl save -) <(nvmetctl -H root@target save -)
	ends 0 nvmetctl -H root@target export /dev/vdc --nvme $n2 --port tcp:0.0.0.0:4421 --any-host
	# Nobody connects to 0.0.0.0.
	reports "4 created, 0 changed, 0 removed; generation 2." "nvme connect -t tcp -a target -s 4421 -n $n2"
	cd "$samples/bad"
	ends 3 nvmetctl -H root@target apply dangling.json
	diff -u <(sed 's/^/nvmetctl: /' dangling.err) "$T/err"
	ends 2 nvmetctl -H root@target export vdd --nvme $n2
	# But for the name of a backend.
	ends 0 nvmetctl -H root@target export vdc --nvme $n2
	ends 6 nvmetctl -H elsewhere show
	complains "elsewhere: the connection by ssh ended before nvmetd answered"
}

# ---- terminals ----

# terminal COMMAND…: runs it on a terminal of 80 columns, prints what that was shown.
terminal() {
	python3 - "$@" <<-'END'
		import fcntl, os, pty, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
		    os.execvp(sys.argv[1], sys.argv[1:])
		shown = b""
		while True:
		    try:
		        got = os.read(fd, 65536)
		    except OSError:
		        break
		    if not got:
		        break
		    shown += got
		sys.stdout.buffer.write(shown)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

@test "states are coloured on a terminal, and not with NO_COLOR or in a pipe" {
	kernel mkdir nvmet/subsystems/$n1
	nvmetctl status --verify
	export TERM=xterm
	terminal nvmetctl show | grep -q $'\x1b\\[[0-9;]*mforeign'
	! NO_COLOR=1 terminal nvmetctl show | grep -q $'\x1b'
	! nvmetctl show | grep -q $'\x1b'
}

@test "a change that takes longer than a moment shows its progress on a terminal" {
	nvmetctl create $s2
	kernel fault delay=2500 verb=m "path=nvmet/subsystems/$n1"
	terminal nvmetctl create $s1 >"$T/shown"
	grep -q "job [0-9]* running, 0 of 1 step.*: $s1: make" "$T/shown"
	# It is wiped before the result.
	grep -q $'\x1b\\[K1 created' "$T/shown"
	kernel fault delay=2500 verb=m "path=nvmet/subsystems/$n1:b"
	! terminal nvmetctl create $s1:b -q | grep -q steps
}
