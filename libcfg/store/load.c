/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start: snapshot, journal, and what to do when one of them is damaged. Damage never stops the daemon: the file is set aside,
 * the newest state that can be read is used, and written as a new snapshot, so that the next start finds everything in order. What
 * cannot be set aside or written (a read-only folder) is shouted, and the state is used all the same.
 *
 * A file that exists and cannot be opened or read is another matter: what is in it may be good, and a start without it would
 * write over it. Then there is no start.
 *
 * The order of writing is such that a crash in between only makes the next start do it again: first the new snapshot, then the journal
 * goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "store/store-private.h"

struct loading {
	const struct store_paths *p;
	struct loaded *l;
	char *snapshot, *journal;
	uint64_t *kept;			/* numbers of kept generations, newest first */
	size_t n_kept;
	bool snapshot_missing, snapshot_damaged, by_hand;
	bool rewrite;			/* the snapshot has to be written anew */
};

static void loading_done(struct loading *s)
{
	free(s->snapshot);
	free(s->journal);
	free(s->kept);
}

void loaded_done(struct loaded *l)
{
	tree_free(l->tree);
	cfg_errors_done(&l->shouts);
	*l = (struct loaded){ 0 };
}

__attribute__((format(printf, 3, 4)))
static void shout(struct loading *s, int code, const char *fmt, ...)
{
	struct cfg_error err = CFG_ERROR_NULL;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	cfg_error_set(&err, code, "%s", text ? text : "out of memory");
	free(text);
	cfg_errors_take(&s->l->shouts, &err);
}

/* ---- setting aside ---- */

static char *aside_name(const char *path)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32];
	char *name;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	name = strf("%s.bad-%s", path, stamp);
	for (unsigned i = 2; name && access(name, F_OK) == 0; i++) {
		free(name);
		name = strf("%s.bad-%s-%u", path, stamp, i);
	}
	return name;
}

static void set_aside(struct loading *s, const char *path)
{
	_cleanup_free_ char *name = aside_name(path);

	if (!name || rename(path, name) < 0)
		shout(s, name ? errno : ENOMEM, "%s is damaged and cannot be set aside: %s", path,
		      name ? strerror(errno) : "out of memory");
	else
		shout(s, EBADMSG, "%s is damaged and was set aside as %s", path, name);
}

/* Whether a file that could not be read is damaged in itself, as against out of reach. */
static bool is_damage(int r)
{
	return r == -EINVAL || r == -EFBIG;
}

/* ---- documents ---- */

enum found { FOUND, MISSING, DAMAGED };

static int use_document(struct loading *s, const char *path, const char *text, size_t len, uint64_t *ret_generation)
{
	_cleanup_document_ struct document d = { 0 };
	int r = document_parse(path, text, len, &d, &s->l->shouts);

	if (r < 0)
		return r == -ENOMEM ? r : DAMAGED;
	if (d.inline_secrets) {
		shout(s, EINVAL, "%s holds secrets in plain text, which are not taken from there: nvmetctl apply takes them", path);
		return DAMAGED;
	}
	tree_free(s->l->tree);
	s->l->tree = steal_ptr(d.tree);
	*ret_generation = d.generation;
	return FOUND;
}

static int read_document(struct loading *s, const char *path, uint64_t *ret_generation, struct cfg_error *err)
{
	_cleanup_error_ struct cfg_error unread = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = file_read(path, JSON_MAX_BYTES, &text, &len, &unread);

	if (r == -ENOENT)
		return MISSING;
	if (is_damage(r)) {
		cfg_errors_take(&s->l->shouts, &unread);
		return DAMAGED;
	}
	if (r < 0) {
		cfg_error_move(err, &unread);
		return r;
	}
	r = use_document(s, path, text, len, ret_generation);
	return r < 0 ? cfg_error_oom(err) : r;
}

/* The newest kept generation that can be read and is newer than given. 1: used, 0: there is none. */
static int use_kept(struct loading *s, uint64_t newer_than, uint64_t *ret_generation, struct cfg_error *err)
{
	for (size_t i = 0; i < s->n_kept && s->kept[i] > newer_than; i++) {
		_cleanup_free_ char *path = store_path_generation(s->p, s->kept[i]);
		int r = path ? read_document(s, path, ret_generation, err) : cfg_error_oom(err);

		if (r < 0)
			return r;
		if (r == FOUND) {
			/* Its name is what it was kept under. */
			*ret_generation = s->kept[i];
			return 1;
		}
		if (r == DAMAGED)
			set_aside(s, path);
	}
	return 0;
}

/* What the journal is applied to. */
static int load_base(struct loading *s, uint64_t *ret_generation, struct cfg_error *err)
{
	int r = read_document(s, s->snapshot, ret_generation, err);

	if (r < 0)
		return r;
	if (r == FOUND) {
		s->by_hand = *ret_generation == 0;
		return 0;
	}
	if (r == DAMAGED)
		set_aside(s, s->snapshot);
	s->snapshot_damaged = r == DAMAGED;
	s->snapshot_missing = r == MISSING;
	/* Without a snapshot that is right as well: generations and the journal then reach back to the beginning. */
	*ret_generation = 0;
	r = use_kept(s, 0, ret_generation, err);
	return r < 0 ? r : 0;
}

/* ---- the journal ---- */

static int replay(struct loading *s, uint64_t base, const char *text, size_t len, struct cfg_errors *shouts,
		  struct replay *ret, struct cfg_error *err)
{
	*ret = (struct replay){ .path = s->journal, .tree = s->l->tree, .base = base, .shouts = shouts };
	if (journal_replay(ret, text, len) < 0)
		return cfg_error_oom(err);
	s->l->generation = ret->generation;
	return 0;
}

/* Damage in the journal may have cost more than a kept generation has. */
static int prefer_kept(struct loading *s, const char *text, size_t len, struct replay *rp, struct cfg_error *err)
{
	_cleanup_errors_ struct cfg_errors again = { 0 };
	uint64_t base;
	int r = use_kept(s, rp->generation, &base, err);

	if (r <= 0)
		return r;
	shout(s, EBADMSG, "generation %" PRIu64 ", which was kept, is newer than what %s still has, and is used", base, s->journal);
	/* What is wrong with the journal was said. */
	r = replay(s, base, text, len, &again, rp, err);
	rp->damaged = true;
	return r;
}

static void shout_missing(struct loading *s, uint64_t base, const struct replay *rp)
{
	/* A journal that goes back to the beginning, or to what was kept, was never folded: then none is missing. */
	bool lost = rp->oldest ? rp->oldest > base + 1 : base > 0;

	if (s->snapshot_damaged)
		shout(s, EBADMSG, "instead of %s, what is known of generation %" PRIu64 " is used", s->snapshot, rp->generation);
	else if (s->snapshot_missing && lost)
		shout(s, ENOENT, "%s is missing; what is known of generation %" PRIu64 " without it is used", s->snapshot,
		      rp->generation);
	else if (s->by_hand && rp->applied)
		shout(s, EINVAL, "%s has no generation, so it was not written here; what %s holds was done on top of it",
		      s->snapshot, s->journal);
	s->rewrite = rp->damaged || s->snapshot_damaged || (s->snapshot_missing && lost);
}

static int cut_journal(struct loading *s, size_t len)
{
	_cleanup_close_ int fd = open(s->journal, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && ftruncate(fd, (off_t)len) >= 0 && fdatasync(fd) >= 0)
		return 0;
	shout(s, errno, "%s has a torn record at its end that cannot be cut off: %s", s->journal, strerror(errno));
	return -EIO;
}

static int write_snapshot(struct loading *s)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = store_snapshot_text(s->l->tree, s->l->generation, &text, &len);

	if (r < 0)
		shout(s, -r, "%s cannot be written: %s", s->snapshot, strerror(-r));
	else if ((r = file_replace(s->snapshot, text, len, 0600, &err)) < 0)
		cfg_errors_take(&s->l->shouts, &err);
	return r;
}

/* Leaves the files so that the next start finds what this one found, and that records can be appended. */
static void repair(struct loading *s, const struct replay *rp, size_t journal_len)
{
	bool damaged = rp->damaged;

	if (s->rewrite && write_snapshot(s) < 0)
		damaged = false;
	if (damaged)
		set_aside(s, s->journal);
	else if (rp->intact < journal_len)
		cut_journal(s, rp->intact);
}

/* What a daemon that was killed has written may be in memory only. From here on it is in force, so it must outlive the power as well. */
static void make_durable(struct loading *s, const char *path)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (file_sync(path, &err) < 0 && err.code != ENOENT)
		cfg_errors_take(&s->l->shouts, &err);
}

static int load_journal(struct loading *s, uint64_t base, struct cfg_error *err)
{
	_cleanup_error_ struct cfg_error unread = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	struct replay rp;
	size_t len = 0;
	int r = file_read(s->journal, JOURNAL_MAX_BYTES, &text, &len, &unread);
	bool unreadable = is_damage(r);

	if (unreadable) {
		cfg_errors_take(&s->l->shouts, &unread);
	} else if (r < 0 && r != -ENOENT) {
		cfg_error_move(err, &unread);
		return r;
	}
	r = replay(s, base, text ? text : "", len, &s->l->shouts, &rp, err);
	if (r < 0)
		return r;
	rp.damaged |= unreadable;
	if (rp.damaged && !s->by_hand)
		r = prefer_kept(s, text ? text : "", len, &rp, err);
	if (r < 0)
		return r;
	shout_missing(s, base, &rp);
	/* Numbers only grow, also when someone put an older or a hand-made snapshot in place. */
	if (s->n_kept && s->kept[0] > s->l->generation)
		s->l->generation = s->kept[0];
	repair(s, &rp, len);
	make_durable(s, s->snapshot);
	make_durable(s, s->journal);
	return 0;
}

/* ---- all of it ---- */

static int remove_unfinished(const struct store_paths *p)
{
	_cleanup_free_ char *secrets = strf("%s/secrets", p->config_dir), *generations = strf("%s/generations", p->state_dir);

	if (!secrets || !generations)
		return -ENOMEM;
	file_remove_unfinished(p->config_dir);
	file_remove_unfinished(secrets);
	file_remove_unfinished(p->state_dir);
	file_remove_unfinished(generations);
	return 0;
}

int store_load(const struct store_paths *p, struct loaded *ret, struct cfg_error *err)
{
	_cleanup_(loaded_done) struct loaded l = { 0 };
	_cleanup_(loading_done) struct loading s = {
		.p = p, .l = &l,
		.snapshot = store_path_snapshot(p), .journal = store_path_journal(p),
	};
	uint64_t base = 0;
	int r;

	l.tree = tree_new();
	if (!l.tree || !s.snapshot || !s.journal || remove_unfinished(p) < 0)
		return cfg_error_oom(err);
	r = generation_numbers(p, &s.kept, &s.n_kept, err);
	if (r >= 0)
		r = load_base(&s, &base, err);
	if (r >= 0)
		r = load_journal(&s, base, err);
	if (r < 0)
		return r;
	/* Something that ought to be said could not be. */
	if (l.shouts.no_memory)
		return cfg_error_oom(err);
	*ret = l;
	l = (struct loaded){ 0 };
	return 0;
}
