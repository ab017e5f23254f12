/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DISKIMAGE_HEADER_H
#define XLS_DISKIMAGE_HEADER_H

#include <stdint.h>

#include "common/log.h"

/*
 * What an image's own header says, read without QEMU. A header is the guest's
 * or anybody's work: all in it is bounded and checked, and nothing that it
 * names is opened here.
 */
struct xls_header {
    char *driver;               /* QEMU's name of the format found */
    uint64_t size;              /* bytes that the image shows; 0: not told */
    char *backing;              /* as recorded; NULL: there is none */
    char *backing_format;       /* QEMU's name; NULL: not recorded */
    char *data_file;            /* the external data file as recorded, "" when
                                 * there is one without a name; NULL: none */
};

/*
 * Reads it from fd. driver: QEMU's name of the format; NULL: as the content
 * says, where nothing that is known is "raw". Formats without a backing file
 * have nothing read. path is for messages.
 *
 * ERROR_SNAPSHOT_IMAGE_CORRUPT when the header is damaged or not of that
 * format, ERROR_SNAPSHOT_DISK_UNSUPPORTED for vmdk, whose backing file is
 * named by a text that only QEMU reads, ERROR_SNAPSHOT_STORAGE when the file
 * cannot be read; all are logged. Then nothing is to be disposed of.
 */
int xls_header_read(const struct xls_log *log, int fd, const char *path,
                    const char *driver, struct xls_header *header);
void xls_header_dispose(struct xls_header *header);

/*
 * The path of this host that a name in the header of the image at path (as it
 * was opened: links in it are not resolved) means to QEMU; malloc'ed. NULL:
 * none, such as json:… and nbd:….
 */
char *xls_header_path(const char *path, const char *name);

#endif
