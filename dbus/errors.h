/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ERRORS_H
#define BUS_ERRORS_H

/*
 * What a failure is called: errno in the code (base/error.h), error name on the bus, exit status of the command line. For the daemon
 * and the command line alike; needs base and sd-bus only.
 */

#include <systemd/sd-bus.h>

#include "base/error.h"

/* "org.nvmetctl1.Error.Invalid" for EINVAL; codes without a name of their own are Failed. Static. */
const char *bus_error_name(int code);

/* Exit status (nvmetctl(8)) for an error reply by its name, names of the bus itself and of sd-bus included. */
int bus_error_exit_status(const char *name);

/* Exit status for the "outcome" of a report; a word that is not known counts as failed. */
int bus_outcome_exit_status(const char *outcome);

/* Replaces by '?' what a D-Bus string does not carry: bytes that are not UTF-8 (names in the kernel may be anything) and noncharacters. */
void bus_text_clean(char *s);

/* Fill e from a filled error and return the negative errno that an sd-bus handler returns. Several: one line each. */
int bus_error_set(sd_bus_error *e, const struct cfg_error *err);
int bus_error_oom(sd_bus_error *e);
int bus_error_set_all(sd_bus_error *e, const struct cfg_errors *errs);

#endif
