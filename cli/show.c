/* SPDX-License-Identifier: Apache-2.0 */
/* show: the whole as a tree, a collection as a table, one object with its attributes. */
#include "cli/cli.h"

#include "model/attr.h"

static bool is_child_collection(const char *key, struct json_object *o)
{
	if (!json_object_is_type(o, json_type_object))
		return false;
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
		if (!kind_info(k)->singleton && streq(kind_info(k)->collection, key))
			return json_object_object_length(o) > 0;
	return false;
}

/* ---- the tree ---- */

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

	if (*member_string(o, "passthru_path"))
		return strf("passes %s on", member_string(o, "passthru_path"));
	if (member_bool(o, "allow_any_host"))
		return strdup("any host");
	return hosts ? count_text(hosts, "hosts") : strdup("no host allowed");
}

/* The one line that says most about an object. */
static char *digest(const char *collection, struct json_object *o)
{
	if (streq(collection, "backends"))
		return strf("%s %s%s", member_string(o, "type"), member_string(o, "device"), member_string(o, "path"));
	if (streq(collection, "namespaces"))
		return backend_text(o);
	if (streq(collection, "ports") || streq(collection, "referrals"))
		return address_text(o);
	if (streq(collection, "ana_groups"))
		return strdup(member_string(o, "ana_state"));
	if (streq(collection, "subsystems"))
		return subsystem_text(o);
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

static int add_object(struct table *t, struct table_line *parent, const char *collection, const char *label,
		      struct json_object *o);

static int add_children(struct table *t, struct table_line *line, struct json_object *o)
{
	json_object_object_foreach(o, key, value) {
		if (!is_child_collection(key, value))
			continue;
		json_object_object_foreach(value, name, child) {
			_cleanup_free_ char *label = strf("%s/%s", key, name);

			if (!label || add_object(t, line, key, label, child) < 0)
				return -1;
		}
	}
	return 0;
}

static int add_links(struct table *t, struct table_line *parent, struct json_object *subsystems)
{
	for (size_t i = 0; i < array_len(subsystems); i++) {
		_cleanup_free_ char *name = strf("serves subsystems/%s", array_string(subsystems, i));

		if (!name || !add_line(t, parent, name, NULL, NULL))
			return -1;
	}
	return 0;
}

static int add_object(struct table *t, struct table_line *parent, const char *collection, const char *label,
		      struct json_object *o)
{
	_cleanup_free_ char *what = digest(collection, o), *state = state_text(o);
	struct table_line *line = what && state ? add_line(t, parent, label, what, state) : NULL;

	if (!line || add_children(t, line, o) < 0)
		return -1;
	return streq(collection, "ports") ? add_links(t, line, member(o, "subsystems")) : 0;
}

static int add_collection(struct table *t, const char *collection, struct json_object *o)
{
	struct table_line *line = add_line(t, NULL, collection, NULL, NULL);

	if (!line)
		return -1;
	json_object_object_foreach(o, name, child)
		if (add_object(t, line, collection, name, child) < 0)
			return -1;
	return 0;
}

static int show_tree(struct json_object *doc)
{
	static const char *const columns[] = { "OBJECT", "WHAT", "STATE" };
	struct table *t = table_new(columns, ARRAY_SIZE(columns), true);

	if (!t)
		return out_of_memory();
	json_object_object_foreach(doc, key, value)
		if (is_child_collection(key, value) && add_collection(t, key, value) < 0)
			return out_of_memory();
	if (!table_len(t))
		puts("Nothing is configured. Try: nvmetctl export DEVICE --nvme NQN --port tcp:ADDRESS --host HOSTNQN");
	return table_print(t, true);
}

/* ---- a table ---- */

static char *text_of(struct json_object *v)
{
	struct strbuf b = { 0 };

	if (!v)
		return strdup("");
	if (!json_object_is_type(v, json_type_array))
		return strdup(json_object_is_type(v, json_type_object) ? "" : json_object_get_string(v));
	for (size_t i = 0; i < array_len(v); i++)
		strbuf_addf(&b, "%s%s", i ? "," : "", array_string(v, i));
	return strbuf_steal(&b);
}

/* Columns are what any of the objects has, in order of appearance; what is not as it should be comes last. */
static int collect_columns(struct json_object *collection, char ***ret)
{
	if (strv_append(ret, "name") < 0)
		return -1;
	json_object_object_foreach(collection, name, o) {
		(void)name;
		json_object_object_foreach(o, key, value)
			if (!json_object_is_type(value, json_type_object) && !streq(key, "state") && !streq(key, "reason") &&
			    !strv_contains(*ret, key) && strv_append(ret, key) < 0)
				return -1;
	}
	return strv_append(ret, "state") < 0 || strv_append(ret, "reason") < 0 ? -1 : 0;
}

/* "trtype" -> "TRTYPE" */
static char **titles_of(char *const *columns)
{
	char **titles = strv_copy(columns);

	for (char **t = titles; t && *t; t++)
		for (char *s = *t; *s; s++)
			if (*s >= 'a' && *s <= 'z')
				*s = (char)(*s - 'a' + 'A');
	return titles;
}

static int add_row(struct table *t, char *const *columns, const char *name, struct json_object *o)
{
	_cleanup_strv_ char **cells = NULL;

	if (strv_append(&cells, name) < 0)
		return -1;
	for (size_t i = 1; columns[i]; i++) {
		_cleanup_free_ char *text = text_of(member(o, columns[i]));

		if (!text || strv_append(&cells, text) < 0)
			return -1;
	}
	return table_add(t, NULL, (const char *const *)cells) ? 0 : -1;
}

static int show_table(struct json_object *collection)
{
	_cleanup_strv_ char **columns = NULL, **titles = NULL;
	struct table *t = NULL;

	if (collect_columns(collection, &columns) < 0)
		return out_of_memory();
	titles = titles_of(columns);
	if (titles)
		t = table_new((const char *const *)titles, strv_len(titles), false);
	if (!t)
		return out_of_memory();
	json_object_object_foreach(collection, name, o)
		if (add_row(t, columns, name, o) < 0)
			return out_of_memory();
	return table_print(t, true);
}

/* ---- one object ---- */

static int show_attributes(struct json_object *o)
{
	static const char *const columns[] = { "ATTRIBUTE", "VALUE" };
	struct table *t = table_new(columns, ARRAY_SIZE(columns), false);

	if (!t)
		return out_of_memory();
	json_object_object_foreach(o, key, value) {
		_cleanup_free_ char *text = text_of(value);
		const char *const cells[] = { key, text };

		if (!json_object_is_type(value, json_type_object) && (!text || !table_add(t, NULL, cells)))
			return out_of_memory();
	}
	if (!table_len(t))
		puts("all attributes are at their defaults");
	return table_print(t, false);
}

static int show_object(const char *path, struct json_object *o)
{
	int r;

	printf("%s\n", path);
	r = show_attributes(o);
	json_object_object_foreach(o, collection, children) {
		if (r || !is_child_collection(collection, children))
			continue;
		printf("\n%s/%s\n", path, collection);
		r = show_table(children);
	}
	return r;
}

/* The part of the document that a path names. *ret_object: an object and no collection; nvmet is one without a name. */
static struct json_object *descend(struct json_object *doc, const char *path, bool *ret_object)
{
	_cleanup_free_ char *copy = strdup(path);
	char *at = copy, *slash;
	bool object = false;

	for (; at && *at && doc; at = slash ? slash + 1 : NULL) {
		slash = strchr(at, '/');
		if (slash)
			*slash = 0;
		doc = member(doc, at);
		object = !object;
	}
	*ret_object = !object || streq(path, "nvmet");
	return doc;
}

int verb_show(struct cli *c)
{
	const char *path = c->n_args ? c->args[0] : "";
	_cleanup_json_ struct json_object *doc = NULL;
	struct json_object *part;
	bool object;
	int r = client_look(c, "Show", path, &doc);

	if (r)
		return r;
	if (c->json)
		return print_json(doc);
	if (!*path)
		return show_tree(doc);
	part = descend(doc, path, &object);
	/* What is all at its defaults need not stand in a document: nvmet. */
	if (object && !part)
		printf("%s\nall attributes are at their defaults\n", path);
	else if (object)
		return show_object(path, part);
	else if (part && json_object_object_length(part))
		return show_table(part);
	else
		printf("There are no %s.\n", path);
	return STATUS_DONE;
}
