/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHANGE_HELP_H
#define TESTS_CHANGE_HELP_H

/* What the tests of changes share: a model to begin with, and looking at the changes that come of it. */

#include "tests/unit/model-help.h"

#define S1 "nqn.2026-11.org.example:s1"
#define S2 "nqn.2026-11.org.example:s2"
#define H1 "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001"
#define H2 "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000002"

/* The model's document, and its tree. */
extern const char sample[];
struct tree *sample_tree(void);

void set(struct tree *t, const char *path, const char *attr, const char *value);

/* "+PATH", "-PATH", "~PATH attr=was>is", one a line; sets of names with blanks between. */
void assert_changes(const struct changes *c, const char *expected);
/* Each of them alone, in order, is possible. */
void check_order(const struct tree *a, const struct changes *c);
/* They come out of the journal as they went in. */
void check_journal(const struct tree *a, const struct changes *c);

#endif
