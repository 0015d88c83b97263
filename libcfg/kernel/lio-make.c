/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that make objects of the SCSI target, in the kernel's order (kernel-abi 8). Keys beside those of planner.c:
 *	+target			the SCSI target is loaded, and the folders that it keeps its files in are there
 *	+module:NAME		another module of it is
 *	+maps:BACKEND		a LUN or mapped LUN of the backend: with it restored registrations come into force
 *	+disk of FOLDER		a bridge's disk is there
 */
#include <errno.h>

#include "base/text.h"
#include "kernel/lio.h"
#include "model/address.h"
#include "model/backend.h"
#include "model/fabric.h"

/* Once a plan: without its folders a registration fails, and is in force all the same (kernel-abi, trap 22). */
static int load_core(struct planner *p)
{
	struct step *s;
	int r;

	if (map_get(p->loaded, "target_core_mod"))
		return 0;
	s = plan_step(p->plan, PHASE_BUILD, "target", "load");
	r = s ? map_put(p->loaded, "target_core_mod", p) : -ENOMEM;
	if (r >= 0)
		r = step_gives(s, "+target");
	if (r >= 0)
		r = step_op(s, OP_LOAD_MODULE, 0, "target_core_mod", NULL, NULL);
	return r < 0 ? r : step_op(s, OP_MAKE_DBROOT, 0, "target/dbroot", NULL, "dbroot");
}

/* What storage objects of the type are made by. The kernel itself asks for these modules once, when the first storage object is made, and never
 * again. Once a plan, for the first object of the type. */
static int load_plugin(struct planner *p, const char *path, const char *module)
{
	struct step *s;
	int r;

	if (map_get(p->loaded, module))
		return 0;
	s = plan_step(p->plan, PHASE_BUILD, path, "load what makes it");
	r = s ? map_put(p->loaded, module, p) : -ENOMEM;
	if (r >= 0)
		r = step_after(s, "+target");
	if (r >= 0)
		r = step_gives(s, "+module:%s", module);
	return r < 0 ? r : step_op(s, OP_LOAD_MODULE, 0, module, NULL, "type");
}

static int write_fresh(struct planner *p, struct step *s, const char *folder, const struct object *target, const char *but)
{
	attr_foreach(row, target->kind)
		if (lio_is_fresh(p, target, row) && !streq_ptr(but, row->name) &&
		    step_write_row(s, folder, row, object_get_row(target, row), streq(row->name, "enable") ? OP_CHECK_BACK : 0) < 0)
			return -ENOMEM;
	return 0;
}

/* ---- storage objects ---- */

static int control(struct step *s, const char *folder, const char *attr, const char *key, const char *value)
{
	_cleanup_free_ char *path = strf("%s/control", folder), *text = strf("%s=%s", key, value);

	return path && text ? step_op(s, OP_WRITE, OP_NEWLINE, path, text, attr) : -ENOMEM;
}

/* The control file swallows what it does not understand: that it did, what people are told shows. */
static int expect(struct step *s, const char *folder, const char *attr, const char *from, const char *value, const char *to)
{
	_cleanup_free_ char *path = strf("%s/info", folder), *text = strf("%s%s%s", from, value, to);

	return path && text ? step_op(s, OP_EXPECT, 0, path, text, attr) : -ENOMEM;
}

static int control_block(struct step *s, const char *folder, const struct object *b)
{
	return control(s, folder, "device", "udev_path", object_get(b, "device"));
}

static int control_file(struct step *s, const char *folder, const struct object *b)
{
	int r = control(s, folder, "path", "fd_dev_name", object_get(b, "path"));

	if (r >= 0)
		r = step_op(s, OP_WRITE_FILE_SIZE, 0, folder, object_get(b, "path"), "size");
	return r < 0 || !object_is_on(b, "buffered_io") ? r : control(s, folder, "buffered_io", "fd_buffered_io", "1");
}

#define RAMDISK_PAGE 4096

static int control_ramdisk(struct step *s, const char *folder, const struct object *b)
{
	_cleanup_free_ char *pages = NULL;
	uint64_t size = 0;
	int r;

	if (text_to_u64(object_get(b, "size") ? object_get(b, "size") : "0", &size) >= 0)
		pages = strf("%llu", (unsigned long long)(size / RAMDISK_PAGE));
	r = pages ? control(s, folder, "size", "rd_pages", pages) : -ENOMEM;
	return r < 0 || !object_is_on(b, "nullio") ? r : control(s, folder, "nullio", "rd_nullio", "1");
}

static int control_user(struct step *s, const char *folder, const struct object *b)
{
	int r = control(s, folder, "size", "dev_size", object_get(b, "size"));

	/* nl_reply_supported among them, whose default is ours and not the kernel's: whether a program answers or not, nothing waits for it
	 * for ever (kernel-abi, trap 5). */
	attr_foreach(row, KIND_BACKEND)
		if (r >= 0 && row->flags & ATTR_CONTROL && object_effective(b, row))
			r = control(s, folder, row->name, strrchr(row->file, '/') + 1, object_effective(b, row));
	return r < 0 || !object_get(b, "dev_config") ? r : control(s, folder, "dev_config", "dev_config", object_get(b, "dev_config"));
}

static int write_control(struct step *s, const char *folder, const struct object *b)
{
	const char *type = object_get(b, "type");

	if (streq(type, "block"))
		return control_block(s, folder, b);
	if (streq(type, "file"))
		return control_file(s, folder, b);
	if (streq(type, "ramdisk"))
		return control_ramdisk(s, folder, b);
	if (streq(type, "user"))
		return control_user(s, folder, b);
	return step_op(s, OP_WRITE_HCTL, 0, folder, object_get(b, "device"), "device");
}

static int expect_control(struct step *s, const char *folder, const struct object *b)
{
	if (object_get(b, "device") && streq(object_get(b, "type"), "block"))
		return expect(s, folder, "device", "UDEV PATH: ", object_get(b, "device"), "  readonly");
	if (object_get(b, "path"))
		return expect(s, folder, "path", "File: ", object_get(b, "path"), "  Size: ");
	attr_foreach(row, KIND_BACKEND) {
		const char *value = row->flags & ATTR_CONTROL ? object_effective(b, row) : NULL;
		_cleanup_free_ char *file = value ? strf("%s/%s", folder, row->file) : NULL;

		if (value && (!file || step_op(s, OP_EXPECT, 0, file, value, row->name) < 0))
			return -ENOMEM;
	}
	return object_get(b, "dev_config") ? expect(s, folder, "dev_config", "Config: ", object_get(b, "dev_config"), " Size: ") : 0;
}

static int make_storage(struct planner *p, const char *path, const struct object *target)
{
	_cleanup_free_ char *folder = lio_folder(p, path), *hba = folder ? strdup(folder) : NULL;
	const char *device = object_get(target, "device") ? object_get(target, "device") : object_get(target, "path");
	const char *lu_group = object_get(target, "lu_group"), *module = backend_module(object_get(target, "type"));
	struct step *s = folder ? lio_step(p, PHASE_BUILD, path, "make", true) : NULL;
	int r = s && hba ? load_core(p) : -ENOMEM;

	if (r >= 0)
		r = step_after(s, "+target");
	if (r >= 0 && module)
		r = load_plugin(p, path, module);
	if (r >= 0 && module)
		r = step_after(s, "+module:%s", module);
	if (r >= 0 && lu_group)
		r = step_after(s, "+lu_groups/%s", lu_group);
	if (r >= 0 && device && !streq(object_get(target, "type"), "scsi"))
		r = planner_probe_step(p, path, device, target);
	if (r >= 0)
		r = step_after(s, "probed:%s", path);
	if (r < 0)
		return r;
	*strrchr(hba, '/') = 0;
	r = step_op(s, OP_MKDIR, OP_MAY_EXIST, hba, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	if (r >= 0)
		r = write_control(s, folder, target);
	if (r >= 0)
		r = write_fresh(p, s, folder, target, NULL);
	/* Both ways out of a file show the same blocks: nvmet by itself takes those of its file system. */
	if (r >= 0 && streq(object_get(target, "type"), "file") && !lio_is_fresh(p, target, attr_find(KIND_BACKEND, "block_size")))
		r = step_op(s, OP_WRITE_BLOCK_SIZE, 0, folder, object_get(target, "path"), "block_size");
	if (r >= 0)
		r = expect_control(s, folder, target);
	return r < 0 ? r : step_op(s, OP_RESTORE_REGISTRATIONS, 0, folder, object_get(target, "vpd_unit_serial"), NULL);
}

static void add_path_line(struct strbuf *b, const struct object *o)
{
	_cleanup_free_ char *path = object_path(o);

	strbuf_add(b, "\n");
	strbuf_add(b, path ? path : "");
	b->failed |= !path;
}

/* A portal group that has the backend as a LUN, and the mapped LUNs that it is meant to have; but for one that lets in whoever comes. */
static void add_who_is_let_in(struct strbuf *b, const struct object *tpg)
{
	if (object_is_on(tpg, "generate_node_acls"))
		return;
	add_path_line(b, tpg);
	for (size_t i = 0; i < object_count(tpg, KIND_ACL); i++) {
		const struct object *acl = object_nth(tpg, KIND_ACL, i);

		for (size_t k = 0; k < object_count(acl, KIND_MAPPED_LUN); k++)
			add_path_line(b, object_nth(acl, KIND_MAPPED_LUN, k));
	}
}

int lio_check_registrations(const struct planner *p, struct step *s, const char *backend)
{
	const struct object *b = backend ? lio_backend(p, backend) : NULL;
	_cleanup_free_ char *path = b ? strf("backends/%s", backend) : NULL, *folder = path ? lio_folder(p, path) : NULL;
	struct users users = tree_users(p->target, KIND_BACKEND, backend ? backend : "");
	_cleanup_strbuf_ struct strbuf value = { 0 };

	if (!b || !object_get(b, "vpd_unit_serial"))
		return 0;
	strbuf_add(&value, object_get(b, "vpd_unit_serial"));
	for (size_t i = 0; i < users.n; i++)
		if (users.items[i]->kind == KIND_LUN)
			add_who_is_let_in(&value, users.items[i]->parent);
	return folder && !value.failed ? step_op(s, OP_CHECK_REGISTRATIONS, 0, folder, value.s, NULL) : -ENOMEM;
}

/* ---- bridges ---- */

/* The kernel makes as many requests, of about 1.9 KiB, for each host that it makes from then on. */
static int set_queue(struct planner *p, struct step *s)
{
	_cleanup_free_ char *size = strf("%u", p->facts->bridge_queue);

	return size ? step_op(s, OP_TUNE, OP_MAY_BE_ABSENT, "tcm_loop/can_queue", size, NULL) : -ENOMEM;
}

/* Before the LUN is linked comes the nexus: without it no disk appears, then or later. */
static int make_bridge(struct planner *p, const char *path, const struct object *target)
{
	_cleanup_free_ char *folder = lio_folder(p, path), *tpgt = folder ? strf("%s/tpgt_1", folder) : NULL;
	_cleanup_free_ char *nexus = tpgt ? strf("%s/nexus", tpgt) : NULL, *lun = tpgt ? strf("%s/lun/lun_0", tpgt) : NULL;
	_cleanup_free_ char *link = lun ? strf("%s/disk", lun) : NULL, *storage = strf("target/core/%s", object_get(target, "storage"));
	struct step *s = link && nexus && storage ? lio_step(p, PHASE_BUILD, path, "make", true) : NULL;
	int r = s ? step_gives(s, "+" DISK_OF "%s", tpgt) : -ENOMEM;

	/* Where udev does not, nobody else loads what makes a disk of a SCSI device. */
	if (r >= 0)
		r = step_op(s, OP_LOAD_MODULE, 0, "sd_mod", NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_LOAD_MODULE, 0, fabric_find("loopback")->module, NULL, NULL);
	if (r >= 0)
		r = set_queue(p, s);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, OP_MAY_EXIST, "target/loopback", NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, OP_WITH_FOLDER, folder, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, tpgt, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_WRITE, OP_NEWLINE, nexus, strrchr(folder, '/') + 1, NULL);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, lun, NULL, NULL);
	if (r >= 0)
		r = step_op(s, OP_LINK, 0, link, storage, NULL);
	return r < 0 ? r : step_op(s, OP_WAIT_DISK, 0, tpgt, "0", NULL);
}

/* ---- targets ---- */

int lio_enable_tpg(struct planner *p, const char *path, const struct object *target)
{
	const struct attr_row *row = attr_find(KIND_TPG, "enable");
	_cleanup_free_ char *folder = lio_folder(p, path);
	const struct object *wanted = tree_find(p->target, path);
	struct step *s = folder ? plan_step(p->plan, PHASE_SWITCH, path, "enable") : NULL;
	int r = s ? step_after(s, "+%s", path) : -ENOMEM;

	if (s)
		s->brief = true;
	if (r >= 0)
		r = step_after(s, "=%s", path);
	if (r >= 0)
		r = step_after(s, "+%s/*", path);
	if (r >= 0)
		r = step_gives(s, "+enabled:%s", path);
	/* In demo mode a registration comes into force when its initiator logs in. */
	for (size_t i = 0; r >= 0 && wanted && !object_is_on(target, "generate_node_acls") && i < object_count(wanted, KIND_LUN); i++) {
		const char *backend = object_get(object_nth(wanted, KIND_LUN, i), "backend");

		r = backend ? step_after(s, "+maps:%s", backend) : 0;
		if (r >= 0)
			r = lio_check_registrations(p, s, backend);
	}
	return r < 0 ? r : step_write_row(s, folder, row, "1", OP_CHECK_BACK);
}

static int make_tpg(struct planner *p, const char *path, const struct object *target)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	struct step *s = folder ? lio_step(p, PHASE_BUILD, path, "make", true) : NULL;
	int r = s ? step_after_resources(s, target) : -ENOMEM;

	if (s)
		s->brief = true;
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	if (r >= 0)
		r = write_fresh(p, s, folder, target, "enable");
	return r < 0 || !lio_is_fresh(p, target, attr_find(KIND_TPG, "enable")) ? r : lio_enable_tpg(p, path, target);
}

static enum phase phase_below(const struct planner *p, const char *path)
{
	_cleanup_free_ char *tpg = lio_tpg_of(path);

	return tpg && lio_is_live(p, tpg) ? PHASE_SWITCH : PHASE_BUILD;
}

static int link_to(struct step *s, const char *folder, const struct object *target, const char *far)
{
	_cleanup_free_ char *link = strf("%s/%s", folder, object_get(target, "link"));
	const struct attr_row *row = attr_find(target->kind, target->kind == KIND_LUN ? "backend" : "lun");

	return link ? step_op(s, OP_LINK, 0, link, far, row->name) : -ENOMEM;
}

static int make_lun(struct planner *p, const char *path, const struct object *target)
{
	const char *backend = object_get(target, "backend"), *group = object_get(target, "alua_group");
	_cleanup_free_ char *folder = lio_folder(p, path), *far = strf("backends/%s", backend), *storage = far ? lio_folder(p, far) : NULL;
	const struct object *known = lio_backend(p, backend);
	struct step *s;
	int r;

	if (!storage && known && object_get(known, "storage_object"))
		return cfg_error_oom(p->err);
	if (!storage)
		return far ? cfg_error_set_at(p->err, ENOENT, path, "backend", "names %s, of which nobody knows where it stands in the kernel",
					      backend) : -ENOMEM;
	s = folder ? lio_step(p, phase_below(p, path), path, "make", true) : NULL;
	if (s)
		s->brief = true;
	r = s ? step_after(s, "+%s", far) : -ENOMEM;
	if (r >= 0)
		r = step_after(s, "=%s", far);
	if (r >= 0 && group)
		r = step_after(s, "+%s/alua_groups/%s", far, group);
	if (r >= 0)
		r = step_gives(s, "+maps:%s", backend);
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	if (r >= 0)
		r = link_to(s, folder, target, storage);
	return r < 0 ? r : write_fresh(p, s, folder, target, NULL);
}

/* Write protection can only be set once it is linked (kernel-abi 5). */
static int make_mapped_lun(struct planner *p, const char *path, const struct object *target)
{
	_cleanup_free_ char *folder = lio_folder(p, path), *tpg = lio_tpg_of(path), *lun = NULL, *far = NULL;
	const struct object *o;
	struct step *s;
	int r;

	lun = tpg ? strf("%s/luns/%s", tpg, object_get(target, "lun")) : NULL;
	far = lun ? lio_folder(p, lun) : NULL;
	s = folder && far ? lio_step(p, phase_below(p, path), path, "make", true) : NULL;
	if (s)
		s->brief = true;
	r = s ? step_after(s, "+%s", lun) : -ENOMEM;
	o = r >= 0 ? tree_find(p->target, lun) : NULL;
	if (r >= 0 && !o)
		o = tree_find(p->wanted, lun);
	if (r >= 0 && o && object_get(o, "backend"))
		r = step_gives(s, "+maps:%s", object_get(o, "backend"));
	if (r >= 0)
		r = step_op(s, OP_MKDIR, 0, folder, NULL, NULL);
	if (r >= 0)
		r = link_to(s, folder, target, far);
	return r < 0 ? r : write_fresh(p, s, folder, target, NULL);
}

/* The kernel listens on an address that no interface has, and hears of it once one has. */
static int look_for_address(struct step *s, const char *portal)
{
	char text[IP_TEXT_MAX];
	struct ip_address address;
	const char *port;

	return portal_parse(portal, text, &address, &port) ? step_op(s, OP_HAS_ADDRESS, 0, "", text, NULL) : 0;
}

static int make_plain(struct planner *p, const char *path, const struct object *target)
{
	_cleanup_free_ char *folder = lio_folder(p, path);
	bool top = target->kind == KIND_FABRIC || target->kind == KIND_LU_GROUP;
	struct step *s = folder ? lio_step(p, phase_below(p, path), path, "make", true) : NULL;
	int r = s ? step_after_resources(s, target) : -ENOMEM;

	if (s)
		s->brief = !top;
	if (r >= 0 && top)
		r = load_core(p);
	if (r >= 0 && top)
		r = step_after(s, "+target");
	if (r >= 0 && target->kind == KIND_FABRIC)
		r = step_op(s, OP_LOAD_MODULE, 0, fabric_find(target->name)->module, NULL, NULL);
	/* The daemon's bridges stand in the folder of the loopback fabric, too. */
	if (r >= 0)
		r = step_op(s, OP_MKDIR, target->kind == KIND_FABRIC ? OP_MAY_EXIST : 0, folder, NULL, NULL);
	if (r >= 0 && target->kind == KIND_PORTAL)
		r = look_for_address(s, target->name);
	return r < 0 ? r : write_fresh(p, s, folder, target, NULL);
}

int lio_make_object(struct planner *p, const char *path, const struct object *target)
{
	switch (target->kind) {
	case KIND_BACKEND:
		return make_storage(p, path, target);
	case KIND_BRIDGE:
		return make_bridge(p, path, target);
	case KIND_TPG:
		return make_tpg(p, path, target);
	case KIND_LUN:
		return make_lun(p, path, target);
	case KIND_MAPPED_LUN:
		return make_mapped_lun(p, path, target);
	default:
		return make_plain(p, path, target);
	}
}
