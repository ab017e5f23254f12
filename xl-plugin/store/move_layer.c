/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "store/device.h"

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
