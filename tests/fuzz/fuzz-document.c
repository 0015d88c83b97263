/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: text into a tree, validated, written, read again. What is written must read back as the same, the journal must carry it whole,
 * and what is refused must be told in lines of text. Corpus: tests/samples.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "base/text.h"
#include "model/change.h"
#include "model/document.h"
#include "model/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(const struct cfg_errors *errs)
{
	assert(errs->total > 0 && errs->n > 0);
	for (size_t i = 0; i < errs->n; i++) {
		_cleanup_free_ char *text = cfg_error_text(&errs->items[i]);

		assert(text && errs->items[i].msg && text_is_utf8(text, strlen(text)));
		for (const char *c = text; *c; c++)
			assert((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

static char *tree_text(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, 0);
	char *text = json ? json_print(json) : NULL;

	assert(text);
	return text;
}

static void check_journal(const struct tree *t)
{
	_cleanup_(tree_freep) struct tree *copy = tree_new();
	_cleanup_changes_ struct changes c = { 0 }, again = { 0 };
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_free_ char *was = tree_text(t), *is = NULL;

	assert(copy && changes_diff(copy, t, false, &c) == 0);
	json = json_object_new_array();
	for (size_t i = 0; i < c.n; i++)
		assert(json_object_array_add(json, change_to_json(c.items[i])) == 0);
	assert(changes_from_json(copy, json, &again, NULL) == 0 && changes_apply(copy, &again, NULL) == 0);
	is = tree_text(copy);
	assert(streq(was, is));
	assert(changes_revert(copy, &again) == 0 && tree_count(copy) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_document_ struct document d = { 0 }, again = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 }, none = { 0 };
	_cleanup_free_ char *text = NULL, *second = NULL;

	if (document_parse("doc", (const char *)data, size, &d, &errs) < 0) {
		check_errors(&errs);
		return 0;
	}
	assert(errs.total == 0);
	/* The daemon makes files of these before it writes anything. */
	if (d.inline_secrets)
		return 0;
	assert(tree_generate(d.tree) == 0);
	text = tree_text(d.tree);
	assert(document_parse("again", text, strlen(text), &again, &none) == 0);
	second = tree_text(again.tree);
	assert(streq(text, second));
	check_journal(d.tree);
	if (validate_tree(d.tree, &errs) < 0) {
		places_annotate(d.places, &errs);
		check_errors(&errs);
	}
	return 0;
}
