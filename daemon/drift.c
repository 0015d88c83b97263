/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: where the kernel differed from what is wanted when it was last read whole, less what transactions have settled since.
 * Until the start has done its part nothing counts as drift: that part is to repair it.
 */
#include "daemon/transaction.h"

#include "base/text.h"

static int compare_elements(const void *a, const void *b)
{
	const struct difference *x = a, *y = b;

	return strcmp(x->element, y->element);
}

const struct differences *drift_known(const struct manager *m)
{
	static const struct differences none;

	return m->started ? &m->drift : &none;
}

bool drift_has(const struct manager *m, const char *element)
{
	const struct differences *d = drift_known(m);
	struct difference key = { .element = (char *)element };

	return d->n && bsearch(&key, d->items, d->n, sizeof(*d->items), compare_elements);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, *(char *const *)b);
}

void drift_settle(struct manager *m, const struct txn *t)
{
	_cleanup_(map_freep) struct map *left = map_new();
	char **scope = t->scope.elements;
	size_t n = strv_len(scope), kept = 0;

	if (!left)
		return;
	for (size_t i = 0; i < t->plan.n; i++)
		if (run_state(&t->run, i) != STEP_DONE && map_put(left, t->plan.steps[i]->object, m) < 0)
			return;
	for (size_t i = 0; i < m->drift.n; i++) {
		struct difference *d = &m->drift.items[i];

		if (!n || !bsearch(d->element, scope, n, sizeof(*scope), compare_names) || map_get(left, d->element)) {
			m->drift.items[kept++] = *d;
			continue;
		}
		free(d->element);
		free(d->attr);
		free(d->wanted);
		free(d->actual);
	}
	m->drift.n = kept;
}
