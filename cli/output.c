/* SPDX-License-Identifier: Apache-2.0 */
/* Words for people: problems on stderr, JSON, and whether what was printed has arrived. */
#include "cli/cli.h"

#include <errno.h>

/* Names of files and of the kernel's objects may hold anything; a terminal must not take it for a command. */
static void make_plain(char *line)
{
	for (char *s = line; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void complain(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL, *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		make_plain(text);
	line = strf("nvmetctl: %s\n", text ? text : "out of memory");
	fflush(stdout);
	fputs(line ? line : "nvmetctl: out of memory\n", stderr);
}

void complain_error(const struct cfg_error *err)
{
	_cleanup_free_ char *text = cfg_error_text(err);

	complain("%s", text ? text : "out of memory");
}

void complain_errors(const struct cfg_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++)
		complain_error(&errs->items[i]);
	if (errs->total > errs->n)
		complain("and %zu more problems", errs->total - errs->n);
}

void complain_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		complain("%.*s", (int)n, text);
		text += text[n] ? n + 1 : n;
	}
}

int usage_error(const struct cli *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	complain("%s%s%s", c->verb ? c->verb->name : "", c->verb ? ": " : "", text ? text : "out of memory");
	return STATUS_USAGE;
}

int out_of_memory(void)
{
	complain("out of memory");
	return STATUS_FAILED;
}

char *count_text(uint64_t n, const char *collection)
{
	size_t len = strlen(collection), cut = n == 1 && len && collection[len - 1] == 's' ? len - 1 : len;
	_cleanup_free_ char *word = strndup(collection, cut);

	/* ana_groups is a key; in words it is two. */
	for (char *s = word; s && *s; s++)
		if (*s == '_')
			*s = ' ';
	return word ? strf("%llu %s", (unsigned long long)n, word) : NULL;
}

int print_json(struct json_object *o)
{
	_cleanup_free_ char *text = json_print(o);

	if (!text)
		return out_of_memory();
	fputs(text, stdout);
	return STATUS_DONE;
}

int output_end(const struct cli *c, int done)
{
	bool changes = c->verb && c->verb->options & TAKES_DRY_RUN && !c->dry_run;

	if (fflush(stdout) != EOF && !ferror(stdout))
		return done;
	complain("standard output: cannot be written: %s%s", strerror(errno),
		 changes && done == STATUS_DONE ? "; the change itself is done" : "");
	if (done != STATUS_DONE)
		return done;
	return changes ? STATUS_PARTLY : STATUS_FAILED;
}

/* ---- JSON ---- */

struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

const char *member_string(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key);

	return v ? json_object_get_string(v) : "";
}

uint64_t member_number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(member(o, key));
}

bool member_bool(struct json_object *o, const char *key)
{
	return json_object_get_boolean(member(o, key));
}

size_t array_len(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

const char *array_string(struct json_object *array, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(array, i));
}

bool array_has(struct json_object *array, const char *text)
{
	for (size_t i = 0; i < array_len(array); i++)
		if (streq(array_string(array, i), text))
			return true;
	return false;
}
