/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that remove objects and links, and what hosts notice of that. */
#include <errno.h>

#include "base/text.h"
#include "kernel/planner.h"

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
enum effect nvmet_vanishing(const struct object *actual)
{
	return object_is_on(actual, "resv_enable") ? EFFECT_RESERVATIONS : EFFECT_VANISH;
}

static int remove_namespace(struct planner *p, const char *path, const struct object *actual)
{
	const char *nqn = actual->parent->name, *device = object_get(actual, "device_path");
	_cleanup_free_ char *folder = path_to_kernel(NULL, path), *subsystem = strf("subsystems/%s", nqn);
	bool marked = p->facts->leaks && p->facts->marked && p->facts->marked(p->facts->userdata, path);
	struct step *s = folder && subsystem ? remove_step(p, path, "remove") : NULL;
	int r = s ? step_after(s, "-links:%s", subsystem) : -ENOMEM;

	if (r >= 0)
		r = nvmet_set_queue(s);
	if (r >= 0 && device)
		r = step_gives(s, "-device:%s", device);
	/* When the subsystem goes as a whole, its links go first, and that is what hosts notice. */
	if (r >= 0 && object_is_on(actual, "enable") && stays(p, subsystem) && !map_get(p->anew, subsystem)) {
		s->effect = nvmet_vanishing(actual);
		r = nvmet_affect_subsystem(p, s, nqn);
	}
	/* Removal alone would leave a namespace that has lost a reference exported; disabling it first needs the kernel's global
	 * lock until its I/O is done, so it must not stand still. */
	if (r >= 0 && marked && object_is_on(actual, "enable")) {
		_cleanup_free_ char *enable = strf("%s/enable", folder);

		if (device && *device == '/')
			r = oplist_add(&s->ops, OP_CHECK_MOVING, 0, device, NULL, path, "device_path");
		if (r >= 0)
			r = enable ? step_op(s, OP_WRITE, OP_NEWLINE | OP_MAY_BE_ABSENT, enable, "0", "enable") : -ENOMEM;
	}
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

static int remove_plain(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	struct step *s = folder ? remove_step(p, path, "remove") : NULL;
	int r = s ? step_give_resources(s, actual) : -ENOMEM;

	if (r < 0)
		return r;
	if (actual->kind == KIND_PORT)
		s->token = TOKEN_PORTS;
	if (actual->kind == KIND_SUBSYSTEM) {
		r = step_after(s, "-links:%s", path);
		if (r >= 0 && object_is_on(actual, "passthru_enable"))
			r = step_write_row(s, folder, attr_find(KIND_SUBSYSTEM, "passthru_enable"), "0", OP_MAY_BE_ABSENT);
	}
	if (actual->kind == KIND_ANA_GROUP) {
		r = nvmet_affect_group(p, s, actual);
		if (s->affects)
			s->effect = EFFECT_VANISH;
	}
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

int nvmet_remove_object(struct planner *p, const char *path, const struct object *actual)
{
	return actual->kind == KIND_NAMESPACE ? remove_namespace(p, path, actual) : remove_plain(p, path, actual);
}

int nvmet_remove_edge(struct planner *p, const char *element, const struct element *e)
{
	bool port = e->kind == KIND_PORT;
	_cleanup_free_ char *path = path_to_kernel(NULL, element);
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
			r = step_give_resources(s, o);
	}
	if (r < 0)
		return r;
	s->token = port ? TOKEN_NONE : TOKEN_HOSTS;
	return step_op(s, OP_UNLINK, OP_MAY_BE_ABSENT, path, NULL, e->edge->name);
}
