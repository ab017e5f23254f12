/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_FOLD_H
#define XLS_BLOCK_FOLD_H

#include "block/disk.h"
#include "json/json.h"

/*
 * Folding a layer of a disk in use away, on the running guest: into its child,
 * the one above it (forward), or the child into it (backward).
 *
 * Backward, when the formats are the same (keep_child_path), the layer's file
 * then takes over the child's path, in the file system and in QEMU; otherwise
 * it keeps its own and the child's file is unused. Forward, the layer's file
 * is unused.
 */
struct xls_fold {
    bool backward;
    bool keep_child_path;
    /* As they were before. */
    char *layer_node, *layer_path;
    char *child_node, *child_path;
    char *above_path;           /* over the child; NULL: the child is active */
    bool above_frozen;          /* it is not the active layer */
};

/* frozen: index of the layer to fold away, 1 or more. */
void xls_fold_plan(struct xls_fold *fold, const struct xls_disk *disk,
                   int frozen, bool backward, bool keep_child_path);
void xls_fold_dispose(struct xls_fold *fold);

/*
 * Does it. The files lose their immutability for as long as the job writes
 * them. phase (may be NULL) reports progress and allows cancelling. Expects
 * that disk->layers is what QEMU has, and leaves it outdated.
 *
 * When the child is the active layer and is folded into the layer, the guest
 * is paused for the moment in which QEMU switches over, the file is renamed
 * and libxl is told: at no time is an acknowledged write missing under the
 * path that is on record.
 *
 * *changed (on failure too): the chain is another one now. Failed and changed,
 * what is left to do is for xls_fold_finish.
 */
int xls_fold_run(struct xls_op *op, const struct xls_disk *disk,
                 const struct xls_fold *fold, const char *phase,
                 bool *changed);

/*
 * Completes what a killed process has left of a fold, or puts the protection
 * of the files back where the fold did not come about. disk->layers is what
 * QEMU has, and no job runs.
 */
int xls_fold_finish(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_fold *fold);

/* block/fold_journal.c: notes in a journal that the fold is about to be done,
 * and finishes the one that a journal has, if any. */
void xls_fold_journal(struct xls_json *journal, const struct xls_disk *disk,
                      const struct xls_fold *fold);
int xls_fold_recover(struct xls_op *op, const struct xls_json *journal);

#endif
