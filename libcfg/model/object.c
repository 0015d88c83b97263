/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects and the tree. Children are sorted arrays: small, in order, and quick to search. The index maps strings to the
 * objects that hold them; keys.c says which strings an object holds, and a change of a value touches those of that value alone.
 * Paths as people write them are in path.c.
 */
#include "model/object.h"

#include <assert.h>
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "model/keys.h"

/* Most keys are one object's: it needs no array. */
struct holders {
	struct object *one, **items;	/* items: &one, or an array */
	size_t n, size;
	char key[];
};

struct tree {
	struct object *root;
	struct map *index;	/* key -> struct holders, which has the key in it */
	size_t count;
	/* Where a child of each kind was looked for last: the next one is often the same, or beside it. Only compared, so it may be of the past. */
	struct { const struct object *parent; size_t slot; } last[KIND_MAX];
};

/* ---- rows that have a value ---- */

#define BITS 64

const struct attr_row *object_next_row(const struct object *a, const struct object *b, size_t *at)
{
	for (; *at < ROWS_MAX; *at += BITS - *at % BITS) {
		uint64_t left = (a->present[*at / BITS] | b->present[*at / BITS]) >> *at % BITS;

		if (left) {
			*at += (size_t)__builtin_ctzll(left) + 1;
			return &kind_info(a->kind)->rows[*at - 1];
		}
	}
	return NULL;
}

/* ---- the index ---- */

static void drop_empty(struct tree *t, const char *key, struct holders *h)
{
	if (h->n)
		return;
	map_del(t->index, key);
	map_shrink(t->index);
	if (h->items != &h->one)
		free(h->items);
	free(h);
}

static int index_add(struct tree *t, const char *key, struct object *o)
{
	struct holders *h = map_get(t->index, key);

	if (!h) {
		size_t len = strlen(key);

		h = malloc(sizeof(*h) + len + 1);
		if (!h)
			return -ENOMEM;
		*h = (struct holders){ .items = &h->one, .size = 1 };
		memcpy(h->key, key, len + 1);
		if (map_put(t->index, h->key, h) < 0) {
			free(h);
			return -ENOMEM;
		}
	}
	if (h->n == h->size) {
		bool first = h->items == &h->one;
		struct object **items = reallocarray(first ? NULL : h->items, 2 * h->size, sizeof(*items));

		if (!items) {
			drop_empty(t, key, h);
			return -ENOMEM;
		}
		if (first)
			items[0] = h->one;
		h->items = items;
		h->size *= 2;
	}
	h->items[h->n++] = o;
	return 0;
}

static void index_del(struct tree *t, const char *key, const struct object *o)
{
	struct holders *h = map_get(t->index, key);

	for (size_t i = 0; h && i < h->n; i++)
		if (h->items[i] == o) {
			h->items[i] = h->items[--h->n];
			break;
		}
	if (h)
		drop_empty(t, key, h);
}

/* Names that are not among the others: takes them in or out of the index. */
static int index_names(struct object *o, const struct attr_row *row, char *const *names, char *const *other, bool add)
{
	const char *name;
	struct key k;

	while ((name = strv_next_besides(&names, &other))) {
		if (!add)
			index_del(o->tree, key_of_reference(&k, row->ref, name), o);
		else if (index_add(o->tree, key_of_reference(&k, row->ref, name), o) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void unindex_name(struct object *o)
{
	struct key k[KEYS_MAX];
	size_t n = keys_of_name(o, k);

	while (n--)
		index_del(o->tree, k[n].text, o);
}

/* All or none. */
static int index_name(struct object *o)
{
	struct key k[KEYS_MAX];
	size_t n = keys_of_name(o, k);

	for (size_t i = 0; i < n; i++)
		if (index_add(o->tree, k[i].text, o) < 0) {
			while (i--)
				index_del(o->tree, k[i].text, o);
			return -ENOMEM;
		}
	return 0;
}

static void unindex_values(struct object *o)
{
	const struct attr_row *row;
	struct key k[KEYS_MAX];
	size_t at = 0;

	while ((row = object_next_row(o, o, &at))) {
		size_t n = keys_are_of(o, row) ? keys_of_row(o, row, k) : 0;

		if (attr_is_list(row))
			index_names(o, row, object_get_list(o, row), NULL, false);
		while (n--)
			index_del(o->tree, k[n].text, o);
	}
}

/* All or none. */
static int index_values(struct object *o)
{
	const struct attr_row *row;
	struct key k[KEYS_MAX];
	size_t at = 0;
	int r = 0;

	while (r >= 0 && (row = object_next_row(o, o, &at))) {
		size_t n = keys_are_of(o, row) ? keys_of_row(o, row, k) : 0;

		if (attr_is_list(row))
			r = index_names(o, row, object_get_list(o, row), NULL, true);
		for (size_t i = 0; r >= 0 && i < n; i++)
			r = index_add(o->tree, k[i].text, o);
	}
	if (r < 0)
		unindex_values(o);
	return r;
}

static bool holds(const struct key *k, size_t n, const struct key *key)
{
	while (n--)
		if (streq(k[n].text, key->text))
			return true;
	return false;
}

/* From the keys that the object had to those that it has; all or none. */
static int reindex(struct object *o, const struct key *had, size_t n_had, const struct key *has, size_t n_has)
{
	for (size_t i = 0; i < n_has; i++)
		if (!holds(had, n_had, &has[i]) && index_add(o->tree, has[i].text, o) < 0) {
			while (i--)
				if (!holds(had, n_had, &has[i]))
					index_del(o->tree, has[i].text, o);
			return -ENOMEM;
		}
	for (size_t i = 0; i < n_had; i++)
		if (!holds(has, n_has, &had[i]))
			index_del(o->tree, had[i].text, o);
	return 0;
}

static struct users users_of(const struct tree *t, const char *key)
{
	const struct holders *h = map_get(t->index, key);

	return h ? (struct users){ h->items, h->n } : (struct users){ 0 };
}

struct users tree_users(const struct tree *t, enum kind kind, const char *name)
{
	struct key k;

	return users_of(t, key_of_reference(&k, kind, name));
}

struct users tree_key_owners(const struct tree *t, const char *key)
{
	return users_of(t, key);
}

/* ---- values: a bit for each row of the kind, and room for those alone that are set ---- */

/* How many rows before this one have a value: where its own is, or would be. */
static size_t value_slot(const struct object *o, size_t row)
{
	size_t slot = 0, word = row / BITS;

	for (size_t i = 0; i < word; i++)
		slot += (size_t)__builtin_popcountll(o->present[i]);
	return slot + (size_t)__builtin_popcountll(o->present[word] & ((UINT64_C(1) << row % BITS) - 1));
}

static bool has_value(const struct object *o, size_t row)
{
	return o->present[row / BITS] >> row % BITS & 1;
}

static struct value value_get(const struct object *o, const struct attr_row *row)
{
	size_t i = attr_index(o->kind, row);

	return has_value(o, i) ? o->values[value_slot(o, i)] : (struct value){ 0 };
}

static size_t value_count(const struct object *o)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(o->present); i++)
		n += (size_t)__builtin_popcountll(o->present[i]);
	return n;
}

/* Takes over v, and gives up what was there; an empty one makes the row absent. Only a row that had no value needs memory, -ENOMEM. */
static int value_put(struct object *o, const struct attr_row *row, struct value v)
{
	size_t i = attr_index(o->kind, row), slot = value_slot(o, i), n = value_count(o);
	struct value *values;

	if (v.text && !has_value(o, i)) {
		values = reallocarray(o->values, n + 1, sizeof(*values));
		if (!values)
			return -ENOMEM;
		o->values = values;
		memmove(values + slot + 1, values + slot, (n - slot) * sizeof(*values));
		o->present[i / BITS] |= UINT64_C(1) << i % BITS;
	} else if (!v.text && has_value(o, i)) {
		memmove(o->values + slot, o->values + slot + 1, (n - slot - 1) * sizeof(*o->values));
		o->present[i / BITS] &= ~(UINT64_C(1) << i % BITS);
	}
	if (v.text)
		o->values[slot] = v;
	return 0;
}

/* ---- objects ---- */

static struct object *object_new(enum kind kind, const char *name)
{
	size_t len = strlen(name);
	struct object *o = malloc(sizeof(*o) + len + 1);

	if (!o)
		return NULL;
	*o = (struct object){ .kind = kind };
	memcpy(o->name, name, len + 1);
	return o;
}

struct object *object_new_detached(enum kind kind, const char *name)
{
	return object_new(kind, name);
}

static void values_clear(struct object *o)
{
	const struct attr_row *row;
	struct value *v = o->values;
	size_t at = 0;

	for (; (row = object_next_row(o, o, &at)); v++) {
		if (attr_is_list(row))
			strv_free(v->list);
		else
			free(v->text);
	}
}

/* tree: in whose index it stands; NULL when it is in none, or when that goes as a whole. */
static void object_destroy(struct object *o, struct tree *tree)
{
	for (size_t i = 0; i < o->n_children; i++)
		object_destroy(o->children[i], tree);
	if (tree) {
		unindex_name(o);
		unindex_values(o);
		tree->count--;
	}
	values_clear(o);
	free(o->children);
	free(o->values);
	free(o);
}

struct object *object_free(struct object *o)
{
	if (!o)
		return NULL;
	assert(!o->tree);
	object_destroy(o, NULL);
	return NULL;
}

static int order(const struct object *o, enum kind kind, const char *name)
{
	if (o->kind != kind)
		return o->kind < kind ? -1 : 1;
	return text_natural_cmp(o->name, name);
}

struct search {
	const struct object *parent;
	enum kind kind;
	const char *name;
	size_t low, high;	/* it is in between, or belongs there */
	bool found;		/* at low */
};

static void look_at(struct search *s, size_t i)
{
	int c;

	if (i < s->low || i >= s->high)
		return;
	c = order(s->parent->children[i], s->kind, s->name);
	s->found = c == 0;
	if (c <= 0)
		s->low = i + (c < 0);
	if (c >= 0)
		s->high = i;
}

/* Where a child is, or belongs. */
static size_t child_slot(const struct object *parent, enum kind kind, const char *name, bool *ret_found)
{
	struct search s = { .parent = parent, .kind = kind, .name = name, .high = parent->n_children };
	struct tree *t = parent->tree;

	if (t && t->last[kind].parent == parent) {
		size_t last = t->last[kind].slot;

		look_at(&s, last);
		look_at(&s, last + 1);
		if (last)
			look_at(&s, last - 1);
	}
	while (s.low < s.high)
		look_at(&s, s.low + (s.high - s.low) / 2);
	if (t) {
		t->last[kind].parent = parent;
		t->last[kind].slot = s.low;
	}
	*ret_found = s.found;
	return s.low;
}

struct object *object_child(const struct object *parent, enum kind kind, const char *name)
{
	bool found;
	size_t i = child_slot(parent, kind, name, &found);

	return found ? parent->children[i] : NULL;
}

/* First child of a kind; the empty name sorts before every other. */
static size_t first_of(const struct object *parent, enum kind kind)
{
	bool found;

	return child_slot(parent, kind, "", &found);
}

size_t object_count(const struct object *parent, enum kind kind)
{
	size_t first = first_of(parent, kind), i = first;
	size_t low = first, high = parent->n_children;

	while (low < high) {
		i = low + (high - low) / 2;
		if (parent->children[i]->kind <= kind)
			low = i + 1;
		else
			high = i;
	}
	return low - first;
}

struct object *object_nth(const struct object *parent, enum kind kind, size_t i)
{
	size_t at = first_of(parent, kind) + i;

	return at < parent->n_children && parent->children[at]->kind == kind ? parent->children[at] : NULL;
}

int object_add(struct object *parent, enum kind kind, const char *name, struct object **ret)
{
	struct object **children, *o;
	bool found;
	size_t i = child_slot(parent, kind, name, &found);

	if (found)
		return -EEXIST;
	o = object_new(kind, name);
	if (!o)
		return -ENOMEM;
	/* Powers of two, so that many children do not mean many copies. */
	if ((parent->n_children & (parent->n_children - 1)) == 0) {
		children = reallocarray(parent->children, parent->n_children ? 2 * parent->n_children : 1,
					sizeof(*children));
		if (!children) {
			object_destroy(o, NULL);
			return -ENOMEM;
		}
		parent->children = children;
	}
	o->tree = parent->tree;
	if (o->tree && index_name(o) < 0) {
		object_destroy(o, NULL);
		return -ENOMEM;
	}
	memmove(parent->children + i + 1, parent->children + i, (parent->n_children - i) * sizeof(*parent->children));
	parent->children[i] = o;
	parent->n_children++;
	o->parent = parent;
	if (o->tree)
		o->tree->count++;
	if (ret)
		*ret = o;
	return 0;
}

/* The array must keep a power of two as its size: after a removal n may be one without the array being full; harmless, since
 * reallocating to what it is then is only a copy. */
void object_remove(struct object *o)
{
	struct object *parent = o->parent;
	bool found;
	size_t i = child_slot(parent, o->kind, o->name, &found);

	assert(found);
	memmove(parent->children + i, parent->children + i + 1, (parent->n_children - i - 1) * sizeof(*parent->children));
	parent->n_children--;
	object_destroy(o, o->tree);
}

/* ---- values ---- */

const char *object_get_row(const struct object *o, const struct attr_row *row)
{
	return attr_is_list(row) ? NULL : value_get(o, row).text;
}

const char *object_get(const struct object *o, const char *attr)
{
	const struct attr_row *row = attr_find(o->kind, attr);

	return row ? object_get_row(o, row) : NULL;
}

char *const *object_get_list(const struct object *o, const struct attr_row *row)
{
	return attr_is_list(row) ? value_get(o, row).list : NULL;
}

const char *object_effective(const struct object *o, const struct attr_row *row)
{
	const char *v = object_get_row(o, row);

	return v ? v : row->source == ATTR_CONSTANT && object_has_row(o, row) ? row->dflt : NULL;
}

int object_set(struct object *o, const struct attr_row *row, const char *text)
{
	struct value old = value_get(o, row), new = { 0 };
	struct key had[KEYS_MAX], has[KEYS_MAX];
	size_t n;

	assert(!attr_is_list(row));
	if (streq_ptr(old.text, text))
		return 0;
	if (text) {
		new.text = strdup(text);
		if (!new.text)
			return -ENOMEM;
	}
	n = o->tree ? keys_of_row(o, row, had) : 0;
	if (value_put(o, row, new) < 0) {
		free(new.text);
		return -ENOMEM;
	}
	/* What is made absent adds no key, so putting back always has its room. */
	if (o->tree && reindex(o, had, n, has, keys_of_row(o, row, has)) < 0) {
		value_put(o, row, old);
		free(new.text);
		return -ENOMEM;
	}
	free(old.text);
	return 0;
}

int object_set_attr(struct object *o, const char *attr, const char *text)
{
	return object_set(o, attr_find(o->kind, attr), text);
}

int object_set_list(struct object *o, const struct attr_row *row, char *const *list)
{
	char **old = value_get(o, row).list;
	_cleanup_strv_ char **copy = list && *list ? strv_copy(list) : NULL;

	assert(attr_is_list(row));
	if (list && *list && !copy)
		return -ENOMEM;
	strv_sort_unique(copy);
	if (strv_equal(copy, old))
		return 0;
	if (o->tree && index_names(o, row, copy, old, true) < 0) {
		/* What was added of it goes again; the rest is not there, which does not matter. */
		index_names(o, row, copy, old, false);
		return -ENOMEM;
	}
	if (value_put(o, row, (struct value){ .list = copy }) < 0) {
		if (o->tree)
			index_names(o, row, copy, old, false);
		return -ENOMEM;
	}
	if (o->tree)
		index_names(o, row, old, copy, false);
	steal_ptr(copy);
	strv_free(old);
	return 0;
}

/* Where the name is in a sorted list of n, or would have to be put. */
static size_t list_slot(char *const *list, size_t n, const char *name, bool *found)
{
	size_t low = 0, high = n;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = text_natural_cmp(list[middle], name);

		if (c == 0) {
			*found = true;
			return middle;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool object_lists(const struct object *o, const struct attr_row *row, const char *name)
{
	char *const *list = object_get_list(o, row);
	bool found;

	list_slot(list, strv_len(list), name, &found);
	return found;
}

int object_list_add(struct object *o, const struct attr_row *row, const char *name)
{
	struct value v = value_get(o, row);
	char *const one[] = { (char *)name, NULL };
	size_t n = strv_len(v.list), slot;
	_cleanup_free_ char *copy = NULL;
	char **list;
	bool found;

	assert(attr_is_list(row));
	slot = list_slot(v.list, n, name, &found);
	if (found)
		return 0;
	copy = strdup(name);
	list = copy ? reallocarray(v.list, n + 2, sizeof(*list)) : NULL;
	if (!list)
		return -ENOMEM;
	if (!n)
		list[0] = NULL;
	/* An empty list is none, so a first name needs room for the list, too. */
	if (value_put(o, row, (struct value){ .list = list }) < 0) {
		free(list);
		return -ENOMEM;
	}
	if (o->tree && index_names(o, row, one, NULL, true) < 0) {
		if (!n) {
			value_put(o, row, (struct value){ 0 });
			free(list);
		}
		return -ENOMEM;
	}
	memmove(list + slot + 1, list + slot, (n + 1 - slot) * sizeof(*list));
	list[slot] = steal_ptr(copy);
	return 0;
}

void object_list_remove(struct object *o, const struct attr_row *row, const char *name)
{
	char **list = value_get(o, row).list;
	char *const one[] = { (char *)name, NULL };
	size_t n = strv_len(list), slot;
	bool found;

	assert(attr_is_list(row));
	slot = list_slot(list, n, name, &found);
	if (!found)
		return;
	if (o->tree)
		index_names(o, row, one, NULL, false);
	free(list[slot]);
	memmove(list + slot, list + slot + 1, (n - slot) * sizeof(*list));
	if (n == 1) {
		value_put(o, row, (struct value){ 0 });
		free(list);
	}
}

const char *object_variant(const struct object *o)
{
	for (; o; o = o->parent) {
		if (o->kind == KIND_BACKEND)
			return object_get(o, "type");
		if (o->kind == KIND_FABRIC)
			return o->name;
	}
	return NULL;
}

bool object_has_row(const struct object *o, const struct attr_row *row)
{
	const char *variant = row->only ? object_variant(o) : NULL;

	return !variant || row->only & attr_only_of(variant);
}

bool object_values_equal(const struct object *a, const struct object *b)
{
	const struct attr_row *row;
	size_t at = 0;

	if (memcmp(a->present, b->present, sizeof(a->present)) != 0)
		return false;
	for (size_t i = 0; (row = object_next_row(a, b, &at)); i++)
		if (attr_is_list(row) ? !strv_equal(a->values[i].list, b->values[i].list) : !streq(a->values[i].text, b->values[i].text))
			return false;
	return true;
}

/* To one that has no values yet. */
static int copy_values(struct object *to, const struct object *from)
{
	size_t n = value_count(from), at = 0;
	const struct attr_row *row;
	int r = 0;

	/* What it had once may have left an array. */
	free(to->values);
	to->values = n ? calloc(n, sizeof(*to->values)) : NULL;
	if (n && !to->values)
		return -ENOMEM;
	memcpy(to->present, from->present, sizeof(to->present));
	for (size_t i = 0; (row = object_next_row(from, from, &at)); i++) {
		if (attr_is_list(row))
			to->values[i].list = strv_copy(from->values[i].list);
		else
			to->values[i].text = strdup(from->values[i].text);
		if (!to->values[i].text)
			r = -ENOMEM;
	}
	if (r >= 0 && to->tree)
		r = index_values(to);
	if (r < 0) {
		values_clear(to);
		memset(to->present, 0, sizeof(to->present));
		free(steal_ptr(to->values));
	}
	return r;
}

int object_assign(struct object *to, const struct object *from)
{
	const struct attr_row *row;
	size_t at = 0;
	int r = 0;

	if (!value_count(to))
		return copy_values(to, from);
	while (r >= 0 && (row = object_next_row(to, from, &at)))
		r = attr_is_list(row) ? object_set_list(to, row, object_get_list(from, row)) :
					object_set(to, row, object_get_row(from, row));
	return r;
}

struct object *object_copy_shallow(const struct object *o)
{
	_cleanup_(object_freep) struct object *copy = object_new(o->kind, o->name);

	if (!copy || object_assign(copy, o) < 0)
		return NULL;
	return steal_ptr(copy);
}

/* ---- the tree ---- */

struct tree *tree_new(void)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->index = map_new_borrowing();
	t->root = object_new(KIND_ROOT, "");
	if (!t->index || !t->root)
		return tree_free(t);
	t->root->tree = t;
	t->count = 1;
	return t;
}

static void index_free(struct map *index)
{
	struct map_iter it = { 0 };

	while (index && map_next(index, &it)) {
		struct holders *h = it.value;

		if (h->items != &h->one)
			free(h->items);
		free(h);
	}
	map_free(index);
}

struct tree *tree_free(struct tree *t)
{
	if (!t)
		return NULL;
	if (t->root)
		object_destroy(t->root, NULL);
	index_free(t->index);
	free(t);
	return NULL;
}

struct object *tree_root(const struct tree *t)
{
	return t->root;
}

size_t tree_count(const struct tree *t)
{
	return t->count - 1;
}

int object_add_copy(struct object *parent, const struct object *from)
{
	struct object *o;
	int r = object_add(parent, from->kind, from->name, &o);

	if (r < 0)
		return r;
	r = object_assign(o, from);
	for (size_t i = 0; r >= 0 && i < from->n_children; i++)
		r = object_add_copy(o, from->children[i]);
	if (r < 0)
		object_remove(o);
	return r;
}

struct tree *tree_copy(const struct tree *t)
{
	_cleanup_(tree_freep) struct tree *copy = tree_new();
	int r = copy ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < t->root->n_children; i++)
		r = object_add_copy(copy->root, t->root->children[i]);
	return r < 0 ? NULL : steal_ptr(copy);
}

struct object *tree_find(const struct tree *t, const char *path)
{
	char copy[OBJECT_PATH_MAX], *at = copy;
	struct object *o = t->root;
	const char *name;
	enum kind kind;
	int r = 0;

	if (strlen(path) >= sizeof(copy))
		return NULL;
	strcpy(copy, path);
	while (o && (r = path_cut(o->kind, &at, &kind, &name)) > 0)
		o = object_child(o, kind, name);
	return r == 0 ? o : NULL;
}

int tree_add(struct tree *t, const char *path, struct object **ret)
{
	_cleanup_free_ char *parent_path = path_parent(path);
	struct object *parent = parent_path ? tree_find(t, parent_path) : NULL;
	const char *rest = parent_path && *parent_path ? path + strlen(parent_path) + 1 : path;
	_cleanup_free_ char *copy = strdup(rest);
	char *at = copy;
	enum kind kind;
	const char *name;

	if (!copy || !parent_path)
		return -ENOMEM;
	if (!parent)
		return -ENOENT;
	return path_cut(parent->kind, &at, &kind, &name) > 0 ? object_add(parent, kind, name, ret) : -EINVAL;
}

static void add_path(struct strbuf *b, const struct object *o)
{
	const struct kind_info *info = kind_info(o->kind);

	if (o->parent && o->parent->kind != KIND_ROOT) {
		add_path(b, o->parent);
		strbuf_add(b, "/");
	}
	strbuf_add_all(b, info->collection, info->singleton || info->direct ? "" : "/", info->singleton ? "" : o->name, NULL);
}

char *object_path(const struct object *o)
{
	struct strbuf b = { 0 };

	add_path(&b, o);
	return strbuf_steal(&b);
}

char *object_kernel_path(const struct object *o)
{
	_cleanup_free_ char *path = object_path(o);

	return path ? path_to_kernel(o->tree, path) : NULL;
}
