/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes a plan: keeps for each step how many it still waits for, hands it to the pool when that is none, and walks on from
 * what ends. Decides nothing about what a failure means; that is the transaction's business.
 *
 * Of a large plan, brief steps that may run at the same time go to a worker together: what carries a step there and back costs more than they do.
 */
#include "daemon/run.h"

#include <errno.h>

struct run_step {
	struct run *run;
	const struct step *step;
	enum step_state state;
	bool touched;
	size_t operations;	/* that were done, or may have been */
	bool died;		/* one worker at it already */
	struct errand *errand;	/* that it is on; NULL: none yet, or no more */
	struct run_step *gathered;	/* the next one of those that are to go together */
	size_t unmet;		/* dependencies not yet done */
	size_t *next;		/* steps that depend on this one */
	size_t n_next;
	char *label;
	struct run_step *older, *newer;		/* that run as well */
};

/* Steps that one worker does, one after the other, up to the first operation that fails. */
struct errand {
	struct run *run;
	struct work *work;
	struct oplist ops;	/* of several steps; strings are theirs */
	size_t n;
	struct run_step *steps[];
};

#define ERRAND_MAX 16
#define ERRAND_PER 50		/* a step more for each so many steps of the plan */

static struct errand *errand_free(struct errand *e)
{
	for (size_t i = 0; i < e->n; i++)
		e->steps[i]->errand = NULL;
	free(e->ops.items);
	free(e);
	return NULL;
}

enum step_state run_state(const struct run *r, size_t step)
{
	return r->steps[step].state;
}

bool run_touched(const struct run *r, size_t step)
{
	return r->steps[step].touched;
}

static int link_dependents(struct run *r)
{
	for (size_t i = 0; i < r->plan->n; i++) {
		const struct step *s = r->plan->steps[i];

		for (size_t d = 0; d < s->n_deps; d++) {
			struct run_step *before = &r->steps[s->deps[d]];
			size_t *next = reallocarray(before->next, before->n_next + 1, sizeof(*next));

			if (!next)
				return -ENOMEM;
			before->next = next;
			before->next[before->n_next++] = i;
		}
		r->steps[i].unmet = s->n_deps;
	}
	return 0;
}

int run_init(struct run *r, struct pool *pool, const struct plan *plan, bool isolate, const struct run_callbacks *callbacks,
	     void *userdata)
{
	*r = (struct run){
		.pool = pool,
		.plan = plan,
		.callbacks = callbacks,
		.userdata = userdata,
		.isolate = isolate,
	};
	r->steps = calloc(plan->n ? plan->n : 1, sizeof(*r->steps));
	if (!r->steps)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n; i++) {
		r->steps[i].run = r;
		r->steps[i].step = plan->steps[i];
		r->steps[i].label = strjoin(plan->steps[i]->object, ": ", plan->steps[i]->summary, NULL);
		if (!r->steps[i].label) {
			run_done(r);
			return -ENOMEM;
		}
	}
	if (link_dependents(r) < 0) {
		run_done(r);
		return -ENOMEM;
	}
	return 0;
}

void run_done(struct run *r)
{
	if (!r->steps)
		return;
	for (size_t i = 0; i < r->plan->n; i++) {
		if (r->steps[i].errand)
			errand_free(r->steps[i].errand);
		free(r->steps[i].next);
		free(r->steps[i].label);
	}
	free(r->steps);
	*r = (struct run){ 0 };
}

static void launch_step(struct run *r, struct run_step *s);

/* What needs it cannot run any more; what only waited for its end can. */
static void skip_dependents(struct run *r, size_t step)
{
	for (size_t i = 0; i < r->steps[step].n_next; i++) {
		struct run_step *s = &r->steps[r->steps[step].next[i]];

		if (s->state != STEP_WAITING)
			continue;
		if (!step_needs(s->step, r->steps[step].step)) {
			s->unmet--;
			launch_step(r, s);
			continue;
		}
		s->state = STEP_SKIPPED;
		skip_dependents(r, r->steps[step].next[i]);
	}
}

void run_block(struct run *r, size_t step)
{
	if (r->steps[step].state != STEP_WAITING)
		return;
	r->steps[step].state = STEP_BLOCKED;
	skip_dependents(r, step);
}

static void stop_queued(struct run *r)
{
	for (size_t i = 0; i < r->plan->n; i++)
		if (r->steps[i].state == STEP_RUNNING && r->steps[i].errand)
			pool_cancel(r->pool, r->steps[i].errand->work);
}

static void step_failed(struct run *r, struct run_step *s, const struct work_result *result)
{
	bool first = !r->stopping && !r->isolate;

	s->state = STEP_FAILED;
	r->failed++;
	r->stopping |= first;
	skip_dependents(r, s->step->index);
	r->callbacks->ended(r->userdata, s->step, result);
	if (first)
		stop_queued(r);
}

static void step_done(struct run *r, struct run_step *s, const struct work_result *result)
{
	s->state = STEP_DONE;
	r->done++;
	if (s->step->ops.n)
		r->callbacks->ended(r->userdata, s->step, result);
	for (size_t i = 0; i < s->n_next; i++) {
		struct run_step *next = &r->steps[s->next[i]];

		next->unmet--;
		launch_step(r, next);
	}
}

size_t run_operations(const struct run *r, size_t step)
{
	return r->steps[step].operations;
}

/* A value that was written and read back as another one has been written. */
static bool may_have_changed(const struct step *s, const struct work_result *result)
{
	return result->done || result->died || (result->error && s->ops.items[0].flags & OP_CHECK_BACK);
}

/* Last thing that any entry point does: the run may be gone when finished() returns. */
static void check_finished(struct run *r)
{
	if (r->running || r->busy || !r->phases)
		return;
	r->phases = 0;
	r->callbacks->finished(r->userdata);
}

static void enter_running(struct run *r, struct run_step *s)
{
	s->older = r->newest;
	s->newer = NULL;
	*(s->older ? &s->older->newer : &r->oldest) = s;
	r->newest = s;
	r->running++;
}

static void leave_running(struct run *r, struct run_step *s)
{
	*(s->older ? &s->older->newer : &r->oldest) = s->newer;
	*(s->newer ? &s->newer->older : &r->newest) = s->older;
	r->running--;
}

/* ---- errands ---- */

static void on_work_done(void *userdata, const struct work_result *result);

/* Steps of several folders are behind none, see errand_size(). */
static const char *queue_of(const struct errand *e)
{
	const char *queue = e->steps[0]->step->queue;

	for (size_t i = 1; i < e->n; i++)
		if (!streq_ptr(e->steps[i]->step->queue, queue))
			return NULL;
	return queue;
}

/* A way back removes and makes in one go, in an order of its own. */
static enum work_class class_of(const struct run *r)
{
	return r->phases == 1u << PHASE_REMOVE ? WORK_REMOVE : WORK_CHANGE;
}

static int submit(struct errand *e)
{
	const struct run_step *first = e->steps[0];
	int r = pool_submit(e->run->pool, class_of(e->run), first->step->token, e->n > 1 ? &e->ops : &first->step->ops, queue_of(e),
			    first->label, on_work_done, e, &e->work);

	if (r >= 0)
		pool_own(e->work, &e->run->owner);
	return r;
}

static int put_together(struct errand *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		n += e->steps[i]->step->ops.n;
	e->ops.items = calloc(n, sizeof(*e->ops.items));
	if (!e->ops.items)
		return -ENOMEM;
	for (size_t i = 0; i < e->n; i++) {
		const struct oplist *ops = &e->steps[i]->step->ops;

		memcpy(e->ops.items + e->ops.n, ops->items, ops->n * sizeof(*ops->items));
		e->ops.n += ops->n;
	}
	return 0;
}

static void could_not_start(struct run *r, struct run_step *s, int error, const char *message)
{
	struct work_result result = { .error = error, .message = (char *)message };

	leave_running(r, s);
	step_failed(r, s, &result);
}

/* Sends the first n of a list of gathered steps. */
static void send_errand(struct run *r, struct run_step *first, size_t n)
{
	struct errand *e = malloc(sizeof(*e) + n * sizeof(*e->steps));
	struct run_step *s = first;
	int ret = e ? 0 : -ENOMEM;

	if (e) {
		*e = (struct errand){ .run = r, .n = n };
		for (size_t i = 0; i < n; i++, s = s->gathered) {
			e->steps[i] = s;
			s->errand = e;
		}
		if (n > 1)
			ret = put_together(e);
	}
	if (ret >= 0)
		ret = submit(e);
	if (ret >= 0)
		return;
	if (e)
		errand_free(e);
	for (s = first; n--; s = first) {
		first = s->gathered;
		could_not_start(r, s, -ret, NULL);
	}
}

/* Beside what is stuck each goes alone: none shall be held up because another one is behind that. */
static size_t errand_size(const struct run *r)
{
	size_t n = pool_is_clear(r->pool) ? r->plan->n / ERRAND_PER : 1;

	return n < 1 ? 1 : n < ERRAND_MAX ? n : ERRAND_MAX;
}

static void gather(struct run *r, struct run_step *s)
{
	s->gathered = NULL;
	*(r->gathered_last ? &r->gathered_last->gathered : &r->gathered) = s;
	r->gathered_last = s;
}

/* What has become ready in one go and is brief goes together, a token by itself. */
static void send_gathered(struct run *r)
{
	size_t most = errand_size(r);

	while (r->gathered) {
		struct run_step *first = r->gathered, *s = first;
		size_t n = 0;

		for (; s && n < most && s->step->token == first->step->token; s = s->gathered)
			n++;
		r->gathered = s;
		if (!s)
			r->gathered_last = NULL;
		if (!r->stopping) {
			send_errand(r, first, n);
			continue;
		}
		for (s = first; n--; s = s->gathered) {
			leave_running(r, s);
			s->state = STEP_SKIPPED;
		}
	}
}

/* Each entry point ends with it: the run may be gone when it returns. */
static void leave(struct run *r)
{
	if (r->busy == 1)
		send_gathered(r);
	r->busy--;
	check_finished(r);
}

/* What is to be removed is gone when a worker finds it so: whatever the one that died had done, another one can do the rest. */
static bool again(struct errand *e, const struct work_result *result)
{
	struct run_step *s = e->steps[0];

	if (!result->died || s->died || s->step->phase != PHASE_REMOVE)
		return false;
	s->died = true;
	return submit(e) >= 0;
}

static void step_ended(struct run *r, struct run_step *s, const struct work_result *result)
{
	leave_running(r, s);
	s->operations = result->died ? s->step->ops.n : result->done;
	s->touched = may_have_changed(s->step, result);
	r->operations += result->done;
	if (result->error == ECANCELED && result->done == 0 && r->stopping)
		s->state = STEP_SKIPPED;
	else if (result->error)
		step_failed(r, s, result);
	else
		step_done(r, s, result);
}

/* It was to go behind one that failed, which is not its fault. */
static void not_begun(struct run *r, struct run_step *s)
{
	leave_running(r, s);
	s->state = r->stopping ? STEP_SKIPPED : STEP_WAITING;
	launch_step(r, s);
}

static void on_work_done(void *userdata, const struct work_result *result)
{
	struct errand *e = userdata;
	struct run *r = e->run;
	size_t before = 0;

	if (again(e, result))
		return;
	r->busy++;
	for (size_t i = 0; i < e->n; i++)
		e->steps[i]->errand = NULL;
	for (size_t i = 0; i < e->n; i++) {
		struct run_step *s = e->steps[i];
		size_t n = s->step->ops.n, done = result->done > before ? result->done - before : 0;
		struct work_result own = { .done = done < n ? done : n, .data = result->data ? result->data + before : NULL };

		if (result->done < before && !result->died) {
			not_begun(r, s);
			continue;
		}
		if (done < n) {
			own.error = result->error;
			own.message = result->message;
			own.died = result->died;
		}
		before += n;
		step_ended(r, s, &own);
	}
	errand_free(e);
	leave(r);
}

static void launch_step(struct run *r, struct run_step *s)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int ret;

	if (r->stopping || s->state != STEP_WAITING || s->unmet || !(r->phases & (1u << s->step->phase)))
		return;
	/* A barrier: nothing to do but to be passed. */
	if (!s->step->ops.n) {
		struct work_result nothing = { 0 };

		step_done(r, s, &nothing);
		return;
	}
	s->state = STEP_RUNNING;
	enter_running(r, s);
	ret = r->callbacks->starting(r->userdata, s->step, &err);
	if (ret < 0)
		could_not_start(r, s, -ret, err.msg);
	else if (s->step->brief)
		gather(r, s);
	else
		send_errand(r, s, 1);
}

void run_start(struct run *r, unsigned phases)
{
	r->phases = phases;
	r->busy++;
	for (size_t i = 0; i < r->plan->n; i++)
		launch_step(r, &r->steps[i]);
	leave(r);
}

bool run_stop(struct run *r)
{
	r->stopping = true;
	r->busy++;
	stop_queued(r);
	r->busy--;
	if (r->running)
		return true;
	check_finished(r);
	return false;
}

bool run_hangs(const struct run *r)
{
	return r->running && pool_owner_hangs(r->pool, &r->owner);
}

const char *run_current(const struct run *r)
{
	return r->oldest ? r->oldest->label : "";
}
