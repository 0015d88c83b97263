/* SPDX-License-Identifier: Apache-2.0 */
/* nvmetd: from the command line to a running event loop and back. The fork server starts before anything else is open. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/manager.h"
#include "dbus/service.h"

#define LARGE_BYTES (128 << 10)

struct options {
	const char *config, *config_dir, *state_dir, *run_dir, *kernel;
};

struct nvmetd {
	sd_event *event;
	sd_bus *bus;
	struct pool *pool;
	struct manager *manager;
	struct bus_service *service;
	sd_event_source *patience;
	uint64_t patience_usec;
	bool stopping;
};

static void usage(FILE *f)
{
	fputs("Usage: nvmetd [--config FILE] [--config-dir DIR] [--state-dir DIR] [--run-dir DIR] [--kernel SPEC]\n"
	      "       nvmetd --print-settings | --version | --help\n"
	      "\n"
	      "Serves the NVMe target's configuration on the system bus. Started by systemd; see nvmetd(8).\n",
	      f);
}

/* 0: go on; 1: done; -EINVAL: usage. */
static int parse_options(int argc, char **argv, struct options *o)
{
	enum { CONFIG = 256, CONFIG_DIR, STATE_DIR, RUN_DIR, KERNEL, PRINT_SETTINGS, VERSION_OPTION };
	static const struct option options[] = {
		{ "config", required_argument, NULL, CONFIG },
		{ "config-dir", required_argument, NULL, CONFIG_DIR },
		{ "state-dir", required_argument, NULL, STATE_DIR },
		{ "run-dir", required_argument, NULL, RUN_DIR },
		{ "kernel", required_argument, NULL, KERNEL },
		{ "print-settings", no_argument, NULL, PRINT_SETTINGS },
		{ "version", no_argument, NULL, VERSION_OPTION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case CONFIG:
			o->config = optarg;
			break;
		case CONFIG_DIR:
			o->config_dir = optarg;
			break;
		case STATE_DIR:
			o->state_dir = optarg;
			break;
		case RUN_DIR:
			o->run_dir = optarg;
			break;
		case KERNEL:
			o->kernel = optarg;
			break;
		case PRINT_SETTINGS:
			settings_print(stdout);
			return 1;
		case VERSION_OPTION:
			puts("nvmetd " PACKAGE_VERSION);
			return 1;
		case 'h':
			usage(stdout);
			return 1;
		default:
			usage(stderr);
			return -EINVAL;
		}
	if (optind < argc) {
		fprintf(stderr, "nvmetd: unexpected argument %s\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static void complain(const struct cfg_error *err)
{
	_cleanup_free_ char *text = cfg_error_text(err);

	fprintf(stderr, SD_ERR "%s\n", text ? text : "out of memory");
}

static void complain_all(const struct cfg_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++)
		complain(&errs->items[i]);
}

/* Each worker takes a descriptor, and more of them can be stuck than the usual soft limit has, which is there for select(2) only. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int make_folders(const struct options *o)
{
	_cleanup_free_ char *secrets = strf("%s/secrets", o->config_dir);
	_cleanup_free_ char *generations = strf("%s/generations", o->state_dir);
	_cleanup_free_ char *workers = strf("%s/workers", o->run_dir);
	const char *const folders[] = { o->config_dir, secrets, o->state_dir, generations, o->run_dir, workers };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		if (!folders[i] || file_make_dirs(folders[i], 0700, &err) < 0) {
			complain(&err);
			return -EIO;
		}
	}
	return 0;
}

/* ---- stopping ---- */

static void on_stopped(void *userdata)
{
	struct nvmetd *d = userdata;

	sd_event_exit(d->event, 0);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct nvmetd *d = userdata;

	if (d->stopping)
		return 0;
	d->stopping = true;
	sd_notify(false, "STOPPING=1\nSTATUS=Stopping; exports stay up.");
	if (d->manager)
		manager_stop(d->manager, on_stopped, d);
	return 0;
}

static void on_pool_fatal(void *userdata)
{
	struct nvmetd *d = userdata;

	fputs(SD_ERR "the fork server has died; starting again is the only way\n", stderr);
	sd_event_exit(d->event, 1);
}

/* ---- an earlier daemon's worker ---- */

/* One that was killed may have left a worker in the middle of the journal or the snapshot, which does what it is at as soon as the kernel lets it:
 * what is read before that is not what will be there, and what is written before that is written over. 1: wait no more, a stop came meanwhile. */
static int await_old_writer(struct nvmetd *d)
{
	pid_t told = 0, pid;
	const char *label;

	while ((pid = pool_old_writer(d->pool, &label)) && !d->stopping) {
		int r;

		if (pid != told) {
			fprintf(stderr, SD_WARNING "worker %d of an earlier nvmetd has not ended yet (%s); waiting for it\n", (int)pid, label);
			sd_notifyf(false, "STATUS=Waiting for worker %d of an earlier nvmetd: %s.", (int)pid, label);
			told = pid;
		}
		r = sd_event_run(d->event, UINT64_MAX);
		if (r < 0)
			return r;
	}
	return d->stopping;
}

/* ---- ready ---- */

/* A service manager that is not told waits in vain, and ends us in the end without saying why. */
static void ready(const char *status)
{
	static bool told;
	int r = sd_notifyf(false, "READY=1\nSTATUS=%s", status);
	sd_event *event;

	told |= r >= 0;
	if (told)
		return;
	fprintf(stderr, SD_ERR "the service manager cannot be told that nvmetd is ready: %s\n", strerror(-r));
	if (sd_event_default(&event) >= 0) {
		sd_event_exit(event, 1);
		sd_event_unref(event);
	}
}

static void on_started(void *userdata, const struct job *job)
{
	_cleanup_free_ char *status = strf("Generation %llu is in force.",
					   (unsigned long long)json_object_get_uint64(json_object_object_get(job->report, "generation")));

	ready(status ? status : "");
}

static bool something_is_stuck(struct pool *p)
{
	struct pool_busy *busy = NULL;
	size_t n = 0;
	bool stuck = false;

	if (pool_busy(p, &busy, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		stuck |= busy[i].stuck;
	pool_busy_free(busy, n);
	return stuck;
}

/* A device that hangs must not hold up the boot, nor have the service manager end us: what could be restored is. */
static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct nvmetd *d = userdata;

	if (manager_started(d->manager))
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (something_is_stuck(d->pool)) {
		ready("Something hangs in the kernel and is not restored yet; see nvmetctl status.");
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return sd_event_source_set_time(source, usec + d->patience_usec);
}

static int watch_signals(struct nvmetd *d)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(d->event, NULL, SIGTERM, on_signal, d);
	return r < 0 ? r : sd_event_add_signal(d->event, NULL, SIGINT, on_signal, d);
}

static void nvmetd_done(struct nvmetd *d)
{
	sd_event_source_disable_unref(d->patience);
	bus_service_free(d->service);
	manager_free(d->manager);
	pool_free(d->pool);
	sd_bus_flush_close_unref(d->bus);
	sd_event_unref(d->event);
}

static int start_patience(struct nvmetd *d, const struct pool_settings *ps)
{
	int r;

	d->patience_usec = ps->stuck_usec + ps->stuck_usec / 4;
	r = sd_event_add_time_relative(d->event, &d->patience, CLOCK_MONOTONIC, d->patience_usec, 0, on_patience, d);
	return r < 0 ? r : sd_event_source_set_enabled(d->patience, SD_EVENT_ON);
}

static int step(int r, const char *what)
{
	if (r < 0)
		fprintf(stderr, SD_ERR "%s: %s\n", what, strerror(-r));
	return r;
}

static int serve(struct nvmetd *d, const struct options *o, const struct settings *settings,
		 const struct pool_settings *ps, int forkserver)
{
	struct store_paths paths = { o->config_dir, o->state_dir, o->run_dir };
	_cleanup_(loaded_done) struct loaded loaded = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct observer observer;
	int r;

	/* What is large is short-lived (texts of snapshots, buffers, tables that grow): it goes back to the system at once, whatever else is freed. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	if (step(sd_event_default(&d->event), "the event loop cannot be made") < 0 ||
	    step(watch_signals(d), "signals cannot be watched") < 0 ||
	    step(sd_event_set_watchdog(d->event, true), "the watchdog cannot be set") < 0 ||
	    step(pool_new(d->event, forkserver, ps, &d->pool), "workers cannot be started") < 0)
		return 1;
	pool_set_fatal(d->pool, on_pool_fatal, d);
	r = step(await_old_writer(d), "an earlier nvmetd's worker cannot be waited for");
	if (r)
		return r < 0;
	if (store_load(&paths, &loaded, &err) < 0) {
		complain(&err);
		return 1;
	}
	complain_all(&loaded.shouts);
	if (step(sd_bus_default_system(&d->bus), "the system bus cannot be reached") < 0 ||
	    step(sd_bus_attach_event(d->bus, d->event, 0), "the system bus cannot be attached") < 0 ||
	    step(bus_service_new(d->event, d->bus, settings, &d->service), "the bus service cannot be made") < 0)
		return 1;
	observer = *bus_service_observer(d->service);
	observer.started = on_started;
	if (manager_new(d->event, d->pool, settings, &paths, &loaded, &observer, &d->manager, &err) < 0) {
		complain(&err);
		return 1;
	}
	if (step(bus_service_attach(d->service, d->manager), "the bus name cannot be taken") < 0 ||
	    step(manager_start(d->manager), "the start failed") < 0 || step(start_patience(d, ps), "no timer can be had") < 0)
		return 1;
	return sd_event_loop(d->event) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options o = {
		.config = SYSCONFDIR "/nvmetctl/nvmetd.conf",
		.config_dir = SYSCONFDIR "/nvmetctl",
		.state_dir = LOCALSTATEDIR "/lib/nvmetctl",
		.run_dir = "/run/nvmetd",
	};
	struct nvmetd d = { 0 };
	_cleanup_(settings_done) struct settings settings = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	struct pool_settings ps;
	int r, forkserver;

	r = parse_options(argc, argv, &o);
	if (r)
		return r < 0 ? 2 : 0;
	umask(0077);
	if (settings_load(o.config, &settings, &errs) < 0) {
		complain_all(&errs);
		return 3;
	}
	raise_descriptors();
	if (make_folders(&o) < 0)
		return 1;
	ps = (struct pool_settings){
		.kernel = o.kernel ? o.kernel : settings.kernel,
		.state_dir = o.state_dir,
		.config_dir = o.config_dir,
		.run_dir = o.run_dir,
		.workers = settings.workers,
		.removers = settings.removers,
		.readers = settings.readers,
		.expedite = settings.expedite,
		.stuck_max = settings.stuck_max,
		.stuck_usec = (uint64_t)settings.stuck_seconds * 1000000,
	};
	if (step(forkserver_start(&ps, &forkserver), "the fork server cannot be started") < 0)
		return 1;
	r = serve(&d, &o, &settings, &ps, forkserver);
	nvmetd_done(&d);
	return r;
}
