/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iSCSI: portals, attributes, names and secrets, keys of negotiation (kernel-abi 6.1; drivers/target/iscsi/iscsi_target_configfs.c,
 * iscsi_target_tpg.c, iscsi_target_parameters.c).
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "tests/fake-kernel/lio.h"

#define SECRET_LEN 255
#define TAG_LEN 63
#define CPUS 2
#define NONE "None"

/* ---- portals ---- */

/* "192.0.2.1:3260" or "[2001:db8::1]:3260" to "ADDRESS PORT", as listeners are called. */
static int parse_portal(const char *name, int *ret_family, char **ret_address, uint16_t *ret_port)
{
	bool six = *name == '[';
	const char *end = six ? strchr(name, ']') : strchr(name, ':');
	_cleanup_free_ char *address = end ? must(strndup(name + six, (size_t)(end - name - six))) : NULL;
	_cleanup_free_ char *plain = address ? must(strndup(address, strcspn(address, "%"))) : NULL;
	unsigned char raw[16];
	uint64_t port;

	if (!end || (six && end[1] != ':'))
		return -EINVAL;
	end += six;
	*ret_family = six ? AF_INET6 : AF_INET;
	if (inet_pton(*ret_family, plain, raw) != 1 || kernel_u64(end + 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret_address = steal_ptr(address);
	*ret_port = (uint16_t)port;
	return 0;
}

/* A portal that listens there already, of this target's or of any. */
static const struct node *find_portal(struct fake *f, const struct node *target, const char *key)
{
	const struct node *root = target ? target : f->target;

	for (const struct node *n = root; n; n = node_next(root, n))
		if (n->kind == LIO_PORTAL && n->type == KFS_DIR && streq(n->state, key))
			return n;
	return NULL;
}

int lio_make_portal(struct fake *f, struct node *folder, const char *name)
{
	_cleanup_free_ char *address = NULL, *key = NULL;
	struct node *portal;
	uint16_t port;
	int family;

	if (parse_portal(name, &family, &address, &port) < 0)
		return -EINVAL;
	key = fmt("%s %u", address, port);
	if (find_portal(f, lio_up(folder, LIO_TARGET), key))
		return -EINVAL;
	/* Without a port any free one is taken. */
	if (port && !find_portal(f, NULL, key) && machine_listen(f, "iscsi", family, address, port) < 0)
		return -EINVAL;
	portal = lio_item(f, folder, name, LIO_PORTAL);
	portal->state = steal_ptr(key);
	portal->forget = free;
	return 0;
}

void lio_release_portal(struct fake *f, struct node *portal)
{
	_cleanup_free_ char *key = portal->state;
	char *port = strchr(key, ' ');

	portal->state = NULL;
	for (const struct node *n = f->target; n; n = node_next(f->target, n))
		if (n->kind == LIO_PORTAL && n->type == KFS_DIR && streq_ptr(n->state, key))
			return;
	*port++ = 0;
	machine_unlisten(f, key, port);
}

/* Neither InfiniBand nor such a card is there. */
static int store_transport(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	return n > 1 ? -EINVAL : n ? -ENODEV : 0;
}

/* ---- methods of authentication ---- */

/* The list with or without None in it. */
static void offer_none(const struct node *tpg, bool offer)
{
	struct node *attr = node_attr(tpg, "param/AuthMethod");
	_cleanup_free_ char *copy = must(strdup(attr->value));
	_cleanup_strbuf_ struct strbuf b = { 0 };
	char *rest = copy, *word;

	while ((word = strsep(&rest, ",")))
		if (!streq(word, NONE))
			strbuf_addf(&b, "%s%s", b.len ? "," : "", word);
	if (offer)
		strbuf_addf(&b, "%s" NONE, b.len ? "," : "");
	node_set(attr, must(b.s));
}

void lio_iscsi_enabled(struct node *tpg)
{
	if (lio_is_on(tpg, "attrib/authentication"))
		offer_none(tpg, false);
}

static int store_authentication(struct fake *f, struct node *attr, const char *page)
{
	int r = lio_store_number(f, attr, page);

	if (r >= 0)
		offer_none(node_item(attr), streq(attr->value, "0"));
	return r;
}

static int store_generate(struct fake *f, struct node *attr, const char *page)
{
	int r = lio_store_number(f, attr, page);

	if (r >= 0 && streq(attr->value, "1"))
		node_set(node_attr(node_item(attr), "attrib/cache_dynamic_acls"), "1");
	return r;
}

static int store_cache(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *before = must(strdup(attr->value));
	int r = lio_store_number(f, attr, page);

	/* What goes with generated ones stays, without an error. */
	if (r >= 0 && lio_is_on(node_item(attr), "attrib/generate_node_acls"))
		node_set(attr, before);
	return r;
}

/* ---- names and secrets ---- */

static bool is_set(const struct node *item, const char *file)
{
	const char *text = node_text(item, file);

	return *text && strncmp(text, "NULL", 4) != 0;
}

/* As they are written; of a portal group too long ones are cut. */
static int store_secret(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = must(strndup(page, SECRET_LEN));

	if (strlen(page) > SECRET_LEN && attr->kind != LIO_TPG)
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

static int show_mutual(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct node *folder = attr->parent;

	strbuf_add(ret, is_set(folder, "userid_mutual") && is_set(folder, "password_mutual") ? "1\n" : "0\n");
	return 0;
}

/* ---- keys of negotiation ---- */

static int store_list(struct node *attr, const char *page, const char *const *words)
{
	_cleanup_free_ char *text = lio_line(page), *copy = must(strdup(text));
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		const char *const *w = words;

		while (*w && !streq(*w, word))
			w++;
		if (!*w)
			return -EINVAL;
	}
	node_set(attr, text);
	return 0;
}

static int store_methods(struct fake *f, struct node *attr, const char *page)
{
	static const char *const words[] = { "CHAP", NONE, NULL };

	return store_list(attr, page, words);
}

static int store_digest(struct fake *f, struct node *attr, const char *page)
{
	static const char *const words[] = { "CRC32C", NONE, NULL };

	return store_list(attr, page, words);
}

static int store_yes_no(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_line(page);

	if (!streq(text, "Yes") && !streq(text, "No"))
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

static int store_key(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_line(page);
	uint64_t n;

	if (kernel_u64(text, UINT32_MAX, &n) < 0 || n < (uint64_t)attr->file->min || n > (uint64_t)attr->file->max)
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

static int store_reject(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_line(page);

	return streq(text, "Reject") ? 0 : -EINVAL;
}

/* ---- ACLs ---- */

static int store_depth(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n > (uint64_t)attr->file->max)
		return -EINVAL;
	lio_set_number(attr, n ? (int64_t)n : 1);
	return 0;
}

static int store_tag(struct fake *f, struct node *attr, const char *page)
{
	if (strlen(page) > TAG_LEN)
		return -EINVAL;
	node_set(attr, strncmp(page, "NULL", 4) == 0 ? "" : page);
	return 0;
}

static int store_nopin(struct fake *f, struct node *attr, const char *page)
{
	uint64_t n;

	return kernel_u64(page, UINT32_MAX, &n) == 0 && !n ? lio_set_number(attr, 0), 0 : lio_store_number(f, attr, page);
}

static int show_acl_info(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "No active iSCSI Session for Initiator Endpoint: %s\n", node_item(attr)->name);
	return 0;
}

static int store_cpus(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_line(page), *copy = must(strdup(text));
	char *rest = copy, *word;

	while ((word = strsep(&rest, ",-"))) {
		uint64_t n;

		if (text_to_u64(word, &n) < 0 || n >= CPUS)
			return -EINVAL;
	}
	node_set(attr, text);
	return 0;
}

/* ---- the table ---- */

#define NO_SESSION "No Active iSCSI Session"

static const struct lio_file files[] = {
	{ LIO_FABRIC, ON_ISCSI, "cpus_allowed_list", "0-1", store_cpus, .flags = LIO_KEPT },
	{ LIO_FABRIC, ON_ISCSI, "lio_version", "Datera Inc. iSCSI Target v4.1.0" },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/authenticate_target", NULL, .show = show_mutual },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/enforce_discovery_auth", "0", lio_store_number, .max = 1, .flags = LIO_KEPT },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/password", "", store_secret, .flags = LIO_KEPT },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/password_mutual", "", store_secret, .flags = LIO_KEPT },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/userid", "", store_secret, .flags = LIO_KEPT },
	{ LIO_FABRIC, ON_ISCSI, "discovery_auth/userid_mutual", "", store_secret, .flags = LIO_KEPT },
	{ LIO_TPG, ON_ISCSI, "dynamic_sessions", NULL },
	{ LIO_TPG, ON_ISCSI, "attrib/authentication", "1", store_authentication, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/cache_dynamic_acls", "0", store_cache, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/default_cmdsn_depth", "64", lio_store_number, .min = 1, .max = 512 },
	{ LIO_TPG, ON_ISCSI, "attrib/default_erl", "0", lio_store_number, .max = 2 },
	{ LIO_TPG, ON_ISCSI, "attrib/demo_mode_discovery", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/demo_mode_write_protect", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/generate_node_acls", "0", store_generate, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/login_keys_workaround", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/login_timeout", "15", lio_store_number, .min = 5, .max = 30 },
	{ LIO_TPG, ON_ISCSI, "attrib/netif_timeout", "2", lio_store_number, .min = 2, .max = 15, .until = "6.2" },
	{ LIO_TPG, ON_ISCSI, "attrib/prod_mode_write_protect", "0", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/t10_pi", "0", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "attrib/tpg_enabled_sendtargets", "1", lio_store_number, .max = 1 },
	{ LIO_TPG, ON_ISCSI, "auth/authenticate_target", NULL, .show = show_mutual },
	{ LIO_TPG, ON_ISCSI, "auth/password", "", store_secret },
	{ LIO_TPG, ON_ISCSI, "auth/password_mutual", "", store_secret },
	{ LIO_TPG, ON_ISCSI, "auth/userid", "", store_secret },
	{ LIO_TPG, ON_ISCSI, "auth/userid_mutual", "", store_secret },
	{ LIO_TPG, ON_ISCSI, "param/AuthMethod", "CHAP", store_methods },
	{ LIO_TPG, ON_ISCSI, "param/DataDigest", "CRC32C,None", store_digest },
	{ LIO_TPG, ON_ISCSI, "param/DataPDUInOrder", "Yes", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/DataSequenceInOrder", "Yes", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/DefaultTime2Retain", "20", store_key, .max = 3600 },
	{ LIO_TPG, ON_ISCSI, "param/DefaultTime2Wait", "2", store_key, .max = 3600 },
	{ LIO_TPG, ON_ISCSI, "param/ErrorRecoveryLevel", "0", store_key, .max = 2 },
	{ LIO_TPG, ON_ISCSI, "param/FirstBurstLength", "65536", store_key, .min = 512, .max = 16777215 },
	{ LIO_TPG, ON_ISCSI, "param/HeaderDigest", "CRC32C,None", store_digest },
	{ LIO_TPG, ON_ISCSI, "param/IFMarkInt", "Reject", store_reject },
	{ LIO_TPG, ON_ISCSI, "param/IFMarker", "No", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/ImmediateData", "Yes", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/InitialR2T", "Yes", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/MaxBurstLength", "262144", store_key, .min = 512, .max = 16777215 },
	{ LIO_TPG, ON_ISCSI, "param/MaxConnections", "1", store_key, .min = 1, .max = 65535 },
	{ LIO_TPG, ON_ISCSI, "param/MaxOutstandingR2T", "1", store_key, .min = 1, .max = 65535 },
	{ LIO_TPG, ON_ISCSI, "param/MaxRecvDataSegmentLength", "8192", store_key, .min = 512, .max = 16777215 },
	{ LIO_TPG, ON_ISCSI, "param/MaxXmitDataSegmentLength", "262144", store_key, .min = 512, .max = 16777215 },
	{ LIO_TPG, ON_ISCSI, "param/OFMarkInt", "Reject", store_reject },
	{ LIO_TPG, ON_ISCSI, "param/OFMarker", "No", store_yes_no },
	{ LIO_TPG, ON_ISCSI, "param/TargetAlias", "LIO Target", lio_store_line },
	{ LIO_PORTAL, 0, "cxgbit", "0", store_transport },
	{ LIO_PORTAL, 0, "iser", "0", store_transport },
	{ LIO_ACL, ON_ISCSI, "cmdsn_depth", "64", store_depth, .max = 512 },
	{ LIO_ACL, ON_ISCSI, "info", NULL, .show = show_acl_info },
	{ LIO_ACL, ON_ISCSI, "tag", "", store_tag, .flags = LIO_RAW },
	{ LIO_ACL, ON_ISCSI, "attrib/authentication", "-1", lio_store_number, .min = -1, .max = 1 },
	{ LIO_ACL, ON_ISCSI, "attrib/dataout_timeout", "3", lio_store_number, .min = 2, .max = 60 },
	{ LIO_ACL, ON_ISCSI, "attrib/dataout_timeout_retries", "5", lio_store_number, .min = 1, .max = 15 },
	{ LIO_ACL, ON_ISCSI, "attrib/default_erl", "0", lio_store_number, .max = 2 },
	{ LIO_ACL, ON_ISCSI, "attrib/nopin_response_timeout", "30", lio_store_number, .min = 3, .max = 60 },
	{ LIO_ACL, ON_ISCSI, "attrib/nopin_timeout", "15", store_nopin, .min = 3, .max = 60 },
	{ LIO_ACL, ON_ISCSI, "attrib/random_datain_pdu_offsets", "0", lio_store_number, .max = 1 },
	{ LIO_ACL, ON_ISCSI, "attrib/random_datain_seq_offsets", "0", lio_store_number, .max = 1 },
	{ LIO_ACL, ON_ISCSI, "attrib/random_r2t_offsets", "0", lio_store_number, .max = 1 },
	{ LIO_ACL, ON_ISCSI, "auth/authenticate_target", NULL, .show = show_mutual },
	{ LIO_ACL, ON_ISCSI, "auth/password", "", store_secret },
	{ LIO_ACL, ON_ISCSI, "auth/password_mutual", "", store_secret },
	{ LIO_ACL, ON_ISCSI, "auth/userid", "", store_secret },
	{ LIO_ACL, ON_ISCSI, "auth/userid_mutual", "", store_secret },
	{ LIO_ACL, ON_ISCSI, "param/DataPDUInOrder", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/DataSequenceInOrder", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/DefaultTime2Retain", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/DefaultTime2Wait", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/ErrorRecoveryLevel", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/FirstBurstLength", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/ImmediateData", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/InitialR2T", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/MaxBurstLength", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/MaxConnections", NO_SESSION },
	{ LIO_ACL, ON_ISCSI, "param/MaxOutstandingR2T", NO_SESSION },
};

const struct lio_table lio_iscsi_table = { files, ARRAY_SIZE(files) };
