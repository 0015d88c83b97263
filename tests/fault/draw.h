/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_DRAW_H
#define FAULT_DRAW_H

/* Transactions over few objects, drawn by chance: what one seed yields is always the same. */

#include <stdint.h>

#include "tests/fault/clients.h"

extern const char *const draw_bases[];		/* documents to begin from */
extern const size_t n_draw_bases;

uint64_t draw(uint64_t *random, uint64_t below);
/* One transaction, good or bad; text is the caller's. */
void draw_ask(uint64_t *random, struct ask *ret);
void ask_done(struct ask *a);

#endif
