/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "ops/job/job.h"

static int by_vdev(const void *a, const void *b)
{
    const libxl_disk_snapshot *x = a, *y = b;

    return strcmp(x->disk.vdev, y->disk.vdev);
}

int libxl_domain_snapshot_disks(libxl_ctx *ctx, uint32_t domid,
                                const libxl_snapshot_how *how,
                                libxl_disk_snapshot **out, int *num)
{
    struct xls_op op;
    struct xls_disks disks;
    int i, rc;

    *out = NULL;
    *num = 0;
    rc = xls_op_open(&op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    rc = xls_disk_jobs_load(&op, &disks);
    if (rc)
        goto out;
    *out = xls_calloc(disks.num, sizeof(**out));
    for (i = 0; i < disks.num; i++) {
        const struct xls_disk *disk = &disks.disks[i];
        libxl_disk_snapshot *snap = &(*out)[*num];

        if (disk->left_out)
            continue;
        (*num)++;
        libxl_disk_snapshot_init(snap);
        libxl_device_disk_copy(ctx, &snap->disk, disk->rec);
        if (disk->why_not) {
            snap->unsupported = xls_strdup(disk->why_not);
            continue;
        }
        snap->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        snap->external_format = LIBXL_DISK_FORMAT_QCOW2;
        snap->keep_path = !strcmp(disk->layers[0].driver, "qcow2");
    }
    qsort(*out, *num, sizeof(**out), by_vdev);
    xls_disks_dispose(&disks);

out:
    xls_op_end(&op);
    return rc;
}
