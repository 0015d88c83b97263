/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does and refuses to do, operation by operation, on a tiny kernel and in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/text.h"
#include "daemon/worker.h"
#include "tests/unit/tiny-kfs.h"

static char top[] = "/tmp/nvmetctl-worker-XXXXXX";
static char config_dir[64], state_dir[64], run_dir[64];
static struct pool_settings settings = { .kernel = "fake:/nowhere", .config_dir = config_dir, .state_dir = state_dir,
					 .run_dir = run_dir };

struct fixture {
	struct tiny_kfs kernel;
	struct worker worker;
	char *data, *message;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tiny_init(&f->kernel);
	f->worker = (struct worker){ .settings = &settings, .kfs = &f->kernel.kfs, .sock = -1 };
	*state = f;
	return 0;
}

static void forget(struct fixture *f)
{
	free(steal_ptr(f->data));
	free(steal_ptr(f->message));
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	forget(f);
	tiny_done(&f->kernel);
	free(f);
	return 0;
}

/* One operation; positive errno. */
static int run(struct fixture *f, enum op_verb verb, unsigned flags, const char *path, const char *value)
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

static void assert_says(const struct fixture *f, const char *words)
{
	if (!f->message || !strstr(f->message, words))
		fail_msg("\"%s\" does not say \"%s\"", f->message ? f->message : "(nothing)", words);
}

static void assert_calls(struct fixture *f, const char *calls)
{
	assert_string_equal(f->kernel.calls.s ? f->kernel.calls.s : "", calls);
	strbuf_done(&f->kernel.calls);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static char *get_file(const char *path)
{
	char text[256] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY);

	return fd < 0 || read(fd, text, sizeof(text) - 1) < 0 ? NULL : strdup(text);
}

/* ---- what is refused by its text alone ---- */

static void refuse(struct fixture *f, enum op_verb verb, const char *path, const char *value)
{
	if (run(f, verb, 0, path, value) != EINVAL)
		fail_msg("%s %s was not refused", op_verb_to_str(verb), path);
	assert_non_null(f->message);
	assert_calls(f, "");
}

static void test_kernel_paths(void **state)
{
	static const char *const bad[] = {
		"", "/", "nvme", "nvmetx/a", "/sys/kernel/config/nvmet", "nvmet/", "nvmet//a", "nvmet/../etc", "nvmet/a/..", "nvmet/./a",
		"../nvmet/a", "nvmet/a\nb", "usb_gadget/g1", "etc/passwd", "targetx",
	};
	static const enum op_verb verbs[] = { OP_MKDIR, OP_RMDIR, OP_WRITE, OP_WRITE_SECRET, OP_LINK, OP_UNLINK, OP_SCAN, OP_SCAN_SOME, OP_READLINK };

	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++)
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			refuse(*state, verbs[v], bad[i], "nvmet/x");
	refuse(*state, OP_LINK, "nvmet/ports/1/subsystems/s", "/etc");
	refuse(*state, OP_LINK, "nvmet/ports/1/subsystems/s", NULL);
	refuse(*state, OP_WRITE, "nvmet/discovery_nqn", NULL);
	refuse(*state, OP_WAIT_CHANGE, "nvmet", "nvmet/hosts\n/etc");
	refuse(*state, OP_WAIT_CHANGE, "nvmet", "nvmet/hosts\n\nnvmet");
}

static void test_paths_of_devices(void **state)
{
	static const char *const bad[] = { "", "vdb", "dev/vdb", "//dev/vdb", "/dev/../etc/shadow", "/dev/.", "/dev/", "/", "/a\nb" };
	static const enum op_verb verbs[] = { OP_PROBE, OP_CREATE_FILE, OP_GROW_FILE, OP_REMOVE_FILE, OP_CHECK_MOVING };

	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++)
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			refuse(*state, verbs[v], bad[i], "4096");
	refuse(*state, OP_CREATE_FILE, "/srv/x", "10GiB");
	refuse(*state, OP_CREATE_FILE, "/srv/x", NULL);
	refuse(*state, OP_GROW_FILE, "/srv/x", "-1");
}

static void test_modules(void **state)
{
	static const char *const bad[] = { "", "evil", "usb-storage", "nvmet/../x", "/lib/modules/x.ko", "nvmet tcp", "Nvmet", "xnvmet" };
	static const char *const good[] = { "nvmet", "nvmet-tcp", "nvmet_rdma", "nvme-loop", "target_core_mod", "tcm_loop", "configfs" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(f, OP_LOAD_MODULE, bad[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(run(f, OP_LOAD_MODULE, 0, good[i], NULL), 0);
	f->kernel.file_error = ENOENT;
	assert_int_equal(run(f, OP_LOAD_MODULE, 0, "nvmet-fc", NULL), ENOENT);
	assert_says(f, "this kernel has no module nvmet-fc");
}

static void test_tunables(void **state)
{
	struct fixture *f = *state;

	refuse(f, OP_TUNE, "kernel/panic", "1");
	refuse(f, OP_TUNE, "tcm_loop/../can_queue", "1");
	refuse(f, OP_TUNE, "tcm_loop/can_queue", "many");
	assert_int_equal(run(f, OP_TUNE, 0, "tcm_loop/can_queue", "64"), 0);
	f->kernel.file_error = ENOENT;
	assert_int_equal(run(f, OP_TUNE, OP_MAY_BE_ABSENT, "tcm_loop/can_queue", "64"), 0);
	assert_int_equal(run(f, OP_TUNE, 0, "tcm_loop/can_queue", "64"), ENOENT);
	assert_says(f, "tcm_loop/can_queue cannot be set to 64");
}

static void refuse_own(struct fixture *f, const char *dir, const char *rest)
{
	static const enum op_verb verbs[] = { OP_FILE_REPLACE, OP_FILE_APPEND, OP_FILE_CUT, OP_FILE_REMOVE, OP_FILE_READ };
	_cleanup_free_ char *path = strf("%s%s", dir, rest);

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		refuse(f, verbs[i], path, "1");
}

static void test_own_files_elsewhere(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *config = strf("%s/config.json", config_dir);

	refuse_own(f, "/etc/passwd", "");
	refuse_own(f, state_dir, "");
	refuse_own(f, state_dir, "/");
	refuse_own(f, state_dir, "x/journal");
	refuse_own(f, state_dir, "/../x");
	refuse_own(f, state_dir, "/generations/..");
	refuse_own(f, state_dir, "/./journal");
	refuse_own(f, state_dir, "//journal");
	refuse_own(f, config_dir, "/secrets/key");
	refuse_own(f, config_dir, "/secrets");
	refuse_own(f, run_dir, "/workers/1");
	/* Only what is kept is read. */
	refuse(f, OP_FILE_READ, config, NULL);
	refuse(f, OP_STORE_SECRET, "../config.json", "x");
	refuse(f, OP_STORE_SECRET, "a/b", "x");
	refuse(f, OP_STORE_SECRET, ".hidden", "x");
	refuse(f, OP_STORE_SECRET, "", "x");
	refuse(f, OP_STORE_SECRET, "key", NULL);
}

static void test_unknown_verb(void **state)
{
	refuse(*state, OP_VERB_MAX, "nvmet/x", "x");
	refuse(*state, 4000000000u, "nvmet/x", "x");
}

/* A refused value may be a secret. */
static void test_refusal_keeps_value(void **state)
{
	struct fixture *f = *state;

	refuse(f, OP_CREATE_FILE, "/srv/x", "DHHC-1:00:hidden:");
	assert_null(strstr(f->message, "hidden"));
}

/* ---- steps ---- */

static void test_stops_at_first_failure(void **state)
{
	struct fixture *f = *state;
	_cleanup_oplist_ struct oplist ops = { 0 };
	char *data[3] = { NULL };
	size_t done;

	oplist_add(&ops, OP_MKDIR, 0, "nvmet/hosts", NULL, NULL, NULL);
	oplist_add(&ops, OP_WRITE, 0, "nvmet/absent", "1", NULL, NULL);
	oplist_add(&ops, OP_MKDIR, 0, "nvmet/ports", NULL, NULL, NULL);
	assert_int_equal(worker_run(&f->worker, &ops, &done, data, &f->message), ENOENT);
	assert_int_equal(done, 1);
	assert_calls(f, "mkdir nvmet/hosts\nwrite nvmet/absent 1 1\n");
}

static int daemon_end = -1;

static void end_daemon(struct tiny_kfs *k, const char *call)
{
	if (streq(call, "mkdir nvmet/second"))
		close(daemon_end);
}

/* The daemon goes while an operation is under way: that one is done, and no other. */
static void test_orphan_stops(void **state)
{
	struct fixture *f = *state;
	_cleanup_oplist_ struct oplist ops = { 0 };
	char *data[3] = { NULL };
	size_t done;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	daemon_end = pair[0];
	f->worker.sock = pair[1];
	f->kernel.before_call = end_daemon;
	oplist_add(&ops, OP_MKDIR, 0, "nvmet/first", NULL, NULL, NULL);
	oplist_add(&ops, OP_MKDIR, 0, "nvmet/second", NULL, NULL, NULL);
	oplist_add(&ops, OP_MKDIR, 0, "nvmet/third", NULL, NULL, NULL);
	assert_int_equal(worker_run(&f->worker, &ops, &done, data, &f->message), ECANCELED);
	assert_int_equal(done, 2);
	assert_calls(f, "mkdir nvmet/first\nmkdir nvmet/second\n");
	close(pair[1]);
}

static void test_page(void **state)
{
	struct fixture *f = *state;
	struct worker_page page = { 0 };

	f->worker.page = &page;
	assert_int_equal(run(f, OP_MKDIR, 0, "nvmet/hosts", NULL), 0);
	assert_string_equal(page.where, "mkdir nvmet/hosts");
	assert_true(page.since_usec > 0);
}

static void test_page_names_the_step_among_several(void **state)
{
	struct fixture *f = *state;
	struct worker_page page = { .label = "hosts/a: make" };
	_cleanup_oplist_ struct oplist ops = { 0 };
	char *data[2] = { 0 };
	size_t done;

	f->worker.page = &page;
	assert_int_equal(oplist_add(&ops, OP_MKDIR, 0, "nvmet/hosts/a", NULL, "hosts/a", NULL), 0);
	assert_int_equal(worker_run(&f->worker, &ops, &done, data, &f->message), 0);
	assert_string_equal(page.label, "hosts/a: make");
	oplist_done(&ops);
	assert_int_equal(oplist_add(&ops, OP_MKDIR, 0, "nvmet/hosts/ab", NULL, "hosts/ab", NULL), 0);
	assert_int_equal(worker_run(&f->worker, &ops, &done, data, &f->message), 0);
	assert_string_equal(page.label, "hosts/ab: mkdir");
}

static void test_absent_and_existing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_RMDIR, 0, "nvmet/x", NULL), ENOENT);
	assert_int_equal(run(f, OP_RMDIR, OP_MAY_BE_ABSENT, "nvmet/x", NULL), 0);
	assert_int_equal(run(f, OP_UNLINK, OP_MAY_BE_ABSENT, "nvmet/x", NULL), 0);
	assert_int_equal(run(f, OP_SCAN, OP_MAY_BE_ABSENT, "nvmet/x", NULL), 0);
	assert_null(f->data);
	assert_int_equal(run(f, OP_MKDIR, 0, "nvmet/x", NULL), 0);
	assert_int_equal(run(f, OP_MKDIR, 0, "nvmet/x", NULL), EEXIST);
	assert_int_equal(run(f, OP_MKDIR, OP_MAY_EXIST, "nvmet/x", NULL), 0);
}

/* ---- writing ---- */

static void test_write(void **state)
{
	struct fixture *f = *state;
	char longest[KFS_VALUE_MAX + 2];

	tiny_put(&f->kernel, KFS_ATTR, "nvmet/a", "");
	assert_int_equal(run(f, OP_WRITE, 0, "nvmet/a", "v"), 0);
	assert_calls(f, "write nvmet/a 1 v\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, "nvmet/a", "v"), 0);
	assert_calls(f, "write nvmet/a 2 v\n\n");
	/* Empty: its NUL alone, or a newline. */
	assert_int_equal(run(f, OP_WRITE, 0, "nvmet/a", ""), 0);
	assert_calls(f, "write nvmet/a 1 \n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, "nvmet/a", ""), 0);
	assert_calls(f, "write nvmet/a 1 \n\n");
	memset(longest, 'x', sizeof(longest));
	longest[KFS_VALUE_MAX] = 0;
	assert_int_equal(run(f, OP_WRITE, 0, "nvmet/a", longest), 0);
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, "nvmet/a", longest), E2BIG);
	assert_says(f, "4095 bytes, and the kernel takes 4094");
}

static void test_check_back(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, "nvmet/a", "0\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE | OP_CHECK_BACK, "nvmet/a", "1"), 0);
	f->kernel.keeps = "0\n";
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, "nvmet/a", "1"), 0);
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE | OP_CHECK_BACK, "nvmet/a", "1"), EIO);
	assert_says(f, "took \"1\" and kept \"0\"");
	f->kernel.keeps = "10\n";
	assert_int_equal(run(f, OP_WRITE, OP_CHECK_BACK, "nvmet/a", "1"), EIO);
}

/* kernel-abi 12, trap 3: enabling without a device is an oops on 6.12. */
static void test_trap_3_enable_without_device(void **state)
{
	static const char enable[] = "nvmet/subsystems/s/namespaces/1/enable";
	struct fixture *f = *state;
	struct tiny_entry *device = tiny_put(&f->kernel, KFS_ATTR, "nvmet/subsystems/s/namespaces/1/device_path", "(null)\n");

	tiny_put(&f->kernel, KFS_ATTR, enable, "0\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, enable, "1"), EINVAL);
	assert_says(f, "without a device");
	assert_int_equal(run(f, OP_WRITE, 0, enable, "y"), EINVAL);
	assert_string_equal(tiny_find(&f->kernel, enable)->value, "0\n");
	free(device->value);
	device->value = strdup("\n");
	assert_int_equal(run(f, OP_WRITE, 0, enable, "1"), EINVAL);
	/* Putting it off is always allowed. */
	assert_int_equal(run(f, OP_WRITE, 0, enable, "0"), 0);
	free(device->value);
	device->value = strdup("/dev/vdb\n");
	assert_int_equal(run(f, OP_WRITE, 0, enable, "1"), 0);
	/* If it cannot be told, it is not done. */
	device->error = EIO;
	assert_int_equal(run(f, OP_WRITE, 0, enable, "1"), EIO);
}

static int run_two(struct fixture *f, const char *device, const char *enable)
{
	_cleanup_oplist_ struct oplist ops = { 0 };
	char *data[2] = { NULL };
	size_t done;

	forget(f);
	strbuf_done(&f->kernel.calls);
	oplist_add(&ops, OP_WRITE, OP_NEWLINE, device, "/dev/vdb", NULL, NULL);
	oplist_add(&ops, OP_WRITE, OP_NEWLINE, enable, "1", NULL, NULL);
	return worker_run(&f->worker, &ops, &done, data, &f->message);
}

/* What a step has just given the namespace itself it does not look at; another one's says nothing, nor does another step's. */
static void test_enable_behind_device(void **state)
{
	static const char device[] = "nvmet/subsystems/s/namespaces/1/device_path", enable[] = "nvmet/subsystems/s/namespaces/1/enable";
	static const char other[] = "nvmet/subsystems/s/namespaces/2/enable";
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, device, "(null)\n");
	tiny_put(&f->kernel, KFS_ATTR, enable, "0\n");
	tiny_put(&f->kernel, KFS_ATTR, "nvmet/subsystems/s/namespaces/2/device_path", "(null)\n");
	tiny_put(&f->kernel, KFS_ATTR, other, "0\n");
	assert_int_equal(run_two(f, device, other), EINVAL);
	assert_int_equal(run_two(f, device, enable), 0);
	assert_calls(f, "write nvmet/subsystems/s/namespaces/1/device_path 9 /dev/vdb\n\nwrite nvmet/subsystems/s/namespaces/1/enable 2 1\n\n");
	free(tiny_find(&f->kernel, device)->value);
	tiny_find(&f->kernel, device)->value = strdup("(null)\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, enable, "1"), EINVAL);
}

/* An oops on 6.1. */
static void test_unmap_before_enable(void **state)
{
	static const char enable[] = "target/core/fileio_1/f/enable", tpu[] = "target/core/fileio_1/f/attrib/emulate_tpu";
	struct fixture *f = *state;
	struct tiny_entry *switched = tiny_put(&f->kernel, KFS_ATTR, enable, "0\n");

	tiny_put(&f->kernel, KFS_ATTR, tpu, "0\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, tpu, "1"), ENODEV);
	assert_says(f, "emulate_tpu cannot be set before");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, tpu, "y"), ENODEV);
	assert_string_equal(tiny_find(&f->kernel, tpu)->value, "0\n");
	/* To leave it off asks for nothing. */
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, tpu, "0"), 0);
	free(switched->value);
	switched->value = strdup("1\n");
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, tpu, "1"), 0);
	/* If it cannot be told, it is not done. */
	switched->error = EIO;
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, tpu, "1"), EIO);
}

/* kernel-abi 12, trap 4; the kernel strips what it is given. */
static void test_trap_4_lu_group(void **state)
{
	static const char *const words[] = { "NULL", " NULL", "NULL \t", "\nNULL\n" };
	static const char *const others[] = { "default_lu_gp", "NULLx", "null", "NULL NULL" };
	static const char group[] = "target/core/iblock_0/y/alua_lu_gp";
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, group, "");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		refuse(f, OP_WRITE, group, words[i]);
	assert_says(f, "remove its group");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(run(f, OP_WRITE, 0, group, others[i]), 0);
}

/* ---- secrets ---- */

static const char key[] = "nvmet/hosts/h/dhchap_key";

static void test_secret(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/secrets/host.key", config_dir);

	tiny_put(&f->kernel, KFS_ATTR, key, "\n");
	put_file(path, "DHHC-1:00:topsecret:\n", 0600);
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, "file:host.key"), 0);
	/* Hidden first. */
	assert_calls(f, "hide nvmet/hosts/h/dhchap_key\nwrite nvmet/hosts/h/dhchap_key 20 DHHC-1:00:topsecret:\n");
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, ""), 0);
	assert_calls(f, "hide nvmet/hosts/h/dhchap_key\nwrite nvmet/hosts/h/dhchap_key 1 \n");
	f->kernel.write_error = EINVAL;
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, "file:host.key"), EINVAL);
	assert_says(f, "file:host.key: it must have the form DHHC-1:");
	assert_null(strstr(f->message, "topsecret"));
	assert_int_equal(unlink(path), 0);
}

static void test_secret_that_cannot_be_hidden(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/secrets/host.key", config_dir);

	put_file(path, "topsecret\n", 0600);
	tiny_put(&f->kernel, KFS_ATTR, key, "\n")->error = EPERM;
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, "file:host.key"), EPERM);
	assert_calls(f, "hide nvmet/hosts/h/dhchap_key\n");
	assert_int_equal(unlink(path), 0);
}

static void test_secret_line_end(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/secrets/host.key", config_dir);
	struct tiny_entry *e = tiny_put(&f->kernel, KFS_ATTR, key, "\n");

	put_file(path, "topsecret\r\n", 0400);
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, "file:host.key"), 0);
	assert_string_equal(e->value, "topsecret");
	assert_int_equal(unlink(path), 0);
}

static void refuse_secret(struct fixture *f, const char *reference, int code, const char *words)
{
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, reference), code);
	assert_says(f, words);
	assert_null(strstr(f->message, "topsecret"));
	assert_string_equal(tiny_find(&f->kernel, key)->value, "\n");
}

static void test_secret_files(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/secrets/k", config_dir), *link = strf("%s/secrets/l", config_dir);
	_cleanup_free_ char *dir = strf("%s/secrets/d", config_dir), *fifo = strf("%s/secrets/p", config_dir);
	char big[5000];

	tiny_put(&f->kernel, KFS_ATTR, key, "\n");
	refuse_secret(f, "file:k", ENOENT, "cannot be opened: No such file");
	put_file(path, "topsecret\n", 0640);
	refuse_secret(f, "file:k", EPERM, "mode 0640");
	put_file(path, "topsecret\n", 0604);
	refuse_secret(f, "file:k", EPERM, "mode 0604");
	put_file(path, "\n", 0600);
	refuse_secret(f, "file:k", EINVAL, "is empty");
	put_file(path, "topsecret\nmore\n", 0600);
	refuse_secret(f, "file:k", EINVAL, "one line");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	put_file(path, big, 0600);
	refuse_secret(f, "file:k", E2BIG, "longer than 4095");
	assert_int_equal(symlink(path, link), 0);
	refuse_secret(f, "file:l", ELOOP, "not a symbolic link");
	assert_int_equal(mkdir(dir, 0700), 0);
	refuse_secret(f, "file:d", EINVAL, "regular file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuse_secret(f, "file:p", EINVAL, "regular file");
	refuse_secret(f, "file:../config.json", EINVAL, "no name of a secret");
	refuse_secret(f, "file:", EINVAL, "no name of a secret");
	refuse_secret(f, "/etc/shadow", EINVAL, "file:NAME or credential:NAME");
	unlink(path);
	unlink(link);
	unlink(fifo);
	rmdir(dir);
}

static void test_credential(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/cred", top);
	struct tiny_entry *e = tiny_put(&f->kernel, KFS_ATTR, key, "\n");

	unsetenv("CREDENTIALS_DIRECTORY");
	refuse_secret(f, "credential:cred", ENOENT, "without credentials");
	setenv("CREDENTIALS_DIRECTORY", top, 1);
	put_file(path, "topsecret", 0400);
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, key, "credential:cred"), 0);
	assert_string_equal(e->value, "topsecret");
	unlink(path);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_keep_secret(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/secrets/kept.key", config_dir), *text = NULL;
	const char *attr = "nvmet/hosts/h/dhchap_key", *unset = "nvmet/hosts/i/dhchap_key";
	struct stat st;

	refuse(f, OP_KEEP_SECRET, "../kept.key", attr);
	refuse(f, OP_KEEP_SECRET, "kept.key", "/etc/shadow");

	tiny_put(&f->kernel, KFS_ATTR, attr, "DHHC-1:00:abc:\n");
	assert_int_equal(run(f, OP_KEEP_SECRET, 0, "kept.key", attr), 0);
	text = get_file(path);
	assert_string_equal(text, "DHHC-1:00:abc:");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	unlink(path);

	tiny_put(&f->kernel, KFS_ATTR, unset, "\n");
	assert_int_equal(run(f, OP_KEEP_SECRET, 0, "kept.key", unset), ENOENT);
	assert_int_equal(stat(path, &st), -1);
}

static void test_store_secret(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *folder = strf("%s/secrets", config_dir), *path = strf("%s/new.key", folder), *text = NULL;
	struct stat st;

	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(run(f, OP_STORE_SECRET, 0, "new.key", "topsecret"), 0);
	text = get_file(path);
	assert_string_equal(text, "topsecret");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	unlink(path);
}

/* ---- reading ---- */

static void test_scan(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/h 1", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_key", "DHHC-1:00:topsecret:\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_ctrl_key", "\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_hash", "hmac(sha256)\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/trigger", NULL)->error = EACCES;
	tiny_put(k, KFS_LINK, "nvmet/hosts/link", "nvmet/subsystems/s");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nd h\\0401\ns h\\0401/dhchap_key set\ns h\\0401/dhchap_ctrl_key unset\n"
				     "f h\\0401/dhchap_hash 13\nhmac(sha256)\n\nx trigger\nl link nvmet/subsystems/s\n");
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nx trigger\nl link nvmet/subsystems/s\n");
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet/ports", NULL), ENOENT);
}

/* Of attributes only those that are asked for, whole names; of links all. */
static void test_scan_of_some(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/s", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/s/enable", "1\n");
	tiny_put(k, KFS_ATTR, "nvmet/s/resv_enable", "0\n");
	tiny_put(k, KFS_ATTR, "nvmet/s/device_path", "/dev/x\n");
	tiny_put(k, KFS_LINK, "nvmet/s/link", "nvmet/hosts/h");
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", "device_path enable"), 0);
	assert_string_equal(f->data, "d \nf enable 2\n1\n\nf device_path 7\n/dev/x\n\nl link nvmet/hosts/h\n");
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", "resv"), 0);
	assert_string_equal(f->data, "d \nl link nvmet/hosts/h\n");
	strbuf_done(&k->calls);
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", ""), 0);
	assert_calls(f, "list nvmet/s\nreadlink nvmet/s/link\n");
}

/* One list a folder and one read an attribute: nothing else is paid for. */
static void test_scan_costs(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/1", NULL);
	tiny_put(&f->kernel, KFS_ATTR, "nvmet/ports/1/addr_traddr", "::1\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", NULL), 0);
	assert_calls(f, "list nvmet/ports\nlist nvmet/ports/1\nread nvmet/ports/1/addr_traddr\n");
}

/* A folder that somebody holds is told of, and not looked into. */
static void test_scan_leaves_out(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/1", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/10", NULL);
	tiny_put(&f->kernel, KFS_ATTR, "nvmet/ports/1/addr_traddr", "::1\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", "nvmet/hosts\nnvmet/ports/1"), 0);
	assert_string_equal(f->data, "d \nd 1\nd 10\n");
	assert_calls(f, "list nvmet/ports\nlist nvmet/ports/10\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", "/etc"), EINVAL);
}

static void go_away(struct tiny_kfs *k, const char *call)
{
	if (streq(call, "list nvmet/hosts/b"))
		tiny_find(k, "nvmet/hosts/b/attr")->error = ENOENT;
}

/* What goes while it is read was not there. */
static void test_scan_of_what_goes(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/a", NULL)->error = ENOENT;
	tiny_put(k, KFS_DIR, "nvmet/hosts/b", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/attr", "1\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/more", "2\n");
	tiny_put(k, KFS_DIR, "nvmet/hosts/c", NULL);
	k->before_call = go_away;
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	/* Only the attribute went: the rest of the folder is told. */
	assert_string_equal(f->data, "d \nd b\nf b/more 2\n2\n\nd c\n");
}

static void vanish(struct tiny_kfs *k, const char *call)
{
	if (streq(call, "read nvmet/hosts/b/more")) {
		tiny_find(k, "nvmet/hosts/b")->error = ENOENT;
		tiny_find(k, "nvmet/hosts/b/last")->error = ENOENT;
	}
}

/* And never half of it. */
static void test_scan_folder_vanishes(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/b", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/more", "2\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/last", "3\n");
	tiny_put(k, KFS_DIR, "nvmet/hosts/c", NULL);
	k->before_call = vanish;
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nd c\n");
}

/* An error that is not the attribute's own must not pass for an unreadable attribute. */
static void test_scan_without_memory(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, "nvmet/a", "1\n")->error = EMFILE;
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet", NULL), EMFILE);
}

static void test_readlink(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_LINK, "nvmet/l", "nvmet/hosts/h");
	assert_int_equal(run(f, OP_READLINK, 0, "nvmet/l", NULL), 0);
	assert_string_equal(f->data, "nvmet/hosts/h");
}

static void test_system(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	assert_int_equal(strncmp(f->data, "release 6.12.0-tiny\nconfigfs 1\nnvmet 1\ntarget 0\ncpus ", 53), 0);
	tiny_put(&f->kernel, KFS_DIR, "target", NULL);
	tiny_find(&f->kernel, "nvmet")->error = ENOENT;
	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	assert_non_null(strstr(f->data, "nvmet 0\ntarget 1\n"));
}

static void test_what_the_kernel_has(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_HAS_MODULE, 0, "nvmet_tcp", NULL), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_MODULE, 0, "nvmet-fc", NULL), 0);
	assert_string_equal(f->data, "no");
	assert_int_equal(run(f, OP_HAS_MODULE, 0, "usb-storage", NULL), EINVAL);
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "NVME_TARGET_AUTH", NULL), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "PCI_P2PDMA", NULL), 0);
	assert_string_equal(f->data, "unknown");
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "../etc/shadow", NULL), EINVAL);
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "192.0.2.1"), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "192.0.2.7"), 0);
	assert_string_equal(f->data, "no");
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "example.org"), EINVAL);
}

static void test_configfs_is_looked_for(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *spec = strf("configfs:%s", top);

	settings.kernel = spec;
	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	settings.kernel = "fake:/nowhere";
	assert_non_null(strstr(f->data, "configfs 0\n"));
}

static void test_wait_change(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *spec = strf("configfs:%s", top), *folder = strf("%s/nvmet", top), *file = strf("%s/a", folder);
	pid_t child;

	/* Not a kernel whose changes could be seen; nor may it seem as if there had been one. */
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), EOPNOTSUPP);
	settings.kernel = spec;
	/* Absent: at once. */
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	child = fork();
	if (child == 0) {
		usleep(50000);
		put_file(file, "x", 0600);
		_exit(0);
	}
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	settings.kernel = "fake:/nowhere";
	unlink(file);
	rmdir(folder);
}

/* ---- devices and files ---- */

static void test_probe(void **state)
{
	struct fixture *f = *state;
	struct kfs_probe *p = &f->kernel.probe;

	*p = (struct kfs_probe){ .size = 1 << 20, .logical_block_size = 512, .major = 253, .minor = 16, .type = 'b' };
	assert_int_equal(run(f, OP_PROBE, OP_WANT_BLOCK | OP_DIRECT, "/dev/vdb", NULL), 0);
	assert_string_equal(f->data, "size 1048576\nblock_size 512\ntype b\nmajor 253\nminor 16\nholder \n");
	assert_int_equal(run(f, OP_PROBE, OP_WANT_FILE, "/dev/vdb", NULL), EINVAL);
	assert_says(f, "/dev/vdb is a block device");
	snprintf(p->holder, sizeof(p->holder), "mounted on /mnt");
	assert_int_equal(run(f, OP_PROBE, 0, "/dev/vdb", NULL), 0);
	assert_int_equal(run(f, OP_PROBE, OP_EXCLUSIVE, "/dev/vdb", NULL), EBUSY);
	assert_says(f, "/dev/vdb is mounted on /mnt");
	*p = (struct kfs_probe){ .size = 0, .type = 'f' };
	assert_int_equal(run(f, OP_PROBE, 0, "/srv/x", NULL), ENXIO);
	assert_says(f, "is empty");
	assert_int_equal(run(f, OP_PROBE, OP_WANT_BLOCK, "/srv/x", NULL), ENOTBLK);
}

static void test_probe_errors(void **state)
{
	static const struct { int code; const char *path, *words; } cases[] = {
		{ ENOENT, "/dev/vdb", "/dev/vdb does not exist" },
		{ EISDIR, "/tmp", "/tmp is a folder" },
		{ ENOTBLK, "/dev/null", "/dev/null is a character device" },
		{ ENOTBLK, "/nowhere", "/nowhere is neither a regular file nor a block device" },
		{ EACCES, "/dev/vdb", "/dev/vdb is read-only" },
		{ EROFS, "/dev/vdb", "/dev/vdb is read-only" },
		{ EINVAL, "/srv/x", "set buffered_io" },
		{ ENXIO, "/dev/vdb", "has no device behind it" },
		{ ELOOP, "/srv/x", "cannot be opened: Too many levels" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->kernel.probe_error = cases[i].code;
		assert_int_equal(run(f, OP_PROBE, OP_DIRECT, cases[i].path, NULL), cases[i].code);
		assert_says(f, cases[i].words);
	}
}

static void test_files(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_CREATE_FILE, 0, "/srv/x", "4096"), 0);
	assert_string_equal(f->data, "created");
	f->kernel.file_error = EEXIST;
	assert_int_equal(run(f, OP_CREATE_FILE, 0, "/srv/x", "4096"), 0);
	assert_string_equal(f->data, "existed");
	f->kernel.file_error = ENOSPC;
	assert_int_equal(run(f, OP_CREATE_FILE, 0, "/srv/x", "4096"), ENOSPC);
	assert_says(f, "/srv/x cannot be made: No space");
	f->kernel.file_error = EINVAL;
	assert_int_equal(run(f, OP_GROW_FILE, 0, "/srv/x", "4096"), EINVAL);
	assert_says(f, "never shrunk");
}

static void test_moving(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *file = strf("%s/backing", top);

	/* Nothing there, and a file on a disk that works: fine. */
	assert_int_equal(run(f, OP_CHECK_MOVING, 0, "/dev/nothing-here", NULL), 0);
	put_file(file, "x", 0600);
	assert_int_equal(run(f, OP_CHECK_MOVING, 0, file, NULL), 0);
	unlink(file);
}

/* ---- the daemon's own files ---- */

static void test_own_files(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = strf("%s/journal", state_dir), *text = NULL;
	struct stat st;

	assert_int_equal(run(f, OP_FILE_READ, 0, path, NULL), ENOENT);
	assert_int_equal(run(f, OP_FILE_READ, OP_MAY_BE_ABSENT, path, NULL), 0);
	assert_null(f->data);
	assert_int_equal(run(f, OP_FILE_APPEND, 0, path, "one\n"), 0);
	assert_int_equal(run(f, OP_FILE_APPEND, 0, path, "two\n"), 0);
	assert_int_equal(run(f, OP_FILE_READ, 0, path, NULL), 0);
	assert_string_equal(f->data, "one\ntwo\n");
	assert_int_equal(run(f, OP_FILE_CUT, 0, path, "100"), 0);
	assert_int_equal(run(f, OP_FILE_CUT, 0, path, "8"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(run(f, OP_FILE_CUT, 0, path, "4"), 0);
	assert_int_equal(run(f, OP_FILE_READ, 0, path, NULL), 0);
	assert_string_equal(f->data, "one\n");
	assert_int_equal(run(f, OP_FILE_REPLACE, 0, path, "three\n"), 0);
	text = get_file(path);
	assert_string_equal(text, "three\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(run(f, OP_FILE_REMOVE, 0, path, NULL), 0);
	assert_int_equal(run(f, OP_FILE_REMOVE, 0, path, NULL), ENOENT);
	assert_int_equal(run(f, OP_FILE_CUT, 0, path, "0"), ENOENT);
	assert_int_equal(run(f, OP_FILE_REMOVE, OP_MAY_BE_ABSENT, path, NULL), 0);
	assert_null(f->message);
}

static void test_own_files_and_links(void **state)
{
	static const enum op_verb verbs[] = { OP_FILE_REPLACE, OP_FILE_APPEND, OP_FILE_CUT, OP_FILE_REMOVE, OP_FILE_READ };
	struct fixture *f = *state;
	_cleanup_free_ char *victim = strf("%s/victim", top), *link = strf("%s/link", state_dir), *text = NULL;
	_cleanup_free_ char *folder = strf("%s/folder", state_dir), *through = strf("%s/victim", folder);

	put_file(victim, "mine", 0600);
	assert_int_equal(symlink(victim, link), 0);
	assert_int_equal(symlink(top, folder), 0);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		assert_int_equal(run(f, verbs[i], 0, link, "1"), EINVAL);
		assert_says(f, "no regular file");
		assert_int_equal(run(f, verbs[i], 0, through, "1"), ELOOP);
		assert_says(f, "cannot be reached");
	}
	text = get_file(victim);
	assert_string_equal(text, "mine");
	unlink(victim);
	unlink(link);
	unlink(folder);
}

/* ---- who is connected ---- */

static int listen_at(int family, const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	assert_true(fd >= 0);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_int_equal(bind(fd, addr, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static size_t lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static size_t connections(struct fixture *f, const char *adrfam, const char *addr, uint16_t port)
{
	_cleanup_free_ char *value = strf("tcp %s %s %u", adrfam, addr, port);

	if (run(f, OP_IN_USE, 0, "ports/1", value))
		fail_msg("%s: %s", value, f->message);
	return lines(f->data);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void test_in_use_tcp(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	_cleanup_close_ int listener = listen_at(AF_INET, (struct sockaddr *)&here, sizeof(here));
	_cleanup_close_ int one = -1, two = -1, served = -1;
	_cleanup_free_ char *before = NULL;
	uint16_t port;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &len), 0);
	port = ntohs(here.sin_port);
	/* A listener is no connection; nor is the client's end, which has another local port. */
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 0);
	one = connect_to(port);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
	before = strdup(f->data);
	two = connect_to(port);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 2);
	/* The first keeps its cookie. */
	assert_non_null(strstr(f->data, before));
	assert_int_equal(connections(f, "ipv4", "0.0.0.0", port), 2);
	assert_int_equal(connections(f, "ipv6", "::", port), 2);
	assert_int_equal(connections(f, "ipv4", "127.0.0.2", port), 0);
	assert_int_equal(connections(f, "ipv6", "::1", port), 0);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", (uint16_t)(port ^ 1)), 0);
	served = accept(listener, NULL, NULL);
	close(one);
	one = -1;
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
}

static void test_in_use_mapped(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in6 here = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(here);
	_cleanup_close_ int listener = -1, one = -1, probe = socket(AF_INET6, SOCK_STREAM, 0);
	uint16_t port;

	if (probe < 0)
		skip();
	listener = listen_at(AF_INET6, (struct sockaddr *)&here, sizeof(here));
	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &len), 0);
	port = ntohs(here.sin6_port);
	one = connect_to(port);
	/* Over IPv4 to a socket of IPv6: its address is a mapped one. */
	assert_int_equal(connections(f, "ipv6", "::", port), 1);
	assert_int_equal(connections(f, "ipv4", "0.0.0.0", port), 1);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
	assert_int_equal(connections(f, "ipv6", "::1", port), 0);
}

static void test_in_use_others(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "rdma ipv4 192.0.2.1 4420"), 0);
	assert_string_equal(f->data, "unknown\n");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "fc fc x y"), 0);
	assert_string_equal(f->data, "unknown\n");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "loop - - -"), 0);
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "tcp ipv4 - -"), 0);
	assert_string_equal(f->data, "");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "tcp"), EINVAL);
	assert_says(f, "no address of a port");
}

/* ---- the whole ---- */

static int make_folders(void **state)
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

static int remove_folders(void **state)
{
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_kernel_paths),
		TEST(test_paths_of_devices),
		TEST(test_modules),
		TEST(test_tunables),
		TEST(test_own_files_elsewhere),
		TEST(test_unknown_verb),
		TEST(test_refusal_keeps_value),
		TEST(test_stops_at_first_failure),
		TEST(test_orphan_stops),
		TEST(test_page),
		TEST(test_page_names_the_step_among_several),
		TEST(test_absent_and_existing),
		TEST(test_write),
		TEST(test_check_back),
		TEST(test_trap_3_enable_without_device),
		TEST(test_enable_behind_device),
		TEST(test_unmap_before_enable),
		TEST(test_trap_4_lu_group),
		TEST(test_secret),
		TEST(test_secret_that_cannot_be_hidden),
		TEST(test_secret_line_end),
		TEST(test_secret_files),
		TEST(test_credential),
		TEST(test_keep_secret),
		TEST(test_store_secret),
		TEST(test_scan),
		TEST(test_scan_of_some),
		TEST(test_scan_costs),
		TEST(test_scan_leaves_out),
		TEST(test_scan_of_what_goes),
		TEST(test_scan_folder_vanishes),
		TEST(test_scan_without_memory),
		TEST(test_readlink),
		TEST(test_system),
		TEST(test_what_the_kernel_has),
		TEST(test_configfs_is_looked_for),
		TEST(test_wait_change),
		TEST(test_probe),
		TEST(test_probe_errors),
		TEST(test_files),
		TEST(test_moving),
		TEST(test_own_files),
		TEST(test_own_files_and_links),
		TEST(test_in_use_tcp),
		TEST(test_in_use_mapped),
		TEST(test_in_use_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
