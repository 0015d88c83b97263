#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# DH-CHAP: who has the key gets in, who has not does not.
load lib

setup() {
	clean_slate
	ram_disks
	modprobe nvme-tcp
	KEY=$(nvme gen-dhchap-key -n "$HOSTNQN")
	OTHER=$(nvme gen-dhchap-key -n "$HOSTNQN")
}

teardown() {
	leave_clean
	rm -rf /etc/nvmetctl/secrets/*
}

cannot_connect() {	# OPTION…
	local controller
	if controller=$(connect "$NQN:s1" "$@" 2>"$W/connect"); then
		echo "connected as $controller with: $*" >&2
		return 1
	fi
}

@test "a host with the right key connects, one with a wrong key or none does not; a changed key counts from the next connect" {
	mkdir -p -m 700 /etc/nvmetctl/secrets
	(umask 077 && echo "$KEY" >/etc/nvmetctl/secrets/host1.key)
	nvmetctl create "hosts/$HOSTNQN" dhchap_key=file:host1.key
	nvmetctl -q export /dev/ram0 --nvme "$NQN:s1" --port tcp:127.0.0.1:4420 --host "$HOSTNQN"
	cannot_connect
	cannot_connect --dhchap-secret="$OTHER"
	connect "$NQN:s1" --dhchap-secret="$KEY"
	host_disk "$NQN:s1" 1
	nvme disconnect -n "$NQN:s1" >/dev/null
	(umask 077 && echo "$OTHER" >/etc/nvmetctl/secrets/host2.key)
	status 0 nvmetctl set "hosts/$HOSTNQN" dhchap_key=file:host2.key
	cannot_connect --dhchap-secret="$KEY"
	connect "$NQN:s1" --dhchap-secret="$OTHER"
	nvme disconnect -n "$NQN:s1" >/dev/null
	status 0 nvmetctl set "hosts/$HOSTNQN" dhchap_key=
	connect "$NQN:s1"
}
