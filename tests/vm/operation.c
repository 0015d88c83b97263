/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operation WORDS PATH [VALUE]: has a worker do one operation on the running kernel, named by its words ("wait for disk"). Prints its result; or what
 * it says and the errno's name, and ends with 1.
 */
#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "daemon/worker.h"

static enum op_verb verb_from(const char *words)
{
	enum op_verb v = 0;

	while (v < OP_VERB_MAX && !streq(op_verb_to_str(v), words))
		v++;
	return v;
}

int main(int argc, char **argv)
{
	struct pool_settings settings = { .kernel = "configfs", .config_dir = "/etc/nvmetctl", .state_dir = "/var/lib/nvmetctl",
					  .run_dir = "/run/nvmetd" };
	struct worker w = { .settings = &settings, .sock = -1 };
	struct op op = { .verb = verb_from(argc > 1 ? argv[1] : ""), .flags = OP_RECURSIVE | OP_NEWLINE | OP_EXCLUSIVE };
	struct oplist ops = { .items = &op, .n = 1 };
	_cleanup_free_ char *data = NULL, *message = NULL;
	size_t done;
	int r;

	if (argc < 3 || argc > 4 || op.verb == OP_VERB_MAX) {
		fprintf(stderr, "Usage: operation WORDS PATH [VALUE]\n");
		return 2;
	}
	op.path = argv[2];
	op.value = argv[3];
	if (kfs_new(settings.kernel, &w.kfs) < 0)
		return 2;
	r = worker_run(&w, &ops, &done, &data, &message);
	kfs_free(w.kfs);
	if (r) {
		fprintf(stderr, "%s: %s\n", strerrorname_np(r), message ? message : strerror(r));
		return 1;
	}
	printf("%s", data ? data : "");
	return 0;
}
