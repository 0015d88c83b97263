/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A string map over json-c's linkhash, which keeps the order of insertion and grows by itself, but does not shrink, and goes on stepping over
 * the places of what was deleted until the table is made anew.
 */
#include "base/map.h"

#include <errno.h>
#include <json-c/linkhash.h>
#include <stdbool.h>

#define SHRINK_ABOVE 1024	/* entries that there is room for */

struct map {
	struct lh_table *table;
	size_t gone;	/* deleted since the table was made anew, at most */
	bool borrows;
};

static void free_key(struct lh_entry *e)
{
	free(lh_entry_k(e));
}

static struct map *new(bool borrows)
{
	struct map *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->gone = 0;
	m->borrows = borrows;
	m->table = lh_kchar_table_new(16, borrows ? NULL : free_key);
	if (!m->table) {
		free(m);
		return NULL;
	}
	return m;
}

struct map *map_new(void)
{
	return new(false);
}

struct map *map_new_borrowing(void)
{
	return new(true);
}

struct map *map_free(struct map *m)
{
	if (!m)
		return NULL;
	lh_table_free(m->table);
	free(m);
	return NULL;
}

void *map_get(const struct map *m, const char *key)
{
	struct lh_entry *e = lh_table_lookup_entry(m->table, key);

	return e ? (void *)lh_entry_v(e) : NULL;
}

/* Without the memory for that it is only slower. */
static void make_anew(struct map *m, int size)
{
	if (lh_table_resize(m->table, size) >= 0)
		m->gone = 0;
}

int map_put(struct map *m, const char *key, void *value)
{
	unsigned long hash = lh_get_hash(m->table, key);
	struct lh_entry *e = lh_table_lookup_entry_w_hash(m->table, key, hash);
	char *copy;

	if (e) {
		e->v = value;
		return 0;
	}
	if (m->gone > (size_t)m->table->size / 4)
		make_anew(m, m->table->size);
	copy = m->borrows ? (char *)key : strdup(key);
	if (!copy)
		return -ENOMEM;
	if (lh_table_insert_w_hash(m->table, copy, value, hash, 0) < 0) {
		if (!m->borrows)
			free(copy);
		return -ENOMEM;
	}
	return 0;
}

void *map_del(struct map *m, const char *key)
{
	struct lh_entry *e = lh_table_lookup_entry(m->table, key);
	void *value;

	if (!e)
		return NULL;
	value = (void *)lh_entry_v(e);
	lh_table_delete_entry(m->table, e);
	m->gone++;
	return value;
}

void map_shrink(struct map *m)
{
	int size = m->table->size;

	if (size > SHRINK_ABOVE && lh_table_length(m->table) < size / 8)
		make_anew(m, size / 4);
}

size_t map_len(const struct map *m)
{
	return (size_t)lh_table_length(m->table);
}

int map_next(const struct map *m, struct map_iter *it)
{
	struct lh_entry *e = it->entry ? it->entry : it->key ? NULL : m->table->head;

	if (!e) {
		*it = (struct map_iter){ .key = "" };
		return 0;
	}
	/* What follows is looked up now, so that the caller may delete the current one. */
	*it = (struct map_iter){ .entry = e->next, .key = lh_entry_k(e), .value = (void *)lh_entry_v(e) };
	return 1;
}
