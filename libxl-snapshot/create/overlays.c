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
    xls_identify(d->overlay_path, &d->overlay_id);
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
 * keep_path: QEMU has to know the overlay by the disk's path from the start,
 * since the node of a file that the guest writes cannot be renamed (see
 * xls_node_rename). So the path names the overlay for the moment of its
 * opening. A cold start in that moment would find all of the guest's data: the
 * overlay is empty and backed by the layer that the guest writes, which has
 * its second name by then.
 */
static int add_under_path(struct xls_create *c, struct xls_create_disk *d)
{
    int rc, added;

    rc = xls_file_link(&c->op.log, d->base_path, d->frozen_path,
                       &d->base_id);
    if (rc)
        return rc;
    d->linked = true;
    rc = xls_file_check_id(&c->op.log, d->base_path, &d->base_id);
    if (!rc)
        rc = xls_file_rename_now(&c->op.log, d->overlay_path, d->base_path);
    if (rc)
        return rc;
    d->moved = true;
    rc = xls_dir_sync(&c->op.log, d->base_path);
    if (rc)
        return rc;
    added = xls_overlay_add(&c->op, d->node, d->top_path,
                            &d->disk->layers[0], d->discard);
    d->added = !added;
    rc = xls_file_link(&c->op.log, d->base_path, d->overlay_path,
                       &d->overlay_id);
    if (!rc)
        rc = xls_file_take_path(&c->op.log, d->frozen_path, d->base_path,
                                d->second_name, &d->base_id);
    if (rc)
        return rc;
    d->moved = false;
    return added;
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
        if (d->args->keep_path) {
            rc = xls_layer_goes_to(&c->op, d->disk, 0, d->frozen_path);
            if (!rc)
                rc = add_under_path(c, d);
        } else {
            rc = xls_overlay_add(&c->op, d->node, d->overlay_path,
                                 &d->disk->layers[0], d->discard);
            d->added = !rc;
        }
        if (rc)
            return rc;
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
        if (d->moved && !xls_same_file(d->frozen_path, d->base_path)) {
            if (xls_file_check_id(&c->op.log, d->frozen_path, &d->base_id) ||
                xls_file_thaw(&c->op.log, d->frozen_path) ||
                xls_file_rename(&c->op.log, d->frozen_path, d->base_path))
                continue;
            d->linked = false;
        }
        if (d->linked)
            xls_file_unlink(&c->op.log, d->frozen_path);
        /* Folding it back has protected it from being started on. */
        if ((d->made || d->args->reuse_external) &&
            !xls_file_thaw(&c->op.log, d->overlay_path) && d->made)
            xls_file_unlink(&c->op.log, d->overlay_path);
        if (d->second_name)
            xls_file_drop_second_name(&c->op.log, d->second_name,
                                      d->base_path);
        d->added = d->moved = d->linked = d->made = false;
    }
}
