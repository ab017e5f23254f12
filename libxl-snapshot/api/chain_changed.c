/* SPDX-License-Identifier: LGPL-2.1-only */

#include "begin/begin.h"
#include "block/disk.h"
#include "xen/records.h"

int libxl_domain_snapshot_chain_changed(libxl_ctx *ctx, uint32_t domid,
                                        const libxl_device_disk *claim,
                                        const libxl_snapshot_how *how)
{
    struct xls_op op;
    struct xls_disks disks = { 0 };
    struct xls_disk *disk;
    struct xls_record record;
    const struct xls_layer *top;
    int rc;

    rc = xls_begin(&op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    rc = xls_disks_load(&op, &disks);
    if (rc)
        goto out;
    xls_op_qmp_close(&op);
    disk = xls_disks_find(&disks, claim->vdev);
    if (!disk || disk->why_not) {
        XLS_ERROR(&op.log, "disk \"%s\" of domain %s: %s",
                  claim->vdev ? claim->vdev : "", op.name,
                  disk ? disk->why_not : "there is no such");
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        goto out;
    }
    top = &disk->layers[0];
    if (claim->pdev_path && claim->pdev_path[0] &&
        xls_disk_layer(disk, claim->pdev_path) != 0) {
        XLS_ERROR(&op.log, "disk %s: the top layer is %s in QEMU, not %s",
                  claim->vdev, top->path, claim->pdev_path);
        rc = ERROR_SNAPSHOT_CHAIN_MISMATCH;
        goto out;
    }
    if (claim->format != LIBXL_DISK_FORMAT_UNKNOWN &&
        claim->format != xls_driver_format(top->driver)) {
        XLS_ERROR(&op.log, "disk %s: the top layer %s is of format %s in "
                  "QEMU, not %s", claim->vdev, top->path, top->driver,
                  libxl_disk_format_to_string(claim->format));
        rc = ERROR_SNAPSHOT_CHAIN_MISMATCH;
        goto out;
    }
    record = (struct xls_record){
        .vdev = disk->rec->vdev,
        .devid = disk->devid,
        .path = claim->pdev_path && claim->pdev_path[0] ? claim->pdev_path
                                                        : top->path,
        .format = xls_driver_format(top->driver),
    };
    if (record.path[0] != '/' ||
        record.format == LIBXL_DISK_FORMAT_UNKNOWN) {
        XLS_ERROR(&op.log, "disk %s: libxl has no way to name the top layer "
                  "\"%s\" of format %s", claim->vdev, record.path,
                  top->driver);
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        goto out;
    }
    rc = xls_records_set(&op, &record, 1);

out:
    xls_disks_dispose(&disks);
    xls_op_end(&op);
    return rc;
}
