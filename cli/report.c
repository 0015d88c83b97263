/* SPDX-License-Identifier: Apache-2.0 */
/* A change's report in words: what was or would be done on stdout, problems one a line on stderr. */
#include "cli/cli.h"

#include "dbus/errors.h"
#include "model/attr.h"

static void print_problem(const struct cli *c, struct json_object *e)
{
	const char *place = member_string(e, "place"), *object = member_string(e, "object");
	const char *attr = member_string(e, "attribute");

	if (c->one_edit && strncmp(place, "edit ", 5) == 0)
		place = "";
	complain("%s%s%s%s%s%s%s", place, *place ? ": " : "", object, *object ? ": " : "", attr, *attr ? ": " : "",
		 member_string(e, "message"));
}

/* ---- the plan ---- */

static void print_step(struct json_object *s)
{
	const char *effect = member_string(s, "effect");

	printf("  %-6s  %s: %s", member_string(s, "phase"), member_string(s, "object"), member_string(s, "summary"));
	if (*effect && !streq(effect, "none"))
		printf("  (hosts: %s)", effect);
	putchar('\n');
	foreach_item(op, member(s, "operations"))
		printf("          %s\n", json_object_get_string(op));
}

static bool is_loss(const char *effect)
{
	for (enum effect e = EFFECT_IDENTITY; e < EFFECT_MAX; e++)
		if (streq(effect_to_str(e), effect))
			return true;
	return false;
}

static void print_effects(struct json_object *report)
{
	foreach_item(e, member(report, "effects")) {
		const char *effect = member_string(e, "effect");
		bool missing = !member_bool(e, "consented");

		printf("effect: %s: %s%s%s%s\n", member_string(e, "object"), effect,
		       member_bool(e, "in_use") ? ", hosts are connected" : "", missing ? ", needs --" : "",
		       !missing ? "" : is_loss(effect) ? "destroy" : "disrupt");
	}
}

static void print_plan(struct json_object *report)
{
	struct json_object *plan = member(report, "plan");

	if (!array_len(member(plan, "steps")))
		return;
	printf("plan %s\n", member_string(plan, "hash"));
	foreach_item(s, member(plan, "steps"))
		print_step(s);
	print_effects(report);
}

/* ---- the end ---- */

static bool is_empty(struct json_object *report)
{
	return !member_number(report, "created") && !member_number(report, "changed") && !member_number(report, "removed") &&
	       !member_number(report, "operations") && !array_len(member(member(report, "plan"), "steps"));
}

static void print_counts(struct json_object *report)
{
	bool dry_run = member_bool(report, "dry_run");
	_cleanup_free_ char *operations = count_text(member_number(report, "operations"), "kernel operations");
	unsigned long long generation = member_number(report, "generation");

	foreach_item(d, member(report, "deletions"))
		printf("%s %s\n", dry_run ? "would remove" : "removed", json_object_get_string(d));
	if (is_empty(report)) {
		printf("Nothing to change; generation %llu.\n", generation);
		return;
	}
	printf("%llu created, %llu changed, %llu removed", (unsigned long long)member_number(report, "created"),
	       (unsigned long long)member_number(report, "changed"), (unsigned long long)member_number(report, "removed"));
	if (dry_run)
		puts("; dry run, nothing was done.");
	else
		printf(" with %s; generation %llu.\n", operations ? operations : "", generation);
}

static void print_aftermath(const struct cli *c, struct json_object *report)
{
	foreach_item(e, member(report, "errors"))
		print_problem(c, e);
	if (member_number(report, "more_errors"))
		complain("and %llu more problems", (unsigned long long)member_number(report, "more_errors"));
	foreach_item(l, member(report, "left")) {
		const char *attr = member_string(l, "attribute");

		complain("%s: could not be put back: %s%s is %s, was %s", member_string(l, "object"), attr, *attr ? "" : "it",
			 member_string(l, "actual"), member_string(l, "wanted"));
	}
	foreach_item(d, member(report, "debts"))
		complain("%s: could not be removed yet: %s", member_string(d, "object"), member_string(d, "reason"));
	foreach_item(w, member(report, "warnings"))
		complain("warning: %s", json_object_get_string(w));
}

/* What has become of it, where the problems alone leave a doubt. */
static void print_outcome(struct json_object *report, int status)
{
	if (status == STATUS_FAILED && member_number(report, "operations"))
		complain("what had been begun was rolled back; the kernel is as it was before");
	else if (status == STATUS_REFUSED)
		complain("nothing was changed: consent is missing");
}

int report_print(struct cli *c, struct json_object *report)
{
	const char *outcome = member_string(report, "outcome");
	int status = bus_outcome_exit_status(outcome);

	if (!*outcome)
		status = STATUS_DONE;
	if (c->json) {
		print_json(report);
		return status;
	}
	if (!*outcome) {
		printf("job %llu goes on in the background; see nvmetctl jobs\n", (unsigned long long)member_number(report, "job"));
		return status;
	}
	print_aftermath(c, report);
	print_outcome(report, status);
	if (member_bool(report, "dry_run") && status == STATUS_DONE)
		print_plan(report);
	if (!c->quiet && (status == STATUS_DONE || status == STATUS_OWED || status == STATUS_PARTLY))
		print_counts(report);
	return status;
}

int change_run(struct cli *c, struct call *call)
{
	_cleanup_json_ struct json_object *report = NULL;
	int r = client_call_json(c, call, &report);

	return r ? r : report_print(c, report);
}
