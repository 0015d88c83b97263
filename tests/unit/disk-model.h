/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISK_MODEL_H
#define DISK_MODEL_H

/*
 * A disk, as a power loss may leave it. Calls that change something below a folder are recorded as they are made, and then, for every point
 * in their sequence, every state is built that a file system may be found in: what was not synced is there, or not, or in part, each of it by
 * itself; what was synced is there.
 *
 * Whoever links this file wraps the calls (disk_calls in Makefile.am), so that those of the code under test come here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_event;

struct disk_log {
	struct disk_event *events;
	size_t n;
	size_t durable;		/* events that make what was there before */
	unsigned files;		/* that were ever there */
};
void disk_log_done(struct disk_log *l);

/* What is below the folder (two levels) is taken for durable; all that is done to it from now on is recorded. */
void disk_record(const char *top);
struct disk_log disk_record_end(void);
size_t disk_recorded(void);	/* how many events by now */
/* Notes that something was promised: see disk_marked(). */
void disk_mark(uint64_t mark);
/* The largest mark among the first n events; 0: none. */
uint64_t disk_marked(const struct disk_log *l, size_t n);
/* The n-th recorded call from now on fails with this errno, and a write has written half of its bytes; always: so do all after it, and write
 * nothing. */
void disk_fail(unsigned n, int error, bool always);
void disk_fail_no_more(void);
/* Of the calls that were counted since disk_fail(), whether that one came. */
bool disk_failed(void);

/* Builds in the folder each state that the first n events may have left, and calls for each; returns how many. Only those that have not been
 * met with fewer events. */
size_t disk_states(const struct disk_log *l, size_t n, const char *folder, void (*look)(void *userdata), void *userdata);
/* Whether anything was done since disk_record(). */
bool disk_is_changed(const struct disk_log *l);
/* Whether those events leave anything to chance. */
bool disk_is_open(const struct disk_log *l, size_t n);
/* What the last of them is, for messages. Caller frees. */
char *disk_event_text(const struct disk_log *l, size_t n);

#endif
