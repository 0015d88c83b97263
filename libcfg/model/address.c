/* SPDX-License-Identifier: Apache-2.0 */
/* Transport addresses: their form, and which of them are one and the same place. Whether a machine has one is not known here. */
#include "model/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/cleanup.h"

bool ip_parse(const char *text, struct ip_address *ret)
{
	const char *scope = strchr(text, '%');
	size_t len = scope ? (size_t)(scope - text) : strlen(text);
	char plain[INET6_ADDRSTRLEN];
	struct ip_address a = { .v6 = strchr(text, ':') != NULL, .scope = scope ? scope + 1 : NULL };

	if (len >= sizeof(plain) || (scope && (!a.v6 || !scope[1])))
		return false;
	memcpy(plain, text, len);
	plain[len] = 0;
	if (inet_pton(a.v6 ? AF_INET6 : AF_INET, plain, a.bytes) != 1)
		return false;
	*ret = a;
	return true;
}

const char *ip_to_text(const struct ip_address *a, char buf[IP_TEXT_MAX])
{
	char plain[INET6_ADDRSTRLEN];

	inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, plain, sizeof(plain));
	if (!a->v6)
		snprintf(buf, IP_TEXT_MAX, "%s", plain);
	else
		snprintf(buf, IP_TEXT_MAX, "[%s%s%s]", plain, a->scope ? "%" : "", a->scope ? a->scope : "");
	return buf;
}

bool ip_is_any(const struct ip_address *a)
{
	static const unsigned char zeros[16];

	return memcmp(a->bytes, zeros, a->v6 ? 16 : 4) == 0;
}

bool ip_is_link_local(const struct ip_address *a)
{
	return a->v6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool ip_clashes(const struct ip_address *a, const struct ip_address *b)
{
	if ((a->v6 && ip_is_any(a)) || (b->v6 && ip_is_any(b)))
		return true;
	if (a->v6 != b->v6)
		return false;
	if (ip_is_any(a) || ip_is_any(b))
		return true;
	/* The same link-local address may be had on each interface. */
	return memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0 &&
	       (!ip_is_link_local(a) || streq_ptr(a->scope, b->scope));
}

static bool fc_name(const char *s, const char *prefix, size_t *ret_len)
{
	size_t n = strlen(prefix);

	*ret_len = n + 16;
	return strncmp(s, prefix, n) == 0 && strspn(s + n, "0123456789abcdefABCDEF") == 16;
}

bool fc_address_ok(const char *text)
{
	size_t n, m;

	return (fc_name(text, "nn-0x", &n) && text[n] == ':' && fc_name(text + n + 1, "pn-0x", &m) && !text[n + 1 + m]) ||
	       (fc_name(text, "nn-", &n) && text[n] == ':' && fc_name(text + n + 1, "pn-", &m) && !text[n + 1 + m]);
}

bool portal_parse(const char *text, char buf[IP_TEXT_MAX], struct ip_address *ret, const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool brackets = n > 2 && text[0] == '[' && colon[-1] == ']';

	if (!n || n >= IP_TEXT_MAX)
		return false;
	snprintf(buf, IP_TEXT_MAX, "%.*s", (int)(brackets ? n - 2 : n), brackets ? text + 1 : text);
	*ret_port = colon + 1;
	return ip_parse(buf, ret) && ret->v6 == brackets;
}
