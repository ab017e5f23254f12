/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "store/names.h"

/* In memory: memory images in the store's own directory. Returns which records
 * have changed by *changed, if given, which has one entry for each. */
static void move_memory(struct store *st, const char *old, bool *changed)
{
    char *encoded = domain_name_encode(old);
    char *from = xls_asprintf("%s/%s/", st->root, encoded);
    int i;

    for (i = 0; i < st->num_records; i++) {
        char **path = &st->records[i]->memory_path;
        char *to;

        if (str_none(*path) || strncmp(*path, from, strlen(from)))
            continue;
        to = xls_asprintf("%s/%s", st->path, *path + strlen(from));
        free(*path);
        *path = to;
        if (changed)
            changed[i] = true;
    }
    free(from);
    free(encoded);
}

int store_finish_move(struct store *st, struct error *e)
{
    bool *changed = xls_calloc(st->num_records + 1, sizeof(*changed));
    int i, ret = 0;

    move_memory(st, st->info.name, changed);
    str_replace(&st->info.moving, NULL);
    if (st->lock < 0) {
        free(changed);
        return 0;
    }
    for (i = 0; !ret && i < st->num_records; i++)
        if (changed[i])
            ret = store_write(st, st->records[i], e);
    free(changed);
    return ret ? ret : store_write_info(st, e);
}
