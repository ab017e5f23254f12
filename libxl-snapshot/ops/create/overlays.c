/* SPDX-License-Identifier: LGPL-2.1-only */
#include <unistd.h>

#include "block/node.h"
#include "common/files.h"
#include "diskimage/written.h"
#include "ops/create/create.h"

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
    xls_identify_fd(fd, &d->overlay_id);
    rc = xls_overlay_format(&c->op, d->overlay_path, fd, base->virtual_size,
                            d->frozen_path, base->driver);
    if (!rc)
        rc = xls_fd_sync(&c->op.log, fd, d->overlay_path);
    close(fd);
    if (!rc)
        rc = xls_dir_sync(&c->op.log, d->overlay_path);
    /* From here on it is opened by its path. */
    return rc ? rc : xls_file_check_id(&c->op.log, d->overlay_path,
                                       &d->overlay_id);
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
    /* It may open that path yet. */
    if (c->op.in_doubt)
        return added;
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

/* Whether the overlay may be removed: what a guest wrote to it is in no other
 * file unless it was merged. */
static bool is_needed(const struct xls_create *c,
                      const struct xls_create_disk *d, const char *path)
{
    if (d->merged || !xls_image_written(path))
        return false;
    XLS_WARN(&c->op.log, "disk %s: the overlay %s holds data that the guest "
             "wrote; it is kept", d->disk->rec->vdev, path);
    return true;
}

/* The file gets its own name again. */
static int move_back(struct xls_create *c, struct xls_create_disk *d)
{
    int rc;

    rc = xls_file_check_id(&c->op.log, d->frozen_path, &d->base_id);
    if (!rc)
        rc = xls_file_thaw(&c->op.log, d->frozen_path);
    if (!rc)
        rc = xls_file_rename(&c->op.log, d->frozen_path, d->base_path);
    return rc;
}

/* What stays set is still to be done. */
static void undo_overlay(struct xls_create *c, struct xls_create_disk *d)
{
    int rc = 0;

    /* Open in QEMU, for all that is known. */
    if (d->added && xls_node_del(&c->op, d->node))
        return;
    d->added = false;
    if (d->moved && !xls_same_file(d->frozen_path, d->base_path)) {
        if (is_needed(c, d, d->base_path)) {
            d->moved = d->linked = d->made = false;
            return;
        }
        if (move_back(c, d))
            return;
        d->linked = false;
    }
    d->moved = false;
    if (d->linked && xls_same_file(d->frozen_path, d->base_path))
        rc = xls_file_unlink(&c->op.log, d->frozen_path);
    d->linked = rc != 0;
    /* Merging it back has protected it from being started on. */
    if (d->made || d->args->reuse_external)
        rc = xls_file_thaw(&c->op.log, d->overlay_path);
    if (!rc && d->made && !is_needed(c, d, d->overlay_path))
        rc = xls_file_unlink(&c->op.log, d->overlay_path);
    d->made = d->made && rc;
    if (d->second_name)
        xls_file_drop_second_name(&c->op.log, d->second_name, d->base_path);
}

void xls_create_undo_overlays(struct xls_create *c)
{
    int i;

    /* One that is still in use: the window could not be undone, and has said
     * so. */
    for (i = 0; i < c->num_todo && !c->op.in_doubt; i++) {
        struct xls_create_disk *d = &c->todo[i];

        if (d->switched)
            continue;
        undo_overlay(c, d);
        if (d->moved || d->linked || d->made)
            XLS_ERROR(&c->op.log, "disk %s: what was made for its snapshot "
                      "could not all be taken back; the next snapshot command "
                      "on domain %s tries again", d->disk->rec->vdev,
                      c->op.name);
    }
}
