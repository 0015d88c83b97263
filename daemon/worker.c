/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: the part that holds the power, kept small. Every operation is checked by itself, whatever the daemon thinks: configfs below the
 * two roots, the daemon's own files below its folders, no symbolic links on the way, a closed list of verbs.
 */
#include "daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/record.h"
#include "model/attr.h"

#define SECRET_MAX 4000

typedef int (*op_fn)(struct worker *w, const struct op *op, char **data, char **message);

__attribute__((format(printf, 3, 4)))
static int say(char **message, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(message, fmt, ap) < 0)
		*message = NULL;
	va_end(ap);
	return -code;
}

/* ---- configfs ---- */

static int do_mkdir(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->mkdir(w->kfs, op->path);

	return r == -EEXIST && op->flags & OP_MAY_EXIST ? 0 : r;
}

static int do_rmdir(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->rmdir(w->kfs, op->path);
}

static int do_link(struct worker *w, const struct op *op, char **data, char **message)
{
	return op->value ? w->kfs->ops->link(w->kfs, op->path, op->value) : -EINVAL;
}

static int do_unlink(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->unlink(w->kfs, op->path);
}

static int do_readlink(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->readlink(w->kfs, op->path, data);
}

static char *sibling(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return slash ? strf("%.*s/%s", (int)(slash - path), path, name) : NULL;
}

static bool is_namespace_enable(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && streq(slash, "/enable") && strstr(path, "/namespaces/");
}

/* On 6.12 enabling a namespace with buffered_io and without a path brings the kernel down (kernel-abi 12, trap 3). */
static int guard_enable(struct worker *w, const struct op *op, char **message)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len;
	int r;

	if (!is_namespace_enable(op->path) || streq(op->value, "0"))
		return 0;
	path = sibling(op->path, "device_path");
	if (!path)
		return -ENOMEM;
	r = w->kfs->ops->read(w->kfs, path, &text, &len);
	if (r < 0)
		return r;
	if (strncmp(text, "(null)", 6) == 0 || !strcspn(text, "\n"))
		return say(message, EINVAL, "a namespace without a device cannot be enabled");
	return 0;
}

static int check_back(struct worker *w, const struct op *op, char **message)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = w->kfs->ops->read(w->kfs, op->path, &text, &len);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	return streq(text, op->value) ? 0 :
					say(message, EIO, "the kernel took %s and kept %s: something else of the object excludes it",
					    op->value, text);
}

static int do_write(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *line = NULL;
	int r;

	if (!op->value)
		return -EINVAL;
	r = guard_enable(w, op, message);
	if (r < 0)
		return r;
	line = strf("%s%s", op->value, op->flags & OP_NEWLINE ? "\n" : "");
	if (!line)
		return -ENOMEM;
	/* An empty value cannot be written; a NUL clears what can be cleared (kernel-abi 2.1). */
	r = w->kfs->ops->write(w->kfs, op->path, *line ? line : "", *line ? strlen(line) : 1);
	return r >= 0 && op->flags & OP_CHECK_BACK ? check_back(w, op, message) : r;
}

/* ---- secrets ---- */

static int secret_path(const struct worker *w, const char *reference, char **ret, char **message)
{
	const char *name;

	if (strncmp(reference, "file:", 5) == 0) {
		name = reference + 5;
		*ret = strf("%s/secrets/%s", w->settings->config_dir, name);
	} else if (strncmp(reference, "credential:", 11) == 0) {
		const char *dir = getenv("CREDENTIALS_DIRECTORY");

		name = reference + 11;
		if (!dir)
			return say(message, ENOENT, "the service was started without credentials, so %s cannot be read", reference);
		*ret = strf("%s/%s", dir, name);
	} else {
		return -EINVAL;
	}
	if (!*name || *name == '.' || strchr(name, '/'))
		return say(message, EINVAL, "%s is no name of a secret", reference);
	return *ret ? 0 : -ENOMEM;
}

static int read_secret(const struct worker *w, const char *reference, char *buf, size_t size, char **message)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;
	int r = secret_path(w, reference, &path, message);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return say(message, errno, "the secret %s cannot be read: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_mode & 077)
		return say(message, EPERM, "the secret %s must be a file that its owner alone can read (mode 0600)", path);
	n = read(fd, buf, size - 1);
	if (n < 0)
		return say(message, errno, "the secret %s cannot be read: %s", path, strerror(errno));
	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	buf[n] = 0;
	return n ? 0 : say(message, EINVAL, "the secret %s is empty", path);
}

static int do_write_secret(struct worker *w, const struct op *op, char **data, char **message)
{
	char secret[SECRET_MAX + 1] = "";
	size_t len;
	int r;

	if (!op->value)
		return -EINVAL;
	/* Before anything secret is in it: the kernel makes the file readable by all. */
	r = w->kfs->ops->hide(w->kfs, op->path);
	if (r >= 0 && *op->value)
		r = read_secret(w, op->value, secret, sizeof(secret), message);
	len = strlen(secret);
	if (r >= 0)
		r = w->kfs->ops->write(w->kfs, op->path, secret, len ? len : 1);
	explicit_bzero(secret, sizeof(secret));
	if (r == -EINVAL && !*message)
		return say(message, EINVAL, "the kernel does not take the secret of %s: it must have the form DHHC-1:HH:BASE64:",
			   op->value);
	return r;
}

static int do_store_secret(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *path = strf("%s/secrets/%s", w->settings->config_dir, op->path);
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (!op->value || !*op->path || *op->path == '.' || strchr(op->path, '/'))
		return -EINVAL;
	if (!path)
		return -ENOMEM;
	if (file_replace(path, op->value, strlen(op->value), 0600, &err) < 0)
		return say(message, err.code, "%s", err.msg);
	return 0;
}

/* ---- devices, files, modules ---- */

static const char *why_not_open(int code, const char *dev, bool want_block)
{
	switch (code) {
	case ENOENT:
		return "does not exist";
	case ENXIO:
	case ENODEV:
		return "has no device behind it";
	case EISDIR:
		return "is a folder";
	case ENOTBLK:
		return want_block ? "is no block device" : "is neither a regular file nor a block device";
	case EACCES:
	case EROFS:
		return "is read-only";
	case EINVAL:
		return "cannot be opened for direct I/O; set buffered_io on the backend";
	default:
		return strerror(code);
	}
}

static int do_probe(struct worker *w, const struct op *op, char **data, char **message)
{
	bool want_block = op->flags & OP_WANT_BLOCK;
	struct kfs_probe p;
	int r;

	r = w->kfs->ops->probe(w->kfs, op->path,
			       (op->flags & OP_DIRECT ? KFS_PROBE_DIRECT : 0) | (op->flags & OP_EXCLUSIVE ? KFS_PROBE_EXCL : 0),
			       &p);
	if (r < 0)
		return say(message, -r, "%s %s", op->path, why_not_open(-r, op->path, want_block));
	if (want_block && p.type != 'b')
		return say(message, ENOTBLK, "%s is no block device; use a backend of type file", op->path);
	if (op->flags & OP_WANT_FILE && p.type != 'f')
		return say(message, EINVAL, "%s is a block device; use a backend of type block", op->path);
	if (op->flags & OP_EXCLUSIVE && *p.holder)
		return say(message, EBUSY, "%s is in use: %s", op->path, p.holder);
	if (!p.size)
		return say(message, ENXIO, "%s is empty: it has a size of 0", op->path);
	*data = strf("size %llu\nblock_size %u\ntype %c\nmajor %u\nminor %u\nholder %s\n", (unsigned long long)p.size,
		     p.logical_block_size, p.type, p.major, p.minor, p.holder);
	return *data ? 0 : -ENOMEM;
}

static int file_size_of(const struct op *op, uint64_t *ret)
{
	if (*op->path != '/' || !op->value || text_to_u64(op->value, ret) < 0)
		return -EINVAL;
	return 0;
}

static int do_create_file(struct worker *w, const struct op *op, char **data, char **message)
{
	uint64_t size;
	int r = file_size_of(op, &size);

	if (r < 0)
		return r;
	r = w->kfs->ops->create_file(w->kfs, op->path, size);
	if (r < 0 && r != -EEXIST)
		return say(message, -r, "%s cannot be made: %s", op->path, strerror(-r));
	*data = strdup(r < 0 ? "existed" : "created");
	return *data ? 0 : -ENOMEM;
}

static int do_grow_file(struct worker *w, const struct op *op, char **data, char **message)
{
	uint64_t size;
	int r = file_size_of(op, &size);

	if (r < 0)
		return r;
	r = w->kfs->ops->grow_file(w->kfs, op->path, size);
	if (r == -EINVAL)
		return say(message, EINVAL, "%s is larger than that, and files are never shrunk", op->path);
	return r < 0 ? say(message, -r, "%s cannot be grown: %s", op->path, strerror(-r)) : 0;
}

static int do_remove_file(struct worker *w, const struct op *op, char **data, char **message)
{
	return *op->path == '/' ? w->kfs->ops->remove_file(w->kfs, op->path) : -EINVAL;
}

static int do_load_module(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->load_module(w->kfs, op->path);

	if (r == -ENOENT)
		return say(message, ENOENT, "this kernel has no module %s", op->path);
	return r < 0 ? say(message, -r, "the module %s cannot be loaded: %s", op->path, strerror(-r)) : 0;
}

/* Reads in flight, and how many have been completed so far. */
static int read_io(const struct kfs_probe *p, uint64_t *ret_inflight, uint64_t *ret_done)
{
	_cleanup_free_ char *path = strf("/sys/dev/block/%u:%u/stat", p->major, p->minor);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	unsigned long long v[9];

	if (!f || fscanf(f, "%llu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
			 &v[7], &v[8]) != 9)
		return -ENOENT;
	*ret_done = v[0] + v[4];
	*ret_inflight = v[8];
	return 0;
}

static int do_check_moving(struct worker *w, const struct op *op, char **data, char **message)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t inflight, before, after;
	struct stat st;
	struct kfs_probe p = { 0 };

	/* stat does not open it: opening is what may hang. */
	if (stat(op->path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	p.major = major(st.st_rdev);
	p.minor = minor(st.st_rdev);
	if (read_io(&p, &inflight, &before) < 0 || !inflight)
		return 0;
	nanosleep(&pause, NULL);
	if (read_io(&p, &inflight, &after) < 0 || !inflight || after != before)
		return 0;
	return say(message, EBUSY, "%s has %llu requests in flight that stand still", op->path, (unsigned long long)inflight);
}

/* ---- reading ---- */

static bool is_secret_file(const char *name)
{
	const struct attr_row *row = attr_find_file(KIND_HOST, name);

	return row && attr_is_secret(row);
}

static int scan_attr(struct worker *w, const char *path, const char *rel, const char *name, struct strbuf *b)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = w->kfs->ops->read(w->kfs, path, &text, &len);

	/* Write-only, or gone meanwhile, or unreadable now: what it holds is not known, and that is all. */
	if (r < 0) {
		strbuf_addf(b, "x %s\n", rel);
		return r == -ENOMEM ? r : 0;
	}
	if (is_secret_file(name)) {
		strbuf_addf(b, "s %s %s\n", rel, *text && *text != '\n' ? "set" : "unset");
		explicit_bzero(text, len);
		return 0;
	}
	strbuf_addf(b, "f %s %zu\n", rel, len);
	strbuf_add_mem(b, text, len);
	strbuf_add(b, "\n");
	return 0;
}

static int scan_folder(struct worker *w, const char *base, const char *rel, bool recursive, struct strbuf *b)
{
	_cleanup_free_ char *folder = *rel ? strf("%s/%s", base, rel) : strdup(base);
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	int r = folder ? w->kfs->ops->list(w->kfs, folder, &list) : -ENOMEM;

	if (r < 0)
		return r;
	strbuf_addf(b, "d %s\n", rel);
	for (size_t i = 0; r >= 0 && i < list.n; i++) {
		const struct kfs_entry *e = &list.entries[i];
		_cleanup_free_ char *path = strf("%s/%s", folder, e->name);
		_cleanup_free_ char *below = *rel ? strf("%s/%s", rel, e->name) : strdup(e->name);
		_cleanup_free_ char *target = NULL;

		if (!path || !below)
			return -ENOMEM;
		if (e->type == KFS_ATTR)
			r = scan_attr(w, path, below, e->name, b);
		else if (e->type == KFS_LINK && w->kfs->ops->readlink(w->kfs, path, &target) >= 0)
			strbuf_addf(b, "l %s %s\n", below, target);
		else if (e->type == KFS_DIR && recursive) {
			r = scan_folder(w, base, below, true, b);
			/* It went while we were reading. */
			if (r == -ENOENT)
				r = 0;
		}
	}
	return b->failed ? -ENOMEM : r;
}

static int do_scan(struct worker *w, const struct op *op, char **data, char **message)
{
	struct strbuf b = { 0 };
	int r = scan_folder(w, op->path, "", op->flags & OP_RECURSIVE, &b);

	if (r < 0) {
		strbuf_done(&b);
		return r;
	}
	*data = strbuf_steal(&b);
	return *data ? 0 : -ENOMEM;
}

static int do_in_use(struct worker *w, const struct op *op, char **data, char **message)
{
	return op->value ? in_use_list(op->value, data, message) : -EINVAL;
}

/* The watched folders are the running kernel's; behind the seam's other kernel there is nothing that could be watched this way. */
static int do_wait_change(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);
	_cleanup_free_ char *copy = op->value ? strdup(op->value) : NULL;
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = w->sock, .events = POLLRDHUP } };
	char *save = NULL;
	size_t watches = 0;

	if (fd < 0 || !copy)
		return copy ? -errno : -ENOMEM;
	for (char *path = strtok_r(copy, "\n", &save); path; path = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *full = strf("/sys/kernel/config/%s", path);

		if (!kfs_path_ok(path) || !full)
			return -EINVAL;
		if (inotify_add_watch(fd, full, IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_CLOSE_WRITE | IN_ONLYDIR) >= 0)
			watches++;
	}
	if (!watches)
		return say(message, ENOENT, "there is nothing to watch");
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	return 0;
}

static int do_system(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *release = NULL;
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	struct strbuf b = { 0 };
	int nvmet = w->kfs->ops->list(w->kfs, "nvmet", &list);
	int r = w->kfs->ops->release(w->kfs, &release);

	if (r < 0)
		return r;
	strbuf_addf(&b, "release %s\nnvmet %d\n", release, nvmet >= 0);
	strbuf_addf(&b, "cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	*data = strbuf_steal(&b);
	return *data ? 0 : -ENOMEM;
}

/* ---- the daemon's own files ---- */

/* Below one of the folders of state, by name alone: these folders are root's, so nobody else can put a link into them. */
static bool is_own_file(const struct worker *w, const char *path)
{
	const char *const dirs[] = { w->settings->config_dir, w->settings->state_dir, w->settings->run_dir };

	if (strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		size_t n = strlen(dirs[i]);

		if (strncmp(path, dirs[i], n) == 0 && path[n] == '/' && path[n + 1] && path[n + 1] != '.')
			return true;
	}
	return false;
}

static int own_file(struct worker *w, const struct op *op, char **message, struct cfg_error *err,
		    int (*fn)(const char *, const void *, size_t, mode_t, struct cfg_error *))
{
	if (!is_own_file(w, op->path) || !op->value)
		return -EINVAL;
	if (fn(op->path, op->value, strlen(op->value), 0600, err) < 0)
		return say(message, err->code, "%s", err->msg);
	return 0;
}

static int do_file_replace(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	return own_file(w, op, message, &err, file_replace);
}

static int do_file_append(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	return own_file(w, op, message, &err, file_append);
}

static int do_file_remove(struct worker *w, const struct op *op, char **data, char **message)
{
	if (!is_own_file(w, op->path))
		return -EINVAL;
	return unlink(op->path) < 0 ? say(message, errno, "%s cannot be removed: %s", op->path, strerror(errno)) : 0;
}

static int do_file_read(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	size_t len;

	if (!is_own_file(w, op->path))
		return -EINVAL;
	if (file_read(op->path, 64u << 20, data, &len, &err) < 0)
		return say(message, err.code, "%s", err.msg);
	return 0;
}

/* ---- one step ---- */

static const struct {
	op_fn fn;
	bool kernel;	/* path is a kfs path */
} verbs[] = {
	[OP_MKDIR] = { do_mkdir, true }, [OP_RMDIR] = { do_rmdir, true }, [OP_WRITE] = { do_write, true },
	[OP_WRITE_SECRET] = { do_write_secret, true }, [OP_LINK] = { do_link, true }, [OP_UNLINK] = { do_unlink, true },
	[OP_LOAD_MODULE] = { do_load_module }, [OP_PROBE] = { do_probe }, [OP_CREATE_FILE] = { do_create_file },
	[OP_GROW_FILE] = { do_grow_file }, [OP_REMOVE_FILE] = { do_remove_file }, [OP_CHECK_MOVING] = { do_check_moving },
	[OP_SCAN] = { do_scan, true }, [OP_READLINK] = { do_readlink, true }, [OP_IN_USE] = { do_in_use },
	[OP_WAIT_CHANGE] = { do_wait_change }, [OP_SYSTEM] = { do_system }, [OP_FILE_REPLACE] = { do_file_replace },
	[OP_FILE_APPEND] = { do_file_append }, [OP_FILE_REMOVE] = { do_file_remove }, [OP_FILE_READ] = { do_file_read },
	[OP_STORE_SECRET] = { do_store_secret },
};
_Static_assert(ARRAY_SIZE(verbs) == OP_VERB_MAX, "each verb is done by something");

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void note(struct worker *w, const struct op *op)
{
	if (!w->page)
		return;
	snprintf(w->page->where, sizeof(w->page->where), "%s %s", op_verb_to_str(op->verb), op->path);
	w->page->since_usec = now_usec();
}

static bool daemon_lives(const struct worker *w)
{
	struct pollfd p = { .fd = w->sock, .events = POLLRDHUP };

	return w->sock < 0 || poll(&p, 1, 0) == 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static int run_op(struct worker *w, const struct op *op, char **data, char **message)
{
	int r;

	if (verbs[op->verb].kernel && !kfs_path_ok(op->path))
		return say(message, EINVAL, "%.200s is no path that a worker touches", op->path);
	r = verbs[op->verb].fn(w, op, data, message);
	if (r == -ENOENT && op->flags & OP_MAY_BE_ABSENT) {
		free(*message);
		*message = NULL;
		return 0;
	}
	return r;
}

int worker_run(struct worker *w, const struct oplist *ops, size_t *ret_done, char **data, char **message)
{
	for (*ret_done = 0; *ret_done < ops->n; ++*ret_done) {
		int r;

		if (!daemon_lives(w))
			return ECANCELED;
		note(w, &ops->items[*ret_done]);
		r = run_op(w, &ops->items[*ret_done], &data[*ret_done], message);
		if (r < 0)
			return -r;
	}
	return 0;
}

/* ---- the process ---- */

static struct worker_page *open_page(const struct pool_settings *s, int *ret_fd)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", s->run_dir, (int)getpid());
	struct worker_page *page;
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (fd < 0 || ftruncate(fd, sizeof(*page)) < 0)
		return NULL;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return NULL;
	*ret_fd = fd;
	return page;
}

static int read_exactly(int fd, void *p, size_t n)
{
	while (n) {
		ssize_t k = read(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -EPIPE;
		p = (char *)p + k;
		n -= (size_t)k;
	}
	return 0;
}

static int write_exactly(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p = (const char *)p + k;
		n -= (size_t)k;
	}
	return 0;
}

static int read_work(int fd, struct record_work *ret)
{
	unsigned char head[4];
	unsigned char *msg;
	uint32_t n;
	int r;

	if (read_exactly(fd, head, sizeof(head)) < 0)
		return -EPIPE;
	n = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
	if (n > RECORD_MAX)
		return -EBADMSG;
	msg = malloc(n);
	if (!msg)
		return -ENOMEM;
	r = read_exactly(fd, msg, n);
	if (r >= 0)
		r = record_get_work(msg, n, ret);
	explicit_bzero(msg, n);
	free(msg);
	return r;
}

static void begin_work(struct worker *w, int lock, const struct record_work *work)
{
	if (!w->page)
		return;
	flock(lock, LOCK_EX);
	snprintf(w->page->label, sizeof(w->page->label), "%s", work->label);
	snprintf(w->page->queue, sizeof(w->page->queue), "%s", work->queue ? work->queue : "");
}

static void end_work(struct worker *w, int lock)
{
	if (!w->page)
		return;
	w->page->since_usec = 0;
	flock(lock, LOCK_UN);
}

static int serve_one(struct worker *w, int lock)
{
	struct record_work work = { 0 };
	_cleanup_(buffer_done) struct buffer out = { 0 };
	_cleanup_free_ char *message = NULL;
	char **data;
	size_t done;
	int r = read_work(w->sock, &work), error;

	if (r < 0)
		return r;
	data = calloc(work.ops.n ? work.ops.n : 1, sizeof(*data));
	if (!data)
		return -ENOMEM;
	begin_work(w, lock, &work);
	error = worker_run(w, &work.ops, &done, data, &message);
	end_work(w, lock);
	r = record_put_result(&out, error, done, data, message);
	for (size_t i = 0; i < work.ops.n; i++)
		free(data[i]);
	free(data);
	for (size_t i = 0; i < work.ops.n; i++)
		if (work.ops.items[i].verb == OP_STORE_SECRET && work.ops.items[i].value)
			explicit_bzero(work.ops.items[i].value, strlen(work.ops.items[i].value));
	record_work_done(&work);
	return r < 0 ? r : write_exactly(w->sock, out.data, out.len);
}

void worker_main(int sock, const struct pool_settings *s)
{
	struct worker w = { .settings = s, .sock = sock };
	int lock = -1;

	w.page = open_page(s, &lock);
	if (kfs_new(s->kernel, &w.kfs) < 0)
		_exit(1);
	while (serve_one(&w, lock) >= 0)
		;
	_exit(0);
}
