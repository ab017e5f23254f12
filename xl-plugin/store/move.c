/* SPDX-License-Identifier: LGPL-2.1-only */
/* A domain gets another name, and its store with it. */
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "store/check.h"
#include "store/files.h"
#include "store/names.h"

static int check_disks(const struct store *st, struct error *e)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];

        if (str_none(d->config_path) ||
            str_same(d->config_path, d->top_path) ||
            xls_same_file(d->config_path, d->top_path))
            continue;
        return error_set(e, "disk %s of a domain %s is %s (%s), not %s as its "
                         "configuration file says, and only %s tells so. "
                         "Choose another name, or have the configuration "
                         "file name %s and move %s away", d->vdev, st->domain,
                         d->top_path,
                         libxl_disk_format_to_string(d->top_format),
                         d->config_path, st->path, d->top_path, st->path);
    }
    return 0;
}

int store_check_free(const struct store *st, struct error *e)
{
    const xl_snapshot_domain *info = &st->info;

    if (st->num_records)
        return error_set(e, "there are snapshots of a domain %s already; "
                         "delete them, or choose another name", st->domain);
    if (info->num_leftovers || info->num_jobs || !str_none(info->reverting) ||
        info->num_reverting_files || !str_none(info->writing) ||
        !str_none(info->merged.from) || !str_none(info->merged.to))
        return error_set(e, "an interrupted command or a job on a domain %s "
                         "has to be completed first: 'xl create' of it does "
                         "that, and 'xl snapshot-delete %s' with any name. Or "
                         "choose another name, or, to give it up, move %s "
                         "away", st->domain, st->domain, st->path);
    return check_disks(st, e);
}

/* A lock, domain.json, and JSON files that a killed command half wrote. */
static bool is_spare(const char *file)
{
    static const char half[] = ".json.new";
    size_t len = strlen(file), end = strlen(half);

    return !strcmp(file, "lock") || !strcmp(file, STORE_INFO) ||
        (file[0] == '.' && len > end && !strcmp(file + len - end, half));
}

static int list_spare(const struct store *st, struct strings *files,
                      struct error *e)
{
    int fd = openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int ret = 0;

    if (!dir) {
        error_errno(e, "cannot read the directory %s", st->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while (!ret && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (is_spare(entry->d_name))
            strings_add(files, entry->d_name);
        else
            ret = error_set(e, "%s, of a domain without snapshots, is in the "
                            "way, and it has %s in it: move that directory "
                            "away, or choose another name", st->path,
                            entry->d_name);
    }
    closedir(dir);
    return ret;
}

static int remove_directory(const struct store *st, struct error *e)
{
    char *encoded = domain_name_encode(st->domain);
    struct strings files = { 0 };
    int dir, i, ret;

    ret = list_spare(st, &files, e);
    for (i = 0; !ret && i < files.num; i++)
        ret = store_file_remove(st->dir, st->path, files.v[i], e);
    dir = ret ? -1 : store_dir_open(AT_FDCWD, st->root, st->root, false, e);
    if (dir < 0)
        ret = -1;
    else if (unlinkat(dir, encoded, AT_REMOVEDIR))
        ret = error_errno(e, "cannot remove the directory %s", st->path);
    if (dir >= 0)
        close(dir);
    strings_free(&files);
    free(encoded);
    return ret;
}

/* What any command leaves of a domain without snapshots. */
static int remove_empty(const char *root, const char *domain,
                        struct error *e)
{
    struct store *st;
    int ret;

    ret = store_open(root, domain, false, 0, &st, e);
    if (!ret && st->dir >= 0) {
        /* What is there is read again once nobody else changes it. */
        store_close(st);
        ret = store_open(root, domain, true, 0, &st, e);
        if (!ret)
            ret = store_check_free(st, e);
        if (!ret)
            ret = remove_directory(st, e);
    }
    store_close(st);
    return ret;
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

    if (domain_name_check(domain, e) || remove_empty(st->root, domain, e))
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
