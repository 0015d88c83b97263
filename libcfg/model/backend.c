/* SPDX-License-Identifier: Apache-2.0 */
/* Which way out a backend takes, and what follows from its type. */
#include "model/backend.h"

#include "base/text.h"

static const struct { const char *type, *plugin; } plugins[] = {
	{ "block", "iblock" }, { "file", "fileio" }, { "ramdisk", "rd_mcp" }, { "scsi", "pscsi" }, { "user", "user" },
};

const char *backend_plugin(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(plugins); i++)
		if (streq(plugins[i].type, type))
			return plugins[i].plugin;
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
	attr_foreach(row, KIND_BACKEND) {
		const char *v = object_get_row(backend, row);

		if (v && row->file && !is_of_both_ways(row) && !streq_ptr(v, row->dflt))
			return row;
	}
	return NULL;
}

static bool has_user(const struct tree *t, const struct object *backend, enum kind kind)
{
	struct users u = tree_users(t, KIND_BACKEND, backend->name);

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i]->kind == kind)
			return true;
	return false;
}

bool backend_is_shared(const struct tree *t, const struct object *backend)
{
	const char *type = object_get(backend, "type"), *way = object_get(backend, "data_path");

	if (streq_ptr(way, "shared") || (type && !streq(type, "block") && !streq(type, "file")))
		return true;
	if (streq_ptr(way, "direct"))
		return false;
	return object_count(backend, KIND_ALUA_GROUP) || has_user(t, backend, KIND_LUN) || backend_forced_by(backend);
}

bool backend_has_bridge(const struct tree *t, const struct object *backend)
{
	return backend_is_shared(t, backend) && has_user(t, backend, KIND_NAMESPACE);
}

/* ---- names in the kernel ---- */

#define BRIDGE_DIGITS 15

char *bridge_name_of_serial(const char *serial)
{
	char digits[BRIDGE_DIGITS + 1];
	size_t n = 0;

	for (const char *c = serial; *c && n < BRIDGE_DIGITS; c++)
		if (strchr("0123456789abcdef", *c))
			digits[n++] = *c;
	digits[n] = 0;
	return n == BRIDGE_DIGITS ? strf("naa.3%s", digits) : NULL;
}

char *backend_bridge_name(const struct object *backend)
{
	const char *serial = object_get(backend, "vpd_unit_serial");

	return serial ? bridge_name_of_serial(serial) : NULL;
}
