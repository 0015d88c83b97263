/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "tests/unit/worker-help.h"

char top[] = "/tmp/nvmetctl-worker-XXXXXX";
char config_dir[64], state_dir[64], run_dir[64];

int make_folders(void **state)
{
	_cleanup_free_ char *secrets = NULL;

	if (!mkdtemp(top))
		return -1;
	snprintf(config_dir, sizeof(config_dir), "%s/etc", top);
	snprintf(state_dir, sizeof(state_dir), "%s/lib", top);
	snprintf(run_dir, sizeof(run_dir), "%s/run", top);
	secrets = strf("%s/secrets", config_dir);
	return mkdir(config_dir, 0700) || mkdir(secrets, 0700) || mkdir(state_dir, 0700) || mkdir(run_dir, 0700);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int remove_folders(void **state)
{
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tiny_init(&f->kernel);
	f->settings = (struct pool_settings){ .kernel = "fake:/nowhere", .config_dir = config_dir, .state_dir = state_dir, .run_dir = run_dir };
	f->worker = (struct worker){ .settings = &f->settings, .kfs = &f->kernel.kfs, .sock = -1 };
	*state = f;
	return 0;
}

void forget(struct fixture *f)
{
	free(steal_ptr(f->data));
	free(steal_ptr(f->message));
}

int teardown(void **state)
{
	struct fixture *f = *state;

	forget(f);
	tiny_done(&f->kernel);
	free(f);
	return 0;
}

int run(struct fixture *f, enum op_verb verb, unsigned flags, const char *path, const char *value)
{
	struct op op = { .verb = verb, .flags = flags, .path = (char *)path, .value = (char *)value };
	struct oplist ops = { .items = &op, .n = 1 };
	size_t done;
	int r;

	forget(f);
	r = worker_run(&f->worker, &ops, &done, &f->data, &f->message);
	assert_int_equal(done, r == 0);
	return r;
}

void assert_says(const struct fixture *f, const char *words)
{
	if (!f->message || !strstr(f->message, words))
		fail_msg("\"%s\" does not say \"%s\"", f->message ? f->message : "(nothing)", words);
}

void assert_calls(struct fixture *f, const char *calls)
{
	assert_string_equal(f->kernel.calls.s ? f->kernel.calls.s : "", calls);
	strbuf_done(&f->kernel.calls);
}

void refuse(struct fixture *f, enum op_verb verb, const char *path, const char *value)
{
	if (run(f, verb, 0, path, value) != EINVAL)
		fail_msg("%s %s was not refused", op_verb_to_str(verb), path);
	assert_non_null(f->message);
	assert_calls(f, "");
}

void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

char *get_file(const char *path)
{
	char text[256] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY);

	return fd < 0 || read(fd, text, sizeof(text) - 1) < 0 ? NULL : strdup(text);
}
