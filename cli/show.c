/* SPDX-License-Identifier: Apache-2.0 */
/* show: the whole as a tree, a collection as a table, one object with its attributes. libsmartcols lays out. */
#include "cli/cli.h"

#include <libsmartcols/libsmartcols.h>

static struct libscols_table *new_table(const char *const *columns, size_t n, bool tree)
{
	struct libscols_table *t = scols_new_table();

	if (!t)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!scols_table_new_column(t, columns[i], 0.1, tree && i == 0 ? SCOLS_FL_TREE : 0)) {
			scols_unref_table(t);
			return NULL;
		}
	/* Piped, a line must stay a line whatever the width of a terminal that is not there. */
	scols_table_enable_nowrap(t, 1);
	return t;
}

static int print_table(struct libscols_table *t)
{
	int r = scols_print_table(t);

	if (r == 0)
		putchar('\n');
	scols_unref_table(t);
	return r < 0 ? out_of_memory() : STATUS_DONE;
}

/* ---- the tree ---- */

static void text_of_list(struct strbuf *b, const char *what, struct json_object *list)
{
	size_t n = list ? json_object_array_length(list) : 0;

	if (n)
		strbuf_addf(b, "%s%zu %s", b->len ? ", " : "", n, what);
}

/* The one line that says most about an object. */
static char *digest(const char *collection, struct json_object *o)
{
	struct strbuf b = { 0 };

	if (streq(collection, "backends"))
		strbuf_addf(&b, "%s %s%s", member_string(o, "type"), member_string(o, "device"), member_string(o, "path"));
	else if (streq(collection, "namespaces"))
		strbuf_addf(&b, "%s%s", member(o, "backend") ? "backends/" : "",
			    member(o, "backend") ? member_string(o, "backend") : member_string(o, "device_path"));
	else if (streq(collection, "ports") || streq(collection, "referrals"))
		strbuf_addf(&b, "%s %s%s%s", member_string(o, "trtype"), member_string(o, "traddr"),
			    *member_string(o, "trsvcid") ? ":" : "", member_string(o, "trsvcid"));
	else if (streq(collection, "ana_groups"))
		strbuf_add(&b, member_string(o, "ana_state"));
	else if (streq(collection, "subsystems") && member_bool(o, "allow_any_host"))
		strbuf_add(&b, "any host");
	text_of_list(&b, "hosts", member(o, "allowed_hosts"));
	return strbuf_steal(&b);
}

static struct libscols_line *add_line(struct libscols_table *t, struct libscols_line *parent, const char *name,
				      const char *what, struct json_object *o)
{
	struct libscols_line *line = scols_table_new_line(t, parent);

	if (!line)
		return NULL;
	scols_line_set_data(line, 0, name);
	scols_line_set_data(line, 1, what);
	scols_line_set_data(line, 2, o ? member_string(o, "state") : "");
	return line;
}

static bool is_collection(struct json_object *o)
{
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach(o, name, value) {
		(void)name;
		if (!json_object_is_type(value, json_type_object))
			return false;
	}
	return json_object_object_length(o) > 0;
}

static bool is_child_collection(const char *key, struct json_object *o)
{
	static const char *const names[] = { "backends", "hosts", "subsystems", "ports", "namespaces", "referrals", "ana_groups" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (streq(key, names[i]))
			return is_collection(o);
	return false;
}

static void add_links(struct libscols_table *t, struct libscols_line *parent, const char *collection, struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		_cleanup_free_ char *name = strf("-> %s/%s", collection,
						 json_object_get_string(json_object_array_get_idx(list, i)));

		if (name)
			add_line(t, parent, name, "", NULL);
	}
}

static void add_object(struct libscols_table *t, struct libscols_line *parent, const char *collection, const char *name,
		       struct json_object *o);

static void add_children(struct libscols_table *t, struct libscols_line *line, struct json_object *o)
{
	json_object_object_foreach(o, key, value) {
		if (!is_child_collection(key, value))
			continue;
		json_object_object_foreach(value, name, child)
			add_object(t, line, key, name, child);
	}
}

static void add_object(struct libscols_table *t, struct libscols_line *parent, const char *collection, const char *name,
		       struct json_object *o)
{
	_cleanup_free_ char *what = digest(collection, o);
	_cleanup_free_ char *label = streq(collection, "namespaces") || streq(collection, "ana_groups") ||
						     streq(collection, "referrals") ?
					     strf("%s/%s", collection, name) :
					     strdup(name);
	struct libscols_line *line = label ? add_line(t, parent, label, what ? what : "", o) : NULL;

	if (!line)
		return;
	add_children(t, line, o);
	if (streq(collection, "ports"))
		add_links(t, line, "subsystems", member(o, "subsystems"));
}

static int show_tree(struct json_object *doc)
{
	static const char *const columns[] = { "OBJECT", "WHAT", "STATE" };
	struct libscols_table *t = new_table(columns, ARRAY_SIZE(columns), true);

	if (!t)
		return out_of_memory();
	json_object_object_foreach(doc, key, value) {
		struct libscols_line *line;

		if (!is_child_collection(key, value))
			continue;
		line = add_line(t, NULL, key, "", NULL);
		json_object_object_foreach(value, name, child)
			add_object(t, line, key, name, child);
	}
	if (!scols_table_get_nlines(t)) {
		scols_unref_table(t);
		puts("Nothing is configured. Try: nvmetctl export DEVICE --nvme NQN --port tcp:ADDRESS:4420 --any-host");
		return STATUS_DONE;
	}
	return print_table(t);
}

/* ---- a table ---- */

static char *text_of(struct json_object *v)
{
	struct strbuf b = { 0 };

	if (!v)
		return strdup("");
	if (!json_object_is_type(v, json_type_array))
		return strdup(json_object_is_type(v, json_type_object) ? "" : json_object_get_string(v));
	for (size_t i = 0; i < json_object_array_length(v); i++)
		strbuf_addf(&b, "%s%s", i ? "," : "", json_object_get_string(json_object_array_get_idx(v, i)));
	return strbuf_steal(&b);
}

/* Columns are what any of the objects has, in order of appearance. */
static int collect_columns(struct json_object *collection, char ***ret)
{
	json_object_object_foreach(collection, name, o) {
		(void)name;
		json_object_object_foreach(o, key, value)
			if (!json_object_is_type(value, json_type_object) && !strv_contains(*ret, key) &&
			    strv_append(ret, key) < 0)
				return -1;
	}
	return 0;
}

static int show_table(struct json_object *collection)
{
	_cleanup_strv_ char **columns = NULL;
	struct libscols_table *t;

	if (strv_append(&columns, "name") < 0 || collect_columns(collection, &columns) < 0)
		return out_of_memory();
	t = new_table((const char *const *)columns, strv_len(columns), false);
	if (!t)
		return out_of_memory();
	json_object_object_foreach(collection, name, o) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		scols_line_set_data(line, 0, name);
		for (size_t i = 1; columns[i]; i++) {
			_cleanup_free_ char *text = text_of(member(o, columns[i]));

			scols_line_set_data(line, i, text);
		}
	}
	return print_table(t);
}

/* ---- one object ---- */

static int show_object(const char *path, struct json_object *o)
{
	static const char *const columns[] = { "ATTRIBUTE", "VALUE" };
	struct libscols_table *t = new_table(columns, ARRAY_SIZE(columns), false);

	if (!t)
		return out_of_memory();
	printf("%s\n", path);
	scols_table_enable_noheadings(t, 1);
	json_object_object_foreach(o, key, value) {
		_cleanup_free_ char *text = text_of(value);
		struct libscols_line *line;

		if (json_object_is_type(value, json_type_object))
			continue;
		line = scols_table_new_line(t, NULL);
		scols_line_set_data(line, 0, key);
		scols_line_set_data(line, 1, text);
	}
	print_table(t);
	json_object_object_foreach(o, collection, children) {
		if (!is_child_collection(collection, children))
			continue;
		printf("\n%s/%s\n", path, collection);
		show_table(children);
	}
	return STATUS_DONE;
}

/* The part of the document that a path names: an object or a collection; the document has it by construction. */
static struct json_object *descend(struct json_object *doc, const char *path, bool *ret_object)
{
	_cleanup_free_ char *copy = strdup(path);
	char *at = copy, *slash;
	bool object = false;

	while (at && doc) {
		slash = strchr(at, '/');
		if (slash)
			*slash = 0;
		doc = member(doc, at);
		object = !object;
		at = slash ? slash + 1 : NULL;
	}
	*ret_object = !object;
	return doc;
}

int verb_show(struct cli *c)
{
	const char *path = c->n_args ? c->args[0] : "";
	_cleanup_json_ struct json_object *doc = NULL;
	struct json_object *part;
	struct call call;
	bool object;
	int r = client_call_new(c, "Show", &call);

	if (r)
		return r;
	if (sd_bus_message_append(call.message, "sb", path, (int)c->defaults) < 0)
		return usage_error(c, "%s: is not UTF-8 text", path);
	r = client_call_json(c, &call, &doc);
	if (r)
		return r;
	if (c->json)
		return print_json(doc);
	if (!*path)
		return show_tree(doc);
	part = descend(doc, path, &object);
	if (!part || !json_object_object_length(part)) {
		printf("%s: empty\n", path);
		return STATUS_DONE;
	}
	if (streq(path, "nvmet"))
		object = true;
	return object ? show_object(path, part) : show_table(part);
}
