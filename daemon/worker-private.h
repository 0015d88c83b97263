/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_WORKER_PRIVATE_H
#define NVMETD_WORKER_PRIVATE_H

/* What the files that together are the worker share. Nothing else includes this. */

#include "daemon/worker.h"

/* Fills *message and returns -code. */
int worker_say(char **message, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Each does one operation that worker_check() has let through: 0 or -errno, with *data or *message where there is something to say. */
typedef int op_fn(struct worker *w, const struct op *op, char **data, char **message);

/* worker-kernel.c */
op_fn worker_mkdir, worker_rmdir, worker_write, worker_link, worker_unlink, worker_readlink, worker_scan, worker_scan_some, worker_expect;
/* worker-secret.c: whether what a file of secrets reads is one, and not the kernel's word for none. */
bool worker_holds_secret(const char *path, const char *text);

/* worker-scsi.c */
op_fn worker_find_disk, worker_wait_disk, worker_rescan_disk, worker_write_disk, worker_write_hctl, worker_make_dbroot;
op_fn worker_write_file_size, worker_write_block_size, worker_restore_registrations, worker_check_registrations;
/* worker-secret.c */
op_fn worker_write_secret, worker_store_secret, worker_keep_secret;
/* worker-device.c */
op_fn worker_probe, worker_create_file, worker_grow_file, worker_remove_file, worker_check_moving;
/* worker-system.c */
op_fn worker_load_module, worker_tune, worker_expedite, worker_system, worker_in_use, worker_wait_change;
op_fn worker_has_module, worker_has_option, worker_has_address;
/* Where the running kernel's configfs is mounted; NULL behind another kernel. */
const char *worker_configfs_root(const struct worker *w);
op_fn worker_file_replace, worker_file_append, worker_file_cut, worker_file_remove, worker_file_read;
/* worker.c */
/* Who waits by himself, for a time that he knows, is not stuck. */
void worker_goes_on(struct worker *w);
/* worker-teardown.c */
/* Before a port is removed: -EBUSY when that would hang. */
int worker_await_teardowns(struct worker *w, char **message);

#endif
