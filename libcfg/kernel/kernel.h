/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_KERNEL_H
#define CFG_KERNEL_H

/*
 * The kernel's trees, nvmet and target: what a transaction touches there, how it is read, how what is wanted looks in the kernel's terms, and
 * which operations lead from one to the other. Pure: nothing here makes a kernel call; reads are described as operations, and
 * their results absorbed.
 *
 * An element is what is claimed, read, compared and changed by itself. Written as a path:
 *	"nvmet", "hosts/H", "subsystems/S", "subsystems/S/namespaces/N", "ports/P", …, "targets/F/W/tpgs/T/luns/N"
 *								the attributes of one object, and whether it exists
 *	"backends/B"						the same of the storage object that a shared backend is
 *	"backends/B/bridge"					the SCSI disk by which namespaces reach it
 *	"subsystems/S/allowed_hosts/H", "ports/P/subsystems/S"	an edge: one link
 */

#include "model/change.h"
#include "plan/plan.h"

struct scope {
	char **elements;	/* sorted, unique */
	char **folders;		/* objects whose edges and children are in scope completely (made anew, removed, read whole) */
};
void scope_done(struct scope *s);
#define _cleanup_scope_ _cleanup_(scope_done)

/* Elements that a change set touches: objects made, removed or altered; edges that come or go; namespaces whose backend
 * changed; for a subsystem or port that must be made anew or unlinked for the change (ATTR_FRESH, ATTR_UNLINKED), also
 * everything below it and its edges. after: the tree with the changes applied. */
int kernel_scope(const struct tree *after, const struct changes *c, struct scope *ret);
/* All elements of one object (NULL: of the whole tree) with what is below it and its edges. */
int kernel_scope_object(const struct tree *t, const char *path, struct scope *ret);

/* Claims that go with a scope, as "x KEY" (exclusive) and "s KEY" (shared); see DESIGN, concurrency. A key stands there once, with the
 * stronger mode. An edge
 * shares its two ends; attributes share the object's existence ("=PATH") and take its attributes ("PATH"); making, removing or
 * re-addressing takes the existence. An edge shares the list that it is in ("HOLDER/FOLDER"). Also the resource keys of object_keys(), before
 * and after, and more (may be NULL) in the same form. */
int kernel_claims(const struct tree *after, const struct changes *c, const struct scope *s, char *const *more, char ***ret);
/* The keys, without mode and without "=", that have to be claimed while an element is being removed: itself, what it is part of, what it refers
 * to, and what these hold. by_path: the changes. after: also what these would hold, where it is not decided which. */
int kernel_stands_on(const char *element, const struct map *by_path, bool after, char ***ret);

/* Whether nothing of the scope is in the target: then it only goes, and there is nothing that could have to be put back. */
bool kernel_only_removes(const struct tree *target, const struct scope *s);

/* What must be read to know the kernel's side of the scope. names: trees that tell where in the SCSI target a backend stands, ended by NULL;
 * the first that knows it counts. removes: see above; then no more is read of most objects than their removal depends on. */
int kernel_scan(const struct tree *const *names, const struct scope *s, bool removes, struct oplist *ret);
/* The results, in the order of the operations; text[i] NULL when the folder is absent. Fills actual (may hold things already, which are
 * replaced where read). What is in the kernel and not in the model's terms (an alias like "01") is an error that names it. */
int kernel_absorb(struct tree *actual, const struct tree *const *names, const struct oplist *scan, char *const *text, struct cfg_error *err);

/* The kernel's terms: objects of the scope as the kernel should have them: derived values filled in from backends, constants spelled out,
 * secrets as references. Objects that are not wanted are absent. */
int kernel_lower(const struct tree *wanted, const struct scope *s, struct tree **ret, struct cfg_error *err);

/* The module that a port of the trtype needs; the kernel does not load each of them by itself. NULL for an unknown one. */
const char *nvmet_transport_module(const char *trtype);

struct kernel_facts {
	bool no_new_files;	/* unattended: a file that is missing may be on a file system that is not mounted yet */
	bool leaks;		/* the running kernel loses references of disabled namespaces (6.1, 6.12) */
	unsigned bridge_queue;	/* commands that a bridge's disk takes at the same time */
	bool revoke;		/* hosts that may no longer connect lose the connections that they have */
	const char *release;
	/* Whether a namespace was made or disabled while its subsystem was linked, or its past is unknown. */
	bool (*marked)(void *userdata, const char *path);
	/* Whether an object that is in the kernel is ours (wanted before, or in the ledger). NULL: all are. */
	bool (*owned)(void *userdata, const char *element);
	/* Whether something may have been begun for an element, of which nothing is seen. NULL: no. */
	bool (*unfinished)(void *userdata, const char *element);
	/* Whether secrets of a host in the kernel are those that the reference names now. NULL: no. */
	bool (*secret_known)(void *userdata, const char *object, const char *attr, const char *reference);
	void *userdata;
};

/* Operations that make actual like target, within the scope. wanted_before/after serve effects and the backends' files; changes may be NULL
 * (reconcile, rollback). A foreign object in the way is EEXIST with its path; an attribute the kernel lacks is EOPNOTSUPP and
 * names feature, kernel version and option. Only what differs is written. */
int kernel_plan(const struct tree *target, const struct tree *actual, const struct scope *s, const struct tree *wanted,
	       const struct changes *c, const struct kernel_facts *facts, struct plan *ret, struct cfg_error *err);

/* Whether some host may connect to the subsystem before the change and not after it. The kernel leaves its connections alone. */
bool nvmet_excludes(const struct change *c);

/* What differs between the two within the scope; each as object, attribute, wanted and actual text ("absent", "present" for existence).
 * ATTR_SETTLES and unset target values are no difference. */
struct difference {
	char *element, *attr, *wanted, *actual;
};
struct differences {
	struct difference *items;
	size_t n;
};
void differences_done(struct differences *d);
int differences_add(struct differences *d, const char *element, const char *attr, const char *wanted, const char *actual);
int kernel_compare(const struct tree *target, const struct tree *actual, const struct scope *s, struct differences *ret);
/* The same when nobody can tell what there is: all of the scope may differ, its actual text is "not known". */
int kernel_doubt(const struct tree *target, const struct scope *s, struct differences *ret);

/* What a failed operation means, in words: errno and path of the kernel -> a sentence with the reason. The trees, what is to be and what
 * is committed, give the address of a port and the port that has it already; may be NULL. Fills err. */
int kernel_explain(const struct op *op, int kernel_errno, const struct tree *target, const struct tree *wanted, struct cfg_error *err);

#endif
