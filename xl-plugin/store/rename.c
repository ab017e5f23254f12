/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

/* The record is there by both names before the old one goes: at each moment a
 * record describes its layers, and a parent that is named exists. */
int store_rename(struct store *st, const char *from, const char *to,
                 struct error *e)
{
    xl_snapshot_record *old = store_find(st, from), *rec = store_add(st, to);
    int i, ret;

    xl_snapshot_record_dispose(rec);
    xl_snapshot_record_copy(NULL, rec, old);
    str_replace(&rec->name, to);
    ret = store_write(st, rec, e);
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
