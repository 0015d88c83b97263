/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_BUS_PAIR_H
#define TEST_BUS_PAIR_H

/* The bus service over a socket pair, with a stub for its manager: client and daemon in one process and one event loop. */

#include <systemd/sd-bus.h>

#include "base/text.h"
#include "dbus/names.h"
#include "dbus/service.h"
#include "tests/unit/stub-manager.h"

struct pair {
	sd_event *event;
	sd_bus *server, *client;
	struct settings settings;
	struct bus_service *service;
	struct manager manager;
	char **signals;		/* "path member", in the order they came */
};

/* Only uid 0 may change anything: for others, this process gets a user namespace where it is that. 77 (skip) when it may not. */
int pair_become_root(void);
int pair_setup(void **state);
/* The client is somebody else than uid 0; not after pair_become_root(). */
int pair_setup_stranger(void **state);
int pair_teardown(void **state);

/* Turns the loop until nothing has happened for a moment (idle_msec; 0: until nothing is ready). */
void pair_settle(struct pair *p, unsigned idle_msec);
sd_bus_message *pair_method(struct pair *p, const char *path, const char *interface, const char *member);
/* Sends and forgets m. The answer goes to a slot of the caller's: NULL until it comes. */
void pair_send(struct pair *p, sd_bus_message *m, sd_bus_message **slot);
/* Sends m and waits for the answer, an error reply included. */
sd_bus_message *pair_call(struct pair *p, sd_bus_message *m);
/* "NAME: TEXT" of an error reply, "" otherwise. Borrowed until the next call. */
const char *pair_error(sd_bus_message *reply);
/* How often a signal "path member" came. */
size_t pair_count(const struct pair *p, const char *signal);
void pair_forget_signals(struct pair *p);

#endif
