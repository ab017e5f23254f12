/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_FOLD_H
#define XLS_BLOCK_FOLD_H

#include "block/disk.h"

/*
 * Folding a layer of a disk in use away, on the running guest.
 *
 * frozen: index of the layer (1 or more); the one above it is its child. The
 * layers' files lose their immutability for as long as the job writes them.
 * phase (may be NULL) reports progress and allows cancelling. All expect that
 * disk->layers is what QEMU has, and leave it outdated.
 */

/* The layer's data goes into its child; the layer's file is then unused. */
int xls_fold_forward(struct xls_op *op, struct xls_disk *disk, int frozen,
                     const char *phase);

/*
 * The child's data goes into the layer. When the formats are the same
 * (keep_child_path), the layer's file then takes over the child's path, in
 * the file system and in QEMU; otherwise it keeps its own and the child's
 * file is unused.
 *
 * When the child is the active layer, the guest is paused for the moment in
 * which QEMU switches over and the file is renamed, so that at no time an
 * acknowledged write is missing under the disk's path.
 */
int xls_fold_backward(struct xls_op *op, struct xls_disk *disk, int frozen,
                      bool keep_child_path, bool discard, const char *phase);

#endif
