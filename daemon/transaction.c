/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction's life, and its road up to the first kernel call that changes something: begin, claim, read, plan, consent. What it would
 * do is prepare.c's, the doing execute.c's, the way back rollback.c's. Each function does one stretch and names what comes next;
 * what takes time comes back by callback.
 */
#include "daemon/transaction.h"

#include <errno.h>
#include <malloc.h>
#include <time.h>

#include "base/text.h"
#include "kernel/element.h"

#define TURN "turn"
#define TURNS_LOST_MAX 2
#define PARTS_PER_TRIM 8

static uint64_t now_usec(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int txn_new(struct manager *m, struct request *r, request_done_fn done, void *userdata, struct txn **ret)
{
	struct txn *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->m = m;
	t->request = *r;
	*r = (struct request){ 0 };
	t->done = done;
	t->done_userdata = userdata;
	t->unattended = t->request.act == ACT_START || t->request.act == ACT_DEBTS;
	t->each = t->request.act == ACT_RESTORE || t->unattended;
	t->job = (struct job){
		.id = ++m->next_job,
		.act = t->request.act,
		.caller = t->request.caller,
		.started_usec = now_usec(CLOCK_REALTIME),
	};
	t->began_usec = now_usec(CLOCK_BOOTTIME);
	*ret = t;
	return 0;
}

void txn_reset(struct txn *t)
{
	changes_done(&t->changes);
	scope_done(&t->scope);
	t->target = tree_free(t->target);
}

/* Forgets all about the commit that it was at. */
static void shed_work(struct txn *t)
{
	claims_release_all(&t->claims);
	t->by_path = map_free(t->by_path);
	t->needed = map_free(t->needed);
	t->gave_back = false;
	run_done(&t->run);
	run_done(&t->back_run);
	plan_done(&t->plan);
	plan_done(&t->back);
	txn_reset(t);
	scope_done(&t->back_scope);
	t->actual = tree_free(t->actual);
	t->reread = tree_free(t->reread);
	files_done(t);
	oplist_done(&t->file_ops);
	t->edges = strv_free(t->edges);
	t->left_behind = strv_free(t->left_behind);
	t->unsettled = strv_free(t->unsettled);
}

void txn_shed(struct txn *t)
{
	shed_work(t);
	t->parts = parts_free(t->parts);
	t->made = made_free(t->made);
	cfg_errors_done(&t->errors);
	differences_done(&t->left);
	t->warnings = strv_free(t->warnings);
	json_object_put(steal_ptr(t->effects));
	t->deletions = strv_free(t->deletions);
	t->owed = strv_free(t->owed);
	/* The job borrows its caller's name. */
	t->job.caller = steal_ptr(t->request.caller);
	request_done(&t->request);
	t->request.caller = t->job.caller;
}

struct txn *txn_free(struct txn *t)
{
	if (!t)
		return NULL;
	txn_shed(t);
	request_done(&t->request);
	json_object_put(t->job.report);
	free(t->job.step);
	free(t->job.waits_for);
	free(t);
	return NULL;
}

void txn_set_state(struct txn *t, enum job_state state)
{
	t->job.state = state;
	if (t->m->observer.job_changed)
		t->m->observer.job_changed(t->m->observer.userdata, &t->job);
}

/* ---- the end ---- */

/* To the next part, if there is one. */
static bool go_on(struct txn *t)
{
	int r;

	if (t->cancelled)
		return false;
	t->operations += t->run.operations;
	t->past_steps += t->plan.n;
	shed_work(t);
	/* Most of what a part leaves the next one takes. */
	if (parts_done(t->parts) % PARTS_PER_TRIM == 0)
		malloc_trim(0);
	t->committed = false;
	r = parts_next(t->parts);
	if (r < 0)
		cfg_errors_add(&t->errors, ENOMEM, NULL, NULL, NULL, "out of memory");
	else if (r > 0)
		manager_go_later(t->m, t);
	return r > 0;
}

/* What is in force stays, and what is not will not be. */
static enum outcome end_parts(struct txn *t, enum outcome outcome)
{
	bool committed = outcome == OUTCOME_DONE || outcome == OUTCOME_OWED || outcome == OUTCOME_PARTLY;
	size_t left = parts_left(t->parts, !committed);

	if (!left || (!committed && !parts_done(t->parts)))
		return outcome;
	cfg_errors_add(&t->errors, ECANCELED, NULL, NULL, NULL, "%zu objects of the document were not restored", left);
	return OUTCOME_PARTLY;
}

static bool runs_on(const struct txn *t)
{
	return t->run.running || t->back_run.running || t->file_work;
}

void txn_end(struct txn *t, enum job_state state, enum outcome outcome)
{
	struct manager *m = t->m;
	_cleanup_strbuf_ struct strbuf line = { 0 };
	int r = 0;

	for (char **e = t->unsettled; r >= 0 && e && *e; e++)
		r = ledger_leave(m->ledger, *e, &line);
	m->left_alone += t->unsettled != NULL;
	/* Without memory for that it has not ended. */
	if (r >= 0 && ledger_end(m->ledger, t->job.id, &line) >= 0)
		manager_ledger_write(m, &line, NULL);
	/* What it has given back others may have changed since: then its target says no more how all is to be. */
	if (state == JOB_DONE && !t->request.dry_run)
		drift_update(m, &t->scope, t->gave_back ? NULL : t->target);
	if (!runs_on(t))
		claims_release_all(&t->claims);
	else if (t->unsettled)
		txn_release_unneeded(t);
	t->waiting = false;
	if (t->parts && state == JOB_DONE && !runs_on(t) && go_on(t))
		return;
	if (t->parts)
		outcome = end_parts(t, outcome);
	/* Who sets the clock meanwhile does not make it take years, or end before it began. */
	t->job.ended_usec = t->job.started_usec + now_usec(CLOCK_BOOTTIME) - t->began_usec;
	t->job.outcome = outcome;
	free(t->job.step);
	t->job.step = strdup("");
	t->job.state = state;
	report_build(t);
	/* All that it is good for is told. What is written now may be as large again. */
	if (t->parts) {
		t->parts = parts_free(t->parts);
		document_done(&t->request.document);
	}
	manager_txn_ended(m, t);
}

/* Ends a transaction that has not reached the kernel. */
void txn_fail(struct txn *t, struct cfg_error *err)
{
	enum outcome outcome;
	int code = err ? err->code : t->errors.n ? t->errors.items[0].code : EIO;

	if (code == ESTALE)
		outcome = OUTCOME_CONFLICT;
	else if (code == EINVAL && !t->actual)
		outcome = OUTCOME_INVALID;
	else
		outcome = OUTCOME_FAILED;
	if (err)
		report_error(t, err);
	txn_end(t, JOB_FAILED, outcome);
}

static void txn_fail_code(struct txn *t, int code, const char *what)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	cfg_error_set(&err, code, "%s", what);
	txn_fail(t, &err);
}

static void fail_cancelled(struct txn *t)
{
	txn_fail_code(t, ECANCELED, t->parts && parts_done(t->parts) ? "was cancelled; what had been restored before stays" :
								      "was cancelled; nothing had been changed");
}

static void txn_read(struct txn *t);

/* Who has to be waited for, after another turn of all those that had to be waited for before. */
void txn_update_wait(struct txn *t)
{
	const char *key = NULL;
	struct txn *other = t->waiting ? claims_blocker(&t->claims, &key) : NULL;

	free(t->job.waits_for);
	t->job.waits_for = !t->m->begun ? strdup("the start (it reads the kernel)") :
			   !key  ? NULL :
			   other ? strf("job %llu (%s)", (unsigned long long)other->job.id, key) :
				   strf("what an earlier nvmetd began (%s)", key);
}

/*
 * All share their turn until they have it. One that waited so long for what it claims that there was more to claim each time keeps its place, but
 * others may go on making more. After some times nobody who comes later has his turn before it.
 */
static int claim_turn(const struct txn *t, char ***claims)
{
	return strv_append(claims, t->turns_lost < TURNS_LOST_MAX ? "s " TURN : "x " TURN);
}

static void txn_claim(struct txn *t)
{
	_cleanup_strv_ char **claims = NULL;
	bool waited = t->waiting;
	int r;

	t->waiting = false;
	r = txn_prepare(t, &claims);
	if (r < 0) {
		txn_fail(t, NULL);
		return;
	}
	/* The model may have changed while it waited, and with it what there is to claim. */
	if (waited && !t->aside && !claims_cover(&t->claims, claims))
		t->turns_lost++;
	t->aside = false;
	r = claim_turn(t, &claims);
	if (r >= 0)
		r = waited ? claims_change(&t->claims, claims) : claims_enter(t->m->claims, &t->claims, claims, t);
	if (r < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (r > 0) {
		claims_take_turn(&t->claims);
		claims_release(&t->claims, TURN);
		manager_wake(t->m);
		txn_read(t);
		return;
	}
	t->waiting = true;
	txn_update_wait(t);
	txn_set_state(t, JOB_WAITING);
	txn_step_aside(t);
}

/* Who takes on the whole passes by what is stuck. */
static bool passes_by(const struct txn *t)
{
	return t->request.act == ACT_START || t->request.act == ACT_CLEAR || (t->request.act == ACT_RECONCILE && !t->request.paths);
}

void txn_step_aside(struct txn *t)
{
	const char *key = t->aside ? NULL : claims_behind(&t->claims, held_stands);
	_cleanup_free_ char *name = key ? strf("x %s", key) : NULL;

	if (!name)
		return;
	/* Once: what was stuck then is not in its way any more. */
	if (passes_by(t) && !t->begun_anew) {
		t->begun_anew = true;
		manager_go_later(t->m, t);
		return;
	}
	claims_release_all(&t->claims);
	t->aside = true;
	/* When that is free it claims all anew. */
	if (claims_enter(t->m->claims, &t->claims, (char *[]){ name, NULL }, t) != 0)
		manager_go_later(t->m, t);
	manager_wake(t->m);
}

/* ---- read ---- */

static void on_read(void *userdata, struct cfg_error *err);

/* The start comes right behind the reading of the whole, unless someone was quicker. */
static bool just_read(const struct txn *t)
{
	return t->request.act == ACT_START && t->m->actual_whole && t->job.id == 1;
}

static void txn_read(struct txn *t)
{
	bool known = just_read(t);

	t->removes = !known && kernel_only_removes(t->target, &t->scope);
	free(t->job.waits_for);
	t->job.waits_for = NULL;
	txn_count_changes(t);
	txn_set_state(t, JOB_READING);
	t->actual = known ? tree_copy(t->m->actual) : tree_new();
	if (t->actual && known)
		on_read(t, NULL);
	else if (!t->actual || scan_start(t->m, &t->scope, t->target, t->removes, t->actual, on_read, t, &t->scan) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
	else if (t->parts)
		parts_look_ahead(t->parts);
}

/* ---- plan ---- */

static bool fact_marked(void *userdata, const char *path)
{
	struct txn *t = userdata;

	return marks_has(t->m, path);
}

/* Ours is what is wanted, and what the ledger knows. A bridge belongs to its backend. */
static bool fact_owned(void *userdata, const char *element)
{
	struct txn *t = userdata;
	_cleanup_element_ struct element e = { 0 };

	if (ledger_owns(t->m->ledger, element))
		return true;
	if (element_parse(element, &e) < 0)
		return false;
	if (e.kind == KIND_BRIDGE) {
		_cleanup_free_ char *backend = path_parent(element);

		return backend && tree_find(t->m->wanted, backend);
	}
	return tree_find(t->m->wanted, element) || element_is_wanted(t->m->wanted, &e);
}

/* Which secret the kernel holds cannot be read. It is the one that was written last, unless a daemon ended while it was at that. */
static bool fact_secret_known(void *userdata, const char *object, const char *attr, const char *reference)
{
	struct txn *t = userdata;

	return !ledger_is_unfinished(t->m->ledger, object);
}

static bool fact_unfinished(void *userdata, const char *element)
{
	struct txn *t = userdata;

	return ledger_owns(t->m->ledger, element);
}

static int make_plan(struct txn *t, struct cfg_error *err)
{
	struct kernel_facts facts = {
		.no_new_files = t->unattended,
		.leaks = t->m->leaks,
		.bridge_queue = t->m->settings->bridge_queue,
		.revoke = t->request.revoke,
		.release = t->m->release,
		.marked = fact_marked,
		.owned = fact_owned,
		.unfinished = fact_unfinished,
		.secret_known = fact_secret_known,
		.userdata = t,
	};
	int r;

	if (t->request.act == ACT_ADOPT)
		r = adopt_plan(&t->changes, &t->plan) < 0 ? cfg_error_oom(err) : 0;
	else
		r = kernel_plan(t->target, t->actual, &t->scope, t->m->wanted, &t->changes, &facts, &t->plan, err);
	if (r < 0)
		return r;
	return plan_finish(&t->plan, t->each ? PLAN_EACH : 0, err);
}

static void on_in_use(void *userdata, struct cfg_error *err);

static void on_read(void *userdata, struct cfg_error *read_err)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	t->scan = NULL;
	if (read_err) {
		txn_fail(t, read_err);
		return;
	}
	if (t->cancelled) {
		fail_cancelled(t);
		return;
	}
	if (make_plan(t, &err) < 0) {
		txn_fail(t, &err);
		return;
	}
	if (t->request.plan_hash && !streq(t->request.plan_hash, t->plan.hash)) {
		cfg_error_set(&err, ESTALE, "the plan is now %s, not %s: something has changed since it was shown",
			      t->plan.hash, t->request.plan_hash);
		txn_fail(t, &err);
		return;
	}
	t->job.steps_total = t->past_steps + t->plan.n;
	if (txn_collect_edges(t) < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (!t->edges)
		on_in_use(t, NULL);
	else if (connections_query(t->m, t->m->wanted, t->edges, on_in_use, t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
}

/* ---- consent ---- */

static void on_in_use(void *userdata, struct cfg_error *query_err)
{
	struct txn *t = userdata;

	if (query_err) {
		txn_fail(t, query_err);
		return;
	}
	if (t->cancelled) {
		fail_cancelled(t);
		return;
	}
	if (txn_init_run(t) < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (t->request.dry_run) {
		txn_weigh_effects(t);
		cfg_errors_done(&t->errors);
		txn_shown(t);
		txn_end(t, JOB_DONE, OUTCOME_DONE);
		return;
	}
	if (txn_weigh_effects(t) && !t->unattended) {
		txn_end(t, JOB_FAILED, OUTCOME_REFUSED);
		return;
	}
	txn_execute(t);
}

/* ---- the beginning ---- */

/* Each on its own: what is invalid is left out and reported, the rest goes on. */
static int drop_invalid(struct txn *t)
{
	if (t->request.act != ACT_RESTORE || !t->request.document.tree)
		return 0;
	return start_drop_invalid(t->request.document.tree, &t->errors);
}

static void on_secrets_moved(void *userdata, struct cfg_error *err)
{
	struct txn *t = userdata;

	if (err)
		txn_fail(t, err);
	else if (drop_invalid(t) < 0 || parts_begin(t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
	else
		txn_claim(t);
}

static void on_verified(void *userdata, struct json_object *status, const struct cfg_error *err)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error copy = CFG_ERROR_NULL;

	if (!err) {
		txn_claim(t);
		return;
	}
	cfg_error_copy(&copy, err);
	txn_fail(t, &copy);
}

static void txn_begin(struct txn *t)
{
	/* What is taken over was made by others, who told nobody. */
	if (t->request.act == ACT_ADOPT) {
		if (manager_verify(t->m, on_verified, t) < 0)
			txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (!t->request.document.inline_secrets || t->request.dry_run)
		on_secrets_moved(t, NULL);
	else if (secrets_move(t->m, &t->request.document, on_secrets_moved, t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
}

static void on_generation_read(void *userdata, const struct work_result *result)
{
	struct txn *t = userdata;
	_cleanup_free_ char *name = strf("generation %llu", (unsigned long long)t->request.number);

	t->file_work = NULL;
	if (result->error) {
		cfg_errors_add(&t->errors, result->error, NULL, NULL, NULL, "generation %llu cannot be read: %s",
			       (unsigned long long)t->request.number,
			       result->message ? result->message : strerror(result->error));
		txn_fail(t, NULL);
		return;
	}
	if (document_parse(name ? name : "generation", result->data[0], strlen(result->data[0]), &t->request.document,
			   &t->errors) < 0) {
		txn_fail(t, NULL);
		return;
	}
	/* It is old by intent. */
	t->request.document.generation = 0;
	txn_begin(t);
}

/* Back to a generation, or restore without a document: the newest one that was kept. */
static void txn_load(struct txn *t)
{
	struct manager *m = t->m;
	_cleanup_free_ char *path = NULL;

	if (t->request.act == ACT_RESTORE && !t->request.number) {
		if (!m->n_generations) {
			txn_fail_code(t, ENOENT, "no generation has been kept yet; name a file");
			return;
		}
		t->request.number = m->generations[0].number;
	}
	path = store_path_generation(&m->paths, t->request.number);
	if (!path || oplist_add(&t->file_ops, OP_FILE_READ, 0, path, NULL, NULL, NULL) < 0 ||
	    pool_submit(m->pool, WORK_STATE, TOKEN_NONE, &t->file_ops, NULL, "read a generation", on_generation_read, t,
			&t->file_work) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
}

void txn_go(struct txn *t)
{
	if (t->cancelled)
		fail_cancelled(t);
	else if (t->waiting || t->parts)
		txn_claim(t);
	else if ((t->request.act == ACT_ROLLBACK || t->request.act == ACT_RESTORE) && !t->request.document.tree)
		txn_load(t);
	else
		txn_begin(t);
}

bool txn_is_detached(const struct txn *t)
{
	return t->job.ended_usec && runs_on(t);
}

int txn_cancel(struct txn *t, struct cfg_error *err)
{
	if (t->job.ended_usec)
		return cfg_error_set(err, EALREADY, "job %llu has ended already", (unsigned long long)t->job.id);
	t->cancelled = true;
	switch (t->job.state) {
	case JOB_WAITING:
		/* Not in the hands of a callback: the manager ends it on its next round. */
		if (t->waiting || !t->m->begun) {
			claims_release_all(&t->claims);
			t->waiting = false;
			manager_go_later(t->m, t);
		}
		break;
	case JOB_READING:
		/* Nobody waits for what the kernel does not tell. */
		if (t->scan) {
			scan_cancel(steal_ptr(t->scan));
			manager_go_later(t->m, t);
		}
		break;
	case JOB_RUNNING:
		/* When nothing runs, that was the end. */
		if (run_stop(&t->run))
			txn_leave_stuck(t);
		break;
	case JOB_ROLLING_BACK:
		txn_leave_stuck(t);
		break;
	case JOB_REMOVING:
		txn_abandon(t);
		break;
	default:
		break;
	}
	return 0;
}
