/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MERGE_MERGE_H
#define XLS_MERGE_MERGE_H

#include "block/disk.h"
#include "common/json/json.h"
#include "common/names.h"
#include "common/steps.h"

/*
 * Taking layers out of the chain of a disk in use, on the running guest. There
 * are two layers, the child above the other, and maybe some between: their data
 * goes up into the child (forward), which stays, or down into the layer
 * (backward), which then stands in the child's place. A copy is such a move
 * too: of the active layer, or all of the chain, into a layer that was in no
 * chain.
 *
 * Backward, when the formats are the same (keep_child_path), the layer's file
 * then takes over the child's path, in the file system and in QEMU; otherwise
 * it keeps its own and the child's file is unused. Forward, the layer's file
 * is unused. Those between are in either case.
 */
struct xls_merge {
    bool backward;
    bool copy;                  /* and backward */
    bool shallow;               /* a copy: of the child alone */
    bool keep_child_path;
    bool release;               /* forward: the layer's file loses its
                                 * protection, for whoever removes it */
    /* As they were before. */
    char *layer_node, *layer_path;
    char *child_node, *child_path;
    char **between_nodes, **between_paths;
    int num_between;
    char *second_name;          /* keep_child_path: of the layer's file while
                                 * it takes the child's path */
    /* Which files these are; not known for what is no file of this host. */
    struct xls_file_id layer_id, child_id;
    char *above_path;           /* over the child; NULL: the child is active */
    bool above_frozen;          /* it is not the active layer */
};

/* child, layer: their indices. */
void xls_merge_plan(struct xls_merge *merge, const struct xls_disk *disk,
                    int child, int layer, bool backward, bool keep_child_path);
/* Into the image at path, which QEMU has as node. shallow: the active layer
 * alone; whole_chain: what is below that leaves the chain, too, as it does
 * when all is copied. */
void xls_merge_plan_copy(struct xls_merge *merge, const struct xls_disk *disk,
                         const char *node, const char *path, bool shallow,
                         bool whole_chain, bool keep_child_path);
void xls_merge_dispose(struct xls_merge *merge);

/* Whether the job of it becomes ready and waits for a pivot. */
bool xls_merge_pivots(const struct xls_merge *merge);
/*
 * Whether the job of it becomes pending and waits for xls_merge_finalize. QEMU's
 * block-stream into the active layer drops what is below without having
 * flushed it: until the guest's next flush, the end of QEMU's process would take
 * with it the tables that lead to the data (seen with 7.2: they are read as
 * zeros). Layers that become read-only again, and what a mirror has written, are
 * flushed by QEMU.
 */
bool xls_merge_waits(const struct xls_merge *merge);
/* Flushes, and has the job come to its end; it is dismissed. disk->layers is
 * what QEMU has. */
int xls_merge_finalize(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_merge *merge, const char *job);
/* The file that the data goes into. */
const char *xls_merge_written(const struct xls_merge *merge);
/* "merging … into …", for messages; malloc'ed. */
char *xls_merge_what(const struct xls_merge *merge);
/* Calls f with every file that leaves the chain and is still there. */
void xls_merge_unused(const struct xls_merge *merge,
                      void (*f)(void *user, const char *path), void *user);

/*
 * merge/steps.c: the whole of it, waiting for QEMU. The files lose their
 * protection for as long as the job writes them. phase (may be NULL) reports
 * progress and allows cancelling. disk->layers is what QEMU has, and outdated
 * afterwards. *rc is 0 where it was completed, ERROR_SNAPSHOT_INCOMPLETE where
 * the outcome is not known; then xls_merge_finish is due.
 */
enum xls_outcome xls_merge_run(struct xls_op *op, const struct xls_disk *disk,
                               const struct xls_merge *merge,
                               const char *phase, int *rc);
/*
 * Completes what QEMU has done of it, or rolls it back; no job of it runs any
 * more. disk->layers is what QEMU has. May be repeated.
 */
enum xls_outcome xls_merge_finish(struct xls_op *op,
                                  const struct xls_disk *disk,
                                  const struct xls_merge *merge);

/*
 * In parts, for a job that outlives the call that starts it: what can fail
 * before, then QEMU's job, of this id; speed in bytes per second, 0 for no limit.
 * After a failure, xls_merge_give_up.
 */
int xls_merge_start(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_merge *merge, const char *job,
                    uint64_t speed);
/*
 * … and the switch to the other side, of a job that is ready and has not been
 * dismissed, with all that follows. The guest is paused for the moment: at no
 * time is an acknowledged write missing under the path that is on record.
 * XLS_WAITS: the disk is on its child, as before.
 */
enum xls_outcome xls_merge_pivot(struct xls_op *op,
                                 const struct xls_disk *disk,
                                 const struct xls_merge *merge,
                                 const char *job, int *rc);
/* Whether the chain of the disk, as QEMU has it and with no job on it, is the one
 * before, or after the merge. Neither: it is another disk by now. */
bool xls_merge_is_before(const struct xls_disk *disk,
                         const struct xls_merge *merge);
bool xls_merge_is_after(const struct xls_disk *disk,
                        const struct xls_merge *merge);
/* Takes back what xls_merge_start did before the job. */
void xls_merge_give_up(struct xls_op *op, const struct xls_merge *merge);

/*
 * merge/json.c: a merge as JSON, which journals and job files have under this
 * key; and back (ERROR_SNAPSHOT_INCOMPLETE, not logged, when it is damaged), to be
 * disposed of in either case.
 */
#define XLS_MERGE_KEY "fold"
struct xls_json *xls_merge_json(const struct xls_merge *merge);
int xls_merge_from_json(const struct xls_json *o, struct xls_merge *merge);

/* Notes in a journal that the merge is about to be done. */
void xls_merge_journal(struct xls_json *journal, const struct xls_disk *disk,
                       const struct xls_merge *merge);

/* merge/recover.c: finishes the merge that a journal has, if any. */
int xls_merge_recover(struct xls_op *op, const struct xls_json *journal);
/* The same when the domain has ended since: its layers are protected again. */
int xls_merge_tidy(struct xls_op *op, const struct xls_json *journal);

/* merge/protect.c: protects those files of it that are layers below an active
 * one and are nobody's active layer by now, and drops its second name. */
void xls_merge_protect(struct xls_op *op, const struct xls_merge *merge);

#endif
