#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine: --kernel 6.12
# long machine: --kernel 6.1
# long machine: --kernel 7
# Every attribute of the table that the NVMe target has against the kernel (scsi-attributes.bats has the others): it takes another value, has it, is left alone while that is wanted, and is put back
# when it is wanted no longer. What there is to go through is asked of the table itself.
load lib

ROWS=$TOP/build/release/tests/vm/rows
OTHERHOST=nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000002
# As nvme gen-dhchap-key makes them.
KEY1=DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:
KEY2=DHHC-1:01:eKmoUR0bNLnPt4uj6rGPYlBlXdO8N3SvaDVGHRtnJrPHBHi0:

setup() {
	clean_slate
	ram_disks 2
	mkdir -p -m 700 /etc/nvmetctl/secrets
	(umask 077 && echo "$KEY1" >/etc/nvmetctl/secrets/one && echo "$KEY2" >/etc/nvmetctl/secrets/two)
	cat >"$W/base.json" <<-END
		{
		  "version": 1,
		  "backends": { "disk": { "type": "block", "device": "/dev/ram0" } },
		  "hosts": { "$HOSTNQN": {}, "$OTHERHOST": {} },
		  "subsystems": {
		    "$NQN:s1": { "serial": "base", "namespaces": { "1": { "backend": "disk" } } },
		    "$NQN:s2": { "serial": "base" }
		  },
		  "ports": {
		    "1": {
		      "trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": "4420", "subsystems": [ "$NQN:s2" ],
		      "referrals": { "r": { "trtype": "tcp", "adrfam": "ipv4", "traddr": "192.0.2.1", "trsvcid": "4420" } },
		      "ana_groups": { "2": {} }
		    }
		  }
		}
	END
}

teardown() {
	leave_clean
	rm -rf /etc/nvmetctl/secrets
}

# Where the objects of the base document are.
place() {	# KIND
	case $1 in
	nvmet) echo nvmet ;;
	hosts) echo "hosts/$HOSTNQN" ;;
	subsystems) echo "subsystems/$NQN:s1" ;;
	namespaces) echo "subsystems/$NQN:s1/namespaces/1" ;;
	ports) echo ports/1 ;;
	referrals) echo ports/1/referrals/r ;;
	ana_groups) echo ports/1/ana_groups/2 ;;
	esac
}

file_of() {	# KIND FILE
	local place
	place=$(place "$1")
	[ "$place" != nvmet ] || place=
	echo "$CFS/$place/$2"
}

# What to set, beginning with the attribute itself: the table's own suggestion, but where the value must fit to others or mean something.
assignments() {	# KIND NAME SUGGESTION
	case $1.$2 in
	hosts.dhchap_key) echo dhchap_key=file:one ;;
	hosts.dhchap_ctrl_key) printf '%s\n' dhchap_ctrl_key=file:two dhchap_key=file:one ;;
	subsystems.allow_any_host) printf '%s\n' allow_any_host=1 allowed_hosts= ;;
	subsystems.allowed_hosts) echo "allowed_hosts=$OTHERHOST" ;;
	namespaces.p2pmem) printf '%s\n' p2pmem=1 enable=false ;;
	ports.subsystems) echo "subsystems=$NQN:s1" ;;
	ports.trtype) printf '%s\n' trtype=rdma subsystems= ;;
	ports.adrfam) printf '%s\n' adrfam=ipv6 traddr=::1 ;;
	ports.tsas) printf '%s\n' tsas=tls1.3 trtype=tcp subsystems= ;;
	ports.treq) echo 'treq=not required' ;;
	ports.inline_data_size) echo inline_data_size=8192 ;;
	ports.max_queue_size) echo max_queue_size=64 ;;
	ports.pi_enable) printf '%s\n' pi_enable=1 trtype=rdma subsystems= ;;
	referrals.trtype) echo trtype=rdma ;;
	referrals.adrfam) printf '%s\n' adrfam=ipv6 traddr=2001:db8::1 ;;
	*.traddr) echo traddr=127.0.0.2 ;;
	*.trsvcid) echo trsvcid=4421 ;;
	*) echo "$2=$3" ;;
	esac
}

# What the kernel has, in the form of documents.
kernel_value() {	# KIND NAME FILE
	local file
	file=$(file_of "$1" "$3")
	if [ -d "$file" ]; then
		ls "$file"
	else
		"$ROWS" canonical "$1" "$2" <"$file"
	fi
}

all_values() {	# a line for each attribute that this kernel has
	local kind name file rest
	while IFS='|' read -r kind name file rest; do
		[ -z "$(place "$kind")" ] || [ ! -e "$(file_of "$kind" "$file")" ] || echo "$kind $name $(kernel_value "$kind" "$name" "$file")"
	done < <("$ROWS")
}

# rows THAT: lines of the table whose file this kernel has (present), or has not (lacking).
rows() {
	local kind name file rest
	while IFS='|' read -r kind name file rest; do
		[ -n "$(place "$kind")" ] || continue
		if [ -e "$(file_of "$kind" "$file")" ]; then
			[ "$1" = present ] || continue
		else
			[ "$1" = lacking ] || continue
		fi
		echo "$kind|$name|$file|$rest"
	done < <("$ROWS")
}

# As many as possible at a time: those of a round set no attribute of an object twice. A line each: round, kind, name, file, value.
declare -gA TAKEN WORDS
rounds() {
	local kind name file source default other round edit place
	local -a edits
	while IFS='|' read -r kind name file source default other; do
		place=$(place "$kind")
		mapfile -t edits < <(assignments "$kind" "$name" "$other")
		round=0
		while is_taken "$round" "$kind"; do
			round=$((round + 1))
		done
		for edit in "${edits[@]}"; do
			TAKEN["$round $kind ${edit%%=*}"]=yes
			WORDS["$round $place"]+=$edit$'\n'
		done
		echo "$round|$kind|$name|$file|${edits[0]#*=}" >>"$W/rounds"
	done < <(rows present)
}

is_taken() {	# ROUND KIND; of edits
	local edit
	for edit in "${edits[@]}"; do
		[ -z "${TAKEN["$1 $2 ${edit%%=*}"]:-}" ] || return 0
	done
	return 1
}

set_all() {	# ROUND
	local key
	local -a line words
	for key in "${!WORDS[@]}"; do
		[ "${key%% *}" = "$1" ] || continue
		mapfile -t words <<<"${WORDS[$key]%$'\n'}"
		line+=(set "${key#* }" "${words[@]}")
	done
	status 0 nvmetctl "${line[@]}" --disrupt --destroy
}

check_all() {	# ROUND
	local round kind name file value is wrong=0
	while IFS='|' read -r round kind name file value; do
		[ "$round" = "$1" ] || continue
		case $value in
		file:*) value=set ;;
		esac
		is=$(kernel_value "$kind" "$name" "$file")
		if [ "$is" != "$value" ]; then
			echo "$kind $name was set to '$value', and the kernel has '$is'" >&2
			wrong=1
		fi
	done <"$W/rounds"
	return $wrong
}

@test "every file that the kernel has is in the table" {
	status 0 nvmetctl apply "$W/base.json"
	"$ROWS" all | cut -d'|' -f1,3 | sort >"$W/table"
	for kind in nvmet hosts subsystems namespaces ports referrals ana_groups; do
		find "$(file_of "$kind" .)" -maxdepth 1 -type f -printf "$kind|%f\n"
	done >"$W/kernel"
	[ ! -d "$(file_of subsystems passthru)" ] || find "$(file_of subsystems passthru)" -type f -printf 'subsystems|passthru/%f\n' >>"$W/kernel"
	sort -o "$W/kernel" "$W/kernel"
	[ "$(wc -l <"$W/kernel")" -gt 20 ]
	[ -z "$(comm -13 "$W/table" "$W/kernel" | tee /dev/stderr)" ]
}

@test "every attribute takes another value, is then left alone, and goes back when it is wanted no longer" {
	local last round before
	modprobe -a nvmet-tcp nvmet-rdma
	status 0 nvmetctl apply "$W/base.json"
	before=$(all_values)
	rounds
	last=$(cut -d'|' -f1 "$W/rounds" | sort -n | tail -n 1)
	for ((round = 0; round <= last; round++)); do
		set_all $round
		check_all $round
		nvmetctl save "$W/now.json"
		[ -z "$(kernel_writes nvmetctl apply "$W/now.json" | tee /dev/stderr)" ]
		[ -z "$(kernel_writes nvmetctl reconcile | tee /dev/stderr)" ]
		status 0 nvmetctl apply "$W/base.json" --disrupt --destroy
		diff <(echo "$before") <(all_values) >&2
	done
}

@test "secrets are in the kernel as they are in their files, readable by nobody but root" {
	status 0 nvmetctl apply "$W/base.json"
	[ -e "$(file_of hosts dhchap_key)" ] || skip "kernel $(uname -r) has no in-band authentication"
	status 0 nvmetctl set "hosts/$HOSTNQN" dhchap_key=file:one dhchap_ctrl_key=file:two
	[ "$(cat "$(file_of hosts dhchap_key)")" = "$KEY1" ]
	[ "$(cat "$(file_of hosts dhchap_ctrl_key)")" = "$KEY2" ]
	[ "$(stat -c %a "$(file_of hosts dhchap_key)" "$(file_of hosts dhchap_ctrl_key)")" = $'600\n600' ]
	status 0 nvmetctl set "hosts/$HOSTNQN" dhchap_key=file:two dhchap_ctrl_key=
	[ "$(cat "$(file_of hosts dhchap_key)")" = "$KEY2" ]
	[ -z "$(cat "$(file_of hosts dhchap_ctrl_key)")" ]
	run ! grep -e "$KEY1" -e "$KEY2" /run/nvmetd.log
}

@test "of a feature that the kernel lacks the error says which it is and what it needs, before a host notices anything" {
	local kind name file rest edit n=0
	status 0 nvmetctl apply "$W/base.json"
	status 0 nvmetctl set "subsystems/$NQN:s1" allow_any_host=true set ports/1 subsystems="$NQN:s1"
	connect "$NQN:s1"
	host_disk "$NQN:s1" 1
	connection_watch
	dump >"$W/before"
	while IFS='|' read -r kind name file rest; do
		edit=$(assignments "$kind" "$name" "${rest##*|}" | head -n 1)
		status 1 nvmetctl set "$(place "$kind")" "$edit" --disrupt --destroy
		[[ $output =~ :\ "$name:"\ .*\ is\ not\ in\ this\ kernel:\ it\ needs\ (Linux\ [67]\.[0-9]|CONFIG_[A-Z]) ]] || {
			echo "$output" >&2
			false
		}
		n=$((n + 1))
	done < <(rows lacking | grep -v dhchap_ctrl_key)
	[ $n -gt 0 ] || skip "kernel $(uname -r) lacks nothing"
	dump >"$W/after"
	same "$W/before" "$W/after"
	connections_undisturbed
}
