/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: steps, and the passes that make them ready to run. plan_finish() is the list of passes: keys become edges; removals that something
 * new waits for move into the switch; what waits for the switch belongs to it; what disturbs hosts waits until all is built; order; hash.
 */
#include "plan/plan.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"

static const char *const phases[] = { [PHASE_BUILD] = "build", [PHASE_SWITCH] = "switch", [PHASE_REMOVE] = "remove" };
_Static_assert(ARRAY_SIZE(phases) == PHASE_MAX, "each phase has a name");

const char *phase_to_str(enum phase p)
{
	return phases[p];
}

static struct step *step_free(struct step *s)
{
	if (!s)
		return NULL;
	free(s->object);
	free(s->summary);
	oplist_done(&s->ops);
	strv_free(s->after);
	strv_free(s->gives);
	strv_free(s->affects);
	free(s->deps);
	free(s->queue);
	free(s);
	return NULL;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		step_free(p->steps[i]);
	free(p->steps);
	*p = (struct plan){ 0 };
}

struct step *plan_step(struct plan *p, enum phase phase, const char *object, const char *summary)
{
	struct step *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->phase = phase;
	s->index = p->n;
	s->object = strdup(object);
	s->summary = strdup(summary);
	if ((p->n & (p->n - 1)) == 0) {
		struct step **steps = reallocarray(p->steps, p->n ? 2 * p->n : 1, sizeof(*steps));

		if (!steps) {
			step_free(s);
			return NULL;
		}
		p->steps = steps;
	}
	if (!s->object || !s->summary)
		return step_free(s);
	p->steps[p->n++] = s;
	return s;
}

int step_op(struct step *s, enum op_verb verb, unsigned flags, const char *path, const char *value, const char *attr)
{
	return oplist_add(&s->ops, verb, flags, path, value, s->object, attr);
}

#define append_formatted(list, fmt)				\
	({							\
		_cleanup_free_ char *_text = NULL;		\
		va_list _ap;					\
		int _n;						\
								\
		va_start(_ap, fmt);				\
		_n = vasprintf(&_text, fmt, _ap);		\
		va_end(_ap);					\
		if (_n < 0)					\
			_text = NULL;				\
		_text ? strv_append(list, _text) : -ENOMEM;	\
	})

int step_after(struct step *s, const char *fmt, ...)
{
	return append_formatted(&s->after, fmt);
}

int step_gives(struct step *s, const char *fmt, ...)
{
	return append_formatted(&s->gives, fmt);
}

int step_affects(struct step *s, const char *fmt, ...)
{
	return append_formatted(&s->affects, fmt);
}

static bool is_wait_only(const char *key)
{
	size_t n = strlen(key);

	return *key == '+' && n > 2 && streq(key + n - 2, "/*");
}

bool step_needs(const struct step *s, const struct step *before)
{
	bool waits = false;

	for (char **a = s->after; a && *a; a++) {
		if (!strv_contains(before->gives, *a))
			continue;
		if (!is_wait_only(*a))
			return true;
		waits = true;
	}
	return !waits;
}

/* ---- dependencies ---- */

struct givers {
	size_t *items;
	size_t n;
};

static void free_givers(struct map *m)
{
	struct map_iter it = { 0 };

	while (m && map_next(m, &it)) {
		free(((struct givers *)it.value)->items);
		free(it.value);
	}
	map_free(m);
}

static int add_giver(struct map *m, const char *key, size_t step)
{
	struct givers *g = map_get(m, key);
	size_t *items;

	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g || map_put(m, key, g) < 0) {
			free(g);
			return -ENOMEM;
		}
	}
	if ((g->n & (g->n - 1)) == 0) {
		items = reallocarray(g->items, g->n ? 2 * g->n : 1, sizeof(*items));
		if (!items)
			return -ENOMEM;
		g->items = items;
	}
	g->items[g->n++] = step;
	return 0;
}

static int cmp_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

static int add_dep(struct step *s, size_t dep)
{
	size_t *deps;

	if (dep == s->index)
		return 0;
	if ((s->n_deps & (s->n_deps - 1)) == 0) {
		deps = reallocarray(s->deps, s->n_deps ? 2 * s->n_deps : 1, sizeof(*deps));
		if (!deps)
			return -ENOMEM;
		s->deps = deps;
	}
	s->deps[s->n_deps++] = dep;
	return 0;
}

static void unique_deps(struct step *s)
{
	size_t kept = 0;

	if (!s->n_deps)
		return;
	qsort(s->deps, s->n_deps, sizeof(*s->deps), cmp_size);
	for (size_t i = 0; i < s->n_deps; i++)
		if (!kept || s->deps[kept - 1] != s->deps[i])
			s->deps[kept++] = s->deps[i];
	/* The capacity rule of add_dep() needs room for the next power of two: unused room is no harm. */
	s->n_deps = kept;
}

static int resolve(struct plan *p)
{
	struct map *givers = map_new();
	int r = givers ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < p->n; i++)
		for (char **k = p->steps[i]->gives; r >= 0 && k && *k; k++)
			r = add_giver(givers, *k, i);
	for (size_t i = 0; r >= 0 && i < p->n; i++) {
		for (char **k = p->steps[i]->after; r >= 0 && k && *k; k++) {
			const struct givers *g = map_get(givers, *k);

			for (size_t d = 0; r >= 0 && g && d < g->n; d++)
				r = add_dep(p->steps[i], g->items[d]);
		}
		unique_deps(p->steps[i]);
	}
	free_givers(givers);
	return r;
}

/* ---- phases ---- */

static void pull_forward(struct plan *p, size_t i)
{
	struct step *s = p->steps[i];

	if (s->phase != PHASE_REMOVE)
		return;
	s->phase = PHASE_SWITCH;
	s->moved_forward = true;
	for (size_t d = 0; d < s->n_deps; d++)
		pull_forward(p, s->deps[d]);
}

static void pull_removals(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = p->steps[i];

		for (size_t d = 0; s->phase != PHASE_REMOVE && d < s->n_deps; d++)
			pull_forward(p, s->deps[d]);
	}
}

/* Needs steps in a legal order. */
static void join_switch(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = p->steps[i];

		for (size_t d = 0; s->phase == PHASE_BUILD && d < s->n_deps; d++)
			if (p->steps[s->deps[d]]->phase == PHASE_SWITCH)
				s->phase = PHASE_SWITCH;
	}
}

enum side { NEITHER, BEFORE, BEHIND };

/* One empty step after all that is before it and before all that is behind, which stands for the many edges between them. side: of each step. */
static int add_barrier(struct plan *p, enum phase phase, const char *summary, const enum side *side)
{
	size_t count[] = { [NEITHER] = 0, [BEFORE] = 0, [BEHIND] = 0 }, n = p->n;
	struct step *barrier;

	for (size_t i = 0; i < n; i++)
		count[side[i]]++;
	if (!count[BEFORE] || !count[BEHIND])
		return 0;
	barrier = plan_step(p, phase, "", summary);
	if (!barrier)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = side[i] == BEFORE ? add_dep(barrier, i) : side[i] == BEHIND ? add_dep(p->steps[i], barrier->index) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Within the switch, what is foremost in it comes first, with what that comes after. Needs steps in a legal order. */
static void divide_switch(const struct plan *p, enum side *side)
{
	for (size_t i = p->n; i-- > 0;) {
		const struct step *s = p->steps[i];

		if (s->foremost && s->phase == PHASE_SWITCH)
			side[i] = BEFORE;
		for (size_t d = 0; side[i] == BEFORE && d < s->n_deps; d++)
			side[s->deps[d]] = BEFORE;
	}
	for (size_t i = 0; i < p->n; i++)
		side[i] = p->steps[i]->phase != PHASE_SWITCH ? NEITHER : side[i] == BEFORE ? BEFORE : BEHIND;
}

/* Hosts see nothing of a change that fails while it is built, or that fails where only trying tells. */
static int add_barriers(struct plan *p)
{
	/* The barrier in the switch is a step of it. */
	_cleanup_free_ enum side *side = calloc(p->n + 1, sizeof(*side));
	int r = side ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	divide_switch(p, side);
	r = add_barrier(p, PHASE_SWITCH, "what is foremost works", side);
	for (size_t i = 0; i < p->n; i++)
		side[i] = p->steps[i]->phase == PHASE_BUILD ? BEFORE : p->steps[i]->phase == PHASE_SWITCH ? BEHIND : NEITHER;
	return r < 0 ? r : add_barrier(p, PHASE_BUILD, "all that is new is built", side);
}

/* ---- order ---- */

struct order {
	struct plan *p;
	char *mark;		/* 0 new, 1 on the way, 2 done */
	size_t *out;
	size_t n;
	struct cfg_error *err;
};

/* The steps on the way from the one that was met again: they wait for each other. */
static int circle(struct order *o, size_t from)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < o->p->n; i++)
		if (o->mark[i] == 1)
			strbuf_addf(&b, "%s%s: %s", b.len ? "; " : "", o->p->steps[i]->object, o->p->steps[i]->summary);
	text = strbuf_steal(&b);
	return cfg_error_set_at(o->err, EDEADLK, o->p->steps[from]->object, NULL, "these steps wait for each other: %s",
				text ? text : "");
}

static int visit(struct order *o, size_t i)
{
	const struct step *s = o->p->steps[i];

	if (o->mark[i] == 2)
		return 0;
	if (o->mark[i] == 1)
		return circle(o, i);
	o->mark[i] = 1;
	for (size_t d = 0; d < s->n_deps; d++) {
		int r = visit(o, s->deps[d]);

		if (r < 0)
			return r;
	}
	o->mark[i] = 2;
	o->out[o->n++] = i;
	return 0;
}

static int renumber(struct plan *p, const size_t *out)
{
	_cleanup_free_ struct step **steps = calloc(p->n ? 2 * p->n : 1, sizeof(*steps));
	_cleanup_free_ size_t *place = calloc(p->n ? p->n : 1, sizeof(*place));

	if (!steps || !place)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		steps[i] = p->steps[out[i]];
		place[out[i]] = i;
	}
	for (size_t i = 0; i < p->n; i++) {
		steps[i]->index = i;
		for (size_t d = 0; d < steps[i]->n_deps; d++)
			steps[i]->deps[d] = place[steps[i]->deps[d]];
	}
	/* An empty plan has no array. */
	if (p->n)
		memcpy(p->steps, steps, p->n * sizeof(*steps));
	return 0;
}

/* Depth first from each step in the order in which they were added: stable, so that equal input gives an equal plan. */
static int sort_steps(struct plan *p, struct cfg_error *err)
{
	_cleanup_free_ char *mark = calloc(p->n ? p->n : 1, 1);
	_cleanup_free_ size_t *out = calloc(p->n ? p->n : 1, sizeof(*out));
	struct order o = { .p = p, .mark = mark, .out = out, .err = err };

	if (!mark || !out)
		return cfg_error_oom(err);
	/* By phase first, so that what is printed reads as it happens. */
	for (enum phase phase = PHASE_BUILD; phase < PHASE_MAX; phase++)
		for (size_t i = 0; i < p->n; i++) {
			int r = p->steps[i]->phase == phase ? visit(&o, i) : 0;

			if (r < 0)
				return r;
		}
	return renumber(p, out) < 0 ? cfg_error_oom(err) : 0;
}

/* ---- hash ---- */

/* FNV-1a: it tells a changed plan from an unchanged one, not a forged one from a genuine one. */
static void hash_add(uint64_t *h, const char *s)
{
	for (; s && *s; s++)
		*h = (*h ^ (unsigned char)*s) * 0x100000001b3;
	*h = (*h ^ 0xff) * 0x100000001b3;
}

static void hash_plan(struct plan *p)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = p->steps[i];

		hash_add(&h, s->object);
		for (size_t k = 0; k < s->ops.n; k++) {
			hash_add(&h, op_verb_to_str(s->ops.items[k].verb));
			hash_add(&h, s->ops.items[k].path);
			hash_add(&h, s->ops.items[k].value);
		}
	}
	snprintf(p->hash, sizeof(p->hash), "%016llx", (unsigned long long)h);
}

int plan_finish(struct plan *p, unsigned flags, struct cfg_error *err)
{
	int r;

	if (resolve(p) < 0)
		return cfg_error_oom(err);
	r = sort_steps(p, err);
	if (r < 0)
		return r;
	pull_removals(p);
	join_switch(p);
	if (!(flags & PLAN_EACH) && add_barriers(p) < 0)
		return cfg_error_oom(err);
	r = sort_steps(p, err);
	if (r < 0)
		return r;
	hash_plan(p);
	return 0;
}

/* ---- JSON ---- */

static struct json_object *step_to_json(const struct step *s)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(o, "step", json_object_new_uint64(s->index));
	json_object_object_add(o, "phase", json_object_new_string(phase_to_str(s->phase)));
	json_object_object_add(o, "object", json_object_new_string(s->object));
	json_object_object_add(o, "summary", json_object_new_string(s->summary));
	json_object_object_add(o, "effect", json_object_new_string(effect_to_str(s->effect)));
	for (size_t d = 0; d < s->n_deps; d++)
		json_object_array_add(list, json_object_new_uint64(s->deps[d]));
	json_object_object_add(o, "after", list);
	list = json_object_new_array();
	for (char **e = s->affects; e && *e; e++)
		json_object_array_add(list, json_object_new_string(*e));
	json_object_object_add(o, "affects", list);
	list = json_object_new_array();
	for (size_t i = 0; i < s->ops.n; i++) {
		_cleanup_free_ char *text = op_text(&s->ops.items[i]);

		json_object_array_add(list, json_object_new_string(text ? text : "out of memory"));
	}
	json_object_object_add(o, "operations", list);
	return o;
}

struct json_object *plan_to_json(const struct plan *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->n; i++)
		if (p->steps[i]->ops.n)
			json_object_array_add(list, step_to_json(p->steps[i]));
	return list;
}
