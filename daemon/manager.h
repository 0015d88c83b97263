/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_MANAGER_H
#define NVMETD_MANAGER_H

/*
 * The manager owns the model and runs transactions. It knows no bus: the D-Bus side makes requests, looks at the model, and is
 * told what happens through an observer. Everything here runs in the event loop and never blocks; what takes time ends in a
 * callback.
 */

#include <systemd/sd-event.h>

#include "daemon/pool.h"
#include "daemon/settings.h"
#include "kernel/kernel.h"
#include "model/document.h"
#include "store/store.h"

struct manager;

enum act {
	ACT_CHANGE,	/* edits */
	ACT_APPLY,	/* document: what is owned becomes what it says */
	ACT_RESTORE,	/* document: the same, each object on its own */
	ACT_CLEAR,	/* everything owned goes; the saved state stays until the next save or change, see manager.c */
	ACT_RECONCILE,	/* paths (none: all): repair drift */
	ACT_ADOPT,	/* paths (none: all): foreign objects become ours, unchanged */
	ACT_ROLLBACK,	/* number: back to that generation */
	ACT_START,	/* the daemon's own, at its start */
	ACT_DEBTS,	/* the daemon's own: paths are elements whose removal is owed */
	ACT_MAX
};
const char *act_to_str(enum act a);

struct consent {
	bool all;
	char **paths;		/* or only for objects at or below these */
};

struct request {
	enum act act;
	struct document document;
	struct edits edits;
	char **paths;
	uint64_t number;

	bool dry_run;
	bool merge;			/* ACT_APPLY: only add and change */
	struct consent disrupt, destroy;
	bool revoke;			/* taking a host from allowed_hosts also ends its connections */
	uint64_t generation;		/* refuse with ESTALE if what is touched has changed since; 0: no matter */
	char *plan_hash;		/* refuse with ESTALE if the plan is another one; NULL: no matter */
	char *caller;			/* who asks, for the journal's log and `jobs` ("uid 0, nvmetctl[312]") */
};
void request_done(struct request *r);
#define _cleanup_request_ _cleanup_(request_done)

enum job_state {
	JOB_WAITING,		/* for claims of another job */
	JOB_READING,
	JOB_RUNNING,		/* build and switch */
	JOB_COMMITTING,
	JOB_REMOVING,		/* committed; removals under way */
	JOB_ROLLING_BACK,
	JOB_DONE,
	JOB_FAILED,		/* nothing of it is in force, but for what the report lists */
	JOB_STATE_MAX
};
const char *job_state_to_str(enum job_state s);

/* How it ended; the command line's exit status is a function of it (dbus/errors.c). */
enum outcome {
	OUTCOME_DONE,		/* exit 0 */
	OUTCOME_FAILED,		/* 1: failed and rolled back */
	OUTCOME_INVALID,	/* 3 */
	OUTCOME_OWED,		/* 4: done, something is pending or owed */
	OUTCOME_PARTLY,		/* 5: each on its own, some failed; or a rollback that left differences */
	OUTCOME_REFUSED,	/* 6: consent missing */
	OUTCOME_CONFLICT,	/* 7 */
	OUTCOME_MAX
};
const char *outcome_to_str(enum outcome o);	/* "done", "failed", "invalid", … */

struct job {
	uint64_t id;		/* from 1, never used again by this daemon */
	enum act act;
	char *caller;
	enum job_state state;
	size_t steps_done, steps_total;
	char *step;		/* what is under way: "object: summary"; "" when nothing; the oldest of several */
	char *waits_for;	/* "job 12 (subsystems/…)" while waiting, else "" */
	uint64_t started_usec;	/* CLOCK_REALTIME */
	uint64_t ended_usec;	/* 0 while it runs */
	enum outcome outcome;	/* from the end */
	/* From the end, borrowed until the job is forgotten:
	 * { "job", "act", "outcome", "dry_run", "generation", "created", "changed", "removed" (counts of objects),
	 *   "deletions": [paths] (at most 1000), "operations" (kernel calls made), "plan": {"hash","steps"} (dry_run only),
	 *   "effects": [{"effect","object","affects":[…],"in_use":bool,"consented":bool}],
	 *   "errors": [{"object","attribute","place","message","errno"}], "left": [{"object","attribute","wanted","actual"}],
	 *   "debts": [{"object","reason"}], "warnings": [text] } with empty members left out */
	struct json_object *report;
};

/* All are called from the event loop, never from within manager_request(). Pointers are borrowed for the call. */
struct observer {
	void (*job_new)(void *userdata, const struct job *job);
	void (*job_changed)(void *userdata, const struct job *job);	/* state or progress */
	void (*job_removed)(void *userdata, const struct job *job);	/* ended; still found for a while */
	/* After a commit: the model is as the changes say. */
	void (*committed)(void *userdata, uint64_t generation, const struct changes *changes);
	void (*status_changed)(void *userdata);
	/* The start's transaction has ended: exports are up. */
	void (*started)(void *userdata, const struct job *job);
	void *userdata;
};

int manager_new(sd_event *e, struct pool *pool, const struct settings *settings, const struct store_paths *paths,
		struct loaded *loaded /* taken over */, const struct observer *observer, struct manager **ret,
		struct cfg_error *err);
struct manager *manager_free(struct manager *m);
/* Begins ACT_START. */
int manager_start(struct manager *m);
/* The start's transaction has ended. */
bool manager_started(const struct manager *m);
/* Takes no more requests, lets running transactions end or roll back, folds the journal, then calls done. Exports stay up. */
int manager_stop(struct manager *m, void (*done)(void *userdata), void *userdata);

typedef void (*request_done_fn)(void *userdata, const struct job *job);

/* Takes over *r. Always ends in one call of done, with an ended job, from the event loop; *ret is borrowed and stays valid until then. The return is
 * negative only when no job could be made (memory, stopping, too many jobs); then done is not called. done may be NULL. */
int manager_request(struct manager *m, struct request *r, request_done_fn done, void *userdata, struct job **ret,
		    struct cfg_error *err);
/* Rolls back before the commit; after it, removals not yet begun become debts. -ENOENT, -EALREADY. */
int manager_cancel(struct manager *m, uint64_t id, struct cfg_error *err);

/* Looking. Borrowed until the loop runs again. */
const struct tree *manager_wanted(const struct manager *m);
uint64_t manager_generation(const struct manager *m);
/* Jobs, running ones and the last settings->job_history ended ones, oldest first; the array is the caller's. */
int manager_jobs(const struct manager *m, const struct job ***ret, size_t *ret_n);
const struct job *manager_job(const struct manager *m, uint64_t id);
/* { "job", "act", "caller", "state", "steps_done", "steps_total", "step", "waits_for", "started", "ended", "outcome" }; the last two once it
 * has ended; times in seconds. Caller puts. */
struct json_object *job_to_json(const struct job *job);

/* Model, kernel and state of an object (NULL: all) as JSON: document form, each object with a member "state" ("up", "failed", "drift",
 * "owed", "foreign") where it is not "up", with "reason". Caller puts. -ENOENT with err. */
int manager_show(struct manager *m, const char *path, bool defaults, struct json_object **ret, struct cfg_error *err);
/* The state of one object of the wanted model by itself ("up", "failed", "drift", "owed"), without looking at others; *ret_reason (borrowed) is
 * NULL when there is none. */
const char *manager_object_state(const struct manager *m, const char *path, const char **ret_reason);
/* { "generation", "started", "release", "objects": {counts}, "jobs": [running], "stuck": [...], "debts": [...], "failed": [...], "drift": [...],
 *   "foreign": [paths], "shouts": [...] } from what is known. */
int manager_status(struct manager *m, struct json_object **ret);
/* The same after reading the kernel whole. */
int manager_verify(struct manager *m, void (*done)(void *userdata, struct json_object *status, const struct cfg_error *err),
		   void *userdata);
/* { "release", "configfs", "nvmet" (whether they are there), "cpus", "transports": {name: bool}, "features": [{ "feature", "available"
 *   (null: nothing tells), "needs", "attributes": ["host dhchap_key"] }] }; caps is borrowed. */
typedef void (*capabilities_done_fn)(void *userdata, struct json_object *caps, const struct cfg_error *err);
int manager_capabilities(struct manager *m, capabilities_done_fn done, void *userdata);
/* Keeps the present model as a named generation. */
int manager_save(struct manager *m, const char *label,
		 void (*done)(void *userdata, uint64_t generation, const struct cfg_error *err), void *userdata);
/* [{ "generation", "time", "label", "objects" }], newest first. Caller puts. */
int manager_history(struct manager *m, struct json_object **ret);

#endif
