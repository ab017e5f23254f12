/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/fold.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "block/job.h"
#include "block/node.h"
#include "domain/domain.h"
#include "files/files.h"
#include "records/records.h"

/* More than the requests in flight of a paused guest can append: a ring of 512
 * requests of 11 pages each. */
#define IN_FLIGHT_BYTES (64ULL << 20)

/* File nodes that xls_node_rename gave to a layer stay known to QEMU when the
 * layer goes; those in use refuse to be dropped. */
static void sweep_file_nodes(struct xls_op *op)
{
    struct xls_json *nodes = NULL, *args;
    const char *name;
    size_t i;

    args = xls_json_set_bool(xls_json_object(), "flat", true);
    if (xls_op_qmp(op)) {
        xls_json_free(args);
        return;
    }
    if (!xls_qmp_run(op->qmp, "query-named-block-nodes", args, XLS_QMP_FAST,
                     &nodes)) {
        for (i = 0; i < xls_json_len(nodes); i++) {
            name = xls_json_get_str(xls_json_at(nodes, i), "node-name");
            if (name && !strncmp(name, "xls-file-", 9))
                xls_qmp_run(op->qmp, "blockdev-del",
                            xls_json_set_str(xls_json_object(), "node-name",
                                             name),
                            XLS_QMP_FAST, NULL);
        }
    }
    xls_json_free(nodes);
}

static struct xls_json *job_args(const char *job, const char *device)
{
    struct xls_json *args = xls_json_object();

    xls_json_set_str(args, "job-id", job);
    xls_json_set_str(args, "device", device);
    xls_json_set_bool(args, "auto-dismiss", false);
    return args;
}

void xls_fold_plan(struct xls_fold *fold, const struct xls_disk *disk,
                   int frozen, bool backward, bool keep_child_path)
{
    const struct xls_layer *layer = &disk->layers[frozen];
    const struct xls_layer *child = &disk->layers[frozen - 1];

    *fold = (struct xls_fold){
        .backward = backward,
        .keep_child_path = backward && keep_child_path,
        .layer_node = xls_strdup(layer->node),
        .layer_path = xls_strdup(layer->path),
        .child_node = xls_strdup(child->node),
        .child_path = xls_strdup(child->path),
        .above_path =
            frozen > 1 ? xls_strdup(disk->layers[frozen - 2].path) : NULL,
        .above_frozen = frozen > 2,
    };
}

void xls_fold_dispose(struct xls_fold *fold)
{
    free(fold->layer_node);
    free(fold->layer_path);
    free(fold->child_node);
    free(fold->child_path);
    free(fold->above_path);
}

static bool child_is_active(const struct xls_fold *fold)
{
    return !fold->above_path;
}

static int node_index(const struct xls_disk *disk, const char *node)
{
    int i;

    for (i = 0; i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, node))
            return i;
    return -1;
}

/* As it was before: what is below the active layer is protected. */
static void give_up(struct xls_op *op, const struct xls_fold *fold)
{
    if (fold->keep_child_path)
        xls_file_take_path_drop(&op->log, fold->child_path);
    xls_file_freeze(&op->log, fold->layer_path);
    if (!child_is_active(fold))
        xls_file_freeze(&op->log, fold->child_path);
    if (fold->above_frozen)
        xls_file_freeze(&op->log, fold->above_path);
}

/* Forward: the layer is in nobody's chain any more. */
static void leave_layer(struct xls_op *op, const struct xls_fold *fold)
{
    xls_node_del(op, fold->layer_node);
    sweep_file_nodes(op);
    /* For whoever removes it. */
    xls_file_thaw(&op->log, fold->layer_path);
    if (!child_is_active(fold))
        xls_file_freeze(&op->log, fold->child_path);
}

static int forward(struct xls_op *op, const struct xls_disk *disk,
                   const struct xls_fold *fold, const char *job,
                   const char *what, const char *phase, bool *changed)
{
    int layer = node_index(disk, fold->layer_node), rc = 0;
    struct xls_json *args;

    if (!child_is_active(fold))
        rc = xls_file_thaw(&op->log, fold->child_path);
    if (!rc)
        rc = xls_op_qmp(op);
    if (rc)
        return rc;
    args = job_args(job, fold->child_node);
    if (layer + 1 < disk->num_layers) {
        xls_json_set_str(args, "base-node", disk->layers[layer + 1].node);
        xls_json_set_str(args, "backing-file", disk->layers[layer + 1].path);
    }
    rc = xls_qmp_must(op->qmp, what, "block-stream", args, XLS_QMP_SLOW, NULL);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, phase);
    if (rc)
        return rc;
    *changed = true;
    leave_layer(op, fold);
    return 0;
}

/*
 * Gives the layer's file the child's path, on disk and in QEMU, as far as that
 * has not been done. When it is written already, the guest must be paused.
 * layer, below: as QEMU has them; below is NULL for the last.
 */
static int take_child_path(struct xls_op *op, const struct xls_disk *disk,
                           const struct xls_fold *fold,
                           const struct xls_layer *layer,
                           const struct xls_layer *below)
{
    int rc = 0;

    if (!access(fold->layer_path, F_OK) &&
        !xls_same_file(fold->layer_path, fold->child_path)) {
        rc = xls_file_thaw(&op->log, fold->child_path);
        if (!rc)
            rc = xls_file_take_path(&op->log, fold->layer_path,
                                    fold->child_path);
    }
    if (!rc && child_is_active(fold))
        rc = xls_file_headroom(&op->log, fold->child_path, IN_FLIGHT_BYTES);
    if (!rc && strcmp(layer->path, fold->child_path))
        rc = xls_node_rename(op, layer, fold->child_path,
                             !child_is_active(fold), below ? below->node : NULL,
                             xls_disk_discards(disk));
    /* Until now QEMU may have had to open it by its former name. */
    if (!rc && xls_same_file(fold->layer_path, fold->child_path))
        rc = xls_file_unlink(&op->log, fold->layer_path);
    return rc;
}

/* Backward, after QEMU's part: names and libxl's records. */
static int settle(struct xls_op *op, const struct xls_disk *disk,
                  const struct xls_fold *fold, int layer)
{
    const struct xls_layer *l = &disk->layers[layer];
    struct xls_record record = {
        .vdev = disk->rec->vdev,
        .devid = disk->devid,
        .path = fold->keep_child_path ? fold->child_path : fold->layer_path,
        .format = xls_driver_format(l->driver),
    };
    int rc = 0;

    if (fold->keep_child_path)
        rc = take_child_path(op, disk, fold, l,
                             layer + 1 < disk->num_layers ? l + 1 : NULL);
    /* Until the records name the layer, a start from them must fail rather
     * than go on with what the child's file holds. */
    else if (child_is_active(fold))
        xls_file_freeze(&op->log, fold->child_path);
    if (rc || !child_is_active(fold))
        return rc;
    xls_op_qmp_close(op);
    rc = xls_records_set(op, &record, 1);
    if (!rc && !fold->keep_child_path)
        xls_file_thaw(&op->log, fold->child_path);
    return rc;
}

/* Backward: the child is in nobody's chain any more. */
static void leave_child(struct xls_op *op, const struct xls_fold *fold)
{
    xls_node_del(op, fold->child_node);
    sweep_file_nodes(op);
    if (child_is_active(fold))
        return;
    xls_file_freeze(&op->log, fold->keep_child_path ? fold->child_path
                                                    : fold->layer_path);
    if (fold->above_frozen)
        xls_file_freeze(&op->log, fold->above_path);
}

/* The switch to the layer below, with the guest paused. */
static int pivot(struct xls_op *op, const struct xls_disk *disk,
                 const struct xls_fold *fold, const char *job, const char *what,
                 bool *changed)
{
    bool paused = false;
    int rc;

    rc = xls_domain_pause(op, &paused);
    if (rc)
        return rc;
    rc = xls_op_qmp(op);
    if (!rc)
        rc = xls_qmp_must(op->qmp, what, "job-complete",
                          xls_json_set_str(xls_json_object(), "id", job),
                          XLS_QMP_SLOW, NULL);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL);
    *changed = !rc;
    if (!rc)
        rc = settle(op, disk, fold, node_index(disk, fold->layer_node));
    if (paused)
        xls_domain_unpause(op);
    return rc;
}

static int backward(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_fold *fold, const char *job,
                    const char *what, const char *phase, bool *changed)
{
    bool active = child_is_active(fold);
    struct xls_json *args;
    int rc;

    rc = xls_file_thaw(&op->log, fold->layer_path);
    /* What can lack space or permission comes before the switch. */
    if (!rc && fold->keep_child_path)
        rc = xls_file_take_path_prepare(&op->log, fold->layer_path,
                                        fold->child_path);
    /* QEMU rewrites the backing file name in the image above the child. */
    if (!rc && !active)
        rc = xls_file_thaw(&op->log, fold->above_path);
    if (!rc)
        rc = xls_op_qmp(op);
    if (rc)
        return rc;
    args = job_args(job, disk->layers[0].node);
    xls_json_set_str(args, "top-node", fold->child_node);
    xls_json_set_str(args, "base-node", fold->layer_node);
    if (!active)
        xls_json_set_str(args, "backing-file",
                         fold->keep_child_path ? fold->child_path
                                               : fold->layer_path);
    rc = xls_qmp_must(op->qmp, what, "block-commit", args, XLS_QMP_SLOW, NULL);
    if (!rc)
        rc = xls_job_wait(op, job, active ? XLS_JOB_READY : XLS_JOB_CONCLUDED,
                          what, phase);
    if (rc)
        return rc;
    if (active) {
        rc = pivot(op, disk, fold, job, what, changed);
        if (rc && !*changed)
            xls_job_cancel(op, job);
    } else {
        *changed = true;
        rc = settle(op, disk, fold, node_index(disk, fold->layer_node));
    }
    if (!rc)
        leave_child(op, fold);
    return rc;
}

int xls_fold_run(struct xls_op *op, const struct xls_disk *disk,
                 const struct xls_fold *fold, const char *phase, bool *changed)
{
    const char *from = fold->backward ? fold->child_path : fold->layer_path;
    const char *to = fold->backward ? fold->layer_path : fold->child_path;
    char *job = xls_unique_name(disk->rec->vdev);
    char *what = xls_asprintf("merging %s into %s", from, to);
    int rc;

    *changed = false;
    rc = (fold->backward ? backward : forward)(op, disk, fold, job, what, phase,
                                               changed);
    if (rc && !*changed)
        give_up(op, fold);
    free(job);
    free(what);
    return rc;
}

int xls_fold_finish(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_fold *fold)
{
    int layer = node_index(disk, fold->layer_node);
    int child = node_index(disk, fold->child_node);
    bool paused = false;
    int rc;

    if (fold->backward && layer >= 0 && child < 0) {
        rc = xls_file_thaw(&op->log, fold->layer_path);
        if (!rc && child_is_active(fold))
            rc = xls_domain_pause(op, &paused);
        if (!rc)
            rc = settle(op, disk, fold, layer);
        if (paused)
            xls_domain_unpause(op);
        if (!rc)
            leave_child(op, fold);
        return rc;
    }
    if (!fold->backward && layer < 0 && child >= 0)
        leave_layer(op, fold);
    else if (layer >= 0 && child >= 0)
        give_up(op, fold);
    return 0;
}
