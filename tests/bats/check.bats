# SPDX-License-Identifier: Apache-2.0
#
# Documents that are wrong: what nvmetctl says of them without a daemon, and that the daemon says the same and stays as it was.

load lib

samples=$BATS_TEST_DIRNAME/../samples

setup() { make_work_dir; }
teardown() { stop_all; }

# wrong STATUS LINE…: check of the text on standard input says so.
wrong() {
	local expected=$1

	shift
	cat >"$T/wrong.json"
	cd "$T"
	ends "$expected" nvmetctl check wrong.json
	prints
	complains "$@"
}

# peak FILE ARGUMENT…: runs nvmetctl with FILE as input; prints its status and the MiB it had at most.
peak() {
	python3 - "$@" <<-'END'
		import resource, subprocess, sys
		with open(sys.argv[1], "rb") as given:
		    status = subprocess.run(["nvmetctl"] + sys.argv[2:], stdin=given, stdout=subprocess.DEVNULL).returncode
		print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
	END
}

@test "of each bad sample all problems are told, with path, line and column" {
	local sample n=0

	cd "$samples/bad"
	for sample in *.json; do
		ends 3 nvmetctl check "$sample"
		prints
		diff -u <(sed 's/^/nvmetctl: /' "${sample%.json}.err") "$T/err"
		n=$((n + 1))
	done
	[ "$n" -ge 28 ]
}

@test "the daemon says the same of each bad sample, and nothing has changed" {
	local sample

	start_all
	nvmetctl apply "$samples/small.json" --merge
	nvmetctl save "$T/before.json"
	kernel dump >"$T/before"
	kernel count >"$T/count"
	cd "$samples/bad"
	for sample in *.json; do
		ends 3 nvmetctl apply "$sample"
		prints
		diff -u <(sed 's/^/nvmetctl: /' "${sample%.json}.err") "$T/err"
	done
	nvmetctl save "$T/after.json"
	cmp "$T/before.json" "$T/after.json"
	diff -u "$T/before" <(kernel dump)
	diff -u "$T/count" <(kernel count)
}

@test "good samples are valid, and differ from themselves in nothing" {
	local sample

	for sample in small everything; do
		nvmetctl check "$samples/$sample.json"
		[ "$(nvmetctl diff --offline "$samples/$sample.json" "$samples/$sample.json")" = "No difference." ]
		[ "$(nvmetctl diff --offline --json "$samples/$sample.json" "$samples/$sample.json" | tr -d '[:space:]')" = "[]" ]
	done
}

@test "standard input and pipes are documents too" {
	local status=0

	[ "$(nvmetctl check - <"$samples/small.json")" = "-: is valid: 4 objects" ]
	cat "$samples/small.json" | nvmetctl check -
	nvmetctl check <(cat "$samples/small.json")
	nvmetctl check - <<<'{ "version": 1, "prots": {} }' 2>"$T/err" || status=$?
	[ "$status" = 3 ]
	[[ "$(cat "$T/err")" == 'nvmetctl: standard input:1:26: prots: is no key here; did you mean "ports"?' ]]
}

@test "what is no document, or not there, is an error that begins with its name" {
	cd "$T"
	ends 1 nvmetctl check nowhere.json
	complains "nowhere.json: cannot be opened: No such file or directory"
	ends 1 nvmetctl check .
	complains ".: is no document, but a folder"
	ends 3 nvmetctl check /dev/null
	complains "/dev/null:1:1: the text ends where a value is expected"
}

@test "JSON that is nested 10,000 deep" {
	python3 -c 'print("{\"version\":1,\"backends\":" + "[" * 10000 + "]" * 10000 + "}")' |
		wrong 3 "wrong.json:1:56: is nested more than 32 deep"
}

@test "a NUL, in a string and outside" {
	printf '{"version":1,"backends":{"a\0b":{}}}' | wrong 3 "wrong.json:1:28: a NUL byte stands in a string"
	printf '{"version":1}\n\0' | wrong 3 "wrong.json:2:1: a NUL byte stands where the end is expected"
	printf '{"version":1,"backends":{"a\\u0000":{}}}' |
		wrong 3 "wrong.json:1:28: a string holds \\u0000, which no value may hold"
}

@test "01 for 1, in names and in numbers" {
	wrong 3 'wrong.json:1:29: ports: "01" is no port id: write 1' <<<'{"version":1,"ports":{"01": {"trtype":"loop"}}}'
	wrong 3 "wrong.json:1:12: 01 is not a number: no leading zeros" <<<'{"version":01}'
}

@test "problems of both documents that are compared" {
	cd "$T"
	echo '{"version":2}' >a.json
	echo '{"version":1,"hosts":{"h":{}}}' >b.json
	ends 3 nvmetctl diff --offline a.json b.json
	complains 'a.json:1:12: version: must be the number 1' \
		'b.json:1:27: hosts: "h" is no NQN: nqn.YYYY-MM.REVERSE.DOMAIN:NAME or nqn.2014-08.org.nvmexpress:uuid:UUID'
}

@test "more problems than anybody reads are counted" {
	python3 -c 'print("{\"version\":1,\n" + ",\n".join("\"k%d\":1" % i for i in range(1000)) + "}")' >"$T/many.json"
	cd "$T"
	ends 3 nvmetctl check many.json
	[ "$(wc -l <"$T/err")" = 201 ]
	[ "$(tail -n 1 "$T/err")" = "nvmetctl: and 800 more problems" ]
}

@test "check --json lists the problems, with place, object and attribute apart" {
	ends 3 nvmetctl check --json "$samples/bad/dangling.json"
	[ ! -s "$T/err" ]
	python3 - "$T/out" <<-'END'
		import json, sys
		answer = json.load(open(sys.argv[1]))
		assert answer["valid"] is False and len(answer["errors"]) == 4
		first = answer["errors"][0]
		assert first["place"].endswith("dangling.json:8:9"), first
		assert first["object"] == "subsystems/nqn.2026-11.org.example:s1" and first["attribute"] == "allowed_hosts"
	END
	[ "$(nvmetctl check --json "$samples/small.json" | field valid)" = true ]
}

@test "100 MB are refused without being read; a pipe is read as far as a document may go" {
	local status mib

	truncate -s 100M "$T/large.json"
	read -r status mib < <(peak "$T/large.json" check "$T/large.json" 2>"$T/err")
	complains "$T/large.json: is larger than 64 MiB"
	[ "$status" = 3 ]
	[ "$mib" -lt 64 ]
	mkfifo "$T/pipe"
	cat "$T/large.json" >"$T/pipe" 2>/dev/null 3>&- &
	read -r status mib < <(peak "$T/pipe" check - 2>"$T/err")
	complains "standard input: is larger than 67108864 bytes"
	[ "$status" = 3 ]
	[ "$mib" -lt 512 ]
}

@test "a small document that would become a large one is refused before it does" {
	local status mib

	python3 -c 'print("{\"version\":1,\"x\":[" + "{}," * 5000000 + "1]}")' >"$T/many.json"
	read -r status mib < <(peak "$T/many.json" check "$T/many.json" 2>"$T/err")
	complains "$T/many.json: holds more than 500000 values"
	[ "$status" = 3 ]
	[ "$mib" -lt 256 ]
}

@test "the daemon takes no document that is too large, by bytes or by values, and does not grow" {
	local before after

	# What is freed is to be free.
	ASAN_OPTIONS+=:quarantine_size_mb=1
	start_all
	nvmetctl apply "$samples/small.json" --merge
	nvmetctl save "$T/before.json"
	before=$(awk '/VmHWM/ { print $2 }' "/proc/$NVMETD_PID/status")
	truncate -s 100M "$T/large.json"
	ends 3 nvmetctl apply "$T/large.json"
	complains "$T/large.json: is larger than 64 MiB"
	truncate -s 20M "$T/large.json"
	ends 3 nvmetctl apply "$T/large.json"
	complains "the document has 20971520 bytes, more than the 16777216 that are allowed (max_document_bytes)"
	python3 -c 'print("[" + "{}," * 3000000 + "1]", end="")' >"$T/many.json"
	run bus-client document "$T/many.json"
	[ "$status" = 1 ]
	[ "$output" = "org.nvmetctl1.Error.TooLarge: document: holds more than 500000 values" ]
	after=$(awk '/VmHWM/ { print $2 }' "/proc/$NVMETD_PID/status")
	# What travels is in memory once; what it would have become is a gigabyte.
	[ "$((after - before))" -lt 131072 ] || { echo "$before KiB before, $after after"; return 1; }
	nvmetctl save "$T/after.json"
	cmp "$T/before.json" "$T/after.json"
}
