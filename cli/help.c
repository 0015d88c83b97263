/* SPDX-License-Identifier: Apache-2.0 */
/* help: verbs from their table, kinds and attributes from theirs. */
#include "cli/cli.h"

#include "model/attr.h"

static int help_overview(void)
{
	puts("Usage: nvmetctl [OPTION]… VERB …\n"
	     "\n"
	     "Exports block storage over NVMe-oF from this Linux machine.\n");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-13s %s\n", v->name, v->doc);
	puts("\nOptions\n"
	     "  --dry-run              show the plan, change nothing\n"
	     "  --disrupt[=PATH]       consent to disturb connected hosts\n"
	     "  --destroy[=PATH]       consent to lose data, identity or reservations\n"
	     "  --generation N         refuse if what is touched has changed since\n"
	     "  --plan HASH            refuse if the plan is another one than was shown\n"
	     "  --merge                apply: only add and change\n"
	     "  --recursive            delete: also what is below and what refers to it\n"
	     "  --revoke               taking a host away also ends its connections\n"
	     "  --json                 print JSON\n"
	     "  --no-wait              do not wait for the job's end\n"
	     "  -H, --remote HOST      talk to the daemon of another machine by ssh\n"
	     "  -q, --quiet            only problems\n"
	     "\n"
	     "nvmetctl help VERB, help KIND or help ATTRIBUTE tells more; so does nvmetctl(8).");
	return STATUS_DONE;
}

static void help_attribute(enum kind kind, const struct attr_row *row)
{
	_cleanup_free_ char *takes = attr_describe(row);

	printf("%s of a %s: %s\n", row->name, kind_info(kind)->noun, takes ? takes : "");
	if (row->source == ATTR_CONSTANT && row->dflt)
		printf("    default: %s\n", *row->dflt ? row->dflt : "(empty)");
	else if (row->source == ATTR_GENERATED)
		puts("    made by nvmetctl when left out, and kept");
	else if (row->source == ATTR_REQUIRED)
		puts("    must be given");
	else if (row->source == ATTR_DERIVED)
		puts("    shown only; follows from other objects");
	if (row->effect != EFFECT_NONE)
		printf("    changing it in use: %s\n", effect_to_str(row->effect));
	if (row->feature)
		printf("    needs %s%s%s%s%s\n", row->feature, row->since ? ", Linux " : "", row->since ? row->since : "",
		       row->option ? ", CONFIG_" : "", row->option ? row->option : "");
	if (row->doc)
		printf("    %s\n", row->doc);
}

static void help_kind(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	printf("%s: %s\n", info->collection, info->doc ? info->doc : "");
	if (info->name_doc)
		printf("name: %s\n", info->name_doc);
	attr_foreach(row, kind) {
		if (row->flags & ATTR_NO_MODEL)
			continue;
		putchar('\n');
		help_attribute(kind, row);
	}
}

static bool help_topic(const char *word)
{
	bool found = false;

	for (const struct verb *v = verbs; v->name; v++)
		if (streq(v->name, word)) {
			printf("nvmetctl %s %s\n    %s\n", v->name, v->args, v->doc);
			return true;
		}
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
		if (streq(kind_info(k)->collection, word) || streq(kind_info(k)->noun, word)) {
			help_kind(k);
			found = true;
		}
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++) {
		const struct attr_row *row = attr_find(k, word);

		if (row) {
			help_attribute(k, row);
			found = true;
		}
	}
	return found;
}

int verb_help(struct cli *c)
{
	if (!c->n_args)
		return help_overview();
	if (help_topic(c->args[0]))
		return STATUS_DONE;
	complain("help: %s is no verb, kind of object or attribute", c->args[0]);
	return STATUS_USAGE;
}
