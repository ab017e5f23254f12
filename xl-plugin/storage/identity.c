/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/identity.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/device.h"

void identity_top(const struct store *st, const struct live *live,
                  uint32_t domid, const char *vdev, const char **path,
                  libxl_disk_format *format)
{
    const struct live_disk *disk = live_find(live, domid, vdev);
    const xl_snapshot_domain_disk *known = store_disk(st, vdev);

    *path = disk ? disk->path : known ? known->top_path : NULL;
    *format = disk ? disk->format : known ? known->top_format
                                          : LIBXL_DISK_FORMAT_UNKNOWN;
}

static bool is_layer_of(const struct store *st, const char *vdev,
                        const char *path)
{
    int i;

    for (i = 0; i < st->num_records; i++) {
        const xl_snapshot_disk *d = record_disk(st->records[i], vdev);

        if (d && (str_same(d->layer_path, path) ||
                  image_same(d->layer_path, path)))
            return true;
    }
    return false;
}

static uint64_t inode(const char *path)
{
    struct stat st;

    return stat(path, &st) ? 0 : st.st_ino;
}

bool identity_folding(const xl_snapshot_domain_disk *d, const char *layer)
{
    uint64_t its = inode(layer);
    int i;

    for (i = 0; its && i < d->num_fold_inodes; i++)
        if (d->fold_inodes[i] == its)
            return true;
    return false;
}

static bool is_alone(const xl_snapshot_domain_disk *d, const char *top)
{
    uint64_t its = inode(top);

    if (d && identity_folding(d, top))
        return true;
    return d && ((d->alone_inode && d->alone_inode == its) ||
                 (!str_none(d->remote) && str_same(d->remote, top)));
}

void identity_note_alone(struct store *st, const struct live *live,
                         uint32_t domid, const char *vdev)
{
    xl_snapshot_domain_disk *d = store_disk(st, vdev);
    struct error ignored = { 0 };
    libxl_disk_format format;
    struct image *chain;
    bool found = false;
    const char *top;
    int i, num;

    identity_top(st, live, domid, vdev, &top, &format);
    if (d && !str_none(top))
        str_replace(&d->remote, top[0] == '/' ? NULL : top);
    if (!d || str_none(top) || top[0] != '/' || image_chain(top, format, &chain, &num,
                                           &ignored)) {
        error_clear(&ignored);
        return;
    }
    for (i = 0; i < num; i++)
        found |= is_layer_of(st, vdev, chain[i].path);
    image_list_free(chain, num);
    d->alone_inode = found ? 0 : inode(top);
}

static void note_chain(struct store *st, const struct live *live,
                       uint32_t domid, xl_snapshot_domain_disk *d)
{
    struct error ignored = { 0 };
    libxl_disk_format format;
    struct image *chain;
    const char *top;
    int i, num;

    identity_top(st, live, domid, d->vdev, &top, &format);
    if (str_none(top) || image_chain(top, format, &chain, &num, &ignored)) {
        error_clear(&ignored);
        return;
    }
    /* What a deletion that was interrupted has noted stays. */
    d->fold_inodes = xls_realloc(d->fold_inodes, d->num_fold_inodes + num,
                                 sizeof(*d->fold_inodes));
    for (i = 0; i < num; i++)
        if (!identity_folding(d, chain[i].path))
            d->fold_inodes[d->num_fold_inodes++] = inode(chain[i].path);
    image_list_free(chain, num);
}

int identity_begin_fold(struct store *st, const struct live *live,
                        uint32_t domid, struct error *e)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        note_chain(st, live, domid, &st->info.disks[i]);
    return st->info.num_disks ? store_write_info(st, e) : 0;
}

int identity_end_fold(struct store *st, const struct live *live,
                      uint32_t domid, struct error *e)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        xl_snapshot_domain_disk *d = &st->info.disks[i];

        identity_note_alone(st, live, domid, d->vdev);
        free(d->fold_inodes);
        d->fold_inodes = NULL;
        d->num_fold_inodes = 0;
    }
    return st->info.num_disks ? store_write_info(st, e) : 0;
}

static int check_disk(const struct store *st, const char *vdev,
                      const char *layer, const char *top,
                      libxl_disk_format format, struct error *e)
{
    struct image *chain;
    bool found = false;
    int i, num;

    if (is_alone(store_disk(st, vdev), top))
        return 0;
    if (image_chain(top, format, &chain, &num, e)) {
        char *what = e->text;

        e->text = NULL;
        error_set(e, "disk %s of %s cannot be examined: %s%s%s%s", vdev,
                  st->domain, what,
                  strstr(what, "No such file") ? ". If its images were moved: "
                  "'xl snapshot-relocate " : "",
                  strstr(what, "No such file") ? st->domain : "",
                  strstr(what, "No such file") ? " OLD NEW'" : "");
        free(what);
        return -1;
    }
    for (i = 0; i < num; i++)
        found |= is_layer_of(st, vdev, chain[i].path);
    image_list_free(chain, num);
    if (found)
        return 0;
    return error_set(e, "disk %s of %s is now %s, which is not based on %s or "
                     "any other layer of its snapshots: this is not the "
                     "domain that they were taken of. Start the domain from "
                     "its own disks, or rename it, or, to give the snapshots "
                     "up, move %s away", vdev, st->domain, top, layer,
                     st->path);
}

/*
 * A domain that was started past this package's xl, on the file that its
 * configuration names, has no such disk when that is a frozen layer: QEMU
 * cannot open it. What it has is on the active layer still.
 */
static int check_not_frozen(const struct store *st, const struct live *live,
                            uint32_t domid, const char *snapshot,
                            const xl_snapshot_disk *d, struct error *e)
{
    const struct live_disk *disk = live_find(live, domid, d->vdev);
    const xl_snapshot_domain_disk *known = store_disk(st, d->vdev);

    if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL || !disk || !known ||
        !image_same(d->layer_path, disk->path) ||
        str_same(known->top_path, disk->path) ||
        image_same(known->top_path, disk->path) || !image_frozen(disk->path))
        return 0;
    return error_set(e, "domain %s was started on %s, which is frozen for "
                     "snapshot %s, and so it has no disk %s: that is %s, of "
                     "type %s. 'xl destroy %s', and have it started on that: "
                     "'xl create' of this package does",
                     st->domain, disk->path, snapshot, d->vdev,
                     known->top_path,
                     libxl_disk_format_to_string(known->top_format),
                     st->domain);
}

int identity_check(const struct store *st, const struct live *live,
                   uint32_t domid, struct error *e)
{
    struct strings seen = { 0 };
    int i, j, ret;

    ret = device_check(st, e);
    for (i = 0; !ret && i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++)
            ret = check_not_frozen(st, live, domid, st->records[i]->name,
                                   &st->records[i]->disks[j], e);
    for (i = 0; !ret && i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];
            libxl_disk_format format;
            const char *top;

            if (strings_has(&seen, d->vdev))
                continue;
            /* Deleted, and merged away before that could be noted. */
            if (st->records[i]->hidden && access(d->layer_path, F_OK))
                continue;
            strings_add(&seen, d->vdev);
            /* A disk that was detached tells nothing. */
            if (domain_runs(domid) && !live_find(live, domid, d->vdev))
                continue;
            identity_top(st, live, domid, d->vdev, &top, &format);
            if (top)
                ret = check_disk(st, d->vdev, d->layer_path, top, format, e);
        }
    strings_free(&seen);
    return ret;
}

void identity_note_tops(struct store *st, const struct live *live,
                        uint32_t domid)
{
    int i;

    for (i = 0; i < live->num; i++) {
        const struct live_disk *l = &live->v[i];
        xl_snapshot_domain_disk *d;
        bool has_layers = false;
        int j;

        if (l->domid != domid || l->removable || !store_place_ok(l->path))
            continue;
        d = store_disk(st, l->vdev);
        for (j = 0; j < st->num_records; j++)
            has_layers |= record_disk(st->records[j], l->vdev) != NULL;
        if (!d)
            d = store_disk_add(st, l->vdev);
        /* Without snapshots of it, what the domain started from is what its
         * config says. */
        if (!d->config_path || (!has_layers &&
                                !str_same(d->top_path, l->path))) {
            str_replace(&d->config_path, l->path);
            d->config_format = l->format;
        }
        str_replace(&d->top_path, l->path);
        d->top_format = l->format;
    }
}

bool identity_based_on(const struct live *live, uint32_t domid,
                       const xl_snapshot_disk *d, struct error *e)
{
    const struct live_disk *disk = live_find(live, domid, d->vdev);
    struct image image;
    bool yes;

    if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        if (image_info(d->layer_path, d->layer_format, &image, e))
            return false;
        yes = strings_has(&image.internal, d->internal_name);
    } else {
        const char *top = disk ? disk->path : d->overlay_path;

        if (str_none(top) || image_info(top, LIBXL_DISK_FORMAT_QCOW2, &image,
                                        e))
            return false;
        yes = image.backing && (str_same(image.backing, d->layer_path) ||
                                image_same(image.backing, d->layer_path));
    }
    image_dispose(&image);
    return yes;
}
