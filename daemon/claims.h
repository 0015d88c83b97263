/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_CLAIMS_H
#define NVMETD_CLAIMS_H

/*
 * Who may work on what. A key has a queue in order of arrival; a set of claims holds a key when nothing before it in that
 * queue excludes it, and is ready when it holds all of its keys. Sets enter all their queues at once, and a set that needs other keys after
 * all keeps the place that its arrival gives it; one that is ready takes its turn, and from then on waits for nobody. So the order of
 * two sets that wait is the same in every queue: no deadlock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

struct claims;

struct claim_set {
	struct claims *claims;
	void *userdata;
	uint64_t arrival;
	struct claim **items;	/* NULL where given back */
	size_t n;
	size_t waiting;		/* keys not yet held */
	bool queued_ready;
	bool has_turn;
	struct claim_set *next_ready;
};

struct claims *claims_new(void);
struct claims *claims_free(struct claims *c);	/* all sets must have been released */

/* keys: "x KEY" (exclusive) or "s KEY" (shared), NULL-terminated; a key stands there once, in one
 * mode. Enters the queues; 1 when ready at once, 0 when it has to wait
 * (then claims_next_ready() will hand it out), or -ENOMEM with nothing entered. */
int claims_enter(struct claims *c, struct claim_set *set, char *const *keys, void *userdata);
/* Other keys for a set that waits, or was handed out: what it has of them it keeps, and in the queues of the others nobody who came later and
 * waits stays in front of it. Returns as claims_enter(); on -ENOMEM all is given back. */
int claims_change(struct claim_set *set, char *const *keys);
/* Holds all of its keys; not for ever, before it has taken its turn. */
bool claims_ready(const struct claim_set *set);
/* The set is ready, and begins: nobody comes in front of it any more. */
void claims_take_turn(struct claim_set *set);
/* True when the set (entered) covers all of keys already. */
bool claims_cover(const struct claim_set *set, char *const *keys);
/* Gives back one key, by its name without mode; all of them. */
void claims_release(struct claim_set *set, const char *key);
void claims_release_all(struct claim_set *set);
/* The i-th key, without mode; NULL when it was given back. */
const char *claims_key(const struct claim_set *set, size_t i);
/* userdata of a set that has become ready since, or NULL. */
void *claims_next_ready(struct claims *c);
/* For whom a waiting set waits: userdata of the first holder in its way, and the key (borrowed). NULL: for nobody. */
void *claims_blocker(const struct claim_set *set, const char **ret_key);
/* Whether the key is held, and only by those of whose userdata that is true. */
bool claims_held_by(const struct claims *c, const char *key, bool (*is)(const void *userdata));
/* A key for which a waiting set waits behind a first holder of whose userdata that is true; NULL: none. */
const char *claims_behind(const struct claim_set *set, bool (*is)(const void *userdata));

#endif
