/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of the SCSI target, HBAs and storage objects: names, the keys of their control file, what it takes to enable them
 * (kernel-abi 3.1 to 3.3, 4; drivers/target/target_core_configfs.c, target_core_{iblock,file,rd,pscsi,user}.c).
 */
#include <ctype.h>

#include "tests/fake-kernel/lio.h"

#define PAGE 4096
#define PATH_LEN 255		/* of a key that is a path */
#define UDEV_PATH_LEN 511
#define HBA_NAME_LEN 63
#define PAGES_A_TABLE 2048	/* of a ramdisk */
#define HBA_FIRST 1		/* 0 is the kernel's own ramdisk */

/* ---- the root ---- */

static bool has_storage(struct fake *f)
{
	for (const struct node *n = f->target; n; n = node_next(f->target, n))
		if (n->kind == LIO_STORAGE && n->type == KFS_DIR)
			return true;
	return false;
}

static int store_dbroot(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *path = lio_line(page), *text = NULL;
	const struct backing *b = machine_find(f, path);

	if (has_storage(f))
		return -EINVAL;
	if (!machine_is_folder(f, path))
		return b ? -ENOTDIR : -ENOENT;
	/* Without a newline the end of a longer one stays, before 7. */
	if (page[strlen(path)] != '\n' && f->major < 7 && strlen(attr->value) > strlen(path))
		text = fmt("%s%s", path, attr->value + strlen(path));
	node_set(attr, text ? text : path);
	return 0;
}

static int show_version(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "Target Engine Core ConfigFS Infrastructure v5.0 on Linux/x86_64 on %s\n", f->release);
	return 0;
}

static char *below_dbroot(struct fake *f, const char *path)
{
	const char *root = node_text(f->target, "dbroot");

	return *path ? fmt("%s/%s", root, path) : must(strdup(root));
}

int lio_dbroot_read(struct fake *f, const char *path, struct strbuf *ret)
{
	_cleanup_free_ char *file = f->target ? below_dbroot(f, path) : NULL;
	const struct backing *b = file ? machine_find(f, file) : NULL;

	if (!b)
		return -ENOENT;
	if (b->type == 'd')
		return -EINVAL;
	if (b->content)
		strbuf_add_mem(ret, b->content, (size_t)b->size);
	return 0;
}

int lio_dbroot_mkdir(struct fake *f, const char *path)
{
	_cleanup_free_ char *folder = f->target ? below_dbroot(f, path) : NULL;
	_cleanup_free_ char *parent = folder ? must(strndup(folder, (size_t)(strrchr(folder, '/') - folder))) : NULL;

	/* What holds dbroot itself need not be known. */
	if (!folder || (*path && !machine_is_folder(f, parent)))
		return -ENOENT;
	if (machine_find(f, folder) || machine_is_folder(f, folder))
		return -EEXIST;
	machine_put(f, folder, 'd', 0);
	return 0;
}

void lio_core_init(struct fake *f)
{
	struct node *groups = node_child(node_child(node_child(f->target, "core"), "alua"), "lu_gps"), *group;

	f->hbas = HBA_FIRST;
	group = lio_item(f, groups, "default_lu_gp", LIO_LU_GROUP);
	group->permanent = true;
	lio_set_number(node_attr(group, "lu_gp_id"), (int64_t)f->lu_groups++);
	if (machine_is_folder(f, "/etc/target"))
		node_set(node_attr(f->target, "dbroot"), "/etc/target");
}

/* ---- HBAs ---- */

static const struct plugin {
	const char *name;
	unsigned only;
} plugins[] = {
	{ "iblock", ON_BLOCK }, { "fileio", ON_FILE }, { "rd_mcp", ON_RAMDISK }, { "pscsi", ON_SCSI }, { "user", ON_USER },
};

static const struct plugin *find_plugin(const char *hba, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(plugins); i++) {
		size_t n = strlen(plugins[i].name);

		if (len > n && strncmp(hba, plugins[i].name, n) == 0 && hba[n] == '_')
			return &plugins[i];
	}
	return NULL;
}

unsigned lio_plugin_only(const char *hba, size_t len)
{
	const struct plugin *p = find_plugin(hba, len);

	return p ? p->only : 0;
}

int lio_make_hba(struct fake *f, struct node *folder, const char *name)
{
	const struct plugin *plugin = find_plugin(name, strlen(name));
	_cleanup_free_ char *info = NULL;
	struct node *hba;
	uint64_t n;

	if (strlen(name) > HBA_NAME_LEN)
		return -ENAMETOOLONG;
	if (!plugin || kernel_u64(name + strlen(plugin->name) + 1, UINT64_MAX, &n) < 0)
		return -EINVAL;
	hba = lio_item(f, folder, name, LIO_HBA);
	info = fmt("HBA Index: %llu plugin: %s version: v5.0", (unsigned long long)f->hbas++, plugin->name);
	node_set(node_attr(hba, "hba_info"), info);
	return 0;
}

static int store_hba_mode(struct fake *f, struct node *attr, const char *page)
{
	const struct node *hba = node_item(attr);

	if (hba->only != ON_SCSI)
		return -EINVAL;
	for (const struct node *n = hba->first; n; n = n->next)
		if (n->type == KFS_DIR)
			return -EINVAL;
	return lio_store_number(f, attr, page);
}

/* ---- storage objects ---- */

static void device_free(void *state)
{
	struct device *d = state;

	lio_free_registrations(d);
	free(d->path);
	free(d->claims);
	free(d);
}

int lio_make_storage(struct fake *f, struct node *folder, const char *name)
{
	struct node *storage = lio_item(f, folder, name, LIO_STORAGE), *group;
	struct device *d = must(calloc(1, sizeof(*d)));

	for (size_t i = 0; i < ARRAY_SIZE(d->scsi); i++)
		d->scsi[i] = -1;
	storage->state = d;
	storage->forget = device_free;
	group = lio_item(f, node_child(storage, "alua"), "default_tg_pt_gp", LIO_PORT_GROUP);
	group->permanent = true;
	lio_set_number(node_attr(group, "tg_pt_gp_id"), (int64_t)d->groups++);
	return 0;
}

static void unclaim(struct fake *f, struct device *d)
{
	struct backing *b = d->claims ? machine_find(f, d->claims) : NULL;

	if (b)
		b->claimed = false;
}

void lio_release_storage(struct fake *f, struct node *storage)
{
	unclaim(f, storage->state);
}

void lio_holder(struct fake *f, const char *dev, struct strbuf *ret)
{
	for (const struct node *n = f->target; n; n = node_next(f->target, n)) {
		const struct device *d = n->kind == LIO_STORAGE && n->type == KFS_DIR ? n->state : NULL;
		_cleanup_free_ char *path = d && streq_ptr(d->claims, dev) ? node_path(n) : NULL;

		if (path) {
			strbuf_addf(ret, "held by the storage object %s", path);
			return;
		}
	}
}

uint64_t lio_size(struct fake *f, const struct node *storage)
{
	const struct device *d = storage->state;
	const struct backing *b = d->path ? machine_find(f, d->path) : NULL;

	if (storage->only == ON_RAMDISK)
		return d->pages * PAGE;
	return b && b->type == 'b' ? b->size : d->size;
}

/* ---- keys ---- */

/* "KEY=%d" of match_token(): digits and nothing else, else the key is not known. */
static bool is_int(const char *value)
{
	value += *value == '-';
	return *value && !value[strspn(value, "0123456789")];
}

static int set_path(char **path, const char *value)
{
	free(*path);
	*path = must(strndup(value, PATH_LEN));
	return 0;
}

static int set_size(uint64_t *size, const char *value)
{
	return kernel_u64(value, UINT64_MAX, size);
}

static int set_if_one(bool *flag, const char *value)
{
	if (!streq(value, "1"))
		return -EINVAL;
	*flag = true;
	return 0;
}

static int block_key(struct device *d, struct node *storage, const char *key, const char *value)
{
	if (streq(key, "udev_path"))
		return d->enabled ? -EEXIST : set_path(&d->path, value);
	if (streq(key, "readonly") && is_int(value))
		d->read_only = atoi(value);
	return 0;
}

static int file_key(struct device *d, struct node *storage, const char *key, const char *value)
{
	if (streq(key, "fd_dev_name"))
		return set_path(&d->path, value);
	if (streq(key, "fd_dev_size"))
		return set_size(&d->size, value);
	if (streq(key, "fd_buffered_io") && is_int(value))
		return set_if_one(&d->buffered, value);
	if (streq(key, "fd_async_io") && is_int(value))
		return set_if_one(&d->async, value);
	return 0;
}

static int ramdisk_key(struct device *d, struct node *storage, const char *key, const char *value)
{
	if (!is_int(value))
		return 0;
	if (streq(key, "rd_pages"))
		d->pages = (uint64_t)atoi(value);
	else if (streq(key, "rd_nullio"))
		d->nullio = d->nullio || streq(value, "1");
	else if (streq(key, "rd_dummy"))
		d->dummy = d->dummy || streq(value, "1");
	return 0;
}

static int scsi_key(struct device *d, struct node *storage, const char *key, const char *value)
{
	static const char *const keys[] = { "scsi_host_id", "scsi_channel_id", "scsi_target_id", "scsi_lun_id" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(key, keys[i]) && is_int(value))
			d->scsi[i] = atoi(value);
	return 0;
}

static int user_key(struct device *d, struct node *storage, const char *key, const char *value)
{
	/* Those that are attributes with another name, or the same. */
	static const char *const attrs[] = {
		"hw_block_size", "hw_max_sectors", "nl_reply_supported", "max_data_area_mb", "data_pages_per_blk", "cmd_ring_size_mb",
	};
	_cleanup_free_ char *file = fmt("attrib/%s", key);

	if (streq(key, "dev_config")) {
		set_path(&d->path, value);
		node_set(node_attr(storage, file), d->path);
	} else if (streq(key, "dev_size")) {
		int r = set_size(&d->size, value);

		if (r < 0)
			return r;
		lio_set_number(node_attr(storage, file), (int64_t)d->size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++)
		if (streq(key, attrs[i]) && is_int(value))
			node_set(node_attr(storage, file), value);
	return 0;
}

/* ---- enabling ---- */

static int enable_block(struct fake *f, struct node *storage, struct device *d)
{
	struct backing *b = d->path ? machine_find(f, d->path) : NULL;

	if (!d->path)
		return -EINVAL;
	if (!b)
		return -ENOENT;
	if (b->type != 'b')
		return -ENOTBLK;
	if (b->claimed || *b->holder)
		return -EBUSY;
	if (b->read_only && !d->read_only)
		return -EACCES;
	b->claimed = true;
	d->claims = must(strdup(d->path));
	return 0;
}

static int enable_file(struct fake *f, struct node *storage, struct device *d)
{
	struct backing *b = d->path ? machine_find(f, d->path) : NULL;
	const char *slash = d->path ? strrchr(d->path, '/') : NULL;
	_cleanup_free_ char *parent = slash ? must(strndup(d->path, slash == d->path ? 1 : (size_t)(slash - d->path))) : NULL;

	if (!d->path)
		return -EINVAL;
	if (b && b->type == 'd')
		return -EISDIR;
	if (b && b->read_only)
		return -EACCES;
	if (!b && (!parent || !machine_is_folder(f, parent)))
		return -ENOENT;
	/* It is made even if it then has no size. */
	if (!b)
		b = machine_put(f, d->path, 'f', 0);
	if (b->type != 'b' && !d->size)
		return -EINVAL;
	if (b->type == 'b')
		d->size = b->size;
	return 0;
}

static int enable_ramdisk(struct fake *f, struct node *storage, struct device *d)
{
	if (!d->pages)
		return -EINVAL;
	d->tables = d->nullio ? 0 : (unsigned)(d->pages / PAGES_A_TABLE + 1);
	return 0;
}

static int enable_scsi(struct fake *f, struct node *storage, struct device *d)
{
	const struct node *udev_path = node_attr(storage, "udev_path");
	_cleanup_free_ char *hctl = fmt("%lld:%lld:%lld:%lld", (long long)d->scsi[0], (long long)d->scsi[1], (long long)d->scsi[2],
					(long long)d->scsi[3]);
	struct backing *b;

	if (!udev_path->value || strchr(hctl, '-'))
		return -EINVAL;
	b = machine_find(f, udev_path->value);
	if (!b || !streq(b->hctl, hctl))
		return -ENODEV;
	if (b->claimed || *b->holder)
		return -EBUSY;
	set_path(&d->path, udev_path->value);
	b->claimed = true;
	d->claims = must(strdup(d->path));
	return 0;
}

static int enable_user(struct fake *f, struct node *storage, struct device *d)
{
	return 0;
}

/* ---- what they tell ---- */

static void show_block(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret)
{
	const struct backing *b = d->enabled ? machine_find(f, d->claims) : NULL;

	strbuf_add(ret, "        ");
	if (b)
		strbuf_addf(ret, "iBlock device: %s", strrchr(d->claims, '/') + 1);
	if (d->path)
		strbuf_addf(ret, "  UDEV PATH: %s", d->path);
	strbuf_addf(ret, "  readonly: %d\n%s        ", d->read_only, f->major >= 7 ? "  exclusive: 1\n" : "");
	strbuf_addf(ret, "Major: %d Minor: %u%s\n", b ? 254 : 0, b ? b->minor : 0, b ? "  CLAIMED: IBLOCK" : "");
}

static void show_file(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret)
{
	strbuf_addf(ret, "        TCM FILEIO ID: 0        File: %s  Size: %llu  Mode: %s Async: %d\n", d->path ? d->path : "",
		    (unsigned long long)d->size, d->buffered ? "Buffered-WCE" : "O_DSYNC", d->async);
}

static void show_ramdisk(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret)
{
	strbuf_add(ret, "        TCM RamDisk ID: 0  RamDisk Makeup: rd_mcp\n");
	strbuf_addf(ret, "        PAGES/PAGE_SIZE: %llu*%d  SG_table_count: %u  nullio: %d dummy: %d\n", (unsigned long long)d->pages, PAGE,
		    d->tables, d->nullio, d->dummy);
}

static void show_scsi(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret)
{
	long long at[4];

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = d->scsi[i] < 0 ? 0 : d->scsi[i];
	strbuf_addf(ret, "        SCSI Device Bus Location: Channel ID: %lld Target ID: %lld LUN: %lld Host ID: %lld\n",
		    at[1], at[2], at[3], at[0]);
}

static void show_user(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret)
{
	strbuf_addf(ret, "        Config: %s Size: %llu MaxDataAreaMB: %s DataPagesPerBlk: %s CmdRingSizeMB: %s\n", d->path ? d->path : "NULL",
		    (unsigned long long)d->size, node_text(storage, "attrib/max_data_area_mb"),
		    node_text(storage, "attrib/data_pages_per_blk"), node_text(storage, "attrib/cmd_ring_size_mb"));
}

/* ---- files that all have ---- */

static const struct type {
	unsigned only;
	int (*key)(struct device *d, struct node *storage, const char *key, const char *value);
	int (*enable)(struct fake *f, struct node *storage, struct device *d);
	void (*show)(struct fake *f, const struct node *storage, const struct device *d, struct strbuf *ret);
} types[] = {
	{ ON_BLOCK, block_key, enable_block, show_block },
	{ ON_FILE, file_key, enable_file, show_file },
	{ ON_RAMDISK, ramdisk_key, enable_ramdisk, show_ramdisk },
	{ ON_SCSI, scsi_key, enable_scsi, show_scsi },
	{ ON_USER, user_key, enable_user, show_user },
};

static const struct type *type_of(const struct node *storage)
{
	const struct type *t = types;

	while (t->only != storage->only)
		t++;
	return t;
}

/* "KEY=VALUE", separated by commas and newlines; what is not known, or has no value, counts for nothing. */
static int store_control(struct fake *f, struct node *attr, const char *page)
{
	struct node *storage = node_item(attr);
	struct device *d = storage->state;
	_cleanup_free_ char *copy = must(strdup(page));
	char *rest = copy, *word;
	int r = 0;

	while (r >= 0 && (word = strsep(&rest, ",\n"))) {
		char *value = strchr(word, '=');

		if (!value || !value[1])
			continue;
		*value++ = 0;
		r = type_of(storage)->key(d, storage, word, value);
	}
	return r;
}

static int store_enable(struct fake *f, struct node *attr, const char *page)
{
	struct node *storage = node_item(attr);
	struct device *d = storage->state;
	int r;

	if (!strchr(page, '1'))
		return -EINVAL;
	if (d->enabled)
		return -EEXIST;
	r = type_of(storage)->enable(f, storage, d);
	if (r < 0)
		return r;
	d->enabled = true;
	node_set(attr, "1");
	storage->group = lio_default_group(f, NULL);
	lio_settle_attributes(f, storage);
	return 0;
}

static int show_info(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct node *storage = node_item(attr), *block_size = node_attr(storage, "attrib/block_size");

	if (!block_size)
		block_size = node_attr(storage, "attrib/hw_block_size");
	strbuf_addf(ret, "Status: %s  Max Queue Depth: 0  SectorSize: %s  HwMaxSectors: %s\n",
		    lio_exported(f, storage) ? "ACTIVATED" : "DEACTIVATED", block_size->value, node_text(storage, "attrib/hw_max_sectors"));
	type_of(storage)->show(f, storage, storage->state, ret);
	return 0;
}

/* An alias or a path for people. */
static int store_text(struct fake *f, struct node *attr, const char *page)
{
	return strlen(page) > UDEV_PATH_LEN ? -EINVAL : lio_store_line(f, attr, page);
}

static int store_lba_map(struct fake *f, struct node *attr, const char *page)
{
	return -EINVAL;
}

/* ---- the table ---- */

static const struct lio_file files[] = {
	{ LIO_ROOT, 0, "version", .show = show_version },
	{ LIO_ROOT, 0, "dbroot", "/var/target", store_dbroot },
	{ LIO_HBA, 0, "hba_info", "" },
	{ LIO_HBA, 0, "hba_mode", "0", store_hba_mode, .max = 1 },
	{ LIO_STORAGE, 0, "alias", NULL, store_text },
	{ LIO_STORAGE, 0, "control", NULL, store_control, .flags = LIO_WRITE_ONLY },
	{ LIO_STORAGE, 0, "enable", "0", store_enable },
	{ LIO_STORAGE, 0, "info", NULL, .show = show_info },
	{ LIO_STORAGE, 0, "lba_map", NULL, store_lba_map },
	{ LIO_STORAGE, 0, "udev_path", NULL, store_text },
};

const struct lio_table lio_core_table = { files, ARRAY_SIZE(files) };
