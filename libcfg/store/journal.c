/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: a checksummed record for each commit, in order. A record holds whole objects as they are after the commit, so one
 * that cannot be read does not take along those behind it: they are applied, each object is in the newest state that can be
 * read, and what was lost is shouted. Records that are older than what they are applied to say nothing, whatever their state.
 *
 * But where the last write was torn, by a crash or a loss of power, the end of it is as good as never written, whole records behind the
 * damage too: they were made in the knowledge of those that are not there, and nobody was told of any of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <zlib.h>

#include "store/store-private.h"

#define SUM_DIGITS 8
#define ALONE ' '
#define TOGETHER '+'

/* ---- records ---- */

static uint32_t sum_of(const char *text, size_t len)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)text, len);
}

int record_add(struct strbuf *b, struct json_object *json)
{
	_cleanup_free_ char *text = json_print_line(json);

	if (!text)
		return -ENOMEM;
	/* What could not be read back must not be written. */
	if (strlen(text) > JSON_MAX_BYTES)
		return -EFBIG;
	strbuf_addf(b, "%08" PRIx32 " ", sum_of(text, strlen(text)));
	strbuf_add(b, text);
	strbuf_add(b, "\n");
	return b->failed ? -ENOMEM : 0;
}

static int read_sum(const char *s, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < SUM_DIGITS; i++) {
		const char *digit = s[i] ? strchr("0123456789abcdef", s[i]) : NULL;

		if (!digit)
			return -EINVAL;
		*ret = *ret << 4 | (uint32_t)(digit - "0123456789abcdef");
	}
	return 0;
}

enum record_state record_next(const char *text, size_t len, size_t at, struct record *ret)
{
	const char *line = text + at, *end;
	size_t n;

	if (at >= len)
		return RECORD_END;
	end = memchr(line, '\n', len - at);
	if (!end)
		return RECORD_TORN;
	n = (size_t)(end - line);
	*ret = (struct record){ .next = at + n + 1, .together = n > SUM_DIGITS && line[SUM_DIGITS] == TOGETHER };
	if (n <= SUM_DIGITS + 1 || (line[SUM_DIGITS] != ALONE && !ret->together) || read_sum(line, &ret->sum) < 0)
		return RECORD_BAD;
	ret->json = line + SUM_DIGITS + 1;
	ret->json_len = n - SUM_DIGITS - 1;
	return sum_of(ret->json, ret->json_len) == ret->sum ? RECORD_GOOD : RECORD_BAD;
}

/* Change by change: a record may hold all that there is, and as one JSON tree it would be many times as large as its text. */
static int print_changes(struct strbuf *b, const struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		_cleanup_json_ struct json_object *change = change_to_json(c->items[i]);
		_cleanup_free_ char *text = change ? json_print_line(change) : NULL;

		if (!text)
			return -ENOMEM;
		strbuf_add(b, i ? "," : "");
		strbuf_add(b, text);
	}
	return b->failed ? -ENOMEM : 0;
}

int store_journal_line(uint64_t generation, time_t when, const char *act, const struct changes *c, char **ret, size_t *ret_len)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	char sum[SUM_DIGITS + 1];
	int r;

	/* Room for the sum. An act is a word of our own: nothing in it needs quoting. */
	strbuf_addf(&b, "%0*d {\"generation\":%" PRIu64 ",\"time\":%" PRId64 ",\"act\":\"%s\",\"changes\":[", SUM_DIGITS, 0, generation,
		    (int64_t)when, act);
	r = print_changes(&b, c);
	if (r < 0)
		return r;
	strbuf_add(&b, "]}");
	if (b.failed)
		return -ENOMEM;
	/* What could not be read back must not be written. */
	if (b.len - SUM_DIGITS - 1 > JSON_MAX_BYTES)
		return -EFBIG;
	snprintf(sum, sizeof(sum), "%08" PRIx32, sum_of(b.s + SUM_DIGITS + 1, b.len - SUM_DIGITS - 1));
	memcpy(b.s, sum, SUM_DIGITS);
	strbuf_add(&b, "\n");
	if (b.failed)
		return -ENOMEM;
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return 0;
}

void store_journal_together(char *line)
{
	line[SUM_DIGITS] = TOGETHER;
}

/* ---- replaying ---- */

struct replay_at {
	struct replay *r;
	size_t line;		/* from 1 */
	size_t bad_first, bad;	/* damaged lines since the last whole record; whether they matter is known by the next one */
	uint32_t sum;		/* of the record that made r->generation */
};

static void shout(struct replay_at *a, size_t line, const char *what, const char *why)
{
	_cleanup_free_ char *place = strf("%s:%zu", a->r->path, line);

	a->r->damaged = true;
	cfg_errors_add(a->r->shouts, EBADMSG, NULL, NULL, place, "%s: %s", what, why);
}

static void shout_bad(struct replay_at *a)
{
	_cleanup_free_ char *what = NULL;

	if (!a->bad)
		return;
	what = strf("%zu damaged record%s, and what was committed there is lost", a->bad, a->bad == 1 ? "" : "s");
	shout(a, a->bad_first, what ? what : "damaged", "the checksum is wrong");
	a->bad = 0;
}

/* 0, or negative with err; -ENOMEM is for the caller, anything else is the record's fault. */
static int read_head(struct replay_at *a, const struct record *rec, struct json_object **ret, uint64_t *ret_generation,
		     struct json_object **ret_changes, struct cfg_error *err)
{
	struct json_object *generation;
	int r = json_parse(a->r->path, rec->json, rec->json_len, ret, err);

	if (r < 0)
		return r;
	if (!json_object_object_get_ex(*ret, "generation", &generation) ||
	    !json_object_is_type(generation, json_type_int) || json_object_get_int64(generation) < 1)
		return cfg_error_set(err, EINVAL, "it has no generation");
	if (!json_object_object_get_ex(*ret, "changes", ret_changes))
		return cfg_error_set(err, EINVAL, "it has no changes");
	*ret_generation = json_object_get_uint64(generation);
	return 0;
}

static int apply_changes(struct replay_at *a, uint64_t generation, struct json_object *json, struct cfg_error *err)
{
	struct replay *r = a->r;
	_cleanup_changes_ struct changes c = { 0 };
	int k;

	/* The number is taken even when the record is of no use: no later commit may carry it again. */
	r->generation = generation;
	r->applied = true;
	k = changes_from_json(r->tree, json, &c, err);
	return k < 0 ? k : changes_apply(r->tree, &c, err);
}

static int apply_record(struct replay_at *a, const struct record *rec, struct cfg_error *err)
{
	struct replay *r = a->r;
	_cleanup_json_ struct json_object *json = NULL;
	struct json_object *changes = NULL;
	uint64_t generation = 0;
	int k = read_head(a, rec, &json, &generation, &changes, err);

	if (k < 0)
		return k;
	if (!r->oldest)
		r->oldest = generation;
	if (generation <= r->base) {
		/* What stands before it is older still. */
		a->bad = 0;
		return 0;
	}
	shout_bad(a);
	if (generation > r->generation) {
		a->sum = rec->sum;
		return apply_changes(a, generation, changes, err);
	}
	/* The same record twice says nothing new. */
	if (generation == r->generation && rec->sum == a->sum)
		return 0;
	return cfg_error_set(err, EBADMSG, "its generation %" PRIu64 " is not newer than %" PRIu64 ", which stands before it",
			     generation, r->generation);
}

static int replay_record(struct replay_at *a, const struct record *rec)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *why = NULL;
	int r = apply_record(a, rec, &err);

	if (r >= 0 || r == -ENOMEM)
		return r;
	/* The place of a JSON error is one within the line. */
	free(err.place);
	err.place = NULL;
	why = cfg_error_text(&err);
	shout(a, a->line, "a record that cannot be used was left out", why ? why : err.msg);
	return 0;
}

/*
 * Whether the damage that begins here is the end of a write that was torn, as against one that was whole once. It is not when a later write stands
 * behind it. One line, or lines that say they belong together, are no more than one write. So is what has holes in it: what a file system
 * has room for and no content reads as zeros, which we never write.
 */
static bool is_torn_write(const char *text, size_t len, size_t at)
{
	bool together = true, holes = memchr(text + at, 0, len - at);
	enum record_state state;
	struct record rec;

	for (size_t line = 0; (state = record_next(text, len, at, &rec)) != RECORD_END && state != RECORD_TORN; at = rec.next, line++) {
		if (state == RECORD_GOOD && !rec.together)
			return false;
		together &= !line || rec.together;
	}
	if (state == RECORD_TORN)
		together &= len - at > SUM_DIGITS && text[at + SUM_DIGITS] == TOGETHER;
	return together || holes;
}

int journal_replay(struct replay *r, const char *text, size_t len)
{
	struct replay_at a = { .r = r };
	struct record rec = { 0 };
	enum record_state state;
	size_t at = 0;

	r->generation = r->base;
	for (; (state = record_next(text, len, at, &rec)) != RECORD_END && state != RECORD_TORN; at = rec.next) {
		a.line++;
		if (state == RECORD_BAD && !a.bad && is_torn_write(text, len, at))
			return 0;
		if (state == RECORD_GOOD) {
			int k = replay_record(&a, &rec);

			if (k < 0)
				return k;
			r->intact = rec.next;
		} else if (!a.bad++) {
			a.bad_first = a.line;
		}
	}
	/* The last line by itself may always be one that was torn. */
	if (state == RECORD_END && a.bad)
		a.bad--;
	shout_bad(&a);
	return 0;
}
