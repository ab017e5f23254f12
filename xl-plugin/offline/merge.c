/* SPDX-License-Identifier: LGPL-2.1-only */
#include "offline/merge_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "layers/identity.h"
#include "store/tree.h"

int merge_hide(struct store *st, xl_snapshot_record *rec,
               libxl_snapshot_merge merge, struct error *e)
{
    int i;

    rec->hidden = true;
    for (i = 0; i < rec->num_disks; i++)
        if (merge != LIBXL_SNAPSHOT_MERGE_AUTO)
            rec->disks[i].on_delete = merge;
    return store_write(st, rec, e);
}

static int remove_memory(struct merge *f, xl_snapshot_record *rec,
                         struct error *e)
{
    if (!rec->memory)
        return 0;
    if (f->memory && f->memory(f->user, rec, e))
        return -1;
    if (store_remove_memory(f->st, rec, e))
        return -1;
    rec->memory = false;
    str_replace(&rec->memory_path, NULL);
    return store_write(f->st, rec, e);
}

static const char *child_obstacle(const struct merge *f, const struct layers *l,
                                  const struct layer *base,
                                  const struct layer *child)
{
    const struct layer *above = NULL;

    /* What these do not have themselves they read from the backing file as
     * it is now; merging keeps what the image itself shows, and no more. */
    if (child->image.internal.num)
        return "the layer above holds internal snapshots, which need it";
    if (child->image.data_file)
        return "the layer above has its data in another file, which is not "
               "supported";
    if (child->image.format != LIBXL_DISK_FORMAT_QCOW2)
        return "the layer above is no qcow2 image, and cannot be changed";
    if (child->shared)
        return "more than one running domain uses it";
    if (child->foreign)
        return "another domain's snapshots need it";
    if (child->live && child->live->domid != f->domid)
        return "another running domain uses it";
    /* Then base may have to be what these are based on instead. */
    while ((above = layers_next_child(l, child->image.path, above)))
        if (above->foreign && (merge_configured(f->st, base->image.path) ||
                               base->image.format != child->image.format))
            return "another domain's layers need the one above";
    return NULL;
}

const char *merge_obstacle(const struct merge *f, const struct layers *l,
                           const struct layer *base)
{
    const struct layer *child = NULL;
    const char *why = NULL;
    bool child_live = false;

    if (base->image.internal.num)
        return "it holds internal snapshots; while no domain uses it, 'qemu-img "
               "snapshot -d' deletes them ('chattr -i' before, '+i' after)";
    if (base->image.data_file)
        return "it has its data in another file, which is not supported";
    if (base->shared)
        return "more than one running domain uses it";
    if (base->foreign)
        return "another domain's snapshots need it";
    while (!why && (child = layers_next_child(l, base->image.path, child))) {
        why = child_obstacle(f, l, base, child);
        child_live |= child->live != NULL;
    }
    if (!why && base->live && !child_live)
        return "a running domain uses it";
    return why;
}

/*
 * The disk is on the deleted layer itself: its overlay was merged into it by a
 * command that was killed before it could note that, or else somebody has
 * lifted the layer's protection and started the domain on it.
 */
static int follow_merged_top(struct merge *f, const xl_snapshot_record *rec,
                             const char *vdev, const struct layer *base,
                             struct error *e)
{
    xl_snapshot_domain_disk *d = store_disk(f->st, vdev);

    if (!d || str_same(d->top_path, base->image.path) ||
        xls_same_file(d->top_path, base->image.path))
        return 1;
    if (access(d->top_path, F_OK) || identity_merging(d, d->top_path))
        return merge_is_done(f, rec, vdev, &base->image, d->top_path, e);
    merge_say(f, "%s stays: it was disk %s of %s, which was started on %s "
              "since", d->top_path, vdev, f->st->domain, base->image.path);
    str_replace(&d->top_path, base->image.path);
    d->top_format = base->image.format;
    return store_write_info(f->st, e) ? -1 : 1;
}

/* A layer that nothing but the layers above it keeps. */
static int merge_layer(struct merge *f, const struct layers *l,
                       xl_snapshot_record *rec, xl_snapshot_disk *disk,
                       const struct layer *base, struct error *e)
{
    const struct layer *child = layers_next_child(l, disk->layer_path, NULL);

    if (!child)
        return merge_discard(f, disk->layer_path, rec, e) ||
            merge_drop(f, rec, disk, e) ? -1 : 0;
    if (child->live)
        return merge_online(f, rec, disk, base, child, e);
    return merge_offline(f, l, rec, disk, base, child, e);
}

/* One step of merge_disk: 2 when there are further ones to come. */
static int merge_step(struct merge *f, const struct layers *l,
                      xl_snapshot_record *rec, xl_snapshot_disk *disk,
                      const char **why, struct error *e)
{
    const struct layer *base = layers_find(l, disk->layer_path);
    int ret;

    if (disk->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        *why = merge_inside_obstacle(base, disk);
        return merge_inside(f, base, rec, disk, e);
    }
    if (base && base->top && base->live && base->live->domid == f->domid) {
        ret = follow_merged_top(f, rec, disk->vdev, base, e);
        if (ret <= 0)
            return ret ? -1 : 1;
    }
    /* The file is gone, or others answer for it now. */
    if (!base || base->top ||
        merge_referred(f->st, disk->layer_path,
                       LIBXL_SNAPSHOT_METHOD_EXTERNAL, rec))
        return merge_drop(f, rec, disk, e) ? -1 : 1;
    *why = merge_obstacle(f, l, base);
    if (*why)
        return 0;
    if (layers_num_children(l, disk->layer_path) > 1)
        return merge_apart(f, l, base, e) ? -1 : 2;
    return merge_layer(f, l, rec, disk, base, e) ? -1 : 1;
}

/* Returns 1 when the disk left the record, 0 when it has to stay and *why
 * says why. */
static int merge_disk(struct merge *f, xl_snapshot_record *rec,
                      xl_snapshot_disk *disk, const char **why,
                      struct error *e)
{
    struct layers l;
    int ret;

    do {
        if (layers_load(&l, f->st, f->live, e))
            return -1;
        ret = merge_step(f, &l, rec, disk, why, e);
        layers_free(&l);
    } while (ret == 2);
    return ret;
}

/* Merges what can be merged of one record; *progress: something was. stays
 * gets a sentence for each layer that cannot be. */
static int merge_record(struct merge *f, xl_snapshot_record *rec, bool *progress,
                        struct strings *stays, struct error *e)
{
    const char *why;
    int i = 0, ret;

    while (i < rec->num_disks) {
        ret = merge_disk(f, rec, &rec->disks[i], &why, e);
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
    if (remove_memory(f, rec, e))
        return -1;
    if (rec->num_disks)
        return 0;
    *progress = true;
    if (tree_take_out(f->st, rec->name, e))
        return -1;
    return store_remove(f->st, rec, e);
}

int merge_all(struct merge *f, struct error *e)
{
    struct strings stays = { 0 };
    bool progress = true;
    int i, ret;

    ret = merge_recover(f, e);
    if (!ret)
        ret = merge_leftovers(f, e);
    while (!ret && progress) {
        progress = false;
        strings_free(&stays);
        /* From the youngest: what is merged upwards is copied less often. */
        for (i = f->st->num_records - 1; !ret && i >= 0; i--)
            if (f->st->records[i]->hidden)
                ret = merge_record(f, f->st->records[i], &progress, &stays, e);
    }
    for (i = 0; !ret && i < stays.num; i++)
        merge_say(f, "%s", stays.v[i]);
    strings_free(&stays);
    return ret;
}
