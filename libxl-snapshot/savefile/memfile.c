/* SPDX-License-Identifier: LGPL-2.1-only */
#include "savefile/memfile.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/files.h"

struct stream_header {
    uint64_t ident;
    uint32_t version;
    uint32_t options;
};

void *xls_memfile_make_header(const char *config_json, size_t *len)
{
    uint32_t json_len = strlen(config_json) + 1;
    struct xls_memfile_header h = {
        .byte_order = XLS_MEMFILE_BYTE_ORDER,
        .mandatory_flags = XLS_MEMFILE_JSON | XLS_MEMFILE_STREAM_V2,
        .optional_len = sizeof(json_len) + json_len,
    };
    char *data;

    *len = sizeof(h) + h.optional_len;
    data = xls_calloc(1, *len);
    memcpy(h.magic, XLS_MEMFILE_MAGIC, sizeof(h.magic));
    memcpy(data, &h, sizeof(h));
    memcpy(data + sizeof(h), &json_len, sizeof(json_len));
    memcpy(data + sizeof(h) + sizeof(json_len), config_json, json_len);
    return data;
}

/* NULL: nothing. */
static const char *what_is_wrong(const struct xls_memfile_header *h)
{
    if (memcmp(h->magic, XLS_MEMFILE_MAGIC, sizeof(h->magic)))
        return "it is no memory image of a domain";
    if (h->byte_order != XLS_MEMFILE_BYTE_ORDER)
        return "it was written on a host of another byte order";
    if (!(h->mandatory_flags & XLS_MEMFILE_STREAM_V2))
        return "its stream is older than version 2";
    if (h->mandatory_flags & ~(XLS_MEMFILE_JSON | XLS_MEMFILE_STREAM_V2))
        return "a newer tool wrote it";
    if (h->optional_len > XLS_MEMFILE_MAX_OPTIONAL)
        return "its configuration is larger than any can be";
    return NULL;
}

bool xls_memfile_understood(const void *header)
{
    struct xls_memfile_header h;

    memcpy(&h, header, sizeof(h));
    return !what_is_wrong(&h);
}

static int check_header(const struct xls_log *log, const char *path,
                        const struct xls_memfile_header *h)
{
    const char *why = what_is_wrong(h);

    if (!why)
        return 0;
    XLS_ERROR(log, "%s cannot be used: %s", path, why);
    return ERROR_SNAPSHOT_IMAGE_CORRUPT;
}

int xls_memfile_open(const struct xls_log *log, const char *path, int *fd)
{
    struct stream_header s;
    struct xls_memfile_header h;
    off_t start = 0;
    int rc;

    rc = xls_file_open(log, path, fd);
    if (rc)
        return rc;
    rc = xls_fd_read_at(log, *fd, path, &h, sizeof(h), 0);
    if (!rc)
        rc = check_header(log, path, &h);
    if (!rc) {
        start = sizeof(h) + h.optional_len;
        rc = xls_fd_read_at(log, *fd, path, &s, sizeof(s), start);
    }
    if (!rc && (be64toh(s.ident) != XLS_STREAM_IDENT ||
                be32toh(s.version) != XLS_STREAM_VERSION)) {
        XLS_ERROR(log, "%s cannot be used: no version 2 stream of libxl "
                  "follows its header", path);
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    if (!rc && lseek(*fd, start, SEEK_SET) < 0) {
        XLS_ERRORE(log, "cannot read %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    }
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

int xls_memfile_config(const struct xls_log *log, const char *path, char **json)
{
    struct xls_memfile_header h;
    uint32_t len;
    int fd, rc;

    *json = NULL;
    rc = xls_file_open(log, path, &fd);
    if (rc)
        return rc;
    rc = xls_fd_read_at(log, fd, path, &h, sizeof(h), 0);
    if (!rc)
        rc = check_header(log, path, &h);
    if (!rc)
        rc = xls_fd_read_at(log, fd, path, &len, sizeof(len), sizeof(h));
    if (!rc && (!(h.mandatory_flags & XLS_MEMFILE_JSON) ||
                h.optional_len < sizeof(len) ||
                len > h.optional_len - sizeof(len))) {
        XLS_ERROR(log, "%s cannot be used: it has no configuration", path);
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    if (!rc) {
        *json = xls_calloc(len + 1, 1);
        rc = xls_fd_read_at(log, fd, path, *json, len,
                            sizeof(h) + sizeof(len));
    }
    if (rc) {
        free(*json);
        *json = NULL;
    }
    close(fd);
    return rc;
}
