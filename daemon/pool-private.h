/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_POOL_PRIVATE_H
#define NVMETD_POOL_PRIVATE_H

/* What the files that together are the pool share. Nothing else includes this. */

#include "daemon/pool.h"
#include "daemon/record.h"
#include "daemon/worker.h"

#define CLASSES (WORK_WATCH + 1)

static inline bool changes_kernel(enum work_class class)
{
	return class == WORK_CHANGE || class == WORK_REMOVE;
}

/* In order of arrival. */
struct work_list {
	struct work *first, *last;
};

struct work {
	struct pool *pool;
	struct work *prev, *next;
	struct work_list *in;		/* where it waits; NULL: it is in a worker */
	struct process *process;	/* its worker; NULL: it waits */
	uint64_t number;		/* of arrival */
	enum work_class class;
	enum token token;
	struct pool_owner *owner;	/* or NULL */
	const struct oplist *ops;
	const char *queue, *label;
	work_done_fn done;
	void *userdata;
	bool counts;			/* see pool-expedite.c */
	bool cancelled;			/* WORK_WATCH whose worker is being ended */
};

/* A worker. */
struct process {
	struct pool *pool;
	struct process *next;
	pid_t pid;
	int fd;
	sd_event_source *io;
	struct work *work;		/* NULL: idle */
	uint64_t since;			/* CLOCK_MONOTONIC usec: when it got its work, or became idle */
	bool stuck;
	bool replaced;			/* stuck, and no longer counted among those of its class */
	bool broken;			/* being killed: nothing but its end is waited for */
	struct buffer in, out;
	size_t sent;
};

/* A worker of an earlier daemon that the kernel has not let go. */
struct orphan {
	struct pool *pool;
	struct orphan *next;
	pid_t pid;
	char *queue, *label;
	enum token token;
	bool own_files;
	sd_event_source *gone;
};

struct class_state {
	struct work_list waiting[TOKEN_MAX];	/* one list a token, so that the next one is always at the head of one */
	size_t n_waiting;
	unsigned limit;
	unsigned counted;	/* workers that are at it */
	unsigned stuck;		/* all that are */
	unsigned replaced;	/* those of them that are not counted */
};

struct pool {
	sd_event *event;
	struct pool_settings settings;
	int server;
	sd_event_source *server_io, *stuck_timer, *idle_timer, *defer;
	bool stuck_timer_on, idle_timer_on;
	bool server_gone;
	void (*fatal)(void *userdata);
	void *fatal_userdata;
	void (*stuck_changed)(void *userdata, bool came_back);
	void *stuck_userdata;

	struct process *processes;
	struct orphan *orphans;
	unsigned spawning;	/* asked for */
	bool short_of;		/* the last one could not be made: not asked for until some worker has ended what it is at, or itself */
	unsigned n_stuck;
	unsigned starving;	/* owners that have work that waits, and none in a worker */

	struct class_state classes[CLASSES];
	struct work_list parked;	/* behind something stuck */
	uint64_t number;
	unsigned tokens[TOKEN_MAX];		/* steps with it that run, orphans' too */
	unsigned tokens_stuck[TOKEN_MAX];	/* and those of them that are stuck */

	struct oplist expedite[2];		/* off, on */
	size_t n_counts;
	bool expedited, switching;
};

/* pool.c */
uint64_t pool_now(void);
/* Gives out what can start, and asks for workers where they lack. */
void pool_dispatch(struct pool *p);
/* So many more of its owner's pieces of work wait, or are in workers. */
void pool_count_owner(const struct work *w, int waiting, int running);
/* Something stuck has ended: what waited behind it is looked at again. */
void pool_unpark(struct pool *p);
/* Tells whoever wants to know. */
void pool_tell_stuck(struct pool *p, bool came_back);
/* Tells whose it is, and frees it. No worker or list has it any more. */
void pool_ended(struct work *w, const struct work_result *result);
/* Ends a piece of work that no worker has. */
void pool_refuse(struct work *w, int error, const char *message);
/* No worker can be made: what waits only for that is told so. page: since its file could not be. */
void pool_refuse_waiting(struct pool *p, int error, bool page);

/* pool-expedite.c */
int expedite_init(struct pool *p);
void expedite_done(struct pool *p);
/* A piece of work has come; it has ended, or is not waited for because it is stuck. */
void expedite_come(struct work *w);
void expedite_go(struct work *w);

/* pool-process.c */
int process_init(struct pool *p);
/* When its present operation began, as far as that matters (CLOCK_MONOTONIC usec): what has not run for usec counts from its beginning. */
uint64_t process_operation_began(const struct process *w, uint64_t now, uint64_t usec);
/* A worker without work, the one that ended its last most recently; NULL when there is none. */
struct process *process_idle(const struct pool *p);
/* Hands the work over. On failure the worker has nothing of it: -EPIPE when it is the worker's fault, which is gone then. */
int process_give(struct process *w, struct work *work);
/* Sees to it that n workers more are on their way. */
void process_want(struct pool *p, unsigned n);
/* Kills it, and hears nothing more but its end; its work is done then, and not before: the kernel may hold it. */
void process_break(struct process *w);
void process_free(struct process *w);
void process_remove_page(const struct pool *p, pid_t pid);

/* pool-busy.c */
/* Files of an earlier daemon's workers: those that still work become orphans, the others go. */
int orphans_find(struct pool *p);
void orphan_free(struct orphan *o);
/* What a worker wrote of itself; -errno, or -EPROTO if it is none of this version. */
int page_read(const struct pool *p, pid_t pid, struct worker_page *ret);

#endif
