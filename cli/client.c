/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to nvmetd: calls, documents, progress. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/file.h"
#include "dbus/errors.h"
#include "dbus/names.h"

/* A document as a string on a bus that passes no descriptors: within the bus's limit on messages. */
#define REMOTE_DOCUMENT_MAX (32u << 20)

struct progress {
	struct cli *c;
	char *job;		/* object path of the job that is ours */
	uint64_t done, total;
	char *step;
	struct timespec began;
	bool shown;
	sd_bus_message *reply;
};

static int connect_bus(struct cli *c)
{
	int r;

	if (c->bus)
		return 0;
	r = c->remote ? sd_bus_open_system_remote(&c->bus, c->remote) : sd_bus_open_system(&c->bus);
	if (r < 0) {
		complain("%s%sthe system bus cannot be reached: %s", c->remote ? c->remote : "", c->remote ? ": " : "",
			 strerror(-r));
		return STATUS_REFUSED;
	}
	return 0;
}

int client_call_new(struct cli *c, const char *method, struct call *ret)
{
	int r = connect_bus(c);

	if (r)
		return r;
	*ret = (struct call){ .method = method };
	r = sd_bus_message_new_method_call(c->bus, &ret->message, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, method);
	return r < 0 ? out_of_memory() : 0;
}

static int append_bool(sd_bus_message *m, const char *name, bool value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "b", 1) : 0;
}

static int append_consent(sd_bus_message *m, const char *name, bool all, char **paths)
{
	int r;

	if (all || !paths)
		return append_bool(m, name, all);
	r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(m, paths);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int client_append_options(struct cli *c, struct call *call)
{
	sd_bus_message *m = call->message;
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = append_bool(m, "dry_run", c->dry_run);
	if (r >= 0)
		r = append_bool(m, "merge", c->merge);
	if (r >= 0)
		r = append_bool(m, "recursive", c->recursive);
	if (r >= 0)
		r = append_bool(m, "revoke", c->revoke);
	if (r >= 0)
		r = append_consent(m, "disrupt", c->disrupt, c->disrupt_paths);
	if (r >= 0)
		r = append_consent(m, "destroy", c->destroy, c->destroy_paths);
	if (r >= 0 && c->generation)
		r = sd_bus_message_append(m, "{sv}", "generation", "t", c->generation);
	if (r >= 0 && c->plan)
		r = sd_bus_message_append(m, "{sv}", "plan", "s", c->plan);
	if (r >= 0 && c->no_wait)
		r = sd_bus_message_append(m, "{sv}", "wait", "b", 0);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? out_of_memory() : 0;
}

/* ---- progress ---- */

static void progress_show(struct progress *p)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!p->total || now.tv_sec - p->began.tv_sec < 1)
		return;
	fprintf(stderr, "\r\033[K%llu of %llu steps  %.60s", (unsigned long long)p->done, (unsigned long long)p->total,
		p->step ? p->step : "");
	p->shown = true;
}

static void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	free(p->job);
	free(p->step);
}

static int on_job_new(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct progress *p = userdata;
	_cleanup_free_ char *caller = NULL, *ours = strf("[%d]", (int)getpid());
	const char *path;
	uint64_t id;

	if (p->job || sd_bus_message_read(m, "to", &id, &path) < 0)
		return 0;
	/* Several may begin at the same time; the daemon notes who asked for each. */
	if (sd_bus_get_property_string(p->c->bus, BUS_NAME, path, BUS_JOB_INTERFACE, "Caller", NULL, &caller) < 0)
		return 0;
	if (ours && strstr(caller, ours))
		p->job = strdup(path);
	return 0;
}

static int on_job_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct progress *p = userdata;
	const char *name, *step;

	if (!p->job || !streq(sd_bus_message_get_path(m), p->job))
		return 0;
	if (sd_bus_message_skip(m, "s") < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
		return 0;
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		if (sd_bus_message_read(m, "s", &name) < 0)
			return 0;
		if (streq(name, "StepsDone"))
			sd_bus_message_read(m, "v", "t", &p->done);
		else if (streq(name, "StepsTotal"))
			sd_bus_message_read(m, "v", "t", &p->total);
		else if (streq(name, "Step") && sd_bus_message_read(m, "v", "s", &step) >= 0) {
			free(p->step);
			p->step = strdup(step);
		} else
			sd_bus_message_skip(m, "v");
		sd_bus_message_exit_container(m);
	}
	progress_show(p);
	return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct progress *p = userdata;

	p->reply = sd_bus_message_ref(m);
	return 0;
}

static void watch_progress(struct progress *p)
{
	if (!isatty(STDERR_FILENO) || p->c->quiet)
		return;
	sd_bus_match_signal(p->c->bus, NULL, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, "JobNew", on_job_new, p);
	sd_bus_match_signal(p->c->bus, NULL, BUS_NAME, NULL, "org.freedesktop.DBus.Properties", "PropertiesChanged",
			    on_job_changed, p);
}

static int complain_bus(const struct cli *c, const sd_bus_error *e)
{
	complain("%s", e->message ? e->message : e->name);
	return bus_error_exit_status(e->name);
}

int client_call(struct cli *c, struct call *call, char **ret_text)
{
	struct progress p = { .c = c };
	const char *text;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &p.began);
	watch_progress(&p);
	r = sd_bus_call_async(c->bus, NULL, call->message, on_reply, &p, UINT64_MAX);
	sd_bus_message_unref(call->message);
	call->message = NULL;
	while (r >= 0 && !p.reply) {
		r = sd_bus_process(c->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(c->bus, UINT64_MAX);
	}
	progress_end(&p);
	if (r < 0) {
		complain("%s: the connection to the bus broke: %s", call->method, strerror(-r));
		return STATUS_REFUSED;
	}
	if (sd_bus_message_is_method_error(p.reply, NULL)) {
		r = complain_bus(c, sd_bus_message_get_error(p.reply));
	} else if (!ret_text) {
		r = 0;
	} else if (sd_bus_message_read(p.reply, "s", &text) < 0) {
		complain("%s: the daemon's answer has another form than expected", call->method);
		r = STATUS_FAILED;
	} else {
		*ret_text = strdup(text);
		r = *ret_text ? 0 : out_of_memory();
	}
	sd_bus_message_unref(p.reply);
	return r;
}

int client_call_json(struct cli *c, struct call *call, struct json_object **ret)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	int r = client_call(c, call, &text);

	if (r)
		return r;
	if (json_parse("the daemon's answer", text, strlen(text), ret, &err) < 0) {
		complain_error(&err);
		return STATUS_FAILED;
	}
	return 0;
}

int client_get(struct cli *c, const char *method, struct json_object **ret)
{
	struct call call;
	int r = client_call_new(c, method, &call);

	return r ? r : client_call_json(c, &call, ret);
}

int client_dump(struct cli *c, const char *path, struct json_object **ret)
{
	struct call call;
	int r = client_call_new(c, "Dump", &call);

	if (r)
		return r;
	if (sd_bus_message_append(call.message, "sb", path, (int)c->defaults) < 0)
		return out_of_memory();
	return client_call_json(c, &call, ret);
}

/* ---- documents ---- */

static int append_memfd(struct call *call, const char *text, size_t len)
{
	_cleanup_close_ int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	for (size_t off = 0; fd >= 0 && off < len;) {
		ssize_t n = write(fd, text + off, len - off);

		if (n < 0)
			return -errno;
		off += (size_t)n;
	}
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return sd_bus_message_append(call->message, "h", fd);
}

int client_document_call(struct cli *c, const char *method, const char *file, struct call *ret)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL, *fd_method = strf("%sFd", method);
	size_t len;
	int r;

	if (!fd_method)
		return out_of_memory();
	if (file_read(file, JSON_MAX_BYTES, &text, &len, &err) < 0) {
		complain_error(&err);
		return err.code == EFBIG ? STATUS_INVALID : STATUS_FAILED;
	}
	if (c->remote && len > REMOTE_DOCUMENT_MAX) {
		complain("%s: is over %u MiB, too large for a remote bus", file, REMOTE_DOCUMENT_MAX >> 20);
		return STATUS_INVALID;
	}
	if (c->remote && (strlen(text) != len || !text_is_utf8(text, len))) {
		complain("%s: is not UTF-8 text", file);
		return STATUS_INVALID;
	}
	r = client_call_new(c, c->remote ? method : fd_method, ret);
	if (r)
		return r;
	r = c->remote ? sd_bus_message_append(ret->message, "s", text) : append_memfd(ret, text, len);
	if (r < 0) {
		complain("%s: cannot be handed over: %s", file, strerror(-r));
		return STATUS_FAILED;
	}
	return client_append_options(c, ret);
}
