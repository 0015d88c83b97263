/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_PLANNER_H
#define CFG_PLANNER_H

/*
 * What the planner's files share: planner.c walks the elements; {nvmet,lio}-make.c, -remove.c and -change.c make their steps out of what
 * nvmet-steps.c and lio-steps.c have. Functions that return an int: 0 or -ENOMEM.
 */

#include "base/map.h"
#include "kernel/kernel-private.h"

struct planner {
	const struct tree *target, *actual, *wanted;
	const struct scope *scope;
	const struct changes *changes;
	const struct kernel_facts *facts;
	struct plan *plan;
	struct map *in_scope;		/* elements */
	struct map *folders;
	struct map *by_path;		/* changes */
	struct map *anew;		/* objects to be made anew: path -> itself */
	struct map *relinked;		/* ports whose step of re-addressing also takes care of their links */
	struct map *loaded;		/* modules that a step of their own loads */
	struct cfg_error *err;
};

/* ---- nvmet-make.c ---- */

int nvmet_make_object(struct planner *p, const char *path, const struct object *target);
int nvmet_make_edge(struct planner *p, const char *element, const struct element *e);
/* An empty step with the keys of whatever makes the object; NULL when out of memory. */
struct step *nvmet_make_step(struct planner *p, enum phase phase, const char *path, const char *summary);
int nvmet_load_transport(struct step *s, const struct object *port);
/* Opens the device or file of the namespace, subsystem or backend at path, which it makes if it is to be made; b: the backend. Gives "probed:PATH". */
int planner_probe_step(struct planner *p, const char *path, const char *device, const struct object *b);
/* What the step waits for that gives a subsystem its controller, which may be another one's yet. */
int nvmet_await_controller(struct planner *p, struct step *s, const char *path, const struct object *target);
/* What a namespace's step waits for until its device can be opened. */
int nvmet_await_device(struct planner *p, struct step *s, const char *path, const struct object *target);

/* ---- nvmet-remove.c ---- */

int nvmet_remove_object(struct planner *p, const char *path, const struct object *actual);
int nvmet_remove_edge(struct planner *p, const char *element, const struct element *e);
/* What hosts notice when the namespace is disabled or goes. */
enum effect nvmet_vanishing(const struct object *actual);

/* ---- nvmet-change.c ---- */

bool planner_differs(struct planner *p, const char *path, const struct object *target, const struct object *actual,
		   const struct attr_row *row);
/* An attribute that is wanted and that the kernel has no file for; NULL when there is none. */
const struct attr_row *planner_find_lacking(const struct object *target, const struct object *actual);
int planner_ask_for_lacking(struct planner *p, const char *path, const struct object *target, const struct attr_row *row);
/* Whether a subsystem differs in what the kernel fixes at the first identify. */
bool nvmet_needs_anew(struct planner *p, const char *path, const struct object *target, const struct object *actual);
int nvmet_change_object(struct planner *p, const char *path, const struct object *target, const struct object *actual);
/* Attributes that the kernel takes at any time. */
int nvmet_change_live(struct planner *p, const char *path, const struct object *target, const struct object *actual);
int nvmet_port_link_op(struct step *s, const char *path, const char *nqn, bool make);

/* ---- nvmet-steps.c ---- */

const struct change *planner_change_of(const struct planner *p, const char *path);	/* NULL: it does not change */
bool object_is_on(const struct object *o, const char *attr);	/* false for no object */
const char *nvmet_nqn_of(const struct object *o);		/* of a subsystem or a namespace */
int nvmet_linked_edges(struct planner *p, const char *nqn, char ***ret);
bool nvmet_is_linked(struct planner *p, const char *nqn);
int nvmet_affect_subsystem(struct planner *p, struct step *s, const char *nqn);
/* Hosts at the port of an ANA group whose subsystem has a namespace in it after the plan. */
int nvmet_affect_group(struct planner *p, struct step *s, const struct object *group);
void step_worsen(struct step *s, enum effect e);		/* never betters */
/* value NULL: what clears it. */
int step_write_row(struct step *s, const char *folder, const struct attr_row *row, const char *value, unsigned flags);
int step_after_resources(struct step *s, const struct object *target);
int step_give_resources(struct step *s, const struct object *o);
/* A call that is stuck in the folder that holds the step's object holds up the step as well. */
int nvmet_set_queue(struct step *s);

#endif
