/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people write them: checked, part by part, with a message that says which part is wrong and what could stand there. */
#include <errno.h>

#include "base/text.h"
#include "model/backend.h"
#include "model/names.h"
#include "model/object.h"

/* The next part of a path in a buffer; names hold no slash. NULL at the end. */
static char *next_part(char **at)
{
	char *part = *at, *slash;

	if (!part)
		return NULL;
	slash = strchr(part, '/');
	if (slash)
		*slash++ = 0;
	*at = slash;
	return part;
}

int path_cut(enum kind parent, char **at, enum kind *ret_kind, const char **ret_name)
{
	const char *part = *at && **at ? next_part(at) : NULL;

	if (!part)
		return 0;
	*ret_kind = kind_from_collection(parent, part);
	if (*ret_kind == KIND_MAX) {
		*ret_kind = kind_direct_child(parent);
		*ret_name = part;
	} else {
		*ret_name = kind_info(*ret_kind)->singleton ? "" : next_part(at);
	}
	/* Nothing follows a slash at the end. */
	return *ret_kind != KIND_MAX && *ret_name && !(*at && !**at) ? 1 : -EINVAL;
}

enum kind path_kind(const char *path)
{
	char copy[OBJECT_PATH_MAX], *at = copy;
	enum kind kind = KIND_ROOT;
	const char *name;
	int r;

	if (strlen(path) >= sizeof(copy))
		return KIND_MAX;
	strcpy(copy, path);
	while ((r = path_cut(kind, &at, &kind, &name)) != 0)
		if (r < 0)
			return KIND_MAX;
	return kind;
}

const char *path_parent_in(const char *path, char buf[OBJECT_PATH_MAX])
{
	const char *last = strrchr(path, '/');
	size_t len = last ? (size_t)(last - path) : 0;
	enum kind kind;

	if (len >= OBJECT_PATH_MAX)
		len = 0;
	memcpy(buf, path, len);
	buf[len] = 0;
	kind = path_kind(buf);
	/* "backends/B/bridge" and "targets/iscsi/IQN" end with one part, all else with two. */
	if (kind != KIND_MAX && kind != KIND_ROOT &&
	    (kind_direct_child(kind) != KIND_MAX || kind_from_collection(kind, last + 1) != KIND_MAX))
		return buf;
	while (last && last > path && *--last != '/')
		;
	buf[last && *last == '/' ? (size_t)(last - path) : 0] = 0;
	return buf;
}

char *path_parent(const char *path)
{
	char buf[OBJECT_PATH_MAX];

	return strdup(path_parent_in(path, buf));
}

/* Of the part behind those that are in b already. */
static int add_kernel_part(struct strbuf *b, const struct tree *t, const struct object **o, enum kind kind, const char *name)
{
	const struct kind_info *info = kind_info(kind);
	const struct object *parent = *o;
	_cleanup_free_ char *bridge = NULL;
	const char *storage;

	*o = *o ? object_child(*o, kind, name) : NULL;
	switch (kind) {
	case KIND_BACKEND:
		storage = *o ? object_get(*o, "storage_object") : NULL;
		if (!storage)
			return -ENOENT;
		strbuf_add_all(b, info->kernel, "/", storage, NULL);
		return 0;
	case KIND_BRIDGE:
		/* It stands beside its backend in the kernel, not below it. */
		bridge = parent ? backend_bridge_name(parent) : NULL;
		if (!bridge)
			return -ENOENT;
		b->len = 0;
		strbuf_add_all(b, info->kernel, "/", bridge, NULL);
		return 0;
	default:
		strbuf_add_all(b, b->len && *info->kernel ? "/" : "", info->kernel, NULL);
		if (!info->singleton)
			strbuf_add_all(b, "/", info->prefix ? info->prefix : "", name, NULL);
		return 0;
	}
}

char *path_to_kernel(const struct tree *t, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const struct object *o = t ? tree_root(t) : NULL;
	enum kind kind = KIND_ROOT, next;
	const char *name, *rest = path;
	char *at = copy;

	while (copy && path_cut(kind, &at, &next, &name) > 0) {
		kind = next;
		if (add_kernel_part(&b, t, &o, kind, name) < 0)
			return NULL;
		rest = at ? path + (at - copy) : "";
	}
	if (!copy || kind == KIND_ROOT)
		return NULL;
	if (*rest)
		strbuf_add_all(&b, "/", rest, NULL);
	return strbuf_steal(&b);
}

void path_done(struct path *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->name); i++)
		free(p->name[i]);
	*p = (struct path){ 0 };
}

static int no_such_collection(enum kind parent, const char *text, const char *collection, struct cfg_error *err)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *known = NULL;

	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
		if (kind_info(k)->parent == parent && !kind_info(k)->internal)
			strbuf_addf(&b, "%s%s", b.len ? ", " : "", kind_info(k)->collection);
	known = strbuf_steal(&b);
	return cfg_error_set(err, EINVAL, "%.300s: there is no \"%.80s\" here, but %s", text, collection,
			     known && *known ? known : "nothing");
}

/* One collection and name; 1: goes on, 0: the path ends. */
static int parse_step(struct path *p, char **at, const char *text, enum kind *ret_collection, struct cfg_error *err)
{
	enum kind parent = p->depth ? p->kind[p->depth - 1] : KIND_ROOT;
	const char *collection = next_part(at), *name;
	enum kind kind = kind_from_collection(parent, collection);
	char *canonical;
	bool direct = kind == KIND_MAX && kind_direct_child(parent) != KIND_MAX;
	int r;

	if (direct)
		kind = kind_direct_child(parent);
	if (kind == KIND_MAX || kind_info(kind)->internal || p->depth == ARRAY_SIZE(p->kind))
		return no_such_collection(parent, text, collection, err);
	if (kind_info(kind)->singleton) {
		canonical = strdup("");
	} else {
		name = direct ? collection : next_part(at);
		if (!name || !*name) {
			if (!ret_collection || *at)
				return cfg_error_set(err, EINVAL, "%.300s: a name is missing behind %s", text,
						     kind_info(kind)->collection);
			*ret_collection = kind;
			return 0;
		}
		r = name_parse(kind, name, &canonical, err);
		if (r < 0) {
			cfg_error_wrap(err, "%.300s", text);
			return r;
		}
	}
	if (!canonical)
		return cfg_error_oom(err);
	p->kind[p->depth] = kind;
	p->name[p->depth++] = canonical;
	return *at != NULL;
}

int path_parse(const char *text, struct path *ret, enum kind *ret_collection, struct cfg_error *err)
{
	_cleanup_path_ struct path p = { 0 };
	_cleanup_free_ char *copy = strdup(text);
	char *at = copy;
	int r = 1;

	if (!copy)
		return cfg_error_oom(err);
	if (ret_collection)
		*ret_collection = KIND_MAX;
	while (*text && r > 0)
		r = parse_step(&p, &at, text, ret_collection, err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct path){ 0 };
	return 0;
}

char *path_text(const struct path *p)
{
	struct strbuf b = { 0 };

	for (unsigned i = 0; i < p->depth; i++) {
		const struct kind_info *info = kind_info(p->kind[i]);

		strbuf_add_all(&b, i ? "/" : "", info->collection, info->singleton || info->direct ? "" : "/",
			       info->singleton ? "" : p->name[i], NULL);
	}
	return strbuf_steal(&b);
}

bool path_is_within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == 0 || path[n] == '/');
}
