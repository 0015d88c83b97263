# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Packages from the machine's package sources, to be unpacked and never installed. Who loads this has a folder $work for what is fetched and
# a function die.

# The machine's own package lists serve as long as they are new enough. If not, fresh ones are kept aside: whoever runs this may not
# be allowed to change those of the machine, and nobody asked for it.
lists=()
refresh_lists() {
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	lists=(-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root "$@")
	apt-get -qq "${lists[@]}" update >&2
}

newest() {	# PATTERN: the package of the highest version whose name matches
	apt-cache "${lists[@]}" search --names-only "$1" | awk '{ print $1 }' | sort -V | tail -n 1
}

download() {	# PACKAGE…
	(cd "$work" && apt-get -qq "${lists[@]}" -o APT::Sandbox::User=root download "$@") >&2
}

# apt itself reads the sources, whatever their format.
debian_mirror() {
	apt-get "${lists[@]}" indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F '|' '$1 == "Debian" { print $2; exit }'
}

use_suite() {	# SUITE WHAT: from here on packages are those of this suite of Debian; what comes from there is for messages
	local suite=$1 what=$2 mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
	mirror=$(debian_mirror)
	if [ -z "$mirror" ]; then
		refresh_lists || die "the package lists of this machine's sources cannot be read"
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "$what: comes from a Debian mirror, and this machine's sources name none"
	[ -e "$key" ] || die "$what: $key is missing, which the suite $suite is signed with"
	echo "deb [arch=amd64 signed-by=$key] $mirror $suite main" >"$work/sources.list"
	refresh_lists -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null ||
		die "$what: the suite $suite cannot be read from $mirror"
}
