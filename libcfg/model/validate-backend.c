/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules on backends, on their two ways out, and on what belongs to a storage object of the SCSI target: ALUA groups, LU groups. The kernel
 * refuses little of this: its control file takes what it does not understand for nothing, and it lets one device be written by two who do
 * not know of each other.
 */
#include <errno.h>

#include "base/text.h"
#include "model/access.h"
#include "model/backend.h"
#include "model/keys.h"
#include "model/validate-private.h"

#define RAMDISK_PAGE 4096
#define SMALLEST_BLOCK 512
#define CONTROL_NAME_MAX 255	/* bytes of a file's name that the control file keeps */

/* ---- who exports it ---- */

/* The first in order of their paths, and how many; caller frees the path. */
static size_t find_exporters(const struct tree *t, const struct object *backend, enum kind kind, char **ret_first, char **ret_second)
{
	struct users u = tree_users(t, KIND_BACKEND, backend->name);
	size_t n = 0;

	*ret_first = *ret_second = NULL;
	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = u.items[i]->kind == kind ? object_path(u.items[i]) : NULL;

		if (!path)
			continue;
		n++;
		if (!*ret_first || text_natural_cmp(path, *ret_first) < 0) {
			free(*ret_second);
			*ret_second = *ret_first;
			*ret_first = steal_ptr(path);
		} else if (!*ret_second || text_natural_cmp(path, *ret_second) < 0) {
			free(*ret_second);
			*ret_second = steal_ptr(path);
		}
	}
	return n;
}

char *why_shared(const struct tree *t, const struct object *backend)
{
	const struct attr_row *row = backend_forced_by(backend);
	const char *type = object_get(backend, "type");
	_cleanup_free_ char *lun = NULL, *other = NULL;

	if (type && !streq(type, "block") && !streq(type, "file"))
		return strf("its type is %s", type);
	if (find_exporters(t, backend, KIND_LUN, &lun, &other))
		return strf("%s exports it", lun);
	return row ? strf("%s is set", row->name) : strdup("data_path is shared");
}

/* The kernel would let two namespaces write to one device without knowing of each other. */
static void check_exporters(struct check *c)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	if (find_exporters(c->t, c->o, KIND_NAMESPACE, &first, &second) > 1)
		wrong(c, NULL, "is exported twice, by %s and %s; a device can stand behind one namespace", first, second);
}

/* The kernel serves a controller by the first that asks, and refuses it to the other when that is enabled. */
static void check_passers(struct check *c)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	if (find_exporters(c->t, c->o, KIND_SUBSYSTEM, &first, &second) > 1)
		wrong(c, NULL, "is passed on twice, by %s and %s; a controller can stand behind one subsystem", first, second);
}

static void check_direct(struct check *c)
{
	_cleanup_free_ char *why = NULL;

	if (!is_word(c->o, "data_path", "direct"))
		return;
	why = why_shared(c->t, c->o);
	if (why && !streq(why, "data_path is shared"))
		wrong(c, "data_path", "cannot be direct: %s, which takes the SCSI target", why);
}

/* ---- what it is made of ---- */

static void check_makeup(struct check *c)
{
	static const struct { const char *type, *attr; } needed[] = {
		{ "block", "device" }, { "scsi", "device" }, { "file", "path" }, { "ramdisk", "size" }, { "user", "size" },
		{ "user", "dev_config" }, { "nvme-passthru", "device" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (is_word(c->o, "type", needed[i].type) && !object_get(c->o, needed[i].attr))
			wrong(c, needed[i].attr, "is missing");
	if (is_word(c->o, "type", "file") && is_true(c->o, "create") && !object_get(c->o, "size"))
		wrong(c, "size", "is missing: a file that is made needs one");
}

static void check_sizes(struct check *c)
{
	int64_t size = number(c->o, "size"), block = number(c->o, "block_size"), pi = number(c->o, "pi_prot_type");

	if (is_word(c->o, "type", "ramdisk") && size % RAMDISK_PAGE)
		wrong(c, "size", "must be a multiple of %d, the pages that a ramdisk is made of", RAMDISK_PAGE);
	else if (size % SMALLEST_BLOCK)
		wrong(c, "size", "must be a multiple of %d, the smallest block", SMALLEST_BLOCK);
	else if (block >= SMALLEST_BLOCK && size % block)
		wrong(c, "size", "must be a multiple of block_size, which is %lld", (long long)block);
	if (object_get(c->o, "block_size") && block != 512 && block != 1024 && block != 2048 && block != 4096)
		wrong(c, "block_size", "must be 512, 1024, 2048 or 4096");
	if (pi == 2)
		wrong(c, "pi_prot_type", "must be 0, 1 or 3: the kernel has no type 2");
	if (is_word(c->o, "type", "block") && object_get(c->o, "emulate_write_cache") && is_true(c->o, "emulate_write_cache"))
		wrong(c, "emulate_write_cache", "cannot be set for a block device: the kernel tells what the disk has");
}

/* The kernel has nothing to give the pages of a ramdisk back. */
static void check_unmap(struct check *c)
{
	static const char *const attrs[] = { "emulate_tpu", "emulate_tpws", "unmap_zeroes_data" };

	for (size_t i = 0; is_word(c->o, "type", "ramdisk") && i < ARRAY_SIZE(attrs); i++)
		if (is_true(c->o, attrs[i]))
			wrong(c, attrs[i], "cannot be with type ramdisk, whose memory is not given back");
}

/* What the kernel takes without a word, and does not do. */
static void check_without_effect(struct check *c)
{
	static const char *const fixed[] = { "emulate_dpo", "emulate_fua_read" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (object_get(c->o, fixed[i]) && !is_true(c->o, fixed[i]))
			wrong(c, fixed[i], "must be true: the kernel takes false for nothing");
	if (object_get(c->o, "product_id") && is_true(c->o, "emulate_model_alias"))
		wrong(c, "product_id", "goes without emulate_model_alias, by which the backend's name is the product identification");
}

/* ---- in the SCSI target ---- */

static void check_control_text(struct check *c, const char *attr, size_t max)
{
	const char *value = object_get(c->o, attr);

	if (value && strchr(value, ','))
		wrong(c, attr, "must not hold a comma, with which the kernel's control file ends a value");
	if (value && strlen(value) > max)
		wrong(c, attr, "has %zu bytes; the SCSI target keeps %zu", strlen(value), max);
}

/* That the target by which its namespace reaches it can be made: none of somebody's, and no other backend's, is called so. */
static void check_bridge(struct check *c, const char *bridge)
{
	const struct object *loopback = object_child(tree_root(c->t), KIND_FABRIC, "loopback");
	struct users u;
	struct key k;

	if (loopback && object_child(loopback, KIND_TARGET, bridge))
		wrong(c, "vpd_unit_serial", "calls the disk of the namespace %s, as targets/loopback/%s is", bridge, bridge);
	u = tree_key_owners(c->t, key_of_bridge(&k, bridge));
	for (size_t i = 0; i < u.n; i++)
		if (u.items[i] != c->o && backend_has_bridge(c->t, u.items[i])) {
			wrong(c, "vpd_unit_serial", "begins with the same 15 hexadecimal digits as that of backends/%s, and the disks of their "
			      "namespaces are called by those", u.items[i]->name);
			return;
		}
}

static void check_serial(struct check *c)
{
	const char *serial = object_get(c->o, "vpd_unit_serial");
	_cleanup_free_ char *bridge = NULL;
	struct key k;
	struct users u;

	if (!serial)
		return;
	if (strchr(serial, '/'))
		wrong(c, "vpd_unit_serial", "must not hold a slash: the kernel names a file by it");
	bridge = backend_bridge_name(c->o);
	if (backend_has_bridge(c->t, c->o)) {
		if (bridge)
			check_bridge(c, bridge);
		else
			wrong(c, "vpd_unit_serial",
			      "must hold at least 15 hexadecimal digits in lower case, which name the disk of the namespace");
	}
	check_unique(c, "vpd_unit_serial", "serial");
	u = tree_key_owners(c->t, key_of_naa(&k, serial));
	for (size_t i = 0; i < u.n; i++)
		if (u.items[i] != c->o && !streq_ptr(object_get(u.items[i], "vpd_unit_serial"), serial) &&
		    backend_is_shared(c->t, u.items[i])) {
			wrong(c, "vpd_unit_serial",
			      "begins with the same 25 hexadecimal digits as that of backends/%s, and so would be one disk with it",
			      u.items[i]->name);
			return;
		}
}

static void check_storage_object(struct check *c)
{
	const char *storage = object_get(c->o, "storage_object"), *plugin = backend_plugin(object_get(c->o, "type"));
	size_t n = plugin ? strlen(plugin) : 0, digits;
	const char *number;

	if (!storage || !plugin)
		return;
	number = storage + n + 1;
	digits = strncmp(storage, plugin, n) == 0 && storage[n] == '_' ? strspn(number, "0123456789") : 0;
	/* 01 and 1 would be two folders of the kernel for one number. */
	if (!digits || digits > 9 || (*number == '0' && digits > 1) || number[digits] != '/' || !number[digits + 1] ||
	    number[digits + 1] == '.' || strchr(number + digits + 1, '/') || strchr(storage, ' '))
		wrong(c, "storage_object", "%s is none of type %s: %s_NUMBER/NAME", storage, object_get(c->o, "type"), plugin);
	check_unique(c, "storage_object", "storage");
}

/* ---- access states ---- */

/* The ANA group that is the backend's own must be nobody's who speaks of ANA groups by their numbers. */
static void check_ana_grpid(struct check *c)
{
	const char *number = object_get(c->o, "ana_grpid");
	_cleanup_free_ char *other = NULL;
	struct users u;
	struct key k;

	if (!number)
		return;
	check_unique(c, "ana_grpid", "ana_grpid");
	u = tree_key_owners(c->t, key_of_ana_group(&k, number));
	other = u.n ? object_path(u.items[0]) : NULL;
	if (other)
		wrong(c, "ana_grpid", "%s is chosen by %s as well, and would have to be the backend's alone", number, other);
}

static void check_access(struct check *c)
{
	check_ana_grpid(c);
	if (!object_get(c->o, "access_state"))
		return;
	if (!object_get(c->o, "ana_grpid") && !access_free_number(c->t))
		wrong(c, "access_state", "finds no ANA group number from 2 to 127 that is free; each backend with an access_state has one");
	if (object_get(c->o, "lu_group"))
		wrong(c, "access_state", "cannot be with lu_group: the kernel changes the states of its backends together, and ANA would not follow");
	if (is_word(c->o, "alua_support", "0"))
		wrong(c, "access_state", "cannot be with alua_support=false, without which LUNs have no state");
}

static void check_shared(struct check *c)
{
	_cleanup_free_ char *why = NULL;

	check_control_text(c, "device", CONTROL_NAME_MAX * 2 + 1);
	check_control_text(c, "path", CONTROL_NAME_MAX);
	check_control_text(c, "dev_config", CONTROL_NAME_MAX);
	check_serial(c);
	if (!is_word(c->o, "type", "block") || !is_true(c->o, "buffered_io"))
		return;
	why = why_shared(c->t, c->o);
	wrong(c, "buffered_io", "cannot be with the SCSI target, which writes to block devices directly; it is shared because %s",
	      why ? why : "of its attributes");
}

/* Of one that follows from the uuid, that is said already. */
static void check_nguid(struct check *c)
{
	_cleanup_free_ char *follows = NULL;

	if (object_follow(c->o, attr_find(KIND_BACKEND, "nguid"), &follows) >= 0 &&
	    !streq_ptr(follows, object_get(c->o, "nguid")))
		check_unique(c, "nguid", "nguid");
}

void check_backend(struct check *c)
{
	if (!object_get(c->o, "type"))
		return;
	check_makeup(c);
	check_sizes(c);
	check_unmap(c);
	check_without_effect(c);
	check_unique(c, "device", "device");
	check_unique(c, "path", "device");
	check_unique(c, "uuid", "uuid");
	check_nguid(c);
	check_exporters(c);
	check_passers(c);
	check_direct(c);
	check_storage_object(c);
	check_access(c);
	if (backend_is_shared(c->t, c->o))
		check_shared(c);
}

void check_no_controller(struct check *c, const struct object *backend)
{
	if (backend_is_controller(backend))
		wrong(c, "backend", "cannot be backends/%s, of type nvme-passthru: a subsystem passes all commands to that, and names it itself",
		      backend->name);
}

void check_no_backends_group(struct check *c, const char *attr, const char *number)
{
	struct key k;
	struct users u = number ? tree_key_owners(c->t, key_of_ana_grpid(&k, number)) : (struct users){ 0 };

	if (u.n)
		wrong(c, attr, "%s is the ana_grpid of backends/%s, which has this ANA group to itself", number, u.items[0]->name);
}

/* NVMe reservations live in nvmet alone: with SCSI behind or beside it, one side would believe to have the disk for itself. */
void check_namespace_on(struct check *c, const struct object *backend)
{
	_cleanup_free_ char *why = NULL;

	check_no_controller(c, backend);
	if (object_get(c->o, "ana_grpid") && object_get(backend, "access_state"))
		wrong(c, "ana_grpid", "cannot be with backends/%s, which has an access_state and with it an ANA group of its own", backend->name);
	else
		check_no_backends_group(c, "ana_grpid", object_get(c->o, "ana_grpid"));
	if (!is_true(c->o, "resv_enable") || !backend_is_shared(c->t, backend))
		return;
	why = why_shared(c->t, backend);
	wrong(c, "resv_enable",
	      "cannot be with backends/%s, which is shared (%s): NVMe reservations live in the NVMe target alone and never reach SCSI",
	      backend->name, why ? why : "of its attributes");
}

/* ---- ALUA ---- */

void check_lu_group(struct check *c)
{
	if (streq(c->o->name, "default_lu_gp"))
		wrong(c, NULL, "is what the kernel calls the group of backends that are in no other");
	check_unique(c, "lu_gp_id", "lu_gp_id");
}

static void check_supported(struct check *c)
{
	static const struct { const char *state, *support; } states[] = {
		{ "optimized", "alua_support_active_optimized" }, { "non-optimized", "alua_support_active_nonoptimized" },
		{ "standby", "alua_support_standby" }, { "unavailable", "alua_support_unavailable" },
		{ "lba-dependent", "alua_support_lba_dependent" }, { "offline", "alua_support_offline" },
		{ "transitioning", "alua_support_transitioning" },
	};
	const char *state = object_get(c->o, "access_state");

	for (size_t i = 0; state && i < ARRAY_SIZE(states); i++)
		if (streq(states[i].state, state) && !is_true(c->o, states[i].support))
			wrong(c, "access_state", "is %s, which %s says is not supported", state, states[i].support);
	if (state && (is_word(c->o, "alua_access_type", "none") || is_word(c->o, "alua_access_type", "explicit")))
		wrong(c, "access_state", "cannot be set with alua_access_type %s: only initiators change it then",
		      object_get(c->o, "alua_access_type"));
}

/* The names of the group that LUNs of the backend are in that are in no other. */
static void check_beside_own(struct check *c)
{
	const char *backend = c->o->parent->name;

	if (!object_get(c->o->parent, "access_state"))
		return;
	if (streq(c->o->name, ACCESS_GROUP))
		wrong(c, NULL, "is what the ALUA group is called that the access_state of backends/%s makes", backend);
	if (is_word(c->o, "tg_pt_gp_id", ACCESS_GROUP_ID))
		wrong(c, "tg_pt_gp_id", "%s is that of the ALUA group that the access_state of backends/%s makes", ACCESS_GROUP_ID, backend);
}

static void check_group_ports(struct check *c)
{
	const struct attr_row *row = attr_find(KIND_ALUA_GROUP, "ports");
	char *const *ports = object_get_list(c->o, row);
	const struct object *backend = c->o->parent;

	if (!ports)
		return;
	if (!object_get(backend, "access_state"))
		wrong(c, "ports", "goes with an access_state of backends/%s, which holds at the ports that are in no group", backend->name);
	if (!access_state_to_ana(object_effective(c->o, attr_find(KIND_ALUA_GROUP, "access_state"))))
		wrong(c, "access_state", "is %s, which NVMe does not have, and the group has ports", object_get(c->o, "access_state"));
	for (size_t i = 0; i < object_count(backend, KIND_ALUA_GROUP); i++) {
		const struct object *other = object_nth(backend, KIND_ALUA_GROUP, i);

		for (char *const *p = ports; other != c->o && *p; p++)
			if (strv_contains(object_get_list(other, row), *p))
				wrong(c, "ports", "%s is in alua_groups/%s too; a port is in one group", *p, other->name);
	}
}

void check_alua_group(struct check *c)
{
	const struct object *backend = c->o->parent;
	const char *id = object_get(c->o, "tg_pt_gp_id");

	if (streq(c->o->name, "default_tg_pt_gp"))
		wrong(c, NULL, "is what the kernel calls the group of LUNs that are in no other");
	if (is_word(backend, "type", "scsi"))
		wrong(c, NULL, "cannot be of type scsi: ALUA is passed on to the device");
	if (backend_is_controller(backend))
		wrong(c, NULL, "cannot be of type nvme-passthru: there is no SCSI to it");
	for (size_t i = 0; id && i < object_count(backend, KIND_ALUA_GROUP); i++) {
		const struct object *other = object_nth(backend, KIND_ALUA_GROUP, i);

		if (other != c->o && streq_ptr(object_get(other, "tg_pt_gp_id"), id))
			wrong(c, "tg_pt_gp_id", "%s is that of backends/%s/alua_groups/%s too", id, backend->name, other->name);
	}
	check_supported(c);
	check_beside_own(c);
	check_group_ports(c);
}
