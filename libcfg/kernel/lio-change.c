/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that change objects of the SCSI target. What links elsewhere is made anew. */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/access.h"
#include "model/backend.h"

bool lio_needs_anew(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	_cleanup_free_ char *tpg = NULL, *lun = NULL;

	switch (target->kind) {
	case KIND_LUN:
		return !streq_ptr(object_get(target, "backend"), object_get(actual, "backend"));
	case KIND_MAPPED_LUN:
		/* A link to a LUN that was linked to something else meanwhile is dead. */
		tpg = lio_tpg_of(path);
		lun = tpg ? strf("%s/luns/%s", tpg, object_get(target, "lun")) : NULL;
		return !streq_ptr(object_get(target, "lun"), object_get(actual, "lun")) || (lun && map_get(p->anew, lun));
	case KIND_BACKEND:
		/* Somebody ended half way. */
		return !object_is_on(actual, "enable");
	case KIND_BRIDGE:
		return !streq_ptr(object_get(target, "storage"), object_get(actual, "storage"));
	default:
		return false;
	}
}

/* The kernel finds no group by the name of the default one: a storage object is back in that when its own group is deleted, and not before. */
static int refuse_leaving(struct planner *p, const char *path, const struct change *c)
{
	const char *before = c && c->before ? object_get(c->before, "lu_group") : NULL;
	_cleanup_free_ char *group = before && c->after && !object_get(c->after, "lu_group") ? strf("lu_groups/%s", before) : NULL;
	const struct change *goes = group ? planner_change_of(p, group) : NULL;

	if (!group || (goes && !goes->after))
		return 0;
	return cfg_error_set_at(p->err, EOPNOTSUPP, path, "lu_group",
				"cannot be left out again: the kernel lets a backend into another group, and out of %s only when that is deleted",
				before);
}

/* Its group goes, and the kernel lets go of it by itself. */
static bool comes_by_itself(const struct object *target, const struct attr_row *row)
{
	return target->kind == KIND_BACKEND && streq(row->name, "lu_group") && !object_get_row(target, row);
}

/* A storage object is of what it was made of. */
static int refuse_changed(struct planner *p, const char *path)
{
	static const char *const fixed[] = { "device", "path", "buffered_io" };
	const struct change *c = planner_change_of(p, path);
	int r = refuse_leaving(p, path, c);

	if (r < 0)
		return r;

	if (c && c->before && c->after && streq_ptr(object_get(c->after, "type"), "ramdisk") &&
	    !streq_ptr(object_get(c->before, "size"), object_get(c->after, "size")))
		return cfg_error_set_at(p->err, EOPNOTSUPP, path, "size", "cannot be changed: the kernel does not let a ramdisk grow");

	for (size_t i = 0; c && c->before && c->after && i < ARRAY_SIZE(fixed); i++)
		if (!streq_ptr(object_get(c->before, fixed[i]), object_get(c->after, fixed[i])))
			return cfg_error_set_at(p->err, EBUSY, path, fixed[i],
						"cannot be changed while the SCSI target has the backend; delete what exports it first");
	return 0;
}

/*
 * The kernel would refuse it, without a word of who is in the way. What this change exports it by comes later; and where nobody asks for another
 * value but the kernel has one, only the kernel knows whether it is exported already.
 */
static int refuse_exported(struct planner *p, const char *path, const struct object *backend, const struct attr_row *row)
{
	struct users u = tree_users(p->wanted, KIND_BACKEND, backend->name);
	const struct change *own = planner_change_of(p, path);

	if (!own || !own->before || !own->after || streq_ptr(object_get_row(own->before, row), object_get_row(own->after, row)))
		return 0;
	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *user = object_path(u.items[i]);
		const struct change *c = user ? planner_change_of(p, user) : NULL;

		if (!user)
			return -ENOMEM;
		if (!c || c->before)
			return cfg_error_set_at(p->err, EBUSY, path, row->name,
						"cannot be changed while %s exports it; delete what exports it first", user);
	}
	return 0;
}

static int affect(struct planner *p, struct step *s, const char *path, const struct object *target)
{
	_cleanup_free_ char *tpg = lio_tpg_of(path);
	int r = tpg ? lio_affect_tpg(p, s, tpg) : 0;

	if (target->kind == KIND_ALUA_GROUP || target->kind == KIND_BACKEND) {
		bool alua = target->kind == KIND_ALUA_GROUP;
		struct users u = tree_users(p->wanted, KIND_BACKEND, alua ? target->parent->name : target->name);

		for (size_t i = 0; r >= 0 && i < u.n; i++) {
			_cleanup_free_ char *user = object_path(u.items[i]), *group = user ? lio_tpg_of(user) : NULL;

			/* The LUN of a bridge is in no group but the kernel's own, which serves at all times. */
			if (alua && (u.items[i]->kind != KIND_LUN || !streq_ptr(access_group_of(p->wanted, u.items[i]), target->name)))
				continue;
			if (u.items[i]->kind == KIND_NAMESPACE)
				r = nvmet_affect_subsystem(p, s, nvmet_nqn_of(u.items[i]));
			else
				r = group ? lio_affect_tpg(p, s, group) : -ENOMEM;
		}
	}
	return r;
}

/* Of an ALUA group of the backend, as it is or as it will be. */
static const char *group_state(struct planner *p, const struct tree *t, const char *backend, const char *group)
{
	_cleanup_free_ char *path = group ? strf("backends/%s/alua_groups/%s", backend, group) : NULL;
	const struct object *o = path ? tree_find(map_get(p->in_scope, path) ? t : p->wanted, path) : NULL;

	return o ? object_effective(o, attr_find(KIND_ALUA_GROUP, "access_state")) : "optimized";
}

/* Initiators notice an access state when it takes the blocks from them. */
static enum effect change_effect(struct planner *p, const struct attr_row *row, const struct object *target, const struct object *actual)
{
	const char *backend = target->kind == KIND_LUN ? object_get(target, "backend") : NULL;
	const char *was, *is;

	if (target->kind == KIND_ALUA_GROUP && streq(row->name, "access_state")) {
		was = object_get_row(actual, row);
		is = object_get_row(target, row);
	} else if (backend && streq(row->name, "alua_group")) {
		was = group_state(p, p->actual, backend, object_get_row(actual, row));
		is = group_state(p, p->target, backend, object_get_row(target, row));
	} else if (streq(row->name, "alua_tg_pt_offline")) {
		return object_is_on(target, row->name) ? row->effect : EFFECT_NONE;
	} else {
		return row->effect;
	}
	return access_serves_io(was) && !access_serves_io(is) ? EFFECT_VANISH : EFFECT_NONE;
}

/* A portal group is opened by a step of its own, after what this one changes. */
static bool opens(const struct object *target, const struct object *actual, const struct attr_row *row)
{
	return target->kind == KIND_TPG && streq(row->name, "enable") && object_is_on(target, "enable") && !object_is_on(actual, "enable");
}

/* The disk of the backend's bridge, if it has one, is asked anew what it is: what it said once is what the NVMe target goes by. */
static int rescan_bridge(struct planner *p, struct step *s, const char *path, const char *attr)
{
	_cleanup_free_ char *bridge = strf("%s/bridge", path), *folder = NULL, *tpgt = NULL;

	if (!bridge || !tree_find(p->actual, bridge))
		return bridge ? 0 : -ENOMEM;
	folder = lio_folder(p, bridge);
	tpgt = folder ? strf("%s/tpgt_1", folder) : NULL;
	return tpgt ? step_op(s, OP_RESCAN_DISK, 0, tpgt, "0", attr) : -ENOMEM;
}

int lio_grow(struct planner *p, struct step *s, const char *path, const struct object *backend)
{
	bool file = streq_ptr(object_get(backend, "type"), "file");
	_cleanup_free_ char *folder = lio_folder(p, path);
	_cleanup_free_ char *attr = folder ? strf("%s/%s", folder, file ? "control" : "attrib/dev_size") : NULL;
	_cleanup_free_ char *value = strf("%s%s", file ? "fd_dev_size=" : "", object_get(backend, "size"));
	int r = attr && value ? step_op(s, OP_WRITE, OP_NEWLINE, attr, value, "size") : -ENOMEM;

	return r < 0 ? r : rescan_bridge(p, s, path, "size");
}

/* The LUNs in a group go offline before it does, and come back after it. */
static int order_offline(struct planner *p, struct step *s, const struct object *target, const struct attr_row *row)
{
	const char *group = object_get(target, target->kind == KIND_LUN ? "alua_group" : "access_state");
	struct users u = { 0 };
	int r = 0;

	if (target->kind == KIND_LUN && group && streq(row->name, "alua_tg_pt_offline") && !object_is_on(target, row->name))
		return step_after(s, "=backends/%s/alua_groups/%s", object_get(target, "backend"), group);
	if (target->kind == KIND_ALUA_GROUP && streq(row->name, "access_state") && streq_ptr(group, "offline"))
		u = tree_users(p->target, KIND_BACKEND, target->parent->name);
	for (size_t i = 0; r >= 0 && i < u.n; i++) {
		bool in = u.items[i]->kind == KIND_LUN && streq_ptr(object_get(u.items[i], "alua_group"), target->name);
		_cleanup_free_ char *lun = in ? object_path(u.items[i]) : NULL;

		r = !in ? 0 : lun ? step_after(s, "=%s", lun) : -ENOMEM;
	}
	return r;
}

/* A group that this names is there first. */
static int after_group(struct step *s, const struct object *target, const struct attr_row *row)
{
	const char *group = object_get_row(target, row);

	if (group && target->kind == KIND_BACKEND && streq(row->name, "lu_group"))
		return step_after(s, "+lu_groups/%s", group);
	if (group && target->kind == KIND_LUN && streq(row->name, "alua_group"))
		return step_after(s, "+backends/%s/alua_groups/%s", object_get(target, "backend"), group);
	return 0;
}

int lio_change_object(struct planner *p, const char *path, const struct object *target, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	const struct attr_row *enable = attr_find(target->kind, "enable");
	const struct attr_row *feature = NULL;
	bool closed = false, open = false;
	struct step *s = NULL;
	int r = folder ? 0 : -ENOMEM;

	if (r >= 0 && target->kind == KIND_BACKEND)
		r = refuse_changed(p, path);
	attr_foreach(row, target->kind) {
		if (r < 0)
			break;
		if (row->flags & ATTR_LINK || !object_has_row(target, row) || !planner_differs(p, path, target, actual, row) || comes_by_itself(target, row))
			continue;
		if (opens(target, actual, row)) {
			open = true;
			continue;
		}
		if (row->moment == ATTR_UNEXPORTED)
			r = refuse_exported(p, path, target, row);
		if (r < 0)
			break;
		if (!s) {
			s = plan_step(p->plan, PHASE_SWITCH, path, "change");
			r = s ? step_gives(s, "=%s", path) : -ENOMEM;
		}
		if (r >= 0 && row->moment == ATTR_STOPPED && object_is_on(actual, "enable") && !closed) {
			closed = true;
			step_worsen(s, EFFECT_DISCONNECT);
			r = step_write_row(s, folder, enable, "0", 0);
		}
		if (r >= 0)
			r = after_group(s, target, row);
		if (r >= 0)
			r = order_offline(p, s, target, row);
		if (r < 0)
			break;
		step_worsen(s, change_effect(p, row, target, actual));
		r = step_write_row(s, folder, row, object_get_row(target, row), 0);
		if (target->kind == KIND_BACKEND && row->file && strncmp(row->file, "attrib/", 7) == 0)
			feature = row;
	}
	if (r >= 0 && feature)
		r = rescan_bridge(p, s, path, feature->name);
	if (r >= 0 && s && s->effect != EFFECT_NONE)
		r = affect(p, s, path, target);
	if (r >= 0 && (open || (closed && object_is_on(target, "enable"))))
		r = lio_enable_tpg(p, path, target);
	return r;
}
