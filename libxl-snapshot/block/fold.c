/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "block/job.h"
#include "block/node.h"
#include "domain/domain.h"
#include "files/files.h"

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

static void drop_layer(struct xls_op *op, const struct xls_layer *layer)
{
    xls_node_del(op, layer->node);
    sweep_file_nodes(op);
}

static struct xls_json *job_args(const char *job, const char *device)
{
    struct xls_json *args = xls_json_object();

    xls_json_set_str(args, "job-id", job);
    xls_json_set_str(args, "device", device);
    xls_json_set_bool(args, "auto-dismiss", false);
    return args;
}

int xls_fold_forward(struct xls_op *op, struct xls_disk *disk, int frozen,
                     const char *phase)
{
    const struct xls_layer *child = &disk->layers[frozen - 1];
    const struct xls_layer *layer = &disk->layers[frozen];
    const struct xls_layer *base =
        frozen + 1 < disk->num_layers ? &disk->layers[frozen + 1] : NULL;
    char *job = xls_unique_name(disk->rec->vdev);
    char *what = xls_asprintf("merging %s into %s", layer->path, child->path);
    struct xls_json *args;
    bool child_frozen = frozen > 1;
    int rc;

    if (child_frozen) {
        rc = xls_file_thaw(&op->log, child->path);
        if (rc)
            goto out;
    }
    rc = xls_op_qmp(op);
    if (rc)
        goto refreeze;
    args = job_args(job, child->node);
    if (base) {
        xls_json_set_str(args, "base-node", base->node);
        xls_json_set_str(args, "backing-file", base->path);
    }
    rc = xls_qmp_must(op->qmp, what, "block-stream", args, XLS_QMP_SLOW, NULL);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, phase);
    if (!rc) {
        drop_layer(op, layer);
        /* For whoever removes it. */
        xls_file_thaw(&op->log, layer->path);
    }

refreeze:
    if (child_frozen)
        xls_file_freeze(&op->log, child->path);
out:
    free(job);
    free(what);
    return rc;
}

static const char *below(const struct xls_disk *disk, int layer)
{
    return layer + 1 < disk->num_layers ? disk->layers[layer + 1].node : NULL;
}

/* Gives the layer's file the child's path, on disk and in QEMU. When it is
 * written already, the guest must be paused. */
static int take_child_path(struct xls_op *op, const struct xls_disk *disk,
                           int frozen, bool discard)
{
    const struct xls_layer *child = &disk->layers[frozen - 1];
    const struct xls_layer *layer = &disk->layers[frozen];
    bool active = frozen == 1;
    char *path;
    int rc;

    path = realpath(child->path, NULL);
    if (!path) {
        XLS_ERRORE(&op->log, "cannot resolve %s", child->path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    rc = xls_file_thaw(&op->log, path);
    if (!rc)
        rc = xls_file_take_path(&op->log, layer->path, path);
    if (!rc && active)
        rc = xls_file_headroom(&op->log, path, IN_FLIGHT_BYTES);
    if (!rc)
        rc = xls_node_rename(op, layer, child->path, !active,
                             below(disk, frozen), discard);
    /* Until now QEMU may have had to open it by its former name. */
    if (!rc)
        rc = xls_file_unlink(&op->log, layer->path);
    free(path);
    return rc;
}

/* The switch to the layer below, with the guest paused. */
static int pivot(struct xls_op *op, struct xls_disk *disk, int frozen,
                 bool keep_child_path, bool discard, const char *job,
                 const char *what, bool *switched)
{
    bool paused = false;
    int rc;

    rc = xls_domain_pause(op, &paused);
    if (rc)
        return rc;
    rc = xls_op_qmp(op);
    if (rc)
        goto out;
    rc = xls_qmp_must(op->qmp, what, "job-complete",
                      xls_json_set_str(xls_json_object(), "id", job),
                      XLS_QMP_SLOW, NULL);
    if (rc)
        goto out;
    rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL);
    if (rc)
        goto out;
    *switched = true;
    if (keep_child_path)
        rc = take_child_path(op, disk, frozen, discard);

out:
    if (paused)
        xls_domain_unpause(op);
    return rc;
}

int xls_fold_backward(struct xls_op *op, struct xls_disk *disk, int frozen,
                      bool keep_child_path, bool discard, const char *phase)
{
    const struct xls_layer *child = &disk->layers[frozen - 1];
    const struct xls_layer *layer = &disk->layers[frozen];
    bool active = frozen == 1, switched = false;
    char *job = xls_unique_name(disk->rec->vdev);
    char *what = xls_asprintf("merging %s into %s", child->path, layer->path);
    struct xls_json *args;
    int rc;

    rc = xls_file_thaw(&op->log, layer->path);
    /* QEMU rewrites the backing file name in the image above the child. */
    if (!rc && !active)
        rc = xls_file_thaw(&op->log, disk->layers[frozen - 2].path);
    if (!rc)
        rc = xls_op_qmp(op);
    if (rc)
        goto refreeze;

    args = job_args(job, disk->layers[0].node);
    xls_json_set_str(args, "top-node", child->node);
    xls_json_set_str(args, "base-node", layer->node);
    if (!active)
        xls_json_set_str(args, "backing-file",
                         keep_child_path ? child->path : layer->path);
    rc = xls_qmp_must(op->qmp, what, "block-commit", args, XLS_QMP_SLOW, NULL);
    if (rc)
        goto refreeze;
    rc = xls_job_wait(op, job, active ? XLS_JOB_READY : XLS_JOB_CONCLUDED,
                      what, phase);
    if (rc)
        goto refreeze;
    if (active) {
        rc = pivot(op, disk, frozen, keep_child_path, discard, job, what,
                   &switched);
        if (rc && !switched)
            xls_job_cancel(op, job);
    } else {
        switched = true;
        rc = keep_child_path ? take_child_path(op, disk, frozen, discard) : 0;
    }
    if (switched)
        drop_layer(op, child);

refreeze:
    if (!active && frozen > 2)
        xls_file_freeze(&op->log, disk->layers[frozen - 2].path);
    /* What was folded into is the active layer now, or frozen still. */
    if (!active || !switched)
        xls_file_freeze(&op->log, switched && keep_child_path ? child->path
                                                              : layer->path);
    free(job);
    free(what);
    return rc;
}
