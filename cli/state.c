/* SPDX-License-Identifier: Apache-2.0 */
/* status, jobs, history, capabilities: what the daemon knows of itself and of the kernel. */
#include "cli/cli.h"

#include <libsmartcols/libsmartcols.h>
#include <time.h>

struct column {
	const char *title;
	const char *key;	/* "@key": seconds since 1970 */
};

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

static int print_list(const char *title, struct json_object *list, const struct column *columns, size_t n)
{
	struct libscols_table *t;

	if (!list || !json_object_array_length(list))
		return STATUS_DONE;
	t = scols_new_table();
	if (!t)
		return out_of_memory();
	if (title)
		printf("\n%s\n", title);
	scols_table_enable_nowrap(t, 1);
	for (size_t i = 0; i < n; i++)
		scols_table_new_column(t, columns[i].title, 0.1, 0);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		for (size_t k = 0; k < n; k++) {
			_cleanup_free_ char *text = cell(json_object_array_get_idx(list, i), columns[k].key);

			scols_line_set_data(line, k, text);
		}
	}
	scols_print_table(t);
	putchar('\n');
	scols_unref_table(t);
	return STATUS_DONE;
}

static const struct column job_columns[] = {
	{ "JOB", "job" }, { "ACT", "act" }, { "STATE", "state" }, { "OUTCOME", "outcome" }, { "DONE", "steps_done" },
	{ "OF", "steps_total" }, { "STEP", "step" }, { "WAITS FOR", "waits_for" }, { "STARTED", "@started" },
	{ "CALLER", "caller" },
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

static void print_counts(struct json_object *status)
{
	struct json_object *objects = member(status, "objects");

	printf("generation %s, kernel %s\n", member_string(status, "generation"), member_string(status, "release"));
	if (!objects || !json_object_object_length(objects)) {
		puts("nothing is configured");
		return;
	}
	json_object_object_foreach(objects, name, n)
		printf("%s %s  ", json_object_get_string(n), name);
	putchar('\n');
}

static void print_foreign(struct json_object *list)
{
	if (!list || !json_object_array_length(list))
		return;
	puts("\nForeign (made by someone else; nvmetctl adopt PATH takes over)");
	for (size_t i = 0; i < json_object_array_length(list); i++)
		printf("%s\n", json_object_get_string(json_object_array_get_idx(list, i)));
}

static bool any(struct json_object *status, const char *key)
{
	struct json_object *list = member(status, key);

	return list && json_object_array_length(list);
}

int verb_status(struct cli *c)
{
	_cleanup_json_ struct json_object *status = NULL;
	int r = client_get(c, c->verify ? "Verify" : "Status", &status);

	if (r)
		return r;
	r = any(status, "debts") || any(status, "failed") ? STATUS_OWED : STATUS_DONE;
	if (c->json) {
		print_json(status);
		return r;
	}
	print_counts(status);
	print_list("Running jobs", member(status, "jobs"), job_columns, ARRAY_SIZE(job_columns));
	print_list("Stuck in the kernel", member(status, "stuck"), stuck_columns, ARRAY_SIZE(stuck_columns));
	print_list("Removals that are owed", member(status, "debts"), reason_columns, ARRAY_SIZE(reason_columns));
	print_list("Could not be made", member(status, "failed"), reason_columns, ARRAY_SIZE(reason_columns));
	print_list("Drift (nvmetctl reconcile repairs it)", member(status, "drift"), drift_columns, ARRAY_SIZE(drift_columns));
	print_foreign(member(status, "foreign"));
	print_list("Problems of the saved state", member(status, "shouts"), shout_columns, ARRAY_SIZE(shout_columns));
	return r;
}

static int cancel_job(struct cli *c, const char *id)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_json_ struct json_object *ignored = NULL;
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
	return client_call(c, &call, NULL);
}

int verb_jobs(struct cli *c)
{
	_cleanup_json_ struct json_object *jobs = NULL;
	int r;

	if (c->n_args)
		return c->n_args == 2 && streq(c->args[0], "cancel") ? cancel_job(c, c->args[1]) :
								       usage_error(c, "takes nothing, or: cancel ID");
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
	if (!c->json && !json_object_array_length(list))
		puts("No generation has been kept yet.");
	return c->json ? print_json(list) : print_list(NULL, list, history_columns, ARRAY_SIZE(history_columns));
}

int verb_capabilities(struct cli *c)
{
	_cleanup_json_ struct json_object *caps = NULL;
	int r = client_get(c, "Capabilities", &caps);

	if (r)
		return r;
	if (c->json)
		return print_json(caps);
	json_object_object_foreach(caps, name, value) {
		if (json_object_is_type(value, json_type_boolean))
			printf("%-28s %s\n", name, json_object_get_boolean(value) ? "yes" : "no");
		else
			printf("%-28s %s\n", name, json_object_get_string(value));
	}
	return STATUS_DONE;
}
