/* SPDX-License-Identifier: Apache-2.0 */
/* Options: one table for what they are called, what they take, which verbs they are for, and what help says of them. */
#include "cli/cli.h"

#include <getopt.h>
#include <stddef.h>

enum value {
	VALUE_FLAG,	/* bool */
	VALUE_TEXT,	/* const char * */
	VALUE_LIST,	/* char **, may be given several times */
	VALUE_NUMBER,	/* uint64_t, from 1 */
	VALUE_CONSENT,	/* bool, or with a path char **, which is at other */
	VALUE_NONE,	/* help, version */
};

struct option_row {
	const char *name;
	char letter;
	const char *arg;
	enum value value;
	size_t offset, other;
	unsigned bits;		/* of verbs that take it; 0: none has to */
	const char *doc;
};

#define AT(field) offsetof(struct cli, field)

static const struct option_row rows[] = {
	{ "nvme", 0, "NQN", VALUE_TEXT, AT(nqn), 0, TAKES_EXPORT, "the subsystem to export in" },
	{ "port", 0, "TRTYPE:ADDRESS[:SERVICE]", VALUE_LIST, AT(ports), 0, TAKES_EXPORT, "serve it there; several times" },
	{ "host", 0, "NQN", VALUE_LIST, AT(hosts), 0, TAKES_EXPORT, "let this host connect; several times" },
	{ "any-host", 0, NULL, VALUE_FLAG, AT(any_host), 0, TAKES_EXPORT, "let every host connect" },
	{ "nsid", 0, "N", VALUE_TEXT, AT(nsid), 0, TAKES_EXPORT, "number of the namespace; else a free one" },
	{ "iscsi", 0, "IQN", VALUE_TEXT, AT(target), 0, TAKES_EXPORT, "the iSCSI target to export in" },
	{ "portal", 0, "ADDRESS[:PORT]", VALUE_LIST, AT(portals), 0, TAKES_EXPORT, "serve it there; several times" },
	{ "initiator", 0, "IQN", VALUE_LIST, AT(initiators), 0, TAKES_EXPORT, "let this initiator log in; several times" },
	{ "any-initiator", 0, NULL, VALUE_FLAG, AT(any_initiator), 0, TAKES_EXPORT, "let every initiator log in" },
	{ "chap-user", 0, "NAME", VALUE_TEXT, AT(chap_user), 0, TAKES_EXPORT, "who logs in must authenticate himself" },
	{ "chap-password-file", 0, "NAME", VALUE_TEXT, AT(chap_file), 0, TAKES_EXPORT, "by the secret in this file of nvmetd's" },
	{ "lun", 0, "N", VALUE_TEXT, AT(lun), 0, TAKES_EXPORT, "number of the LUN; else a free one" },
	{ "size", 0, "SIZE", VALUE_TEXT, AT(size), 0, TAKES_EXPORT, "of a file" },
	{ "create", 0, NULL, VALUE_FLAG, AT(create), 0, TAKES_EXPORT, "make the file if it is missing" },
	{ "name", 0, "NAME", VALUE_TEXT, AT(name), 0, TAKES_EXPORT | TAKES_NAME, "of the backend; save: of the generation" },
	{ "defaults", 0, NULL, VALUE_FLAG, AT(defaults), 0, TAKES_DEFAULTS, "also what is at its default" },
	{ "verify", 0, NULL, VALUE_FLAG, AT(verify), 0, TAKES_VERIFY, "read the kernel first" },
	{ "offline", 0, NULL, VALUE_FLAG, AT(offline), 0, TAKES_OFFLINE, "compare two documents, ask nobody" },
	{ "merge", 0, NULL, VALUE_FLAG, AT(merge), 0, TAKES_MERGE, "only add and change" },
	{ "recursive", 0, NULL, VALUE_FLAG, AT(recursive), 0, TAKES_RECURSIVE, "also what is below and what refers to it" },
	{ "revoke", 0, NULL, VALUE_FLAG, AT(revoke), 0, TAKES_REVOKE, "taking a host away also ends its connections" },
	{ "dry-run", 0, NULL, VALUE_FLAG, AT(dry_run), 0, TAKES_DRY_RUN, "show the plan, change nothing" },
	{ "disrupt", 0, "[=PATH]", VALUE_CONSENT, AT(disrupt), AT(disrupt_paths), TAKES_CONSENT,
	  "consent to disturb connected hosts" },
	{ "destroy", 0, "[=PATH]", VALUE_CONSENT, AT(destroy), AT(destroy_paths), TAKES_CONSENT,
	  "consent to lose data, identity or reservations" },
	{ "generation", 0, "N", VALUE_NUMBER, AT(generation), 0, TAKES_GENERATION,
	  "refuse if what is touched has changed since" },
	{ "plan", 0, "HASH", VALUE_TEXT, AT(plan), 0, TAKES_PLAN, "refuse if the plan is another one than was shown" },
	{ "no-wait", 0, NULL, VALUE_FLAG, AT(no_wait), 0, TAKES_NO_WAIT, "do not wait for the job's end" },
	{ "json", 0, NULL, VALUE_FLAG, AT(json), 0, TAKES_JSON, "print JSON" },
	{ "quiet", 'q', NULL, VALUE_FLAG, AT(quiet), 0, TAKES_QUIET, "print problems only" },
	{ "remote", 'H', "[USER@]HOST", VALUE_TEXT, AT(remote), 0, TAKES_REMOTE, "ask the daemon of another machine by ssh" },
	{ "help", 'h', NULL, VALUE_NONE, 0, 0, 0, "explain" },
	{ "version", 0, NULL, VALUE_NONE, 0, 0, 0, "print the version" },
};

void options_print(unsigned bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct option_row *o = &rows[i];
		bool tight = o->arg && *o->arg == '[' && o->value == VALUE_CONSENT;
		_cleanup_free_ char *left = NULL;

		if (!(o->bits & bits))
			continue;
		left = strf("%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
			    o->arg && !tight ? " " : "", o->arg ? o->arg : "");
		printf("  %-37s %s\n", left ? left : "", o->doc);
	}
}

static int take_value(struct cli *c, const struct option_row *o)
{
	char *base = (char *)c;

	switch (o->value) {
	case VALUE_FLAG:
		*(bool *)(base + o->offset) = true;
		return 0;
	case VALUE_TEXT:
		*(const char **)(base + o->offset) = optarg;
		return 0;
	case VALUE_LIST:
		return strv_append((char ***)(base + o->offset), optarg) < 0 ? out_of_memory() : 0;
	case VALUE_NUMBER:
		if (text_to_u64(optarg, (uint64_t *)(base + o->offset)) == 0 && *(uint64_t *)(base + o->offset))
			return 0;
		return usage_error(c, "--%s takes a number from 1, not %s", o->name, optarg);
	case VALUE_CONSENT:
		if (optarg)
			return strv_append((char ***)(base + o->other), optarg) < 0 ? out_of_memory() : 0;
		*(bool *)(base + o->offset) = true;
		return 0;
	case VALUE_NONE:
		break;
	}
	return 0;
}

/* getopt's numbers are rows, from FIRST on; letters are themselves. */
#define FIRST 256

static const struct option_row *row_of(int opt)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (opt == FIRST + (int)i || (rows[i].letter && opt == rows[i].letter))
			return &rows[i];
	return NULL;
}

static void fill_getopt(struct option *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].value == VALUE_CONSENT ? optional_argument :
				   rows[i].arg			  ? required_argument :
								    no_argument,
			.val = FIRST + (int)i,
		};
}

static int bad_option(const struct cli *c, char **argv)
{
	const struct option_row *o = optopt ? row_of(optopt) : NULL;

	if (o)
		return usage_error(c, "--%s %s", o->name, o->arg && o->value != VALUE_CONSENT ? "needs a value" : "takes no value");
	if (optopt)
		return usage_error(c, "there is no option -%c; see nvmetctl help", optopt);
	return usage_error(c, "%s: there is no such option, or it is short for several; see nvmetctl help", argv[optind - 1]);
}

/* What belongs to no verb's work: help and version. */
static int take_word(const struct option_row *o)
{
	struct cli c = { .verb = find_verb("help") };

	if (streq(o->name, "help"))
		c.verb->run(&c);
	else
		puts("nvmetctl " PACKAGE_VERSION);
	exit(output_end(&c, STATUS_DONE));
}

static int check_given(const struct cli *c, const bool *given)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (given[i] && !(rows[i].bits & c->verb->options))
			return usage_error(c, "--%s is not for this verb; see nvmetctl help %s", rows[i].name, c->verb->name);
	return 0;
}

static int take_verb(struct cli *c, int argc, char **argv)
{
	if (optind >= argc) {
		find_verb("help")->run(c);
		return STATUS_USAGE;
	}
	c->verb = find_verb(argv[optind]);
	if (!c->verb)
		return usage_error(c, "there is no verb %s; see nvmetctl help", argv[optind]);
	c->args = argv + optind + 1;
	c->n_args = argc - optind - 1;
	if (c->n_args < c->verb->min_args || (c->verb->max_args >= 0 && c->n_args > c->verb->max_args))
		return usage_error(c, "usage: nvmetctl %s %s", c->verb->name, c->verb->args);
	return 0;
}

int options_parse(struct cli *c, int argc, char **argv)
{
	struct option options[ARRAY_SIZE(rows) + 1] = { 0 };
	bool given[ARRAY_SIZE(rows)] = { false };
	int opt, r;

	fill_getopt(options);
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "H:qh", options, NULL)) >= 0) {
		const struct option_row *o = row_of(opt);

		if (!o)
			return bad_option(c, argv);
		if (o->value == VALUE_NONE)
			return take_word(o);
		given[o - rows] = true;
		r = take_value(c, o);
		if (r)
			return r;
	}
	r = take_verb(c, argc, argv);
	return r ? r : check_given(c, given);
}

void cli_done(struct cli *c)
{
	sd_bus_flush_close_unref(c->bus);
	strv_free(c->disrupt_paths);
	strv_free(c->destroy_paths);
	strv_free(c->ports);
	strv_free(c->hosts);
	strv_free(c->portals);
	strv_free(c->initiators);
}
