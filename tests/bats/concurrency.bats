# SPDX-License-Identifier: Apache-2.0
#
# Several at once: writers of one object wait for each other and none is lost, those of different ones do not, and readers never do.
# Calls of the kernel that hang make the order certain.

load lib

n1=nqn.2026-11.org.example:s1
n2=nqn.2026-11.org.example:s2
s1=subsystems/$n1
s2=subsystems/$n2

setup() { start_all; }

teardown() {
	kernel release all || true
	stop_all
}

# behind NAME COMMAND…: begins it; ended NAME STATUS waits for its end.
declare -gA pids

behind() {
	local name=$1

	shift
	"$@" >"$T/$name.out" 2>"$T/$name.err" 3>&- </dev/null &
	pids[$name]=$!
}

ended() {
	local status=0

	wait "${pids[$1]}" || status=$?
	[ "$status" = "$2" ] || { echo "$1: status $status"; cat "$T/$1.out" "$T/$1.err"; return 1; }
}

# What runs, a line each: its state and what it waits for.
states() {
	nvmetctl jobs --json | python3 -c '
import json, sys
for job in json.load(sys.stdin):
    if not job.get("outcome"):
        print(job["state"], job.get("waits_for", ""))'
}

@test "two writers of one subsystem: the second waits, says for what, and neither is lost" {
	nvmetctl create $s1
	kernel fault hang verb=w "path=nvmet/$s1/attr_cntlid_max"
	behind first nvmetctl set $s1 cntlid_max=100
	kernel wait hung 1
	# Without waiting for its end there is an answer once the daemon has it.
	nvmetctl set $s1 cntlid_min=5 --no-wait
	states >"$T/states"
	diff -u - "$T/states" <<-END
		running$(printf ' ')
		waiting job 3 ($s1)
	END
	behind third nvmetctl set $s1 qid_max=7 --disrupt
	kernel release all
	ended first 0
	ended third 0
	kernel dump >"$T/dump"
	grep -qx "f nvmet/$s1/attr_cntlid_max = 100" "$T/dump"
	grep -qx "f nvmet/$s1/attr_cntlid_min = 5" "$T/dump"
	grep -qx "f nvmet/$s1/attr_qid_max = 7" "$T/dump"
}

@test "many writers of one list at once: none is lost" {
	local i

	nvmetctl create $s1
	for i in 1 2 3 4 5 6 7 8; do
		behind "$i" nvmetctl create hosts/nqn.2026-11.org.example:h$i set $s1 allowed_hosts+=nqn.2026-11.org.example:h$i
	done
	for i in 1 2 3 4 5 6 7 8; do
		ended "$i" 0
	done
	[ "$(kernel dump | grep -c "^l nvmet/$s1/allowed_hosts/")" = 8 ]
	[ "$(nvmetctl show $s1 --json | grep -c '"nqn.2026-11.org.example:h')" = 8 ]
	# And so it is in the journal.
	nvmetctl save "$T/before.json"
	kill_nvmetd
	start_nvmetd
	nvmetctl save "$T/after.json"
	cmp "$T/before.json" "$T/after.json"
}

@test "what names the generation it was made from gets a conflict, though it had to wait to find out" {
	nvmetctl create $s1 cntlid_max=50
	kernel fault hang verb=w "path=nvmet/$s1/attr_cntlid_max"
	behind first nvmetctl set $s1 cntlid_max=100
	kernel wait hung 1
	behind second nvmetctl set $s1 cntlid_max=200 --generation 1
	behind third nvmetctl set $s1 cntlid_min=5 --generation 1
	kernel release all
	ended first 0
	ended second 7
	ended third 7
	diff -u - "$T/second.err" <<<"nvmetctl: $s1: has changed since generation 1 (in 2)"
	kernel dump | grep -qx "f nvmet/$s1/attr_cntlid_max = 100"
}

@test "a read never waits for a change" {
	local verb

	nvmetctl create $s1
	kernel fault hang verb=w "path=nvmet/$s1/attr_cntlid_max"
	behind first nvmetctl set $s1 cntlid_max=100
	kernel wait hung 1
	for verb in show "show $s1" "show --json" status "status --verify" jobs history capabilities "save -" \
		"set $s2/namespaces/1 enable=1 --dry-run"; do
		# shellcheck disable=SC2086
		timeout 60 nvmetctl $verb >"$T/out" 2>&1 || [ $? = 1 ]
		[ -s "$T/out" ]
	done
	# It is still as it was.
	! nvmetctl show $s1 | grep -q "cntlid_max *100"
	[ "$(states)" = "running " ]
	kernel release all
	ended first 0
}

@test "a change of one subsystem never waits for one of another, nor export into a port for a removal from it" {
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	nvmetctl create $s2 allow_any_host=true
	kernel fault hang verb=r "path=nvmet/$s1/namespaces/1"
	behind first nvmetctl delete $s1 --recursive
	kernel wait hung 1
	timeout 60 nvmetctl set $s2 cntlid_max=9
	timeout 60 nvmetctl export /dev/vdc --nvme $n2 --port tcp:192.0.2.1 --any-host
	kernel dump | grep -qx "l nvmet/ports/1/subsystems/$n2 -> nvmet/subsystems/$n2"
	kernel dump | grep -qx "d nvmet/subsystems/$n1/namespaces/1"
	[ "$(states)" = "removing " ]
	kernel release all
	ended first 0
	! kernel dump | grep -q "$n1"
}

@test "what no step that is still to come needs is free while the last one hangs" {
	local h=nqn.2026-11.org.example:h

	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	nvmetctl create backends/c type=block device=/dev/vdc create $s1/namespaces/2 backend=c
	nvmetctl create $s2 create hosts/$h set $s2 allowed_hosts+=$h
	kernel fault hang verb=r "path=nvmet/$s1/namespaces/1"
	behind first nvmetctl delete $s1 --recursive delete backends/c --disrupt set $s2 allowed_hosts-=$h delete hosts/$h
	kernel wait hung 1
	[ "$(states)" = "removing " ]
	# A device, a port as a whole, a name, a list: all were part of it, and none of them is any more.
	timeout 60 nvmetctl create backends/d type=block device=/dev/vdc create $s2/namespaces/1 backend=d
	timeout 60 nvmetctl set ports/1 trsvcid=4421 --disrupt
	timeout 60 nvmetctl create hosts/$h
	timeout 60 nvmetctl set $s2 allow_any_host=true --disrupt
	# What hangs is not.
	behind again nvmetctl create $s1
	until states | grep -qx "waiting job [0-9]* (=$s1)"; do sleep 0.1; done
	kernel release all
	ended first 0
	ended again 0
	kernel dump | grep -qx "f nvmet/$s2/namespaces/1/device_path = /dev/vdc"
}

# Of two that say how all is to be, the objects of one are no part of the other.
@test "of two whole documents at once, the second finds what the first one made" {
	echo "{ \"version\": 1, \"hosts\": { \"$n1\": {} } }" >"$T/1.json"
	echo "{ \"version\": 1, \"hosts\": { \"$n2\": {} } }" >"$T/2.json"
	kernel fault hang verb=m "path=nvmet/hosts/$n1"
	behind first nvmetctl apply "$T/1.json"
	kernel wait hung 1
	behind second nvmetctl apply "$T/2.json"
	until states | grep -qx "waiting job [0-9]* (whole document)"; do sleep 0.1; done
	kernel release all
	ended first 0
	ended second 0
	[ "$(kernel list nvmet/hosts)" = "d $n2" ]
}

@test "two exports into one new port: one makes it, the other one uses it" {
	# A machine on which nothing was ever configured has no generation yet that could be named.
	nvmetctl create hosts/nqn.2026-11.org.example:h
	behind first nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	behind second nvmetctl export /dev/vdc --nvme $n2 --port tcp:192.0.2.1 --any-host
	# Who came second may have looked at a state that has changed since: it is told so, and the same line again is enough.
	ended first 0 || ended first 7
	ended second 0 || ended second 7
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	nvmetctl export /dev/vdc --nvme $n2 --port tcp:192.0.2.1 --any-host
	[ "$(kernel dump | grep -c "^l nvmet/ports/1/subsystems/")" = 2 ]
	! kernel dump | grep -q "^d nvmet/ports/2$"
}

# The kernel asks what is behind a bridge's LUN when it is linked, and whoever stores its blocks may be slow to say.
@test "a bridge whose disk does not come holds up no other bridge, and status names it" {
	stop_nvmetd
	echo 'stuck_seconds = 1;' >"$T/nvmetd.conf"
	start_nvmetd
	nvmetctl create $s1
	nvmetctl create $s2
	kernel fault hang verb=l "path=target/loopback/*"
	behind slow nvmetctl create backends/slow type=ramdisk size=1MiB create $s1/namespaces/1 backend=slow
	kernel wait hung 1
	until nvmetctl status | grep -q "^backends/slow/bridge: make  *link target/loopback/"; do sleep 0.1; done
	nvmetctl create backends/fast type=ramdisk size=1MiB create $s2/namespaces/1 backend=fast
	kernel dump | grep -q "^d nvmet/subsystems/$n2/namespaces/1$"
	nvmetctl delete backends/fast --recursive --disrupt --destroy
	kernel release all
	ended slow 0
}

# Somebody else's LUN is what makes it look in what was known of the kernel before.
@test "a change goes on when the kernel is read whole while it reads its own part" {
	local t1=targets/iscsi/iqn.2026-11.org.example:t1 tpgt=target/iscsi/iqn.2026-11.org.example:t1/tpgt_1
	nvmetctl create backends/b type=ramdisk size=1MiB create $t1 create $t1/tpgs/1 create $t1/tpgs/1/luns/0 backend=b
	kernel mkdir target/core/rd_mcp_9
	kernel mkdir target/core/rd_mcp_9/other
	kernel write target/core/rd_mcp_9/other/control rd_pages=1
	kernel write target/core/rd_mcp_9/other/enable 1
	kernel mkdir $tpgt/lun/lun_5
	kernel link $tpgt/lun/lun_5/x target/core/rd_mcp_9/other
	kernel fault hang verb=R "path=$tpgt/attrib/login_timeout"
	behind change nvmetctl create $t1/tpgs/1/luns/5 backend=b set $t1/tpgs/1 login_timeout=20 --disrupt
	kernel wait hung 1
	nvmetctl status --verify
	kernel release all
	ended change 1
	grep -q "$t1/tpgs/1/luns/5: exists in the kernel, but was not made by nvmetctl" "$T/change.err"
}

# ---- beside what hangs ----

stuck_soon() {
	stop_nvmetd
	echo 'stuck_seconds = 1;' >"$T/nvmetd.conf"
	start_nvmetd
}

# Something hangs, and counts as stuck.
await_stuck() {
	kernel wait hung 1
	until nvmetctl status | grep -q '^Stuck'; do sleep 0.1; done
}

# Until nothing is stuck, owed or lacking.
come_back() {
	kernel release all
	until nvmetctl status; do sleep 0.1; done
}

holds() {
	kernel dump | grep -qxF "$1"
}

@test "reconcile passes by what a removal that hangs stands in: the rest is repaired, that is named, and repaired when the kernel has come back" {
	stuck_soon
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	nvmetctl set $s1 cntlid_max=100 create $s2 cntlid_max=100
	kernel fault hang verb=r "path=nvmet/$s1/namespaces/1"
	behind first nvmetctl delete $s1/namespaces/1
	kernel wait hung 1
	kernel write nvmet/$s1/attr_cntlid_max 200
	kernel write nvmet/$s2/attr_cntlid_max 200
	ends 4 timeout 60 nvmetctl reconcile
	grep -q "^nvmetctl: warning: $s1/namespaces/1: the kernel does not come back" "$T/err"
	holds "f nvmet/$s2/attr_cntlid_max = 100"
	holds "f nvmet/$s1/attr_cntlid_max = 200"
	[ "$(states)" = "removing " ]
	kernel release all
	ended first 0
	until holds "f nvmet/$s1/attr_cntlid_max = 100"; do sleep 0.1; done
	ends 0 nvmetctl reconcile
}

@test "reconcile passes by what a job that hangs is changing" {
	stuck_soon
	nvmetctl create $s1 create $s2 cntlid_max=100
	kernel fault hang verb=P path=/dev/vdb
	behind first nvmetctl create backends/b type=block device=/dev/vdb create $s1/namespaces/1 backend=b
	kernel wait hung 1
	kernel write nvmet/$s2/attr_cntlid_max 200
	ends 4 timeout 60 nvmetctl reconcile
	grep -q "^nvmetctl: warning: $s1/namespaces/1: the kernel does not come back" "$T/err"
	holds "f nvmet/$s2/attr_cntlid_max = 100"
	[ "$(states)" = "running " ]
	kernel release all
	ended first 0
	holds "f nvmet/$s1/namespaces/1/enable = 1"
	ends 0 nvmetctl reconcile
}

@test "clear leaves behind what a removal that hangs stands in, and owes it; that goes when the kernel has come back, without a command" {
	stuck_soon
	nvmetctl export /dev/vdb --nvme $n1 --port tcp:192.0.2.1 --any-host
	nvmetctl create $s2
	kernel fault hang verb=r "path=nvmet/$s1/namespaces/1"
	behind first nvmetctl delete $s1/namespaces/1
	kernel wait hung 1
	ends 4 timeout 60 nvmetctl clear
	grep -q "^nvmetctl: $s1: could not be removed yet: the kernel does not come back" "$T/err"
	ends 0 nvmetctl show
	grep -q "no host allowed owed: the kernel does not come back" "$T/out"
	[ "$(kernel dump | grep -E '^[dl] nvmet/(subsystems|ports|hosts)/[^/]*$')" = "d nvmet/$s1" ]
	[ "$(states)" = "removing " ]
	kernel release all
	ended first 0
	until [ -z "$(kernel dump | grep -E '^[dl] nvmet/(subsystems|ports|hosts)/[^/]*$')" ]; do sleep 0.1; done
	until nvmetctl status; do sleep 0.1; done
}

@test "clear waits for what a job that hangs is making, and says so" {
	stuck_soon
	nvmetctl create $s2
	kernel fault hang verb=w "path=nvmet/$s1/attr_cntlid_max"
	behind first nvmetctl create $s1 cntlid_max=100 create ports/1 trtype=tcp traddr=192.0.2.1 subsystems=$n2
	await_stuck
	behind all nvmetctl clear
	until states | grep -q '^waiting job'; do sleep 0.1; done
	kernel release all
	ended first 0
	ended all 0
	[ -z "$(kernel dump | grep -E '^[dl] nvmet/(subsystems|ports|hosts)/[^/]*$')" ]
}

# cancelled STATUS: the first job, which then ends with that.
cancelled() {
	ends 0 nvmetctl jobs cancel "$(nvmetctl jobs --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["job"])')"
	ended first "$1"
}

# hung_job: job 2 makes a namespace and changes a subsystem, and hangs at the device of the one.
hung_job() {
	stuck_soon
	nvmetctl create $s1 cntlid_max=100 create $s2 cntlid_max=100
	kernel fault hang verb=P path=/dev/vdb
	behind first nvmetctl set $s1 cntlid_max=200 set $s2 cntlid_max=200 create hosts/$n2 \
		create backends/b type=block device=/dev/vdb create $s1/namespaces/1 backend=b
	kernel wait hung 1
	cancelled 5
	grep -q "^nvmetctl: warning: $s1/namespaces/1: the kernel does not come back" "$T/first.err"
	grep -q "^nvmetctl: $s1/namespaces/1: could not be put back: it is not known, was absent$" "$T/first.err"
	holds "f nvmet/$s2/attr_cntlid_max = 100"
	! holds "d nvmet/hosts/$n2"
}

@test "a job that hangs before its commit ends when it is cancelled: all else goes back, the rest when the kernel has come back, without a command" {
	hung_job
	ends 4 nvmetctl status
	grep -q "^$s1/namespaces/1 .*which was cancelled; the kernel has not come back from a call of it" "$T/out"
	# Nobody else meets what the call is in.
	behind second nvmetctl set $s1 qid_max=7 --disrupt
	until states | grep -qx "waiting job [0-9]* (.*$s1)"; do sleep 0.1; done
	ends 0 nvmetctl set $s2 qid_max=7 --disrupt
	kernel release all
	ended second 0
	until nvmetctl status; do sleep 0.1; done
	holds "f nvmet/$s1/attr_cntlid_max = 100"
	holds "f nvmet/$s1/attr_qid_max = 7"
	! holds "d nvmet/$s1/namespaces/1"
	ends 0 nvmetctl reconcile
}

@test "clear does not wait for a job that hangs once that is cancelled" {
	hung_job
	ends 4 timeout 60 nvmetctl clear
	[ "$(kernel dump | grep -E '^[dl] nvmet/(subsystems|ports|hosts)/[^/]*$')" = "d nvmet/$s1" ]
	kernel release all
	until [ -z "$(kernel dump | grep -E '^[dl] nvmet/(subsystems|ports|hosts)/[^/]*$')" ]; do sleep 0.1; done
	until nvmetctl status; do sleep 0.1; done
}

@test "the next daemon sets right what a cancelled job that hung has left" {
	hung_job
	kill_nvmetd
	start_nvmetd
	kernel release all
	until holds "f nvmet/$s1/attr_cntlid_max = 100"; do sleep 0.1; done
	until nvmetctl status; do sleep 0.1; done
	! holds "d nvmet/$s1/namespaces/1"
	ends 0 nvmetctl reconcile
}

@test "a way back that waits from its first step behind what hangs is left alone as well" {
	stuck_soon
	nvmetctl create $s1
	kernel fault hang verb=m path=nvmet/ports/1
	behind first nvmetctl create hosts/$n2 set $s1 allowed_hosts+=$n2 create ports/1 trtype=tcp traddr=192.0.2.1
	await_stuck
	cancelled 5
	come_back
	! holds "d nvmet/ports/1"
	! holds "d nvmet/hosts/$n2"
}

@test "a file made in vain that cannot be removed is told, and a job that is cancelled does not wait for it" {
	stuck_soon
	kernel fault hang verb=P path=/srv/two
	behind first nvmetctl create backends/one type=file path=/srv/one size=1MiB create=true create $s1 \
		create $s1/namespaces/1 backend=one create backends/two type=file path=/srv/two size=1MiB create=true create $s2 \
		create $s2/namespaces/1 backend=two
	await_stuck
	kernel fault hang verb=d path=/srv/one
	cancelled 5
	grep -q "/srv/one" "$T/first.err"
	! holds "d nvmet/$s1"
	come_back
	! holds "d nvmet/$s2"
}

@test "a restore that is cancelled while its way back from one object hangs leaves nothing of the others" {
	stuck_soon
	nvmetctl create $s2
	cat >"$T/document.json" <<-END
		{ "version": 1, "hosts": { "$n2": {} }, "backends": { "b": { "type": "block", "device": "/dev/vdb" } },
		  "subsystems": { "$n1": { "namespaces": { "1": { "backend": "b" } } }, "$n2": {} } }
	END
	kernel fault EIO verb=w "path=nvmet/$s1/namespaces/1/enable"
	kernel fault hang verb=r "path=nvmet/$s1/namespaces/1"
	behind first nvmetctl restore "$T/document.json"
	await_stuck
	cancelled 5
	come_back
	! holds "d nvmet/$s1"
	! holds "d nvmet/hosts/$n2"
	holds "d nvmet/$s2"
}
