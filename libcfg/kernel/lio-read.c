/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SCSI target as read. Its folders follow the kinds (kind_info()), but for storage objects, which stand below a plugin and are known by
 * where they stand, and for bridges, which stand among the targets of the loopback fabric and belong to a backend.
 */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/backend.h"
#include "model/fabric.h"
#include "model/keys.h"

#define TARGET "target/"
#define CORE "target/core/"
#define LU_GROUPS "target/core/alua/lu_gps/"

bool lio_is_kind(enum kind kind)
{
	switch (kind) {
	case KIND_TARGET_CORE:
	case KIND_LU_GROUP:
	case KIND_BACKEND:
	case KIND_ALUA_GROUP:
	case KIND_BRIDGE:
	case KIND_FABRIC:
	case KIND_TARGET:
	case KIND_TPG:
	case KIND_LUN:
	case KIND_PORTAL:
	case KIND_ACL:
	case KIND_MAPPED_LUN:
		return true;
	default:
		return false;
	}
}

/* ---- what to read ---- */

int lio_scan_all(struct oplist *ret)
{
	/* Storage objects first: what links to them, and which bridge is whose, is told by what they are. */
	int r = oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT, "target", NULL, "target", NULL);

	if (r >= 0)
		r = oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT | OP_RECURSIVE, "target/core", NULL, "backends", NULL);
	fabric_foreach(f) {
		_cleanup_free_ char *path = strf(TARGET "%s", f->name), *object = strf("targets/%s", f->name);

		if (r >= 0)
			r = path && object ? oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT | OP_RECURSIVE, path, NULL, object, NULL) : -ENOMEM;
	}
	return r;
}

/* A storage object says in a file of its own what it is made of, and a fabric's folder leaves something behind. */
static bool is_read_in_full(enum kind kind, bool removes)
{
	return !removes || kind == KIND_BACKEND || kind == KIND_BRIDGE || kind == KIND_FABRIC;
}

int lio_scan_object(struct oplist *ret, const char *path, const char *folder, enum kind kind, bool whole, bool removes)
{
	_cleanup_strv_ char **below = NULL;
	bool recursive = whole || kind == KIND_BRIDGE;
	_cleanup_free_ char *some = is_read_in_full(kind, removes) ? NULL : scan_at_end(kind, "");
	int r = some || is_read_in_full(kind, removes) ? 0 : -ENOMEM;

	if (r >= 0)
		r = oplist_add(ret, some ? OP_SCAN_SOME : OP_SCAN, OP_MAY_BE_ABSENT | (recursive ? OP_RECURSIVE : 0), folder, some, path, NULL);
	/* What is set in its folders goes with it. */
	if (removes && kind != KIND_FABRIC)
		return r;

	attr_foreach(row, kind) {
		const char *slash = row->file ? strrchr(row->file, '/') : NULL;
		_cleanup_free_ char *name = slash ? strndup(row->file, (size_t)(slash - row->file)) : NULL;
		_cleanup_free_ char *sub = name ? strf("%s/%s", folder, name) : NULL;

		if (r < 0 || recursive)
			break;
		if (!slash || strv_contains(below, name))
			continue;
		r = sub ? strv_append(&below, name) : -ENOMEM;
		if (r >= 0)
			r = oplist_add(ret, OP_SCAN, OP_MAY_BE_ABSENT, sub, NULL, path, NULL);
	}
	return r;
}

/* ---- whose it is ---- */

/* Of several with serials that begin alike, only one can have a bridge. */
static const struct object *owner_in(const struct tree *t, const char *key)
{
	struct users u = tree_key_owners(t, key);

	for (size_t i = 0; u.n > 1 && i < u.n; i++)
		if (u.items[i]->kind == KIND_BACKEND && backend_has_bridge(t, u.items[i]))
			return u.items[i];
	return u.n ? u.items[0] : NULL;
}

static const struct object *find_owner(const struct tree *actual, const struct tree *const *names, const char *key)
{
	const struct object *owner = NULL;

	for (; *names && !owner; names++)
		owner = owner_in(*names, key);
	return owner ? owner : owner_in(actual, key);
}

static bool is_taken(const struct tree *t, const char *name)
{
	const struct object *o = object_child(tree_root(t), KIND_BACKEND, name);

	return o && object_get(o, "storage_object");
}

/* Name of the backend that is the storage object "iblock_1/vol0". One that is not known is called as the kernel has it; where a known one is
 * called so already, in a way that no backend of a person can be called. Caller frees. */
static char *backend_name(const struct tree *actual, const struct tree *const *names, const char *storage)
{
	_cleanup_free_ char *key = strf("storage:%s", storage);
	const struct object *owner = key ? find_owner(actual, names, key) : NULL;
	const char *name = strchr(storage, '/');
	bool taken = false;

	if (!key || !name)
		return NULL;
	if (owner)
		return strdup(owner->name);
	for (const struct tree *const *t = names; *t; t++)
		taken |= is_taken(*t, name + 1);
	if (!taken && !is_taken(actual, name + 1))
		return strdup(name + 1);
	return strf("%s@%.*s", name + 1, (int)(name - storage), storage);
}

/* ---- from kernel paths to objects ---- */

struct place {
	char *object;		/* path; NULL: nobody's */
	const char *rest;	/* behind the object's folder; "" for the folder itself */
};

static void place_done(struct place *p)
{
	free(p->object);
}
#define _cleanup_place_ _cleanup_(place_done)

static int place_append(struct place *p, const char *before, const char *name, size_t len)
{
	_cleanup_free_ char *object = p->object;

	p->object = strf("%s%s%.*s", object ? object : "", before, (int)len, name);
	return p->object ? 0 : -ENOMEM;
}

/* A child of the kind at the beginning of a path below its parent's folder: where its name is, and how long. */
static bool match_child(const struct kind_info *info, const char *rest, char type, const char **ret_name, size_t *ret_len)
{
	size_t n = strlen(info->kernel), m = info->prefix ? strlen(info->prefix) : 0;

	if (n) {
		if (strncmp(rest, info->kernel, n) != 0 || rest[n] != '/')
			return false;
		rest += n + 1;
	}
	if (m && strncmp(rest, info->prefix, m) != 0)
		return false;
	*ret_name = rest + m;
	*ret_len = strcspn(*ret_name, "/");
	/* Beside targets stand files and one folder of the fabric. */
	if (info->direct && ((type != 'd' && !(*ret_name)[*ret_len]) || strncmp(rest, "discovery_auth", *ret_len) == 0))
		return false;
	return *ret_len > 0;
}

static int place_below(struct place *p, enum kind kind, char type)
{
	const char *name;
	size_t len;

	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++) {
		const struct kind_info *info = kind_info(k);
		_cleanup_free_ char *before = NULL;

		if (info->parent != kind || info->internal || !match_child(info, p->rest, type, &name, &len))
			continue;
		/* What every backend has by itself. */
		if (k == KIND_ALUA_GROUP && len == strlen("default_tg_pt_gp") && strncmp(name, "default_tg_pt_gp", len) == 0) {
			p->object = (free(p->object), NULL);
			return 0;
		}
		before = info->direct ? strdup("/") : strf("/%s/", info->collection);
		if (!before || place_append(p, before, name, len) < 0)
			return -ENOMEM;
		p->rest = name[len] ? name + len + 1 : name + len;
		return *p->rest ? place_below(p, k, type) : 0;
	}
	return 0;
}

/* Of "rd_mcp_17/ram0": "rd_mcp", by its length; 0 when there is no such thing. */
static size_t plugin_length(const char *storage)
{
	size_t n = strcspn(storage, "/");

	while (n && storage[n] != '_')
		n--;
	return n;
}

static int place_storage(struct place *p, const struct tree *actual, const struct tree *const *names, const char *path, char type)
{
	const char *device = strchr(path, '/');
	size_t plugin = plugin_length(path), n;
	_cleanup_free_ char *storage = NULL, *name = NULL;

	if (!device || !backend_type_of_plugin(path, plugin))
		return 0;
	n = (size_t)(device - path) + 1 + strcspn(device + 1, "/");
	/* The plugin's folder has files of its own. */
	if (!path[n] && type != 'd')
		return 0;
	storage = strndup(path, n);
	name = storage ? backend_name(actual, names, storage) : NULL;
	if (!name || place_append(p, "backends/", name, strlen(name)) < 0)
		return -ENOMEM;
	p->rest = path[n] ? path + n + 1 : path + n;
	return *p->rest ? place_below(p, KIND_BACKEND, type) : 0;
}

static int place_bridge(struct place *p, const struct object *backend, const char *rest)
{
	p->object = (free(p->object), strf("backends/%s/bridge", backend->name));
	p->rest = rest;
	return p->object ? 0 : -ENOMEM;
}

static int place_fabric(struct place *p, const struct tree *actual, const struct tree *const *names, const char *path, char type)
{
	size_t n = strcspn(path, "/"), m;
	_cleanup_free_ char *fabric = strndup(path, n), *wwn = NULL;
	const char *rest = path[n] ? path + n + 1 : path + n;
	const struct object *backend;
	struct key k;

	if (!fabric)
		return -ENOMEM;
	if (!(attr_only_of(fabric) & ONLY_FABRICS))
		return 0;
	if (place_append(p, "targets/", path, n) < 0)
		return -ENOMEM;
	p->rest = rest;
	if (!*rest)
		return 0;
	m = strcspn(rest, "/");
	wwn = strndup(rest, m);
	if (!wwn)
		return -ENOMEM;
	backend = streq(fabric, "loopback") ? find_owner(actual, names, key_of_bridge(&k, wwn)) : NULL;
	if (backend)
		return place_bridge(p, backend, rest[m] ? rest + m + 1 : rest + m);
	return place_below(p, KIND_FABRIC, type);
}

static int locate(struct place *p, const struct tree *actual, const struct tree *const *names, const char *path, char type)
{
	size_t n = strlen(LU_GROUPS);

	*p = (struct place){ .rest = "" };
	if (strncmp(path, LU_GROUPS, n) == 0) {
		size_t m = strcspn(path + n, "/");

		if (m == strlen("default_lu_gp") && strncmp(path + n, "default_lu_gp", m) == 0)
			return 0;
		p->rest = path[n + m] ? path + n + m + 1 : path + n + m;
		return place_append(p, "lu_groups/", path + n, m);
	}
	if (strncmp(path, CORE, strlen(CORE)) == 0)
		return place_storage(p, actual, names, path + strlen(CORE), type);
	if (strncmp(path, TARGET, strlen(TARGET)) != 0)
		return 0;
	path += strlen(TARGET);
	if (type != 'd' && !strchr(path, '/')) {
		p->object = strdup("target");
		p->rest = path;
		return p->object ? 0 : -ENOMEM;
	}
	return place_fabric(p, actual, names, path, type);
}

/* ---- values ---- */

/* What a storage object is made of stands in a text for people: "UDEV PATH: /dev/vdb  readonly: 0". */
static int take_info(struct object *o, const char *text)
{
	static const struct { const char *attr, *from, *to; } parts[] = {
		{ "device", "UDEV PATH: ", "  readonly" }, { "path", "File: ", "  Size: " }, { "dev_config", "Config: ", " Size: " },
	};
	unsigned long long pages, page_size;
	const char *makeup;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++) {
		const struct attr_row *row = attr_find(KIND_BACKEND, parts[i].attr);
		const char *from = strstr(text, parts[i].from), *to;
		_cleanup_free_ char *value = NULL;

		if (!from || !object_has_row(o, row))
			continue;
		from += strlen(parts[i].from);
		to = strstr(from, parts[i].to);
		value = to ? strndup(from, (size_t)(to - from)) : NULL;
		r = value && *value ? object_set(o, row, value) : 0;
	}
	makeup = strstr(text, "PAGES/PAGE_SIZE: ");
	if (r >= 0 && makeup && sscanf(makeup, "PAGES/PAGE_SIZE: %llu*%llu", &pages, &page_size) == 2) {
		_cleanup_free_ char *size = strf("%llu", pages * page_size);

		r = size ? object_set(o, attr_find(KIND_BACKEND, "size"), size) : -ENOMEM;
	}
	return r;
}

static int take_value(struct object *o, const char *file, const char *text)
{
	const struct attr_row *row = attr_find_file(o->kind, file);
	_cleanup_free_ char *value = NULL;
	int r;

	if (o->kind == KIND_BRIDGE)
		return streq(file, "tpgt_1/lun/lun_0/disk") ? object_set_attr(o, "disk", text) : 0;
	if (o->kind == KIND_BACKEND && streq(file, "info"))
		return take_info(o, text);
	/* Attributes of a newer kernel than we know are nobody's business here. */
	if (!row || !object_has_row(o, row))
		return 0;
	r = attr_from_kernel(row, text, &value);
	if (r == -EINVAL)
		return 0;
	return r < 0 ? r : object_set(o, row, value);
}

static int take_link(struct object *o, const struct tree *actual, const struct tree *const *names, const char *rest, const char *to)
{
	const char *storage = strncmp(to, CORE, strlen(CORE)) == 0 ? to + strlen(CORE) : NULL, *lun = strstr(to, "/lun/lun_");
	_cleanup_free_ char *name = NULL;
	int r;

	if (o->kind == KIND_BRIDGE)
		return storage ? object_set_attr(o, "storage", storage) : 0;
	if (o->kind == KIND_LUN && storage) {
		name = backend_name(actual, names, storage);
		r = name ? object_set_attr(o, "backend", name) : -ENOMEM;
	} else if (o->kind == KIND_MAPPED_LUN && lun) {
		r = object_set_attr(o, "lun", lun + strlen("/lun/lun_"));
	} else {
		return 0;
	}
	return r < 0 ? r : object_set_attr(o, "link", rest);
}

/* ---- absorbing ---- */

/* A storage object is what its place says, whether or not anything of it could be read. */
static int name_storage(struct object *o, const char *kernel)
{
	const char *storage = kernel + strlen(CORE), *device;
	_cleanup_free_ char *text = NULL;
	int r;

	while (o->kind != KIND_BACKEND)
		o = o->parent;
	if (object_get(o, "storage_object"))
		return 0;
	device = strchr(storage, '/');
	text = strndup(storage, (size_t)(device - storage) + 1 + strcspn(device + 1, "/"));
	r = text ? object_set_attr(o, "storage_object", text) : -ENOMEM;
	return r < 0 ? r : object_set_attr(o, "type", backend_type_of_plugin(storage, plugin_length(storage)));
}

/* The same of a bridge, which is told by its name whose it is. */
static int name_bridge(struct object *o, const char *kernel)
{
	const char *wwn = kernel + strlen(TARGET "loopback/");
	_cleanup_free_ char *text = NULL;

	if (object_get(o, "wwn"))
		return 0;
	text = strndup(wwn, strcspn(wwn, "/"));
	return text ? object_set_attr(o, "wwn", text) : -ENOMEM;
}

static int take_entry(struct tree *actual, const struct tree *const *names, const char *path, const struct scan_entry *e)
{
	_cleanup_place_ struct place p = { 0 };
	struct object *o;
	int r = locate(&p, actual, names, path, e->type);

	if (r < 0 || !p.object)
		return r;
	r = target_ensure(actual, p.object, &o);
	if (r >= 0 && (o->kind == KIND_BACKEND || o->kind == KIND_ALUA_GROUP))
		r = name_storage(o, path);
	if (r >= 0 && o->kind == KIND_BRIDGE)
		r = name_bridge(o, path);
	if (r < 0)
		return r;
	if (e->type == 'f' || e->type == 's')
		return take_value(o, p.rest, e->value);
	return e->type == 'l' ? take_link(o, actual, names, p.rest, e->value) : 0;
}

/* What was known of what is read anew. */
static int forget(struct tree *actual, const struct tree *const *names, const struct op *op, bool absent)
{
	_cleanup_place_ struct place p = { 0 };
	struct object *o;
	int r = locate(&p, actual, names, op->path, 'd');

	if (r < 0 || !p.object || *p.rest)
		return r;
	o = tree_find(actual, p.object);
	if (!o)
		return 0;
	if (absent || op->flags & OP_RECURSIVE) {
		object_remove(o);
		return 0;
	}
	attr_foreach(row, o->kind)
		if (r >= 0 && !attr_is_list(row))
			r = object_set(o, row, NULL);
	return r;
}

int lio_absorb(struct tree *actual, const struct tree *const *names, const struct op *op, const char *text)
{
	_cleanup_free_ char *copy = text ? strdup(text) : NULL;
	struct scan_entry e;
	char *at = copy;
	int r = forget(actual, names, op, !text);

	if (r < 0 || !text)
		return r;
	if (!copy)
		return -ENOMEM;
	while ((r = scan_next(&at, &e)) > 0) {
		_cleanup_free_ char *path = *e.path ? strf("%s/%s", op->path, e.path) : strdup(op->path);

		r = path ? take_entry(actual, names, path, &e) : -ENOMEM;
		if (r < 0)
			break;
	}
	return r;
}

static int name_disks(struct tree *actual, struct object *o)
{
	const char *device = o->kind == KIND_NAMESPACE ? object_get(o, "device_path") : NULL;
	_cleanup_free_ char *key = device ? strf("disk:%s", device) : NULL, *disk = NULL;
	struct users u = key ? tree_key_owners(actual, key) : (struct users){ 0 };
	int r = device && !key ? -ENOMEM : 0;

	if (u.n) {
		disk = bridge_disk_of(object_get(u.items[0], "wwn"));
		r = disk ? object_set_attr(o, "device_path", disk) : -ENOMEM;
	}
	for (size_t i = 0; r >= 0 && i < o->n_children; i++)
		r = name_disks(actual, o->children[i]);
	return r;
}

int lio_absorb_disks(struct tree *actual)
{
	return name_disks(actual, tree_root(actual));
}
