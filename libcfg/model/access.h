/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ACCESS_H
#define CFG_ACCESS_H

/*
 * Asymmetric access: what a backend's access_state, and those of its groups of target ports, are for LUNs (ALUA) and for namespaces (ANA).
 *
 * LUNs that name no group of a backend with an access_state are in an ALUA group of the planner's own. Its namespaces are in an ANA group that the
 * backend has to itself, which each port that serves them has as well. Neither group is in a document.
 */

#include "model/object.h"

/* The planner's own ALUA group of a backend, and its number. */
#define ACCESS_GROUP "access_state"
#define ACCESS_GROUP_ID "65535"

/* The group that the LUN is in; NULL: the kernel's default one. */
const char *access_group_of(const struct tree *t, const struct object *lun);
/* The state of the group that the LUN is in. */
const char *access_state_of(const struct tree *t, const struct object *lun);
/* Whether LUNs are in the planner's own ALUA group of the backend. */
bool access_has_group(const struct tree *t, const struct object *backend);

/* The ANA group that the namespace is in. */
const char *access_ana_grpid(const struct tree *t, const struct object *ns);
/* State of the ANA group on the port when the group is a backend's own and the port serves it; NULL otherwise. */
const char *access_ana_state(const struct tree *t, const char *port, const char *group);
/* What an access state is for NVMe hosts; NULL for lba-dependent, which they do not have. */
const char *access_state_to_ana(const char *state);

/* Whether hosts that do not go elsewhere get at the blocks in a state of ALUA or of ANA. */
bool access_serves_io(const char *state);

/* The lowest number that no ANA group of a backend, of a port or of a namespace has; 0 when all are taken. */
unsigned access_free_number(const struct tree *t);

#endif
