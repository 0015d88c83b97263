/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict walk over JSON text. It decides what is JSON and where everything stands; strings are decoded by json-c, and its
 * objects hold the result, each with its place as user data. The walk is recursive and bounded by JSON_MAX_DEPTH.
 */
#include "base/json.h"

#include <errno.h>

#include "base/map.h"
#include "base/text.h"

struct reader {
	const char *name, *text;
	size_t len, at;
	size_t line_start;
	unsigned line;
	unsigned depth;
	bool places;			/* values remember theirs */
	json_member_fn member;		/* or NULL */
	void *userdata;
	const char *key;		/* of the outermost object's member that is being read */
	struct map *seen;		/* names in it -> where they stand, see pack() */
	struct cfg_error *err;
};

static struct json_place place_at(const struct reader *r)
{
	return (struct json_place){ r->line, (unsigned)(r->at - r->line_start + 1) };
}

char *json_place_text(const char *name, struct json_place place)
{
	return strf("%s:%u:%u", name, place.line, place.column);
}

__attribute__((format(printf, 3, 4)))
static int bad_at(struct reader *r, struct json_place place, const char *fmt, ...)
{
	_cleanup_free_ char *where = json_place_text(r->name, place), *msg = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = NULL;
	va_end(ap);
	cfg_error_set(r->err, EINVAL, "%s", msg ? msg : "is not JSON");
	cfg_error_at(r->err, NULL, NULL, where);
	return -EINVAL;
}

#define bad(r, ...) bad_at(r, place_at(r), __VA_ARGS__)

static int peek(const struct reader *r)
{
	return r->at < r->len ? (unsigned char)r->text[r->at] : -1;
}

static void skip_blanks(struct reader *r)
{
	for (; r->at < r->len; r->at++) {
		char c = r->text[r->at];

		if (c == '\n') {
			r->line++;
			r->line_start = r->at + 1;
		} else if (c != ' ' && c != '\t' && c != '\r') {
			return;
		}
	}
}

static int bad_character(struct reader *r, const char *expected)
{
	int c = peek(r);

	if (c < 0)
		return bad(r, "the text ends where %s is expected", expected);
	if (c == 0)
		return bad(r, "a NUL byte stands where %s is expected", expected);
	if (c < 0x20 || c > 0x7e)
		return bad(r, "byte 0x%02x stands where %s is expected", (unsigned)c, expected);
	return bad(r, "'%c' stands where %s is expected", c, expected);
}

static void free_place(struct json_object *o, void *userdata)
{
	free(userdata);
}

static int remember(struct reader *r, struct json_object *o, struct json_place place)
{
	struct json_place *copy;

	if (o && !r->places)
		return 0;
	copy = malloc(sizeof(*copy));
	if (!o || !copy) {
		free(copy);
		return cfg_error_oom(r->err);
	}
	*copy = place;
	json_object_set_userdata(o, copy, free_place);
	return 0;
}

struct json_place json_place_of(struct json_object *value)
{
	const struct json_place *p = value ? json_object_get_userdata(value) : NULL;

	return p ? *p : (struct json_place){ 0, 0 };
}

/* ---- strings ---- */

static int read_hex4(struct reader *r, unsigned *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++, r->at++) {
		int c = peek(r);

		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return bad_character(r, "one of four hexadecimal digits after \\u");
		*ret = *ret << 4 | (unsigned)c;
	}
	return 0;
}

static int check_unicode_escape(struct reader *r, struct json_place start)
{
	unsigned high, low;

	if (read_hex4(r, &high) < 0)
		return -EINVAL;
	if (high == 0)
		return bad_at(r, start, "a string holds \\u0000, which no value may hold");
	if (high < 0xd800 || high > 0xdfff)
		return 0;
	if (high > 0xdbff || peek(r) != '\\' || r->at + 1 >= r->len || r->text[r->at + 1] != 'u')
		return bad_at(r, start, "\\u%04x is half of a surrogate pair without the other half", high);
	r->at += 2;
	if (read_hex4(r, &low) < 0)
		return -EINVAL;
	if (low < 0xdc00 || low > 0xdfff)
		return bad_at(r, start, "\\u%04x is half of a surrogate pair without the other half", high);
	return 0;
}

static int check_escape(struct reader *r)
{
	struct json_place start = place_at(r);
	int c;

	r->at++;
	c = peek(r);
	if (c == 'u') {
		r->at++;
		return check_unicode_escape(r, start);
	}
	if (c < 0 || !strchr("\"\\/bfnrt", c) || !c)
		return bad_character(r, "a character that can be escaped (one of \" \\ / b f n r t u)");
	r->at++;
	return 0;
}

/* The token from quote to quote, checked; r->at is behind it. */
static int scan_string(struct reader *r, size_t *ret_start)
{
	struct json_place start = place_at(r);

	*ret_start = r->at++;
	for (;;) {
		int c = peek(r);

		if (c < 0)
			return bad_at(r, start, "this string has no end");
		if (c == '"')
			break;
		if (c == 0)
			return bad(r, "a NUL byte stands in a string");
		if (c < 0x20)
			return bad(r, "control character 0x%02x stands unescaped in a string", (unsigned)c);
		if (c != '\\')
			r->at++;
		else if (check_escape(r) < 0)
			return -EINVAL;
	}
	r->at++;
	return 0;
}

/* json-c decodes what has escapes in it; the token has been checked, so it cannot fail but for memory. */
static int read_string(struct reader *r, struct json_object **ret)
{
	struct json_place place = place_at(r);
	struct json_tokener *tok;
	size_t start, n;

	if (scan_string(r, &start) < 0)
		return -EINVAL;
	n = r->at - start;
	if (!memchr(r->text + start, '\\', n)) {
		*ret = json_object_new_string_len(r->text + start + 1, (int)(n - 2));
		return remember(r, *ret, place);
	}
	tok = json_tokener_new();
	if (!tok)
		return cfg_error_oom(r->err);
	*ret = json_tokener_parse_ex(tok, r->text + start, (int)n);
	json_tokener_free(tok);
	return remember(r, *ret, place);
}

/* ---- numbers and words ---- */

static int read_number(struct reader *r, struct json_object **ret)
{
	struct json_place place = place_at(r);
	const char *start = r->text + r->at;
	size_t n = 0;
	_cleanup_free_ char *token = NULL;
	uint64_t u;
	int64_t i;
	int k;

	/* Not strspn(): the text need not end in a NUL. */
	while (r->at + n < r->len && start[n] && strchr("-+0123456789.eE", start[n]))
		n++;
	token = strndup(start, n);
	if (!token)
		return cfg_error_oom(r->err);
	if (strpbrk(token, ".eE"))
		return bad(r, "%.40s: numbers here are whole, without fraction or exponent", token);
	k = *token == '-' ? text_to_i64(token, &i) : text_to_u64(token, &u);
	if (k == -EINVAL && streq(token, "-0")) {
		k = 0;
		i = 0;
	}
	if (k == -ERANGE)
		return bad(r, "%.40s is beyond 64 bits", token);
	if (k < 0)
		return bad(r, "%.40s is not a number%s", token, strspn(token, "-0") ? ": no leading zeros" : "");
	r->at += n;
	*ret = *token == '-' ? json_object_new_int64(i) : u <= INT64_MAX ? json_object_new_int64((int64_t)u) :
									 json_object_new_uint64(u);
	return remember(r, *ret, place);
}

static int read_word(struct reader *r, struct json_object **ret)
{
	static const char *const words[] = { "true", "false", "null" };
	struct json_place place = place_at(r);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (r->len - r->at < n || memcmp(r->text + r->at, words[i], n) != 0)
			continue;
		r->at += n;
		if (i == 2) {
			*ret = NULL;
			return 0;
		}
		*ret = json_object_new_boolean(i == 0);
		return remember(r, *ret, place);
	}
	return bad_character(r, "a value");
}

/* ---- arrays and objects ---- */

static int read_value(struct reader *r, struct json_object **ret);

static int enter(struct reader *r)
{
	if (++r->depth > JSON_MAX_DEPTH)
		return bad(r, "is nested more than %d deep", JSON_MAX_DEPTH);
	r->at++;
	skip_blanks(r);
	return 0;
}

/* After an element: 1 another follows, 0 the container ends. */
static int more(struct reader *r, int end, const char *expected)
{
	skip_blanks(r);
	if (peek(r) == ',') {
		r->at++;
		skip_blanks(r);
		return 1;
	}
	if (peek(r) != end)
		return bad_character(r, expected);
	r->at++;
	r->depth--;
	return 0;
}

static int read_array(struct reader *r, struct json_object *array)
{
	int k = enter(r);

	if (k < 0)
		return k;
	if (peek(r) == ']') {
		r->at++;
		r->depth--;
		return 0;
	}
	do {
		struct json_object *value = NULL;

		k = read_value(r, &value);
		if (k >= 0 && json_object_array_add(array, value) < 0)
			k = cfg_error_oom(r->err);
		if (k < 0) {
			json_object_put(value);
			return k;
		}
		k = more(r, ']', "',' or ']' in this array");
	} while (k > 0);
	return k;
}

/* A place as what a map holds; never NULL, since lines count from 1. */
static void *pack(struct json_place place)
{
	return (void *)(uintptr_t)((uint64_t)place.line << 32 | place.column);
}

/* Whether the members of the present object are handed over one by one. */
static bool hands_over(const struct reader *r)
{
	return r->member && r->key && r->depth == 2;
}

/* The name must not have been read in this object before. */
static int check_new(struct reader *r, struct json_object *object, const char *name, struct json_place place)
{
	uint64_t packed = hands_over(r) ? (uintptr_t)map_get(r->seen, name) : 0;
	struct json_object *before = NULL;
	struct json_place first;

	if (!packed && !json_object_object_get_ex(object, name, &before))
		return 0;
	first = packed ? (struct json_place){ (unsigned)(packed >> 32), (unsigned)packed } : json_place_of(before);
	return first.line ? bad_at(r, place, "the key \"%s\" stands twice; its first value is at %u:%u", name, first.line, first.column) :
			    bad_at(r, place, "the key \"%s\" stands twice", name);
}

/* Takes over the value. */
static int take_member(struct reader *r, struct json_object *object, const char *name, struct json_object *value)
{
	int k = hands_over(r) ? r->member(r->userdata, r->key, name, value) : 1;

	if (k > 0 && json_object_object_add(object, name, value) >= 0)
		return 0;
	json_object_put(value);
	return k == 0 ? 0 : cfg_error_oom(r->err);
}

static int read_member(struct reader *r, struct json_object *object)
{
	struct json_place place = place_at(r);
	_cleanup_json_ struct json_object *key = NULL;
	struct json_object *value = NULL;
	const char *name;
	int k;

	if (peek(r) != '"')
		return bad_character(r, "a key in double quotes");
	k = read_string(r, &key);
	if (k < 0)
		return k;
	name = json_object_get_string(key);
	k = check_new(r, object, name, place);
	if (k < 0)
		return k;
	skip_blanks(r);
	if (peek(r) != ':')
		return bad_character(r, "':' after a key");
	r->at++;
	skip_blanks(r);
	if (hands_over(r) && map_put(r->seen, name, pack(place_at(r))) < 0)
		return cfg_error_oom(r->err);
	if (r->depth == 1)
		r->key = name;
	k = read_value(r, &value);
	if (r->depth == 1)
		r->key = NULL;
	if (k < 0) {
		json_object_put(value);
		return k;
	}
	return take_member(r, object, name, value);
}

static int read_object(struct reader *r, struct json_object *object)
{
	int k = enter(r);

	if (k < 0)
		return k;
	if (hands_over(r)) {
		map_free(r->seen);
		r->seen = map_new();
		if (!r->seen)
			return cfg_error_oom(r->err);
	}
	if (peek(r) == '}') {
		r->at++;
		r->depth--;
		return 0;
	}
	do {
		k = read_member(r, object);
		if (k < 0)
			return k;
		k = more(r, '}', "',' or '}' in this object");
	} while (k > 0);
	return k;
}

static int read_value(struct reader *r, struct json_object **ret)
{
	struct json_place place = place_at(r);
	int c = peek(r);

	*ret = NULL;
	if (c == '"')
		return read_string(r, ret);
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(r, ret);
	if (c != '{' && c != '[')
		return read_word(r, ret);
	*ret = c == '{' ? json_object_new_object() : json_object_new_array();
	if (remember(r, *ret, place) < 0)
		return -ENOMEM;
	return c == '{' ? read_object(r, *ret) : read_array(r, *ret);
}

/* ---- the whole ---- */

/* Other encodings betray themselves in the first four bytes, which in JSON are ASCII (RFC 4627 section 3). */
static int check_encoding(struct reader *r)
{
	const unsigned char *t = (const unsigned char *)r->text;

	if (r->len >= 3 && memcmp(t, "\xef\xbb\xbf", 3) == 0)
		return bad(r, "begins with a byte order mark; plain UTF-8 is needed");
	if (r->len >= 4 && ((!t[0] && !t[1]) || (!t[2] && !t[3] && (t[0] || t[1]))))
		return bad(r, "looks like UTF-32; UTF-8 is needed");
	if (r->len >= 2 && ((t[0] == 0xff && t[1] == 0xfe) || (t[0] == 0xfe && t[1] == 0xff) || (!t[0] != !t[1])))
		return bad(r, "looks like UTF-16; UTF-8 is needed");
	if (text_is_utf8(r->text, r->len))
		return 0;
	for (size_t good = text_utf8_prefix(r->text, r->len); r->at < good; r->at++)
		if (r->text[r->at] == '\n') {
			r->line++;
			r->line_start = r->at + 1;
		}
	return bad(r, "is not UTF-8");
}

static int read_text(struct reader *r, struct json_object **ret)
{
	_cleanup_json_ struct json_object *value = NULL;
	int k;

	if (r->len > JSON_MAX_BYTES)
		return cfg_error_set(r->err, EFBIG, "%s: is larger than %u MiB", r->name, JSON_MAX_BYTES >> 20);
	k = check_encoding(r);
	if (k < 0)
		return k;
	skip_blanks(r);
	k = read_value(r, &value);
	if (k < 0)
		return k;
	skip_blanks(r);
	if (r->at != r->len)
		return bad_character(r, "the end");
	*ret = steal_ptr(value);
	return 0;
}

int json_parse(const char *name, const char *text, size_t len, struct json_object **ret, struct cfg_error *err)
{
	struct reader r = { .name = name, .text = text, .len = len, .line = 1, .places = true, .err = err };

	return read_text(&r, ret);
}

int json_parse_members(const char *name, const char *text, size_t len, bool places, json_member_fn fn, void *userdata,
		       struct json_object **ret, struct cfg_error *err)
{
	struct reader r = {
		.name = name, .text = text, .len = len, .line = 1, .places = places, .member = fn, .userdata = userdata, .err = err,
	};
	int k = read_text(&r, ret);

	map_free(r.seen);
	return k;
}

/* Every value but the first one of its container has a comma before it, and the container itself a bracket. */
int json_check_values(const char *name, const char *text, size_t len, struct cfg_error *err)
{
	bool in_string = false;
	size_t n = 1;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == ',' || c == '{' || c == '['))
			n++;
	}
	if (n > JSON_MAX_VALUES)
		return cfg_error_set(err, EFBIG, "%s: holds more than %u values", name, JSON_MAX_VALUES);
	return 0;
}

int json_add_member(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) >= 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static char *print(struct json_object *o, int flags, const char *end)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	return text ? strf("%s%s", text, end) : NULL;
}

char *json_print(struct json_object *o)
{
	return print(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED, "\n");
}

char *json_print_line(struct json_object *o)
{
	return print(o, JSON_C_TO_STRING_PLAIN, "");
}
