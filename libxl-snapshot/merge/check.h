/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MERGE_CHECK_H
#define XLS_MERGE_CHECK_H

#include "block/disk.h"

/*
 * What may be merged: everything that can be known before anything is written.
 * from (the child) and to (the layer) are indices of layers of the disk, those
 * between them included. What stands against it is logged.
 */

/* Whether the layer takes over the child's path when they are merged
 * downwards. */
bool xls_merge_keeps_path(const struct xls_disk *disk, int child, int layer);

/* An internal snapshot in one of them would be destroyed. */
int xls_merge_check_internal(struct xls_op *op, const struct xls_disk *disk,
                             int from, int to);
/* One of them is in the chain of another disk of a running domain. */
int xls_merge_check_running(struct xls_op *op, const struct xls_disks *disks,
                            const struct xls_disk *disk, int from, int to);
/*
 * A layer that is to be written is no frozen layer of a snapshot by its mark, so
 * that other images, of domains that are off, may be based on it: it must be
 * forced. A file that an administrator protected is not written even then.
 */
int xls_merge_check_base(struct xls_op *op, const struct xls_disk *disk,
                         int layer, bool force);
/* This QEMU cannot merge them downwards, or the toolstack knows of users of
 * what the layers from below the child on show. */
int xls_merge_check_backward(struct xls_op *op, const struct xls_disk *disk,
                             int child, int layer);

/* Whether this QEMU can put nodes of ours in the place of its own, and where
 * the merge needs that, does it. */
bool xls_can_insert_nodes(struct xls_op *op);
int xls_merge_insert_nodes(struct xls_op *op, struct xls_disks *disks,
                           struct xls_disk *disk, int child, int layer,
                           bool backward);

#endif
