/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/freeze.h"
#include "common/like.h"
#include "common/place.h"

static int storage_error(const struct xls_log *log, const char *what,
                         const char *path)
{
    int errnoval = errno;
    const char *way_out =
        errnoval == ENOSPC || errnoval == EDQUOT
            ? "; free some space there or choose another place"
        : errnoval == EROFS ? "; choose a place that can be written"
        : errnoval == ELOOP ? "; a symlink of another user is not followed"
                            : "";

    xls_log(log, XTL_ERROR, errnoval, "cannot %s %s%s", what, path, way_out);
    return ERROR_SNAPSHOT_STORAGE;
}

static int exists_error(const struct xls_log *log, const char *path)
{
    XLS_ERROR(log, "%s exists already; choose another name or remove it",
              path);
    return ERROR_SNAPSHOT_EXISTS;
}

int xls_file_create(const struct xls_log *log, const char *path,
                    const char *like, int *fd)
{
    struct xls_failed failed;

    *fd = xls_create_like(path, like, &failed);
    if (*fd >= 0)
        return 0;
    return errno == EEXIST ? exists_error(log, path)
                           : storage_error(log, failed.what, failed.path);
}

int xls_file_check_new(const struct xls_log *log, const char *path)
{
    struct stat st;
    char *copy;
    int rc;

    if (path[0] != '/') {
        XLS_ERROR(log, "\"%s\" is not an absolute path", path);
        return ERROR_INVAL;
    }
    if (!lstat(path, &st))
        return exists_error(log, path);
    if (errno != ENOENT)
        return storage_error(log, "look at", path);

    copy = xls_strdup(path);
    if (stat(dirname(copy), &st))
        rc = storage_error(log, "find the directory for", path);
    else if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        rc = storage_error(log, "make", path);
    } else {
        rc = 0;
    }
    free(copy);
    return rc;
}

static int no_links_error(const struct xls_log *log, const char *path)
{
    char *type = xls_file_system(path);

    XLS_ERROR(log, "%s is on a file system%s%s%s without hard links, by which "
              "a layer takes over the path of a disk; take snapshots with an "
              "overlay that has a path of its own (without keep_path; in xl: "
              "--disk VDEV,path=FILE), and merge them forward", path,
              type ? " (" : "", type ? type : "", type ? ")" : "");
    free(type);
    return ERROR_SNAPSHOT_STORAGE;
}

int xls_file_link(const struct xls_log *log, const char *path,
                  const char *new_path, const struct xls_file_id *id)
{
    if (!xls_link(path, new_path, id))
        return 0;
    switch (errno) {
    case EEXIST:
        return exists_error(log, new_path);
    case EXDEV:
        XLS_ERROR(log, "%s is on another file system than %s; choose a name "
                  "beside the disk's file", new_path, path);
        return ERROR_SNAPSHOT_STORAGE;
    case ESTALE:
        XLS_ERROR(log, "%s is not the file any more that it was when it was "
                  "checked; nothing was changed, try again", path);
        return ERROR_SNAPSHOT_STORAGE;
    case EPERM:
    case EOPNOTSUPP:
    case ENOSYS:
        /* EPERM is also the answer for an immutable file. */
        if (!xls_frozen(path))
            return no_links_error(log, path);
        errno = EPERM;
        break;
    default:
        break;
    }
    return storage_error(log, "link the disk's file to", new_path);
}

static int renamed(const struct xls_log *log, int r, const char *path,
                   const char *new_path)
{
    if (!r)
        return 0;
    if (errno == EEXIST)
        return exists_error(log, new_path);
    XLS_ERRORE(log, "cannot rename %s to %s", path, new_path);
    return ERROR_SNAPSHOT_STORAGE;
}

int xls_file_rename(const struct xls_log *log, const char *path,
                    const char *new_path)
{
    return renamed(log, xls_rename(path, new_path, XLS_RENAME_OVER, true),
                   path, new_path);
}

int xls_file_rename_now(const struct xls_log *log, const char *path,
                        const char *new_path)
{
    return renamed(log, xls_rename(path, new_path, XLS_RENAME_OVER, false),
                   path, new_path);
}

int xls_file_rename_new(const struct xls_log *log, const char *path,
                        const char *new_path)
{
    return renamed(log, xls_rename(path, new_path, XLS_RENAME_NEW, true),
                   path, new_path);
}

int xls_file_headroom(const struct xls_log *log, const char *path,
                      uint64_t bytes)
{
    struct stat st;
    off_t from;
    int fd, rc = 0;

    fd = xls_open(path, O_RDWR);
    if (fd < 0 || fstat(fd, &st)) {
        rc = storage_error(log, "open", path);
        goto out;
    }
    from = st.st_size > (off_t)bytes ? st.st_size - (off_t)bytes : 0;
    if (lseek(fd, from, SEEK_DATA) >= 0 || errno != ENXIO)
        if (ftruncate(fd, st.st_size + bytes))
            rc = storage_error(log, "extend", path);

out:
    if (fd >= 0)
        close(fd);
    return rc;
}

int xls_file_unlink(const struct xls_log *log, const char *path)
{
    if (xls_unlink(path, true) && errno != ENOENT)
        return storage_error(log, "remove", path);
    return 0;
}

int xls_file_unlink_now(const struct xls_log *log, const char *path)
{
    if (xls_unlink(path, false) && errno != ENOENT)
        return storage_error(log, "remove", path);
    return 0;
}

int xls_fd_sync(const struct xls_log *log, int fd, const char *path)
{
    return fsync(fd) ? storage_error(log, "write", path) : 0;
}

int xls_file_sync(const struct xls_log *log, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

    if (fd < 0)
        return storage_error(log, "open", path);
    rc = xls_fd_sync(log, fd, path);
    close(fd);
    return rc;
}

void xls_file_begin_sync(const char *path)
{
    int fd = xls_open(path, O_RDONLY);

    if (fd < 0)
        return;
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    close(fd);
}

int xls_dir_sync(const struct xls_log *log, const char *path)
{
    return xls_sync_directory(path)
               ? storage_error(log, "sync the directory of", path) : 0;
}

bool xls_same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    if (stat(a, &sa) || stat(b, &sb))
        return false;
    if (S_ISBLK(sa.st_mode) && S_ISBLK(sb.st_mode))
        return sa.st_rdev == sb.st_rdev;
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int xls_file_check_id(const struct xls_log *log, const char *path,
                      const struct xls_file_id *id)
{
    if (xls_is_file(path, id))
        return 0;
    XLS_ERROR(log, "%s is not the file any more that it was when the operation "
              "began; it is left alone", path);
    return ERROR_SNAPSHOT_STORAGE;
}
