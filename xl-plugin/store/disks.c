/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

#include <unistd.h>

#include "common/alloc.h"
#include "store/device.h"

xl_snapshot_domain_disk *store_disk(const struct store *st, const char *vdev)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].vdev, vdev))
            return &st->info.disks[i];
    return NULL;
}

xl_snapshot_domain_disk *store_disk_add(struct store *st, const char *vdev)
{
    xl_snapshot_domain *info = &st->info;
    xl_snapshot_domain_disk *disk;

    info->disks = xls_realloc(info->disks, info->num_disks + 1,
                              sizeof(*info->disks));
    disk = &info->disks[info->num_disks++];
    xl_snapshot_domain_disk_init(disk);
    disk->vdev = xls_strdup(vdev);
    return disk;
}

void store_add_uuid(struct store *st, const char *uuid)
{
    xl_snapshot_domain *info = &st->info;
    int i;

    for (i = 0; i < info->num_uuids; i++)
        if (str_same(info->uuids[i], uuid))
            break;
    if (i < info->num_uuids) {
        char *known = info->uuids[i];

        memmove(&info->uuids[i], &info->uuids[i + 1],
                (info->num_uuids - i - 1) * sizeof(*info->uuids));
        info->uuids[info->num_uuids - 1] = known;
        return;
    }
    info->uuids = xls_realloc(info->uuids, info->num_uuids + 1,
                              sizeof(*info->uuids));
    info->uuids[info->num_uuids++] = xls_strdup(uuid);
}

xl_snapshot_disk *record_disk(const xl_snapshot_record *rec, const char *vdev)
{
    int i;

    for (i = 0; i < rec->num_disks; i++)
        if (str_same(rec->disks[i].vdev, vdev))
            return &rec->disks[i];
    return NULL;
}

xl_snapshot_disk *record_disk_add(xl_snapshot_record *rec, const char *vdev)
{
    xl_snapshot_disk *disk;

    rec->disks = xls_realloc(rec->disks, rec->num_disks + 1,
                             sizeof(*rec->disks));
    disk = &rec->disks[rec->num_disks++];
    xl_snapshot_disk_init(disk);
    disk->vdev = xls_strdup(vdev);
    return disk;
}

void record_disk_remove(xl_snapshot_record *rec, xl_snapshot_disk *disk)
{
    int i = disk - rec->disks;

    xl_snapshot_disk_dispose(disk);
    rec->num_disks--;
    memmove(disk, disk + 1, (rec->num_disks - i) * sizeof(*disk));
}

void store_add_leftover(struct store *st, const xl_snapshot_disk *disk)
{
    xl_snapshot_domain *info = &st->info;

    info->leftovers = xls_realloc(info->leftovers, info->num_leftovers + 1,
                                  sizeof(*info->leftovers));
    xl_snapshot_disk_init(&info->leftovers[info->num_leftovers]);
    xl_snapshot_disk_copy(NULL, &info->leftovers[info->num_leftovers++], disk);
}

void store_remove_leftover(struct store *st, int index)
{
    xl_snapshot_domain *info = &st->info;

    xl_snapshot_disk_dispose(&info->leftovers[index]);
    info->num_leftovers--;
    memmove(&info->leftovers[index], &info->leftovers[index + 1],
            (info->num_leftovers - index) * sizeof(*info->leftovers));
}

static bool move(xl_snapshot_disk *d, const char *from, const char *to,
                 libxl_disk_format format)
{
    if (!str_same(d->layer_path, from))
        return false;
    str_replace(&d->layer_path, to);
    d->layer_format = format;
    str_replace(&d->device, NULL);
    device_note_disk(d);
    return true;
}

int store_move_layer(struct store *st, const char *from, const char *to,
                     libxl_disk_format format, struct error *e)
{
    bool leftover = false;
    int i, j;

    for (i = 0; i < st->num_records; i++) {
        bool changed = false;

        for (j = 0; j < st->records[i]->num_disks; j++)
            changed |= move(&st->records[i]->disks[j], from, to, format);
        if (changed && store_write(st, st->records[i], e))
            return -1;
    }
    for (i = 0; i < st->info.num_leftovers; i++)
        leftover |= move(&st->info.leftovers[i], from, to, format);
    return leftover ? store_write_info(st, e) : 0;
}

/* A layer that is being merged has another name meanwhile. */
static void use_hidden_name(struct store *st)
{
    const xl_snapshot_domain *info = &st->info;
    int i, j;

    if (str_none(info->writing_as) || access(info->writing_as, F_OK))
        return;
    for (i = 0; i < info->num_disks; i++)
        if (str_same(info->disks[i].top_path, info->writing))
            str_replace(&info->disks[i].top_path, info->writing_as);
    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (str_same(d->layer_path, info->writing))
                str_replace(&d->layer_path, info->writing_as);
        }
}

void store_assume_merged(struct store *st)
{
    const xl_snapshot_merged *m = &st->info.merged;
    int i;

    use_hidden_name(st);

    for (i = 0; !str_none(m->from) && i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].top_path, m->from)) {
            str_replace(&st->info.disks[i].top_path, m->to);
            st->info.disks[i].top_format = m->to_format;
        }
}
