/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording by --wrap, and building what may be left. A change of a file's content is open until that file is synced, a change of a folder's
 * entries until the folder is; that a file was synced says nothing of its name. Folders that are made count as entries of theirs.
 *
 * Of an open write to a file there may be: nothing, all, the first bytes of it, or all of its length with zeros where a sector of 512 bytes
 * did not make it. Of several open changes each of the newest may be there or not, and the older ones together; in part there is one at a
 * time, the others all there or none.
 */
#include "tests/unit/disk-model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"

#define SECTOR 512
#define TEARS 32	/* places at which a write is torn, about */
#define FDS 256
#define OPEN_MAX 256
#define SINGLE_MAX 4	/* open changes that each have a fate of their own; those before them have one together */
#define NO_FILE UINT_MAX

enum kind { MADE, MADE_FOLDER, RENAMED, REMOVED, WRITTEN, CUT, SYNCED, MARK };

struct disk_event {
	enum kind kind;
	unsigned owner;		/* number of the file or folder that has to be synced for it to last; SYNCED: that is */
	unsigned file;		/* of the file or folder that has the name */
	char *path, *to;	/* below the top; to: RENAMED */
	char *data;		/* WRITTEN */
	size_t at, len;		/* WRITTEN; CUT: len */
	uint64_t mark;
};

struct name {
	char *path;
	unsigned file;
};

static struct {
	bool on;
	char *top;
	struct disk_log log;
	struct name *names;		/* as they are now */
	size_t n_names;
	unsigned fd_file[FDS];
	unsigned fails_in;
	int error;
	bool always, failed;
} rec;

/* ---- the calls ---- */

int __real_open(const char *path, int flags, ...);
int __real_mkostemp(char *path, int flags);
ssize_t __real_write(int fd, const void *data, size_t n);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_ftruncate(int fd, off_t len);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __real_close(int fd);
int __wrap_open(const char *path, int flags, ...);
int __wrap_mkostemp(char *path, int flags);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_close(int fd);

/* The path below the top, or NULL. */
static const char *below_top(const char *path)
{
	size_t n = rec.on ? strlen(rec.top) : 0;

	if (!n || strncmp(path, rec.top, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return path + n + (path[n] == '/');
}

static bool fails(void)
{
	if (!rec.fails_in || (rec.fails_in > 1 && --rec.fails_in))
		return false;
	rec.fails_in = rec.always ? 1 : 0;
	rec.failed = true;
	errno = rec.error;
	return true;
}

static struct disk_event *add(enum kind kind, unsigned owner)
{
	struct disk_log *l = &rec.log;

	l->events = reallocarray(l->events, l->n + 1, sizeof(*l->events));
	assert_non_null(l->events);
	l->events[l->n] = (struct disk_event){ .kind = kind, .owner = owner, .file = NO_FILE };
	return &l->events[l->n++];
}

static struct name *find(const char *path)
{
	for (size_t i = 0; i < rec.n_names; i++)
		if (streq(rec.names[i].path, path))
			return &rec.names[i];
	return NULL;
}

static void forget(struct name *n)
{
	if (!n)
		return;
	free(n->path);
	*n = rec.names[--rec.n_names];
}

static unsigned name_it(const char *path, unsigned file)
{
	forget(find(path));
	rec.names = reallocarray(rec.names, rec.n_names + 1, sizeof(*rec.names));
	assert_non_null(rec.names);
	rec.names[rec.n_names++] = (struct name){ strdup(path), file };
	return file;
}

/* The folder is known, since all that were there were noted. */
static void add_name(enum kind kind, unsigned file, const char *path, const char *to)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = strndup(path, slash ? (size_t)(slash - path) : 0);
	struct disk_event *e;

	assert_non_null(find(folder));
	e = add(kind, find(folder)->file);
	e->file = file;
	e->path = strdup(path);
	e->to = to ? strdup(to) : NULL;
}

static void note_open(int fd, const char *path, bool existed)
{
	struct name *n = find(path);
	unsigned file = n ? n->file : NO_FILE;

	if (fd < 0)
		return;
	assert_true(fd < FDS);
	if (!existed) {
		file = name_it(path, rec.log.files++);
		add_name(MADE, file, path, NULL);
	}
	rec.fd_file[fd] = file;
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *p = below_top(path);
	bool existed = access(path, F_OK) == 0;
	mode_t mode = 0;
	va_list ap;
	int fd;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (p && flags & O_CREAT && fails())
		return -1;
	fd = __real_open(path, flags, mode);
	if (p && !(flags & O_PATH))
		note_open(fd, p, existed);
	/* Nobody does, and it would be a change. */
	assert_false(p && flags & O_TRUNC);
	return fd;
}

int __wrap_mkostemp(char *path, int flags)
{
	bool ours = below_top(path);
	int fd;

	if (ours && fails())
		return -1;
	fd = __real_mkostemp(path, flags);
	if (ours)
		note_open(fd, below_top(path), false);
	return fd;
}

int __wrap_close(int fd)
{
	if (rec.on && fd >= 0 && fd < FDS)
		rec.fd_file[fd] = NO_FILE;
	return __real_close(fd);
}

static unsigned file_of(int fd)
{
	return rec.on && fd >= 0 && fd < FDS ? rec.fd_file[fd] : NO_FILE;
}

static size_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (size_t)st.st_size;
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	unsigned file = file_of(fd);
	struct disk_event *e;
	bool full;

	if (file == NO_FILE)
		return __real_write(fd, data, n);
	full = fails();
	if (full && (rec.always || n < 2))
		return -1;
	n = full ? n / 2 : n;
	e = add(WRITTEN, file);
	e->at = fcntl(fd, F_GETFL) & O_APPEND ? size_of(fd) : (size_t)lseek(fd, 0, SEEK_CUR);
	e->data = malloc(n);
	memcpy(e->data, data, n);
	e->len = n;
	/* What is short is followed by one that fails. */
	rec.fails_in = full ? 1 : rec.fails_in;
	return __real_write(fd, data, n);
}

static int sync_it(int fd, int (*sync)(int))
{
	unsigned file = file_of(fd);

	if (!rec.on || file == NO_FILE)
		return sync(fd);
	if (fails())
		return -1;
	add(SYNCED, file);
	return sync(fd);
}

int __wrap_fsync(int fd)
{
	return sync_it(fd, __real_fsync);
}

int __wrap_fdatasync(int fd)
{
	return sync_it(fd, __real_fdatasync);
}

int __wrap_ftruncate(int fd, off_t len)
{
	unsigned file = file_of(fd);

	if (file != NO_FILE) {
		if (fails())
			return -1;
		add(CUT, file)->len = (size_t)len;
	}
	return __real_ftruncate(fd, len);
}

int __wrap_rename(const char *from, const char *to)
{
	const char *a = below_top(from), *b = below_top(to);
	struct name *n = a ? find(a) : NULL;
	unsigned file;

	if (!a || !b || !n)
		return __real_rename(from, to);
	if (fails())
		return -1;
	file = n->file;
	assert_int_equal(__real_rename(from, to), 0);
	add_name(RENAMED, file, a, b);
	forget(find(a));
	name_it(b, file);
	return 0;
}

int __wrap_unlink(const char *path)
{
	const char *p = below_top(path);
	struct name *n = p ? find(p) : NULL;

	if (!n)
		return __real_unlink(path);
	if (fails())
		return -1;
	add_name(REMOVED, n->file, p, NULL);
	forget(n);
	return __real_unlink(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	const char *p = below_top(path);
	int r;

	if (p && fails())
		return -1;
	r = __real_mkdir(path, mode);
	if (p && r == 0)
		add_name(MADE_FOLDER, name_it(p, rec.log.files++), p, NULL);
	return r;
}

/* ---- recording ---- */

static size_t top_len;

static int note_there(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *p = path + top_len + (path[top_len] == '/');
	_cleanup_free_ char *text = NULL;
	struct disk_event *e;
	unsigned file = name_it(p, rec.log.files++);
	size_t len;

	if (*p)
		add_name(type == FTW_D ? MADE_FOLDER : MADE, file, p, NULL);
	if (type == FTW_D)
		return 0;
	assert_int_equal(file_read(path, SIZE_MAX, &text, &len, NULL), 0);
	e = add(WRITTEN, file);
	e->data = steal_ptr(text);
	e->len = len;
	return 0;
}

void disk_record(const char *top)
{
	rec.log = (struct disk_log){ 0 };
	top_len = strlen(top);
	for (size_t i = 0; i < FDS; i++)
		rec.fd_file[i] = NO_FILE;
	assert_int_equal(nftw(top, note_there, 16, FTW_PHYS), 0);
	rec.log.durable = rec.log.n;
	rec.top = strdup(top);
	rec.on = true;
}

struct disk_log disk_record_end(void)
{
	rec.on = false;
	free(steal_ptr(rec.top));
	while (rec.n_names)
		forget(&rec.names[0]);
	free(steal_ptr(rec.names));
	disk_fail_no_more();
	return rec.log;
}

size_t disk_recorded(void)
{
	return rec.log.n;
}

void disk_log_done(struct disk_log *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->events[i].path);
		free(l->events[i].to);
		free(l->events[i].data);
	}
	free(l->events);
	*l = (struct disk_log){ 0 };
}

void disk_mark(uint64_t mark)
{
	add(MARK, NO_FILE)->mark = mark;
}

uint64_t disk_marked(const struct disk_log *l, size_t n)
{
	uint64_t most = 0;

	for (size_t i = 0; i < n; i++)
		if (l->events[i].kind == MARK && l->events[i].mark > most)
			most = l->events[i].mark;
	return most;
}

void disk_fail(unsigned n, int error, bool always)
{
	rec.fails_in = n;
	rec.error = error;
	rec.always = always;
	rec.failed = false;
}

void disk_fail_no_more(void)
{
	rec.fails_in = 0;
}

bool disk_failed(void)
{
	return rec.failed;
}

/* ---- building what is left ---- */

/* What becomes of an event. */
enum fate { DONE, LOST, TORN, HOLE, ISLAND };

struct built {
	char *data;
	size_t len;
};

struct state {
	const struct disk_log *log;
	size_t n;
	size_t open[OPEN_MAX], n_open;	/* events */
	enum fate fate[OPEN_MAX];
	size_t at;			/* TORN: bytes that are there; HOLE: the sector that is not, ISLAND: that is */
	const char *folder;
	void (*look)(void *userdata);
	void *userdata;
	size_t built;
};

static bool is_settled(const struct disk_log *l, size_t event, size_t n)
{
	enum kind kind = l->events[event].kind;

	if (event < l->durable || kind == SYNCED || kind == MARK)
		return true;
	for (size_t i = event + 1; i < n; i++)
		if (l->events[i].kind == SYNCED && l->events[i].owner == l->events[event].owner)
			return true;
	return false;
}

static void grow(struct built *b, size_t len)
{
	if (len <= b->len)
		return;
	b->data = realloc(b->data, len);
	assert_non_null(b->data);
	memset(b->data + b->len, 0, len - b->len);
	b->len = len;
}

static void put_data(struct built *b, const struct disk_event *e, enum fate fate, size_t at)
{
	size_t len = fate == TORN ? at : e->len;

	if (e->kind == CUT) {
		grow(b, e->len);
		b->len = e->len;
		return;
	}
	grow(b, e->at + len);
	for (size_t i = 0; i < len; i++) {
		bool here = (e->at + i) / SECTOR == at;

		if ((fate != HOLE || !here) && (fate != ISLAND || here))
			b->data[e->at + i] = e->data[i];
	}
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level ? remove(path) : 0;
}

static void put_file(const struct state *s, const char *path, const struct built *b)
{
	_cleanup_free_ char *full = strf("%s/%s", s->folder, path);
	_cleanup_fclose_ FILE *f = fopen(full, "we");

	/* A name whose folder is not there is not there either. */
	if (!f)
		return;
	assert_int_equal(fwrite(b->data ? b->data : "", 1, b->len, f), b->len);
}

static void put_name(const struct state *s, char **names, bool *folders, const struct disk_event *e)
{
	const char *path = e->kind == RENAMED ? e->to : e->path;

	if (e->kind == REMOVED) {
		names[e->file] = NULL;
		return;
	}
	/* What had the name before has none any more. */
	for (unsigned i = 0; i < s->log->files; i++)
		if (names[i] && streq(names[i], path))
			names[i] = NULL;
	names[e->file] = (char *)path;
	folders[e->file] = e->kind == MADE_FOLDER;
}

static void build(struct state *s)
{
	const struct disk_log *l = s->log;
	struct built *files = calloc(l->files, sizeof(*files));
	char **names = calloc(l->files, sizeof(*names));
	bool *folders = calloc(l->files, sizeof(*folders));

	for (size_t i = 0; i < s->n; i++) {
		const struct disk_event *e = &l->events[i];
		enum fate fate = DONE;

		for (size_t k = 0; k < s->n_open; k++)
			if (s->open[k] == i)
				fate = s->fate[k];
		if (fate == LOST)
			continue;
		if (e->kind == WRITTEN || e->kind == CUT)
			put_data(&files[e->owner], e, fate, s->at);
		else if (e->path)
			put_name(s, names, folders, e);
	}
	nftw(s->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	for (unsigned i = 0; i < l->files; i++) {
		_cleanup_free_ char *full = names[i] && folders[i] ? strf("%s/%s", s->folder, names[i]) : NULL;

		if (full)
			__real_mkdir(full, 0755);
	}
	for (unsigned i = 0; i < l->files; i++) {
		if (names[i] && !folders[i])
			put_file(s, names[i], &files[i]);
		free(files[i].data);
	}
	free(files);
	free(names);
	free(folders);
	s->built++;
	s->look(s->userdata);
}

/* By nothing but a hidden name, which is not looked into. */
static bool is_hidden(const struct state *s, unsigned file)
{
	const char *name = "";

	for (size_t i = 0; i < s->n; i++) {
		const struct disk_event *e = &s->log->events[i];
		const char *path = e->kind == RENAMED ? e->to : e->path;

		if (path && e->file == file && e->kind != REMOVED)
			name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	}
	return *name == '.';
}

/* One of the open writes is there in part, in each way. */
static void build_torn(struct state *s, size_t k)
{
	const struct disk_event *e = &s->log->events[s->open[k]];
	size_t first = e->at / SECTOR, last = (e->at + e->len - 1) / SECTOR, step = 1 + e->len / TEARS;
	enum fate was = s->fate[k];

	if (is_hidden(s, e->owner))
		return;
	s->fate[k] = TORN;
	for (s->at = 1; s->at < e->len; s->at += step)
		build(s);
	for (s->at = first; s->at <= last; s->at++) {
		s->fate[k] = HOLE;
		build(s);
		s->fate[k] = ISLAND;
		if (last > first)
			build(s);
	}
	s->fate[k] = was;
}

static void build_all(struct state *s, bool newest_open)
{
	size_t older = s->n_open > SINGLE_MAX ? s->n_open - SINGLE_MAX : 0, n = s->n_open - older + (older ? 1 : 0);
	unsigned all = (1u << n) - 1, newest = n ? 1u << (n - 1) : 0;

	for (unsigned lost = 0; lost <= all; lost++) {
		/* What goes without the newest has been seen without it. */
		if (newest_open && lost & newest)
			continue;
		for (size_t k = 0; k < s->n_open; k++)
			s->fate[k] = lost & 1u << (k < older ? 0 : k - older + (older ? 1 : 0)) ? LOST : DONE;
		build(s);
		for (size_t k = 0; k < s->n_open; k++)
			if (s->log->events[s->open[k]].kind == WRITTEN && s->fate[k] == DONE && (lost == 0 || lost == (all & ~newest)))
				build_torn(s, k);
	}
}

static void find_open(struct state *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!is_settled(s->log, i, s->n)) {
			assert_true(s->n_open < OPEN_MAX);
			s->open[s->n_open++] = i;
		}
}

size_t disk_states(const struct disk_log *l, size_t n, const char *folder, void (*look)(void *userdata), void *userdata)
{
	struct state s = { .log = l, .n = n, .folder = folder, .look = look, .userdata = userdata };

	find_open(&s);
	build_all(&s, s.n_open && s.open[s.n_open - 1] == n - 1);
	return s.built;
}

bool disk_is_open(const struct disk_log *l, size_t n)
{
	struct state s = { .log = l, .n = n };

	find_open(&s);
	return s.n_open;
}

bool disk_is_changed(const struct disk_log *l)
{
	for (size_t i = l->durable; i < l->n; i++)
		if (l->events[i].kind != SYNCED && l->events[i].kind != MARK)
			return true;
	return false;
}

char *disk_event_text(const struct disk_log *l, size_t n)
{
	static const char *const names[] = {
		[MADE] = "made", [MADE_FOLDER] = "folder made", [RENAMED] = "renamed", [REMOVED] = "removed", [WRITTEN] = "written",
		[CUT] = "cut", [SYNCED] = "synced", [MARK] = "promised",
	};
	const struct disk_event *e = &l->events[n - 1];

	return strf("%zu: %s %s%s%s", n, names[e->kind], e->path ? e->path : "", e->to ? " to " : "", e->to ? e->to : "");
}
