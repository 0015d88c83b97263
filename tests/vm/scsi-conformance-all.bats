#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# long machine: --kernel 6.12 --memory 1536 --timeout 7200
# All of libiscsi's tests against a LUN of each type of backend, set up by nvmetctl and by targetcli. Takes half an hour and more. What came
# out is left as a table, scsi-conformance.md on the machine's share, as docs/conformance.md has it, with all that was said beside it.
load lib
load scsi-conformance

setup_file() {
	export RESULTS=${NVMETCTL_SHARE:-$BATS_FILE_TMPDIR}/scsi-conformance
	rm -rf "$RESULTS"
	mkdir -p "$RESULTS"
}

setup() {
	conformance_setup
}

teardown() {
	conformance_teardown
	end_user_programs
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
	modprobe -qr scsi_debug || :
	rm -f /dev/conformance
}

teardown_file() {
	table >"$RESULTS.md"
}

# For each suite and backend how many tests passed, failed and were skipped with nvmetctl, and with targetcli where that differs. Below it,
# which failed.
table() {
	local file
	for file in "$RESULTS"/*.ours; do
		awk '{ print FILENAME, $1, $2 }' "${file%.ours}.theirs" "$file"
	done | awk '
		{
			who = $1
			sub(/.*\./, "", who)
			setup = $1
			sub(/.*\//, "", setup)
			sub(/\.[a-z]*$/, "", setup)
			suite = $2
			sub(/\..*/, "", suite)
			if (!(setup in column)) {
				column[setup] = ++columns
				head[columns] = setup
			}
			if (!(suite in row)) {
				row[suite] = ++rows
				name[rows] = suite
			}
			count[who, row[suite], column[setup], $3]++
			if ($3 == "failed" && who == "ours") {
				if (!($2 in failed))
					order[++failing] = $2
				failed[$2] = failed[$2] " " setup
			}
		}
		function cell(who, r, c) {
			return (count[who, r, c, "passed"] + 0) " / " (count[who, r, c, "failed"] + 0) " / " (count[who, r, c, "skipped"] + 0)
		}
		END {
			text = "| |"
			line = "|---|"
			for (c = 1; c <= columns; c++) {
				text = text " " head[c] " |"
				line = line "---|"
			}
			print text
			print line
			for (r = 1; r <= rows; r++) {
				text = "| " name[r] " |"
				for (c = 1; c <= columns; c++) {
					ours = cell("ours", r, c)
					theirs = cell("theirs", r, c)
					text = text " " ours (ours == theirs ? "" : "; targetcli " theirs) " |"
				}
				print text
			}
			print ""
			for (i = 1; i <= failing; i++)
				print "- " order[i] ":" failed[order[i]]
		}
	'
}

fresh_file() {
	rm -f "$W/img"
	truncate -s 64M "$W/img"
}

fresh_loop() {
	if [ -n "${LOOP:-}" ]; then
		losetup -d "$LOOP"
		rm "$W/disk"
	fi
	LOOP=$(loop_disk "$W/disk" 64M)
	# So that it has the same name both times.
	ln -sfn "$LOOP" /dev/conformance
}

fresh_scsi_debug() {
	modprobe -qr scsi_debug || :
	modprobe -a sd_mod sg
	modprobe scsi_debug dev_size_mb=64
	until_true scsi_debug_disk
}

scsi_debug_disk() {
	local disk
	for disk in /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/sd*; do
		[ -b "/dev/${disk##*/}" ] && ln -sfn "/dev/${disk##*/}" /dev/conformance
	done
}

# targetcli makes user backends only of programs that tcmu-runner knows; what it uses for that makes any.
by_rtslib() {
	/usr/bin/python3 - $IQN:t1 <<-END
		import sys
		from rtslib_fb import FabricModule, LUN, NetworkPortal, RTSRoot, Target, TPG, UserBackedStorageObject
		RTSRoot()
		disk = UserBackedStorageObject("b", config="test/b", size=64 << 20, control="nl_reply_supported=-1")
		tpg = TPG(Target(FabricModule("iscsi"), sys.argv[1]), 1)
		LUN(tpg, 0, disk)
		NetworkPortal(tpg, "127.0.0.1", 3260)
		tpg.set_attribute("authentication", 0)
		tpg.set_attribute("generate_node_acls", 1)
		tpg.set_attribute("demo_mode_write_protect", 0)
		tpg.enable = True
	END
}

@test "a ramdisk" {
	THEIRS=(by_targetcli /backstores/ramdisk/b '/backstores/ramdisk create name=b size=64M')
	OURS=(by_nvmetctl type=ramdisk size=64MiB emulate_model_alias=true)
	compare ramdisk nothing
}

@test "a block device that can discard" {
	THEIRS=(by_targetcli /backstores/block/b '/backstores/block create name=b dev=/dev/conformance')
	OURS=(by_nvmetctl type=block device=/dev/conformance emulate_model_alias=true)
	compare block fresh_loop
}

@test "a disk of another SCSI host, passed through" {
	THEIRS=(by_targetcli /backstores/pscsi/b '/backstores/pscsi create name=b dev=/dev/conformance')
	OURS=(by_nvmetctl type=scsi device=/dev/conformance)
	compare scsi fresh_scsi_debug
}

@test "a file as targetcli makes it: 512-byte blocks, write cache" {
	THEIRS=(by_targetcli /backstores/fileio/b "/backstores/fileio create name=b file_or_dev=$W/img")
	OURS=(by_nvmetctl type=file "path=$W/img" block_size=512 buffered_io=true emulate_write_cache=true emulate_model_alias=true)
	compare file fresh_file
}

@test "a program behind a user backend" {
	THEIRS=(by_rtslib)
	OURS=(by_nvmetctl type=user size=64MiB dev_config=test/b)
	user_program test/b
	compare user nothing
}

@test "a file as nvmetctl makes it: 4096-byte blocks, written through" {
	THEIRS=(by_targetcli /backstores/fileio/b "/backstores/fileio create name=b file_or_dev=$W/img write_back=false"
		'/backstores/fileio/b set attribute block_size=4096')
	OURS=(by_nvmetctl type=file "path=$W/img" emulate_model_alias=true)
	compare file-4096 fresh_file
}
