/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes a plan: keeps for each step how many it still waits for, hands it to the pool when that is none, and walks on from
 * what ends. Decides nothing about what a failure means; that is the transaction's business.
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
	struct work *work;
	size_t unmet;		/* dependencies not yet done */
	size_t *next;		/* steps that depend on this one */
	size_t n_next;
	char *label;
	struct run_step *older, *newer;		/* that run as well */
};

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
		if (asprintf(&r->steps[i].label, "%s: %s", plan->steps[i]->object, plan->steps[i]->summary) < 0) {
			r->steps[i].label = NULL;
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
		if (r->steps[i].state == STEP_RUNNING && r->steps[i].work)
			pool_cancel(r->pool, r->steps[i].work);
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

static int submit(struct run *r, struct run_step *s);

/* What is to be removed is gone when a worker finds it so: whatever the one that died had done, another one can do the rest. */
static bool again(struct run *r, struct run_step *s, const struct work_result *result)
{
	if (!result->died || s->died || s->step->phase != PHASE_REMOVE)
		return false;
	s->died = true;
	return submit(r, s) >= 0;
}

static void on_work_done(void *userdata, const struct work_result *result)
{
	struct run_step *s = userdata;
	struct run *r = s->run;

	s->work = NULL;
	if (again(r, s, result))
		return;
	leave_running(r, s);
	s->operations = result->died ? s->step->ops.n : result->done;
	s->touched = may_have_changed(s->step, result);
	r->operations += result->done;
	r->busy++;
	if (result->error == ECANCELED && result->done == 0 && r->stopping)
		s->state = STEP_SKIPPED;
	else if (result->error)
		step_failed(r, s, result);
	else
		step_done(r, s, result);
	r->busy--;
	check_finished(r);
}

static int submit(struct run *r, struct run_step *s)
{
	int ret = pool_submit(r->pool, WORK_CHANGE, s->step->token, &s->step->ops, s->step->queue, s->label, on_work_done, s, &s->work);

	if (ret >= 0)
		pool_own(s->work, &r->owner);
	return ret;
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
	if (ret >= 0)
		ret = submit(r, s);
	if (ret < 0) {
		struct work_result result = { .error = -ret, .message = err.msg };

		leave_running(r, s);
		step_failed(r, s, &result);
	}
}

void run_start(struct run *r, unsigned phases)
{
	r->phases = phases;
	r->busy++;
	for (size_t i = 0; i < r->plan->n; i++)
		launch_step(r, &r->steps[i]);
	r->busy--;
	check_finished(r);
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

const struct step *run_current(const struct run *r)
{
	return r->oldest ? r->oldest->step : NULL;
}
