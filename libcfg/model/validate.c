/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between attributes and between objects. Each looks at one object and finds the others through the tree's index, so that a
 * change costs what it touches. Messages name the other object.
 */
#include "model/validate-private.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "model/backend.h"
#include "model/names.h"

bool is_true(const struct object *o, const char *attr)
{
	const struct attr_row *row = attr_find(o->kind, attr);

	return streq_ptr(object_effective(o, row), "1");
}

bool is_word(const struct object *o, const char *attr, const char *word)
{
	return streq_ptr(object_get(o, attr), word);
}

/* ---- every object ---- */

static void check_name(struct check *c)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *name = NULL;

	if (kind_info(c->o->kind)->singleton || name_parse(c->o->kind, c->o->name, &name, &err) >= 0)
		return;
	cfg_error_at(&err, c->path, NULL, NULL);
	cfg_errors_take(c->errs, &err);
}

/* Documents and edits bring what rows take. What was taken over from a kernel may be anything, and what no document may hold would be
 * lost with all else when the daemon reads it at its next start. */
static void check_values(struct check *c)
{
	const struct attr_row *row;
	size_t at = 0;

	while ((row = object_next_row(c->o, c->o, &at))) {
		const char *value = attr_is_list(row) || !attr_is_settable(row) ? NULL : object_get_row(c->o, row);
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_free_ char *canonical = NULL, *only = NULL;

		if (value && !object_has_row(c->o, row)) {
			only = attr_only_text(row->only);
			wrong(c, row->name, "goes with %s only", only ? only : "others");
			continue;
		}
		/* A secret that stood in the document has its file only when all is found right. */
		if (!value || (attr_is_secret(row) && strncmp(value, "inline:", 7) == 0))
			continue;
		if (attr_parse(row, value, &canonical, &err) < 0) {
			cfg_error_at(&err, c->path, row->name, NULL);
			cfg_errors_take(c->errs, &err);
		} else if (!streq(canonical, value)) {
			wrong(c, row->name, "is %s, which should be %s", value, canonical);
		}
	}
}

static void check_required(struct check *c)
{
	attr_foreach(row, c->o->kind)
		if (row->source == ATTR_REQUIRED && !object_get_row(c->o, row))
			wrong(c, row->name, "is missing");
}

static void check_reference(struct check *c, const struct attr_row *row, const char *name)
{
	if (!object_child(tree_root(c->t), row->ref, name))
		wrong(c, row->name, "names the %s %s, which does not exist", kind_info(row->ref)->noun, name);
}

static void check_references(struct check *c)
{
	const struct attr_row *row;
	size_t at = 0;

	while ((row = object_next_row(c->o, c->o, &at))) {
		if (row->type == ATTR_REF)
			check_reference(c, row, object_get_row(c->o, row));
		if (row->type == ATTR_REFS)
			for (char *const *n = object_get_list(c->o, row); n && *n; n++)
				check_reference(c, row, *n);
	}
}

/* ---- values ---- */

void check_unique(struct check *c, const char *attr, const char *what)
{
	const char *value = object_get(c->o, attr);
	_cleanup_free_ char *key = value ? strf("%s:%s", what, value) : NULL;
	struct users u = key ? tree_key_owners(c->t, key) : (struct users){ 0 };

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i] != c->o) {
			_cleanup_free_ char *other = object_path(u.items[i]);

			wrong(c, attr, "%s is that of %s too", value, other ? other : "another object");
			return;
		}
}

int64_t number(const struct object *o, const char *attr)
{
	const char *value = object_effective(o, attr_find(o->kind, attr));
	int64_t v = 0;

	if (value)
		text_to_i64(value, &v);
	return v;
}

/* ---- hosts and subsystems ---- */

static void check_host(struct check *c)
{
	if (object_get(c->o, "dhchap_ctrl_key") && !object_get(c->o, "dhchap_key"))
		wrong(c, "dhchap_ctrl_key", "needs dhchap_key: the controller proves itself to hosts that do so too");
}

static void check_discovery_nqn(struct check *c)
{
	const struct object *global = tree_find(c->t, "nvmet");
	const char *nqn = global ? object_get(global, "discovery_nqn") : NULL;

	if (nqn && strncmp(c->o->name, nqn, strlen(nqn)) == 0)
		wrong(c, NULL, "begins with the discovery NQN %s, which the kernel refuses", nqn);
}

/* Of a subsystem that passes commands on, all else but who may connect is the controller's. */
static void check_passing(struct check *c)
{
	const char *name = object_get(c->o, "backend");
	const struct object *b = name ? object_child(tree_root(c->t), KIND_BACKEND, name) : NULL;
	size_t namespaces = object_count(c->o, KIND_NAMESPACE);

	if (!name)
		return;
	if (b && object_get(b, "type") && !backend_is_controller(b))
		wrong(c, "backend", "cannot be backends/%s, of type %s: a subsystem passes commands to one of type nvme-passthru; others stand "
		      "behind namespaces", name, object_get(b, "type"));
	if (namespaces)
		wrong(c, "backend", "excludes namespaces, of which it has %zu", namespaces);
	if (object_get(c->o, "version"))
		wrong(c, "version", "cannot be set with backend: it is the passed controller's");
}

static void check_subsystem(struct check *c)
{
	const struct attr_row *hosts = attr_find(KIND_SUBSYSTEM, "allowed_hosts");
	size_t namespaces = object_count(c->o, KIND_NAMESPACE);

	if (is_true(c->o, "allow_any_host") && object_get_list(c->o, hosts))
		wrong(c, "allow_any_host", "excludes allowed_hosts: the kernel takes one or the other");
	if (number(c->o, "cntlid_min") > number(c->o, "cntlid_max"))
		wrong(c, "cntlid_min", "is larger than cntlid_max");
	if (namespaces > 1024)
		wrong(c, NULL, "has %zu namespaces; 1024 are the most", namespaces);
	check_passing(c);
	check_discovery_nqn(c);
}

static void check_nvmet(struct check *c)
{
	const char *nqn = object_get(c->o, "discovery_nqn");
	const struct object *root = tree_root(c->t);

	for (size_t i = 0; nqn && i < object_count(root, KIND_SUBSYSTEM); i++) {
		const struct object *s = object_nth(root, KIND_SUBSYSTEM, i);

		if (strncmp(s->name, nqn, strlen(nqn)) == 0) {
			wrong(c, "discovery_nqn", "is a beginning of subsystems/%s, which the kernel refuses", s->name);
			return;
		}
	}
}

/* ---- namespaces ---- */

/* "0000:3b:00.0" */
static bool is_pci_address(const char *s)
{
	static const char form[] = "hhhh:hh:hh.o";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'h' ? !strchr("0123456789abcdef", s[i]) : form[i] == 'o' ? s[i] < '0' || s[i] > '7' : s[i] != form[i])
			return false;
	return true;
}

static void check_namespace(struct check *c)
{
	const char *p2pmem = object_get(c->o, "p2pmem"), *name = object_get(c->o, "backend");
	const struct object *b = name ? object_child(tree_root(c->t), KIND_BACKEND, name) : NULL;

	if (b)
		check_namespace_on(c, b);
	if (!p2pmem || streq(p2pmem, "0"))
		return;
	/* The kernel takes more words for 0 and 1, and reads none of them back. */
	if (!streq(p2pmem, "1") && !is_pci_address(p2pmem))
		wrong(c, "p2pmem", "%s is neither 0 nor 1 nor a PCI address, as 0000:3b:00.0", p2pmem);
	else if (b && (!is_word(b, "type", "block") || is_true(b, "buffered_io")))
		wrong(c, "p2pmem", "needs a block device without buffered_io; backends/%s is none", name);
}

/* ---- walking ---- */

static void check_object(const struct tree *t, const struct object *o, struct cfg_errors *errs)
{
	_cleanup_free_ char *path = object_path(o);
	struct check c = { t, o, path, errs };

	if (!path) {
		cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
		return;
	}
	check_name(&c);
	check_values(&c);
	check_required(&c);
	check_references(&c);
	switch (o->kind) {
	case KIND_NVMET:
		check_nvmet(&c);
		break;
	case KIND_BACKEND:
		check_backend(&c);
		break;
	case KIND_ALUA_GROUP:
		check_alua_group(&c);
		break;
	case KIND_LU_GROUP:
		check_lu_group(&c);
		break;
	case KIND_HOST:
		check_host(&c);
		break;
	case KIND_SUBSYSTEM:
		check_subsystem(&c);
		break;
	case KIND_NAMESPACE:
		check_namespace(&c);
		break;
	case KIND_PORT:
		check_port(&c);
		break;
	case KIND_REFERRAL:
		check_referral(&c);
		break;
	case KIND_ANA_GROUP:
		check_no_backends_group(&c, NULL, o->name);
		break;
	case KIND_FABRIC:
		check_fabric(&c);
		break;
	case KIND_TARGET:
		check_target(&c);
		break;
	case KIND_TPG:
		check_tpg(&c);
		break;
	case KIND_LUN:
		check_lun(&c);
		break;
	case KIND_PORTAL:
		check_portal(&c);
		break;
	case KIND_ACL:
		check_acl(&c);
		break;
	case KIND_MAPPED_LUN:
		check_mapped_lun(&c);
		break;
	default:
		break;
	}
}

static void check_below(const struct tree *t, const struct object *o, struct cfg_errors *errs)
{
	for (size_t i = 0; i < o->n_children; i++) {
		check_object(t, o->children[i], errs);
		check_below(t, o->children[i], errs);
	}
}

int validate_tree(const struct tree *t, struct cfg_errors *errs)
{
	size_t before = errs->total;

	check_below(t, tree_root(t), errs);
	return cfg_errors_verdict(errs, before);
}

/* Once each, however many changes lead to it. */
static int check_once(const struct tree *t, const struct object *o, struct map *seen, struct cfg_errors *errs)
{
	_cleanup_free_ char *path = object_path(o);

	if (!path)
		return -ENOMEM;
	if (o->kind == KIND_ROOT || map_get(seen, path))
		return 0;
	if (map_put(seen, path, seen) < 0)
		return -ENOMEM;
	check_object(t, o, errs);
	return 0;
}

static int check_users(const struct tree *t, const char *path, struct map *seen, struct cfg_errors *errs)
{
	_cleanup_path_ struct path p = { 0 };
	struct users u;
	int r = 0;

	if (path_parse(path, &p, NULL, NULL) == -ENOMEM)
		return -ENOMEM;
	if (p.depth != 1 || kind_info(p.kind[0])->singleton)
		return 0;
	u = tree_users(t, p.kind[0], p.name[0]);
	for (size_t i = 0; r >= 0 && i < u.n; i++)
		r = check_once(t, u.items[i], seen, errs);
	return r;
}

static int check_all(const struct tree *t, const struct object *parent, enum kind kind, struct map *seen, struct cfg_errors *errs)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < object_count(parent, kind); i++)
		r = check_once(t, object_nth(parent, kind, i), seen, errs);
	return r;
}

static int check_exporters_of(const struct tree *t, const char *backend, enum kind kind, struct map *seen, struct cfg_errors *errs)
{
	struct users u = tree_users(t, KIND_BACKEND, backend);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < u.n; i++)
		if (u.items[i]->kind == kind)
			r = check_once(t, u.items[i], seen, errs);
	return r;
}

/* Those whom it touches without a reference by a name that is known everywhere. */
static int check_near(const struct tree *t, const struct change *c, struct map *seen, struct cfg_errors *errs)
{
	const struct object *some = c->after ? c->after : c->before;
	_cleanup_free_ char *parent_path = path_parent(c->path);
	const struct object *parent = parent_path ? tree_find(t, parent_path) : NULL, *o = tree_find(t, c->path);
	const char *backend = some->kind == KIND_LUN ? object_get(some, "backend") : NULL;
	int r = parent_path ? 0 : -ENOMEM;

	/* Mapped LUNs name it. */
	for (size_t i = 0; r >= 0 && some->kind == KIND_LUN && !o && parent && i < object_count(parent, KIND_ACL); i++)
		r = check_all(t, object_nth(parent, KIND_ACL, i), KIND_MAPPED_LUN, seen, errs);
	/* It makes a backend a shared one, on which a namespace may do less. */
	if (r >= 0 && backend)
		r = check_exporters_of(t, backend, KIND_NAMESPACE, seen, errs);
	/* LUNs name it. */
	if (r >= 0 && some->kind == KIND_ALUA_GROUP && !o && parent)
		r = check_exporters_of(t, parent->name, KIND_LUN, seen, errs);
	/* It says whether its initiators must authenticate themselves. */
	if (r >= 0 && some->kind == KIND_TPG && o && c->before)
		r = check_all(t, o, KIND_ACL, seen, errs);
	return r;
}

static int check_change(const struct tree *t, const struct change *c, struct map *seen, struct cfg_errors *errs)
{
	const struct object *o = tree_find(t, c->path);
	int r = check_near(t, c, seen, errs);

	/* Referrers are hurt when the object goes, or is a backend that changes under them; all else they say was checked with them. */
	if (r < 0 || !o)
		return r < 0 ? r : check_users(t, c->path, seen, errs);
	r = check_once(t, o, seen, errs);
	if (r >= 0 && o->kind == KIND_BACKEND && c->before)
		r = check_users(t, c->path, seen, errs);
	/* They go by its access state. */
	if (r >= 0 && o->kind == KIND_BACKEND && c->before)
		r = check_all(t, o, KIND_ALUA_GROUP, seen, errs);
	if (r >= 0 && o->parent->kind != KIND_ROOT)
		r = check_once(t, o->parent, seen, errs);
	/* A reference may make a second user of a backend. */
	attr_foreach(row, o->kind) {
		const char *name = row->type == ATTR_REF ? object_get_row(o, row) : NULL;
		const struct object *target = name ? object_child(tree_root(t), row->ref, name) : NULL;

		if (r >= 0 && target)
			r = check_once(t, target, seen, errs);
	}
	return r;
}

/* What is fixed once made can be had anew only under another name. */
static void check_fixed(const struct change *c, struct cfg_errors *errs)
{
	attr_foreach(row, c->after->kind) {
		const char *was = object_get_row(c->before, row), *is = object_get_row(c->after, row);

		if (row->moment != ATTR_NEVER || streq_ptr(was, is))
			continue;
		cfg_errors_add(errs, EINVAL, c->path, row->name, NULL,
			       "is %s and stays so; delete the %s, or make another one under another name", was ? was : "unset",
			       kind_info(c->after->kind)->noun);
	}
}

static void check_size(const struct change *c, struct cfg_errors *errs)
{
	const char *was = object_get(c->before, "size"), *is = object_get(c->after, "size");
	_cleanup_free_ char *size = NULL;
	uint64_t a, b;

	if (!was || !is || text_to_u64(was, &a) < 0 || text_to_u64(is, &b) < 0 || b >= a)
		return;
	size = text_from_size(a);
	cfg_errors_add(errs, EINVAL, c->path, "size", NULL, "must not be less than the %s that it is: a file is never shrunk",
		       size ? size : was);
}

static void check_transition(const struct change *c, struct cfg_errors *errs)
{
	if (!c->before || !c->after)
		return;
	check_fixed(c, errs);
	if (c->after->kind == KIND_BACKEND)
		check_size(c, errs);
}

int validate_changes(const struct tree *t, const struct changes *c, struct cfg_errors *errs)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	size_t before = errs->total;
	int r = seen ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < c->n; i++) {
		check_transition(c->items[i], errs);
		r = check_change(t, c->items[i], seen, errs);
	}
	if (r < 0)
		return cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
	return cfg_errors_verdict(errs, before);
}
