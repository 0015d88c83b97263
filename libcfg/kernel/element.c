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
	return strf("%s/%s/%s", holder, row->file, name);
}

int element_parse(const char *text, struct element *ret)
{
	_cleanup_free_ char *holder = path_parent(text);
	const char *folder, *name = strrchr(text, '/');
	enum kind kind = holder ? path_kind(holder) : KIND_MAX;
	const struct attr_row *row = NULL;

	*ret = (struct element){ 0 };
	if (!holder)
		return -ENOMEM;
	if (kind != KIND_MAX && kind != KIND_ROOT && name) {
		_cleanup_free_ char *word = NULL;

		folder = text + strlen(holder) + 1;
		word = strndup(folder, (size_t)(name - folder));
		if (!word)
			return -ENOMEM;
		row = attr_find_file(kind, word);
	}
	if (row && attr_is_links(row)) {
		*ret = (struct element){ .edge = row, .kind = kind, .object = steal_ptr(holder), .name = strdup(name + 1),
					 .far = strf("%s/%s", kind_info(row->ref)->collection, name + 1) };
		return ret->name && ret->far ? 0 : -ENOMEM;
	}
	kind = path_kind(text);
	if (kind == KIND_MAX || kind == KIND_ROOT)
		return -EINVAL;
	*ret = (struct element){ .kind = kind, .object = strdup(text) };
	return ret->object ? 0 : -ENOMEM;
}
