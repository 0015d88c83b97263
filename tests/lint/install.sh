#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# make install DESTDIR=… installs what it should, where it should, and nothing with a name or path of the build in it.
set -euo pipefail

dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
make -s -C "$BUILD_DIR" install DESTDIR="$dest" >"$dest/log" 2>&1 || { cat "$dest/log"; exit 1; }
rm "$dest/log"
diff - <(cd "$dest" && find . -type f -printf '%m %P\n' | LC_ALL=C sort -k 2) <<'END' || { echo "this is not what should be installed"; exit 1; }
644 lib/systemd/system/nvmetd.service
644 lib/udev/rules.d/55-nvmetctl.rules
755 usr/sbin/nvmetctl
755 usr/sbin/nvmetd
644 usr/share/dbus-1/interfaces/org.nvmetctl1.xml
644 usr/share/dbus-1/system-services/org.nvmetctl1.service
644 usr/share/dbus-1/system.d/org.nvmetctl1.conf
644 usr/share/doc/nvmetctl/README.md
644 usr/share/doc/nvmetctl/architecture.md
644 usr/share/doc/nvmetctl/nvmetd.conf
644 usr/share/man/man5/nvmetctl.json.5
644 usr/share/man/man5/nvmetd.conf.5
644 usr/share/man/man7/nvmetctl-features.7
644 usr/share/man/man8/nvmetctl.8
644 usr/share/man/man8/nvmetd.8
END
grep -q '^ExecStart=/usr/sbin/nvmetd' "$dest/lib/systemd/system/nvmetd.service"
grep -q '^Exec=\|^SystemdService=nvmetd.service' "$dest/usr/share/dbus-1/system-services/org.nvmetctl1.service"
if grep -rlE -e "$dest|@[a-z_]+@" "$dest/lib" "$dest/usr/share/dbus-1"; then
	echo "there is something of the build in these"
	exit 1
fi
