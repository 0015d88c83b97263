/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_SERVICE_PRIVATE_H
#define BUS_SERVICE_PRIVATE_H

/* What the files of dbus/ share. Nothing else includes this. */

#include "base/map.h"
#include "dbus/errors.h"
#include "dbus/names.h"
#include "dbus/service.h"

/* Messages that the bus has not taken: beyond the first number what can be asked for later is not signalled (progress, status, single
 * objects), beyond the second nothing is. Answers are sent always: there are no more of them than of calls. */
#define QUEUE_MAX	4096
#define QUEUE_STUCK	65536
#define SIGNAL_USEC	100000	/* not more often than this about one job's progress, and about the status */
#define MANY_OBJECTS	200	/* a commit that touches more is told by one signal */

struct bus_service {
	sd_event *event;
	sd_bus *bus;
	const struct settings *settings;
	struct manager *manager;	/* NULL until attached */
	struct observer observer;
	bool started;
	sd_bus_slot *object_manager, *manager_slot, *job_slots[2], *object_slots[2];

	struct bus_kind *kinds;		/* model-object.c: KIND_MAX of them */
	struct map *senders;		/* access.c: unique name -> struct sender */
	struct pending *pending;	/* calls that wait for an answer */
	struct verify_wait *verify_running, *verify_next;	/* manager-object.c */

	struct map *jobs;		/* job-object.c: id in decimal -> struct job_watch, of jobs that run */
	sd_event_source *timer;		/* what was held back for SIGNAL_USEC */
	uint64_t status_usec;		/* CLOCK_MONOTONIC, of the last StatusChanged */
	bool status_due;
};

/* service.c */
bool bus_congested(const struct bus_service *s);
bool bus_stuck(const struct bus_service *s);
/* Lets the timer call back no later than at usec (CLOCK_MONOTONIC). */
void bus_service_wake_at(struct bus_service *s, uint64_t usec);
/* Object path to model path and back; the caller frees. -EINVAL for what is no such path. */
int bus_object_path(const char *path, char **ret);
int bus_object_path_decode(const char *object_path, char **ret);
char *bus_job_path(uint64_t id);
/* Appends s, cleaned if need be; NULL is "". */
int bus_append_text(sd_bus_message *m, const char *text);
/* EFBIG for an answer that is too long for a message; instead: the method that has room for it, or NULL. */
int bus_check_length(size_t len, const char *instead, struct cfg_error *err);

/* access.c */
enum harm { HARM_LOOK, HARM_CONFIGURE, HARM_DISRUPT, HARM_DESTROY };
struct sender;
/*
 * The one place where it is decided who may do what. To be called first in a method's handler:
 *	1	go on;
 *	0	it is being found out: return 1 from the handler, which will be called again with the same message;
 *	< 0	no, or an error: error is filled.
 */
int access_check(struct bus_service *s, sd_bus_message *m, enum harm harm, sd_bus_error *error);
/* "uid 0, nvmetctl[312]" of the sender of a message that access_check() let pass with more than HARM_LOOK. Caller frees. */
char *access_caller(struct bus_service *s, sd_bus_message *m);
void access_done(struct bus_service *s);

/* A method call that is answered later. Counted for its sender. */
struct pending {
	struct bus_service *service;
	struct pending *prev, *next;
	struct sender *sender;
	sd_bus_message *call;
};
int pending_new(struct bus_service *s, sd_bus_message *call, struct pending **ret, sd_bus_error *error);
struct pending *pending_free(struct pending *p);
CFG_DEFINE_CLEANUP(struct pending *, pending_free);
/* Each answers and frees. */
void pending_reply_text(struct pending *p, char *text, const char *instead);	/* text is cleaned */
void pending_reply_error(struct pending *p, const struct cfg_error *err);

/* memfd.c */
int memfd_read(int fd, size_t max, char **ret, size_t *ret_len, struct cfg_error *err);
/* A new sealed one with this content. */
int memfd_new(const char *name, const char *text, size_t len, int *ret, struct cfg_error *err);

/* request.c: arguments of methods into a request. */
enum request_option {
	OPTION_DRY_RUN = 1 << 0,
	OPTION_MERGE = 1 << 1,
	OPTION_DISRUPT = 1 << 2,
	OPTION_DESTROY = 1 << 3,
	OPTION_REVOKE = 1 << 4,
	OPTION_RECURSIVE = 1 << 5,
	OPTION_GENERATION = 1 << 6,
	OPTION_PLAN = 1 << 7,
	OPTION_NAME = 1 << 8,
	OPTION_WAIT = 1 << 9,
};
struct request_extra {
	bool recursive;
	bool no_wait;
	bool any_generation;	/* "generation" was given, if only as 0 */
	char *name;
};
void request_extra_done(struct request_extra *x);
#define _cleanup_request_extra_ _cleanup_(request_extra_done)
enum request_input {
	INPUT_NONE,
	INPUT_TEXT,	/* s: document */
	INPUT_FD,	/* h: document */
	INPUT_EDITS,	/* a(ssa(sss)) */
	INPUT_PATHS,	/* as */
	INPUT_NUMBER,	/* t: generation */
};
/* Reads all arguments of a call. allowed: options. All problems of a document or of the edits' form are returned together. */
int request_read(sd_bus_message *m, enum request_input input, unsigned allowed, size_t max_document_bytes,
		 struct request *r, struct request_extra *x, struct cfg_errors *errs);

/* manager-object.c */
int manager_object_new(struct bus_service *s);
void manager_object_done(struct bus_service *s);

/* job-object.c */
int job_object_new(struct bus_service *s);
void job_object_done(struct bus_service *s);
void job_object_added(struct bus_service *s, const struct job *job);
void job_object_changed(struct bus_service *s, const struct job *job);
void job_object_removed(struct bus_service *s, const struct job *job);
/* A call that is to cancel a job: checks who asks, and answers. */
int job_cancel(struct bus_service *s, sd_bus_message *m, uint64_t id, sd_bus_error *error);
/* Emits what was held back and is due now. */
void job_object_flush(struct bus_service *s, uint64_t now);
/* The report as text that fits into a message: what is too long is left out and that said. Caller frees; NULL when out of memory. */
char *job_report_text(const struct job *job);

/* model-object.c */
int model_object_new(struct bus_service *s);
void model_object_done(struct bus_service *s);
/* Signals for what a commit changed, object by object. */
void model_object_committed(struct bus_service *s, const struct changes *changes);

#endif
