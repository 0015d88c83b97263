/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_OBJECT_H
#define CFG_OBJECT_H

/*
 * Objects and the tree of them. The same structures hold what is wanted and what the kernel has; a tree may be partial
 * (what a transaction read).
 *
 * The tree owns its objects, a parent its children. Objects refer to each other by name. The tree keeps an index of
 * everything that must be unique or be found backwards (see tree_users() and tree_key_owners()), so that a
 * change costs what it touches: all changes of values go through object_set*() with the tree's knowledge.
 */

#include "model/attr.h"

struct value {
	union {
		char *text;	/* canonical; NULL = absent */
		char **list;	/* ATTR_REFS: sorted, unique; NULL = absent */
	};
};

struct object {
	enum kind kind;
	struct tree *tree;	/* NULL: detached (part of a change) */
	struct object *parent;
	struct object **children;	/* by kind, then natural order of name */
	size_t n_children;
	uint64_t present[ROWS_MAX / 64];	/* a bit for each row of the kind: has a value */
	struct value *values;	/* theirs, in the order of the rows */
	uint64_t generation;	/* of its last change, in the tree of what is wanted; 0: unknown */
	char name[];		/* "" for root and singletons */
};

struct tree;

struct tree *tree_new(void);
struct tree *tree_free(struct tree *t);
CFG_DEFINE_CLEANUP(struct tree *, tree_free);
/* A deep copy. */
struct tree *tree_copy(const struct tree *t);

struct object *tree_root(const struct tree *t);
/* All objects, the root not counted. */
size_t tree_count(const struct tree *t);

/* Longer than any path of an object with the NUL behind it, since names are bounded: so nothing has to be allocated to look for one. */
#define OBJECT_PATH_MAX 2048

/* "subsystems/NQN/namespaces/1": borrowed, NULL when absent or when the path makes no sense. Names in a path are taken as
 * they are (canonical). */
struct object *tree_find(const struct tree *t, const char *path);
struct object *object_child(const struct object *parent, enum kind kind, const char *name);
/* Number of children of a kind, and the i-th of them (borrowed). */
size_t object_count(const struct object *parent, enum kind kind);
struct object *object_nth(const struct object *parent, enum kind kind, size_t i);

/* Makes an empty object below parent. -EEXIST, -ENOMEM; the name must be canonical. */
int object_add(struct object *parent, enum kind kind, const char *name, struct object **ret);
/* A copy of an object of another tree with all below it. -EEXIST, -ENOMEM: nothing was made. */
int object_add_copy(struct object *parent, const struct object *from);
/* Makes the object at path, whose parent must exist (-ENOENT). */
int tree_add(struct tree *t, const char *path, struct object **ret);
/* Takes it and all below out of the tree and frees it. */
void object_remove(struct object *o);

/* The next row, in the order of the table, that has a value in a or in b, which are of one kind; NULL at the end. *at begins as 0. Values may
 * be set on the way. Of many rows an object has few: so this, and not attr_foreach(), is for what is done with each of many objects. */
const struct attr_row *object_next_row(const struct object *a, const struct object *b, size_t *at);

/* Its path; caller frees. NULL when out of memory. For a detached object only the name is known. */
char *object_path(const struct object *o);
/* Its folder as kfs has it ("nvmet/subsystems/NQN"), NULL for what has none (a backend that is not in the SCSI target) or out of memory.
 * What is below a backend, and the backend, stand where its storage_object in t says; t may be NULL for all else. A path may also go on with
 * what is no object ("ports/1/subsystems/NQN"). Caller frees. */
char *object_kernel_path(const struct object *o);
char *path_to_kernel(const struct tree *t, const char *path);

/* Values, borrowed until the next change of the object. */
const char *object_get(const struct object *o, const char *attr);
const char *object_get_row(const struct object *o, const struct attr_row *row);
char *const *object_get_list(const struct object *o, const struct attr_row *row);
/* Canonical text, or NULL to make it absent; copies. -ENOMEM. */
int object_set(struct object *o, const struct attr_row *row, const char *text);
int object_set_list(struct object *o, const struct attr_row *row, char *const *list);
/* One name of a list, at a price that hardly grows with the list. Adding what is there and removing what is not changes nothing. -ENOMEM. */
bool object_lists(const struct object *o, const struct attr_row *row, const char *name);
int object_list_add(struct object *o, const struct attr_row *row, const char *name);
void object_list_remove(struct object *o, const struct attr_row *row, const char *name);
/* By an attribute's name, which the kind must have. */
int object_set_attr(struct object *o, const char *attr, const char *text);
/* The value in force: what is set, else the constant default, else NULL; also when the object's type or fabric has no such attribute. */
const char *object_effective(const struct object *o, const struct attr_row *row);
/* Whether an object of its type of backend, or of its fabric, has the attribute at all; a detached one may not know, and has. */
bool object_has_row(const struct object *o, const struct attr_row *row);
/* The type of a backend or of the one that it is below, or the fabric: "ramdisk", "iscsi"; NULL when it has none or does not know. */
const char *object_variant(const struct object *o);
bool object_values_equal(const struct object *a, const struct object *b);

/* An empty object outside any tree. NULL when out of memory. */
struct object *object_new_detached(enum kind kind, const char *name);
/* Attributes only, without children, detached (freed by object_free). */
struct object *object_copy_shallow(const struct object *o);
struct object *object_free(struct object *o);	/* detached ones only */
CFG_DEFINE_CLEANUP(struct object *, object_free);
/* Takes over all values of from (same kind). */
int object_assign(struct object *to, const struct object *from);

/* Paths. A path is "collection/name[/collection/name]…", "nvmet" or "target"; a target's name follows that of its fabric. */
#define PATH_DEPTH 5		/* targets/FABRIC/WWN/tpgs/TAG/acls/WWN/mapped_luns/N */
struct path {
	enum kind kind[PATH_DEPTH];	/* from the outermost */
	char *name[PATH_DEPTH];		/* canonical */
	unsigned depth;			/* 0 is the root, "" */
};
/* Checks and canonicalises ("ports/01" is refused, "ports/1" is right). May name a collection alone ("subsystems",
 * "ports/1/referrals"): then *ret_collection is its kind, else KIND_MAX; NULL: collections are refused. */
int path_parse(const char *text, struct path *ret, enum kind *ret_collection, struct cfg_error *err);
char *path_text(const struct path *p);
void path_done(struct path *p);
#define _cleanup_path_ _cleanup_(path_done)
/* Cuts the next object, which is one below a parent of the kind, off a path in a buffer: 1, and its kind and name ("" of a singleton); 0 at the
 * end (*at empty or NULL); -EINVAL when it is none. */
int path_cut(enum kind parent, char **at, enum kind *ret_kind, const char **ret_name);
/* The kind of the object that a path is of; KIND_ROOT for "", KIND_MAX when it is none. */
enum kind path_kind(const char *path);
/* Path of the parent; caller frees. "" at the top. */
char *path_parent(const char *path);
/* The same without an allocation; returns buf. */
const char *path_parent_in(const char *path, char buf[OBJECT_PATH_MAX]);
/* Whether path is that of the object at top, or of one below it. */
bool path_is_within(const char *path, const char *top);

/* The index: objects that hold key, e.g. who refers to something or uses a resource. */
struct users {
	struct object **items;	/* borrowed, in no order */
	size_t n;
};
/* Objects one of whose ATTR_REF or ATTR_REFS names the object (kind, name). */
struct users tree_users(const struct tree *t, enum kind kind, const char *name);
/* Resource keys: "device:/dev/vdb", "address:tcp:192.0.2.1:4420", "uuid:…", "nguid:…". An address is in one form however it was written
 * ("address:tcp:[2001:db8::1]:4420"); that a wildcard is in the way of others on its service is not in the key. */
struct users tree_key_owners(const struct tree *t, const char *key);
/* The keys of one object as it is now; caller frees with strv_free(). */
int object_keys(const struct object *o, char ***ret);

#endif
