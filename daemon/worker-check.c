/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does at all: the closed list of verbs, and what each may name. It is judged by text alone and before anything is touched; that no
 * link leads away from a path that passed is seen to where the path is opened.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>

#include "base/text.h"
#include "daemon/worker-private.h"
#include "model/address.h"

#define LUN_MAX 16383		/* of a disk: what fits into 14 bits of its address */
#define SERIAL_MAX 253		/* target_core_configfs.c */

enum path_rule {
	PATH_KERNEL,	/* below one of the two roots */
	PATH_ABSOLUTE,	/* a device or file of the administrator */
	PATH_OWN,	/* below one of the daemon's folders */
	PATH_KEPT,	/* below the folder of state, to be read */
	PATH_SECRET,	/* a name in the folder of secrets */
	PATH_MODULE,
	PATH_TUNABLE,
	PATH_OPTION,	/* of the kernel's configuration */
	PATH_LOOPBACK,	/* a tpgt folder of a loopback target */
	PATH_DEVICE_PATH, /* of a namespace */
	PATH_STORAGE,	/* a storage object of target/core */
	PATH_UNUSED,
};

enum value_rule {
	VALUE_UNUSED,
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_KERNEL,	/* a path below one of the two roots */
	VALUE_FOLDERS,	/* such paths, one a line */
	VALUE_LUN,
	VALUE_LOOPBACK,
	VALUE_LEFT_OUT,	/* of folders, or none */
	VALUE_ADDRESS,
	VALUE_DEVICE,
	VALUE_SERIAL,	/* ends a file's name */
	VALUE_SERIAL_FIRST, /* that, and lines that are only compared */
};

static const struct rule {
	enum path_rule path;
	enum value_rule value;
} rules[] = {
	[OP_MKDIR] = { PATH_KERNEL },
	[OP_RMDIR] = { PATH_KERNEL },
	[OP_WRITE] = { PATH_KERNEL, VALUE_TEXT },
	[OP_WRITE_SECRET] = { PATH_KERNEL, VALUE_TEXT },
	[OP_LINK] = { PATH_KERNEL, VALUE_KERNEL },
	[OP_UNLINK] = { PATH_KERNEL },
	[OP_LOAD_MODULE] = { PATH_MODULE },
	[OP_TUNE] = { PATH_TUNABLE, VALUE_NUMBER },
	[OP_EXPEDITE] = { PATH_TUNABLE, VALUE_NUMBER },
	[OP_PROBE] = { PATH_ABSOLUTE },
	[OP_CREATE_FILE] = { PATH_ABSOLUTE, VALUE_NUMBER },
	[OP_GROW_FILE] = { PATH_ABSOLUTE, VALUE_NUMBER },
	[OP_REMOVE_FILE] = { PATH_ABSOLUTE },
	[OP_CHECK_MOVING] = { PATH_ABSOLUTE },
	[OP_SCAN] = { PATH_KERNEL, VALUE_LEFT_OUT },
	[OP_SCAN_SOME] = { PATH_KERNEL, VALUE_TEXT },
	[OP_READLINK] = { PATH_KERNEL },
	[OP_IN_USE] = { PATH_UNUSED, VALUE_TEXT },
	[OP_WAIT_CHANGE] = { PATH_UNUSED, VALUE_FOLDERS },
	[OP_SYSTEM] = { PATH_UNUSED },
	[OP_HAS_MODULE] = { PATH_MODULE },
	[OP_HAS_OPTION] = { PATH_OPTION },
	[OP_HAS_ADDRESS] = { PATH_UNUSED, VALUE_ADDRESS },
	[OP_FILE_REPLACE] = { PATH_OWN, VALUE_TEXT },
	[OP_FILE_APPEND] = { PATH_OWN, VALUE_TEXT },
	[OP_FILE_CUT] = { PATH_OWN, VALUE_NUMBER },
	[OP_FILE_REMOVE] = { PATH_OWN },
	[OP_FILE_READ] = { PATH_KEPT },
	[OP_STORE_SECRET] = { PATH_SECRET, VALUE_TEXT },
	[OP_KEEP_SECRET] = { PATH_SECRET, VALUE_KERNEL },
	[OP_FIND_DISK] = { PATH_LOOPBACK, VALUE_LUN },
	[OP_WAIT_DISK] = { PATH_LOOPBACK, VALUE_LUN },
	[OP_RESCAN_DISK] = { PATH_LOOPBACK, VALUE_LUN },
	[OP_WRITE_DISK] = { PATH_DEVICE_PATH, VALUE_LOOPBACK },
	[OP_WRITE_FILE_SIZE] = { PATH_STORAGE, VALUE_DEVICE },
	[OP_WRITE_BLOCK_SIZE] = { PATH_STORAGE, VALUE_DEVICE },
	[OP_EXPECT] = { PATH_KERNEL, VALUE_TEXT },
	[OP_WRITE_HCTL] = { PATH_STORAGE, VALUE_DEVICE },
	[OP_MAKE_DBROOT] = { PATH_UNUSED },
	[OP_RESTORE_REGISTRATIONS] = { PATH_STORAGE, VALUE_SERIAL },
	[OP_CHECK_REGISTRATIONS] = { PATH_STORAGE, VALUE_SERIAL_FIRST },
};
_Static_assert(ARRAY_SIZE(rules) == OP_VERB_MAX, "each verb has its rule");

/* Absolute, and nothing in it that means something else than it says. */
static bool is_absolute(const char *path)
{
	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if (!n || n > NAME_MAX || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
				return false;
		path += n;
	}
	return true;
}

/* What stands behind FOLDER/ in the path; NULL when it is not below it. */
static const char *below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return n && strncmp(path, folder, n) == 0 && path[n] == '/' && path[n + 1] ? path + n + 1 : NULL;
}

static bool is_or_below(const char *name, const char *folder)
{
	return streq(name, folder) || below(name, folder);
}

/* Secrets are written by their own verb and never read; the workers' files are the workers' own. */
static bool is_kept_apart(const struct pool_settings *s, const char *path)
{
	const char *in_config = below(path, s->config_dir), *in_run = below(path, s->run_dir);

	return (in_config && is_or_below(in_config, "secrets")) || (in_run && is_or_below(in_run, "workers"));
}

static bool is_own(const struct pool_settings *s, const char *path)
{
	return is_absolute(path) && !is_kept_apart(s, path) &&
	       (below(path, s->config_dir) || below(path, s->state_dir) || below(path, s->run_dir));
}

static bool is_secret_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX && text_is_printable_ascii(name);
}

/* Modules of the two targets, their transports and their disks, however their names are spelled. */
static bool is_module(const char *name)
{
	static const char *const families[] = {
		"configfs", "nvme", "target_core_", "iscsi_target_mod", "tcm_", "vhost_scsi", "ib_isert", "ib_srpt",
		"qla2xxx", "sbp_target", "xen_scsiback", "sd_mod",
	};
	char plain[64];
	size_t n = strlen(name);

	if (n >= sizeof(plain) || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n)
		return false;
	for (size_t i = 0; i <= n; i++)
		plain[i] = name[i] == '-' ? '_' : name[i];
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (strncmp(plain, families[i], strlen(families[i])) == 0)
			return true;
	return false;
}

static bool is_option(const char *name)
{
	size_t n = strlen(name);

	return n && n < 64 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

/* That the path has the pattern, of which a '*' is a component or the rest of one; for patterns that fix everything else. */
static bool is_path_of(const char *path, const char *pattern)
{
	return kfs_path_ok(path) && fnmatch(pattern, path, FNM_PATHNAME) == 0;
}

static bool is_loopback(const char *path)
{
	return is_path_of(path, "target/loopback/*/tpgt_*");
}

static bool path_ok(const struct pool_settings *s, enum path_rule rule, const char *path)
{
	switch (rule) {
	case PATH_KERNEL:
		return kfs_path_ok(path);
	case PATH_ABSOLUTE:
		return is_absolute(path);
	case PATH_OWN:
		return is_own(s, path);
	case PATH_KEPT:
		return is_own(s, path) && below(path, s->state_dir);
	case PATH_SECRET:
		return is_secret_name(path);
	case PATH_MODULE:
		return is_module(path);
	case PATH_TUNABLE:
		return streq(path, "tcm_loop/can_queue") || streq(path, "rcu_expedited");
	case PATH_OPTION:
		return is_option(path);
	case PATH_LOOPBACK:
		return is_loopback(path);
	case PATH_DEVICE_PATH:
		return is_path_of(path, "nvmet/subsystems/*/namespaces/*/device_path");
	case PATH_STORAGE:
		return is_path_of(path, "target/core/*_*/*");
	case PATH_UNUSED:
		return true;
	}
	return false;
}

static bool folders_ok(const char *list)
{
	while (*list) {
		size_t n = strcspn(list, "\n");
		_cleanup_free_ char *path = strndup(list, n);

		if (!path || !kfs_path_ok(path))
			return false;
		list += n + (list[n] == '\n');
	}
	return true;
}

static bool is_serial(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] == '/' || s[i] < 0x20 || s[i] > 0x7e)
			return false;
	return n && n <= SERIAL_MAX;
}

static bool value_ok(enum value_rule rule, const char *value)
{
	struct ip_address address;
	uint64_t number;

	switch (rule) {
	case VALUE_UNUSED:
		return true;
	case VALUE_TEXT:
		return value;
	case VALUE_NUMBER:
		return value && text_to_u64(value, &number) >= 0;
	case VALUE_KERNEL:
		return value && kfs_path_ok(value);
	case VALUE_FOLDERS:
		return value && folders_ok(value);
	case VALUE_LEFT_OUT:
		return !value || folders_ok(value);
	case VALUE_LUN:
		return value && text_to_u64(value, &number) >= 0 && number <= LUN_MAX;
	case VALUE_LOOPBACK:
		return value && is_loopback(value);
	case VALUE_ADDRESS:
		return value && ip_parse(value, &address);
	case VALUE_DEVICE:
		return value && is_absolute(value);
	case VALUE_SERIAL:
		return value && is_serial(value, strlen(value));
	case VALUE_SERIAL_FIRST:
		return value && is_serial(value, strcspn(value, "\n"));
	}
	return false;
}

/* The kernel strips it, takes the group away, and comes down at the next ALUA state (kernel-abi 12, trap 4). */
static bool takes_lu_group(const struct op *op)
{
	static const char blanks[] = " \t\n\v\f\r";
	size_t n = strlen(op->path);
	const char *word;

	if (op->verb != OP_WRITE || n < 11 || !streq(op->path + n - 11, "/alua_lu_gp"))
		return false;
	word = op->value + strspn(op->value, blanks);
	return strncmp(word, "NULL", 4) == 0 && !word[4 + strspn(word + 4, blanks)];
}

int worker_check(const struct pool_settings *s, const struct op *op, char **message)
{
	const struct rule *rule;

	if (op->verb >= OP_VERB_MAX || !op->path)
		return worker_say(message, EINVAL, "a worker was asked for something that it does not do");
	rule = &rules[op->verb];
	if (!path_ok(s, rule->path, op->path))
		return worker_say(message, EINVAL, "a worker does not %s \"%.200s\": that is outside of what it may touch",
				  op_verb_to_str(op->verb), op->path);
	/* The value may be a secret: it is not repeated. */
	if (!value_ok(rule->value, op->value))
		return worker_say(message, EINVAL, "a worker does not %s \"%.200s\" with such a value", op_verb_to_str(op->verb),
				  op->path);
	if (takes_lu_group(op))
		return worker_say(message, EINVAL, "a device without an LU group makes the kernel fail later; to give it back to the default one, remove its group");
	return 0;
}

bool worker_changes_own_files(const struct op *op)
{
	return op->verb < OP_VERB_MAX && (rules[op->verb].path == PATH_OWN || rules[op->verb].path == PATH_SECRET);
}
