/* SPDX-License-Identifier: LGPL-2.1-only */
#include "job/job.h"

#include "base/alloc.h"
#include "files/files.h"

int xls_disk_job_start(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_fold *fold,
                       uint64_t speed)
{
    struct xls_disk_job j = {
        .path = xls_disk_job_path(op, op->domid, disk->devid),
        .id = xls_unique_name(disk->rec->vdev),
        .domid = op->domid,
        .fold = *fold,
        .paused = op->info.paused,
    };
    int rc;

    libxl_disk_job_init(&j.job);
    j.job.vdev = xls_strdup(disk->rec->vdev);
    j.job.type = type;
    j.job.phase = LIBXL_DISK_JOB_PHASE_RUNNING;
    j.job.speed = speed;
    j.job.pivotable = xls_fold_pivots(fold);
    if (fold->copy)
        j.job.target = xls_strdup(fold->layer_path);
    rc = xls_disk_job_write(op, &j);
    if (rc) {
        xls_fold_give_up(op, fold);
        goto out;
    }
    rc = xls_fold_start(op, disk, fold, j.id, speed);
    /* Whether QEMU has begun is not known when it did not answer: the next
     * call finds out. */
    if (rc && rc != ERROR_SNAPSHOT_QMP && rc != ERROR_TIMEDOUT) {
        xls_fold_give_up(op, fold);
        xls_file_unlink(&op->log, j.path);
    }

out:
    xls_disk_job_dispose(&j);
    return rc;
}
