/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers are in that do not come back. What those of an earlier daemon are in counts as claimed, until the kernel lets them go: as by a
 * job that nobody sees. Who reads, starts or repairs the whole passes by all of it, and a start is done again when some of it has come back; who
 * clears leaves it behind, and owes it; who is cancelled leaves it to that start.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "daemon/transaction.h"
#include "kernel/element.h"

struct held {
	struct held *next;
	char *element;
	struct claim_set claims;
};

/* "subsystems/S", "targets/FABRIC/WWN": what hangs in a part of it may hold all of it. */
static char *top_of(const char *element)
{
	const char *end = element + strcspn(element, "/");

	for (unsigned more = strncmp(element, "targets/", 8) == 0 ? 2 : 1; more && *end; more--)
		end += 1 + strcspn(end + 1, "/");
	return strndup(element, (size_t)(end - element));
}

/* Elements, and what they are part of: however many there are, looking costs the same. */
struct cover {
	struct map *elements, *tops;
};

static void cover_done(struct cover *c)
{
	map_free(c->elements);
	map_free(c->tops);
}

static int cover_init(struct cover *c, char *const *elements)
{
	int r;

	*c = (struct cover){ .elements = map_new(), .tops = map_new() };
	r = c->elements && c->tops ? 0 : -ENOMEM;
	for (; r >= 0 && elements && *elements; elements++) {
		_cleanup_element_ struct element e = { 0 };
		_cleanup_free_ char *top = NULL;

		r = map_put(c->elements, *elements, c);
		/* An edge is a link, and its ends are free. */
		if (r < 0 || element_parse(*elements, &e) < 0 || e.edge)
			continue;
		top = top_of(*elements);
		r = top ? map_put(c->tops, top, c) : -ENOMEM;
	}
	if (r < 0)
		cover_done(c);
	return r;
}

/* 1, 0 or -ENOMEM. */
static int is_within(const struct map *tops, const char *path)
{
	_cleanup_free_ char *at = strdup(path);

	while (at) {
		char *end = strrchr(at, '/');

		if (map_get(tops, at))
			return 1;
		if (!end)
			return 0;
		*end = 0;
	}
	return -ENOMEM;
}

/* 1, 0 or -ENOMEM. far: a link from elsewhere belongs to what it leads to as well. */
static int cover_has(const struct cover *c, const char *element, bool far)
{
	_cleanup_element_ struct element e = { 0 };
	int r;

	if (map_get(c->elements, element))
		return 1;
	if (element_parse(element, &e) < 0)
		return 0;
	r = is_within(c->tops, element);
	return r || !far || !e.edge ? r : is_within(c->tops, e.far);
}

/* Takes out of a list what is covered; ret_dropped, which may be NULL, gets it. */
static int drop_covered(char *const *elements, bool far, char **list, char ***ret_dropped)
{
	struct cover c;
	size_t kept = 0;
	int r = list ? cover_init(&c, elements) : 0;

	if (r < 0 || !list)
		return r;
	for (char **e = list; *e; e++) {
		int covered = r >= 0 && **e ? cover_has(&c, *e, far) : 0;

		if (covered < 0)
			r = covered;
		if (covered <= 0) {
			list[kept++] = *e;
			continue;
		}
		if (ret_dropped)
			r = strv_append(ret_dropped, *e);
		free(*e);
	}
	list[kept] = NULL;
	cover_done(&c);
	return r;
}

int held_drop(char *const *elements, char **list)
{
	return drop_covered(elements, true, list, NULL);
}

int held_leave_out(char *const *elements, struct scope *s, bool *ret_any)
{
	size_t n = strv_len(s->elements);
	int r = held_drop(elements, s->elements);

	*ret_any = strv_len(s->elements) < n;
	return r < 0 ? r : held_drop(elements, s->folders);
}

/* ---- what is passed by, or left behind ---- */

/* An earlier daemon's worker, or a job of which a worker is stuck. */
bool held_stands(const void *userdata)
{
	const struct txn *t = userdata;

	return !t || t->run.owner.stuck || t->back_run.owner.stuck;
}

/* In what it removes, or has left: what is wanted matters to it no more. */
static bool stands_past_commit(const void *userdata)
{
	const struct txn *t = userdata;

	return held_stands(t) && (!t || t->committed || t->job.ended_usec);
}

static int add_to_be_removed(const struct txn *t, char ***elements)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->plan.n; i++) {
		enum step_state state = run_state(&t->run, i);

		if (t->plan.steps[i]->phase == PHASE_REMOVE && (state == STEP_RUNNING || state == STEP_WAITING))
			r = strv_append(elements, t->plan.steps[i]->object);
	}
	return r;
}

/* What is stuck, and what else jobs of which a worker is have begun, or have still to remove: that is left to them. */
static int stuck_elements(const struct manager *m, bool undecided, char ***ret)
{
	int r = pool_held(m->pool, HELD_STUCK, ret, NULL, NULL);

	for (const struct txn *t = m->txns_first; r >= 0 && t; t = t->next) {
		if (stands_past_commit(t))
			r = add_to_be_removed(t, ret);
		else if (undecided && held_stands(t))
			r = strv_extend(ret, t->scope.elements);
	}
	for (const struct txn *t = m->detached; r >= 0 && t; t = t->next) {
		r = t->committed ? add_to_be_removed(t, ret) : 0;
		if (r >= 0)
			r = strv_extend(ret, t->unsettled);
	}
	return r;
}

int held_pass_by(const struct manager *m, struct scope *s, bool *ret_any)
{
	_cleanup_strv_ char **held = NULL;
	int r = stuck_elements(m, true, &held);

	return r < 0 ? r : held_leave_out(held, s, ret_any);
}

int held_leave_behind(const struct manager *m, struct scope *s, char ***ret)
{
	_cleanup_strv_ char **held = NULL;
	int r = stuck_elements(m, false, &held);

	*ret = strv_free(*ret);
	/* Links from elsewhere can go, and then nobody comes that way any more. */
	if (r >= 0)
		r = drop_covered(held, false, s->elements, ret);
	return r < 0 ? r : drop_covered(held, false, s->folders, NULL);
}

int held_leave_to_start(const struct manager *m, char *const *own, struct scope *s, char ***ret)
{
	_cleanup_strv_ char **held = NULL;
	int r = pool_held(m->pool, HELD_STUCK, &held, NULL, NULL);

	if (r >= 0)
		r = strv_extend(&held, own);
	if (r >= 0)
		r = strv_extend(ret, own);
	if (r >= 0)
		r = drop_covered(held, true, s->elements, ret);
	if (r >= 0)
		r = drop_covered(held, true, s->folders, NULL);
	strv_sort_unique(*ret);
	return r;
}

int held_warn(char *const *names, char ***warnings)
{
	int r = 0;

	for (; r >= 0 && names && *names; names++) {
		_cleanup_free_ char *text = strf("%s: the kernel does not come back from a call; what belongs to it is left as it is until then", *names);

		if (!text || !strv_contains(*warnings, text))
			r = text ? strv_append(warnings, text) : -ENOMEM;
	}
	return r;
}

void held_yield(const struct manager *m, bool undecided, char **keys)
{
	size_t kept = 0;

	for (char **k = keys; k && *k; k++) {
		if (claims_held_by(m->claims, *k + 2, undecided ? held_stands : stands_past_commit))
			free(*k);
		else
			keys[kept++] = *k;
	}
	if (keys)
		keys[kept] = NULL;
}

/* ---- claims of an earlier daemon's workers ---- */

static struct held *held_free(struct held *h)
{
	if (h) {
		claims_release_all(&h->claims);
		free(h->element);
		free(h);
	}
	return NULL;
}

static int add_key(char ***keys, const char *mode, const char *path)
{
	_cleanup_free_ char *key = strf("%s%s", mode, path);

	return key ? strv_append(keys, key) : -ENOMEM;
}

/* Its existence, and that of all that it is part of: whoever changes a neighbour shares that. */
static int keys_of(const char *text, char ***ret)
{
	_cleanup_element_ struct element e = { 0 };
	_cleanup_free_ char *path = strdup(text);
	int r = path ? 0 : -ENOMEM;

	if (element_parse(text, &e) < 0)
		return 0;
	if (e.edge) {
		r = add_key(ret, "x ", text);
		if (r >= 0)
			r = add_key(ret, "s =", e.object);
		return r < 0 ? r : add_key(ret, "s =", e.far);
	}
	while (r >= 0 && strchr(path, '/')) {
		char *parent = path_parent(path);

		r = parent ? add_key(ret, "x =", path) : -ENOMEM;
		free(path);
		path = parent;
	}
	return r;
}

static int claim(struct manager *m, const char *element)
{
	_cleanup_strv_ char **keys = NULL;
	struct held *h = calloc(1, sizeof(*h));
	int r = h ? keys_of(element, &keys) : -ENOMEM;

	if (r >= 0) {
		h->element = strdup(element);
		r = h->element ? 0 : -ENOMEM;
	}
	if (r >= 0 && keys)
		r = claims_enter(m->claims, &h->claims, keys, NULL);
	if (r < 0) {
		if (h)
			free(h->element);
		free(h);
		return r;
	}
	if (keys)
		claims_take_turn(&h->claims);
	h->next = m->held;
	m->held = h;
	return 0;
}

int held_begin(struct manager *m)
{
	_cleanup_strv_ char **orphans = NULL;
	int r = pool_held(m->pool, HELD_USEC, NULL, &orphans, NULL);

	for (char **o = orphans; r >= 0 && o && *o; o++)
		r = claim(m, *o);
	return r;
}

void held_end(struct manager *m)
{
	while (m->held) {
		struct held *h = m->held;

		m->held = h->next;
		held_free(h);
	}
}

static void release_gone(struct manager *m)
{
	_cleanup_strv_ char **orphans = NULL;
	struct held **at = &m->held;

	if (pool_held(m->pool, HELD_USEC, NULL, &orphans, NULL) < 0)
		return;
	while (*at) {
		struct held *h = *at;

		if (strv_contains(orphans, h->element)) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		held_free(h);
	}
}

static void start_again(struct manager *m)
{
	_cleanup_request_ struct request r = { .act = ACT_START };

	r.caller = strdup("nvmetd: what was left alone");
	if (manager_request(m, &r, NULL, NULL, NULL, NULL) >= 0)
		m->passed_by = false;
}

void held_changed(struct manager *m)
{
	bool came_back = m->came_back;

	m->stuck_changed = m->came_back = false;
	release_gone(m);
	if (!m->stopping) {
		for (struct txn *t = m->txns_first, *next; t; t = next) {
			next = t->next;
			txn_leave_stuck(t);
		}
		verify_again(m);
		txns_step_aside(m);
		if (came_back && m->passed_by)
			start_again(m);
		if (came_back)
			debts_retry(m);
	}
	manager_notify_status(m);
}
