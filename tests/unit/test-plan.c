/* SPDX-License-Identifier: Apache-2.0 */
/* Order: what a step comes after, and what hosts may see before all else is sure to work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "plan/plan.h"

static struct step *add(struct plan *p, enum phase phase, const char *name, const char *gives, const char *after)
{
	struct step *s = plan_step(p, phase, name, "do");

	assert_non_null(s);
	if (gives)
		assert_return_code(step_gives(s, "%s", gives), 0);
	if (after)
		assert_return_code(step_after(s, "%s", after), 0);
	return s;
}

/* Directly or by way of others. */
static bool comes_after(const struct plan *p, const struct step *s, const struct step *before)
{
	for (size_t d = 0; d < s->n_deps; d++)
		if (p->steps[s->deps[d]] == before || comes_after(p, p->steps[s->deps[d]], before))
			return true;
	return false;
}

static void test_keys_are_order(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *second = add(&p, PHASE_BUILD, "b", "+b", "+a");
	struct step *first = add(&p, PHASE_BUILD, "a", "+a", "nobody gives this");

	assert_return_code(plan_finish(&p, 0, NULL), 0);
	assert_ptr_equal(p.steps[0], first);
	assert_true(comes_after(&p, second, first));
	assert_false(comes_after(&p, first, second));
}

static void test_hosts_see_nothing_before_all_is_built(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *shown = add(&p, PHASE_SWITCH, "live namespace", "+n", NULL);
	struct step *probed = add(&p, PHASE_BUILD, "another's device", "probed", NULL);
	struct step *removed = add(&p, PHASE_REMOVE, "old", "-o", NULL);

	assert_return_code(plan_finish(&p, 0, NULL), 0);
	assert_true(comes_after(&p, shown, probed));
	assert_int_equal(removed->n_deps, 0);
}

static void test_what_only_trying_tells_comes_first_in_the_switch(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *shown = add(&p, PHASE_SWITCH, "live namespace", "+n", NULL);
	struct step *needed = add(&p, PHASE_SWITCH, "live namespace of what is served", "+m", NULL);
	struct step *listens = add(&p, PHASE_SWITCH, "new port", "+p", "+m");

	listens->foremost = true;
	assert_return_code(plan_finish(&p, 0, NULL), 0);
	assert_true(comes_after(&p, shown, listens));
	assert_true(comes_after(&p, listens, needed));
	assert_false(comes_after(&p, needed, listens));
}

static void test_each_on_its_own_waits_for_nobody(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *shown = add(&p, PHASE_SWITCH, "live namespace", "+n", NULL);

	add(&p, PHASE_BUILD, "another's device", "probed", NULL);
	assert_return_code(plan_finish(&p, PLAN_EACH, NULL), 0);
	assert_int_equal(shown->n_deps, 0);
}

static void test_a_removal_that_others_need_comes_first(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *made = add(&p, PHASE_BUILD, "new", "+new", "-address");
	struct step *removed = add(&p, PHASE_REMOVE, "old", "-address", "-below");
	struct step *below = add(&p, PHASE_REMOVE, "below old", "-below", NULL);
	struct step *other = add(&p, PHASE_BUILD, "other", "+other", NULL);

	assert_return_code(plan_finish(&p, 0, NULL), 0);
	assert_int_equal(removed->phase, PHASE_SWITCH);
	assert_true(removed->moved_forward && below->moved_forward);
	/* It cannot be built unseen, and what is taken away for it is not before all else is built. */
	assert_int_equal(made->phase, PHASE_SWITCH);
	assert_true(comes_after(&p, below, other));
}

static void test_a_circle_is_named(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_error_ struct cfg_error err = { 0 };

	add(&p, PHASE_BUILD, "a", "+a", "+b");
	add(&p, PHASE_BUILD, "b", "+b", "+a");
	assert_int_equal(plan_finish(&p, 0, &err), -EDEADLK);
	assert_non_null(strstr(err.msg, "a: do; b: do"));
}

static void test_waiting_is_not_needing(void **state)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct step *subsystem = add(&p, PHASE_BUILD, "s", "+s", NULL);
	struct step *ns = add(&p, PHASE_BUILD, "s/1", "+s/*", "+s");
	struct step *link = add(&p, PHASE_SWITCH, "serve", NULL, "+s");

	assert_return_code(step_after(link, "+s/*"), 0);
	assert_return_code(plan_finish(&p, PLAN_EACH, NULL), 0);
	assert_true(comes_after(&p, link, ns));
	assert_true(step_needs(link, subsystem));
	assert_false(step_needs(link, ns));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_order),
		cmocka_unit_test(test_hosts_see_nothing_before_all_is_built),
		cmocka_unit_test(test_what_only_trying_tells_comes_first_in_the_switch),
		cmocka_unit_test(test_each_on_its_own_waits_for_nobody),
		cmocka_unit_test(test_a_removal_that_others_need_comes_first),
		cmocka_unit_test(test_a_circle_is_named),
		cmocka_unit_test(test_waiting_is_not_needing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
