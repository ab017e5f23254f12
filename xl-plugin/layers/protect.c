/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/protect.h"

#include <unistd.h>

#include "common/files.h"
#include "layers/image.h"

static bool is_active(const struct store *st, const struct live *live,
                      const char *path)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        if (xls_same_file(st->info.disks[i].top_path, path))
            return true;
    for (i = 0; i < live->num; i++)
        if (xls_same_file(live->v[i].path, path))
            return true;
    return false;
}

static bool is_frozen_layer(const xl_snapshot_disk *d)
{
    return d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
        !str_none(d->layer_path) && !access(d->layer_path, F_OK);
}

void protect_mark(const struct store *st)
{
    struct error ignored = { 0 };
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++)
            if (is_frozen_layer(&st->records[i]->disks[j]))
                image_mark(st->records[i]->disks[j].layer_path, &ignored);
    if (!str_none(st->info.merged.from))
        image_mark(st->info.merged.from, &ignored);
    error_clear(&ignored);
}

void protect_layers(const struct store *st, const struct live *live,
                    struct strings *why)
{
    struct error e = { 0 };
    int i, j;

    if (!str_none(st->info.writing) || !str_none(st->info.merged.from) ||
        st->info.num_jobs)
        return;
    for (i = 0; i < st->num_records; i++)
        for (j = 0; !st->records[i]->provisional &&
                    j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (!is_frozen_layer(d) || is_active(st, live, d->layer_path) ||
                !image_freeze_again(d->layer_path, &e))
                continue;
            strings_add(why, e.text);
            error_clear(&e);
        }
}
