/* SPDX-License-Identifier: Apache-2.0 */
/* The form of secrets, checked so that a typing error is found now and not by a host that cannot connect. */
#include "model/secret.h"

#include <errno.h>
#include <stdint.h>
#include <zlib.h>

#define CHAP_MAX 255	/* bytes of a secret that the kernel keeps (drivers/target/iscsi/iscsi_target_configfs.c) */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Length of what was decoded, or -1. */
static int base64_decode(const char *s, size_t n, unsigned char *out, size_t size)
{
	size_t len = 0, pad = 0;

	if (!n || n % 4)
		return -1;
	while (pad < 2 && s[n - 1 - pad] == '=')
		pad++;
	if (n / 4 * 3 - pad > size)
		return -1;
	for (size_t i = 0; i < n; i += 4) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = i + k >= n - pad ? 0 : base64_digit(s[i + k]);

			if (d < 0)
				return -1;
			bits = bits << 6 | (uint32_t)d;
		}
		/* Bits that stand for nothing must be none (RFC 4648, 3.5); the kernel sees to that as well. */
		if (i + 4 == n && bits & ((1u << (8 * pad)) - 1))
			return -1;
		for (int shift = 16; shift >= 0 && len < n / 4 * 3 - pad; shift -= 8)
			out[len++] = (unsigned char)(bits >> shift);
	}
	return (int)len;
}

int secret_check(const char *text, struct cfg_error *err)
{
	/* By hash function of the transformation: key bytes, 0 for any of the three. */
	static const int lengths[] = { 0, 32, 48, 64 };
	unsigned char key[80];
	const char *base64, *end;
	int n, hash;
	uint32_t crc;

	if (strncmp(text, "DHHC-1:0", 8) != 0 || text[8] < '0' || text[8] > '3' || text[9] != ':')
		return cfg_error_set(err, EINVAL,
				     "is no DH-HMAC-CHAP secret: it must begin with DHHC-1: and 00: to 03:");
	hash = text[8] - '0';
	base64 = text + 10;
	end = strchr(base64, ':');
	if (!end || end[1])
		return cfg_error_set(err, EINVAL, "is no DH-HMAC-CHAP secret: it must end with a colon");
	n = base64_decode(base64, (size_t)(end - base64), key, sizeof(key));
	if (n != 36 && n != 52 && n != 68) {
		explicit_bzero(key, sizeof(key));
		return cfg_error_set(err, EINVAL,
				     "is no DH-HMAC-CHAP secret: its key is not base64 of 32, 48 or 64 bytes and a checksum");
	}
	crc = (uint32_t)crc32(0, key, (unsigned)n - 4);
	n -= 4;
	hash = lengths[hash] && lengths[hash] != n ? -1 : 0;
	if (crc != ((uint32_t)key[n] | (uint32_t)key[n + 1] << 8 | (uint32_t)key[n + 2] << 16 | (uint32_t)key[n + 3] << 24))
		hash = -2;
	explicit_bzero(key, sizeof(key));
	if (hash == -1)
		return cfg_error_set(err, EINVAL, "is no DH-HMAC-CHAP secret: its key has not the length of its hash function");
	if (hash == -2)
		return cfg_error_set(err, EINVAL, "is no DH-HMAC-CHAP secret: its checksum is wrong, so it was mistyped or cut");
	return 0;
}

int secret_check_chap(const char *text, struct cfg_error *err)
{
	size_t len = strlen(text);

	if (!len || len > CHAP_MAX)
		return cfg_error_set(err, EINVAL, "is no CHAP secret: it must have 1 to %d bytes", CHAP_MAX);
	if (strncmp(text, "NULL", 4) == 0)
		return cfg_error_set(err, EINVAL, "is no CHAP secret: what begins with NULL means none to the kernel");
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return cfg_error_set(err, EINVAL, "is no CHAP secret: it has a control character in it");
	return 0;
}
