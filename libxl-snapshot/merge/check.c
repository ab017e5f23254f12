/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/check.h"

#include <stdlib.h>
#include <string.h>

#include "block/node.h"
#include "common/freeze.h"
#include "common/mark.h"
#include "xen/users.h"

bool xls_merge_keeps_path(const struct xls_disk *disk, int child, int layer)
{
    return !strcmp(disk->layers[child].driver, disk->layers[layer].driver);
}

/* QEMU 7.2 was seen to abort (qemu_mutex_unlock_impl) when the backing node of
 * a disk that an I/O thread serves is exchanged; since 9.0 there are no such
 * locks. */
bool xls_can_insert_nodes(struct xls_op *op)
{
    return !xls_op_qmp(op) && xls_qmp_version(op->qmp) >= 9000000;
}

/* A layer can only take another's path on a node that can be reopened. */
static bool must_insert_nodes(const struct xls_disk *disk, int child, int layer,
                              bool backward)
{
    return backward && xls_merge_keeps_path(disk, child, layer) &&
           xls_layer_implicit(&disk->layers[layer]);
}

int xls_merge_insert_nodes(struct xls_op *op, struct xls_disks *disks,
                           struct xls_disk *disk, int child, int layer,
                           bool backward)
{
    /* A frozen layer on a node of QEMU's own that was merged into stays open
     * for writing, by which every later change of the chain fails (seen with
     * 10.0, not with 7.2). */
    int written = backward ? layer : child;
    bool should = child > 0 && xls_layer_implicit(&disk->layers[written]);
    int rc;

    if (!must_insert_nodes(disk, child, layer, backward) &&
        !(should && xls_can_insert_nodes(op)))
        return 0;
    rc = xls_disk_insert_nodes(op, disk, xls_disk_discards(disk));
    if (!rc)
        rc = xls_disks_requery(op, disks);
    return rc ? rc : xls_disk_verify(op, disk);
}

/* An internal snapshot reads what its image does not have from the backing
 * file as it is now; merging keeps what the image itself shows, no more. */
int xls_merge_check_internal(struct xls_op *op, const struct xls_disk *disk,
                             int from, int to)
{
    int i;

    for (i = from; i <= to; i++)
        if (disk->layers[i].num_internals) {
            XLS_ERROR(&op->log, "disk %s: %s holds internal snapshots, which "
                      "merging would destroy; delete them first",
                      disk->rec->vdev, disk->layers[i].path);
            return ERROR_SNAPSHOT_CHAIN_SHARED;
        }
    return 0;
}

/* Another disk of the same domain may be on a layer, too. */
static int check_own(struct xls_op *op, const struct xls_disks *disks,
                     const struct xls_disk *disk, const char *path)
{
    int i;

    for (i = 0; i < disks->num; i++) {
        const struct xls_disk *other = &disks->disks[i];

        if (other == disk || xls_disk_layer(other, path) < 0)
            continue;
        XLS_ERROR(&op->log, "disk %s: %s is in use by disk %s of the domain "
                  "too", disk->rec->vdev, path, other->rec->vdev);
        return ERROR_SNAPSHOT_CHAIN_SHARED;
    }
    return 0;
}

int xls_merge_check_running(struct xls_op *op, const struct xls_disks *disks,
                            const struct xls_disk *disk, int from, int to)
{
    struct xls_users users;
    int i, rc = 0;

    xls_users_load(op, &users);
    for (i = from; i <= to && !rc; i++) {
        const char *path = disk->layers[i].path;

        rc = check_own(op, disks, disk, path);
        if (!rc)
            rc = xls_users_check(op, &users, XLS_NO_DOMID, disk->rec->vdev,
                                 path);
    }
    xls_users_dispose(&users);
    return rc;
}

int xls_merge_check_base(struct xls_op *op, const struct xls_disk *disk,
                         int layer, bool force)
{
    const char *path = disk->layers[layer].path;
    const char *vdev = disk->rec->vdev;

    if (path[0] != '/' || xls_marked(path))
        return 0;
    if (!force) {
        XLS_ERROR(&op->log, "disk %s: %s is not a frozen layer of a snapshot, "
                  "and other images may be based on it; to write it all the "
                  "same, name it and set force", vdev, path);
        return ERROR_SNAPSHOT_CHAIN_SHARED;
    }
    if (xls_frozen(path)) {
        XLS_ERROR(&op->log, "disk %s: %s is protected, but not by a snapshot; "
                  "to write it all the same, lift that first (chattr -i, chmod "
                  "u+w)", vdev, path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    return 0;
}

/* The child's own content goes on in the layer; what those below it show is
 * lost. */
static int check_users(struct xls_op *op, const struct xls_disk *disk,
                       int child, int layer)
{
    int i, rc;

    for (i = child + 1; i <= layer && op->how->layer_users; i++) {
        const char *path = disk->layers[i].path;
        char *users = NULL;

        /* It may call libxl. */
        xls_op_qmp_close(op);
        rc = op->how->layer_users(op->how->user, op->domid, disk->rec->vdev,
                                  path, &users);
        if (!rc && users) {
            XLS_ERROR(&op->log, "disk %s: what %s holds is needed by %s",
                      disk->rec->vdev, path, users);
            rc = ERROR_SNAPSHOT_CHAIN_SHARED;
        }
        free(users);
        if (rc)
            return rc;
    }
    return 0;
}

int xls_merge_check_backward(struct xls_op *op, const struct xls_disk *disk,
                             int child, int layer)
{
    if (must_insert_nodes(disk, child, layer, true) &&
        !xls_can_insert_nodes(op)) {
        XLS_ERROR(&op->log, "disk %s: this QEMU is older than 9.0 and cannot "
                  "merge backward into a layer that it opened by itself; "
                  "merge forward", disk->rec->vdev);
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    return check_users(op, disk, child, layer);
}
