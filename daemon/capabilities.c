/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the running kernel offers: transports by their modules, features by the rows of attributes. An attribute is there if an object
 * of its kind shows its file; as long as there is none to look at, the kernel's configuration and release have to tell.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"

struct capabilities {
	struct manager *m;
	struct oplist ops;
	struct map *options;	/* option -> "yes", "no" or "unknown" */
	struct map *files;	/* "KIND FILE" -> that it is there */
	bool looked[KIND_MAX];	/* an object of the kind was looked at */
	capabilities_done_fn done;
	void *userdata;
};

static const char yes[] = "yes", no[] = "no", unknown[] = "unknown";

static struct capabilities *capabilities_free(struct capabilities *c)
{
	if (!c)
		return NULL;
	oplist_done(&c->ops);
	map_free(c->options);
	map_free(c->files);
	free(c);
	return NULL;
}
CFG_DEFINE_CLEANUP(struct capabilities *, capabilities_free);

/* ---- questions ---- */

static const char *const *transports(void)
{
	return attr_find(KIND_PORT, "trtype")->words;
}

static const struct object *first_of_kind(const struct object *parent, enum kind kind)
{
	for (size_t i = 0; i < parent->n_children; i++) {
		const struct object *o = parent->children[i];
		const struct object *found = o->kind == kind ? o : first_of_kind(o, kind);

		if (found)
			return found;
	}
	return NULL;
}

static int ask_folders(struct capabilities *c, enum kind kind)
{
	const struct object *o = first_of_kind(tree_root(c->m->actual), kind);
	_cleanup_free_ char *path = o ? object_kernel_path(o) : NULL;
	const char *noun = kind_info(kind)->noun;
	size_t had = 0;
	int r;

	if (!path)
		return 0;
	r = oplist_add(&c->ops, OP_SCAN, OP_MAY_BE_ABSENT, path, NULL, noun, NULL);
	attr_foreach(row, kind) {
		const char *slash = row->file ? strchr(row->file, '/') : NULL;
		_cleanup_free_ char *folder = slash ? strf("%s/%.*s", path, (int)(slash - row->file), row->file) : NULL;

		if (r < 0 || !slash)
			continue;
		if (!folder)
			return -ENOMEM;
		if (c->ops.n != had)
			r = oplist_add(&c->ops, OP_SCAN, OP_MAY_BE_ABSENT, folder, NULL, noun, NULL);
		had = c->ops.n;
	}
	return r;
}

static int ask(struct capabilities *c)
{
	int r = oplist_add(&c->ops, OP_SYSTEM, 0, "", NULL, NULL, NULL);

	for (const char *const *t = transports(); r >= 0 && *t; t++)
		r = oplist_add(&c->ops, OP_HAS_MODULE, 0, nvmet_transport_module(*t), NULL, *t, NULL);
	for (enum kind kind = KIND_ROOT; r >= 0 && kind < KIND_MAX; kind++) {
		attr_foreach(row, kind)
			if (r >= 0 && row->option && !map_get(c->options, row->option)) {
				r = oplist_add(&c->ops, OP_HAS_OPTION, 0, row->option, NULL, NULL, NULL);
				if (r >= 0)
					r = map_put(c->options, row->option, (void *)unknown);
			}
		if (r >= 0 && kind != KIND_ROOT)
			r = ask_folders(c, kind);
	}
	return r;
}

/* ---- answers ---- */

static int add_system(struct json_object *caps, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');
		uint64_t number;
		struct json_object *json;

		if (!value)
			continue;
		*value++ = 0;
		if (streq(line, "release"))
			json = json_object_new_string(value);
		else if (text_to_u64(value, &number) < 0)
			continue;
		else if (streq(line, "cpus"))
			json = json_object_new_uint64(number);
		else
			json = json_object_new_boolean(number != 0);
		if (json_object_object_add(caps, line, json) < 0)
			return -ENOMEM;
	}
	return 0;
}

static enum kind kind_of_noun(const char *noun)
{
	enum kind kind = KIND_ROOT;

	while (kind < KIND_MAX && !streq_ptr(kind_info(kind)->noun, noun))
		kind++;
	return kind;
}

static int note_files(struct capabilities *c, const struct op *op, char *text)
{
	enum kind kind = kind_of_noun(op->object);
	struct scan_entry e;
	int r;

	c->looked[kind] = true;
	while ((r = scan_next(&text, &e)) > 0) {
		const char *below = strstr(op->path, "/passthru");
		_cleanup_free_ char *key = strf("%d %s%s%s", kind, below ? below + 1 : "", below ? "/" : "", e.path);

		if (!key || map_put(c->files, key, c) < 0)
			return -ENOMEM;
	}
	return r;
}

static int take_answers(struct capabilities *c, const struct work_result *result, struct json_object *caps,
			struct json_object *available)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->ops.n; i++) {
		const struct op *op = &c->ops.items[i];
		char *text = result->data[i];

		if (op->verb == OP_SYSTEM)
			r = add_system(caps, text);
		else if (op->verb == OP_HAS_MODULE)
			r = json_object_object_add(available, op->object, json_object_new_boolean(streq(text, yes))) < 0 ? -ENOMEM : 0;
		else if (op->verb == OP_HAS_OPTION)
			r = map_put(c->options, op->path, (void *)(streq(text, yes) ? yes : streq(text, no) ? no : unknown));
		else if (text)
			r = note_files(c, op, text);
	}
	return r;
}

/* ---- features ---- */

static bool at_least(const char *release, const char *since)
{
	unsigned a = 0, b = 0, c = 0, d = 0;

	sscanf(release ? release : "", "%u.%u", &a, &b);
	sscanf(since, "%u.%u", &c, &d);
	return a > c || (a == c && b >= d);
}

static const char *available(const struct capabilities *c, enum kind kind, const struct attr_row *row)
{
	_cleanup_free_ char *key = strf("%d %s", kind, row->file);

	if (c->looked[kind])
		return key && map_get(c->files, key) ? yes : no;
	if (row->since && !at_least(c->m->release, row->since))
		return no;
	return row->option ? map_get(c->options, row->option) : yes;
}

static struct json_object *find_feature(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (streq(json_object_get_string(json_object_object_get(o, "feature")), name))
			return o;
	}
	return NULL;
}

/* Attributes of one feature stand together, also those of several kinds. */
static int add_feature(struct capabilities *c, struct json_object *list, enum kind kind, const struct attr_row *row)
{
	struct json_object *o = find_feature(list, row->feature);
	_cleanup_free_ char *needs = attr_needs(row), *attribute = strf("%s %s", kind_info(kind)->noun, row->name);
	const char *word = available(c, kind, row);

	if (!needs || !attribute)
		return -ENOMEM;
	if (!o) {
		o = json_object_new_object();
		json_object_object_add(o, "feature", json_object_new_string(row->feature));
		json_object_object_add(o, "available", streq(word, unknown) ? NULL : json_object_new_boolean(streq(word, yes)));
		json_object_object_add(o, "needs", json_object_new_string(needs));
		json_object_object_add(o, "attributes", json_object_new_array());
		json_object_array_add(list, o);
	}
	return json_object_array_add(json_object_object_get(o, "attributes"), json_object_new_string(attribute)) < 0 ? -ENOMEM : 0;
}

static int build(struct capabilities *c, const struct work_result *result, struct json_object *caps)
{
	struct json_object *modules = json_object_new_object(), *features = json_object_new_array();
	int r = take_answers(c, result, caps, modules);

	json_object_object_add(caps, "transports", modules);
	json_object_object_add(caps, "features", features);
	for (enum kind kind = KIND_ROOT; r >= 0 && kind < KIND_MAX; kind++)
		attr_foreach(row, kind)
			if (r >= 0 && row->feature)
				r = add_feature(c, features, kind, row);
	return r;
}

static void on_answers(void *userdata, const struct work_result *result)
{
	_cleanup_(capabilities_freep) struct capabilities *c = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_json_ struct json_object *caps = json_object_new_object();

	if (result->error)
		cfg_error_set(&err, result->error, "the kernel's features cannot be read: %s",
			      result->message ? result->message : strerror(result->error));
	else if (build(c, result, caps) < 0)
		cfg_error_oom(&err);
	c->done(c->userdata, caps, cfg_error_is_set(&err) ? &err : NULL);
}

int manager_capabilities(struct manager *m, capabilities_done_fn done, void *userdata)
{
	_cleanup_(capabilities_freep) struct capabilities *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct capabilities){ .m = m, .options = map_new(), .files = map_new(), .done = done, .userdata = userdata };
	r = c->options && c->files ? ask(c) : -ENOMEM;
	if (r >= 0)
		r = pool_submit(m->pool, WORK_READ, TOKEN_NONE, &c->ops, NULL, "read the kernel's features", on_answers, c, NULL);
	if (r >= 0)
		steal_ptr(c);
	return r;
}
