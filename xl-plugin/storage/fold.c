/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/fold_internal.h"

#include <errno.h>
#include <libgen.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/tree.h"

void fold_say(struct fold *f, const char *fmt, ...)
{
    char *text;
    va_list al;
    int r;

    if (!f->say)
        return;
    va_start(al, fmt);
    r = vasprintf(&text, fmt, al);
    va_end(al);
    if (r < 0)
        abort();
    f->say(f->user, text);
    free(text);
}

bool fold_referred(const struct store *st, const char *path, int method,
                   const xl_snapshot_record *rec)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; st->records[i] != rec && j < st->records[i]->num_disks;
             j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if ((method < 0 || (int)d->method == method) &&
                (str_same(d->layer_path, path) ||
                 image_same(d->layer_path, path)))
                return true;
        }
    return false;
}

bool fold_configured(const struct store *st, const char *path)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].config_path, path))
            return true;
    return false;
}

int fold_drop(struct fold *f, xl_snapshot_record *rec, xl_snapshot_disk *disk,
              struct error *e)
{
    record_disk_remove(rec, disk);
    return store_write(f->st, rec, e);
}

int fold_follow(struct store *st, const char *from, const char *to,
                libxl_disk_format to_format, struct error *e)
{
    bool top = false;
    int i;

    if (store_move_layer(st, from, to, to_format, e))
        return -1;
    for (i = 0; i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].top_path, from)) {
            str_replace(&st->info.disks[i].top_path, to);
            st->info.disks[i].top_format = to_format;
            top = true;
        }
    return top ? store_write_info(st, e) : 0;
}

static int unlink_synced(const char *path, struct error *e)
{
    char *copy;
    int fd, ret = 0;

    if (image_thaw(path, e))
        return -1;
    if (unlink(path))
        return error_errno(e, "cannot remove %s", path);
    copy = xls_strdup(path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        ret = error_errno(e, "cannot sync the directory of %s", path);
    if (fd >= 0)
        close(fd);
    free(copy);
    return ret;
}

int fold_discard(struct fold *f, const char *path,
                 const xl_snapshot_record *except, struct error *e)
{
    struct layer *layer, *child = NULL;
    struct layers l;
    int ret = 0;

    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    if (layers_load(&l, f->st, f->live, e))
        return -1;
    layer = layers_find(&l, path);
    if (layers_children(&l, path, &child))
        fold_say(f, "%s stays: %s is based on it", path, child->image.path);
    else if ((layer && (layer->live || layer->top || layer->foreign)) ||
             fold_referred(f->st, path, -1, except))
        fold_say(f, "%s stays: it is in use", path);
    else if (fold_configured(f->st, path))
        fold_say(f, "%s stays, though no snapshot needs it any more, since "
                 "the domain's configuration names it", path);
    else
        ret = unlink_synced(path, e);
    layers_free(&l);
    return ret;
}

int fold_hide(struct store *st, xl_snapshot_record *rec, struct error *e)
{
    rec->hidden = true;
    return store_write(st, rec, e);
}

static int remove_memory(struct fold *f, xl_snapshot_record *rec,
                         struct error *e)
{
    if (!rec->memory)
        return 0;
    if (store_remove_memory(f->st, rec->name, e))
        return -1;
    rec->memory = false;
    str_replace(&rec->memory_path, NULL);
    return store_write(f->st, rec, e);
}

/* Returns 1 when the internal snapshot is gone, 0 when it has to stay. */
static int remove_internal(struct fold *f, const struct layer *image,
                           const xl_snapshot_disk *disk, struct error *e)
{
    const char *path = disk->layer_path;

    if (!image || !strings_has(&image->image.internal, disk->internal_name))
        return 1;
    /* QEMU deletes from the layer that it writes, and no one else may change
     * an image that it has open. */
    if (image->live) {
        if (!image->top || image->shared || image->live->domid != f->domid)
            return 0;
        return f->internal(f->user, disk->vdev, disk->internal_name, e)
            ? -1 : 1;
    }
    return image_thaw(path, e) ||
        image_internal_delete(path, disk->internal_name, e) ||
        fold_protect(f->st, path, e) ? -1 : 1;
}

/* An image that was only kept for the snapshots inside it goes with the last
 * one. */
static int discard_kept(struct fold *f, const struct layer *image,
                        const char *path, struct error *e)
{
    struct image now;
    bool empty;

    if (!image || image->top || image->live ||
        fold_referred(f->st, path, -1, NULL))
        return 0;
    if (image_info(path, LIBXL_DISK_FORMAT_QCOW2, &now, e))
        return -1;
    empty = !now.internal.num;
    image_dispose(&now);
    return empty ? fold_discard(f, path, NULL, e) : 0;
}

static int drop_internal(struct fold *f, const struct layer *image,
                         xl_snapshot_record *rec, xl_snapshot_disk *disk,
                         struct error *e)
{
    char *path;
    int ret = remove_internal(f, image, disk, e);

    if (ret < 1)
        return ret;
    path = xls_strdup(disk->layer_path);
    ret = fold_drop(f, rec, disk, e);
    if (!ret)
        ret = discard_kept(f, image, path, e);
    free(path);
    return ret ? -1 : 1;
}

/* Why a layer must stay as it is; NULL when it need not. */
static const char *obstacle(const struct fold *f, const struct layer *base,
                            int children, const struct layer *child)
{
    if (base->image.internal.num)
        return "it holds internal snapshots";
    if (children > 1)
        return "several layers are based on it";
    /* What these do not have themselves they read from the backing file as
     * it is now; folding keeps what the image itself shows, and no more. */
    if (child && child->image.internal.num)
        return "the layer above holds internal snapshots, which need it";
    if (base->shared || (child && child->shared))
        return "more than one running domain uses it";
    if (base->foreign || (child && child->foreign))
        return "another domain's snapshots need it";
    if (child && child->live && child->live->domid != f->domid)
        return "another running domain uses it";
    if (base->live && !(child && child->live))
        return "a running domain uses it";
    return NULL;
}

/* The disk is on the deleted layer itself: its overlay was merged into it by a
 * command that was killed before it could note that. */
static int follow_merged_top(struct fold *f, const char *vdev,
                             const struct layer *base, struct error *e)
{
    xl_snapshot_domain_disk *d = store_disk(f->st, vdev);
    char *overlay;
    int ret;

    if (!d || str_same(d->top_path, base->image.path) ||
        image_same(d->top_path, base->image.path))
        return 0;
    overlay = xls_strdup(d->top_path);
    str_replace(&d->top_path, base->image.path);
    d->top_format = base->image.format;
    ret = store_write_info(f->st, e);
    if (!ret)
        ret = fold_discard(f, overlay, NULL, e);
    free(overlay);
    return ret;
}

/* Returns 1 when the disk left the record, 0 when it has to stay and *why
 * says why. */
static int fold_disk(struct fold *f, xl_snapshot_record *rec,
                     xl_snapshot_disk *disk, const char **why,
                     struct error *e)
{
    struct layer *base, *child = NULL;
    struct layers l;
    int children, ret;

    if (layers_load(&l, f->st, f->live, e))
        return -1;
    base = layers_find(&l, disk->layer_path);
    children = layers_children(&l, disk->layer_path, &child);
    *why = base ? obstacle(f, base, children, child) : NULL;

    if (disk->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        *why = "a running domain has the image open as a frozen layer";
        ret = drop_internal(f, base, rec, disk, e);
        layers_free(&l);
        return ret;
    }
    if (base && base->top && base->live &&
        follow_merged_top(f, disk->vdev, base, e)) {
        ret = -1;
    } else if (!base || base->top ||
               fold_referred(f->st, disk->layer_path,
                             LIBXL_SNAPSHOT_METHOD_EXTERNAL, rec)) {
        /* The file is gone, or others answer for it now. */
        ret = fold_drop(f, rec, disk, e);
    } else if (*why) {
        layers_free(&l);
        return 0;
    } else if (!children) {
        ret = fold_discard(f, disk->layer_path, rec, e);
        if (!ret)
            ret = fold_drop(f, rec, disk, e);
    } else if (child->live) {
        ret = fold_online(f, &l, rec, disk, base, child, e);
    } else {
        ret = fold_offline(f, &l, rec, disk, base, child, e);
    }
    layers_free(&l);
    return ret ? -1 : 1;
}

/* Folds what can be folded of one record; *progress: something was. stays
 * gets a sentence for each layer that cannot be. */
static int fold_record(struct fold *f, xl_snapshot_record *rec, bool *progress,
                       struct strings *stays, struct error *e)
{
    const char *why;
    int i = 0, ret;

    if (remove_memory(f, rec, e))
        return -1;
    while (i < rec->num_disks) {
        ret = fold_disk(f, rec, &rec->disks[i], &why, e);
        if (ret < 0)
            return -1;
        if (ret) {
            *progress = true;
        } else {
            char *text = xls_asprintf("%s, of the deleted snapshot %s, stays "
                                      "for now: %s",
                                      rec->disks[i].layer_path, rec->name,
                                      why);

            strings_add(stays, text);
            free(text);
            i++;
        }
    }
    if (rec->num_disks)
        return 0;
    *progress = true;
    if (tree_take_out(f->st, rec->name, e))
        return -1;
    return store_remove(f->st, rec, e);
}

static int remove_leftovers(struct fold *f, struct error *e)
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
        if (ret > 0 && discard_kept(f, image, disk->layer_path, e))
            ret = -1;
        if (ret > 0)
            store_remove_leftover(st, i);
        else
            i++;
    }
    layers_free(&l);
    return ret < 0 ? -1 : store_write_info(st, e);
}

int fold_all(struct fold *f, struct error *e)
{
    struct strings stays = { 0 };
    bool progress = true;
    int i, ret;

    ret = remove_leftovers(f, e);
    while (!ret && progress) {
        progress = false;
        strings_free(&stays);
        /* From the youngest: what is folded upwards is copied less often. */
        for (i = f->st->num_records - 1; !ret && i >= 0; i--)
            if (f->st->records[i]->hidden)
                ret = fold_record(f, f->st->records[i], &progress, &stays, e);
    }
    for (i = 0; !ret && i < stays.num; i++)
        fold_say(f, "%s", stays.v[i]);
    strings_free(&stays);
    return ret;
}
