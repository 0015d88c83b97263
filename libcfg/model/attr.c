/* SPDX-License-Identifier: Apache-2.0 */
/* What rows mean: kinds, names, values from people and JSON into canonical text, and from there to the kernel's text and back. */
#include "model/attr.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "model/fabric.h"
#include "model/names.h"
#include "model/rows.h"

static const char *const effect_names[] = {
	[EFFECT_NONE] = "none",
	[EFFECT_PAUSE] = "pause",
	[EFFECT_VANISH] = "device vanishes",
	[EFFECT_DISCONNECT] = "disconnect",
	[EFFECT_IDENTITY] = "identity or geometry is lost",
	[EFFECT_RESERVATIONS] = "reservations are lost",
	[EFFECT_DATA] = "data is lost",
};
_Static_assert(ARRAY_SIZE(effect_names) == EFFECT_MAX, "each effect has words");

const char *effect_to_str(enum effect e)
{
	return effect_names[e];
}

/* ---- kinds ---- */

static const struct attr_row no_rows[] = { { .name = NULL } };

#define PLAIN_NAME "letters, digits and . _ : -, at most 64"

static char fabric_names[128];	/* "iscsi, loopback or vhost" */

static struct kind_info kinds[] = {
	[KIND_ROOT] = { KIND_ROOT, "", "configuration", KIND_MAX, .singleton = true, .rows = no_rows },
	[KIND_NVMET] = { KIND_NVMET, "nvmet", "NVMe target", KIND_ROOT, .singleton = true, .kernel = "nvmet",
			 .rows = rows_nvmet, .doc = "What is global to the NVMe target." },
	[KIND_TARGET_CORE] = { KIND_TARGET_CORE, "target", "SCSI target", KIND_ROOT, .singleton = true, .kernel = "target",
			       .rows = rows_target_core, .doc = "What is global to the SCSI target." },
	[KIND_LU_GROUP] = { KIND_LU_GROUP, "lu_groups", "logical unit group", KIND_ROOT, .kernel = "target/core/alua/lu_gps",
			    .rows = rows_lu_group, .name_doc = PLAIN_NAME,
			    .doc = "Backends whose ALUA states change together." },
	[KIND_BACKEND] = { KIND_BACKEND, "backends", "backend", KIND_ROOT, .kernel = "target/core", .rows = rows_backend,
			   .name_doc = PLAIN_NAME,
			   .doc = "Something that stores blocks. Namespaces and LUNs name it." },
	[KIND_ALUA_GROUP] = { KIND_ALUA_GROUP, "alua_groups", "ALUA group", KIND_BACKEND, .kernel = "alua", .rows = rows_alua_group,
			      .name_doc = PLAIN_NAME,
			      .doc = "Target ports at which a backend has the same access state." },
	[KIND_BRIDGE] = { KIND_BRIDGE, "bridge", "bridge", KIND_BACKEND, .singleton = true, .internal = true, .kernel = "target/loopback",
			  .rows = rows_bridge, .doc = "The SCSI disk by which namespaces reach a backend of the SCSI target." },
	[KIND_HOST] = { KIND_HOST, "hosts", "host", KIND_ROOT, .kernel = "nvmet/hosts", .rows = rows_host,
			.name_parse = name_parse_nqn, .name_doc = "the host's NQN",
			.doc = "An NVMe host and its authentication." },
	[KIND_SUBSYSTEM] = { KIND_SUBSYSTEM, "subsystems", "subsystem", KIND_ROOT, .kernel = "nvmet/subsystems",
			     .rows = rows_subsystem, .name_parse = name_parse_subsystem,
			     .name_doc = "an NQN of at most 223 bytes",
			     .doc = "An NVMe subsystem: namespaces, and the hosts that may see them." },
	[KIND_NAMESPACE] = { KIND_NAMESPACE, "namespaces", "namespace", KIND_SUBSYSTEM, .kernel = "namespaces",
			     .rows = rows_namespace, .name_parse = name_parse_nsid,
			     .name_doc = "the NSID, 1 to 4294967294; 1 to 1024 suits every host",
			     .doc = "A namespace: what hosts see of a backend." },
	[KIND_PORT] = { KIND_PORT, "ports", "port", KIND_ROOT, .kernel = "nvmet/ports", .rows = rows_port,
			.name_parse = name_parse_port, .name_doc = "the port's id, 0 to 65535",
			.doc = "An address at which subsystems are served." },
	[KIND_REFERRAL] = { KIND_REFERRAL, "referrals", "referral", KIND_PORT, .kernel = "referrals",
			    .rows = rows_referral, .name_doc = PLAIN_NAME,
			    .doc = "Another port that the discovery log of this one tells about." },
	[KIND_ANA_GROUP] = { KIND_ANA_GROUP, "ana_groups", "ANA group", KIND_PORT, .kernel = "ana_groups",
			     .rows = rows_ana_group, .name_parse = name_parse_ana_group,
			     .name_doc = "the group's id, 1 to 127",
			     .doc = "The state on one port of the namespaces of an ANA group." },
	[KIND_FABRIC] = { KIND_FABRIC, "targets", "fabric", KIND_ROOT, .kernel = "target", .rows = rows_fabric,
			  .name_parse = name_parse_fabric, .name_doc = fabric_names,
			  .doc = "A SCSI transport, and what its targets have in common." },
	[KIND_TARGET] = { KIND_TARGET, "", "target", KIND_FABRIC, .direct = true, .kernel = "", .rows = rows_target,
			  .name_parse = name_parse_wwn, .name_doc = "the target's name, as iqn.2026-11.org.example:t1 or naa.5…",
			  .doc = "A SCSI target device." },
	[KIND_TPG] = { KIND_TPG, "tpgs", "target portal group", KIND_TARGET, .kernel = "", .prefix = "tpgt_", .rows = rows_tpg,
		       .name_parse = name_parse_tag, .name_doc = "the portal group's tag, 0 to 65535",
		       .doc = "Logical units, the portals that they are served at, and who may see them." },
	[KIND_LUN] = { KIND_LUN, "luns", "LUN", KIND_TPG, .kernel = "lun", .prefix = "lun_", .rows = rows_lun,
		       .name_parse = name_parse_lun, .name_doc = "the logical unit number, 0 to 65535",
		       .doc = "A logical unit: what initiators see of a backend." },
	[KIND_PORTAL] = { KIND_PORTAL, "portals", "portal", KIND_TPG, .kernel = "np", .rows = rows_portal,
			  .name_parse = name_parse_portal, .name_doc = "an IP address and port, as 192.0.2.1:3260 or [2001:db8::1]:3260",
			  .doc = "An address at which the portal group is served." },
	[KIND_ACL] = { KIND_ACL, "acls", "ACL", KIND_TPG, .kernel = "acls", .rows = rows_acl,
		       .name_parse = name_parse_wwn, .name_doc = "the initiator's name",
		       .doc = "An initiator that may log in, and its authentication." },
	[KIND_MAPPED_LUN] = { KIND_MAPPED_LUN, "mapped_luns", "mapped LUN", KIND_ACL, .kernel = "", .prefix = "lun_",
			      .rows = rows_mapped_lun, .name_parse = name_parse_lun,
			      .name_doc = "the number by which the initiator sees it, 0 to 65535",
			      .doc = "A LUN of the portal group as one initiator sees it." },
};
_Static_assert(ARRAY_SIZE(kinds) == KIND_MAX && KIND_MAX <= 32, "each kind has its row, and a bit in children");

static size_t count_rows(const struct attr_row *rows)
{
	size_t n = 0;

	while (rows[n].name)
		n++;
	return n;
}

static void list_fabrics(void)
{
	size_t n = 0;

	fabric_foreach(f)
		n += (size_t)snprintf(fabric_names + n, sizeof(fabric_names) - n, "%s%s", f == fabrics ? "" : f[1].name ? ", " : " or ", f->name);
	assert(n < sizeof(fabric_names));
}

__attribute__((constructor)) static void complete_kinds(void)
{
	list_fabrics();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		kinds[i].n_rows = count_rows(kinds[i].rows);
		assert(kinds[i].n_rows <= ROWS_MAX);
		kinds[i].direct_child = KIND_MAX;
		for (size_t j = 0; j < ARRAY_SIZE(kinds); j++) {
			if (kinds[j].parent != i)
				continue;
			if (kinds[j].direct)
				kinds[i].direct_child = kinds[j].kind;
			else
				kinds[i].children |= 1u << j;
		}
	}
}

const struct kind_info *kind_info(enum kind kind)
{
	return &kinds[kind];
}

enum kind kind_from_collection(enum kind parent, const char *collection)
{
	for (uint32_t left = kinds[parent].children; left; left &= left - 1) {
		const struct kind_info *info = &kinds[__builtin_ctz(left)];

		if (streq(info->collection, collection))
			return info->kind;
	}
	return KIND_MAX;
}

enum kind kind_direct_child(enum kind parent)
{
	return kinds[parent].direct_child;
}

static const struct { const char *word; unsigned bit; } types[] = {
	{ "block", ONLY_BLOCK }, { "file", ONLY_FILE }, { "ramdisk", ONLY_RAMDISK }, { "scsi", ONLY_SCSI }, { "user", ONLY_USER },
	{ "nvme-passthru", ONLY_NVME },
};

unsigned attr_only_of(const char *word)
{
	const struct fabric *f = fabric_find(word);

	for (size_t i = 0; word && i < ARRAY_SIZE(types); i++)
		if (streq(types[i].word, word))
			return types[i].bit;
	return f ? f->only : 0;
}

static const char *word_of(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].bit == bit)
			return types[i].word;
	fabric_foreach(f)
		if (f->only == bit)
			return f->name;
	return NULL;
}

char *attr_only_text(unsigned only)
{
	struct strbuf b = { 0 };

	strbuf_add(&b, only & ONLY_FABRICS ? "fabric" : only ? "type" : "");
	for (unsigned bit = 1; bit && bit <= only; bit <<= 1) {
		bool first = !(only & (bit - 1)), last = only >> 1 < bit;

		if (only & bit)
			strbuf_addf(&b, "%s%s", first ? " " : last ? " or " : ", ", word_of(bit));
	}
	return strbuf_steal(&b);
}

const struct attr_row *attr_find(enum kind kind, const char *name)
{
	attr_foreach(row, kind)
		if (streq(row->name, name))
			return row;
	return NULL;
}

const struct attr_row *attr_find_file(enum kind kind, const char *file)
{
	attr_foreach(row, kind)
		if (streq_ptr(row->file, file))
			return row;
	return NULL;
}

size_t attr_index(enum kind kind, const struct attr_row *row)
{
	return (size_t)(row - kinds[kind].rows);
}

bool attr_is_secret(const struct attr_row *row)
{
	return row->type == ATTR_SECRET;
}

static bool ends_with(const char *path, const char *file)
{
	size_t n = strlen(path), m = strlen(file);

	return n > m && path[n - m - 1] == '/' && streq(path + n - m, file);
}

bool attr_file_is_secret(const char *path)
{
	for (enum kind kind = 0; kind < KIND_MAX; kind++)
		attr_foreach(row, kind)
			if (attr_is_secret(row) && row->file && ends_with(path, row->file))
				return true;
	return false;
}

bool attr_is_settable(const struct attr_row *row)
{
	return row->source != ATTR_DERIVED && !(row->flags & (ATTR_NO_MODEL | ATTR_TRIGGER));
}

/* ---- what a row takes, in words ---- */

static void describe_words(struct strbuf *b, const struct attr_row *row)
{
	strbuf_add(b, "one of: ");
	for (size_t i = 0; row->words[i]; i++)
		strbuf_addf(b, "%s%s", i ? ", " : "", row->words[i]);
}

char *attr_needs(const struct attr_row *row)
{
	return strf("%s%s%s%s%s", row->since ? "Linux " : "", row->since ? row->since : "", row->since && row->option ? " and " : "",
		    row->option ? "CONFIG_" : "", row->option ? row->option : "");
}

char *attr_describe(const struct attr_row *row)
{
	struct strbuf b = { 0 };

	switch (row->type) {
	case ATTR_BOOL:
		strbuf_add(&b, "true or false");
		break;
	case ATTR_INT:
		strbuf_addf(&b, "a number from %lld to %lld", (long long)row->min, (long long)row->max);
		break;
	case ATTR_SIZE:
		strbuf_add(&b, "a size in bytes, or with a unit, as 10GiB");
		break;
	case ATTR_WORD:
		describe_words(&b, row);
		break;
	case ATTR_STRING:
		strbuf_addf(&b, "printable ASCII, %lld to %lld bytes", (long long)row->min, (long long)row->max);
		break;
	case ATTR_TOKEN:
		strbuf_addf(&b, "printable ASCII without blanks, %lld to %lld bytes", (long long)row->min, (long long)row->max);
		break;
	case ATTR_PATH:
		strbuf_addf(&b, "an absolute path of at most %lld bytes", (long long)row->max);
		break;
	case ATTR_NQN:
		strbuf_add(&b, "an NQN");
		break;
	case ATTR_UUID:
		strbuf_add(&b, "a UUID");
		break;
	case ATTR_NGUID:
		strbuf_add(&b, "32 hexadecimal digits");
		break;
	case ATTR_VERSION:
		strbuf_add(&b, "a version, as 1.4 or 2.0.1");
		break;
	case ATTR_HEX:
		strbuf_addf(&b, "a number from 0x0 to 0x%llx", (long long)row->max);
		break;
	case ATTR_SECRET:
		strbuf_add(&b, "file:NAME (below the folder of secrets) or credential:NAME");
		break;
	case ATTR_REF:
		strbuf_addf(&b, "the name of a %s", kind_info(row->ref)->noun);
		break;
	case ATTR_REFS:
		strbuf_addf(&b, "names of %ss", kind_info(row->ref)->noun);
		break;
	case ATTR_TYPE_MAX:
		break;
	}
	return strbuf_steal(&b);
}

static int refuse(const struct attr_row *row, const char *text, struct cfg_error *err)
{
	_cleanup_free_ char *takes = attr_describe(row);

	return cfg_error_set_at(err, EINVAL, NULL, row->name, "must be %s, not \"%.80s\"", takes ? takes : "something else",
				text);
}

/* ---- typed text to canonical text ---- */

static int keep(const char *text, char **ret, struct cfg_error *err)
{
	*ret = strdup(text);
	return *ret ? 0 : cfg_error_oom(err);
}

static int parse_bool(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	static const char *const yes[] = { "1", "true", "yes", "on" }, *const no[] = { "0", "false", "no", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (streq(text, yes[i]))
			return keep("1", ret, err);
		if (streq(text, no[i]))
			return keep("0", ret, err);
	}
	return refuse(row, text, err);
}

static int parse_int(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	int64_t v;

	if (text_to_i64(text, &v) < 0 || v < row->min || v > row->max)
		return refuse(row, text, err);
	return keep(text, ret, err);
}

static int parse_size(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	uint64_t v;

	if (text_to_size(text, &v) < 0 || v < (uint64_t)row->min || v > (uint64_t)row->max)
		return refuse(row, text, err);
	*ret = strf("%llu", (unsigned long long)v);
	return *ret ? 0 : cfg_error_oom(err);
}

static int parse_word(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	for (size_t i = 0; row->words[i]; i++)
		if (streq(row->words[i], text))
			return keep(text, ret, err);
	return refuse(row, text, err);
}

static int parse_string(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	size_t n = strlen(text);

	if ((int64_t)n < row->min || (int64_t)n > row->max || !text_is_printable_ascii(text))
		return refuse(row, text, err);
	if (row->type == ATTR_TOKEN && strchr(text, ' '))
		return refuse(row, text, err);
	/* The kernel pads and trims, so a blank at either end would not come back. */
	if (n && (text[0] == ' ' || text[n - 1] == ' '))
		return cfg_error_set_at(err, EINVAL, NULL, row->name, "must not begin or end with a blank");
	return keep(text, ret, err);
}

static int parse_path(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	struct strbuf b = { 0 };

	if (*text != '/' || (int64_t)strlen(text) > row->max)
		return refuse(row, text, err);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20)
			return cfg_error_set_at(err, EINVAL, NULL, row->name, "must not hold control characters");
	for (const char *at = text; *at;) {
		size_t n = strcspn(at + 1, "/");

		if ((n == 1 && at[1] == '.') || (n == 2 && at[1] == '.' && at[2] == '.')) {
			strbuf_done(&b);
			return cfg_error_set_at(err, EINVAL, NULL, row->name, "must not hold . or .. as a part");
		}
		if (n)
			strbuf_add_mem(&b, at, n + 1);
		at += n + 1;
	}
	if (!b.len && !b.failed)
		return refuse(row, text, err);
	*ret = strbuf_steal(&b);
	return *ret ? 0 : cfg_error_oom(err);
}

static bool is_hex(char c)
{
	return strchr("0123456789abcdefABCDEF", c) && c;
}

/* Groups 32 digits as a UUID does, in lower case. */
static char *group_digits(const char *digits)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; i < 32; i++) {
		char c = text_lower(digits[i]);

		if (i == 8 || i == 12 || i == 16 || i == 20)
			strbuf_add(&b, "-");
		strbuf_add_mem(&b, &c, 1);
	}
	return strbuf_steal(&b);
}

static int parse_uuid(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool zero = true;

	if (strlen(text) != strlen(form))
		return refuse(row, text, err);
	for (size_t i = 0; form[i]; i++) {
		if (form[i] == '-' ? text[i] != '-' : !is_hex(text[i]))
			return refuse(row, text, err);
		zero &= text[i] == '-' || text[i] == '0';
	}
	if (zero)
		return cfg_error_set_at(err, EINVAL, NULL, row->name, "must not be all zeros");
	*ret = strdup(text);
	for (char *c = *ret; c && *c; c++)
		*c = text_lower(*c);
	return *ret ? 0 : cfg_error_oom(err);
}

static int parse_nguid(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	char digits[33];
	size_t n = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '-' || *c == ':')
			continue;
		if (!is_hex(*c) || n == 32)
			return refuse(row, text, err);
		digits[n++] = *c;
	}
	digits[n] = 0;
	if (n != 32)
		return refuse(row, text, err);
	*ret = group_digits(digits);
	return *ret ? 0 : cfg_error_oom(err);
}

/* "1.3", "1.4.0" (canonical "1.4"), each part 0..255 but the major 1..65535: the layout of the VS property, NVMe Base 3.1.4.2. */
static int parse_version(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	uint64_t part[3] = { 0 };
	char *at = copy;
	size_t n = 0;

	if (!copy)
		return cfg_error_oom(err);
	for (char *dot; at && n < 3; n++) {
		dot = strchr(at, '.');
		if (dot)
			*dot = 0;
		if (text_to_u64(at, &part[n]) < 0 || part[n] > (n ? 255 : 65535))
			return refuse(row, text, err);
		at = dot ? dot + 1 : NULL;
	}
	if (at || n < 2 || !part[0])
		return refuse(row, text, err);
	*ret = part[2] ? strf("%llu.%llu.%llu", (unsigned long long)part[0], (unsigned long long)part[1],
			      (unsigned long long)part[2]) :
			 strf("%llu.%llu", (unsigned long long)part[0], (unsigned long long)part[1]);
	return *ret ? 0 : cfg_error_oom(err);
}

/* As the kernel prints them: six digits for an OUI, as many as needed else. */
static char *hex_text(const struct attr_row *row, uint64_t v)
{
	return row->max == 0xffffff ? strf("0x%06llx", (unsigned long long)v) : strf("0x%llx", (unsigned long long)v);
}

static int parse_hex(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	uint64_t v = 0;

	if (strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0) {
		size_t n = strlen(text + 2);

		if (!n || n > 8 || strspn(text + 2, "0123456789abcdefABCDEF") != n)
			return refuse(row, text, err);
		v = strtoull(text + 2, NULL, 16);
	} else if (text_to_u64(text, &v) < 0) {
		return refuse(row, text, err);
	}
	if (v < (uint64_t)row->min || v > (uint64_t)row->max)
		return refuse(row, text, err);
	*ret = hex_text(row, v);
	return *ret ? 0 : cfg_error_oom(err);
}

static int parse_secret(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	const char *name = strncmp(text, "file:", 5) == 0	? text + 5 :
			   strncmp(text, "credential:", 11) == 0 ? text + 11 :
								     NULL;

	/* What was typed may be the secret itself, so it is not repeated. */
	if (!name || !*name || strchr(name, '/') || *name == '.' || strlen(name) > 200 || !text_is_printable_ascii(name))
		return cfg_error_set_at(err, EINVAL, NULL, row->name,
					"must be file:NAME (a file below the folder of secrets) or credential:NAME");
	return keep(text, ret, err);
}

int attr_parse(const struct attr_row *row, const char *text, char **ret, struct cfg_error *err)
{
	_cleanup_error_ struct cfg_error sub = CFG_ERROR_NULL;
	int r;

	switch (row->type) {
	case ATTR_BOOL:
		return parse_bool(row, text, ret, err);
	case ATTR_INT:
		return parse_int(row, text, ret, err);
	case ATTR_SIZE:
		return parse_size(row, text, ret, err);
	case ATTR_WORD:
		return parse_word(row, text, ret, err);
	case ATTR_STRING:
	case ATTR_TOKEN:
		return parse_string(row, text, ret, err);
	case ATTR_PATH:
		return parse_path(row, text, ret, err);
	case ATTR_UUID:
		return parse_uuid(row, text, ret, err);
	case ATTR_NGUID:
		return parse_nguid(row, text, ret, err);
	case ATTR_VERSION:
		return parse_version(row, text, ret, err);
	case ATTR_HEX:
		return parse_hex(row, text, ret, err);
	case ATTR_SECRET:
		return parse_secret(row, text, ret, err);
	case ATTR_NQN:
		r = name_parse_nqn(text, ret, &sub);
		break;
	case ATTR_REF:
	case ATTR_REFS:
		r = name_parse(row->ref, text, ret, &sub);
		break;
	case ATTR_TYPE_MAX:
	default:
		return -EINVAL;
	}
	if (r < 0) {
		cfg_error_at(&sub, NULL, row->name, NULL);
		cfg_error_move(err, &sub);
	}
	return r;
}

/* ---- JSON ---- */

static const char *json_type_words(struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_int:
	case json_type_double:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
	default:
		return "a string";
	}
}

static int wrong_type(const struct attr_row *row, struct json_object *v, const char *wanted, struct cfg_error *err)
{
	return cfg_error_set_at(err, EINVAL, NULL, row->name, "must be %s, not %s", wanted, json_type_words(v));
}

static int secret_from_json(const struct attr_row *row, struct json_object *v, char **ret, struct cfg_error *err)
{
	static const char *const words[] = { "file", "credential" };
	struct json_object *name;
	_cleanup_free_ char *text = NULL;

	if (json_object_is_type(v, json_type_object) && json_object_object_length(v) == 1)
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (json_object_object_get_ex(v, words[i], &name) && json_object_is_type(name, json_type_string)) {
				text = strf("%s:%s", words[i], json_object_get_string(name));
				return text ? parse_secret(row, text, ret, err) : cfg_error_oom(err);
			}
	return cfg_error_set_at(err, EINVAL, NULL, row->name,
				"must be {\"file\": NAME} or {\"credential\": NAME}");
}

int attr_parse_json(const struct attr_row *row, struct json_object *v, char **ret, struct cfg_error *err)
{
	enum json_type type = json_object_get_type(v);

	switch (row->type) {
	case ATTR_BOOL:
		if (type == json_type_boolean)
			return keep(json_object_get_boolean(v) ? "1" : "0", ret, err);
		if (type == json_type_int)
			return parse_bool(row, json_object_get_string(v), ret, err);
		return wrong_type(row, v, "true or false", err);
	case ATTR_INT:
		if (type != json_type_int)
			return wrong_type(row, v, "a number", err);
		break;
	case ATTR_SIZE:
	case ATTR_HEX:
		if (type != json_type_int && type != json_type_string)
			return wrong_type(row, v, "a number or a string", err);
		break;
	case ATTR_SECRET:
		return secret_from_json(row, v, ret, err);
	default:
		if (type != json_type_string)
			return wrong_type(row, v, "a string", err);
	}
	return attr_parse(row, json_object_get_string(v), ret, err);
}

struct json_object *attr_to_json(const struct attr_row *row, const char *value)
{
	_cleanup_free_ char *size = NULL;
	const char *colon;
	struct json_object *o;
	uint64_t u;
	int64_t i;

	switch (row->type) {
	case ATTR_BOOL:
		return json_object_new_boolean(*value == '1');
	case ATTR_INT:
		/* What a kernel said may be something else; it is shown as it is. */
		return text_to_i64(value, &i) < 0 ? json_object_new_string(value) : json_object_new_int64(i);
	case ATTR_SIZE:
		size = text_to_u64(value, &u) < 0 ? strdup(value) : text_from_size(u);
		return size ? json_object_new_string(size) : NULL;
	case ATTR_SECRET:
		colon = strchr(value, ':');
		o = json_object_new_object();
		if (o && colon) {
			_cleanup_free_ char *word = strndup(value, (size_t)(colon - value));
			struct json_object *name = json_object_new_string(colon + 1);

			if (!word || !name || json_object_object_add(o, word, name) < 0) {
				json_object_put(name);
				json_object_put(o);
				return NULL;
			}
		}
		return o;
	default:
		return json_object_new_string(value);
	}
}

/* ---- the kernel's text ---- */

int attr_from_kernel(const struct attr_row *row, const char *text, char **ret)
{
	size_t n = strcspn(text, "\n");
	_cleanup_free_ char *line = strndup(text, n);

	if (!line)
		return -ENOMEM;
	if (row->codec && row->codec->from_kernel)
		return row->codec->from_kernel(row, line, ret);
	*ret = *line ? steal_ptr(line) : NULL;
	return 0;
}

int attr_to_kernel(const struct attr_row *row, const char *value, char **ret)
{
	if (row->codec && row->codec->to_kernel)
		return row->codec->to_kernel(row, value, ret);
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}
