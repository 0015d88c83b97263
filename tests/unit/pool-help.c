/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the pool share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/text.h"
#include "tests/unit/pool-help.h"

uint64_t now(void)
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

int setup(void **state)
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
					      .run_dir = f->run_dir, .workers = 4, .removers = 4, .readers = 2, .stuck_max = 4,
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

void start(struct fixture *f)
{
	int fd;

	assert_int_equal(forkserver_start(&f->settings, &fd), 0);
	start_on(f, fd);
}

void start_alone(struct fixture *f)
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

int teardown(void **state)
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

struct job *job_new(struct fixture *f)
{
	assert_true((size_t)f->n_jobs < ARRAY_SIZE(f->jobs));
	return &f->jobs[f->n_jobs++];
}

void job_op(struct job *j, enum op_verb verb, const char *path, const char *value)
{
	assert_int_equal(oplist_add(&j->ops, verb, 0, path, value, NULL, NULL), 0);
}

struct job *submit_as(struct fixture *f, struct job *j, enum work_class class, enum token token, const char *queue)
{
	current = f;
	f->in_submit = true;
	assert_int_equal(pool_submit(f->pool, class, token, &j->ops, queue, "object: what", on_done, j, &j->work), 0);
	f->in_submit = false;
	return j;
}

struct job *submit(struct fixture *f, struct job *j)
{
	return submit_as(f, j, WORK_CHANGE, TOKEN_NONE, NULL);
}

struct job *do_one(struct fixture *f, enum op_verb verb, const char *path, const char *value)
{
	struct job *j = job_new(f);

	job_op(j, verb, path, value);
	return submit(f, j);
}

void turn(struct fixture *f, uint64_t usec)
{
	int r = sd_event_run(f->event, usec);

	assert_true(r >= 0);
}

void wait_for(struct fixture *f, const struct job *j)
{
	uint64_t end = now() + PATIENCE;

	while (!j->finished) {
		if (now() > end)
			fail_msg("a piece of work did not come back");
		turn(f, 100000);
	}
}

void wait_for_all(struct fixture *f)
{
	for (int i = 0; i < f->n_jobs; i++)
		wait_for(f, &f->jobs[i]);
}

void let_pass(struct fixture *f, uint64_t usec)
{
	uint64_t end = now() + usec;

	while (now() < end)
		turn(f, end - now() + 1);
}

void assert_done(const struct job *j)
{
	if (j->error)
		fail_msg("%s: %s", strerror(j->error), j->message ? j->message : "");
}

char *below(const struct fixture *f, const char *name)
{
	return strf("%s/%s", f->top, name);
}

void put_fifo(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);

	assert_int_equal(mkfifo(path, 0600), 0);
}

void put_value(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

void release(struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = below(f, name);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	f->readers[f->n_readers++] = fd;
}

struct job *hang(struct fixture *f, const char *fifo, enum token token, const char *queue)
{
	struct job *j = job_new(f);

	put_fifo(f, fifo);
	job_op(j, OP_WRITE, fifo, "1");
	return submit_as(f, j, WORK_CHANGE, token, queue);
}

bool find_busy(struct fixture *f, const char *where, struct pool_busy *ret)
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

void wait_busy(struct fixture *f, const char *where, struct pool_busy *ret)
{
	uint64_t end = now() + PATIENCE;

	while (!find_busy(f, where, ret)) {
		if (now() > end)
			fail_msg("no worker is at \"%s\"", where);
		turn(f, 1000);
	}
}

void wait_stuck(struct fixture *f, const char *where, struct pool_busy *ret)
{
	uint64_t end = now() + PATIENCE;

	for (wait_busy(f, where, ret); !ret->stuck; wait_busy(f, where, ret)) {
		if (now() > end)
			fail_msg("\"%s\" is not stuck", where);
		turn(f, 10000);
	}
}

unsigned count_files(const struct fixture *f)
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

struct job *quick(struct fixture *f, const char *path, enum token token, const char *queue)
{
	struct job *j = job_new(f);

	job_op(j, OP_MKDIR, path, NULL);
	return submit_as(f, j, WORK_CHANGE, token, queue);
}

void assert_turns(struct fixture *f)
{
	struct job *first, *second, *third, *none;

	first = hang(f, "nvmet/turns", TOKEN_PORTS, NULL);
	wait_busy(f, "write nvmet/turns", NULL);
	second = quick(f, "nvmet/second", TOKEN_HOSTS, NULL);
	third = quick(f, "nvmet/third", TOKEN_PORTS, NULL);
	none = quick(f, "nvmet/none", TOKEN_NONE, NULL);
	wait_for(f, none);
	let_pass(f, 100000);
	assert_false(first->finished || second->finished || third->finished);
	release(f, "nvmet/turns");
	wait_for_all(f);
	assert_true(first->turn < second->turn && second->turn < third->turn);
}
