/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_KERNEL_LIO_H
#define FAKE_KERNEL_LIO_H

/*
 * The SCSI target of the fake kernel (kernel-abi 3 to 10; drivers/target):
 *
 *	lio.c		items from the tables, what all attributes share
 *	lio-core.c	the root, HBAs, storage objects: their keys, what enabling does
 *	lio-attr.c	attributes and identity of storage objects
 *	lio-alua.c	groups of logical units and of target ports
 *	lio-pr.c	reservations: registrations, what is restored, the file that is kept
 *	lio-fabric.c	targets, portal groups, LUNs, ACLs, mapped LUNs of all fabrics
 *	lio-iscsi.c	iSCSI: portals, keys of negotiation, secrets
 *	lio-loop.c	nexus; the disks of loopback targets
 *
 * Each of them has a table with a row for each file that its items have.
 */

#include <errno.h>

#include "tests/fake-kernel/fake.h"

/* Kinds of items, beside those of the model. */
enum lio_kind {
	LIO_ROOT = KIND_MAX + 1,
	LIO_HBA,
	LIO_STORAGE,	/* storage object */
	LIO_LU_GROUP,	/* of logical units */
	LIO_PORT_GROUP,	/* of target ports */
	LIO_FABRIC,
	LIO_TARGET,
	LIO_TPG,
	LIO_LUN,
	LIO_PORTAL,
	LIO_ACL,
	LIO_MAPPED_LUN,
	LIO_STATISTICS,	/* nothing, for which there is a folder to make it in */
};

/* Types of storage objects, and fabrics. */
enum lio_only {
	ON_BLOCK = 1 << 0,
	ON_FILE = 1 << 1,
	ON_RAMDISK = 1 << 2,
	ON_SCSI = 1 << 3,
	ON_USER = 1 << 4,

	ON_ISCSI = 1 << 8,
	ON_LOOPBACK = 1 << 9,
	ON_VHOST = 1 << 10,
	ON_XEN = 1 << 11,
	ON_QLA2XXX = 1 << 12,
	ON_SRPT = 1 << 13,
	ON_FC = 1 << 14,
	ON_SBP = 1 << 15,
};

enum lio_flags {
	LIO_WRITE_ONLY = 1 << 0,
	LIO_EXPORTED = 1 << 1,	/* EINVAL while a LUN leads to the storage object */
	LIO_KEPT = 1 << 2,	/* the module has it, whether its folder is there or not */
	LIO_RAW = 1 << 3,	/* shown without a newline behind it */
};

struct lio_file {
	int kind;
	unsigned only;		/* ON_* of the model; 0: all */
	const char *file;	/* below the item's folder */
	const char *text;	/* what it shows at first; NULL: not even a newline */
	/* NULL: it cannot be written. page has no NUL in it but the one behind. */
	int (*store)(struct fake *f, struct node *attr, const char *page);
	/* NULL: the text and a newline */
	int (*show)(struct fake *f, struct node *attr, struct strbuf *ret);
	int64_t min, max;	/* for lio_store_number */
	const char *since, *until;	/* the first kernel that has it, the first that no longer has */
	unsigned flags;
};

struct lio_table {
	const struct lio_file *files;
	size_t n;
};

/* A registration of an initiator, or one that waits for its mapped LUN. */
struct registration {
	char *fabric, *initiator, *isid, *target;
	uint64_t key, mapped_lun, target_lun, tpgt, rtpi;
	unsigned type;		/* of its reservation, if it is the holder */
	uint32_t generation;
	bool holder, all_ports;
	bool waits;
};

/* Of a storage object. */
struct device {
	bool enabled;
	char *path;		/* its key: of a file, a device, or what user space is told */
	uint64_t size, pages;
	bool read_only, buffered, async, nullio, dummy;
	unsigned tables;	/* of a ramdisk's memory */
	int64_t scsi[4];	/* host, channel, target, LUN; -1: not given */
	char *claims;		/* block device */
	uint64_t groups;	/* counter of the numbers of its groups of target ports */
	struct registration *registrations;
	size_t n_registrations;
	uint32_t generation;
	bool aptpl;
};

/* ---- lio.c ---- */

struct node *lio_item(struct fake *f, struct node *parent, const char *name, int kind);
struct node *lio_up(const struct node *n, int kind);	/* the item of the kind that n is or belongs to */
struct device *lio_device(const struct node *n);	/* of the storage object that n belongs to */
/* What a LUN or mapped LUN leads to, NULL if nothing. */
struct node *lio_leads_to(const struct node *lun);
bool lio_exported(struct fake *f, const struct node *storage);	/* a LUN leads to it */
int lio_parse_number(const char *name, const char *prefix, uint64_t max, uint64_t *ret);	/* "lun_12" */
char *lio_strip(const char *page);	/* without blanks at both ends */
char *lio_line(const char *page);	/* up to the newline */

int lio_store_bool(struct fake *f, struct node *attr, const char *page);
int lio_store_number(struct fake *f, struct node *attr, const char *page);	/* from min to max, else EINVAL */
int lio_store_line(struct fake *f, struct node *attr, const char *page);
void lio_set_number(struct node *attr, int64_t n);
bool lio_is_on(const struct node *item, const char *file);	/* it shows 1 */

/* ---- the others ---- */

extern const struct lio_table lio_core_table, lio_attr_table, lio_alua_table, lio_pr_table, lio_fabric_table, lio_iscsi_table,
	lio_loop_table;

void lio_core_init(struct fake *f);
int lio_make_hba(struct fake *f, struct node *folder, const char *name);
int lio_make_storage(struct fake *f, struct node *folder, const char *name);
void lio_release_storage(struct fake *f, struct node *storage);
unsigned lio_plugin_only(const char *plugin, size_t len);
uint64_t lio_size(struct fake *f, const struct node *storage);

/* What enabling a device settles. */
void lio_settle_attributes(struct fake *f, struct node *storage);

struct node *lio_default_group(struct fake *f, const struct node *storage);	/* of target ports; NULL: of logical units */
void lio_release_group(struct fake *f, struct node *group);

/* A mapped LUN is there, or going. */
void lio_activate_registrations(struct fake *f, const struct node *mapped_lun, const struct node *lun);
void lio_drop_registrations(struct fake *f, const struct node *mapped_lun, const struct node *lun, const struct node *storage);
void lio_free_registrations(struct device *d);

unsigned lio_fabric_only(const char *name);
int lio_make_fabric(struct fake *f, struct node *folder, const char *name);
int lio_make_in_fabric(struct fake *f, struct node *folder, const char *name);
void lio_release_in_fabric(struct fake *f, struct node *item);
int lio_allow_link(struct fake *f, struct node *folder, struct node *target);
void lio_drop_link(struct fake *f, struct node *folder, struct node *target);
uint64_t lio_relative_port(struct fake *f, const struct node *lun);
const char *lio_fabric_title(const struct node *n);	/* as the kernel calls it: "iSCSI" */

int lio_make_portal(struct fake *f, struct node *folder, const char *name);
void lio_release_portal(struct fake *f, struct node *portal);
void lio_iscsi_enabled(struct node *tpg);

void lio_loop_init(struct fake *f, struct node *target);
void lio_loop_made_tpg(struct node *tpg);
void lio_loop_release_tpg(struct node *tpg);
void lio_loop_linked(struct fake *f, struct node *lun, const struct node *storage);
void lio_loop_unlinked(struct fake *f, struct node *lun);

#endif
