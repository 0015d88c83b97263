/* SPDX-License-Identifier: Apache-2.0 */
/* nvmetctl: options, and the table of verbs. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>

const struct verb verbs[] = {
	{ "export", 1, 1, "DEVICE|FILE --nvme NQN [--port TRTYPE:ADDRESS[:SERVICE]]… [--host NQN]… [--any-host]",
	  "export a device to NVMe hosts, in one line", verb_export },
	{ "unexport", 1, 1, "DEVICE|FILE|backends/NAME", "undo it", verb_unexport },
	{ "show", 0, 1, "[PATH]", "objects as tree, table or details", verb_show },
	{ "create", 1, -1, "PATH [ATTR=VALUE]… [VERB PATH …]…", "make an object", verb_edit },
	{ "set", 1, -1, "PATH ATTR=VALUE… [VERB PATH …]…", "change attributes; lists with += and -=", verb_edit },
	{ "delete", 1, -1, "PATH [VERB PATH …]…", "remove an object (never the data behind it)", verb_edit },
	{ "check", 1, 1, "FILE", "validate a document; needs neither daemon nor root", verb_check },
	{ "diff", 1, 2, "FILE", "what applying it would do; --offline FILE [FILE]: what differs", verb_diff },
	{ "apply", 1, 1, "FILE", "make what is exported what the document says, all or nothing", verb_apply },
	{ "restore", 0, 1, "[FILE]", "the same, each object on its own", verb_restore },
	{ "save", 0, 1, "[FILE]", "write the document; without a file: keep the present state as a generation", verb_save },
	{ "clear", 0, 0, "", "take all exports down", verb_clear },
	{ "status", 0, 0, "", "jobs, debts, failures, drift, foreign objects, what is stuck", verb_status },
	{ "jobs", 0, 2, "[cancel ID]", "running and ended jobs", verb_jobs },
	{ "history", 0, 0, "", "generations that were kept", verb_history },
	{ "rollback", 1, 1, "GENERATION", "go back to one", verb_rollback },
	{ "reconcile", 0, -1, "[PATH]…", "repair what differs between model and kernel", verb_reconcile },
	{ "adopt", 0, -1, "[PATH]…", "take over objects that someone else made", verb_adopt },
	{ "capabilities", 0, 0, "", "what the running kernel offers", verb_capabilities },
	{ "help", 0, 1, "[VERB|KIND|ATTRIBUTE]", "explain", verb_help },
	{ 0 },
};

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("nvmetctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void complain_error(const struct cfg_error *err)
{
	_cleanup_free_ char *text = cfg_error_text(err);

	complain("%s", text ? text : "out of memory");
}

void complain_errors(const struct cfg_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++)
		complain_error(&errs->items[i]);
	if (errs->total > errs->n)
		complain("and %zu more", errs->total - errs->n);
}

int usage_error(const struct cli *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	complain("%s%s%s", c->verb ? c->verb : "", c->verb ? ": " : "", text ? text : "out of memory");
	return STATUS_USAGE;
}

int out_of_memory(void)
{
	complain("out of memory");
	return STATUS_FAILED;
}

/* "--disrupt" alone is for everything; "--disrupt=PATH" may be given several times. */
static int consent(bool *all, char ***paths)
{
	if (!optarg) {
		*all = true;
		return 0;
	}
	return strv_append(paths, optarg);
}

enum {
	OPT_JSON = 256, OPT_DRY_RUN, OPT_MERGE, OPT_RECURSIVE, OPT_REVOKE, OPT_OFFLINE, OPT_VERIFY, OPT_DEFAULTS, OPT_DISRUPT,
	OPT_DESTROY, OPT_GENERATION, OPT_PLAN, OPT_NO_WAIT, OPT_NVME, OPT_PORT, OPT_HOST, OPT_ANY_HOST, OPT_NAME, OPT_SIZE,
	OPT_NSID, OPT_CREATE, OPT_VERSION,
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "merge", no_argument, NULL, OPT_MERGE },
	{ "recursive", no_argument, NULL, OPT_RECURSIVE },
	{ "revoke", no_argument, NULL, OPT_REVOKE },
	{ "offline", no_argument, NULL, OPT_OFFLINE },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "defaults", no_argument, NULL, OPT_DEFAULTS },
	{ "disrupt", optional_argument, NULL, OPT_DISRUPT },
	{ "destroy", optional_argument, NULL, OPT_DESTROY },
	{ "generation", required_argument, NULL, OPT_GENERATION },
	{ "plan", required_argument, NULL, OPT_PLAN },
	{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "remote", required_argument, NULL, 'H' },
	{ "nvme", required_argument, NULL, OPT_NVME },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "any-host", no_argument, NULL, OPT_ANY_HOST },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "nsid", required_argument, NULL, OPT_NSID },
	{ "create", no_argument, NULL, OPT_CREATE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static int take_option(struct cli *c, int opt)
{
	bool *const flags[] = {
		[OPT_JSON - OPT_JSON] = &c->json, [OPT_DRY_RUN - OPT_JSON] = &c->dry_run,
		[OPT_MERGE - OPT_JSON] = &c->merge, [OPT_RECURSIVE - OPT_JSON] = &c->recursive,
		[OPT_REVOKE - OPT_JSON] = &c->revoke, [OPT_OFFLINE - OPT_JSON] = &c->offline,
		[OPT_VERIFY - OPT_JSON] = &c->verify, [OPT_DEFAULTS - OPT_JSON] = &c->defaults,
	};

	if (opt >= OPT_JSON && opt <= OPT_DEFAULTS) {
		*flags[opt - OPT_JSON] = true;
		return 0;
	}
	switch (opt) {
	case OPT_DISRUPT:
		return consent(&c->disrupt, &c->disrupt_paths);
	case OPT_DESTROY:
		return consent(&c->destroy, &c->destroy_paths);
	case OPT_GENERATION:
		if (text_to_u64(optarg, &c->generation) < 0 || !c->generation)
			return usage_error(c, "--generation takes a number from 1, not %s", optarg);
		return 0;
	case OPT_PLAN:
		c->plan = optarg;
		return 0;
	case OPT_NO_WAIT:
		c->no_wait = true;
		return 0;
	case 'q':
		c->quiet = true;
		return 0;
	case 'H':
		c->remote = optarg;
		return 0;
	case OPT_NVME:
		c->nqn = optarg;
		return 0;
	case OPT_PORT:
		return strv_append(&c->ports, optarg);
	case OPT_HOST:
		return strv_append(&c->hosts, optarg);
	case OPT_ANY_HOST:
		c->any_host = true;
		return 0;
	case OPT_NAME:
		c->name = optarg;
		return 0;
	case OPT_SIZE:
		c->size = optarg;
		return 0;
	case OPT_NSID:
		c->nsid = optarg;
		return 0;
	case OPT_CREATE:
		c->create = true;
		return 0;
	case 'h':
		verb_help(c);
		exit(STATUS_DONE);
	case OPT_VERSION:
		puts("nvmetctl " PACKAGE_VERSION);
		exit(STATUS_DONE);
	default:
		return STATUS_USAGE;
	}
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (streq(v->name, name))
			return v;
	return NULL;
}

static int run(struct cli *c)
{
	const struct verb *v = find_verb(c->verb);

	if (!v) {
		complain("there is no verb %s; see nvmetctl help", c->verb);
		return STATUS_USAGE;
	}
	if (c->n_args < v->min_args || (v->max_args >= 0 && c->n_args > v->max_args)) {
		complain("usage: nvmetctl %s %s", v->name, v->args);
		return STATUS_USAGE;
	}
	return v->run(c);
}

int main(int argc, char **argv)
{
	struct cli c = { 0 };
	int opt, r = 0;

	opterr = 1;
	program_invocation_name = (char *)"nvmetctl";
	argv[0] = (char *)"nvmetctl";
	while (!r && (opt = getopt_long(argc, argv, "H:qh", options, NULL)) >= 0)
		r = take_option(&c, opt);
	if (!r && optind >= argc) {
		verb_help(&c);
		r = STATUS_USAGE;
	}
	if (r < 0)
		r = out_of_memory();
	if (!r) {
		c.verb = argv[optind];
		c.args = argv + optind + 1;
		c.n_args = argc - optind - 1;
		r = run(&c);
	}
	sd_bus_flush_close_unref(c.bus);
	strv_free(c.disrupt_paths);
	strv_free(c.destroy_paths);
	strv_free(c.ports);
	strv_free(c.hosts);
	if (fflush(stdout) == EOF && r == STATUS_DONE) {
		complain("standard output: %s", strerror(errno));
		r = STATUS_FAILED;
	}
	return r;
}
