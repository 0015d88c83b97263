/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_SECRET_H
#define CFG_SECRET_H

#include "base/error.h"

/* Checks the form of a DH-HMAC-CHAP secret (NVMe Base specification 8.3.4.5.8): "DHHC-1:HH:BASE64:" with HH 00 to 03 and a key of
 * 32, 48 or 64 bytes and its CRC-32. The kernel checks none of that until a host connects. -EINVAL; the message never holds the secret. */
int secret_check(const char *text, struct cfg_error *err);

#endif
