/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as data: lists of them, their text for people, and the text that scans return. */
#include "plan/op.h"

#include <errno.h>

#include "base/text.h"

static const char *const verbs[] = {
	[OP_MKDIR] = "mkdir", [OP_RMDIR] = "rmdir", [OP_WRITE] = "write", [OP_WRITE_SECRET] = "write secret",
	[OP_LINK] = "link", [OP_UNLINK] = "unlink", [OP_LOAD_MODULE] = "load module", [OP_PROBE] = "probe",
	[OP_CREATE_FILE] = "create file", [OP_GROW_FILE] = "grow file", [OP_REMOVE_FILE] = "remove file",
	[OP_CHECK_MOVING] = "check that I/O moves", [OP_SCAN] = "scan", [OP_READLINK] = "read link",
	[OP_IN_USE] = "look who is connected", [OP_WAIT_CHANGE] = "wait for a change", [OP_SYSTEM] = "look at the system",
	[OP_FILE_REPLACE] = "replace file", [OP_FILE_APPEND] = "append to file", [OP_FILE_REMOVE] = "remove file",
	[OP_FILE_READ] = "read file", [OP_STORE_SECRET] = "store secret",
};
_Static_assert(ARRAY_SIZE(verbs) == OP_VERB_MAX, "each verb has words");

const char *op_verb_to_str(enum op_verb v)
{
	return verbs[v];
}

static void op_done(struct op *op)
{
	free(op->path);
	free(op->value);
	free(op->object);
	free(op->attr);
}

static int copy_to(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int oplist_add(struct oplist *l, enum op_verb verb, unsigned flags, const char *path, const char *value,
	       const char *object, const char *attr)
{
	struct op op = { .verb = verb, .flags = flags };

	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 4;
		struct op *items = reallocarray(l->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->size = size;
	}
	if (copy_to(&op.path, path) < 0 || copy_to(&op.value, value) < 0 || copy_to(&op.object, object) < 0 ||
	    copy_to(&op.attr, attr) < 0) {
		op_done(&op);
		return -ENOMEM;
	}
	l->items[l->n++] = op;
	return 0;
}

void oplist_done(struct oplist *l)
{
	for (size_t i = 0; i < l->n; i++)
		op_done(&l->items[i]);
	free(l->items);
	*l = (struct oplist){ 0 };
}

char *op_text(const struct op *op)
{
	const char *path = op->path ? op->path : "";

	switch (op->verb) {
	case OP_WRITE:
		return strf("write %s = %s", path, op->value ? op->value : "");
	case OP_WRITE_SECRET:
		return op->value && *op->value ? strf("write %s = (secret of %s)", path, op->value) :
						 strf("clear %s", path);
	case OP_LINK:
		return strf("link %s -> %s", path, op->value ? op->value : "");
	case OP_CREATE_FILE:
	case OP_GROW_FILE:
		return strf("%s %s to %s bytes", verbs[op->verb], path, op->value ? op->value : "");
	default:
		return strf("%s %s", verbs[op->verb], path);
	}
}

/* Cuts the word at the first of the stop characters; *at is behind it. */
static char *cut(char **at, const char *stop)
{
	char *word = *at;

	*at = word + strcspn(word, stop);
	if (!**at)
		return NULL;
	*(*at)++ = 0;
	return word;
}

static int next_value(char **at, struct scan_entry *ret)
{
	const char *number = cut(at, "\n");
	uint64_t len;

	if (!number || text_to_u64(number, &len) < 0 || strnlen(*at, len + 1) < len + 1 || (*at)[len] != '\n')
		return -EINVAL;
	ret->value = *at;
	(*at)[len] = 0;
	*at += len + 1;
	return 1;
}

int scan_next(char **at, struct scan_entry *ret)
{
	char type = **at;
	char *path;

	if (!type)
		return 0;
	if (!strchr("dfxsl", type) || (*at)[1] != ' ')
		return -EINVAL;
	*at += 2;
	path = cut(at, type == 'd' || type == 'x' ? "\n" : " ");
	if (!path)
		return -EINVAL;
	*ret = (struct scan_entry){ .type = type, .path = path };
	if (type == 'f')
		return next_value(at, ret);
	if (type == 's' || type == 'l') {
		ret->value = cut(at, "\n");
		return ret->value ? 1 : -EINVAL;
	}
	return 1;
}
