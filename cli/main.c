/* SPDX-License-Identifier: Apache-2.0 */
/* nvmetctl: the table of verbs. */
#include "cli/cli.h"

#include <fcntl.h>
#include <locale.h>

#define LOOK (TAKES_JSON | TAKES_REMOTE)
#define CHANGE (TAKES_JSON | TAKES_QUIET | TAKES_REMOTE | TAKES_DRY_RUN | TAKES_PLAN | TAKES_NO_WAIT)
#define EDIT (CHANGE | TAKES_CONSENT | TAKES_GENERATION | TAKES_REVOKE)
#define DOCUMENT (EDIT | TAKES_MERGE)

const struct verb verbs[] = {
	{ "export", 1, 1, EDIT | TAKES_EXPORT,
	  "DEVICE|FILE|backends/NAME [--nvme NQN [--port TRTYPE:ADDRESS[:SERVICE]]… [--host NQN]… [--any-host]]"
	  " [--iscsi IQN [--portal ADDRESS[:PORT]]… [--initiator IQN]… [--any-initiator]]",
	  "export a device to NVMe hosts or iSCSI initiators, in one line", verb_export },
	{ "unexport", 1, 1, EDIT, "DEVICE|FILE|backends/NAME", "undo it", verb_unexport },
	{ "show", 0, 1, LOOK | TAKES_DEFAULTS, "[PATH]", "objects as tree, table or details", verb_show },
	{ "create", 1, -1, EDIT | TAKES_RECURSIVE, "PATH [ATTR=VALUE]… [VERB PATH …]…", "make an object", verb_edit },
	{ "set", 1, -1, EDIT | TAKES_RECURSIVE, "PATH ATTR=VALUE… [VERB PATH …]…", "change attributes; lists with += and -=",
	  verb_edit },
	{ "delete", 1, -1, EDIT | TAKES_RECURSIVE, "PATH [VERB PATH …]…", "remove an object (never the data behind it)",
	  verb_edit },
	{ "check", 1, 1, TAKES_JSON | TAKES_QUIET, "FILE", "validate a document; needs neither daemon nor root", verb_check },
	{ "diff", 1, 2, DOCUMENT | TAKES_OFFLINE, "FILE", "what applying it would do; --offline [FILE] FILE: what differs",
	  verb_diff },
	{ "apply", 1, 1, DOCUMENT, "FILE", "make what is exported what the document says, all or nothing", verb_apply },
	{ "restore", 0, 1, DOCUMENT, "[FILE]", "the same, each object on its own", verb_restore },
	{ "save", 0, 1, TAKES_JSON | TAKES_QUIET | TAKES_REMOTE | TAKES_NAME, "[FILE]",
	  "write the document; without a file: keep the present state as a generation", verb_save },
	{ "clear", 0, 0, CHANGE | TAKES_CONSENT | TAKES_GENERATION, "", "take all exports down", verb_clear },
	{ "status", 0, 0, LOOK | TAKES_VERIFY, "", "jobs, debts, failures, drift, foreign objects, what is stuck", verb_status },
	{ "jobs", 0, 2, LOOK, "[cancel ID]", "running and ended jobs", verb_jobs },
	{ "history", 0, 0, LOOK, "", "generations that were kept", verb_history },
	{ "rollback", 1, 1, CHANGE | TAKES_CONSENT | TAKES_REVOKE, "GENERATION", "go back to one", verb_rollback },
	{ "reconcile", 0, -1, CHANGE | TAKES_CONSENT, "[PATH]…", "repair what differs between model and kernel", verb_reconcile },
	{ "adopt", 0, -1, CHANGE, "[PATH]…", "take over objects that someone else made", verb_adopt },
	{ "capabilities", 0, 0, LOOK, "", "what the running kernel offers", verb_capabilities },
	{ "help", 0, 1, 0, "[VERB|KIND|ATTRIBUTE]", "explain", verb_help },
	{ 0 },
};

const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (streq(v->name, name))
			return v;
	return NULL;
}

/* Whoever closed one of them must not have the next thing that is opened, say the bus, written to in its place. What is opened here
 * cannot be used, so that the attempt is an error. */
static void occupy_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What is on the command line can be read by everybody while we run. A secret has no business there and will be refused; until then it
 * is at least not left standing. */
static char **take_arguments(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	for (int i = 0; copy && i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i])
			exit(out_of_memory());
		if (strstr(argv[i], "DHHC-1:"))
			memset(argv[i], '*', strlen(argv[i]));
	}
	return copy;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ char **arguments = NULL;
	struct cli c = { 0 };
	int r;

	occupy_standard_streams();
	/* For the width of characters and the lines of trees; words and numbers stay as they are. */
	setlocale(LC_CTYPE, "");
	arguments = take_arguments(argc, argv);
	if (!arguments)
		return out_of_memory();
	r = options_parse(&c, argc, arguments);
	if (!r)
		r = c.verb->run(&c);
	cli_done(&c);
	return output_end(&c, r);
}
