/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool's queues: what waits, in which order it is given out, and what keeps it. Workers are pool-process.c's, status and what an earlier daemon
 * left are pool-busy.c's. Every event (work comes, a result comes, a worker comes, ends or turns out to be stuck) ends in pool_dispatch().
 *
 * Work waits in one list for each class and token. Only heads are looked at; a head that is behind something stuck is parked, and comes back to
 * its place when something stuck has ended. So giving out costs the same however much waits.
 */
#include <errno.h>
#include <time.h>

#include "daemon/pool-private.h"

#define WATCHES_MAX 16

uint64_t pool_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void pool_set_fatal(struct pool *p, void (*fatal)(void *userdata), void *userdata)
{
	p->fatal = fatal;
	p->fatal_userdata = userdata;
}

void pool_set_stuck_changed(struct pool *p, void (*changed)(void *userdata, bool came_back), void *userdata)
{
	p->stuck_changed = changed;
	p->stuck_userdata = userdata;
}

void pool_tell_stuck(struct pool *p, bool came_back)
{
	if (p->stuck_changed)
		p->stuck_changed(p->stuck_userdata, came_back);
}

/* ---- lists ---- */

/* By number; what comes new goes to the end at once. */
static void list_insert(struct work_list *l, struct work *w)
{
	struct work *before = l->last;

	while (before && before->number > w->number)
		before = before->prev;
	w->prev = before;
	w->next = before ? before->next : l->first;
	if (w->prev)
		w->prev->next = w;
	else
		l->first = w;
	if (w->next)
		w->next->prev = w;
	else
		l->last = w;
	w->in = l;
}

static void list_remove(struct work *w)
{
	struct work_list *l = w->in;

	if (w->prev)
		w->prev->next = w->next;
	else
		l->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		l->last = w->prev;
	w->prev = w->next = NULL;
	w->in = NULL;
}

static bool starves(const struct pool_owner *o)
{
	return o->waiting && !o->running;
}

void pool_count_owner(const struct work *w, int waiting, int running)
{
	struct pool_owner *o = w->owner;

	if (!o)
		return;
	w->pool->starving -= starves(o);
	o->waiting += (unsigned)waiting;
	o->running += (unsigned)running;
	w->pool->starving += starves(o);
}

void pool_own(struct work *w, struct pool_owner *owner)
{
	w->owner = owner;
	pool_count_owner(w, 1, 0);
}

static void wait_in_line(struct work *w)
{
	struct class_state *c = &w->pool->classes[w->class];

	list_insert(&c->waiting[w->token], w);
	c->n_waiting++;
	pool_count_owner(w, 1, 0);
}

static void leave_line(struct work *w)
{
	if (w->in != &w->pool->parked) {
		w->pool->classes[w->class].n_waiting--;
		pool_count_owner(w, -1, 0);
	}
	list_remove(w);
}

static void park(struct work *w)
{
	leave_line(w);
	list_insert(&w->pool->parked, w);
}

void pool_unpark(struct pool *p)
{
	struct work *w;

	while ((w = p->parked.first)) {
		leave_line(w);
		wait_in_line(w);
	}
}

/* ---- what may start ---- */

/* Whether a stuck call, ours or an orphan's, would hold this one as well. */
static bool is_behind_stuck(const struct pool *p, const char *queue)
{
	if (!queue)
		return false;
	for (const struct process *w = p->processes; w; w = w->next)
		if (w->stuck && w->work->queue && streq(w->work->queue, queue))
			return true;
	for (const struct orphan *o = p->orphans; o; o = o->next)
		if (streq(o->queue, queue))
			return true;
	return false;
}

static struct work *head(struct pool *p, struct work_list *l)
{
	while (l->first && !pool_is_clear(p) && is_behind_stuck(p, l->first->queue))
		park(l->first);
	return l->first;
}

/* Tokens exclude each other, and the one that has waited longer is next; but nobody waits for one that waits for something stuck. */
static bool token_free(const struct pool *p, const struct work *mine, enum token other, const struct work *others)
{
	if (p->tokens[other])
		return false;
	return !others || others->number > mine->number || p->tokens_stuck[mine->token];
}

static struct work *older(struct work *a, struct work *b)
{
	return !a || (b && b->number < a->number) ? b : a;
}

static enum token other_token(const struct work *w)
{
	return w->token == TOKEN_PORTS ? TOKEN_HOSTS : TOKEN_PORTS;
}

/* All that its limits allow it is stuck. */
static bool is_shut(const struct class_state *c)
{
	return c->counted >= c->limit && c->stuck - c->replaced == c->counted;
}

/* Who waits longest for the other token may be of another class. */
static bool token_free_for(struct pool *p, const struct work *w)
{
	enum token other = other_token(w);
	struct work *longest = NULL;

	if (w->token == TOKEN_NONE)
		return true;
	for (size_t i = 0; i < CLASSES; i++)
		if (!is_shut(&p->classes[i]))
			longest = older(longest, head(p, &p->classes[i].waiting[other]));
	return token_free(p, w, other, longest);
}

static struct work *next_work(struct pool *p, enum work_class class)
{
	struct work *best = NULL;

	for (size_t k = 0; k < TOKEN_MAX; k++) {
		struct work *w = head(p, &p->classes[class].waiting[k]);

		if (w && token_free_for(p, w))
			best = older(best, w);
	}
	return best;
}

/* The first that waits of an owner that has no worker. Only when all are taken, and somebody is so: what waits may be much. */
static struct work *next_starving(struct pool *p, enum work_class class)
{
	struct class_state *c = &p->classes[class];
	struct work *best = NULL;

	if (!changes_kernel(class) || !p->starving || c->counted + c->replaced >= c->limit + p->settings.stuck_max)
		return NULL;
	for (size_t k = 0; k < TOKEN_MAX; k++) {
		struct work *w = c->waiting[k].first;

		while (w && !(w->owner && starves(w->owner) && token_free_for(p, w) && !is_behind_stuck(p, w->queue)))
			w = w->next;
		best = older(best, w);
	}
	return best;
}

/* Whether something of its owner's waits there that is behind nothing stuck. */
static bool gets_on(struct pool *p, const struct work_list *l, const struct pool_owner *o)
{
	for (const struct work *w = l->first; w; w = w->next)
		if (w->owner == o && !is_behind_stuck(p, w->queue) && (token_free_for(p, w) || !p->tokens_stuck[other_token(w)]))
			return true;
	return false;
}

bool pool_owner_hangs(struct pool *p, const struct pool_owner *o)
{
	if (o->running != o->stuck)
		return false;
	for (size_t i = 0; o->waiting && i < CLASSES; i++)
		for (size_t k = 0; !is_shut(&p->classes[i]) && k < TOKEN_MAX; k++)
			if (gets_on(p, &p->classes[i].waiting[k], o))
				return false;
	return true;
}

/* ---- giving out ---- */

/* When the loop turns: what is submitted together is given out together, and done is never called from within pool_submit(). */
static void dispatch_later(struct pool *p)
{
	sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
}

void pool_ended(struct work *w, const struct work_result *result)
{
	w->done(w->userdata, result);
	/* Now that what comes after it has come. */
	expedite_go(w);
	free(w);
}

void pool_refuse(struct work *w, int error, const char *message)
{
	_cleanup_free_ char *copy = message ? strdup(message) : NULL;
	struct work_result result = { .error = error, .message = copy };

	pool_ended(w, &result);
}

/* False: there is no worker for it. */
static bool start(struct pool *p, struct work *w)
{
	struct process *process;
	int r = -EPIPE;

	/* One that turns out to be dead has read nothing, so that another can have the work. */
	while (r == -EPIPE && (process = process_idle(p)))
		r = process_give(process, w);
	if (r == -EPIPE)
		return false;
	leave_line(w);
	/* It may have been what kept the other token waiting. */
	if (r < 0)
		dispatch_later(p);
	if (r == -EMSGSIZE)
		pool_refuse(w, EMSGSIZE, "the step is too large to be handed to a worker");
	else if (r < 0)
		pool_refuse(w, -r, NULL);
	return true;
}

/* Returns how many workers are lacking. */
static unsigned dispatch_class(struct pool *p, enum work_class class)
{
	struct class_state *c = &p->classes[class];
	struct work *w;

	while (c->counted < c->limit && (w = next_work(p, class)))
		if (!start(p, w))
			return c->n_waiting < c->limit - c->counted ? (unsigned)c->n_waiting : c->limit - c->counted;
	while ((w = next_starving(p, class)))
		if (!start(p, w))
			return 1;
	return 0;
}

void pool_dispatch(struct pool *p)
{
	struct work *change = next_work(p, WORK_CHANGE), *removal = next_work(p, WORK_REMOVE);
	bool removals_first = removal && older(change, removal) == removal;
	/* State first: commits wait for nothing else. Workers may be too few for all that limits allow: then age counts. */
	const enum work_class order[] = {
		WORK_STATE, WORK_READ, removals_first ? WORK_REMOVE : WORK_CHANGE, removals_first ? WORK_CHANGE : WORK_REMOVE, WORK_WATCH,
	};
	unsigned lacking = 0;

	_Static_assert(ARRAY_SIZE(order) == CLASSES, "each class has its turn");
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		lacking += dispatch_class(p, order[i]);
	process_want(p, lacking);
}

void pool_refuse_waiting(struct pool *p, int error, bool page)
{
	_cleanup_free_ char *message =
		page ? strf("no worker can be had, since its file in %s/workers cannot be made: %s", p->settings.run_dir, strerror(error)) :
		       strf("no worker process can be made: %s", strerror(error));

	for (size_t i = 0; i < CLASSES; i++) {
		struct class_state *c = &p->classes[i];
		struct work *w;

		while (c->counted < c->limit && (w = next_work(p, i))) {
			leave_line(w);
			pool_refuse(w, error, message);
		}
	}
}

static int on_defer(sd_event_source *source, void *userdata)
{
	pool_dispatch(userdata);
	return 0;
}

int pool_submit(struct pool *p, enum work_class class, enum token token, const struct oplist *ops, const char *queue,
		const char *label, work_done_fn done, void *userdata, struct work **ret)
{
	struct work *w;

	if (token != TOKEN_NONE && !changes_kernel(class))
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct work){ .pool = p, .number = ++p->number, .class = class, .token = token, .ops = ops, .queue = queue,
			    .label = label, .done = done, .userdata = userdata };
	wait_in_line(w);
	expedite_come(w);
	dispatch_later(p);
	if (ret)
		*ret = w;
	return 0;
}

bool pool_has_stuck(const struct pool *p)
{
	return p->n_stuck;
}

bool pool_is_clear(const struct pool *p)
{
	return !p->n_stuck && !p->orphans;
}

bool work_is_stuck(const struct work *w)
{
	return w->process && w->process->stuck;
}

int pool_cancel(struct pool *p, struct work *w)
{
	if (w->process) {
		if (w->class == WORK_WATCH && !w->cancelled) {
			w->cancelled = true;
			process_break(w->process);
		}
		return 0;
	}
	leave_line(w);
	/* It may have been what kept the other token waiting. */
	dispatch_later(p);
	pool_refuse(w, ECANCELED, NULL);
	return 1;
}

/* ---- life ---- */

int pool_new(sd_event *e, int forkserver_fd, const struct pool_settings *s, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->event = sd_event_ref(e);
	p->settings = *s;
	p->server = forkserver_fd;
	p->classes[WORK_CHANGE].limit = s->workers ? s->workers : 1;
	p->classes[WORK_REMOVE].limit = s->removers ? s->removers : 1;
	p->classes[WORK_READ].limit = s->readers ? s->readers : 1;
	p->classes[WORK_STATE].limit = 1;
	p->classes[WORK_WATCH].limit = WATCHES_MAX;
	r = sd_event_add_defer(e, &p->defer, on_defer, p);
	if (r >= 0)
		r = expedite_init(p);
	if (r >= 0)
		r = process_init(p);
	if (r >= 0)
		r = orphans_find(p);
	if (r < 0) {
		pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static void forget_work(struct work_list *l)
{
	struct work *w;

	while ((w = l->first)) {
		list_remove(w);
		free(w);
	}
}

static void forget_process(struct process *w)
{
	/* The file of one that works is for the next daemon to find. */
	if (!w->work)
		process_remove_page(w->pool, w->pid);
	free(w->work);
	process_free(w);
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	while (p->processes)
		forget_process(p->processes);
	for (size_t i = 0; i < CLASSES; i++)
		for (size_t k = 0; k < TOKEN_MAX; k++)
			forget_work(&p->classes[i].waiting[k]);
	forget_work(&p->parked);
	expedite_done(p);
	while (p->orphans)
		orphan_free(p->orphans);
	sd_event_source_disable_unref(p->server_io);
	sd_event_source_disable_unref(p->stuck_timer);
	sd_event_source_disable_unref(p->idle_timer);
	sd_event_source_disable_unref(p->defer);
	close_fdp(&p->server);
	sd_event_unref(p->event);
	free(p);
	return NULL;
}
