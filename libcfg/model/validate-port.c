/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules on ports and referrals: what each transport has and wants. The kernel looks at an address only when the port's first subsystem
 * is linked, and answers EINVAL to all of this; at a referral's it never looks.
 */
#include <errno.h>

#include "base/text.h"
#include "model/address.h"
#include "model/keys.h"
#include "model/validate-private.h"

static bool is_ip(const struct object *o)
{
	return is_word(o, "trtype", "tcp") || is_word(o, "trtype", "rdma");
}

static bool is_name(const char *traddr)
{
	return !strchr(traddr, ':') && strspn(traddr, "0123456789./%") != strlen(traddr);
}

static void check_ip(struct check *c, const char *traddr)
{
	bool v6 = is_word(c->o, "adrfam", "ipv6"), v4 = is_word(c->o, "adrfam", "ipv4");
	const char *adrfam = object_get(c->o, "adrfam"), *family = v6 ? "IPv6 " : v4 ? "IPv4 " : "IP ";
	struct ip_address a;

	if (adrfam && !v4 && !v6) {
		wrong(c, "adrfam", "must be ipv4 or ipv6 for %s", object_get(c->o, "trtype"));
		return;
	}
	if (!ip_parse(traddr, &a) || (adrfam && a.v6 != v6))
		wrong(c, "traddr", "%s is no %saddress%s", traddr, family,
		      *traddr == '[' ? "; write it without brackets" :
		      is_name(traddr) ? ", and names are not looked up" :
					"");
	else if (ip_is_link_local(&a) && !a.scope && c->o->kind == KIND_PORT)
		wrong(c, "traddr", "%s is a link-local address and needs its interface: %s%%INTERFACE", traddr, traddr);
}

static void check_service(struct check *c)
{
	const char *trsvcid = object_get(c->o, "trsvcid");
	uint64_t number;

	/* Absent means that nobody asked object_generate() yet. */
	if (trsvcid && (text_to_u64(trsvcid, &number) < 0 || number < 1 || number > 65535))
		wrong(c, "trsvcid", "%s is no port number: 1 to 65535", trsvcid);
}

static void check_address(struct check *c)
{
	const char *traddr = object_get(c->o, "traddr");
	bool fc = is_word(c->o, "trtype", "fc");

	/* Every referral must have an address, which its row says; the ports of other transports have none. */
	if (!traddr && c->o->kind == KIND_PORT && (is_ip(c->o) || fc))
		wrong(c, "traddr", "is missing");
	if (is_ip(c->o))
		check_service(c);
	if (!traddr)
		return;
	if (is_ip(c->o)) {
		check_ip(c, traddr);
		return;
	}
	if (fc && !fc_address_ok(traddr))
		wrong(c, "traddr", "%s is no Fibre Channel address: nn-0xNNNNNNNNNNNNNNNN:pn-0xPPPPPPPPPPPPPPPP", traddr);
	if (fc && object_get(c->o, "adrfam") && !is_word(c->o, "adrfam", "fc"))
		wrong(c, "adrfam", "must be fc for fc");
}

static bool clashes(const struct object *o, const struct object *other)
{
	const char *a = object_get(o, "traddr"), *b = object_get(other, "traddr");
	struct ip_address x, y;

	if (!is_ip(o))
		return streq_ptr(a, b);
	return ip_parse(a, &x) && ip_parse(b, &y) && ip_clashes(&x, &y);
}

/* The kernel takes any number of ports with one address and refuses to open the second; two that are kept would never both work. Those
 * of one service are looked through, since a wildcard is in the way of all. */
static void check_address_unique(struct check *c)
{
	const char *traddr = object_get(c->o, "traddr"), *trsvcid = object_get(c->o, "trsvcid");
	_cleanup_strv_ char **keys = NULL;
	struct users u;
	struct key k;

	if (!traddr || object_keys(c->o, &keys) < 0 || !keys)
		return;
	u = tree_key_owners(c->t, is_ip(c->o) ? key_of_service(&k, object_get(c->o, "trtype"), trsvcid) : keys[0]);
	for (size_t i = 0; i < u.n; i++)
		if (u.items[i] != c->o && clashes(c->o, u.items[i])) {
			wrong(c, "traddr", "%s clashes with that of ports/%s (%s)", traddr, u.items[i]->name,
			      object_get(u.items[i], "traddr"));
			return;
		}
}

static void check_security(struct check *c)
{
	const char *tsas = object_get(c->o, "tsas"), *treq = object_get(c->o, "treq"), *trtype = object_get(c->o, "trtype");

	if (tsas && !(streq(trtype, "rdma") ? streq(tsas, "connected") : streq(trtype, "tcp") && !streq(tsas, "connected")))
		wrong(c, "tsas", "%s is nothing that %s has", tsas, trtype);
	if (streq_ptr(tsas, "tls1.3") && streq_ptr(treq, "not specified"))
		wrong(c, "treq", "must be required or not required with tls1.3");
}

static void check_parameters(struct check *c)
{
	const char *queue = object_get(c->o, "max_queue_size");
	int64_t n;

	/* What the kernel would make another number of could never be seen to match. */
	if (queue && text_to_i64(queue, &n) >= 0 && n >= 0 && n < 16)
		wrong(c, "max_queue_size", "must be 16 to 1024, or -1: the kernel makes %s to 16", queue);
	if (is_true(c->o, "pi_enable") && !is_word(c->o, "trtype", "rdma"))
		wrong(c, "pi_enable", "is offered by rdma only");
}

/* Both kinds of target listen on the machine's addresses. */
static void check_portals(struct check *c)
{
	const char *traddr = object_get(c->o, "traddr"), *trsvcid = object_get(c->o, "trsvcid"), *port;
	struct ip_address a, b;
	char buf[IP_TEXT_MAX];
	struct users u;
	struct key k;

	if (!is_word(c->o, "trtype", "tcp") || !traddr || !trsvcid || !ip_parse(traddr, &a))
		return;
	u = tree_key_owners(c->t, key_of_portals(&k, trsvcid));
	for (size_t i = 0; i < u.n; i++) {
		_cleanup_free_ char *path = NULL;

		if (!portal_parse(u.items[i]->name, buf, &b, &port) || !ip_clashes(&a, &b))
			continue;
		path = object_path(u.items[i]);
		wrong(c, "traddr", "%s clashes with %s", traddr, path ? path : u.items[i]->name);
		return;
	}
}

void check_port(struct check *c)
{
	/* That it is missing is said already. */
	if (!object_get(c->o, "trtype"))
		return;
	check_address(c);
	check_address_unique(c);
	check_portals(c);
	check_security(c);
	check_parameters(c);
}

void check_referral(struct check *c)
{
	check_address(c);
}
