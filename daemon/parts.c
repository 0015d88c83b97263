/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Much is restored to a machine that exports nothing in parts, one commit for each, so that what it takes in memory while it is under way depends
 * on the size of a part and not on that of the document. A part is objects with all that they refer to, and with all that shares a
 * backend with them: it stands by itself, and nothing in it is changed again by the next one. But ports, which are in every part, serve the
 * subsystems that there are so far. What is a part's moves out of the document, so that the two together do not grow.
 */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"

#define PART_OBJECTS 500	/* below, a part costs more in round trips than it saves */
#define PARTS_MAX 64		/* each writes to the journal what the ports serve */

struct parts {
	struct manager *m;
	struct tree *rest;	/* the document's, borrowed */
	struct tree *now, *next;
	bool ahead;	/* next is taken (NULL: nothing is left), or next_r says what failed */
	int next_r;
	sd_event_source *idle;	/* takes it */
	size_t limit;
	size_t done;
};

/* Objects that go together. */
struct gather {
	const struct tree *from;
	struct object **items;
	size_t n;
	struct map *seen;
};

/* What moves as a whole: a target, else what stands at the top. */
static struct object *unit_of(struct object *o)
{
	while (o->parent->kind != KIND_ROOT && o->parent->kind != KIND_FABRIC)
		o = o->parent;
	return o;
}

static int gather_add(struct gather *g, struct object *o)
{
	struct object *unit = o ? unit_of(o) : NULL;
	_cleanup_free_ char *path = unit ? object_path(unit) : NULL;
	struct object **items;

	/* Ports are in every part. */
	if (!unit || unit->kind == KIND_PORT)
		return 0;
	if (!path)
		return -ENOMEM;
	if (map_get(g->seen, path))
		return 0;
	items = (g->n & (g->n - 1)) ? g->items : reallocarray(g->items, g->n ? 2 * g->n : 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	g->items = items;
	if (map_put(g->seen, path, unit) < 0)
		return -ENOMEM;
	g->items[g->n++] = unit;
	return 0;
}

static int gather_named(struct gather *g, enum kind kind, const char *name)
{
	return gather_add(g, object_child(tree_root(g->from), kind, name));
}

/* All that the object, or what is below it, refers to. */
static int gather_needs(struct gather *g, const struct object *o)
{
	int r = 0;

	attr_foreach(row, o->kind) {
		if (row->type == ATTR_REF && object_get_row(o, row))
			r = gather_named(g, row->ref, object_get_row(o, row));
		for (char *const *name = object_get_list(o, row); r >= 0 && name && *name; name++)
			r = gather_named(g, row->ref, *name);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; r >= 0 && i < o->n_children; i++)
		r = gather_needs(g, o->children[i]);
	return r;
}

static int gather_users(struct gather *g, const struct object *backend)
{
	struct users u = tree_users(g->from, KIND_BACKEND, backend->name);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < u.n; i++)
		r = gather_add(g, u.items[i]);
	return r;
}

/* From the document into the part. */
static int move(struct parts *p, struct object *unit)
{
	struct object *to = tree_root(p->next), *fabric = unit->parent;
	int r = 0;

	if (fabric->kind == KIND_FABRIC) {
		to = object_child(tree_root(p->next), KIND_FABRIC, fabric->name);
		if (!to) {
			r = object_add(tree_root(p->next), KIND_FABRIC, fabric->name, &to);
			if (r >= 0)
				r = object_assign(to, fabric);
		}
	}
	/* What is left of a fabric, when its last target went, came with that. */
	if (r >= 0 && !(unit->kind == KIND_FABRIC && object_child(to, KIND_FABRIC, unit->name)))
		r = object_add_copy(to, unit);
	if (r >= 0)
		object_remove(unit);
	return r;
}

/* The unit, and what has to come with it. */
static int take(struct parts *p, struct object *unit)
{
	struct gather g = { .from = p->rest, .seen = map_new() };
	int r = g.seen ? gather_add(&g, unit) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < g.n; i++) {
		r = gather_needs(&g, g.items[i]);
		if (r >= 0 && g.items[i]->kind == KIND_BACKEND)
			r = gather_users(&g, g.items[i]);
	}
	for (size_t i = 0; r >= 0 && i < g.n; i++)
		r = move(p, g.items[i]);
	map_free(g.seen);
	free(g.items);
	return r;
}

/* From the end, where taking one out of many is cheap. */
static struct object *last_of(struct object *parent, enum kind kind)
{
	size_t n = object_count(parent, kind);

	return n ? object_nth(parent, kind, n - 1) : NULL;
}

/* What is to be taken next: what holds for all before it, then what others are there for, then what nobody refers to. NULL: only ports are left. */
static struct object *next_unit(const struct parts *p)
{
	struct object *root = tree_root(p->rest), *o = NULL;

	for (enum kind kind = 0; !o && kind < KIND_MAX; kind++)
		if (kind_info(kind)->singleton && kind_info(kind)->parent == KIND_ROOT)
			o = last_of(root, kind);
	o = o ? o : last_of(root, KIND_SUBSYSTEM);
	for (size_t i = 0; !o && i < object_count(root, KIND_FABRIC); i++)
		o = last_of(object_nth(root, KIND_FABRIC, i), KIND_TARGET);
	for (size_t i = root->n_children; !o && i > 0; i--)
		if (root->children[i - 1]->kind != KIND_PORT)
			o = root->children[i - 1];
	return o;
}

/* The port with these alone of its subsystems: all of them would be copied for each part. */
static int copy_port(struct object *to, const struct object *port, const struct attr_row *subsystems, char *const *here)
{
	const struct attr_row *row;
	struct object *copy;
	size_t at = 0;
	int r = object_add(to, KIND_PORT, port->name, &copy);

	while (r >= 0 && (row = object_next_row(port, port, &at)))
		r = attr_is_list(row) ? object_set_list(copy, row, row == subsystems ? here : object_get_list(port, row)) :
					object_set(copy, row, object_get_row(port, row));
	for (size_t i = 0; r >= 0 && i < port->n_children; i++)
		r = object_add_copy(copy, port->children[i]);
	return r;
}

/* Ports with those of their subsystems that are in the part. */
static int take_ports(struct parts *p)
{
	const struct object *root = tree_root(p->rest);
	const struct attr_row *row = attr_find(KIND_PORT, "subsystems");
	int r = 0;

	for (size_t i = 0; r >= 0 && i < object_count(root, KIND_PORT); i++) {
		const struct object *port = object_nth(root, KIND_PORT, i);
		char *const *names = object_get_list(port, row);
		_cleanup_free_ char **here = calloc(strv_len(names) + 1, sizeof(*here));
		size_t n = 0;

		for (; here && names && *names; names++)
			if (object_child(tree_root(p->next), KIND_SUBSYSTEM, *names))
				here[n++] = *names;
		r = here ? copy_port(tree_root(p->next), port, row, here) : -ENOMEM;
	}
	return r;
}

static int take_next(struct parts *p)
{
	struct object *unit = next_unit(p);
	int r = 0;

	/* The first part is there in any case, if only with ports. */
	if (!unit && p->now)
		return 0;
	p->next = tree_new();
	if (!p->next)
		return -ENOMEM;
	for (; r >= 0 && unit && tree_count(p->next) < p->limit; unit = next_unit(p))
		r = take(p, unit);
	return r < 0 ? r : take_ports(p);
}

static void look_ahead(struct parts *p)
{
	if (!p->ahead)
		p->next_r = take_next(p);
	p->ahead = true;
}

static int on_idle(sd_event_source *source, void *userdata)
{
	look_ahead(userdata);
	return 0;
}

void parts_look_ahead(struct parts *p)
{
	/* Without it the part is taken when it is needed. */
	if (!p->idle && sd_event_add_defer(p->m->event, &p->idle, on_idle, p) >= 0)
		sd_event_source_set_priority(p->idle, SD_EVENT_PRIORITY_IDLE);
	if (p->idle)
		sd_event_source_set_enabled(p->idle, SD_EVENT_ONESHOT);
}

/* 1; 0 when nothing is left. */
static int step_forward(struct parts *p)
{
	look_ahead(p);
	if (p->next_r < 0 || !p->next)
		return p->next_r;
	tree_free(p->now);
	p->now = steal_ptr(p->next);
	p->ahead = false;
	return 1;
}

int parts_begin(struct txn *t)
{
	const struct request *r = &t->request;
	size_t n = r->act == ACT_RESTORE && r->document.tree ? tree_count(r->document.tree) : 0;

	if (n <= PART_OBJECTS || tree_count(t->m->wanted) || r->dry_run || r->plan_hash || r->generation)
		return 0;
	/* Numbers that are chosen must be free in all of it, not only in the parts before. */
	if (tree_generate(r->document.tree) < 0)
		return -ENOMEM;
	t->parts = calloc(1, sizeof(*t->parts));
	if (!t->parts)
		return -ENOMEM;
	t->parts->m = t->m;
	t->m->n_in_parts++;
	t->parts->rest = r->document.tree;
	t->parts->limit = n / PARTS_MAX > PART_OBJECTS ? n / PARTS_MAX : PART_OBJECTS;
	return step_forward(t->parts);
}

struct parts *parts_free(struct parts *p)
{
	if (!p)
		return NULL;
	p->m->n_in_parts--;
	sd_event_source_disable_unref(p->idle);
	tree_free(p->now);
	tree_free(p->next);
	free(p);
	return NULL;
}

const struct tree *parts_now(const struct parts *p)
{
	return p->now;
}

int parts_next(struct parts *p)
{
	p->done++;
	return step_forward(p);
}

size_t parts_done(const struct parts *p)
{
	return p->done;
}

static size_t count(const struct object *o)
{
	size_t n = 1;

	for (size_t i = 0; i < o->n_children; i++)
		n += count(o->children[i]);
	return n;
}

/* Of a part that could not be taken there is nothing. */
static size_t count_but_ports(const struct tree *t)
{
	const struct object *root = t ? tree_root(t) : NULL;
	size_t n = 0;

	for (size_t i = 0; root && i < root->n_children; i++)
		n += root->children[i]->kind == KIND_PORT ? 0 : count(root->children[i]);
	return n;
}

size_t parts_left(const struct parts *p, bool with_present)
{
	return count_but_ports(p->rest) + count_but_ports(p->next) + (with_present ? count_but_ports(p->now) : 0);
}
