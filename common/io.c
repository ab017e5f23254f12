/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/io.h"

int xls_file_open(const struct xls_log *log, const char *path, int *fd)
{
    struct stat st;
    int rc = 0;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st)) {
        XLS_ERRORE(log, "cannot open %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    } else if (!S_ISREG(st.st_mode)) {
        XLS_ERROR(log, "%s is no regular file", path);
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    if (rc && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

/* At an offset, or where the file is when that is negative. */
static ssize_t write_some(int fd, const void *data, size_t len, off_t offset)
{
    return offset < 0 ? write(fd, data, len) : pwrite(fd, data, len, offset);
}

int xls_write_all(int fd, const void *data, size_t len, off_t offset)
{
    const char *p = data;

    while (len) {
        ssize_t n = write_some(fd, p, len, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= n;
        if (offset >= 0)
            offset += n;
    }
    return 0;
}

ssize_t xls_read_all(int fd, void *data, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, (char *)data + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (!n)
            break;
        len += n;
    }
    return (ssize_t)len;
}

static int write_all(const struct xls_log *log, int fd, const char *path,
                     const void *data, size_t len, off_t offset)
{
    if (!xls_write_all(fd, data, len, offset))
        return 0;
    XLS_ERRORE(log, "cannot write %s%s", path,
               errno == ENOSPC ? "; free some space there or choose another "
                                 "place" : "");
    return ERROR_SNAPSHOT_STORAGE;
}

int xls_fd_write(const struct xls_log *log, int fd, const char *path,
                 const void *data, size_t len)
{
    return write_all(log, fd, path, data, len, -1);
}

int xls_fd_write_at(const struct xls_log *log, int fd, const char *path,
                    const void *data, size_t len, uint64_t offset)
{
    return write_all(log, fd, path, data, len, offset);
}

/* What is left of the parts after n bytes of them. */
static void pass(struct iovec **iov, int *num, size_t n)
{
    while (*num && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        ++*iov;
        --*num;
    }
    if (*num) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

int xls_fd_writev(const struct xls_log *log, int fd, const char *path,
                  struct iovec *iov, int num)
{
    while (num) {
        ssize_t n = writev(fd, iov, num < IOV_MAX ? num : IOV_MAX);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (path)
                XLS_ERRORE(log, "cannot write %s", path);
            return ERROR_SNAPSHOT_STORAGE;
        }
        pass(&iov, &num, n);
    }
    return 0;
}

int xls_fd_read_at(const struct xls_log *log, int fd, const char *path,
                   void *data, size_t len, uint64_t offset)
{
    char *p = data;

    while (len) {
        ssize_t n = pread(fd, p, len, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            XLS_ERRORE(log, "cannot read %s", path);
            return ERROR_SNAPSHOT_STORAGE;
        }
        if (n == 0) {
            XLS_ERROR(log, "%s is truncated", path);
            return ERROR_SNAPSHOT_IMAGE_CORRUPT;
        }
        p += n;
        len -= n;
        offset += n;
    }
    return 0;
}
