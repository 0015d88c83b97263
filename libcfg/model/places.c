/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a document everything stood: kept beside the tree, since only errors ask for it. */
#include "model/places.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"

struct places {
	char *name;
	struct map *map;	/* "PATH", "PATH ATTR" or, of a list, "PATH ATTR MEMBER" -> struct json_place */
};

struct places *places_free(struct places *p)
{
	struct map_iter it = { 0 };

	if (!p)
		return NULL;
	while (p->map && map_next(p->map, &it))
		free(it.value);
	map_free(p->map);
	free(p->name);
	free(p);
	return NULL;
}

struct places *places_new(const char *name)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(name);
	p->map = map_new();
	return p->name && p->map ? p : places_free(p);
}

int places_put(struct places *p, const char *object, const char *attr, struct json_place place)
{
	_cleanup_free_ char *key = attr ? strf("%s %s", object, attr) : strdup(object);
	struct json_place *copy = malloc(sizeof(*copy));

	if (!key || !copy || map_put(p->map, key, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	*copy = place;
	return 0;
}

char *places_find(const struct places *p, const char *object, const char *attr)
{
	_cleanup_free_ char *path = strdup(object), *key = attr ? strf("%s %s", object, attr) : NULL;
	const struct json_place *place = p && key ? map_get(p->map, key) : NULL;

	while (p && path && !place) {
		char *parent;

		place = map_get(p->map, path);
		if (place || !*path)
			break;
		parent = path_parent(path);
		free(path);
		path = parent;
	}
	return place ? json_place_text(p->name, *place) : NULL;
}

/* The message about a wrong member of a list names it, and is told its place by that. */
static char *find_member(const struct places *p, const struct cfg_error *e)
{
	_cleanup_free_ char *msg = strdup(e->msg);
	char *save = NULL;

	for (char *word = msg ? strtok_r(msg, " ", &save) : NULL; word; word = strtok_r(NULL, " ", &save)) {
		_cleanup_free_ char *key = NULL;
		const struct json_place *place;

		word[strlen(word) - (strchr(",;:", word[strlen(word) - 1]) != NULL)] = 0;
		key = strf("%s %s %s", e->object, e->attr, word);
		place = key ? map_get(p->map, key) : NULL;
		if (place)
			return json_place_text(p->name, *place);
	}
	return NULL;
}

/* In the order in which they stand; what has no place comes last. */
static void sort_by_place(struct cfg_errors *errs)
{
	for (size_t i = 1; i < errs->n; i++) {
		struct cfg_error e = errs->items[i];
		size_t k = i;

		while (e.place && k && (!errs->items[k - 1].place || text_natural_cmp(errs->items[k - 1].place, e.place) > 0)) {
			errs->items[k] = errs->items[k - 1];
			k--;
		}
		errs->items[k] = e;
	}
}

void places_annotate(const struct places *p, struct cfg_errors *errs)
{
	for (size_t i = 0; p && i < errs->n; i++) {
		struct cfg_error *e = &errs->items[i];
		_cleanup_free_ char *place = NULL;

		if (e->place || !e->object)
			continue;
		if (e->attr && e->msg)
			place = find_member(p, e);
		if (!place)
			place = places_find(p, e->object, e->attr);
		cfg_error_at(e, NULL, NULL, place);
	}
	if (p)
		sort_by_place(errs);
}
