/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_VALIDATE_PRIVATE_H
#define CFG_VALIDATE_PRIVATE_H

/* One object under examination, and the rules that have a file of their own. */

#include "model/validate.h"

struct check {
	const struct tree *t;
	const struct object *o;
	const char *path;
	struct cfg_errors *errs;
};

#define wrong(c, attr, ...) cfg_errors_add((c)->errs, EINVAL, (c)->path, attr, NULL, __VA_ARGS__)

/* In force: "1". */
bool is_true(const struct object *o, const char *attr);
/* Set to just that. */
bool is_word(const struct object *o, const char *attr, const char *word);

/* In force, as a number; 0 for none. */
int64_t number(const struct object *o, const char *attr);
/* That no other object has the value; what: as keys.c calls it. */
void check_unique(struct check *c, const char *attr, const char *what);

void check_backend(struct check *c);
void check_alua_group(struct check *c);
void check_lu_group(struct check *c);
/* Of a namespace, what depends on the backend. */
void check_namespace_on(struct check *c, const struct object *backend);
/* Of a namespace or LUN: that its backend is none of type nvme-passthru. */
void check_no_controller(struct check *c, const struct object *backend);
/* That the ANA group, chosen by hand, is none that a backend has to itself. attr NULL: the object is the group. */
void check_no_backends_group(struct check *c, const char *attr, const char *number);
/* What makes a backend a shared one, in words: "its type is ramdisk". Caller frees. */
char *why_shared(const struct tree *t, const struct object *backend);

void check_fabric(struct check *c);
void check_target(struct check *c);
void check_tpg(struct check *c);
void check_lun(struct check *c);
void check_portal(struct check *c);
void check_acl(struct check *c);
void check_mapped_lun(struct check *c);

void check_port(struct check *c);
void check_referral(struct check *c);

#endif
