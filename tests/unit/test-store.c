/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: what was committed is there again, after any damage to the snapshot, or absence, that a disk or a person can bring about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/store-help.h"

/* ---- sound files ---- */

static void test_new_machine(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;

	assert_int_equal(rmdir(b->generations), 0);
	load(b, &l);
	assert_no_shouts(&l);
	assert_int_equal(l.generation, 0);
	assert_int_equal(tree_count(l.tree), 0);
	assert_false(exists(b->snapshot) || exists(b->journal));
}

static void test_any_history_loads_from_any_fold(void **state)
{
	const struct box *b = *state;

	srandom(2011);
	for (int round = 0; round < 20; round++) {
		_cleanup_history_ struct history h;

		history_random(&h, 30);
		put_journal(b, &h, 1, h.n);
		assert_loads(b, h.text[h.n], h.n);
		for (size_t fold = 1; fold <= h.n; fold += 7) {
			put_snapshot(b, &h, fold);
			/* Between the two writes of a fold the journal is older than the snapshot. */
			put_journal(b, &h, 1, h.n);
			assert_loads(b, h.text[h.n], h.n);
			put_journal(b, &h, fold + 1, h.n);
			assert_loads(b, h.text[h.n], h.n);
		}
		unlink(b->snapshot);
	}
}

static void test_sound_files_are_left_alone(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	struct stat snapshot[2], journal[2];

	history_hosts(&h, 6);
	put_snapshot(b, &h, 3);
	put_journal(b, &h, 1, 6);
	stat(b->snapshot, &snapshot[0]);
	stat(b->journal, &journal[0]);
	assert_loads(b, h.text[6], 6);
	stat(b->snapshot, &snapshot[1]);
	stat(b->journal, &journal[1]);
	assert_int_equal(snapshot[0].st_ino, snapshot[1].st_ino);
	assert_memory_equal(&snapshot[0].st_mtim, &snapshot[1].st_mtim, sizeof(struct timespec));
	assert_int_equal(journal[0].st_ino, journal[1].st_ino);
	assert_memory_equal(&journal[0].st_mtim, &journal[1].st_mtim, sizeof(struct timespec));
}

static void test_duplicate_records(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	_cleanup_strbuf_ struct strbuf text = { 0 };

	history_hosts(&h, 3);
	for (size_t i = 1; i <= 3; i++) {
		strbuf_add_mem(&text, h.line[i], h.len[i]);
		strbuf_add_mem(&text, h.line[i], h.len[i]);
	}
	put(b->journal, text.s, text.len);
	assert_loads(b, h.text[3], 3);
}

static void test_one_generation_twice(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h, other;

	history_hosts(&h, 3);
	history_random(&other, 3);
	put_journal(b, &h, 1, 3);
	assert_int_equal(file_append(b->journal, other.line[3], other.len[3], 0600, NULL), 0);
	assert_int_equal(file_append(b->journal, other.line[2], other.len[2], 0600, NULL), 0);
	load(b, &l);
	assert_shouts(&l, "generation 3 is not newer than 3");
	assert_shouts(&l, "generation 2 is not newer than 3");
	assert_tree(l.tree, h.text[3]);
	assert_int_equal(l.generation, 3);
}

static void test_gaps_mean_nothing(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	_cleanup_strbuf_ struct strbuf text = { 0 };

	/* Number 2 was given to a commit that could not be written; its host was made again by 3. */
	history_hosts(&h, 4);
	strbuf_add_mem(&text, h.line[1], h.len[1]);
	strbuf_add_mem(&text, h.line[3], h.len[3]);
	strbuf_add_mem(&text, h.line[4], h.len[4]);
	put(b->journal, text.s, text.len);
	set(h.tree[1], "hosts/" NQN "h3", NULL, NULL);
	set(h.tree[1], "hosts/" NQN "h4", NULL, NULL);
	free(h.text[1]);
	h.text[1] = text_of(h.tree[1]);
	assert_loads(b, h.text[1], 4);
}

/* ---- the snapshot ---- */

static const char *const bad_documents[] = {
	"", "{", "[]", "null", "\xff\xfe{", "{ \"version\": 2 }", "{ \"version\": 1, \"what\": {} }",
	"{ \"version\": 1, \"generation\": 0 }", "{ \"version\": 1, \"hosts\": { \"not an nqn\": {} } }",
	"{ \"version\": 1, \"hosts\": {}, \"hosts\": {} }",
};

static void test_bad_snapshot_and_good_generations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_documents); i++) {
		const struct box *b = *state;
		_cleanup_(loaded_done) struct loaded l;
		_cleanup_history_ struct history h;

		history_hosts(&h, 8);
		put_generation(b, &h, 2, "old");
		put_generation(b, &h, 5, "newer");
		put_text(b->snapshot, bad_documents[i]);
		put_journal(b, &h, 6, 8);
		load(b, &l);
		assert_shouts(&l, "config.json is damaged and was set aside as");
		assert_shouts(&l, "what is known of generation 8 is used");
		assert_int_equal(l.generation, 8);
		assert_tree(l.tree, h.text[8]);
		assert_int_equal(count_aside(b->config), i + 1);
		assert_loads(b, h.text[8], 8);
	}
}

static void test_bad_snapshot_and_bad_generation(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;
	_cleanup_free_ char *newest = store_path_generation(&b->p, 6);

	history_hosts(&h, 6);
	put_generation(b, &h, 4, "");
	put_text(newest, "{ \"version\": 1, ");
	put_text(b->snapshot, "what?");
	load(b, &l);
	assert_shouts(&l, "generations/6.json is damaged and was set aside");
	assert_tree(l.tree, h.text[4]);
	/* The number of what was lost is not given to another commit. */
	assert_int_equal(l.generation, 6);
	assert_loads(b, h.text[4], 6);
}

static void test_bad_snapshot_and_nothing_else(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;

	put_text(b->snapshot, "what?");
	load(b, &l);
	assert_shouts(&l, "config.json:1:1");
	assert_shouts(&l, "was set aside");
	assert_int_equal(tree_count(l.tree), 0);
}

static void test_missing_snapshot(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;

	history_hosts(&h, 8);
	put_generation(b, &h, 5, "");
	put_journal(b, &h, 7, 8);
	load(b, &l);
	assert_shouts(&l, "config.json is missing");
	assert_int_equal(l.generation, 8);
	/* Of 5 and 7, 8: the host of 6 is gone. */
	assert_int_equal(tree_count(l.tree), 7);
	assert_true(exists(b->snapshot));
}

static void test_never_folded_is_not_missing(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;

	history_hosts(&h, 8);
	put_journal(b, &h, 1, 8);
	assert_loads(b, h.text[8], 8);
	put_generation(b, &h, 5, "");
	assert_loads(b, h.text[8], 8);
	put_generation(b, &h, 8, "");
	assert_loads(b, h.text[8], 8);
	assert_false(exists(b->snapshot));
}

static void test_older_snapshot_put_back_by_a_person(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;

	history_hosts(&h, 8);
	put_snapshot(b, &h, 3);
	put_generation(b, &h, 7, "");
	/* What was put there is used; numbers go on. */
	assert_loads(b, h.text[3], 7);
}

static void test_snapshot_written_by_hand(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;

	history_hosts(&h, 2);
	put_generation(b, &h, 2, "");
	put_text(b->snapshot, h.text[1]);
	assert_loads(b, h.text[1], 2);
	put_journal(b, &h, 1, 2);
	load(b, &l);
	assert_shouts(&l, "has no generation, so it was not written here");
	assert_tree(l.tree, h.text[2]);
}

static void test_secret_in_snapshot(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;

	put_text(b->snapshot, "{ \"version\": 1, \"hosts\": { \"" NQN "h\": { \"dhchap_key\": "
			      "\"DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:\" } } }");
	load(b, &l);
	assert_shouts(&l, "secrets in plain text");
	assert_false(shouts_of(&l, "ia6zGod"));
	assert_int_equal(tree_count(l.tree), 0);
	assert_int_equal(count_aside(b->config), 1);
}

/* ---- sizes, folders, permissions ---- */

static void put_sparse(const char *path, off_t size)
{
	put(path, "", 0);
	assert_int_equal(truncate(path, size), 0);
}

static void test_sizes(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l, l2;
	_cleanup_history_ struct history h;

	history_hosts(&h, 3);
	put_generation(b, &h, 3, "");
	put_sparse(b->snapshot, (off_t)JSON_MAX_BYTES + 1);
	load(b, &l);
	assert_shouts(&l, "config.json: is larger than");
	assert_tree(l.tree, h.text[3]);
	put_sparse(b->journal, (off_t)JOURNAL_MAX_BYTES + 1);
	load(b, &l2);
	assert_shouts(&l2, "journal: is larger than");
	assert_tree(l2.tree, h.text[3]);
	assert_int_equal(count_aside(b->state), 1);
	assert_loads(b, h.text[3], 3);
}

static void test_what_could_not_be_read_back_is_not_written(void **state)
{
	size_t len = JSON_MAX_BYTES;
	_cleanup_free_ char *text = malloc(len + 1);
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_strbuf_ struct strbuf b = { 0 };

	memset(text, 'x', len);
	text[len] = 0;
	o = json_object_new_string(text);
	assert_int_equal(record_add(&b, o), -EFBIG);
	assert_int_equal(b.len, 0);
}

static void test_folder_in_the_place_of_a_file(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l;
	_cleanup_history_ struct history h;

	history_hosts(&h, 3);
	put_generation(b, &h, 3, "");
	assert_int_equal(mkdir(b->snapshot, 0755), 0);
	assert_int_equal(mkdir(b->journal, 0755), 0);
	load(b, &l);
	assert_tree(l.tree, h.text[3]);
	assert_loads(b, h.text[3], 3);
}

static void test_out_of_reach(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct store_paths p = b->p;

	/* A start without what may be there would write over it. */
	put_text(b->snapshot, "a file");
	p.config_dir = b->snapshot;
	assert_true(store_load(&p, &l, &err) < 0);
	assert_non_null(strstr(err.msg, "config.json/config.json: cannot be opened"));
	assert_null(l.tree);
	cfg_error_done(&err);
	p = b->p;
	p.state_dir = b->snapshot;
	assert_true(store_load(&p, &l, &err) < 0);
	assert_non_null(strstr(err.msg, "Not a directory"));
}

/* Root may write anywhere; so it steps down, where it is root. */
static void become(const struct box *b, bool powerless)
{
	mode_t mode = powerless ? 0555 : 0755;

	if (geteuid() != 0 && powerless)
		assert_int_equal(chmod(b->config, mode) | chmod(b->state, mode), 0);
	else if (powerless)
		assert_int_equal(seteuid(65534), 0);
	else if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	else
		assert_int_equal(chmod(b->config, mode) | chmod(b->state, mode), 0);
}

static void test_read_only_folders(void **state)
{
	const struct box *b = *state;
	_cleanup_(loaded_done) struct loaded l, torn, bad;
	_cleanup_history_ struct history h;

	history_hosts(&h, 5);
	put_snapshot(b, &h, 2);
	put_journal(b, &h, 3, 5);
	become(b, true);
	load(b, &l);
	become(b, false);
	assert_no_shouts(&l);
	assert_tree(l.tree, h.text[5]);

	assert_int_equal(truncate(b->journal, (off_t)(h.len[3] + h.len[4] + 5)), 0);
	chmod(b->journal, 0444);
	become(b, true);
	load(b, &torn);
	become(b, false);
	assert_shouts(&torn, "cannot be cut off: Permission denied");
	assert_tree(torn.tree, h.text[4]);

	put_generation(b, &h, 3, "");
	put_text(b->snapshot, "what?");
	become(b, true);
	load(b, &bad);
	become(b, false);
	assert_shouts(&bad, "config.json is damaged and cannot be set aside: Permission denied");
	assert_tree(bad.tree, h.text[4]);
	assert_int_equal(count_aside(b->config), 0);
}

static void test_half_written_files_are_ignored(void **state)
{
	const struct box *b = *state;
	_cleanup_history_ struct history h;
	_cleanup_free_ char *snapshot = strf("%s.Ab3dEf", b->snapshot), *generation = strf("%s/9.json.Ab3dEf", b->generations);

	history_hosts(&h, 3);
	put_snapshot(b, &h, 3);
	put_text(snapshot, "{ \"version\": 1, \"ho");
	put_text(generation, "{ \"version\": 1, \"ho");
	assert_loads(b, h.text[3], 3);
	/* They may be someone's copies. */
	assert_true(exists(snapshot) && exists(generation));
}

/* ---- generations ---- */

static void test_generations(void **state)
{
	const struct box *b = *state;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_document_ struct document d = { 0 };
	_cleanup_history_ struct history h;
	_cleanup_free_ char *half = store_path_generation(&b->p, 11), *stray = strf("%s/notes.json", b->generations);
	struct generation *list;
	size_t n;

	history_random(&h, 12);
	put_generation(b, &h, 9, "before the \"upgrade\"");
	put_generation(b, &h, 10, NULL);
	put_generation(b, &h, 12, "");
	put_text(half, "{ \"version\": 1, \"saved\": 17");
	put_text(stray, "my notes");
	assert_int_equal(store_generations(&b->p, &list, &n, &errs, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].number, 12);
	assert_int_equal(list[1].number, 10);
	assert_int_equal(list[2].number, 9);
	assert_int_equal(list[2].when, 1764000009);
	assert_string_equal(list[2].label, "before the \"upgrade\"");
	assert_string_equal(list[1].label, "");
	assert_int_equal(list[0].objects, tree_count(h.tree[12]));
	assert_int_equal(list[2].objects, tree_count(h.tree[9]));
	assert_int_equal(errs.total, 1);
	assert_non_null(strstr(errs.items[0].place, "generations/11.json:1:"));
	generations_free(list, n);

	assert_int_equal(store_generation_load(&b->p, 9, &d, &errs), 0);
	assert_int_equal(d.generation, 9);
	assert_tree(d.tree, h.text[9]);
	document_done(&d);
	assert_true(store_generation_load(&b->p, 4, &d, &errs) < 0);
	assert_non_null(strstr(errs.items[1].msg, "generations/4.json"));
}

static void test_labels(void **state)
{
	const struct box *b = *state;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_history_ struct history h;
	struct generation *list;
	size_t n;
	char label[3001];

	/* 3 bytes each, so that a cut in the middle of one would show. */
	for (size_t i = 0; i < 3000; i += 3)
		memcpy(label + i, "\u20ac", 3);
	label[3000] = 0;
	history_hosts(&h, 3);
	put_generation(b, &h, 3, label);
	put_generation(b, &h, 2, "\x01\n  },\n}\\\"");
	/* Nothing but the label. */
	h.tree[1] = tree_free(h.tree[1]);
	h.tree[1] = tree_new();
	put_generation(b, &h, 1, "empty");
	assert_int_equal(store_generations(&b->p, &list, &n, &errs, NULL), 0);
	assert_int_equal(errs.total, 0);
	assert_int_equal(n, 3);
	assert_int_equal(strlen(list[0].label), 999);
	assert_memory_equal(list[0].label, label, 999);
	assert_string_equal(list[1].label, "\x01\n  },\n}\\\"");
	assert_string_equal(list[2].label, "empty");
	assert_int_equal(list[2].objects, 0);
	generations_free(list, n);
}

static void test_generation_made_by_a_person(void **state)
{
	const struct box *b = *state;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_free_ char *path = store_path_generation(&b->p, 4);
	_cleanup_history_ struct history h;
	struct generation *list;
	size_t n;

	history_hosts(&h, 3);
	put_text(path, h.text[3]);
	assert_int_equal(store_generations(&b->p, &list, &n, &errs, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].objects, 3);
	assert_string_equal(list[0].label, "");
	assert_true(list[0].when > 1764000000);
	generations_free(list, n);
}

static void test_no_generations(void **state)
{
	const struct box *b = *state;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	struct generation *list;
	size_t n;

	rmdir(b->generations);
	assert_int_equal(store_generations(&b->p, &list, &n, &errs, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(errs.total, 0);
	generations_free(list, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		boxed(test_new_machine),
		boxed(test_any_history_loads_from_any_fold),
		boxed(test_sound_files_are_left_alone),
		boxed(test_duplicate_records),
		boxed(test_one_generation_twice),
		boxed(test_gaps_mean_nothing),
		boxed(test_bad_snapshot_and_good_generations),
		boxed(test_bad_snapshot_and_bad_generation),
		boxed(test_bad_snapshot_and_nothing_else),
		boxed(test_missing_snapshot),
		boxed(test_never_folded_is_not_missing),
		boxed(test_older_snapshot_put_back_by_a_person),
		boxed(test_snapshot_written_by_hand),
		boxed(test_secret_in_snapshot),
		boxed(test_sizes),
		boxed(test_what_could_not_be_read_back_is_not_written),
		boxed(test_folder_in_the_place_of_a_file),
		boxed(test_out_of_reach),
		boxed(test_read_only_folders),
		boxed(test_half_written_files_are_ignored),
		boxed(test_generations),
		boxed(test_labels),
		boxed(test_generation_made_by_a_person),
		boxed(test_no_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
