/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_FABRIC_H
#define CFG_FABRIC_H

/*
 * The fabrics of the SCSI target, one row each. What attributes a fabric has the attributes' rows say (attr_row.only), among them nexus and
 * enable: which fabrics have one initiator of their own, and which are switched on.
 */

#include <stdbool.h>
#include <stddef.h>

#include "model/attr.h"

struct fabric {
	const char *name;	/* as in targets/NAME, and of its folder in the kernel's tree */
	enum attr_only only;	/* its bit */
	const char *module;
	bool (*is_name)(const char *name);	/* of targets, and of initiators in ACLs; form: the same in words */
	const char *form;
	unsigned min_tag, max_tag;	/* of portal groups */
	bool one_group;		/* a target has one portal group at most */
	bool needs_lun;		/* to be enabled */
	bool portals, acls;	/* what stands below a portal group beside LUNs */
};

extern const struct fabric fabrics[];
#define fabric_foreach(f) for (const struct fabric *f = fabrics; f->name; f++)

/* NULL for an unknown one, or for NULL. */
const struct fabric *fabric_find(const char *name);

#endif
