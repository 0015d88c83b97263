/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ERROR_H
#define CFG_ERROR_H

/*
 * How everything in libcfg, the daemon and the command line reports failure:
 *
 * 1. A function that can fail returns 0 (or a count) or -errno, and takes a struct cfg_error * last.
 *    When it fails and that is not NULL, it is filled; on success it is left alone.
 * 2. cfg_error_set() returns the negative code, so that raising is one return statement.
 * 3. On the way up a caller adds what it knows (object, attribute, place) with cfg_error_at(); it
 *    never replaces what is there.
 * 4. Filling a filled error is a bug, and asserted.
 * 5. Expected outcomes (not found, end of list) are return values, not errors.
 * 6. Validation reports every problem, in a struct cfg_errors; everything else the first one.
 *
 * The codes are errno values; what a D-Bus client and the shell make of them is one table in
 * dbus/errors.c. Those that carry a meaning of our own:
 *	EINVAL	the input is wrong (validation, arguments, document)
 *	ENOENT	an object named by the caller does not exist
 *	EEXIST	an object that is to be created exists, here or as someone else's
 *	EBUSY	refused while something refers to the object or lives below it
 *	ESTALE	conflict: what the change was made from has changed since
 *	ECONNABORTED	consent missing: the plan would harm hosts or data
 *	EOPNOTSUPP	the running kernel lacks the feature
 *	ECANCELED	the job was cancelled
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct cfg_error {
	int code;	/* positive errno; 0 = not set */
	char *object;	/* model path ("subsystems/nqn…"), or NULL */
	char *attr;	/* attribute name, or NULL */
	char *place;	/* place in the input ("file.json:12:7"), or NULL */
	char *msg;	/* one sentence without full stop, e.g. "must be 1..128, not 0" */
};

#define CFG_ERROR_NULL ((struct cfg_error){ 0 })

/* Fills err (which may be NULL) and returns -code. The message says what failed and why; it must not
 * repeat object and attribute, and must not contain a secret. What it quotes may be anything: control characters
 * and what is not UTF-8 become question marks. */
int cfg_error_set(struct cfg_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with object and attribute (each may be NULL). */
int cfg_error_set_at(struct cfg_error *err, int code, const char *object, const char *attr,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "out of memory"; always succeeds in recording the code. Returns -ENOMEM. */
int cfg_error_oom(struct cfg_error *err);

/* Adds object, attribute and place where they are still missing; NULL leaves one alone. */
void cfg_error_at(struct cfg_error *err, const char *object, const char *attr, const char *place);

/* Puts "CONTEXT: " before the message of a filled error: what was being done when it happened. */
void cfg_error_wrap(struct cfg_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Moves the content of from to to (frees what to held; from becomes NULL). to may be NULL. */
void cfg_error_move(struct cfg_error *to, struct cfg_error *from);
int cfg_error_copy(struct cfg_error *to, const struct cfg_error *from);

/* "PLACE: OBJECT: ATTR: MESSAGE" with the parts that are set; caller frees. NULL when out of memory. */
char *cfg_error_text(const struct cfg_error *err);

void cfg_error_done(struct cfg_error *err);

static inline int cfg_error_is_set(const struct cfg_error *err)
{
	return err && err->code != 0;
}

#define _cleanup_error_ _cleanup_(cfg_error_done)

/* All problems of one validation. Bounded: after CFG_ERRORS_MAX only the count goes on. */
#define CFG_ERRORS_MAX 200

struct cfg_errors {
	struct cfg_error *items;
	size_t n;	/* stored */
	size_t total;	/* found */
	bool no_memory;	/* something is missing here for lack of memory: an error, or the words of one */
};

/* Appends and returns -code. */
int cfg_errors_add(struct cfg_errors *errs, int code, const char *object, const char *attr,
		   const char *place, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Appends a filled error, which is emptied. */
int cfg_errors_take(struct cfg_errors *errs, struct cfg_error *err);
/* What a check that adds what it finds comes to: 0 if there are no more of them than before it, -ENOMEM when it could not say all, else
 * -EINVAL. */
int cfg_errors_verdict(const struct cfg_errors *errs, size_t total_before);
/* Appends all of from, which is emptied, and counts what is not stored in either. */
void cfg_errors_move(struct cfg_errors *to, struct cfg_errors *from);
void cfg_errors_done(struct cfg_errors *errs);

#define _cleanup_errors_ _cleanup_(cfg_errors_done)

#endif
