#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What shellcheck says of the scripts. SC2154: variables that come from a file or from bats. SC1091: files that are made later. SC2054: words of
# qemu's with commas in them.
set -euo pipefail

cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; exit 77; }
git rev-parse --git-dir >/dev/null 2>&1 || { echo "this is not a clone"; exit 77; }
scripts=()
while IFS= read -r -d '' file; do
	[ -f "$file" ] || continue
	line=''
	IFS= read -r line <"$file" 2>/dev/null || :
	case $line in
	'#!'*bash | '#!'*/sh) scripts+=("$file") ;;
	esac
done < <(git ls-files -z)
shellcheck --severity=warning --exclude=SC2154,SC1091,SC2054 --format=gcc "${scripts[@]}"
