/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU's part of a merge: a job, from what must be so before it to its end. */
#include <stdlib.h>

#include "block/job.h"
#include "block/node.h"
#include "common/alloc.h"
#include "common/files.h"
#include "merge/steps.h"
#include "session/change.h"
#include "xen/domain.h"
#include "xen/users.h"

/* QEMU rewrites the backing file name in the image above the child. */
static int open_for_commit(struct xls_merging *m)
{
    const struct xls_merge *merge = m->merge;
    int layer = xls_merging_node(m->disk, merge->layer_node), rc;

    rc = xls_file_thaw(&m->op->log, merge->layer_path);
    if (!rc && merge->keep_child_path && layer >= 0)
        rc = xls_layer_goes_to(m->op, m->disk, layer, merge->child_path);
    if (!rc && merge->above_path)
        rc = xls_file_thaw(&m->op->log, merge->above_path);
    return rc;
}

int xls_merge_open(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    int rc = 0;

    if (merge->backward && !merge->copy)
        rc = open_for_commit(m);
    else if (!merge->backward && merge->above_path)
        rc = xls_file_thaw(&m->op->log, merge->child_path);
    /* What can lack space or permission comes before the switch. */
    if (!rc && merge->keep_child_path)
        rc = xls_file_take_path_prepare(&m->op->log, merge->layer_path,
                                        merge->second_name, &merge->layer_id);
    return rc;
}

int xls_merge_open_undo(void *plan)
{
    struct xls_merging *m = plan;

    if (xls_merge_is_before(xls_merging_chain(m), m->merge))
        xls_merge_give_up(m->op, m->merge);
    else    /* another disk by now */
        xls_merge_protect(m->op, m->merge);
    return m->op->in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;
}

/* Up into the child. */
static void stream_args(const struct xls_merging *m, struct xls_json *args)
{
    const struct xls_merge *merge = m->merge;
    int layer = xls_merging_node(m->disk, merge->layer_node);

    xls_json_set_str(args, "device", merge->child_node);
    xls_json_set_bool(args, "auto-finalize", !xls_merge_waits(merge));
    if (layer >= 0 && layer + 1 < m->disk->num_layers) {
        const struct xls_layer *below = &m->disk->layers[layer + 1];

        xls_json_set_str(args, "base-node", below->node);
        xls_json_set_str(args, "backing-file", below->path);
    }
}

/* Down into the layer. */
static void commit_args(const struct xls_merge *merge, struct xls_json *args)
{
    xls_json_set_str(args, "top-node", merge->child_node);
    xls_json_set_str(args, "base-node", merge->layer_node);
    if (merge->above_path)
        xls_json_set_str(args, "backing-file",
                         merge->keep_child_path ? merge->child_path
                                                : merge->layer_path);
}

static void mirror_args(const struct xls_merge *merge, struct xls_json *args)
{
    xls_json_set_str(args, "target", merge->layer_node);
    xls_json_set_str(args, "sync", merge->shallow ? "top" : "full");
}

int xls_merge_start_job(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    const char *command = merge->copy ? "blockdev-mirror"
                          : merge->backward ? "block-commit" : "block-stream";
    struct xls_json *args = xls_json_object();
    char *what = xls_merge_what(merge);
    int rc;

    xls_json_set_str(args, "job-id", m->job);
    xls_json_set_str(args, "device", m->disk->layers[0].node);
    xls_json_set_bool(args, "auto-dismiss", false);
    if (m->speed)
        xls_json_set(args, "speed", xls_json_uint(m->speed));
    if (merge->copy)
        mirror_args(merge, args);
    else if (merge->backward)
        commit_args(merge, args);
    else
        stream_args(m, args);
    rc = xls_op_change(m->op, what, command, args, xls_job_is_there, m->job);
    free(what);
    return rc;
}

int xls_merge_wait(void *plan)
{
    struct xls_merging *m = plan;
    enum xls_job_until until = xls_merge_pivots(m->merge) ? XLS_JOB_READY
                               : xls_merge_waits(m->merge)
                                   ? XLS_JOB_PENDING : XLS_JOB_CONCLUDED;
    char *what = xls_merge_what(m->merge);
    int rc;

    rc = xls_job_wait(m->op, m->job, until, what, m->phase,
                      xls_merge_written(m->merge));
    free(what);
    return rc;
}

static int pivot(struct xls_merging *m)
{
    const struct xls_merge *merge = m->merge;
    const char *vdev = m->disk->rec->vdev;
    char *what = xls_merge_what(merge);
    int rc;

    rc = xls_check_unused(m->op, XLS_NO_DOMID, vdev, merge->child_path);
    if (!rc)
        rc = xls_check_unused(m->op, XLS_NO_DOMID, vdev, merge->layer_path);
    if (!rc)
        rc = xls_merge_hold(m);
    /* Told twice, QEMU does it once. */
    if (!rc)
        rc = xls_op_change(m->op, what, "job-complete",
                           xls_json_set_str(xls_json_object(), "id", m->job),
                           NULL, NULL);
    if (!rc)
        rc = xls_job_wait(m->op, m->job, XLS_JOB_CONCLUDED, what, NULL, NULL);
    if (!rc && merge->copy)
        rc = xls_merging_query(m);
    free(what);
    return rc;
}

int xls_merge_finalize(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_merge *merge, const char *job)
{
    char *what = xls_merge_what(merge);
    int rc;

    rc = xls_layer_flush(op, disk, xls_disk_discards(disk));
    if (!rc)
        rc = xls_job_finalize(op, job);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL, NULL);
    free(what);
    return rc;
}

int xls_merge_switch(void *plan)
{
    struct xls_merging *m = plan;

    if (xls_merge_waits(m->merge))
        return xls_merge_finalize(m->op, xls_merging_chain(m), m->merge,
                                  m->job);
    return xls_merge_pivots(m->merge) ? pivot(m) : 0;
}
