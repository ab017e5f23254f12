/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "savefile/memfile.h"

static int read_at(int fd, const char *path, void *data, size_t len,
                   off_t offset, struct error *e)
{
    char *p = data;

    while (len) {
        ssize_t n = pread(fd, p, len, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, "cannot read %s", path);
        if (n == 0)
            return error_set(e, "%s is truncated", path);
        p += n;
        len -= n;
        offset += n;
    }
    return 0;
}

static int check_header(const char *path, const struct xls_memfile_header *h,
                        struct error *e)
{
    if (memcmp(h->magic, XLS_MEMFILE_MAGIC, sizeof(h->magic)))
        return error_set(e, "%s is no file of 'xl save'", path);
    if (h->byte_order != XLS_MEMFILE_BYTE_ORDER)
        return error_set(e, "%s was written on a host of another byte order",
                         path);
    if (!(h->mandatory_flags & XLS_MEMFILE_JSON))
        return error_set(e, "the configuration in %s is not JSON: its 'xl "
                         "save' was that of an older Xen", path);
    if (h->optional_len <= sizeof(uint32_t))
        return error_set(e, "%s has no configuration in it", path);
    if (h->optional_len > XLS_MEMFILE_MAX_OPTIONAL)
        return error_set(e, "the configuration in %s is larger than any can "
                         "be", path);
    return 0;
}

static int read_config(int fd, const char *path, char **json, struct error *e)
{
    struct xls_memfile_header h;
    uint32_t len;

    if (read_at(fd, path, &h, sizeof(h), 0, e) || check_header(path, &h, e) ||
        read_at(fd, path, &len, sizeof(len), sizeof(h), e))
        return -1;
    if (len > h.optional_len - sizeof(len))
        return error_set(e, "the header of %s is damaged: its configuration "
                         "is longer than what is to hold it", path);
    *json = xls_calloc(len + 1, 1);
    return read_at(fd, path, *json, len, sizeof(h) + sizeof(len), e);
}

int savefile_config(const char *path, char **json, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret;

    *json = NULL;
    if (fd < 0)
        return error_errno(e, "cannot open %s", path);
    ret = read_config(fd, path, json, e);
    close(fd);
    if (ret) {
        free(*json);
        *json = NULL;
    }
    return ret;
}
