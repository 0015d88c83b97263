# SPDX-License-Identifier: Apache-2.0
#
# What the manual says that can be tried without a daemon.

load lib

man=$BATS_TEST_DIRNAME/../../man

setup() { make_work_dir; }
teardown() { stop_all; }

@test "the documents in nvmetctl.json(5) are valid" {
	local document n=0 targets=0

	awk -v dir="$T" '
		/^```/ { inside = !inside; if (inside) n++; next }
		inside { print > (dir "/example-" n ".json") }
	' "$man/nvmetctl.json.5.scd"
	for document in "$T"/example-*.json; do
		ends 0 nvmetctl check "$document"
		complains
		n=$((n + 1))
		! grep -q '"targets"' "$document" || targets=1
	done
	[ "$n" = 2 ]
	[ "$targets" = 1 ]
}

@test "each attribute in nvmetctl-features(7) and each option of export in nvmetctl(8) is one" {
	local word n=0

	# Not followed by a section, as other pages are.
	for word in $(grep -oP '\*[a-z][a-z0-9_]*\*(?!\()' "$man/nvmetctl-features.7.scd" | tr -d '*' | sort -u); do
		ends 0 nvmetctl help "$word"
		n=$((n + 1))
	done
	[ "$n" -gt 30 ]
	nvmetctl help export >"$T/help"
	for word in $(sed -n '/^## Export and take back/,/^## Look/p' "$man/nvmetctl.8.scd" | grep -o '\*--[a-z-]*\*' | tr -d '*' | sort -u); do
		grep -qe " $word\b" "$T/help" || { echo "$word"; return 1; }
	done
}
