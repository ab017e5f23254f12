/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "block/node.h"
#include "create.h"
#include "files/files.h"

static int make_file(struct xls_create *c, struct xls_create_disk *d)
{
    const struct xls_layer *base = &d->disk->layers[0];
    int fd, rc;

    if (d->args->reuse_external)
        return 0;
    rc = xls_file_create(&c->op.log, d->overlay_path, d->base_path, &fd);
    if (rc)
        return rc;
    d->made = true;
    rc = xls_overlay_format(&c->op, d->overlay_path, base->virtual_size,
                            d->frozen_path, base->driver);
    if (!rc)
        rc = xls_fd_sync(&c->op.log, fd, d->overlay_path);
    close(fd);
    if (!rc)
        rc = xls_dir_sync(&c->op.log, d->overlay_path);
    return rc;
}

/*
 * keep_path: the layer to be frozen gets its second name, and QEMU calls it
 * by that one from here on, so that the disk's path can be given to the
 * overlay at any moment.
 */
static int name_base(struct xls_create *c, struct xls_create_disk *d)
{
    const struct xls_disk *disk = d->disk;
    int rc;

    rc = xls_file_link(&c->op.log, d->base_path, d->frozen_path);
    if (rc)
        return rc;
    d->linked = true;
    rc = xls_dir_sync(&c->op.log, d->frozen_path);
    if (rc)
        return rc;
    d->renamed = true;
    return xls_node_rename(&c->op, &disk->layers[0], d->frozen_path, false,
                           disk->num_layers > 1 ? disk->layers[1].node : NULL,
                           d->discard);
}

int xls_create_overlays(struct xls_create *c)
{
    int i, rc;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];

        if (d->args->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        rc = make_file(c, d);
        if (rc) {
            XLS_ERROR(&c->op.log, "disk %s: its overlay could not be made",
                      d->disk->rec->vdev);
            return rc;
        }
        rc = xls_overlay_add(&c->op, d->node, d->overlay_path,
                             &d->disk->layers[0], d->discard);
        if (rc)
            return rc;
        d->added = true;
        if (d->args->keep_path) {
            rc = name_base(c, d);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* The layer that the guest writes gets its path back: on disk, in QEMU, and
 * then no other name. */
static void undo_name_base(struct xls_create *c, struct xls_create_disk *d)
{
    const struct xls_disk *disk = d->disk;

    if (d->moved) {
        if (xls_file_rename(&c->op.log, d->frozen_path, d->base_path))
            return;
        d->moved = d->linked = false;
    }
    if (d->renamed &&
        (xls_disks_requery(&c->op, &c->disks) ||
         xls_node_rename(&c->op, &disk->layers[0], disk->rec->pdev_path, false,
                         disk->num_layers > 1 ? disk->layers[1].node : NULL,
                         d->discard)))
        return;
    d->renamed = false;
    /* Only now: QEMU no longer has it by this name. */
    if (d->linked)
        xls_file_unlink(&c->op.log, d->frozen_path);
    d->linked = false;
}

void xls_create_undo_overlays(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];

        /* Still in use: the window could not be undone, and has said so. */
        if (d->switched)
            continue;
        undo_name_base(c, d);
        if (d->added)
            xls_node_del(&c->op, d->node);
        if (d->made)
            xls_file_unlink(&c->op.log, d->overlay_path);
        d->added = d->made = false;
    }
}
