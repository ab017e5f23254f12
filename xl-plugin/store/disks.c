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
