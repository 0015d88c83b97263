/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: strict numbers and sizes, natural order, a growing buffer, arrays of strings. */
#include "base/text.h"

#include <errno.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int text_to_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!is_digit(*s) || (s[0] == '0' && s[1]))
		return -EINVAL;
	for (; is_digit(*s); s++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) {
			while (is_digit(*s))
				s++;
			return *s ? -EINVAL : -ERANGE;
		}
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

int text_to_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v;
	int r = text_to_u64(s + negative, &v);

	if (r < 0)
		return r;
	if (negative && v == 0)
		return -EINVAL;
	if (v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)-v : (int64_t)v;
	return 0;
}

static const char units[] = "KMGTP";

int text_to_size(const char *s, uint64_t *ret)
{
	size_t digits = strspn(s, "0123456789");
	const char *unit = s + digits, *at;
	char number[24];	/* UINT64_MAX has 20 digits, and none is in front of them */
	uint64_t v;
	int r;

	if (digits >= sizeof(number))
		return *s == '0' ? -EINVAL : -ERANGE;
	memcpy(number, s, digits);
	number[digits] = 0;
	r = text_to_u64(number, &v);
	if (r < 0)
		return r;
	if (*unit && !streq(unit, "B")) {
		at = strchr(units, *unit);
		if (!at || (unit[1] && !streq(unit + 1, "iB")))
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)1 << (10 * (at - units + 1)), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

char *text_from_size(uint64_t bytes)
{
	int unit = -1;

	while (bytes && bytes % 1024 == 0 && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	return unit < 0 ? strf("%llu", (unsigned long long)bytes) :
			  strf("%llu%ciB", (unsigned long long)bytes, units[unit]);
}

/* Compares two runs of digits by value; a value with more leading zeros comes later, so that the order is total. */
static size_t count_digits(const char *s, char last)
{
	size_t n = 0;

	while (s[n] >= '0' && s[n] <= last)
		n++;
	return n;
}

static int cmp_digits(const char **a, const char **b)
{
	const char *na = *a, *nb = *b;
	size_t za = count_digits(na, '0'), zb = count_digits(nb, '0');
	size_t la = count_digits(na + za, '9'), lb = count_digits(nb + zb, '9');
	int c;

	*a = na + za + la;
	*b = nb + zb + lb;
	if (la != lb)
		return la < lb ? -1 : 1;
	c = strncmp(na + za, nb + zb, la);
	if (c)
		return c;
	return za < zb ? -1 : za > zb;
}

/* How many bytes two strings have in common at their beginning: eight at a time, since names often differ at their ends alone. */
static size_t common_prefix(const char *a, const char *b)
{
	size_t len = strlen(a), len_b = strlen(b), n = 0;

	if (len > len_b)
		len = len_b;
	for (; n + sizeof(uint64_t) <= len; n += sizeof(uint64_t)) {
		uint64_t x, y;

		memcpy(&x, a + n, sizeof(x));
		memcpy(&y, b + n, sizeof(y));
		if (x != y)
			break;
	}
	while (n < len && a[n] == b[n])
		n++;
	return n;
}

int text_natural_cmp(const char *a, const char *b)
{
	size_t same = common_prefix(a, b);
	int c;

	if (a[same] == b[same])
		return 0;
	/* In the middle of a number it is the whole of that which counts. */
	while (same && is_digit(a[same - 1]))
		same--;
	a += same;
	b += same;
	if (is_digit(*a) && is_digit(*b)) {
		c = cmp_digits(&a, &b);
		if (c)
			return c;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

bool text_is_printable_ascii(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/* Length of the UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), 0 when it is none. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (!n || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

size_t text_utf8_prefix(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t i = 0;

	while (i < len) {
		uint64_t eight;
		size_t n;

		/* Most text is ASCII. */
		for (; i + sizeof(eight) <= len; i += sizeof(eight)) {
			memcpy(&eight, u + i, sizeof(eight));
			if (eight & 0x8080808080808080)
				break;
		}
		if (i == len)
			break;
		n = utf8_sequence(u + i, len - i);
		if (!n)
			break;
		i += n;
	}
	return i;
}

bool text_is_utf8(const char *s, size_t len)
{
	return text_utf8_prefix(s, len) == len;
}

/* ---- strbuf ---- */

static bool grow(struct strbuf *b, size_t n)
{
	size_t size = b->size ? b->size : 64;
	char *s;

	if (b->failed)
		return false;
	while (size < b->len + n + 1)
		size *= 2;
	if (size == b->size)
		return true;
	s = realloc(b->s, size);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->size = size;
	return true;
}

void strbuf_add_mem(struct strbuf *b, const void *p, size_t n)
{
	if (!grow(b, n))
		return;
	if (n)
		memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = 0;
}

void strbuf_add(struct strbuf *b, const char *s)
{
	strbuf_add_mem(b, s, strlen(s));
}

void strbuf_add_all(struct strbuf *b, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (const char *part = first; part; part = va_arg(ap, const char *))
		strbuf_add(b, part);
	va_end(ap);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		b->failed = true;
		return;
	}
	strbuf_add_mem(b, text, (size_t)n);
}

char *strbuf_steal(struct strbuf *b)
{
	char *s;

	strbuf_add_mem(b, "", 0);
	s = b->failed ? NULL : steal_ptr(b->s);
	strbuf_done(b);
	return s;
}

void strbuf_done(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){ 0 };
}

char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

char *strf(const char *fmt, ...)
{
	char *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

char *strjoin(const char *first, ...)
{
	size_t n = 1;
	va_list ap;
	char *s, *at;

	va_start(ap, first);
	for (const char *part = first; part; part = va_arg(ap, const char *))
		n += strlen(part);
	va_end(ap);
	s = at = malloc(n);
	if (!s)
		return NULL;
	*at = 0;
	va_start(ap, first);
	for (const char *part = first; part; part = va_arg(ap, const char *))
		at = stpcpy(at, part);
	va_end(ap);
	return s;
}

/* ---- strv ---- */

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

char **strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
	return NULL;
}

char **strv_copy(char *const *v)
{
	size_t n = strv_len(v);
	_cleanup_strv_ char **copy = NULL;

	if (!v)
		return NULL;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(v[i]);
		if (!copy[i])
			return NULL;
	}
	return steal_ptr(copy);
}

bool strv_equal(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!streq(a[i], b[i]))
			return false;
	return true;
}

bool strv_contains(char *const *v, const char *s)
{
	for (; v && *v; v++)
		if (streq(*v, s))
			return true;
	return false;
}

int strv_append(char ***v, const char *s)
{
	size_t n = strv_len(*v);
	char **list = reallocarray(*v, n + 2, sizeof(*list));

	if (!list)
		return -ENOMEM;
	*v = list;
	list[n + 1] = NULL;
	list[n] = strdup(s);
	return list[n] ? 0 : -ENOMEM;
}

int strv_extend(char ***v, char *const *more)
{
	size_t n = strv_len(*v), m = strv_len(more);
	char **list = m ? reallocarray(*v, n + m + 1, sizeof(*list)) : NULL;

	if (!m)
		return 0;
	if (!list)
		return -ENOMEM;
	*v = list;
	for (list[n] = NULL; *more; more++) {
		list[n] = strdup(*more);
		if (!list[n])
			return -ENOMEM;
		list[++n] = NULL;
	}
	return 0;
}

int strv_remove(char **v, const char *s)
{
	size_t n = strv_len(v);

	for (size_t i = 0; i < n; i++)
		if (streq(v[i], s)) {
			free(v[i]);
			memmove(v + i, v + i + 1, (n - i) * sizeof(*v));
			return 1;
		}
	return 0;
}

static int cmp_strings(const void *a, const void *b)
{
	return text_natural_cmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort_unique(char **v)
{
	size_t n = 0, kept = 0;

	/* Most lists come sorted. */
	while (v && v[n] && (!n || text_natural_cmp(v[n - 1], v[n]) < 0))
		n++;
	if (!v || !v[n])
		return;
	n += strv_len(v + n);
	qsort(v, n, sizeof(*v), cmp_strings);
	for (size_t i = 0; i < n; i++) {
		if (kept && streq(v[kept - 1], v[i]))
			free(v[i]);
		else
			v[kept++] = v[i];
	}
	v[kept] = NULL;
}

const char *strv_next_besides(char *const **names, char *const **others)
{
	for (; *names && **names; ++*names) {
		int c = -1;

		while (*others && **others && (c = text_natural_cmp(**others, **names)) < 0)
			++*others;
		if (!*others || !**others || c != 0)
			return *(*names)++;
	}
	return NULL;
}

char *strv_join(char *const *v, const char *sep)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; v && v[i]; i++) {
		if (i)
			strbuf_add(&b, sep);
		strbuf_add(&b, v[i]);
	}
	return strbuf_steal(&b);
}
