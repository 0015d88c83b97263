/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_MANAGER_PRIVATE_H
#define NVMETD_MANAGER_PRIVATE_H

/* What the files that together are the manager share. Nothing else includes this. */

#include "base/map.h"
#include "daemon/claims.h"
#include "daemon/manager.h"
#include "daemon/run.h"

struct manager {
	sd_event *event;
	struct pool *pool;
	const struct settings *settings;
	struct store_paths paths;
	struct observer observer;

	struct tree *wanted;		/* what was committed */
	uint64_t generation;
	uint64_t first_generation;	/* at start: older changes are not known one by one */
	struct map *removed;		/* path -> generation that took the object away, as a pointer-sized number */
	uint64_t removed_known_from;	/* what went up to then may not be in it */
	struct tree *actual;		/* what the kernel had when last read */
	bool actual_whole;		/* it was read whole once */
	char *release;
	bool leaks;

	struct ledger *ledger;
	int ledger_fd;
	size_t ledger_bytes, ledger_compact_at;
	struct map *failed;		/* element -> reason (owned text), of what is wanted and could not be made */
	struct differences drift;	/* sorted by element; see drift.c, which is how to look at it */
	struct cfg_errors shouts;

	struct scan *scans;		/* under way */
	struct claims *claims;
	struct txn *txns_first, *txns_last;	/* running, in order of arrival */
	struct txn *detached;		/* ended, but for what the kernel holds */
	size_t n_txns;
	unsigned n_in_parts;		/* of them, those that commit part by part */
	struct txn **ended;		/* the last ones, oldest first; a ring is not worth it */
	size_t n_ended;
	uint64_t next_job;
	sd_event_source *wakeup;	/* deferred: hands out claims, ends stopping */

#define SHOWN_MAX 8
	struct shown {
		char hash[17];
		struct map *made;
	} shown[SHOWN_MAX];		/* see shown.c; the next one goes to next_shown */
	unsigned next_shown;

	struct committer *committer;
	struct connections *connections;
	struct debts_watch *debts_watch;
	struct held *held;		/* claims of an earlier daemon's workers */
	struct verify *verifies;	/* under way */
	bool stuck_changed, came_back;	/* since held_changed() was called last */
	bool passed_by;			/* a start or reconcile left out what was held, or a job that was cancelled did */
	unsigned left_alone;		/* how many of the latter there were */
	struct generation *generations;	/* newest first */
	size_t n_generations;

	bool begun;			/* the kernel was read whole, or cannot be. Before that nobody knows what names mean there, and all wait */
	bool started;
	bool stopping, stop_folding;
	sd_event_source *stop_timer;	/* to stop without what hangs */
	bool stop_anyway;
	void (*stop_done)(void *userdata);
	void *stop_userdata;
};

/* manager.c */
/* On the next turn of the loop: hands out claims, begins and resumes transactions, ends stopping. */
void manager_wake(struct manager *m);
/* txn_go() on the next turn. */
void manager_go_later(struct manager *m, struct txn *t);
/* held_changed() on the next turn. */
void manager_stuck_changed(struct manager *m);
void manager_notify_status(struct manager *m);
/* Passes on a result. But after -ENOTRECOVERABLE the model in memory is of no more use, while what is on disk is whole: then the daemon ends at once,
 * and the next one begins from there. */
int manager_survives(int r);
int manager_set_failed(struct manager *m, const char *element, const char *reason);
void manager_clear_failed(struct manager *m, const char *element);
void manager_txn_ended(struct manager *m, struct txn *t);
/* The kernel has come back from all that was abandoned of it. */
void manager_txn_attached(struct manager *m, struct txn *t);

/* ledger-file.c */
/* Reads what an earlier daemon has left in it. */
int manager_ledger_open(struct manager *m, struct cfg_error *err);
/* Appends ledger lines; the file is on tmpfs, so this does not block. */
int manager_ledger_write(struct manager *m, struct strbuf *line, struct cfg_error *err);

/* scan.c: reads a scope by several workers at once. */
typedef void (*scan_done_fn)(void *userdata, struct cfg_error *err /* NULL: good */);
struct scan;
/* Fills tree (owned by the caller, must live until done). removes: see kernel_scan(). done comes from the event loop.
 * ret may be NULL, and is valid until done. */
int scan_start(struct manager *m, const struct scope *scope, const struct tree *target, bool removes, struct tree *tree,
	       scan_done_fn done, void *userdata, struct scan **ret);
/* done is not called any more; what the kernel holds of it is not waited for. */
void scan_cancel(struct scan *s);
/* Something of it is stuck. */
bool scan_hangs(const struct scan *s);
/* When the pool will not call back any more: all that are under way, cancelled or not. */
void scans_end(struct manager *m);

/* verify.c: manager_verify(). */
/* Reads anew that wait where somebody else was found stuck. */
void verify_again(struct manager *m);
/* Forgets those that are under way; done is not called. */
void verifies_end(struct manager *m);

/* held.c: what workers are in that do not come back. */
#define HELD_USEC 1000000	/* in one call for so long: who reads the whole passes by */
struct held;
/* Jobs that wait for what somebody stuck holds keep nobody else waiting for that long. */
void txns_step_aside(struct manager *m);
/* What an earlier daemon's workers are in is claimed for them. */
int held_begin(struct manager *m);
void held_end(struct manager *m);
/* Takes out of a scope what belongs to the same objects as these elements; told when something was. */
int held_leave_out(char *const *elements, struct scope *s, bool *ret_any);
/* For who does all else meanwhile: takes out of a scope what is stuck, and what else those who are stuck there have begun. */
int held_pass_by(const struct manager *m, struct scope *s, bool *ret_any);
/* For who takes all away: takes out of a scope what cannot go until then, which replaces *ret. What is not decided yet has to be waited for. */
int held_leave_behind(const struct manager *m, struct scope *s, char ***ret);
/* After either: takes out of what is to be claimed ("x KEY") what those have who are stuck, but for undecided ones in the second case. */
void held_yield(const struct manager *m, bool undecided, char **keys);
/* For who is cancelled: takes out of a scope what is stuck, and the elements of its own unfinished steps; both are added to *ret, sorted. */
int held_leave_to_start(const struct manager *m, char *const *own, struct scope *s, char ***ret);
/* Adds a warning for each of them that has none. */
int held_warn(char *const *names, char ***warnings);
/* Whether the holder of a claim is stuck: a transaction, or NULL for an earlier daemon's worker. */
bool held_stands(const void *userdata);
/* Takes out of a list of elements what these hold, or hold what it belongs to. */
int held_drop(char *const *elements, char **list);
/* On the next turn after somebody was found stuck, or has come back. */
void held_changed(struct manager *m);

/* commit.c: the journal and the snapshot, one writing at a time. */
typedef void (*commit_done_fn)(void *userdata, uint64_t generation, const struct cfg_error *err /* NULL: durable */);
int committer_new(struct manager *m, struct committer **ret);
struct committer *committer_free(struct committer *c);
/* Makes the changes durable as the next generation; commits that meet share one write. On success the model has been changed and the
 * observer told before done is called. changes are borrowed until then, and fitted to what others have committed to the same objects before. */
int committer_commit(struct committer *c, enum act act, struct changes *changes, commit_done_fn done, void *userdata);
/* Folds the journal into the snapshot; done may be NULL. */
int committer_fold(struct committer *c, void (*done)(void *userdata), void *userdata);
/* Keeps the present model as a generation with a label. */
int committer_keep(struct committer *c, const char *label, commit_done_fn done, void *userdata);

/* Whether the settings' interval since the last kept generation is over. */
bool committer_due(const struct committer *c);

/* connections.c: who would notice. */
int connections_new(struct connections **ret);
struct connections *connections_free(struct connections *c);
/* Asks the kernel who is connected to the ports of these edges ("ports/ID/subsystems/NQN"), in target or actual terms of tree. */
typedef void (*in_use_done_fn)(void *userdata, struct cfg_error *err);
int connections_query(struct manager *m, const struct tree *tree, char *const *edges, in_use_done_fn done, void *userdata);
/* As of the last query. */
bool connections_in_use(const struct connections *c, const char *edge);
/* The edge is being linked now: connections known now are not its. */
int connections_linked(struct connections *c, const char *edge);
void connections_unlinked(struct connections *c, const char *edge);

/* report.c */
int report_error(struct txn *t, struct cfg_error *err);	/* takes it over */
int report_build(struct txn *t);
struct json_object *report_errors(const struct cfg_errors *errs);
struct json_object *report_differences(const struct differences *d);
struct json_object *report_debts(const struct ledger *l, char *const *only /* NULL: all */);

/* used-by.c: adds "used_by" to what is shown, with the backends at or below the path (NULL: all) that anything exports. -ENOMEM. */
int show_used_by(const struct tree *t, const char *below, struct json_object *doc);

/* secrets.c: inline secrets of a document become files. */
typedef void (*secrets_done_fn)(void *userdata, struct cfg_error *err);
/* Lets the attribute name a file that does not exist yet. */
int secrets_refer(struct object *o, const struct attr_row *row);
int secrets_move(struct manager *m, struct document *d, secrets_done_fn done, void *userdata);

/* debts.c */
/* After something was owed or paid: watches for what could let owed removals succeed, and tries them again then. */
int debts_update(struct manager *m);
struct debts_watch *debts_watch_free(struct debts_watch *w);
void debts_retry(struct manager *m);

/* marks.c: namespaces that have lost a reference in the kernel, or may have: kernel-abi 2.5. */
bool marks_has(const struct manager *m, const char *path);
/* Notes what the step will leave behind; in the ledger when this returns 0. */
int marks_before(struct manager *m, const struct step *s, struct cfg_error *err);
/* The step was done: a removed namespace has no past any more. */
void marks_after(struct manager *m, const struct step *s);
/* When the kernel has been read whole at a start without a ledger: the past of what is there is unknown. */
void marks_begin(struct manager *m);
/* The same for namespaces that are taken over; before the commit. */
int marks_adopt(struct manager *m, const struct changes *c, struct cfg_error *err);

/* drift.c */
const struct differences *drift_known(const struct manager *m);
bool drift_has(const struct manager *m, const char *element);
/* Compares what is wanted of these elements with what the kernel is now known to have. target: how that is in the kernel's terms, NULL if
 * the caller does not know. */
int drift_update(struct manager *m, const struct scope *s, const struct tree *target);

/* adopt.c: what is in the kernel and not ours, as changes to the model; paths NULL: all of it. */
/* Steps by which workers keep the secrets of what is adopted. */
int adopt_plan(const struct changes *c, struct plan *ret);
int adopt_changes(struct manager *m, char *const *paths, struct changes *ret, struct cfg_errors *errs);

/* start.c: changes that a saved model needs to be valid; each dropped object is reported in errs. */
int start_drop_invalid(struct tree *t, struct cfg_errors *errs);

#endif
