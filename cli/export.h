/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETCTL_CLI_EXPORT_H
#define NVMETCTL_CLI_EXPORT_H

/*
 * What export and unexport share: export.c holds the verbs and the backend, export-nvme.c and export-scsi.c what each protocol adds to
 * the edits. Functions return 0 or an exit status after having complained; doc is the model as it was looked at.
 */
#include "cli/cli.h"

/* export.c */
/* The name of the member of a collection for which the attribute has the value; NULL: none. Borrowed. */
const char *find_by(struct json_object *collection, const char *attr, const char *value);
/* The lowest number from min that names no member of either (each may be NULL). Caller frees; NULL: out of memory. */
char *free_number(unsigned min, struct json_object *collection, struct json_object *also);
/* The word as a shell takes it for one; an NQN may hold what a shell takes for its own. Caller frees. */
char *shell_word(const char *word);
/* " OPTIONWORD" on standard output, quoted for a shell where it has to be. */
void print_word(const char *option, const char *word);
/* Nobody connects to a wildcard: the name of the machine instead of one. */
const char *reachable_address(const struct cli *c, const char *address);
void delete_path(struct json_object *edits, const char *collection, const char *name);

#define PASSTHRU "nvme-passthru"	/* the type of backend that a subsystem has instead of namespaces */

/* Objects that are missing for the backend to be exported as the command line has it. */
int export_nvme(struct cli *c, struct json_object *edits, struct json_object *doc, const char *backend, bool passthru);
int export_scsi(struct cli *c, struct json_object *edits, struct json_object *doc, const char *backend);
/* What has to be typed at the other end. */
int print_nvme_ways(struct cli *c, struct json_object *doc);
int print_scsi_ways(struct cli *c, struct json_object *doc);
/* Takes away what exports the backend, and what nothing else uses then. */
int unexport_nvme(struct json_object *edits, struct json_object *doc, const char *backend);
int unexport_scsi(struct json_object *edits, struct json_object *doc, const char *backend);

#endif
