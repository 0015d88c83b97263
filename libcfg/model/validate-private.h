/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_VALIDATE_PRIVATE_H
#define CFG_VALIDATE_PRIVATE_H

/* One object under examination, and the rules on ports that have a file of their own. */

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

void check_port(struct check *c);
void check_referral(struct check *c);

#endif
