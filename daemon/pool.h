/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_POOL_H
#define NVMETD_POOL_H

/*
 * Worker processes, seen from the event loop. One piece of work (a step: operations in order, up to the first that fails) is in a
 * worker at a time, never a queue; work waits here. A worker that is stuck in the kernel leaves the pool and is replaced, up to
 * a bound; work with the same queue key as a stuck one waits without a worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "plan/plan.h"

struct pool;
struct work;

enum work_class {
	WORK_CHANGE,	/* configfs and devices */
	WORK_REMOVE,	/* the same: what waits for the kernel rather than for a processor, so more of it at a time */
	WORK_READ,	/* some workers are kept for these */
	WORK_STATE,	/* the daemon's own files; one at a time, in order, also behind a stuck one */
	WORK_WATCH,	/* OP_WAIT_CHANGE: a worker of its own, which may wait for ever and is killed by pool_cancel() */
};

struct work_result {
	int error;		/* 0, or the positive errno of the operation that failed, or of what happened to the worker */
	size_t done;		/* operations that succeeded; the failed one is ops[done] */
	bool died;		/* the worker died: ops[done] may or may not have happened */
	char **data;		/* result text of each operation that succeeded and has one, else NULL; valid in the callback only */
	char *message;		/* a sentence from the worker, when it knows more than the errno; or NULL */
};

/* Whose work it is. Who has work that waits, and none in a worker, gets a worker beyond those that there are at a time: so nobody waits for what
 * hangs in another's hands. Zeroed before the first; lives as long as any of its work. */
struct pool_owner {
	unsigned waiting, running;
	unsigned stuck;			/* of those that run */
};

/* Called from the event loop, exactly once for each submitted work, never from within pool_submit(). */
typedef void (*work_done_fn)(void *userdata, const struct work_result *result);

struct pool_settings {
	const char *kernel;		/* kfs_new() spec */
	const char *state_dir, *config_dir, *run_dir;	/* the only folders for WORK_STATE */
	unsigned workers, removers;	/* at work at the same time: at WORK_CHANGE, at WORK_REMOVE */
	unsigned readers;		/* kept for WORK_READ */
	unsigned expedite;		/* so many removals from target/ at a time expedite RCU; 0: never */
	unsigned stuck_max;		/* workers of a class beyond those: in the place of stuck ones, and for owners that have none */
	uint64_t stuck_usec;		/* in one operation for so long = stuck */
	uint64_t idle_usec;		/* workers beyond a few end when nothing came for so long; 0: a default */
};

/* The fork server: call this first in main(), before any other descriptor is open, any bus joined or secret read. It forks and returns in the
 * parent; *ret_fd is the server's socket. */
int forkserver_start(const struct pool_settings *s, int *ret_fd);

/* What to do when the fork server has died: nothing can be done any more. */
void pool_set_fatal(struct pool *p, void (*fatal)(void *userdata), void *userdata);

int pool_new(sd_event *e, int forkserver_fd, const struct pool_settings *s, struct pool **ret);
/* Work that is left is forgotten without calling done; workers end by themselves. */
struct pool *pool_free(struct pool *p);

/* ops, queue and label are borrowed until done is called. label: "object: what" for status. token: see plan.h, of changes and
 * removals only; steps of different tokens never run together, and take turns in the order in which they came. */
int pool_submit(struct pool *p, enum work_class class, enum token token, const struct oplist *ops, const char *queue,
		const char *label, work_done_fn done, void *userdata, struct work **ret);
/* Right after it was submitted, changes and removals only. */
void pool_own(struct work *w, struct pool_owner *owner);
/* What it has in workers is stuck, all of it, and the rest waits behind what is. */
bool pool_owner_hangs(struct pool *p, const struct pool_owner *o);
/* Not yet in a worker: taken out, done is called with ECANCELED before this returns 1. In a worker already: 0, and it goes on; but WORK_WATCH
 * ends, and done is called with ECANCELED later. */
int pool_cancel(struct pool *p, struct work *w);
/* In a worker that has not come back for stuck_usec. */
bool work_is_stuck(const struct work *w);

/* What is in workers now, longest first: for status. Also what workers of an earlier daemon are stuck in. */
struct pool_busy {
	pid_t pid;
	char *label;		/* object and call */
	char *where;		/* "write nvmet/…/enable" */
	char *wchan;		/* kernel function it sleeps in (/proc/PID/wchan), "" when not known */
	uint64_t usec;		/* for how long */
	bool stuck, orphan;
	size_t waiting;		/* pieces of work with the same queue key that wait */
};
/* Called when a worker turns out to be stuck, and when one that was has come back, ours or an earlier daemon's, which the pool may be in the middle
 * of: only take note. */
void pool_set_stuck_changed(struct pool *p, void (*changed)(void *userdata, bool came_back), void *userdata);
#define HELD_STUCK UINT64_MAX	/* for so long that it counts as stuck, and its coming back is told */
/* What is held by changes that have been in one kernel call for so long, and by all workers of an earlier daemon, which ret_orphans lists
 * alone: elements of the model, and the folders of the kernel in which nobody else gets on. Each may be NULL. Callers free. */
int pool_held(struct pool *p, uint64_t usec, char ***ret_elements, char ***ret_orphans, char ***ret_folders);
/* Whether a worker of this daemon's has not come back for stuck_usec. */
bool pool_has_stuck(const struct pool *p);
/* Whether nothing is stuck, of this daemon's or of an earlier one's. */
bool pool_is_clear(const struct pool *p);
/* A worker of an earlier daemon that may still change files of the daemon's own; 0: there is none, and as long as this pool lives there will be none
 * any more. The label is borrowed until the event loop turns. */
pid_t pool_old_writer(const struct pool *p, const char **ret_label);
int pool_busy(struct pool *p, struct pool_busy **ret, size_t *ret_n);
void pool_busy_free(struct pool_busy *b, size_t n);

#endif
