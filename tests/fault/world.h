/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

/*
 * What the driver plays with: a fake kernel that lives on, a daemon that is killed and started again, and the bus between. Whatever should
 * not happen ends the program with a message, so that nothing here returns an error.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "base/text.h"

void world_start(const char *folder);
void world_end(void);	/* the daemon must end in order */

void daemon_start(void);
void daemon_kill(void);
void daemon_stop(void);	/* as the service manager does; it must end in order */

/* What the driver is at, for messages. */
void at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A command of the fake kernel, words with blanks between. Caller frees; NULL when it was refused. */
char *control(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The kernel's tree and the files behind it, as sorted lines. */
char **dump(void);
/* To stderr, a line for each that only one of the two has. */
void print_difference(char *const *wanted, char *const *is);
unsigned long changes(void);	/* calls that changed something, or tried */
unsigned long calls(void);	/* all, of reading as well */
unsigned long writes(void);	/* those of them that are about the tree or files, not about modules */

/* Comes back when no process of the daemon's, the fake kernel's or the bus's has anything to do but wait. */
void settle(void);

/* The argument of Change: "VERB PATH ATTR=VALUE …", one a line. */
int append_edits(sd_bus_message *m, const char *edits);

/* Methods of the manager. Caller frees or puts. */
struct json_object *apply(const char *document);
void apply_begin(const char *document);		/* one at a time */
struct json_object *apply_end(void);		/* waits for its report */
struct json_object *plan_of(const char *document);
struct json_object *change(const char *edits);
struct json_object *reconcile(void);
struct json_object *status(void);
char *dump_model(void);
void cancel(unsigned long long job);

const char *text_of(struct json_object *o, const char *key);	/* "" when absent; borrowed */
size_t length_of(struct json_object *o, const char *key);

#endif
