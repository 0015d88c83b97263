/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_KEYS_H
#define CFG_KEYS_H

/* The strings under which the tree's index finds an object: "@COLLECTION/NAME" for whom it refers to, "@service:TRTYPE:TRSVCID" for a
 * port that listens there on whatever address, and what object_keys() tells. */

#include "model/object.h"

/* Keys are put together on the stack, so that a lookup or a removal cannot fail. Longer than any value that the kernel or a row
 * takes; a longer one would be cut, the same way each time. */
struct key {
	char text[4352];
};
#define KEYS_MAX 3

const char *key_of_reference(struct key *k, enum kind kind, const char *name);
const char *key_of_service(struct key *k, const char *trtype, const char *trsvcid);
/* A backend by the name of the bridge that it has or would have. */
const char *key_of_bridge(struct key *k, const char *name);
const char *key_of_rtpi(struct key *k, unsigned rtpi);
/* A backend by the number of its ANA group; ANA groups of ports, and namespaces, for which a number but 1 was chosen by hand. */
const char *key_of_ana_grpid(struct key *k, const char *number);
const char *key_of_ana_group(struct key *k, const char *number);
/* A backend by the part of its unit serial that the NAA identifier is made of: digits in hexadecimal, whatever stands between them. */
#define NAA_DIGITS 25
const char *key_of_naa(struct key *k, const char *serial);
/* A portal by its address as a name has it and its port number, and by that alone. */
const char *key_of_portal(struct key *k, const char *address, const char *port);
const char *key_of_portals(struct key *k, const char *port);
/* What an object's name is found under, whatever its values. */
size_t keys_of_name(const struct object *o, struct key k[KEYS_MAX]);
/* What the value of a row, as the object is now, is found under. Not for ATTR_REFS. Several rows may stand for the same keys. */
size_t keys_of_row(const struct object *o, const struct attr_row *row, struct key k[KEYS_MAX]);
/* Of rows that stand for the same keys, one. */
bool keys_are_of(const struct object *o, const struct attr_row *row);

#endif
