/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "block/target.h"
#include "domain/domain.h"
#include "job/job.h"

static int start(struct xls_op *op, const struct xls_disk *disk,
                 const libxl_disk_copy_args *args, struct xls_target *target)
{
    char *node = xls_unique_name(disk->rec->vdev), *name = NULL;
    struct xls_disk_job j;
    struct xls_fold fold;
    int rc;

    xls_fold_plan_copy(&fold, disk, node, target->spec, !args->shallow,
                       args->keep_path);
    rc = xls_disk_job_begin(op, disk, LIBXL_DISK_JOB_TYPE_COPY, &fold,
                            args->speed, &j);
    if (rc)
        goto out;
    rc = xls_target_open(op, disk, args, target, node, &name);
    /* Of an NBD export, QEMU's name is what the records are to have. */
    if (!rc && strcmp(name, j.fold.layer_path)) {
        free(j.fold.layer_path);
        j.fold.layer_path = xls_strdup(name);
        rc = xls_disk_job_write(op, &j);
    }
    if (rc) {
        xls_disk_job_drop(op, &j);
        goto out;
    }
    rc = xls_disk_job_go(op, disk, &j);
    if (rc && !xls_disk_job_unknown(rc))
        xls_target_undo(op, target);

out:
    xls_disk_job_dispose(&j);
    free(node);
    free(name);
    return rc;
}

static int copy(struct xls_op *op, struct xls_disks *disks,
                const libxl_disk_copy_args *args)
{
    libxl_device_disk wanted = { .vdev = args->vdev };
    struct xls_target target = { 0 };
    struct xls_disk *disk;
    int rc;

    rc = xls_disks_load(op, disks);
    if (!rc)
        rc = xls_disks_named(op, disks, &wanted, &disk);
    if (!rc)
        rc = xls_target_check(op, disks, disk, args, &target);
    if (!rc)
        rc = start(op, disk, args, &target);
    xls_target_dispose(&target);
    return rc;
}

int libxl_disk_copy(libxl_ctx *ctx, uint32_t domid,
                    const libxl_disk_copy_args *args,
                    const libxl_snapshot_how *how)
{
    struct xls_disks disks = { 0 };
    struct xls_op op;
    int rc;

    rc = xls_op_begin(&op, __func__, ctx, domid, how, true);
    if (!rc)
        rc = xls_domain_check(&op, false, false);
    if (!rc)
        rc = copy(&op, &disks, args);
    xls_disks_dispose(&disks);
    xls_op_end(&op);
    return rc;
}
