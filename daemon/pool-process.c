/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool's workers: made by the fork server, given work, heard, found stuck, ended. A worker has one piece of work or none. What it is given is
 * decided in pool.c.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/forkserver.h"
#include "daemon/pool-private.h"

#define IDLE_KEEP 4		/* workers that stay when nothing is to be done */
#define IDLE_USEC 30000000
#define SPARE_DESCRIPTORS 24	/* that workers leave free: a message on the bus may bring 16 (max_message_unix_fds of dbus-daemon(1)) */

/* ---- counting ---- */

static void count_in(struct process *w, struct work *work)
{
	struct pool *p = w->pool;

	work->process = w;
	w->work = work;
	w->since = pool_now();
	p->classes[work->class].counted++;
	p->tokens[work->token]++;
	pool_count_owner(work, 0, 1);
}

/* Stuck ones no longer count, so that others may take their place, up to the bound. */
static void replace_stuck(struct pool *p, enum work_class class)
{
	struct class_state *c = &p->classes[class];

	/* One writer of our files at a time, whatever happens to it. */
	if (class == WORK_STATE)
		return;
	for (struct process *w = p->processes; w && c->replaced < p->settings.stuck_max; w = w->next)
		if (w->stuck && !w->replaced && w->work->class == class) {
			w->replaced = true;
			c->replaced++;
			c->counted--;
		}
}

static void mark_stuck(struct process *w)
{
	w->stuck = true;
	expedite_go(w->work);
	w->pool->n_stuck++;
	w->pool->tokens_stuck[w->work->token]++;
	w->pool->classes[w->work->class].stuck++;
	if (w->work->owner)
		w->work->owner->stuck++;
	replace_stuck(w->pool, w->work->class);
}

/* Takes the work from the worker. */
static struct work *count_out(struct process *w)
{
	struct pool *p = w->pool;
	struct work *work = w->work;
	bool was_stuck = w->stuck;

	if (!work)
		return NULL;
	p->tokens[work->token]--;
	pool_count_owner(work, 0, -1);
	if (w->replaced)
		p->classes[work->class].replaced--;
	else
		p->classes[work->class].counted--;
	if (was_stuck) {
		p->n_stuck--;
		p->tokens_stuck[work->token]--;
		p->classes[work->class].stuck--;
		if (work->owner)
			work->owner->stuck--;
	}
	w->stuck = w->replaced = false;
	w->work = NULL;
	p->short_of = false;
	w->since = pool_now();
	work->process = NULL;
	if (was_stuck) {
		replace_stuck(p, work->class);
		pool_unpark(p);
		pool_tell_stuck(p, true);
	}
	return work;
}

/* ---- its end ---- */

void process_remove_page(const struct pool *p, pid_t pid)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", p->settings.run_dir, (int)pid);

	if (path)
		unlink(path);
}

void process_free(struct process *w)
{
	struct process **at = &w->pool->processes;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	sd_event_source_disable_unref(w->io);
	close_fdp(&w->fd);
	buffer_done(&w->in);
	buffer_done(&w->out);
	free(w);
}

/* Its socket has ended, so it has done all that it will ever do. */
static void process_dead(struct process *w)
{
	struct pool *p = w->pool;
	struct work *work = count_out(w);
	struct work_result result = { .error = EOWNERDEAD, .died = true };

	process_remove_page(p, w->pid);
	process_free(w);
	if (!work)
		return;
	if (work->cancelled)
		result = (struct work_result){ .error = ECANCELED };
	pool_ended(work, &result);
}

static int request(struct pool *p, enum fork_verb verb, pid_t pid)
{
	struct fork_request r = { verb, pid };

	return send(p->server, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(r) ? 0 : -errno;
}

void process_break(struct process *w)
{
	w->broken = true;
	sd_event_source_set_io_events(w->io, 0);
	/* Without the fork server it hears of it by its socket, as soon as it looks. */
	if (request(w->pool, FORK_KILL, w->pid) < 0)
		shutdown(w->fd, SHUT_RDWR);
}

/* ---- idle ones ---- */

struct process *process_idle(const struct pool *p)
{
	struct process *best = NULL;

	for (struct process *w = p->processes; w; w = w->next)
		if (!w->work && !w->broken && (!best || w->since > best->since))
			best = w;
	return best;
}

static uint64_t idle_usec(const struct pool *p)
{
	return p->settings.idle_usec ? p->settings.idle_usec : IDLE_USEC;
}

static void arm_idle_timer(struct pool *p, uint64_t at)
{
	if (p->idle_timer_on)
		return;
	p->idle_timer_on = true;
	sd_event_source_set_time(p->idle_timer, at);
	sd_event_source_set_enabled(p->idle_timer, SD_EVENT_ONESHOT);
}

static struct process *longest_idle(const struct pool *p, unsigned *ret_n)
{
	struct process *best = NULL;

	*ret_n = 0;
	for (struct process *w = p->processes; w; w = w->next) {
		if (w->work || w->broken)
			continue;
		++*ret_n;
		if (!best || w->since < best->since)
			best = w;
	}
	return best;
}

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct pool *p = userdata;
	uint64_t now = pool_now();
	struct process *w;
	unsigned n;

	p->idle_timer_on = false;
	while ((w = longest_idle(p, &n)) && n > IDLE_KEEP) {
		if (now - w->since < idle_usec(p)) {
			arm_idle_timer(p, w->since + idle_usec(p));
			break;
		}
		/* It ends when it finds its socket closed. */
		process_remove_page(p, w->pid);
		process_free(w);
	}
	return 0;
}

/* ---- stuck ones ---- */

static void arm_stuck_timer(struct pool *p, uint64_t at)
{
	p->stuck_timer_on = true;
	sd_event_source_set_time(p->stuck_timer, at);
	sd_event_source_set_enabled(p->stuck_timer, SD_EVENT_ONESHOT);
}

static uint64_t boot_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A long step is not a stuck one. */
uint64_t process_operation_began(const struct process *w, uint64_t now, uint64_t usec)
{
	struct worker_page page;
	uint64_t age;

	if (now - w->since < usec || page_read(w->pool, w->pid, &page) < 0 || !page.since_usec)
		return w->since;
	age = boot_now() - page.since_usec;
	return age < now - w->since ? now - age : w->since;
}

/* The timer is set when the first worker gets something, and finds by itself when to look again: no step pays for it. */
static int on_stuck_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct pool *p = userdata;
	uint64_t now = pool_now(), next = UINT64_MAX;
	unsigned were = p->n_stuck;

	p->stuck_timer_on = false;
	for (struct process *w = p->processes; w; w = w->next) {
		uint64_t began;

		if (!w->work || w->stuck || w->work->class == WORK_WATCH)
			continue;
		began = process_operation_began(w, now, p->settings.stuck_usec);
		if (now - began >= p->settings.stuck_usec)
			mark_stuck(w);
		else if (began + p->settings.stuck_usec < next)
			next = began + p->settings.stuck_usec;
	}
	if (next != UINT64_MAX)
		arm_stuck_timer(p, next);
	if (p->n_stuck > were)
		pool_tell_stuck(p, false);
	pool_dispatch(p);
	return 0;
}

/* ---- talking ---- */

static int flush(struct process *w)
{
	while (w->sent < w->out.len) {
		ssize_t n = send(w->fd, w->out.data + w->sent, w->out.len - w->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return sd_event_source_set_io_events(w->io, EPOLLIN | EPOLLOUT);
		if (n < 0)
			return -errno;
		w->sent += (size_t)n;
	}
	buffer_reset(&w->out);
	w->sent = 0;
	/* Whatever comes of this, the worker has it all now. */
	sd_event_source_set_io_events(w->io, EPOLLIN);
	return 0;
}

int process_give(struct process *w, struct work *work)
{
	struct pool *p = w->pool;
	int r = record_put_work(&w->out, work->label, work->queue, work->token, work->ops);

	if (r < 0)
		return r;
	if (flush(w) < 0) {
		process_dead(w);
		return -EPIPE;
	}
	count_in(w, work);
	if (!p->stuck_timer_on && work->class != WORK_WATCH)
		arm_stuck_timer(p, w->since + p->settings.stuck_usec);
	return 0;
}

static int take_result(struct process *w, size_t len)
{
	struct record_result record;
	struct work_result result;
	struct work *work;
	int r;

	if (!w->work || w->in.len != len + 4)
		return -EBADMSG;
	r = record_get_result(w->in.data + 4, len, &record);
	if (r < 0)
		return r;
	if (record.done > w->work->ops->n || (record.error == 0) != (record.done == w->work->ops->n)) {
		record_result_done(&record);
		return -EBADMSG;
	}
	result = (struct work_result){ .error = record.error, .done = record.done, .data = record.data,
				       .message = record.message };
	work = count_out(w);
	arm_idle_timer(w->pool, w->since + idle_usec(w->pool));
	pool_ended(work, &result);
	record_result_done(&record);
	buffer_reset(&w->in);
	return 0;
}

/* -EPIPE when it has ended. */
static int receive(struct process *w)
{
	for (;;) {
		int64_t len = record_complete(w->in.data, w->in.len);
		ssize_t n;
		int r;

		if (len)
			return len < 0 ? (int)len : take_result(w, (size_t)len);
		r = buffer_reserve(&w->in, 4096);
		if (r < 0)
			return r;
		n = recv(w->fd, w->in.data + w->in.len, w->in.size - w->in.len, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? 0 : -errno;
		if (n > 0)
			w->in.len += (size_t)n;
	}
}

static int on_process(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct process *w = userdata;
	struct pool *p = w->pool;
	int r = 0;

	if (!w->broken && events & EPOLLOUT)
		r = flush(w);
	if (!w->broken && r >= 0 && events & EPOLLIN)
		r = receive(w);
	if (events & (EPOLLHUP | EPOLLERR) || r == -EPIPE || r == -ECONNRESET)
		process_dead(w);
	else if (r < 0)
		/* What answers nonsense, or cannot be heard, is not to be trusted with more. */
		process_break(w);
	pool_dispatch(p);
	return 0;
}

/* ---- new ones ---- */

static int add_process(struct pool *p, int fd, pid_t pid)
{
	struct process *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		close(fd);
		return -ENOMEM;
	}
	*w = (struct process){ .pool = p, .pid = pid, .fd = fd, .since = pool_now(), .next = p->processes };
	p->processes = w;
	r = sd_event_add_io(p->event, &w->io, fd, EPOLLIN, on_process, w);
	if (r < 0)
		process_free(w);
	return r;
}

static void server_gone(struct pool *p)
{
	p->server_gone = true;
	sd_event_source_set_enabled(p->server_io, SD_EVENT_OFF);
	if (p->fatal)
		p->fatal(p->fatal_userdata);
}

/* Descriptors are given out from the lowest. Where a message's find no room, libsystemd ends the connection to the bus; a worker can be refused. */
static bool leaves_room(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd + SPARE_DESCRIPTORS < limit.rlim_cur;
}

/* While another worker is at something, its end brings the next chance. */
static bool will_one_be_free(const struct pool *p)
{
	for (const struct process *w = p->processes; w; w = w->next)
		if (!w->stuck && !w->broken && !(w->work && w->work->class == WORK_WATCH))
			return true;
	return p->spawning;
}

/* 1: an answer was taken, with *ret_fd or without; 0: none is there; -EPIPE: the fork server is gone. */
static int receive_answer(struct pool *p, struct fork_answer *ret, int *ret_fd)
{
	struct iovec iov = { ret, sizeof(*ret) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(p->server, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*ret_fd = -1;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof(*ret))
		return -EPIPE;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return 1;
}

static int on_server(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct pool *p = userdata;
	struct fork_answer answer;
	int socket, r;

	while ((r = receive_answer(p, &answer, &socket)) > 0) {
		int error = answer.error;

		p->spawning--;
		/* The kernel drops a descriptor for which there is no room. Its worker ends by itself. */
		if (!error && socket >= 0 && !leaves_room(socket)) {
			close(socket);
			socket = -1;
		}
		if (!error && socket < 0)
			error = EMFILE;
		if (!error)
			error = -add_process(p, socket, answer.pid);
		if (!answer.error && error)
			process_remove_page(p, answer.pid);
		p->short_of = error > 0;
		if (error > 0 && !will_one_be_free(p))
			pool_refuse_waiting(p, error, answer.page);
	}
	if (r < 0)
		server_gone(p);
	else
		pool_dispatch(p);
	return 0;
}

void process_want(struct pool *p, unsigned n)
{
	/* Only as long as there is one whose end brings the next chance. */
	if (p->short_of && will_one_be_free(p))
		return;
	while (p->spawning < n && !p->server_gone && request(p, FORK_MAKE, 0) >= 0)
		p->spawning++;
}

int process_init(struct pool *p)
{
	uint64_t accuracy = p->settings.stuck_usec / 10 + 1;
	int r = sd_event_add_io(p->event, &p->server_io, p->server, EPOLLIN, on_server, p);

	if (r >= 0)
		r = sd_event_add_time(p->event, &p->stuck_timer, CLOCK_MONOTONIC, 0, accuracy, on_stuck_timer, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->stuck_timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(p->event, &p->idle_timer, CLOCK_MONOTONIC, 0, 0, on_idle_timer, p);
	return r < 0 ? r : sd_event_source_set_enabled(p->idle_timer, SD_EVENT_OFF);
}
