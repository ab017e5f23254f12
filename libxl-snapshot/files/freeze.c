/* SPDX-License-Identifier: LGPL-2.1-only */
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libxl_snapshot.h>

/* Opens path for its flags and mode; -1 when it is no regular file. */
static int open_regular(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
        close(fd);
        errno = 0;
        fd = -1;
    }
    return fd;
}

static int set_flag(int fd, bool immutable)
{
    int flags;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return -1;
    if (!!(flags & FS_IMMUTABLE_FL) == immutable)
        return 0;
    flags ^= FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

void xls_file_freeze(const struct xls_log *log, const char *path)
{
    struct stat st;
    int fd;

    fd = open_regular(path, &st);
    if (fd < 0) {
        if (errno)
            xls_log(log, XTL_WARN, errno, "cannot protect the frozen layer %s",
                    path);
        return;
    }
    if (set_flag(fd, true)) {
        int errnoval = errno;

        if (fchmod(fd, st.st_mode & 0444))
            xls_log(log, XTL_WARN, errno, "cannot protect the frozen layer %s",
                    path);
        else
            xls_log(log, XTL_NOTICE, errnoval, "the frozen layer %s could "
                    "only be made read-only, not immutable: root can still "
                    "write it by mistake", path);
    }
    close(fd);
}

int xls_file_thaw(const struct xls_log *log, const char *path)
{
    struct stat st;
    int fd, rc;

    fd = open_regular(path, &st);
    if (fd < 0)
        return 0;
    /* Without the flag in this file system there is nothing to lift but the
     * mode. */
    if (set_flag(fd, false) && errno != ENOTTY && errno != EOPNOTSUPP &&
        errno != EINVAL) {
        XLS_ERRORE(log, "cannot lift the immutable flag of %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    } else if (!(st.st_mode & S_IWUSR) &&
               fchmod(fd, st.st_mode | S_IWUSR)) {
        XLS_ERRORE(log, "cannot make %s writable", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    } else {
        rc = 0;
    }
    close(fd);
    return rc;
}
