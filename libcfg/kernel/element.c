/* SPDX-License-Identifier: Apache-2.0 */
/* Elements taken apart: which object, or which link, a path in a scope is. */
#include "kernel/element.h"

#include <errno.h>

#include "base/text.h"

void element_done(struct element *e)
{
	free(e->object);
	free(e->name);
	free(e->far);
	*e = (struct element){ 0 };
}

char *edge_path(const char *holder, const struct attr_row *row, const char *name)
{
	return strjoin(holder, "/", row->file, "/", name, NULL);
}

static int parse_edge(const char *text, struct element *ret)
{
	_cleanup_free_ char *holder = path_parent(text), *word = NULL;
	const char *name = strrchr(text, '/');
	enum kind kind = holder ? path_kind(holder) : KIND_MAX;
	const struct attr_row *row;
	const char *folder;

	if (!holder)
		return -ENOMEM;
	if (kind == KIND_MAX || kind == KIND_ROOT || !name)
		return -EINVAL;
	folder = text + strlen(holder) + 1;
	word = strndup(folder, (size_t)(name - folder));
	if (!word)
		return -ENOMEM;
	row = attr_find_file(kind, word);
	if (!row || !attr_is_links(row))
		return -EINVAL;
	*ret = (struct element){ .edge = row, .kind = kind, .object = steal_ptr(holder), .name = strdup(name + 1),
				 .far = strjoin(kind_info(row->ref)->collection, name, NULL) };
	return ret->name && ret->far ? 0 : -ENOMEM;
}

int element_parse(const char *text, struct element *ret)
{
	enum kind kind = path_kind(text);

	*ret = (struct element){ 0 };
	if (kind == KIND_MAX)
		return parse_edge(text, ret);
	if (kind == KIND_ROOT)
		return -EINVAL;
	*ret = (struct element){ .kind = kind, .object = strdup(text) };
	return ret->object ? 0 : -ENOMEM;
}
