/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool with real workers on a folder that stands for configfs. A call that hangs is a write to a FIFO that nobody reads; opening it for
 * reading lets it go on. Where a worker or the fork server must misbehave, the test plays its part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/text.h"
#include "daemon/forkserver.h"
#include "daemon/record.h"
#include "daemon/worker.h"

#define PATIENCE 20000000	/* usec: after that something is broken, not slow */

struct job {
	struct oplist ops;
	struct work *work;
	bool finished;
	int turn;		/* the how-manieth that finished */
	int error;
	size_t done;
	bool died;
	char *message;
	char **data;
};

struct fixture {
	char top[64], run_dir[96], state_dir[96], config_dir[96];
	char *kernel;
	struct pool_settings settings;
	sd_event *event;
	struct pool *pool;
	int server;		/* the test's end, when it plays the fork server */
	struct job jobs[512];
	int n_jobs, turns;
	bool in_submit, fatal;
	int readers[16];
	int n_readers;
};

/* ---- set-up ---- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void make_folder(const char *format, const char *top)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", top, format);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->top, sizeof(f->top), "/tmp/nvmetctl-pool-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	make_folder("nvmet", f->top);
	make_folder("run", f->top);
	make_folder("run/workers", f->top);
	make_folder("state", f->top);
	make_folder("etc", f->top);
	snprintf(f->run_dir, sizeof(f->run_dir), "%s/run", f->top);
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->top);
	snprintf(f->config_dir, sizeof(f->config_dir), "%s/etc", f->top);
	f->kernel = strf("configfs:%s", f->top);
	f->settings = (struct pool_settings){ .kernel = f->kernel, .state_dir = f->state_dir, .config_dir = f->config_dir,
					      .run_dir = f->run_dir, .workers = 4, .readers = 2, .stuck_max = 4,
					      .stuck_usec = PATIENCE };
	f->server = -1;
	*state = f;
	return 0;
}

static void on_fatal(void *userdata)
{
	((struct fixture *)userdata)->fatal = true;
}

static void start_on(struct fixture *f, int fd)
{
	assert_int_equal(sd_event_new(&f->event), 0);
	assert_int_equal(pool_new(f->event, fd, &f->settings, &f->pool), 0);
	pool_set_fatal(f->pool, on_fatal, f);
}

static void start(struct fixture *f)
{
	int fd;

	assert_int_equal(forkserver_start(&f->settings, &fd), 0);
	start_on(f, fd);
}

/* With the test in the place of the fork server. */
static void start_alone(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	f->server = pair[1];
	start_on(f, pair[0]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void forget_job(struct job *j)
{
	for (size_t i = 0; j->data && i < j->done; i++)
		free(j->data[i]);
	free(j->data);
	free(j->message);
	oplist_done(&j->ops);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pool_free(f->pool);
	sd_event_unref(f->event);
	for (int i = 0; i < f->n_jobs; i++)
		forget_job(&f->jobs[i]);
	for (int i = 0; i < f->n_readers; i++)
		close(f->readers[i]);
	close_fdp(&f->server);
	/* The fork server ends with the pool; a worker that is just making its file would make it again. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	nftw(f->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->kernel);
	free(f);
	return 0;
}

/* ---- work ---- */

static struct fixture *current;

static void on_done(void *userdata, const struct work_result *r)
{
	struct job *j = userdata;
	struct fixture *f = current;

	assert_false(f->in_submit);
	assert_false(j->finished);
	j->finished = true;
	j->work = NULL;
	j->turn = ++f->turns;
	j->error = r->error;
	j->done = r->done;
	j->died = r->died;
	j->message = r->message ? strdup(r->message) : NULL;
	j->data = calloc(r->done ? r->done : 1, sizeof(*j->data));
	for (size_t i = 0; r->data && i < r->done; i++)
		j->data[i] = r->data[i] ? strdup(r->data[i]) : NULL;
}

static struct job *job_new(struct fixture *f)
{
	assert_true((size_t)f->n_jobs < ARRAY_SIZE(f->jobs));
	return &f->jobs[f->n_jobs++];
}

static void job_op(struct job *j, enum op_verb verb, const char *path, const char *value)
{
	assert_int_equal(oplist_add(&j->ops, verb, 0, path, value, NULL, NULL), 0);
}

static struct job *submit_as(struct fixture *f, struct job *j, enum work_class class, enum token token, const char *queue)
{
	current = f;
	f->in_submit = true;
	assert_int_equal(pool_submit(f->pool, class, token, &j->ops, queue, "object: what", on_done, j, &j->work), 0);
	f->in_submit = false;
	return j;
}

static struct job *submit(struct fixture *f, struct job *j)
{
	return submit_as(f, j, WORK_CHANGE, TOKEN_NONE, NULL);
}

/* One operation. */
static struct job *do_one(struct fixture *f, enum op_verb verb, const char *path, const char *value)
{
	struct job *j = job_new(f);

	job_op(j, verb, path, value);
	return submit(f, j);
}

static void turn(struct fixture *f, uint64_t usec)
{
	int r = sd_event_run(f->event, usec);

	assert_true(r >= 0);
}

static void wait_for(struct fixture *f, const struct job *j)
{
	uint64_t end = now() + PATIENCE;

	while (!j->finished) {
		if (now() > end)
			fail_msg("a piece of work did not come back");
		turn(f, 100000);
	}
}

static void wait_for_all(struct fixture *f)
{
	for (int i = 0; i < f->n_jobs; i++)
		wait_for(f, &f->jobs[i]);
}

/* For what must not happen. */
static void let_pass(struct fixture *f, uint64_t usec)
{
	uint64_t end = now() + usec;

	while (now() < end)
		turn(f, end - now() + 1);
}

static void assert_done(const struct job *j)
{
	if (j->error)
		fail_msg("%s: %s", strerror(j->error), j->message ? j->message : "");
}

static char *below(const struct fixture *f, const char *name)
{
	return strf("%s/%s", f->top, name);
}

static void put_fifo(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);

	assert_int_equal(mkfifo(path, 0600), 0);
}

static void put_value(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void release(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	f->readers[f->n_readers++] = fd;
}

/* A step that hangs in a write to the FIFO. */
static struct job *hang(struct fixture *f, const char *fifo, enum token token, const char *queue)
{
	struct job *j = job_new(f);

	put_fifo(f, fifo);
	job_op(j, OP_WRITE, fifo, "1");
	return submit_as(f, j, WORK_CHANGE, token, queue);
}

static bool find_busy(struct fixture *f, const char *where, struct pool_busy *ret)
{
	struct pool_busy *list;
	bool found = false;
	size_t n;

	assert_int_equal(pool_busy(f->pool, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (streq(list[i].where, where)) {
			found = true;
			if (ret)
				*ret = list[i];
		}
	pool_busy_free(list, n);
	return found;
}

/* Until the worker has said that it is at it: then it is in that call, or about to be. Of ret only the numbers are valid. */
static void wait_busy(struct fixture *f, const char *where, struct pool_busy *ret)
{
	uint64_t end = now() + PATIENCE;

	while (!find_busy(f, where, ret)) {
		if (now() > end)
			fail_msg("no worker is at \"%s\"", where);
		turn(f, 1000);
	}
}

static void wait_stuck(struct fixture *f, const char *where, struct pool_busy *ret)
{
	uint64_t end = now() + PATIENCE;

	for (wait_busy(f, where, ret); !ret->stuck; wait_busy(f, where, ret)) {
		if (now() > end)
			fail_msg("\"%s\" is not stuck", where);
		turn(f, 10000);
	}
}

static unsigned count_files(const struct fixture *f)
{
	_cleanup_free_ char *path = strf("%s/workers", f->run_dir);
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += *e->d_name != '.';
	closedir(dir);
	return n;
}

/* ---- plain work ---- */

static void test_step(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	start(f);
	put_value(f, "nvmet/value");
	j = job_new(f);
	job_op(j, OP_MKDIR, "nvmet/x", NULL);
	job_op(j, OP_WRITE, "nvmet/value", "hello");
	job_op(j, OP_SCAN, "nvmet", NULL);
	wait_for(f, submit(f, j));
	assert_done(j);
	assert_int_equal(j->done, 3);
	assert_null(j->data[0]);
	assert_non_null(strstr(j->data[2], "f value 5\nhello\n"));
}

static void test_step_fails(void **state)
{
	struct fixture *f = *state;
	struct job *j;
	_cleanup_free_ char *third = below(f, "nvmet/y");

	start(f);
	j = job_new(f);
	job_op(j, OP_MKDIR, "nvmet/x", NULL);
	job_op(j, OP_MKDIR, "nvmet/x", NULL);
	job_op(j, OP_MKDIR, "nvmet/y", NULL);
	wait_for(f, submit(f, j));
	assert_int_equal(j->error, EEXIST);
	assert_int_equal(j->done, 1);
	assert_false(j->died);
	assert_int_equal(access(third, F_OK), -1);
}

static void test_refused_by_worker(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	start(f);
	j = do_one(f, OP_MKDIR, "/etc/nvmetctl-was-here", NULL);
	wait_for(f, j);
	assert_int_equal(j->error, EINVAL);
	assert_non_null(strstr(j->message, "outside of what it may touch"));
	assert_int_equal(access("/etc/nvmetctl-was-here", F_OK), -1);
}

static void test_links_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *link = below(f, "nvmet/link"), *inside = below(f, "etc/inside");
	struct job *j;

	start(f);
	assert_int_equal(symlink(f->config_dir, link), 0);
	j = do_one(f, OP_MKDIR, "nvmet/link/inside", NULL);
	wait_for(f, j);
	assert_int_equal(j->error, ELOOP);
	assert_int_equal(access(inside, F_OK), -1);
}

static void test_many(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (int i = 0; i < 300; i++) {
		_cleanup_free_ char *path = strf("nvmet/x%d", i);

		do_one(f, OP_MKDIR, path, NULL);
	}
	wait_for_all(f);
	for (int i = 0; i < 300; i++)
		assert_done(&f->jobs[i]);
	assert_true(count_files(f) <= 4);
}

static void test_large_messages(void **state)
{
	struct fixture *f = *state;
	size_t n = 8 << 20;
	_cleanup_free_ char *text = malloc(n + 1), *path = below(f, "state/journal");
	struct job *j;

	start(f);
	memset(text, 'x', n);
	text[n] = 0;
	j = job_new(f);
	job_op(j, OP_FILE_REPLACE, path, text);
	job_op(j, OP_FILE_READ, path, NULL);
	wait_for(f, submit_as(f, j, WORK_STATE, TOKEN_NONE, NULL));
	assert_done(j);
	assert_int_equal(strlen(j->data[1]), n);
	/* And the next one goes just so. */
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_done(j);
}

static void test_state_in_order(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = below(f, "state/journal");
	_cleanup_strbuf_ struct strbuf expected = { 0 };
	struct job *j;

	start(f);
	for (int i = 0; i < 40; i++) {
		_cleanup_free_ char *line = strf("%d\n", i);

		j = job_new(f);
		job_op(j, OP_FILE_APPEND, path, line);
		submit_as(f, j, WORK_STATE, TOKEN_NONE, NULL);
		strbuf_add(&expected, line);
	}
	j = job_new(f);
	job_op(j, OP_FILE_READ, path, NULL);
	wait_for(f, submit_as(f, j, WORK_STATE, TOKEN_NONE, NULL));
	assert_done(j);
	assert_string_equal(j->data[0], expected.s);
}

/* Changes that take all of their workers leave those for reading free. */
static void test_reading_is_kept_free(void **state)
{
	struct fixture *f = *state;
	struct job *read;

	f->settings.workers = 1;
	start(f);
	hang(f, "nvmet/hang", TOKEN_NONE, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	read = job_new(f);
	job_op(read, OP_SCAN, "nvmet", NULL);
	/* The FIFO itself would hang a reader as well. */
	free(read->ops.items[0].path);
	read->ops.items[0].path = strdup("nvmet/absent");
	wait_for(f, submit_as(f, read, WORK_READ, TOKEN_NONE, NULL));
	assert_int_equal(read->error, ENOENT);
	release(f, "nvmet/hang");
	wait_for_all(f);
}

static void test_token_is_for_changes(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	start(f);
	j = job_new(f);
	assert_int_equal(pool_submit(f->pool, WORK_READ, TOKEN_PORTS, &j->ops, NULL, "x", on_done, j, NULL), -EINVAL);
}

/* ---- what may go together ---- */

/* Each step stands in the folder with a sign of its token while it looks at the folder: it must never see one of the other token. */
static void test_tokens_exclude(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 3;

	start(f);
	for (int i = 0; i < 400; i++) {
		enum token token = (enum token)(rand_r(&seed) % TOKEN_MAX);
		_cleanup_free_ char *sign = strf("nvmet/token-%d-%d", (int)token, i);
		struct job *j = job_new(f);

		job_op(j, OP_MKDIR, sign, NULL);
		job_op(j, OP_SCAN, "nvmet", NULL);
		job_op(j, OP_RMDIR, sign, NULL);
		submit_as(f, j, WORK_CHANGE, token, NULL);
	}
	wait_for_all(f);
	for (int i = 0; i < f->n_jobs; i++) {
		const struct op *op = &f->jobs[i].ops.items[0];
		_cleanup_free_ char *other = strf("token-%d", op->path[12] == '0' + TOKEN_PORTS ? TOKEN_HOSTS : TOKEN_PORTS);

		assert_done(&f->jobs[i]);
		if (op->path[12] != '0' + TOKEN_NONE)
			assert_null(strstr(f->jobs[i].data[1], other));
	}
}

static struct job *quick(struct fixture *f, const char *path, enum token token, const char *queue)
{
	struct job *j = job_new(f);

	job_op(j, OP_MKDIR, path, NULL);
	return submit_as(f, j, WORK_CHANGE, token, queue);
}

/* A later step of the same token does not overtake one that waits for the other. */
static void test_tokens_take_turns(void **state)
{
	struct fixture *f = *state;
	struct job *first, *second, *third, *none;

	start(f);
	first = hang(f, "nvmet/hang", TOKEN_PORTS, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	second = quick(f, "nvmet/second", TOKEN_HOSTS, NULL);
	third = quick(f, "nvmet/third", TOKEN_PORTS, NULL);
	none = quick(f, "nvmet/none", TOKEN_NONE, NULL);
	wait_for(f, none);
	let_pass(f, 100000);
	assert_false(first->finished || second->finished || third->finished);
	release(f, "nvmet/hang");
	wait_for_all(f);
	assert_true(first->turn < second->turn && second->turn < third->turn);
}

/* The other token must wait for what is stuck, however long; its own need not wait with it. */
static void test_stuck_token(void **state)
{
	struct fixture *f = *state;
	struct pool_busy busy;
	struct job *hosts, *ports;

	f->settings.stuck_usec = 50000;
	start(f);
	hang(f, "nvmet/hang", TOKEN_PORTS, NULL);
	wait_stuck(f, "write nvmet/hang", &busy);
	hosts = quick(f, "nvmet/hosts", TOKEN_HOSTS, NULL);
	ports = quick(f, "nvmet/ports", TOKEN_PORTS, NULL);
	wait_for(f, ports);
	let_pass(f, 100000);
	assert_false(hosts->finished);
	release(f, "nvmet/hang");
	wait_for(f, hosts);
	assert_done(hosts);
}

static void test_cancel_frees_the_turn(void **state)
{
	struct fixture *f = *state;
	struct job *second, *third;

	start(f);
	hang(f, "nvmet/hang", TOKEN_PORTS, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	second = quick(f, "nvmet/second", TOKEN_HOSTS, NULL);
	third = quick(f, "nvmet/third", TOKEN_PORTS, NULL);
	let_pass(f, 50000);
	assert_false(third->finished);
	assert_int_equal(pool_cancel(f->pool, second->work), 1);
	wait_for(f, third);
	assert_done(third);
	release(f, "nvmet/hang");
	wait_for_all(f);
}

/* ---- stuck ---- */

static void test_stuck_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct job *stuck, *behind, *other;
	struct pool_busy busy;

	f->settings.workers = 1;
	f->settings.stuck_usec = 100000;
	start(f);
	stuck = hang(f, "nvmet/hang", TOKEN_NONE, "q");
	behind = quick(f, "nvmet/behind", TOKEN_NONE, "q");
	other = quick(f, "nvmet/other", TOKEN_NONE, "another");
	wait_for(f, other);
	assert_done(other);
	assert_false(behind->finished);
	assert_true(find_busy(f, "write nvmet/hang", &busy));
	assert_true(busy.stuck);
	assert_false(busy.orphan);
	assert_int_equal(busy.waiting, 1);
	assert_true(busy.usec >= 100000);
	let_pass(f, 100000);
	assert_false(behind->finished);
	release(f, "nvmet/hang");
	wait_for(f, behind);
	assert_done(stuck);
	assert_done(behind);
	assert_true(stuck->turn < behind->turn);
}

static void test_stuck_bound(void **state)
{
	struct fixture *f = *state;
	struct job *third;
	struct pool_busy busy;

	f->settings.workers = 1;
	f->settings.stuck_max = 1;
	f->settings.stuck_usec = 50000;
	start(f);
	hang(f, "nvmet/one", TOKEN_NONE, NULL);
	hang(f, "nvmet/two", TOKEN_NONE, NULL);
	third = quick(f, "nvmet/third", TOKEN_NONE, NULL);
	wait_stuck(f, "write nvmet/one", &busy);
	wait_stuck(f, "write nvmet/two", &busy);
	let_pass(f, 200000);
	/* One is replaced, the other not. */
	assert_false(third->finished);
	release(f, "nvmet/one");
	/* Its place among the replaced is free for the other. */
	wait_for(f, third);
	assert_done(third);
	release(f, "nvmet/two");
	wait_for_all(f);
}

static void test_state_waits_for_stuck(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = below(f, "state/journal"), *fifo = below(f, "nvmet/hang");
	struct job *first = job_new(f), *second = job_new(f);
	struct pool_busy busy;

	f->settings.stuck_usec = 50000;
	start(f);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	job_op(first, OP_WRITE, "nvmet/hang", "1");
	job_op(first, OP_FILE_APPEND, path, "first\n");
	job_op(second, OP_FILE_APPEND, path, "second\n");
	job_op(second, OP_FILE_READ, path, NULL);
	submit_as(f, first, WORK_STATE, TOKEN_NONE, NULL);
	submit_as(f, second, WORK_STATE, TOKEN_NONE, NULL);
	wait_stuck(f, "write nvmet/hang", &busy);
	let_pass(f, 100000);
	assert_false(second->finished);
	release(f, "nvmet/hang");
	wait_for(f, second);
	assert_string_equal(second->data[1], "first\nsecond\n");
}

struct releases {
	struct fixture *f;
	int next;
	bool was_stuck;
	sd_event_source *timer;
};

static int on_release(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct releases *r = userdata;
	_cleanup_free_ char *name = strf("nvmet/hang%d", r->next), *where = strf("write %s", name);
	struct pool_busy busy;

	if (find_busy(r->f, where, &busy))
		r->was_stuck |= busy.stuck;
	release(r->f, name);
	if (++r->next == 8)
		return 0;
	sd_event_source_set_time(source, now() + 60000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A step that takes long because of many operations is not stuck in one. */
static void test_long_is_not_stuck(void **state)
{
	struct fixture *f = *state;
	struct releases r = { .f = f };
	struct job *j;

	f->settings.stuck_usec = 250000;
	start(f);
	j = job_new(f);
	for (int i = 0; i < 8; i++) {
		_cleanup_free_ char *name = strf("nvmet/hang%d", i);

		put_fifo(f, name);
		job_op(j, OP_WRITE, name, "1");
	}
	submit(f, j);
	assert_true(sd_event_add_time(f->event, &r.timer, CLOCK_MONOTONIC, now() + 60000, 1, on_release, &r) >= 0);
	wait_for(f, j);
	assert_done(j);
	assert_false(r.was_stuck);
	sd_event_source_unref(r.timer);
}

/* ---- cancelling, watching ---- */

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct job *running, *waiting;
	_cleanup_free_ char *path = below(f, "nvmet/waiting");

	f->settings.workers = 1;
	start(f);
	running = hang(f, "nvmet/hang", TOKEN_NONE, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	waiting = quick(f, "nvmet/waiting", TOKEN_NONE, NULL);
	assert_int_equal(pool_cancel(f->pool, running->work), 0);
	assert_int_equal(pool_cancel(f->pool, waiting->work), 1);
	assert_true(waiting->finished);
	assert_int_equal(waiting->error, ECANCELED);
	release(f, "nvmet/hang");
	wait_for(f, running);
	assert_done(running);
	assert_int_equal(access(path, F_OK), -1);
}

static struct job *watch(struct fixture *f)
{
	struct job *j = job_new(f);

	job_op(j, OP_WAIT_CHANGE, "nvmet", "nvmet");
	submit_as(f, j, WORK_WATCH, TOKEN_NONE, NULL);
	wait_busy(f, "wait for a change nvmet", NULL);
	return j;
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	struct job *w;
	uint64_t end = now() + PATIENCE;
	struct pool_busy busy;

	f->settings.stuck_usec = 20000;
	start(f);
	w = watch(f);
	let_pass(f, 100000);
	assert_true(find_busy(f, "wait for a change nvmet", &busy));
	assert_false(busy.stuck);
	/* It may not yet have begun to look. */
	for (int i = 0; !w->finished && now() < end; i++) {
		_cleanup_free_ char *path = strf("nvmet/change%d", i);
		_cleanup_free_ char *full = below(f, path);

		assert_int_equal(mkdir(full, 0700), 0);
		let_pass(f, 20000);
	}
	wait_for(f, w);
	assert_done(w);
}

static void test_watch_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct job *w, *j;

	start(f);
	w = watch(f);
	assert_int_equal(pool_cancel(f->pool, w->work), 0);
	assert_int_equal(pool_cancel(f->pool, w->work), 0);
	assert_false(w->finished);
	wait_for(f, w);
	assert_int_equal(w->error, ECANCELED);
	assert_false(w->died);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_done(j);
}

/* ---- death ---- */

static void test_killed_at_work(void **state)
{
	struct fixture *f = *state;
	struct pool_busy busy;
	struct job *j, *next;

	start(f);
	j = hang(f, "nvmet/hang", TOKEN_PORTS, "q");
	wait_busy(f, "write nvmet/hang", &busy);
	assert_int_equal(kill(busy.pid, SIGKILL), 0);
	wait_for(f, j);
	assert_int_equal(j->error, EOWNERDEAD);
	assert_true(j->died);
	assert_int_equal(j->done, 0);
	/* Replaced, and nothing of it is left in the way. */
	next = quick(f, "nvmet/next", TOKEN_HOSTS, "q");
	wait_for(f, next);
	assert_done(next);
	assert_int_equal(count_files(f), 1);
}

static pid_t only_worker(const struct fixture *f)
{
	_cleanup_free_ char *path = strf("%s/workers", f->run_dir);
	DIR *dir = opendir(path);
	struct dirent *e;
	pid_t pid = 0;

	while ((e = readdir(dir)))
		if (*e->d_name != '.')
			pid = atoi(e->d_name);
	closedir(dir);
	assert_true(pid > 0);
	return pid;
}

/* Work that meets a worker which was killed while it was idle goes to another one: nobody has begun it. */
static void test_killed_while_idle(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (int i = 0; i < 20; i++) {
		_cleanup_free_ char *path = strf("nvmet/x%d", i);
		struct job *j = do_one(f, OP_MKDIR, path, NULL);
		pid_t pid;

		wait_for(f, j);
		assert_done(j);
		pid = only_worker(f);
		assert_int_equal(kill(pid, SIGKILL), 0);
		/* Gone when the fork server has waited for it; the pool has not looked yet. */
		while (kill(pid, 0) == 0)
			usleep(1000);
	}
}

/* Killed at any moment of a step: the answer is its result or EOWNERDEAD, never silence, and what comes after works. */
static void test_killed_at_any_moment(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 5, died = 0;

	start(f);
	for (int i = 0; i < 60; i++) {
		struct job *j = job_new(f), *after;
		_cleanup_free_ char *last = strf("nvmet/after%d", i);
		struct pool_busy *busy;
		size_t n;

		for (int k = 0; k < 50; k++) {
			_cleanup_free_ char *path = strf("nvmet/x%d-%d", i, k);

			job_op(j, OP_MKDIR, path, NULL);
		}
		submit(f, j);
		turn(f, 0);
		usleep((useconds_t)rand_r(&seed) % 3000);
		assert_int_equal(pool_busy(f->pool, &busy, &n), 0);
		if (n)
			kill(busy[0].pid, SIGKILL);
		pool_busy_free(busy, n);
		wait_for(f, j);
		died += j->died;
		assert_true(j->died ? j->error == EOWNERDEAD : j->error == 0);
		after = do_one(f, OP_MKDIR, last, NULL);
		wait_for(f, after);
		/* It may itself have met the death of a worker that answered in time. */
		assert_true(after->error == 0 || after->died);
	}
	assert_true(died > 0);
}

static pid_t child_named(const char *name)
{
	char path[64], line[4096] = "", comm[32];
	char *save = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	for (char *pid = strtok_r(line, " ", &save); pid; pid = strtok_r(NULL, " ", &save)) {
		snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
		f = fopen(path, "r");
		if (f && fgets(comm, sizeof(comm), f) && strncmp(comm, name, strlen(name)) == 0) {
			fclose(f);
			return atoi(pid);
		}
		if (f)
			fclose(f);
	}
	return 0;
}

static void test_fork_server_dies(void **state)
{
	struct fixture *f = *state;
	uint64_t end = now() + PATIENCE;
	struct job *j;
	pid_t pid;

	start(f);
	j = hang(f, "nvmet/hang", TOKEN_NONE, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	pid = child_named("nvmetd: forks");
	assert_true(pid > 0);
	kill(pid, SIGKILL);
	/* The workers with it. */
	wait_for(f, j);
	assert_true(j->died);
	while (!f->fatal && now() < end)
		turn(f, 10000);
	assert_true(f->fatal);
}

/* A terminal sends its signals to the whole group; the daemon needs its workers to end in order. */
static void test_signals_of_a_terminal(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT };
	struct fixture *f = *state;
	struct job *j;
	pid_t pid;

	start(f);
	wait_for(f, do_one(f, OP_MKDIR, "nvmet/x", NULL));
	pid = child_named("nvmetd: forks");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		kill(pid, signals[i]);
		kill(only_worker(f), signals[i]);
	}
	let_pass(f, 50000);
	j = do_one(f, OP_MKDIR, "nvmet/y", NULL);
	wait_for(f, j);
	assert_done(j);
	assert_false(f->fatal);
}

static void test_worker_process(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *cwd = NULL, *fds = NULL, *link = NULL;
	char target[64];
	unsigned n = 0;
	DIR *dir;

	start(f);
	wait_for(f, do_one(f, OP_MKDIR, "nvmet/x", NULL));
	cwd = strf("/proc/%d/cwd", (int)only_worker(f));
	assert_int_equal(readlink(cwd, target, sizeof(target)), 1);
	assert_int_equal(target[0], '/');
	/* Standard streams, its socket, its file, the mount of configfs: nothing of the daemon's. */
	fds = strf("/proc/%d/fd", (int)only_worker(f));
	dir = opendir(fds);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += *e->d_name != '.';
	closedir(dir);
	assert_int_equal(n, 6);
	link = strf("/proc/%d/comm", (int)only_worker(f));
	dir = NULL;
	FILE *comm = fopen(link, "r");
	assert_non_null(comm);
	assert_non_null(fgets(target, sizeof(target), comm));
	fclose(comm);
	assert_string_equal(target, "nvmetd: worker\n");
}

/* ---- the daemon dies ---- */

static pid_t wait_for_worker(struct fixture *f, const char *where)
{
	uint64_t end = now() + PATIENCE;

	while (now() < end) {
		_cleanup_free_ char *folder = strf("%s/workers", f->run_dir);
		DIR *dir = opendir(folder);
		struct worker_page page;

		for (struct dirent *e; (e = readdir(dir));) {
			_cleanup_free_ char *path = strf("%s/%s", folder, e->d_name);
			_cleanup_close_ int fd = open(path, O_RDONLY);

			if (fd >= 0 && pread(fd, &page, sizeof(page), 0) == sizeof(page) && streq(page.where, where)) {
				pid_t pid = atoi(e->d_name);

				closedir(dir);
				return pid;
			}
		}
		closedir(dir);
		usleep(1000);
	}
	fail_msg("no worker is at \"%s\"", where);
	return 0;
}

static void test_daemon_dies(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *second = below(f, "nvmet/second");
	uint64_t end = now() + PATIENCE;
	pid_t daemon, worker;

	put_fifo(f, "nvmet/hang");
	daemon = fork();
	if (daemon == 0) {
		struct job *j;

		start(f);
		j = job_new(f);
		job_op(j, OP_WRITE, "nvmet/hang", "1");
		job_op(j, OP_MKDIR, "nvmet/second", NULL);
		submit(f, j);
		sd_event_loop(f->event);
		_exit(0);
	}
	worker = wait_for_worker(f, "write nvmet/hang");
	assert_int_equal(kill(daemon, SIGKILL), 0);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	while (kill(worker, 0) == 0 && now() < end)
		usleep(1000);
	assert_int_equal(kill(worker, 0), -1);
	release(f, "nvmet/hang");
	assert_int_equal(access(second, F_OK), -1);
	/* The next one clears away what is left. */
	start(f);
	assert_int_equal(count_files(f), 0);
}

/* A worker that the kernel does not let go of: here a process that holds the file's lock. */
static pid_t make_orphan(struct fixture *f, const struct worker_page *page, size_t size)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		_cleanup_free_ char *path = strf("%s/workers/%d", f->run_dir, (int)getpid());
		int fd = open(path, O_RDWR | O_CREAT, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (flock(fd, LOCK_EX) < 0 || write(fd, page, size) != (ssize_t)size || write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_orphan(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_orphan(void **state)
{
	struct fixture *f = *state;
	struct worker_page page = { .version = WORKER_PAGE_VERSION, .token = TOKEN_PORTS, .since_usec = 1, .label = "subsystems/s: remove",
				    .queue = "q", .where = "rmdir nvmet/x" };
	struct job *behind, *hosts, *other;
	_cleanup_free_ char *stale = NULL;
	struct pool_busy *busy;
	pid_t pid = make_orphan(f, &page, sizeof(page));
	size_t n;

	stale = strf("%s/workers/%d", f->run_dir, (int)getpid());
	close(open(stale, O_CREAT | O_WRONLY, 0600));
	start(f);
	/* What nobody holds is cleared away. */
	assert_int_equal(count_files(f), 1);
	behind = quick(f, "nvmet/behind", TOKEN_NONE, "q");
	hosts = quick(f, "nvmet/hosts", TOKEN_HOSTS, NULL);
	other = quick(f, "nvmet/other", TOKEN_PORTS, "another");
	wait_for(f, other);
	let_pass(f, 100000);
	assert_false(behind->finished || hosts->finished);
	assert_int_equal(pool_busy(f->pool, &busy, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(busy[0].pid, pid);
	assert_string_equal(busy[0].label, "subsystems/s: remove");
	assert_string_equal(busy[0].where, "rmdir nvmet/x");
	assert_true(busy[0].orphan && busy[0].stuck);
	assert_true(busy[0].usec > 0);
	assert_int_equal(busy[0].waiting, 1);
	pool_busy_free(busy, n);
	end_orphan(pid);
	wait_for_all(f);
	assert_done(behind);
	assert_done(hosts);
	assert_int_equal(pool_busy(f->pool, &busy, &n), 0);
	assert_int_equal(n, 0);
	pool_busy_free(busy, n);
}

/* Of another version, or cut short: that it works is known all the same. */
static void test_orphan_of_another_version(void **state)
{
	struct fixture *f = *state;
	struct worker_page page = { .version = 99, .queue = "q" };
	pid_t one = make_orphan(f, &page, sizeof(page)), two = make_orphan(f, &page, 10);
	struct pool_busy *busy;
	size_t n;

	start(f);
	assert_int_equal(pool_busy(f->pool, &busy, &n), 0);
	assert_int_equal(n, 2);
	assert_true(busy[0].orphan && busy[1].orphan);
	assert_non_null(strstr(busy[0].label, "another version"));
	pool_busy_free(busy, n);
	end_orphan(one);
	end_orphan(two);
}

/* ---- the test as fork server and worker ---- */

static struct fork_request next_request(struct fixture *f)
{
	uint64_t end = now() + PATIENCE;
	struct fork_request r;

	for (;;) {
		if (recv(f->server, &r, sizeof(r), MSG_DONTWAIT) == sizeof(r))
			return r;
		if (now() > end)
			fail_msg("the pool asked for nothing");
		turn(f, 1000);
	}
}

static void send_answer(struct fixture *f, int error, int fd)
{
	struct fork_answer a = { .pid = 1, .error = error };
	struct iovec iov = { &a, sizeof(a) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(f->server, &msg, 0), sizeof(a));
}

/* The worker's end of a new worker's socket. */
static int give_worker(struct fixture *f)
{
	int pair[2];

	assert_int_equal(next_request(f).verb, FORK_MAKE);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	send_answer(f, 0, pair[0]);
	close(pair[0]);
	return pair[1];
}

static void await_work(struct fixture *f, int fd)
{
	uint64_t end = now() + PATIENCE;
	unsigned char msg[4096];
	ssize_t n = 0, k;

	while (record_complete(msg, (size_t)n) == 0) {
		k = recv(fd, msg + n, sizeof(msg) - (size_t)n, MSG_DONTWAIT);
		n += k > 0 ? k : 0;
		assert_true(now() < end);
		turn(f, 1000);
	}
}

static void test_no_worker_can_be_made(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	start_alone(f);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	assert_int_equal(next_request(f).verb, FORK_MAKE);
	send_answer(f, EAGAIN, -1);
	wait_for(f, j);
	assert_int_equal(j->error, EAGAIN);
	assert_int_equal(j->done, 0);
	assert_false(j->died);
	assert_non_null(strstr(j->message, "no worker process can be made: Resource temporarily unavailable"));
	/* A descriptor for which there was no room. */
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	assert_int_equal(next_request(f).verb, FORK_MAKE);
	send_answer(f, 0, -1);
	wait_for(f, j);
	assert_int_equal(j->error, EMFILE);
}

/* While one is at work there is hope: the second waits for the first worker. */
static void test_one_worker_is_enough(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buffer_done) struct buffer b = { 0 };
	struct job *one, *two;
	char *data[1] = { NULL };
	int fd;

	start_alone(f);
	one = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	fd = give_worker(f);
	await_work(f, fd);
	two = do_one(f, OP_MKDIR, "nvmet/y", NULL);
	assert_int_equal(next_request(f).verb, FORK_MAKE);
	send_answer(f, EAGAIN, -1);
	let_pass(f, 50000);
	assert_false(two->finished);
	assert_int_equal(record_put_result(&b, 0, 1, data, NULL), 0);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	wait_for(f, one);
	await_work(f, fd);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	wait_for(f, two);
	assert_done(two);
	close(fd);
}

/* A worker that answers nonsense is killed, and its work is over when it is dead, not before. */
static void answer_nonsense(struct fixture *f, const void *bytes, size_t n)
{
	struct job *j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	int fd = give_worker(f);

	await_work(f, fd);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(next_request(f).verb, FORK_KILL);
	let_pass(f, 20000);
	assert_false(j->finished);
	close(fd);
	wait_for(f, j);
	assert_int_equal(j->error, EOWNERDEAD);
	assert_true(j->died);
}

static void answer_result(struct fixture *f, int error, size_t done)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	char *data[8] = { NULL };

	assert_int_equal(record_put_result(&b, error, done, data, NULL), 0);
	answer_nonsense(f, b.data, b.len);
}

static void test_nonsense(void **state)
{
	struct fixture *f = *state;
	unsigned char noise[64];
	unsigned seed = 9;

	start_alone(f);
	answer_nonsense(f, "\xff\xff\xff\xff", 4);
	answer_nonsense(f, "\x08\x00\x00\x00garbage!", 12);
	answer_nonsense(f, "\x00\x00\x00\x00", 4);
	answer_result(f, 0, 0);		/* all well, but nothing done */
	answer_result(f, 0, 2);		/* more than was asked */
	answer_result(f, EIO, 1);	/* failed, but all done */
	for (int i = 0; i < 50; i++) {
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (unsigned char)rand_r(&seed);
		noise[3] |= 0x80;	/* else it may be the beginning of something long */
		answer_nonsense(f, noise, sizeof(noise));
	}
}

static void test_two_answers(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buffer_done) struct buffer b = { 0 };
	char *data[1] = { NULL };

	start_alone(f);
	assert_int_equal(record_put_result(&b, 0, 1, data, NULL), 0);
	assert_int_equal(record_put_result(&b, 0, 1, data, NULL), 0);
	answer_nonsense(f, b.data, b.len);
}

/* A result comes in pieces, and the end right behind it. */
static void test_slow_answer(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buffer_done) struct buffer b = { 0 };
	char *data[1] = { (char *)"text" };
	struct job *j;
	int fd;

	start_alone(f);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	fd = give_worker(f);
	await_work(f, fd);
	assert_int_equal(record_put_result(&b, 0, 1, data, NULL), 0);
	for (size_t i = 0; i < b.len; i++) {
		assert_false(j->finished);
		assert_int_equal(write(fd, b.data + i, 1), 1);
		if (i + 1 < b.len)
			let_pass(f, 500);
	}
	close(fd);
	wait_for(f, j);
	assert_done(j);
	assert_string_equal(j->data[0], "text");
}

static void test_end_within_answer(void **state)
{
	struct fixture *f = *state;
	struct job *j;
	int fd;

	start_alone(f);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	fd = give_worker(f);
	await_work(f, fd);
	assert_int_equal(write(fd, "\x10\x00\x00\x00\x00", 5), 5);
	close(fd);
	wait_for(f, j);
	assert_true(j->died);
}

/* ---- the worker's side of the socket ---- */

/* What is no work ends the worker; it does nothing of it. */
static void feed_worker(struct fixture *f, const void *bytes, size_t n)
{
	struct pollfd p;
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		worker_main(pair[1], &f->settings);
	}
	close(pair[1]);
	assert_int_equal(write(pair[0], bytes, n), n);
	p = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, PATIENCE / 1000), 1);
	assert_true(p.revents & POLLHUP);
	close(pair[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_worker_is_fed_nonsense(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buffer_done) struct buffer b = { 0 };
	_cleanup_oplist_ struct oplist ops = { 0 };
	_cleanup_free_ char *made = below(f, "nvmet/x");
	unsigned char noise[64];
	unsigned seed = 11;

	for (int i = 0; i < 20; i++) {
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (unsigned char)rand_r(&seed);
		noise[1] = noise[2] = noise[3] = 0;
		noise[0] = 8 + noise[0] % 50;
		feed_worker(f, noise, sizeof(noise));
	}
	/* Good work, but with a verb that is not in the list; and good work with something behind it. */
	oplist_add(&ops, OP_MKDIR, 0, "nvmet/x", NULL, NULL, NULL);
	assert_int_equal(record_put_work(&b, "label", NULL, TOKEN_NONE, &ops), 0);
	b.data[4 + 4 + 6 + 4 + 4 + 4] = OP_VERB_MAX;
	feed_worker(f, b.data, b.len);
	buffer_reset(&b);
	assert_int_equal(record_put_work(&b, "label", NULL, TOKEN_NONE, &ops), 0);
	assert_int_equal(record_put_work(&b, "label", NULL, TOKEN_NONE, &ops), 0);
	feed_worker(f, b.data, b.len);
	assert_int_equal(access(made, F_OK), -1);
}

static void test_no_place_for_the_file(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *folder = below(f, "run/workers"), *made = below(f, "nvmet/x");
	struct job *j;

	start(f);
	assert_int_equal(rmdir(folder), 0);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_int_equal(j->error, ENOENT);
	assert_non_null(strstr(j->message, "run/workers/"));
	assert_int_equal(access(made, F_OK), -1);
	assert_int_equal(mkdir(folder, 0700), 0);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_done(j);
}

/* ---- how many, how fast ---- */

static void test_idle_ones_end(void **state)
{
	struct fixture *f = *state;
	uint64_t end = now() + PATIENCE;
	struct job *j;

	f->settings.workers = 9;
	f->settings.idle_usec = 50000;
	start(f);
	for (int i = 0; i < 9; i++) {
		_cleanup_free_ char *name = strf("nvmet/hang%d", i), *where = strf("write nvmet/hang%d", i);

		hang(f, name, TOKEN_NONE, NULL);
		wait_busy(f, where, NULL);
	}
	assert_int_equal(count_files(f), 9);
	for (int i = 0; i < 9; i++) {
		_cleanup_free_ char *name = strf("nvmet/hang%d", i);

		release(f, name);
	}
	wait_for_all(f);
	while (count_files(f) > 4 && now() < end)
		turn(f, 10000);
	assert_int_equal(count_files(f), 4);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_done(j);
}

static void on_lap(void *userdata, const struct work_result *r)
{
	assert_int_equal(r->error, 0);
	++*(unsigned *)userdata;
}

/* Not judged: machines differ. The figure is for whoever wonders. */
static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct oplist none = { 0 };
	unsigned laps = 0;
	uint64_t began = 0;

	start(f);
	for (unsigned i = 0; i < 2000; i++) {
		if (i == 100)
			began = now();
		assert_int_equal(pool_submit(f->pool, WORK_CHANGE, TOKEN_NONE, &none, NULL, "lap", on_lap, &laps, NULL), 0);
		while (laps <= i)
			turn(f, PATIENCE);
	}
	print_message("# round trip of an empty step: %.1f usec\n", (double)(now() - began) / 1900);
	began = now();
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(pool_submit(f->pool, WORK_CHANGE, TOKEN_NONE, &none, NULL, "lap", on_lap, &laps, NULL), 0);
	while (laps < 22000)
		turn(f, PATIENCE);
	print_message("# one of many empty steps: %.1f usec\n", (double)(now() - began) / 20000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_step),
		TEST(test_step_fails),
		TEST(test_refused_by_worker),
		TEST(test_links_are_refused),
		TEST(test_many),
		TEST(test_large_messages),
		TEST(test_state_in_order),
		TEST(test_reading_is_kept_free),
		TEST(test_token_is_for_changes),
		TEST(test_tokens_exclude),
		TEST(test_tokens_take_turns),
		TEST(test_stuck_token),
		TEST(test_cancel_frees_the_turn),
		TEST(test_stuck_is_replaced),
		TEST(test_stuck_bound),
		TEST(test_state_waits_for_stuck),
		TEST(test_long_is_not_stuck),
		TEST(test_cancel),
		TEST(test_watch),
		TEST(test_watch_is_cancelled),
		TEST(test_killed_at_work),
		TEST(test_killed_while_idle),
		TEST(test_killed_at_any_moment),
		TEST(test_fork_server_dies),
		TEST(test_signals_of_a_terminal),
		TEST(test_worker_process),
		TEST(test_daemon_dies),
		TEST(test_orphan),
		TEST(test_orphan_of_another_version),
		TEST(test_no_worker_can_be_made),
		TEST(test_one_worker_is_enough),
		TEST(test_nonsense),
		TEST(test_two_answers),
		TEST(test_slow_answer),
		TEST(test_end_within_answer),
		TEST(test_worker_is_fed_nonsense),
		TEST(test_no_place_for_the_file),
		TEST(test_idle_ones_end),
		TEST(test_round_trip),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
