/* SPDX-License-Identifier: Apache-2.0 */
/* Change sets: made by comparing trees or from edits, applied, taken back, written to the journal and read from it. */
#include "model/change.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

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

/* What b leaves out of generated values, and with merge of all values, stays as it is in a. */
static int inherit(struct object *after, const struct object *before, bool merge)
{
	attr_foreach(row, after->kind) {
		int r = 0;

		if (attr_is_list(row)) {
			char *const *had = object_get_list(before, row);
			_cleanup_strv_ char **both = NULL;

			if (!merge || !had)
				continue;
			both = strv_copy(object_get_list(after, row));
			for (; r >= 0 && *had; had++)
				r = strv_append(&both, *had);
			if (r >= 0)
				r = object_set_list(after, row, both);
		} else if (!object_get_row(after, row) && object_get_row(before, row) &&
			   (merge || row->source == ATTR_GENERATED)) {
			r = object_set(after, row, object_get_row(before, row));
		}
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

static int diff_object(struct changes *c, const struct object *a, const struct object *b, bool merge)
{
	_cleanup_free_ char *path = object_path(b);
	struct object *after = object_copy_shallow(b);

	if (!path || !after || (a && inherit(after, a, merge) < 0)) {
		object_free(after);
		return -ENOMEM;
	}
	if (a && object_values_equal(a, after)) {
		object_free(after);
		return 0;
	}
	return changes_add(c, path, a ? object_copy_shallow(a) : NULL, after);
}

static int diff_present(struct changes *c, const struct object *a, const struct object *b, bool merge)
{
	for (size_t i = 0; i < b->n_children; i++) {
		const struct object *child = b->children[i];
		const struct object *other = a ? object_child(a, child->kind, child->name) : NULL;

		if (diff_object(c, other, child, merge) < 0 || diff_present(c, other, child, merge) < 0)
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

/* ---- applying ---- */

static int check_before(const struct tree *t, const struct changes *c, struct cfg_error *err)
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

	if (!to) {
		o = tree_find(t, path);
		if (o)
			object_remove(o);
		return 0;
	}
	if (from) {
		o = tree_find(t, path);
		return o ? object_assign(o, to) : -ENOENT;
	}
	r = tree_add(t, path, &o);
	return r < 0 ? r : object_assign(o, to);
}

static void revert_from(struct tree *t, const struct changes *c, size_t n)
{
	while (n--)
		apply_one(t, c->items[n]->path, c->items[n]->after, c->items[n]->before);
}

int changes_apply(struct tree *t, const struct changes *c, struct cfg_error *err)
{
	if (check_before(t, c, err) < 0)
		return -ESTALE;
	for (size_t i = 0; i < c->n; i++) {
		int r = apply_one(t, c->items[i]->path, c->items[i]->before, c->items[i]->after);

		if (r < 0) {
			revert_from(t, c, i + 1);
			return r == -ENOMEM ? cfg_error_oom(err) :
					      cfg_error_set_at(err, -r, c->items[i]->path, NULL,
							       "cannot be changed: what it is below is not there");
		}
	}
	return 0;
}

int changes_revert(struct tree *t, const struct changes *c)
{
	revert_from(t, c, c->n);
	return 0;
}

/* ---- the journal's form ---- */

struct json_object *changes_to_json(const struct changes *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < c->n; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "path", json_object_new_string(c->items[i]->path));
		json_object_object_add(o, "set", c->items[i]->after ? object_to_json(c->items[i]->after, 0) : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

static int change_from_json(const struct tree *t, struct json_object *json, struct changes *ret, struct cfg_error *err)
{
	_cleanup_path_ struct path p = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_free_ char *path = NULL;
	_cleanup_(object_freep) struct object *after = NULL;
	struct json_object *at, *set;
	const struct object *o;

	if (!json_object_object_get_ex(json, "path", &at) || !json_object_is_type(at, json_type_string) ||
	    !json_object_object_get_ex(json, "set", &set))
		return cfg_error_set(err, EINVAL, "a change needs path and set");
	if (path_parse(json_object_get_string(at), &p, NULL, err) < 0)
		return -EINVAL;
	path = path_text(&p);
	if (!path || !p.depth)
		return cfg_error_set(err, EINVAL, "a change needs a path");
	if (set) {
		after = object_new_detached(p.kind[p.depth - 1], p.name[p.depth - 1]);
		if (!after)
			return cfg_error_oom(err);
		if (object_from_json(after, set, &errs) < 0) {
			if (err)
				cfg_error_move(err, &errs.items[0]);
			return -EINVAL;
		}
	}
	o = tree_find(t, path);
	if (changes_add(ret, path, o ? object_copy_shallow(o) : NULL, steal_ptr(after)) < 0)
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

/* ---- generated values ---- */

static char *random_hex(size_t bytes)
{
	unsigned char random[16];
	struct strbuf b = { 0 };

	assert(bytes <= sizeof(random));
	if (getrandom(random, bytes, 0) != (ssize_t)bytes)
		return NULL;
	for (size_t i = 0; i < bytes; i++)
		strbuf_addf(&b, "%02x", random[i]);
	return strbuf_steal(&b);
}

/* RFC 9562 version 4. */
static char *random_uuid(void)
{
	_cleanup_free_ char *h = random_hex(16);

	if (!h)
		return NULL;
	h[12] = '4';
	h[16] = "89ab"[h[16] & 3];
	return strf("%.8s-%.4s-%.4s-%.4s-%s", h, h + 8, h + 12, h + 16, h + 20);
}

/*
 * An NGUID begins, by the NVMe Base specification, with a vendor specific extension of 8 bytes, then an IEEE OUI and 5 bytes. Without
 * an OUI of our own the uuid's bits serve, with the OUI's local bit set so that it can be no vendor's.
 */
static char *nguid_of(const char *uuid)
{
	char *n = strdup(uuid);
	unsigned v;

	/* Byte 8 is digits 16 and 17: behind three dashes at 19 and 20. Bit 1 of an OUI's first byte says: locally made. */
	if (!n || sscanf(n + 19, "%2x", &v) != 1)
		return n;
	v = (v | 2) & ~1u;
	n[19] = "0123456789abcdef"[v >> 4 & 15];
	n[20] = "0123456789abcdef"[v & 15];
	return n;
}

static int set_if_absent(struct object *o, const char *attr, char *value /* taken */)
{
	const struct attr_row *row = attr_find(o->kind, attr);
	_cleanup_free_ char *v = value;

	if (object_get_row(o, row))
		return 0;
	return v ? object_set(o, row, v) : -ENOMEM;
}

static int generate_address(struct object *o)
{
	const char *trtype = object_get(o, "trtype"), *traddr = object_get(o, "traddr");
	const char *adrfam = NULL;
	bool ip;

	if (!trtype)
		return 0;
	ip = streq(trtype, "tcp") || streq(trtype, "rdma");
	if (streq(trtype, "fc"))
		adrfam = "fc";
	else if (streq(trtype, "loop"))
		adrfam = "loop";
	else if (streq(trtype, "pci"))
		adrfam = "pci";
	else if (ip && traddr)
		adrfam = strchr(traddr, ':') ? "ipv6" : "ipv4";
	if (adrfam && set_if_absent(o, "adrfam", strdup(adrfam)) < 0)
		return -ENOMEM;
	return ip ? set_if_absent(o, "trsvcid", strdup("4420")) : 0;
}

int object_generate(struct object *o)
{
	int r;

	switch (o->kind) {
	case KIND_BACKEND:
		r = object_get(o, "uuid") ? 0 : set_if_absent(o, "uuid", random_uuid());
		return r < 0 || object_get(o, "nguid") ? r : set_if_absent(o, "nguid", nguid_of(object_get(o, "uuid")));
	case KIND_SUBSYSTEM:
		return object_get(o, "serial") ? 0 : set_if_absent(o, "serial", random_hex(10));
	case KIND_PORT:
	case KIND_REFERRAL:
		return generate_address(o);
	default:
		return 0;
	}
}

static int generate_below(struct object *o)
{
	int r = o->kind == KIND_ROOT ? 0 : object_generate(o);

	for (size_t i = 0; r >= 0 && i < o->n_children; i++)
		r = generate_below(o->children[i]);
	return r;
}

int tree_generate(struct tree *t)
{
	return generate_below(tree_root(t));
}
