/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_SETTINGS_H
#define NVMETD_SETTINGS_H

/* What an administrator decides about the daemon itself: nvmetd.conf(5). Read once, at start; one table describes every setting. */

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

struct settings {
	unsigned workers, removers;
	unsigned readers;
	unsigned bridge_queue;
	unsigned expedite;
	unsigned stuck_seconds, stuck_max;
	unsigned generations_kept;
	unsigned generation_interval;	/* seconds */
	size_t journal_fold_bytes;
	char *kernel;			/* kfs_new() spec */
	int log_level;			/* syslog priority */
	unsigned job_history;
	size_t max_document_bytes;
	unsigned queue_per_client;	/* requests of one bus client at the same time */
};

/* Every setting at its default. -ENOMEM. */
int settings_defaults(struct settings *ret);

/* Reads the file over the defaults; one that does not exist means the defaults. Everything wrong is reported at once, with
 * "file:line"; then *ret is not filled. May block on disk. */
int settings_load(const char *path, struct settings *ret, struct cfg_errors *errs);
void settings_done(struct settings *s);

/* A configuration file with every setting explained and commented out at its default. */
void settings_print(FILE *f);
/* The table of nvmetd.conf(5), as scdoc text. */
void settings_print_manual(FILE *f);

#endif
