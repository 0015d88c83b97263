/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: elements in flight, debts and leak marks, kept in memory and as a log of records that leads there. It knows
 * what a name is owned for, and nothing of what the names mean. Writing the records is the caller's business.
 *
 * Numbers of transactions begin anew with each daemon. So what an earlier one left unfinished is known by its elements alone, until
 * ledger_settle().
 */
#include <errno.h>
#include <inttypes.h>

#include "base/map.h"
#include "store/store-private.h"

struct entry {
	unsigned flights;	/* of this daemon's transactions */
	bool unfinished;	/* of an earlier daemon, or left alone by a transaction that has ended */
	bool marked;
	char *debt;
};

struct ledger {
	struct map *entries;	/* element -> struct entry */
	struct map *txns;	/* number -> char ** of its elements */
	bool knows;		/* see ledger_know() */
	bool boundary;		/* the next begin is another daemon's than those that were loaded */
};

/* ---- life ---- */

static void entry_free(struct entry *e)
{
	if (e)
		free(e->debt);
	free(e);
}

struct ledger *ledger_new(void)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->entries = map_new();
	l->txns = map_new();
	return l->entries && l->txns ? l : ledger_free(l);
}

struct ledger *ledger_free(struct ledger *l)
{
	struct map_iter it = { 0 };

	if (!l)
		return NULL;
	while (l->entries && map_next(l->entries, &it))
		entry_free(it.value);
	it = (struct map_iter){ 0 };
	while (l->txns && map_next(l->txns, &it))
		strv_free(it.value);
	map_free(l->entries);
	map_free(l->txns);
	free(l);
	return NULL;
}

/* ---- entries ---- */

static struct entry *entry_make(struct ledger *l, const char *element)
{
	struct entry *e = map_get(l->entries, element);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (e && map_put(l->entries, element, e) < 0) {
		free(e);
		return NULL;
	}
	return e;
}

/* Forgets what says nothing any more. */
static void entry_drop_empty(struct ledger *l, const char *element)
{
	struct entry *e = map_get(l->entries, element);

	if (e && !e->flights && !e->unfinished && !e->marked && !e->debt)
		entry_free(map_del(l->entries, element));
}

static char *txn_key(uint64_t txn)
{
	return strf("%" PRIu64, txn);
}

/* ---- what the records mean ---- */

static int do_begin(struct ledger *l, uint64_t txn, char *const *elements)
{
	_cleanup_free_ char *key = txn_key(txn);
	_cleanup_strv_ char **list = NULL;
	size_t had, n = strv_len(elements);
	char **old;

	if (!key)
		return -ENOMEM;
	old = map_get(l->txns, key);
	had = strv_len(old);
	list = calloc(had + n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct entry *e = entry_make(l, elements[i]);

		list[i] = strdup(elements[i]);
		if (!e || !list[i])
			return -ENOMEM;
	}
	if (map_put(l->txns, key, list) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		((struct entry *)map_get(l->entries, elements[i]))->flights++;
	if (had)
		memcpy(list + n, old, had * sizeof(*list));
	free(old);
	list = NULL;
	return 0;
}

static int do_end(struct ledger *l, uint64_t txn)
{
	_cleanup_free_ char *key = txn_key(txn);
	_cleanup_strv_ char **list = key ? map_del(l->txns, key) : NULL;

	for (char **e = list; e && *e; e++) {
		((struct entry *)map_get(l->entries, *e))->flights--;
		entry_drop_empty(l, *e);
	}
	return key ? 0 : -ENOMEM;
}

static int do_owe(struct ledger *l, const char *element, const char *reason)
{
	struct entry *e = entry_make(l, element);
	char *copy = strdup(reason);

	if (!e || !copy) {
		free(copy);
		return -ENOMEM;
	}
	free(e->debt);
	e->debt = copy;
	return 0;
}

static int do_paid(struct ledger *l, const char *element)
{
	struct entry *e = map_get(l->entries, element);

	if (e) {
		free(e->debt);
		e->debt = NULL;
		entry_drop_empty(l, element);
	}
	return 0;
}

static int do_mark(struct ledger *l, const char *element, bool on)
{
	struct entry *e = on ? entry_make(l, element) : map_get(l->entries, element);

	if (!e)
		return on ? -ENOMEM : 0;
	e->marked = on;
	entry_drop_empty(l, element);
	return 0;
}

/* What began and did not end is no longer known by number. */
static int do_abandon(struct ledger *l)
{
	struct map_iter it = { 0 };

	while (map_next(l->txns, &it)) {
		_cleanup_strv_ char **list = it.value;

		map_del(l->txns, it.key);
		for (char **e = list; *e; e++) {
			struct entry *entry = map_get(l->entries, *e);

			entry->flights--;
			entry->unfinished = true;
		}
	}
	return 0;
}

static int do_unfinished(struct ledger *l, const char *element)
{
	struct entry *e = entry_make(l, element);

	if (!e)
		return -ENOMEM;
	e->unfinished = true;
	return 0;
}

static int do_settle(struct ledger *l)
{
	struct map_iter it = { 0 };

	while (map_next(l->entries, &it)) {
		((struct entry *)it.value)->unfinished = false;
		entry_drop_empty(l, it.key);
	}
	return 0;
}

/* ---- records ---- */

/* A record is ["verb", argument…]. Nothing but UTF-8 is read back, so nothing else may be written; names of ours always are. */
static int add_value(struct json_object *array, struct json_object *value /* taken over */)
{
	if (value && json_object_array_add(array, value) >= 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int add_string(struct json_object *array, const char *s)
{
	_cleanup_free_ char *clean = strdup(s);

	if (!clean)
		return -ENOMEM;
	if (!text_is_utf8(clean, strlen(clean)))
		for (char *c = clean; *c; c++)
			if (*c & 0x80)
				*c = '?';
	return add_value(array, json_object_new_string(clean));
}

static struct json_object *record_new(const char *verb)
{
	struct json_object *record = json_object_new_array();

	if (record && add_string(record, verb) < 0) {
		json_object_put(record);
		return NULL;
	}
	return record;
}

/* Takes over the record. A newline goes before it too: the file is on a small file system, and a write that was cut short there
 * must not take the next record with it. */
static int write_record(struct strbuf *line, struct json_object *record)
{
	_cleanup_json_ struct json_object *r = record;

	strbuf_add(line, "\n");
	return record_add(line, r);
}

static int write_names(struct strbuf *line, const char *verb, const char *a, const char *b)
{
	struct json_object *record = record_new(verb);

	if (!record || add_string(record, a) < 0 || (b && add_string(record, b) < 0)) {
		json_object_put(record);
		return -ENOMEM;
	}
	return write_record(line, record);
}

/* ["verb", number, element…] */
static int write_numbered(struct strbuf *line, const char *verb, uint64_t txn, char *const *elements)
{
	struct json_object *record = record_new(verb);
	int r = record ? add_value(record, json_object_new_uint64(txn)) : -ENOMEM;

	for (; r >= 0 && elements && *elements; elements++)
		r = add_string(record, *elements);
	if (r >= 0)
		return write_record(line, record);
	json_object_put(record);
	return -ENOMEM;
}

static int write_bare(struct strbuf *line, const char *verb)
{
	struct json_object *record = record_new(verb);

	return record ? write_record(line, record) : -ENOMEM;
}

int ledger_begin(struct ledger *l, uint64_t txn, char *const *elements, struct strbuf *line)
{
	int r = l->boundary ? write_bare(line, "abandon") : 0;

	if (r >= 0)
		r = write_numbered(line, "begin", txn, elements);
	if (r >= 0)
		r = do_begin(l, txn, elements);
	if (r >= 0)
		l->boundary = false;
	return r;
}

int ledger_end(struct ledger *l, uint64_t txn, struct strbuf *line)
{
	_cleanup_free_ char *key = txn_key(txn);
	int r;

	if (!key)
		return -ENOMEM;
	if (!map_get(l->txns, key))
		return 0;
	r = write_numbered(line, "end", txn, NULL);
	return r < 0 ? r : do_end(l, txn);
}

int ledger_owe(struct ledger *l, const char *element, const char *reason, struct strbuf *line)
{
	const struct entry *e = map_get(l->entries, element);
	int r;

	if (e && streq_ptr(e->debt, reason))
		return 0;
	r = write_names(line, "owe", element, reason);
	return r < 0 ? r : do_owe(l, element, reason);
}

int ledger_paid(struct ledger *l, const char *element, struct strbuf *line)
{
	const struct entry *e = map_get(l->entries, element);
	int r;

	if (!e || !e->debt)
		return 0;
	r = write_names(line, "paid", element, NULL);
	return r < 0 ? r : do_paid(l, element);
}

int ledger_mark(struct ledger *l, const char *element, bool on, struct strbuf *line)
{
	int r;

	if (ledger_marked(l, element) == on)
		return 0;
	r = write_names(line, on ? "mark" : "unmark", element, NULL);
	return r < 0 ? r : do_mark(l, element, on);
}

int ledger_leave(struct ledger *l, const char *element, struct strbuf *line)
{
	int r = ledger_is_unfinished(l, element) ? 0 : write_names(line, "unfinished", element, NULL);

	return r < 0 ? r : do_unfinished(l, element);
}

int ledger_settle(struct ledger *l, struct strbuf *line)
{
	_cleanup_free_ const char **unfinished = NULL;
	size_t n;
	int r = ledger_unfinished(l, &unfinished, &n);

	if (r < 0 || !n)
		return r;
	r = write_bare(line, "settle");
	return r < 0 ? r : do_settle(l);
}

int ledger_know(struct ledger *l, struct strbuf *line)
{
	int r = l->knows ? 0 : write_bare(line, "know");

	if (r >= 0)
		l->knows = true;
	return r;
}

/* ---- reading back ---- */

static const char *string_at(struct json_object *record, size_t i)
{
	struct json_object *v = i < json_object_array_length(record) ? json_object_array_get_idx(record, i) : NULL;

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

static int replay_begin(struct ledger *l, uint64_t txn, struct json_object *record)
{
	_cleanup_strv_ char **elements = NULL;
	size_t n = json_object_array_length(record);

	elements = calloc(n, sizeof(*elements));
	for (size_t i = 2; i < n; i++) {
		const char *s = string_at(record, i);

		if (!s)
			return -EINVAL;
		if (!elements || !(elements[i - 2] = strdup(s)))
			return -ENOMEM;
	}
	return do_begin(l, txn, elements);
}

static int replay_numbered(struct ledger *l, const char *verb, struct json_object *record)
{
	struct json_object *number = json_object_array_length(record) > 1 ? json_object_array_get_idx(record, 1) : NULL;
	uint64_t txn;

	if (!json_object_is_type(number, json_type_int))
		return -EINVAL;
	txn = json_object_get_uint64(number);
	if (streq(verb, "begin"))
		return replay_begin(l, txn, record);
	return streq(verb, "end") ? do_end(l, txn) : -EINVAL;
}

static int replay_one(struct ledger *l, struct json_object *record)
{
	const char *verb = json_object_is_type(record, json_type_array) ? string_at(record, 0) : NULL;
	const char *element = verb ? string_at(record, 1) : NULL;

	if (!verb)
		return -EINVAL;
	if (streq(verb, "settle"))
		return do_settle(l);
	if (streq(verb, "abandon"))
		return do_abandon(l);
	if (streq(verb, "know")) {
		l->knows = true;
		return 0;
	}
	if (!element)
		return replay_numbered(l, verb, record);
	if (streq(verb, "owe"))
		return string_at(record, 2) ? do_owe(l, element, string_at(record, 2)) : -EINVAL;
	if (streq(verb, "paid"))
		return do_paid(l, element);
	if (streq(verb, "mark") || streq(verb, "unmark"))
		return do_mark(l, element, streq(verb, "mark"));
	return streq(verb, "unfinished") ? do_unfinished(l, element) : -EINVAL;
}

int ledger_load(struct ledger *l, const char *text, size_t len, size_t *ret_bad)
{
	enum record_state state;
	struct record rec = { 0 };
	size_t at = 0, bad = 0;

	for (; (state = record_next(text, len, at, &rec)) != RECORD_END && state != RECORD_TORN; at = rec.next) {
		_cleanup_json_ struct json_object *json = NULL;
		int r = -EINVAL;

		if (rec.next == at + 1)
			continue;
		if (state == RECORD_GOOD)
			r = json_parse("ledger", rec.json, rec.json_len, &json, NULL);
		if (state == RECORD_GOOD && r >= 0)
			r = replay_one(l, json);
		if (r == -ENOMEM)
			return r;
		bad += r < 0;
	}
	*ret_bad = bad + (state == RECORD_TORN);
	l->boundary = map_len(l->txns) > 0;
	return do_abandon(l);
}

/* ---- looking ---- */

bool ledger_owns(const struct ledger *l, const char *element)
{
	const struct entry *e = map_get(l->entries, element);

	return e && (e->flights || e->unfinished || e->debt);
}

bool ledger_knows(const struct ledger *l)
{
	return l->knows;
}

bool ledger_marked(const struct ledger *l, const char *element)
{
	const struct entry *e = map_get(l->entries, element);

	return e && e->marked;
}

bool ledger_is_unfinished(const struct ledger *l, const char *element)
{
	const struct entry *e = map_get(l->entries, element);

	return e && e->unfinished;
}

int ledger_debts(const struct ledger *l, struct debt **ret, size_t *ret_n)
{
	struct map_iter it = { 0 };

	*ret_n = 0;
	*ret = calloc(map_len(l->entries) + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	while (map_next(l->entries, &it)) {
		const struct entry *e = it.value;

		if (e->debt)
			(*ret)[(*ret_n)++] = (struct debt){ it.key, e->debt };
	}
	return 0;
}

int ledger_unfinished(const struct ledger *l, const char ***ret, size_t *ret_n)
{
	struct map_iter it = { 0 };

	*ret_n = 0;
	*ret = calloc(map_len(l->entries) + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	while (map_next(l->entries, &it)) {
		const struct entry *e = it.value;

		if (e->unfinished)
			(*ret)[(*ret_n)++] = it.key;
	}
	return 0;
}

/* ---- the whole ---- */

static int write_entry(struct strbuf *b, const char *element, const struct entry *e)
{
	int r = 0;

	if (e->unfinished)
		r = write_names(b, "unfinished", element, NULL);
	if (r >= 0 && e->debt)
		r = write_names(b, "owe", element, e->debt);
	if (r >= 0 && e->marked)
		r = write_names(b, "mark", element, NULL);
	return r;
}

int ledger_text(const struct ledger *l, char **ret, size_t *ret_len)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct map_iter it = { 0 };
	int r = l->knows ? write_bare(&b, "know") : 0;

	while (r >= 0 && map_next(l->entries, &it))
		r = write_entry(&b, it.key, it.value);
	it = (struct map_iter){ 0 };
	while (r >= 0 && map_next(l->txns, &it)) {
		uint64_t txn = 0;

		text_to_u64(it.key, &txn);
		r = write_numbered(&b, "begin", txn, it.value);
	}
	if (r < 0)
		return r;
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return *ret ? 0 : -ENOMEM;
}
