/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_HOLDER_H
#define CFG_HOLDER_H

#include <stddef.h>
#include <sys/types.h>

/* Who has a block device that cannot be opened exclusively, as words behind "is": "mounted on /srv", "held by /dev/mapper/vg0-vol0", "in use: its
 * partition /dev/sda1 is mounted on /". configfs is where that is mounted. Never empty. */
void device_holder(dev_t dev, const char *configfs, char *ret, size_t size);

#endif
