/* SPDX-License-Identifier: LGPL-2.1-only */
/* The files of snapshots' memory. */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "store/files.h"
#include "store/outside.h"

#define MEMORY ".mem"

char *store_memory_path(const struct store *st, const char *name)
{
    return xls_asprintf("%s/%s" MEMORY, st->path, name);
}

int store_remove_memory(struct store *st, const xl_snapshot_record *rec,
                        struct error *e)
{
    char *file;
    int ret;

    if (memory_is_outside(st, rec->memory_path))
        return memory_outside_remove(rec->memory_path, e);
    file = xls_asprintf("%s" MEMORY, rec->name);
    ret = store_file_remove(st->dir, st->path, file, e);
    free(file);
    return ret;
}

/* What a memory file that is being made is called until it is complete:
 * FILE.xls-new-XXXXXXXX; by earlier versions, and while it is imported,
 * FILE.new. */
static bool is_half_made(const char *file)
{
    static const char mark[] = ".xls-new-";
    size_t len = strlen(file), suffix = strlen(mark) + 8;
    const char *end = len > suffix ? file + len - suffix : NULL;

    return str_ends_with(file, MEMORY ".new") || str_ends_with(file, MEMORY
                                                       ".new.new") ||
           (end && !strncmp(end, mark, strlen(mark)) &&
            strspn(end + strlen(mark), "0123456789abcdef") == 8);
}

static int remove_half_made(struct store *st, const char *file,
                            struct error *e)
{
    return is_half_made(file) ? store_file_remove(st->dir, st->path, file, e)
                              : 0;
}

int store_sweep(struct store *st, struct error *e)
{
    int i, ret = store_each_file(st, remove_half_made, e);

    for (i = 0; i < st->num_records && !ret; i++)
        if (memory_is_outside(st, st->records[i]->memory_path))
            ret = memory_outside_sweep(st->records[i]->memory_path, e);
    return ret;
}

/* As store_file_write names what it writes. */
#define NEW_MEMORY ".%s" MEMORY ".new"

int store_new_memory(struct store *st, const xl_snapshot_record *rec,
                     char **path, struct error *e)
{
    char *file;
    int ret;

    if (memory_is_outside(st, rec->memory_path)) {
        *path = memory_outside_new(rec->memory_path);
        return 0;
    }
    file = xls_asprintf(NEW_MEMORY, rec->name);
    ret = store_file_remove(st->dir, st->path, file, e);
    *path = xls_asprintf("%s/%s", st->path, file);
    free(file);
    return ret;
}

int store_take_new_memory(struct store *st, const xl_snapshot_record *rec,
                          const char *path, struct error *e)
{
    char *file;
    int ret = 0;

    if (memory_is_outside(st, rec->memory_path))
        return memory_outside_take(path, rec->memory_path, e);
    file = xls_asprintf("%s" MEMORY, rec->name);
    if (renameat(st->dir, strrchr(path, '/') + 1, st->dir, file))
        ret = error_errno(e, "cannot rename %s to %s", path, file);
    else if (fsync(st->dir))
        ret = error_errno(e, "cannot sync the directory %s", st->path);
    free(file);
    return ret;
}
