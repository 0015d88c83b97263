/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a model valid by leaving things out, for a start and a restore, where one bad object must not ruin the others. Each
 * round drops the objects that have problems; what refers to them has one in the next round.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "model/validate.h"

static int drop(struct tree *t, const struct cfg_errors *found, size_t *ret_dropped)
{
	*ret_dropped = 0;
	for (size_t i = 0; i < found->n; i++) {
		struct object *o = found->items[i].object ? tree_find(t, found->items[i].object) : NULL;

		if (!o || o->kind == KIND_ROOT)
			continue;
		object_remove(o);
		(*ret_dropped)++;
	}
	return 0;
}

int start_drop_invalid(struct tree *t, struct cfg_errors *errs)
{
	for (;;) {
		_cleanup_errors_ struct cfg_errors found = { 0 };
		size_t dropped;

		if (validate_tree(t, &found) >= 0)
			return 0;
		drop(t, &found, &dropped);
		for (size_t i = 0; i < found.n; i++)
			if (cfg_errors_take(errs, &found.items[i]) == -ENOMEM)
				return -ENOMEM;
		/* A problem of the whole that no object can be blamed for: validation of the changes reports it again. */
		if (!dropped)
			return 0;
	}
}
