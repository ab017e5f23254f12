/* SPDX-License-Identifier: LGPL-2.1-only */
#include "diskimage/header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"

/* QEMU's limits (block/qcow2.c, qcow.c, qed.c). */
#define NAME_MAX_BYTES 1023
#define MIN_CLUSTER_BITS 9
#define MAX_CLUSTER_BITS 21
#define QED_MAX_CLUSTER (64U << 20)

#define QCOW_MAGIC 0x514649fbU          /* "QFI\xfb", big-endian */
#define QED_MAGIC 0x00444551U           /* "QED\0", little-endian */
#define V2_LENGTH 72U
#define V3_LENGTH 104U
#define EXT_BACKING_FORMAT 0xe2792acaU
#define EXT_DATA_FILE 0x44415441U
#define INCOMPAT_DATA_FILE 4U

/* More than any header's extensions take: QEMU writes a few hundred bytes. */
#define MAX_EXTENSIONS 64

struct reader {
    const struct xls_log *log;
    const char *path;
    int fd;
};

static uint64_t be(const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    while (bytes--)
        v = v << 8 | *p++;
    return v;
}

static uint64_t le(const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    while (bytes--)
        v = v << 8 | p[bytes];
    return v;
}

/* As much as there is of len bytes: fewer are no failure. */
static int read_some(const struct reader *r, void *data, size_t len,
                     uint64_t offset, size_t *got)
{
    ssize_t n = 0;

    *got = 0;
    while (*got < len && offset + *got <= INT64_MAX) {
        n = pread(r->fd, (char *)data + *got, len - *got, offset + *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *got += n;
    }
    if (n >= 0)
        return 0;
    XLS_ERRORE(r->log, "cannot read the header of %s", r->path);
    return ERROR_SNAPSHOT_STORAGE;
}

static int damaged(const struct reader *r, const char *what)
{
    XLS_ERROR(r->log, "the header of the image %s is damaged: %s", r->path,
              what);
    return ERROR_SNAPSHOT_IMAGE_CORRUPT;
}

static int read_all(const struct reader *r, void *data, size_t len,
                    uint64_t offset, const char *what)
{
    size_t got;
    int rc;

    rc = read_some(r, data, len, offset, &got);
    if (rc)
        return rc;
    return got == len ? 0 : damaged(r, what);
}

static int read_name(const struct reader *r, uint64_t offset, uint64_t len,
                     const char *what, char **name)
{
    int rc;

    if (!len || len > NAME_MAX_BYTES)
        return damaged(r, what);
    free(*name);
    *name = xls_calloc(1, len + 1);
    rc = read_all(r, *name, len, offset, what);
    if (!rc && strlen(*name) != len)
        rc = damaged(r, what);
    if (rc) {
        free(*name);
        *name = NULL;
    }
    return rc;
}

/* The extensions are from here to there. */
static int read_extensions(const struct reader *r, uint64_t from, uint64_t to,
                           struct xls_header *h)
{
    unsigned char ext[8];
    int i, rc;

    for (i = 0; from + sizeof(ext) <= to; i++) {
        uint64_t type, len;

        if (i == MAX_EXTENSIONS)
            return damaged(r, "too many extensions");
        rc = read_all(r, ext, sizeof(ext), from, "an extension");
        if (rc)
            return rc;
        type = be(ext, 4);
        len = be(ext + 4, 4);
        from += sizeof(ext);
        if (!type)
            break;
        if (len > to - from)
            return damaged(r, "an extension is too long");
        if (type == EXT_BACKING_FORMAT && !h->backing_format)
            rc = read_name(r, from, len, "the backing file's format",
                           &h->backing_format);
        else if (type == EXT_DATA_FILE && h->data_file && !h->data_file[0])
            rc = read_name(r, from, len, "the data file's name",
                           &h->data_file);
        if (rc)
            return rc;
        from += (len + 7) & ~7ULL;
    }
    return 0;
}

/* buf: the first len bytes of the file. */
static int read_qcow2(const struct reader *r, const unsigned char *buf,
                      size_t len, struct xls_header *h)
{
    uint64_t version, offset, cluster, length = V2_LENGTH;
    int rc;

    if (len < V2_LENGTH)
        return damaged(r, "it is too short");
    version = be(buf + 4, 4);
    if (version != 2 && version != 3)
        return damaged(r, "its version is not 2 or 3");
    if (be(buf + 20, 4) < MIN_CLUSTER_BITS ||
        be(buf + 20, 4) > MAX_CLUSTER_BITS)
        return damaged(r, "its cluster size");
    cluster = 1ULL << be(buf + 20, 4);
    h->size = be(buf + 24, 8);
    if (version == 3) {
        if (len < V3_LENGTH)
            return damaged(r, "it is too short");
        length = be(buf + 100, 4);
        if (length < V3_LENGTH || length > cluster)
            return damaged(r, "its length");
        if (be(buf + 72, 8) & INCOMPAT_DATA_FILE)
            h->data_file = xls_strdup("");
    }
    offset = be(buf + 8, 8);
    if (offset > cluster)
        return damaged(r, "the place of the backing file's name");
    if (offset && offset < length)
        return damaged(r, "the place of the backing file's name");
    rc = read_extensions(r, length, offset ? offset : cluster, h);
    /* A name of no length is none to QEMU, too. */
    if (!rc && offset && be(buf + 16, 4)) {
        if (be(buf + 16, 4) > cluster - offset)
            return damaged(r, "the backing file's name");
        rc = read_name(r, offset, be(buf + 16, 4), "the backing file's name",
                       &h->backing);
    }
    return rc;
}

static int read_qcow(const struct reader *r, const unsigned char *buf,
                     size_t len, struct xls_header *h)
{
    uint64_t offset;

    if (len < 48)
        return damaged(r, "it is too short");
    if (be(buf + 4, 4) != 1)
        return damaged(r, "its version is not 1");
    h->size = be(buf + 24, 8);
    offset = be(buf + 8, 8);
    return offset && be(buf + 16, 4)
        ? read_name(r, offset, be(buf + 16, 4), "the backing file's name",
                    &h->backing)
        : 0;
}

static int read_qed(const struct reader *r, const unsigned char *buf,
                    size_t len, struct xls_header *h)
{
    uint64_t cluster, end, offset;
    int rc;

    if (len < 64)
        return damaged(r, "it is too short");
    cluster = le(buf + 4, 4);
    h->size = le(buf + 48, 8);
    if (!(le(buf + 16, 8) & 1))
        return 0;
    if (!cluster || cluster > QED_MAX_CLUSTER)
        return damaged(r, "its cluster size");
    end = cluster * le(buf + 12, 4);
    offset = le(buf + 56, 4);
    if (offset < 64 || offset > end || le(buf + 60, 4) > end - offset)
        return damaged(r, "the backing file's name");
    rc = read_name(r, offset, le(buf + 60, 4), "the backing file's name",
                   &h->backing);
    /* "no probing": the backing file is raw. */
    if (!rc && (le(buf + 16, 8) & 4))
        h->backing_format = xls_strdup("raw");
    return rc;
}

static const char *probe(const unsigned char *buf, size_t len)
{
    if (len >= 8 && be(buf, 4) == QCOW_MAGIC)
        return be(buf + 4, 4) == 1 ? "qcow" : "qcow2";
    if (len >= 4 && le(buf, 4) == QED_MAGIC)
        return "qed";
    if (len >= 4 && (!memcmp(buf, "KDMV", 4) || !memcmp(buf, "COWD", 4)))
        return "vmdk";
    return "raw";
}

static int read_format(const struct reader *r, const unsigned char *buf,
                       size_t len, const char *driver, struct xls_header *h)
{
    const char *found = probe(buf, len);

    if (!driver)
        driver = found;
    h->driver = xls_strdup(driver);
    if (!strcmp(driver, "vmdk")) {
        XLS_ERROR(r->log, "the image %s is of format vmdk, in which a backing "
                  "file cannot be found", r->path);
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (strcmp(driver, "qcow2") && strcmp(driver, "qcow") &&
        strcmp(driver, "qed"))
        return 0;
    if (strcmp(driver, found)) {
        XLS_ERROR(r->log, "%s is no image of format %s", r->path, driver);
        return ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    return !strcmp(driver, "qcow2") ? read_qcow2(r, buf, len, h)
           : !strcmp(driver, "qcow") ? read_qcow(r, buf, len, h)
                                     : read_qed(r, buf, len, h);
}

int xls_header_read(const struct xls_log *log, int fd, const char *path,
                    const char *driver, struct xls_header *header)
{
    const struct reader r = { .log = log, .path = path, .fd = fd };
    unsigned char buf[V3_LENGTH];
    size_t len;
    int rc;

    memset(header, 0, sizeof(*header));
    rc = read_some(&r, buf, sizeof(buf), 0, &len);
    if (!rc)
        rc = read_format(&r, buf, len, driver, header);
    if (rc)
        xls_header_dispose(header);
    return rc;
}

void xls_header_dispose(struct xls_header *header)
{
    free(header->driver);
    free(header->backing);
    free(header->backing_format);
    free(header->data_file);
    memset(header, 0, sizeof(*header));
}

static const char *without_prefix(const char *name)
{
    static const char *const local[] = { "file:", "host_device:" };
    size_t i;

    for (i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (!strncmp(name, local[i], strlen(local[i])))
            return name + strlen(local[i]);
    return NULL;
}

/* As QEMU's bdrv_make_absolute_filename: a name is relative to the directory
 * of the path by which its image was opened. */
char *xls_header_path(const char *path, const char *name)
{
    const char *local = without_prefix(name), *slash;

    /* Relative ones of these are so to QEMU's working directory, which is
     * not known. */
    if (local)
        return local[0] == '/' ? xls_strdup(local) : NULL;
    if (name[0] == '/')
        return xls_strdup(name);
    if (!name[0] || name[strcspn(name, ":/")] == ':' || path[0] != '/')
        return NULL;
    slash = strrchr(path, '/');
    return xls_asprintf("%.*s%s", (int)(slash + 1 - path), path, name);
}
