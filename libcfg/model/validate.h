/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_VALIDATE_H
#define CFG_VALIDATE_H

/*
 * What a tree must be so that it can be kept and given to a kernel: names and values that a document may hold; and the rules that need
 * more than one attribute or object: dangling names, required attributes, the same device, address, uuid or nsid
 * twice, allow_any_host together with allowed_hosts, what a backend type or transport does not have, addresses that do not fit
 * their family, TLS on transports without it.
 */

#include "model/change.h"

/* Everything. Returns 0, or -EINVAL with all problems in errs; or -ENOMEM when they could not all be found, or told. */
int validate_tree(const struct tree *t, struct cfg_errors *errs);

/* What the changes touch and what refers to it, in a tree to which they were applied. Costs what is touched. */
int validate_changes(const struct tree *t, const struct changes *c, struct cfg_errors *errs);

#endif
