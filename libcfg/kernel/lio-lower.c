/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted of the SCSI target, in the kernel's terms: which backends are storage objects, which have a bridge, and names of links. */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/access.h"
#include "model/backend.h"

bool lio_is_wanted(const struct tree *wanted, const struct element *e)
{
	const struct object *o = tree_find(wanted, e->object), *backend;
	char parent[OBJECT_PATH_MAX];

	if (e->kind == KIND_BACKEND)
		return o && backend_is_shared(wanted, o);
	if (e->kind != KIND_BRIDGE && e->kind != KIND_ALUA_GROUP)
		return o;
	backend = tree_find(wanted, path_parent_in(e->object, parent));
	if (!backend || !backend_is_shared(wanted, backend))
		return false;
	if (e->kind == KIND_BRIDGE)
		return backend_has_bridge(wanted, backend);
	return o || (streq(strrchr(e->object, '/') + 1, ACCESS_GROUP) && access_has_group(wanted, backend));
}

/* Constants that an object of this type or fabric does not have are not spelled out. */
static int lower_values(struct object *o, const struct object *wanted)
{
	int r = 0;

	attr_foreach(row, wanted->kind) {
		const char *v = object_effective(wanted, row);

		if (r >= 0 && v && object_has_row(wanted, row))
			r = object_set(o, row, v);
	}
	return r;
}

int lio_lower_object(struct object *o, const struct object *wanted, const struct tree *t, struct cfg_error *err)
{
	int r = lower_values(o, wanted);

	if (r >= 0 && o->kind == KIND_BACKEND)
		r = object_set_attr(o, "enable", "1");
	if (r >= 0 && o->kind == KIND_LUN)
		r = object_set_attr(o, "link", object_get(wanted, "backend"));
	if (r >= 0 && o->kind == KIND_LUN)
		r = object_set_attr(o, "alua_group", access_group_of(t, wanted));
	/* Of an offline group alone the kernel says nothing to initiators but that their commands are invalid. */
	if (r >= 0 && o->kind == KIND_LUN && streq(access_state_of(t, wanted), "offline"))
		r = object_set_attr(o, "alua_tg_pt_offline", "1");
	if (r >= 0 && o->kind == KIND_MAPPED_LUN)
		r = object_set_attr(o, "link", "lun");
	return r < 0 ? cfg_error_oom(err) : 0;
}

/* Only the target changes its state: initiators that did would leave NVMe hosts behind. */
int lio_lower_access_group(struct object *o, const struct object *backend, struct cfg_error *err)
{
	int r = lower_values(o, o);

	if (r >= 0)
		r = object_set_attr(o, "tg_pt_gp_id", ACCESS_GROUP_ID);
	if (r >= 0)
		r = object_set_attr(o, "alua_access_type", "implicit");
	if (r >= 0)
		r = object_set_attr(o, "access_state", object_get(backend, "access_state"));
	return r < 0 ? cfg_error_oom(err) : 0;
}

int lio_lower_bridge(struct object *o, const struct object *backend, struct cfg_error *err)
{
	_cleanup_free_ char *wwn = backend_bridge_name(backend);

	int r = object_set_attr(o, "storage", object_get(backend, "storage_object"));

	if (r >= 0)
		r = object_set_attr(o, "wwn", wwn);
	return r < 0 ? cfg_error_oom(err) : 0;
}
