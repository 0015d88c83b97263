/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one object, for whoever shows objects one by one: costs what is wrong, not what there is. */
#include "daemon/manager-private.h"

static const char *find_debt(const struct manager *m, const char *path)
{
	_cleanup_free_ struct debt *debts = NULL;
	size_t n = 0;

	if (!ledger_owns(m->ledger, path) || ledger_debts(m->ledger, &debts, &n) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (streq(debts[i].element, path))
			return debts[i].reason;
	return NULL;
}

const char *manager_object_state(const struct manager *m, const char *path, const char **ret_reason)
{
	*ret_reason = find_debt(m, path);
	if (*ret_reason)
		return "owed";
	*ret_reason = map_get(m->failed, path);
	if (*ret_reason)
		return "failed";
	return drift_has(m, path) ? "drift" : "up";
}
