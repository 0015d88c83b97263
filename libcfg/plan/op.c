/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as data: lists of them, their text for people, and the text that scans return. */
#include "plan/op.h"

#include <errno.h>

#include "base/text.h"

static const char *const verbs[] = {
	[OP_MKDIR] = "mkdir", [OP_RMDIR] = "rmdir", [OP_WRITE] = "write", [OP_WRITE_SECRET] = "write secret",
	[OP_LINK] = "link", [OP_UNLINK] = "unlink", [OP_LOAD_MODULE] = "load module", [OP_TUNE] = "set", [OP_EXPEDITE] = "switch", [OP_PROBE] = "probe",
	[OP_CREATE_FILE] = "create file", [OP_GROW_FILE] = "grow file", [OP_REMOVE_FILE] = "remove file",
	[OP_CHECK_MOVING] = "check that I/O moves", [OP_SCAN] = "scan", [OP_SCAN_SOME] = "scan", [OP_READLINK] = "read link",
	[OP_IN_USE] = "look who is connected", [OP_WAIT_CHANGE] = "wait for a change", [OP_SYSTEM] = "look at the system",
	[OP_HAS_MODULE] = "look for module", [OP_HAS_OPTION] = "look for kernel option", [OP_HAS_ADDRESS] = "look for address",
	[OP_FILE_REPLACE] = "replace file", [OP_FILE_APPEND] = "append to file", [OP_FILE_CUT] = "cut file",
	[OP_FILE_REMOVE] = "remove file",
	[OP_FILE_READ] = "read file", [OP_STORE_SECRET] = "store secret",
	[OP_KEEP_SECRET] = "keep secret", [OP_FIND_DISK] = "find disk", [OP_WAIT_DISK] = "wait for disk",
	[OP_RESCAN_DISK] = "rescan disk", [OP_WRITE_DISK] = "write disk", [OP_WRITE_HCTL] = "write SCSI address",
	[OP_MAKE_DBROOT] = "make folders of dbroot", [OP_RESTORE_REGISTRATIONS] = "restore registrations",
	[OP_WRITE_FILE_SIZE] = "write file's size", [OP_EXPECT] = "expect",
	[OP_WRITE_BLOCK_SIZE] = "write file's block size", [OP_CHECK_REGISTRATIONS] = "check registrations",
};
_Static_assert(ARRAY_SIZE(verbs) == OP_VERB_MAX, "each verb has words");

const char *op_verb_to_str(enum op_verb v)
{
	return v < OP_VERB_MAX ? verbs[v] : "unknown operation";
}

static void op_done(struct op *op)
{
	free(op->path);
	if (op->verb == OP_STORE_SECRET && op->value)
		explicit_bzero(op->value, strlen(op->value));
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

int oplist_add_taking(struct oplist *l, enum op_verb verb, unsigned flags, const char *path, char *value)
{
	int r = oplist_add(l, verb, flags, path, NULL, NULL, NULL);

	if (r < 0)
		free(value);
	else
		l->items[l->n - 1].value = value;
	return r;
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
	const char *path = op->path ? op->path : "", *value = op->value ? op->value : "";

	switch (op->verb) {
	case OP_WRITE:
		return strf("write %s = %s", path, value);
	case OP_TUNE:
		return strf("set %s = %s", path, value);
	case OP_WRITE_SECRET:
		return *value ? strf("write %s = (secret of %s)", path, value) : strf("clear %s", path);
	case OP_LINK:
		return strf("link %s -> %s", path, value);
	case OP_CREATE_FILE:
	case OP_GROW_FILE:
		return strf("%s %s to %s bytes", verbs[op->verb], path, value);
	case OP_FIND_DISK:
	case OP_WAIT_DISK:
	case OP_RESCAN_DISK:
		return strf("%s of %s/lun/lun_%s", verbs[op->verb], path, value);
	case OP_WRITE_DISK:
		return strf("write %s = disk of %s", path, value);
	case OP_WRITE_HCTL:
		return strf("write %s/udev_path = %s, and its SCSI address", path, value);
	case OP_WRITE_FILE_SIZE:
		return strf("write %s/control = fd_dev_size=(size of %s)", path, value);
	case OP_WRITE_BLOCK_SIZE:
		return strf("write %s/attrib/block_size = (block size of %s)", path, value);
	case OP_EXPECT:
		return strf("expect \"%s\" in %s", value, path);
	case OP_HAS_ADDRESS:
		return strf("%s %s", verbs[op->verb], value);
	case OP_MAKE_DBROOT:
		return strdup(verbs[op->verb]);
	case OP_RESTORE_REGISTRATIONS:
	case OP_CHECK_REGISTRATIONS:
		return strf("%s of %s from aptpl_%.*s", verbs[op->verb], path, (int)strcspn(value, "\n"), value);
	default:
		return strf("%s %s", verbs[op->verb], path);
	}
}

/* ---- scan text ---- */

static bool is_plain(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '\\';
}

static void add_escaped(struct strbuf *b, const char *s)
{
	while (*s) {
		size_t n = 0;

		while (is_plain((unsigned char)s[n]))
			n++;
		strbuf_add_mem(b, s, n);
		s += n;
		if (*s)
			strbuf_addf(b, "\\%03o", (unsigned char)*s++);
	}
}

void scan_add(struct strbuf *b, char type, const char *path, const char *value)
{
	strbuf_addf(b, "%c ", type);
	add_escaped(b, path);
	if (type == 'f') {
		strbuf_addf(b, " %zu\n", strlen(value));
		strbuf_add(b, value);
	} else if (value) {
		strbuf_add(b, " ");
		add_escaped(b, value);
	}
	strbuf_add(b, "\n");
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* In place. */
static int unescape(char *s)
{
	char *to = s;

	while (*s) {
		unsigned c;

		if (*s != '\\') {
			*to++ = *s++;
			continue;
		}
		if (!is_octal(s[1]) || !is_octal(s[2]) || !is_octal(s[3]))
			return -EINVAL;
		c = (unsigned)(s[1] - '0') << 6 | (unsigned)(s[2] - '0') << 3 | (unsigned)(s[3] - '0');
		if (!c || c > 0xff)
			return -EINVAL;
		*to++ = (char)c;
		s += 4;
	}
	*to = 0;
	return 0;
}

/* The word that ends at the stop character, which is cut off; *at is behind it. */
static char *cut(char **at, char stop)
{
	char *word = *at, *end = word + strcspn(word, " \n");

	if (*end != stop)
		return NULL;
	*end = 0;
	*at = end + 1;
	return unescape(word) < 0 ? NULL : word;
}

static int next_value(char **at, struct scan_entry *ret)
{
	const char *number = cut(at, '\n');
	uint64_t len;

	/* Not more than fits in what is left, and that without walking over what does not belong to it. */
	if (!number || text_to_u64(number, &len) < 0 || len > SIZE_MAX - 1 || strnlen(*at, len + 1) != len + 1 ||
	    (*at)[len] != '\n')
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
	path = cut(at, type == 'd' || type == 'x' ? '\n' : ' ');
	if (!path)
		return -EINVAL;
	*ret = (struct scan_entry){ .type = type, .path = path };
	if (type == 'd' || type == 'x')
		return 1;
	if (type == 'f')
		return next_value(at, ret);
	ret->value = cut(at, '\n');
	if (!ret->value || (type == 's' && !streq(ret->value, "set") && !streq(ret->value, "unset")))
		return -EINVAL;
	return 1;
}
