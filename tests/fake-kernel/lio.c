/* SPDX-License-Identifier: Apache-2.0 */
/* The SCSI target's items, made from the tables, and what reading and writing of all attributes has in common. */
#include <ctype.h>

#include "tests/fake-kernel/lio.h"

static const struct driver lio_driver;

static const struct lio_table *const tables[] = {
	&lio_core_table, &lio_attr_table, &lio_alua_table, &lio_pr_table, &lio_fabric_table, &lio_iscsi_table, &lio_loop_table,
};

/* Folders that go with an item, and what is made in them. */
static const struct {
	int kind;
	unsigned only;
	const char *folder;
	int makes;
} folders[] = {
	{ LIO_ROOT, 0, "core", LIO_HBA },
	{ LIO_ROOT, 0, "core/alua", KIND_MAX },
	{ LIO_ROOT, 0, "core/alua/lu_gps", LIO_LU_GROUP },
	{ LIO_STORAGE, 0, "alua", LIO_PORT_GROUP },
	{ LIO_STORAGE, 0, "statistics", LIO_STATISTICS },
	{ LIO_STORAGE, 0, "action", KIND_MAX },
	{ LIO_FABRIC, 0, "discovery_auth", KIND_MAX },
	{ LIO_TARGET, 0, "fabric_statistics", KIND_MAX },
	{ LIO_TARGET, 0, "param", KIND_MAX },
	{ LIO_TPG, 0, "lun", LIO_LUN },
	{ LIO_TPG, 0, "np", LIO_PORTAL },
	{ LIO_TPG, 0, "acls", LIO_ACL },
	{ LIO_TPG, 0, "attrib", KIND_MAX },
	{ LIO_TPG, 0, "auth", KIND_MAX },
	{ LIO_TPG, 0, "param", KIND_MAX },
	{ LIO_LUN, 0, "statistics", LIO_STATISTICS },
	{ LIO_ACL, 0, "attrib", KIND_MAX },
	{ LIO_ACL, 0, "auth", KIND_MAX },
	{ LIO_ACL, 0, "param", KIND_MAX },
	{ LIO_ACL, 0, "fabric_statistics", KIND_MAX },
	{ LIO_MAPPED_LUN, 0, "statistics", LIO_STATISTICS },
};

/* What is made in an item's own folder. */
static int made_in(int kind)
{
	switch (kind) {
	case LIO_ROOT:
		return LIO_FABRIC;
	case LIO_HBA:
		return LIO_STORAGE;
	case LIO_FABRIC:
		return LIO_TARGET;
	case LIO_TARGET:
		return LIO_TPG;
	case LIO_ACL:
		return LIO_MAPPED_LUN;
	default:
		return KIND_MAX;
	}
}

/* ---- items ---- */

static struct node *folder_of(struct node *item, const char *path, const char **ret_name)
{
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		_cleanup_free_ char *name = must(strndup(path, (size_t)(slash - path)));

		item = node_folder(item, name);
	}
	*ret_name = path;
	return item;
}

static char *kept_key(const struct node *item, const char *file)
{
	return fmt("%s/%s", item->name, file);
}

static void add_file(struct fake *f, struct node *item, const struct lio_file *file)
{
	const char *name, *text = file->text;
	struct node *folder, *n;

	if (file->kind != item->kind || (file->only && !(file->only & item->only)) || !fake_since(f, file->since) ||
	    (file->until && fake_since(f, file->until)))
		return;
	folder = folder_of(item, file->file, &name);
	n = node_new(folder, name, KFS_ATTR);
	n->file = file;
	n->kind = item->kind;
	n->mode = file->flags & LIO_WRITE_ONLY ? 0200 : file->store ? 0644 : 0444;
	if (file->flags & LIO_KEPT) {
		_cleanup_free_ char *key = kept_key(item, file->file);
		const char *kept = map_get(f->kept, key);

		text = kept ? kept : text;
	}
	n->value = text ? must(strdup(text)) : NULL;
}

struct node *lio_item(struct fake *f, struct node *parent, const char *name, int kind)
{
	struct node *n = node_new(parent, name, KFS_DIR);

	n->driver = &lio_driver;
	n->kind = kind;
	n->makes = made_in(kind);
	n->takes_links = kind == LIO_LUN || kind == LIO_MAPPED_LUN;
	if (kind == LIO_HBA)
		n->only = lio_plugin_only(name, strlen(name));
	else if (kind == LIO_FABRIC)
		n->only = lio_fabric_only(name);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (folders[i].kind == kind && (!folders[i].only || folders[i].only & n->only)) {
			struct node *in = folder_of(n, folders[i].folder, &name);

			node_folder(in, name)->makes = folders[i].makes;
		}
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (size_t j = 0; j < tables[i]->n; j++)
			add_file(f, n, &tables[i]->files[j]);
	return n;
}

void lio_load(struct fake *f)
{
	if (f->target)
		return;
	f->target = lio_item(f, NULL, "target", LIO_ROOT);
	f->target->permanent = true;
	lio_core_init(f);
}

struct node *lio_up(const struct node *n, int kind)
{
	while (n && n->kind != kind)
		n = n->parent;
	/* Attributes have the kind of their item. */
	return n ? n->type == KFS_DIR ? (struct node *)n : node_item(n) : NULL;
}

struct device *lio_device(const struct node *n)
{
	const struct node *storage = lio_up(n, LIO_STORAGE);

	return storage ? storage->state : NULL;
}

struct node *lio_leads_to(const struct node *lun)
{
	for (const struct node *n = lun->first; n; n = n->next)
		if (n->type == KFS_LINK)
			return n->target;
	return NULL;
}

bool lio_exported(struct fake *f, const struct node *storage)
{
	return storage->linked;
}

/* ---- names and texts ---- */

int lio_parse_number(const char *name, const char *prefix, uint64_t max, uint64_t *ret)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 ? kernel_u64(name + n, max, ret) : -EINVAL;
}

char *lio_strip(const char *page)
{
	size_t n;

	while (isspace((unsigned char)*page))
		page++;
	for (n = strlen(page); n && isspace((unsigned char)page[n - 1]);)
		n--;
	return must(strndup(page, n));
}

char *lio_line(const char *page)
{
	return must(strndup(page, strcspn(page, "\n")));
}

/* ---- what most attributes do ---- */

void lio_set_number(struct node *attr, int64_t n)
{
	_cleanup_free_ char *text = fmt("%lld", (long long)n);

	node_set(attr, text);
}

bool lio_is_on(const struct node *item, const char *file)
{
	return streq(node_text(item, file), "1");
}

int lio_store_bool(struct fake *f, struct node *attr, const char *page)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r >= 0)
		node_set(attr, value ? "1" : "0");
	return r;
}

int lio_store_number(struct fake *f, struct node *attr, const char *page)
{
	const struct lio_file *file = attr->file;
	uint64_t n = 0;
	int64_t i;
	int r;

	if (file->min < 0) {
		r = kernel_int(page, &i);
	} else {
		r = kernel_u64(page, UINT32_MAX, &n);
		i = (int64_t)n;
	}
	if (r < 0)
		return r;
	if (i < file->min || i > file->max)
		return -EINVAL;
	lio_set_number(attr, i);
	return 0;
}

int lio_store_line(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_line(page);

	node_set(attr, text);
	return 0;
}

static void keep(struct fake *f, const struct node *attr)
{
	_cleanup_free_ char *key = kept_key(node_item(attr), attr->file->file);

	free(map_del(f->kept, key));
	if (map_put(f->kept, key, must(strdup(attr->value))) < 0)
		must(NULL);
}

static int lio_store(struct fake *f, struct node *attr, const char *page, size_t len)
{
	const struct node *storage = attr->file->flags & LIO_EXPORTED ? lio_up(attr, LIO_STORAGE) : NULL;
	int r;

	if (storage && lio_exported(f, storage))
		return -EINVAL;
	r = attr->file->store(f, attr, page);
	if (r >= 0 && attr->file->flags & LIO_KEPT)
		keep(f, attr);
	return r;
}

static int lio_show(struct fake *f, struct node *attr, struct strbuf *ret)
{
	if (attr->file->show)
		return attr->file->show(f, attr, ret);
	if (attr->value)
		strbuf_addf(ret, "%s%s", attr->value, attr->file->flags & LIO_RAW ? "" : "\n");
	return 0;
}

/* ---- the driver ---- */

static int lio_make(struct fake *f, struct node *folder, const char *name)
{
	switch (folder->makes) {
	case LIO_STATISTICS:
		return -ENOSYS;
	case LIO_HBA:
		return lio_make_hba(f, folder, name);
	case LIO_STORAGE:
		return lio_make_storage(f, folder, name);
	case LIO_LU_GROUP:
	case LIO_PORT_GROUP:
		lio_item(f, folder, name, folder->makes);
		return 0;
	case LIO_FABRIC:
		return lio_make_fabric(f, folder, name);
	default:
		return lio_make_in_fabric(f, folder, name);
	}
}

static void lio_release(struct fake *f, struct node *item)
{
	if (item->kind == LIO_STORAGE)
		lio_release_storage(f, item);
	else if (item->kind == LIO_LU_GROUP || item->kind == LIO_PORT_GROUP)
		lio_release_group(f, item);
	else
		lio_release_in_fabric(f, item);
}

static const struct driver lio_driver = {
	.make = lio_make,
	.release = lio_release,
	.store = lio_store,
	.show = lio_show,
	.allow_link = lio_allow_link,
	.drop_link = lio_drop_link,
};
