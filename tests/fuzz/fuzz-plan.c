/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one document to another, with a line "===" between: both valid, there must be a plan, also back; it is in an order in which it can be
 * run, workers take each of its operations, and from a state to itself nothing is done. The one excuse is that the kernel cannot change what
 * it has; it names object and attribute, and is never made for the way back where there was one forth.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "base/text.h"
#include "daemon/worker.h"
#include "kernel/kernel.h"
#include "model/document.h"
#include "model/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pool_settings settings = { .kernel = "fake:/nowhere", .config_dir = "/etc/nvmetctl", .state_dir = "/var/lib/nvmetctl",
					       .run_dir = "/run/nvmetd" };

static struct tree *valid_tree(const char *text, size_t len)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	if (document_parse("doc", text, len, &d, &errs) < 0 || d.inline_secrets)
		return NULL;
	assert(tree_generate(d.tree) == 0);
	return validate_tree(d.tree, &errs) < 0 ? NULL : steal_ptr(d.tree);
}

static void check_plan(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = p->steps[i];

		assert(s->index == i && s->object && s->summary);
		for (size_t k = 0; k < s->n_deps; k++)
			assert(s->deps[k] < i && p->steps[s->deps[k]]->phase <= s->phase);
		for (size_t k = 0; k < s->ops.n; k++) {
			_cleanup_free_ char *refusal = NULL;

			assert(worker_check(&settings, &s->ops.items[k], &refusal) == 0);
		}
	}
}

/* False: the kernel cannot change it. */
static bool plan_it(const struct tree *target, const struct tree *actual, const struct scope *s, const struct tree *wanted,
		    const struct changes *c, bool leaks)
{
	const struct kernel_facts facts = { .leaks = leaks, .release = "6.12" };
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_error_ struct cfg_error err = { 0 };

	if (kernel_plan(target, actual, s, wanted, c, &facts, &p, &err) < 0) {
		assert(err.code == EOPNOTSUPP || err.code == EBUSY);
		assert(err.object && err.attr && err.msg && target != actual && tree_find(actual, err.object));
		return false;
	}
	assert(plan_finish(&p, 0, &err) == 0);
	check_plan(&p);
	assert(target != actual || p.n == 0);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *between = memmem(text, size, "\n===\n", 5);
	_cleanup_(tree_freep) struct tree *before = NULL, *after = NULL, *target = NULL, *actual = NULL;
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_scope_ struct scope scope = { 0 };
	_cleanup_strv_ char **claims = NULL;

	if (!between)
		return 0;
	before = valid_tree(text, (size_t)(between - text));
	after = before ? valid_tree(between + 5, (size_t)(text + size - between - 5)) : NULL;
	if (!after)
		return 0;
	assert(changes_diff(before, after, false, &c) == 0);
	after = tree_free(after);
	after = tree_copy(before);
	assert(after && changes_apply(after, &c, NULL) == 0);
	/* What was generated for a shared name is kept, and may be what another object was given by hand. */
	if (validate_tree(after, &errs) < 0)
		return 0;
	assert(kernel_scope(after, &c, &scope) == 0);
	assert(kernel_claims(after, &c, &scope, NULL, &claims) == 0);
	assert(kernel_lower(after, &scope, &target, NULL) == 0 && kernel_lower(before, &scope, &actual, NULL) == 0);
	if (plan_it(target, actual, &scope, before, &c, data[size - 1] & 1))
		assert(plan_it(actual, target, &scope, before, NULL, data[size - 1] & 1));
	plan_it(target, target, &scope, after, NULL, false);
	return 0;
}
