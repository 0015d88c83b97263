/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leak marks: on some kernels a host's command to a namespace that exists and is disabled takes a reference that is never given back,
 * and the removal of such a namespace alone would leave it exported. Those that could have met one are noted in the ledger before
 * the step that exposes them, whichever way the transaction goes, and the planner removes them with care.
 */
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
	return m->ledger_new || ledger_marked(m->ledger, path);
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
