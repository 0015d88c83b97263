/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_PLACES_H
#define CFG_PLACES_H

/* The part of places that a document's reader alone uses; the rest is in document.h. */

#include "base/json.h"
#include "model/document.h"

/* Of a document that was read already, whose text is kept for that (and zeroed when freed). NULL when out of memory. */
struct places *places_new(const char *name, const char *text, size_t len);
/* Before the first is put. -ENOMEM. */
int places_begin(struct places *p);
/* Of an object; with attr, of its attribute; "ATTR NAME" for attr is the member NAME of a list. -ENOMEM. */
int places_put(struct places *p, const char *object, const char *attr, struct json_place place);
/* document.c: puts all of them, by reading the text once more. */
int places_read(struct places *p, const char *name, const char *text, size_t len);

#endif
