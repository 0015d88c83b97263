/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/change-help.h"

const char sample[] =
	"{ \"version\": 1,"
	"  \"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	"                  \"b\": { \"type\": \"file\", \"path\": \"/srv/b\", \"size\": \"1GiB\" } },"
	"  \"hosts\": { \"" H1 "\": {}, \"" H2 "\": { \"dhchap_key\": { \"file\": \"h2\" } } },"
	"  \"subsystems\": { \"" S1 "\": { \"allowed_hosts\": [ \"" H1 "\", \"" H2 "\" ],"
	"                                  \"namespaces\": { \"1\": { \"backend\": \"a\" }, \"2\": { \"backend\": \"b\" } } } },"
	"  \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"" S1 "\" ],"
	"                       \"referrals\": { \"r\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.9\" } },"
	"                       \"ana_groups\": { \"2\": { \"ana_state\": \"inaccessible\" } } } } }";

struct tree *sample_tree(void)
{
	return tree_from_valid_text(sample);
}

void set(struct tree *t, const char *path, const char *attr, const char *value)
{
	struct object *o = tree_find(t, path);

	assert_int_equal(object_set(o, attr_find(o->kind, attr), value), 0);
}

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

void assert_changes(const struct changes *c, const char *expected)
{
	_cleanup_free_ char *text = describe(c);

	assert_string_equal(text, expected);
}

void check_order(const struct tree *a, const struct changes *c)
{
	_cleanup_(tree_freep) struct tree *t = tree_copy(a);

	/* No parent is missing, nothing that goes has something below. */
	for (size_t i = 0; i < c->n; i++) {
		struct change *one[] = { c->items[i] };
		struct changes single = { one, 1 };
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		if (changes_apply(t, &single, &err) < 0)
			fail_msg("%s %s", err.object, err.msg);
	}
}

void check_journal(const struct tree *a, const struct changes *c)
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
