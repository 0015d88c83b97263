/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_BACKEND_H
#define CFG_BACKEND_H

/*
 * The two ways out of a backend. Direct: nvmet opens its device or file. Shared: it is a storage object of the SCSI target, which LUNs
 * link to and namespaces reach by the SCSI disk of a bridge. An NVMe controller that a subsystem passes commands to (type nvme-passthru) has
 * neither: it stores nothing that could be exported otherwise.
 */

#include "model/object.h"

/* Whether it is of type nvme-passthru. */
bool backend_is_controller(const struct object *backend);
/* Whether it is, or has to be, a storage object: by its type, by what is set on it that only the SCSI target has, because a LUN names it, or
 * because data_path says so. */
bool backend_is_shared(const struct tree *t, const struct object *backend);
/* The same as far as the backend by itself tells; it may be detached. */
bool backend_asks_for_sharing(const struct object *backend);
/* A value set on it that only the SCSI target has; NULL when there is none. */
const struct attr_row *backend_forced_by(const struct object *backend);
/* Whether a bridge is needed: shared, and a namespace names it. */
bool backend_has_bridge(const struct tree *t, const struct object *backend);

/* The kernel's plugin for a type: "iblock", "fileio", "rd_mcp", "pscsi", "user"; NULL for an unknown one, and for nvme-passthru. */
const char *backend_plugin(const char *type);
/* The module that it is in; NULL where that is the SCSI target's own. */
const char *backend_module(const char *type);
/* The other way. */
const char *backend_type_of_plugin(const char *plugin, size_t len);

/* Number of the plugin's folder that a backend of the name has to itself. It follows from the name alone, so that what was begun for it can
 * be found when nothing else is known any more. That two may share a folder does no harm. */
unsigned backend_folder_number(const char *name);

/* Name of its bridge, "naa.3" and 15 digits of the unit serial: locally assigned (SPC-6, NAA identifiers). NULL when it has no serial that is
 * long enough, or out of memory. Caller frees. */
char *backend_bridge_name(const struct object *backend);
#define BRIDGE_NAME_MAX 21
/* The same into a buffer; NULL when the serial is too short. */
const char *bridge_name_of_serial(const char *serial, char ret[BRIDGE_NAME_MAX]);

/* What a namespace's device_path is in the kernel's terms when it goes by a bridge, "disk of FOLDER": whose name the worker finds that writes it.
 * FOLDER is the kfs path of the bridge's portal group. NULL out of memory; caller frees. */
#define DISK_OF "disk of "
char *bridge_disk_of(const char *bridge_name);

#endif
