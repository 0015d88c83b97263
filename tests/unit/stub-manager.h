/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_STUB_MANAGER_H
#define TEST_STUB_MANAGER_H

/* A manager that does nothing by itself: it keeps what it was asked for, and the test says what comes of it. */

#include "daemon/manager.h"

struct stub_job {
	struct job job;
	struct request request;
	request_done_fn done;
	void *userdata;
};

struct manager {
	struct tree *wanted;
	uint64_t generation;
	struct observer observer;
	struct stub_job **jobs;
	size_t n_jobs;
	uint64_t cancelled;	/* id of the last job that was to be cancelled */
	const char *state, *reason;	/* of every object */
	int refuse;		/* errno for the next requests */

	unsigned verifies;
	void (*verify_done)(void *userdata, struct json_object *status, const struct cfg_error *err);
	void *verify_userdata;
	void (*save_done)(void *userdata, uint64_t generation, const struct cfg_error *err);
	void *save_userdata;
	char *save_label;
};

void stub_init(struct manager *m, const struct observer *observer);
void stub_done(struct manager *m);
struct stub_job *stub_last(struct manager *m);
void stub_progress(struct manager *m, struct stub_job *j, size_t done, size_t total);
void stub_end(struct manager *m, struct stub_job *j, enum job_state state, enum outcome outcome, const char *report);

#endif
