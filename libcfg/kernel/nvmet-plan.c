/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From differences to steps. One step an object or link, with the kernel's order inside (kernel-abi 2.11); between steps, keys:
 *	+PATH, -PATH			made, removed
 *	+PATH/*, -PATH/*		something below or of an object made, removed
 *	=PATH				attributes of an existing object changed
 *	-links:PATH, -hosts:PATH	a link of a port to the subsystem, a host of the subsystem removed
 *	-device:D, -address:A		a resource set free; -service:S and -everywhere:S some address, or all, of a service
 *	-served:PORT			all links of a port that is re-addressed removed
 */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/nvmet-private.h"
#include "model/address.h"

struct planner {
	const struct tree *target, *actual, *wanted;
	const struct scope *scope;
	const struct changes *changes;
	const struct nvmet_facts *facts;
	struct plan *plan;
	struct map *in_scope;		/* elements */
	struct map *folders;
	struct map *by_path;		/* changes */
	struct map *anew;		/* subsystems to be made anew: path -> itself */
	struct map *relinked;		/* ports whose step of re-addressing also takes care of their links */
	struct cfg_error *err;
};

bool nvmet_is_permanent(const struct element *e)
{
	return !e->edge && (e->kind == KIND_NVMET || (e->kind == KIND_ANA_GROUP && streq(strrchr(e->object, '/'), "/1")));
}

static int oom(struct planner *p)
{
	return cfg_error_oom(p->err);
}

static const struct change *change_of(const struct planner *p, const char *path)
{
	return map_get(p->by_path, path);
}

static bool owned(const struct planner *p, const char *element)
{
	return !p->facts->owned || p->facts->owned(p->facts->userdata, element);
}

static bool is_on(const struct object *o, const char *attr)
{
	return o && streq_ptr(object_get(o, attr), "1");
}

/* ---- links between ports and subsystems ---- */

/* Ports that serve the subsystem now: as read where the link was read, else as wanted before. */
static int linked_edges(struct planner *p, const char *nqn, char ***ret)
{
	struct users u = tree_users(p->wanted, KIND_SUBSYSTEM, nqn);
	struct users read = tree_users(p->actual, KIND_SUBSYSTEM, nqn);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < read.n; i++) {
		_cleanup_free_ char *edge = strf("ports/%s/subsystems/%s", read.items[i]->name, nqn);

		r = edge ? strv_append(ret, edge) : -ENOMEM;
	}
	for (size_t i = 0; r >= 0 && i < u.n; i++) {
		_cleanup_free_ char *edge = strf("ports/%s/subsystems/%s", u.items[i]->name, nqn);

		if (!edge)
			r = -ENOMEM;
		else if (!map_get(p->in_scope, edge) && !strv_contains(*ret, edge))
			r = strv_append(ret, edge);
	}
	return r;
}

static const char *nqn_of(const struct object *o)
{
	return o->kind == KIND_SUBSYSTEM ? o->name : o->parent->name;
}

static bool is_linked(struct planner *p, const char *nqn)
{
	_cleanup_strv_ char **edges = NULL;

	return linked_edges(p, nqn, &edges) < 0 || edges;
}

static int affect_subsystem(struct planner *p, struct step *s, const char *nqn)
{
	_cleanup_strv_ char **edges = NULL;
	int r = linked_edges(p, nqn, &edges);

	for (char **e = edges; r >= 0 && e && *e; e++)
		r = step_affects(s, "%s", *e);
	return r;
}

static int affect_port(struct planner *p, struct step *s, const char *port)
{
	const struct object *o = tree_find(p->actual, port);
	char *const *list = o ? object_get_list(o, attr_find(KIND_PORT, "subsystems")) : NULL;
	const struct object *w = tree_find(p->wanted, port);
	int r = 0;

	if (!list && w)
		list = object_get_list(w, attr_find(KIND_PORT, "subsystems"));
	for (; r >= 0 && list && *list; list++)
		r = step_affects(s, "%s/subsystems/%s", port, *list);
	return r;
}

static void worsen(struct step *s, enum effect e)
{
	if (e > s->effect)
		s->effect = e;
}

/* ---- writing attributes ---- */

static int write_row(struct step *s, const char *folder, const struct attr_row *row, const char *value, unsigned flags)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, row->file), *text = NULL;

	if (!path)
		return -ENOMEM;
	if (attr_is_secret(row))
		return step_op(s, OP_WRITE_SECRET, 0, path, value ? value : "", row->name);
	if (attr_to_kernel(row, value ? value : "", &text) < 0)
		return -ENOMEM;
	return step_op(s, OP_WRITE, flags | (row->flags & ATTR_NO_NEWLINE ? 0 : OP_NEWLINE), path, text, row->name);
}

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
		if (write_row(s, folder, row, v, is_enable(row) ? OP_CHECK_BACK : 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A listener on all addresses is in the way of each other one of its service, and they are in its way. */
static bool listens_everywhere(const struct object *port)
{
	const char *traddr = object_get(port, "traddr");
	struct ip_address ip;

	return traddr && ip_parse(traddr, &ip) && ip_is_any(&ip);
}

static int service_key(int (*put)(struct step *s, const char *fmt, ...), struct step *s, const char *what, const struct object *port)
{
	const char *trtype = object_get(port, "trtype"), *trsvcid = object_get(port, "trsvcid");

	return trtype && trsvcid ? put(s, "-%s:%s:%s", what, trtype, trsvcid) : 0;
}

/* Who has its address, or its device, must have let go of it. */
static int after_resources(struct step *s, const struct object *target)
{
	_cleanup_strv_ char **keys = NULL;
	int r = object_keys(target, &keys);

	for (char **k = keys; r >= 0 && k && *k; k++)
		r = step_after(s, "-%s", *k);
	if (r >= 0 && target->kind == KIND_PORT)
		r = service_key(step_after, s, listens_everywhere(target) ? "service" : "everywhere", target);
	return r;
}

static int give_resources(struct step *s, const struct object *o)
{
	_cleanup_strv_ char **keys = NULL;
	int r = object_keys(o, &keys);

	for (char **k = keys; r >= 0 && k && *k; k++)
		r = step_gives(s, "-%s", *k);
	if (r >= 0 && o->kind == KIND_PORT)
		r = service_key(step_gives, s, "service", o);
	if (r >= 0 && o->kind == KIND_PORT && listens_everywhere(o))
		r = service_key(step_gives, s, "everywhere", o);
	return r;
}

/* ---- making objects ---- */

static struct step *make_step(struct planner *p, enum phase phase, const char *path, const char *summary)
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

static int load_transport(struct step *s, const struct object *port)
{
	const char *module = nvmet_transport_module(object_get(port, "trtype"));

	return module ? step_op(s, OP_LOAD_MODULE, 0, module, NULL, "trtype") : 0;
}

static const struct object *backend_of(struct planner *p, const char *path)
{
	const struct change *c = change_of(p, path);
	const struct object *ns = c && c->after ? c->after : tree_find(p->wanted, path);
	const char *name = ns ? object_get(ns, "backend") : NULL;
	_cleanup_free_ char *backend = name ? strf("backends/%s", name) : NULL;
	const struct change *b = backend ? change_of(p, backend) : NULL;

	if (b)
		return b->after;
	return backend ? tree_find(p->wanted, backend) : NULL;
}

static int set_device_queue(struct step *s, const char *device)
{
	s->queue = strdup(device);
	return s->queue ? 0 : -ENOMEM;
}

/* Whether the file is there already: were a worker to die while it makes it, nobody could tell any more. */
static int look_step(struct planner *p, const char *path, const char *file)
{
	struct step *s = plan_step(p->plan, PHASE_BUILD, path, "look for its file");
	int r = s ? step_gives(s, "looked:%s", path) : -ENOMEM;

	if (r >= 0)
		r = step_op(s, OP_PROBE, OP_MAY_BE_ABSENT | OP_WANT_FILE, file, NULL, "device_path");
	return r < 0 ? r : set_device_queue(s, file);
}

/* The file is made, and whatever it is is opened as the kernel will open it, before anything waits for it under the kernel's locks. */
static int probe_step(struct planner *p, const char *path, const struct object *ns)
{
	const char *device = object_get(ns, "device_path");
	const struct object *b = backend_of(p, path);
	bool file = b ? streq_ptr(object_get(b, "type"), "file") : strncmp(device, "/dev/", 5) != 0;
	bool direct = file && !is_on(ns, "buffered_io");
	bool create = b && file && is_on(b, "create");
	struct step *s = plan_step(p->plan, PHASE_BUILD, path, "probe its device");
	int r = s ? step_gives(s, "probed:%s", path) : -ENOMEM;

	if (r >= 0 && create)
		r = look_step(p, path, device);
	if (r >= 0)
		r = step_after(s, "looked:%s", path);
	if (r >= 0 && create)
		r = oplist_add(&s->ops, OP_CREATE_FILE, 0, device, object_get(b, "size"), path, "size");
	if (r >= 0)
		r = oplist_add(&s->ops, OP_PROBE, OP_EXCLUSIVE | (direct ? OP_DIRECT : 0) | (file ? OP_WANT_FILE : OP_WANT_BLOCK),
			       device, NULL, path, "device_path");
	return r < 0 ? r : set_device_queue(s, device);
}

static int set_queue(struct step *s, const char *folder)
{
	_cleanup_free_ char *parent = path_parent(folder);

	s->queue = strf("nvmet/%s", s->object);
	if (s->queue)
		*strrchr(s->queue, '/') = 0;
	return s->queue ? 0 : -ENOMEM;
}

static int make_namespace(struct planner *p, const char *path, const struct object *target)
{
	const char *nqn = target->parent->name;
	_cleanup_free_ char *folder = path_to_kernel(path), *subsystem = strf("subsystems/%s", nqn);
	bool live;
	struct step *s;
	int r;

	if (!folder || !subsystem)
		return -ENOMEM;
	live = is_linked(p, nqn) && !map_get(p->anew, subsystem);
	s = make_step(p, live ? PHASE_SWITCH : PHASE_BUILD, path, "make");
	r = s ? set_queue(s, folder) : -ENOMEM;
	if (r >= 0 && object_get(target, "device_path"))
		r = probe_step(p, path, target);
	if (r >= 0)
		r = step_after(s, "probed:%s", path);
	if (r >= 0 && object_get(target, "device_path"))
		r = step_after(s, "-device:%s", object_get(target, "device_path"));
	if (r >= 0)
		r = step_after(s, "=%s", subsystem);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	return r < 0 ? r : write_fresh(s, folder, target);
}

static int make_plain(struct planner *p, const char *path, const struct object *target, enum token token)
{
	_cleanup_free_ char *folder = path_to_kernel(path);
	struct step *s = folder ? make_step(p, PHASE_BUILD, path, "make") : NULL;
	int r = s ? step_op(s, OP_MKDIR, 0, folder, NULL, NULL) : -ENOMEM;

	if (s)
		s->token = token;
	if (r >= 0 && target->kind == KIND_PORT)
		r = load_transport(s, target);
	/* What it passes through may be another one's yet. */
	if (r >= 0 && target->kind == KIND_SUBSYSTEM)
		r = after_resources(s, target);
	return r < 0 ? r : write_fresh(s, folder, target);
}

static int make_object(struct planner *p, const char *path, const struct object *target)
{
	switch (target->kind) {
	case KIND_NAMESPACE:
		return make_namespace(p, path, target);
	case KIND_PORT:
		return make_plain(p, path, target, TOKEN_PORTS);
	case KIND_SUBSYSTEM:
		return make_plain(p, path, target, is_on(target, "allow_any_host") ? TOKEN_HOSTS : TOKEN_NONE);
	default:
		return make_plain(p, path, target, TOKEN_NONE);
	}
}

/* ---- making links ---- */

static int make_edge(struct planner *p, const char *element, const struct element *e)
{
	bool port = e->kind == KIND_PORT;
	_cleanup_free_ char *path = path_to_kernel(element), *far = path_to_kernel(e->far);
	bool live = !port && is_linked(p, strchr(e->object, '/') + 1) && !map_get(p->anew, e->object);
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
			r = after_resources(s, o);
	}
	if (s)
		s->token = port ? TOKEN_NONE : TOKEN_HOSTS;
	return r < 0 ? r : step_op(s, OP_LINK, 0, path, far, e->edge->name);
}

/* ---- removing ---- */

static struct step *remove_step(struct planner *p, const char *path, const char *summary)
{
	struct step *s = plan_step(p->plan, PHASE_REMOVE, path, summary);
	_cleanup_free_ char *parent = path_parent(path);

	if (!s || !parent || step_gives(s, "-%s", path) < 0 || step_after(s, "-%s/*", path) < 0)
		return NULL;
	if (*parent && step_gives(s, "-%s/*", parent) < 0)
		return NULL;
	return s;
}

static bool stays(struct planner *p, const char *subsystem)
{
	return tree_find(p->target, subsystem) || !map_get(p->in_scope, subsystem);
}

/* What hosts hold of the namespace ends when it is disabled or goes. */
static enum effect vanishing(const struct object *actual)
{
	return is_on(actual, "resv_enable") ? EFFECT_RESERVATIONS : EFFECT_VANISH;
}

static int remove_namespace(struct planner *p, const char *path, const struct object *actual)
{
	const char *nqn = actual->parent->name, *device = object_get(actual, "device_path");
	_cleanup_free_ char *folder = path_to_kernel(path), *subsystem = strf("subsystems/%s", nqn);
	bool marked = p->facts->leaks && p->facts->marked && p->facts->marked(p->facts->userdata, path);
	struct step *s = folder && subsystem ? remove_step(p, path, "remove") : NULL;
	int r = s ? step_after(s, "-links:%s", subsystem) : -ENOMEM;

	if (r >= 0)
		r = set_queue(s, folder);
	if (r >= 0 && device)
		r = step_gives(s, "-device:%s", device);
	/* When the subsystem goes as a whole, its links go first, and that is what hosts notice. */
	if (r >= 0 && is_on(actual, "enable") && stays(p, subsystem) && !map_get(p->anew, subsystem)) {
		s->effect = vanishing(actual);
		r = affect_subsystem(p, s, nqn);
	}
	/* Removal alone would leave a namespace that has lost a reference exported; disabling it first needs the kernel's global
	 * lock until its I/O is done, so it must not stand still. */
	if (r >= 0 && marked && is_on(actual, "enable")) {
		_cleanup_free_ char *enable = strf("%s/enable", folder);

		if (device)
			r = oplist_add(&s->ops, OP_CHECK_MOVING, 0, device, NULL, path, "device_path");
		if (r >= 0)
			r = enable ? step_op(s, OP_WRITE, OP_NEWLINE | OP_MAY_BE_ABSENT, enable, "0", "enable") : -ENOMEM;
	}
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

static int remove_plain(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = path_to_kernel(path);
	struct step *s = folder ? remove_step(p, path, "remove") : NULL;
	int r = s ? give_resources(s, actual) : -ENOMEM;

	if (r < 0)
		return r;
	if (actual->kind == KIND_PORT)
		s->token = TOKEN_PORTS;
	if (actual->kind == KIND_SUBSYSTEM) {
		r = step_after(s, "-links:%s", path);
		if (r >= 0 && is_on(actual, "passthru_enable"))
			r = write_row(s, folder, attr_find(KIND_SUBSYSTEM, "passthru_enable"), "0", OP_MAY_BE_ABSENT);
	}
	if (actual->kind == KIND_ANA_GROUP) {
		_cleanup_free_ char *port = strf("ports/%s", actual->parent->name);

		s->effect = EFFECT_VANISH;
		r = port ? affect_port(p, s, port) : -ENOMEM;
	}
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

static int remove_object(struct planner *p, const char *path, const struct object *actual)
{
	return actual->kind == KIND_NAMESPACE ? remove_namespace(p, path, actual) : remove_plain(p, path, actual);
}

static int remove_edge(struct planner *p, const char *element, const struct element *e)
{
	bool port = e->kind == KIND_PORT;
	_cleanup_free_ char *path = path_to_kernel(element);
	struct step *s = path ? remove_step(p, element, port ? "stop serving" : "no longer allow") : NULL;
	int r = s ? step_gives(s, "-%s/*", e->object) : -ENOMEM;

	if (r >= 0)
		r = step_gives(s, "-%s/*", e->far);
	if (r >= 0)
		r = step_gives(s, port ? "-links:%s" : "-hosts:%s", port ? e->far : e->object);
	if (r >= 0 && port) {
		const struct object *o = tree_find(p->actual, e->object);

		s->effect = EFFECT_DISCONNECT;
		r = step_affects(s, "%s", element);
		/* As long as the port stays, its address is its own. */
		if (r >= 0 && o && map_get(p->in_scope, e->object) && !tree_find(p->target, e->object))
			r = give_resources(s, o);
	}
	if (r < 0)
		return r;
	s->token = port ? TOKEN_NONE : TOKEN_HOSTS;
	return step_op(s, OP_UNLINK, OP_MAY_BE_ABSENT, path, NULL, e->edge->name);
}

/* ---- changing objects ---- */

static bool secret_differs(struct planner *p, const char *path, const struct object *target, const struct object *actual,
			   const struct attr_row *row)
{
	const char *t = object_get_row(target, row), *a = object_get_row(actual, row);
	const struct change *c = change_of(p, path);

	if (!t || !a)
		return !t != !a;
	if (streq(t, "set"))
		return false;
	if (c && c->before && c->after && !streq_ptr(object_get_row(c->before, row), object_get_row(c->after, row)))
		return true;
	return p->facts->secret_known && !p->facts->secret_known(p->facts->userdata, path, row->name, t);
}

/* Whether the change takes away what someone had set. */
static bool given_up(struct planner *p, const char *path, const struct attr_row *row)
{
	const struct change *c = change_of(p, path);

	return c && c->before && c->after && object_get_row(c->before, row) && !object_get_row(c->after, row);
}

/* What the kernel chooses by itself cannot be told from what someone had set by reading it: that it is to choose again, the change says. On the
 * way back all that was read is meant as it was. */
static bool differs(struct planner *p, const char *path, const struct object *target, const struct object *actual,
		    const struct attr_row *row)
{
	if (attr_is_secret(row))
		return secret_differs(p, path, target, actual, row);
	if (row->flags & ATTR_SETTLES && object_get_row(actual, row) && (!p->changes || given_up(p, path, row)))
		return !streq_ptr(object_get_row(target, row), object_get_row(actual, row));
	if (row->moment == ATTR_FRESH && row->source == ATTR_CAPTURED && given_up(p, path, row))
		return true;
	return nvmet_row_differs(target, actual, row);
}

/* An attribute that is wanted, and that the kernel has no file for. */
static const struct attr_row *find_lacking(const struct object *target, const struct object *actual)
{
	attr_foreach(row, target->kind) {
		const char *v = object_get_row(target, row);

		if (row->feature && row->source == ATTR_CONSTANT && !(actual && object_get_row(actual, row)) && v && !streq(v, row->dflt))
			return row;
	}
	return NULL;
}

/* The kernel is asked for it all the same, since its refusal is what is reported; but before anything that hosts would notice. */
static int ask_for_lacking(struct planner *p, const char *path, const struct object *target, const struct attr_row *row)
{
	_cleanup_free_ char *folder = path_to_kernel(path);
	struct step *s = folder ? plan_step(p->plan, PHASE_BUILD, path, "change") : NULL;

	return s ? write_row(s, folder, row, object_get_row(target, row), 0) : -ENOMEM;
}

static struct step *change_step(struct planner *p, const char *path)
{
	struct step *s = plan_step(p->plan, PHASE_SWITCH, path, "change");

	return s && step_gives(s, "=%s", path) >= 0 ? s : NULL;
}

/* A passthrough lets go of its controller before it takes another one, which may be somebody's until then. */
static int change_passthru(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *device = attr_find(KIND_SUBSYSTEM, "passthru_path"), *enable = attr_find(KIND_SUBSYSTEM, "passthru_enable");
	bool was_on = is_on(actual, "passthru_enable"), on = is_on(target, "passthru_enable");
	bool other = differs(p, path, target, actual, device), off = was_on && (other || !on);
	_cleanup_free_ char *folder = path_to_kernel(path);
	struct step *s;
	int r = folder ? 0 : -ENOMEM;

	if (!other && was_on == on)
		return 0;
	if (r >= 0 && off) {
		s = plan_step(p->plan, PHASE_SWITCH, path, "stop passing through");
		r = s ? give_resources(s, actual) : -ENOMEM;
		if (r >= 0)
			r = step_gives(s, "-passed:%s", path);
		if (r >= 0)
			r = write_row(s, folder, enable, "0", 0);
		if (r >= 0)
			r = affect_subsystem(p, s, target->name);
		if (s)
			worsen(s, EFFECT_VANISH);
	}
	if (r < 0 || (!other && !on))
		return r;
	s = change_step(p, path);
	r = s ? step_after(s, "-passed:%s", path) : -ENOMEM;
	if (r >= 0)
		r = after_resources(s, target);
	if (r >= 0 && other) {
		worsen(s, device->effect);
		r = write_row(s, folder, device, object_get_row(target, device), 0);
	}
	if (r >= 0 && on)
		r = write_row(s, folder, enable, "1", OP_CHECK_BACK);
	return r < 0 ? r : affect_subsystem(p, s, target->name);
}

static bool is_passthru(const struct attr_row *row)
{
	return streq(row->name, "passthru_path") || streq(row->name, "passthru_enable");
}

/* A range whose new beginning lies behind its old end is first lengthened: the kernel refuses an end before the beginning. */
static bool moves_up(const struct object *target, const struct object *actual)
{
	const char *min = object_get(target, "cntlid_min"), *max = object_get(actual, "cntlid_max");
	int64_t a, b;

	return min && max && text_to_i64(min, &a) >= 0 && text_to_i64(max, &b) >= 0 && a > b;
}

static bool serves_io(const char *ana_state)
{
	return streq_ptr(ana_state, "optimized") || streq_ptr(ana_state, "non-optimized");
}

static enum effect live_effect(const struct attr_row *row, const struct object *target, const struct object *actual)
{
	if (streq(row->name, "ana_state"))
		return serves_io(object_get_row(actual, row)) && !serves_io(object_get_row(target, row)) ? row->effect : EFFECT_NONE;
	return row->effect;
}

static int live_write(struct planner *p, struct step *s, const char *path, const char *folder, const struct attr_row *row,
		      const struct object *target)
{
	int r = 0;

	if (streq(row->name, "allow_any_host")) {
		s->token = TOKEN_HOSTS;
		r = step_after(s, "-hosts:%s", path);
	}
	return r < 0 ? r : write_row(s, folder, row, object_get_row(target, row), 0);
}

static int affect_users(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	_cleanup_free_ char *port = path_parent(path);

	if (target->kind == KIND_SUBSYSTEM)
		return affect_subsystem(p, s, target->name);
	if (target->kind == KIND_ANA_GROUP)
		return port ? affect_port(p, s, port) : -ENOMEM;
	return 0;
}

/* Host, subsystem, ANA group, global: attributes that the kernel takes at any time. */
static int change_live(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *later = target->kind == KIND_SUBSYSTEM && moves_up(target, actual) ?
					       attr_find(KIND_SUBSYSTEM, "cntlid_min") : NULL;
	_cleanup_free_ char *folder = path_to_kernel(path);
	struct step *s = NULL;
	int r = folder ? 0 : -ENOMEM;

	attr_foreach(row, target->kind) {
		if (r < 0)
			break;
		if (row->moment == ATTR_FRESH || is_passthru(row) || !differs(p, path, target, actual, row))
			continue;
		if (!s)
			s = change_step(p, path);
		if (!s)
			return -ENOMEM;
		worsen(s, live_effect(row, target, actual));
		if (row != later)
			r = live_write(p, s, path, folder, row, target);
	}
	if (s && r >= 0 && later)
		r = live_write(p, s, path, folder, later, target);
	if (s && r >= 0 && s->effect != EFFECT_NONE)
		r = affect_users(p, s, path, target);
	return r < 0 || target->kind != KIND_SUBSYSTEM ? r : change_passthru(p, path, target, actual);
}

/* Whether the port serves the group's namespaces; of what this plan does not touch it is what is wanted. */
static int group_is_served(struct planner *p, const char *port, const char *group, bool *ret)
{
	_cleanup_free_ char *path = strf("%s/ana_groups/%s", port, group);
	const struct object *o;

	if (!path)
		return -ENOMEM;
	o = tree_find(map_get(p->in_scope, path) ? p->target : p->wanted, path);
	*ret = o ? serves_io(object_effective(o, attr_find(KIND_ANA_GROUP, "ana_state"))) : streq(group, "1");
	return 0;
}

/* In another ANA group a namespace is there, but on ports that do not serve that group it answers nobody. */
static int weigh_ana_group(struct planner *p, struct step *s, const struct object *target, const struct object *actual)
{
	const struct attr_row *row = attr_find(KIND_NAMESPACE, "ana_grpid");
	_cleanup_strv_ char **edges = NULL;
	int r = 0;

	if (nvmet_row_differs(target, actual, row))
		r = linked_edges(p, nqn_of(target), &edges);
	for (char **e = edges; r >= 0 && e && *e; e++) {
		_cleanup_free_ char *port = strndup(*e, strcspn(*e + strlen("ports/"), "/") + strlen("ports/"));
		bool served = true;

		r = port ? group_is_served(p, port, object_get_row(target, row), &served) : -ENOMEM;
		if (r < 0 || served)
			continue;
		worsen(s, row->effect);
		r = step_affects(s, "%s", *e);
	}
	return r;
}

static int disable(struct step *s, const char *folder, const struct object *actual)
{
	const char *device = actual->kind == KIND_NAMESPACE ? object_get(actual, "device_path") : NULL;
	int r = device ? step_op(s, OP_CHECK_MOVING, 0, device, NULL, "device_path") : 0;

	worsen(s, actual->kind == KIND_NAMESPACE ? vanishing(actual) : EFFECT_NONE);
	return r < 0 ? r : write_row(s, folder, attr_find(actual->kind, "enable"), "0", 0);
}

/* The device is let go in a step of its own: another namespace may be waiting for it while this one waits for that one's. */
static int release_device(struct planner *p, const char *path, const char *folder, const struct object *actual)
{
	struct step *s = plan_step(p->plan, PHASE_SWITCH, path, "disable");
	int r = s ? set_queue(s, folder) : -ENOMEM;

	if (r >= 0)
		r = step_gives(s, "-device:%s", object_get(actual, "device_path"));
	if (r >= 0)
		r = step_gives(s, "-disabled:%s", path);
	if (r >= 0)
		r = disable(s, folder, actual);
	return r < 0 ? r : affect_subsystem(p, s, nqn_of(actual));
}

/* Its new device, which is opened as the kernel will before anything is disturbed for it. */
static int wait_for_device(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	int r = probe_step(p, path, target);

	if (r >= 0)
		r = step_after(s, "probed:%s", path);
	if (r >= 0)
		r = step_after(s, "-disabled:%s", path);
	return r < 0 ? r : step_after(s, "-device:%s", object_get(target, "device_path"));
}

/* Namespaces and referrals: some attributes need enable = 0 around them. */
static int change_disabled(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *enable = attr_find(target->kind, "enable");
	_cleanup_free_ char *folder = path_to_kernel(path);
	bool was_on = is_on(actual, "enable"), on = is_on(target, "enable"), off = was_on && !on, any = was_on != on;
	bool moves = false;
	struct step *s;
	int r = folder ? 0 : -ENOMEM;

	attr_foreach(row, target->kind)
		if (row != enable && differs(p, path, target, actual, row)) {
			any = true;
			off |= was_on && row->moment == ATTR_DISABLED;
			moves |= streq(row->name, "device_path");
		}
	if (!any)
		return 0;
	if (r >= 0 && moves && was_on)
		r = release_device(p, path, folder, actual);
	s = r >= 0 ? change_step(p, path) : NULL;
	r = s ? set_queue(s, folder) : -ENOMEM;
	if (r >= 0 && moves)
		r = wait_for_device(p, s, path, target);
	if (r >= 0 && off && !moves)
		r = disable(s, folder, actual);
	attr_foreach(row, target->kind) {
		if (r < 0)
			break;
		if (row == enable || !differs(p, path, target, actual, row))
			continue;
		worsen(s, row->effect);
		r = write_row(s, folder, row, object_get_row(target, row), 0);
	}
	if (r >= 0 && on && (off || !was_on))
		r = write_row(s, folder, enable, "1", OP_CHECK_BACK);
	if (r >= 0 && s->effect != EFFECT_NONE && target->kind == KIND_NAMESPACE)
		r = affect_subsystem(p, s, nqn_of(target));
	if (r >= 0 && target->kind == KIND_NAMESPACE && was_on)
		r = weigh_ana_group(p, s, target, actual);
	return r;
}

static char *const *port_links(const struct tree *t, const char *path)
{
	const struct object *o = tree_find(t, path);

	return o ? object_get_list(o, attr_find(KIND_PORT, "subsystems")) : NULL;
}

static int port_link_op(struct step *s, const char *path, const char *nqn, bool make)
{
	_cleanup_free_ char *link = strf("nvmet/%s/subsystems/%s", path, nqn), *far = strf("nvmet/subsystems/%s", nqn);

	if (!link || !far)
		return -ENOMEM;
	return make ? step_op(s, OP_LINK, 0, link, far, "subsystems") :
		      step_op(s, OP_UNLINK, OP_MAY_BE_ABSENT, link, NULL, "subsystems");
}

/* trtype sets tsas back, and tsas treq: what comes after a written one is written too. A parameter that had settled at what one
 * transport likes is given back to be chosen anew. */
static int write_port(struct planner *p, struct step *s, const char *path, const char *folder, const struct object *target,
		      const struct object *actual)
{
	bool readdressed = false;

	attr_foreach(row, KIND_PORT) {
		const char *v = object_get_row(target, row), *a = object_get_row(actual, row);
		bool security = streq(row->name, "tsas") || streq(row->name, "treq");
		bool settled = row->flags & ATTR_SETTLES && readdressed && a && !streq_ptr(v, a);

		if (!differs(p, path, target, actual, row) && !(v && security && readdressed && a) && !(v && settled))
			continue;
		if (streq(row->name, "trtype") || streq(row->name, "tsas"))
			readdressed = true;
		if (write_row(s, folder, row, v, 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A subsystem that is made anew is linked again by a step of its own, when it is there again. */
static bool link_stays(struct planner *p, char *const *keep, const char *nqn)
{
	_cleanup_free_ char *subsystem = strf("subsystems/%s", nqn);

	return strv_contains(keep, nqn) && !(subsystem && map_get(p->anew, subsystem));
}

/* All its links go, so that it no longer listens; those that are wanted come back with its own step. */
static int silence_port(struct planner *p, const char *path, const struct object *actual, char *const *links, char *const *keep)
{
	struct step *s = plan_step(p->plan, PHASE_SWITCH, path, "stop serving");
	int r = s ? step_gives(s, "-served:%s", path) : -ENOMEM;

	if (r >= 0)
		r = give_resources(s, actual);
	for (char *const *l = links; r >= 0 && *l; l++) {
		r = port_link_op(s, path, *l, false);
		if (r >= 0)
			r = step_affects(s, "%s/subsystems/%s", path, *l);
		if (r < 0 || link_stays(p, keep, *l))
			continue;
		r = step_gives(s, "-%s/subsystems/%s", path, *l);
		if (r >= 0)
			r = step_gives(s, "-links:subsystems/%s", *l);
		if (r >= 0)
			r = step_gives(s, "-subsystems/%s/*", *l);
	}
	if (s)
		s->effect = EFFECT_DISCONNECT;
	return r;
}

static int change_port(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	_cleanup_free_ char *folder = path_to_kernel(path);
	char *const *links = port_links(p->actual, path);
	char *const *keep = port_links(p->target, path);
	struct step *s;
	bool any = false;
	int r;

	attr_foreach(row, KIND_PORT)
		any |= differs(p, path, target, actual, row);
	/* Without its links in view it cannot be changed; that difference is drift for now. */
	if (!any || !map_get(p->folders, path))
		return 0;
	r = folder && map_put(p->relinked, path, p) >= 0 ? 0 : -ENOMEM;
	if (r >= 0 && links)
		r = silence_port(p, path, actual, links, keep);
	s = r >= 0 ? change_step(p, path) : NULL;
	if (!s)
		return -ENOMEM;
	s->phase = links ? PHASE_SWITCH : PHASE_BUILD;
	r = step_after(s, "-served:%s", path);
	if (r >= 0)
		r = after_resources(s, target);
	if (r >= 0)
		r = load_transport(s, target);
	if (r >= 0)
		r = write_port(p, s, path, folder, target, actual);
	for (char *const *l = links; r >= 0 && l && *l; l++)
		if (link_stays(p, keep, *l))
			r = port_link_op(s, path, *l, true);
	return r;
}

static bool needs_anew(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	attr_foreach(row, KIND_SUBSYSTEM)
		if (row->moment == ATTR_FRESH && differs(p, path, target, actual, row))
			return true;
	return false;
}

static int change_object(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	switch (target->kind) {
	case KIND_NAMESPACE:
	case KIND_REFERRAL:
		return change_disabled(p, path, target, actual);
	case KIND_PORT:
		return change_port(p, path, target, actual);
	default:
		return change_live(p, path, target, actual);
	}
}

/* ---- backends: files grow ---- */

static int grow_backend(struct planner *p, const char *path)
{
	const struct change *c = change_of(p, path);
	const char *was = c && c->before ? object_get(c->before, "size") : NULL;
	const char *is = c && c->after ? object_get(c->after, "size") : NULL;
	struct users u;
	struct step *s;
	int r;

	if (!c || !c->before || !is || streq_ptr(was, is))
		return 0;
	s = plan_step(p->plan, PHASE_BUILD, path, "grow its file");
	r = s ? step_gives(s, "grown:%s", path) : -ENOMEM;
	if (r >= 0)
		r = oplist_add(&s->ops, OP_GROW_FILE, 0, object_get(c->after, "path"), is, path, "size");
	u = tree_users(p->wanted, KIND_BACKEND, c->after->name);
	for (size_t i = 0; r >= 0 && i < u.n; i++) {
		_cleanup_free_ char *ns = object_path(u.items[i]), *file = ns ? strf("nvmet/%s/revalidate_size", ns) : NULL;
		const struct object *actual = ns ? tree_find(p->actual, ns) : NULL;

		if (!file)
			return -ENOMEM;
		if (!is_on(actual, "enable") || !tree_find(p->target, ns))
			continue;
		s = plan_step(p->plan, PHASE_SWITCH, ns, "tell its new size");
		r = s ? step_after(s, "grown:%s", path) : -ENOMEM;
		if (r >= 0)
			r = step_after(s, "=%s", ns);
		if (r >= 0)
			r = step_op(s, OP_WRITE, OP_NEWLINE, file, "1", "revalidate_size");
	}
	return r;
}

/* ---- elements ---- */

/* A permanent object that is wanted no longer goes back to the kernel's own defaults. */
static int reset_permanent(struct planner *p, const char *text, const struct element *e)
{
	_cleanup_(object_freep) struct object *defaults = NULL;
	const struct object *actual = tree_find(p->actual, e->object);
	int r = 0;

	if (!actual || !owned(p, text))
		return 0;
	defaults = object_new_detached(e->kind, "");
	if (!defaults)
		return -ENOMEM;
	attr_foreach(row, e->kind)
		if (r >= 0 && row->file && row->source == ATTR_CONSTANT)
			r = object_set(defaults, row, row->dflt);
	return r < 0 ? r : change_live(p, e->object, defaults, actual);
}

static int plan_permanent(struct planner *p, const char *text, const struct element *e)
{
	const struct object *target = tree_find(p->target, e->object), *actual = tree_find(p->actual, e->object);
	_cleanup_free_ char *folder = path_to_kernel(e->object);
	struct step *s;

	if (!target)
		return reset_permanent(p, text, e);
	if (find_lacking(target, actual))
		return ask_for_lacking(p, e->object, target, find_lacking(target, actual));
	if (actual)
		return change_live(p, e->object, target, actual);
	if (e->kind == KIND_NVMET)
		return 0;
	/* ANA group 1 of a port that is made by this plan. */
	if (streq_ptr(object_get(target, "ana_state"), "optimized"))
		return 0;
	s = folder ? make_step(p, PHASE_BUILD, e->object, "set") : NULL;
	return s ? write_row(s, folder, attr_find(e->kind, "ana_state"), object_get(target, "ana_state"), 0) : -ENOMEM;
}

static int clash(struct planner *p, const char *text)
{
	return cfg_error_set_at(p->err, EEXIST, text, NULL,
				"exists in the kernel, but was not made by nvmetctl: adopt it or remove it");
}

/* Whether this transaction is what makes the element wanted. */
static bool newly_wanted(struct planner *p, const char *text, const struct element *e)
{
	const struct change *c = change_of(p, e->object);

	if (!c || !c->after)
		return false;
	if (!e->edge)
		return !c->before;
	return !c->before || !strv_contains(object_get_list(c->before, e->edge), e->name);
}

static bool made_anew(struct planner *p, const struct element *e)
{
	_cleanup_free_ char *parent = path_parent(e->object);

	if (e->edge)
		return map_get(p->anew, e->object) || map_get(p->anew, e->far);
	return map_get(p->anew, e->object) || (parent && map_get(p->anew, parent));
}

static int plan_element(struct planner *p, const char *text, const struct element *e)
{
	const struct object *target = tree_find(p->target, e->object), *actual = tree_find(p->actual, e->object);
	bool wanted = nvmet_has(p->target, e), there = nvmet_has(p->actual, e);
	int r = 0;

	if (e->kind == KIND_BACKEND)
		return grow_backend(p, text);
	if (nvmet_is_permanent(e))
		return plan_permanent(p, text, e);
	if (there && wanted && newly_wanted(p, text, e) && !owned(p, text))
		return clash(p, text);
	if (there && !wanted && !owned(p, text))
		return 0;
	/* A port's own step takes care of links that it had; those that are new to it come after. */
	if (e->edge && there && map_get(p->relinked, e->object) && !made_anew(p, e))
		return 0;
	if (there && (!wanted || made_anew(p, e))) {
		r = e->edge ? remove_edge(p, text, e) : remove_object(p, text, actual);
		there = false;
	}
	if (r < 0 || !wanted)
		return r;
	if (e->edge)
		return there ? 0 : make_edge(p, text, e);
	if (there && find_lacking(target, actual))
		return ask_for_lacking(p, text, target, find_lacking(target, actual));
	return there ? change_object(p, text, target, actual) : make_object(p, text, target);
}

/* Subsystems that differ in what the kernel fixes at the first identify. Only where all that belongs to them was read. */
static int find_anew(struct planner *p)
{
	for (char **t = p->scope->elements; t && *t; t++) {
		const struct object *target, *actual;

		if (strncmp(*t, "subsystems/", 11) != 0 || strchr(*t + 11, '/') ||
		    !(map_get(p->folders, *t) || map_get(p->folders, "")))
			continue;
		target = tree_find(p->target, *t);
		actual = tree_find(p->actual, *t);
		if (target && actual && !find_lacking(target, actual) && needs_anew(p, *t, target, actual) && map_put(p->anew, *t, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The removal of a subsystem that is made anew also costs what its changed attributes cost. */
static int weigh_anew(struct planner *p)
{
	for (size_t i = 0; i < p->plan->n; i++) {
		struct step *s = p->plan->steps[i];
		const struct object *target, *actual;

		if (s->phase != PHASE_REMOVE || !map_get(p->anew, s->object))
			continue;
		target = tree_find(p->target, s->object);
		actual = tree_find(p->actual, s->object);
		attr_foreach(row, KIND_SUBSYSTEM)
			if (row->moment == ATTR_FRESH && differs(p, s->object, target, actual, row))
				worsen(s, row->effect);
		if (affect_subsystem(p, s, target->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int plan_pass(struct planner *p, bool ports)
{
	for (char **t = p->scope->elements; t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };
		int r = element_parse(*t, &e);

		/* Ports first: whether one is re-addressed decides who takes care of its links. */
		if (r >= 0 && (e.kind == KIND_PORT && !e.edge) == ports)
			r = plan_element(p, *t, &e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int index_strings(struct map *m, char *const *v, void *value)
{
	for (; v && *v; v++)
		if (map_put(m, *v, value) < 0)
			return -ENOMEM;
	return 0;
}

static int planner_init(struct planner *p)
{
	int r;

	p->in_scope = map_new();
	p->folders = map_new();
	p->by_path = map_new();
	p->anew = map_new();
	p->relinked = map_new();
	if (!p->in_scope || !p->folders || !p->by_path || !p->anew || !p->relinked)
		return -ENOMEM;
	r = index_strings(p->in_scope, p->scope->elements, p);
	if (r >= 0)
		r = index_strings(p->folders, p->scope->folders, p);
	for (size_t i = 0; r >= 0 && p->changes && i < p->changes->n; i++)
		r = map_put(p->by_path, p->changes->items[i]->path, p->changes->items[i]);
	return r;
}

static void planner_done(struct planner *p)
{
	map_free(p->in_scope);
	map_free(p->folders);
	map_free(p->by_path);
	map_free(p->anew);
	map_free(p->relinked);
}

/* ---- hosts that may no longer connect ---- */

bool nvmet_excludes(const struct change *c)
{
	const struct attr_row *hosts = attr_find(KIND_SUBSYSTEM, "allowed_hosts");
	char *const *before, *const *after;

	if (!c->before || !c->after || c->after->kind != KIND_SUBSYSTEM || is_on(c->after, "allow_any_host"))
		return false;
	if (is_on(c->before, "allow_any_host"))
		return true;
	before = object_get_list(c->before, hosts);
	after = object_get_list(c->after, hosts);
	for (; before && *before; before++)
		if (!strv_contains(after, *before))
			return true;
	return false;
}

/* From 6.2 on the kernel ends all connections of a subsystem when its limit on queues is written, changed or not. */
static bool write_disconnects(const struct nvmet_facts *facts)
{
	unsigned major, minor;

	return facts->release && sscanf(facts->release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 2));
}

/* Nothing ends the connections of one host: those of all hosts end, and whoever may still connect does so again. */
static int end_connections(struct planner *p, const struct change *c)
{
	_cleanup_free_ char *folder = path_to_kernel(c->path);
	_cleanup_strv_ char **edges = NULL;
	struct step *s;
	int r = linked_edges(p, c->after->name, &edges);

	if (r < 0 || !edges || map_get(p->anew, c->path))
		return r;
	s = folder ? plan_step(p->plan, PHASE_REMOVE, c->path, "end its connections") : NULL;
	r = s ? step_after(s, "-hosts:%s", c->path) : -ENOMEM;
	if (r >= 0)
		r = step_after(s, "=%s", c->path);
	if (r >= 0)
		r = affect_subsystem(p, s, c->after->name);
	if (r < 0)
		return r;
	s->effect = EFFECT_DISCONNECT;
	if (write_disconnects(p->facts)) {
		const struct attr_row *row = attr_find(KIND_SUBSYSTEM, "qid_max");
		const char *value = object_get_row(c->after, row);

		return write_row(s, folder, row, value ? value : row->dflt, 0);
	}
	for (char **e = edges; r >= 0 && *e; e++) {
		_cleanup_free_ char *port = strndup(*e, strcspn(*e + strlen("ports/"), "/") + strlen("ports/"));

		r = port ? port_link_op(s, port, c->after->name, false) : -ENOMEM;
		if (r >= 0)
			r = port_link_op(s, port, c->after->name, true);
	}
	return r;
}

int nvmet_plan(const struct tree *target, const struct tree *actual, const struct scope *s, const struct tree *wanted,
	       const struct changes *c, const struct nvmet_facts *facts, struct plan *ret, struct cfg_error *err)
{
	struct planner p = {
		.target = target, .actual = actual, .wanted = wanted, .scope = s, .changes = c, .facts = facts, .plan = ret,
		.err = err,
	};
	int r = planner_init(&p);

	if (r >= 0)
		r = find_anew(&p);
	if (r >= 0)
		r = plan_pass(&p, true);
	if (r >= 0)
		r = plan_pass(&p, false);
	if (r >= 0)
		r = weigh_anew(&p);
	for (size_t i = 0; r >= 0 && facts->revoke && c && i < c->n; i++)
		if (nvmet_excludes(c->items[i]))
			r = end_connections(&p, c->items[i]);
	planner_done(&p);
	if (r < 0 && !cfg_error_is_set(err))
		return oom(&p);
	return r;
}
