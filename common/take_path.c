/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/place.h"
#include "common/unique.h"

/* The file that path leads to, or path itself where there is none; NULL with
 * errno set if that cannot be found out. */
static char *target_of(const char *path)
{
    char *target = xls_real_path(path);

    return target || errno != ENOENT ? target : xls_strdup(path);
}

char *xls_file_second_name(const char *new_path)
{
    char *target = target_of(new_path);
    char *name = xls_unique_path(target ? target : new_path);

    free(target);
    return name;
}

char *xls_file_second_name_unrecorded(const char *path, const char *new_path)
{
    char *target = target_of(new_path);
    char *name = xls_asprintf("%s.xls-tmp", target ? target : new_path);

    free(target);
    if (xls_is_second_name(name, path))
        return name;
    free(name);
    return xls_file_second_name(new_path);
}

/* What comes after the target's name in a second name. */
static const char *tail_of(const char *name)
{
    static const char mark[] = ".xls-";
    const char *found = NULL, *next = name;

    while ((next = strstr(next, mark)))
        found = next++;
    return found;
}

/* The file that a second name was made for: new_path may have been a symlink to
 * it, which leads nowhere while it is put aside. */
static char *target_by(const char *name)
{
    const char *tail = tail_of(name);

    return xls_asprintf("%.*s", (int)(tail ? (size_t)(tail - name)
                                           : strlen(name)), name);
}

/* "<target>.xls-old-…" */
char *xls_file_aside(const char *name)
{
    char *target = target_by(name);
    const char *tail = tail_of(name);
    size_t mark = strlen(".xls-new");
    char *aside = xls_asprintf("%s.xls-old%s", target,
                               tail && strlen(tail) > mark ? tail + mark : "");

    free(target);
    return aside;
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
                               const char *name, const struct xls_file_id *id)
{
    if (id && xls_is_second_name(name, path) && !xls_is_file(name, id))
        return xls_file_check_id(log, path, id);
    return xls_is_second_name(name, path) ? 0
                                          : xls_file_link(log, path, name, id);
}

int xls_file_take_path(const struct xls_log *log, const char *path,
                       const char *new_path, const char *name,
                       const struct xls_file_id *id)
{
    char *target = xls_real_path(new_path);
    int rc = 0;

    if (!target && errno == ENOENT)
        target = target_by(name);
    if (!target) {
        XLS_ERRORE(log, "cannot resolve %s", new_path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    /* rename leaves both names when they are of one file already. */
    if (!xls_same_file(path, target)) {
        rc = xls_file_take_path_prepare(log, path, name, id);
        if (!rc)
            rc = xls_file_rename(log, name, target);
    }
    xls_file_drop_second_name(log, name, path);
    free(target);
    return rc;
}

int xls_file_put_aside(const struct xls_log *log, const char *name)
{
    char *target = target_by(name), *aside = xls_file_aside(name);
    int rc = access(target, F_OK) ? 0
                                  : xls_file_rename_new(log, target, aside);

    free(target);
    free(aside);
    return rc;
}

bool xls_file_is_aside(const char *name)
{
    char *aside = xls_file_aside(name);
    bool is = !access(aside, F_OK);

    free(aside);
    return is;
}

void xls_file_drop_aside(const struct xls_log *log, const char *name)
{
    char *aside = xls_file_aside(name);

    xls_file_unlink(log, aside);
    free(aside);
}

int xls_file_drop_former(const struct xls_log *log, const char *path,
                         const char *new_path)
{
    char *real = xls_real_path(path);

    if (real && strcmp(real, path) && xls_is_second_name(real, new_path))
        xls_file_unlink_now(log, real);
    free(real);
    return xls_file_unlink_now(log, path);
}
