/* SPDX-License-Identifier: Apache-2.0 */
/* A string map over json-c's linkhash, which keeps the order of insertion and grows by itself. */
#include "base/map.h"

#include <errno.h>
#include <json-c/linkhash.h>

struct map {
	struct lh_table *table;
};

static void free_key(struct lh_entry *e)
{
	free(lh_entry_k(e));
}

struct map *map_new(void)
{
	struct map *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->table = lh_kchar_table_new(16, free_key);
	if (!m->table) {
		free(m);
		return NULL;
	}
	return m;
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

int map_put(struct map *m, const char *key, void *value)
{
	struct lh_entry *e = lh_table_lookup_entry(m->table, key);
	char *copy;

	if (e) {
		e->v = value;
		return 0;
	}
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	if (lh_table_insert(m->table, copy, value) < 0) {
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
	return value;
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
