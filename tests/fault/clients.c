/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/clients.h"

#include <errno.h>
#include <poll.h>

#include "dbus/names.h"
#include "tests/fault/world.h"

#define PATIENCE_MS 600000

struct client {
	sd_bus *bus;
	sd_bus_slot *asked;
	struct json_object *answer;
};

struct client *client_new(void)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c || sd_bus_open_system(&c->bus) < 0)
		fail("one more client cannot reach the bus");
	return c;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	sd_bus_slot_unref(c->asked);
	sd_bus_flush_close_unref(c->bus);
	json_object_put(c->answer);
	free(c);
	return NULL;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct client *c = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	const char *text;

	c->asked = sd_bus_slot_unref(c->asked);
	if (e) {
		c->answer = json_object_new_object();
		json_object_object_add(c->answer, "outcome", json_object_new_string("invalid"));
		json_object_object_add(c->answer, "error", json_object_new_string(e->name));
		json_object_object_add(c->answer, "message", json_object_new_string(e->message));
		return 0;
	}
	if (sd_bus_message_read(m, "s", &text) < 0)
		fail("what is this answer?");
	c->answer = json_tokener_parse(text);
	if (!c->answer)
		fail("the answer is no JSON: %s", text);
	return 0;
}

static int append_option(sd_bus_message *m, const char *name, bool value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "b", 1) : 0;
}

static int append_options(sd_bus_message *m, const struct ask *a)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "disrupt", "b", 1, "destroy", "b", 1);
	if (r >= 0)
		r = append_option(m, "merge", a->what == ASK_MERGE);
	if (r >= 0)
		r = append_option(m, "dry_run", a->dry_run);
	if (r >= 0)
		r = append_option(m, "recursive", a->recursive);
	if (r >= 0 && (a->generation || a->what == ASK_APPLY || a->what == ASK_MERGE))
		r = sd_bus_message_append(m, "{sv}", "generation", "t", (uint64_t)a->generation);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_arguments(sd_bus_message *m, const struct ask *a)
{
	int r = 0;

	switch (a->what) {
	case ASK_CHANGE:
		r = append_edits(m, a->text);
		break;
	case ASK_APPLY:
	case ASK_MERGE:
		r = sd_bus_message_append(m, "s", a->text);
		break;
	case ASK_SHOW:
		return sd_bus_message_append(m, "sb", a->text, 0);
	case ASK_RECONCILE:
		r = sd_bus_message_append(m, "as", 0);
		break;
	case ASK_CLEAR:
		break;
	}
	return r < 0 ? r : append_options(m, a);
}

void client_ask(struct client *c, const struct ask *a)
{
	static const char *const methods[] = {
		[ASK_CHANGE] = "Change", [ASK_APPLY] = "Apply", [ASK_MERGE] = "Apply", [ASK_CLEAR] = "Clear",
		[ASK_RECONCILE] = "Reconcile", [ASK_SHOW] = "Dump",
	};
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, methods[a->what]);

	if (r >= 0)
		r = append_arguments(m, a);
	if (r >= 0)
		r = sd_bus_call_async(c->bus, &c->asked, m, on_answer, c, PATIENCE_MS * 1000ull);
	if (r >= 0)
		r = sd_bus_flush(c->bus);
	sd_bus_message_unref(m);
	if (r < 0)
		fail("%s: %s", methods[a->what], strerror(-r));
}

bool client_asks(const struct client *c)
{
	return c->asked;
}

struct json_object *client_answer(struct client *c)
{
	return steal_ptr(c->answer);
}

static void client_process(struct client *c)
{
	int r;

	do
		r = sd_bus_process(c->bus, NULL);
	while (r > 0);
	if (r < 0)
		fail("the bus is gone: %s", strerror(-r));
}

void clients_process(struct client *const *list, size_t n, bool wait)
{
	_cleanup_free_ struct pollfd *fds = calloc(n, sizeof(*fds));

	if (!fds)
		fail("out of memory");
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = sd_bus_get_fd(list[i]->bus), .events = POLLIN };
	if (wait && poll(fds, n, PATIENCE_MS) <= 0)
		fail("nobody answers");
	for (size_t i = 0; i < n; i++)
		client_process(list[i]);
}

struct json_object *client_ask_and_wait(struct client *c, const struct ask *a)
{
	client_ask(c, a);
	while (client_asks(c))
		clients_process(&c, 1, true);
	return client_answer(c);
}
