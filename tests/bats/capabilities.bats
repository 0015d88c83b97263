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

@test "what the kernel lacks is asked for and refused, and what is served is not touched for it" {
	local s=subsystems/nqn.2026-11.org.example:s1 t=targets/iscsi/iqn.2026-11.org.example:t object attr feature needs
	start_kernel --release 6.1 --log "$T/calls"
	start_nvmetd
	ends 0 nvmetctl create $s allow_any_host=true create ports/1 trtype=tcp traddr=192.0.2.1 subsystems="${s#*/}" \
		create backends/b type=ramdisk size=16MiB create $t create $t/tpgs/1 create $t/tpgs/1/luns/0 backend=b
	while IFS='|' read -r object attr feature needs; do
		: >"$T/calls"
		ends 1 nvmetctl set "$object" "$attr" --disrupt
		complains "$object: ${attr%=*}: $feature is not in this kernel: it needs Linux $needs"
		! grep -E '^[0-9]+ [0-9]+ [mrlu] ' "$T/calls" || return 1
		[ "$(grep -cE '^[0-9]+ [0-9]+ w ' "$T/calls")" = 1 ]
	done <<-END
		$s|firmware=x|a firmware revision of one's own|6.2
		$s|ieee_oui=0x1|an IEEE OUI of one's own|6.2
		$s|vendor_id=0x1|a PCI vendor id of one's own|6.14
		ports/1|mdts=3|a maximum data transfer size|7.0
		backends/b|emulate_rsoc=false|a choice about REPORT SUPPORTED OPERATION CODES|6.2
		backends/b|submit_type=1|a choice of how commands are submitted|6.7
	END
}
