/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss: what was committed is there after it, whole, whenever it comes. The committer works as in the daemon, with the worker's own
 * functions doing what it asks for; the calls that they make are recorded (disk-model.c), and whatever a disk may then hold after any of them is
 * loaded as a start loads it. What was promised is what callers were told.
 *
 * These are states of a disk that keeps what was synced, in any order whatever else; a real file system leaves fewer.
 *
 * Of the ledger there is nothing to lose: it is about a kernel that is gone with the power.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/file.h"
#include "daemon/manager-private.h"
#include "daemon/settings.h"
#include "daemon/worker.h"
#include "store/store.h"
#include "tests/unit/disk-model.h"

#define NQN "nqn.2026-11.org.example:"
#define GENERATIONS 64
#define AGAIN 8		/* of so many states in which a start has something to put right, the power fails again in one */

/* ---- a committer without a daemon around it ---- */

struct world {
	char *top, *config, *state, *run, *copy;
	struct pool_settings pool_settings;
	struct settings settings;
	struct manager m;
	struct worker worker;
	char *text[GENERATIONS];	/* what each generation is */
	struct refused {
		uint64_t generation;
		char *text;
		size_t until;		/* events, when its caller was told */
	} refused[GENERATIONS];
	size_t n_refused;
	struct disk_log log;
	size_t at;			/* how many events the power was lost after */
	size_t repaired;		/* states in which a start had something to put right */
	uint64_t promised;
	struct store_paths copy_paths;
};

/* One piece of work at a time is all that a committer ever gives. */
static struct {
	const struct oplist *ops;
	work_done_fn done;
	void *userdata;
} pending;

int __wrap_pool_submit(struct pool *p, enum work_class class, enum token token, const struct oplist *ops, const char *queue,
		       const char *label, work_done_fn done, void *userdata, struct work **ret);

int __wrap_pool_submit(struct pool *p, enum work_class class, enum token token, const struct oplist *ops, const char *queue,
		       const char *label, work_done_fn done, void *userdata, struct work **ret)
{
	assert_int_equal(class, WORK_STATE);
	assert_null(pending.ops);
	pending.ops = ops;
	pending.done = done;
	pending.userdata = userdata;
	return 0;
}

/* Does what was given, as a worker does. died: it did not live to tell. */
static void work_one(struct world *w, bool died)
{
	_cleanup_free_ char *message = NULL;
	char *data[8] = { 0 };
	struct work_result result = { .data = data };
	work_done_fn done = pending.done;

	assert_true(pending.ops->n <= ARRAY_SIZE(data));
	result.error = worker_run(&w->worker, pending.ops, &result.done, data, &message);
	result.message = message;
	if (died)
		result = (struct work_result){ .error = EOWNERDEAD, .died = true };
	pending.ops = NULL;
	disk_fail_no_more();
	done(pending.userdata, &result);
}

static void work(struct world *w)
{
	while (pending.ops)
		work_one(w, false);
}

static char *text_of(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, 0);

	assert_non_null(json);
	return json_print(json);
}

static void on_committed(void *userdata, uint64_t generation, const struct changes *changes)
{
	struct world *w = userdata;

	assert_true(generation < GENERATIONS);
	w->text[generation] = text_of(w->m.wanted);
}

struct order {
	struct world *w;
	char *text;
	struct changes changes;
	int error;
	bool ended;
};

static void on_done(void *userdata, uint64_t generation, const struct cfg_error *err)
{
	struct order *o = userdata;

	o->error = err ? err->code : 0;
	o->ended = true;
	/* From here on its caller knows. */
	if (!err)
		disk_mark(generation);
	else
		o->w->refused[o->w->n_refused++] = (struct refused){ generation, steal_ptr(o->text), disk_recorded() };
}

static void begin(struct world *w, struct order *o, struct tree *next /* taken over */)
{
	*o = (struct order){ .w = w, .text = text_of(next) };
	assert_int_equal(changes_diff(w->m.wanted, next, false, &o->changes), 0);
	tree_free(next);
	assert_int_equal(committer_commit(w->m.committer, ACT_CHANGE, &o->changes, on_done, o), 0);
}

static int end(struct order *o)
{
	work(o->w);
	assert_true(o->ended);
	changes_done(&o->changes);
	free(o->text);
	return o->error;
}

/* ---- what is committed ---- */

static void add(struct tree *t, const char *path, const char *attr, const char *value)
{
	struct object *o = tree_find(t, path);

	if (!o)
		assert_int_equal(tree_add(t, path, &o), 0);
	if (attr)
		assert_int_equal(object_set(o, attr_find(o->kind, attr), value), 0);
}

static struct tree *with_hosts(const struct world *w, unsigned from, unsigned to)
{
	struct tree *t = tree_copy(w->m.wanted);

	for (unsigned i = from; i < to; i++) {
		_cleanup_free_ char *path = strf("hosts/" NQN "h%u", i);

		add(t, path, NULL, NULL);
	}
	return t;
}

/* A subsystem, and the port that all of them are on; with so many hosts that the record takes several sectors. */
static struct tree *with_subsystem(const struct world *w, unsigned n)
{
	struct tree *t = with_hosts(w, 100 * n, 100 * n + 10);
	_cleanup_free_ char *path = strf("subsystems/" NQN "s%u", n);
	struct object *port;

	add(t, path, "serial", "0123456789");
	add(t, "ports/1", "traddr", "192.0.2.1");
	port = tree_find(t, "ports/1");
	assert_true(object_list_add(port, attr_find(port->kind, "subsystems"), strrchr(path, '/') + 1) >= 0);
	return t;
}

static void commit(struct world *w, struct tree *next)
{
	struct order o;

	begin(w, &o, next);
	assert_int_equal(end(&o), 0);
}

/* Three at once: the first is written by itself, the others together. */
static void commit_three(struct world *w, unsigned n)
{
	struct order o[3];

	for (unsigned i = 0; i < 3; i++)
		begin(w, &o[i], with_subsystem(w, n + i));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(end(&o[i]), 0);
}

static void fold(struct world *w)
{
	committer_fold(w->m.committer, NULL, NULL);
	work(w);
}

static void on_kept(void *userdata, uint64_t generation, const struct cfg_error *err)
{
	assert_null(err);
}

static void keep(struct world *w)
{
	assert_int_equal(committer_keep(w->m.committer, "kept", on_kept, NULL), 0);
	work(w);
}

/* ---- setting up ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int world_new(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	/* In memory where there is such a place: there are very many states to build. */
	w->top = strf("%s/nvmetctl-power-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(w->top));
	w->copy = strf("%s.copy", w->top);
	assert_int_equal(mkdir(w->copy, 0700), 0);
	w->config = strf("%s/etc", w->top);
	w->state = strf("%s/var", w->top);
	w->run = strf("%s/run", w->top);
	w->copy_paths = (struct store_paths){ strf("%s/etc", w->copy), strf("%s/var", w->copy), strf("%s/run", w->copy) };
	w->pool_settings = (struct pool_settings){ .kernel = "fake:/nowhere", .config_dir = w->config, .state_dir = w->state,
						   .run_dir = w->run };
	w->worker = (struct worker){ .settings = &w->pool_settings, .sock = -1 };
	assert_int_equal(settings_defaults(&w->settings), 0);
	w->settings.generations_kept = 2;
	w->m = (struct manager){ .settings = &w->settings, .paths = { w->config, w->state, w->run }, .wanted = tree_new(),
				 .removed = map_new(), .observer = { .committed = on_committed, .userdata = w } };
	assert_int_equal(committer_new(&w->m, &w->m.committer), 0);
	w->text[0] = text_of(w->m.wanted);
	*state = w;
	return 0;
}

static int world_free(void **state)
{
	struct world *w = *state;

	committer_free(w->m.committer);
	tree_free(w->m.wanted);
	map_free(w->m.removed);
	generations_free(w->m.generations, w->m.n_generations);
	cfg_errors_done(&w->m.shouts);
	settings_done(&w->settings);
	disk_log_done(&w->log);
	nftw(w->top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	nftw(w->copy, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < GENERATIONS; i++) {
		free(w->text[i]);
		free(w->refused[i].text);
	}
	free((char *)w->copy_paths.config_dir);
	free((char *)w->copy_paths.state_dir);
	free((char *)w->copy_paths.run_dir);
	free(w->top);
	free(w->config);
	free(w->state);
	free(w->run);
	free(w->copy);
	free(w);
	return 0;
}

static void make_folders(struct world *w)
{
	_cleanup_free_ char *generations = strf("%s/generations", w->state);

	assert_int_equal(file_make_dirs(w->config, 0700, NULL), 0);
	assert_int_equal(file_make_dirs(generations, 0700, NULL), 0);
	assert_int_equal(file_make_dirs(w->run, 0700, NULL), 0);
}

/* ---- after the power is back ---- */

static void complain(const struct world *w, const struct cfg_errors *errs, const char *what)
{
	_cleanup_free_ char *event = disk_event_text(&w->log, w->at);

	for (size_t i = 0; i < errs->n; i++) {
		_cleanup_free_ char *text = cfg_error_text(&errs->items[i]);

		print_error("%s\n", text);
	}
	fail_msg("lost power after event %s: %s", event, what);
}

/* Until it is refused, a commit may turn out to be there, as any that nobody has heard of yet. */
static bool may_be(const struct world *w, uint64_t generation, const char *text)
{
	for (size_t i = 0; i < w->n_refused; i++)
		if (w->refused[i].generation == generation && w->at < w->refused[i].until && streq(text, w->refused[i].text))
			return true;
	return generation < GENERATIONS && w->text[generation] && streq(text, w->text[generation]);
}

/* What a start finds: the generation that is in it, at least the one that was promised. Nothing is damaged, so nothing is complained of. */
static uint64_t load(const struct world *w)
{
	_cleanup_(loaded_done) struct loaded l = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;

	if (store_load(&w->copy_paths, &l, &err) < 0)
		complain(w, &l.shouts, err.msg);
	if (l.shouts.total)
		complain(w, &l.shouts, "it takes something for damaged");
	text = text_of(l.tree);
	if (!may_be(w, l.generation, text))
		complain(w, &l.shouts, "what is loaded was never committed");
	if (l.generation < w->promised)
		complain(w, &l.shouts, "what was committed is lost");
	return l.generation;
}

static void look_at_kept(const struct world *w)
{
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	struct generation *list;
	size_t n;

	assert_int_equal(store_generations(&w->copy_paths, &list, &n, &errs, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		_cleanup_document_ struct document d = { 0 };
		_cleanup_free_ char *text = NULL;

		assert_int_equal(store_generation_load(&w->copy_paths, list[i].number, &d, &errs), 0);
		text = text_of(d.tree);
		assert_string_equal(text, w->text[list[i].number]);
	}
	if (errs.total)
		complain(w, &errs, "a kept generation is half there");
	generations_free(list, n);
}

static void look_again(void *userdata)
{
	load(userdata);
}

/* The power may fail again while a start puts things right. What a start has shown is a promise too. */
static void look(void *userdata)
{
	struct world *w = userdata;
	struct disk_log log;
	uint64_t found;

	disk_record(w->copy);
	found = load(w);
	log = disk_record_end();
	look_at_kept(w);
	if (disk_is_changed(&log)) {
		uint64_t promised = w->promised;

		w->promised = found;
		load(w);
		for (size_t n = log.durable; w->repaired % AGAIN == 0 && n <= log.n; n++)
			disk_states(&log, n, w->copy, look_again, w);
		w->promised = promised;
		w->repaired++;
	}
	disk_log_done(&log);
}

static void lose_power_everywhere(struct world *w)
{
	size_t states = 0;

	w->log = disk_record_end();
	for (w->at = w->log.durable + 1; w->at <= w->log.n; w->at++) {
		w->promised = disk_marked(&w->log, w->at);
		states += disk_states(&w->log, w->at, w->copy, look, w);
	}
	print_message("# %zu calls, %zu states of the disk\n", w->log.n - w->log.durable, states);
}

/* ---- the tests ---- */

static void test_folders_last(void **state)
{
	struct world *w = *state;

	disk_record(w->top);
	make_folders(w);
	w->log = disk_record_end();
	assert_true(w->log.n > w->log.durable);
	assert_false(disk_is_open(&w->log, w->log.n));
}

static void test_commits(void **state)
{
	struct world *w = *state;

	make_folders(w);
	disk_record(w->top);
	commit(w, with_hosts(w, 1, 2));
	commit(w, with_subsystem(w, 1));
	commit_three(w, 2);
	commit(w, tree_new());
	lose_power_everywhere(w);
}

static void test_folding_and_keeping(void **state)
{
	struct world *w = *state;

	make_folders(w);
	disk_record(w->top);
	commit(w, with_hosts(w, 1, 2));
	keep(w);
	fold(w);
	commit(w, with_subsystem(w, 1));
	keep(w);
	commit(w, with_hosts(w, 1, 3));
	fold(w);
	/* One more than are kept. */
	keep(w);
	commit(w, with_hosts(w, 3, 4));
	lose_power_everywhere(w);
}

/* The disk is full for a moment: at each of the calls that a commit makes. */
static void test_commits_that_fail(void **state)
{
	struct world *w = *state;
	unsigned n = 1;

	make_folders(w);
	disk_record(w->top);
	/* From the second on, so that the journal is made by one that fails. */
	for (unsigned k = 2;; k++) {
		struct order o;

		begin(w, &o, with_subsystem(w, n++));
		disk_fail(k, ENOSPC, false);
		if (end(&o) == 0 && !disk_failed())
			break;
		assert_true(k < 10);
	}
	commit(w, with_hosts(w, n, n + 1));
	lose_power_everywhere(w);
}

/* The same where the journal has taken the room: it is folded, and nobody is refused. Others come meanwhile. */
static void test_commits_that_a_fold_makes_room_for(void **state)
{
	struct world *w = *state;
	unsigned n = 1;
	bool failed = true;

	make_folders(w);
	disk_record(w->top);
	for (unsigned k = 1; failed; k++) {
		struct order o, later;

		assert_true(k < 10);
		commit(w, with_subsystem(w, n++));
		begin(w, &o, with_subsystem(w, n++));
		disk_fail(k, ENOSPC, false);
		if (k % 2)
			begin(w, &later, with_subsystem(w, n++));
		work_one(w, false);
		failed = disk_failed();
		assert_int_equal(end(&o), 0);
		if (k % 2)
			assert_int_equal(end(&later), 0);
	}
	assert_true(w->n_refused == 0);
	lose_power_everywhere(w);
}

/* A worker dies at each of the calls, and another one does it again. */
static void test_commits_that_a_worker_dies_in(void **state)
{
	struct world *w = *state;
	unsigned n = 1;
	bool failed;

	make_folders(w);
	disk_record(w->top);
	for (unsigned k = 2;; k++) {
		struct order o;

		begin(w, &o, with_subsystem(w, n++));
		disk_fail(k, EIO, true);
		work_one(w, true);
		failed = disk_failed();
		assert_int_equal(end(&o), 0);
		if (!failed)
			break;
		assert_true(k < 10);
	}
	lose_power_everywhere(w);
}

static void test_folds_that_fail(void **state)
{
	struct world *w = *state;

	make_folders(w);
	disk_record(w->top);
	commit(w, with_hosts(w, 1, 2));
	for (unsigned k = 1;; k++) {
		bool failed;

		commit(w, with_hosts(w, 10 + k, 11 + k));
		disk_fail(k, ENOSPC, false);
		committer_fold(w->m.committer, NULL, NULL);
		work_one(w, false);
		failed = disk_failed();
		work(w);
		if (!failed)
			break;
		assert_true(k < 20);
	}
	lose_power_everywhere(w);
}

/* Another daemon comes, and what it finds is in force. */
static void restart(struct world *w, const struct order *o)
{
	_cleanup_(loaded_done) struct loaded l = { 0 };
	_cleanup_free_ char *text = NULL;

	pending.ops = NULL;
	disk_fail_no_more();
	w->m.committer = committer_free(w->m.committer);
	assert_int_equal(store_load(&w->m.paths, &l, NULL), 0);
	assert_int_equal(l.shouts.total, 0);
	text = text_of(l.tree);
	if (l.generation != w->m.generation) {
		assert_string_equal(text, o->text);
		w->text[l.generation] = steal_ptr(text);
	} else {
		assert_string_equal(text, w->text[l.generation]);
	}
	disk_mark(l.generation);
	tree_free(w->m.wanted);
	w->m.wanted = steal_ptr(l.tree);
	w->m.generation = l.generation;
	assert_int_equal(committer_new(&w->m, &w->m.committer), 0);
}

/* The daemon and its worker are killed at each call of a commit and of a fold; and what the next one found then, the power finds as well. */
static void test_kills_before_the_loss(void **state)
{
	struct world *w = *state;
	bool failed[2] = { true, true };

	make_folders(w);
	disk_record(w->top);
	for (unsigned k = 1; failed[0] || failed[1]; k++)
		for (unsigned folding = 0; folding < 2; folding++) {
			struct work_result nobody_knows = { 0 };
			_cleanup_free_ char *message = NULL;
			char *data[8] = { 0 };
			struct order o = { 0 };

			if (folding)
				committer_fold(w->m.committer, NULL, NULL);
			else
				begin(w, &o, with_subsystem(w, k));
			if (pending.ops) {
				disk_fail(k, EIO, true);
				worker_run(&w->worker, pending.ops, &nobody_knows.done, data, &message);
			}
			failed[folding] = pending.ops && disk_failed();
			restart(w, &o);
			changes_done(&o.changes);
			free(o.text);
			assert_true(k < 20);
		}
	lose_power_everywhere(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folders_last, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_commits, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_folding_and_keeping, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_commits_that_fail, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_commits_that_a_fold_makes_room_for, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_commits_that_a_worker_dies_in, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_folds_that_fail, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_kills_before_the_loss, world_new, world_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
