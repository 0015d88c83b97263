/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny kernel of the worker's tests. */
#include "tests/unit/tiny-kfs.h"

#include <assert.h>
#include <errno.h>

static struct tiny_kfs *of(struct kfs *k)
{
	return (struct tiny_kfs *)k;
}

__attribute__((format(printf, 2, 3)))
static void called(struct kfs *kfs, const char *fmt, ...)
{
	struct tiny_kfs *k = of(kfs);
	char call[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(call, sizeof(call), fmt, ap);
	va_end(ap);
	strbuf_addf(&k->calls, "%s\n", call);
	if (k->before_call)
		k->before_call(k, call);
}

struct tiny_entry *tiny_find(struct tiny_kfs *k, const char *path)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->entries[i].path && streq(k->entries[i].path, path))
			return &k->entries[i];
	return NULL;
}

struct tiny_entry *tiny_put(struct tiny_kfs *k, char type, const char *path, const char *value)
{
	struct tiny_entry *e = &k->entries[k->n];

	assert(k->n < ARRAY_SIZE(k->entries));
	*e = (struct tiny_entry){ .path = strdup(path), .type = type, .value = value ? strdup(value) : NULL };
	k->n++;
	return e;
}

static void drop(struct tiny_entry *e)
{
	free(e->path);
	free(e->value);
	*e = (struct tiny_entry){ 0 };
}

/* The entry, or why there is nothing to be done with it. */
static int look(struct kfs *k, const char *path, struct tiny_entry **ret)
{
	assert(kfs_path_ok(path));
	*ret = tiny_find(of(k), path);
	return *ret ? -(*ret)->error : -ENOENT;
}

static int make(struct kfs *k, char type, const char *path, const char *value)
{
	struct tiny_entry *e;
	int r = look(k, path, &e);

	if (r == -ENOENT && !e)
		tiny_put(of(k), type, path, value);
	return r == 0 ? -EEXIST : e ? r : 0;
}

static int take(struct kfs *k, const char *path)
{
	struct tiny_entry *e;
	int r = look(k, path, &e);

	if (r == 0)
		drop(e);
	return r;
}

static int tiny_mkdir(struct kfs *k, const char *path)
{
	called(k, "mkdir %s", path);
	return make(k, KFS_DIR, path, NULL);
}

static int tiny_rmdir(struct kfs *k, const char *path)
{
	called(k, "rmdir %s", path);
	return take(k, path);
}

static int tiny_write(struct kfs *kfs, const char *path, const void *value, size_t len)
{
	struct tiny_kfs *k = of(kfs);
	struct tiny_entry *e;
	int r = look(kfs, path, &e);

	called(kfs, "write %s %zu %.*s", path, len, (int)len, (const char *)value);
	if (r < 0 || k->write_error)
		return r < 0 ? r : -k->write_error;
	free(e->value);
	e->value = k->keeps ? strdup(k->keeps) : strndup(value, len);
	return 0;
}

static int tiny_read(struct kfs *k, const char *path, char **ret, size_t *ret_len)
{
	struct tiny_entry *e;
	int r = look(k, path, &e);

	called(k, "read %s", path);
	if (r < 0)
		return r;
	*ret = strdup(e->value ? e->value : "");
	*ret_len = strlen(*ret);
	return 0;
}

static int tiny_list(struct kfs *kfs, const char *path, struct kfs_list *ret)
{
	struct tiny_kfs *k = of(kfs);
	struct tiny_entry *e;
	size_t n = strlen(path);
	int r;

	called(kfs, "list %s", path);
	r = look(kfs, path, &e);
	for (size_t i = 0; r == 0 && i < k->n; i++) {
		const char *p = k->entries[i].path;

		if (p && strncmp(p, path, n) == 0 && p[n] == '/' && !strchr(p + n + 1, '/'))
			r = kfs_list_add(ret, p + n + 1, k->entries[i].type);
	}
	return r;
}

static int tiny_link(struct kfs *k, const char *path, const char *target)
{
	called(k, "link %s %s", path, target);
	return make(k, KFS_LINK, path, target);
}

static int tiny_unlink(struct kfs *k, const char *path)
{
	called(k, "unlink %s", path);
	return take(k, path);
}

static int tiny_readlink(struct kfs *k, const char *path, char **ret)
{
	struct tiny_entry *e;
	int r = look(k, path, &e);

	called(k, "readlink %s", path);
	if (r == 0)
		*ret = strdup(e->value);
	return r;
}

static int tiny_hide(struct kfs *k, const char *path)
{
	struct tiny_entry *e;

	called(k, "hide %s", path);
	return look(k, path, &e);
}

static int tiny_probe(struct kfs *k, const char *dev, unsigned flags, struct kfs_probe *ret)
{
	called(k, "probe %s %u", dev, flags);
	*ret = of(k)->probe;
	return -of(k)->probe_error;
}

static int tiny_create_file(struct kfs *k, const char *file, uint64_t size)
{
	called(k, "create %s %llu", file, (unsigned long long)size);
	return -of(k)->file_error;
}

static int tiny_grow_file(struct kfs *k, const char *file, uint64_t size)
{
	called(k, "grow %s %llu", file, (unsigned long long)size);
	return -of(k)->file_error;
}

static int tiny_remove_file(struct kfs *k, const char *file)
{
	called(k, "remove %s", file);
	return -of(k)->file_error;
}

static int tiny_load_module(struct kfs *k, const char *name)
{
	called(k, "module %s", name);
	return -of(k)->file_error;
}

static int tiny_tune(struct kfs *k, const char *name, const char *value)
{
	called(k, "tune %s %s", name, value);
	return -of(k)->file_error;
}

static int tiny_tuned(struct kfs *k, const char *name, char **ret)
{
	called(k, "tuned %s", name);
	*ret = strdup("0");
	return *ret ? 0 : -ENOMEM;
}

static int tiny_has_module(struct kfs *k, const char *name)
{
	called(k, "has module %s", name);
	return streq(name, "nvmet_tcp");
}

static int tiny_has_address(struct kfs *k, const char *address)
{
	called(k, "has address %s", address);
	return streq(address, "192.0.2.1");
}

static int tiny_has_option(struct kfs *k, const char *option)
{
	called(k, "has option %s", option);
	return streq(option, "NVME_TARGET_AUTH") ? 1 : -ENODATA;
}

static int tiny_disk(struct kfs *k, const char *tpgt, unsigned lun, char **ret)
{
	called(k, "disk %s %u", tpgt, lun);
	if (!of(k)->disk)
		return -ENOENT;
	*ret = strdup(of(k)->disk);
	return 0;
}

static int tiny_wait_disk(struct kfs *k, const char *tpgt, unsigned lun, int stop, char **ret)
{
	called(k, "wait for disk %s %u", tpgt, lun);
	return of(k)->disk ? tiny_disk(k, tpgt, lun, ret) : -ENXIO;
}

static int tiny_rescan(struct kfs *k, const char *tpgt, unsigned lun)
{
	called(k, "rescan %s %u", tpgt, lun);
	return of(k)->disk ? 0 : -ENOENT;
}

static int tiny_hctl(struct kfs *k, const char *dev, unsigned ret[4])
{
	static const unsigned address[4] = { 3, 0, 1, 2 };

	called(k, "address %s", dev);
	memcpy(ret, address, sizeof(address));
	return -of(k)->file_error;
}

static int tiny_dbroot_read(struct kfs *k, const char *file, char **ret, size_t *ret_len)
{
	assert(kfs_dbroot_path_ok(file));
	called(k, "dbroot read %s", file);
	if (!of(k)->dbroot_file)
		return -ENOENT;
	*ret = strdup(of(k)->dbroot_file);
	*ret_len = strlen(*ret);
	return 0;
}

static int tiny_dbroot_mkdir(struct kfs *k, const char *folder)
{
	assert(kfs_dbroot_path_ok(folder));
	called(k, "dbroot mkdir %s", folder);
	return -of(k)->file_error;
}

static int tiny_release(struct kfs *k, char **ret)
{
	called(k, "release");
	*ret = strdup("6.12.0-tiny");
	return 0;
}

static void tiny_free(struct kfs *k)
{
}

static const struct kfs_ops tiny_ops = {
	.mkdir = tiny_mkdir,
	.rmdir = tiny_rmdir,
	.write = tiny_write,
	.read = tiny_read,
	.list = tiny_list,
	.link = tiny_link,
	.unlink = tiny_unlink,
	.readlink = tiny_readlink,
	.hide = tiny_hide,
	.probe = tiny_probe,
	.create_file = tiny_create_file,
	.grow_file = tiny_grow_file,
	.remove_file = tiny_remove_file,
	.load_module = tiny_load_module,
	.tune = tiny_tune,
	.tuned = tiny_tuned,
	.has_module = tiny_has_module,
	.has_option = tiny_has_option,
	.has_address = tiny_has_address,
	.disk = tiny_disk,
	.wait_disk = tiny_wait_disk,
	.rescan = tiny_rescan,
	.hctl = tiny_hctl,
	.dbroot_read = tiny_dbroot_read,
	.dbroot_mkdir = tiny_dbroot_mkdir,
	.release = tiny_release,
	.free = tiny_free,
};

void tiny_init(struct tiny_kfs *k)
{
	*k = (struct tiny_kfs){ .kfs.ops = &tiny_ops };
	tiny_put(k, KFS_DIR, "nvmet", NULL);
}

void tiny_done(struct tiny_kfs *k)
{
	for (size_t i = 0; i < k->n; i++)
		drop(&k->entries[i]);
	strbuf_done(&k->calls);
}
