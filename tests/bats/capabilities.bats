#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What the daemon says of the kernel that it configures.

load lib

setup() {
	make_work_dir
	start_bus
}

teardown() {
	stop_all
}

# available FEATURE: true, false or null
available() {
	nvmetctl capabilities --json | jq --arg feature "$1" '.features[] | select(.feature == $feature) | .available'
}

@test "without an object to look at, the kernel's release and configuration tell" {
	start_kernel --release 6.12 --without NVME_TARGET_PASSTHRU
	start_nvmetd
	[ "$(available 'in-band authentication')" = true ]
	[ "$(available 'NVMe passthrough')" = false ]
	[ "$(available 'support for NVMe reservations')" = false ]
	[ "$(available TLS)" = true ]
	nvmetctl capabilities --json | jq -e '.transports == { tcp: true, rdma: true, fc: true, loop: true, pci: false }'
	nvmetctl capabilities | grep -q 'in-band authentication  *yes'
}

@test "an object's files are believed before everything else" {
	start_kernel --release 6.1
	start_nvmetd
	[ "$(available 'a limit on queue size')" = false ]
	nvmetctl create hosts/nqn.2026-11.org.example:host create subsystems/nqn.2026-11.org.example:s1
	[ "$(available 'in-band authentication')" = false ]
	[ "$(available 'a firmware revision of one'\''s own')" = false ]
	[ "$(available 'a limit on queues')" = true ]
	[ "$(available 'NVMe passthrough')" = false ]
}
