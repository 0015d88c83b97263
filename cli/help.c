/* SPDX-License-Identifier: Apache-2.0 */
/* help: verbs from their table, kinds and attributes from theirs. */
#include "cli/cli.h"

#include "model/attr.h"

static int help_overview(void)
{
	puts("Usage: nvmetctl [OPTION]… VERB …\n"
	     "\n"
	     "Exports block storage over NVMe-oF and SCSI from this Linux machine.\n");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-13s %s\n", v->name, v->doc);
	puts("\nOptions of most verbs\n");
	options_print(TAKES_DRY_RUN | TAKES_CONSENT | TAKES_JSON | TAKES_QUIET | TAKES_REMOTE);
	puts("\nnvmetctl help VERB, help KIND or help ATTRIBUTE tells more; so does nvmetctl(8).");
	return STATUS_DONE;
}

static void help_verb(const struct verb *v)
{
	printf("nvmetctl %s%s%s\n    %s\n", v->name, *v->args ? " " : "", v->args, v->doc);
	if (v->options) {
		putchar('\n');
		options_print(v->options);
	}
}

/* As it would be written in a document. */
static void print_default(const struct attr_row *row)
{
	_cleanup_json_ struct json_object *value = *row->dflt ? attr_to_json(row, row->dflt) : NULL;

	printf("    default: %s\n", value ? json_object_get_string(value) : "(empty)");
}

static void help_attribute(enum kind kind, const struct attr_row *row)
{
	_cleanup_free_ char *takes = attr_describe(row), *needs = attr_needs(row);

	const char *noun = kind_info(kind)->noun;

	printf("%s of a%s %s: %s\n", row->name, strchr("AEIOaeio", *noun) ? "n" : "", noun, takes ? takes : "");
	if (row->doc)
		printf("    %s\n", row->doc);
	if (row->source == ATTR_CONSTANT && row->dflt)
		print_default(row);
	else if (row->source == ATTR_GENERATED)
		puts("    made by nvmetctl when left out, and kept");
	else if (row->source == ATTR_REQUIRED)
		puts("    must be given");
	else if (row->source == ATTR_DERIVED)
		puts("    shown only; follows from other objects");
	if (row->only) {
		_cleanup_free_ char *only = attr_only_text(row->only);

		printf("    only of %s\n", only ? only : "");
	}
	if (row->effect != EFFECT_NONE)
		printf("    changing it in use: %s\n", effect_to_str(row->effect));
	if (row->feature)
		printf("    needs %s: %s\n", row->feature, needs ? needs : "");
}

static void help_kind(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	/* "targets/NAME" for what stands in no collection of its own. */
	printf("%s%s: %s\n", info->direct ? kind_info(info->parent)->collection : info->collection, info->direct ? "/FABRIC/NAME" : "",
	       info->doc ? info->doc : "");
	if (info->name_doc)
		printf("name: %s\n", info->name_doc);
	attr_foreach(row, kind) {
		if (row->flags & ATTR_NO_MODEL)
			continue;
		putchar('\n');
		help_attribute(kind, row);
	}
}

static bool help_model(const char *word)
{
	bool found = false;

	/* A word may be that of several: "target". */
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++) {
		if (kind_info(k)->internal || (!streq(kind_info(k)->collection, word) && !streq(kind_info(k)->noun, word)))
			continue;
		if (found)
			putchar('\n');
		help_kind(k);
		found = true;
	}
	for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++) {
		const struct attr_row *row = kind_info(k)->internal ? NULL : attr_find(k, word);

		if (!row || row->flags & ATTR_NO_MODEL)
			continue;
		if (found)
			putchar('\n');
		help_attribute(k, row);
		found = true;
	}
	return found;
}

int verb_help(struct cli *c)
{
	const struct verb *v;

	if (!c->n_args)
		return help_overview();
	v = find_verb(c->args[0]);
	if (v)
		help_verb(v);
	if (v || help_model(c->args[0]))
		return STATUS_DONE;
	return usage_error(c, "%s is no verb, kind of object or attribute", c->args[0]);
}
