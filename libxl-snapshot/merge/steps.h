/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MERGE_STEPS_H
#define XLS_MERGE_STEPS_H

#include "common/steps.h"
#include "merge/merge.h"

/* A merge under way: the plan of the steps. */
struct xls_merging {
    struct xls_op *op;
    const struct xls_merge *merge;
    const struct xls_disk *disk;    /* as QEMU had it at first */
    struct xls_disk now;        /* as QEMU has had it since; no layers: it was
                                 * not asked */
    const char *job;            /* QEMU's; NULL: it has ended */
    uint64_t speed;             /* bytes per second; 0: no limit */
    const char *phase;          /* of progress; NULL: none is reported */
    bool paused;                /* the guest, by xls_merge_hold */
    int replaced;               /* the file that lost its path; -1: none */
};

void xls_merging_init(struct xls_merging *m, struct xls_op *op,
                      const struct xls_disk *disk,
                      const struct xls_merge *merge);
void xls_merging_dispose(struct xls_merging *m);
/* The disk as far as it is known. */
const struct xls_disk *xls_merging_chain(const struct xls_merging *m);
/* Asks QEMU. */
int xls_merging_query(struct xls_merging *m);
int xls_merging_node(const struct xls_disk *disk, const char *node);
bool xls_merge_child_is_active(const struct xls_merge *merge);

/* Pauses the guest where the child is the active layer and changes places: at no
 * time is an acknowledged write missing under the path that is on record. */
int xls_merge_hold(struct xls_merging *m);

/* merge/job.c: the steps up to the turning point, the switch */
int xls_merge_open(void *plan);
int xls_merge_open_undo(void *plan);
int xls_merge_start_job(void *plan);
int xls_merge_wait(void *plan);
int xls_merge_switch(void *plan);

/* merge/after.c: those that follow */
int xls_merge_sync_header(void *plan);
int xls_merge_names(void *plan);
int xls_merge_records(void *plan);
int xls_merge_let_go(void *plan);
int xls_merge_protect_layers(void *plan);
int xls_merge_drop_nodes(void *plan);
void xls_merge_sweep_nodes(struct xls_op *op);
int xls_merge_release(void *plan);

#endif
