/* SPDX-License-Identifier: LGPL-2.1-only */
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "base/alloc.h"

static int storage_error(const struct xls_log *log, const char *what,
                         const char *path)
{
    int errnoval = errno;
    const char *way_out =
        errnoval == ENOSPC || errnoval == EDQUOT
            ? "; free some space there or choose another place"
        : errnoval == EROFS ? "; choose a place that can be written"
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

/* A label is taken over where there is one; a file system without labels, or
 * without the right to set them, is the normal case. */
static void copy_label(int from, int to)
{
    char label[512];
    ssize_t len = fgetxattr(from, "security.selinux", label, sizeof(label));

    if (len > 0)
        (void)!fsetxattr(to, "security.selinux", label, len, 0);
}

int xls_file_create(const struct xls_log *log, const char *path,
                    const char *like, int *fd)
{
    struct stat st;
    int model = -1, rc;

    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0)
        return errno == EEXIST ? exists_error(log, path)
                               : storage_error(log, "create", path);
    if (!like)
        return 0;

    model = open(like, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (model < 0 || fstat(model, &st)) {
        rc = storage_error(log, "read the owner and mode of", like);
        goto out;
    }
    /* A block device's mode and owner (brw-rw---- root disk) say nothing
     * about who may read an image file. */
    if (S_ISREG(st.st_mode)) {
        if (fchown(*fd, st.st_uid, st.st_gid) ||
            fchmod(*fd, (st.st_mode & 0666) | S_IRUSR | S_IWUSR)) {
            rc = storage_error(log, "set owner and mode of", path);
            goto out;
        }
        copy_label(model, *fd);
    }
    rc = 0;

out:
    if (model >= 0)
        close(model);
    if (rc) {
        close(*fd);
        *fd = -1;
        unlink(path);
    }
    return rc;
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

int xls_file_link(const struct xls_log *log, const char *path,
                  const char *new_path)
{
    if (!link(path, new_path))
        return 0;
    if (errno == EEXIST)
        return exists_error(log, new_path);
    if (errno == EXDEV) {
        XLS_ERROR(log, "%s is on another file system than %s; choose a name "
                  "beside the disk", new_path, path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    return storage_error(log, "link the disk's file to", new_path);
}

static int rename_error(const struct xls_log *log, const char *path,
                        const char *new_path)
{
    XLS_ERRORE(log, "cannot rename %s to %s", path, new_path);
    return ERROR_SNAPSHOT_STORAGE;
}

int xls_file_rename(const struct xls_log *log, const char *path,
                    const char *new_path)
{
    return rename(path, new_path) ? rename_error(log, path, new_path) : 0;
}

int xls_file_rename_new(const struct xls_log *log, const char *path,
                        const char *new_path)
{
    int rc;

    if (!renameat2(AT_FDCWD, path, AT_FDCWD, new_path, RENAME_NOREPLACE))
        return 0;
    if (errno == EEXIST)
        return exists_error(log, new_path);
    if (errno != EINVAL)
        return rename_error(log, path, new_path);
    /* A file system that does not know the flag. */
    rc = xls_file_link(log, path, new_path);
    return rc ? rc : xls_file_unlink(log, path);
}

int xls_file_headroom(const struct xls_log *log, const char *path,
                      uint64_t bytes)
{
    struct stat st;
    off_t from;
    int fd, rc = 0;

    fd = open(path, O_RDWR | O_CLOEXEC);
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
    if (unlink(path) && errno != ENOENT)
        return storage_error(log, "remove", path);
    return 0;
}

int xls_fd_sync(const struct xls_log *log, int fd, const char *path)
{
    return fsync(fd) ? storage_error(log, "write", path) : 0;
}

void xls_file_begin_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return;
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    close(fd);
}

int xls_dir_sync(const struct xls_log *log, const char *path)
{
    char *copy = xls_strdup(path);
    const char *dir = dirname(copy);
    int fd, rc;

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd < 0 || fsync(fd) ? storage_error(log, "sync the directory", dir)
                             : 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
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
