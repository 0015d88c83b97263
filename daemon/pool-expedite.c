/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing much of the SCSI target waits for one grace period of RCU after another, under locks of the whole tree (kernel-abi 7). While enough
 * of that waits or runs, the kernel's grace periods are expedited: /sys/kernel/rcu_expedited, which is global, so that it is put back as soon
 * as nothing waits for it any more. What hangs does not count.
 *
 * This is about speed alone: where it fails, removing takes longer.
 */
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "daemon/pool-private.h"

static bool waits_for_rcu(const struct oplist *ops)
{
	for (size_t i = 0; i < ops->n; i++) {
		const struct op *op = &ops->items[i];

		if ((op->verb == OP_RMDIR || op->verb == OP_UNLINK) && strncmp(op->path, "target/", 7) == 0)
			return true;
	}
	return false;
}

static void switch_over(struct pool *p);

/* Where it failed, it is not tried again before it would be put back. */
static void on_switched(void *userdata, const struct work_result *result)
{
	struct pool *p = userdata;

	if (result->error)
		fprintf(stderr, SD_WARNING "%s\n", result->message ? result->message : strerror(result->error));
	p->switching = false;
	p->expedited = !p->expedited;
	switch_over(p);
}

/* One switching at a time. It does not stand in line behind the removals that it is for. */
static void switch_over(struct pool *p)
{
	bool on = p->n_counts && (p->expedited || p->n_counts >= p->settings.expedite);

	if (p->switching || on == p->expedited)
		return;
	p->switching = pool_submit(p, WORK_READ, TOKEN_NONE, &p->expedite[on], NULL, on ? "expedite RCU" : "expedite RCU no longer",
				   on_switched, p, NULL) >= 0;
}

void expedite_come(struct work *w)
{
	struct pool *p = w->pool;

	if (!p->settings.expedite || !changes_kernel(w->class) || !waits_for_rcu(w->ops))
		return;
	w->counts = true;
	p->n_counts++;
	switch_over(p);
}

void expedite_go(struct work *w)
{
	if (!w->counts)
		return;
	w->counts = false;
	w->pool->n_counts--;
	switch_over(w->pool);
}

int expedite_init(struct pool *p)
{
	for (int on = 0; on < 2; on++) {
		int r = oplist_add(&p->expedite[on], OP_EXPEDITE, 0, "rcu_expedited", on ? "1" : "0", NULL, NULL);

		if (r < 0)
			return r;
	}
	return 0;
}

void expedite_done(struct pool *p)
{
	for (int on = 0; on < 2; on++)
		oplist_done(&p->expedite[on]);
}
