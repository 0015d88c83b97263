/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: JSON into a tree with the places of everything, and back. Checks each value by its row and reports every problem; what
 * needs other objects is validate.c's, which is asked about a document that is wrong already, so that all is said at once.
 */
#include "model/document.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "model/names.h"
#include "model/places.h"
#include "model/secret.h"
#include "model/validate.h"

void document_done(struct document *d)
{
	tree_free(d->tree);
	places_free(d->places);
	for (char **s = d->inline_secrets; s && *s; s++)
		explicit_bzero(*s, strlen(*s));
	strv_free(d->inline_secrets);
	*d = (struct document){ 0 };
}

/* ---- reading ---- */

struct loader {
	const char *name;		/* of the file; NULL: no places are kept */
	struct document *d;
	struct places *places;		/* to be filled, or NULL */
	struct cfg_errors *errs;
	bool secrets;			/* inline ones are taken */
	int failed;			/* what was loaded while the text was still being read was not all right */
};

__attribute__((format(printf, 5, 6)))
static int problem(struct loader *l, struct json_object *at, const char *object, const char *attr, const char *fmt, ...)
{
	struct json_place place = json_place_of(at);
	_cleanup_free_ char *where = l->name && place.line ? json_place_text(l->name, place) : NULL, *msg = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = NULL;
	va_end(ap);
	if (!where && l->places)
		where = places_find(l->places, object ? object : "", NULL);
	return cfg_errors_add(l->errs, EINVAL, object && *object ? object : NULL, attr, where, "%s", msg ? msg : "is wrong");
}

static int take_problem(struct loader *l, struct json_object *at, const char *object, const char *attr, struct cfg_error *err)
{
	struct json_place place = json_place_of(at);
	_cleanup_free_ char *where = l->name && place.line ? json_place_text(l->name, place) : NULL;

	cfg_error_at(err, object, attr, where);
	return cfg_errors_take(l->errs, err);
}

/* How many letters have to be changed, up to a few: for "did you mean". */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[65];

	if (n > 64 || m > 64)
		return 64;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = change;
			if (row[j] > row[j - 1] + 1)
				row[j] = row[j - 1] + 1;
			if (row[j] > diagonal + 1)
				row[j] = diagonal + 1;
		}
	}
	return row[m];
}

static void closer(const char *key, const char *candidate, const char **best, size_t *best_distance)
{
	/* "hosts" for "allowed_hosts" is far by letters and near by meaning; but a better one may come. */
	size_t d = strlen(key) > 3 && strstr(candidate, key) ? *best_distance - 1 : distance(key, candidate);

	if (d < *best_distance) {
		*best = candidate;
		*best_distance = d;
	}
}

static const char *nearest(enum kind kind, const char *key)
{
	const char *best = NULL;
	size_t d = strlen(key) / 2 + 1;

	if (d > 4)
		d = 4;
	attr_foreach(row, kind) {
		if (!attr_is_settable(row))
			continue;
		/* Who knows the kernel's files writes attr_model for model. */
		if (streq_ptr(row->file, key))
			return row->name;
		closer(key, row->name, &best, &d);
	}
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
		if (kind_info(k)->parent == kind && !kind_info(k)->direct && !kind_info(k)->internal)
			closer(key, kind_info(k)->collection, &best, &d);
	return best;
}

static int unknown_key(struct loader *l, struct json_object *at, const struct object *o, const char *path, const char *key)
{
	const char *near = nearest(o->kind, key);
	_cleanup_free_ char *name = strf("%.80s", key);

	return near ? problem(l, at, path, name, "is no key here; did you mean \"%s\"?", near) :
		      problem(l, at, path, name, "is no key here");
}

/* One member of a list into *ret, which stays NULL when it is wrong. */
static int load_member_name(struct loader *l, const char *path, const struct attr_row *row, struct json_object *item,
			    struct json_object *list, struct map *seen, char **ret)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *name = NULL, *place = NULL;

	if (!json_object_is_type(item, json_type_string))
		return problem(l, item ? item : list, path, row->name, "must hold names, each a string");
	if (attr_parse(row, json_object_get_string(item), &name, &err) < 0)
		return take_problem(l, item, path, row->name, &err);
	if (map_get(seen, name))
		return problem(l, item, path, row->name, "names %s twice", name);
	if (map_put(seen, name, item) < 0)
		return -ENOMEM;
	if (l->places) {
		place = strf("%s %s", row->name, name);
		if (!place || places_put(l->places, path, place, json_place_of(item)) < 0)
			return -ENOMEM;
	}
	*ret = steal_ptr(name);
	return 0;
}

static int load_list(struct loader *l, struct object *o, const char *path, const struct attr_row *row, struct json_object *v)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	_cleanup_strv_ char **list = NULL;
	size_t n, kept = 0;
	int r = 0;

	if (!json_object_is_type(v, json_type_array))
		return problem(l, v, path, row->name, "must be an array of names");
	n = json_object_array_length(v);
	list = calloc(n + 1, sizeof(*list));
	if (!seen || !list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int k = load_member_name(l, path, row, json_object_array_get_idx(v, i), v, seen, &list[kept]);

		if (k == -ENOMEM)
			return k;
		if (k < 0)
			r = k;
		else
			kept++;
	}
	return r < 0 ? r : object_set_list(o, row, list);
}

static int load_inline_secret(struct loader *l, struct object *o, const char *path, const struct attr_row *row,
			      struct json_object *v)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *reference = NULL;
	/* json-c's own copy; it is wiped once the secret is taken, or found to be none. */
	char *secret = (char *)json_object_get_string(v);
	int r;

	if (!l->secrets)
		return problem(l, v, path, row->name, "must be a reference, not the secret itself");
	/* Of hosts it is one of DH-HMAC-CHAP. */
	r = o->kind == KIND_HOST ? secret_check(secret, &err) : secret_check_chap(secret, &err);
	if (r < 0) {
		r = take_problem(l, v, path, row->name, &err);
	} else {
		reference = strf("inline:%zu", strv_len(l->d->inline_secrets));
		r = reference ? strv_append(&l->d->inline_secrets, secret) : -ENOMEM;
	}
	explicit_bzero(secret, strlen(secret));
	return r < 0 ? r : object_set(o, row, reference);
}

static int load_attr(struct loader *l, struct object *o, const char *path, const struct attr_row *row, struct json_object *v)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *value = NULL;

	if (l->places && json_place_of(v).line && places_put(l->places, path, row->name, json_place_of(v)) < 0)
		return -ENOMEM;
	/* null says "absent" in so many words. */
	if (!v)
		return 0;
	if (attr_is_list(row))
		return load_list(l, o, path, row, v);
	if (attr_is_secret(row) && json_object_is_type(v, json_type_string))
		return load_inline_secret(l, o, path, row, v);
	if (attr_parse_json(row, v, &value, &err) < 0)
		return take_problem(l, v, path, row->name, &err);
	return object_set(o, row, value);
}

static int load_object(struct loader *l, struct object *o, const char *path, struct json_object *json);

static int load_child(struct loader *l, struct object *parent, const char *parent_path, enum kind kind, const char *name,
		      struct json_object *v, struct json_object *collection)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *canonical = NULL, *path = NULL;
	struct object *o;
	int r;

	if (kind_info(kind)->singleton)
		canonical = strdup("");
	else if (name_parse(kind, name, &canonical, &err) < 0) {
		path = kind_info(kind)->direct ? strdup(parent_path) : *parent_path ? strf("%s/%s", parent_path, kind_info(kind)->collection) :
										       strdup(kind_info(kind)->collection);
		return path ? take_problem(l, v ? v : collection, path, NULL, &err) : -ENOMEM;
	}
	r = canonical ? object_add(parent, kind, canonical, &o) : -ENOMEM;
	if (r == -EEXIST)
		return problem(l, v ? v : collection, parent_path, NULL, "the %s %s stands here twice, written in two ways",
			       kind_info(kind)->noun, canonical);
	if (r < 0)
		return r;
	path = object_path(o);
	if (!path)
		return -ENOMEM;
	if (!v || !json_object_is_type(v, json_type_object))
		return problem(l, v ? v : collection, path, NULL, "must be an object");
	if (l->places && places_put(l->places, path, NULL, json_place_of(v)) < 0)
		return -ENOMEM;
	return load_object(l, o, path, v);
}

/* around: what it stands in, for the place of a null, which has none. */
static int load_collection(struct loader *l, struct object *parent, const char *path, enum kind kind, struct json_object *v,
			   struct json_object *around)
{
	int r = 0;

	if (kind_info(kind)->singleton)
		return load_child(l, parent, path, kind, "", v, around);
	if (!json_object_is_type(v, json_type_object))
		return problem(l, v ? v : around, path, kind_info(kind)->collection, "must be an object with one member for each %s",
			       kind_info(kind)->noun);
	json_object_object_foreach(v, name, child) {
		int k = load_child(l, parent, path, kind, name, child, v);

		if (k == -ENOMEM)
			return k;
		if (k < 0)
			r = k;
	}
	return r;
}

static int load_member(struct loader *l, struct object *o, const char *path, struct json_object *json, const char *key,
		       struct json_object *v)
{
	const struct attr_row *row = attr_find(o->kind, key);
	enum kind kind = kind_from_collection(o->kind, key), direct = kind_direct_child(o->kind);

	if (row && attr_is_settable(row))
		return load_attr(l, o, path, row, v);
	if (kind != KIND_MAX && !kind_info(kind)->internal && o->tree)
		return load_collection(l, o, path, kind, v, json);
	/* What holds a member is taken for a misspelt attribute, what is an object for a child. */
	if (direct != KIND_MAX && o->tree && json_object_is_type(v, json_type_object) && !row)
		return load_child(l, o, path, direct, key, v, json);
	if (row && row->source == ATTR_DERIVED && !(row->flags & ATTR_NO_MODEL))
		return problem(l, v ? v : json, path, key, "cannot be set; it follows from other objects");
	return unknown_key(l, v ? v : json, o, path, key);
}

static int load_object(struct loader *l, struct object *o, const char *path, struct json_object *json)
{
	int r = 0;

	json_object_object_foreach(json, key, v) {
		int k = load_member(l, o, path, json, key, v);

		if (k == -ENOMEM)
			return cfg_errors_add(l->errs, ENOMEM, NULL, NULL, NULL, "out of memory");
		if (k < 0)
			r = k;
	}
	return r;
}

/* "version" and what else stands at the top beside the collections; taken out of the object. */
static int load_head(struct loader *l, struct json_object *json)
{
	struct json_object *v;
	int r = 0;

	if (!json_object_object_get_ex(json, "version", &v))
		r = problem(l, json, NULL, "version", "is missing; this version reads \"version\": %d", DOCUMENT_VERSION);
	else if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) != DOCUMENT_VERSION)
		r = problem(l, v, NULL, "version", "must be the number %d", DOCUMENT_VERSION);
	if (json_object_object_get_ex(json, "generation", &v)) {
		if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 1)
			r = problem(l, v, NULL, "generation", "must be a number from 1");
		else
			l->d->generation = json_object_get_uint64(v);
	}
	return r;
}

static bool is_head(const char *key)
{
	/* What a kept generation carries besides (see store/), and what is shown beside the objects. */
	return streq(key, "version") || streq(key, "generation") || streq(key, "saved") || streq(key, "label") || streq(key, "used_by");
}

/* Most of a document are members of its collections: each becomes an object, and is forgotten, before the next one is read. */
static int load_at_once(void *userdata, const char *key, const char *name, struct json_object *value)
{
	struct loader *l = userdata;
	enum kind kind = kind_from_collection(KIND_ROOT, key);
	int r;

	if (kind == KIND_MAX || kind_info(kind)->internal || kind_info(kind)->singleton || !value)
		return 1;
	r = load_child(l, tree_root(l->d->tree), "", kind, name, value, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		l->failed = r;
	return 0;
}

static int load_root(struct loader *l, struct json_object *json)
{
	int r = load_head(l, json);

	json_object_object_foreach(json, key, v) {
		int k = is_head(key) ? 0 : load_member(l, tree_root(l->d->tree), "", json, key, v);

		if (k == -ENOMEM)
			return cfg_errors_add(l->errs, ENOMEM, NULL, NULL, NULL, "out of memory");
		if (k < 0)
			r = k;
	}
	return r;
}

/* ---- what else is wrong ---- */

/* Whether an error is about, or because of, an object or value that could not be read. */
static bool is_consequence(const struct cfg_error *e, const struct cfg_errors *read)
{
	static const char *const collections[] = { "backends/", "hosts/", "subsystems/", "ports/", "targets/", "lu_groups/" };
	bool spoilt = false;

	for (size_t i = 0; i < read->n; i++) {
		const struct cfg_error *r = &read->items[i];

		if (r->object && streq_ptr(r->object, e->object)) {
			spoilt = true;
			if (!r->attr || streq_ptr(r->attr, e->attr))
				return true;
		}
		if (r->object && strstr(e->msg, r->object))
			return true;
	}
	/* Two objects in each other's way might not be if the one had been read whole. */
	for (size_t i = 0; spoilt && i < ARRAY_SIZE(collections); i++)
		if (strstr(e->msg, collections[i]))
			return true;
	return false;
}

static void report_more(const struct document *d, struct places *places, struct cfg_errors *errs)
{
	_cleanup_errors_ struct cfg_errors more = { 0 };
	size_t read = errs->n;

	if (tree_generate(d->tree) < 0 || validate_tree(d->tree, &more) == -ENOMEM)
		errs->no_memory = true;
	/* Errors without words cannot be compared, and it is enough to say that there is no memory. */
	if (errs->no_memory)
		return;
	for (size_t i = 0; i < more.n; i++) {
		struct cfg_errors before = { .items = errs->items, .n = read };

		if (!is_consequence(&more.items[i], &before))
			cfg_errors_take(errs, &more.items[i]);
	}
	places_annotate(places, errs);
}

/* errs: empty. Without places only for what is right: messages would say nowhere where. */
static int read_document(const char *name, const char *text, size_t len, struct places *places, struct document *d, struct cfg_errors *errs)
{
	struct loader l = { .name = name, .d = d, .places = places, .errs = errs, .secrets = true };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_json_ struct json_object *json = NULL;
	int r;

	d->tree = tree_new();
	if (!d->tree || (places && places_begin(places) < 0))
		return cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
	r = json_parse_members(name, text, len, places, load_at_once, &l, &json, &err);
	if (r < 0) {
		/* What is no JSON means nothing, whatever stands before the place where it ceases to be. */
		cfg_errors_done(errs);
		return cfg_errors_take(errs, &err);
	}
	if (!json_object_is_type(json, json_type_object)) {
		_cleanup_free_ char *where = json_place_text(name, (struct json_place){ 1, 1 });

		return cfg_errors_add(errs, EINVAL, NULL, NULL, where, "a document is a JSON object");
	}
	r = load_root(&l, json);
	if (r >= 0)
		r = l.failed;
	if (r == -EINVAL && places)
		report_more(d, places, errs);
	return r;
}

int places_read(struct places *p, const char *name, const char *text, size_t len)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	return read_document(name, text, len, p, &d, &errs);
}

int document_parse(const char *name, const char *text, size_t len, struct document *ret, struct cfg_errors *errs)
{
	_cleanup_document_ struct document d = { 0 }, placed = { 0 };
	_cleanup_errors_ struct cfg_errors unplaced = { 0 }, own = { 0 };
	int r;

	placed.places = places_new(name, text, len);
	if (!placed.places)
		return cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
	/* Only what is wrong needs to know where everything stands. */
	if (read_document(name, text, len, NULL, &d, &unplaced) >= 0) {
		d.places = steal_ptr(placed.places);
		*ret = d;
		d = (struct document){ 0 };
		return 0;
	}
	r = read_document(name, text, len, placed.places, &placed, &own);
	cfg_errors_move(errs, &own);
	if (r < 0)
		return errs->no_memory ? -ENOMEM : r;
	*ret = placed;
	placed = (struct document){ 0 };
	return 0;
}

int object_from_json(struct object *o, struct json_object *json, struct cfg_errors *errs)
{
	struct loader l = { .errs = errs };

	if (!json_object_is_type(json, json_type_object))
		return problem(&l, json, NULL, NULL, "must be an object");
	return load_object(&l, o, o->name, json);
}

/* ---- writing ---- */

static struct json_object *list_to_json(char *const *list)
{
	_cleanup_json_ struct json_object *array = json_object_new_array();

	for (; array && list && *list; list++) {
		struct json_object *name = json_object_new_string(*list);

		if (!name || json_object_array_add(array, name) < 0) {
			json_object_put(name);
			return NULL;
		}
	}
	return steal_ptr(array);
}

static bool written(const struct object *o, const struct attr_row *row, unsigned flags)
{
	if (row->flags & (ATTR_NO_MODEL | ATTR_TRIGGER))
		return false;
	if (row->source == ATTR_DERIVED && !(flags & DOCUMENT_DERIVED))
		return false;
	if (attr_is_list(row))
		return object_get_list(o, row) != NULL;
	return (flags & DOCUMENT_DEFAULTS ? object_effective(o, row) : object_get_row(o, row)) != NULL;
}

/* In the order of the table. Only defaults are in rows that have no value. */
static const struct attr_row *next_row(const struct object *o, unsigned flags, size_t *at)
{
	const struct kind_info *info = kind_info(o->kind);

	if (!(flags & DOCUMENT_DEFAULTS))
		return object_next_row(o, o, at);
	return *at < info->n_rows ? &info->rows[(*at)++] : NULL;
}

static int add_attrs(struct json_object *json, const struct object *o, unsigned flags)
{
	const struct attr_row *row;
	size_t at = 0;

	while ((row = next_row(o, flags, &at))) {
		struct json_object *v;

		if (!written(o, row, flags))
			continue;
		v = attr_is_list(row) ? list_to_json(object_get_list(o, row)) : attr_to_json(row, object_effective(o, row));
		if (!v || json_object_object_add(json, row->name, v) < 0) {
			json_object_put(v);
			return -ENOMEM;
		}
	}
	return 0;
}

struct json_object *object_to_json(const struct object *o, unsigned flags)
{
	struct json_object *json = json_object_new_object();

	if (json && add_attrs(json, o, flags) < 0) {
		json_object_put(json);
		return NULL;
	}
	return json;
}

static int add_below(struct json_object *json, const struct object *o, unsigned flags);

static int add_child(struct json_object *json, const struct object *child, unsigned flags)
{
	const struct kind_info *info = kind_info(child->kind);
	struct json_object *collection = json, *o = object_to_json(child, flags);

	if (!o || add_below(o, child, flags) < 0)
		goto fail;
	if (!info->singleton && !info->direct && !json_object_object_get_ex(json, info->collection, &collection)) {
		collection = json_object_new_object();
		if (json_add_member(json, info->collection, collection) < 0)
			goto fail;
	}
	return json_add_member(collection, info->singleton ? info->collection : child->name, o);
fail:
	json_object_put(o);
	return -ENOMEM;
}

static int add_below(struct json_object *json, const struct object *o, unsigned flags)
{
	for (size_t i = 0; i < o->n_children; i++)
		if (add_child(json, o->children[i], flags) < 0)
			return -ENOMEM;
	return 0;
}

/* One object is shown where it stands in the whole, so that every part of a document is read in the same way. */
static int add_one(struct json_object *json, const struct object *o, unsigned flags)
{
	_cleanup_free_ struct object **chain = NULL;
	struct json_object *at = json;
	size_t depth = 0;

	for (const struct object *p = o->parent; p && p->kind != KIND_ROOT; p = p->parent) {
		struct object **list = reallocarray(chain, depth + 1, sizeof(*list));

		if (!list)
			return -ENOMEM;
		chain = list;
		chain[depth++] = (struct object *)p;
	}
	while (depth--) {
		const struct kind_info *info = kind_info(chain[depth]->kind);
		struct json_object *collection = info->direct ? at : json_object_new_object();
		struct json_object *inner = json_object_new_object();

		if (!info->direct && json_add_member(at, info->collection, collection) < 0) {
			json_object_put(inner);
			return -ENOMEM;
		}
		if (json_add_member(collection, chain[depth]->name, inner) < 0)
			return -ENOMEM;
		at = inner;
	}
	return add_child(at, o, flags);
}

struct json_object *document_head(uint64_t generation)
{
	_cleanup_json_ struct json_object *json = json_object_new_object();

	if (!json || json_add_member(json, "version", json_object_new_int(DOCUMENT_VERSION)) < 0 ||
	    (generation && json_add_member(json, "generation", json_object_new_uint64(generation)) < 0))
		return NULL;
	return steal_ptr(json);
}

struct json_object *document_build(const struct tree *t, const struct object *object, uint64_t generation, unsigned flags)
{
	_cleanup_json_ struct json_object *json = document_head(generation);

	if (!json)
		return NULL;
	if (object ? add_one(json, object, flags) < 0 : add_below(json, tree_root(t), flags) < 0)
		return NULL;
	return steal_ptr(json);
}

/* Of a document with one object that stands at path "COLLECTION/NAME" or, for a singleton, "NAME": what stands before it, and behind it. */
static void find_body(const char *text, size_t len, bool in_collection, size_t *ret_from, size_t *ret_to)
{
	const char *from = strchr(text, '\n') + 1;

	if (in_collection)
		from = strchr(from, '\n') + 1;
	*ret_from = (size_t)(from - text);
	*ret_to = len - strlen(in_collection ? "\n  }\n}\n" : "\n}\n");
}

static int print_child(struct strbuf *b, const struct object *o, enum kind *last)
{
	bool in_collection = !kind_info(o->kind)->singleton;
	_cleanup_json_ struct json_object *json = json_object_new_object();
	_cleanup_free_ char *text = json && add_child(json, o, 0) >= 0 ? json_print(json) : NULL;
	size_t from, to;

	if (!text)
		return -ENOMEM;
	find_body(text, strlen(text), in_collection, &from, &to);
	if (*last != o->kind && *last != KIND_MAX)
		strbuf_add(b, "\n  }");
	strbuf_add(b, ",\n");
	if (in_collection && *last != o->kind)
		from = strlen("{\n");
	strbuf_add_mem(b, text + from, to - from);
	*last = in_collection ? o->kind : KIND_MAX;
	return 0;
}

int document_print(const struct tree *t, struct json_object *head, struct strbuf *b)
{
	_cleanup_free_ char *text = json_print(head);
	const struct object *root = tree_root(t);
	enum kind last = KIND_MAX;

	if (!text)
		return -ENOMEM;
	strbuf_add_mem(b, text, strlen(text) - strlen("\n}\n"));
	for (size_t i = 0; i < root->n_children; i++)
		if (print_child(b, root->children[i], &last) < 0)
			return -ENOMEM;
	strbuf_add(b, last != KIND_MAX ? "\n  }\n}\n" : "\n}\n");
	return b->failed ? -ENOMEM : 0;
}
