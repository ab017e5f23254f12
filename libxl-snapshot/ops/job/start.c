/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/job/job.h"

#include "common/alloc.h"
#include "common/files.h"

int xls_disk_job_check_speed(struct xls_op *op, uint64_t speed)
{
    if (speed <= INT64_MAX)
        return 0;
    XLS_ERROR(&op->log, "%llu bytes per second are more than QEMU can be told",
              (unsigned long long)speed);
    return ERROR_INVAL;
}

int xls_disk_job_begin(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_merge *merge,
                       uint64_t speed, struct xls_disk_job *j)
{
    int rc;

    *j = (struct xls_disk_job){
        .path = xls_disk_job_path(op, op->domid, disk->devid),
        .id = xls_unique_name(disk->rec->vdev),
        .domid = op->domid,
        .merge = *merge,
        .paused = op->info.paused,
    };
    libxl_disk_job_init(&j->job);
    j->job.vdev = xls_strdup(disk->rec->vdev);
    j->job.type = type;
    j->job.phase = LIBXL_DISK_JOB_PHASE_RUNNING;
    j->job.speed = speed;
    j->job.pivotable = xls_merge_pivots(merge);
    if (merge->copy)
        j->job.target = xls_strdup(merge->layer_path);
    rc = xls_disk_job_check_speed(op, speed);
    return rc ? rc : xls_disk_job_write(op, j);
}

void xls_disk_job_drop(struct xls_op *op, struct xls_disk_job *j)
{
    xls_merge_give_up(op, &j->merge);
    if (!op->in_doubt)
        xls_file_unlink(&op->log, j->path);
}

int xls_disk_job_go(struct xls_op *op, const struct xls_disk *disk,
                    struct xls_disk_job *j)
{
    int rc = xls_merge_start(op, disk, &j->merge, j->id, j->job.speed);

    if (rc)
        xls_disk_job_drop(op, j);
    return rc;
}

int xls_disk_job_start(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_merge *merge,
                       uint64_t speed)
{
    struct xls_disk_job j;
    int rc;

    rc = xls_disk_job_begin(op, disk, type, merge, speed, &j);
    if (!rc)
        rc = xls_disk_job_go(op, disk, &j);
    xls_disk_job_dispose(&j);
    return rc;
}
