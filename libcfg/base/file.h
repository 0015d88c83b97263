/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_FILE_H
#define CFG_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads a regular file whole. *ret is NUL-terminated (the NUL not counted), caller
 * frees. More than max bytes is EFBIG, a folder or device EINVAL; both before anything is allocated for it.
 * May block on disk. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct cfg_error *err);
/* The same from whatever is open, up to its end; path is what it is called. */
int file_read_fd(int fd, const char *path, size_t max, char **ret, size_t *ret_len, struct cfg_error *err);

/* Replaces path so that after a crash either the old or the new content is there: write to a temporary name
 * beside it, fsync, rename, fsync of the folder. May block on disk. The folder must exist. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct cfg_error *err);

/* Removes what a file_replace() that was killed, or lost its power, has left in the folder under its temporary name. One that is still at
 * work there fails. */
void file_remove_unfinished(const char *folder);

/* Appends and makes durable (fdatasync). Creates with mode when absent. When it fails the file is cut back to where it was, durably. */
int file_append(const char *path, const void *data, size_t len, mode_t mode, struct cfg_error *err);

/* Makes durable what is in the file and that it is there under this name, whoever wrote it. May block on disk. */
int file_sync(const char *path, struct cfg_error *err);

/* mkdir -p with mode for what is made, which is durable. 0 also when it is there. */
int file_make_dirs(const char *path, mode_t mode, struct cfg_error *err);

#endif
