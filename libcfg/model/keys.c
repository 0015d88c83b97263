/* SPDX-License-Identifier: Apache-2.0 */
/* What must be one object's alone, or is looked up backwards, as strings. The index itself is object.c's. */
#include "model/keys.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "model/address.h"
#include "model/backend.h"

/* Values that must be one object's alone. */
static const struct keyed {
	enum kind kind;
	const char *attr;
	const char *what;
} keyed[] = {
	{ KIND_BACKEND, "device", "device" },
	{ KIND_BACKEND, "path", "device" },
	{ KIND_BACKEND, "uuid", "uuid" },
	{ KIND_BACKEND, "nguid", "nguid" },
	{ KIND_BACKEND, "vpd_unit_serial", "serial" },
	{ KIND_BACKEND, "storage_object", "storage" },
	{ KIND_BACKEND, "ana_grpid", "ana_grpid" },
	{ KIND_LU_GROUP, "lu_gp_id", "lu_gp_id" },
	{ KIND_BRIDGE, "disk", "disk" },
	{ KIND_TPG, "rtpi", "rtpi" },
	{ KIND_SUBSYSTEM, "passthru_path", "device" },
};

/* By kind and row: one more than the place in keyed[], 0 for none. */
static uint8_t keyed_rows[KIND_MAX][ROWS_MAX];

__attribute__((constructor)) static void complete_keyed_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(keyed); i++) {
		const struct attr_row *row = attr_find(keyed[i].kind, keyed[i].attr);

		assert(row);
		keyed_rows[keyed[i].kind][attr_index(keyed[i].kind, row)] = (uint8_t)(i + 1);
	}
}

/* The parts one after the other, as far as there is room; NULL behind the last. Many are made for each object, too many for snprintf(). */
static const char *make(struct key *k, const char *first, ...)
{
	size_t at = 0;
	va_list ap;

	va_start(ap, first);
	for (const char *part = first; part; part = va_arg(ap, const char *)) {
		size_t n = strnlen(part, sizeof(k->text) - 1 - at);

		memcpy(k->text + at, part, n);
		at += n;
	}
	va_end(ap);
	k->text[at] = 0;
	return k->text;
}

const char *key_of_reference(struct key *k, enum kind kind, const char *name)
{
	return make(k, "@", kind_info(kind)->collection, "/", name, NULL);
}

const char *key_of_service(struct key *k, const char *trtype, const char *trsvcid)
{
	return make(k, "@service:", trtype, ":", trsvcid, NULL);
}

const char *key_of_rtpi(struct key *k, unsigned rtpi)
{
	snprintf(k->text, sizeof(k->text), "rtpi:%u", rtpi);
	return k->text;
}

const char *key_of_ana_grpid(struct key *k, const char *number)
{
	return make(k, "ana_grpid:", number, NULL);
}

const char *key_of_ana_group(struct key *k, const char *number)
{
	return make(k, "@ana_group:", number, NULL);
}

const char *key_of_naa(struct key *k, const char *serial)
{
	char digits[NAA_DIGITS + 1];
	size_t n = 0;

	for (const char *c = serial; *c && n < NAA_DIGITS; c++)
		if (strchr("0123456789abcdefABCDEF", *c))
			digits[n++] = text_lower(*c);
	digits[n] = 0;
	return make(k, "@naa:", digits, NULL);
}

const char *key_of_bridge(struct key *k, const char *name)
{
	return make(k, "@bridge:", name, NULL);
}

static bool key_of_serial(struct key *k, const char *serial)
{
	char name[BRIDGE_NAME_MAX];

	return bridge_name_of_serial(serial, name) && key_of_bridge(k, name);
}

const char *key_of_portal(struct key *k, const char *address, const char *port)
{
	return make(k, "@portal:", address, ":", port, NULL);
}

const char *key_of_portals(struct key *k, const char *port)
{
	return make(k, "@portals:", port, NULL);
}

size_t keys_of_name(const struct object *o, struct key k[KEYS_MAX])
{
	const char *colon = o->kind == KIND_PORTAL ? strrchr(o->name, ':') : NULL;

	/* Group 1 is every namespace's and port's. */
	if (o->kind == KIND_ANA_GROUP && !streq(o->name, "1")) {
		key_of_ana_group(&k[0], o->name);
		return 1;
	}
	if (!colon)
		return 0;
	make(&k[0], "@portal:", o->name, NULL);
	key_of_portals(&k[1], colon + 1);
	return 2;
}

static bool is_address(const struct object *o, const struct attr_row *row)
{
	return o->kind == KIND_PORT &&
	       (streq(row->name, "trtype") || streq(row->name, "traddr") || streq(row->name, "trsvcid"));
}

/* An IP address in one form only, however it was written. Whether a wildcard clashes is for validation to say, by the service. The
 * transport "loop" has no address, whatever stands there; of "pci" nothing is known. */
static size_t keys_of_address(const struct object *o, struct key k[KEYS_MAX])
{
	const char *trtype = object_get(o, "trtype"), *traddr = object_get(o, "traddr"), *trsvcid = object_get(o, "trsvcid");
	char text[IP_TEXT_MAX];
	struct ip_address ip;

	if (!trtype || !traddr)
		return 0;
	if (streq(trtype, "fc")) {
		make(&k[0], "address:fc:", traddr, NULL);
		return 1;
	}
	if ((!streq(trtype, "tcp") && !streq(trtype, "rdma")) || !trsvcid)
		return 0;
	make(&k[0], "address:", trtype, ":", ip_parse(traddr, &ip) ? ip_to_text(&ip, text) : traddr, ":", trsvcid, NULL);
	key_of_service(&k[1], trtype, trsvcid);
	return 2;
}

size_t keys_of_row(const struct object *o, const struct attr_row *row, struct key k[KEYS_MAX])
{
	const char *value = object_get_row(o, row);
	size_t keyed_row = keyed_rows[o->kind][attr_index(o->kind, row)];
	const char *what;

	if (is_address(o, row))
		return keys_of_address(o, k);
	if (!value)
		return 0;
	if (row->type == ATTR_REF) {
		key_of_reference(&k[0], row->ref, value);
		return 1;
	}
	if (o->kind == KIND_NAMESPACE && streq(row->name, "ana_grpid")) {
		key_of_ana_group(&k[0], value);
		return streq(value, "1") ? 0 : 1;
	}
	/* All zeros is no NGUID, and nothing that only one could have. */
	if (!keyed_row || (row->type == ATTR_NGUID && strspn(value, "0-") == strlen(value)))
		return 0;
	what = keyed[keyed_row - 1].what;
	make(&k[0], what, ":", value, NULL);
	if (!streq(what, "serial"))
		return 1;
	key_of_naa(&k[1], value);
	return key_of_serial(&k[2], value) ? 3 : 2;
}

bool keys_are_of(const struct object *o, const struct attr_row *row)
{
	return !attr_is_list(row) && (!is_address(o, row) || streq(row->name, "traddr"));
}

int object_keys(const struct object *o, char ***ret)
{
	_cleanup_strv_ char **keys = NULL;
	const struct attr_row *row;
	struct key k[KEYS_MAX];
	size_t at = 0;

	*ret = NULL;
	while ((row = object_next_row(o, o, &at))) {
		size_t n = keys_are_of(o, row) ? keys_of_row(o, row, k) : 0;

		for (size_t i = 0; i < n; i++)
			if (*k[i].text != '@' && strv_append(&keys, k[i].text) < 0)
				return -ENOMEM;
	}
	*ret = steal_ptr(keys);
	return 0;
}
