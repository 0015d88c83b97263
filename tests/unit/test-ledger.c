/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: what is owned for which reason, and that its records lead to the same after any crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

static char a[] = "subsystems/a", b[] = "subsystems/b", c[] = "ports/1/subsystems/c", d[] = "ports/2";
static char *elements_ab[] = { a, b, NULL };
static char *elements_c[] = { c, NULL };

static struct ledger *load(const char *text, size_t len, size_t expected_bad)
{
	struct ledger *l = ledger_new();
	size_t bad;

	assert_non_null(l);
	assert_int_equal(ledger_load(l, text, len, &bad), 0);
	assert_int_equal(bad, expected_bad);
	return l;
}

/* "element" or "element=reason" of all debts, then of what is unfinished, with blanks between. */
static char *describe(const struct ledger *l)
{
	struct strbuf text = { 0 };
	_cleanup_free_ struct debt *debts = NULL;
	_cleanup_free_ const char **unfinished = NULL;
	size_t n;

	assert_int_equal(ledger_debts(l, &debts, &n), 0);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&text, "%s=%s ", debts[i].element, debts[i].reason);
	assert_int_equal(ledger_unfinished(l, &unfinished, &n), 0);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&text, "%s ", unfinished[i]);
	return strbuf_steal(&text);
}

static void assert_holds(const struct ledger *l, const char *expected)
{
	_cleanup_free_ char *text = describe(l);

	assert_string_equal(text, expected);
}

static void test_what_is_left_counts_as_never_ended(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *again = NULL;
	_cleanup_strbuf_ struct strbuf line = { 0 };
	size_t len;

	ledger_begin(l, 1, elements_ab, &line);
	assert_int_equal(ledger_leave(l, a, &line), 0);
	ledger_end(l, 1, &line);
	assert_holds(l, "subsystems/a ");
	assert_true(ledger_is_unfinished(l, a) && !ledger_owns(l, b));
	again = load(line.s, line.len, 0);
	assert_holds(again, "subsystems/a ");
	len = line.len;
	ledger_leave(l, a, &line);
	assert_int_equal(line.len, len);
	ledger_settle(l, &line);
	assert_holds(l, "");
}

static void test_what_is_known_of_the_past(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *again = NULL, *compact = NULL;
	_cleanup_strbuf_ struct strbuf line = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_false(ledger_knows(l));
	assert_int_equal(ledger_know(l, &line), 0);
	assert_true(ledger_knows(l));
	again = load(line.s, line.len, 0);
	assert_true(ledger_knows(again));
	assert_int_equal(ledger_text(again, &text, &len), 0);
	compact = load(text, len, 0);
	assert_true(ledger_knows(compact));
	strbuf_done(&line);
	assert_int_equal(ledger_know(l, &line), 0);
	assert_int_equal(line.len, 0);
}

static void test_in_flight(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	assert_false(ledger_owns(l, "subsystems/a"));
	assert_int_equal(ledger_begin(l, 1, elements_ab, &line), 0);
	assert_int_equal(ledger_begin(l, 2, elements_c, &line), 0);
	assert_true(ledger_owns(l, "subsystems/a"));
	assert_true(ledger_owns(l, "subsystems/b"));
	assert_false(ledger_owns(l, "subsystems"));
	assert_int_equal(ledger_end(l, 1, &line), 0);
	assert_false(ledger_owns(l, "subsystems/a"));
	assert_true(ledger_owns(l, "ports/1/subsystems/c"));
	/* A transaction of this daemon is not one that never ended. */
	assert_holds(l, "");
}

static void test_two_transactions_share_an_element(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_begin(l, 1, elements_ab, &line);
	ledger_begin(l, 2, elements_ab, &line);
	ledger_end(l, 1, &line);
	assert_true(ledger_owns(l, "subsystems/a"));
	ledger_end(l, 2, &line);
	assert_false(ledger_owns(l, "subsystems/a"));
}

static void test_begin_twice_adds(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_begin(l, 1, elements_ab, &line);
	ledger_begin(l, 1, elements_c, &line);
	assert_true(ledger_owns(l, "subsystems/a") && ledger_owns(l, elements_c[0]));
	ledger_end(l, 1, &line);
	assert_false(ledger_owns(l, "subsystems/a") || ledger_owns(l, elements_c[0]));
}

static void test_what_says_nothing_writes_nothing(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	assert_int_equal(ledger_end(l, 7, &line), 0);
	assert_int_equal(ledger_paid(l, "subsystems/a", &line), 0);
	assert_int_equal(ledger_mark(l, "subsystems/a", false, &line), 0);
	assert_int_equal(ledger_settle(l, &line), 0);
	assert_int_equal(line.len, 0);
	ledger_owe(l, "subsystems/a", "busy", &line);
	strbuf_done(&line);
	ledger_owe(l, "subsystems/a", "busy", &line);
	assert_int_equal(line.len, 0);
}

static void test_debts_and_marks(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_owe(l, "subsystems/a", "the device is busy", &line);
	ledger_owe(l, "subsystems/a", "I/O stands still", &line);
	ledger_mark(l, "subsystems/a/namespaces/1", true, &line);
	assert_holds(l, "subsystems/a=I/O stands still ");
	assert_true(ledger_owns(l, "subsystems/a"));
	/* A mark is no claim. */
	assert_false(ledger_owns(l, "subsystems/a/namespaces/1"));
	assert_true(ledger_marked(l, "subsystems/a/namespaces/1"));
	ledger_paid(l, "subsystems/a", &line);
	ledger_mark(l, "subsystems/a/namespaces/1", false, &line);
	assert_holds(l, "");
	assert_false(ledger_owns(l, "subsystems/a"));
	assert_false(ledger_marked(l, "subsystems/a/namespaces/1"));
}

static void test_reload(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *again = NULL, *compact = NULL;
	_cleanup_strbuf_ struct strbuf line = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	ledger_begin(l, 1, elements_ab, &line);
	ledger_begin(l, 2, elements_c, &line);
	ledger_owe(l, "ports/1", "a \"reason\"\nof two lines", &line);
	ledger_mark(l, "subsystems/a/namespaces/1", true, &line);
	ledger_end(l, 2, &line);
	again = load(line.s, line.len, 0);
	assert_holds(again, "ports/1=a \"reason\"\nof two lines subsystems/a subsystems/b ");
	assert_true(ledger_owns(again, "subsystems/b"));
	assert_false(ledger_owns(again, elements_c[0]));
	assert_true(ledger_marked(again, "subsystems/a/namespaces/1"));

	assert_int_equal(ledger_text(l, &text, &len), 0);
	assert_true(len < line.len);
	compact = load(text, len, 0);
	assert_true(ledger_owns(compact, "subsystems/a") && ledger_owns(compact, "subsystems/b"));
	assert_true(ledger_marked(compact, "subsystems/a/namespaces/1"));
}

/* Numbers begin anew with each daemon: the second one's transaction 1 must not end the first one's. */
static void test_numbers_used_again_by_the_next_daemon(void **state)
{
	_cleanup_(ledger_freep) struct ledger *first = ledger_new(), *second = NULL, *third = NULL, *fourth = NULL;
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_begin(first, 1, elements_ab, &line);
	second = load(line.s, line.len, 0);
	assert_int_equal(ledger_begin(second, 1, elements_c, &line), 0);
	assert_int_equal(ledger_end(second, 1, &line), 0);
	assert_holds(second, "subsystems/a subsystems/b ");
	third = load(line.s, line.len, 0);
	assert_holds(third, "subsystems/a subsystems/b ");
	assert_int_equal(ledger_settle(third, &line), 0);
	assert_false(ledger_owns(third, "subsystems/a"));
	fourth = load(line.s, line.len, 0);
	assert_holds(fourth, "");
	assert_false(ledger_owns(fourth, "subsystems/a"));
}

/* A write that was cut short loses its own record and no other. */
static void test_torn_in_the_middle(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf first = { 0 }, second = { 0 };

	ledger_owe(l, "subsystems/a", "one", &first);
	ledger_owe(l, "subsystems/b", "two", &second);
	for (size_t cut = 1; cut < first.len; cut++) {
		_cleanup_(ledger_freep) struct ledger *again = NULL;
		_cleanup_strbuf_ struct strbuf file = { 0 };
		/* Cut behind the whole JSON text, the record is a good one: the next begins with a newline. */
		bool whole = cut == first.len - 1;

		strbuf_add_mem(&file, first.s, cut);
		strbuf_add_mem(&file, second.s, second.len);
		again = load(file.s, file.len, cut > 1 && !whole);
		assert_holds(again, whole ? "subsystems/a=one subsystems/b=two " : "subsystems/b=two ");
	}
}

static void test_every_flipped_bit_is_noticed(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new();
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_owe(l, "subsystems/a", "one", &line);
	/* The first and the last byte are the newlines around it. */
	for (size_t i = 1; i + 1 < line.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			_cleanup_(ledger_freep) struct ledger *again = ledger_new();
			size_t bad;

			line.s[i] ^= (char)(1 << bit);
			assert_int_equal(ledger_load(again, line.s, line.len, &bad), 0);
			assert_true(bad > 0);
			assert_holds(again, "");
			line.s[i] ^= (char)(1 << bit);
		}
	}
}

static void test_records_that_make_no_sense(void **state)
{
	static const char *const records[] = {
		"[]", "{}", "null", "[\"owe\"]", "[\"owe\",\"a\"]", "[\"owe\",1,2]", "[\"begin\"]", "[\"begin\",\"x\"]",
		"[\"begin\",1,2]", "[\"what\",\"a\"]", "[\"what\",1]", "[1]", "not json",
	};

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		_cleanup_(ledger_freep) struct ledger *l = NULL;
		_cleanup_free_ char *text = NULL;
		/* By another implementation than the one under test. */
		uint32_t crc = 0xffffffff;

		for (const char *at = records[i]; *at; at++) {
			crc ^= (unsigned char)*at;
			for (int k = 0; k < 8; k++)
				crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
		}
		text = strf("%08x %s\n", ~crc, records[i]);
		l = load(text, strlen(text), 1);
		assert_holds(l, "");
	}
}

static void test_reason_that_is_not_text(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *again = NULL;
	_cleanup_strbuf_ struct strbuf line = { 0 };

	ledger_owe(l, "subsystems/a", "caf\xe9", &line);
	again = load(line.s, line.len, 0);
	assert_holds(again, "subsystems/a=caf? ");
}

/* Any sequence of calls: what the records lead to is what was in memory, at every cut between records. */
static void test_random_sequences(void **state)
{
	char *const names[] = { a, b, c, d };

	srandom(20261124);
	for (int round = 0; round < 50; round++) {
		_cleanup_(ledger_freep) struct ledger *l = ledger_new();
		_cleanup_strbuf_ struct strbuf line = { 0 };

		for (int i = 0; i < 40; i++) {
			char *name = names[random() % 4], *pair[] = { name, names[random() % 4], NULL };
			uint64_t txn = (uint64_t)random() % 4;
			_cleanup_(ledger_freep) struct ledger *again = NULL;

			switch (random() % 6) {
			case 0: ledger_begin(l, txn, pair, &line); break;
			case 1: ledger_end(l, txn, &line); break;
			case 2: ledger_owe(l, name, random() % 2 ? "x" : "y", &line); break;
			case 3: ledger_paid(l, name, &line); break;
			case 4: ledger_mark(l, name, true, &line); break;
			default: ledger_mark(l, name, false, &line);
			}
			again = load(line.s, line.len, 0);
			for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
				assert_int_equal(ledger_owns(l, names[k]), ledger_owns(again, names[k]));
				assert_int_equal(ledger_marked(l, names[k]), ledger_marked(again, names[k]));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_known_of_the_past),
		cmocka_unit_test(test_what_is_left_counts_as_never_ended),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_two_transactions_share_an_element),
		cmocka_unit_test(test_begin_twice_adds),
		cmocka_unit_test(test_what_says_nothing_writes_nothing),
		cmocka_unit_test(test_debts_and_marks),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_numbers_used_again_by_the_next_daemon),
		cmocka_unit_test(test_torn_in_the_middle),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_records_that_make_no_sense),
		cmocka_unit_test(test_reason_that_is_not_text),
		cmocka_unit_test(test_random_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
