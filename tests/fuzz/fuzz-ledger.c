/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger from any bytes; lines get their checksum as in fuzz-journal.c. What was understood is the same when it is written as a whole and
 * read again, and whatever is owed, in flight or marked is found by its name.
 */
#include <assert.h>
#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tests/fuzz/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_around(const struct ledger *l)
{
	_cleanup_free_ struct debt *debts = NULL;
	_cleanup_free_ const char **unfinished = NULL;
	size_t n;

	assert(ledger_debts(l, &debts, &n) == 0);
	for (size_t i = 0; i < n; i++)
		assert(debts[i].reason && ledger_owns(l, debts[i].element));
	assert(ledger_unfinished(l, &unfinished, &n) == 0);
	for (size_t i = 0; i < n; i++)
		assert(ledger_owns(l, unfinished[i]) && ledger_is_unfinished(l, unfinished[i]));
}

static char *whole(const struct ledger *l)
{
	char *text;
	size_t len;

	assert(ledger_text(l, &text, &len) == 0 && strlen(text) == len);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *again = ledger_new();
	_cleanup_strbuf_ struct strbuf text = { 0 }, line = { 0 };
	_cleanup_free_ char *first = NULL, *second = NULL;
	size_t bad;

	assert(l && again);
	add_checksums((const char *)data, size, &text);
	assert(ledger_load(l, text.s, text.len, &bad) == 0);
	look_around(l);
	first = whole(l);
	assert(ledger_load(again, first, strlen(first), &bad) == 0 && bad == 0);
	look_around(again);
	second = whole(again);
	assert(streq(first, second));
	assert(ledger_settle(l, &line) == 0);
	look_around(l);
	return 0;
}
