/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's order: what goes together, what waits for what, what a stuck call holds up and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/text.h"
#include "tests/unit/pool-help.h"

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

static struct job *quick_removal(struct fixture *f, const char *path, enum token token)
{
	struct job *j = job_new(f);

	job_op(j, OP_MKDIR, path, NULL);
	return submit_as(f, j, WORK_REMOVE, token, NULL);
}

static void test_removals_have_their_own(void **state)
{
	struct fixture *f = *state;
	struct job *behind;

	f->settings.workers = 1;
	f->settings.removers = 1;
	start(f);
	hang(f, "nvmet/hang", TOKEN_NONE, NULL);
	behind = quick(f, "nvmet/behind", TOKEN_NONE, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *name = strf("nvmet/removal%d", i);

		wait_for(f, quick_removal(f, name, TOKEN_NONE));
	}
	assert_false(behind->finished);
	release(f, "nvmet/hang");
	wait_for_all(f);
}

static void test_token_is_for_changes(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	start(f);
	j = job_new(f);
	assert_int_equal(pool_submit(f->pool, WORK_READ, TOKEN_PORTS, &j->ops, NULL, "x", NULL, NULL, NULL), -EINVAL);
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
		submit_as(f, j, rand_r(&seed) % 2 ? WORK_CHANGE : WORK_REMOVE, token, NULL);
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

static void test_tokens_take_turns(void **state)
{
	start(*state);
	assert_turns(*state);
}

/* One that removes has its turn before one that came later and does not. */
static void test_tokens_take_turns_across_classes(void **state)
{
	struct fixture *f = *state;
	struct job *removal, *later;

	start(f);
	hang(f, "nvmet/hang", TOKEN_PORTS, NULL);
	wait_busy(f, "write nvmet/hang", NULL);
	removal = quick_removal(f, "nvmet/removal", TOKEN_HOSTS);
	later = quick(f, "nvmet/later", TOKEN_PORTS, NULL);
	wait_for(f, quick_removal(f, "nvmet/none", TOKEN_NONE));
	let_pass(f, 100000);
	assert_false(removal->finished || later->finished);
	release(f, "nvmet/hang");
	wait_for_all(f);
	assert_true(removal->turn < later->turn);
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

/* A removal that waits behind stuck ones, with no worker in sight, keeps no change of the other token waiting. */
static void test_token_behind_a_full_class(void **state)
{
	struct fixture *f = *state;
	struct pool_owner owner = { 0 };
	struct pool_busy busy;
	struct job *hung, *behind;

	f->settings.removers = 1;
	f->settings.stuck_max = 0;
	f->settings.stuck_usec = 50000;
	start(f);
	put_fifo(f, "nvmet/hang");
	hung = job_new(f);
	job_op(hung, OP_WRITE, "nvmet/hang", "1");
	pool_own(submit_as(f, hung, WORK_REMOVE, TOKEN_NONE, NULL)->work, &owner);
	behind = quick_removal(f, "nvmet/behind", TOKEN_PORTS);
	pool_own(behind->work, &owner);
	wait_stuck(f, "write nvmet/hang", &busy);
	wait_for(f, quick(f, "nvmet/hosts", TOKEN_HOSTS, NULL));
	assert_false(behind->finished);
	assert_true(pool_owner_hangs(f->pool, &owner));
	release(f, "nvmet/hang");
	wait_for_all(f);
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
	wait_stuck(f, "write nvmet/hang", &busy);
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

static void test_owners(void **state)
{
	struct fixture *f = *state;
	struct pool_owner hung = { 0 }, other = { 0 }, third = { 0 }, fourth = { 0 };
	struct job *held, *next;

	f->settings.workers = 1;
	f->settings.stuck_max = 2;
	start(f);
	pool_own(hang(f, "nvmet/one", TOKEN_NONE, NULL)->work, &hung);
	held = quick(f, "nvmet/held", TOKEN_NONE, NULL);
	pool_own(held->work, &hung);
	wait_busy(f, "write nvmet/one", NULL);
	/* Nothing counts as stuck yet, and the only worker is taken. */
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *name = strf("nvmet/next%d", i);

		next = quick(f, name, TOKEN_NONE, NULL);
		pool_own(next->work, &other);
		wait_for(f, next);
		assert_done(next);
	}
	assert_false(held->finished);
	/* Beyond the bound nobody gets one. */
	pool_own(hang(f, "nvmet/two", TOKEN_NONE, NULL)->work, &other);
	pool_own(hang(f, "nvmet/three", TOKEN_NONE, NULL)->work, &third);
	wait_busy(f, "write nvmet/two", NULL);
	wait_busy(f, "write nvmet/three", NULL);
	next = quick(f, "nvmet/late", TOKEN_NONE, NULL);
	pool_own(next->work, &fourth);
	let_pass(f, 200000);
	assert_false(next->finished);
	release(f, "nvmet/three");
	wait_for(f, next);
	assert_done(next);
	assert_false(held->finished);
	release(f, "nvmet/one");
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

/* Of each operation: far less than what counts as stuck, since a busy machine may take some times as long. */
#define HELD_USEC 300000

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
	sd_event_source_set_time(source, now() + HELD_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A step that takes long because of many operations is not stuck in one. */
static void test_long_is_not_stuck(void **state)
{
	struct fixture *f = *state;
	struct releases r = { .f = f };
	struct job *j;

	f->settings.stuck_usec = 7 * HELD_USEC;
	start(f);
	j = job_new(f);
	for (int i = 0; i < 8; i++) {
		_cleanup_free_ char *name = strf("nvmet/hang%d", i);

		put_fifo(f, name);
		job_op(j, OP_WRITE, name, "1");
	}
	submit(f, j);
	assert_true(sd_event_add_time(f->event, &r.timer, CLOCK_MONOTONIC, now() + HELD_USEC, 1, on_release, &r) >= 0);
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
	/* Other work has the pool look for what is stuck. */
	wait_for(f, do_one(f, OP_RMDIR, "nvmet/absent", NULL));
	let_pass(f, 100000);
	wait_busy(f, "wait for a change nvmet", &busy);
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
		TEST(test_removals_have_their_own),
		TEST(test_token_is_for_changes),
		TEST(test_tokens_exclude),
		TEST(test_tokens_take_turns),
		TEST(test_tokens_take_turns_across_classes),
		TEST(test_stuck_token),
		TEST(test_token_behind_a_full_class),
		TEST(test_cancel_frees_the_turn),
		TEST(test_stuck_is_replaced),
		TEST(test_stuck_bound),
		TEST(test_owners),
		TEST(test_state_waits_for_stuck),
		TEST(test_long_is_not_stuck),
		TEST(test_cancel),
		TEST(test_watch),
		TEST(test_watch_is_cancelled),
		TEST(test_idle_ones_end),
		TEST(test_round_trip),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
