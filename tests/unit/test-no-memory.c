/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory runs out: at each allocation that libcfg makes, once or for good. What then comes back is -ENOMEM, or the very result that comes with
 * memory; what was given is as it was, nothing leaks (the sanitizer says), and the next time it works. With FAULT_ALL in the environment of all
 * allocations, else of some of each trial, spread over them.
 *
 * The calls of libcfg are wrapped (memory_calls in Makefile.am); what json-c allocates fails where libcfg asks for it: a new value, or a place
 * for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <json.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kernel/aptpl.h"
#include "kernel/kernel.h"
#include "store/store.h"
#include "tests/unit/model-help.h"

#define SAMPLE 60	/* allocations of a trial that fail, when not all do */

/* ---- the allocations ---- */

static struct {
	unsigned long count, fails_at;	/* 0: none */
	bool always;
} memory;

static bool out_of_memory(void)
{
	memory.count++;
	if (!memory.fails_at || (memory.always ? memory.count < memory.fails_at : memory.count != memory.fails_at))
		return false;
	errno = ENOMEM;
	return true;
}

#define WRAPPED(type, call, params, args, failed)	\
	type __real_##call params;			\
	type __wrap_##call params;			\
	type __wrap_##call params			\
	{						\
		return out_of_memory() ? (failed) : __real_##call args;	\
	}						\
	struct cfg_swallow_semicolon

WRAPPED(void *, malloc, (size_t n), (n), NULL);
WRAPPED(void *, calloc, (size_t n, size_t size), (n, size), NULL);
WRAPPED(void *, realloc, (void *p, size_t n), (p, n), NULL);
WRAPPED(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL);
WRAPPED(char *, strdup, (const char *s), (s), NULL);
WRAPPED(char *, strndup, (const char *s, size_t n), (s, n), NULL);
WRAPPED(int, vasprintf, (char **ret, const char *fmt, va_list ap), (ret, fmt, ap), -1);
WRAPPED(FILE *, open_memstream, (char **ret, size_t *ret_n), (ret, ret_n), NULL);
WRAPPED(struct json_object *, json_object_new_object, (void), (), NULL);
WRAPPED(struct json_object *, json_object_new_array, (void), (), NULL);
WRAPPED(struct json_object *, json_object_new_string, (const char *s), (s), NULL);
WRAPPED(struct json_object *, json_object_new_string_len, (const char *s, int n), (s, n), NULL);
WRAPPED(struct json_object *, json_object_new_boolean, (json_bool v), (v), NULL);
WRAPPED(struct json_object *, json_object_new_int, (int32_t v), (v), NULL);
WRAPPED(struct json_object *, json_object_new_int64, (int64_t v), (v), NULL);
WRAPPED(struct json_object *, json_object_new_uint64, (uint64_t v), (v), NULL);
WRAPPED(int, json_object_object_add, (struct json_object *o, const char *key, struct json_object *v), (o, key, v), -1);
WRAPPED(int, json_object_array_add, (struct json_object *o, struct json_object *v), (o, v), -1);
WRAPPED(struct json_tokener *, json_tokener_new, (void), (), NULL);

static void memory_fails(unsigned long at, bool always)
{
	memory.count = 0;
	memory.fails_at = at;
	memory.always = always;
}

/* From here on there is enough; how many allocations there were. */
static unsigned long memory_returns(void)
{
	unsigned long n = memory.count;

	memory.fails_at = 0;
	return n;
}

/* ---- trials ---- */

struct fixture {
	char *text, *top;
	size_t len;
	struct tree *before, *after;
	struct changes changes;
	struct store_paths paths;
};

/* Returns what came back, and in *ret text of what was made, by which two runs can be compared; NULL when it failed. Calls memory_returns() when
 * it is done with what is tried. */
typedef int trial_fn(struct fixture *f, unsigned long *ret_allocations, char **ret);

static void try_at(struct fixture *f, trial_fn *trial, unsigned long k, bool always, int r_with_memory, const char *with_memory)
{
	_cleanup_free_ char *text = NULL;
	unsigned long n;
	int r;

	memory_fails(k, always);
	r = trial(f, &n, &text);
	memory_fails(0, false);
	if (r != -ENOMEM && r != r_with_memory)
		fail_msg("allocation %lu%s fails, and %d comes back", k, always ? " and all after it" : "", r);
	if (r != -ENOMEM && !streq_ptr(text, with_memory))
		fail_msg("allocation %lu%s fails, and what comes of it is\n%s\ninstead of\n%s", k, always ? " and all after it" : "",
			 text ? text : "nothing", with_memory ? with_memory : "nothing");
}

static void try_all(void **state, trial_fn *trial)
{
	struct fixture *f = *state;
	_cleanup_free_ char *with_memory = NULL, *again = NULL;
	unsigned long n, step;
	int r;

	memory_fails(0, false);
	r = trial(f, &n, &with_memory);
	assert_true(n > 0);
	step = getenv("FAULT_ALL") ? 1 : n / SAMPLE + 1;
	for (unsigned long k = 1; k <= n; k += step) {
		try_at(f, trial, k, false, r, with_memory);
		try_at(f, trial, k, true, r, with_memory);
	}
	memory_fails(0, false);
	assert_int_equal(trial(f, &n, &again), r);
	assert_true(streq_ptr(again, with_memory));
	print_message("# %lu allocations, one of %lu of which failed at a time, and all from it on\n", n, step);
}

/* The code that counts, if what failed says so in its errors only. */
static int code_of(int r, const struct cfg_errors *errs)
{
	for (size_t i = 0; r < 0 && i < errs->n; i++)
		if (errs->items[i].code == ENOMEM)
			return -ENOMEM;
	return r;
}

static int try_document(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = document_parse("everything.json", f->text, f->len, &d, &errs);

	*ret_n = memory_returns();
	if (r >= 0)
		*ret = tree_to_text(d.tree);
	return code_of(r, &errs);
}

static int try_bad_document(struct fixture *f, unsigned long *ret_n, char **ret)
{
	static const char text[] = "{ \"version\": 1, \"hosts\": { \"x\": {}, \"y\": { \"dhchap_hash\": 1 } }, \"ports\": { \"1\": { \"trtype\": \"tpc\" } } }";
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = document_parse("bad.json", text, strlen(text), &d, &errs);

	*ret_n = memory_returns();
	/* Where it stands may be missing. */
	*ret = strf("%zu problems", errs.total);
	return code_of(r, &errs);
}

static int try_generate_and_validate(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_(tree_freep) struct tree *t = tree_copy(f->after);
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = t ? tree_generate(t) : -ENOMEM;

	if (r >= 0)
		r = validate_tree(t, &errs);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = tree_to_text(t);
	return code_of(r, &errs);
}

/* What is needed for the trial and is not part of it. */
static struct tree *copy_of(const struct tree *t)
{
	unsigned long at = memory.fails_at;
	struct tree *copy;

	memory.fails_at = 0;
	copy = tree_copy(t);
	memory_fails(at, memory.always);
	return copy;
}

/* -ENOTRECOVERABLE says that a tree is of no more use for lack of memory: else it is as it was. */
static int expect_as_before(int r, const struct tree *t, const struct tree *before)
{
	_cleanup_free_ char *is = NULL, *was = NULL;

	if (r == -ENOTRECOVERABLE)
		return -ENOMEM;
	is = tree_to_text(t);
	was = tree_to_text(before);
	assert_string_equal(is, was);
	return r;
}

static int try_changes(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_(tree_freep) struct tree *t = copy_of(f->before);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	int r = changes_diff(f->before, f->after, false, &c);

	if (r >= 0)
		r = changes_apply(t, &c, NULL);
	if (r < 0) {
		*ret_n = memory_returns();
		return expect_as_before(r, t, f->before);
	}
	r = validate_changes(t, &c, &errs);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = tree_to_text(t);
	return code_of(r, &errs);
}

static int try_edits(struct fixture *f, unsigned long *ret_n, char **ret)
{
	struct edit_attr type = { "type", EDIT_ASSIGN, "block" }, device = { "device", EDIT_ASSIGN, "/dev/vdz" };
	struct edit items[] = {
		{ .verb = EDIT_CREATE, .path = "backends/new", .attrs = (struct edit_attr[]){ type, device }, .n_attrs = 2, .place = "edit 1" },
		{ .verb = EDIT_CREATE, .path = "subsystems/nqn.2026-11.org.example:new" },
		{ .verb = EDIT_DELETE, .path = "ports/1", .recursive = true },
	};
	struct edits edits = { .items = items, .n = ARRAY_SIZE(items) };
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_(tree_freep) struct tree *t = copy_of(f->after);
	int r = edits_to_changes(t, &edits, &c, &errs);

	*ret_n = memory_returns();
	r = expect_as_before(r, t, f->after);
	/* What is generated is another one each time. */
	if (r >= 0)
		*ret = strf("%zu changes", c.n);
	return code_of(r, &errs);
}

static int try_plan(struct fixture *f, unsigned long *ret_n, char **ret)
{
	const struct kernel_facts facts = { .leaks = true, .release = "6.12" };
	_cleanup_(tree_freep) struct tree *target = NULL, *actual = NULL;
	_cleanup_scope_ struct scope scope = { 0 };
	_cleanup_strv_ char **claims = NULL;
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_error_ struct cfg_error err = { 0 };
	int r = kernel_scope(f->after, &f->changes, &scope);

	if (r >= 0)
		r = kernel_claims(f->after, &f->changes, &scope, NULL, &claims);
	if (r >= 0)
		r = kernel_lower(f->after, &scope, &target, &err);
	if (r >= 0)
		r = kernel_lower(f->before, &scope, &actual, &err);
	if (r >= 0)
		r = kernel_plan(target, actual, &scope, f->before, &f->changes, &facts, &p, &err);
	if (r >= 0)
		r = plan_finish(&p, 0, &err);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%s, %zu steps", p.hash, p.n);
	return r;
}

static int try_compare(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_(tree_freep) struct tree *target = NULL, *actual = NULL;
	_cleanup_scope_ struct scope scope = { 0 };
	struct differences d = { 0 };
	int r = kernel_scope_object(f->after, NULL, &scope);

	if (r >= 0)
		r = kernel_lower(f->after, &scope, &target, NULL);
	if (r >= 0)
		r = kernel_lower(f->before, &scope, &actual, NULL);
	if (r >= 0)
		r = kernel_compare(target, actual, &scope, &d);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%zu differences", d.n);
	differences_done(&d);
	return r;
}

/* ---- the store ---- */

static int try_texts(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_free_ char *line = NULL, *snapshot = NULL, *generation = NULL;
	size_t len;
	int r = store_journal_line(7, 1764000000, "set", &f->changes, &line, &len);

	if (r >= 0)
		r = store_snapshot_text(f->after, 7, &snapshot, &len);
	if (r >= 0)
		r = store_generation_text(f->after, 7, 1764000000, "label", &generation, &len);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%s%s%s", line, snapshot, generation);
	return r;
}

/* Whatever comes of it, the files hold what they held: the next one finds it. */
static int try_load(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_(loaded_done) struct loaded l = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r = store_load(&f->paths, &l, &err);

	*ret_n = memory_returns();
	if (r < 0)
		return err.code == ENOMEM ? -ENOMEM : r;
	*ret = tree_to_text(l.tree);
	assert_int_equal(l.generation, 7);
	assert_int_equal(l.shouts.total, 0);
	return r;
}

static int try_generations(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct generation *list = NULL;
	size_t n = 0;
	int r = store_generations(&f->paths, &list, &n, &errs, &err);

	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%zu, %s", n, n ? list[0].label : "");
	generations_free(list, n);
	return r >= 0 && errs.n ? code_of(-EINVAL, &errs) : code_of(r, &errs);
}

static int use_ledger(struct ledger *l, struct strbuf *line)
{
	char *elements[] = { "hosts/a", "subsystems/b", NULL };
	int r = ledger_begin(l, 1, elements, line);

	if (r >= 0)
		r = ledger_owe(l, "ports/1", "it hangs", line);
	if (r >= 0)
		r = ledger_mark(l, "subsystems/b/namespaces/1", true, line);
	if (r >= 0)
		r = ledger_end(l, 1, line);
	return r >= 0 ? ledger_begin(l, 2, elements, line) : r;
}

static int try_ledger(struct fixture *f, unsigned long *ret_n, char **ret)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(), *other = ledger_new();
	_cleanup_free_ char *text = NULL;
	size_t bad = 0, len;
	int r = l && other ? use_ledger(l, &line) : -ENOMEM;

	if (r >= 0)
		r = line.failed ? -ENOMEM : ledger_load(other, line.s, line.len, &bad);
	if (r >= 0)
		r = ledger_settle(other, &line);
	if (r >= 0)
		r = ledger_text(other, &text, &len);
	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%s%zu", text, bad);
	return r;
}

static int try_registrations(struct fixture *f, unsigned long *ret_n, char **ret)
{
	static const char text[] =
		"PR_REG_START: 0\ninitiator_fabric=iSCSI\ninitiator_node=iqn.2026-11.org.example:client\ninitiator_sid=0x00023d000001\n"
		"sa_res_key=2748\nres_holder=0\nres_all_tg_pt=0\nmapped_lun=0\ntarget_fabric=iSCSI\ntarget_node=iqn.2026-11.org.example:t\n"
		"tpgt=1\nport_rtpi=1\ntarget_lun=0\nPR_REG_END: 0\n";
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct aptpl a = { 0 };
	int r = aptpl_parse(text, strlen(text), "pr/aptpl_x", &a, &err);

	*ret_n = memory_returns();
	if (r >= 0)
		*ret = strf("%zu", a.n);
	aptpl_done(&a);
	return r;
}

#define TRIAL(name)					\
	static void test_##name(void **state)		\
	{						\
		try_all(state, try_##name);		\
	}						\
	struct cfg_swallow_semicolon

TRIAL(document);
TRIAL(bad_document);
TRIAL(generate_and_validate);
TRIAL(changes);
TRIAL(edits);
TRIAL(plan);
TRIAL(compare);
TRIAL(texts);
TRIAL(load);
TRIAL(generations);
TRIAL(ledger);
TRIAL(registrations);

/* ---- what is tried on ---- */

static void put(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, name);

	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *small = NULL, *snapshot = NULL, *generation = NULL, *line = NULL, *generations = NULL;
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	size_t len;

	f->text = sample_read("everything.json", &f->len);
	assert_int_equal(document_parse("everything.json", f->text, f->len, &d, &errs), 0);
	f->after = steal_ptr(d.tree);
	assert_int_equal(tree_generate(f->after), 0);
	small = sample_read("small.json", &len);
	f->before = tree_from_valid_text(small);
	assert_int_equal(changes_diff(f->before, f->after, false, &f->changes), 0);
	f->top = strf("%s/nvmetctl-memory-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->top));
	generations = strf("%s/generations", f->top);
	assert_int_equal(mkdir(generations, 0700), 0);
	f->paths = (struct store_paths){ f->top, f->top, f->top };
	assert_int_equal(store_snapshot_text(f->before, 6, &snapshot, &len), 0);
	assert_int_equal(store_generation_text(f->before, 6, 1764000000, "kept", &generation, &len), 0);
	assert_int_equal(store_journal_line(7, 1764000000, "apply", &f->changes, &line, &len), 0);
	put(f->top, "config.json", snapshot);
	put(f->top, "journal", line);
	put(generations, "6.json", generation);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	changes_done(&f->changes);
	tree_free(f->before);
	tree_free(f->after);
	free(f->text);
	free(f->top);
	free(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_bad_document),
		cmocka_unit_test(test_generate_and_validate),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_registrations),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
