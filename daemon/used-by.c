/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sees a backend: the namespaces and LUNs on it, or the subsystem that passes commands to it, the ports and portals that lead there, the hosts
 * and initiators that may use them. It stands at the top of what is shown, beside the objects, where a document that is applied may hold it and it
 * means nothing.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "model/backend.h"

/* Paths of the objects of a kind among the users of another, sorted. */
static int collect_users(const struct tree *t, enum kind of, const char *name, enum kind kind, char ***ret)
{
	struct users u = tree_users(t, of, name);

	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = u.items[i]->kind == kind ? object_path(u.items[i]) : NULL;

		if (u.items[i]->kind == kind && (!path || strv_append(ret, path) < 0))
			return -ENOMEM;
	}
	strv_sort_unique(*ret);
	return 0;
}

static bool is_on(const struct object *o, const char *attr)
{
	const struct attr_row *row = attr_find(o->kind, attr);
	const char *value = row && object_has_row(o, row) ? object_effective(o, row) : NULL;

	return value && streq(value, "1");
}

struct seen {
	char **through, **hosts;
	bool any_host;
};

static void seen_done(struct seen *s)
{
	strv_free(s->through);
	strv_free(s->hosts);
}

static int see_subsystem(const struct tree *t, const struct object *subsystem, struct seen *s)
{
	s->any_host = is_on(subsystem, "allow_any_host");
	for (char *const *host = object_get_list(subsystem, attr_find(KIND_SUBSYSTEM, "allowed_hosts")); host && *host; host++)
		if (strv_append(&s->hosts, *host) < 0)
			return -ENOMEM;
	return collect_users(t, KIND_SUBSYSTEM, subsystem->name, KIND_PORT, &s->through);
}

static bool maps(const struct object *acl, const char *lun)
{
	for (size_t i = 0; i < object_count(acl, KIND_MAPPED_LUN); i++)
		if (streq_ptr(object_get(object_nth(acl, KIND_MAPPED_LUN, i), "lun"), lun))
			return true;
	return false;
}

static int see_lun(const struct object *lun, struct seen *s)
{
	const struct object *group = lun->parent;
	const char *nexus = object_get(group, "nexus");

	s->any_host = is_on(group, "generate_node_acls");
	for (size_t i = 0; i < object_count(group, KIND_PORTAL); i++) {
		_cleanup_free_ char *path = object_path(object_nth(group, KIND_PORTAL, i));

		if (!path || strv_append(&s->through, path) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < object_count(group, KIND_ACL); i++) {
		const struct object *acl = object_nth(group, KIND_ACL, i);

		if (maps(acl, lun->name) && strv_append(&s->hosts, acl->name) < 0)
			return -ENOMEM;
	}
	/* A fabric within the machine has one initiator and no ACLs. */
	return nexus ? strv_append(&s->hosts, nexus) : 0;
}

static struct json_object *list_to_json(char *const *list)
{
	struct json_object *array = json_object_new_array();

	for (; list && *list; list++)
		json_object_array_add(array, json_object_new_string(*list));
	return array;
}

static int add_seen(const struct tree *t, const char *path, struct json_object *list)
{
	_cleanup_(seen_done) struct seen s = { 0 };
	const struct object *o = tree_find(t, path);
	struct json_object *json;
	int r = o->kind == KIND_LUN ? see_lun(o, &s) : see_subsystem(t, o->kind == KIND_NAMESPACE ? o->parent : o, &s);

	if (r < 0)
		return r;
	json = json_object_new_object();
	json_object_object_add(json, "object", json_object_new_string(path));
	json_object_object_add(json, "through", list_to_json(s.through));
	json_object_object_add(json, "hosts", list_to_json(s.hosts));
	if (s.any_host)
		json_object_object_add(json, "any_host", json_object_new_boolean(true));
	json_object_array_add(list, json);
	return 0;
}

static int add_backend(const struct tree *t, const struct object *backend, const char *path, struct json_object *used_by)
{
	_cleanup_strv_ char **exports = NULL, **luns = NULL;
	struct json_object *list;
	int r = collect_users(t, KIND_BACKEND, backend->name, backend_is_controller(backend) ? KIND_SUBSYSTEM : KIND_NAMESPACE, &exports);

	if (r >= 0)
		r = collect_users(t, KIND_BACKEND, backend->name, KIND_LUN, &luns);
	if (r >= 0)
		r = strv_extend(&exports, luns);
	if (r < 0 || !exports)
		return r;
	list = json_object_new_array();
	json_object_object_add(used_by, path, list);
	for (char **e = exports; r >= 0 && *e; e++)
		r = add_seen(t, *e, list);
	return r;
}

int show_used_by(const struct tree *t, const char *below, struct json_object *doc)
{
	_cleanup_json_ struct json_object *used_by = json_object_new_object();
	const struct object *root = tree_root(t);
	size_t n = below && !path_is_within(below, "backends") ? 0 : object_count(root, KIND_BACKEND);

	for (size_t i = 0; i < n; i++) {
		const struct object *backend = object_nth(root, KIND_BACKEND, i);
		_cleanup_free_ char *path = object_path(backend);

		if (!path)
			return -ENOMEM;
		if ((!below || path_is_within(path, below)) && add_backend(t, backend, path, used_by) < 0)
			return -ENOMEM;
	}
	if (json_object_object_length(used_by))
		json_object_object_add(doc, "used_by", json_object_get(used_by));
	return 0;
}
