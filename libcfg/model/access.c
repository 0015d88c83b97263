/* SPDX-License-Identifier: Apache-2.0 */
/* Asymmetric access states of backends, in the terms of both standards. */
#include "model/access.h"

#include "base/text.h"
#include "model/backend.h"
#include "model/keys.h"

#define ANA_GROUP_MAX 127	/* the kernel makes 0 of 128 */

/* NVMe Base specification 2.0, 8.1.4, beside SPC-6 5.16.2: ANA has no standby, and its persistent loss is until somebody ends it. */
static const struct { const char *state, *ana; } states[] = {
	{ "optimized", "optimized" },	  { "non-optimized", "non-optimized" }, { "standby", "inaccessible" },
	{ "unavailable", "inaccessible" }, { "offline", "persistent-loss" },	{ "transitioning", "change" },
};

const char *access_state_to_ana(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (streq(states[i].state, state))
			return states[i].ana;
	return NULL;
}

bool access_serves_io(const char *state)
{
	return streq_ptr(state, "optimized") || streq_ptr(state, "non-optimized") || streq_ptr(state, "lba-dependent");
}

static const struct object *backend_of(const struct tree *t, const struct object *user)
{
	const char *name = object_get(user, "backend");

	return name ? object_child(tree_root(t), KIND_BACKEND, name) : NULL;
}

/* ---- LUNs ---- */

const char *access_group_of(const struct tree *t, const struct object *lun)
{
	const char *group = object_get(lun, "alua_group");
	const struct object *b = group ? NULL : backend_of(t, lun);

	return b && object_get(b, "access_state") ? ACCESS_GROUP : group;
}

const char *access_state_of(const struct tree *t, const struct object *lun)
{
	const struct object *b = backend_of(t, lun);
	const char *name = object_get(lun, "alua_group");
	const struct object *group = b && name ? object_child(b, KIND_ALUA_GROUP, name) : NULL;
	const char *state = group ? object_effective(group, attr_find(KIND_ALUA_GROUP, "access_state")) :
			    b && !name ? object_get(b, "access_state") : NULL;

	return state ? state : "optimized";
}

bool access_has_group(const struct tree *t, const struct object *backend)
{
	struct users u = tree_users(t, KIND_BACKEND, backend->name);

	for (size_t i = 0; object_get(backend, "access_state") && i < u.n; i++)
		if (u.items[i]->kind == KIND_LUN && !object_get(u.items[i], "alua_group"))
			return true;
	return false;
}

/* ---- namespaces ---- */

const char *access_ana_grpid(const struct tree *t, const struct object *ns)
{
	const struct object *b = backend_of(t, ns);
	const char *number = b && object_get(b, "access_state") ? object_get(b, "ana_grpid") : NULL;

	return number ? number : object_effective(ns, attr_find(KIND_NAMESPACE, "ana_grpid"));
}

static bool serves(const struct tree *t, const struct object *port, const struct object *backend)
{
	const struct attr_row *row = attr_find(KIND_PORT, "subsystems");
	struct users u = tree_users(t, KIND_BACKEND, backend->name);

	for (size_t i = 0; i < u.n; i++)
		if (u.items[i]->kind == KIND_NAMESPACE && object_lists(port, row, u.items[i]->parent->name))
			return true;
	return false;
}

static const char *state_at(const struct object *backend, const char *port)
{
	for (size_t i = 0; i < object_count(backend, KIND_ALUA_GROUP); i++) {
		const struct object *group = object_nth(backend, KIND_ALUA_GROUP, i);

		if (object_lists(group, attr_find(KIND_ALUA_GROUP, "ports"), port))
			return object_effective(group, attr_find(KIND_ALUA_GROUP, "access_state"));
	}
	return object_get(backend, "access_state");
}

const char *access_ana_state(const struct tree *t, const char *port, const char *group)
{
	const struct object *p = object_child(tree_root(t), KIND_PORT, port);
	struct key k;
	struct users u = tree_key_owners(t, key_of_ana_grpid(&k, group));

	if (!p || !u.n || !object_get(u.items[0], "access_state") || !serves(t, p, u.items[0]))
		return NULL;
	return access_state_to_ana(state_at(u.items[0], port));
}

unsigned access_free_number(const struct tree *t)
{
	for (unsigned n = 2; n <= ANA_GROUP_MAX; n++) {
		char text[16];
		struct key k;

		snprintf(text, sizeof(text), "%u", n);
		if (!tree_key_owners(t, key_of_ana_grpid(&k, text)).n && !tree_key_owners(t, key_of_ana_group(&k, text)).n)
			return n;
	}
	return 0;
}
