/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the fake kernel: each call is one request over a socket and waits for its answer. A request is one packet: verb (one
 * byte), then path and value, each as 32-bit little-endian length and bytes; the answer is errno (32 bits) and the rest is data.
 * Verbs are the letters below; lists come back as "TYPE NAME\n" lines.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "kernel/kfs.h"

#define PACKET_MAX (1u << 20)

struct fake_kfs {
	struct kfs kfs;
	char *path;
	int fd;
	char *answer;
};

static int fake_connect(struct fake_kfs *k)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int size = PACKET_MAX;

	if (k->fd >= 0)
		return 0;
	if (strlen(k->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, k->path);
	k->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return -errno;
	setsockopt(k->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(k->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close_fdp(&k->fd);
		k->fd = -1;
		return r;
	}
	return 0;
}

static void add_field(struct strbuf *b, const void *p, size_t n)
{
	unsigned char len[4] = { n & 0xff, n >> 8 & 0xff, n >> 16 & 0xff, n >> 24 & 0xff };

	strbuf_add_mem(b, len, sizeof(len));
	strbuf_add_mem(b, p, n);
}

/* Answer's data is k->answer + 4 (NUL-terminated), *ret_len bytes. */
static int call(struct kfs *kfs, char verb, const char *path, const void *value, size_t len, size_t *ret_len)
{
	struct fake_kfs *k = (struct fake_kfs *)kfs;
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const unsigned char *a;
	ssize_t n;
	int r = fake_connect(k);

	if (r < 0)
		return r;
	strbuf_add_mem(&b, &verb, 1);
	add_field(&b, path, strlen(path));
	add_field(&b, value, len);
	if (b.failed)
		return -ENOMEM;
	if (send(k->fd, b.s, b.len, MSG_NOSIGNAL) < 0)
		return -errno;
	n = recv(k->fd, k->answer, PACKET_MAX, 0);
	if (n < 4)
		return n < 0 ? -errno : -EPIPE;
	k->answer[n] = 0;
	a = (const unsigned char *)k->answer;
	if (ret_len)
		*ret_len = (size_t)n - 4;
	return -(int)(a[0] | (uint32_t)a[1] << 8 | (uint32_t)a[2] << 16 | (uint32_t)a[3] << 24);
}

static const char *data(struct kfs *kfs)
{
	return ((struct fake_kfs *)kfs)->answer + 4;
}

static int simple(struct kfs *kfs, char verb, const char *path, const char *value)
{
	return kfs_path_ok(path) ? call(kfs, verb, path, value, strlen(value), NULL) : -EINVAL;
}

static int fake_mkdir(struct kfs *k, const char *path)
{
	return simple(k, 'm', path, "");
}

static int fake_rmdir(struct kfs *k, const char *path)
{
	return simple(k, 'r', path, "");
}

static int fake_write(struct kfs *k, const char *path, const void *value, size_t len)
{
	if (!len || !kfs_path_ok(path))
		return -EINVAL;
	return len > KFS_VALUE_MAX ? -E2BIG : call(k, 'w', path, value, len, NULL);
}

static int copy_answer(struct kfs *k, char **ret, size_t len)
{
	*ret = malloc(len + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, data(k), len + 1);
	return 0;
}

static int fake_read(struct kfs *k, const char *path, char **ret, size_t *ret_len)
{
	int r = kfs_path_ok(path) ? call(k, 'R', path, "", 0, ret_len) : -EINVAL;

	return r < 0 ? r : copy_answer(k, ret, *ret_len);
}

static int fake_list(struct kfs *k, const char *path, struct kfs_list *ret)
{
	int r = simple(k, 'L', path, "");
	_cleanup_free_ char *copy = r < 0 ? NULL : strdup(data(k));
	char *save = NULL;

	*ret = (struct kfs_list){ 0 };
	if (r < 0)
		return r;
	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); r >= 0 && line; line = strtok_r(NULL, "\n", &save))
		r = strlen(line) > 2 ? kfs_list_add(ret, line + 2, *line) : -EBADMSG;
	if (r < 0)
		kfs_list_done(ret);
	return r;
}

static int fake_link(struct kfs *k, const char *path, const char *target)
{
	return kfs_path_ok(target) ? simple(k, 'l', path, target) : -EINVAL;
}

static int fake_unlink(struct kfs *k, const char *path)
{
	return simple(k, 'u', path, "");
}

static int fake_readlink(struct kfs *k, const char *path, char **ret)
{
	int r = simple(k, 'K', path, "");

	if (r < 0)
		return r;
	*ret = strdup(data(k));
	return *ret ? 0 : -ENOMEM;
}

static int fake_hide(struct kfs *k, const char *path)
{
	return simple(k, 'h', path, "");
}

static int fake_probe(struct kfs *k, const char *dev, unsigned flags, struct kfs_probe *ret)
{
	char text[16];
	unsigned long long size;
	int used = 0, r;

	snprintf(text, sizeof(text), "%u", flags);
	r = call(k, 'P', dev, text, strlen(text), NULL);
	*ret = (struct kfs_probe){ 0 };
	if (r < 0)
		return r;
	if (sscanf(data(k), "%c %llu %u %u %u %n", &ret->type, &size, &ret->logical_block_size, &ret->major, &ret->minor, &used) < 5)
		return -EBADMSG;
	ret->size = size;
	snprintf(ret->holder, sizeof(ret->holder), "%s", data(k) + used);
	return 0;
}

static int file_call(struct kfs *k, char verb, const char *file, uint64_t size)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	return call(k, verb, file, text, strlen(text), NULL);
}

static int fake_create_file(struct kfs *k, const char *file, uint64_t size)
{
	return file_call(k, 'c', file, size);
}

static int fake_grow_file(struct kfs *k, const char *file, uint64_t size)
{
	return file_call(k, 'g', file, size);
}

static int fake_remove_file(struct kfs *k, const char *file)
{
	return file_call(k, 'd', file, 0);
}

static int fake_load_module(struct kfs *k, const char *name)
{
	return call(k, 'M', name, "", 0, NULL);
}

/* The fake kernel knows of everything whether it has it: ENOENT is no. */
static int fake_has(struct kfs *k, char verb, const char *name)
{
	int r = call(k, verb, name, "", 0, NULL);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int fake_tune(struct kfs *k, const char *name, const char *value)
{
	return call(k, 'T', name, value, strlen(value), NULL);
}

static int fake_tuned(struct kfs *k, const char *name, char **ret)
{
	int r = call(k, 't', name, "", 0, NULL);

	if (r < 0)
		return r;
	*ret = strdup(data(k));
	return *ret ? 0 : -ENOMEM;
}

static int fake_has_module(struct kfs *k, const char *name)
{
	return fake_has(k, 'Q', name);
}

static int fake_has_option(struct kfs *k, const char *option)
{
	return fake_has(k, 'O', option);
}

static int fake_has_address(struct kfs *k, const char *address)
{
	return fake_has(k, 'A', address);
}

/* Answers with a path. */
static int fake_disk(struct kfs *k, const char *tpgt, unsigned lun, char **ret)
{
	int r = kfs_path_ok(tpgt) ? file_call(k, 'D', tpgt, lun) : -EINVAL;

	if (r < 0)
		return r;
	*ret = strdup(data(k));
	return *ret ? 0 : -ENOMEM;
}

/* Its disks are there as soon as their LUN is, or never. */
static int fake_wait_disk(struct kfs *k, const char *tpgt, unsigned lun, int stop, char **ret)
{
	int r = fake_disk(k, tpgt, lun, ret);

	return r == -ENOENT ? -ENXIO : r;
}

static int fake_rescan(struct kfs *k, const char *tpgt, unsigned lun)
{
	return kfs_path_ok(tpgt) ? file_call(k, 'S', tpgt, lun) : -EINVAL;
}

/* Answers with "H:C:T:L". */
static int fake_hctl(struct kfs *k, const char *dev, unsigned ret[4])
{
	int r = call(k, 'H', dev, "", 0, NULL);

	if (r < 0)
		return r;
	return sscanf(data(k), "%u:%u:%u:%u", &ret[0], &ret[1], &ret[2], &ret[3]) == 4 ? 0 : -EBADMSG;
}

static int fake_dbroot_read(struct kfs *k, const char *file, char **ret, size_t *ret_len)
{
	int r = kfs_dbroot_path_ok(file) ? call(k, 'F', file, "", 0, ret_len) : -EINVAL;

	return r < 0 ? r : copy_answer(k, ret, *ret_len);
}

static int fake_dbroot_mkdir(struct kfs *k, const char *folder)
{
	return kfs_dbroot_path_ok(folder) ? call(k, 'G', folder, "", 0, NULL) : -EINVAL;
}

static int fake_release(struct kfs *k, char **ret)
{
	int r = call(k, 'V', "", "", 0, NULL);

	if (r < 0)
		return r;
	*ret = strdup(data(k));
	return *ret ? 0 : -ENOMEM;
}

static void fake_free(struct kfs *kfs)
{
	struct fake_kfs *k = (struct fake_kfs *)kfs;

	close_fdp(&k->fd);
	free(k->answer);
	free(k->path);
	free(k);
}

static const struct kfs_ops fake_ops = {
	.mkdir = fake_mkdir,
	.rmdir = fake_rmdir,
	.write = fake_write,
	.read = fake_read,
	.list = fake_list,
	.link = fake_link,
	.unlink = fake_unlink,
	.readlink = fake_readlink,
	.hide = fake_hide,
	.probe = fake_probe,
	.create_file = fake_create_file,
	.grow_file = fake_grow_file,
	.remove_file = fake_remove_file,
	.load_module = fake_load_module,
	.tune = fake_tune,
	.tuned = fake_tuned,
	.has_module = fake_has_module,
	.has_option = fake_has_option,
	.has_address = fake_has_address,
	.disk = fake_disk,
	.wait_disk = fake_wait_disk,
	.rescan = fake_rescan,
	.hctl = fake_hctl,
	.dbroot_read = fake_dbroot_read,
	.dbroot_mkdir = fake_dbroot_mkdir,
	.release = fake_release,
	.free = fake_free,
};

int kfs_fake_new(const char *socket_path, struct kfs **ret)
{
	struct fake_kfs *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->kfs.ops = &fake_ops;
	k->fd = -1;
	k->path = strdup(socket_path);
	k->answer = malloc(PACKET_MAX + 1);
	if (!k->path || !k->answer) {
		fake_free(&k->kfs);
		return -ENOMEM;
	}
	*ret = &k->kfs;
	return 0;
}
