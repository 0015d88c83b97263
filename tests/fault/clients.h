/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_CLIENTS_H
#define FAULT_CLIENTS_H

/* Clients of the daemon that ask at the same time, each on a connection of its own and one thing at a time. */

#include <json-c/json.h>

#include "base/text.h"

struct ask {
	enum { ASK_CHANGE, ASK_APPLY, ASK_MERGE, ASK_CLEAR, ASK_RECONCILE, ASK_SHOW } what;
	char *text;		/* edits, a line each; a document; the path of an object */
	bool recursive, dry_run;
	unsigned long long generation;
};

struct client;

struct client *client_new(void);
struct client *client_free(struct client *c);
void client_ask(struct client *c, const struct ask *a);
bool client_asks(const struct client *c);
/* The answer once it is there, for the caller to put; else NULL. An error is told as a report of an invalid request. */
struct json_object *client_answer(struct client *c);
/* Takes in what has come; waits until something does, if told so. */
void clients_process(struct client *const *list, size_t n, bool wait);
struct json_object *client_ask_and_wait(struct client *c, const struct ask *a);

#endif
