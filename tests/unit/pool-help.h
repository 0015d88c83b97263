/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_POOL_HELP_H
#define TESTS_POOL_HELP_H

/* A pool with real workers on a folder that stands for configfs. A call that hangs is a write to a FIFO that nobody reads; opening it for
 * reading lets it go on. Include cmocka.h first. */

#include "daemon/pool.h"

#define PATIENCE 20000000	/* usec: after that something is broken, not slow */

struct job {
	struct oplist ops;
	struct work *work;
	bool finished;
	int turn;		/* the how-manieth that finished */
	int error;
	size_t done;
	bool died;
	char *message;
	char **data;
};

struct fixture {
	char top[64], run_dir[96], state_dir[96], config_dir[96];
	char *kernel;
	struct pool_settings settings;
	sd_event *event;
	struct pool *pool;
	int server;		/* the test's end, when it plays the fork server */
	struct job jobs[512];
	int n_jobs, turns;
	bool in_submit, fatal;
	int readers[16];
	int n_readers;
};

/* For cmocka: a folder of its own for each test; nothing is started yet, so that settings can be changed. */
int setup(void **state);
int teardown(void **state);

void start(struct fixture *f);
/* With the test in the place of the fork server, at f->server. */
void start_alone(struct fixture *f);

/* Pieces of work. They belong to the fixture. */
struct job *job_new(struct fixture *f);
void job_op(struct job *j, enum op_verb verb, const char *path, const char *value);
struct job *submit_as(struct fixture *f, struct job *j, enum work_class class, enum token token, const char *queue);
struct job *submit(struct fixture *f, struct job *j);
/* One operation. */
struct job *do_one(struct fixture *f, enum op_verb verb, const char *path, const char *value);
/* One mkdir. */
struct job *quick(struct fixture *f, const char *path, enum token token, const char *queue);
/* A step that hangs in a write to the FIFO, which is made; and what lets it go on. */
struct job *hang(struct fixture *f, const char *fifo, enum token token, const char *queue);
void release(struct fixture *f, const char *name);
void put_fifo(struct fixture *f, const char *name);
void put_value(struct fixture *f, const char *name);
/* The absolute path; caller frees. */
char *below(const struct fixture *f, const char *name);

uint64_t now(void);
void turn(struct fixture *f, uint64_t usec);
void wait_for(struct fixture *f, const struct job *j);
void wait_for_all(struct fixture *f);
/* For what must not happen. */
void let_pass(struct fixture *f, uint64_t usec);
void assert_done(const struct job *j);

/* Of what pool_busy() tells of the worker at this call, only the numbers are valid. */
bool find_busy(struct fixture *f, const char *where, struct pool_busy *ret);
/* Until the worker has said that it is at it: then it is in that call, or about to be. */
void wait_busy(struct fixture *f, const char *where, struct pool_busy *ret);
void wait_stuck(struct fixture *f, const char *where, struct pool_busy *ret);
/* A later step of the same token does not overtake one that waits for the other. */
void assert_turns(struct fixture *f);
/* Workers' files. */
unsigned count_files(const struct fixture *f);

#endif
