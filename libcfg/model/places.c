/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a document everything stood. Only errors ask for it, and a large document has more places than it has bytes of values: so the text is
 * kept, and read again when the first question comes.
 */
#include "model/places.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"

struct places {
	char *name;
	char *text;
	size_t len;
	struct map *map;	/* "PATH", "PATH ATTR" or, of a list, "PATH ATTR MEMBER" -> struct json_place; NULL before it is asked for */
};

struct places *places_free(struct places *p)
{
	struct map_iter it = { 0 };

	if (!p)
		return NULL;
	while (p->map && map_next(p->map, &it))
		free(it.value);
	map_free(p->map);
	/* Secrets may stand in it. */
	if (p->text)
		explicit_bzero(p->text, p->len);
	free(p->text);
	free(p->name);
	free(p);
	return NULL;
}

struct places *places_new(const char *name, const char *text, size_t len)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(name);
	p->text = malloc(len ? len : 1);
	p->len = len;
	if (!p->name || !p->text)
		return places_free(p);
	memcpy(p->text, text, len);
	return p;
}

int places_begin(struct places *p)
{
	p->map = map_new();
	return p->map ? 0 : -ENOMEM;
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

/* NULL when it has none, or when memory ran out: a message without place is better than none. */
static const struct json_place *look_up(struct places *p, const char *key)
{
	if (!p->map)
		places_read(p, p->name, p->text, p->len);
	return p->map ? map_get(p->map, key) : NULL;
}

char *places_find(struct places *p, const char *object, const char *attr)
{
	_cleanup_free_ char *path = strdup(object), *key = attr ? strf("%s %s", object, attr) : NULL;
	const struct json_place *place = p && key ? look_up(p, key) : NULL;

	while (p && path && !place) {
		char *parent;

		place = look_up(p, path);
		if (place || !*path)
			break;
		parent = path_parent(path);
		free(path);
		path = parent;
	}
	return place ? json_place_text(p->name, *place) : NULL;
}

/* The message about a wrong member of a list names it, and is told its place by that. */
static char *find_member(struct places *p, const struct cfg_error *e)
{
	_cleanup_free_ char *msg = strdup(e->msg);
	char *save = NULL;

	for (char *word = msg ? strtok_r(msg, " ", &save) : NULL; word; word = strtok_r(NULL, " ", &save)) {
		_cleanup_free_ char *key = NULL;
		const struct json_place *place;

		word[strlen(word) - (strchr(",;:", word[strlen(word) - 1]) != NULL)] = 0;
		key = strf("%s %s %s", e->object, e->attr, word);
		place = key ? look_up(p, key) : NULL;
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

void places_annotate(struct places *p, struct cfg_errors *errs)
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
