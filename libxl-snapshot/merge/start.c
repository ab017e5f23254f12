/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU's jobs that merge layers, and what must be so before them. */
#include <stdlib.h>
#include <string.h>

#include "block/job.h"
#include "block/node.h"
#include "common/alloc.h"
#include "common/files.h"
#include "merge/merge.h"

static struct xls_json *job_args(const char *job, const char *device,
                                 uint64_t speed)
{
    struct xls_json *args = xls_json_object();

    xls_json_set_str(args, "job-id", job);
    xls_json_set_str(args, "device", device);
    xls_json_set_bool(args, "auto-dismiss", false);
    if (speed)
        xls_json_set(args, "speed", xls_json_uint(speed));
    return args;
}

/* Up into the child. */
static int prepare_stream(struct xls_op *op, const struct xls_disk *disk,
                          const struct xls_merge *merge, struct xls_json *args)
{
    const struct xls_layer *below = NULL;
    int i;

    xls_json_set_str(args, "device", merge->child_node);
    xls_json_set_bool(args, "auto-finalize", !xls_merge_waits(merge));
    for (i = 0; i + 1 < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, merge->layer_node))
            below = &disk->layers[i + 1];
    if (below) {
        xls_json_set_str(args, "base-node", below->node);
        xls_json_set_str(args, "backing-file", below->path);
    }
    return merge->above_path ? xls_file_thaw(&op->log, merge->child_path) : 0;
}

/* Down into the layer. */
static int prepare_commit(struct xls_op *op, const struct xls_disk *disk,
                          const struct xls_merge *merge, struct xls_json *args)
{
    int i, rc;

    xls_json_set_str(args, "top-node", merge->child_node);
    xls_json_set_str(args, "base-node", merge->layer_node);
    rc = xls_file_thaw(&op->log, merge->layer_path);
    for (i = 0; !rc && merge->keep_child_path && i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, merge->layer_node))
            rc = xls_layer_goes_to(op, disk, i, merge->child_path);
    if (rc || !merge->above_path)
        return rc;
    /* QEMU rewrites the backing file name in the image above the child. */
    xls_json_set_str(args, "backing-file",
                     merge->keep_child_path ? merge->child_path
                                           : merge->layer_path);
    return xls_file_thaw(&op->log, merge->above_path);
}

static int prepare_mirror(const struct xls_merge *merge, struct xls_json *args)
{
    xls_json_set_str(args, "target", merge->layer_node);
    xls_json_set_str(args, "sync", merge->shallow ? "top" : "full");
    return 0;
}

int xls_merge_start(struct xls_op *op, const struct xls_disk *disk,
                   const struct xls_merge *merge, const char *job,
                   uint64_t speed)
{
    struct xls_json *args = job_args(job, disk->layers[0].node, speed);
    const char *command = merge->copy ? "blockdev-mirror"
                          : merge->backward ? "block-commit" : "block-stream";
    char *what = xls_merge_what(merge);
    int rc;

    rc = merge->copy ? prepare_mirror(merge, args)
         : merge->backward ? prepare_commit(op, disk, merge, args)
                          : prepare_stream(op, disk, merge, args);
    /* What can lack space or permission comes before the switch. */
    if (!rc && merge->keep_child_path)
        rc = xls_file_take_path_prepare(&op->log, merge->layer_path,
                                        merge->second_name, &merge->layer_id);
    if (rc) {
        xls_json_free(args);
        goto out;
    }
    rc = xls_op_change(op, what, command, args, xls_job_is_there, job);

out:
    free(what);
    return rc;
}
