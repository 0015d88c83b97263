#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12 --memory 1536
# What libiscsi's tests say of a LUN that nvmetctl set up, beside what they say of the same LUN set up by targetcli: the quick ones.
# scsi-conformance-all.bats has all of them, for each type of backend.
load lib
load scsi-conformance

setup() {
	conformance_setup
	RESULTS=$BATS_TEST_TMPDIR
}

teardown() {
	conformance_teardown
}

@test "a ramdisk set up by nvmetctl is to the kernel what targetcli makes of it, and passes and fails the same of libiscsi's tests" {
	THEIRS=(by_targetcli /backstores/ramdisk/b '/backstores/ramdisk create name=b size=64M')
	OURS=(by_nvmetctl type=ramdisk size=64MiB emulate_model_alias=true)
	compare ramdisk nothing Inquiry Mandatory ModeSense6 PrinReadKeys PrinReportCapabilities ProutRegister ProutReserve \
		ReadCapacity16 ReceiveCopyResults TestUnitReady
}
