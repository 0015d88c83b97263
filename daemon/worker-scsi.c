/* SPDX-License-Identifier: Apache-2.0 */
/* What the target tree of LIO needs beside its files: the disks of loopback targets, SCSI addresses, the folder of dbroot, registrations. */
#include <errno.h>

#include "base/file.h"
#include "daemon/worker-private.h"
#include "kernel/aptpl.h"

#define RESTORED_MAX (1u << 20)

/* ---- disks ---- */

/* worker_check() has seen that it is a number. */
static unsigned lun_of(const struct op *op)
{
	uint64_t lun = 0;

	text_to_u64(op->value, &lun);
	return (unsigned)lun;
}

static int say_no_disk(char **message, int code, const char *tpgt)
{
	return worker_say(message, code, "the disk of %s cannot be found: %s", tpgt, code == ENOENT ? "there is none" : strerror(code));
}

int worker_find_disk(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->disk(w->kfs, op->path, lun_of(op), data);

	return r < 0 ? say_no_disk(message, -r, op->path) : 0;
}

/* Without a nexus the kernel never makes a disk of a LUN, and to wait would be in vain. */
static int check_nexus(struct worker *w, const char *tpgt, char **message)
{
	_cleanup_free_ char *path = strf("%s/nexus", tpgt), *text = NULL;
	size_t len;
	int r = path ? w->kfs->ops->read(w->kfs, path, &text, &len) : -ENOMEM;

	return r < 0 ? worker_say(message, -r, "%s has no nexus, so that no disk will come: %s", tpgt, strerror(-r)) : 0;
}

int worker_wait_disk(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = check_nexus(w, op->path, message);

	if (r < 0)
		return r;
	r = w->kfs->ops->wait_disk(w->kfs, op->path, lun_of(op), w->sock, data);
	if (r == -ENXIO)
		return worker_say(message, -r, "what stores its blocks did not answer when the kernel asked what it is, so that there is no disk");
	return r < 0 ? say_no_disk(message, -r, op->path) : 0;
}

int worker_rescan_disk(struct worker *w, const struct op *op, char **data, char **message)
{
	int r = w->kfs->ops->rescan(w->kfs, op->path, lun_of(op));

	return r < 0 ? worker_say(message, -r, "the disk of %s cannot be made to look at its size: %s", op->path,
				  r == -ENOENT ? "there is none" : strerror(-r)) : 0;
}

int worker_write_disk(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *disk = NULL, *line = NULL;
	int r = w->kfs->ops->disk(w->kfs, op->value, 0, &disk);

	if (r < 0)
		return say_no_disk(message, -r, op->value);
	line = strf("%s\n", disk);
	if (!line)
		return -ENOMEM;
	return w->kfs->ops->write(w->kfs, op->path, line, strlen(line));
}

/* ---- files ---- */

static int write_number(struct worker *w, const char *folder, const char *file, const char *key, uint64_t number)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, file), *line = strf("%s%llu\n", key, (unsigned long long)number);

	return path && line ? w->kfs->ops->write(w->kfs, path, line, strlen(line)) : -ENOMEM;
}

static int look_at_file(struct worker *w, const struct op *op, struct kfs_probe *ret, char **message)
{
	int r = w->kfs->ops->probe(w->kfs, op->value, 0, ret);

	return r < 0 ? worker_say(message, -r, "%s cannot be opened: %s", op->value, strerror(-r)) : 0;
}

/* A file as large as it is: the kernel wants to be told. */
int worker_write_file_size(struct worker *w, const struct op *op, char **data, char **message)
{
	struct kfs_probe p = { 0 };
	int r = look_at_file(w, op, &p, message);

	return r < 0 ? r : write_number(w, op->path, "control", "fd_dev_size=", p.size);
}

int worker_write_block_size(struct worker *w, const struct op *op, char **data, char **message)
{
	struct kfs_probe p = { 0 };
	int r = look_at_file(w, op, &p, message);

	return r < 0 ? r : write_number(w, op->path, "attrib/block_size", "", p.logical_block_size);
}

/* ---- SCSI passthrough ---- */

static int write_line(struct worker *w, const char *folder, const char *file, const char *value)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, file), *line = strf("%s\n", value);

	return path && line ? w->kfs->ops->write(w->kfs, path, line, strlen(line)) : -ENOMEM;
}

int worker_write_hctl(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *address = NULL;
	unsigned a[4];
	int r = w->kfs->ops->hctl(w->kfs, op->value, a);

	if (r == -ENOENT)
		return worker_say(message, ENOENT, "%s does not exist", op->value);
	if (r < 0)
		return worker_say(message, -r, "%s %s", op->value,
				  r == -ENODEV ? "is not a SCSI device, nor a whole SCSI disk" : strerror(-r));
	address = strf("scsi_host_id=%u,scsi_channel_id=%u,scsi_target_id=%u,scsi_lun_id=%u", a[0], a[1], a[2], a[3]);
	if (!address)
		return -ENOMEM;
	r = write_line(w, op->path, "udev_path", op->value);
	return r < 0 ? r : write_line(w, op->path, "control", address);
}

/* ---- dbroot, registrations ---- */

int worker_make_dbroot(struct worker *w, const struct op *op, char **data, char **message)
{
	static const char *const folders[] = { "", "pr", "alua" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int r = w->kfs->ops->dbroot_mkdir(w->kfs, folders[i]);

		if (r < 0 && r != -EEXIST)
			return worker_say(message, -r, "the folder%s%s of dbroot, without which no initiator could register, cannot be made: %s",
					  *folders[i] ? " " : "", folders[i], strerror(-r));
	}
	return 0;
}

/*
 * Registrations that were restored wait in the kernel until what they were made by is there again: the ACL and its LUN. Which still wait it does not
 * tell, and its file does not either: it is written when an initiator registers, not when an ACL goes and takes its registrations along.
 * So what was restored is kept in RUN_DIR/restored/SERIAL until all of it was seen in force once. From then on the kernel's own state counts.
 */
static char *restored_path(const struct worker *w, const char *serial)
{
	return strf("%s/restored/%s", w->settings->run_dir, serial);
}

/* NULL as text: nothing is waited for. */
static int keep_restored(const struct worker *w, const char *serial, const char *text, char **message)
{
	_cleanup_free_ char *folder = strf("%s/restored", w->settings->run_dir), *path = restored_path(w, serial);
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r;

	if (!folder || !path)
		return -ENOMEM;
	if (!text)
		return unlink(path) < 0 && errno != ENOENT ? worker_say(message, errno, "%s cannot be removed: %s", path, strerror(errno)) : 0;
	r = file_make_dirs(folder, 0700, &err);
	if (r >= 0)
		r = file_replace(path, text, strlen(text), 0600, &err);
	return r < 0 ? worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r)) : 0;
}

static int parse_registrations(const char *text, size_t len, const char *file, struct aptpl *ret, char **message)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	int r = aptpl_parse(text, len, file, ret, &err);

	return r < 0 ? worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r)) : 0;
}

static int restore_all(struct worker *w, const struct op *op, const struct aptpl *known, char **message)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < known->n; i++) {
		r = write_line(w, op->path, "pr/res_aptpl_metadata", known->items[i].restore);
		if (r < 0)
			worker_say(message, -r, "the registration of %s cannot be restored: %s", known->items[i].node, strerror(-r));
	}
	return r;
}

int worker_restore_registrations(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *file = strf("pr/aptpl_%s", op->value), *text = NULL;
	_cleanup_(aptpl_done) struct aptpl known = { 0 };
	size_t len = 0;
	int r = file ? w->kfs->ops->dbroot_read(w->kfs, file, &text, &len) : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return worker_say(message, -r, "the registrations in %s cannot be read: %s", file ? file : op->value, strerror(-r));
	if (r >= 0)
		r = parse_registrations(text, len, file, &known, message);
	else
		r = 0;
	if (r >= 0)
		r = keep_restored(w, op->value, known.n ? text : NULL, message);
	if (r >= 0)
		r = restore_all(w, op, &known, message);
	if (r >= 0) {
		*data = strf("%zu", known.n);
		r = *data ? 0 : -ENOMEM;
	}
	return r;
}

static int read_below(struct worker *w, const char *folder, const char *file, char **ret)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, file);
	size_t len;

	return path ? w->kfs->ops->read(w->kfs, path, ret, &len) : -ENOMEM;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, line, n) == 0 && (!text[n] || text[n] == '\n'))
			return true;
	return false;
}

/* Nobody can come back for it: its portal group is among those of which it is known who is let in, and the LUN by which it was made is not meant to
 * be mapped any more, nor is. */
static bool is_given_up(struct worker *w, const struct op *op, const struct aptpl_registration *r)
{
	unsigned long long tpgt = r->tpgt, lun = r->mapped_lun;
	_cleanup_free_ char *tpg = strf("targets/iscsi/%s/tpgs/%llu", r->target, tpgt);
	_cleanup_free_ char *mapped = tpg ? strf("%s/acls/%s/mapped_luns/%llu", tpg, r->node, lun) : NULL;
	_cleanup_free_ char *folder = strf("target/iscsi/%s/tpgt_%llu/acls/%s/lun_%llu", r->target, tpgt, r->node, lun);
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };

	if (!mapped || !folder || !streq(r->fabric, "iSCSI") || !kfs_path_ok(folder))
		return false;
	return has_line(op->value, tpg) && !has_line(op->value, mapped) && w->kfs->ops->list(w->kfs, folder, &list) == -ENOENT;
}

static int check_all(struct worker *w, const struct op *op, const struct aptpl *restored, char **message)
{
	_cleanup_free_ char *registered = NULL, *holder = NULL;
	int r = read_below(w, op->path, "pr/res_pr_registered_i_pts", &registered);

	if (r >= 0)
		r = read_below(w, op->path, "pr/res_holder", &holder);
	for (size_t i = 0; r >= 0 && i < restored->n; i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		r = aptpl_check(&restored->items[i], registered, holder, &err);
		if (r == -EUNATCH && is_given_up(w, op, &restored->items[i]))
			r = 0;
		if (r < 0)
			worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r));
	}
	return r;
}

int worker_check_registrations(struct worker *w, const struct op *op, char **data, char **message)
{
	_cleanup_free_ char *serial = strndup(op->value, strcspn(op->value, "\n")), *path = serial ? restored_path(w, serial) : NULL;
	_cleanup_(aptpl_done) struct aptpl restored = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = path ? file_read(path, RESTORED_MAX, &text, &len, &err) : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return worker_say(message, -r, "%s", err.msg ? err.msg : strerror(-r));
	r = parse_registrations(text, len, path, &restored, message);
	if (r >= 0)
		r = check_all(w, op, &restored, message);
	return r < 0 ? r : keep_restored(w, serial, NULL, message);
}
