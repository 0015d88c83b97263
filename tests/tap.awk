# SPDX-License-Identifier: Apache-2.0
#
# Reads what a test program printed in TAP. Prints how many tests passed, failed and were skipped on the first line, then what there
# is to say about the failed ones; the skipped ones go to the file `skips`. `label` says which program it was, `status` how it ended.
# One plan may follow another, as cmocka prints them.

function finish_detail() {
	detail = 0
}

# After the number: the name, without what follows as a comment.
function name_of(line,   name) {
	name = line
	sub(/^(not )?ok *[0-9]* *-? */, "", name)
	return name
}

/^1\.\.[0-9]+/ {
	plans++
	planned += substr($0, 4) + 0
	finish_detail()
	if (/# *[Ss][Kk][Ii][Pp]/ && $0 ~ /^1\.\.0/) {
		reason = $0
		sub(/.*# *[Ss][Kk][Ii][Pp] */, "", reason)
		skipped++
		planned++
		print label ": " reason >>skips
	}
	next
}

/^(not )?ok / {
	finish_detail()
	name = name_of($0)
	if (match(name, /# *[Ss][Kk][Ii][Pp]/)) {
		reason = substr(name, RSTART + RLENGTH)
		name = substr(name, 1, RSTART - 1)
		sub(/^ */, "", reason)
		sub(/ *$/, "", name)
		skipped++
		print label ": " (name != "" && reason != "" ? name " (" reason ")" : name reason) >>skips
	} else if (/^ok/) {
		passed++
	} else {
		failed++
		detail = 1
		text = text "    not ok: " name "\n"
	}
	next
}

{
	last[++lines] = $0
	if (detail && detail++ < 60)
		text = text "      " $0 "\n"
}

function fail(why) {
	failed++
	text = text "    not ok: " why "\n"
}

END {
	odd = 0
	if (status == "124")
		odd = "it was ended for taking too long"
	else if (status + 0 > 0 && !failed)
		odd = "it ended with status " status
	else if (!plans)
		odd = "it printed no plan"
	else if (planned != passed + failed + skipped)
		odd = planned " tests were planned, " (passed + failed + skipped) " done; it ended with status " status
	if (odd) {
		fail(odd)
		for (i = lines > 40 ? lines - 39 : 1; i <= lines; i++)
			text = text "      " last[i] "\n"
	}
	print passed + 0, failed + 0, skipped + 0
	printf "%s", text
}
