/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_TEXT_H
#define CFG_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Numbers. Strict: the whole string, ASCII digits, decimal, no sign for unsigned, no blanks, no leading
 * zero other than "0". Return 0, -EINVAL (not a number) or -ERANGE. */
int text_to_u64(const char *s, uint64_t *ret);
int text_to_i64(const char *s, int64_t *ret);

/* "10GiB", "512", "64KiB", "1.5TiB" is refused; units B KiB MiB GiB TiB PiB (also K M G T P, meaning the
 * same powers of 1024). -EINVAL or -ERANGE. */
int text_to_size(const char *s, uint64_t *ret);
/* The shortest exact form that text_to_size() reads back: 1073741824 -> "1GiB", 1000 -> "1000". Caller frees. */
char *text_from_size(uint64_t bytes);

/* Orders strings as people do: runs of digits by their value, the rest by byte. Total: 0 only for equal strings. */
int text_natural_cmp(const char *a, const char *b);

bool text_is_printable_ascii(const char *s);	/* 0x20..0x7e only; true for "" */
bool text_is_utf8(const char *s, size_t len);
/* How many bytes from the beginning are well-formed UTF-8. */
size_t text_utf8_prefix(const char *s, size_t len);

/* A growing string. Once memory runs out, failed is set and further calls do nothing. */
struct strbuf {
	char *s;	/* NUL-terminated once anything was added; NULL before */
	size_t len, size;
	bool failed;
};

void strbuf_add(struct strbuf *b, const char *s);
void strbuf_add_mem(struct strbuf *b, const void *p, size_t n);
void strbuf_add_all(struct strbuf *b, const char *first, ...) __attribute__((sentinel));	/* NULL behind the last */
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the string over ("" when empty); NULL when memory ran out. The buffer is empty afterwards. */
char *strbuf_steal(struct strbuf *b);
void strbuf_done(struct strbuf *b);
#define _cleanup_strbuf_ _cleanup_(strbuf_done)

char text_lower(char c);	/* of ASCII letters, whatever the locale */

/* Like asprintf, but returns the string or NULL. */
char *strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The texts one after the other, NULL behind the last: strf() of many "%s", many times as quick. Caller frees; NULL when out of memory. */
char *strjoin(const char *first, ...) __attribute__((sentinel));

/* NULL-terminated arrays of strings, each owned by the array. NULL is the empty one. */
size_t strv_len(char *const *v);
char **strv_free(char **v);		/* returns NULL */
char **strv_copy(char *const *v);	/* never NULL for v != NULL, unless out of memory */
bool strv_equal(char *const *a, char *const *b);	/* NULL equals empty */
bool strv_contains(char *const *v, const char *s);
int strv_append(char ***v, const char *s);		/* copies s; -ENOMEM */
int strv_extend(char ***v, char *const *more);		/* appends copies of all of them; on -ENOMEM some */
int strv_remove(char **v, const char *s);		/* 1 removed, 0 was not there */
void strv_sort_unique(char **v);			/* natural order */
/* The next name of a sorted set that another sorted set has not; NULL at the end. Both are moved on, and begin at the sets' beginnings. */
const char *strv_next_besides(char *const **names, char *const **others);
char *strv_join(char *const *v, const char *sep);	/* caller frees; NULL when out of memory */
CFG_DEFINE_CLEANUP(char **, strv_free);
#define _cleanup_strv_ _cleanup_(strv_freep)

#endif
