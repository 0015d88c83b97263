/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: where the kernel differed from what is wanted when that was last known: read whole, or touched by a transaction. Until the
 * start has done its part nothing counts as drift: that part is to repair it.
 */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "daemon/manager-private.h"
#include "kernel/element.h"

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

static int forget(struct manager *m, const struct scope *s)
{
	_cleanup_(map_freep) struct map *elements = m->drift.n ? map_new() : NULL;
	size_t kept = 0;

	if (!elements)
		return m->drift.n ? -ENOMEM : 0;
	for (char **e = s->elements; e && *e; e++)
		if (map_put(elements, *e, m) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < m->drift.n; i++) {
		struct difference *d = &m->drift.items[i];

		if (!map_get(elements, d->element)) {
			m->drift.items[kept++] = *d;
			continue;
		}
		free(d->element);
		free(d->attr);
		free(d->wanted);
		free(d->actual);
	}
	m->drift.n = kept;
	return 0;
}

int drift_update(struct manager *m, const struct scope *s, const struct tree *target)
{
	_cleanup_(tree_freep) struct tree *lowered = NULL;
	_cleanup_scope_ struct scope wanted = { 0 };
	size_t had;
	int r = forget(m, s);

	/* What is there and not wanted is owed or foreign, but no drift. */
	for (char **text = s->elements; r >= 0 && text && *text; text++) {
		_cleanup_element_ struct element e = { 0 };

		r = element_parse(*text, &e);
		if (r >= 0 && element_is_wanted(m->wanted, &e))
			r = strv_append(&wanted.elements, *text);
	}
	if (r >= 0 && !target)
		r = kernel_lower(m->wanted, &wanted, &lowered, NULL);
	had = m->drift.n;
	if (r >= 0)
		r = kernel_compare(target ? target : lowered, m->actual, &wanted, &m->drift);
	if (m->drift.n > had)
		qsort(m->drift.items, m->drift.n, sizeof(*m->drift.items), compare_elements);
	return r;
}
