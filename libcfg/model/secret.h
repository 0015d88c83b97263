/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_SECRET_H
#define CFG_SECRET_H

#include "base/error.h"

/* Checks the form of a DH-HMAC-CHAP secret (NVMe Base specification 8.3.4.5.8): "DHHC-1:HH:BASE64:" with HH 00 to 03 and a key of
 * 32, 48 or 64 bytes and its CRC-32. The kernel checks none of that until a host connects. -EINVAL; the message never holds the secret. */
int secret_check(const char *text, struct cfg_error *err);

/* The same of a secret of iSCSI's CHAP: what the kernel keeps as it is, 1 to 255 bytes that do not begin with
 * NULL, by which it would mean that there is none. A newline would be part of it, so there is none in it. */
int secret_check_chap(const char *text, struct cfg_error *err);

#endif
