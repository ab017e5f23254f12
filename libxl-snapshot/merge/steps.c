/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/steps.h"

#include <stdlib.h>

#include "block/job.h"
#include "common/unique.h"
#include "session/change.h"

/* A job that has not done what it was to do may end well all the same. */
static int stop(void *plan)
{
    struct xls_merging *m = plan;

    if (!m->job)
        return 0;
    m->op->in_doubt = false;
    return xls_job_cancel(m->op, m->job);
}

static enum xls_done is_switched(void *plan)
{
    struct xls_merging *m = plan;
    int rc;

    m->op->in_doubt = false;
    rc = xls_merging_query(m);
    if (rc && rc != ERROR_SNAPSHOT_DISK_UNSUPPORTED) {
        xls_op_doubt(m->op, "asking for the backing chain");
        return XLS_CANNOT_TELL;
    }
    /* A disk that is not shown is not one that has not changed. */
    if (!m->now.num_layers) {
        XLS_ERROR(&m->op->log, "disk %s: QEMU does not show its backing chain, "
                  "so whether %s and %s were merged is not known; their files "
                  "stay as they are", m->disk->rec->vdev,
                  m->merge->child_path, m->merge->layer_path);
        return XLS_CANNOT_TELL;
    }
    return xls_merge_is_after(&m->now, m->merge) ? XLS_DONE : XLS_NOT_DONE;
}

static void leave(void *plan)
{
    xls_merge_let_go(plan);
}

static const struct xls_step steps[] = {
    { "open the images for writing", xls_merge_open, xls_merge_open_undo },
    { "start QEMU's job", xls_merge_start_job, NULL },
    { "wait until all is copied", xls_merge_wait, NULL },
    { "switch the chain", xls_merge_switch, NULL },
    { "flush the header", xls_merge_sync_header, NULL },
    { "name the layer", xls_merge_names, NULL },
    { "record the active layer", xls_merge_records, NULL },
    { "let the guest go on", xls_merge_let_go, NULL },
    { "protect the layers", xls_merge_protect_layers, NULL },
    { "drop the nodes", xls_merge_drop_nodes, NULL },
    { "release the file", xls_merge_release, NULL },
};
#define SWITCH 3

static const struct xls_operation operation = {
    .name = "merge",
    .steps = steps,
    .num = sizeof(steps) / sizeof(steps[0]),
    .turning_point = SWITCH,
    .done = is_switched,
    .stop = stop,
    .leave = leave,
};

static enum xls_outcome end(struct xls_merging *m, enum xls_outcome outcome,
                            int *rc)
{
    if (outcome == XLS_UNKNOWN)
        *rc = ERROR_SNAPSHOT_INCOMPLETE;
    /* It was not known whether it would come to pass, and it has not. */
    else if (outcome != XLS_COMPLETED && *rc == ERROR_SNAPSHOT_INCOMPLETE)
        *rc = ERROR_SNAPSHOT_QMP;
    xls_merging_dispose(m);
    return outcome;
}

enum xls_outcome xls_merge_run(struct xls_op *op, const struct xls_disk *disk,
                               const struct xls_merge *merge,
                               const char *phase, int *rc)
{
    char *job = xls_unique_name(disk->rec->vdev);
    enum xls_outcome outcome;
    struct xls_merging m;

    xls_merging_init(&m, op, disk, merge);
    m.job = job;
    m.phase = phase;
    outcome = xls_steps_run(&operation, &m, &op->log, rc);
    outcome = end(&m, outcome, rc);
    free(job);
    return outcome;
}

enum xls_outcome xls_merge_finish(struct xls_op *op,
                                  const struct xls_disk *disk,
                                  const struct xls_merge *merge)
{
    enum xls_outcome outcome;
    struct xls_merging m;
    int rc;

    xls_merging_init(&m, op, disk, merge);
    outcome = xls_steps_recover(&operation, &m, &op->log, &rc);
    return end(&m, outcome, &rc);
}

int xls_merge_start(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_merge *merge, const char *job,
                    uint64_t speed)
{
    struct xls_merging m;
    int rc;

    xls_merging_init(&m, op, disk, merge);
    m.job = job;
    m.speed = speed;
    rc = xls_merge_open(&m);
    if (!rc)
        rc = xls_merge_start_job(&m);
    xls_merging_dispose(&m);
    return rc;
}

enum xls_outcome xls_merge_pivot(struct xls_op *op,
                                 const struct xls_disk *disk,
                                 const struct xls_merge *merge,
                                 const char *job, int *rc)
{
    enum xls_outcome outcome;
    struct xls_merging m;

    xls_merging_init(&m, op, disk, merge);
    m.job = job;
    outcome = xls_steps_turn(&operation, &m, &op->log, rc);
    return end(&m, outcome, rc);
}
