/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ADDRESS_H
#define CFG_ADDRESS_H

/* Transport addresses, as the kernel's transports take them apart when a port is opened. */

#include <stdbool.h>

struct ip_address {
	bool v6;
	unsigned char bytes[16];	/* four of an IPv4 address */
	const char *scope;		/* interface behind "%", borrowed from the text; or NULL */
};

/* No names, no brackets, nothing left over. */
bool ip_parse(const char *text, struct ip_address *ret);
/* One text for one address, that of IPv6 in brackets. Returns buf. */
#define IP_TEXT_MAX 320
const char *ip_to_text(const struct ip_address *a, char buf[IP_TEXT_MAX]);
bool ip_is_any(const struct ip_address *a);		/* 0.0.0.0, :: */
bool ip_is_link_local(const struct ip_address *a);	/* fe80::/10: means nothing without an interface */
/* Whether two listeners on one port number get in each other's way. One on :: takes IPv4 as well. */
bool ip_clashes(const struct ip_address *a, const struct ip_address *b);

/* "192.0.2.1:3260", "[2001:db8::1]:3260": the address's text goes into buf, which ret's scope is borrowed from, the port number is borrowed from
 * text. */
bool portal_parse(const char *text, char buf[IP_TEXT_MAX], struct ip_address *ret, const char **ret_port);

/* "nn-0x" and "pn-0x" with 16 hex digits each and a colon between, or the same without "0x". */
bool fc_address_ok(const char *text);

#endif
