/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted of the SCSI target, in the kernel's terms: which backends are storage objects, which have a bridge, and names of links. */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/backend.h"

bool lio_is_wanted(const struct tree *wanted, const struct element *e)
{
	const struct object *o = tree_find(wanted, e->object);
	_cleanup_free_ char *parent = NULL;

	if (e->kind == KIND_BACKEND)
		return o && backend_is_shared(wanted, o);
	if (e->kind != KIND_BRIDGE)
		return o;
	parent = path_parent(e->object);
	o = parent ? tree_find(wanted, parent) : NULL;
	return o && backend_has_bridge(wanted, o);
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

int lio_lower_object(struct object *o, const struct object *wanted, struct cfg_error *err)
{
	int r = lower_values(o, wanted);

	if (r >= 0 && o->kind == KIND_BACKEND)
		r = object_set_attr(o, "enable", "1");
	if (r >= 0 && o->kind == KIND_LUN)
		r = object_set_attr(o, "link", object_get(wanted, "backend"));
	if (r >= 0 && o->kind == KIND_MAPPED_LUN)
		r = object_set_attr(o, "link", "lun");
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
