/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ELEMENT_H
#define CFG_ELEMENT_H

/* Elements as kernel.h defines them, taken apart. */

#include "model/object.h"

struct element {
	const struct attr_row *edge;	/* the set that the link is in; NULL: the element is an object */
	enum kind kind;			/* of the object, or of the holder of the link */
	char *object;			/* path of the object or holder */
	char *name;			/* edge: name at the far end */
	char *far;			/* edge: path of the far end */
};

/* -EINVAL when it is none. */
int element_parse(const char *text, struct element *ret);
void element_done(struct element *e);
#define _cleanup_element_ _cleanup_(element_done)
/* Whether it is to be in the kernel, also when it is none that people have. */
bool element_is_wanted(const struct tree *wanted, const struct element *e);
bool element_is_in(const struct tree *t, const struct element *e);
/* Whether the kernel would have to be told; of a secret only whether there is one. */
bool row_differs(const struct object *target, const struct object *actual, const struct attr_row *row);

/* Paths of the edges by which an object is linked: "PATH/FOLDER/NAME". Caller frees. */
char *edge_path(const char *holder, const struct attr_row *row, const char *name);

#endif
