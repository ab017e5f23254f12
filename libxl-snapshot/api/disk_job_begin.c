/* SPDX-License-Identifier: LGPL-2.1-only */
#include "api/disk_job_begin.h"

#include <stdlib.h>
#include <string.h>

#include "begin/begin.h"
#include "block/vdev.h"
#include "common/alloc.h"
#include "xen/domain.h"

/* How long a look waits for an operation that holds the domain and will, most
 * likely, do what is due. */
#define PATIENCE_MS 5000

/* The job of a domain that is not there any more. */
static int dead(struct xls_op *op, const char *func, libxl_ctx *ctx,
                uint32_t domid, const libxl_snapshot_how *how, char **paths,
                struct xls_disk_job *j)
{
    const char *name = strrchr(paths[0], '/') + 1;
    int rc;

    xls_op_open_inactive(op, func, ctx, how);
    op->name = xls_asprintf("%u", domid);
    op->uuid = xls_memdup0(name, strcspn(name, "."));
    rc = xls_op_lock(op, domid, &op->lock_fd);
    if (!rc)
        rc = xls_disk_job_read(op, paths[0], j);
    if (!rc && xls_disk_job_active(j))
        rc = xls_disk_job_lost(op, j);
    return rc;
}

/* Without the lock, where that suffices: 1 if it does. */
static int peek(struct xls_op *op, int devid, struct xls_disk_job *j)
{
    char *path = xls_disk_job_path(op, op->domid, devid), **files;
    bool ended, none;
    int rc;

    rc = xls_disk_job_read(op, path, j);
    free(path);
    if (rc)
        return rc;
    if (!j->path) {
        files = xls_disk_job_files(op->uuid, XLS_NO_DOMID, devid);
        none = !files;
        xls_disk_job_files_free(files);
        return none;
    }
    if (!j->this_boot)
        return 0;
    if (!xls_disk_job_active(j))
        return 1;
    rc = xls_disk_job_query(op, j, &ended);
    return rc ? rc : !ended && !j->pivoting;
}

int xls_disk_job_current(struct xls_op *op, const char *func, libxl_ctx *ctx,
                         uint32_t domid, const char *vdev,
                         const libxl_snapshot_how *how, bool lock,
                         struct xls_disk_job *j)
{
    int devid = vdev ? xls_vdev_number(vdev) : -1, rc;
    char **paths = NULL, *path;
    libxl_dominfo info;
    bool ended;

    memset(j, 0, sizeof(*j));
    libxl_disk_job_init(&j->job);
    libxl_dominfo_init(&info);
    if (domid && libxl_domain_info(ctx, &info, domid) && devid >= 0)
        paths = xls_disk_job_files(NULL, domid, devid);
    libxl_dominfo_dispose(&info);
    if (paths) {
        rc = dead(op, func, ctx, domid, how, paths, j);
        xls_disk_job_files_free(paths);
        return rc;
    }
    rc = xls_op_open(op, func, ctx, domid, how);
    if (rc)
        return rc;
    if (devid < 0) {
        XLS_ERROR(&op->log, "\"%s\" is no name of a disk", vdev ? vdev : "");
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (!lock) {
        rc = peek(op, devid, j);
        if (rc)
            return rc > 0 ? 0 : rc;
        xls_disk_job_dispose(j);
    }
    xls_op_end(op);
    rc = xls_begin_patient(op, func, ctx, domid, how, PATIENCE_MS);
    if (rc)
        return rc;
    path = xls_disk_job_path(op, op->domid, devid);
    rc = xls_disk_job_read(op, path, j);
    free(path);
    if (rc || !xls_disk_job_active(j))
        return rc;
    rc = xls_disk_job_query(op, j, &ended);
    /* What recovery leaves open, for a successor of the domain to show. */
    if (!rc && ended && !op->qmp)
        rc = xls_disk_job_lost(op, j);
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
