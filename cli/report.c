/* SPDX-License-Identifier: Apache-2.0 */
/* A change's report in words: what was or would be done on stdout, problems one a line on stderr. */
#include "cli/cli.h"
#include "dbus/errors.h"

struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

const char *member_string(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key);

	return v ? json_object_get_string(v) : "";
}

uint64_t member_number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(member(o, key));
}

bool member_bool(struct json_object *o, const char *key)
{
	return json_object_get_boolean(member(o, key));
}

int print_json(struct json_object *o)
{
	_cleanup_free_ char *text = json_print(o);

	if (!text)
		return out_of_memory();
	fputs(text, stdout);
	return STATUS_DONE;
}

#define foreach_member(item, o, key)								\
	for (struct json_object *_list = member(o, key), *item = NULL; _list; _list = NULL)	\
		for (size_t _i = 0; _i < json_object_array_length(_list) &&			\
				    (item = json_object_array_get_idx(_list, _i), 1); _i++)

static void print_problem(struct json_object *e)
{
	const char *place = member_string(e, "place"), *object = member_string(e, "object");
	const char *attr = member_string(e, "attribute");

	complain("%s%s%s%s%s%s%s", place, *place ? ": " : "", object, *object ? ": " : "", attr, *attr ? ": " : "",
		 member_string(e, "message"));
}

static void print_step(struct json_object *s)
{
	const char *effect = member_string(s, "effect");

	printf("  %-6s  %s: %s", member_string(s, "phase"), member_string(s, "object"), member_string(s, "summary"));
	if (*effect && !streq(effect, "none"))
		printf("  (hosts: %s)", effect);
	putchar('\n');
	foreach_member(op, s, "operations")
		printf("          %s\n", json_object_get_string(op));
}

static void print_effects(struct json_object *report)
{
	foreach_member(e, report, "effects")
		printf("effect: %s: %s%s%s\n", member_string(e, "object"), member_string(e, "effect"),
		       member_bool(e, "in_use") ? ", hosts are connected" : "",
		       member_bool(e, "consented") ? "" : ", consent missing");
}

static void print_plan(struct json_object *report)
{
	struct json_object *plan = member(report, "plan");

	if (!plan || !json_object_array_length(member(plan, "steps"))) {
		puts("The kernel has nothing to change.");
	} else {
		printf("plan %s\n", member_string(plan, "hash"));
		foreach_member(s, plan, "steps")
			print_step(s);
	}
	print_effects(report);
}

static void print_counts(struct json_object *report, const char *verb)
{
	uint64_t created = member_number(report, "created"), changed = member_number(report, "changed");
	uint64_t removed = member_number(report, "removed"), operations = member_number(report, "operations");

	foreach_member(d, report, "deletions")
		printf("%s %s\n", verb ? "would remove" : "removed", json_object_get_string(d));
	if (!created && !changed && !removed && !operations && !verb) {
		printf("Nothing to change; generation %llu.\n", (unsigned long long)member_number(report, "generation"));
		return;
	}
	printf("%llu created, %llu changed, %llu removed", (unsigned long long)created, (unsigned long long)changed,
	       (unsigned long long)removed);
	if (verb)
		puts("; dry run, nothing was done.");
	else
		printf(" with %llu kernel operations; generation %llu.\n", (unsigned long long)operations,
		       (unsigned long long)member_number(report, "generation"));
}

static void print_aftermath(struct json_object *report)
{
	foreach_member(e, report, "errors")
		print_problem(e);
	if (member_number(report, "more_errors"))
		complain("and %llu more problems", (unsigned long long)member_number(report, "more_errors"));
	foreach_member(l, report, "left") {
		const char *attr = member_string(l, "attribute");

		complain("%s: could not be put back: %s%s is %s, was %s", member_string(l, "object"), attr, *attr ? "" : "it",
			 member_string(l, "actual"), member_string(l, "wanted"));
	}
	foreach_member(d, report, "debts")
		complain("%s: could not be removed yet: %s", member_string(d, "object"), member_string(d, "reason"));
	foreach_member(w, report, "warnings")
		complain("warning: %s", json_object_get_string(w));
}

int report_print(struct cli *c, struct json_object *report)
{
	const char *outcome = member_string(report, "outcome");
	int status = bus_outcome_exit_status(outcome);

	if (c->json) {
		print_json(report);
		return status;
	}
	if (!*outcome) {
		printf("job %llu goes on in the background\n", (unsigned long long)member_number(report, "job"));
		return STATUS_DONE;
	}
	print_aftermath(report);
	if (member_bool(report, "dry_run") && status == STATUS_DONE) {
		print_plan(report);
		print_counts(report, "would");
	} else if (status == STATUS_FAILED) {
		complain("%s was rolled back; the kernel is as it was before", member_string(report, "act"));
	} else if (status == STATUS_REFUSED) {
		complain("%s was refused; nothing was changed", member_string(report, "act"));
	} else if (status == STATUS_DONE || status == STATUS_OWED || status == STATUS_PARTLY) {
		if (!c->quiet)
			print_counts(report, NULL);
	}
	return status;
}
