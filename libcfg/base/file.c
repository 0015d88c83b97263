/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reading, durable replacing and appending. */
#include "base/file.h"

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

int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct cfg_error *err)
{
	_cleanup_free_ char *temp = strf("%s.XXXXXX", path);
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
	bool made = access(path, F_OK) < 0;
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
	if (r < 0) {
		/* A torn tail would be found and dropped at the next start; better not to leave one. */
		if (ftruncate(fd, st.st_size) < 0)
			r = r ? r : -errno;
		errno = -r;
		return fail(err, path, "appended to");
	}
	return made ? sync_folder(path, err) : 0;
}

int file_make_dirs(const char *path, mode_t mode, struct cfg_error *err)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return cfg_error_oom(err);
	for (char *at = copy + 1;; at++) {
		char c = *at;

		if (c && c != '/')
			continue;
		*at = 0;
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return fail(err, copy, "made");
		*at = c;
		if (!c)
			break;
	}
	if (stat(path, &st) < 0)
		return fail(err, path, "read");
	return S_ISDIR(st.st_mode) ? 0 : cfg_error_set(err, ENOTDIR, "%s: is not a folder", path);
}
