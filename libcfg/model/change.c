/* SPDX-License-Identifier: Apache-2.0 */
/* Change sets: made by comparing trees or from edits, applied, taken back, written to the journal and read from it. */
#include "model/change.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "model/document.h"
#include "model/names.h"

static struct change *change_free(struct change *c)
{
	if (!c)
		return NULL;
	free(c->path);
	object_free(c->before);
	object_free(c->after);
	free(c);
	return NULL;
}

void changes_done(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		change_free(c->items[i]);
	free(c->items);
	*c = (struct changes){ 0 };
}

/* Takes over before and after, also when it fails. */
static int changes_add(struct changes *c, const char *path, struct object *before, struct object *after)
{
	struct change *item = calloc(1, sizeof(*item));

	if (!item) {
		object_free(before);
		object_free(after);
		return -ENOMEM;
	}
	*item = (struct change){ .path = strdup(path), .before = before, .after = after };
	if ((c->n & (c->n - 1)) == 0) {
		struct change **items = reallocarray(c->items, c->n ? 2 * c->n : 1, sizeof(*items));

		if (!items) {
			change_free(item);
			return -ENOMEM;
		}
		c->items = items;
	}
	c->items[c->n++] = item;
	return item->path ? 0 : -ENOMEM;
}

int changes_append(struct changes *c, const char *path, const struct object *before, const struct object *after)
{
	struct object *b = before ? object_copy_shallow(before) : NULL;
	struct object *a = after ? object_copy_shallow(after) : NULL;

	if ((before && !b) || (after && !a)) {
		object_free(b);
		object_free(a);
		return -ENOMEM;
	}
	return changes_add(c, path, b, a);
}

/* ---- comparing trees ---- */

static int inherit_list(struct object *after, const struct object *before, const struct attr_row *row)
{
	char *const *had = object_get_list(before, row), *const *has = object_get_list(after, row);
	size_t n = strv_len(has), m = strv_len(had);
	_cleanup_free_ const char **both = calloc(n + m + 1, sizeof(*both));

	if (!both)
		return -ENOMEM;
	if (n)
		memcpy(both, has, n * sizeof(*both));
	if (m)
		memcpy(both + n, had, m * sizeof(*both));
	return object_set_list(after, row, (char *const *)both);
}

/* A value that followed from others of the object follows from what they are now; see object_forget(). */
static int inherit_text(struct object *after, const struct object *before, const struct attr_row *row)
{
	const char *had = object_get_row(before, row);
	_cleanup_free_ char *followed = NULL, *follows = NULL;
	int r = object_follow(before, row, &followed);

	if (r >= 0 && streq_ptr(followed, had)) {
		r = object_follow(after, row, &follows);
		had = follows;
	}
	return r < 0 ? r : object_set(after, row, had);
}

/* What b leaves out of generated values, and with merge of all values, stays as it is in a; with merge also the members of lists. What may
 * follow from other values comes after them. */
static int inherit(struct object *after, const struct object *before, bool merge)
{
	for (int late = 0; late < 2; late++)
		attr_foreach(row, after->kind) {
			int r = 0;

			if ((row->source == ATTR_GENERATED) != late)
				continue;
			if (attr_is_list(row))
				r = merge && object_get_list(before, row) ? inherit_list(after, before, row) : 0;
			else if ((merge || late) && !object_get_row(after, row) && object_get_row(before, row))
				r = inherit_text(after, before, row);
			if (r < 0)
				return r;
		}
	return 0;
}

static int add_removed(struct changes *c, const struct object *o)
{
	_cleanup_free_ char *path = object_path(o);
	struct object *copy = object_copy_shallow(o);

	return path && copy ? changes_add(c, path, copy, NULL) : (object_free(copy), -ENOMEM);
}

/* Children before parents. */
static int remove_all(struct changes *c, const struct object *o)
{
	for (size_t i = 0; i < o->n_children; i++)
		if (remove_all(c, o->children[i]) < 0)
			return -ENOMEM;
	return add_removed(c, o);
}

static int diff_removed(struct changes *c, const struct object *a, const struct object *b)
{
	for (size_t i = 0; i < a->n_children; i++) {
		const struct object *child = a->children[i];
		const struct object *other = object_child(b, child->kind, child->name);
		int r = other ? diff_removed(c, child, other) : remove_all(c, child);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool list_stays(const struct object *a, const struct object *b, const struct attr_row *row, bool merge)
{
	char *const *had = object_get_list(a, row), *const *has = object_get_list(b, row);

	return has ? had && strv_equal(had, has) : merge;
}

static bool text_stays(const struct object *a, const struct object *b, const struct attr_row *row, bool merge)
{
	const char *had = object_get_row(a, row), *has = object_get_row(b, row);

	return has ? streq_ptr(had, has) : merge || row->source == ATTR_GENERATED;
}

/* All that b gives is so in a already, and what it leaves out stays. Most of a document that is applied once more is like that. */
static bool says_nothing_new(const struct object *a, const struct object *b, bool merge)
{
	const struct attr_row *row;
	size_t at = 0;

	while ((row = object_next_row(a, b, &at)))
		if (!(attr_is_list(row) ? list_stays(a, b, row, merge) : text_stays(a, b, row, merge)))
			return false;
	return true;
}

static int diff_object(struct changes *c, const struct object *a, const struct object *b, bool merge)
{
	_cleanup_free_ char *path = object_path(b);
	_cleanup_(object_freep) struct object *after = object_copy_shallow(b), *before = a ? object_copy_shallow(a) : NULL;

	if (!path || !after || (a && !before) || (a && inherit(after, a, merge) < 0))
		return -ENOMEM;
	if (a && object_values_equal(a, after))
		return 0;
	return changes_add(c, path, steal_ptr(before), steal_ptr(after));
}

static int diff_present(struct changes *c, const struct object *a, const struct object *b, bool merge)
{
	for (size_t i = 0; i < b->n_children; i++) {
		const struct object *child = b->children[i];
		const struct object *other = a ? object_child(a, child->kind, child->name) : NULL;

		if (!(other && says_nothing_new(other, child, merge)) && diff_object(c, other, child, merge) < 0)
			return -ENOMEM;
		if (diff_present(c, other, child, merge) < 0)
			return -ENOMEM;
	}
	return 0;
}

int changes_diff(const struct tree *a, const struct tree *b, bool merge, struct changes *ret)
{
	int r = merge ? 0 : diff_removed(ret, tree_root(a), tree_root(b));

	if (r >= 0)
		r = diff_present(ret, tree_root(a), tree_root(b), merge);
	if (r < 0)
		changes_done(ret);
	return r;
}

/* ---- rebasing ---- */

static int rebase_text(struct object *o, const struct attr_row *row, const struct change *c)
{
	const char *before = object_get_row(c->before, row), *after = object_get_row(c->after, row);

	if (streq_ptr(before, after))
		return 0;
	return streq_ptr(object_get_row(o, row), before) ? object_set(o, row, after) : -ESTALE;
}

static int rebase_list(struct object *o, const struct attr_row *row, const struct change *c)
{
	char *const *before = object_get_list(c->before, row), *const *after = object_get_list(c->after, row);
	_cleanup_strv_ char **list = strv_copy(object_get_list(o, row));

	if (object_get_list(o, row) && !list)
		return -ENOMEM;
	for (char *const *name = before; name && *name; name++)
		if (!strv_contains(after, *name) && list)
			strv_remove(list, *name);
	for (char *const *name = after; name && *name; name++)
		if (!strv_contains(before, *name) && !strv_contains(list, *name) && strv_append(&list, *name) < 0)
			return -ENOMEM;
	return object_set_list(o, row, list);
}

static int rebase_one(struct change *c, const struct object *now)
{
	_cleanup_(object_freep) struct object *before = object_copy_shallow(now), *after = object_copy_shallow(now);
	int r = before && after ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	attr_foreach(row, now->kind) {
		r = attr_is_list(row) ? rebase_list(after, row, c) : rebase_text(after, row, c);
		if (r < 0)
			return r;
	}
	object_free(c->before);
	object_free(c->after);
	c->before = steal_ptr(before);
	c->after = steal_ptr(after);
	return 1;
}

int changes_rebase(struct changes *c, const struct tree *t)
{
	int result = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct change *item = c->items[i];
		const struct object *now = tree_find(t, item->path);
		int r;

		/* What is made or removed nobody else can have changed: changes_apply() makes sure. */
		if (!item->before || !item->after || !now || object_values_equal(now, item->before))
			continue;
		r = rebase_one(item, now);
		if (r < 0)
			return r;
		result = 1;
	}
	return result;
}

/* ---- applying ---- */

int changes_check(const struct tree *t, const struct changes *c, struct cfg_error *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct object *o = tree_find(t, c->items[i]->path);

		if (!o != !c->items[i]->before || (o && !object_values_equal(o, c->items[i]->before)))
			return cfg_error_set_at(err, ESTALE, c->items[i]->path, NULL, "has changed meanwhile");
	}
	return 0;
}

static int apply_one(struct tree *t, const char *path, const struct object *from, const struct object *to)
{
	struct object *o;
	int r;

	if (from) {
		o = tree_find(t, path);
		/* Something was made below it meanwhile, which nobody asked to remove. */
		if (!o || (!to && o->n_children))
			return -ESTALE;
		if (to)
			return object_assign(o, to);
		object_remove(o);
		return 0;
	}
	r = tree_add(t, path, &o);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	r = object_assign(o, to);
	if (r < 0)
		object_remove(o);
	return r;
}

/* The first n, backwards. */
static int revert_first(struct tree *t, const struct changes *c, size_t n)
{
	int result = 0;

	while (n--) {
		int r = apply_one(t, c->items[n]->path, c->items[n]->after, c->items[n]->before);

		if (r < 0)
			result = r;
	}
	return result;
}

int changes_apply(struct tree *t, const struct changes *c, struct cfg_error *err)
{
	if (changes_check(t, c, err) < 0)
		return -ESTALE;
	for (size_t i = 0; i < c->n; i++) {
		const struct change *item = c->items[i];
		int r = apply_one(t, item->path, item->before, item->after);

		if (r >= 0)
			continue;
		if (revert_first(t, c, i + (r == -ENOMEM && item->before && item->after)) < 0)
			return cfg_error_set(err, ENOTRECOVERABLE, "out of memory, also to take back what had been done");
		if (r == -ENOMEM)
			return cfg_error_oom(err);
		return cfg_error_set_at(err, -r, item->path, NULL, "%s",
					!item->after  ? "has something below it that was made meanwhile" :
					r == -ESTALE ? "would be below what is not there" :
						       "cannot be an object's path");
	}
	return 0;
}

int changes_revert(struct tree *t, const struct changes *c)
{
	return revert_first(t, c, c->n) < 0 ? -ENOTRECOVERABLE : 0;
}

/* ---- the journal's form ---- */

struct json_object *change_to_json(const struct change *c)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *path = json_object_new_string(c->path), *set = c->after ? object_to_json(c->after, 0) : NULL;

	/* What cannot be written must not read as null, which removes. */
	if (!o || !path || (c->after && !set) || json_object_object_add(o, "path", path) < 0) {
		json_object_put(path);
		json_object_put(set);
		return NULL;
	}
	if (json_object_object_add(o, "set", set) < 0) {
		json_object_put(set);
		return NULL;
	}
	return steal_ptr(o);
}

static int after_from_json(const struct path *p, const char *path, struct json_object *set, struct object **ret,
			   struct cfg_error *err)
{
	_cleanup_(object_freep) struct object *o = object_new_detached(p->kind[p->depth - 1], p->name[p->depth - 1]);
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	if (!o)
		return cfg_error_oom(err);
	if (object_from_json(o, set, &errs) < 0) {
		int code = errs.n ? errs.items[0].code : EINVAL;

		if (errs.no_memory)
			return cfg_error_oom(err);
		if (!errs.n)
			return cfg_error_set_at(err, code, path, NULL, "cannot be read");
		/* It knew the last part of the path only. */
		return cfg_error_set_at(err, code, path, errs.items[0].attr, "%s", errs.items[0].msg);
	}
	*ret = steal_ptr(o);
	return 0;
}

static int change_from_json(const struct tree *t, struct json_object *json, struct changes *ret, struct cfg_error *err)
{
	_cleanup_path_ struct path p = { 0 };
	_cleanup_free_ char *path = NULL;
	_cleanup_(object_freep) struct object *after = NULL, *before = NULL;
	struct json_object *at, *set;
	const struct object *o;
	int r;

	if (!json_object_is_type(json, json_type_object) || !json_object_object_get_ex(json, "path", &at) ||
	    !json_object_is_type(at, json_type_string) || !json_object_object_get_ex(json, "set", &set))
		return cfg_error_set(err, EINVAL, "a change needs path and set");
	r = path_parse(json_object_get_string(at), &p, NULL, err);
	if (r < 0)
		return r;
	path = path_text(&p);
	if (!path)
		return cfg_error_oom(err);
	if (!p.depth)
		return cfg_error_set(err, EINVAL, "a change needs a path");
	r = set ? after_from_json(&p, path, set, &after, err) : 0;
	if (r < 0)
		return r;
	o = tree_find(t, path);
	/* The record that made it was lost: it is gone already. */
	if (!o && !after)
		return 0;
	before = o ? object_copy_shallow(o) : NULL;
	if ((o && !before) || changes_add(ret, path, steal_ptr(before), steal_ptr(after)) < 0)
		return cfg_error_oom(err);
	return 0;
}

int changes_from_json(const struct tree *t, struct json_object *json, struct changes *ret, struct cfg_error *err)
{
	if (!json_object_is_type(json, json_type_array))
		return cfg_error_set(err, EINVAL, "changes must be an array");
	for (size_t i = 0; i < json_object_array_length(json); i++) {
		int r = change_from_json(t, json_object_array_get_idx(json, i), ret, err);

		if (r < 0) {
			changes_done(ret);
			return r;
		}
	}
	return 0;
}
