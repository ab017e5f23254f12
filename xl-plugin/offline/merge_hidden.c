/* SPDX-License-Identifier: LGPL-2.1-only */
/* The hidden name of a layer while qemu-img writes it. */
#include "offline/merge_internal.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "common/alloc.h"
#include "common/names.h"
#include "common/unique.h"
#include "layers/open_files.h"

/* How often, in tenths of a second, a program that only reads the image's
 * header, as others' commands do, or the QEMU of a domain that has just ended
 * is waited for. */
#define TRIES 50

static bool is_missing(const char *path)
{
    struct stat st;

    return lstat(path, &st) && errno == ENOENT;
}

static int rename_to(const char *from, const char *to, bool sync,
                     struct error *e)
{
    int r = xls_rename(from, to, XLS_RENAME_NEW, sync);

    /* A file system that can neither link nor rename so: the name is free as
     * far as one can see. */
    if (r && (errno == EPERM || errno == EOPNOTSUPP) && is_missing(to))
        r = xls_rename(from, to, XLS_RENAME_OVER, sync);
    return r ? error_errno(e, "cannot rename %s to %s", from, to) : 0;
}

int merge_rename(const char *from, const char *to, struct error *e)
{
    return rename_to(from, to, true, e);
}

/* Beside the file, where relative names in its header still lead. */
static char *hidden_name(const char *path)
{
    char *dir = xls_strdup(path), *base = xls_strdup(path);
    char *name = xls_unique_name("merge");
    char *hidden = xls_asprintf("%s/.%.200s.%s", dirname(dir), basename(base),
                                name);

    free(name);
    free(base);
    free(dir);
    return hidden;
}

int merge_put_aside(struct merge *f, struct error *e)
{
    xl_snapshot_domain *info = &f->st->info;
    struct stat st;

    if (lstat(info->writing, &st))
        return error_errno(e, "cannot look at %s", info->writing);
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
        free(info->writing_as);
        info->writing_as = hidden_name(info->writing);
    }
    if (store_write_info(f->st, e))
        return -1;
    if (str_none(info->writing_as))
        return image_thaw(info->writing, e);
    return image_thaw_now(info->writing, e) ||
           merge_rename(info->writing, info->writing_as, e) ? -1 : 0;
}

int merge_put_back(struct merge *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;

    if (str_none(info->writing_as) || is_missing(info->writing_as))
        return 0;
    if (!is_missing(info->writing))
        return error_set(e, "%s was renamed to %s while it was merged, and "
                         "there is another file of its name now: move one of "
                         "the two away", info->writing, info->writing_as);
    /* No power cut leaves the name without the protection. */
    if (rename_to(info->writing_as, info->writing, false, e) ||
        merge_protect(f, info->writing, e))
        return -1;
    return xls_sync_directory(info->writing)
        ? error_errno(e, "cannot sync the directory of %s", info->writing) : 0;
}

int merge_check_unused(struct merge *f, const char *path, const char *file,
                       struct error *e)
{
    const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
    char *who = NULL;
    int tries;

    if (merge_unused(f, file, e))
        return -1;
    for (tries = TRIES; tries && (who = open_file_user(file, false)); tries--) {
        free(who);
        nanosleep(&pause, NULL);
    }
    who = open_file_user(file, false);
    if (!who)
        return 0;
    error_set(e, "%s is open in %s: nothing was changed. Repeat the command "
              "once that has ended, or runs as a domain", path, who);
    free(who);
    return -1;
}
