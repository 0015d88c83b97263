/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_PLACES_H
#define CFG_PLACES_H

/* The part of places that a document's reader alone uses; the rest is in document.h. */

#include "base/json.h"
#include "model/document.h"

struct places *places_new(const char *name);	/* NULL when out of memory */
/* Of an object; with attr, of its attribute; "ATTR NAME" for attr is the member NAME of a list. -ENOMEM. */
int places_put(struct places *p, const char *object, const char *attr, struct json_place place);

#endif
