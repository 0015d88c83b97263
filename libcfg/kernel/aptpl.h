/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_APTPL_H
#define CFG_APTPL_H

/*
 * Persistent reservations that outlive power: the file <dbroot>/pr/aptpl_SERIAL, which the kernel writes and never reads, and what makes
 * the kernel know again what stands in it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct aptpl_registration {
	char *fabric, *node;	/* of the initiator */
	char *sid;		/* NULL: it has none */
	char *target;		/* name of the target that it registered with; its portal group, and the LUN as it saw it */
	uint64_t tpgt, mapped_lun;
	uint64_t key;
	bool holder;		/* of the reservation */
	bool shared;		/* with all who are registered: then the kernel names one of them as holder */
	char *restore;		/* what is written to pr/res_aptpl_metadata */
};

struct aptpl {
	struct aptpl_registration *items;
	size_t n;
};

/* text has len bytes and a NUL behind them; file is for messages. On success *ret is the caller's to give up with aptpl_done(). -EINVAL with file and
 * line when it is damaged, or holds what cannot be given to the kernel; -ENOMEM. */
int aptpl_parse(const char *text, size_t len, const char *file, struct aptpl *ret, struct cfg_error *err);
void aptpl_done(struct aptpl *a);

/* That the kernel knows it, and that the reservation is its if it was: registered is what pr/res_pr_registered_i_pts reads, holder what
 * pr/res_holder does. -EUNATCH with what is missing. */
int aptpl_check(const struct aptpl_registration *r, const char *registered, const char *holder, struct cfg_error *err);

#endif
