/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

#include <stdlib.h>

#include "store/names.h"

/* The record is there by both names before the old one goes: at each moment a
 * record describes its layers, and a parent that is named exists. */
int store_rename(struct store *st, const char *from, const char *to,
                 struct error *e)
{
    xl_snapshot_record *old = store_find(st, from), *rec;
    int i, ret = 0;

    if (!store_find(st, to)) {
        rec = store_add(st, to);
        xl_snapshot_record_dispose(rec);
        xl_snapshot_record_copy(NULL, rec, old);
        str_replace(&rec->name, to);
        ret = store_write(st, rec, e);
    }
    for (i = 0; !ret && i < st->num_records; i++)
        if (str_same(st->records[i]->parent, from)) {
            str_replace(&st->records[i]->parent, to);
            ret = store_write(st, st->records[i], e);
        }
    if (!ret && str_same(st->info.current, from)) {
        str_replace(&st->info.current, to);
        ret = store_write_info(st, e);
    }
    return ret ? -1 : store_remove(st, old, e);
}

/* Whether two records are of one snapshot. */
static bool is_same(const xl_snapshot_record *a, const xl_snapshot_record *b)
{
    int i;

    if (a->hidden != b->hidden || a->created != b->created ||
        !a->num_disks || a->num_disks != b->num_disks)
        return false;
    for (i = 0; i < a->num_disks; i++)
        if (!str_same(a->disks[i].vdev, b->disks[i].vdev) ||
            !str_same(a->disks[i].layer_path, b->disks[i].layer_path) ||
            !str_same(a->disks[i].internal_name, b->disks[i].internal_name))
            return false;
    return true;
}

int store_give_name_away(struct store *st, const char *name, struct error *e)
{
    const xl_snapshot_record *rec = store_find(st, name), *there;
    char *other = snapshot_name_deleted(name, 1);
    int i, ret;

    for (i = 2; (there = store_find(st, other)) && !is_same(there, rec); i++) {
        free(other);
        other = snapshot_name_deleted(name, i);
    }
    ret = store_rename(st, name, other, e);
    free(other);
    return ret;
}
