/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transaction would do to the model: its changes, whether they are valid, what they touch, what that has to claim, and how the
 * kernel should have it. The model is not changed here: changes are applied to look ahead, and taken back at once.
 */
#include "daemon/transaction.h"

#include <errno.h>

#include "base/text.h"
#include "model/validate.h"

/* Some values that are made here follow from where an object stands, or are what nobody else has: so it stands in the tree. */
static int generate_new(struct txn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct change *c = t->changes.items[i];
		struct object *o = c->after ? tree_find(t->m->wanted, c->path) : NULL;

		if (o && (object_generate_again(o, c->path, txn_made(t)) < 0 || object_assign(c->after, o) < 0))
			return -ENOMEM;
	}
	return 0;
}

static int diff_to(struct txn *t, const struct tree *b, bool merge)
{
	return changes_diff(t->m->wanted, b, merge, &t->changes) < 0 ?
		       cfg_errors_add(&t->errors, ENOMEM, NULL, NULL, NULL, "out of memory") : 0;
}

static int make_changes(struct txn *t)
{
	struct manager *m = t->m;
	_cleanup_(tree_freep) struct tree *empty = NULL;

	switch (t->request.act) {
	case ACT_CHANGE:
		t->request.edits.made = txn_made(t);
		return manager_survives(edits_to_changes(m->wanted, &t->request.edits, &t->changes, &t->errors));
	case ACT_APPLY:
	case ACT_RESTORE:
	case ACT_ROLLBACK:
		return t->parts ? diff_to(t, parts_now(t->parts), true) : diff_to(t, t->request.document.tree, t->request.merge);
	case ACT_CLEAR:
		empty = tree_new();
		return empty ? diff_to(t, empty, false) : -ENOMEM;
	case ACT_ADOPT:
		return adopt_changes(m, t->request.paths, &t->changes, &t->errors);
	case ACT_RECONCILE:
	case ACT_START:
	case ACT_DEBTS:
	case ACT_MAX:
		break;
	}
	return 0;
}

static int scope_add_ledger(struct txn *t)
{
	_cleanup_free_ const char **unfinished = NULL;
	_cleanup_free_ struct debt *debts = NULL;
	size_t n, n_debts;
	int r;

	t->left_alone = t->m->left_alone;
	r = ledger_unfinished(t->m->ledger, &unfinished, &n);
	if (r >= 0)
		r = ledger_debts(t->m->ledger, &debts, &n_debts);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (strv_append(&t->scope.elements, unfinished[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < n_debts; i++)
		if (strv_append(&t->scope.elements, debts[i].element) < 0)
			return -ENOMEM;
	strv_sort_unique(t->scope.elements);
	return 0;
}

static int scope_of_paths(struct txn *t)
{
	for (char **p = t->request.paths; p && *p; p++) {
		_cleanup_scope_ struct scope one = { 0 };
		_cleanup_path_ struct path parsed = { 0 };
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		int r;

		r = path_parse(*p, &parsed, NULL, &err);
		if (r >= 0 && !tree_find(t->m->wanted, *p) && !ledger_owns(t->m->ledger, *p))
			r = cfg_error_set_at(&err, ENOENT, *p, NULL, "there is no such object in the configuration");
		if (r < 0)
			return cfg_errors_take(&t->errors, &err);
		r = kernel_scope_object(t->m->wanted, *p, &one);
		for (char **e = one.elements; r >= 0 && e && *e; e++)
			r = strv_append(&t->scope.elements, *e);
		for (char **f = one.folders; r >= 0 && f && *f; f++)
			r = strv_append(&t->scope.folders, *f);
		if (r < 0)
			return r;
	}
	strv_sort_unique(t->scope.elements);
	strv_sort_unique(t->scope.folders);
	return 0;
}

/* What hangs is not waited for: all else is done, and this when it has come back. */
static int pass_by(struct txn *t)
{
	_cleanup_strv_ char **names = NULL;
	int r = held_pass_by(t->m, &t->scope, &t->passed_by);

	if (r >= 0 && t->passed_by)
		r = pool_held(t->m->pool, HELD_STUCK, &names, NULL, NULL);
	t->warnings = strv_free(t->warnings);
	return r < 0 ? r : held_warn(names, &t->warnings);
}

static int make_scope(struct txn *t)
{
	int r;

	switch (t->request.act) {
	case ACT_DEBTS:
		t->scope.elements = strv_copy(t->request.paths);
		return t->scope.elements ? 0 : -ENOMEM;
	case ACT_RECONCILE:
		if (t->request.paths)
			return scope_of_paths(t);
		/* fall through */
	case ACT_START:
		r = kernel_scope_object(t->m->wanted, NULL, &t->scope);
		if (r >= 0)
			r = scope_add_ledger(t);
		return r < 0 ? r : pass_by(t);
	case ACT_CLEAR:
		r = kernel_scope(t->m->wanted, &t->changes, &t->scope);
		return r < 0 ? r : held_leave_behind(t->m, &t->scope, &t->left_behind);
	default:
		return kernel_scope(t->m->wanted, &t->changes, &t->scope);
	}
}

static void check_untouched(struct txn *t, const char *path)
{
	const struct object *o = tree_find(t->m->wanted, path);
	uint64_t last = o ? o->generation : (uint64_t)(uintptr_t)map_get(t->m->removed, path);

	if (!last)
		last = o ? t->m->first_generation : t->m->removed_known_from;
	if (last > t->request.generation)
		cfg_errors_add(&t->errors, ESTALE, path, NULL, NULL, "has changed since generation %llu (in %llu)",
			       (unsigned long long)t->request.generation, (unsigned long long)last);
}

/* A document or change that names the generation it was made from: is what it touches still as it was then? */
static int check_generation(struct txn *t)
{
	struct manager *m = t->m;

	if (!t->request.generation || t->request.generation == m->generation)
		return 0;
	if (t->request.generation > m->generation)
		return cfg_errors_add(&t->errors, ESTALE, NULL, NULL, NULL,
				      "was made from generation %llu, but this machine is at %llu",
				      (unsigned long long)t->request.generation, (unsigned long long)m->generation);
	for (size_t i = 0; i < t->changes.n; i++)
		check_untouched(t, t->changes.items[i]->path);
	return t->errors.n ? -ESTALE : 0;
}

/* What an edit stumbles over may be what others have made of the object since the generation that it names: then it is that which is told. */
static void blame_others(struct txn *t)
{
	struct cfg_errors own = t->errors;

	if (!t->request.generation || t->request.generation >= t->m->generation)
		return;
	t->errors = (struct cfg_errors){ 0 };
	for (size_t i = 0; i < t->request.edits.n; i++)
		check_untouched(t, t->request.edits.items[i].path);
	if (t->errors.n)
		cfg_errors_done(&own);
	else
		t->errors = own;
}

/* ---- what was asked for and is so already ---- */

static int append_claim(char ***list, char mode, const char *prefix, const char *path)
{
	_cleanup_free_ char *text = strf("%c %s%s", mode, prefix, path);

	return text ? strv_append(list, text) : -ENOMEM;
}

static int append_mentioned(char ***list, const char *path)
{
	int r = append_claim(list, 's', "=", path);

	return r < 0 ? r : append_claim(list, 's', "", path);
}

/* Names in a list of links; whole: it is to hold no others. */
static int append_links(char ***list, const char *path, const struct attr_row *row, char *const *names, bool whole)
{
	_cleanup_free_ char *folder = strf("%s/%s", path, row->file);
	int r = folder ? append_claim(list, whole ? 'x' : 's', "", folder) : -ENOMEM;

	for (; r >= 0 && names && *names; names++) {
		_cleanup_free_ char *edge = strf("%s/%s", folder, *names);

		r = edge ? append_claim(list, 's', "", edge) : -ENOMEM;
	}
	return r;
}

static int mention_edit(char ***list, const struct edit *e)
{
	_cleanup_path_ struct path parsed = { 0 };
	_cleanup_free_ char *path = NULL;
	int r;

	if (path_parse(e->path, &parsed, NULL, NULL) < 0 || !parsed.depth)
		return 0;
	path = path_text(&parsed);
	if (!path)
		return -ENOMEM;
	r = append_mentioned(list, path);
	for (size_t i = 0; r >= 0 && i < e->n_attrs; i++) {
		const struct attr_row *row = attr_find(path_kind(path), e->attrs[i].name);
		_cleanup_strv_ char **names = NULL;

		if (!row || !attr_is_links(row))
			continue;
		r = edit_attr_names(row, &e->attrs[i], &names);
		if (r >= 0)
			r = append_links(list, path, row, names, e->attrs[i].op == EDIT_ASSIGN);
	}
	return r;
}

static int mention_below(char ***list, const struct object *o)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < o->n_children; i++) {
		const struct object *child = o->children[i];
		_cleanup_free_ char *path = object_path(child);

		r = path ? append_mentioned(list, path) : -ENOMEM;
		attr_foreach(row, child->kind)
			if (r >= 0 && attr_is_links(row) && object_get_list(child, row))
				r = append_links(list, path, row, object_get_list(child, row), false);
		if (r >= 0)
			r = mention_below(list, child);
	}
	return r;
}

/*
 * Of what it asks for, some may be so already: that counts as much as what it changes, and nobody may change it meanwhile. What says how all is to
 * be excludes others that do, since of each of two of them the other one's objects are no part.
 */
static int claims_beyond_changes(struct txn *t, char ***ret)
{
	int r = 0;

	if (!t->changes.n || t->request.dry_run)
		return 0;
	switch (t->request.act) {
	case ACT_CHANGE:
		for (size_t i = 0; r >= 0 && i < t->request.edits.n; i++)
			r = mention_edit(ret, &t->request.edits.items[i]);
		return r;
	case ACT_APPLY:
		if (t->request.merge)
			return mention_below(ret, tree_root(t->request.document.tree));
		/* fall through */
	case ACT_RESTORE:
	case ACT_ROLLBACK:
	case ACT_CLEAR:
		return strv_append(ret, "x whole document");
	default:
		return 0;
	}
}

/* What needs the tree as it will be: validity, scope, claims, the kernel's terms. */
static int look_ahead(struct txn *t, char ***ret_claims)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_strv_ char **more = NULL;
	int r;

	r = manager_survives(changes_apply(t->m->wanted, &t->changes, &err));
	if (r < 0)
		return cfg_errors_take(&t->errors, &err);
	r = generate_new(t);
	if (r >= 0)
		r = validate_changes(t->m->wanted, &t->changes, &t->errors);
	if (r >= 0)
		r = make_scope(t);
	if (r >= 0)
		r = claims_beyond_changes(t, &more);
	if (r >= 0)
		r = kernel_claims(t->m->wanted, &t->changes, &t->scope, more, ret_claims);
	if (r >= 0 && (t->passed_by || t->left_behind))
		held_yield(t->m, t->passed_by, *ret_claims);
	if (r >= 0)
		r = kernel_lower(t->m->wanted, &t->scope, &t->target, &err);
	if (r < 0 && cfg_error_is_set(&err))
		cfg_errors_take(&t->errors, &err);
	manager_survives(changes_revert(t->m->wanted, &t->changes));
	return r;
}

int txn_prepare(struct txn *t, char ***ret_claims)
{
	int r;

	txn_reset(t);
	r = make_changes(t);
	if (r < 0)
		blame_others(t);
	else
		r = check_generation(t);
	if (r >= 0)
		r = look_ahead(t, ret_claims);
	if (r < 0) {
		if (!t->errors.n)
			cfg_errors_add(&t->errors, -r, NULL, NULL, NULL, "%s", strerror(-r));
		places_annotate(t->request.document.places, &t->errors);
	}
	return r;
}

void txn_count_changes(struct txn *t)
{
	/* A document that goes in parts only adds; that ports grow is its own doing. */
	if (!t->parts)
		t->created = t->changed = t->removed = 0;
	t->deletions = strv_free(t->deletions);
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct change *c = t->changes.items[i];

		if (!c->before) {
			t->created++;
		} else if (c->after) {
			t->changed += !t->parts;
		} else {
			t->removed++;
			if (t->removed <= LISTED_MAX)
				strv_append(&t->deletions, c->path);
		}
	}
}
