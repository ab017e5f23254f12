/* SPDX-License-Identifier: LGPL-2.1-only */
#include "base/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns 1 with *fd open, 0 for what is no regular file. */
static int open_regular(const char *path, int *fd, struct stat *st)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return -1;
    if (!fstat(*fd, st) && S_ISREG(st->st_mode))
        return 1;
    close(*fd);
    return 0;
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

static int finish(int fd, int ret)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return ret;
}

int xls_freeze(const char *path, int *why_not)
{
    struct stat st;
    int fd, ret = open_regular(path, &fd, &st);

    if (ret <= 0)
        return ret;
    ret = 0;
    if (set_flag(fd, true)) {
        if (why_not)
            *why_not = errno;
        ret = fchmod(fd, st.st_mode & 0555) ? -1 : 1;
    }
    return finish(fd, ret);
}

int xls_thaw(const char *path)
{
    struct stat st;
    int fd, ret = open_regular(path, &fd, &st);

    if (ret <= 0)
        return ret;
    ret = 0;
    /* Without the flag in this file system there is nothing to lift but the
     * mode. */
    if (set_flag(fd, false) && errno != ENOTTY && errno != EOPNOTSUPP &&
        errno != EINVAL)
        ret = -1;
    else if (!(st.st_mode & S_IWUSR))
        ret = fchmod(fd, st.st_mode | S_IWUSR);
    return finish(fd, ret);
}

bool xls_frozen(const char *path)
{
    struct stat st;
    int fd, flags = 0;
    bool is;

    if (open_regular(path, &fd, &st) <= 0)
        return false;
    is = (!ioctl(fd, FS_IOC_GETFLAGS, &flags) &&
          (flags & FS_IMMUTABLE_FL)) || !(st.st_mode & 0222);
    close(fd);
    return is;
}
