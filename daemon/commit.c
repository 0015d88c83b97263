/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is committed, in order: journal lines, one write at a time. Commits that come while one is being written go together into
 * the next, and share its fsync. Two of them may be about the same object, as when two subsystems are put on one port: each was
 * made from the object as it was then, and is fitted to what it is now just before it is written. The model changes here and nowhere else, when the line is durable. Folding the journal
 * into the snapshot keeps new commits waiting, so that none falls between the two files.
 */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "daemon/manager-private.h"

struct commit {
	struct commit *next;
	struct commit *applied_before;	/* while the line is made up */
	uint64_t generation;
	enum act act;
	struct changes *changes;
	struct cfg_error err;
	char *line;
	size_t len;
	commit_done_fn done;
	void *userdata;
};

#define DEATHS_MAX 5

enum writing { WRITING_NOTHING, WRITING_COMMITS, WRITING_FOLD, WRITING_KEPT };

struct keep {
	struct keep *next;
	char *label;
	commit_done_fn done;
	void *userdata;
};

struct committer {
	struct manager *m;
	struct commit *first, **last;	/* waiting */
	struct commit *written;		/* in the write that is under way */
	enum writing writing;
	uint64_t assigned;		/* newest generation number given out */
	struct oplist ops;
	struct work *work;
	size_t journal_bytes, snapshot_bytes;
	size_t fold_above;		/* after a failure: not before the journal is larger than this */
	bool fold_wanted;
	bool making_room;		/* for commits that had none; they are written next */
	unsigned deaths;		/* of workers at the write that is under way */
	void (*fold_done)(void *userdata);
	void *fold_userdata;
	struct keep *keep_first, **keep_last, *keeping;
	time_t kept_at;			/* when the last generation was kept, by boot_seconds() */
	struct generation kept;		/* the one being written */
};

static void committer_next(struct committer *c);

/* All of it is whole records: the start has seen to that. */
static int journal_size(const struct manager *m, size_t *ret)
{
	_cleanup_free_ char *path = store_path_journal(&m->paths);
	struct stat st;

	*ret = 0;
	if (!path)
		return -ENOMEM;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	*ret = (size_t)st.st_size;
	return 0;
}

#define NEVER ((time_t)INT64_MIN)

/* A clock that nobody sets: what is due in an hour is so, whatever becomes of the time of day. */
static time_t boot_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

/* When that was, by boot_seconds(). What lies ahead was kept when the time of day was wrong, or is so now: nobody knows how long ago it was. */
static time_t kept_before(time_t when)
{
	time_t ago = time(NULL) - when;

	return ago < 0 ? NEVER : boot_seconds() - ago;
}

int committer_new(struct manager *m, struct committer **ret)
{
	struct committer *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->m = m;
	c->last = &c->first;
	c->keep_last = &c->keep_first;
	c->assigned = m->generation;
	c->kept_at = m->n_generations ? kept_before(m->generations[0].when) : NEVER;
	r = journal_size(m, &c->journal_bytes);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static struct commit *commit_free(struct commit *k)
{
	struct commit *next = k->next;

	cfg_error_done(&k->err);
	free(k->line);
	free(k);
	return next;
}

struct committer *committer_free(struct committer *c)
{
	if (!c)
		return NULL;
	while (c->first)
		c->first = commit_free(c->first);
	while (c->written)
		c->written = commit_free(c->written);
	while (c->keep_first) {
		struct keep *k = c->keep_first;

		c->keep_first = k->next;
		free(k->label);
		free(k);
	}
	if (c->keeping)
		free(c->keeping->label);
	free(c->keeping);
	free(c->kept.label);
	oplist_done(&c->ops);
	free(c);
	return NULL;
}

static int make_line(struct commit *k)
{
	free(steal_ptr(k->line));
	return store_journal_line(k->generation, time(NULL), act_to_str(k->act), k->changes, &k->line, &k->len);
}

int committer_commit(struct committer *c, enum act act, struct changes *changes, commit_done_fn done, void *userdata)
{
	struct commit *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	*k = (struct commit){
		.act = act, .changes = changes, .done = done, .userdata = userdata, .generation = c->assigned + 1,
	};
	if (make_line(k) < 0) {
		commit_free(k);
		return -ENOMEM;
	}
	c->assigned++;
	*c->last = k;
	c->last = &k->next;
	committer_next(c);
	return 0;
}

static int submit(struct committer *c, enum writing what, const char *label, work_done_fn done)
{
	int r = pool_submit(c->m->pool, WORK_STATE, TOKEN_NONE, &c->ops, NULL, label, done, c, &c->work);

	if (r < 0) {
		oplist_done(&c->ops);
		return r;
	}
	c->writing = what;
	return 0;
}

/* Whether what a worker died at is done is not known. It can all be done again, by another one; so nothing is said to have failed that may be on disk. */
static bool again(struct committer *c, const struct work_result *result, enum writing what, const char *label, work_done_fn done)
{
	return result->died && c->deaths++ < DEATHS_MAX && submit(c, what, label, done) >= 0;
}

static void wrote(struct committer *c)
{
	oplist_done(&c->ops);
	c->work = NULL;
	c->writing = WRITING_NOTHING;
	c->deaths = 0;
}

#define REMOVED_SPARE 4096

/* Of what came and went, what went long ago is forgotten: who asks for that is told as after a start. */
static void forget_removed(struct manager *m)
{
	struct map_iter it = { 0 };

	if (map_len(m->removed) <= 2 * tree_count(m->wanted) + REMOVED_SPARE)
		return;
	m->removed_known_from += (m->generation - m->removed_known_from) / 2;
	while (map_next(m->removed, &it))
		if ((uint64_t)(uintptr_t)it.value <= m->removed_known_from)
			map_del(m->removed, it.key);
	map_shrink(m->removed);
}

static int note_touched(struct manager *m, const struct commit *k)
{
	for (size_t i = 0; i < k->changes->n; i++) {
		struct object *o = tree_find(m->wanted, k->changes->items[i]->path);

		if (o)
			o->generation = k->generation;
		else if (map_put(m->removed, k->changes->items[i]->path, (void *)(uintptr_t)k->generation) < 0)
			return -ENOMEM;
	}
	forget_removed(m);
	return 0;
}

static void commit_in_force(struct committer *c, struct commit *k)
{
	struct manager *m = c->m;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	/* Without the memory for it the model would not be what the journal says. */
	if (changes_apply(m->wanted, k->changes, &err) < 0) {
		manager_survives(err.code == ENOMEM ? -ENOTRECOVERABLE : -err.code);
		/* Claims make this impossible; were it to happen, what is on disk is right and a restart reads it. */
		k->done(k->userdata, k->generation, &err);
		return;
	}
	m->generation = k->generation;
	note_touched(m, k);
	if (m->observer.committed)
		m->observer.committed(m->observer.userdata, k->generation, k->changes);
	k->done(k->userdata, k->generation, NULL);
}

static void fail_commits(struct committer *c, int error, const char *message)
{
	struct commit *list = steal_ptr(c->written);
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	/* Numbers given to commits that wait behind stay as they are; but without need there is no gap in the journal. */
	cfg_error_set(&err, error, "the change could not be written to the journal: %s", message);
	if (!c->first)
		c->assigned = c->m->generation;
	for (; list; list = commit_free(list))
		list->done(list->userdata, list->generation, &err);
}

/* Where the journal itself may have taken the room, folding it gives that back: once, and then these commits are written again. */
static bool make_room(struct committer *c, int error)
{
	struct commit **end = &c->written;

	if ((error != ENOSPC && error != EDQUOT) || c->making_room || !c->journal_bytes)
		return false;
	while (*end)
		end = &(*end)->next;
	*end = c->first;
	if (!c->first)
		c->last = end;
	c->first = steal_ptr(c->written);
	c->fold_wanted = c->making_room = true;
	return true;
}

static void on_commits_written(void *userdata, const struct work_result *result)
{
	struct committer *c = userdata;

	if (again(c, result, WRITING_COMMITS, "write the journal", on_commits_written))
		return;
	wrote(c);
	if (make_room(c, result->error)) {
		committer_next(c);
		return;
	}
	c->making_room = false;
	if (result->error) {
		fail_commits(c, result->error, result->message ? result->message : strerror(result->error));
	} else {
		struct commit *list = steal_ptr(c->written);

		for (; list; list = commit_free(list)) {
			c->journal_bytes += list->len;
			commit_in_force(c, list);
		}
	}
	committer_next(c);
}

static int fit(struct manager *m, struct commit *k)
{
	int r = changes_rebase(k->changes, m->wanted);

	if (r > 0)
		r = make_line(k);
	if (r < 0)
		return cfg_error_set(&k->err, -r, "the change does not fit what others have made of it meanwhile: %s", strerror(-r));
	return k->next ? manager_survives(changes_apply(m->wanted, k->changes, &k->err)) : changes_check(m->wanted, k->changes, &k->err);
}

/* Fits each to the model as those before it will have made it, which nobody need be told of the last one. What cannot be is taken out of the
 * queue and returned: claims make that all but impossible. */
static struct commit *fit_commits(struct committer *c)
{
	struct commit **at = &c->first, *unfit = NULL, *applied = NULL;

	while (*at) {
		struct commit *k = *at;

		if (fit(c->m, k) < 0) {
			*at = k->next;
			k->next = unfit;
			unfit = k;
			continue;
		}
		if (k->next) {
			k->applied_before = applied;
			applied = k;
		}
		at = &k->next;
	}
	c->last = at;
	for (; applied; applied = applied->applied_before)
		manager_survives(changes_revert(c->m->wanted, applied->changes));
	return unfit;
}

static int write_commits(struct committer *c)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };
	_cleanup_free_ char *path = store_path_journal(&c->m->paths);
	_cleanup_free_ char *size = strf("%zu", c->journal_bytes);
	int r;

	for (const struct commit *k = c->first; k; k = k->next) {
		if (k != c->first)
			store_journal_together(k->line);
		strbuf_add_mem(&text, k->line, k->len);
	}
	if (!path || !size || text.failed)
		return -ENOMEM;
	/* What a write that failed has left behind goes first, so that this can be done twice. */
	r = oplist_add(&c->ops, OP_FILE_CUT, OP_MAY_BE_ABSENT, path, size, NULL, NULL);
	if (r >= 0)
		r = oplist_add_taking(&c->ops, OP_FILE_APPEND, 0, path, strbuf_steal(&text));
	if (r >= 0)
		r = submit(c, WRITING_COMMITS, "write the journal", on_commits_written);
	if (r >= 0) {
		c->written = c->first;
		c->first = NULL;
		c->last = &c->first;
	}
	return r;
}

/* Nothing is lost by it: the journal goes on. Where each commit tries to make room, it is told once. */
static void fold_failed(struct committer *c, int error, const char *message)
{
	if (!c->making_room || !c->fold_above)
		cfg_errors_add(&c->m->shouts, error, NULL, NULL, NULL, "the snapshot could not be written: %s",
			       message ? message : strerror(error));
	c->fold_above = 2 * c->journal_bytes;
}

static void fold_ended(struct committer *c)
{
	void (*done)(void *) = c->fold_done;

	c->fold_done = NULL;
	if (done)
		done(c->fold_userdata);
}

static void on_folded(void *userdata, const struct work_result *result)
{
	struct committer *c = userdata;

	if (again(c, result, WRITING_FOLD, "fold the journal", on_folded))
		return;
	wrote(c);
	if (result->error)
		fold_failed(c, result->error, result->message);
	else
		c->journal_bytes = c->fold_above = 0;
	fold_ended(c);
	committer_next(c);
}

static int write_fold(struct committer *c)
{
	struct manager *m = c->m;
	_cleanup_free_ char *snapshot = store_path_snapshot(&m->paths);
	_cleanup_free_ char *journal = store_path_journal(&m->paths);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	c->fold_wanted = false;
	if (!snapshot || !journal)
		return -ENOMEM;
	r = store_snapshot_text(m->wanted, m->generation, &text, &len);
	if (r >= 0)
		r = oplist_add_taking(&c->ops, OP_FILE_REPLACE, 0, snapshot, steal_ptr(text));
	if (r >= 0)
		r = oplist_add(&c->ops, OP_FILE_REPLACE, 0, journal, "", NULL, NULL);
	if (r >= 0)
		r = submit(c, WRITING_FOLD, "fold the journal", on_folded);
	if (r >= 0)
		c->snapshot_bytes = len;
	return r;
}

static void remember_kept(struct committer *c)
{
	struct manager *m = c->m;
	struct generation *list;

	/* The same generation kept again has a new label only. */
	if (m->n_generations && m->generations[0].number == c->kept.number) {
		free(m->generations[0].label);
		m->generations[0] = c->kept;
		c->kept = (struct generation){ 0 };
		return;
	}
	list = reallocarray(m->generations, m->n_generations + 1, sizeof(*list));
	if (!list)
		return;
	m->generations = list;
	memmove(list + 1, list, m->n_generations * sizeof(*list));
	list[0] = c->kept;
	m->n_generations++;
	c->kept = (struct generation){ 0 };
}

static void keep_end(struct keep *k, uint64_t number, int error, const char *message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (error)
		cfg_error_set(&err, error, "the generation could not be written: %s", message ? message : strerror(error));
	if (k->done)
		k->done(k->userdata, number, error ? &err : NULL);
	free(k->label);
	free(k);
}

static struct keep *take_keep(struct committer *c)
{
	struct keep *k = c->keep_first;

	c->keep_first = k->next;
	if (!c->keep_first)
		c->keep_last = &c->keep_first;
	return k;
}

static void on_kept(void *userdata, const struct work_result *result)
{
	struct committer *c = userdata;
	struct keep *k = c->keeping;
	uint64_t number = c->kept.number;

	if (again(c, result, WRITING_KEPT, "keep a generation", on_kept))
		return;
	wrote(c);
	c->keeping = NULL;
	if (!result->error) {
		c->kept_at = boot_seconds();
		remember_kept(c);
	}
	free(c->kept.label);
	c->kept.label = NULL;
	keep_end(k, number, result->error, result->message);
	committer_next(c);
}

/* Generations beyond those to be kept go with the next one that is written. */
static int drop_old_generations(struct committer *c)
{
	struct manager *m = c->m;
	size_t keep = m->settings->generations_kept;

	while (m->n_generations && m->n_generations >= keep) {
		struct generation *g = &m->generations[m->n_generations - 1];
		_cleanup_free_ char *path = store_path_generation(&m->paths, g->number);

		if (!path || oplist_add(&c->ops, OP_FILE_REMOVE, OP_MAY_BE_ABSENT, path, NULL, NULL, NULL) < 0)
			return -ENOMEM;
		free(g->label);
		m->n_generations--;
	}
	return 0;
}

static int write_kept(struct committer *c)
{
	struct manager *m = c->m;
	struct keep *k = c->keep_first;
	_cleanup_free_ char *path = store_path_generation(&m->paths, m->generation);
	_cleanup_free_ char *text = NULL;
	time_t now = time(NULL);
	size_t len;
	int r;

	if (!path)
		return -ENOMEM;
	r = store_generation_text(m->wanted, m->generation, now, k->label, &text, &len);
	if (r >= 0)
		r = oplist_add_taking(&c->ops, OP_FILE_REPLACE, 0, path, steal_ptr(text));
	if (r >= 0)
		r = drop_old_generations(c);
	if (r >= 0)
		r = submit(c, WRITING_KEPT, "keep a generation", on_kept);
	if (r < 0) {
		oplist_done(&c->ops);
		return r;
	}
	c->keeping = take_keep(c);
	c->kept = (struct generation){ .number = m->generation, .when = now, .label = strdup(k->label),
				       .objects = tree_count(m->wanted) };
	return 0;
}

static bool time_to_fold(const struct committer *c)
{
	size_t limit = c->m->settings->journal_fold_bytes;

	/* The next part follows at once, and would have it printed again. */
	if (c->m->n_in_parts && !c->fold_wanted)
		return false;
	/* Never more often than the journal has grown to what a snapshot costs. */
	if (limit < c->snapshot_bytes)
		limit = c->snapshot_bytes;
	return c->fold_wanted || c->journal_bytes > (limit > c->fold_above ? limit : c->fold_above);
}

static int start_commits(struct committer *c)
{
	struct commit *unfit = fit_commits(c);
	int r = c->first ? write_commits(c) : -ESTALE;

	if (r < 0 && c->first) {
		c->written = steal_ptr(c->first);
		c->last = &c->first;
		fail_commits(c, -r, strerror(-r));
	}
	for (; unfit; unfit = commit_free(unfit))
		unfit->done(unfit->userdata, unfit->generation, &unfit->err);
	return r;
}

static int start_fold(struct committer *c)
{
	int r = write_fold(c);

	if (r < 0) {
		fold_failed(c, -r, NULL);
		fold_ended(c);
	}
	return r;
}

static int start_keep(struct committer *c)
{
	int r = write_kept(c);

	if (r < 0)
		keep_end(take_keep(c), c->m->generation, -r, NULL);
	return r;
}

static void committer_next(struct committer *c)
{
	int r = -1;

	/* What cannot even begin is told so, and the next has its turn. */
	while (r < 0 && c->writing == WRITING_NOTHING) {
		if (c->keep_first)
			r = start_keep(c);
		else if (time_to_fold(c))
			r = start_fold(c);
		else if (c->first)
			r = start_commits(c);
		else
			r = 0;
	}
}

int committer_fold(struct committer *c, void (*done)(void *userdata), void *userdata)
{
	if (!c->journal_bytes && c->writing == WRITING_NOTHING && !c->first && !c->keep_first) {
		if (done)
			done(userdata);
		return 0;
	}
	c->fold_wanted = true;
	c->fold_done = done;
	c->fold_userdata = userdata;
	committer_next(c);
	return 0;
}

int committer_keep(struct committer *c, const char *label, commit_done_fn done, void *userdata)
{
	struct keep *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	*k = (struct keep){ .label = strdup(label ? label : ""), .done = done, .userdata = userdata };
	if (!k->label) {
		free(k);
		return -ENOMEM;
	}
	*c->keep_last = k;
	c->keep_last = &k->next;
	committer_next(c);
	return 0;
}

bool committer_due(const struct committer *c)
{
	return c->kept_at == NEVER || boot_seconds() - c->kept_at >= (time_t)c->m->settings->generation_interval;
}
