/* SPDX-License-Identifier: Apache-2.0 */
/* ALUA: groups of logical units and of target ports (kernel-abi 3.7; drivers/target/target_core_alua.c). */
#include "tests/fake-kernel/lio.h"

#define GROUP_ID_MAX UINT16_MAX
#define IMPLICIT 1

struct named {
	int64_t code;
	const char *name, *support;	/* the attribute that lets groups have the state */
};

static const struct named states[] = {
	{ 0, "Active/Optimized", "alua_support_active_optimized" },
	{ 1, "Active/NonOptimized", "alua_support_active_nonoptimized" },
	{ 2, "Standby", "alua_support_standby" },
	{ 3, "Unavailable", "alua_support_unavailable" },
	{ 4, "LBA Dependent", "alua_support_lba_dependent" },
	{ 14, "Offline", "alua_support_offline" },
	{ 15, "Transitioning", "alua_support_transitioning" },
};

static const struct named statuses[] = {
	{ 0, "None" }, { 1, "Altered by Explicit STPG" }, { 2, "Altered by Implicit ALUA" },
};

static const struct named types[] = {
	{ 0, "None" }, { 1, "Implicit" }, { 2, "Explicit" }, { 3, "Implicit and Explicit" },
};

static const struct named *find(const struct named *table, size_t n, int64_t code)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}

static bool has_id(const struct node *group)
{
	return node_attr(group, group->kind == LIO_LU_GROUP ? "lu_gp_id" : "tg_pt_gp_id")->value;
}

struct node *lio_default_group(struct fake *f, const struct node *storage)
{
	const struct node *lu_gps = node_child(node_child(node_child(f->target, "core"), "alua"), "lu_gps");

	return storage ? node_child(node_child(storage, "alua"), "default_tg_pt_gp") : node_child(lu_gps, "default_lu_gp");
}

/* Its members are in the default group from now on. */
void lio_release_group(struct fake *f, struct node *group)
{
	struct node *other = lio_default_group(f, lio_up(group, LIO_STORAGE));

	for (struct node *n = f->target; n; n = node_next(f->target, n))
		if (n->group == group)
			n->group = other;
}

static int show_members(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct node *group = node_item(attr);

	for (const struct node *n = f->target; n; n = node_next(f->target, n)) {
		const struct node *tpg = n->group == group ? lio_up(n, LIO_TPG) : NULL;

		if (n->group != group)
			continue;
		if (tpg)
			strbuf_addf(ret, "%s/%s/%s/%s\n", lio_fabric_title(n), tpg->parent->name, tpg->name, n->name);
		else
			strbuf_addf(ret, "%s/%s\n", n->parent->name, n->name);
		/* The kernel counts the end of the string. */
		if (tpg)
			strbuf_add_mem(ret, "", 1);
	}
	return 0;
}

/* ---- numbers of groups ---- */

/* Once; 0 is the next number that nobody has. */
static int store_id(struct fake *f, struct node *attr, const char *page, uint64_t *counter)
{
	const struct node *folder = node_item(attr)->parent;
	uint64_t n;
	bool taken = true;

	if (kernel_u64(page, GROUP_ID_MAX, &n) < 0 || attr->value)
		return -EINVAL;
	for (bool any = !n; taken;) {
		if (any)
			n = (*counter)++;
		taken = false;
		for (const struct node *c = folder->first; c; c = c->next) {
			const struct node *other = node_child(c, attr->name);
			uint64_t id;

			taken = taken || (other->value && kernel_u64(other->value, GROUP_ID_MAX, &id) >= 0 && id == n);
		}
		if (taken && !any)
			return -EINVAL;
	}
	lio_set_number(attr, (int64_t)n);
	return 0;
}

static int store_lu_gp_id(struct fake *f, struct node *attr, const char *page)
{
	return store_id(f, attr, page, &f->lu_groups);
}

static int store_tg_pt_gp_id(struct fake *f, struct node *attr, const char *page)
{
	return store_id(f, attr, page, &lio_device(attr)->groups);
}

/* ---- storage objects and their group of logical units ---- */

static int store_lu_gp(struct fake *f, struct node *attr, const char *page)
{
	struct node *storage = node_item(attr), *lu_gps = lio_default_group(f, NULL)->parent, *group;
	_cleanup_free_ char *name = lio_strip(page);

	if (!lio_device(attr)->enabled)
		return 0;
	if (strncmp(name, "NULL", 4) == 0) {
		storage->group = NULL;
		return 0;
	}
	group = node_child(lu_gps, name);
	/* The kernel looks only among those that were given a number, and the default group has its own from the beginning. */
	if (!group || !has_id(group) || group->permanent)
		return -ENODEV;
	storage->group = group;
	return 0;
}

static int show_lu_gp(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct node *group = node_item(attr)->group;

	if (group)
		strbuf_addf(ret, "LU Group Alias: %s\nLU Group ID: %s\n", group->name, node_text(group, "lu_gp_id"));
	return 0;
}

/* ---- groups of target ports ---- */

static void set_state(const struct node *group, int64_t state)
{
	lio_set_number(node_attr(group, "alua_access_state"), state);
	node_set(node_attr(group, "alua_access_status"), "2");
}

static int store_state(struct fake *f, struct node *attr, const char *page)
{
	const struct node *group = node_item(attr), *storage = lio_up(group, LIO_STORAGE), *lu_gp = storage->group;
	const struct named *state;
	uint64_t n;

	if (!has_id(group))
		return -EINVAL;
	if (!lio_device(attr)->enabled)
		return -ENODEV;
	if (kernel_u64(page, UINT32_MAX, &n) < 0)
		return -EINVAL;
	state = find(states, ARRAY_SIZE(states), (int64_t)n);
	if (!(atoi(node_text(group, "alua_access_type")) & IMPLICIT) || !state || !lio_is_on(group, state->support))
		return -EINVAL;
	set_state(group, state->code);
	/* All storage objects of a group that is not the default one go together. */
	for (struct node *s = f->target; lu_gp && !lu_gp->permanent && s; s = node_next(f->target, s)) {
		const struct node *other = s->kind == LIO_STORAGE && s->group == lu_gp ? node_child(s, "alua") : NULL;

		for (const struct node *g = other ? other->first : NULL; g; g = g->next)
			if (streq(node_text(g, "tg_pt_gp_id"), node_text(group, "tg_pt_gp_id")))
				set_state(g, state->code);
	}
	return 0;
}

static int store_with_id(struct fake *f, struct node *attr, const char *page)
{
	return has_id(node_item(attr)) ? lio_store_number(f, attr, page) : -EINVAL;
}

static int show_status(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "%s\n", find(statuses, ARRAY_SIZE(statuses), atoi(attr->value))->name);
	return 0;
}

static int show_type(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "%s\n", find(types, ARRAY_SIZE(types), atoi(attr->value))->name);
	return 0;
}

/* ---- LUNs and their group of target ports ---- */

static int store_tg_pt_gp(struct fake *f, struct node *attr, const char *page)
{
	struct node *lun = node_item(attr), *storage = lio_leads_to(lun), *group;
	_cleanup_free_ char *name = lio_strip(page);

	if (!storage)
		return -ENODEV;
	group = strncmp(name, "NULL", 4) == 0 ? lio_default_group(f, storage) : node_child(node_child(storage, "alua"), name);
	if (!group || !has_id(group))
		return -ENODEV;
	lun->group = group;
	return 0;
}

static int show_tg_pt_gp(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct node *lun = node_item(attr), *g = lun->group;

	if (!g)
		return -ENODEV;
	strbuf_addf(ret, "TG Port Alias: %s\nTG Port Group ID: %s\nTG Port Primary Access State: %s\n", g->name, node_text(g, "tg_pt_gp_id"),
		    find(states, ARRAY_SIZE(states), atoi(node_text(g, "alua_access_state")))->name);
	strbuf_addf(ret, "TG Port Primary Access Status: %s\nTG Port Secondary Access State: %s\nTG Port Secondary Access Status: %s\n",
		    find(statuses, ARRAY_SIZE(statuses), atoi(node_text(g, "alua_access_status")))->name,
		    lio_is_on(lun, "alua_tg_pt_offline") ? "Offline" : "None",
		    find(statuses, ARRAY_SIZE(statuses), atoi(node_text(lun, "alua_tg_pt_status")))->name);
	return 0;
}

static int store_linked(struct fake *f, struct node *attr, const char *page)
{
	return lio_leads_to(node_item(attr)) ? lio_store_number(f, attr, page) : -ENODEV;
}

static int show_linked(struct fake *f, struct node *attr, struct strbuf *ret)
{
	if (!lio_leads_to(node_item(attr)))
		return -ENODEV;
	strbuf_addf(ret, "%s\n", attr->value);
	return 0;
}

/* ---- the table ---- */

static const struct lio_file files[] = {
	{ LIO_LU_GROUP, 0, "lu_gp_id", NULL, store_lu_gp_id },
	{ LIO_LU_GROUP, 0, "members", NULL, .show = show_members },
	{ LIO_STORAGE, 0, "alua_lu_gp", NULL, store_lu_gp, show_lu_gp },
	{ LIO_PORT_GROUP, 0, "alua_access_state", "0", store_state },
	{ LIO_PORT_GROUP, 0, "alua_access_status", "0", store_with_id, show_status, .max = 2 },
	{ LIO_PORT_GROUP, 0, "alua_access_type", "3", lio_store_number, show_type, .max = 3 },
	{ LIO_PORT_GROUP, 0, "alua_support_active_nonoptimized", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_active_optimized", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_lba_dependent", "0", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_offline", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_standby", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_transitioning", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_support_unavailable", "1", store_with_id, .max = 1 },
	{ LIO_PORT_GROUP, 0, "alua_write_metadata", "0", lio_store_number, .max = 1 },
	{ LIO_PORT_GROUP, 0, "implicit_trans_secs", "0", lio_store_number, .max = 255 },
	{ LIO_PORT_GROUP, 0, "members", NULL, .show = show_members },
	{ LIO_PORT_GROUP, 0, "nonop_delay_msecs", "100", lio_store_number, .max = 10000 },
	{ LIO_PORT_GROUP, 0, "preferred", "0", lio_store_number, .max = 1 },
	{ LIO_PORT_GROUP, 0, "tg_pt_gp_id", NULL, store_tg_pt_gp_id },
	{ LIO_PORT_GROUP, 0, "trans_delay_msecs", "0", lio_store_number, .max = 30000 },
	{ LIO_LUN, 0, "alua_tg_pt_gp", NULL, store_tg_pt_gp, show_tg_pt_gp },
	{ LIO_LUN, 0, "alua_tg_pt_offline", "0", store_linked, show_linked, .max = 1 },
	{ LIO_LUN, 0, "alua_tg_pt_status", "0", store_linked, show_linked, .max = 2 },
	{ LIO_LUN, 0, "alua_tg_pt_write_md", "0", store_linked, show_linked, .max = 1 },
};

const struct lio_table lio_alua_table = { files, ARRAY_SIZE(files) };
