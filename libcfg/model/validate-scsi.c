/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules on SCSI targets: what each fabric has and how it calls things, who may listen where, who may log in. The kernel flattens nearly all of
 * this into EINVAL, takes a name that nobody could ever reach, and an ACL that locks its initiator out.
 */
#include <errno.h>

#include "base/text.h"
#include "model/address.h"
#include "model/backend.h"
#include "model/fabric.h"
#include "model/keys.h"
#include "model/names.h"
#include "model/validate-private.h"

/* ---- names ---- */

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Of the fabric that the object is below; NULL when it is none that there is, which its name's rule says. */
static const struct fabric *fabric_of(const struct object *o)
{
	return fabric_find(object_variant(o));
}

static void check_fabric_name(struct check *c, const struct fabric *f, const char *noun)
{
	if (!f->is_name(c->o->name))
		wrong(c, NULL, "is no name of %s of fabric %s: %s", noun, f->name, f->form);
}

/* ---- CHAP ---- */

struct chap {
	const char *userid, *password, *userid_mutual, *password_mutual;
};
static const struct chap chap = { "userid", "password", "userid_mutual", "password_mutual" };
static const struct chap chap_discovery = { "discovery_userid", "discovery_password", "discovery_userid_mutual",
					    "discovery_password_mutual" };

static void check_pair(struct check *c, const char *a, const char *b)
{
	if (!object_get(c->o, a) != !object_get(c->o, b))
		wrong(c, object_get(c->o, a) ? b : a, "is missing: %s and %s go together", a, b);
}

static bool has_chap(const struct object *o, const struct chap *n)
{
	return object_get(o, n->userid) && object_get(o, n->password);
}

static void check_chap(struct check *c, const struct chap *n)
{
	check_pair(c, n->userid, n->password);
	check_pair(c, n->userid_mutual, n->password_mutual);
	if (object_get(c->o, n->userid_mutual) && !object_get(c->o, n->userid))
		wrong(c, n->userid_mutual, "needs %s: a target proves itself to initiators that do so too", n->userid);
}

/* ---- fabrics and targets ---- */

void check_fabric(struct check *c)
{
	if (!streq(c->o->name, "iscsi"))
		return;
	check_chap(c, &chap_discovery);
	if (is_true(c->o, "enforce_discovery_auth") && !has_chap(c->o, &chap_discovery))
		wrong(c, "enforce_discovery_auth", "needs discovery_userid and discovery_password: without them nobody can discover");
}

/* Whether or not the backend has a bridge today. */
static void check_bridge_name(struct check *c)
{
	struct key k;
	struct users u = tree_key_owners(c->t, key_of_bridge(&k, c->o->name));

	if (u.n)
		wrong(c, NULL, "is the name of the target by which namespaces reach backends/%s", u.items[0]->name);
}

void check_target(struct check *c)
{
	const struct fabric *f = fabric_of(c->o);

	if (!f)
		return;
	check_fabric_name(c, f, "a target");
	if (streq(f->name, "loopback"))
		check_bridge_name(c);
	if (f->one_group && object_count(c->o, KIND_TPG) > 1)
		wrong(c, NULL, "has %zu portal groups; targets of fabric %s have one", object_count(c->o, KIND_TPG), f->name);
}

/* ---- portal groups ---- */

/* With authentication, and without anything to authenticate by, nobody gets in. */
static void check_demo_mode(struct check *c)
{
	if (is_true(c->o, "generate_node_acls") && is_true(c->o, "authentication") && !has_chap(c->o, &chap))
		wrong(c, "authentication",
		      "locks everybody out whom generate_node_acls is to let in: set userid and password, or authentication=false");
}

static void check_nexus(struct check *c)
{
	static const char *const prefixes[] = { "naa.", "iqn.", "fc." };
	const char *nexus = object_get(c->o, "nexus"), *wwn = c->o->parent->name;

	for (size_t i = 0; nexus && i < ARRAY_SIZE(prefixes); i++)
		if (has_prefix(wwn, prefixes[i]) && !has_prefix(nexus, prefixes[i]))
			wrong(c, "nexus", "%s must begin with %s as the target's name does", nexus, prefixes[i]);
}

static void check_directory_id(struct check *c)
{
	const char *id = object_get(c->o, "directory_id");

	if (id && !streq(id, "implicit") && (strlen(id) != 6 || strspn(id, "0123456789abcdef") != 6))
		wrong(c, "directory_id", "must be six hexadecimal digits in lower case, or implicit");
}

void check_tpg(struct check *c)
{
	const struct fabric *f = fabric_of(c->o);
	uint64_t tag;

	if (!f)
		return;
	if (text_to_u64(c->o->name, &tag) >= 0 && (tag < f->min_tag || tag > f->max_tag)) {
		if (f->min_tag == f->max_tag)
			wrong(c, NULL, "must be tpgs/%u: targets of fabric %s have no other portal group", f->min_tag, f->name);
		else
			wrong(c, NULL, "has no tag of fabric %s: %u to %u", f->name, f->min_tag, f->max_tag);
	}
	check_unique(c, "rtpi", "rtpi");
	if (number(c->o, "fabric_prot_type") == 2)
		wrong(c, "fabric_prot_type", "must be 0, 1 or 3: the kernel has no type 2");
	check_chap(c, &chap);
	check_demo_mode(c);
	check_nexus(c);
	check_directory_id(c);
	if (f->needs_lun && is_true(c->o, "enable") && !object_count(c->o, KIND_LUN))
		wrong(c, "enable", "must be false as long as there is no LUN: the kernel enables no portal group of fabric %s without one", f->name);
}

void check_lun(struct check *c)
{
	const char *name = object_get(c->o, "backend"), *group = object_get(c->o, "alua_group");
	const struct object *b = name ? object_child(tree_root(c->t), KIND_BACKEND, name) : NULL;

	if (b)
		check_no_controller(c, b);
	if (b && group && !object_child(b, KIND_ALUA_GROUP, group))
		wrong(c, "alua_group", "names the ALUA group %s, which backends/%s does not have", group, name);
}

/* ---- portals ---- */

static void check_other_portal(struct check *c, const struct ip_address *ip, const struct object *other)
{
	_cleanup_free_ char *path = NULL;
	char buf[IP_TEXT_MAX];
	struct ip_address ip2;
	const char *port;

	if (other == c->o || !portal_parse(other->name, buf, &ip2, &port) || !ip_clashes(ip, &ip2))
		return;
	/* Targets share a listener; portal groups of one target cannot, since an initiator asks for the target alone. */
	if (streq(other->name, c->o->name) && (other->parent->parent != c->o->parent->parent || other->parent == c->o->parent))
		return;
	path = object_path(other);
	wrong(c, NULL, "clashes with %s", path ? path : other->name);
}

static void check_ports(struct check *c, const struct ip_address *ip, const char *port)
{
	struct key k;
	struct users u = tree_key_owners(c->t, key_of_service(&k, "tcp", port));

	for (size_t i = 0; i < u.n; i++) {
		const char *traddr = object_get(u.items[i], "traddr");
		struct ip_address other;

		if (traddr && ip_parse(traddr, &other) && ip_clashes(ip, &other))
			wrong(c, NULL, "clashes with the address of ports/%s (%s)", u.items[i]->name, traddr);
	}
}

static void check_same_portal(struct check *c)
{
	const struct object *target = c->o->parent->parent;

	for (size_t i = 0; i < object_count(target, KIND_TPG); i++) {
		const struct object *tpg = object_nth(target, KIND_TPG, i);
		const struct object *other = tpg == c->o->parent ? NULL : object_child(tpg, KIND_PORTAL, c->o->name);
		_cleanup_free_ char *path = other ? object_path(other) : NULL;

		if (path)
			wrong(c, NULL, "is %s too: portal groups of one target cannot share a portal", path);
	}
}

void check_portal(struct check *c)
{
	const struct fabric *f = fabric_of(c->o);
	struct ip_address ip;
	char buf[IP_TEXT_MAX];
	const char *port;
	struct key k;
	struct users u;

	if (f && !f->portals) {
		wrong(c, NULL, "is nothing that fabric %s has: portals are those of iscsi", f->name);
		return;
	}
	if (!f || !portal_parse(c->o->name, buf, &ip, &port))
		return;
	if (ip_is_link_local(&ip) && !ip.scope)
		wrong(c, NULL, "has a link-local address and needs its interface: [%s%%INTERFACE]:%s", buf, port);
	check_same_portal(c);
	check_ports(c, &ip, port);
	/* One address is in the way of wildcards alone; a wildcard of all that listen on its port number. */
	for (size_t i = 0; i < 2; i++) {
		u = tree_key_owners(c->t, ip_is_any(&ip) ? key_of_portals(&k, port) : key_of_portal(&k, i ? "[::]" : "0.0.0.0", port));
		for (size_t n = 0; n < u.n; n++)
			check_other_portal(c, &ip, u.items[n]);
		if (ip_is_any(&ip))
			break;
	}
}

/* ---- ACLs ---- */

/* Of the initiator's node and port, in the form that the fabric's names have. */
static void check_wwn(struct check *c, const struct fabric *f, const char *attr)
{
	const char *value = object_get(c->o, attr);

	if (value && !f->is_name(value))
		wrong(c, attr, "%s is no world wide name: xx:xx:xx:xx:xx:xx:xx:xx, in lower case", value);
}

void check_acl(struct check *c)
{
	const struct fabric *f = fabric_of(c->o);
	int64_t ping = number(c->o, "nopin_timeout"), own = number(c->o, "authentication");
	const struct object *tpg = c->o->parent;

	if (f && !f->acls) {
		wrong(c, NULL, "is nothing that fabric %s has: whoever reaches the target may log in", f->name);
		return;
	}
	if (!f)
		return;
	check_fabric_name(c, f, "an initiator");
	check_wwn(c, f, "node_name");
	check_wwn(c, f, "port_name");
	if (!streq(f->name, "iscsi"))
		return;
	check_chap(c, &chap);
	if (ping == 1 || ping == 2)
		wrong(c, "nopin_timeout", "must be 0 or 3 to 60");
	if ((own == 1 || (own < 0 && is_true(tpg, "authentication"))) && !object_get(c->o, "userid") && !object_get(c->o, "password"))
		wrong(c, "userid", "is missing, and %s asks for authentication: the initiator would be locked out; set userid and password, or "
		      "authentication=0", own == 1 ? "authentication=1" : "the portal group");
}

void check_mapped_lun(struct check *c)
{
	const char *lun = object_get(c->o, "lun");
	const struct object *acl = c->o->parent;

	if (!lun)
		return;
	if (!object_child(acl->parent, KIND_LUN, lun))
		wrong(c, "lun", "names LUN %s, which the portal group does not have", lun);
	for (size_t i = 0; i < object_count(acl, KIND_MAPPED_LUN); i++) {
		const struct object *other = object_nth(acl, KIND_MAPPED_LUN, i);

		if (other != c->o && streq_ptr(object_get(other, "lun"), lun)) {
			wrong(c, "lun", "%s is that of mapped_luns/%s too; an initiator sees a LUN once", lun, other->name);
			return;
		}
	}
}
