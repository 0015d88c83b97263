/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in sealed memory. A descriptor of a client is only ever read when nobody can change its content any more: then reading
 * cannot block, and what was checked is what is used.
 */
#include "dbus/service-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, char *text, size_t len)
{
	size_t off = 0;

	while (off < len) {
		ssize_t n = pread(fd, text + off, len - off, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += (size_t)n;
	}
	return 0;
}

int memfd_read(int fd, size_t max, char **ret, size_t *ret_len, struct cfg_error *err)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	int seals, r;

	/* In this order: asking for seals is answered for memory alone, while fstat() may ask a file system that never answers. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		return cfg_error_set(err, EINVAL, "the descriptor is not a memfd sealed against writing, growing and shrinking");
	if (fstat(fd, &st) < 0)
		return cfg_error_set(err, errno, "the descriptor's size cannot be read: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return cfg_error_set(err, EINVAL, "the descriptor is not a memfd");
	if ((uint64_t)st.st_size > max)
		return cfg_error_set(err, EFBIG, "the document has %llu bytes, more than the %zu that are allowed (max_document_bytes)",
				     (unsigned long long)st.st_size, max);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return cfg_error_oom(err);
	r = read_all(fd, text, (size_t)st.st_size);
	if (r < 0)
		return cfg_error_set(err, -r, "the descriptor cannot be read: %s", strerror(-r));
	text[st.st_size] = 0;
	*ret_len = (size_t)st.st_size;
	*ret = steal_ptr(text);
	return 0;
}

int memfd_new(const char *name, const char *text, size_t len, int *ret, struct cfg_error *err)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return cfg_error_set(err, errno, "no memory could be set up for the answer: %s", strerror(errno));
	r = write_all(fd, text, len);
	if (r < 0)
		return cfg_error_set(err, -r, "the answer could not be written to memory: %s", strerror(-r));
	if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		return cfg_error_set(err, errno, "the answer could not be sealed: %s", strerror(errno));
	*ret = steal_fd(&fd);
	return 0;
}
