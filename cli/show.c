/* SPDX-License-Identifier: Apache-2.0 */
/* show: a collection as a table, one object with its attributes; the whole is show-tree.c's. */
#include "cli/show.h"

/* Whether a member of an object is a value of its own, not what is below it. */
static bool is_value(enum kind kind, const char *key, struct json_object *v)
{
	return !json_object_is_type(v, json_type_object) || attr_find(kind, key);
}

/* Whether it is one of the objects of a collection, which is the parent itself where names follow its own. */
static bool is_member(enum kind kind, const char *name, struct json_object *o)
{
	return !kind_info(kind)->direct || !is_value(kind_info(kind)->parent, name, o);
}

/* A secret is told by where it is kept, as it would be given. */
static char *reference_text(struct json_object *v)
{
	json_object_object_foreach(v, where, name)
		return strf("%s:%s", where, json_object_get_string(name));
	return strdup("");
}

static char *text_of(struct json_object *v)
{
	struct strbuf b = { 0 };

	if (!v)
		return strdup("");
	if (json_object_is_type(v, json_type_object))
		return reference_text(v);
	if (!json_object_is_type(v, json_type_array))
		return strdup(json_object_get_string(v));
	for (size_t i = 0; i < array_len(v); i++)
		strbuf_addf(&b, "%s%s", i ? "," : "", array_string(v, i));
	return strbuf_steal(&b);
}

#define USED_BY "used_by"

static int add_columns(enum kind kind, struct json_object *o, char ***ret)
{
	json_object_object_foreach(o, key, value)
		if (is_value(kind, key, value) && !streq(key, "state") && !streq(key, "reason") && !strv_contains(*ret, key) &&
		    strv_append(ret, key) < 0)
			return -1;
	return 0;
}

/* Columns are what any of the objects has, in order of appearance; what is not as it should be comes last. */
static int collect_columns(enum kind kind, struct json_object *collection, char ***ret)
{
	if (strv_append(ret, "name") < 0)
		return -1;
	json_object_object_foreach(collection, name, o)
		if (is_member(kind, name, o) && add_columns(kind, o, ret) < 0)
			return -1;
	if (kind == KIND_BACKEND && strv_append(ret, USED_BY) < 0)
		return -1;
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

static char *users_text(struct json_object *users)
{
	struct strbuf b = { 0 };

	foreach_item(user, users)
		strbuf_addf(&b, "%s%s", b.len ? "," : "", member_string(user, "object"));
	return strbuf_steal(&b);
}

static int add_row(struct table *t, char *const *columns, const char *name, struct json_object *o, struct json_object *users)
{
	_cleanup_strv_ char **cells = NULL;

	if (strv_append(&cells, name) < 0)
		return -1;
	for (size_t i = 1; columns[i]; i++) {
		_cleanup_free_ char *text = streq(columns[i], USED_BY) ? users_text(users) : text_of(member(o, columns[i]));

		if (!text || strv_append(&cells, text) < 0)
			return -1;
	}
	return table_add(t, NULL, (const char *const *)cells) ? 0 : -1;
}

static int show_table(struct json_object *doc, enum kind kind, struct json_object *collection)
{
	_cleanup_strv_ char **columns = NULL, **titles = NULL;
	struct table *t = NULL;

	if (collect_columns(kind, collection, &columns) < 0)
		return out_of_memory();
	titles = titles_of(columns);
	if (titles)
		t = table_new((const char *const *)titles, strv_len(titles), false);
	if (!t)
		return out_of_memory();
	json_object_object_foreach(collection, name, o) {
		struct json_object *users = kind == KIND_BACKEND ? users_of(member(doc, USED_BY), name) : NULL;

		if (is_member(kind, name, o) && add_row(t, columns, name, o, users) < 0)
			return out_of_memory();
	}
	return table_print(t, true);
}

/* ---- one object ---- */

static int show_attributes(enum kind kind, struct json_object *o)
{
	static const char *const columns[] = { "ATTRIBUTE", "VALUE" };
	struct table *t = table_new(columns, ARRAY_SIZE(columns), false);

	if (!t)
		return out_of_memory();
	json_object_object_foreach(o, key, value) {
		_cleanup_free_ char *text = text_of(value);
		const char *const cells[] = { key, text };

		if (is_value(kind, key, value) && (!text || !table_add(t, NULL, cells)))
			return out_of_memory();
	}
	if (!table_len(t))
		puts("all attributes are at their defaults");
	return table_print(t, false);
}

static int show_users(struct json_object *users)
{
	static const char *const columns[] = { "USED BY", "THROUGH", "FOR" };
	struct table *t;

	if (!users)
		return STATUS_DONE;
	t = table_new(columns, ARRAY_SIZE(columns), false);
	foreach_item(user, users) {
		_cleanup_free_ char *ways = ways_text(user);
		_cleanup_free_ char *hosts = member_bool(user, "any_host") ? strdup("any") : text_of(member(user, "hosts"));
		const char *const cells[] = { member_string(user, "object"), ways, hosts };

		if (!t || !ways || !hosts || !table_add(t, NULL, cells))
			return out_of_memory();
	}
	putchar('\n');
	return table_print(t, true);
}

static bool has_direct_children(enum kind kind, struct json_object *o)
{
	if (kind_direct_child(kind) != KIND_MAX) {
		json_object_object_foreach(o, key, value)
			if (!is_value(kind, key, value))
				return true;
	}
	return false;
}

static int show_object(struct json_object *doc, enum kind kind, const char *path, struct json_object *o)
{
	const char *name = strrchr(path, '/');
	int r;

	printf("%s\n", path);
	r = show_attributes(kind, o);
	json_object_object_foreach(o, collection, children) {
		enum kind child = kind_from_collection(kind, collection);

		if (r || child == KIND_MAX || kind_info(child)->internal || is_value(kind, collection, children) || !json_object_object_length(children))
			continue;
		printf("\n%s/%s\n", path, collection);
		r = show_table(doc, child, children);
	}
	if (!r && has_direct_children(kind, o)) {
		putchar('\n');
		r = show_table(doc, kind_direct_child(kind), o);
	}
	if (!r && kind == KIND_BACKEND && name)
		r = show_users(users_of(member(doc, USED_BY), name + 1));
	return r;
}

/* The next part of a path in a buffer; NULL at the end. */
static char *next_part(char **at)
{
	char *part = *at, *slash = part ? strchr(part, '/') : NULL;

	if (slash)
		*slash++ = 0;
	*at = slash;
	return part;
}

/* The part of the document that a path names, and its kind. *ret_object: an object and no collection. The daemon has found the path to be one,
 * but somebody else's object may have any name. */
static struct json_object *descend(struct json_object *doc, const char *path, enum kind *ret_kind, bool *ret_object)
{
	_cleanup_free_ char *copy = strdup(path);
	enum kind kind = KIND_ROOT;
	char *at = copy, *part;

	while ((part = next_part(&at)) && *part && kind != KIND_MAX) {
		enum kind next = kind_from_collection(kind, part);

		if (next == KIND_MAX)
			next = kind_direct_child(kind);
		kind = next;
		doc = member(doc, part);
		*ret_object = kind != KIND_MAX && (kind_info(kind)->singleton || kind_info(kind)->direct);
		if (*ret_object || !at || !*at)
			continue;
		doc = member(doc, next_part(&at));
		*ret_object = true;
	}
	*ret_kind = kind;
	return doc;
}

int verb_show(struct cli *c)
{
	const char *path = c->n_args ? c->args[0] : "";
	_cleanup_json_ struct json_object *doc = NULL;
	struct json_object *part;
	enum kind kind = KIND_ROOT;
	bool object = false;
	int r = client_look(c, "Show", path, &doc);

	if (r)
		return r;
	if (c->json)
		return print_json(doc);
	if (!*path)
		return show_tree(doc);
	part = descend(doc, path, &kind, &object);
	/* What is all at its defaults need not stand in a document: nvmet. */
	if (object && !part)
		printf("%s\nall attributes are at their defaults\n", path);
	else if (object)
		return show_object(doc, kind, path, part);
	else if (part && json_object_object_length(part))
		return show_table(doc, kind, part);
	else
		printf("There are no %s.\n", path);
	return STATUS_DONE;
}
