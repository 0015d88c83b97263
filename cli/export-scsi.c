/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export and unexport for SCSI: target, portal group, LUNs, ACLs and portals. export makes iSCSI targets with one portal group, tag 1;
 * unexport takes a backend out of the targets of every fabric.
 */
#include "cli/export.h"

#include "model/address.h"
#include "model/names.h"

#define ISCSI_PORT "3260"
#define TAG "1"

/* The portal group that is exported in. */
struct group {
	struct cli *c;
	struct json_object *edits;
	struct json_object *o;	/* as it is; NULL: there is none yet */
	char *path;
	bool touched;		/* the last edit is one of its own attributes */
};

static void group_done(struct group *g)
{
	free(g->path);
}

/* What an ACL or a portal group has as its secret, and what the command line gives it. */
static bool has_chap(const struct cli *c, struct json_object *o)
{
	return streq(member_string(o, "userid"), c->chap_user) &&
	       streq(member_string(member(o, "password"), "file"), c->chap_file);
}

static void set_chap(const struct cli *c, struct json_object *edits)
{
	_cleanup_free_ char *reference = strf("file:%s", c->chap_file);

	edits_attr(edits, "userid", "=", c->chap_user);
	edits_attr(edits, "password", "=", reference);
}

static bool is_on(struct json_object *o, const char *attr, bool when_absent)
{
	return member(o, attr) ? member_bool(o, attr) : when_absent;
}

/* ---- the portal group ---- */

static void set_group(struct group *g, const char *attr, bool on, bool is_now)
{
	if (on == is_now)
		return;
	if (!g->touched)
		edits_add(g->edits, "set", g->path);
	g->touched = true;
	edits_attr(g->edits, attr, "=", on ? "1" : "0");
}

/* Whether who logs in must authenticate himself is settled when the group is made; later only for those whom a secret is given for. */
static void add_group(struct group *g)
{
	const struct cli *c = g->c;

	if (!g->o) {
		edits_add(g->edits, "create", g->path);
		g->touched = true;
		set_group(g, "authentication", c->chap_user != NULL, true);
	} else if (c->any_initiator && c->chap_user) {
		set_group(g, "authentication", true, is_on(g->o, "authentication", true));
	}
	if (!c->any_initiator)
		return;
	set_group(g, "generate_node_acls", true, is_on(g->o, "generate_node_acls", false));
	set_group(g, "demo_mode_write_protect", false, is_on(g->o, "demo_mode_write_protect", true));
	if (c->chap_user && !has_chap(c, g->o)) {
		if (!g->touched)
			edits_add(g->edits, "set", g->path);
		g->touched = true;
		set_chap(c, g->edits);
	}
}

static int add_parents(struct group *g, struct json_object *doc)
{
	struct json_object *target = member(member(member(doc, "targets"), "iscsi"), g->c->target);
	_cleanup_free_ char *path = strf("targets/iscsi/%s", g->c->target);

	g->o = member(member(target, "tpgs"), TAG);
	g->path = path ? strf("%s/tpgs/" TAG, path) : NULL;
	if (!g->path)
		return out_of_memory();
	if (!target)
		edits_add(g->edits, "create", path);
	add_group(g);
	return 0;
}

/* The path may be none that can be: then the daemon says what is wrong with it. */
static void add_below(struct group *g, const char *collection, const char *name)
{
	_cleanup_free_ char *path = strf("%s/%s/%s", g->path, collection, name);

	edits_add(g->edits, "create", path);
}

/* ---- LUNs and who sees them ---- */

/* *ret_lun: its number, old or new. */
static int add_lun(struct group *g, const char *backend, char **ret_lun, bool *ret_new)
{
	struct json_object *luns = member(g->o, "luns");
	const char *known = find_by(luns, "backend", backend);

	*ret_new = !known || (g->c->lun && !streq(known, g->c->lun));
	*ret_lun = g->c->lun ? strdup(g->c->lun) : known ? strdup(known) : free_number(0, luns, NULL);
	if (!*ret_lun)
		return out_of_memory();
	if (*ret_new) {
		add_below(g, "luns", *ret_lun);
		edits_attr(g->edits, "backend", "=", backend);
	}
	return 0;
}

/* The initiator sees it under the group's number if that is free. */
static int add_mapped_lun(struct group *g, const char *initiator, struct json_object *acl, const char *lun)
{
	struct json_object *mapped = member(acl, "mapped_luns");
	_cleanup_free_ char *number = NULL, *collection = NULL;

	if (find_by(mapped, "lun", lun))
		return 0;
	number = mapped && member(mapped, lun) ? free_number(0, mapped, NULL) : strdup(lun);
	collection = strf("acls/%s/mapped_luns", initiator);
	if (!number || !collection)
		return out_of_memory();
	add_below(g, collection, number);
	edits_attr(g->edits, "lun", "=", lun);
	return 0;
}

/* What the group does not ask for, and its initiator has a secret now, it is asked for. */
static void set_acl(struct group *g, const char *initiator, struct json_object *acl)
{
	bool asked = g->o ? is_on(g->o, "authentication", true) : true;
	_cleanup_free_ char *path = strf("%s/acls/%s", g->path, initiator);

	if (acl && (!g->c->chap_user || has_chap(g->c, acl)))
		return;
	edits_add(g->edits, acl ? "set" : "create", path);
	if (!g->c->chap_user)
		return;
	set_chap(g->c, g->edits);
	if (!asked)
		edits_attr(g->edits, "authentication", "=", "1");
}

static int add_initiator(struct group *g, const char *initiator, const char *lun)
{
	struct json_object *acl = member(member(g->o, "acls"), initiator);

	set_acl(g, initiator, acl);
	return add_mapped_lun(g, initiator, acl, lun);
}

/* Whoever is named sees it; if nobody is, a new LUN is seen by all who may log in already, as a new namespace is. */
static int add_initiators(struct group *g, const char *lun, bool new)
{
	struct json_object *acls = member(g->o, "acls");
	_cleanup_strv_ char **done = NULL;
	int r = 0;

	for (char **i = g->c->initiators; !r && i && *i; i++) {
		if (strv_contains(done, *i))
			continue;
		r = strv_append(&done, *i) < 0 ? out_of_memory() : add_initiator(g, *i, lun);
	}
	if (g->c->initiators || !new || !acls)
		return r;
	json_object_object_foreach(acls, initiator, acl)
		if (!r)
			r = add_mapped_lun(g, initiator, acl, lun);
	return r;
}

/* ---- portals ---- */

/* "192.0.2.1", "192.0.2.1:3260", "[2001:db8::1]:3260", and an IPv6 address without a port also without brackets. NULL: none of these. */
static char *portal_name(const char *text)
{
	_cleanup_free_ char *with_port = NULL;
	char address[IP_TEXT_MAX], *name = NULL;
	struct ip_address ip;

	if (name_parse_portal(text, &name, NULL) == 0)
		return name;
	with_port = strf("%s:" ISCSI_PORT, ip_parse(text, &ip) ? ip_to_text(&ip, address) : text);
	return with_port && name_parse_portal(with_port, &name, NULL) == 0 ? name : NULL;
}

static int add_portals(struct group *g)
{
	_cleanup_strv_ char **wanted = NULL;
	struct json_object *portals = member(g->o, "portals");

	for (char **p = g->c->portals; p && *p; p++) {
		_cleanup_free_ char *name = portal_name(*p);

		if (!name)
			return usage_error(g->c, "--portal takes ADDRESS[:PORT], as 192.0.2.1:3260 or [2001:db8::1]:3260, not %s", *p);
		if (!strv_contains(wanted, name) && strv_append(&wanted, name) < 0)
			return out_of_memory();
	}
	if (!wanted && !portals && strv_append(&wanted, "0.0.0.0:" ISCSI_PORT) < 0)
		return out_of_memory();
	for (char **p = wanted; p && *p; p++)
		if (!portals || !member(portals, *p))
			add_below(g, "portals", *p);
	return 0;
}

int export_scsi(struct cli *c, struct json_object *edits, struct json_object *doc, const char *backend)
{
	_cleanup_(group_done) struct group g = { .c = c, .edits = edits };
	_cleanup_free_ char *lun = NULL;
	bool new = false;
	int r = add_parents(&g, doc);

	if (!r)
		r = add_lun(&g, backend, &lun, &new);
	if (!r)
		r = add_initiators(&g, lun, new);
	return r ? r : add_portals(&g);
}

/* ---- what the initiator has to type ---- */

/* One portal tells an initiator of all. */
static char *portal_to_ask(const struct cli *c, struct json_object *portals)
{
	_cleanup_free_ char *given = c->portals ? portal_name(*c->portals) : NULL, *address = NULL;
	const char *portal = given, *colon;

	if (!portal && portals) {
		json_object_object_foreach(portals, name, o) {
			(void)o;
			portal = name;
			break;
		}
	}
	colon = portal ? strrchr(portal, ':') : NULL;
	if (!colon)
		return NULL;
	address = *portal == '[' ? strndup(portal + 1, (size_t)(colon - portal) - 2) : strndup(portal, (size_t)(colon - portal));
	if (address && streq(reachable_address(c, address), address))
		return strdup(portal);
	return address ? strf("%s%s", reachable_address(c, address), colon) : NULL;
}

static void print_login(const struct cli *c, const char *portal)
{
	printf("iscsiadm -m discovery -t sendtargets");
	if (*portal == '[')
		printf(" -p '%s'", portal);
	else
		print_word("-p ", portal);
	printf("\niscsiadm -m node");
	print_word("-T ", c->target);
	puts(" --login");
}

static void print_hints(const struct cli *c, struct json_object *group)
{
	if (!member(group, "acls") && !is_on(group, "generate_node_acls", false))
		puts("No initiator may log in yet: nvmetctl export … --initiator IQN lets one in.");
	if (c->chap_user)
		printf("The initiator needs, in its iscsid.conf, node.session.auth.authmethod = CHAP, node.session.auth.username = %s, "
		       "and the secret as node.session.auth.password.\n", c->chap_user);
}

int print_scsi_ways(struct cli *c, struct json_object *doc)
{
	struct json_object *target = member(member(member(doc, "targets"), "iscsi"), c->target);
	struct json_object *group = member(member(target, "tpgs"), TAG);
	_cleanup_free_ char *portal = portal_to_ask(c, member(group, "portals"));

	if (portal)
		print_login(c, portal);
	if (!c->quiet)
		print_hints(c, group);
	return STATUS_DONE;
}

/* ---- unexport ---- */

/* How many LUNs of the target are of the backend, and whether any is not. */
static size_t count_uses(struct json_object *target, const char *backend, bool *ret_others)
{
	struct json_object *tpgs = member(target, "tpgs");
	size_t n = 0;

	*ret_others = false;
	if (!tpgs)
		return 0;
	json_object_object_foreach(tpgs, tag, tpg) {
		struct json_object *luns = member(tpg, "luns");

		(void)tag;
		if (!luns)
			continue;
		json_object_object_foreach(luns, number, lun) {
			(void)number;
			if (streq(member_string(lun, "backend"), backend))
				n++;
			else
				*ret_others = true;
		}
	}
	return n;
}

/* What maps them goes with them. */
static int remove_luns(struct json_object *edits, const char *target, struct json_object *tpgs, const char *backend)
{
	json_object_object_foreach(tpgs, tag, tpg) {
		_cleanup_free_ char *collection = strf("%s/tpgs/%s/luns", target, tag);
		struct json_object *luns = member(tpg, "luns");

		if (!collection)
			return out_of_memory();
		if (!luns)
			continue;
		json_object_object_foreach(luns, number, lun) {
			if (streq(member_string(lun, "backend"), backend))
				delete_path(edits, collection, number);
		}
	}
	return 0;
}

/* A target that loses its last LUN goes, and a fabric that loses its last target and has no attributes of its own. */
static int unexport_fabric(struct json_object *edits, const char *fabric, struct json_object *targets, const char *backend)
{
	_cleanup_free_ char *path = strf("targets/%s", fabric);
	size_t gone = 0;

	if (!path)
		return out_of_memory();
	json_object_object_foreach(targets, wwn, target) {
		_cleanup_free_ char *own = strf("%s/%s", path, wwn);
		bool others = false;

		if (!own)
			return out_of_memory();
		if (!count_uses(target, backend, &others))
			continue;
		if (others) {
			if (remove_luns(edits, own, member(target, "tpgs"), backend))
				return STATUS_FAILED;
			continue;
		}
		edits_add(edits, "delete", own);
		gone++;
	}
	if (gone && gone == (size_t)json_object_object_length(targets))
		edits_add(edits, "delete", path);
	return 0;
}

int unexport_scsi(struct json_object *edits, struct json_object *doc, const char *backend)
{
	struct json_object *fabrics = member(doc, "targets");
	int r = 0;

	if (!fabrics)
		return 0;
	json_object_object_foreach(fabrics, fabric, targets)
		if (!r)
			r = unexport_fabric(edits, fabric, targets, backend);
	return r;
}
