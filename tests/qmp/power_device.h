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

/* Seeds rand(): by POWER_SEED, or else at random; prints it. */
void power_seed(void);
/*
 * The power fails right after each flush from the begin-th write or flush to the
 * end-th: check is called with the number of that, and with the file system
 * mounted as it is then. POWER_CUTS: about so many, at random; 3 by default; 0:
 * all. Returns how many.
 */
unsigned power_cut_each(uint64_t begin, uint64_t end,
                        void (*check)(void *user, uint64_t at), void *user);

/* A cmocka teardown. */
int power_teardown(void **state);

#endif
