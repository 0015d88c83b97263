/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a journal that was cut anywhere, or is damaged: what its sound records say is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/unit/store-help.h"

/* ---- cuts ---- */

static void check_cut(const struct box *b, const struct history *h, const char *text, size_t cut, size_t commits)
{
	_cleanup_(loaded_done) struct loaded next;
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_(tree_freep) struct tree *more = NULL;
	_cleanup_free_ char *line = NULL, *expected = NULL;
	size_t len;

	put(b->journal, text, cut);
	assert_loads(b, h->text[commits], commits);
	/* What is committed next must not be lost with the torn record. */
	more = tree_copy(h->tree[commits]);
	set(more, "hosts/" NQN "after-the-crash", NULL, NULL);
	expected = text_of(more);
	assert_int_equal(changes_diff(h->tree[commits], more, false, &c), 0);
	assert_int_equal(store_journal_line(commits + 1, 1764000000, "set", &c, &line, &len), 0);
	assert_int_equal(file_append(b->journal, line, len, 0600, NULL), 0);
	load(b, &next);
	assert_no_shouts(&next);
	assert_int_equal(next.generation, commits + 1);
	assert_tree(next.tree, expected);
}

static void test_cut_at_every_byte(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	_cleanup_strbuf_ struct strbuf text = { 0 };
	size_t cut = 0;

	srandom(8);
	history_random(&h, 10);
	for (size_t i = 1; i <= h.n; i++)
		strbuf_add_mem(&text, h.line[i], h.len[i]);
	for (size_t i = 1; i <= h.n; i++)
		for (size_t end = cut + h.len[i]; cut < end; cut++)
			check_cut(b, &h, text.s, cut, i - 1);
	check_cut(b, &h, text.s, cut, h.n);
	assert_int_equal(count_aside(b->state), 0);
}

/* The file has grown and the data has not come: zeros, with or without something behind. */
static void test_zeros_at_the_end(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	static const char zeros[4096];

	history_hosts(&h, 3);
	put_journal(b, &h, 1, 3);
	assert_int_equal(file_append(b->journal, zeros, sizeof(zeros), 0600, NULL), 0);
	assert_loads(b, h.text[3], 3);
	assert_int_equal(file_append(b->journal, "00000000 {}\n", 12, 0600, NULL), 0);
	assert_loads(b, h.text[3], 3);
	assert_int_equal(count_aside(b->state), 0);
}

/* ---- damage in the middle ---- */

static char *without(const struct history *h, size_t left_out)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();

	for (size_t i = 1; i <= h->n; i++) {
		_cleanup_free_ char *path = strf("hosts/" NQN "h%zu", i);

		if (i != left_out)
			set(t, path, NULL, NULL);
	}
	return text_of(t);
}

static void test_a_flipped_bit_costs_one_commit(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	_cleanup_strbuf_ struct strbuf text = { 0 };
	size_t at = 0;

	history_hosts(&h, 4);
	for (size_t i = 1; i <= h.n; i++)
		strbuf_add_mem(&text, h.line[i], h.len[i]);
	for (size_t i = 1; i < h.n; i++) {
		_cleanup_free_ char *expected = without(&h, i);

		/* Not the newline at its end: that one makes one damaged record of two. */
		for (size_t end = at + h.len[i] - 1; at < end; at++) {
			_cleanup_(loaded_done) struct loaded l;

			text.s[at] ^= 0x04;
			put(b->journal, text.s, text.len);
			text.s[at] ^= 0x04;
			load(b, &l);
			assert_shouts(&l, "what was committed there is lost");
			assert_shouts(&l, "was set aside as");
			assert_int_equal(l.generation, h.n);
			assert_tree(l.tree, expected);
			assert_int_equal(count_aside(b->state), 1);
			/* All is in order again. */
			assert_loads(b, expected, h.n);
			remove_folder(b->state);
			assert_int_equal(file_make_dirs(b->generations, 0755, NULL), 0);
			unlink(b->snapshot);
		}
		at++;
	}
}

static void test_damage_that_the_snapshot_covers_is_no_matter(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;

	history_hosts(&h, 5);
	h.line[2][20] ^= 1;
	put_snapshot(b, &h, 3);
	put_journal(b, &h, 1, 5);
	assert_loads(b, h.text[5], 5);
}

static void test_two_damaged_records_at_the_end(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;

	history_hosts(&h, 5);
	h.line[4][20] ^= 1;
	h.line[5][20] ^= 1;
	put_journal(b, &h, 1, 5);
	load(b, &l);
	assert_shouts(&l, "journal:4: 1 damaged record, and what was committed there is lost");
	assert_tree(l.tree, h.text[3]);
}

static void add_record(struct strbuf *to, const char *json)
{
	_cleanup_json_ struct json_object *o = NULL;

	assert_int_equal(json_parse("test", json, strlen(json), &o, NULL), 0);
	assert_int_equal(record_add(to, o), 0);
}

static void test_records_that_make_no_sense(void **state)
{
	static const char *const records[] = {
		"[]", "1", "{}", "{\"generation\":2}", "{\"generation\":0,\"changes\":[]}", "{\"generation\":-2,\"changes\":[]}",
		"{\"generation\":\"2\",\"changes\":[]}", "{\"generation\":2,\"changes\":{}}", "{\"generation\":2,\"changes\":[1]}",
		"{\"generation\":2,\"changes\":[{\"path\":\"hosts\",\"set\":{}}]}",
		"{\"generation\":2,\"changes\":[{\"path\":\"nothing/x\",\"set\":{}}]}",
		"{\"generation\":2,\"changes\":[{\"path\":\"hosts/" NQN "x\",\"set\":{\"what\":1}}]}",
		"{\"generation\":2,\"changes\":[{\"path\":\"subsystems/" NQN "none/namespaces/1\",\"set\":{}}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		const struct box *b = *state;
		_cleanup_(loaded_done) struct loaded l;
		_cleanup_history_ struct history h;
		_cleanup_strbuf_ struct strbuf text = { 0 };
		_cleanup_free_ char *expected = NULL;

		history_hosts(&h, 3);
		expected = without(&h, 2);
		strbuf_add_mem(&text, h.line[1], h.len[1]);
		add_record(&text, records[i]);
		strbuf_add_mem(&text, h.line[3], h.len[3]);
		put(b->journal, text.s, text.len);
		load(b, &l);
		assert_shouts(&l, "journal:2: a record that cannot be used was left out");
		assert_tree(l.tree, expected);
		assert_int_equal(l.generation, 3);
		assert_loads(b, expected, 3);
		unlink(b->snapshot);
	}
}

static void test_a_removal_of_what_a_lost_record_made(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;
	_cleanup_strbuf_ struct strbuf text = { 0 };

	history_hosts(&h, 1);
	strbuf_add_mem(&text, h.line[1], h.len[1]);
	strbuf_add(&text, "00000000 damaged\n");
	add_record(&text, "{\"generation\":3,\"changes\":[{\"path\":\"hosts/" NQN "lost\",\"set\":null}]}");
	put(b->journal, text.s, text.len);
	load(b, &l);
	assert_shouts(&l, "journal:2: 1 damaged record");
	for (size_t i = 0; i < l.shouts.n; i++)
		assert_null(strstr(l.shouts.items[i].msg, "left out"));
	assert_tree(l.tree, h.text[1]);
	assert_int_equal(l.generation, 3);
}

static void test_kept_generation_newer_than_damaged_journal(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;

	history_hosts(&h, 6);
	put_snapshot(b, &h, 2);
	put_generation(b, &h, 5, "before");
	put_text(b->journal, "nothing of\nall this\nis a record\n");
	load(b, &l);
	assert_shouts(&l, "generation 5, which was kept, is newer");
	assert_tree(l.tree, h.text[5]);
	assert_int_equal(l.generation, 5);
	assert_loads(b, h.text[5], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		boxed(test_cut_at_every_byte),
		boxed(test_zeros_at_the_end),
		boxed(test_a_flipped_bit_costs_one_commit),
		boxed(test_damage_that_the_snapshot_covers_is_no_matter),
		boxed(test_two_damaged_records_at_the_end),
		boxed(test_records_that_make_no_sense),
		boxed(test_a_removal_of_what_a_lost_record_made),
		boxed(test_kept_generation_newer_than_damaged_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
