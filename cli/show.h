/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETCTL_CLI_SHOW_H
#define NVMETCTL_CLI_SHOW_H

/* What the files of show share; see show.c. Texts are for the caller to free, and NULL when out of memory. */

#include "cli/cli.h"
#include "model/attr.h"

/* Called for each object right below one of a kind; collection is "" where the name follows the parent's. Negative ends it. */
typedef int (*child_fn)(void *userdata, enum kind kind, const char *collection, const char *name, struct json_object *o);
int each_child(enum kind parent, struct json_object *o, child_fn fn, void *userdata);

/* Who sees a backend: an entry of "used_by", which stands beside the objects; NULL: nobody. */
struct json_object *users_of(struct json_object *used_by, const char *backend);
/* "ports/1,ports/2"; portals without the path of their portal group, which is that of the LUN. */
char *ways_text(struct json_object *user);

int show_tree(struct json_object *doc);

#endif
