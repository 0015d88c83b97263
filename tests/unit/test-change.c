/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: from trees and from the journal; applied, refused and taken back. */
#include "tests/unit/change-help.h"

#include <errno.h>

/* ---- trees ---- */

static void assert_diff(const char *from, const char *to, bool merge, const char *expected)
{
	_cleanup_(tree_freep) struct tree *a = tree_from_text(from), *b = tree_from_text(to);
	_cleanup_changes_ struct changes c = { 0 };

	assert_int_equal(tree_generate(a), 0);
	assert_int_equal(changes_diff(a, b, merge, &c), 0);
	assert_changes(&c, expected);
}

#define DOC(members) "{ \"version\": 1, " members " }"
#define PORT(attrs) DOC("\"ports\": { \"1\": { " attrs " } }")
#define TCP4 "\"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\""

static void test_diff_order(void **state)
{
	assert_diff(DOC("\"backends\": {}"), sample, false,
		    "+backends/a\n+backends/b\n+hosts/" H1 "\n+hosts/" H2 "\n+subsystems/" S1 "\n+subsystems/" S1 "/namespaces/1\n"
		    "+subsystems/" S1 "/namespaces/2\n+ports/1\n+ports/1/referrals/r\n+ports/1/ana_groups/2\n");
	assert_diff(sample, DOC("\"backends\": {}"), false,
		    "-backends/a\n-backends/b\n-hosts/" H1 "\n-hosts/" H2 "\n-subsystems/" S1 "/namespaces/1\n-subsystems/" S1
		    "/namespaces/2\n-subsystems/" S1 "\n-ports/1/referrals/r\n-ports/1/ana_groups/2\n-ports/1\n");
	assert_diff(sample, sample, false, "");
	assert_diff(sample, DOC("\"backends\": {}"), true, "");
}

static void test_diff_keeps_what_was_generated(void **state)
{
	_cleanup_(tree_freep) struct tree *a = sample_tree(), *b = tree_from_text(sample);
	_cleanup_changes_ struct changes c = { 0 };

	assert_non_null(object_get(tree_find(a, "backends/a"), "uuid"));
	assert_null(object_get(tree_find(b, "backends/a"), "uuid"));
	assert_int_equal(changes_diff(a, b, false, &c), 0);
	assert_changes(&c, "");
	/* Where neither has it, it stays so: the caller generates. */
	object_remove(tree_find(a, "backends/a"));
	assert_int_equal(changes_diff(a, b, false, &c), 0);
	assert_changes(&c, "+backends/a\n");
	assert_null(object_get(c.items[0]->after, "uuid"));
}

static void test_diff_of_what_follows(void **state)
{
	/* The address decides about its family until someone else does. */
	assert_diff(PORT(TCP4), PORT("\"trtype\": \"tcp\", \"traddr\": \"2001:db8::1\""), false,
		    "~ports/1 adrfam=ipv4>ipv6 traddr=192.0.2.1>2001:db8::1\n");
	assert_diff(PORT(TCP4), PORT("\"trtype\": \"loop\""), false,
		    "~ports/1 trtype=tcp>loop adrfam=ipv4>loop traddr=192.0.2.1> trsvcid=4420>\n");
	assert_diff(PORT(TCP4), PORT("\"traddr\": \"2001:db8::1\""), true,
		    "~ports/1 adrfam=ipv4>ipv6 traddr=192.0.2.1>2001:db8::1\n");
	/* What was chosen stays chosen. */
	assert_diff(PORT(TCP4 ", \"trsvcid\": \"4421\""), PORT("\"trtype\": \"rdma\", \"traddr\": \"192.0.2.2\""), false,
		    "~ports/1 trtype=tcp>rdma traddr=192.0.2.1>192.0.2.2\n");
	assert_diff(PORT(TCP4), PORT(TCP4 ", \"trsvcid\": \"4421\""), false, "~ports/1 trsvcid=4420>4421\n");
}

static void test_diff_of_absent_values(void **state)
{
	const char *with = PORT(TCP4 ", \"max_queue_size\": 64"), *without = PORT(TCP4);

	assert_diff(with, without, false, "~ports/1 max_queue_size=64>\n");
	assert_diff(with, without, true, "");
	assert_diff(without, with, true, "~ports/1 max_queue_size=>64\n");
	/* A default spelled out is a difference of documents, though none for the kernel. */
	assert_diff(without, PORT(TCP4 ", \"max_queue_size\": -1"), false, "~ports/1 max_queue_size=>-1\n");
}

/* To merge a document that names one more subsystem must not take the others off the port. */
static void test_merge_adds_to_lists(void **state)
{
	const char *a = PORT(TCP4 ", \"subsystems\": [ \"" S2 "\" ]"), *b = PORT("\"subsystems\": [ \"" S1 "\" ]");

	assert_diff(a, b, true, "~ports/1 subsystems=" S2 ">" S1 " " S2 "\n");
	assert_diff(a, PORT(TCP4 ", \"subsystems\": [ \"" S1 "\" ]"), false, "~ports/1 subsystems=" S2 ">" S1 "\n");
	assert_diff(a, PORT(TCP4), true, "");
	assert_diff(a, PORT(TCP4), false, "~ports/1 subsystems=" S2 ">\n");
}

/* ---- properties of any two trees ---- */

static void check_pair(const struct tree *a, const struct tree *b)
{
	_cleanup_(tree_freep) struct tree *t = tree_copy(a);
	_cleanup_changes_ struct changes c = { 0 }, none = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	assert_int_equal(changes_diff(a, b, false, &c), 0);
	check_order(a, &c);
	check_journal(a, &c);
	assert_int_equal(changes_apply(t, &c, &err), 0);
	assert_trees_equal(t, b);
	assert_int_equal(changes_diff(t, b, false, &none), 0);
	assert_int_equal(none.n, 0);
	/* Twice is once too often, unless there is nothing to do. */
	assert_int_equal(changes_apply(t, &c, &err), c.n ? -ESTALE : 0);
	assert_trees_equal(t, b);
	assert_int_equal(changes_revert(t, &c), 0);
	assert_trees_equal(t, a);
}

static void test_any_two_trees(void **state)
{
	for (uint64_t seed = 100; seed < 160; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *a = random_tree(&r, 30), *b = tree_copy(a), *c = random_tree(&r, 30);
		_cleanup_(tree_freep) struct tree *empty = tree_new();

		random_change(&r, b, 10);
		check_pair(a, a);
		check_pair(a, b);
		check_pair(b, a);
		check_pair(a, c);
		check_pair(empty, a);
		check_pair(a, empty);
	}
}

static void check_merged(struct object *b, void *userdata)
{
	const struct tree *merged = userdata;
	_cleanup_free_ char *path = object_path(b);
	const struct object *o = tree_find(merged, path);

	assert_non_null(o);
	attr_foreach(row, b->kind) {
		for (char *const *n = object_get_list(b, row); n && *n; n++)
			assert_true(strv_contains(object_get_list(o, row), *n));
		if (!attr_is_list(row) && object_get_row(b, row))
			assert_string_equal(object_get_row(o, row), object_get_row(b, row));
	}
}

static void check_not_lost(struct object *a, void *userdata)
{
	const struct tree *merged = userdata;
	_cleanup_free_ char *path = object_path(a);
	const struct object *o = tree_find(merged, path);

	assert_non_null(o);
	attr_foreach(row, a->kind) {
		for (char *const *n = object_get_list(a, row); n && *n; n++)
			assert_true(strv_contains(object_get_list(o, row), *n));
		if (!attr_is_list(row) && object_get_row(a, row))
			assert_non_null(object_get_row(o, row));
	}
}

static void test_any_two_trees_merged(void **state)
{
	for (uint64_t seed = 200; seed < 230; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *a = random_tree(&r, 30), *b = random_tree(&r, 30), *t = tree_copy(a);
		_cleanup_changes_ struct changes c = { 0 }, none = { 0 };

		assert_int_equal(changes_diff(a, b, true, &c), 0);
		for (size_t i = 0; i < c.n; i++)
			assert_non_null(c.items[i]->after);
		assert_int_equal(changes_apply(t, &c, NULL), 0);
		each_object(b, check_merged, t);
		each_object(a, check_not_lost, t);
		assert_int_equal(changes_diff(t, b, true, &none), 0);
		assert_int_equal(none.n, 0);
		assert_int_equal(changes_revert(t, &c), 0);
		assert_trees_equal(t, a);
	}
}

/* ---- conflicts ---- */

static void assert_stale(struct tree *t, const struct changes *c, const char *path)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *before = tree_to_text(t), *after = NULL;

	assert_int_equal(changes_apply(t, c, &err), -ESTALE);
	assert_int_equal(err.code, ESTALE);
	assert_string_equal(err.object, path);
	after = tree_to_text(t);
	assert_string_equal(before, after);
}

static void diff_to_text(const struct tree *t, const char *text, struct changes *ret)
{
	_cleanup_(tree_freep) struct tree *b = tree_from_text(text);

	assert_int_equal(changes_diff(t, b, false, ret), 0);
}

static void test_conflicts(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes removal = { 0 }, making = { 0 };
	struct object *o;

	diff_to_text(t, DOC("\"backends\": {}"), &removal);
	diff_to_text(t, "{ \"version\": 1, \"ports\": { \"1\": { " TCP4 ", \"referrals\": { \"s\": { \"trtype\": \"tcp\","
			" \"traddr\": \"192.0.2.8\" } } } } }", &making);
	/* Something else was set meanwhile. */
	set(t, "ports/1", "max_queue_size", "99");
	assert_stale(t, &removal, "ports/1");
	set(t, "ports/1", "max_queue_size", NULL);
	/* Something was made below what goes. */
	assert_int_equal(tree_add(t, "ports/1/referrals/new", &o), 0);
	assert_stale(t, &removal, "ports/1");
	object_remove(o);
	/* Something is gone. */
	object_remove(tree_find(t, "subsystems/" S1 "/namespaces/1"));
	assert_stale(t, &removal, "subsystems/" S1 "/namespaces/1");
}

static void test_conflict_with_what_was_made(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree(), *other = tree_copy(t);
	_cleanup_changes_ struct changes c = { 0 };
	struct object *o;

	assert_int_equal(tree_add(other, "ports/1/referrals/s", &o), 0);
	assert_int_equal(changes_diff(t, other, false, &c), 0);
	assert_changes(&c, "+ports/1/referrals/s\n");
	/* By someone else as well; then its parent is gone. */
	assert_int_equal(tree_add(t, "ports/1/referrals/s", &o), 0);
	assert_stale(t, &c, "ports/1/referrals/s");
	object_remove(tree_find(t, "ports/1"));
	assert_stale(t, &c, "ports/1/referrals/s");
}

static const char *list_text(const struct tree *t, const char *path, const char *attr, char **keep)
{
	const struct object *o = tree_find(t, path);

	free(*keep);
	*keep = strv_join(object_get_list(o, attr_find(o->kind, attr)), ",");
	return *keep;
}

static void set_list(struct tree *t, const char *path, const char *attr, char *const *names)
{
	struct object *o = tree_find(t, path);

	assert_int_equal(object_set_list(o, attr_find(o->kind, attr), names), 0);
}

#define HOSTS(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

/* Two writers of one object, in different attributes and members of lists: what comes second does to the object as it has become what it
 * was going to do to the object as it was. */
static void test_rebase(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_from_text("{ \"version\": 1, \"subsystems\": { \"" S1 "\": { } } }"), *other;
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_free_ char *list = NULL;
	static const char path[] = "subsystems/" S1;

	set_list(t, path, "allowed_hosts", HOSTS("nqn.a", "nqn.b"));
	other = tree_copy(t);
	set_list(other, path, "allowed_hosts", HOSTS("nqn.b", "nqn.c"));
	set(other, path, "cntlid_max", "100");
	assert_int_equal(changes_diff(t, other, false, &c), 0);
	assert_int_equal(changes_rebase(&c, t), 0);
	set_list(t, path, "allowed_hosts", HOSTS("nqn.a", "nqn.b", "nqn.d"));
	set(t, path, "cntlid_min", "7");
	assert_stale(t, &c, path);
	assert_int_equal(changes_rebase(&c, t), 1);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	assert_string_equal(list_text(t, path, "allowed_hosts", &list), "nqn.b,nqn.c,nqn.d");
	assert_string_equal(object_get(tree_find(t, path), "cntlid_max"), "100");
	assert_string_equal(object_get(tree_find(t, path), "cntlid_min"), "7");
	/* It can be taken back, to what the first had made of it. */
	assert_int_equal(changes_revert(t, &c), 0);
	assert_string_equal(list_text(t, path, "allowed_hosts", &list), "nqn.a,nqn.b,nqn.d");
	assert_null(object_get(tree_find(t, path), "cntlid_max"));
	/* Both may have added or taken away the same name; two values for one attribute are a conflict. */
	set_list(t, path, "allowed_hosts", HOSTS("nqn.b", "nqn.c"));
	assert_int_equal(changes_rebase(&c, t), 1);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	assert_string_equal(list_text(t, path, "allowed_hosts", &list), "nqn.b,nqn.c");
	assert_int_equal(changes_revert(t, &c), 0);
	set(t, path, "cntlid_max", "200");
	assert_int_equal(changes_rebase(&c, t), -ESTALE);
}

/* ---- the journal ---- */

static void test_journal_form(void **state)
{
	_cleanup_(tree_freep) struct tree *a = sample_tree(), *b = tree_copy(a);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_free_ char *text = NULL;

	object_remove(tree_find(b, "ports/1/referrals/r"));
	set(b, "hosts/" H2, "dhchap_dhgroup", "ffdhe2048");
	assert_int_equal(changes_diff(a, b, false, &c), 0);
	json = changes_to_json(&c);
	text = json_print_line(json);
	assert_string_equal(text, "[{\"path\":\"ports/1/referrals/r\",\"set\":null},{\"path\":\"hosts/" H2
				  "\",\"set\":{\"dhchap_key\":{\"file\":\"h2\"},\"dhchap_dhgroup\":\"ffdhe2048\"}}]");
}

static const struct {
	const char *json, *message;
} bad_journals[] = {
	{ "{}", "must be an array" },
	{ "[7]", "needs path and set" },
	{ "[{}]", "needs path and set" },
	{ "[{\"path\":\"ports/1\"}]", "needs path and set" },
	{ "[{\"path\":1,\"set\":null}]", "needs path and set" },
	{ "[{\"path\":\"\",\"set\":null}]", "needs a path" },
	{ "[{\"path\":\"ports\",\"set\":null}]", "a name is missing behind ports" },
	{ "[{\"path\":\"ports/01\",\"set\":null}]", "write 1" },
	{ "[{\"path\":\"ports/1\",\"set\":7}]", "ports/1: must be an object" },
	{ "[{\"path\":\"ports/1\",\"set\":{\"trtype\":\"x\"}}]", "ports/1: trtype: must be one of" },
	{ "[{\"path\":\"ports/1\",\"set\":{\"referrals\":{}}}]", "ports/1: referrals: is no key here" },
	{ "[{\"path\":\"hosts/" H1 "\",\"set\":{\"dhchap_key\":\"DHHC-1:00:x:\"}}]", "must be a reference" },
};

static void test_bad_journals(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();

	for (size_t i = 0; i < ARRAY_SIZE(bad_journals); i++) {
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_json_ struct json_object *json = NULL;
		_cleanup_free_ char *text = NULL;

		assert_int_equal(json_parse("j", bad_journals[i].json, strlen(bad_journals[i].json), &json, NULL), 0);
		assert_int_equal(changes_from_json(t, json, &c, &err), -EINVAL);
		assert_int_equal(c.n, 0);
		text = cfg_error_text(&err);
		if (!strstr(text, bad_journals[i].message))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad_journals[i].json, text, bad_journals[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff_order),
		cmocka_unit_test(test_diff_keeps_what_was_generated),
		cmocka_unit_test(test_diff_of_what_follows),
		cmocka_unit_test(test_diff_of_absent_values),
		cmocka_unit_test(test_merge_adds_to_lists),
		cmocka_unit_test(test_any_two_trees),
		cmocka_unit_test(test_any_two_trees_merged),
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_conflict_with_what_was_made),
		cmocka_unit_test(test_rebase),
		cmocka_unit_test(test_journal_form),
		cmocka_unit_test(test_bad_journals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
