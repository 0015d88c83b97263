/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that take or give whole documents: check, diff, apply, restore, save; and those that need no more than options. */
#include "cli/cli.h"

#include <errno.h>

#include "base/file.h"
#include "model/change.h"
#include "model/document.h"
#include "model/validate.h"

/* ---- without the daemon ---- */

static int load_document(const char *file, struct document *ret)
{
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (file_read(file, JSON_MAX_BYTES, &text, &len, &err) < 0) {
		complain_error(&err);
		return err.code == EFBIG ? STATUS_INVALID : STATUS_FAILED;
	}
	if (document_parse(file, text, len, ret, &errs) < 0) {
		complain_errors(&errs);
		return STATUS_INVALID;
	}
	return 0;
}

static int validate_document(struct document *d)
{
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	if (tree_generate(d->tree) < 0)
		return out_of_memory();
	if (validate_tree(d->tree, &errs) < 0) {
		places_annotate(d->places, &errs);
		complain_errors(&errs);
		return STATUS_INVALID;
	}
	return 0;
}

int verb_check(struct cli *c)
{
	_cleanup_document_ struct document d = { 0 };
	int r = load_document(c->args[0], &d);

	if (!r)
		r = validate_document(&d);
	if (!r && !c->quiet)
		printf("%s: is valid: %zu objects\n", c->args[0], tree_count(d.tree));
	return r;
}

static void print_value(const struct object *o, const struct attr_row *row)
{
	_cleanup_free_ char *joined = NULL;

	if (attr_is_list(row)) {
		joined = strv_join(object_get_list(o, row), ",");
		printf("%s", joined && *joined ? joined : "(none)");
	} else {
		printf("%s", object_get_row(o, row) ? object_get_row(o, row) : "(default)");
	}
}

static bool row_differs(const struct change *ch, const struct attr_row *row)
{
	if (attr_is_list(row))
		return !strv_equal(object_get_list(ch->before, row), object_get_list(ch->after, row));
	return !streq_ptr(object_get_row(ch->before, row), object_get_row(ch->after, row));
}

static void print_change(const struct change *ch)
{
	if (!ch->before || !ch->after) {
		printf("%c %s\n", ch->before ? '-' : '+', ch->path);
		return;
	}
	printf("~ %s\n", ch->path);
	attr_foreach(row, ch->before->kind) {
		if (!row_differs(ch, row))
			continue;
		printf("    %s: ", row->name);
		print_value(ch->before, row);
		printf(" -> ");
		print_value(ch->after, row);
		putchar('\n');
	}
}

static int diff_offline(struct cli *c)
{
	const char *from = c->n_args > 1 ? c->args[0] : SYSCONFDIR "/nvmetctl/config.json";
	const char *to = c->args[c->n_args - 1];
	_cleanup_document_ struct document a = { 0 }, b = { 0 };
	_cleanup_changes_ struct changes changes = { 0 };
	int r = load_document(from, &a);

	if (!r)
		r = load_document(to, &b);
	if (r)
		return r;
	if (changes_diff(a.tree, b.tree, c->merge, &changes) < 0)
		return out_of_memory();
	for (size_t i = 0; i < changes.n; i++)
		print_change(changes.items[i]);
	if (!changes.n && !c->quiet)
		puts("No difference.");
	return STATUS_DONE;
}

/* ---- with it ---- */

static int send_document(struct cli *c, const char *method, const char *file)
{
	_cleanup_json_ struct json_object *report = NULL;
	struct call call;
	int r = client_document_call(c, method, file, &call);

	if (!r)
		r = client_call_json(c, &call, &report);
	return r ? r : report_print(c, report);
}

int verb_diff(struct cli *c)
{
	if (c->offline)
		return diff_offline(c);
	if (c->n_args > 1)
		return usage_error(c, "two files are compared with --offline only");
	c->dry_run = true;
	return send_document(c, "Apply", c->args[0]);
}

int verb_apply(struct cli *c)
{
	return send_document(c, "Apply", c->args[0]);
}

static int simple_change(struct cli *c, struct call *call)
{
	_cleanup_json_ struct json_object *report = NULL;
	int r = client_append_options(c, call);

	if (!r)
		r = client_call_json(c, call, &report);
	return r ? r : report_print(c, report);
}

int verb_restore(struct cli *c)
{
	struct call call;
	int r;

	if (c->n_args)
		return send_document(c, "Restore", c->args[0]);
	r = client_call_new(c, "Restore", &call);
	if (r)
		return r;
	if (sd_bus_message_append(call.message, "s", "") < 0)
		return out_of_memory();
	return simple_change(c, &call);
}

int verb_clear(struct cli *c)
{
	struct call call;
	int r = client_call_new(c, "Clear", &call);

	return r ? r : simple_change(c, &call);
}

static int with_paths(struct cli *c, const char *method)
{
	struct call call;
	int r = client_call_new(c, method, &call);

	if (r)
		return r;
	if (sd_bus_message_append_strv(call.message, c->args) < 0)
		return out_of_memory();
	return simple_change(c, &call);
}

int verb_reconcile(struct cli *c)
{
	return with_paths(c, "Reconcile");
}

int verb_adopt(struct cli *c)
{
	return with_paths(c, "Adopt");
}

int verb_rollback(struct cli *c)
{
	struct call call;
	uint64_t number;
	int r;

	if (text_to_u64(c->args[0], &number) < 0 || !number)
		return usage_error(c, "%s is no generation; see nvmetctl history", c->args[0]);
	r = client_call_new(c, "Rollback", &call);
	if (r)
		return r;
	if (sd_bus_message_append(call.message, "t", number) < 0)
		return out_of_memory();
	return simple_change(c, &call);
}

static int save_generation(struct cli *c)
{
	struct call call;
	int r = client_call_new(c, "Save", &call);

	if (r)
		return r;
	if (sd_bus_message_append(call.message, "s", c->name ? c->name : "saved") < 0)
		return out_of_memory();
	r = client_call(c, &call, NULL);
	if (!r && !c->quiet)
		puts("The present state is kept as a generation; see nvmetctl history.");
	return r;
}

int verb_save(struct cli *c)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_json_ struct json_object *doc = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (!c->n_args)
		return save_generation(c);
	r = client_dump(c, "", &doc);
	if (r)
		return r;
	text = json_print(doc);
	if (!text)
		return out_of_memory();
	if (streq(c->args[0], "-")) {
		fputs(text, stdout);
		return STATUS_DONE;
	}
	if (file_replace(c->args[0], text, strlen(text), 0600, &err) < 0) {
		complain_error(&err);
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}
