/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_MAP_H
#define CFG_MAP_H

/* A hash table from strings to pointers, over json-c's linkhash. It copies keys, unless they are borrowed, and never owns values. */

#include <stddef.h>

#include "base/cleanup.h"

struct map;

struct map *map_new(void);			/* NULL when out of memory */
struct map *map_new_borrowing(void);		/* keys are not copied: each must live, as it is, until it is deleted, or the map freed */
struct map *map_free(struct map *m);		/* returns NULL; takes NULL */
void *map_get(const struct map *m, const char *key);		/* NULL when absent */
int map_put(struct map *m, const char *key, void *value);	/* replaces; value not NULL; -ENOMEM */
void *map_del(struct map *m, const char *key);			/* what was there, or NULL */
void map_shrink(struct map *m);			/* gives back room, when most of it is empty; not during a walk */
size_t map_len(const struct map *m);
CFG_DEFINE_CLEANUP(struct map *, map_free);

/* Walks in order of insertion; the body must not change the map other than deleting the current key. */
struct map_iter { void *entry; const char *key; void *value; };
int map_next(const struct map *m, struct map_iter *it);		/* start with { 0 }; 1 or 0 at the end */

#endif
