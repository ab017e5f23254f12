/* SPDX-License-Identifier: LGPL-2.1-only */
#include "offline/merge_internal.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "layers/space.h"

/*
 * Backward: child's data goes down into base. Then base's file is the one
 * that stays; it takes child's name (KEEP_CHILD), or, where the name says
 * what the format is or the domain's config names it, child's users are
 * pointed to it (KEEP_BASE).
 */
enum direction { FORWARD, KEEP_CHILD, KEEP_BASE };

/* Whether a can be renamed to b; a symlink would lose what it leads to. */
static bool can_take_name(const char *a, const char *b)
{
    struct stat sa, sb;

    return !lstat(a, &sa) && !lstat(b, &sb) && sa.st_dev == sb.st_dev &&
           S_ISREG(sa.st_mode) && S_ISREG(sb.st_mode);
}

/* Which way child can go down into base; FORWARD: it cannot. */
static enum direction way_down(const struct merge *f, const struct layers *l,
                               const struct image *base,
                               const struct image *child)
{
    const struct layer *above = NULL;

    if (child->virtual_size < base->virtual_size)
        return FORWARD;
    if (merge_configured(f->st, base->path))
        return KEEP_BASE;
    if (base->format == child->format &&
        can_take_name(base->path, child->path))
        return KEEP_CHILD;
    while ((above = layers_next_child(l, child->path, above)))
        if (above->foreign)
            return FORWARD;
    return merge_configured(f->st, child->path) ? FORWARD : KEEP_BASE;
}

/* The way that copies less, but a file that the domain's configuration names
 * is to be the active layer again. */
static enum direction best_way(const struct merge *f, enum direction down,
                               const struct image *base,
                               const struct image *child)
{
    if (merge_configured(f->st, base->path))
        return down;
    return base->actual_size > child->actual_size && down == KEEP_CHILD
        ? KEEP_CHILD : FORWARD;
}

static int choose(struct merge *f, const struct layers *l,
                  libxl_snapshot_merge merge, const struct image *base,
                  const struct image *child, enum direction *way,
                  struct error *e)
{
    enum direction down = way_down(f, l, base, child), other;
    struct error ignored = { 0 };
    int ret;

    if (merge == LIBXL_SNAPSHOT_MERGE_AUTO)
        *way = best_way(f, down, base, child);
    else
        *way = merge == LIBXL_SNAPSHOT_MERGE_BACKWARD ? down : FORWARD;
    if (merge == LIBXL_SNAPSHOT_MERGE_BACKWARD && down == FORWARD)
        merge_say(f, "%s cannot go down into %s: it is smaller, or other files "
                  "would have to be changed for it", child->path, base->path);
    ret = space_check(base, child, *way != FORWARD, e);
    other = *way == FORWARD ? down : FORWARD;
    if (!ret || merge != LIBXL_SNAPSHOT_MERGE_AUTO || other == *way ||
        space_check(base, child, other != FORWARD, &ignored)) {
        error_clear(&ignored);
        return ret;
    }
    error_clear(e);
    *way = other;
    return 0;
}

/* base's data goes into child, which is then based on what base is. */
static int copy_up(struct merge *f, const struct image *base,
                   const struct image *child, struct error *e)
{
    merge_say(f, "merging %s into %s", base->path, child->path);
    if (merge_begin_from(f, child->path, base, child->format, e))
        return -1;
    if (image_rebase(merge_file(f, child->path), base->backing,
                     base->backing_format, false, e)) {
        merge_abandon(f);
        return -1;
    }
    return merge_end(f, e);
}

static int forward(struct merge *f, xl_snapshot_record *rec,
                   xl_snapshot_disk *disk, const struct image *base,
                   const struct image *child, struct error *e)
{
    return copy_up(f, base, child, e) ||
        merge_discard(f, base->path, rec, e) ||
        merge_drop(f, rec, disk, e) ? -1 : 0;
}

/* base keeps its name, and is hidden meanwhile. That alone puts child, whose
 * header names it, out of reach. */
static int keep_base(struct merge *f, xl_snapshot_record *rec,
                     xl_snapshot_disk *disk, const struct image *base,
                     const struct image *child, struct error *e)
{
    if (merge_begin(f, base->path, base->format, e))
        return -1;
    /* qemu-img opens the upper image for writing as well. */
    if (merge_check_unused(f, child->path, child->path, e) ||
        image_thaw(child->path, e) ||
        image_commit(child->path, merge_file(f, base->path), base->format, e)) {
        merge_abandon(f);
        return -1;
    }
    return merge_is_done(f, rec, disk->vdev, base, child->path, e);
}

static int keep_child(struct merge *f, xl_snapshot_record *rec,
                      xl_snapshot_disk *disk, const struct image *base,
                      const struct image *child, struct error *e)
{
    if (merge_begin_into(f, child->path, base->path, base->format, e))
        return -1;
    if (image_thaw(base->path, e) ||
        image_commit(merge_file(f, child->path), base->path, base->format,
                     e) ||
        /* What a relative name would not lead to from there. */
        (base->relative && image_rebase(base->path, base->backing,
                                        base->backing_format, true, e))) {
        merge_abandon(f);
        return -1;
    }
    return merge_end_into(f, e) || merge_drop(f, rec, disk, e) ? -1 : 0;
}

static int backward(struct merge *f, enum direction direction,
                    xl_snapshot_record *rec, xl_snapshot_disk *disk,
                    const struct image *base, const struct image *child,
                    struct error *e)
{
    merge_say(f, "merging %s into %s", child->path, base->path);
    return direction == KEEP_BASE ? keep_base(f, rec, disk, base, child, e)
                                  : keep_child(f, rec, disk, base, child, e);
}

int merge_offline(struct merge *f, const struct layers *l,
                  xl_snapshot_record *rec, xl_snapshot_disk *disk,
                  const struct layer *base, const struct layer *child,
                  struct error *e)
{
    enum direction way;

    if (choose(f, l, disk->on_delete, &base->image, &child->image, &way, e))
        return -1;
    if (way == FORWARD)
        return forward(f, rec, disk, &base->image, &child->image, e);
    return backward(f, way, rec, disk, &base->image, &child->image, e);
}

/* Whether a disk of the domain is on the layer. */
static bool is_current(const struct merge *f, const struct layers *l,
                       const struct layer *layer)
{
    const struct layer *at;
    int i, steps;

    for (i = 0; i < f->st->info.num_disks; i++) {
        at = layers_find(l, f->st->info.disks[i].top_path);
        for (steps = 0; at && steps < l->num; steps++) {
            if (at == layer)
                return true;
            at = at->image.backing ? layers_find(l, at->image.backing) : NULL;
        }
    }
    return false;
}

/* The layer that base is to be merged with in the end: the domain's, so that
 * the files that its configuration names are its active layers, or else the
 * one that has least to write. */
static const struct layer *last_child(const struct merge *f,
                                      const struct layers *l,
                                      const struct layer *base)
{
    const struct layer *child = NULL, *last = NULL;

    while ((child = layers_next_child(l, base->image.path, child))) {
        if (child->live || is_current(f, l, child))
            return child;
        if (!last || child->image.actual_size < last->image.actual_size)
            last = child;
    }
    return last;
}

int merge_apart(struct merge *f, const struct layers *l,
                const struct layer *base, struct error *e)
{
    const struct layer *last = last_child(f, l, base), *child;

    child = layers_next_child(l, base->image.path, NULL);
    if (child == last)
        child = layers_next_child(l, base->image.path, child);
    return space_check(&base->image, &child->image, false, e) ||
        copy_up(f, &base->image, &child->image, e) ? -1 : 0;
}

static int note_top(struct merge *f, const char *vdev,
                    const struct merge_result *result, struct error *e)
{
    xl_snapshot_domain_disk *d = store_disk(f->st, vdev);

    if (!d || str_none(result->top_path) ||
        str_same(d->top_path, result->top_path))
        return 0;
    str_replace(&d->top_path, result->top_path);
    d->top_format = result->top_format;
    return store_write_info(f->st, e);
}

/* What to ask the library for; AUTO leaves it the choice. */
static int choose_online(const struct merge *f, libxl_snapshot_merge asked,
                         const struct image *base, const struct image *child,
                         libxl_snapshot_merge *merge, struct error *e)
{
    struct error ignored = { 0 };
    bool up, down;

    *merge = asked;
    if (asked == LIBXL_SNAPSHOT_MERGE_AUTO &&
        merge_configured(f->st, base->path) && base->format != child->format)
        *merge = LIBXL_SNAPSHOT_MERGE_BACKWARD;
    if (*merge != LIBXL_SNAPSHOT_MERGE_AUTO)
        return space_check(base, child,
                           *merge == LIBXL_SNAPSHOT_MERGE_BACKWARD, e);
    up = !space_check(base, child, false, e);
    down = !space_check(base, child, true, &ignored);
    error_clear(&ignored);
    if (!up && !down)
        return -1;
    error_clear(e);
    if (!up || !down)
        *merge = up ? LIBXL_SNAPSHOT_MERGE_FORWARD
                    : LIBXL_SNAPSHOT_MERGE_BACKWARD;
    return 0;
}

int merge_online(struct merge *f, xl_snapshot_record *rec,
                 xl_snapshot_disk *disk, const struct layer *base,
                 const struct layer *child, struct error *e)
{
    const char *path = base->image.path;
    struct merge_result result = { 0 };
    struct live_disk *live = child->live;
    libxl_snapshot_merge merge;
    int ret;

    if (choose_online(f, disk->on_delete, &base->image, &child->image, &merge,
                      e))
        return -1;
    merge_say(f, "merging %s and %s while %s runs", path, child->image.path,
              f->st->domain);
    ret = f->external(f->user, live->vdev, path, merge, &result, e);
    if (ret)
        goto out;
    /* What the running domain has open is another file now. */
    if (!str_none(result.top_path)) {
        str_replace(&live->path, result.top_path);
        live->format = result.top_format;
    }
    if (!str_none(result.unused_path) &&
        str_same(result.unused_path, child->image.path)) {
        ret = merge_is_done(f, rec, disk->vdev, &base->image, child->image.path,
                            e);
        goto out;
    }
    ret = note_top(f, disk->vdev, &result, e);
    if (!ret && !child->top)
        ret = image_freeze(child->image.path, e);
    if (!ret && !str_none(result.unused_path))
        ret = merge_discard(f, result.unused_path, rec, e);
    if (!ret)
        ret = merge_drop(f, rec, disk, e);

out:
    free(result.top_path);
    free(result.unused_path);
    return ret;
}
