/* SPDX-License-Identifier: Apache-2.0 */
/* What workers are at, from the files in which they say so: those of this daemon for status, those of an earlier one to keep away from. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/text.h"
#include "daemon/pool-private.h"

static int read_page(int fd, struct worker_page *ret)
{
	if (pread(fd, ret, sizeof(*ret), 0) != sizeof(*ret) || ret->version != WORKER_PAGE_VERSION || ret->token >= TOKEN_MAX)
		return -EPROTO;
	/* It is written to while we read. */
	ret->label[sizeof(ret->label) - 1] = ret->queue[sizeof(ret->queue) - 1] = ret->where[sizeof(ret->where) - 1] = 0;
	return 0;
}

static int open_page(const struct pool *p, pid_t pid)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", p->settings.run_dir, (int)pid);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

	return path && fd < 0 ? -errno : path ? fd : -ENOMEM;
}

int page_read(const struct pool *p, pid_t pid, struct worker_page *ret)
{
	_cleanup_close_ int fd = open_page(p, pid);

	return fd < 0 ? fd : read_page(fd, ret);
}

/* ---- orphans ---- */

void orphan_free(struct orphan *o)
{
	struct orphan **at = &o->pool->orphans;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	o->pool->tokens[o->token]--;
	o->pool->tokens_stuck[o->token]--;
	sd_event_source_disable_unref(o->gone);
	free(o->queue);
	free(o->label);
	free(o);
}

static int on_orphan_gone(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct orphan *o = userdata;
	struct pool *p = o->pool;

	process_remove_page(p, o->pid);
	orphan_free(o);
	pool_unpark(p);
	pool_tell_stuck(p, true);
	pool_dispatch(p);
	return 0;
}

static int watch_orphan(struct orphan *o)
{
	int fd = (int)syscall(SYS_pidfd_open, o->pid, 0), r;

	if (fd < 0)
		return -errno;
	r = sd_event_add_io(o->pool->event, &o->gone, fd, EPOLLIN, on_orphan_gone, o);
	if (r < 0) {
		close(fd);
		return r;
	}
	return sd_event_source_set_io_fd_own(o->gone, true);
}

/* 0 also when it has gone while we looked. */
static int add_orphan(struct pool *p, pid_t pid, const struct worker_page *page)
{
	struct orphan *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	*o = (struct orphan){ .pool = p, .pid = pid, .token = page->token, .own_files = page->own_files,
			      .queue = strdup(page->queue), .label = strdup(page->label), .next = p->orphans };
	p->orphans = o;
	p->tokens[o->token]++;
	p->tokens_stuck[o->token]++;
	r = o->queue && o->label ? watch_orphan(o) : -ENOMEM;
	if (r < 0)
		orphan_free(o);
	if (r == -ESRCH)
		process_remove_page(p, pid);
	return r == -ESRCH ? 0 : r;
}

static int look_at(struct pool *p, pid_t pid)
{
	struct worker_page page = { .label = "unknown work of another version" };
	_cleanup_close_ int fd = open_page(p, pid);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		process_remove_page(p, pid);
		return 0;
	}
	if (errno != EWOULDBLOCK)
		return -errno;
	if (read_page(fd, &page) < 0)
		page = (struct worker_page){ .label = "unknown work of another version" };
	return add_orphan(p, pid, &page);
}

int orphans_find(struct pool *p)
{
	_cleanup_free_ char *folder = strf("%s/workers", p->settings.run_dir);
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *e;
	int r = 0;

	if (!dir)
		return folder && errno == ENOENT ? 0 : folder ? -errno : -ENOMEM;
	while (r >= 0 && (e = readdir(dir))) {
		uint64_t pid;

		if (text_to_u64(e->d_name, &pid) >= 0 && pid <= INT32_MAX)
			r = look_at(p, (pid_t)pid);
	}
	closedir(dir);
	return r;
}

pid_t pool_old_writer(const struct pool *p, const char **ret_label)
{
	for (const struct orphan *o = p->orphans; o; o = o->next)
		if (o->own_files) {
			*ret_label = o->label;
			return o->pid;
		}
	return 0;
}

/* ---- what is held ---- */

/* Of "OBJECT: what" the object; what the daemon does for itself has none. */
static int add_element(char ***list, const char *label)
{
	const char *end = strstr(label, ": ");
	_cleanup_free_ char *element = end && memchr(label, '/', (size_t)(end - label)) ? strndup(label, (size_t)(end - label)) : NULL;

	return list && element ? strv_append(list, element) : 0;
}

/* Queues are devices as well. */
static int add_folder(char ***list, const char *queue)
{
	if (!list || !queue || (strncmp(queue, "nvmet/", 6) != 0 && strncmp(queue, "target/", 7) != 0))
		return 0;
	return strv_append(list, queue);
}

static bool is_held(const struct process *w, uint64_t now, uint64_t usec)
{
	return usec == HELD_STUCK ? w->stuck : now - process_operation_began(w, now, usec) >= usec;
}

/* Of several steps that it was given, the one that it is at. */
static const char *present_label(const struct pool *p, pid_t pid, const char *given, struct worker_page *page)
{
	return page_read(p, pid, page) >= 0 && page->since_usec ? page->label : given;
}

int pool_held(struct pool *p, uint64_t usec, char ***ret_elements, char ***ret_orphans, char ***ret_folders)
{
	uint64_t now = pool_now();
	int r = 0;

	for (const struct process *w = p->processes; w && r >= 0; w = w->next) {
		struct worker_page page;

		if (!w->work || !changes_kernel(w->work->class) || !is_held(w, now, usec))
			continue;
		r = add_element(ret_elements, present_label(p, w->pid, w->work->label, &page));
		if (r >= 0)
			r = add_folder(ret_folders, w->work->queue);
	}
	for (const struct orphan *o = p->orphans; o && r >= 0; o = o->next) {
		r = add_element(ret_elements, o->label);
		if (r >= 0)
			r = add_element(ret_orphans, o->label);
		if (r >= 0)
			r = add_folder(ret_folders, o->queue);
	}
	return r;
}

/* ---- for status ---- */

static char *read_wchan(pid_t pid)
{
	_cleanup_free_ char *path = strf("/proc/%d/wchan", (int)pid);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	char text[128] = "";

	if (!f || !fgets(text, sizeof(text), f) || streq(text, "0"))
		return strdup("");
	return strdup(text);
}

static uint64_t boot_age(uint64_t since)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	return since && since < now ? now - since : 0;
}

static size_t count_list(const struct work_list *l, const char *queue)
{
	size_t n = 0;

	for (const struct work *w = l->first; w; w = w->next)
		n += w->queue && streq(w->queue, queue);
	return n;
}

static size_t count_waiting(const struct pool *p, const char *queue)
{
	size_t n;

	if (!queue)
		return 0;
	n = count_list(&p->parked, queue);
	for (size_t i = 0; i < CLASSES; i++)
		for (size_t k = 0; k < TOKEN_MAX; k++)
			n += count_list(&p->classes[i].waiting[k], queue);
	return n;
}

static int fill_busy(const struct pool *p, pid_t pid, const char *label, const char *queue, struct pool_busy *ret)
{
	struct worker_page page = { 0 };

	label = present_label(p, pid, label, &page);
	if (label != page.label)
		page = (struct worker_page){ 0 };
	ret->pid = pid;
	ret->label = strdup(label);
	ret->where = strdup(page.where);
	ret->wchan = read_wchan(pid);
	ret->usec = boot_age(page.since_usec);
	ret->waiting = count_waiting(p, queue);
	return ret->label && ret->where && ret->wchan ? 0 : -ENOMEM;
}

static int cmp_busy(const void *a, const void *b)
{
	uint64_t x = ((const struct pool_busy *)a)->usec, y = ((const struct pool_busy *)b)->usec;

	return x < y ? 1 : x > y ? -1 : 0;
}

int pool_busy(struct pool *p, struct pool_busy **ret, size_t *ret_n)
{
	size_t n = 0, size = 1;
	struct pool_busy *list;
	int r = 0;

	for (const struct process *w = p->processes; w; w = w->next)
		size++;
	for (const struct orphan *o = p->orphans; o; o = o->next)
		size++;
	list = calloc(size, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (const struct process *w = p->processes; w && r >= 0; w = w->next)
		if (w->work) {
			list[n].stuck = w->stuck;
			r = fill_busy(p, w->pid, w->work->label, w->work->queue, &list[n++]);
		}
	for (const struct orphan *o = p->orphans; o && r >= 0; o = o->next) {
		list[n].stuck = list[n].orphan = true;
		r = fill_busy(p, o->pid, o->label, o->queue, &list[n++]);
	}
	if (r < 0) {
		pool_busy_free(list, n);
		return r;
	}
	qsort(list, n, sizeof(*list), cmp_busy);
	*ret = list;
	*ret_n = n;
	return 0;
}

void pool_busy_free(struct pool_busy *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(b[i].label);
		free(b[i].where);
		free(b[i].wchan);
	}
	free(b);
}
