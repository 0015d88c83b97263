/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that take or give whole documents: check, diff, apply, restore, save; and those that need no more than options. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "model/change.h"
#include "model/document.h"
#include "model/validate.h"

/* Pipes are welcome here, and waited for. */
static int read_any(const char *file, char **ret_text, size_t *ret_len, struct cfg_error *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cfg_error_set(err, errno, "%s: cannot be opened: %s", file, strerror(errno));
	if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return cfg_error_set(err, EISDIR, "%s: is no document, but a %s", file,
				     S_ISDIR(st.st_mode) ? "folder" : "block device");
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > JSON_MAX_BYTES)
		return cfg_error_set(err, EFBIG, "%s: is larger than %u MiB", file, JSON_MAX_BYTES >> 20);
	return file_read_fd(fd, file, JSON_MAX_BYTES, ret_text, ret_len, err);
}

int read_document(const char *file, const char **ret_name, char **ret_text, size_t *ret_len)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	bool is_stdin = streq(file, "-");
	int r;

	*ret_name = is_stdin ? "standard input" : file;
	r = is_stdin ? file_read_fd(STDIN_FILENO, *ret_name, JSON_MAX_BYTES, ret_text, ret_len, &err) :
		       read_any(file, ret_text, ret_len, &err);
	if (r >= 0)
		r = json_check_values(*ret_name, *ret_text, *ret_len, &err);
	if (r >= 0)
		return 0;
	complain_error(&err);
	return err.code == EFBIG ? STATUS_INVALID : STATUS_FAILED;
}

/* ---- without the daemon ---- */

/* An exit status; 0 also when there are problems, which are for the caller to tell. */
static int load_document(const char *file, struct document *ret, struct cfg_errors *errs)
{
	_cleanup_free_ char *text = NULL;
	const char *name;
	size_t len;
	int r = read_document(file, &name, &text, &len);

	if (r)
		return r;
	document_parse(name, text, len, ret, errs);
	explicit_bzero(text, len);
	return 0;
}

/* What an object needs and a document may leave out is made, as the daemon would. */
static int validate_document(struct document *d, struct cfg_errors *errs)
{
	if (!d->tree)
		return 0;
	if (tree_generate(d->tree) < 0)
		return out_of_memory();
	if (validate_tree(d->tree, errs) < 0)
		places_annotate(d->places, errs);
	return 0;
}

static struct json_object *error_to_json(const struct cfg_error *e)
{
	const struct {
		const char *key, *value;
	} parts[] = { { "object", e->object }, { "attribute", e->attr }, { "place", e->place }, { "message", e->msg } };
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].value)
			json_object_object_add(o, parts[i].key, json_object_new_string(parts[i].value));
	return o;
}

static int print_check_json(const struct document *d, const struct cfg_errors *errs)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_object_add(o, "valid", json_object_new_boolean(!errs->n));
	if (!errs->n)
		json_object_object_add(o, "objects", json_object_new_uint64(tree_count(d->tree)));
	for (size_t i = 0; i < errs->n; i++)
		json_object_array_add(list, error_to_json(&errs->items[i]));
	json_object_object_add(o, "errors", list);
	if (errs->total > errs->n)
		json_object_object_add(o, "more_errors", json_object_new_uint64(errs->total - errs->n));
	return print_json(o);
}

int verb_check(struct cli *c)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = load_document(c->args[0], &d, &errs);

	if (!r)
		r = validate_document(&d, &errs);
	if (r)
		return r;
	if (c->json)
		print_check_json(&d, &errs);
	else
		complain_errors(&errs);
	if (!errs.n && !c->json && !c->quiet) {
		_cleanup_free_ char *count = count_text(tree_count(d.tree), "objects");

		printf("%s: is valid: %s\n", c->args[0], count ? count : "");
	}
	return errs.n ? STATUS_INVALID : STATUS_DONE;
}

/* ---- diff --offline ---- */

static bool row_differs(const struct change *ch, const struct attr_row *row)
{
	if (attr_is_list(row))
		return !strv_equal(object_get_list(ch->before, row), object_get_list(ch->after, row));
	return !streq_ptr(object_get_row(ch->before, row), object_get_row(ch->after, row));
}

static const char *change_word(const struct change *ch)
{
	return !ch->before ? "create" : !ch->after ? "delete" : "set";
}

static void print_value(const struct object *o, const struct attr_row *row)
{
	_cleanup_free_ char *joined = attr_is_list(row) ? strv_join(object_get_list(o, row), ",") : NULL;

	if (attr_is_list(row))
		printf("%s", joined && *joined ? joined : "(none)");
	else
		printf("%s", object_get_row(o, row) ? object_get_row(o, row) : "(default)");
}

static void print_change(const struct change *ch)
{
	printf("%s %s\n", change_word(ch), ch->path);
	if (!ch->before || !ch->after)
		return;
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

/* One side of a change as in a document; for a change of values only what differs. */
static struct json_object *side_to_json(const struct change *ch, const struct object *side)
{
	struct json_object *o = side ? object_to_json(side, 0) : NULL;

	if (!o || !ch->before || !ch->after)
		return o;
	attr_foreach(row, side->kind)
		if (!row_differs(ch, row))
			json_object_object_del(o, row->name);
	return o;
}

static int print_changes_json(const struct changes *changes)
{
	_cleanup_json_ struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < changes->n; i++) {
		const struct change *ch = changes->items[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "change", json_object_new_string(change_word(ch)));
		json_object_object_add(o, "object", json_object_new_string(ch->path));
		if (ch->before)
			json_object_object_add(o, "before", side_to_json(ch, ch->before));
		if (ch->after)
			json_object_object_add(o, "after", side_to_json(ch, ch->after));
		json_object_array_add(list, o);
	}
	return print_json(list);
}

/* The saved document lags behind the journal, which is the daemon's to read. */
static void warn_of_journal(void)
{
	struct stat st;

	if (stat(LOCALSTATEDIR "/lib/nvmetctl/journal", &st) == 0 && st.st_size)
		complain("warning: the saved document is not the newest state, what was changed since is in the journal; without "
			 "--offline the daemon compares with the newest");
}

static int print_changes(struct cli *c, const struct changes *changes)
{
	if (c->json)
		return print_changes_json(changes);
	for (size_t i = 0; i < changes->n; i++)
		print_change(changes->items[i]);
	if (!changes->n && !c->quiet)
		puts("No difference.");
	return STATUS_DONE;
}

static int diff_offline(struct cli *c)
{
	const char *from = c->n_args > 1 ? c->args[0] : SYSCONFDIR "/nvmetctl/config.json";
	_cleanup_document_ struct document a = { 0 }, b = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_changes_ struct changes changes = { 0 };
	int r = load_document(from, &a, &errs);

	if (!r)
		r = load_document(c->args[c->n_args - 1], &b, &errs);
	/* Compared as they are written: what would be made for them differs each time. */
	if (!r && !errs.n && changes_diff(a.tree, b.tree, c->merge, &changes) < 0)
		r = out_of_memory();
	if (!r)
		r = validate_document(&a, &errs);
	if (!r)
		r = validate_document(&b, &errs);
	if (r)
		return r;
	if (errs.n) {
		complain_errors(&errs);
		return STATUS_INVALID;
	}
	if (c->n_args == 1)
		warn_of_journal();
	return print_changes(c, &changes);
}

/* ---- with it ---- */

static int send_document(struct cli *c, const char *method, const char *file)
{
	struct call call;
	int r = client_document_call(c, method, file, &call);

	return r ? r : change_run(c, &call);
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

static int send_simple(struct cli *c, struct call *call)
{
	int r = client_append_options(c, call);

	return r ? r : change_run(c, call);
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
	return sd_bus_message_append(call.message, "s", "") < 0 ? out_of_memory() : send_simple(c, &call);
}

int verb_clear(struct cli *c)
{
	struct call call;
	int r = client_call_new(c, "Clear", &call);

	return r ? r : send_simple(c, &call);
}

static int with_paths(struct cli *c, const char *method)
{
	struct call call;
	int r = client_call_new(c, method, &call);

	if (r)
		return r;
	if (sd_bus_message_append_strv(call.message, c->args) < 0) {
		sd_bus_message_unref(call.message);
		return usage_error(c, "a path is not UTF-8 text");
	}
	return send_simple(c, &call);
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
	return sd_bus_message_append(call.message, "t", number) < 0 ? out_of_memory() : send_simple(c, &call);
}

/* ---- save ---- */

static int save_generation(struct cli *c)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	uint64_t generation = 0;
	struct call call;
	int r = client_call_new(c, "Save", &call);

	if (r)
		return r;
	if (sd_bus_message_append(call.message, "s", c->name ? c->name : "saved") < 0) {
		sd_bus_message_unref(call.message);
		return usage_error(c, "the name is not UTF-8 text");
	}
	r = client_call(c, &call, &reply);
	if (r)
		return r;
	sd_bus_message_read(reply, "t", &generation);
	if (c->json)
		printf("{ \"generation\": %llu }\n", (unsigned long long)generation);
	else if (!c->quiet)
		printf("The present state is kept as generation %llu.\n", (unsigned long long)generation);
	return STATUS_DONE;
}

static int save_file(const char *file, const char *text)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct stat st;

	if (streq(file, "-")) {
		fputs(text, stdout);
		return STATUS_DONE;
	}
	/* A device or pipe is written to, never replaced by a file. */
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
		complain("%s: is not a regular file; - is standard output", file);
		return STATUS_FAILED;
	}
	if (file_replace(file, text, strlen(text), 0600, &err) >= 0)
		return STATUS_DONE;
	complain_error(&err);
	return STATUS_FAILED;
}

int verb_save(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (!c->n_args)
		return save_generation(c);
	if (c->name)
		return usage_error(c, "--name is for what the daemon keeps; a file has a name");
	r = client_look(c, "Dump", "", &doc);
	if (r)
		return r;
	/* What is configured, wherever it goes: not at which number this machine is. `show --json` has that. */
	json_object_object_del(doc, "generation");
	text = json_print(doc);
	return text ? save_file(c->args[0], text) : out_of_memory();
}
