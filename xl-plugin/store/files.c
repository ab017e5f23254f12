/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/io.h"
#include "common/replace.h"
#include "store/store.h"

#define MAX_FILE (4u << 20)

static int check_owner(const struct stat *st, const char *path,
                       struct error *e)
{
    if (st->st_uid != geteuid())
        return error_set(e, "%s belongs to user %u, not to user %u: not "
                         "trusted", path, (unsigned)st->st_uid,
                         (unsigned)geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return error_set(e, "%s can be written by others (mode %03o): not "
                         "trusted; chmod go-w it if its content is in order",
                         path, (unsigned)st->st_mode & 0777);
    return 0;
}

int store_dir_open(int at, const char *name, const char *path, bool create,
                   struct error *e)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    struct stat st;
    int fd;

    if (at != AT_FDCWD)
        flags |= O_NOFOLLOW;
    if (create && !mkdirat(at, name, 0700) && at != AT_FDCWD && fsync(at))
        return error_errno(e, "cannot sync the directory of %s", path);

    fd = openat(at, name, flags);
    if (fd < 0) {
        if (errno == ENOENT && !create)
            return -2;
        if (errno == ELOOP || errno == ENOTDIR)
            return error_set(e, "%s is not a directory (a symlink is not "
                             "followed here)", path);
        return error_errno(e, "cannot open the directory %s", path);
    }
    if (fstat(fd, &st)) {
        error_errno(e, "cannot look at %s", path);
        close(fd);
        return -1;
    }
    if (check_owner(&st, path, e)) {
        close(fd);
        return -1;
    }
    return fd;
}

int store_file_read(int dir, const char *path, const char *name, char **text,
                    size_t *len, struct error *e)
{
    char *full = xls_asprintf("%s/%s", path, name);
    struct stat st;
    ssize_t got;
    int fd, ret;

    *text = NULL;
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        ret = 0;
    } else if (fd < 0 && errno == ELOOP) {
        ret = error_set(e, "%s is a symlink, which is not followed here",
                        full);
    } else if (fd < 0 || fstat(fd, &st)) {
        ret = error_errno(e, "cannot open %s", full);
    } else if (!S_ISREG(st.st_mode)) {
        ret = error_set(e, "%s is not a regular file", full);
    } else if (check_owner(&st, full, e)) {
        ret = -1;
    } else if (st.st_size > MAX_FILE) {
        ret = error_set(e, "%s is too large to be metadata: %lld bytes", full,
                        (long long)st.st_size);
    } else {
        *text = xls_calloc(st.st_size + 1, 1);
        got = xls_read_all(fd, *text, st.st_size);
        *len = got < 0 ? 0 : got;
        ret = got < 0 ? -1 : 0;
        if (ret) {
            error_errno(e, "cannot read %s", full);
            free(*text);
            *text = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    free(full);
    return ret;
}

int store_file_write(int dir, const char *path, const char *name,
                     const char *text, struct error *e)
{
    /* Names of ours never start with '.'. */
    char *temp = xls_asprintf(".%s.new", name);
    const char *failed;
    int r = xls_replace(dir, name, temp, text, strlen(text), &failed);

    free(temp);
    return r ? error_errno(e, "cannot %s %s/%s", failed, path, name) : 0;
}

int store_file_remove(int dir, const char *path, const char *name,
                      struct error *e)
{
    if (unlinkat(dir, name, 0)) {
        if (errno == ENOENT)
            return 0;
        return error_errno(e, "cannot remove %s/%s", path, name);
    }
    if (fsync(dir))
        return error_errno(e, "cannot sync the directory %s", path);
    return 0;
}

int store_each_file(struct store *st,
                    int (*f)(struct store *st, const char *file,
                             struct error *e),
                    struct error *e)
{
    struct dirent *entry;
    int fd, ret = 0;
    DIR *dir;

    fd = openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        error_errno(e, "cannot read the directory %s", st->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while (!ret && (entry = readdir(dir)))
        ret = f(st, entry->d_name, e);
    closedir(dir);
    return ret;
}
