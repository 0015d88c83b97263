/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backing files that a transaction made or let grow, and what its way back can do about them. What it made goes. What a worker died at
 * stays, since someone else may have made it in that moment; and a file that has grown is never shrunk. What stays is told.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/transaction.h"

enum touch { ABSENT, MADE, PERHAPS_MADE, GROWN, UNDER_WAY };

struct touched_file {
	enum touch touch;
	char *path, *element;
	uint64_t size;		/* GROWN: to this */
	bool seen;		/* by the present way back */
};

static int add(struct txn *t, enum touch touch, const struct step *s, const struct op *op)
{
	struct touched_file *list = reallocarray(t->files, t->n_files + 1, sizeof(*list));
	struct touched_file f = { .touch = touch, .path = strdup(op->path), .element = strdup(s->object) };

	if (list)
		t->files = list;
	if (!list || !f.path || !f.element) {
		free(f.path);
		free(f.element);
		return -ENOMEM;
	}
	if (touch == GROWN)
		text_to_u64(op->value, &f.size);
	list[t->n_files++] = f;
	return 0;
}

static bool was_absent(const struct txn *t, const char *path)
{
	for (size_t i = 0; i < t->n_files; i++)
		if (t->files[i].touch == ABSENT && streq(t->files[i].path, path))
			return true;
	return false;
}

int files_note(struct txn *t, const struct step *s, const struct work_result *result)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->ops.n; i++) {
		const struct op *op = &s->ops.items[i];
		bool done = i < result->done;

		if (!done && !result->died)
			break;
		if (op->verb == OP_PROBE && op->flags & OP_MAY_BE_ABSENT && done && !result->data[i])
			r = add(t, ABSENT, s, op);
		else if (op->verb == OP_GROW_FILE)
			r = add(t, GROWN, s, op);
		else if (op->verb == OP_CREATE_FILE && !done && was_absent(t, op->path))
			r = add(t, PERHAPS_MADE, s, op);
		else if (op->verb == OP_CREATE_FILE && result->data && streq_ptr(result->data[i], "created"))
			r = add(t, MADE, s, op);
	}
	return r;
}

int files_under_way(struct txn *t, const struct step *s)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->ops.n; i++) {
		const struct op *op = &s->ops.items[i];

		if (op->verb == OP_GROW_FILE || (op->verb == OP_CREATE_FILE && was_absent(t, op->path)))
			r = add(t, UNDER_WAY, s, op);
	}
	return r;
}

void files_done(struct txn *t)
{
	for (size_t i = 0; i < t->n_files; i++) {
		free(t->files[i].path);
		free(t->files[i].element);
	}
	free(t->files);
	t->files = NULL;
	t->n_files = 0;
}

/* ---- the way back ---- */

static int tell(struct txn *t, const struct touched_file *f, const char *attr, const char *wanted, const char *actual)
{
	return actual ? differences_add(&t->left, f->element, attr, wanted, actual) : -ENOMEM;
}

static void not_removed(struct txn *t, const struct touched_file *f, const struct work_result *result)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	cfg_error_set_at(&err, result->error, f->element, NULL, "%s, which this job had made, could not be removed: %s", f->path,
			 result->message ? result->message : strerror(result->error));
	report_error(t, &err);
	tell(t, f, "file", "absent", f->path);
}

static void perhaps_made(struct txn *t, const struct touched_file *f)
{
	_cleanup_free_ char *text = strf("%s, made by the worker that died, or by someone else just then", f->path);

	tell(t, f, "file", "absent", text);
}

/* probed: what a look at it has told; NULL: nobody could look. */
static void grown(struct txn *t, const struct touched_file *f, const char *probed)
{
	_cleanup_free_ char *now = strf("%llu", (unsigned long long)f->size), *line = strf("size %s\n", now ? now : "");
	const struct object *o = tree_find(t->m->wanted, f->element);
	const char *was = o ? object_get(o, "size") : NULL;

	if (now && line && (!probed || strncmp(probed, line, strlen(line)) == 0))
		tell(t, f, "size", was ? was : "as before", now);
}

static void under_way(struct txn *t, const struct touched_file *f)
{
	_cleanup_free_ char *text = strf("%s, which is being made or let grow", f->path);

	tell(t, f, "file", "as before", text);
}

/* What uses them may be there still. */
int files_left(struct txn *t)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->n_files; i++) {
		const struct touched_file *f = &t->files[i];

		if (f->seen || !(strv_contains(t->back_scope.elements, f->element) || strv_contains(t->unsettled, f->element)))
			continue;
		if (f->touch == MADE)
			r = tell(t, f, "file", "absent", f->path);
		else if (f->touch == PERHAPS_MADE)
			perhaps_made(t, f);
		else if (f->touch == GROWN)
			grown(t, f, NULL);
		else if (f->touch == UNDER_WAY)
			under_way(t, f);
	}
	return r;
}

static void files_next(struct txn *t);

static void on_file(void *userdata, const struct work_result *result)
{
	struct txn *t = userdata;
	struct touched_file *f;
	const char *probed = !result->error ? result->data[0] : NULL;

	t->file_work = NULL;
	if (t->files_stopped) {
		txn_came_back(t);
		return;
	}
	f = &t->files[t->n_files_back++];
	f->seen = true;
	if (f->touch == MADE && result->error)
		not_removed(t, f, result);
	else if (f->touch == PERHAPS_MADE && (probed || result->error))
		perhaps_made(t, f);
	else if (f->touch == GROWN && probed)
		grown(t, f, probed);
	else if (f->touch != GROWN)
		f->touch = ABSENT;
	files_next(t);
}

static int submit(struct txn *t, const struct touched_file *f)
{
	bool made = f->touch == MADE;
	int r;

	oplist_done(&t->file_ops);
	r = oplist_add(&t->file_ops, made ? OP_REMOVE_FILE : OP_PROBE, OP_MAY_BE_ABSENT, f->path, NULL, NULL, NULL);
	return r < 0 ? r : pool_submit(t->m->pool, WORK_CHANGE, TOKEN_NONE, &t->file_ops, f->path,
				       made ? "remove a file made in vain" : "look at a file", on_file, t, &t->file_work);
}

/* One after the other, so that none is kept from its turn by what another one meets. A file of an object that stays, stays. */
static void files_next(struct txn *t)
{
	for (; t->n_files_back < t->n_files; t->n_files_back++) {
		struct touched_file *f = &t->files[t->n_files_back];

		if (f->touch != ABSENT && strv_contains(t->back_scope.elements, f->element) && submit(t, f) >= 0)
			return;
	}
	t->files_back_done(t);
}

void files_unseen(struct txn *t)
{
	t->n_files_back = 0;
	for (size_t i = 0; i < t->n_files; i++)
		t->files[i].seen = false;
}

void files_go_back(struct txn *t, void (*done)(struct txn *t))
{
	files_unseen(t);
	t->files_back_done = done;
	files_next(t);
}
