/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people write them: checked, part by part, with a message that says which part is wrong and what could stand there. */
#include <errno.h>

#include "base/text.h"
#include "model/names.h"
#include "model/object.h"

/* The next part of a path in a buffer; names hold no slash. NULL at the end. */
static char *next_part(char **at)
{
	char *part = *at, *slash;

	if (!part)
		return NULL;
	slash = strchr(part, '/');
	if (slash)
		*slash++ = 0;
	*at = slash;
	return part;
}

void path_done(struct path *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->name); i++)
		free(p->name[i]);
	*p = (struct path){ 0 };
}

static int no_such_collection(enum kind parent, const char *text, const char *collection, struct cfg_error *err)
{
	static const char *const later[] = { "targets", "fabrics", "lu_groups" };
	struct strbuf b = { 0 };
	_cleanup_free_ char *known = NULL;

	for (size_t i = 0; parent == KIND_ROOT && i < ARRAY_SIZE(later); i++)
		if (streq(collection, later[i]))
			return cfg_error_set(err, EINVAL, "%.300s: SCSI targets are not supported by this version", text);
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
		if (kind_info(k)->parent == parent)
			strbuf_addf(&b, "%s%s", b.len ? ", " : "", kind_info(k)->collection);
	known = strbuf_steal(&b);
	return cfg_error_set(err, EINVAL, "%.300s: there is no \"%.80s\" here, but %s", text, collection,
			     known && *known ? known : "nothing");
}

/* One collection and name; 1: goes on, 0: the path ends. */
static int parse_step(struct path *p, char **at, const char *text, enum kind *ret_collection, struct cfg_error *err)
{
	enum kind parent = p->depth ? p->kind[p->depth - 1] : KIND_ROOT;
	const char *collection = next_part(at), *name;
	enum kind kind = kind_from_collection(parent, collection);
	char *canonical;

	if (kind == KIND_MAX || p->depth == ARRAY_SIZE(p->kind))
		return no_such_collection(parent, text, collection, err);
	if (kind_info(kind)->singleton) {
		canonical = strdup("");
	} else {
		name = next_part(at);
		if (!name || !*name) {
			if (!ret_collection || *at)
				return cfg_error_set(err, EINVAL, "%.300s: a name is missing behind %s", text,
						     kind_info(kind)->collection);
			*ret_collection = kind;
			return 0;
		}
		if (name_parse(kind, name, &canonical, err) < 0) {
			cfg_error_wrap(err, "%.300s", text);
			return -EINVAL;
		}
	}
	if (!canonical)
		return cfg_error_oom(err);
	p->kind[p->depth] = kind;
	p->name[p->depth++] = canonical;
	return *at != NULL;
}

int path_parse(const char *text, struct path *ret, enum kind *ret_collection, struct cfg_error *err)
{
	_cleanup_path_ struct path p = { 0 };
	_cleanup_free_ char *copy = strdup(text);
	char *at = copy;
	int r = 1;

	if (!copy)
		return cfg_error_oom(err);
	if (ret_collection)
		*ret_collection = KIND_MAX;
	while (*text && r > 0)
		r = parse_step(&p, &at, text, ret_collection, err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct path){ 0 };
	return 0;
}

char *path_text(const struct path *p)
{
	struct strbuf b = { 0 };

	for (unsigned i = 0; i < p->depth; i++) {
		strbuf_addf(&b, "%s%s", i ? "/" : "", kind_info(p->kind[i])->collection);
		if (!kind_info(p->kind[i])->singleton)
			strbuf_addf(&b, "/%s", p->name[i]);
	}
	return strbuf_steal(&b);
}

bool path_is_within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == 0 || path[n] == '/');
}
