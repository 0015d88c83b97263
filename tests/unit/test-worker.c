/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does and refuses to do, operation by operation, and how it writes to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/text.h"
#include "tests/unit/worker-help.h"

/* ---- what is refused by its text alone ---- */

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
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
