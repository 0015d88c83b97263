/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_TRANSACTION_H
#define NVMETD_TRANSACTION_H

/* One transaction on its road (DESIGN section 5). Only the manager's files include this. */

#include "daemon/manager-private.h"

#define LISTED_MAX 1000		/* deletions and effects named one by one in a report */

struct txn {
	struct manager *m;
	struct txn *prev, *next;
	struct job job;
	uint64_t began_usec;	/* CLOCK_BOOTTIME */
	struct request request;
	request_done_fn done;
	void *done_userdata;

	bool each;		/* a failure harms only what depends on it */
	bool unattended;	/* nobody to consent: what would disturb is left undone */
	bool committed;
	bool cancelled;
	bool worker_died;	/* in a removal, of which the kernel may have no complaint at all */
	bool waiting;		/* its claims are entered but not all held */
	unsigned turns_lost;	/* how often there was more to claim when all was held */
	bool aside;		/* of them only that for which it waits, as it may wait for long */
	bool passed_by;		/* it left out what is held by who does not come back */
	char **left_behind;	/* what it cannot remove for the same reason, and will owe */
	char **unsettled;	/* cancelled before its commit: what a stuck call may still change, or kept it from putting back; a start will */
	bool begun_anew;	/* to pass by what turned out to be stuck while it waited */
	struct scan *scan;	/* that it waits for in JOB_READING or JOB_ROLLING_BACK */
	unsigned left_alone;	/* of the manager, when a start looked into the ledger */
	bool removes;		/* and does nothing else: of what it touches no more was read than that needs */
	bool remembered;	/* ended, and among those that the manager tells of */

	struct changes changes;
	struct scope scope;
	struct claim_set claims;
	struct map *by_path;	/* of changes, once committed */
	struct map *needed;	/* key -> how many removals still need it; NULL: not known */
	bool gave_back;		/* some of its claims, after the commit */
	struct tree *target;	/* the scope as the kernel should have it */
	struct tree *actual;	/* the scope as it was when read */
	struct tree *reread;	/* the scope as it is after a failure */
	struct plan plan;
	struct run run;
	struct scope back_scope;
	struct plan back;	/* the way back */
	struct run back_run;
	bool back_whole;	/* all goes back, not only what failed */
	bool back_died;		/* a worker died on it */
	bool back_stopped, files_stopped;	/* nobody waits for what of it still runs */
	bool read_stopped;	/* and it could not read */
	unsigned back_rounds;
	struct touched_file *files;	/* see files.c */
	size_t n_files, n_files_back;
	void (*files_back_done)(struct txn *t);
	struct oplist file_ops;	/* of the one work on files that is under way */
	struct work *file_work;
	bool go_later;		/* in the manager's hands, see manager_go_later() */
	char **edges;		/* whose use was asked for */
	struct parts *parts;	/* of a document too large for one commit, else NULL; all above is the present one's */
	size_t past_steps;	/* of the parts before */
	struct map *made;	/* of a dry run: random values that it made up */

	struct cfg_errors errors;
	struct differences left;
	char **warnings;
	struct json_object *effects;
	size_t created, changed, removed, operations;
	char **deletions;
	char **owed;		/* elements that became debts */
};

int txn_new(struct manager *m, struct request *r, request_done_fn done, void *userdata, struct txn **ret);
struct txn *txn_free(struct txn *t);
/* Ended: keeps the job and its report. */
void txn_shed(struct txn *t);
/* First step on the road, and again each time when what it waited for is free. */
void txn_go(struct txn *t);
int txn_cancel(struct txn *t, struct cfg_error *err);
/* Whom it waits for may have changed. */
void txn_update_wait(struct txn *t);
/* Waiting for somebody stuck: it gives back what others could have meanwhile. */
void txn_step_aside(struct txn *t);
/* Its job has ended while the kernel holds a call of it, whose claims it keeps until that comes back. */
bool txn_is_detached(const struct txn *t);
/* Ends it: state, outcome, report, claims, callbacks. */
void txn_end(struct txn *t, enum job_state state, enum outcome outcome);
/* Ends one that has not reached the kernel; err NULL: with the errors that it has. */
void txn_fail(struct txn *t, struct cfg_error *err);
void txn_set_state(struct txn *t, enum job_state state);
/* Forgets what one attempt at preparing leaves behind. */
void txn_reset(struct txn *t);

/* prepare.c */
/* Changes, scope and target, and the claims that go with them (caller frees). Negative with at least one error in t->errors. */
int txn_prepare(struct txn *t, char ***ret_claims);
void txn_count_changes(struct txn *t);

/* parts.c */
/* Decides whether the document goes in parts, and takes the first one out of it then. -ENOMEM. */
int parts_begin(struct txn *t);
struct parts *parts_free(struct parts *p);
/* What is to be added now. */
const struct tree *parts_now(const struct parts *p);
/* The next part: 1, 0 when that was the last one, -ENOMEM. */
int parts_next(struct parts *p);
/* Takes the next part already, as soon as the event loop has nothing else to do. A failure is parts_next()'s to tell. */
void parts_look_ahead(struct parts *p);
/* How many parts are in force, and how many objects, ports not counted, no part had yet, or only the present one. */
size_t parts_done(const struct parts *p);
size_t parts_left(const struct parts *p, bool with_present);

/* shown.c */
/* Where the random values for the transaction come from, and go to: NULL if it does not matter. */
struct map *txn_made(struct txn *t);
/* A dry run has shown its plan. */
void txn_shown(struct txn *t);
void shown_done(struct manager *m);

/* effects.c */
/* Edges whose use has to be known before effects can be weighed. */
int txn_collect_edges(struct txn *t);
/* Returns the number of steps that lack consent; without anyone to ask these are left out of the run. */
size_t txn_weigh_effects(struct txn *t);

/* execute.c */
int txn_init_run(struct txn *t);
/* Goes on from here by itself, to the end. */
void txn_execute(struct txn *t);
/* Starts no more removals; ends the job although some have not come back: all that is not done is owed. */
void txn_abandon(struct txn *t);
/* Cancelled before its commit, with nothing left that runs but what is stuck: all else goes back without waiting for that. May end it. */
void txn_leave_stuck(struct txn *t);
/* The last call of one of its runs has come back, after nobody waited for it any more. */
void txn_came_back(struct txn *t);
/* Gives back the claims on what no removal, and nothing that is unsettled, stands on. */
void txn_release_unneeded(struct txn *t);
/* The element's removal is owed from now on. */
void txn_owe(struct txn *t, const char *element, const char *reason);
/* What the step's failure means, with object and attribute. */
void step_error(struct txn *t, const struct step *s, const struct work_result *result, struct cfg_error *err);

/* files.c */
/* The way back begins, perhaps anew. */
void files_unseen(struct txn *t);
/* After a step, however it ended. */
int files_note(struct txn *t, const struct step *s, const struct work_result *result);
/* Takes away what was made for elements of back_scope, adds to left what stays, then calls done. */
void files_go_back(struct txn *t, void (*done)(struct txn *t));
/* Of a step that nobody waits for: what it may be making. -ENOMEM. */
int files_under_way(struct txn *t, const struct step *s);
/* What is left of those to which no way back has come, or will; in t->left. -ENOMEM. */
int files_left(struct txn *t);
void files_done(struct txn *t);

/* cache.c */
/* Once it is committed, and then after each removal. */
void txn_update_cache(struct txn *t);
void txn_cache_removal(struct txn *t, const char *element, bool done);
/* The elements are in the kernel as they are in tree. */
void cache_elements(struct manager *m, const struct tree *tree, char *const *elements);

/* rollback.c */
/* Takes back what was done before the commit, all of it or only what failed, then calls txn_rolled_back(). */
void txn_roll_back(struct txn *t, bool whole);
/* Of one that is cancelled: goes on without what of the way back is stuck, if that is all that it waits for. May end it. */
void txn_back_hangs(struct txn *t);
/* Takes out of the way back what a stuck call may still change: t->unsettled. -ENOMEM. */
int txn_leave_unsettled(struct txn *t);
void txn_rolled_back(struct txn *t);

#endif
