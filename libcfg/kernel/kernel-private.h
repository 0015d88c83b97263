/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_KERNEL_PRIVATE_H
#define CFG_KERNEL_PRIVATE_H

/* Shared by the files that are kernel.h's alone. */

#include "kernel/element.h"
#include "kernel/kernel.h"

/* Of the attributes in a folder of the object ("" for its own) those on which its removal depends, as the value of OP_SCAN_SOME. Caller frees. */
char *scan_at_end(enum kind kind, const char *folder);
/* Makes the object in a partial tree, with those above it. */
int target_ensure(struct tree *t, const char *path, struct object **ret);
/* Made by the kernel and never removed: the root's own attributes, ANA group 1. Its absence from a tree means its defaults. */
bool element_is_permanent(const struct element *e);

#endif
