/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/identity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/names.h"
#include "store/device.h"

void identity_top(const struct store *st, const struct live *live,
                  uint32_t domid, const char *vdev, const char **path,
                  libxl_disk_format *format)
{
    const struct live_disk *disk = live_find(live, domid, vdev);
    const xl_snapshot_domain_disk *known = store_disk(st, vdev);

    if (disk && disk->replaced)
        disk = NULL;
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
                  xls_same_file(d->layer_path, path)))
            return true;
    }
    return false;
}

uint64_t identity_inode(const char *path, uint64_t *birth)
{
    struct xls_file_id id;

    *birth = 0;
    if (xls_identify_at(AT_FDCWD, path, 0, &id))
        return 0;
    *birth = id.born_ns;
    return id.ino;
}

/* Earlier versions recorded no birth times. */
static bool same_birth(uint64_t recorded, uint64_t birth)
{
    return !recorded || recorded == birth;
}

bool identity_merging(const xl_snapshot_domain_disk *d, const char *layer)
{
    uint64_t birth, its = identity_inode(layer, &birth);
    int i;

    for (i = 0; its && i < d->num_fold_inodes; i++)
        if (d->fold_inodes[i] == its &&
            same_birth(i < d->num_fold_births ? d->fold_births[i] : 0, birth))
            return true;
    return false;
}

static bool is_alone(const xl_snapshot_domain_disk *d, const char *top)
{
    uint64_t birth, its = identity_inode(top, &birth);

    if (d && identity_merging(d, top))
        return true;
    return d && ((d->alone_inode && d->alone_inode == its &&
                  same_birth(d->alone_birth, birth)) ||
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
    d->alone_inode = identity_inode(top, &d->alone_birth);
    if (found)
        d->alone_inode = d->alone_birth = 0;
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
    d->fold_births = xls_realloc(d->fold_births, d->num_fold_inodes + num,
                                 sizeof(*d->fold_births));
    while (d->num_fold_births < d->num_fold_inodes)
        d->fold_births[d->num_fold_births++] = 0;
    d->num_fold_births = d->num_fold_inodes;
    for (i = 0; i < num; i++)
        if (!identity_merging(d, chain[i].path))
            d->fold_inodes[d->num_fold_inodes++] = identity_inode(
                chain[i].path, &d->fold_births[d->num_fold_births++]);
    image_list_free(chain, num);
}

int identity_begin_merge(struct store *st, const struct live *live,
                         uint32_t domid, struct error *e)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        note_chain(st, live, domid, &st->info.disks[i]);
    return st->info.num_disks ? store_write_info(st, e) : 0;
}

int identity_end_merge(struct store *st, const struct live *live,
                       uint32_t domid, struct error *e)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        xl_snapshot_domain_disk *d = &st->info.disks[i];

        identity_note_alone(st, live, domid, d->vdev);
        free(d->fold_inodes);
        d->fold_inodes = NULL;
        d->num_fold_inodes = 0;
        free(d->fold_births);
        d->fold_births = NULL;
        d->num_fold_births = 0;
    }
    return st->info.num_disks ? store_write_info(st, e) : 0;
}

/* *found: it is one of the store's. */
static int check_disk(const struct store *st, const char *vdev,
                      const char *top, libxl_disk_format format, bool *found,
                      struct error *e)
{
    struct image *chain;
    int i, num;

    *found = is_alone(store_disk(st, vdev), top);
    if (*found)
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
        *found |= is_layer_of(st, vdev, chain[i].path);
    image_list_free(chain, num);
    return 0;
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
        !xls_same_file(d->layer_path, disk->path) ||
        str_same(known->top_path, disk->path) ||
        xls_same_file(known->top_path, disk->path) || !image_frozen(disk->path))
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

/* What is known of all the disks that were looked at. */
struct matching {
    struct strings seen;
    int matching;
    const char *vdev, *layer, *top;     /* of the first that does not match */
};

static int match_disk(const struct store *st, struct live *live,
                      uint32_t domid, const xl_snapshot_record *rec,
                      const xl_snapshot_disk *d, struct matching *m,
                      struct error *e)
{
    struct live_disk *disk = live_find(live, domid, d->vdev);
    libxl_disk_format format;
    const char *top;
    bool found;

    if (strings_has(&m->seen, d->vdev))
        return 0;
    /* Deleted, and merged away before that could be noted. */
    if (rec->hidden && access(d->layer_path, F_OK))
        return 0;
    strings_add(&m->seen, d->vdev);
    /* A disk that was detached tells nothing. */
    if (domain_runs(domid) && !disk)
        return 0;
    identity_top(st, live, domid, d->vdev, &top, &format);
    if (!top)
        return 0;
    if (check_disk(st, d->vdev, top, format, &found, e))
        return -1;
    if (found) {
        m->matching++;
        return 0;
    }
    if (!m->vdev) {
        m->vdev = d->vdev;
        m->layer = d->layer_path;
        m->top = top;
    }
    if (disk) {
        disk->replaced = true;
        return 0;
    }
    return error_set(e, "disk %s of %s is now %s, which is not based on %s or "
                     "any other layer of its snapshots: put the disk's own "
                     "file there, or, to give the snapshots up, move %s away",
                     d->vdev, st->domain, top, d->layer_path, st->path);
}

int identity_check(const struct store *st, struct live *live, uint32_t domid,
                   struct error *e)
{
    struct matching m = { .matching = 0 };
    int i, j, ret;

    ret = device_check(st, e);
    for (i = 0; !ret && i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++)
            ret = check_not_frozen(st, live, domid, st->records[i]->name,
                                   &st->records[i]->disks[j], e);
    for (i = 0; !ret && i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++)
            ret = match_disk(st, live, domid, st->records[i],
                             &st->records[i]->disks[j], &m, e);
    strings_free(&m.seen);
    if (ret || !m.vdev || m.matching)
        return ret;
    return error_set(e, "disk %s of %s is now %s, which is not based on %s or "
                     "any other layer of its snapshots, and no other disk is: "
                     "this is not the domain that they were taken of. Start "
                     "the domain from its own disks, or rename it, or, to "
                     "give the snapshots up, move %s away", m.vdev, st->domain,
                     m.top, m.layer, st->path);
}

/* Whether what the domain has is the disk of which there are snapshots, as far as
 * that can be seen. */
static bool is_its_disk(const struct store *st,
                        const xl_snapshot_domain_disk *d,
                        const struct live_disk *l)
{
    struct error ignored = { 0 };
    bool found;
    int ret;

    if (str_same(d->top_path, l->path))
        return true;
    ret = check_disk(st, l->vdev, l->path, l->format, &found, &ignored);
    error_clear(&ignored);
    return !ret && found;
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

        if (l->domid != domid || l->removable || l->replaced ||
            !store_place_ok(l->path))
            continue;
        d = store_disk(st, l->vdev);
        for (j = 0; j < st->num_records; j++)
            has_layers |= record_disk(st->records[j], l->vdev) != NULL;
        /* What an interrupted command left is completed before all disks have
         * been checked. */
        if (d && has_layers && !is_its_disk(st, d, l))
            continue;
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
                                xls_same_file(image.backing, d->layer_path));
    }
    image_dispose(&image);
    return yes;
}
