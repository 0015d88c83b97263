/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETCTL_CLI_H
#define NVMETCTL_CLI_H

/* The command line: what all verbs share. Verbs return the exit status (see nvmetctl(8)). */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

enum exit_status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_INVALID = 3,
	STATUS_OWED = 4,
	STATUS_PARTLY = 5,
	STATUS_REFUSED = 6,
	STATUS_CONFLICT = 7,
};

struct cli {
	const char *verb;
	char **args;		/* behind the verb, options taken out; NULL-terminated */
	int n_args;

	const char *remote;	/* -H */
	bool json, dry_run, merge, recursive, revoke, offline, verify, defaults, quiet, no_wait;
	bool disrupt, destroy;	/* for all objects */
	char **disrupt_paths, **destroy_paths;
	uint64_t generation;
	const char *plan;
	/* export */
	const char *nqn, *name, *size, *nsid;
	char **ports, **hosts;
	bool any_host, create;

	sd_bus *bus;
};

struct verb {
	const char *name;
	int min_args, max_args;	/* max -1: any number */
	const char *args;	/* for the usage line */
	const char *doc;	/* one line */
	int (*run)(struct cli *c);
};
extern const struct verb verbs[];	/* ended by one without name */

/* "nvmetctl: …" on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void complain_error(const struct cfg_error *err);
void complain_errors(const struct cfg_errors *errs);
/* complain, and the status for wrong usage. */
int usage_error(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int out_of_memory(void);

/* client.c. Each returns 0 with *ret filled, or an exit status other than 0 after having complained. */
/* Calls a method of the manager; types and arguments as for sd_bus_message_append(); NULL: none. The options of the command line that
 * matter for changes are appended when with_options. The reply is one string, parsed as JSON. */
struct call {
	const char *method;
	sd_bus_message *message;
};
int client_call_new(struct cli *c, const char *method, struct call *ret);
int client_append_options(struct cli *c, struct call *call);
/* Waits for as long as it takes, showing progress on a terminal. */
int client_call(struct cli *c, struct call *call, char **ret_text);
int client_call_json(struct cli *c, struct call *call, struct json_object **ret);
/* Method without arguments that answers with JSON text. */
int client_get(struct cli *c, const char *method, struct json_object **ret);
/* The model as document (generated values included). */
int client_dump(struct cli *c, const char *path, struct json_object **ret);
/* A document from a file or "-"; into the call as memfd, or as a string on a remote bus. method: without the "Fd" behind it. */
int client_document_call(struct cli *c, const char *method, const char *file, struct call *ret);

/* report.c: what a change's report says, and the exit status that goes with it. */
int report_print(struct cli *c, struct json_object *report);

/* edits.c: edits of one Change call. */
struct change_call {
	struct json_object *edits;	/* [[verb, path, [[attr, op, value], …]], …] */
};
void edits_add(struct json_object *edits, const char *verb, const char *path);
/* Adds to the last edit. */
void edits_attr(struct json_object *edits, const char *attr, const char *op, const char *value);
int edits_send(struct cli *c, struct json_object *edits, struct json_object **ret_report);

/* JSON helpers: borrowed, "" or NULL or 0 where there is none. */
const char *member_string(struct json_object *o, const char *key);
struct json_object *member(struct json_object *o, const char *key);
uint64_t member_number(struct json_object *o, const char *key);
bool member_bool(struct json_object *o, const char *key);

int print_json(struct json_object *o);

/* Verbs, one file for each group that shares its ways. */
int verb_check(struct cli *c);
int verb_diff(struct cli *c);
int verb_apply(struct cli *c);
int verb_restore(struct cli *c);
int verb_show(struct cli *c);
int verb_edit(struct cli *c);
int verb_export(struct cli *c);
int verb_unexport(struct cli *c);
int verb_save(struct cli *c);
int verb_clear(struct cli *c);
int verb_reconcile(struct cli *c);
int verb_adopt(struct cli *c);
int verb_rollback(struct cli *c);
int verb_status(struct cli *c);
int verb_jobs(struct cli *c);
int verb_history(struct cli *c);
int verb_capabilities(struct cli *c);
int verb_help(struct cli *c);

#endif
