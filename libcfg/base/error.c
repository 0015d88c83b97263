/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values: filling, enriching and printing them. The rules stand in error.h. */
#include "base/error.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"

/* Messages quote what people and programs gave. Whatever that was, a problem is one line of text, and tells a terminal nothing. */
static void make_plain(char *s)
{
	size_t len = s ? strlen(s) : 0;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			s[i] = '?';
	for (size_t i = 0; i < len && (i += text_utf8_prefix(s + i, len - i)) < len; i++)
		s[i] = '?';
}

/* What has no place, or the wrong one, must not look as if it were whole: then the words go too. */
static void fill_missing(struct cfg_error *err, char **at, const char *text)
{
	if (*at || !text)
		return;
	*at = strdup(text);
	if (!*at) {
		free(err->msg);
		err->msg = NULL;
	}
}

__attribute__((format(printf, 5, 0)))
static int set_v(struct cfg_error *err, int code, const char *object, const char *attr, const char *fmt, va_list ap)
{
	assert(code > 0);
	if (!err)
		return -code;
	assert(err->code == 0);
	err->code = code;
	/* Without memory for the words the code still stands. */
	if (vasprintf(&err->msg, fmt, ap) < 0)
		err->msg = NULL;
	fill_missing(err, &err->object, object);
	fill_missing(err, &err->attr, attr);
	make_plain(err->msg);
	make_plain(err->attr);
	return -code;
}

int cfg_error_set(struct cfg_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_v(err, code, NULL, NULL, fmt, ap);
	va_end(ap);
	return r;
}

int cfg_error_set_at(struct cfg_error *err, int code, const char *object, const char *attr, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_v(err, code, object, attr, fmt, ap);
	va_end(ap);
	return r;
}

int cfg_error_oom(struct cfg_error *err)
{
	return cfg_error_set(err, ENOMEM, "out of memory");
}

void cfg_error_at(struct cfg_error *err, const char *object, const char *attr, const char *place)
{
	if (!cfg_error_is_set(err))
		return;
	fill_missing(err, &err->object, object);
	fill_missing(err, &err->attr, attr);
	fill_missing(err, &err->place, place);
}

void cfg_error_wrap(struct cfg_error *err, const char *fmt, ...)
{
	_cleanup_free_ char *context = NULL;
	char *msg;
	va_list ap;

	if (!cfg_error_is_set(err))
		return;
	va_start(ap, fmt);
	if (vasprintf(&context, fmt, ap) < 0)
		context = NULL;
	va_end(ap);
	if (!context || asprintf(&msg, "%s: %s", context, err->msg ? err->msg : "") < 0)
		return;
	free(err->msg);
	make_plain(msg);
	err->msg = msg;
}

void cfg_error_move(struct cfg_error *to, struct cfg_error *from)
{
	if (!to) {
		cfg_error_done(from);
		return;
	}
	cfg_error_done(to);
	*to = *from;
	*from = CFG_ERROR_NULL;
}

int cfg_error_copy(struct cfg_error *to, const struct cfg_error *from)
{
	*to = (struct cfg_error){
		.code = from->code,
		.object = from->object ? strdup(from->object) : NULL,
		.attr = from->attr ? strdup(from->attr) : NULL,
		.place = from->place ? strdup(from->place) : NULL,
		.msg = from->msg ? strdup(from->msg) : NULL,
	};
	return from->msg && !to->msg ? -ENOMEM : 0;
}

char *cfg_error_text(const struct cfg_error *err)
{
	const char *const parts[] = { err->place, err->object, err->attr };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i])
			fprintf(f, "%s: ", parts[i]);
	fputs(err->msg ? err->msg : strerror(err->code), f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void cfg_error_done(struct cfg_error *err)
{
	free(err->object);
	free(err->attr);
	free(err->place);
	free(err->msg);
	*err = CFG_ERROR_NULL;
}

int cfg_errors_take(struct cfg_errors *errs, struct cfg_error *err)
{
	int code = err->code;
	struct cfg_error *items;

	errs->total++;
	errs->no_memory |= code == ENOMEM || !err->msg;
	if (errs->n >= CFG_ERRORS_MAX) {
		cfg_error_done(err);
		return -code;
	}
	items = reallocarray(errs->items, errs->n + 1, sizeof(*items));
	if (!items) {
		cfg_error_done(err);
		errs->no_memory = true;
		return -ENOMEM;
	}
	errs->items = items;
	errs->items[errs->n++] = *err;
	*err = CFG_ERROR_NULL;
	return -code;
}

int cfg_errors_add(struct cfg_errors *errs, int code, const char *object, const char *attr, const char *place,
		   const char *fmt, ...)
{
	struct cfg_error err = CFG_ERROR_NULL;
	va_list ap;

	va_start(ap, fmt);
	set_v(&err, code, object, attr, fmt, ap);
	va_end(ap);
	cfg_error_at(&err, NULL, NULL, place);
	return cfg_errors_take(errs, &err);
}

int cfg_errors_verdict(const struct cfg_errors *errs, size_t total_before)
{
	if (errs->no_memory)
		return -ENOMEM;
	return errs->total > total_before ? -EINVAL : 0;
}

void cfg_errors_move(struct cfg_errors *to, struct cfg_errors *from)
{
	to->total += from->total - from->n;
	to->no_memory |= from->no_memory;
	for (size_t i = 0; i < from->n; i++)
		cfg_errors_take(to, &from->items[i]);
	cfg_errors_done(from);
}

void cfg_errors_done(struct cfg_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++)
		cfg_error_done(&errs->items[i]);
	free(errs->items);
	*errs = (struct cfg_errors){ 0 };
}
