/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the two configfs trees, through the seam. What an errno of the kernel means is said by kernel/explain.c, not here. */
#include <errno.h>
#include <fnmatch.h>

#include "daemon/worker-private.h"
#include "model/attr.h"

#define FOLDER_TRIES 100	/* each of them needs somebody else to come in between */

static int make_folder(struct worker *w, const char *path)
{
	_cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	int r = folder ? w->kfs->ops->mkdir(w->kfs, folder) : -ENOMEM;

	return r == -EEXIST ? 0 : r;
}

int worker_mkdir(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->mkdir(w->kfs, op->path);

	for (unsigned i = 0; r == -ENOENT && op->flags & OP_WITH_FOLDER && i < FOLDER_TRIES; i++) {
		r = make_folder(w, op->path);
		if (r < 0)
			return r;
		r = w->kfs->ops->mkdir(w->kfs, op->path);
	}
	return r == -EEXIST && op->flags & OP_MAY_EXIST ? 0 : r;
}

int worker_rmdir(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = fnmatch("nvmet/ports/*", op->path, FNM_PATHNAME) == 0 ? worker_await_teardowns(w, message) : 0;

	if (r >= 0)
		r = w->kfs->ops->rmdir(w->kfs, op->path);
	return r == -ENOTEMPTY && op->flags & OP_MAY_BE_FULL ? 0 : r;
}

int worker_link(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->link(w->kfs, op->path, op->value);
}

int worker_unlink(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->unlink(w->kfs, op->path);
}

int worker_readlink(struct worker *w, const struct op *op, char **data, char **message)
{
	return w->kfs->ops->readlink(w->kfs, op->path, data);
}

/* ---- writing ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool in_one_folder(const char *a, const char *b)
{
	size_t n = (size_t)(base_name(a) - a);

	return (size_t)(base_name(b) - b) == n && memcmp(a, b, n) == 0;
}

/* On 6.12 enabling a namespace with buffered_io and without a path brings the kernel down (kernel-abi 12, trap 3). */
static int guard_enable(struct worker *w, const struct op *op, char **message)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len;
	int r;

	/* A namespace that this step has given one has it still: the kernel takes no empty path. */
	if (w->device && in_one_folder(w->device->path, op->path))
		return 0;
	path = strf("%.*sdevice_path", (int)(base_name(op->path) - op->path), op->path);
	if (!path)
		return -ENOMEM;
	r = w->kfs->ops->read(w->kfs, path, &text, &len);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	return *text && !streq(text, "(null)") ? 0 : worker_say(message, EINVAL, "a namespace without a device cannot be enabled");
}

/* Once a storage object is enabled, the kernel still takes what described it, and then tells hosts of a ramdisk that has no memory behind its
 * end, of another file's name, of other blocks (kernel-abi 4). The size of a file alone is meant to change. */
static bool changes_alive(const char *key, size_t n)
{
	return n > 12 && strncmp(key, "fd_dev_size=", 12) == 0;
}

static int guard_control(struct worker *w, const struct op *op, char **message)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len;
	int r;

	path = strf("%.*senable", (int)(base_name(op->path) - op->path), op->path);
	if (!path)
		return -ENOMEM;
	r = w->kfs->ops->read(w->kfs, path, &text, &len);
	if (r < 0)
		return r;
	if (*text == '0')
		return 0;
	for (const char *key = op->value; *key;) {
		size_t n = strcspn(key, ",\n");

		if (n && !changes_alive(key, n))
			return worker_say(message, EBUSY, "\"%.*s\" is not changed in a storage object that is enabled: hosts would be told what is not so",
					  (int)strcspn(key, "=,\n"), key);
		key += n + !!key[n];
	}
	return 0;
}

/* Kernel 6.1 asks a device for it that need not be there yet, and dies of that; later ones refuse. */
static int guard_unmap(struct worker *w, const struct op *op, char **message)
{
	const char *attrib = strstr(op->path, "/attrib/");
	_cleanup_free_ char *path = strf("%.*s/enable", (int)(attrib - op->path), op->path), *text = NULL;
	size_t len;
	int r = path ? w->kfs->ops->read(w->kfs, path, &text, &len) : -ENOMEM;

	if (r < 0)
		return r;
	return *text != '0' ? 0 : worker_say(message, ENODEV, "%s cannot be set before the storage object is enabled", base_name(op->path));
}

static bool unmaps(const char *path, const char *name)
{
	return strncmp(path, "target/core/", 12) == 0 && strstr(path, "/attrib/") &&
	       (streq(name, "emulate_tpu") || streq(name, "emulate_tpws") || streq(name, "unmap_zeroes_data"));
}

/* What would bring the kernel down, or make it lie, is refused here, whatever the plan says. */
static int guard(struct worker *w, const struct op *op, char **message)
{
	const char *name = base_name(op->path);

	if (streq(name, "enable") && strstr(op->path, "/namespaces/") && !streq(op->value, "0"))
		return guard_enable(w, op, message);
	if (streq(name, "control") && strncmp(op->path, "target/core/", 12) == 0)
		return guard_control(w, op, message);
	if (unmaps(op->path, name) && !streq(op->value, "0"))
		return guard_unmap(w, op, message);
	return 0;
}

static size_t first_line(const char *s)
{
	return strcspn(s, "\n");
}

static int check_back(struct worker *w, const struct op *op, char **message)
{
	_cleanup_free_ char *text = NULL;
	size_t len, n = first_line(op->value);
	int r = w->kfs->ops->read(w->kfs, op->path, &text, &len);

	if (r < 0)
		return r;
	text[first_line(text)] = 0;
	if (strlen(text) == n && memcmp(text, op->value, n) == 0)
		return 0;
	return worker_say(message, EIO, "the kernel took \"%.*s\" and kept \"%.200s\": something else of the object excludes it",
			  (int)(n < 200 ? n : 200), op->value, text);
}

int worker_write(struct worker *w, const struct op *op, char **data, char **message)
{
	char line[KFS_VALUE_MAX + 1];
	size_t len = strlen(op->value);
	int r = guard(w, op, message);

	if (r < 0)
		return r;
	if (len + !!(op->flags & OP_NEWLINE) > KFS_VALUE_MAX)
		return worker_say(message, E2BIG, "the value has %zu bytes, and the kernel takes %d at most", len,
				  KFS_VALUE_MAX - !!(op->flags & OP_NEWLINE));
	memcpy(line, op->value, len + 1);
	if (op->flags & OP_NEWLINE)
		line[len++] = '\n';
	/* An empty value cannot be written; its NUL can, and clears what can be cleared (kernel-abi 2.1). */
	r = w->kfs->ops->write(w->kfs, op->path, line, len ? len : 1);
	if (r >= 0 && *op->value && streq(base_name(op->path), "device_path"))
		w->device = op;
	return r >= 0 && op->flags & OP_CHECK_BACK ? check_back(w, op, message) : r;
}

int worker_expect(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = w->kfs->ops->read(w->kfs, op->path, &text, &len);

	if (r < 0 || strstr(text, op->value))
		return r;
	return worker_say(message, EBADMSG, "the kernel has not taken it: nothing in %s says \"%s\"", op->path, op->value);
}

/* ---- scanning ---- */

struct scanner {
	struct kfs *kfs;
	struct strbuf path;	/* where we are */
	size_t base;		/* what of it the relative path leaves out */
	struct strbuf out;
	const char *wanted;	/* names of attributes; NULL: all */
	bool recursive;
	bool in_target;		/* the tree of LIO */
	const char *left_out;	/* folders, a line each, or NULL */
};

static const char *relative(const struct scanner *s)
{
	return s->path.s + s->base + (s->path.s[s->base] == '/');
}

static void cut_to(struct strbuf *b, size_t len)
{
	b->len = len;
	b->s[len] = 0;
}

/* An attribute's own way of saying that it has no value to show. Anything else means that nothing is known of it, and what is not known
 * must not be taken for unset. */
static bool is_answer(const struct scanner *s, int r)
{
	if (r == -EACCES || r == -EPERM || r == -EINVAL || r == -ENODATA || r == -EOPNOTSUPP || r == -ENOSYS)
		return true;
	/* There each file has its own; but what says that the kernel was not asked at all. */
	return s->in_target && r != -ENOENT && r != -ENOMEM && r != -EMFILE && r != -ENFILE && r != -EPIPE && r != -ECONNREFUSED;
}

/* In the target tree some files hold several strings, each with its NUL. */
static void drop_nuls(char *text, size_t len)
{
	char *to = text;

	for (size_t i = 0; i < len; i++)
		if (text[i])
			*to++ = text[i];
	*to = 0;
}

static bool is_wanted(const struct scanner *s, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = s->wanted; at && *at;) {
		size_t len = strcspn(at, " ");

		if (len == n && memcmp(at, name, n) == 0)
			return true;
		at += len + (at[len] == ' ');
	}
	return !s->wanted;
}

static int scan_attr(struct scanner *s)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = s->kfs->ops->read(s->kfs, s->path.s, &text, &len);

	if (r < 0 && !is_answer(s, r))
		return r;
	if (r < 0) {
		scan_add(&s->out, 'x', relative(s), NULL);
		return 0;
	}
	if (attr_file_is_secret(s->path.s)) {
		scan_add(&s->out, 's', relative(s), worker_holds_secret(s->path.s, text) ? "set" : "unset");
		explicit_bzero(text, len);
		return 0;
	}
	drop_nuls(text, len);
	scan_add(&s->out, 'f', relative(s), text);
	return 0;
}

static int scan_link(struct scanner *s)
{
	_cleanup_free_ char *target = NULL;
	int r = s->kfs->ops->readlink(s->kfs, s->path.s, &target);

	if (r < 0)
		return r;
	scan_add(&s->out, 'l', relative(s), target);
	return 0;
}

static int scan_folder(struct scanner *s);

/* Counters and buttons: hundreds of files of which nothing is wanted, and of which some do something when they are touched. */
static bool is_passed_over(const char *folder)
{
	return streq(folder, "statistics") || streq(folder, "fabric_statistics") || streq(folder, "action");
}

/* Somebody holds it who does not come back: that it is there is all that can be said. */
static bool is_left_out(const struct scanner *s)
{
	for (const char *at = s->left_out; at && *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == s->path.len && memcmp(at, s->path.s, s->path.len) == 0)
			return true;
	return false;
}

static int scan_entry(struct scanner *s, const struct kfs_entry *e)
{
	/* Someone else's object with a name that the seam does not take: that it is there is all that can be said. */
	if (!kfs_path_ok(s->path.s)) {
		if (e->type == KFS_DIR)
			scan_add(&s->out, 'd', relative(s), NULL);
		return 0;
	}
	if (e->type == KFS_ATTR)
		return is_wanted(s, e->name) ? scan_attr(s) : 0;
	if (e->type == KFS_LINK)
		return scan_link(s);
	return s->recursive && !(s->in_target && is_passed_over(e->name)) ? scan_folder(s) : 0;
}

/* What went while we were reading, was not there: a folder is told whole or not at all. ENOENT when it has gone. */
static int entry_gone(struct scanner *s, size_t folder)
{
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	_cleanup_free_ char *path = strndup(s->path.s, folder);

	return path ? s->kfs->ops->list(s->kfs, path, &list) : -ENOMEM;
}

/* Of a loopback target's LUN also the disk is told that it has become, as if that stood in its folder. */
static int scan_disk(struct scanner *s)
{
	const char *lun = strstr(s->path.s, "/lun/lun_");
	_cleanup_free_ char *tpgt = NULL, *disk = NULL;
	uint64_t number;
	int r;

	if (!s->in_target || !lun || fnmatch("target/loopback/*/tpgt_*/lun/lun_*", s->path.s, FNM_PATHNAME) != 0 ||
	    text_to_u64(lun + strlen("/lun/lun_"), &number) < 0)
		return 0;
	tpgt = strndup(s->path.s, (size_t)(lun - s->path.s));
	r = tpgt ? s->kfs->ops->disk(s->kfs, tpgt, (unsigned)number, &disk) : -ENOMEM;
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	strbuf_add(&s->path, "/disk");
	scan_add(&s->out, 'f', relative(s), disk);
	return s->path.failed ? -ENOMEM : 0;
}

static int scan_folder(struct scanner *s)
{
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	size_t folder = s->path.len, start = s->out.len;
	int r = is_left_out(s) ? 0 : s->kfs->ops->list(s->kfs, s->path.s, &list);

	if (r < 0)
		return r;
	scan_add(&s->out, 'd', relative(s), NULL);
	for (size_t i = 0; r >= 0 && i < list.n; i++) {
		strbuf_add(&s->path, "/");
		strbuf_add(&s->path, list.entries[i].name);
		if (s->path.failed || s->out.failed)
			return -ENOMEM;
		r = scan_entry(s, &list.entries[i]);
		if (r == -ENOENT)
			r = entry_gone(s, folder);
		cut_to(&s->path, folder);
	}
	if (r >= 0)
		r = scan_disk(s);
	cut_to(&s->path, folder);
	if (r == -ENOENT)
		cut_to(&s->out, start);
	return r;
}

static int scan(struct scanner *s, struct worker *w, const struct op *op, char **data)
{
	int r;

	s->kfs = w->kfs;
	s->base = strlen(op->path);
	s->in_target = strncmp(op->path, "target", 6) == 0;
	strbuf_add(&s->path, op->path);
	r = s->path.failed ? -ENOMEM : scan_folder(s);
	if (r >= 0) {
		*data = strbuf_steal(&s->out);
		r = *data ? 0 : -ENOMEM;
	}
	strbuf_done(&s->out);
	strbuf_done(&s->path);
	return r;
}

int worker_scan(struct worker *w, const struct op *op, char **data, char **message)
{
	struct scanner s = { .recursive = op->flags & OP_RECURSIVE, .left_out = op->value };

	return scan(&s, w, op, data);
}

int worker_scan_some(struct worker *w, const struct op *op, char **data, char **message)
{
	struct scanner s = { .wanted = op->value };

	return scan(&s, w, op, data);
}
