/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concurrent FOLDER orders|turns SEED COUNT: what is promised of transactions that run at the same time. COUNT times some of them are drawn
 * from a seed (SEED, SEED + 1, …) and given to the daemon by several clients, while each of its calls to the fake kernel is held back;
 * which call goes next, or which client asks next, the same seed says, whenever all that runs has come to rest. So "concurrent FOLDER
 * orders N 1" repeats what was said to have failed with seed N.
 *
 * orders: afterwards
 *
 *	- all have ended: when everything is at rest and no call is held back, nobody may be left (that would be a deadlock);
 *	- those that were done, one after the other in some order, lead to the same document and the same tree of the kernel;
 *	- those that failed would have failed somewhere in that order;
 *	- nothing is owed, and the document differs in nothing from the kernel.
 *
 * turns: one that claims much comes among clients that never cease to make, change, link and delete something small, each on objects of
 * its own: it has its turn before many of those that came after it.
 */
#include <errno.h>

#include "tests/fault/draw.h"
#include "tests/fault/world.h"

#define AT_ONCE_MAX 4
#define CLIENTS 12

struct transaction {
	struct ask ask;
	struct client *client;
	bool asked;
	struct json_object *report;
	bool done, explained;
};

struct round {
	unsigned long long seed;
	uint64_t random;
	const char *base;
	struct transaction items[AT_ONCE_MAX];
	size_t n;
	bool injected;			/* a call was made to fail */
	struct json_object *document;	/* at the end */
	char **dump;
};

static struct client *clients[CLIENTS];
static struct {
	unsigned long transactions, done, failed, calls, injected, replays, most_overtaken;
} counts;

/* ---- comparing ---- */

static struct json_object *document(void)
{
	_cleanup_free_ char *text = dump_model();
	struct json_object *o = json_tokener_parse(text);

	/* How many changes led to it is no matter. */
	json_object_object_del(o, "generation");
	return o;
}

static void print_round(const struct round *r)
{
	static const char *const what[] = { "change", "apply", "apply --merge", "clear", "reconcile", "show" };

	fprintf(stderr, "seed %llu, from %s\n", r->seed, r->base);
	for (size_t i = 0; i < r->n; i++) {
		const struct transaction *t = &r->items[i];

		fprintf(stderr, "%zu: %s%s%s%s: %s\n   -> %s\n", i, what[t->ask.what], t->ask.recursive ? " recursive" : "",
			t->ask.dry_run ? " dry run" : "", t->ask.generation ? " with generation" : "", t->ask.text ? t->ask.text : "",
			t->report ? json_object_to_json_string_ext(t->report, JSON_C_TO_STRING_PLAIN) : "no answer");
	}
}

static void is_done(struct json_object *report)
{
	if (!streq(text_of(report, "outcome"), "done"))
		fail("should be done: %s", json_object_get_string(report));
	json_object_put(report);
}

/* What was made up before and fits is kept by a document that does not say it, so all goes first. */
static void reset(const struct round *r)
{
	is_done(apply(draw_bases[0]));
	is_done(apply(r->base));
}

/* ---- at once ---- */

static bool is_good(struct json_object *report)
{
	return streq(text_of(report, "outcome"), "done") || streq(text_of(report, "outcome"), "owed");
}

/* Most of what is drawn cannot be; most of what is played should, at least if it came alone. */
static void draw_likely(struct round *r, struct client *client, struct ask *ret)
{
	bool any = draw(&r->random, 8) == 0, good;

	draw_ask(&r->random, ret);
	for (unsigned i = 0; !any && i < 8; i++) {
		struct ask dry = *ret;
		struct json_object *report;

		dry.dry_run = true;
		report = client_ask_and_wait(client, &dry);
		good = is_good(report);
		json_object_put(report);
		if (good)
			return;
		ask_done(ret);
		draw_ask(&r->random, ret);
	}
}

static void begin_round(struct round *r, unsigned long long seed)
{
	unsigned long long generation;
	struct json_object *s;

	*r = (struct round){ .seed = seed, .random = seed };
	at("seed %llu", seed);
	/* Mostly from where there is something. */
	r->base = draw_bases[draw(&r->random, 8) ? 1 + draw(&r->random, n_draw_bases - 1) : 0];
	reset(r);
	s = status();
	generation = strtoull(text_of(s, "generation"), NULL, 10);
	json_object_put(s);
	r->n = 2 + draw(&r->random, AT_ONCE_MAX - 1);
	for (size_t i = 0; i < r->n; i++) {
		r->items[i].client = clients[i];
		draw_likely(r, clients[i], &r->items[i].ask);
		if (draw(&r->random, 10) == 0 && r->items[i].ask.what != ASK_RECONCILE)
			r->items[i].ask.generation = generation;
	}
	counts.transactions += r->n;
}

static void end_round(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		ask_done(&r->items[i].ask);
		json_object_put(r->items[i].report);
	}
	json_object_put(r->document);
	strv_free(r->dump);
}

static void take_answers(struct round *r)
{
	clients_process(clients, AT_ONCE_MAX, false);
	for (size_t i = 0; i < r->n; i++) {
		struct json_object *report = client_answer(r->items[i].client);

		if (report)
			r->items[i].report = report;
	}
}

/* "NUMBER VERB PATH" -> a line of its own, in an order that does not depend on which of two workers was quicker. */
static int compare_calls(const void *a, const void *b)
{
	return strcmp(strchr(*(char *const *)a, ' '), strchr(*(char *const *)b, ' '));
}

static char **held_calls(void)
{
	_cleanup_free_ char *text = control("hung");
	char **list = NULL, *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strv_append(&list, line) < 0)
			fail("out of memory");
	if (list)
		qsort(list, strv_len(list), sizeof(*list), compare_calls);
	return list;
}

/* What waits says for what: for a job that has not ended. */
static void check_waiting(const struct round *r)
{
	struct json_object *s = status(), *jobs = NULL;

	json_object_object_get_ex(s, "jobs", &jobs);
	for (size_t i = 0; i < length_of(s, "jobs"); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);
		unsigned long long other;
		bool found = false;

		if (!streq(text_of(job, "state"), "waiting"))
			continue;
		if (sscanf(text_of(job, "waits_for"), "job %llu (", &other) != 1) {
			print_round(r);
			fail("a job waits and does not say for what: %s", json_object_get_string(s));
		}
		for (size_t k = 0; k < length_of(s, "jobs"); k++)
			found |= strtoull(text_of(json_object_array_get_idx(jobs, k), "job"), NULL, 10) == other;
		if (!found) {
			print_round(r);
			fail("a job waits for one that has ended: %s", json_object_get_string(s));
		}
	}
	json_object_put(s);
}

static void release(struct round *r, const char *call)
{
	unsigned long number = strtoul(call, NULL, 10);
	char verb = strchr(call, ' ')[1];

	counts.calls++;
	/* Of making, not of removing, which would be tried again and so be good for nothing here. */
	if (!r->injected && strchr("mwl", verb) && draw(&r->random, 60) == 0) {
		r->injected = true;
		counts.injected++;
		free(control("release %lu EIO", number));
		return;
	}
	free(control("release %lu", number));
}

static bool step(struct round *r)
{
	_cleanup_strv_ char **calls = held_calls();
	size_t n_calls = strv_len(calls), waiting = 0, choice;

	for (size_t i = 0; i < r->n; i++)
		waiting += !r->items[i].asked;
	if (!n_calls && !waiting)
		return false;
	if (draw(&r->random, 16) == 0)
		check_waiting(r);
	/* Now and then several at a time. */
	if (n_calls > 1 && draw(&r->random, 6) == 0) {
		for (size_t i = 0; i < n_calls; i++)
			release(r, calls[i]);
		return true;
	}
	choice = draw(&r->random, n_calls + (waiting > 0));
	if (choice < n_calls) {
		release(r, calls[choice]);
		return true;
	}
	for (size_t i = 0; i < r->n; i++)
		if (!r->items[i].asked) {
			r->items[i].asked = true;
			client_ask(r->items[i].client, &r->items[i].ask);
			return true;
		}
	return true;
}

static void run_at_once(struct round *r)
{
	free(control("fault hold of=%s always", draw(&r->random, 5) ? "changes" : "all"));
	do {
		settle();
		take_answers(r);
	} while (step(r));
	free(control("disarm"));
	for (size_t i = 0; i < r->n; i++)
		if (!r->items[i].report) {
			struct json_object *s = status();

			print_round(r);
			fail("all is at rest, but not all have ended: %s", json_object_get_string(s));
		}
}

/* ---- one after the other ---- */

static void check_failed_here(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct transaction *t = &r->items[i];
		struct ask dry = t->ask;
		struct json_object *report;

		if (t->done || t->explained)
			continue;
		dry.dry_run = true;
		dry.generation = 0;
		report = client_ask_and_wait(t->client, &dry);
		t->explained = !is_good(report);
		json_object_put(report);
	}
}

/* Which letter the disk of a bridge gets, and which number as a SCSI host, follows from when it came. */
static char **kernel(void)
{
	char **lines = dump();

	for (char **l = lines; l && *l; l++) {
		char *disk = strstr(*l, "/dev/sd"), *host = strstr(*l, "/address = ");

		if (disk && disk[7])
			disk[7] = '?';
		if (host && strstr(*l, "target/loopback/"))
			host[strlen("/address")] = 0;
	}
	strv_sort_unique(lines);
	return lines;
}

static bool same_state(const struct round *r, bool loud)
{
	_cleanup_strv_ char **lines = NULL;
	struct json_object *is = document();
	bool same = json_object_equal(is, r->document);

	if (!same && loud)
		fprintf(stderr, "the document is\n%s\nnot\n%s\n", json_object_to_json_string(r->document), json_object_to_json_string(is));
	json_object_put(is);
	if (!same)
		return false;
	lines = kernel();
	same = strv_equal(lines, r->dump);
	if (!same && loud)
		print_difference(lines, r->dump);
	return same;
}

/* order: of those that were done. */
static bool try_order(struct round *r, const size_t *order, size_t n, bool loud)
{
	counts.replays++;
	for (size_t i = 0; i < r->n; i++)
		r->items[i].explained = false;
	reset(r);
	check_failed_here(r);
	for (size_t i = 0; i < n; i++) {
		const struct transaction *t = &r->items[order[i]];
		struct ask again = t->ask;
		struct json_object *report;
		bool good;

		again.generation = 0;
		report = client_ask_and_wait(t->client, &again);
		good = is_good(report);
		if (!good && loud)
			fprintf(stderr, "%zu is not done then: %s\n", order[i], json_object_get_string(report));
		json_object_put(report);
		if (!good)
			return false;
		check_failed_here(r);
	}
	return same_state(r, loud);
}

static void swap(size_t *a, size_t *b)
{
	size_t was = *a;

	*a = *b;
	*b = was;
}

/* The next in the dictionary's order; false behind the last. */
static bool next_order(size_t *order, size_t n)
{
	size_t i = n, j = n;

	while (i > 1 && order[i - 2] > order[i - 1])
		i--;
	if (i <= 1)
		return false;
	while (order[j - 1] < order[i - 2])
		j--;
	swap(&order[i - 2], &order[j - 1]);
	for (size_t a = i - 1, b = n - 1; a < b; a++, b--)
		swap(&order[a], &order[b]);
	return true;
}

static unsigned long long generation_of(const struct transaction *t)
{
	return strtoull(text_of(t->report, "generation"), NULL, 10);
}

/* Most likely that in which they were committed. */
static size_t likely_order(const struct round *r, size_t *order)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		size_t k;

		if (!r->items[i].done)
			continue;
		for (k = n++; k > 0 && generation_of(&r->items[order[k - 1]]) > generation_of(&r->items[i]); k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	return n;
}

/* Where a failure shows only in the kernel, it is tried for good: where it succeeds, all begins anew. */
static void explain_failures(struct round *r, const size_t *order, size_t n)
{
	size_t unexplained = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct transaction *t = &r->items[i];
		struct ask again = t->ask;

		if (t->done || t->explained)
			continue;
		again.generation = 0;
		for (size_t before = 0; before <= n && !t->explained; before++) {
			struct json_object *report;

			reset(r);
			for (size_t k = 0; k < before; k++) {
				struct ask first = r->items[order[k]].ask;

				first.generation = 0;
				json_object_put(client_ask_and_wait(clients[0], &first));
			}
			report = client_ask_and_wait(clients[0], &again);
			t->explained = !is_good(report);
			json_object_put(report);
		}
		/* What names a generation may lose to one that changes what it touches. */
		t->explained |= streq(text_of(t->report, "outcome"), "conflict") && t->ask.generation;
		unexplained += !t->explained;
	}
	if (unexplained > r->injected) {
		print_round(r);
		fail("%zu failed for no reason that is there in the order in which the others were done", unexplained);
	}
}

static void check_order(struct round *r)
{
	size_t order[AT_ONCE_MAX] = { 0 }, likely[AT_ONCE_MAX] = { 0 }, n = likely_order(r, likely), k = 0;

	if (try_order(r, likely, n, false)) {
		explain_failures(r, likely, n);
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].done)
			order[k++] = i;
	do {
		if (try_order(r, order, n, false)) {
			explain_failures(r, order, n);
			return;
		}
	} while (next_order(order, n));
	print_round(r);
	fprintf(stderr, "in the order of their generations:\n");
	try_order(r, likely, n, true);
	fail("there is no order in which those that were done lead here");
}

/* ---- */

static void expect_no_steps(const struct round *r)
{
	_cleanup_free_ char *text = dump_model();
	struct json_object *report = plan_of(text), *plan = NULL, *s = status();

	if (length_of(s, "debts") || length_of(s, "drift") || length_of(s, "failed")) {
		print_round(r);
		fail("something is left: %s", json_object_get_string(s));
	}
	json_object_object_get_ex(report, "plan", &plan);
	if (plan && length_of(plan, "steps")) {
		print_round(r);
		fail("the kernel is not as the document says: %s", json_object_get_string(report));
	}
	json_object_put(report);
	json_object_put(s);
}

static void judge(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct transaction *t = &r->items[i];
		const char *outcome = text_of(t->report, "outcome");

		t->done = is_good(t->report);
		counts.done += t->done;
		counts.failed += !t->done;
		/* A call that was made to fail may have been one of a removal, or of the way back of a transaction that failed by itself. */
		if (streq(outcome, "refused") || ((streq(outcome, "partly") || streq(outcome, "owed")) && !r->injected)) {
			print_round(r);
			fail("transaction %zu ended in a way that it should not", i);
		}
	}
	if (r->injected)
		is_done(reconcile());
	expect_no_steps(r);
	r->document = document();
	r->dump = kernel();
}

static void orders(unsigned long long seed)
{
	struct round r;

	begin_round(&r, seed);
	run_at_once(&r);
	judge(&r);
	check_order(&r);
	end_round(&r);
}

/* ---- turns ---- */

#define SMALL_ONES (CLIENTS - 1)
#define OVERTAKEN_MAX 100		/* a daemon that let it wait for ever would let it wait for more than any number */

struct small_one {
	struct client *client;
	unsigned life, stage;
	bool late;			/* began after the large one came */
};

/* The next step in the life of a subsystem that is this client's alone. What it needs may have been cleared away: then comes the next life. */
static void small_ask(struct small_one *s, size_t who)
{
	static const char *const stages[] = {
		"create subsystems/$", "set subsystems/$ cntlid_max=100", "set ports/1 subsystems+=$", "delete subsystems/$",
	};
	struct ask a = { .what = ASK_CHANGE, .recursive = true };
	const char *form = stages[s->stage], *name = strchr(form, '$');

	a.text = strf("%.*snqn.2026-11.org.example:%zu-%u%s", (int)(name - form), form, who, s->life, name + 1);
	client_ask(s->client, &a);
	ask_done(&a);
	s->stage = (s->stage + 1) % ARRAY_SIZE(stages);
	s->life += s->stage == 0;
}

/* How many that began after the large one came have ended by now. */
static unsigned small_answers(struct small_one *list, bool large_has_come)
{
	unsigned n = 0;

	for (size_t i = 0; i < SMALL_ONES; i++) {
		struct json_object *report = client_answer(list[i].client);

		if (!report)
			continue;
		n += list[i].late;
		if (!is_good(report) && list[i].stage) {
			list[i].stage = 0;
			list[i].life++;
		}
		list[i].late = large_has_come;
		json_object_put(report);
		small_ask(&list[i], i);
	}
	return n;
}

/* The job that came last, of those that have not ended. */
static struct json_object *last_job(struct json_object *status)
{
	struct json_object *jobs = NULL, *last = NULL;

	json_object_object_get_ex(status, "jobs", &jobs);
	for (size_t i = 0; i < length_of(status, "jobs"); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);

		if (!last || strtoull(text_of(job, "job"), NULL, 10) > strtoull(text_of(last, "job"), NULL, 10))
			last = job;
	}
	return last;
}

static unsigned long long last_job_number(void)
{
	struct json_object *s = status();
	unsigned long long n = strtoull(text_of(last_job(s), "job"), NULL, 10);

	json_object_put(s);
	return n;
}

static bool waits(unsigned long long number)
{
	struct json_object *s = status(), *jobs = NULL;
	bool yes = false;

	json_object_object_get_ex(s, "jobs", &jobs);
	for (size_t i = 0; i < length_of(s, "jobs"); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);

		yes |= strtoull(text_of(job, "job"), NULL, 10) == number && streq(text_of(job, "state"), "waiting");
	}
	json_object_put(s);
	return yes;
}

static void release_one(uint64_t *random)
{
	_cleanup_strv_ char **calls = held_calls();
	size_t n = strv_len(calls);

	if (!n)
		fail("all is at rest, but not all have ended");
	free(control("release %lu", strtoul(calls[draw(random, n)], NULL, 10)));
	counts.calls++;
}

static void draw_large(uint64_t *random, struct ask *ret)
{
	uint64_t kind = draw(random, 4);

	*ret = (struct ask){ .what = kind < 2 ? ASK_CHANGE : kind == 2 ? ASK_APPLY : ASK_CLEAR };
	if (kind < 2)
		ret->text = strdup(kind ? "set ports/1 trsvcid=4430\n" : "set ports/1 traddr=192.0.2.2 trsvcid=4421 subsystems=\n");
	else if (kind == 2)
		ret->text = strdup(draw_bases[1]);
}

/* Comes when things are in full swing. */
static unsigned overtaken(struct client *client, struct small_one *small, uint64_t *random)
{
	unsigned long long number;
	unsigned n = 0;
	struct ask large;

	draw_large(random, &large);
	client_ask(client, &large);
	settle();
	number = last_job_number();
	while (waits(number)) {
		release_one(random);
		settle();
		clients_process(clients, CLIENTS, false);
		n += small_answers(small, true);
		settle();
		if (n > OVERTAKEN_MAX)
			fail("%s%s still waits for its turn when %u that came after it have ended", large.text ? large.text : "clear",
			     large.text ? "" : " (all)", n);
	}
	ask_done(&large);
	return n;
}

static void turns(unsigned long long seed)
{
	struct small_one small[SMALL_ONES] = { 0 };
	uint64_t random = seed;
	struct json_object *report;
	unsigned n;

	at("seed %llu", seed);
	is_done(apply(draw_bases[0]));
	is_done(apply(draw_bases[1]));
	free(control("fault hold of=changes always"));
	for (size_t i = 0; i < SMALL_ONES; i++) {
		small[i].client = clients[i];
		small_ask(&small[i], i);
	}
	for (unsigned i = 0; i < 100; i++) {
		settle();
		clients_process(clients, CLIENTS, false);
		small_answers(small, false);
		settle();
		release_one(&random);
	}
	settle();
	n = overtaken(clients[SMALL_ONES], small, &random);
	counts.most_overtaken = n > counts.most_overtaken ? n : counts.most_overtaken;
	counts.transactions++;
	free(control("disarm"));
	free(control("release all"));
	for (size_t i = 0; i < CLIENTS; i++)
		while (client_asks(clients[i]))
			clients_process(&clients[i], 1, true);
	for (size_t i = 0; i < SMALL_ONES; i++)
		json_object_put(client_answer(clients[i]));
	report = client_answer(clients[SMALL_ONES]);
	is_done(report);
}

/* What is in the journal is what was there before. */
static void expect_kept(void)
{
	struct json_object *before = document(), *after;

	daemon_kill();
	daemon_start();
	after = document();
	if (!json_object_equal(before, after))
		fail("after a restart the document is another one: %s\nnot %s", json_object_get_string(after), json_object_get_string(before));
	json_object_put(before);
	json_object_put(after);
}

static void report_orders(void)
{
	printf("%lu transactions at once, %lu done, %lu failed, %lu calls put in order, %lu of them made to fail, %lu replays\n",
	       counts.transactions, counts.done, counts.failed, counts.calls, counts.injected, counts.replays);
}

static void report_turns(void)
{
	printf("%lu came among many; %lu that came after had ended, at most, when one had its turn; %lu calls put in order\n",
	       counts.transactions, counts.most_overtaken, counts.calls);
}

static const struct {
	const char *name;
	void (*play)(unsigned long long seed);
	void (*report)(void);
} properties[] = {
	{ "orders", orders, report_orders },
	{ "turns", turns, report_turns },
};

int main(int argc, char **argv)
{
	unsigned long long seed, count;
	size_t p = 0;

	while (argc == 5 && p < ARRAY_SIZE(properties) && !streq(argv[2], properties[p].name))
		p++;
	if (argc != 5 || p == ARRAY_SIZE(properties)) {
		fprintf(stderr, "Usage: concurrent FOLDER orders|turns SEED COUNT\n");
		return 2;
	}
	seed = strtoull(argv[3], NULL, 10);
	count = strtoull(argv[4], NULL, 10);
	world_start(argv[1]);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = client_new();
	for (unsigned long long i = 0; i < count; i++) {
		properties[p].play(seed + i);
		if (i % 100 == 99 || i + 1 == count)
			expect_kept();
	}
	for (size_t i = 0; i < CLIENTS; i++)
		client_free(clients[i]);
	world_end();
	printf("%s, seeds %llu to %llu: ", properties[p].name, seed, seed + count - 1);
	properties[p].report();
	return 0;
}
