/* SPDX-License-Identifier: LGPL-2.1-only */
/* A domain gets another name, and its store with it. */
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/files.h"
#include "store/names.h"

/* What any command leaves of a domain without snapshots. */
static int remove_empty(const char *root, const char *domain,
                        struct error *e)
{
    char *encoded = domain_name_encode(domain);
    struct store *st;
    int dir = -1, ret;

    ret = store_open(root, domain, false, 0, &st, e);
    if (ret || st->dir < 0)
        goto out;
    if (st->num_records || st->info.num_leftovers || st->info.num_jobs) {
        ret = error_set(e, "there are snapshots of a domain %s already; "
                        "delete them, or choose another name", domain);
        goto out;
    }
    store_close(st);
    ret = store_open(root, domain, true, 0, &st, e);
    if (ret)
        goto out;
    if (st->num_records) {
        ret = error_set(e, "busy: another snapshot command works on %s; try "
                        "again when it is done", domain);
        goto out;
    }
    dir = store_dir_open(AT_FDCWD, root, root, false, e);
    if (dir < 0 || store_file_remove(st->dir, st->path, "domain.json", e) ||
        store_file_remove(st->dir, st->path, "lock", e))
        ret = -1;
    else if (unlinkat(dir, encoded, AT_REMOVEDIR))
        ret = error_errno(e, "cannot remove the directory %s", st->path);

out:
    if (dir >= 0)
        close(dir);
    store_close(st);
    free(encoded);
    return ret;
}

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

static int rename_directory(const struct store *st, const char *domain,
                            struct error *e)
{
    char *from = domain_name_encode(st->domain);
    char *to = domain_name_encode(domain);
    int dir, ret = 0;

    dir = store_dir_open(AT_FDCWD, st->root, st->root, false, e);
    if (dir < 0)
        ret = -1;
    else if (renameat2(dir, from, dir, to, RENAME_NOREPLACE))
        ret = error_errno(e, "cannot rename %s to %s", st->path, to);
    else if (fsync(dir))
        ret = error_errno(e, "cannot sync the directory %s", st->root);
    if (dir >= 0)
        close(dir);
    free(from);
    free(to);
    return ret;
}

int store_move(struct store *st, const char *domain, struct error *e)
{
    char *encoded;

    if (remove_empty(st->root, domain, e))
        return -1;
    str_replace(&st->info.moving, domain);
    if (store_write_info(st, e) || rename_directory(st, domain, e))
        return -1;
    encoded = domain_name_encode(domain);
    free(st->path);
    st->path = xls_asprintf("%s/%s", st->root, encoded);
    str_replace(&st->domain, domain);
    free(encoded);
    return store_finish_move(st, e);
}
