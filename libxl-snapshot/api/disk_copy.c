/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <string.h>

#include "api/disk_job_begin.h"
#include "block/target.h"
#include "common/alloc.h"
#include "ops/args.h"

static int start(struct xls_op *op, const struct xls_disk *disk,
                 const libxl_disk_copy_args *args, struct xls_target *target)
{
    char *node = xls_unique_name(disk->rec->vdev), *name = NULL;
    struct xls_disk_job j;
    struct xls_merge merge;
    int rc;

    xls_merge_plan_copy(&merge, disk, node, target->spec, args->shallow,
                        !args->shallow || args->num_base, args->keep_path);
    rc = xls_disk_job_begin(op, disk, LIBXL_DISK_JOB_TYPE_COPY, &merge,
                            args->speed, &j);
    if (rc)
        goto out;
    rc = xls_target_open(op, disk, args, target, node, &name);
    /* Of an NBD export, QEMU's name is what the records are to have. */
    if (!rc && strcmp(name, j.merge.layer_path)) {
        free(j.merge.layer_path);
        j.merge.layer_path = xls_strdup(name);
        rc = xls_disk_job_write(op, &j);
    }
    if (rc) {
        xls_disk_job_drop(op, &j);
        goto out;
    }
    rc = xls_disk_job_go(op, disk, &j);
    if (rc && !op->in_doubt)
        xls_target_undo(op, target);

out:
    xls_disk_job_dispose(&j);
    free(node);
    free(name);
    return rc;
}

static int copy(struct xls_op *op, struct xls_disks *disks,
                struct xls_disk *disk, const void *with)
{
    const libxl_disk_copy_args *args = with;
    struct xls_target target = { 0 };
    int rc;

    rc = xls_args_check_copy(op, args);
    /* The way out of one is a copy of all that the disk holds. */
    if (!rc && args->shallow)
        rc = xls_disk_check_data_files(op, disk);
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
    return xls_disk_job_call(__func__, ctx, domid, how, args->vdev, copy,
                             args);
}
