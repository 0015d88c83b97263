/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of clients. Each has a number, and so has each that changes something; by these, or by what it is about, a fault is laid on it: it
 * fails, comes late, hangs, is held back, or its client is killed. A call that was taken is done even if its client has died meanwhile, as
 * in a kernel; what needs a lock that a hung one keeps waits behind it, while one that is held back has not come yet and keeps nothing. With
 * a seed, calls that arrive close to one another are done in an order drawn from it.
 */
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <time.h>

#include "tests/fake-kernel/fake.h"

#define GATHER_MS 2	/* how long a call with a seed waits for others to be mixed with */

enum action {
	ACT_NONE,
	ACT_FAIL,
	ACT_DELAY,
	ACT_HANG,
	ACT_HOLD,
	ACT_KILL_BEFORE,
	ACT_KILL_AFTER,
};

struct fault {
	enum action action;
	int code, delay_ms;
	char verb;		/* 0: any */
	char *path;		/* glob; NULL: any */
	enum { OF_ALL, OF_CHANGES, OF_WRITES } of;
	unsigned long left;	/* calls that match until it acts; 1: the next */
	bool always;		/* also on all that come later */
};

enum call_state {
	CALL_READY,
	CALL_LATE,	/* until due */
	CALL_HUNG,
};

struct call {
	unsigned long n, change;
	char verb, *path, *value;
	size_t len;
	struct session *session;	/* NULL: it has left */
	pid_t pid;
	enum call_state state;
	bool held;			/* hung before it takes any lock */
	uint64_t due;
	int code;			/* fails with it instead of being done */
	bool kill_after;
	struct locks locks;
	size_t has;			/* of its locks: how many it has, or is the next in line for */
	bool waits;			/* for a lock */
};

static struct {
	struct fake *f;
	uint64_t seed;
	int log;
	struct counts counts;
	struct fault *faults;
	size_t n_faults;
	struct call *calls;	/* taken and not answered, in the order in which they came */
	size_t n_calls;
} c;

static const char changing[] = "mrwluhcgdMTSG";

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void calls_init(struct fake *f, uint64_t seed, int log)
{
	c.f = f;
	c.seed = seed;
	c.log = log;
}

static void call_done(struct call *call)
{
	locks_done(&call->locks);
	free(call->path);
	free(call->value);
}

void calls_done(void)
{
	for (size_t i = 0; i < c.n_calls; i++)
		call_done(&c.calls[i]);
	free(c.calls);
	calls_disarm();
}

struct counts calls_counts(void)
{
	return c.counts;
}

/* ---- doing one ---- */

static int perform(const struct call *call, struct strbuf *ret)
{
	struct fake *f = c.f;
	const char *disk;
	uint64_t n = 0;

	text_to_u64(call->value, &n);
	switch (call->verb) {
	case 'm':
		return fs_mkdir(f, call->path);
	case 'r':
		return fs_rmdir(f, call->path);
	case 'w':
		return fs_write(f, call->path, call->value, call->len);
	case 'R':
		return fs_read(f, call->path, ret);
	case 'L':
		return fs_list(f, call->path, ret);
	case 'l':
		return fs_link(f, call->path, call->value);
	case 'u':
		return fs_unlink(f, call->path);
	case 'K':
		return fs_readlink(f, call->path, ret);
	case 'h':
		return fs_hide(f, call->path);
	case 'P':
		return machine_probe(f, call->path, (unsigned)n, ret);
	case 'c':
		return machine_create_file(f, call->path, n);
	case 'g':
		return machine_grow_file(f, call->path, n);
	case 'd':
		return machine_remove_file(f, call->path);
	case 'M':
		return machine_load_module(f, call->path);
	case 'T':
		return machine_tune(f, call->path, call->value);
	case 't':
		return machine_tuned(f, call->path, ret);
	case 'Q':
		return machine_has_module(f, call->path);
	case 'A':
		return machine_has_address(f, call->path) ? 0 : -ENOENT;
	case 'O':
		return fake_has(f, call->path) ? 0 : -ENOENT;
	case 'D':
		disk = lio_disk(f, call->path, call->value);
		strbuf_add(ret, disk ? disk : "");
		return disk ? 0 : -ENOENT;
	case 'S':
		return lio_rescan(f, call->path, call->value);
	case 'H':
		return machine_hctl(f, call->path, ret);
	case 'F':
		return lio_dbroot_read(f, call->path, ret);
	case 'G':
		return lio_dbroot_mkdir(f, call->path);
	case 'V':
		strbuf_add(ret, f->release);
		return 0;
	default:
		return -ENOSYS;
	}
}

/* "12 5 w nvmet/hosts/H/dhchap_hash = null" or with " : EINVAL" behind it; 0 for the second number if it changes nothing. */
static void log_call(const struct call *call, int r)
{
	bool dhchap = strstr(call->path, "/dhchap_key") || strstr(call->path, "/dhchap_ctrl_key");
	bool secret = dhchap || (strstr(call->path, "auth/") && strstr(call->path, "/password"));

	if (c.log < 0)
		return;
	dprintf(c.log, "%lu %lu %c %s%s%.*s%s%s\n", call->n, call->change, call->verb, call->path, call->len ? " = " : "",
		secret ? 3 : (int)strcspn(call->value, "\n"), secret && call->len ? "***" : call->value, r < 0 ? " : " : "",
		r < 0 ? errno_name(-r) : "");
}

static bool stands_in_the_way(const struct call *call, const struct lock *wanted)
{
	for (size_t i = 0; i < call->has; i++)
		if ((call->waits || call->locks.items[i].kept) && lock_excludes(&call->locks.items[i], wanted))
			return true;
	return false;
}

/* Who waits for a lock, going by the order in which they came. One that is neither late nor hung is done at once and is in nobody's way. */
static void find_waiting(void)
{
	for (size_t i = 0; i < c.n_calls; i++) {
		struct call *call = &c.calls[i];

		call->waits = false;
		for (call->has = 0; call->has < call->locks.n && !call->waits; call->has++)
			for (size_t j = 0; j < i && !call->waits; j++)
				call->waits = stands_in_the_way(&c.calls[j], &call->locks.items[call->has]);
		if (call->state == CALL_READY && !call->waits)
			call->has = 0;
	}
}

static void finish(size_t i)
{
	struct call call = c.calls[i];
	_cleanup_strbuf_ struct strbuf b = { 0 };
	int r;

	memmove(&c.calls[i], &c.calls[i + 1], (--c.n_calls - i) * sizeof(*c.calls));
	r = call.code ? -call.code : perform(&call, &b);
	log_call(&call, r);
	if (call.kill_after && call.session)
		kill(call.pid, SIGKILL);
	else if (call.session)
		session_answer(call.session, r, r < 0 ? NULL : b.s, b.len);
	call_done(&call);
	find_waiting();
	control_check();
}

/* ---- faults ---- */

static bool applies(const struct fault *f, const struct call *call)
{
	if (f->of == OF_CHANGES ? !call->change : f->of == OF_WRITES && call->verb != 'w')
		return false;
	return (!f->verb || f->verb == call->verb) && (!f->path || fnmatch(f->path, call->path, 0) == 0);
}

static void fault_remove(size_t i)
{
	free(c.faults[i].path);
	memmove(&c.faults[i], &c.faults[i + 1], (--c.n_faults - i) * sizeof(*c.faults));
}

/* Each fault counts. Of those whose turn it is, the first armed acts, and the others keep their turn for the next call. */
static struct fault fault_for(const struct call *call)
{
	struct fault found = { 0 };

	for (size_t i = 0; i < c.n_faults;) {
		struct fault *f = &c.faults[i];

		if (applies(f, call) && f->left > 1) {
			f->left--;
		} else if (applies(f, call) && !found.action) {
			found = *f;
			if (!f->always) {
				fault_remove(i);
				continue;
			}
		}
		i++;
	}
	return found;
}

static void lay(const struct fault *f, struct call *call)
{
	switch (f->action) {
	case ACT_NONE:
		break;
	case ACT_FAIL:
		call->code = f->code;
		break;
	case ACT_DELAY:
		call->state = CALL_LATE;
		call->due = now_ms() + (uint64_t)f->delay_ms;
		break;
	case ACT_HANG:
		call->state = CALL_HUNG;
		break;
	case ACT_HOLD:
		call->state = CALL_HUNG;
		call->held = true;
		break;
	case ACT_KILL_BEFORE:
		/* It never came. */
		call->code = EINTR;
		call->kill_after = true;
		break;
	case ACT_KILL_AFTER:
		call->kill_after = true;
		break;
	}
}

static int arm_word(struct fault *f, const char *word)
{
	const char *value = strchr(word, '=');
	uint64_t n;

	if (streq(word, "always"))
		return f->always = true, 0;
	if (!value++)
		return -EINVAL;
	if (strncmp(word, "nth=", 4) == 0 && text_to_u64(value, &n) == 0 && n) {
		f->left = n;
	} else if (strncmp(word, "verb=", 5) == 0 && *value && !value[1]) {
		f->verb = *value;
	} else if (strncmp(word, "path=", 5) == 0) {
		free(f->path);
		f->path = must(strdup(value));
	} else if (streq(word, "of=all") || streq(word, "of=changes") || streq(word, "of=writes")) {
		f->of = *value == 'a' ? OF_ALL : *value == 'c' ? OF_CHANGES : OF_WRITES;
	} else {
		return -EINVAL;
	}
	return 0;
}

int calls_arm(char *const *words, struct strbuf *ret)
{
	struct fault f = { .left = 1 };
	const char *action = words && *words ? *words : "";
	uint64_t n;
	int r = 0;

	if (streq(action, "hang")) {
		f.action = ACT_HANG;
	} else if (streq(action, "hold")) {
		f.action = ACT_HOLD;
	} else if (streq(action, "kill-before")) {
		f.action = ACT_KILL_BEFORE;
	} else if (streq(action, "kill-after")) {
		f.action = ACT_KILL_AFTER;
	} else if (strncmp(action, "delay=", 6) == 0 && text_to_u64(action + 6, &n) == 0 && n < INT32_MAX) {
		f.action = ACT_DELAY;
		f.delay_ms = (int)n;
	} else {
		f.action = ACT_FAIL;
		f.code = errno_from_name(action);
		r = f.code < 0 ? -EINVAL : 0;
	}
	for (size_t i = 1; r >= 0 && words[i]; i++)
		r = arm_word(&f, words[i]);
	if (r < 0) {
		free(f.path);
		return r;
	}
	c.faults = must(reallocarray(c.faults, c.n_faults + 1, sizeof(*c.faults)));
	c.faults[c.n_faults++] = f;
	return 0;
}

void calls_disarm(void)
{
	while (c.n_faults)
		fault_remove(c.n_faults - 1);
	free(steal_ptr(c.faults));
}

void calls_list_faults(struct strbuf *ret)
{
	static const char *const of[] = { "all", "changes", "writes" };

	for (size_t i = 0; i < c.n_faults; i++) {
		const struct fault *f = &c.faults[i];

		switch (f->action) {
		case ACT_NONE:
		case ACT_FAIL:
			strbuf_add(ret, errno_name(f->code));
			break;
		case ACT_DELAY:
			strbuf_addf(ret, "delay=%d", f->delay_ms);
			break;
		case ACT_HANG:
			strbuf_add(ret, "hang");
			break;
		case ACT_HOLD:
			strbuf_add(ret, "hold");
			break;
		case ACT_KILL_BEFORE:
			strbuf_add(ret, "kill-before");
			break;
		case ACT_KILL_AFTER:
			strbuf_add(ret, "kill-after");
			break;
		}
		strbuf_addf(ret, " nth=%lu of=%s", f->left, of[f->of]);
		if (f->verb)
			strbuf_addf(ret, " verb=%c", f->verb);
		strbuf_addf(ret, "%s%s%s\n", f->path ? " path=" : "", f->path ? f->path : "", f->always ? " always" : "");
	}
}

/* ---- hung ones ---- */

void calls_list_hung(struct strbuf *ret)
{
	for (size_t i = 0; i < c.n_calls; i++)
		if (c.calls[i].state == CALL_HUNG || c.calls[i].waits)
			strbuf_addf(ret, "%lu %c %s%s%s\n", c.calls[i].n, c.calls[i].verb, c.calls[i].path,
				    c.calls[i].state == CALL_HUNG ? "" : " (waits for a lock)",
				    c.calls[i].session ? "" : " (its client has left)");
}

size_t calls_hung(void)
{
	size_t n = 0;

	for (size_t i = 0; i < c.n_calls; i++)
		n += c.calls[i].state == CALL_HUNG;
	return n;
}

int calls_release(const char *which, int code)
{
	bool all = streq(which, "all"), found = false;
	uint64_t n = 0;

	if (!all && text_to_u64(which, &n) < 0)
		return -EINVAL;
	for (size_t i = 0; i < c.n_calls; i++) {
		struct call *call = &c.calls[i];

		if (call->state != CALL_HUNG || !(all || call->n == n))
			continue;
		if (call->held && !code)
			locks_of(call->verb, call->path, call->value, &call->locks);
		call->state = CALL_READY;
		call->held = false;
		call->due = 0;
		call->code = code;
		found = true;
	}
	find_waiting();
	return found || all ? 0 : -ENOENT;
}

/* ---- order ---- */

int calls_timeout(void)
{
	uint64_t now = now_ms();
	int best = -1;

	for (size_t i = 0; i < c.n_calls; i++) {
		const struct call *call = &c.calls[i];
		int wait = call->due > now ? (int)(call->due - now) : 0;

		if (call->state != CALL_HUNG && !call->waits && (best < 0 || wait < best))
			best = wait;
	}
	return best;
}

static bool is_due(const struct call *call, uint64_t now)
{
	return call->state != CALL_HUNG && !call->waits && call->due <= now;
}

void calls_run(void)
{
	for (;;) {
		uint64_t now = now_ms();
		size_t due = 0, at = 0;

		for (size_t i = 0; i < c.n_calls; i++)
			due += is_due(&c.calls[i], now);
		if (!due)
			return;
		due = c.seed ? fake_random(&c.seed) % due : 0;
		while (!is_due(&c.calls[at], now) || due--)
			at++;
		finish(at);
	}
}

/* ---- a new one ---- */

static const char *take_field(const char **at, const char *end, size_t *ret_len)
{
	const unsigned char *p = (const unsigned char *)*at;
	const char *field = *at + 4;
	size_t n;

	if (end - *at < 4)
		return NULL;
	n = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
	if ((size_t)(end - field) < n)
		return NULL;
	*at = field + n;
	*ret_len = n;
	return field;
}

static char *copy_field(const char *s, size_t n)
{
	char *copy = must(malloc(n + 1));

	memcpy(copy, s, n);
	copy[n] = 0;
	return copy;
}

void calls_take(struct session *s, pid_t pid, const char *packet, size_t len)
{
	const char *end = packet + len, *path, *value = NULL;
	struct call call = { .session = s, .pid = pid };
	size_t path_len, value_len;
	struct fault fault;

	if (len < 1)
		return;
	call.verb = *packet++;
	path = take_field(&packet, end, &path_len);
	if (path)
		value = take_field(&packet, end, &value_len);
	if (!value || packet != end) {
		session_answer(s, -EBADMSG, NULL, 0);
		return;
	}
	call.path = copy_field(path, path_len);
	call.value = copy_field(value, value_len);
	call.len = value_len;
	if (call.verb == '!') {
		control_run(c.f, s, call.path, call.value);
		call_done(&call);
		return;
	}
	call.n = ++c.counts.calls;
	c.counts.writes += call.verb == 'w';
	if (strchr(changing, call.verb))
		call.change = ++c.counts.changes;
	call.due = c.seed ? now_ms() + GATHER_MS : 0;
	fault = fault_for(&call);
	lay(&fault, &call);
	/* Whatever fails before it is tried takes nothing. */
	if (!call.code && !call.held)
		locks_of(call.verb, call.path, call.value, &call.locks);
	c.calls = must(reallocarray(c.calls, c.n_calls + 1, sizeof(*c.calls)));
	c.calls[c.n_calls++] = call;
	find_waiting();
	control_check();
}

void calls_session_ended(struct session *s)
{
	for (size_t i = 0; i < c.n_calls; i++)
		if (c.calls[i].session == s)
			c.calls[i].session = NULL;
}
