/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's life, what all bus objects share, and the observer: what the manager tells, as signals. Signals are bounded: progress
 * and status by time, commits by number of objects, all of them by what the bus takes.
 */
#include "dbus/service-private.h"

#include <assert.h>
#include <errno.h>
#include <systemd/sd-daemon.h>

#include "base/text.h"

static bool queue_over(const struct bus_service *s, uint64_t max)
{
	uint64_t n = 0;

	return sd_bus_get_n_queued_write(s->bus, &n) < 0 || n > max;
}

bool bus_congested(const struct bus_service *s)
{
	return queue_over(s, QUEUE_MAX);
}

bool bus_stuck(const struct bus_service *s)
{
	return queue_over(s, QUEUE_STUCK);
}

int bus_check_length(size_t len, const char *instead, struct cfg_error *err)
{
	if (len <= BUS_STRING_MAX)
		return 0;
	return cfg_error_set(err, EFBIG, "the answer has %zu bytes, more than fits into a message%s%s", len,
			     instead ? "; ask by " : "", instead ? instead : "");
}

/* ---- paths ---- */

int bus_object_path(const char *path, char **ret)
{
	_cleanup_free_ char *prefix = strdup(BUS_OBJECT_PREFIX), *rest = strdup(path);
	char *save = NULL;
	int r;

	if (!prefix || !rest)
		return -ENOMEM;
	for (char *part = strtok_r(rest, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		char *longer;

		r = sd_bus_path_encode(prefix, part, &longer);
		if (r < 0)
			return r;
		free(prefix);
		prefix = longer;
	}
	*ret = steal_ptr(prefix);
	return 0;
}

static int decode_parts(const char *at, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	while (*at) {
		size_t n = strcspn(at + 1, "/");
		_cleanup_free_ char *one = strndup(at, n + 1), *part = NULL;
		int r;

		if (!one)
			return -ENOMEM;
		r = sd_bus_path_decode(one, "/", &part);
		if (r <= 0)
			return r < 0 ? r : -EINVAL;
		strbuf_addf(&b, "%s%s", b.len ? "/" : "", part);
		at += n + 1;
	}
	*ret = strbuf_steal(&b);
	return *ret ? 0 : -ENOMEM;
}

int bus_object_path_decode(const char *object_path, char **ret)
{
	_cleanup_free_ char *path = NULL, *again = NULL;
	int r;

	if (strncmp(object_path, BUS_OBJECT_PREFIX "/", strlen(BUS_OBJECT_PREFIX "/")) != 0)
		return -EINVAL;
	r = decode_parts(object_path + strlen(BUS_OBJECT_PREFIX), &path);
	if (r >= 0)
		r = bus_object_path(path, &again);
	if (r < 0)
		return r;
	/* Bytes may be escaped without need: then one object would have several paths. */
	if (!streq(again, object_path))
		return -EINVAL;
	*ret = steal_ptr(path);
	return 0;
}

char *bus_job_path(uint64_t id)
{
	return strf(BUS_JOB_PREFIX "/%llu", (unsigned long long)id);
}

int bus_append_text(sd_bus_message *m, const char *text)
{
	_cleanup_free_ char *copy = strdup(text ? text : "");

	if (!copy)
		return -ENOMEM;
	bus_text_clean(copy);
	return sd_bus_message_append(m, "s", copy);
}

/* ---- what is held back ---- */

static void emit_status(struct bus_service *s, uint64_t now)
{
	s->status_due = false;
	s->status_usec = now;
	if (!bus_congested(s))
		sd_bus_emit_signal(s->bus, BUS_ROOT, BUS_MANAGER_INTERFACE, "StatusChanged", NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct bus_service *s = userdata;
	uint64_t now;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_now(s->event, CLOCK_MONOTONIC, &now);
	if (s->status_due && now >= s->status_usec + SIGNAL_USEC)
		emit_status(s, now);
	else if (s->status_due)
		bus_service_wake_at(s, s->status_usec + SIGNAL_USEC);
	job_object_flush(s, now);
	return 0;
}

void bus_service_wake_at(struct bus_service *s, uint64_t usec)
{
	uint64_t set;
	int enabled;

	if (sd_event_source_get_enabled(s->timer, &enabled) >= 0 && enabled != SD_EVENT_OFF &&
	    sd_event_source_get_time(s->timer, &set) >= 0 && set <= usec)
		return;
	sd_event_source_set_time(s->timer, usec);
	sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* ---- observer ---- */

static void on_job_new(void *userdata, const struct job *job)
{
	job_object_added(userdata, job);
}

static void on_job_changed(void *userdata, const struct job *job)
{
	job_object_changed(userdata, job);
}

static void on_job_removed(void *userdata, const struct job *job)
{
	struct bus_service *s = userdata;

	job_object_removed(s, job);
	if (job->act != ACT_START)
		return;
	s->started = true;
	if (!bus_stuck(s))
		sd_bus_emit_properties_changed(s->bus, BUS_ROOT, BUS_MANAGER_INTERFACE, "Started", NULL);
}

static int emit_committed(struct bus_service *s, uint64_t generation, const struct changes *changes)
{
	sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_signal(s->bus, &m, BUS_ROOT, BUS_MANAGER_INTERFACE, "Committed");
	if (r >= 0)
		r = sd_bus_message_append(m, "t", generation);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "s");
	for (size_t i = 0; r >= 0 && changes && i < changes->n; i++)
		r = bus_append_text(m, changes->items[i]->path);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "b", changes == NULL);
	if (r >= 0)
		r = sd_bus_send(s->bus, m, NULL);
	sd_bus_message_unref(m);
	return r;
}

static void on_committed(void *userdata, uint64_t generation, const struct changes *changes)
{
	struct bus_service *s = userdata;
	bool many = changes->n > MANY_OBJECTS || bus_congested(s);

	if (bus_stuck(s))
		return;
	if (!many)
		model_object_committed(s, changes);
	emit_committed(s, generation, many ? NULL : changes);
	sd_bus_emit_properties_changed(s->bus, BUS_ROOT, BUS_MANAGER_INTERFACE, "Generation", NULL);
}

static void on_status_changed(void *userdata)
{
	struct bus_service *s = userdata;
	uint64_t now;

	sd_event_now(s->event, CLOCK_MONOTONIC, &now);
	if (now >= s->status_usec + SIGNAL_USEC) {
		emit_status(s, now);
		return;
	}
	s->status_due = true;
	bus_service_wake_at(s, s->status_usec + SIGNAL_USEC);
}

const struct observer *bus_service_observer(const struct bus_service *s)
{
	return &s->observer;
}

/* ---- life ---- */

int bus_service_new(sd_event *e, sd_bus *bus, const struct settings *settings, struct bus_service **ret)
{
	struct bus_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(e);
	s->bus = sd_bus_ref(bus);
	s->settings = settings;
	s->observer = (struct observer){
		.job_new = on_job_new,
		.job_changed = on_job_changed,
		.job_removed = on_job_removed,
		.committed = on_committed,
		.status_changed = on_status_changed,
		.userdata = s,
	};
	s->senders = map_new();
	s->jobs = map_new();
	r = s->senders && s->jobs ? 0 : -ENOMEM;
	if (r >= 0)
		r = sd_event_add_time(e, &s->timer, CLOCK_MONOTONIC, 0, 0, on_timer, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_bus_add_object_manager(bus, &s->object_manager, BUS_ROOT);
	if (r >= 0)
		r = manager_object_new(s);
	if (r >= 0)
		r = job_object_new(s);
	if (r >= 0)
		r = model_object_new(s);
	if (r < 0) {
		bus_service_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct bus_service *bus_service_free(struct bus_service *s)
{
	if (!s)
		return NULL;
	while (s->pending)
		pending_free(s->pending);
	manager_object_done(s);
	job_object_done(s);
	model_object_done(s);
	access_done(s);
	sd_bus_slot_unref(s->object_manager);
	sd_event_source_disable_unref(s->timer);
	sd_bus_unref(s->bus);
	sd_event_unref(s->event);
	free(s);
	return NULL;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	fputs(SD_ERR "the connection to the system bus has ended: the bus itself did, or a message brought descriptors for which there was no room; "
	      "starting again is the only way\n", stderr);
	return 0;
}

int bus_service_attach(struct bus_service *s, struct manager *m)
{
	int r;

	assert(!s->manager);
	s->manager = m;
	/* Without its bus the daemon would be of no use to anybody; systemd starts it anew, and what is exported stays up. */
	sd_bus_set_exit_on_disconnect(s->bus, true);
	r = sd_bus_match_signal(s->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
				"Disconnected", on_disconnected, s);
	if (r < 0)
		return r;
	if (sd_bus_is_bus_client(s->bus) <= 0)
		return 0;
	return sd_bus_request_name(s->bus, BUS_NAME, 0);
}
