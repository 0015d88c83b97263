/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans that dry runs have shown. Some values in them are random: the identities of what would be made. They are remembered with the
 * plan's hash, for the last few, so that who hands the hash back gets exactly what was shown.
 */
#include "daemon/transaction.h"

#include "base/text.h"

static struct map *find(const struct manager *m, const char *hash)
{
	for (size_t i = 0; i < SHOWN_MAX; i++)
		if (m->shown[i].made && streq(m->shown[i].hash, hash))
			return m->shown[i].made;
	return NULL;
}

struct map *txn_made(struct txn *t)
{
	if (t->request.plan_hash)
		return find(t->m, t->request.plan_hash);
	/* Without memory for it there is just no second time. */
	if (t->request.dry_run && !t->made)
		t->made = map_new();
	return t->made;
}

void txn_shown(struct txn *t)
{
	struct manager *m = t->m;
	struct shown *s = &m->shown[m->next_shown];

	if (!t->made || !map_len(t->made))
		return;
	made_free(s->made);
	s->made = steal_ptr(t->made);
	memcpy(s->hash, t->plan.hash, sizeof(s->hash));
	m->next_shown = (m->next_shown + 1) % SHOWN_MAX;
}

void shown_done(struct manager *m)
{
	for (size_t i = 0; i < SHOWN_MAX; i++)
		m->shown[i].made = made_free(m->shown[i].made);
}
