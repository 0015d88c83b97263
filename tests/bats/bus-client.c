/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that busctl cannot be:
 *	bus-client order N	sends N jobs before it reads any answer, with nothing before them; says whether their numbers ascend
 *	bus-client leave FILE	asks for a backend "left" on a new FILE and is gone without waiting for it
 *	bus-client document FILE	applies what stands there, whatever nvmetctl would say of it; prints "ERROR: MESSAGE" or the report
 *	bus-client flood N	asks N times for the status, and for all signals, and never reads; stays until it is killed
 *	bus-client watch PATTERN…	prints signals of the daemon as "PATH MEMBER" until each PATTERN (a whole line) has been seen
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "dbus/names.h"

#define TIMEOUT_USEC (30u * 1000000u)

static sd_bus *bus;

static int fail(const char *what, int r)
{
	fprintf(stderr, "bus-client: %s: %s\n", what, strerror(-r));
	return 1;
}

static sd_bus_message *new_call(const char *member)
{
	sd_bus_message *m;
	int r = sd_bus_message_new_method_call(bus, &m, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, member);

	if (r < 0)
		exit(fail(member, r));
	return m;
}

static sd_bus_message *new_change(const char *verb, const char *path, const char *file)
{
	sd_bus_message *m = new_call("Change");
	int r;

	if (file)
		r = sd_bus_message_append(m, "a(ssa(sss))a{sv}", 1, verb, path, 4, "type", "=", "file", "path", "=", file, "size", "=",
					  "1MiB", "create", "=", "true", 1, "wait", "b", 0);
	else
		r = sd_bus_message_append(m, "a(ssa(sss))a{sv}", 1, verb, path, 0, 1, "wait", "b", 0);
	if (r < 0)
		exit(fail("Change", r));
	return m;
}

struct order {
	unsigned long answers, last;
	bool ascending;
};

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct order *o = userdata;
	const char *text;
	unsigned long id;

	o->answers++;
	if (sd_bus_message_is_method_error(m, NULL)) {
		fprintf(stderr, "bus-client: %s\n", sd_bus_message_get_error(m)->message);
		o->ascending = false;
		return 0;
	}
	if (sd_bus_message_read(m, "s", &text) < 0 || sscanf(text, "{\"job\":%lu", &id) != 1 || id <= o->last)
		o->ascending = false;
	else
		o->last = id;
	return 0;
}

static int order(unsigned long n)
{
	struct order o = { .ascending = true };
	int r = 0;

	for (unsigned long i = 0; r >= 0 && i < n; i++) {
		sd_bus_message *m = new_change(i % 2 ? "delete" : "create", "hosts/nqn.2026-11.org.example:order", NULL);

		r = sd_bus_call_async(bus, NULL, m, on_answer, &o, TIMEOUT_USEC);
		sd_bus_message_unref(m);
	}
	while (r >= 0 && o.answers < n) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, TIMEOUT_USEC);
	}
	if (r < 0)
		return fail("order", r);
	puts(o.ascending ? "ascending" : "not ascending");
	return !o.ascending;
}

/* Whoever has left cannot be told from a stranger, so the daemon has to know us before. */
static int be_known(void)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = new_call("CancelJob");
	int r = sd_bus_message_append(m, "t", (uint64_t)0);

	if (r >= 0)
		r = sd_bus_call(bus, m, TIMEOUT_USEC, &error, NULL);
	sd_bus_message_unref(m);
	/* There is no such job; but looking alone would not have made us known. */
	return sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NotFound") ? 0 : r < 0 ? r : -EPROTO;
}

static int leave(const char *file)
{
	sd_bus_message *m = new_change("create", "backends/left", file);
	int r = be_known();

	if (r >= 0)
		r = sd_bus_send(bus, m, NULL);
	sd_bus_message_unref(m);
	if (r >= 0)
		r = sd_bus_flush(bus);
	return r < 0 ? fail("leave", r) : 0;
}

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "r");

	if (!f || getdelim(&text, &size, EOF, f) < 0)
		exit(fail(path, -errno));
	fclose(f);
	return text;
}

static int document(const char *file)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = new_call("Apply"), *reply = NULL;
	char *text = read_file(file);
	const char *report = "";
	int r = sd_bus_message_append(m, "sa{sv}", text, 0);

	if (r >= 0)
		r = sd_bus_call(bus, m, TIMEOUT_USEC, &error, &reply);
	if (sd_bus_error_is_set(&error))
		printf("%s: %s\n", error.name, error.message);
	else if (r < 0 || sd_bus_message_read(reply, "s", &report) < 0)
		fail("document", r);
	else
		puts(report);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	free(text);
	return r < 0;
}

static int flood(unsigned long n)
{
	int r = sd_bus_match_signal(bus, NULL, BUS_NAME, NULL, NULL, NULL, NULL, NULL);

	for (unsigned long i = 0; r >= 0 && i < n; i++) {
		sd_bus_message *m = new_call("Status");

		r = sd_bus_send(bus, m, NULL);
		sd_bus_message_unref(m);
	}
	if (r >= 0)
		r = sd_bus_flush(bus);
	if (r < 0)
		return fail("flood", r);
	puts("sent");
	fflush(stdout);
	for (;;)
		pause();
}

struct watch {
	char **patterns;	/* seen ones are taken out */
	int n, left;
};

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct watch *w = userdata;
	char line[1024];

	snprintf(line, sizeof(line), "%s %s", sd_bus_message_get_path(m), sd_bus_message_get_member(m));
	puts(line);
	for (int i = 0; i < w->n; i++)
		if (w->patterns[i] && strcmp(w->patterns[i], line) == 0) {
			w->patterns[i] = NULL;
			w->left--;
		}
	return 0;
}

static int watch(char **patterns, int n)
{
	struct watch w = { .patterns = patterns, .n = n, .left = n };
	int r;

	r = sd_bus_match_signal(bus, NULL, BUS_NAME, NULL, NULL, NULL, on_signal, &w);
	if (r < 0)
		return fail("watch", r);
	puts("watching");
	fflush(stdout);
	while (w.left) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, TIMEOUT_USEC);
		if (r < 0)
			return fail("watch", r);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int r;

	if (argc < 3)
		return 2;
	r = sd_bus_open_system(&bus);
	if (r < 0)
		return fail("the bus cannot be reached", r);
	if (strcmp(argv[1], "order") == 0)
		r = order(strtoul(argv[2], NULL, 10));
	else if (strcmp(argv[1], "leave") == 0)
		r = leave(argv[2]);
	else if (strcmp(argv[1], "document") == 0)
		r = document(argv[2]);
	else if (strcmp(argv[1], "flood") == 0)
		r = flood(strtoul(argv[2], NULL, 10));
	else if (strcmp(argv[1], "watch") == 0)
		r = watch(argv + 2, argc - 2);
	else
		r = 2;
	sd_bus_flush_close_unref(bus);
	return r;
}
