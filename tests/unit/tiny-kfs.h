/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TINY_KFS_H
#define TESTS_TINY_KFS_H

/* A kernel of a few lines behind the seam, for what a worker asks of one: files with values, folders and links, no rules. Every call is written
 * down, and can be made to fail. */

#include "base/text.h"
#include "kernel/kfs.h"

struct tiny_kfs {
	struct kfs kfs;
	struct tiny_entry {
		char *path;
		char type;		/* enum kfs_entry_type */
		char *value;		/* or target */
		int error;		/* of everything that is done to it; 0: none */
	} entries[64];
	size_t n;
	struct strbuf calls;		/* "mkdir PATH\n", "write PATH=VALUE\n" … */
	struct kfs_probe probe;
	int probe_error;
	int file_error, write_error;
	const char *keeps;		/* what the next write leaves behind instead of the value */
	const char *disk;		/* of every loopback LUN; NULL: none */
	const char *dbroot_file;	/* what every file below dbroot holds; NULL: there is none */
	void (*before_call)(struct tiny_kfs *k, const char *call);
};

void tiny_init(struct tiny_kfs *k);
void tiny_done(struct tiny_kfs *k);
struct tiny_entry *tiny_put(struct tiny_kfs *k, char type, const char *path, const char *value);
struct tiny_entry *tiny_find(struct tiny_kfs *k, const char *path);

#endif
