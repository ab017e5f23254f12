/* SPDX-License-Identifier: LGPL-2.1-only */
#include "files/files.h"

#include <errno.h>
#include <stdlib.h>

#include <libxl_snapshot.h>

#include "base/alloc.h"
#include "base/unique.h"

/* The file that path leads to; path itself where there is none. */
static char *target_of(const char *path)
{
    char *target = realpath(path, NULL);

    return target ? target : xls_strdup(path);
}

char *xls_file_second_name(const char *new_path)
{
    char *target = target_of(new_path);
    char *name = xls_unique_path(target);

    free(target);
    return name;
}

char *xls_file_second_name_unrecorded(const char *path, const char *new_path)
{
    char *target = target_of(new_path);
    char *name = xls_asprintf("%s.xls-tmp", target);

    free(target);
    if (xls_is_second_name(name, path))
        return name;
    free(name);
    return xls_file_second_name(new_path);
}

bool xls_is_second_name(const char *name, const char *path)
{
    struct stat its, st;

    return !lstat(name, &its) && S_ISREG(its.st_mode) && its.st_nlink > 1 &&
           !stat(path, &st) && st.st_dev == its.st_dev &&
           st.st_ino == its.st_ino;
}

void xls_file_drop_second_name(const struct xls_log *log, const char *name,
                               const char *path)
{
    if (xls_is_second_name(name, path))
        xls_file_unlink(log, name);
}

int xls_file_take_path_prepare(const struct xls_log *log, const char *path,
                               const char *name)
{
    return xls_is_second_name(name, path) ? 0
                                          : xls_file_link(log, path, name);
}

int xls_file_take_path(const struct xls_log *log, const char *path,
                       const char *new_path, const char *name)
{
    char *target = realpath(new_path, NULL);
    int rc;

    if (!target && errno != ENOENT) {
        XLS_ERRORE(log, "cannot resolve %s", new_path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    if (!target)
        target = xls_strdup(new_path);
    /* rename leaves both names when they are of one file already. */
    if (xls_same_file(path, target)) {
        rc = 0;
    } else {
        rc = xls_file_take_path_prepare(log, path, name);
        if (!rc)
            rc = xls_file_rename(log, name, target);
    }
    xls_file_drop_second_name(log, name, path);
    if (!rc)
        rc = xls_dir_sync(log, target);
    free(target);
    return rc;
}
