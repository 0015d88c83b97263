/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers as the event loop sees them: a list of processes, each idle or with one piece of work, and a queue of work for each class. Every
 * event (work comes, a result comes, a worker dies or turns out to be stuck) ends in dispatch(), which gives out what can start.
 */
#include "daemon/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/map.h"
#include "base/text.h"
#include "daemon/record.h"
#include "daemon/worker.h"

#define CLASSES (WORK_WATCH + 1)

struct work {
	struct pool *pool;
	struct work *prev, *next;
	enum work_class class;
	enum token token;
	const struct oplist *ops;
	const char *queue, *label;
	work_done_fn done;
	void *userdata;
	struct process *process;	/* NULL: waits */
};

struct process {
	struct pool *pool;
	struct process *next;
	pid_t pid;
	int fd;
	sd_event_source *io;
	struct work *work;
	uint64_t started;		/* CLOCK_MONOTONIC usec */
	bool stuck, counted;		/* counted: in running[] of its work's class */
	struct buffer in, out;
	size_t sent;
};

/* A worker of an earlier daemon that the kernel has not let go. */
struct orphan {
	struct pool *pool;
	struct orphan *next;
	pid_t pid;
	char *queue;
	sd_event_source *gone;
};

struct pool {
	sd_event *event;
	struct pool_settings settings;
	int server;
	sd_event_source *server_io, *timer, *defer;
	struct process *processes;
	struct orphan *orphans;
	struct work *first[CLASSES], *last[CLASSES];
	unsigned running[CLASSES], limit[CLASSES];
	unsigned spawning, stuck;
	unsigned tokens[TOKEN_MAX];	/* steps with it that run */
	void (*fatal)(void *userdata);
	void *fatal_userdata;
};

static void dispatch(struct pool *p);

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void pool_set_fatal(struct pool *p, void (*fatal)(void *userdata), void *userdata)
{
	p->fatal = fatal;
	p->fatal_userdata = userdata;
}

/* ---- queues ---- */

static void queue_add(struct work *w)
{
	struct pool *p = w->pool;

	w->prev = p->last[w->class];
	if (w->prev)
		w->prev->next = w;
	else
		p->first[w->class] = w;
	p->last[w->class] = w;
}

static void queue_remove(struct work *w)
{
	struct pool *p = w->pool;

	if (w->prev)
		w->prev->next = w->next;
	else
		p->first[w->class] = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		p->last[w->class] = w->prev;
	w->prev = w->next = NULL;
}

/* ---- processes ---- */

static void process_idle(struct process *w)
{
	struct pool *p = w->pool;

	if (w->work && w->counted)
		p->running[w->work->class]--;
	if (w->work)
		p->tokens[w->work->token]--;
	if (w->stuck)
		p->stuck--;
	w->stuck = w->counted = false;
	w->work = NULL;
}

static void process_free(struct process *w)
{
	struct process **at;

	for (at = &w->pool->processes; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	sd_event_source_disable_unref(w->io);
	if (w->fd >= 0)
		close(w->fd);
	buffer_done(&w->in);
	buffer_done(&w->out);
	free(w);
}

static void remove_page(struct pool *p, pid_t pid)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", p->settings.run_dir, (int)pid);

	if (path)
		unlink(path);
}

static void finish(struct process *w, const struct work_result *result)
{
	struct work *work = w->work;

	process_idle(w);
	work->done(work->userdata, result);
	free(work);
}

static void process_died(struct process *w)
{
	struct pool *p = w->pool;
	struct work *work = w->work;
	struct work_result result = { .error = EOWNERDEAD, .died = true };

	process_idle(w);
	remove_page(p, w->pid);
	process_free(w);
	if (work) {
		work->done(work->userdata, &result);
		free(work);
	}
	dispatch(p);
}

static int flush_out(struct process *w)
{
	while (w->sent < w->out.len) {
		ssize_t n = send(w->fd, w->out.data + w->sent, w->out.len - w->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return sd_event_source_set_io_events(w->io, EPOLLIN | EPOLLOUT);
		if (n < 0)
			return -errno;
		w->sent += (size_t)n;
	}
	buffer_done(&w->out);
	w->sent = 0;
	return sd_event_source_set_io_events(w->io, EPOLLIN);
}

static int receive(struct process *w)
{
	for (;;) {
		ssize_t n;

		if (w->in.size - w->in.len < 4096) {
			size_t size = w->in.size ? 2 * w->in.size : 16384;
			unsigned char *data = realloc(w->in.data, size);

			if (!data)
				return -ENOMEM;
			w->in.data = data;
			w->in.size = size;
		}
		n = recv(w->fd, w->in.data + w->in.len, w->in.size - w->in.len, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		w->in.len += (size_t)n;
	}
}

static int take_result(struct process *w)
{
	int64_t len = record_complete(w->in.data, w->in.len);
	struct record_result record;
	struct work_result result;
	int r;

	if (len <= 0)
		return (int)len;
	r = record_get_result(w->in.data + 4, (size_t)len, &record);
	if (r < 0 || !w->work || record.done > w->work->ops->n || (record.error == 0) != (record.done == w->work->ops->n)) {
		if (r >= 0)
			record_result_done(&record);
		return -EBADMSG;
	}
	buffer_done(&w->in);
	result = (struct work_result){ .error = record.error, .done = record.done, .data = record.data,
				       .message = record.message };
	finish(w, &result);
	record_result_done(&record);
	return 1;
}

static int on_process(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct process *w = userdata;
	struct pool *p = w->pool;
	int r = 0;

	if (events & EPOLLOUT)
		r = flush_out(w);
	if (r >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		int end = receive(w);

		r = w->in.len ? take_result(w) : 0;
		if (r >= 0)
			r = end;
	}
	if (r < 0) {
		/* What answers nonsense is not to be trusted with another piece of work. */
		if (r != -EPIPE)
			kill(w->pid, SIGKILL);
		process_died(w);
		return 0;
	}
	dispatch(p);
	return 0;
}

static int give(struct process *w, struct work *work)
{
	struct pool *p = w->pool;
	int r;

	queue_remove(work);
	work->process = w;
	w->work = work;
	w->started = now();
	w->counted = true;
	p->running[work->class]++;
	p->tokens[work->token]++;
	r = record_put_work(&w->out, work->label, work->queue, work->ops);
	return r < 0 ? r : flush_out(w);
}

/* ---- new processes ---- */

static int add_process(struct pool *p, int fd, pid_t pid)
{
	struct process *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		close(fd);
		return -ENOMEM;
	}
	*w = (struct process){ .pool = p, .pid = pid, .fd = fd, .next = p->processes };
	p->processes = w;
	r = sd_event_add_io(p->event, &w->io, fd, EPOLLIN, on_process, w);
	if (r < 0)
		process_free(w);
	return r;
}

static int receive_process(struct pool *p, int *ret_fd, pid_t *ret_pid)
{
	struct iovec iov = { ret_pid, sizeof(*ret_pid) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(p->server, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof(*ret_pid) || !c || c->cmsg_type != SCM_RIGHTS)
		return -EPIPE;
	memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return 1;
}

static int on_server(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct pool *p = userdata;
	int process, r;
	pid_t pid;

	while ((r = receive_process(p, &process, &pid)) > 0) {
		p->spawning--;
		r = add_process(p, process, pid);
		if (r < 0)
			break;
	}
	if (r < 0) {
		sd_event_source_set_enabled(p->server_io, SD_EVENT_OFF);
		if (p->fatal)
			p->fatal(p->fatal_userdata);
		return 0;
	}
	dispatch(p);
	return 0;
}

static void spawn(struct pool *p)
{
	if (send(p->server, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		p->spawning++;
}

/* ---- giving out work ---- */

/* Whether a stuck call, ours or an orphan's, would hold this one as well. */
static bool behind_stuck(const struct pool *p, const char *queue)
{
	if (!queue)
		return false;
	for (const struct process *w = p->processes; w; w = w->next)
		if (w->stuck && w->work && streq_ptr(w->work->queue, queue))
			return true;
	for (const struct orphan *o = p->orphans; o; o = o->next)
		if (streq(o->queue, queue))
			return true;
	return false;
}

static bool token_free(const struct pool *p, enum token token)
{
	enum token other = token == TOKEN_PORTS ? TOKEN_HOSTS : TOKEN_PORTS;

	return token == TOKEN_NONE || p->tokens[other] == 0;
}

/* The first in the queue that can start. One that waits for a token keeps later ones from taking the other token again and again. */
static struct work *next_work(struct pool *p, enum work_class class)
{
	bool reserved[TOKEN_MAX] = { false };

	for (struct work *w = p->first[class]; w; w = w->next) {
		if ((p->stuck || p->orphans) && behind_stuck(p, w->queue))
			continue;
		if (w->token != TOKEN_NONE) {
			if (reserved[w->token])
				continue;
			if (!token_free(p, w->token)) {
				reserved[w->token == TOKEN_PORTS ? TOKEN_HOSTS : TOKEN_PORTS] = true;
				continue;
			}
		}
		return w;
	}
	return NULL;
}

static struct process *idle_process(const struct pool *p, unsigned skip)
{
	for (struct process *w = p->processes; w; w = w->next)
		if (!w->work && skip-- == 0)
			return w;
	return NULL;
}

/* Returns how many pieces of work could start but for want of a process. */
static unsigned dispatch_class(struct pool *p, enum work_class class)
{
	struct work *w;

	while (p->running[class] < p->limit[class] && (w = next_work(p, class))) {
		struct process *process = idle_process(p, 0);

		if (!process) {
			unsigned waiting = 0;

			for (const struct work *q = p->first[class]; q; q = q->next)
				if (++waiting >= p->limit[class] - p->running[class])
					break;
			return waiting;
		}
		if (give(process, w) < 0) {
			kill(process->pid, SIGKILL);
			process_died(process);
			return 0;
		}
	}
	return 0;
}

static void arm_timer(struct pool *p)
{
	uint64_t first = UINT64_MAX;

	for (const struct process *w = p->processes; w; w = w->next)
		if (w->work && !w->stuck && w->work->class != WORK_WATCH && w->started < first)
			first = w->started;
	if (first == UINT64_MAX) {
		sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(p->timer, first + p->settings.stuck_usec);
	sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static void dispatch(struct pool *p)
{
	unsigned wanted = 0;

	/* State first: commits wait for nothing else. */
	static const enum work_class order[] = { WORK_STATE, WORK_READ, WORK_CHANGE, WORK_WATCH };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		wanted += dispatch_class(p, order[i]);
	while (p->spawning < wanted)
		spawn(p);
	arm_timer(p);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct pool *p = userdata;
	uint64_t t = now();

	for (struct process *w = p->processes; w; w = w->next) {
		if (!w->work || w->stuck || w->work->class == WORK_WATCH || t - w->started < p->settings.stuck_usec)
			continue;
		/* It no longer counts, so that another may take its place, up to the bound. */
		w->stuck = true;
		if (p->stuck++ < p->settings.stuck_max) {
			w->counted = false;
			p->running[w->work->class]--;
		}
	}
	dispatch(p);
	return 0;
}

static int on_defer(sd_event_source *source, void *userdata)
{
	dispatch(userdata);
	return 0;
}

int pool_submit(struct pool *p, enum work_class class, enum token token, const struct oplist *ops, const char *queue,
		const char *label, work_done_fn done, void *userdata, struct work **ret)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct work){ .pool = p, .class = class, .token = token, .ops = ops, .queue = queue, .label = label,
			    .done = done, .userdata = userdata };
	queue_add(w);
	/* Later, when the loop turns: what is submitted together is given out together, and done is never called from here. */
	sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
	if (ret)
		*ret = w;
	return 0;
}

int pool_cancel(struct pool *p, struct work *w)
{
	struct work_result result = { .error = ECANCELED };

	if (w->process) {
		if (w->class == WORK_WATCH)
			kill(w->process->pid, SIGKILL);
		return 0;
	}
	queue_remove(w);
	w->done(w->userdata, &result);
	free(w);
	return 1;
}

/* ---- orphans ---- */

static void orphan_free(struct orphan *o)
{
	struct orphan **at;

	for (at = &o->pool->orphans; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			break;
		}
	sd_event_source_disable_unref(o->gone);
	free(o->queue);
	free(o);
}

static int on_orphan_gone(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct orphan *o = userdata;
	struct pool *p = o->pool;

	remove_page(p, o->pid);
	orphan_free(o);
	dispatch(p);
	return 0;
}

static int add_orphan(struct pool *p, pid_t pid, const char *queue)
{
	struct orphan *o = calloc(1, sizeof(*o));
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (!o || pidfd < 0) {
		free(o);
		/* It has gone while we looked. */
		return pidfd < 0 && errno == ESRCH ? 0 : -errno;
	}
	*o = (struct orphan){ .pool = p, .pid = pid, .queue = strdup(queue), .next = p->orphans };
	p->orphans = o;
	if (!o->queue || sd_event_add_io(p->event, &o->gone, pidfd, EPOLLIN, on_orphan_gone, o) < 0) {
		close(pidfd);
		orphan_free(o);
		return -ENOMEM;
	}
	return sd_event_source_set_io_fd_own(o->gone, true);
}

static int read_page(const char *path, struct worker_page *ret, bool *ret_locked)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
	if (pread(fd, ret, sizeof(*ret), 0) != sizeof(*ret))
		return -EIO;
	ret->label[sizeof(ret->label) - 1] = ret->queue[sizeof(ret->queue) - 1] = ret->where[sizeof(ret->where) - 1] = 0;
	return 0;
}

/* Files of an earlier daemon's workers: a lock tells that one still works. */
static int find_orphans(struct pool *p)
{
	_cleanup_free_ char *folder = strf("%s/workers", p->settings.run_dir);
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *e;

	if (!dir)
		return folder ? 0 : -ENOMEM;
	while ((e = readdir(dir))) {
		_cleanup_free_ char *path = strf("%s/%s", folder, e->d_name);
		struct worker_page page;
		bool locked = false;
		uint64_t pid;

		if (!path || text_to_u64(e->d_name, &pid) < 0)
			continue;
		if (read_page(path, &page, &locked) >= 0 && locked)
			add_orphan(p, (pid_t)pid, page.queue);
		else
			unlink(path);
	}
	closedir(dir);
	return 0;
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

static int add_busy(struct pool *p, pid_t pid, bool stuck, bool orphan, struct pool_busy *ret)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", p->settings.run_dir, (int)pid);
	struct worker_page page = { 0 };
	struct timespec ts;
	bool locked;

	if (!path || read_page(path, &page, &locked) < 0)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	*ret = (struct pool_busy){
		.pid = pid,
		.label = strdup(page.label),
		.where = strdup(page.where),
		.wchan = read_wchan(pid),
		.usec = page.since_usec ?
				(uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 - page.since_usec : 0,
		.stuck = stuck,
		.orphan = orphan,
	};
	return 1;
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

	for (const struct process *w = p->processes; w; w = w->next)
		size++;
	for (const struct orphan *o = p->orphans; o; o = o->next)
		size++;
	list = calloc(size, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (const struct process *w = p->processes; w; w = w->next)
		if (w->work)
			n += (size_t)add_busy(p, w->pid, w->stuck, false, &list[n]);
	for (const struct orphan *o = p->orphans; o; o = o->next)
		n += (size_t)add_busy(p, o->pid, true, true, &list[n]);
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

/* ---- life ---- */

int pool_new(sd_event *e, int forkserver_fd, const struct pool_settings *s, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->event = sd_event_ref(e);
	p->settings = *s;
	p->server = forkserver_fd;
	p->limit[WORK_CHANGE] = s->workers ? s->workers : 1;
	p->limit[WORK_READ] = s->readers ? s->readers : 1;
	p->limit[WORK_STATE] = 1;
	p->limit[WORK_WATCH] = 1;
	r = sd_event_add_io(e, &p->server_io, forkserver_fd, EPOLLIN, on_server, p);
	if (r >= 0)
		r = sd_event_add_time(e, &p->timer, CLOCK_MONOTONIC, 0, 100000, on_timer, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(e, &p->defer, on_defer, p);
	if (r >= 0)
		r = find_orphans(p);
	if (r < 0) {
		pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	while (p->processes) {
		struct process *w = p->processes;

		free(w->work);
		remove_page(p, w->work && w->stuck ? 0 : w->pid);
		process_free(w);
	}
	for (size_t i = 0; i < CLASSES; i++)
		while (p->first[i]) {
			struct work *w = p->first[i];

			queue_remove(w);
			free(w);
		}
	while (p->orphans)
		orphan_free(p->orphans);
	sd_event_source_disable_unref(p->server_io);
	sd_event_source_disable_unref(p->timer);
	sd_event_source_disable_unref(p->defer);
	close_fdp(&p->server);
	sd_event_unref(p->event);
	free(p);
	return NULL;
}
