/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of errno, error name on the bus and exit status. It names failures; it neither logs nor decides on them. */
#include "dbus/errors.h"

#include <errno.h>

#include "base/text.h"
#include "dbus/names.h"

/* Exit statuses as nvmetctl(8) lists them. */
enum {
	DONE = 0,
	FAILED = 1,
	USAGE = 2,
	INVALID = 3,
	OWED = 4,
	PARTLY = 5,
	REFUSED = 6,
	CONFLICT = 7,
};

/* The first row of a code gives its name, any row of a name its exit status; code 0: a name that others use. */
static const struct {
	int code;
	const char *name;
	int exit_status;
} table[] = {
	{ EINVAL,	BUS_ERROR_PREFIX "Invalid",		INVALID },
	{ EBADMSG,	BUS_ERROR_PREFIX "Invalid",		INVALID },
	{ ERANGE,	BUS_ERROR_PREFIX "Invalid",		INVALID },
	{ EFBIG,	BUS_ERROR_PREFIX "TooLarge",		INVALID },
	{ E2BIG,	BUS_ERROR_PREFIX "TooLarge",		INVALID },
	{ ENOENT,	BUS_ERROR_PREFIX "NotFound",		FAILED },
	{ EEXIST,	BUS_ERROR_PREFIX "Exists",		FAILED },
	{ EBUSY,	BUS_ERROR_PREFIX "Busy",		FAILED },
	{ EALREADY,	BUS_ERROR_PREFIX "Ended",		FAILED },
	{ ESTALE,	BUS_ERROR_PREFIX "Conflict",		CONFLICT },
	{ ECONNABORTED,	BUS_ERROR_PREFIX "ConsentMissing",	REFUSED },
	{ EOPNOTSUPP,	BUS_ERROR_PREFIX "NotSupported",	FAILED },
	{ ECANCELED,	BUS_ERROR_PREFIX "Cancelled",		FAILED },
	{ EACCES,	BUS_ERROR_PREFIX "AccessDenied",	REFUSED },
	{ EPERM,	BUS_ERROR_PREFIX "AccessDenied",	REFUSED },
	{ EAGAIN,	BUS_ERROR_PREFIX "LimitsExceeded",	FAILED },
	{ ESHUTDOWN,	BUS_ERROR_PREFIX "ShuttingDown",	REFUSED },
	{ ENOMEM,	BUS_ERROR_PREFIX "NoMemory",		FAILED },
	{ EIO,		BUS_ERROR_PREFIX "Failed",		FAILED },

	{ 0,		SD_BUS_ERROR_ACCESS_DENIED,		REFUSED },
	{ 0,		SD_BUS_ERROR_AUTH_FAILED,		REFUSED },
	{ 0,		SD_BUS_ERROR_DISCONNECTED,		REFUSED },
	{ 0,		SD_BUS_ERROR_NAME_HAS_NO_OWNER,		REFUSED },
	{ 0,		SD_BUS_ERROR_NO_REPLY,			REFUSED },
	{ 0,		SD_BUS_ERROR_NO_SERVER,			REFUSED },
	{ 0,		SD_BUS_ERROR_SERVICE_UNKNOWN,		REFUSED },
	{ 0,		SD_BUS_ERROR_TIMEOUT,			REFUSED },
	{ 0,		"org.freedesktop.DBus.Error.Spawn.ChildExited",		REFUSED },
	{ 0,		"org.freedesktop.DBus.Error.Spawn.ChildSignaled",	REFUSED },
	{ 0,		"org.freedesktop.DBus.Error.Spawn.ExecFailed",		REFUSED },
	{ 0,		"org.freedesktop.DBus.Error.Spawn.Failed",		REFUSED },
	{ 0,		"org.freedesktop.DBus.Error.Spawn.ServiceNotFound",	REFUSED },
	{ 0,		"org.freedesktop.systemd1.NoSuchUnit",			REFUSED },
	{ 0,		"org.freedesktop.systemd1.UnitMasked",			REFUSED },
	{ 0,		SD_BUS_ERROR_INVALID_ARGS,		INVALID },
};

static const struct {
	const char *name;
	int exit_status;
} outcomes[] = {
	{ "done",	DONE },
	{ "failed",	FAILED },
	{ "invalid",	INVALID },
	{ "owed",	OWED },
	{ "partly",	PARTLY },
	{ "refused",	REFUSED },
	{ "conflict",	CONFLICT },
};

const char *bus_error_name(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code && table[i].code == code)
			return table[i].name;
	return BUS_ERROR_PREFIX "Failed";
}

int bus_error_exit_status(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(table); i++)
		if (streq(table[i].name, name))
			return table[i].exit_status;
	return FAILED;
}

int bus_outcome_exit_status(const char *outcome)
{
	for (size_t i = 0; outcome && i < ARRAY_SIZE(outcomes); i++)
		if (streq(outcomes[i].name, outcome))
			return outcomes[i].exit_status;
	return FAILED;
}

static size_t char_len(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* U+FDD0 to U+FDEF, and the last two of each plane. */
static bool is_noncharacter(const unsigned char *c, size_t len)
{
	if (len == 3 && c[0] == 0xef)
		return (c[1] == 0xb7 && c[2] >= 0x90 && c[2] <= 0xaf) || (c[1] == 0xbf && c[2] >= 0xbe);
	return len == 4 && (c[1] & 0x0f) == 0x0f && c[2] == 0xbf && c[3] >= 0xbe;
}

void bus_text_clean(char *s)
{
	while (*s) {
		size_t len = char_len((unsigned char)*s);

		if (strnlen(s, len) == len && text_is_utf8(s, len) && !is_noncharacter((unsigned char *)s, len))
			s += len;
		else
			*s++ = '?';
	}
}

int bus_error_oom(sd_bus_error *e)
{
	return sd_bus_error_set_const(e, BUS_ERROR_PREFIX "NoMemory", "the daemon is out of memory");
}

int bus_error_set(sd_bus_error *e, const struct cfg_error *err)
{
	_cleanup_free_ char *text = cfg_error_text(err);

	if (!text)
		return bus_error_oom(e);
	bus_text_clean(text);
	return sd_bus_error_set(e, bus_error_name(err->code), text);
}

int bus_error_set_all(sd_bus_error *e, const struct cfg_errors *errs)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL;

	if (!errs->n)
		return bus_error_oom(e);
	for (size_t i = 0; i < errs->n; i++) {
		_cleanup_free_ char *line = cfg_error_text(&errs->items[i]);

		if (!line)
			b.failed = true;
		else
			strbuf_addf(&b, "%s%s", i ? "\n" : "", line);
	}
	if (errs->total > errs->n)
		strbuf_addf(&b, "\nand %zu problems more", errs->total - errs->n);
	text = strbuf_steal(&b);
	if (!text)
		return bus_error_oom(e);
	bus_text_clean(text);
	return sd_bus_error_set(e, bus_error_name(errs->items[0].code), text);
}
