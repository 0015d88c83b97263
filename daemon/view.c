/* SPDX-License-Identifier: Apache-2.0 */
/* What the manager shows: model, kernel and state as JSON. Computed on demand, from what is known; nothing is read here. */
#include <errno.h>
#include <time.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "kernel/element.h"

static void add_string(struct json_object *o, const char *key, const char *value)
{
	if (value && *value)
		json_object_object_add(o, key, json_object_new_string(value));
}

/* ---- foreign objects ---- */

/* A group that the access state of a backend makes. */
static bool is_own_group(const struct manager *m, const struct object *o, const char *path)
{
	_cleanup_element_ struct element e = { 0 };

	return (o->kind == KIND_ANA_GROUP || o->kind == KIND_ALUA_GROUP) && element_parse(path, &e) >= 0 && element_is_wanted(m->wanted, &e);
}

static bool is_ours(const struct manager *m, const struct object *o, const char *path)
{
	if (tree_find(m->wanted, path) || ledger_owns(m->ledger, path) || kind_info(o->kind)->internal)
		return true;
	/* A fabric's folder is everybody's; what stands in it may be somebody's. */
	if (o->kind == KIND_NVMET || o->kind == KIND_TARGET_CORE || o->kind == KIND_FABRIC)
		return true;
	return (o->kind == KIND_ANA_GROUP && streq(o->name, "1")) || is_own_group(m, o, path);
}

typedef int (*foreign_fn)(void *userdata, const struct object *o, const char *path);

static int foreign_below(const struct manager *m, const struct object *parent, foreign_fn fn, void *userdata)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < parent->n_children; i++) {
		const struct object *o = parent->children[i];
		_cleanup_free_ char *path = object_path(o);

		if (!path)
			return -ENOMEM;
		if (!is_ours(m, o, path))
			r = fn(userdata, o, path);
		if (r >= 0)
			r = foreign_below(m, o, fn, userdata);
	}
	return r;
}

/* ---- show ---- */

/* The member of an object, made where it is missing. Borrowed. */
static struct json_object *member_made(struct json_object *o, const char *key)
{
	struct json_object *member;

	if (!o || json_object_object_get_ex(o, key, &member))
		return o ? member : NULL;
	member = json_object_new_object();
	if (json_object_object_add(o, key, member) == 0)
		return member;
	json_object_put(member);
	return NULL;
}

/* The member of a document for a path, made with its parents where it is missing. Borrowed. */
static struct json_object *document_node(struct json_object *doc, const char *path, bool make)
{
	_cleanup_path_ struct path p = { 0 };
	struct json_object *at = doc;

	if (path_parse(path, &p, NULL, NULL) < 0)
		return NULL;
	for (unsigned i = 0; i < p.depth; i++) {
		const struct kind_info *info = kind_info(p.kind[i]);
		const char *steps[] = { info->direct ? NULL : info->collection, info->singleton ? NULL : p.name[i] };

		for (size_t k = 0; at && k < ARRAY_SIZE(steps); k++)
			if (steps[k])
				at = make ? member_made(at, steps[k]) : json_object_object_get(at, steps[k]);
	}
	return at;
}

/* The same for an object that may have a name which no document could hold, and hence no path that can be parsed. */
static struct json_object *object_node(struct json_object *doc, const struct object *o)
{
	const struct kind_info *info = kind_info(o->kind);
	struct json_object *at = doc;

	if (o->kind == KIND_ROOT)
		return doc;
	at = object_node(doc, o->parent);
	if (!info->direct)
		at = member_made(at, info->collection);
	return info->singleton ? at : member_made(at, o->name);
}

static void set_state(struct json_object *doc, const char *path, const char *state, const char *reason, bool make)
{
	struct json_object *node = document_node(doc, path, make);

	if (!node)
		return;
	json_object_object_add(node, "state", json_object_new_string(state));
	json_object_object_del(node, "reason");
	add_string(node, "reason", reason);
}

struct show {
	struct json_object *doc;
	const char *below;	/* NULL: all */
	unsigned flags;
};

static bool shown(const char *below, const char *path)
{
	return !below || path_is_within(path, below);
}

static int show_foreign(void *userdata, const struct object *o, const char *path)
{
	struct show *s = userdata;
	struct json_object *node, *attrs;

	if (!shown(s->below, path))
		return 0;
	node = object_node(s->doc, o);
	attrs = object_to_json(o, s->flags | DOCUMENT_DERIVED);
	if (!node || !attrs) {
		json_object_put(attrs);
		return -ENOMEM;
	}
	json_object_object_foreach(attrs, key, value)
		json_object_object_add(node, key, json_object_get(value));
	json_object_put(attrs);
	json_object_object_add(node, "state", json_object_new_string("foreign"));
	return 0;
}

static void show_states(struct manager *m, struct show *s)
{
	const struct differences *drift = drift_known(m);
	struct map_iter it = { 0 };
	_cleanup_free_ struct debt *debts = NULL;
	size_t n = 0;

	for (size_t i = 0; i < drift->n; i++) {
		const struct difference *d = &drift->items[i];
		_cleanup_free_ char *why = strf("%s is %s, not %s", d->attr ? d->attr : "it", d->actual, d->wanted);

		if (shown(s->below, d->element))
			set_state(s->doc, d->element, "drift", why, false);
	}
	while (map_next(m->failed, &it))
		if (shown(s->below, it.key))
			set_state(s->doc, it.key, "failed", it.value, false);
	if (ledger_debts(m->ledger, &debts, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (shown(s->below, debts[i].element))
			set_state(s->doc, debts[i].element, "owed", debts[i].reason, true);
}

int manager_show(struct manager *m, const char *path, bool defaults, struct json_object **ret, struct cfg_error *err)
{
	struct show s = { .below = path && *path ? path : NULL, .flags = defaults ? DOCUMENT_DEFAULTS : 0 };
	const struct object *o = NULL, *actual;

	if (s.below) {
		_cleanup_path_ struct path p = { 0 };
		enum kind collection = KIND_MAX;

		/* What somebody else made may have a name that we would not give. */
		if (!tree_find(m->actual, s.below) && path_parse(s.below, &p, &collection, err) < 0)
			return -EINVAL;
		if (collection == KIND_MAX) {
			o = tree_find(m->wanted, s.below);
			if (!o && !tree_find(m->actual, s.below) && !ledger_owns(m->ledger, s.below))
				return cfg_error_set_at(err, ENOENT, s.below, NULL, "there is no such object");
		}
	}
	/* A collection, or an object that only the kernel has, is shown from the whole. */
	s.doc = o ? document_build(m->wanted, o, m->generation, s.flags | DOCUMENT_DERIVED) :
		    document_build(m->wanted, NULL, m->generation, s.flags | DOCUMENT_DERIVED);
	actual = o ? tree_find(m->actual, s.below) : tree_root(m->actual);
	if (!s.doc || (actual && foreign_below(m, actual, show_foreign, &s) < 0) || show_used_by(m->wanted, s.below, s.doc) < 0) {
		json_object_put(s.doc);
		return cfg_error_oom(err);
	}
	show_states(m, &s);
	*ret = s.doc;
	return 0;
}

/* ---- status ---- */

static void count_below(const struct object *parent, size_t counts[KIND_MAX])
{
	for (size_t i = 0; i < parent->n_children; i++) {
		counts[parent->children[i]->kind]++;
		count_below(parent->children[i], counts);
	}
}

/* Targets go by the collection that their fabrics stand in, and are what somebody wants to know the number of. */
static struct json_object *count_objects(const struct tree *t)
{
	struct json_object *o = json_object_new_object();
	size_t counts[KIND_MAX] = { 0 };

	count_below(tree_root(t), counts);
	for (enum kind k = KIND_ROOT; k < KIND_MAX; k++)
		if (counts[k] && kind_direct_child(k) == KIND_MAX)
			json_object_object_add(o, kind_info(kind_info(k)->direct ? kind_info(k)->parent : k)->collection,
					       json_object_new_uint64(counts[k]));
	return o;
}

struct json_object *job_to_json(const struct job *job)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "job", json_object_new_uint64(job->id));
	add_string(o, "act", act_to_str(job->act));
	add_string(o, "caller", job->caller);
	add_string(o, "state", job_state_to_str(job->state));
	json_object_object_add(o, "steps_done", json_object_new_uint64(job->steps_done));
	json_object_object_add(o, "steps_total", json_object_new_uint64(job->steps_total));
	add_string(o, "step", job->step);
	add_string(o, "waits_for", job->waits_for);
	json_object_object_add(o, "started", json_object_new_uint64(job->started_usec / 1000000));
	if (job->ended_usec) {
		json_object_object_add(o, "ended", json_object_new_uint64(job->ended_usec / 1000000));
		add_string(o, "outcome", outcome_to_str(job->outcome));
	}
	return o;
}

static struct json_object *running_jobs(const struct manager *m)
{
	struct json_object *list = json_object_new_array();
	_cleanup_free_ const struct job **jobs = NULL;
	size_t n = 0;

	if (manager_jobs(m, &jobs, &n) < 0)
		return list;
	for (size_t i = 0; i < n; i++)
		if (!jobs[i]->ended_usec)
			json_object_array_add(list, job_to_json(jobs[i]));
	return list;
}

static struct json_object *stuck_workers(struct manager *m)
{
	struct json_object *list = json_object_new_array();
	struct pool_busy *busy = NULL;
	size_t n = 0;

	if (pool_busy(m->pool, &busy, &n) < 0)
		return list;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o;

		if (!busy[i].stuck && !busy[i].orphan)
			continue;
		o = json_object_new_object();
		add_string(o, "what", busy[i].label);
		add_string(o, "call", busy[i].where);
		add_string(o, "kernel_function", busy[i].wchan);
		json_object_object_add(o, "seconds", json_object_new_uint64(busy[i].usec / 1000000));
		json_object_object_add(o, "pid", json_object_new_int64(busy[i].pid));
		if (busy[i].orphan)
			json_object_object_add(o, "of_earlier_daemon", json_object_new_boolean(true));
		json_object_array_add(list, o);
	}
	pool_busy_free(busy, n);
	return list;
}

static struct json_object *failed_objects(const struct manager *m)
{
	struct json_object *list = json_object_new_array();
	struct map_iter it = { 0 };

	while (map_next(m->failed, &it)) {
		struct json_object *o = json_object_new_object();

		add_string(o, "object", it.key);
		add_string(o, "reason", it.value);
		json_object_array_add(list, o);
	}
	return list;
}

static int add_path(void *userdata, const struct object *o, const char *path)
{
	return json_object_array_add(userdata, json_object_new_string(path));
}

static struct json_object *foreign_paths(const struct manager *m)
{
	struct json_object *list = json_object_new_array();

	foreign_below(m, tree_root(m->actual), add_path, list);
	return list;
}

int manager_status(struct manager *m, struct json_object **ret)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return -ENOMEM;
	json_object_object_add(o, "generation", json_object_new_uint64(m->generation));
	json_object_object_add(o, "started", json_object_new_boolean(m->started));
	add_string(o, "release", m->release);
	json_object_object_add(o, "objects", count_objects(m->wanted));
	json_object_object_add(o, "jobs", running_jobs(m));
	json_object_object_add(o, "stuck", stuck_workers(m));
	json_object_object_add(o, "debts", report_debts(m->ledger, NULL));
	json_object_object_add(o, "failed", failed_objects(m));
	json_object_object_add(o, "drift", report_differences(drift_known(m)));
	json_object_object_add(o, "foreign", foreign_paths(m));
	json_object_object_add(o, "shouts", report_errors(&m->shouts));
	*ret = o;
	return 0;
}

int manager_history(struct manager *m, struct json_object **ret)
{
	struct json_object *list = json_object_new_array();

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_generations; i++) {
		const struct generation *g = &m->generations[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "generation", json_object_new_uint64(g->number));
		json_object_object_add(o, "time", json_object_new_int64(g->when));
		add_string(o, "label", g->label);
		json_object_object_add(o, "objects", json_object_new_uint64(g->objects));
		json_object_array_add(list, o);
	}
	*ret = list;
	return 0;
}
