/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted, in the kernel's terms; and how that compares with what the kernel has. */
#include <errno.h>

#include "base/text.h"
#include "kernel/element.h"
#include "kernel/lio.h"
#include "model/access.h"
#include "model/backend.h"

static int lower_namespace(struct object *o, const struct object *wanted, const struct tree *t, struct cfg_error *err)
{
	const char *name = object_get(wanted, "backend");
	const struct object *b = name ? object_child(tree_root(t), KIND_BACKEND, name) : NULL;
	bool shared = b && backend_is_shared(t, b);
	_cleanup_free_ char *bridge = shared ? backend_bridge_name(b) : NULL, *disk = bridge ? bridge_disk_of(bridge) : NULL;
	const char *device = shared ? disk : b ? object_get(b, "device") ? object_get(b, "device") : object_get(b, "path") : NULL;

	if (shared && !device && object_get(b, "vpd_unit_serial"))
		return cfg_error_oom(err);
	if (!device) {
		_cleanup_free_ char *path = object_path(wanted);

		return cfg_error_set_at(err, ENOENT, path, "backend", "names no backend with a device or file");
	}
	if (object_set_attr(o, "device_path", device) < 0 || object_set_attr(o, "ana_grpid", access_ana_grpid(t, wanted)) < 0 ||
	    object_set_attr(o, "device_uuid", object_get(b, "uuid")) < 0 ||
	    object_set_attr(o, "device_nguid", object_get(b, "nguid")) < 0 ||
	    object_set_attr(o, "buffered_io", shared ? "0" : object_effective(b, attr_find(KIND_BACKEND, "buffered_io"))) < 0)
		return cfg_error_oom(err);
	return 0;
}

/* The path that an earlier controller had stays in the kernel, which has nothing to clear it. */
static int lower_subsystem(struct object *o, const struct object *wanted, const struct tree *t, struct cfg_error *err)
{
	const char *name = object_get(wanted, "backend");
	const struct object *b = name ? object_child(tree_root(t), KIND_BACKEND, name) : NULL;
	int r = b ? object_set_attr(o, "passthru_path", object_get(b, "device")) : 0;

	if (r >= 0)
		r = object_set_attr(o, "passthru_enable", b ? "1" : "0");
	return r < 0 ? cfg_error_oom(err) : 0;
}

/* tsas and treq have defaults that follow from each other and from the transport (kernel-abi 2.7). */
static int lower_port(struct object *o, struct cfg_error *err)
{
	const char *trtype = object_get(o, "trtype");
	const char *tsas;

	if (streq_ptr(trtype, "tcp") && !object_get(o, "tsas") && object_set_attr(o, "tsas", "none") < 0)
		return cfg_error_oom(err);
	tsas = object_get(o, "tsas");
	if (!object_get(o, "treq") &&
	    object_set_attr(o, "treq", streq_ptr(tsas, "tls1.3") ? "required" : "not specified") < 0)
		return cfg_error_oom(err);
	return 0;
}

static int lower_object(struct object *o, const struct object *wanted, const struct tree *t, struct cfg_error *err)
{
	attr_foreach(row, wanted->kind) {
		const char *v = attr_is_list(row) ? NULL : object_effective(wanted, row);

		if (v && object_set(o, row, v) < 0)
			return cfg_error_oom(err);
	}
	if (wanted->kind == KIND_NAMESPACE)
		return lower_namespace(o, wanted, t, err);
	if (wanted->kind == KIND_SUBSYSTEM)
		return lower_subsystem(o, wanted, t, err);
	return wanted->kind == KIND_PORT ? lower_port(o, err) : 0;
}

int target_ensure(struct tree *t, const char *path, struct object **ret)
{
	struct object *o = tree_find(t, path);
	int r;

	if (!o) {
		_cleanup_free_ char *parent = path_parent(path);

		if (!parent)
			return -ENOMEM;
		r = *parent ? target_ensure(t, parent, &o) : 0;
		if (r >= 0)
			r = tree_add(t, path, &o);
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}

/* State of an ANA group that is there for the access state of a backend; NULL when it is none. */
static const char *ana_state_of(const struct tree *wanted, const struct element *e)
{
	const char *port = e->object + strlen("ports/"), *group = strrchr(e->object, '/');
	char id[16];
	int n = e->kind == KIND_ANA_GROUP ? snprintf(id, sizeof(id), "%.*s", (int)strcspn(port, "/"), port) : 0;

	return n > 0 && (size_t)n < sizeof(id) ? access_ana_state(wanted, id, group + 1) : NULL;
}

bool element_is_wanted(const struct tree *wanted, const struct element *e)
{
	if (e->edge)
		return element_is_in(wanted, e);
	return lio_is_kind(e->kind) ? lio_is_wanted(wanted, e) : tree_find(wanted, e->object) || ana_state_of(wanted, e);
}

/* An object that is in nobody's document: what a backend asks for without naming it. */
static int lower_own(struct object *o, const struct tree *wanted, const struct element *e, struct cfg_error *err)
{
	_cleanup_free_ char *parent = path_parent(e->object);
	const struct object *backend;

	if (!parent)
		return cfg_error_oom(err);
	if (e->kind == KIND_ANA_GROUP)
		return object_set_attr(o, "ana_state", ana_state_of(wanted, e)) < 0 ? cfg_error_oom(err) : 0;
	backend = tree_find(wanted, parent);
	return e->kind == KIND_BRIDGE ? lio_lower_bridge(o, backend, err) : lio_lower_access_group(o, backend, err);
}

/* An object that may not be in the kernel's tree at all times. */
static int lower_element(struct tree *target, const struct tree *wanted, const struct element *e, struct cfg_error *err)
{
	const struct object *o = tree_find(wanted, e->object);
	struct object *to;

	if (!element_is_wanted(wanted, e))
		return 0;
	if (target_ensure(target, e->object, &to) < 0)
		return cfg_error_oom(err);
	if (!o)
		return lower_own(to, wanted, e, err);
	return lio_is_kind(e->kind) ? lio_lower_object(to, o, wanted, err) : lower_object(to, o, wanted, err);
}

static int lower_edge(struct tree *target, const struct tree *wanted, const struct element *e, struct cfg_error *err)
{
	const struct object *holder = tree_find(wanted, e->object);
	struct object *o;

	if (!holder || !object_lists(holder, e->edge, e->name))
		return 0;
	if (target_ensure(target, e->object, &o) < 0 || object_list_add(o, e->edge, e->name) < 0)
		return cfg_error_oom(err);
	return 0;
}

int kernel_lower(const struct tree *wanted, const struct scope *s, struct tree **ret, struct cfg_error *err)
{
	_cleanup_(tree_freep) struct tree *target = tree_new();

	if (!target)
		return cfg_error_oom(err);
	for (char **t = s->elements; t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };
		int r = element_parse(*t, &e);

		if (r < 0)
			return r == -ENOMEM ? cfg_error_oom(err) : cfg_error_set(err, EINVAL, "%s is no element", *t);
		r = e.edge ? lower_edge(target, wanted, &e, err) : lower_element(target, wanted, &e, err);
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(target);
	return 0;
}

/* ---- comparing ---- */

bool row_differs(const struct object *target, const struct object *actual, const struct attr_row *row)
{
	const char *t, *a;

	if (attr_is_list(row) || !(row->file || row->flags & ATTR_LINK) || row->flags & (ATTR_WRITE_ONLY | ATTR_TRIGGER))
		return false;
	t = object_get_row(target, row);
	a = object_get_row(actual, row);
	if (attr_is_secret(row))
		return !t != !a;
	/* A token or reference that is unset is empty in the kernel, and can be made so. */
	if (!t)
		return a && (row->type == ATTR_TOKEN || row->type == ATTR_REF) && !row->dflt && row->source != ATTR_CAPTURED;
	if (row->flags & ATTR_SETTLES && streq_ptr(t, row->dflt))
		return false;
	/* A kernel without the attribute behaves by its default. */
	if (!a)
		return !streq_ptr(t, row->dflt) && !(row->since && row->source == ATTR_GENERATED);
	return !streq(t, a);
}

void differences_done(struct differences *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].element);
		free(d->items[i].attr);
		free(d->items[i].wanted);
		free(d->items[i].actual);
	}
	free(d->items);
	*d = (struct differences){ 0 };
}

int differences_add(struct differences *d, const char *element, const char *attr, const char *wanted, const char *actual)
{
	struct difference *items = reallocarray(d->items, d->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	d->items = items;
	items[d->n++] = (struct difference){
		.element = strdup(element),
		.attr = attr ? strdup(attr) : NULL,
		.wanted = strdup(wanted),
		.actual = strdup(actual),
	};
	return 0;
}

bool element_is_in(const struct tree *t, const struct element *e)
{
	const struct object *o = tree_find(t, e->object);

	return o && (!e->edge || object_lists(o, e->edge, e->name));
}

static int compare_attrs(const struct object *target, const struct object *actual, const char *element,
			 struct differences *ret)
{
	attr_foreach(row, target->kind) {
		const char *t, *a;

		if (!row_differs(target, actual, row))
			continue;
		t = object_get_row(target, row);
		a = object_get_row(actual, row);
		if (differences_add(ret, element, row->name, t ? t : "unset", a ? a : "unset") < 0)
			return -ENOMEM;
	}
	return 0;
}

int kernel_doubt(const struct tree *target, const struct scope *s, struct differences *ret)
{
	int r = 0;

	for (char **t = s->elements; r >= 0 && t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };
		bool wanted;

		r = element_parse(*t, &e);
		wanted = r >= 0 && element_is_in(target, &e);
		/* A bridge that was there is in the scope for its disk alone. */
		if (r < 0 || (wanted ? e.kind == KIND_BRIDGE : element_is_permanent(&e)))
			continue;
		r = differences_add(ret, *t, NULL, wanted ? "present" : "absent", "not known");
	}
	return r;
}

int kernel_compare(const struct tree *target, const struct tree *actual, const struct scope *s, struct differences *ret)
{
	for (char **t = s->elements; t && *t; t++) {
		_cleanup_element_ struct element e = { 0 };
		bool wanted, there;
		int r = element_parse(*t, &e);

		if (r < 0)
			return r;
		wanted = element_is_in(target, &e);
		there = element_is_in(actual, &e);
		/* What cannot come and go is neither absent nor too much. */
		if (element_is_permanent(&e) && !(wanted && there))
			continue;
		if (wanted != there)
			r = differences_add(ret, *t, NULL, wanted ? "present" : "absent", there ? "present" : "absent");
		else if (wanted && !e.edge)
			r = compare_attrs(tree_find(target, e.object), tree_find(actual, e.object), *t, ret);
		if (r < 0)
			return r;
	}
	return 0;
}
