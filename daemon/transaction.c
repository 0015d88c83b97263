/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction's road up to the commit and through the removals: edit, validate, claim, read, plan, consent, run, commit,
 * remove. The way back is rollback.c. Each function does one stretch and names what comes next; what takes time comes
 * back by callback. The model is changed by the commit alone: to validate and to plan, changes are applied and taken
 * back at once.
 */
#include "daemon/transaction.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/text.h"
#include "kernel/element.h"
#include "model/validate.h"

#define LISTED_MAX 1000		/* deletions and effects named one by one in a report */

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
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
		.started_usec = now_usec(),
	};
	*ret = t;
	return 0;
}

/* What one attempt at preparing leaves behind. */
static void txn_reset(struct txn *t)
{
	changes_done(&t->changes);
	scope_done(&t->scope);
	t->target = tree_free(t->target);
}

struct txn *txn_free(struct txn *t)
{
	if (!t)
		return NULL;
	claims_release_all(&t->claims);
	run_done(&t->run);
	run_done(&t->back_run);
	plan_done(&t->plan);
	plan_done(&t->back);
	txn_reset(t);
	scope_done(&t->back_scope);
	tree_free(t->actual);
	tree_free(t->reread);
	strv_free(t->made_files);
	oplist_done(&t->file_ops);
	strv_free(t->edges);
	cfg_errors_done(&t->errors);
	differences_done(&t->left);
	strv_free(t->warnings);
	json_object_put(t->effects);
	strv_free(t->deletions);
	strv_free(t->owed);
	json_object_put(t->job.report);
	free(t->job.step);
	free(t->job.waits_for);
	request_done(&t->request);
	free(t);
	return NULL;
}

void txn_set_state(struct txn *t, enum job_state state)
{
	t->job.state = state;
	if (t->m->observer.job_changed)
		t->m->observer.job_changed(t->m->observer.userdata, &t->job);
}

static void txn_progress(struct txn *t, const struct run *run)
{
	const struct step *current = run_current(run);
	char *text = current ? strf("%s: %s", current->object, current->summary) : strdup("");

	if (text) {
		free(t->job.step);
		t->job.step = text;
	}
	t->job.steps_done = t->run.done;
	if (t->m->observer.job_changed)
		t->m->observer.job_changed(t->m->observer.userdata, &t->job);
}

/* ---- the end ---- */

static void cache_edge(struct tree *cache, const struct tree *target, const struct element *e)
{
	struct object *o = tree_find(cache, e->object);
	const struct object *wanted = tree_find(target, e->object);
	_cleanup_strv_ char **list = NULL;

	if (!o)
		return;
	list = strv_copy(object_get_list(o, e->edge));
	if (!wanted || !strv_contains(object_get_list(wanted, e->edge), e->name))
		strv_remove(list, e->name);
	else if (!strv_contains(list, e->name) && strv_append(&list, e->name) < 0)
		return;
	object_set_list(o, e->edge, list);
}

static void cache_object(struct tree *cache, const struct tree *target, const char *path)
{
	const struct object *wanted = tree_find(target, path);
	struct object *o = tree_find(cache, path);

	if (!wanted) {
		if (o)
			object_remove(o);
		return;
	}
	if (!o && tree_add(cache, path, &o) < 0)
		return;
	attr_foreach(row, wanted->kind)
		if (!attr_is_list(row) && object_get_row(wanted, row))
			object_set(o, row, object_get_row(wanted, row));
}

/* What was done is known: the cache of the kernel's state follows without another reading. */
static void cache_update(struct txn *t)
{
	for (char **e = t->scope.elements; e && *e; e++) {
		_cleanup_element_ struct element element = { 0 };

		if (map_get(t->m->failed, *e) || strv_contains(t->owed, *e) || element_parse(*e, &element) < 0)
			continue;
		if (element.edge)
			cache_edge(t->m->actual, t->target, &element);
		else
			cache_object(t->m->actual, t->target, *e);
	}
}

void txn_end(struct txn *t, enum job_state state, enum outcome outcome)
{
	struct manager *m = t->m;
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_end(m->ledger, t->job.id, &line) >= 0)
		manager_ledger_write(m, &line, NULL);
	if (state == JOB_DONE && !t->request.dry_run && t->target)
		cache_update(t);
	claims_release_all(&t->claims);
	t->waiting = false;
	t->job.ended_usec = now_usec();
	t->job.outcome = outcome;
	free(t->job.step);
	t->job.step = strdup("");
	t->job.state = state;
	report_build(t);
	manager_txn_ended(m, t);
}

/* Ends a transaction that has not reached the kernel. */
static void txn_fail(struct txn *t, struct cfg_error *err)
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

/* ---- edit and validate ---- */

static int generate_new(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i]->after && object_generate(c->items[i]->after) < 0)
			return -ENOMEM;
	return 0;
}

static int diff_to(struct txn *t, const struct tree *b)
{
	int r = changes_diff(t->m->wanted, b, t->request.merge, &t->changes);

	if (r >= 0)
		r = generate_new(&t->changes);
	return r < 0 ? cfg_errors_add(&t->errors, -r, NULL, NULL, NULL, "out of memory") : 0;
}

static int make_changes(struct txn *t)
{
	struct manager *m = t->m;
	_cleanup_(tree_freep) struct tree *empty = NULL;

	switch (t->request.act) {
	case ACT_CHANGE:
		return edits_to_changes(m->wanted, &t->request.edits, &t->changes, &t->errors);
	case ACT_APPLY:
	case ACT_RESTORE:
	case ACT_ROLLBACK:
		return diff_to(t, t->request.document.tree);
	case ACT_CLEAR:
		empty = tree_new();
		return empty ? diff_to(t, empty) : -ENOMEM;
	case ACT_ADOPT:
		return adopt_changes(m, t->request.paths, &t->changes, &t->errors);
	case ACT_RECONCILE:
	case ACT_START:
	case ACT_DEBTS:
	case ACT_MAX:
		break;
	}
	return 0;
}

static int scope_add_ledger(struct txn *t)
{
	_cleanup_free_ const char **unfinished = NULL;
	_cleanup_free_ struct debt *debts = NULL;
	size_t n, n_debts;
	int r;

	r = ledger_unfinished(t->m->ledger, &unfinished, &n);
	if (r >= 0)
		r = ledger_debts(t->m->ledger, &debts, &n_debts);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (strv_append(&t->scope.elements, unfinished[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < n_debts; i++)
		if (strv_append(&t->scope.elements, debts[i].element) < 0)
			return -ENOMEM;
	strv_sort_unique(t->scope.elements);
	return 0;
}

static int scope_of_paths(struct txn *t)
{
	for (char **p = t->request.paths; p && *p; p++) {
		_cleanup_scope_ struct scope one = { 0 };
		_cleanup_path_ struct path parsed = { 0 };
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		int r;

		r = path_parse(*p, &parsed, NULL, &err);
		if (r >= 0 && !tree_find(t->m->wanted, *p) && !ledger_owns(t->m->ledger, *p))
			r = cfg_error_set_at(&err, ENOENT, *p, NULL, "there is no such object in the configuration");
		if (r < 0)
			return cfg_errors_take(&t->errors, &err);
		r = nvmet_scope_object(t->m->wanted, *p, &one);
		for (char **e = one.elements; r >= 0 && e && *e; e++)
			r = strv_append(&t->scope.elements, *e);
		for (char **f = one.folders; r >= 0 && f && *f; f++)
			r = strv_append(&t->scope.folders, *f);
		if (r < 0)
			return r;
	}
	strv_sort_unique(t->scope.elements);
	strv_sort_unique(t->scope.folders);
	return 0;
}

static int make_scope(struct txn *t)
{
	int r;

	switch (t->request.act) {
	case ACT_DEBTS:
		t->scope.elements = strv_copy(t->request.paths);
		return t->scope.elements ? 0 : -ENOMEM;
	case ACT_RECONCILE:
		if (t->request.paths)
			return scope_of_paths(t);
		/* fall through */
	case ACT_START:
		r = nvmet_scope_object(t->m->wanted, NULL, &t->scope);
		return r < 0 ? r : scope_add_ledger(t);
	default:
		return nvmet_scope(t->m->wanted, &t->changes, &t->scope);
	}
}

/* A document or change that names the generation it was made from: is what it touches still as it was then? */
static int check_generation(struct txn *t)
{
	struct manager *m = t->m;

	if (!t->request.generation || t->request.generation == m->generation)
		return 0;
	if (t->request.generation > m->generation)
		return cfg_errors_add(&t->errors, ESTALE, NULL, NULL, NULL,
				      "was made from generation %llu, but this machine is at %llu",
				      (unsigned long long)t->request.generation, (unsigned long long)m->generation);
	for (size_t i = 0; i < t->changes.n; i++) {
		const char *path = t->changes.items[i]->path;
		uint64_t last = (uint64_t)(uintptr_t)map_get(m->touched, path);

		if (!last)
			last = m->first_generation;
		if (last > t->request.generation)
			cfg_errors_add(&t->errors, ESTALE, path, NULL, NULL,
				       "has changed since generation %llu (in %llu)",
				       (unsigned long long)t->request.generation, (unsigned long long)last);
	}
	return t->errors.n ? -ESTALE : 0;
}

/* What needs the tree as it will be: validity, scope, claims, the kernel's terms. */
static int look_ahead(struct txn *t, char ***ret_claims)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r;

	r = changes_apply(t->m->wanted, &t->changes, &err);
	if (r < 0)
		return cfg_errors_take(&t->errors, &err);
	r = validate_changes(t->m->wanted, &t->changes, &t->errors);
	if (r >= 0)
		r = make_scope(t);
	if (r >= 0)
		r = nvmet_claims(t->m->wanted, &t->changes, &t->scope, ret_claims);
	if (r >= 0)
		r = nvmet_lower(t->m->wanted, &t->scope, &t->target, &err);
	if (r < 0 && cfg_error_is_set(&err))
		cfg_errors_take(&t->errors, &err);
	changes_revert(t->m->wanted, &t->changes);
	return r;
}

/* Each on its own: what is invalid is left out and reported, the rest goes on. */
static int drop_invalid(struct txn *t)
{
	if (t->request.act != ACT_RESTORE || !t->request.document.tree)
		return 0;
	return start_drop_invalid(t->request.document.tree, &t->errors);
}

static int txn_prepare(struct txn *t, char ***ret_claims)
{
	int r;

	txn_reset(t);
	r = make_changes(t);
	if (r >= 0)
		r = check_generation(t);
	if (r >= 0)
		r = look_ahead(t, ret_claims);
	if (r < 0) {
		if (!t->errors.n)
			cfg_errors_add(&t->errors, -r, NULL, NULL, NULL, "%s", strerror(-r));
		places_annotate(t->request.document.places, &t->errors);
	}
	return r;
}

static void count_changes(struct txn *t)
{
	t->created = t->changed = t->removed = 0;
	t->deletions = strv_free(t->deletions);
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct change *c = t->changes.items[i];

		if (!c->before) {
			t->created++;
		} else if (c->after) {
			t->changed++;
		} else {
			t->removed++;
			if (t->removed <= LISTED_MAX)
				strv_append(&t->deletions, c->path);
		}
	}
}

static void txn_read(struct txn *t);

static void txn_claim(struct txn *t)
{
	_cleanup_strv_ char **claims = NULL;
	const char *key;
	struct txn *other;
	int r;

	if (t->waiting) {
		/* The model may have changed meanwhile, and with it what there is to claim. */
		t->waiting = false;
		r = txn_prepare(t, &claims);
		if (r >= 0 && claims_cover(&t->claims, claims)) {
			txn_read(t);
			return;
		}
		claims_release_all(&t->claims);
	} else {
		r = txn_prepare(t, &claims);
	}
	if (r < 0) {
		txn_fail(t, NULL);
		return;
	}
	r = claims_enter(t->m->claims, &t->claims, claims, t);
	if (r < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (r > 0) {
		txn_read(t);
		return;
	}
	t->waiting = true;
	other = claims_blocker(&t->claims, &key);
	free(t->job.waits_for);
	t->job.waits_for = other ? strf("job %llu (%s)", (unsigned long long)other->job.id, key) : NULL;
	txn_set_state(t, JOB_WAITING);
}

/* ---- read ---- */

static void on_read(void *userdata, struct cfg_error *err);

static void txn_read(struct txn *t)
{
	free(t->job.waits_for);
	t->job.waits_for = NULL;
	count_changes(t);
	txn_set_state(t, JOB_READING);
	t->actual = tree_new();
	if (!t->actual || scan_start(t->m, &t->scope, t->actual, on_read, t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
}

/* ---- plan ---- */

static bool fact_marked(void *userdata, const char *path)
{
	struct txn *t = userdata;

	return marks_has(t->m, path);
}

/* Ours is what is wanted, and what the ledger knows; of an edge it is enough that it is in the wanted list. */
static bool fact_owned(void *userdata, const char *element)
{
	struct txn *t = userdata;
	_cleanup_element_ struct element e = { 0 };

	if (ledger_owns(t->m->ledger, element))
		return true;
	if (element_parse(element, &e) >= 0 && e.edge) {
		const struct object *o = tree_find(t->m->wanted, e.object);

		return o && strv_contains(object_get_list(o, e.edge), e.name);
	}
	return tree_find(t->m->wanted, element) != NULL;
}

static bool fact_secret_known(void *userdata, const char *object, const char *attr, const char *reference)
{
	return true;
}

static int make_plan(struct txn *t, struct cfg_error *err)
{
	struct nvmet_facts facts = {
		.leaks = t->m->leaks,
		.release = t->m->release,
		.marked = fact_marked,
		.owned = fact_owned,
		.secret_known = fact_secret_known,
		.userdata = t,
	};
	int r;

	if (t->request.act == ACT_ADOPT)
		return plan_finish(&t->plan, t->each ? PLAN_EACH : 0, err);
	r = nvmet_plan(t->target, t->actual, &t->scope, t->m->wanted, &t->changes, &facts, &t->plan, err);
	if (r < 0)
		return r;
	return plan_finish(&t->plan, t->each ? PLAN_EACH : 0, err);
}

/* Edges whose use matters: those that some step disturbs, and those that are linked now (to know who was there before). */
static int collect_edges(struct txn *t)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];

		for (char **e = s->affects; r >= 0 && s->effect != EFFECT_NONE && e && *e; e++)
			r = strv_append(&t->edges, *e);
		for (char **g = s->gives; r >= 0 && g && *g; g++)
			if (strstr(*g, "/subsystems/") && strncmp(*g, "+ports/", 7) == 0)
				r = strv_append(&t->edges, *g + 1);
	}
	strv_sort_unique(t->edges);
	return r;
}

static void on_in_use(void *userdata, struct cfg_error *err);

static void on_read(void *userdata, struct cfg_error *read_err)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (read_err) {
		txn_fail(t, read_err);
		return;
	}
	if (t->cancelled) {
		txn_fail_code(t, ECANCELED, "was cancelled; nothing had been changed");
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
	t->job.steps_total = t->plan.n;
	if (collect_edges(t) < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (!t->edges)
		on_in_use(t, NULL);
	else if (connections_query(t->m, t->m->wanted, t->edges, on_in_use, t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
}

/* ---- effects and consent ---- */

static bool consented(const struct consent *c, const char *object)
{
	if (c->all)
		return true;
	for (char **p = c->paths; p && *p; p++) {
		size_t n = strlen(*p);

		if (strncmp(object, *p, n) == 0 && (object[n] == 0 || object[n] == '/'))
			return true;
	}
	return false;
}

static bool step_in_use(const struct txn *t, const struct step *s)
{
	if (s->always)
		return true;
	for (char **e = s->affects; e && *e; e++)
		if (connections_in_use(t->m->connections, *e))
			return true;
	return false;
}

static void effects_add(struct txn *t, const struct step *s, bool in_use, bool ok)
{
	struct json_object *o, *list;

	if (!t->effects)
		t->effects = json_object_new_array();
	if (json_object_array_length(t->effects) >= LISTED_MAX)
		return;
	o = json_object_new_object();
	list = json_object_new_array();
	json_object_object_add(o, "effect", json_object_new_string(effect_to_str(s->effect)));
	json_object_object_add(o, "object", json_object_new_string(s->object));
	json_object_object_add(o, "what", json_object_new_string(s->summary));
	for (char **e = s->affects; e && *e; e++)
		json_object_array_add(list, json_object_new_string(*e));
	json_object_object_add(o, "affects", list);
	json_object_object_add(o, "in_use", json_object_new_boolean(in_use));
	json_object_object_add(o, "consented", json_object_new_boolean(ok));
	json_object_array_add(t->effects, o);
}

/* Returns the number of steps that lack consent; without anyone to ask these are left out of the run. */
static size_t weigh_effects(struct txn *t)
{
	size_t missing = 0;

	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];
		bool destroys = s->effect >= EFFECT_IDENTITY;
		bool in_use, ok;

		if (s->effect == EFFECT_NONE)
			continue;
		in_use = step_in_use(t, s);
		if (destroys)
			ok = consented(&t->request.destroy, s->object) &&
			     (!in_use || consented(&t->request.disrupt, s->object) ||
			      consented(&t->request.destroy, s->object));
		else
			ok = !in_use || consented(&t->request.disrupt, s->object);
		effects_add(t, s, in_use, ok);
		if (ok)
			continue;
		missing++;
		if (t->unattended) {
			run_block(&t->run, i);
			continue;
		}
		cfg_errors_add(&t->errors, ECONNABORTED, s->object, NULL, NULL, "%s: %s%s; needs --%s", s->summary,
			       effect_to_str(s->effect), in_use ? ", and hosts are connected" : "",
			       destroys ? "destroy" : "disrupt");
	}
	return missing;
}

/* ---- run ---- */

static void release_element(struct txn *t, const char *element);

static int on_step_starting(void *userdata, const struct step *s, struct cfg_error *err)
{
	struct txn *t = userdata;

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

static void note_files(struct txn *t, const struct step *s, const struct work_result *result)
{
	for (size_t i = 0; i < result->done && i < s->ops.n; i++)
		if (s->ops.items[i].verb == OP_CREATE_FILE && result->data && streq_ptr(result->data[i], "created"))
			strv_append(&t->made_files, s->ops.items[i].path);
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
		nvmet_explain(op, result->error, t->m->wanted, err);
	else
		cfg_error_set_at(err, result->error, s->object, NULL, "%s: %s", s->summary, strerror(result->error));
	cfg_error_at(err, s->object, NULL, NULL);
}

static void owe(struct txn *t, const char *element, const char *reason)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_owe(t->m->ledger, element, reason, &line) >= 0)
		manager_ledger_write(t->m, &line, NULL);
	if (!strv_contains(t->owed, element))
		strv_append(&t->owed, element);
}

static void pay(struct txn *t, const struct step *s)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_paid(t->m->ledger, s->object, &line) >= 0)
		manager_ledger_write(t->m, &line, NULL);
	marks_after(t->m, s);
}

static void on_step_ended(void *userdata, const struct step *s, const struct work_result *result)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;

	note_files(t, s, result);
	if (!result->error) {
		note_links(t, s);
		pay(t, s);
		manager_clear_failed(t->m, s->object);
		/* After the commit nothing is taken back: what is done is free for others. */
		if (t->committed)
			release_element(t, s->object);
		txn_progress(t, &t->run);
		return;
	}
	step_error(t, s, result, &err);
	if (t->committed || s->moved_forward) {
		owe(t, s->object, err.msg);
		if (t->committed)
			return;
	}
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

/* From here on the kernel may hold what nobody wants yet: that has to be in the ledger first. */
static int write_ledger(struct txn *t, struct cfg_error *err)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };
	_cleanup_strv_ char **elements = NULL;

	for (size_t i = 0; i < t->plan.n; i++)
		if (*t->plan.steps[i]->object && strv_append(&elements, t->plan.steps[i]->object) < 0)
			return cfg_error_oom(err);
	strv_sort_unique(elements);
	if (ledger_begin(t->m->ledger, t->job.id, elements, &line) < 0)
		return cfg_error_oom(err);
	return manager_ledger_write(t->m, &line, err);
}

static void on_in_use(void *userdata, struct cfg_error *query_err)
{
	struct txn *t = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (query_err) {
		txn_fail(t, query_err);
		return;
	}
	if (t->cancelled) {
		txn_fail_code(t, ECANCELED, "was cancelled; nothing had been changed");
		return;
	}
	if (run_init(&t->run, t->m->pool, &t->plan, t->each, &run_callbacks, t) < 0) {
		txn_fail_code(t, ENOMEM, "out of memory");
		return;
	}
	if (t->request.dry_run) {
		weigh_effects(t);
		cfg_errors_done(&t->errors);
		txn_end(t, JOB_DONE, OUTCOME_DONE);
		return;
	}
	if (weigh_effects(t) && !t->unattended) {
		txn_end(t, JOB_FAILED, OUTCOME_REFUSED);
		return;
	}
	if (t->plan.n && write_ledger(t, &err) < 0) {
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
	if (!t->changes.n) {
		on_commit(t, t->m->generation, NULL);
		return;
	}
	txn_set_state(t, JOB_COMMITTING);
	if (committer_commit(t->m->committer, t->request.act, &t->changes, on_commit, t) < 0) {
		cfg_errors_add(&t->errors, ENOMEM, NULL, NULL, NULL, "out of memory");
		txn_roll_back(t);
	}
}

/* A removal needs its element, what that is part of, and of an edge also the other end. */
static int add_needed(struct map *needed, struct txn *t, const char *element)
{
	_cleanup_free_ char *path = strdup(element);
	_cleanup_element_ struct element e = { 0 };

	if (!path || map_put(needed, element, t) < 0)
		return -ENOMEM;
	if (element_parse(element, &e) >= 0 && e.edge)
		return map_put(needed, e.far, t) < 0 || map_put(needed, e.object, t) < 0 ? -ENOMEM : 0;
	for (char *parent = path_parent(path); parent && *parent; parent = path_parent(path)) {
		free(path);
		path = parent;
		if (map_put(needed, path, t) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Resources stay claimed to the end: the kernel holds a device until the last removal is done. */
static bool is_resource(const char *key)
{
	return strchr(key, ':') && (!strchr(key, '/') || strchr(key, ':') < strchr(key, '/'));
}

/* Nothing is taken back after the commit, so what no removal still needs is free for others. */
static void release_finished(struct txn *t)
{
	_cleanup_(map_freep) struct map *needed = map_new();
	bool any = false;

	for (size_t i = 0; needed && i < t->plan.n; i++) {
		if (t->plan.steps[i]->phase != PHASE_REMOVE || run_state(&t->run, i) != STEP_WAITING)
			continue;
		any = true;
		if (add_needed(needed, t, t->plan.steps[i]->object) < 0)
			return;
	}
	if (!needed)
		return;
	for (size_t i = 0; i < t->claims.n; i++) {
		const char *key = claims_key(&t->claims, i);

		if (key && !(any && is_resource(key)) && !map_get(needed, *key == '=' ? key + 1 : key))
			claims_release(&t->claims, key);
	}
}

static void release_element(struct txn *t, const char *element)
{
	_cleanup_free_ char *existence = strf("=%s", element);

	claims_release(&t->claims, element);
	if (existence)
		claims_release(&t->claims, existence);
	manager_wake(t->m);
}

static void on_commit(void *userdata, uint64_t generation, const struct cfg_error *err)
{
	struct txn *t = userdata;

	if (err) {
		_cleanup_error_ struct cfg_error copy = CFG_ERROR_NULL;

		cfg_error_copy(&copy, err);
		report_error(t, &copy);
		txn_roll_back(t);
		return;
	}
	t->committed = true;
	t->run.isolate = true;
	t->run.stopping = t->cancelled;
	release_finished(t);
	manager_wake(t->m);
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

		if (s->phase != PHASE_REMOVE || (state != STEP_SKIPPED && state != STEP_WAITING && state != STEP_BLOCKED))
			continue;
		owe(t, s->object,
		    state == STEP_BLOCKED ? "its removal would disturb connected hosts" :
		    t->cancelled	  ? "the job was abandoned before it was removed" :
					    "something that must go before it could not be removed");
	}
}

static enum outcome outcome_after_commit(struct txn *t)
{
	if (t->each && t->errors.n)
		return OUTCOME_PARTLY;
	return t->owed ? OUTCOME_OWED : OUTCOME_DONE;
}

static bool needs_partial_way_back(struct txn *t)
{
	for (size_t i = 0; i < t->plan.n; i++)
		if (run_state(&t->run, i) == STEP_FAILED && t->plan.steps[i]->phase != PHASE_REMOVE &&
		    !t->plan.steps[i]->moved_forward)
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

static void on_run_finished(void *userdata)
{
	struct txn *t = userdata;

	if (t->committed) {
		owe_skipped(t);
		txn_end(t, JOB_DONE, outcome_after_commit(t));
		return;
	}
	if (t->cancelled && !t->errors.n)
		cfg_errors_add(&t->errors, ECANCELED, NULL, NULL, NULL, "was cancelled");
	if (t->cancelled || (t->run.failed && !t->each)) {
		txn_roll_back(t);
		return;
	}
	if (t->each && t->run.failed) {
		fail_skipped(t);
		if (needs_partial_way_back(t)) {
			txn_roll_back(t);
			return;
		}
	}
	txn_commit(t);
}

void txn_rolled_back(struct txn *t)
{
	if (t->each && !t->cancelled && !t->committed) {
		txn_commit(t);
		return;
	}
	txn_end(t, JOB_FAILED, t->left.n ? OUTCOME_PARTLY : OUTCOME_FAILED);
}

/* ---- the beginning ---- */

static void on_secrets_moved(void *userdata, struct cfg_error *err)
{
	struct txn *t = userdata;

	if (err)
		txn_fail(t, err);
	else if (drop_invalid(t) < 0)
		txn_fail_code(t, ENOMEM, "out of memory");
	else
		txn_claim(t);
}

static void txn_begin(struct txn *t)
{
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
		txn_fail_code(t, ECANCELED, "was cancelled; nothing had been changed");
	else if (t->waiting)
		txn_claim(t);
	else if ((t->request.act == ACT_ROLLBACK || t->request.act == ACT_RESTORE) && !t->request.document.tree)
		txn_load(t);
	else
		txn_begin(t);
}

int txn_cancel(struct txn *t, struct cfg_error *err)
{
	if (t->job.ended_usec)
		return cfg_error_set(err, EALREADY, "job %llu has ended already", (unsigned long long)t->job.id);
	t->cancelled = true;
	switch (t->job.state) {
	case JOB_WAITING:
		/* Not in the hands of a callback: the manager ends it on its next round. */
		if (t->waiting) {
			claims_release_all(&t->claims);
			t->waiting = false;
			manager_go_later(t->m, t);
		}
		break;
	case JOB_RUNNING:
	case JOB_REMOVING:
		run_stop(&t->run);
		break;
	default:
		break;
	}
	return 0;
}
