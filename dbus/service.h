/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_SERVICE_H
#define BUS_SERVICE_H

/*
 * The daemon on the bus (org.nvmetctl1.xml): requests of clients go to the manager, what the manager tells becomes signals. Nothing of
 * the model is kept here; objects on the bus are computed when somebody looks.
 *
 * Calling sequence: bus_service_new(), manager_new() with bus_service_observer(), bus_service_attach(), and in the end
 * bus_service_free() before manager_free().
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/manager.h"
#include "daemon/settings.h"

struct bus_service;

/* Puts the objects on the bus, which is attached to the event loop and not yet processed. settings and bus must outlive it. */
int bus_service_new(sd_event *e, sd_bus *bus, const struct settings *settings, struct bus_service **ret);
/* Requests under way go on; nobody is answered any more. */
struct bus_service *bus_service_free(struct bus_service *s);

/* What the manager is to call. Callers may put functions of their own in a copy where this has NULL. */
const struct observer *bus_service_observer(const struct bus_service *s);

/* From here on requests are served; takes the bus name (blocks for the bus's answer; on a direct connection there is none). */
int bus_service_attach(struct bus_service *s, struct manager *m);

#endif
