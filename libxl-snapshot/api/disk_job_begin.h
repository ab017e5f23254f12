/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_API_DISK_JOB_BEGIN_H
#define XLS_API_DISK_JOB_BEGIN_H

#include "ops/job/job.h"

/* What the functions that start a job have in common: the domain locked, its
 * disks loaded, and that of vdev found fit to take part. */
typedef int (*xls_disk_job_starter)(struct xls_op *op, struct xls_disks *disks,
                                    struct xls_disk *disk, const void *args);
int xls_disk_job_call(const char *func, libxl_ctx *ctx, uint32_t domid,
                      const libxl_snapshot_how *how, const char *vdev,
                      xls_disk_job_starter start, const void *args);

/*
 * What is known of a disk's job, with the domain not locked; what is due is
 * done, under the lock. With lock, op is locked afterwards unless there is no
 * job. j is empty when none is known.
 */
int xls_disk_job_current(struct xls_op *op, const char *func, libxl_ctx *ctx,
                         uint32_t domid, const char *vdev,
                         const libxl_snapshot_how *how, bool lock,
                         struct xls_disk_job *j);

#endif
