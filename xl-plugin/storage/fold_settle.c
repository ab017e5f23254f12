/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The steps of a merge that a killed process may leave half done, noted in
 * domain.json before they are begun.
 */
#include "storage/fold_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

int fold_begin(struct fold *f, const char *path, libxl_disk_format format,
               struct error *e)
{
    if (fold_unused(f, path, e))
        return -1;
    str_replace(&f->st->info.writing, path);
    f->st->info.writing_format = format;
    return store_write_info(f->st, e) || image_thaw(path, e) ? -1 : 0;
}

static void clear_writing(struct fold *f)
{
    str_replace(&f->st->info.writing, NULL);
    f->st->info.writing_format = LIBXL_DISK_FORMAT_UNKNOWN;
}

int fold_end(struct fold *f, struct error *e)
{
    clear_writing(f);
    return store_write_info(f->st, e);
}

static int protect_again(const struct fold *f, const char *path,
                         struct error *e)
{
    return access(path, F_OK) ? 0 : fold_protect(f, path, e);
}

/* A merge has lifted the protection of the layers that it changes, and set
 * that of an active layer that is to go. */
static int protect_all(const struct fold *f, struct error *e)
{
    const struct store *st = f->st;
    int i, j, ret = 0;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++)
            if (st->records[i]->disks[j].method ==
                LIBXL_SNAPSHOT_METHOD_EXTERNAL)
                ret = protect_again(f, st->records[i]->disks[j].layer_path,
                                    e);
    for (i = 0; !ret && i < st->info.num_disks; i++)
        ret = protect_again(f, st->info.disks[i].top_path, e);
    return ret;
}

/* Whether a domain runs on it, so that it is QEMU's to write. */
static int is_open(const struct fold *f, const char *path, struct error *e)
{
    const struct layer *layer;
    struct layers l;
    int ret;

    if (layers_load(&l, f->st, f->live, e))
        return -1;
    layer = layers_find(&l, path);
    ret = layer && layer->live;
    layers_free(&l);
    return ret;
}

/* What cannot be freed is only space. */
static int free_leaks(struct fold *f, const char *path, struct error *e)
{
    struct error why = { 0 };

    if (image_thaw(path, e))
        return -1;
    if (image_repair_leaks(path, &why))
        fold_say(f, "%s, which was being written, may be larger than it need "
                 "be: %s", path, why.text);
    error_clear(&why);
    return fold_protect(f, path, e);
}

static int settle_writing(struct fold *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;
    struct error why = { 0 };
    int open;

    if (str_none(info->writing))
        return 0;
    if (info->writing_format == LIBXL_DISK_FORMAT_QCOW2 &&
        !access(info->writing, F_OK)) {
        open = is_open(f, info->writing, e);
        if (!open && fold_unused(f, info->writing, &why)) {
            fold_say(f, "%s is left as it is: %s", info->writing, why.text);
            error_clear(&why);
            open = 1;
        }
        if (open < 0 || (!open && free_leaks(f, info->writing, e)))
            return -1;
    }
    return protect_all(f, e) || fold_end(f, e) ? -1 : 0;
}

void fold_abandon(struct fold *f)
{
    struct error ignored = { 0 };

    settle_writing(f, &ignored);
    error_clear(&ignored);
}

static int clear_merged(struct fold *f, struct error *e)
{
    xl_snapshot_merged_dispose(&f->st->info.merged);
    xl_snapshot_merged_init(&f->st->info.merged);
    return store_write_info(f->st, e);
}

/* Layers based on from show the same on to. */
static int point_children(struct fold *f, const char *from, const char *to,
                          libxl_disk_format format, struct error *e)
{
    const struct layer *child = NULL;
    struct layers l;
    int ret = 0;

    if (layers_load(&l, f->st, f->live, e))
        return -1;
    while (!ret && (child = layers_next_child(&l, from, child)))
        /* QEMU has done it for those that it has open. */
        if (!child->live)
            ret = fold_unused(f, child->image.path, e) ||
                  image_thaw(child->image.path, e) ||
                  image_rebase(child->image.path, to, format, true, e) ||
                  fold_protect(f, child->image.path, e);
    layers_free(&l);
    return ret ? -1 : 0;
}

int fold_moved(struct fold *f, const char *from, const char *to,
               libxl_disk_format to_format, struct error *e)
{
    return point_children(f, from, to, to_format, e) ||
        fold_follow(f->st, from, to, to_format, e) ? -1 : 0;
}

static int finish_merged(struct fold *f, struct error *e)
{
    const xl_snapshot_merged *m = &f->st->info.merged;
    xl_snapshot_record *rec = store_find(f->st, m->snapshot);
    xl_snapshot_disk *disk = rec ? record_disk(rec, m->vdev) : NULL;

    if (point_children(f, m->from, m->to, m->to_format, e))
        return -1;
    /* First: a record of from's will name the same file from then on. */
    if (disk && str_same(disk->layer_path, m->to) &&
        fold_drop(f, rec, disk, e))
        return -1;
    if (fold_follow(f->st, m->from, m->to, m->to_format, e) ||
        fold_protect(f, m->to, e) || fold_discard(f, m->from, NULL, e))
        return -1;
    return clear_merged(f, e);
}

int fold_merged(struct fold *f, const xl_snapshot_record *rec,
                const char *vdev, const struct image *base, const char *child,
                struct error *e)
{
    xl_snapshot_merged *m = &f->st->info.merged;

    /* A domain that is started on it now would write what is then lost. */
    if (image_freeze(child, e))
        return -1;
    str_replace(&m->snapshot, rec->name);
    str_replace(&m->vdev, vdev);
    str_replace(&m->to, base->path);
    m->to_format = base->format;
    str_replace(&m->from, child);
    clear_writing(f);
    return store_write_info(f->st, e) || finish_merged(f, e) ? -1 : 0;
}

static int settle_merged(struct fold *f, struct error *e)
{
    const char *from = f->st->info.merged.from;
    int open;

    if (str_none(from))
        return 0;
    /* Its protection was lifted, and a domain started on it since: what it
     * shows is right in any case. */
    open = is_open(f, from, e);
    if (open)
        return open < 0 ? -1 : clear_merged(f, e);
    return protect_all(f, e) || finish_merged(f, e) ? -1 : 0;
}

int fold_settle(struct fold *f, struct error *e)
{
    return settle_writing(f, e) || settle_merged(f, e) ? -1 : 0;
}
