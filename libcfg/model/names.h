/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_NAMES_H
#define CFG_NAMES_H

/* Names of objects, from text as typed into canonical form. Each returns 0 with *ret for the caller to free, or -EINVAL with what a right
 * name looks like. */

#include "model/attr.h"

#define NQN_MAX 223	/* bytes; NVMe Base specification 4.7. The kernel cuts longer ones silently. */
#define DISCOVERY_NQN "nqn.2014-08.org.nvmexpress.discovery"

/* By kind. */
int name_parse(enum kind kind, const char *text, char **ret, struct cfg_error *err);

int name_parse_plain(const char *text, char **ret, struct cfg_error *err);
int name_parse_nqn(const char *text, char **ret, struct cfg_error *err);
int name_parse_subsystem(const char *text, char **ret, struct cfg_error *err);
int name_parse_nsid(const char *text, char **ret, struct cfg_error *err);
int name_parse_port(const char *text, char **ret, struct cfg_error *err);
int name_parse_ana_group(const char *text, char **ret, struct cfg_error *err);

#endif
