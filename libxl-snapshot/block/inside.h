/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_INSIDE_H
#define XLS_BLOCK_INSIDE_H

#include "block/disk.h"

/*
 * Snapshots inside the image of a disk's active layer. QEMU gives each an ID,
 * and lets several have one name, of which it would take the first; here a
 * name means the one snapshot that has it, and is refused otherwise.
 */

/* How many have the name. */
int xls_internal_named(const struct xls_disk *disk, const char *name);
/* ERROR_SNAPSHOT_CHAIN_MISMATCH, logged, unless exactly one has the name. */
int xls_internal_check(struct xls_op *op, const struct xls_disk *disk,
                       const char *name);
/* Has QEMU delete it, by its ID and its name as they are now. */
int xls_internal_delete(struct xls_op *op, struct xls_disk *disk,
                        const char *name);

#endif
