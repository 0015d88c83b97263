/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of attributes, for tests that go through all of it.
 *	rows		a line for each attribute that can be changed and has a file in the kernel, its fields divided by "|":
 *			kind, name, file, where an absent value comes from, default, a value that it takes and that is not the default
 *	rows of WORD	those of them that a type of backend, or a fabric, has ("ramdisk", "iscsi")
 *	rows all	the same for all that the kernel has a file for
 *	rows canonical KIND NAME	standard input, as the kernel's file has it, in the form that documents have
 */
#include "base/text.h"
#include "model/attr.h"

static const char *const sources[] = {
	[ATTR_CONSTANT] = "constant", [ATTR_GENERATED] = "generated", [ATTR_CAPTURED] = "captured", [ATTR_REQUIRED] = "required",
	[ATTR_OPTIONAL] = "optional", [ATTR_DERIVED] = "derived",
};

static void print_number(const struct attr_row *row)
{
	int64_t dflt;

	if (!row->dflt || text_to_i64(row->dflt, &dflt) < 0)
		dflt = row->min;
	printf("%lld", (long long)(dflt > row->min ? dflt - 1 : dflt + 1));
}

static void print_word(const struct attr_row *row)
{
	const char *const *w = row->words;

	fputs(streq_ptr(*w, row->dflt) ? w[1] : w[0], stdout);
}

static void print_other_value(const struct attr_row *row)
{
	switch (row->type) {
	case ATTR_BOOL:
		putchar(streq_ptr(row->dflt, "1") ? '0' : '1');
		break;
	case ATTR_INT:
		print_number(row);
		break;
	case ATTR_HEX:
		printf("0x%llx", (long long)row->max);
		break;
	case ATTR_WORD:
		print_word(row);
		break;
	case ATTR_STRING:
	case ATTR_TOKEN:
		/* As long as it may be. */
		for (int64_t i = 0; i < row->max; i++)
			putchar("Xy2"[i % 3]);
		break;
	case ATTR_PATH:
		fputs("/dev/other", stdout);
		break;
	case ATTR_NQN:
		fputs("nqn.2026-11.org.example:other", stdout);
		break;
	case ATTR_VERSION:
		fputs("1.2.1", stdout);
		break;
	default:
		break;
	}
}

static void print_row(enum kind kind, const struct attr_row *row)
{
	printf("%s|%s|%s|%s|%s|", kind_info(kind)->collection, row->name, row->file, sources[row->source], row->dflt ? row->dflt : "");
	print_other_value(row);
	putchar('\n');
}

static int print_rows(bool all, unsigned only)
{
	for (enum kind k = 0; k < KIND_MAX; k++)
		attr_foreach(row, k)
			if (row->file && (all || (attr_is_settable(row) && row->moment != ATTR_NEVER)) &&
			    (!only || !row->only || row->only & only))
				print_row(k, row);
	return 0;
}

static int print_canonical(const char *collection, const char *name)
{
	const struct attr_row *row = NULL;
	char text[4097] = "", *value;

	for (enum kind k = 0; k < KIND_MAX; k++)
		if (streq(kind_info(k)->collection, collection))
			row = attr_find(k, name);
	if (!row || (!fgets(text, sizeof(text), stdin) && ferror(stdin)) || attr_from_kernel(row, text, &value) < 0)
		return 1;
	if (value)
		puts(value);
	free(value);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && streq(argv[1], "canonical"))
		return print_canonical(argv[2], argv[3]);
	if (argc == 3 && streq(argv[1], "of"))
		return print_rows(false, attr_only_of(argv[2]));
	return print_rows(argc == 2 && streq(argv[1], "all"), 0);
}
