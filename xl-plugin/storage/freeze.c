/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* *fd is -1 for what is no regular file. */
static int open_regular(const char *path, int *fd, struct stat *st,
                        struct error *e)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, st)) {
        error_errno(e, "cannot open %s", path);
        if (*fd >= 0)
            close(*fd);
        return -1;
    }
    if (!S_ISREG(st->st_mode)) {
        close(*fd);
        *fd = -1;
    }
    return 0;
}

/* Returns 1 when the file system has no such flag, or it may not be set. */
static int set_immutable(int fd, bool immutable)
{
    int flags;

    if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
        if (!!(flags & FS_IMMUTABLE_FL) == immutable)
            return 0;
        flags ^= FS_IMMUTABLE_FL;
        if (!ioctl(fd, FS_IOC_SETFLAGS, &flags))
            return 0;
        /* Lifting a flag that is there must not fail silently. */
        if (!immutable)
            return -1;
    }
    return 1;
}

int image_freeze(const char *path, struct error *e)
{
    struct stat st;
    int fd, ret = 0;

    if (open_regular(path, &fd, &st, e))
        return -1;
    if (fd < 0)
        return 0;
    if (set_immutable(fd, true) && (st.st_mode & 0222) &&
        fchmod(fd, st.st_mode & 0555))
        ret = error_errno(e, "cannot make %s read-only", path);
    close(fd);
    return ret;
}

int image_thaw(const char *path, struct error *e)
{
    struct stat st;
    int fd, ret = 0;

    if (open_regular(path, &fd, &st, e))
        return -1;
    if (fd < 0)
        return 0;
    if (set_immutable(fd, false) < 0)
        ret = error_errno(e, "cannot lift the immutable flag of %s", path);
    else if (!(st.st_mode & S_IWUSR) && fchmod(fd, st.st_mode | S_IWUSR))
        ret = error_errno(e, "cannot make %s writable", path);
    close(fd);
    return ret;
}
