#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Each file says its licence, once, in its first lines. Those that cannot (JSON, what tests expect or feed in) are listed here.
set -euo pipefail

cd "$(dirname "$0")/../.."
git rev-parse --git-dir >/dev/null 2>&1 || { echo "this is not a clone"; exit 77; }
status=0
while IFS= read -r -d '' file; do
	case $file in
	LICENSE | *.json | *.err | *.expected | tests/fuzz/seeds/*) continue ;;
	esac
	[ -f "$file" ] || continue
	count=$(grep -cE '^[^[:alnum:]]*SPDX-License-Identifier: ' "$file" || :)
	if [ "$count" != 1 ] || ! head -n 5 "$file" | grep -qE '^[^[:alnum:]]*SPDX-License-Identifier: Apache-2\.0([^[:alnum:]]|$)'; then
		echo "$file: $count lines with SPDX-License-Identifier; one is wanted, Apache-2.0, in the first five lines"
		status=1
	fi
done < <(git ls-files -z)
exit $status
