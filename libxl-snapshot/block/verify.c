/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU's word is not enough to act on a path. */
#include "block/disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diskimage/spec.h"
#include "common/alloc.h"
#include "common/files.h"
#include "common/place.h"
#include "diskimage/header.h"

static int mismatch(struct xls_op *op, const struct xls_disk *disk, int i,
                    const char *opened, const char *named)
{
    XLS_ERROR(&op->log, "disk %s: below %s QEMU has %s open, but the image's "
              "header names %s; xl disk-chain --validate shows the chain, "
              "restart the domain to have it as the headers say",
              disk->rec->vdev, disk->layers[i].path, opened, named);
    return ERROR_SNAPSHOT_CHAIN_MISMATCH;
}

/* Reads the header of layer i, at a path that is known to be right. */
static int read_layer(struct xls_op *op, const struct xls_disk *disk, int i,
                      const char *path, struct xls_header *header)
{
    int fd, rc;

    fd = xls_open(path, O_RDONLY);
    if (fd < 0) {
        XLS_ERRORE(&op->log, "disk %s: cannot read the header of %s",
                   disk->rec->vdev, path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    rc = xls_header_read(&op->log, fd, path, disk->layers[i].driver, header);
    close(fd);
    return rc;
}

/* Layer i + 1 gets the path, and is of the format, that the header says. */
static int check_below(struct xls_op *op, struct xls_disk *disk, int i,
                       const struct xls_header *header, char *path)
{
    struct xls_layer *below = &disk->layers[i + 1];

    if (strcmp(below->path, path) && !xls_same_file(below->path, path))
        return mismatch(op, disk, i, below->path, path);
    if (header->backing_format && strcmp(header->backing_format,
                                         below->driver)) {
        XLS_ERROR(&op->log, "disk %s: QEMU has %s open as %s, but the header "
                  "of %s names the format %s", disk->rec->vdev, path,
                  below->driver, disk->layers[i].path,
                  header->backing_format);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    free(below->path);
    below->path = xls_strdup(path);
    return 0;
}

/* Below what is no file of this host, no header can be read, and so no file of
 * this host be known as a layer. */
static int check_rest(struct xls_op *op, const struct xls_disk *disk, int i,
                      const char *named)
{
    int k;

    for (k = i + 1; k < disk->num_layers; k++)
        if (disk->layers[k].path[0] == '/')
            return mismatch(op, disk, i, disk->layers[k].path, named);
    return 0;
}

/* *end: nothing below is to be looked at. */
static int verify_layer(struct xls_op *op, struct xls_disk *disk, int i,
                        bool *end)
{
    bool last = i + 1 == disk->num_layers;
    struct xls_header header;
    char *path = NULL;
    int rc;

    *end = true;
    if (disk->layers[i].path[0] != '/')
        return check_rest(op, disk, i, "no file of this host");
    /* Nothing is below these, and their content is the guest's. */
    if (last && strcmp(disk->layers[i].driver, "qcow2") &&
        strcmp(disk->layers[i].driver, "qcow") &&
        strcmp(disk->layers[i].driver, "qed"))
        return 0;
    rc = read_layer(op, disk, i, disk->layers[i].path, &header);
    if (rc)
        return rc;
    if (!header.backing)
        rc = last ? 0 : mismatch(op, disk, i, disk->layers[i + 1].path,
                                 "none");
    else if (!xls_spec_path(disk->layers[i].path, header.backing, &path))
        rc = check_rest(op, disk, i, header.backing);
    else if (last || !path)
        rc = mismatch(op, disk, i, last ? "nothing"
                                        : disk->layers[i + 1].path,
                      header.backing);
    else {
        rc = check_below(op, disk, i, &header, path);
        *end = false;
    }
    free(path);
    xls_header_dispose(&header);
    return rc;
}

int xls_disk_verify(struct xls_op *op, struct xls_disk *disk)
{
    const char *format = xls_format_driver(disk->rec->format);
    bool end = false;
    int i, rc = 0;

    if (!disk->num_layers) {
        XLS_ERROR(&op->log, "disk %s of domain %s: %s", disk->rec->vdev,
                  op->name, disk->why_not ? disk->why_not
                                          : "QEMU has no image open for it");
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (xls_disk_layer(disk, disk->rec->pdev_path) != 0) {
        XLS_ERROR(&op->log, "QEMU has %s open as disk %s of domain %s, but "
                  "libxl's records name %s; tell libxl of the change "
                  "(libxl_domain_snapshot_chain_changed) or restart the "
                  "domain", disk->layers[0].path, disk->rec->vdev, op->name,
                  disk->rec->pdev_path);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    if (format && strcmp(format, disk->layers[0].driver)) {
        XLS_ERROR(&op->log, "QEMU has disk %s of domain %s open as %s, but "
                  "libxl's records name the format %s", disk->rec->vdev,
                  op->name, disk->layers[0].driver, format);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    free(disk->layers[0].path);
    disk->layers[0].path = xls_strdup(disk->rec->pdev_path);
    for (i = 0; !rc && !end && i < disk->num_layers; i++)
        rc = verify_layer(op, disk, i, &end);
    return rc;
}
