/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_GATHER_H
#define CFG_GATHER_H

/* What scopes (scope.c) and claims (claims.c) of a change are gathered with. */

#include "base/map.h"
#include "kernel/kernel.h"

/* Sets of strings while they are gathered. */
struct gather {
	struct map *elements, *folders;
	const struct tree *after;
	struct map *by_path;		/* changes */
	struct map *had_luns;		/* names of backends that a LUN which changes, or goes, was for */
	const struct changes *changes;
	int r;
};

/* Elements and folders only; the rest is the caller's to fill in. -ENOMEM, then r is not set. */
int gather_init(struct gather *g);
/* The backend as it was and as it will be; NULL when it was not, or will not be. */
void find_backend(const struct gather *g, const char *name, const struct object *ret[2]);
bool has_access_state(const struct object *backend);

/* Of an object that was there and will be. */
bool row_changed(const struct change *c, const struct attr_row *row);
/* Of a backend: its access state, or the number of its ANA group. */
bool access_changed(const struct change *c);

#endif
