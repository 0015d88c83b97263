/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between attributes and between objects. Each looks at one object and finds the others through the tree's index, so that a
 * change costs what it touches. Messages name the other object.
 */
#include "model/validate.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/map.h"
#include "base/text.h"
#include "model/names.h"

struct check {
	const struct tree *t;
	const struct object *o;
	const char *path;
	struct cfg_errors *errs;
};

#define wrong(c, attr, ...) cfg_errors_add((c)->errs, EINVAL, (c)->path, attr, NULL, __VA_ARGS__)

static bool is_true(const struct object *o, const char *attr)
{
	const struct attr_row *row = attr_find(o->kind, attr);

	return streq_ptr(object_effective(o, row), "1");
}

static bool is_word(const struct object *o, const char *attr, const char *word)
{
	return streq_ptr(object_get(o, attr), word);
}

/* ---- every object ---- */

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
	attr_foreach(row, c->o->kind) {
		if (row->type == ATTR_REF && object_get_row(c->o, row))
			check_reference(c, row, object_get_row(c->o, row));
		if (row->type == ATTR_REFS)
			for (char *const *n = object_get_list(c->o, row); n && *n; n++)
				check_reference(c, row, *n);
	}
}

/* ---- backends ---- */

static void check_unique(struct check *c, const char *attr, const char *what)
{
	const char *value = object_get(c->o, attr);
	_cleanup_free_ char *key = value ? strf("%s:%s", what, value) : NULL;
	struct users u = key ? tree_key_owners(c->t, key) : (struct users){ 0 };

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i] != c->o) {
			_cleanup_free_ char *other = object_path(u.items[i]);

			wrong(c, attr, "%s is that of %s too", value, other ? other : "another backend");
			return;
		}
}

static void needs_type(struct check *c, const char *attr, const char *type)
{
	if (object_get(c->o, attr) && !is_word(c->o, "type", type))
		wrong(c, attr, "goes with type %s only", type);
}

static void check_backend(struct check *c)
{
	bool file = is_word(c->o, "type", "file");
	struct users u = tree_users(c->t, KIND_BACKEND, c->o->name);

	if (!object_get(c->o, "type"))
		return;
	if (!object_get(c->o, file ? "path" : "device"))
		wrong(c, file ? "path" : "device", "is missing");
	needs_type(c, "device", "block");
	needs_type(c, "path", "file");
	needs_type(c, "size", "file");
	needs_type(c, "create", "file");
	if (is_true(c->o, "create") && !object_get(c->o, "size"))
		wrong(c, "size", "is missing: a file that is made needs one");
	check_unique(c, "device", "device");
	check_unique(c, "path", "device");
	check_unique(c, "uuid", "uuid");
	check_unique(c, "nguid", "nguid");
	/* The kernel would let two namespaces write to one device without knowing of each other. */
	if (u.n > 1) {
		_cleanup_free_ char *a = object_path(u.items[0]), *b = object_path(u.items[1]);
		bool in_order = a && b && text_natural_cmp(a, b) < 0;

		wrong(c, NULL, "is exported twice, by %s and %s; a device can stand behind one namespace", in_order ? a : b,
		      in_order ? b : a);
	}
}

/* ---- hosts and subsystems ---- */

static void check_host(struct check *c)
{
	if (object_get(c->o, "dhchap_ctrl_key") && !object_get(c->o, "dhchap_key"))
		wrong(c, "dhchap_ctrl_key", "needs dhchap_key: the controller proves itself to hosts that do so too");
}

static int64_t number(const struct object *o, const char *attr)
{
	int64_t v = 0;

	text_to_i64(object_effective(o, attr_find(o->kind, attr)), &v);
	return v;
}

static void check_discovery_nqn(struct check *c)
{
	const struct object *global = tree_find(c->t, "nvmet");
	const char *nqn = global ? object_get(global, "discovery_nqn") : NULL;

	if (nqn && strncmp(c->o->name, nqn, strlen(nqn)) == 0)
		wrong(c, NULL, "begins with the discovery NQN %s, which the kernel refuses", nqn);
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
	if (is_true(c->o, "passthru_enable")) {
		if (!object_get(c->o, "passthru_path"))
			wrong(c, "passthru_path", "is missing");
		if (namespaces)
			wrong(c, "passthru_enable", "excludes namespaces");
	}
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

/* ---- ports ---- */

static bool is_ip(const struct object *o)
{
	return is_word(o, "trtype", "tcp") || is_word(o, "trtype", "rdma");
}

static void check_address(struct check *c)
{
	const char *traddr = object_get(c->o, "traddr"), *trsvcid = object_get(c->o, "trsvcid");
	bool v6 = is_word(c->o, "adrfam", "ipv6");
	_cleanup_free_ char *plain = NULL;
	unsigned char buf[16];
	uint64_t port;

	if (!is_ip(c->o))
		return;
	if (!traddr) {
		wrong(c, "traddr", "is missing");
		return;
	}
	if (!v6 && !is_word(c->o, "adrfam", "ipv4")) {
		wrong(c, "adrfam", "must be ipv4 or ipv6 for %s", object_get(c->o, "trtype"));
		return;
	}
	plain = strndup(traddr, v6 ? strcspn(traddr, "%") : strlen(traddr));
	if (plain && inet_pton(v6 ? AF_INET6 : AF_INET, plain, buf) != 1)
		wrong(c, "traddr", "%s is no %s address%s", traddr, v6 ? "IPv6" : "IPv4",
		      *traddr == '[' ? "; write it without brackets" : "");
	if (!trsvcid)
		wrong(c, "trsvcid", "is missing");
	else if (text_to_u64(trsvcid, &port) < 0 || port < 1 || port > 65535)
		wrong(c, "trsvcid", "%s is no port number: 1 to 65535", trsvcid);
}

static bool is_any(const char *traddr)
{
	return streq(traddr, "0.0.0.0") || streq(traddr, "::");
}

/* The kernel's listeners on :: take IPv4 as well. */
static bool addresses_clash(const char *a, const char *b)
{
	bool family_a = strchr(a, ':') != NULL, family_b = strchr(b, ':') != NULL;

	if (streq(a, b) || streq(a, "::") || streq(b, "::"))
		return true;
	return family_a == family_b && (is_any(a) || is_any(b));
}

static void check_address_unique(struct check *c)
{
	const char *traddr = object_get(c->o, "traddr");
	_cleanup_strv_ char **keys = NULL;
	struct users u;

	if (!traddr || object_keys(c->o, &keys) < 0 || !keys)
		return;
	u = tree_key_owners(c->t, keys[0]);
	for (size_t i = 0; i < u.n; i++) {
		const char *other = object_get(u.items[i], "traddr");

		if (u.items[i] == c->o || !other || !(is_ip(c->o) ? addresses_clash(traddr, other) : streq(traddr, other)))
			continue;
		wrong(c, "traddr", "%s clashes with that of ports/%s (%s)", traddr, u.items[i]->name, other);
		return;
	}
}

static void check_security(struct check *c)
{
	const char *tsas = object_get(c->o, "tsas"), *treq = object_get(c->o, "treq");

	if (is_word(c->o, "trtype", "tcp") ? streq_ptr(tsas, "connected") :
	    is_word(c->o, "trtype", "rdma") ? tsas && !streq(tsas, "connected") :
					      tsas != NULL)
		wrong(c, "tsas", "%s is nothing that %s has", tsas, object_get(c->o, "trtype"));
	if (streq_ptr(tsas, "tls1.3") && streq_ptr(treq, "not specified"))
		wrong(c, "treq", "must be required or not required with tls1.3");
	if (is_true(c->o, "pi_enable") && !is_word(c->o, "trtype", "rdma"))
		wrong(c, "pi_enable", "is offered by rdma only");
}

static void check_port(struct check *c)
{
	if (!object_get(c->o, "trtype"))
		return;
	check_address(c);
	check_address_unique(c);
	check_security(c);
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
	check_required(&c);
	check_references(&c);
	switch (o->kind) {
	case KIND_NVMET:
		check_nvmet(&c);
		break;
	case KIND_BACKEND:
		check_backend(&c);
		break;
	case KIND_HOST:
		check_host(&c);
		break;
	case KIND_SUBSYSTEM:
		check_subsystem(&c);
		break;
	case KIND_PORT:
		check_port(&c);
		break;
	case KIND_REFERRAL:
		check_address(&c);
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
	return errs->total > before ? -EINVAL : 0;
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

	if (path_parse(path, &p, NULL, NULL) < 0 || p.depth != 1 || kind_info(p.kind[0])->singleton)
		return 0;
	u = tree_users(t, p.kind[0], p.name[0]);
	for (size_t i = 0; r >= 0 && i < u.n; i++)
		r = check_once(t, u.items[i], seen, errs);
	return r;
}

static int check_change(const struct tree *t, const struct change *c, struct map *seen, struct cfg_errors *errs)
{
	const struct object *o = tree_find(t, c->path);
	int r;

	/* Referrers can only be hurt when the object goes; what they say was checked with them. */
	if (!o)
		return check_users(t, c->path, seen, errs);
	r = check_once(t, o, seen, errs);
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
	if (!c->before || !c->after)
		return;
	attr_foreach(row, c->after->kind) {
		const char *was = object_get_row(c->before, row), *is = object_get_row(c->after, row);

		if (row->moment != ATTR_NEVER || streq_ptr(was, is))
			continue;
		cfg_errors_add(errs, EINVAL, c->path, row->name, NULL,
			       "is %s and stays so; delete the %s, or make another one under another name", was ? was : "unset",
			       kind_info(c->after->kind)->noun);
	}
}

int validate_changes(const struct tree *t, const struct changes *c, struct cfg_errors *errs)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	size_t before = errs->total;
	int r = seen ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < c->n; i++) {
		check_fixed(c->items[i], errs);
		r = check_change(t, c->items[i], seen, errs);
	}
	if (r < 0)
		return cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
	return errs->total > before ? -EINVAL : 0;
}
