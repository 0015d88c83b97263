/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From differences to steps. One step an object or link, with the kernel's order inside (kernel-abi 2.11); between steps, keys:
 *	+PATH, -PATH			made, removed
 *	"+PATH/" and "-PATH/", each with a star behind: something below or of an object made, removed
 *	=PATH				attributes of an existing object changed
 *	-links:PATH, -hosts:PATH	a link of a port to the subsystem, a host of the subsystem removed
 *	-device:D, -address:A		a resource set free; -service:S and -everywhere:S some address, or all, of a service
 *	-served:PORT			all links of a port that is re-addressed removed
 */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/lio.h"

bool element_is_permanent(const struct element *e)
{
	return !e->edge && (e->kind == KIND_NVMET || e->kind == KIND_TARGET_CORE || (e->kind == KIND_ANA_GROUP && streq(strrchr(e->object, '/'), "/1")));
}

static int oom(struct planner *p)
{
	return cfg_error_oom(p->err);
}

static bool owned(const struct planner *p, const char *element)
{
	return !p->facts->owned || p->facts->owned(p->facts->userdata, element);
}

/* ---- backends: files grow ---- */

static int grow_backend(struct planner *p, const char *path)
{
	const struct change *c = planner_change_of(p, path);
	const char *was = c && c->before ? object_get(c->before, "size") : NULL;
	const char *is = c && c->after ? object_get(c->after, "size") : NULL;
	struct users u;
	struct step *s;
	int r;

	if (!c || !c->before || !is || streq_ptr(was, is))
		return 0;
	s = plan_step(p->plan, PHASE_BUILD, path, object_get(c->after, "path") ? "grow its file" : "grow");
	r = s ? step_gives(s, "grown:%s", path) : -ENOMEM;
	if (r >= 0 && object_get(c->after, "path"))
		r = oplist_add(&s->ops, OP_GROW_FILE, 0, object_get(c->after, "path"), is, path, "size");
	if (r >= 0 && tree_find(p->actual, path) && tree_find(p->target, path))
		r = lio_grow(p, s, path, c->after);
	u = tree_users(p->wanted, KIND_BACKEND, c->after->name);
	for (size_t i = 0; r >= 0 && i < u.n; i++) {
		_cleanup_free_ char *ns = object_path(u.items[i]), *file = ns ? strf("nvmet/%s/revalidate_size", ns) : NULL;
		const struct object *actual = ns ? tree_find(p->actual, ns) : NULL;

		if (!file)
			return -ENOMEM;
		if (!object_is_on(actual, "enable") || !tree_find(p->target, ns))
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
	return r < 0 ? r : nvmet_change_live(p, e->object, defaults, actual);
}

static int plan_permanent(struct planner *p, const char *text, const struct element *e)
{
	const struct object *target = tree_find(p->target, e->object), *actual = tree_find(p->actual, e->object);
	_cleanup_free_ char *folder = path_to_kernel(NULL, e->object);
	struct step *s;

	if (!target)
		return reset_permanent(p, text, e);
	if (planner_find_lacking(target, actual))
		return planner_ask_for_lacking(p, e->object, target, planner_find_lacking(target, actual));
	if (actual)
		return nvmet_change_live(p, e->object, target, actual);
	if (e->kind != KIND_ANA_GROUP)
		return 0;
	/* ANA group 1 of a port that is made by this plan. */
	if (streq_ptr(object_get(target, "ana_state"), "optimized"))
		return 0;
	s = folder ? nvmet_make_step(p, PHASE_BUILD, e->object, "set") : NULL;
	return s ? step_write_row(s, folder, attr_find(e->kind, "ana_state"), object_get(target, "ana_state"), 0) : -ENOMEM;
}

static int clash(struct planner *p, const char *text)
{
	return cfg_error_set_at(p->err, EEXIST, text, NULL,
				"exists in the kernel, but was not made by nvmetctl: adopt it or remove it");
}

/* Whether this transaction is what makes the element wanted. */
static bool newly_wanted(struct planner *p, const char *text, const struct element *e)
{
	const struct change *c = planner_change_of(p, e->object);

	if (!c || !c->after)
		return false;
	if (!e->edge)
		return !c->before;
	return !c->before || !object_lists(c->before, e->edge, e->name);
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
	bool wanted = element_is_in(p->target, e), there = element_is_in(p->actual, e);
	int r = 0;

	if (e->kind == KIND_BACKEND)
		r = grow_backend(p, text);
	if (r < 0)
		return r;
	if (element_is_permanent(e))
		return plan_permanent(p, text, e);
	/* The folder of a fabric is everybody's. */
	if (there && wanted && newly_wanted(p, text, e) && !owned(p, text) && e->kind != KIND_FABRIC)
		return clash(p, text);
	if (there && !wanted && !owned(p, text))
		return 0;
	/* A port's own step takes care of links that it had; those that are new to it come after. */
	if (e->edge && there && map_get(p->relinked, e->object) && !made_anew(p, e))
		return 0;
	if (there && (!wanted || made_anew(p, e))) {
		r = e->edge ? nvmet_remove_edge(p, text, e) :
		    lio_is_kind(e->kind) ? lio_remove_object(p, text, actual) : nvmet_remove_object(p, text, actual);
		there = false;
	} else if (!there && !wanted && p->facts->unfinished && p->facts->unfinished(p->facts->userdata, text)) {
		r = lio_tidy(p, text, e->kind);
	}
	if (r < 0 || !wanted)
		return r;
	if (e->edge)
		return there ? 0 : nvmet_make_edge(p, text, e);
	if (there && planner_find_lacking(target, actual))
		return planner_ask_for_lacking(p, text, target, planner_find_lacking(target, actual));
	if (lio_is_kind(e->kind))
		return there ? lio_change_object(p, text, target, actual) : lio_make_object(p, text, target);
	return there ? nvmet_change_object(p, text, target, actual) : nvmet_make_object(p, text, target);
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
		if (target && actual && !planner_find_lacking(target, actual) && nvmet_needs_anew(p, *t, target, actual) && map_put(p->anew, *t, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Of the SCSI target only what links elsewhere; what is mapped to a LUN goes with it, so those come later. */
static int find_anew_of_lio(struct planner *p, bool mapped)
{
	for (char **t = p->scope->elements; t && *t; t++) {
		const struct object *target = tree_find(p->target, *t), *actual = target ? tree_find(p->actual, *t) : NULL;

		if (!actual || !lio_is_kind(target->kind) || (target->kind == KIND_MAPPED_LUN) != mapped)
			continue;
		if (lio_needs_anew(p, *t, target, actual) && map_put(p->anew, *t, p) < 0)
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

		if (s->phase != PHASE_REMOVE || !map_get(p->anew, s->object) || path_kind(s->object) != KIND_SUBSYSTEM)
			continue;
		target = tree_find(p->target, s->object);
		actual = tree_find(p->actual, s->object);
		attr_foreach(row, KIND_SUBSYSTEM)
			if (row->moment == ATTR_FRESH && planner_differs(p, s->object, target, actual, row))
				step_worsen(s, row->effect);
		if (nvmet_affect_subsystem(p, s, target->name) < 0)
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
	p->loaded = map_new();
	if (!p->in_scope || !p->folders || !p->by_path || !p->anew || !p->relinked || !p->loaded)
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
	map_free(p->loaded);
}

/* ---- hosts that may no longer connect ---- */

bool nvmet_excludes(const struct change *c)
{
	const struct attr_row *hosts = attr_find(KIND_SUBSYSTEM, "allowed_hosts");
	char *const *before, *const *after;

	if (!c->before || !c->after || c->after->kind != KIND_SUBSYSTEM || object_is_on(c->after, "allow_any_host"))
		return false;
	if (object_is_on(c->before, "allow_any_host"))
		return true;
	before = object_get_list(c->before, hosts);
	after = object_get_list(c->after, hosts);
	for (; before && *before; before++)
		if (!strv_contains(after, *before))
			return true;
	return false;
}

/* From 6.2 on the kernel ends all connections of a subsystem when its limit on queues is written, changed or not. */
static bool write_disconnects(const struct kernel_facts *facts)
{
	unsigned major, minor;

	return facts->release && sscanf(facts->release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 2));
}

/* Nothing ends the connections of one host: those of all hosts end, and whoever may still connect does so again. */
static int end_connections(struct planner *p, const struct change *c)
{
	_cleanup_free_ char *folder = path_to_kernel(NULL, c->path);
	_cleanup_strv_ char **edges = NULL;
	struct step *s;
	int r = nvmet_linked_edges(p, c->after->name, &edges);

	if (r < 0 || !edges || map_get(p->anew, c->path))
		return r;
	s = folder ? plan_step(p->plan, PHASE_REMOVE, c->path, "end its connections") : NULL;
	r = s ? step_after(s, "-hosts:%s", c->path) : -ENOMEM;
	if (r >= 0)
		r = step_after(s, "=%s", c->path);
	if (r >= 0)
		r = nvmet_affect_subsystem(p, s, c->after->name);
	if (r < 0)
		return r;
	s->effect = EFFECT_DISCONNECT;
	if (write_disconnects(p->facts)) {
		const struct attr_row *row = attr_find(KIND_SUBSYSTEM, "qid_max");
		const char *value = object_get_row(c->after, row);

		return step_write_row(s, folder, row, value ? value : row->dflt, 0);
	}
	for (char **e = edges; r >= 0 && *e; e++) {
		_cleanup_free_ char *port = strndup(*e, strcspn(*e + strlen("ports/"), "/") + strlen("ports/"));

		r = port ? nvmet_port_link_op(s, port, c->after->name, false) : -ENOMEM;
		if (r >= 0)
			r = nvmet_port_link_op(s, port, c->after->name, true);
	}
	return r;
}

int kernel_plan(const struct tree *target, const struct tree *actual, const struct scope *s, const struct tree *wanted,
	       const struct changes *c, const struct kernel_facts *facts, struct plan *ret, struct cfg_error *err)
{
	struct planner p = {
		.target = target, .actual = actual, .wanted = wanted, .scope = s, .changes = c, .facts = facts, .plan = ret,
		.err = err,
	};
	int r = planner_init(&p);

	if (r >= 0)
		r = find_anew(&p);
	if (r >= 0)
		r = find_anew_of_lio(&p, false);
	if (r >= 0)
		r = find_anew_of_lio(&p, true);
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
