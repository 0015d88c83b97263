/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_RUN_H
#define NVMETD_RUN_H

/* The execution of a plan's steps by the pool: each as soon as the steps that it comes after are done. */

#include "daemon/pool.h"

enum step_state {
	STEP_WAITING,
	STEP_RUNNING,
	STEP_DONE,
	STEP_FAILED,
	STEP_SKIPPED,	/* because a step that it comes after failed, or because the run was stopped */
	STEP_BLOCKED,	/* left out from the start, see run_block() */
};

struct run_callbacks {
	/* The step is about to be handed to a worker; a negative return makes it fail with that error. */
	int (*starting)(void *userdata, const struct step *step, struct cfg_error *err);
	/* It ended: done (error 0) or failed. Results are borrowed. */
	void (*ended)(void *userdata, const struct step *step, const struct work_result *result);
	/* Nothing of the phases asked for is running or can run any more. */
	void (*finished)(void *userdata);
};

struct run {
	struct pool *pool;
	const struct plan *plan;
	const struct run_callbacks *callbacks;
	void *userdata;
	bool isolate;		/* a failure takes along only what depends on it; else it stops the whole */
	bool stopping;
	unsigned phases;	/* 1 << PHASE_… under way */
	struct run_step *steps, *oldest, *newest;	/* all; those that run, in the order in which they began */
	struct run_step *gathered, *gathered_last;	/* ready, to be sent together before the present call of ours ends */
	size_t running, done, failed;
	size_t operations;	/* that succeeded */
	unsigned busy;		/* within a call of ours: finished has to wait */
	struct pool_owner owner;	/* of all its steps */
};

int run_init(struct run *r, struct pool *pool, const struct plan *plan, bool isolate, const struct run_callbacks *callbacks,
	     void *userdata);
void run_done(struct run *r);	/* nothing may be running, unless the pool will never be served again */
/* Leaves a step out, and what depends on it (STEP_BLOCKED, STEP_SKIPPED). */
void run_block(struct run *r, size_t step);
/* Starts steps of these phases. finished is called from the event loop or before this returns. */
void run_start(struct run *r, unsigned phases);
/* Starts no more. True: some run on, and finished comes when they have ended; false: it has come. */
bool run_stop(struct run *r);
/* What runs is stuck, all of it, or waits behind what is. */
bool run_hangs(const struct run *r);
enum step_state run_state(const struct run *r, size_t step);
/* Whether it may have changed something: one that failed at its first operation has not. */
bool run_touched(const struct run *r, size_t step);
/* How many of its operations were done, or may have been. */
size_t run_operations(const struct run *r, size_t step);
/* "OBJECT: what" of the step that has run longest; borrowed, "" when none runs. */
const char *run_current(const struct run *r);

#endif
