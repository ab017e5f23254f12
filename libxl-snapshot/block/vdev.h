/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_VDEV_H
#define XLS_BLOCK_VDEV_H

/*
 * The device number that a disk's name stands for, as in xenstore: "xvda",
 * "hdc", "sdb1", "d0", "d0p3"; -1 for anything else. QEMU spells a name with
 * its partition always ("xvda0"), and by the number it was given ("d0" is
 * "xvda0"), so names are compared by it.
 */
int xls_vdev_number(const char *name);

#endif
