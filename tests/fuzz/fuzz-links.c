/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker among symbolic links: operations on folders that are full of them, done on real files by the same code that works on configfs. Bytes
 * choose verb, words of path and value. Whatever is asked: nothing outside of the worker's folders is changed or told, and what goes
 * through a link, wherever it leads, is not done.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/worker.h"

#define CANARY "not for a worker"

static char top[64];
static char *kernel, *outside;
static struct pool_settings settings;

/* ---- the folders ---- */

static const char *const roots[] = { "kernel/nvmet", "kernel/target", "etc", "var", "run" };

static void make(const char *folder, const char *name)
{
	_cleanup_free_ char *path = strf("%s/%s/%s", top, folder, name);

	assert(path && mkdir(path, 0700) == 0);
}

static void put(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = strf("%s/%s/%s", top, folder, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void point(const char *folder, const char *name, const char *target)
{
	_cleanup_free_ char *path = strf("%s/%s/%s", top, folder, name);

	assert(path && symlink(target, path) == 0);
}

static void fill(const char *folder)
{
	_cleanup_free_ char *canary = strf("%s/canary", outside), *within = strf("%s/%s/file", top, roots[0]);

	put(folder, "file", "1\n");
	put(folder, "dhchap_key", "x\n");
	point(folder, "out", outside);
	point(folder, "canary", canary);
	point(folder, "up", "..");
	point(folder, "within", within);
	point(folder, "nowhere", "nothing");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void take_away(void)
{
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void set_up(void)
{
	assert(mkdir(top, 0700) == 0);
	make("", "outside");
	make("outside", "folder");
	put("outside", "canary", CANARY);
	put("outside", "file", CANARY);
	make("", "kernel");
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		_cleanup_free_ char *below = strf("%s/folder", roots[i]);

		make("", roots[i]);
		fill(roots[i]);
		make(roots[i], "folder");
		fill(below);
	}
	make("etc", "secrets");
	fill("etc/secrets");
}

/* ---- what no operation may change ---- */

struct mark {
	struct stat folder, canary, file, sub;
};

static void look(const char *name, struct stat *ret)
{
	_cleanup_free_ char *path = strf("%s/%s", outside, name);

	assert(lstat(path, ret) == 0);
}

static void take_mark(struct mark *m)
{
	look("", &m->folder);
	look("canary", &m->canary);
	look("file", &m->file);
	look("folder", &m->sub);
}

/* Whatever is done to a file, but that it is read, changes the time of its last change. */
static void assert_same(const struct stat *a, const struct stat *b)
{
	assert(a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec);
	assert(a->st_mode == b->st_mode && a->st_size == b->st_size);
}

static void assert_untouched(const struct mark *before)
{
	struct mark now;

	take_mark(&now);
	assert_same(&before->folder, &now.folder);
	assert_same(&before->canary, &now.canary);
	assert_same(&before->file, &now.file);
	assert_same(&before->sub, &now.sub);
}

static bool tells_canary(const char *text)
{
	return text && strstr(text, CANARY);
}

/* Whether a component of the absolute path is a link; last: also the last one. */
static bool goes_through_link(const char *path, bool last)
{
	_cleanup_free_ char *part = strdup(path);
	struct stat st;

	for (char *s = part + strlen(top); *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
			return true;
		*s = '/';
	}
	return last && lstat(part, &st) == 0 && S_ISLNK(st.st_mode);
}

/* ---- operations ---- */

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned next(struct input *in, size_t n)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++ % (unsigned)n;
}

/* Not among them: what is meant for a path of the administrator's, wherever that is, and what touches no file. */
static const enum op_verb verbs[] = {
	OP_MKDIR, OP_RMDIR, OP_WRITE, OP_WRITE_SECRET, OP_LINK, OP_UNLINK, OP_SCAN, OP_READLINK, OP_FILE_REPLACE, OP_FILE_APPEND, OP_FILE_CUT,
	OP_FILE_REMOVE, OP_FILE_READ, OP_STORE_SECRET, OP_KEEP_SECRET, OP_EXPECT, OP_SCAN_SOME,
};

static bool is_of_kernel(enum op_verb verb)
{
	return verb <= OP_UNLINK || verb == OP_SCAN || verb == OP_SCAN_SOME || verb == OP_READLINK || verb == OP_EXPECT;
}

static bool is_named(enum op_verb verb)
{
	return verb == OP_STORE_SECRET || verb == OP_KEEP_SECRET;
}

static const char *word(struct input *in)
{
	static const char *const words[] = {
		"folder", "file", "out", "canary", "up", "within", "nowhere", "new", "dhchap_key", "secrets", "workers", "..", ".", "", "nvmet", "enable",
	};

	return words[next(in, ARRAY_SIZE(words))];
}

static char *words(struct input *in, const char *first)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	unsigned n = next(in, 6);

	strbuf_add(&b, first);
	for (; n; n--)
		strbuf_addf(&b, "/%s", word(in));
	assert(b.s);
	return steal_ptr(b.s);
}

static char *kernel_path(struct input *in)
{
	static const char *const firsts[] = { "nvmet", "target", "nvmet/folder", "up", "" };

	return words(in, firsts[next(in, ARRAY_SIZE(firsts))]);
}

static char *own_path(struct input *in)
{
	static const char *const firsts[] = { "etc", "var", "run", "outside", "kernel/nvmet", "" };
	_cleanup_free_ char *first = strf("%s/%s", top, firsts[next(in, ARRAY_SIZE(firsts))]);

	return words(in, first);
}

static char *value(struct input *in, enum op_verb verb)
{
	if (verb == OP_LINK || verb == OP_KEEP_SECRET)
		return kernel_path(in);
	if (verb == OP_WRITE_SECRET)
		return strf("%s%s", next(in, 4) ? "file:" : "", word(in));
	if (verb == OP_FILE_CUT)
		return strf("%u", next(in, 4));
	return strdup("0\n");
}

/* What it is about, wherever that leads; NULL when that is a name alone. */
static char *absolute_path(const struct op *op)
{
	if (op->verb == OP_STORE_SECRET)
		return NULL;
	if (op->verb == OP_KEEP_SECRET)
		return strf("%s/%s", kernel, op->value);
	return is_of_kernel(op->verb) ? strf("%s/%s", kernel, op->path) : strdup(op->path);
}

/* A link itself can be looked at and removed, and what is to be made may be there already. */
static bool must_fail(const struct op *op, const char *path)
{
	bool last = op->verb != OP_UNLINK && op->verb != OP_READLINK && op->verb != OP_MKDIR && op->verb != OP_LINK;

	return path && (strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//") || strncmp(path, top, strlen(top)) != 0 ||
			strncmp(path, outside, strlen(outside)) == 0 || goes_through_link(path, last));
}

static void assert_tells_nothing(const struct op *op, const char *path, const char *data)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert(op->verb == OP_READLINK || !tells_canary(data));
	/* One that may be absent need not be there, or be a file. */
	if (op->verb == OP_WRITE_SECRET && file_read(path, 65536, &text, &len, NULL) == 0)
		assert(!tells_canary(text));
}

/* True when something may have been changed. */
static bool try_op(struct worker *w, struct input *in)
{
	static const unsigned flags[] = { 0, 0, OP_RECURSIVE, OP_MAY_BE_ABSENT, OP_MAY_EXIST, OP_MAY_BE_FULL, OP_NEWLINE, OP_CHECK_BACK };
	enum op_verb verb = verbs[next(in, ARRAY_SIZE(verbs))];
	unsigned flag = flags[next(in, ARRAY_SIZE(flags))];
	_cleanup_free_ char *path = is_of_kernel(verb) ? kernel_path(in) : is_named(verb) ? strdup(word(in)) : own_path(in);
	_cleanup_free_ char *text = value(in, verb), *message = NULL, *data = NULL;
	struct op op = { .verb = verb, .flags = flag, .path = path, .value = text };
	struct oplist list = { .items = &op, .n = 1 };
	_cleanup_free_ char *absolute = absolute_path(&op);
	bool wrong = must_fail(&op, absolute);
	struct mark before;
	size_t done;

	take_mark(&before);
	if (worker_run(w, &list, &done, &data, &message) == 0) {
		assert(!wrong);
		assert_tells_nothing(&op, absolute, data);
	}
	assert_untouched(&before);
	assert(!tells_canary(message));
	return verb != OP_SCAN && verb != OP_SCAN_SOME && verb != OP_READLINK && verb != OP_FILE_READ && verb != OP_EXPECT;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(top, sizeof(top), "%.40s/nvmetd-links-%d", tmp ? tmp : "/tmp", (int)getpid());
	kernel = strf("%s/kernel", top);
	outside = strf("%s/outside", top);
	settings.kernel = strf("configfs:%s", kernel);
	settings.config_dir = strf("%s/etc", top);
	settings.state_dir = strf("%s/var", top);
	settings.run_dir = strf("%s/run", top);
	set_up();
	atexit(take_away);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct worker w = { .settings = &settings, .sock = -1 };
	bool changed = false;

	assert(kfs_new(settings.kernel, &w.kfs) == 0);
	for (unsigned n = 0; in.size && n < 8; n++)
		changed |= try_op(&w, &in);
	kfs_free(w.kfs);
	if (changed) {
		take_away();
		set_up();
	}
	return 0;
}
