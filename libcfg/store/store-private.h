/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_STORE_PRIVATE_H
#define CFG_STORE_PRIVATE_H

/* What the files of store/ share. Nothing else includes this. */

#include "store/store.h"

/*
 * A record is a line: the CRC-32 of the JSON text as eight hex digits, a blank, the JSON text, a newline. JSON text holds no raw
 * newline, so that a reader finds the next record behind a damaged one. For the blank stands "+" where the record was written together
 * with the one before it: none of them was promised to anybody before all were on disk.
 */
int record_add(struct strbuf *b, struct json_object *json);

enum record_state {
	RECORD_GOOD,
	RECORD_BAD,	/* another checksum, or not of this form */
	RECORD_TORN,	/* there is no newline */
	RECORD_END,
};

struct record {
	const char *json;	/* RECORD_GOOD: borrowed from the text, not terminated */
	size_t json_len;
	uint32_t sum;
	bool together;		/* with the one before it */
	size_t next;		/* where the one behind it begins */
};
/* The record that begins at *at. */
enum record_state record_next(const char *text, size_t len, size_t at, struct record *ret);

/* journal.c: what a journal made of a tree. */
struct replay {
	const char *path;		/* for messages */
	struct tree *tree;
	uint64_t base;			/* records up to this generation are in the tree already */
	uint64_t generation;		/* newest */
	uint64_t oldest;		/* the first record's, also when it is not newer than base; 0: there is none */
	bool applied;			/* there was one that is newer than base */
	size_t intact;			/* bytes up to the end of the last whole record */
	bool damaged;			/* something that is newer than base could not be used; was shouted */
	struct cfg_errors *shouts;
};
/* Applies what is newer than base. Negative for lack of memory only. */
int journal_replay(struct replay *r, const char *text, size_t len);

/* generation.c: numbers of the files in the folder of generations, newest first; caller frees. A missing folder has none. */
int generation_numbers(const struct store_paths *p, uint64_t **ret, size_t *ret_n, struct cfg_error *err);

/* Bounds of what is read. A journal is folded long before; a file that is larger is none of ours. */
#define JOURNAL_MAX_BYTES (512u << 20)

#endif
