/* SPDX-License-Identifier: Apache-2.0 */
/* show: the whole as a tree, each object in one line. */
#include "cli/show.h"

int each_child(enum kind parent, struct json_object *o, child_fn fn, void *userdata)
{
	enum kind direct = kind_direct_child(parent);
	int r = 0;

	json_object_object_foreach(o, key, value) {
		enum kind kind = kind_from_collection(parent, key);

		if (r < 0 || !json_object_is_type(value, json_type_object) || attr_find(parent, key))
			continue;
		if (kind == KIND_MAX && direct != KIND_MAX) {
			r = fn(userdata, direct, "", key, value);
		} else if (kind != KIND_MAX && !kind_info(kind)->singleton) {
			json_object_object_foreach(value, name, child)
				if (r >= 0)
					r = fn(userdata, kind, key, name, child);
		}
	}
	return r;
}

static char *address_text(struct json_object *o)
{
	const char *traddr = member_string(o, "traddr"), *trsvcid = member_string(o, "trsvcid");
	bool ipv6 = strchr(traddr, ':') && *trsvcid;

	return strf("%s %s%s%s%s%s", member_string(o, "trtype"), ipv6 ? "[" : "", traddr, ipv6 ? "]" : "", *trsvcid ? ":" : "",
		    trsvcid);
}

static char *backend_text(struct json_object *o)
{
	const char *backend = member_string(o, "backend");

	return *backend ? strf("backends/%s", backend) : strdup(member_string(o, "device_path"));
}

static char *subsystem_text(struct json_object *o)
{
	size_t hosts = array_len(member(o, "allowed_hosts"));

	if (*member_string(o, "backend"))
		return strf("passes commands to backends/%s", member_string(o, "backend"));
	/* One that is not ours has no backend. */
	if (member_bool(o, "passthru_enable"))
		return strf("passes commands to %s", member_string(o, "passthru_path"));
	if (member_bool(o, "allow_any_host"))
		return strdup("any host");
	return hosts ? count_text(hosts, "hosts") : strdup("no host allowed");
}

static bool is_true(struct json_object *o, const char *attr, bool when_absent)
{
	return member(o, attr) ? member_bool(o, attr) : when_absent;
}

static char *backend_digest(struct json_object *o)
{
	const char *type = member_string(o, "type"), *size = member_string(o, "size");
	bool sized = streq(type, "ramdisk") || streq(type, "user");

	return strf("%s %s%s%s%s%s", type, member_string(o, "device"), member_string(o, "path"), sized ? size : "",
		    sized && member(o, "dev_config") ? " " : "", member_string(o, "dev_config"));
}

/* The fabrics with a nexus have one initiator, this machine or its guest; on the others ACLs say who may log in. */
static char *group_digest(struct json_object *o)
{
	struct json_object *acls = member(o, "acls");
	const char *stopped = is_true(o, "enable", true) ? "" : "stopped, ";
	_cleanup_free_ char *initiators = NULL;

	if (member(o, "nexus"))
		return strf("%snexus %s", stopped, member_string(o, "nexus"));
	if (is_true(o, "generate_node_acls", false))
		return strf("%sany initiator", stopped);
	initiators = acls ? count_text((uint64_t)json_object_object_length(acls), "initiators") : strdup("no initiator allowed");
	return initiators ? strf("%s%s", stopped, initiators) : NULL;
}

static char *lun_digest(struct json_object *o)
{
	const char *group = member_string(o, "alua_group");

	return strf("backends/%s%s%s", member_string(o, "backend"), *group ? ", ALUA group " : "", group);
}

static char *acl_digest(struct json_object *o)
{
	const char *user = member_string(o, "userid");

	return *user ? strf("CHAP as %s", user) : strdup("");
}

static char *mapped_lun_digest(struct json_object *o)
{
	return strf("luns/%s%s", member_string(o, "lun"), is_true(o, "write_protect", false) ? ", read only" : "");
}

/* The one line that says most about an object. */
static char *digest(enum kind kind, struct json_object *o)
{
	switch (kind) {
	case KIND_BACKEND:
		return backend_digest(o);
	case KIND_ALUA_GROUP:
		return strdup(member(o, "access_state") ? member_string(o, "access_state") : "optimized");
	case KIND_NAMESPACE:
		return backend_text(o);
	case KIND_PORT:
	case KIND_REFERRAL:
		return address_text(o);
	case KIND_ANA_GROUP:
		return strdup(member_string(o, "ana_state"));
	case KIND_SUBSYSTEM:
		return subsystem_text(o);
	case KIND_TPG:
		return group_digest(o);
	case KIND_LUN:
		return lun_digest(o);
	case KIND_PORTAL:
		return strdup(is_true(o, "iser", false) ? "iSER" : "");
	case KIND_ACL:
		return acl_digest(o);
	case KIND_MAPPED_LUN:
		return mapped_lun_digest(o);
	case KIND_ROOT:
	case KIND_NVMET:
	case KIND_TARGET_CORE:
	case KIND_LU_GROUP:
	case KIND_BRIDGE:
	case KIND_HOST:
	case KIND_FABRIC:
	case KIND_TARGET:
	case KIND_MAX:
		break;
	}
	return strdup("");
}

static char *state_text(struct json_object *o)
{
	const char *state = member_string(o, "state"), *reason = member_string(o, "reason");

	return strf("%s%s%s", state, *reason ? ": " : "", reason);
}

static struct table_line *add_line(struct table *t, struct table_line *parent, const char *name, const char *what,
				   const char *state)
{
	const char *const cells[] = { name, what, state };

	return table_add(t, parent, cells);
}

struct json_object *users_of(struct json_object *used_by, const char *backend)
{
	_cleanup_free_ char *path = strf("backends/%s", backend);

	return path ? member(used_by, path) : NULL;
}

char *ways_text(struct json_object *user)
{
	struct strbuf b = { 0 };

	foreach_item(way, member(user, "through")) {
		const char *path = json_object_get_string(way), *portal = strstr(path, "/portals/");

		strbuf_addf(&b, "%s%s", b.len ? "," : "", portal ? portal + 1 : path);
	}
	return strbuf_steal(&b);
}

struct branch {
	struct table *t;
	struct table_line *line;	/* the parent; NULL: top */
	struct json_object *used_by;
};

static int add_links(const struct branch *b, struct json_object *subsystems)
{
	for (size_t i = 0; i < array_len(subsystems); i++) {
		_cleanup_free_ char *name = strf("serves subsystems/%s", array_string(subsystems, i));

		if (!name || !add_line(b->t, b->line, name, NULL, NULL))
			return -1;
	}
	return 0;
}

static int add_users(const struct branch *b, const char *backend)
{
	foreach_item(user, users_of(b->used_by, backend)) {
		_cleanup_free_ char *name = strf("used by %s", member_string(user, "object")), *ways = ways_text(user);

		if (!name || !ways || !add_line(b->t, b->line, name, ways, NULL))
			return -1;
	}
	return 0;
}

static int add_object(void *userdata, enum kind kind, const char *collection, const char *name, struct json_object *o)
{
	struct branch *parent = userdata, b = *parent;
	_cleanup_free_ char *label = parent->line && *collection ? strf("%s/%s", collection, name) : strdup(name);
	_cleanup_free_ char *what = digest(kind, o), *state = state_text(o);

	b.line = label && what && state ? add_line(b.t, parent->line, label, what, state) : NULL;
	if (!b.line || each_child(kind, o, add_object, &b) < 0)
		return -1;
	if (kind == KIND_PORT)
		return add_links(&b, member(o, "subsystems"));
	return kind == KIND_BACKEND ? add_users(&b, name) : 0;
}

/* The collections at the top are lines of their own. */
static int add_top(struct table *t, struct json_object *doc)
{
	json_object_object_foreach(doc, key, value) {
		enum kind kind = kind_from_collection(KIND_ROOT, key);
		struct branch b = { .t = t, .used_by = member(doc, "used_by") };

		if (kind == KIND_MAX || kind_info(kind)->singleton || !json_object_object_length(value))
			continue;
		b.line = add_line(t, NULL, key, NULL, NULL);
		if (!b.line)
			return -1;
		json_object_object_foreach(value, name, o)
			if (add_object(&b, kind, "", name, o) < 0)
				return -1;
	}
	return 0;
}

int show_tree(struct json_object *doc)
{
	static const char *const columns[] = { "OBJECT", "WHAT", "STATE" };
	struct table *t = table_new(columns, ARRAY_SIZE(columns), true);

	if (!t || add_top(t, doc) < 0)
		return out_of_memory();
	if (!table_len(t))
		puts("Nothing is configured. Try: nvmetctl export DEVICE --nvme NQN --port tcp:ADDRESS --host HOSTNQN");
	return table_print(t, true);
}
