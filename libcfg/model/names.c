/* SPDX-License-Identifier: Apache-2.0 */
/* What objects may be called. The kernel checks next to nothing here, and takes 1, 01 and 0x1 for three folders of one id. */
#include "model/names.h"

#include <errno.h>

#include "base/text.h"
#include "model/address.h"

static int keep(const char *text, char **ret, struct cfg_error *err)
{
	*ret = strdup(text);
	return *ret ? 0 : cfg_error_oom(err);
}

int name_parse_plain(const char *text, char **ret, struct cfg_error *err)
{
	size_t n = strlen(text);

	if (!n || n > 64 || *text == '.' ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") != n)
		return cfg_error_set(err, EINVAL,
				     "\"%.80s\" is no name: letters, digits and . _ : - make one, at most 64, not beginning with a dot",
				     text);
	return keep(text, ret, err);
}

static bool is_digits(const char *s, size_t n)
{
	return strspn(s, "0123456789") >= n;
}

static bool good_date(const char *s)
{
	int month;

	if (!is_digits(s, 4) || s[4] != '-' || !is_digits(s + 5, 2))
		return false;
	month = (s[5] - '0') * 10 + s[6] - '0';
	return month >= 1 && month <= 12;
}

/* "org.nvmexpress", "com.example.sub" up to the end or a colon. */
static bool good_domain(const char *s)
{
	size_t n = strcspn(s, ":"), label = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '.') {
			if (!label)
				return false;
			label = 0;
		} else if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)) {
			label++;
		} else {
			return false;
		}
	}
	return label > 0 && (!s[n] || s[n + 1]);
}

static bool good_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	return true;
}

/* Blanks and control characters, those beyond ASCII (U+0080 to U+00A0) included; and what would end a path's part. */
static bool is_unfit(const char *utf8)
{
	const unsigned char *c = (const unsigned char *)utf8;

	return c[0] <= ' ' || c[0] == '/' || c[0] == 0x7f || (c[0] == 0xc2 && c[1] <= 0xa0);
}

#define UUID_PREFIX "nqn.2014-08.org.nvmexpress:uuid:"

int name_parse_nqn(const char *text, char **ret, struct cfg_error *err)
{
	size_t n = strlen(text);

	if (n > NQN_MAX)
		return cfg_error_set(err, EINVAL, "the NQN \"%.40s…\" has %zu bytes; %d are the most", text, n, NQN_MAX);
	if (!text_is_utf8(text, n))
		return cfg_error_set(err, EINVAL, "the NQN is not UTF-8");
	for (const char *c = text; *c; c++)
		if (is_unfit(c))
			return cfg_error_set(err, EINVAL,
					     "the NQN \"%.80s\" holds a blank, a slash or a control character", text);
	if (strncmp(text, "nqn.", 4) != 0 || !good_date(text + 4) || text[11] != '.' || !good_domain(text + 12))
		return cfg_error_set(err, EINVAL,
				     "\"%.80s\" is no NQN: nqn.YYYY-MM.REVERSE.DOMAIN:NAME or " UUID_PREFIX "UUID", text);
	if (strncmp(text, UUID_PREFIX, strlen(UUID_PREFIX)) == 0 && !good_uuid(text + strlen(UUID_PREFIX)))
		return cfg_error_set(err, EINVAL, "\"%.80s\" is no NQN: what follows uuid: is no UUID", text);
	return keep(text, ret, err);
}

int name_parse_subsystem(const char *text, char **ret, struct cfg_error *err)
{
	if (streq(text, DISCOVERY_NQN))
		return cfg_error_set(err, EINVAL, "\"%s\" is the discovery subsystem, which the kernel makes itself", text);
	return name_parse_nqn(text, ret, err);
}

static int parse_number(const char *what, const char *text, uint64_t min, uint64_t max, const char *why, char **ret,
			struct cfg_error *err)
{
	size_t digits = strspn(text, "0123456789"), zeros = strspn(text, "0");
	uint64_t v;

	if (text_to_u64(text, &v) == 0 && v >= min && v <= max)
		return keep(text, ret, err);
	/* 01 and 1 would be two folders of the kernel for one id. */
	if (digits > 1 && zeros && !text[digits] && !(zeros == digits && min))
		return cfg_error_set(err, EINVAL, "\"%.40s\" is no %s: write %.40s", text, what,
				     text + (zeros == digits ? zeros - 1 : zeros));
	return cfg_error_set(err, EINVAL, "\"%.40s\" is no %s: a decimal number from %llu to %llu%s", text, what,
			     (unsigned long long)min, (unsigned long long)max, why);
}

int name_parse_nsid(const char *text, char **ret, struct cfg_error *err)
{
	return parse_number("NSID", text, 1, 0xfffffffe, "", ret, err);
}

int name_parse_port(const char *text, char **ret, struct cfg_error *err)
{
	return parse_number("port id", text, 0, 65535, "", ret, err);
}

int name_parse_ana_group(const char *text, char **ret, struct cfg_error *err)
{
	return parse_number("ANA group id", text, 1, 127, " (the kernel takes 128 for 0)", ret, err);
}

int name_parse_tag(const char *text, char **ret, struct cfg_error *err)
{
	return parse_number("portal group tag", text, 0, 65535, "", ret, err);
}

int name_parse_lun(const char *text, char **ret, struct cfg_error *err)
{
	return parse_number("LUN", text, 0, 65535, "", ret, err);
}

bool name_is_iscsi(const char *text)
{
	size_t digits = strlen(text) > 4 ? strspn(text + 4, "0123456789abcdef") : 0;

	/* Initiators' names are made lower case before they are looked up (RFC 7143 4.2.7.1): no other would ever be found. */
	if (strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return false;
	if (strncmp(text, "iqn.", 4) == 0)
		return good_date(text + 4) && text[11] == '.' && good_domain(text + 12);
	return digits && !text[4 + digits] &&
	       ((strncmp(text, "eui.", 4) == 0 && digits == 16) || (strncmp(text, "naa.", 4) == 0 && (digits == 16 || digits == 32)));
}

int name_parse_fabric(const char *text, char **ret, struct cfg_error *err)
{
	if (attr_only_of(text) & ONLY_FABRICS)
		return keep(text, ret, err);
	return cfg_error_set(err, EINVAL, "\"%.80s\" is no fabric: %s", text, kind_info(KIND_FABRIC)->name_doc);
}

int name_parse_wwn(const char *text, char **ret, struct cfg_error *err)
{
	size_t n = strlen(text);

	if (!n || n > WWN_MAX)
		return cfg_error_set(err, EINVAL, "the name \"%.40s\" has %zu bytes; 1 to %d make one", text, n, WWN_MAX);
	if (!text_is_utf8(text, n))
		return cfg_error_set(err, EINVAL, "the name is not UTF-8");
	for (const char *c = text; *c; c++)
		if (is_unfit(c))
			return cfg_error_set(err, EINVAL, "the name \"%.80s\" holds a blank, a slash or a control character", text);
	return keep(text, ret, err);
}

int name_parse_portal(const char *text, char **ret, struct cfg_error *err)
{
	char address[IP_TEXT_MAX], canonical[IP_TEXT_MAX];
	struct ip_address ip;
	const char *digits;
	uint64_t port;

	if (!portal_parse(text, address, &ip, &digits) || text_to_u64(digits, &port) < 0 || !port || port > 65535)
		return cfg_error_set(err, EINVAL, "\"%.80s\" is no portal: %s", text, kind_info(KIND_PORTAL)->name_doc);
	*ret = strf("%s:%llu", ip_to_text(&ip, canonical), (unsigned long long)port);
	return *ret ? 0 : cfg_error_oom(err);
}

int name_parse(enum kind kind, const char *text, char **ret, struct cfg_error *err)
{
	const struct kind_info *info = kind_info(kind);

	return info->name_parse ? info->name_parse(text, ret, err) : name_parse_plain(text, ret, err);
}
