/* SPDX-License-Identifier: LGPL-2.1-only */
#include "domain/memfile.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[32] = "Xen saved domain, xl format\n \0 \r";

#define BYTE_ORDER_MARK 0x01020304U
#define FLAG_JSON       1U
#define FLAG_STREAM_V2  2U
/* A configuration larger than this is none. */
#define MAX_OPTIONAL    (16U << 20)

/* The head of libxl's stream: u64 "LibxlFmt", u32 version, both big endian. */
#define STREAM_IDENT    0x4c6962786c466d74ULL
#define STREAM_VERSION  2U

struct header {
    char magic[32];
    uint32_t byte_order;
    uint32_t mandatory_flags;
    uint32_t optional_flags;
    uint32_t optional_len;
};

struct stream_header {
    uint64_t ident;
    uint32_t version;
    uint32_t options;
};

static int write_all(const struct xls_log *log, int fd, const char *path,
                     const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            XLS_ERRORE(log, "cannot write %s%s", path,
                       errno == ENOSPC ? "; free some space there or choose "
                                         "another place" : "");
            return ERROR_SNAPSHOT_STORAGE;
        }
        p += n;
        len -= n;
    }
    return 0;
}

static int read_all(const struct xls_log *log, int fd, const char *path,
                    void *data, size_t len)
{
    char *p = data;

    while (len) {
        ssize_t n = read(fd, p, len);

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
    }
    return 0;
}

int xls_memfile_write_header(const struct xls_log *log, int fd,
                             const char *path, const char *config_json)
{
    uint32_t len = strlen(config_json) + 1;
    struct header h = {
        .byte_order = BYTE_ORDER_MARK,
        .mandatory_flags = FLAG_JSON | FLAG_STREAM_V2,
        .optional_len = sizeof(len) + len,
    };
    int rc;

    memcpy(h.magic, magic, sizeof(magic));
    rc = write_all(log, fd, path, &h, sizeof(h));
    if (!rc)
        rc = write_all(log, fd, path, &len, sizeof(len));
    if (!rc)
        rc = write_all(log, fd, path, config_json, len);
    return rc;
}

static int check_header(const struct xls_log *log, const char *path,
                        const struct header *h)
{
    const char *why = NULL;

    if (memcmp(h->magic, magic, sizeof(magic)))
        why = "it is no memory image of a domain";
    else if (h->byte_order != BYTE_ORDER_MARK)
        why = "it was written on a host of another byte order";
    else if (!(h->mandatory_flags & FLAG_STREAM_V2))
        why = "its stream is older than version 2";
    else if (h->mandatory_flags & ~(FLAG_JSON | FLAG_STREAM_V2))
        why = "a newer tool wrote it";
    else if (h->optional_len > MAX_OPTIONAL)
        why = "its configuration is larger than any can be";
    if (!why)
        return 0;
    XLS_ERROR(log, "%s cannot be used: %s", path, why);
    return ERROR_SNAPSHOT_IMAGE_CORRUPT;
}

int xls_memfile_open(const struct xls_log *log, const char *path, int *fd)
{
    struct stream_header s;
    struct header h;
    struct stat st;
    off_t start;
    int rc;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st)) {
        XLS_ERRORE(log, "cannot open the memory image %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        XLS_ERROR(log, "the memory image %s is no regular file", path);
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
        goto out;
    }
    rc = read_all(log, *fd, path, &h, sizeof(h));
    if (rc)
        goto out;
    rc = check_header(log, path, &h);
    if (rc)
        goto out;
    start = sizeof(h) + h.optional_len;
    if (lseek(*fd, start, SEEK_SET) < 0) {
        XLS_ERRORE(log, "cannot read %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    rc = read_all(log, *fd, path, &s, sizeof(s));
    if (rc)
        goto out;
    if (be64toh(s.ident) != STREAM_IDENT ||
        be32toh(s.version) != STREAM_VERSION) {
        XLS_ERROR(log, "%s cannot be used: no version 2 stream of libxl "
                  "follows its header", path);
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
        goto out;
    }
    if (lseek(*fd, start, SEEK_SET) < 0) {
        XLS_ERRORE(log, "cannot read %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    }

out:
    if (rc && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}
