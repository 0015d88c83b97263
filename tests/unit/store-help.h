/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_STORE_HELP_H
#define TESTS_STORE_HELP_H

/* What the tests of loading share: a folder for each test, histories of commits to put into it, and looking at what is loaded from there. Include
 * cmocka.h first. */

#include "store/store-private.h"

#define NQN "nqn.2026-11.org.example:"

/* ---- a folder for each test ---- */

struct box {
	char *top, *config, *state, *snapshot, *journal, *generations;
	struct store_paths p;
};

/* For cmocka. */
int box_new(void **state);
int box_free(void **state);
#define boxed(f) cmocka_unit_test_setup_teardown(f, box_new, box_free)

/* With all that is in it. */
void remove_folder(const char *path);
void put(const char *path, const char *text, size_t len);
void put_text(const char *path, const char *text);
bool exists(const char *path);
/* How many damaged files were set aside there. */
size_t count_aside(const char *folder);

/* ---- trees and histories ---- */

/* As a document. Caller frees. */
char *text_of(const struct tree *t);
/* Makes the object if there is none; attr may be NULL. */
void set(struct tree *t, const char *path, const char *attr, const char *value);

/* Commits and the states that they lead to; state 0 is the empty tree. */
#define HISTORY_MAX 64

struct history {
	size_t n;
	char *line[HISTORY_MAX + 1];		/* journal record that leads to state i */
	size_t len[HISTORY_MAX + 1];
	struct tree *tree[HISTORY_MAX + 1];
	char *text[HISTORY_MAX + 1];
};

/* Changes of a small world in which names come back again and again. */
void history_random(struct history *h, size_t n);
/* Each commit makes one host, and nothing depends on another. */
void history_hosts(struct history *h, size_t n);
void history_done(struct history *h);
#define _cleanup_history_ _cleanup_(history_done)

void put_journal(const struct box *b, const struct history *h, size_t first, size_t last);
void put_snapshot(const struct box *b, const struct history *h, size_t i);
void put_generation(const struct box *b, const struct history *h, size_t i, const char *label);

/* ---- looking at what was loaded ---- */

void load(const struct box *b, struct loaded *l);
void assert_tree(const struct tree *t, const char *expected);
void assert_no_shouts(const struct loaded *l);
bool shouts_of(const struct loaded *l, const char *needle);
void assert_shouts(const struct loaded *l, const char *needle);
/* Loads and compares; nothing to complain of. */
void assert_loads(const struct box *b, const char *expected, uint64_t generation);

#endif
