# SPDX-License-Identifier: Apache-2.0
#
# A start that cannot restore everything at once: what is bad or hangs costs what needs it, and nothing else.

load lib

bad=nqn.2026-11.org.example:bad
good=nqn.2026-11.org.example:good
links=nvmet/ports/1/subsystems

setup() {
	start_all
	nvmetctl export /dev/vdb --nvme $bad --port tcp:192.0.2.1:4420 --any-host
	nvmetctl export /dev/vdc --nvme $bad --port tcp:192.0.2.1:4420 --any-host
	nvmetctl export /dev/vdd --nvme $good --port tcp:192.0.2.1:4420 --any-host
	kernel dump >"$T/before"
	stop_nvmetd
	stop_kernel
	rm "$T/kernel.ready" "$T/run/ledger"
	start_kernel
	echo 'stuck_seconds = 1;' >"$T/nvmetd.conf"
}

teardown() {
	kernel disarm
	kernel release all
	stop_all
}

@test "a device that is missing costs its namespace alone" {
	kernel remove /dev/vdb
	start_nvmetd
	ends 4 nvmetctl status
	grep -q "subsystems/$bad/namespaces/1: .*/dev/vdb does not exist" "$T/out"
	kernel dump | grep -q "^l $links/$bad "
	kernel dump | grep -q "^l $links/$good "
	kernel dump | grep -q "^d nvmet/subsystems/$bad/namespaces/2$"
	! kernel dump | grep -q "^d nvmet/subsystems/$bad/namespaces/1$"

	kernel add /dev/vdb size=1GiB
	ends 0 nvmetctl reconcile
	diff -u "$T/before" <(kernel dump)
	ends 0 nvmetctl status
}

@test "a device that hangs holds up neither the start nor the restoring of the rest" {
	kernel fault hang verb=P path=/dev/vdb
	start_nvmetd
	ends 0 nvmetctl status
	grep -q "subsystems/$bad/namespaces/1: probe its device" "$T/out"
	kernel dump | grep -q "^l $links/$good "
	! kernel dump | grep -q "^l $links/$bad "

	kernel release all
	until diff "$T/before" <(kernel dump) >/dev/null; do sleep 0.1; done
	nvmetctl status >"$T/out"
	! grep -qE 'Stuck|Drift' "$T/out"
}

@test "what is asked while a start still reads the kernel waits for that, and is then done to what the kernel holds" {
	local asked

	start_nvmetd
	nvmetctl create backends/gone type=ramdisk size=1MiB create backends/left type=ramdisk size=1MiB
	kill_nvmetd
	kernel fault hang verb=L path=target
	begin_nvmetd
	kernel wait hung 1
	until busctl --timeout=60 status org.nvmetctl1 >/dev/null 2>&1; do sleep 0.05; done
	nvmetctl delete backends/gone --destroy 3>&- &
	asked=$!
	until nvmetctl jobs | grep -q 'the start (it reads the kernel)'; do
		kill -0 $asked
		sleep 0.05
	done
	kernel release all
	wait $asked
	await_nvmetd
	! kernel dump | grep '/gone'
	kernel dump | grep -q '^d target/core/rd_mcp_[0-9]*/left$'
	ends 0 nvmetctl status
}

@test "what was owed with consent when the daemon was killed is removed by the next one without being asked again" {
	start_nvmetd
	nvmetctl create backends/gone type=ramdisk size=1MiB
	kernel fault EBUSY verb=r path='target/core/rd_mcp_*/gone' always
	ends 4 nvmetctl delete backends/gone --destroy
	kernel disarm
	kill_nvmetd
	start_nvmetd
	! kernel dump | grep '/gone'
	ends 0 nvmetctl status
}
