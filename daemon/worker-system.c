/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of the machine: modules, what the kernel is, changes in configfs; and the daemon's own files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/worker-private.h"

#define OWN_FILE_MAX (64u << 20)
#define CONFIGFS_MAGIC 0x62656570	/* fs/configfs/mount.c; no header has it */

int worker_load_module(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->load_module(w->kfs, op->path);

	if (r == -ENOENT)
		return worker_say(message, ENOENT, "this kernel has no module %s", op->path);
	if (r == -ENOEXEC)
		return worker_say(message, ENOEXEC, "the module %s cannot be loaded: modprobe.d has an install rule for it, and what that runs failed", op->path);
	return r < 0 ? worker_say(message, -r, "the module %s cannot be loaded: %s", op->path, strerror(-r)) : 0;
}

int worker_tune(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->tune(w->kfs, op->path, op->value);

	if (r == -ENOENT && op->flags & OP_MAY_BE_ABSENT)
		return 0;
	return r < 0 ? worker_say(message, -r, "%s cannot be set to %s: %s", op->path, op->value, strerror(-r)) : 0;
}

/* The file RUN_DIR/expedited says meanwhile that it was 0 before, so that whoever finds that can put it back. Where it is set already, it belongs to
 * somebody else. */
static int expedite(struct worker *w, const char *path)
{
	_cleanup_free_ char *was = NULL;
	int r = w->kfs->ops->tuned(w->kfs, "rcu_expedited", &was);

	if (r < 0 || !streq(was, "0"))
		return r == -ENOENT ? 0 : r;
	r = file_replace(path, "", 0, 0600, NULL);
	return r < 0 ? r : w->kfs->ops->tune(w->kfs, "rcu_expedited", "1");
}

static int expedite_no_longer(struct worker *w, const char *path)
{
	int r;

	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = w->kfs->ops->tune(w->kfs, "rcu_expedited", "0");
	return r < 0 ? r : unlink(path) < 0 ? -errno : 0;
}

int worker_expedite(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *path = strf("%s/expedited", w->settings->run_dir);
	int r;

	if (!path)
		return -ENOMEM;
	r = streq(op->value, "1") ? expedite(w, path) : expedite_no_longer(w, path);
	return r < 0 ? worker_say(message, -r, "/sys/kernel/rcu_expedited cannot be set: %s", strerror(-r)) : 0;
}

const char *worker_configfs_root(const struct worker *w)
{
	const char *spec = w->settings->kernel;

	if (strncmp(spec, "configfs:/", 10) == 0)
		return spec + 9;
	return streq(spec, "configfs") ? "/sys/kernel/config" : NULL;
}

static bool configfs_mounted(const struct worker *w)
{
	const char *root = worker_configfs_root(w);
	struct statfs st;

	return !root || (statfs(root, &st) == 0 && st.f_type == CONFIGFS_MAGIC);
}

static bool has_folder(struct worker *w, const char *path)
{
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };

	return w->kfs->ops->list(w->kfs, path, &list) >= 0;
}

int worker_system(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *release = NULL;
	int r = w->kfs->ops->release(w->kfs, &release);

	if (r < 0)
		return worker_say(message, -r, "the kernel's release cannot be read: %s", strerror(-r));
	*data = strf("release %s\nconfigfs %d\nnvmet %d\ntarget %d\ncpus %ld\n", release, configfs_mounted(w), has_folder(w, "nvmet"),
		     has_folder(w, "target"), sysconf(_SC_NPROCESSORS_ONLN));
	return *data ? 0 : -ENOMEM;
}

static int answer(int r, char **data)
{
	*data = strdup(r == -ENODATA ? "unknown" : r > 0 ? "yes" : "no");
	return *data ? 0 : -ENOMEM;
}

int worker_has_module(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->has_module(w->kfs, op->path);

	return r < 0 ? worker_say(message, -r, "modules cannot be looked up: %s", strerror(-r)) : answer(r, data);
}

int worker_has_option(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->has_option(w->kfs, op->path);

	if (r < 0 && r != -ENODATA)
		return worker_say(message, -r, "the kernel's configuration cannot be read: %s", strerror(-r));
	return answer(r, data);
}

int worker_has_address(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->has_address(w->kfs, op->value);

	return r < 0 ? worker_say(message, -r, "the addresses of this machine cannot be read: %s", strerror(-r)) : answer(r, data);
}

int worker_in_use(struct worker *w, const struct op *op, char **data, char **message)
{
	return in_use_list(op->value, data, message);
}

/* ---- waiting for changes ---- */

/* 1: watched; 0: it is not there, which is as good as a change. */
static int watch_folder(int fd, const char *root, const char *folder, char **message)
{
	_cleanup_free_ char *path = strf("%s/%s", root, folder);

	if (!path)
		return -ENOMEM;
	if (inotify_add_watch(fd, path, IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MODIFY | IN_CLOSE_WRITE | IN_ONLYDIR) >= 0)
		return 1;
	if (errno == ENOENT || errno == ENOTDIR)
		return 0;
	return worker_say(message, errno, "%s cannot be watched: %s", path, strerror(errno));
}

static int watch_folders(int fd, const char *root, const char *folders, char **message)
{
	_cleanup_free_ char *copy = strdup(folders);
	char *save = NULL;
	int r = copy ? 1 : -ENOMEM;

	for (char *f = copy ? strtok_r(copy, "\n", &save) : NULL; f && r > 0; f = strtok_r(NULL, "\n", &save))
		r = watch_folder(fd, root, f, message);
	return r;
}

int worker_wait_change(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_close_ int fd = -1;
	const char *root = worker_configfs_root(w);
	struct pollfd fds[2];
	int r;

	if (!root)
		return worker_say(message, EOPNOTSUPP, "changes behind this kernel cannot be seen");
	fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0)
		return worker_say(message, errno, "changes cannot be watched: %s", strerror(errno));
	r = watch_folders(fd, root, op->value, message);
	if (r <= 0)
		return r;
	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = w->sock, .events = POLLRDHUP };
	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* ---- the daemon's own files ---- */

/* The folder of ours that the path is below (worker_check() has seen that there is one), the longest if they lie in one another. */
static const char *own_folder(const struct worker *w, const char *path)
{
	const char *const folders[] = { w->settings->config_dir, w->settings->state_dir, w->settings->run_dir };
	const char *best = "/";

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		size_t n = strlen(folders[i]);

		if (strncmp(path, folders[i], n) == 0 && (path[n] == '/' || (n && folders[i][n - 1] == '/')) && n > strlen(best))
			best = folders[i];
	}
	return best;
}

/* Nothing between our folder and the file may be a link, nor the file itself. The folders are root's alone, so that what was seen here still
 * holds when the file is opened. */
static int no_links(const struct worker *w, const char *path, char **message)
{
	const char *folder = own_folder(w, path), *name = strrchr(path, '/') + 1;
	_cleanup_close_ int top = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), parent = -1;
	_cleanup_free_ char *between = strndup(path, (size_t)(name - 1 - path));
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	const char *rest;
	struct stat st;

	if (!between)
		return -ENOMEM;
	rest = between + (strlen(between) > strlen(folder) ? strlen(folder) : strlen(between));
	rest += strspn(rest, "/");
	if (top >= 0)
		parent = (int)syscall(SYS_openat2, top, *rest ? rest : ".", &how, sizeof(how));
	if (parent < 0)
		return worker_say(message, errno, "%s cannot be reached: %s", path, strerror(errno));
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : worker_say(message, errno, "%s cannot be reached: %s", path, strerror(errno));
	return S_ISREG(st.st_mode) ? 0 : worker_say(message, EINVAL, "%s is no regular file", path);
}

static int put_file(struct worker *w, const struct op *op, char **message,
		    int (*put)(const char *, const void *, size_t, mode_t, struct cfg_error *))
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r = no_links(w, op->path, message);

	if (r < 0)
		return r;
	r = put(op->path, op->value, strlen(op->value), 0600, &err);
	return r < 0 ? worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r)) : 0;
}

int worker_file_replace(struct worker *w, const struct op *op, char **data, char **message)
{
	return put_file(w, op, message, file_replace);
}

int worker_file_append(struct worker *w, const struct op *op, char **data, char **message)
{
	return put_file(w, op, message, file_append);
}

int worker_file_cut(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;
	struct stat st;
	int r = no_links(w, op->path, message);

	if (r < 0)
		return r;
	text_to_u64(op->value, &size);
	fd = open(op->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0 || ((uint64_t)st.st_size > size && ftruncate(fd, (off_t)size) < 0))
		return worker_say(message, errno, "%s cannot be cut: %s", op->path, strerror(errno));
	return 0;
}

int worker_file_remove(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = no_links(w, op->path, message);

	if (r < 0)
		return r;
	return unlink(op->path) < 0 ? worker_say(message, errno, "%s cannot be removed: %s", op->path, strerror(errno)) : 0;
}

int worker_file_read(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	size_t len;
	int r = no_links(w, op->path, message);

	if (r < 0)
		return r;
	r = file_read(op->path, OWN_FILE_MAX, data, &len, &err);
	if (r < 0)
		return worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r));
	/* Our own files are text. */
	if (strlen(*data) == len)
		return 0;
	free(steal_ptr(*data));
	return worker_say(message, EINVAL, "%s holds a NUL", op->path);
}
