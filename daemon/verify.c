/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the kernel whole, and what it has otherwise than is wanted. What somebody holds who does not come back is passed by; a reading that waits
 * where somebody is found stuck meanwhile begins anew.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"

struct verify {
	struct manager *m;
	struct verify *prev, *next;
	struct tree *actual;
	struct scope scope;
	char **held;		/* elements that it passes by */
	struct scan *scan;
	void (*done)(void *userdata, struct json_object *status, const struct cfg_error *err);
	void *userdata;
};

static void verify_free(struct verify *v)
{
	if (v->prev)
		v->prev->next = v->next;
	else if (v->m->verifies == v)
		v->m->verifies = v->next;
	if (v->next)
		v->next->prev = v->prev;
	strv_free(v->held);
	tree_free(v->actual);
	scope_done(&v->scope);
	free(v);
}

void verifies_end(struct manager *m)
{
	while (m->verifies)
		verify_free(m->verifies);
}

static int compare_whole(struct manager *m, const struct scope *scope, struct cfg_error *err)
{
	_cleanup_(tree_freep) struct tree *target = NULL;

	if (kernel_lower(m->wanted, scope, &target, err) < 0)
		return -EINVAL;
	differences_done(&m->drift);
	return kernel_compare(target, m->actual, scope, &m->drift) < 0 ? cfg_error_oom(err) : 0;
}

static void on_verified(void *userdata, struct cfg_error *scan_err)
{
	struct verify *v = userdata;
	struct manager *m = v->m;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_json_ struct json_object *status = NULL;
	bool any;

	if (scan_err) {
		cfg_error_move(&err, scan_err);
	} else {
		tree_free(m->actual);
		m->actual = steal_ptr(v->actual);
		m->actual_whole = true;
		held_leave_out(v->held, &v->scope, &any);
		if (compare_whole(m, &v->scope, &err) >= 0)
			manager_status(m, &status);
	}
	manager_notify_status(m);
	if (v->done)
		v->done(v->userdata, status, cfg_error_is_set(&err) ? &err : NULL);
	verify_free(v);
}

static int verify_scan(struct verify *v)
{
	int r;

	v->held = strv_free(v->held);
	scope_done(&v->scope);
	tree_free(v->actual);
	v->actual = tree_new();
	r = v->actual ? pool_held(v->m->pool, HELD_USEC, &v->held, NULL, NULL) : -ENOMEM;
	if (r >= 0)
		r = kernel_scope_object(v->m->wanted, NULL, &v->scope);
	return r < 0 ? r : scan_start(v->m, &v->scope, NULL, false, v->actual, on_verified, v, &v->scan);
}

int manager_verify(struct manager *m, void (*done)(void *userdata, struct json_object *status, const struct cfg_error *err),
		   void *userdata)
{
	struct verify *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	*v = (struct verify){ .m = m, .next = m->verifies, .done = done, .userdata = userdata };
	if (v->next)
		v->next->prev = v;
	m->verifies = v;
	r = verify_scan(v);
	if (r < 0)
		verify_free(v);
	return r;
}

static bool all_in(char *const *some, char *const *all)
{
	for (; some && *some; some++)
		if (!strv_contains(all, *some))
			return false;
	return true;
}

void verify_again(struct manager *m)
{
	_cleanup_strv_ char **held = NULL;

	if (pool_held(m->pool, HELD_USEC, &held, NULL, NULL) < 0)
		return;
	for (struct verify *v = m->verifies, *next; v; v = next) {
		next = v->next;
		if (all_in(held, v->held))
			continue;
		scan_cancel(v->scan);
		if (verify_scan(v) < 0) {
			_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

			cfg_error_oom(&err);
			on_verified(v, &err);
		}
	}
}
