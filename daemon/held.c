/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers are in that do not come back. What those of an earlier daemon are in counts as claimed, until the kernel lets them go: as by a
 * job that nobody sees. Who reads or starts the whole passes by all of it, and the start is done again when some of it has come back.
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
	size_t n = 0;

	for (unsigned i = strncmp(element, "targets/", 8) == 0 ? 3 : 2; i; i--)
		n += strcspn(element + n, "/") + (i > 1);
	return strlen(element) < n ? strdup(element) : strndup(element, n);
}

static bool belongs_to(const struct element *e, const char *text, const char *held)
{
	_cleanup_element_ struct element h = { 0 };
	_cleanup_free_ char *top = NULL;

	if (streq(text, held))
		return true;
	/* An edge is a link, and its ends are free. */
	if (element_parse(held, &h) < 0 || h.edge)
		return false;
	top = top_of(held);
	return !top || path_is_within(text, top) || (e->edge && path_is_within(e->far, top));
}

bool held_covers(char *const *elements, const char *element)
{
	_cleanup_element_ struct element e = { 0 };

	if (element_parse(element, &e) < 0)
		return false;
	for (; elements && *elements; elements++)
		if (belongs_to(&e, element, *elements))
			return true;
	return false;
}

/* A list without what is covered. */
static size_t drop_covered(char *const *elements, char **list)
{
	size_t kept = 0, dropped = 0;

	for (char **e = list; e && *e; e++) {
		if (**e && held_covers(elements, *e)) {
			free(*e);
			dropped++;
		} else {
			list[kept++] = *e;
		}
	}
	if (list)
		list[kept] = NULL;
	return dropped;
}

int held_leave_out(char *const *elements, struct scope *s, bool *ret_any)
{
	*ret_any = elements && drop_covered(elements, s->elements);
	if (elements)
		drop_covered(elements, s->folders);
	return 0;
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

	m->start_incomplete = false;
	r.caller = strdup("nvmetd: what the start had passed by");
	manager_request(m, &r, NULL, NULL, NULL, NULL);
}

void held_changed(struct manager *m)
{
	bool came_back = m->came_back;

	m->stuck_changed = m->came_back = false;
	release_gone(m);
	if (!m->stopping) {
		verify_again(m);
		txns_step_aside(m);
		if (came_back && m->start_incomplete)
			start_again(m);
		if (came_back)
			debts_retry(m);
	}
	manager_notify_status(m);
}
