/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager: owns the model, the list of transactions and what they share, and hands out turns. A transaction's own road is in
 * transaction.c.
 *
 * clear empties the wanted model like any other change. So that it can be undone, what was there before is kept as a generation
 * first; `restore` without a file brings the newest one back.
 */
#include "daemon/manager.h"

#include <assert.h>
#include <errno.h>

#include <systemd/sd-daemon.h>

#include "base/text.h"
#include "daemon/transaction.h"

#define TXNS_MAX 10000
#define STOP_USEC 1000000
#define STOP_HUNG_USEC 3000000

static const char *const act_names[] = {
	[ACT_CHANGE] = "change", [ACT_APPLY] = "apply", [ACT_RESTORE] = "restore", [ACT_CLEAR] = "clear",
	[ACT_RECONCILE] = "reconcile", [ACT_ADOPT] = "adopt", [ACT_ROLLBACK] = "rollback", [ACT_START] = "start",
	[ACT_DEBTS] = "debts",
};
_Static_assert(ARRAY_SIZE(act_names) == ACT_MAX, "each act has a name");

const char *act_to_str(enum act a)
{
	return act_names[a];
}

static const char *const job_state_names[] = {
	[JOB_WAITING] = "waiting", [JOB_READING] = "reading", [JOB_RUNNING] = "running",
	[JOB_COMMITTING] = "committing", [JOB_REMOVING] = "removing", [JOB_ROLLING_BACK] = "rolling back",
	[JOB_DONE] = "done", [JOB_FAILED] = "failed",
};
_Static_assert(ARRAY_SIZE(job_state_names) == JOB_STATE_MAX, "each state has a name");

const char *job_state_to_str(enum job_state s)
{
	return job_state_names[s];
}

static const char *const outcome_names[] = {
	[OUTCOME_DONE] = "done", [OUTCOME_FAILED] = "failed", [OUTCOME_INVALID] = "invalid", [OUTCOME_OWED] = "owed",
	[OUTCOME_PARTLY] = "partly", [OUTCOME_REFUSED] = "refused", [OUTCOME_CONFLICT] = "conflict",
};
_Static_assert(ARRAY_SIZE(outcome_names) == OUTCOME_MAX, "each outcome has a name");

const char *outcome_to_str(enum outcome o)
{
	return outcome_names[o];
}

void request_done(struct request *r)
{
	document_done(&r->document);
	edits_done(&r->edits);
	strv_free(r->paths);
	strv_free(r->disrupt.paths);
	strv_free(r->destroy.paths);
	free(r->plan_hash);
	free(r->caller);
	*r = (struct request){ 0 };
}

/* ---- what transactions share ---- */

int manager_survives(int r)
{
	if (r != -ENOTRECOVERABLE)
		return r;
	fputs(SD_ERR "out of memory; starting again from what is on disk is the only way\n", stderr);
	_exit(1);
}

/* What an earlier daemon left unfinished was dealt with: it is as it is wanted, or owed. */
static void settle_ledger(struct manager *m)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (ledger_settle(m->ledger, &line) >= 0)
		manager_ledger_write(m, &line, NULL);
}

void manager_clear_failed(struct manager *m, const char *element)
{
	free(map_del(m->failed, element));
}

int manager_set_failed(struct manager *m, const char *element, const char *reason)
{
	char *copy = strdup(reason);

	manager_clear_failed(m, element);
	if (!copy || map_put(m->failed, element, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

void manager_notify_status(struct manager *m)
{
	if (m->observer.status_changed)
		m->observer.status_changed(m->observer.userdata);
}

void manager_wake(struct manager *m)
{
	sd_event_source_set_enabled(m->wakeup, SD_EVENT_ONESHOT);
}

void manager_go_later(struct manager *m, struct txn *t)
{
	t->go_later = true;
	manager_wake(m);
}

void manager_stuck_changed(struct manager *m)
{
	m->stuck_changed = true;
	manager_wake(m);
}

static void on_stuck_changed(void *userdata, bool came_back)
{
	struct manager *m = userdata;

	m->came_back |= came_back;
	manager_stuck_changed(m);
}

static void check_stopped(struct manager *m);

static int on_wakeup(sd_event_source *source, void *userdata)
{
	struct manager *m = userdata;
	struct txn *t;

	if (m->stuck_changed)
		held_changed(m);
	while ((t = claims_next_ready(m->claims)))
		t->go_later = true;
	/* A turn may end transactions and begin others, so the list is walked anew after each. */
	for (t = m->txns_first; t;) {
		if (!t->go_later) {
			t = t->next;
			continue;
		}
		t->go_later = false;
		txn_go(t);
		t = m->txns_first;
	}
	check_stopped(m);
	return 0;
}

/* ---- transactions ---- */

static void txn_list_add(struct manager *m, struct txn *t)
{
	t->prev = m->txns_last;
	if (m->txns_last)
		m->txns_last->next = t;
	else
		m->txns_first = t;
	m->txns_last = t;
	m->n_txns++;
}

static void txn_list_remove(struct manager *m, struct txn *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		m->txns_first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		m->txns_last = t->prev;
	t->prev = t->next = NULL;
	m->n_txns--;
}

int manager_request(struct manager *m, struct request *r, request_done_fn done, void *userdata, struct job **ret,
		    struct cfg_error *err)
{
	struct txn *t;

	if (m->stopping)
		return cfg_error_set(err, ESHUTDOWN, "nvmetd is stopping");
	if (m->n_txns >= TXNS_MAX)
		return cfg_error_set(err, EAGAIN, "%d jobs are waiting already", TXNS_MAX);
	if (txn_new(m, r, done, userdata, &t) < 0)
		return cfg_error_oom(err);
	txn_list_add(m, t);
	txn_update_wait(t);
	if (m->observer.job_new && t->job.act != ACT_DEBTS)
		m->observer.job_new(m->observer.userdata, &t->job);
	if (t->request.act == ACT_CLEAR && m->generation &&
	    !(m->n_generations && m->generations[0].number == m->generation))
		committer_keep(m->committer, "before clear", NULL, NULL);
	if (m->begun)
		manager_go_later(m, t);
	if (ret)
		*ret = &t->job;
	return 0;
}

int manager_cancel(struct manager *m, uint64_t id, struct cfg_error *err)
{
	for (struct txn *t = m->txns_first; t; t = t->next)
		if (t->job.id == id)
			return txn_cancel(t, err);
	if (manager_job(m, id))
		return cfg_error_set(err, EALREADY, "job %llu has ended already", (unsigned long long)id);
	return cfg_error_set(err, ENOENT, "there is no job %llu", (unsigned long long)id);
}

void txns_step_aside(struct manager *m)
{
	for (struct txn *t = m->txns_first, *next; t; t = next) {
		next = t->next;
		if (t->waiting)
			txn_step_aside(t);
	}
}

static void detach(struct manager *m, struct txn *t)
{
	t->next = m->detached;
	if (t->next)
		t->next->prev = t;
	m->detached = t;
}

static void attach(struct manager *m, struct txn *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		m->detached = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

static void forget_ended(struct txn *t)
{
	t->remembered = false;
	if (!txn_is_detached(t))
		txn_free(t);
}

/* Ended transactions give up all but their report. */
static void remember_ended(struct manager *m, struct txn *t)
{
	size_t keep = m->settings->job_history ? m->settings->job_history : 1;
	struct txn **list;

	if (!txn_is_detached(t))
		txn_shed(t);
	if (m->n_ended >= keep) {
		forget_ended(m->ended[0]);
		memmove(m->ended, m->ended + 1, (m->n_ended - 1) * sizeof(*m->ended));
		m->n_ended--;
	}
	list = reallocarray(m->ended, m->n_ended + 1, sizeof(*list));
	if (!list) {
		forget_ended(t);
		return;
	}
	m->ended = list;
	m->ended[m->n_ended++] = t;
	t->remembered = true;
}

static void keep_by_time(struct manager *m, const struct txn *t)
{
	if (t->committed && t->changes.n && committer_due(m->committer))
		committer_keep(m->committer, "", NULL, NULL);
}

/* Something was left as it is: a start deals with it once what was in the way has come back, which may be so already. */
static void leave_to_start(struct manager *m, bool came_back)
{
	m->passed_by = true;
	m->came_back |= came_back;
	manager_stuck_changed(m);
}

void manager_txn_ended(struct manager *m, struct txn *t)
{
	request_done_fn done = t->done;

	keep_by_time(m, t);
	m->passed_by |= t->passed_by && !t->request.dry_run;
	if (t->job.act == ACT_START) {
		bool again = m->started;

		m->started = true;
		/* What was left alone since it looked into the ledger is not settled by it. */
		if (t->job.state == JOB_DONE && !m->passed_by && t->left_alone == m->left_alone)
			settle_ledger(m);
		if (m->observer.started && !again)
			m->observer.started(m->observer.userdata, &t->job);
	}
	if (m->observer.job_removed && t->job.act != ACT_DEBTS)
		m->observer.job_removed(m->observer.userdata, &t->job);
	txn_list_remove(m, t);
	t->done = NULL;
	if (done)
		done(t->done_userdata, &t->job);
	debts_update(m);
	if (t->worker_died && t->job.act != ACT_DEBTS)
		debts_retry(m);
	/* What has come back meanwhile does not come back once more; whom it could not read past does. */
	if (t->unsettled && !txn_is_detached(t))
		leave_to_start(m, !(t->read_stopped && pool_has_stuck(m->pool)));
	manager_notify_status(m);
	if (txn_is_detached(t))
		detach(m, t);
	if (t->job.act != ACT_DEBTS)
		remember_ended(m, t);
	else
		forget_ended(t);
	manager_wake(m);
}

void manager_txn_attached(struct manager *m, struct txn *t)
{
	if (!t->committed)
		leave_to_start(m, true);
	attach(m, t);
	if (t->remembered)
		txn_shed(t);
	else
		txn_free(t);
	/* What had to wait for it can go now. */
	debts_retry(m);
	debts_update(m);
	manager_notify_status(m);
	manager_wake(m);
}

int manager_jobs(const struct manager *m, const struct job ***ret, size_t *ret_n)
{
	const struct job **list = calloc(m->n_ended + m->n_txns + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_ended; i++)
		list[n++] = &m->ended[i]->job;
	for (struct txn *t = m->txns_first; t; t = t->next) {
		txn_update_wait(t);
		list[n++] = &t->job;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

const struct job *manager_job(const struct manager *m, uint64_t id)
{
	for (struct txn *t = m->txns_first; t; t = t->next)
		if (t->job.id == id) {
			txn_update_wait(t);
			return &t->job;
		}
	for (size_t i = 0; i < m->n_ended; i++)
		if (m->ended[i]->job.id == id)
			return &m->ended[i]->job;
	return NULL;
}

const struct tree *manager_wanted(const struct manager *m)
{
	return m->wanted;
}

uint64_t manager_generation(const struct manager *m)
{
	return m->generation;
}

int manager_save(struct manager *m, const char *label,
		 void (*done)(void *userdata, uint64_t generation, const struct cfg_error *err), void *userdata)
{
	return committer_keep(m->committer, label, done, userdata);
}

/* ---- the start ---- */

struct start {
	struct manager *m;
	struct oplist ops;
	struct work *work;
};

static void start_transaction(void *userdata, struct json_object *status, const struct cfg_error *err)
{
	struct manager *m = userdata;
	_cleanup_request_ struct request r = { .act = ACT_START };

	if (err) {
		_cleanup_error_ struct cfg_error copy = CFG_ERROR_NULL;

		cfg_error_copy(&copy, err);
		cfg_errors_take(&m->shouts, &copy);
	} else {
		marks_begin(m);
	}
	r.caller = strdup("nvmetd: start");
	m->begun = true;
	manager_request(m, &r, NULL, NULL, NULL, NULL);
	for (struct txn *t = m->txns_first; t; t = t->next)
		manager_go_later(m, t);
}

/* Whether the kernel loses references of namespaces that were disabled (kernel-abi 2.5): fixed somewhere between 6.12 and 7.3, so
 * everything older than 7 is taken to have it. The mark costs a slower removal, a wrong guess a namespace that stays exported. */
static bool release_leaks(const char *release)
{
	return !release || atoi(release) < 7;
}

static void on_system(void *userdata, const struct work_result *result)
{
	struct start *s = userdata;
	struct manager *m = s->m;

	if (result->error) {
		cfg_errors_add(&m->shouts, result->error, NULL, NULL, NULL, "the kernel's target cannot be used: %s",
			       result->message ? result->message : strerror(result->error));
	} else {
		const char *at = strstr(result->data[1], "release ");

		if (at)
			m->release = strndup(at + 8, strcspn(at + 8, "\n"));
	}
	m->leaks = release_leaks(m->release);
	oplist_done(&s->ops);
	free(s);
	if (manager_verify(m, start_transaction, m) < 0)
		start_transaction(m, NULL, NULL);
}

int manager_start(struct manager *m)
{
	struct start *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->m = m;
	pool_set_stuck_changed(m->pool, on_stuck_changed, m);
	r = held_begin(m);
	if (r >= 0)
		r = oplist_add(&s->ops, OP_LOAD_MODULE, 0, "nvmet", NULL, NULL, NULL);
	if (r >= 0)
		r = oplist_add(&s->ops, OP_SYSTEM, 0, "", NULL, NULL, NULL);
	/* That of a daemon that was killed. */
	if (r >= 0)
		r = oplist_add(&s->ops, OP_EXPEDITE, 0, "rcu_expedited", "0", NULL, NULL);
	if (r >= 0)
		r = pool_submit(m->pool, WORK_CHANGE, TOKEN_NONE, &s->ops, NULL, "load nvmet", on_system, s, &s->work);
	if (r < 0) {
		oplist_done(&s->ops);
		free(s);
	}
	return r;
}

bool manager_started(const struct manager *m)
{
	return m->started;
}

/* ---- life ---- */

int manager_new(sd_event *e, struct pool *pool, const struct settings *settings, const struct store_paths *paths,
		struct loaded *loaded, const struct observer *observer, struct manager **ret, struct cfg_error *err)
{
	struct manager *m = calloc(1, sizeof(*m));
	_cleanup_error_ struct cfg_error unusable = CFG_ERROR_NULL;
	int r;

	if (!m)
		return cfg_error_oom(err);
	m->ledger_fd = -1;
	m->event = sd_event_ref(e);
	m->pool = pool;
	m->settings = settings;
	m->paths = *paths;
	if (observer)
		m->observer = *observer;
	m->wanted = steal_ptr(loaded->tree);
	m->generation = m->first_generation = m->removed_known_from = loaded->generation;
	m->shouts = loaded->shouts;
	loaded->shouts = (struct cfg_errors){ 0 };
	m->removed = map_new();
	m->failed = map_new();
	m->actual = tree_new();
	m->ledger = ledger_new();
	m->claims = claims_new();
	r = m->wanted && m->removed && m->failed && m->actual && m->ledger && m->claims ? 0 : -ENOMEM;
	if (r >= 0)
		r = store_generations(paths, &m->generations, &m->n_generations, &m->shouts, &unusable);
	if (r >= 0)
		r = start_drop_invalid(m->wanted, &m->shouts);
	if (r >= 0)
		r = manager_ledger_open(m, &unusable);
	if (r >= 0)
		r = committer_new(m, &m->committer);
	if (r >= 0)
		r = connections_new(&m->connections);
	if (r >= 0)
		r = sd_event_add_defer(e, &m->wakeup, on_wakeup, m);
	if (r < 0) {
		manager_free(m);
		if (cfg_error_is_set(&unusable))
			cfg_error_move(err, &unusable);
		else
			cfg_error_set(err, -r, "the configuration cannot be used: %s", strerror(-r));
		return r;
	}
	sd_event_source_set_enabled(m->wakeup, SD_EVENT_OFF);
	*ret = m;
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	struct map_iter it = { 0 };

	if (!m)
		return NULL;
	while (m->txns_first) {
		struct txn *t = m->txns_first;

		txn_list_remove(m, t);
		txn_free(t);
	}
	shown_done(m);
	while (m->detached) {
		struct txn *t = m->detached;

		attach(m, t);
		if (!t->remembered)
			txn_free(t);
	}
	for (size_t i = 0; i < m->n_ended; i++)
		txn_free(m->ended[i]);
	free(m->ended);
	held_end(m);
	verifies_end(m);
	scans_end(m);
	debts_watch_free(m->debts_watch);
	committer_free(m->committer);
	connections_free(m->connections);
	while (m->failed && map_next(m->failed, &it))
		free(it.value);
	map_free(m->failed);
	map_free(m->removed);
	claims_free(m->claims);
	ledger_free(m->ledger);
	generations_free(m->generations, m->n_generations);
	differences_done(&m->drift);
	cfg_errors_done(&m->shouts);
	tree_free(m->wanted);
	tree_free(m->actual);
	free(m->release);
	close_fdp(&m->ledger_fd);
	sd_event_source_disable_unref(m->wakeup);
	sd_event_source_disable_unref(m->stop_timer);
	sd_event_unref(m->event);
	free(m);
	return NULL;
}

static void on_stop_folded(void *userdata)
{
	struct manager *m = userdata;
	void (*done)(void *) = m->stop_done;

	m->stop_done = NULL;
	if (done)
		done(m->stop_userdata);
}

static void check_stopped(struct manager *m)
{
	if (!m->stopping || (m->n_txns && !m->stop_anyway) || m->stop_folding)
		return;
	m->stop_folding = true;
	committer_fold(m->committer, on_stop_folded, m);
}

/* Who stops the service has less patience than status. */
static bool something_hangs(struct manager *m)
{
	_cleanup_strv_ char **held = NULL, **orphans = NULL;

	if (pool_has_stuck(m->pool))
		return true;
	return pool_held(m->pool, STOP_HUNG_USEC, &held, &orphans, NULL) >= 0 && strv_len(held) > strv_len(orphans);
}

/* What hangs in the kernel is not waited for: the ledger has it, and the next daemon deals with it. */
static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;

	if (!something_hangs(m))
		return sd_event_source_set_time_relative(source, STOP_USEC);
	m->stop_anyway = true;
	check_stopped(m);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int start_stop_timer(struct manager *m)
{
	int r = sd_event_add_time_relative(m->event, &m->stop_timer, CLOCK_MONOTONIC, STOP_USEC, 0, on_stop_timer, m);

	return r < 0 ? r : sd_event_source_set_enabled(m->stop_timer, SD_EVENT_ON);
}

int manager_stop(struct manager *m, void (*done)(void *userdata), void *userdata)
{
	m->stopping = true;
	m->stop_done = done;
	m->stop_userdata = userdata;
	/* One that ends by this is no longer in the list, nor may others be that were. */
	for (struct txn *t = m->txns_first; t;) {
		if (t->cancelled) {
			t = t->next;
			continue;
		}
		txn_cancel(t, NULL);
		t = m->txns_first;
	}
	manager_wake(m);
	return start_stop_timer(m);
}
