/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_OP_H
#define CFG_OP_H

/*
 * An operation is plain data: it is printed in a plan, sent to a worker, executed there, and nothing is decided on the
 * way. This is the closed list of what a worker does.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum op_verb {
	/* configfs; path is a kfs path */
	OP_MKDIR,
	OP_RMDIR,
	OP_WRITE,		/* value: what is written, without newline */
	OP_WRITE_SECRET,	/* value: reference; the worker reads the secret itself and hides the file first. "" clears */
	OP_LINK,		/* value: target, a kfs path */
	OP_UNLINK,
	/* the rest of the system; path is absolute */
	OP_LOAD_MODULE,		/* path: name of the module */
	OP_TUNE,		/* path: a name of kfs's tune, value: what it is set to. OP_MAY_BE_ABSENT */
	OP_PROBE,		/* opens the device or file as the kernel will; result: see probe text in op.c */
	OP_CREATE_FILE,		/* value: bytes; what exists is left alone. result: "created" or "existed" */
	OP_GROW_FILE,		/* value: bytes */
	OP_REMOVE_FILE,
	OP_CHECK_MOVING,	/* EBUSY when the device has I/O in flight that stands still */
	/* reading */
	OP_SCAN,		/* kfs path of a folder; result: scan text. OP_RECURSIVE */
	OP_READLINK,		/* kfs path of a link; result: its target as kfs path */
	OP_IN_USE,		/* value: "TRTYPE ADRFAM TRADDR TRSVCID" of a port; result: a cookie a line */
	OP_WAIT_CHANGE,		/* value: kfs paths of folders, one a line; returns when something is made, removed or written in one of
				 * them (inotify), or at once if one is absent. Never counts as stuck. */
	OP_SYSTEM,		/* result: "key value" lines: release, whether configfs is mounted, nvmet and target there, cpus */
	OP_HAS_MODULE,		/* path: name of a module; result: "yes" or "no" */
	OP_HAS_ADDRESS,		/* value: an IP address; result: "yes" or "no" */
	OP_HAS_OPTION,		/* path: Kconfig option without "CONFIG_"; result: "yes", "no" or "unknown" */
	/* the daemon's own files, below the folders of state only */
	OP_FILE_REPLACE,	/* value: content; 0600 */
	OP_FILE_APPEND,		/* value: content; durable when it returns */
	OP_FILE_CUT,		/* value: bytes; what stands behind them goes. Durable with the next OP_FILE_APPEND */
	OP_FILE_REMOVE,
	OP_FILE_READ,		/* result: content (at most 64 MiB); only below the folders of state and generations */
	OP_STORE_SECRET,	/* path: name below the folder of secrets; value: the secret (never printed) */
	OP_EXPEDITE,		/* path: "rcu_expedited"; value: "1": from now on; "0": no longer, if it was by this (also by an earlier daemon) */
	OP_KEEP_SECRET,		/* path: the same; value: kfs path of an attribute, whose secret is stored and hidden */
	/* Disks that a loopback target makes of its LUNs; path: kfs path of its tpgt folder, value: number of the LUN */
	OP_FIND_DISK,		/* result: "/dev/sdX"; ENOENT when there is none */
	OP_WAIT_DISK,		/* waits until disk and node are there; result: "/dev/sdX" */
	OP_RESCAN_DISK,		/* the disk looks at its size again */
	OP_WRITE_DISK,		/* path: a namespace's device_path, value: kfs path of a tpgt folder; writes the path of the disk of its LUN 0 */
	/* target/core */
	OP_WRITE_FILE_SIZE,	/* path: target/core/fileio_N/NAME, value: path of a file; writes how large that is */
	OP_WRITE_BLOCK_SIZE,	/* the same; writes the block size that nvmet would give the file */
	OP_EXPECT,		/* path: an attribute, value: a text that must stand in it; EBADMSG */
	OP_WRITE_HCTL,		/* path: target/core/pscsi_N/NAME, value: path of a device; writes it, and its SCSI address from sysfs */
	OP_MAKE_DBROOT,		/* the folder that target/dbroot names, and "pr" and "alua" in it */
	OP_RESTORE_REGISTRATIONS, /* path: target/core/HBA/NAME, value: its unit serial; what <dbroot>/pr/aptpl_SERIAL holds. Result: how many */
	OP_CHECK_REGISTRATIONS,	/* value: the same, and, a line each, model paths of portal groups that let in nobody without an ACL and of all
				 * mapped LUNs that they are meant to have; EUNATCH unless what was restored, and the reservation, is in
				 * force, was once, or is that of a mapped LUN which such a group is not meant to have */
	OP_SCAN_SOME,		/* as OP_SCAN, but of its attributes only those in value, with blanks between them; not recursive */
	OP_VERB_MAX
};

enum op_flags {
	OP_NEWLINE = 1 << 0,		/* OP_WRITE: add one */
	OP_RECURSIVE = 1 << 1,
	OP_MAY_BE_ABSENT = 1 << 2,	/* ENOENT is success (remove, unlink, scan; disable before a removal) */
	OP_MAY_EXIST = 1 << 3,		/* EEXIST is success (mkdir of what a crash left) */
	OP_EXCLUSIVE = 1 << 4,		/* OP_PROBE: refuse a device that is held or mounted */
	OP_DIRECT = 1 << 5,		/* OP_PROBE: with O_DIRECT */
	OP_WANT_BLOCK = 1 << 6,		/* OP_PROBE: must be a block device */
	OP_WANT_FILE = 1 << 7,		/* OP_PROBE: must be a regular file */
	OP_WANT_CONTROLLER = 1 << 10,	/* OP_PROBE: must be an NVMe controller's character device */
	OP_WITH_FOLDER = 1 << 11,	/* OP_MKDIR: the folder that it stands in goes with the last one there: make it again when it has gone */
	OP_MAY_BE_FULL = 1 << 9,	/* OP_RMDIR: ENOTEMPTY is success */
	OP_CHECK_BACK = 1 << 8,		/* OP_WRITE: read back and compare (enable under passthru "succeeds" without effect) */
};

struct op {
	enum op_verb verb;
	unsigned flags;
	char *path;
	char *value;		/* NULL when the verb has none */
	char *object;		/* model path of what it is for; for messages */
	char *attr;		/* attribute, or NULL */
};

struct oplist {
	struct op *items;
	size_t n, size;
};

/* Copies its strings. -ENOMEM. */
int oplist_add(struct oplist *l, enum op_verb verb, unsigned flags, const char *path, const char *value,
	       const char *object, const char *attr);
/* The same, but value is taken over, also when it fails: it may be large. Not NULL. */
int oplist_add_taking(struct oplist *l, enum op_verb verb, unsigned flags, const char *path, char *value);
void oplist_done(struct oplist *l);
#define _cleanup_oplist_ _cleanup_(oplist_done)

/* Walks scan text. Starts with *at at its beginning; 1 and the entry (strings borrowed, the text is cut up), 0 at the end,
 * -EINVAL when damaged. */
struct scan_entry {
	char type;		/* 'd', 'f', 'x', 's', 'l' */
	const char *path;	/* relative; "" is the folder itself */
	const char *value;	/* of 'f', 's'; target of 'l' */
};
int scan_next(char **at, struct scan_entry *ret);
/* Appends an entry. value is NULL where the type has none. */
void scan_add(struct strbuf *b, char type, const char *path, const char *value);

const char *op_verb_to_str(enum op_verb v);
/* "mkdir nvmet/subsystems/x", "write nvmet/…/enable = 1"; never a secret. Caller frees. */
char *op_text(const struct op *op);

/*
 * Scan text: what OP_SCAN returns, one line an entry, in the kernel's order, paths relative to the scanned folder:
 *	"d REL\n"		a folder
 *	"f REL LEN\nBYTES\n"	an attribute, its value as read (LEN bytes, may hold newlines, no NUL), then a newline
 *	"x REL\n"		an attribute that cannot be read (write-only)
 *	"s REL set|unset\n"	a secret: whether it holds anything; never its value
 *	"l REL TARGET\n"	a link, target as kfs path
 * In REL and TARGET blanks, control characters and '\' are written as '\' and three octal digits.
 */

#endif
