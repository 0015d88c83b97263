/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of the model on the bus: org.nvmetctl1.Object and one interface for each kind, on /org/nvmetctl1/obj/…. Everything is
 * computed from the model when somebody looks. The interfaces of the kinds are made from the attribute table at start, so that a new
 * row is a new property; org.nvmetctl1.xml is checked against them.
 *
 * Derived attributes are left out: they follow from other objects, and a change of those would have to be signalled here too. Show has
 * them.
 */
#include "dbus/service-private.h"

#include <errno.h>

#include "base/text.h"

/* What a message may hold of managed objects: dbus-daemon passes on 32 MiB, and ends the connection of who sends more. */
#define MANAGED_MAX (24u << 20)
/* Roughly what an object takes beside its values: path, names of interfaces and properties. */
#define OBJECT_OVERHEAD 1536

static const char *const interfaces[KIND_MAX] = {
	[KIND_NVMET] = "org.nvmetctl1.Nvmet",
	[KIND_BACKEND] = "org.nvmetctl1.Backend",
	[KIND_HOST] = "org.nvmetctl1.Host",
	[KIND_SUBSYSTEM] = "org.nvmetctl1.Subsystem",
	[KIND_NAMESPACE] = "org.nvmetctl1.Namespace",
	[KIND_PORT] = "org.nvmetctl1.Port",
	[KIND_REFERRAL] = "org.nvmetctl1.Referral",
	[KIND_ANA_GROUP] = "org.nvmetctl1.AnaGroup",
	[KIND_TARGET_CORE] = "org.nvmetctl1.TargetCore",
	[KIND_LU_GROUP] = "org.nvmetctl1.LuGroup",
	[KIND_ALUA_GROUP] = "org.nvmetctl1.AluaGroup",
	[KIND_FABRIC] = "org.nvmetctl1.Fabric",
	[KIND_TARGET] = "org.nvmetctl1.Target",
	[KIND_TPG] = "org.nvmetctl1.Tpg",
	[KIND_LUN] = "org.nvmetctl1.Lun",
	[KIND_PORTAL] = "org.nvmetctl1.Portal",
	[KIND_ACL] = "org.nvmetctl1.Acl",
	[KIND_MAPPED_LUN] = "org.nvmetctl1.MappedLun",
};

struct bus_kind {
	struct bus_service *service;
	enum kind kind;
	sd_bus_vtable *vtable;		/* its members' names are ours */
	const struct attr_row **rows;	/* of the i-th property, which is vtable[i + 1] */
	size_t n;
	sd_bus_slot *slot;
};

/* ---- values ---- */

static const char *signature(const struct attr_row *row)
{
	switch (row->type) {
	case ATTR_BOOL:
		return "b";
	case ATTR_INT:
		return row->min < 0 ? "x" : "t";
	case ATTR_SIZE:
		return "t";
	case ATTR_REFS:
		return "as";
	case ATTR_WORD:
	case ATTR_STRING:
	case ATTR_TOKEN:
	case ATTR_PATH:
	case ATTR_NQN:
	case ATTR_UUID:
	case ATTR_NGUID:
	case ATTR_VERSION:
	case ATTR_HEX:
	case ATTR_SECRET:
	case ATTR_REF:
	case ATTR_TYPE_MAX:
		break;
	}
	return "s";
}

static int append_list(sd_bus_message *reply, char *const *list)
{
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (; r >= 0 && list && *list; list++)
		r = bus_append_text(reply, *list);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A secret is shown as where it is kept, and as nothing else. */
static const char *shown_text(const struct attr_row *row, const char *value)
{
	if (!value)
		return "";
	if (row->type == ATTR_SECRET && strncmp(value, "file:", 5) != 0 && strncmp(value, "credential:", 11) != 0)
		return "";
	return value;
}

static int append_value(sd_bus_message *reply, const struct object *o, const struct attr_row *row)
{
	const char *value;
	uint64_t u = 0;
	int64_t i = 0;

	if (attr_is_list(row))
		return append_list(reply, object_get_list(o, row));
	value = object_effective(o, row);
	switch (*signature(row)) {
	case 'b':
		return sd_bus_message_append(reply, "b", value && streq(value, "1"));
	case 't':
		if (value && text_to_u64(value, &u) < 0)
			return -EIO;
		return sd_bus_message_append(reply, "t", u);
	case 'x':
		if (value && text_to_i64(value, &i) < 0)
			return -EIO;
		return sd_bus_message_append(reply, "x", i);
	default:
		return bus_append_text(reply, shown_text(row, value));
	}
}

static bool is_set(const struct object *o, const struct attr_row *row)
{
	return attr_is_list(row) ? object_get_list(o, row) != NULL : object_get_row(o, row) != NULL;
}

/* ---- properties ---- */

static struct bus_service *service_of(sd_bus *bus)
{
	return sd_bus_slot_get_userdata(sd_bus_get_current_slot(bus));
}

static int get_attribute(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
			 void *userdata, sd_bus_error *error)
{
	const struct object *o = userdata;
	const struct bus_kind *k = &service_of(bus)->kinds[o->kind];

	for (size_t i = 0; i < k->n; i++)
		if (streq(k->vtable[i + 1].x.property.member, property))
			return append_value(reply, o, k->rows[i]);
	return -ENOENT;
}

static int append_set_attributes(sd_bus_message *reply, const struct bus_kind *k, const struct object *o)
{
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (size_t i = 0; r >= 0 && i < k->n; i++)
		if (is_set(o, k->rows[i]))
			r = sd_bus_message_append(reply, "s", k->rows[i]->name);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_common(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
		      void *userdata, sd_bus_error *error)
{
	const struct object *o = userdata;
	struct bus_service *s = service_of(bus);
	_cleanup_free_ char *model_path = NULL;
	const char *state, *reason = NULL;

	if (streq(property, "Name"))
		return bus_append_text(reply, o->name);
	if (streq(property, "SetAttributes"))
		return append_set_attributes(reply, &s->kinds[o->kind], o);
	model_path = object_path(o);
	if (!model_path)
		return -ENOMEM;
	if (streq(property, "Path"))
		return bus_append_text(reply, model_path);
	state = manager_object_state(s->manager, model_path, &reason);
	if (streq(property, "State"))
		return sd_bus_message_append(reply, "s", state);
	return bus_append_text(reply, reason);
}

static const sd_bus_vtable common_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Path", "s", get_common, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_common, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get_common, 0, 0),
	SD_BUS_PROPERTY("Reason", "s", get_common, 0, 0),
	SD_BUS_PROPERTY("SetAttributes", "as", get_common, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

/* ---- finding ---- */

static struct object *object_at(struct bus_service *s, const char *object_path)
{
	_cleanup_free_ char *path = NULL;
	struct object *o;

	if (!s->manager || bus_object_path_decode(object_path, &path) < 0)
		return NULL;
	o = tree_find(manager_wanted(s->manager), path);
	return o && o->kind != KIND_ROOT ? o : NULL;
}

static int find_kind(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
		     sd_bus_error *error)
{
	struct bus_service *s = userdata;
	struct object *o = object_at(s, path);

	if (!o || !interfaces[o->kind] || !streq(interfaces[o->kind], interface))
		return 0;
	*ret_found = o;
	return 1;
}

static int find_common(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
		       sd_bus_error *error)
{
	*ret_found = object_at(userdata, path);
	return *ret_found != NULL;
}

static size_t estimate(const struct object *parent)
{
	size_t bytes = 0;

	for (size_t i = 0; i < parent->n_children; i++) {
		const struct object *o = parent->children[i];

		bytes += OBJECT_OVERHEAD + estimate(o);
		attr_foreach(row, o->kind) {
			if (!attr_is_list(row))
				continue;
			for (char *const *name = object_get_list(o, row); name && *name; name++)
				bytes += strlen(*name) + 8;
		}
	}
	return bytes;
}

static int list_below(const struct object *parent, char **nodes, size_t *n, size_t max)
{
	for (size_t i = 0; i < parent->n_children; i++) {
		const struct object *o = parent->children[i];
		_cleanup_free_ char *path = object_path(o);
		int r;

		if (!path)
			return -ENOMEM;
		if (*n >= max)
			return -EIO;
		r = bus_object_path(path, &nodes[*n]);
		if (r < 0)
			return r;
		(*n)++;
		r = list_below(o, nodes, n, max);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Asked by GetManagedObjects, whose answer has to fit into a message, and by Introspect, which can do without. */
static int list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_strv_ char **nodes = NULL;
	const struct tree *t;
	size_t n = 0;
	int r;

	if (!s->manager)
		return 0;
	t = manager_wanted(s->manager);
	if (estimate(tree_root(t)) > MANAGED_MAX) {
		if (!sd_bus_message_is_method_call(sd_bus_get_current_message(bus), "org.freedesktop.DBus.ObjectManager",
						   "GetManagedObjects"))
			return 0;
		return sd_bus_error_setf(error, bus_error_name(EFBIG),
					 "%zu objects are more than fits into a message; ask by DumpFd or ShowFd", tree_count(t));
	}
	nodes = calloc(tree_count(t) + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	r = list_below(tree_root(t), nodes, &n, tree_count(t));
	if (r < 0)
		return r;
	*ret_nodes = steal_ptr(nodes);
	return 1;
}

/* ---- signals ---- */

static bool row_equal(const struct object *a, const struct object *b, const struct attr_row *row)
{
	if (attr_is_list(row))
		return strv_equal(object_get_list(a, row), object_get_list(b, row));
	return streq_ptr(object_get_row(a, row), object_get_row(b, row));
}

static void emit_changed(struct bus_service *s, const char *object_path, const struct change *c)
{
	const struct bus_kind *k = &s->kinds[c->after->kind];
	_cleanup_free_ const char **names = calloc(k->n + 1, sizeof(*names));
	bool set_changed = false;
	size_t n = 0;

	for (size_t i = 0; names && i < k->n; i++) {
		if (!row_equal(c->before, c->after, k->rows[i]))
			names[n++] = k->vtable[i + 1].x.property.member;
		set_changed |= is_set(c->before, k->rows[i]) != is_set(c->after, k->rows[i]);
	}
	if (n)
		sd_bus_emit_properties_changed_strv(s->bus, object_path, interfaces[k->kind], (char **)names);
	if (set_changed)
		sd_bus_emit_properties_changed(s->bus, object_path, BUS_OBJECT_INTERFACE, "SetAttributes", NULL);
}

void model_object_committed(struct bus_service *s, const struct changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct change *c = changes->items[i];
		_cleanup_free_ char *object_path = NULL;

		if (bus_object_path(c->path, &object_path) < 0)
			continue;
		if (!c->before) {
			sd_bus_emit_object_added(s->bus, object_path);
		} else if (c->after) {
			emit_changed(s, object_path, c);
		} else {
			const char *const gone[] = { BUS_OBJECT_INTERFACE, interfaces[c->before->kind], NULL };

			sd_bus_emit_interfaces_removed_strv(s->bus, object_path, (char **)gone);
		}
	}
}

/* ---- life ---- */

/* "allow_any_host" to "AllowAnyHost"; the caller frees. */
static char *camel_case(const char *name)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	bool upper = true;

	for (; *name; name++) {
		char c = *name;

		if (c == '_') {
			upper = true;
			continue;
		}
		if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		upper = false;
		strbuf_add_mem(&b, &c, 1);
	}
	return strbuf_steal(&b);
}

static int kind_init(struct bus_kind *k, enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	k->kind = kind;
	k->rows = calloc(info->n_rows + 1, sizeof(*k->rows));
	k->vtable = calloc(info->n_rows + 2, sizeof(*k->vtable));
	if (!k->rows || !k->vtable)
		return -ENOMEM;
	k->vtable[0] = (sd_bus_vtable)SD_BUS_VTABLE_START(0);
	attr_foreach(row, kind) {
		char *member;

		if (!attr_is_settable(row))
			continue;
		member = camel_case(row->name);
		if (!member)
			return -ENOMEM;
		k->rows[k->n++] = row;
		k->vtable[k->n] = (sd_bus_vtable)SD_BUS_PROPERTY(member, signature(row), get_attribute, 0,
								 SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE);
	}
	k->vtable[k->n + 1] = (sd_bus_vtable)SD_BUS_VTABLE_END;
	return 0;
}

int model_object_new(struct bus_service *s)
{
	int r;

	s->kinds = calloc(KIND_MAX, sizeof(*s->kinds));
	if (!s->kinds)
		return -ENOMEM;
	for (enum kind kind = KIND_ROOT; kind < KIND_MAX; kind++) {
		if (!interfaces[kind])
			continue;
		r = kind_init(&s->kinds[kind], kind);
		if (r >= 0)
			r = sd_bus_add_fallback_vtable(s->bus, &s->kinds[kind].slot, BUS_OBJECT_PREFIX, interfaces[kind],
						       s->kinds[kind].vtable, find_kind, s);
		if (r < 0)
			return r;
	}
	r = sd_bus_add_fallback_vtable(s->bus, &s->object_slots[0], BUS_OBJECT_PREFIX, BUS_OBJECT_INTERFACE, common_vtable,
				       find_common, s);
	return r < 0 ? r : sd_bus_add_node_enumerator(s->bus, &s->object_slots[1], BUS_OBJECT_PREFIX, list_objects, s);
}

void model_object_done(struct bus_service *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->object_slots); i++)
		sd_bus_slot_unref(s->object_slots[i]);
	for (size_t kind = 0; s->kinds && kind < KIND_MAX; kind++) {
		struct bus_kind *k = &s->kinds[kind];

		sd_bus_slot_unref(k->slot);
		for (size_t i = 0; i < k->n; i++)
			free((char *)k->vtable[i + 1].x.property.member);
		free(k->vtable);
		free(k->rows);
	}
	free(s->kinds);
	s->kinds = NULL;
}
