/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/fold_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/*
 * Backward: child's data goes down into base. Then base's file is the one
 * that stays; it takes child's name (KEEP_CHILD), or, where the name says
 * what the format is or the domain's config names it, child's users are
 * pointed to it (KEEP_BASE).
 */
enum direction { FORWARD, KEEP_CHILD, KEEP_BASE };

static bool one_file_system(const char *a, const char *b)
{
    struct stat sa, sb;

    return !stat(a, &sa) && !stat(b, &sb) && sa.st_dev == sb.st_dev;
}

static enum direction choose(struct fold *f, const struct image *base,
                             const struct image *child)
{
    if (child->virtual_size < base->virtual_size ||
        child->format != LIBXL_DISK_FORMAT_QCOW2)
        return FORWARD;
    if (fold_configured(f->st, base->path))
        return KEEP_BASE;
    if (base->format == child->format &&
        base->actual_size > child->actual_size &&
        one_file_system(base->path, child->path))
        return KEEP_CHILD;
    return FORWARD;
}

int fold_protect(const struct store *st, const char *path, struct error *e)
{
    return fold_referred(st, path, LIBXL_SNAPSHOT_METHOD_EXTERNAL, NULL)
        ? image_freeze(path, e) : image_thaw(path, e);
}

/* After a failure, which is what the user is told about. */
static void freeze_again(const struct store *st, const char *base,
                         const char *child)
{
    struct error ignored = { 0 };

    fold_protect(st, base, &ignored);
    fold_protect(st, child, &ignored);
    error_clear(&ignored);
}

/* Layers based on from show the same on to. */
static int point_children(const struct layers *l, const char *from,
                          const char *to, libxl_disk_format format,
                          const struct store *st, struct error *e)
{
    int i;

    for (i = 0; i < l->num; i++) {
        const struct image *image = &l->v[i].image;

        /* QEMU has done it for those that it has open. */
        if (!str_same(image->backing, from) || l->v[i].live)
            continue;
        if (image_thaw(image->path, e) ||
            image_rebase(image->path, to, format, true, e) ||
            fold_protect(st, image->path, e))
            return -1;
    }
    return 0;
}

/* All that referred to child refers to base, which has its content now. */
static int child_to_base(struct fold *f, const struct layers *l,
                         xl_snapshot_record *rec, xl_snapshot_disk *disk,
                         const struct image *base, const struct image *child,
                         struct error *e)
{
    char *path = xls_strdup(child->path);
    int ret = -1;

    if (point_children(l, child->path, base->path, base->format, f->st, e) ||
        fold_drop(f, rec, disk, e) ||
        fold_follow(f->st, path, base->path, base->format, e) ||
        fold_protect(f->st, base->path, e))
        goto out;
    ret = fold_discard(f, path, NULL, e);

out:
    free(path);
    return ret;
}

int fold_moved(struct fold *f, const char *from, const char *to,
               libxl_disk_format to_format, struct error *e)
{
    struct layers l;
    int ret;

    if (layers_load(&l, f->st, f->live, e))
        return -1;
    ret = point_children(&l, from, to, to_format, f->st, e);
    layers_free(&l);
    return ret ? ret : fold_follow(f->st, from, to, to_format, e);
}

static int backward(struct fold *f, const struct layers *l,
                    enum direction direction, xl_snapshot_record *rec,
                    xl_snapshot_disk *disk, const struct image *base,
                    const struct image *child, struct error *e)
{
    /* qemu-img opens the upper image for writing as well. */
    if (image_thaw(base->path, e) || image_thaw(child->path, e))
        return -1;
    if (image_commit(child->path, e)) {
        freeze_again(f->st, base->path, child->path);
        return -1;
    }
    if (direction == KEEP_BASE)
        return child_to_base(f, l, rec, disk, base, child, e);
    if (rename(base->path, child->path))
        return error_errno(e, "cannot rename %s to %s", base->path,
                           child->path);
    if (fold_protect(f->st, child->path, e))
        return -1;
    return fold_drop(f, rec, disk, e);
}

static int forward(struct fold *f, xl_snapshot_record *rec,
                   xl_snapshot_disk *disk, const struct image *base,
                   const struct image *child, struct error *e)
{
    if (image_thaw(child->path, e))
        return -1;
    if (image_rebase(child->path, base->backing, base->backing_format, false,
                     e)) {
        freeze_again(f->st, base->path, child->path);
        return -1;
    }
    if (fold_protect(f->st, child->path, e) ||
        fold_discard(f, base->path, rec, e))
        return -1;
    return fold_drop(f, rec, disk, e);
}

int fold_offline(struct fold *f, const struct layers *l,
                 xl_snapshot_record *rec, xl_snapshot_disk *disk,
                 const struct layer *base, const struct layer *child,
                 struct error *e)
{
    enum direction direction = choose(f, &base->image, &child->image);

    if (child->image.format != LIBXL_DISK_FORMAT_QCOW2)
        return error_set(e, "%s, which is based on %s, is no qcow2 image and "
                         "cannot be folded", child->image.path,
                         base->image.path);
    fold_say(f, "folding %s and %s into one", base->image.path,
             child->image.path);
    if (direction == FORWARD)
        return forward(f, rec, disk, &base->image, &child->image, e);
    return backward(f, l, direction, rec, disk, &base->image, &child->image,
                    e);
}

static int note_top(struct fold *f, const char *vdev,
                    const struct fold_result *result, struct error *e)
{
    xl_snapshot_domain_disk *d = store_disk(f->st, vdev);

    if (!d || str_none(result->top_path) ||
        str_same(d->top_path, result->top_path))
        return 0;
    str_replace(&d->top_path, result->top_path);
    d->top_format = result->top_format;
    return store_write_info(f->st, e);
}

int fold_online(struct fold *f, const struct layers *l,
                xl_snapshot_record *rec, xl_snapshot_disk *disk,
                const struct layer *base, const struct layer *child,
                struct error *e)
{
    libxl_snapshot_merge merge = LIBXL_SNAPSHOT_MERGE_AUTO;
    struct fold_result result = { 0 };
    struct live_disk *live = child->live;
    char *path = xls_strdup(base->image.path);
    int ret;

    if (fold_configured(f->st, path) &&
             base->image.format != child->image.format)
        merge = LIBXL_SNAPSHOT_MERGE_BACKWARD;
    fold_say(f, "folding %s and %s into one", path, child->image.path);

    ret = f->external(f->user, disk->vdev, path, merge, &result, e);
    if (ret)
        goto out;
    /* What the running domain has open is another file now. */
    if (!str_none(result.top_path)) {
        str_replace(&live->path, result.top_path);
        live->format = result.top_format;
    }
    ret = note_top(f, disk->vdev, &result, e);
    if (ret)
        goto out;
    if (!str_none(result.unused_path) &&
        str_same(result.unused_path, child->image.path)) {
        ret = child_to_base(f, l, rec, disk, &base->image, &child->image, e);
        goto out;
    }
    if (!child->top)
        ret = image_freeze(child->image.path, e);
    if (!ret && !str_none(result.unused_path))
        ret = fold_discard(f, result.unused_path, rec, e);
    if (!ret)
        ret = fold_drop(f, rec, disk, e);

out:
    free(result.top_path);
    free(result.unused_path);
    free(path);
    return ret;
}
