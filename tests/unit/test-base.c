/* SPDX-License-Identifier: Apache-2.0 */
/* Natural order, joined texts, sorted sets, and maps that much is put into and taken out of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/map.h"
#include "base/text.h"

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void test_natural_order(void **state)
{
	/* Each before all that follow. */
	static const char *const sorted[] = {
		"", "0", "00", "1", "1a", "1b", "01", "2", "9", "10", "10:2", "10:10", "010:1", "11", "99999999999999999999", "100000000000000000000",
		"a", "a0b", "a1", "a1b2", "a1b10", "a01", "a2", "a10", "a10b", "aa", "b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sorted); k++)
			assert_int_equal(sign(text_natural_cmp(sorted[i], sorted[k])), (i > k) - (i < k));
}

static void test_join(void **state)
{
	_cleanup_free_ char *none = strjoin("", NULL), *some = strjoin("a", "", "/", "bc", NULL);
	_cleanup_strbuf_ struct strbuf b = { 0 };

	assert_string_equal(none, "");
	assert_string_equal(some, "a/bc");
	strbuf_add_all(&b, "a", "", "/", NULL);
	strbuf_add_all(&b, "bc", NULL);
	assert_string_equal(b.s, some);
}

static void assert_besides(char *const *names, char *const *others, const char *expected)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const char *name;

	strbuf_add(&b, "");
	while ((name = strv_next_besides(&names, &others)))
		strbuf_add_all(&b, name, " ", NULL);
	assert_string_equal(b.s, expected);
}

static void test_names_besides(void **state)
{
	char *const some[] = { "a1", "a2", "a10", "b", NULL }, *const others[] = { "a2", "a3", "a10", "c", NULL };

	assert_besides(some, others, "a1 b ");
	assert_besides(others, some, "a3 c ");
	assert_besides(some, NULL, "a1 a2 a10 b ");
	assert_besides(some, some, "");
	assert_besides(NULL, some, "");
}

/* What comes and goes leaves nothing behind, and what stays is found, in the order in which it came. */
static void test_map_churn(void **state)
{
	_cleanup_(map_freep) struct map *m = map_new();
	struct map_iter it = { 0 };
	char key[32];

	assert_int_equal(map_put(m, "first", m), 0);
	assert_int_equal(map_put(m, "second", key), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "passing %d", i);
		assert_null(map_get(m, key));
		assert_int_equal(map_put(m, key, m), 0);
		assert_ptr_equal(map_get(m, key), m);
		assert_ptr_equal(map_del(m, key), m);
	}
	assert_int_equal(map_len(m), 2);
	assert_ptr_equal(map_get(m, "first"), m);
	assert_int_equal(map_next(m, &it), 1);
	assert_string_equal(it.key, "first");
	assert_int_equal(map_next(m, &it), 1);
	assert_string_equal(it.key, "second");
	assert_int_equal(map_next(m, &it), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_natural_order),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_names_besides),
		cmocka_unit_test(test_map_churn),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
