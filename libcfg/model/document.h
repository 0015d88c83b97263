/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_DOCUMENT_H
#define CFG_DOCUMENT_H

/* The JSON document (version 1, see nvmetctl.json(5)) and the tree. */

#include "model/object.h"

#define DOCUMENT_VERSION 1

/* Places of everything in a parsed document, for errors found later. */
struct places;
struct strbuf;
struct places *places_free(struct places *p);
CFG_DEFINE_CLEANUP(struct places *, places_free);
/* "file:line:column" of the attribute, of the object, or of its nearest parent; NULL when unknown. Caller frees. attr may be NULL. */
char *places_find(struct places *p, const char *object, const char *attr);
/* Gives each error that has none its place, and sorts them by it. An error about a member of a list is placed at the member. */
void places_annotate(struct places *p, struct cfg_errors *errs);

struct document {
	struct tree *tree;
	struct places *places;
	uint64_t generation;	/* top-level "generation": what it was made from; 0 when not given */
	/* Secrets that stood inline, in order; their attributes hold "inline:N" until the daemon has moved them. Zeroed when freed. */
	char **inline_secrets;
};
void document_done(struct document *d);
#define _cleanup_document_ _cleanup_(document_done)

/* Parses text (see json_parse()) and checks what can be checked without other objects: unknown keys (with the nearest right one),
 * types, ranges, names. Everything wrong is reported at once, including what validate_tree() says that is no consequence of the rest; then
 * *ret is not filled and the return negative, -ENOMEM when they could not all be found, or told. A document without such problems is not
 * validated. */
int document_parse(const char *name, const char *text, size_t len, struct document *ret, struct cfg_errors *errs);

enum document_flags {
	DOCUMENT_DEFAULTS = 1 << 0,	/* also constant defaults, spelled out */
	DOCUMENT_DERIVED = 1 << 1,	/* also derived values */
};
/* The tree, or only what is below object (NULL: all), as JSON. Caller puts. generation 0 is left out. */
struct json_object *document_build(const struct tree *t, const struct object *object, uint64_t generation, unsigned flags);
/* What a document begins with: version and generation. Caller puts. */
struct json_object *document_head(uint64_t generation);
/* Appends the text of a document: the members of head, then all that is in the tree. The same as json_print() makes of document_build(), but object
 * by object, since as one JSON tree it would be many times as large. -ENOMEM. */
int document_print(const struct tree *t, struct json_object *head, struct strbuf *b);
/* Attributes of one object as a JSON object, without children. */
struct json_object *object_to_json(const struct object *o, unsigned flags);
/* The other way; path is for messages. Inline secrets are refused. */
int object_from_json(struct object *o, struct json_object *json, struct cfg_errors *errs);

#endif
