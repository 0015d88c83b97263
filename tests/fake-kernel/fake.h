/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_KERNEL_FAKE_H
#define FAKE_KERNEL_FAKE_H

/*
 * The fake kernel: a process that answers what libcfg/kernel/kfs-fake.c asks as a kernel with an NVMe and a SCSI target would.
 *
 *	configfs.c	the tree, and what configfs itself allows
 *	nvmet.c		which objects there are, how they are made, linked and released
 *	nvmet-attr.c	what attributes take, show and change
 *	lio*.c		the same of the SCSI target, see lio.h
 *	machine.c	what else the machine has: devices, files, addresses, modules
 *	hosts.c		hosts that look at what is exported
 *	calls.c		calls of clients: their numbers, order, faults
 *	locks.c		what waits behind a call that hangs
 *	control.c	what tests tell the fake kernel to do
 *	main.c		options, the loop; the client of control.c
 *
 * Which attributes the NVMe target has, since when and behind which option comes from the rows of libcfg/model. All functions that
 * are calls of the kernel return 0 or -errno as the kernel does. Running out of memory ends the process: it has no callers
 * that could do anything about it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/text.h"
#include "kernel/kfs.h"
#include "model/attr.h"

struct fake;
struct node;
struct lio_file;

/* What a tree does where configfs asks it. */
struct driver {
	int (*make)(struct fake *f, struct node *folder, const char *name);
	void (*release)(struct fake *f, struct node *item);	/* it is about to go */
	int (*store)(struct fake *f, struct node *attr, const char *page, size_t len);
	int (*show)(struct fake *f, struct node *attr, struct strbuf *ret);
	int (*allow_link)(struct fake *f, struct node *folder, struct node *target);
	/* The link is gone from the folder already. */
	void (*drop_link)(struct fake *f, struct node *folder, struct node *target);
};

struct node {
	const struct driver *driver;	/* as its parent's */
	struct node *parent;
	struct node *first, *next;	/* children, in the order in which they were made */
	char *name;
	enum kfs_entry_type type;
	/* folders */
	bool permanent;			/* goes with the item that it belongs to, not by rmdir */
	int kind;			/* of the item that the folder is, KIND_MAX if none; of an attribute, its item's; or enum lio_kind */
	int makes;			/* what mkdir makes here; KIND_MAX: nothing */
	bool takes_links;
	size_t linked;			/* links that lead here */
	bool asked;			/* attribute: was written, what it shows is not the kernel's own choice */
	bool identified;		/* subsystem: a host has seen its identity, which is fixed from then on */
	unsigned leaked;		/* namespace: references that nobody will give back (kernel-abi 2.5) */
	uint32_t *zombies;		/* subsystem: nsids that are still exported although their namespace is gone */
	size_t n_zombies;
	/* attributes of the NVMe target */
	const struct attr_row *row;
	/* the SCSI target's */
	const struct lio_file *file;	/* of attributes */
	unsigned only;			/* type of storage object or fabric that the item belongs to, ON_* */
	struct node *group;		/* storage object: its group of logical units; LUN: its group of target ports */
	void *state;			/* what else the item is */
	void (*forget)(void *state);
	/* attributes */
	unsigned mode;
	char *value;			/* what it shows, without the newline */
	/* links */
	struct node *target;
};

struct controller {
	struct node *port, *subsystem;
	char *host;
};

struct fake {
	unsigned major, minor;
	char *release;			/* as uname -r has it */
	char **without;			/* Kconfig options that it was built without, beside those that Debian's are without */
	struct node *nvmet, *target;	/* NULL until the module is loaded */
	struct map *backing;		/* path -> struct backing */
	char **addresses, **listeners;	/* of the machine; "ADDRESS PORT" where something listens */
	char **modules;			/* loaded ones */
	struct map *tunables;		/* name -> value, of those that were set */
	char **hardware;		/* "FABRIC WWN": ports; "FABRIC": what its module looks for */
	struct map *kept;		/* "FABRIC/FILE" -> what a module keeps while its folder is not there */
	uint64_t hbas, lu_groups, relative_ports;	/* counters of numbers that the SCSI target gives */
	struct controller *controllers;
	size_t n_controllers;
	uint64_t random;
};

/* ---- main.c ---- */

void *must(void *p);			/* p, unless memory has run out */
char *fmt(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t fake_random(uint64_t *state);
bool fake_since(const struct fake *f, const char *release);	/* NULL: always */
bool fake_has(const struct fake *f, const char *option);	/* NULL: always */

/* ---- configfs.c ---- */

int fs_find(struct fake *f, const char *path, struct node **ret);
int fs_mkdir(struct fake *f, const char *path);
int fs_rmdir(struct fake *f, const char *path);
int fs_write(struct fake *f, const char *path, const char *value, size_t len);
int fs_read(struct fake *f, const char *path, struct strbuf *ret);
int fs_list(struct fake *f, const char *path, struct strbuf *ret);
int fs_link(struct fake *f, const char *path, const char *target);
int fs_unlink(struct fake *f, const char *path);
int fs_readlink(struct fake *f, const char *path, struct strbuf *ret);
int fs_hide(struct fake *f, const char *path);
/* All of the trees, sorted, a line each: "d PATH", "f PATH = TEXT" ("f PATH (0600) = TEXT" once its mode was changed, "f PATH : ERRNO" when
 * it cannot be read), "l PATH -> TARGET". */
void fs_dump(struct fake *f, struct strbuf *ret);

void fs_free(struct fake *f);

struct node *node_new(struct node *parent, const char *name, enum kfs_entry_type type);
struct node *node_folder(struct node *parent, const char *name);	/* that goes with the item; there may be one already */
struct node *node_next(const struct node *root, const struct node *n);	/* all below root, one after the other; NULL at the end */
void node_free(struct node *n);		/* takes it out of its parent, too */
struct node *node_child(const struct node *folder, const char *name);
char *node_path(const struct node *n);
/* The item that a folder or attribute belongs to. */
struct node *node_item(const struct node *n);
/* The attribute's node, NULL when this kernel has none; file as in rows ("passthru/enable"). */
struct node *node_attr(const struct node *item, const char *file);
const char *node_text(const struct node *item, const char *file);	/* "" when there is none */
void node_set(struct node *attr, const char *text);

/* ---- nvmet.c ---- */

void nvmet_load(struct fake *f);

bool nvmet_port_enabled(const struct node *port);	/* or referral */
bool nvmet_namespace_enabled(const struct node *ns);

/* ---- nvmet-attr.c ---- */

char *nvmet_initial(struct fake *f, enum kind kind, const char *item, const struct attr_row *row);
int nvmet_store(struct fake *f, struct node *attr, const char *page, size_t len);
/* The attributes that enabling a port settles. */
int nvmet_enable_port(struct fake *f, struct node *port);

/* The kernel's own readings of numbers: lib/kstrtox.c. */
int kernel_u64(const char *s, uint64_t max, uint64_t *ret);
int kernel_int(const char *s, int64_t *ret);
int kernel_bool(const struct fake *f, const char *s, bool *ret);

/* ---- lio.c ---- */

void lio_load(struct fake *f);
/* The disk that a LUN of a loopback target is, "/dev/sdX", or NULL. */
const char *lio_disk(struct fake *f, const char *tpg, const char *lun);
int lio_rescan(struct fake *f, const char *tpg, const char *lun);
/* Which storage object has a device, as a probe tells it. */
void lio_holder(struct fake *f, const char *dev, struct strbuf *ret);
/* Files below dbroot. */
int lio_dbroot_read(struct fake *f, const char *path, struct strbuf *ret);
int lio_dbroot_mkdir(struct fake *f, const char *path);
/* An initiator registers KEY at a mapped LUN: words "type=N", "aptpl". */
int lio_register(struct fake *f, const char *mapped_lun, const char *key, char *const *words);

/* ---- machine.c ---- */

struct backing {
	char type;		/* 'b' block device, 'f' file, 'c' character device, 'n' NVMe controller, 'd' folder */
	uint64_t size;
	uint32_t block_size, minor;
	bool read_only;
	bool no_direct;		/* a file whose file system has no direct I/O */
	bool claimed;		/* by a storage object */
	char hctl[32];		/* address of a SCSI disk */
	char *content;		/* of a file, where it matters */
	char holder[128];
};

void machine_init(struct fake *f);
void machine_done(struct fake *f);
struct backing *machine_find(struct fake *f, const char *path);
struct backing *machine_put(struct fake *f, const char *path, char type, uint64_t size);
bool machine_is_folder(struct fake *f, const char *path);
/* KEY=VALUE words: size, block, type, ro, nodirect, holder, hctl. */
int machine_add(struct fake *f, const char *path, char *const *words);
int machine_remove(struct fake *f, const char *path);
int machine_probe(struct fake *f, const char *path, unsigned flags, struct strbuf *ret);
int machine_create_file(struct fake *f, const char *path, uint64_t size);
int machine_grow_file(struct fake *f, const char *path, uint64_t size);
int machine_remove_file(struct fake *f, const char *path);
int machine_load_module(struct fake *f, const char *name);
/* "MODULE/PARAMETER" once its module is loaded, and "rcu_expedited". Nothing here depends on them. */
int machine_tune(struct fake *f, const char *name, const char *value);
int machine_tuned(struct fake *f, const char *name, struct strbuf *ret);
bool machine_has_address(const struct fake *f, const char *address);	/* its own, lo's, or any */
int machine_has_module(struct fake *f, const char *name);	/* 0 or -ENOENT */
/* As nvmet opens it; for a namespace and for passthrough. */
int machine_hctl(struct fake *f, const char *path, struct strbuf *ret);
int machine_open(struct fake *f, const char *path, bool buffered);
int machine_open_controller(struct fake *f, const char *path);
/* Where trtype is "iscsi", the address need not be the machine's. */
int machine_listen(struct fake *f, const char *trtype, int family, const char *address, uint16_t port);
void machine_unlisten(struct fake *f, const char *address, const char *port);

/* ---- hosts.c ---- */

int hosts_connect(struct fake *f, const char *port, const char *subsystem, const char *host);
int hosts_disconnect(struct fake *f, const char *subsystem);
int hosts_identify(struct fake *f, const char *subsystem);
int hosts_command(struct fake *f, const char *subsystem, uint32_t nsid);
void hosts_list(const struct fake *f, struct strbuf *ret);
/* Ends controllers; a NULL is any. */
void hosts_drop(struct fake *f, const struct node *port, const struct node *subsystem);

/* ---- locks.c ---- */

struct lock {
	char kind;	/* 'd' a folder, 'i' an item whose attributes are at work, 'c' nvmet's configuration, 's' a subsystem */
	char *name;
	bool exclusive;
	bool kept;	/* while the call hangs */
};

/* In the order in which they are taken. */
struct locks {
	struct lock items[6];
	size_t n;
};

void locks_of(char verb, const char *path, const char *value, struct locks *ret);
void locks_done(struct locks *l);
bool lock_excludes(const struct lock *a, const struct lock *b);

/* ---- calls.c ---- */

struct call;
struct session;

struct counts {
	unsigned long calls, changes, writes;
};

void calls_init(struct fake *f, uint64_t seed, int log);
void calls_done(void);
struct counts calls_counts(void);
/* A packet from a client: takes the message, and answers when its time has come. */
void calls_take(struct session *s, pid_t pid, const char *packet, size_t len);
void calls_session_ended(struct session *s);
/* Milliseconds until something is to be done, -1: nothing; and does what is due. */
int calls_timeout(void);
void calls_run(void);
int calls_arm(char *const *words, struct strbuf *ret);
void calls_disarm(void);
void calls_list_faults(struct strbuf *ret);
void calls_list_hung(struct strbuf *ret);
size_t calls_hung(void);
/* Which: a call's number, or "all". With code the calls fail instead of being done. 0, -ENOENT. */
int calls_release(const char *which, int code);

/* ---- control.c ---- */

/* Answers at once, or later if it waits for something. */
void control_run(struct fake *f, struct session *s, const char *command, const char *arguments);
void control_session_ended(struct session *s);
/* Something has changed that a command may wait for. */
void control_check(void);

/* ---- main.c ---- */

void session_answer(struct session *s, int error, const char *data, size_t len);
int errno_from_name(const char *name);		/* "EIO" -> 5; -EINVAL */
const char *errno_name(int code);		/* "EIO" or a number's text, for positive codes */

#endif
