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
    }
    return 0;
}

void xls_create_undo_overlays(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];

        /* Still in use: the window could not be undone, and has said so. */
        if (d->switched)
            continue;
        if (d->added)
            xls_node_del(&c->op, d->node);
        if (d->made)
            xls_file_unlink(&c->op.log, d->overlay_path);
        d->added = d->made = false;
    }
}
