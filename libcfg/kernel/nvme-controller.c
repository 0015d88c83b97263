/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVMe controllers of this machine: which character devices are one, and who uses their disks here. Hosts that commands are passed for know nothing
 * of a file system that is mounted from the same disk, and the kernel does not ask.
 */
#include "kernel/nvme-controller.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/holder.h"

char *nvme_controller_name(dev_t dev)
{
	_cleanup_free_ char *folder = strf("/sys/dev/char/%u:%u", major(dev), minor(dev)), *link = folder ? strf("%s/subsystem", folder) : NULL;
	_cleanup_free_ char *class = link ? realpath(link, NULL) : NULL, *self = class ? realpath(folder, NULL) : NULL;

	return self && streq(class, "/sys/class/nvme") ? strdup(strrchr(self, '/') + 1) : NULL;
}

/* "nvme0n1", and "nvme0c1n1", which is one of the ways to it. */
static bool is_disk(const char *entry, char ret[NAME_MAX + 1])
{
	unsigned instance, path, ns;
	int end = 0;

	if (sscanf(entry, "nvme%uc%un%u%n", &instance, &path, &ns, &end) < 3 || entry[end]) {
		end = 0;
		if (sscanf(entry, "nvme%un%u%n", &instance, &ns, &end) < 2 || entry[end])
			return false;
	}
	snprintf(ret, NAME_MAX + 1, "nvme%un%u", instance, ns);
	return true;
}

static bool find_user(const char *disk, const char *configfs, char *ret, size_t size)
{
	_cleanup_close_ int fd = open(disk, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char who[192];

	if (fd >= 0 || errno != EBUSY || stat(disk, &st) < 0)
		return false;
	device_holder(st.st_rdev, configfs, who, sizeof(who));
	snprintf(ret, size, "in use: its disk %s is %s", disk, who);
	return true;
}

void nvme_controller_holder(const char *name, const char *configfs, char *ret, size_t size)
{
	_cleanup_free_ char *folder = strf("/sys/class/nvme/%s", name);
	DIR *dir = folder ? opendir(folder) : NULL;
	char disk[NAME_MAX + 1];
	struct dirent *e;
	bool found = false;

	*ret = 0;
	while (dir && !found && (e = readdir(dir))) {
		_cleanup_free_ char *path = is_disk(e->d_name, disk) ? strf("/dev/%s", disk) : NULL;

		found = path && find_user(path, configfs, ret, size);
	}
	if (dir)
		closedir(dir);
}
