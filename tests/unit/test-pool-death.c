/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends that nobody planned: of workers, the fork server and the daemon, at any moment; orphans; and partners that speak nonsense, whose part the
 * test plays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/text.h"
#include "daemon/forkserver.h"
#include "daemon/record.h"
#include "daemon/worker.h"
#include "tests/unit/pool-help.h"

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
	/* Its token is given back whole. */
	assert_turns(f);
}

/* The lock is taken before the daemon is looked for: so what a step changes is said before it begins. */
static void test_old_writer(void **state)
{
	struct fixture *f = *state;
	struct worker_page reader = { .version = WORKER_PAGE_VERSION, .label = "read" };
	struct worker_page writer = { .version = WORKER_PAGE_VERSION, .label = "write the journal", .own_files = true };
	pid_t reads = make_orphan(f, &reader, sizeof(reader)), writes = make_orphan(f, &writer, sizeof(writer));
	uint64_t end = now() + PATIENCE;
	const char *label = NULL;

	start(f);
	assert_int_equal(pool_old_writer(f->pool, &label), writes);
	assert_string_equal(label, "write the journal");
	end_orphan(writes);
	while (pool_old_writer(f->pool, &label) && now() < end)
		turn(f, 10000);
	assert_int_equal(pool_old_writer(f->pool, &label), 0);
	end_orphan(reads);
}

static void assert_page_says(struct fixture *f, struct job *j, const char *where, bool own_files)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct pool_busy busy;
	struct worker_page page;

	submit(f, j);
	wait_busy(f, where, &busy);
	path = strf("%s/workers/%d", f->run_dir, (int)busy.pid);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, &page, sizeof(page), 0), sizeof(page));
	assert_int_equal(page.own_files, own_files);
}

static void test_page_tells_own_files(void **state)
{
	static const enum op_verb verbs[] = { OP_FILE_REPLACE, OP_FILE_APPEND, OP_FILE_CUT, OP_FILE_REMOVE };
	struct fixture *f = *state;
	_cleanup_free_ char *path = below(f, "state/journal");

	start(f);
	put_fifo(f, "nvmet/hang");
	for (size_t i = 0; i < ARRAY_SIZE(verbs) + 2; i++) {
		struct job *j = job_new(f);

		job_op(j, OP_WRITE, "nvmet/hang", "1");
		if (i < ARRAY_SIZE(verbs))
			job_op(j, verbs[i], path, "1");
		else if (i == ARRAY_SIZE(verbs))
			job_op(j, OP_STORE_SECRET, "key", "1");
		assert_page_says(f, j, "write nvmet/hang", i <= ARRAY_SIZE(verbs));
		release(f, "nvmet/hang");
		wait_for(f, j);
		/* Nobody listens any more. */
		close(f->readers[--f->n_readers]);
	}
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
	answer_result(f, EIO, 2);
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
	assert_non_null(strstr(j->message, "run/workers cannot be made"));
	assert_int_equal(access(made, F_OK), -1);
	assert_int_equal(mkdir(folder, 0700), 0);
	j = do_one(f, OP_MKDIR, "nvmet/x", NULL);
	wait_for(f, j);
	assert_done(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_killed_at_work),
		TEST(test_killed_while_idle),
		TEST(test_killed_at_any_moment),
		TEST(test_fork_server_dies),
		TEST(test_signals_of_a_terminal),
		TEST(test_worker_process),
		TEST(test_daemon_dies),
		TEST(test_orphan),
		TEST(test_old_writer),
		TEST(test_page_tells_own_files),
		TEST(test_orphan_of_another_version),
		TEST(test_no_worker_can_be_made),
		TEST(test_one_worker_is_enough),
		TEST(test_nonsense),
		TEST(test_two_answers),
		TEST(test_slow_answer),
		TEST(test_end_within_answer),
		TEST(test_worker_is_fed_nonsense),
		TEST(test_no_place_for_the_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
