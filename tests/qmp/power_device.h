/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_POWER_DEVICE_H
#define XLS_TESTS_QMP_POWER_DEVICE_H

/*
 * A file system on a device that logs its writes and flushes, and the device as
 * a power cut at any of its flushes would have left it.
 *
 * The device is a loop device on what qemu-storage-daemon shows by FUSE: an
 * image file below QEMU's blklogwrites, whose log has the format of the kernel's
 * dm-log-writes. As root; everything ends with this process.
 */
#include <stdbool.h>
#include <stdint.h>

/* Why there can be none here; NULL: there can. */
const char *power_impossible(const char *fs);

/* Makes one with this file system ("ext4", "xfs"), mounted: returns where. Its
 * directory "host" is at this place, too. */
const char *power_device_start(const char *fs, const char *host);
/* Number of writes and flushes that have been completed. */
uint64_t power_device_now(void);
/* Unmounts it; its log stays, for what follows. */
void power_device_end(void);

/* The next flush after so many writes and flushes: has the file system mounted
 * as it is when the power fails right after that. False: there is none. To be
 * called with growing numbers; *at is that of the flush. */
bool power_cut_after(uint64_t entries, uint64_t *at);
void power_cut_end(void);       /* unmounts it */

/* A cmocka teardown. */
int power_teardown(void **state);

#endif
