/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's records from any bytes: decoding, the check of each operation, and then the operations on configfs themselves, on a kernel that accepts
 * everything and asserts that nothing outside of its roots is asked of it. The first byte chooses: work, or a result as the pool reads it.
 */
#include <assert.h>
#include <stdint.h>

#include "base/text.h"
#include "daemon/record.h"
#include "daemon/worker.h"

static const struct pool_settings settings = { .kernel = "fake:/nowhere", .config_dir = "/etc/nvmetctl", .state_dir = "/var/lib/nvmetctl",
					       .run_dir = "/run/nvmetd" };

/* ---- a kernel that takes everything ---- */

static void assert_inside(const char *path)
{
	assert(strncmp(path, "nvmet", 5) == 0 || strncmp(path, "target", 6) == 0);
	assert(*path != '/' && !strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
	assert(strlen(path) < 3 || !streq(path + strlen(path) - 3, "/.."));
	assert(!strpbrk(path, "\n\t\x7f"));
}

static int any_path(struct kfs *k, const char *path)
{
	assert_inside(path);
	return 0;
}

static int any_write(struct kfs *k, const char *path, const void *value, size_t len)
{
	assert_inside(path);
	assert(len > 0 && len <= KFS_VALUE_MAX);
	return 0;
}

static int any_read(struct kfs *k, const char *path, char **ret, size_t *ret_len)
{
	assert_inside(path);
	*ret = strdup(strstr(path, "device_path") ? "(null)\n" : "1\n");
	*ret_len = strlen(*ret);
	return 0;
}

static int any_list(struct kfs *k, const char *path, struct kfs_list *ret)
{
	size_t depth = 0;

	assert_inside(path);
	for (const char *s = path; *s; s++)
		depth += *s == '/';
	kfs_list_add(ret, "attr", KFS_ATTR);
	kfs_list_add(ret, "dhchap_key", KFS_ATTR);
	kfs_list_add(ret, "a link", KFS_LINK);
	kfs_list_add(ret, "odd\nname", KFS_DIR);
	return depth < 3 ? kfs_list_add(ret, "folder", KFS_DIR) : 0;
}

static int any_link(struct kfs *k, const char *path, const char *target)
{
	assert_inside(path);
	assert_inside(target);
	return 0;
}

static int any_readlink(struct kfs *k, const char *path, char **ret)
{
	assert_inside(path);
	*ret = strdup("nvmet/hosts/h");
	return 0;
}

static const struct kfs_ops ops = {
	.mkdir = any_path,
	.rmdir = any_path,
	.write = any_write,
	.read = any_read,
	.list = any_list,
	.link = any_link,
	.unlink = any_path,
	.readlink = any_readlink,
	.hide = any_path,
};

/* ---- the rest, which must not be done here: that what passes is what may pass ---- */

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/' && path[n + 1];
}

static void assert_own(const struct op *op)
{
	const char *path = op->path;

	assert(!strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//"));
	assert(strlen(path) < 3 || !streq(path + strlen(path) - 3, "/.."));
	assert(is_below(path, settings.config_dir) || is_below(path, settings.state_dir) || is_below(path, settings.run_dir));
	assert(!is_below(path, "/etc/nvmetctl/secrets") && !is_below(path, "/run/nvmetd/workers"));
	assert(op->verb != OP_FILE_READ || is_below(path, settings.state_dir));
}

static void assert_allowed(const struct op *op)
{
	switch (op->verb) {
	case OP_FILE_REPLACE:
	case OP_FILE_CUT:
	case OP_FILE_APPEND:
	case OP_FILE_REMOVE:
	case OP_FILE_READ:
		assert_own(op);
		break;
	case OP_STORE_SECRET:
		assert(*op->path && *op->path != '.' && !strchr(op->path, '/') && op->value);
		break;
	case OP_KEEP_SECRET:
		assert(*op->path && *op->path != '.' && !strchr(op->path, '/') && kfs_path_ok(op->value));
		break;
	case OP_LOAD_MODULE:
		assert(!strpbrk(op->path, "/. "));
		break;
	case OP_PROBE:
	case OP_CREATE_FILE:
	case OP_GROW_FILE:
	case OP_REMOVE_FILE:
	case OP_CHECK_MOVING:
		assert(*op->path == '/' && !strstr(op->path, "/../"));
		break;
	case OP_FIND_DISK:
	case OP_WAIT_DISK:
	case OP_RESCAN_DISK:
		assert(strncmp(op->path, "target/loopback/", 16) == 0);
		assert_inside(op->path);
		break;
	case OP_WRITE_DISK:
		assert(strncmp(op->path, "nvmet/subsystems/", 17) == 0 && strncmp(op->value, "target/loopback/", 16) == 0);
		assert_inside(op->path);
		assert_inside(op->value);
		break;
	case OP_WRITE_HCTL:
	case OP_RESTORE_REGISTRATIONS:
	case OP_CHECK_REGISTRATIONS:
		assert(strncmp(op->path, "target/core/", 12) == 0);
		assert_inside(op->path);
		assert(op->verb == OP_WRITE_HCTL ? *op->value == '/' : !memchr(op->value, '/', strcspn(op->value, "\n")));
		break;
	default:
		break;
	}
}

static bool is_for_configfs(const struct op *op)
{
	switch (op->verb) {
	case OP_MKDIR:
	case OP_RMDIR:
	case OP_WRITE:
	case OP_LINK:
	case OP_UNLINK:
	case OP_SCAN:
	case OP_SCAN_SOME:
	case OP_READLINK:
		return true;
	default:
		return false;
	}
}

/* What was scanned must be readable by who asked. */
static void read_back(const char *scan)
{
	_cleanup_free_ char *copy = strdup(scan);
	char *at = copy;
	struct scan_entry e;
	int r;

	while ((r = scan_next(&at, &e)) > 0)
		;
	assert(r == 0);
}

static void run_op(const struct op *op)
{
	struct kfs kernel = { .ops = &ops };
	struct worker w = { .settings = &settings, .kfs = &kernel, .sock = -1 };
	struct oplist list = { .items = (struct op *)op, .n = 1 };
	_cleanup_free_ char *message = NULL, *refusal = NULL, *data = NULL, *text = op_text(op);
	size_t done;

	assert(text);
	if (worker_check(&settings, op, &refusal) < 0) {
		assert(refusal);
		return;
	}
	assert_allowed(op);
	if (is_for_configfs(op) && worker_run(&w, &list, &done, &data, &message) == 0 && (op->verb == OP_SCAN || op->verb == OP_SCAN_SOME))
		read_back(data);
}

static void take_work(unsigned char *msg, size_t len)
{
	_cleanup_(record_work_done) struct record_work work = { 0 };
	_cleanup_(buffer_done) struct buffer b = { 0 };

	if (record_get_work(msg, len, &work) < 0)
		return;
	/* What was understood says the same when it is written again. */
	assert(record_put_work(&b, work.label, work.queue, work.token, &work.ops) == 0);
	assert(b.len == len + 4 && memcmp(b.data + 4, msg, len) == 0);
	for (size_t i = 0; i < work.ops.n; i++)
		run_op(&work.ops.items[i]);
}

static void take_result(unsigned char *msg, size_t len)
{
	_cleanup_(record_result_done) struct record_result r = { 0 };
	_cleanup_(buffer_done) struct buffer b = { 0 };

	if (record_get_result(msg, len, &r) < 0)
		return;
	assert(record_put_result(&b, r.error, r.done, r.data, r.message) == 0);
	assert(b.len == len + 4 && memcmp(b.data + 4, msg, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ unsigned char *msg = NULL;

	if (!size)
		return 0;
	record_complete(data + 1, size - 1);
	msg = malloc(size > 1 ? size - 1 : 1);
	memcpy(msg, data + 1, size - 1);
	if (data[0] & 1)
		take_work(msg, size - 1);
	else
		take_result(msg, size - 1);
	return 0;
}
