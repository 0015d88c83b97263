/* SPDX-License-Identifier: Apache-2.0 */
/* What a job tells at its end, as JSON: see struct job in manager.h. */
#include <errno.h>

#include "base/text.h"
#include "daemon/transaction.h"

int report_error(struct txn *t, struct cfg_error *err)
{
	if (!err->place && t->request.document.places && err->object) {
		_cleanup_free_ char *place = places_find(t->request.document.places, err->object, err->attr);

		cfg_error_at(err, NULL, NULL, place);
	}
	return cfg_errors_take(&t->errors, err);
}

static void add_string(struct json_object *o, const char *key, const char *value)
{
	if (value && *value)
		json_object_object_add(o, key, json_object_new_string(value));
}

static void add_count(struct json_object *o, const char *key, size_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

/* Takes over array; empty ones are left out. */
static void add_list(struct json_object *o, const char *key, struct json_object *array)
{
	if (array && json_object_array_length(array))
		json_object_object_add(o, key, array);
	else
		json_object_put(array);
}

struct json_object *report_errors(const struct cfg_errors *errs)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < errs->n; i++) {
		const struct cfg_error *e = &errs->items[i];
		struct json_object *o = json_object_new_object();

		add_string(o, "object", e->object);
		add_string(o, "attribute", e->attr);
		add_string(o, "place", e->place);
		add_string(o, "message", e->msg);
		add_string(o, "errno", strerrorname_np(e->code));
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *report_differences(const struct differences *d)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < d->n; i++) {
		struct json_object *o = json_object_new_object();

		add_string(o, "object", d->items[i].element);
		add_string(o, "attribute", d->items[i].attr);
		add_string(o, "wanted", d->items[i].wanted);
		add_string(o, "actual", d->items[i].actual);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *strings(char *const *v)
{
	struct json_object *list = json_object_new_array();

	for (; v && *v; v++)
		json_object_array_add(list, json_object_new_string(*v));
	return list;
}

struct json_object *report_debts(const struct ledger *l, char *const *only)
{
	struct json_object *list = json_object_new_array();
	_cleanup_free_ struct debt *debts = NULL;
	size_t n = 0;

	if (ledger_debts(l, &debts, &n) < 0)
		return list;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o;

		if (only && !strv_contains(only, debts[i].element))
			continue;
		o = json_object_new_object();
		add_string(o, "object", debts[i].element);
		add_string(o, "reason", debts[i].reason);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *report_plan(const struct plan *p)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "hash", p->hash);
	json_object_object_add(o, "steps", plan_to_json(p));
	return o;
}

int report_build(struct txn *t)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return -ENOMEM;
	add_count(o, "job", t->job.id);
	add_string(o, "act", act_to_str(t->job.act));
	add_string(o, "outcome", outcome_to_str(t->job.outcome));
	if (t->request.dry_run)
		json_object_object_add(o, "dry_run", json_object_new_boolean(true));
	add_count(o, "generation", t->m->generation);
	add_count(o, "created", t->created);
	add_count(o, "changed", t->changed);
	add_count(o, "removed", t->removed);
	add_list(o, "deletions", strings(t->deletions));
	add_count(o, "operations", t->operations + t->run.operations);
	if (t->request.dry_run && t->plan.hash[0])
		json_object_object_add(o, "plan", report_plan(&t->plan));
	add_list(o, "effects", steal_ptr(t->effects));
	add_list(o, "errors", report_errors(&t->errors));
	if (t->errors.total > t->errors.n)
		add_count(o, "more_errors", t->errors.total - t->errors.n);
	add_list(o, "left", report_differences(&t->left));
	if (t->owed)
		add_list(o, "debts", report_debts(t->m->ledger, t->owed));
	add_list(o, "warnings", strings(t->warnings));
	json_object_put(t->job.report);
	t->job.report = o;
	return 0;
}
