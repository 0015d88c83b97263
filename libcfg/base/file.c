/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reading, durable replacing and appending. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"

static int fail(struct cfg_error *err, const char *path, const char *what)
{
	int code = errno;

	return cfg_error_set(err, code, "%s: cannot be %s: %s", path, what, strerror(code));
}

int file_read_fd(int fd, const char *path, size_t max, char **ret, size_t *ret_len, struct cfg_error *err)
{
	struct strbuf b = { 0 };
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			strbuf_done(&b);
			return fail(err, path, "read");
		}
		if (b.len + (size_t)n > max) {
			strbuf_done(&b);
			return cfg_error_set(err, EFBIG, "%s: is larger than %zu bytes", path, max);
		}
		strbuf_add_mem(&b, chunk, (size_t)n);
	}
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return *ret ? 0 : cfg_error_oom(err);
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct cfg_error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	/* O_NONBLOCK: opening a FIFO that nobody writes to must not hang. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fail(err, path, "opened");
	if (fstat(fd, &st) < 0)
		return fail(err, path, "read");
	if (!S_ISREG(st.st_mode))
		return cfg_error_set(err, EINVAL, "%s: is not a regular file", path);
	if ((uint64_t)st.st_size > max)
		return cfg_error_set(err, EFBIG, "%s: is larger than %zu bytes", path, max);
	return file_read_fd(fd, path, max, ret, ret_len, err);
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

static int sync_folder(const char *path, struct cfg_error *err)
{
	_cleanup_free_ char *folder = folder_of(path);
	_cleanup_close_ int fd = -1;

	if (!folder)
		return cfg_error_oom(err);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return fail(err, folder, "made durable");
	return 0;
}

int file_sync(const char *path, struct cfg_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fsync(fd) < 0)
		return fail(err, path, "made durable");
	return sync_folder(path, err);
}

/* ".NAME.new-XXXXXX" */
#define NEW ".new-"
#define NEW_RANDOM 6

static char *new_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash + 1 - path) : 0;

	return strf("%.*s.%s" NEW "XXXXXX", folder, path, path + folder);
}

static bool is_new_name(const char *name)
{
	size_t len = strlen(name), end = strlen(NEW) + NEW_RANDOM;

	return name[0] == '.' && len > end + 1 && strncmp(name + len - end, NEW, strlen(NEW)) == 0;
}

void file_remove_unfinished(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *path = is_new_name(e->d_name) ? strf("%s/%s", folder, e->d_name) : NULL;

		if (path)
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct cfg_error *err)
{
	_cleanup_free_ char *temp = new_name(path);
	_cleanup_close_ int fd = -1;
	int r;

	if (!temp)
		return cfg_error_oom(err);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return fail(err, path, "written");
	r = write_all(fd, data, len);
	if (r >= 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r < 0) {
		errno = -r;
		r = fail(err, path, "written");
	} else if (rename(temp, path) < 0) {
		r = fail(err, path, "replaced");
	}
	if (r < 0) {
		unlink(temp);
		return r;
	}
	return sync_folder(path, err);
}

int file_append(const char *path, const void *data, size_t len, mode_t mode, struct cfg_error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	struct stat st;
	int r;

	if (fd < 0)
		return fail(err, path, "opened");
	if (fstat(fd, &st) < 0)
		return fail(err, path, "read");
	r = write_all(fd, data, len);
	if (r >= 0 && fdatasync(fd) < 0)
		r = -errno;
	/* An empty one may be there by the work of somebody who did not get as far as its folder. */
	if (r >= 0 && !st.st_size)
		r = sync_folder(path, err);
	else if (r < 0)
		r = cfg_error_set(err, -r, "%s: cannot be appended to: %s", path, strerror(-r));
	/* Who is told that it failed must not find it after the power has: neither here nor on the disk, as far as that still obeys. */
	if (r < 0 && ftruncate(fd, st.st_size) == 0)
		fdatasync(fd);
	return r;
}

int file_make_dirs(const char *path, mode_t mode, struct cfg_error *err)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;
	int r = 0;

	if (!copy)
		return cfg_error_oom(err);
	for (char *at = copy + 1;; at++) {
		char c = *at;

		if (c && c != '/')
			continue;
		*at = 0;
		if (mkdir(copy, mode) == 0)
			r = sync_folder(copy, err);
		else if (errno != EEXIST)
			r = fail(err, copy, "made");
		if (r < 0)
			return r;
		*at = c;
		if (!c)
			break;
	}
	if (stat(path, &st) < 0)
		return fail(err, path, "read");
	return S_ISDIR(st.st_mode) ? 0 : cfg_error_set(err, ENOTDIR, "%s: is not a folder", path);
}
