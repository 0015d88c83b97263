# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Helpers for the SCSI side: what stands in target/ of configfs, an iSCSI host, persistent reservations, and targets made by hand, as
# somebody would who knows nothing of nvmetctl. lib.bash loads it.

TARGET=/sys/kernel/config/target
IQN=iqn.2026-11.org.example
INITIATOR=$IQN:client
ISCSI_PORTAL=127.0.0.1:3260
# Where the kernel keeps what outlives a storage object.
DBROOT=/var/target

# ---- what there is ----

exported_by_scsi() {	# objects and links in target/, a line each, but for what the kernel makes by itself
	[ ! -d $TARGET ] || find $TARGET -mindepth 1 \
		\( -path "$TARGET/core/alua/lu_gps/default_lu_gp" -o -name statistics -o -name fabric_statistics \) -prune -o \
		\( -type d -o -type l \) ! -path "$TARGET/core" ! -path "$TARGET/core/alua" ! -path "$TARGET/core/alua/lu_gps" -print
}

# As dump in lib.bash, of target/: sorted, of each folder and link, and of each file its mode and what is in it. Left out, by name:
#	statistics, fabric_statistics, action	counters, and what can only be written
#	dynamic_sessions, info of an ACL	who is logged in
#	param of an ACL				what he agreed on
#	address					the number of the SCSI host that a loopback target happened to get
#	res_pr_generation, PRgen		count what was done to registrations
#	Index, ID				of an HBA and in a storage object's info: count the objects made since the kernel started
dump_scsi() {
	[ -d $TARGET ] || return 0
	(
		cd ${TARGET%/*}
		LC_ALL=C
		{
			find target -mindepth 1 -name '*statistics' -prune -o -name action -prune -o \
				-type d -printf '%p/\n' -o -type l -printf '%p -> %l\n' -o -type f -printf '%p (%m)\n'
			find target -name '*statistics' -prune -o -name action -prune -o -path '*/acls/*/param' -prune -o -path '*/acls/*/info' -o \
				-type f ! -name dynamic_sessions ! -name address ! -name res_pr_generation -exec grep -asH '' {} + |
				tr -d '\0' | sed -E 's/(HBA Index|TCM [A-Za-z]+ ID|iBlock [a-z]+ ID): [0-9]+/\1/; s/ PRgen: 0x[0-9a-f]+//'
		} | sort
	)
}

# All of target/ by hand, so that one test that failed does not fail the others.
remove_all_scsi() {
	[ -d $TARGET ] || return 0
	local tpg
	for tpg in $TARGET/*/*/tpgt_*; do
		[ ! -e "$tpg/enable" ] || echo 0 >"$tpg/enable"
	done 2>/dev/null
	find $TARGET -type l -path '*/acls/*' -delete
	find $TARGET -type l -path '*/lun/*' -delete
	rmdir $TARGET/*/*/tpgt_*/acls/*/lun_* $TARGET/*/*/tpgt_*/acls/* $TARGET/*/*/tpgt_*/lun/lun_* $TARGET/*/*/tpgt_*/np/* \
		$TARGET/*/*/tpgt_* $TARGET/*/*:* $TARGET/*/*.* $TARGET/core/*/*/alua/* $TARGET/core/*_*/* $TARGET/core/*_* \
		$TARGET/core/alua/lu_gps/* 2>/dev/null || :
	for tpg in $TARGET/*; do
		[ "${tpg##*/}" = core ] || [ ! -d "$tpg" ] || rmdir "$tpg"
	done
}

# ---- the iSCSI host ----

# The host is one initiator, $INITIATOR. There is no udev to load what its disks need.
iscsi_host() {
	modprobe -a iscsi_tcp sd_mod sg
	mkdir -p /run/lock/iscsi /etc/iscsi
	echo "InitiatorName=$INITIATOR" >/etc/iscsi/initiatorname.iscsi
	pgrep -x iscsid >/dev/null || iscsid 3>&- 4>&-
}

# chap PREFIX [USER PASSWORD [USER PASSWORD]]: options for iscsiadm's records; the second pair is the target's.
chap() {
	CHAP=(-n "$1.authmethod" -v "$([ $# -gt 1 ] && echo CHAP || echo None)")
	[ $# -lt 3 ] || CHAP+=(-n "$1.username" -v "$2" -n "$1.password" -v "$3")
	[ $# -lt 5 ] || CHAP+=(-n "$1.username_in" -v "$4" -n "$1.password_in" -v "$5")
}

password() {	# NAME TEXT: a file of that name, as a configuration refers to it
	(umask 077 && printf %s "$2" >"/etc/nvmetctl/secrets/$1")
}

# iscsi_login TARGET [USER PASSWORD [USER PASSWORD]]: the second pair is what the target has to prove. Fails as iscsiadm does: 24 is a
# host that the target did not let in, 19 also a target that did not prove what it should.
iscsi_login() {
	local node=(-m node -T "$1" -p "$ISCSI_PORTAL") CHAP
	shift
	iscsi_host
	iscsiadm "${node[@]}" -o delete >/dev/null 2>&1 || :
	iscsiadm "${node[@]}" -o new >/dev/null
	chap node.session.auth "$@"
	iscsiadm "${node[@]}" -o update "${CHAP[@]}"
	iscsiadm "${node[@]}" -l
}

iscsi_logout() {	# [TARGET]: or all
	local node=(-m node)
	[ $# -eq 0 ] || node+=(-T "$1")
	iscsiadm "${node[@]}" -u
}

# iscsi_back TARGET: waits until the session that was there goes on. Unlike a new login it is the same initiator port still, which is who
# holds a reservation.
iscsi_back() {
	until_equal LOGGED_IN iscsi_state "$1"
}

iscsi_state() {	# TARGET
	local session name
	for session in /sys/class/iscsi_session/session*; do
		if read -r name <"$session/targetname" && [ "$name" = "$1" ]; then
			cat "$session/state"
		fi
	done
}

# iscsi_discover [USER PASSWORD [USER PASSWORD]]: prints the targets that the portal tells of.
iscsi_discover() {
	local db=(-m discoverydb -t st -p "$ISCSI_PORTAL") CHAP
	iscsi_host
	iscsiadm "${db[@]}" -o delete >/dev/null 2>&1 || :
	iscsiadm "${db[@]}" -o new >/dev/null
	chap discovery.sendtargets.auth "$@"
	iscsiadm "${db[@]}" -o update "${CHAP[@]}" -n discovery.sendtargets.reopen_max -v 0
	iscsiadm "${db[@]}" -D
}

# iscsi_disk TARGET LUN: the host's disk, once it is there.
iscsi_disk() {
	until_found find_iscsi_disk "$1" "$2"
}

find_iscsi_disk() {
	local session name
	for session in /sys/class/iscsi_session/session*; do
		if ! read -r name <"$session/targetname" || [ "$name" != "$1" ]; then
			continue
		fi
		first_disk "$session"/device/target*/*:*:*:"$2"/block/*
	done 2>/dev/null
}

# iscsi_luns TARGET: the numbers that the host sees.
iscsi_luns() {
	local session name lun
	for session in /sys/class/iscsi_session/session*; do
		read -r name <"$session/targetname" && [ "$name" = "$1" ] || continue
		for lun in "$session"/device/target*/*:*:*:*; do
			[ ! -e "$lun/vendor" ] || echo "${lun##*:}"
		done
	done | sort -n
}

# loopback_disk FOLDER LUN: the disk of a loopback target's tpgt folder in configfs, once it is there.
loopback_disk() {
	local address
	address=$(<"$1/address")
	until_found find_scsi_disk "$address:$2"
}

find_scsi_disk() {	# H:C:T:L
	first_disk "/sys/class/scsi_device/$1/device/block"/*
}

# What the host read of a disk: one text for both worlds. Page 0x83 of SCSI, and of an NVMe namespace what the host says of it.
scsi_naa() {	# DISK
	sg_vpd -p di "$1" | sed -nE 's/^ *0x([0-9a-f]{32})$/\1/p' | head -n 1
}

scsi_serial() {	# DISK
	sg_vpd -p sn "$1" | sed -n 's/^ *Unit serial number: //p'
}

# ---- reservations ----

# A disk says first what has happened since it was last asked, instead of doing what it is told.
scsi_settle() {	# DISK
	local ended=6
	while [ "$ended" -eq 6 ]; do
		ended=0
		sg_turs "$1" >/dev/null 2>&1 || ended=$?
	done
	return "$ended"
}

# pr_register DISK KEY [OPTION…]: -Z that it outlives a power loss. TYPE is a number: 1 write exclusive, 3 exclusive access, 5 and 6
# these for registrants only, 7 and 8 for all registrants.
pr_register() {
	local disk=$1 key=$2
	shift 2
	scsi_settle "$disk"
	sg_persist -n -o -I -S "$key" "$@" "$disk"
}

pr_reserve() {	# DISK KEY TYPE
	scsi_settle "$1"
	sg_persist -n -o -R -K "$2" -T "$3" "$1"
}

pr_release() {	# DISK KEY TYPE
	scsi_settle "$1"
	sg_persist -n -o -L -K "$2" -T "$3" "$1"
}

pr_unregister() {	# DISK KEY
	scsi_settle "$1"
	sg_persist -n -o -G -K "$2" -S 0 "$1"
}

pr_keys() {	# DISK: a line each
	scsi_settle "$1"
	sg_persist -n -i -k "$1" | sed -nE 's/^ +(0x[0-9a-f]+)$/\1/p'
}

pr_holder() {	# DISK: KEY TYPE, or nothing
	scsi_settle "$1"
	sg_persist -n -i -r "$1" | sed -nE 's/^ *Key=(0x[0-9a-f]+)$/\1/p; s/.*type: (.*)$/\1/p' | paste -s -d ' '
}

# ---- by hand ----

# lio_ramdisk HBA NAME MIB SERIAL: a storage object; SERIAL is a uuid.
lio_ramdisk() {
	modprobe -a target_core_mod iscsi_target_mod tcm_loop sd_mod sg
	mkdir -p $DBROOT/pr $DBROOT/alua
	mkdir "$TARGET/core/rd_mcp_$1" "$TARGET/core/rd_mcp_$1/$2"
	echo "rd_pages=$(($3 * 256))" >"$TARGET/core/rd_mcp_$1/$2/control"
	echo "$4" >"$TARGET/core/rd_mcp_$1/$2/wwn/vpd_unit_serial"
	echo 1 >"$TARGET/core/rd_mcp_$1/$2/enable"
}

# lio_target IQN STORAGE…: an iSCSI target that every host may write to, LUN 0 on the first storage object.
lio_target() {
	local tpg=$TARGET/iscsi/$1/tpgt_1 lun=0 storage
	shift
	mkdir -p $TARGET/iscsi
	mkdir "${tpg%/*}" "$tpg"
	echo 0 >"$tpg/attrib/authentication"
	echo 1 >"$tpg/attrib/generate_node_acls"
	echo 0 >"$tpg/attrib/demo_mode_write_protect"
	for storage; do
		lio_lun "$tpg" $lun "$storage"
		lun=$((lun + 1))
	done
	mkdir "$tpg/np/$ISCSI_PORTAL"
	echo 1 >"$tpg/enable"
}

# lio_bridge NAA STORAGE: a loopback target; prints the disk that it makes.
lio_bridge() {
	local tpg=$TARGET/loopback/$1/tpgt_1
	mkdir -p $TARGET/loopback
	mkdir "${tpg%/*}" "$tpg"
	echo "$1" >"$tpg/nexus"
	lio_lun "$tpg" 0 "$2"
	loopback_disk "$tpg" 0
}

lio_lun() {	# TPG LUN STORAGE, as "rd_mcp_1/ram"
	mkdir "$1/lun/lun_$2"
	ln -s "$TARGET/core/$3" "$1/lun/lun_$2/storage"
}

lio_acl() {	# TPG INITIATOR LUN…: may use these
	local acl=$1/acls/$2 lun
	mkdir "$acl"
	for lun in "${@:3}"; do
		mkdir "$acl/lun_$lun"
		ln -s "$1/lun/lun_$lun" "$acl/lun_$lun/lun"
	done
}

# lio_registrations SERIAL STORAGE: writes back what the kernel kept of them, one at a time, as it takes them. It writes a reservation's
# type so that it does not read it again: 08 is not a number in octal. Other values that begin with 0 are none: sessions' ids.
lio_registrations() {
	local line text=
	while IFS= read -r line; do
		case $line in
		PR_REG_START:*) text= ;;
		PR_REG_END:*) printf '%s' "$text" >"$TARGET/core/$2/pr/res_aptpl_metadata" ;;
		res_type=0?) text+=res_type=${line#res_type=0}, ;;
		*=*) text+=$line, ;;
		esac
	done < <(tr -d '\0' <"$DBROOT/pr/aptpl_$1")
}

# ---- programs of user backends ----

# user_program CONFIG [--silent]: serves user backends of that dev_config (tests/vm/tcmu-handler.c), or takes their commands and answers none,
# until end_user_programs.
user_program() {
	"$TOP/build/release/tests/vm/tcmu-handler" "${@:2}" "$1" 3>&- 4>&- &
	USER_PROGRAMS+=" $!"
}

end_user_programs() {
	# shellcheck disable=SC2086
	[ -z "${USER_PROGRAMS:-}" ] || kill $USER_PROGRAMS
	USER_PROGRAMS=
}

TCMU_PARAMETERS=/sys/module/target_core_user/parameters

# Those who wait for an answer that will not come are sent away. As long as it is blocked there are no events.
free_tcmu() {
	echo 1 >$TCMU_PARAMETERS/block_netlink
	echo 1 >$TCMU_PARAMETERS/reset_netlink
	echo 0 >$TCMU_PARAMETERS/block_netlink
}

# tcmu_replies 1|0: somebody says for good, to the kernel, that events of user backends will (not) be answered.
tcmu_replies() {
	python3 - "$1" <<-'END'
		import socket, struct, sys
		SET_FEATURES, REPLY_SUPPORT = 7, 9
		def attribute(kind, data):
		    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)
		def ask(family, command, attributes):
		    body = struct.pack("BBH", command, 2, 0) + attributes
		    s.send(struct.pack("IHHII", 16 + len(body), family, 5, 1, 0) + body)
		    return s.recv(65536)
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
		s.bind((0, 0))
		reply = ask(16, 3, attribute(2, b"TCM-USER\0"))[20:]
		while True:
		    length, kind = struct.unpack("HH", reply[:4])
		    if kind == 1:
		        break
		    reply = reply[length + 3 & ~3:]
		family, = struct.unpack("H", reply[4:6])
		error, = struct.unpack("i", ask(family, SET_FEATURES, attribute(REPLY_SUPPORT, bytes([int(sys.argv[1])])))[16:20])
		sys.exit(-error)
	END
}

# ---- what a worker does ----

# operation WORDS PATH [VALUE]: one operation of a worker on this kernel, without nvmetd (tests/vm/operation.c).
operation() {
	"$TOP/build/release/tests/vm/operation" "$@"
}
