/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_NAMES_H
#define BUS_NAMES_H

/* Names on the bus, shared by the daemon and the command line. What they mean is in org.nvmetctl1.xml. */

#define BUS_NAME		"org.nvmetctl1"
#define BUS_ROOT		"/org/nvmetctl1"
#define BUS_JOB_PREFIX		BUS_ROOT "/job"
#define BUS_OBJECT_PREFIX	BUS_ROOT "/obj"

#define BUS_MANAGER_INTERFACE	"org.nvmetctl1.Manager"
#define BUS_JOB_INTERFACE	"org.nvmetctl1.Job"
#define BUS_OBJECT_INTERFACE	"org.nvmetctl1.Object"

#define BUS_ERROR_PREFIX	"org.nvmetctl1.Error."

/* The longest document, report or other text that travels as a string; longer ones are for descriptors. A message of
 * twice that size is what dbus-daemon still passes on. */
#define BUS_STRING_MAX		(16u << 20)

#endif
