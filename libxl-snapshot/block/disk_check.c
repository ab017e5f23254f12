/* SPDX-License-Identifier: LGPL-2.1-only */
/* Whether a disk can take part in an operation. */
#include "block/disk.h"

#include <stdlib.h>

#include "common/alloc.h"

int xls_disks_must_find(struct xls_op *op, struct xls_disks *disks,
                        const char *vdev, struct xls_disk **disk)
{
    char *have;
    int i;

    *disk = NULL;
    if (!vdev || !vdev[0]) {
        XLS_ERROR(&op->log, "a disk is named without its vdev");
        return ERROR_INVAL;
    }
    *disk = xls_disks_find(disks, vdev);
    if (*disk)
        return 0;
    have = xls_strdup("");
    for (i = 0; i < disks->num; i++) {
        char *more = xls_asprintf("%s%s%s", have, i ? ", " : "",
                                  disks->disks[i].rec->vdev);
        free(have);
        have = more;
    }
    XLS_ERROR(&op->log, "domain %s has no disk \"%s\"; its disks: %s",
              op->name, vdev, have[0] ? have : "none");
    free(have);
    return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
}

int xls_disks_check_job(struct xls_op *op, const struct xls_disks *disks,
                        const struct xls_disk *disk)
{
    int i;

    for (i = 0; i < disks->num; i++) {
        const struct xls_disk *d = &disks->disks[i];

        if (d->job && (!disk || disk == d)) {
            XLS_ERROR(&op->log, "a block job runs on disk %s of domain %s; "
                      "wait for its end or cancel it", d->rec->vdev, op->name);
            return ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE;
        }
    }
    if (!disks->foreign_job)
        return 0;
    XLS_ERROR(&op->log, "block job \"%s\" of another program runs in the QEMU "
              "of domain %s; wait for its end or cancel it",
              disks->foreign_job, op->name);
    return ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE;
}

int xls_disk_check_data_files(struct xls_op *op, const struct xls_disk *disk)
{
    int i;

    for (i = 0; i < disk->num_layers; i++) {
        const struct xls_layer *layer = &disk->layers[i];

        if (!layer->data_file)
            continue;
        XLS_ERROR(&op->log, "disk %s: the image %s has its data in another "
                  "file, %s, which is not supported; copy the disk to an image "
                  "without one first (libxl_disk_copy, not shallow), or convert "
                  "it with qemu-img convert while the domain is off",
                  disk->rec->vdev, layer->path,
                  layer->data_file[0] ? layer->data_file : "of no name");
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    return 0;
}

int xls_disks_named(struct xls_op *op, struct xls_disks *disks,
                    const libxl_device_disk *wanted, struct xls_disk **out)
{
    struct xls_disk *disk;
    int rc;

    *out = NULL;
    rc = xls_disks_must_find(op, disks, wanted->vdev, &disk);
    if (rc)
        return rc;
    if (disk->why_not) {
        XLS_ERROR(&op->log, "disk %s of domain %s cannot be snapshotted: %s",
                  wanted->vdev, op->name, disk->why_not);
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    rc = xls_disks_check_job(op, disks, disk);
    if (rc)
        return rc;
    if (wanted->pdev_path && wanted->pdev_path[0] &&
        xls_disk_layer(disk, wanted->pdev_path) != 0) {
        XLS_ERROR(&op->log, "the top layer of disk %s is %s, not %s",
                  wanted->vdev, disk->layers[0].path, wanted->pdev_path);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    rc = xls_disk_verify(op, disk);
    if (rc)
        return rc;
    *out = disk;
    return 0;
}
