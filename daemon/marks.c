/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leak marks: on some kernels a host's command to a namespace that exists and is disabled takes a reference that is never given back,
 * and the removal of such a namespace alone would leave it exported. Those that could have met one are noted in the ledger before
 * the step that exposes them, whichever way the transaction goes, and the planner removes them with care.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"

static bool is_namespace(const char *path)
{
	return strncmp(path, "nvmet/subsystems/", 17) == 0 && strstr(path, "/namespaces/");
}

/* Whether the step leaves a namespace that hosts may have addressed while it was disabled. */
static bool exposes(const struct step *s)
{
	bool made = false, disabled = false, removed = false;

	for (size_t i = 0; i < s->ops.n; i++) {
		const struct op *op = &s->ops.items[i];

		if (!is_namespace(op->path))
			continue;
		made |= op->verb == OP_MKDIR && s->phase == PHASE_SWITCH;
		disabled |= op->verb == OP_WRITE && op->attr && streq(op->attr, "enable") && streq_ptr(op->value, "0");
		removed |= op->verb == OP_RMDIR;
	}
	return (made || disabled) && !removed;
}

static bool removes_namespace(const struct step *s)
{
	for (size_t i = 0; i < s->ops.n; i++)
		if (s->ops.items[i].verb == OP_RMDIR && is_namespace(s->ops.items[i].path))
			return true;
	return false;
}

bool marks_has(const struct manager *m, const char *path)
{
	return !ledger_knows(m->ledger) || ledger_marked(m->ledger, path);
}

void marks_begin(struct manager *m)
{
	const struct object *root = tree_root(m->actual);
	_cleanup_strbuf_ struct strbuf lines = { 0 };
	int r = 0;

	if (ledger_knows(m->ledger))
		return;
	for (size_t i = 0; i < object_count(root, KIND_SUBSYSTEM); i++) {
		const struct object *s = object_nth(root, KIND_SUBSYSTEM, i);

		for (size_t k = 0; r >= 0 && k < object_count(s, KIND_NAMESPACE); k++) {
			_cleanup_free_ char *path = object_path(object_nth(s, KIND_NAMESPACE, k));

			r = path ? ledger_mark(m->ledger, path, true, &lines) : -ENOMEM;
		}
	}
	if (r >= 0)
		ledger_know(m->ledger, &lines);
	manager_ledger_write(m, &lines, NULL);
}

int marks_adopt(struct manager *m, const struct changes *c, struct cfg_error *err)
{
	_cleanup_strbuf_ struct strbuf lines = { 0 };

	for (size_t i = 0; i < c->n; i++)
		if (c->items[i]->after && c->items[i]->after->kind == KIND_NAMESPACE &&
		    ledger_mark(m->ledger, c->items[i]->path, true, &lines) < 0)
			return cfg_error_oom(err);
	return manager_ledger_write(m, &lines, err);
}

int marks_before(struct manager *m, const struct step *s, struct cfg_error *err)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (!exposes(s) || ledger_marked(m->ledger, s->object))
		return 0;
	if (ledger_mark(m->ledger, s->object, true, &line) < 0)
		return cfg_error_oom(err);
	return manager_ledger_write(m, &line, err);
}

void marks_after(struct manager *m, const struct step *s)
{
	_cleanup_strbuf_ struct strbuf line = { 0 };

	if (removes_namespace(s) && ledger_marked(m->ledger, s->object) && ledger_mark(m->ledger, s->object, false, &line) >= 0)
		manager_ledger_write(m, &line, NULL);
}
