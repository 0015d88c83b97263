/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else than uid 0 may look, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/bus-pair.h"

static sd_bus_message *call(struct pair *p, const char *member, const char *types, ...)
{
	sd_bus_message *m = pair_method(p, BUS_ROOT, BUS_MANAGER_INTERFACE, member);
	va_list ap;

	va_start(ap, types);
	assert_true(!*types || sd_bus_message_appendv(m, types, ap) >= 0);
	va_end(ap);
	return pair_call(p, m);
}

static void assert_error(sd_bus_message *reply, const char *expected)
{
	assert_string_equal(pair_error(reply), expected);
	sd_bus_message_unref(reply);
}

static void test_stranger(void **state)
{
	static const struct {
		const char *member, *types;
	} denied[] = {
		{ "Apply", "sa{sv}" }, { "Diff", "sa{sv}" }, { "Restore", "sa{sv}" }, { "Change", "a(ssa(sss))a{sv}" },
		{ "Clear", "a{sv}" }, { "Reconcile", "asa{sv}" }, { "Adopt", "asa{sv}" }, { "Rollback", "ta{sv}" },
		{ "Save", "s" },
	};
	static const char *const allowed[] = { "Status", "History", "Jobs" };
	struct pair *p = *state;
	struct request r = { .act = ACT_CLEAR };
	sd_bus_message *reply;

	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		_cleanup_free_ char *expected = strf("org.nvmetctl1.Error.AccessDenied: %s: only the superuser may do this",
						     denied[i].member);

		if (streq(denied[i].types, "sa{sv}"))
			reply = call(p, denied[i].member, denied[i].types, "{\"version\":1}", 0);
		else if (streq(denied[i].types, "ta{sv}"))
			reply = call(p, denied[i].member, denied[i].types, (uint64_t)1, 0);
		else if (streq(denied[i].types, "s"))
			reply = call(p, denied[i].member, denied[i].types, "label");
		else
			reply = call(p, denied[i].member, denied[i].types, 0, 0);
		assert_error(reply, expected);
	}
	assert_int_equal(p->manager.n_jobs, 0);
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		reply = call(p, allowed[i], "");
		assert_string_equal(pair_error(reply), "");
		sd_bus_message_unref(reply);
	}
	reply = call(p, "Dump", "sb", "", 0);
	assert_string_equal(pair_error(reply), "");
	sd_bus_message_unref(reply);
	assert_int_equal(manager_request(&p->manager, &r, NULL, NULL, NULL, NULL), 0);
	assert_error(pair_call(p, pair_method(p, BUS_JOB_PREFIX "/1", BUS_JOB_INTERFACE, "Cancel")),
		     "org.nvmetctl1.Error.AccessDenied: Cancel: only the superuser may do this");
	assert_error(call(p, "CancelJob", "t", (uint64_t)1),
		     "org.nvmetctl1.Error.AccessDenied: CancelJob: only the superuser may do this");
	assert_int_equal(p->manager.cancelled, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stranger, pair_setup_stranger, pair_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
