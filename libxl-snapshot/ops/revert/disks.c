/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/revert/revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "xen/users.h"

static int prepare_external(struct xls_revert *r, const libxl_disk_snapshot *a,
                            libxl_device_disk *disk)
{
    const char *path = a->external_path;
    int rc;

    if (!path || path[0] != '/') {
        XLS_ERROR(&r->op.log, "disk %s: external_path must be the absolute "
                  "path of the layer to start on", disk->vdev);
        return ERROR_INVAL;
    }
    if (access(path, R_OK | W_OK)) {
        XLS_ERRORE(&r->op.log, "disk %s: %s cannot be used", disk->vdev, path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    if (a->keep_path && (!a->disk.pdev_path || a->disk.pdev_path[0] != '/')) {
        XLS_ERROR(&r->op.log, "disk %s: keep_path needs disk.pdev_path, the "
                  "path to take over", disk->vdev);
        return ERROR_INVAL;
    }
    if (a->keep_path && xls_same_file(path, a->disk.pdev_path)) {
        XLS_ERROR(&r->op.log, "disk %s: external_path, %s, is the file at the "
                  "path that it is to take over", disk->vdev, path);
        return ERROR_INVAL;
    }
    rc = xls_check_unused(&r->op, XLS_NO_DOMID, disk->vdev, path);
    if (!rc && a->keep_path)
        rc = xls_check_unused(&r->op, XLS_NO_DOMID, disk->vdev,
                              a->disk.pdev_path);
    if (rc)
        return rc;
    free(disk->pdev_path);
    disk->pdev_path = xls_strdup(path);
    disk->format = a->external_format == LIBXL_DISK_FORMAT_UNKNOWN
                       ? LIBXL_DISK_FORMAT_QCOW2 : a->external_format;
    return 0;
}

/* What the toolstack is about to put back. */
static int check_storage(struct xls_revert *r, const libxl_disk_snapshot *a)
{
    return a->disk.pdev_path
        ? xls_check_unused(&r->op, XLS_NO_DOMID, a->disk.vdev,
                           a->disk.pdev_path)
        : 0;
}

int xls_revert_prepare_disks(struct xls_revert *r)
{
    int i, rc;

    r->disks = xls_calloc(r->args->num_disks, sizeof(*r->disks));
    for (i = 0; i < r->args->num_disks; i++)
        libxl_disk_snapshot_result_init(&r->disks[i]);
    xls_revert_plan_paths(r);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        libxl_device_disk *disk = xls_revert_disk(&r->config, a->disk.vdev);

        if (!disk) {
            XLS_ERROR(&r->op.log, "the configuration of domain %s has no disk "
                      "\"%s\"", r->name, a->disk.vdev ? a->disk.vdev : "");
            return ERROR_INVAL;
        }
        if (a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL) {
            rc = prepare_external(r, a, disk);
            if (rc)
                return rc;
        } else if (a->method != LIBXL_SNAPSHOT_METHOD_NONE) {
            if (!r->op.how->storage) {
                XLS_ERROR(&r->op.log, "disk %s: method %s needs the storage "
                          "callback", disk->vdev,
                          libxl_snapshot_method_to_string(a->method));
                return ERROR_INVAL;
            }
            if (!r->args->destroy_first && r->op.domid != XLS_NO_DOMID) {
                XLS_ERROR(&r->op.log, "disk %s: a disk of method %s can only "
                          "be put back while no domain uses it; use "
                          "destroy_first", disk->vdev,
                          libxl_snapshot_method_to_string(a->method));
                return ERROR_INVAL;
            }
            rc = check_storage(r, a);
            if (rc)
                return rc;
        }
        r->disks[i].vdev = xls_strdup(disk->vdev);
        r->disks[i].method = a->method;
        r->disks[i].path = xls_strdup(disk->pdev_path);
        r->disks[i].format = disk->format;
    }
    return 0;
}

static bool by_storage(const libxl_disk_snapshot *a)
{
    return a->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ||
           a->method == LIBXL_SNAPSHOT_METHOD_CALLER;
}

/* What was done before stays done: the next revert does it again. */
static void storage_failed(struct xls_revert *r, int failed)
{
    char *done = NULL, *more;
    int i;

    for (i = 0; i < failed; i++) {
        if (!by_storage(&r->args->disks[i]))
            continue;
        more = xls_asprintf("%s%s%s", done ? done : "; in that state already: ",
                            done ? ", " : "", r->args->disks[i].disk.vdev);
        free(done);
        done = more;
    }
    XLS_ERROR(&r->op.log, "disk %s: its storage could not be put back into the "
              "snapshot's state%s; revert again to put all of them back",
              r->args->disks[failed].disk.vdev, done ? done : "");
    free(done);
}

int xls_revert_storage(struct xls_revert *r)
{
    int i, rc;

    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (!by_storage(a))
            continue;
        rc = check_storage(r, a);
        if (rc)
            return rc;
        rc = r->op.how->storage(r->op.how->user,
                                LIBXL_SNAPSHOT_STORAGE_REVERT, XLS_NO_DOMID,
                                a);
        if (rc) {
            storage_failed(r, i);
            return rc;
        }
    }
    return 0;
}

int xls_revert_check_paths(struct xls_revert *r)
{
    int i, rc = 0;

    for (i = 0; i < r->args->num_disks && !rc; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (a->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        rc = xls_check_unused(&r->op, r->domid, a->disk.vdev,
                              a->external_path);
        if (!rc && a->keep_path)
            rc = xls_check_unused(&r->op, r->domid, a->disk.vdev,
                                  a->disk.pdev_path);
    }
    return rc;
}
