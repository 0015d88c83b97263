/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_CHANGE_H
#define CFG_CHANGE_H

/*
 * A change set says how one tree becomes another, object by object. It is what a transaction is about, what the journal
 * records and what signals are made from; applied backwards it undoes itself.
 */

#include "base/map.h"
#include "model/object.h"

struct change {
	char *path;
	struct object *before;	/* detached, attributes only; NULL: was not there */
	struct object *after;	/* NULL: is no longer there */
};

struct changes {
	struct change **items;	/* parents are made before and removed after their children */
	size_t n;
};

void changes_done(struct changes *c);
#define _cleanup_changes_ _cleanup_(changes_done)

/* Appends copies; either may be NULL. */
int changes_append(struct changes *c, const char *path, const struct object *before, const struct object *after);

/* What turns a into b: removals, children first, then what is made or altered, parents first. merge: nothing that only a has is removed,
 * neither objects nor members of lists, and an attribute absent in b is left as it is in a. In both modes a generated value that b
 * leaves out is taken from a; one that followed from the object's other values there follows from them again. What neither has
 * stays absent: object_generate() is the caller's. */
int changes_diff(const struct tree *a, const struct tree *b, bool merge, struct changes *ret);

/* Makes them in the tree. The tree must be as "before" says (-ESTALE with the path if it is not, nothing changed). -ENOMEM: nothing changed.
 * -ENOTRECOVERABLE: memory ran out on the way back as well, and the tree is of no more use. */
int changes_apply(struct tree *t, const struct changes *c, struct cfg_error *err);
/* Whether the tree is as "before" says: 0, or -ESTALE. */
int changes_check(const struct tree *t, const struct changes *c, struct cfg_error *err);
/* Others have changed the same objects since, in other attributes and other members of lists: makes of c what does the same to the objects as
 * they are now. 1 when anything had to be made anew, 0 when not, -ESTALE when both have changed the same, -ENOMEM. */
int changes_rebase(struct changes *c, const struct tree *t);
/* Takes them back; only on the tree as changes_apply() left it. -ENOTRECOVERABLE when memory ran out: then the tree is of no more use. */
int changes_revert(struct tree *t, const struct changes *c);

/* Journal form: [{"path":…, "set":{…}|null}, …]; null removes. A record holds the state after, whole objects. Secrets are references.
 * It is made one by one, since a whole restore as one JSON tree is many times as large as its text. from_json needs the tree for "before". */
struct json_object *change_to_json(const struct change *c);
int changes_from_json(const struct tree *t, struct json_object *json, struct changes *ret, struct cfg_error *err);

/* What people and bus clients ask for. */
enum edit_verb { EDIT_CREATE, EDIT_SET, EDIT_DELETE };
enum edit_op { EDIT_ASSIGN, EDIT_ADD, EDIT_SUB };	/* "=", "+=", "-=" (the latter two on lists) */

struct edit_attr {
	char *name;
	enum edit_op op;
	char *value;	/* as typed; "" makes the attribute absent. On lists: names with commas between */
};

struct edit {
	enum edit_verb verb;
	char *path;	/* as typed */
	bool recursive;	/* delete: also what refers to it and lives below */
	struct edit_attr *attrs;
	size_t n_attrs;
	char *place;	/* for messages ("argument 3"); may be NULL */
};

struct edits {
	struct edit *items;
	size_t n;
	struct map *made;	/* as for object_generate_again(), or NULL; borrowed */
};
void edits_done(struct edits *e);
#define _cleanup_edits_ _cleanup_(edits_done)

/* Turns edits, in order, into one change set over t, which is left as it is; -ENOTRECOVERABLE: there was no memory for that. All problems are returned together. Deleting refuses while
 * something refers to the object or lives below it and lists that, unless recursive. Generated values are filled in. */
int edits_to_changes(struct tree *t, const struct edits *e, struct changes *ret, struct cfg_errors *errs);

/* The names that an edit of a list is about, as the model writes them; those that cannot be are left out. */
int edit_attr_names(const struct attr_row *row, const struct edit_attr *a, char ***ret);

/* Fills what is generated and absent: serial, uuid, nguid, adrfam, trsvcid. Random from getrandom(2). */
int object_generate(struct object *o);
/* The same; what is random is taken from made, where the object at path has it there, and else put there: so the same can be made of the same
 * request a second time. made may be NULL. */
int object_generate_again(struct object *o, const char *path, struct map *made);
struct map *made_free(struct map *made);
int tree_generate(struct tree *t);
/* What object_generate() makes of an attribute from the object's other values; *ret NULL when it is no such attribute or they do not
 * tell. Caller frees. */
int object_follow(const struct object *o, const struct attr_row *row, char **ret);
/* Makes absent what is as object_follow() has it. For use before other values change; then object_generate(). */
int object_forget(struct object *o);

#endif
