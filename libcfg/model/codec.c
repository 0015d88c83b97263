/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the kernel that are not the canonical ones, by what is odd about them; rows name the codec that they need. */
#include <errno.h>

#include "base/text.h"
#include "model/rows.h"

static int copy_trimmed(const char *text, size_t len, char **ret)
{
	*ret = strndup(text, len);
	return *ret ? 0 : -ENOMEM;
}

static int padded_from(const struct attr_row *row, const char *text, char **ret)
{
	size_t n = strlen(text);

	while (n && text[n - 1] == ' ')
		n--;
	return copy_trimmed(text, n, ret);
}
const struct attr_codec codec_padded = { .from_kernel = padded_from };

static int path_from(const struct attr_row *row, const char *text, char **ret)
{
	if (!*text || streq(text, "(null)")) {
		*ret = NULL;
		return 0;
	}
	return copy_trimmed(text, strlen(text), ret);
}
const struct attr_codec codec_path = { .from_kernel = path_from };

static int lower_from(const struct attr_row *row, const char *text, char **ret)
{
	*ret = strdup(text);
	for (char *c = *ret; c && *c; c++)
		*c = text_lower(*c);
	return *ret ? 0 : -ENOMEM;
}
const struct attr_codec codec_lower = { .from_kernel = lower_from };

/* The kernel has no word for an NGUID that is not set: it reads as zeros. */
static int nguid_from(const struct attr_row *row, const char *text, char **ret)
{
	*ret = NULL;
	return strspn(text, "0-:") == strlen(text) ? 0 : attr_parse(row, text, ret, NULL);
}
const struct attr_codec codec_nguid = { .from_kernel = nguid_from };

/* "none" is printed for an algorithm that the kernel has no name for, and cannot be written back. */
static int algorithm_from(const struct attr_row *row, const char *text, char **ret)
{
	*ret = NULL;
	return !*text || streq(text, "none") ? 0 : copy_trimmed(text, strlen(text), ret);
}
const struct attr_codec codec_algorithm = { .from_kernel = algorithm_from };

static int version_from(const struct attr_row *row, const char *text, char **ret)
{
	return attr_parse(row, text, ret, NULL);
}
const struct attr_codec codec_version = { .from_kernel = version_from };

static int hex_from(const struct attr_row *row, const char *text, char **ret)
{
	return attr_parse(row, text, ret, NULL);
}
const struct attr_codec codec_hex = { .from_kernel = hex_from };

/* ---- the SCSI target's text ---- */

/* What stands behind the words; all of it when they are not there. */
static const char *behind(const char *text, const char *words)
{
	size_t n = strlen(words);

	return strncmp(text, words, n) == 0 ? text + n : text;
}

static int or_unset(const char *text, const char *unset, char **ret)
{
	*ret = NULL;
	return !*text || streq(text, unset) ? 0 : copy_trimmed(text, strlen(text), ret);
}

static int unit_serial_from(const struct attr_row *row, const char *text, char **ret)
{
	return or_unset(behind(text, "T10 VPD Unit Serial Number: "), "", ret);
}
const struct attr_codec codec_unit_serial = { .from_kernel = unit_serial_from };

static int rtpi_from(const struct attr_row *row, const char *text, char **ret)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 0);

	*ret = NULL;
	if (end == text || *end)
		return -EINVAL;
	if (!v)
		return 0;
	*ret = strf("%llu", v);
	return *ret ? 0 : -ENOMEM;
}
const struct attr_codec codec_rtpi = { .from_kernel = rtpi_from };

static int null_from(const struct attr_row *row, const char *text, char **ret)
{
	return or_unset(text, "NULL", ret);
}

static int unset_as(const char *word, const char *value, char **ret)
{
	*ret = strdup(*value ? value : word);
	return *ret ? 0 : -ENOMEM;
}

static int null_to(const struct attr_row *row, const char *value, char **ret)
{
	return unset_as("NULL", value, ret);
}
const struct attr_codec codec_null = { .from_kernel = null_from, .to_kernel = null_to };

#define WWN_DIGITS 16

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

/* What is no world wide name stays as it is. */
static int wwn_from(const struct attr_row *row, const char *text, char **ret)
{
	struct strbuf b = { 0 };

	if (strlen(text) != WWN_DIGITS || !is_hex(text, WWN_DIGITS))
		return or_unset(text, "", ret);
	for (size_t i = 0; i < WWN_DIGITS; i += 2)
		strbuf_addf(&b, "%s%.2s", i ? ":" : "", text + i);
	*ret = strbuf_steal(&b);
	return *ret ? 0 : -ENOMEM;
}

static int wwn_to(const struct attr_row *row, const char *value, char **ret)
{
	struct strbuf b = { 0 };
	const char *c = value;

	while (is_hex(c, 2) && (c[2] == ':' || !c[2])) {
		strbuf_addf(&b, "%.2s", c);
		c += c[2] ? 3 : 2;
	}
	*ret = strbuf_steal(&b);
	if (*ret && (*c || strlen(*ret) != WWN_DIGITS)) {
		free(*ret);
		*ret = strdup(value);
	}
	return *ret ? 0 : -ENOMEM;
}
const struct attr_codec codec_wwn = { .from_kernel = wwn_from, .to_kernel = wwn_to };

static int lu_group_from(const struct attr_row *row, const char *text, char **ret)
{
	return or_unset(behind(text, "LU Group Alias: "), "default_lu_gp", ret);
}
const struct attr_codec codec_lu_group = { .from_kernel = lu_group_from };

static int tg_pt_gp_from(const struct attr_row *row, const char *text, char **ret)
{
	return or_unset(behind(text, "TG Port Alias: "), "default_tg_pt_gp", ret);
}

static int tg_pt_gp_to(const struct attr_row *row, const char *value, char **ret)
{
	return unset_as("default_tg_pt_gp", value, ret);
}
const struct attr_codec codec_tg_pt_gp = { .from_kernel = tg_pt_gp_from, .to_kernel = tg_pt_gp_to };

/* What the kernel takes as a number and prints as one, or as a text. */
struct coded {
	const char *word, *number, *text;
};

static int coded_from(const struct coded *codes, const char *text, char **ret)
{
	for (; codes->word; codes++)
		if (streq(text, codes->number) || streq_ptr(codes->text, text))
			return copy_trimmed(codes->word, strlen(codes->word), ret);
	return -EINVAL;
}

static int coded_to(const struct coded *codes, const char *word, char **ret)
{
	for (; codes->word; codes++)
		if (streq(word, codes->word))
			return copy_trimmed(codes->number, strlen(codes->number), ret);
	return -EINVAL;
}

static const struct coded alua_states[] = {
	{ "optimized", "0", NULL }, { "non-optimized", "1", NULL }, { "standby", "2", NULL }, { "unavailable", "3", NULL },
	{ "lba-dependent", "4", NULL }, { "offline", "14", NULL }, { "transitioning", "15", NULL }, { NULL },
};

static int alua_state_from(const struct attr_row *row, const char *text, char **ret)
{
	return coded_from(alua_states, text, ret);
}

static int alua_state_to(const struct attr_row *row, const char *value, char **ret)
{
	return coded_to(alua_states, value, ret);
}
const struct attr_codec codec_alua_state = { .from_kernel = alua_state_from, .to_kernel = alua_state_to };

static const struct coded alua_types[] = {
	{ "none", "0", "None" }, { "implicit", "1", "Implicit" }, { "explicit", "2", "Explicit" },
	{ "both", "3", "Implicit and Explicit" }, { NULL },
};

static int alua_type_from(const struct attr_row *row, const char *text, char **ret)
{
	return coded_from(alua_types, text, ret);
}

static int alua_type_to(const struct attr_row *row, const char *value, char **ret)
{
	return coded_to(alua_types, value, ret);
}
const struct attr_codec codec_alua_type = { .from_kernel = alua_type_from, .to_kernel = alua_type_to };

static const struct coded alua_statuses[] = {
	{ "none", "0", "None" }, { "explicit", "1", "Altered by Explicit STPG" }, { "implicit", "2", "Altered by Implicit ALUA" }, { NULL },
};

static int alua_status_from(const struct attr_row *row, const char *text, char **ret)
{
	return coded_from(alua_statuses, text, ret);
}

static int alua_status_to(const struct attr_row *row, const char *value, char **ret)
{
	return coded_to(alua_statuses, value, ret);
}
const struct attr_codec codec_alua_status = { .from_kernel = alua_status_from, .to_kernel = alua_status_to };

/* A scan says "set" or "unset", never more. */
static int secret_from(const struct attr_row *row, const char *text, char **ret)
{
	if (!*text || streq(text, "unset")) {
		*ret = NULL;
		return 0;
	}
	return copy_trimmed("set", 3, ret);
}
const struct attr_codec codec_secret = { .from_kernel = secret_from };
