/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on the bus: org.nvmetctl1.Job on /org/nvmetctl1/job/N. Jobs live in the manager; kept here is only when something
 * was last signalled about each that runs. The object manager lists running jobs, so that nobody has to be told when the manager
 * forgets an ended one.
 */
#include "dbus/service-private.h"

#include <errno.h>

#include "base/text.h"

struct job_watch {
	uint64_t id;
	uint64_t signalled_usec;
	bool due;
};

/* ---- reports ---- */

/* In the order in which they are left out of a report that is too long. */
static const char *const dispensable[] = { "plan", "effects", "deletions", "left", "debts", "warnings", "errors" };

char *job_report_text(const struct job *job)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *shorter = NULL;

	if (!job->report)
		return strdup("");
	text = json_print_line(job->report);
	if (!text || strlen(text) <= BUS_STRING_MAX)
		return steal_ptr(text);
	shorter = json_object_new_object();
	if (!shorter)
		return NULL;
	json_object_object_foreach(job->report, key, value)
		json_object_object_add(shorter, key, json_object_get(value));
	json_object_object_add(shorter, "truncated", json_object_new_boolean(true));
	for (size_t i = 0; i < ARRAY_SIZE(dispensable) && text && strlen(text) > BUS_STRING_MAX; i++) {
		json_object_object_del(shorter, dispensable[i]);
		free(text);
		text = json_print_line(shorter);
	}
	return steal_ptr(text);
}

/* ---- properties ---- */

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
			void *userdata, sd_bus_error *error)
{
	const struct job *job = userdata;
	bool ended = job->ended_usec != 0;
	_cleanup_free_ char *text = NULL;

	if (streq(property, "Id"))
		return sd_bus_message_append(reply, "t", job->id);
	if (streq(property, "Act"))
		return bus_append_text(reply, act_to_str(job->act));
	if (streq(property, "Caller"))
		return bus_append_text(reply, job->caller);
	if (streq(property, "State"))
		return bus_append_text(reply, job_state_to_str(job->state));
	if (streq(property, "StepsDone"))
		return sd_bus_message_append(reply, "t", (uint64_t)job->steps_done);
	if (streq(property, "StepsTotal"))
		return sd_bus_message_append(reply, "t", (uint64_t)job->steps_total);
	if (streq(property, "Step"))
		return bus_append_text(reply, job->step);
	if (streq(property, "WaitsFor"))
		return bus_append_text(reply, job->waits_for);
	if (streq(property, "Started"))
		return sd_bus_message_append(reply, "t", job->started_usec);
	if (streq(property, "Ended"))
		return sd_bus_message_append(reply, "t", job->ended_usec);
	if (streq(property, "Outcome"))
		return bus_append_text(reply, ended ? outcome_to_str(job->outcome) : "");
	if (streq(property, "Report")) {
		text = ended ? job_report_text(job) : strdup("");
		return text ? bus_append_text(reply, text) : -ENOMEM;
	}
	return -ENOENT;
}

/* ---- methods ---- */

static struct bus_service *service_of(sd_bus_message *m)
{
	return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}

int job_cancel(struct bus_service *s, sd_bus_message *m, uint64_t id, sd_bus_error *error)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r;

	r = access_check(s, m, HARM_CONFIGURE, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	if (manager_cancel(s->manager, id, &err) < 0)
		return bus_error_set(error, &err);
	return sd_bus_reply_method_return(m, NULL);
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct job *job = userdata;

	return job_cancel(service_of(m), m, job->id, error);
}

static int on_report_fd(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	const struct job *job = userdata;
	int r;

	r = access_check(service_of(m), m, HARM_LOOK, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	if (!job->ended_usec) {
		cfg_error_set(&err, ENOENT, "job %llu has not ended yet", (unsigned long long)job->id);
		return bus_error_set(error, &err);
	}
	text = json_print_line(job->report);
	if (!text)
		return bus_error_oom(error);
	if (memfd_new("report", text, strlen(text), &fd, &err) < 0)
		return bus_error_set(error, &err);
	return sd_bus_reply_method_return(m, "h", fd);
}

/* sd-bus would ask the bus about the caller, and wait for the answer: access_check() does it. */
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED
#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_cancel, OPEN),
	SD_BUS_METHOD_WITH_ARGS("ReportFd", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", report), on_report_fd, OPEN),
	SD_BUS_PROPERTY("Id", "t", get_property, 0, CONST),
	SD_BUS_PROPERTY("Act", "s", get_property, 0, CONST),
	SD_BUS_PROPERTY("Caller", "s", get_property, 0, CONST),
	SD_BUS_PROPERTY("State", "s", get_property, 0, EMITS),
	SD_BUS_PROPERTY("StepsDone", "t", get_property, 0, EMITS),
	SD_BUS_PROPERTY("StepsTotal", "t", get_property, 0, EMITS),
	SD_BUS_PROPERTY("Step", "s", get_property, 0, EMITS),
	SD_BUS_PROPERTY("WaitsFor", "s", get_property, 0, EMITS),
	SD_BUS_PROPERTY("Started", "t", get_property, 0, CONST),
	SD_BUS_PROPERTY("Ended", "t", get_property, 0, EMITS),
	SD_BUS_PROPERTY("Outcome", "s", get_property, 0, EMITS),
	SD_BUS_PROPERTY("Report", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
	SD_BUS_VTABLE_END,
};

/* ---- finding ---- */

static int find_job(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
		    sd_bus_error *error)
{
	struct bus_service *s = userdata;
	const struct job *job;
	uint64_t id;

	if (!s->manager || strncmp(path, BUS_JOB_PREFIX "/", strlen(BUS_JOB_PREFIX "/")) != 0 ||
	    text_to_u64(path + strlen(BUS_JOB_PREFIX "/"), &id) < 0)
		return 0;
	job = manager_job(s->manager, id);
	if (!job)
		return 0;
	*ret_found = (void *)job;
	return 1;
}

static int list_jobs(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_strv_ char **nodes = NULL;
	struct map_iter it = { 0 };
	size_t n = 0;

	nodes = calloc(map_len(s->jobs) + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	while (map_next(s->jobs, &it)) {
		const struct job_watch *w = it.value;

		nodes[n] = bus_job_path(w->id);
		if (!nodes[n++])
			return -ENOMEM;
	}
	*ret_nodes = steal_ptr(nodes);
	return 1;
}

/* ---- signals ---- */

static void watch_key(uint64_t id, char key[24])
{
	snprintf(key, 24, "%llu", (unsigned long long)id);
}

static void emit_progress(struct bus_service *s, struct job_watch *w, uint64_t now)
{
	_cleanup_free_ char *path = bus_job_path(w->id);

	w->due = false;
	w->signalled_usec = now;
	if (path && !bus_congested(s))
		sd_bus_emit_properties_changed(s->bus, path, BUS_JOB_INTERFACE, "State", "StepsDone", "StepsTotal", "Step",
					       "WaitsFor", NULL);
}

void job_object_added(struct bus_service *s, const struct job *job)
{
	_cleanup_free_ char *path = bus_job_path(job->id);
	struct job_watch *w = calloc(1, sizeof(*w));
	char key[24];

	watch_key(job->id, key);
	if (!w || map_put(s->jobs, key, w) < 0) {
		free(w);
		return;
	}
	w->id = job->id;
	sd_event_now(s->event, CLOCK_MONOTONIC, &w->signalled_usec);
	if (!path || bus_stuck(s))
		return;
	sd_bus_emit_object_added(s->bus, path);
	sd_bus_emit_signal(s->bus, BUS_ROOT, BUS_MANAGER_INTERFACE, "JobNew", "to", job->id, path);
}

void job_object_changed(struct bus_service *s, const struct job *job)
{
	struct job_watch *w;
	uint64_t now;
	char key[24];

	watch_key(job->id, key);
	w = map_get(s->jobs, key);
	if (!w)
		return;
	sd_event_now(s->event, CLOCK_MONOTONIC, &now);
	if (now >= w->signalled_usec + SIGNAL_USEC) {
		emit_progress(s, w, now);
		return;
	}
	w->due = true;
	bus_service_wake_at(s, w->signalled_usec + SIGNAL_USEC);
}

void job_object_flush(struct bus_service *s, uint64_t now)
{
	struct map_iter it = { 0 };

	while (map_next(s->jobs, &it)) {
		struct job_watch *w = it.value;

		if (!w->due)
			continue;
		if (now >= w->signalled_usec + SIGNAL_USEC)
			emit_progress(s, w, now);
		else
			bus_service_wake_at(s, w->signalled_usec + SIGNAL_USEC);
	}
}

void job_object_removed(struct bus_service *s, const struct job *job)
{
	_cleanup_free_ char *path = bus_job_path(job->id);
	const char *const interfaces[] = { BUS_JOB_INTERFACE, NULL };
	char key[24];

	watch_key(job->id, key);
	free(map_del(s->jobs, key));
	if (!path || bus_stuck(s))
		return;
	sd_bus_emit_properties_changed(s->bus, path, BUS_JOB_INTERFACE, "State", "StepsDone", "StepsTotal", "Step", "WaitsFor",
				       "Ended", "Outcome", "Report", NULL);
	sd_bus_emit_interfaces_removed_strv(s->bus, path, (char **)interfaces);
	sd_bus_emit_signal(s->bus, BUS_ROOT, BUS_MANAGER_INTERFACE, "JobRemoved", "tos", job->id, path,
			   outcome_to_str(job->outcome));
}

/* ---- life ---- */

int job_object_new(struct bus_service *s)
{
	int r;

	r = sd_bus_add_fallback_vtable(s->bus, &s->job_slots[0], BUS_JOB_PREFIX, BUS_JOB_INTERFACE, vtable, find_job, s);
	return r < 0 ? r : sd_bus_add_node_enumerator(s->bus, &s->job_slots[1], BUS_JOB_PREFIX, list_jobs, s);
}

void job_object_done(struct bus_service *s)
{
	struct map_iter it = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(s->job_slots); i++)
		sd_bus_slot_unref(s->job_slots[i]);
	while (s->jobs && map_next(s->jobs, &it))
		free(it.value);
	s->jobs = map_free(s->jobs);
}
