/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_STORE_H
#define CFG_STORE_H

/*
 * State on disk: the snapshot CONFIG_DIR/config.json, the journal STATE_DIR/journal of what was committed since, generations in
 * STATE_DIR/generations/, and the ledger RUN_DIR/ledger.
 *
 * Loading happens once, before the event loop; it may block on disk. Writing is a worker's job: functions here only build what is
 * to be written, as operations of plan/op.h kind (path and content), which the caller has executed.
 */

#include <time.h>

#include "model/change.h"
#include "model/document.h"
#include "base/text.h"

struct store_paths {
	const char *config_dir, *state_dir, *run_dir;
};

struct loaded {
	struct tree *tree;
	uint64_t generation;	/* of the newest commit in it; counts from 1, 0 for a new machine */
	struct cfg_errors shouts;	/* what did not parse and where it was set aside, what was used instead */
};
void loaded_done(struct loaded *l);

/* Snapshot plus journal. What does not parse is set aside (renamed "….bad-TIME"), the newest good state is used (an older
 * generation if need be) and written as a new snapshot, and shouts says so. What a crash or a loss of power has left of the journal's last
 * write is cut off silently, and so goes what file_replace() has left. A bad record in the middle is shouted, and those behind it are applied:
 * each object is in the newest state that can be read. What is returned is durable. Returns negative only when something cannot be read for reasons that lie
 * outside (permission, I/O error, no memory), never for content. */
int store_load(const struct store_paths *p, struct loaded *ret, struct cfg_error *err);

/* One journal line, newline included: checksum, generation, time, what kind of act ("set", "apply", …), changes. Caller frees. -EFBIG, as
 * for the texts below: it would be more than can be read back (JSON_MAX_BYTES). */
int store_journal_line(uint64_t generation, time_t when, const char *act, const struct changes *c, char **ret, size_t *ret_len);
/* Marks a line as written together with the one before it, in one write, so that after a crash none of them is there without those before it. */
void store_journal_together(char *line);
/* Paths; caller frees. */
char *store_path_snapshot(const struct store_paths *p);
char *store_path_journal(const struct store_paths *p);
char *store_path_generation(const struct store_paths *p, uint64_t number);
char *store_path_ledger(const struct store_paths *p);

/* The snapshot's text: a document with its generation. */
int store_snapshot_text(const struct tree *t, uint64_t generation, char **ret, size_t *ret_len);
/* A generation file's text: the same with "saved": { "time", "label", "objects" }. The label is cut at 1000 bytes. */
int store_generation_text(const struct tree *t, uint64_t generation, time_t when, const char *label, char **ret, size_t *ret_len);

struct generation {
	uint64_t number;	/* the commit's generation */
	time_t when;
	char *label;
	size_t objects;
};
/* Newest first. Unreadable ones are left out, and shouted in errs. Reads the folder and the beginning of each file: may block. Fails when the folder
 * cannot be read, or for lack of memory. */
int store_generations(const struct store_paths *p, struct generation **ret, size_t *ret_n, struct cfg_errors *errs,
		      struct cfg_error *err);
void generations_free(struct generation *g, size_t n);
int store_generation_load(const struct store_paths *p, uint64_t number, struct document *ret, struct cfg_errors *errs);

/*
 * The ledger: what is ours in the kernel though not (or no longer) wanted, and what must be remembered until a reboot. In memory a
 * struct ledger, on tmpfs a file of lines; each mutation returns the line that is to be appended before the kernel call it is about.
 */
struct ledger;
struct ledger *ledger_new(void);	/* NULL when out of memory */
struct ledger *ledger_free(struct ledger *l);
CFG_DEFINE_CLEANUP(struct ledger *, ledger_free);
/* Replays a file's text; damage is skipped and counted in *ret_bad. */
int ledger_load(struct ledger *l, const char *text, size_t len, size_t *ret_bad);

/* Elements that transaction txn is about to make or remove. Both end with ledger_end(). Lines are appended to *line. */
int ledger_begin(struct ledger *l, uint64_t txn, char *const *elements, struct strbuf *line);
int ledger_end(struct ledger *l, uint64_t txn, struct strbuf *line);
/* Debts: an element whose removal is owed, with the reason. */
int ledger_owe(struct ledger *l, const char *element, const char *reason, struct strbuf *line);
int ledger_paid(struct ledger *l, const char *element, struct strbuf *line);
/* Leak marks on namespaces. */
int ledger_mark(struct ledger *l, const char *element, bool on, struct strbuf *line);
/* From now on the ledger says all there is to say about the past of what is in the kernel: what it does not mark needs no mark. */
int ledger_know(struct ledger *l, struct strbuf *line);
bool ledger_knows(const struct ledger *l);

bool ledger_owns(const struct ledger *l, const char *element);	/* in flight or owed */
bool ledger_marked(const struct ledger *l, const char *element);
struct debt { const char *element, *reason; };	/* borrowed */
int ledger_debts(const struct ledger *l, struct debt **ret, size_t *ret_n);	/* array is the caller's */
/* What becomes of it at the end of its transaction nobody knows: it counts as if that had never ended. */
int ledger_leave(struct ledger *l, const char *element, struct strbuf *line);
/* Elements of an earlier daemon's transactions that never ended (after a crash), and of ledger_leave(): owned, until ledger_settle(). Borrowed
 * strings, caller frees the array. */
int ledger_unfinished(const struct ledger *l, const char ***ret, size_t *ret_n);
bool ledger_is_unfinished(const struct ledger *l, const char *element);
/* They have been dealt with: what is still there of them is wanted or a debt. */
int ledger_settle(struct ledger *l, struct strbuf *line);
/* The whole, compact, for replacing the file. */
int ledger_text(const struct ledger *l, char **ret, size_t *ret_len);

#endif
