/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts would notice of a plan, and whether whoever asked for it has consented to that. */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"

typedef int (*edge_fn)(struct txn *t, const char *edge);

/* Links of ports to the subsystem, as they are wanted before this transaction. */
static int each_edge(struct txn *t, const char *nqn, edge_fn fn)
{
	struct users ports = tree_users(t->m->wanted, KIND_SUBSYSTEM, nqn);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ports.n; i++) {
		_cleanup_free_ char *edge = strf("ports/%s/subsystems/%s", ports.items[i]->name, nqn);

		r = edge ? fn(t, edge) : -ENOMEM;
	}
	return r;
}

static int add_edge(struct txn *t, const char *edge)
{
	return strv_append(&t->edges, edge);
}

static int is_in_use(struct txn *t, const char *edge)
{
	return connections_in_use(t->m->connections, edge);
}

/* Whoever takes a host away may think that it is gone then. */
static void warn_of_connections(struct txn *t)
{
	for (size_t i = 0; !t->request.revoke && i < t->changes.n; i++) {
		const struct change *c = t->changes.items[i];
		_cleanup_free_ char *text = NULL;

		if (!nvmet_excludes(c) || each_edge(t, c->after->name, is_in_use) <= 0)
			continue;
		text = strf("%s: a host that may no longer connect keeps the connections that it has, until it leaves; "
			    "with --revoke they are ended", c->path);
		if (text)
			strv_append(&t->warnings, text);
	}
}

/* Edges whose use matters: those that some step disturbs, those that are linked now (to know who was there before), and those of
 * subsystems from which hosts are taken away. */
int txn_collect_edges(struct txn *t)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];

		if (s->effect != EFFECT_NONE)
			r = strv_extend(&t->edges, s->affects);
		for (char **g = s->gives; r >= 0 && g && *g; g++)
			if (strstr(*g, "/subsystems/") && strncmp(*g, "+ports/", 7) == 0)
				r = strv_append(&t->edges, *g + 1);
	}
	for (size_t i = 0; r >= 0 && i < t->changes.n; i++)
		if (nvmet_excludes(t->changes.items[i]))
			r = each_edge(t, t->changes.items[i]->after->name, add_edge);
	strv_sort_unique(t->edges);
	return r;
}

static bool consented(const struct consent *c, const char *object)
{
	if (c->all)
		return true;
	for (char **p = c->paths; p && *p; p++)
		if (path_is_within(object, *p))
			return true;
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

size_t txn_weigh_effects(struct txn *t)
{
	size_t missing = 0;

	warn_of_connections(t);
	for (size_t i = 0; i < t->plan.n; i++) {
		const struct step *s = t->plan.steps[i];
		bool destroys = s->effect >= EFFECT_IDENTITY;
		bool in_use, ok;

		if (s->effect == EFFECT_NONE)
			continue;
		in_use = step_in_use(t, s);
		if (destroys)
			ok = consented(&t->request.destroy, s->object);
		else
			ok = !in_use || consented(&t->request.disrupt, s->object);
		/* To finish what is owed, or to finish or take back what an earlier daemon had begun, is what was consented to then. */
		ok |= t->unattended && ledger_owns(t->m->ledger, s->object);
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
