/* SPDX-License-Identifier: Apache-2.0 */
/* Which way out a backend takes, and what follows from its type. */
#include "model/backend.h"

#include "base/text.h"

static const struct { const char *type, *plugin, *module; } plugins[] = {
	{ "block", "iblock", "target_core_iblock" }, { "file", "fileio", "target_core_file" }, { "ramdisk", "rd_mcp" },
	{ "scsi", "pscsi", "target_core_pscsi" }, { "user", "user", "target_core_user" },
};

const char *backend_plugin(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(plugins); i++)
		if (streq(plugins[i].type, type))
			return plugins[i].plugin;
	return NULL;
}

const char *backend_module(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(plugins); i++)
		if (streq(plugins[i].type, type))
			return plugins[i].module;
	return NULL;
}

const char *backend_type_of_plugin(const char *plugin, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(plugins); i++)
		if (strlen(plugins[i].plugin) == len && strncmp(plugins[i].plugin, plugin, len) == 0)
			return plugins[i].type;
	return NULL;
}

/* ---- ways out ---- */

/* Identity is the same on both ways; what nvmet opens, and how, are control keys as well. */
static bool is_of_both_ways(const struct attr_row *row)
{
	return row->source == ATTR_GENERATED || row->flags & ATTR_CONTROL;
}

const struct attr_row *backend_forced_by(const struct object *backend)
{
	const struct attr_row *row;
	size_t at = 0;

	while ((row = object_next_row(backend, backend, &at)))
		if (row->file && !is_of_both_ways(row) && !streq_ptr(object_get_row(backend, row), row->dflt))
			break;
	return row;
}

static bool has_user(const struct tree *t, const struct object *backend, enum kind kind)
{
	struct users u = tree_users(t, KIND_BACKEND, backend->name);

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i]->kind == kind)
			return true;
	return false;
}

bool backend_is_controller(const struct object *backend)
{
	return streq_ptr(object_get(backend, "type"), "nvme-passthru");
}

bool backend_asks_for_sharing(const struct object *backend)
{
	const char *type = object_get(backend, "type"), *way = object_get(backend, "data_path");

	if (backend_is_controller(backend))
		return false;
	if (streq_ptr(way, "shared") || (type && !streq(type, "block") && !streq(type, "file")))
		return true;
	return !streq_ptr(way, "direct") && backend_forced_by(backend);
}

bool backend_is_shared(const struct tree *t, const struct object *backend)
{
	return backend_asks_for_sharing(backend) ||
	       (!backend_is_controller(backend) && !streq_ptr(object_get(backend, "data_path"), "direct") && has_user(t, backend, KIND_LUN));
}

bool backend_has_bridge(const struct tree *t, const struct object *backend)
{
	return backend_is_shared(t, backend) && has_user(t, backend, KIND_NAMESPACE);
}

/* ---- names in the kernel ---- */

/* FNV-1a, cut to what looks like a number that nobody would choose by hand. */
unsigned backend_folder_number(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash & 0xfffffff;
}

#define NAA_LOCAL "naa.3"

const char *bridge_name_of_serial(const char *serial, char ret[BRIDGE_NAME_MAX])
{
	size_t n = strlen(NAA_LOCAL);

	memcpy(ret, NAA_LOCAL, n);
	for (const char *c = serial; *c && n < BRIDGE_NAME_MAX - 1; c++)
		if (strchr("0123456789abcdefABCDEF", *c))
			ret[n++] = text_lower(*c);
	ret[n] = 0;
	return n == BRIDGE_NAME_MAX - 1 ? ret : NULL;
}

char *backend_bridge_name(const struct object *backend)
{
	const char *serial = object_get(backend, "vpd_unit_serial");
	char name[BRIDGE_NAME_MAX];

	return serial && bridge_name_of_serial(serial, name) ? strdup(name) : NULL;
}

char *bridge_disk_of(const char *bridge_name)
{
	return strf(DISK_OF "target/loopback/%s/tpgt_1", bridge_name);
}
