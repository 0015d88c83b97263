/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_FORKSERVER_H
#define NVMETD_FORKSERVER_H

/* What the pool and the fork server say to each other, over a socket that keeps packets apart. */

#include <stdbool.h>
#include <sys/types.h>

enum fork_verb {
	FORK_MAKE,	/* answered by a struct fork_answer; with the worker's socket, if there is one */
	FORK_KILL,	/* not answered: the end of the worker's socket is the answer */
};

struct fork_request {
	enum fork_verb verb;
	pid_t pid;	/* FORK_KILL */
};

struct fork_answer {
	pid_t pid;
	int error;	/* positive errno: there is no worker */
	bool page;	/* error: since its file could not be made */
};

#endif
