/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a scope from the kernel: its operations in pieces, on as many readers as there are, absorbed when all are there. Who reads the whole
 * passes by folders that somebody holds who does not come back, instead of waiting there.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"

#define PIECE 64	/* operations a message: enough to hide the round trip, few enough to spread over the readers */

struct piece {
	struct scan *scan;
	struct oplist ops;	/* borrows its items from the scan's list */
	size_t first;
	struct work *work;	/* NULL: it has come back */
};

struct scan {
	struct manager *m;
	struct scan *prev, *next;
	struct tree *tree;
	const struct tree *target;
	struct oplist ops;
	char **texts;		/* one for each operation; NULL: the folder is absent */
	struct piece *pieces;
	size_t n_pieces, left;
	struct cfg_error err;
	sd_event_source *defer;
	scan_done_fn done;
	void *userdata;
};

static void scan_free(struct scan *s)
{
	*(s->prev ? &s->prev->next : &s->m->scans) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	for (size_t i = 0; s->texts && i < s->ops.n; i++)
		free(s->texts[i]);
	free(s->texts);
	free(s->pieces);
	oplist_done(&s->ops);
	cfg_error_done(&s->err);
	sd_event_source_disable_unref(s->defer);
	free(s);
}

/* Where names are looked up, ended by NULL. Not to be kept: whoever reads the kernel whole meanwhile replaces the manager's tree. */
struct names {
	const struct tree *trees[4];
};

static struct names names_of(const struct scan *s)
{
	struct names names = { { 0 } };
	size_t n = 0;

	if (s->target)
		names.trees[n++] = s->target;
	names.trees[n++] = s->m->wanted;
	if (s->m->actual)
		names.trees[n] = s->m->actual;
	return names;
}

static void scan_finish(struct scan *s)
{
	struct names names;

	if (!s->done) {
		scan_free(s);
		return;
	}
	names = names_of(s);
	if (!cfg_error_is_set(&s->err))
		kernel_absorb(s->tree, names.trees, &s->ops, s->texts, &s->err);
	s->done(s->userdata, cfg_error_is_set(&s->err) ? &s->err : NULL);
	scan_free(s);
}

static void on_piece(void *userdata, const struct work_result *result)
{
	struct piece *p = userdata;
	struct scan *s = p->scan;

	p->work = NULL;
	for (size_t i = 0; i < result->done; i++) {
		s->texts[p->first + i] = result->data[i] ? strdup(result->data[i]) : NULL;
		if (result->data[i] && !s->texts[p->first + i] && !cfg_error_is_set(&s->err))
			cfg_error_oom(&s->err);
	}
	if (result->error && !cfg_error_is_set(&s->err)) {
		const struct op *op = &p->ops.items[result->done];

		if (result->died)
			cfg_error_set_at(&s->err, result->error, op->object, NULL, "the worker process died while reading %s",
					 op->path);
		else
			cfg_error_set_at(&s->err, result->error, op->object, NULL, "%s cannot be read: %s", op->path,
					 result->message ? result->message : strerror(result->error));
	}
	if (--s->left == 0)
		scan_finish(s);
}

static int on_nothing_to_read(sd_event_source *source, void *userdata)
{
	scan_finish(userdata);
	return 0;
}

static int submit(struct scan *s)
{
	for (size_t i = 0; i < s->n_pieces; i++) {
		struct piece *p = &s->pieces[i];
		int r;

		p->scan = s;
		p->first = i * PIECE;
		p->ops.items = s->ops.items + p->first;
		p->ops.n = i + 1 < s->n_pieces ? PIECE : s->ops.n - p->first;
		r = pool_submit(s->m->pool, WORK_READ, TOKEN_NONE, &p->ops, NULL, "read", on_piece, p, &p->work);
		if (r < 0) {
			/* What is under way still comes back; it finds the error. */
			if (!cfg_error_is_set(&s->err))
				cfg_error_oom(&s->err);
			return s->left ? 0 : r;
		}
		s->left++;
	}
	return 0;
}

static int leave_out(struct scan *s)
{
	_cleanup_strv_ char **folders = NULL;
	_cleanup_free_ char *text = NULL;
	int r = pool_held(s->m->pool, HELD_USEC, NULL, NULL, &folders);

	if (r < 0 || !folders)
		return r;
	text = strv_join(folders, "\n");
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < s->ops.n; i++) {
		struct op *op = &s->ops.items[i];

		if (op->verb != OP_SCAN || !(op->flags & OP_RECURSIVE))
			continue;
		op->value = strdup(text);
		if (!op->value)
			return -ENOMEM;
	}
	return 0;
}

void scan_cancel(struct scan *s)
{
	s->done = NULL;
	s->left++;
	for (size_t i = 0; i < s->n_pieces; i++)
		if (s->pieces[i].work)
			pool_cancel(s->m->pool, s->pieces[i].work);
	if (--s->left == 0)
		scan_free(s);
}

bool scan_hangs(const struct scan *s)
{
	for (size_t i = 0; i < s->n_pieces; i++)
		if (s->pieces[i].work && work_is_stuck(s->pieces[i].work))
			return true;
	return false;
}

void scans_end(struct manager *m)
{
	while (m->scans)
		scan_free(m->scans);
}

int scan_start(struct manager *m, const struct scope *scope, const struct tree *target, bool removes, struct tree *tree,
	       scan_done_fn done, void *userdata, struct scan **ret)
{
	struct scan *s = calloc(1, sizeof(*s));
	struct names names;
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct scan){ .m = m, .next = m->scans, .target = target, .tree = tree, .done = done, .userdata = userdata };
	if (s->next)
		s->next->prev = s;
	m->scans = s;
	names = names_of(s);
	r = kernel_scan(names.trees, scope, removes, &s->ops);
	if (r >= 0 && strv_contains(scope->folders, ""))
		r = leave_out(s);
	if (r >= 0) {
		s->n_pieces = (s->ops.n + PIECE - 1) / PIECE;
		s->texts = calloc(s->ops.n ? s->ops.n : 1, sizeof(*s->texts));
		s->pieces = calloc(s->n_pieces ? s->n_pieces : 1, sizeof(*s->pieces));
		r = s->texts && s->pieces ? 0 : -ENOMEM;
	}
	if (r >= 0)
		r = s->ops.n ? submit(s) : sd_event_add_defer(m->event, &s->defer, on_nothing_to_read, s);
	if (r < 0)
		scan_free(s);
	else if (ret)
		*ret = s;
	return r;
}
