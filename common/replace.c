/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/names.h"

int xls_replace(int dir, const char *name, const char *temp, const void *data,
                size_t len, const char **failed)
{
    int fd, saved, r;

    *failed = "remove what a killed command left of";
    if (unlinkat(dir, temp, 0) && errno != ENOENT)
        return -1;
    *failed = "write";
    fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
                O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    r = fchmod(fd, 0600) || xls_write_all(fd, data, len, -1) || fsync(fd) ? -1 : 0;
    if (!r) {
        *failed = "rename to";
        r = renameat(dir, temp, dir, name);
    }
    saved = errno;
    close(fd);
    if (r) {
        unlinkat(dir, temp, 0);
        errno = saved;
        return -1;
    }
    *failed = "sync the directory of";
    return xls_sync_directory_fd(dir);
}
