/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_SCSI_DISK_H
#define CFG_SCSI_DISK_H

/*
 * SCSI disks of the running kernel by their address, as sysfs and its uevents show them. An address is "HOST:CHANNEL:TARGET" as
 * the attribute "address" of a loopback tpgt prints it, and the number of the LUN. Behind kfs-kernel.c alone.
 */

/* "/dev/sdX"; -ENOENT while the disk or its node is not there. Opens nothing. */
int scsi_disk_find(const char *address, unsigned lun, char **ret);
/* -ENXIO: there is no SCSI device. When the link of its LUN has come back, which it does after the kernel has asked what is behind it, there will
 * be none any more: it got no answer. */
int scsi_disk_check_device(const char *address, unsigned lun);
/* The disk, once it is there and opens. -ECANCELED when stop (-1: nothing) hangs up. */
int scsi_disk_wait(const char *address, unsigned lun, int stop, char **ret);
int scsi_disk_rescan(const char *address, unsigned lun);
/* Host, channel, target, LUN of the device file dev. -ENODEV: it is not that of a SCSI device. */
int scsi_hctl(const char *dev, unsigned ret[4]);

#endif
