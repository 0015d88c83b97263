/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that change what exists. Some attributes are taken at any time, some only while the namespace is disabled or the port unlinked, some
 * only by an object that is made anew; some that this kernel lacks are asked for all the same, so that its refusal can be reported.
 */
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/planner.h"
#include "model/access.h"

/* ---- what differs ---- */

static bool secret_differs(struct planner *p, const char *path, const struct object *target, const struct object *actual,
			   const struct attr_row *row)
{
	const char *t = object_get_row(target, row), *a = object_get_row(actual, row);
	const struct change *c = planner_change_of(p, path);

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
	const struct change *c = planner_change_of(p, path);

	return c && c->before && c->after && object_get_row(c->before, row) && !object_get_row(c->after, row);
}

/* What the kernel chooses by itself cannot be told from what someone had set by reading it: that it is to choose again, the change says. On the
 * way back all that was read is meant as it was. */
bool planner_differs(struct planner *p, const char *path, const struct object *target, const struct object *actual,
		   const struct attr_row *row)
{
	if (attr_is_secret(row))
		return secret_differs(p, path, target, actual, row);
	if (row->flags & ATTR_SETTLES && object_get_row(actual, row) && (!p->changes || given_up(p, path, row)))
		return !streq_ptr(object_get_row(target, row), object_get_row(actual, row));
	if (row->moment == ATTR_FRESH && row->source == ATTR_CAPTURED && given_up(p, path, row))
		return true;
	return row_differs(target, actual, row);
}

/* An attribute that is wanted, and that the kernel has no file for: of one that it has, these always say something. */
const struct attr_row *planner_find_lacking(const struct object *target, const struct object *actual)
{
	attr_foreach(row, target->kind) {
		const char *v = object_get_row(target, row);

		if (row->feature && (row->dflt || row->source == ATTR_CAPTURED) && !(actual && object_get_row(actual, row)) && v &&
		    !streq_ptr(v, row->dflt))
			return row;
	}
	return NULL;
}

/* ---- what is lacking ---- */

/* The kernel is asked for it all the same, since its refusal is what is reported; but before anything that hosts would notice. */
int planner_ask_for_lacking(struct planner *p, const char *path, const struct object *target, const struct attr_row *row)
{
	_cleanup_free_ char *folder = path_to_kernel(p->target, path);
	struct step *s = folder ? plan_step(p->plan, PHASE_BUILD, path, "change") : NULL;

	return s ? step_write_row(s, folder, row, object_get_row(target, row), 0) : -ENOMEM;
}

/* ---- at any time ---- */

static struct step *change_step(struct planner *p, const char *path)
{
	struct step *s = plan_step(p->plan, PHASE_SWITCH, path, "change");

	return s && step_gives(s, "=%s", path) >= 0 ? s : NULL;
}

/* A passthrough lets go of its controller before it takes another one, which may be somebody's until then. Namespaces and it exclude each other:
 * those that come wait for it to end, and it for those that go. */
static int change_passthru(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *device = attr_find(KIND_SUBSYSTEM, "passthru_path"), *enable = attr_find(KIND_SUBSYSTEM, "passthru_enable");
	bool was_on = object_is_on(actual, "passthru_enable"), on = object_is_on(target, "passthru_enable");
	bool other = planner_differs(p, path, target, actual, device), off = was_on && (other || !on);
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	struct step *s;
	int r = folder ? 0 : -ENOMEM;

	if (!other && was_on == on)
		return 0;
	if (r >= 0 && off) {
		s = plan_step(p->plan, PHASE_SWITCH, path, "stop passing through");
		r = s ? step_give_resources(s, actual) : -ENOMEM;
		if (r >= 0)
			r = step_gives(s, "-passed:%s", path);
		if (r >= 0)
			r = step_gives(s, "=%s", path);
		if (r >= 0)
			r = step_write_row(s, folder, enable, "0", 0);
		if (r >= 0)
			r = nvmet_affect_subsystem(p, s, target->name);
		if (s)
			step_worsen(s, EFFECT_VANISH);
	}
	if (r < 0 || (!other && !on))
		return r;
	s = change_step(p, path);
	r = s ? step_after(s, "-passed:%s", path) : -ENOMEM;
	if (r >= 0)
		r = step_after(s, "-%s/*", path);
	if (r >= 0)
		r = nvmet_await_controller(p, s, path, target);
	if (r >= 0 && other) {
		step_worsen(s, device->effect);
		r = step_write_row(s, folder, device, object_get_row(target, device), 0);
	}
	if (r >= 0 && on)
		r = step_write_row(s, folder, enable, "1", OP_CHECK_BACK);
	return r < 0 ? r : nvmet_affect_subsystem(p, s, target->name);
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

static enum effect live_effect(const struct attr_row *row, const struct object *target, const struct object *actual)
{
	if (!streq(row->name, "ana_state"))
		return row->effect;
	return access_serves_io(object_get_row(actual, row)) && !access_serves_io(object_get_row(target, row)) ? row->effect : EFFECT_NONE;
}

static int live_write(struct planner *p, struct step *s, const char *path, const char *folder, const struct attr_row *row,
		      const struct object *target)
{
	int r = 0;

	if (streq(row->name, "allow_any_host")) {
		s->token = TOKEN_HOSTS;
		r = step_after(s, "-hosts:%s", path);
	}
	return r < 0 ? r : step_write_row(s, folder, row, object_get_row(target, row), 0);
}

static int affect_users(struct planner *p, struct step *s, const struct object *target)
{
	if (target->kind == KIND_SUBSYSTEM)
		return nvmet_affect_subsystem(p, s, target->name);
	return target->kind == KIND_ANA_GROUP ? nvmet_affect_group(p, s, target) : 0;
}

/* Host, subsystem, ANA group, global: attributes that the kernel takes at any time. */
int nvmet_change_live(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *later = target->kind == KIND_SUBSYSTEM && moves_up(target, actual) ?
					       attr_find(KIND_SUBSYSTEM, "cntlid_min") : NULL;
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	struct step *s = NULL;
	int r = folder ? 0 : -ENOMEM;

	attr_foreach(row, target->kind) {
		if (r < 0)
			break;
		if (row->moment == ATTR_FRESH || is_passthru(row) || !planner_differs(p, path, target, actual, row))
			continue;
		if (!s)
			s = change_step(p, path);
		if (!s)
			return -ENOMEM;
		step_worsen(s, live_effect(row, target, actual));
		if (row != later)
			r = live_write(p, s, path, folder, row, target);
	}
	if (s && r >= 0 && later)
		r = live_write(p, s, path, folder, later, target);
	if (s && r >= 0 && s->effect != EFFECT_NONE)
		r = affect_users(p, s, target);
	return r < 0 || target->kind != KIND_SUBSYSTEM ? r : change_passthru(p, path, target, actual);
}

/* ---- while disabled ---- */

/* Whether the port serves the group's namespaces; of what this plan does not touch it is what is wanted. */
static int group_is_served(struct planner *p, const char *port, const char *group, bool *ret)
{
	_cleanup_free_ char *path = strf("%s/ana_groups/%s", port, group);
	const struct object *o;

	if (!path)
		return -ENOMEM;
	o = tree_find(map_get(p->in_scope, path) ? p->target : p->wanted, path);
	*ret = o ? access_serves_io(object_effective(o, attr_find(KIND_ANA_GROUP, "ana_state"))) : streq(group, "1");
	return 0;
}

/* In another ANA group a namespace is there, but on ports that do not serve that group it answers nobody. */
static int weigh_ana_group(struct planner *p, struct step *s, const struct object *target, const struct object *actual)
{
	const struct attr_row *row = attr_find(KIND_NAMESPACE, "ana_grpid");
	_cleanup_strv_ char **edges = NULL;
	int r = 0;

	if (row_differs(target, actual, row))
		r = nvmet_linked_edges(p, nvmet_nqn_of(target), &edges);
	for (char **e = edges; r >= 0 && e && *e; e++) {
		_cleanup_free_ char *port = strndup(*e, strcspn(*e + strlen("ports/"), "/") + strlen("ports/"));
		bool served = true;

		r = port ? group_is_served(p, port, object_get_row(target, row), &served) : -ENOMEM;
		if (r < 0 || served)
			continue;
		step_worsen(s, row->effect);
		r = step_affects(s, "%s", *e);
	}
	return r;
}

static int disable(struct step *s, const char *folder, const struct object *actual)
{
	const char *device = actual->kind == KIND_NAMESPACE ? object_get(actual, "device_path") : NULL;
	/* What moves behind a bridge its disk does not tell. */
	int r = device && *device == '/' ? step_op(s, OP_CHECK_MOVING, 0, device, NULL, "device_path") : 0;

	step_worsen(s, actual->kind == KIND_NAMESPACE ? nvmet_vanishing(actual) : EFFECT_NONE);
	return r < 0 ? r : step_write_row(s, folder, attr_find(actual->kind, "enable"), "0", 0);
}

/* The device is let go in a step of its own: another namespace may be waiting for it while this one waits for that one's. */
static int release_device(struct planner *p, const char *path, const char *folder, const struct object *actual)
{
	struct step *s = plan_step(p->plan, PHASE_SWITCH, path, "disable");
	int r = s ? nvmet_set_queue(s) : -ENOMEM;

	if (r >= 0)
		r = step_gives(s, "-device:%s", object_get(actual, "device_path"));
	if (r >= 0)
		r = step_gives(s, "-disabled:%s", path);
	if (r >= 0)
		r = disable(s, folder, actual);
	return r < 0 ? r : nvmet_affect_subsystem(p, s, nvmet_nqn_of(actual));
}

/* Its new device, which is opened as the kernel will before anything is disturbed for it. */
static int wait_for_device(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	int r = nvmet_await_device(p, s, path, target);

	return r < 0 ? r : step_after(s, "-disabled:%s", path);
}

/* The way by which it is reached is another, but the backend's identity and geometry are what they were. */
static bool only_moves(const struct object *target, const struct object *actual)
{
	const char *t = object_get(target, "device_path"), *a = object_get(actual, "device_path");

	return t && a && (*t == '/') != (*a == '/') && streq_ptr(object_get(target, "device_uuid"), object_get(actual, "device_uuid"));
}

static enum effect disabled_effect(const struct attr_row *row, const struct object *target, const struct object *actual)
{
	/* Whether another ANA group is noticed, the ports say. */
	if (streq(row->name, "ana_grpid"))
		return EFFECT_NONE;
	return streq(row->name, "device_path") && only_moves(target, actual) ? EFFECT_VANISH : row->effect;
}

/* Namespaces and referrals: some attributes need enable = 0 around them. */
static int change_disabled(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	const struct attr_row *enable = attr_find(target->kind, "enable");
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	bool was_on = object_is_on(actual, "enable"), on = object_is_on(target, "enable"), off = was_on && !on, any = was_on != on;
	bool moves = false;
	struct step *s;
	int r = folder ? 0 : -ENOMEM;

	attr_foreach(row, target->kind)
		if (row != enable && planner_differs(p, path, target, actual, row)) {
			any = true;
			off |= was_on && row->moment == ATTR_DISABLED;
			moves |= streq(row->name, "device_path");
		}
	if (!any)
		return 0;
	if (r >= 0 && moves && was_on)
		r = release_device(p, path, folder, actual);
	s = r >= 0 ? change_step(p, path) : NULL;
	r = s ? nvmet_set_queue(s) : -ENOMEM;
	if (r >= 0 && moves)
		r = wait_for_device(p, s, path, target);
	if (r >= 0 && off && !moves)
		r = disable(s, folder, actual);
	attr_foreach(row, target->kind) {
		if (r < 0)
			break;
		if (row == enable || !planner_differs(p, path, target, actual, row))
			continue;
		step_worsen(s, disabled_effect(row, target, actual));
		r = step_write_row(s, folder, row, object_get_row(target, row), 0);
	}
	if (r >= 0 && on && (off || !was_on))
		r = step_write_row(s, folder, enable, "1", OP_CHECK_BACK);
	if (r >= 0 && s->effect != EFFECT_NONE && target->kind == KIND_NAMESPACE)
		r = nvmet_affect_subsystem(p, s, nvmet_nqn_of(target));
	if (r >= 0 && target->kind == KIND_NAMESPACE && was_on)
		r = weigh_ana_group(p, s, target, actual);
	return r;
}

/* ---- while unlinked ---- */

static char *const *port_links(const struct tree *t, const char *path)
{
	const struct object *o = tree_find(t, path);

	return o ? object_get_list(o, attr_find(KIND_PORT, "subsystems")) : NULL;
}

int nvmet_port_link_op(struct step *s, const char *path, const char *nqn, bool make)
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

		if (!planner_differs(p, path, target, actual, row) && !(v && security && readdressed && a) && !(v && settled))
			continue;
		if (streq(row->name, "trtype") || streq(row->name, "tsas"))
			readdressed = true;
		if (step_write_row(s, folder, row, v, 0) < 0)
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
		r = step_give_resources(s, actual);
	for (char *const *l = links; r >= 0 && *l; l++) {
		r = nvmet_port_link_op(s, path, *l, false);
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
	_cleanup_free_ char *folder = path_to_kernel(NULL, path);
	char *const *links = port_links(p->actual, path);
	char *const *keep = port_links(p->target, path);
	struct step *s;
	bool any = false;
	int r;

	attr_foreach(row, KIND_PORT)
		any |= planner_differs(p, path, target, actual, row);
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
		r = step_after_resources(s, target);
	if (r >= 0)
		r = nvmet_load_transport(s, target);
	if (r >= 0)
		r = write_port(p, s, path, folder, target, actual);
	for (char *const *l = links; r >= 0 && l && *l; l++)
		if (link_stays(p, keep, *l))
			r = nvmet_port_link_op(s, path, *l, true);
	return r;
}

bool nvmet_needs_anew(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	attr_foreach(row, KIND_SUBSYSTEM)
		if (row->moment == ATTR_FRESH && planner_differs(p, path, target, actual, row))
			return true;
	return false;
}

int nvmet_change_object(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	switch (target->kind) {
	case KIND_NAMESPACE:
	case KIND_REFERRAL:
		return change_disabled(p, path, target, actual);
	case KIND_PORT:
		return change_port(p, path, target, actual);
	default:
		return nvmet_change_live(p, path, target, actual);
	}
}
