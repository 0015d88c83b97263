/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/bus-pair.h"

#include <assert.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#define OK(expr) assert((expr) >= 0)

#define STRANGER 65534

int pair_become_root(void)
{
	_cleanup_free_ char *map = strf("0 %u 1", (unsigned)geteuid());
	_cleanup_close_ int fd = -1;

	if (geteuid() == 0)
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, map, strlen(map)) > 0 && geteuid() == 0 ? 0 : 77;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct pair *p = userdata;
	_cleanup_free_ char *line = NULL;

	if (sd_bus_message_is_signal(m, NULL, NULL) <= 0)
		return 0;
	line = strf("%s %s", sd_bus_message_get_path(m), sd_bus_message_get_member(m));
	assert(line);
	OK(strv_append(&p->signals, line));
	return 0;
}

static int setup(void **state, const int fds[2])
{
	struct pair *p = calloc(1, sizeof(*p));
	sd_id128_t id;

	assert(p);
	p->settings.max_document_bytes = 1u << 20;
	p->settings.queue_per_client = 64;
	OK(sd_event_new(&p->event));
	OK(sd_id128_randomize(&id));
	OK(sd_bus_new(&p->server));
	OK(sd_bus_set_fd(p->server, fds[0], fds[0]));
	OK(sd_bus_set_server(p->server, 1, id));
	OK(sd_bus_negotiate_fds(p->server, 1));
	OK(sd_bus_start(p->server));
	OK(sd_bus_attach_event(p->server, p->event, 0));
	OK(sd_bus_new(&p->client));
	OK(sd_bus_set_fd(p->client, fds[1], fds[1]));
	OK(sd_bus_negotiate_fds(p->client, 1));
	OK(sd_bus_start(p->client));
	OK(sd_bus_attach_event(p->client, p->event, 0));
	OK(sd_bus_add_filter(p->client, NULL, on_message, p));
	OK(bus_service_new(p->event, p->server, &p->settings, &p->service));
	stub_init(&p->manager, bus_service_observer(p->service));
	OK(bus_service_attach(p->service, &p->manager));
	pair_settle(p, 0);
	*state = p;
	return 0;
}

static void make_sockets(int fds[2])
{
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
}

int pair_setup(void **state)
{
	int fds[2];

	make_sockets(fds);
	return setup(state, fds);
}

int pair_setup_stranger(void **state)
{
	bool root = geteuid() == 0;
	int fds[2];

	/* A socket remembers who made it. */
	assert(!root || seteuid(STRANGER) == 0);
	make_sockets(fds);
	assert(!root || seteuid(0) == 0);
	return setup(state, fds);
}

int pair_teardown(void **state)
{
	struct pair *p = *state;

	bus_service_free(p->service);
	stub_done(&p->manager);
	sd_bus_close_unref(p->client);
	sd_bus_close_unref(p->server);
	sd_event_unref(p->event);
	strv_free(p->signals);
	free(p);
	return 0;
}

void pair_settle(struct pair *p, unsigned idle_msec)
{
	while (sd_event_run(p->event, (uint64_t)idle_msec * 1000) > 0)
		;
}

sd_bus_message *pair_method(struct pair *p, const char *path, const char *interface, const char *member)
{
	sd_bus_message *m;

	OK(sd_bus_message_new_method_call(p->client, &m, NULL, path, interface, member));
	return m;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus_message **slot = userdata;

	*slot = sd_bus_message_ref(m);
	return 0;
}

void pair_send(struct pair *p, sd_bus_message *m, sd_bus_message **slot)
{
	*slot = NULL;
	OK(sd_bus_call_async(p->client, NULL, m, on_reply, slot, UINT64_MAX));
	sd_bus_message_unref(m);
}

sd_bus_message *pair_call(struct pair *p, sd_bus_message *m)
{
	sd_bus_message *reply;

	pair_send(p, m, &reply);
	while (!reply)
		assert(sd_event_run(p->event, 10000000) > 0);
	return reply;
}

const char *pair_error(sd_bus_message *reply)
{
	static char text[4096];
	const sd_bus_error *e = sd_bus_message_get_error(reply);

	snprintf(text, sizeof(text), "%s%s%s", e ? e->name : "", e ? ": " : "", e ? e->message : "");
	return text;
}

size_t pair_count(const struct pair *p, const char *signal)
{
	size_t n = 0;

	for (char **s = p->signals; s && *s; s++)
		n += streq(*s, signal);
	return n;
}

void pair_forget_signals(struct pair *p)
{
	p->signals = strv_free(p->signals);
}
