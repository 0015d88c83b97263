/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of the manager's methods into a request. Checks form and size; what objects and attributes mean is for the model, and
 * consent and generations are for the manager.
 */
#include "dbus/service-private.h"

#include <errno.h>

#include "base/text.h"

#define EDITS_MAX	65536
#define EDIT_ATTRS_MAX	256
#define VALUE_MAX	(1u << 20)	/* a list of names on one line */
#define NAME_LEN_MAX	4096		/* paths, names of attributes, options and files */
#define PATHS_MAX	65536

static const struct {
	const char *name;
	unsigned bit;
	const char *type, *other;
} options[] = {
	{ "dry_run",	OPTION_DRY_RUN,		"b" },
	{ "merge",	OPTION_MERGE,		"b" },
	{ "disrupt",	OPTION_DISRUPT,		"b", "as" },
	{ "destroy",	OPTION_DESTROY,		"b", "as" },
	{ "revoke",	OPTION_REVOKE,		"b" },
	{ "recursive",	OPTION_RECURSIVE,	"b" },
	{ "generation",	OPTION_GENERATION,	"t" },
	{ "plan",	OPTION_PLAN,		"s" },
	{ "name",	OPTION_NAME,		"s" },
	{ "wait",	OPTION_WAIT,		"b" },
};

void request_extra_done(struct request_extra *x)
{
	free(x->name);
	*x = (struct request_extra){ 0 };
}

/* A message that does not have the signature it was dispatched by. */
static int malformed(struct cfg_error *err, int r)
{
	return cfg_error_set(err, r == -ENOMEM ? ENOMEM : EINVAL, "the message cannot be read: %s", strerror(-r));
}

static int too_long(struct cfg_error *err, const char *what, size_t max)
{
	return cfg_error_set(err, E2BIG, "%s is longer than %zu bytes", what, max);
}

static int copy_text(const char *what, const char *s, size_t max, char **ret, struct cfg_error *err)
{
	if (strlen(s) > max)
		return too_long(err, what, max);
	*ret = strdup(s);
	return *ret ? 0 : cfg_error_oom(err);
}

static int check_path(const char *path, struct cfg_error *err)
{
	_cleanup_path_ struct path p = { 0 };
	enum kind collection;

	if (strlen(path) > NAME_LEN_MAX)
		return too_long(err, "a path", NAME_LEN_MAX);
	return path_parse(path, &p, &collection, err);
}

/* as; an empty one is NULL. */
static int read_paths(sd_bus_message *m, char ***ret, struct cfg_error *err)
{
	_cleanup_strv_ char **paths = NULL;
	size_t n = 0, size = 0;
	const char *s;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "s");
	if (r < 0)
		return malformed(err, r);
	while ((r = sd_bus_message_read(m, "s", &s)) > 0) {
		if (n >= PATHS_MAX)
			return cfg_error_set(err, E2BIG, "there are more than %d paths", PATHS_MAX);
		if (check_path(s, err) < 0)
			return err ? -err->code : -EINVAL;
		if (n + 1 >= size) {
			char **grown = reallocarray(paths, size ? size * 2 : 8, sizeof(*paths));

			if (!grown)
				return cfg_error_oom(err);
			paths = grown;
			size = size ? size * 2 : 8;
		}
		paths[n] = strdup(s);
		if (!paths[n++])
			return cfg_error_oom(err);
		paths[n] = NULL;
	}
	if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0)
		return malformed(err, r);
	*ret = steal_ptr(paths);
	return 0;
}

/* ---- options ---- */

static int read_bool(sd_bus_message *m, bool *ret, struct cfg_error *err)
{
	int value, r;

	r = sd_bus_message_read(m, "b", &value);
	if (r < 0)
		return malformed(err, r);
	*ret = value;
	return 0;
}

static int read_text(sd_bus_message *m, const char *what, char **ret, struct cfg_error *err)
{
	const char *s;
	int r;

	r = sd_bus_message_read(m, "s", &s);
	if (r < 0)
		return malformed(err, r);
	return copy_text(what, s, NAME_LEN_MAX, ret, err);
}

static int read_consent(sd_bus_message *m, bool list, struct consent *ret, struct cfg_error *err)
{
	return list ? read_paths(m, &ret->paths, err) : read_bool(m, &ret->all, err);
}

static int read_value(sd_bus_message *m, unsigned bit, bool other, struct request *r, struct request_extra *x,
		      struct cfg_error *err)
{
	bool wait;
	int k;

	switch ((enum request_option)bit) {
	case OPTION_DRY_RUN:
		return read_bool(m, &r->dry_run, err);
	case OPTION_MERGE:
		return read_bool(m, &r->merge, err);
	case OPTION_DISRUPT:
		return read_consent(m, other, &r->disrupt, err);
	case OPTION_DESTROY:
		return read_consent(m, other, &r->destroy, err);
	case OPTION_REVOKE:
		return read_bool(m, &r->revoke, err);
	case OPTION_RECURSIVE:
		return read_bool(m, &x->recursive, err);
	case OPTION_GENERATION:
		x->any_generation = true;
		k = sd_bus_message_read(m, "t", &r->generation);
		return k < 0 ? malformed(err, k) : 0;
	case OPTION_PLAN:
		return read_text(m, "the plan's hash", &r->plan_hash, err);
	case OPTION_NAME:
		k = read_text(m, "the document's name", &x->name, err);
		if (k >= 0 && !text_is_utf8(x->name, strlen(x->name)))
			return cfg_error_set(err, EINVAL, "option name: is not UTF-8");
		return k;
	case OPTION_WAIT:
		k = read_bool(m, &wait, err);
		if (k >= 0)
			x->no_wait = !wait;
		return k;
	}
	return 0;
}

/* One entry of the dictionary, already entered. */
static int read_option(sd_bus_message *m, unsigned allowed, unsigned *seen, struct request *r, struct request_extra *x,
		       struct cfg_error *err)
{
	const char *name, *type;
	size_t i;
	int k;

	k = sd_bus_message_read(m, "s", &name);
	if (k < 0 || (k = sd_bus_message_peek_type(m, NULL, &type)) < 0)
		return malformed(err, k);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (streq(options[i].name, name))
			break;
	if (i == ARRAY_SIZE(options))
		return cfg_error_set(err, EINVAL, "there is no option \"%.64s\"", name);
	if (!(allowed & options[i].bit))
		return cfg_error_set(err, EINVAL, "option %s is not for %s", name, sd_bus_message_get_member(m));
	if (*seen & options[i].bit)
		return cfg_error_set(err, EINVAL, "option %s is given twice", name);
	*seen |= options[i].bit;
	if (!streq(type, options[i].type) && !streq_ptr(type, options[i].other))
		return cfg_error_set(err, EINVAL, "option %s is of type %s%s%s, not %s", name, options[i].type,
				     options[i].other ? " or " : "", options[i].other ? options[i].other : "", type);
	k = sd_bus_message_enter_container(m, 'v', type);
	if (k < 0)
		return malformed(err, k);
	k = read_value(m, options[i].bit, !streq(type, options[i].type), r, x, err);
	if (k < 0) {
		cfg_error_wrap(err, "option %s", name);
		return k;
	}
	k = sd_bus_message_exit_container(m);
	return k < 0 ? malformed(err, k) : 0;
}

static int read_options(sd_bus_message *m, unsigned allowed, struct request *r, struct request_extra *x,
			struct cfg_error *err)
{
	unsigned seen = 0;
	int k;

	k = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (k < 0)
		return malformed(err, k);
	while ((k = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		k = read_option(m, allowed, &seen, r, x, err);
		if (k < 0)
			return k;
		k = sd_bus_message_exit_container(m);
		if (k < 0)
			break;
	}
	if (k < 0 || (k = sd_bus_message_exit_container(m)) < 0)
		return malformed(err, k);
	return 0;
}

/* ---- edits ---- */

static int read_edit_attr(sd_bus_message *m, struct edit_attr *a, struct cfg_error *err)
{
	static const char *const ops[] = { [EDIT_ASSIGN] = "=", [EDIT_ADD] = "+=", [EDIT_SUB] = "-=" };
	const char *name, *op, *value;
	size_t i;
	int r;

	r = sd_bus_message_read(m, "(sss)", &name, &op, &value);
	if (r < 0)
		return malformed(err, r);
	for (i = 0; i < ARRAY_SIZE(ops) && !streq(ops[i], op); i++)
		;
	if (i == ARRAY_SIZE(ops))
		return cfg_error_set_at(err, EINVAL, NULL, name, "the operator is \"=\", \"+=\" or \"-=\", not \"%.16s\"", op);
	a->op = (enum edit_op)i;
	r = copy_text("the name of an attribute", name, NAME_LEN_MAX, &a->name, err);
	if (r >= 0)
		r = copy_text("the value", value, VALUE_MAX, &a->value, err);
	if (r < 0)
		cfg_error_at(err, NULL, strlen(name) <= NAME_LEN_MAX ? name : NULL, NULL);
	return r;
}

static int read_edit_attrs(sd_bus_message *m, struct edit *e, struct cfg_error *err)
{
	size_t size = 0;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "(sss)");
	if (r < 0)
		return malformed(err, r);
	while ((r = sd_bus_message_at_end(m, false)) == 0) {
		if (e->n_attrs >= EDIT_ATTRS_MAX)
			return cfg_error_set(err, E2BIG, "there are more than %d attributes in one edit", EDIT_ATTRS_MAX);
		if (e->n_attrs == size) {
			struct edit_attr *grown = reallocarray(e->attrs, size ? size * 2 : 8, sizeof(*grown));

			if (!grown)
				return cfg_error_oom(err);
			e->attrs = grown;
			size = size ? size * 2 : 8;
		}
		e->attrs[e->n_attrs] = (struct edit_attr){ 0 };
		r = read_edit_attr(m, &e->attrs[e->n_attrs++], err);
		if (r < 0)
			return r;
	}
	if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0)
		return malformed(err, r);
	return 0;
}

static int edit_verb(const char *word, enum edit_verb *ret)
{
	static const char *const verbs[] = { [EDIT_CREATE] = "create", [EDIT_SET] = "set", [EDIT_DELETE] = "delete" };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (streq(verbs[i], word)) {
			*ret = (enum edit_verb)i;
			return 0;
		}
	return -EINVAL;
}

/* One edit, its structure already entered. */
static int read_edit(sd_bus_message *m, struct edit *e, struct cfg_error *err)
{
	const char *verb, *path;
	int r;

	r = sd_bus_message_read(m, "ss", &verb, &path);
	if (r < 0)
		return malformed(err, r);
	if (edit_verb(verb, &e->verb) < 0)
		return cfg_error_set(err, EINVAL, "the verb is \"create\", \"set\" or \"delete\", not \"%.64s\"", verb);
	r = copy_text("the path", path, NAME_LEN_MAX, &e->path, err);
	if (r >= 0)
		r = read_edit_attrs(m, e, err);
	if (r >= 0 && e->verb == EDIT_DELETE && e->n_attrs)
		r = cfg_error_set(err, EINVAL, "deleting takes no attributes");
	if (r < 0)
		cfg_error_at(err, e->path, NULL, NULL);
	return r;
}

static int edits_grow(struct edits *edits, size_t *size)
{
	struct edit *grown;

	if (edits->n < *size)
		return 0;
	grown = reallocarray(edits->items, *size ? *size * 2 : 16, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	edits->items = grown;
	*size = *size ? *size * 2 : 16;
	return 0;
}

static int read_edits(sd_bus_message *m, struct edits *edits, struct cfg_error *err)
{
	size_t size = 0;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "(ssa(sss))");
	if (r < 0)
		return malformed(err, r);
	while ((r = sd_bus_message_enter_container(m, 'r', "ssa(sss)")) > 0) {
		struct edit *e;

		if (edits->n >= EDITS_MAX)
			return cfg_error_set(err, E2BIG, "there are more than %d edits", EDITS_MAX);
		if (edits_grow(edits, &size) < 0)
			return cfg_error_oom(err);
		e = &edits->items[edits->n++];
		*e = (struct edit){ .place = strf("edit %zu", edits->n) };
		if (!e->place)
			return cfg_error_oom(err);
		r = read_edit(m, e, err);
		if (r < 0) {
			cfg_error_at(err, NULL, NULL, e->place);
			return r;
		}
		r = sd_bus_message_exit_container(m);
		if (r < 0)
			break;
	}
	if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0)
		return malformed(err, r);
	if (!edits->n)
		return cfg_error_set(err, EINVAL, "there are no edits");
	return 0;
}

/* ---- documents ---- */

/* What the caller sent, and a copy that is ours to wipe. */
struct text {
	const char *s;
	char *own;
	size_t len;
};

static void text_done(struct text *t)
{
	if (t->own)
		explicit_bzero(t->own, t->len);
	free(t->own);
}

static int read_document(sd_bus_message *m, enum request_input input, size_t max, struct text *t, struct cfg_error *err)
{
	int r, fd;

	if (input == INPUT_TEXT) {
		r = sd_bus_message_read(m, "s", &t->s);
		if (r < 0)
			return malformed(err, r);
		t->len = strlen(t->s);
		if (t->len > BUS_STRING_MAX || t->len > max)
			return cfg_error_set(err, EFBIG, "the document has %zu bytes; a string may have %zu, a memfd %zu", t->len,
					     max < BUS_STRING_MAX ? max : (size_t)BUS_STRING_MAX, max);
		return 0;
	}
	r = sd_bus_message_read(m, "h", &fd);
	if (r < 0)
		return malformed(err, r);
	r = memfd_read(fd, max, &t->own, &t->len, err);
	t->s = t->own;
	return r;
}

static int read_input(sd_bus_message *m, enum request_input input, size_t max, struct request *r, struct text *t,
		      struct cfg_error *err)
{
	int k;

	switch (input) {
	case INPUT_NONE:
		return 0;
	case INPUT_TEXT:
	case INPUT_FD:
		return read_document(m, input, max, t, err);
	case INPUT_EDITS:
		return read_edits(m, &r->edits, err);
	case INPUT_PATHS:
		return read_paths(m, &r->paths, err);
	case INPUT_NUMBER:
		k = sd_bus_message_read(m, "t", &r->number);
		return k < 0 ? malformed(err, k) : 0;
	}
	return 0;
}

/* What is applied was made from the document's generation, unless the caller names another one; what is restored is meant to be old. An
 * empty document is for the manager to replace. */
static int parse_document(const struct text *t, const struct request_extra *x, struct request *r, struct cfg_errors *errs)
{
	const char *name = x->name ? x->name : "document";
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int k;

	if (r->act == ACT_RESTORE && !t->len)
		return 0;
	if (json_check_values(name, t->s, t->len, &err) < 0)
		return cfg_errors_take(errs, &err);
	k = document_parse(name, t->s, t->len, &r->document, errs);
	if (k >= 0 && r->act == ACT_APPLY && !x->any_generation)
		r->generation = r->document.generation;
	return k;
}

int request_read(sd_bus_message *m, enum request_input input, unsigned allowed, size_t max_document_bytes,
		 struct request *r, struct request_extra *x, struct cfg_errors *errs)
{
	_cleanup_(text_done) struct text t = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int k;

	/* Documents and values may hold secrets. */
	sd_bus_message_sensitive(m);
	k = read_input(m, input, max_document_bytes, r, &t, &err);
	if (k >= 0)
		k = read_options(m, allowed, r, x, &err);
	if (k < 0) {
		cfg_errors_take(errs, &err);
		return k;
	}
	for (size_t i = 0; i < r->edits.n; i++)
		r->edits.items[i].recursive = x->recursive && r->edits.items[i].verb == EDIT_DELETE;
	if (input == INPUT_TEXT || input == INPUT_FD)
		return parse_document(&t, x, r, errs);
	return 0;
}
