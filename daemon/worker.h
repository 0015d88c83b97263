/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_WORKER_H
#define NVMETD_WORKER_H

/* A worker process: one step at a time, each operation checked by itself, until the daemon is gone. */

#include "daemon/pool.h"
#include "kernel/kfs.h"

/* What a worker is at, for all to read: its file RUN_DIR/workers/PID, locked (flock) while it works. A daemon that starts finds in it what
 * is still being done for its predecessor. */
#define WORKER_PAGE_VERSION 3
struct worker_page {
	uint32_t version;
	uint32_t token;			/* enum token of the step */
	uint64_t since_usec;		/* CLOCK_BOOTTIME, when the present operation began; 0: idle */
	char label[512];
	char queue[1024];
	char where[1024];
	bool own_files;			/* the step changes files of the daemon's own */
};

/* Serves the socket; never returns. Signals and descriptors are the fork server's care. */
void worker_main(int sock, const struct pool_settings *s) __attribute__((noreturn));

struct worker {
	const struct pool_settings *settings;
	struct kfs *kfs;
	struct worker_page *page;	/* NULL: nobody looks */
	int sock;			/* -1: none to watch */
	const struct op *device;	/* of this step: the last one that gave a namespace its device; NULL: none */
};

/* One step, as a worker does it: for worker_main() and tests. data has room for ops->n. Returns the error (positive errno) and how many
 * were done; *message is a sentence where the errno is not all. ECANCELED: the daemon has gone. */
int worker_run(struct worker *w, const struct oplist *ops, size_t *ret_done, char **data, char **message);

/* worker-check.c: whether an operation is one that a worker does at all, by its text alone. -EINVAL with a message. */
int worker_check(const struct pool_settings *s, const struct op *op, char **message);
/* The same file: whether it changes files of the daemon's own, secrets among them. */
bool worker_changes_own_files(const struct op *op);

/* inuse.c: OP_IN_USE; value "TRTYPE ADRFAM TRADDR TRSVCID". */
int in_use_list(const char *value, char **ret, char **message);

#endif
