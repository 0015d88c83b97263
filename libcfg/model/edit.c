/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits into changes. They are made in the tree one after the other, so that later ones see earlier ones; what each object was
 * before is kept at its first touch, and from that come the changes. At the end the tree is put back as it was.
 */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "model/change.h"
#include "model/names.h"

void edits_done(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++) {
		for (size_t k = 0; k < e->items[i].n_attrs; k++) {
			free(e->items[i].attrs[k].name);
			free(e->items[i].attrs[k].value);
		}
		free(e->items[i].attrs);
		free(e->items[i].path);
		free(e->items[i].place);
	}
	free(e->items);
	*e = (struct edits){ 0 };
}

struct editor {
	struct tree *t;
	const struct edit *edit;
	struct map *made;
	struct cfg_errors *errs;
	struct map *before;	/* path -> struct object copy, or the absent marker */
	char **touched;		/* paths in order of first touch */
};

static struct object absent_marker;

static int oom(struct editor *e)
{
	return cfg_errors_add(e->errs, ENOMEM, NULL, NULL, NULL, "out of memory");
}

static void forget_copy(struct object *copy)
{
	if (copy != &absent_marker)
		object_free(copy);
}

static int touch(struct editor *e, const char *path)
{
	const struct object *o;
	struct object *copy;

	if (map_get(e->before, path))
		return 0;
	o = tree_find(e->t, path);
	copy = o ? object_copy_shallow(o) : &absent_marker;
	if (!copy || strv_append(&e->touched, path) < 0) {
		forget_copy(copy);
		return oom(e);
	}
	if (map_put(e->before, path, copy) >= 0)
		return 0;
	strv_remove(e->touched, path);
	forget_copy(copy);
	return oom(e);
}

/* ---- attributes ---- */

static int no_such_attribute(struct editor *e, const struct object *o, const char *path, const char *name)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *known = NULL;

	attr_foreach(row, o->kind)
		if (attr_is_settable(row))
			strbuf_addf(&b, "%s%s", b.len ? ", " : "", row->name);
	known = strbuf_steal(&b);
	return cfg_errors_add(e->errs, EINVAL, path, NULL, e->edit->place, "a %s has no attribute %.80s; it has: %s",
			      kind_info(o->kind)->noun, name, known ? known : "");
}

/* The next name of a list, or NULL. An NQN may hold a comma itself, so only one before another NQN ends it. */
static char *next_name(char **at, bool nqns)
{
	char *name = *at, *end;

	if (!name)
		return NULL;
	end = nqns ? strstr(name, ",nqn.") : strchr(name, ',');
	if (end)
		*end++ = 0;
	*at = end;
	return name;
}

static int edit_member(struct editor *e, const char *path, const struct attr_row *row, enum edit_op op, const char *name,
		       char ***list)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *canonical = NULL;

	if (attr_parse(row, name, &canonical, &err) < 0) {
		cfg_error_at(&err, path, row->name, e->edit->place);
		return cfg_errors_take(e->errs, &err);
	}
	/* A misspelt name must not pass for something taken away; adding what is there does no harm. */
	if (op == EDIT_SUB)
		return *list && strv_remove(*list, canonical) ? 0 :
			       cfg_errors_add(e->errs, ENOENT, path, row->name, e->edit->place, "does not hold %s", canonical);
	return strv_contains(*list, canonical) || strv_append(list, canonical) >= 0 ? 0 : oom(e);
}

static int edit_list(struct editor *e, struct object *o, const char *path, const struct attr_row *row,
		     const struct edit_attr *a)
{
	char *const *had = a->op == EDIT_ASSIGN ? NULL : object_get_list(o, row);
	_cleanup_strv_ char **list = strv_copy(had);
	_cleanup_free_ char *copy = strdup(a->value);
	bool nqns = row->ref == KIND_HOST || row->ref == KIND_SUBSYSTEM;
	char *at = copy && *copy ? copy : NULL;
	int r = 0;

	if (!copy || (had && !list))
		return oom(e);
	for (char *name; (name = next_name(&at, nqns));)
		if (edit_member(e, path, row, a->op, name, &list) < 0)
			r = -EINVAL;
	if (r < 0)
		return r;
	return object_set_list(o, row, list) < 0 ? oom(e) : 0;
}

int edit_attr_names(const struct attr_row *row, const struct edit_attr *a, char ***ret)
{
	_cleanup_strv_ char **list = NULL;
	_cleanup_free_ char *copy = strdup(a->value);
	char *at = copy && *copy ? copy : NULL;

	*ret = NULL;
	if (!copy)
		return -ENOMEM;
	for (char *name; (name = next_name(&at, row->ref == KIND_HOST || row->ref == KIND_SUBSYSTEM));) {
		_cleanup_free_ char *canonical = NULL;

		if (attr_parse(row, name, &canonical, NULL) < 0)
			continue;
		if (strv_append(&list, canonical) < 0)
			return -ENOMEM;
	}
	*ret = steal_ptr(list);
	return 0;
}

static int edit_attr(struct editor *e, struct object *o, const char *path, const struct edit_attr *a)
{
	const struct attr_row *row = attr_find(o->kind, a->name);
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *value = NULL;

	if (!row || row->flags & ATTR_NO_MODEL)
		return no_such_attribute(e, o, path, a->name);
	if (!attr_is_settable(row))
		return cfg_errors_add(e->errs, EINVAL, path, row->name, e->edit->place, "is shown only; %s", row->doc);
	if (attr_is_list(row))
		return edit_list(e, o, path, row, a);
	if (a->op != EDIT_ASSIGN)
		return cfg_errors_add(e->errs, EINVAL, path, row->name, e->edit->place, "is no list; use =");
	if (*a->value && attr_parse(row, a->value, &value, &err) < 0) {
		cfg_error_at(&err, path, row->name, e->edit->place);
		return cfg_errors_take(e->errs, &err);
	}
	return object_set(o, row, value) < 0 ? oom(e) : 0;
}

static int edit_attrs(struct editor *e, struct object *o, const char *path)
{
	int r = 0;

	if (object_forget(o) < 0)
		return oom(e);
	for (size_t i = 0; i < e->edit->n_attrs; i++)
		if (edit_attr(e, o, path, &e->edit->attrs[i]) < 0)
			r = -EINVAL;
	return object_generate_again(o, path, e->made) < 0 ? oom(e) : r;
}

/* ---- create, set ---- */

/* What is always there in the sense of people, and has a place in the model once there is something to say of it. */
static bool comes_by_itself(const char *path)
{
	enum kind kind = path_kind(path);

	return kind == KIND_NVMET || kind == KIND_TARGET_CORE || kind == KIND_FABRIC;
}

static int make_parent(struct editor *e, const char *parent)
{
	struct object *o;

	if (tree_find(e->t, parent) || !comes_by_itself(parent))
		return 0;
	return touch(e, parent) < 0 || tree_add(e->t, parent, &o) < 0 ? oom(e) : 0;
}

static int edit_create(struct editor *e, const char *path)
{
	_cleanup_free_ char *parent = path_parent(path);
	struct object *o;
	int r;

	if (!parent || make_parent(e, parent) < 0 || touch(e, path) < 0)
		return oom(e);
	r = tree_add(e->t, path, &o);
	if (r == -EEXIST)
		return cfg_errors_add(e->errs, EEXIST, path, NULL, e->edit->place, "exists already; use set to change it");
	if (r == -ENOENT)
		return cfg_errors_add(e->errs, ENOENT, path, NULL, e->edit->place, "%s, which it would be below, does not exist",
				      parent);
	if (r < 0)
		return oom(e);
	return edit_attrs(e, o, path);
}

static int edit_set(struct editor *e, const char *path)
{
	struct object *o = tree_find(e->t, path);

	if (!o && comes_by_itself(path))
		return edit_create(e, path);
	if (!o)
		return cfg_errors_add(e->errs, ENOENT, path, NULL, e->edit->place, "does not exist; use create to make it");
	return touch(e, path) < 0 ? oom(e) : edit_attrs(e, o, path);
}

/* ---- delete ---- */

static void name_users(struct strbuf *b, const struct users *u)
{
	for (size_t i = 0; i < u->n && i < 20; i++) {
		_cleanup_free_ char *path = object_path(u->items[i]);

		strbuf_addf(b, "%s%s", b->len ? ", " : "", path ? path : "?");
	}
	if (u->n > 20)
		strbuf_addf(b, " and %zu more", u->n - 20);
}

static void name_children(struct strbuf *b, const struct object *o)
{
	for (size_t i = 0; i < o->n_children && i < 20; i++) {
		_cleanup_free_ char *path = object_path(o->children[i]);

		strbuf_addf(b, "%s%s", b->len ? ", " : "", path ? path : "?");
	}
	if (o->n_children > 20)
		strbuf_addf(b, " and %zu more", o->n_children - 20);
}

/*
 * Who has an attribute that names the object by its name below a common parent, where no index knows it: mapped LUNs a LUN of their portal
 * group, LUNs an ALUA group of their backend. The next one behind *from of the candidates; NULL when there is none.
 */
static struct object *next_local_user(const struct tree *t, const struct object *o, size_t *from)
{
	size_t seen = 0;

	if (o->kind == KIND_ALUA_GROUP) {
		struct users u = tree_users(t, KIND_BACKEND, o->parent->name);

		while (*from < u.n) {
			struct object *lun = u.items[(*from)++];

			if (lun->kind == KIND_LUN && streq_ptr(object_get(lun, "alua_group"), o->name))
				return lun;
		}
	}
	for (size_t a = 0; o->kind == KIND_LUN && a < object_count(o->parent, KIND_ACL); a++) {
		const struct object *acl = object_nth(o->parent, KIND_ACL, a);

		for (size_t i = 0; i < object_count(acl, KIND_MAPPED_LUN); i++) {
			struct object *mapped = object_nth(acl, KIND_MAPPED_LUN, i);

			if (seen++ < *from)
				continue;
			*from = seen;
			if (streq_ptr(object_get(mapped, "lun"), o->name))
				return mapped;
		}
	}
	return NULL;
}

static void name_local_users(struct strbuf *b, const struct tree *t, const struct object *o)
{
	size_t from = 0, n = 0;

	for (struct object *u; (u = next_local_user(t, o, &from)); n++) {
		_cleanup_free_ char *path = n < 20 ? object_path(u) : NULL;

		if (path)
			strbuf_addf(b, "%s%s", b->len ? ", " : "", path);
	}
	if (n > 20)
		strbuf_addf(b, " and %zu more", n - 20);
}

static int refuse_delete(struct editor *e, const struct object *o, const char *path)
{
	struct users u = tree_users(e->t, o->kind, o->name);
	_cleanup_strbuf_ struct strbuf users = { 0 }, children = { 0 };

	/* Only top-level objects are referred to by name from everywhere. */
	if (o->parent->kind == KIND_ROOT)
		name_users(&users, &u);
	name_local_users(&users, e->t, o);
	name_children(&children, o);
	if (!users.len && !children.len)
		return 0;
	return cfg_errors_add(e->errs, EBUSY, path, NULL, e->edit->place, "%s%s%s%s%s; --recursive takes them too",
			      users.len ? "is used by " : "", users.len ? users.s : "",
			      users.len && children.len ? " and " : "", children.len ? "has below it " : "",
			      children.len ? children.s : "");
}

static int delete_object(struct editor *e, struct object *o);

static int clear(struct editor *e, struct object *o, const char *attr)
{
	_cleanup_free_ char *path = object_path(o);

	return !path || touch(e, path) < 0 || object_set(o, attr_find(o->kind, attr), NULL) < 0 ? oom(e) : 0;
}

/* Takes the name out of a set; an object that cannot do without goes as well. */
static int leave_user(struct editor *e, struct object *user, const struct object *target)
{
	_cleanup_free_ char *path = object_path(user);

	if (!path)
		return oom(e);
	attr_foreach(row, user->kind) {
		if (row->ref != target->kind)
			continue;
		if (row->type == ATTR_REF && streq_ptr(object_get_row(user, row), target->name))
			return row->source == ATTR_REQUIRED ? delete_object(e, user) : clear(e, user, row->name);
		if (row->type == ATTR_REFS && object_lists(user, row, target->name)) {
			_cleanup_strv_ char **list = strv_copy(object_get_list(user, row));

			if (!list || touch(e, path) < 0)
				return oom(e);
			strv_remove(list, target->name);
			if (object_set_list(user, row, list) < 0)
				return oom(e);
		}
	}
	return 0;
}

static int leave_local_users(struct editor *e, struct object *o)
{
	struct object *u;
	size_t from = 0;
	int r = 0;

	/* A removal shifts what comes behind it; so from the beginning again. */
	for (; r >= 0 && (u = next_local_user(e->t, o, &from)); from = 0)
		r = u->kind == KIND_MAPPED_LUN ? delete_object(e, u) : clear(e, u, "alua_group");
	return r;
}

static int delete_object(struct editor *e, struct object *o)
{
	_cleanup_free_ char *path = object_path(o);

	if (leave_local_users(e, o) < 0)
		return -ENOMEM;
	while (o->n_children)
		if (delete_object(e, o->children[0]) < 0)
			return -ENOMEM;
	while (o->parent->kind == KIND_ROOT) {
		struct users u = tree_users(e->t, o->kind, o->name);

		if (!u.n)
			break;
		if (leave_user(e, u.items[0], o) < 0)
			return -ENOMEM;
	}
	if (!path || touch(e, path) < 0)
		return oom(e);
	object_remove(o);
	return 0;
}

static int edit_delete(struct editor *e, const char *path)
{
	struct object *o = tree_find(e->t, path);

	if (!o)
		return cfg_errors_add(e->errs, ENOENT, path, NULL, e->edit->place, "does not exist");
	if (!e->edit->recursive) {
		int r = refuse_delete(e, o, path);

		if (r < 0)
			return r;
	}
	return delete_object(e, o);
}

/* ---- the whole ---- */

static int edit_one(struct editor *e)
{
	_cleanup_path_ struct path p = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *path = NULL;

	if (path_parse(e->edit->path, &p, NULL, &err) < 0) {
		cfg_error_at(&err, NULL, NULL, e->edit->place);
		return cfg_errors_take(e->errs, &err);
	}
	if (!p.depth)
		return cfg_errors_add(e->errs, EINVAL, NULL, NULL, e->edit->place, "a path is missing");
	path = path_text(&p);
	if (!path)
		return oom(e);
	switch (e->edit->verb) {
	case EDIT_CREATE:
		return edit_create(e, path);
	case EDIT_SET:
		return edit_set(e, path);
	case EDIT_DELETE:
		return edit_delete(e, path);
	}
	return -EINVAL;
}

/* Removals first, children before parents (paths backwards: a child's path is longer); then what is made or altered, parents first. */
static int collect(struct editor *e, struct changes *ret)
{
	size_t n = strv_len(e->touched);
	int r = 0;

	strv_sort_unique(e->touched);
	for (size_t i = n; r >= 0 && i--;) {
		struct object *before = map_get(e->before, e->touched[i]);

		if (before != &absent_marker && !tree_find(e->t, e->touched[i]))
			r = changes_append(ret, e->touched[i], before, NULL);
	}
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct object *before = map_get(e->before, e->touched[i]);
		const struct object *after = tree_find(e->t, e->touched[i]);

		if (before == &absent_marker)
			before = NULL;
		if (after && !(before && object_values_equal(before, after)))
			r = changes_append(ret, e->touched[i], before, after);
	}
	return r;
}

/* Back to what was before: what is new goes first, so that nothing is below what goes. */
static int restore(struct editor *e)
{
	size_t n = strv_len(e->touched);
	int r = 0;

	strv_sort_unique(e->touched);
	for (size_t i = n; i--;) {
		struct object *o = tree_find(e->t, e->touched[i]);

		if (o && map_get(e->before, e->touched[i]) == &absent_marker)
			object_remove(o);
	}
	for (size_t i = 0; i < n; i++) {
		struct object *before = map_get(e->before, e->touched[i]), *o;

		if (before == &absent_marker)
			continue;
		o = tree_find(e->t, e->touched[i]);
		if ((!o && tree_add(e->t, e->touched[i], &o) < 0) || object_assign(o, before) < 0)
			r = -ENOTRECOVERABLE;
		object_free(before);
	}
	return r;
}

int edits_to_changes(struct tree *t, const struct edits *edits, struct changes *ret, struct cfg_errors *errs)
{
	struct editor e = { .t = t, .errs = errs, .before = map_new(), .made = edits->made };
	int r = 0, lost;

	if (!e.before)
		return oom(&e);
	for (size_t i = 0; i < edits->n; i++) {
		e.edit = &edits->items[i];
		if (edit_one(&e) < 0)
			r = -EINVAL;
	}
	if (r >= 0 && collect(&e, ret) < 0)
		r = oom(&e);
	lost = restore(&e);
	map_free(e.before);
	strv_free(e.touched);
	if (lost < 0)
		r = lost;
	else if (r < 0 && errs->no_memory)
		r = -ENOMEM;
	if (r < 0)
		changes_done(ret);
	return r;
}
