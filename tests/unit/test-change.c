/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: from trees, from edits and from the journal; applied, refused and taken back. */
#include "tests/unit/model-help.h"

#include <errno.h>

#define S1 "nqn.2026-11.org.example:s1"
#define S2 "nqn.2026-11.org.example:s2"
#define H1 "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001"
#define H2 "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000002"

static const char sample[] =
	"{ \"version\": 1,"
	"  \"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	"                  \"b\": { \"type\": \"file\", \"path\": \"/srv/b\", \"size\": \"1GiB\" } },"
	"  \"hosts\": { \"" H1 "\": {}, \"" H2 "\": { \"dhchap_key\": { \"file\": \"h2\" } } },"
	"  \"subsystems\": { \"" S1 "\": { \"allowed_hosts\": [ \"" H1 "\", \"" H2 "\" ],"
	"                                  \"namespaces\": { \"1\": { \"backend\": \"a\" }, \"2\": { \"backend\": \"b\" } } } },"
	"  \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"" S1 "\" ],"
	"                       \"referrals\": { \"r\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.9\" } },"
	"                       \"ana_groups\": { \"2\": { \"ana_state\": \"inaccessible\" } } } } }";

static struct tree *sample_tree(void)
{
	return tree_from_valid_text(sample);
}

/* "+PATH", "-PATH", "~PATH attr=was>is", one a line; sets of names with blanks between. */
static void describe_values(struct strbuf *b, const struct change *c)
{
	attr_foreach(row, c->before->kind) {
		_cleanup_free_ char *was = NULL, *is = NULL;

		if (attr_is_list(row)) {
			was = strv_join(object_get_list(c->before, row), " ");
			is = strv_join(object_get_list(c->after, row), " ");
			if (!streq(was, is))
				strbuf_addf(b, " %s=%s>%s", row->name, was, is);
		} else if (!streq_ptr(object_get_row(c->before, row), object_get_row(c->after, row))) {
			strbuf_addf(b, " %s=%s>%s", row->name, object_get_row(c->before, row) ? object_get_row(c->before, row) : "",
				    object_get_row(c->after, row) ? object_get_row(c->after, row) : "");
		}
	}
}

static char *describe(const struct changes *c)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		const struct change *item = c->items[i];

		assert_true(item->before || item->after);
		strbuf_addf(&b, "%c%s", !item->before ? '+' : !item->after ? '-' : '~', item->path);
		if (item->before && item->after)
			describe_values(&b, item);
		strbuf_add(&b, "\n");
	}
	return strbuf_steal(&b);
}

static void assert_changes(const struct changes *c, const char *expected)
{
	_cleanup_free_ char *text = describe(c);

	assert_string_equal(text, expected);
}

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

static void check_order(const struct tree *a, const struct changes *c)
{
	_cleanup_(tree_freep) struct tree *t = tree_copy(a);

	/* Each item alone, in order, is possible: no parent is missing, nothing that goes has something below. */
	for (size_t i = 0; i < c->n; i++) {
		struct change *one[] = { c->items[i] };
		struct changes single = { one, 1 };
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		if (changes_apply(t, &single, &err) < 0)
			fail_msg("%s %s", err.object, err.msg);
	}
}

static void check_journal(const struct tree *a, const struct changes *c)
{
	_cleanup_json_ struct json_object *json = changes_to_json(c), *read = NULL;
	_cleanup_free_ char *text = json_print_line(json), *described = describe(c);
	_cleanup_changes_ struct changes again = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	assert_null(strchr(text, '\n'));
	assert_int_equal(json_parse("journal", text, strlen(text), &read, NULL), 0);
	if (changes_from_json(a, read, &again, &err) < 0)
		fail_msg("%s: %s: %s", err.object, err.attr, err.msg);
	assert_changes(&again, described);
}

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

static void set(struct tree *t, const char *path, const char *attr, const char *value)
{
	struct object *o = tree_find(t, path);

	assert_int_equal(object_set(o, attr_find(o->kind, attr), value), 0);
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

/* ---- edits ---- */

/* An edit as typed: "create PATH a=b list+=c", "delete PATH", "delete! PATH" (recursive); values hold no blank. */
static void parse_edit(const char *text, struct edit *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *save = NULL, *word = strtok_r(copy, " ", &save);

	e->verb = streq(word, "create") ? EDIT_CREATE : streq(word, "set") ? EDIT_SET : EDIT_DELETE;
	e->recursive = streq(word, "delete!");
	e->path = strdup(strtok_r(NULL, " ", &save));
	e->place = strdup(text);
	while ((word = strtok_r(NULL, " ", &save))) {
		char *eq = strchr(word, '=');
		struct edit_attr *a;

		e->attrs = reallocarray(e->attrs, e->n_attrs + 1, sizeof(*e->attrs));
		a = &e->attrs[e->n_attrs++];
		a->op = eq[-1] == '+' ? EDIT_ADD : eq[-1] == '-' ? EDIT_SUB : EDIT_ASSIGN;
		a->name = strndup(word, (size_t)(eq - word) - (a->op != EDIT_ASSIGN));
		a->value = strdup(eq + 1);
		for (char *c = a->value; *c; c++)
			if (*c == '_')
				*c = ' ';
	}
}

static int run_edits(struct tree *t, const char *const *texts, struct changes *ret, struct cfg_errors *errs)
{
	_cleanup_edits_ struct edits e = { 0 };
	_cleanup_free_ char *before = tree_to_text(t), *after = NULL;
	size_t count = tree_count(t);
	int r;

	while (texts[e.n]) {
		e.items = reallocarray(e.items, e.n + 1, sizeof(*e.items));
		e.items[e.n] = (struct edit){ 0 };
		parse_edit(texts[e.n], &e.items[e.n]);
		e.n++;
	}
	r = edits_to_changes(t, &e, ret, errs);
	assert_int_equal(r < 0, errs->total > 0);
	/* The tree is left as it was, whatever came of it. */
	after = tree_to_text(t);
	assert_string_equal(before, after);
	assert_int_equal(count, tree_count(t));
	return r;
}

/* What the edits of the sample make of it, and that it can be done, undone and told to the journal. */
static void assert_edits(const char *const *texts, const char *expected)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree(), *original = tree_copy(t);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	if (run_edits(t, texts, &c, &errs) < 0) {
		_cleanup_free_ char *problems = errors_to_text(&errs);

		fail_msg("%s", problems);
	}
	if (expected)
		assert_changes(&c, expected);
	check_order(t, &c);
	check_journal(t, &c);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	assert_int_equal(changes_revert(t, &c), 0);
	assert_trees_equal(t, original);
}

#define EDITS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void test_edits(void **state)
{
	assert_edits(EDITS("set subsystems/" S1 " model=x serial=y"), NULL);
	assert_edits(EDITS("set ports/1 max_queue_size=64"), "~ports/1 max_queue_size=>64\n");
	assert_edits(EDITS("set ports/1 max_queue_size=64", "set ports/1 max_queue_size="), "");
	assert_edits(EDITS("set ports/1 treq=not_required"), "~ports/1 treq=>not required\n");
	assert_edits(EDITS("create subsystems/" S2 " allow_any_host=yes", "create subsystems/" S2 "/namespaces/7 backend=a",
			   "set ports/1 subsystems+=" S2),
		     "~ports/1 subsystems=" S1 ">" S1 " " S2 "\n+subsystems/" S2 "\n+subsystems/" S2 "/namespaces/7\n");
	/* Made and taken away again is nothing; taken away and made again what is different. */
	assert_edits(EDITS("create backends/c type=block device=/dev/vdc", "delete backends/c"), "");
	assert_edits(EDITS("delete! subsystems/" S1, "create subsystems/" S1 " serial=z"), NULL);
	assert_edits(EDITS("set nvmet discovery_nqn=nqn.2026-11.org.example:d"), "+nvmet\n");
}

#define TARGET "targets/iscsi/iqn.2026-11.org.example:t"
#define TPG TARGET "/tpgs/1"
#define ACL TPG "/acls/iqn.2026-11.org.example:i"

/* A fabric comes with its first target, or with what is said of it. */
static void test_fabrics_come_by_themselves(void **state)
{
	assert_edits(EDITS("create " TARGET), "+targets/iscsi\n+" TARGET "\n");
	assert_edits(EDITS("create " TARGET, "create targets/iscsi/iqn.2026-11.org.example:u"),
		     "+targets/iscsi\n+" TARGET "\n+targets/iscsi/iqn.2026-11.org.example:u\n");
	assert_edits(EDITS("set targets/iscsi enforce_discovery_auth=1"), "+targets/iscsi\n");
	assert_edits(EDITS("set target dbroot=/var/target"), "+target\n");
	assert_edits(EDITS("create " TARGET, "delete " TARGET, "delete targets/iscsi"), "");
}

/* What names an object that stands near it: mapped LUNs a LUN, LUNs an ALUA group. */
static void test_deleting_what_is_used_nearby(void **state)
{
	const char *const made[] = { "create " TARGET, "create " TPG, "create backends/c/alua_groups/far",
				     "create " TPG "/luns/0 backend=c alua_group=far", "create " TPG "/luns/1 backend=c", "create " ACL,
				     "create " ACL "/mapped_luns/0 lun=0", "create " ACL "/mapped_luns/1 lun=1",
				     "create " ACL "/mapped_luns/2 lun=0", NULL };
	static const struct { const char *edit, *expected; } cases[] = {
		{ "delete " TPG "/luns/0",
		  TPG "/luns/0: is used by " ACL "/mapped_luns/0, " ACL "/mapped_luns/2; --recursive takes them too" },
		{ "delete backends/c/alua_groups/far",
		  "backends/c/alua_groups/far: is used by " TPG "/luns/0; --recursive takes them too" },
		{ "delete! " TPG "/luns/0", "-" TPG "/luns/0\n-" ACL "/mapped_luns/2\n-" ACL "/mapped_luns/0\n" },
		{ "delete! backends/c/alua_groups/far", "-backends/c/alua_groups/far\n~" TPG "/luns/0 alua_group=far>\n" },
		{ "delete! backends/c",
		  "-" TPG "/luns/1\n-" TPG "/luns/0\n-" ACL "/mapped_luns/2\n-" ACL "/mapped_luns/1\n-" ACL "/mapped_luns/0\n"
		  "-backends/c/alua_groups/far\n-backends/c\n" },
		{ "delete! " TPG, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(tree_freep) struct tree *t = sample_tree();
		_cleanup_changes_ struct changes first = { 0 }, c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *said = NULL;

		assert_int_equal(run_edits(t, EDITS("create backends/c type=block device=/dev/vdc"), &first, &errs), 0);
		assert_int_equal(changes_apply(t, &first, NULL), 0);
		changes_done(&first);
		assert_int_equal(run_edits(t, made, &first, &errs), 0);
		assert_int_equal(changes_apply(t, &first, NULL), 0);
		if (run_edits(t, EDITS(cases[i].edit), &c, &errs) < 0) {
			said = cfg_error_text(&errs.items[0]);
			assert_non_null(strstr(said, cases[i].expected));
			continue;
		}
		if (cases[i].expected)
			assert_changes(&c, cases[i].expected);
		check_order(t, &c);
		assert_int_equal(changes_apply(t, &c, NULL), 0);
		assert_int_equal(changes_revert(t, &c), 0);
	}
}

/* A backend goes on without the group that it was in. */
static void test_deleting_a_group_of_units(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_int_equal(run_edits(t, EDITS("create lu_groups/g", "set backends/a lu_group=g"), &c, &errs), 0);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	changes_done(&c);
	assert_int_equal(run_edits(t, EDITS("delete! lu_groups/g"), &c, &errs), 0);
	assert_changes(&c, "-lu_groups/g\n~backends/a lu_group=g>\n");
}

static void test_edited_lists(void **state)
{
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts-=" H1),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H2 "\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts-=" H1 "," H2),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts="), "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts=" H2 "," H1), "");
	/* To add what is there is done already. */
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts+=" H2), "");
	/* An NQN may hold a comma. */
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts=nqn.2026-11.org.example:a,b," H1),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H1 " nqn.2026-11.org.example:a,b\n");
}

static void test_edits_of_what_follows(void **state)
{
	assert_edits(EDITS("set ports/1 traddr=2001:db8::1"), "~ports/1 adrfam=ipv4>ipv6 traddr=192.0.2.1>2001:db8::1\n");
	assert_edits(EDITS("set ports/1 trtype=loop traddr="),
		     "~ports/1 trtype=tcp>loop adrfam=ipv4>loop traddr=192.0.2.1> trsvcid=4420>\n");
	assert_edits(EDITS("set ports/1 adrfam="), "");
	assert_edits(EDITS("set ports/1 trsvcid=4421", "set ports/1 trtype=rdma"),
		     "~ports/1 trtype=tcp>rdma trsvcid=4420>4421\n");
}

static void test_generated_on_creation(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	const struct object *o;

	assert_int_equal(run_edits(t, EDITS("create backends/c type=block device=/dev/vdc", "create subsystems/" S2,
					    "create ports/2 trtype=rdma traddr=2001:db8::2"), &c, &errs), 0);
	assert_int_equal(c.n, 3);
	o = c.items[0]->after;
	assert_int_equal(strlen(object_get(o, "uuid")), 36);
	assert_int_equal(object_get(o, "uuid")[14], '4');
	assert_non_null(object_get(o, "nguid"));
	assert_int_equal(strlen(object_get(c.items[2]->after, "serial")), 20);
	o = c.items[1]->after;
	assert_string_equal(object_get(o, "adrfam"), "ipv6");
	assert_string_equal(object_get(o, "trsvcid"), "4420");
}

static void test_deleting(void **state)
{
	assert_edits(EDITS("delete ports/1/referrals/r"), "-ports/1/referrals/r\n");
	assert_edits(EDITS("delete! ports/1"), "-ports/1/referrals/r\n-ports/1/ana_groups/2\n-ports/1\n");
	/* Who only names it goes on without it. */
	assert_edits(EDITS("delete! hosts/" H1), "-hosts/" H1 "\n~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H2 "\n");
	/* Who cannot be without it goes with it. */
	assert_edits(EDITS("delete! backends/b"), "-subsystems/" S1 "/namespaces/2\n-backends/b\n");
	assert_edits(EDITS("delete! subsystems/" S1), "-subsystems/" S1 "/namespaces/2\n-subsystems/" S1 "/namespaces/1\n-subsystems/"
						      S1 "\n~ports/1 subsystems=" S1 ">\n");
	/* Edits later on the line see earlier ones. */
	assert_edits(EDITS("set ports/1 subsystems-=" S1, "delete subsystems/" S1 "/namespaces/1",
			   "delete subsystems/" S1 "/namespaces/2", "delete subsystems/" S1, "delete backends/a"),
		     NULL);
}

static const struct {
	const char *edit;
	int code;
	const char *message;	/* the whole line, behind the place */
} bad_edits[] = {
	{ "create backends/a", EEXIST, "backends/a: exists already; use set to change it" },
	{ "create subsystems/" S2 "/namespaces/1 backend=a", ENOENT,
	  "subsystems/" S2 "/namespaces/1: subsystems/" S2 ", which it would be below, does not exist" },
	{ "set backends/x device=/dev/vdc", ENOENT, "backends/x: does not exist; use create to make it" },
	{ "delete backends/x", ENOENT, "backends/x: does not exist" },
	{ "delete backends/a", EBUSY, "backends/a: is used by subsystems/" S1 "/namespaces/1; --recursive takes them too" },
	{ "delete ports/1", EBUSY, "ports/1: has below it ports/1/referrals/r, ports/1/ana_groups/2; --recursive takes them too" },
	{ "delete subsystems/" S1, EBUSY,
	  "subsystems/" S1 ": is used by ports/1 and has below it subsystems/" S1 "/namespaces/1, "
	  "subsystems/" S1 "/namespaces/2; --recursive takes them too" },
	{ "delete ports", EINVAL, "ports: a name is missing behind ports" },
	{ "set ports/01 traddr=x", EINVAL, "ports/01: \"01\" is no port id: write 1" },
	{ "set ports/1 addr=x", EINVAL,
	  "ports/1: a port has no attribute addr; it has: trtype, adrfam, traddr, trsvcid, tsas, treq, "
	  "inline_data_size, max_queue_size, mdts, pi_enable, subsystems" },
	{ "set ports/1 max_queue_size=x", EINVAL, "ports/1: max_queue_size: must be a number from -1 to 1024, not \"x\"" },
	{ "set ports/1 max_queue_size+=1", EINVAL, "ports/1: max_queue_size: is no list; use =" },
	{ "set ports/1 subsystems+=x", EINVAL,
	  "ports/1: subsystems: \"x\" is no NQN: nqn.YYYY-MM.REVERSE.DOMAIN:NAME or "
	  "nqn.2014-08.org.nvmexpress:uuid:UUID" },
	{ "set ports/1 subsystems-=" S2, ENOENT, "ports/1: subsystems: does not hold " S2 },
	{ "set subsystems/" S1 "/namespaces/1 device_path=/x", EINVAL,
	  "subsystems/" S1 "/namespaces/1: device_path: is shown only; What the kernel opens: the backend's "
	  "device or file." },
	{ "set targets/x y=z", EINVAL,
	  "targets/x: \"x\" is no fabric: iscsi, loopback, vhost, qla2xxx, srpt, fc, sbp or xen-pvscsi" },
	{ "set targets/iscsi/iqn.2026-11.org.example:t/tpgs/1 enable=1", ENOENT,
	  "targets/iscsi/iqn.2026-11.org.example:t/tpgs/1: does not exist; use create to make it" },
	{ "create backends/a/bridge", EINVAL, "backends/a/bridge: there is no \"bridge\" here, but alua_groups" },
};

static void test_bad_edits(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_edits); i++) {
		_cleanup_(tree_freep) struct tree *t = sample_tree();
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *text = NULL, *expected = strf("%s: %s\n", bad_edits[i].edit, bad_edits[i].message);

		assert_true(run_edits(t, EDITS(bad_edits[i].edit), &c, &errs) < 0);
		assert_int_equal(c.n, 0);
		text = errors_to_text(&errs);
		assert_string_equal(text, expected);
		assert_int_equal(errs.items[0].code, bad_edits[i].code);
	}
}

/* One line with several mistakes tells all of them, and does nothing. */
static void test_several_mistakes(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_true(run_edits(t, EDITS("set ports/1 max_queue_size=x mdts=y trtype=z", "delete backends/a", "set ports/1 mdts=3",
				       "create backends/c type=q"), &c, &errs) < 0);
	assert_int_equal(errs.total, 5);
	assert_int_equal(c.n, 0);
}

static void add_random_path(struct random *r, struct strbuf *b, enum kind kind)
{
	const struct kind_info *info = kind_info(kind);
	_cleanup_free_ char *name = random_name(r, kind, 6);

	if (info->parent != KIND_ROOT) {
		add_random_path(r, b, info->parent);
		strbuf_add(b, "/");
	}
	strbuf_addf(b, "%s%s%s", info->collection, info->singleton || info->direct ? "" : "/", name);
}

/* Random edits, right and wrong: the tree is left as it was, and what comes of them can be applied and taken back. */
static char *random_edit(struct random *r, const struct tree *t)
{
	static const char *const verbs[] = { "create", "set", "delete", "delete!" };
	const char *verb = verbs[random_below(r, ARRAY_SIZE(verbs))];
	const struct object *there = random_object(r, t);
	_cleanup_free_ char *path = object_path(there);
	enum kind kind = there->kind;
	struct strbuf b = { 0 };

	strbuf_addf(&b, "%s ", verb);
	if (kind == KIND_ROOT || random_below(r, 2)) {
		kind = random_kind(r);
		add_random_path(r, &b, kind);
	} else {
		strbuf_add(&b, path);
	}
	attr_foreach(row, kind) {
		_cleanup_free_ char *value = random_value(r, row);

		if (strncmp(verb, "delete", 6) == 0 || !attr_is_settable(row) || random_below(r, 3) || strpbrk(value, " =_"))
			continue;
		strbuf_addf(&b, " %s%s%s", row->name, attr_is_list(row) && random_below(r, 2) ? "+=" : "=", value);
	}
	return strbuf_steal(&b);
}

static void test_random_edits(void **state)
{
	size_t right = 0, wrong = 0;

	for (uint64_t seed = 300; seed < 700; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *t = random_tree(&r, 40), *original = tree_copy(t);
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		char *texts[8] = { NULL };

		for (unsigned i = 0; i <= random_below(&r, 3); i++)
			texts[i] = random_edit(&r, t);
		if (run_edits(t, (const char *const *)texts, &c, &errs) < 0) {
			wrong++;
			assert_int_equal(c.n, 0);
		} else {
			right++;
			check_order(t, &c);
			check_journal(t, &c);
			assert_int_equal(changes_apply(t, &c, NULL), 0);
			assert_int_equal(changes_revert(t, &c), 0);
			assert_trees_equal(t, original);
		}
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			free(texts[i]);
	}
	/* Both happened often enough to mean something. */
	assert_true(right > 50);
	assert_true(wrong > 50);
}

/* ---- generated values ---- */

static void test_identities(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *a, *b;
	_cleanup_free_ char *was = NULL;

	assert_int_equal(tree_add(t, "backends/a", &a), 0);
	assert_int_equal(tree_add(t, "backends/b", &b), 0);
	assert_int_equal(tree_generate(t), 0);
	assert_string_not_equal(object_get(a, "uuid"), object_get(b, "uuid"));
	was = strdup(object_get(a, "uuid"));
	assert_int_equal(tree_generate(t), 0);
	assert_string_equal(object_get(a, "uuid"), was);
	/* The uuid's, marked as locally made: bit 1 of byte 8, and not a group's: bit 0. */
	set(t, "backends/a", "uuid", "01234567-89ab-4cde-8123-456789abcdef");
	set(t, "backends/a", "nguid", NULL);
	assert_int_equal(object_generate(a), 0);
	assert_string_equal(object_get(a, "nguid"), "01234567-89ab-4cde-8223-456789abcdef");
	/* What follows is forgotten, what was chosen is not. */
	assert_int_equal(object_forget(a), 0);
	assert_null(object_get(a, "nguid"));
	assert_non_null(object_get(a, "uuid"));
	set(t, "backends/a", "nguid", "11234567-89ab-4cde-8223-456789abcdef");
	assert_int_equal(object_forget(a), 0);
	assert_non_null(object_get(a, "nguid"));
}

static void test_identities_made_again(void **state)
{
	struct map *made = map_new();
	char first[2][64];

	for (int i = 0; i < 2; i++) {
		_cleanup_(tree_freep) struct tree *t = tree_new();
		struct object *a, *s;

		assert_int_equal(tree_add(t, "backends/a", &a), 0);
		assert_int_equal(tree_add(t, "subsystems/" S1, &s), 0);
		assert_int_equal(object_generate_again(a, "backends/a", made), 0);
		assert_int_equal(object_generate_again(s, "subsystems/" S1, made), 0);
		if (i) {
			assert_string_equal(object_get(a, "uuid"), first[0]);
			assert_string_equal(object_get(s, "serial"), first[1]);
		}
		strcpy(first[0], object_get(a, "uuid"));
		strcpy(first[1], object_get(s, "serial"));
		/* Another object has another one, and what is given is nobody's to change. */
		assert_int_equal(object_set(a, attr_find(KIND_BACKEND, "uuid"), NULL), 0);
		assert_int_equal(object_generate_again(a, "backends/b", made), 0);
		assert_string_not_equal(object_get(a, "uuid"), first[0]);
		set(t, "backends/a", "uuid", "01234567-89ab-4cde-8123-456789abcdef");
		assert_int_equal(object_generate_again(a, "backends/a", made), 0);
		assert_string_equal(object_get(a, "uuid"), "01234567-89ab-4cde-8123-456789abcdef");
	}
	made_free(made);
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
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_fabrics_come_by_themselves),
		cmocka_unit_test(test_deleting_what_is_used_nearby),
		cmocka_unit_test(test_deleting_a_group_of_units),
		cmocka_unit_test(test_edited_lists),
		cmocka_unit_test(test_edits_of_what_follows),
		cmocka_unit_test(test_generated_on_creation),
		cmocka_unit_test(test_deleting),
		cmocka_unit_test(test_bad_edits),
		cmocka_unit_test(test_several_mistakes),
		cmocka_unit_test(test_random_edits),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_identities_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
