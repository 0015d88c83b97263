/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: read where they are kept, handed to the kernel, wiped. The daemon only ever knows their names; what is said here names them by
 * their reference.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "daemon/worker-private.h"

struct secret {
	char text[KFS_VALUE_MAX + 1];	/* one more than the kernel takes, to see that there is more */
	size_t len;
};

static void secret_done(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

/* The folder of the reference, and its name in there. */
static int secret_place(const struct worker *w, const char *reference, char **ret_folder, const char **ret_name, char **message)
{
	if (strncmp(reference, "file:", 5) == 0) {
		*ret_name = reference + 5;
		*ret_folder = strf("%s/secrets", w->settings->config_dir);
	} else if (strncmp(reference, "credential:", 11) == 0) {
		const char *folder = getenv("CREDENTIALS_DIRECTORY");

		if (!folder)
			return worker_say(message, ENOENT, "%.200s cannot be read: the service was started without credentials",
					  reference);
		*ret_name = reference + 11;
		*ret_folder = strdup(folder);
	} else {
		return worker_say(message, EINVAL, "a secret is named as file:NAME or credential:NAME");
	}
	if (!*ret_folder)
		return -ENOMEM;
	if (!**ret_name || **ret_name == '.' || strchr(*ret_name, '/'))
		return worker_say(message, EINVAL, "%.200s is no name of a secret", reference);
	return 0;
}

static int open_secret(const char *path, int *ret_fd, char **message)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return worker_say(message, ELOOP, "the secret %s must be a file, not a symbolic link", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return worker_say(message, errno, "the secret %s cannot be opened: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return worker_say(message, EINVAL, "the secret %s must be a regular file", path);
	if (st.st_mode & 077)
		return worker_say(message, EPERM, "the secret %s can be read by others than its owner (mode %04o); make it 0600", path,
				  (unsigned)(st.st_mode & 07777));
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int fill_secret(int fd, const char *path, struct secret *ret, char **message)
{
	while (ret->len < sizeof(ret->text)) {
		ssize_t n = read(fd, ret->text + ret->len, sizeof(ret->text) - ret->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return worker_say(message, errno, "the secret %s cannot be read: %s", path, strerror(errno));
		if (n == 0)
			break;
		ret->len += (size_t)n;
	}
	if (ret->len == sizeof(ret->text))
		return worker_say(message, E2BIG, "the secret %s is longer than %d bytes", path, KFS_VALUE_MAX);
	if (ret->len && ret->text[ret->len - 1] == '\n')
		ret->len--;
	if (ret->len && ret->text[ret->len - 1] == '\r')
		ret->len--;
	if (!ret->len)
		return worker_say(message, EINVAL, "the secret %s is empty", path);
	if (memchr(ret->text, 0, ret->len) || memchr(ret->text, '\n', ret->len))
		return worker_say(message, EINVAL, "the secret %s must be one line of text", path);
	return 0;
}

static int read_secret(const struct worker *w, const char *reference, struct secret *ret, char **message)
{
	_cleanup_free_ char *folder = NULL, *path = NULL;
	_cleanup_close_ int fd = -1;
	const char *name = NULL;
	int r = secret_place(w, reference, &folder, &name, message);

	if (r < 0)
		return r;
	path = strf("%s/%s", folder, name);
	if (!path)
		return -ENOMEM;
	r = open_secret(path, &fd, message);
	return r < 0 ? r : fill_secret(fd, path, ret, message);
}

/* The files of LIO's CHAP keep a text of at most so many bytes (some cut it silently), and one that begins with this word says that there is none. */
#define CHAP_MAX 255
#define CHAP_NONE "NULL"

static bool is_chap(const char *path)
{
	return strncmp(path, "target/", 7) == 0;
}

bool worker_holds_secret(const char *path, const char *text)
{
	return *text && *text != '\n' && !(is_chap(path) && strncmp(text, CHAP_NONE, strlen(CHAP_NONE)) == 0);
}

static int check_chap(const struct op *op, const struct secret *s, char **message)
{
	if (s->len > CHAP_MAX)
		return worker_say(message, E2BIG, "the secret of %.200s is longer than the %d bytes that the kernel keeps", op->value, CHAP_MAX);
	if (!worker_holds_secret(op->path, s->text))
		return worker_say(message, EINVAL, "the secret of %.200s begins with " CHAP_NONE ", which to the kernel means that there is none",
				  op->value);
	return 0;
}

/* What the kernel is told when there is to be none: to nvmet one NUL (kernel-abi 2.1). */
static void clear_secret(const struct op *op, struct secret *s)
{
	s->len = is_chap(op->path) ? strlen(CHAP_NONE) : 1;
	memcpy(s->text, is_chap(op->path) ? CHAP_NONE : "", s->len);
}

static int say_refused(const struct op *op, char **message)
{
	if (is_chap(op->path))
		return worker_say(message, EINVAL, "the kernel does not take the secret of %.200s", op->value);
	return worker_say(message, EINVAL, "the kernel does not take the secret of %.200s: it must have the form DHHC-1:HH:BASE64:", op->value);
}

int worker_write_secret(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_(secret_done) struct secret secret = { 0 };
	int r;

	/* Before anything secret is in it: the kernel makes the file readable by all. */
	r = w->kfs->ops->hide(w->kfs, op->path);
	if (r >= 0 && *op->value)
		r = read_secret(w, op->value, &secret, message);
	if (r >= 0 && *op->value && is_chap(op->path))
		r = check_chap(op, &secret, message);
	if (r < 0)
		return r;
	if (!*op->value)
		clear_secret(op, &secret);
	r = w->kfs->ops->write(w->kfs, op->path, secret.text, secret.len);
	return r == -EINVAL && *op->value ? say_refused(op, message) : r;
}

static int store(const struct worker *w, const char *name, const void *text, size_t len, char **message)
{
	_cleanup_free_ char *folder = strf("%s/secrets", w->settings->config_dir), *path = NULL;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r;

	path = folder ? strf("%s/%s", folder, name) : NULL;
	if (!path)
		return -ENOMEM;
	r = file_make_dirs(folder, 0700, &err);
	if (r >= 0)
		r = file_replace(path, text, len, 0600, &err);
	return r < 0 ? worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r)) : 0;
}

int worker_store_secret(struct worker *w, const struct op *op, char **data, char **message)
{
	return store(w, op->path, op->value, strlen(op->value), message);
}

int worker_keep_secret(struct worker *w, const struct op *op, char **data, char **message)
{
	char *text = NULL;
	size_t len = 0;
	int r = w->kfs->ops->read(w->kfs, op->value, &text, &len);

	if (r < 0)
		return r;
	len = strcspn(text, "\n");
	if (!worker_holds_secret(op->value, text))
		r = worker_say(message, ENOENT, "there is no secret any more");
	if (r >= 0)
		r = store(w, op->path, text, len, message);
	if (r >= 0)
		r = w->kfs->ops->hide(w->kfs, op->value);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}
