/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side: which folders to read for a scope, and what was read as a tree in the model's terms. Where only a link or a
 * namespace was read, the objects above it stand in the tree without values.
 */
#include <errno.h>

#include "base/text.h"
#include "kernel/element.h"
#include "kernel/lio.h"
#include "model/names.h"

static const char *const roots[] = { "nvmet/hosts", "nvmet/subsystems", "nvmet/ports" };

static int scan_all(struct oplist *ret)
{
	int r = oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT, "nvmet", NULL, "nvmet", NULL);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(roots); i++)
		r = oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT | OP_RECURSIVE, roots[i], NULL, roots[i] + strlen("nvmet/"), NULL);
	return r < 0 ? r : lio_scan_all(ret);
}

static bool below_any(char *const *folders, const char *path)
{
	_cleanup_free_ char *up = path_parent(path);

	while (up && *up) {
		char *next;

		if (strv_contains(folders, up))
			return true;
		next = path_parent(up);
		free(up);
		up = next;
	}
	return false;
}

/* Where a backend and what is below it stand, the first tree says that knows it; NULL: nowhere. */
static char *find_folder(const struct tree *const *names, const char *path)
{
	char *folder = NULL;

	for (; *names && !folder; names++)
		folder = path_to_kernel(*names, path);
	return folder;
}

/* A backend is in the kernel only as a storage object: as lowered, or as read. What people have says where it would stand. */
static bool may_be_storage(const struct tree *const *names, const char *path)
{
	for (; *names; names++) {
		const struct object *o = tree_find(*names, path);

		if (o && (object_get(o, "enable") || !object_get(o, "uuid")))
			return true;
	}
	return false;
}

bool kernel_only_removes(const struct tree *target, const struct scope *s)
{
	if (s->folders)
		return false;
	for (char **t = s->elements; t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };

		if (element_parse(*t, &e) < 0 || element_is_permanent(&e) || element_is_in(target, &e))
			return false;
	}
	return true;
}

char *scan_at_end(enum kind kind, const char *folder)
{
	size_t n = strlen(folder);
	struct strbuf b = { 0 };

	strbuf_add(&b, "");
	attr_foreach(row, kind) {
		const char *slash = row->file ? strrchr(row->file, '/') : NULL;

		if (!row->file || !(row->flags & ATTR_AT_END) || (size_t)(slash ? slash - row->file : 0) != n ||
		    strncmp(row->file, folder, n) != 0)
			continue;
		strbuf_addf(&b, "%s%s", b.len ? " " : "", slash ? slash + 1 : row->file);
	}
	return strbuf_steal(&b);
}

static int scan_object(struct oplist *ret, const struct tree *const *names, const struct scope *s, bool removes, const struct element *e)
{
	_cleanup_free_ char *path = find_folder(names, e->object), *passthru = NULL, *some = NULL, *some_passthru = NULL;
	bool whole = strv_contains(s->folders, e->object);
	int r;

	if (!path)
		return strncmp(e->object, "backends/", 9) == 0 ? 0 : -ENOMEM;
	if (e->kind == KIND_BACKEND && !may_be_storage(names, e->object))
		return 0;
	if (lio_is_kind(e->kind))
		return lio_scan_object(ret, e->object, path, e->kind, whole, removes);
	/* Of a port its address is told as well: that is what its removal sets free. */
	removes &= e->kind != KIND_PORT;
	some = removes ? scan_at_end(e->kind, "") : NULL;
	if (removes && !some)
		return -ENOMEM;
	r = oplist_add(ret, removes ? OP_SCAN_SOME : OP_SCAN, OP_MAY_BE_ABSENT | (whole ? OP_RECURSIVE : 0), path, some, e->object, NULL);
	if (r < 0 || whole || e->kind != KIND_SUBSYSTEM)
		return r;
	passthru = strf("%s/passthru", path);
	some_passthru = removes ? scan_at_end(e->kind, "passthru") : NULL;
	if (!passthru || (removes && !some_passthru))
		return -ENOMEM;
	return oplist_add(ret, removes ? OP_SCAN_SOME : OP_SCAN, OP_MAY_BE_ABSENT, passthru, some_passthru, e->object, NULL);
}

int kernel_scan(const struct tree *const *names, const struct scope *s, bool removes, struct oplist *ret)
{
	int r = 0;

	if (strv_contains(s->folders, ""))
		return scan_all(ret);
	for (char **t = s->elements; r >= 0 && t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };

		r = element_parse(*t, &e);
		if (r < 0)
			break;
		/* What is below an object that is read whole comes with it. */
		if (s->folders && (below_any(s->folders, *t) || (e.edge && strv_contains(s->folders, e.object))))
			continue;
		if (e.edge) {
			_cleanup_free_ char *path = path_to_kernel(NULL, *t);

			r = path ? oplist_add(ret, OP_READLINK, OP_MAY_BE_ABSENT, path, NULL, *t, NULL) : -ENOMEM;
		} else {
			r = scan_object(ret, names, s, removes, &e);
		}
	}
	return r;
}

/* ---- absorbing ---- */

/* A kernel path without "nvmet/": the object as far as it goes, and what is left ("attr_model", "allowed_hosts/H", "namespaces"). */
static enum kind split(const char *path, size_t *ret_object, const char **ret_rest)
{
	enum kind kind = KIND_ROOT;
	const char *at = path;

	*ret_object = 0;
	for (;;) {
		size_t n = strcspn(at, "/"), m;
		_cleanup_free_ char *collection = strndup(at, n);
		enum kind next = collection ? kind_from_collection(kind, collection) : KIND_MAX;
		const char *name = at + n + 1;

		/* A port has a folder of links of the same name as a collection of the root: what is a list is none here. */
		if (next == KIND_MAX || !at[n] || kind_info(next)->singleton)
			break;
		m = strcspn(name, "/");
		if (!m)
			break;
		kind = next;
		*ret_object = (size_t)(name + m - path);
		at = name[m] ? name + m + 1 : name + m;
	}
	*ret_rest = at;
	return kind;
}

static int take_value(struct object *o, const char *file, const char *text)
{
	const struct attr_row *row = attr_find_file(o->kind, file);
	_cleanup_free_ char *value = NULL;
	int r;

	/* Attributes of a newer kernel than we know are nobody's business here. */
	if (!row || attr_is_list(row))
		return 0;
	r = attr_from_kernel(row, text, &value);
	if (r == -EINVAL)
		return 0;
	return r < 0 ? r : object_set(o, row, value);
}

static int take_link(struct object *o, const char *rest, const char *target)
{
	const char *slash = strchr(rest, '/'), *name = strrchr(target, '/');
	_cleanup_free_ char *folder = strndup(rest, slash ? (size_t)(slash - rest) : strlen(rest));
	const struct attr_row *row = folder ? attr_find_file(o->kind, folder) : NULL;

	if (!row || !attr_is_list(row) || !name)
		return folder ? 0 : -ENOMEM;
	return object_list_add(o, row, name + 1);
}

static int take_entry(struct tree *t, const char *path, const struct scan_entry *e)
{
	size_t n;
	const char *rest;
	enum kind kind = split(path, &n, &rest);
	_cleanup_free_ char *object = strndup(path, n);
	struct object *o;
	int r;

	if (!object)
		return -ENOMEM;
	/* "discovery_nqn" stands at the root of the tree. */
	if (kind == KIND_ROOT) {
		if (e->type != 'f' || !attr_find_file(KIND_NVMET, rest))
			return 0;
		r = target_ensure(t, "nvmet", &o);
		return r < 0 ? r : take_value(o, rest, e->value);
	}
	r = target_ensure(t, object, &o);
	if (r < 0)
		return r;
	if (e->type == 'f' || e->type == 's')
		return take_value(o, rest, e->value);
	return e->type == 'l' ? take_link(o, rest, e->value) : 0;
}

/* The links of a folder that was read whole are what was read, not more. */
static void forget_links(struct object *o)
{
	attr_foreach(row, o->kind)
		if (attr_is_list(row))
			object_set_list(o, row, NULL);
	for (size_t i = 0; i < o->n_children; i++)
		forget_links(o->children[i]);
}

static int absorb_scan(struct tree *t, const struct op *op, const char *text, struct cfg_error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	const char *base = strncmp(op->path, "nvmet/", 6) == 0 ? op->path + 6 : "";
	struct object *o = *base ? tree_find(t, op->object) : NULL;
	struct scan_entry e;
	char *at = copy;
	int r;

	if (!copy)
		return cfg_error_oom(err);
	if (o && op->flags & OP_RECURSIVE)
		forget_links(o);
	while ((r = scan_next(&at, &e)) > 0) {
		_cleanup_free_ char *path = !*e.path ? strdup(base) : *base ? strf("%s/%s", base, e.path) : strdup(e.path);

		r = path ? take_entry(t, path, &e) : -ENOMEM;
		if (r < 0)
			break;
	}
	if (r == -ENOMEM)
		return cfg_error_oom(err);
	return r < 0 ? cfg_error_set_at(err, EBADMSG, op->object, NULL, "what was read of %s makes no sense", op->path) : 0;
}

static int absorb_link(struct tree *t, const struct op *op, const char *target, struct cfg_error *err)
{
	_cleanup_element_ struct element e = { 0 };
	struct object *o;
	int r = element_parse(op->object, &e);

	if (r >= 0)
		r = target_ensure(t, e.object, &o);
	if (r < 0)
		return cfg_error_oom(err);
	/* A link of our name that points elsewhere is in the way just the same; planning finds it by its name. */
	if (target && strchr(target, '/'))
		return object_list_add(o, e.edge, e.name) < 0 ? cfg_error_oom(err) : 0;
	object_list_remove(o, e.edge, e.name);
	return 0;
}

static void forget_object(struct tree *t, const char *path)
{
	struct object *o = tree_find(t, path);

	if (o && o->kind != KIND_ROOT)
		object_remove(o);
}

static bool is_lio(const struct op *op)
{
	return path_is_within(op->path, "target");
}

int kernel_absorb(struct tree *actual, const struct tree *const *names, const struct oplist *scan, char *const *text, struct cfg_error *err)
{
	for (size_t i = 0; i < scan->n; i++) {
		const struct op *op = &scan->items[i];
		int r = 0;

		if (is_lio(op)) {
			r = lio_absorb(actual, names, op, text[i]);
			if (r == -EINVAL)
				r = cfg_error_set_at(err, EBADMSG, op->object, NULL, "what was read of %s makes no sense", op->path);
			else if (r < 0)
				r = cfg_error_oom(err);
		} else if (op->verb == OP_READLINK) {
			/* An absent link says nothing about its folder, which may be absent too. */
			_cleanup_element_ struct element e = { 0 };

			if (text[i] || (element_parse(op->object, &e) >= 0 && tree_find(actual, e.object)))
				r = absorb_link(actual, op, text[i], err);
		} else if (text[i]) {
			r = absorb_scan(actual, op, text[i], err);
		} else if (!strstr(op->path, "/passthru")) {
			forget_object(actual, op->object);
		}
		if (r < 0)
			return r;
	}
	return lio_absorb_disks(actual) < 0 ? cfg_error_oom(err) : 0;
}
