/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens while the daemon works. Most answers come at once, and then nothing here has cost anything. After a moment the job
 * that is ours is looked up and, on a terminal, its progress shown. A signal ends nvmetctl, never the job: the daemon does what it
 * was asked to do, and what has become of it is said.
 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>

#include "dbus/names.h"

#define MOMENT_USEC	1000000
#define LOOK_UP_USEC	5000000

struct waiting {
	struct cli *c;
	sd_bus_message *reply;
	uint64_t since_usec;
	bool looked;		/* for the job */
	bool shown;
	/* The job, once it is known. */
	uint64_t job;
	uint64_t done, total;
	char *state, *step, *waits_for;
};

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void take_text(char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
}

/* ---- the job ---- */

/* The daemon notes who asked, as "uid 0, nvmetctl[PID]"; over ssh it is another process that asks. */
static struct json_object *find_job(struct waiting *w, struct json_object *jobs)
{
	_cleanup_free_ char *ours = strf("[%d]", (int)getpid());

	if (ours && !w->c->remote)
		foreach_item(job, jobs)
			if (!member(job, "outcome") && strstr(member_string(job, "caller"), ours))
				return job;
	return NULL;
}

static void look_up_job(struct waiting *w)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	_cleanup_json_ struct json_object *jobs = NULL;
	struct json_object *job;
	const char *text;

	w->looked = true;
	if (sd_bus_message_new_method_call(w->c->bus, &call, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, "Jobs") < 0 ||
	    sd_bus_call(w->c->bus, call, LOOK_UP_USEC, NULL, &reply) < 0 || sd_bus_message_read(reply, "s", &text) < 0 ||
	    json_parse("jobs", text, strlen(text), &jobs, NULL) < 0)
		return;
	job = find_job(w, jobs);
	if (!job)
		return;
	w->job = member_number(job, "job");
	w->done = member_number(job, "steps_done");
	w->total = member_number(job, "steps_total");
	take_text(&w->state, member_string(job, "state"));
	take_text(&w->step, member_string(job, "step"));
	take_text(&w->waits_for, member_string(job, "waits_for"));
}

/* ---- progress ---- */

static void progress_show(struct waiting *w)
{
	struct winsize size = { 0 };
	_cleanup_free_ char *line = NULL;

	if (w->waits_for && *w->waits_for)
		line = strf("job %llu waits for %s", (unsigned long long)w->job, w->waits_for);
	else
		line = strf("job %llu %s, %llu of %llu steps%s%s", (unsigned long long)w->job, w->state ? w->state : "",
			    (unsigned long long)w->done, (unsigned long long)w->total, w->step && *w->step ? ": " : "",
			    w->step ? w->step : "");
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		size.ws_col = 80;
	fprintf(stderr, "\r\033[K%.*s", size.ws_col - 1, line ? line : "");
	w->shown = true;
}

static void progress_clear(struct waiting *w)
{
	if (w->shown)
		fputs("\r\033[K", stderr);
	w->shown = false;
}

static void take_property(struct waiting *w, sd_bus_message *m, const char *name)
{
	const char *text;

	if (streq(name, "StepsDone"))
		sd_bus_message_read(m, "v", "t", &w->done);
	else if (streq(name, "StepsTotal"))
		sd_bus_message_read(m, "v", "t", &w->total);
	else if (streq(name, "State") && sd_bus_message_read(m, "v", "s", &text) >= 0)
		take_text(&w->state, text);
	else if (streq(name, "Step") && sd_bus_message_read(m, "v", "s", &text) >= 0)
		take_text(&w->step, text);
	else if (streq(name, "WaitsFor") && sd_bus_message_read(m, "v", "s", &text) >= 0)
		take_text(&w->waits_for, text);
	else
		sd_bus_message_skip(m, "v");
}

static int on_job_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct waiting *w = userdata;
	const char *name;

	if (sd_bus_message_skip(m, "s") < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
		return 0;
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0 && sd_bus_message_read(m, "s", &name) >= 0) {
		take_property(w, m, name);
		sd_bus_message_exit_container(m);
	}
	progress_show(w);
	return 0;
}

static void progress_begin(struct waiting *w)
{
	_cleanup_free_ char *path = NULL;

	look_up_job(w);
	path = strf(BUS_JOB_PREFIX "/%llu", (unsigned long long)w->job);
	if (!w->job || !path)
		return;
	sd_bus_match_signal(w->c->bus, NULL, BUS_NAME, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
			    on_job_changed, w);
	progress_show(w);
}

/* ---- waiting ---- */

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct waiting *w = userdata;

	w->reply = sd_bus_message_ref(m);
	return 0;
}

/* Ends us as the signal would have, so that whoever started us sees it. */
_Noreturn static void interrupted(struct waiting *w, int signal)
{
	bool is_change = w->c->verb->options & TAKES_NO_WAIT;
	sigset_t set;

	progress_clear(w);
	if (is_change && !w->job)
		look_up_job(w);
	if (w->job)
		complain("interrupted; job %llu goes on: nvmetctl jobs shows it, nvmetctl jobs cancel %llu takes it back",
			 (unsigned long long)w->job, (unsigned long long)w->job);
	else if (is_change)
		complain("interrupted; what the daemon was asked to do it does: see nvmetctl jobs");
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signal);
	_exit(STATUS_FAILED);
}

static int signals_open(sigset_t *ret_before)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	/* Who started us may have had one of them ignored, as nohup has. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, ret_before);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* In milliseconds: when it is time to look for the job, or when the bus wants to do something. */
static int next_timeout(struct waiting *w, bool progress)
{
	uint64_t at = progress && !w->looked ? w->since_usec + MOMENT_USEC : UINT64_MAX, bus_at, now = now_usec();

	if (sd_bus_get_timeout(w->c->bus, &bus_at) >= 0 && bus_at < at)
		at = bus_at;
	if (at == UINT64_MAX)
		return -1;
	return at <= now ? 0 : (int)((at - now) / 1000 + 1);
}

/* Until something happens, or it is time to look for the job. Negative on errors of the bus. */
static int wait_once(struct waiting *w, int signal_fd, bool progress)
{
	struct pollfd fds[] = {
		{ .fd = sd_bus_get_fd(w->c->bus), .events = (short)sd_bus_get_events(w->c->bus) },
		{ .fd = signal_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	if (poll(fds, ARRAY_SIZE(fds), next_timeout(w, progress)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		interrupted(w, (int)info.ssi_signo);
	if (progress && !w->looked && now_usec() - w->since_usec >= MOMENT_USEC)
		progress_begin(w);
	return 0;
}

int wait_for_reply(struct cli *c, struct call *call, sd_bus_message **ret_reply)
{
	struct waiting w = { .c = c, .since_usec = now_usec() };
	bool progress = isatty(STDERR_FILENO) && !c->quiet && c->verb->options & TAKES_NO_WAIT;
	sigset_t before;
	_cleanup_close_ int signal_fd = signals_open(&before);
	int r;

	r = sd_bus_call_async(c->bus, NULL, call->message, on_reply, &w, UINT64_MAX);
	while (r >= 0 && !w.reply) {
		r = sd_bus_process(c->bus, NULL);
		if (r == 0)
			r = wait_once(&w, signal_fd, progress);
	}
	progress_clear(&w);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(w.state);
	free(w.step);
	free(w.waits_for);
	*ret_reply = w.reply;
	return r < 0 && !w.reply ? r : 0;
}
