/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_KFS_H
#define CFG_KFS_H

/*
 * The one seam to the kernel. Everything that touches configfs, block devices, modules or addresses on
 * behalf of the model goes through a struct kfs; there are two: the running kernel (kfs-kernel.c) and
 * the fake kernel of the tests (kfs-fake.c, a client of the process in tests/fake-kernel/).
 *
 * Paths are relative to the two roots and begin with the root's name: "nvmet/subsystems/NQN/attr_model",
 * "target/core/…". A component is never empty, "." or "..", and no component of a path is followed if
 * it is a symbolic link: such a path is refused with ELOOP or EINVAL before the kernel sees it.
 *
 * Every call here may block for ever (a hung device). They are made in worker processes only.
 *
 * Each returns 0 or -errno as the kernel gave it; kfs explains nothing. What an errno means for which
 * file is kernel/explain.c's business.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define KFS_VALUE_MAX 4095	/* one write(2) to configfs; longer values are refused with E2BIG */

enum kfs_entry_type {
	KFS_DIR = 'd',
	KFS_ATTR = 'f',
	KFS_LINK = 'l',
};

struct kfs_entry {
	char *name;
	char type;		/* enum kfs_entry_type */
};

struct kfs_list {
	struct kfs_entry *entries;	/* in the kernel's order */
	size_t n;
};

/* What is known of a backing device or file before the kernel opens it as nvmet would. */
struct kfs_probe {
	uint64_t size;			/* bytes; 0 of a controller */
	uint32_t logical_block_size;	/* bytes; of a file: min(st_blksize, 4096), 0 if nvmet would find none */
	uint32_t major, minor;		/* of a device; 0:0 for a file */
	char type;			/* 'b' block device, 'f' regular file, 'n' NVMe controller */
	char holder[256];		/* who has it, or of a controller one of its disks, open exclusively or mounted, or "" */
};

enum kfs_probe_flags {
	KFS_PROBE_DIRECT = 1 << 0,	/* open with O_DIRECT (a file with buffered_io=0) */
	KFS_PROBE_EXCL = 1 << 1,	/* also look whether someone holds or has mounted it (O_EXCL) */
	KFS_PROBE_CONTROLLER = 1 << 2,	/* it is to be the character device of an NVMe controller; ENOTTY when it is something else */
};

struct kfs;

struct kfs_ops {
	int (*mkdir)(struct kfs *k, const char *path);
	int (*rmdir)(struct kfs *k, const char *path);
	/* One write(2) of exactly len bytes; any positive return of the kernel is success. len 0 is
	 * refused with EINVAL (kernel-side it would be EFAULT). */
	int (*write)(struct kfs *k, const char *path, const void *value, size_t len);
	/* A fresh open each time. *ret is NUL-terminated, as the kernel printed it, *ret_len its length. */
	int (*read)(struct kfs *k, const char *path, char **ret, size_t *ret_len);
	int (*list)(struct kfs *k, const char *path, struct kfs_list *ret);
	/* Makes the link at path point to the directory target (also a kfs path). */
	int (*link)(struct kfs *k, const char *path, const char *target);
	int (*unlink)(struct kfs *k, const char *path);
	/* The kfs path of what the link at path points to. */
	int (*readlink)(struct kfs *k, const char *path, char **ret_target);
	/* Makes an attribute readable by root alone; no path below may be a directory. */
	int (*hide)(struct kfs *k, const char *path);
	/* Opens the device or file at the absolute path dev the way nvmet would, and closes it. */
	int (*probe)(struct kfs *k, const char *dev, unsigned flags, struct kfs_probe *ret);
	/* Makes a regular file (0600) of size bytes at the absolute path; EEXIST if there is something. */
	int (*create_file)(struct kfs *k, const char *file, uint64_t size);
	/* Grows it to size; EINVAL if it is larger than that already. */
	int (*grow_file)(struct kfs *k, const char *file, uint64_t size);
	/* Takes away a file that create_file made (rollback only). */
	int (*remove_file)(struct kfs *k, const char *file);
	/* Loads a module and what it needs; 0 when it is loaded or built in, ENOENT when there is none, ENOEXEC when it has an install rule
	 * in modprobe.d, which failed. */
	int (*load_module)(struct kfs *k, const char *name);
	/* What the kernel has beside its two trees: "tcm_loop/can_queue" (a module's parameter, there while it is loaded), "rcu_expedited".
	 * EINVAL for any other name. */
	int (*tune)(struct kfs *k, const char *name, const char *value);
	int (*tuned)(struct kfs *k, const char *name, char **ret);	/* without newline */
	/* Whether load_module would find it: 1 or 0. */
	int (*has_module)(struct kfs *k, const char *name);
	/* Whether the running kernel was built with the Kconfig option (its name without "CONFIG_"): 1 or 0; -ENODATA when nothing
	 * tells. */
	int (*has_option)(struct kfs *k, const char *option);
	/* Whether an interface of the machine has the IP address, or it stands for all of them: 1 or 0. */
	int (*has_address)(struct kfs *k, const char *address);
	/* The disk of a LUN of a loopback target, whose tpgt folder has that kfs path: "/dev/sdX". ENOENT while it or its node in /dev
	 * is not there. */
	int (*disk)(struct kfs *k, const char *tpgt, unsigned lun, char **ret);
	/* The same of a LUN that is linked, as soon as it is there and opens. ENXIO: what is behind the LUN did not say that it is a SCSI
	 * device, and none will come. ECANCELED when stop (-1: nothing) hangs up before that. */
	int (*wait_disk)(struct kfs *k, const char *tpgt, unsigned lun, int stop, char **ret);
	/* Makes that disk look at its size again. */
	int (*rescan)(struct kfs *k, const char *tpgt, unsigned lun);
	/* Host, channel, target and LUN of the SCSI device at the absolute path dev; ENODEV when it is none. */
	int (*hctl)(struct kfs *k, const char *dev, unsigned ret[4]);
	/* A file below the folder that target/dbroot names; file is relative, and no link on its way is followed. */
	int (*dbroot_read)(struct kfs *k, const char *file, char **ret, size_t *ret_len);
	/* Makes that folder ("") or one in it, 0700; EEXIST. */
	int (*dbroot_mkdir)(struct kfs *k, const char *folder);
	/* The running kernel's release ("6.12.117+deb12-amd64"). */
	int (*release)(struct kfs *k, char **ret);
	void (*free)(struct kfs *k);
};

struct kfs {
	const struct kfs_ops *ops;
};

/* The running kernel; root is where configfs is mounted ("/sys/kernel/config"). Does not check that
 * it is mounted: the first call does. */
int kfs_kernel_new(const char *root, struct kfs **ret);

/* A client of the fake kernel that listens at the socket path. */
int kfs_fake_new(const char *socket_path, struct kfs **ret);

/* "configfs", "configfs:/some/root" or "fake:/path/of/socket". -EINVAL for anything else. */
int kfs_new(const char *spec, struct kfs **ret);

static inline void kfs_free(struct kfs *k)
{
	if (k)
		k->ops->free(k);
}
CFG_DEFINE_CLEANUP(struct kfs *, kfs_free);

void kfs_list_done(struct kfs_list *l);
int kfs_list_add(struct kfs_list *l, const char *name, char type);	/* copies name */

/* True when path is one that the seam accepts: begins with "nvmet/" or "target/" (or is one of the
 * two), no empty, "." or ".." component, no component over 255 bytes, no control characters. */
int kfs_path_ok(const char *path);

/* True when a path below dbroot is one: relative, components as above; "" is the folder itself. */
int kfs_dbroot_path_ok(const char *path);

#endif
