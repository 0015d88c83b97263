/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a worker reads, makes and changes: secrets, those of backends, and the daemon's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/text.h"
#include "tests/unit/worker-help.h"

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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_secret),
		TEST(test_secret_that_cannot_be_hidden),
		TEST(test_secret_line_end),
		TEST(test_secret_files),
		TEST(test_credential),
		TEST(test_keep_secret),
		TEST(test_store_secret),
		TEST(test_probe),
		TEST(test_probe_errors),
		TEST(test_files),
		TEST(test_moving),
		TEST(test_own_files),
		TEST(test_own_files_and_links),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
