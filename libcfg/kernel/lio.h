/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_LIO_H
#define CFG_LIO_H

/*
 * The SCSI target's part of the kernel (target/…) for kernel.h, which is the face of both: reading, lowering, and the steps of its objects.
 * Pure, as all of kernel/. What is said of elements, scopes and trees in kernel.h holds here too.
 */

#include "kernel/planner.h"

bool lio_is_kind(enum kind kind);

/* ---- lio-read.c ---- */

int lio_scan_all(struct oplist *ret);
/* One object by itself (its attributes may stand in folders below its own), or with all that is below it. */
int lio_scan_object(struct oplist *ret, const char *path, const char *folder, enum kind kind, bool whole, bool removes);
/* What was read. names: trees that know which backend is which storage object, ended by NULL. */
int lio_absorb(struct tree *actual, const struct tree *const *names, const struct op *op, const char *text);
/* Namespaces whose device is the disk of a bridge have it in the planner's terms. */
int lio_absorb_disks(struct tree *actual);

/* ---- lio-lower.c ---- */

/* Fills the object of the lowered tree; wanted: as people have it, in t. A bridge and the ALUA group for its access state are their backend's. */
int lio_lower_object(struct object *o, const struct object *wanted, const struct tree *t, struct cfg_error *err);
int lio_lower_access_group(struct object *o, const struct object *backend, struct cfg_error *err);
int lio_lower_bridge(struct object *o, const struct object *backend, struct cfg_error *err);
/* Whether the element, which is none that people have, or that is one of the SCSI target only at times, is to be in the kernel. */
bool lio_is_wanted(const struct tree *wanted, const struct element *e);

/* ---- lio-steps.c ---- */

/* The kernel's folder of an object of the SCSI target, whichever tree knows where it stands. Caller frees. */
char *lio_folder(const struct planner *p, const char *path);
/* The backend with what names it in the kernel; NULL when no tree knows it. */
const struct object *lio_backend(const struct planner *p, const char *name);
/* The portal group that an object belongs to ("targets/F/W/tpgs/T"); NULL when to none or out of memory. Caller frees. */
char *lio_tpg_of(const char *path);
/* Whether initiators can see what is below the portal group while the plan runs: it is enabled already. */
bool lio_is_live(const struct planner *p, const char *tpg);
/* Initiators of the portal group would notice the step: by its portals their connections can be seen. */
int lio_affect_tpg(const struct planner *p, struct step *s, const char *tpg);
/* Gives and awaits what every step does that makes or removes an object here. */
struct step *lio_step(struct planner *p, enum phase phase, const char *path, const char *summary, bool make);
/* Whether a value has to be written to an object that was just made. */
bool lio_is_fresh(const struct planner *p, const struct object *target, const struct attr_row *row);

/* ---- lio-make.c ---- */

int lio_make_object(struct planner *p, const char *path, const struct object *target);
/* Restored registrations are in force before anyone gets in: the operation that makes sure. */
int lio_check_registrations(const struct planner *p, struct step *s, const char *backend);
/* A portal group is opened when all that is below it is there. */
int lio_enable_tpg(struct planner *p, const char *path, const struct object *target);

/* ---- lio-remove.c ---- */

int lio_remove_object(struct planner *p, const char *path, const struct object *actual);
/* Folders that a step made for the object before it could make that. */
int lio_tidy(struct planner *p, const char *path, enum kind kind);

/* ---- lio-change.c ---- */

/* Whether it can only be changed by being made anew. */
bool lio_needs_anew(struct planner *p, const char *path, const struct object *target, const struct object *actual);
/* A storage object, and the disk of its bridge, become as large as the backend's size says. */
int lio_grow(struct planner *p, struct step *s, const char *path, const struct object *backend);
int lio_change_object(struct planner *p, const char *path, const struct object *target, const struct object *actual);

#endif
