/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ATTR_H
#define CFG_ATTR_H

/*
 * One row for each attribute, and nothing about attributes anywhere else: JSON, validation, diff, kernel reading
 * and writing, D-Bus properties, completion, help and the manual's table all come from the row.
 *
 * A value is kept as canonical text (or, for a set of names, a sorted array of them), so that equal values are equal
 * strings: numbers in decimal without leading zero, booleans "0" and "1", UUIDs in lower case with dashes, sizes in
 * bytes. NULL is "absent", which is not the same as the default spelled out.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

enum kind {
	KIND_ROOT,
	KIND_NVMET,		/* nvmet: what is global to the nvmet tree */
	KIND_TARGET_CORE,	/* target: what is global to the SCSI target */
	KIND_LU_GROUP,		/* lu_groups/NAME */
	KIND_BACKEND,		/* backends/NAME */
	KIND_ALUA_GROUP,	/* backends/NAME/alua_groups/NAME */
	KIND_BRIDGE,		/* backends/NAME/bridge: the SCSI disk by which namespaces reach a shared backend; the planner's own */
	KIND_HOST,		/* hosts/NQN */
	KIND_SUBSYSTEM,		/* subsystems/NQN */
	KIND_NAMESPACE,		/* subsystems/NQN/namespaces/NSID */
	KIND_PORT,		/* ports/ID */
	KIND_REFERRAL,		/* ports/ID/referrals/NAME */
	KIND_ANA_GROUP,		/* ports/ID/ana_groups/ID */
	KIND_FABRIC,		/* targets/FABRIC */
	KIND_TARGET,		/* targets/FABRIC/WWN */
	KIND_TPG,		/* targets/FABRIC/WWN/tpgs/TAG */
	KIND_LUN,		/* …/tpgs/TAG/luns/N */
	KIND_PORTAL,		/* …/tpgs/TAG/portals/ADDRESS */
	KIND_ACL,		/* …/tpgs/TAG/acls/WWN */
	KIND_MAPPED_LUN,	/* …/acls/WWN/mapped_luns/N */
	KIND_MAX
};

enum attr_type {
	ATTR_BOOL,	/* "0", "1"; JSON true, false (and 0, 1) */
	ATTR_INT,	/* decimal, min..max */
	ATTR_SIZE,	/* bytes, min..max; JSON "10GiB" or a number */
	ATTR_WORD,	/* one of words */
	ATTR_STRING,	/* printable ASCII, min..max bytes, no leading or trailing blank */
	ATTR_TOKEN,	/* the same without any blank */
	ATTR_PATH,	/* absolute, normalised, min..max bytes */
	ATTR_NQN,	/* NVMe Base specification 4.7: "nqn.yyyy-mm.reverse.domain:…" or "nqn.2014-08.org.nvmexpress:uuid:…",
			 * UTF-8, at most 223 bytes, no '/' */
	ATTR_UUID,	/* RFC 9562 text form */
	ATTR_NGUID,	/* 16 bytes as 32 hex digits; canonical form is the kernel's, grouped as a UUID */
	ATTR_VERSION,	/* "maj.min[.ter]"; canonical without ".0" as third */
	ATTR_HEX,	/* number, min..max; canonical as the kernel prints it, "0x" and hex digits. JSON string or number */
	ATTR_SECRET,	/* a reference: "file:NAME" or "credential:NAME"; never the secret itself. JSON {"file":…}, {"credential":…};
			 * an inline string is accepted on input and moved (see secret.h) */
	ATTR_REF,	/* name of one object of kind ref */
	ATTR_REFS,	/* sorted set of names of objects of kind ref; in the kernel a folder of links, if it has a file */
	ATTR_TYPE_MAX
};

/* Where a value comes from when the document leaves it out. */
enum attr_source {
	ATTR_CONSTANT,	/* dflt, the kernel's fixed default; an attribute that becomes absent is put back to it */
	ATTR_GENERATED,	/* made once by us, stored, always written, kept when a document leaves it out */
	ATTR_CAPTURED,	/* depends on hardware, kernel or firmware: left alone when absent */
	ATTR_REQUIRED,	/* must be given */
	ATTR_OPTIONAL,	/* may be absent, then nothing is written and nothing is expected */
	ATTR_DERIVED,	/* computed from other objects for the kernel; users see it, but cannot set it */
};

/* When the kernel takes a write to it. */
enum attr_moment {
	ATTR_ANYTIME,
	ATTR_DISABLED,	/* namespace: while enable is 0 */
	ATTR_FRESH,	/* subsystem: until the first host identified it, which cannot be seen; changed by making it anew */
	ATTR_UNLINKED,	/* port: while it serves no subsystem */
	ATTR_UNEXPORTED,/* storage object: while no LUN links to it */
	ATTR_STOPPED,	/* target portal group: while enable is 0 */
	ATTR_NEVER,	/* fixed once the object is made */
};

/* What hosts notice or lose when it changes on an object in use; in order of harm. */
enum effect {
	EFFECT_NONE,
	EFFECT_PAUSE,
	EFFECT_VANISH,		/* device vanishes */
	EFFECT_DISCONNECT,
	EFFECT_IDENTITY,	/* identity or geometry is lost */
	EFFECT_RESERVATIONS,
	EFFECT_DATA,
	EFFECT_MAX
};
const char *effect_to_str(enum effect e);

enum attr_flags {
	ATTR_WRITE_ONLY = 1 << 0,	/* the kernel has no read for it */
	ATTR_SAME_DISTURBS = 1 << 1,	/* even writing the same value has its effect (attr_qid_max) */
	ATTR_NO_NEWLINE = 1 << 2,	/* the kernel keeps or dislikes a newline: write the bare value */
	ATTR_SETTLES = 1 << 3,		/* the kernel replaces the default by its own choice when the object is enabled (param_*):
					 * any value read is equal to the default */
	ATTR_TRIGGER = 1 << 4,		/* writing it does something; it has no state */
	ATTR_NO_MODEL = 1 << 5,		/* used by the planner alone, never in a document */
	ATTR_CONTROL = 1 << 6,		/* a key of a storage object's control file, written there as "key=value" before it is enabled; the key is
					 * the last part of file, which it is read from */
	ATTR_LINK = 1 << 7,		/* in the kernel a link of some name in the object's own folder */
	ATTR_AT_END = 1 << 8,		/* how the object is removed, and what hosts notice of that, depends on it */
};

/* What an attribute is limited to: types of backend, or fabrics of targets. */
enum attr_only {
	ONLY_BLOCK = 1 << 0,
	ONLY_FILE = 1 << 1,
	ONLY_RAMDISK = 1 << 2,
	ONLY_SCSI = 1 << 3,
	ONLY_USER = 1 << 4,
	ONLY_NVME = 1 << 5,

	ONLY_ISCSI = 1 << 8,
	ONLY_LOOPBACK = 1 << 9,
	ONLY_VHOST = 1 << 10,
	ONLY_QLA2XXX = 1 << 11,
	ONLY_SRPT = 1 << 12,
	ONLY_FC = 1 << 13,
	ONLY_SBP = 1 << 14,
	ONLY_XEN = 1 << 15,
	ONLY_FABRICS = 0xff << 8,
};
/* The bit of a type ("ramdisk") or fabric ("xen-pvscsi"); 0 for an unknown one. */
unsigned attr_only_of(const char *word);
/* "type block or scsi", "fabric iscsi"; "" when it is 0. Caller frees. */
char *attr_only_text(unsigned only);

struct attr_row;

/* Text conversions for attributes whose kernel text is not the canonical one. NULL members: plain. */
struct attr_codec {
	/* Kernel text (trailing newline cut) to canonical; *ret NULL means "unset". 0, -EINVAL when it makes no sense, -ENOMEM. */
	int (*from_kernel)(const struct attr_row *row, const char *text, char **ret);
	/* Canonical to what is written. */
	int (*to_kernel)(const struct attr_row *row, const char *value, char **ret);
};

struct attr_row {
	const char *name;		/* as in documents, on the command line and on D-Bus */
	enum attr_type type;
	enum kind ref;			/* ATTR_REF, ATTR_REFS */
	int64_t min, max;		/* range, or bytes of a string; 0,0 = any */
	const char *const *words;	/* ATTR_WORD; NULL-terminated */
	const char *file;		/* kernel file below the object's folder, or folder of links; NULL: ours alone */
	const struct attr_codec *codec;
	const char *since;		/* first mainline kernel that has it ("6.13"); NULL: every one that we support */
	const char *option;		/* Kconfig option that it needs, without "CONFIG_"; NULL: none of its own */
	const char *feature;		/* what a user calls it ("in-band authentication"); goes with since or option */
	enum attr_source source;
	const char *dflt;		/* canonical; ATTR_CONSTANT, and what a kernel without the attribute behaves like */
	enum attr_moment moment;
	enum effect effect;
	unsigned flags;
	unsigned only;			/* enum attr_only; 0: all */
	unsigned unlike;		/* of those, where a new object in the kernel has another value than dflt */
	const char *doc;		/* one or two sentences for help and manual */
};

/* No kind has more rows than this. */
#define ROWS_MAX 128

/* What the table knows about each kind of object. */
struct kind_info {
	enum kind kind;
	const char *collection;		/* "subsystems"; NULL for root, "nvmet" for the singleton */
	const char *noun;		/* "subsystem" */
	enum kind parent;
	bool singleton;
	bool direct;			/* its name follows that of its parent, without collection */
	bool internal;			/* the planner's own: neither in documents nor in paths that people write */
	const char *kernel;		/* first part of its kernel path ("nvmet/subsystems"), children append to the parent's; NULL: not there */
	const char *prefix;		/* stands before the name in the kernel ("tpgt_") */
	const struct attr_row *rows;	/* ended by a row without name */
	size_t n_rows;
	enum kind direct_child;		/* KIND_MAX: all kinds below it have collections */
	uint32_t children;		/* those with collections, a bit for each kind */
	/* Turns a name as typed into the canonical one; refuses bad ones. NULL: a plain name ([A-Za-z0-9._:-]{1,64}). */
	int (*name_parse)(const char *text, char **ret, struct cfg_error *err);
	const char *name_doc;		/* what a name may be, for messages and the manual */
	const char *doc;
};

const struct kind_info *kind_info(enum kind kind);
/* By collection below a parent of the given kind; KIND_MAX when there is none. */
enum kind kind_from_collection(enum kind parent, const char *collection);
/* The kind of children that stand below the parent by their name alone; KIND_MAX when there is none. */
enum kind kind_direct_child(enum kind parent);

/* NULL when the kind has no such attribute. */
const struct attr_row *attr_find(enum kind kind, const char *name);
/* By kernel file ("attr_model", "passthru/enable"). */
const struct attr_row *attr_find_file(enum kind kind, const char *file);
/* Index of a row within its kind, for object->values. */
size_t attr_index(enum kind kind, const struct attr_row *row);
#define attr_foreach(row, kind) for (const struct attr_row *row = kind_info(kind)->rows; row->name; row++)

static inline bool attr_is_list(const struct attr_row *row)
{
	return row->type == ATTR_REFS;
}
/* Whether each name of the list is a link in the kernel. */
static inline bool attr_is_links(const struct attr_row *row)
{
	return attr_is_list(row) && row->file;
}
bool attr_is_secret(const struct attr_row *row);
/* Whether the kernel file at that path ("nvmet/hosts/H/dhchap_key") holds a secret of any kind of object. */
bool attr_file_is_secret(const char *path);
/* Can stand in a document, be set by a person. */
bool attr_is_settable(const struct attr_row *row);

/* A value as typed on the command line or given as a bus string, into canonical text; refuses what the row does not allow,
 * with a message that says what it allows. Not for ATTR_REFS. */
int attr_parse(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err);
/* The same from JSON: bool, number, string or object as the type has it; lists by the caller, element by element. */
int attr_parse_json(const struct attr_row *row, struct json_object *value, char **ret, struct cfg_error *err);
/* Canonical to JSON. Caller puts. NULL when out of memory. */
struct json_object *attr_to_json(const struct attr_row *row, const char *value);
/* What it takes, in words: "1..128", "one of: ipv4, ipv6", "size in bytes or with KiB, MiB…". Caller frees. */
char *attr_describe(const struct attr_row *row);

/* What the kernel must be or have for it: "Linux 6.0 and CONFIG_NVME_TARGET_AUTH"; "" when every one has it. Caller frees. */
char *attr_needs(const struct attr_row *row);

/* Kernel text to canonical and back (trailing newline handled here). */
int attr_from_kernel(const struct attr_row *row, const char *text, char **ret);
int attr_to_kernel(const struct attr_row *row, const char *value, char **ret);

#endif
