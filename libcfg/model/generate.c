/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are made here when a document leaves them out, and then stored. Some are random, the identity of a disk or subsystem, or the
 * lowest number that is free. The others follow from the object's other values, and go on following as long as nobody says otherwise: who gives a port an IPv6
 * address in place of an IPv4 one need not think of its adrfam.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/random.h>

#include "base/text.h"
#include "model/access.h"
#include "model/backend.h"
#include "model/change.h"
#include "model/keys.h"

static int random_bytes(void *to, size_t n)
{
	/* Up to 256 bytes come whole once the pool is ready (getrandom(2)); before that it waits, and may be interrupted. */
	for (;;) {
		ssize_t r = getrandom(to, n, 0);

		if (r == (ssize_t)n)
			return 0;
		if (r >= 0 || errno != EINTR)
			return r >= 0 ? -EIO : -errno;
	}
}

static int make_uuid(const struct object *o, char **ret)
{
	unsigned char b[16];
	int r = random_bytes(b, sizeof(b));

	if (r < 0)
		return r;
	/* RFC 9562, version 4. */
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	*ret = strf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
		    b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return *ret ? 0 : -ENOMEM;
}

/*
 * An NGUID is, by the NVMe Base specification, 8 bytes of vendor specific extension, an IEEE OUI, and 5 bytes of extension. Without an
 * OUI of our own the uuid's bytes serve, with the OUI's first byte marked as locally made and not a group's, so that it can be
 * no vendor's. It is never zero, which would mean that there is none.
 */
static int make_nguid(const struct object *o, char **ret)
{
	static const size_t oui = 19;	/* where byte 8 stands in the text: behind 16 digits and three dashes */
	const char *uuid = object_get(o, "uuid");
	unsigned v;

	if (!uuid || strlen(uuid) != 36 || sscanf(uuid + oui, "%2x", &v) != 1)
		return 0;
	v = (v | 2) & 0xfe;
	*ret = strf("%.*s%02x%s", (int)oui, uuid, v, uuid + oui + 2);
	return *ret ? 0 : -ENOMEM;
}

static int make_serial(const struct object *o, char **ret)
{
	unsigned char b[10];
	struct strbuf s = { 0 };
	int r = random_bytes(b, sizeof(b));

	for (size_t i = 0; r >= 0 && i < sizeof(b); i++)
		strbuf_addf(&s, "%02x", b[i]);
	if (r < 0)
		return r;
	*ret = strbuf_steal(&s);
	return *ret ? 0 : -ENOMEM;
}

static int make_unit_serial(const struct object *o, char **ret)
{
	const char *uuid = object_get(o, "uuid");

	*ret = uuid ? strdup(uuid) : NULL;
	return uuid && !*ret ? -ENOMEM : 0;
}

/* One folder of the plugin for each backend: the kernel locks it for as long as what is in it takes to go. */
static int make_storage_object(const struct object *o, char **ret)
{
	const char *plugin = backend_plugin(object_get(o, "type"));

	if (!plugin)
		return 0;
	*ret = strf("%s_%u/%s", plugin, backend_folder_number(o->name), o->name);
	return *ret ? 0 : -ENOMEM;
}

static int make_nexus(const struct object *o, char **ret)
{
	*ret = o->parent ? strdup(o->parent->name) : NULL;
	return o->parent && !*ret ? -ENOMEM : 0;
}

static int keep_number(unsigned n, char **ret)
{
	*ret = strf("%u", n);
	return *ret ? 0 : -ENOMEM;
}

static int make_rtpi(const struct object *o, char **ret)
{
	struct key k;

	for (unsigned n = 1; o->tree && n <= 65535; n++)
		if (!tree_key_owners(o->tree, key_of_rtpi(&k, n)).n)
			return keep_number(n, ret);
	return 0;
}

/* Of a backend whose access state is set. */
static int make_ana_grpid(const struct object *o, char **ret)
{
	unsigned n = object_get(o, "access_state") && o->tree ? access_free_number(o->tree) : 0;

	return n ? keep_number(n, ret) : 0;
}

/* The lowest that none of its kind beside it has. */
static int make_number(const struct object *o, const char *attr, char **ret)
{
	const struct attr_row *row = attr_find(o->kind, attr);
	size_t n = o->parent ? object_count(o->parent, o->kind) : 0;

	for (unsigned id = 1; o->parent && id <= 65535; id++) {
		bool taken = false;

		for (size_t i = 0; i < n && !taken; i++) {
			const char *other = object_get_row(object_nth(o->parent, o->kind, i), row);
			uint64_t v;

			taken = other && text_to_u64(other, &v) >= 0 && v == id;
		}
		if (!taken)
			return keep_number(id, ret);
	}
	return 0;
}

static int make_lu_gp_id(const struct object *o, char **ret)
{
	return make_number(o, "lu_gp_id", ret);
}

static int make_tg_pt_gp_id(const struct object *o, char **ret)
{
	return make_number(o, "tg_pt_gp_id", ret);
}

static bool is_ip(const char *trtype)
{
	return streq_ptr(trtype, "tcp") || streq_ptr(trtype, "rdma");
}

static int make_adrfam(const struct object *o, char **ret)
{
	const char *trtype = object_get(o, "trtype"), *traddr = object_get(o, "traddr");

	if (!trtype || (is_ip(trtype) && !traddr))
		return 0;
	/* Those of the other transports are called as they are. */
	*ret = strdup(!is_ip(trtype) ? trtype : strchr(traddr, ':') ? "ipv6" : "ipv4");
	return *ret ? 0 : -ENOMEM;
}

/* The port that IANA keeps for NVMe over Fabrics. */
static int make_trsvcid(const struct object *o, char **ret)
{
	if (!is_ip(object_get(o, "trtype")))
		return 0;
	*ret = strdup("4420");
	return *ret ? 0 : -ENOMEM;
}

static const struct maker {
	enum kind kind;
	const char *attr;
	int (*make)(const struct object *o, char **ret);	/* *ret stays NULL when the object does not say enough */
	enum { RANDOM, FOLLOWS, FREE } from;	/* nowhere; other values of the object alone; what others have left over */
} makers[] = {
	{ KIND_BACKEND, "uuid", make_uuid, RANDOM },
	{ KIND_BACKEND, "nguid", make_nguid, FOLLOWS },
	{ KIND_BACKEND, "storage_object", make_storage_object, FOLLOWS },
	{ KIND_BACKEND, "vpd_unit_serial", make_unit_serial, FOLLOWS },
	{ KIND_BACKEND, "ana_grpid", make_ana_grpid, FREE },
	{ KIND_LU_GROUP, "lu_gp_id", make_lu_gp_id, FREE },
	{ KIND_ALUA_GROUP, "tg_pt_gp_id", make_tg_pt_gp_id, FREE },
	{ KIND_TPG, "rtpi", make_rtpi, FREE },
	{ KIND_TPG, "nexus", make_nexus, FREE },
	{ KIND_SUBSYSTEM, "serial", make_serial, RANDOM },
	{ KIND_PORT, "adrfam", make_adrfam, FOLLOWS },
	{ KIND_PORT, "trsvcid", make_trsvcid, FOLLOWS },
	{ KIND_REFERRAL, "adrfam", make_adrfam, FOLLOWS },
	{ KIND_REFERRAL, "trsvcid", make_trsvcid, FOLLOWS },
};

static const struct maker *find_maker(const struct object *o, const struct attr_row *row)
{
	for (const struct maker *m = makers; m < makers + ARRAY_SIZE(makers); m++)
		if (m->kind == o->kind && streq(m->attr, row->name))
			return m;
	return NULL;
}

static int make_random(const struct maker *m, const struct object *o, const char *path, struct map *made, char **ret)
{
	_cleanup_free_ char *key = strf("%s %s", path, m->attr), *copy = NULL;
	const char *known = key ? map_get(made, key) : NULL;
	int r;

	if (known) {
		*ret = strdup(known);
		return *ret ? 0 : -ENOMEM;
	}
	r = m->make(o, ret);
	if (r < 0 || !*ret)
		return r;
	copy = strdup(*ret);
	if (!key || !copy || map_put(made, key, copy) < 0)
		return -ENOMEM;
	copy = NULL;
	return 0;
}

struct map *made_free(struct map *made)
{
	struct map_iter it = { 0 };

	while (made && map_next(made, &it))
		free(it.value);
	return map_free(made);
}

int object_generate(struct object *o)
{
	return object_generate_again(o, "", NULL);
}

int object_generate_again(struct object *o, const char *path, struct map *made)
{
	attr_foreach(row, o->kind) {
		const struct maker *m = row->source == ATTR_GENERATED ? find_maker(o, row) : NULL;
		_cleanup_free_ char *value = NULL;
		int r;

		if (!m || object_get_row(o, row) || !object_has_row(o, row))
			continue;
		r = made && m->from == RANDOM ? make_random(m, o, path, made, &value) : m->make(o, &value);
		if (r >= 0 && value)
			r = object_set(o, row, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int object_follow(const struct object *o, const struct attr_row *row, char **ret)
{
	const struct maker *m = find_maker(o, row);

	*ret = NULL;
	return m && m->from == FOLLOWS ? m->make(o, ret) : 0;
}

int object_forget(struct object *o)
{
	bool drop[ARRAY_SIZE(makers)] = { false };
	int r = 0;

	/* All are looked at before the first goes: one might follow from another. */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(makers); i++) {
		const char *value = makers[i].kind == o->kind ? object_get(o, makers[i].attr) : NULL;
		_cleanup_free_ char *made = NULL;

		if (value && makers[i].from == FOLLOWS)
			r = makers[i].make(o, &made);
		drop[i] = r >= 0 && made && streq(made, value);
	}
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(makers); i++)
		if (drop[i])
			r = object_set(o, attr_find(o->kind, makers[i].attr), NULL);
	return r;
}

static int generate_below(struct object *o)
{
	int r = object_generate(o);

	for (size_t i = 0; r >= 0 && i < o->n_children; i++)
		r = generate_below(o->children[i]);
	return r;
}

int tree_generate(struct tree *t)
{
	return generate_below(tree_root(t));
}
