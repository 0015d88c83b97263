# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers of scsi-conformance*.bats: a LUN set up by targetcli and the same LUN set up by nvmetctl, one after the other in the same kernel;
# that the kernel was told the same of both; and what libiscsi's tests (iscsi-test-cu) say of each. docs/conformance.md has what came out.

# Where targetcli has the kernel keep registrations, and makes no folders for them: without pr every registration fails.
TARGETCLI_DBROOT=/etc/rtslib-fb-target

# A host that logs in again after its session ended without RELEASE(6) finds the reservation gone as soon as the kernel has taken that
# session away, which it does in its own time, and these tests ask three times without a pause: they pass and fail by chance.
BY_CHANCE='^Reserve6\.(Logout|ITNexusLoss) '

conformance_setup() {
	clean_slate
	modprobe -a target_core_mod iscsi_target_mod
	mkdir -p $DBROOT $TARGETCLI_DBROOT/pr $TARGETCLI_DBROOT/alua
}

conformance_teardown() {
	remove_all
	leave_clean
	echo $DBROOT >$TARGET/dbroot
	rm -rf $TARGETCLI_DBROOT/pr $TARGETCLI_DBROOT/alua
}

by_targetcli() {	# PATH COMMAND…: what makes the backend of that path
	targetcli >"$W/targetcli" 2>&1 <<-END
		set global auto_add_default_portal=false auto_save_on_exit=false
		$(printf '%s\n' "${@:2}")
		/iscsi create $IQN:t1
		/iscsi/$IQN:t1/tpg1/luns create $1 lun=0
		/iscsi/$IQN:t1/tpg1/portals create 127.0.0.1 3260
		/iscsi/$IQN:t1/tpg1 set attribute authentication=0 generate_node_acls=1 demo_mode_write_protect=0
		exit
	END
	[ -n "$(find $TARGET/iscsi/$IQN:t1/tpgt_1/lun/lun_0 -type l)" ] || {
		cat "$W/targetcli" >&2
		return 1
	}
}

by_nvmetctl() {	# ATTRIBUTE…: of the backend
	status 0 nvmetctl create backends/b "$@" create targets/iscsi/$IQN:t1 \
		create targets/iscsi/$IQN:t1/tpgs/1 authentication=false generate_node_acls=true demo_mode_write_protect=false \
		create targets/iscsi/$IQN:t1/tpgs/1/luns/0 backend=b create targets/iscsi/$IQN:t1/tpgs/1/portals/$ISCSI_PORTAL
}

# All that is in target/, but for names and what nobody but people reads. Left out, by name:
#	the number of an HBA		rtslib counts, nvmetctl takes the backend's uuid
#	vpd_unit_serial			is another for each LUN ever made
#	the name of a LUN's link	anything
#	udev_path			where the kernel does not open it: for a disk and a file targetcli writes there what stands in info too
as_the_kernel_has_it() {
	dump_scsi | sed -E 's,([/:])(iblock|fileio|rd_mcp|pscsi|user)_[0-9]+,\1HBA,g; s,(lun_0/)[^/]+ ->,\1LINK ->,
		/\/wwn\/vpd_unit_serial:/d; /\/HBA\/b\/udev_path:/d' | LC_ALL=C sort
}

# libiscsi_tests LOGS [SUITE…]: runs these suites, or all, against the LUN, whose data is lost. Prints a line for each test: SUITE.TEST
# and passed, failed, or skipped, which is one that passed and said that it, or some of it, has nothing to test here. What a suite printed
# is left in LOGS. The limit is for one that hangs.
libiscsi_tests() {
	local logs=$1 suite suites
	shift
	mkdir -p "$logs"
	[ $# -gt 0 ] || mapfile -t suites < <(iscsi-test-cu --list | sed -nE 's/^ALL\.([^.]+)$/\1/p')
	[ $# -eq 0 ] || suites=("$@")
	for suite in "${suites[@]}"; do
		timeout 120 iscsi-test-cu --dataloss --verbose --test="ALL.$suite" "iscsi://$ISCSI_PORTAL/$IQN:t1/0" >"$logs/$suite" 2>&1 || :
	done
	(cd "$logs" && verdicts "${suites[@]}")
}

verdicts() {	# FILE…: named like the suites that printed them
	awk '
		# Did CUnit count the same: tests, those that ran, passed, failed?
		function finish() {
			if (suite != "" && !(count > 0 && agreed))
				print suite, "not-finished"
			count = failures = agreed = 0
			name = ""
		}
		FNR == 1 {
			finish()
			suite = FILENAME
		}
		# A verdict stands behind "Test: NAME ..." or, if the test said something, at the beginning of a line of its own. What is
		# said after it is no longer part of the test.
		/^  Test: / {
			name = $2
			skipped = 0
			sub(/^  Test: [^ ]+ \.\.\./, "")
		}
		$1 == "tests" { agreed = $2 == count && $3 == count && $5 == failures }
		name == "" { next }
		/\[SKIPPED\]/ { skipped = 1 }
		/^passed/ || /^FAILED/ {
			word = /^FAILED/ ? "failed" : skipped ? "skipped" : "passed"
			print suite "." name, word
			count++
			failures += word == "failed"
			name = ""
		}
		END { finish() }
	' "$@"
}

# compare NAME FRESH [SUITE…]: FRESH is a command that makes what the backend is on; THEIRS and OURS are commands that make the LUN. What the
# tests say is left in $RESULTS/NAME.theirs and $RESULTS/NAME.ours.
compare() {
	local name=$1 fresh=$2 who
	shift 2
	for who in theirs ours; do
		$fresh
		case $who in
		theirs) "${THEIRS[@]}" ;;
		ours) "${OURS[@]}" ;;
		esac
		as_the_kernel_has_it >"$W/$who.dump"
		libiscsi_tests "$RESULTS/logs/$name.$who" "$@" >"$W/$name.$who"
		cp "$W/$name.$who" "$RESULTS"
		case $who in
		theirs) remove_all ;;
		ours) status 0 nvmetctl clear --disrupt --destroy ;;
		esac
	done
	same "$W/theirs.dump" "$W/ours.dump"
	# They were run, and most of what there is to test passes.
	[ "$(grep -c ' passed' "$W/$name.ours")" -gt "$(grep -c ' failed' "$W/$name.ours")" ]
	for who in theirs ours; do
		grep -vE "$BY_CHANCE" "$W/$name.$who" >"$W/$who.results"
	done
	same "$W/theirs.results" "$W/ours.results"
}

nothing() {
	:
}
