/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of the NVMe target: what an item consists of (from the tables of the model), which names are taken, what links do and
 * what goes when an item goes (kernel-abi 2.1 to 2.8; drivers/nvme/target/configfs.c, core.c).
 */
#include <errno.h>

#include "tests/fake-kernel/fake.h"

#define WELL_KNOWN_NQN "nqn.2014-08.org.nvmexpress.discovery"
#define NSID_ALL 0xffffffff
#define ANA_GROUPS_MAX 128

/* ---- items ---- */

static void add_row(struct fake *f, struct node *item, const struct attr_row *row)
{
	const char *slash;
	struct node *folder = item, *n;

	if (!row->file || !fake_since(f, row->since) || !fake_has(f, row->option))
		return;
	if (attr_is_list(row)) {
		node_folder(item, row->file)->takes_links = true;
		return;
	}
	slash = strchr(row->file, '/');
	if (slash) {
		_cleanup_free_ char *name = must(strndup(row->file, (size_t)(slash - row->file)));

		folder = node_folder(item, name);
	}
	n = node_new(folder, slash ? slash + 1 : row->file, KFS_ATTR);
	n->row = row;
	n->kind = item->kind;
	n->mode = row->flags & ATTR_WRITE_ONLY ? 0200 : 0644;
	n->value = nvmet_initial(f, item->kind, item->name, row);
}

/* The folder below an item in which items of the kind are made, NULL if it belongs to another kind of item. */
static const char *collection_in(enum kind parent, enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	if (!info->kernel || info->singleton)
		return NULL;
	/* What the model has at its top is in the kernel below nvmet. */
	if (info->parent == KIND_ROOT)
		return parent == KIND_NVMET && strncmp(info->kernel, "nvmet/", 6) == 0 ? info->kernel + 6 : NULL;
	return info->parent == parent ? info->kernel : NULL;
}

static const struct driver nvmet_driver;

static struct node *item_new(struct fake *f, struct node *parent, const char *name, enum kind kind)
{
	struct node *n = node_new(parent, name, KFS_DIR);

	n->driver = &nvmet_driver;
	n->kind = kind;
	attr_foreach(row, kind)
		add_row(f, n, row);
	for (enum kind k = 0; k < KIND_MAX; k++) {
		const char *collection = collection_in(kind, k);

		if (collection)
			node_folder(n, collection)->makes = k;
	}
	if (kind == KIND_PORT)
		item_new(f, node_child(n, kind_info(KIND_ANA_GROUP)->kernel), "1", KIND_ANA_GROUP)->permanent = true;
	return n;
}

void nvmet_load(struct fake *f)
{
	if (!f->nvmet) {
		f->nvmet = item_new(f, NULL, "nvmet", KIND_NVMET);
		f->nvmet->permanent = true;
	}
}

/* ---- names ---- */

static int check_number(const char *name, uint64_t type_max, uint64_t min, uint64_t max)
{
	uint64_t n;
	int r = kernel_u64(name, type_max, &n);

	if (r < 0)
		return r;
	return n >= min && n <= max ? 0 : -EINVAL;
}

static int check_namespace(struct fake *f, struct node *folder, const char *name)
{
	uint64_t nsid, other;
	size_t n = 0;
	int r = check_number(name, UINT32_MAX, 1, NSID_ALL - 1);

	if (r < 0 || f->major < 7)
		return r;
	/* Since 7 it is taken from the moment it is made, by whatever spelling. */
	kernel_u64(name, UINT32_MAX, &nsid);
	for (const struct node *c = folder->first; c; c = c->next, n++)
		if (kernel_u64(c->name, UINT32_MAX, &other) == 0 && other == nsid)
			return -ENOMEM;
	return n < 1024 ? 0 : -ENOMEM;
}

static int check_name(struct fake *f, struct node *folder, const char *name)
{
	switch (folder->makes) {
	case KIND_SUBSYSTEM:
		return streq(name, WELL_KNOWN_NQN) || streq(name, node_text(f->nvmet, "discovery_nqn")) ? -EINVAL : 0;
	case KIND_NAMESPACE:
		return check_namespace(f, folder, name);
	case KIND_PORT:
		return check_number(name, UINT16_MAX, 0, UINT16_MAX) < 0 ? -EINVAL : 0;
	case KIND_ANA_GROUP:
		return check_number(name, UINT32_MAX, 2, ANA_GROUPS_MAX);
	default:
		return 0;
	}
}

static int nvmet_make(struct fake *f, struct node *folder, const char *name)
{
	int r = check_name(f, folder, name);

	if (r >= 0)
		item_new(f, folder, name, (enum kind)folder->makes);
	return r;
}

/* ---- state ---- */

bool nvmet_port_enabled(const struct node *port)
{
	const struct node *links = port->kind == KIND_PORT ? node_child(port, "subsystems") : NULL;

	return links ? links->first != NULL : port->kind == KIND_REFERRAL && streq(node_text(port, "enable"), "1");
}

bool nvmet_namespace_enabled(const struct node *ns)
{
	return streq(node_text(ns, "enable"), "1");
}

/* ---- the end of an item ---- */

/* A namespace with lost references that goes without having been disabled is exported for ever (kernel-abi 2.5). */
static void leave_zombie(struct node *ns)
{
	struct node *subsystem = node_item(ns->parent);
	uint64_t nsid;

	if (!ns->leaked || !nvmet_namespace_enabled(ns) || kernel_u64(ns->name, UINT32_MAX, &nsid) < 0)
		return;
	subsystem->zombies = must(reallocarray(subsystem->zombies, subsystem->n_zombies + 1, sizeof(*subsystem->zombies)));
	subsystem->zombies[subsystem->n_zombies++] = (uint32_t)nsid;
}

static void nvmet_release(struct fake *f, struct node *item)
{
	if (item->kind == KIND_NAMESPACE)
		leave_zombie(item);
	else if (item->kind == KIND_SUBSYSTEM)
		hosts_drop(f, NULL, item);
}

/* ---- links ---- */

static bool has_link_to(const struct node *folder, const struct node *target)
{
	for (const struct node *n = folder->first; n; n = n->next)
		if (n->target == target)
			return true;
	return false;
}

static int nvmet_allow_link(struct fake *f, struct node *folder, struct node *target)
{
	struct node *item = node_item(folder);

	if (target->kind != (item->kind == KIND_PORT ? KIND_SUBSYSTEM : KIND_HOST))
		return -EINVAL;
	if (item->kind == KIND_SUBSYSTEM && streq(node_text(item, "attr_allow_any_host"), "1"))
		return -EINVAL;
	if (has_link_to(folder, target))
		return -EEXIST;
	return item->kind == KIND_PORT && !folder->first ? nvmet_enable_port(f, item) : 0;
}

static void nvmet_drop_link(struct fake *f, struct node *folder, struct node *target)
{
	struct node *item = node_item(folder);

	/* A host that is no longer allowed stays connected. */
	if (item->kind != KIND_PORT)
		return;
	hosts_drop(f, item, target);
	if (!folder->first) {
		hosts_drop(f, item, NULL);
		if (streq(node_text(item, "addr_trtype"), "tcp"))
			machine_unlisten(f, node_text(item, "addr_traddr"), node_text(item, "addr_trsvcid"));
	}
}

/* ---- the driver ---- */

static int nvmet_show(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "%s\n", attr->value);
	return 0;
}

static const struct driver nvmet_driver = {
	.make = nvmet_make,
	.release = nvmet_release,
	.store = nvmet_store,
	.show = nvmet_show,
	.allow_link = nvmet_allow_link,
	.drop_link = nvmet_drop_link,
};
