/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction's plan in the kernel: ledger, build and switch, commit, remove. What fails before the commit goes to rollback.c, what
 * fails after it is a debt. Claims are given back as soon as nothing that is still to come needs them.
 */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"
#include "kernel/element.h"

static void release_step(struct txn *t, const struct step *s);

static void txn_progress(struct txn *t, const struct run *run)
{
	char *text;

	if (t->job.ended_usec)
		return;
	text = strdup(run_current(run));
	if (text) {
		free(t->job.step);
		t->job.step = text;
	}
	t->job.steps_done = t->past_steps + t->run.done;
	if (t->m->observer.job_changed)
		t->m->observer.job_changed(t->m->observer.userdata, &t->job);
}

static int on_step_starting(void *userdata, const struct step *s, struct cfg_error *err)
{
	struct txn *t = userdata;

	if (!t->job.step || !*t->job.step)
		txn_progress(t, &t->run);
	return marks_before(t->m, s, err);
}

static void note_links(struct txn *t, const struct step *s)
{
	for (char **g = s->gives; g && *g; g++) {
		if (strncmp(*g + 1, "ports/", 6) != 0 || !strstr(*g, "/subsystems/"))
			continue;
		if (**g == '+')
			connections_linked(t->m->connections, *g + 1);
		else if (**g == '-')
			connections_unlinked(t->m->connections, *g + 1);
	}
}

/* What hosts cannot reach yet was made all the same. */
static void warn_of_address(struct txn *t, const struct step *s, const struct work_result *result)
{
	for (size_t i = 0; i < result->done && result->data; i++) {
		const struct op *op = &s->ops.items[i];
		_cleanup_free_ char *text = NULL;

		if (op->verb != OP_HAS_ADDRESS || !streq_ptr(result->data[i], "no"))
			continue;
		text = strf("%s: no interface of this machine has the address %s; initiators reach the portal once one has", s->object, op->value);
		if (text)
			strv_append(&t->warnings, text);
	}
}

void step_error(struct txn *t, const struct step *s, const struct work_result *result, struct cfg_error *err)
{
	const struct op *op = result->done < s->ops.n ? &s->ops.items[result->done] : NULL;

	if (result->died)
		cfg_error_set_at(err, EOWNERDEAD, s->object, op ? op->attr : NULL,
				 "the worker process died while it was at: %s", s->summary);
	else if (result->message)
		cfg_error_set_at(err, result->error, op && op->object ? op->object : s->object, op ? op->attr : NULL,
				 "%s", result->message);
	else if (op)
		kernel_explain(op, result->error, t->target, t->m->wanted, err);
	else
		cfg_error_set_at(err, result->error, s->object, NULL, "%s: %s", s->summary, strerror(result->error));
	cfg_error_at(err, s->object, NULL, NULL);
}

void txn_owe(struct txn *t, const char *element, const char *reason)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_owe(t->m->ledger, element, reason, &line) >= 0)
		manager_ledger_write(t->m, &line, NULL);
	if (!strv_contains(t->owed, element))
		strv_append(&t->owed, element);
}

static void pay(struct txn *t, const char *element)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_paid(t->m->ledger, element, &line) >= 0)
		manager_ledger_write(t->m, &line, NULL);
}

static void on_step_ended(void *userdata, const struct step *s, const struct work_result *result)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;

	files_note(t, s, result);
	/* It may have been the last one that was not. */
	if (t->cancelled && !t->committed)
		manager_stuck_changed(t->m);
	if (!result->error) {
		note_links(t, s);
		marks_after(t->m, s);
		warn_of_address(t, s, result);
		manager_clear_failed(t->m, s->object);
		if (t->committed) {
			pay(t, s->object);
			release_step(t, s);
		}
		txn_progress(t, &t->run);
		return;
	}
	step_error(t, s, result, &err);
	if (t->committed) {
		txn_owe(t, s->object, err.msg);
		t->worker_died |= result->died;
		release_step(t, s);
		return;
	}
	if (t->unsettled)
		return;
	if (t->each) {
		text = cfg_error_text(&err);
		manager_set_failed(t->m, s->object, text ? text : "out of memory");
	}
	if (t->errors.n && t->cancelled)
		return;
	report_error(t, &err);
}

static void on_run_finished(void *userdata);

static const struct run_callbacks run_callbacks = {
	.starting = on_step_starting,
	.ended = on_step_ended,
	.finished = on_run_finished,
};

int txn_init_run(struct txn *t)
{
	return run_init(&t->run, t->m->pool, &t->plan, t->each, &run_callbacks, t);
}

/* From here on the kernel may hold what nobody wants yet: that has to be in the ledger first. */
static int write_ledger(struct txn *t, struct cfg_error *err)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };
	_cleanup_strv_ char **elements = NULL;

	for (size_t i = 0; i < t->plan.n; i++)
		if (*t->plan.steps[i]->object && strv_append(&elements, t->plan.steps[i]->object) < 0)
			return cfg_error_oom(err);
	if (strv_extend(&elements, t->left_behind) < 0)
		return cfg_error_oom(err);
	strv_sort_unique(elements);
	if (ledger_begin(t->m->ledger, t->job.id, elements, &line) < 0)
		return cfg_error_oom(err);
	return manager_ledger_write(t->m, &line, err);
}

void txn_execute(struct txn *t)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	/* What is adopted is not ours before the commit: the ledger would have the next daemon take it away. */
	if ((t->request.act == ACT_ADOPT ? marks_adopt(t->m, &t->changes, &err) : t->plan.n || t->left_behind ? write_ledger(t, &err) : 0) < 0) {
		txn_fail(t, &err);
		return;
	}
	txn_set_state(t, JOB_RUNNING);
	run_start(&t->run, 1u << PHASE_BUILD | 1u << PHASE_SWITCH);
}

/* ---- commit ---- */

static void on_commit(void *userdata, uint64_t generation, const struct cfg_error *err);

static void txn_commit(struct txn *t)
{
	int r;

	if (!t->changes.n) {
		on_commit(t, t->m->generation, NULL);
		return;
	}
	txn_set_state(t, JOB_COMMITTING);
	r = committer_commit(t->m->committer, t->request.act, &t->changes, on_commit, t);
	if (r < 0) {
		cfg_errors_add(&t->errors, -r, NULL, NULL, NULL, "the change cannot be written to the journal: %s", strerror(-r));
		txn_roll_back(t, true);
	}
}

/* ---- giving back ---- */

static int count_need(struct map *needed, const char *key, int step)
{
	uintptr_t n = (uintptr_t)map_get(needed, key) + (uintptr_t)step;

	if (n)
		return map_put(needed, key, (void *)n);
	map_del(needed, key);
	return 0;
}

static int count_needs_of(struct txn *t, const char *element)
{
	_cleanup_strv_ char **keys = NULL;
	int r = kernel_stands_on(element, t->by_path, !t->committed, &keys);

	for (char **k = keys; r >= 0 && k && *k; k++)
		r = count_need(t->needed, *k, 1);
	return r;
}

/* Counts for each key how many removals that are still to come need it, or what a stuck call may still change. On failure nothing is counted,
 * and all is kept to the end. */
static void count_needs(struct txn *t)
{
	bool failed = false;
	char **e = t->unsettled;

	t->needed = map_free(t->needed);
	t->by_path = t->by_path ? t->by_path : map_new();
	t->needed = map_new();
	if (!t->needed || !t->by_path)
		failed = true;
	for (size_t i = 0; !failed && i < t->changes.n; i++)
		failed = map_put(t->by_path, t->changes.items[i]->path, t->changes.items[i]) < 0;
	for (; !failed && e && *e; e++)
		failed = count_needs_of(t, *e) < 0;
	for (size_t i = 0; !failed && t->committed && i < t->plan.n; i++) {
		enum step_state state = run_state(&t->run, i);

		if (t->plan.steps[i]->phase == PHASE_REMOVE && (state == STEP_RUNNING || (state == STEP_WAITING && !t->run.stopping)))
			failed = count_needs_of(t, t->plan.steps[i]->object) < 0;
	}
	if (failed)
		t->needed = map_free(t->needed);
}

/* Nothing is taken back any more, so what is not needed is free for others. */
void txn_release_unneeded(struct txn *t)
{
	count_needs(t);
	t->gave_back |= t->needed != NULL;
	for (size_t i = 0; t->needed && i < t->claims.n; i++) {
		const char *key = claims_key(&t->claims, i);

		if (key && !map_get(t->needed, *key == '=' ? key + 1 : key))
			claims_release(&t->claims, key);
	}
	manager_wake(t->m);
}

static void release_key(struct txn *t, const char *key)
{
	_cleanup_free_ char *existence = strjoin("=", key, NULL);

	claims_release(&t->claims, key);
	if (existence)
		claims_release(&t->claims, existence);
}

/* A removal has ended, however. */
static void release_step(struct txn *t, const struct step *s)
{
	_cleanup_strv_ char **keys = NULL;

	txn_cache_removal(t, s->object, run_state(&t->run, s->index) == STEP_DONE);
	if (!t->needed || kernel_stands_on(s->object, t->by_path, false, &keys) < 0)
		return;
	for (char **k = keys; k && *k; k++) {
		if (map_get(t->needed, *k) && count_need(t->needed, *k, -1) >= 0 && !map_get(t->needed, *k))
			release_key(t, *k);
	}
	manager_wake(t->m);
}

/* A debt is settled when what was owed is wanted again, or when it turned out to be gone. */
static void pay_settled(struct txn *t)
{
	for (char **text = t->scope.elements; text && *text; text++) {
		_cleanup_element_ struct element e = { 0 };

		if (ledger_owns(t->m->ledger, *text) && element_parse(*text, &e) >= 0 &&
		    (element_is_in(t->target, &e) || !element_is_in(t->actual, &e)))
			pay(t, *text);
	}
}

/* Removals that something new had to wait for, each by itself: what did not go although nobody wants it is owed. */
static void settle_moved_forward(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];
		enum step_state state = run_state(&t->run, i);
		_cleanup_element_ struct element e = { 0 };
		const char *why;

		if (!s->moved_forward || element_parse(s->object, &e) < 0 || element_is_in(t->target, &e))
			continue;
		why = map_get(t->m->failed, s->object);
		if (state == STEP_DONE)
			pay(t, s->object);
		else
			txn_owe(t, s->object, why ? why : "something that must go before it could not be removed");
		manager_clear_failed(t->m, s->object);
	}
}

static bool has_removals(const struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++)
		if (t->plan.steps[i]->phase == PHASE_REMOVE)
			return true;
	return false;
}

static void on_commit(void *userdata, uint64_t generation, const struct cfg_error *err)
{
	struct txn *t = userdata;

	if (err) {
		_cleanup_error_ struct cfg_error copy = CFG_ERROR_NULL;

		cfg_error_copy(&copy, err);
		report_error(t, &copy);
		txn_roll_back(t, true);
		return;
	}
	t->committed = true;
	for (char **e = t->left_behind; e && *e; e++)
		txn_owe(t, *e, "the kernel does not come back from a call that is in the way of its removal");
	settle_moved_forward(t);
	pay_settled(t);
	txn_update_cache(t);
	t->run.isolate = true;
	t->run.stopping = t->cancelled;
	/* Else it ends now. */
	if (has_removals(t))
		txn_release_unneeded(t);
	txn_set_state(t, JOB_REMOVING);
	run_start(&t->run, 1u << PHASE_REMOVE);
}

/* ---- remove ---- */

/* Removals that did not happen because another one did not, or because nobody waits for them any more. */
static void owe_skipped(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];
		enum step_state state = run_state(&t->run, i);

		if (s->phase != PHASE_REMOVE || state == STEP_DONE || state == STEP_FAILED)
			continue;
		txn_owe(t, s->object,
			state == STEP_RUNNING ? "the kernel has not come back from its removal, which was abandoned" :
			state == STEP_BLOCKED ? "its removal would disturb connected hosts" :
			t->cancelled	      ? "the job was abandoned before it was removed" :
						"something that must go before it could not be removed");
	}
}

static enum outcome outcome_after_commit(struct txn *t)
{
	if (t->each && t->errors.n)
		return OUTCOME_PARTLY;
	return t->owed || t->passed_by ? OUTCOME_OWED : OUTCOME_DONE;
}

static bool needs_partial_way_back(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++)
		if (run_state(&t->run, i) == STEP_FAILED && run_touched(&t->run, i) && !t->plan.steps[i]->moved_forward)
			return true;
	return false;
}

/* What could not be tried because something it needs failed. */
static void fail_skipped(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];

		if (s->phase == PHASE_REMOVE || run_state(&t->run, i) != STEP_SKIPPED || map_get(t->m->failed, s->object))
			continue;
		manager_set_failed(t->m, s->object, "something that it needs could not be made");
		cfg_errors_add(&t->errors, ECANCELED, s->object, NULL, NULL, "%s: something that it needs failed",
			       s->summary);
	}
}

/* A start that is cancelled ends where it is: what it made is wanted, and the next start does the rest. */
static void finish_switch(struct txn *t)
{
	if (t->cancelled)
		txn_end(t, JOB_FAILED, OUTCOME_FAILED);
	else
		txn_commit(t);
}

void txn_abandon(struct txn *t)
{
	/* When nothing runs, that was the end. */
	if (!run_stop(&t->run))
		return;
	txn_release_unneeded(t);
	owe_skipped(t);
	txn_end(t, JOB_DONE, outcome_after_commit(t));
}

static void note_cancelled(struct txn *t)
{
	if (t->cancelled && !t->errors.n)
		cfg_errors_add(&t->errors, ECANCELED, NULL, NULL, NULL, "was cancelled");
}

void txn_leave_stuck(struct txn *t)
{
	if (!t->cancelled)
		return;
	if (t->job.state == JOB_ROLLING_BACK) {
		txn_back_hangs(t);
	} else if (t->job.state == JOB_RUNNING && run_hangs(&t->run)) {
		note_cancelled(t);
		if (!t->unattended) {
			txn_roll_back(t, true);
			return;
		}
		/* Without memory for that no less is left, only less of it told. */
		txn_leave_unsettled(t);
		finish_switch(t);
	}
}

void txn_came_back(struct txn *t)
{
	if (t->job.ended_usec && !txn_is_detached(t))
		manager_txn_attached(t->m, t);
}

static void on_run_finished(void *userdata)
{
	struct txn *t = userdata;

	if (t->job.ended_usec || t->unsettled) {
		txn_came_back(t);
		return;
	}
	if (t->committed) {
		owe_skipped(t);
		txn_end(t, JOB_DONE, outcome_after_commit(t));
		return;
	}
	note_cancelled(t);
	if ((t->cancelled && !t->unattended) || (t->run.failed && !t->each)) {
		txn_roll_back(t, true);
		return;
	}
	if (t->run.failed) {
		fail_skipped(t);
		if (needs_partial_way_back(t)) {
			txn_roll_back(t, false);
			return;
		}
	}
	finish_switch(t);
}

/* Of what is not wanted after all nobody misses that it could not be made. */
static void forget_failures(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++) {
		_cleanup_element_ struct element e = { 0 };

		if (element_parse(t->plan.steps[i]->object, &e) >= 0 && !element_is_in(t->m->wanted, &e))
			manager_clear_failed(t->m, t->plan.steps[i]->object);
	}
}

void txn_rolled_back(struct txn *t)
{
	if (!t->back_whole && t->cancelled && !t->unattended && !t->back_stopped) {
		txn_roll_back(t, true);
	} else if (!t->back_whole) {
		finish_switch(t);
	} else {
		forget_failures(t);
		txn_end(t, JOB_FAILED, t->left.n ? OUTCOME_PARTLY : OUTCOME_FAILED);
	}
}
