/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_HELP_H
#define MODEL_HELP_H

/* What the tests of the model share: documents into trees, samples from tests/samples, random values and trees. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/change.h"
#include "model/document.h"
#include "model/validate.h"

/* ---- documents ---- */

/* The tree of a document that must be right; what object_generate() makes is not made. */
struct tree *tree_from_text(const char *text);
/* Also its generated values filled in, and validated. */
struct tree *tree_from_valid_text(const char *text);
/* The whole as a document's text. */
char *tree_to_text(const struct tree *t);
void assert_trees_equal(const struct tree *a, const struct tree *b);
/* One error a line, as cfg_error_text() has them; those that were counted only are not there. */
char *errors_to_text(const struct cfg_errors *errs);
/* What parsing, generating and validating a document says. */
char *problems_of(const char *name, const char *text, size_t len);

/* tests/samples/NAME, wherever the tests run. */
char *sample_path(const char *name);
char *sample_read(const char *name, size_t *ret_len);

/* ---- randomness: the same for the same seed ---- */

struct random {
	uint64_t state;
};
uint32_t random_next(struct random *r);
uint32_t random_below(struct random *r, uint32_t n);

/* A canonical value that the row takes. ref names come from a small set, and need not exist. Caller frees. */
char *random_value(struct random *r, const struct attr_row *row);
/* A name that the kind takes, from a set of about n. */
enum kind random_kind(struct random *r);
char *random_name(struct random *r, enum kind kind, unsigned n);
/* Gives an object random values: each right by itself, not all together. What is generated is always there. */
/* One that is there, or the root. */
struct object *random_object(struct random *r, const struct tree *t);
void random_fill(struct random *r, struct object *o);
/* A tree of every kind of object. */
struct tree *random_tree(struct random *r, unsigned size);
/* Makes, removes and changes objects of it. */
void random_change(struct random *r, struct tree *t, unsigned times);

/* All changes in the journal's form. Caller frees. */
struct json_object *changes_to_json(const struct changes *c);

/* Runs the body for each object below the root, parents first. */
void each_object(const struct tree *t, void (*body)(struct object *o, void *userdata), void *userdata);

#endif
