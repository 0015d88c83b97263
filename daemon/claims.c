/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims on elements: one queue a key. In front stand those who have had their turn, who share it if there are several and who never wait again;
 * behind them readers and writers in the order in which their sets arrived. So nobody waits for one who waits for him.
 */
#include "daemon/claims.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"

struct queue {
	struct claim **items;
	size_t n, size;
	char key[];
};

struct claim {
	struct claim_set *set;
	size_t place;		/* in the set's items */
	struct queue *queue;
	bool exclusive;
	bool held;
};

struct claims {
	struct map *queues;
	uint64_t arrivals;
	struct claim_set *ready_first, *ready_last;
};

struct claims *claims_new(void)
{
	struct claims *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->queues = map_new_borrowing();
	if (!c->queues) {
		free(c);
		return NULL;
	}
	return c;
}

struct claims *claims_free(struct claims *c)
{
	if (!c)
		return NULL;
	assert(map_len(c->queues) == 0);
	map_free(c->queues);
	free(c);
	return NULL;
}

static struct queue *queue_get(struct claims *c, const char *key)
{
	struct queue *q = map_get(c->queues, key);
	size_t len;

	if (q)
		return q;
	len = strlen(key);
	q = malloc(sizeof(*q) + len + 1);
	if (!q)
		return NULL;
	*q = (struct queue){ 0 };
	memcpy(q->key, key, len + 1);
	if (map_put(c->queues, q->key, q) < 0) {
		free(q);
		return NULL;
	}
	return q;
}

static void queue_drop_if_empty(struct claims *c, struct queue *q)
{
	if (q->n)
		return;
	map_del(c->queues, q->key);
	map_shrink(c->queues);
	free(q->items);
	free(q);
}

static int queue_append(struct queue *q, struct claim *claim)
{
	if (q->n == q->size) {
		size_t size = q->size ? q->size * 2 : 4;
		struct claim **items = reallocarray(q->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		q->items = items;
		q->size = size;
	}
	q->items[q->n++] = claim;
	return 0;
}

static void set_ready(struct claim_set *set)
{
	struct claims *c = set->claims;

	if (set->queued_ready)
		return;
	set->queued_ready = true;
	set->next_ready = NULL;
	if (c->ready_last)
		c->ready_last->next_ready = set;
	else
		c->ready_first = set;
	c->ready_last = set;
}

static void set_unready(struct claim_set *set)
{
	struct claims *c = set->claims;
	struct claim_set **at, *last = NULL;

	if (!set->queued_ready)
		return;
	for (at = &c->ready_first; *at; at = &(*at)->next_ready) {
		if (*at == set) {
			*at = set->next_ready;
			break;
		}
		last = *at;
	}
	if (c->ready_last == set)
		c->ready_last = last;
	set->queued_ready = false;
}

/* Lets in whoever nothing before excludes any more: the first, or a run of shared ones. */
static void queue_advance(struct queue *q)
{
	for (size_t i = 0; i < q->n; i++) {
		struct claim *claim = q->items[i];

		if (i > 0 && (claim->exclusive || q->items[0]->exclusive))
			break;
		if (claim->held)
			continue;
		claim->held = true;
		if (--claim->set->waiting == 0)
			set_ready(claim->set);
	}
}

static void claim_leave(struct claims *c, struct claim *claim)
{
	struct queue *q = claim->queue;

	for (size_t i = 0; i < q->n; i++)
		if (q->items[i] == claim) {
			memmove(q->items + i, q->items + i + 1, (q->n - i - 1) * sizeof(*q->items));
			q->n--;
			break;
		}
	if (!claim->held)
		claim->set->waiting--;
	free(claim);
	queue_advance(q);
	queue_drop_if_empty(c, q);
}

static int claim_add(struct claims *c, struct claim_set *set, const char *key, struct claim **ret)
{
	struct claim *claim = calloc(1, sizeof(*claim));
	struct queue *q = claim ? queue_get(c, key + 2) : NULL;

	if (!q || queue_append(q, claim) < 0) {
		if (q)
			queue_drop_if_empty(c, q);
		free(claim);
		return -ENOMEM;
	}
	claim->set = set;
	claim->queue = q;
	claim->exclusive = *key == 'x';
	set->waiting++;
	*ret = claim;
	return 0;
}

int claims_enter(struct claims *c, struct claim_set *set, char *const *keys, void *userdata)
{
	size_t n = strv_len(keys);

	*set = (struct claim_set){ .claims = c, .userdata = userdata, .arrival = ++c->arrivals };
	set->items = calloc(n ? n : 1, sizeof(*set->items));
	if (!set->items) {
		claims_release_all(set);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct claim *claim;
		struct queue *q;

		if (claim_add(c, set, keys[i], &claim) < 0) {
			claims_release_all(set);
			return -ENOMEM;
		}
		q = claim->queue;
		claim->place = set->n;
		set->items[set->n++] = claim;
		/* Held at once unless something before it is in the way. */
		if (q->n == 1 || (!claim->exclusive && q->items[q->n - 2]->held && !q->items[0]->exclusive)) {
			claim->held = true;
			set->waiting--;
		}
	}
	return set->waiting == 0;
}

/* Who holds it now that the order is another one. */
static void queue_settle(struct queue *q)
{
	bool shared = true;

	for (size_t i = 0; i < q->n; i++) {
		struct claim *claim = q->items[i];
		bool held = shared && (i == 0 || !claim->exclusive);

		shared &= !claim->exclusive;
		if (held && !claim->held && --claim->set->waiting == 0)
			set_ready(claim->set);
		if (!held && claim->held && claim->set->waiting++ == 0)
			set_unready(claim->set);
		claim->held = held;
	}
}

/* The last one to where its set's arrival puts it among those that wait. */
static void queue_sort_in(struct queue *q)
{
	struct claim *claim = q->items[q->n - 1];
	size_t i = q->n - 1;

	for (; i > 0 && !q->items[i - 1]->set->has_turn && q->items[i - 1]->set->arrival > claim->set->arrival; i--)
		q->items[i] = q->items[i - 1];
	q->items[i] = claim;
	queue_settle(q);
}

static struct claim *set_find(const struct claim_set *set, const char *key)
{
	const struct queue *q = set->claims ? map_get(set->claims->queues, key) : NULL;

	for (size_t i = 0; q && i < q->n; i++)
		if (q->items[i]->set == set)
			return q->items[i];
	return NULL;
}

static bool is_enough(const struct claim *claim, const char *key)
{
	return claim && (claim->exclusive || *key == 's');
}

/* Those of the set that the keys still ask for, each to its place in items. */
static void keep_claims(struct claim_set *set, char *const *keys, struct claim **items)
{
	for (size_t i = 0; keys[i]; i++) {
		struct claim *claim = set_find(set, keys[i] + 2);

		if (!is_enough(claim, keys[i]))
			continue;
		items[i] = claim;
		set->items[claim->place] = NULL;
		claim->place = i;
	}
}

int claims_change(struct claim_set *set, char *const *keys)
{
	size_t n = strv_len(keys), had = set->n;
	struct claim **items = calloc(n ? n : 1, sizeof(*items)), **old = set->items;
	int r = items ? 0 : -ENOMEM;

	/* Not ready before all is said. */
	set->waiting++;
	set_unready(set);
	if (r >= 0)
		keep_claims(set, keys, items);
	for (size_t i = 0; i < had; i++)
		if (old[i])
			claim_leave(set->claims, old[i]);
	free(old);
	set->items = items;
	set->n = items ? n : 0;
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (items[i])
			continue;
		r = claim_add(set->claims, set, keys[i], &items[i]);
		if (r < 0)
			break;
		items[i]->place = i;
		queue_sort_in(items[i]->queue);
	}
	set->waiting--;
	if (r < 0) {
		claims_release_all(set);
		return -ENOMEM;
	}
	return set->waiting == 0;
}

/* In front of those that share it and wait for something else. */
static void queue_come_forward(struct claim *claim)
{
	struct claim **items = claim->queue->items;
	size_t i = 0, at;

	while (items[i] != claim && items[i]->set->has_turn)
		i++;
	for (at = i; items[at] != claim; at++)
		;
	memmove(items + i + 1, items + i, (at - i) * sizeof(*items));
	items[i] = claim;
}

void claims_take_turn(struct claim_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i])
			queue_come_forward(set->items[i]);
	set->has_turn = true;
}

bool claims_ready(const struct claim_set *set)
{
	return set->waiting == 0;
}

const char *claims_key(const struct claim_set *set, size_t i)
{
	return set->items[i] ? set->items[i]->queue->key : NULL;
}

bool claims_cover(const struct claim_set *set, char *const *keys)
{
	for (; keys && *keys; keys++) {
		const struct claim *claim = set_find(set, *keys + 2);

		if (!is_enough(claim, *keys))
			return false;
	}
	return true;
}

static void set_drop(struct claim_set *set, size_t i)
{
	struct claim *claim = set->items[i];

	set->items[i] = NULL;
	claim_leave(set->claims, claim);
}

void claims_release(struct claim_set *set, const char *key)
{
	struct claim *claim = set_find(set, key);

	if (claim)
		set_drop(set, claim->place);
}

void claims_release_all(struct claim_set *set)
{
	if (!set->claims)
		return;
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i])
			set_drop(set, i);
	set_unready(set);
	free(set->items);
	*set = (struct claim_set){ 0 };
}

void *claims_next_ready(struct claims *c)
{
	struct claim_set *set = c->ready_first;

	if (!set)
		return NULL;
	set_unready(set);
	return set->userdata;
}

void *claims_blocker(const struct claim_set *set, const char **ret_key)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct claim *claim = set->items[i];

		if (!claim || claim->held)
			continue;
		*ret_key = claim->queue->key;
		return claim->queue->items[0]->set->userdata;
	}
	return NULL;
}

bool claims_held_by(const struct claims *c, const char *key, bool (*is)(const void *userdata))
{
	const struct queue *q = map_get(c->queues, key);

	for (size_t i = 0; q && i < q->n; i++)
		if (q->items[i]->held && !is(q->items[i]->set->userdata))
			return false;
	return q && q->items[0]->set->has_turn;
}

const char *claims_behind(const struct claim_set *set, bool (*is)(const void *userdata))
{
	for (size_t i = 0; i < set->n; i++) {
		const struct claim *claim = set->items[i];

		if (claim && !claim->held && is(claim->queue->items[0]->set->userdata))
			return claim->queue->key;
	}
	return NULL;
}
