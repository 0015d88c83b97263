/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver FOLDER PROPERTY [SCENARIO]: what the daemon promises about bad luck, for every kernel call of every scenario. What is true is what
 * the fake kernel dumps, never what the daemon says. With FAULT_ALL in the environment it tries also what takes long: what is
 * written below as a part of the whole is then all of it. Which part that is changes with the day, and FAULT_DAY, a number that is told at
 * the beginning, makes it the same again.
 */
#include <errno.h>

#include "base/map.h"
#include "model/backend.h"
#include "tests/fault/scenarios.h"
#include "tests/fault/world.h"

static bool all_of_it;
static unsigned long day;

/* Whether the k-th is of the part: one of so many. */
static bool is_drawn(unsigned long k, unsigned long of)
{
	return all_of_it || (k + day) % of == 0;
}

static const char nothing[] = "{ \"version\": 1 }";

/* A scenario with all that was made up for it: documents, and the kernel before and after. */
struct play {
	const struct scenario *scenario;
	char *from, *to;
	char **before, **after;
	unsigned long calls;	/* that change something, on the way from one to the other */
	unsigned long all;	/* with those that read */
};

/* ---- comparing ---- */

static void expect_kernel(char *const *wanted, const char *what)
{
	_cleanup_strv_ char **is = dump();

	if (strv_equal(wanted, is))
		return;
	print_difference(wanted, is);
	fail("the kernel is not as it was %s", what);
}

/* The line "TYPE SIZE FILE"; and that of a bridge's disk, which is as large as the file behind it. */
static bool is_of_file(const char *line, const char *file)
{
	const char *name = strrchr(line, ' ') + 1;

	if (strncmp(line, "f nvmet/", 8) == 0 || strncmp(line, "f target/", 9) == 0)
		return false;
	return streq(name, file) || strncmp(name, "/dev/sd", 7) == 0;
}

static void leave_out(char **lines, const char *file)
{
	size_t n = 0;

	for (size_t i = 0; lines[i]; i++) {
		if (file && is_of_file(lines[i], file))
			free(lines[i]);
		else
			lines[n++] = lines[i];
	}
	lines[n] = NULL;
}

/* Nobody knows any more who made a file, or let it grow, when the daemon that had it done was killed: it stays as it is. */
static void expect_tree(char *const *wanted, const char *file, const char *what)
{
	_cleanup_strv_ char **a = strv_copy(wanted), **b = dump();

	leave_out(a, file);
	leave_out(b, file);
	if (strv_equal(a, b))
		return;
	print_difference(a, b);
	fail("the kernel is not as it was %s", what);
}

static char *swap(char *text, const char *from, const char *to)
{
	const char *found = strstr(text, from);
	char *out;

	if (!found)
		return text;
	out = strf("%.*s%s%s", (int)(found - text), text, to, found + strlen(from));
	free(text);
	return out;
}

/* Where a folder of the SCSI target stands among the objects: "target/iscsi/W/tpgt_1/lun/lun_0" -> "targets/iscsi/W/tpgs/1/luns/0". */
static char *object_of_folder(const char *folder)
{
	char *path = strf("targets/%s", folder + strlen("target/"));

	path = swap(path, "/tpgt_", "/tpgs/");
	path = swap(path, "/lun/lun_", "/luns/");
	path = swap(path, "/np/", "/portals/");
	return swap(path, "/lun_", "/mapped_luns/");
}

/* The folder of a plugin is that of the one backend in it, which follows from its name. */
static bool is_about_storage(const char *folder, const char *element)
{
	_cleanup_free_ char *name = NULL, *number = NULL, *group = NULL;
	const char *below = strstr(element, "/alua_groups/");

	if (strncmp(element, "backends/", 9) != 0)
		return false;
	name = strndup(element + 9, strcspn(element + 9, "/"));
	number = strf("_%u", backend_folder_number(name));
	group = below ? strf("/alua/%s", below + strlen("/alua_groups/")) : NULL;
	return strstr(folder, number) && (group ? strstr(folder, group) != NULL : !element[9 + strlen(name)]);
}

/* A storage object is its backend's, and what has a locally assigned name is the bridge of some backend. */
static bool is_about_scsi(const char *folder, const char *element)
{
	_cleanup_free_ char *end = strndup(folder, strcspn(folder, " ")), *object = NULL;
	const char *name = strchr(element, '/');
	size_t n = strlen(element);

	if (strncmp(end, "target/core/alua/", 17) == 0)
		return strncmp(element, "lu_groups/", 10) == 0 && strstr(end, name);
	if (strncmp(end, "target/core/", 12) == 0)
		return is_about_storage(end, element);
	/* Bridges share the fabric's folder with targets of people. */
	if (strncmp(end, "target/loopback/naa.3", 21) == 0 || (strncmp(end, "target/loopback", 15) == 0 && !strstr(end, "/naa.")))
		return (n > 7 && streq(element + n - 7, "/bridge")) || streq(element, "targets/loopback");
	object = object_of_folder(end);
	return strncmp(object, element, n) == 0 && strchr("/", object[n]);
}

/* Whether a line of a dump is about what a report names: "d nvmet/ports/1/…", or "f 67108864 /srv/file1". */
static bool is_about(const char *line, struct json_object *named)
{
	const char *element = text_of(named, "object"), *attr = text_of(named, "attribute"), *path = strstr(line, "nvmet/");
	const char *scsi = strstr(line, " target/");
	size_t n = strlen(element);

	if (scsi && scsi < line + 2)
		return is_about_scsi(scsi + 1, element);
	/* A bridge is there with its disk, which is as large as what is behind it. */
	if (strstr(line, " /dev/sd") && strncmp(element, "backends/", 9) == 0)
		return true;
	if (streq(attr, "file"))
		return strncmp(text_of(named, "actual"), strrchr(line, ' ') + 1, strlen(strrchr(line, ' ') + 1)) == 0;
	if (streq(element, "nvmet"))
		return path && strncmp(path, "nvmet/discovery_nqn ", 20) == 0;
	/* Of a backend only its file can be seen. */
	if (strncmp(element, "backends/", 9) == 0)
		return strstr(line, " /srv/");
	return path && strncmp(path + 6, element, n) == 0 && strchr("/ ", path[6 + n]);
}

/* Elements of report[key] ("object") that no differing line is about are named without need; lines that nobody names are worse. */
static void expect_named(struct json_object *report, const char *key, char *const *wanted)
{
	_cleanup_strv_ char **is = dump();
	struct json_object *list = NULL;
	size_t n = length_of(report, key);

	json_object_object_get_ex(report, key, &list);
	for (int side = 0; side < 2; side++) {
		char *const *a = side ? is : wanted, *const *b = side ? wanted : is;

		for (; *a; a++) {
			bool named = strv_contains(b, *a);

			for (size_t i = 0; !named && i < n; i++)
				named = is_about(*a, json_object_array_get_idx(list, i));
			if (!named) {
				print_difference(wanted, is);
				fail("the report does not name that %s differs: %s", *a, json_object_get_string(report));
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *named = json_object_array_get_idx(list, i);
		bool differs = false;

		/* What nobody could look at is not said to differ. */
		if (streq(text_of(named, "actual"), "not known") || strstr(text_of(named, "actual"), ", which is being"))
			continue;
		for (char *const *l = wanted; *l; l++)
			differs |= is_about(*l, named) && !strv_contains(is, *l);
		for (char *const *l = is; *l; l++)
			differs |= is_about(*l, named) && !strv_contains(wanted, *l);
		if (!differs) {
			print_difference(wanted, is);
			fail("the report says that %s differs, and it does not: %s", text_of(named, "object"),
			     json_object_get_string(report));
		}
	}
}

/* ---- moving ---- */

static struct json_object *expect_outcome(struct json_object *report, const char *outcome)
{
	if (!streq(text_of(report, "outcome"), outcome))
		fail("should be %s: %s", outcome, json_object_get_string(report));
	return report;
}

static void go(const char *document)
{
	json_object_put(expect_outcome(apply(document), "done"));
}

static void expect_no_debts(void)
{
	struct json_object *s = status();

	if (length_of(s, "debts") || length_of(s, "drift") || length_of(s, "failed"))
		fail("something is left: %s", json_object_get_string(s));
	json_object_put(s);
}

/* Back to before, from wherever it is. */
static void go_back(const struct play *p)
{
	if (p->scenario->file) {
		go(nothing);
		free(control("remove %s", p->scenario->file));
	}
	go(p->from);
	expect_kernel(p->before, "before all this");
}

enum truth {
	AS_BEFORE,
	AS_WANTED,
	LEFT,		/* what the report names differs from the one or the other */
};

/* The fault is gone now: what it left is made good, the same again leads to where it should, and back. */
static void expect_recovery(const struct play *p, bool left)
{
	free(control("disarm"));
	if (left)
		json_object_put(expect_outcome(reconcile(), "done"));
	go(p->to);
	expect_kernel(p->after, "after the same without a fault");
	expect_no_debts();
	go_back(p);
}

static void arm(const char *action, unsigned long k, const char *more)
{
	free(control("fault %s nth=%lu of=changes %s", action, k, more));
}

/* ---- scenarios ---- */

static char *model_after(const char *edits)
{
	if (edits)
		json_object_put(expect_outcome(change(edits), "done"));
	return dump_model();
}

static void play_init(struct play *p, const struct scenario *s, const char *base)
{
	unsigned long n, all;

	*p = (struct play){ .scenario = s };
	at("%s", s->name);
	p->from = strdup(s->from_nothing ? nothing : base);
	go(p->from);
	if (s->file)
		free(control("remove %s", s->file));
	go(nothing);
	go(p->from);
	p->before = dump();
	p->to = s->edits ? model_after(s->edits) : strdup(s->from_nothing ? base : nothing);
	go_back(p);
	n = changes();
	all = calls();
	go(p->to);
	p->calls = changes() - n;
	p->all = calls() - all;
	p->after = dump();
	go_back(p);
	if (strv_equal(p->before, p->after) || !p->calls)
		fail("nothing happens");
}

static void play_done(struct play *p)
{
	free(p->from);
	free(p->to);
	strv_free(p->before);
	strv_free(p->after);
}

/* ---- properties ---- */

/* Nothing, or exactly what is named, differs from how it was before, or after the commit from how it should be. */
static enum truth expect_truth(const struct play *p, struct json_object *report)
{
	const char *outcome = text_of(report, "outcome");
	enum truth truth = streq(outcome, "failed") ? AS_BEFORE : streq(outcome, "done") ? AS_WANTED : LEFT;

	if (streq(outcome, "failed"))
		expect_kernel(p->before, "before");
	else if (streq(outcome, "partly"))
		expect_named(report, "left", p->before);
	else if (streq(outcome, "owed"))
		expect_named(report, "debts", p->after);
	else if (streq(outcome, "done"))
		expect_kernel(p->after, "wanted");
	else
		fail("what outcome is this: %s", json_object_get_string(report));
	json_object_put(report);
	return truth;
}

/* With all as before, what comes next shows as well that it goes on from there; so it is gone to the end only now and then. */
static void make_good(const struct play *p, unsigned long k, enum truth truth)
{
	if (truth != AS_BEFORE || k == p->calls || is_drawn(k / 2, 4))
		expect_recovery(p, truth == LEFT);
	else
		free(control("disarm"));
}

static void failing_calls(const struct play *p)
{
	static const char *const errors[] = { "EIO", "EBUSY" };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
		for (unsigned long k = 1; k <= p->calls; k++) {
			if (!is_drawn(k + e, ARRAY_SIZE(errors)))
				continue;
			at("%s: call %lu fails with %s", p->scenario->name, k, errors[e]);
			arm(errors[e], k, "");
			make_good(p, k, expect_truth(p, apply(p->to)));
		}
}

/* Calls of all kinds fail, of reading too; more: "always" for all from the k-th on. There are many, so some of them stand for all. */
static void failing_of_all(const struct play *p, unsigned long stand_for_all, const char *more)
{
	unsigned long step = p->all / stand_for_all + 1;

	for (unsigned long k = 1; k <= p->all; k++) {
		if (!is_drawn(k, step))
			continue;
		at("%s: call %lu of all fails %s", p->scenario->name, k, more);
		free(control("fault EIO nth=%lu of=all %s", k, more));
		expect_recovery(p, expect_truth(p, apply(p->to)) == LEFT);
	}
}

/* What could not be read is not known, which is not the same as not there. */
static void failing_reads(const struct play *p)
{
	failing_of_all(p, 24, "");
}

/* From the k-th call on nothing works, so that there is no way back either. */
static void failing_kernel(const struct play *p)
{
	unsigned long step = p->calls <= 10 ? 1 : 2;

	for (unsigned long k = 1; k <= p->calls; k++) {
		if (!is_drawn(k, step))
			continue;
		at("%s: all calls fail from %lu on", p->scenario->name, k);
		arm("EIO", k, "always");
		expect_recovery(p, expect_truth(p, apply(p->to)) == LEFT);
	}
}

/* Nor can it be read any more, so that nobody knows what is left. */
static void silent_kernel(const struct play *p)
{
	failing_of_all(p, 8, "always");
}

static void dying_workers(const struct play *p)
{
	static const char *const when[] = { "kill-before", "kill-after" };

	for (size_t i = 0; i < ARRAY_SIZE(when); i++)
		for (unsigned long k = 1; k <= p->calls; k++) {
			if (!is_drawn(k + i, ARRAY_SIZE(when)))
				continue;
			at("%s: %s call %lu", p->scenario->name, when[i], k);
			arm(when[i], k, "");
			make_good(p, k, expect_truth(p, apply(p->to)));
		}
}

static unsigned long long generation(void)
{
	struct json_object *s = status();
	unsigned long long n = strtoull(text_of(s, "generation"), NULL, 10);

	json_object_put(s);
	return n;
}

static void expect_idle_start(void)
{
	unsigned long n;

	daemon_kill();
	n = writes();
	daemon_start();
	if (writes() != n)
		fail("a start with nothing to do writes");
}

/* The hanging call is done, or fails, after the daemon has gone; which of it the daemon cannot know. */
static void dying_in_call(const struct play *p, unsigned long k, const char *ending)
{
	unsigned long long was = generation();
	bool committed;

	at("%s: the daemon is killed in call %lu%s", p->scenario->name, k, ending);
	arm("hang", k, "");
	apply_begin(p->to);
	free(control("wait hung 1"));
	daemon_kill();
	free(control("release all%s", ending));
	daemon_start();
	committed = generation() != was;
	expect_tree(committed ? p->after : p->before, p->scenario->file, committed ? "wanted" : "before");
	expect_no_debts();
	if (is_drawn(k, 4))
		expect_idle_start();
	expect_recovery(p, false);
}

/* Starts take time; of what has many calls, a part stands for all. */
static void dying_daemon(const struct play *p)
{
	unsigned long step = p->calls / 5 + 1;

	for (unsigned long k = 1; k <= p->calls; k++) {
		if (!is_drawn(k, step))
			continue;
		dying_in_call(p, k, k / step % 2 ? " EINTR" : "");
		if (all_of_it)
			dying_in_call(p, k, k / step % 2 ? "" : " EINTR");
	}
}

/* The running job's number, and whether it is committed already. */
static unsigned long long running_job(bool *ret_committed)
{
	struct json_object *s = status(), *jobs = NULL, *job;
	unsigned long long id;

	json_object_object_get_ex(s, "jobs", &jobs);
	if (length_of(s, "jobs") != 1)
		fail("one job should be running: %s", json_object_get_string(s));
	job = json_object_array_get_idx(jobs, 0);
	id = strtoull(text_of(job, "job"), NULL, 10);
	*ret_committed = streq(text_of(job, "state"), "removing");
	json_object_put(s);
	return id;
}

/* "12 w nvmet/…" */
static char *hung_path(void)
{
	_cleanup_free_ char *text = control("hung");
	char path[1024] = "";

	if (!text || sscanf(text, "%*u %*c %1023s", path) != 1)
		fail("what hangs? %s", text ? text : "");
	return strdup(path);
}

/* NULL: anything is. */
static bool is_stuck(struct json_object *stuck, const char *path)
{
	for (size_t i = 0; i < json_object_array_length(stuck); i++)
		if (!path || strstr(text_of(json_object_array_get_idx(stuck, i), "call"), path))
			return true;
	return false;
}

/* Others may be stuck behind it. That it counts as stuck takes its time, which nothing announces, nor that it does no more. */
static void await_stuck(const char *path, bool stuck)
{
	for (unsigned i = 0; i < 600; i++) {
		struct json_object *s = status(), *list = NULL;
		bool named;

		json_object_object_get_ex(s, "stuck", &list);
		named = is_stuck(list, path);
		json_object_put(s);
		if (named == stuck)
			return;
		usleep(100000);
	}
	fail(stuck ? "nobody says that %s is stuck" : "%s is said to be stuck still", path ? path : "something");
}

/* Someone else's change goes on, by a worker that replaces the one that hangs; so where the kernel itself holds no lock that it needs. */
static void expect_others_go_on(void)
{
	json_object_put(expect_outcome(change("create backends/bystander type=block device=/dev/vdz\n"
					      "create subsystems/nqn.2026-11.org.example:bystander\n"
					      "create subsystems/nqn.2026-11.org.example:bystander/namespaces/1 backend=bystander\n"), "done"));
	json_object_put(expect_outcome(change("delete subsystems/nqn.2026-11.org.example:bystander/namespaces/1\n"
					      "delete subsystems/nqn.2026-11.org.example:bystander\ndelete backends/bystander\n"), "done"));
}

static void hanging_call(const struct play *p, unsigned long k, const char *more, bool alone)
{
	_cleanup_free_ char *path = NULL;
	unsigned long long job;
	bool committed;

	at("%s: call %lu %s hangs", p->scenario->name, k, more);
	arm("hang", k, more);
	apply_begin(p->to);
	free(control("wait hung 1"));
	path = hung_path();
	if (alone)
		expect_others_go_on();
	await_stuck(path, true);
	job = running_job(&committed);
	cancel(job);
	/* It ends although the kernel is not done with it. */
	if (committed)
		json_object_put(expect_outcome(apply_end(), "owed"));
	else
		expect_truth(p, apply_end());
	free(control("release all"));
	/* What is stuck reconcile would pass by, also what was stuck behind the call. */
	await_stuck(NULL, false);
	json_object_put(expect_outcome(reconcile(), "done"));
	expect_tree(committed ? p->after : p->before, p->scenario->file, committed ? "wanted" : "before");
	expect_no_debts();
	expect_recovery(p, false);
}

/* A daemon that is stopped does not wait for what hangs, and the next one makes the best of it. */
static void stopping_in_call(const struct play *p, unsigned long k)
{
	unsigned long long was = generation();
	bool committed;

	at("%s: the daemon is stopped while call %lu hangs", p->scenario->name, k);
	arm("hang", k, "");
	apply_begin(p->to);
	free(control("wait hung 1"));
	daemon_stop();
	free(control("release all"));
	daemon_start();
	committed = generation() != was;
	if (committed)
		json_object_put(expect_outcome(reconcile(), "done"));
	expect_tree(committed ? p->after : p->before, p->scenario->file, committed ? "wanted" : "before");
	expect_no_debts();
	expect_recovery(p, false);
}

static bool removes_namespace(const struct play *p)
{
	for (char **l = p->before; *l; l++)
		if (strncmp(*l, "d ", 2) == 0 && strstr(*l, "/namespaces/") && !strv_contains(p->after, *l))
			return true;
	return false;
}

/* Each takes as long as a call must hang to count as stuck. So the first, the last and the one in the middle stand for all, in turns. */
static void hanging_calls(const struct play *p)
{
	unsigned long n = (unsigned long)(p->scenario - scenarios);

	for (unsigned long k = 1; all_of_it && k <= p->calls; k += p->calls / 8 + 1)
		hanging_call(p, k, "", false);
	if (is_drawn(n, 3))
		hanging_call(p, 1, "", false);
	if (is_drawn(n + 1, 3))
		hanging_call(p, p->calls, "", false);
	if (is_drawn(n + 2, 3))
		stopping_in_call(p, (p->calls + 1) / 2);
	if (removes_namespace(p))
		hanging_call(p, 1, "verb=r path=nvmet/subsystems/*/namespaces/*", true);
}

static void expect_no_steps(const char *document)
{
	struct json_object *report = expect_outcome(plan_of(document), "done"), *plan = NULL;

	json_object_object_get_ex(report, "plan", &plan);
	if (plan && length_of(plan, "steps"))
		fail("there is something to be done: %s", json_object_get_string(report));
	json_object_put(report);
}

/* What is applied differs in nothing from what was asked, is told as it was told, and applied again writes nothing. */
static void repeating(const struct play *p)
{
	_cleanup_free_ char *told = NULL, *again = NULL;
	struct json_object *a, *b;
	unsigned long n;

	at("%s: the same again", p->scenario->name);
	expect_no_steps(p->from);
	go(p->to);
	expect_no_steps(p->to);
	told = dump_model();
	n = changes();
	go(told);
	if (changes() != n)
		fail("the same document a second time makes the kernel change something");
	again = dump_model();
	/* Each apply has a number of its own. */
	a = json_tokener_parse(told);
	b = json_tokener_parse(again);
	json_object_object_del(a, "generation");
	json_object_object_del(b, "generation");
	if (!json_object_equal(a, b))
		fail("what was told is not what comes of it: %s\n%s", told, again);
	json_object_put(a);
	json_object_put(b);
	expect_kernel(p->after, "wanted");
	go_back(p);
}

/* ---- */

static const struct {
	const char *name;
	void (*check)(const struct play *p);
} properties[] = {
	{ "failing-calls", failing_calls },
	{ "failing-kernel", failing_kernel },
	{ "failing-reads", failing_reads },
	{ "silent-kernel", silent_kernel },
	{ "dying-workers", dying_workers },
	{ "dying-daemon", dying_daemon },
	{ "hanging-calls", hanging_calls },
	{ "repeating", repeating },
};

static void check(void (*property)(const struct play *), const char *only)
{
	_cleanup_free_ char *base = NULL;
	const char *document = NULL;

	at("base");
	/* Someone else's, in the same folders. */
	free(control("mkdir nvmet/hosts/foreign"));
	free(control("mkdir nvmet/subsystems/foreign"));
	free(control("mkdir nvmet/subsystems/foreign/namespaces/1"));
	free(control("mkdir nvmet/ports/77"));
	free(control("link nvmet/subsystems/foreign/allowed_hosts/foreign nvmet/hosts/foreign"));
	/* Folders that a module makes stay when a transaction that loads it goes back. */
	free(control("load target_core_mod"));
	for (size_t i = 0; i < n_scenarios; i++) {
		struct play p;

		if (only && !streq(only, scenarios[i].name))
			continue;
		if (document != scenarios[i].base) {
			document = scenarios[i].base;
			go(nothing);
			go(document);
			free(base);
			base = dump_model();
		}
		play_init(&p, &scenarios[i], base);
		property(&p);
		printf("%s: %lu calls\n", scenarios[i].name, p.calls);
		fflush(stdout);
		play_done(&p);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	all_of_it = getenv("FAULT_ALL");
	day = getenv("FAULT_DAY") ? strtoul(getenv("FAULT_DAY"), NULL, 10) : (unsigned long)time(NULL) / 86400;
	printf("FAULT_DAY=%lu\n", day);
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		if (!streq(properties[i].name, argv[2]))
			continue;
		world_start(argv[1]);
		check(properties[i].check, argc > 3 ? argv[3] : NULL);
		world_end();
		return 0;
	}
	fprintf(stderr, "driver: no property %s\n", argv[2]);
	return 2;
}
