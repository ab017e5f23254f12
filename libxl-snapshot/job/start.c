/* SPDX-License-Identifier: LGPL-2.1-only */
#include "job/job.h"

#include "base/alloc.h"
#include "begin.h"
#include "domain/domain.h"
#include "files/files.h"

int xls_disk_job_check_speed(struct xls_op *op, uint64_t speed)
{
    if (speed <= INT64_MAX)
        return 0;
    XLS_ERROR(&op->log, "%llu bytes per second are more than QEMU can be told",
              (unsigned long long)speed);
    return ERROR_INVAL;
}

int xls_disk_job_begin(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_fold *fold,
                       uint64_t speed, struct xls_disk_job *j)
{
    int rc;

    *j = (struct xls_disk_job){
        .path = xls_disk_job_path(op, op->domid, disk->devid),
        .id = xls_unique_name(disk->rec->vdev),
        .domid = op->domid,
        .fold = *fold,
        .paused = op->info.paused,
    };
    libxl_disk_job_init(&j->job);
    j->job.vdev = xls_strdup(disk->rec->vdev);
    j->job.type = type;
    j->job.phase = LIBXL_DISK_JOB_PHASE_RUNNING;
    j->job.speed = speed;
    j->job.pivotable = xls_fold_pivots(fold);
    if (fold->copy)
        j->job.target = xls_strdup(fold->layer_path);
    rc = xls_disk_job_check_speed(op, speed);
    return rc ? rc : xls_disk_job_write(op, j);
}

void xls_disk_job_drop(struct xls_op *op, struct xls_disk_job *j)
{
    xls_fold_give_up(op, &j->fold);
    if (!op->in_doubt)
        xls_file_unlink(&op->log, j->path);
}

int xls_disk_job_go(struct xls_op *op, const struct xls_disk *disk,
                    struct xls_disk_job *j)
{
    int rc = xls_fold_start(op, disk, &j->fold, j->id, j->job.speed);

    if (rc)
        xls_disk_job_drop(op, j);
    return rc;
}

int xls_disk_job_start(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_fold *fold,
                       uint64_t speed)
{
    struct xls_disk_job j;
    int rc;

    rc = xls_disk_job_begin(op, disk, type, fold, speed, &j);
    if (!rc)
        rc = xls_disk_job_go(op, disk, &j);
    xls_disk_job_dispose(&j);
    return rc;
}

int xls_disk_job_call(const char *func, libxl_ctx *ctx, uint32_t domid,
                      const libxl_snapshot_how *how, const char *vdev,
                      xls_disk_job_starter start, const void *args)
{
    libxl_device_disk wanted = { .vdev = (char *)vdev };
    struct xls_disks disks = { 0 };
    struct xls_disk *disk;
    struct xls_op op;
    int rc;

    rc = xls_begin(&op, func, ctx, domid, how);
    if (rc)
        return rc;
    rc = xls_domain_check(&op, false, false);
    if (!rc)
        rc = xls_disks_load(&op, &disks);
    if (!rc)
        rc = xls_disks_named(&op, &disks, &wanted, &disk);
    if (!rc)
        rc = start(&op, &disks, disk, args);
    if (rc && op.in_doubt)
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    xls_disks_dispose(&disks);
    xls_op_end(&op);
    return rc;
}
