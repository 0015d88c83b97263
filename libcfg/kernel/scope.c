/* SPDX-License-Identifier: Apache-2.0 */
/* What a change touches in the kernel's trees. What it has to claim for that is in claims.c. */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/element.h"
#include "kernel/gather.h"
#include "model/access.h"
#include "model/backend.h"

void scope_done(struct scope *s)
{
	strv_free(s->elements);
	strv_free(s->folders);
	*s = (struct scope){ 0 };
}

int gather_init(struct gather *g)
{
	*g = (struct gather){ .elements = map_new(), .folders = map_new() };
	return g->elements && g->folders ? 0 : -ENOMEM;
}

static void put(struct gather *g, struct map *m, const char *text)
{
	if (g->r >= 0)
		g->r = text ? map_put(m, text, g) : -ENOMEM;
}

static int to_strv(const struct map *m, char ***ret)
{
	struct map_iter it = { 0 };
	size_t n = 0;

	if (!map_len(m))
		return 0;
	*ret = calloc(map_len(m) + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	while (map_next(m, &it)) {
		(*ret)[n] = strdup(it.key);
		if (!(*ret)[n++])
			return -ENOMEM;
	}
	strv_sort_unique(*ret);
	return 0;
}

static int gather_end(struct gather *g, struct scope *ret)
{
	if (g->r >= 0)
		g->r = to_strv(g->elements, &ret->elements);
	if (g->r >= 0)
		g->r = to_strv(g->folders, &ret->folders);
	map_free(g->elements);
	map_free(g->folders);
	if (g->r < 0)
		scope_done(ret);
	return g->r;
}

static void put_edge(struct gather *g, const char *holder, const struct attr_row *row, const char *name)
{
	_cleanup_free_ char *edge = edge_path(holder, row, name);

	put(g, g->elements, edge);
}

/* Edges that the object has in one of the two states, and not in the other. */
static void put_edges_unlike(struct gather *g, const char *path, const struct attr_row *row, const struct object *o, const struct object *other)
{
	char *const *names = o ? object_get_list(o, row) : NULL, *const *others = other ? object_get_list(other, row) : NULL;
	const char *name;

	while ((name = strv_next_besides(&names, &others)))
		put_edge(g, path, row, name);
}

/* Edges that others hold to an object: ports to a subsystem, subsystems to a host. */
static void put_edges_to(struct gather *g, const struct tree *t, const struct object *o)
{
	struct users u = tree_users(t, o->kind, o->name);

	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *holder = object_path(u.items[i]);

		attr_foreach(row, u.items[i]->kind)
			if (attr_is_links(row) && row->ref == o->kind && holder && object_lists(u.items[i], row, o->name))
				put_edge(g, holder, row, o->name);
	}
}

static void put_bridge(struct gather *g, const char *backend)
{
	_cleanup_free_ char *path = strf("backends/%s/bridge", backend);

	put(g, g->elements, path);
}

/* ---- the groups that access states make ---- */

static const struct change *change_of_backend(const struct gather *g, const char *backend)
{
	_cleanup_free_ char *path = strjoin("backends/", backend, NULL);

	return path && g->by_path ? map_get(g->by_path, path) : NULL;
}

void find_backend(const struct gather *g, const char *name, const struct object *ret[2])
{
	const struct change *c = change_of_backend(g, name);

	ret[1] = object_child(tree_root(g->after), KIND_BACKEND, name);
	ret[0] = c ? c->before : ret[1];
}

bool has_access_state(const struct object *backend)
{
	return backend && object_get(backend, "access_state");
}

static void put_access_group(struct gather *g, const char *backend)
{
	_cleanup_free_ char *path = strf("backends/%s/alua_groups/" ACCESS_GROUP, backend);
	const struct object *b[2];

	find_backend(g, backend, b);
	if (has_access_state(b[0]) || has_access_state(b[1]))
		put(g, g->elements, path);
}

/* The ANA groups of the port that the backend has, or had, to itself. */
static void put_ana_groups(struct gather *g, const char *port, const char *backend)
{
	const struct object *b[2];

	find_backend(g, backend, b);
	for (size_t i = 0; i < ARRAY_SIZE(b); i++) {
		const char *number = has_access_state(b[i]) ? object_get(b[i], "ana_grpid") : NULL;
		_cleanup_free_ char *path = number ? strf("ports/%s/ana_groups/%s", port, number) : NULL;

		if (number)
			put(g, g->elements, path);
	}
}

/* The same of all ports that serve the subsystem, or did. */
static void put_ana_groups_of(struct gather *g, const char *nqn, const char *backend)
{
	struct users u = tree_users(g->after, KIND_SUBSYSTEM, nqn);
	const struct object *b[2];

	find_backend(g, backend, b);
	if (!has_access_state(b[0]) && !has_access_state(b[1]))
		return;
	for (size_t i = 0; i < u.n; i++)
		put_ana_groups(g, u.items[i]->name, backend);
	for (size_t i = 0; g->changes && i < g->changes->n; i++) {
		const struct change *c = g->changes->items[i];

		if (c->before && c->before->kind == KIND_PORT &&
		    object_lists(c->before, attr_find(KIND_PORT, "subsystems"), nqn))
			put_ana_groups(g, c->before->name, backend);
	}
}

static void put_ana_groups_of_backend(struct gather *g, const char *backend)
{
	struct users u = tree_users(g->after, KIND_BACKEND, backend);

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i]->kind == KIND_NAMESPACE)
			put_ana_groups_of(g, u.items[i]->parent->name, backend);
}

/* The same of one port that begins or ceases to serve the subsystem. Namespaces that go see to theirs. */
static void put_ana_groups_served(struct gather *g, const char *port, const char *nqn)
{
	const struct object *s = object_child(tree_root(g->after), KIND_SUBSYSTEM, nqn);

	for (size_t i = 0; s && i < object_count(s, KIND_NAMESPACE); i++) {
		const char *backend = object_get(object_nth(s, KIND_NAMESPACE, i), "backend");

		if (backend)
			put_ana_groups(g, port, backend);
	}
}

static void put_access(struct gather *g, const struct object *o)
{
	const char *backend = o->kind == KIND_NAMESPACE || o->kind == KIND_LUN ? object_get(o, "backend") : NULL;
	char *const *subsystems = o->kind == KIND_PORT ? object_get_list(o, attr_find(KIND_PORT, "subsystems")) : NULL;

	if (o->kind == KIND_BACKEND) {
		put_access_group(g, o->name);
		put_ana_groups_of_backend(g, o->name);
	} else if (backend && o->kind == KIND_LUN) {
		put_access_group(g, backend);
	} else if (backend) {
		put_ana_groups_of(g, o->parent->name, backend);
	}
	for (; subsystems && *subsystems; subsystems++)
		put_ana_groups_served(g, o->name, *subsystems);
}

/* ---- objects ---- */

static bool has_shared_backend(const struct tree *t, const struct object *user)
{
	const char *name = object_get(user, "backend");
	const struct object *b = name ? object_child(tree_root(t), KIND_BACKEND, name) : NULL;

	return b && backend_is_shared(t, b);
}

/* An object with all that is below it and all links from and to it. */
static void put_whole(struct gather *g, const struct tree *t, const struct object *o)
{
	if (o->kind != KIND_ROOT) {
		_cleanup_free_ char *path = object_path(o);

		put(g, g->elements, path);
		put(g, g->folders, path);
		attr_foreach(row, o->kind)
			if (attr_is_links(row) && path)
				for (char *const *n = object_get_list(o, row); n && *n; n++)
					put_edge(g, path, row, *n);
		if (o->parent->kind == KIND_ROOT && !kind_info(o->kind)->singleton)
			put_edges_to(g, t, o);
	}
	if (o->kind == KIND_BACKEND && backend_is_shared(t, o))
		put_bridge(g, o->name);
	/* Which disk a namespace has, its bridge tells. */
	if (o->kind == KIND_NAMESPACE && has_shared_backend(t, o))
		put_bridge(g, object_get(o, "backend"));
	put_access(g, o);
	for (size_t i = 0; i < o->n_children; i++)
		put_whole(g, t, o->children[i]);
}

bool row_changed(const struct change *c, const struct attr_row *row)
{
	if (attr_is_list(row))
		return !strv_equal(object_get_list(c->before, row), object_get_list(c->after, row));
	return !streq_ptr(object_get_row(c->before, row), object_get_row(c->after, row));
}

/* A change that the kernel takes only on an object that is made anew, or that nothing is linked to. */
static bool needs_whole(const struct change *c)
{
	if (!c->before || !c->after)
		return false;
	attr_foreach(row, c->after->kind)
		if ((row->moment == ATTR_FRESH || row->moment == ATTR_UNLINKED) && row_changed(c, row))
			return true;
	return false;
}

static bool attrs_changed(const struct change *c)
{
	if (!c->before || !c->after)
		return true;
	attr_foreach(row, c->after->kind)
		if (!attr_is_links(row) && row_changed(c, row))
			return true;
	return false;
}

static void put_backend_users(struct gather *g, const char *backend)
{
	struct users u = tree_users(g->after, KIND_BACKEND, backend);

	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = object_path(u.items[i]);

		put(g, g->elements, path);
	}
}

/* Whether SCSI had the backend before the changes because of a LUN. */
static bool had_lun(const struct gather *g, const char *backend)
{
	struct users u = tree_users(g->after, KIND_BACKEND, backend);

	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = object_path(u.items[i]);
		const struct change *c = path ? map_get(g->by_path, path) : NULL;

		if (u.items[i]->kind == KIND_LUN && (!c || (c->before && streq_ptr(object_get(c->before, "backend"), backend))))
			return true;
	}
	return map_get(g->had_luns, backend);
}

static bool was_shared(const struct gather *g, const char *backend)
{
	const struct object *b[2];

	find_backend(g, backend, b);
	if (!b[0])
		return false;
	return backend_asks_for_sharing(b[0]) || (!streq_ptr(object_get(b[0], "data_path"), "direct") && had_lun(g, backend));
}

/* What becomes a storage object, or was one, has its groups with it. */
static void put_alua_groups(struct gather *g, const struct object *backend)
{
	for (size_t i = 0; i < object_count(backend, KIND_ALUA_GROUP); i++) {
		_cleanup_free_ char *path = object_path(object_nth(backend, KIND_ALUA_GROUP, i));

		put(g, g->elements, path);
	}
	put_access_group(g, backend->name);
}

/* What a backend that SCSI begins or ceases to serve, or that it serves under a new user, drags along. */
static void put_backend_of(struct gather *g, const struct object *user)
{
	const char *backend = user ? object_get(user, "backend") : NULL;
	const struct object *b = backend ? object_child(tree_root(g->after), KIND_BACKEND, backend) : NULL;
	_cleanup_free_ char *path = backend ? strf("backends/%s", backend) : NULL;
	bool is = b && backend_is_shared(g->after, b), was;

	if (!backend)
		return;
	was = was_shared(g, backend);
	if (is != was) {
		put(g, g->elements, path);
		put_backend_users(g, backend);
	}
	if (is != was && b)
		put_alua_groups(g, b);
	if (is != was || (is && user->kind == KIND_NAMESPACE))
		put_bridge(g, backend);
}

/* A LUN that links to something else kills what is mapped to it (kernel-abi, trap 23): that is made anew with it. */
static void put_mapped_luns(struct gather *g, const struct object *lun)
{
	for (size_t i = 0; i < object_count(lun->parent, KIND_ACL); i++) {
		const struct object *acl = object_nth(lun->parent, KIND_ACL, i);

		for (size_t k = 0; k < object_count(acl, KIND_MAPPED_LUN); k++) {
			const struct object *mapped = object_nth(acl, KIND_MAPPED_LUN, k);
			_cleanup_free_ char *path = streq_ptr(object_get(mapped, "lun"), lun->name) ? object_path(mapped) : NULL;

			if (path)
				put(g, g->elements, path);
		}
	}
}

bool access_changed(const struct change *c)
{
	return !c->before || !c->after || !streq_ptr(object_get(c->before, "access_state"), object_get(c->after, "access_state")) ||
	       !streq_ptr(object_get(c->before, "ana_grpid"), object_get(c->after, "ana_grpid"));
}

static void put_change_of_backend(struct gather *g, const struct change *c, const struct object *o)
{
	const char *name = c->after ? c->after->name : c->before->name;
	bool is = o && backend_is_shared(g->after, o), was = was_shared(g, name);

	if (o && c->before)
		put_backend_users(g, name);
	if (was || is)
		put_bridge(g, name);
	if (o && was != is)
		put_alua_groups(g, o);
	if (access_changed(c)) {
		put_access_group(g, name);
		put_ana_groups_of_backend(g, name);
	}
}

/* LUNs go offline with their group. */
static void put_luns_in(struct gather *g, const char *backend, const char *group)
{
	struct users u = tree_users(g->after, KIND_BACKEND, backend);

	for (size_t i = 0; i < u.n; i++) {
		bool in = u.items[i]->kind == KIND_LUN && streq_ptr(object_get(u.items[i], "alua_group"), group);
		_cleanup_free_ char *path = in ? object_path(u.items[i]) : NULL;

		if (in)
			put(g, g->elements, path);
	}
}

/* The groups that the object is in, or is to be in; that has a place in the tree, or had. */
static void put_change_of_access(struct gather *g, const struct change *c)
{
	const struct object *some = c->after ? c->after : c->before;
	_cleanup_free_ char *parent = path_parent(c->path), *name = parent ? strdup(strrchr(parent, '/') ? strrchr(parent, '/') + 1 : "") : NULL;

	if (!name) {
		g->r = -ENOMEM;
		return;
	}
	if (some->kind == KIND_ALUA_GROUP) {
		put_ana_groups_of_backend(g, name);
		put_luns_in(g, name, some->name);
	}
	for (size_t i = 0; i < 2; i++) {
		const struct object *o = i ? c->after : c->before;
		const char *backend = o && (o->kind == KIND_NAMESPACE || o->kind == KIND_LUN) ? object_get(o, "backend") : NULL;

		if (backend && o->kind == KIND_LUN)
			put_access_group(g, backend);
		else if (backend)
			put_ana_groups_of(g, name, backend);
	}
}

/* Subsystems that the port serves in one of the two states, and not in the other. */
static void put_ana_groups_unlike(struct gather *g, const struct object *port, const struct object *other)
{
	const struct attr_row *row = attr_find(KIND_PORT, "subsystems");
	char *const *names = port ? object_get_list(port, row) : NULL, *const *others = other ? object_get_list(other, row) : NULL;
	const char *name;

	while ((name = strv_next_besides(&names, &others)))
		put_ana_groups_served(g, port->name, name);
}

static void put_change(struct gather *g, const struct change *c)
{
	const struct object *some = c->after ? c->after : c->before;
	const struct object *o = tree_find(g->after, c->path);

	if (attrs_changed(c))
		put(g, g->elements, c->path);
	attr_foreach(row, some->kind)
		if (attr_is_links(row)) {
			put_edges_unlike(g, c->path, row, c->before, c->after);
			put_edges_unlike(g, c->path, row, c->after, c->before);
		}
	if (o && needs_whole(c))
		put_whole(g, g->after, o);
	if (some->kind == KIND_BACKEND && attrs_changed(c))
		put_change_of_backend(g, c, o);
	if (some->kind == KIND_PORT) {
		put_ana_groups_unlike(g, c->before, c->after);
		put_ana_groups_unlike(g, c->after, c->before);
	}
	if (some->kind == KIND_NAMESPACE || some->kind == KIND_LUN || some->kind == KIND_ALUA_GROUP)
		put_change_of_access(g, c);
	if (some->kind == KIND_NAMESPACE || some->kind == KIND_LUN) {
		put_backend_of(g, c->before);
		put_backend_of(g, c->after);
	}
	if (o && c->before && o->kind == KIND_LUN && !streq_ptr(object_get(c->before, "backend"), object_get(c->after, "backend")))
		put_mapped_luns(g, o);
}

static int index_changes(struct gather *g, const struct changes *c)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->n; i++) {
		const struct object *before = c->items[i]->before;
		const char *backend = before && before->kind == KIND_LUN ? object_get(before, "backend") : NULL;

		r = map_put(g->by_path, c->items[i]->path, c->items[i]);
		if (r >= 0 && backend)
			r = map_put(g->had_luns, backend, g);
	}
	return r;
}

int kernel_scope(const struct tree *after, const struct changes *c, struct scope *ret)
{
	struct gather g;
	int r = gather_init(&g);

	g.after = after;
	g.changes = c;
	g.by_path = map_new();
	g.had_luns = map_new();
	if (r < 0 || !g.by_path || !g.had_luns)
		g.r = -ENOMEM;
	if (g.r >= 0)
		g.r = index_changes(&g, c);
	for (size_t i = 0; g.r >= 0 && i < c->n; i++)
		put_change(&g, c->items[i]);
	map_free(g.by_path);
	map_free(g.had_luns);
	return gather_end(&g, ret);
}

int kernel_scope_object(const struct tree *t, const char *path, struct scope *ret)
{
	const struct object *o = path ? tree_find(t, path) : tree_root(t);
	struct gather g;

	if (gather_init(&g) < 0)
		g.r = -ENOMEM;
	g.after = t;
	if (!path)
		put(&g, g.folders, "");
	else if (!o)
		put(&g, g.elements, path);
	if (o)
		put_whole(&g, t, o);
	return gather_end(&g, ret);
}

