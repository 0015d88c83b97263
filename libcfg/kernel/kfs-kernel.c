/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running kernel: configfs below its mount, devices and files by their paths, modules through libkmod, SCSI disks through scsi-disk.c. Folders are opened beneath
 * the mount without following any link, and the last component is worked on relative to that.
 */
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <zlib.h>

#include "base/text.h"
#include "kernel/holder.h"
#include "kernel/kfs.h"
#include "kernel/nvme-controller.h"
#include "kernel/scsi-disk.h"
#include "model/address.h"

#define DBROOT_FILE_MAX (1 << 20)	/* the kernel writes at most 256 KiB */

struct kernel_kfs {
	struct kfs kfs;
	char *root;
	int fd;			/* of root, opened at the first call */
	struct kmod_ctx *kmod;
};

static struct kernel_kfs *of(struct kfs *k)
{
	return (struct kernel_kfs *)k;
}

static int open_beneath(struct kernel_kfs *k, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (!kfs_path_ok(path))
		return -EINVAL;
	if (k->fd < 0) {
		k->fd = open(k->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (k->fd < 0)
			return -errno;
	}
	fd = syscall(SYS_openat2, k->fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* The folder that holds the last component. */
static int open_parent(struct kernel_kfs *k, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;

	if (!kfs_path_ok(path) || !slash)
		return -EINVAL;
	if (!parent)
		return -ENOMEM;
	*ret_name = slash + 1;
	return open_beneath(k, parent, O_PATH | O_DIRECTORY);
}

static int kernel_mkdir(struct kfs *kfs, const char *path)
{
	const char *name;
	_cleanup_close_ int fd = open_parent(of(kfs), path, &name);

	if (fd < 0)
		return fd;
	return mkdirat(fd, name, 0755) < 0 ? -errno : 0;
}

static int kernel_rmdir(struct kfs *kfs, const char *path)
{
	const char *name;
	_cleanup_close_ int fd = open_parent(of(kfs), path, &name);

	if (fd < 0)
		return fd;
	return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int kernel_write(struct kfs *kfs, const char *path, const void *value, size_t len)
{
	_cleanup_close_ int fd = -1;

	if (!len)
		return -EINVAL;
	if (len > KFS_VALUE_MAX)
		return -E2BIG;
	fd = open_beneath(of(kfs), path, O_WRONLY);
	if (fd < 0)
		return fd;
	/* One write is one value; a short count is still the whole (kernel-abi 1.1). */
	return write(fd, value, len) < 0 ? -errno : 0;
}

static int kernel_read(struct kfs *kfs, const char *path, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open_beneath(of(kfs), path, O_RDONLY);
	char buf[4097];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	*ret = malloc((size_t)n + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, buf, (size_t)n + 1);
	*ret_len = (size_t)n;
	return 0;
}

static int add_entries(struct kfs_list *l, const char *buf, size_t len)
{
	int r = 0;

	for (size_t at = 0; r >= 0 && at < len;) {
		const struct dirent64 *e = (const struct dirent64 *)(buf + at);

		if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
			r = kfs_list_add(l, e->d_name, e->d_type == DT_DIR ? KFS_DIR : e->d_type == DT_LNK ? KFS_LINK : KFS_ATTR);
		at += e->d_reclen;
	}
	return r;
}

static int kernel_list(struct kfs *kfs, const char *path, struct kfs_list *ret)
{
	_cleanup_close_ int fd = open_beneath(of(kfs), path, O_RDONLY | O_DIRECTORY);
	_Alignas(struct dirent64) char buf[8192];
	ssize_t n;
	int r = fd < 0 ? fd : 0;

	*ret = (struct kfs_list){ 0 };
	while (r >= 0 && (n = getdents64(fd, buf, sizeof(buf))) != 0)
		r = n < 0 ? -errno : add_entries(ret, buf, (size_t)n);
	if (r < 0)
		kfs_list_done(ret);
	return r;
}

static int kernel_link(struct kfs *kfs, const char *path, const char *target)
{
	struct kernel_kfs *k = of(kfs);
	const char *name;
	_cleanup_close_ int fd = open_parent(k, path, &name);
	/* Resolved by configfs at the call, relative to the caller's folder: so from the root. */
	_cleanup_free_ char *absolute = strf("%s/%s", k->root, target);

	if (fd < 0)
		return fd;
	if (!kfs_path_ok(target))
		return -EINVAL;
	if (!absolute)
		return -ENOMEM;
	return symlinkat(absolute, fd, name) < 0 ? -errno : 0;
}

static int kernel_unlink(struct kfs *kfs, const char *path)
{
	const char *name;
	_cleanup_close_ int fd = open_parent(of(kfs), path, &name);

	if (fd < 0)
		return fd;
	return unlinkat(fd, name, 0) < 0 ? -errno : 0;
}

/* "../../../../nvmet/hosts/NQN" -> "nvmet/hosts/NQN" */
static int kernel_readlink(struct kfs *kfs, const char *path, char **ret)
{
	const char *name, *at;
	_cleanup_close_ int fd = open_parent(of(kfs), path, &name);
	char buf[4097];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, name, buf, sizeof(buf) - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	for (at = buf; strncmp(at, "../", 3) == 0;)
		at += 3;
	if (!kfs_path_ok(at))
		return -EINVAL;
	*ret = strdup(at);
	return *ret ? 0 : -ENOMEM;
}

static int kernel_hide(struct kfs *kfs, const char *path)
{
	const char *name;
	_cleanup_close_ int fd = open_parent(of(kfs), path, &name);

	if (fd < 0)
		return fd;
	return fchmodat(fd, name, 0600, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* ---- devices and files ---- */

static int probe_block(struct kernel_kfs *k, int fd, const char *dev, unsigned flags, const struct stat *st, struct kfs_probe *ret)
{
	unsigned block;
	int read_only;

	if (ioctl(fd, BLKGETSIZE64, &ret->size) < 0 || ioctl(fd, BLKSSZGET, &block) < 0 || ioctl(fd, BLKROGET, &read_only) < 0)
		return -errno;
	/* Opening it for writing succeeds all the same, but nvmet looks. */
	if (read_only)
		return -EACCES;
	ret->type = 'b';
	ret->logical_block_size = block;
	ret->major = major(st->st_rdev);
	ret->minor = minor(st->st_rdev);
	if (flags & KFS_PROBE_EXCL) {
		_cleanup_close_ int exclusive = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);

		if (exclusive < 0 && errno == EBUSY)
			device_holder(st->st_rdev, k->root, ret->holder, sizeof(ret->holder));
	}
	return 0;
}

static int probe_controller(struct kernel_kfs *k, const char *dev, unsigned flags, const struct stat *st, struct kfs_probe *ret)
{
	_cleanup_free_ char *name = S_ISCHR(st->st_mode) ? nvme_controller_name(st->st_rdev) : NULL;
	_cleanup_close_ int fd = -1;

	if (!name)
		return -ENOTTY;
	fd = open(dev, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret->type = 'n';
	ret->major = major(st->st_rdev);
	ret->minor = minor(st->st_rdev);
	if (flags & KFS_PROBE_EXCL)
		nvme_controller_holder(name, k->root, ret->holder, sizeof(ret->holder));
	return 0;
}

static int kernel_probe(struct kfs *kfs, const char *dev, unsigned flags, struct kfs_probe *ret)
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	struct stat st;

	*ret = (struct kfs_probe){ 0 };
	/* Looked at first: opening a FIFO or a tape for writing would do harm. */
	if (stat(dev, &st) < 0)
		return -errno;
	if (flags & KFS_PROBE_CONTROLLER)
		return probe_controller(of(kfs), dev, flags, &st, ret);
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return -ENOTBLK;
	fd = open(dev, O_RDWR | O_CLOEXEC | O_NONBLOCK | (flags & KFS_PROBE_DIRECT && S_ISREG(st.st_mode) ? O_DIRECT : 0));
	if (fd < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return probe_block(of(kfs), fd, dev, flags, &st, ret);
	ret->type = 'f';
	ret->size = (uint64_t)st.st_size;
	/* nvmet takes it from the inode, and one of overlayfs has none there, whatever stat(2) says. */
	if (fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
		return 0;
	ret->logical_block_size = st.st_blksize < 4096 ? (uint32_t)st.st_blksize : 4096;
	return 0;
}

static int set_size(int fd, uint64_t size)
{
	if (fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	/* A file system without allocation gets a sparse file. */
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int kernel_create_file(struct kfs *kfs, const char *file, uint64_t size)
{
	_cleanup_close_ int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = set_size(fd, size);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlink(file);
	return r;
}

static int kernel_grow_file(struct kfs *kfs, const char *file, uint64_t size)
{
	_cleanup_close_ int fd = open(file, O_RDWR | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > size)
		return -EINVAL;
	if ((uint64_t)st.st_size == size)
		return 0;
	r = set_size(fd, size);
	/* Only what was just added in vain is taken back. */
	if (r < 0 && ftruncate(fd, st.st_size) < 0)
		r = -errno;
	return r;
}

static int kernel_remove_file(struct kfs *kfs, const char *file)
{
	return unlink(file) < 0 ? -errno : 0;
}

/* ---- modules, release ---- */

static int load_one(struct kmod_module *module)
{
	int r = kmod_module_get_initstate(module);

	if (r == KMOD_MODULE_LIVE || r == KMOD_MODULE_BUILTIN)
		return 0;
	r = kmod_module_probe_insert_module(module, 0, NULL, NULL, NULL, NULL);
	/* Of a rule's command libkmod returns the exit status, as if that were an errno. */
	if (r < 0 && kmod_module_get_install_commands(module))
		return -ENOEXEC;
	return r > 0 ? 0 : r;
}

/* -ENOENT when this kernel has none of that name. */
static int look_up_module(struct kernel_kfs *k, const char *name, struct kmod_list **ret)
{
	int r;

	/* modprobe.d and the index of modules are read once; who has just mended them expects that to be seen. */
	if (k->kmod && kmod_validate_resources(k->kmod) != KMOD_RESOURCES_OK)
		k->kmod = kmod_unref(k->kmod);
	if (!k->kmod) {
		k->kmod = kmod_new(NULL, NULL);
		if (!k->kmod)
			return -ENOMEM;
	}
	r = kmod_module_new_from_lookup(k->kmod, name, ret);
	return r >= 0 && !*ret ? -ENOENT : r;
}

static int write_once(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static const char *tunable_path(const char *name)
{
	static const struct { const char *name, *path; } tunables[] = {
		{ "tcm_loop/can_queue", "/sys/module/tcm_loop/parameters/can_queue" },
		{ "rcu_expedited", "/sys/kernel/rcu_expedited" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tunables); i++)
		if (streq(tunables[i].name, name))
			return tunables[i].path;
	return NULL;
}

static int kernel_tune(struct kfs *kfs, const char *name, const char *value)
{
	const char *path = tunable_path(name);

	return path ? write_once(path, value) : -EINVAL;
}

static int kernel_tuned(struct kfs *kfs, const char *name, char **ret)
{
	const char *path = tunable_path(name);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[64];
	ssize_t n;

	if (!path)
		return -EINVAL;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int kernel_has_module(struct kfs *kfs, const char *name)
{
	struct kmod_list *list = NULL;
	int r = look_up_module(of(kfs), name, &list);

	kmod_module_unref_list(list);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int kernel_load_module(struct kfs *kfs, const char *name)
{
	struct kmod_list *list = NULL, *item;
	int r = look_up_module(of(kfs), name, &list);

	kmod_list_foreach(item, list) {
		struct kmod_module *module = kmod_module_get_module(item);

		if (r >= 0)
			r = load_one(module);
		kmod_module_unref(module);
	}
	kmod_module_unref_list(list);
	return r;
}

static int kernel_release(struct kfs *kfs, char **ret)
{
	struct utsname u;

	if (uname(&u) < 0)
		return -errno;
	*ret = strdup(u.release);
	return *ret ? 0 : -ENOMEM;
}

/* A kernel tells how it was built by /proc/config.gz; most distributions have a file instead. zlib reads both kinds. */
static gzFile open_config(void)
{
	static const struct { const char *before, *behind; } places[] = {
		{ "/boot/config-", "" }, { "/lib/modules/", "/config" }, { "/usr/lib/modules/", "/config" },
	};
	gzFile f = gzopen("/proc/config.gz", "re");
	struct utsname u;

	for (size_t i = 0; !f && i < ARRAY_SIZE(places) && uname(&u) == 0; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s%s", places[i].before, u.release, places[i].behind);
		f = gzopen(path, "re");
	}
	return f;
}

/* "CONFIG_NVME_TARGET=m" or "# CONFIG_NVME_TARGET_AUTH is not set"; an option that depends on a missing one has no line at all. */
static int kernel_has_option(struct kfs *kfs, const char *option)
{
	_cleanup_free_ char *wanted = strf("CONFIG_%s=", option);
	char line[512];
	gzFile f;
	int r = 0;

	if (!wanted)
		return -ENOMEM;
	f = open_config();
	if (!f)
		return -ENODATA;
	while (!r && gzgets(f, line, sizeof(line)))
		r = strncmp(line, wanted, strlen(wanted)) == 0 && strchr("ym", line[strlen(wanted)]);
	gzclose(f);
	return r;
}

/* ---- disks and files of target/core ---- */

/* "H:C:T" of a loopback target; its LUN is the fourth. */
static int read_address(struct kfs *kfs, const char *tpgt, char **ret)
{
	_cleanup_free_ char *path = strf("%s/address", tpgt), *text = NULL;
	size_t len;
	int r = path ? kernel_read(kfs, path, &text, &len) : -ENOMEM;

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	*ret = steal_ptr(text);
	return 0;
}

static int kernel_disk(struct kfs *kfs, const char *tpgt, unsigned lun, char **ret)
{
	_cleanup_free_ char *address = NULL;
	int r = read_address(kfs, tpgt, &address);

	return r < 0 ? r : scsi_disk_find(address, lun, ret);
}

static int kernel_wait_disk(struct kfs *kfs, const char *tpgt, unsigned lun, int stop, char **ret)
{
	_cleanup_free_ char *address = NULL;
	int r = read_address(kfs, tpgt, &address);

	/* Where there is no udev, nobody loads the driver that makes disks of SCSI devices. */
	if (r >= 0)
		r = kernel_load_module(kfs, "sd_mod");
	if (r >= 0)
		r = scsi_disk_check_device(address, lun);
	return r < 0 ? r : scsi_disk_wait(address, lun, stop, ret);
}

static bool is_address(const struct sockaddr *a, const struct ip_address *wanted)
{
	if (a->sa_family == AF_INET6)
		return wanted->v6 && memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, wanted->bytes, 16) == 0;
	return a->sa_family == AF_INET && !wanted->v6 && memcmp(&((const struct sockaddr_in *)a)->sin_addr, wanted->bytes, 4) == 0;
}

static int kernel_has_address(struct kfs *kfs, const char *address)
{
	struct ifaddrs *all, *a;
	struct ip_address ip;
	int r = 0;

	if (!ip_parse(address, &ip))
		return -EINVAL;
	/* The whole of 127.0.0.0/8 is lo's. */
	if (ip_is_any(&ip) || (!ip.v6 && ip.bytes[0] == 127))
		return 1;
	if (getifaddrs(&all) < 0)
		return -errno;
	for (a = all; a && !r; a = a->ifa_next)
		r = a->ifa_addr && is_address(a->ifa_addr, &ip);
	freeifaddrs(all);
	return r;
}

static int kernel_rescan(struct kfs *kfs, const char *tpgt, unsigned lun)
{
	_cleanup_free_ char *address = NULL;
	int r = read_address(kfs, tpgt, &address);

	return r < 0 ? r : scsi_disk_rescan(address, lun);
}

static int kernel_hctl(struct kfs *kfs, const char *dev, unsigned ret[4])
{
	return scsi_hctl(dev, ret);
}

static int read_dbroot(struct kfs *kfs, char **ret)
{
	size_t len;
	int r = kernel_read(kfs, "target/dbroot", ret, &len);

	if (r >= 0)
		(*ret)[strcspn(*ret, "\n")] = 0;
	return r;
}

/* The folder that the file lies in, and its name; the folder that dbroot names may be reached by links, it is the administrator's word. */
static int open_in_dbroot(struct kfs *kfs, const char *file, const char **ret_name)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	const char *slash = strrchr(file, '/');
	_cleanup_free_ char *root = NULL, *folder = slash ? strndup(file, (size_t)(slash - file)) : strdup(".");
	_cleanup_close_ int top = -1;
	int r = kfs_dbroot_path_ok(file) && *file ? read_dbroot(kfs, &root) : -EINVAL;
	long fd;

	if (r < 0)
		return r;
	if (!folder)
		return -ENOMEM;
	top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	fd = syscall(SYS_openat2, top, folder, &how, sizeof(how));
	*ret_name = slash ? slash + 1 : file;
	return fd < 0 ? -errno : (int)fd;
}

static int kernel_dbroot_read(struct kfs *kfs, const char *file, char **ret, size_t *ret_len)
{
	const char *name;
	_cleanup_close_ int folder = open_in_dbroot(kfs, file, &name), fd = -1;
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;

	if (folder < 0)
		return folder;
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > DBROOT_FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (n > 0 && len < (size_t)st.st_size) {
		n = read(fd, text + len, (size_t)st.st_size - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	text[len] = 0;
	*ret_len = len;
	*ret = steal_ptr(text);
	return 0;
}

static int kernel_dbroot_mkdir(struct kfs *kfs, const char *folder)
{
	_cleanup_free_ char *root = NULL;
	_cleanup_close_ int fd = -1;
	const char *name;
	int r;

	if (!*folder) {
		r = read_dbroot(kfs, &root);
		if (r < 0)
			return r;
		return mkdir(root, 0700) < 0 ? -errno : 0;
	}
	fd = open_in_dbroot(kfs, folder, &name);
	if (fd < 0)
		return fd;
	return mkdirat(fd, name, 0700) < 0 ? -errno : 0;
}

static void kernel_free(struct kfs *kfs)
{
	struct kernel_kfs *k = of(kfs);

	close_fdp(&k->fd);
	kmod_unref(k->kmod);
	free(k->root);
	free(k);
}

static const struct kfs_ops kernel_ops = {
	.mkdir = kernel_mkdir,
	.rmdir = kernel_rmdir,
	.write = kernel_write,
	.read = kernel_read,
	.list = kernel_list,
	.link = kernel_link,
	.unlink = kernel_unlink,
	.readlink = kernel_readlink,
	.hide = kernel_hide,
	.probe = kernel_probe,
	.create_file = kernel_create_file,
	.grow_file = kernel_grow_file,
	.remove_file = kernel_remove_file,
	.load_module = kernel_load_module,
	.tune = kernel_tune,
	.tuned = kernel_tuned,
	.has_module = kernel_has_module,
	.has_option = kernel_has_option,
	.has_address = kernel_has_address,
	.disk = kernel_disk,
	.wait_disk = kernel_wait_disk,
	.rescan = kernel_rescan,
	.hctl = kernel_hctl,
	.dbroot_read = kernel_dbroot_read,
	.dbroot_mkdir = kernel_dbroot_mkdir,
	.release = kernel_release,
	.free = kernel_free,
};

int kfs_kernel_new(const char *root, struct kfs **ret)
{
	struct kernel_kfs *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->kfs.ops = &kernel_ops;
	k->fd = -1;
	k->root = strdup(root);
	if (!k->root) {
		free(k);
		return -ENOMEM;
	}
	*ret = &k->kfs;
	return 0;
}
