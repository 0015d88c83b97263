/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.nvmetctl1.Manager on /org/nvmetctl1: what may be asked of the daemon. Each method checks who asks, reads its arguments
 * (request.c) and hands them on; answers come when the manager has them.
 */
#include "config.h"

#include "dbus/service-private.h"

#include <errno.h>

#include "base/text.h"

#define LABEL_MAX 128

/* ---- what becomes a job ---- */

struct job_method {
	const char *name;
	enum act act;
	enum request_input input;
	enum harm harm;
	unsigned options;
	bool dry_run;
};

#define CONSENT (OPTION_DISRUPT | OPTION_DESTROY)
#define ALWAYS (OPTION_PLAN | OPTION_WAIT)
#define DOCUMENT (OPTION_MERGE | CONSENT | OPTION_REVOKE | OPTION_GENERATION | OPTION_NAME | ALWAYS)

static const struct job_method job_methods[] = {
	{ "Apply", ACT_APPLY, INPUT_TEXT, HARM_CONFIGURE, DOCUMENT | OPTION_DRY_RUN },
	{ "ApplyFd", ACT_APPLY, INPUT_FD, HARM_CONFIGURE, DOCUMENT | OPTION_DRY_RUN },
	{ "Diff", ACT_APPLY, INPUT_TEXT, HARM_CONFIGURE, DOCUMENT, .dry_run = true },
	{ "DiffFd", ACT_APPLY, INPUT_FD, HARM_CONFIGURE, DOCUMENT, .dry_run = true },
	{ "Restore", ACT_RESTORE, INPUT_TEXT, HARM_CONFIGURE, DOCUMENT | OPTION_DRY_RUN },
	{ "RestoreFd", ACT_RESTORE, INPUT_FD, HARM_CONFIGURE, DOCUMENT | OPTION_DRY_RUN },
	{ "Change", ACT_CHANGE, INPUT_EDITS, HARM_CONFIGURE,
	  CONSENT | OPTION_DRY_RUN | OPTION_REVOKE | OPTION_RECURSIVE | OPTION_GENERATION | ALWAYS },
	{ "Clear", ACT_CLEAR, INPUT_NONE, HARM_CONFIGURE, CONSENT | OPTION_DRY_RUN | OPTION_GENERATION | ALWAYS },
	{ "Reconcile", ACT_RECONCILE, INPUT_PATHS, HARM_CONFIGURE, CONSENT | OPTION_DRY_RUN | ALWAYS },
	{ "Adopt", ACT_ADOPT, INPUT_PATHS, HARM_CONFIGURE, OPTION_DRY_RUN | ALWAYS },
	{ "Rollback", ACT_ROLLBACK, INPUT_NUMBER, HARM_CONFIGURE, CONSENT | OPTION_DRY_RUN | OPTION_REVOKE | ALWAYS },
};

static void on_request_done(void *userdata, const struct job *job)
{
	_cleanup_free_ char *text = job_report_text(job);

	pending_reply_text(userdata, text, "Job.ReportFd");
}

static int reply_job(sd_bus_message *m, const struct job *job)
{
	_cleanup_free_ char *path = bus_job_path(job->id);
	_cleanup_free_ char *text = path ? strf("{\"job\":%llu,\"path\":\"%s\"}", (unsigned long long)job->id, path) : NULL;

	return text ? sd_bus_reply_method_return(m, "s", text) : -ENOMEM;
}

static int start_job(struct bus_service *s, sd_bus_message *m, struct request *r, bool wait, sd_bus_error *error)
{
	_cleanup_(pending_freep) struct pending *pending = NULL;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct job *job;
	int k;

	if (wait) {
		k = pending_new(s, m, &pending, error);
		if (k < 0)
			return k;
	}
	k = manager_request(s->manager, r, wait ? on_request_done : NULL, pending, &job, &err);
	if (k < 0)
		return bus_error_set(error, &err);
	if (!wait)
		return reply_job(m, job);
	steal_ptr(pending);
	return 1;
}

static int on_job_method(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_(request_done) struct request r = { 0 };
	_cleanup_request_extra_ struct request_extra x = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	const struct job_method *method = job_methods;
	int k;

	while (!streq(method->name, sd_bus_message_get_member(m)))
		method++;
	k = access_check(s, m, method->harm, error);
	if (k <= 0)
		return k < 0 ? k : 1;
	r.act = method->act;
	k = request_read(m, method->input, method->options, s->settings->max_document_bytes, &r, &x, &errs);
	if (k < 0)
		return bus_error_set_all(error, &errs);
	r.dry_run |= method->dry_run;
	r.caller = access_caller(s, m);
	if (!r.caller)
		return bus_error_oom(error);
	return start_job(s, m, &r, !x.no_wait, error);
}

static int on_cancel_job(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id;
	int r;

	r = sd_bus_message_read(m, "t", &id);
	return r < 0 ? r : job_cancel(userdata, m, id, error);
}

/* ---- looking ---- */

/* text is cleaned. */
static int reply_text(sd_bus_message *m, char *text, const char *instead, sd_bus_error *error)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (!text)
		return bus_error_oom(error);
	if (bus_check_length(strlen(text), instead, &err) < 0)
		return bus_error_set(error, &err);
	bus_text_clean(text);
	return sd_bus_reply_method_return(m, "s", text);
}

static int reply_fd(sd_bus_message *m, const char *name, const char *text, sd_bus_error *error)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_close_ int fd = -1;

	if (!text)
		return bus_error_oom(error);
	if (memfd_new(name, text, strlen(text), &fd, &err) < 0)
		return bus_error_set(error, &err);
	return sd_bus_reply_method_return(m, "h", fd);
}

static int dump(struct bus_service *s, const char *path, bool defaults, char **ret, struct cfg_error *err)
{
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_path_ struct path p = { 0 };
	const struct object *o = NULL;

	if (*path) {
		if (path_parse(path, &p, NULL, err) < 0)
			return -EINVAL;
		o = tree_find(manager_wanted(s->manager), path);
		if (!o)
			return cfg_error_set_at(err, ENOENT, path, NULL, "there is no such object");
	}
	json = document_build(manager_wanted(s->manager), o, manager_generation(s->manager), defaults ? DOCUMENT_DEFAULTS : 0);
	*ret = json ? json_print(json) : NULL;
	return *ret ? 0 : cfg_error_oom(err);
}

static int show(struct bus_service *s, const char *path, bool defaults, char **ret, struct cfg_error *err)
{
	_cleanup_json_ struct json_object *json = NULL;
	int r;

	r = manager_show(s->manager, *path ? path : NULL, defaults, &json, err);
	if (r < 0)
		return r;
	*ret = json_print(json);
	return *ret ? 0 : cfg_error_oom(err);
}

/* Dump, DumpFd, Show, ShowFd. */
static int on_look(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *member = sd_bus_message_get_member(m), *path;
	bool is_dump = strncmp(member, "Dump", 4) == 0;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	int r, defaults;

	r = access_check(userdata, m, HARM_LOOK, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = sd_bus_message_read(m, "sb", &path, &defaults);
	if (r < 0)
		return r;
	r = is_dump ? dump(userdata, path, defaults, &text, &err) : show(userdata, path, defaults, &text, &err);
	if (r < 0)
		return bus_error_set(error, &err);
	if (member[4])
		return reply_fd(m, is_dump ? "document" : "show", text, error);
	return reply_text(m, text, is_dump ? "DumpFd" : "ShowFd", error);
}

static int jobs_json(struct manager *m, struct json_object **ret)
{
	_cleanup_json_ struct json_object *list = json_object_new_array();
	_cleanup_free_ const struct job **jobs = NULL;
	size_t n;
	int r;

	if (!list)
		return -ENOMEM;
	r = manager_jobs(m, &jobs, &n);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = json_object_array_add(list, job_to_json(jobs[i]));
	if (r >= 0)
		*ret = steal_ptr(list);
	return r;
}

/* Status, History, Jobs. */
static int on_get(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	const char *member = sd_bus_message_get_member(m);
	_cleanup_json_ struct json_object *json = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	r = access_check(s, m, HARM_LOOK, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	if (streq(member, "Status"))
		r = manager_status(s->manager, &json);
	else if (streq(member, "History"))
		r = manager_history(s->manager, &json);
	else
		r = jobs_json(s->manager, &json);
	if (r < 0)
		return r == -ENOMEM ? bus_error_oom(error) :
				      sd_bus_error_setf(error, bus_error_name(-r), "%s: %s", member, strerror(-r));
	text = json_print_line(json);
	return reply_text(m, text, NULL, error);
}

static void reply_json(struct pending *p, struct json_object *json, const struct cfg_error *err)
{
	_cleanup_free_ char *text = json && !err ? json_print_line(json) : NULL;

	if (err)
		pending_reply_error(p, err);
	else
		pending_reply_text(p, text, NULL);
}

static void on_capabilities_done(void *userdata, struct json_object *caps, const struct cfg_error *err)
{
	reply_json(userdata, caps, err);
}

static int on_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_(pending_freep) struct pending *p = NULL;
	int r;

	r = access_check(s, m, HARM_LOOK, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = pending_new(s, m, &p, error);
	if (r < 0)
		return r;
	r = manager_capabilities(s->manager, on_capabilities_done, p);
	if (r < 0)
		return sd_bus_error_setf(error, bus_error_name(-r), "the kernel's features cannot be read: %s", strerror(-r));
	steal_ptr(p);
	return 1;
}

/* ---- verify: one reading of the kernel at a time, whoever asks ---- */

struct verify_wait {
	struct verify_wait *next;
	struct pending *pending;
};

static int verify_start(struct bus_service *s);

static void on_verify_done(void *userdata, struct json_object *status, const struct cfg_error *err)
{
	struct bus_service *s = userdata;
	struct verify_wait *list = steal_ptr(s->verify_running);

	while (list) {
		struct verify_wait *w = list;

		list = w->next;
		reply_json(w->pending, status, err);
		free(w);
	}
	if (s->verify_next)
		verify_start(s);
}

/* Those who asked while a reading was under way get the next one: its result is not older than their question. */
static int verify_start(struct bus_service *s)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r;

	s->verify_running = steal_ptr(s->verify_next);
	r = manager_verify(s->manager, on_verify_done, s);
	if (r >= 0)
		return 0;
	cfg_error_set(&err, -r, "the kernel cannot be read: %s", strerror(-r));
	on_verify_done(s, NULL, &err);
	return 0;
}

static int on_verify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_(pending_freep) struct pending *p = NULL;
	struct verify_wait *w;
	int r;

	r = access_check(s, m, HARM_LOOK, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = pending_new(s, m, &p, error);
	if (r < 0)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return bus_error_oom(error);
	*w = (struct verify_wait){ .next = s->verify_next, .pending = steal_ptr(p) };
	s->verify_next = w;
	if (!s->verify_running)
		verify_start(s);
	return 1;
}

/* ---- save ---- */

static void on_save_done(void *userdata, uint64_t generation, const struct cfg_error *err)
{
	struct pending *p = userdata;

	if (err) {
		pending_reply_error(p, err);
		return;
	}
	sd_bus_reply_method_return(p->call, "t", generation);
	pending_free(p);
}

static int on_save(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;
	_cleanup_(pending_freep) struct pending *p = NULL;
	const char *label;
	int r;

	r = access_check(s, m, HARM_CONFIGURE, error);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = sd_bus_message_read(m, "s", &label);
	if (r < 0)
		return r;
	if (strlen(label) > LABEL_MAX || !text_is_printable_ascii(label))
		return sd_bus_error_setf(error, bus_error_name(EINVAL),
					 "the label has at most %d characters, all of them printable ASCII", LABEL_MAX);
	r = pending_new(s, m, &p, error);
	if (r < 0)
		return r;
	r = manager_save(s->manager, label, on_save_done, p);
	if (r < 0)
		return sd_bus_error_setf(error, bus_error_name(-r), "the configuration cannot be saved: %s", strerror(-r));
	steal_ptr(p);
	return 1;
}

/* ---- properties ---- */

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
			void *userdata, sd_bus_error *error)
{
	struct bus_service *s = userdata;

	if (streq(property, "Version"))
		return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
	if (streq(property, "Generation"))
		return sd_bus_message_append(reply, "t", s->manager ? manager_generation(s->manager) : (uint64_t)0);
	if (streq(property, "Started"))
		return sd_bus_message_append(reply, "b", s->started);
	if (streq(property, "RunningJobs"))
		return sd_bus_message_append(reply, "u", (uint32_t)map_len(s->jobs));
	return sd_bus_message_append(reply, "t", (uint64_t)s->settings->max_document_bytes);
}

/* sd-bus would ask the bus about the caller, and wait for the answer: access_check() does it. */
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED
#define REPORT SD_BUS_RESULT("s", report)
#define OPTIONS "a{sv}", options

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Apply", SD_BUS_ARGS("s", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("ApplyFd", SD_BUS_ARGS("h", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Diff", SD_BUS_ARGS("s", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("DiffFd", SD_BUS_ARGS("h", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Restore", SD_BUS_ARGS("s", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("RestoreFd", SD_BUS_ARGS("h", document, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Change", SD_BUS_ARGS("a(ssa(sss))", edits, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Clear", SD_BUS_ARGS(OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Reconcile", SD_BUS_ARGS("as", paths, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Adopt", SD_BUS_ARGS("as", paths, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_ARGS("t", generation, OPTIONS), REPORT, on_job_method, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Dump", SD_BUS_ARGS("s", path, "b", defaults), SD_BUS_RESULT("s", document), on_look, OPEN),
	SD_BUS_METHOD_WITH_ARGS("DumpFd", SD_BUS_ARGS("s", path, "b", defaults), SD_BUS_RESULT("h", document), on_look, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Show", SD_BUS_ARGS("s", path, "b", defaults), SD_BUS_RESULT("s", json), on_look, OPEN),
	SD_BUS_METHOD_WITH_ARGS("ShowFd", SD_BUS_ARGS("s", path, "b", defaults), SD_BUS_RESULT("h", json), on_look, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_get, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_verify, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Capabilities", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_capabilities, OPEN),
	SD_BUS_METHOD_WITH_ARGS("History", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_get, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Save", SD_BUS_ARGS("s", label), SD_BUS_RESULT("t", generation), on_save, OPEN),
	SD_BUS_METHOD_WITH_ARGS("Jobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_get, OPEN),
	SD_BUS_METHOD_WITH_ARGS("CancelJob", SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT, on_cancel_job, OPEN),
	SD_BUS_SIGNAL_WITH_ARGS("JobNew", SD_BUS_ARGS("t", id, "o", path), 0),
	SD_BUS_SIGNAL_WITH_ARGS("JobRemoved", SD_BUS_ARGS("t", id, "o", path, "s", outcome), 0),
	SD_BUS_SIGNAL_WITH_ARGS("Committed", SD_BUS_ARGS("t", generation, "as", paths, "b", many), 0),
	SD_BUS_SIGNAL("StatusChanged", "", 0),
	SD_BUS_PROPERTY("Version", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Generation", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Started", "b", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("RunningJobs", "u", get_property, 0, 0),
	SD_BUS_PROPERTY("MaxDocumentBytes", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

int manager_object_new(struct bus_service *s)
{
	return sd_bus_add_object_vtable(s->bus, &s->manager_slot, BUS_ROOT, BUS_MANAGER_INTERFACE, vtable, s);
}

static void verify_list_free(struct verify_wait *list)
{
	while (list) {
		struct verify_wait *w = list;

		list = w->next;
		free(w);
	}
}

/* The calls themselves are among the pending ones. */
void manager_object_done(struct bus_service *s)
{
	verify_list_free(steal_ptr(s->verify_running));
	verify_list_free(steal_ptr(s->verify_next));
	sd_bus_slot_unref(s->manager_slot);
}
