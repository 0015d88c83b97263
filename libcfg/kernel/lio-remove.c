/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that remove objects of the SCSI target. Keys beside those of planner.c:
 *	-luns:BACKEND		a LUN of the backend removed
 *	-maps:LUN		a mapped LUN of the LUN removed
 *	-enabled:TPG		the portal group lets nobody in any more
 */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/backend.h"

static bool goes(const struct planner *p, const char *path)
{
	return map_get(p->in_scope, path) && !tree_find(p->target, path);
}

/* What initiators would notice; when the portal group goes as a whole, that is its own step's. */
static int weigh(struct planner *p, struct step *s, const char *path, enum effect effect)
{
	_cleanup_free_ char *tpg = lio_tpg_of(path);
	int r;

	if (!tpg)
		return 0;
	r = step_after(s, "-enabled:%s", tpg);
	if (r < 0 || goes(p, tpg))
		return r;
	step_worsen(s, effect);
	return lio_affect_tpg(p, s, tpg);
}

static int unlink_all(struct step *s, const char *folder, const struct object *actual, const char *attr)
{
	const char *name = object_get(actual, "link");
	_cleanup_free_ char *link = name ? strf("%s/%s", folder, name) : NULL;

	if (!name)
		return 0;
	return link ? step_op(s, OP_UNLINK, OP_MAY_BE_ABSENT, link, NULL, attr) : -ENOMEM;
}

static int remove_lun(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	struct step *s = folder ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	int r = s ? weigh(p, s, path, EFFECT_VANISH) : -ENOMEM;

	if (r >= 0)
		r = step_after(s, "-maps:%s", path);
	if (r >= 0 && object_get(actual, "backend"))
		r = step_gives(s, "-luns:%s", object_get(actual, "backend"));
	if (r >= 0)
		r = unlink_all(s, folder, actual, "backend");
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

static int remove_mapped_lun(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path), *tpg = lio_tpg_of(path);
	struct step *s = folder && tpg ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	int r = s ? weigh(p, s, path, EFFECT_VANISH) : -ENOMEM;

	if (r >= 0 && object_get(actual, "lun"))
		r = step_gives(s, "-maps:%s/luns/%s", tpg, object_get(actual, "lun"));
	if (r >= 0)
		r = unlink_all(s, folder, actual, "lun");
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

/* Initiators leave first, so that nobody sees it in parts. */
static int close_tpg(struct planner *p, const char *path, const char *folder, const struct object *actual)
{
	const struct attr_row *row = attr_find(KIND_TPG, "enable");
	struct step *s;
	int r;

	if (!object_has_row(actual, row) || !object_is_on(actual, "enable"))
		return 0;
	s = plan_step(p->plan, PHASE_REMOVE, path, "disable");
	r = s ? step_gives(s, "-enabled:%s", path) : -ENOMEM;
	if (r >= 0)
		r = lio_affect_tpg(p, s, path);
	if (r < 0)
		return r;
	s->effect = EFFECT_DISCONNECT;
	return step_write_row(s, folder, row, "0", OP_MAY_BE_ABSENT);
}

static int remove_tpg(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	struct step *s;
	int r = folder ? close_tpg(p, path, folder, actual) : -ENOMEM;

	s = r >= 0 ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	r = s ? step_after(s, "-enabled:%s", path) : -ENOMEM;
	if (r >= 0)
		r = step_give_resources(s, actual);
	/* Other fabrics let initiators in as long as it is there. */
	if (r >= 0 && !object_has_row(actual, attr_find(KIND_TPG, "enable"))) {
		s->effect = EFFECT_DISCONNECT;
		r = lio_affect_tpg(p, s, path);
	}
	return r < 0 ? r : step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
}

static int remove_folder(struct step *s, const char *folder)
{
	return step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT | OP_MAY_BE_FULL, folder, NULL, NULL);
}

/* The last bridge takes the fabric's folder with it, unless that is wanted for itself, or goes by a step of its own. */
static int leave_loopback(struct planner *p, struct step *s)
{
	static const char fabric[] = "targets/loopback";

	if (goes(p, fabric) && tree_find(p->actual, fabric))
		return step_gives(s, "-%s/*", fabric);
	return tree_find(p->target, fabric) || tree_find(p->wanted, fabric) ? 0 : remove_folder(s, "target/loopback");
}

/* The last storage object of a plugin's folder takes the folder with it. Of what only the name is known, the type is not. */
static int leave_plugin(struct step *s, const char *folder, const char *name)
{
	_cleanup_free_ char *around = folder ? strdup(folder) : NULL;
	int r = 0;

	if (around) {
		*strrchr(around, '/') = 0;
		return remove_folder(s, around);
	}
	for (const char *const *type = attr_find(KIND_BACKEND, "type")->words; r >= 0 && *type; type++) {
		const char *plugin = backend_plugin(*type);
		_cleanup_free_ char *path = plugin ? strf("target/core/%s_%u", plugin, backend_folder_number(name)) : NULL;

		if (plugin)
			r = path ? remove_folder(s, path) : -ENOMEM;
	}
	return r;
}

int lio_tidy(struct planner *p, const char *path, enum kind kind)
{
	_cleanup_free_ char *folder = NULL;
	struct step *s;

	if (kind != KIND_BACKEND && kind != KIND_BRIDGE)
		return 0;
	s = plan_step(p->plan, PHASE_REMOVE, path, "tidy");
	if (!s)
		return -ENOMEM;
	s->tidies = true;
	if (kind == KIND_BRIDGE)
		return leave_loopback(p, s);
	folder = lio_folder(p, path);
	return leave_plugin(s, folder, strchr(path, '/') + 1);
}

static int remove_bridge(struct planner *p, const char *path)
{
	_cleanup_free_ char *folder = lio_folder(p, path), *tpgt = folder ? strf("%s/tpgt_1", folder) : NULL;
	_cleanup_free_ char *lun = tpgt ? strf("%s/lun/lun_0", tpgt) : NULL, *link = lun ? strf("%s/disk", lun) : NULL;
	struct step *s = link ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	int r = s ? step_after(s, "-device:" DISK_OF "%s", tpgt) : -ENOMEM;

	if (r >= 0)
		r = step_op(s, OP_UNLINK, OP_MAY_BE_ABSENT, link, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, lun, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, tpgt, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
	return r < 0 ? r : leave_loopback(p, s);
}

static int remove_storage(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	struct step *s = folder ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	int r = s ? step_after(s, "-luns:%s", actual->name) : -ENOMEM;

	if (r >= 0)
		r = step_give_resources(s, actual);
	if (r >= 0 && streq_ptr(object_get(actual, "type"), "ramdisk") && !object_is_on(actual, "nullio")) {
		s->effect = EFFECT_DATA;
		s->always = true;
	}
	if (r >= 0)
		r = step_op(s, OP_RMDIR, OP_MAY_BE_ABSENT, folder, NULL, NULL);
	return r < 0 ? r : leave_plugin(s, folder, actual->name);
}

/* What discovery asks for is the module's: it would outlive the folder, and be there again in the next one. */
static int forget_discovery(struct step *s, const char *folder, const struct object *fabric)
{
	int r = 0;

	attr_foreach(row, KIND_FABRIC) {
		const char *value = object_get_row(fabric, row);

		if (r >= 0 && value && !streq_ptr(value, row->dflt) && strncmp(row->file, "discovery_auth/", strlen("discovery_auth/")) == 0)
			r = step_write_row(s, folder, row, row->dflt, OP_MAY_BE_ABSENT);
	}
	return r;
}

static int remove_plain(struct planner *p, const char *path, const struct object *actual)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	struct step *s = folder ? lio_step(p, PHASE_REMOVE, path, "remove", false) : NULL;
	int r = s ? step_give_resources(s, actual) : -ENOMEM;
	/* Targets of others, and bridges, may be in it. */
	unsigned flags = OP_MAY_BE_ABSENT | (actual->kind == KIND_FABRIC ? OP_MAY_BE_FULL : 0);

	if (r >= 0)
		r = weigh(p, s, path, EFFECT_DISCONNECT);
	/* A LUN that is left without its group is in the default one, where all is open. */
	if (r >= 0 && actual->kind == KIND_ALUA_GROUP)
		r = step_after(s, "-luns:%s", actual->parent->name);
	if (r >= 0 && actual->kind == KIND_FABRIC)
		r = forget_discovery(s, folder, actual);
	return r < 0 ? r : step_op(s, OP_RMDIR, flags, folder, NULL, NULL);
}

int lio_remove_object(struct planner *p, const char *path, const struct object *actual)
{
	switch (actual->kind) {
	case KIND_BACKEND:
		return remove_storage(p, path, actual);
	case KIND_BRIDGE:
		return remove_bridge(p, path);
	case KIND_TPG:
		return remove_tpg(p, path, actual);
	case KIND_LUN:
		return remove_lun(p, path, actual);
	case KIND_MAPPED_LUN:
		return remove_mapped_lun(p, path, actual);
	default:
		return remove_plain(p, path, actual);
	}
}
