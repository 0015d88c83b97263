/* SPDX-License-Identifier: Apache-2.0 */
/* What a change has to claim for what it touches, and for what that stands on. */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/element.h"
#include "kernel/gather.h"
#include "model/keys.h"

/* "ports/1/subsystems/NQN" -> "ports/1/subsystems": what there is of the edges of one holder. */
static char *path_dirname(const char *edge)
{
	return strndup(edge, (size_t)(strrchr(edge, '/') - edge));
}

/* The stronger of two claims on a key stays. */
static void claim(struct gather *g, bool exclusive, const char *prefix, const char *key)
{
	_cleanup_free_ char *full = key ? strjoin(prefix, key, NULL) : NULL;
	const char *had = full ? map_get(g->elements, full) : NULL;

	if (g->r < 0 || (had && *had == 'x'))
		return;
	g->r = full ? map_put(g->elements, full, (void *)(exclusive ? "x" : "s")) : -ENOMEM;
}

static const struct change *find_change(const struct map *by_path, const char *path)
{
	return map_get(by_path, path);
}

static void claim_parent(struct gather *g, const char *path)
{
	_cleanup_free_ char *parent = path_parent(path);

	if (parent && *parent)
		claim(g, false, "=", parent);
}

#define BRIDGES_FABRIC "targets/loopback"

static int append_path(char ***list, char *path)
{
	int r = path ? strv_append(list, path) : -ENOMEM;

	free(path);
	return r;
}

static char *ancestor(const char *path, unsigned steps)
{
	char *at = strdup(path);

	for (; at && steps; steps--) {
		char *above = path_parent(at);

		free(at);
		at = above;
	}
	return at;
}

/* What is called by a name or number that only means something where the object stands. */
static int append_near(const char *path, const struct object *o, char ***ret)
{
	const char *lun = o->kind == KIND_MAPPED_LUN ? object_get(o, "lun") : NULL;
	const char *backend = o->kind == KIND_LUN ? object_get(o, "backend") : NULL, *group = backend ? object_get(o, "alua_group") : NULL;
	_cleanup_free_ char *tpg = lun ? ancestor(path, 2) : NULL;

	if (lun)
		return tpg ? append_path(ret, strf("%s/luns/%s", tpg, lun)) : -ENOMEM;
	return group ? append_path(ret, strf("backends/%s/alua_groups/%s", backend, group)) : 0;
}

/* What the object at path refers to, and has to stay as it is with it. */
static int append_references(const char *path, const struct object *o, char ***ret)
{
	int r = append_near(path, o, ret);
	const struct attr_row *row;
	size_t at = 0;

	while (r >= 0 && (row = object_next_row(o, o, &at)))
		if (row->type == ATTR_REF)
			r = append_path(ret, strjoin(kind_info(row->ref)->collection, "/", object_get_row(o, row), NULL));
	return r;
}

/* Numbers of a backend's alua_groups are given by looking at the others; NVMe serves a device once. */
static int append_own(const char *path, const struct object *o, char ***ret)
{
	const char *backend = o->kind == KIND_NAMESPACE || o->kind == KIND_SUBSYSTEM ? object_get(o, "backend") : NULL;

	if (backend)
		return append_path(ret, strjoin("nvme:backends/", backend, NULL));
	return o->kind == KIND_ALUA_GROUP ? append_path(ret, strf("tg_pt_gp_id:%.*s", (int)(strrchr(path, '/') - path), path)) : 0;
}

static int append_keys(const char *path, const struct object *o, char ***ret)
{
	_cleanup_strv_ char **keys = NULL;
	int r = object_keys(o, &keys);

	if (r >= 0)
		r = strv_extend(ret, keys);
	return r < 0 ? r : append_own(path, o, ret);
}

static int append_all_of(const struct map *by_path, const char *path, bool after, char ***ret)
{
	const struct change *c = map_get(by_path, path);
	const struct object *both[] = { c ? c->before : NULL, c && after ? c->after : NULL };
	int r = strv_append(ret, path);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(both); i++) {
		if (!both[i])
			continue;
		r = append_keys(path, both[i], ret);
		if (r >= 0)
			r = append_references(path, both[i], ret);
	}
	return r;
}

int kernel_stands_on(const char *text, const struct map *by_path, bool after, char ***ret)
{
	_cleanup_element_ struct element e = { 0 };
	_cleanup_strv_ char **list = NULL;
	_cleanup_free_ char *path = NULL;
	int r = append_all_of(by_path, text, after, &list);

	if (r >= 0 && element_parse(text, &e) >= 0 && e.edge) {
		r = append_path(&list, path_dirname(text));
		if (r >= 0)
			r = append_all_of(by_path, e.far, after, &list);
		if (r >= 0)
			r = append_all_of(by_path, e.object, after, &list);
	}
	if (r >= 0 && e.object && e.kind == KIND_BRIDGE)
		r = append_all_of(by_path, BRIDGES_FABRIC, after, &list);
	path = e.object ? strdup(e.object) : strdup(text);
	while (r >= 0 && path && *path) {
		char *parent = path_parent(path);

		free(path);
		path = parent;
		if (!path)
			r = -ENOMEM;
		else if (*path)
			r = append_all_of(by_path, path, after, &list);
	}
	*ret = r >= 0 ? steal_ptr(list) : NULL;
	return r;
}

/* What refers to something needs it to be there, and to be as it is. */
static void claim_references(struct gather *g, const char *path, const struct object *o)
{
	_cleanup_strv_ char **paths = NULL;

	if (g->r >= 0 && append_references(path, o, &paths) < 0)
		g->r = -ENOMEM;
	for (char **p = paths; p && *p; p++) {
		claim(g, false, "=", *p);
		claim(g, false, "", *p);
	}
}

/* What an object must fit beside what refers to it: each is looked at with the other one as it is. */
static void claim_fit(struct gather *g, const struct change *c)
{
	const struct object *some = c->after ? c->after : c->before;
	_cleanup_free_ char *parent = path_parent(c->path);

	if (!parent)
		g->r = -ENOMEM;
	else if (some->kind == KIND_ALUA_GROUP)
		claim(g, false, "", parent);
	else if (some->kind == KIND_ACL && c->after)
		claim(g, false, "authentication:", parent);
	else if (some->kind == KIND_TPG && c->before && c->after && row_changed(c, attr_find(KIND_TPG, "authentication")))
		claim(g, true, "authentication:", c->path);
	else if (some->kind == KIND_SUBSYSTEM && !c->before)
		claim(g, false, "", "nvmet");
}

/* ANA groups that are nobody's own may be in use by many, but not be a backend's. */
static void claim_ana_group(struct gather *g, const struct object *o)
{
	const char *number = o && o->kind == KIND_ANA_GROUP ? o->name : o && o->kind == KIND_NAMESPACE ? object_get(o, "ana_grpid") : NULL;
	struct key k;

	if (number && !streq(number, "1"))
		claim(g, false, "", key_of_ana_grpid(&k, number));
}

#define ACCESS "access:"

/* Where access states of backends reach hosts depends on namespaces and on who serves them, and what these need on access states. */
static void claim_access_of_backend(struct gather *g, const char *backend)
{
	struct users u = tree_users(g->after, KIND_BACKEND, backend);

	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = u.items[i]->kind == KIND_NAMESPACE ? object_path(u.items[i]->parent) : NULL;

		if (path)
			claim(g, true, ACCESS, path);
	}
}

static void claim_access(struct gather *g, const struct change *c)
{
	const struct object *some = c->after ? c->after : c->before, *b[2];
	_cleanup_free_ char *parent = path_parent(c->path);

	if (some->kind == KIND_BACKEND && access_changed(c))
		claim_access_of_backend(g, some->name);
	else if (some->kind == KIND_ALUA_GROUP && parent)
		claim_access_of_backend(g, strchr(parent, '/') + 1);
	for (size_t i = 0; some->kind == KIND_NAMESPACE && i < 2; i++) {
		const struct object *o = i ? c->after : c->before;
		const char *backend = o ? object_get(o, "backend") : NULL;

		if (!backend)
			continue;
		find_backend(g, backend, b);
		if (has_access_state(b[0]) || has_access_state(b[1]))
			claim(g, true, ACCESS, parent);
	}
}

/* What one has and the other has not. */
static void claim_keys_besides(struct gather *g, char *const *keys, char *const *others)
{
	for (; keys && *keys; keys++)
		if (!strv_contains(others, *keys))
			claim(g, true, "", *keys);
}

/* What the object goes on holding, nobody else can have: only what it takes or gives up has to be waited for. */
static void claim_keys(struct gather *g, const struct change *c)
{
	_cleanup_strv_ char **before = NULL, **after = NULL;

	if ((c->before && append_keys(c->path, c->before, &before) < 0) || (c->after && append_keys(c->path, c->after, &after) < 0))
		g->r = -ENOMEM;
	claim_keys_besides(g, before, after);
	claim_keys_besides(g, after, before);
	if (c->before)
		claim_references(g, c->path, c->before);
	if (c->after)
		claim_references(g, c->path, c->after);
}

/* The kernel has either hosts that are allowed, or allows any. */
static void claim_hosts(struct gather *g, const struct change *c)
{
	const struct attr_row *any = attr_find(KIND_SUBSYSTEM, "allow_any_host"), *hosts = attr_find(KIND_SUBSYSTEM, "allowed_hosts");
	_cleanup_free_ char *list = NULL;

	if (!c->before || !c->after || c->before->kind != KIND_SUBSYSTEM || !row_changed(c, any))
		return;
	list = strf("%s/%s", c->path, hosts->file);
	claim(g, true, "", list);
}

static void claim_element(struct gather *g, const char *text, const struct map *changes, const struct scope *s)
{
	_cleanup_element_ struct element e = { 0 };
	const struct change *c;
	bool whole;

	g->r = element_parse(text, &e);
	if (g->r < 0)
		return;
	if (e.edge) {
		_cleanup_free_ char *list = path_dirname(text);

		claim(g, true, "", text);
		claim(g, false, "", list);
		if (e.kind == KIND_PORT)
			claim(g, false, ACCESS, e.far);
		claim(g, false, "=", e.object);
		claim(g, false, "=", e.far);
		return;
	}
	/* Bridges stand in the fabric's folder, and the last one takes it away. */
	if (e.kind == KIND_BRIDGE)
		claim(g, false, "=", BRIDGES_FABRIC);
	c = find_change(changes, text);
	whole = !c || !c->before || !c->after || strv_contains(s->folders, text);
	claim(g, whole, "=", text);
	claim(g, true, "", text);
	claim_parent(g, text);
}

int kernel_claims(const struct tree *after, const struct changes *c, const struct scope *s, char *const *more, char ***ret)
{
	_cleanup_(map_freep) struct map *by_path = map_new();
	struct gather g;
	struct map_iter it = { 0 };

	*ret = NULL;
	if (gather_init(&g) < 0 || !by_path)
		g.r = -ENOMEM;
	g.after = after;
	g.by_path = by_path;
	for (size_t i = 0; g.r >= 0 && i < c->n; i++) {
		g.r = map_put(by_path, c->items[i]->path, c->items[i]);
		claim_keys(&g, c->items[i]);
		claim_hosts(&g, c->items[i]);
		claim_fit(&g, c->items[i]);
		claim_ana_group(&g, c->items[i]->before);
		claim_ana_group(&g, c->items[i]->after);
	}
	for (size_t i = 0; g.r >= 0 && i < c->n; i++)
		claim_access(&g, c->items[i]);
	for (; more && *more; more++)
		claim(&g, **more == 'x', "", *more + 2);
	for (char **e = s->elements; g.r >= 0 && e && *e; e++)
		claim_element(&g, *e, by_path, s);
	*ret = g.r >= 0 ? calloc(map_len(g.elements) + 1, sizeof(**ret)) : NULL;
	if (!*ret && g.r >= 0)
		g.r = -ENOMEM;
	for (size_t n = 0; g.r >= 0 && map_next(g.elements, &it); n++) {
		(*ret)[n] = strjoin(it.value, " ", it.key, NULL);
		if (!(*ret)[n])
			g.r = -ENOMEM;
	}
	map_free(g.elements);
	map_free(g.folders);
	if (g.r < 0)
		*ret = strv_free(*ret);
	return g.r;
}
