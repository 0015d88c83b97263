/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over what someone else made: objects of the kernel's tree that are not ours become wanted as they are. Backends have no
 * object in the kernel; one is made up for each device that an adopted namespace shows.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "kernel/element.h"

struct adopt {
	struct manager *m;
	struct tree *to;	/* the model with what is adopted */
	char *const *paths;
	struct cfg_errors *errs;
};

static bool asked_for(const struct adopt *a, const char *path)
{
	for (char *const *p = a->paths; p && *p; p++)
		if (path_is_within(path, *p))
			return true;
	return !a->paths;
}

static int copy_settable(struct object *to, const struct object *from)
{
	int r = 0;

	attr_foreach(row, from->kind) {
		const char *value = object_get_row(from, row);

		if (attr_is_list(row) || !attr_is_settable(row) || !value)
			continue;
		if (attr_is_secret(row)) {
			r = secrets_refer(to, row);
			if (r < 0)
				return r;
			continue;
		}
		if ((row->source == ATTR_CONSTANT && streq_ptr(row->dflt, value)) || row->flags & ATTR_SETTLES)
			continue;
		r = object_set(to, row, value);
		if (r < 0)
			return r;
	}
	return r;
}

/* "/dev/vg0/vol.1" -> "vol.1", with a number behind it if there is one of that name. */
static char *backend_name(const struct tree *t, const char *device)
{
	_cleanup_free_ char *base = strdup(strrchr(device, '/') ? strrchr(device, '/') + 1 : device);

	if (!base || !*base)
		return NULL;
	for (char *c = base; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
			*c = '_';
	for (unsigned i = 1;; i++) {
		char *name = i == 1 ? strdup(base) : strf("%s-%u", base, i);

		if (!name || !object_child(tree_root(t), KIND_BACKEND, name))
			return name;
		free(name);
	}
}

static int set_by_name(struct object *o, const char *attr, const char *value)
{
	const struct attr_row *row = attr_find(o->kind, attr);

	return row && value ? object_set(o, row, value) : 0;
}

static int adopt_backend(struct adopt *a, const struct object *ns, char **ret_name)
{
	const char *device = object_get(ns, "device_path"), *nguid = object_get(ns, "device_nguid");
	bool block = device && strncmp(device, "/dev/", 5) == 0;
	_cleanup_free_ char *name = NULL;
	struct object *o;
	int r;

	if (!device || *device != '/') {
		_cleanup_free_ char *path = object_path(ns);

		return cfg_errors_add(a->errs, EINVAL, path, "device_path", NULL,
				      "names no device that could become a backend");
	}
	name = backend_name(a->to, device);
	if (!name)
		return -ENOMEM;
	r = object_add(tree_root(a->to), KIND_BACKEND, name, &o);
	if (r >= 0)
		r = set_by_name(o, "type", block ? "block" : "file");
	if (r >= 0)
		r = set_by_name(o, block ? "device" : "path", device);
	if (r >= 0)
		r = set_by_name(o, "uuid", object_get(ns, "device_uuid"));
	/* None is none: one that was made now would make another disk of it. */
	if (r >= 0)
		r = set_by_name(o, "nguid", nguid ? nguid : "00000000-0000-0000-0000-000000000000");
	if (r >= 0 && streq_ptr(object_get(ns, "buffered_io"), "1"))
		r = set_by_name(o, "buffered_io", "1");
	if (r >= 0)
		r = object_generate(o);
	if (r >= 0)
		*ret_name = steal_ptr(name);
	return r;
}

/* The controller that a subsystem passes commands to. */
static int adopt_controller(struct adopt *a, const struct object *subsystem, char **ret_name)
{
	const char *device = object_get(subsystem, "passthru_path");
	_cleanup_free_ char *name = backend_name(a->to, device);
	struct object *o;
	int r = name ? object_add(tree_root(a->to), KIND_BACKEND, name, &o) : -ENOMEM;

	if (r >= 0)
		r = set_by_name(o, "type", "nvme-passthru");
	if (r >= 0)
		r = set_by_name(o, "device", device);
	if (r >= 0)
		*ret_name = steal_ptr(name);
	return r;
}

static bool passes_on(const struct object *o)
{
	return o->kind == KIND_SUBSYSTEM && streq_ptr(object_get(o, "passthru_enable"), "1") && object_get(o, "passthru_path");
}

/* The backend of what has one, and names it in the kernel by its device. */
static int adopt_backend_of(struct adopt *a, const struct object *from, struct object *o)
{
	_cleanup_free_ char *backend = NULL;
	int r = from->kind == KIND_NAMESPACE ? adopt_backend(a, from, &backend) : adopt_controller(a, from, &backend);

	/* The version is the controller's. */
	if (r >= 0 && from->kind == KIND_SUBSYSTEM)
		r = object_set_attr(o, "version", NULL);
	return r < 0 ? r : set_by_name(o, "backend", backend);
}

static int adopt_object(struct adopt *a, const struct object *from);

static int adopt_children(struct adopt *a, const struct object *from)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < from->n_children; i++)
		r = adopt_object(a, from->children[i]);
	return r;
}

/* The folder of a fabric that has nothing to set: it is there for bridges. */
static bool is_empty_fabric(const struct object *o)
{
	if (o->kind != KIND_FABRIC || o->n_children)
		return false;
	attr_foreach(row, o->kind)
		if (object_get_row(o, row))
			return false;
	return true;
}

/* ANA group 1 is the kernel's own; it is nobody's until it is set to something else. */
static bool is_kernels_own(const struct object *o)
{
	return is_empty_fabric(o) || o->kind == KIND_NVMET || o->kind == KIND_TARGET_CORE || kind_info(o->kind)->internal ||
	       (o->kind == KIND_ANA_GROUP && streq(o->name, "1") && streq_ptr(object_get(o, "ana_state"), "optimized"));
}

static int adopt_object(struct adopt *a, const struct object *from)
{
	_cleanup_free_ char *path = object_path(from);
	_cleanup_element_ struct element e = { 0 };
	struct object *o;
	int r;

	if (!path)
		return -ENOMEM;
	if (tree_find(a->to, path) || is_kernels_own(from) || !asked_for(a, path) ||
	    (element_parse(path, &e) >= 0 && element_is_wanted(a->m->wanted, &e)))
		return adopt_children(a, from);
	r = tree_add(a->to, path, &o);
	if (r == -ENOENT)
		return cfg_errors_add(a->errs, ENOENT, path, NULL, NULL, "is below an object that is not adopted with it");
	if (r >= 0)
		r = copy_settable(o, from);
	if (r >= 0 && (from->kind == KIND_NAMESPACE || passes_on(from)))
		r = adopt_backend_of(a, from, o);
	return r < 0 ? r : adopt_children(a, from);
}

/* Links last, when both their ends are there; of what is ours already, foreign links are adopted too. */
static int adopt_links(struct adopt *a, const struct object *from)
{
	_cleanup_free_ char *path = object_path(from);
	struct object *to = path ? tree_find(a->to, path) : NULL;
	int r = 0;

	if (!path)
		return -ENOMEM;
	if (to && asked_for(a, path))
		attr_foreach(row, from->kind) {
			char *const *n = attr_is_list(row) ? object_get_list(from, row) : NULL;

			for (; r >= 0 && n && *n; n++)
				if (object_child(tree_root(a->to), row->ref, *n))
					r = object_list_add(to, row, *n);
		}
	for (size_t i = 0; r >= 0 && i < from->n_children; i++)
		r = adopt_links(a, from->children[i]);
	return r;
}

int adopt_changes(struct manager *m, char *const *paths, struct changes *ret, struct cfg_errors *errs)
{
	_cleanup_(tree_freep) struct tree *to = tree_copy(m->wanted);
	struct adopt a = { .m = m, .to = to, .paths = paths, .errs = errs };
	const struct object *root = tree_root(m->actual);
	int r = to ? 0 : -ENOMEM;

	for (char *const *p = paths; r >= 0 && p && *p; p++)
		if (!tree_find(m->actual, *p))
			r = cfg_errors_add(errs, ENOENT, *p, NULL, NULL, "there is no such object in the kernel");
	for (size_t i = 0; r >= 0 && i < root->n_children; i++)
		r = adopt_object(&a, root->children[i]);
	for (size_t i = 0; r >= 0 && i < root->n_children; i++)
		r = adopt_links(&a, root->children[i]);
	if (r >= 0)
		r = changes_diff(m->wanted, to, false, ret);
	return r;
}

static int keep_secret(struct plan *p, const struct change *c, const struct attr_row *row)
{
	_cleanup_free_ char *folder = path_to_kernel(NULL, c->path), *file = folder ? strf("%s/%s", folder, row->file) : NULL;
	const char *reference = object_get_row(c->after, row);
	struct step *s = file ? plan_step(p, PHASE_BUILD, c->path, "keep its secret") : NULL;

	return s ? step_op(s, OP_KEEP_SECRET, 0, reference + strlen("file:"), file, row->name) : -ENOMEM;
}

int adopt_plan(const struct changes *c, struct plan *ret)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->n; i++) {
		const struct change *change = c->items[i];

		if (change->before || !change->after)
			continue;
		attr_foreach(row, change->after->kind)
			if (r >= 0 && attr_is_secret(row) && object_get_row(change->after, row))
				r = keep_secret(ret, change, row);
	}
	return r;
}
