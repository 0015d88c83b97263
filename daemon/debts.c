/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removals that are owed. They are tried again when something that could have been in the way changes: while there are debts, one
 * worker watches the kernel's folders around them, and a block device that comes to life is reported by udev's monitor.
 * Nothing polls.
 */
#include <errno.h>

#include <systemd/sd-device.h>

#include "base/text.h"
#include "daemon/manager-private.h"
#include "kernel/element.h"

struct debts_watch {
	struct manager *m;
	struct oplist ops;
	struct work *work;
	char *folders;		/* that it looks at */
	sd_device_monitor *monitor;
	bool again;		/* something happened while a retry was under way */
	bool retrying;
};

struct debts_watch *debts_watch_free(struct debts_watch *w)
{
	if (!w)
		return NULL;
	sd_device_monitor_unref(w->monitor);
	oplist_done(&w->ops);
	free(w->folders);
	free(w);
	return NULL;
}

/* Folders below objects of one kind of the kernel's tree, e.g. every ports/ID/subsystems. */
static void add_folders(struct strbuf *b, const struct tree *t, enum kind kind, const char *folder)
{
	const struct object *root = tree_root(t);

	for (size_t i = 0; i < object_count(root, kind); i++) {
		_cleanup_free_ char *path = object_kernel_path(object_nth(root, kind, i));

		if (path)
			strbuf_addf(b, "%s/%s\n", path, folder);
	}
}

/* Only folders that are there as long as the element is: what is not there counts as changed. */
static void add_around(struct strbuf *b, const char *element)
{
	static const char *const below_subsystem[] = { "namespaces", "allowed_hosts", NULL };
	static const char *const below_port[] = { "subsystems", "referrals", "ana_groups", NULL };
	_cleanup_element_ struct element e = { 0 };
	_cleanup_free_ char *path = element_parse(element, &e) < 0 ? NULL : path_to_kernel(NULL, e.object);
	const char *const *below = e.kind == KIND_SUBSYSTEM ? below_subsystem : e.kind == KIND_PORT ? below_port : NULL;

	if (!path)
		return;
	if (e.edge) {
		strbuf_addf(b, "%s/%s\n", path, e.edge->file);
		return;
	}
	strbuf_addf(b, "%s\n", path);
	for (; below && *below; below++)
		strbuf_addf(b, "%s/%s\n", path, *below);
}

/* What is owed, but for what somebody stands in: who looks there waits with him, and he says so himself when he comes back. */
static int elements_to_try(struct manager *m, char ***ret)
{
	_cleanup_free_ struct debt *debts = NULL;
	_cleanup_strv_ char **held = NULL;
	size_t n = 0;
	int r = ledger_debts(m->ledger, &debts, &n);

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = strv_append(ret, debts[i].element);
	if (r >= 0)
		r = pool_held(m->pool, 0, &held, NULL, NULL);
	return r < 0 ? r : held_drop(held, *ret);
}

/* Who could stand in the way: what is below the object, and links to it from anywhere. */
static char *folders_to_watch(struct manager *m)
{
	_cleanup_strv_ char **elements = NULL;
	struct strbuf b = { 0 };
	bool hosts = false, subsystems = false;

	if (elements_to_try(m, &elements) < 0)
		return NULL;
	for (char **e = elements; e && *e; e++) {
		add_around(&b, *e);
		hosts |= strncmp(*e, "hosts/", 6) == 0;
		subsystems |= strncmp(*e, "subsystems/", 11) == 0;
	}
	if (hosts)
		add_folders(&b, m->actual, KIND_SUBSYSTEM, "allowed_hosts");
	if (subsystems)
		add_folders(&b, m->actual, KIND_PORT, "subsystems");
	return strbuf_steal(&b);
}

static void on_retried(void *userdata, const struct job *job)
{
	struct manager *m = userdata;
	struct debts_watch *w = m->debts_watch;

	if (!w)
		return;
	w->retrying = false;
	if (w->again && !m->stopping) {
		w->again = false;
		debts_retry(m);
	}
}

void debts_retry(struct manager *m)
{
	struct debts_watch *w = m->debts_watch;
	_cleanup_request_ struct request r = { .act = ACT_DEBTS };

	if (m->stopping)
		return;
	if (w && w->retrying) {
		w->again = true;
		return;
	}
	if (elements_to_try(m, &r.paths) < 0 || !r.paths || !*r.paths)
		return;
	r.caller = strdup("nvmetd: what was owed");
	if (manager_request(m, &r, on_retried, m, NULL, NULL) >= 0 && w)
		w->retrying = true;
}

static void on_change(void *userdata, const struct work_result *result)
{
	struct debts_watch *w = userdata;

	w->work = NULL;
	oplist_done(&w->ops);
	if (!result->error)
		debts_retry(w->m);
	else if (result->error == ECANCELED)
		debts_update(w->m);
}

static int on_device(sd_device_monitor *monitor, sd_device *device, void *userdata)
{
	struct manager *m = userdata;

	debts_retry(m);
	return 0;
}

static int start_monitor(struct debts_watch *w)
{
	int r = sd_device_monitor_new(&w->monitor);

	if (r >= 0)
		r = sd_device_monitor_filter_add_match_subsystem_devtype(w->monitor, "block", NULL);
	if (r >= 0)
		r = sd_device_monitor_attach_event(w->monitor, w->m->event);
	if (r >= 0)
		r = sd_device_monitor_start(w->monitor, on_device, w->m);
	if (r < 0) {
		sd_device_monitor_unref(w->monitor);
		w->monitor = NULL;
	}
	return r;
}

static int start_watch(struct debts_watch *w)
{
	int r = oplist_add(&w->ops, OP_WAIT_CHANGE, 0, "nvmet", w->folders, NULL, NULL);

	if (r >= 0)
		r = pool_submit(w->m->pool, WORK_WATCH, TOKEN_NONE, &w->ops, NULL, "watch what is in the way of owed removals",
				on_change, w, &w->work);
	if (r < 0)
		oplist_done(&w->ops);
	return r;
}

static void end_watch(struct debts_watch *w)
{
	if (w->work)
		pool_cancel(w->m->pool, w->work);
	sd_device_monitor_unref(w->monitor);
	w->monitor = NULL;
}

int debts_update(struct manager *m)
{
	struct debts_watch *w = m->debts_watch;
	_cleanup_free_ struct debt *debts = NULL;
	_cleanup_free_ char *folders = NULL;
	size_t n = 0;
	int r = ledger_debts(m->ledger, &debts, &n);

	if (r < 0 || m->stopping)
		return r;
	if (!n) {
		if (w)
			end_watch(w);
		return 0;
	}
	if (!w) {
		w = m->debts_watch = calloc(1, sizeof(*w));
		if (!w)
			return -ENOMEM;
		w->m = m;
	}
	/* Without udev's monitor (no netlink in a container) the folders still tell most. */
	if (!w->monitor)
		start_monitor(w);
	folders = folders_to_watch(m);
	if (!folders)
		return -ENOMEM;
	if (w->work) {
		/* When it has ended, it is begun anew. */
		if (!streq(w->folders, folders))
			pool_cancel(m->pool, w->work);
		return 0;
	}
	free(w->folders);
	w->folders = steal_ptr(folders);
	return *w->folders ? start_watch(w) : 0;
}
