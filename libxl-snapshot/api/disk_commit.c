/* SPDX-License-Identifier: LGPL-2.1-only */
#include "api/disk_job_begin.h"
#include "merge/check.h"

static int find_layers(struct xls_op *op, const struct xls_disk *disk,
                       const libxl_disk_commit_args *args, int *top, int *base)
{
    const char *vdev = disk->rec->vdev;

    *top = args->top ? xls_disk_layer(disk, args->top) : 0;
    if (*top < 0) {
        XLS_ERROR(&op->log, "disk %s: %s is not in its backing chain", vdev,
                  args->top);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    *base = args->base ? xls_disk_layer(disk, args->base) : *top + 1;
    if (*base < 0) {
        XLS_ERROR(&op->log, "disk %s: %s is not in its backing chain", vdev,
                  args->base);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    if (*base >= disk->num_layers) {
        XLS_ERROR(&op->log, "disk %s: there is no layer below %s to commit "
                  "into", vdev, disk->layers[*top].path);
        return ERROR_INVAL;
    }
    if (*base <= *top) {
        XLS_ERROR(&op->log, "disk %s: %s is not below %s", vdev,
                  disk->layers[*base].path, disk->layers[*top].path);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    return 0;
}

static int commit(struct xls_op *op, struct xls_disks *disks,
                  struct xls_disk *disk, const void *with)
{
    const libxl_disk_commit_args *args = with;
    struct xls_merge merge;
    int top, base, rc;

    if (args->force && !args->base) {
        XLS_ERROR(&op->log, "disk %s: force needs base, the layer that may be "
                  "written", disk->rec->vdev);
        return ERROR_INVAL;
    }
    rc = find_layers(op, disk, args, &top, &base);
    if (!rc)
        rc = xls_disk_check_data_files(op, disk);
    if (!rc)
        rc = xls_merge_check_base(op, disk, base, args->force);
    if (!rc)
        rc = xls_merge_check_internal(op, disk, top, base);
    if (!rc)
        rc = xls_merge_check_running(op, disks, disk, top, base);
    if (!rc)
        rc = xls_merge_check_backward(op, disk, top, base);
    if (!rc)
        rc = xls_merge_insert_nodes(op, disks, disk, top, base, true);
    if (rc)
        return rc;
    xls_merge_plan(&merge, disk, top, base, true,
                   xls_merge_keeps_path(disk, top, base));
    return xls_disk_job_start(op, disk, LIBXL_DISK_JOB_TYPE_COMMIT, &merge,
                              args->speed);
}

int libxl_disk_commit(libxl_ctx *ctx, uint32_t domid,
                      const libxl_disk_commit_args *args,
                      const libxl_snapshot_how *how)
{
    return xls_disk_job_call(__func__, ctx, domid, how, args->vdev, commit,
                             args);
}
