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

/* One bit for each option that is not for every verb; the table is in options.c. */
enum verb_options {
	TAKES_JSON = 1 << 0,
	TAKES_QUIET = 1 << 1,
	TAKES_REMOTE = 1 << 2,
	TAKES_DRY_RUN = 1 << 3,
	TAKES_CONSENT = 1 << 4,
	TAKES_GENERATION = 1 << 5,
	TAKES_PLAN = 1 << 6,
	TAKES_NO_WAIT = 1 << 7,
	TAKES_MERGE = 1 << 8,
	TAKES_RECURSIVE = 1 << 9,
	TAKES_REVOKE = 1 << 10,
	TAKES_OFFLINE = 1 << 11,
	TAKES_VERIFY = 1 << 12,
	TAKES_DEFAULTS = 1 << 13,
	TAKES_NAME = 1 << 14,
	TAKES_EXPORT = 1 << 15,
};

struct cli {
	const struct verb *verb;
	char **args;		/* behind the verb, options taken out; NULL-terminated */
	int n_args;

	const char *remote;	/* -H */
	bool json, dry_run, merge, recursive, revoke, offline, verify, defaults, quiet, no_wait;
	bool disrupt, destroy;	/* for all objects */
	char **disrupt_paths, **destroy_paths;
	uint64_t generation;
	const char *plan;
	/* export */
	const char *name, *size;
	bool create;
	const char *nqn, *nsid;
	char **ports, **hosts;
	bool any_host;
	const char *target, *lun, *chap_user, *chap_file;
	char **portals, **initiators;
	bool any_initiator;

	sd_bus *bus;
	const char *document;	/* what a document that is sent is called */
	bool one_edit;		/* of what is sent, so that its number says nothing */
};

struct verb {
	const char *name;
	int min_args, max_args;	/* max -1: any number */
	unsigned options;	/* enum verb_options */
	const char *args;	/* for the usage line */
	const char *doc;	/* one line */
	int (*run)(struct cli *c);
};
extern const struct verb verbs[];	/* ended by one without name */
const struct verb *find_verb(const char *name);

/* options.c: takes options out of the command line, and the verb; *c is for cli_done(). An exit status other than 0 when it has complained. */
int options_parse(struct cli *c, int argc, char **argv);
void cli_done(struct cli *c);
/* Lines about the options that are for verbs with any of these bits. */
void options_print(unsigned bits);

/* output.c. "nvmetctl: …" on stderr, one line in one write, behind what stdout was told before. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void complain_error(const struct cfg_error *err);
void complain_errors(const struct cfg_errors *errs);
/* Each line of a text that came over the bus. */
void complain_lines(const char *text);
/* complain, and the status for wrong usage. */
int usage_error(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int out_of_memory(void);
/* "1 host", "2 hosts"; of a collection's name or any word that takes an s. Caller frees. */
char *count_text(uint64_t n, const char *collection);
int print_json(struct json_object *o);
/* What was printed has arrived; else complains and says so by the status. done: that of the verb. */
int output_end(const struct cli *c, int done);

/* client.c. Each returns 0 with *ret filled, or an exit status other than 0 after having complained. */
struct call {
	const char *method;
	sd_bus_message *message;
};
/* A call of the manager's method; arguments are appended to its message. */
int client_call_new(struct cli *c, const char *method, struct call *ret);
/* The options of the command line that matter for changes. */
int client_append_options(struct cli *c, struct call *call);
/* Waits for as long as it takes. reply is for the caller to unref. */
int client_call(struct cli *c, struct call *call, sd_bus_message **ret_reply);
/* The reply is one text (a string or a descriptor of memory), parsed as JSON. */
int client_call_json(struct cli *c, struct call *call, struct json_object **ret);
/* Method without arguments that answers with JSON text. */
int client_get(struct cli *c, const char *method, struct json_object **ret);
/* Dump or Show: of the whole ("") or of a path. */
int client_look(struct cli *c, const char *method, const char *path, struct json_object **ret);
/* A document into the call, as memfd, or as a string on a remote bus. method: without the "Fd" behind it. */
int client_document_call(struct cli *c, const char *method, const char *file, struct call *ret);

/* wait.c: what happens while the daemon works: progress on a terminal, and signals. */
int wait_for_reply(struct cli *c, struct call *call, sd_bus_message **ret_reply);

/* documents.c: a file or "-", whole, with what it is called in places. Complains. */
int read_document(const char *file, const char **ret_name, char **ret_text, size_t *ret_len);

/* report.c: what a change's report says, and the exit status that goes with it. */
int report_print(struct cli *c, struct json_object *report);
/* Sends a change, waits, prints what the report says. */
int change_run(struct cli *c, struct call *call);

/* edits.c: edits of one Change call, [[verb, path, [[attr, op, value], …]], …] */
void edits_add(struct json_object *edits, const char *verb, const char *path);
/* Adds to the last edit. */
void edits_attr(struct json_object *edits, const char *attr, const char *op, const char *value);
int edits_run(struct cli *c, struct json_object *edits);

/* JSON helpers: borrowed, "" or NULL or 0 where there is none; o may be NULL. */
struct json_object *member(struct json_object *o, const char *key);
const char *member_string(struct json_object *o, const char *key);
uint64_t member_number(struct json_object *o, const char *key);
bool member_bool(struct json_object *o, const char *key);
size_t array_len(struct json_object *array);
const char *array_string(struct json_object *array, size_t i);
bool array_has(struct json_object *array, const char *text);
#define foreach_item(item, array)								\
	for (struct json_object *_list = (array), *item = NULL; _list; _list = NULL)		\
		for (size_t _i = 0; _i < json_object_array_length(_list) &&			\
				    (item = json_object_array_get_idx(_list, _i), 1); _i++)

/* table.c: libsmartcols with our ways: a column that is empty everywhere is left out, states are coloured on a terminal. */
struct table;
struct table *table_new(const char *const *titles, size_t n, bool tree);	/* NULL: out of memory */
struct table_line;
/* cells: n texts, each may be NULL. */
struct table_line *table_add(struct table *t, struct table_line *parent, const char *const *cells);
size_t table_len(const struct table *t);
/* Prints and frees; nothing when there is no line. */
int table_print(struct table *t, bool headings);

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
