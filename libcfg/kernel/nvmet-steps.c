/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of the planner are made of: who is affected, what is written, what is held and set free. */
#include <errno.h>

#include "base/text.h"
#include "kernel/planner.h"
#include "model/access.h"
#include "model/address.h"
#include "model/backend.h"

const struct change *planner_change_of(const struct planner *p, const char *path)
{
	return map_get(p->by_path, path);
}

bool object_is_on(const struct object *o, const char *attr)
{
	return o && streq_ptr(object_get(o, attr), "1");
}

/* ---- links between ports and subsystems ---- */

/* Ports that serve the subsystem now: as read where the link was read, else as wanted before. */
int nvmet_linked_edges(struct planner *p, const char *nqn, char ***ret)
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

const char *nvmet_nqn_of(const struct object *o)
{
	return o->kind == KIND_SUBSYSTEM ? o->name : o->parent->name;
}

bool nvmet_is_linked(struct planner *p, const char *nqn)
{
	_cleanup_strv_ char **edges = NULL;

	return nvmet_linked_edges(p, nqn, &edges) < 0 || edges;
}

int nvmet_affect_subsystem(struct planner *p, struct step *s, const char *nqn)
{
	_cleanup_strv_ char **edges = NULL;
	int r = nvmet_linked_edges(p, nqn, &edges);

	for (char **e = edges; r >= 0 && e && *e; e++)
		r = step_affects(s, "%s", *e);
	return r;
}

/* As read, else as wanted before. */
static char *const *served_by(const struct planner *p, const char *port)
{
	const struct object *o = tree_find(p->actual, port), *w = tree_find(p->wanted, port);
	char *const *list = o ? object_get_list(o, attr_find(KIND_PORT, "subsystems")) : NULL;

	return list || !w ? list : object_get_list(w, attr_find(KIND_PORT, "subsystems"));
}

/* Of a subsystem that nobody here knows anything may be in it. */
static int has_in_group(const struct planner *p, const char *nqn, const char *group, bool *ret)
{
	const struct object *s = object_child(tree_root(p->wanted), KIND_SUBSYSTEM, nqn);

	*ret = !s;
	for (size_t i = 0; s && !*ret && i < object_count(s, KIND_NAMESPACE); i++) {
		const struct object *ns = object_nth(s, KIND_NAMESPACE, i);
		_cleanup_free_ char *path = object_path(ns);
		const char *number;

		if (!path)
			return -ENOMEM;
		number = access_ana_grpid(p->wanted, ns);
		if (map_get(p->in_scope, path)) {
			ns = tree_find(p->target, path);
			number = ns ? object_get(ns, "ana_grpid") : NULL;
		}
		*ret = streq_ptr(number, group);
	}
	return 0;
}

int nvmet_affect_group(struct planner *p, struct step *s, const struct object *group)
{
	_cleanup_free_ char *port = strf("ports/%s", group->parent->name);
	char *const *list = port ? served_by(p, port) : NULL;
	int r = port ? 0 : -ENOMEM;

	for (; r >= 0 && list && *list; list++) {
		bool in = false;

		r = has_in_group(p, *list, group->name, &in);
		if (r >= 0 && in)
			r = step_affects(s, "%s/subsystems/%s", port, *list);
	}
	return r;
}

void step_worsen(struct step *s, enum effect e)
{
	if (e > s->effect)
		s->effect = e;
}

/* ---- writing attributes ---- */

int step_write_row(struct step *s, const char *folder, const struct attr_row *row, const char *value, unsigned flags)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, row->file), *text = NULL;

	if (!path)
		return -ENOMEM;
	if (attr_is_secret(row))
		return step_op(s, OP_WRITE_SECRET, flags & OP_MAY_BE_ABSENT, path, value ? value : "", row->name);
	if (value && strncmp(value, DISK_OF, strlen(DISK_OF)) == 0)
		return step_op(s, OP_WRITE_DISK, flags, path, value + strlen(DISK_OF), row->name);
	if (attr_to_kernel(row, value ? value : "", &text) < 0)
		return -ENOMEM;
	return step_op(s, OP_WRITE, flags | (row->flags & ATTR_NO_NEWLINE ? 0 : OP_NEWLINE), path, text, row->name);
}

/* ---- resources ---- */

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
int step_after_resources(struct step *s, const struct object *target)
{
	_cleanup_strv_ char **keys = NULL;
	int r = object_keys(target, &keys);

	for (char **k = keys; r >= 0 && k && *k; k++)
		r = step_after(s, "-%s", *k);
	if (r >= 0 && target->kind == KIND_PORT)
		r = service_key(step_after, s, listens_everywhere(target) ? "service" : "everywhere", target);
	return r;
}

int step_give_resources(struct step *s, const struct object *o)
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

int nvmet_set_queue(struct step *s)
{
	s->queue = strf("nvmet/%s", s->object);
	if (s->queue)
		*strrchr(s->queue, '/') = 0;
	return s->queue ? 0 : -ENOMEM;
}
