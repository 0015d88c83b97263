/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all fabrics have: targets, portal groups, LUNs, ACLs, mapped LUNs, and what links between them do (kernel-abi 5, 6;
 * drivers/target/target_core_fabric_configfs.c, target_core_tpg.c). Only what fabrics allow for names differs.
 */
#include <ctype.h>

#include "tests/fake-kernel/lio.h"

#define ON_ENABLED (ON_ISCSI | ON_QLA2XXX | ON_SRPT | ON_SBP)	/* whose portal groups are enabled */
#define ISCSI_NAME_LEN 223
#define NAME_LEN 255
#define CPUS 2

/* ---- names ---- */

static int check_iscsi(struct fake *f, const struct node *fabric, const char *name)
{
	return strlen(name) > ISCSI_NAME_LEN ? -EINVAL : 0;
}

/* A name of the fabric that is played. */
static int check_played(struct fake *f, const struct node *fabric, const char *name)
{
	return strstr(name, "naa.") || strstr(name, "fc.") || strstr(name, "iqn.") ? 0 : -EINVAL;
}

/* A port that the machine has. */
static int check_port(struct fake *f, const struct node *fabric, const char *name)
{
	_cleanup_free_ char *port = fmt("%s %s", fabric->name, name);

	return strv_contains(f->hardware, port) ? 0 : -EINVAL;
}

/* Eight bytes in hexadecimal, with colons between them or without. */
static int check_bytes(const char *name, bool colons)
{
	for (size_t i = 0; i < 8; i++) {
		if (!isxdigit((unsigned char)name[0]) || !isxdigit((unsigned char)name[1]))
			return -EINVAL;
		name += 2;
		if (colons && i < 7 && *name++ != ':')
			return -EINVAL;
	}
	return *name ? -EINVAL : 0;
}

static int check_wwpn(struct fake *f, const struct node *fabric, const char *name)
{
	return check_bytes(name, true);
}

static int check_guid(struct fake *f, const struct node *fabric, const char *name)
{
	return check_bytes(name, false);
}

static const struct fabric {
	unsigned only;
	const char *name, *title, *module;
	bool autoload;
	int (*check)(struct fake *f, const struct node *fabric, const char *name);	/* a target's name */
	uint64_t tag_min, tag_max;
	int (*check_acl)(struct fake *f, const struct node *fabric, const char *name);	/* NULL: any */
} fabrics[] = {
	{ ON_ISCSI, "iscsi", "iSCSI", "iscsi_target_mod", true, check_iscsi, 0, UINT16_MAX },
	{ ON_LOOPBACK, "loopback", "loopback", "tcm_loop", true, check_played, 0, 31 },
	{ ON_VHOST, "vhost", "vhost", "vhost_scsi", false, check_played, 0, 255 },
	{ ON_XEN, "xen-pvscsi", "xen-pvscsi", "xen_scsiback", false, check_played, 0, UINT16_MAX },
	{ ON_QLA2XXX, "qla2xxx", "qla2xxx", "tcm_qla2xxx", false, check_port, 1, 1, check_wwpn },
	{ ON_SRPT, "srpt", "srpt", "ib_srpt", false, check_port, 0, UINT64_MAX },
	{ ON_FC, "fc", "fc", "tcm_fc", false, check_wwpn, 1, 1, check_wwpn },
	{ ON_SBP, "sbp", "sbp", "sbp_target", false, check_guid, 0, UINT16_MAX, check_guid },
};

static const struct fabric *find_fabric(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fabrics); i++)
		if (streq(fabrics[i].name, name))
			return &fabrics[i];
	return NULL;
}

unsigned lio_fabric_only(const char *name)
{
	const struct fabric *fabric = find_fabric(name);

	return fabric ? fabric->only : 0;
}

const char *lio_fabric_title(const struct node *n)
{
	return find_fabric(lio_up(n, LIO_FABRIC)->name)->title;
}

/* ---- making ---- */

int lio_make_fabric(struct fake *f, struct node *folder, const char *name)
{
	const struct fabric *fabric = find_fabric(name);

	if (!fabric)
		return -EINVAL;
	if (fabric->autoload)
		machine_load_module(f, fabric->module);
	if (!strv_contains(f->modules, fabric->module))
		return -EINVAL;
	lio_item(f, folder, name, LIO_FABRIC);
	return 0;
}

/* Whatever is wrong, it is EINVAL. */
static int check_tag(const struct fabric *fabric, const struct node *target, const char *name)
{
	uint64_t tag;

	if (lio_parse_number(name, "tpgt_", UINT64_MAX, &tag) < 0 || tag < fabric->tag_min || tag > fabric->tag_max)
		return -EINVAL;
	/* A unit on the bus has one. */
	for (const struct node *n = target->first; streq(fabric->name, "sbp") && n; n = n->next)
		if (n->kind == LIO_TPG)
			return -EINVAL;
	return 0;
}

static void made(struct fake *f, struct node *n)
{
	const struct node *tpg = lio_up(n, LIO_TPG), *depth = node_attr(n, "cmdsn_depth");

	if (n->only == ON_LOOPBACK && n->kind == LIO_TARGET)
		lio_loop_init(f, n);
	else if (n->only == ON_LOOPBACK && n->kind == LIO_TPG)
		lio_loop_made_tpg(n);
	else if (n->kind == LIO_ACL && depth)
		node_set(node_attr(n, "cmdsn_depth"), node_text(tpg, "attrib/default_cmdsn_depth"));
	else if (n->only == ON_FC && n->kind == LIO_ACL)
		node_set(node_attr(n, "port_name"), n->name);
}

int lio_make_in_fabric(struct fake *f, struct node *folder, const char *name)
{
	const struct node *at = lio_up(folder, LIO_FABRIC);
	const struct fabric *fabric = find_fabric(at->name);
	uint64_t n;
	int r = 0;

	switch (folder->makes) {
	case LIO_TARGET:
		r = strlen(name) > NAME_LEN ? -EINVAL : fabric->check(f, at, name);
		break;
	case LIO_TPG:
		r = check_tag(fabric, folder, name);
		break;
	case LIO_LUN:
	case LIO_MAPPED_LUN:
		r = lio_parse_number(name, "lun_", UINT64_MAX, &n);
		break;
	case LIO_ACL:
		r = fabric->check_acl ? fabric->check_acl(f, at, name) : 0;
		break;
	case LIO_PORTAL:
		return at->only == ON_ISCSI ? lio_make_portal(f, folder, name) : -ENOSYS;
	}
	if (r >= 0)
		made(f, lio_item(f, folder, name, folder->makes));
	return r;
}

void lio_release_in_fabric(struct fake *f, struct node *item)
{
	if (item->kind == LIO_PORTAL)
		lio_release_portal(f, item);
	else if (item->kind == LIO_TPG && item->only == ON_LOOPBACK)
		lio_loop_release_tpg(item);
}

/* ---- links ---- */

/* A mapped LUN is in force while it has a value for its write protection. */
static struct node *protection(const struct node *mapped_lun)
{
	return node_attr(mapped_lun, "write_protect");
}

static void kill_mapped(struct fake *f, struct node *mapped_lun, const struct node *lun, const struct node *storage)
{
	struct node *attr = protection(mapped_lun);

	if (attr->value && storage)
		lio_drop_registrations(f, mapped_lun, lun, storage);
	free(steal_ptr(attr->value));
}

static int link_lun(struct fake *f, struct node *lun, struct node *storage)
{
	if (storage->kind != LIO_STORAGE)
		return -EFAULT;
	if (!lio_device(storage)->enabled)
		return -ENODEV;
	if (lio_leads_to(lun))
		return -EEXIST;
	lun->group = lio_default_group(f, storage);
	if (lun->only == ON_LOOPBACK)
		lio_loop_linked(f, lun, storage);
	return 0;
}

static int link_mapped(struct fake *f, struct node *mapped_lun, struct node *lun)
{
	const struct node *tpg = lio_up(mapped_lun, LIO_TPG);

	if (lun->kind != LIO_LUN)
		return -EFAULT;
	if (lio_up(lun, LIO_TPG) != tpg || !lio_leads_to(lun) || protection(mapped_lun)->value)
		return -EINVAL;
	node_set(protection(mapped_lun), lio_is_on(tpg, "attrib/prod_mode_write_protect") ? "1" : "0");
	lio_activate_registrations(f, mapped_lun, lun);
	return 0;
}

int lio_allow_link(struct fake *f, struct node *folder, struct node *target)
{
	return folder->kind == LIO_LUN ? link_lun(f, folder, target) : link_mapped(f, folder, target);
}

void lio_drop_link(struct fake *f, struct node *folder, struct node *target)
{
	struct node *tpg = lio_up(folder, LIO_TPG);

	if (folder->kind == LIO_MAPPED_LUN) {
		kill_mapped(f, folder, target, lio_leads_to(target));
		return;
	}
	/* Links to it stay, and lead to nothing from now on. */
	for (struct node *n = tpg; n; n = node_next(tpg, n))
		if (n->kind == LIO_MAPPED_LUN && n->type == KFS_DIR && lio_leads_to(n) == folder)
			kill_mapped(f, n, folder, target);
	folder->group = NULL;
	if (folder->only == ON_LOOPBACK)
		lio_loop_unlinked(f, folder);
}

/* ---- portal groups ---- */

static bool is_enabled(const struct node *tpg)
{
	return lio_is_on(tpg, "enable");
}

static uint64_t number_of(const struct node *attr)
{
	uint64_t n = 0;

	if (attr && attr->value)
		kernel_u64(attr->value, UINT16_MAX, &n);
	return n;
}

static bool is_taken(struct fake *f, uint64_t port)
{
	for (const struct node *n = f->target; n; n = node_next(f->target, n))
		if (n->kind == LIO_TPG && n->type == KFS_DIR && is_enabled(n) && number_of(node_attr(n, "rtpi")) == port)
			return true;
	return false;
}

static void set_port(struct node *attr, uint64_t port)
{
	_cleanup_free_ char *text = fmt("0x%llx", (unsigned long long)port);

	node_set(attr, text);
}

static int store_rtpi(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;
	int r = kernel_u64(page, UINT16_MAX, &n);

	if (r < 0)
		return r;
	if (!n || is_enabled(node_item(attr)))
		return -EINVAL;
	set_port(attr, n);
	attr->asked = true;
	return 0;
}

/* The one that was asked for, else the next. */
static int give_port(struct fake *f, struct node *attr)
{
	uint64_t port = attr->asked ? number_of(attr) : 0;

	if (port)
		return is_taken(f, port) ? -EINVAL : 0;
	do
		port = f->relative_ports++ % UINT16_MAX + 1;
	while (is_taken(f, port));
	set_port(attr, port);
	return 0;
}

static bool has_lun(const struct node *tpg)
{
	for (const struct node *n = tpg->first; n; n = node_next(tpg, n))
		if (n->kind == LIO_LUN && n->type == KFS_DIR && lio_leads_to(n))
			return true;
	return false;
}

static int store_enable(struct fake *f, struct node *attr, const char *page)
{
	struct node *tpg = node_item(attr), *rtpi = node_attr(tpg, "rtpi");
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0 || value == is_enabled(tpg))
		return r;
	if (value && tpg->only == ON_SBP && !has_lun(tpg))
		return -EINVAL;
	if (value && rtpi)
		r = give_port(f, rtpi);
	if (r < 0)
		return r;
	node_set(attr, value ? "1" : "0");
	if (value && tpg->only == ON_ISCSI)
		lio_iscsi_enabled(tpg);
	return 0;
}

uint64_t lio_relative_port(struct fake *f, const struct node *lun)
{
	const struct node *storage = lio_leads_to(lun);
	uint64_t n = 1;

	if (fake_since(f, "6.4"))
		return number_of(node_attr(lio_up(lun, LIO_TPG), "rtpi"));
	/* Each LUN of a storage object has one of its own. */
	for (const struct node *other = f->target; other && other != lun; other = node_next(f->target, other))
		n += other->kind == LIO_LUN && other->type == KFS_DIR && lio_leads_to(other) == storage;
	return n;
}

static int store_affinity(struct fake *f, struct node *attr, const char *page)
{
	int64_t n;

	if (kernel_int(page, &n) < 0 || n < -2 || n >= CPUS)
		return -EINVAL;
	lio_set_number(attr, n);
	return 0;
}

static int store_protection_type(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n != 0 && n != 1 && n != 3)
		return -EINVAL;
	lio_set_number(attr, (int64_t)n);
	return 0;
}

static int store_directory(struct fake *f, struct node *attr, const char *page)
{
	return is_enabled(node_item(attr)) ? -EBUSY : lio_store_line(f, attr, page);
}

/* ---- ACLs ---- */

/* It is shown with colons, and taken without; what is wrong is told as the parser's own -1. */
static int store_wwn(struct fake *f, struct node *attr, const char *page)
{
	size_t digits = strspn(page, "0123456789abcdefABCDEF");
	char text[3 * 8];
	uint64_t wwn;

	if (digits != 16 || (page[digits] && !streq(page + digits, "\n")))
		return -EPERM;
	wwn = strtoull(page, NULL, 16);
	for (int i = 0; i < 8; i++)
		snprintf(text + 3 * i, sizeof(text) - 3 * (size_t)i, "%02x%s", (unsigned)(wwn >> (56 - 8 * i)) & 0xff, i < 7 ? ":" : "");
	node_set(attr, text);
	return 0;
}

/* ---- mapped LUNs ---- */

static int store_write_protect(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;
	int r = kernel_u64(page, UINT64_MAX, &n);

	if (r < 0)
		return r;
	if (n > 1)
		return -EINVAL;
	/* Where it leads nowhere, that is forgotten. */
	if (attr->value)
		lio_set_number(attr, (int64_t)n);
	return 0;
}

/* ---- what they tell ---- */

static int show_version(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "%s fabric module on Linux/x86_64 on %s\n", lio_fabric_title(attr), f->release);
	return 0;
}

/* ---- the table ---- */

#define ON_NOT_ISCSI (ON_LOOPBACK | ON_VHOST | ON_QLA2XXX | ON_SRPT | ON_FC | ON_SBP | ON_XEN)

static const struct lio_file files[] = {
	{ LIO_FABRIC, ON_NOT_ISCSI, "version", NULL, .show = show_version },
	{ LIO_FABRIC, ON_SRPT, "discovery_auth/rdma_cm_port", "0", lio_store_number, .max = UINT16_MAX },
	{ LIO_TARGET, 0, "param/cmd_completion_affinity", "-1", store_affinity },
	{ LIO_TARGET, 0, "param/default_complete_type", "2", .since = "7.0" },
	{ LIO_TARGET, ON_ISCSI | ON_SRPT | ON_FC, "param/default_submit_type", "1", .since = "6.7" },
	{ LIO_TARGET, ON_NOT_ISCSI & ~(ON_SRPT | ON_FC), "param/default_submit_type", "2", .since = "6.7" },
	{ LIO_TARGET, ON_VHOST, "param/direct_complete_supported", "1", .since = "7.0" },
	{ LIO_TARGET, (ON_ISCSI | ON_NOT_ISCSI) & ~ON_VHOST, "param/direct_complete_supported", "0", .since = "7.0" },
	{ LIO_TARGET, ON_ISCSI | ON_VHOST | ON_SRPT | ON_FC, "param/direct_submit_supported", "1", .since = "6.7" },
	{ LIO_TARGET, ON_NOT_ISCSI & ~(ON_VHOST | ON_SRPT | ON_FC), "param/direct_submit_supported", "0", .since = "6.7" },
	{ LIO_TPG, ON_ENABLED, "enable", "0", store_enable },
	{ LIO_TPG, 0, "rtpi", "0x0", store_rtpi, .since = "6.4" },
	{ LIO_TPG, ON_QLA2XXX, "dynamic_sessions", NULL },
	{ LIO_TPG, ON_ISCSI | ON_LOOPBACK | ON_VHOST | ON_QLA2XXX, "attrib/fabric_prot_type", "0", store_protection_type },
	{ LIO_TPG, ON_QLA2XXX, "attrib/generate_node_acls", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_QLA2XXX, "attrib/cache_dynamic_acls", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_QLA2XXX, "attrib/demo_mode_write_protect", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_QLA2XXX, "attrib/prod_mode_write_protect", "0", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_QLA2XXX, "attrib/demo_mode_login_only", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_SRPT, "attrib/srp_max_rdma_size", "65536", lio_store_number, .max = UINT32_MAX },
	{ LIO_TPG, ON_SRPT, "attrib/srp_max_rsp_size", "256", lio_store_number, .max = UINT32_MAX },
	{ LIO_TPG, ON_SRPT, "attrib/srp_sq_size", "4096", lio_store_number, .max = UINT32_MAX },
	{ LIO_TPG, ON_SRPT, "attrib/use_srq", "0", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_SBP, "directory_id", "implicit", store_directory },
	{ LIO_TPG, ON_SBP, "attrib/mgt_orb_timeout", "15", lio_store_number, .min = 1, .max = 127 },
	{ LIO_TPG, ON_SBP, "attrib/max_reconnect_timeout", "5", lio_store_number, .min = 1, .max = 32767 },
	{ LIO_TPG, ON_SBP, "attrib/max_logins_per_lun", "1", lio_store_number, .min = 1, .max = 127 },
	{ LIO_TPG, ON_XEN, "param/alias", "", lio_store_line },
	{ LIO_ACL, ON_FC, "node_name", "00:00:00:00:00:00:00:00", store_wwn },
	{ LIO_ACL, ON_FC, "port_name", "00:00:00:00:00:00:00:00", store_wwn },
	{ LIO_ACL, ON_FC, "tag", "", lio_store_line, .flags = LIO_RAW },
	{ LIO_MAPPED_LUN, 0, "write_protect", NULL, store_write_protect },
};

const struct lio_table lio_fabric_table = { files, ARRAY_SIZE(files) };
