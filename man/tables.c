/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs while the manual is built: prints, as scdoc text, the tables that the programs themselves go by. What stands in the
 * manual is so what they do.
 */
#include "daemon/settings.h"
#include "base/text.h"
#include "model/attr.h"

/* scdoc takes these as markup, wherever they stand. */
static void print_text(const char *s)
{
	for (; *s; s++) {
		if (strchr("\\_*[]#<>~`|", *s))
			putchar('\\');
		putchar(*s);
	}
}

static void print_source(const struct attr_row *row)
{
	switch (row->source) {
	case ATTR_CONSTANT:
		printf(" Default: ");
		print_text(!*row->dflt ? "empty" : row->type == ATTR_BOOL ? *row->dflt == '1' ? "true" : "false" : row->dflt);
		putchar('.');
		break;
	case ATTR_GENERATED:
		fputs(" Made when left out, and kept.", stdout);
		break;
	case ATTR_CAPTURED:
		fputs(" Left to the kernel when left out.", stdout);
		break;
	case ATTR_REQUIRED:
		fputs(" Must be given.", stdout);
		break;
	case ATTR_OPTIONAL:
		fputs(" May be absent.", stdout);
		break;
	case ATTR_DERIVED:
		fputs(" Shown only.", stdout);
		break;
	}
}

static const char *moment_text(enum attr_moment moment)
{
	switch (moment) {
	case ATTR_ANYTIME:
		return NULL;
	case ATTR_DISABLED:
		return "by disabling the object meanwhile";
	case ATTR_FRESH:
		return "by making the subsystem anew";
	case ATTR_UNLINKED:
		return "by taking the port's subsystems off it meanwhile";
	case ATTR_UNEXPORTED:
		return "while nothing exports it";
	case ATTR_STOPPED:
		return "by stopping the portal group meanwhile";
	case ATTR_NEVER:
		break;
	}
	return NULL;
}

static void print_change(const struct attr_row *row)
{
	const char *moment = moment_text(row->moment);

	if (row->moment == ATTR_NEVER)
		fputs(" Fixed once the object is made.", stdout);
	if (row->source == ATTR_DERIVED || row->moment == ATTR_NEVER || (!moment && row->effect == EFFECT_NONE))
		return;
	fputs(" Changed", stdout);
	if (moment)
		printf(" %s", moment);
	if (row->effect != EFFECT_NONE)
		printf("%s in use: %s", moment ? ";" : "", effect_to_str(row->effect));
	putchar('.');
}

static void print_needs(const struct attr_row *row)
{
	if (!row->since && !row->option)
		return;
	fputs(" Needs", stdout);
	if (row->since)
		printf(" Linux %s", row->since);
	if (row->option) {
		printf("%s CONFIG\\_", row->since ? " with" : "");
		print_text(row->option);
	}
	putchar('.');
}

static void print_only(const struct attr_row *row)
{
	_cleanup_free_ char *only = row->only ? attr_only_text(row->only) : NULL;

	if (!only)
		return;
	fputs(" Of ", stdout);
	print_text(only);
	fputs(" only.", stdout);
}

static void print_row(const struct attr_row *row)
{
	_cleanup_free_ char *takes = attr_describe(row);

	fputs("*", stdout);
	print_text(row->name);
	puts("*");
	fputs("\t", stdout);
	print_text(row->doc ? row->doc : "");
	fputs("++\n\tTakes ", stdout);
	print_text(takes ? takes : "");
	putchar('.');
	print_only(row);
	print_source(row);
	print_change(row);
	print_needs(row);
	fputs("\n\n", stdout);
}

/* "targets/NAME/NAME/tpgs/NAME/" */
static void print_parents(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	if (kind == KIND_ROOT)
		return;
	print_parents(info->parent);
	printf("%s%sNAME/", info->collection, info->direct ? "" : "/");
}

static void print_kind(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	fputs("## ", stdout);
	print_parents(info->parent);
	printf("%s\n\n", info->direct ? "NAME" : info->collection);
	print_text(info->doc ? info->doc : "");
	if (info->name_doc) {
		fputs(" Its name: ", stdout);
		print_text(info->name_doc);
		putchar('.');
	}
	fputs("\n\n", stdout);
	attr_foreach(row, kind)
		if (!(row->flags & ATTR_NO_MODEL))
			print_row(row);
}

int main(int argc, char **argv)
{
	if (argc == 2 && streq(argv[1], "attributes")) {
		for (enum kind k = KIND_ROOT + 1; k < KIND_MAX; k++)
			if (!kind_info(k)->internal)
				print_kind(k);
	} else if (argc == 2 && streq(argv[1], "settings")) {
		settings_print_manual(stdout);
	} else if (argc == 2 && streq(argv[1], "sample")) {
		settings_print(stdout);
	} else {
		fputs("usage: tables attributes|settings|sample\n", stderr);
		return 2;
	}
	return fflush(stdout) == EOF;
}
