/* SPDX-License-Identifier: LGPL-2.1-only */
/* Deleted snapshots that are inside an image. */
#include "offline/merge_internal.h"

/* Returns 1 when the internal snapshot is gone, 0 when it has to stay. */
static int remove_internal(struct merge *f, const struct layer *image,
                           const xl_snapshot_disk *disk, struct error *e)
{
    const char *path = disk->layer_path;

    if (!image || !strings_has(&image->image.internal, disk->internal_name))
        return 1;
    if (image_internal_named(&image->image, disk->internal_name) > 1)
        return 0;
    /* QEMU deletes from the layer that it writes, and no one else may change
     * an image that it has open. */
    if (image->live) {
        if (!image->top || image->shared || image->live->domid != f->domid)
            return 0;
        return f->internal(f->user, disk->vdev, disk->internal_name, e)
            ? -1 : 1;
    }
    if (merge_begin(f, path, LIBXL_DISK_FORMAT_QCOW2, e))
        return -1;
    if (image_internal_delete(merge_file(f, path), disk->internal_name, e)) {
        merge_abandon(f);
        return -1;
    }
    return merge_end(f, e) ? -1 : 1;
}

/* An image that was only kept for the snapshots inside it goes with the last
 * one. */
static int discard_kept(struct merge *f, const struct layer *image,
                        const char *path, const xl_snapshot_record *except,
                        struct error *e)
{
    struct image now;
    bool empty;

    if (!image || image->top || image->live ||
        merge_referred(f->st, path, -1, except))
        return 0;
    if (image_info(path, LIBXL_DISK_FORMAT_QCOW2, &now, e))
        return -1;
    empty = !now.internal.num;
    image_dispose(&now);
    return empty ? merge_discard(f, path, except, e) : 0;
}

const char *merge_inside_obstacle(const struct layer *image,
                                  const xl_snapshot_disk *disk)
{
    if (image && image_internal_named(&image->image, disk->internal_name) > 1)
        return "the image holds another internal snapshot of that name; delete "
               "that one by its ID with the program that made it";
    return "a running domain has the image open as a frozen layer";
}

int merge_inside(struct merge *f, const struct layer *image,
                 xl_snapshot_record *rec, xl_snapshot_disk *disk,
                 struct error *e)
{
    int ret = remove_internal(f, image, disk, e);

    if (ret < 1)
        return ret;
    return discard_kept(f, image, disk->layer_path, rec, e) ||
        merge_drop(f, rec, disk, e) ? -1 : 1;
}

int merge_leftovers(struct merge *f, struct error *e)
{
    struct store *st = f->st;
    struct layers l;
    int i = 0, ret = 0;

    if (!st->info.num_leftovers)
        return 0;
    if (layers_load(&l, st, f->live, e))
        return -1;
    while (ret >= 0 && i < st->info.num_leftovers) {
        const xl_snapshot_disk *disk = &st->info.leftovers[i];
        const struct layer *image = layers_find(&l, disk->layer_path);

        ret = remove_internal(f, image, disk, e);
        if (ret > 0 && discard_kept(f, image, disk->layer_path, NULL, e))
            ret = -1;
        if (ret > 0)
            store_remove_leftover(st, i);
        else
            i++;
    }
    layers_free(&l);
    return ret < 0 ? -1 : store_write_info(st, e);
}
