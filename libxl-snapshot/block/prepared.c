/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/prepared.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diskimage/spec.h"
#include "common/files.h"
#include "common/place.h"
#include "diskimage/header.h"
#include "diskimage/written.h"

/* The file that the header names is the one that is wanted. */
static bool is_backed(const struct xls_prepared *wanted,
                      const struct xls_header *h)
{
    char *path = NULL;
    bool is;

    if (!h->backing || !wanted->backing)
        return !h->backing && !wanted->backing;
    /* What is no file of this host has many names. */
    if (wanted->backing[0] != '/')
        return true;
    is = xls_spec_path(wanted->path, h->backing, &path) && path &&
         xls_same_file(path, wanted->backing);
    free(path);
    return is;
}

static int check_header(struct xls_op *op, const char *vdev,
                        const struct xls_prepared *wanted,
                        const struct xls_header *h)
{
    if (h->data_file) {
        XLS_ERROR(&op->log, "disk %s: the prepared image %s has its data in "
                  "another file, which is not supported", vdev, wanted->path);
    } else if (h->size != wanted->size) {
        XLS_ERROR(&op->log, "disk %s: the prepared image %s is of %llu bytes, "
                  "the disk of %llu", vdev, wanted->path,
                  (unsigned long long)h->size,
                  (unsigned long long)wanted->size);
    } else if (!is_backed(wanted, h)) {
        XLS_ERROR(&op->log, "disk %s: the header of the prepared image %s "
                  "names %s as its backing file, and not %s", vdev, wanted->path,
                  h->backing ? h->backing : "none",
                  wanted->backing ? wanted->backing : "none");
    } else if (h->backing && h->backing_format &&
               strcmp(h->backing_format, wanted->backing_driver)) {
        XLS_ERROR(&op->log, "disk %s: the header of the prepared image %s "
                  "names the format %s for its backing file, which is of format %s",
                  vdev, wanted->path, h->backing_format,
                  wanted->backing_driver);
    } else {
        return 0;
    }
    return ERROR_INVAL;
}

int xls_prepared_check(struct xls_op *op, const char *vdev,
                       const struct xls_prepared *wanted)
{
    char *real = xls_real_path(wanted->path);
    struct xls_header h;
    int fd, rc;

    fd = real ? xls_open(real, O_RDONLY) : -1;
    if (fd < 0) {
        XLS_ERRORE(&op->log, "disk %s: cannot open the prepared image %s",
                   vdev, wanted->path);
        free(real);
        return ERROR_SNAPSHOT_STORAGE;
    }
    rc = xls_header_read(&op->log, fd, wanted->path, "qcow2", &h);
    if (!rc) {
        rc = check_header(op, vdev, wanted, &h);
        xls_header_dispose(&h);
    }
    if (!rc && wanted->empty && xls_image_written(real)) {
        XLS_ERROR(&op->log, "disk %s: the prepared image %s holds data, which "
                  "the guest would see in the place of its own", vdev,
                  wanted->path);
        rc = ERROR_INVAL;
    }
    close(fd);
    free(real);
    return rc;
}
