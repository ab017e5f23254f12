/* SPDX-License-Identifier: LGPL-2.1-only */
#include "api/disk_job_begin.h"
#include "merge/check.h"

/* The lowest layer that is pulled up. */
static int find_lowest(struct xls_op *op, const struct xls_disk *disk,
                       const char *base, int *lowest)
{
    int k = base ? xls_disk_layer(disk, base) : disk->num_layers;

    if (k < 1) {
        XLS_ERROR(&op->log, "disk %s: %s is %s; xl disk-chain shows the chain",
                  disk->rec->vdev, base, k ? "not in its backing chain"
                  : "the active layer, which data is pulled into");
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    if (k == 1) {
        XLS_ERROR(&op->log, "disk %s: there is nothing to pull: no layer is "
                  "%s", disk->rec->vdev,
                  base ? "between the active one and that base"
                       : "below the active one");
        return ERROR_INVAL;
    }
    *lowest = k - 1;
    return 0;
}

static int pull(struct xls_op *op, struct xls_disks *disks,
                struct xls_disk *disk, const void *with)
{
    const libxl_disk_pull_args *args = with;
    struct xls_merge merge;
    int lowest, rc;

    rc = find_lowest(op, disk, args->base, &lowest);
    /* The other layers are only read. */
    if (!rc)
        rc = xls_disk_check_data_files(op, disk);
    if (!rc)
        rc = xls_merge_check_internal(op, disk, 0, 0);
    if (!rc)
        rc = xls_merge_check_running(op, disks, disk, 0, 0);
    if (rc)
        return rc;
    xls_merge_plan(&merge, disk, 0, lowest, false, false);
    return xls_disk_job_start(op, disk, LIBXL_DISK_JOB_TYPE_PULL, &merge,
                              args->speed);
}

int libxl_disk_pull(libxl_ctx *ctx, uint32_t domid,
                    const libxl_disk_pull_args *args,
                    const libxl_snapshot_how *how)
{
    return xls_disk_job_call(__func__, ctx, domid, how, args->vdev, pull,
                             args);
}
