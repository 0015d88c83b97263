/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that make objects and links: what can fail by itself is tried before anybody sees it. */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/backend.h"

/* What an object has right after mkdir. */
static const char *fresh_value(enum kind kind, const struct attr_row *row)
{
	if (streq(row->name, "enable"))
		return "0";
	if (kind == KIND_ANA_GROUP)
		return "inaccessible";
	return row->dflt;
}

static bool is_enable(const struct attr_row *row)
{
	return streq(row->name, "enable") || streq(row->name, "passthru_enable");
}

/* All that a new object needs, in the table's order, which is one that the kernel takes; enable comes last by itself. */
static int write_fresh(struct step *s, const char *folder, const struct object *target)
{
	attr_foreach(row, target->kind) {
		const char *v = object_get_row(target, row);

		if (!v || !row->file || row->flags & ATTR_TRIGGER || streq_ptr(v, fresh_value(target->kind, row)))
			continue;
		/* Adding tsas to a port sets treq by itself, so treq is written whenever tsas was. */
		if (step_write_row(s, folder, row, v, is_enable(row) ? OP_CHECK_BACK : 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- objects ---- */

struct step *nvmet_make_step(struct planner *p, enum phase phase, const char *path, const char *summary)
{
	struct step *s = plan_step(p->plan, phase, path, summary);
	_cleanup_free_ char *parent = path_parent(path);

	if (!s || !parent)
		return NULL;
	if (step_gives(s, "+%s", path) < 0 || step_after(s, "-%s", path) < 0)
		return NULL;
	if (*parent && (step_gives(s, "+%s/*", parent) < 0 || step_after(s, "+%s", parent) < 0))
		return NULL;
	return s;
}

const char *nvmet_transport_module(const char *trtype)
{
	static const struct { const char *trtype, *module; } modules[] = {
		{ "tcp", "nvmet-tcp" }, { "rdma", "nvmet-rdma" }, { "fc", "nvmet-fc" }, { "loop", "nvme-loop" },
		{ "pci", "nvmet-pci-epf" },
	};

	for (size_t i = 0; trtype && i < ARRAY_SIZE(modules); i++)
		if (streq(trtype, modules[i].trtype))
			return modules[i].module;
	return NULL;
}

int nvmet_load_transport(struct step *s, const struct object *port)
{
	const char *module = nvmet_transport_module(object_get(port, "trtype"));

	return module ? step_op(s, OP_LOAD_MODULE, 0, module, NULL, "trtype") : 0;
}

/* *ret is NULL where there is none. */
static int backend_of(struct planner *p, const char *path, const struct object **ret)
{
	const struct change *c = planner_change_of(p, path);
	const struct object *ns = c && c->after ? c->after : tree_find(p->wanted, path);
	const char *name = ns ? object_get(ns, "backend") : NULL;
	_cleanup_free_ char *backend = name ? strf("backends/%s", name) : NULL;
	const struct change *b = backend ? planner_change_of(p, backend) : NULL;

	if (name && !backend)
		return -ENOMEM;
	*ret = b ? b->after : backend ? tree_find(p->wanted, backend) : NULL;
	return 0;
}

static int set_device_queue(struct step *s, const char *device)
{
	s->queue = strdup(device);
	return s->queue ? 0 : -ENOMEM;
}

/* Whether the file is there already: were a worker to die while it makes it, nobody could tell any more. */
static int look_step(struct planner *p, const char *path, const char *file, const char *attr)
{
	struct step *s = plan_step(p->plan, PHASE_BUILD, path, "look for its file");
	int r = s ? step_gives(s, "looked:%s", path) : -ENOMEM;

	if (r >= 0)
		r = step_op(s, OP_PROBE, OP_MAY_BE_ABSENT | OP_WANT_FILE, file, NULL, attr);
	return r < 0 ? r : set_device_queue(s, file);
}

static unsigned wanted_type(const struct object *b, bool file)
{
	if (b && backend_is_controller(b))
		return OP_WANT_CONTROLLER;
	return file ? OP_WANT_FILE : OP_WANT_BLOCK;
}

/* The file is made, and whatever it is is opened as the kernel will open it, before anything waits for it under the kernel's locks. */
int planner_probe_step(struct planner *p, const char *path, const char *device, const struct object *b)
{
	bool file = b ? streq_ptr(object_get(b, "type"), "file") : strncmp(device, "/dev/", 5) != 0;
	bool shared = path_kind(path) == KIND_BACKEND;
	/* The SCSI target goes through the page cache in any case. */
	bool direct = file && !shared && !object_is_on(b, "buffered_io");
	bool create = b && file && object_is_on(b, "create") && !p->facts->no_new_files;
	_cleanup_free_ char *storage = b ? strf("backends/%s", b->name) : NULL;
	const char *attr = shared ? (file ? "path" : "device") : path_kind(path) == KIND_SUBSYSTEM ? "passthru_path" : "device_path";
	struct step *s = plan_step(p->plan, PHASE_BUILD, path, "probe its device");
	int r = s && (storage || !b) ? step_gives(s, "probed:%s", path) : -ENOMEM;

	/* The storage object that the backend has been holds its device until it goes. */
	if (r >= 0 && storage)
		r = step_after(s, "-%s", storage);
	if (r >= 0 && create)
		r = look_step(p, path, device, attr);
	if (r >= 0)
		r = step_after(s, "looked:%s", path);
	if (r >= 0 && create)
		r = oplist_add(&s->ops, OP_CREATE_FILE, 0, device, object_get(b, "size"), path, "size");
	if (r >= 0)
		r = oplist_add(&s->ops, OP_PROBE, OP_EXCLUSIVE | (direct ? OP_DIRECT : 0) | wanted_type(b, file), device, NULL, path, attr);
	return r < 0 ? r : set_device_queue(s, device);
}

int nvmet_await_controller(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	const char *device = object_get(target, "passthru_path");
	const struct object *b;
	int r = step_after_resources(s, target);

	if (r >= 0)
		r = backend_of(p, path, &b);
	if (r >= 0 && object_is_on(target, "passthru_enable") && device)
		r = planner_probe_step(p, path, device, b);
	return r < 0 ? r : step_after(s, "probed:%s", path);
}

int nvmet_await_device(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	const char *device = object_get(target, "device_path"), *name;
	const struct object *b;
	int r;

	if (!device)
		return 0;
	r = backend_of(p, path, &b);
	if (r >= 0)
		r = step_after(s, "-device:%s", device);
	if (r < 0)
		return r;
	/* The disk of a bridge is there when its step is done; and no host gets in before the registrations that the backend had. */
	if (strncmp(device, DISK_OF, strlen(DISK_OF)) == 0) {
		name = b ? b->name : NULL;
		r = step_after(s, "+%s", device);
		if (r >= 0 && name)
			r = step_after(s, "+maps:%s", name);
		return r < 0 || !name ? r : lio_check_registrations(p, s, name);
	}
	r = planner_probe_step(p, path, device, b);
	return r < 0 ? r : step_after(s, "probed:%s", path);
}

static int make_namespace(struct planner *p, const char *path, const struct object *target)
{
	const char *nqn = target->parent->name;
	_cleanup_free_ char *folder = path_to_kernel(NULL, path), *subsystem = strf("subsystems/%s", nqn);
	bool live;
	struct step *s;
	int r;

	if (!folder || !subsystem)
		return -ENOMEM;
	live = nvmet_is_linked(p, nqn) && !map_get(p->anew, subsystem);
	s = nvmet_make_step(p, live ? PHASE_SWITCH : PHASE_BUILD, path, "make");
	r = s ? nvmet_set_queue(s) : -ENOMEM;
	if (r >= 0)
		r = nvmet_await_device(p, s, path, target);
	if (r >= 0)
		r = step_after(s, "=%s", subsystem);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	return r < 0 ? r : write_fresh(s, folder, target);
}

static int make_plain(struct planner *p, const char *path, const struct object *target, enum token token)
{
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	struct step *s = folder ? nvmet_make_step(p, PHASE_BUILD, path, "make") : NULL;
	int r = s ? step_op(s, OP_MKDIR, 0, folder, NULL, NULL) : -ENOMEM;

	if (s) {
		s->token = token;
		s->brief = target->kind != KIND_PORT && !object_is_on(target, "passthru_enable");
	}
	if (r >= 0 && target->kind == KIND_PORT)
		r = nvmet_load_transport(s, target);
	if (r >= 0 && target->kind == KIND_SUBSYSTEM)
		r = nvmet_await_controller(p, s, path, target);
	return r < 0 ? r : write_fresh(s, folder, target);
}

int nvmet_make_object(struct planner *p, const char *path, const struct object *target)
{
	switch (target->kind) {
	case KIND_NAMESPACE:
		return make_namespace(p, path, target);
	case KIND_PORT:
		return make_plain(p, path, target, TOKEN_PORTS);
	case KIND_SUBSYSTEM:
		return make_plain(p, path, target, object_is_on(target, "allow_any_host") ? TOKEN_HOSTS : TOKEN_NONE);
	default:
		return make_plain(p, path, target, TOKEN_NONE);
	}
}

/* ---- links ---- */

int nvmet_make_edge(struct planner *p, const char *element, const struct element *e)
{
	bool port = e->kind == KIND_PORT;
	_cleanup_free_ char *path = path_to_kernel(NULL, element), *far = path_to_kernel(NULL, e->far);
	bool live = !port && nvmet_is_linked(p, strchr(e->object, '/') + 1) && !map_get(p->anew, e->object);
	struct step *s = plan_step(p->plan, port || live ? PHASE_SWITCH : PHASE_BUILD, element, port ? "serve" : "allow");
	int r = s && path && far ? 0 : -ENOMEM;

	if (r >= 0)
		r = step_gives(s, "+%s", element);
	if (r >= 0)
		r = step_after(s, "-%s", element);
	if (r >= 0)
		r = step_after(s, "+%s", e->object);
	if (r >= 0)
		r = step_after(s, "=%s", e->object);
	if (r >= 0)
		r = step_after(s, "+%s", e->far);
	if (r >= 0 && port)
		r = step_after(s, "+%s/*", e->far);
	if (r >= 0 && port)
		r = step_after(s, "+%s/*", e->object);
	if (r >= 0 && !port)
		r = step_gives(s, "+%s/*", e->object);
	if (r >= 0 && port) {
		const struct object *o = tree_find(p->target, e->object);

		if (o)
			r = step_after_resources(s, o);
	}
	if (s) {
		const struct object *holder = tree_find(p->actual, e->object);

		s->token = port ? TOKEN_NONE : TOKEN_HOSTS;
		/* It begins to listen, which an address may not let it. */
		s->foremost = port && !(holder && object_get_list(holder, e->edge));
		s->brief = !s->foremost;
	}
	return r < 0 ? r : step_op(s, OP_LINK, 0, path, far, e->edge->name);
}
