/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_NVME_CONTROLLER_H
#define CFG_NVME_CONTROLLER_H

#include <stddef.h>
#include <sys/types.h>

/* The kernel's name, "nvme0", of the NVMe controller whose character device has the number. NULL when it is none, or out of memory; caller frees. */
char *nvme_controller_name(dev_t dev);

/* Who uses one of its disks on this machine, as words behind "is": "in use: its disk /dev/nvme0n1 is mounted on /srv". "" when nobody does. configfs
 * is where that is mounted. */
void nvme_controller_holder(const char *name, const char *configfs, char *ret, size_t size);

#endif
