/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCSI disks by their address. A disk is made in the background: after its SCSI device is there, first its folder in sysfs appears, then its node
 * in /dev, then it can be opened, and then the kernel says so by a uevent.
 */
#include "kernel/scsi-disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/text.h"

#define UEVENTS_OF_KERNEL 1	/* the multicast group; udev's is 2 */

static char *device_folder(const char *address, unsigned lun)
{
	return strf("/sys/class/scsi_device/%s:%u/device", address, lun);
}

/* The only entry of the folder "block" there. */
static int disk_name(const char *address, unsigned lun, char **ret)
{
	_cleanup_free_ char *device = device_folder(address, lun), *path = device ? strf("%s/block", device) : NULL;
	struct dirent *e;
	DIR *dir;
	int r = -ENOENT;

	if (!path)
		return -ENOMEM;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (r == -ENOENT && (e = readdir(dir)))
		if (*e->d_name != '.') {
			*ret = strdup(e->d_name);
			r = *ret ? 0 : -ENOMEM;
		}
	closedir(dir);
	return r;
}

/* That the node is this disk's, and not one that an earlier disk of that name left. */
static int check_node(const char *name, const char *node)
{
	_cleanup_free_ char *path = strf("/sys/class/block/%s/dev", name);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	unsigned maj, min;
	struct stat st;

	if (!f || fscanf(f, "%u:%u", &maj, &min) != 2 || stat(node, &st) < 0)
		return -ENOENT;
	return S_ISBLK(st.st_mode) && st.st_rdev == makedev(maj, min) ? 0 : -ENOENT;
}

int scsi_disk_find(const char *address, unsigned lun, char **ret)
{
	_cleanup_free_ char *name = NULL, *node = NULL;
	int r = disk_name(address, lun, &name);

	if (r < 0)
		return r;
	node = strf("/dev/%s", name);
	if (!node)
		return -ENOMEM;
	r = check_node(name, node);
	if (r >= 0)
		*ret = steal_ptr(node);
	return r;
}

static int find_open(const char *address, unsigned lun, char **ret)
{
	_cleanup_free_ char *node = NULL;
	_cleanup_close_ int fd = -1;
	int r = scsi_disk_find(address, lun, &node);

	if (r < 0)
		return r;
	fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* Between node and uevent. */
	if (fd < 0)
		return errno == ENXIO || errno == ENODEV ? -ENOENT : -errno;
	*ret = steal_ptr(node);
	return 0;
}

static int open_uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = UEVENTS_OF_KERNEL };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT), r;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) >= 0)
		return fd < 0 ? -errno : fd;
	r = -errno;
	close(fd);
	return r;
}

/* Takes in what has come. 1 when a block device may have changed, which also lost messages may have told (ENOBUFS). */
static int read_uevents(int fd)
{
	static const char word[] = "SUBSYSTEM=block";
	char message[8192];
	int changed = 0;
	ssize_t n;

	while ((n = recv(fd, message, sizeof(message), 0)) >= 0 || errno == ENOBUFS || errno == EINTR)
		if (n < 0 || memmem(message, (size_t)n, word, sizeof(word)))
			changed = 1;
	return errno == EAGAIN ? changed : -errno;
}

int scsi_disk_check_device(const char *address, unsigned lun)
{
	_cleanup_free_ char *device = device_folder(address, lun);

	return !device ? -ENOMEM : access(device, F_OK) < 0 ? -ENXIO : 0;
}

int scsi_disk_wait(const char *address, unsigned lun, int stop, char **ret)
{
	/* Before the first look, so that nothing comes unseen between look and wait. */
	_cleanup_close_ int fd = open_uevents();
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = stop, .events = POLLRDHUP } };
	int r = fd < 0 ? fd : find_open(address, lun, ret);

	while (r == -ENOENT) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[1].revents)
			return -ECANCELED;
		r = read_uevents(fd);
		if (r >= 0)
			r = r ? find_open(address, lun, ret) : -ENOENT;
	}
	return r;
}

int scsi_disk_rescan(const char *address, unsigned lun)
{
	_cleanup_free_ char *device = device_folder(address, lun), *path = device ? strf("%s/rescan", device) : NULL;
	_cleanup_close_ int fd = -1;

	if (!path)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1\n", 2) < 0 ? -errno : 0;
}

int scsi_hctl(const char *dev, unsigned ret[4])
{
	_cleanup_free_ char *path = NULL;
	char device[PATH_MAX];
	const char *name;
	struct stat st;
	int used = 0;

	if (stat(dev, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return -ENODEV;
	path = strf("/sys/dev/%s/%u:%u/device", S_ISBLK(st.st_mode) ? "block" : "char", major(st.st_rdev), minor(st.st_rdev));
	if (!path)
		return -ENOMEM;
	/* A partition has no such link, and one of NVMe leads to something of another name. */
	if (!realpath(path, device))
		return errno == ENOENT ? -ENODEV : -errno;
	name = strrchr(device, '/') + 1;
	if (sscanf(name, "%u:%u:%u:%u%n", &ret[0], &ret[1], &ret[2], &ret[3], &used) != 4 || name[used])
		return -ENODEV;
	return 0;
}
