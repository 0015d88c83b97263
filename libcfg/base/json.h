/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_JSON_H
#define CFG_JSON_H

/*
 * Strict JSON (RFC 8259) into json-c objects that remember where they stood. json-c's own parser takes
 * duplicate keys, single quotes and NaN, clamps integers and forgets positions; so the structure is walked here,
 * and json-c decodes the strings and holds the values.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "base/error.h"

#define JSON_MAX_BYTES (64u << 20)
#define JSON_MAX_DEPTH 32
#define JSON_MAX_VALUES 500000u

struct json_place {
	unsigned line, column;	/* from 1; column counts bytes */
};

/* Parses all of text. Everything that strict JSON has not is EINVAL with the place: trailing garbage, NUL, another
 * encoding than UTF-8 (a byte order mark is named as such), control characters in strings, lone surrogates,
 * duplicate keys (both places are given), numbers that are not integers in -2^63..2^64-1, depth over JSON_MAX_DEPTH,
 * more than JSON_MAX_BYTES (EFBIG). name is what the place begins with ("file.json"). Caller puts *ret. */
int json_parse(const char *name, const char *text, size_t len, struct json_object **ret, struct cfg_error *err);

/* What becomes of the value of name in the object that the outermost one has as key: above 0, it is kept in the tree; 0, it is left out, and freed;
 * negative, memory ran out. */
typedef int (*json_member_fn)(void *userdata, const char *key, const char *name, struct json_object *value);

/* As json_parse(), for texts many times as large as a tree: members of members of the outermost object go through fn as they are read. What
 * follows may still be wrong, so what fn takes counts only when this succeeds. places: whether values remember where they stood. */
int json_parse_members(const char *name, const char *text, size_t len, bool places, json_member_fn fn, void *userdata,
		       struct json_object **ret, struct cfg_error *err);

/* What a stranger sends may be built to cost a thousand times its size in memory: EFBIG when there are more than about JSON_MAX_VALUES values in
 * it. A look at the bytes, before json_parse(), whatever they are. */
int json_check_values(const char *name, const char *text, size_t len, struct cfg_error *err);

/* Where a value began; { 0, 0 } for one that was not parsed. key: where the key of that member began. */
struct json_place json_place_of(struct json_object *value);

/* "name:12:7" into a string that the caller frees. */
char *json_place_text(const char *name, struct json_place place);

/* Adds a member that is taken over, also when that fails; value NULL is memory that ran out. -ENOMEM. */
int json_add_member(struct json_object *object, const char *key, struct json_object *value);

static inline void json_putp(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* Two-space indented text with a newline at the end; keys in the order they were added. Caller frees. */
char *json_print(struct json_object *o);

/* One line without blanks. Caller frees. */
char *json_print_line(struct json_object *o);

#endif
