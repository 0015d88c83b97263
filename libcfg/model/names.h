/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_NAMES_H
#define CFG_NAMES_H

/* Names of objects, from text as typed into canonical form. Each returns 0 with *ret for the caller to free, or -EINVAL with what a right
 * name looks like. */

#include "model/attr.h"

#define NQN_MAX 223	/* bytes; NVMe Base specification 4.7. The kernel cuts longer ones silently. */
#define WWN_MAX 223	/* bytes; RFC 7143 4.2.7.2. The kernel cuts longer ones silently. */
#define DISCOVERY_NQN "nqn.2014-08.org.nvmexpress.discovery"

/* By kind. */
int name_parse(enum kind kind, const char *text, char **ret, struct cfg_error *err);

int name_parse_plain(const char *text, char **ret, struct cfg_error *err);
int name_parse_nqn(const char *text, char **ret, struct cfg_error *err);
int name_parse_subsystem(const char *text, char **ret, struct cfg_error *err);
int name_parse_nsid(const char *text, char **ret, struct cfg_error *err);
int name_parse_port(const char *text, char **ret, struct cfg_error *err);
int name_parse_ana_group(const char *text, char **ret, struct cfg_error *err);
int name_parse_fabric(const char *text, char **ret, struct cfg_error *err);
/* Of a SCSI device: what a name looks like depends on the fabric, and is for validation to say. */
int name_parse_wwn(const char *text, char **ret, struct cfg_error *err);
/* RFC 7143 4.2.7.3 to 4.2.7.6, in lower case. */
bool name_is_iscsi(const char *text);
int name_parse_tag(const char *text, char **ret, struct cfg_error *err);
int name_parse_lun(const char *text, char **ret, struct cfg_error *err);
/* "192.0.2.1:3260"; an IPv6 address in brackets, in its shortest form. */
int name_parse_portal(const char *text, char **ret, struct cfg_error *err);

#endif
