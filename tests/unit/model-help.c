/* SPDX-License-Identifier: Apache-2.0 */
/* See model-help.h. */
#include "tests/unit/model-help.h"

#include <errno.h>

#include "base/file.h"
#include "model/names.h"

/* ---- documents ---- */

char *errors_to_text(const struct cfg_errors *errs)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; i < errs->n; i++) {
		_cleanup_free_ char *line = cfg_error_text(&errs->items[i]);

		assert_non_null(line);
		strbuf_addf(&b, "%s\n", line);
	}
	return strbuf_steal(&b);
}

static struct tree *parse_right(const char *text, bool validate)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = document_parse("test", text, strlen(text), &d, &errs);

	if (r >= 0 && validate) {
		assert_int_equal(tree_generate(d.tree), 0);
		r = validate_tree(d.tree, &errs);
	}
	if (r < 0) {
		_cleanup_free_ char *problems = errors_to_text(&errs);

		fail_msg("a right document is refused:\n%s", problems);
	}
	assert_int_equal(errs.total, 0);
	return steal_ptr(d.tree);
}

struct tree *tree_from_text(const char *text)
{
	return parse_right(text, false);
}

struct tree *tree_from_valid_text(const char *text)
{
	return parse_right(text, true);
}

char *tree_to_text(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, 0);
	char *text = json ? json_print(json) : NULL;

	assert_non_null(text);
	return text;
}

void assert_trees_equal(const struct tree *a, const struct tree *b)
{
	_cleanup_free_ char *x = tree_to_text(a), *y = tree_to_text(b);

	assert_string_equal(x, y);
}

char *problems_of(const char *name, const char *text, size_t len)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = document_parse(name, text, len, &d, &errs);

	if (r >= 0) {
		assert_int_equal(errs.total, 0);
		assert_int_equal(tree_generate(d.tree), 0);
		r = validate_tree(d.tree, &errs);
		assert_int_equal(r, errs.total ? -EINVAL : 0);
		places_annotate(d.places, &errs);
	} else {
		assert_true(errs.total > 0);
		assert_null(d.tree);
	}
	return errors_to_text(&errs);
}

char *sample_path(const char *name)
{
	const char *srcdir = getenv("srcdir");

	return strf("%s/tests/samples/%s", srcdir ? srcdir : ".", name);
}

char *sample_read(const char *name, size_t *ret_len)
{
	_cleanup_free_ char *path = sample_path(name);
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	char *text;

	if (file_read(path, JSON_MAX_BYTES, &text, ret_len, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	return text;
}

/* ---- randomness ---- */

/* splitmix64: small, and good enough to stumble over things. */
uint32_t random_next(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 16);
}

uint32_t random_below(struct random *r, uint32_t n)
{
	return random_next(r) % n;
}

static char *random_uuid(struct random *r)
{
	return strf("%08x-%04x-4%03x-8%03x-%08x%04x", random_next(r), random_below(r, 65536), random_below(r, 4096),
		    random_below(r, 4096), random_next(r), random_below(r, 65536));
}

static char *random_number(struct random *r, const struct attr_row *row)
{
	uint64_t range = (uint64_t)row->max - (uint64_t)row->min;
	uint64_t wide = (uint64_t)random_next(r) << 32 | random_next(r);

	switch (random_below(r, 4)) {
	case 0:
		return strf("%lld", (long long)row->min);
	case 1:
		return strf("%lld", (long long)row->max);
	default:
		return strf("%lld", (long long)(row->min + (int64_t)(range == UINT64_MAX ? wide : wide % (range + 1))));
	}
}

static char *random_letters(struct random *r, const struct attr_row *row)
{
	static const char letters[] = "abcXYZ019._-+=:;<>{}[]\"'\\/%$~";
	size_t n = (size_t)row->min + random_below(r, (uint32_t)((row->max > 40 ? 40 : row->max) - row->min + 1));
	char *s = calloc(1, n + 1);

	assert_non_null(s);
	for (size_t i = 0; i < n; i++)
		s[i] = letters[random_below(r, sizeof(letters) - 1)];
	if (row->type == ATTR_STRING && n > 2)
		s[n / 2] = ' ';
	return s;
}

char *random_name(struct random *r, enum kind kind, unsigned n)
{
	static const char *const fabrics[] = { "iscsi", "loopback", "vhost", "srpt" };
	unsigned i = random_below(r, n);

	switch (kind) {
	case KIND_HOST:
		return strf("nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-%012u", i);
	case KIND_SUBSYSTEM:
		return strf("nqn.2026-11.org.example:s%u", i);
	case KIND_NAMESPACE:
	case KIND_ANA_GROUP:
		return strf("%u", i + 1);
	case KIND_PORT:
		return strf("%u", i);
	case KIND_FABRIC:
		return strdup(fabrics[i % ARRAY_SIZE(fabrics)]);
	case KIND_TARGET:
	case KIND_ACL:
		return strf("iqn.2026-11.org.example:%u", i);
	case KIND_TPG:
	case KIND_LUN:
	case KIND_MAPPED_LUN:
		return strf("%u", i);
	case KIND_PORTAL:
		return strf(i % 2 ? "192.0.2.%u:3260" : "[2001:db8::%u]:3260", i + 1);
	default:
		return kind_info(kind)->singleton ? strdup("") : strf("n%u", i);
	}
}

char *random_value(struct random *r, const struct attr_row *row)
{
	size_t words = 0;

	switch (row->type) {
	case ATTR_BOOL:
		return strdup(random_below(r, 2) ? "1" : "0");
	case ATTR_INT:
	case ATTR_SIZE:
		return random_number(r, row);
	case ATTR_WORD:
		while (row->words[words])
			words++;
		return strdup(row->words[random_below(r, (uint32_t)words)]);
	case ATTR_STRING:
	case ATTR_TOKEN:
		return random_letters(r, row);
	case ATTR_PATH:
		return strf("/dev/x%u/y.%u", random_below(r, 4), random_below(r, 8));
	case ATTR_NQN:
		return strf("nqn.2026-%02u.org.example.discovery%u", 1 + random_below(r, 12), random_below(r, 9));
	case ATTR_UUID:
	case ATTR_NGUID:
		return random_uuid(r);
	case ATTR_VERSION:
		return random_below(r, 2) ? strf("1.%u", random_below(r, 256)) : strf("2.%u.%u", random_below(r, 9), 1 + random_below(r, 255));
	case ATTR_HEX:
		return row->max == 0xffffff ? strf("0x%06x", random_below(r, 0x1000000)) : strf("0x%x", random_below(r, 0x10000));
	case ATTR_SECRET:
		return strf("%s:key%u", random_below(r, 2) ? "file" : "credential", random_below(r, 9));
	case ATTR_REF:
	case ATTR_REFS:
		return random_name(r, row->ref, 8);
	case ATTR_TYPE_MAX:
		break;
	}
	fail_msg("%s has a type without random values", row->name);
	return NULL;
}

void random_fill(struct random *r, struct object *o)
{
	attr_foreach(row, o->kind) {
		_cleanup_free_ char *value = NULL;
		_cleanup_strv_ char **list = NULL;

		if (!attr_is_settable(row) || (row->source != ATTR_GENERATED && random_below(r, 3) == 0))
			continue;
		if (!attr_is_list(row)) {
			value = random_value(r, row);
			assert_int_equal(object_set(o, row, value), 0);
			continue;
		}
		for (unsigned i = random_below(r, 5); i; i--) {
			_cleanup_free_ char *name = random_value(r, row);

			assert_int_equal(strv_append(&list, name), 0);
		}
		assert_int_equal(object_set_list(o, row, list), 0);
	}
}

struct object *random_object(struct random *r, const struct tree *t)
{
	struct object *o = tree_root(t);

	while (o->n_children) {
		if (o->kind != KIND_ROOT && random_below(r, 3) == 0)
			break;
		o = o->children[random_below(r, (uint32_t)o->n_children)];
	}
	return o;
}

/* Of any kind that stands in documents. */
enum kind random_kind(struct random *r)
{
	enum kind kind;

	do
		kind = KIND_NVMET + random_below(r, KIND_MAX - KIND_NVMET);
	while (kind_info(kind)->internal);
	return kind;
}

/* One below which objects of the kind stand; NULL when there is none. */
static struct object *random_parent(struct random *r, struct tree *t, enum kind kind)
{
	enum kind above = kind_info(kind)->parent;
	struct object *grand = above == KIND_ROOT ? NULL : random_parent(r, t, above);
	size_t n = grand ? object_count(grand, above) : 0;

	if (above == KIND_ROOT)
		return tree_root(t);
	return n ? object_nth(grand, above, random_below(r, (uint32_t)n)) : NULL;
}

/* A new object somewhere, if its name is not taken. */
static void random_add(struct random *r, struct tree *t, unsigned names)
{
	enum kind kind = random_kind(r);
	struct object *parent = random_parent(r, t, kind), *o;
	_cleanup_free_ char *name = random_name(r, kind, names);

	if (parent && object_add(parent, kind, name, &o) >= 0)
		random_fill(r, o);
}

struct tree *random_tree(struct random *r, unsigned size)
{
	struct tree *t = tree_new();

	assert_non_null(t);
	for (unsigned i = 0; i < size; i++)
		random_add(r, t, size / 4 + 2);
	return t;
}

void random_change(struct random *r, struct tree *t, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		struct object *o = random_object(r, t);

		switch (random_below(r, 3)) {
		case 0:
			random_add(r, t, 12);
			break;
		case 1:
			if (o->kind != KIND_ROOT)
				object_remove(o);
			break;
		case 2:
			random_fill(r, o);
			break;
		}
	}
}

static void walk(struct object *o, void (*body)(struct object *, void *), void *userdata)
{
	for (size_t i = 0; i < o->n_children; i++) {
		body(o->children[i], userdata);
		walk(o->children[i], body, userdata);
	}
}

void each_object(const struct tree *t, void (*body)(struct object *o, void *userdata), void *userdata)
{
	walk(tree_root(t), body, userdata);
}

struct json_object *changes_to_json(const struct changes *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < c->n; i++)
		json_object_array_add(list, change_to_json(c->items[i]));
	return list;
}
