/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back of a transaction: read again, plan from what the kernel holds now to what it held when the transaction read it,
 * run that, read once more, and say what is still not as it was. Where each object is on its own, only the failed ones go back, but
 * for a transaction that is cancelled or cannot be committed. One that is cancelled does not wait for what hangs: that is left to a start.
 */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"

#define BACK_ROUNDS_MAX 3

static void owe_left(struct txn *t);

static int doubt_unsettled(struct txn *t)
{
	struct scope s = { .elements = t->unsettled };
	int r = kernel_doubt(t->actual, &s, &t->left);

	/* Here a bridge is not there for its disk alone. */
	for (char **e = t->unsettled; r >= 0 && e && *e; e++)
		if (path_kind(*e) == KIND_BRIDGE && tree_find(t->actual, *e))
			r = differences_add(&t->left, *e, NULL, "present", "not known");
	return r < 0 ? r : files_left(t);
}

/* What some step has touched, and nobody has seen since, is not said to be as it was. */
static void doubt_all(struct txn *t)
{
	if (kernel_doubt(t->actual, &t->back_scope, &t->left) < 0 || doubt_unsettled(t) < 0)
		manager_survives(-ENOTRECOVERABLE);
	owe_left(t);
}

static void back_failed(struct txn *t, struct cfg_error *err, const char *what)
{
	_cleanup_error_ struct cfg_error e = CFG_ERROR_NULL;
	_cleanup_free_ char *why = err ? cfg_error_text(err) : NULL;

	cfg_error_set(&e, EIO, "the way back failed: %s%s%s", what, why ? ": " : "", why ? why : "");
	report_error(t, &e);
	doubt_all(t);
	txn_rolled_back(t);
}

static bool scope_is_empty(const struct scope *s)
{
	return !s->elements || !*s->elements;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* What was read whole because it cannot be changed otherwise is put back as a whole, with all that is below it. */
static int back_add(struct txn *t, const char *element)
{
	int r = strv_append(&t->back_scope.elements, element);

	if (r < 0 || !strv_contains(t->scope.folders, element))
		return r;
	r = strv_append(&t->back_scope.folders, element);
	for (char **e = t->scope.elements; r >= 0 && *e; e++)
		if (is_below(*e, element))
			r = strv_append(&t->back_scope.elements, *e);
	return r;
}

/* Elements that some step has changed, or may have. */
static int back_elements(struct txn *t)
{
	int r = 0;

	scope_done(&t->back_scope);
	for (size_t i = 0; r >= 0 && i < t->plan.n; i++) {
		enum step_state state = run_state(&t->run, i);

		if ((state == STEP_FAILED && run_touched(&t->run, i)) || (t->back_whole && state == STEP_DONE))
			if (*t->plan.steps[i]->object)
				r = back_add(t, t->plan.steps[i]->object);
	}
	/* Bridges tell which disk is whose. */
	for (char **e = t->scope.elements; r >= 0 && t->back_scope.elements && e && *e; e++)
		if (path_kind(*e) == KIND_BRIDGE)
			r = back_add(t, *e);
	strv_sort_unique(t->back_scope.elements);
	strv_sort_unique(t->back_scope.folders);
	return r;
}

/* What the way there is still in; when that is asked first, its files are noted as well. */
static int add_under_way(struct txn *t, char ***elements)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];

		if (run_state(&t->run, i) != STEP_RUNNING)
			continue;
		if (*s->object)
			r = strv_append(elements, s->object);
		if (r >= 0 && !t->unsettled)
			r = files_under_way(t, s);
	}
	return r;
}

/* What the way back, if one was begun, has not put back. */
static int add_not_back(const struct txn *t, char ***elements)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && t->back_run.steps && i < t->back.n; i++) {
		enum step_state state = run_state(&t->back_run, i);

		if ((state == STEP_RUNNING || state == STEP_WAITING) && *t->back.steps[i]->object)
			r = strv_append(elements, t->back.steps[i]->object);
	}
	return r;
}

int txn_leave_unsettled(struct txn *t)
{
	_cleanup_strv_ char **own = NULL;
	int r = add_under_way(t, &own);

	if (r >= 0)
		r = add_not_back(t, &own);
	if (r >= 0)
		r = held_leave_to_start(t->m, own, &t->back_scope, &t->unsettled);
	return r < 0 ? r : held_warn(own, &t->warnings);
}

/* The kernel shows of a secret only that there is one; which one it was, the model knows. */
static int recall_secrets(struct txn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct change *c = t->changes.items[i];
		struct object *o = tree_find(t->actual, c->path);

		if (!c->before || !o)
			continue;
		attr_foreach(row, c->before->kind) {
			const char *had = attr_is_secret(row) ? object_get_row(c->before, row) : NULL;

			if (had && object_get_row(o, row) && object_set(o, row, had) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static bool marked(void *userdata, const char *path)
{
	struct txn *t = userdata;

	return marks_has(t->m, path);
}

/* Whether a step may have made a folder for it, whatever became of the rest. */
static bool unfinished(void *userdata, const char *element)
{
	struct txn *t = userdata;

	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];

		for (size_t k = 0; streq(s->object, element) && k < run_operations(&t->run, i); k++)
			if (s->ops.items[k].verb == OP_MKDIR)
				return true;
	}
	return false;
}

static bool wrote_secret(const struct run *run, const struct plan *plan, const char *object, const char *attr)
{
	for (size_t i = 0; run->steps && i < plan->n; i++) {
		const struct oplist *ops = &plan->steps[i]->ops;

		for (size_t k = 0; k < run_operations(run, i); k++)
			if (ops->items[k].verb == OP_WRITE_SECRET && streq(plan->steps[i]->object, object) &&
			    streq_ptr(ops->items[k].attr, attr))
				return true;
	}
	return false;
}

static bool secret_known(void *userdata, const char *object, const char *attr, const char *reference)
{
	struct txn *t = userdata;

	return !wrote_secret(&t->run, &t->plan, object, attr);
}

/* Comparing shows whether there is a secret, not which one: that follows from what was written. */
static int compare_secrets(struct txn *t)
{
	int r = 0;

	for (size_t i = 0; i < t->changes.n; i++) {
		const char *path = t->changes.items[i]->path;
		const struct object *before = tree_find(t->actual, path), *now = tree_find(t->reread, path);

		if (!before || !now)
			continue;
		attr_foreach(row, before->kind) {
			if (!attr_is_secret(row) || !object_get_row(before, row) || !object_get_row(now, row))
				continue;
			if (wrote_secret(&t->run, &t->plan, path, row->name) &&
			    !wrote_secret(&t->back_run, &t->back, path, row->name))
				r = differences_add(&t->left, path, row->name, object_get_row(before, row), "another secret");
			if (r < 0)
				return r;
		}
	}
	return r;
}

/* What this transaction made and cannot take away is nobody's wish: it is owed. */
static void owe_left(struct txn *t)
{
	unsigned long long job = t->job.id;
	_cleanup_free_ char *failed = strf("was made by job %llu, which failed, and could not be taken back", job);
	_cleanup_free_ char *hung = strf("was being made by job %llu, which was cancelled; the kernel has not come back from a call of it", job);

	for (size_t i = 0; i < t->left.n; i++) {
		const char *element = t->left.items[i].element, *why = strv_contains(t->unsettled, element) ? hung : failed;

		if (!t->left.items[i].attr && streq(t->left.items[i].wanted, "absent"))
			txn_owe(t, element, why ? why : "out of memory");
	}
}

/* Folders that were to be taken away around what was never made: nobody compares them. */
static int add_untidied(struct txn *t)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->back.n; i++)
		if (t->back.steps[i]->tidies && run_state(&t->back_run, i) == STEP_FAILED)
			r = differences_add(&t->left, t->back.steps[i]->object, NULL, "absent", "its folder");
	return r;
}

static void go_back(struct txn *t);

/* Nothing says that what a worker died at cannot be done. */
static bool once_more(struct txn *t)
{
	return t->left.n && t->back_died && !t->unsettled && ++t->back_rounds < BACK_ROUNDS_MAX;
}

static void on_compared(void *userdata, struct cfg_error *err)
{
	struct txn *t = userdata;

	t->scan = NULL;
	if (err) {
		back_failed(t, err, "the kernel's state cannot be read");
		return;
	}
	if (kernel_compare(t->actual, t->reread, &t->back_scope, &t->left) < 0 || compare_secrets(t) < 0 || add_untidied(t) < 0 ||
	    doubt_unsettled(t) < 0) {
		back_failed(t, NULL, "out of memory");
		return;
	}
	if (once_more(t)) {
		go_back(t);
		return;
	}
	cache_elements(t->m, t->reread, t->back_scope.elements);
	drift_update(t->m, &t->back_scope, NULL);
	owe_left(t);
	txn_rolled_back(t);
}

static void back_compare(struct txn *t)
{
	tree_free(t->reread);
	t->reread = tree_new();
	if (!t->reread || scan_start(t->m, &t->back_scope, t->target, false, t->reread, on_compared, t, &t->scan) < 0)
		back_failed(t, NULL, "out of memory");
}

static void nothing_back(struct txn *t)
{
	doubt_all(t);
	txn_rolled_back(t);
}

static void after_back(struct txn *t)
{
	t->operations += t->back_run.operations;
	files_go_back(t, back_compare);
}

static void on_back_finished(void *userdata)
{
	struct txn *t = userdata;

	if (t->back_stopped)
		txn_came_back(t);
	else
		after_back(t);
}

/* All that was to go back stays as it is. */
static int leave_all_unsettled(struct txn *t)
{
	int r = strv_extend(&t->unsettled, t->back_scope.elements);

	scope_done(&t->back_scope);
	strv_sort_unique(t->unsettled);
	return r;
}

/* Of one that is cancelled all is to go back, and no more only what failed; but unattended, what is done is wanted. 1 if back_scope is now another
 * one, 0, or -ENOMEM. */
static int widen_to_whole(struct txn *t)
{
	int r;

	if (t->back_whole || t->unattended)
		return 0;
	t->back_whole = true;
	r = back_elements(t);
	return r < 0 ? r : 1;
}

static void stop_back_run(struct txn *t)
{
	int r = widen_to_whole(t);

	/* There is no second way back beside one that still runs. */
	if (r > 0)
		r = leave_all_unsettled(t);
	if (r >= 0)
		r = txn_leave_unsettled(t);
	t->back_stopped = true;
	run_stop(&t->back_run);
	if (r < 0)
		back_failed(t, NULL, "out of memory");
	else if (scope_is_empty(&t->back_scope))
		nothing_back(t);
	else
		after_back(t);
}

/* What holds up the reading is in the way of all. */
static void stop_reading(struct txn *t)
{
	int r;

	scan_cancel(steal_ptr(t->scan));
	t->read_stopped = true;
	r = widen_to_whole(t);
	if (r >= 0)
		r = leave_all_unsettled(t);
	if (r < 0)
		back_failed(t, NULL, "out of memory");
	else
		nothing_back(t);
}

void txn_back_hangs(struct txn *t)
{
	if (t->scan) {
		if (scan_hangs(t->scan))
			stop_reading(t);
	} else if (t->file_work) {
		if (!t->files_stopped && work_is_stuck(t->file_work)) {
			t->files_stopped = true;
			back_compare(t);
		}
	} else if (!t->back_stopped && run_hangs(&t->back_run)) {
		stop_back_run(t);
	}
}

static int on_back_starting(void *userdata, const struct step *s, struct cfg_error *err)
{
	struct txn *t = userdata;

	return marks_before(t->m, s, err);
}

static void on_back_ended(void *userdata, const struct step *s, const struct work_result *result)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error e = CFG_ERROR_NULL;

	if (t->cancelled)
		manager_stuck_changed(t->m);
	if (!result->error) {
		marks_after(t->m, s);
		return;
	}
	/* That is told as not known by then. */
	if (t->back_stopped)
		return;
	t->back_died |= result->died;
	step_error(t, s, result, &e);
	cfg_error_wrap(&e, "on the way back: %s", s->summary);
	report_error(t, &e);
}

static const struct run_callbacks back_callbacks = {
	.starting = on_back_starting,
	.ended = on_back_ended,
	.finished = on_back_finished,
};

static void on_reread(void *userdata, struct cfg_error *read_err)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct kernel_facts facts = {
		.bridge_queue = t->m->settings->bridge_queue,
		.leaks = t->m->leaks,
		.release = t->m->release,
		.marked = marked,
		.unfinished = unfinished,
		.secret_known = secret_known,
		.userdata = t,
	};

	t->scan = NULL;
	if (read_err) {
		back_failed(t, read_err, "the kernel's state cannot be read");
		return;
	}
	if (recall_secrets(t) < 0 ||
	    kernel_plan(t->actual, t->reread, &t->back_scope, t->m->wanted, NULL, &facts, &t->back, &err) < 0 ||
	    plan_finish(&t->back, PLAN_EACH, &err) < 0) {
		back_failed(t, &err, "it cannot be planned");
		return;
	}
	if (run_init(&t->back_run, t->m->pool, &t->back, true, &back_callbacks, t) < 0) {
		back_failed(t, NULL, "out of memory");
		return;
	}
	/* It may hang at once, behind what the way there is stuck in. */
	if (t->cancelled)
		manager_stuck_changed(t->m);
	run_start(&t->back_run, 1u << PHASE_BUILD | 1u << PHASE_SWITCH | 1u << PHASE_REMOVE);
}

static void go_back(struct txn *t)
{
	run_done(&t->back_run);
	plan_done(&t->back);
	t->reread = tree_free(t->reread);
	differences_done(&t->left);
	files_unseen(t);
	t->back_died = false;
	t->reread = tree_new();
	if (!t->reread || scan_start(t->m, &t->back_scope, t->target, false, t->reread, on_reread, t, &t->scan) < 0)
		back_failed(t, NULL, "out of memory");
}

void txn_roll_back(struct txn *t, bool whole)
{
	txn_set_state(t, JOB_ROLLING_BACK);
	t->back_whole = whole;
	t->back_rounds = 0;
	t->operations += t->run.operations;
	t->run.operations = 0;
	if (back_elements(t) < 0 || (t->run.running && txn_leave_unsettled(t) < 0))
		back_failed(t, NULL, "out of memory");
	else if (scope_is_empty(&t->back_scope))
		nothing_back(t);
	else
		go_back(t);
}
