/* SPDX-License-Identifier: Apache-2.0 */
/* Backing devices and files: what they are, whether they move, and files made, grown and taken away. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "daemon/worker-private.h"

/* ---- probing ---- */

/* The seam says only that it is neither block device nor file; the name of what it is instead helps to find the mistake. */
static const char *other_type(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return "is neither a regular file nor a block device";
	switch (st.st_mode & S_IFMT) {
	case S_IFCHR:
		return "is a character device";
	case S_IFIFO:
		return "is a FIFO";
	case S_IFSOCK:
		return "is a socket";
	default:
		return "is neither a regular file nor a block device";
	}
}

static int say_not_opened(char **message, int code, const struct op *op)
{
	const char *path = op->path;

	switch (code) {
	case ENOENT:
		return worker_say(message, code, "%s does not exist", path);
	case ENXIO:
	case ENODEV:
		return worker_say(message, code, "%s has no device behind it", path);
	case ENOTTY:
		return worker_say(message, EINVAL, "%s is no NVMe controller, as /dev/nvme0 is", path);
	case EISDIR:
		return worker_say(message, code, "%s is a folder", path);
	case ENOTBLK:
		return worker_say(message, code, "%s %s", path, other_type(path));
	case EACCES:
	case EROFS:
		return worker_say(message, code, "%s is read-only", path);
	case EBUSY:
		return worker_say(message, code, "%s is in use by someone who does not share it", path);
	case EINVAL:
		if (op->flags & OP_DIRECT)
			return worker_say(message, code, "%s does not take direct I/O; set buffered_io on the backend", path);
		/* fallthrough */
	default:
		return worker_say(message, code, "%s cannot be opened: %s", path, strerror(code));
	}
}

int worker_probe(struct worker *w, const struct op *op, char **data, char **message)
{
	unsigned flags = (op->flags & OP_DIRECT ? KFS_PROBE_DIRECT : 0) | (op->flags & OP_EXCLUSIVE ? KFS_PROBE_EXCL : 0) |
			 (op->flags & OP_WANT_CONTROLLER ? KFS_PROBE_CONTROLLER : 0);
	struct kfs_probe p = { 0 };
	int r = w->kfs->ops->probe(w->kfs, op->path, flags, &p);

	if (r < 0)
		return say_not_opened(message, -r, op);
	if (op->flags & OP_WANT_BLOCK && p.type != 'b')
		return worker_say(message, ENOTBLK, "%s is a file; use a backend of type file", op->path);
	if (op->flags & OP_WANT_FILE && p.type != 'f')
		return worker_say(message, EINVAL, "%s is a block device; use a backend of type block", op->path);
	if (op->flags & OP_EXCLUSIVE && *p.holder)
		return worker_say(message, EBUSY, "%s is %s", op->path, p.holder);
	if (p.type != 'n' && !p.size)
		return worker_say(message, ENXIO, "%s is empty: its size is 0", op->path);
	if (p.type != 'n' && !p.logical_block_size)
		return worker_say(message, EINVAL, "%s is on overlayfs, for which nvmet has no block size, so that no host could use it", op->path);
	*data = strf("size %llu\nblock_size %u\ntype %c\nmajor %u\nminor %u\nholder %s\n", (unsigned long long)p.size,
		     p.logical_block_size, p.type, p.major, p.minor, p.holder);
	return *data ? 0 : -ENOMEM;
}

/* ---- files ---- */

static uint64_t size_of(const struct op *op)
{
	uint64_t size = 0;

	text_to_u64(op->value, &size);
	return size;
}

int worker_create_file(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->create_file(w->kfs, op->path, size_of(op));

	if (r < 0 && r != -EEXIST)
		return worker_say(message, -r, "%s cannot be made: %s", op->path, strerror(-r));
	*data = strdup(r < 0 ? "existed" : "created");
	return *data ? 0 : -ENOMEM;
}

int worker_grow_file(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->grow_file(w->kfs, op->path, size_of(op));

	if (r == -EINVAL)
		return worker_say(message, EINVAL, "%s is larger than %s bytes, or no file: files are never shrunk", op->path,
				  op->value);
	return r < 0 ? worker_say(message, -r, "%s cannot be grown: %s", op->path, strerror(-r)) : 0;
}

int worker_remove_file(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->remove_file(w->kfs, op->path);

	return r < 0 ? worker_say(message, -r, "%s cannot be removed: %s", op->path, strerror(-r)) : 0;
}

/* ---- does its I/O move? ---- */

struct progress {
	uint64_t in_flight, completed;
};

/* Documentation/block/stat.rst: fields 1, 5, 12 and 16 count what was completed, 9 is what is in flight. */
static int read_progress(dev_t dev, struct progress *ret)
{
	_cleanup_free_ char *path = strf("/sys/dev/block/%u:%u/stat", major(dev), minor(dev));
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	unsigned long long v[16] = { 0 };
	size_t n = 0;

	while (f && n < ARRAY_SIZE(v) && fscanf(f, "%llu", &v[n]) == 1)
		n++;
	if (n < 9)
		return -ENODATA;
	*ret = (struct progress){ .in_flight = v[8], .completed = v[0] + v[4] + v[11] + v[15] };
	return 0;
}

/* A device-mapper device that is suspended keeps what comes in without counting it as in flight. */
static bool is_suspended(dev_t dev)
{
	_cleanup_free_ char *path = strf("/sys/dev/block/%u:%u/dm/suspended", major(dev), minor(dev));
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;

	return f && fgetc(f) == '1';
}

int worker_check_moving(struct worker *w, const struct op *op, char **data, char **message)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	struct progress before, after;
	struct stat st;
	dev_t dev;

	/* stat does not open it: opening is what may hang. */
	if (stat(op->path, &st) < 0)
		return 0;
	/* Of a file the device below it, where the file system names one. */
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (is_suspended(dev))
		return worker_say(message, EBUSY, "%s is suspended (dmsetup): its I/O stands still", op->path);
	if (read_progress(dev, &before) < 0 || !before.in_flight)
		return 0;
	nanosleep(&pause, NULL);
	if (read_progress(dev, &after) < 0 || !after.in_flight || after.completed != before.completed)
		return 0;
	return worker_say(message, EBUSY, "%s has %llu requests in flight and completed none of them in 200 ms", op->path,
			  (unsigned long long)after.in_flight);
}
