/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: the part that holds the power, kept small. Every operation is checked by itself, whatever the daemon thinks (worker-check.c), and done
 * (worker-kernel.c, -scsi.c, -secret.c, -device.c, -system.c) in order up to the first that fails. Here is the order, and the process: it takes a piece of
 * work from its socket, says in its file what it is at, and answers.
 *
 * The file is locked before the daemon is looked for and stays so until the work is done. So when a daemon finds the file of an earlier one's
 * worker unlocked, that worker does nothing any more: it will find its daemon gone before it begins.
 */
#include "daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/record.h"
#include "daemon/worker-private.h"

int worker_say(char **message, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(message, fmt, ap) < 0)
		*message = NULL;
	va_end(ap);
	return -code;
}

/* ---- one step ---- */

static op_fn *const verbs[] = {
	[OP_MKDIR] = worker_mkdir,
	[OP_RMDIR] = worker_rmdir,
	[OP_WRITE] = worker_write,
	[OP_WRITE_SECRET] = worker_write_secret,
	[OP_LINK] = worker_link,
	[OP_UNLINK] = worker_unlink,
	[OP_LOAD_MODULE] = worker_load_module,
	[OP_TUNE] = worker_tune,
	[OP_EXPEDITE] = worker_expedite,
	[OP_PROBE] = worker_probe,
	[OP_CREATE_FILE] = worker_create_file,
	[OP_GROW_FILE] = worker_grow_file,
	[OP_REMOVE_FILE] = worker_remove_file,
	[OP_CHECK_MOVING] = worker_check_moving,
	[OP_SCAN] = worker_scan,
	[OP_SCAN_SOME] = worker_scan_some,
	[OP_READLINK] = worker_readlink,
	[OP_IN_USE] = worker_in_use,
	[OP_WAIT_CHANGE] = worker_wait_change,
	[OP_SYSTEM] = worker_system,
	[OP_HAS_MODULE] = worker_has_module,
	[OP_HAS_OPTION] = worker_has_option,
	[OP_HAS_ADDRESS] = worker_has_address,
	[OP_FILE_REPLACE] = worker_file_replace,
	[OP_FILE_APPEND] = worker_file_append,
	[OP_FILE_CUT] = worker_file_cut,
	[OP_FILE_REMOVE] = worker_file_remove,
	[OP_FILE_READ] = worker_file_read,
	[OP_STORE_SECRET] = worker_store_secret,
	[OP_KEEP_SECRET] = worker_keep_secret,
	[OP_FIND_DISK] = worker_find_disk,
	[OP_WAIT_DISK] = worker_wait_disk,
	[OP_RESCAN_DISK] = worker_rescan_disk,
	[OP_WRITE_DISK] = worker_write_disk,
	[OP_WRITE_FILE_SIZE] = worker_write_file_size,
	[OP_WRITE_BLOCK_SIZE] = worker_write_block_size,
	[OP_EXPECT] = worker_expect,
	[OP_WRITE_HCTL] = worker_write_hctl,
	[OP_MAKE_DBROOT] = worker_make_dbroot,
	[OP_RESTORE_REGISTRATIONS] = worker_restore_registrations,
	[OP_CHECK_REGISTRATIONS] = worker_check_registrations,
};
_Static_assert(ARRAY_SIZE(verbs) == OP_VERB_MAX, "each verb is done by something");

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool is_label_of(const char *label, const char *object)
{
	size_t n = strlen(object);

	return strncmp(label, object, n) == 0 && label[n] == ':';
}

/* What was given to it may be several steps. */
static void note(struct worker *w, const struct op *op)
{
	if (!w->page)
		return;
	if (op->object && *op->object && !is_label_of(w->page->label, op->object))
		snprintf(w->page->label, sizeof(w->page->label), "%s: %s", op->object, op_verb_to_str(op->verb));
	snprintf(w->page->where, sizeof(w->page->where), "%s %s", op_verb_to_str(op->verb), op->path);
	w->page->since_usec = now_usec();
}

void worker_goes_on(struct worker *w)
{
	if (w->page)
		w->page->since_usec = now_usec();
}

static bool daemon_lives(const struct worker *w)
{
	struct pollfd p = { .fd = w->sock, .events = POLLRDHUP };

	return w->sock < 0 || poll(&p, 1, 0) == 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static int run_op(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = worker_check(w->settings, op, message);

	if (r >= 0)
		r = verbs[op->verb](w, op, data, message);
	if (r == -ENOENT && op->flags & OP_MAY_BE_ABSENT) {
		free(steal_ptr(*message));
		return 0;
	}
	return r;
}

int worker_run(struct worker *w, const struct oplist *ops, size_t *ret_done, char **data, char **message)
{
	w->device = NULL;
	for (*ret_done = 0; *ret_done < ops->n; ++*ret_done) {
		const struct op *op = &ops->items[*ret_done];
		int r;

		/* An orphan does nothing further after the call that it was stuck in. */
		if (!daemon_lives(w))
			return ECANCELED;
		note(w, op);
		r = run_op(w, op, &data[*ret_done], message);
		if (r < 0)
			return -r;
	}
	return 0;
}

/* ---- the file that says what it is at ---- */

struct process {
	struct worker worker;
	int lock;
	struct buffer in, out;
};

/* Made by the fork server. Its memory is allocated at once: a store into a mapped file that a full tmpfs cannot back would be SIGBUS. */
static int open_page(struct process *p)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", p->worker.settings->run_dir, (int)getpid());
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	struct worker_page *page;
	int r;

	if (fd < 0)
		return -errno;
	r = posix_fallocate(fd, 0, sizeof(*page));
	if (r)
		return -r;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	page->version = WORKER_PAGE_VERSION;
	p->worker.page = page;
	p->lock = steal_fd(&fd);
	return 0;
}

static int begin_work(struct process *p, const struct record_work *work, char **message)
{
	struct worker_page *page;
	int r = p->worker.page ? 0 : open_page(p);

	if (r < 0)
		return worker_say(message, -r, "%s/workers/%d cannot be made, without which nobody could tell what is being done: %s",
				  p->worker.settings->run_dir, (int)getpid(), strerror(-r));
	page = p->worker.page;
	snprintf(page->label, sizeof(page->label), "%s", work->label);
	snprintf(page->queue, sizeof(page->queue), "%s", work->queue ? work->queue : "");
	page->token = work->token;
	page->own_files = false;
	for (size_t i = 0; i < work->ops.n; i++)
		page->own_files |= worker_changes_own_files(&work->ops.items[i]);
	/* Nobody holds it but for a moment, to see whether it is held. */
	while (flock(p->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return worker_say(message, errno, "the worker's file cannot be locked: %s", strerror(errno));
	return 0;
}

static void end_work(struct process *p)
{
	p->worker.page->since_usec = 0;
	flock(p->lock, LOCK_UN);
}

/* ---- the socket ---- */

/* One whole message into p->in; -EPIPE when the daemon has gone. */
static int receive(struct process *p)
{
	int64_t len;
	ssize_t n;
	int r;

	while ((len = record_complete(p->in.data, p->in.len)) == 0) {
		r = buffer_reserve(&p->in, 4096);
		if (r < 0)
			return r;
		n = recv(p->worker.sock, p->in.data + p->in.len, p->in.size - p->in.len, 0);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			p->in.len += (size_t)n;
	}
	/* There is one piece of work at a time: what stands behind it is not ours to guess at. */
	return len < 0 || p->in.len != (size_t)len + 4 ? -EBADMSG : 0;
}

static int transmit(struct process *p)
{
	for (size_t sent = 0; sent < p->out.len;) {
		ssize_t n = send(p->worker.sock, p->out.data + sent, p->out.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

static int answer(struct process *p, int error, size_t done, char **data, const char *message)
{
	int r = record_put_result(&p->out, error, done, data, message);

	/* Too much to be told: then that is the answer. */
	if (r < 0)
		r = record_put_result(&p->out, -r, 0, NULL, "the result is too large for a message, or for the memory there is");
	return r < 0 ? r : transmit(p);
}

static int serve(struct process *p, const struct record_work *work)
{
	_cleanup_free_ char *message = NULL;
	char **data = calloc(work->ops.n ? work->ops.n : 1, sizeof(*data));
	size_t done = 0;
	int r;

	if (!data)
		return answer(p, ENOMEM, 0, NULL, NULL);
	r = begin_work(p, work, &message);
	if (r >= 0) {
		r = -worker_run(&p->worker, &work->ops, &done, data, &message);
		end_work(p);
	}
	r = answer(p, -r, done, data, message);
	for (size_t i = 0; i < work->ops.n; i++)
		free(data[i]);
	free(data);
	return r;
}

static int serve_one(struct process *p)
{
	struct record_work work;
	int r = receive(p);

	if (r >= 0)
		r = record_get_work(p->in.data + 4, p->in.len - 4, &work);
	if (r < 0)
		return r;
	r = serve(p, &work);
	record_work_done(&work);
	buffer_reset(&p->in);
	buffer_reset(&p->out);
	return r;
}

void worker_main(int sock, const struct pool_settings *s)
{
	struct process p = { .worker = { .settings = s, .sock = sock }, .lock = -1 };

	if (kfs_new(s->kernel, &p.worker.kfs) < 0)
		_exit(1);
	while (serve_one(&p) >= 0)
		;
	_exit(0);
}
