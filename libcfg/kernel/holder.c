/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has a block device: the kernel tells only that somebody has. What can be found out is what uses it through the kernel: file systems, swap,
 * devices on top of it, storage objects of target/core; and the same of its partitions, or of the disk that it is a partition of, since
 * an exclusive opener of one excludes those of the other.
 */
#include "kernel/holder.h"

#include <dirent.h>
#include <errno.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/text.h"

static bool is_device(const char *path, dev_t dev)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

static bool find_mount(dev_t dev, char *ret, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool found = false;

	while (f && !found && (m = getmntent(f))) {
		/* Only what names a device: stat of a dead network mount could hang. */
		found = *m->mnt_fsname == '/' && is_device(m->mnt_fsname, dev);
		if (found)
			snprintf(ret, size, "mounted on %s", m->mnt_dir);
	}
	if (f)
		endmntent(f);
	return found;
}

static bool find_swap(dev_t dev, char *ret, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/swaps", "re");
	char path[256];
	bool found = false;

	/* The first line is a heading. */
	while (f && !found && fscanf(f, "%255s%*[^\n]", path) == 1)
		found = *path == '/' && is_device(path, dev);
	if (found)
		snprintf(ret, size, "used as swap");
	return found;
}

/* The first line of a file; NULL when there is none. */
static char *read_line(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[512];

	if (!f || !fgets(line, sizeof(line), f))
		return NULL;
	line[strcspn(line, "\n")] = 0;
	return strdup(line);
}

/* Devices stacked on it (device mapper, md). */
static bool find_stacked(dev_t dev, char *ret, size_t size)
{
	_cleanup_free_ char *path = strf("/sys/dev/block/%u:%u/holders", major(dev), minor(dev));
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		_cleanup_free_ char *file = NULL, *name = NULL;

		if (*e->d_name == '.')
			continue;
		found = true;
		file = strf("%s/%s/dm/name", path, e->d_name);
		name = file ? read_line(file) : NULL;
		snprintf(ret, size, "held by /dev/%s%s", name ? "mapper/" : "", name ? name : e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The device that a storage object opened: iblock tells it among others ("iBlock device: vda  UDEV PATH: /dev/vda  readonly: 0"); in the file
 * udev_path anything may stand, but for pscsi, which opens that. */
static char *storage_device(const char *folder)
{
	static const char word[] = "UDEV PATH: ";
	_cleanup_free_ char *info = strf("%s/info", folder), *udev_path = strf("%s/udev_path", folder);
	_cleanup_fclose_ FILE *f = info ? fopen(info, "re") : NULL;
	char text[4097];
	const char *at;

	if (!f || !udev_path)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	at = strstr(text, word);
	if (!at)
		return read_line(udev_path);
	at += sizeof(word) - 1;
	return strndup(at, strcspn(at, " \n"));
}

static bool find_storage_object_in(const char *core, const char *hba, dev_t dev, char *ret, size_t size)
{
	_cleanup_free_ char *folder = strf("%s/%s", core, hba);
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		_cleanup_free_ char *object = NULL, *device = NULL;

		if (*e->d_name == '.' || e->d_type != DT_DIR)
			continue;
		object = strf("%s/%s", folder, e->d_name);
		device = object ? storage_device(object) : NULL;
		found = device && *device == '/' && is_device(device, dev);
		if (found)
			snprintf(ret, size, "held by the storage object target/core/%s/%s", hba, e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool find_storage_object(const char *configfs, dev_t dev, char *ret, size_t size)
{
	_cleanup_free_ char *core = strf("%s/target/core", configfs);
	DIR *dir = core ? opendir(core) : NULL;
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir)))
		if (strncmp(e->d_name, "iblock_", 7) == 0 || strncmp(e->d_name, "pscsi_", 6) == 0)
			found = find_storage_object_in(core, e->d_name, dev, ret, size);
	if (dir)
		closedir(dir);
	return found;
}

static bool find_user(dev_t dev, const char *configfs, char *ret, size_t size)
{
	return find_mount(dev, ret, size) || find_swap(dev, ret, size) || find_stacked(dev, ret, size) ||
	       find_storage_object(configfs, dev, ret, size);
}

/* The device of a folder of sysfs. */
static bool read_dev(const char *folder, dev_t *ret)
{
	_cleanup_free_ char *path = strf("%s/dev", folder), *text = path ? read_line(path) : NULL;
	unsigned maj, min;

	if (!text || sscanf(text, "%u:%u", &maj, &min) != 2)
		return false;
	*ret = makedev(maj, min);
	return true;
}

static bool is_partition(const char *folder)
{
	_cleanup_free_ char *path = strf("%s/partition", folder);

	return path && access(path, F_OK) == 0;
}

static bool find_user_of_partition(const char *disk, const char *configfs, char *ret, size_t size)
{
	DIR *dir = opendir(disk);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		_cleanup_free_ char *folder = strf("%s/%s", disk, e->d_name);
		char who[192];
		dev_t dev;

		if (*e->d_name == '.' || !folder || !is_partition(folder) || !read_dev(folder, &dev))
			continue;
		found = find_user(dev, configfs, who, sizeof(who));
		if (found)
			snprintf(ret, size, "in use: its partition /dev/%s is %s", e->d_name, who);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool find_user_of_disk(const char *partition, const char *configfs, char *ret, size_t size)
{
	_cleanup_free_ char *folder = strf("%s/..", partition);
	char who[192];
	dev_t dev;

	if (!folder || !is_partition(partition) || !read_dev(folder, &dev) || !find_user(dev, configfs, who, sizeof(who)))
		return false;
	snprintf(ret, size, "in use: the disk that it is a partition of is %s", who);
	return true;
}

void device_holder(dev_t dev, const char *configfs, char *ret, size_t size)
{
	_cleanup_free_ char *folder = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));

	if (!find_user(dev, configfs, ret, size) &&
	    !(folder && (find_user_of_partition(folder, configfs, ret, size) || find_user_of_disk(folder, configfs, ret, size))))
		snprintf(ret, size, "held by another program or device");
}
