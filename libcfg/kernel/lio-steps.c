/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of the SCSI target are made of: where things stand, who sees them, and the keys by which they are ordered. */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/backend.h"

char *lio_folder(const struct planner *p, const char *path)
{
	const struct tree *const trees[] = { p->target, p->actual, p->wanted };
	char *folder = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(trees) && !folder; i++)
		folder = path_to_kernel(trees[i], path);
	return folder;
}

const struct object *lio_backend(const struct planner *p, const char *name)
{
	const struct tree *const trees[] = { p->target, p->wanted, p->actual };

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		const struct object *o = object_child(tree_root(trees[i]), KIND_BACKEND, name);

		if (o && object_get(o, "storage_object"))
			return o;
	}
	return NULL;
}

char *lio_tpg_of(const char *path)
{
	const char *at = strncmp(path, "targets/", 8) == 0 ? strstr(path, "/tpgs/") : NULL;

	at = at ? at + strlen("/tpgs/") : NULL;
	return at ? strndup(path, (size_t)(at - path) + strcspn(at, "/")) : NULL;
}

bool lio_is_live(const struct planner *p, const char *tpg)
{
	const struct object *o = tree_find(p->actual, tpg);

	/* What was not read is as it is wanted. */
	if (!map_get(p->in_scope, tpg))
		o = tree_find(p->wanted, tpg);
	if (!o)
		return false;
	/* Fabrics without the attribute serve what is there. */
	return !object_has_row(o, attr_find(KIND_TPG, "enable")) || streq_ptr(object_effective(o, attr_find(KIND_TPG, "enable")), "1");
}

int lio_affect_tpg(const struct planner *p, struct step *s, const char *tpg)
{
	const struct object *o = tree_find(p->actual, tpg);
	size_t n;
	int r = 0;

	if (!o || !map_get(p->in_scope, tpg))
		o = tree_find(p->wanted, tpg);
	n = o ? object_count(o, KIND_PORTAL) : 0;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = step_affects(s, "%s/portals/%s", tpg, object_nth(o, KIND_PORTAL, i)->name);
	/* Where there are no portals nobody can be connected, or nobody can tell. */
	return r < 0 || n || strncmp(tpg, "targets/iscsi/", 14) == 0 ? r : step_affects(s, "%s", tpg);
}

/* Everything that it stands below waits for it, or goes after it. */
static int give_to_parents(struct step *s, const char *path, char sign)
{
	_cleanup_free_ char *up = path_parent(path);
	int r = up ? 0 : -ENOMEM;

	while (r >= 0 && *up) {
		char *next = path_parent(up);

		r = next ? step_gives(s, "%c%s/*", sign, up) : -ENOMEM;
		free(up);
		up = next;
	}
	return r;
}

/* What is stuck in an object holds the folder that it stands in; but for a bridge, whose calls that can stand still, those on its LUN, hold
 * nothing that other bridges need. */
static int set_queue(struct step *s, const struct planner *p, const char *path)
{
	_cleanup_free_ char *folder = lio_folder(p, path);

	if (!folder)
		return -ENOMEM;
	if (path_kind(path) != KIND_BRIDGE)
		*strrchr(folder, '/') = 0;
	s->queue = steal_ptr(folder);
	return 0;
}

struct step *lio_step(struct planner *p, enum phase phase, const char *path, const char *summary, bool make)
{
	struct step *s = plan_step(p->plan, phase, path, summary);
	_cleanup_free_ char *parent = path_parent(path);

	if (!s || !parent || set_queue(s, p, path) < 0 || give_to_parents(s, path, make ? '+' : '-') < 0)
		return NULL;
	if (step_gives(s, "%c%s", make ? '+' : '-', path) < 0)
		return NULL;
	if (make)
		return step_after(s, "-%s", path) < 0 || (*parent && step_after(s, "+%s", parent) < 0) ? NULL : s;
	return step_after(s, "-%s/*", path) < 0 ? NULL : s;
}

/* An older kernel chooses by itself what a newer one can be told. */
static bool kernel_has(const struct planner *p, const struct attr_row *row)
{
	unsigned major, minor, since_major, since_minor;

	if (!row->since || !p->facts->release || sscanf(p->facts->release, "%u.%u", &major, &minor) != 2 ||
	    sscanf(row->since, "%u.%u", &since_major, &since_minor) != 2)
		return true;
	return major > since_major || (major == since_major && minor >= since_minor);
}

/* On the way back the target is what was read, the hardware's own values with it: only what somebody had set is written. */
static bool is_hardwares(const struct planner *p, const struct object *target, const struct attr_row *row)
{
	_cleanup_free_ char *path = row->source == ATTR_CAPTURED && !p->changes ? object_path(target) : NULL;
	const struct object *wanted = path ? tree_find(p->wanted, path) : NULL;

	return path && !(wanted && object_get_row(wanted, row));
}

bool lio_is_fresh(const struct planner *p, const struct object *target, const struct attr_row *row)
{
	const char *v = object_get_row(target, row);

	if (!v || !row->file || row->flags & (ATTR_TRIGGER | ATTR_CONTROL) || !object_has_row(target, row) || is_hardwares(p, target, row))
		return false;
	if (row->source == ATTR_GENERATED && !kernel_has(p, row))
		return false;
	if (row->unlike & attr_only_of(object_variant(target)))
		return true;
	return streq(row->name, "enable") ? !streq(v, "0") : !streq_ptr(v, row->dflt);
}
