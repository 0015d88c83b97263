/* SPDX-License-Identifier: Apache-2.0 */
/* status, jobs, history, capabilities: what the daemon knows of itself and of the kernel. */
#include "cli/cli.h"

#include <errno.h>
#include <time.h>

struct column {
	const char *title;
	const char *key;	/* "@key": seconds since 1970 */
};

#define COLUMNS_MAX 12

static char *cell(struct json_object *o, const char *key)
{
	time_t when;
	char text[64];
	struct tm tm;

	if (*key != '@')
		return strdup(member_string(o, key));
	when = (time_t)member_number(o, key + 1);
	if (!when || !localtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return strdup("");
	return strdup(text);
}

static int add_row(struct table *t, struct json_object *o, const struct column *columns, size_t n)
{
	const char *cells[COLUMNS_MAX] = { NULL };
	bool added;

	for (size_t i = 0; i < n; i++)
		cells[i] = cell(o, columns[i].key);
	added = table_add(t, NULL, cells) != NULL;
	for (size_t i = 0; i < n; i++)
		free((char *)cells[i]);
	return added ? 0 : -1;
}

/* An empty list is no table. */
static int print_list(const char *title, struct json_object *list, const struct column *columns, size_t n)
{
	const char *titles[COLUMNS_MAX];
	struct table *t;

	if (!array_len(list))
		return STATUS_DONE;
	for (size_t i = 0; i < n; i++)
		titles[i] = columns[i].title;
	t = table_new(titles, n, false);
	if (!t)
		return out_of_memory();
	if (title)
		printf("\n%s\n", title);
	foreach_item(o, list)
		if (add_row(t, o, columns, n) < 0)
			return out_of_memory();
	return table_print(t, true);
}

static const struct column job_columns[] = {
	{ "JOB", "job" }, { "ACT", "act" }, { "STATE", "state" }, { "OUTCOME", "outcome" }, { "DONE", "steps_done" },
	{ "OF", "steps_total" }, { "STEP", "step" }, { "WAITS FOR", "waits_for" }, { "STARTED", "@started" },
	{ "ENDED", "@ended" }, { "CALLER", "caller" },
};
static const struct column stuck_columns[] = {
	{ "WHAT", "what" }, { "CALL", "call" }, { "IN", "kernel_function" }, { "SECONDS", "seconds" }, { "PID", "pid" },
};
static const struct column reason_columns[] = { { "OBJECT", "object" }, { "REASON", "reason" } };
static const struct column drift_columns[] = {
	{ "OBJECT", "object" }, { "ATTRIBUTE", "attribute" }, { "WANTED", "wanted" }, { "ACTUAL", "actual" },
};
static const struct column shout_columns[] = { { "PLACE", "place" }, { "OBJECT", "object" }, { "PROBLEM", "message" } };
static const struct column history_columns[] = {
	{ "GENERATION", "generation" }, { "KEPT", "@time" }, { "OBJECTS", "objects" }, { "LABEL", "label" },
};
_Static_assert(ARRAY_SIZE(job_columns) <= COLUMNS_MAX, "the longest of them");

static void print_counts(struct json_object *status)
{
	struct json_object *objects = member(status, "objects");
	const char *between = "";

	printf("generation %s, kernel %s%s\n", member_string(status, "generation"), member_string(status, "release"),
	       member_bool(status, "started") ? "" : ", starting");
	if (!objects || !json_object_object_length(objects)) {
		puts("nothing is configured");
		return;
	}
	json_object_object_foreach(objects, name, n) {
		_cleanup_free_ char *count = count_text(json_object_get_uint64(n), name);

		printf("%s%s", between, count ? count : "");
		between = ", ";
	}
	putchar('\n');
}

static void print_foreign(struct json_object *list)
{
	if (!array_len(list))
		return;
	puts("\nForeign (made by someone else; nvmetctl adopt PATH takes over)");
	foreach_item(path, list)
		printf("%s\n", json_object_get_string(path));
}

int verb_status(struct cli *c)
{
	static const struct {
		const char *title, *key;
		const struct column *columns;
		size_t n;
	} lists[] = {
		{ "Running jobs", "jobs", job_columns, ARRAY_SIZE(job_columns) },
		{ "Stuck in the kernel", "stuck", stuck_columns, ARRAY_SIZE(stuck_columns) },
		{ "Removals that are owed", "debts", reason_columns, ARRAY_SIZE(reason_columns) },
		{ "Could not be made", "failed", reason_columns, ARRAY_SIZE(reason_columns) },
		{ "Drift (nvmetctl reconcile repairs it)", "drift", drift_columns, ARRAY_SIZE(drift_columns) },
		{ "Problems of the saved state", "shouts", shout_columns, ARRAY_SIZE(shout_columns) },
	};
	_cleanup_json_ struct json_object *status = NULL;
	int r = client_get(c, c->verify ? "Verify" : "Status", &status);

	if (r)
		return r;
	r = array_len(member(status, "debts")) || array_len(member(status, "failed")) ? STATUS_OWED : STATUS_DONE;
	if (c->json) {
		print_json(status);
		return r;
	}
	print_counts(status);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		print_list(lists[i].title, member(status, lists[i].key), lists[i].columns, lists[i].n);
	print_foreign(member(status, "foreign"));
	return r;
}

static int cancel_job(struct cli *c, const char *id)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct call call;
	uint64_t number;
	int r;

	if (text_to_u64(id, &number) < 0)
		return usage_error(c, "%s is no job; see nvmetctl jobs", id);
	r = client_call_new(c, "CancelJob", &call);
	if (r)
		return r;
	if (sd_bus_message_append(call.message, "t", number) < 0)
		return out_of_memory();
	return client_call(c, &call, &reply);
}

int verb_jobs(struct cli *c)
{
	_cleanup_json_ struct json_object *jobs = NULL;
	int r;

	if (c->n_args)
		return c->n_args == 2 && streq(c->args[0], "cancel") ? cancel_job(c, c->args[1]) :
								       usage_error(c, "usage: nvmetctl jobs [cancel ID]");
	r = client_get(c, "Jobs", &jobs);
	if (r)
		return r;
	return c->json ? print_json(jobs) : print_list(NULL, jobs, job_columns, ARRAY_SIZE(job_columns));
}

int verb_history(struct cli *c)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = client_get(c, "History", &list);

	if (r)
		return r;
	if (!c->json && !array_len(list))
		puts("No generation has been kept yet.");
	return c->json ? print_json(list) : print_list(NULL, list, history_columns, ARRAY_SIZE(history_columns));
}

static const char *yes_or_no(struct json_object *o)
{
	return !o ? "unknown" : json_object_get_boolean(o) ? "yes" : "no";
}

static int add_feature(struct table *t, struct json_object *o)
{
	_cleanup_strbuf_ struct strbuf attributes = { 0 };
	const char *cells[] = { member_string(o, "feature"), yes_or_no(member(o, "available")), member_string(o, "needs"), NULL };

	foreach_item(a, member(o, "attributes"))
		strbuf_addf(&attributes, "%s%s", attributes.len ? ", " : "", json_object_get_string(a));
	cells[3] = attributes.s;
	return table_add(t, NULL, cells) ? 0 : -ENOMEM;
}

static int print_features(struct json_object *features)
{
	static const char *const titles[] = { "FEATURE", "AVAILABLE", "NEEDS", "ATTRIBUTES" };
	struct table *t = table_new(titles, ARRAY_SIZE(titles), false);

	if (!t)
		return out_of_memory();
	foreach_item(o, features)
		if (add_feature(t, o) < 0)
			return out_of_memory();
	return table_print(t, true);
}

int verb_capabilities(struct cli *c)
{
	_cleanup_json_ struct json_object *caps = NULL;
	int r = client_get(c, "Capabilities", &caps);

	if (r)
		return r;
	if (c->json)
		return print_json(caps);
	printf("kernel %s%s\n", member_string(caps, "release"),
	       json_object_get_boolean(member(caps, "nvmet")) ? "" : ", without an NVMe target");
	fputs("transports:", stdout);
	json_object_object_foreach(member(caps, "transports"), name, there)
		if (json_object_get_boolean(there))
			printf(" %s", name);
	puts("\n");
	return print_features(member(caps, "features"));
}
