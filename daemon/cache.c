/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of the kernel's state after a transaction: what was done is known, so it follows without another reading. */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"
#include "kernel/element.h"

static void cache_edge(struct tree *cache, const struct tree *target, const struct element *e)
{
	struct object *o = tree_find(cache, e->object);
	const struct object *wanted = tree_find(target, e->object);

	if (!o)
		return;
	if (!wanted || !object_lists(wanted, e->edge, e->name))
		object_list_remove(o, e->edge, e->name);
	else
		object_list_add(o, e->edge, e->name);
}

static void cache_object(struct tree *cache, const struct tree *target, const char *path)
{
	const struct object *wanted = tree_find(target, path);
	struct object *o = tree_find(cache, path);
	const struct attr_row *row;
	size_t at = 0;

	if (!wanted) {
		if (o)
			object_remove(o);
		return;
	}
	if (!o && tree_add(cache, path, &o) < 0)
		return;
	/* What is not said stays as the kernel has it, but for what can be empty. */
	while ((row = object_next_row(wanted, o, &at)))
		if (!attr_is_list(row) && (object_get_row(wanted, row) || row_differs(wanted, o, row)))
			object_set(o, row, object_get_row(wanted, row));
}

static void cache_parsed(struct manager *m, const struct tree *tree, const char *text, const struct element *e)
{
	if (e->edge)
		cache_edge(m->actual, tree, e);
	else
		cache_object(m->actual, tree, text);
}

static void cache_element(struct manager *m, const struct tree *tree, const char *text)
{
	_cleanup_element_ struct element e = { 0 };

	if (element_parse(text, &e) >= 0)
		cache_parsed(m, tree, text, &e);
}

void cache_elements(struct manager *m, const struct tree *tree, char *const *elements)
{
	for (; elements && *elements; elements++)
		cache_element(m, tree, *elements);
}

/* What the steps of each element came to; a step of a port that is re-addressed also takes care of its links. */
static int sort_elements(const struct txn *t, struct map *done, struct map *undone, struct map *unknown)
{
	for (size_t i = 0; i < t->plan.n; i++) {
		enum step_state state = run_state(&t->run, i);
		struct map *m = state == STEP_DONE ? done : state == STEP_FAILED ? unknown : undone;

		if (map_put(m, t->plan.steps[i]->object, m) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* When it is committed: what is still to be removed is there. */
void txn_update_cache(struct txn *t)
{
	_cleanup_(map_freep) struct map *done = map_new(), *undone = map_new(), *unknown = map_new();

	if (!done || !undone || !unknown || sort_elements(t, done, undone, unknown) < 0)
		return;
	for (char **text = t->scope.elements; text && *text; text++) {
		_cleanup_element_ struct element e = { 0 };
		const char *by = *text;

		if (element_parse(*text, &e) < 0 || map_get(unknown, *text))
			continue;
		if (e.edge && !map_get(done, *text) && !map_get(undone, *text))
			by = e.object;
		/* What is still there is as it was known before. */
		if (t->removes && map_get(undone, by))
			continue;
		cache_parsed(t->m, map_get(done, by) && !map_get(undone, by) ? t->target : t->actual, *text, &e);
	}
}

/* The element is free for others from now on, who may make it anew before the transaction has ended. */
void txn_cache_removal(struct txn *t, const char *element, bool done)
{
	/* What is still there is as it was known before. */
	if (done || !t->removes)
		cache_element(t->m, done ? t->target : t->actual, element);
}
