/* SPDX-License-Identifier: Apache-2.0 */
/* Documents: what is read is what was written, whatever is wrong is told with its place, and secrets leave no trace. */
#include "tests/unit/model-help.h"

#include <dirent.h>
#include <errno.h>

#define S1 "nqn.2026-11.org.example:s1"
#define H1 "nqn.2026-11.org.example:h1"
#define T1 "iqn.2026-11.org.example:t1"
#define I1 "iqn.2026-11.org.example:client"
#define SECRET1 "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
#define SECRET2 "DHHC-1:01:vHzfM4rlow+5fvb1uv53nEbtM+1O3vGN7xSgC5Bqcl3Ry+LG:"

/* ---- samples ---- */

static struct tree *sample_tree(const char *name)
{
	size_t len;
	_cleanup_free_ char *text = sample_read(name, &len);

	return tree_from_valid_text(text);
}

/* Reading, writing and reading again changes nothing, and every kind and attribute is in it. */
static void test_everything(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree("everything.json");
	_cleanup_free_ char *text = tree_to_text(t), *again = NULL;
	_cleanup_(tree_freep) struct tree *u = tree_from_valid_text(text);

	again = tree_to_text(u);
	assert_string_equal(text, again);
	assert_int_equal(tree_count(t), tree_count(u));
}

struct coverage {
	bool kinds[KIND_MAX];
	bool rows[KIND_MAX][100];
};

static void cover(struct object *o, void *userdata)
{
	struct coverage *c = userdata;

	c->kinds[o->kind] = true;
	assert_true(kind_info(o->kind)->n_rows < ARRAY_SIZE(c->rows[0]));
	attr_foreach(row, o->kind)
		c->rows[o->kind][attr_index(o->kind, row)] |= object_get_row(o, row) || object_get_list(o, row);
}

/* A row without a value in the sample would be one that no test of the whole ever sees. */
static void test_everything_is_everything(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree("everything.json");
	struct coverage c = { 0 };

	each_object(t, cover, &c);
	for (enum kind kind = KIND_NVMET; kind < KIND_MAX; kind++) {
		if (kind_info(kind)->internal)
			continue;
		if (!c.kinds[kind])
			fail_msg("there is no %s in everything.json", kind_info(kind)->noun);
		attr_foreach(row, kind)
			if (attr_is_settable(row) && !c.rows[kind][attr_index(kind, row)])
				fail_msg("no %s in everything.json has %s", kind_info(kind)->noun, row->name);
	}
}

static void test_small(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree("small.json");
	const struct object *p = tree_find(t, "ports/1"), *n = tree_find(t, "subsystems/" S1 "/namespaces/1");

	assert_int_equal(tree_count(t), 4);
	assert_string_equal(object_get(p, "adrfam"), "ipv4");
	assert_string_equal(object_get(p, "trsvcid"), "4420");
	assert_string_equal(object_effective(n, attr_find(KIND_NAMESPACE, "enable")), "1");
	assert_null(object_get(n, "enable"));
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && streq(s + n - m, end);
}

/* tests/samples/bad/NAME.json says exactly what stands in NAME.err. */
static void check_bad(const char *name)
{
	_cleanup_free_ char *sample = strf("bad/%s", name), *expected_name = strf("bad/%.*s.err", (int)strlen(name) - 5, name);
	size_t len, expected_len;
	_cleanup_free_ char *text = sample_read(sample, &len), *expected = sample_read(expected_name, &expected_len);
	_cleanup_free_ char *problems = problems_of(name, text, len);

	assert_true(expected_len > 0);
	assert_string_equal(problems, expected);
}

static void test_bad_samples(void **state)
{
	_cleanup_free_ char *path = sample_path("bad");
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		if (ends_with(e->d_name, ".json")) {
			check_bad(e->d_name);
			n++;
		}
	closedir(dir);
	assert_true(n >= 28);
}

/* ---- what cannot be a file ---- */

static void assert_problem(const char *text, const char *expected)
{
	_cleanup_free_ char *problems = problems_of("doc", text, strlen(text));

	assert_string_equal(problems, expected);
}

static void test_depth(void **state)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL, *problems = NULL;

	strbuf_add(&b, "{\"version\": 1, \"backends\": ");
	for (int i = 0; i < 10000; i++)
		strbuf_add(&b, "{\"a\":");
	text = strbuf_steal(&b);
	problems = problems_of("doc", text, strlen(text));
	assert_non_null(strstr(problems, "doc:1:"));
	assert_int_equal(strchr(problems, '\n') - problems, strlen(problems) - 1);
}

static void test_number_of_values(void **state)
{
	static const char in_strings[] = "[\"a,{[\\\",[\",1]";
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	size_t len = JSON_MAX_VALUES + 1;
	_cleanup_free_ char *text = malloc(len);

	memset(text, ',', len);
	assert_int_equal(json_check_values("doc", text, JSON_MAX_VALUES - 1, &err), 0);
	assert_int_equal(json_check_values("doc", text, JSON_MAX_VALUES, &err), -EFBIG);
	assert_string_equal(err.msg, "doc: holds more than 500000 values");
	/* What stands in strings does not count, whatever is escaped there. */
	memset(text, ' ', len);
	for (size_t at = 0; at + sizeof(in_strings) - 1 <= 2 * JSON_MAX_VALUES / 3; at += sizeof(in_strings) - 1)
		memcpy(text + at, in_strings, sizeof(in_strings) - 1);
	assert_int_equal(json_check_values("doc", text, len, NULL), 0);
	/* Cut anywhere, nothing behind the end is looked at. */
	assert_int_equal(json_check_values("doc", "\"\\", 2, NULL), 0);
}

static void test_size(void **state)
{
	size_t len = (size_t)JSON_MAX_BYTES + 1;
	_cleanup_free_ char *text = malloc(len + 1), *problems = NULL;

	memset(text, ' ', len);
	text[len] = 0;
	memcpy(text, "{}", 2);
	problems = problems_of("doc", text, len);
	assert_non_null(strstr(problems, "64 MiB"));
}

/* Quoted text cannot start a line of its own or speak to a terminal. */
static void test_quoted_text_is_plain(void **state)
{
	const char *text = "{ \"version\": 1, \"a\\nb\\u001b[2J\": 1,"
			   "  \"subsystems\": { \"" S1 "\": { \"model\": \"x\\ny\\u001b[1m\" } } }";
	_cleanup_free_ char *problems = problems_of("doc", text, strlen(text));

	assert_string_equal(problems, "doc:1:34: a?b?[2J: is no key here\n"
				      "doc:1:95: subsystems/" S1 ": model: must be printable ASCII, 1 to 40 bytes, not \"x?y?[1m\"\n");
}

/* Cut in the middle of a letter, a long text is still text. */
static void test_long_text_is_cut_between_letters(void **state)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL, *problems = NULL;

	strbuf_add(&b, "{ \"version\": 1, \"subsystems\": { \"" S1 "\": { \"serial\": \"x");
	for (int i = 0; i < 100; i++)
		strbuf_add(&b, "\xe2\x82\xac");
	strbuf_add(&b, "\" } } }");
	text = strbuf_steal(&b);
	problems = problems_of("doc", text, strlen(text));
	assert_true(text_is_utf8(problems, strlen(problems)));
	assert_true(strlen(problems) < 250);
}

/* Null says that an attribute is absent. An object or collection cannot be that. */
static void test_null(void **state)
{
	_cleanup_(tree_freep) struct tree *t =
		tree_from_text("{ \"version\": 1, \"subsystems\": { \"" S1 "\": { \"model\": null, \"allowed_hosts\": null } } }");

	assert_null(object_get(tree_find(t, "subsystems/" S1), "model"));
	assert_problem("{ \"version\": 1, \"subsystems\": null }",
		       "doc:1:1: subsystems: must be an object with one member for each subsystem\n");
	assert_problem("{ \"version\": 1, \"nvmet\": null }", "doc:1:1: nvmet: must be an object\n");
	assert_problem("{ \"version\": 1, \"ports\": { \"1\": null } }", "doc:1:26: ports/1: must be an object\n");
}

/* Of a document with mistakes of both kinds all is told, but not what would only follow from a mistake. */
static void test_all_at_once(void **state)
{
	assert_problem("{ \"version\": 1,\n"
		       "  \"hosts\": { \"" H1 "\": {} },\n"
		       "  \"subsystems\": { \"" S1 "\": { \"qid_max\": 999, \"allow_any_host\": true, \"allowed_hosts\": [ \"" H1 "\" ] } },\n"
		       "  \"ports\": {\n"
		       "    \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": 4421 },\n"
		       "    \"2\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"nqn.2026-11.org.example:gone\" ] },\n"
		       "    \"3\": { \"trtype\": 7, \"traddr\": \"192.0.2.1\" },\n"
		       "    \"4\": 5 } }",
		       "doc:3:62: subsystems/" S1 ": qid_max: must be a number from 1 to 128, not \"999\"\n"
		       "doc:3:85: subsystems/" S1 ": allow_any_host: excludes allowed_hosts: the kernel takes one or the other\n"
		       "doc:5:63: ports/1: trsvcid: must be a string, not a number\n"
		       "doc:6:68: ports/2: subsystems: names the subsystem nqn.2026-11.org.example:gone, which does not exist\n"
		       "doc:7:22: ports/3: trtype: must be a string, not a number\n"
		       "doc:8:10: ports/4: must be an object\n");
}

static void test_bounded(void **state)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_document_ struct document d = { 0 };

	strbuf_add(&b, "{ \"version\": 1, \"ports\": {");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&b, "%s\"%d\": { \"trtype\": \"x\" }", i ? "," : "", i);
	strbuf_add(&b, "} }");
	text = strbuf_steal(&b);
	assert_int_equal(document_parse("doc", text, strlen(text), &d, &errs), -EINVAL);
	assert_int_equal(errs.total, 1000);
	assert_int_equal(errs.n, CFG_ERRORS_MAX);
}

/* ---- places ---- */

static void assert_place(const struct document *d, const char *object, const char *attr, const char *expected)
{
	_cleanup_free_ char *place = places_find(d->places, object, attr);

	if (!streq_ptr(place, expected))
		fail_msg("%s %s is at %s, not %s", object, attr ? attr : "", place ? place : "no place", expected ? expected : "none");
}

static void test_places(void **state)
{
	static const char text[] = "{ \"version\": 1,\n"
				   "  \"ports\": {\n"
				   "    \"1\": { \"trtype\": \"loop\",\n"
				   "           \"referrals\": { \"r\": {\n"
				   "             \"trtype\": \"tcp\" } } } } }\n";
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_int_equal(document_parse("a/b.json", text, strlen(text), &d, &errs), 0);
	assert_place(&d, "ports/1", NULL, "a/b.json:3:10");
	assert_place(&d, "ports/1", "trtype", "a/b.json:3:22");
	assert_place(&d, "ports/1", "traddr", "a/b.json:3:10");
	assert_place(&d, "ports/1/referrals/r", NULL, "a/b.json:4:32");
	assert_place(&d, "ports/1/referrals/r", "trtype", "a/b.json:5:24");
	assert_place(&d, "ports/1/referrals/x", "trtype", "a/b.json:3:10");
	assert_place(&d, "ports/2", "trtype", NULL);
	assert_place(&d, "", NULL, NULL);
	places_annotate(NULL, &errs);
	assert_null(places_find(NULL, "ports/1", NULL));
}

/* ---- head ---- */

static void test_generation(void **state)
{
	static const char text[] = "{ \"version\": 1, \"generation\": 18446744073709551615 }";
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_free_ char *line = NULL;

	assert_int_equal(document_parse("x", text, strlen(text), &d, &errs), 0);
	assert_int_equal(d.generation, UINT64_MAX);
	json = document_build(d.tree, NULL, d.generation, 0);
	line = json_print_line(json);
	assert_string_equal(line, "{\"version\":1,\"generation\":18446744073709551615}");
}

/* ---- secrets ---- */

static void test_inline_secrets(void **state)
{
	static const char text[] = "{ \"version\": 1, \"hosts\": { \"" H1 "\": {"
				   " \"dhchap_key\": \"" SECRET1 "\", \"dhchap_ctrl_key\": \"" SECRET2 "\" } } }";
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_free_ char *out = NULL;
	const struct object *h;

	assert_int_equal(document_parse("x", text, strlen(text), &d, &errs), 0);
	h = tree_find(d.tree, "hosts/" H1);
	assert_string_equal(object_get(h, "dhchap_key"), "inline:0");
	assert_string_equal(object_get(h, "dhchap_ctrl_key"), "inline:1");
	assert_string_equal(d.inline_secrets[0], SECRET1);
	assert_string_equal(d.inline_secrets[1], SECRET2);
	assert_null(d.inline_secrets[2]);
	out = tree_to_text(d.tree);
	assert_null(strstr(out, "DHHC"));
}

/* They have no form but what the kernel can keep. */
static void test_inline_secrets_of_iscsi(void **state)
{
	static const struct {
		const char *secret, *problem;
	} cases[] = {
		{ "twelve bytes or more", NULL },
		{ SECRET1, NULL },
		{ "", "is no CHAP secret: it must have 1 to 255 bytes" },
		{ "NULLABLE", "is no CHAP secret: what begins with NULL means none to the kernel" },
		{ "hidden\\n", "is no CHAP secret: it has a control character in it" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_document_ struct document d = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *text = strf("{ \"version\": 1, \"targets\": { \"iscsi\": { \"" T1 "\": { \"tpgs\": { \"1\": { \"acls\": {"
						 " \"" I1 "\": { \"userid\": \"joe\", \"password\": \"%s\" } } } } } } } }",
						 cases[i].secret);
		int r = document_parse("x", text, strlen(text), &d, &errs);

		if (cases[i].problem) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(errs.n, 1);
			assert_non_null(strstr(errs.items[0].msg, cases[i].problem));
			assert_null(strstr(errs.items[0].msg, "hidden"));
		} else {
			assert_int_equal(r, 0);
			assert_string_equal(d.inline_secrets[0], cases[i].secret);
		}
	}
}

static void test_no_inline_secrets_in_objects(void **state)
{
	_cleanup_(object_freep) struct object *o = object_new_detached(KIND_HOST, H1);
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	static const char text[] = "{ \"dhchap_key\": \"" SECRET1 "\" }";

	assert_int_equal(json_parse("x", text, strlen(text), &json, NULL), 0);
	assert_int_equal(object_from_json(o, json, &errs), -EINVAL);
	assert_int_equal(errs.n, 1);
	assert_null(strstr(errs.items[0].msg, "DHHC"));
	assert_null(object_get(o, "dhchap_key"));
}

/* ---- writing ---- */

static const char defaults_in[] = "{ \"version\": 1, \"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" } },"
				  " \"ports\": { \"1\": { \"trtype\": \"loop\", \"ana_groups\": { \"2\": {} } } },"
				  " \"targets\": { \"iscsi\": { \"" T1 "\": { \"tpgs\": { \"1\": { \"acls\": { \"" I1 "\":"
				  " { \"mapped_luns\": { \"3\": { \"lun\": 0 } } } } } } } } } }";

static void assert_built(const struct tree *t, const char *path, unsigned flags, const char *expected)
{
	_cleanup_json_ struct json_object *json = document_build(t, path ? tree_find(t, path) : NULL, 0, flags);
	_cleanup_free_ char *line = json_print_line(json);

	assert_string_equal(line, expected);
}

/* Spelled out are those of the type, and of no other. */
static void check_defaults(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, tree_find(t, "backends/a"), 0, DOCUMENT_DEFAULTS);
	_cleanup_free_ char *line = json_print_line(json);

	assert_non_null(strstr(line, "{\"version\":1,\"backends\":{\"a\":{\"type\":\"block\",\"device\":\"/dev/vdb\",\"buffered_io\":false,"));
	assert_non_null(strstr(line, "\"emulate_caw\":true"));
	assert_null(strstr(line, "\"create\""));
	assert_null(strstr(line, "\"nullio\""));
	assert_null(strstr(line, "\"cmd_time_out\""));
}

static void test_building(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_from_text(defaults_in);

	assert_built(t, NULL, 0,
		     "{\"version\":1,\"backends\":{\"a\":{\"type\":\"block\",\"device\":\"/dev/vdb\"}},"
		     "\"ports\":{\"1\":{\"trtype\":\"loop\",\"ana_groups\":{\"2\":{}}}},"
		     "\"targets\":{\"iscsi\":{\"" T1 "\":{\"tpgs\":{\"1\":{\"acls\":{\"" I1 "\":{"
		     "\"mapped_luns\":{\"3\":{\"lun\":0}}}}}}}}}}");
	check_defaults(t);
	/* A part stands where it stands in the whole, so that it can be read back; a target without a collection between. */
	assert_built(t, "targets/iscsi/" T1 "/tpgs/1/acls/" I1 "/mapped_luns/3", DOCUMENT_DEFAULTS,
		     "{\"version\":1,\"targets\":{\"iscsi\":{\"" T1 "\":{\"tpgs\":{\"1\":{\"acls\":{\"" I1 "\":{"
		     "\"mapped_luns\":{\"3\":{\"lun\":0,\"write_protect\":false}}}}}}}}}}");
	assert_built(t, "targets/iscsi/" T1, 0,
		     "{\"version\":1,\"targets\":{\"iscsi\":{\"" T1 "\":{\"tpgs\":{\"1\":{\"acls\":{\"" I1 "\":{"
		     "\"mapped_luns\":{\"3\":{\"lun\":0}}}}}}}}}}");
	assert_built(t, "ports/1/ana_groups/2", DOCUMENT_DEFAULTS,
		     "{\"version\":1,\"ports\":{\"1\":{\"ana_groups\":{\"2\":{\"ana_state\":\"optimized\"}}}}}");
}

static void test_derived_values_are_shown_when_asked_for(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *o;

	assert_int_equal(tree_add(t, "subsystems/" S1, &o), 0);
	assert_int_equal(tree_add(t, "subsystems/" S1 "/namespaces/1", &o), 0);
	assert_int_equal(object_set(o, attr_find(KIND_NAMESPACE, "device_path"), "/dev/vdb"), 0);
	assert_built(t, NULL, 0, "{\"version\":1,\"subsystems\":{\"" S1 "\":{\"namespaces\":{\"1\":{}}}}}");
	assert_built(t, NULL, DOCUMENT_DERIVED,
		     "{\"version\":1,\"subsystems\":{\"" S1 "\":{\"namespaces\":{\"1\":{\"device_path\":\"/dev/vdb\"}}}}}");
}

/* Any tree at all: load(save(x)) = x, also with its defaults spelled out, and the same for each object by itself. */
static void check_object(struct object *o, void *userdata)
{
	_cleanup_json_ struct json_object *json = object_to_json(o, 0);
	_cleanup_(object_freep) struct object *copy = object_new_detached(o->kind, o->name);
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_int_equal(object_from_json(copy, json, &errs), 0);
	assert_true(object_values_equal(o, copy));
}

static void test_any_tree(void **state)
{
	for (uint64_t seed = 500; seed < 560; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *t = random_tree(&r, 50), *u = NULL, *v = NULL;
		_cleanup_free_ char *text = tree_to_text(t), *spelled = NULL;
		_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, DOCUMENT_DEFAULTS), *head = document_head(0);
		_cleanup_strbuf_ struct strbuf printed = { 0 };

		assert_int_equal(document_print(t, head, &printed), 0);
		assert_string_equal(printed.s, text);
		u = tree_from_text(text);
		assert_trees_equal(t, u);
		spelled = json_print(json);
		v = tree_from_text(spelled);
		assert_int_equal(tree_count(t), tree_count(v));
		each_object(t, check_object, NULL);
	}
}

/* Bytes of right documents, one changed: whatever comes of it is a tree or a list of problems, each of one line. */
static void test_damaged_documents(void **state)
{
	size_t len;
	_cleanup_free_ char *text = sample_read("everything.json", &len);
	struct random r = { 6 };

	for (int i = 0; i < 600; i++) {
		_cleanup_free_ char *copy = memcpy(malloc(len), text, len), *problems = NULL;

		for (int k = 0; k < 2; k++)
			copy[random_below(&r, (uint32_t)len)] = "{}[],:\"0aZ \x80\n"[random_below(&r, 13)];
		problems = problems_of("doc", copy, len);
		assert_true(!*problems || strncmp(problems, "doc:", 4) == 0);
	}
}

/* Nothing behind the last byte is looked at: what comes through a descriptor has no NUL there. */
static void test_text_without_end(void **state)
{
	static const char numbers[] = "{\"version\":1,\"generation\":123,\"ports\":{\"1\":{\"mdts\":-1";
	size_t len;
	_cleanup_free_ char *text = sample_read("everything.json", &len);

	for (size_t n = 1; n < len + sizeof(numbers) - 1; n++) {
		size_t k = n < len ? n : n - len + 1;
		_cleanup_free_ char *copy = memcpy(malloc(k), n < len ? text : numbers, k), *problems = problems_of("doc", copy, k);

		assert_true(*problems || n == len - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_everything_is_everything),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_bad_samples),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_number_of_values),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_quoted_text_is_plain),
		cmocka_unit_test(test_long_text_is_cut_between_letters),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_inline_secrets),
		cmocka_unit_test(test_inline_secrets_of_iscsi),
		cmocka_unit_test(test_no_inline_secrets_in_objects),
		cmocka_unit_test(test_building),
		cmocka_unit_test(test_derived_values_are_shown_when_asked_for),
		cmocka_unit_test(test_any_tree),
		cmocka_unit_test(test_damaged_documents),
		cmocka_unit_test(test_text_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
